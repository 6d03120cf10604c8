//! How the adverts of an instance travel: to a group or to peers, and from which address.

use super::vrrp::Mode;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::keyword::Family;
use crate::source::Place;
use crate::tree::{Node, Nodes, Value};
use crate::value;
use std::net::IpAddr;
use vipd_vrrp::settings::{self, Peer, Transport};

/// Unicast peers of one instance at most.
const MAX_PEERS: usize = 1000;

/// The family of a router: that of the first address it lists, else of its source, its first peer, its group.
pub(super) fn family(nodes: &Nodes) -> settings::Family {
    let listed = nodes.lines("virtual_ipaddress").find_map(|l| Some(value::prefix(l.words.first()?, "").ok()?.0));
    let peer = nodes.lines("unicast_peer").find_map(|l| value::ip(l.words.first()?, "", Family::Any).ok());
    let of = |name: &str| nodes.ip(name);
    let sources = [of("mcast_src_ip"), of("unicast_src_ip")].into_iter().flatten();
    let said = listed.into_iter().chain(sources).chain(peer).chain(of("mcast_dst_ip")).next();
    if nodes.on("native_ipv6") { settings::Family::V6 } else { said.map_or(settings::Family::V4, settings::Family::of) }
}

impl Lower<'_> {
    /// Refuses an address of another family than the router's.
    pub(super) fn of_family(&mut self, ip: IpAddr, at: Place, family: settings::Family) -> Option<IpAddr> {
        if settings::Family::of(ip) == family {
            return Some(ip);
        }
        let (own, other) = match family {
            settings::Family::V4 => ("IPv4", "IPv6"),
            settings::Family::V6 => ("IPv6", "IPv4"),
        };
        let message = format!("{ip} is an {other} address, and this router's adverts are {own}");
        let report = Report::error(Code::WrongFamily, at, message);
        self.push(report.help(
            "the first of `virtual_ipaddress` says which; put those of the other family in \
                               `virtual_ipaddress_excluded`",
        ));
        None
    }

    /// Multicast, unless there are peers.
    pub(super) fn transport(&mut self, node: &Node, mode: Mode, family: settings::Family) -> Transport {
        let nodes = node.nodes();
        let mut peers: Vec<Peer> = Vec::new();
        let mut limited = false;
        for line in nodes.lines("unicast_peer") {
            let first = &line.words[0];
            let ip = value::ip(first, "`unicast_peer`", Family::Any);
            let Some(address) = self.take(ip).and_then(|ip| self.of_family(ip, first.at, family)) else {
                continue;
            };
            let mut peer = Peer { address, min_ttl: None, max_ttl: None };
            let mut words = line.words[1..].iter();
            while let Some(word) = words.next() {
                let slot = match word.text.as_str() {
                    "min_ttl" => &mut peer.min_ttl,
                    "max_ttl" => &mut peer.max_ttl,
                    other => {
                        let report = value::one_of(word, "`unicast_peer`", &["min_ttl", "max_ttl"], other);
                        self.push(report);
                        break;
                    }
                };
                let Some(number) = words.next() else {
                    self.push(Report::error(Code::MissingValue, word.at, format!("`{}` needs a number", word.text)));
                    break;
                };
                *slot = match value::int(number, "TTL", 0, 255) {
                    Ok(ttl) => Some(narrow(ttl)),
                    Err(report) => {
                        self.push(report);
                        None
                    }
                };
            }
            if let (Some(least), Some(most)) = (peer.min_ttl, peer.max_ttl)
                && least > most
            {
                let message = format!("no TTL is from {least} to {most}: everything would be dropped");
                self.push(Report::error(Code::OutOfRange, line.at(), message));
            }
            limited |= peer.min_ttl.is_some() || peer.max_ttl.is_some();
            if peers.len() >= MAX_PEERS {
                let message = format!("more than {MAX_PEERS} unicast peers");
                self.push(Report::error(Code::TooMuch, first.at, message));
            } else if peers.iter().any(|p| p.address == address) {
                let message = format!("peer {address} is given twice");
                self.push(Report::warning(Code::Repeated, first.at, message).label("ignored"));
            } else {
                peers.push(peer);
            }
        }
        if peers.is_empty() {
            return self.multicast(nodes, family);
        }
        let far = |p: &Peer| matches!(p.address, IpAddr::V6(a) if !a.is_unicast_link_local());
        let source = nodes.find("unicast_src_ip").or(nodes.find("mcast_src_ip"));
        if peers.iter().any(far) && source.is_none() && nodes.find("interface").is_some() {
            let message = "without `unicast_src_ip` adverts come from the link-local address of the interface";
            let report = Report::warning(Code::Adjusted, nodes.at("unicast_peer", node.at), message);
            self.push(report.help("unicast_src_ip ADDRESS, the one that the peers list; they may believe no other"));
        }
        if mode == Mode::Strict {
            let message = "strict mode has no unicast: every advert goes to the multicast group";
            let report = Report::error(Code::Adjusted, nodes.at("unicast_peer", node.at), message);
            self.push(report.help("`strict_mode off` in the instance, or no `unicast_peer`"));
        }
        if let Some(group) = nodes.find("mcast_dst_ip") {
            let message = "`mcast_dst_ip` has no effect: this router sends to its unicast peers";
            self.push(Report::warning(Code::Adjusted, group.at, message).label("ignored"));
        }
        Transport::Unicast {
            peers,
            ttl: nodes.int("unicast_ttl").map_or(255, narrow),
            // Without an interface it hears by all of them.
            check_source: nodes.on("check_unicast_src")
                || self.defaults.check_unicast_src
                || limited
                || nodes.find("interface").is_none(),
        }
    }

    /// An empty list of peers must not become multicast: whoever writes it has a network that shall not see any.
    fn multicast(&mut self, nodes: &Nodes, family: settings::Family) -> Transport {
        let usual = match family {
            settings::Family::V4 => IpAddr::V4(self.defaults.group4),
            settings::Family::V6 => IpAddr::V6(self.defaults.group6),
        };
        let never = nodes.find("unicast_fault_no_peer").filter(|_| nodes.find("unicast_src_ip").is_some());
        let list = nodes.find("unicast_peer").or(never);
        if let Some(list) = list.filter(|_| !nodes.flawed && nodes.lines("unicast_peer").next().is_none()) {
            let message = "there is no unicast peer, and a fall back to multicast is not what this asks for";
            let report = Report::error(Code::NoPeer, list.at, message);
            self.push(report.help("list the other routers' addresses in `unicast_peer`, or remove it for multicast"));
            return Transport::Multicast { group: usual };
        }
        for name in ["unicast_ttl", "check_unicast_src", "unicast_src_ip"] {
            if let Some(node) = nodes.find(name).filter(|_| !nodes.flawed) {
                let message = format!("`{name}` is for unicast, but there is no `unicast_peer`: adverts are multicast");
                self.push(Report::warning(Code::Adjusted, node.at, message));
            }
        }
        let mut group = usual;
        if let Some(ip) = nodes.ip("mcast_dst_ip") {
            let at = nodes.find("mcast_dst_ip").map_or(Place::NOWHERE, Node::argument);
            if let Some(ip) = self.of_family(ip, at, family) {
                if ip.is_multicast() {
                    group = ip;
                } else {
                    let message = format!("`mcast_dst_ip`: {ip} is not a multicast address");
                    let help = "of 224.0.0.0/4 or ff00::/8; for unicast list the other routers in `unicast_peer`";
                    self.push(Report::error(Code::BadAddress, at, message).help(help));
                }
            }
        }
        Transport::Multicast { group }
    }

    /// `unicast_src_ip` or `mcast_src_ip`, whichever fits how adverts travel.
    pub(super) fn source(&mut self, nodes: &Nodes, transport: &Transport, family: settings::Family) -> Option<IpAddr> {
        let mut of = |name: &str| {
            let node = nodes.find(name)?;
            match node.value {
                Value::Ip(ip) => self.of_family(ip, node.argument(), family),
                _ => None,
            }
        };
        let (unicast, multicast) = (of("unicast_src_ip"), of("mcast_src_ip"));
        match transport {
            Transport::Unicast { .. } => unicast.or(multicast),
            Transport::Multicast { .. } => multicast.or(unicast),
        }
    }
}
