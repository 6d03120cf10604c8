//! What a text means, as far as one file can tell: its logical items, definitions and includes, for each id that its
//! conditions name and for none of them.

use super::scan;
use crate::Loaded;
use crate::diag::{Code, Findings, Level, Report};
use crate::lex::words::{CommandError, Line, Word};
use crate::lex::{Aside, AsideKind, Item, Lexer};
use crate::options::Options;
use crate::source::{File, Place};
use std::mem::{Discriminant, discriminant};

/// Ids that a text is read for at most. Lines for others are told apart by nothing but their id.
const MAX_IDS: usize = 6;

/// Unbalanced braces that are told at most.
const REPORTS: usize = 20;

/// A text, read for several ids.
pub(super) struct Readings<'a> {
    name: &'a str,
    /// The first is the one that speaks for all.
    readings: Vec<Reading>,
}

struct Reading {
    id: String,
    items: Vec<Item>,
    asides: Vec<Aside>,
    findings: Findings,
}

impl<'a> Readings<'a> {
    pub(super) fn of(name: &'a str, text: &[u8]) -> Readings<'a> {
        let mut ids: Vec<String> = Vec::new();
        let starts = |b: &u8| scan::blank(*b) || matches!(b, b'\n' | b'{' | b'}' | b')' | b'\r');
        for word in text.split(starts) {
            let Some(id) = word.strip_prefix(b"@") else { continue };
            let id = String::from_utf8_lossy(id.strip_prefix(b"^").unwrap_or(id)).into_owned();
            if !ids.contains(&id) && ids.len() < MAX_IDS {
                ids.push(id);
            }
        }
        // No condition can name this one.
        ids.push(String::new());
        let mut readings: Vec<Reading> = Vec::new();
        for id in ids {
            readings.push(Reading::of(name, text, id));
            // Too much for one is enough.
            if readings.last().is_some_and(|r| r.findings.list.iter().any(|d| d.code == Code::TooMuch)) {
                break;
            }
        }
        Readings { name, readings }
    }

    /// The first line of the text that `other` reads differently.
    pub(super) fn difference(&self, other: &[u8]) -> Option<u32> {
        self.readings.iter().find_map(|ours| ours.difference(&Reading::of(self.name, other, ours.id.clone())))
    }

    /// What makes it impossible to tell one line from the next, or one block from the next.
    pub(super) fn flaws(&mut self) -> Option<Loaded> {
        // Lines for one id may open what lines for another close as well: each reader must miss something.
        let unbalanced: Vec<Vec<Report>> = self.readings.iter().map(Reading::unbalanced).collect();
        let each = unbalanced.iter().all(|reports| !reports.is_empty());
        if let (Some(first), Some(reports), true) = (self.readings.first_mut(), unbalanced.into_iter().next(), each) {
            reports.into_iter().for_each(|report| first.findings.push(report));
        }
        let mut diagnostics = Vec::new();
        for diagnostic in self.readings.iter().flat_map(|r| &r.findings.list) {
            let broken = match diagnostic.code {
                Code::LineUnusable | Code::UnmatchedQuote | Code::TooMuch => diagnostic.level == Level::Error,
                Code::ExtraClose | Code::MissingClose => true,
                _ => false,
            };
            if broken && !diagnostics.contains(diagnostic) {
                diagnostics.push(diagnostic.clone());
            }
        }
        diagnostics.sort_by_key(|d| d.span.as_ref().map(|s| (s.line, s.col)));
        (!diagnostics.is_empty()).then(|| Loaded { config: None, diagnostics, unkept: 0, files: Vec::new() })
    }
}

impl Reading {
    fn of(name: &str, text: &[u8], id: String) -> Reading {
        let options = Options { config_id: Some(id.clone()), ..Options::default() };
        let mut findings = Findings::default();
        let file = findings.map.add(File::new(name.to_owned(), text.to_vec(), None));
        let (items, asides) = Lexer::new(&options, &mut findings).run_alone(file);
        Reading { id, items, asides, findings }
    }

    fn difference(&self, other: &Reading) -> Option<u32> {
        let line = |at: usize| match self.items.get(at.min(self.items.len().saturating_sub(1))) {
            Some(Item::Line(line)) => line.at().line,
            Some(Item::Open(at) | Item::Close(at)) => at.line,
            None => 1,
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
    fn unbalanced(&self) -> Vec<Report> {
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
                Item::Line(_) => {}
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
        reports
    }
}

/// Whether two items are one to every reader.
fn same(a: &Item, b: &Item) -> bool {
    match (a, b) {
        (Item::Line(a), Item::Line(b)) => texts(&a.words).eq(texts(&b.words)) && command(a) == command(b),
        (Item::Open(_), Item::Open(_)) | (Item::Close(_), Item::Close(_)) => true,
        (Item::Line(_) | Item::Open(_) | Item::Close(_), _) => false,
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
