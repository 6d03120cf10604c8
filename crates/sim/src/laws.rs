//! What must hold: after every turn of a host, and once the faults have ended. Each law keeps its own account of what
//! happened, from the wire's side; what a node says of itself is compared with it.

mod sessions;

use crate::host::{Effect, Flight, Host, Origin, Pulse};
use crate::scenario::{HOSTS, Scenario, VRS, WIRES, address, number};
use crate::wire::{LONGEST_WAY, Wires};
use std::fmt;
use vipd_vrrp::admit::Reject;
use vipd_vrrp::auth::AhFault;
use vipd_vrrp::node::Node;
use vipd_vrrp::router::{Master, Name, Router, Sequence, State};
use vipd_vrrp::settings::{Bearing, Instance, Preempt, Tracked, Version, Way};
use vipd_vrrp::timers;
use vipd_vrrp::trailer::{HmacFault, Stamp};
use vipd_vrrp::units::Priority;

/// How soon an address that somebody removed is back, in microseconds.
const GUARDED: u64 = 50_000;

/// A successor that goes on as MASTER, and one that is reloaded, sends its next advert within so many microseconds if
/// it does not do so at once: `router` bounds the adverts of a storm of reloads by that.
const FIRST_ADVERT: u64 = 100_000;

/// What must hold, as an operator would say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// Of two masters the weaker one gives way to the first advert of the stronger one that reaches it.
    ///
    /// So they last no longer than the stronger one's interval and the advert's way, counted from when the last of
    /// these was over: one of the two was not MASTER, or had another priority, or stood still, or an advert from the
    /// stronger to the weaker was lost or late by an injected fault. (A tenth of a second where that is longer than
    /// the interval: so long a reloaded master may wait with its next advert.) That is below one master-down interval,
    /// which has at least two such intervals. What passes the other way doesn't count: nobody can obey what it doesn't
    /// hear.
    TwoMasters,
    /// The kernel holds the addresses while MASTER and at no other time; what somebody removes is back in 50 ms.
    Addresses,
    /// The leases of a master's addresses don't end while its host runs.
    Leases,
    /// A state changes by a recorded transition with a reason, from the state that was.
    Recorded,
    /// Nobody without the key is believed; with an authentication header or `auth_hmac` no packet is believed twice.
    Attacker,
    /// An honest advert is believed, unless its sequence number is below one that was accepted, or a clock is wrong.
    Honest,
    /// The members of a sync group hold the same state, and the group has it, too.
    Group,
    /// A master sends its next advert within the interval that its last one names, whatever it receives.
    Schedule,
    /// Nobody takes over from a stronger master that it heard less than so many intervals ago as it has to miss.
    HeardMaster,
    /// Who hears a master's good-bye, and no other advert after it, is MASTER within the skew time.
    HandOver,
    /// A role that was away as MASTER for longer than its peers wait, or stood still so long, listens before it sends.
    ListensFirst,
    /// A node has nothing to do at the moment at which it has just done everything.
    BusyLoop,
    /// Who is able serves or listens: nobody stays in FAULT or INIT without a cause.
    Stuck,
    /// After the last fault, within two master-down intervals and `preempt_delay`: one master.
    OneMaster,
    /// And it is the right one: nobody who is able and may preempt has a higher priority.
    RightMaster,
    /// And clients send to it, unless it can't know that they don't: its last announcement was lost to a fault, or
    /// another master announced itself and fell silent before it was heard.
    Neighbours,
    /// And so it stays.
    Lasting,
    /// A BFD neighbour counts as gone when its last packet is a detection time old, and what had come by then is read:
    /// no sooner, no later.
    Detection,
    /// A BFD session changes its state for what a packet says, or its silence, as RFC 5880, 6.8.6 has it.
    Caused,
    /// What an instance knows of a BFD session is what it is.
    Followed,
    /// After the last fault the sessions between hosts that run are Up, and no other.
    SessionsUp,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Law::TwoMasters => "two masters that hear each other don't last",
            Law::Addresses => "addresses are held exactly while MASTER",
            Law::Leases => "a lease is renewed while its host runs",
            Law::Recorded => "no change of state without a recorded reason",
            Law::Attacker => "nobody without the key is believed, and no packet twice",
            Law::Honest => "an honest advert is believed",
            Law::Group => "the members of a sync group hold the same state",
            Law::Schedule => "nothing that is received delays an advert or a BFD packet",
            Law::HeardMaster => "nobody takes over from a stronger master that it hears",
            Law::HandOver => "a good-bye is followed within the skew time",
            Law::ListensFirst => "who was away for long listens first",
            Law::BusyLoop => "nothing is due when all is done",
            Law::Stuck => "nobody is in FAULT or INIT without a cause",
            Law::OneMaster => "after the last fault there is one master within two master-down intervals",
            Law::RightMaster => "after the last fault the right one is master",
            Law::Neighbours => "after the last fault clients send to the master",
            Law::Lasting => "without a fault nothing changes",
            Law::Detection => "a BFD neighbour counts as gone after its detection time",
            Law::Caused => "no session changes without a cause",
            Law::Followed => "a tracker follows its session",
            Law::SessionsUp => "after the last fault the sessions between hosts that run are Up",
        })
    }
}

