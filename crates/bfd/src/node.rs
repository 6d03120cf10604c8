//! All sessions of a host: whose a packet is, whether it may be believed, one queue of what to do.
//!
//! Four verbs: `handle` (something happened), `poll` (what to do now), `sessions` (the levels: who is up), `wake`
//! (when to call again).

use crate::packet::{Control, Malformed};
use crate::session::{Edge, Key, Rejected, Session, State, Timer};
use crate::settings::{Hops, Instance};
use crate::units::{Discriminator, Instant};
use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// A datagram that may be a control packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: IpAddr,
    /// To which of our addresses.
    pub to: IpAddr,
    /// On which port it came: the one for this many hops.
    pub hops: Hops,
    /// TTL or hop limit that it came with.
    pub ttl: u8,
    /// The payload.
    pub payload: &'a [u8],
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// Time passed: what is due is sent. That must not wait for what is read.
    TickSending,
    /// Time passed and what had arrived by then was handled: what is due is sent, and who was silent counts as gone. A
    /// system that did not run for a while must not take its neighbours for gone with their packets still unread.
    Tick,
    /// A datagram came.
    Datagram(Datagram<'a>),
    /// The session at this index is no longer configured: give up.
    Remove(usize),
    /// The daemon stops.
    Stop,
}

/// What to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// An edge of the session at this index.
    Session(usize, Edge),
    /// A datagram was not believed (and is counted).
    Rejected {
        /// The session that it would have been for, by its addresses or its discriminator.
        session: Option<usize>,
        /// Who sent it.
        from: IpAddr,
        /// Why not.
        why: Reject,
    },
}

/// Why a datagram is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// Not a control packet.
    Malformed(Malformed),
    /// It names a session that doesn't exist (any more).
    UnknownDiscriminator(Discriminator),
    /// No session has this neighbour on this port.
    UnknownNeighbour,
    /// It names a session that is between other addresses, or on another port.
    Addresses {
        /// The neighbour of the session that it names.
        neighbour: IpAddr,
    },
    /// It may have come from farther away than the neighbour is.
    Ttl {
        /// What came.
        got: u8,
        /// The least that is believed.
        least: u8,
    },
    /// It is authenticated, which no session is.
    Authenticated,
    /// The session has been given up.
    AdminDown,
}

impl Reject {
    /// Its name, for counters.
    pub fn name(&self) -> &'static str {
        match self {
            Reject::Malformed(why) => why.name(),
            Reject::UnknownDiscriminator(_) => "unknown_discriminator",
            Reject::UnknownNeighbour => "unknown_neighbour",
            Reject::Addresses { .. } => "addresses",
            Reject::Ttl { .. } => "ttl",
            Reject::Authenticated => "authenticated",
            Reject::AdminDown => "admin_down",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reject::Malformed(why) => why.fmt(f),
            Reject::UnknownDiscriminator(d) => write!(f, "there is no session {d}"),
            Reject::UnknownNeighbour => f.write_str("no session has this neighbour and source on this port"),
            Reject::Addresses { neighbour } => {
                write!(f, "it names the session with {neighbour}, and its addresses or its port are not that session's")
            }
            Reject::Ttl { got, least } => write!(f, "TTL or hop limit {got} is below {least}"),
            Reject::Authenticated => f.write_str("it is authenticated, and the session is not"),
            Reject::AdminDown => f.write_str("the session has been given up"),
        }
    }
}

/// What a successor needs to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    sessions: Vec<Session>,
    rejected: Rejected,
}

/// What a node goes on from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Before {
    /// Nothing.
    #[default]
    Nothing,
    /// The configuration before, a moment ago.
    Configuration(Snapshot),
    /// A process that is gone: nothing was heard and nothing sent for a while.
    Process(Snapshot),
}

/// All sessions of a host.
#[derive(Clone, Debug, Default)]
pub struct Node {
    sessions: Vec<Session>,
    /// Datagrams that were for no session.
    rejected: Rejected,
    actions: VecDeque<Action>,
}

impl Node {
    /// A node with these sessions, going on from `before` with those that it had between the same addresses.
    ///
    /// `settings`: names and keys are unique. `random`: numbers that nobody can foresee, from the operating system;
    /// they name the sessions, so that a stranger who sees no packets can't speak for a neighbour.
    pub fn new(now: Instant, settings: Vec<Instance>, before: Before, random: &mut dyn FnMut() -> u32) -> Node {
        let (mut before, paused) = match before {
            Before::Nothing => (Snapshot::default(), None),
            Before::Configuration(snapshot) => (snapshot, None),
            Before::Process(snapshot) => (snapshot, Some(now)),
        };
        let mut node = Node { rejected: before.rejected, ..Node::default() };
        let mut fresh = Vec::new();
        for (i, settings) in settings.into_iter().enumerate() {
            match before.sessions.iter().position(|s| Key::of(&s.settings) == Key::of(&settings)) {
                Some(at) => {
                    let mut session = before.sessions.swap_remove(at);
                    session.retell(settings);
                    if let Some(now) = paused {
                        session.resume(now);
                    }
                    node.sessions.push(session);
                }
                None => fresh.push((i, settings)),
            }
        }
        // Those that have a name keep it; then the others get one that is left.
        for (i, settings) in fresh {
            let mut number = random();
            let discriminator = loop {
                match Discriminator::new(number).filter(|d| node.named(*d).is_none()) {
                    Some(free) => break free,
                    None => number = number.wrapping_add(1),
                }
            };
            node.sessions.insert(i, Session::new(now, settings, discriminator, random()));
        }
        node
    }

