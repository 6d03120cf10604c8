//! `interface` and `vrf`: what the adverts of an instance leave by. Unicast can do without an interface of its own: then it
//! goes as the routes of the host, or of a VRF, have it.

use super::Lower;
use crate::diag::{Code, Level, Report};
use crate::keyword::Family;
use crate::lex::words::Line;
use crate::source::Place;
use crate::tree::{Node, Nodes};
use crate::value;
use std::net::IpAddr;
use vipd_vrrp::settings::{Binding, Transport};

/// What only an instance with an interface of its own can have.
const OF_AN_INTERFACE: [&str; 4] = ["use_vmac", "use_ipvlan", "promote_secondaries", "linkbeat_use_polling"];

impl Lower<'_> {
    /// What the sockets of an instance are bound to, whose adverts travel so and come from this source; `None` if that was
    /// told to be missing or wrong.
    pub(super) fn binding(&mut self, node: &Node, transport: &Transport, source: Option<IpAddr>) -> Option<Binding> {
        let nodes = node.nodes();
        self.no_loopback(nodes);
        if let Some(interface) = nodes.text("interface") {
            if let Some(vrf) = nodes.find("vrf") {
                let message = format!("`vrf` has no effect: this instance is bound to `{interface}`");
                let report = Report::warning(Code::Adjusted, vrf.at, message).label("ignored");
                self.push(report.help("an interface is in its VRF without being told"));
            }
            self.no_own_peer(nodes, transport, source);
            return Some(Binding::Interface(interface.to_owned()));
        }
        if nodes.flawed {
            return None; // told already, and `interface` may be what was not understood
        }
        let Transport::Unicast { peers, .. } = transport else {
            let report = Report::error(Code::Missing, node.whole(), "`interface` is missing");
            self.push(report.help("interface IFNAME; unicast with `unicast_peer` and `unicast_src_ip` can do without"));
            return None;
        };
        let Some(source) = source else {
            if nodes.find("unicast_src_ip").or(nodes.find("mcast_src_ip")).is_none() {
                let message = "there is neither an `interface` nor a `unicast_src_ip` that adverts could come from";
                let help = "interface IFNAME; or unicast_src_ip ADDRESS, one of this host's, for unicast by its routes";
                self.push(Report::error(Code::Missing, node.whole(), message).help(help));
            }
            return None;
        };
        let of_a_link = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        if let Some(ip) = peers.iter().map(|peer| peer.address).chain([source]).find(of_a_link) {
            let at = if ip == source { "unicast_src_ip" } else { "unicast_peer" };
            let message = format!("{ip} is a link-local address: it needs an `interface`");
            self.push(Report::error(Code::BadAddress, nodes.at(at, node.at), message).help("interface IFNAME"));
            return None;
        }
        let useless = if source.is_unspecified() || source.is_loopback() || source.is_multicast() {
            Some("nobody is reached from there")
        } else {
            peers
                .iter()
                .any(|peer| peer.address == source)
                .then_some("it is a `unicast_peer`, too: this host would be its own peer")
        };
        if let Some(why) = useless {
            let at = nodes.at("unicast_src_ip", nodes.at("mcast_src_ip", node.at));
            let report = Report::error(Code::BadAddress, at, format!("adverts can't come from {source}: {why}"));
            self.push(
                report.help("`unicast_src_ip` is an address of this host, `unicast_peer` lists those of the others"),
            );
            return None;
        }
        let vrf = nodes.text("vrf").map(str::to_owned);
        let tracked = vrf.is_none().then_some("dont_track_primary");
        for node in OF_AN_INTERFACE.into_iter().chain(tracked).filter_map(|name| nodes.find(name)) {
            let message = format!("`{}` has no effect: the instance has no interface of its own", node.keyword.name);
            self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
        }
        self.somewhere(nodes);
        Some(vrf.map_or(Binding::Routes, Binding::Vrf))
    }

    fn no_loopback(&mut self, nodes: &Nodes) {
        for (word, why) in [
            ("interface", "a virtual router has no neighbours on the loopback interface"),
            ("vrf", "the loopback interface is no VRF"),
        ] {
            if nodes.text(word) == Some("lo") {
                let at = nodes.find(word).map_or(Place::NOWHERE, Node::argument);
                self.push(Report::error(Code::BadName, at, why).help("name the one that leads to the other routers"));
            }
        }
    }

    /// Tells of a peer that is the instance itself: what is sent there nobody else hears.
    fn no_own_peer(&mut self, nodes: &Nodes, transport: &Transport, source: Option<IpAddr>) {
        let (Transport::Unicast { peers, .. }, Some(source)) = (transport, source) else { return };
        let is_own = |line: &Line| value::ip(&line.words[0], "", Family::Any).is_ok_and(|ip| ip == source);
        let Some(at) = nodes.lines("unicast_peer").find(|line| is_own(line)).map(Line::at) else { return };
        let message = format!("{source} is the source of this instance's own adverts: this host would be its own peer");
        let report = Report::warning(Code::BadAddress, at, message);
        let alone = peers.iter().all(|peer| peer.address == source);
        let report = if alone { report.at_level(Level::Error) } else { report };
        self.push(
            report.help("`unicast_peer` lists the other routers' addresses, `unicast_src_ip` is the one of this host"),
        );
    }

    /// Tells where the addresses go of an instance without an interface, if the file doesn't say.
    fn somewhere(&mut self, nodes: &Nodes) {
        if self.defaults.default_interface.is_some() {
            return;
        }
        let mut lines =
            ["virtual_ipaddress", "virtual_ipaddress_excluded"].into_iter().flat_map(|list| nodes.lines(list));
        if let Some(line) = lines.find(|line| !line.words.iter().any(|word| word.text == "dev")) {
            let message =
                format!("this goes on `{}`: neither the line nor the instance names an interface", self.elsewhere());
            let report = Report::warning(Code::Adjusted, line.at(), message);
            self.push(report.help("dev IFNAME, or `default_interface` in global_defs"));
        }
    }

    /// Where addresses go that nothing says a place for: `default_interface`.
    pub(super) fn elsewhere(&self) -> &str {
        self.defaults.default_interface.as_deref().unwrap_or("eth0")
    }
}
