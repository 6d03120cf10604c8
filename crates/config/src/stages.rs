//! The stages one by one, for the fuzz targets (`cfg(fuzzing)`). They read one text alone: an include opens no file.

use crate::diag::{Diagnostic, Findings};
use crate::lex::{Item, Lexer};
use crate::options::{Options, ScriptCheck};
use crate::source::File;
use crate::{Loaded, finish, tree};

/// Nothing of it depends on the machine.
fn options() -> Options {
    Options { config_id: Some("here".to_owned()), scripts: ScriptCheck::Skip, ..Options::default() }
}

fn items(text: &[u8]) -> (Vec<Item>, Findings) {
    let mut findings = Findings::default();
    let file = findings.map.add(File::new("fuzz".to_owned(), text.to_vec(), None));
    let (items, _) = Lexer::new(&options(), &mut findings).run_alone(file);
    (items, findings)
}

/// To logical lines.
pub fn lex(text: &[u8]) -> Vec<Diagnostic> {
    items(text).1.list
}

/// To blocks and keywords.
pub fn parse(text: &[u8]) -> Vec<Diagnostic> {
    let (items, mut findings) = items(text);
    tree::parse(items, &mut findings);
    findings.list
}

/// To a configuration.
pub fn load(text: &[u8]) -> Loaded {
    let (items, findings) = items(text);
    finish(items, findings, &options())
}
