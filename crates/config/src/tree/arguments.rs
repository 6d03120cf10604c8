//! What follows a keyword, judged by its row.

use super::{Command, Parser, Value};
use crate::diag::{Code, Report};
use crate::form;
use crate::keyword::{self, Args, Block, Keyword};
use crate::lex::words::{CommandError, Line, Word, arguments};
use crate::setting::{self, Secret};
use crate::value;

impl Parser<'_> {
    /// The checked argument; tells what is wrong with it.
    pub(super) fn argument(
        &mut self,
        block: &'static Block,
        keyword: &'static Keyword,
        written: &Keyword,
        line: &Line,
    ) -> Value {
        let name = written.quoted;
        if keyword.args.is_command() {
            return self.command(keyword, line);
        }
        if let Args::Regex = keyword.args {
            return self.pattern(line);
        }
        let words = &line.words[1..];
        let mut options = None;
        if let Args::Options(_) = keyword.args {
            match options_of(block, keyword, name, words) {
                Ok(found) => options = Some(Value::Typed(setting::Value::Options(found))),
                Err(report) => {
                    self.findings.push(report);
                    return Value::Invalid;
                }
            }
        }
        let (least, most) = counts(keyword.args);
        if words.len() < least {
            let what = if keyword.usage.is_empty() { "a value" } else { keyword.usage };
            let report = Report::error(Code::MissingValue, line.at(), format!("{name} needs {what}"));
            let range = keyword.range.contains(|c: char| c.is_ascii_digit());
            let help = if range { keyword.range.to_owned() } else { format!("write: {} {what}", keyword.name) };
            self.findings.push(report.help(help));
            return Value::Invalid;
        }
        if let Some(sign) = words.first().filter(|w| w.text == "=" && most < words.len()) {
            let report = Report::error(Code::BadWord, sign.at, format!("{name}: there is no `=` in front of a value"));
            self.findings.push(report.help("a blank is enough"));
            return Value::Invalid;
        }
        if let Some(extra) = words.get(most) {
            let place = extra.at.to(words[words.len() - 1].at);
            let message = match (most, keyword.args) {
                (0, _) => format!("{name} takes no value"),
                (1, Args::NamedBlock(_) | Args::NamedLines(_)) => format!("{name} takes one name"),
                (1, _) => format!("{name} takes one value"),
                _ => format!("{name} takes no more than {most} values"),
            };
            let report = Report::warning(Code::ExtraWord, place, message).label("ignored");
            self.findings.push(match block.find(&extra.text) {
                Some(_) => report.help(format!("`{}` is a keyword: it needs a line of its own", extra.text)),
                None => report,
            });
        }
        let result = match (words.first(), options) {
            (_, Some(options)) => options.fine(),
            (None, None) => Value::None.fine(),
            (Some(first), None) => one(keyword.args, name, first, &words[..words.len().min(most)]),
        };
        match result {
            Ok((value, report)) => {
                if let Some(report) = report {
                    self.findings.push(report);
                }
                value
            }
            Err(report) => {
                self.findings.push(report);
                Value::Invalid
            }
        }
    }

    fn command(&mut self, keyword: &'static Keyword, line: &Line) -> Value {
        let name = keyword.name;
        let words = match line.shell_words() {
            Ok(words) => words,
            Err(e) => return self.bad_command(e),
        };
        let Some(first) = words.get(1).filter(|w| !w.text.trim().is_empty()) else {
            if matches!(keyword.args, Args::OptScript) && words.len() < 2 {
                return Value::None;
            }
            let report = Report::error(Code::MissingValue, line.at(), format!("`{name}` needs a command"));
            self.findings.push(report.help("quote it if it has arguments: \"/path/to/script arg\""));
            return Value::Invalid;
        };
        let argv = match arguments(first) {
            Ok(argv) => argv,
            Err(e) => return self.bad_command(e),
        };
        if argv.is_empty() || argv[0].is_empty() {
            self.findings.push(Report::error(Code::MissingValue, first.at, format!("`{name}` needs a command")));
            return Value::Invalid;
        }
        let most = if matches!(keyword.args, Args::Program) { 2 } else { 4 };
        if let Some(extra) = words.get(most) {
            let message = format!("words behind the command of `{name}` are not part of it");
            let report = Report::warning(Code::ExtraWord, extra.at.to(words[words.len() - 1].at), message);
            self.findings.push(report.label("ignored").help("quote the command together with its arguments"));
        }
        let user = words[2..].iter().take(most - 2).cloned().collect();
        Value::Command(Command { text: first.text.clone(), argv, at: first.at, user })
    }

    /// A pattern: a second, shell-like splitting takes its quotes and backslashes before it is read as one.
    fn pattern(&mut self, line: &Line) -> Value {
        let words = match line.resolved_words() {
            Ok(words) => words,
            Err(e) => return self.bad_command(e),
        };
        let Some(word) = words.get(1).filter(|word| !word.text.is_empty()) else {
            self.findings.push(Report::error(Code::MissingValue, line.at(), "`regex` needs a pattern"));
            return Value::Invalid;
        };
        if let Some(extra) = words.get(2) {
            let place = word.at.to(words.last().map_or(extra.at, |last| last.at));
            let report = Report::error(Code::BadPattern, place, "`regex` takes one pattern, and this is more than one");
            self.findings.push(report.help("quote a pattern that has blanks"));
            return Value::Invalid;
        }
        // What means something behind the backslash of a pattern, and lost it.
        let lost = |c: &char| c.is_ascii_digit() || "dDwWsSbBAzZhHRQEpPkKgG.()[]{}*+?|^$".contains(*c);
        if let Some(c) = line.escaped().into_iter().find(lost) {
            let message = format!("the backslash of `\\{c}` is gone before the pattern is read: it is `{}`", word.text);
            let report = Report::warning(Code::WeakCheck, word.at, message);
            self.findings.push(report.help(format!("write it twice for the pattern to have it: \\\\{c}")));
        }
        Value::Text(word.text.clone())
    }

    fn bad_command(&mut self, error: CommandError) -> Value {
        self.findings.push(match error {
            CommandError::Unclosed(at) => Report::error(Code::UnmatchedQuote, at, "a quote is not closed")
                .help("' and \" group words here; a backslash makes a character of either"),
            CommandError::TrailingBackslash(at) => {
                Report::error(Code::BadEscape, at, "a backslash at the end protects nothing")
            }
            CommandError::Byte(at) => {
                Report::error(Code::BadEscape, at, "there is an escape that is no ASCII character")
                    .help("an argument can't hold NUL or a single byte above 127; write the character itself")
            }
        });
        Value::Invalid
    }
}

