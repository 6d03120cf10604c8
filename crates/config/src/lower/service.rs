//! `virtual_server` and `real_server`: what the director balances, over what, and how they inherit.

use super::discovery::{discovers, family_of_records};
use super::server_group::{Entry, family};
use super::{Lower, Named, narrow};
use crate::diag::{Code, Level, Report};
use crate::keyword::Family as Takes;
use crate::lex::words::Word;
use crate::memory::{Memory, Setting};
use crate::model::{Config, ServerNotify, Service};
use crate::source::Place;
use crate::tree::{Node, Nodes};
use crate::value;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use vipd_lvs::settings::{
    Checker, Duty, Family, Forwarding, Persistence, Probe, Protocol, RealServer, Scheduler, ServiceFlags, ServiceKey,
    SorryServer, VirtualServer, VirtualServerId,
};

/// Persistence that a service without a port gets, as the kernel asks for some.
const PORTLESS_PERSISTENCE: u32 = 360;

/// What a `virtual_server` names.
pub(super) enum Target {
    Address(SocketAddr),
    Mark(u32),
    Group(String, Vec<Entry>),
}

impl Target {
    fn marks_only(&self) -> bool {
        match self {
            Target::Address(_) => false,
            Target::Mark(_) => true,
            Target::Group(_, entries) => entries.iter().all(|e| matches!(e, Entry::Mark { .. })),
        }
    }
}

