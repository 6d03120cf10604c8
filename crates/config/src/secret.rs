//! What must not be shown of a configuration, and findings without it. A password that was read is taken out of every text.
//! Not every password is read: of a file with errors much is passed over. So whatever stands behind the word for one is
//! hidden where a line is shown, and so are the definitions that are used there. All of it happens once something was found.

use crate::keyword;
use crate::source::File;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::{Bound, Range};
use std::rc::Rc;

/// Bytes from which on a word is looked for in every text: a shorter one would be found everywhere.
const SHORTEST: usize = 3;

/// The file, the line and the place in it of a value.
type Definition = (usize, usize, Range<usize>);

/// Words that must not be shown, and lines that have some.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    words: BTreeSet<Box<[u8]>>,
    /// The values of definitions, by file and line.
    values: HashMap<(usize, usize), Range<usize>>,
}

/// The words of the language behind which a secret stands, with the number of words between.
pub(crate) fn keywords() -> impl Iterator<Item = (&'static str, usize)> {
    keyword::all().into_iter().filter_map(|(_, row)| Some((row.name, row.args.before_secret()?)))
}

impl Secrets {
    /// This is one.
    pub(crate) fn add(&mut self, word: &str) {
        if word.len() >= SHORTEST {
            // What was no text in the file is none of its characters.
            let parts = word.split(char::REPLACEMENT_CHARACTER).filter(|part| part.len() >= SHORTEST);
            self.words.extend(parts.map(|part| part.as_bytes().into()));
        }
    }

    /// Finds the definitions that secrets are made of.
    pub(crate) fn look(&mut self, files: &[Rc<File>]) {
        let keywords: Vec<_> = keywords().collect();
        let mut definitions: HashMap<&[u8], Vec<Definition>> = HashMap::new();
        let mut due: Vec<&[u8]> = Vec::new();
        for (file, number, line) in files.iter().enumerate().flat_map(|(at, file)| lines(at, file)) {
            if memchr::memchr2(b'$', b'~', line).is_none() {
                continue;
            }
            due.extend(behind(line, &keywords).into_iter().flat_map(|secret| names(&line[secret])));
            for (name, value) in defined(line) {
                definitions.entry(name).or_default().push((file, number, value));
            }
        }
        let mut seen = HashSet::new();
        while let Some(name) = due.pop() {
            if !seen.insert(name) {
                continue;
            }
            for (file, number, value) in definitions.get(name).into_iter().flatten() {
                let (file, mut number, mut range) = (*file, *number, value.clone());
                // A definition goes on behind a backslash; where another one has been, nothing is new.
                while let Some(line) = files.get(file).and_then(|f| f.line(number)) {
                    if self.values.get(&(file, number)).is_some_and(|known| known.start <= range.start) {
                        break;
                    }
                    let value = line.get(range.clone()).unwrap_or_default();
                    self.values.insert((file, number), range);
                    self.words.extend(plain(value).filter(|w| w.len() >= SHORTEST).map(Box::from));
                    due.extend(names(value));
                    if !value.ends_with(b"\\") {
                        break;
                    }
                    number += 1;
                    range = 0..files.get(file).and_then(|f| f.line(number)).map_or(0, <[u8]>::len);
                }
            }
        }
    }

    /// A line as it may be shown, with a star for each byte of a secret.
    pub(crate) fn line(&self, file: usize, number: usize, line: &[u8]) -> Vec<u8> {
        let mut out = line.to_vec();
        let keywords: Vec<_> = keywords().collect();
        let value = self.values.get(&(file, number)).cloned();
        for range in behind(line, &keywords).into_iter().chain(value).chain(self.found(line)) {
            let shown = |b: &u8| matches!(b, b' ' | b'\t' | b'"');
            out[range].iter_mut().filter(|b| !shown(b)).for_each(|b| *b = b'*');
        }
        out
    }

