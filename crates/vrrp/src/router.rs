//! One virtual router: its state with the data of that state, its timers, and what each input does to it. What concerns
//! several instances at once (sync groups, shared facts) is `node`'s.

mod clear;
mod edge;
mod hear;
mod sent;
mod state;
mod ways;
mod wire;

pub use edge::{Caught, Edge, Sequence, Timer};
pub(crate) use edge::{Turn, Wish};
pub use sent::{Failure, Reach, Unsent};
pub use state::{
    Backup, CatchUp, Clearance, Contest, Counters, Faults, Heard, Listening, Master, Name, Question, State, Transition,
};
pub use ways::Ear;
pub use wire::{advert, heartbeat, packets, packets_by};

use crate::admit::Known;
use crate::auth;
use crate::packet::{self, Advert};
use crate::settings::{
    Auth, Binding, Family, HeartbeatPath, HmacAuth, HmacMode, Instance, Preempt, Transport, Version, Way,
};
use crate::timers;
use crate::track::Fault;
use crate::trailer::{self, Stamps};
use crate::units::{Centis, Instant, Micros, Priority, Vrid};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// The MTU of a link that is not there yet.
const USUAL_MTU: u32 = 1500;

/// Transitions kept for the operator.
const HISTORY: usize = 32;

/// The shortest interval that is learned from a master: the shortest that version 3 can say. (`admit` lets no 0 through;
/// this keeps timers from standing still whoever calls.)
const LEAST_LEARNED: Centis = Centis(1);

/// The least time between two answers to lower-priority adverts, so that a flood of them costs no more than this.
const REPLY_GAP: Micros = Micros(100_000);

/// For so many master-down intervals a master is remembered through a fault.
const RECENT: u64 = 10;

/// Adverts out of turn that a master is likely to have sent at most since it last left word: answers to lower priorities,
/// another priority.
const OUT_OF_TURN: u64 = 8;

/// The least time from the end of one contest to what is told of the next.
const CONTEST_GAP: Micros = Micros(30_000_000);

/// What another process, or the next configuration, needs to go on with this router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Carried {
    /// Which router it is.
    pub key: Key,
    /// Its name, to tell apart those with the same key: unicast instances that differ by their peers alone.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why.
    pub why: String,
    /// The priority in force.
    pub priority: Priority,
    /// The master's interval.
    pub learned: Centis,
    /// How long a backup waits for its master.
    pub master_down: Micros,
    /// Authentication header sequences.
    pub sequences: Sequences,
    /// Stamps of keyed trailers.
    #[serde(default)]
    pub stamps: Stamps,
    /// What it heard by each way, where there are several.
    #[serde(default)]
    pub ears: Vec<(Option<HeartbeatPath>, Ear)>,
    /// In FAULT: whom it heard as master before.
    #[serde(default)]
    pub last_master: Option<Heard>,
    /// The operator handed it over.
    #[serde(default)]
    pub handed_over: bool,
    /// As MASTER: its adverts don't leave.
    #[serde(default)]
    pub unsent: Option<Unsent>,
    /// Before that, nothing of the kind is told again.
    #[serde(default)]
    pub untold_until: Instant,
    /// Counters.
    pub counters: Counters,
    /// Transitions.
    pub history: VecDeque<Transition>,
}

/// Numbers of the authentication header (RFC 4302, 2.5). The original has one counter for both directions; two keep the
/// numbers that we send high after a restart without turning away a peer whose own are low.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sequences {
    /// The last one sent.
    pub sent: u32,
    /// The highest one accepted.
    pub heard: u32,
    /// Whose that was: two hosts may have come to the same.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

impl Sequences {
    /// The next one to send: above all that anybody has sent for this router, and no lower than the clock, from which every
    /// other host began.
    fn next(&mut self, clock: u32) -> u32 {
        self.sent = self.sent.max(self.heard).saturating_add(1).max(clock);
        self.sent
    }

