//! The text that a configuration is made of: files, places in them, and how a character came to stand where it stands.
//! Reads files within bounds; knows nothing of what they say.

use crate::diag::{Origin, Span};
use crate::secret::{Secrets, starred};
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Bytes of one file at most.
pub(crate) const MAX_FILE: u64 = 32 << 20;
/// Bytes of all files at most.
pub(crate) const MAX_TOTAL: usize = 64 << 20;
/// Files at most, each include counted.
pub(crate) const MAX_FILES: usize = 1000;
/// Characters of one physical line at most (keepalived cuts at 1022 and takes the rest for a new line).
pub(crate) const MAX_LINE: usize = 16 << 10;
/// Bytes of a source line that a finding carries.
const SHOWN: usize = 400;

/// A run of characters in a file, and the expansion that brought it here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    pub(crate) file: u32,
    /// From 1.
    pub(crate) line: u32,
    /// Bytes from the start of the line.
    pub(crate) col: u32,
    /// Bytes.
    pub(crate) len: u32,
    /// Index of the expansion, or `DIRECT`.
    pub(crate) via: u32,
}

/// Not expanded from anything.
pub(crate) const DIRECT: u32 = u32::MAX;

impl Place {
    /// No file at all.
    pub(crate) const NOWHERE: Place = Place { file: u32::MAX, line: 0, col: 0, len: 0, via: DIRECT };

    /// From here to the end of `other`, if both are on one line; else just here.
    pub(crate) fn to(self, other: Place) -> Place {
        let end = other.col + other.len;
        let same = self.file == other.file && self.line == other.line && self.via == other.via;
        if same && end > self.col { Place { len: end - self.col, ..self } } else { self }
    }
}

/// A character and where it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ch {
    pub(crate) c: char,
    /// The character has no meaning to the lexer (`\#`, `${_HASH}`): no comment, no brace, no reference.
    pub(crate) literal: bool,
    pub(crate) at: Place,
}

/// The text of a run of characters.
pub(crate) fn text_of(chars: &[Ch]) -> String {
    chars.iter().map(|c| c.c).collect()
}

/// The place of a run of characters.
pub(crate) fn place_of(chars: &[Ch]) -> Place {
    match (chars.first(), chars.last()) {
        (Some(first), Some(last)) => first.at.to(last.at),
        _ => Place::NOWHERE,
    }
}

/// Without blanks and tabs at both ends.
pub(crate) fn trim(chars: &[Ch]) -> &[Ch] {
    let blank = |c: &Ch| c.c == ' ' || c.c == '\t';
    let start = chars.iter().position(|c| !blank(c)).unwrap_or(chars.len());
    let end = chars.iter().rposition(|c| !blank(c)).map_or(start, |e| e + 1);
    &chars[start..end]
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Where each line starts.
    lines: Vec<u32>,
    /// The include that named it.
    pub(crate) included: Option<Place>,
}

impl File {
    pub(crate) fn new(name: String, bytes: Vec<u8>, included: Option<Place>) -> File {
        let mut lines = Vec::with_capacity(memchr::memchr_iter(b'\n', &bytes).count() + 1);
        let ends = memchr::memchr_iter(b'\n', &bytes).map(|at| at + 1);
        let starts = std::iter::once(0).chain(ends).filter(|at| *at < bytes.len());
        // Files are far smaller than 4 GiB.
        lines.extend(starts.filter_map(|at| u32::try_from(at).ok()));
        File { name, bytes, lines, included }
    }

    /// The bytes of some lines with their ends, the first and the last one included.
    pub(crate) fn lines(&self, first: usize, last: usize) -> Option<&[u8]> {
        let start = *self.lines.get(first.checked_sub(1)?)? as usize;
        let end = self.lines.get(last).map_or(self.bytes.len(), |next| *next as usize);
        self.bytes.get(start..end)
    }

    /// The bytes of a line without its end, counted from 1.
    pub(crate) fn line(&self, number: usize) -> Option<&[u8]> {
        let start = *self.lines.get(number.checked_sub(1)?)? as usize;
        let end = self.lines.get(number).map_or(self.bytes.len(), |next| *next as usize);
        let line = self.bytes.get(start..end)?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let kept = line.iter().rposition(|b| *b != b'\r').map_or(0, |last| last + 1);
        line.get(..kept)
    }
}

/// An expansion: what was written where something else now stands.
#[derive(Clone, Debug)]
pub(crate) struct Expansion {
    /// Where it was used, with its own `via`.
    pub(crate) at: Place,
    /// The definition's name; empty for a sequence.
    pub(crate) name: Box<str>,
}

/// All files and expansions.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) files: Vec<Rc<File>>,
    pub(crate) expansions: Vec<Expansion>,
    pub(crate) total: usize,
    /// What must not be shown of them.
    pub(crate) secrets: Secrets,
}

