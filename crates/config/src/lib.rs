//! keepalived.conf: from text to [`model::Config`], with every finding located.
//!
//! ```text
//!   source ──► lex ──► tree (by keyword: THE TABLE) ──► lower ──► model::Config
//!     files     logical lines    blocks, arguments        meaning
//!                      └──────── diag: what was found, and where ────────┘──► render
//! ```
//!
//! Nothing here panics, hangs or grows without bound on any input: a hostile file is a file with findings.

pub mod changes;
pub mod diag;
pub mod discovery;
pub mod doc;
pub mod effective;
mod form;
pub mod format;
pub mod keyword;
mod lex;
mod lower;
mod memory;
pub mod model;
mod options;
pub mod plan;
mod render;
pub mod routing;
pub mod schema;
mod secret;
pub mod setting;
mod source;
#[cfg(fuzzing)]
pub mod stages;
mod succession;
mod tree;
mod value;

use diag::{Diagnostic, Findings, Level};
pub use memory::Memory;
use model::Config;
pub use options::{Options, ScriptCheck, Strictness, Written};
pub use render::{Color, render_sarif, render_text, summary};
use std::path::{Path, PathBuf};

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` if there was any error.
    pub config: Option<Config>,
    /// What was found, in the order of files and lines; first what concerns no line.
    pub diagnostics: Vec<Diagnostic>,
    /// Findings beyond those kept.
    pub unkept: usize,
    /// The files that were read, each once.
    pub files: Vec<PathBuf>,
    /// What makes the next reading a short one; goes with `config`.
    pub memory: Memory,
}

impl Loaded {
    /// Whether there was any error.
    pub fn failed(&self) -> bool {
        self.config.is_none()
    }

    /// Whether there is anything of that level.
    pub fn any(&self, level: Level) -> bool {
        self.diagnostics.iter().any(|d| d.level == level)
    }
}

/// Reads a file (or all that a pattern matches) with everything it includes.
pub fn load(path: &Path, options: &Options) -> Loaded {
    load_again(path, options, None)
}

/// The same, after an earlier reading: its configuration and its memory.
pub fn load_again(path: &Path, options: &Options, before: Option<(&Config, &Memory)>) -> Loaded {
    let mut findings = Findings::default();
    let tape = lex::Lexer::new(options, &mut findings).run(path);
    finish(tape, findings, options, before)
}

/// Bytes of one file at most.
pub const MAX_FILE: u64 = source::MAX_FILE;

/// The text of one file, if it is one that a configuration may be made of: regular, not executable, not too large. Else
/// why not, and what to do.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    source::read(path).map_err(|unreadable| {
        let help = unreadable.help(path).map_or_else(String::new, |help| format!("; {help}"));
        format!("{} {}{help}", path.display(), unreadable.why())
    })
}

/// Reads a text as if it were a file of that name in the current directory.
pub fn load_str(name: &str, text: &str, options: &Options) -> Loaded {
    let mut findings = Findings::default();
    let file = findings.map.add(source::File::new(name.to_owned(), text.as_bytes().to_vec(), None));
    let tape = lex::Lexer::new(options, &mut findings).run_text(file);
    finish(tape, findings, options, None)
}

fn finish(
    mut tape: lex::tape::Tape,
    mut findings: Findings,
    options: &Options,
    before: Option<(&Config, &Memory)>,
) -> Loaded {
    let root = tree::parse(&mut tape, &mut findings, options.written);
    let (config, memory) = lower::lower(root, &mut tape, &mut findings, options, before);
    let failed = findings.failed();
    let mut files: Vec<PathBuf> = Vec::new();
    for file in &findings.map.files {
        let path = PathBuf::from(&file.name);
        if !files.contains(&path) {
            files.push(path);
        }
    }
    findings.conceal();
    let mut diagnostics = findings.list;
    // By place, so that the text reads from the top of the file down; what has no place comes first.
    diagnostics.sort_by_key(|d| d.span.as_ref().map(|s| (order(&files, &s.file), s.line, s.col)));
    Loaded { config: (!failed).then_some(config), diagnostics, unkept: findings.dropped, files, memory }
}

fn order(files: &[PathBuf], name: &str) -> usize {
    files.iter().position(|f| f.as_os_str() == name).unwrap_or(files.len())
}
