//! `vipd fmt`: configuration files in one layout. The layout itself is `vipd_config::format`; this reads, and replaces files
//! so that each is the old one or the new one at every moment.

use crate::cli;
use crate::output::print_bytes;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vipd_config::format::{Unformattable, format};
use vipd_config::{Color, MAX_FILE, render_text};

/// 0: done; 1: `--check` has found files that would change; 2: something could not be done.
pub(crate) fn run(arguments: &cli::Fmt) -> ExitCode {
    let color = crate::color(io::stderr().is_terminal());
    let outcome = work(arguments, &mut io::stdin().lock(), color);
    eprint!("{}", outcome.complaints);
    print_bytes("fmt", &outcome.output, ExitCode::from(outcome.status))
}

/// What came of a command line.
#[derive(Debug, Default)]
struct Outcome {
    output: Vec<u8>,
    complaints: String,
    status: u8,
}

/// Exit statuses.
const WOULD_CHANGE: u8 = 1;
const FAILED: u8 = 2;

fn work(arguments: &cli::Fmt, input: &mut impl Read, color: Color) -> Outcome {
    let mut outcome = Outcome::default();
    if arguments.files.len() > 1 && !arguments.write && !arguments.check {
        outcome.fail("vipd fmt: one file at a time can be printed; --write replaces many, --check compares many");
        return outcome;
    }
    for path in &arguments.files {
        match file(path, arguments, input, color) {
            Ok(Done::Nothing) => {}
            Ok(Done::Output(text)) => outcome.output.extend(text),
            Ok(Done::WouldChange) => {
                outcome.output.extend_from_slice(path.as_os_str().as_encoded_bytes());
                outcome.output.push(b'\n');
                outcome.status = outcome.status.max(WOULD_CHANGE);
            }
            Err(why) => outcome.fail(&why),
        }
    }
    outcome
}

impl Outcome {
    fn fail(&mut self, why: &str) {
        self.complaints.push_str(why);
        self.complaints.push('\n');
        self.status = FAILED;
    }
}

/// What came of one file.
enum Done {
    Nothing,
    Output(Vec<u8>),
    WouldChange,
}

fn file(path: &Path, arguments: &cli::Fmt, input: &mut impl Read, color: Color) -> Result<Done, String> {
    let from_input = path.as_os_str() == "-";
    if from_input && arguments.write {
        return Err("vipd fmt: standard input can't be replaced".to_owned());
    }
    let text = if from_input { all_of(input) } else { vipd_config::read(path) };
    let text = text.map_err(|why| format!("vipd fmt: {why}"))?;
    let name = if from_input { "standard input".into() } else { path.to_string_lossy() };
    let formatted = format(&name, &text).map_err(|why| unformattable(&name, &why, color))?;
    match (arguments.check, arguments.write) {
        (true, _) if formatted != text => Ok(Done::WouldChange),
        (false, true) if formatted != text => {
            replace(path, &text, &formatted)
                .map_err(|why| format!("vipd fmt: {name} could not be replaced and is left as it is: {why}"))?;
            Ok(Done::Nothing)
        }
        (true, _) | (_, true) => Ok(Done::Nothing),
        (false, false) => Ok(Done::Output(formatted)),
    }
}

fn all_of(input: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    input.take(MAX_FILE + 1).read_to_end(&mut text).map_err(|e| format!("standard input can't be read: {e}"))?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("standard input has more than {MAX_FILE} bytes"));
    }
    Ok(text)
}

fn unformattable(name: &str, why: &Unformattable, color: Color) -> String {
    match why {
        Unformattable::Flawed(flaws) => {
            format!("{}vipd fmt: {name} is left as it is: mend this first", render_text(flaws, color))
        }
        Unformattable::Changed { line } => format!(
            "vipd fmt: {name} is left as it is: line {line} would mean something else in the new layout. That is a \
             mistake of vipd's, please report it with that line"
        ),
    }
}

/// Puts `new` in the place of the file that held `old`, with its owner and mode. A link goes on pointing at it.
fn replace(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let beside = beside(&path);
    let written = write_beside(&path, &beside, old, new);
    if written.is_err() {
        let _ = fs::remove_file(&beside); // perhaps it was never made
    }
    written
}

/// A name in the same directory. No pattern for configuration files matches it.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".vipd-fmt-{}", std::process::id()));
    path.with_file_name(name)
}

fn write_beside(path: &Path, beside: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let meta = fs::metadata(path)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(beside)?;
    let mine = file.metadata()?;
    if (mine.uid(), mine.gid()) != (meta.uid(), meta.gid()) {
        fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
    }
    file.set_permissions(meta.permissions())?;
    file.write_all(new)?;
    file.sync_all()?;
    if fs::read(path)? != old {
        return Err(io::Error::other("somebody else has changed it meanwhile"));
    }
    fs::rename(beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
