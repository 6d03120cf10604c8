//! One session: its state with the data of that state, its timers, and what each input does to it. Whose a packet is
//! and whether it may be believed is `node`'s.

use crate::packet::{Control, Diagnostic, Exchange, LENGTH, StateName};
use crate::settings::{Hops, Instance, Role};
use crate::units::{Discriminator, Instant, Micros};
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::num::{NonZeroU8, NonZeroU32};
use serde::{Deserialize, Serialize};

/// Transitions kept for the operator.
const HISTORY: usize = 32;

/// What the neighbour said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Its name of the session.
    pub discriminator: Discriminator,
    /// Its state.
    pub state: StateName,
    /// Why that changed the last time.
    pub diagnostic: Diagnostic,
    /// We take it for gone after so many intervals of silence.
    pub multiplier: NonZeroU8,
    /// It wants to send no faster.
    pub desired_min_tx: Micros,
    /// It wants to be sent to no faster; 0: not at all.
    pub required_min_rx: Micros,
    /// It wants no periodic packets while both are Up (RFC 5880, 6.6).
    pub demand: bool,
    /// When.
    pub heard: Instant,
    /// The highest TTL or hop limit that came from it.
    #[serde(default)]
    pub ttl: u8,
}

impl Peer {
    fn of(now: Instant, control: &Control, ttl: u8) -> Peer {
        Peer {
            discriminator: control.mine,
            state: control.state,
            diagnostic: control.diagnostic,
            multiplier: control.multiplier,
            desired_min_tx: control.desired_min_tx,
            required_min_rx: control.required_min_rx,
            demand: control.demand,
            heard: now,
            ttl,
        }
    }
}

/// How far a poll sequence is (RFC 5880, 6.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Poll {
    /// The neighbour has confirmed what we say.
    Done,
    /// What we send next asks for an answer. One that comes before belongs to an earlier sequence.
    Wanted,
    /// We have asked for an answer.
    Going,
    /// The same, and our intervals have changed since: another one follows.
    Again,
}

/// The intervals of a session that is Up, as they are heeded now: while a poll sequence goes on they may differ from
/// those of the settings, which the packets carry already (RFC 5880, 6.8.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Agreed {
    /// We send no farther apart than this.
    pub tx: Micros,
    /// We expect packets no closer than this.
    pub rx: Micros,
    /// The poll sequence.
    pub poll: Poll,
}

impl Agreed {
    /// On coming Up: from the idle interval to the working one. The shorter of both is heeded till the neighbour knows.
    fn at_first(settings: &Instance) -> Agreed {
        let poll = if settings.min_tx == settings.idle_tx { Poll::Done } else { Poll::Wanted };
        Agreed { tx: settings.min_tx.min(settings.idle_tx), rx: settings.min_rx, poll }
    }

    /// Under new settings: faster is heeded at once, slower when the neighbour knows.
    fn renegotiate(&mut self, old: &Instance, new: &Instance) {
        if (old.min_tx, old.min_rx) == (new.min_tx, new.min_rx) {
            return;
        }
        self.tx = self.tx.min(new.min_tx);
        self.rx = self.rx.max(new.min_rx);
        self.poll = match self.poll {
            Poll::Done | Poll::Wanted => Poll::Wanted,
            Poll::Going | Poll::Again => Poll::Again,
        };
    }

    /// We ask.
    fn ask(&mut self) {
        if self.poll == Poll::Wanted {
            self.poll = Poll::Going;
        }
    }

    /// The neighbour has answered.
    fn conclude(&mut self, settings: &Instance) {
        match self.poll {
            Poll::Done | Poll::Wanted => {}
            Poll::Again => self.poll = Poll::Wanted,
            Poll::Going => *self = Agreed { tx: settings.min_tx, rx: settings.min_rx, poll: Poll::Done },
        }
    }
}

/// The state of a session (RFC 5880, 6.2), with all that is known of the neighbour.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Given up by our own administrator: the end.
    AdminDown {
        /// The neighbour, if it was heard.
        peer: Option<Peer>,
    },
    /// It doesn't work.
    Down {
        /// Why not, as the neighbour is told.
        diagnostic: Diagnostic,
        /// The neighbour, if it was heard within the detection time.
        peer: Option<Peer>,
    },
    /// We hear the neighbour and don't know yet whether it hears us.
    Init {
        /// The neighbour.
        peer: Peer,
    },
    /// It works.
    Up {
        /// The neighbour.
        peer: Peer,
        /// The intervals.
        agreed: Agreed,
    },
}

