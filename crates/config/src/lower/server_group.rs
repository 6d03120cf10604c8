//! `virtual_server_group`: addresses, ranges of them, firewall marks.

use super::{Lower, Named, narrow};
use crate::diag::{Code, Report};
use crate::lex::words::{Line, Word};
use crate::source::Place;
use crate::tree::{Body, Node};
use crate::value;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vipd_lvs::settings::Family;

/// Addresses that one range may stand for.
const MAX_RANGE: u128 = 65_536;

/// One member of a group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Entry {
    Address { address: IpAddr, port: u16 },
    Mark { mark: u32, family: Option<Family> },
}

/// A group's entries, in the order of the file, each once.
#[derive(Clone, Default)]
pub(super) struct ServerGroup {
    pub(super) entries: Vec<Entry>,
}

impl Lower<'_> {
    /// Looks at the lines of a group that nothing uses.
    pub(super) fn check_group(&mut self, node: &Node) {
        if let Body::Lines(lines) = &node.body {
            for line in lines {
                self.take(entries(line));
            }
        }
    }

    /// The entries of a group.
    pub(super) fn server_group(&mut self, groups: &Named<'_>, name: &Word) -> Option<ServerGroup> {
        let Some(node) = groups.find(&name.text) else {
            let message = format!("there is no virtual_server_group `{}`", name.text);
            let report = Report::error(Code::UnknownReference, name.at, message);
            self.push(self.suggest(report, &name.text, groups.names()));
            return None;
        };
        let Body::Lines(lines) = &node.body else {
            return None;
        };
        let mut group = ServerGroup::default();
        let mut seen: HashMap<Entry, Place> = HashMap::new();
        let mut complete = true;
        for line in lines {
            let entries = entries(line);
            let Some(entries) = self.take(entries) else {
                complete = false;
                continue;
            };
            if !self.copy(entries.len(), line.at()) {
                return None;
            }
            for entry in entries {
                if let Some(first) = seen.get(&entry) {
                    let report = Report::warning(Code::Repeated, line.at(), format!("{entry} is in the group twice"));
                    self.push(report.label("ignored").also(*first, "already here"));
                } else {
                    seen.insert(entry, line.at());
                    group.entries.push(entry);
                }
            }
        }
        if group.entries.is_empty() && complete && !self.findings.failed() {
            let message = format!("virtual_server_group `{}` is empty", name.text);
            self.push(Report::error(Code::EmptyService, node.whole(), message).also(name.at, "used here"));
        }
        (!group.entries.is_empty()).then_some(group)
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Entry::Address { address, port } => write!(f, "{address} port {port}"),
            Entry::Mark { mark, .. } => write!(f, "fwmark {mark}"),
        }
    }
}

/// What one line stands for.
fn entries(line: &Line) -> Result<Vec<Entry>, Report> {
    let first = &line.words[0];
    let extra = |from: usize| match line.words.get(from) {
        Some(word) => Err(Report::error(Code::BadWord, word.at, format!("`{}` is not expected here", word.text))
            .help("one entry a line: ADDRESS[-LAST|/LEN] [PORT], or fwmark N [inet|inet6]")),
        None => Ok(()),
    };
    if first.text == "fwmark" {
        let Some(number) = line.words.get(1) else {
            return Err(Report::error(Code::MissingValue, first.at, "`fwmark` needs a number"));
        };
        let mark = narrow(value::int(number, "`fwmark`", 1, i64::from(u32::MAX))?);
        let family = line.words.get(2).map(family).transpose()?;
        extra(3)?;
        return Ok(vec![Entry::Mark { mark, family }]);
    }
    extra(2)?;
    let port = value::port_or_none(line.words.get(1), "port")?;
    Ok(range(first)?.into_iter().map(|address| Entry::Address { address, port }).collect())
}

/// `inet` or `inet6`
pub(super) fn family(word: &Word) -> Result<Family, Report> {
    match word.text.as_str() {
        "inet" => Ok(Family::Inet),
        "inet6" => Ok(Family::Inet6),
        other => Err(value::one_of(word, "family", &["inet", "inet6"], other)),
    }
}

