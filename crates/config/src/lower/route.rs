//! One line of `virtual_routes` or `static_routes`.

use super::iproute::Names;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::form;
use crate::keyword::Block;
use crate::lex::words::{Line, Word};
use crate::routing::{Encap, Guard, Hop, Network, Order, PROTOCOL, Route, RouteType, Table, Tunnel};
use crate::setting::Value;
use crate::source::Place;
use crate::tree::line_options;
use std::collections::BTreeMap;
use std::net::IpAddr;
use vipd_vrrp::settings::Family;

/// `RTAX_*` (linux/rtnetlink.h) by the words for them.
const METRICS: [(&str, u16); 15] = [
    ("mtu", 2),
    ("window", 3),
    ("rtt", 4),
    ("rttvar", 5),
    ("ssthresh", 6),
    ("cwnd", 7),
    ("advmss", 8),
    ("reordering", 9),
    ("hoplimit", 10),
    ("initcwnd", 11),
    ("features", 12),
    ("rto_min", 13),
    ("initrwnd", 14),
    ("quickack", 15),
    ("fastopen_no_cookie", 17),
];
/// `RTAX_LOCK`: bits of those that the kernel must not change; `RTAX_CC_ALGO` is another one with a bit.
const LOCK: u16 = 1;
const CONGESTION: u16 = 16;
/// `RTAX_FEATURE_ECN`
const ECN: u32 = 1;
/// What a time may be, in milliseconds.
const TIMES: std::ops::RangeInclusive<u64> = 200..=120_000;

/// What a line, or a part of it, says.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) options: &'a [(&'static str, Value)],
    pub(super) words: &'a [Word],
}

impl<'a> Said<'a> {
    /// The last of these options: what is said later counts.
    pub(super) fn last(self, names: &[&str]) -> Option<(&'static str, &'a Value)> {
        let found = self.options.iter().rev().find(|(name, _)| names.contains(name));
        found.map(|(name, value)| (*name, value))
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.last(&[name]).is_some()
    }

    pub(super) fn address(self, name: &str) -> Option<IpAddr> {
        match self.last(&[name])?.1 {
            Value::Address(address) => Some(*address),
            _ => None,
        }
    }

