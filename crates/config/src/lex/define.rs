//! `$NAME=value` and what becomes of `$NAME` and `${NAME}`.

use super::comment::Quotes;
use super::{AsideKind, Frame, Lexer, MAX_DEPTH, MAX_EXPANDED};
use crate::diag::{Code, Level, Report};
use crate::source::{Ch, Place, place_of, text_of, trim};
use std::rc::Rc;

/// What a name stands for: one line, or several.
pub(super) struct Definition {
    lines: Rc<[Vec<Ch>]>,
}

impl Definition {
    pub(super) fn single(line: Vec<Ch>) -> Definition {
        Definition { lines: Rc::from([line]) }
    }

    /// Name and lines, with a backslash before each character that has lost its meaning.
    fn shown(&self, name: &str) -> String {
        let line = |line: &Vec<Ch>| -> String {
            line.iter().flat_map(|c| c.literal.then_some('\\').into_iter().chain([c.c])).collect()
        };
        let lines: Vec<String> = self.lines.iter().map(line).collect();
        format!("{name}={}", lines.join("\n"))
    }
}

/// The length of the identifier that `chars` start with; 0 if they don't.
pub(super) fn identifier(chars: impl Iterator<Item = Ch>) -> usize {
    let mut length = 0;
    for c in chars {
        let fits = c.c == '_' || c.c.is_ascii_alphabetic() || (length > 0 && c.c.is_ascii_digit());
        if !fits {
            break;
        }
        length += 1;
    }
    length
}

/// A reference found in a line.
struct Reference {
    name: String,
    parameters: Vec<String>,
    /// Characters it takes, the `$` included.
    length: usize,
    braced: bool,
}

/// What stands at a `$`: looks ahead in `stack`, whose last character is the `$`.
fn reference(stack: &[Ch]) -> Option<Reference> {
    let ahead = |from: usize| stack.iter().rev().skip(from).copied();
    let braced = ahead(1).next().is_some_and(|c| c.c == '{' && !c.literal);
    let start = if braced { 2 } else { 1 };
    let length = identifier(ahead(start));
    if length == 0 {
        return None;
    }
    let name: String = ahead(start).take(length).map(|c| c.c).collect();
    let end = start + length;
    if !braced {
        let stops = match ahead(end).next() {
            None => true,
            Some(c) => matches!(c.c, ' ' | '\t' | ',' | ')'),
        };
        return stops.then_some(Reference { name, parameters: Vec::new(), length: end, braced });
    }
    // Parameters: words of letters, digits and `_`, no blank before the closing brace.
    let mut parameters = Vec::new();
    let mut at = end;
    loop {
        match ahead(at).next()?.c {
            '}' => {
                return Some(Reference { name, parameters, length: at + 1, braced });
            }
            ' ' | '\t' => {
                let blanks = ahead(at).take_while(|c| c.c == ' ' || c.c == '\t').count();
                at += blanks;
                let word: String =
                    ahead(at).take_while(|c| c.c == '_' || c.c.is_ascii_alphanumeric()).map(|c| c.c).collect();
                if word.is_empty() || parameters.len() > 4 {
                    return None;
                }
                at += word.len();
                parameters.push(word);
            }
            _ => return None,
        }
    }
}

/// A reference that is not replaced, its braces without meaning.
fn as_it_stands(taken: Vec<Ch>) -> impl Iterator<Item = Ch> {
    taken.into_iter().rev().map(|c| Ch { literal: true, ..c })
}

