//! What an instance, a sync group and a tracked script are told to be. Pure data: the configuration lowers to these types
//! and the machines read them; every value here is already in range.

mod binding;
mod device;
mod heartbeat;

use crate::timers;
use crate::units::{Centis, Micros, Priority, Vrid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
pub use binding::Binding;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
pub use device::{DeviceKind, IpvlanFlag, VirtualDevice, virtual_mac};
pub use heartbeat::{HeartbeatPath, Way};
use serde::{Deserialize, Serialize};

/// The protocol version of an instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768: whole seconds, authentication field, IPv4.
    V2,
    /// RFC 9568: centiseconds, no authentication.
    V3,
}

/// The address family of a virtual router: of its adverts and of the addresses that they list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// Bytes of an address.
    pub fn size(self) -> usize {
        match self {
            Family::V4 => 4,
            Family::V6 => 16,
        }
    }
}

/// Authentication of adverts.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// Version 2 over IPv4: simple text, zero padded (RFC 2338, 10.2). Not a secret: it is on the wire as it is.
    Pass([u8; 8]),
    /// Version 2 over IPv4: IP authentication header, HMAC-MD5-96 (RFC 2338, 10.3), key zero padded.
    Ah([u8; 8]),
    /// `auth_hmac`: a keyed trailer behind adverts of any version and family (keepalived 2.4).
    Hmac(HmacAuth),
}

/// `auth_hmac`
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HmacAuth {
    /// `key`: those that are believed, by their numbers.
    pub keys: BTreeMap<u8, HmacKey>,
    /// `active_key`: the one that signs; one of `keys`.
    pub active: u8,
    /// `anti_replay`, `time_window`
    pub replay: AntiReplay,
    /// `mode`
    pub mode: HmacMode,
}

/// A key of 32 to 64 bytes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HmacKey(pub Vec<u8>);

/// What is printed ends in logs.
impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(<hidden>)")
    }
}

/// What keeps a recorded advert from being believed again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AntiReplay {
    /// Its time: no further from ours than this, and later than the last one of its sender.
    Time {
        /// Seconds, 1..=300.
        window: u16,
    },
    /// Only that it is later than the last one of its sender.
    Monotonic,
}

/// How adverts without a trailer are treated. One that is there is verified in any case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum HmacMode {
    /// They are not believed.
    Enforce,
    /// They are believed; ours are signed.
    Permissive,
    /// They are believed, and ours are not signed either.
    ReceiveOnly,
}

/// The kind alone: what is printed ends in logs.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Pass(_) => "Pass(<hidden>)",
            Auth::Ah(_) => "Ah(<hidden>)",
            Auth::Hmac(_) => "Hmac(<hidden>)",
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
    /// `peer`: the other end of a point-to-point link; the prefix is then the peer's.
    pub peer: Option<IpAddr>,
    /// `preferred_lft`: for how long it may be chosen as the source of new connections.
    pub preferred: Lifetime,
    /// What else the kernel is to do with it.
    pub flags: BTreeSet<AddressFlag>,
}

impl VirtualAddress {
    /// An address as a line without any option makes it.
    pub fn plain(address: IpAddr, prefix: u8, device: String) -> VirtualAddress {
        let preferred = Lifetime::usual(address, prefix);
        let (broadcast, label, scope, peer, flags) = (None, None, 0, None, BTreeSet::new());
        VirtualAddress { address, prefix, device, broadcast, label, scope, peer, preferred, flags }
    }
}

/// The preferred lifetime of an address (RFC 4862, 5.5.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Lifetime {
    /// As long as it is there.
    Forever,
    /// For so many seconds; 0: never, it is deprecated from the start.
    Secs(u32),
}

impl Lifetime {
    /// What an address has whose line says nothing: a host's virtual IPv6 address is no source that the kernel may choose.
    pub fn usual(address: IpAddr, prefix: u8) -> Lifetime {
        if address.is_ipv6() && prefix == 128 { Lifetime::Secs(0) } else { Lifetime::Forever }
    }
}

