//! Tracked objects: what is known of interfaces, scripts, files, processes and BFD sessions, and what that means for an
//! instance.

mod process;
mod script;

use crate::settings::{AddressFlag, Bearing, Family, Instance, Track, Tracked};
use crate::units::Priority;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
pub use process::{Cause, ProcessState};
pub use script::ScriptState;
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

/// What is known of a tracked object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Known {
    /// An interface or BFD session is up, a script succeeds, a process has its quorum.
    Good,
    /// It is not so.
    Bad,
    /// What a file says.
    Value(i64),
}

impl Known {
    /// Good or bad.
    pub fn of(good: bool) -> Known {
        if good { Known::Good } else { Known::Bad }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::Good => f.write_str("good"),
            Known::Bad => f.write_str("bad"),
            Known::Value(value) => value.fmt(f),
        }
    }
}

/// What a tracked object does to an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing is known of it yet, and it decides over FAULT.
    Awaited,
    /// It holds the instance in FAULT.
    Fault(Known),
    /// It adds this to the priority.
    Adds(i64),
}

/// Everything known of the world outside the protocol.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Interfaces that exist, by name.
    pub links: BTreeMap<String, Link>,
    /// What is known of tracked scripts, files, processes and BFD sessions.
    pub tracked: BTreeMap<Tracked, Known>,
    /// Instances without a socket to hear or to send by, by name, and why.
    pub deaf: BTreeMap<String, String>,
    /// Whether the operator lets this host serve.
    pub duty: Duty,
    /// Instances wait for the end of the delay at the start.
    pub starting: bool,
}

/// Whether a host takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Duty {
    /// As configured.
    #[default]
    Serving,
    /// The operator works on it: every instance gives up, and takes nothing over until he has done.
    Maintenance,
}

impl Facts {
    /// What is known of a tracked object; `None` before it was run, read or counted for the first time. An interface or a BFD
    /// session that nobody knows is down.
    pub fn known(&self, what: &Tracked) -> Option<Known> {
        match what {
            Tracked::Interface(name) => Some(Known::of(self.links.get(name).is_some_and(|l| l.up))),
            Tracked::Bfd(_) => Some(self.tracked.get(what).copied().unwrap_or(Known::Bad)),
            Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => self.tracked.get(what).copied(),
        }
    }
}

/// One thing that is wrong. An instance with any of these is in FAULT (or, while things are only awaited, in INIT).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Fault {
    /// The instance's interface doesn't exist.
    InterfaceMissing(String),
    /// The instance's interface is down or has no carrier.
    InterfaceDown(String),
    /// The instance's VRF doesn't exist.
    VrfMissing(String),
    /// The instance's VRF is down.
    VrfDown(String),
    /// An interface that is made for the instance doesn't exist.
    DeviceMissing(String),
    /// An interface that is made for the instance is down though the one beneath it is up.
    DeviceDown(String),
    /// The instance's interface has no address to send from.
    NoAddress(String),
    /// An interface that virtual addresses are to be put on doesn't exist.
    AddressInterfaceMissing(String),
    /// An interface that virtual addresses are to be put on is down or has no carrier: nobody would reach them there.
    AddressInterfaceDown(String),
    /// An interface that routes, rules or static addresses go by doesn't exist.
    PathInterfaceMissing(String),
    /// An interface that routes, rules or static addresses go by is down or has no carrier.
    PathInterfaceDown(String),
    /// The instance's interface can't multicast and there are no unicast peers.
    NoMulticast(String),
    /// The instance has no socket, and why: it would hear no master and take over from it.
    Deaf(String),
    /// A tracked object is as it must not be.
    Tracked(Tracked, Known),
    /// A tracked object without weight has not been run, read or counted yet.
    Awaited(Tracked),
    /// The delay at the start of the daemon is not over.
    Starting,
    /// The operator works on this host.
    Maintenance,
    /// Another instance of the sync group is in FAULT.
    Sibling(String),
    /// Another instance of the sync group waits for what it tracks.
    SiblingAwaited(String),
}