/// A law that was broken, and how.
pub(crate) type Broken = (Law, String);

/// What is known of a virtual router on a host.
#[derive(Clone, Copy, Debug)]
struct Seat {
    /// The state that the recorded transitions lead to.
    state: Name,
    /// When its state or its priority last changed, or the host last stood still.
    since: u64,
    /// When it last sent an advert, and when its next one is due at the latest.
    sent: u64,
    due: u64,
    /// When a stronger master's last advert was believed, and its interval in microseconds.
    stronger: Option<(u64, Priority, u64)>,
    /// The same of the last advert of any master: it may become the stronger one.
    heard: Option<(u64, Priority, u64)>,
    /// A master said good-bye: it is to serve by then.
    owed: Option<u64>,
    /// When it woke and found its master's time long over, and nothing to read: nobody knows what it was not told.
    patient: u64,
    /// Whom it heard last as master, where it hears by two ways.
    master: Option<usize>,
    /// By way: the highest sequence number that was believed.
    sequences: [u32; WIRES],
    /// By way and sender: the last stamp that was believed, and how far the clock was off then.
    stamps: [[(u64, i64); HOSTS]; WIRES],
    /// By sender: the last stamp that a predecessor believed by any way. It may have left word of it, or died before.
    former: [u64; HOSTS],
    /// It stood still as MASTER for longer than any peer waits: it is to send nothing before.
    listens: u64,
}

const VACANT: Seat = Seat {
    state: Name::Init,
    since: 0,
    sent: 0,
    due: 0,
    stronger: None,
    heard: None,
    owed: None,
    patient: u64::MAX,
    master: None,
    sequences: [0; WIRES],
    stamps: [[(0, 0); HOSTS]; WIRES],
    former: [0; HOSTS],
    listens: 0,
};

/// The account.
pub(crate) struct Laws {
    seats: [[Seat; VRS]; HOSTS],
    /// By virtual router, sender and receiver: until when an injected fault bears on what was sent.
    disturbed: [[[u64; HOSTS]; HOSTS]; VRS],
    /// By host: an address that was stolen needs not be back before.
    stolen: [u64; HOSTS],
    /// How many masters each virtual router has.
    masters: [usize; VRS],
    /// The packet that was believed last was older than what its sender had said by another way: nobody heeds it.
    pub(crate) unheeded: bool,
    /// It was a copy of what had come by another way.
    pub(crate) echoed: bool,
    /// Those of BFD sessions.
    pub(crate) sessions: sessions::Account,
}