/// The words of a keyword that has options, by its option rows.
fn options_of(
    block: &'static Block,
    keyword: &'static Keyword,
    name: &str,
    words: &[Word],
) -> Result<Vec<(&'static str, setting::Value)>, Report> {
    let Some(rows) = keyword::options_of(block.path, keyword.name) else { return Ok(Vec::new()) };
    let mut bare: Vec<&'static Keyword> = rows.rows().filter(|k| k.name.starts_with('(')).collect();
    let mut found = Vec::new();
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let fold = |k: &Keyword| k.range == "case-insensitive" && k.name.eq_ignore_ascii_case(&word.text);
        if let Some(known) = rows.rows().find(|k| k.name == word.text || fold(k)) {
            let (used, value) = option(known, &words[i..])?;
            found.push((known.name, value));
            i += 1 + used;
            continue;
        }
        // A bare word: the first row that takes it has been used up then.
        let fits = |k: &&Keyword| one(k.args, name, word, &words[i..]).is_ok();
        match bare.iter().position(fits) {
            Some(at) => {
                let row = bare.remove(at);
                found.push((row.name, typed(row.args, &one(row.args, name, word, &words[i..])?.0)));
            }
            None => {
                let names: Vec<&str> = rows.rows().filter(|k| !k.name.starts_with('(')).map(|k| k.name).collect();
                return Err(match bare.as_slice() {
                    [last] => one(last.args, name, word, &words[i..]).err(),
                    _ => None,
                }
                .unwrap_or_else(|| value::one_of(word, name, &names, &word.text)));
            }
        }
        i += 1;
    }
    Ok(found)
}

