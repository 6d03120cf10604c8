//! A host: a real node in the shell that `vipd`'s vrrp role puts around it, as far as decisions go, and a kernel that
//! holds addresses. What leaves the host is left in `effects`.

use crate::mutation::Mutation;
use crate::scenario::{self, SCRIPT, VRS};
use crate::sessions::{Predecessor, Probe, Sessions};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use vipd_bfd::node::Reject as Unbelieved;
use vipd_bfd::packet::Control;
use vipd_bfd::session::Transition as Turn;
use vipd_vrrp::admit::{self, Reject};
use vipd_vrrp::node::{Action, Input, Node, Settings, Snapshot};
use vipd_vrrp::packet::Datagram;
use vipd_vrrp::router::{Edge, Name, Sequence, State, Transition, heartbeat, packets_by};
use vipd_vrrp::settings::{Tracked, Way};
use vipd_vrrp::track::Link;
use vipd_vrrp::trailer::Stamps;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

/// The time of day when the simulation begins, in microseconds since 1970.
const EPOCH: i64 = 1_700_000_000_000_000;

/// The least time between two snapshots, in microseconds, as in the role.
const SNAPSHOT_GAP: u64 = 50_000;

/// What is known of nobody.
static NOBODY: Stamps = Stamps::new();

/// Who made a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A host of the cluster.
    Honest,
    /// A host of the cluster; somebody sends it once more.
    Replayed,
    /// Somebody who has not got the key.
    Forged,
}

/// A packet on its way, with what the simulator knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    /// From the IP header on.
    pub(crate) bytes: Rc<[u8]>,
    /// Who sent it, or is said to have sent it.
    pub(crate) from: usize,
    /// The virtual router that it is for.
    pub(crate) vr: usize,
    /// By which way it goes, and which of its sender's adverts it is a copy of.
    pub(crate) way: Way,
    pub(crate) id: u16,
    /// What it says.
    pub(crate) priority: Priority,
    /// What it says.
    pub(crate) interval: Centis,
    /// Who made it.
    pub(crate) origin: Origin,
}

/// What a turn of a host amounts to.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A packet leaves.
    Packet(IpAddr, Flight),
    /// A virtual router listens, as it did not run for so long.
    Stalled(usize),
    /// The kernel ended the leases of a virtual router although its host ran all the while.
    LeaseEnded(usize),
    /// The addresses of a virtual router are announced.
    Announce(usize),
    /// The state of a virtual router changed.
    Changed(usize, Transition),
    /// The priority in force changed.
    Priority(usize),
    /// A packet was believed; its place among those of its sender.
    Believed(Flight, Option<Sequence>),
    /// A packet was not believed.
    Rejected(Flight, Reject),
    /// A BFD packet leaves for this host.
    Probe(usize, Probe),
    /// The state of the BFD session with this host changed.
    Session(usize, Turn),
    /// A BFD packet was believed.
    Heard(Probe, Control),
    /// A BFD packet was not believed.
    Unheard(Probe, Unbelieved),
}

/// Whether the host does anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pulse {
    /// It does.
    Running,
    /// It stands still; what arrives waits.
    Stalled,
    /// The daemon is not there.
    Dead,
}

/// A host.
pub(crate) struct Host {
    index: usize,
    /// Its daemon, unless that is dead.
    pub(crate) node: Option<Node>,
    /// What its file says.
    pub(crate) config: Settings,
    /// The number of the virtual router at each index of the node.
    pub(crate) vrs: Vec<usize>,
    /// Its BFD sessions, where it has any.
    pub(crate) sessions: Option<Sessions>,
    /// Whether it runs.
    pub(crate) pulse: Pulse,
    /// When it wants to be called.
    pub(crate) wake: u64,
    /// What waits to be read.
    pub(crate) inbox: VecDeque<Flight>,
    /// What the kernel holds, by virtual router.
    pub(crate) held: [Vec<IpAddr>; VRS],
    /// When the leases of that were last renewed, and when the kernel ends them.
    leases: [(u64, u64); VRS],
    /// Since when it runs without a pause.
    pub(crate) awake: u64,
    /// It stands still, and what arrives is lost.
    pub(crate) paused: bool,
    /// What the kernel says of the interfaces, and what of it the node has been told.
    pub(crate) links: BTreeMap<String, Link>,
    told: BTreeMap<String, Link>,
    /// Which virtual routers get no sockets.
    pub(crate) deaf: [bool; VRS],
    /// How far the time of day is off, in microseconds.
    pub(crate) wall: i64,
    told_wall: i64,
    /// What the supervisor keeps for a successor, once somebody has asked for it.
    pub(crate) snapshot: Option<Snapshot>,
    /// Something is to go into a new snapshot.
    stale: bool,
    ids: [u16; VRS],
    /// What left it.
    pub(crate) effects: Vec<Effect>,
    mutation: Option<Mutation>,
    /// `Mutation::AdvertsWaitForQuiet`: nothing is done before.
    quiet: u64,
}

