//! THE TABLE: every keyword of the language, where it stands, what it takes, what it means and what vipd does with it.
//! The parser, its suggestions and the documentation all read this and nothing else; a keyword can't exist without its
//! line of documentation. What the values do to each other is `lower`'s business.

mod global;
mod lexer;
mod lines;
mod lvs;
mod options;
mod ours;
mod vrrp;

pub use global::ROOT;
pub use lines::{ENCAP, NEXTHOP};
use std::fmt;

/// The largest time a timer may have, in microseconds: a year, where the language names no bound.
const MAX_SECONDS: u64 = 366 * 86_400 * 1_000_000;

/// A family of addresses that a keyword takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Either.
    Any,
}

/// The form of a word that is neither a plain number nor an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A number as C writes it, in this range, or a name of the iproute2 tables.
    Named(u64, u64),
    /// A unicast MAC address, or its first five octets.
    Mac,
    /// A number or `START-END`, each in this range.
    Range(u64, u64),
    /// `MARK[/MASK]`, 32 bits each, as C writes numbers.
    Mark,
    /// `[FROM/]TO`, each up to 255 or a name.
    Realms,
    /// A number as C writes it, from 0 to this.
    Number(u64),
    /// A time of the kernel's routing metrics: a number, or with `ms` or `s`.
    RoundTrip,
    /// MPLS labels with `/` between them.
    Labels,
    /// An ILA locator: four groups of up to four hexadecimal digits.
    Locator,
    /// 1 to so many bytes.
    Text(usize),
    /// An MD5 sum: 32 hexadecimal digits.
    Hash,
    /// A domain name, or `.` for the root.
    Domain,
    /// `+`, `-` or an IPv4 address.
    Broadcast,
    /// Seconds that fit 32 bits, or `forever`.
    Lifetime,
}

