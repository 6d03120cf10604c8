//! What must hold of BFD sessions, from an account of what they sent and believed (RFC 5880, 6.8).

use super::{Broken, Down, Law};
use crate::host::{Effect, Host, Origin, Pulse};
use crate::scenario::HOSTS;
use crate::sessions::{Probe, number, peer};
use vipd_bfd::node::Reject;
use vipd_bfd::packet::{Control, Exchange, StateName};
use vipd_bfd::session::{State, Transition};
use vipd_vrrp::settings::Tracked;
use vipd_vrrp::track::Known;

/// The last packet that was believed.
#[derive(Clone, Copy, Debug)]
struct Said {
    at: u64,
    state: StateName,
    multiplier: u64,
    desired: u64,
    required: u64,
}

/// What is known of one end of a session.
#[derive(Clone, Copy, Debug)]
struct Seat {
    /// The state that the recorded transitions lead to.
    state: StateName,
    heard: Option<Said>,
    /// The shortest and the longest `min_rx` that may be in force: a poll sequence may be under way.
    rx: (u64, u64),
    /// When the last packet of the schedule left, and how far apart they are by what it says.
    sent: u64,
    desired: u64,
    /// Not before this is the next one missed.
    excused: u64,
}

const VACANT: Seat =
    Seat { state: StateName::Down, heard: None, rx: (0, 0), sent: 0, desired: u64::MAX, excused: u64::MAX };

impl Seat {
    /// When the neighbour counts as gone: at the soonest and at the latest.
    fn gone(&self) -> Option<(u64, u64)> {
        let said = self.heard?;
        let at = |rx: u64| said.at + said.multiplier * rx.max(said.desired);
        Some((at(self.rx.0), at(self.rx.1)))
    }

    /// When the next packet is due at the latest, while Up.
    fn due(&self) -> u64 {
        let required = self.heard.map_or(0, |said| said.required);
        self.sent.saturating_add(self.desired.max(required)).max(self.excused)
    }
}

/// The account, by host and neighbour.
pub(crate) struct Account {
    seats: [[Seat; HOSTS]; HOSTS],
}

impl Default for Account {
    fn default() -> Account {
        Account { seats: [[VACANT; HOSTS]; HOSTS] }
    }
}

impl Account {
    /// A host's daemon is dead.
    pub(crate) fn dead(&mut self, index: usize) {
        self.seats[index] = [VACANT; HOSTS];
    }

    /// A host's daemon has started: a session that goes on from a snapshot has a detection time to be heard in.
    pub(crate) fn started(&mut self, now: u64, index: usize, host: &Host) {
        for session in host.sessions.iter().flat_map(|s| s.all()) {
            let seat = &mut self.seats[index][peer(&session.settings)];
            *seat = Seat { state: session.state().name(), excused: now, ..VACANT };
            seat.heard = session.state().peer().map(|peer| Said {
                at: now,
                state: peer.state,
                multiplier: peer.multiplier.get().into(),
                desired: peer.desired_min_tx.0,
                required: peer.required_min_rx.0,
            });
            seat.rx = (session.settings.min_rx.0, session.settings.min_rx.0);
            if let State::Up { agreed, .. } = session.state() {
                seat.rx = (seat.rx.0.min(agreed.rx.0), seat.rx.1.max(agreed.rx.0));
            }
        }
    }

    /// A host's daemon takes another file.
    pub(crate) fn reloads(&mut self, index: usize, host: &Host) {
        for settings in host.sessions.iter().flat_map(|s| &s.config) {
            let seat = &mut self.seats[index][peer(settings)];
            let rx = settings.min_rx.0;
            seat.rx = match seat.state {
                StateName::Up => (seat.rx.0.min(rx), seat.rx.1.max(rx)),
                StateName::AdminDown | StateName::Down | StateName::Init => (rx, rx),
            };
        }
    }

    /// A host goes on after standing still.
    pub(crate) fn resumed(&mut self, now: u64, index: usize) {
        self.seats[index].iter_mut().for_each(|seat| seat.excused = now);
    }

    /// A host sends.
    pub(crate) fn sent(&mut self, now: u64, index: usize, peer: usize, probe: &Probe) {
        let seat = &mut self.seats[index][peer];
        if let Ok(said) = Control::parse(&probe.bytes)
            && said.exchange != Exchange::Final
        {
            (seat.sent, seat.desired) = (now, said.desired_min_tx.0);
        }
    }

    /// A host believes a packet.
    pub(crate) fn heard(&mut self, now: u64, index: usize, probe: &Probe, said: &Control) -> Result<(), Broken> {
        if probe.origin == Origin::Forged {
            let text = format!("host {index} believes a forged BFD packet, of host {} as it says", probe.from);
            return Err((Law::Attacker, text));
        }
        self.seats[index][probe.from].heard = Some(Said {
            at: now,
            state: said.state,
            multiplier: said.multiplier.get().into(),
            desired: said.desired_min_tx.0,
            required: said.required_min_rx.0,
        });
        Ok(())
    }

