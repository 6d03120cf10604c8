//! From logical lines to blocks and keywords, by the table: structure, arguments, spelling, standing. What the values
//! mean together is `lower`'s business.

mod arguments;
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
        weight: i16,
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
    /// Its opening brace.
    open: Place,
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
    let mut parser = Parser::new(Items { tape, at: Position::default(), end: None, peeked: None }, findings);
    parser.passes = written == Written::Drop && parser.items.tape.balanced();
    let root = parser.block(&ROOT);
    let flawed = root.flawed;
    let mut list = root.list;
    list.append(&mut parser.hoisted);
    Nodes::new(list, flawed)
}

/// The node with its block read, and the top-level blocks that were found in it where a closing brace is missing.
pub(crate) fn unfold(node: Node, tape: &mut Tape, findings: &mut Findings) -> (Node, Vec<Node>) {
    let Body::Later(later) = node.body else { return (node, Vec::new()) };
    let mut parser = Parser::new(Items { tape, at: later.at, end: Some(later.end), peeked: None }, findings);
    parser.opens.push(later.open);
    let body = Body::Block(parser.block(later.block));
    (Node { body, ..node }, parser.hoisted)
}

/// The tape from one position to another or to its end.
struct Items<'t> {
    tape: &'t mut Tape,
    at: Position,
    end: Option<Position>,
    peeked: Option<Item>,
}

impl Items<'_> {
    fn next(&mut self) -> Option<Item> {
        match self.peeked.take() {
            None if self.end.is_some_and(|end| self.at >= end) => None,
            None => self.tape.next(&mut self.at),
            peeked => peeked,
        }
    }

    fn peek(&mut self) -> Option<&Item> {
        self.peeked = self.next();
        self.peeked.as_ref()
    }

    /// Passes over the block just opened: where it starts and ends.
    fn pass(&mut self) -> Option<(Position, Position)> {
        let start = self.at;
        self.at = self.tape.behind(start).filter(|_| self.peeked.is_none())?;
        Some((start, self.at))
    }
}

struct Parser<'a> {
    items: Items<'a>,
    findings: &'a mut Findings,
    /// Where each block under way was opened.
    opens: Vec<Place>,
    /// Top-level blocks found inside others, where a closing brace is missing.
    hoisted: Vec<Node>,
    /// Above 0 inside a block that is not acted on: its keywords need no warning of their own.
    quiet: usize,
    /// Whether virtual servers are passed over.
    passes: bool,
}

