//! Settings as JSON, nested by block. A keyword that may stand more than once, or names what it is about, gives an array;
//! any other one value. The schema of this is made from the keyword table.

use super::{Body, HIDDEN, Setting, Value};
use crate::keyword::{Block, ROOT};
use serde_json::{Map, Value as Json};

/// Blocks that stand for one thing: given again, their words add up.
const ONCE: &[&str] = &["global_defs", "SSL", "authentication", "auth_hmac"];
/// Keywords without a block that may stand more than once.
const AGAIN: &[(&str, &str)] =
    &[("vrrp_instance/auth_hmac", "key"), ("garp_group", "interface"), ("virtual_server/servers_from_dns", "resolver")];
/// The same where each has several words: all together are one list.
const LISTS: &[&str] = &["status_code", "include_check"];

/// How often a keyword counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Count {
    /// Once.
    One,
    /// As often as it is given.
    Many,
}

/// How often a keyword of a block counts.
pub(crate) fn count(block: &Block, keyword: &str) -> Count {
    let row = block.find(keyword);
    let braces = row.is_some_and(|row| row.args.block().is_some());
    let many = if braces { !ONCE.contains(&keyword) } else { AGAIN.contains(&(block.path, keyword)) };
    if many { Count::Many } else { Count::One }
}

/// The whole configuration as one object.
pub fn json(settings: &[Setting]) -> Json {
    Json::Object(object(Map::new(), settings, &ROOT))
}

fn object(mut map: Map<String, Json>, settings: &[Setting], block: &Block) -> Map<String, Json> {
    for setting in settings {
        let keyword = setting.keyword;
        let inner = block.find(keyword).and_then(|row| row.args.block());
        let value = match (&setting.body, inner) {
            (Body::Block(settings), Some(inner)) => {
                let mut head = match map.get_mut(keyword) {
                    Some(Json::Object(earlier)) => std::mem::take(earlier),
                    _ => Map::new(),
                };
                match &setting.value {
                    Value::Text(name) => drop(head.insert("name".to_owned(), Json::from(name.as_str()))),
                    Value::Options(options) => head.extend(pairs(options)),
                    _ => {}
                }
                Json::Object(object(head, settings, inner))
            }
            (Body::Lines(lines), _) => {
                let lines: Vec<Json> = lines.iter().map(|line| value(&line.value)).collect();
                match &setting.value {
                    Value::Text(name) => {
                        let head = [("name".to_owned(), Json::from(name.as_str())), ("lines".to_owned(), lines.into())];
                        Json::Object(head.into_iter().collect())
                    }
                    _ => {
                        // The lines of all blocks of that name are one list.
                        extend(&mut map, keyword, lines);
                        continue;
                    }
                }
            }
            (Body::Block(_) | Body::None, _) => value(&setting.value),
        };
        match (value, count(block, keyword)) {
            (Json::Array(more), _) if LISTS.contains(&keyword) => extend(&mut map, keyword, more),
            (value, Count::Many) => extend(&mut map, keyword, vec![value]),
            (value, Count::One) => drop(map.insert(keyword.to_owned(), value)),
        }
    }
    map
}

fn extend(map: &mut Map<String, Json>, keyword: &str, more: Vec<Json>) {
    if let Json::Array(list) = map.entry(keyword).or_insert_with(|| Json::Array(Vec::new())) {
        list.extend(more);
    }
}

/// Named values. A name that may come more than once has a list: hops of a route, peers behind an interface.
fn pairs(options: &[(&'static str, Value)]) -> Map<String, Json> {
    let mut map = Map::new();
    let path = options.first().is_some_and(|(first, _)| *first == "(interface)");
    for (name, option) in options {
        let name = name.trim_matches(['(', ')']);
        match name {
            "nexthop" => extend(&mut map, name, vec![value(option)]),
            "peer" if path => extend(&mut map, name, vec![value(option)]),
            _ => drop(map.insert(name.to_owned(), value(option))),
        }
    }
    map
}

fn value(value: &Value) -> Json {
    match value {
        Value::Flag(on) | Value::Switch(on) => Json::from(*on),
        Value::Number(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => Json::from(number),
            (_, Ok(number)) => Json::from(number),
            _ => Json::from(number.to_string()),
        },
        Value::Seconds(micros) => fraction(*micros, 1_000_000),
        Value::Millis(micros) => fraction(*micros, 1_000),
        Value::Mode(mode) => Json::from(*mode),
        Value::Text(text) | Value::Pattern(text) => Json::from(text.as_str()),
        Value::Address(_) | Value::Network(..) => Json::from(value.to_string()),
        Value::Weight { weight, reverse } => serde_json::json!({ "weight": weight, "reverse": reverse }),
        Value::Command { text, user } => {
            let mut map = Map::new();
            map.insert("command".to_owned(), Json::from(text.as_str()));
            for (name, word) in ["user", "group"].into_iter().zip(user) {
                map.insert(name.to_owned(), Json::from(word.as_str()));
            }
            Json::Object(map)
        }
        Value::Secret(_) => Json::from(HIDDEN),
        Value::List(values) => Json::Array(values.iter().map(self::value).collect()),
        Value::Options(options) => Json::Object(pairs(options)),
    }
}

/// A whole number where it is one.
fn fraction(micros: u64, unit: u64) -> Json {
    if micros.is_multiple_of(unit) { Json::from(micros / unit) } else { Json::from(micros as f64 / unit as f64) }
}
