//! The routes and rules of this host that are ours: what the kernel holds, compared with what is claimed; the difference
//! written. Routes come before rules and behind the addresses, and go before them.

use super::addresses::Losses;
use crate::rate::Limit;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;
use tracing::{debug, info, warn};
use vipd_config::model::{Config, Instance};
use vipd_config::routing::{self as wanted, Action, Guard, PROTOCOL, Table};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::netlink::{self as kernel, Found, Link, Netlink, Place, RoutingChange, RoutingMonitor, Way};
use vipd_vrrp::settings::Family;

/// Routes and rules written before the adverts get their turn.
const BURST: usize = 32;
/// How long after a refused write it is tried again, in microseconds.
const RETRY: u64 = 1_000_000;
/// How long one stays away that was put back a moment ago, in microseconds: `ip route flush` goes on until nothing is left.
const PACE: u64 = 25_000;
/// What a moment is, in microseconds.
const MOMENT: u64 = 1_000_000;

/// A route or a rule; routes come first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Path {
    Route(wanted::Route),
    Rule(wanted::Rule),
}

impl Path {
    /// All of an instance, routes first, in the order of the file.
    pub(crate) fn of(instance: &Instance) -> impl Iterator<Item = Path> + '_ {
        let rules = instance.rules.iter().cloned().map(Path::Rule);
        instance.routes.iter().cloned().map(Path::Route).chain(rules)
    }

    /// All of a configuration: what is static, then the instances'.
    pub(crate) fn all(config: &Config) -> impl Iterator<Item = Path> + '_ {
        Path::statics(config).chain(config.instances.iter().flat_map(Path::of))
    }

    /// What is always there.
    pub(crate) fn statics(config: &Config) -> impl Iterator<Item = Path> + '_ {
        let rules = config.statics.rules.iter().cloned().map(Path::Rule);
        config.statics.routes.iter().cloned().map(Path::Route).chain(rules)
    }

    /// The word for it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Path::Route(_) => "route",
            Path::Rule(_) => "rule",
        }
    }

    /// As `ip` has it.
    pub(crate) fn text(&self) -> String {
        match self {
            Path::Route(route) => route.to_string(),
            Path::Rule(rule) => rule.to_string(),
        }
    }

    fn guard(&self) -> Guard {
        match self {
            Path::Route(route) => route.guard,
            Path::Rule(rule) => rule.guard,
        }
    }

    fn protocol(&self) -> u8 {
        match self {
            Path::Route(route) => route.protocol,
            Path::Rule(rule) => rule.protocol,
        }
    }

    /// As the kernel has it, with the indices of its interfaces; `None` while one of these is missing.
    fn known(&self, links: &BTreeMap<String, Link>) -> Option<Known> {
        match self {
            Path::Route(route) => known_route(route, links).map(|known| Known::Route(known, order(route.order))),
            Path::Rule(rule) => Some(Known::Rule(known_rule(rule))),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.text())
    }
}

/// A path in the kernel's terms.
enum Known {
    Route(kernel::Route, kernel::Order),
    Rule(kernel::Rule),
}

/// What the kernel removes one by: paths that differ otherwise are the same to it.
type Identity = (Option<(Place, Vec<(Option<IpAddr>, Option<u32>)>)>, Option<kernel::Rule>);

impl Known {
    fn identity(&self) -> Identity {
        match self {
            Known::Route(route, _) => {
                let ways = route.hops.iter().map(|hop| (hop.gateway, hop.device)).collect();
                (Some((route.place(), ways)), None)
            }
            Known::Rule(rule) => (None, Some(rule.clone())),
        }
    }

    fn remove(&self, netlink: &mut Netlink) -> io::Result<()> {
        match self {
            Known::Route(route, _) => netlink.remove_route(route),
            Known::Rule(rule) => netlink.remove_rule(rule),
        }
    }
}

/// What the kernel holds of ours.
#[derive(Default)]
struct Held {
    routes: BTreeMap<Place, BTreeSet<Way>>,
    rules: BTreeSet<kernel::Rule>,
}