impl Laws {
    /// Of a cluster in which nothing has happened yet.
    pub(crate) fn new() -> Laws {
        Laws {
            seats: [[VACANT; VRS]; HOSTS],
            disturbed: [[[0; HOSTS]; HOSTS]; VRS],
            stolen: [0; HOSTS],
            masters: [0; VRS],
            unheeded: false,
            echoed: false,
            sessions: sessions::Account::default(),
        }
    }

    /// The state of a virtual router on a host, as recorded.
    pub(crate) fn state(&self, host: usize, vr: usize) -> Name {
        self.seats[host][vr].state
    }

    fn set_state(&mut self, host: usize, vr: usize, state: Name) {
        let seat = &mut self.seats[host][vr];
        let before = std::mem::replace(&mut seat.state, state);
        match (before == Name::Master, state == Name::Master) {
            (false, true) => self.masters[vr] += 1,
            (true, false) => self.masters[vr] -= 1,
            _ => {}
        }
    }

    /// An advert met a fault that bears on it until `until`.
    pub(crate) fn disturb(&mut self, vr: usize, from: usize, to: usize, until: u64) {
        let at = &mut self.disturbed[vr][from][to];
        *at = until.max(*at);
    }

    /// An address was stolen from a host.
    pub(crate) fn theft(&mut self, now: u64, host: usize) {
        self.stolen[host] = now + GUARDED;
    }

    /// A host goes on after standing still.
    pub(crate) fn resumed(&mut self, now: u64, host: usize, woken: &Host, all: &Scenario) {
        for (seat, vr) in self.seats[host].iter_mut().zip(&all.vrs) {
            // (Who stands still once more while it listens, and not for long, has listened.)
            let silent = now.saturating_sub(seat.sent.max(seat.listens));
            if seat.state == Name::Master && silent > vr.interval.micros().0 + vr.master_down {
                seat.listens = now + 1;
            }
            // (Who listened still goes on listening.)
            seat.since = now.max(seat.listens);
            seat.due = seat.due.max(now);
            seat.owed = None;
        }
        for (router, vr) in woken.node.iter().flat_map(Node::routers).zip(&woken.vrs) {
            // (An interval learned from another master is no longer than the configured ones of this cluster.)
            let of = &all.vrs[*vr];
            let longest = router.settings.advert_int.micros().0.max(of.interval.micros().0);
            let State::Backup(backup) = router.state() else { continue };
            // A BFD neighbour that turns out to be gone at that moment may lower the priority: it has to wait for longer.
            let skew = timers::skew(of.version, Priority(1), of.interval).0;
            let lowest = backup.heard.map_or(0, |heard| heard.at.0 + of.master_down).max(backup.down.0 + skew);
            let down = if woken.sessions.is_some() { lowest } else { backup.down.0 };
            if now >= down + longest && !backup.overslept {
                self.seats[host][*vr].patient = now;
            }
        }
        self.stolen[host] = self.stolen[host].max(now);
        self.sessions.resumed(now, host);
    }

    /// A host's daemon is dead.
    pub(crate) fn dead(&mut self, host: usize) {
        for vr in 0..VRS {
            self.set_state(host, vr, Name::Init);
        }
        self.sessions.dead(host);
    }

    /// A host's daemon takes another file: it never stops running for that.
    pub(crate) fn reloads(&mut self, now: u64, index: usize, host: &Host) {
        self.sessions.reloads(index, host);
        for seat in &mut self.seats[index] {
            // (Who listens goes on listening.)
            (seat.since, seat.owed) = (seat.since.max(now), None);
        }
    }

