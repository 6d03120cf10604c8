//! The world of one seed: its clock, its queue of events, its hosts and wires. One run is storms of faults with calms
//! between them, until the simulated time is over or a law is broken.

use crate::host::{Effect, Flight, Host, Pulse};
use crate::laws::{Broken, Down, Law, Laws};
use crate::mutation::Mutation;
use crate::scenario::{self, HOSTS, Scenario, VRS, host_at};
use crate::sessions::{self, Probe, Sessions};
use crate::storm::{Ending, Weapon};
use crate::tally::Tally;
use crate::wire::{CLIENT, Fate, LONGEST_WAY, Punctual, Wires};
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use vipd_bfd::packet::StateName;
use vipd_vrrp::node::Settings;
use vipd_vrrp::router::{Carried, Name};
use vipd_vrrp::track::Link;
use vipd_vrrp::units::{Instant, Priority};

/// How long a seed is simulated, in microseconds.
pub const SPAN: u64 = 3_600_000_000;

/// Packets that wait for a host that stands still.
const INBOX: usize = 512;

/// What the attacker remembers.
const RECORDED: usize = 64;

/// The time between the two blocks of announcements after another master's advert, and a little more.
const BLOCK: u64 = 5_100_000;

/// Events at one moment; more of them are an endless loop.
const AT_ONCE: u32 = 10_000;

/// A law that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// When, in microseconds.
    pub at: u64,
    /// What was broken.
    pub law: Law,
    /// How.
    pub text: String,
    /// What had been simulated until then.
    pub tally: Tally,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at as f64 / 1e6;
        write!(f, "seed {}, {at:.6} s: {:?} ({}): {}", self.seed, self.law, self.law, self.text)
    }
}

/// What is to happen.
pub(crate) enum What {
    /// A packet reaches a host.
    Arrive { to: usize, flight: Flight },
    /// A BFD packet reaches a host.
    Probe { to: usize, probe: Probe },
    /// An announcement reaches the client.
    Client { vr: usize, host: usize, punctual: Punctual },
    /// The next fault, of the storm with this number.
    Strike(u32),
    /// A fault ends, of the storm with this number.
    End(Ending, u32),
    /// The tracked script of a host ends; the number of its series.
    Script { host: usize, series: u32 },
    /// The kernel tells a host that an address is gone.
    News { host: usize, vr: usize },
    /// An attacker's packet, of the storm with this number.
    Attack { weapon: Weapon, vr: usize, left: u32, gap: u64, epoch: u32 },
}

struct Event {
    at: u64,
    /// Events of one moment happen in the order in which they were queued.
    n: u64,
    what: What,
}

impl Ord for Event {
    fn cmp(&self, other: &Event) -> std::cmp::Ordering {
        (self.at, self.n).cmp(&(other.at, other.n))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Event) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        self.n == other.n
    }
}

impl Eq for Event {}

/// Whether a virtual router has no sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deaf {
    /// It has none.
    Yes,
    /// It has them.
    No,
}

/// Runs of the tracked script of a host.
#[derive(Clone, Copy, Debug, Default)]
struct Series {
    /// Its number, so that an older one stops.
    n: u32,
    /// Results to come.
    left: u32,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) scenario: Scenario,
    pub(crate) hosts: Vec<Host>,
    pub(crate) wires: Wires,
    pub(crate) laws: Laws,
    pub(crate) down: Down,
    pub(crate) tally: Tally,
    /// The number of the storm.
    pub(crate) epoch: u32,
    /// What an attacker has recorded: where it was sent (`None`: to everybody), and what.
    pub(crate) heard: VecDeque<(Option<usize>, Flight)>,
    /// When the supervisor of a host last heard of its role.
    pub(crate) seen: [u64; HOSTS],
    /// When each virtual router of a host last heard another master while it was MASTER itself.
    answered: [[u64; VRS]; HOSTS],
    queue: BinaryHeap<Reverse<Event>>,
    queued: u64,
    series: [Series; HOSTS],
    /// The last packet that is still on its way arrives then.
    last_arrival: u64,
    /// The first law that was broken.
    broken: Option<Broken>,
    /// The last lines of the timeline, where one is kept.
    timeline: Option<VecDeque<String>>,
    lines: usize,
}