impl Lower<'_> {
    /// All virtual servers.
    pub(super) fn services(&mut self, root: Nodes, config: &mut Config, before: Option<(&Config, &Memory)>) -> Memory {
        let setting = Setting {
            defaults: self.defaults.clone(),
            held: self.held.clone(),
            strictness: self.options.strictness,
            scripts: self.options.scripts,
        };
        let (servers, rest) = root.split("virtual_server");
        let mut memory = Memory::new(setting, servers.len(), before.map(|(_, memory)| memory));
        let before = before.filter(|(_, known)| known.fits(&memory));
        let root = &rest;
        let groups = Named::collect(self, root, "virtual_server_group", Level::Warning);
        let mut users: HashMap<String, usize> = HashMap::new();
        let mut seen: HashMap<ServiceKey, Place> = HashMap::with_capacity(servers.len());
        let mut hoisted: Vec<Node> = Vec::new();
        let mut servers = servers.into_iter();
        while let Some(node) = servers.next().or_else(|| hoisted.pop()) {
            let place = node.whole();
            let key = node.text(self.tape).map(|text| memory.key(text));
            let known = key.zip(before).and_then(|(key, (config, known))| known.recall(key, config));
            let mut lasts = true;
            let service = if let Some(service) = known {
                service
            } else {
                let findings = self.findings.count();
                let (unfolded, more) = crate::tree::unfold(node, self.tape, self.findings);
                hoisted.extend(more.into_iter().filter(|n| n.keyword.name == "virtual_server"));
                let Some(service) = self.next_service(&unfolded, &groups, &mut users) else { continue };
                let group = unfolded.words.first().is_some_and(|w| w.text == "group");
                let found = service.discoveries.iter().map(|found| &found.template);
                let refers = service.lvs.real_servers.iter().chain(found).flat_map(|r| &r.checkers);
                let refers = refers.into_iter().any(|c| matches!(c.probe, Probe::Bfd(_) | Probe::File(_)));
                lasts = !group && !refers && self.findings.count() == findings && !unfolded.runs_programs();
                Arc::new(service)
            };
            let clash = service.lvs.keys.iter().find_map(|k| Some((*k, *seen.get(k)?)));
            if let Some((key, first)) = clash {
                let message = format!("virtual server {key} is given twice");
                self.push(Report::error(Code::DuplicateServer, place, message).also(first, "the first one"));
                continue;
            }
            seen.extend(service.lvs.keys.iter().map(|k| (*k, place)));
            if let Some(key) = key.filter(|_| lasts) {
                memory.keep(key, config.services.len());
            }
            config.services.push(service);
        }
        for (name, node) in &groups.list {
            if !users.contains_key(*name) {
                self.check_group(node);
            }
            if !users.contains_key(*name) && !self.findings.failed() {
                let message = format!("no virtual_server uses the group `{name}`");
                let report = Report::warning(Code::Unused, node.argument(), message);
                self.push(report.help(format!("virtual_server group {name} {{ ... }}")));
            }
        }
        memory
    }

    /// What one virtual server means; `users` counts those of each group.
    fn next_service(&mut self, node: &Node, groups: &Named<'_>, users: &mut HashMap<String, usize>) -> Option<Service> {
        let Some(target) = self.target(node, groups) else {
            self.judge(node.nodes());
            return None;
        };
        let mut position = 0;
        if let Target::Group(name, _) = &target {
            let of = users.entry(name.clone()).or_default();
            position = *of;
            *of += 1;
        }
        let service = self.service(node, target, position)?;
        // A misspelt `protocol` makes no duplicate.
        let misspelt = node.nodes().flawed && node.nodes().find("protocol").is_none();
        (!misspelt).then_some(service)
    }

    /// Looks at the servers of a service that can't be used as it is.
    fn judge(&mut self, nodes: &Nodes) {
        self.forwarding(nodes, "lvs_method");
        for found in nodes.all("servers_from_file").chain(nodes.all("servers_from_dns")) {
            self.forwarding(found.nodes(), "lvs_method");
            self.checkers(found, nodes, SocketAddr::from(([0, 0, 0, 0], 0)));
        }
        for server in nodes.all("real_server") {
            self.forwarding(server.nodes(), "lvs_method");
            if let Some(address) = self.socket("real_server", &server.words) {
                self.checkers(server, nodes, address);
            }
        }
    }

    fn target(&mut self, node: &Node, groups: &Named<'_>) -> Option<Target> {
        let first = node.words.first()?;
        let second = node.words.get(1);
        let two = |lower: &mut Self, what: &str| {
            if second.is_none() {
                lower.push(Report::error(Code::MissingValue, first.at, format!("`{}` needs {what}", first.text)));
            }
            second
        };
        match first.text.as_str() {
            "group" => {
                let name = two(self, "the name of a virtual_server_group")?;
                Some(Target::Group(name.text.clone(), self.server_group(groups, name)?.entries))
            }
            "fwmark" => {
                let number = two(self, "a number")?;
                let mark = value::int(number, "`fwmark`", 1, i64::from(u32::MAX));
                Some(Target::Mark(narrow(self.take(mark)?)))
            }
            _ => Some(Target::Address(self.socket("virtual_server", &node.words)?)),
        }
    }

    /// `ADDRESS [PORT]`; no port is 0.
    fn socket(&mut self, what: &str, words: &[Word]) -> Option<SocketAddr> {
        let what = format!("`{what}`");
        let ip = value::ip(words.first()?, &what, Takes::Any);
        let port = value::port_or_none(words.get(1), "port");
        let (ip, port) = (self.take(ip), self.take(port));
        Some(SocketAddr::new(ip?, port?))
    }

    fn service(&mut self, node: &Node, target: Target, position: usize) -> Option<Service> {
        let nodes = node.nodes();
        let servers: Vec<&Node> = nodes.all("real_server").collect();
        let family = self.family(nodes, &target, &servers);
        let protocol = self.protocol(node, &target);
        let keys = self.keys(node, &target, protocol, family)?;
        let port = common_port(&target);
        let forwarding = self.forwarding(nodes, "lvs_method").unwrap_or(Forwarding::Nat);
        let persistence = self.persistence(node, &target, family);
        let id = match &target {
            Target::Group(name, _) => format!("[{name}]:{position}"),
            Target::Address(_) | Target::Mark(_) => keys.first()?.to_string(),
        };
        let mut real_servers: Vec<RealServer> = Vec::with_capacity(servers.len());
        let mut notify: BTreeMap<SocketAddr, ServerNotify> = BTreeMap::new();
        let mut places: HashMap<SocketAddr, Place> = HashMap::new();
        for server in servers {
            let Some((real, told)) = self.real_server(server, nodes, &target, family, port, forwarding) else {
                continue;
            };
            if let Some(first) = places.get(&real.address) {
                let message = format!("real server {} is given twice in this virtual server", real.address);
                let report = Report::warning(Code::DuplicateServer, server.whole(), message);
                self.push(report.label("left out").also(*first, "the first one"));
                continue;
            }
            if keys.iter().any(|k| matches!(k, ServiceKey::Address { address, .. } if *address == real.address.ip())) {
                let message = format!("{} is the virtual server's own address", real.address.ip());
                let report = Report::lint(Code::OwnServer, server.whole(), message);
                self.push(report.help("a real server needs an address of its own; what goes to this one stays here"));
            } else if let Some(holder) = self.held.get(&real.address.ip()) {
                let message = format!("{} is a virtual address of `{holder}`", real.address.ip());
                let report = Report::lint(Code::OwnServer, server.whole(), message);
                self.push(report.help("a real server needs an address of its own: this one moves with the master"));
            }
            places.insert(real.address, server.whole());
            if told != ServerNotify::default() {
                notify.insert(real.address, told);
            }
            real_servers.push(real);
        }
        let discoveries = self.discoveries(nodes, &target, family, port, forwarding);
        let sorry = self.sorry(nodes, &target, family, port, forwarding);
        if real_servers.is_empty() && discoveries.is_empty() {
            if !nodes.flawed && nodes.find("real_server").is_none() && !discovers(nodes) {
                let message = "this virtual server has no real server and is left out";
                self.push(Report::warning(Code::EmptyService, node.whole(), message));
            }
            return None;
        }
        let moving = |c: &Checker| match &c.probe {
            Probe::Misc(misc) => misc.dynamic,
            Probe::File(file) => file.weight != 0,
            Probe::Agent(_) => true,
            Probe::Tcp
            | Probe::Http(_)
            | Probe::Smtp(_)
            | Probe::Dns(_)
            | Probe::Udp(_)
            | Probe::Ping
            | Probe::Bfd(_)
            | Probe::Grpc(_) => false,
        };
        let fixed = !real_servers.iter().flat_map(|s| &s.checkers).any(moving);
        if fixed && discoveries.is_empty() && real_servers.iter().all(|s| s.weight == 0) {
            let message = "every real server has weight 0: no connection goes anywhere";
            let report = Report::warning(Code::NoWeight, node.whole(), message);
            self.push(report.help("a server that shall work has a weight of 1 or more"));
        }
        // How much is found nobody knows before.
        let most =
            discoveries.is_empty().then(|| real_servers.iter().fold(0u32, |sum, s| sum.saturating_add(s.weight)));
        let (quorum, hysteresis) = self.quorum(nodes, most);
        self.slow_start(nodes, nodes);
        Some(Service {
            lvs: VirtualServer {
                id: VirtualServerId(id),
                keys,
                protocol,
                scheduler: scheduler(nodes),
                flags: self.flags(nodes, &target, protocol),
                persistence,
                quorum,
                hysteresis,
                alpha: nodes.on("alpha"),
                omega: nodes.on("omega"),
                ha_suspend: self.suspends(nodes, &target),
                sorry,
                real_servers,
            },
            quorum_up: self.script(nodes, "quorum_up"),
            quorum_down: self.script(nodes, "quorum_down"),
            smtp_alert: nodes.switch("smtp_alert").unwrap_or(self.defaults.smtp_checker.unwrap_or(false)),
            servers: notify,
            discoveries,
        })
    }

    /// The family: of the address; for marks, said or guessed from the servers.
    fn family(&mut self, nodes: &Nodes, target: &Target, servers: &[&Node]) -> Family {
        let of = |ip: IpAddr| if ip.is_ipv6() { Family::Inet6 } else { Family::Inet };
        let own = match target {
            Target::Address(a) => Some(of(a.ip())),
            Target::Mark(_) => None,
            Target::Group(_, entries) => entries.iter().find_map(|e| match e {
                Entry::Address { address, .. } => Some(of(*address)),
                Entry::Mark { family, .. } => *family,
            }),
        };
        let said = nodes.find("ip_family").and_then(|n| Some((n, family(n.words.first()?).ok()?)));
        if let (Some(own), Some((node, said))) = (own, said)
            && own != said
        {
            let message = "`ip_family` contradicts the address of this virtual server";
            self.push(Report::error(Code::WrongFamily, node.whole(), message));
        }
        let tunnelled = nodes.find("lvs_method").and_then(|n| n.words.first()).is_some_and(|w| w.text == "TUN");
        let guessed = servers
            .iter()
            .filter(|_| !tunnelled)
            .find_map(|s| s.words.first().and_then(|w| w.text.parse::<IpAddr>().ok()))
            .map(of);
        let guessed = guessed.or_else(|| family_of_records(nodes).filter(|_| !tunnelled));
        own.or(said.map(|s| s.1)).or(guessed).unwrap_or(Family::Inet)
    }

    fn protocol(&mut self, node: &Node, target: &Target) -> Protocol {
        let nodes = node.nodes();
        let said = nodes.text("protocol").map(|p| match p {
            "TCP" => Protocol::Tcp,
            "SCTP" => Protocol::Sctp,
            _ => Protocol::Udp,
        });
        match (target, said) {
            // As in the kernel, which has no protocol for marked packets.
            _ if target.marks_only() => Protocol::Tcp,
            (_, Some(protocol)) => protocol,
            (_, None) => {
                if !nodes.flawed {
                    let message = "without `protocol`, this virtual server is for UDP";
                    self.push(Report::warning(Code::Adjusted, node.whole(), message).help("say so: protocol TCP"));
                }
                Protocol::Udp
            }
        }
    }

    fn keys(&mut self, node: &Node, target: &Target, protocol: Protocol, family: Family) -> Option<Vec<ServiceKey>> {
        let key = |address: IpAddr, port| ServiceKey::Address { protocol, address, port };
        match target {
            Target::Address(a) => Some(vec![key(a.ip(), a.port())]),
            Target::Mark(mark) => Some(vec![ServiceKey::Fwmark { mark: *mark, family }]),
            Target::Group(_, entries) => {
                if !self.copy(entries.len(), node.whole()) {
                    return None;
                }
                let families = |v6: bool| {
                    entries.iter().any(|e| matches!(e, Entry::Address { address, .. } if address.is_ipv6() == v6))
                };
                let unsaid = entries.iter().any(|e| matches!(e, Entry::Mark { family: None, .. }));
                if families(true) && families(false) && unsaid {
                    let message = "the group holds both IPv4 and IPv6 addresses, so its marks need a family";
                    let report = Report::error(Code::WrongFamily, node.whole(), message);
                    self.push(report.help("fwmark N inet, or fwmark N inet6"));
                    return None;
                }
                let keys = entries.iter().map(|e| match e {
                    Entry::Address { address, port } => key(*address, *port),
                    Entry::Mark { mark, family: own } => {
                        ServiceKey::Fwmark { mark: *mark, family: own.unwrap_or(family) }
                    }
                });
                Some(keys.collect())
            }
        }
    }

    fn persistence(&mut self, node: &Node, target: &Target, family: Family) -> Option<Persistence> {
        let nodes = node.nodes();
        let portless = match target {
            Target::Address(a) => a.port() == 0,
            Target::Mark(_) => false,
            Target::Group(_, entries) => entries.iter().any(|e| matches!(e, Entry::Address { port: 0, .. })),
        };
        let granularity = nodes.find("persistence_granularity").and_then(|n| n.words.first());
        let granularity = match granularity {
            Some(word) => self.take(mask(word, family)),
            None => None,
        };
        let said = nodes.find("persistence_timeout");
        let timeout = match said {
            Some(_) => nodes.int("persistence_timeout").map_or(PORTLESS_PERSISTENCE, narrow),
            None if granularity.is_some() => PORTLESS_PERSISTENCE,
            None if portless => {
                let message = "a virtual server for every port needs persistence: it gets 360 seconds";
                let report = Report::warning(Code::Adjusted, node.whole(), message);
                self.push(report.help("say so: persistence_timeout 360; or give a port"));
                PORTLESS_PERSISTENCE
            }
            None => {
                if let Some(engine) = nodes.find("persistence_engine") {
                    let message = "`persistence_engine` has no effect without `persistence_timeout`";
                    self.push(Report::warning(Code::Unused, engine.whole(), message));
                }
                return None;
            }
        };
        let engine = nodes.text("persistence_engine").map(str::to_owned);
        if let Some(name) = engine.as_ref().filter(|e| e.len() > 16) {
            let at = nodes.find("persistence_engine").map_or(node.at, Node::argument);
            self.push(Report::error(Code::BadName, at, format!("`{name}` has more than 16 bytes")));
        }
        // The kernel shows a whole address as it does no granularity at all: they must be the same here, too.
        let whole = match family {
            Family::Inet => u32::MAX,
            Family::Inet6 => 128,
        };
        Some(Persistence { timeout, granularity: granularity.filter(|mask| *mask != whole), engine })
    }

    /// Scheduler flags, each for its scheduler.
    fn flags(&mut self, nodes: &Nodes, target: &Target, protocol: Protocol) -> ServiceFlags {
        let scheduler = scheduler(nodes);
        let mut flags = 0;
        for (name, bit, of) in [
            ("flag-1", 8, None),
            ("flag-2", 16, None),
            ("flag-3", 32, None),
            ("sh-fallback", 8, Some(Scheduler::Sh)),
            ("sh-port", 16, Some(Scheduler::Sh)),
            ("mh-fallback", 8, Some(Scheduler::Mh)),
            ("mh-port", 16, Some(Scheduler::Mh)),
        ] {
            let Some(node) = nodes.find(name) else { continue };
            match of.filter(|of| *of != scheduler) {
                Some(of) => {
                    let message =
                        format!("`{name}` has no effect: the scheduler is {}, not {}", scheduler.name(), of.name());
                    self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
                }
                None => flags |= bit,
            }
        }
        if let Some(node) = nodes.find("ops") {
            if protocol == Protocol::Udp || target.marks_only() {
                flags |= 4;
            } else {
                let message = "`ops` has no effect: one-packet scheduling is for UDP and marks";
                self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
            }
        }
        flags
    }

    /// `ha_suspend`, which marks know nothing of.
    fn suspends(&mut self, nodes: &Nodes, target: &Target) -> bool {
        let Some(node) = nodes.find("ha_suspend").filter(|_| nodes.on("ha_suspend")) else { return false };
        if target.marks_only() {
            let message = "`ha_suspend` has no effect: marks have no address that could come or go";
            self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
            return false;
        }
        true
    }

    /// `most`: what all servers weigh together, if that is known.
    fn quorum(&mut self, nodes: &Nodes, most: Option<u32>) -> (u32, u32) {
        let said: u32 = nodes.int("quorum").map_or(1, narrow);
        let mut quorum = said;
        if let Some(sum) = most.filter(|sum| said > (*sum).max(1)) {
            quorum = sum.max(1);
            let at = nodes.find("quorum").map_or(Place::NOWHERE, Node::argument);
            let message = format!("`quorum` {said} can't be reached: all weights together are {sum}");
            self.push(Report::warning(Code::Adjusted, at, message).label(format!("taken for {quorum}")));
        }
        let mut hysteresis: u32 = nodes.int("hysteresis").map_or(0, narrow);
        if hysteresis >= quorum {
            if hysteresis > 0 {
                let at = nodes.find("hysteresis").map_or(Place::NOWHERE, Node::argument);
                let message = format!("`hysteresis` {hysteresis} must be below the quorum, {quorum}");
                self.push(Report::warning(Code::Adjusted, at, message).label(format!("taken for {}", quorum - 1)));
            }
            hysteresis = quorum - 1;
        }
        (quorum, hysteresis)
    }

    fn sorry(
        &mut self,
        nodes: &Nodes,
        target: &Target,
        family: Family,
        port: Option<u16>,
        by: Forwarding,
    ) -> Option<SorryServer> {
        let Some(node) = nodes.find("sorry_server") else {
            for name in ["sorry_server_inhibit", "sorry_server_lvs_method"] {
                if let Some(node) = nodes.find(name) {
                    let message = format!("`{name}` has no effect without `sorry_server`");
                    self.push(Report::warning(Code::Unused, node.whole(), message));
                }
            }
            return None;
        };
        let given = self.socket("sorry_server", &node.words)?;
        let by = self.forwarding(nodes, "sorry_server_lvs_method").unwrap_or(by);
        self.fits(given, node.argument(), family, by)?;
        let port = self.port(given, node.argument(), target, port, by);
        let address = SocketAddr::new(given.ip(), port);
        Some(SorryServer { address, forwarding: by, inhibit: nodes.on("sorry_server_inhibit") })
    }

    fn real_server(
        &mut self,
        node: &Node,
        above: &Nodes,
        target: &Target,
        family: Family,
        port: Option<u16>,
        by: Forwarding,
    ) -> Option<(RealServer, ServerNotify)> {
        let given = self.socket("real_server", &node.words)?;
        let by = self.forwarding(node.nodes(), "lvs_method").unwrap_or(by);
        self.fits(given, node.argument(), family, by)?;
        let port = self.port(given, node.argument(), target, port, by);
        let address = SocketAddr::new(given.ip(), port);
        // As in the original, checks go to the port that is written, also where packets keep the service's.
        let checked = if given.port() == 0 { address } else { given };
        Some(self.server(node, above, (address, checked), by))
    }

    /// `slow_start` of a server, or of a virtual server, for which the scheduler of that must go by weights.
    fn slow_start(&mut self, nodes: &Nodes, above: &Nodes) -> Option<i64> {
        let seconds = nodes.int("slow_start");
        let scheduler = scheduler(above);
        if let Some(node) = nodes.find("slow_start").filter(|_| seconds != Some(0) && !scheduler.shares_by_weight()) {
            let name = scheduler.name();
            let message = format!("`slow_start` has no effect: {name} does not share connections out by weights");
            let report = Report::warning(Code::Adjusted, node.at, message).label("ignored");
            self.push(report.help("lvs_sched wrr, wlc, mh, sed, nq or twos"));
        }
        seconds
    }

    /// A server with this address, and the one that its checks go to.
    pub(super) fn server(
        &mut self,
        node: &Node,
        above: &Nodes,
        (address, checked): (SocketAddr, SocketAddr),
        by: Forwarding,
    ) -> (RealServer, ServerNotify) {
        let nodes = node.nodes();
        let weight = nodes.int("weight").or_else(|| above.int("weight")).unwrap_or(1);
        let upper: u32 = nodes.int("uthreshold").map_or(0, narrow);
        let lower: u32 = nodes.int("lthreshold").map_or(0, narrow);
        if upper > 0 && lower > upper {
            let at = nodes.find("lthreshold").map_or(node.at, Node::argument);
            let message = format!("`lthreshold` {lower} is above `uthreshold` {upper}: the kernel refuses that");
            self.push(Report::error(Code::OutOfRange, at, message));
        }
        let mut checkers = self.checkers(node, above, checked);
        checkers.shrink_to_fit(); // mostly one
        let told = ServerNotify {
            up: self.script(nodes, "notify_up"),
            down: self.script(nodes, "notify_down"),
            smtp_alert: nodes.switch("smtp_alert").or(self.defaults.smtp_checker).unwrap_or(true),
        };
        let inhibit = nodes.switch("inhibit_on_failure").or(above.switch("inhibit_on_failure")).unwrap_or(false);
        let slow_start = self.slow_start(nodes, above).or_else(|| above.int("slow_start"));
        let slow_start = slow_start.filter(|_| scheduler(above).shares_by_weight()).map_or(0, narrow);
        let server = RealServer {
            address,
            forwarding: by,
            weight: narrow(weight),
            upper_threshold: upper,
            lower_threshold: lower,
            inhibit_on_failure: inhibit,
            slow_start: Duration::from_secs(slow_start),
            checkers,
            duty: Duty::Serving,
        };
        (server, told)
    }
}

