//! Lines of value blocks: each an item with options. Those of routes and rules are taken
//! apart here, and `lower` makes of them what they mean; it reads and judges the others by itself.

use super::{Parser, nearest};
use crate::diag::{Code, Report};
use crate::form;
use crate::keyword::{Args, Block, ENCAP, NEXTHOP};
use crate::lex::words::{Line, Word};
use crate::setting::Value;
use crate::value;

/// Values with their names.
pub(crate) type Options = Vec<(&'static str, Value)>;

impl Parser<'_> {
    /// Checks the lines of a keyword's block that `lower` does not read.
    pub(super) fn check_lines(&mut self, keyword: &'static str, block: &'static Block, lines: &[Line]) {
        let checked = [
            "linkbeat_interfaces",
            "interface_up_down_delays",
            "static_routes",
            "virtual_routes",
            "static_rules",
            "virtual_rules",
            "heartbeat_paths",
        ];
        if !checked.contains(&keyword) {
            return;
        }
        for line in lines {
            if let Err(report) = item(keyword, block, &line.words) {
                self.findings.push(report);
            }
        }
    }
}

/// The item of one line.
pub(crate) fn item(keyword: &str, block: &'static Block, words: &[Word]) -> Result<Options, Report> {
    let head = |name: &'static str, value: Value| -> Result<Options, Report> {
        Ok(std::iter::once((name, value)).chain(options(&[block], &words[1..])?).collect())
    };
    let first = &words[0];
    match keyword {
        "linkbeat_interfaces" | "track_interface" | "heartbeat_paths" => {
            head("(interface)", Value::Text(value::device(first, keyword)?))
        }
        "static_ipaddress" | "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
            let (address, length) = value::prefix(first, "address")?;
            head("(address)", Value::Network(address, length))
        }
        "unicast_peer" => head("(address)", Value::Text(first.text.clone())),
        "interface_up_down_delays" => delays(words),
        "static_routes" | "virtual_routes" => route(block, words),
        "static_rules" | "virtual_rules" => options(&[block], words),
        "virtual_server_group" => entry(words),
        // track_script, track_file, track_process, track_bfd
        _ => head("(name)", Value::Text(first.text.clone())),
    }
}

/// What the lines of a block that was found fine say, a value for each: names, any number on a line, or items.
pub(super) fn values(keyword: &str, block: &'static Block, lines: &[Line]) -> Vec<Value> {
    if matches!(keyword, "group" | "interfaces" | "notification_email") {
        return lines.iter().flat_map(|line| &line.words).map(|word| Value::Text(word.text.clone())).collect();
    }
    // One that is wrong was told where it is read, and nothing comes of the file.
    lines.iter().filter_map(|line| item(keyword, block, &line.words).ok()).map(Value::Options).collect()
}

/// Words that are options of the given blocks, each with its value.
fn options(blocks: &[&'static Block], words: &[Word]) -> Result<Options, Report> {
    let mut found = Vec::new();
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let Some(keyword) = blocks.iter().find_map(|b| b.find(&word.text)) else {
            return Err(unknown(blocks, word));
        };
        let (used, value) = match (keyword.args, words.get(i + 1)) {
            // `reverse` is an option of its own here.
            (Args::Weight(least, most), Some(number)) => {
                (1, Value::Number(value::int(number, "`weight`", least, most)?.into()))
            }
            _ => super::arguments::option(keyword, &words[i..])?,
        };
        found.push((keyword.name, value));
        i += 1 + used;
    }
    Ok(found)
}

/// An interface and one or two times: `eth0 2.5 1`.
fn delays(words: &[Word]) -> Result<Options, Report> {
    let mut found = vec![("(interface)", Value::Text(value::device(&words[0], "interface")?))];
    for (name, word) in ["(down)", "(up)"].into_iter().zip(words.iter().skip(1)) {
        found.push((name, Value::Seconds(value::decimal(word, "delay", 6, 0, 255_000_000)?.0)));
    }
    match words {
        [_] => Err(Report::error(Code::MissingValue, words[0].at, "the delay is missing").help("IFNAME DOWN [UP]")),
        [_, _, _, extra, ..] => {
            Err(Report::error(Code::BadWord, extra.at, "more than two delays").help("IFNAME DOWN [UP]"))
        }
        _ => Ok(found),
    }
}