/// Simulates a seed for `SPAN`, with the code under test broken where `mutation` says so.
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<Tally, Box<Violation>> {
    let mut world = World::new(seed, mutation);
    let outcome = world.live();
    world.tally.micros = world.now;
    match outcome {
        Ok(()) => Ok(world.tally),
        Err((law, text)) => Err(Box::new(Violation { seed, at: world.now, law, text, tally: world.tally })),
    }
}

/// The last `lines` lines of what happens in a seed.
pub fn timeline(seed: u64, mutation: Option<Mutation>, lines: usize) -> Vec<String> {
    let mut world = World::new(seed, mutation);
    world.timeline = Some(VecDeque::new());
    world.lines = lines;
    let outcome = world.live();
    let mut told: Vec<String> = world.timeline.take().unwrap_or_default().into();
    told.insert(0, describe(&world.scenario));
    if let Err((law, text)) = outcome {
        told.push(format!("{:>13.6}  {law:?} ({law}): {text}", world.now as f64 / 1e6));
    }
    told
}

fn describe(scenario: &Scenario) -> String {
    let mut text = format!("{} hosts, {} wires", scenario.hosts.len(), scenario.wires);
    for (vr, router) in scenario.vrs.iter().enumerate() {
        let priorities: Vec<String> = scenario.hosts.iter().map(|s| s.instances[vr].priority.to_string()).collect();
        let one = &scenario.hosts[0].instances[vr];
        let path = router.path.map(|wire| format!(", heard on wire {wire}, too")).unwrap_or_default();
        let group = if router.grouped { ", in the group" } else { "" };
        text += &format!(
            "\n  VI_{vr}: {:?}, {:?}, {:?}, interval {}, {} adverts, {:?}, priorities {}{group}{path}",
            one.family,
            one.version,
            one.auth,
            router.interval,
            one.down_timer_adverts,
            one.preempt,
            priorities.join(" "),
        );
    }
    if let Some(mesh) = &scenario.mesh {
        text += &format!("\n  BFD on wire {}, tracked as {:?}:", mesh.wire, scenario.hosts[0].instances[0].tracks);
        for (host, session) in mesh.files.iter().enumerate().flat_map(|(i, f)| f.iter().map(move |s| (i, s))) {
            let (tx, rx, idle, times) = (session.min_tx, session.min_rx, session.idle_tx, session.multiplier);
            let role = session.role;
            text += &format!("\n    {host} {}: tx {tx}, rx {rx}, idle {idle}, {times} times, {role:?}", session.name);
        }
    }
    text
}

impl World {
    fn new(seed: u64, mutation: Option<Mutation>) -> World {
        let mut rng = Rng::with_seed(seed);
        let scenario = Scenario::draw(&mut rng);
        let host = |(i, settings): (usize, &Settings)| {
            let sessions = scenario.mesh.as_ref().map(|mesh| Sessions::new(i, mesh, rng.u64(..), mutation));
            Host::new(i, settings.clone(), sessions, scenario.wires, mutation)
        };
        World {
            hosts: scenario.hosts.iter().enumerate().map(host).collect(),
            now: 0,
            rng,
            scenario,
            wires: Wires::default(),
            laws: Laws::new(),
            down: Down::default(),
            tally: Tally::default(),
            epoch: 0,
            heard: VecDeque::new(),
            seen: [0; HOSTS],
            answered: [[0; VRS]; HOSTS],
            queue: BinaryHeap::new(),
            queued: 0,
            series: Default::default(),
            last_arrival: 0,
            broken: None,
            timeline: None,
            lines: 0,
        }
    }

