//! From files to logical lines: comments, conditions, definitions, sequences, includes and braces, in that order,
//! in one pass. Knows no keyword but `include_check`, which changes how it reads.
//!
//! ```text
//!  file line ──► comment ──► condition ──► definition? ──► sequence? ──► substitution ──► include? ──► braces ──► Item
//!      ▲                        ▲                             │               │               │           │
//!      │                        └── rest of a line, next copy of a sequence, next line of a definition ───┘
//!      └────────────────────────────────────── next file ────────────────────┘
//! ```
//!
//! Every character carries its place, so that each word of each item can be shown where it was written.

pub(crate) mod comment;
mod define;
mod include;
mod plain;
mod sequence;
pub(crate) mod tape;
pub(crate) mod words;

use crate::diag::{Code, Findings, Report};
use crate::options::Options;
use crate::source::{Ch, DIRECT, Expansion, MAX_LINE, Place, place_of, text_of, trim};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use tape::Tape;
use words::Line;

/// Characters of a line after substitution at most.
const MAX_EXPANDED: usize = 64 << 10;
/// Logical lines at most.
const MAX_ITEMS: usize = 4_000_000;
/// Lines that are under way at once: includes in sequences in definitions.
const MAX_DEPTH: usize = 64;
/// Characters handled at most, each substitution and each repetition counted: what keeps a hostile file from taking
/// for ever.
const MAX_WORK: usize = 64 << 20;

/// Bytes that items and expansions may take at most, ever so little text they come from ...
const MAX_KEPT: usize = 24 << 20;
/// ... and for each byte of the files: what dense honest lines come to.
const KEPT_PER_BYTE: usize = 64;

/// A logical line, or a brace, which always stands alone.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Line(Line),
    Open(Place),
    Close(Place),
    /// Here stood something that can't be read, which was told.
    Lost,
}

/// Which failures of an include are errors: `include_check` and the letters behind `include`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Checks {
    pub(crate) read: bool,
    pub(crate) matched: bool,
    pub(crate) wildcard: bool,
    pub(crate) brace: bool,
}

impl Checks {
    pub(crate) const ALL: Checks = Checks { read: true, matched: true, wildcard: true, brace: true };

    pub(crate) fn or(self, other: Checks) -> Checks {
        Checks {
            read: self.read || other.read,
            matched: self.matched || other.matched,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }
}

/// What a text says beside its items: a definition it makes, or an include that is noted instead of followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Aside {
    /// Items before it.
    pub(crate) behind: usize,
    pub(crate) what: AsideKind,
    pub(crate) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AsideKind {
    Definition,
    Include,
}

/// Where lines come from; the last one first.
enum Frame {
    File {
        file: u32,
        next: usize,
        dir: PathBuf,
        checks: Checks,
    },
    /// The lines of a multi-line definition.
    Replay {
        lines: Rc<[Vec<Ch>]>,
        next: usize,
        via: u32,
    },
    Repeat(sequence::Repeat),
}

/// The lexer. It only ever goes forward; `run` it once.
pub(crate) struct Lexer<'a> {
    options: &'a Options,
    config_id: String,
    findings: &'a mut Findings,
    frames: Vec<Frame>,
    /// What is left of a line that was split at a brace.
    rest: Option<Vec<Ch>>,
    definitions: HashMap<String, define::Definition>,
    random: u64,
    work: usize,
    tape: Tape,
    kept: usize,
    /// Set once a limit is passed: nothing more is read.
    stopped: bool,
    /// Conditions so far: whether one `@ID` held, and the first that did not, with the names.
    held: bool,
    foreign: Option<(Place, Vec<String>)>,
    /// Directory of files that have none, such as text handed over by a caller.
    start: PathBuf,
    /// Set where a text is read for itself alone.
    asides: Option<Vec<Aside>>,
    plainly: Plainly,
}