impl Host {
    /// One that is switched off.
    pub(crate) fn new(
        index: usize,
        config: Settings,
        sessions: Option<Sessions>,
        wires: usize,
        mutation: Option<Mutation>,
    ) -> Host {
        Host {
            index,
            node: None,
            config,
            vrs: Vec::new(),
            sessions,
            pulse: Pulse::Dead,
            wake: u64::MAX,
            inbox: VecDeque::new(),
            held: Default::default(),
            leases: [(0, 0); VRS],
            awake: 0,
            paused: false,
            links: scenario::links(wires, index),
            told: BTreeMap::new(),
            deaf: [false; VRS],
            wall: 0,
            told_wall: 0,
            snapshot: None,
            stale: false,
            ids: [0; VRS],
            effects: Vec::new(),
            mutation,
            quiet: 0,
        }
    }

    /// Starts the daemon, going on from what a predecessor left, last seen at that time.
    pub(crate) fn start(&mut self, now: u64, before: Option<(Instant, Snapshot)>) {
        let predecessor = if before.is_some() { Predecessor::Kept } else { Predecessor::None };
        self.ids = [0; VRS];
        self.configure(now, before, predecessor);
    }

    /// Begins with its file, going on from what was before.
    fn configure(&mut self, now: u64, before: Option<(Instant, Snapshot)>, predecessor: Predecessor) {
        let mut before = match (before, self.mutation) {
            (Some((_, snapshot)), Some(Mutation::AbsenceForgotten)) => Some((Instant(now), snapshot)),
            (before, _) => before,
        };
        let mut settings = self.config.clone();
        if self.mutation == Some(Mutation::GroupsApart) {
            settings.groups.clear();
        }
        self.vrs = settings.instances.iter().map(scenario::number).collect();
        if let Some(sessions) = &mut self.sessions {
            sessions.begin(now, predecessor);
            if let Some((_, snapshot)) = &mut before {
                snapshot.tracked.retain(|(what, _)| !matches!(what, Tracked::Bfd(_)));
                snapshot.tracked.extend(sessions.levels());
            }
        }
        (self.told, self.told_wall) = (self.links.clone(), self.wall);
        self.node = Some(Node::new(Instant(now), settings, self.links.clone(), before, self.day(now)));
        self.pulse = Pulse::Running;
        (self.awake, self.paused) = (now, false);
        self.end_leases(now);
        self.take_news(now);
        self.act(now);
        self.reconcile(now);
        self.stale = true;
    }

    /// The time of day, since 1970.
    pub(crate) fn day(&self, now: u64) -> Micros {
        Micros(now.saturating_add_signed(EPOCH + self.wall))
    }

    /// Tells the node when somebody has set the clock.
    fn look_at_clock(&mut self, now: u64) {
        if self.told_wall != self.wall {
            self.told_wall = self.wall;
            self.handle(now, Input::Clock(self.day(now)));
        }
    }

    /// Takes note of what the kernel told since the last time and of the clock, and opens the sockets that are missing.
    pub(crate) fn take_news(&mut self, now: u64) {
        if self.told != self.links {
            let names: Vec<String> = self.told.keys().chain(self.links.keys()).cloned().collect();
            for name in names {
                let link = self.links.get(&name).copied();
                if self.told.get(&name).copied() != link {
                    self.handle(now, Input::Link(name, link));
                }
            }
            self.told = self.links.clone();
        }
        self.look_at_clock(now);
        for i in 0..self.vrs.len() {
            let opened = if self.deaf[self.vrs[i]] { Err("no descriptors".into()) } else { Ok(()) };
            self.handle(now, Input::Sockets(i, opened));
        }
        self.reconcile(now);
    }

