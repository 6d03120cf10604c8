//! What an instance, a sync group and a tracked script are told to be. Pure data: the configuration lowers to these types
//! and the machines read them; every value here is already in range.

use crate::units::{Centis, Micros, Priority, Vrid};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use serde::{Deserialize, Serialize};

/// The protocol version of an instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768: whole seconds, authentication field, IPv4.
    V2,
    /// RFC 9568: centiseconds, no authentication.
    V3,
}

/// Authentication of version 2 adverts.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Auth {
    /// None (and the only one of version 3).
    #[default]
    None,
    /// Simple text, zero padded (RFC 2338, 10.2). Not a secret: it is on the wire as it is.
    Pass([u8; 8]),
    /// IP authentication header, HMAC-MD5-96 (RFC 2338, 10.3), key zero padded.
    Ah([u8; 8]),
}

/// The kind alone: what is printed ends in logs.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Pass(_) => "Pass(<hidden>)",
            Auth::Ah(_) => "Ah(<hidden>)",
        })
    }
}

/// The state an instance is configured to want first. A non-owner listens for a full master-down interval all the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Initial {
    /// `state MASTER`
    Master,
    /// `state BACKUP`
    Backup,
}

/// Whether a backup that outranks the master takes over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Preempt {
    /// Yes, this long after it first heard the lower priority (0: as soon as the master-down interval is over).
    After(Micros),
    /// `nopreempt`: never while a master is heard.
    Never,
}

/// How adverts travel.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Transport {
    /// To the group on the instance's interface.
    Multicast {
        /// Default 224.0.0.18 or ff02::12.
        group: IpAddr,
    },
    /// A copy to each peer.
    Unicast {
        /// The peers, in the order of the file.
        peers: Vec<Peer>,
        /// TTL or hop limit of what is sent.
        ttl: u8,
        /// `check_unicast_src`: only listed peers are heard.
        check_source: bool,
    },
}

/// One `unicast_peer`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// Lowest TTL accepted from it; `None` if the file says nothing.
    pub min_ttl: Option<u8>,
    /// Highest TTL accepted from it.
    pub max_ttl: Option<u8>,
}

/// Address scopes by their kernel numbers (`rt_scope_t`, linux/rtnetlink.h): 0 global, 200 site, 253 link, 254 host.
pub type Scope = u8;

/// A virtual address as the kernel shall hold it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length, default 32 or 128.
    pub prefix: u8,
    /// Interface; the instance's own where the file names none (the configuration fills it in).
    pub device: String,
    /// `brd`, already computed where the file says `+` or `-`.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`, at most 15 bytes.
    pub label: Option<String>,
    /// `scope`.
    pub scope: Scope,
}

/// Gratuitous ARP timing of an instance (defaults of keepalived in brackets).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Garp {
    /// `garp_master_repeat` [5]: packets an address in one block.
    pub master_repeat: u32,
    /// `garp_master_delay` [5 s]: when the second block follows; zero: never.
    pub master_delay: Micros,
    /// `garp_master_refresh` [0, off]: period of later blocks.
    pub refresh: Micros,
    /// `garp_master_refresh_repeat` [1].
    pub refresh_repeat: u32,
    /// `garp_lower_prio_repeat` [master_repeat].
    pub lower_prio_repeat: u32,
    /// `garp_lower_prio_delay` [master_delay].
    pub lower_prio_delay: Micros,
    /// `garp_interval` [0]: least time between two packets on one interface.
    pub interval: Micros,
}

impl Default for Garp {
    fn default() -> Garp {
        Garp {
            master_repeat: 5,
            master_delay: Micros::from_secs(5),
            refresh: Micros::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Micros::from_secs(5),
            interval: Micros::ZERO,
        }
    }
}

/// How the state of a tracked object bears on an instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Bearing {
    /// No weight: bad (of a file: any value but 0) means FAULT. `reverse` turns good and bad around.
    Fault {
        /// `reverse`
        reverse: bool,
    },
    /// Weight w: positive adds w while good, negative adds w (lowers) while bad; never FAULT. A file adds its value times w,
    /// at most 253; less than -253 means FAULT.
    Weight {
        /// -254..=254, never 0.
        weight: i16,
        /// `reverse`: the sign of what is added is turned around.
        reverse: bool,
    },
}