impl Fault {
    /// Whether it only says that something isn't known yet.
    pub fn awaited(&self) -> bool {
        matches!(self, Fault::Awaited(_) | Fault::SiblingAwaited(_) | Fault::Starting)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::InterfaceMissing(i) => write!(f, "interface {i} doesn't exist"),
            Fault::InterfaceDown(i) => write!(f, "interface {i} is down"),
            Fault::VrfMissing(vrf) => write!(f, "VRF {vrf} doesn't exist"),
            Fault::VrfDown(vrf) => write!(f, "VRF {vrf} is down"),
            Fault::DeviceMissing(i) => write!(f, "interface {i}, which is made for it, doesn't exist"),
            Fault::DeviceDown(i) => write!(f, "interface {i}, which is made for it, is down"),
            Fault::NoAddress(i) => write!(f, "interface {i} has no address to send adverts from"),
            Fault::AddressInterfaceMissing(i) => write!(f, "interface {i} of a virtual address doesn't exist"),
            Fault::AddressInterfaceDown(i) => write!(f, "interface {i} of a virtual address is down"),
            Fault::PathInterfaceMissing(i) => {
                write!(f, "interface {i} of a route, rule or static address doesn't exist")
            }
            Fault::PathInterfaceDown(i) => write!(f, "interface {i} of a route, rule or static address is down"),
            Fault::NoMulticast(i) => write!(f, "interface {i} can't multicast and there is no unicast_peer"),
            Fault::Deaf(why) => write!(f, "no socket for adverts: {why}"),
            Fault::Tracked(what, known) => {
                let is = match (what, known) {
                    (_, Known::Value(value)) => return write!(f, "tracked {what} has the value {value}"),
                    (Tracked::Interface(_) | Tracked::Bfd(_) | Tracked::File(_), Known::Good) => "is up",
                    (Tracked::Interface(_) | Tracked::Bfd(_) | Tracked::File(_), Known::Bad) => "is down",
                    (Tracked::Script(_), Known::Good) => "succeeds",
                    (Tracked::Script(_), Known::Bad) => "fails",
                    (Tracked::Process(_), Known::Good) => "has its quorum",
                    (Tracked::Process(_), Known::Bad) => "has not its quorum",
                };
                write!(f, "tracked {what} {is}")
            }
            Fault::Awaited(what @ Tracked::Script(_)) => write!(f, "tracked {what} has not run yet"),
            Fault::Awaited(what) => write!(f, "of tracked {what} nothing is known yet"),
            Fault::Starting => f.write_str("waits for the end of the delay at the start"),
            Fault::Maintenance => f.write_str("in maintenance, until `vipd maintenance off`"),
            Fault::Sibling(i) => write!(f, "{i} of the same sync group is in FAULT"),
            Fault::SiblingAwaited(i) => write!(f, "{i} of the same sync group waits for what it tracks"),
        }
    }
}