/// The value of a row as people and programs that know no rows see it.
pub(super) fn typed(args: Args, value: &Value) -> setting::Value {
    use setting::Value as V;
    match value {
        Value::None if matches!(args, Args::Switch) => V::Switch(true),
        Value::None | Value::Invalid => V::Flag(true),
        Value::Switch(on) => V::Switch(*on),
        Value::Int(number) => V::Number((*number).into()),
        Value::Micros(micros) if matches!(args, Args::Millis(..)) => V::Millis(*micros),
        Value::Micros(micros) => V::Seconds(*micros),
        Value::Text(text) => match args {
            Args::Form(form) | Args::OptForm(form) => form::typed(text, form),
            Args::Prefix => form::network(text),
            Args::Regex => V::Pattern(text.clone()),
            Args::Secret => V::Secret(Secret(text.clone())),
            _ => V::Text(text.clone()),
        },
        Value::Ip(address) => V::Address(*address),
        Value::Weight { weight, reverse } => V::Weight { weight: (*weight).into(), reverse: *reverse },
        Value::Command(command) => {
            V::Command { text: command.text.clone(), user: command.user.iter().map(|word| word.text.clone()).collect() }
        }
        Value::Typed(value) => value.clone(),
    }
}

/// Words as they are.
fn list(words: &[Word]) -> Value {
    let words = words.iter().map(|w| setting::Value::Text(w.text.clone()));
    Value::Typed(setting::Value::List(words.collect()))
}

/// How many words belong to the keyword, at least and at most.
pub(super) fn counts(args: Args) -> (usize, usize) {
    match args {
        Args::Flag | Args::Block(_) | Args::Lines(_) => (0, 0),
        Args::Switch | Args::OptInt(..) | Args::OptWord | Args::OptOneOf(_) => (0, 1),
        Args::Int(..)
        | Args::Seconds(..)
        | Args::Millis(..)
        | Args::Word
        | Args::Secret
        | Args::Device
        | Args::OneOf(_)
        | Args::OneOfIgnoreCase(_)
        | Args::Ip(_)
        | Args::Prefix
        | Args::Form(_)
        | Args::NamedBlock(_)
        | Args::NamedLines(_) => (1, 1),
        Args::OptForm(_) => (0, 1),
        Args::Options(least) => (least, usize::MAX),
        Args::Ints(most, ..) => (1, most),
        Args::Names(most, _) => (0, most),
        Args::Mask(_) | Args::Hex => (1, 512),
        Args::HexPattern => (0, 512),
        Args::Key => (2, 2),
        Args::Weight(..) => (1, 2),
        Args::User => (1, 2),
        Args::HeadedBlock(_) => (1, 2),
        Args::Words(least, most) => (least, most),
        Args::EachOf(set) => (1, set.len()),
        Args::Script | Args::OptScript | Args::Program | Args::Regex | Args::Custom => (0, usize::MAX),
    }
}

type Judged = Result<(Value, Option<Report>), Report>;

trait Fine {
    fn fine(self) -> Judged;
}

impl Fine for Value {
    fn fine(self) -> Judged {
        Ok((self, None))
    }
}