    /// A successor does not know what was sent last: it goes on above what its predecessor has sent since it left word.
    /// That is not many more, or a host that has lost its memory would be below it for as many adverts.
    fn skip(&mut self, unknown: Micros, interval: Micros) {
        let adverts = unknown.0.checked_div(interval.0).unwrap_or(0).saturating_add(OUT_OF_TURN);
        self.sent = self.sent.saturating_add(u32::try_from(adverts).unwrap_or(u32::MAX));
    }
}

/// What makes a router the same one across a reload or a restart: not its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Key {
    vrid: Vrid,
    family: Family,
    binding: Binding,
    group: Option<IpAddr>,
    unicast_source: Option<IpAddr>,
}

impl Key {
    /// The key of an instance.
    pub fn of(settings: &Instance) -> Key {
        let (group, unicast_source) = match settings.transport {
            Transport::Multicast { group } => (Some(group), None),
            Transport::Unicast { .. } => (None, settings.source),
        };
        let Instance { vrid, family, ref binding, .. } = *settings;
        Key { vrid, family, binding: binding.clone(), group, unicast_source }
    }
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct Router {
    /// What it is told to be.
    pub settings: Instance,
    pub(crate) state: State,
    pub(crate) since: Instant,
    pub(crate) why: String,
    pub(crate) effective: Priority,
    /// The address adverts are sent from; `None` only in FAULT.
    pub(crate) source: Option<IpAddr>,
    /// Largest packet of its interface in bytes.
    pub(crate) mtu: u32,
    learned: Centis,
    sequences: Sequences,
    stamps: Stamps,
    /// With heartbeat paths: what is heard by each way, the own interface first. Without, empty.
    pub(crate) ears: Vec<Ear>,
    /// In FAULT: whom it heard as master before.
    last_master: Option<Heard>,
    /// The operator handed it over: whoever serves is left in peace, as with `nopreempt`, until it is MASTER again.
    handed_over: bool,
    /// As MASTER: its adverts don't leave. Before `untold_until` no such thing is told again.
    unsent: Option<Unsent>,
    untold_until: Instant,
    /// What the time of day is ahead of `Instant`, in microseconds.
    pub(crate) clock: i64,
    /// What it counted.
    pub counters: Counters,
    pub(crate) history: VecDeque<Transition>,
    pub(crate) edges: VecDeque<Edge>,
}

impl Router {
    /// A router that was never heard of. `unix`: the time since 1970. Numbers of its authentication headers start there: above
    /// all that an earlier life of this host sent.
    pub(crate) fn new(now: Instant, settings: Instance, unix: Micros) -> Router {
        Router {
            state: State::Init,
            since: now,
            why: "started".to_string(),
            effective: settings.priority,
            source: None,
            mtu: USUAL_MTU,
            learned: settings.advert_int,
            sequences: Sequences { sent: seconds(unix), ..Sequences::default() },
            stamps: Stamps::new(),
            ears: ways::ears(now, &settings),
            last_master: None,
            handed_over: false,
            unsent: None,
            untold_until: Instant(0),
            clock: unix.0.cast_signed().saturating_sub_unsigned(now.0),
            counters: Counters::default(),
            history: VecDeque::new(),
            edges: VecDeque::new(),
            settings,
        }
    }