    /// Takes another file.
    pub(crate) fn reload(&mut self, now: u64, config: Settings) {
        let Some(node) = &self.node else {
            self.config = config;
            return;
        };
        for i in node.removed_by(&config) {
            self.handle(now, Input::Remove(i));
        }
        let before = self.node.as_ref().map(|node| (Instant(now), node.snapshot(Instant(now))));
        self.config = config;
        self.configure(now, before, Predecessor::Reloaded);
    }

    /// The daemon stops in order.
    pub(crate) fn stop(&mut self, now: u64) {
        self.handle(now, Input::Stop("the daemon stops".into()));
        if let Some(sessions) = &mut self.sessions {
            sessions.stop(now, &mut self.effects);
        }
    }

    /// The daemon dies; the kernel keeps what it holds.
    pub(crate) fn die(&mut self) {
        self.node = None;
        self.pulse = Pulse::Dead;
        self.wake = u64::MAX;
        self.inbox.clear();
        self.sessions.iter_mut().for_each(Sessions::die);
    }

    /// One turn of the role's loop.
    pub(crate) fn turn(&mut self, now: u64) {
        self.look_at_clock(now);
        let early = self.mutation == Some(Mutation::TickBeforeReading);
        self.tick(now, if early { Input::Tick } else { Input::TickMasters });
        if let Some(sessions) = &mut self.sessions {
            sessions.tick_sending(now, &mut self.effects);
        }
        self.end_leases(now);
        while let Some(flight) = self.inbox.pop_front() {
            self.receive(now, flight);
        }
        self.follow_sessions(now);
        self.tick(now, Input::Tick);
        self.rest(now);
    }

    /// Reads what the BFD neighbours say, judges who is silent, and tells the instances.
    fn follow_sessions(&mut self, now: u64) {
        let Some(sessions) = &mut self.sessions else { return };
        sessions.read(now, &mut self.effects);
        sessions.tick(now, &mut self.effects);
        for (name, up) in sessions.news() {
            self.stale = true;
            self.handle(now, Input::Bfd(name, up));
        }
    }

    fn tick(&mut self, now: u64, whose: Input) {
        if now < self.quiet {
            return;
        }
        let due = self.node.as_ref().and_then(Node::alarm).is_some_and(|at| at.0 <= now);
        if due {
            self.handle(now, whose);
        }
    }

    /// Until the next turn.
    pub(crate) fn rest(&mut self, now: u64) {
        let Some(node) = &self.node else { return };
        self.wake = node.alarm().map_or(u64::MAX, |at| at.0.max(self.quiet));
        self.wake = self.sessions.as_ref().map_or(u64::MAX, Sessions::wake).min(self.wake);
        if let Some(snapshot) = self.snapshot.as_mut().filter(|_| self.stale) {
            let due = snapshot.at.0 + SNAPSHOT_GAP;
            if now < due {
                self.wake = self.wake.min(due);
                return;
            }
            *snapshot = node.snapshot(Instant(now));
            self.sessions.iter_mut().for_each(Sessions::keep);
            self.stale = false;
        }
    }

    /// From now on there is a snapshot, of this moment and of every change.
    pub(crate) fn keep(&mut self, now: u64) {
        self.snapshot = self.node.as_ref().map(|node| node.snapshot(Instant(now)));
        self.sessions.iter_mut().for_each(Sessions::keep);
        self.stale = false;
    }

    /// Something happened.
    pub(crate) fn handle(&mut self, now: u64, input: Input) {
        let Some(node) = &mut self.node else { return };
        if self.mutation == Some(Mutation::ScriptsUnheard)
            && matches!(&input, Input::Script(..))
            && node.scripts().all(|(_, good, _)| good.is_some())
        {
            return;
        }
        node.handle(Instant(now), input);
        self.act(now);
    }