    /// A host's daemon starts, with what a predecessor may have left: the state of each virtual router, and the highest
    /// sequence number that it accepted.
    pub(crate) fn starts(&mut self, now: u64, host: usize, left: [Option<(Name, [u32; WIRES])>; VRS]) {
        for (vr, left) in left.into_iter().enumerate() {
            let left = left.filter(|(s, _)| *s != Name::Stop);
            let (state, sequences) = left.unwrap_or((Name::Init, [0; WIRES]));
            self.set_state(host, vr, state);
            let Seat { stamps, former, .. } = self.seats[host][vr];
            let believed = |from: usize| stamps.iter().map(|by| by[from].0).fold(former[from], u64::max);
            let former = if left.is_some() { std::array::from_fn(believed) } else { VACANT.former };
            let due = now + FIRST_ADVERT;
            self.seats[host][vr] = Seat { state, since: now, sent: now, due, sequences, former, ..VACANT };
        }
    }

    /// A host's daemon has started: what listened goes on listening.
    pub(crate) fn started(&mut self, now: u64, index: usize, host: &Host) {
        self.sessions.started(now, index, host);
        let Some(node) = &host.node else { return };
        for (router, vr) in node.routers().iter().zip(&host.vrs) {
            if let State::Master(Master { listening: Some(listening), .. }) = router.state() {
                let seat = &mut self.seats[index][*vr];
                (seat.due, seat.since) = (listening.until.0.max(seat.due), listening.until.0.max(seat.since));
                seat.listens = listening.until.0;
            }
        }
    }

    /// Takes in what left a host, in order.
    pub(crate) fn effect(
        &mut self,
        now: u64,
        index: usize,
        host: &Host,
        effect: &Effect,
        all: &Scenario,
    ) -> Result<(), Broken> {
        match effect {
            Effect::Packet(_, flight) => {
                let seat = &mut self.seats[index][flight.vr];
                seat.due = now + flight.interval.micros().0;
                seat.sent = now;
                let says = flight.priority != Priority::RELEASE;
                if says && now < seat.listens || router(host, flight.vr).is_some_and(Router::is_listening) {
                    return Err((Law::ListensFirst, format!("host {index} sends at once after standing still")));
                }
                Ok(())
            }
            Effect::Stalled(vr) => {
                let Some(router) = router(host, *vr) else { return Ok(()) };
                let until = now + router.settings.advert_int.micros().0;
                let seat = &mut self.seats[index][*vr];
                (seat.due, seat.since, seat.listens) = (until, until, until);
                Ok(())
            }
            Effect::Probe(peer, probe) => {
                self.sessions.sent(now, index, *peer, probe);
                Ok(())
            }
            Effect::Session(peer, turn) => self.sessions.changed(now, index, *peer, host, turn),
            Effect::Heard(probe, said) => self.sessions.heard(now, index, probe, said),
            Effect::Unheard(probe, why) => sessions::unheard(index, probe, why),
            Effect::LeaseEnded(vr) => Err((Law::Leases, format!("those of VI_{vr} on host {index} ended"))),
            Effect::Announce(vr) if router(host, *vr).is_some_and(Router::is_listening) => {
                Err((Law::ListensFirst, format!("host {index} announces VI_{vr} while it listens")))
            }
            Effect::Announce(_) => Ok(()),
            Effect::Priority(vr) => {
                let seat = &mut self.seats[index][*vr];
                (seat.since, seat.owed) = (seat.since.max(now), None);
                let own = router(host, *vr).map(Router::priority);
                seat.stronger = seat.heard.filter(|heard| Some(heard.1) > own).or(seat.stronger);
                Ok(())
            }
            Effect::Changed(vr, transition) => {
                let state = self.state(index, *vr);
                if transition.from != state || transition.why.is_empty() || transition.at.0 != now {
                    return Err((Law::Recorded, format!("{transition:?} where the record says {state}")));
                }
                // Who has stopped begins anew when it is configured again.
                self.set_state(index, *vr, if transition.to == Name::Stop { Name::Init } else { transition.to });
                let seat = &mut self.seats[index][*vr];
                (seat.since, seat.owed, seat.master) = (now, None, None);
                seat.listens = 0; // whatever it was as MASTER
                match transition.to {
                    Name::Backup => return Ok(()),
                    // No longer configured: its memory goes with it.
                    Name::Stop => {
                        (seat.sequences, seat.stamps, seat.former) = (VACANT.sequences, VACANT.stamps, VACANT.former);
                    }
                    Name::Init | Name::Master | Name::Fault => {}
                }
                if transition.to == Name::Master && seat.patient == now {
                    let text = format!("VI_{vr} on host {index} takes over at once after standing still");
                    return Err((Law::ListensFirst, text));
                }
                let stronger = seat.stronger.take();
                seat.heard = None;
                match router(host, *vr) {
                    Some(router) if transition.to == Name::Master => heard_master(now, router, stronger),
                    _ => Ok(()),
                }
            }
            Effect::Believed(flight, sequence) => self.believed(now, index, host, flight, *sequence, all),
            Effect::Rejected(flight, why) => match (flight.origin, why) {
                (Origin::Replayed | Origin::Forged, _)
                | (
                    _,
                    Reject::Ah(AhFault::Sequence { .. }) | Reject::Hmac(HmacFault::Stale { .. } | HmacFault::Replay),
                ) => {
                    // Its own number is above all that it hears, but not all that others hear: they wait for it. Or a
                    // clock is wrong.
                    if flight.origin == Origin::Honest {
                        self.disturb(flight.vr, flight.from, index, now);
                    }
                    Ok(())
                }
                (Origin::Honest, why) => Err((Law::Honest, format!("an advert of host {}: {why}", flight.from))),
            },
        }
    }