    /// Takes over what a predecessor knew at `told`. It was last known to run at `last_seen`: a master that was away for longer
    /// than its backups wait listens first. One that never stopped running is reloaded: nothing begins anew for that.
    pub(crate) fn resume(&mut self, now: Instant, (told, last_seen): (Instant, Instant), carried: Carried) {
        self.since = carried.since;
        self.why = carried.why;
        self.effective = carried.priority;
        self.stamps = carried.stamps;
        self.last_master = carried.last_master;
        self.handed_over = carried.handed_over;
        self.unsent = carried.unsent;
        self.untold_until = carried.untold_until;
        self.sequences = Sequences { sent: self.sequences.sent.max(carried.sequences.sent), ..carried.sequences };
        self.counters = carried.counters;
        self.history = carried.history;
        // Of no master heard there is nothing learned: what the configuration says now counts.
        let heard = matches!(&carried.state, State::Backup(backup) if backup.heard.is_some());
        let learned = heard && self.settings.version == Version::V3;
        self.learned = if learned { carried.learned } else { self.settings.advert_int };
        let away = now - last_seen;
        if away > Micros::ZERO {
            self.stamps.skip();
            if matches!(carried.state, State::Master(_)) {
                self.sequences.skip(last_seen - told, self.settings.advert_int.micros());
            }
        }
        self.resume_ears(now, away, &carried.ears);
        // The peers count from its last advert, which was up to an interval before it was last seen.
        let silent = Micros(away.0.saturating_add(self.settings.advert_int.micros().0));
        match carried.state {
            State::Master(master) if away == Micros::ZERO || silent <= self.peers_patience() => {
                // At once, as whatever is sent may be another now; but a storm of reloads makes no storm of adverts.
                let at = now.max(master.reply_after);
                let reply_after = if at > now { master.reply_after } else { now + REPLY_GAP };
                let next_advert = at.min(master.next_advert).max(now);
                let announce_extra = self.settings.garp.extra.map(|extra| {
                    let latest = now + extra.every;
                    master.announce_extra.unwrap_or(latest).min(latest)
                });
                // Who was away hears in a whole interval what it has missed.
                let until =
                    |l: Listening| if away > Micros::ZERO { now + self.settings.advert_int.micros() } else { l.until };
                let listening = master.listening.map(|l| Listening { until: until(l), ..l });
                self.state = State::Master(Master { next_advert, reply_after, announce_extra, listening, ..master });
                // While it was away another may have taken over and told the clients, and may give way without a word.
                if away > Micros::ZERO && !self.is_listening() {
                    self.edges.push_back(Edge::Announce { repeat: self.settings.garp.master_repeat });
                }
            }
            State::Master(_) => {
                let why = format!("was not running for {away} as MASTER: listens before it serves again");
                let backup = self.listening(now, None);
                self.state = State::Master(Master::new(now)); // what it was, for the record
                self.transition(now, State::Backup(backup), why);
            }
            State::Backup(backup) => {
                let whole = now + self.master_down();
                // Who ran all the while has missed no advert: the time for the next one runs on, or reload after reload
                // would keep a dead master's place. Who did not gives the master a whole interval.
                let moved = Instant((backup.down.0 + self.master_down().0).saturating_sub(carried.master_down.0));
                let catch_up = self.resumed_catch_up(&backup, away);
                let backup = match away {
                    Micros::ZERO => Backup { down: moved.clamp(now, whole), catch_up, ..backup },
                    _ => Backup {
                        down: whole,
                        wants_master: false,
                        overslept: false,
                        // Who was asked answers the predecessor.
                        clearance: Clearance::Unasked,
                        catch_up,
                        ..backup
                    },
                };
                self.state = State::Backup(backup);
            }
            State::Fault(faults) => self.state = State::Fault(faults),
            State::Init | State::Stopped => self.state = State::Init,
        }
    }

    /// What a successor needs.
    pub fn carry(&self) -> Carried {
        Carried {
            key: Key::of(&self.settings),
            name: self.settings.name.clone(),
            state: self.state.clone(),
            since: self.since,
            why: self.why.clone(),
            priority: self.effective,
            learned: self.learned,
            master_down: self.master_down(),
            sequences: self.sequences,
            stamps: self.stamps.clone(),
            ears: self.carry_ears(),
            last_master: self.last_master,
            handed_over: self.handed_over,
            unsent: self.unsent.clone(),
            untold_until: self.untold_until,
            counters: self.counters.clone(),
            history: self.history.clone(),
        }
    }