impl<'a> Parser<'a> {
    fn new(items: Items<'a>, findings: &'a mut Findings) -> Parser<'a> {
        Parser { items, findings, opens: Vec::new(), hoisted: Vec::new(), quiet: 0, passes: false }
    }

    /// Reads up to the block's closing brace, or to the end of the input at the top level.
    fn block(&mut self, block: &'static Block) -> Nodes {
        let (mut list, mut flawed) = (Vec::new(), false);
        let mut hoists = 0;
        loop {
            match self.items.next() {
                None => {
                    self.end();
                    break;
                }
                Some(Item::Close(at)) => {
                    if self.opens.pop().is_some() {
                        break;
                    }
                    let report = Report::error(Code::ExtraClose, at, "this `}` closes nothing");
                    self.findings.push(report.help("remove it, or look for a block that was closed too early"));
                }
                Some(Item::Open(at)) => {
                    let report = Report::error(Code::UnexpectedOpen, at, "no block is expected here");
                    self.findings.push(report.help("everything up to its `}` is left out"));
                    flawed = true;
                    self.skip();
                }
                Some(Item::Line(line)) => match block.find(&line.words[0].text).filter(|k| !k.name.starts_with('(')) {
                    Some(keyword) => {
                        if let Some(node) = self.keyword(block, keyword, line) {
                            if node.value == Value::Invalid {
                                flawed = true;
                            }
                            list.push(node);
                        } else {
                            flawed = true;
                        }
                    }
                    None => {
                        flawed = true;
                        hoists = self.unknown(block, line, hoists);
                    }
                },
            }
        }
        Nodes::new(self.repeated(block, list), flawed)
    }

    /// The input ended inside a block: told once, at the innermost.
    fn end(&mut self) {
        let Some(open) = self.opens.pop() else { return };
        let mut report = Report::error(Code::MissingClose, open, "this block is not closed").help("a `}` is missing");
        for outer in self.opens.drain(..).rev() {
            report = report.also(outer, "nor is this one");
        }
        self.findings.push(report);
    }

    /// Passes over everything up to the brace that closes the one just read.
    fn skip(&mut self) {
        let mut depth = 1usize;
        while depth > 0 {
            match self.items.next() {
                None => return,
                Some(Item::Open(_)) => depth += 1,
                Some(Item::Close(_)) => depth -= 1,
                Some(Item::Line(_)) => {}
            }
        }
    }

    fn keyword(&mut self, block: &'static Block, written: &'static Keyword, mut line: Line) -> Option<Node> {
        let keyword = match written.standing {
            Standing::SameAs(to) | Standing::OldName(to) => block.find(to)?,
            _ => written,
        };
        let at = line.words[0].at;
        if let Standing::OldName(to) = written.standing {
            let message = format!("`{}` is now called `{to}`", written.name);
            self.findings.push(Report::lint(Code::OldSpelling, at, message));
        }
        if let Some(quote) = line.unmatched.take().filter(|_| !keyword.args.is_command() && keyword.name != "regex") {
            let report = Report::error(Code::UnmatchedQuote, quote, "this quote is not closed on its line");
            self.findings.push(report.help("a quote inside a quoted word can't be escaped here"));
        }
        let value = self.argument(block, keyword, written, &line);
        let words = line.words.split_off(1);
        let mut node = Node { keyword, written: written.name, at, words, value, body: Body::None };
        let standing = self.standing(&node);
        let Some(inner) = keyword.args.block() else {
            if let Some(Item::Open(open)) = self.items.peek() {
                let message = format!("`{}` has no block", keyword.name);
                let report = Report::error(Code::UnexpectedOpen, *open, message).also(at, "the keyword");
                self.findings.push(report.help("everything up to its `}` is left out"));
                self.items.next();
                self.skip();
            }
            return Some(node);
        };
        let opened = self.open(block, inner, &node);
        let quiet = usize::from(matches!(standing, Standing::NotYet(_) | Standing::Refused(_) | Standing::Obsolete(_)));
        self.quiet += quiet;
        node.body = match keyword.args {
            Args::Lines(inner) | Args::NamedLines(inner) => {
                let lines = if opened { self.value_lines(inner) } else { Vec::new() };
                self.check_lines(keyword.name, inner, &lines);
                Body::Lines(lines)
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

    /// Passes over a virtual server: they are read one by one as they are lowered, so that ten thousand of them are never in
    /// memory at once. Where a brace is missing somewhere, nobody knows where one ends without reading it.
    fn pass(&mut self, outer: &'static Block, inner: &'static Block) -> Option<Later> {
        if outer.path != ROOT.path || inner.path != "virtual_server" || !self.passes {
            return None;
        }
        let open = *self.opens.last()?;
        let (at, end) = self.items.pass()?;
        self.opens.pop();
        Some(Later { block: inner, open, at, end })
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

    /// The opening brace of a block. Without it: whether what follows is the block's all the same.
    fn open(&mut self, outer: &'static Block, inner: &'static Block, node: &Node) -> bool {
        if let Some(Item::Open(at)) = self.items.peek() {
            self.opens.push(*at);
            self.items.next();
            return true;
        }
        let report = Report::error(Code::MissingOpen, node.whole(), format!("`{}` needs a block", node.keyword.name));
        self.findings.push(report.help("a `{` is missing behind it"));
        let inside = match self.items.peek() {
            Some(Item::Line(next)) => {
                let word = &next.words[0].text;
                let lines = matches!(node.keyword.args, Args::Lines(_) | Args::NamedLines(_));
                (lines || inner.find(word).is_some()) && outer.find(word).is_none()
            }
            _ => false,
        };
        if inside {
            self.opens.push(node.at);
        }
        inside
    }

    /// The lines of a value block up to its closing brace.
    fn value_lines(&mut self, block: &'static Block) -> Vec<Line> {
        let mut lines = Vec::new();
        loop {
            match self.items.next() {
                None => {
                    self.end();
                    return lines;
                }
                Some(Item::Close(_)) => {
                    self.opens.pop();
                    return lines;
                }
                Some(Item::Open(at)) => {
                    let message = format!("no block is expected in {}", block.title());
                    self.findings.push(
                        Report::error(Code::UnexpectedOpen, at, message)
                            .help("is a `}` missing above? everything up to the next `}` is left out"),
                    );
                    self.skip();
                }
                Some(Item::Line(line)) => {
                    if let Some(quote) = line.unmatched {
                        self.findings.push(Report::error(
                            Code::UnmatchedQuote,
                            quote,
                            "this quote is not closed on its line",
                        ));
                    }
                    lines.push(line);
                }
            }
        }
    }

    /// A word that is no keyword of this block. A top-level block is read as one, since a closing brace is missing
    /// then; any other block is left out whole.
    fn unknown(&mut self, block: &'static Block, line: Line, hoists: usize) -> usize {
        let word = line.words[0].clone();
        let has_block = matches!(self.items.peek(), Some(Item::Open(_)));
        let top = ROOT
            .find(&word.text)
            .filter(|k| k.args.block().is_some() && has_block && block.path != "/")
            .filter(|_| self.opens.len() < MAX_DEPTH);
        if let Some(keyword) = top {
            if hoists == 0 {
                let message = format!("`{}` belongs at the top level, not in {}", word.text, block.title());
                let mut report =
                    Report::error(Code::MisplacedKeyword, word.at, message).help("is a `}` missing above?");
                if let Some(open) = self.opens.last() {
                    report = report.also(*open, "this block is still open");
                }
                self.findings.push(report);
            }
            if let Some(node) = self.keyword(&ROOT, keyword, line) {
                self.hoisted.push(node);
            }
            return hoists + 1;
        }
        self.tell_unknown(block, &word);
        if has_block {
            self.items.next();
            self.skip();
        }
        hoists
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
        } else if homes.is_empty() && block.path == "vrrp_sync_group" {
            report = report.help("names of instances stand in a block of their own: `group { ... }`");
        }
        self.findings.push(report);
    }

    /// A value given twice: one of the two is dropped and that is told.
    fn repeated(&mut self, block: &Block, list: Vec<Node>) -> Vec<Node> {
        let mut kept: Vec<Node> = Vec::with_capacity(list.len());
        let mut first: Vec<(&Keyword, usize)> = Vec::new(); // few: a block's different keywords
        for node in list {
            let adds_up = node.keyword.args.block().is_some()
                || matches!((block.path, node.keyword.name), ("garp_group", "interface"))
                || matches!(node.keyword.name, "status_code" | "key" | "include_check");
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