/// What can be tracked, by its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Tracked {
    /// An interface: up or down.
    Interface(String),
    /// A `vrrp_script`.
    Script(String),
    /// A `track_file`: the number in it.
    File(String),
    /// A `vrrp_track_process`.
    Process(String),
    /// A `bfd_instance`: down until its session is up.
    Bfd(String),
}

impl Tracked {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Tracked::Interface(name)
            | Tracked::Script(name)
            | Tracked::File(name)
            | Tracked::Process(name)
            | Tracked::Bfd(name) => name,
        }
    }

    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Tracked::Interface(_) => "interface",
            Tracked::Script(_) => "script",
            Tracked::File(_) => "file",
            Tracked::Process(_) => "process",
            Tracked::Bfd(_) => "BFD session",
        }
    }

    /// The configuration's word for tracking it.
    pub fn keyword(&self) -> &'static str {
        match self {
            Tracked::Interface(_) => "track_interface",
            Tracked::Script(_) => "track_script",
            Tracked::File(_) => "track_file",
            Tracked::Process(_) => "track_process",
            Tracked::Bfd(_) => "track_bfd",
        }
    }
}

impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

/// A tracked object and its bearing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Track {
    /// What is tracked.
    pub what: Tracked,
    /// What its state does.
    pub bearing: Bearing,
}

/// One `vrrp_instance`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Its name in the file; unique.
    pub name: String,
    /// `virtual_router_id`
    pub vrid: Vrid,
    /// `interface`
    pub interface: String,
    /// `version`
    pub version: Version,
    /// `priority`, 1..=255.
    pub priority: Priority,
    /// `state`
    pub initial: Initial,
    /// `advert_int`; whole seconds under version 2.
    pub advert_int: Centis,
    /// `nopreempt`, `preempt_delay`
    pub preempt: Preempt,
    /// `authentication`
    pub auth: Auth,
    /// Multicast or unicast.
    pub transport: Transport,
    /// `mcast_src_ip` or `unicast_src_ip`; `None`: first address of the interface.
    pub source: Option<IpAddr>,
    /// `virtual_ipaddress`, in the order of the file: on the wire and on the host.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: on the host only.
    pub excluded: Vec<VirtualAddress>,
    /// Gratuitous ARP timing.
    pub garp: Garp,
    /// `down_timer_adverts` [3]: adverts that may be missed, 1..=100.
    pub down_timer_adverts: u8,
    /// `lower_prio_no_advert`: no reply to a lower-priority advert.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: one more advert before giving way.
    pub higher_prio_send_advert: bool,
    /// `skip_check_adv_addr`: don't compare the address list of an advert from the known master.
    pub skip_check_adv_addr: bool,
    /// Whether `interface` itself is tracked (`dont_track_primary` off).
    pub track_primary: bool,
    /// `track_interface`, `track_script`, `track_file`, `track_process` and `track_bfd`, its group's included; each object
    /// once.
    pub tracks: Vec<Track>,
}

/// One `vrrp_sync_group`: instances that hold the same state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncGroup {
    /// Its name; unique.
    pub name: String,
    /// Names of its instances, in the order of the file.
    pub members: Vec<String>,
}

/// One `vrrp_script`, as far as the decisions go (what to run is the configuration's).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Script {
    /// Its name; unique.
    pub name: String,
    /// Successes in a row that make it good, at least 1.
    pub rise: u32,
    /// Failures in a row that make it bad, at least 1.
    pub fall: u32,
    /// `init_fail`: bad until it has succeeded `rise` times.
    pub init_fail: bool,
}

/// One `vrrp_track_process`, as far as the decisions go (what to look for is the configuration's).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its name; unique.
    pub name: String,
    /// `quorum` [1]: fewer are bad.
    pub quorum: u32,
    /// `quorum_max`: more are bad; `None`: there are never too many.
    pub quorum_max: Option<u32>,
    /// `terminate_delay` [0]: how long one that has ended still counts.
    pub terminate_delay: Micros,
    /// `fork_delay` [0]: how long one that was forked does not count yet.
    pub fork_delay: Micros,
}
