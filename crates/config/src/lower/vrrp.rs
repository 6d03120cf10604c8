//! `vrrp_instance`: what a virtual router is told to be, and how its settings bear on each other.

use super::group::Group;
use super::stays::Paths;
use super::track::{Trackable, Tracker, Used};
use super::vmac::{Places, Seat};
use super::{Lower, Named, narrow};
use crate::diag::{Code, Level, Report};
use crate::keyword::Block;
use crate::model::{Config, Instance};
use crate::source::Place;
use crate::tree::{Node, Nodes};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use vipd_vrrp::settings::{
    self, Auth, Binding, Checksum, Family, Garp, Initial, Preempt, Track, Tracked, Transport, Version, VirtualAddress,
    VirtualDevice,
};
use vipd_vrrp::units::{Centis, Micros, Priority, Vrid};

/// Addresses that one advert can list (the count is a byte).
const MAX_ADVERTISED: usize = 255;

/// Whether an instance keeps to the letter of the RFC (`vrrp_strict`, `strict_mode`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Usual,
    Strict,
}

/// From where unicast comes, if the file says so, and where adverts go.
type Travel = (Option<IpAddr>, IpAddr);

/// An instance with the places that later checks point at.
struct Made {
    instance: Instance,
    name_at: Place,
    vrid_at: Place,
}