    /// Its state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why it is in its state.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The priority in force.
    pub fn priority(&self) -> Priority {
        self.effective
    }

    /// Whether it is MASTER and listens after a stall.
    pub fn is_listening(&self) -> bool {
        matches!(self.state, State::Master(Master { listening: Some(_), .. }))
    }

    /// Whether the operator handed it over, so that it leaves whoever serves in peace.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// As BACKUP: whom it hears as master. One that gave up is none, nor is one that is silent, or is believed no more, for
    /// longer than a master may be.
    pub fn heard(&self, now: Instant) -> Option<Heard> {
        let State::Backup(backup) = &self.state else { return None };
        let Instance { version, advert_int, down_timer_adverts, .. } = self.settings;
        backup.heard.filter(|heard| {
            // (Who was too weak to be listened to has its own interval all the same.)
            let interval = if version == Version::V3 { heard.interval.max(LEAST_LEARNED) } else { advert_int };
            let patience = timers::master_down(version, self.effective, interval, down_timer_adverts);
            heard.priority != Priority::RELEASE && now - heard.at <= patience
        })
    }

    /// Whether it is BACKUP, hears no master, and would be one itself.
    pub(crate) fn wants_master(&self) -> bool {
        matches!(self.state, State::Backup(Backup { wants_master: true, .. }))
    }