    /// Writes a line of the timeline, where one is kept.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let Some(timeline) = &mut self.timeline else { return };
        if timeline.len() == self.lines {
            timeline.pop_front();
        }
        timeline.push_back(format!("{:>13.6}  {}", self.now as f64 / 1e6, line()));
    }

    /// Something is to happen so many microseconds from now.
    pub(crate) fn later(&mut self, after: u64, what: What) {
        let at = self.now + after;
        if matches!(what, What::Arrive { .. } | What::Probe { .. } | What::Client { .. }) {
            self.last_arrival = at.max(self.last_arrival);
        }
        self.queued += 1;
        self.queue.push(Reverse(Event { at, n: self.queued, what }));
    }

    /// A fault of this storm ends so many microseconds from now.
    pub(crate) fn ends(&mut self, after: u64, ending: Ending) {
        self.later(after, What::End(ending, self.epoch));
    }

    fn live(&mut self) -> Result<(), Broken> {
        for host in 0..self.hosts.len() {
            // Not all at once.
            let after = self.rng.u64(..3_000_000);
            self.later(after, What::End(Ending::Start(host), 0));
        }
        while self.now < SPAN {
            let storm = self.rng.u64(20..400) * 1_000_000;
            self.later(0, What::Strike(self.epoch));
            self.run_until(self.now + storm)?;
            self.heal();
            self.check()?;
            self.calm_down()?;
        }
        Ok(())
    }

    /// The faults are over: waits until what they left behind has had its time, and looks.
    fn calm_down(&mut self) -> Result<(), Broken> {
        let script = self.scenario.hosts[0].scripts.first();
        let results = script.map_or(0, |s| u64::from(s.rise + s.fall) + 1);
        let window = self.scenario.vrs.iter().map(|vr| vr.window).max().unwrap_or(0);
        let settled = sessions::settled(&self.hosts);
        let arrived = self.last_arrival.max(self.now);
        let quiet = arrived + (results * self.scenario.script_every).max(window).max(settled);
        if settled > 0 {
            self.run_until(arrived + settled)?;
            self.laws.sessions.up(&self.hosts, &self.down)?;
        }
        let patience = |vr: usize| {
            let own = &self.scenario.vrs[vr];
            // A group is as slow as its slowest member.
            let members = || self.scenario.vrs.iter().filter(|one| own.grouped && one.grouped).chain([own]);
            let longest = members().map(|vr| vr.master_down).max().unwrap_or(0);
            let delay = members().map(|vr| vr.delay).max().unwrap_or(0);
            (quiet + 2 * longest + delay, vr)
        };
        let mut dates: Vec<(u64, usize)> = (0..self.scenario.vrs.len()).map(patience).collect();
        dates.sort_unstable();
        for (at, vr) in dates {
            self.run_until(at + 4 * LONGEST_WAY)?;
            self.note(|| format!("VI_{vr} is to be calm now"));
            let master = self.laws.calm(vr, &self.hosts, &self.down)?;
            // What follows another master's advert is announced at once, or with the block that is due already.
            if master.is_some_and(|master| self.now > self.answered[master][vr] + BLOCK) {
                self.laws.neighbours(vr, master, &self.wires)?;
            }
        }
        let changes = self.tally.changes + self.tally.sessions;
        let longest = self.scenario.vrs.iter().map(|vr| vr.master_down).max().unwrap_or(0);
        self.run_until(self.now + (2 * longest).max(BLOCK))?;
        let more = self.tally.changes + self.tally.sessions - changes;
        if more > 0 {
            return Err((Law::Lasting, format!("{more} changes of state after the calm")));
        }
        for vr in 0..self.scenario.vrs.len() {
            let master = self.laws.calm(vr, &self.hosts, &self.down)?;
            self.laws.neighbours(vr, master, &self.wires)?;
            self.tally.strays += u64::from(self.wires.neighbours[vr].host != master && master.is_some());
        }
        self.laws.sessions.up(&self.hosts, &self.down)?;
        self.tally.calms += 1;
        Ok(())
    }

    fn run_until(&mut self, end: u64) -> Result<(), Broken> {
        let mut at_once = 0;
        loop {
            let running = self.hosts.iter().enumerate().filter(|(_, h)| h.pulse == Pulse::Running);
            let (wake, host) = running.map(|(i, h)| (h.wake, i)).min().unwrap_or((u64::MAX, 0));
            let event = self.queue.peek().map_or(u64::MAX, |Reverse(e)| e.at);
            let next = wake.min(event);
            if next > end {
                self.now = end;
                return Ok(());
            }
            at_once = if next > self.now { 0 } else { at_once + 1 };
            if at_once > AT_ONCE {
                return Err((Law::BusyLoop, format!("host {host} has always something to do")));
            }
            self.now = next.max(self.now);
            self.tally.events += 1;
            if event <= wake {
                if let Some(Reverse(event)) = self.queue.pop() {
                    self.happen(event.what);
                }
            } else {
                self.hosts[host].turn(self.now);
                self.after(host);
            }
            self.check()?;
        }
    }

    /// Whether a law was broken.
    fn check(&mut self) -> Result<(), Broken> {
        match self.broken.take() {
            Some(broken) => Err(broken),
            None => self.laws.two_masters(self.now, &self.hosts, &self.scenario),
        }
    }

    fn breaks(&mut self, outcome: Result<(), Broken>) {
        if let Err(broken) = outcome {
            self.broken.get_or_insert(broken);
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Arrive { to, flight } => self.arrive(to, flight),
            What::Probe { to, probe } => self.arrive_probe(to, probe),
            What::Client { vr, host, punctual } => {
                self.note(|| format!("the client learns that VI_{vr} is at host {host}"));
                let masters = std::array::from_fn(|host| self.laws.state(host, vr) == Name::Master);
                self.wires.announced(vr, host, punctual, masters);
            }
            What::Strike(epoch) if epoch == self.epoch => self.strike(),
            What::End(ending, epoch) if epoch == self.epoch => self.end(ending),
            What::Strike(_) | What::End(..) => {}
            What::Script { host, series } => self.script_ends(host, series),
            What::News { host, vr } => {
                if self.hosts[host].pulse == Pulse::Running {
                    self.hosts[host].hear_of_theft(self.now, vr);
                    self.after(host);
                }
            }
            What::Attack { weapon, vr, left, gap, epoch } if epoch == self.epoch => {
                self.attack_once(weapon, vr);
                if left > 1 {
                    self.later(gap, What::Attack { weapon, vr, left: left - 1, gap, epoch });
                }
            }
            What::Attack { .. } => {}
        }
    }

    fn arrive(&mut self, to: usize, flight: Flight) {
        let wire = self.scenario.vrs[flight.vr].wire_of(flight.way);
        let host = &mut self.hosts[to];
        let lost = host.pulse == Pulse::Dead || host.paused || !host.listens_by(flight.vr, flight.way);
        if self.down.links[to][wire] || host.deaf[flight.vr] || lost {
            self.laws.disturb(flight.vr, flight.from, to, self.now);
            return;
        }
        if host.inbox.len() < INBOX {
            host.inbox.push_back(flight);
        }
        if host.pulse == Pulse::Running {
            self.tally.read += 1;
            host.turn(self.now);
            self.after(to);
        }
    }

    fn arrive_probe(&mut self, to: usize, probe: Probe) {
        let host = &mut self.hosts[to];
        let lost = host.pulse == Pulse::Dead || host.paused;
        let Some(sessions) = host.sessions.as_mut().filter(|s| !lost && !self.down.links[to][s.wire]) else { return };
        sessions.arrive(probe);
        if host.pulse == Pulse::Running {
            self.tally.read += 1;
            host.turn(self.now);
            self.after(to);
        }
    }

    /// What a host has done is carried out and judged.
    pub(crate) fn after(&mut self, host: usize) {
        self.flush(host);
        self.hosts[host].rest(self.now);
        let outcome = self.laws.turn(self.now, host, &self.hosts[host]);
        self.breaks(outcome);
    }

    /// Carries out what left a host.
    pub(crate) fn flush(&mut self, host: usize) {
        let mut effects = std::mem::take(&mut self.hosts[host].effects);
        for (i, effect) in effects.iter().enumerate() {
            if let Effect::Packet(_, flight) = effect
                && self.laws.first_word(host, flight.vr)
            {
                let outcome = self.laws.deaf_word(flight.vr, host, &effects[i + 1..]);
                self.breaks(outcome);
            }
            let outcome = self.laws.effect(self.now, host, &self.hosts[host], effect, &self.scenario);
            self.breaks(outcome);
            match effect {
                Effect::Changed(vr, transition) => {
                    self.tally.changes += 1;
                    self.note(|| {
                        let (from, to) = (transition.from, transition.to);
                        format!("host {host}: VI_{vr} {from} -> {to}: {}", transition.why)
                    });
                    // Who gives way without a word can't be one of two that the other needs to hear of. (But one that stood
                    // still must send nothing, whatever it knows; and a sibling's word is one for all.)
                    let word = |e: &Effect| matches!(e, Effect::Packet(_, flight) if flight.vr == *vr);
                    let gives_way = (transition.from, transition.to) == (Name::Master, Name::Backup);
                    let itself = transition.why.starts_with("heard ");
                    if gives_way && itself && !effects[..i].iter().any(word) {
                        self.wires.neighbours[*vr].gives_way(host);
                    }
                    if transition.to == Name::Master {
                        let outcome = self.laws.unread(*vr, host, &self.hosts[host], &effects[i + 1..]);
                        self.breaks(outcome);
                    }
                }
                Effect::Announce(vr) => self.announce(host, *vr),
                // All copies of an advert at once.
                Effect::Packet(_, flight) => {
                    let copy = |effect: &Effect| match effect {
                        Effect::Packet(to, other) if (other.vr, other.id) == (flight.vr, flight.id) => {
                            Some((*to, other.clone()))
                        }
                        _ => None,
                    };
                    if i == 0 || copy(&effects[i - 1]).is_none() {
                        let copies: Vec<(IpAddr, Flight)> = effects[i..].iter().map_while(copy).collect();
                        self.send(host, flight.vr, &copies);
                    }
                }
                Effect::LeaseEnded(vr) => self.note(|| format!("host {host}: the leases of VI_{vr} end")),
                Effect::Stalled(vr) => self.note(|| format!("host {host}: VI_{vr} listens after the stall")),
                Effect::Priority(vr) => self.note(|| format!("host {host}: VI_{vr} has another priority")),
                Effect::Believed(flight, _) => {
                    let (from, vr, priority) = (flight.from, flight.vr, flight.priority);
                    let other =
                        from != host && priority != Priority::RELEASE && !self.laws.unheeded && !self.laws.echoed;
                    if other && self.laws.state(host, vr) == Name::Master {
                        self.wires.neighbours[vr].knows(host);
                        self.answered[host][vr] = self.now;
                    }
                    self.note(|| format!("host {host}: hears host {from} with VI_{vr} priority {priority}"));
                }
                Effect::Probe(to, probe) => self.send_probe(host, *to, probe),
                Effect::Session(peer, turn) => {
                    self.tally.sessions += 1;
                    self.note(|| {
                        format!("host {host}: session with {peer} {} -> {}: {}", turn.from, turn.to, turn.why)
                    });
                    if turn.to == StateName::Down {
                        let outcome = self.laws.sessions.unread(self.now, host, *peer, &effects[i + 1..]);
                        self.breaks(outcome);
                    }
                }
                Effect::Heard(probe, said) => {
                    let (from, state) = (probe.from, said.state);
                    self.note(|| format!("host {host}: hears host {from} with BFD {state} {:?}", said.exchange));
                }
                Effect::Unheard(probe, why) => {
                    let (from, origin) = (probe.from, probe.origin);
                    self.note(|| format!("host {host}: doesn't believe BFD of host {from} ({origin:?}): {why}"));
                }
                Effect::Rejected(flight, why) => {
                    let (from, origin) = (flight.from, flight.origin);
                    self.note(|| format!("host {host}: doesn't believe host {from} ({origin:?}): {why}"));
                }
            }
        }
        effects.clear();
        self.hosts[host].effects = effects;
    }

    /// Puts the copies of an advert on the wires. It is one that a fault bears on for whom no copy reaches in time.
    fn send(&mut self, from: usize, vr: usize, copies: &[(IpAddr, Flight)]) {
        let mut disturbed: [Option<u64>; HOSTS] = [None; HOSTS];
        let mut undisturbed = [false; HOSTS];
        for (destination, flight) in copies {
            self.tally.sent += 1;
            let wire = self.scenario.vrs[vr].wire_of(flight.way);
            let only = (!destination.is_multicast()).then(|| host_at(*destination));
            if self.heard.len() == RECORDED {
                self.heard.pop_front();
            }
            self.heard.push_back((only, flight.clone()));
            self.note(|| format!("host {from}: sends VI_{vr} priority {} by wire {wire}", flight.priority));
            for to in (0..self.hosts.len()).filter(|to| *to != from && only.is_none_or(|only| only == *to)) {
                let fate = if self.down.links[from][wire] {
                    Fate::Lost
                } else {
                    self.wires.paths[wire][from][to].fate(self.now, &mut self.rng)
                };
                match fate {
                    Fate::Lost => {
                        self.note(|| format!("               lost on its way to host {to}"));
                        disturbed[to] = Some(self.now.max(disturbed[to].unwrap_or(0)));
                    }
                    Fate::Arrives { after, again } => {
                        if after > LONGEST_WAY {
                            disturbed[to] = Some((self.now + after).max(disturbed[to].unwrap_or(0)));
                        } else {
                            undisturbed[to] = true;
                        }
                        for after in [Some(after), again].into_iter().flatten() {
                            self.later(after, What::Arrive { to, flight: flight.clone() });
                        }
                    }
                }
            }
        }
        for (to, until) in disturbed.into_iter().enumerate().filter(|(to, _)| !undisturbed[*to]) {
            until.into_iter().for_each(|until| self.laws.disturb(vr, from, to, until));
        }
    }

    /// Puts a BFD packet on the wire.
    fn send_probe(&mut self, from: usize, to: usize, probe: &Probe) {
        self.tally.probes += 1;
        let Some(wire) = self.scenario.mesh.as_ref().map(|mesh| mesh.wire) else { return };
        let path = self.wires.paths[wire][from][to];
        let fate = if self.down.links[from][wire] { Fate::Lost } else { path.fate(self.now, &mut self.rng) };
        match fate {
            Fate::Lost => self.note(|| format!("host {from}: BFD packet to host {to} is lost")),
            Fate::Arrives { after, again } => {
                for after in [Some(after), again].into_iter().flatten() {
                    self.later(after, What::Probe { to, probe: probe.clone() });
                }
            }
        }
    }

    /// Gratuitous ARP for the addresses of a virtual router, a whole block of it.
    fn announce(&mut self, host: usize, vr: usize) {
        let wire = self.scenario.vrs[vr].wire;
        let path = self.wires.paths[wire][host][CLIENT];
        let fate = if self.down.links[host][wire] { Fate::Lost } else { path.fate(self.now, &mut self.rng) };
        match fate {
            Fate::Lost => {
                self.note(|| format!("host {host}: the announcement of VI_{vr} is lost"));
                self.wires.neighbours[vr].unaware[host] = true;
            }
            Fate::Arrives { after, .. } => {
                let punctual = if after > LONGEST_WAY { Punctual::No } else { Punctual::Yes };
                self.later(after, What::Client { vr, host, punctual });
            }
        }
    }

    /// The daemon of a host is gone.
    pub(crate) fn kill(&mut self, host: usize) {
        self.hosts[host].die();
        self.laws.dead(host);
    }

    /// The daemon of a host starts, with the snapshot that the supervisor has.
    pub(crate) fn start(&mut self, host: usize) {
        if self.hosts[host].pulse != Pulse::Dead {
            return;
        }
        let snapshot = self.hosts[host].snapshot.take();
        let how = if snapshot.is_some() { "with a snapshot" } else { "without memory" };
        self.note(|| format!("host {host}: the daemon starts {how}"));
        let mut left = [None; VRS];
        let configured = |carried: &&Carried| self.hosts[host].config.instances.iter().any(|i| i.name == carried.name);
        for carried in snapshot.iter().flat_map(|s| &s.routers).filter(configured) {
            let vr = carried.name.trim_start_matches("VI_").parse().unwrap_or(VRS);
            if let Some(left) = left.get_mut(vr) {
                // (A way that was not there yet begins with what was heard by the other.)
                let by = |way: usize| carried.ears.get(way).map_or(carried.sequences.heard, |(_, ear)| ear.sequence);
                *left = Some((carried.state.name(), std::array::from_fn(by)));
            }
        }
        self.laws.starts(self.now, host, left);
        self.hosts[host].deaf = [false; VRS];
        let last_seen = self.seen[host];
        let known = snapshot.is_some();
        self.hosts[host].start(self.now, snapshot.map(|s| (Instant(last_seen), s)));
        self.laws.started(self.now, host, &self.hosts[host]);
        self.after(host);
        if known {
            let away = self.now - last_seen;
            let masters = (0..VRS).filter(|vr| left[*vr].is_some_and(|(state, _)| state == Name::Master));
            let masters: Vec<usize> = masters.collect();
            let outcome = self.laws.listens_first(host, &self.hosts[host], away, &masters);
            self.breaks(outcome);
        }
        self.run_script(host);
    }

    /// A host goes on.
    pub(crate) fn resume(&mut self, host: usize) {
        if self.hosts[host].pulse != Pulse::Stalled {
            return;
        }
        self.note(|| format!("host {host} goes on"));
        self.hosts[host].pulse = Pulse::Running;
        (self.hosts[host].awake, self.hosts[host].paused) = (self.now, false);
        self.laws.resumed(self.now, host, &self.hosts[host], &self.scenario);
        self.tally.read += self.hosts[host].inbox.len() as u64;
        self.hosts[host].turn(self.now);
        self.flush(host);
        self.news(host);
        self.run_script(host);
    }

    /// A host takes another file.
    pub(crate) fn reload(&mut self, host: usize, config: Settings) {
        self.laws.reloads(self.now, host, &self.hosts[host]);
        self.hosts[host].reload(self.now, config);
        self.after(host);
    }

    /// The kernel of a host tells of an interface.
    pub(crate) fn set_link(&mut self, host: usize, wire: usize, link: Option<Link>) {
        let well = link == Some(scenario::link(wire, host));
        self.down.links[host][wire] = !well;
        let name = scenario::interface(wire);
        match link {
            Some(link) => self.hosts[host].links.insert(name, link),
            None => self.hosts[host].links.remove(&name),
        };
        self.news(host);
    }

    /// A virtual router of a host gets its sockets, or loses them.
    pub(crate) fn set_deaf(&mut self, host: usize, vr: usize, deaf: Deaf) {
        if std::mem::replace(&mut self.hosts[host].deaf[vr], deaf == Deaf::Yes) != (deaf == Deaf::Yes) {
            self.note(|| format!("host {host}: VI_{vr} without a socket: {deaf:?}"));
            self.news(host);
        }
    }

    /// The kernel of a host has something to tell; one that stands still hears it later.
    pub(crate) fn news(&mut self, host: usize) {
        if self.hosts[host].pulse == Pulse::Running {
            self.hosts[host].take_news(self.now);
            self.after(host);
        }
    }

    /// The tracked script of a host runs until what it says has had its effect.
    pub(crate) fn run_script(&mut self, host: usize) {
        let Some(script) = self.scenario.hosts[host].scripts.first() else { return };
        let series = &mut self.series[host];
        *series = Series { n: series.n + 1, left: script.rise + script.fall };
        let what = What::Script { host, series: series.n };
        let after = self.rng.u64(..self.scenario.script_every);
        self.later(after, what);
    }

    fn script_ends(&mut self, host: usize, series: u32) {
        if series != self.series[host].n || self.hosts[host].pulse != Pulse::Running {
            return; // who starts or goes on begins a series of its own
        }
        let success = !self.down.script[host];
        self.note(|| format!("host {host}: the script says {success}"));
        self.hosts[host].script(self.now, success);
        self.after(host);
        self.series[host].left -= 1;
        if self.series[host].left > 0 {
            self.later(self.scenario.script_every, What::Script { host, series });
        }
    }
}
