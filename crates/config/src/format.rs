//! One layout for every keepalived.conf: indentation, braces, blanks. What the text means stays what it was: that is
//! proven for each text by reading it again. Works on one file's text; opens nothing that it includes.
//!
//! ```text
//!  text ──► layout ──► text ─┐
//!   │         └── scan       ├──► meaning: the same logical items?
//!   └────────────────────────┘
//! ```
//!
//! What can't be judged from the line alone is left as it is written, its indentation apart: a line with a reference
//! (`$NAME` may stand for quotes, braces, whole lines), one with backslashes or single quotes (commands split them in
//! their own way), the lines of a definition.

mod layout;
mod meaning;
mod scan;

use crate::Loaded;

/// Why a text is left alone.
#[derive(Debug)]
pub enum Unformattable {
    /// Something is wrong with its lines, quotes or braces: the findings, for `render_text`.
    Flawed(Box<Loaded>),
    /// Its meaning would change: a mistake of the formatter.
    Changed {
        /// The first line that reads differently.
        line: u32,
    },
}

/// The text in its canonical layout. `name` is for findings.
pub fn format(name: &str, text: &[u8]) -> Result<Vec<u8>, Unformattable> {
    let formatted = layout::lay_out(text);
    meaning::compare(name, text, &formatted)?;
    Ok(formatted)
}
