//! What must not be shown of a configuration, and texts without it. A password that was read is taken out of every text.
//! Not every password is read: of a file with errors much is passed over. So whatever stands behind the word for one, up to
//! the end of the line, is a secret, and so are the definitions that are used there; the path or name of what holds a key is none. All of it happens once something was
//! found, with a few steps for each byte.

use crate::keyword;
use crate::source::{File, MAX_LINE};
use memchr::memmem::Finder;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;

/// Bytes from which on a word is looked for in every text: a shorter one would be found everywhere.
const SHORTEST: usize = 3;
/// Bytes of a secret that are hidden wherever they stand, inside a longer word and without the rest of the secret too.
pub(crate) const PART: usize = 8;
/// Parts at most: of a file with more of them nothing is shown.
const MOST: usize = 1 << 19;

/// The words of the language behind which a secret stands, with the number of words between.
static KEYWORDS: LazyLock<Vec<(&str, usize)>> = LazyLock::new(|| {
    keyword::all().into_iter().filter_map(|(_, row)| Some((row.name, row.args.before_secret()?))).collect()
});

/// They find those words.
static FINDERS: LazyLock<Vec<Finder<'static>>> =
    LazyLock::new(|| KEYWORDS.iter().map(|(name, _)| Finder::new(name.as_bytes())).collect());

/// All words of the language.
static LANGUAGE: LazyLock<HashSet<&[u8]>> =
    LazyLock::new(|| keyword::all().into_iter().map(|(_, row)| row.name.as_bytes()).collect());

/// What must not be shown.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// All that longer words have of that length, and whole words that are shorter, filled up with zeros.
    parts: HashSet<[u8; PART]>,
    /// Where on a line, by file and number, the value of a definition starts.
    values: HashMap<(usize, usize), usize>,
}

/// Whether the value of a `key` only says where the key is.
pub(crate) fn is_place(value: &[u8]) -> bool {
    value.starts_with(b"file:/") || value.starts_with(b"cred:")
}

/// The words of the language behind which a secret stands.
pub(crate) fn keywords() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|(name, _)| *name)
}

impl Secrets {
    /// This is one.
    pub(crate) fn add(&mut self, word: &str) {
        // What was no text in the file is none of its characters.
        word.split(char::REPLACEMENT_CHARACTER).for_each(|part| self.keep(part.as_bytes()));
    }

    fn keep(&mut self, word: &[u8]) {
        let short = (SHORTEST..PART).contains(&word.len()).then_some(word);
        for part in short.into_iter().chain(word.windows(PART)) {
            if self.parts.len() >= MOST {
                break;
            }
            self.parts.insert(padded(part));
        }
    }

    /// Keeps the words of a text; those of the language are no secrets, they only stand on the same line.
    fn keep_words(&mut self, text: &[u8]) {
        let words = text.split(|b| blank(*b) || matches!(b, b'"' | b'\\' | b',' | b'{' | b'}'));
        words.filter(|word| !word.starts_with(b"$") && !LANGUAGE.contains(word)).for_each(|word| self.keep(word));
    }

    /// Finds the secrets of passages that were not read, and the definitions that secrets are made of.
    pub(crate) fn look(&mut self, files: &[Rc<File>]) {
        let mut definitions: HashMap<&[u8], Vec<(usize, usize, usize)>> = HashMap::new();
        let mut due: Vec<&[u8]> = Vec::new();
        for (file, number, line) in files.iter().enumerate().flat_map(|(at, file)| lines(at, file)) {
            if may_name_one(line) {
                let said = uncommented(line);
                if let Some(start) = behind(said) {
                    let start = place(said).map_or(start, |place| place.end);
                    self.keep_words(&said[start..]);
                    due.extend(names(&said[start..]));
                }
            }
            if memchr::memchr2(b'$', b'~', line).is_some() {
                for (name, start) in defined(line) {
                    definitions.entry(name).or_default().push((file, number, start));
                }
            }
        }
        while let Some(name) = due.pop() {
            for (file, mut number, mut start) in definitions.remove(name).into_iter().flatten() {
                while let Some(line) = files.get(file).and_then(|f| f.line(number)) {
                    // A line that is too long is left out: the definition goes on behind it.
                    let line = if line.len() > MAX_LINE { b"\\" } else { line };
                    let known = self.values.get(&(file, number)).copied();
                    let value = line.get(start..known.unwrap_or(line.len())).unwrap_or_default();
                    if known.is_some_and(|known| known <= start) {
                        break;
                    }
                    self.values.insert((file, number), start);
                    self.keep_words(uncommented(value));
                    due.extend(names(value));
                    // Another one on that line has gone on already.
                    if known.is_some() || !value.ends_with(b"\\") {
                        break;
                    }
                    (number, start) = (number + 1, 0);
                }
            }
        }
    }

