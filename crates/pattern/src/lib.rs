//! What `regex` of a `url` looks for in a body. The language is that of PCRE2, for that is what the files in the field are
//! written in; the engine is one that no body can make run for ever or write where it should not.
//!
//! ```text
//!   settings --translate--> the engine's language --compile--> Pattern --search--> where | nowhere | Stopped
//! ```
//!
//! How it differs from PCRE2 in keepalived 2.2.7: recursion, callouts, verbs, `\G`, `\X` and branch reset are refused when
//! the file is read; a match is looked for in the first [`SEARCHED`] bytes of a body; what takes more than [`STEPS`] steps
//! back at one place is given up.

mod translate;

use fancy_regex::{BytesMode, Regex, RegexBuilder, RegexInput, RuntimeError};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
pub use vipd_lvs::settings::{BodyPattern, RegexOption};

/// The part of a body that is searched, in bytes; a match ends there.
pub const SEARCHED: usize = 1 << 20;

/// How much more than that a caller keeps, so that the end of what is searched is not taken for the end of the body: as many
/// bytes as `$` looks ahead.
pub const BEHIND: usize = 2;

/// Steps back that a match may take from one place where it may begin.
pub const STEPS: usize = 1_000_000;

/// Bytes that a compiled pattern may have, about.
const COMPILED: usize = 2 << 20;

/// Places between two looks at whether somebody still waits for the result.
const LOOK: usize = 64;

/// What is wrong with a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Why a search has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// It took more than [`STEPS`] steps back.
    Backtracking,
    /// Nobody waits for it any more.
    Abandoned,
}

/// A pattern, ready to be looked for.
#[derive(Clone)]
pub struct Pattern {
    settings: BodyPattern,
    /// It in the engine's language.
    text: String,
    regex: Regex,
    /// Whether the engine finds it in one pass over a body.
    plain: bool,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.settings).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.settings == other.settings
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles it.
    ///
    /// # Errors
    ///
    /// If it is no pattern, or uses what the engine does not have: the text says what.
    pub fn new(settings: BodyPattern) -> Result<Pattern, Wrong> {
        let is = |option| settings.options.contains(&option);
        let utf = is(RegexOption::Utf);
        let text = translate::translate(&settings.regex, &settings.options)?;
        let mut parser = regex_syntax::ParserBuilder::new();
        // What the engine's simple half knows it finds in one pass.
        let plain = parser.utf8(false).unicode(utf).build().parse(&text).is_ok();
        let regex = RegexBuilder::new(&text)
            .case_insensitive(is(RegexOption::Caseless))
            .bytes_mode(if utf { BytesMode::UnicodeBytes } else { BytesMode::Ascii })
            .backtrack_limit(STEPS)
            .delegate_size_limit(COMPILED)
            .max_prog_size(COMPILED / 64)
            .build();
        let regex = regex.map_err(|error| Wrong(reason(&error)))?;
        Ok(Pattern { settings, text, regex, plain })
    }

    /// What it was made from.
    pub fn settings(&self) -> &BodyPattern {
        &self.settings
    }

    /// Where the first match begins that is allowed to begin there, in bytes from the start of the body; `None`: nowhere. `body`
    /// is the beginning of a body: whole, or [`SEARCHED`] and [`BEHIND`] bytes of it at least.
    ///
    /// # Errors
    ///
    /// If it can't be told; [`Stopped::Abandoned`] soon after `wanted` has become false.
    pub fn search(&self, body: &[u8], wanted: &AtomicBool) -> Result<Option<usize>, Stopped> {
        let end = body.len().min(SEARCHED);
        let offset = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let first = offset(self.settings.min_offset);
        let mut last = self.settings.max_offset.map_or(end, offset).min(end);
        if first > end {
            return Ok(None);
        }
        if self.settings.options.contains(&RegexOption::Firstline) {
            let line = body[first..end].iter().position(|b| *b == b'\n');
            last = line.map_or(last, |length| last.min(first + length));
        }
        // A match that must give something back to end in time may not: then there is nothing to give back.
        let ends = self.text.contains("\\z") || self.text.contains("(?m:$)");
        let kept = if self.plain || ends { body } else { &body[..end] };
        let input = RegexInput::new(kept).range(0..end);
        let found = |input: RegexInput<'_, [u8]>| match self.regex.find_input(input) {
            Ok(found) => Ok(found.map(|found| found.start())),
            Err(_) => Err(Stopped::Backtracking),
        };
        if self.plain {
            return Ok(found(input.from_pos(first))?.filter(|at| *at <= last));
        }
        // One place after the other, so that the steps are counted for each, and the search can be left between them.
        let utf = self.settings.options.contains(&RegexOption::Utf);
        for at in first..=last {
            if at % LOOK == 0 && !wanted.load(Ordering::Relaxed) {
                return Err(Stopped::Abandoned);
            }
            let within = utf && body.get(at).is_some_and(|b| b & 0xc0 == 0x80);
            if !within && found(input.clone().from_pos(at).anchored(true))?.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

/// What the engine says, without the place: that counts in its own language.
fn reason(error: &fancy_regex::Error) -> String {
    match error {
        fancy_regex::Error::ParseError(_, error) => error.to_string(),
        fancy_regex::Error::CompileError(error) => error.to_string(),
        fancy_regex::Error::RuntimeError(RuntimeError::StackOverflow) => "it is nested too deep".to_owned(),
        error => error.to_string(),
    }
}