    pub(super) fn text(self, names: &[&str]) -> Option<String> {
        match self.last(names)?.1 {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number<T: TryFrom<i128>>(self, names: &[&str]) -> Option<T> {
        match self.last(names)?.1 {
            Value::Number(number) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Where an option stands; else the whole line.
    pub(super) fn at(self, name: &str) -> Place {
        let found = self.words.iter().rev().find(|word| word.text == name).map(|word| word.at);
        let whole = || Some(self.words.first()?.at.to(self.words.last()?.at));
        found.or_else(whole).unwrap_or(Place::NOWHERE)
    }
}

/// `no_track`
pub(super) fn guard(said: Said<'_>) -> Guard {
    if said.has("no_track") { Guard::LetGo } else { Guard::PutBack }
}

/// The family of an address.
fn of(address: IpAddr) -> Family {
    Family::of(address)
}

/// The unspecified address of a family.
pub(super) fn any(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([0; 4]),
        Family::V6 => IpAddr::from([0; 16]),
    }
}

/// An address without the bits beyond its prefix.
pub(super) fn masked((address, length): Network) -> Network {
    let address = match address {
        IpAddr::V4(a) => {
            IpAddr::from((u32::from(a) & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_be_bytes())
        }
        IpAddr::V6(a) => {
            IpAddr::from((u128::from(a) & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)).to_be_bytes())
        }
    };
    (address, length)
}

impl Lower<'_> {
    /// The route on a line; `None` if it can't be used, which was told.
    pub(super) fn route(&mut self, keyword: &str, block: &'static Block, line: &Line) -> Option<Route> {
        // What is wrong with a single word was told when the file was read.
        let options = line_options(keyword, block, &line.words).ok()?;
        let said = Said { options: &options, words: &line.words };
        let kind = self.kind(said)?;
        let (destination, family) = self.destination(said)?;
        let source = self.source_of(said, family)?;
        let hops = self.hops(said, kind, family)?;
        let (metrics, congestion) = self.metrics(said);
        let preferred = said.address("src");
        if let Some(address) = preferred.filter(|a| of(*a) != family) {
            let message = format!("`src {address}` is of another family than the route");
            self.push(Report::error(Code::WrongFamily, said.at("src"), message));
            return None;
        }
        for word in ["expires", "pref"] {
            if said.has(word) && family == Family::V4 {
                self.push(Report::error(Code::WrongFamily, said.at(word), format!("`{word}` is for IPv6 routes")));
                return None;
            }
        }
        if said.has("as") {
            let message = "`as` has no use: it is for MPLS routes, which this language can't write";
            self.push(Report::lint(Code::Obsolete, said.at("as"), message));
        }
        let table = match (said.text(&["vrf"]), said.last(&["table"])) {
            (Some(vrf), _) => Table::Vrf(vrf),
            (None, Some((_, value))) => match self.named(Names::Tables, value, said.at("table"))? {
                0 => Table::Number(254), // RT_TABLE_UNSPEC: the kernel takes the main one
                table => Table::Number(table),
            },
            (None, None) if kind == RouteType::Local => Table::Number(255),
            (None, None) => Table::Number(254),
        };
        let scope = match said.last(&["scope"]) {
            Some((_, value)) => self.named(Names::Scopes, value, said.at("scope"))?,
            // What the kernel asks of these, and `ip route` takes.
            None if family == Family::V6 => 0,
            None if kind == RouteType::Local => 254,
            None if matches!(kind, RouteType::Broadcast | RouteType::Anycast) => 253,
            None => 0,
        };
        Some(Route {
            destination,
            source,
            kind,
            table,
            tos: narrow(self.tos(said)?.into()),
            protocol: self.maker(said)?,
            scope: narrow(scope.into()),
            metric: said.number(&["metric", "priority", "preference"]).unwrap_or(0),
            preferred,
            hops,
            metrics,
            congestion,
            preference: match said.last(&["pref"]) {
                Some((_, value)) => Some(narrow(self.named(Names::Preferences, value, said.at("pref"))?.into())),
                None => None,
            },
            expires: said.number(&["expires"]),
            ttl_propagate: said.text(&["ttl-propagate"]).map(|word| word == "enabled"),
            order: match said.last(&["add", "append", "prepend"]) {
                Some(("add", _)) => Order::Alone,
                Some(("append", _)) => Order::Behind,
                _ => Order::Before,
            },
            guard: guard(said),
        })
    }

    /// `tos`
    pub(super) fn tos(&mut self, said: Said<'_>) -> Option<u32> {
        match said.last(&["tos", "dsfield"]) {
            Some((word, value)) => self.named(Names::Services, value, said.at(word)),
            None => Some(0),
        }
    }

    /// `protocol`: what is guarded must be known as this daemon's.
    pub(super) fn maker(&mut self, said: Said<'_>) -> Option<u8> {
        let Some((_, value)) = said.last(&["protocol"]) else { return Some(PROTOCOL) };
        let protocol = narrow(self.named(Names::Protocols, value, said.at("protocol"))?.into());
        if protocol != PROTOCOL && guard(said) == Guard::PutBack {
            let message = format!("only with protocol {PROTOCOL} (keepalived) it is known again and put back");
            let report = Report::warning(Code::Adjusted, said.at("protocol"), message);
            self.push(report.label(format!("{PROTOCOL} is taken")).help("`no_track` leaves the protocol as it is"));
            return Some(PROTOCOL);
        }
        Some(protocol)
    }

    fn kind(&mut self, said: Said<'_>) -> Option<RouteType> {
        if let Some(word) = ["nat", "xresolve"].into_iter().find(|word| said.has(word)) {
            let message = format!("the kernel has no routes of type `{word}`");
            self.push(Report::error(Code::Refused, said.at(word), message));
            return None;
        }
        let last = said.last(&RouteType::WORDS.map(|(word, _)| word)).map(|(word, _)| word);
        let known = RouteType::WORDS.iter().find(|(word, _)| Some(*word) == last);
        Some(known.map_or(RouteType::Unicast, |(_, kind)| *kind))
    }

    /// Where it leads, and its family.
    fn destination(&mut self, said: Said<'_>) -> Option<(Network, Family)> {
        let forced = match said.last(&["inet", "inet6"]) {
            Some(("inet", _)) => Some(Family::V4),
            Some(_) => Some(Family::V6),
            None => None,
        };
        let types = RouteType::WORDS.map(|(word, _)| word);
        let names: Vec<&str> =
            types.into_iter().chain(["to", "(destination)", "default", "any", "all", "default6"]).collect();
        let (word, value) = said.last(&names)?;
        if let Value::Network(address, length) = value {
            let family = of(*address);
            if forced.is_some_and(|forced| forced != family) {
                let message = format!("{address} is of another family than the line says");
                self.push(Report::error(Code::WrongFamily, said.at(""), message));
                return None;
            }
            let network = masked((*address, *length));
            if network.0 != *address && family == Family::V4 {
                let message = format!("{address}/{length} has bits beyond its prefix: the kernel refuses such a route");
                self.push(
                    Report::error(Code::BadAddress, said.at(""), message).help(format!("{}/{length}", network.0)),
                );
                return None;
            }
            return Some((network, family));
        }
        let hint = ["src", "via", "gw", "or"].iter().find_map(|word| said.address(word)).map(of);
        let hop = || {
            let (_, hop) = said.last(&["nexthop"])?;
            let Value::Options(options) = hop else { return None };
            Said { options, words: said.words }.address("via").map(of)
        };
        let deprecated = (word == "default6").then_some(Family::V6);
        let family = deprecated.or(forced).or(hint).or_else(hop).unwrap_or(Family::V4);
        Some(((any(family), 0), family))
    }

    /// `from`; the outer `None` if it can't be used.
    #[allow(clippy::option_option)] // which was told, or is not there
    fn source_of(&mut self, said: Said<'_>, family: Family) -> Option<Option<Network>> {
        let Some((_, value)) = said.last(&["from"]) else { return Some(None) };
        let Value::Network(address, length) = value else { return Some(None) };
        if family == Family::V4 || of(*address) != family {
            let report = Report::error(Code::WrongFamily, said.at("from"), "`from` is for IPv6 routes");
            self.push(report.help("over IPv4, a rule with `from` leads to a table of its own"));
            return None;
        }
        Some(Some(masked((*address, *length))).filter(|(_, length)| *length > 0))
    }

    fn hops(&mut self, said: Said<'_>, kind: RouteType, family: Family) -> Option<Vec<Hop>> {
        let listed = said.options.iter().filter_map(|(name, value)| match value {
            Value::Options(options) if *name == "nexthop" => Some(Said { options, words: said.words }),
            _ => None,
        });
        let listed: Vec<Said<'_>> = listed.collect();
        let single = self.hop(said, &["via", "gw"])?;
        let second = said.address("or");
        let way = ["via", "gw", "dev", "oif", "or", "nexthop", "encap"].into_iter().find(|word| said.has(word));
        if let Some(word) = way.filter(|_| kind.ends() && family == Family::V4) {
            let message = format!("packets go no further by this route: `{word}` has no meaning for it");
            self.push(Report::error(Code::BadWord, said.at(word), message));
            return None;
        }
        if !listed.is_empty() {
            if let Some(word) = ["via", "gw", "or", "encap"].into_iter().find(|word| said.has(word)) {
                let message = format!("`{word}` and `nexthop` exclude each other");
                let report = Report::error(Code::Repeated, said.at(word), message);
                self.push(report.help("each next hop has a gateway of its own"));
                return None;
            }
            let mut hops = Vec::new();
            for one in listed {
                if one.has("as") {
                    let message = "`as` is for MPLS routes, which can't be written here";
                    self.push(Report::error(Code::Refused, said.at("as"), message));
                    return None;
                }
                let hop = self.hop(one, &["via"])?;
                // What the line says of all of them.
                let device = hop.device.clone().or_else(|| single.device.clone());
                hops.push(Hop {
                    device,
                    onlink: hop.onlink || single.onlink,
                    realms: hop.realms.or(single.realms),
                    ..hop
                });
            }
            return Some(hops);
        }
        if let Some(gateway) = second {
            let Some(first) = single.gateway else {
                self.push(Report::error(Code::Missing, said.at("or"), "`or` without `via`: there is no first gateway"));
                return None;
            };
            let report = Report::lint(Code::Obsolete, said.at("or"), "`or` is an old way to write two next hops");
            self.push(report.help(format!("nexthop via {first} nexthop via {gateway}")));
            return Some(vec![single.clone(), Hop { gateway: Some(gateway), ..single }]);
        }
        let is_way = single.gateway.is_some() || single.device.is_some() || single.realms.is_some();
        Some(if is_way || single.encap.is_some() { vec![single] } else { Vec::new() })
    }

    /// A way, by what a line or a `nexthop` says.
    fn hop(&mut self, said: Said<'_>, gateway: &[&str]) -> Option<Hop> {
        Some(Hop {
            gateway: gateway.iter().find_map(|word| said.address(word)),
            device: said.text(&["dev", "oif"]),
            weight: said.number(&["weight"]).unwrap_or(1),
            onlink: said.has("onlink"),
            realms: match said.last(&["realms"]) {
                Some((_, value)) => Some(self.realms(value, said.at("realms"))?),
                None => None,
            },
            encap: match said.last(&["encap"]) {
                Some((_, Value::Options(options))) => Some(self.encap(Said { options, words: said.words })?),
                _ => None,
            },
        })
    }

    fn encap(&mut self, said: Said<'_>) -> Option<Encap> {
        if let Some(labels) = said.text(&["mpls"]) {
            let labels = labels.split('/').filter_map(|label| u32::try_from(form::number(label)?).ok());
            return Some(Encap::Mpls(labels.collect()));
        }
        if let Some(locator) = said.text(&["ila"]) {
            let groups = locator.split(':').filter_map(|group| u64::from_str_radix(group, 16).ok());
            return Some(Encap::Ila(groups.fold(0, |all, group| all << 16 | group)));
        }
        let Some((outer, _)) = said.last(&["ip", "ip6"]) else {
            let report = Report::error(Code::MissingValue, said.at("encap"), "`encap` needs the kind of tunnel");
            self.push(report.help("one of: ip, ip6, mpls, ila"));
            return None;
        };
        let (family, service, limit) = match outer {
            "ip" => (Family::V4, "tos", "ttl"),
            _ => (Family::V6, "tc", "hoplimit"),
        };
        for end in ["dst", "src"] {
            if said.address(end).is_some_and(|address| of(address) != family) {
                let message = format!("`encap {outer}`: `{end}` is of another family");
                self.push(Report::error(Code::WrongFamily, said.at(end), message));
                return None;
            }
        }
        let strange = if outer == "ip" { ["tc", "hoplimit"] } else { ["tos", "ttl"] };
        if let Some(word) = strange.into_iter().find(|word| said.has(word)) {
            let message = format!("`{word}` is not an option of `encap {outer}`");
            self.push(Report::error(Code::BadWord, said.at(word), message));
            return None;
        }
        let tunnel = Tunnel {
            id: said.number(&["id"]),
            destination: said.address("dst"),
            source: said.address("src"),
            tos: match said.last(&[service]) {
                Some((_, value)) => Some(narrow(self.named(Names::Services, value, said.at(service))?.into())),
                None => None,
            },
            ttl: said.number(&[limit]),
            flags: said.number(&["flags"]),
        };
        if tunnel.id.is_none() && tunnel.destination.is_none() {
            let message = format!("`encap {outer}` needs `dst` or `id`");
            self.push(Report::error(Code::Missing, said.at("encap"), message));
            return None;
        }
        Some(if outer == "ip" { Encap::Ip(tunnel) } else { Encap::Ip6(tunnel) })
    }

    /// What concerns connections by this route, and their congestion control.
    fn metrics(&mut self, said: Said<'_>) -> (BTreeMap<u16, u32>, Option<String>) {
        let mut metrics = BTreeMap::new();
        let mut locked = 0;
        for (word, kind) in METRICS {
            let Some((_, value)) = said.last(&[word]) else { continue };
            let value = unlocked(value, kind, &mut locked);
            let number = match value {
                Value::Number(number) => u32::try_from(*number).ok(),
                Value::Text(text) if word == "features" => (text == "ecn").then_some(ECN),
                Value::Text(text) if matches!(word, "rtt" | "rttvar" | "rto_min") => self.time(said, word, text),
                Value::Text(text) => text.parse().ok(),
                _ => None,
            };
            metrics.extend(number.map(|number| (kind, number)));
        }
        let congestion =
            said.last(&["congctl"]).and_then(|(_, value)| match unlocked(value, CONGESTION, &mut locked) {
                Value::Text(name) => Some(name.clone()),
                _ => None,
            });
        if locked != 0 {
            metrics.insert(LOCK, locked);
        }
        (metrics, congestion)
    }

    /// A time in the kernel's unit: `rtt` in eighths of a millisecond, `rttvar` in quarters.
    fn time(&mut self, said: Said<'_>, word: &str, text: &str) -> Option<u32> {
        let scale = match word {
            "rtt" => 8,
            "rttvar" => 4,
            _ => 1,
        };
        let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(digits), _) => (digits, scale),
            (None, Some(digits)) => (digits, 1000 * scale),
            (None, None) => (text, 1),
        };
        let given = digits.parse::<u64>().ok()?.saturating_mul(unit);
        let (least, most) = (TIMES.start() * scale, TIMES.end() * scale);
        let taken = given.clamp(least, most);
        if taken != given {
            let message = format!("`{word}` is {} ms: a route has 200 ms to 120 s", given / scale);
            let report = Report::warning(Code::Adjusted, said.at(word), message);
            self.push(report.label(format!("{} ms is taken", taken / scale)));
        }
        u32::try_from(taken).ok()
    }
}

/// The value behind `lock`, which is noted.
fn unlocked<'a>(value: &'a Value, kind: u16, locked: &mut u32) -> &'a Value {
    match value {
        Value::Options(options) => {
            *locked |= 1 << kind;
            options.last().map_or(value, |(_, value)| value)
        }
        _ => value,
    }
}
