//! `~SEQ`, `~SEQx` and `~LST`: one line, many times.

use super::define::identifier;
use super::{Frame, Item, Lexer};
use crate::diag::{Code, Report};
use crate::source::{Ch, Place, place_of, text_of, trim};
use std::collections::VecDeque;

/// A line being repeated.
pub(super) struct Repeat {
    rest: Vec<Ch>,
    at: Place,
    via: u32,
    values: Values,
    /// Assignments of the current round that are not handed out yet.
    due: VecDeque<(String, String)>,
}

enum Values {
    Numbers { name: String, next: Option<i128>, step: i128, end: i128, radix: Radix },
    Tuples { names: Vec<String>, tuples: VecDeque<Vec<String>> },
}

#[derive(Clone, Copy)]
enum Radix {
    Decimal,
    Hex,
}

impl Repeat {
    /// The next assignment; with the line once all of a round's are made, with an empty one before.
    pub(super) fn step(&mut self) -> Option<(String, Vec<Ch>, Vec<Ch>)> {
        if self.due.is_empty() {
            match &mut self.values {
                Values::Numbers { name, next, step, end, radix } => {
                    let value = (*next)?;
                    let following = value + *step;
                    let goes_on = if *step > 0 { following <= *end } else { following >= *end };
                    *next = goes_on.then_some(following);
                    let text = match radix {
                        Radix::Decimal => value.to_string(),
                        Radix::Hex => format!("{value:x}"),
                    };
                    self.due.push_back((name.clone(), text));
                }
                Values::Tuples { names, tuples } => {
                    let tuple = tuples.pop_front()?;
                    self.due.extend(names.iter().cloned().zip(tuple));
                }
            }
        }
        let (name, value) = self.due.pop_front()?;
        let value = value.chars().map(|c| Ch { c, literal: false, at: self.at }).collect();
        let via = self.via;
        let line = if self.due.is_empty() {
            self.rest.iter().map(|c| Ch { at: Place { via, ..c.at }, ..*c }).collect()
        } else {
            Vec::new()
        };
        Some((name, value, line))
    }
}

