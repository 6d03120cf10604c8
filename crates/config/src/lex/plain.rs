//! The short way for lines on which nothing can happen: words, then perhaps a brace. Most lines of most files are like
//! that. A line goes this way only if all the steps of the long one would leave it as it is; a test compares the two.
//! Such a line is not taken apart before its words are wanted: until then it is a number.

use super::words::{Line, Word};
use super::{Frame, Item, Lexer, Plainly};
use crate::source::{DIRECT, MAX_LINE, Place};

/// What a plain line is made of: where its words start and end, if there are any, and a brace behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    start: usize,
    end: usize,
    brace: Option<u8>,
}

impl Shape {
    /// Items that the line makes.
    pub(super) fn items(self) -> usize {
        usize::from(self.start < self.end) + usize::from(self.brace.is_some())
    }

    /// Whether its brace opens a block.
    pub(super) fn opens(self) -> Option<bool> {
        self.brace.map(|brace| brace == b'{')
    }
}

/// Whether a byte can have no meaning to the lexer: no comment, quote, escape, reference, condition, sequence or brace, and
/// plain ASCII.
const fn harmless(byte: u8) -> bool {
    !matches!(byte, b'#' | b'!' | b'"' | b'\'' | b'\\' | b'$' | b'@' | b'~' | b'{' | b'}')
        && matches!(byte, b'\t' | b' '..=b'~')
}

/// `harmless` for each byte.
const HARMLESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    loop {
        table[byte as usize] = harmless(byte);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The shape of a line, if it is plain.
fn shape(line: &[u8]) -> Option<Shape> {
    if line.len() > MAX_LINE {
        return None;
    }
    let start = line.iter().position(|b| !blank(*b)).unwrap_or(line.len());
    let end = line.iter().position(|b| !HARMLESS[usize::from(*b)]).unwrap_or(line.len());
    let brace = match line.get(end..)? {
        [] => None,
        [brace @ (b'{' | b'}'), rest @ ..] if rest.iter().all(|b| blank(*b)) => Some(*brace),
        _ => return None,
    };
    let words = line.get(start..end).unwrap_or_default();
    (!words.starts_with(b"include")).then_some(Shape { start, end, brace })
}

impl Lexer<'_> {
    /// Takes the next line of the file on top, if it is plain.
    pub(super) fn plain(&mut self) -> bool {
        if self.rest.is_some() || self.plainly == Plainly::Never {
            return false;
        }
        let Some(Frame::File { file, next, .. }) = self.frames.last_mut() else { return false };
        let (file, number) = (*file, *next);
        let Some(bytes) = self.findings.map.files.get(file as usize).and_then(|f| f.line(number)) else { return false };
        let Some(shape) = shape(bytes) else { return false };
        let Ok(line) = u32::try_from(number) else { return false };
        let length = bytes.len();
        *next += 1;
        let at = Place { file, line, col: 0, len: 0, via: DIRECT };
        self.charge(length / 4, at); // it goes a short way
        if self.tape.push_plain(file, line, shape).is_err() {
            self.too_long(at);
        }
        true
    }
}

/// A run of bytes of a line.
fn place(file: u32, line: u32, bytes: std::ops::Range<usize>) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(0);
    Place { file, line, col: number(bytes.start), len: number(bytes.len()), via: DIRECT }
}

/// The words of a plain line, as the long way makes them.
pub(super) fn words(bytes: &[u8], file: u32, line: u32) -> Option<Line> {
    let Shape { start, end, .. } = shape(bytes)?;
    let mut words = Vec::with_capacity(2);
    let mut at = start;
    while at < end {
        let rest = &bytes[at..end];
        let stop = at + rest.iter().position(|b| blank(*b)).unwrap_or(rest.len());
        let text = str::from_utf8(&bytes[at..stop]).unwrap_or_default().to_owned(); // ASCII
        words.push(Word { text, at: place(file, line, at..stop) });
        let rest = &bytes[stop..end];
        at = stop + rest.iter().position(|b| !blank(*b)).unwrap_or(rest.len());
    }
    (!words.is_empty()).then(|| Line::plain(words))
}

/// The brace of a plain line.
pub(super) fn brace(bytes: &[u8], file: u32, line: u32) -> Option<Item> {
    let at = bytes.iter().rposition(|b| !blank(*b))?;
    match bytes[at] {
        b'{' => Some(Item::Open(place(file, line, at..at + 1))),
        b'}' => Some(Item::Close(place(file, line, at..at + 1))),
        _ => None,
    }
}