    fn believed(
        &mut self,
        now: u64,
        index: usize,
        host: &Host,
        flight: &Flight,
        sequence: Option<Sequence>,
        all: &Scenario,
    ) -> Result<(), Broken> {
        (self.unheeded, self.echoed) = (false, false);
        if flight.origin == Origin::Forged {
            return Err((Law::Attacker, format!("host {index} believes a forged packet")));
        }
        let seat = &mut self.seats[index][flight.vr];
        let way = usize::from(flight.way != Way::Own);
        // Its sender has said something else since, by the other way: it is no news, and no sign of life.
        let mut old = false;
        match sequence {
            Some(Sequence::Ah(sequence)) => {
                if sequence <= seat.sequences[way] {
                    let text = format!("host {index} believes number {sequence} after {}", seat.sequences[way]);
                    return Err((Law::Attacker, text));
                }
                seat.sequences[way] = sequence;
                self.echoed = seat.sequences[1 - way] == sequence;
                old = seat.sequences.iter().any(|other| *other > sequence);
            }
            Some(Sequence::Hmac(Stamp(stamp))) => {
                // (A clock that was set may let old ones pass: that is not promised.)
                let (last, wall) = seat.stamps[way][flight.from];
                if stamp <= last && wall == host.wall {
                    let text = format!("host {index} believes stamp {stamp:x} after {last:x}");
                    return Err((Law::Attacker, text));
                }
                seat.stamps[way][flight.from] = (stamp, host.wall);
                self.echoed = seat.stamps[1 - way][flight.from].0 == stamp;
                let by_ways = seat.stamps.iter().map(|by| by[flight.from].0);
                old = by_ways.chain([seat.former[flight.from]]).any(|other| other > stamp);
            }
            None => {}
        }
        // What it was sent meanwhile was kept for it, and it acts on that.
        seat.patient = u64::MAX;
        if old {
            self.unheeded = true;
            // (Whether the other one still counts when a clock was set meanwhile is not looked at: nothing is expected then.)
            if matches!(sequence, Some(Sequence::Hmac(_))) {
                (seat.owed, seat.stronger, seat.heard, seat.master) = (None, None, None, None);
            }
            self.disturb(flight.vr, flight.from, index, now);
            return Ok(());
        }
        let Some(router) = router(host, flight.vr) else { return Ok(()) };
        let vr = &all.vrs[flight.vr];
        let backup = seat.state == Name::Backup;
        if flight.priority == Priority::RELEASE {
            let several = !router.settings.heartbeat_paths.is_empty();
            // By two ways it may come when another one serves already, and it comes twice.
            if several && seat.master.is_some_and(|master| master != flight.from) {
                return Ok(());
            }
            let known = !several || seat.master.take() == Some(flight.from);
            (seat.stronger, seat.heard) = (None, None);
            if backup && !vr.grouped && known {
                seat.owed = Some(now + timers::skew(vr.version, router.priority(), vr.interval).0 + 1);
            }
            return Ok(());
        }
        seat.owed = None;
        seat.master = Some(flight.from);
        let never = router.settings.preempt == Preempt::Never;
        // (Of a master that was too weak to be listened to the interval was not learned.)
        let interval = flight.interval.micros().0.min(router.settings.advert_int.micros().0);
        seat.heard = backup.then_some((now, flight.priority, interval));
        // (A master does not give way to its equal with a lower address, and takes nothing over from it later.)
        let equal = flight.priority == router.priority() && (backup || flight.from > index);
        if flight.priority > router.priority() || equal || (never && backup) {
            let interval = match vr.version {
                Version::V2 => router.settings.advert_int,
                Version::V3 => flight.interval,
            };
            seat.stronger = Some((now, flight.priority, interval.micros().0));
        } else {
            seat.stronger = None;
        }
        Ok(())
    }