    /// Which bytes of a part of a line are hidden.
    pub(crate) fn line(&self, file: usize, number: usize, line: &[u8], part: Range<usize>) -> Vec<bool> {
        if line.len() > MAX_LINE {
            return vec![true; part.len()];
        }
        // A secret may reach into it.
        let from = part.start.saturating_sub(PART);
        let mut hidden = self.hidden(&line[from..line.len().min(part.end + PART)]);
        let value = self.values.get(&(file, number)).copied();
        if let Some(start) = behind(line).into_iter().chain(value).min() {
            let shown = |b: &u8| blank(*b) || matches!(b, b'"' | b'{' | b'}');
            let flags = line[from..].iter().zip(&mut hidden).skip(start.saturating_sub(from));
            flags.filter(|(b, _)| !shown(b)).for_each(|(_, flag)| *flag = true);
            let place = place(line).filter(|place| value.is_none_or(|value| value > place.end)).unwrap_or_default();
            hidden
                .iter_mut()
                .take(place.end.saturating_sub(from))
                .skip(place.start.saturating_sub(from))
                .for_each(|f| *f = false);
        }
        hidden[part.start - from..part.end - from].to_vec()
    }

    /// A text without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        let text = text.as_bytes();
        let mut hidden = self.hidden(text);
        // A keyword and its value may be one word.
        for (at, word) in identifiers(text) {
            if let Some((name, _)) = keyword_of(word) {
                hidden[at + name.len()..at + word.len()].fill(true);
            }
        }
        starred(text, &hidden)
    }

    /// Which bytes belong to secrets, short words only where they stand for themselves.
    fn hidden(&self, text: &[u8]) -> Vec<bool> {
        let mut hidden = vec![self.parts.len() >= MOST; text.len()];
        let inside = |at: usize| {
            let part = text.get(at).is_some_and(|b| matches!(b, 0x80..0xc0)); // of a character
            part || (at > 0 && at < text.len() && letter(text[at - 1]) && letter(text[at]))
        };
        let known = |range: &Range<usize>| text.get(range.clone()).is_some_and(|t| self.parts.contains(&padded(t)));
        for at in (0..text.len()).take_while(|_| !self.parts.is_empty()) {
            let whole = || (SHORTEST..PART).map(|n| at..at + n).filter(|r| !inside(r.end)).rfind(known);
            let found = Some(at..at + PART).filter(known);
            if let Some(range) = found.or_else(|| if inside(at) { None } else { whole() }) {
                hidden[range].fill(true);
            }
        }
        hidden
    }
}

/// A text with a star for each character of which something is hidden.
pub(crate) fn starred(text: &[u8], hidden: &[bool]) -> String {
    let mut at = 0;
    let mut star = |length: usize, c: char| {
        at += length;
        if hidden[at - length..at].contains(&true) { '*' } else { c }
    };
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend(chunk.valid().chars().map(|c| star(c.len_utf8(), c)));
        if !chunk.invalid().is_empty() {
            out.push(star(chunk.invalid().len(), char::REPLACEMENT_CHARACTER));
        }
    }
    out
}