/// What is wrong with an instance, its siblings left aside.
pub fn faults(settings: &Instance, facts: &Facts) -> BTreeSet<Fault> {
    let mut faults = BTreeSet::new();
    if facts.duty == Duty::Maintenance {
        faults.insert(Fault::Maintenance);
    }
    if facts.starting {
        faults.insert(Fault::Starting);
    }
    let own = settings.binding.device();
    let is_vrf = settings.binding.vrf().is_some();
    if let Some(name) = own {
        match facts.links.get(name) {
            None => {
                faults.insert(if is_vrf {
                    Fault::VrfMissing(name.into())
                } else {
                    Fault::InterfaceMissing(name.into())
                });
            }
            Some(link) => {
                if !link.up && settings.track_primary {
                    faults.insert(if is_vrf { Fault::VrfDown(name.into()) } else { Fault::InterfaceDown(name.into()) });
                }
                if !link.multicast && matches!(settings.transport, crate::settings::Transport::Multicast { .. }) {
                    faults.insert(Fault::NoMulticast(name.into()));
                }
            }
        }
    }
    if let Some(from) = settings.source_interface()
        && let Some(link) = facts.links.get(from)
        && settings.source.or(link.source(settings.family)).is_none()
    {
        faults.insert(Fault::NoAddress(from.into()));
    }
    let is_own = |name: &str| own == Some(name);
    let up = |name: &String| facts.links.get(name).is_some_and(|link| link.up);
    for device in settings.devices() {
        match facts.links.get(&device.name) {
            None => faults.insert(Fault::DeviceMissing(device.name.clone())),
            Some(link) if !link.up && up(&device.base) => faults.insert(Fault::DeviceDown(device.name.clone())),
            Some(link) if !link.up && !is_own(&device.base) => {
                faults.insert(Fault::AddressInterfaceDown(device.base.clone()))
            }
            Some(_) => false,
        };
    }
    let made = |name: &String| settings.devices().any(|device| device.name == *name);
    for address in settings.addresses.iter().chain(&settings.excluded) {
        let guarded = !address.flags.contains(&AddressFlag::LetGo);
        if !is_own(&address.device) && guarded && !made(&address.device) {
            match facts.links.get(&address.device) {
                None => faults.insert(Fault::AddressInterfaceMissing(address.device.clone())),
                Some(link) if !link.up => faults.insert(Fault::AddressInterfaceDown(address.device.clone())),
                Some(_) => false,
            };
        }
    }
    // Of its own interface all is said already, unless it is not tracked.
    for device in settings.needs.iter().filter(|device| !is_own(device) || !settings.track_primary) {
        match facts.links.get(device) {
            None => faults.insert(Fault::PathInterfaceMissing(device.clone())),
            Some(link) if !link.up => faults.insert(Fault::PathInterfaceDown(device.clone())),
            Some(_) => false,
        };
    }
    if let Some(why) = facts.deaf.get(&settings.name) {
        faults.insert(Fault::Deaf(why.clone()));
    }
    for track in &settings.tracks {
        match effect(track, facts) {
            Effect::Awaited => faults.insert(Fault::Awaited(track.what.clone())),
            Effect::Fault(known) => faults.insert(Fault::Tracked(track.what.clone(), known)),
            Effect::Adds(_) => false,
        };
    }
    faults
}

/// The priority in force: 255 stays 255; else the configured one plus what is tracked, held within 1..=254.
pub fn effective_priority(settings: &Instance, facts: &Facts) -> Priority {
    if settings.priority == Priority::OWNER {
        return Priority::OWNER;
    }
    let adds = |track: &Track| match effect(track, facts) {
        Effect::Adds(n) => n,
        Effect::Awaited | Effect::Fault(_) => 0,
    };
    let total = i64::from(settings.priority.0) + settings.tracks.iter().map(adds).sum::<i64>();
    Priority(u8::try_from(total.clamp(1, 254)).unwrap_or(1))
}

/// The least that a file adds, and the most. Less than the least means FAULT; more than the most is the most.
const FILE_ADDS: (i64, i64) = (-253, 253);

/// What a tracked object does to an instance now.
pub fn effect(track: &Track, facts: &Facts) -> Effect {
    let known = facts.known(&track.what);
    match (track.bearing, known) {
        (Bearing::Fault { .. }, None) => Effect::Awaited,
        (Bearing::Fault { reverse }, Some(known)) => {
            let good = matches!(known, Known::Good | Known::Value(0));
            if good == reverse { Effect::Fault(known) } else { Effect::Adds(0) }
        }
        (Bearing::Weight { .. }, None) => Effect::Adds(0),
        (Bearing::Weight { weight, reverse }, Some(known)) => {
            let adds = i64::from(if reverse { -weight } else { weight });
            match known {
                Known::Value(value) => match value.saturating_mul(adds) {
                    product if product < FILE_ADDS.0 => Effect::Fault(known),
                    product => Effect::Adds(product.min(FILE_ADDS.1)),
                },
                Known::Good if weight > 0 => Effect::Adds(adds),
                Known::Bad if weight < 0 => Effect::Adds(adds),
                Known::Good | Known::Bad => Effect::Adds(0),
            }
        }
    }
}
