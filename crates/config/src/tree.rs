//! From logical lines to blocks and keywords, by the table: structure, arguments, spelling, standing. What the values
//! mean together is `lower`'s business.

mod arguments;
mod braces;
mod items;
mod lines;
mod written;

use crate::diag::{Code, Findings, Level, Report};
use crate::keyword::{Args, Block, Keyword, ROOT, Standing, all};
use crate::lex::Item;
use crate::lex::tape::{Position, Tape};
use crate::lex::words::{Line, Word};
use crate::options::Written;
use crate::setting;
use crate::source::Place;
use items::Items;
pub(crate) use lines::item as line_options;
use std::net::IpAddr;
pub(crate) use written::written;

/// A keyword with what followed it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) keyword: &'static Keyword,
    /// The name that stands in the file, which may be another one of the keyword's.
    pub(crate) written: &'static str,
    /// The keyword's place.
    pub(crate) at: Place,
    /// The words behind it.
    pub(crate) words: Vec<Word>,
    pub(crate) value: Value,
    pub(crate) body: Body,
}

/// The checked argument of a keyword.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// None, or the words say it all.
    None,
    /// Wrong, and told.
    Invalid,
    Switch(bool),
    Int(i64),
    /// Microseconds.
    Micros(u64),
    Text(String),
    Ip(IpAddr),
    Weight {
        weight: i32,
        reverse: bool,
    },
    Command(Command),
    /// What no part of the lowering asks for in another form.
    Typed(setting::Value),
}

/// A command as it is written.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Command {
    /// The string before its splitting.
    pub(crate) text: String,
    /// Never empty.
    pub(crate) argv: Vec<String>,
    pub(crate) at: Place,
    pub(crate) user: Vec<Word>,
}

/// What stands in the braces.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    Block(Nodes),
    /// A block that is read when its turn comes: there may be thousands of its kind.
    Later(Later),
    Lines(Vec<Line>),
}

/// A block that was passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Later {
    block: &'static Block,
    /// Its opening brace, and how its keyword is indented.
    open: Place,
    indent: u32,
    /// Behind that, and behind the one that closes it.
    at: Position,
    end: Position,
}

/// The keywords of one block.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    list: Vec<Node>,
    /// Its different keywords, and where each first stands in the list.
    first: Vec<(&'static Keyword, usize)>,
    /// Something in here was not understood: conclusions from what is missing are not safe.
    pub(crate) flawed: bool,
}

impl Nodes {
    pub(crate) fn new(list: Vec<Node>, flawed: bool) -> Nodes {
        let mut first: Vec<(&Keyword, usize)> = Vec::new();
        for (at, node) in list.iter().enumerate() {
            if !first.iter().any(|(known, _)| std::ptr::eq(*known, node.keyword)) {
                first.push((node.keyword, at));
            }
        }
        Nodes { list, first, flawed }
    }

    pub(crate) fn list(&self) -> &[Node] {
        &self.list
    }

    pub(crate) fn into_list(self) -> Vec<Node> {
        self.list
    }

    /// The nodes of that keyword, and the rest.
    pub(crate) fn split(self, name: &str) -> (Vec<Node>, Nodes) {
        let (found, list) = self.list.into_iter().partition(|n| n.keyword.name == name);
        (found, Nodes::new(list, self.flawed))
    }

    /// The only or deciding occurrence of a keyword.
    pub(crate) fn find(&self, name: &str) -> Option<&Node> {
        let (_, at) = self.first.iter().find(|(keyword, _)| keyword.name == name)?;
        self.list.get(*at)
    }

