//! The stages one by one, for the fuzz targets (`cfg(fuzzing)`). They read one text alone: an include opens no file.

use crate::diag::{Diagnostic, Findings};
use crate::lex::Lexer;
use crate::lex::tape::Tape;
use crate::options::{Options, ScriptCheck, Written};
use crate::source::File;
use crate::{Loaded, finish, tree};

/// Nothing of it depends on the machine.
fn options() -> Options {
    Options { config_id: Some("here".to_owned()), scripts: ScriptCheck::Skip, ..Options::default() }
}

fn tape(text: &[u8]) -> (Tape, Findings) {
    let mut findings = Findings::default();
    let file = findings.map.add(File::new("fuzz".to_owned(), text.to_vec(), None));
    let (tape, _) = Lexer::new(&options(), &mut findings).run_closed(file);
    (tape, findings)
}

/// To logical lines.
pub fn lex(text: &[u8]) -> Vec<Diagnostic> {
    let (_, mut findings) = tape(text);
    findings.conceal();
    findings.list
}

/// To blocks and keywords.
pub fn parse(text: &[u8]) -> Vec<Diagnostic> {
    let (mut tape, mut findings) = tape(text);
    tree::parse(&mut tape, &mut findings, Written::Keep);
    findings.conceal();
    findings.list
}

/// To a configuration.
pub fn load(text: &[u8]) -> Loaded {
    let (tape, findings) = tape(text);
    finish(tape, findings, &options(), None)
}
