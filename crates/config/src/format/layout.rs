//! The layout itself: physical lines to rows, rows to text.

use super::scan::{self, Piece};
use crate::source::{File, MAX_LINE};

/// Blanks a level.
const INDENT: usize = 4;
/// Levels that are shown; the language needs five.
const MAX_LEVELS: usize = 16;
/// Bytes of a line that keepalived reads as one. No line is made longer than that.
const READ_AS_ONE: usize = 1022;
/// Code that is longer takes no part in the alignment of comments.
const ALIGNED: usize = 60;

/// A line of the result.
#[derive(Debug)]
struct Row {
    kind: Kind,
    level: usize,
    code: Vec<u8>,
    comment: Vec<u8>,
    /// The comment starts directly behind the code.
    touches: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// An empty line that groups what is above and below.
    Group,
    /// An empty line that ends a definition.
    End,
    /// Nothing may be changed: control characters, or too long to be read.
    Raw,
    /// A comment alone.
    Comment,
    /// Words alone: an opening brace may join them.
    Words,
    /// An opening brace stands at the end.
    Opening,
    /// A closing brace stands at the start.
    Closing,
    /// Any other line.
    Other,
}

/// The lines of a definition that goes on.
struct Body {
    level: usize,
}

#[derive(Default)]
struct Layout<'a> {
    rows: Vec<Row>,
    level: usize,
    body: Option<Body>,
    /// The id whose lines are taken for the level: the first that a condition names.
    reader: Option<&'a [u8]>,
    /// The line above has a condition and braces: those of another id stand beside it.
    beside: Option<usize>,
}

/// The text, laid out.
pub(super) fn lay_out(text: &[u8]) -> Vec<u8> {
    // The same lines as the lexer has.
    let file = File::new(String::new(), text.to_vec(), None);
    let mut layout = Layout::default();
    let mut number = 1;
    while let Some(line) = file.line(number) {
        layout.line(line);
        number += 1;
    }
    layout.drop_groups();
    render(&layout.rows)
}

impl<'a> Layout<'a> {
    fn line(&mut self, raw: &'a [u8]) {
        let line = scan::trim(raw);
        if line.is_empty() && raw.len() <= MAX_LINE {
            return self.empty(raw); // it may be left out, so it parts no line from what it stands beside
        }
        let beside = self.beside.take();
        if raw.len() > MAX_LINE || raw.iter().any(|b| *b < b' ' && *b != b'\t') {
            self.level = self.levels(self.level, line).1;
            self.row(Row { kind: Kind::Raw, level: 0, code: raw.to_vec(), comment: Vec::new(), touches: false });
            return self.follow(scan::comment(line).0);
        }
        let (code, comment, touches) = scan::comment(line);
        if let Some(body) = self.body.take() {
            let level = self.level + 1;
            let (own, after) = self.levels(body.level, code);
            self.body = Some(Body { level: after });
            self.add(Kind::Other, level + own, code.to_vec());
            self.comment(comment, touches);
            return self.follow(code);
        }
        if code.is_empty() {
            self.add(Kind::Comment, self.level, Vec::new());
            return self.comment(comment, false);
        }
        match scan::pieces(code) {
            Some(pieces) => self.pieces(&pieces, comment, touches, beside),
            None => {
                self.rest(code, code.to_vec(), beside);
                self.comment(comment, touches);
                self.follow(code);
            }
        }
    }

    fn empty(&mut self, raw: &[u8]) {
        if self.body.is_some() {
            // One of blanks is passed over, a completely empty one ends the definition.
            if raw.is_empty() {
                self.body = None;
                self.add(Kind::End, 0, Vec::new());
            }
        } else if !self.rows.last().is_none_or(|r| matches!(r.kind, Kind::Group | Kind::End | Kind::Opening)) {
            self.add(Kind::Group, 0, Vec::new());
        }
    }

    /// Whether the next line belongs to a definition that goes on, or to something that looks like one; it ends with the
    /// first line that has something and no backslash at its end.
    fn follow(&mut self, code: &[u8]) {
        match &self.body {
            None if code.ends_with(b"\\") && code.contains(&b'$') => self.body = Some(Body { level: 0 }),
            Some(_) if !code.is_empty() && !code.ends_with(b"\\") => self.body = None,
            None | Some(_) => {}
        }
    }

