//! What the commands print: text or JSON on standard output, for readers that may have seen enough before its end.

use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints a text; `well` is the exit status if that could be done.
pub(crate) fn print(command: &str, text: &str, well: ExitCode) -> ExitCode {
    print_bytes(command, text.as_bytes(), well)
}

/// The same for text that need not be UTF-8.
pub(crate) fn print_bytes(command: &str, text: &[u8], well: ExitCode) -> ExitCode {
    match io::stdout().lock().write_all(text) {
        // `vipd status | head` has seen enough.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("vipd {command}: could not write to standard output: {e}");
            ExitCode::FAILURE
        }
        Ok(()) | Err(_) => well,
    }
}

/// The same for a value, as JSON.
pub(crate) fn print_json(command: &str, value: &impl Serialize, well: ExitCode) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(command, &(text + "\n"), well),
        Err(e) => {
            eprintln!("vipd {command}: the answer could not be written as JSON: {e}");
            ExitCode::FAILURE
        }
    }
}

/// `1 change`, `2 changes`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