impl State {
    /// The RFC's word for it.
    pub fn name(&self) -> StateName {
        match self {
            State::AdminDown { .. } => StateName::AdminDown,
            State::Down { .. } => StateName::Down,
            State::Init { .. } => StateName::Init,
            State::Up { .. } => StateName::Up,
        }
    }

    /// What is known of the neighbour.
    pub fn peer(&self) -> Option<&Peer> {
        match self {
            State::AdminDown { peer } | State::Down { peer, .. } => peer.as_ref(),
            State::Init { peer } | State::Up { peer, .. } => Some(peer),
        }
    }

    /// Why, as the neighbour is told.
    fn diagnostic(&self) -> Diagnostic {
        match self {
            State::AdminDown { .. } => Diagnostic::AdministrativelyDown,
            State::Down { diagnostic, .. } => *diagnostic,
            State::Init { .. } | State::Up { .. } => Diagnostic::None,
        }
    }

    /// The same state, with what the neighbour says now.
    fn hear(&mut self, said: Peer) {
        match self {
            State::AdminDown { peer } | State::Down { peer, .. } => *peer = Some(said),
            State::Init { peer } | State::Up { peer, .. } => *peer = said,
        }
    }
}

/// Where a packet in the neighbour's state takes a session that is in ours (RFC 5880, 6.8.6).
pub fn next(ours: StateName, neighbours: StateName) -> StateName {
    use StateName::{AdminDown, Down, Init, Up};
    match (ours, neighbours) {
        (AdminDown, _) => AdminDown,
        (Down | Init | Up, AdminDown) | (Down, Up) | (Up, Down) => Down,
        (Down, Down) | (Init, Down) => Init,
        (Down, Init) | (Init, Init | Up) | (Up, Init | Up) => Up,
    }
}

/// A recorded change of state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// From.
    pub from: StateName,
    /// To.
    pub to: StateName,
    /// Why.
    pub why: String,
}

/// How often a packet was not believed, by the names of the reasons: as many as there are names.
pub type Rejected = BTreeMap<Cow<'static, str>, u64>;

/// What a session counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // each says what it counts
pub struct Counters {
    pub packets_received: u64,
    pub packets_sent: u64,
    pub became_up: u64,
    pub left_up: u64,
    pub rejected: Rejected,
}

/// Why a session wants to be called at a certain time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A packet is due.
    Send,
    /// The neighbour counts as gone.
    Detection,
    /// What is known of a neighbour that isn't heard is forgotten: it may be another one that comes.
    Forget,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::Send => "the next packet is due",
            Timer::Detection => "the neighbour counts as gone",
            Timer::Forget => "the neighbour is forgotten",
        })
    }
}

/// An edge that a session wants carried out, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edge {
    /// Send this to the neighbour.
    Send([u8; LENGTH]),
    /// The state changed.
    Changed(Transition),
}

/// Numbers that spread packets over time (xorshift; Marsaglia, 2003). Nothing secret comes from them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Jitter(NonZeroU32);

impl Jitter {
    fn next(&mut self) -> u8 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = NonZeroU32::new(x).unwrap_or(self.0); // never 0 from what isn't 0
        x.to_be_bytes()[0]
    }
}

/// What makes a session the same one across a reload or a restart: not its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    neighbour: IpAddr,
    source: Option<IpAddr>,
    hops: Hops,
}

impl Key {
    /// The key of a session with these settings.
    pub fn of(settings: &Instance) -> Key {
        Key { neighbour: settings.neighbour, source: settings.source, hops: settings.hops }
    }
}

/// One session. As a whole it is also what another process, or the next configuration, goes on with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// What it is told to be.
    pub settings: Instance,
    discriminator: Discriminator,
    state: State,
    since: Instant,
    why: String,
    /// When the last packet of the schedule left; `None`: one is due at once.
    sent: Option<Instant>,
    /// Where the next one falls within its jitter.
    share: u8,
    jitter: Jitter,
    /// What it counted.
    pub counters: Counters,
    history: VecDeque<Transition>,
    #[serde(skip)]
    pub(crate) edges: VecDeque<Edge>,
}

impl Session {
    /// A session that is Down. `discriminator` shall not be foreseeable, `chance` may be anything.
    pub(crate) fn new(now: Instant, settings: Instance, discriminator: Discriminator, chance: u32) -> Session {
        let mut jitter = Jitter(NonZeroU32::new(chance).unwrap_or(discriminator.0));
        Session {
            why: format!("started: {} was not heard yet", settings.neighbour),
            settings,
            discriminator,
            state: State::Down { diagnostic: Diagnostic::None, peer: None },
            since: now,
            sent: None,
            share: jitter.next(),
            jitter,
            counters: Counters::default(),
            history: VecDeque::new(),
            edges: VecDeque::new(),
        }
    }