    fn pieces(&mut self, pieces: &[Piece<'a>], comment: &[u8], touches: bool, beside: Option<usize>) {
        let mut rest = pieces;
        if let [Piece::Open, behind @ ..] = pieces
            && let Some(row) = self.joins(behind.is_empty() && !comment.is_empty())
        {
            row.code.extend_from_slice(b" {");
            row.kind = Kind::Opening;
            self.level += 1;
            rest = behind;
        }
        loop {
            rest = match rest {
                [] => break,
                [Piece::Words(words), Piece::Open, behind @ ..] if words.len() + 2 <= READ_AS_ONE => {
                    let mut code = scan::single_blanks(words);
                    code.extend_from_slice(b" {");
                    self.add(Kind::Opening, self.level, code);
                    self.level += 1;
                    behind
                }
                [Piece::Words(words), behind @ ..] => {
                    self.add(Kind::Words, self.level, scan::single_blanks(words));
                    behind
                }
                [Piece::Open, behind @ ..] => {
                    self.add(Kind::Opening, self.level, b"{".to_vec());
                    self.level += 1;
                    behind
                }
                [Piece::Close, behind @ ..] => {
                    self.level = self.level.saturating_sub(1);
                    self.add(Kind::Closing, self.level, b"}".to_vec());
                    behind
                }
                [Piece::Rest(text), ..] => {
                    let beside = beside.filter(|_| pieces.len() == 1);
                    self.rest(text, scan::rest_of_line(text), beside);
                    break;
                }
            };
        }
        self.comment(comment, touches);
    }

    /// The row of words that an opening brace at the start of a line belongs to, if they can share a line.
    fn joins(&mut self, comment: bool) -> Option<&mut Row> {
        let at = self.rows.iter().rposition(|r| r.kind != Kind::Group)?;
        let row = &self.rows[at];
        let length = row.code.len() + 2 + if row.comment.is_empty() { 0 } else { row.comment.len() + 1 };
        let fits = length <= READ_AS_ONE && !row.touches && (row.comment.is_empty() || !comment);
        if row.kind != Kind::Words || !fits {
            return None;
        }
        self.rows.truncate(at + 1);
        self.rows.last_mut()
    }

    /// A line that is kept as `code`.
    fn rest(&mut self, text: &'a [u8], code: Vec<u8>, beside: Option<usize>) {
        let (conditions, _) = scan::conditions(text);
        for id in &conditions {
            if !id.starts_with(b"^") && self.reader.is_none() {
                self.reader = Some(id);
            }
        }
        let (own, after) = self.levels(self.level, text);
        let level = beside.filter(|_| !conditions.is_empty() && !self.holds(&conditions)).unwrap_or(own);
        if !conditions.is_empty() && !scan::braces(text).is_empty() {
            self.beside = Some(level);
        }
        let kind = match (code.first(), code.last()) {
            (Some(b'}'), _) => Kind::Closing,
            (_, Some(b'{')) => Kind::Opening,
            _ => Kind::Other,
        };
        self.add(kind, level, code);
        self.level = after;
    }

    fn holds(&self, conditions: &[&[u8]]) -> bool {
        conditions.iter().all(|id| match id.strip_prefix(b"^") {
            Some(id) => self.reader != Some(id),
            None => self.reader == Some(id),
        })
    }

    /// The level of a line that stands at `level`, and the level behind it, as far as its own text tells.
    fn levels(&self, level: usize, text: &[u8]) -> (usize, usize) {
        let (conditions, mut rest) = scan::conditions(text);
        if !self.holds(&conditions) {
            return (level, level);
        }
        while let Some(repeated) = scan::repeated(rest) {
            rest = repeated;
        }
        if scan::definition(rest) || scan::include(rest).is_some() {
            return (level, level);
        }
        let closing = rest.iter().filter(|b| !scan::blank(**b)).take_while(|b| **b == b'}').count();
        let after = scan::braces(rest).iter().fold(level, |level, brace| match brace {
            b'{' => level + 1,
            _ => level.saturating_sub(1),
        });
        (level.saturating_sub(closing), after)
    }

    fn add(&mut self, kind: Kind, level: usize, code: Vec<u8>) {
        self.row(Row { kind, level, code, comment: Vec::new(), touches: false });
    }

    fn row(&mut self, row: Row) {
        if row.kind == Kind::Closing {
            self.drop_groups();
        }
        self.rows.push(row);
    }

    fn drop_groups(&mut self) {
        while self.rows.pop_if(|r| r.kind == Kind::Group).is_some() {}
    }

    /// The comment of the line that the last row comes from.
    fn comment(&mut self, comment: &[u8], touches: bool) {
        if let Some(row) = self.rows.last_mut().filter(|_| !comment.is_empty()) {
            row.comment = comment.to_vec();
            row.touches = touches;
        }
    }
}

fn render(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(row) = rows.get(at) {
        // Comments behind the lines of one group start in one column.
        let run = rows[at..].iter().take_while(|r| r.aligned() && r.level == row.level).count();
        let width = rows[at..at + run].iter().map(Row::width).max().unwrap_or(0);
        for row in &rows[at..at + run.max(1)] {
            row.write(width, &mut out);
        }
        at += run.max(1);
    }
    out
}

impl Row {
    /// Columns of the code, more or less.
    fn width(&self) -> usize {
        String::from_utf8_lossy(&self.code).chars().count()
    }

    fn aligned(&self) -> bool {
        !self.code.is_empty() && !self.comment.is_empty() && !self.touches && self.width() <= ALIGNED
    }

    /// Code and comment with at least `width` columns before the comment, unless that makes the line too long.
    fn write(&self, width: usize, out: &mut Vec<u8>) {
        let between = usize::from(!self.code.is_empty() && !self.comment.is_empty() && !self.touches);
        let length = self.code.len() + between + self.comment.len();
        let mut spare = READ_AS_ONE.saturating_sub(length);
        if self.kind != Kind::Raw && length > 0 {
            let indent = (INDENT * self.level.min(MAX_LEVELS)).min(spare);
            spare -= indent;
            out.resize(out.len() + indent, b' ');
        }
        out.extend_from_slice(&self.code);
        if between > 0 {
            let padding = between + width.saturating_sub(self.width()).min(spare);
            out.resize(out.len() + padding, b' ');
        }
        out.extend_from_slice(&self.comment);
        out.push(b'\n');
    }
}
