//! `servers_from_file` and `servers_from_dns`: where further real servers are found, and what those are like.

use super::service::Target;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::discovery::{Discovery, Lookup, Origin, Records};
use crate::form;
use crate::keyword::Form;
use crate::tree::{Node, Nodes};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vipd_lvs::settings::{Family, Forwarding};

/// Resolvers of one name at most.
const RESOLVERS: usize = 8;

/// What a `min_ttl` and a `max_ttl` are unless given, in seconds.
const MIN_TTL: u64 = 5;
const MAX_TTL: u64 = 3600;

/// The port of name servers.
const DOMAIN: u16 = 53;

/// Whether a virtual server finds real servers somewhere.
pub(super) fn discovers(nodes: &Nodes) -> bool {
    nodes.find("servers_from_file").is_some() || nodes.find("servers_from_dns").is_some()
}

/// The family of a virtual server that only what it asks for tells.
pub(super) fn family_of_records(nodes: &Nodes) -> Option<Family> {
    nodes.all("servers_from_dns").find_map(|node| match node.nodes().text("type") {
        Some("A") => Some(Family::Inet),
        Some("AAAA") => Some(Family::Inet6),
        _ => None,
    })
}

impl Lower<'_> {
    /// Where a virtual server finds real servers.
    pub(super) fn discoveries(
        &mut self,
        nodes: &Nodes,
        target: &Target,
        family: Family,
        port: Option<u16>,
        by: Forwarding,
    ) -> Vec<Discovery> {
        let mut all: Vec<(Discovery, &Node)> = Vec::new();
        for node in nodes.list() {
            let by = match node.keyword.name {
                "servers_from_file" | "servers_from_dns" => self.forwarding(node.nodes(), "lvs_method").unwrap_or(by),
                _ => continue,
            };
            let origin = match node.keyword.name {
                "servers_from_file" => self.listing(node).map(Origin::File),
                _ => self.lookup(node, family, port, by).map(Origin::Dns),
            };
            let unspecified = match family {
                Family::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                Family::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let nowhere = SocketAddr::new(unspecified, 0);
            let (template, told) = self.server(node, nodes, (nowhere, nowhere), by);
            let Some(origin) = origin else { continue };
            if let Some((_, first)) = all.iter().find(|(other, _)| other.origin.is_that_of(&origin)) {
                let message = format!("real servers from {origin} are taken already in this virtual server");
                let report = Report::error(Code::DuplicateServer, node.whole(), message);
                self.push(report.also(first.whole(), "the first one"));
                continue;
            }
            let kept_port = match (by, target) {
                (Forwarding::Nat, _) => None,
                (_, Target::Mark(_)) => Some(0),
                _ => port,
            };
            let allow_empty = node.nodes().on("allow_empty");
            all.push((Discovery { origin, allow_empty, template, kept_port, told }, node));
        }
        all.into_iter().map(|(discovery, _)| discovery).collect()
    }

    fn listing(&mut self, node: &Node) -> Option<PathBuf> {
        let word = node.words.first()?;
        if !Path::new(&word.text).is_absolute() || word.text.ends_with('/') {
            let message = format!("`servers_from_file`: `{}` is not the whole path of a file", word.text);
            self.push(Report::error(Code::BadName, word.at, message).help("such as /etc/vipd/web.servers"));
            return None;
        }
        Some(PathBuf::from(&word.text))
    }

    fn lookup(&mut self, node: &Node, family: Family, port: Option<u16>, by: Forwarding) -> Option<Lookup> {
        let nodes = node.nodes();
        let word = node.words.first()?;
        let name = word.text.strip_suffix('.').unwrap_or(&word.text);
        if name.is_empty()
            || form::judge(word, "`servers_from_dns`", Form::Domain).is_err()
            || !name.bytes().all(|b| b.is_ascii_graphic())
        {
            let message = format!("`servers_from_dns`: `{}` is not a domain name", word.text);
            self.push(Report::error(Code::BadName, word.at, message).help("such as web.example.org"));
            return None;
        }
        let usual = if family == Family::Inet { "A" } else { "AAAA" };
        let kind = nodes.text("type").unwrap_or(usual);
        let said = nodes.int("port").map(narrow::<u16>);
        let type_at = nodes.find("type").map_or(node.at, Node::argument);
        if kind == "SRV" && said.is_some() {
            let at = nodes.find("port").map_or(node.at, |node| node.at);
            let message = "`port` has no place beside `type SRV`: those records say the ports";
            self.push(Report::error(Code::BadWord, at, message).help("take one of the two out"));
        }
        if kind != "SRV" && (kind == "A") != (family == Family::Inet) && !matches!(by, Forwarding::Tun(_)) {
            let message = format!("`type {kind}` gives no servers of the virtual server's address family");
            self.push(Report::error(Code::WrongFamily, type_at, message).help(format!("type {usual}")));
            return None;
        }
        let port = match said.or(port) {
            _ if kind == "SRV" => 0,
            Some(port) if port != 0 => port,
            Some(_) | None => {
                let message = "`servers_from_dns` has no port: the virtual server has no single one that would do";
                self.push(Report::error(Code::MissingValue, node.at, message).help("port PORT"));
                return None;
            }
        };
        let resolvers: Vec<&Node> = nodes.all("resolver").collect();
        if let Some(extra) = resolvers.get(RESOLVERS) {
            let message = format!("one name is asked of {RESOLVERS} resolvers at most");
            self.push(Report::error(Code::OutOfRange, extra.whole(), message));
        }
        let resolver_port = nodes.int("resolver_port").map_or(DOMAIN, narrow);
        if let (true, Some(node)) = (resolvers.is_empty(), nodes.find("resolver_port")) {
            let message = "`resolver_port` has no effect without `resolver`";
            self.push(Report::warning(Code::Unused, node.whole(), message));
        }
        let resolvers = resolvers.into_iter().filter_map(|node| node.words.first()?.text.parse::<IpAddr>().ok());
        let seconds = |name: &str| nodes.int(name).map(narrow::<u64>);
        let max = seconds("max_ttl").unwrap_or(MAX_TTL.max(seconds("min_ttl").unwrap_or(0)));
        let min = seconds("min_ttl").unwrap_or(MIN_TTL.min(max));
        if min > max {
            let at = nodes.find("max_ttl").map_or(node.at, Node::argument);
            let message = format!("`max_ttl` {max} is below `min_ttl` {min}");
            self.push(Report::error(Code::OutOfRange, at, message).help(format!("{min} or more")));
        }
        Some(Lookup {
            name: name.to_owned(),
            kind: match kind {
                "SRV" => Records::Srv(family),
                "AAAA" => Records::Aaaa(port),
                _ => Records::A(port),
            },
            resolvers: resolvers.map(|ip| SocketAddr::new(ip, resolver_port)).collect(),
            min_ttl: Duration::from_secs(min),
            max_ttl: Duration::from_secs(max),
        })
    }
}