impl Held {
    fn read(netlink: &mut Netlink, protocols: &BTreeSet<u8>) -> io::Result<Held> {
        let mut held = Held { rules: netlink.rules()?, ..Held::default() };
        netlink.routes(protocols)?.into_iter().for_each(|route| held.hold(route));
        Ok(held)
    }

    fn hold(&mut self, Found { place, ways, .. }: Found) {
        self.routes.entry(place).or_default().extend(ways);
    }

    fn lose(&mut self, Found { place, ways, .. }: &Found) {
        if let Some(held) = self.routes.get_mut(place) {
            // Of one that was noted without its interface the kernel knows it.
            let same = |way: &Way, gone: &Way| way.gateway == gone.gateway && [0, gone.device].contains(&way.device);
            held.retain(|way| !ways.iter().any(|gone| same(way, gone)));
            if held.is_empty() {
                self.routes.remove(place);
            }
        }
    }

    fn has(&self, path: &Known) -> bool {
        match path {
            Known::Route(route, _) => self.routes.get(&route.place()).is_some_and(|ways| route.among(ways)),
            Known::Rule(rule) => self.rules.contains(rule),
        }
    }

    /// Notes that one is there of which the kernel told nothing: somebody else had made it.
    fn add(&mut self, path: &Known) {
        match path {
            Known::Route(route, _) => {
                let way = |hop: &kernel::Hop| Way { gateway: hop.gateway, device: hop.device.unwrap_or(0) };
                let ways = self.routes.entry(route.place()).or_default();
                ways.extend(route.hops.iter().map(way));
                if route.hops.is_empty() {
                    ways.insert(Way { gateway: None, device: 0 });
                }
            }
            Known::Rule(rule) => {
                self.rules.insert(rule.clone());
            }
        }
    }

    /// Notes that one was removed.
    fn drop(&mut self, path: &Known) {
        match path {
            Known::Route(route, _) => {
                let place = route.place();
                let Some(ways) = self.routes.get_mut(&place) else { return };
                ways.retain(|way| !route.hops.is_empty() && !route.hops.iter().any(|hop| hop.takes(way)));
                if ways.is_empty() {
                    self.routes.remove(&place);
                }
            }
            Known::Rule(rule) => {
                self.rules.remove(rule);
            }
        }
    }
}

