//! What a run amounted to.

use std::fmt;
use std::ops::AddAssign;

/// The kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Some of what is sent is lost.
    Loss,
    /// What is sent arrives late.
    Delay,
    /// Some of what is sent arrives twice.
    Duplication,
    /// Some of what is sent is overtaken.
    Reordering,
    /// A host doesn't hear another, which hears it.
    OneWay,
    /// A wire is in two halves.
    TwoWay,
    /// The vrrp role dies and is started again with a snapshot.
    RoleCrash,
    /// The host loses its power and comes back without memory.
    HostCrash,
    /// The daemon is stopped in order and started later.
    Stop,
    /// The host does nothing for a while.
    Stall,
    /// The same, and what arrives meanwhile is lost: a virtual machine that stands still.
    Pause,
    /// The operator hands a virtual router over to the others.
    HandOver,
    /// The operator takes the host out of service, and back.
    Maintenance,
    /// The time of day jumps.
    ClockStep,
    /// Somebody removes a virtual address.
    Theft,
    /// Bytes that are no advert, and honest adverts with a bit turned.
    Junk,
    /// Well-formed adverts of somebody who has not got the key.
    Forgery,
    /// Old packets once more.
    Replay,
    /// An interface goes down, goes away or loses its address.
    Link,
    /// The sockets can't be opened.
    Deaf,
    /// A tracked script turns good or bad.
    Script,
    /// A reload: other priority.
    Priority,
    /// A reload: the same, other intervals, an instance less or more.
    Reload,
    /// A reload: other intervals of a BFD session.
    Intervals,
    /// BFD packets of somebody who is not the neighbour.
    Imposture,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 25] = [
        Kind::Loss,
        Kind::Delay,
        Kind::Duplication,
        Kind::Reordering,
        Kind::OneWay,
        Kind::TwoWay,
        Kind::RoleCrash,
        Kind::HostCrash,
        Kind::Stop,
        Kind::Stall,
        Kind::Pause,
        Kind::HandOver,
        Kind::Maintenance,
        Kind::ClockStep,
        Kind::Theft,
        Kind::Junk,
        Kind::Forgery,
        Kind::Replay,
        Kind::Link,
        Kind::Deaf,
        Kind::Script,
        Kind::Priority,
        Kind::Reload,
        Kind::Intervals,
        Kind::Imposture,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Loss => "loss",
            Kind::Delay => "delay",
            Kind::Duplication => "duplication",
            Kind::Reordering => "reordering",
            Kind::OneWay => "one-way partition",
            Kind::TwoWay => "partition",
            Kind::RoleCrash => "role crash",
            Kind::HostCrash => "host crash",
            Kind::Stop => "stop and start",
            Kind::Stall => "stall",
            Kind::Pause => "pause",
            Kind::HandOver => "hand-over",
            Kind::Maintenance => "maintenance",
            Kind::ClockStep => "clock step",
            Kind::Theft => "address theft",
            Kind::Junk => "junk",
            Kind::Forgery => "forgery",
            Kind::Replay => "replay",
            Kind::Link => "interface",
            Kind::Deaf => "no socket",
            Kind::Script => "script",
            Kind::Priority => "priority",
            Kind::Reload => "reload",
            Kind::Intervals => "BFD intervals",
            Kind::Imposture => "BFD forgery",
        }
    }
}

/// Counts of one run or of many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Faults by kind, in the order of `Kind::ALL`.
    pub faults: [u64; Kind::ALL.len()],
    /// Simulated time in microseconds.
    pub micros: u64,
    /// Adverts put on the wire.
    pub sent: u64,
    /// Packets that a host has read.
    pub read: u64,
    /// BFD packets put on the wire.
    pub probes: u64,
    /// Changes of state.
    pub changes: u64,
    /// Changes of state of BFD sessions.
    pub sessions: u64,
    /// Times that the faults ended and everything was looked at.
    pub calms: u64,
    /// Virtual routers of whom clients then had a wrong idea, through nobody's fault (see `Law::Neighbours`).
    pub strays: u64,
    /// Turns of hosts and other events.
    pub events: u64,
}

impl Tally {
    /// One more fault.
    pub(crate) fn count(&mut self, kind: Kind) {
        self.faults[kind as usize] += 1;
    }

    /// Simulated hours.
    pub fn hours(&self) -> f64 {
        self.micros as f64 / 3.6e9
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        for (sum, n) in self.faults.iter_mut().zip(other.faults) {
            *sum += n;
        }
        self.micros += other.micros;
        self.sent += other.sent;
        self.read += other.read;
        self.probes += other.probes;
        self.changes += other.changes;
        self.sessions += other.sessions;
        self.calms += other.calms;
        self.strays += other.strays;
        self.events += other.events;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.faults.iter().sum();
        writeln!(f, "{:.0} hours simulated; {} adverts sent, {} packets read", self.hours(), self.sent, self.read)?;
        writeln!(f, "{} changes of state, {} events", self.changes, self.events)?;
        writeln!(f, "{} BFD packets sent, {} changes of sessions", self.probes, self.sessions)?;
        let strays = self.strays;
        writeln!(f, "{} times calm again, {strays} caches wrong without the master's knowing", self.calms)?;
        write!(f, "{all} faults:")?;
        for (kind, n) in Kind::ALL.iter().zip(self.faults) {
            write!(f, "{} {n} {}", if *kind == Kind::Loss { "" } else { "," }, kind.name())?;
        }
        Ok(())
    }
}
