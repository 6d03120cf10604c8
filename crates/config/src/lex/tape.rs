//! What the lexer gives: logical lines and braces in their order, kept small. A run of plain lines is one entry, and its
//! words are made as they are read.

use super::words::Line;
use super::{Item, MAX_ITEMS, plain};
use crate::source::{DIRECT, File, Place};
use std::rc::Rc;

/// Logical lines and braces, each to be read once.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    entries: Vec<Entry>,
    /// The files, as the map has them.
    files: Vec<Rc<File>>,
    items: usize,
    /// Blocks open at its end, and whether a brace closed one that was not open.
    depth: usize,
    sank: bool,
    /// Behind each brace that closes a block of the top level.
    closes: Vec<Position>,
}

#[derive(Debug)]
enum Entry {
    /// Plain lines of a file, both ends included.
    Plain {
        file: u32,
        first: u32,
        last: u32,
    },
    Line(Box<Line>),
    Open(Place),
    Close(Place),
    Lost,
}

/// A place on the tape.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Position {
    entry: usize,
    /// Lines read of a run.
    lines: u32,
    /// Whether only the brace of the line that comes next is left of it.
    brace: bool,
}

/// The tape holds as much as it may.
pub(super) struct Full;

impl Tape {
    /// The files that plain lines are read from.
    pub(super) fn with_files(mut self, files: &[Rc<File>]) -> Tape {
        self.files = files.to_vec();
        self
    }

    /// Items on it.
    pub(super) fn len(&self) -> usize {
        self.items
    }

    fn count(&mut self, items: usize) -> Result<(), Full> {
        self.items += items;
        if self.items > MAX_ITEMS { Err(Full) } else { Ok(()) }
    }

    /// Takes note of a brace, behind which the last entry is.
    fn brace(&mut self, opens: Option<bool>) {
        match opens {
            Some(true) => self.depth += 1,
            Some(false) => match self.depth.checked_sub(1) {
                Some(depth) => {
                    self.depth = depth;
                    if depth == 0 {
                        self.closes.push(self.behind_last());
                    }
                }
                None => self.sank = true,
            },
            None => {}
        }
    }

    /// Behind the last line of the last entry, which may still grow.
    fn behind_last(&self) -> Position {
        let lines = match self.entries.last() {
            Some(Entry::Plain { first, last, .. }) => last - first + 1,
            Some(Entry::Line(_) | Entry::Open(_) | Entry::Close(_) | Entry::Lost) | None => 1,
        };
        Position { entry: self.entries.len().saturating_sub(1), lines, brace: false }
    }

    /// Whether every brace has its partner.
    pub(crate) fn balanced(&self) -> bool {
        self.depth == 0 && !self.sank
    }

    /// A plain line, with words or not, with a brace or not.
    pub(super) fn push_plain(&mut self, file: u32, line: u32, shape: plain::Shape) -> Result<(), Full> {
        let items = shape.items();
        self.count(items)?;
        match self.entries.last_mut() {
            Some(Entry::Plain { file: same, last, .. }) if *same == file && *last + 1 == line => *last = line,
            _ if items == 0 => {}
            _ => self.entries.push(Entry::Plain { file, first: line, last: line }),
        }
        self.brace(shape.opens());
        Ok(())
    }

    pub(super) fn push(&mut self, item: Item) -> Result<(), Full> {
        self.count(1)?;
        let opens = match item {
            Item::Line(_) | Item::Lost => None,
            Item::Open(_) => Some(true),
            Item::Close(_) => Some(false),
        };
        self.entries.push(match item {
            Item::Line(line) => Entry::Line(Box::new(line)),
            Item::Open(at) => Entry::Open(at),
            Item::Close(at) => Entry::Close(at),
            Item::Lost => Entry::Lost,
        });
        self.brace(opens);
        Ok(())
    }

    fn bytes(&self, file: u32, line: u32) -> &[u8] {
        self.files.get(file as usize).and_then(|f| f.line(line as usize)).unwrap_or_default()
    }

    /// The item at a position or behind it, and where it is; the position moves on.
    pub(crate) fn next(&mut self, at: &mut Position) -> Option<(Position, Item)> {
        loop {
            let here = *at;
            let (file, line, last) = match self.entries.get_mut(here.entry)? {
                Entry::Plain { file, first, last } => (*file, *first + here.lines, *last),
                other => {
                    *at = here.past(0, 0);
                    let item = match other {
                        Entry::Line(line) => Item::Line(std::mem::take(&mut **line)),
                        Entry::Open(place) => Item::Open(*place),
                        Entry::Close(place) => Item::Close(*place),
                        Entry::Lost | Entry::Plain { .. } => Item::Lost,
                    };
                    return Some((here, item));
                }
            };
            let bytes = self.bytes(file, line);
            if !here.brace
                && let Some(words) = plain::words(bytes, file, line)
            {
                at.brace = true;
                return Some((here, Item::Line(words)));
            }
            let brace = plain::brace(bytes, file, line);
            *at = here.past(line, last);
            if let Some(brace) = brace {
                return Some((here, brace));
            }
        }
    }