/// The lines that are not too long.
fn lines(at: usize, file: &File) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let all = (1..).map_while(move |number| Some((at, number, file.line(number)?)));
    all.filter(|(_, _, line)| line.len() <= MAX_LINE)
}

fn padded(word: &[u8]) -> [u8; PART] {
    let mut out = [0; PART];
    out.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
    out
}

fn letter(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The line up to a comment.
fn uncommented(line: &[u8]) -> &[u8] {
    let (mut quoted, mut escaped) = (false, false);
    let end = line.iter().position(|b| {
        let plain = !escaped;
        escaped = plain && *b == b'\\';
        quoted ^= plain && *b == b'"';
        plain && !quoted && matches!(b, b'#' | b'!')
    });
    &line[..end.unwrap_or(line.len())]
}

/// The word for a secret that this one is, or that it starts with where the secret follows at once.
fn keyword_of(word: &[u8]) -> Option<(&'static str, usize)> {
    let starts = |name: &str| word.get(..name.len()).is_some_and(|w| w.eq_ignore_ascii_case(name.as_bytes()));
    KEYWORDS.iter().copied().find(|(name, between)| starts(name) && (*between == 0 || word.len() == name.len()))
}

/// Whether the letters of a word for a secret stand in a line: told in much less time than whether the word does.
fn may_name_one(line: &[u8]) -> bool {
    let line = line.to_ascii_lowercase();
    FINDERS.iter().any(|finder| finder.find(&line).is_some())
}

/// Whether a word for a secret stands in that text.
pub(crate) fn names_one(text: &str) -> bool {
    behind(text.as_bytes()).is_some()
}

/// Where a line names the place of its first secret instead of the secret itself, up to the next blank.
fn place(line: &[u8]) -> Option<Range<usize>> {
    let start = behind(line)?;
    let (_, between) = identifiers(line).find_map(|(_, word)| keyword_of(word))?;
    let start = start + line[start..].iter().position(|b| !blank(*b) && *b != b'"')?;
    let length = line[start..].iter().position(|b| blank(*b) || *b == b'"').unwrap_or(line.len() - start);
    let range = start..start + length;
    (between > 0 && is_place(&line[range.clone()])).then_some(range)
}

/// Where, behind the first word for a secret, that secret starts.
fn behind(line: &[u8]) -> Option<usize> {
    let (at, (name, between)) = identifiers(line).find_map(|(at, word)| Some((at, keyword_of(word)?)))?;
    let skip =
        |from: usize, over: bool| line[from..].iter().position(|b| blank(*b) != over).map_or(line.len(), |n| from + n);
    Some((0..between).fold(at + name.len(), |start, _| skip(skip(start, true), false)))
}

/// The definitions that a text refers to.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'$', text).filter_map(|at| {
        let rest = &text[at + 1..];
        let name = identifier(rest.strip_prefix(b"{").unwrap_or(rest));
        (!name.is_empty()).then_some(name)
    })
}

/// The names that a line gives a value to, and where the values start. Behind a `~LST(` any word may be a name.
fn defined(line: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let definitions = memchr::memchr_iter(b'$', line).filter_map(|at| {
        let name = identifier(&line[at + 1..]);
        let start = at + 1 + name.len();
        let sign = start + line[start..].iter().position(|b| !blank(*b))?;
        (!name.is_empty() && line[sign] == b'=').then_some((name, sign + 1))
    });
    let list = memchr::memmem::find(line, b"~LST(").map(|at| at + b"~LST(".len());
    let listed = list.into_iter().flat_map(|start| identifiers(&line[start..]).map(move |(_, name)| (name, start)));
    definitions.chain(listed)
}

fn identifier(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|b| !letter(*b)).unwrap_or(text.len())]
}

/// Runs of letters, and where they stand.
fn identifiers(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].iter().position(|b| letter(*b))?;
        let word = identifier(&text[at..]);
        at += word.len();
        Some((at - word.len(), word))
    })
}
