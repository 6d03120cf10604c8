//! Settings as text in the configuration language. What is written can be read again, and means the same, but for
//! secrets.

use super::{Body, HIDDEN, Secret, Setting, Value};
use std::fmt::{self, Write};

/// What is shown in place of a key that must have 32 bytes.
const HIDDEN_KEY: &str = "<hidden: vipd does not show the keys of a configuration>";

/// A configuration file.
pub fn text(settings: &[Setting]) -> String {
    let mut out = String::new();
    for setting in settings {
        if !out.is_empty() && setting.body != Body::None {
            out.push('\n');
        }
        write(&mut out, setting, 0);
    }
    out
}

fn write(out: &mut String, setting: &Setting, depth: usize) {
    // A flag that is off is one that is not there.
    if setting.value == Value::Flag(false) {
        return;
    }
    let margin = "    ".repeat(depth);
    let mut line = format!("{} {}", setting.keyword, setting.value);
    let comment = match setting.idle {
        Some(idle) => format!("  # `{}` is not acted on yet: {}", idle.word, idle.why),
        None => String::new(),
    };
    let (open, inner) = match &setting.body {
        Body::None => ("", None),
        Body::Block(inner) | Body::Lines(inner) => ("{", Some(inner)),
    };
    line = line.trim().to_owned();
    let gap = if open.is_empty() { "" } else { " " };
    push(out, format_args!("{margin}{line}{gap}{open}{comment}\n"));
    if let Some(inner) = inner {
        for setting in inner {
            write(out, setting, depth + 1);
        }
        push(out, format_args!("{margin}}}\n"));
    }
}

fn push(out: &mut String, more: fmt::Arguments<'_>) {
    let _ = out.write_fmt(more); // a string takes everything
}

impl fmt::Display for Value {
    /// As a file has it, behind the keyword.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(_) => Ok(()),
            Value::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            Value::Number(number) => number.fmt(f),
            Value::Seconds(micros) => f.write_str(&decimal(*micros, 6)),
            Value::Millis(micros) => f.write_str(&decimal(*micros, 3)),
            Value::Mode(mode) => write!(f, "0{mode:o}"),
            Value::Text(text) => f.write_str(&word(text)),
            Value::Address(address) => address.fmt(f),
            Value::Network(address, length) => write!(f, "{address}/{length}"),
            Value::Weight { weight, reverse: false } => weight.fmt(f),
            Value::Weight { weight, reverse: true } => write!(f, "{weight} reverse"),
            Value::Command { text, user } => {
                f.write_str(&command(text))?;
                user.iter().try_for_each(|w| write!(f, " {}", word(w)))
            }
            Value::Pattern(text) => f.write_str(&pattern(text)),
            Value::Secret(secret) => f.write_str(&secret.mask()),
            Value::List(values) => joined(f, values.iter().map(ToString::to_string)),
            Value::Options(options) => joined(
                f,
                options.iter().filter(|(_, value)| *value != Value::Flag(false)).map(|(name, value)| {
                    match (name.starts_with('('), value) {
                        (true, value) => value.to_string(),
                        (false, Value::Flag(_)) => (*name).to_owned(),
                        (false, value) => format!("{name} {value}"),
                    }
                }),
            ),
        }
    }
}

impl Secret {
    /// What stands in its place; where the language asks for a certain length, that length.
    fn mask(&self) -> String {
        let key = self.0.starts_with("hex:") || self.0.len() >= 32;
        if key { word(HIDDEN_KEY) } else { HIDDEN.to_owned() }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, words: impl Iterator<Item = String>) -> fmt::Result {
    let words: Vec<String> = words.collect();
    f.write_str(&words.join(" "))
}

/// A number of microseconds with so many decimals of the unit, without zeros at its end.
fn decimal(micros: u64, decimals: u32) -> String {
    let scale = 10u64.pow(decimals);
    let text = format!("{}.{:0width$}", micros / scale, micros % scale, width = decimals as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A word, in quotes if it would be read as something else without.
fn word(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '#' | '!' | '{' | '}' | '"' | '\\');
    if text.is_empty() || text.contains(special) { format!("\"{text}\"") } else { text.to_owned() }
}

/// A pattern in double quotes, with the escapes that are resolved when it is read; nothing in it is taken for the end of a
/// quote or for a definition.
fn pattern(text: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let names = chars.peek().is_some_and(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '{'));
        match c {
            '\\' => out.push_str("\\\\"),
            '"' | '\'' | '\x01'..='\x1f' => push(&mut out, format_args!("\\x{:02x}", u32::from(c))),
            '$' if names => out.push_str("\\x24"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A command in double quotes. A quote in it gets a backslash; one that has a backslash already gets single quotes.
fn command(text: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('"')) => out.push_str("\"'\\\"'\""),
            ('\\', Some(next)) => out.extend(['\\', next]),
            ('"', _) => out.push_str("\\\""),
            (c, _) => out.push(c),
        }
    }
    out.push('"');
    out
}
