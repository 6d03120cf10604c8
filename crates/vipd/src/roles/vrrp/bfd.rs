//! BFD within the vrrp role: sockets, log, what successors and operators are told. What is decided is
//! `vipd_bfd::node`'s.
//!
//! ```text
//!  receivers (a port and a family each) --datagram--> Node::handle --> poll --> sender of the session
//!                                                                  --> news: who came up, who went down
//! ```

use super::view::Clocks;
use super::{arrival, now};
use crate::message::Sessions;
use crate::rate::Limit;
use std::io;
use std::net::SocketAddr;
use tracing::{debug, info, warn};
use vipd_api::{BfdCounters, BfdStatus, NextStatus, TransitionStatus};
use vipd_bfd::node::{Action, Before, Datagram, Input, Node, Snapshot};
use vipd_bfd::packet::{LENGTH, StateName};
use vipd_bfd::session::{Edge, Key, Session, Transition};
use vipd_bfd::settings::{Hops, Instance};
use vipd_bfd::units::Instant;
use vipd_sys::clock::monotonic_micros;
use vipd_sys::poll::Poller;
use vipd_sys::udp::{Family, Receiver, Sender};

/// Where sessions hear: the tokens of these receivers follow each other.
const EARS: [(Family, Hops); 4] = [
    (Family::V4, Hops::Single),
    (Family::V6, Hops::Single),
    (Family::V4, Hops::Multiple),
    (Family::V6, Hops::Multiple),
];

/// Source ports of single-hop sessions, and good for the others (RFC 5881, 4).
const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// Receive buffer in bytes: some hundred packets.
const ROOM: usize = 256 << 10;

/// Datagrams read from one receiver in one turn: as for adverts.
const BURST: usize = 1024;

/// What the shell around the node keeps of one session.
struct Shell {
    key: Key,
    sender: Option<Sender>,
    /// The TTL of what the sender sends.
    ttl: u8,
    /// Why it can't send, if the last packet could not be sent.
    problem: Option<String>,
    unsent: u64,
    log: Limit,
}

/// All sessions of the role.
#[derive(Default)]
pub(super) struct Bfd {
    node: Node,
    receivers: [Option<Receiver>; EARS.len()],
    /// One for each session, in their order.
    shells: Vec<Shell>,
    strangers: Limit,
    deafness: Limit,
    /// Who came up or went down since this was last taken, in order.
    news: Vec<(String, bool)>,
    /// What has changed and was not logged yet.
    untold: Vec<(usize, Transition)>,
    /// What has changed since this was last asked is for a successor to know.
    changed: bool,
}

impl Bfd {
    /// Takes other sessions: those that are gone are told so, those that stay go on; what is up is asked anew
    /// (`levels`). `predecessor`: what a process that is gone knew.
    pub(super) fn configure(&mut self, settings: Vec<Instance>, predecessor: Option<Snapshot>) {
        for i in self.node.removed_by(&settings) {
            self.handle(Input::Remove(i));
        }
        self.tell();
        let before = predecessor.map_or_else(|| Before::Configuration(self.node.snapshot()), Before::Process);
        self.node = Node::new(time(), settings, before, &mut random);
        let mut old = std::mem::take(&mut self.shells);
        for session in self.node.sessions() {
            let key = Key::of(&session.settings);
            let known = old.iter().position(|s| s.key == key).map(|at| old.swap_remove(at));
            let mut shell = known.unwrap_or_else(|| Shell::new(key));
            if shell.ttl != session.settings.ttl {
                shell.sender = None;
            }
            self.shells.push(shell);
        }
        self.news.clear(); // under the names of before
        self.changed = true;
    }

    /// Opens what the sessions need and is not open, closes what none needs; `first`: the token of the first receiver.
    /// Whether nothing is missing now.
    pub(super) fn open(&mut self, poller: &Poller, first: u64) -> bool {
        let mut complete = true;
        for (token, ((family, hops), receiver)) in (first..).zip(EARS.into_iter().zip(&mut self.receivers)) {
            let needs = |s: &&Session| (Family::of(s.settings.neighbour), s.settings.hops) == (family, hops);
            let needed = self.node.sessions().iter().find(needs);
            *receiver = match (needed, receiver.take()) {
                (None, _) => None,
                (Some(_), Some(open)) => Some(open),
                (Some(session), None) => {
                    let opened = Receiver::open(family, hops.port(), ROOM);
                    let opened = opened.and_then(|open| poller.watch(&open, token).map(|()| open));
                    if let Err(e) = &opened
                        && let Some(silent) = self.deafness.allow(monotonic_micros())
                    {
                        let (name, port) = (&session.settings.name, hops.port());
                        warn!("BFD_Instance({name}) can't listen on UDP port {port}: {e}{silent}");
                    }
                    complete &= opened.is_ok();
                    opened.ok()
                }
            };
        }
        for (session, shell) in self.node.sessions().iter().zip(&mut self.shells) {
            complete &= shell.open(&session.settings);
        }
        complete
    }