/// The value of a keyword with at least one word.
fn one(args: Args, name: &str, word: &Word, words: &[Word]) -> Judged {
    let timer = |decimals: usize, unit: u64, min: u64, max: u64| {
        let (value, rounded) = value::decimal(word, name, decimals, min, max)?;
        let note = rounded.then(|| {
            let message = format!("{name}: more than {decimals} decimals are rounded");
            Report::warning(Code::Rounded, word.at, message)
        });
        Ok((Value::Micros(value * unit), note))
    };
    let member = |set: &[&str], fold: bool| match set
        .iter()
        .find(|s| **s == word.text || (fold && s.eq_ignore_ascii_case(&word.text)))
    {
        Some(found) => Value::Text((*found).to_owned()).fine(),
        None => Err(value::one_of(word, name, set, &word.text)),
    };
    match args {
        Args::Switch => Value::Switch(value::switch(word, name)?).fine(),
        Args::Int(min, max) | Args::OptInt(min, max) => Value::Int(value::int(word, name, min, max)?).fine(),
        Args::Seconds(min, max) => timer(6, 1, min, max),
        Args::Millis(min, max) => timer(3, 1, min * 1000, max * 1000),
        Args::Weight(min, max) => {
            let value = value::int(word, name, min, max)?;
            let reverse = match words.get(1) {
                None => false,
                Some(w) if w.text == "reverse" => true,
                Some(w) if w.text == "noreverse" => false,
                Some(w) => return Err(value::one_of(w, name, &["reverse"], &w.text)),
            };
            let beyond = if value < 0 { i32::MIN } else { i32::MAX };
            Value::Weight { weight: i32::try_from(value).unwrap_or(beyond), reverse }.fine()
        }
        Args::Device => Value::Text(value::device(word, name)?).fine(),
        Args::OneOf(set) | Args::OptOneOf(set) => member(set, false),
        Args::OneOfIgnoreCase(set) => member(set, true),
        Args::EachOf(set) => match words.iter().find(|w| !set.contains(&w.text.as_str())) {
            Some(bad) => Err(value::one_of(bad, name, set, &bad.text)),
            None => list(words).fine(),
        },
        Args::Ip(family) => Value::Ip(value::ip(word, name, family)?).fine(),
        Args::Prefix => {
            if !matches!(word.text.as_str(), "default" | "any" | "all" | "default6") {
                value::prefix(word, name)?;
            }
            Value::Text(word.text.clone()).fine()
        }
        Args::Form(form) | Args::OptForm(form) => {
            form::judge(word, name, form)?;
            Value::Text(word.text.clone()).fine()
        }
        Args::Ints(most, low, high) => {
            let number = |word| Ok(setting::Value::Number(value::int(word, name, low, high)?.into()));
            let numbers = words.iter().take(most).map(number).collect::<Result<_, Report>>()?;
            Value::Typed(setting::Value::List(numbers)).fine()
        }
        Args::Names(most, bytes) => {
            let words = &words[..words.len().min(most)];
            form::names(words, name, bytes)?;
            list(words).fine()
        }
        Args::Mask(bits) => {
            form::mask(words, name, bits)?;
            Value::Typed(setting::Value::Mode(form::mode(words))).fine()
        }
        Args::Hex | Args::HexPattern => {
            form::bytes(words, name, if matches!(args, Args::Hex) { b"" } else { b"xX" })?;
            let digits = words.iter().map(|w| w.text.to_lowercase()).collect();
            Value::Typed(setting::Value::Text(digits)).fine()
        }
        Args::Key => {
            form::key(words, name)?;
            let id = setting::Value::Number(value::int(word, name, 1, 255)?.into());
            let key = words.get(1).map(|w| w.text.clone()).unwrap_or_default();
            // A path or name is no secret.
            let path = crate::secret::is_place(key.as_bytes());
            let key = if path { setting::Value::Text(key) } else { setting::Value::Secret(Secret(key)) };
            Value::Typed(setting::Value::Options(vec![("(id)", id), ("(key)", key)])).fine()
        }
        Args::Word | Args::OptWord | Args::Secret | Args::NamedBlock(_) | Args::NamedLines(_) => {
            if word.text.is_empty() {
                return Err(Report::error(Code::MissingValue, word.at, format!("{name}: this is empty")));
            }
            Value::Text(word.text.clone()).fine()
        }
        Args::Words(..) | Args::User => list(words).fine(),
        Args::Flag
        | Args::Options(_)
        | Args::Custom
        | Args::Script
        | Args::OptScript
        | Args::Program
        | Args::Regex
        | Args::Block(_)
        | Args::HeadedBlock(_)
        | Args::Lines(_) => Value::None.fine(),
    }
}

/// One option word of a value line by its row: how many words behind it were used, and their value.
pub(super) fn option(keyword: &'static Keyword, words: &[Word]) -> Result<(usize, setting::Value), Report> {
    let (least, _) = counts(keyword.args);
    if least == 0 {
        return Ok((0, setting::Value::Flag(true)));
    }
    // `mtu lock 1400`, `via inet6 ...`, `as to ...`
    let between = words.get(1).map(|w| w.text.as_str()).filter(|w| matches!(*w, "lock" | "inet" | "inet6" | "to"));
    let between = between.filter(|_| keyword.usage.contains(" ["));
    let skip = usize::from(between.is_some());
    let Some(value) = words.get(1 + skip) else {
        let message = format!("`{}` needs a value", keyword.name);
        return Err(Report::error(Code::MissingValue, words[0].at, message).help(keyword.usage));
    };
    let value = typed(keyword.args, &one(keyword.args, keyword.quoted, value, &words[1 + skip..])?.0);
    let value = match (between, value) {
        (Some("lock"), value) => {
            setting::Value::Options(vec![("lock", setting::Value::Flag(true)), ("(value)", value)])
        }
        // `reverse` behind it is an option by itself.
        (_, setting::Value::Weight { weight, .. }) => setting::Value::Number(weight.into()),
        (_, value) => value,
    };
    Ok((1 + skip, value))
}