impl Lexer<'_> {
    /// Takes the line if it is a definition.
    pub(super) fn definition(&mut self, line: &[Ch]) -> bool {
        if line.first().is_none_or(|c| c.c != '$' || c.literal) {
            return false;
        }
        let length = identifier(line[1..].iter().copied());
        let rest = trim(&line[1 + length..]);
        if length == 0 || rest.first().is_none_or(|c| c.c != '=') {
            return false;
        }
        let name = text_of(&line[1..1 + length]);
        if line[1 + length].c != '=' {
            let message = "a definition has no blank before its `=`";
            let report = Report::error(Code::BadDefinition, place_of(&line[..=length]), message);
            self.findings.push(report.help(format!("write ${name}=...")));
        }
        let value = trim(&rest[1..]);
        if value.last().is_none_or(|c| c.c != '\\' || c.literal) {
            self.define(name, Definition::single(value.to_vec()));
            return true;
        }
        let mut lines = Vec::new();
        let mut add = |line: &[Ch]| {
            let open = line.last().is_some_and(|c| c.c == '\\' && !c.literal);
            let line = trim(if open { &line[..line.len() - 1] } else { line });
            if !line.is_empty() {
                lines.push(line.to_vec());
            }
            open
        };
        add(value);
        while let Some(next) = self.following() {
            let stripped = super::comment::strip(&next);
            if next.is_empty() {
                // A completely empty line ends the definition; one of blanks or a comment is passed over.
                break;
            }
            if !stripped.is_empty() && !add(&stripped) {
                break;
            }
        }
        if lines.is_empty() {
            lines.push(Vec::new());
        }
        self.define(name, Definition { lines: lines.into() });
        true
    }

    fn define(&mut self, name: String, definition: Definition) {
        self.aside(AsideKind::Definition, || definition.shown(&name));
        self.definitions.insert(name, definition);
    }

    /// The line behind a definition that goes on, from where that definition stands.
    fn following(&mut self) -> Option<Vec<Ch>> {
        match self.frames.last_mut()? {
            Frame::File { .. } => self.physical(),
            Frame::Replay { lines, next, via } => {
                let line = lines.get(*next)?;
                *next += 1;
                let via = *via;
                Some(line.iter().map(|c| Ch { at: Place { via, ..c.at }, ..*c }).collect())
            }
            Frame::Repeat(_) => None,
        }
    }

    /// The line with all references replaced; `None` once reading has stopped.
    pub(super) fn substitute(&mut self, line: Vec<Ch>) -> Option<Vec<Ch>> {
        if !line.iter().any(|c| c.c == '$' && !c.literal) {
            return Some(line);
        }
        let mut stack: Vec<Ch> = line.into_iter().rev().collect();
        let mut out: Vec<Ch> = Vec::with_capacity(stack.len());
        let mut quotes = Quotes::default();
        // Replays go on the pile innermost last.
        let mut replays = Vec::new();
        while let Some(&c) = stack.last() {
            if self.stopped {
                return None;
            }
            let found = if c.c == '$' && !c.literal { reference(&stack) } else { None };
            let Some(found) = found else {
                stack.pop();
                quotes.feed(c);
                out.push(c);
                continue;
            };
            if out.len() + stack.len() > MAX_EXPANDED {
                self.stop(c.at, "reading stopped here: this line expands to too much text");
                return None;
            }
            let taken = stack.split_off(stack.len() - found.length);
            let at = taken.last().map_or(c.at, |first| first.at.to(taken[0].at));
            match self.replacement(&found, at, &stack) {
                Replacement::Chars(chars, rest) => {
                    self.charge(chars.len(), at);
                    stack.extend(chars.into_iter().rev());
                    replays.extend(rest);
                }
                Replacement::Unknown => {
                    // In quotes it is the business of the command that stands there.
                    if !quotes.inside() {
                        self.unknown(&found, at);
                    }
                    out.extend(as_it_stands(taken));
                }
                Replacement::Wrong => {
                    self.findings.doubt(at);
                    out.extend(as_it_stands(taken));
                }
            }
        }
        for frame in replays {
            self.push_frame(frame, place_of(&out));
        }
        Some(out)
    }

    fn unknown(&mut self, found: &Reference, at: Place) {
        let names = self.definitions.keys().map(String::as_str);
        let level = if found.braced { Level::Error } else { Level::Lint };
        let near = if self.findings.full(level) { None } else { crate::tree::nearest(&found.name, names) };
        let report = if found.braced {
            Report::error(Code::Undefined, at, format!("`${{{}}}` is not defined", found.name))
        } else {
            let message = format!("`${}` is not defined and stays as it is", found.name);
            Report::lint(Code::Undefined, at, message)
        };
        self.findings.push(match near {
            Some(near) => report.help(format!("there is a definition named `{near}`")),
            None => report.help(format!("define it first: ${}=...", found.name)),
        });
        if found.braced {
            self.findings.doubt(at);
        }
    }

    /// `behind` is what follows on the line.
    fn replacement(&mut self, found: &Reference, at: Place, behind: &[Ch]) -> Replacement {
        let Some(definition) = self.definitions.get(&found.name) else {
            return self.predefined(found, at);
        };
        if !found.parameters.is_empty() {
            let message = format!("`{}` takes no parameters", found.name);
            self.findings.push(Report::error(Code::BadPredefined, at, message));
            return Replacement::Wrong;
        }
        let lines = Rc::clone(&definition.lines);
        let (again, depth) = self.findings.map.chain(at.via, &found.name);
        if again || depth >= MAX_DEPTH {
            let message = format!("the definition of `{}` refers to itself", found.name);
            self.findings.push(Report::error(Code::CyclicDefinition, at, message));
            return Replacement::Wrong;
        }
        if lines.len() > 1 && !trim(behind).is_empty() {
            let message = format!("`{}` stands for {} lines and must be the end of the line", found.name, lines.len());
            self.findings.push(Report::error(Code::MisplacedReference, at, message));
            return Replacement::Wrong;
        }
        let via = self.expand(at, &found.name);
        let first = lines.first().map(Vec::as_slice).unwrap_or_default();
        let chars = first.iter().map(|c| Ch { at: Place { via, ..c.at }, ..*c }).collect();
        let rest = (lines.len() > 1).then_some(Frame::Replay { lines, next: 1, via });
        Replacement::Chars(chars, rest)
    }

    /// The names that are always there.
    fn predefined(&mut self, found: &Reference, at: Place) -> Replacement {
        let takes = match found.name.as_str() {
            "_PWD" | "_INSTANCE" | "_HASH" | "_BANG" => 0..=0,
            "_RANDOM" => 0..=2,
            "_ENV" => 1..=1,
            _ => return Replacement::Unknown,
        };
        let mut wrong = |message: String| {
            self.findings.push(Report::error(Code::BadPredefined, at, message));
            Replacement::Wrong
        };
        if !takes.contains(&found.parameters.len()) {
            return wrong(match found.name.as_str() {
                "_ENV" => "`_ENV` needs the name of one variable: ${_ENV NAME}".to_owned(),
                "_RANDOM" => "`_RANDOM` takes at most two numbers: ${_RANDOM MIN MAX}".to_owned(),
                name => format!("`{name}` takes no parameters"),
            });
        }
        let text = match found.name.as_str() {
            "_PWD" => self.directory().to_string_lossy().into_owned(),
            "_INSTANCE" => self.config_id.clone(),
            "_HASH" => "#".to_owned(),
            "_BANG" => "!".to_owned(),
            "_ENV" => std::env::var(&found.parameters[0]).unwrap_or_default(),
            _ => {
                let number = |i: usize, default: u64| found.parameters.get(i).map_or(Some(default), |p| p.parse().ok());
                let (Some(min), Some(max)) = (number(0, 0), number(1, 32767)) else {
                    return wrong("`_RANDOM` needs decimal numbers".to_owned());
                };
                if min > max {
                    return wrong(format!("`_RANDOM` from {min} to {max} is empty"));
                }
                // xorshift64*: good enough to spread start times, and no more is asked of it
                self.random ^= self.random >> 12;
                self.random ^= self.random << 25;
                self.random ^= self.random >> 27;
                let value = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1;
                match (max - min).checked_add(1) {
                    Some(span) => (min + value % span).to_string(),
                    None => value.to_string(),
                }
            }
        };
        let literal = matches!(found.name.as_str(), "_HASH" | "_BANG");
        Replacement::Chars(text.chars().map(|c| Ch { c, literal, at }).collect(), None)
    }
}

enum Replacement {
    /// What comes instead, and the lines that follow it.
    Chars(Vec<Ch>, Option<Frame>),
    Unknown,
    /// Reported; nothing comes instead.
    Wrong,
}
