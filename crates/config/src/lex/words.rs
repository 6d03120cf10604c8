//! Words of a logical line, and the second, shell-like splitting that commands get.

use crate::source::{Ch, Place, place_of, text_of};

/// A word and where it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) at: Place,
}

/// A logical line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// Never empty.
    pub(crate) words: Vec<Word>,
    /// The characters, kept only if quotes or backslashes could make a command of it that the words don't show.
    raw: Option<Box<[Ch]>>,
    /// A quote that the word splitting found unclosed; a command may see that differently.
    pub(crate) unmatched: Option<Place>,
}

pub(super) fn separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c' | '\n' | '\r' | '\x0b')
}

/// Ordinary splitting: a word that starts with `"` runs to the next `"`, any other to a separator or the next `"`.
pub(crate) fn tokenise(line: &[Ch]) -> Line {
    let mut words = Vec::new();
    let mut unmatched = None;
    let mut i = 0;
    while let Some(&c) = line.get(i) {
        if separator(c.c) {
            i += 1;
        } else if c.c == '"' && !c.literal {
            let body = &line[i + 1..];
            let end = body.iter().position(|c| c.c == '"' && !c.literal);
            let inner = &body[..end.unwrap_or(body.len())];
            let whole = &line[i..(i + 1 + inner.len() + usize::from(end.is_some())).min(line.len())];
            if end.is_none() {
                unmatched = Some(c.at);
            }
            // An unclosed quote with nothing behind it is no word.
            if end.is_some() || !inner.is_empty() {
                words.push(Word { text: text_of(inner), at: place_of(whole) });
            }
            i += whole.len();
        } else {
            let rest = &line[i..];
            let end = rest.iter().position(|c| separator(c.c) || (c.c == '"' && !c.literal)).unwrap_or(rest.len());
            words.push(Word { text: text_of(&rest[..end]), at: place_of(&rest[..end]) });
            i += end;
        }
    }
    let special = line.iter().any(|c| matches!(c.c, '"' | '\'' | '\\'));
    if words.is_empty() {
        // Only a lone quote: keep it as a word, so that there is something to point at.
        words.push(Word { text: text_of(line), at: place_of(line) });
    }
    Line { words, raw: special.then(|| line.into()), unmatched }
}

impl Line {
    /// A line without quotes and backslashes; `words` is not empty.
    pub(crate) fn plain(words: Vec<Word>) -> Line {
        Line { words, raw: None, unmatched: None }
    }

    /// The first word's place to the last one's.
    pub(crate) fn at(&self) -> Place {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.at.to(last.at),
            _ => Place::NOWHERE,
        }
    }

    /// Leaves the words before `at`, gives those from there on as a line of their own.
    pub(crate) fn split_off(&mut self, at: usize) -> Line {
        Line { words: self.words.split_off(at), raw: None, unmatched: None }
    }

    /// Bytes that it takes beside itself, as an allocator counts.
    pub(crate) fn kept(&self) -> usize {
        let text: usize = self.words.iter().map(|w| w.text.len().max(16) + 16).sum();
        let raw = self.raw.as_ref().map_or(0, |raw| size_of_val(&**raw));
        self.words.capacity() * size_of::<Word>() + text + raw
    }

    /// The words as a command line has them: `'..'` and `".."` group, adjacent pieces join, a backslash protects the
    /// next character (both stay, except before the quote that the word stands in).
    pub(crate) fn shell_words(&self) -> Result<Vec<Word>, CommandError> {
        let Some(raw) = &self.raw else {
            return Ok(self.words.clone());
        };
        split(raw, Escapes::Keep)
    }
}

impl Line {
    /// The words split like `shell_words`, with escapes resolved.
    pub(crate) fn resolved_words(&self) -> Result<Vec<Word>, CommandError> {
        match &self.raw {
            Some(raw) => split(raw, Escapes::Resolve),
            None => Ok(self.words.clone()),
        }
    }

    /// The characters behind a backslash, as they are written.
    pub(crate) fn escaped(&self) -> Vec<char> {
        let mut chars = self.raw.iter().flatten().map(|c| c.c);
        std::iter::from_fn(|| chars.find(|c| *c == '\\').and_then(|_| chars.next())).collect()
    }
}

/// Why a command can't be split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CommandError {
    Unclosed(Place),
    TrailingBackslash(Place),
    /// `\0`, or a byte that is no character of its own.
    Byte(Place),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Keep,
    Resolve,
}

/// The argument vector of a command string: split like `shell_words`, with escapes resolved.
pub(crate) fn arguments(command: &Word) -> Result<Vec<String>, CommandError> {
    let chars: Vec<Ch> = command.text.chars().map(|c| Ch { c, literal: false, at: command.at }).collect();
    Ok(split(&chars, Escapes::Resolve)?.into_iter().map(|w| w.text).collect())
}