/// An entry of a `virtual_server_group`: addresses with a port, or a mark.
fn entry(words: &[Word]) -> Result<Options, Report> {
    let text = |word: &Word| Value::Text(word.text.clone());
    let names = if words[0].text == "fwmark" { ["fwmark", "(family)"] } else { ["(address)", "(port)"] };
    let words = if words[0].text == "fwmark" { &words[1..] } else { words };
    let number = |word: &Word| Ok(Value::Number(value::int(word, "number", 0, i64::from(u32::MAX))?.into()));
    names
        .into_iter()
        .zip(words)
        .map(|(name, word)| match name {
            "fwmark" | "(port)" => Ok((name, number(word)?)),
            _ => Ok((name, text(word))),
        })
        .collect()
}

/// A route: its destination may stand anywhere, the rest are options. What stands behind `nexthop` belongs to it, and
/// what stands behind `encap` as well.
fn route(block: &'static Block, words: &[Word]) -> Result<Options, Report> {
    let blocks = [block, &NEXTHOP, &ENCAP];
    let (mut found, mut hops): (Options, Vec<Options>) = (Vec::new(), Vec::new());
    let mut destination = None;
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let here = hops.last_mut().unwrap_or(&mut found);
        let tunnel = match here.last_mut() {
            Some(("encap", Value::Options(tunnel))) => Some(tunnel).filter(|_| ENCAP.find(&word.text).is_some()),
            _ => None,
        };
        let known = match tunnel {
            Some(_) => ENCAP.find(&word.text),
            None => blocks.iter().find_map(|b| b.find(&word.text)),
        };
        match known {
            // `to blackhole 192.0.2.0/24`
            Some(keyword) if keyword.name == "to" && words.get(i + 1).is_some_and(|next| is_type(block, next)) => {
                i += 1
            }
            Some(keyword) => {
                if matches!(word.text.as_str(), "default" | "any" | "all" | "default6") {
                    destination = Some(word);
                }
                if keyword.usage.contains("PREFIX") && keyword.name != "from" {
                    destination = Some(word);
                }
                let (used, value) = super::arguments::option(keyword, &words[i..])?;
                i += 1 + used;
                match (keyword.name, tunnel) {
                    (name, Some(tunnel)) => tunnel.push((name, value)),
                    ("nexthop", None) => hops.push(Vec::new()),
                    ("encap", None) => here.push(("encap", Value::Options(Vec::new()))),
                    (name, None) => here.push((name, value)),
                }
            }
            None if destination.is_none() => {
                if !word.text.contains(['.', ':', '/']) {
                    return Err(unknown(&blocks, word));
                }
                value::prefix(word, "destination")?;
                found.push(("(destination)", form::network(&word.text)));
                destination = Some(word);
                i += 1;
            }
            None => return Err(unknown(&blocks, word)),
        }
    }
    match (destination, words.first()) {
        (None, Some(first)) => {
            let place = first.at.to(words[words.len() - 1].at);
            Err(Report::error(Code::Missing, place, "this route has no destination"))
        }
        _ => {
            found.extend(hops.into_iter().map(|hop| ("nexthop", Value::Options(hop))));
            Ok(found)
        }
    }
}

/// Whether a word is a type of routes, which stands before the destination.
fn is_type(block: &'static Block, word: &Word) -> bool {
    block
        .find(&word.text)
        .is_some_and(|keyword| keyword.usage == format!("{} PREFIX", keyword.name) && keyword.name != "from")
}

fn unknown(blocks: &[&'static Block], word: &Word) -> Report {
    let title = blocks.first().map_or_else(String::new, |b| b.title());
    let report = Report::error(Code::BadWord, word.at, format!("`{}` is not an option of {title}", word.text));
    match nearest(&word.text, blocks.iter().flat_map(|b| b.rows()).map(|k| k.name)) {
        Some(near) => report.help(format!("did you mean `{near}`?")),
        None => report,
    }
}
