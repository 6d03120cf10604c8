//! Text in columns, with colour if the reader wants it. Every word that comes from outside passes `shown`: a server's
//! answer must not move the cursor of the operator's terminal.

use std::fmt::Write;

/// Whether to colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Colour {
    /// With ANSI escape sequences.
    Ansi,
    /// Plain text.
    Never,
}

/// What a word means to an operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tint {
    /// Nothing in particular.
    Plain,
    /// As it shall be.
    Good,
    /// To look at.
    Warn,
    /// Wrong.
    Bad,
    /// Of less weight.
    Faint,
    /// A heading.
    Head,
}

impl Tint {
    fn code(self) -> &'static str {
        match self {
            Tint::Plain => "",
            Tint::Good => "\x1b[32m",
            Tint::Warn => "\x1b[33m",
            Tint::Bad => "\x1b[1;31m",
            Tint::Faint => "\x1b[2m",
            Tint::Head => "\x1b[1m",
        }
    }
}

/// A piece of text with its meaning.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tint: Tint,
}

impl Cell {
    /// A text with a meaning; an empty one is shown as a dash.
    pub(super) fn new(text: impl AsRef<str>, tint: Tint) -> Cell {
        let text = shown(text.as_ref());
        Cell { text: if text.is_empty() { "-".to_owned() } else { text }, tint }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(text, Tint::Plain)
    }
}

/// `text` in one line, without control characters and without those that turn the direction of writing.
pub(crate) fn shown(text: &str) -> String {
    in_place(text.trim())
}

/// The same with the blanks around it: those in front show columns.
pub(crate) fn in_place(line: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean = |c: char| if c.is_control() || turns(c) { '\u{fffd}' } else { c };
    line.split(['\n', '\t']).map(|part| part.chars().map(clean).collect()).collect::<Vec<String>>().join(" ")
}

/// What is being written.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    colour: Colour,
}

impl Page {
    /// An empty one.
    pub(super) fn new(colour: Colour) -> Page {
        Page { text: String::new(), colour }
    }

    /// What was written.
    pub(super) fn text(self) -> String {
        self.text
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A line of pieces, `indent` blanks in.
    pub(super) fn line(&mut self, indent: usize, pieces: &[Cell]) {
        let _ = write!(self.text, "{:indent$}", "");
        for (n, piece) in pieces.iter().enumerate() {
            if n > 0 {
                self.text.push(' ');
            }
            self.piece(piece);
        }
        self.text.push('\n');
    }

    fn piece(&mut self, piece: &Cell) {
        let code = piece.tint.code();
        if self.colour == Colour::Ansi && !code.is_empty() {
            // Writing to a String can't fail.
            let _ = write!(self.text, "{code}{}\x1b[0m", piece.text);
        } else {
            self.text.push_str(&piece.text);
        }
    }

    /// A table; the last column is as wide as it likes.
    pub(super) fn table(&mut self, table: Table) {
        let Table { indent, head, rows } = table;
        let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let head: Vec<Cell> = head.iter().map(|h| Cell::new(h, Tint::Faint)).collect();
        self.row(indent, &widths, &head);
        for row in &rows {
            self.row(indent, &widths, &row.cells);
            for note in &row.notes {
                self.line(indent + 4, note);
            }
        }
    }

    fn row(&mut self, indent: usize, widths: &[usize], cells: &[Cell]) {
        let _ = write!(self.text, "{:indent$}", "");
        for (n, (width, cell)) in widths.iter().zip(cells).enumerate() {
            self.piece(cell);
            if n + 1 < cells.len() {
                let pad = width - cell.text.chars().count() + 2;
                let _ = write!(self.text, "{:pad$}", "");
            }
        }
        self.text.push('\n');
    }
}

/// Rows under headings, and what is to be noted beneath a row.
#[derive(Debug)]
pub(super) struct Table {
    indent: usize,
    head: &'static [&'static str],
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<Cell>,
    notes: Vec<Vec<Cell>>,
}

impl Table {
    /// With these headings, `indent` blanks in.
    pub(super) fn new(indent: usize, head: &'static [&'static str]) -> Table {
        Table { indent, head, rows: Vec::new() }
    }

    /// Adds a row: a cell for each heading.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { cells, notes: Vec::new() });
    }

    /// Adds a line beneath the last row.
    pub(super) fn note(&mut self, pieces: Vec<Cell>) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(pieces);
        }
    }
}