/// Flags of an address (`IFA_F_*`, linux/if_addr.h), and what this daemon does about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum AddressFlag {
    /// `-nodad`: IPv6 duplicate address detection is done, which keeps the address unusable for a second or so.
    Dad,
    /// `home`: a mobile node's home address.
    Home,
    /// `mngtmpaddr`: temporary addresses are made from it.
    ManageTemporary,
    /// `noprefixroute`: no route to its prefix.
    NoPrefixRoute,
    /// `autojoin`: the multicast group is joined.
    AutoJoin,
    /// `no_track`: one that somebody removes is not put back, and its interface may be down.
    LetGo,
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
    /// `garp_interval` [0]: least time between two gratuitous ARPs on one interface.
    pub interval: Micros,
    /// `gna_interval` [0]: least time between two unsolicited neighbour advertisements on one interface.
    pub gna_interval: Micros,
    /// `garp_extra_if`: other interfaces than its own are told again and again; `None`: they are not.
    #[serde(default)]
    pub extra: Option<Extra>,
}

/// `garp_extra_if`: one address on each of these interfaces is announced once in every period, so that switches there go on
/// knowing where the hardware address is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Extra {
    /// The period, more than 0.
    pub every: Micros,
    /// Which interfaces.
    pub reach: Reach,
}

/// Interfaces that virtual addresses are on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reach {
    /// Those that are made for the instance.
    Made,
    /// `all`: any.
    All,
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
            gna_interval: Micros::ZERO,
            extra: None,
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

/// What the checksum of version 3 over IPv4 covers besides the advert.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Checksum {
    /// A pseudo-header, as keepalived and FRR send it.
    #[default]
    Pseudo,
    /// `v3_checksum_as_v2`: nothing (RFC 9568, 5.2.8).
    Plain,
    /// `old_unicast_checksum`: a pseudo-header with the multicast group as the destination, also to unicast peers; keepalived up
    /// to 1.3.5 sends it, and believes no other.
    Old,
    /// `old_unicast_checksum never`: as `Pseudo`, and that of the old releases is not believed.
    NeverOld,
}

/// One `vrrp_instance`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Its name in the file; unique.
    pub name: String,
    /// `virtual_router_id`
    pub vrid: Vrid,
    /// `interface`, `vrf`
    pub binding: Binding,
    /// `use_vmac`, `use_ipvlan`: what it runs on in place of `interface`, and upon that.
    pub device: Option<VirtualDevice>,
    /// `use_vmac_addr`: what its addresses on other interfaces are put on.
    pub more_devices: Vec<VirtualDevice>,
    /// `vmac_xmit_base`: adverts leave by `interface` all the same.
    pub vmac_xmit_base: bool,
    /// `accept`: what is sent to its addresses is not dropped.
    pub accept: bool,
    /// Family of its adverts: that of `virtual_ipaddress`.
    pub family: Family,
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
    /// `mcast_src_ip` or `unicast_src_ip`; `None`: first IPv4 address of the interface, or its
    /// link-local one.
    pub source: Option<IpAddr>,
    /// `heartbeat_paths`: where its adverts travel, too.
    pub heartbeat_paths: Vec<HeartbeatPath>,
    /// `virtual_ipaddress`, in the order of the file: on the wire and on the host.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: on the host only.
    pub excluded: Vec<VirtualAddress>,
    /// Gratuitous ARP timing.
    pub garp: Garp,
    /// `down_timer_adverts` [3]: adverts that may be missed, 1..=100.
    pub down_timer_adverts: u8,
    /// `timer_expired_backup`: the highest priority of the others, which take over that much sooner when it does not run;
    /// `None`: its own.
    pub timer_expired: Option<Priority>,
    /// `lower_prio_no_advert`: no reply to a lower-priority advert.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: one more advert before giving way.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`: an owner hears nobody (RFC 9568, 6.4.3).
    pub owner_ignore_adverts: bool,
    /// `v3_checksum_as_v2`, `old_unicast_checksum`
    pub checksum: Checksum,
    /// `skip_check_adv_addr`: a backup doesn't compare the addresses of an advert from the master that it knows.
    pub skip_check_adv_addr: bool,
    /// Whether `interface` itself is tracked (`dont_track_primary` off).
    pub track_primary: bool,
    /// `track_interface`, `track_script`, `track_file`, `track_process` and `track_bfd`, its group's included; each object
    /// once.
    pub tracks: Vec<Track>,
    /// `witness`: somebody else must answer before a silent master's place is taken.
    pub witness: bool,
    /// `fence`: a master that fell silent is switched off before its place is taken.
    pub fence: bool,
    /// `vip_lease`: the kernel takes an address back that this host doesn't renew.
    pub vip_lease: bool,
    /// `lvs_sync_catch_up`: for so long at most, from when it is BACKUP, it leaves a weaker master in peace whose connections may
    /// not be known here yet; 0: it does not.
    pub catch_up: Micros,
    /// Interfaces that its routes and rules go by, and static ones that it follows (`track_group`): without them it can't
    /// serve.
    pub needs: BTreeSet<String>,
}

