//! PCRE2's language in the engine's: every construct is either said in the engine's words, so that it means the same, or
//! refused by name. Nothing is passed on unread, for the two languages give different meanings to the same signs: `\<`,
//! `$`, `(?R)`, `[a&&b]`, and to `\w` where PCRE2 is not told `ucp`.

use crate::Wrong;
use std::iter::Peekable;
use std::str::Chars;
use vipd_lvs::settings::RegexOption::{self, *};

/// What may stand behind `(*` and `(?` and is refused, and what it is.
const RECURSION: &str = "recursion and subroutine calls";

/// What inline flags change, up to the end of their group.
#[derive(Clone, Copy)]
struct Flags {
    caseless: bool,
    multiline: bool,
    dotall: bool,
    extended: bool,
    ungreedy: bool,
    uncounted: bool,
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    options: &'a [RegexOption],
    flags: Flags,
    /// Those around each open group.
    outer: Vec<Flags>,
    /// Groups opened so far that are counted.
    groups: u32,
    out: String,
}

/// Members of a class: what is written between the brackets.
enum Member {
    /// A character.
    One(u32),
    /// More of them, in the engine's words.
    Many(String),
}

/// The pattern in the engine's language; `caseless` is left to the engine.
pub(crate) fn translate(pattern: &str, options: &[RegexOption]) -> Result<String, Wrong> {
    let is = |option| options.contains(&option);
    if is(Utf) && is(NeverUtf) {
        return Err(Wrong("the options utf and never_utf contradict each other".to_owned()));
    }
    if is(Ucp) && is(NeverUcp) {
        return Err(Wrong("the options ucp and never_ucp contradict each other".to_owned()));
    }
    let flags = Flags {
        caseless: is(Caseless),
        multiline: is(Multiline),
        dotall: is(Dotall),
        extended: is(Extended),
        ungreedy: is(Ungreedy),
        uncounted: is(NoAutoCapture),
    };
    let rest = pattern.chars().peekable();
    let translator = Translator { rest, options, flags, outer: Vec::new(), groups: 0, out: String::new() };
    translator.run()
}

fn unknown(what: &str, means: &str) -> Wrong {
    Wrong(format!("`{what}` is not known here: {means}"))
}