/// What follows a keyword.
#[derive(Clone, Copy, Debug)]
pub enum Args {
    /// Nothing.
    Flag,
    /// Nothing (on), or one of `on true yes off false no`.
    Switch,
    /// A number in a range, both ends included.
    Int(i64, i64),
    /// The same, or nothing.
    OptInt(i64, i64),
    /// Seconds with up to 6 decimals; the range in microseconds.
    Seconds(u64, u64),
    /// Milliseconds with up to 3 decimals; the range in milliseconds.
    Millis(u64, u64),
    /// A number in a range, then `reverse` or `noreverse` or nothing.
    Weight(i64, i64),
    /// One word.
    Word,
    /// One word or nothing.
    OptWord,
    /// One word that must not be shown.
    Secret,
    /// An interface: one word of at most 15 bytes.
    Device,
    /// One word of a form.
    Form(Form),
    /// The same, or nothing.
    OptForm(Form),
    /// Words that the option rows of the keyword describe, at least so many; rows in parentheses stand for bare words.
    Options(usize),
    /// At most so many numbers, at least one, each in the range.
    Ints(usize, i64, i64),
    /// At most so many different words, or none, each of 1 to so many bytes.
    Names(usize, usize),
    /// A mode mask: a number, or these bits with `|` between them.
    Mask(&'static [&'static str]),
    /// Bytes in hexadecimal, groups joined.
    Hex,
    /// The same or nothing; `x` stands for any digit.
    HexPattern,
    /// A key's number and its value, which must not be shown: 32 to 64 bytes as they are, behind `hex:`, or in a file behind `file:`.
    Key,
    /// Words, at least and at most so many.
    Words(usize, usize),
    /// Any of these words, at least one.
    EachOf(&'static [&'static str]),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words or nothing.
    OptOneOf(&'static [&'static str]),
    /// One of these words, upper or lower case.
    OneOfIgnoreCase(&'static [&'static str]),
    /// An address.
    Ip(Family),
    /// An address with or without a prefix length, or `default`, `any`, `all`.
    Prefix,
    /// A command, then the user and group to run it as.
    Script,
    /// The same, or nothing.
    OptScript,
    /// A command alone.
    Program,
    /// A pattern: one word, its escapes resolved.
    Regex,
    /// A user and a group.
    User,
    /// Words that the meaning of the keyword decides on.
    Custom,
    /// `{ keywords }`
    Block(&'static Block),
    /// `NAME { keywords }`
    NamedBlock(&'static Block),
    /// `WORDS { keywords }`
    HeadedBlock(&'static Block),
    /// `{ lines }`, free-form.
    Lines(&'static Block),
    /// `NAME { lines }`
    NamedLines(&'static Block),
}

impl Args {
    /// The block that follows, if one does.
    pub fn block(self) -> Option<&'static Block> {
        match self {
            Args::Block(b) | Args::NamedBlock(b) | Args::HeadedBlock(b) | Args::Lines(b) | Args::NamedLines(b) => {
                Some(b)
            }
            _ => None,
        }
    }

    /// Of a row whose value must not be shown: the words in front of that value.
    pub(crate) fn before_secret(self) -> Option<usize> {
        match self {
            Args::Secret => Some(0),
            Args::Key => Some(1),
            _ => None,
        }
    }

    /// Whether what follows is split a second time, as a command line.
    pub(crate) fn is_command(self) -> bool {
        matches!(self, Args::Script | Args::OptScript | Args::Program)
    }
}

/// What vipd does with a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// What it says.
    Acts,
    /// Read and checked; without effect for now, and this is how things are instead.
    NotYet(&'static str),
    /// An error, because ignoring it would break the service in this way.
    Refused(&'static str),
    /// Accepted for old files; it has no use here, for this reason.
    Obsolete(&'static str),
    /// Another name of that keyword, just as good.
    SameAs(&'static str),
    /// The former name of that keyword.
    OldName(&'static str),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// The word. In lines, `(word)` in parentheses stands for what comes first.
    pub name: &'static str,
    /// The same as messages show it: in backquotes.
    pub quoted: &'static str,
    /// What follows it.
    pub args: Args,
    /// The same for people.
    pub usage: &'static str,
    /// Range or unit, for people.
    pub range: &'static str,
    /// What holds without it, for people.
    pub default: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What vipd does with it.
    pub standing: Standing,
}

/// Rows of the table, two lines each: `"name" args, "usage", "range", "default", standing; "documentation"`.
macro_rules! rows {
    ($(#[$doc:meta])* $group:ident: $($name:literal $args:expr, $usage:literal, $range:literal, $default:literal,
        $standing:expr; $text:literal)*) => {
        $(#[$doc])*
        const $group: &[Keyword] = &[$(Keyword {
            name: $name,
            quoted: concat!("`", $name, "`"),
            args: $args,
            usage: $usage,
            range: $range,
            default: $default,
            doc: $text,
            standing: $standing,
        }),*];
    };
}
use rows;

/// The words of one block.
pub struct Block {
    /// Where it stands: `virtual_server/real_server`; `/` is the top level.
    pub path: &'static str,
    /// Its rows, in groups that blocks share.
    pub keywords: &'static [&'static [Keyword]],
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Block").field(&self.path).finish()
    }
}

impl Block {
    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = &'static Keyword> + use<> {
        self.keywords.iter().flat_map(|group| group.iter())
    }

    /// The row of that name.
    pub fn find(&self, name: &str) -> Option<&'static Keyword> {
        self.rows().find(|k| k.name == name)
    }

    /// Its name for people.
    pub fn title(&self) -> String {
        match self.path {
            "/" => "the top level".to_owned(),
            path => format!("`{}`", path.rsplit('/').next().unwrap_or(path)),
        }
    }
}

/// A row and where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The blocks around it: `virtual_server/real_server`; `/` is the top level, `(lexer)` what is resolved before keywords
    /// are. `:line` behind it: a word on the lines inside that value block; `:args`: on the line of that keyword itself.
    pub path: String,
    /// The row.
    pub keyword: &'static Keyword,
    /// What vipd does with the outermost keyword around it that does not simply act.
    pub within: Option<Standing>,
}

impl Entry {
    /// What vipd does with it, where it stands.
    pub fn standing(&self) -> Standing {
        self.within.unwrap_or(self.keyword.standing)
    }
}

/// Every place of every row, in the order of the table: a block that is reached in two ways is here twice.
pub fn walk() -> Vec<Entry> {
    let mut entries = Vec::new();
    let lexer = lexer::LEXER.rows();
    entries.extend(lexer.map(|keyword| Entry { path: lexer::LEXER.path.to_owned(), keyword, within: None }));
    visit(&ROOT, "/", None, &mut entries);
    entries
}

/// The option rows of a keyword.
pub(crate) fn options_of(path: &str, keyword: &str) -> Option<&'static Block> {
    options::options(path, keyword)
}

fn visit(block: &'static Block, path: &str, within: Option<Standing>, entries: &mut Vec<Entry>) {
    entries.extend(block.rows().map(|keyword| Entry { path: path.to_owned(), keyword, within }));
    for keyword in block.rows() {
        let inner_path = if path == "/" { keyword.name.to_owned() } else { format!("{path}/{}", keyword.name) };
        let plain = matches!(keyword.standing, Standing::Acts | Standing::SameAs(_) | Standing::OldName(_));
        let within = within.or((!plain).then_some(keyword.standing));
        if let Some(options) = options::options(path, keyword.name) {
            visit(options, &format!("{inner_path}:args"), within, entries);
        }
        match keyword.args {
            Args::Block(inner) | Args::NamedBlock(inner) | Args::HeadedBlock(inner) => {
                visit(inner, &inner_path, within, entries);
            }
            Args::Lines(inner) | Args::NamedLines(inner) => {
                let path = format!("{inner_path}:line");
                visit(inner, &path, within, entries);
                if matches!(keyword.name, "static_routes" | "virtual_routes") {
                    visit(&NEXTHOP, &format!("{path}/nexthop"), within, entries);
                    visit(&ENCAP, &format!("{path}/encap"), within, entries);
                }
            }
            _ => {}
        }
    }
}

/// Every block and its rows, blocks in the order in which the table reaches them.
pub fn all() -> Vec<(&'static Block, &'static Keyword)> {
    let mut blocks: Vec<&'static Block> = vec![&ROOT, &NEXTHOP, &ENCAP];
    let mut out = Vec::new();
    let mut next = 0;
    while let Some(&block) = blocks.get(next) {
        next += 1;
        for keyword in block.rows() {
            out.push((block, keyword));
            if let Some(inner) = keyword.args.block().filter(|b| blocks.iter().all(|known| known.path != b.path)) {
                blocks.push(inner);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_is_documented_and_unique_in_its_block() {
        let mut seen = HashSet::new();
        for (block, keyword) in all() {
            assert!(!keyword.doc.is_empty(), "{}/{} has no documentation", block.path, keyword.name);
            assert!(keyword.doc.ends_with('.'), "{}/{}: {}", block.path, keyword.name, keyword.doc);
            assert!(seen.insert((block.path, keyword.name)), "{}/{} twice", block.path, keyword.name);
        }
        assert!(seen.len() > 500, "{} rows", seen.len());
    }

    #[test]
    fn other_names_lead_to_rows_that_act() {
        for (block, keyword) in all() {
            if let Standing::SameAs(to) | Standing::OldName(to) = keyword.standing {
                let target = block.find(to).unwrap_or_else(|| panic!("{}/{} -> {to}", block.path, keyword.name));
                assert!(!matches!(target.standing, Standing::SameAs(_) | Standing::OldName(_)));
            }
        }
    }

    #[test]
    fn ranges_are_not_empty() {
        for (block, keyword) in all() {
            let fine = match keyword.args {
                Args::Int(min, max) | Args::OptInt(min, max) | Args::Weight(min, max) => min < max,
                Args::Seconds(min, max) | Args::Millis(min, max) => min < max,
                Args::Words(min, max) => min <= max && max > 0,
                Args::OneOf(words) | Args::OneOfIgnoreCase(words) | Args::OptOneOf(words) | Args::EachOf(words) => {
                    !words.is_empty()
                }
                _ => true,
            };
            assert!(fine, "{}/{}", block.path, keyword.name);
        }
    }
}