/// Removes the routes and rules of a configuration from this host, but for those of another one, for a role that is not there
/// to do it.
pub(crate) fn release(old: &Config, new: &Config) -> io::Result<()> {
    let kept: BTreeSet<Path> = Path::all(new).collect();
    let gone: Vec<Path> = Path::all(old).filter(|path| !kept.contains(path)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let mut netlink = Netlink::open()?;
    let links = netlink.links()?.into_iter().map(|l| (l.name.clone(), l)).collect();
    let protocols = gone.iter().map(Path::protocol).collect();
    let held = Held::read(&mut netlink, &protocols)?;
    for path in gone.iter().rev() {
        let Some(known) = path.known(&links).filter(|known| held.has(known)) else { continue };
        known.remove(&mut netlink)?;
        info!("removed {path}: no vrrp role is there to do it");
    }
    Ok(())
}

/// The routes and rules of this host.
pub(crate) struct Routing {
    monitor: RoutingMonitor,
    netlink: Netlink,
    links: BTreeMap<String, Link>,
    /// Who made what is heard of.
    protocols: BTreeSet<u8>,
    /// Where routes of ours stand: of others with their protocol there may be very many.
    places: BTreeSet<Place>,
    held: Held,
    /// Every one that we may write.
    managed: BTreeSet<Path>,
    /// What is to be there, in its order, and as a set.
    claims: Vec<Path>,
    claimed: BTreeSet<Path>,
    adds: VecDeque<Path>,
    /// Those that could not be added, and when each is tried again.
    refused: BTreeMap<Path, u64>,
    /// Refused ones of which that was told.
    told: BTreeSet<Path>,
    /// When a removal that was refused is tried again.
    retry_at: Option<u64>,
    /// Claimed ones that were held when the kernel last told.
    there: BTreeSet<Path>,
    /// Those with `no_track` that somebody has removed since they were claimed.
    let_go: BTreeSet<Path>,
    /// Interfaces of routes that went since the last time that was looked at.
    gone: BTreeMap<Place, BTreeSet<u32>>,
    /// Something came or went that was not asked about yet.
    seen: bool,
    /// Those that somebody removed, until they were told of.
    pub(crate) put_back: Vec<Path>,
    /// How often one was put back, and when it was last.
    restored: BTreeMap<Path, (u64, u64)>,
    limit: Limit,
}

impl Routing {
    /// Opens the sockets. Of routes nothing is known before `manage`.
    pub(crate) fn open() -> io::Result<Routing> {
        Ok(Routing {
            monitor: RoutingMonitor::open()?,
            netlink: Netlink::open()?,
            links: BTreeMap::new(),
            protocols: BTreeSet::new(),
            places: BTreeSet::new(),
            held: Held::default(),
            managed: BTreeSet::new(),
            claims: Vec::new(),
            claimed: BTreeSet::new(),
            adds: VecDeque::new(),
            refused: BTreeMap::new(),
            told: BTreeSet::new(),
            retry_at: None,
            there: BTreeSet::new(),
            let_go: BTreeSet::new(),
            gone: BTreeMap::new(),
            seen: false,
            put_back: Vec::new(),
            restored: BTreeMap::new(),
            limit: Limit::default(),
        })
    }

    /// For the poller.
    pub(crate) fn monitor(&self) -> &RoutingMonitor {
        &self.monitor
    }

    /// These are ours to add and to remove from now on. What an earlier configuration managed and this one doesn't, or wants
    /// otherwise, is removed; `reconcile` adds it anew.
    pub(crate) fn manage(&mut self, config: &Config, links: &BTreeMap<u32, Link>) -> io::Result<()> {
        let managed: BTreeSet<Path> = Path::all(config).collect();
        let protocols: BTreeSet<u8> =
            managed.iter().chain(&self.managed).map(Path::protocol).chain([PROTOCOL]).collect();
        self.note_links(links);
        self.places.extend(places(&managed, &self.links));
        if protocols != self.protocols && !(managed.is_empty() && self.managed.is_empty()) {
            self.monitor.follow(&protocols)?;
            self.protocols = protocols;
            self.read_all()?;
        }
        self.observe()?;
        let gone: Vec<Path> = self.managed.iter().rev().filter(|path| !managed.contains(*path)).cloned().collect();
        for path in gone {
            self.remove(&path);
        }
        self.restored.retain(|path, _| managed.contains(path));
        self.refused.clear();
        self.told.retain(|path| managed.contains(path));
        self.let_go.retain(|path| managed.contains(path));
        self.managed = managed;
        Ok(())
    }

    fn read_all(&mut self) -> io::Result<()> {
        self.held = Held::read(&mut self.netlink, &self.protocols)?;
        self.held.routes.retain(|place, _| self.places.contains(place));
        self.seen = true;
        Ok(())
    }

    fn note_links(&mut self, links: &BTreeMap<u32, Link>) {
        self.links = links.values().map(|link| (link.name.clone(), link.clone())).collect();
        self.places = places(&self.managed, &self.links);
    }

    /// Interfaces or addresses changed: IPv4 routes went with those that are or were away and with their source address, of
    /// which the kernel tells nothing, and what was refused may be possible now.
    pub(crate) fn heed(&mut self, links: &BTreeMap<u32, Link>, has: impl Fn(IpAddr) -> bool, losses: &Losses) {
        if self.managed.is_empty() {
            return;
        }
        self.note_links(links);
        let stands =
            |device: u32| links.get(&device).is_some_and(|link| link.enabled) && !losses.devices.contains(&device);
        let enabled = |way: &Way| way.device == 0 || stands(way.device);
        for (place, ways) in &mut self.held.routes {
            if place.destination.0.is_ipv4() {
                ways.retain(enabled);
            }
        }
        self.held.routes.retain(|_, ways| !ways.is_empty());
        for path in &self.claims {
            let Path::Route(route) = path else { continue };
            let lost = |address: &IpAddr| !has(*address) || losses.addresses.contains(address);
            let sourceless = |address: &IpAddr| address.is_ipv4() && lost(address);
            if route.preferred.as_ref().is_some_and(sourceless)
                && let Some(known) = path.known(&self.links)
            {
                self.held.drop(&known);
            }
        }
        // Nobody removed these.
        let (held, links) = (&self.held, &self.links);
        self.there.retain(|path| path.known(links).is_some_and(|known| held.has(&known)));
        self.refused.clear();
        self.seen = true;
    }

    /// Reads what the kernel has to tell. What it means is kept until `news` is asked.
    pub(crate) fn observe(&mut self) -> io::Result<()> {
        while let Some(changes) = self.monitor.read()? {
            for change in changes {
                use RoutingChange::{Route, RouteGone, RouteInstead};
                if let Route(found) | RouteGone(found) | RouteInstead(found) = &change
                    && !self.places.contains(&found.place)
                {
                    continue;
                }
                self.seen = true;
                match change {
                    RoutingChange::Route(found) if self.protocols.contains(&found.protocol) => self.held.hold(found),
                    RoutingChange::Route(_) => {}
                    RoutingChange::RouteInstead(found) => {
                        self.held.routes.remove(&found.place);
                        if self.protocols.contains(&found.protocol) {
                            self.held.hold(found);
                        }
                    }
                    RoutingChange::RouteGone(found) if self.protocols.contains(&found.protocol) => {
                        self.held.lose(&found);
                        let devices = found.ways.iter().map(|way| way.device);
                        self.gone.entry(found.place).or_default().extend(devices);
                    }
                    RoutingChange::RouteGone(_) => {}
                    RoutingChange::Rule(rule) => {
                        self.held.rules.insert(rule);
                    }
                    RoutingChange::RuleGone(rule) => {
                        self.held.rules.remove(&rule);
                    }
                    RoutingChange::Overrun => {
                        warn!("the kernel had more to tell of routes and rules than fits: reading ours anew");
                        self.read_all()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether something has been seen since the last time, so that it is time to reconcile.
    pub(crate) fn news(&mut self) -> bool {
        std::mem::take(&mut self.seen)
    }

    /// Tells once of each that somebody has removed; what went with its interface is that interface's business.
    fn note_removed(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        let lost: Vec<Path> = self.there.iter().filter(|path| !self.holds(path)).cloned().collect();
        for path in lost {
            self.there.remove(&path);
            let enabled = |device: &u32| self.enabled(*device);
            let with_interface = match path.known(&self.links) {
                Some(Known::Route(route, _)) => gone.get(&route.place()).is_some_and(|on| !on.iter().all(enabled)),
                Some(Known::Rule(_)) => false,
                None => true,
            };
            if with_interface {
                continue;
            }
            if path.guard() == Guard::LetGo {
                info!("somebody removed {path}: it stays away, as told (no_track)");
                self.let_go.insert(path);
                continue;
            }
            let now = monotonic_micros();
            if let Some(silent) = self.limit.allow(now) {
                warn!("somebody removed {path}: it is put back{silent}");
            }
            self.put_back.push(path.clone());
            let (times, last) = self.restored.entry(path.clone()).or_default();
            if now < *last + MOMENT {
                self.refused.insert(path, now + PACE);
            }
            (*times, *last) = (*times + 1, now);
        }
    }

    /// Whether an interface is there and up; 0 is none.
    fn enabled(&self, device: u32) -> bool {
        device == 0 || self.links.values().any(|link| link.index == device && link.enabled)
    }

    /// Whether the kernel holds one.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        path.known(&self.links).is_some_and(|known| self.held.has(&known))
    }

    /// How often these were put back.
    pub(crate) fn restored(&self, paths: impl Iterator<Item = Path>) -> u64 {
        paths.filter_map(|path| self.restored.get(&path)).map(|(times, _)| times).sum()
    }

    /// What this host should hold now, in this order. What is too much goes at once, the last first; what is missing is
    /// queued for `work`.
    pub(crate) fn reconcile(&mut self, claims: Vec<Path>, links: &BTreeMap<u32, Link>) {
        if self.managed.is_empty() && self.claimed.is_empty() {
            return;
        }
        self.note_links(links);
        self.set_claims(claims);
    }

    fn set_claims(&mut self, claims: Vec<Path>) {
        if let Err(e) = self.observe() {
            warn!("what the kernel has to tell of routes can't be read: {e}");
        }
        self.note_removed();
        let before = std::mem::replace(&mut self.claimed, claims.iter().cloned().collect());
        let unwanted = self.managed.iter().rev().filter(|path| !self.claimed.contains(*path));
        let unwanted: Vec<Path> = unwanted.cloned().collect();
        let claimed = self.claimed.iter().filter_map(|path| path.known(&self.links));
        let claimed: BTreeSet<Identity> = claimed.map(|known| known.identity()).collect();
        for path in unwanted {
            let stays = path.known(&self.links).is_some_and(|known| claimed.contains(&known.identity()));
            // One that was claimed a moment ago goes whatever is known of it.
            if !stays && (before.contains(&path) || self.holds(&path)) {
                self.remove(&path);
            }
        }
        self.refused.retain(|path, _| self.claimed.contains(path));
        self.let_go.retain(|path| self.claimed.contains(path));
        self.there = self.claimed.iter().filter(|path| self.holds(path)).cloned().collect();
        let missing = |path: &&Path| {
            !self.there.contains(*path) && !self.let_go.contains(*path) && !self.refused.contains_key(*path)
        };
        let mut adds: Vec<Path> = claims.iter().filter(missing).cloned().collect();
        adds.sort_by_key(|path| matches!(path, Path::Rule(_))); // the rest stays in its order
        self.adds = adds.into();
        self.claims = claims;
    }

    /// When `work` wants to be called, if it does.
    pub(crate) fn next_at(&self) -> Option<u64> {
        let adds = (!self.adds.is_empty()).then_some(0);
        [adds, self.refused.values().min().copied(), self.retry_at].into_iter().flatten().min()
    }

    /// Does some of what is to be done; little enough that no advert is late for it.
    pub(crate) fn work(&mut self, now: u64) {
        if self.refused.values().any(|at| *at <= now) || self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.refused.retain(|_, at| *at > now);
            self.set_claims(self.claims.clone());
        }
        for _ in 0..BURST {
            let Some(path) = self.adds.pop_front() else { break };
            self.add(path);
        }
    }

    fn add(&mut self, path: Path) {
        let Some(known) = path.known(&self.links) else {
            return; // when its interface comes, it is looked at again
        };
        let down = |hop: &kernel::Hop| hop.device.is_some_and(|device| !self.enabled(device));
        if let Known::Route(route, _) = &known {
            if route.hops.iter().any(down) {
                return; // so it is when its interface comes up
            }
            // Of several ways the kernel (IPv6) adds none if one is there.
            if route.hops.len() > 1 && self.held.routes.contains_key(&route.place()) {
                let _ = self.netlink.remove_route(route); // those that are gone are an error here
            }
        }
        let added = match &known {
            Known::Route(route, order) => self.netlink.add_route(route, *order),
            Known::Rule(rule) => self.netlink.add_rule(rule),
        };
        // Another's route in its place is not ours.
        let added = match added {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match self.observe() {
                Ok(()) if self.held.has(&known) => Ok(()),
                _ => Err(e),
            },
            other => other,
        };
        match added {
            Ok(()) => {
                debug!("added {path}");
                self.told.remove(&path);
                // What the kernel made of it, it has told within that call.
                if let Err(e) = self.observe() {
                    warn!("what the kernel has to tell of routes can't be read: {e}");
                }
                if !self.held.has(&known) {
                    self.held.add(&known);
                }
                self.there.insert(path);
            }
            Err(e) => {
                if self.told.insert(path.clone())
                    && let Some(silent) = self.limit.allow(monotonic_micros())
                {
                    let reason = self.netlink.reason();
                    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                    warn!("{path} can't be added: {e}{reason}; trying again every second{silent}");
                }
                self.refused.insert(path, monotonic_micros() + RETRY);
            }
        }
    }

    fn remove(&mut self, path: &Path) {
        let Some(known) = path.known(&self.links) else { return };
        match known.remove(&mut self.netlink) {
            Ok(()) => {
                debug!("removed {path}");
                self.held.drop(&known);
                self.there.remove(path);
            }
            Err(e) => {
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    warn!("{path} can't be removed: {e}{silent}");
                }
                self.retry_at = Some(monotonic_micros() + RETRY);
            }
        }
    }
}

/// Where the routes among these stand.
fn places(paths: &BTreeSet<Path>, links: &BTreeMap<String, Link>) -> BTreeSet<Place> {
    let place = |path: &Path| match path.known(links)? {
        Known::Route(route, _) => Some(route.place()),
        Known::Rule(_) => None,
    };
    paths.iter().filter_map(place).collect()
}

fn order(order: wanted::Order) -> kernel::Order {
    match order {
        wanted::Order::Alone => kernel::Order::Alone,
        wanted::Order::Before => kernel::Order::Before,
        wanted::Order::Behind => kernel::Order::Behind,
    }
}

fn known_route(route: &wanted::Route, links: &BTreeMap<String, Link>) -> Option<kernel::Route> {
    let hop = |hop: &wanted::Hop| {
        let device = match &hop.device {
            Some(name) => Some(links.get(name)?.index),
            None => None,
        };
        Some(kernel::Hop {
            gateway: hop.gateway,
            device,
            weight: hop.weight,
            onlink: hop.onlink,
            realms: hop.realms,
            encap: hop.encap.as_ref().map(encap),
        })
    };
    Some(kernel::Route {
        destination: route.destination,
        source: route.source,
        kind: route.kind as u8,
        table: match &route.table {
            Table::Number(number) => *number,
            Table::Vrf(device) => links.get(device)?.vrf?,
        },
        tos: route.tos,
        protocol: route.protocol,
        scope: route.scope,
        metric: route.metric,
        preferred: route.preferred,
        hops: route.hops.iter().map(hop).collect::<Option<_>>()?,
        metrics: route.metrics.iter().map(|(kind, value)| (*kind, *value)).collect(),
        congestion: route.congestion.clone(),
        preference: route.preference,
        expires: route.expires,
        ttl_propagate: route.ttl_propagate.map(u8::from),
    })
}

fn encap(encap: &wanted::Encap) -> kernel::Encap {
    let tunnel = |t: &wanted::Tunnel| kernel::Tunnel {
        id: t.id,
        destination: t.destination,
        source: t.source,
        tos: t.tos,
        ttl: t.ttl,
        flags: t.flags,
    };
    match encap {
        wanted::Encap::Mpls(labels) => kernel::Encap::Mpls(labels.clone()),
        wanted::Encap::Ip(t) => kernel::Encap::Ip(tunnel(t)),
        wanted::Encap::Ip6(t) => kernel::Encap::Ip6(tunnel(t)),
        wanted::Encap::Ila(locator) => kernel::Encap::Ila(*locator),
    }
}

fn known_rule(rule: &wanted::Rule) -> kernel::Rule {
    let any = match rule.family {
        Family::V4 => IpAddr::from([0; 4]),
        Family::V6 => IpAddr::from([0; 16]),
    };
    // FR_ACT_* (linux/fib_rules.h)
    let (action, table, goto) = match rule.action {
        Action::Lookup(table) => (1, table, None),
        Action::L3mdev => (1, 0, None),
        Action::Goto(to) => (2, 0, Some(to)),
        Action::Nop => (3, 0, None),
        Action::Blackhole => (6, 0, None),
        Action::Unreachable => (7, 0, None),
        Action::Prohibit => (8, 0, None),
    };
    kernel::Rule {
        from: rule.from.unwrap_or((any, 0)),
        to: rule.to.unwrap_or((any, 0)),
        preference: rule.preference,
        not: rule.not,
        tos: rule.tos,
        mark: rule.mark.unwrap_or((0, 0)),
        input: rule.input.clone(),
        output: rule.output.clone(),
        tunnel: rule.tunnel,
        users: rule.users,
        ip_protocol: rule.ip_protocol,
        sports: rule.sports,
        dports: rule.dports,
        protocol: rule.protocol,
        action,
        table,
        l3mdev: rule.action == Action::L3mdev,
        goto,
        realms: rule.realms,
        suppress_length: rule.suppress_length,
        suppress_group: rule.suppress_group,
    }
}