    /// Whether what a master sends now is its first word after it stood still for long.
    pub(crate) fn first_word(&self, index: usize, vr: usize) -> bool {
        let seat = &self.seats[index][vr];
        seat.state == Name::Master && seat.listens > seat.sent
    }

    /// A host has said its first word after it stood still, and read this afterwards, in the same turn.
    pub(crate) fn deaf_word(&self, vr: usize, index: usize, later: &[Effect]) -> Result<(), Broken> {
        let waited = later.iter().any(|effect| match effect {
            Effect::Believed(flight, _) => flight.vr == vr && flight.from != index,
            _ => false,
        });
        if waited {
            return Err((Law::ListensFirst, format!("VI_{vr} on host {index} sends with adverts unread")));
        }
        Ok(())
    }

    /// Someone has become master and read this afterwards, in the same turn.
    pub(crate) fn unread(&self, vr: usize, index: usize, host: &Host, later: &[Effect]) -> Result<(), Broken> {
        let Some(router) = router(host, vr) else { return Ok(()) };
        let waited = later.iter().any(|effect| match effect {
            Effect::Believed(flight, _) => flight.vr == vr && flight.priority >= router.priority(),
            _ => false,
        });
        if waited {
            let text = format!("VI_{vr} on host {index} takes over with the master's adverts unread");
            return Err((Law::HeardMaster, text));
        }
        Ok(())
    }

    /// After a turn of a host.
    pub(crate) fn turn(&self, now: u64, index: usize, host: &Host) -> Result<(), Broken> {
        let Some(node) = &host.node else { return Ok(()) };
        self.sessions.turn(now, index, host)?;
        for (i, (router, vr)) in node.routers().iter().zip(&host.vrs).enumerate() {
            let seat = &self.seats[index][*vr];
            let state = router.state().name();
            if state != seat.state {
                return Err((
                    Law::Recorded,
                    format!("VI_{vr} on host {index} is {state}, the record says {}", seat.state),
                ));
            }
            let master = state == Name::Master;
            let settings = &router.settings;
            let count = if master { settings.addresses.len() + settings.excluded.len() } else { 0 };
            let few = router.is_listening() && host.held[*vr].len() <= count;
            if host.held[*vr].len() != count && !few && now >= self.stolen[index] {
                let held = host.held[*vr].len();
                return Err((Law::Addresses, format!("VI_{vr} on host {index} is {state} and holds {held} of them")));
            }
            if master && now > seat.due {
                let late = now - seat.due;
                return Err((Law::Schedule, format!("VI_{vr} on host {index} is {late} us late with its advert")));
            }
            if seat.owed.is_some_and(|by| now > by) {
                return Err((Law::HandOver, format!("VI_{vr} on host {index} has heard the good-bye and is {state}")));
            }
            let group = node.group_of(i);
            if let Some(group) = group
                && state != Name::Init
                && state != Name::Stop
                && group.state() != state
            {
                return Err((Law::Group, format!("VI_{vr} on host {index} is {state}, its group {}", group.state())));
            }
        }
        let in_group = |vr: &&usize| host.config.groups.iter().any(|g| g.members.contains(&format!("VI_{vr}")));
        if !host.config.groups.is_empty() {
            let mut states = host.vrs.iter().filter(in_group).map(|vr| self.state(index, *vr));
            let first = states.next();
            if states.any(|state| Some(state) != first) {
                return Err((Law::Group, format!("the members on host {index} differ")));
            }
        }
        Ok(())
    }

