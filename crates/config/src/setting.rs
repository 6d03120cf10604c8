//! A configuration as keywords with typed values: the file as it is written, or what it means. Every word of the language
//! has its value here, also those that nothing acts on yet.

mod json;
mod text;

pub use json::json;
pub(crate) use json::{Count, count};
use std::fmt;
use std::net::IpAddr;
pub use text::text;

/// A keyword with its value and what stands in its braces; or a line of a value block, which has no keyword.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The row of the keyword table; empty for a line.
    pub keyword: &'static str,
    /// What follows the keyword.
    pub value: Value,
    /// What stands in its braces.
    pub body: Body,
    /// What of it nothing acts on yet.
    pub idle: Option<Idle>,
}

/// A word that nothing acts on yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Idle {
    /// The word.
    pub word: &'static str,
    /// How things are instead.
    pub why: &'static str,
}

/// What stands in braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// There are none.
    None,
    /// Keywords.
    Block(Vec<Setting>),
    /// One item a line.
    Lines(Vec<Setting>),
}

/// A value, its unit said by its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A keyword without a value: it is there, or (in what a configuration means) it is not.
    Flag(bool),
    /// `on` or `off`
    Switch(bool),
    /// A number.
    Number(i128),
    /// A time in microseconds, written in seconds.
    Seconds(u64),
    /// A time in microseconds, written in milliseconds.
    Millis(u64),
    /// Bits of a file mode.
    Mode(u32),
    /// A word.
    Text(String),
    /// An address.
    Address(IpAddr),
    /// An address and the length of its prefix.
    Network(IpAddr, u8),
    /// A weight.
    Weight {
        /// What is added or subtracted.
        weight: i64,
        /// The other way round.
        reverse: bool,
    },
    /// A command line, and the user and group that it runs as if the file says so.
    Command {
        /// The command.
        text: String,
        /// `USER [[:]GROUP]`
        user: Vec<String>,
    },
    /// A pattern, its escapes resolved.
    Pattern(String),
    /// What must not be shown.
    Secret(Secret),
    /// Several values, one behind the other.
    List(Vec<Value>),
    /// Values with names. A name in parentheses stands for a bare word; one may come more than once.
    Options(Vec<(&'static str, Value)>),
}

/// A password or key. It never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

/// What is shown in place of a secret. Eight bytes: a password of VRRP has no more.
pub const HIDDEN: &str = "<hidden>";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Setting {
    /// A keyword with a value.
    pub fn new(keyword: &'static str, value: Value) -> Setting {
        Setting { keyword, value, body: Body::None, idle: None }
    }

    /// A keyword with a block.
    pub fn block(keyword: &'static str, value: Value, settings: Vec<Setting>) -> Setting {
        Setting { body: Body::Block(settings), ..Setting::new(keyword, value) }
    }

    /// A keyword with lines.
    pub fn lines(keyword: &'static str, value: Value, lines: impl IntoIterator<Item = Value>) -> Setting {
        let lines = lines.into_iter().map(|value| Setting::new("", value)).collect();
        Setting { body: Body::Lines(lines), ..Setting::new(keyword, value) }
    }

    /// The keywords of its block.
    pub fn settings(&self) -> &[Setting] {
        match &self.body {
            Body::Block(settings) => settings,
            Body::None | Body::Lines(_) => &[],
        }
    }

    /// The lines of its block.
    pub fn items(&self) -> &[Setting] {
        match &self.body {
            Body::Lines(lines) => lines,
            Body::None | Body::Block(_) => &[],
        }
    }

    /// The first keyword of that name in its block.
    pub fn find(&self, keyword: &str) -> Option<&Setting> {
        find(self.settings(), keyword)
    }

    /// What it is called where it is one of several: `vrrp_instance VI_1`.
    pub fn title(&self) -> String {
        format!("{} {}", self.keyword, self.value).trim_end().to_owned()
    }
}

/// The first keyword of that name.
pub fn find<'a>(settings: &'a [Setting], keyword: &str) -> Option<&'a Setting> {
    settings.iter().find(|s| s.keyword == keyword)
}

/// Everything that nothing acts on yet, each with the blocks around it: `vrrp_instance VI_1 / virtual_rules`.
pub fn idle(settings: &[Setting]) -> Vec<(String, &Setting)> {
    let mut found = Vec::new();
    collect(settings, "", &mut found);
    found
}

fn collect<'a>(settings: &'a [Setting], around: &str, found: &mut Vec<(String, &'a Setting)>) {
    for setting in settings {
        let path = match (around, setting.keyword) {
            (_, "") => around.to_owned(),
            ("", _) if setting.body == Body::None => setting.keyword.to_owned(),
            ("", _) => setting.title(),
            (_, keyword) if setting.body == Body::None => format!("{around} / {keyword}"),
            (..) => format!("{around} / {}", setting.title()),
        };
        if setting.idle.is_some() {
            found.push((path, setting));
            continue;
        }
        match &setting.body {
            Body::Block(inner) | Body::Lines(inner) => collect(inner, &path, found),
            Body::None => {}
        }
    }
}