    /// The bytes of a block from the line of its keyword, which is at `head`, to the line of the brace that closes it, if all
    /// of them are plain lines one after the other. `at` is behind the opening brace, `end` behind the closing one.
    pub(crate) fn text(&self, head: Place, at: Position, end: Position) -> Option<&[u8]> {
        let Some(Entry::Plain { file, first, last }) = self.entries.get(at.entry) else { return None };
        let from = first + at.lines.checked_sub(1)?;
        let to = match end {
            Position { entry, lines, .. } if entry == at.entry => first + lines.checked_sub(1)?,
            Position { entry, lines: 0, .. } if entry == at.entry + 1 => *last,
            _ => return None,
        };
        let here = head.file == *file && head.line == from && head.via == DIRECT;
        self.files.get(*file as usize).filter(|_| here)?.lines(from as usize, to as usize)
    }

    /// Puts an item back where it was read: it will be read again.
    pub(crate) fn put_back(&mut self, at: Position, item: Item) {
        if let (Some(Entry::Line(place)), Item::Line(line)) = (self.entries.get_mut(at.entry), item) {
            **place = line;
        }
    }

    /// From inside a block of the top level: the position behind the brace that closes it; `None` if nothing does.
    pub(crate) fn behind(&self, at: Position) -> Option<Position> {
        let found = *self.closes.get(self.closes.partition_point(|close| *close <= at))?;
        let over = match self.entries.get(found.entry)? {
            Entry::Plain { first, last, .. } => first + found.lines > *last,
            Entry::Line(_) | Entry::Open(_) | Entry::Close(_) | Entry::Lost => true,
        };
        Some(if over { Position { entry: found.entry + 1, ..Position::default() } } else { found })
    }
}

impl Position {
    /// Behind a line of an entry that ends with the line `last`.
    fn past(self, line: u32, last: u32) -> Position {
        if line == last {
            Position { entry: self.entry + 1, ..Position::default() }
        } else {
            Position { lines: self.lines + 1, brace: false, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Lexer, Plainly};
    use super::*;
    use crate::diag::Findings;
    use crate::options::Options;
    use proptest::prelude::*;

    /// What the lexer makes of a text, with the places of the words; all by the long way if so asked.
    fn items(text: &str, plainly: Plainly) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let file = findings.map.add(File::new("test.conf".to_owned(), text.as_bytes().to_vec(), None));
        let options = Options { config_id: Some("here".to_owned()), ..Options::default() };
        let mut lexer = Lexer::new(&options, &mut findings);
        lexer.plainly = plainly;
        let mut tape = lexer.run_text(file);
        let (mut at, mut shown) = (Position::default(), Vec::new());
        while let Some((_, item)) = tape.next(&mut at) {
            shown.push(match item {
                Item::Line(line) => format!("{:?} {:?}", line.words, line.shell_words()),
                Item::Open(at) => format!("{{ {at:?}"),
                Item::Close(at) => format!("}} {at:?}"),
                Item::Lost => "lost".to_owned(),
            });
        }
        (shown, findings.list.iter().map(ToString::to_string).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_short_way_gives_what_the_long_way_does(
            lines in prop::collection::vec("( |\t|[a-z]{1,3}|include|[0-9.:/]{1,4}|[{}]|[#!\"'\\\\$@~]|=|\r|\u{e4}){0,8}", 0..12)
        ) {
            let text = lines.join("\n");
            prop_assert_eq!(items(&text, Plainly::Yes), items(&text, Plainly::Never));
        }
    }

    #[test]
    fn behind_is_where_reading_ends_up() {
        let text = "a {\n b { \n c d\n } \n \"x\" { y }\n}\nz {\n";
        let mut findings = Findings::default();
        let file = findings.map.add(File::new("test.conf".to_owned(), text.as_bytes().to_vec(), None));
        let options = Options::default();
        let mut tape = Lexer::new(&options, &mut findings).run_text(file);
        let mut at = Position::default();
        assert!(matches!(tape.next(&mut at), Some((_, Item::Line(_)))));
        assert!(matches!(tape.next(&mut at), Some((_, Item::Open(_)))));
        let behind = tape.behind(at).unwrap();
        while at < behind {
            tape.next(&mut at).unwrap();
        }
        assert_eq!(at, behind);
        assert!(matches!(tape.next(&mut at), Some((_, Item::Line(line))) if line.words[0].text == "z"));
        assert!(matches!(tape.next(&mut at), Some((_, Item::Open(_)))));
        assert_eq!(tape.behind(at), None);
    }
}