/// Whether plain lines go the short way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plainly {
    Yes,
    Never,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(options: &'a Options, findings: &'a mut Findings) -> Lexer<'a> {
        let config_id = options.config_id.clone().unwrap_or_else(crate::options::host_name_head);
        let random = {
            use std::hash::{BuildHasher, Hasher};
            std::collections::hash_map::RandomState::new().build_hasher().finish() | 1
        };
        Lexer {
            options,
            config_id,
            findings,
            frames: Vec::new(),
            rest: None,
            definitions: HashMap::new(),
            random,
            work: 0,
            tape: Tape::default(),
            kept: 0,
            stopped: false,
            held: false,
            foreign: None,
            start: PathBuf::from("."),
            asides: None,
            plainly: Plainly::Yes,
        }
    }

    /// The main file or files.
    pub(crate) fn run(mut self, pattern: &std::path::Path) -> Tape {
        self.open_main(pattern);
        self.drain();
        self.tape.with_files(&self.findings.map.files)
    }

    /// A text that some caller has in hand.
    pub(crate) fn run_text(mut self, file: u32) -> Tape {
        let checks = if self.options.include_checks_all { Checks::ALL } else { Checks::default() };
        self.frames.push(Frame::File { file, next: 1, dir: self.start.clone(), checks });
        self.drain();
        self.tape.with_files(&self.findings.map.files)
    }

    /// A text for itself alone: no file is opened, and the same text always comes to the same.
    pub(crate) fn run_alone(mut self, file: u32) -> (Vec<Item>, Vec<Aside>) {
        // Asides are counted by items.
        self.plainly = Plainly::Never;
        let (mut tape, asides) = self.run_closed(file);
        let mut at = tape::Position::default();
        let items = std::iter::from_fn(|| tape.next(&mut at)).map(|(_, item)| item).collect();
        (items, asides)
    }

    /// The same, with plain lines left as they are.
    pub(crate) fn run_closed(mut self, file: u32) -> (Tape, Vec<Aside>) {
        self.asides = Some(Vec::new());
        self.random = 1;
        self.frames.push(Frame::File { file, next: 1, dir: self.start.clone(), checks: Checks::default() });
        self.drain();
        let asides = self.asides.take().unwrap_or_default();
        (self.tape.with_files(&self.findings.map.files), asides)
    }

    /// Whether this is only to be noted.
    fn aside(&mut self, what: AsideKind, text: impl FnOnce() -> String) -> bool {
        let behind = self.tape.len();
        let Some(asides) = &mut self.asides else { return false };
        asides.push(Aside { behind, what, text: text() });
        true
    }

    fn drain(&mut self) {
        while !self.stopped {
            if self.plain() {
                continue;
            }
            let Some(line) = self.fetch() else { break };
            self.line(line);
        }
        // A file made for other ids alone: its errors would puzzle.
        if let Some((at, names)) = self.foreign.take().filter(|_| !self.held) {
            let message = format!("lines for {} are left out: this is read for `{}`", names.join(", "), self.config_id);
            let report = Report::lint(Code::BadCondition, at, message);
            self.findings.push(report.help("option -i ID reads it for another one"));
        }
    }

    /// Accounts for handling `n` characters.
    fn charge(&mut self, n: usize, at: Place) {
        self.work = self.work.saturating_add(n + 16);
        if self.work > MAX_WORK && !self.stopped {
            self.stop(at, "reading stopped here: the file expands to too much text");
        }
    }

    /// Accounts for keeping `n` bytes.
    fn keep(&mut self, n: usize, at: Place) {
        self.kept = self.kept.saturating_add(n);
        if self.kept > MAX_KEPT + KEPT_PER_BYTE * self.findings.map.total && !self.stopped {
            self.stop(at, "reading stopped here: the file expands to too many lines");
        }
    }

    /// Where something expanded stands; `at` is what it stands for.
    fn expand(&mut self, at: Place, name: &str) -> u32 {
        // The list doubles as it grows: old and new one together are three times what is in use.
        self.keep(3 * size_of::<Expansion>() + name.len() + 16, at);
        self.findings.map.expand(at, name)
    }

    fn stop(&mut self, at: Place, message: &str) {
        self.stopped = true;
        self.rest = None;
        self.findings.push(
            Report::error(Code::TooMuch, at, message)
                .help("look for a sequence with a huge range, or a definition or include that repeats itself"),
        );
    }

    fn push_frame(&mut self, frame: Frame, at: Place) {
        if self.frames.len() >= MAX_DEPTH {
            self.stop(at, "reading stopped here: includes, sequences and definitions are nested too deeply");
        } else {
            self.frames.push(frame);
        }
    }

    /// The next line to handle, whatever it comes from.
    fn fetch(&mut self) -> Option<Vec<Ch>> {
        if let Some(rest) = self.rest.take() {
            return Some(rest);
        }
        loop {
            match self.frames.last_mut()? {
                Frame::File { .. } => match self.physical() {
                    Some(raw) => return Some(self.uncommented(&raw)),
                    None => {
                        self.frames.pop();
                    }
                },
                Frame::Replay { lines, next, via } => match lines.get(*next) {
                    Some(line) => {
                        *next += 1;
                        let via = *via;
                        return Some(line.iter().map(|c| Ch { at: Place { via, ..c.at }, ..*c }).collect());
                    }
                    None => {
                        self.frames.pop();
                    }
                },
                Frame::Repeat(repeat) => match repeat.step() {
                    Some((name, value, line)) => {
                        self.definitions.insert(name, define::Definition::single(value));
                        return Some(line);
                    }
                    None => {
                        self.frames.pop();
                    }
                },
            }
        }
    }

    fn uncommented(&mut self, raw: &[Ch]) -> Vec<Ch> {
        let line = comment::strip(raw);
        if let Some(at) = comment::inside_word(raw, &line) {
            let report = Report::lint(Code::CommentInWord, at, "a comment starts here, in the middle of a word");
            // Half a password is worse than half of anything else.
            let text = text_of(trim(&line));
            let secret = crate::secret::keywords().any(|keyword| text.starts_with(keyword));
            let report = if secret { report.at_level(crate::diag::Level::Warning) } else { report };
            self.findings
                .push(report.help("put the word in double quotes if this is part of it, else a blank before it"));
        }
        line
    }

    /// The next physical line of the file on top, as it is written, or `None` at its end.
    fn physical(&mut self) -> Option<Vec<Ch>> {
        loop {
            let Some(Frame::File { file, next, .. }) = self.frames.last_mut() else {
                return None;
            };
            let (file, number) = (*file, *next);
            *next += 1;
            let bytes = self.findings.map.files.get(file as usize)?.line(number)?;
            let line = u32::try_from(number).unwrap_or(u32::MAX);
            let whole = Place { file, line, col: 0, len: u32::try_from(bytes.len()).unwrap_or(0), via: DIRECT };
            let length = bytes.len();
            let nul = bytes.iter().position(|b| *b == 0);
            let bad = match nul {
                _ if length > MAX_LINE => Some(format!("this line has {length} characters, more than {MAX_LINE}")),
                Some(_) => Some("this line holds a NUL byte".to_owned()),
                None => None,
            };
            if let Some(message) = bad {
                // The NUL byte, or the first character.
                let nul = nul.filter(|_| length <= MAX_LINE);
                let first = bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
                let len = first.filter(|_| nul.is_none()).map_or(1, |c| u32::try_from(c.len_utf8()).unwrap_or(1));
                let place = Place { col: nul.map_or(0, |at| u32::try_from(at).unwrap_or(0)), len, ..whole };
                self.charge(length, place);
                self.findings.push(Report::error(Code::LineUnusable, place, message).help("the line is left out"));
                self.item(Item::Lost, place);
                continue;
            }
            let mut chars = Vec::with_capacity(length);
            let mut col = 0;
            for chunk in bytes.utf8_chunks() {
                for c in chunk.valid().chars() {
                    let len = u32::try_from(c.len_utf8()).unwrap_or(1);
                    chars.push(Ch { c, literal: false, at: Place { file, line, col, len, via: DIRECT } });
                    col += len;
                }
                for _ in chunk.invalid() {
                    let at = Place { file, line, col, len: 1, via: DIRECT };
                    chars.push(Ch { c: char::REPLACEMENT_CHARACTER, literal: false, at });
                    col += 1;
                }
            }
            self.charge(length, whole);
            return Some(chars);
        }
    }

    /// One line through all steps.
    fn line(&mut self, line: Vec<Ch>) {
        let mut line = trim(&line).to_vec();
        self.charge(line.len(), place_of(&line));
        while line.first().is_some_and(|c| c.c == '@' && !c.literal) {
            match self.condition(&line) {
                Some(rest) => line = rest,
                None => return,
            }
        }
        if line.is_empty() || self.definition(&line) || self.sequence(&line) {
            return;
        }
        let Some(line) = self.substitute(line) else { return };
        let line = comment::strip(&line);
        let line = trim(&line);
        if line.is_empty() || self.include(line) {
            return;
        }
        if let Some(bad) = line.iter().find(|c| c.c == char::REPLACEMENT_CHARACTER) {
            let report = Report::error(Code::LineUnusable, bad.at, "this is not UTF-8 text");
            self.findings.push(report.help("save the file as UTF-8 (outside comments)"));
        }
        if line.iter().all(|c| c.c.is_ascii()) {
            self.split(line);
        } else {
            let line = self.visible(line);
            self.split(trim(&line));
        }
    }

    /// The line without characters that look like a blank, or like nothing, and are neither; those in quotes may be meant.
    fn visible(&mut self, line: &[Ch]) -> Vec<Ch> {
        let mut quotes = comment::Quotes::default();
        let mut told = false;
        let mut out = line.to_vec();
        for c in &mut out {
            quotes.feed(*c);
            let blank = !c.c.is_ascii() && c.c.is_whitespace();
            if quotes.inside() || !(blank || matches!(c.c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')) {
                continue;
            }
            if !told {
                let message = format!("an invisible character stands here, U+{:04X}", u32::from(c.c));
                let report = Report::error(Code::LineUnusable, c.at, message);
                self.findings
                    .push(report.help("replace it by a blank, or remove it; web pages and editors put it there"));
                told = true;
            }
            c.c = ' ';
        }
        out
    }

    /// `@ID rest` and `@^ID rest`: the rest, if it is meant for us.
    fn condition(&mut self, line: &[Ch]) -> Option<Vec<Ch>> {
        let end = line.iter().position(|c| c.c == ' ' || c.c == '\t').unwrap_or(line.len());
        let word = &line[1..end];
        let (word, negated) = match word.first() {
            Some(c) if c.c == '^' => (&word[1..], true),
            _ => (word, false),
        };
        if word.is_empty() {
            let report =
                Report::error(Code::BadCondition, place_of(&line[..end]), "a condition needs a name after `@`");
            self.findings.push(report.help("write `@ID ...` for lines meant for one configuration id (option -i)"));
            self.item(Item::Lost, place_of(line));
            return None;
        }
        let (name, at) = (text_of(word), place_of(&line[..end]));
        let holds = name == self.config_id;
        if !negated {
            self.held |= holds;
            let (_, names) = self.foreign.get_or_insert_with(|| (at, Vec::new()));
            if names.len() < 5 && !names.iter().any(|n| n[1..n.len() - 1] == name) {
                names.push(format!("`{name}`"));
            }
        }
        (holds != negated).then(|| trim(&line[end..]).to_vec())
    }

    /// Cuts a line at its first brace: braces stand alone, the rest goes through all steps again.
    fn split(&mut self, line: &[Ch]) {
        let mut quoted = comment::Quotes::default();
        let mut open_quote = None;
        let mut cut = None;
        for (i, c) in line.iter().enumerate() {
            let was = quoted.inside();
            quoted.feed(*c);
            if !was && quoted.inside() {
                open_quote = Some(c.at);
            }
            if cut.is_none() && !quoted.inside() && !c.literal && (c.c == '{' || c.c == '}') {
                cut = Some(i);
            }
        }
        let unbalanced = open_quote.filter(|_| quoted.inside());
        match cut {
            Some(0) => {
                let at = line[0].at;
                self.item(if line[0].c == '{' { Item::Open(at) } else { Item::Close(at) }, at);
                if line.len() > 1 {
                    self.rest = Some(line[1..].to_vec());
                }
            }
            Some(cut) => {
                self.words(trim(&line[..cut]), None);
                self.rest = Some(line[cut..].to_vec());
            }
            None => self.words(line, unbalanced),
        }
    }

    fn words(&mut self, line: &[Ch], unbalanced: Option<Place>) {
        if line.iter().all(|c| words::separator(c.c)) {
            return;
        }
        if let Some(at) = unbalanced {
            let report = Report::error(Code::UnmatchedQuote, at, "this quote is not closed on its line");
            self.findings.push(report.help("quotes never span lines; write \\\" for a quote inside a command"));
            self.findings.doubt(at);
        }
        let mut parsed = words::tokenise(line);
        if unbalanced.is_some() {
            parsed.unmatched = None;
        }
        self.note_include_check(&parsed);
        self.item(Item::Line(parsed), place_of(line));
    }

    fn item(&mut self, item: Item, at: Place) {
        let within = if let Item::Line(line) = &item { line.kept() } else { 0 };
        self.keep(3 * size_of::<Item>() + within, at);
        if self.tape.push(item).is_err() {
            self.too_long(at);
        }
    }

    fn too_long(&mut self, at: Place) {
        self.stop(at, "reading stopped here: too many lines");
    }
}