    /// All occurrences of a keyword.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.list.iter().filter(move |n| n.keyword.name == name)
    }

    /// Whether a flag or switch is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.switch(name) == Some(true)
    }

    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        match self.find(name)?.value {
            Value::Switch(on) => Some(on),
            Value::None => Some(true),
            _ => None,
        }
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        match self.find(name)?.value {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn micros(&self, name: &str) -> Option<u64> {
        match self.find(name)?.value {
            Value::Micros(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match &self.find(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn ip(&self, name: &str) -> Option<IpAddr> {
        match self.find(name)?.value {
            Value::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    pub(crate) fn command(&self, name: &str) -> Option<&Command> {
        match &self.find(name)?.value {
            Value::Command(command) => Some(command),
            _ => None,
        }
    }

    /// The lines of all value blocks of that name: they add up.
    pub(crate) fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.all(name).flat_map(|n| match &n.body {
            Body::Lines(lines) => lines.as_slice(),
            Body::None | Body::Block(_) | Body::Later(_) => &[],
        })
    }

    /// The place of a keyword, else `or`.
    pub(crate) fn at(&self, name: &str, or: Place) -> Place {
        self.find(name).map_or(or, |n| n.at)
    }
}

impl Node {
    pub(crate) fn nodes(&self) -> &Nodes {
        static EMPTY: Nodes = Nodes { list: Vec::new(), first: Vec::new(), flawed: true };
        match &self.body {
            Body::Block(nodes) => nodes,
            Body::None | Body::Lines(_) | Body::Later(_) => &EMPTY,
        }
    }

    /// Whether its block has no opening brace, and nothing that could be its content.
    fn unopened(&self) -> bool {
        self.keyword.args.block().is_some() && matches!(self.body, Body::None)
    }

    /// The very bytes it is written in, if it was passed over and every line of it is plain.
    pub(crate) fn text<'t>(&self, tape: &'t Tape) -> Option<&'t [u8]> {
        match &self.body {
            Body::Later(later) => tape.text(self.at, later.at, later.end),
            Body::None | Body::Block(_) | Body::Lines(_) => None,
        }
    }

    /// Whether anything in it is a program to run.
    pub(crate) fn runs_programs(&self) -> bool {
        matches!(self.value, Value::Command(_)) || self.nodes().list.iter().any(Node::runs_programs)
    }

    /// The keyword and its words.
    pub(crate) fn whole(&self) -> Place {
        self.words.last().map_or(self.at, |last| self.at.to(last.at))
    }

    /// The words, or the keyword if there are none.
    pub(crate) fn argument(&self) -> Place {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.at.to(last.at),
            _ => self.at,
        }
    }
}

/// Blocks that may be open when a top-level one is still read as such: the language itself needs five.
const MAX_DEPTH: usize = 16;
/// Names that a suggestion is chosen from at most.
const MAX_NAMES: usize = 2000;

/// The name most like `given`, if one is like it at all.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().count();
    let most = (length / 3).clamp(1, 4);
    if length > 64 {
        return None;
    }
    let given = given.to_lowercase();
    names
        .take(MAX_NAMES)
        .filter(|n| !n.starts_with('(') && n.len().abs_diff(given.len()) <= 4 * most)
        .map(|n| (strsim::damerau_levenshtein(&given, &n.to_lowercase()), n))
        .filter(|(distance, n)| *distance <= most && *distance < n.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, n)| n)
}

/// Reads a whole configuration, but for what is `Body::Later`, if not every word is to be kept.
pub(crate) fn parse(tape: &mut Tape, findings: &mut Findings, written: Written) -> Nodes {
    let passes = written == Written::Drop && tape.balanced();
    let mut parser = Parser::new(Items::new(tape, Position::default(), None), findings);
    parser.passes = passes;
    let root = parser.block(&ROOT);
    let flawed = root.flawed;
    let mut list = root.into_list();
    list.append(&mut parser.hoisted);
    Nodes::new(list, flawed)
}

/// The node with its block read, and the top-level blocks that were found in it where a closing brace is missing.
pub(crate) fn unfold(node: Node, tape: &mut Tape, findings: &mut Findings) -> (Node, Vec<Node>) {
    let Body::Later(later) = node.body else { return (node, Vec::new()) };
    let mut parser = Parser::new(Items::new(tape, later.at, Some(later.end)), findings);
    parser.reopen(&later);
    let body = Body::Block(parser.block(later.block));
    (Node { body, ..node }, parser.hoisted)
}

struct Parser<'a> {
    items: Items<'a>,
    findings: &'a mut Findings,
    /// The blocks under way.
    opens: Vec<braces::Open>,
    /// Blocks that end here without their closing brace, which was told.
    unwind: usize,
    /// The value block just read lacks a line that could not be read.
    lost: bool,
    /// Top-level blocks found inside others, where a closing brace is missing.
    hoisted: Vec<Node>,
    /// Above 0 inside a block that is not acted on: its keywords need no warning of their own.
    quiet: usize,
    /// Whether virtual servers are passed over.
    passes: bool,
}