/// `A`, `A-LAST`, `A-B`, `A/LEN`: all addresses of it.
fn range(word: &Word) -> Result<Vec<IpAddr>, Report> {
    let bad = |message: String| Report::error(Code::BadAddress, word.at, message);
    let part = |text: &str| Word { text: text.to_owned(), at: word.at };
    if let Some((head, tail)) = word.text.split_once('-') {
        let start = value::ip(&part(head), "range", crate::keyword::Family::Any)?;
        let end = match (start, tail.parse::<IpAddr>()) {
            (_, Ok(end)) => end,
            (IpAddr::V4(start), Err(_)) => {
                let last =
                    tail.parse::<u8>().map_err(|_| bad(format!("`{tail}` is not a last number from 0 to 255")))?;
                let [a, b, c, _] = start.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, last))
            }
            (IpAddr::V6(start), Err(_)) => {
                let last = u16::from_str_radix(tail, 16)
                    .ok()
                    .filter(|_| !tail.starts_with('+'))
                    .ok_or_else(|| bad(format!("`{tail}` is not a last group from 0 to ffff")))?;
                let mut groups = start.segments();
                groups[7] = last;
                IpAddr::V6(Ipv6Addr::from(groups))
            }
        };
        return span(start, end, word);
    }
    if word.text.contains('/') {
        let (address, length) = value::prefix(word, "range")?;
        let host = match address {
            IpAddr::V4(_) => u32::from(32 - length),
            IpAddr::V6(_) => u32::from(128 - length),
        };
        let mask = 1u128.checked_shl(host).map_or(u128::MAX, |v| v - 1);
        let bits = number(address);
        if bits & mask != 0 {
            let network = address_of(bits & !mask, address);
            let message = format!("{address} is not the first address of a network of length {length}");
            return Err(bad(message).help(format!("write {network}/{length}")));
        }
        return span(address, address_of(bits | mask, address), word);
    }
    Ok(vec![value::ip(word, "address", crate::keyword::Family::Any)?])
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn address_of(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(bits)),
    }
}

fn span(start: IpAddr, end: IpAddr, word: &Word) -> Result<Vec<IpAddr>, Report> {
    if start.is_ipv4() != end.is_ipv4() {
        return Err(Report::error(Code::WrongFamily, word.at, "a range has one family"));
    }
    let (from, to) = (number(start), number(end));
    if to < from {
        let message = format!("this range ends before it starts: {start} to {end}");
        return Err(Report::error(Code::BadAddress, word.at, message));
    }
    if to - from >= MAX_RANGE {
        let message = format!("this range has more than {MAX_RANGE} addresses");
        let report = Report::error(Code::RangeTooLarge, word.at, message);
        return Err(report.help("mark the packets with the firewall, and use `fwmark`"));
    }
    Ok((from..=to).map(|bits| address_of(bits, start)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Option<Vec<String>> {
        let word = Word { text: text.to_owned(), at: Place::NOWHERE };
        Some(range(&word).ok()?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn ranges() {
        assert_eq!(addresses("192.0.2.3-5").unwrap(), ["192.0.2.3", "192.0.2.4", "192.0.2.5"]);
        assert_eq!(addresses("ae00::2-4").unwrap(), ["ae00::2", "ae00::3", "ae00::4"]);
        assert_eq!(addresses("192.0.2.254-192.0.3.1").unwrap().len(), 4);
        assert_eq!(addresses("192.0.2.0/30").unwrap().len(), 4);
        assert_eq!(addresses("192.0.2.7/32").unwrap(), ["192.0.2.7"]);
        assert_eq!(addresses("2001:db8::/126").unwrap().len(), 4);
        assert_eq!(addresses("2001:db8::-ffff").unwrap().len(), 65_536);
    }

    #[test]
    fn impossible_ranges() {
        for bad in [
            "192.0.2.9-3",
            "192.0.2.1-256",
            "192.0.2.1/24",
            "10.0.0.0/8",
            "2001:db8::/64",
            "::/0",
            "a-b",
            "1.2.3.4-::1",
            "::1-+1",
        ] {
            assert!(addresses(bad).is_none(), "{bad}");
        }
    }
}
