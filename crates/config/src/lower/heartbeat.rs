//! `heartbeat_paths`: further ways by which the directors of an instance hear each other.

use super::Lower;
use super::route::Said;
use crate::diag::{Code, Report};
use crate::setting::Value;
use crate::tree::{Nodes, line_options};
use std::net::IpAddr;
use vipd_vrrp::settings::{Binding, Family, HeartbeatPath, Peer, Transport};

/// Paths of one instance at most, and peers of one path.
const MAX_PATHS: usize = 8;
const MAX_PEERS: usize = 100;

impl Lower<'_> {
    /// The paths of an instance that is bound to this, and whose adverts travel so there.
    pub(super) fn heartbeat_paths(
        &mut self,
        nodes: &Nodes,
        (binding, from, own): (Option<&Binding>, Option<IpAddr>, &Transport),
        family: Family,
    ) -> Vec<HeartbeatPath> {
        let mut paths: Vec<HeartbeatPath> = Vec::new();
        let Some(node) = nodes.find("heartbeat_paths") else { return paths };
        let Some(block) = node.keyword.args.block() else { return paths };
        if nodes.lines("heartbeat_paths").next().is_none() && !nodes.flawed {
            self.push(Report::warning(Code::Unused, node.at, "`heartbeat_paths` has no effect: it lists no path"));
        }
        let group = match (own, family) {
            (Transport::Multicast { group }, _) => *group,
            (Transport::Unicast { .. }, Family::V4) => IpAddr::V4(self.defaults.group4),
            (Transport::Unicast { .. }, Family::V6) => IpAddr::V6(self.defaults.group6),
        };
        for line in nodes.lines("heartbeat_paths") {
            // What is wrong with a single word was told when the file was read.
            let Ok(options) = line_options("heartbeat_paths", block, &line.words) else { continue };
            let said = Said { options: &options, words: &line.words };
            let Some(interface) = said.text(&["(interface)"]) else { continue };
            let source = said.address("src").and_then(|ip| self.of_family(ip, said.at("src"), family));
            let mut peers: Vec<Peer> = Vec::new();
            for (_, value) in options.iter().filter(|(name, _)| *name == "peer") {
                let Value::Address(address) = *value else { continue };
                let Some(address) = self.of_family(address, said.at("peer"), family) else { continue };
                if address.is_multicast() {
                    let message = format!("`peer`: {address} is a multicast address, which needs no peer");
                    self.push(Report::error(Code::BadAddress, said.at("peer"), message));
                } else if peers.iter().all(|known| known.address != address) {
                    peers.push(Peer { address, min_ttl: None, max_ttl: None });
                }
            }
            let transport = match said.has("peer") {
                true => Transport::Unicast { peers, ttl: 255, check_source: true },
                false => Transport::Multicast { group },
            };
            let path = HeartbeatPath { interface, source, transport };
            if binding.and_then(Binding::device) == Some(&path.interface) && path.transport == *own {
                let message =
                    format!("`{}` is the instance's own interface, by which adverts go anyway", path.interface);
                let report = Report::warning(Code::Unused, line.at(), message).label("ignored");
                self.push(report.help("another interface, or `peer ADDRESS` for unicast beside multicast"));
            } else if binding.is_some_and(|b| b.interface().is_none()) && blurs(&path, from, own) {
                let message =
                    "what comes by this path is heard as the instance's own, too, which is bound to no interface";
                let report = Report::error(Code::BadAddress, line.at(), message);
                self.push(report.help("src ADDRESS and peer ADDRESS that are of this path alone, or multicast"));
            } else if paths.contains(&path) {
                self.push(Report::warning(Code::Repeated, line.at(), "this path is given twice").label("ignored"));
            } else if paths.len() >= MAX_PATHS {
                self.push(Report::error(Code::TooMuch, line.at(), format!("more than {MAX_PATHS} heartbeat paths")));
            } else if matches!(&path.transport, Transport::Unicast { peers, .. } if peers.len() > MAX_PEERS) {
                self.push(Report::error(Code::TooMuch, line.at(), format!("more than {MAX_PEERS} peers of one path")));
            } else {
                paths.push(path);
            }
        }
        paths
    }
}

/// Whether sockets that are tied to no interface hear what is sent by a path, or the path hears what they are to hear: unicast is
/// told apart by its addresses alone.
fn blurs(path: &HeartbeatPath, from: Option<IpAddr>, own: &Transport) -> bool {
    let (Transport::Unicast { peers, .. }, Transport::Unicast { peers: known, .. }) = (&path.transport, own) else {
        return false;
    };
    let shared = |peer: &Peer| known.iter().any(|known| known.address == peer.address);
    path.source.is_none() || path.source == from || peers.iter().any(shared)
}