    /// A text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        let found = self.found(text.as_bytes());
        let mut out = text.into_bytes();
        found.into_iter().for_each(|range| out[range].fill(b'*'));
        String::from_utf8(out).unwrap_or_default() // whole characters were replaced
    }

    /// Where secrets stand that were read, but for parts of longer words.
    fn found(&self, text: &[u8]) -> Vec<Range<usize>> {
        let inside = |at: usize| {
            let part = text.get(at).is_some_and(|b| matches!(b, 0x80..0xc0)); // of a character
            part || (at > 0 && at < text.len() && letter(text[at - 1]) && letter(text[at]))
        };
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() && !self.words.is_empty() {
            match self.prefix(&text[at..]).map(|length| at + length).filter(|end| !inside(at) && !inside(*end)) {
                Some(end) => {
                    found.push(at..end);
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    /// The length of the longest secret that a text starts with.
    fn prefix(&self, mut text: &[u8]) -> Option<usize> {
        loop {
            // Whatever stands between a beginning of the text and the text begins alike.
            let range = (Bound::Unbounded, Bound::Included(text));
            let last = self.words.range::<[u8], _>(range).next_back()?;
            let common = last.iter().zip(text).take_while(|(a, b)| a == b).count();
            if common == last.len() {
                return Some(common);
            }
            text = &text[..common];
        }
    }
}

fn lines(at: usize, file: &File) -> impl Iterator<Item = (usize, usize, &[u8])> {
    (1..).map_while(move |number| Some((at, number, file.line(number)?)))
}

fn letter(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What stands behind the words for secrets, up to a closing brace.
fn behind(line: &[u8], keywords: &[(&str, usize)]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (keyword, between) in keywords {
        let length = keyword.len();
        let stands = |at: &usize| {
            line[*at..*at + length].eq_ignore_ascii_case(keyword.as_bytes())
                && (*at == 0 || !letter(line[at - 1]))
                && line.get(at + length).is_some_and(|b| !letter(*b))
        };
        let Some(at) = (0..=line.len().saturating_sub(length)).find(|at| at + length <= line.len() && stands(at))
        else {
            continue;
        };
        let mut start = at + length;
        for _ in 0..*between {
            let skip = |from: usize, over: &dyn Fn(u8) -> bool| {
                line[from..].iter().position(|b| !over(*b)).map_or(line.len(), |at| from + at)
            };
            start = skip(skip(start, &blank), &|b| !blank(b));
        }
        found.push(start..start + ending(&line[start..]));
    }
    found
}

/// Where a secret ends, with all the words that may belong to it: at a brace that closes a block, or with the line.
fn ending(text: &[u8]) -> usize {
    let (mut quoted, mut reference) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'{' if at > 0 && text[at - 1] == b'$' => reference = true,
            b'}' if reference => reference = false,
            b'}' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// The definitions that a text refers to.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'$', text).filter_map(|at| {
        let rest = &text[at + 1..];
        let name = identifier(rest.strip_prefix(b"{").unwrap_or(rest));
        (!name.is_empty()).then_some(name)
    })
}

/// The names that a line gives a value to, and where the values stand.
fn defined(line: &[u8]) -> Vec<(&[u8], Range<usize>)> {
    let mut found = Vec::new();
    for at in memchr::memchr_iter(b'$', line) {
        let name = identifier(&line[at + 1..]);
        let rest = &line[at + 1 + name.len()..];
        let sign = rest.iter().position(|b| !blank(*b)).filter(|at| !name.is_empty() && rest[*at] == b'=');
        found.extend(sign.map(|sign| (name, at + name.len() + sign + 2..line.len())));
    }
    if let Some(at) = memchr::memmem::find(line, b"~LST(") {
        let start = at + b"~LST(".len();
        let end = memchr::memchr(b')', &line[start..]).map_or(line.len(), |length| start + length);
        // The names come first: one, or several in braces.
        let several = line[start..end].trim_ascii_start().starts_with(b"{");
        let head = line[start..end].split(|b| *b == if several { b'}' } else { b',' }).next().unwrap_or_default();
        let words = head.split(|b| !letter(*b)).filter(|word| !word.is_empty());
        found.extend(words.map(|word| (word, start..end)));
    }
    found
}

fn identifier(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !(*b == b'_' || b.is_ascii_alphanumeric()));
    &text[..end.unwrap_or(text.len())]
}

/// The words of a value, without quotes and references, up to a comment.
fn plain(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let value = value.split(|b| matches!(b, b'#' | b'!')).next().unwrap_or_default();
    let words = value.split(|b| blank(*b) || matches!(b, b'"' | b'\\' | b',' | b'{' | b'}'));
    words.filter(|word| !word.starts_with(b"$"))
}
