//! `cargo xtask TASK`: what the project does to itself. Not part of what is installed.

mod structure;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("structure"), None) => tell(structure::findings(&structure::root())),
        _ => {
            eprintln!("usage: cargo xtask structure    check that the workspace has the shape it shall have");
            ExitCode::FAILURE
        }
    }
}

fn tell(findings: Result<Vec<String>, String>) -> ExitCode {
    match findings {
        Ok(findings) if findings.is_empty() => {
            println!("structure: as it shall be");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            findings.iter().for_each(|finding| eprintln!("structure: {finding}"));
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("structure: could not be checked: {e}");
            ExitCode::FAILURE
        }
    }
}