impl Map {
    /// The file's index.
    pub(crate) fn add(&mut self, file: File) -> u32 {
        self.total += file.bytes.len();
        self.files.push(Rc::new(file));
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// The expansion's index.
    pub(crate) fn expand(&mut self, at: Place, name: &str) -> u32 {
        self.expansions.push(Expansion { at, name: name.into() });
        u32::try_from(self.expansions.len() - 1).unwrap_or(DIRECT)
    }

    /// Whether `name` is being expanded already where `via` leads; and how deep the chain is.
    pub(crate) fn chain(&self, mut via: u32, name: &str) -> (bool, usize) {
        let mut depth = 0;
        while let Some(e) = self.expansions.get(via as usize) {
            depth += 1;
            if &*e.name == name {
                return (true, depth);
            }
            via = e.at.via;
        }
        (false, depth)
    }

    /// Where a place was expanded and included from, innermost first.
    pub(crate) fn trace(&self, place: Place, most: usize) -> Vec<(&'static str, Place)> {
        let mut out = Vec::new();
        let mut via = place.via;
        while let Some(e) = self.expansions.get(via as usize).filter(|_| out.len() < most) {
            out.push((if e.name.is_empty() { "repeated by this" } else { "expanded here" }, e.at));
            via = e.at.via;
        }
        let mut file = place.file;
        while let Some(at) = self.files.get(file as usize).and_then(|f| f.included).filter(|_| out.len() < most) {
            out.push(("included here", at));
            file = at.file;
        }
        out
    }

    /// The place as people read it, as yet without its line.
    pub(crate) fn span(&self, place: Place) -> Option<Span> {
        let file = self.files.get(place.file as usize)?;
        let line = file.line(place.line as usize).unwrap_or_default();
        let start = (place.col as usize).min(line.len());
        let end = (start + place.len as usize).min(line.len());
        let characters = |part: &[u8]| u32::try_from(String::from_utf8_lossy(part).chars().count()).unwrap_or(u32::MAX);
        Some(Span {
            file: file.name.clone(),
            line: place.line,
            col: characters(&line[..start]).saturating_add(1),
            len: characters(&line[start..end.min(window(line, start).end)]),
            range: (0, 0),
            origin: Origin(place),
            source: String::new(),
        })
    }

    /// Adds the line, with a star for each character of a secret: `col` and `len` stay right.
    pub(crate) fn excerpt(&self, span: &mut Span) {
        let place = span.origin.0;
        let (file, number) = (place.file as usize, place.line as usize);
        let line = self.files.get(file).and_then(|file| file.line(number)).unwrap_or_default();
        let start = (place.col as usize).min(line.len());
        let shown = window(line, start);
        let end = (start + place.len as usize).min(shown.end);
        let hidden = self.secrets.line(file, number, line, shown.clone());
        let part = |from: usize, to: usize| starred(&line[from..to], &hidden[from - shown.start..to - shown.start]);
        let (head, body, tail) = (part(shown.start, start), part(start, end), part(end, shown.end));
        span.range = (head.len(), head.len() + body.len());
        span.source = head + &body + &tail;
    }
}

/// What is shown of a line: a very long one is cut around the place, between characters.
fn window(line: &[u8], start: usize) -> Range<usize> {
    let whole = |at: &usize| !matches!(line.get(*at), Some(0x80..0xc0));
    let cut = |at: usize| (at.saturating_sub(3)..=at).rfind(whole).unwrap_or(at);
    let from = if line.len() > SHOWN { cut(start.saturating_sub(SHOWN / 4)) } else { 0 };
    from..cut((from + SHOWN).min(line.len())).max(start)
}

/// Why a file is not read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Directory,
    NotRegular,
    /// keepalived never reads executable files, so that a script in the directory is not taken for configuration.
    Executable(u32),
    TooLarge(u64),
    Io(io::Error),
}

impl Unreadable {
    /// What is wrong with the file, to follow "`NAME` ...".
    pub(crate) fn why(&self) -> String {
        match self {
            Unreadable::Directory => "is a directory".to_owned(),
            Unreadable::NotRegular => "is not a regular file".to_owned(),
            Unreadable::Executable(mode) => format!("is executable (mode {mode:04o})"),
            Unreadable::TooLarge(size) => format!("has {size} bytes, more than {MAX_FILE}"),
            Unreadable::Io(e) => format!("can't be read: {e}"),
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self, path: &Path) -> Option<String> {
        match self {
            Unreadable::Executable(_) => {
                Some(format!("executable files are taken for scripts: chmod a-x {}", path.display()))
            }
            Unreadable::Directory => Some(format!("to read what is in it: {}/*.conf", path.display())),
            Unreadable::NotRegular | Unreadable::TooLarge(_) | Unreadable::Io(_) => None,
        }
    }
}

/// Reads one file, within bounds.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let meta = fs::metadata(path).map_err(Unreadable::Io)?;
    if meta.is_dir() {
        return Err(Unreadable::Directory);
    }
    if !meta.is_file() {
        return Err(Unreadable::NotRegular);
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o111 != 0 {
        return Err(Unreadable::Executable(mode));
    }
    if meta.len() > MAX_FILE {
        return Err(Unreadable::TooLarge(meta.len()));
    }
    let mut bytes = Vec::new();
    // Some regular files of /proc would keep a reader waiting.
    let file = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(Unreadable::Io)?;
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(Unreadable::Io)?;
    Ok(bytes)
}

/// The directory that relative names in `path` start from.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