    /// Whether a sibling may become MASTER as far as this one goes.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        match &self.state {
            State::Backup(backup) => backup.wants_master && self.overslept(now).is_none(),
            State::Master(_) => true,
            State::Init | State::Fault(_) | State::Stopped => false,
        }
    }

    /// As BACKUP: who is master, with which priority and interval.
    pub fn master(&self) -> Option<(IpAddr, Priority, Centis)> {
        let State::Backup(backup) = &self.state else { return None };
        backup.heard.map(|heard| (heard.address, heard.priority, self.learned))
    }

    /// The address that its adverts come from.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The recorded transitions, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Transition> {
        self.history.iter()
    }

    /// When it wants to be called, and what for.
    pub fn wake(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            State::Backup(b) => match self.silence() {
                Some(at) if at < b.down => Some((at, Timer::Silence)),
                Some(_) | None if self.preempts(b) => Some((b.down, Timer::Preempts)),
                Some(_) | None => Some((b.down, Timer::MasterDown)),
            },
            State::Master(Master { listening: Some(listening), .. }) => Some((listening.until, Timer::Listening)),
            State::Master(m) => [
                Some((m.next_advert, Timer::Advert)),
                m.announce_delayed.map(|at| (at, Timer::AnnounceDelayed)),
                m.announce_refresh.map(|at| (at, Timer::AnnounceRefresh)),
                m.announce_lower.map(|at| (at, Timer::AnnounceLower)),
                m.announce_extra.map(|at| (at, Timer::AnnounceExtra)),
                m.contest.map(|contest| (self.contest_end(&contest).max(m.peace_until), Timer::Healed)),
            ]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at),
            State::Init | State::Fault(_) | State::Stopped => None,
        }
    }

    /// Whether the end of the master-down interval is that of a weaker master that is heard all the while.
    fn preempts(&self, backup: &Backup) -> bool {
        let Some(heard) = backup.heard else { return false };
        let weaker = heard.priority != Priority::RELEASE && heard.priority < self.effective;
        let is_heard = backup.down <= heard.at + self.master_down();
        let patient = match self.settings.preempt {
            Preempt::Never => false,
            Preempt::After(Micros::ZERO) => true,
            Preempt::After(_) => backup.hold.is_some_and(|hold| hold <= backup.down),
        };
        let caught_up = match backup.catch_up {
            CatchUp::Over => true,
            CatchUp::Unasked { until } | CatchUp::Asked { until } => until <= backup.down,
        };
        weaker && is_heard && patient && caught_up && !self.handed_over
    }

    /// Whether it is in FAULT for more than a sibling's sake.
    pub(crate) fn has_own_fault(&self) -> bool {
        let State::Fault(faults) = &self.state else { return false };
        faults.iter().any(|fault| !matches!(fault, Fault::Sibling(_) | Fault::SiblingAwaited(_)))
    }

    /// What it knows when it judges a packet that came by this way.
    pub fn known(&self, now: Instant, way: Way) -> Known<'_> {
        let (sequence, stamps) = match self.ears.get(way.index()) {
            Some(ear) => (ear.sequence, &ear.stamps),
            None => (self.sequences.heard, &self.stamps),
        };
        let master = self.state.master();
        Known { way, own: self.source, sequence, master, listed: self.listed(), stamps, unix: self.unix(now) }
    }

    /// Takes note of the time since 1970.
    pub(crate) fn set_clock(&mut self, now: Instant, unix: Micros) {
        self.clock = unix.0.cast_signed().saturating_sub_unsigned(now.0);
    }

    /// The time since 1970.
    fn unix(&self, now: Instant) -> Micros {
        Micros(now.0.saturating_add_signed(self.clock))
    }

    /// How many of its addresses its adverts list: all that fit into one packet.
    pub fn listed(&self) -> usize {
        let Instance { version, family, ref auth, .. } = self.settings;
        let header = match auth {
            Auth::None | Auth::Pass(_) => 0,
            Auth::Ah(_) => auth::AH_HEADER,
            Auth::Hmac(_) => trailer::TRAILER,
        };
        self.settings.addresses.len().min(packet::room(self.mtu, version, family, header))
    }

    /// The advert it sends with this priority.
    fn advert(&self, priority: Priority) -> Advert {
        let mut advert = advert(&self.settings, priority);
        advert.addresses.truncate(self.listed());
        advert
    }

    fn skew(&self) -> Micros {
        timers::skew(self.settings.version, self.effective, self.learned)
    }

    /// How long it waits for its master as BACKUP.
    pub fn master_down(&self) -> Micros {
        let missed = self.settings.down_timer_adverts;
        timers::master_down(self.settings.version, self.effective, self.learned, missed)
    }

    /// For how long its interface may be down before it counts as down: one that hears nothing must not take over for that.
    pub fn blind(&self) -> Micros {
        let interval = self.learned.micros().0;
        let most = u64::from(self.settings.down_timer_adverts.saturating_sub(1)) * interval;
        Micros(most.saturating_sub(interval / 256))
    }

    /// As MASTER: for how long it may be silent before others take over, as far as is known of them.
    fn peers_patience(&self) -> Micros {
        let own = self.master_down();
        let missed = self.settings.down_timer_adverts;
        let others = self.settings.timer_expired;
        let others = others.map(|them| timers::master_down(self.settings.version, them, self.learned, missed));
        others.map_or(own, |others| others.min(own))
    }

    fn listening(&self, now: Instant, heard: Option<Heard>) -> Backup {
        Backup {
            down: now + self.master_down(),
            hold: None,
            heard,
            wants_master: false,
            overslept: false,
            clearance: Clearance::Unasked,
            ask_from: Instant(0),
            unheard: None,
            catch_up: self.catch_up_from(now),
        }
    }

    /// The one place where the state changes.
    pub(crate) fn transition(&mut self, now: Instant, next: State, why: String) {
        let (from, to) = (self.state.name(), next.name());
        let before = core::mem::replace(&mut self.state, next);
        if from == to {
            return;
        }
        match (from, to) {
            (_, Name::Master) => self.counters.became_master += 1,
            (Name::Master, _) => self.counters.released_master += 1,
            _ => {}
        }
        self.since = now;
        self.why.clone_from(&why);
        let transition = Transition { at: now, from, to, why };
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(transition.clone());
        self.edges.push_back(Edge::Changed(transition));
        if let State::Master(Master { contest: Some(contest), .. }) = before {
            self.edges.push_back(Edge::LeftContest { contest });
        }
        self.end_unsent();
    }

    /// BACKUP with a full master-down interval; an owner needn't listen for anybody.
    pub(crate) fn listen(&mut self, now: Instant, why: String) {
        self.learned = self.settings.advert_int;
        // One that was not heard for long may be no master any more, and is not to be fenced for what another does.
        let recent = Micros(self.master_down().0.saturating_mul(RECENT));
        let heard = self.last_master.take().filter(|heard| now - heard.at <= recent);
        let mut backup = self.listening(now, heard);
        if self.effective == Priority::OWNER {
            backup.down = now;
        }
        self.transition(now, State::Backup(backup), why);
    }

    /// MASTER: the advert first, then the addresses, then everybody is told.
    pub(crate) fn serve(&mut self, now: Instant, why: String) {
        self.handed_over = false;
        self.learned = self.settings.advert_int;
        self.send(now, self.effective);
        let before = match &self.state {
            State::Backup(backup) => backup.heard,
            State::Init | State::Master(_) | State::Fault(_) | State::Stopped => None,
        };
        let is_silent = |h: &Heard| h.priority >= self.effective || now - h.at >= self.master_down();
        let fell_silent = |h: &Heard| h.priority != Priority::RELEASE && is_silent(h);
        let (lost, left) = (before.filter(fell_silent), before.filter(|h| !fell_silent(h)));
        let garp = &self.settings.garp;
        let after = |delay: Micros| (delay > Micros::ZERO).then(|| now + delay);
        let master = Master {
            announce_delayed: after(garp.master_delay),
            announce_refresh: after(garp.refresh).map(|at| at + garp.master_delay),
            announce_extra: garp.extra.map(|extra| now + extra.every + garp.master_delay),
            renewed: now,
            lost,
            left,
            ..Master::new(now + self.settings.advert_int.micros())
        };
        let repeat = garp.master_repeat;
        self.transition(now, State::Master(master), why);
        self.edges.push_back(Edge::Announce { repeat });
    }

    /// The operator hands a master over: it says good-bye, and leaves whoever follows in peace. If nobody does, it serves again
    /// after the master-down interval.
    pub(crate) fn hand_over(&mut self, now: Instant) {
        if matches!(self.state, State::Master(_)) {
            self.release(now);
            self.handed_over = true;
            let backup = self.listening(now, None);
            self.transition(now, State::Backup(backup), "the operator handed over".to_string());
        }
    }

    /// It preempts again.
    pub(crate) fn take_back(&mut self) {
        self.handed_over = false;
        // He who says so has looked.
        if let State::Backup(backup) = &mut self.state {
            backup.catch_up = CatchUp::Over;
        }
    }

    /// FAULT; a master says good-bye first.
    pub(crate) fn fail(&mut self, now: Instant, faults: Faults) {
        self.release(now);
        // Whom it heard before may be silent when it listens again, and is to be fenced then.
        if let State::Backup(backup) = &self.state {
            self.last_master = backup.heard;
        }
        let why = faults.to_string();
        self.transition(now, State::Fault(faults), why);
    }

    /// The end; a master says good-bye first.
    pub(crate) fn stop(&mut self, now: Instant, why: String) {
        self.release(now);
        self.transition(now, State::Stopped, why);
    }

    /// Priority 0, if MASTER and able to send. One that listens may no longer be the master, and says nothing.
    pub(crate) fn release(&mut self, now: Instant) {
        if matches!(self.state, State::Master(Master { listening: None, .. })) {
            self.send(now, Priority::RELEASE);
        }
    }

    fn send(&mut self, now: Instant, priority: Priority) {
        let unix = self.unix(now);
        let sequence = match &self.settings.auth {
            Auth::Ah(_) => Some(Sequence::Ah(self.sequences.next(seconds(self.unix(now))))),
            Auth::Hmac(HmacAuth { mode: HmacMode::ReceiveOnly, .. }) | Auth::None | Auth::Pass(_) => None,
            Auth::Hmac(auth) => Some(Sequence::Hmac(self.stamps.next(unix, auth.replay))),
        };
        self.ears.iter_mut().for_each(|ear| ear.stamps.sent_as(&self.stamps));
        self.edges.push_back(Edge::Send { advert: self.advert(priority), sequence });
    }

    /// The priority in force is now this; a running master-down interval moves with it. A master that was too weak to be
    /// listened to and is no longer so has been heard.
    pub(crate) fn set_priority(&mut self, now: Instant, priority: Priority) {
        let from = self.effective;
        if from == priority {
            return;
        }
        let before = self.master_down();
        self.effective = priority;
        let after = self.master_down();
        let State::Backup(backup) = &mut self.state else {
            self.edges.push_back(Edge::PriorityChanged { from, to: priority });
            return;
        };
        backup.down = Instant((backup.down.0 + after.0).saturating_sub(before.0));
        if let Some(heard) = backup.heard.filter(|heard| heard.priority >= priority) {
            let learned = match self.settings.version {
                Version::V3 => heard.interval.max(LEAST_LEARNED),
                Version::V2 => self.learned,
            };
            let missed = self.settings.down_timer_adverts;
            let down = heard.at + timers::master_down(self.settings.version, priority, learned, missed);
            if now < down {
                (backup.wants_master, backup.overslept, backup.hold) = (false, false, None);
                backup.clearance = Clearance::Unasked;
                backup.down = backup.down.max(down);
                self.learned = learned;
            }
        }
        self.edges.push_back(Edge::PriorityChanged { from, to: priority });
    }

    /// How late a backup comes to the end of its master-down interval, if that is an interval or more: it may have been sent
    /// adverts that nobody kept for it, as when a virtual machine stands still. The master gets the time for one more, once.
    pub(crate) fn overslept(&self, now: Instant) -> Option<Micros> {
        let State::Backup(backup) = &self.state else { return None };
        let late = now - backup.down;
        (late >= self.learned.micros() && !backup.overslept).then_some(late)
    }

    /// Time has come for whatever is due.
    pub(crate) fn tick(&mut self, now: Instant, turn: Turn) -> Wish {
        let interval = self.settings.advert_int.micros();
        let (skew, overslept) = (self.skew(), self.overslept(now));
        let peers = self.peers_patience();
        if turn == Turn::Judging {
            self.judge_ways(now);
        }
        let contest = match &self.state {
            State::Master(master) => master.contest.map(|contest| self.contest_end(&contest).max(master.peace_until)),
            State::Init | State::Backup(_) | State::Fault(_) | State::Stopped => None,
        };
        match &mut self.state {
            State::Backup(backup) => {
                if backup.down > now {
                    return Wish::None;
                }
                if let Some(late) = overslept {
                    (backup.overslept, backup.wants_master) = (true, false);
                    backup.down = now + self.learned.micros() + skew;
                    self.edges.push_back(Edge::Overslept { late });
                    return Wish::None;
                }
                Wish::Master
            }
            State::Master(master) => {
                if master.listening.is_some_and(|l| now < l.until) {
                    return Wish::None;
                }
                let resumes = master.listening.take();
                if let Some(Listening { until, .. }) = resumes {
                    master.next_advert = until;
                }
                let advert_due = master.next_advert <= now;
                if advert_due {
                    let late = now - master.next_advert;
                    self.counters.latest_advert = self.counters.latest_advert.max(late);
                    // Backups count from the last advert, which was an interval before this one was due. One that listened
                    // and then did not run for so long has not listened: it begins anew.
                    let silent = Micros(interval.0.saturating_add(late.0));
                    if silent > peers {
                        let until = now + interval;
                        self.counters.stalled += 1;
                        master.next_advert = until;
                        master.listening = Some(Listening { silent, until });
                        self.edges.push_back(Edge::Stalled { silent });
                        return Wish::None;
                    }
                }
                let mut renews = false;
                if advert_due {
                    let due = master.next_advert;
                    let lease = self.settings.lease();
                    renews = lease.is_some_and(|lease| due >= master.renewed + renewal_gap(lease, interval));
                    if renews {
                        master.renewed = due;
                    }
                    // In step with the schedule, unless that is already missed by an interval or more.
                    let next = master.next_advert + interval;
                    master.next_advert = if next > now { next } else { now + interval };
                }
                let garp = &self.settings.garp;
                let mut repeats = resumes.map_or(0, |_| garp.master_repeat);
                if master.announce_delayed.take_if(|at| *at <= now).is_some() {
                    repeats = repeats.max(garp.master_repeat);
                }
                if let Some(at) = master.announce_refresh.filter(|at| *at <= now) {
                    repeats = repeats.max(garp.refresh_repeat);
                    master.announce_refresh = Some(at.max(now) + garp.refresh);
                }
                if master.announce_lower.take_if(|at| *at <= now).is_some() {
                    repeats = repeats.max(garp.lower_prio_repeat);
                }
                if let (Some(at), Some(extra)) = (master.announce_extra.filter(|at| *at <= now), garp.extra) {
                    master.announce_extra = Some(at.max(now) + extra.every);
                    self.edges.push_back(Edge::AnnounceExtra);
                }
                let is_over = turn == Turn::Judging && contest.is_some_and(|end| end <= now);
                let healed = master.contest.take_if(|_| is_over);
                if healed.is_some() {
                    master.peace_until = now + CONTEST_GAP;
                    repeats = repeats.max(garp.master_repeat);
                }
                if advert_due {
                    self.send(now, self.effective);
                }
                if resumes.is_some() {
                    self.edges.push_back(Edge::Resumed);
                }
                if renews {
                    self.edges.push_back(Edge::Renew);
                }
                if repeats > 0 {
                    self.edges.push_back(Edge::Announce { repeat: repeats });
                }
                self.edges.extend(healed.map(|contest| Edge::Healed { contest }));
                Wish::None
            }
            State::Init | State::Fault(_) | State::Stopped => Wish::None,
        }
    }

    /// When another master counts as gone: after its own interval, should that be the longer one.
    fn contest_end(&self, contest: &Contest) -> Instant {
        let interval = self.learned.max(contest.other.interval);
        let missed = self.settings.down_timer_adverts;
        contest.other.at + timers::master_down(self.settings.version, self.effective, interval, missed)
    }

    /// As MASTER: another one that goes on, as far as is known.
    pub fn second_master(&self, now: Instant) -> Option<&Contest> {
        let State::Master(master) = &self.state else { return None };
        master.contest.as_ref().filter(|contest| contest.goes_on && now < self.contest_end(contest))
    }

    /// A sibling's better master takes this one along, without a good-bye.
    pub(crate) fn follow_to_backup(&mut self, now: Instant, why: String) {
        let backup = self.listening(now, None);
        self.transition(now, State::Backup(backup), why);
    }

    /// The master-down interval is over but a sibling is not ready: listen for another.
    pub(crate) fn wait_for_siblings(&mut self, now: Instant) {
        let down = now + self.master_down();
        if let State::Backup(backup) = &mut self.state {
            backup.wants_master = true;
            backup.down = down;
        }
    }
}

/// Whole seconds, as numbers of authentication headers count them.
fn seconds(unix: Micros) -> u32 {
    u32::try_from(unix.0 / 1_000_000).unwrap_or(u32::MAX >> 1)
}

/// How long a lease of so many seconds is left alone: a second, so that renewing costs next to nothing; one that is no longer
/// than that itself, until the last advert of its first half.
fn renewal_gap(lease: u32, interval: Micros) -> Micros {
    if lease > 1 { Micros::from_secs(1) } else { Micros(500_000u64.saturating_sub(interval.0)) }
}