    /// Goes on under other settings.
    pub(crate) fn retell(&mut self, settings: Instance) {
        if let State::Up { agreed, .. } = &mut self.state {
            agreed.renegotiate(&self.settings, &settings);
        }
        self.settings = settings;
    }

    /// Goes on after a pause in which nothing was heard and nothing sent: the neighbour has a whole detection time to
    /// be heard in, and hears us at once.
    pub(crate) fn resume(&mut self, now: Instant) {
        match &mut self.state {
            State::Init { peer } | State::Up { peer, .. } => peer.heard = now,
            State::AdminDown { .. } | State::Down { .. } => {}
        }
        self.sent = None;
    }

    /// Our name of it.
    pub fn discriminator(&self) -> Discriminator {
        self.discriminator
    }

    /// Its state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Its transitions, the oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Transition> {
        self.history.iter()
    }

    /// Whether a packet between these addresses is this session's.
    pub(crate) fn is_between(&self, from: IpAddr, to: IpAddr, hops: Hops) -> bool {
        let Instance { neighbour, source, .. } = &self.settings;
        *neighbour == from && source.is_none_or(|own| own == to) && self.settings.hops == hops
    }

    /// How far apart we send at most, before jitter; `None`: the neighbour wants nothing (RFC 5880, 6.8.2, 6.8.7).
    pub fn interval(&self) -> Option<Micros> {
        let own = match &self.state {
            State::Up { agreed, .. } => agreed.tx,
            State::AdminDown { .. } | State::Down { .. } | State::Init { .. } => self.settings.idle_tx,
        };
        let wanted = self.state.peer().map(|peer| peer.required_min_rx);
        if wanted == Some(Micros(0)) { None } else { Some(own.max(wanted.unwrap_or_default())) }
    }

    /// How long the neighbour may be silent (RFC 5880, 6.8.4); `None` if it was not heard.
    pub fn detection_time(&self) -> Option<Micros> {
        let expected = match &self.state {
            State::Up { agreed, .. } => agreed.rx,
            State::AdminDown { .. } | State::Down { .. } | State::Init { .. } => self.settings.min_rx,
        };
        self.state.peer().map(|peer| expected.max(peer.desired_min_tx) * peer.multiplier.get())
    }

    /// When to call `tick`, and what for.
    pub fn wake(&self) -> Option<(Instant, Timer)> {
        let silence = self.silence().map(|at| match self.state {
            State::Init { .. } | State::Up { .. } => (at, Timer::Detection),
            State::AdminDown { .. } | State::Down { .. } => (at, Timer::Forget),
        });
        let send = self.due().map(|at| (at, Timer::Send));
        silence.into_iter().chain(send).min_by_key(|(at, _)| *at)
    }

    /// When the neighbour has been silent for too long.
    fn silence(&self) -> Option<Instant> {
        match &self.state {
            State::AdminDown { .. } => None,
            State::Down { .. } | State::Init { .. } | State::Up { .. } => {
                Some(self.state.peer()?.heard + self.detection_time()?)
            }
        }
    }

    /// When the next packet of the schedule is due: after the interval less a tenth to a quarter of it, by chance (RFC
    /// 5880, 6.8.7).
    fn due(&self) -> Option<Instant> {
        let wanted = match &self.state {
            State::AdminDown { .. } => false,
            State::Up { peer, agreed } => !(peer.demand && peer.state == StateName::Up) || agreed.poll != Poll::Done,
            State::Down { .. } | State::Init { .. } => self.may_speak(),
        };
        let interval = self.interval().filter(|_| wanted)?.0;
        let jitter = interval / 10 + interval * 15 * u64::from(self.share) / (100 * u64::from(u8::MAX));
        Some(self.sent.map_or(self.since, |sent| sent + Micros(interval - jitter)))
    }

    /// The passive side doesn't speak first.
    fn may_speak(&self) -> bool {
        self.settings.role == Role::Active || self.state.peer().is_some()
    }

    /// Sends what is due.
    pub(crate) fn tick_sending(&mut self, now: Instant) {
        if self.due().is_some_and(|at| at <= now) {
            self.send(now, self.exchange());
        }
    }

    /// Time passed, and what had arrived by then was handled.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.silence().is_some_and(|at| at <= now) {
            self.miss(now);
        }
        self.tick_sending(now);
    }

    /// The neighbour has been silent for its detection time. What comes next may be another incarnation of it: nothing
    /// that it said counts any more.
    fn miss(&mut self, now: Instant) {
        match &mut self.state {
            State::AdminDown { .. } => {}
            State::Down { peer, .. } => *peer = None,
            State::Init { peer } | State::Up { peer, .. } => {
                let (silent, neighbour) = (now - peer.heard, self.settings.neighbour);
                let (times, limit) = (peer.multiplier, self.detection_time().unwrap_or_default());
                let why = format!("{neighbour} was not heard for {silent} (detection time {limit}, {times} intervals)");
                let next = State::Down { diagnostic: Diagnostic::DetectionTimeExpired, peer: None };
                self.transition(now, next, why);
                if self.may_speak() {
                    self.send(now, self.exchange());
                }
            }
        }
    }

    /// The least TTL or hop limit that is believed now.
    pub(crate) fn least_ttl(&self) -> u8 {
        self.settings.least_ttl(self.state.peer().map(|peer| peer.ttl))
    }

    /// The neighbour has sent this, and it came with this TTL or hop limit.
    pub(crate) fn hear(&mut self, now: Instant, control: &Control, ttl: u8) {
        self.counters.packets_received += 1;
        if let (State::Up { agreed, .. }, Exchange::Final) = (&mut self.state, control.exchange) {
            agreed.conclude(&self.settings);
        }
        let highest = self.state.peer().map_or(ttl, |peer| peer.ttl.max(ttl));
        let peer = Peer::of(now, control, highest);
        let (before, after) = (self.state.name(), next(self.state.name(), control.state));
        if before == after {
            self.state.hear(peer);
        } else {
            let next = match after {
                StateName::AdminDown => State::AdminDown { peer: Some(peer) },
                StateName::Down => State::Down { diagnostic: Diagnostic::NeighbourSignaledDown, peer: Some(peer) },
                StateName::Init => State::Init { peer },
                StateName::Up => State::Up { peer, agreed: Agreed::at_first(&self.settings) },
            };
            let neighbour = self.settings.neighbour;
            let why = match control.diagnostic {
                Diagnostic::None => format!("{neighbour} says {}", control.state),
                because => format!("{neighbour} says {} ({because})", control.state),
            };
            self.transition(now, next, why);
        }
        if control.exchange == Exchange::Poll {
            self.send(now, Exchange::Final);
        } else if before != after {
            self.send(now, self.exchange());
        }
    }

    /// Gives up for good, and says so: the neighbour needs not wait for its detection time.
    pub(crate) fn stop(&mut self, now: Instant, why: &str) {
        if matches!(self.state, State::AdminDown { .. }) {
            return;
        }
        let next = State::AdminDown { peer: self.state.peer().copied() };
        self.transition(now, next, why.into());
        if self.may_speak() {
            self.send(now, Exchange::None);
        }
    }

    /// The only place where a state becomes another.
    fn transition(&mut self, now: Instant, next: State, why: String) {
        let (from, to) = (self.state.name(), next.name());
        self.counters.became_up += u64::from(to == StateName::Up);
        self.counters.left_up += u64::from(from == StateName::Up);
        self.state = next;
        self.since = now;
        self.why.clone_from(&why);
        let transition = Transition { at: now, from, to, why };
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(transition.clone());
        self.edges.push_back(Edge::Changed(transition));
    }

    /// What a packet of the schedule carries.
    fn exchange(&self) -> Exchange {
        match &self.state {
            State::Up { agreed, .. } if agreed.poll != Poll::Done => Exchange::Poll,
            State::AdminDown { .. } | State::Down { .. } | State::Init { .. } | State::Up { .. } => Exchange::None,
        }
    }

    fn send(&mut self, now: Instant, exchange: Exchange) {
        let control = Control {
            diagnostic: self.state.diagnostic(),
            state: self.state.name(),
            exchange,
            authenticated: false,
            demand: false,
            multiplier: self.settings.multiplier,
            mine: self.discriminator,
            yours: self.state.peer().map(|peer| peer.discriminator),
            desired_min_tx: match self.state {
                State::Up { .. } => self.settings.min_tx,
                State::AdminDown { .. } | State::Down { .. } | State::Init { .. } => self.settings.idle_tx,
            },
            required_min_rx: self.settings.min_rx,
            required_min_echo_rx: Micros(0),
        };
        self.edges.push_back(Edge::Send(control.emit()));
        if let (State::Up { agreed, .. }, Exchange::Poll) = (&mut self.state, exchange) {
            agreed.ask();
        }
        self.counters.packets_sent += 1;
        // An answer is outside the schedule: else a neighbour that keeps asking would keep us from ever asking.
        if exchange != Exchange::Final {
            self.sent = Some(now);
            self.share = self.jitter.next();
        }
    }
}
