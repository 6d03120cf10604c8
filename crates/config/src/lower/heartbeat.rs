//! `heartbeat_paths`: further ways by which the directors of an instance hear each other.

use super::Lower;
use super::route::Said;
use crate::diag::{Code, Report};
use crate::setting::Value;
use crate::tree::{Nodes, line_options};
use std::net::IpAddr;
use vipd_vrrp::settings::{Family, HeartbeatPath, Peer, Transport};

/// Paths of one instance at most, and peers of one path.
const MAX_PATHS: usize = 8;
const MAX_PEERS: usize = 100;

impl Lower<'_> {
    /// The paths of an instance that is on this interface, and whose adverts travel so there.
    pub(super) fn heartbeat_paths(
        &mut self,
        nodes: &Nodes,
        own: (&str, &Transport),
        family: Family,
    ) -> Vec<HeartbeatPath> {
        let mut paths: Vec<HeartbeatPath> = Vec::new();
        let Some(node) = nodes.find("heartbeat_paths") else { return paths };
        let Some(block) = node.keyword.args.block() else { return paths };
        if nodes.lines("heartbeat_paths").next().is_none() && !nodes.flawed {
            self.push(Report::warning(Code::Unused, node.at, "`heartbeat_paths` has no effect: it lists no path"));
        }
        let group = match (own.1, family) {
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
            if (path.interface.as_str(), &path.transport) == own {
                let message = format!("`{}` is the instance's own interface, by which adverts go anyway", own.0);
                let report = Report::warning(Code::Unused, line.at(), message).label("ignored");
                self.push(report.help("another interface, or `peer ADDRESS` for unicast beside multicast"));
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