    /// What a successor needs to go on.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { sessions: self.sessions.clone(), rejected: self.rejected.clone() }
    }

    /// The sessions, in the order of the configuration.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// How often datagrams were not believed that were for no session, by reason.
    pub fn rejected(&self) -> &Rejected {
        &self.rejected
    }

    /// The sessions that a new configuration no longer has.
    pub fn removed_by(&self, next: &[Instance]) -> Vec<usize> {
        let kept = |s: &Session| next.iter().any(|n| Key::of(n) == Key::of(&s.settings));
        self.sessions.iter().enumerate().filter(|(_, s)| !kept(s)).map(|(i, _)| i).collect()
    }

    /// When to call `handle(now, Input::Tick)`, for which session, and what for.
    pub fn wake(&self) -> Option<(Instant, usize, Timer)> {
        let wakes = self.sessions.iter().enumerate();
        wakes.filter_map(|(i, s)| s.wake().map(|(at, timer)| (at, i, timer))).min_by_key(|(at, _, _)| *at)
    }

    /// What to do next; call until `None` after each `handle`.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::TickSending => self.each(|session| session.tick_sending(now)),
            Input::Tick => self.each(|session| session.tick(now)),
            Input::Datagram(datagram) => self.receive(now, &datagram),
            Input::Remove(i) => {
                if let Some(session) = self.sessions.get_mut(i) {
                    session.stop(now, "no longer configured");
                    self.collect(i);
                }
            }
            Input::Stop => self.each(|session| session.stop(now, "stopped")),
        }
    }

    fn each(&mut self, act: impl Fn(&mut Session)) {
        for i in 0..self.sessions.len() {
            act(&mut self.sessions[i]);
            self.collect(i);
        }
    }

    fn collect(&mut self, i: usize) {
        self.actions.extend(self.sessions[i].edges.drain(..).map(|edge| Action::Session(i, edge)));
    }

    fn receive(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let control = match Control::parse(datagram.payload) {
            Ok(control) => control,
            Err(why) => return self.reject(self.between(datagram), datagram, Reject::Malformed(why)),
        };
        let i = match self.whose(datagram, &control) {
            Ok(i) => i,
            Err((session, why)) => return self.reject(session, datagram, why),
        };
        match judge(&self.sessions[i], datagram, &control) {
            Ok(()) => {
                self.sessions[i].hear(now, &control, datagram.ttl);
                self.collect(i);
            }
            Err(why) => self.reject(Some(i), datagram, why),
        }
    }

    /// Whose a packet is: of the session that it names, which then has to be between its addresses; if it names none,
    /// of the one between its addresses (RFC 5880, 6.3; RFC 5881, 3).
    fn whose(&self, datagram: &Datagram<'_>, control: &Control) -> Result<usize, (Option<usize>, Reject)> {
        let Some(yours) = control.yours else {
            return self.between(datagram).ok_or((None, Reject::UnknownNeighbour));
        };
        let Some(i) = self.named(yours) else {
            return Err((self.between(datagram), Reject::UnknownDiscriminator(yours)));
        };
        let session = &self.sessions[i];
        if session.is_between(datagram.from, datagram.to, datagram.hops) {
            Ok(i)
        } else {
            Err((Some(i), Reject::Addresses { neighbour: session.settings.neighbour }))
        }
    }

    fn named(&self, discriminator: Discriminator) -> Option<usize> {
        self.sessions.iter().position(|s| s.discriminator() == discriminator)
    }

    /// The session between the addresses of a datagram: rather one that says both than one that leaves ours open.
    fn between(&self, datagram: &Datagram<'_>) -> Option<usize> {
        let fits = |s: &Session| s.is_between(datagram.from, datagram.to, datagram.hops);
        let exact = self.sessions.iter().position(|s| fits(s) && s.settings.source.is_some());
        exact.or_else(|| self.sessions.iter().position(fits))
    }

    fn reject(&mut self, session: Option<usize>, datagram: &Datagram<'_>, why: Reject) {
        let counted = session.and_then(|i| self.sessions.get_mut(i));
        let counters = counted.map_or(&mut self.rejected, |s| &mut s.counters.rejected);
        *counters.entry(Cow::Borrowed(why.name())).or_default() += 1;
        self.actions.push_back(Action::Rejected { session, from: datagram.from, why });
    }
}

/// Whether a packet of a session may be believed.
fn judge(session: &Session, datagram: &Datagram<'_>, control: &Control) -> Result<(), Reject> {
    let least = session.least_ttl();
    if datagram.ttl < least {
        return Err(Reject::Ttl { got: datagram.ttl, least });
    }
    if control.authenticated {
        return Err(Reject::Authenticated);
    }
    match session.state() {
        State::AdminDown { .. } => Err(Reject::AdminDown),
        State::Down { .. } | State::Init { .. } | State::Up { .. } => Ok(()),
    }
}
