//! `bfd_instance`: what a BFD session is told to be.

use super::{Lower, Named, narrow};
use crate::diag::{Code, Report};
use crate::tree::{Node, Nodes};
use std::net::IpAddr;
use std::num::NonZeroU8;
use vipd_bfd::session::Key;
use vipd_bfd::settings::{Habit, Hops, Instance, Role};
use vipd_bfd::units::Micros;

/// Bytes of a name at most.
const MAX_NAME: usize = 31;
/// What is sent without `ttl`. (keepalived sends 64 over IPv6, which no neighbour that keeps to RFC 5881, 5 believes.)
const TTL: u8 = 255;

/// Who may follow a session, by its words `vrrp` and `checker`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Followers {
    /// Virtual routers alone: `vrrp`.
    Routers,
    /// Checks alone: `checker`.
    Checks,
    /// Either: both words, or neither.
    Any,
}

impl Followers {
    /// Those of a `bfd_instance`.
    pub(super) fn of(nodes: &Nodes) -> Followers {
        match (nodes.on("vrrp"), nodes.on("checker")) {
            (true, false) => Followers::Routers,
            (false, true) => Followers::Checks,
            (true, true) | (false, false) => Followers::Any,
        }
    }
}

impl Lower<'_> {
    /// Every session, in the order of the file.
    pub(super) fn sessions(&mut self, named: &Named<'_>) -> Vec<Instance> {
        let mut made: Vec<(Instance, &Node)> = Vec::new();
        for (name, node) in &named.list {
            self.sessions.insert((*name).to_owned(), Followers::of(node.nodes()));
            let Some(session) = self.session(name, node) else { continue };
            if let Some((_, first)) = made.iter().find(|(other, _)| Key::of(other) == Key::of(&session)) {
                let message = format!("there is already a session with {} from that address", session.neighbour);
                let report = Report::error(Code::DuplicateName, node.argument(), message);
                self.push(report.also(first.argument(), "the first one"));
                continue;
            }
            made.push((session, node));
        }
        made.into_iter().map(|(session, _)| session).collect()
    }

    fn session(&mut self, name: &str, node: &Node) -> Option<Instance> {
        let nodes = node.nodes();
        if name.len() > MAX_NAME {
            let message = format!("the name of a bfd_instance has {MAX_NAME} bytes at most");
            self.push(Report::error(Code::BadName, node.argument(), message));
        }
        let Some(neighbour) = nodes.ip("neighbor_ip") else {
            if !nodes.flawed {
                let message = format!("bfd_instance `{name}` has no neighbour");
                self.push(Report::error(Code::Missing, node.whole(), message).help("neighbor_ip IPADDR"));
            }
            return None;
        };
        let source = nodes.ip("source_ip");
        if let Some(source) = source.filter(|source| source.is_ipv4() != neighbour.is_ipv4()) {
            let at = nodes.find("source_ip").map_or(node.at, Node::argument);
            let message = format!("`source_ip` {source} and `neighbor_ip` {neighbour} are of different families");
            self.push(Report::error(Code::WrongFamily, at, message));
        }
        for (name, address) in [("neighbor_ip", Some(neighbour)), ("source_ip", source)] {
            let of_a_link = matches!(address, Some(IpAddr::V6(a)) if a.is_unicast_link_local());
            if of_a_link || address.is_some_and(|a| a.is_multicast() || a.is_unspecified()) {
                let at = nodes.find(name).map_or(node.at, Node::argument);
                let message = format!("`{name}`: no session can run with this address");
                let help = "an address of one host, and no link-local one: there is no word for its interface";
                self.push(Report::error(Code::BadAddress, at, message).help(help));
            }
        }
        let millis = |name, default| nodes.micros(name).map_or(Micros::from_millis(default), Micros);
        let (ttl, habit) = match nodes.int("ttl").map(narrow) {
            Some(ttl) => (ttl, Habit::Ours),
            None if neighbour.is_ipv6() => (TTL, Habit::Unknown),
            None => (TTL, Habit::Ours),
        };
        let max_hops = self.max_hops(nodes);
        Some(Instance {
            name: name.to_owned(),
            neighbour,
            source,
            min_rx: millis("min_rx", 10),
            min_tx: millis("min_tx", 10),
            idle_tx: millis("idle_tx", 1000),
            multiplier: nodes.int("multiplier").and_then(|n| NonZeroU8::new(narrow(n))).or(NonZeroU8::new(5))?,
            role: if nodes.on("passive") { Role::Passive } else { Role::Active },
            ttl,
            max_hops,
            habit,
            hops: if nodes.on("multihop") { Hops::Multiple } else { Hops::Single },
        })
    }

    /// By how much less than the TTL is believed.
    fn max_hops(&mut self, nodes: &Nodes) -> u8 {
        let max_hops = match nodes.int("max_hops") {
            Some(-1) => u8::MAX,
            said => said.map_or(0, narrow),
        };
        let ttl: Option<u8> = nodes.int("ttl").map(narrow);
        if let (Some(ttl), Some(node)) = (ttl, nodes.find("max_hops"))
            && max_hops > ttl
            && max_hops < u8::MAX
        {
            let message = format!("`max_hops` {max_hops} is more than the `ttl`, {ttl}: nothing is too far away");
            self.push(Report::warning(Code::Adjusted, node.argument(), message));
        }
        max_hops
    }
}