impl Translator<'_> {
    fn is(&self, option: RegexOption) -> bool {
        self.options.contains(&option)
    }

    fn run(mut self) -> Result<String, Wrong> {
        while let Some(c) = self.rest.next() {
            match c {
                c if self.flags.extended && matches!(c, ' ' | '\t'..='\r') => {}
                '#' if self.flags.extended => self.rest.by_ref().take_while(|c| *c != '\n').for_each(drop),
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open()?,
                ')' => {
                    self.flags = self.outer.pop().ok_or_else(|| Wrong("a `)` has nothing to close".to_owned()))?;
                    self.out.push(')');
                }
                '*' | '+' | '?' => self.repeat(&c.to_string()),
                '{' => self.braces()?,
                '|' => self.out.push('|'),
                '.' => self.out.push_str(if self.flags.dotall { "(?s:.)" } else { "[^\\n]" }),
                '^' => self.out.push_str(if self.flags.multiline { "(?m:^)" } else { "\\A" }),
                '$' if self.flags.multiline => self.out.push_str("(?m:$)"),
                '$' if self.is(DollarEndonly) => self.out.push_str("\\z"),
                '$' => self.out.push_str("(?=\\n?\\z)"),
                c => self.literal(c),
            }
        }
        if self.outer.is_empty() { Ok(self.out) } else { Err(Wrong("a `(` is not closed".to_owned())) }
    }

    /// Characters up to one that ends them.
    fn until(&mut self, end: char, what: &str) -> Result<String, Wrong> {
        let mut text = String::new();
        for c in self.rest.by_ref() {
            if c == end {
                return Ok(text);
            }
            text.push(c);
        }
        Err(Wrong(format!("{what} is not closed by `{end}`")))
    }

    /// Digits of a base that come next, at most so many, and their value.
    fn digits(&mut self, radix: u32, most: usize) -> (u32, usize) {
        let (mut value, mut count) = (0_u32, 0);
        while let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(radix)).filter(|_| count < most) {
            value = value.saturating_mul(radix).saturating_add(digit);
            count += 1;
            self.rest.next();
        }
        (value, count)
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii() || self.is(Utf) {
            self.code(u32::from(c));
        } else {
            // Without utf a character is a byte.
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|b| self.code(b.into()));
        }
    }

    fn code(&mut self, code: u32) {
        let text = self.spelt(code);
        self.out.push_str(&text);
    }

    /// A character so that it means itself, in a class too.
    fn spelt(&self, code: u32) -> String {
        match char::from_u32(code) {
            Some(c) if c.is_ascii_alphanumeric() => c.to_string(),
            _ if self.is(Utf) => format!("\\x{{{code:X}}}"),
            _ => format!("\\x{code:02X}"),
        }
    }

    /// A number as a character.
    fn character(&self, code: u32) -> Result<u32, Wrong> {
        let most = if self.is(Utf) { u32::from(char::MAX) } else { 0xff };
        if code > most || (self.is(Utf) && char::from_u32(code).is_none()) {
            return Err(Wrong(format!("there is no character with the number {code:#x} (without utf, up to 0xff)")));
        }
        Ok(code)
    }

    /// A repetition, and what makes it lazy or possessive.
    fn repeat(&mut self, how: &str) {
        self.out.push_str(how);
        let lazy = self.rest.next_if_eq(&'?').is_some();
        if !lazy && self.rest.next_if_eq(&'+').is_some() {
            self.out.push('+');
        } else if lazy != self.flags.ungreedy {
            self.out.push('?');
        }
    }

    /// `{2}`, `{2,}`, `{2,3}`; any other brace is a character.
    fn braces(&mut self) -> Result<(), Wrong> {
        let text: String = self.rest.clone().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
        let closed = self.rest.clone().nth(text.len()) == Some('}');
        let (low, high) = text.split_once(',').unwrap_or((&text, &text));
        if !closed || low.is_empty() || high.contains(',') {
            self.literal('{');
            return Ok(());
        }
        let most = |digits: &str| digits.is_empty() || digits.parse::<u32>().is_ok_and(|n| n <= 65_535);
        if !most(low) || !most(high) {
            return Err(Wrong(format!("`{{{text}}}`: nothing is repeated more than 65535 times")));
        }
        self.rest.nth(text.len());
        self.repeat(&format!("{{{text}}}"));
        Ok(())
    }

    /// What a backslash begins, outside a class.
    fn escape(&mut self) -> Result<(), Wrong> {
        let Some(c) = self.rest.next() else { return Err(Wrong("a backslash at the end protects nothing".to_owned())) };
        match c {
            'A' => self.out.push_str("\\A"),
            'z' => self.out.push_str("\\z"),
            'Z' => self.out.push_str("(?=\\n?\\z)"),
            'b' | 'B' => self.boundary(c),
            // Where the match counts from matters to nobody here.
            'K' | 'E' => {}
            'N' => self.out.push_str("[^\\n]"),
            'R' => {
                let more = if self.is(Utf) { "\\x{85}\\x{2028}\\x{2029}" } else { "\\x85" };
                self.out.push_str(&format!("(?>\\r\\n|[\\n-\\r{more}])"));
            }
            'C' if self.is(NeverBackslashC) => return Err(Wrong("`\\C`: never_backslash_c forbids it".to_owned())),
            'C' if !self.is(Utf) => self.out.push_str("(?s:.)"),
            'C' => return Err(unknown("\\C", "single bytes are not matched where utf is given")),
            'Q' => {
                while let Some(c) = self.rest.next() {
                    if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    self.literal(c);
                }
            }
            'k' => {
                let name = match self.rest.next() {
                    Some('<') => self.until('>', "a name")?,
                    Some('\'') => self.until('\'', "a name")?,
                    Some('{') => self.until('}', "a name")?,
                    _ => return Err(Wrong("`\\k` is followed by no <NAME>".to_owned())),
                };
                self.refer_to_name(&name)?;
            }
            'g' => self.refer()?,
            '1'..='9' => {
                let digits: String = self.rest.clone().take_while(char::is_ascii_digit).collect();
                if !digits.is_empty() {
                    let help = "write \\g{10} for a group, \\o{10} for a character";
                    return Err(unknown(&format!("\\{c}{digits}"), help));
                }
                self.refer_to(u32::from(c) - u32::from('0'))?;
            }
            'G' => return Err(unknown("\\G", "each search is a new one")),
            'X' => return Err(unknown("\\X", "grapheme clusters are not matched")),
            c => match self.member(c)? {
                Member::One(code) => self.code(code),
                Member::Many(set) => self.out.push_str(&format!("[{set}]")),
            },
        }
        Ok(())
    }

    /// `\b` and `\B`; with utf, the engine's own know all letters, which takes `ucp`.
    fn boundary(&mut self, which: char) {
        if !self.is(Utf) || self.is(Ucp) {
            self.out.extend(['\\', which]);
            return;
        }
        let word = "[0-9A-Za-z_]";
        let (first, second) = if which == 'b' { ('!', '=') } else { ('=', '!') };
        self.out.push_str(&format!("(?:(?<={word})(?{first}{word})|(?<!{word})(?{second}{word}))"));
    }

    /// What a backslash and this character stand for, in a class and outside.
    fn member(&mut self, c: char) -> Result<Member, Wrong> {
        let utf = self.is(Utf);
        let many = |set: &str| Ok(Member::Many(set.to_owned()));
        let ascii = utf && !self.is(Ucp);
        Ok(Member::One(match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' if !ascii => return many(&format!("\\{c}")),
            'd' => return many("0-9"),
            'D' => return many("[^0-9]"),
            'w' => return many("0-9A-Za-z_"),
            'W' => return many("[^0-9A-Za-z_]"),
            's' => return many("\\t-\\r\\x{20}"),
            'S' => return many("[^\\t-\\r\\x{20}]"),
            'h' | 'H' => {
                let wide = "\\x{A0}\\x{1680}\\x{180E}\\x{2000}-\\x{200A}\\x{202F}\\x{205F}\\x{3000}";
                let set = format!("\\t\\x20{}", if utf { wide } else { "\\xA0" });
                return Ok(Member::Many(if c == 'h' { set } else { format!("[^{set}]") }));
            }
            'v' | 'V' => {
                let set = format!("\\n-\\r{}", if utf { "\\x{85}\\x{2028}\\x{2029}" } else { "\\x85" });
                return Ok(Member::Many(if c == 'v' { set } else { format!("[^{set}]") }));
            }
            'p' | 'P' if utf => {
                let name = match self.rest.next() {
                    Some('{') => self.until('}', "the name of a property")?,
                    Some(letter) => letter.to_string(),
                    None => String::new(),
                };
                return Ok(Member::Many(format!("\\{c}{{{name}}}")));
            }
            'p' | 'P' => return Err(unknown(&format!("\\{c}"), "properties of characters need the option utf")),
            'a' => 7,
            'e' => 0x1b,
            'f' => 0xc,
            'n' => 0xa,
            'r' => 0xd,
            't' => 9,
            'c' => match self.rest.next() {
                Some(c @ ' '..='~') => u32::from(c.to_ascii_uppercase()) ^ 0x40,
                _ => return Err(Wrong("`\\c` is followed by no ASCII character".to_owned())),
            },
            'x' if !self.is(AltBsux) && self.rest.next_if_eq(&'{').is_some() => {
                let digits = self.until('}', "\\x{")?;
                let code = u32::from_str_radix(digits.trim(), 16);
                self.character(code.map_err(|_| Wrong(format!("`\\x{{{digits}}}` is no number")))?)?
            }
            'x' if self.is(AltBsux) => self.exactly(2).unwrap_or(u32::from('x')),
            'x' => self.digits(16, 2).0,
            'u' if self.is(AltBsux) => match self.exactly(4) {
                Some(code) => self.character(code)?,
                None => u32::from('u'),
            },
            'U' if self.is(AltBsux) => u32::from('U'),
            'o' if self.rest.next_if_eq(&'{').is_some() => {
                let digits = self.until('}', "\\o{")?;
                let code = u32::from_str_radix(digits.trim(), 8);
                self.character(code.map_err(|_| Wrong(format!("`\\o{{{digits}}}` is no number")))?)?
            }
            '0' => self.digits(8, 2).0,
            c if c.is_ascii_alphanumeric() => {
                return Err(unknown(&format!("\\{c}"), "a letter or digit behind a backslash must mean something"));
            }
            c if c.is_ascii() || utf => u32::from(c),
            c => return Err(unknown(&format!("\\{c}"), "without utf this is more than one character")),
        }))
    }

    /// Exactly so many hexadecimal digits, if they come next.
    fn exactly(&mut self, count: usize) -> Option<u32> {
        let digits: String = self.rest.clone().take(count).collect();
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.chars().count() == count)?;
        self.rest.nth(count - 1);
        Some(code)
    }

    /// `\g2`, `\g{2}`, `\g{-1}`, `\g{name}`
    fn refer(&mut self) -> Result<(), Wrong> {
        let text = match self.rest.peek() {
            Some('{') => {
                self.rest.next();
                self.until('}', "\\g{")?
            }
            Some('<' | '\'') => return Err(unknown("\\g<", RECURSION)),
            Some(_) | None => {
                let sign = if self.rest.next_if_eq(&'-').is_some() { "-" } else { "" };
                let (number, count) = self.digits(10, 4);
                if count == 0 {
                    return Err(Wrong("`\\g` is followed by no number of a group".to_owned()));
                }
                format!("{sign}{number}")
            }
        };
        match (text.strip_prefix('-').map(str::parse::<u32>), text.parse::<u32>()) {
            (Some(Ok(back)), _) => match (self.groups + 1).checked_sub(back).filter(|n| *n > 0 && back > 0) {
                Some(number) => self.refer_to(number),
                None => Err(Wrong(format!("`\\g{{{text}}}`: there are not so many groups in front of it"))),
            },
            (None, Ok(number)) => self.refer_to(number),
            (Some(Err(_)), _) => Err(Wrong(format!("`\\g{{{text}}}` is no group"))),
            (None, Err(_)) => self.refer_to_name(&text),
        }
    }

    fn refer_to(&mut self, group: u32) -> Result<(), Wrong> {
        let text =
            if self.is(MatchUnsetBackref) { format!("(?:(?({group})\\{group}))") } else { format!("(?:\\{group})") };
        self.out.push_str(&text);
        Ok(())
    }

    fn refer_to_name(&mut self, name: &str) -> Result<(), Wrong> {
        let name = self.name(name)?;
        let text = if self.is(MatchUnsetBackref) {
            format!("(?:(?(<{name}>)\\k<{name}>))")
        } else {
            format!("(?:\\k<{name}>)")
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn name(&self, name: &str) -> Result<String, Wrong> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = name.starts_with(|c: char| plain(c) && !c.is_ascii_digit());
        if begins && name.len() <= 32 && name.chars().all(plain) {
            return Ok(name.to_owned());
        }
        Err(Wrong(format!("`{name}` is no name of a group: up to 32 letters, digits and `_`, no digit first")))
    }

    /// What an opening parenthesis begins.
    fn open(&mut self) -> Result<(), Wrong> {
        match self.rest.peek() {
            Some('*') => {
                self.rest.next();
                let verb = self.until(')', "(*")?;
                if !matches!(verb.as_str(), "F" | "FAIL") {
                    return Err(unknown(&format!("(*{verb})"), "of the verbs, only (*FAIL) is"));
                }
                self.out.push_str("(?!)");
                Ok(())
            }
            Some('?') => {
                self.rest.next();
                self.special()
            }
            Some(_) | None => {
                self.outer.push(self.flags);
                self.groups += u32::from(!self.flags.uncounted);
                self.out.push_str(if self.flags.uncounted { "(?:" } else { "(" });
                Ok(())
            }
        }
    }

    fn group(&mut self, how: &str) -> Result<(), Wrong> {
        self.outer.push(self.flags);
        self.out.push_str(how);
        Ok(())
    }

    fn named_group(&mut self, end: char) -> Result<(), Wrong> {
        let name = self.until(end, "the name of a group")?;
        let name = self.name(&name)?;
        self.groups += 1;
        self.group(&format!("(?<{name}>"))
    }

    /// What `(?` begins.
    fn special(&mut self) -> Result<(), Wrong> {
        let Some(c) = self.rest.next_if(|c| !matches!(c, 'i' | 'm' | 's' | 'x' | 'n' | 'J' | 'U' | '^' | '-')) else {
            return self.inline();
        };
        match c {
            '#' => self.until(')', "a comment").map(drop),
            ':' | '=' | '!' | '>' => self.group(&format!("(?{c}")),
            '<' => match self.rest.next_if(|c| matches!(c, '=' | '!')) {
                Some(sign) => self.group(&format!("(?<{sign}")),
                None => self.named_group('>'),
            },
            '\'' => self.named_group('\''),
            'P' => match self.rest.next() {
                Some('<') => self.named_group('>'),
                Some('=') => {
                    let name = self.until(')', "(?P=")?;
                    self.refer_to_name(&name)
                }
                _ => Err(unknown("(?P>", RECURSION)),
            },
            '(' => {
                let condition = self.until(')', "a condition")?;
                let bare = condition.trim_matches(|c| matches!(c, '<' | '>' | '\''));
                let number = bare.bytes().all(|b| b.is_ascii_digit()) && !bare.is_empty();
                if !number && (bare.starts_with('?') || matches!(bare, "R" | "DEFINE")) {
                    return Err(unknown(&format!("(?({condition})"), "a condition is the number or name of a group"));
                }
                let condition = if number { bare.to_owned() } else { format!("<{}>", self.name(bare)?) };
                self.group(&format!("(?({condition})"))
            }
            '|' => Err(unknown("(?|", "groups that are counted anew in each branch")),
            'C' => Err(unknown("(?C", "there are no callouts")),
            c => Err(unknown(&format!("(?{c}"), RECURSION)),
        }
    }

    /// `(?i-x)` and `(?i-x:`
    fn inline(&mut self) -> Result<(), Wrong> {
        let (before, mut flags, mut on) = (self.flags, self.flags, true);
        loop {
            let end = match self.rest.next() {
                Some('i') => {
                    flags.caseless = on;
                    continue;
                }
                Some('m') => {
                    flags.multiline = on;
                    continue;
                }
                Some('s') => {
                    flags.dotall = on;
                    continue;
                }
                Some('x') => {
                    flags.extended = on;
                    continue;
                }
                Some('U') => {
                    flags.ungreedy = on;
                    continue;
                }
                Some('n') => {
                    flags.uncounted = on;
                    continue;
                }
                Some('J') => continue,
                Some('-') if self.rest.peek().is_some_and(char::is_ascii_digit) => {
                    return Err(unknown("(?-", RECURSION));
                }
                Some('-') => {
                    on = false;
                    continue;
                }
                Some('^') => {
                    let ungreedy = flags.ungreedy;
                    flags = Flags {
                        caseless: false,
                        multiline: false,
                        dotall: false,
                        extended: false,
                        ungreedy,
                        uncounted: false,
                    };
                    continue;
                }
                Some(c @ (':' | ')')) => c,
                Some(c) => return Err(unknown(&format!("(?...{c}"), "this is no flag")),
                None => return Err(Wrong("a `(` is not closed".to_owned())),
            };
            let case = match (before.caseless, flags.caseless) {
                (false, true) => "i",
                (true, false) => "-i",
                _ => "",
            };
            if end == ':' {
                self.outer.push(before);
                self.out.push_str(&format!("(?{case}:"));
            } else if !case.is_empty() {
                self.out.push_str(&format!("(?{case})"));
            }
            self.flags = flags;
            return Ok(());
        }
    }

    /// `[...]`
    fn class(&mut self) -> Result<(), Wrong> {
        let not = self.rest.next_if_eq(&'^').is_some();
        let mut members: Vec<Member> = Vec::new();
        // A `-` between two characters, told from one that is a member.
        let mut range = false;
        let mut first = !self.is(AllowEmptyClass);
        loop {
            let Some(c) = self.rest.next() else { return Err(Wrong("a `[` is not closed".to_owned())) };
            let member = match c {
                ']' if !first => break,
                '[' if matches!(self.rest.peek(), Some(':' | '.' | '=')) && self.closes_posix() => self.posix()?,
                '\\' => match self.rest.next() {
                    Some('b') => Member::One(8),
                    Some('Q') => {
                        while let Some(c) = self.rest.next() {
                            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                                break;
                            }
                            self.add(&mut members, &mut range, c)?;
                        }
                        first = false;
                        continue;
                    }
                    Some('E') => continue,
                    Some(c @ '1'..='7') => {
                        let (value, count) = self.digits(8, 2);
                        let high = u32::from(c) - u32::from('0');
                        Member::One(self.character(high << (3 * count) | value)?)
                    }
                    Some(c) => self.member(c)?,
                    None => return Err(Wrong("a `[` is not closed".to_owned())),
                },
                '-' if !range
                    && matches!(members.last(), Some(Member::One(_)))
                    && self.rest.peek().is_some_and(|c| *c != ']') =>
                {
                    range = true;
                    continue;
                }
                c => {
                    self.add(&mut members, &mut range, c)?;
                    first = false;
                    continue;
                }
            };
            first = false;
            self.join(&mut members, &mut range, member)?;
        }
        if members.is_empty() {
            self.out.push_str(if not { "(?s:.)" } else { "(?!)" });
            return Ok(());
        }
        let text: String = members
            .iter()
            .map(|member| match member {
                Member::One(code) => self.spelt(*code),
                Member::Many(set) => set.clone(),
            })
            .collect();
        self.out.push_str(&format!("[{}{text}]", if not { "^" } else { "" }));
        Ok(())
    }

    /// Adds a character as it is written: without utf, its bytes.
    fn add(&self, members: &mut Vec<Member>, range: &mut bool, c: char) -> Result<(), Wrong> {
        if c.is_ascii() || self.is(Utf) {
            return self.join(members, range, Member::One(u32::from(c)));
        }
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).bytes();
        bytes.into_iter().try_for_each(|b| self.join(members, range, Member::One(b.into())))
    }

    fn join(&self, members: &mut Vec<Member>, range: &mut bool, member: Member) -> Result<(), Wrong> {
        match (std::mem::take(range), members.last(), &member) {
            (true, Some(Member::One(low)), Member::One(high)) if low <= high => {
                let text = format!("{}-{}", self.spelt(*low), self.spelt(*high));
                members.pop();
                members.push(Member::Many(text));
            }
            (true, Some(Member::One(_)), Member::One(_)) => {
                return Err(Wrong("a range in `[...]` ends before it begins".to_owned()));
            }
            (true, _, Member::Many(_)) => {
                return Err(Wrong("a range in `[...]` ends with more than one character".to_owned()));
            }
            (false, _, _) | (true, _, _) => members.push(member),
        }
        Ok(())
    }

    /// Whether `[:` and the like is closed as a class with a name is.
    fn closes_posix(&self) -> bool {
        let mut ahead = self.rest.clone();
        let sign = ahead.next();
        let mut ahead = ahead.skip_while(|c| c.is_ascii_alphabetic() || *c == '^');
        ahead.next() == sign && ahead.next() == Some(']')
    }

    /// `[:alpha:]`, `[:^alpha:]`
    fn posix(&mut self) -> Result<Member, Wrong> {
        let text = self.until(']', "[:")?;
        let name = text.trim_matches(':');
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        if !NAMES.contains(&name.trim_start_matches('^')) {
            return Err(unknown(&format!("[{text}]"), "no class has that name"));
        }
        Ok(Member::Many(format!("[:{name}:]")))
    }
}