    /// A tracked script ends.
    pub(crate) fn script(&mut self, now: u64, success: bool) {
        let how = if success { "exit status 0" } else { "exit status 1" };
        self.handle(now, Input::Script(SCRIPT.into(), success, how.into()));
    }

    /// The kernel ends the leases that were not renewed; the role hears of it.
    fn end_leases(&mut self, now: u64) {
        let mut ended = false;
        for vr in 0..VRS {
            let (renewed, end) = self.leases[vr];
            if self.held[vr].is_empty() || now < end {
                continue;
            }
            self.held[vr].clear();
            ended = true;
            if renewed >= self.awake {
                self.effects.push(Effect::LeaseEnded(vr));
            }
        }
        if ended {
            self.reconcile(now);
        }
    }

    /// The leases of what is held for the router at this index begin now.
    fn lease(&mut self, now: u64, i: usize) {
        let Some(node) = &self.node else { return };
        let lease = node.routers()[i].settings.lease().map_or(u64::MAX, |seconds| u64::from(seconds) * 1_000_000);
        self.leases[self.vrs[i]] = (now, now.saturating_add(lease));
    }

    fn act(&mut self, now: u64) {
        let Some(node) = &mut self.node else { return };
        let (mut changed, mut renewed) = (false, Vec::new());
        while let Some(action) = node.poll() {
            match action {
                Action::Router(i, Edge::Send { advert, sequence }) => {
                    let router = &node.routers()[i];
                    let Some(sender) = router.source() else { continue };
                    let id = &mut self.ids[self.vrs[i]];
                    *id = id.checked_add(1).unwrap_or(1);
                    let id = *id;
                    let paths = (0..router.settings.heartbeat_paths.len()).map(Way::Path);
                    for way in std::iter::once(Way::Own).chain(paths) {
                        let Some(source) = router.source_by(way) else { continue };
                        let listed = heartbeat(&advert, sender, source);
                        let advert = if way == Way::Own { &advert } else { &listed };
                        for (to, bytes) in packets_by(way, &router.settings, source, advert, id, sequence) {
                            let flight = Flight {
                                bytes: bytes.into(),
                                from: self.index,
                                vr: self.vrs[i],
                                way,
                                id,
                                priority: advert.priority,
                                interval: advert.interval,
                                origin: Origin::Honest,
                            };
                            self.effects.push(Effect::Packet(to, flight));
                        }
                    }
                    node.sent(i, advert.priority, Ok(()));
                }
                Action::Router(i, Edge::Announce { .. }) => {
                    if self.mutation != Some(Mutation::NotAnnounced) {
                        self.effects.push(Effect::Announce(self.vrs[i]));
                    }
                }
                Action::Router(i, Edge::Changed(transition)) => {
                    changed = true;
                    if self.mutation != Some(Mutation::ChangesUntold) {
                        self.effects.push(Effect::Changed(self.vrs[i], transition));
                    }
                }
                Action::Router(i, Edge::PriorityChanged { .. }) => {
                    self.stale = true;
                    self.effects.push(Effect::Priority(self.vrs[i]));
                }
                Action::Router(_, Edge::Resumed) => changed = true,
                Action::Router(i, Edge::Renew) => renewed.push(i),
                Action::Router(i, Edge::Stalled { .. }) => {
                    self.stale = true;
                    self.effects.push(Effect::Stalled(self.vrs[i]));
                }
                Action::Router(
                    _,
                    Edge::AnnounceExtra
                    | Edge::LowerPriority { .. }
                    | Edge::Overslept { .. }
                    | Edge::Ask { .. }
                    | Edge::CatchUp { .. }
                    | Edge::CaughtUp(_)
                    | Edge::Refused { .. }
                    | Edge::TwoMasters { .. }
                    | Edge::LeftContest { .. }
                    | Edge::Healed { .. }
                    | Edge::NotSent(_)
                    | Edge::SentAgain(_)
                    | Edge::Silent { .. }
                    | Edge::HeardAgain { .. },
                )
                | Action::Group(..)
                | Action::Tracked(..) => {}
            }
        }
        if self.mutation != Some(Mutation::LeasesForgotten) {
            renewed.into_iter().for_each(|i| self.lease(now, i));
        }
        if changed {
            self.stale = true;
            self.reconcile(now);
        }
    }

