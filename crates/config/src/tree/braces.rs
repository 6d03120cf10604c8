//! Where blocks begin and end, and what is meant where a brace is missing or one too many. The rule for guessing: braces
//! that are still to come are counted up to the next top-level block; they tell whether the one in question has a
//! partner.

use super::arguments::counts;
use super::{Later, MAX_DEPTH, Node, Parser};
use crate::diag::{Code, Level, Report};
use crate::keyword::{Block, Keyword, ROOT};
use crate::lex::Item;
use crate::lex::words::Line;
use crate::source::Place;

/// Items that are looked at ahead.
const MAX_AHEAD: usize = 10_000;

/// A block under way.
pub(super) struct Open {
    /// Its opening brace; its keyword if it has none.
    pub(super) at: Place,
    /// Where the line of its keyword begins.
    indent: u32,
    block: &'static Block,
    /// That it has no braces at all was told.
    told: bool,
}

/// Whether a keyword's line was split behind its own words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Not,
    Here,
}

impl Parser<'_> {
    /// The brace that opens a block here, if one does.
    pub(super) fn opening(&self) -> Option<Place> {
        match self.items.front() {
            Some(Item::Open(at)) => Some(*at),
            Some(Item::Close(_) | Item::Line(_) | Item::Lost) | None => None,
        }
    }

    /// The word that the next line starts with, if a line comes next.
    fn next_word(&self) -> Option<&str> {
        match self.items.front() {
            Some(Item::Line(line)) => Some(&line.words[0].text),
            Some(Item::Open(_) | Item::Close(_) | Item::Lost) | None => None,
        }
    }

    /// Closing braces ahead that close nothing opened from here on: those of the blocks under way, if all is well.
    fn spare(&mut self) -> usize {
        let (mut depth, mut spare) = (0usize, 0);
        let known = |word: &str| self.opens.iter().any(|o| o.block.find(word).is_some());
        let mut ahead = self.items.peek(MAX_AHEAD).enumerate().peekable();
        while let Some((i, item)) = ahead.next() {
            match item {
                Item::Open(_) => depth += 1,
                Item::Close(_) if depth > 0 => depth -= 1,
                Item::Close(_) => spare += 1,
                Item::Lost => {}
                Item::Line(line) => {
                    let word = &line.words[0].text;
                    let opens = matches!(ahead.peek(), Some((_, Item::Open(_))));
                    // The first line is the one in question.
                    if i > 0 && depth == 0 && opens && ROOT.find(word).is_some() && !known(word) {
                        break;
                    }
                }
            }
        }
        spare
    }

    /// Whether there is still guessing: not in a file with hundreds of errors.
    fn guesses(&self) -> bool {
        !self.findings.full(Level::Error)
    }

    /// Whether `block` ends here without a closing brace: the next line is of a block around it, or the next brace is, by
    /// its indentation. Told once for all blocks that end here.
    pub(super) fn ends_early(&mut self, block: &'static Block) -> bool {
        if self.unwind == 0 {
            let Some((home, place, label)) = self.stranger(block) else { return false };
            // A line that is no deeper than the block's own keyword is not meant to be in it.
            let word = self.next_word().is_some();
            let outside = |o: &Open| word && o.indent > 0 && o.at.file == place.file && place.col <= o.indent;
            let outside = self.opens.last().is_some_and(outside);
            let lacking = outside || self.spare() < self.opens.len();
            if !self.guesses() || !lacking {
                return false;
            }
            self.unwind = self.opens.len() - home;
            self.tell_unclosed(place, label);
        }
        self.unwind -= 1;
        self.opens.pop();
        true
    }

    /// What comes next, if it looks like a part of a block around `block`: how many blocks are around it then, its place
    /// and how it is told.
    fn stranger(&self, block: &'static Block) -> Option<(usize, Place, String)> {
        let (inner, around) = self.opens.split_last()?;
        match self.items.front()? {
            Item::Line(line) => {
                let word = &line.words[0];
                if block.find(&word.text).is_some() {
                    return None;
                }
                let home = around.iter().rposition(|o| o.block.find(&word.text).is_some()).map(|at| at + 1);
                let home = home.or(ROOT.find(&word.text).map(|_| 0))?;
                Some((home, word.at, format!("`{}` does not belong in {}", word.text, block.title())))
            }
            Item::Close(at) if inner.told => Some((around.len(), *at, String::new())),
            Item::Close(at) => {
                let mine = |o: &Open| o.at.file == at.file && o.indent == at.col;
                let home = around.iter().rposition(mine).filter(|_| at.col < inner.indent)? + 1;
                Some((home, *at, format!("by its indentation this `}}` is of {}", around[home - 1].block.title())))
            }
            Item::Open(_) | Item::Lost => None,
        }
    }

    fn tell_unclosed(&mut self, place: Place, label: String) {
        let mut closed = self.opens.iter().rev().take(self.unwind).filter(|o| !o.told).map(|o| o.at);
        let Some(first) = closed.next() else { return };
        let mut report = Report::error(Code::MissingClose, first, "this block is not closed").also(place, label);
        for other in closed {
            report = report.also(other, "nor is this one");
        }
        self.findings.push(report.help("a `}` is missing before that line"));
    }

    /// Whether the brace just read closes `block` too early: what follows still belongs to it, and has a brace of its own.
    pub(super) fn closes_early(&mut self, block: &'static Block) -> bool {
        let (Some(word), Some(around)) = (self.next_word(), self.opens.len().checked_sub(1)) else { return false };
        let outer = around.checked_sub(1).and_then(|at| self.opens.get(at)).map_or(&ROOT, |o| o.block);
        fits(block, word) && outer.find(word).is_none() && self.guesses() && self.spare() > around
    }

    /// Tells of a brace that closes a block too early.
    pub(super) fn extra_close(&mut self, at: Place, block: &'static Block) {
        let mut report = Report::error(Code::ExtraClose, at, format!("this `}}` closes {} too early", block.title()));
        if let Some(Item::Line(line)) = self.items.front() {
            report = report.also(line.words[0].at, "this still belongs to it");
        }
        self.findings.push(report.help("remove it"));
    }

    /// Tells of a brace, just read, that opens nothing; passes over what it encloses, if it encloses something.
    pub(super) fn stray_open(&mut self, report: Report, at: Place) {
        if self.guesses() && self.spare() <= self.opens.len() {
            self.findings.push(report.help("remove it: no `}` belongs to it"));
        } else {
            self.findings.push(report.help("everything up to its `}` is left out"));
            self.skip(at);
        }
    }

    /// Passes over everything up to the brace that closes the one just read.
    pub(super) fn skip(&mut self, open: Place) {
        let mut depth = 1usize;
        while depth > 0 {
            match self.items.pop_front() {
                None => {
                    let report = Report::error(Code::MissingClose, open, "this block is not closed");
                    self.findings.push(report.help("a `}` is missing"));
                    return;
                }
                Some(Item::Open(_)) => depth += 1,
                Some(Item::Close(_)) => depth -= 1,
                Some(Item::Line(_) | Item::Lost) => {}
            }
        }
    }

    /// The input ended inside a block: told once, at the innermost.
    pub(super) fn end(&mut self) {
        let mut open = self.opens.drain(..).rev().filter(|o| !o.told);
        let Some(inner) = open.next() else { return };
        let mut report = Report::error(Code::MissingClose, inner.at, "this block is not closed");
        for outer in open {
            report = report.also(outer.at, "nor is this one");
        }
        self.findings.push(report.help("a `}` is missing"));
    }

    /// Without an opening brace, what stands on the keyword's line behind its own words is a line of the block.
    pub(super) fn split(&mut self, keyword: &Keyword, line: &mut Line) -> Split {
        let Some(block) = keyword.args.block() else { return Split::Not };
        let (least, most) = counts(keyword.args);
        let mut behind = 1 + least..line.words.len();
        let inner = |i: usize| block.find(&line.words[i].text);
        let at = match self.opening() {
            None => behind.find(|i| *i > most || inner(*i).is_some()),
            // Is it the brace of a block inside?
            Some(_) => behind.find(|i| inner(*i).is_some_and(|k| k.args.block().is_some())),
        };
        let Some(at) = at else { return Split::Not };
        let rest = line.split_off(at);
        self.items.push_front(Item::Line(rest));
        Split::Here
    }

    /// Passes over a virtual server: they are read one by one as they are lowered, so that ten thousand of them are never in
    /// memory at once. Where a brace is missing somewhere, nobody knows where one ends without reading it.
    pub(super) fn pass(&mut self, outer: &'static Block, block: &'static Block) -> Option<Later> {
        if outer.path != ROOT.path || block.path != "virtual_server" || !self.passes {
            return None;
        }
        let (open, indent) = self.opens.last().filter(|o| !o.told).map(|o| (o.at, o.indent))?;
        let (at, end) = self.items.pass()?;
        self.opens.pop();
        Some(Later { block, open, indent, at, end })
    }

    /// Goes on behind the opening brace of a block that was passed over.
    pub(super) fn reopen(&mut self, later: &Later) {
        self.opens.push(Open { at: later.open, indent: later.indent, block: later.block, told: false });
    }

    /// The opening brace of a block. Without it: whether what follows is the block's all the same.
    pub(super) fn open(&mut self, outer: &'static Block, block: &'static Block, node: &Node, split: Split) -> bool {
        if let Some(at) = self.opening() {
            self.opens.push(Open { at, indent: node.at.col, block, told: false });
            self.items.pop_front();
            return true;
        }
        let closed = self.guesses() && self.spare() > self.opens.len();
        let by_word = self.next_word().is_some_and(|word| fits(block, word) && outer.find(word).is_none());
        let inside = self.guesses() && (by_word || closed || split == Split::Here) && self.opens.len() < MAX_DEPTH;
        let report = Report::error(Code::MissingOpen, node.whole(), format!("`{}` needs a block", node.keyword.name));
        self.findings.push(match (inside, closed) {
            (true, true) => report.help("a `{` is missing behind it"),
            (true, false) => report.help("a `{` is missing behind it, and a `}` behind what belongs to it"),
            (false, _) => report.help("`{` and `}` are missing behind it"),
        });
        if inside {
            self.opens.push(Open { at: node.at, indent: node.at.col, block, told: !closed });
        }
        inside
    }

    /// The lines of a value block up to its closing brace.
    pub(super) fn value_lines(&mut self, block: &'static Block) -> Vec<Line> {
        let mut lines = Vec::new();
        while !self.ends_early(block) {
            match self.items.pop_front() {
                None => {
                    self.end();
                    break;
                }
                Some(Item::Close(at)) if self.closes_early(block) => self.extra_close(at, block),
                Some(Item::Close(_)) => {
                    self.opens.pop();
                    break;
                }
                Some(Item::Open(at)) => {
                    let message = format!("no block is expected in {}", block.title());
                    self.stray_open(Report::error(Code::UnexpectedOpen, at, message), at);
                }
                Some(Item::Lost) => self.lost = true,
                Some(Item::Line(line)) => {
                    if let Some(quote) = line.unmatched {
                        let message = "this quote is not closed on its line";
                        self.findings.push(Report::error(Code::UnmatchedQuote, quote, message));
                    }
                    lines.push(line);
                }
            }
        }
        lines
    }
}

/// Whether a line that starts with the word could stand in the block. Of free-form lines only an address is beyond doubt.
fn fits(block: &Block, word: &str) -> bool {
    let free = block.rows().any(|k| k.name.starts_with('('));
    block.find(word).is_some()
        || (free && word.starts_with(|c: char| c.is_ascii_hexdigit()) && word.contains(['.', ':']))
}