/// The one port that all of a target has, if it has one.
fn common_port(target: &Target) -> Option<u16> {
    match target {
        Target::Address(a) => Some(a.port()),
        Target::Mark(_) => None,
        Target::Group(_, entries) => {
            let mut ports = entries.iter().map(|e| match e {
                Entry::Address { port, .. } => Some(*port),
                Entry::Mark { .. } => None,
            });
            let first = ports.next()??;
            ports.all(|p| p == Some(first)).then_some(first)
        }
    }
}

fn scheduler(nodes: &Nodes) -> Scheduler {
    let name = nodes.text("lvs_sched").unwrap_or("wlc");
    Scheduler::ALL.iter().find(|(_, n)| *n == name).map_or(Scheduler::Wlc, |(s, _)| *s)
}

/// An IPv4 mask, or an IPv6 prefix length.
fn mask(word: &Word, family: Family) -> Result<u32, Report> {
    match family {
        Family::Inet => match word.text.parse::<Ipv4Addr>() {
            Ok(mask) if mask != Ipv4Addr::UNSPECIFIED => Ok(u32::from(mask)),
            _ => {
                let message = format!("`persistence_granularity`: `{}` is not a mask", word.text);
                Err(Report::error(Code::BadAddress, word.at, message).help("such as 255.255.255.0"))
            }
        },
        Family::Inet6 => Ok(narrow(value::int(word, "`persistence_granularity`", 1, 128)?)),
    }
}