    /// Whether a virtual router of it hears anything by a way.
    pub(crate) fn listens_by(&self, vr: usize, way: Way) -> bool {
        let own = self.config.instances.iter().find(|i| scenario::number(i) == vr);
        way == Way::Own || own.is_some_and(|i| i.path(way).is_some())
    }

    /// Brings the kernel in line with what is claimed. What was missing is announced.
    pub(crate) fn reconcile(&mut self, now: u64) {
        let Some(node) = &self.node else { return };
        let mut begun = Vec::new();
        for vr in (0..VRS).filter(|vr| !self.vrs.contains(vr)) {
            self.held[vr].clear();
        }
        for (i, vr) in self.vrs.iter().enumerate() {
            let held = &mut self.held[*vr];
            // What was taken away during a stall comes back when nobody else was heard.
            let listens = node.routers()[i].is_listening();
            let claims = node.claims(i).map(|a| a.address).filter(|a| !listens || held.contains(a));
            let claims: Vec<IpAddr> = claims.collect();
            if self.mutation == Some(Mutation::AddressesKept) && claims.is_empty() {
                continue;
            }
            if held.is_empty() && !claims.is_empty() {
                begun.push(i);
            }
            *held = claims;
        }
        begun.into_iter().for_each(|i| self.lease(now, i));
    }

    /// The kernel tells that an address is gone.
    pub(crate) fn hear_of_theft(&mut self, now: u64, vr: usize) {
        if self.mutation != Some(Mutation::TheftUnnoticed) {
            self.reconcile(now);
            let listens =
                |node: &Node| node.routers().iter().any(|r| scenario::number(&r.settings) == vr && r.is_listening());
            if !self.held[vr].is_empty() && !self.node.as_ref().is_some_and(listens) {
                self.effects.push(Effect::Announce(vr));
            }
        }
    }

    fn receive(&mut self, now: u64, flight: Flight) {
        let Some(node) = &mut self.node else { return };
        if self.mutation == Some(Mutation::AdvertsWaitForQuiet) {
            self.quiet = now + flight.interval.micros().0;
        }
        let datagram = match Datagram::parse(&flight.bytes) {
            Ok(datagram) => datagram,
            Err(why) => {
                self.effects.push(Effect::Rejected(flight, Reject::NotIp(why)));
                return;
            }
        };
        let Ok(vrid) = admit::vrid_of(&datagram) else { return };
        let Some(i) = node.routers().iter().position(|r| r.settings.vrid == vrid) else { return };
        let router = &node.routers()[i];
        if matches!(router.state(), State::Fault(_) | State::Init | State::Stopped) {
            return;
        }
        let (own, master) = (router.priority(), router.state().name() == Name::Master);
        let mut known = router.known(Instant(now), flight.way);
        if self.mutation == Some(Mutation::ReplaysBelieved) {
            (known.sequence, known.stamps) = (0, &NOBODY);
        }
        let mut admitted = match admit::admit(&router.settings, known, &datagram) {
            Ok(admitted) => admitted,
            Err(why) => {
                self.effects.push(Effect::Rejected(flight, why));
                return;
            }
        };
        let release = admitted.advert.priority == Priority::RELEASE;
        let way = flight.way;
        self.effects.push(Effect::Believed(flight, admitted.sequence));
        match self.mutation {
            Some(Mutation::PriorityUnread) if !release => admitted.advert.priority = Priority(1),
            // (With a sequence number it would be taken for a replay that is believed later.)
            Some(Mutation::ReleaseUnheard) if release && admitted.sequence.is_none() => return,
            Some(Mutation::PathsUnheard) if way != Way::Own && admitted.sequence.is_none() => return,
            // The other one seems to be weaker, whatever its address.
            Some(Mutation::TieUndecided) if admitted.advert.priority == own && master => {
                admitted.advert.priority = Priority(own.0.saturating_sub(1));
            }
            _ => {}
        }
        self.handle(now, Input::Advert(i, admitted));
    }
}
