//! The tree as settings: what the file says, typed, with nothing added and nothing left out.

use super::arguments::typed;
use super::{Body, Node, Nodes, Value, lines};
use crate::keyword::{Args, Block, Standing};
use crate::lex::words::{Line, Word};
use crate::setting::{self, Idle, Setting};
use crate::value::int;

/// Every keyword of a tree without errors.
pub(crate) fn written(root: &Nodes) -> Vec<Setting> {
    block(root)
}

fn block(nodes: &Nodes) -> Vec<Setting> {
    nodes.list().iter().map(setting).collect()
}

fn setting(node: &Node) -> Setting {
    let keyword = node.keyword;
    let value = match (&node.value, keyword.args) {
        (_, Args::HeadedBlock(_)) => head(&node.words),
        (_, Args::Words(..)) if keyword.name == "sorry_server" => head(&node.words),
        (_, Args::Words(..)) if keyword.name == "smtp_server" => named(&["(host)", "(port)"], &node.words),
        (_, Args::Custom) => custom(keyword.name, &node.words),
        (value, args) => typed(args, value),
    };
    let idle = match keyword.standing {
        // Off and 0 are how things are without the keyword.
        _ if matches!(node.value, Value::Switch(false) | Value::Int(0) | Value::Micros(0)) => None,
        Standing::NotYet(why) => Some(Idle { word: keyword.name, why }),
        _ => None,
    };
    let body = match (&node.body, keyword.args.block()) {
        (Body::Block(nodes), Some(_)) => setting::Body::Block(block(nodes)),
        (Body::Lines(lines), Some(inner)) => setting::Body::Lines(items(keyword.name, inner, lines)),
        _ => setting::Body::None,
    };
    Setting { keyword: keyword.name, value, body, idle }
}

fn items(keyword: &str, inner: &'static Block, lines: &[Line]) -> Vec<Setting> {
    let mut settings: Vec<Setting> =
        lines::values(keyword, inner, lines).into_iter().map(|value| Setting::new("", value)).collect();
    for setting in &mut settings {
        let setting::Value::Options(options) = &setting.value else { continue };
        setting.idle = options.iter().find_map(|(name, _)| match inner.find(name)?.standing {
            Standing::NotYet(why) => Some(Idle { word: name, why }),
            _ => None,
        });
    }
    settings
}

fn text(word: &Word) -> setting::Value {
    setting::Value::Text(word.text.clone())
}

/// A number that was judged.
fn number(word: &Word) -> setting::Value {
    match int(word, "", i64::MIN, i64::MAX) {
        Ok(number) => setting::Value::Number(number.into()),
        Err(_) => text(word),
    }
}

/// `IPADDR [PORT]`, `fwmark NUMBER` or `group NAME`
fn head(words: &[Word]) -> setting::Value {
    let (names, words) = match words {
        [first, rest @ ..] if first.text == "fwmark" => (["fwmark", ""], rest),
        [first, rest @ ..] if first.text == "group" => (["group", ""], rest),
        _ => (["(address)", "(port)"], words),
    };
    named(&names, words)
}

/// Words with these names, ports and marks as numbers.
fn named(names: &[&'static str], words: &[Word]) -> setting::Value {
    let value = |name: &str, word| if matches!(name, "fwmark" | "(port)") { number(word) } else { text(word) };
    setting::Value::Options(names.iter().zip(words).map(|(name, word)| (*name, value(name, word))).collect())
}

/// The keywords that the lowering takes apart by itself.
fn custom(keyword: &str, words: &[Word]) -> setting::Value {
    let list = || setting::Value::List(words.iter().map(text).collect());
    match keyword {
        "lvs_timeouts" => {
            let name = |word: &Word| ["tcp", "tcpfin", "udp"].into_iter().find(|name| *name == word.text);
            let pairs = words.chunks(2).filter_map(|pair| Some((name(pair.first()?)?, number(pair.get(1)?))));
            setting::Value::Options(pairs.collect())
        }
        "lvs_method" | "sorry_server_lvs_method" => {
            let mut options = vec![];
            let mut words = words.iter();
            while let Some(word) = words.next() {
                match word.text.as_str() {
                    "type" => options.extend(words.next().map(|word| ("type", text(word)))),
                    "port" => options.extend(words.next().map(|word| ("port", number(word)))),
                    _ if options.is_empty() => options.push(("(method)", text(word))),
                    _ => options.push(("(checksum)", text(word))),
                }
            }
            setting::Value::Options(options)
        }
        _ => list(),
    }
}