fn split(line: &[Ch], escapes: Escapes) -> Result<Vec<Word>, CommandError> {
    let mut words = Vec::new();
    let mut word: Option<(String, usize)> = None;
    let mut quote: Option<(char, Place)> = None;
    let mut i = 0;
    while let Some(&c) = line.get(i) {
        if quote.is_none() && separator(c.c) {
            if let Some((text, start)) = word.take() {
                words.push(Word { text, at: place_of(&line[start..i]) });
            }
            i += 1;
            continue;
        }
        let (text, _) = word.get_or_insert_with(|| (String::new(), i));
        i += 1;
        match (c.c, quote) {
            ('\\', _) => {
                let Some(&next) = line.get(i) else {
                    return Err(CommandError::TrailingBackslash(c.at));
                };
                match escapes {
                    // `"sh -c \"a b\""`: the inner quotes group in the second splitting. keepalived 2.2.7 does that;
                    // by its source 2.4.3 would take them for characters, which nobody who writes this can want.
                    Escapes::Keep if quote.is_some_and(|(q, _)| q == next.c) => {
                        text.push(next.c);
                        i += 1;
                    }
                    Escapes::Keep => {
                        text.extend([c.c, next.c]);
                        i += 1;
                    }
                    Escapes::Resolve => {
                        let (resolved, used) = escape(&line[i..]).ok_or(CommandError::Byte(c.at))?;
                        text.push(resolved);
                        i += used;
                    }
                }
            }
            (q, Some((open, _))) if q == open => quote = None,
            ('"' | '\'', None) => quote = Some((c.c, c.at)),
            (other, _) => text.push(other),
        }
    }
    if let Some((_, at)) = quote {
        return Err(CommandError::Unclosed(at));
    }
    if let Some((text, start)) = word {
        words.push(Word { text, at: place_of(&line[start..]) });
    }
    Ok(words)
}

/// What stands behind a backslash, and how many characters of it belong to the escape. `None`: not a character.
fn escape(rest: &[Ch]) -> Option<(char, usize)> {
    let digits = |radix: u32, from: usize, most: usize| {
        let run: Vec<u32> = rest.iter().skip(from).take(most).map_while(|c| c.c.to_digit(radix)).collect();
        let value = run.iter().fold(0, |v, d| v * radix + d);
        (value, run.len())
    };
    let byte = |value: u32, used: usize| {
        let c = char::from_u32(value).filter(|c| c.is_ascii() && *c != '\0')?;
        Some((c, used))
    };
    match rest.first()?.c {
        'a' => Some(('\x07', 1)),
        'b' => Some(('\x08', 1)),
        'E' => Some(('\x1b', 1)),
        'f' => Some(('\x0c', 1)),
        'n' => Some(('\n', 1)),
        'r' => Some(('\r', 1)),
        't' => Some(('\t', 1)),
        'v' => Some(('\x0b', 1)),
        '0'..='7' => {
            let (value, used) = digits(8, 0, 3);
            byte(value, used)
        }
        'x' => match digits(16, 1, 2) {
            (_, 0) => Some(('x', 1)),
            (value, used) => byte(value, used + 1),
        },
        'c' => match rest.get(1) {
            Some(c) => byte(u32::from(c.c) & 0x1f, 2),
            None => Some(('c', 1)),
        },
        other => Some((other, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::DIRECT;

    fn line(text: &str) -> Line {
        let place = |col| Place { file: 0, line: 1, col, len: 1, via: DIRECT };
        let chars: Vec<Ch> = (0u32..).zip(text.chars()).map(|(i, c)| Ch { c, literal: false, at: place(i) }).collect();
        tokenise(&chars)
    }

    fn words(text: &str) -> Vec<String> {
        line(text).words.into_iter().map(|w| w.text).collect()
    }

    fn argv(text: &str) -> Vec<String> {
        arguments(&line(text).shell_words().unwrap()[1]).unwrap()
    }

    #[test]
    fn the_table_of_ordinary_words() {
        assert_eq!(words(r#"a "b c" d"#), ["a", "b c", "d"]);
        assert_eq!(words(r#"ab"c d"ef"#), ["ab", "c d", "ef"]);
        assert_eq!(words("it's"), ["it's"]);
        assert_eq!(words(r#"a """#), ["a", ""]);
        assert_eq!(words("a\tb\x0bc\x0cd"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn an_inner_backslash_quote_is_no_escape() {
        let l = line(r#""q\"r s""#);
        assert_eq!(l.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(), ["q\\", "r", "s"]);
        assert!(l.unmatched.is_some());
    }

    #[test]
    fn words_know_their_columns() {
        let l = line(r#"ab  "c d" e"#);
        assert_eq!(l.words.iter().map(|w| (w.at.col, w.at.len)).collect::<Vec<_>>(), [(0, 2), (4, 5), (10, 1)]);
    }

    #[test]
    fn the_command_example() {
        let l = line(r#"notify_master "/usr/libexec/x 'two words' tab\there" opuser :opgroup"#);
        let w = l.shell_words().unwrap();
        assert_eq!(w[2].text, "opuser");
        assert_eq!(w[3].text, ":opgroup");
        assert_eq!(arguments(&w[1]).unwrap(), ["/usr/libexec/x", "two words", "tab\there"]);
    }

    #[test]
    fn adjacent_pieces_join_in_commands() {
        let l = line(r#"k a"b c"'d'"#);
        assert_eq!(l.shell_words().unwrap()[1].text, "ab cd");
    }

    #[test]
    fn escapes_in_commands() {
        assert_eq!(argv(r#"k "x \101\x42\cA\ \q""#), ["x", "AB\x01 q"]);
        assert_eq!(argv(r#"k "x a\ b""#), ["x", "a b"]);
        assert_eq!(argv(r#"k "sh -c \"echo hi\"""#), ["sh", "-c", "echo hi"]);
    }

    #[test]
    fn broken_commands() {
        assert!(matches!(line("k 'a b").shell_words(), Err(CommandError::Unclosed(_))));
        assert!(matches!(line("k a\\").shell_words(), Err(CommandError::TrailingBackslash(_))));
        let w = line(r"k a\0").shell_words().unwrap();
        assert!(matches!(arguments(&w[1]), Err(CommandError::Byte(_))));
        let w = line(r"k a\377").shell_words().unwrap();
        assert!(matches!(arguments(&w[1]), Err(CommandError::Byte(_))));
    }
}