    /// The state of a session changed.
    pub(crate) fn changed(
        &mut self,
        now: u64,
        index: usize,
        peer: usize,
        host: &Host,
        turn: &Transition,
    ) -> Result<(), Broken> {
        let seat = &mut self.seats[index][peer];
        if turn.from != seat.state || turn.why.is_empty() || turn.at.0 != now {
            return Err((Law::Recorded, format!("{turn:?} where the record says {}", seat.state)));
        }
        let said = seat.heard.filter(|said| said.at == now).map(|said| said.state);
        let stopped = host.sessions.as_ref().is_some_and(|s| s.stopped);
        use StateName::{AdminDown, Down, Init, Up};
        let caused = match (turn.from, said, turn.to) {
            (_, _, AdminDown) => stopped,
            (Down, Some(Down), Init) | (Down, Some(Init), Up) | (Init, Some(Init | Up), Up) => true,
            (Init, Some(AdminDown), Down) | (Up, Some(AdminDown | Down), Down) => true,
            // By silence, or against what is said.
            (Init | Up, _, Down) => {
                if let Some((soonest, _)) = seat.gone().filter(|(soonest, _)| now < *soonest) {
                    let early = soonest - now;
                    let text = format!("host {index} takes host {peer} for gone {early} us too early");
                    return Err((Law::Detection, text));
                }
                seat.heard.is_some()
            }
            _ => false,
        };
        if !caused {
            return Err((Law::Caused, format!("host {index}: {turn:?}, the neighbour said {said:?}")));
        }
        if turn.to == Up
            && let Some(settings) = host.sessions.iter().flat_map(|s| &s.config).find(|s| self::peer(s) == peer)
        {
            seat.rx = (settings.min_rx.0, settings.min_rx.0);
            (seat.sent, seat.desired, seat.excused) = (now, settings.min_tx.0, now);
        }
        seat.state = turn.to;
        Ok(())
    }

    /// A session went down, and read this afterwards, in the same turn.
    pub(crate) fn unread(&self, now: u64, index: usize, peer: usize, later: &[Effect]) -> Result<(), Broken> {
        let waited = later.iter().any(|effect| match effect {
            Effect::Heard(probe, _) => probe.from == peer,
            _ => false,
        });
        let told = self.seats[index][peer].heard.is_some_and(|said| said.at == now);
        if waited && !told {
            let text = format!("host {index} takes host {peer} for gone with its packets unread");
            return Err((Law::Detection, text));
        }
        Ok(())
    }

    /// After a turn of a host.
    pub(crate) fn turn(&self, now: u64, index: usize, host: &Host) -> Result<(), Broken> {
        let Some(sessions) = &host.sessions else { return Ok(()) };
        for session in sessions.all() {
            let peer = peer(&session.settings);
            let seat = &self.seats[index][peer];
            let state = session.state().name();
            if state != seat.state {
                let text = format!("host {index}: session with {peer} is {state}, the record says {}", seat.state);
                return Err((Law::Recorded, text));
            }
            if state != StateName::Up {
                continue;
            }
            let latest = seat.gone().map_or(0, |(_, latest)| latest);
            if now > latest {
                let text = format!("host {index}: session with {peer} is Up {} us too long", now - latest);
                return Err((Law::Detection, text));
            }
            if now > seat.due() {
                let late = now - seat.due();
                return Err((Law::Schedule, format!("host {index} is {late} us late with BFD for host {peer}")));
            }
        }
        self.followed(index, host)
    }

    fn followed(&self, index: usize, host: &Host) -> Result<(), Broken> {
        for (i, vr) in host.vrs.iter().enumerate() {
            for (track, known, _) in host.node.iter().flat_map(|node| node.tracks(i)) {
                let Tracked::Bfd(name) = &track.what else { continue };
                let up = number(name).is_some_and(|peer| self.seats[index][peer].state == StateName::Up);
                if known != Some(Known::of(up)) {
                    let text = format!("VI_{vr} on host {index} takes session {name} to be {known:?}");
                    return Err((Law::Followed, text));
                }
            }
        }
        Ok(())
    }

    /// The faults are long enough over: who is Up.
    pub(crate) fn up(&self, hosts: &[Host], down: &Down) -> Result<(), Broken> {
        for (index, host) in hosts.iter().enumerate() {
            for settings in host.sessions.iter().flat_map(|s| &s.config) {
                let state = self.seats[index][peer(settings)].state;
                if (state == StateName::Up) != works(hosts, index, &settings.name, down) {
                    let text = format!("host {index}: session {} is {state}", settings.name);
                    return Err((Law::SessionsUp, text));
                }
            }
        }
        Ok(())
    }
}

/// Whether the session of that name works: by what the simulator did to the two hosts, not by what their nodes say.
pub(super) fn works(hosts: &[Host], index: usize, name: &str, down: &Down) -> bool {
    let runs = |host: usize| {
        let wire = hosts[host].sessions.as_ref().map(|s| s.wire);
        hosts[host].pulse == Pulse::Running && wire.is_some_and(|wire| !down.links[host][wire])
    };
    number(name).is_some_and(|peer| runs(index) && runs(peer))
}

/// A packet was not believed.
pub(super) fn unheard(index: usize, probe: &Probe, why: &Reject) -> Result<(), Broken> {
    match (probe.origin, why) {
        (Origin::Forged | Origin::Replayed, _) => Ok(()),
        // Its sender has not heard yet that this session has begun anew, or has been given up.
        (Origin::Honest, Reject::UnknownDiscriminator(_) | Reject::AdminDown) => Ok(()),
        (Origin::Honest, why) => Err((Law::Honest, format!("host {index}: BFD of host {}: {why}", probe.from))),
    }
}