    /// Whether two masters last too long. To be asked after every turn.
    pub(crate) fn two_masters(&self, now: u64, hosts: &[Host], all: &Scenario) -> Result<(), Broken> {
        for vr in (0..all.vrs.len()).filter(|vr| self.masters[*vr] > 1) {
            let serves = |host: &usize| self.state(*host, vr) == Name::Master && hosts[*host].pulse == Pulse::Running;
            let masters: Vec<usize> = (0..hosts.len()).filter(serves).collect();
            for (n, one) in masters.iter().enumerate() {
                for other in &masters[n + 1..] {
                    self.pair(now, vr, (*one, *other), hosts, all)?;
                }
            }
        }
        Ok(())
    }

    fn pair(&self, now: u64, vr: usize, pair: (usize, usize), hosts: &[Host], all: &Scenario) -> Result<(), Broken> {
        let rank = |host: usize| {
            Some((router(&hosts[host], vr)?.priority(), address(all.vrs[vr].family, all.vrs[vr].wire, host)))
        };
        let (winner, loser) = if rank(pair.0) > rank(pair.1) { pair } else { (pair.1, pair.0) };
        let Some(router) = router(&hosts[winner], vr) else { return Ok(()) };
        let clear = self.disturbed[vr][winner][loser];
        let since = clear.max(self.seats[winner][vr].since).max(self.seats[loser][vr].since);
        if now > since + router.settings.advert_int.micros().0.max(FIRST_ADVERT) + LONGEST_WAY {
            let lasting = now - since;
            let text = format!("VI_{vr} on host {winner} and host {loser}, which hears it, for {lasting} us");
            return Err((Law::TwoMasters, text));
        }
        Ok(())
    }

    /// A role that was away for so long has started again with a snapshot that said MASTER of `masters`.
    pub(crate) fn listens_first(&self, index: usize, host: &Host, away: u64, masters: &[usize]) -> Result<(), Broken> {
        for vr in masters {
            let Some(router) = router(host, *vr) else { continue };
            let silent = away + router.settings.advert_int.micros().0;
            if silent > router.master_down().0 && self.state(index, *vr) == Name::Master {
                return Err((Law::ListensFirst, format!("VI_{vr} on host {index} serves at once after {away} us")));
            }
        }
        Ok(())
    }

