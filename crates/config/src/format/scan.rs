//! What a physical line is made of, as far as its own text tells. Bytes will do: all that matters is ASCII.

/// Blank as the lexer has it at the ends of a line.
pub(super) fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without blanks and tabs at both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !blank(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(*b)).map_or(start, |e| e + 1);
    &text[start..end]
}

/// Code and comment, and whether the comment touches the code.
pub(super) fn comment(line: &[u8]) -> (&[u8], &[u8], bool) {
    let mut quoted = false;
    let mut i = 0;
    while let Some(byte) = line.get(i) {
        match byte {
            b'\\' => i += 1,
            b'"' => quoted = !quoted,
            b'#' | b'!' if !quoted => {
                let code = trim(&line[..i]);
                let touches = !code.is_empty() && !blank(line[i - 1]);
                return (code, trim(&line[i..]), touches);
            }
            _ => {}
        }
        i += 1;
    }
    (trim(line), &[], false)
}

/// A piece of a line that is split at its braces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    Open,
    Close,
    /// Words, and nothing but words.
    Words(&'a [u8]),
    /// A condition, a sequence or an include, with everything behind it.
    Rest(&'a [u8]),
}

/// The pieces of a line of which nothing is hidden: no reference, no backslash, no single quote outside double ones,
/// no quote left open. `None`: any other line.
pub(super) fn pieces(code: &[u8]) -> Option<Vec<Piece<'_>>> {
    if !plain(code) {
        return None;
    }
    let mut pieces = Vec::new();
    let mut rest = trim(code);
    while let Some(first) = rest.first() {
        let end = match first {
            b'{' | b'}' => {
                pieces.push(if *first == b'{' { Piece::Open } else { Piece::Close });
                1
            }
            b'@' | b'~' => {
                pieces.push(Piece::Rest(rest));
                break;
            }
            _ if include(rest).is_some() => {
                pieces.push(Piece::Rest(rest));
                break;
            }
            _ => {
                let mut quoted = false;
                let brace = rest.iter().position(|b| {
                    quoted ^= *b == b'"';
                    !quoted && matches!(b, b'{' | b'}')
                });
                let end = brace.unwrap_or(rest.len());
                let words = trim(&rest[..end]);
                // `include{` is a word and a brace; with a blank between them it would be an include.
                if include(words).is_some() {
                    return None;
                }
                pieces.push(Piece::Words(words));
                end
            }
        };
        rest = trim(&rest[end..]);
    }
    Some(pieces)
}

/// Whether the words of a line are what they look like to every reader of it.
fn plain(code: &[u8]) -> bool {
    let mut quoted = false;
    for byte in code {
        match byte {
            b'"' => quoted = !quoted,
            b'$' | b'\\' => return false,
            b'\'' if !quoted => return false,
            _ => {}
        }
    }
    !quoted
}

/// The word and the pattern of an include.
pub(super) fn include(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, pattern) = word(text);
    let variant = word.strip_prefix(b"include")?;
    matches!(variant, b"" | b"r" | b"m" | b"w" | b"b" | b"a").then_some((word, pattern))
}

/// Up to the first blank, and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| blank(*b)).unwrap_or(text.len());
    (&text[..end], trim(&text[end..]))
}

/// The conditions that a line starts with, and what follows them.
pub(super) fn conditions(mut text: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut found = Vec::new();
    while text.first() == Some(&b'@') {
        let (condition, rest) = word(text);
        found.push(&condition[1..]);
        text = rest;
    }
    (found, text)
}

/// What a sequence or list repeats, if the text is one.
pub(super) fn repeated(text: &[u8]) -> Option<&[u8]> {
    let close = text.strip_prefix(b"~")?.iter().position(|b| *b == b')')?;
    Some(trim(&text[close + 2..]))
}

/// Whether the text defines a name.
pub(super) fn definition(text: &[u8]) -> bool {
    let Some(name) = text.strip_prefix(b"$") else { return false };
    let length = name.iter().take_while(|b| **b == b'_' || b.is_ascii_alphanumeric()).count();
    length > 0 && !name[0].is_ascii_digit() && name.get(length) == Some(&b'=')
}

/// The braces outside quotes and outside `${NAME}`.
pub(super) fn braces(text: &[u8]) -> Vec<u8> {
    let (mut quoted, mut reference) = (false, false);
    let mut found = Vec::new();
    let mut i = 0;
    while let Some(byte) = text.get(i) {
        match byte {
            b'\\' if matches!(text.get(i + 1), Some(b'"' | b'\\')) => i += 1,
            b'"' => quoted = !quoted,
            b'$' if text.get(i + 1) == Some(&b'{') => {
                reference = true;
                i += 1;
            }
            b'}' if reference => reference = false,
            b'{' | b'}' if !quoted => found.push(*byte),
            _ => {}
        }
        i += 1;
    }
    found
}

/// One blank for each run of them outside quotes.
pub(super) fn single_blanks(text: &[u8]) -> Vec<u8> {
    let mut quoted = false;
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        quoted ^= *byte == b'"';
        if quoted || !blank(*byte) {
            out.push(*byte);
        } else if out.last() != Some(&b' ') {
            out.push(b' ');
        }
    }
    out
}

/// A condition or an include of a plain line with single blanks, as far as it is certain that they are only blanks.
pub(super) fn rest_of_line(text: &[u8]) -> Vec<u8> {
    let (conditions, rest) = conditions(text);
    let mut out = Vec::with_capacity(text.len());
    for condition in conditions {
        // A quote in it would be none to the reader of conditions.
        if condition.contains(&b'"') {
            return text.to_vec();
        }
        out.push(b'@');
        out.extend_from_slice(condition);
        out.push(b' ');
    }
    // An include may stand behind a brace, too, and its pattern is what it is.
    let includes = include(rest).is_none() && rest.windows(7).any(|word| word == b"include");
    if rest.first() == Some(&b'~') || includes {
        out.extend_from_slice(rest);
    } else if let Some((word, pattern)) = include(rest) {
        out.extend_from_slice(word);
        out.push(b' ');
        out.extend_from_slice(pattern);
    } else {
        out.extend(single_blanks(rest));
    }
    out.truncate(out.len() - out.iter().rev().take_while(|b| **b == b' ').count());
    out
}
