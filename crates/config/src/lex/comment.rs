//! Comments and the quotes that protect from them.

use crate::source::{Ch, Place, trim};

/// Whether a character stands inside double quotes. A backslash takes the meaning from the character behind it; single
/// quotes mean nothing here.
#[derive(Clone, Copy, Default)]
pub(crate) struct Quotes {
    inside: bool,
    escaped: bool,
}

impl Quotes {
    pub(crate) fn feed(&mut self, c: Ch) {
        if self.escaped {
            self.escaped = false;
        } else if c.c == '\\' && !c.literal {
            self.escaped = true;
        } else if c.c == '"' && !c.literal {
            self.inside = !self.inside;
        }
    }

    pub(crate) fn inside(self) -> bool {
        self.inside
    }
}

/// Without comments and surrounding blanks. `\#` and `\!` outside quotes become literal characters, so doing it again
/// changes nothing (keepalived's children take them for comments the second time).
pub(crate) fn strip(line: &[Ch]) -> Vec<Ch> {
    let line = trim(line);
    let mut out = Vec::with_capacity(line.len());
    let mut quoted = false;
    let mut i = 0;
    while let Some(&c) = line.get(i) {
        i += 1;
        if c.literal {
            out.push(c);
            continue;
        }
        match c.c {
            '\\' => match line.get(i) {
                Some(&next) if !quoted && (next.c == '#' || next.c == '!') => {
                    out.push(Ch { literal: true, ..next });
                    i += 1;
                }
                Some(&next) => {
                    out.extend([c, next]);
                    i += 1;
                }
                None => out.push(c),
            },
            '"' => {
                quoted = !quoted;
                out.push(c);
            }
            '#' | '!' if !quoted => break,
            _ => out.push(c),
        }
    }
    let end = trim(&out).len();
    out.truncate(end);
    out
}

/// Where a comment starts directly behind a letter or digit: perhaps it was meant to be part of the word.
pub(crate) fn inside_word(line: &[Ch], kept: &[Ch]) -> Option<Place> {
    let last = kept.last()?;
    let at = line.iter().position(|c| c.at == last.at)?;
    let next = line.get(at + 1)?;
    (last.c.is_alphanumeric() && matches!(next.c, '#' | '!')).then_some(next.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{DIRECT, text_of};

    fn chars(text: &str) -> Vec<Ch> {
        let at = Place { file: 0, line: 1, col: 0, len: 1, via: DIRECT };
        text.chars().map(|c| Ch { c, literal: false, at }).collect()
    }

    fn stripped(text: &str) -> String {
        text_of(&strip(&chars(text)))
    }

    #[test]
    fn comments_start_anywhere_outside_quotes() {
        assert_eq!(stripped("auth_pass ab#cd"), "auth_pass ab");
        assert_eq!(stripped("auth_pass \"ab#cd\" ! x"), "auth_pass \"ab#cd\"");
        assert_eq!(stripped("  # all of it"), "");
        assert_eq!(stripped("it's # not protected"), "it's");
    }

    #[test]
    fn escapes_outside_quotes() {
        assert_eq!(stripped(r"a\#b \! c"), "a#b ! c");
        assert_eq!(stripped(r#"a "\#" b"#), r#"a "\#" b"#);
        assert_eq!(stripped(r"a\\#b"), r"a\\");
    }

    #[test]
    fn an_escaped_quote_does_not_open() {
        assert_eq!(stripped(r#"a \" b # c"#), r#"a \" b"#);
        assert_eq!(stripped(r#"a "q \" r # s" # t"#), r#"a "q \" r # s""#);
    }

    #[test]
    fn stripping_twice_changes_nothing() {
        for text in [r"a\#b # c", r#"x "y # z" ! w"#, r"\! d", "plain"] {
            let once = strip(&chars(text));
            assert_eq!(strip(&once), once, "{text}");
        }
    }

    #[test]
    fn quotes_feed_agrees_with_strip() {
        let mut q = Quotes::default();
        for c in chars(r#"a "b \" c" d"#) {
            q.feed(c);
        }
        assert!(!q.inside());
    }
}