    /// The token of the last receiver, if that of the first is this.
    pub(super) const fn last_token(first: u64) -> u64 {
        first + EARS.len() as u64 - 1
    }

    /// When to call `tick`.
    pub(super) fn wake(&self) -> Option<u64> {
        self.node.wake().map(|(at, ..)| at.0)
    }

    /// Sends what is due; nobody counts as gone by that.
    pub(super) fn tick_sending(&mut self) {
        if self.wake().is_some_and(|at| at <= monotonic_micros()) {
            self.handle(Input::TickSending);
        }
    }

    /// Does what was due at this time, when everything that had arrived by then was read.
    pub(super) fn tick(&mut self, at: u64) {
        if self.wake().is_some_and(|due| due <= at) {
            self.node.handle(Instant(at), Input::Tick);
            self.act();
        }
    }

    /// Reads what has come to the receiver of this number; how many packets it were.
    pub(super) fn read(&mut self, number: u64, ahead: Option<i64>, buffer: &mut [u8]) -> usize {
        let Some(at) = usize::try_from(number).ok().filter(|at| *at < EARS.len()) else { return 0 };
        let (_, hops) = EARS[at];
        for count in 0..BURST {
            let Some(receiver) = &mut self.receivers[at] else { return count };
            let received = match receiver.receive(buffer) {
                Ok(Some(received)) => received,
                Ok(None) => return count,
                Err(e) => {
                    debug!("receiving BFD packets: {e}");
                    continue;
                }
            };
            let (from, to) = (received.from.ip(), received.to);
            let datagram = Datagram { from, to, hops, ttl: received.ttl, payload: received.payload };
            self.node.handle(Instant(arrival(received.at, ahead).0), Input::Datagram(datagram));
            self.act();
        }
        BURST
    }

    /// Gives all of them up.
    pub(super) fn stop(&mut self) {
        self.handle(Input::Stop);
        self.tell();
    }

    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(time(), input);
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.node.poll() {
            match action {
                Action::Session(i, Edge::Send(packet)) => self.send(i, &packet),
                Action::Session(i, Edge::Changed(transition)) => self.note(i, transition),
                Action::Rejected { session, from, why } => {
                    let shell = session.and_then(|i| self.shells.get_mut(i));
                    let log = shell.map_or(&mut self.strangers, |shell| &mut shell.log);
                    if let Some(silent) = log.allow(monotonic_micros()) {
                        let session = session.and_then(|i| self.node.sessions().get(i));
                        let name = session.map_or("-", |s| s.settings.name.as_str());
                        warn!("BFD_Instance({name}) packet from {from} not believed: {why}{silent}");
                    }
                }
            }
        }
    }

    fn send(&mut self, i: usize, packet: &[u8; LENGTH]) {
        let (Some(session), Some(shell)) = (self.node.sessions().get(i), self.shells.get_mut(i)) else { return };
        shell.send(&session.settings, packet);
    }

    /// Notes that a session changed: whoever follows it acts on it first, then it is logged (`tell`).
    fn note(&mut self, i: usize, transition: Transition) {
        let Some(session) = self.node.sessions().get(i) else { return };
        if (transition.from == StateName::Up) != (transition.to == StateName::Up) {
            self.news.push((session.settings.name.clone(), transition.to == StateName::Up));
            self.changed = true;
        }
        self.untold.push((i, transition));
    }

    /// Logs what has changed.
    pub(super) fn tell(&mut self) {
        for (i, transition) in std::mem::take(&mut self.untold) {
            self.log(i, &transition);
        }
    }

    fn log(&mut self, i: usize, transition: &Transition) {
        let (Some(session), Some(shell)) = (self.node.sessions().get(i), self.shells.get_mut(i)) else { return };
        let name = session.settings.name.clone();
        let Transition { from, to, why, .. } = transition;
        match (from, to) {
            (StateName::Up, StateName::Down) => warn!("BFD_Instance({name}) Entering {to} state: {why}"),
            (StateName::Up, _) | (_, StateName::Up) => info!("BFD_Instance({name}) Entering {to} state: {why}"),
            // Anybody on the link can cause these as often as he likes.
            (_, _) => {
                if let Some(silent) = shell.log.allow(monotonic_micros()) {
                    info!("BFD_Instance({name}) Entering {to} state: {why}{silent}");
                }
            }
        }
    }

    /// Who came up or went down since the last time.
    pub(super) fn news(&mut self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.news)
    }

    /// Why the session of that name is in its state.
    pub(super) fn why(&self, name: &str) -> String {
        let found = self.node.sessions().iter().find(|s| s.settings.name == name);
        found.map(|s| s.why().to_owned()).unwrap_or_default()
    }

    /// Each session, and whether it is up.
    pub(super) fn levels(&self) -> impl Iterator<Item = (String, bool)> {
        self.node.sessions().iter().map(|s| (s.settings.name.clone(), s.state().name() == StateName::Up))
    }

    /// The sessions that have been up, as checks are told of them.
    pub(super) fn known(&self) -> Sessions {
        let been_up = self.node.sessions().iter().filter(|s| s.counters.became_up > 0);
        been_up.map(|s| (s.settings.name.clone(), s.state().name() == StateName::Up)).collect()
    }

    /// Whether a successor needs other things than the last time this was asked.
    pub(super) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What a successor needs to go on.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.node.snapshot()
    }

    /// How often datagrams were not believed that were for no session, by reason.
    pub(super) fn rejected(&self) -> Vec<(String, u64)> {
        self.node.rejected().iter().map(|(name, n)| (name.to_string(), *n)).collect()
    }

    /// What an operator is shown.
    pub(super) fn status(&self, clocks: Clocks) -> Vec<BfdStatus> {
        self.node.sessions().iter().zip(&self.shells).map(|(session, shell)| status(session, shell, clocks)).collect()
    }
}

