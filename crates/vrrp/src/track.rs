//! Tracked objects: what is known of interfaces and scripts, and what that means for an instance.

use crate::settings::{Bearing, Family, Instance, Script};
use crate::units::Priority;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// What is known of an interface that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Administratively up and with a carrier (`IFF_UP` and `IFF_RUNNING`).
    pub up: bool,
    /// Whether it can multicast.
    pub multicast: bool,
    /// Its first IPv4 address that an advert can be sent from.
    pub ipv4: Option<Ipv4Addr>,
    /// Its link-local address, once duplicate address detection has let it pass.
    pub link_local: Option<Ipv6Addr>,
    /// Largest packet in bytes.
    pub mtu: u32,
}

impl Link {
    /// The address that adverts of this family are sent from (RFC 9568, 5.1.1.1 and 5.1.2.1).
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.ipv4.map(IpAddr::V4),
            Family::V6 => self.link_local.map(IpAddr::V6),
        }
    }
}

/// Whether a tracked script is good. One counter r counts as in the original: good while r >= rise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScriptState {
    /// 0..=rise+fall-1
    counter: u32,
    /// Whether a result has come yet.
    known: bool,
    /// What the last run gave, in words.
    pub last: Option<String>,
}

impl ScriptState {
    /// Before the first result. Without `init_fail` one result decides in either direction.
    pub fn new(settings: &Script) -> ScriptState {
        if settings.init_fail {
            ScriptState { counter: 0, known: true, last: None }
        } else {
            ScriptState { counter: settings.rise.saturating_sub(1), known: false, last: None }
        }
    }

    /// A run has ended; whether that turned the script good or bad, or was its first result.
    pub fn ran(&mut self, settings: &Script, success: bool, last: String) -> Turn {
        let before = self.good(settings);
        let top = settings.rise.saturating_add(settings.fall).saturating_sub(1);
        self.counter = match (success, self.counter) {
            (true, r) if r + 1 >= settings.rise => top,
            (true, r) => r + 1,
            (false, r) if before == Some(true) && r > settings.rise => r - 1,
            (false, _) => 0,
        };
        self.known = true;
        self.last = Some(last);
        if self.good(settings) == before { Turn::Same } else { Turn::Changed }
    }

    /// The same under other settings: good or bad as before, with all of `rise` or `fall` to go.
    pub(crate) fn under(self, before: &Script, settings: &Script) -> ScriptState {
        if before == settings {
            return self;
        }
        let counter = match self.good(before) {
            Some(true) => settings.rise.saturating_add(settings.fall).saturating_sub(1),
            Some(false) => 0,
            None => return ScriptState::new(settings),
        };
        ScriptState { counter, ..self }
    }

    /// Whether it is good; `None` before the first result.
    pub fn good(&self, settings: &Script) -> Option<bool> {
        self.known.then_some(self.counter >= settings.rise)
    }
}

/// Whether a result changed anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// No.
    Same,
    /// It is good now and was not, or the other way round, or this was the first result.
    Changed,
}

/// Everything known of the world outside the protocol.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Interfaces that exist, by name.
    pub links: BTreeMap<String, Link>,
    /// Tracked scripts by name: good, bad, or not known yet.
    pub scripts: BTreeMap<String, Option<bool>>,
    /// Instances without a socket to hear or to send by, by name, and why.
    pub deaf: BTreeMap<String, String>,
}

/// One thing that is wrong. An instance with any of these is in FAULT (or, while only scripts are awaited, in INIT).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Fault {
    /// The instance's interface doesn't exist.
    InterfaceMissing(String),
    /// The instance's interface is down or has no carrier.
    InterfaceDown(String),
    /// The instance's interface has no address to send from.
    NoAddress(String),
    /// An interface that virtual addresses are to be put on doesn't exist.
    AddressInterfaceMissing(String),
    /// An interface that virtual addresses are to be put on is down or has no carrier: nobody would reach them there.
    AddressInterfaceDown(String),
    /// The instance's interface can't multicast and there are no unicast peers.
    NoMulticast(String),
    /// The instance has no socket, and why: it would hear no master and take over from it.
    Deaf(String),
    /// A tracked interface doesn't exist or is down (or, with `reverse`, is up).
    Tracked(String),
    /// A tracked script without weight is bad.
    Script(String),
    /// A tracked script without weight has not run yet.
    ScriptAwaited(String),
    /// Another instance of the sync group is in FAULT.
    Sibling(String),
    /// Another instance of the sync group waits for its scripts.
    SiblingAwaited(String),
}

