//! What a text means, as far as one file can tell: its logical items, definitions and includes, for each id that its
//! conditions name and for none of them.

use super::{Unformattable, scan};
use crate::diag::{Code, Diagnostic, Findings, Level, Report};
use crate::lex::words::{CommandError, Line, Word};
use crate::lex::{Aside, AsideKind, Item, Lexer};
use crate::options::Options;
use crate::source::{File, Place};
use crate::{Loaded, Memory};
use std::mem::{Discriminant, discriminant};

/// Ids that a text is read for at most. Lines for others are told apart by nothing but their id.
const MAX_IDS: usize = 6;

/// Unbalanced braces that are told at most.
const REPORTS: usize = 20;

/// Whether the text can be laid out, and means the same when it is. For one id after the other, so that two readings at most
/// are in memory.
pub(super) fn compare(name: &str, text: &[u8], formatted: &[u8]) -> Result<(), Unformattable> {
    let mut flaws: Vec<Diagnostic> = Vec::new();
    let mut changed = None;
    // Lines for one id may open what lines for another close as well: each reader must miss something.
    let mut unbalanced: Option<Vec<Diagnostic>> = None;
    let mut balanced = false;
    for id in ids(text) {
        let mut reading = Reading::of(name, text, &id);
        for flaw in reading.flaws() {
            if !flaws.contains(flaw) {
                flaws.push(flaw.clone());
            }
        }
        let found = reading.unbalanced();
        balanced |= found.is_empty();
        unbalanced.get_or_insert(found);
        if flaws.is_empty() && changed.is_none() {
            changed = reading.difference(&Reading::of(name, formatted, &id));
        }
        // Too much for one is enough.
        if flaws.iter().any(|d| d.code == Code::TooMuch) {
            break;
        }
    }
    flaws.extend(unbalanced.filter(|_| !balanced).unwrap_or_default());
    flaws.sort_by_key(|d| d.span.as_ref().map(|s| (s.line, s.col)));
    match changed {
        _ if !flaws.is_empty() => Err(Unformattable::Flawed(Box::new(Loaded {
            memory: Memory::default(),
            config: None,
            diagnostics: flaws,
            unkept: 0,
            files: Vec::new(),
        }))),
        Some(line) => Err(Unformattable::Changed { line }),
        None => Ok(()),
    }
}

/// The ids that conditions of the text name, and more that look like them; last the one that no condition can name.
fn ids(text: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let ends = |b: &u8| scan::blank(*b) || matches!(b, b'\n' | b'{' | b'}' | b')' | b'\r');
    for word in text.split(ends) {
        let Some(id) = word.strip_prefix(b"@") else { continue };
        let id = String::from_utf8_lossy(id.strip_prefix(b"^").unwrap_or(id)).into_owned();
        if !id.is_empty() && !ids.contains(&id) && ids.len() < MAX_IDS {
            ids.push(id);
        }
    }
    ids.push(String::new());
    ids
}

/// A text, read for one id.
struct Reading {
    items: Vec<Item>,
    asides: Vec<Aside>,
    findings: Findings,
}

impl Reading {
    fn of(name: &str, text: &[u8], id: &str) -> Reading {
        let options = Options { config_id: Some(id.to_owned()), ..Options::default() };
        let mut findings = Findings::default();
        let file = findings.map.add(File::new(name.to_owned(), text.to_vec(), None));
        let (items, asides) = Lexer::new(&options, &mut findings).run_alone(file);
        findings.conceal();
        Reading { items, asides, findings }
    }

    /// What makes it impossible to tell one line from the next.
    fn flaws(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.list.iter().filter(|d| {
            d.level == Level::Error && matches!(d.code, Code::LineUnusable | Code::UnmatchedQuote | Code::TooMuch)
        })
    }

    /// The first line that `other` reads differently.
    fn difference(&self, other: &Reading) -> Option<u32> {
        let line = |at: usize| match self.items.get(at.min(self.items.len().saturating_sub(1))) {
            Some(Item::Line(line)) => line.at().line,
            Some(Item::Open(at) | Item::Close(at)) => at.line,
            Some(Item::Lost) | None => 1,
        };
        if let Some((ours, _)) = self.asides.iter().zip(&other.asides).find(|(a, b)| a != b) {
            return Some(line(ours.behind));
        }
        if let Some(at) = self.items.iter().zip(&other.items).position(|(a, b)| !same(a, b)) {
            return Some(line(at));
        }
        let shorter = self.items.len().min(other.items.len());
        let equal = self.items.len() == other.items.len() && self.asides.len() == other.asides.len();
        (!equal).then(|| line(shorter))
    }

    /// Braces that have no partner, if this text alone can tell.
    fn unbalanced(&mut self) -> Vec<Diagnostic> {
        let included = self.asides.iter().any(|a| a.what == AsideKind::Include);
        let unknown = self.findings.dropped > 0 || self.findings.list.iter().any(|d| d.code == Code::Undefined);
        if included || unknown {
            return Vec::new();
        }
        let help = "a file that holds only a part of a block can't be laid out by itself";
        let mut open: Vec<Place> = Vec::new();
        let mut reports = Vec::new();
        for item in &self.items {
            match item {
                Item::Line(_) | Item::Lost => {}
                Item::Open(at) => open.push(*at),
                Item::Close(at) => {
                    if open.pop().is_none() && reports.len() < REPORTS {
                        let report = Report::error(Code::ExtraClose, *at, "this `}` closes nothing");
                        reports
                            .push(report.help("remove it, or look for a block that was closed too early").help(help));
                    }
                }
            }
        }
        if let Some(at) = open.pop() {
            let report = Report::error(Code::MissingClose, at, "this block is not closed").help("a `}` is missing");
            reports.push(
                open.iter().rev().take(REPORTS).fold(report, |r, outer| r.also(*outer, "nor is this one")).help(help),
            );
        }
        let known = self.findings.list.len();
        reports.into_iter().for_each(|report| self.findings.push(report));
        self.findings.conceal();
        self.findings.list.split_off(known)
    }
}

/// Whether two items are one to every reader.
fn same(a: &Item, b: &Item) -> bool {
    match (a, b) {
        (Item::Line(a), Item::Line(b)) => texts(&a.words).eq(texts(&b.words)) && command(a) == command(b),
        (Item::Open(_), Item::Open(_)) | (Item::Close(_), Item::Close(_)) | (Item::Lost, Item::Lost) => true,
        (Item::Line(_) | Item::Open(_) | Item::Close(_) | Item::Lost, _) => false,
    }
}

fn texts(words: &[Word]) -> impl Iterator<Item = &str> {
    words.iter().map(|w| w.text.as_str())
}

/// What a command makes of a line: its words, or why it can't be split.
fn command(line: &Line) -> Result<Vec<String>, Discriminant<CommandError>> {
    match line.shell_words() {
        Ok(words) => Ok(words.into_iter().map(|w| w.text).collect()),
        Err(why) => Err(discriminant(&why)),
    }
}