/// Adverts that follow each other this soon renew a lease of one second in its first half.
const LEASE_SHORT: Micros = Micros(450_000);

/// How late a renewal may be: it waits a tenth of a second for others, and the host may be busy.
const LEASE_SLACK: Micros = Micros(400_000);

/// How long after the end of a lifetime the kernel may look for it, a quarter of a second, and what a busy host needs.
const LEASE_LATENESS: Micros = Micros(330_000);

impl Instance {
    /// The IPv4 group that the checksum of old releases covers: its own, or that of all routers.
    pub(crate) fn group4(&self) -> IpAddr {
        match self.transport {
            Transport::Multicast { group: IpAddr::V4(group) } => group.into(),
            Transport::Multicast { .. } | Transport::Unicast { .. } => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
        }
    }

    /// The addresses that `garp_extra_if` announces: the first on each interface that its adverts don't leave by.
    pub fn extra_addresses(&self) -> Vec<&VirtualAddress> {
        let Some(extra) = self.garp.extra else { return Vec::new() };
        let own = self.device.as_ref().map_or(self.binding.device(), |device| Some(device.name.as_str()));
        let mut first: Vec<&VirtualAddress> = Vec::new();
        for address in self.addresses.iter().chain(&self.excluded) {
            let made = self.devices().any(|device| device.name == address.device);
            let other = Some(address.device.as_str()) != own || self.vmac_xmit_base;
            let wanted = other && (made || extra.reach == Reach::All);
            if wanted && first.iter().all(|known| known.device != address.device) {
                first.push(address);
            }
        }
        first
    }

    /// For how many seconds the kernel holds an address of a master that renews it no more; `None`: for ever. It is gone
    /// a second after peers of the same priority take over at the latest, but for masters whose peers do so after less than
    /// a third of a second: the kernel counts in seconds. Where peers wait for fewer adverts than it takes from one renewal to
    /// the next it is later: a master that sends in time keeps its addresses.
    pub fn lease(&self) -> Option<u32> {
        const SECOND: Micros = Micros::from_secs(1);
        // Whatever peers do, a master that sends in time keeps its addresses: the longest time from one renewal to the next.
        let interval = self.advert_int.micros().0.max(1);
        let renewal = if interval < LEASE_SHORT.0 { LEASE_SHORT.0 } else { interval * SECOND.0.div_ceil(interval) };
        let least = Micros(renewal + LEASE_SLACK.0);
        let patience = timers::master_down(self.version, self.priority, self.advert_int, self.down_timer_adverts);
        let most = Micros(patience.0.saturating_add(SECOND.0).saturating_sub(LEASE_LATENESS.0));
        let seconds = (most.0 / SECOND.0).max(least.0.div_ceil(SECOND.0));
        self.vip_lease.then_some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
    }
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