impl<'a> Parser<'a> {
    fn new(items: Items<'a>, findings: &'a mut Findings) -> Parser<'a> {
        let (opens, hoisted) = (Vec::new(), Vec::new());
        Parser { items, findings, opens, unwind: 0, lost: false, hoisted, quiet: 0, passes: false }
    }

    /// Reads up to the block's closing brace, or to the end of the input at the top level.
    fn block(&mut self, block: &'static Block) -> Nodes {
        let (mut list, mut flawed) = (Vec::new(), false);
        let mut hoists = 0;
        loop {
            if self.ends_early(block) {
                flawed = true;
                break;
            }
            match self.items.pop_front() {
                None => {
                    self.end();
                    break;
                }
                Some(Item::Close(at)) if self.closes_early(block) => self.extra_close(at, block),
                Some(Item::Close(at)) => {
                    if self.opens.pop().is_some() {
                        break;
                    }
                    let report = Report::error(Code::ExtraClose, at, "this `}` closes nothing");
                    self.findings.push(report.help("remove it, or look for a block that was closed too early"));
                }
                Some(Item::Open(at)) => {
                    self.stray_open(Report::error(Code::UnexpectedOpen, at, "no block is expected here"), at);
                    flawed = true;
                }
                Some(Item::Lost) => {
                    flawed = true;
                    if let Some(open) = self.opening() {
                        self.items.pop_front();
                        self.skip(open);
                    }
                }
                Some(Item::Line(line)) => match block.find(&line.words[0].text).filter(|k| !k.name.starts_with('(')) {
                    Some(keyword) => {
                        if let Some(node) = self.keyword(block, keyword, line) {
                            flawed |= node.value == Value::Invalid || node.unopened() || std::mem::take(&mut self.lost);
                            list.push(node);
                        } else {
                            flawed = true;
                        }
                    }
                    None => {
                        flawed = true;
                        list.extend(self.unknown(block, line, &mut hoists));
                    }
                },
            }
        }
        Nodes::new(self.repeated(block, list), flawed)
    }

    fn keyword(&mut self, block: &'static Block, written: &'static Keyword, mut line: Line) -> Option<Node> {
        let keyword = match written.standing {
            Standing::SameAs(to) | Standing::OldName(to) => block.find(to)?,
            _ => written,
        };
        let at = line.words[0].at;
        if let Some(between) = keyword.args.before_secret() {
            let secret = line.words.iter().skip(1 + between.min(line.words.len().saturating_sub(2)));
            let secret = secret.filter(|word| between == 0 || !crate::secret::is_place(word.text.as_bytes()));
            secret.for_each(|word| self.findings.map.secrets.add(&word.text));
        }
        if let Standing::OldName(to) = written.standing {
            let message = format!("`{}` is now called `{to}`", written.name);
            self.findings.push(Report::lint(Code::OldSpelling, at, message));
        }
        if let Some(quote) =
            line.unmatched.take().filter(|_| !keyword.args.is_command() && !matches!(keyword.args, Args::Regex))
        {
            let report = Report::error(Code::UnmatchedQuote, quote, "this quote is not closed on its line");
            self.findings.push(report.help("a quote inside a quoted word can't be escaped here"));
        }
        let split = self.split(keyword, &mut line);
        // `priority { 100 }`: that there is no block says it all.
        let blocked = keyword.args.block().is_none() && line.words.len() == 1 && self.opening().is_some();
        let value = if blocked { Value::Invalid } else { self.argument(block, keyword, written, &line) };
        // In place: this is done for every line of a file.
        let mut words = line.words;
        words.remove(0);
        let mut node = Node { keyword, written: written.name, at, words, value, body: Body::None };
        let standing = self.standing(&node);
        let Some(inner) = keyword.args.block() else {
            if let Some(open) = self.opening() {
                let message = format!("`{}` has no block", keyword.name);
                self.items.pop_front();
                self.stray_open(Report::error(Code::UnexpectedOpen, open, message).also(at, "the keyword"), open);
            }
            return Some(node);
        };
        let opened = self.open(block, inner, &node, split);
        let quiet = usize::from(matches!(standing, Standing::NotYet(_) | Standing::Refused(_) | Standing::Obsolete(_)));
        self.quiet += quiet;
        node.body = match keyword.args {
            Args::Lines(inner) | Args::NamedLines(inner) => {
                if opened {
                    let lines = self.value_lines(inner);
                    self.check_lines(keyword.name, inner, &lines);
                    Body::Lines(lines)
                } else {
                    Body::None
                }
            }
            _ if opened => match self.pass(block, inner) {
                Some(later) => Body::Later(later),
                None => Body::Block(self.block(inner)),
            },
            _ => Body::Block(Nodes::new(Vec::new(), true)),
        };
        self.quiet -= quiet;
        Some(node)
    }

    /// Tells what becomes of a keyword that does not simply act.
    fn standing(&mut self, node: &Node) -> Standing {
        let keyword = node.keyword;
        // Off and 0 are how things are without the keyword.
        if self.quiet > 0 || matches!(node.value, Value::Switch(false) | Value::Int(0) | Value::Micros(0)) {
            return Standing::Acts;
        }
        let name = keyword.name;
        match keyword.standing {
            Standing::NotYet(instead) => {
                let message = format!("`{name}` is read but not acted on yet: {instead}");
                self.findings.push(Report::warning(Code::NotYet, node.at, message));
            }
            Standing::Refused(why) => {
                let message = format!("`{name}` is not supported yet, and ignoring it would be wrong: {why}");
                self.findings.push(Report::error(Code::Refused, node.at, message));
            }
            Standing::Obsolete(why) => {
                let message = format!("`{name}` has no use: {why}");
                self.findings.push(Report::lint(Code::Obsolete, node.at, message).help("the line can go"));
            }
            Standing::Acts | Standing::SameAs(_) | Standing::OldName(_) => {}
        }
        keyword.standing
    }

    /// A word that is no keyword of this block. A top-level block and one whose name is nearly right are read all the
    /// same, so that mistakes inside show in the same run; any other block is left out whole.
    fn unknown(&mut self, block: &'static Block, line: Line, hoists: &mut usize) -> Option<Node> {
        let word = line.words[0].clone();
        self.hide(block, &line.words);
        let open = self.opening();
        let top = ROOT
            .find(&word.text)
            .filter(|k| k.args.block().is_some() && open.is_some() && block.path != "/")
            .filter(|_| self.opens.len() < MAX_DEPTH);
        if let Some(keyword) = top {
            if *hoists == 0 {
                let message = format!("`{}` belongs at the top level, not in {}", word.text, block.title());
                let report = Report::error(Code::MisplacedKeyword, word.at, message);
                let report = report.help("move it out of that block, or close the block before it");
                let outer = self.opens.last().map(|o| o.at);
                self.findings.push(match outer {
                    Some(outer) => report.also(outer, "this block is still open"),
                    None => report,
                });
            }
            if let Some(node) = self.keyword(&ROOT, keyword, line) {
                self.hoisted.push(node);
            }
            *hoists += 1;
            return None;
        }
        self.tell_unknown(block, &word);
        let open = open?;
        let near = nearest(&word.text, block.rows().filter(|k| k.args.block().is_some()).map(|k| k.name));
        match near.and_then(|name| block.find(name)).filter(|_| self.opens.len() < MAX_DEPTH) {
            Some(keyword) => {
                self.quiet += 1;
                let node = self.keyword(block, keyword, line);
                self.quiet -= 1;
                node
            }
            None => {
                self.items.pop_front();
                self.skip(open);
                None
            }
        }
    }

    /// Takes for a secret what may be one: behind a word for it that is not spelt right, or on a line of its own.
    fn hide(&mut self, block: &Block, words: &[Word]) {
        let Some((first, rest)) = words.split_first().filter(|_| !self.findings.full(Level::Error)) else { return };
        let secrets = &mut self.findings.map.secrets;
        let beside = block.rows().any(|row| row.args.before_secret().is_some());
        if beside || nearest(&first.text, crate::secret::keywords()).is_some() {
            rest.iter().for_each(|word| secrets.add(&word.text));
        }
        let known = || crate::secret::names_one(&first.text);
        let near = || nearest(&first.text, block.rows().map(|row| row.name)).is_some();
        if beside && rest.is_empty() && !known() && !near() {
            secrets.add(&first.text);
        }
    }

    fn tell_unknown(&mut self, block: &'static Block, word: &Word) {
        if self.findings.full(Level::Error) {
            self.findings.push(Report::error(Code::UnknownKeyword, word.at, String::new())); // only counted
            return;
        }
        let mut homes: Vec<&'static str> = Vec::new();
        for (home, keyword) in all() {
            let line = keyword.name.starts_with('(') || keyword.usage.starts_with(keyword.name);
            if keyword.name == word.text && !line && !homes.contains(&home.path) {
                homes.push(home.path);
            }
        }
        let near = nearest(&word.text, block.rows().map(|k| k.name));
        let mut report = if homes.is_empty() {
            Report::error(
                Code::UnknownKeyword,
                word.at,
                format!("`{}` is not a keyword of {}", word.text, block.title()),
            )
        } else {
            let shown: Vec<String> = homes.iter().take(3).map(|h| where_is(h)).collect();
            let more = if homes.len() > 3 { " and others" } else { "" };
            let message = format!("`{}` does not belong in {}", word.text, block.title());
            Report::error(Code::MisplacedKeyword, word.at, message)
                .help(format!("it is a keyword of {}{more}", shown.join(", ")))
        };
        if let Some(near) = near {
            report = report.help(format!("did you mean `{near}`?"));
        } else if homes.is_empty() && block.path != "vrrp_sync_group" {
            report = report.help("`vipd doc --search WORD` finds words by what they do");
        } else if homes.is_empty() {
            report = report.help("names of instances stand in a block of their own: `group { ... }`");
        }
        self.findings.push(report);
    }

    /// A value given twice: one of the two is dropped and that is told.
    fn repeated(&mut self, block: &Block, list: Vec<Node>) -> Vec<Node> {
        let adds_up = |node: &Node| {
            node.keyword.args.block().is_some()
                || matches!(
                    (block.path, node.keyword.name),
                    ("garp_group", "interface") | ("virtual_server/servers_from_dns", "resolver")
                )
                || matches!(node.keyword.name, "status_code" | "key" | "include_check")
        };
        let alike = |at: usize, node: &Node| list[..at].iter().any(|n| std::ptr::eq(n.keyword, node.keyword));
        // Most blocks are short, and have nothing twice.
        if list.len() < 32 && !list.iter().enumerate().any(|(at, node)| !adds_up(node) && alike(at, node)) {
            return list;
        }
        let mut kept: Vec<Node> = Vec::with_capacity(list.len());
        let mut first: Vec<(&Keyword, usize)> = Vec::new(); // few: a block's different keywords
        for node in list {
            let adds_up = adds_up(&node);
            let same = first.iter().find(|(known, _)| !adds_up && std::ptr::eq(*known, node.keyword));
            let earlier = same.map(|(_, at)| *at);
            let Some(earlier) = earlier else {
                if !adds_up {
                    first.push((node.keyword, kept.len()));
                }
                kept.push(node);
                continue;
            };
            let name = node.keyword.name;
            if node.value == Value::Invalid || kept[earlier].value == Value::Invalid {
                continue; // told already
            }
            let first_wins = node.keyword.args.is_command()
                || matches!(name, "notify_fifo" | "vrrp_notify_fifo" | "lvs_notify_fifo" | "net_namespace" | "digest");
            let (ignored, used) = if first_wins { (&node, &kept[earlier]) } else { (&kept[earlier], &node) };
            // The same flag twice changes nothing.
            let level = if ignored.words.iter().map(|w| &w.text).eq(used.words.iter().map(|w| &w.text)) {
                Level::Lint
            } else {
                Level::Warning
            };
            let report = Report::warning(Code::Repeated, ignored.whole(), format!("`{name}` is given twice"));
            self.findings.push(report.at_level(level).label("ignored").also(used.whole(), "this one counts"));
            if !first_wins {
                kept[earlier] = node;
            }
        }
        kept
    }
}

fn where_is(path: &str) -> String {
    match path {
        "/" => "the top level".to_owned(),
        path => format!("`{}`", path.replace('/', " > ")),
    }
}
