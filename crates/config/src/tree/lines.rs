//! Lines of value blocks that nothing acts on yet: routes, rules, static addresses. Checked, so that a mistake shows
//! before the day they act.

use super::{Parser, nearest};
use crate::diag::{Code, Report};
use crate::keyword::{Block, ENCAP, NEXTHOP};
use crate::lex::words::{Line, Word};
use crate::value;

impl Parser<'_> {
    /// Checks the lines of a keyword's block that `lower` does not read.
    pub(super) fn check_lines(&mut self, keyword: &'static str, block: &'static Block, lines: &[Line]) {
        for line in lines {
            let result = match keyword {
                "track_file" | "track_process" | "track_bfd" => options(&[block], &line.words[1..]),
                "linkbeat_interfaces" => {
                    value::device(&line.words[0], keyword).and_then(|_| options(&[block], &line.words[1..]))
                }
                "interface_up_down_delays" => delays(&line.words),
                "static_routes" | "virtual_routes" => route(block, &line.words),
                "static_rules" | "virtual_rules" => options(&[block], &line.words),
                "static_ipaddress" => {
                    value::prefix(&line.words[0], "address").and_then(|_| options(&[block], &line.words[1..]))
                }
                _ => Ok(()),
            };
            if let Err(report) = result {
                self.findings.push(report);
            }
        }
    }
}

/// Words that are options of the given blocks, each with its value.
fn options(blocks: &[&'static Block], words: &[Word]) -> Result<(), Report> {
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let Some(keyword) = blocks.iter().find_map(|b| b.find(&word.text)) else {
            return Err(unknown(blocks, word));
        };
        i += 1 + super::arguments::option(keyword, &words[i..])?;
    }
    Ok(())
}

/// An interface and one or two times: `eth0 2.5 1`.
fn delays(words: &[Word]) -> Result<(), Report> {
    value::device(&words[0], "interface")?;
    for word in words.iter().skip(1).take(2) {
        value::decimal(word, "delay", 6, 0, 255_000_000)?;
    }
    match words {
        [_] => Err(Report::error(Code::MissingValue, words[0].at, "the delay is missing").help("IFNAME DOWN [UP]")),
        [_, _, _, extra, ..] => {
            Err(Report::error(Code::BadWord, extra.at, "more than two delays").help("IFNAME DOWN [UP]"))
        }
        _ => Ok(()),
    }
}

/// A route: its destination may stand anywhere, the rest are options.
fn route(block: &'static Block, words: &[Word]) -> Result<(), Report> {
    let blocks = [block, &NEXTHOP, &ENCAP];
    let mut destination = None;
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let known = blocks.iter().find_map(|b| b.find(&word.text));
        match known {
            Some(keyword) => {
                if matches!(word.text.as_str(), "default" | "any" | "all" | "default6") {
                    destination = Some(word);
                }
                if keyword.usage.contains("PREFIX") && keyword.name != "from" {
                    destination = Some(word);
                }
                i += 1 + super::arguments::option(keyword, &words[i..])?;
            }
            None if destination.is_none() => {
                if !word.text.contains(['.', ':', '/']) {
                    return Err(unknown(&blocks, word));
                }
                value::prefix(word, "destination")?;
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
        _ => Ok(()),
    }
}

fn unknown(blocks: &[&'static Block], word: &Word) -> Report {
    let title = blocks.first().map_or_else(String::new, |b| b.title());
    let report = Report::error(Code::BadWord, word.at, format!("`{}` is not an option of {title}", word.text));
    match nearest(&word.text, blocks.iter().flat_map(|b| b.rows()).map(|k| k.name)) {
        Some(near) => report.help(format!("did you mean `{near}`?")),
        None => report,
    }
}