impl Lower<'_> {
    /// Instances, groups and tracked scripts.
    pub(super) fn vrrp(&mut self, root: &Nodes, config: &mut Config) {
        let trackable = self.trackable(root);
        self.reserve_names(root);
        let instances = Named::collect(self, root, "vrrp_instance", Level::Error);
        let mut stays = self.stays(root, &instances);
        let groups = self.groups(root, &instances, &trackable);
        let mut made: Vec<Made> = Vec::new();
        let joined: HashMap<&str, &Group<'_>> =
            groups.iter().flat_map(|g| g.members.iter().map(move |m| (m.as_str(), g))).collect();
        for (name, node) in &instances.list {
            let group = joined.get(name).copied();
            made.extend(self.instance(name, node, (group, &trackable), stays.of(name)));
        }
        self.distinct(&made);
        self.shared(&made);
        config.instances = made.into_iter().map(|m| m.instance).collect();
        config.statics = stays.statics;
        config.groups = groups.into_iter().map(Group::model).collect();
        let blocks = instances.list.iter().map(|(_, node)| *node).chain(root.all("vrrp_sync_group"));
        let lists = blocks.flat_map(|node| ["track_script", "track_process"].map(|list| (list, node.nodes())));
        let named = lists.flat_map(|(list, nodes)| nodes.lines(list).map(move |l| (list, l.words[0].text.as_str())));
        let used = Used {
            tracked: config.instances.iter().flat_map(|i| &i.vrrp.tracks).map(|t| &t.what).collect(),
            named: named.collect(),
        };
        config.scripts = self.scripts(&trackable, &used);
        config.files = self.files(&trackable, &used);
        config.processes = self.processes(&trackable, &used);
        config.bfd = self.sessions(trackable.sessions());
    }

    fn instance(
        &mut self,
        name: &str,
        node: &Node,
        (group, of): (Option<&Group<'_>>, &Trackable<'_>),
        paths: Paths,
    ) -> Option<Made> {
        let nodes = node.nodes();
        let mode = match nodes.switch("strict_mode").unwrap_or(self.defaults.strict) {
            true => Mode::Strict,
            false => Mode::Usual,
        };
        let strict = mode == Mode::Strict;
        let family = super::transport::family(nodes);
        let version = self.version(nodes, mode, family);
        let vrid = self.needed(node, "virtual_router_id").and_then(|()| nodes.int("virtual_router_id"));
        let (priority, initial) = self.standing(nodes, mode);
        let preempt = self.preempt(nodes, priority, initial, mode);
        let advert_int = self.advert_int(nodes, version);
        let (auth, initial) = self.auth(node, (version, family), mode, (priority, initial), advert_int);
        let transport = self.transport(node, mode, family);
        let source = self.source(nodes, &transport, family);
        let binding = self.binding(node, &transport, source);
        let own = binding.as_ref().and_then(Binding::device);
        let heartbeat_paths = self.heartbeat_paths(nodes, (binding.as_ref(), source, &transport), family);
        let interface = binding.as_ref().and_then(Binding::interface);
        let elsewhere = self.elsewhere().to_owned();
        let seat = Seat { interface, elsewhere: &elsewhere, vrid: vrid.map_or(0, narrow), family, mode };
        let mut places = self.places(node, seat);
        let (addresses, excluded) = self.addresses(node, &mut places, (version, family), mode);
        let vmac_xmit_base = self.xmit_base(nodes, &places, &transport);
        let ipvlan = places.own.as_ref().and_then(VirtualDevice::own_address);
        let source = source.or(ipvlan.map(|own| own.address));
        let garp = self.garp(nodes, mode);
        let tracks = self.tracks(nodes, own, priority, group, of);
        let notify = self.notify(nodes, group.and_then(Group::priority_changes));
        let takeover = self.takeover(nodes, of.sessions().list.iter().map(|(name, _)| *name));
        let lower_no_advert = nodes.switch("lower_prio_no_advert");
        let higher_send = nodes.switch("higher_prio_send_advert");
        let instance = settings::Instance {
            name: name.to_owned(),
            vrid: Vrid::new(narrow(vrid?))?,
            binding: binding.clone()?,
            device: places.own,
            more_devices: places.more,
            vmac_xmit_base,
            accept: self.accept(node, mode, priority),
            family,
            version,
            priority,
            initial,
            advert_int,
            preempt,
            auth,
            transport,
            source,
            addresses,
            excluded,
            garp,
            down_timer_adverts: if strict {
                3
            } else {
                nodes.int("down_timer_adverts").map_or(self.defaults.down_timer_adverts, narrow)
            },
            timer_expired: self.timer_expired(nodes, preempt),
            lower_prio_no_advert: lower_no_advert.unwrap_or(strict || self.defaults.lower_prio_no_advert),
            higher_prio_send_advert: higher_send.unwrap_or(!strict && self.defaults.higher_prio_send_advert),
            skip_check_adv_addr: nodes.switch("skip_check_adv_addr").unwrap_or(self.defaults.skip_check_adv_addr),
            owner_ignore_adverts: nodes
                .switch("owner_ignore_adverts")
                .unwrap_or_else(|| priority == Priority::OWNER && (strict || self.defaults.owner_ignore_adverts)),
            checksum: self.checksum(nodes),
            track_primary: !nodes.on("dont_track_primary"),
            tracks,
            witness: takeover.witness.is_some() || takeover.session.is_some(),
            fence: takeover.fence.is_some(),
            heartbeat_paths,
            vip_lease: nodes.switch("vip_lease").unwrap_or(self.defaults.vip_lease),
            // `Lower::catch_up` says it.
            catch_up: Micros::ZERO,
            needs: paths.needs,
        };
        let mut instance = instance;
        if let Some(node) = nodes.find("garp_extra_if").filter(|_| instance.garp.extra.is_some())
            && instance.extra_addresses().is_empty()
        {
            let message = "`garp_extra_if` has no effect: no virtual address is on an interface that it is for";
            let report = Report::warning(Code::Unused, node.at, message).label("ignored");
            self.push(report.help("`all` includes interfaces that are not made for the instance"));
        }
        if instance.extra_addresses().is_empty() {
            instance.garp.extra = None;
        }
        let track_source = nodes.on("track_src_ip") && instance.source.is_some();
        if let Some(node) = nodes.find("track_src_ip").filter(|_| !track_source) {
            let message = "`track_src_ip` has no effect: the file gives no source address";
            self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
        }
        let vrid_at = nodes.find("virtual_router_id").map_or(node.at, Node::argument);
        let instance = Instance {
            vrrp: instance,
            routes: paths.routes,
            rules: paths.rules,
            track_source,
            promote_secondaries: nodes.on("promote_secondaries"),
            notify,
            takeover,
        };
        Some(Made { instance, name_at: node.argument(), vrid_at })
    }

    /// What the checksum of version 3 over IPv4 covers. The newer of the two words counts.
    fn checksum(&self, nodes: &Nodes) -> Checksum {
        let old = nodes.find("old_unicast_checksum").map(|node| node.words.is_empty());
        match (nodes.switch("v3_checksum_as_v2").unwrap_or(self.defaults.checksum_as_v2), old) {
            (true, _) => Checksum::Plain,
            (false, Some(true)) => Checksum::Old,
            (false, Some(false)) => Checksum::NeverOld,
            (false, None) => Checksum::Pseudo,
        }
    }

    /// Whether what is sent to its addresses is taken: unless told otherwise, or by the letter of the RFC (9568, 6.1).
    fn accept(&mut self, node: &Node, mode: Mode, priority: Priority) -> bool {
        let nodes = node.nodes();
        match (nodes.find("accept"), nodes.find("no_accept")) {
            (Some(accept), Some(never)) => {
                let report =
                    Report::warning(Code::Repeated, never.at, "`accept` and `no_accept` contradict each other");
                self.push(report.label("ignored").also(accept.at, "this one counts"));
                true
            }
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) if mode == Mode::Strict && priority != Priority::OWNER => {
                let message = "strict mode: what is sent to the addresses is dropped, as this router does not own them";
                let report = Report::lint(Code::StrictDrops, node.argument(), message);
                self.push(report.help("`accept` in the instance, if its services shall be reached there"));
                false
            }
            (None, None) => true,
        }
    }

    /// Tells if a keyword is missing, unless something in the block was not understood (it may be that).
    fn needed(&mut self, node: &Node, name: &str) -> Option<()> {
        if super::global::valid(node.nodes(), name) {
            return Some(());
        }
        if !node.nodes().flawed {
            let message = format!("`{name}` is missing");
            let row = node.keyword.args.block().and_then(|block| block.find(name));
            let report = Report::error(Code::Missing, node.whole(), message);
            self.push(match row {
                Some(row) if !row.range.is_empty() => report.help(format!("{name} {}, {}", row.usage, row.range)),
                Some(row) => report.help(format!("{name} {}", row.usage)),
                None => report,
            });
        }
        None
    }

    /// Priority and first state: each has a default that depends on the other.
    fn standing(&mut self, nodes: &Nodes, mode: Mode) -> (Priority, Initial) {
        let state = nodes.text("state").map(|s| if s == "MASTER" { Initial::Master } else { Initial::Backup });
        let priority = nodes.int("priority").map(|p| Priority(narrow(p)));
        let priority = match (priority, state) {
            (Some(priority), _) => priority,
            (None, Some(Initial::Master)) if !nodes.flawed => {
                let at = nodes.at("state", Place::NOWHERE);
                let message = "without `priority`, `state MASTER` makes this router the owner: its priority is 255";
                self.push(
                    Report::warning(Code::Adjusted, at, message).help("say which: priority 100, or priority 255"),
                );
                Priority::OWNER
            }
            (None, _) => Priority(100),
        };
        let owner = priority == Priority::OWNER;
        let initial = match state {
            None if owner => Initial::Master,
            None => Initial::Backup,
            Some(state) if mode == Mode::Strict && (state == Initial::Master) != owner => {
                let message = "strict mode: only a router of priority 255 starts as MASTER, and it always does";
                self.push(Report::warning(Code::Adjusted, nodes.at("state", Place::NOWHERE), message).label("ignored"));
                if owner { Initial::Master } else { Initial::Backup }
            }
            Some(state) => state,
        };
        (priority, initial)
    }

    fn preempt(&mut self, nodes: &Nodes, priority: Priority, initial: Initial, mode: Mode) -> Preempt {
        let never = match (nodes.find("nopreempt"), nodes.find("preempt")) {
            (Some(never), Some(always)) => {
                let report =
                    Report::warning(Code::Repeated, never.at, "`nopreempt` and `preempt` contradict each other");
                self.push(report.label("ignored").also(always.at, "this one counts"));
                None
            }
            (never, _) => never,
        };
        let delay = nodes.micros("preempt_delay").unwrap_or(0);
        let delay_at = nodes.at("preempt_delay", Place::NOWHERE);
        let why_not_never = match (priority == Priority::OWNER, initial) {
            (true, _) => Some("a router of priority 255 owns the addresses and always takes over"),
            (false, Initial::Master) => Some("it is for routers that start as BACKUP"),
            (false, Initial::Backup) => None,
        };
        if let Some(never) = never {
            match why_not_never {
                Some(why) => {
                    let report = Report::warning(Code::Adjusted, never.at, format!("`nopreempt` has no effect: {why}"));
                    self.push(report.label("ignored").help("state BACKUP, on every router of the group"));
                }
                None => {
                    if delay > 0 {
                        let message = "`preempt_delay` has no effect: with `nopreempt` nothing is taken over";
                        self.push(Report::warning(Code::Adjusted, delay_at, message).label("ignored"));
                    }
                    return Preempt::Never;
                }
            }
        }
        let why_no_delay = match initial {
            _ if mode == Mode::Strict => Some("strict mode has none"),
            Initial::Master => Some("it is for routers that start as BACKUP"),
            Initial::Backup => None,
        };
        match why_no_delay {
            Some(why) if delay > 0 => {
                let message = format!("`preempt_delay` has no effect: {why}");
                self.push(Report::warning(Code::Adjusted, delay_at, message).label("ignored"));
                Preempt::After(Micros::ZERO)
            }
            _ => Preempt::After(Micros(delay)),
        }
    }

    /// `timer_expired_backup`: for routers that leave others in peace.
    fn timer_expired(&mut self, nodes: &Nodes, preempt: Preempt) -> Option<Priority> {
        let node = nodes.find("timer_expired_backup")?;
        if preempt != Preempt::Never {
            let message = "`timer_expired_backup` has no effect without `nopreempt`";
            self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
            return None;
        }
        Some(Priority(nodes.int("timer_expired_backup").map_or(254, narrow)))
    }

    /// Version 2 carries whole seconds, version 3 hundredths.
    fn advert_int(&mut self, nodes: &Nodes, version: Version) -> Centis {
        let Some(micros) = nodes.micros("advert_int") else {
            return Centis(100);
        };
        let at = nodes.find("advert_int").map_or(Place::NOWHERE, Node::argument);
        let (unit, least, most) = match version {
            Version::V2 => (1_000_000, 1, 255),
            Version::V3 => (10_000, 1, 4095),
        };
        let units = ((micros + unit / 2) / unit).clamp(least, most);
        let centis = Centis(u16::try_from(units * (unit / 10_000)).unwrap_or(u16::MAX));
        if units * unit != micros {
            let what = match version {
                Version::V2 => "VRRP version 2 knows whole seconds only",
                Version::V3 => "VRRP version 3 knows 0.01 to 40.95 seconds",
            };
            let report = Report::warning(Code::Rounded, at, format!("{what}: the interval is {centis}"));
            self.push(match version {
                Version::V2 => report.help("version 3 has shorter intervals, if all routers of the group speak it"),
                Version::V3 => report,
            });
        }
        centis
    }

    fn auth(
        &mut self,
        node: &Node,
        (version, family): (Version, Family),
        mode: Mode,
        (priority, initial): (Priority, Initial),
        advert_int: Centis,
    ) -> (Auth, Initial) {
        if node.nodes().find("auth_hmac").is_some() {
            if let Some(block) = node.nodes().find("authentication") {
                let message = "this authentication is not used: `auth_hmac` takes its place";
                self.push(Report::warning(Code::AuthDropped, block.at, message));
            }
            let hmac = self.hmac(node.nodes(), mode, advert_int);
            return (hmac.map_or(Auth::None, Auth::Hmac), initial);
        }
        let Some(block) = node.nodes().find("authentication") else {
            return (Auth::None, initial);
        };
        let nodes = block.nodes();
        let drop = |lower: &mut Self, why: &str| {
            if !nodes.flawed {
                let message = format!("this authentication is not used: {why}");
                lower.push(Report::warning(Code::AuthDropped, block.at, message));
            }
            (Auth::None, initial)
        };
        if mode == Mode::Strict {
            return drop(self, "strict mode has none (RFC 3768 removed it)");
        }
        if version == Version::V3 {
            return drop(self, "VRRP version 3 has none");
        }
        if family == Family::V6 {
            return drop(self, "adverts over IPv6 have no room for it");
        }
        let Some(kind) = nodes.text("auth_type") else {
            return drop(self, "`auth_type` is missing");
        };
        let Some(password) = nodes.text("auth_pass") else {
            return drop(self, "`auth_pass` is missing");
        };
        self.check_secret(nodes.find("auth_pass").map_or(block.at, Node::argument));
        let mut key = [0; 8];
        for (to, from) in key.iter_mut().zip(password.bytes()) {
            *to = from;
        }
        if password.len() > 8 {
            let at = nodes.find("auth_pass").map_or(block.at, Node::argument);
            let message = "only the first 8 bytes of this password are used";
            self.push(Report::warning(Code::AuthDropped, at, message).help("the field on the wire has 8 bytes"));
        }
        if password == crate::setting::HIDDEN {
            let at = nodes.find("auth_pass").map_or(block.at, Node::argument);
            let message = "this is what vipd shows in place of a password";
            self.push(Report::warning(Code::AuthDropped, at, message).help("write the password itself"));
        }
        if kind == "AH" && initial == Initial::Master && priority != Priority::OWNER {
            let at = nodes.find("auth_type").map_or(block.at, Node::argument);
            let message = "with AH an instance listens before it can be MASTER";
            self.push(Report::lint(Code::Adjusted, at, message).label("`state MASTER` is taken for `state BACKUP`"));
        }
        match kind {
            "AH" if initial == Initial::Master && priority != Priority::OWNER => (Auth::Ah(key), Initial::Backup),
            "AH" => (Auth::Ah(key), initial),
            _ => (Auth::Pass(key), initial),
        }
    }

    fn addresses(
        &mut self,
        node: &Node,
        places: &mut Places<'_>,
        (version, family): (Version, Family),
        mode: Mode,
    ) -> (Vec<VirtualAddress>, Vec<VirtualAddress>) {
        let nodes = node.nodes();
        let mut listed: Vec<VirtualAddress> = Vec::new();
        let mut excluded: Vec<VirtualAddress> = Vec::new();
        let mut seen: HashSet<(IpAddr, Option<String>)> = HashSet::new();
        for keyword in ["virtual_ipaddress", "virtual_ipaddress_excluded"] {
            let advertised = keyword == "virtual_ipaddress";
            for block in nodes.all(keyword) {
                let Some(row) = block.keyword.args.block() else {
                    continue;
                };
                let crate::tree::Body::Lines(lines) = &block.body else {
                    continue;
                };
                for line in lines {
                    let row: &'static Block = row;
                    let Some(address) = self.address(line, row, places) else {
                        continue;
                    };
                    if advertised && self.of_family(address.address, line.at(), family).is_none() {
                        continue;
                    }
                    // An advertised address is unique; an excluded one may repeat it on another interface.
                    let fresh = if advertised {
                        seen.insert((address.address, None))
                            && seen.insert((address.address, Some(address.device.clone())))
                    } else {
                        seen.insert((address.address, Some(address.device.clone())))
                    };
                    if !fresh {
                        let message = format!("address {} is given twice", address.address);
                        self.push(Report::warning(Code::Repeated, line.at(), message).label("ignored"));
                    } else if advertised && listed.len() < MAX_ADVERTISED {
                        listed.push(address);
                    } else {
                        if advertised && listed.len() == MAX_ADVERTISED && excluded.is_empty() {
                            let message =
                                "an advert lists 255 addresses at most: this and later ones are held, not listed";
                            let report = Report::warning(Code::Adjusted, line.at(), message);
                            self.push(report.help("put them in `virtual_ipaddress_excluded`, on every router alike"));
                        }
                        excluded.push(address);
                    }
                }
            }
        }
        let strict = mode == Mode::Strict;
        self.room(node, version, family, &listed);
        if strict && listed.first().is_some_and(|a| matches!(a.address, IpAddr::V6(a) if !a.is_unicast_link_local())) {
            let message = "the first IPv6 address of a virtual router is to be a link-local one (RFC 9568, 5.2.9)";
            self.push(Report::lint(Code::Adjusted, nodes.at("virtual_ipaddress", node.at), message));
        }
        let needs = (version == Version::V3 && !nodes.on("no_virtual_ipaddress")) || strict;
        let lacks = !nodes.flawed && nodes.lines("virtual_ipaddress").next().is_none();
        let scripts = nodes.list().iter().any(|n| n.keyword.args.is_command());
        if lacks && !needs && !nodes.on("no_virtual_ipaddress") && !scripts && excluded.is_empty() {
            let message = "this instance elects a master and has no address for it to hold";
            let report = Report::lint(Code::NoAddress, node.argument(), message);
            self.push(report.help("virtual_ipaddress { ADDRESS/LEN }; or `no_virtual_ipaddress` if that is meant"));
        }
        if needs && lacks {
            let what = if strict { "strict mode" } else { "VRRP version 3" };
            let message = format!("{what} needs at least one address in `virtual_ipaddress`");
            self.push(Report::error(Code::Missing, node.whole(), message).help("virtual_ipaddress { ADDRESS/LEN }"));
        }
        (listed, excluded)
    }

    fn garp(&mut self, nodes: &Nodes, mode: Mode) -> Garp {
        let secs = |name| nodes.int(name).map(|s| Micros::from_secs(narrow(s)));
        let count = |name: &str| nodes.int(name).map(narrow::<u32>);
        let defaults = &self.defaults;
        let garp = &defaults.garp;
        let master_repeat = count("garp_master_repeat").map_or(garp.master_repeat, |n| n.max(1));
        let master_delay = secs("garp_master_delay").unwrap_or(garp.master_delay);
        let repeat = count("garp_lower_prio_repeat");
        let delay = secs("garp_lower_prio_delay");
        Garp {
            master_repeat,
            master_delay,
            refresh: secs("garp_master_refresh").unwrap_or(garp.refresh),
            refresh_repeat: count("garp_master_refresh_repeat").map_or(garp.refresh_repeat, |n| n.max(1)),
            lower_prio_repeat: match (repeat, mode) {
                (_, Mode::Strict) => 0,
                (Some(n), Mode::Usual) => n,
                (None, Mode::Usual) => defaults.lower_prio_repeat.unwrap_or(master_repeat),
            },
            lower_prio_delay: match (delay, mode) {
                (_, Mode::Strict) => Micros::ZERO,
                (Some(d), Mode::Usual) => d,
                (None, Mode::Usual) => defaults.lower_prio_delay.unwrap_or(master_delay),
            },
            interval: garp.interval,
            gna_interval: garp.gna_interval,
            extra: super::global::extra(nodes, "garp_extra_if").unwrap_or(garp.extra),
        }
    }

    /// Tells if an advert on a usual link has no room for all addresses.
    fn room(&mut self, node: &Node, version: Version, family: Family, listed: &[VirtualAddress]) {
        let most = vipd_vrrp::packet::room(1500, version, family, 0);
        if listed.len() > most && family == Family::V6 {
            let message = format!("an advert of 1500 bytes lists {most} addresses: later ones are held, not listed");
            let report = Report::warning(Code::Adjusted, node.nodes().at("virtual_ipaddress", node.at), message);
            self.push(report.help("put them in `virtual_ipaddress_excluded`, on every router alike"));
        }
    }

    fn version(&mut self, nodes: &Nodes, mode: Mode, family: Family) -> Version {
        match (nodes.text("version"), family) {
            (None, Family::V4) => self.defaults.version,
            (None, Family::V6) => Version::V3,
            (Some("2"), Family::V6) => {
                let at = nodes.at("version", Place::NOWHERE);
                let message = "no standard defines version 2 over IPv6: only keepalived and vipd understand it";
                let report = Report::warning(Code::Adjusted, at, message).help("version 3");
                if mode == Mode::Strict {
                    self.push(report.label("strict mode takes version 3"));
                    return Version::V3;
                }
                self.push(report);
                Version::V2
            }
            (Some("2"), Family::V4) => Version::V2,
            (Some(_), _) => Version::V3,
        }
    }

    fn tracks(
        &mut self,
        nodes: &Nodes,
        own: Option<&str>,
        priority: Priority,
        group: Option<&Group<'_>>,
        of: &Trackable<'_>,
    ) -> Vec<Track> {
        let is_own = |t: &Tracker| matches!(&t.track.what, Tracked::Interface(name) if own == Some(name));
        let mut trackers = self.trackers(nodes, of);
        trackers.retain(|t| {
            if is_own(t) {
                let message =
                    format!("`{}` is the instance's own interface, which is tracked anyway", t.track.what.name());
                self.findings.push(Report::warning(Code::Unused, t.at, message).label("ignored"));
            }
            !is_own(t)
        });
        if let Some(group) = group {
            if !group.weighs {
                let why = "members of a sync group keep none of their own unless it says `sync_group_tracking_weight`";
                self.unweigh(&mut trackers, why);
            }
            let others: Vec<_> = group.trackers.iter().filter(|t| !is_own(t)).cloned().collect();
            trackers = self.join(trackers, &others);
        }
        if priority == Priority::OWNER {
            self.unweigh(&mut trackers, "the priority of an owner (255) never changes");
        } else {
            self.weigh(&trackers, priority);
        }
        trackers.into_iter().map(|t| t.track).collect()
    }

    /// An address that two routers would both put on one interface: whichever leaves takes it from the other.
    fn shared(&mut self, made: &[Made]) {
        let mut seen: HashMap<(IpAddr, &str), &str> = HashMap::new();
        for one in made {
            let own = &one.instance.vrrp;
            for address in own.addresses.iter().chain(&own.excluded) {
                let first = *seen.entry((address.address, &address.device)).or_insert(&own.name);
                if first == own.name {
                    continue;
                }
                let message =
                    format!("{} on {} belongs to `{first}` and `{}`", address.address, address.device, own.name);
                let report = Report::warning(Code::SharedAddress, one.name_at, message);
                self.push(report.help("the router that leaves MASTER takes it away from the other"));
                break;
            }
        }
    }

    /// One virtual router identifier stands for one router on an interface and destination.
    fn distinct(&mut self, made: &[Made]) {
        let mut seen: HashMap<(Vrid, Option<&str>, Travel), &Made> = HashMap::new();
        // By any interface: who is bound to none hears them all.
        let mut anywhere: HashMap<(Vrid, Travel), &Made> = HashMap::new();
        for one in made {
            let own = &one.instance.vrrp;
            let paths = own.heartbeat_paths.iter().map(|p| (Some(p.interface.as_str()), p.source, &p.transport));
            let mut clash = None;
            for (device, source, transport) in paths.chain([(own.binding.device(), own.source, &own.transport)]) {
                let travels: Vec<Travel> = match transport {
                    Transport::Multicast { group } => vec![(None, *group)],
                    Transport::Unicast { peers, .. } => peers.iter().map(|p| (source, p.address)).collect(),
                };
                for travel in travels {
                    let of = |device| (own.vrid, device, travel);
                    let first = *seen.entry(of(device)).or_insert(one);
                    let any = *anywhere.entry((own.vrid, travel)).or_insert(one);
                    let everywhere = if device.is_none() { Some(any) } else { seen.get(&of(None)).copied() };
                    let other =
                        [Some(first), everywhere].into_iter().flatten().find(|other| !std::ptr::eq(*other, one));
                    clash = clash.or(other.map(|other| (other, device)));
                }
            }
            if let Some((other, device)) = clash {
                let place = device.map(|name| format!(" on {name}")).unwrap_or_default();
                let message = format!("virtual_router_id {} is used twice{place}", own.vrid);
                let label = format!("by `{}` here", other.instance.vrrp.name);
                self.push(
                    Report::error(Code::DuplicateVrid, one.vrid_at, message)
                        .also(other.vrid_at, label)
                        .help("1 to 255, unique on the network segment"),
                );
            }
        }
    }
}