impl Fault {
    /// Whether it only says that something isn't known yet.
    pub fn awaited(&self) -> bool {
        matches!(self, Fault::ScriptAwaited(_) | Fault::SiblingAwaited(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::InterfaceMissing(i) => write!(f, "interface {i} doesn't exist"),
            Fault::InterfaceDown(i) => write!(f, "interface {i} is down"),
            Fault::NoAddress(i) => write!(f, "interface {i} has no address to send adverts from"),
            Fault::AddressInterfaceMissing(i) => write!(f, "interface {i} of a virtual address doesn't exist"),
            Fault::AddressInterfaceDown(i) => write!(f, "interface {i} of a virtual address is down"),
            Fault::NoMulticast(i) => write!(f, "interface {i} can't multicast and there is no unicast_peer"),
            Fault::Deaf(why) => write!(f, "no socket for adverts: {why}"),
            Fault::Tracked(i) => write!(f, "tracked interface {i} is down"),
            Fault::Script(s) => write!(f, "tracked script {s} fails"),
            Fault::ScriptAwaited(s) => write!(f, "tracked script {s} has not run yet"),
            Fault::Sibling(i) => write!(f, "{i} of the same sync group is in FAULT"),
            Fault::SiblingAwaited(i) => write!(f, "{i} of the same sync group waits for its scripts"),
        }
    }
}

/// What is wrong with an instance, its siblings left aside.
pub fn faults(settings: &Instance, facts: &Facts) -> BTreeSet<Fault> {
    let mut faults = BTreeSet::new();
    let name = || settings.interface.clone();
    match facts.links.get(&settings.interface) {
        None => {
            faults.insert(Fault::InterfaceMissing(name()));
        }
        Some(link) => {
            if !link.up && settings.track_primary {
                faults.insert(Fault::InterfaceDown(name()));
            }
            if settings.source.or(link.source(settings.family)).is_none() {
                faults.insert(Fault::NoAddress(name()));
            }
            if !link.multicast && matches!(settings.transport, crate::settings::Transport::Multicast { .. }) {
                faults.insert(Fault::NoMulticast(name()));
            }
        }
    }
    for address in settings.addresses.iter().chain(&settings.excluded) {
        if address.device != settings.interface {
            match facts.links.get(&address.device) {
                None => faults.insert(Fault::AddressInterfaceMissing(address.device.clone())),
                Some(link) if !link.up => faults.insert(Fault::AddressInterfaceDown(address.device.clone())),
                Some(_) => false,
            };
        }
    }
    if let Some(why) = facts.deaf.get(&settings.name) {
        faults.insert(Fault::Deaf(why.clone()));
    }
    for track in &settings.track_interfaces {
        if let Bearing::Fault { reverse } = track.bearing {
            let good = facts.links.get(&track.name).is_some_and(|l| l.up) != reverse;
            if !good {
                faults.insert(Fault::Tracked(track.name.clone()));
            }
        }
    }
    for track in &settings.track_scripts {
        if let Bearing::Fault { reverse } = track.bearing {
            match facts.scripts.get(&track.name).copied().flatten() {
                None => faults.insert(Fault::ScriptAwaited(track.name.clone())),
                Some(good) if good == reverse => faults.insert(Fault::Script(track.name.clone())),
                Some(_) => false,
            };
        }
    }
    faults
}

/// The priority in force: 255 stays 255; else the configured one plus what is tracked, held within 1..=254.
pub fn effective_priority(settings: &Instance, facts: &Facts) -> Priority {
    if settings.priority == Priority::OWNER {
        return Priority::OWNER;
    }
    let link = |name: &String| Some(facts.links.get(name).is_some_and(|l| l.up));
    let script = |name: &String| facts.scripts.get(name).copied().flatten();
    let interfaces = settings.track_interfaces.iter().map(|t| contribution(t.bearing, link(&t.name)));
    let scripts = settings.track_scripts.iter().map(|t| contribution(t.bearing, script(&t.name)));
    let total = i64::from(settings.priority.0) + interfaces.chain(scripts).sum::<i64>();
    Priority(u8::try_from(total.clamp(1, 254)).unwrap_or(1))
}

fn contribution(bearing: Bearing, good: Option<bool>) -> i64 {
    let (Bearing::Weight { weight, reverse }, Some(good)) = (bearing, good) else { return 0 };
    let weight = i64::from(weight);
    let applies = if weight > 0 { good } else { !good };
    match (applies, reverse) {
        (false, _) => 0,
        (true, false) => weight,
        (true, true) => -weight,
    }
}