impl Lexer<'_> {
    /// Takes the line if it is a sequence or a list.
    pub(super) fn sequence(&mut self, line: &[Ch]) -> bool {
        if line.first().is_none_or(|c| c.c != '~' || c.literal) {
            return false;
        }
        let word: String = line[1..].iter().map(|c| c.c).take_while(|c| c.is_ascii_alphabetic()).collect();
        let open = 1 + word.len();
        if !matches!(word.as_str(), "SEQ" | "SEQx" | "LST") || line.get(open).is_none_or(|c| c.c != '(') {
            return false; // an unknown keyword, told later
        }
        let Some(close) = closing(line, open) else {
            self.bad_sequence(place_of(line), "this has no closing `)`");
            self.lose(line);
            return true;
        };
        let head = place_of(&line[..=close]);
        let inside = line[open + 1..close].to_vec();
        let rest = trim(&line[close + 1..]).to_vec();
        let values = match word.as_str() {
            "LST" => self.tuples(&inside, head),
            "SEQ" => self.numbers(inside, head, Radix::Decimal),
            _ => self.numbers(inside, head, Radix::Hex),
        };
        if values.is_none() {
            self.lose(&rest);
        }
        if let Some(values) = values {
            if rest.is_empty() {
                let report = Report::warning(Code::BadSequence, head, "there is nothing to repeat on this line");
                self.findings.push(report.help("the text to repeat must follow on the same line"));
                return true;
            }
            let via = self.expand(head, "");
            self.push_frame(Frame::Repeat(Repeat { rest, at: head, via, values, due: VecDeque::new() }), head);
        }
        true
    }

    /// Leaves a line out, together with the block that it opens.
    fn lose(&mut self, line: &[Ch]) {
        let at = place_of(line);
        self.item(Item::Lost, at);
        let count = |brace| line.iter().filter(|c| c.c == brace).count();
        if count('{') > count('}') {
            self.item(Item::Open(at), at);
        }
    }

    fn bad_sequence(&mut self, at: Place, message: &str) {
        let report = Report::error(Code::BadSequence, at, message);
        self.findings.push(report.help("~SEQ(VAR, [START, [STEP,]] END) text; ~LST(VAR, VALUE, ...) text"));
    }

    fn numbers(&mut self, inside: Vec<Ch>, at: Place, radix: Radix) -> Option<Values> {
        let inside = self.substitute(inside)?;
        let parts: Vec<&[Ch]> = inside.split(|c| c.c == ',').map(trim).collect();
        let name = variable(parts[0]);
        let numbers: Option<Vec<i128>> = parts[1..].iter().map(|p| number(&text_of(p))).collect();
        let (Some(name), Some(numbers)) = (name, numbers) else {
            self.bad_sequence(at, "this needs a variable name, then numbers");
            return None;
        };
        let (start, step, end) = match numbers[..] {
            // Downwards for an end below 1: END 0 yields 1, 0. A negative END starts at -1.
            [end] if end < 0 => (-1, -1, end),
            [end] => (1, if end < 1 { -1 } else { 1 }, end),
            [start, end] => (start, if end < start { -1 } else { 1 }, end),
            [start, step, end] => (start, step, end),
            _ => {
                self.bad_sequence(at, "this needs one to three numbers");
                return None;
            }
        };
        if step == 0 || (step > 0 && end < start) || (step < 0 && end > start) {
            self.bad_sequence(at, &format!("steps of {step} never lead from {start} to {end}"));
            return None;
        }
        if matches!(radix, Radix::Hex) && (start < 0 || end < 0) {
            self.bad_sequence(at, "~SEQx has no negative numbers");
            return None;
        }
        Some(Values::Numbers { name, next: Some(start), step, end, radix })
    }

    fn tuples(&mut self, inside: &[Ch], at: Place) -> Option<Values> {
        let mut parts = top_level(inside);
        let first = parts.pop_front().unwrap_or_default();
        let names: Option<Vec<String>> = group(first).into_iter().map(variable).collect();
        let Some(names) = names.filter(|_| !parts.is_empty()) else {
            self.bad_sequence(at, "this needs a variable name or {names}, then values");
            return None;
        };
        let mut tuples = VecDeque::new();
        for part in parts {
            let mut values: Vec<String> = group(part).into_iter().map(text_of).collect();
            if values.len() > names.len() {
                let message = format!("{} values for {} names", values.len(), names.len());
                self.bad_sequence(place_of(part), &message);
                return None;
            }
            values.resize(names.len(), String::new());
            tuples.push_back(values);
        }
        Some(Values::Tuples { names, tuples })
    }
}

/// The `)` that closes the `(` at `open`, references and tuples inside skipped.
fn closing(line: &[Ch], open: usize) -> Option<usize> {
    let mut braces = 0usize;
    for (i, c) in line.iter().enumerate().skip(open + 1) {
        match c.c {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            ')' if braces == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

/// Parts between commas that are not inside braces.
fn top_level(chars: &[Ch]) -> VecDeque<&[Ch]> {
    let mut parts = VecDeque::new();
    let (mut depth, mut start) = (0usize, 0);
    for (i, c) in chars.iter().enumerate() {
        match c.c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push_back(trim(&chars[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push_back(trim(&chars[start..]));
    parts
}

/// `{a,b}` as its members, anything else as itself.
fn group(part: &[Ch]) -> Vec<&[Ch]> {
    match part {
        [open, inner @ .., close] if open.c == '{' && close.c == '}' => inner.split(|c| c.c == ',').map(trim).collect(),
        _ => vec![part],
    }
}

fn variable(part: &[Ch]) -> Option<String> {
    (!part.is_empty() && identifier(part.iter().copied()) == part.len()).then(|| text_of(part))
}

/// A C `long`: decimal, 0octal or 0xhex.
fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse::<u32>().map(i64::from).or_else(|_| digits.parse::<i64>()).ok().filter(|v| *v >= 0)?
    };
    Some(i128::from(if negative { -value } else { value }))
}