impl Shell {
    fn new(key: Key) -> Shell {
        Shell { key, sender: None, ttl: 0, problem: None, unsent: 0, log: Limit::default() }
    }

    /// Opens the sender, unless it is open. Whether it is now.
    fn open(&mut self, settings: &Instance) -> bool {
        if self.sender.is_none() {
            let Instance { neighbour, source, ttl, .. } = settings;
            match Sender::open(Family::of(*neighbour), *source, SOURCE_PORTS, random(), *ttl) {
                Ok(sender) => (self.sender, self.ttl) = (Some(sender), *ttl),
                Err(e) => self.fail(settings, &e),
            }
        }
        self.sender.is_some()
    }

    fn send(&mut self, settings: &Instance, packet: &[u8]) {
        let to = SocketAddr::new(settings.neighbour, settings.hops.port());
        match self.sender.as_ref().map(|sender| sender.send(packet, to)) {
            Some(Ok(())) => self.problem = None,
            Some(Err(e)) => {
                self.unsent += 1;
                self.fail(settings, &e);
            }
            None => self.unsent += 1, // why there is none was told
        }
    }

    fn fail(&mut self, settings: &Instance, e: &io::Error) {
        if let Some(silent) = self.log.allow(monotonic_micros()) {
            let Instance { name, neighbour, .. } = settings;
            warn!("BFD_Instance({name}) can't send to {neighbour}: {e}{silent}");
        }
        self.problem = Some(e.to_string());
    }
}

fn time() -> Instant {
    Instant(now().0)
}

fn random() -> u32 {
    vipd_sys::random::number().unwrap_or_else(|e| {
        warn!("the kernel gives no random numbers: {e}; BFD discriminators can be foreseen");
        0
    })
}

fn status(session: &Session, shell: &Shell, clocks: Clocks) -> BfdStatus {
    let settings = &session.settings;
    let peer = session.state().peer();
    let unix = |at: Instant| clocks.unix(vipd_vrrp::units::Instant(at.0));
    let in_secs = |at: Instant| (at - Instant(clocks.mono.0)).as_secs_f64();
    let history = session.history().map(|t| TransitionStatus {
        at: unix(t.at),
        from: t.from.to_string(),
        to: t.to.to_string(),
        why: t.why.clone(),
    });
    BfdStatus {
        name: settings.name.clone(),
        state: session.state().name().to_string(),
        since: unix(session.since()),
        why: session.why().to_owned(),
        neighbour: Some(settings.neighbour),
        source: settings.source,
        multihop: settings.hops == Hops::Multiple,
        peer_state: peer.map(|p| p.state.to_string()),
        peer_diagnostic: peer.map(|p| p.diagnostic.to_string()),
        discriminator: session.discriminator().0.get(),
        peer_discriminator: peer.map(|p| p.discriminator.0.get()),
        interval: session.interval().map(|i| i.as_secs_f64()),
        detection_time: session.detection_time().map(|t| t.as_secs_f64()),
        problem: shell.problem.clone(),
        next: session.wake().map(|(at, timer)| NextStatus { in_secs: in_secs(at), why: timer.to_string() }),
        counters: BfdCounters {
            packets_received: session.counters.packets_received,
            packets_sent: session.counters.packets_sent.saturating_sub(shell.unsent),
            packets_unsent: shell.unsent,
            became_up: session.counters.became_up,
            left_up: session.counters.left_up,
            rejected: session.counters.rejected.iter().map(|(name, n)| (name.to_string(), *n)).collect(),
        },
        history: history.collect(),
    }
}