    /// The faults are long enough over: who is master of a virtual router, which is to be the right one.
    pub(crate) fn calm(&self, vr: usize, hosts: &[Host], down: &Down) -> Result<Option<usize>, Broken> {
        let able: Vec<usize> = (0..hosts.len()).filter(|host| able(hosts, *host, vr, down)).collect();
        for host in &able {
            let state = self.state(*host, vr);
            if !matches!(state, Name::Backup | Name::Master) {
                return Err((Law::Stuck, format!("VI_{vr} on host {host} is {state}")));
            }
        }
        let masters: Vec<usize> = (0..hosts.len()).filter(|host| self.state(*host, vr) == Name::Master).collect();
        let [master] = masters.as_slice() else {
            if masters.is_empty() && able.is_empty() {
                return Ok(None);
            }
            return Err((Law::OneMaster, format!("VI_{vr} has the masters {masters:?}; able are {able:?}")));
        };
        let rank = |host: usize| router(&hosts[host], vr).map(Router::priority);
        let claims = |host: &&usize| {
            let preempts = router(&hosts[**host], vr).is_some_and(|r| r.settings.preempt != Preempt::Never);
            preempts && rank(**host) > rank(*master)
        };
        if let Some(better) = able.iter().find(claims) {
            return Err((Law::RightMaster, format!("VI_{vr}: host {master} serves, host {better} is better")));
        }
        Ok(Some(*master))
    }

    /// Whether clients send to the master.
    pub(crate) fn neighbours(&self, vr: usize, master: Option<usize>, wires: &Wires) -> Result<(), Broken> {
        let neighbour = &wires.neighbours[vr];
        let aware = |master: &usize| !neighbour.unaware[*master] && neighbour.beside[*master].is_none();
        let Some(master) = master.filter(aware) else { return Ok(()) };
        if neighbour.host != Some(master) {
            let host = neighbour.host;
            return Err((Law::Neighbours, format!("VI_{vr}: host {master} serves, clients send to {host:?}")));
        }
        Ok(())
    }
}

/// What is wrong on the hosts, as the simulator knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Down {
    /// By host: an interface, by wire.
    pub(crate) links: [[bool; WIRES]; HOSTS],
    /// By host: the tracked script.
    pub(crate) script: [bool; HOSTS],
}

/// Whether a virtual router can serve on a host: by what the simulator did to it, not by what its node says.
fn able(hosts: &[Host], index: usize, vr: usize, down: &Down) -> bool {
    let host = &hosts[index];
    let good = |what: &Tracked| match what {
        Tracked::Bfd(name) => sessions::works(hosts, index, name, down),
        _ => !down.script[index], // nothing else is tracked without a weight
    };
    let fit = |settings: &Instance| {
        let own = settings.binding.interface().unwrap_or_else(|| panic!("{} is on no wire", settings.name));
        let wire = usize::from(own.as_bytes()[3] - b'0');
        let tracked = settings.tracks.iter().all(|track| match track.bearing {
            Bearing::Fault { reverse } => good(&track.what) != reverse,
            Bearing::Weight { .. } => true,
        });
        !down.links[index][wire] && !host.deaf[number(settings)] && tracked
    };
    let config = &host.config;
    let Some(own) = config.instances.iter().find(|i| number(i) == vr) else { return false };
    let group = config.groups.iter().find(|g| g.members.contains(&own.name));
    let siblings = config.instances.iter().filter(|i| group.is_some_and(|g| g.members.contains(&i.name)));
    host.pulse == Pulse::Running && fit(own) && siblings.into_iter().all(fit)
}

/// The router that serves a virtual router on a host.
fn router(host: &Host, vr: usize) -> Option<&Router> {
    let i = host.vrs.iter().position(|known| *known == vr)?;
    host.node.as_ref()?.routers().get(i)
}

fn heard_master(now: u64, router: &Router, stronger: Option<(u64, Priority, u64)>) -> Result<(), Broken> {
    let Some((at, priority, interval)) = stronger else { return Ok(()) };
    let never = router.settings.preempt == Preempt::Never;
    let settings = &router.settings;
    let patience = u64::from(settings.down_timer_adverts) * interval;
    let owner = router.priority() == Priority::OWNER;
    if now - at < patience && (priority >= router.priority() || never) && !owner {
        let ago = now - at;
        let text = format!("{} takes over from priority {priority}, which it heard {ago} us ago", settings.name);
        return Err((Law::HeardMaster, text));
    }
    Ok(())
}
