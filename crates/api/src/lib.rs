//! What leaves the daemon: status, events and commands, as versioned types. No logic.
//!
//! The control socket speaks one JSON document a line: a `Request` in, a `Reply` out. `VERSION` rises when a field
//! changes its meaning or goes away; new fields may appear at any time.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Version of the types of this crate.
pub const VERSION: u32 = 1;

/// Where the control socket is unless told otherwise.
pub const SOCKET: &str = "/run/vipd/control.sock";

/// What an operator asks of the running daemon.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Everything that is known now.
    Status,
    /// Read the configuration again, and tell what came of it.
    Reload,
    /// The configuration in force, for a comparison.
    Config {
        /// A key used once: secrets are replaced by what it makes of them.
        nonce: String,
    },
    /// Give what this host is MASTER of to its peers, or take it back.
    Steer(Order),
    /// Drain, stop, weigh, add or remove real servers; answered by `Reply::Ordered`.
    Server(ServerOrder),
    /// What has happened; answered by `Reply::Events`.
    Events {
        /// What comes after that number; `None`: everything that is kept.
        #[serde(default)]
        since: Option<u64>,
        /// The `Item::Boot` that `since` counts from; with another one everything that is kept is told.
        #[serde(default)]
        boot: Option<String>,
        /// Whether more answers follow as more happens, until the connection is closed. Nothing else can be asked on it.
        #[serde(default)]
        follow: bool,
    },
}

/// What an operator wants of the virtual routers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// The instance or sync group of this name leaves MASTER to its peers, and whoever follows in peace.
    HandOver {
        /// Its name.
        name: String,
    },
    /// The instance or sync group of this name preempts again, as configured.
    TakeBack {
        /// Its name.
        name: String,
    },
    /// The host takes part in nothing until told otherwise.
    Maintenance,
    /// The end of it.
    Serve,
}

/// What an operator wants of real servers, beside what the file says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerOrder {
    /// The virtual server: its name as the status has it, or `ADDRESS:PORT`, or `all`.
    pub service: String,
    /// The real server: `ADDRESS:PORT`, or `ADDRESS` for all that it has.
    pub server: String,
    /// What is wanted.
    #[serde(flatten)]
    pub wish: ServerWish,
    /// Whether the next reload ends it.
    #[serde(default)]
    pub until_reload: bool,
}

/// What is wanted of a real server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum ServerWish {
    /// What the file says again.
    Ready,
    /// It keeps the connections that it has, and gets no new ones.
    Drain {
        /// After so many seconds it gets nothing any more.
        #[serde(default)]
        deadline: Option<u64>,
    },
    /// It gets nothing.
    Down,
    /// Another weight.
    Weight {
        /// 0 to 2147483647.
        weight: u32,
    },
    /// It is one of the virtual server's, too.
    Add {
        /// 0 to 2147483647; `None`: that of the one it is like.
        #[serde(default)]
        weight: Option<u32>,
        /// The real server that it is checked and reached like; `None`: the first.
        #[serde(default)]
        like: Option<String>,
    },
    /// It is none of the virtual server's any more.
    Remove,
}

/// An operator's order in force for a real server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OrderStatus {
    /// `drain`, `down`, `weight 5`, `removed`, `added`, or several: `added, weight 5, drain`.
    pub what: String,
    /// `drain`, `down`, `removed`, if it is one of these.
    pub duty: Option<String>,
    /// Whose it is.
    pub by: String,
    /// Since when.
    pub since: UnixTime,
    /// When a server that drains goes down, at the latest.
    pub deadline: Option<UnixTime>,
    /// Whether the next reload ends all of it.
    pub until_reload: bool,
}

/// The answer to a `Request`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `Request::Status`.
    Status(Box<Status>),
    /// To `Request::Reload`.
    Reload(Reloaded),
    /// To `Request::Config`.
    Config {
        /// JSON of the daemon's own types, which change from version to version: for the same program alone.
        config: String,
        /// What operators want beside its file, in the same manner: it is in `config` already.
        orders: String,
        /// The real servers that it has found, in the same manner: they are in `config`, too.
        #[serde(default)]
        found: String,
        /// How the daemon reads its file.
        reading: Reading,
    },
    /// To `Request::Steer`.
    Steered {
        /// What was done, a sentence each.
        done: Vec<String>,
    },
    /// To `Request::Server`.
    Ordered {
        /// What was done, a sentence each.
        done: Vec<String>,
        /// Of which servers: service and address, as the status has them.
        servers: Vec<(String, String)>,
    },
    /// To `Request::Events`: the first begins with `Item::Boot`, as does any after the numbers have begun anew.
    Events {
        /// In the order of their numbers.
        items: Vec<Item>,
    },
    /// The request could not be served: what was wrong and what to do.
    Error {
        /// One sentence.
        message: String,
    },
}

/// A piece of the stream of events.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum Item {
    /// Numbers count from 1 in this run of the daemon.
    Boot {
        /// Its name, which no other run has.
        boot: String,
        /// When it started.
        started: UnixTime,
    },
    /// These have happened and can no longer be told.
    Gap {
        /// The first number.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Something happened.
    Event(Event),
}

/// Something that happened.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: UnixTime,
    /// `daemon`, `role`, `reload`, `order`, `transition`, `priority`, `lower_priority`, `stall`, `tracker`, `address`, `route`,
    /// `rule`, `bfd`, `heartbeat`, `adverts`, `two masters`, `takeover`, `real_server`, `quorum`, `hook`; others may come.
    pub kind: String,
    /// To what, in the configuration's words: `vrrp_instance VI_1`
    pub subject: String,
    /// What: `MASTER`, `bad`, `exit status 1`
    pub what: String,
    /// Why.
    pub cause: String,
}

/// The options of the daemon's command line that say how its configuration is read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reading {
    /// `-i`
    pub config_id: Option<String>,
    /// `-e`
    pub include_checks_all: bool,
    /// `-s`, which stands above what the file says.
    pub net_namespace: Option<String>,
}

/// What came of reading the configuration again.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// The main file.
    pub file: String,
    /// Whether it is in force now; if not, the running configuration stays.
    pub taken: bool,
    /// What differs from before, a sentence each; none: the file means the same.
    pub changes: Vec<String>,
    /// How many more there are: no more than ten thousand are told.
    #[serde(default)]
    pub more_changes: usize,
    /// Warnings of the new configuration.
    pub warnings: usize,
    /// The findings, located, as `vipd check` prints them: errors if it was refused, else warnings.
    pub findings: String,
    /// Processes that had not taken it over when this was told.
    pub silent: Vec<String>,
    /// Seconds from the request to the last process that took it over.
    pub took: f64,
}

/// Seconds since 1970 (UTC), with a fraction.
pub type UnixTime = f64;

/// The state of the whole daemon.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// `VERSION`
    pub version: u32,
    /// Name and version of the program.
    pub program: String,
    /// `router_id`
    pub router_id: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// When it started.
    pub started: UnixTime,
    /// The configuration in force and the last attempt to change it.
    pub config: ConfigStatus,
    /// The processes.
    pub roles: Vec<RoleStatus>,
    /// The virtual routers.
    pub instances: Vec<InstanceStatus>,
    /// The sync groups.
    pub groups: Vec<GroupStatus>,
    /// The tracked scripts.
    pub scripts: Vec<ScriptStatus>,
    /// VRRP packets for none of the instances, by reason.
    #[serde(default)]
    pub vrrp_rejected: Vec<(String, u64)>,
    /// What is static.
    #[serde(default)]
    pub statics: StaticStatus,
    /// The BFD sessions.
    #[serde(default)]
    pub bfd: Vec<BfdStatus>,
    /// BFD packets for no session that were not believed, by reason.
    #[serde(default)]
    pub bfd_rejected: Vec<(String, u64)>,
    /// The notify scripts of each subject that had any to run.
    #[serde(default)]
    pub hooks: Vec<HookStatus>,
    /// The data plane; `None` if there are no virtual servers.
    pub plane: Option<PlaneStatus>,
    /// The virtual servers.
    pub services: Vec<ServiceStatus>,
}

/// The configuration in force.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The main file.
    pub file: String,
    /// When what is in force was loaded.
    pub loaded: UnixTime,
    /// Warnings of that load.
    pub warnings: usize,
    /// How many times it was reloaded.
    pub reloads: u64,
    /// The last reload that was refused, if nothing was loaded since.
    pub refused: Option<Refused>,
    /// When the next timed reload is due (`reload_time_file`), if there is one.
    pub next_reload: Option<UnixTime>,
}

/// A reload that was refused; the configuration before it stays in force.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Refused {
    /// When.
    pub at: UnixTime,
    /// The errors, located, as `vipd check` prints them.
    pub errors: String,
}

/// One process of the daemon.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RoleStatus {
    /// supervisor, vrrp, check, director, console
    pub name: String,
    /// Process id, 0 while it is not running.
    pub pid: u32,
    /// When this process started.
    pub started: UnixTime,
    /// How often the role was started again.
    pub restarts: u64,
    /// Why it was last started again.
    pub why: Option<String>,
}

/// One `vrrp_instance`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// MASTER, BACKUP, FAULT or INIT.
    pub state: String,
    /// Since when.
    pub since: UnixTime,
    /// Why it is in that state.
    pub why: String,
    /// Everything that is wrong now, if the state is FAULT.
    pub faults: Vec<String>,
    /// `virtual_router_id`
    pub vrid: u8,
    /// Protocol version.
    pub version: u8,
    /// Its interface; empty if it has none, which unicast can do without.
    pub interface: String,
    /// The VRF that it is in, if it has no interface.
    #[serde(default)]
    pub vrf: Option<String>,
    /// What is made for it upon interfaces; adverts and addresses are on the first one.
    #[serde(default)]
    pub devices: Vec<DeviceStatus>,
    /// Configured priority.
    pub base_priority: u8,
    /// Priority in force.
    pub priority: u8,
    /// Address of the master: our own while MASTER; `None` when none is heard, or believed, for longer than it may be silent.
    pub master: Option<IpAddr>,
    /// What the checksum of the last advert of version 3 over IPv4 covered: `with pseudo-header`, `without pseudo-header`, `with the
    /// multicast group in the pseudo-header`.
    #[serde(default)]
    pub checksum_heard: Option<String>,
    /// Priority of the last advert heard from it.
    pub master_priority: Option<u8>,
    /// The virtual addresses, advertised and excluded, with whether this host holds them.
    pub addresses: Vec<AddressStatus>,
    /// Its routes.
    #[serde(default)]
    pub routes: Vec<PathStatus>,
    /// Its rules.
    #[serde(default)]
    pub rules: Vec<PathStatus>,
    /// What it tracks.
    #[serde(default)]
    pub tracks: Vec<TrackStatus>,
    /// Another master of the same virtual router, which is to give way.
    #[serde(default)]
    pub second_master: Option<SecondMaster>,
    /// The operator handed it over (`vipd switchover`): it leaves whoever serves in peace until that is undone or it is MASTER again.
    #[serde(default)]
    pub handed_over: bool,
    /// As BACKUP that would be MASTER (it hears none, or a weaker one): what keeps it from that, a phrase each.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// As MASTER: its adverts don't leave by its own interface.
    #[serde(default)]
    pub unsent: Option<UnsentStatus>,
    /// With heartbeat paths: each way by which directors hear each other, the own interface first.
    #[serde(default)]
    pub heartbeats: Vec<HeartbeatStatus>,
    /// When the machine wants to be called again, in seconds from now, and why.
    pub next: Option<NextStatus>,
    /// Its sync group.
    pub group: Option<String>,
    /// Counters.
    pub counters: Counters,
    /// The last transitions, oldest first.
    pub history: Vec<TransitionStatus>,
}

/// A pending timer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NextStatus {
    /// Seconds from now.
    pub in_secs: f64,
    /// What for.
    pub why: String,
}

/// Something that an instance tracks, and what that does to it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TrackStatus {
    /// `interface`, `script`, `file`, `process` or `BFD session`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `good`, `bad` or `unknown`; of a file its value.
    pub state: String,
    /// Of a process: how many run.
    pub running: Option<u32>,
    /// What it adds to the priority.
    pub adds: i64,
    /// Whether it holds the instance in FAULT.
    pub fault: bool,
}

/// An interface that is made for an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its name.
    pub name: String,
    /// What it is made upon.
    pub base: String,
    /// Its hardware address, if that is its own: `00:00:5e:00:01:33`.
    pub mac: Option<String>,
}

/// Another master of a virtual router, seen by the one that stays.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SecondMaster {
    /// Where its adverts come from.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// When it was first heard.
    pub since: UnixTime,
    /// How many of its adverts were heard.
    pub adverts: u64,
}

/// Adverts of a MASTER that don't leave.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct UnsentStatus {
    /// Since when nothing leaves at all, or since when not every peer is reached.
    pub since: UnixTime,
    /// Why the last one did not: `Operation not permitted`
    pub why: String,
    /// Whether nothing leaves at all; else some of the unicast peers are reached.
    pub none_leaves: bool,
}

/// One way by which the directors of an instance hear each other.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HeartbeatStatus {
    /// The interface, and what else its line in `heartbeat_paths` says.
    pub path: String,
    /// When a master was last heard there.
    pub heard: Option<UnixTime>,
    /// Since when nothing is heard there, while the master is heard by another way.
    pub silent: Option<UnixTime>,
    /// Why it can't be used.
    pub problem: Option<String>,
    /// Adverts that were heard there.
    pub received: u64,
    /// Packets that left there.
    pub sent: u64,
    /// Packets that could not be sent there.
    pub unsent: u64,
    /// Packets that were not believed there.
    pub rejected: u64,
}

/// A virtual address.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AddressStatus {
    /// `address/prefix dev DEVICE`
    pub address: String,
    /// Whether the kernel of this host holds it.
    pub present: bool,
}

/// A route or a rule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PathStatus {
    /// As `ip route` and `ip rule` have it, as far as it differs from others.
    pub path: String,
    /// Whether the kernel of this host holds it.
    pub present: bool,
}

/// What is there for as long as the daemon runs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StaticStatus {
    /// `static_ipaddress`
    pub addresses: Vec<AddressStatus>,
    /// `static_routes`
    pub routes: Vec<PathStatus>,
    /// `static_rules`
    pub rules: Vec<PathStatus>,
    /// Routes and rules of these put back after somebody removed them.
    pub restored: u64,
}

/// A state change.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TransitionStatus {
    /// When.
    pub at: UnixTime,
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Why.
    pub why: String,
}

/// Counters of an instance.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Adverts accepted.
    pub adverts_received: u64,
    /// Adverts sent: what the kernel took, for one of the unicast peers at least.
    pub adverts_sent: u64,
    /// Of those, what did not leave for all unicast peers.
    #[serde(default)]
    pub adverts_partly_sent: u64,
    /// Adverts that left for nobody.
    #[serde(default)]
    pub adverts_unsent: u64,
    /// Times it became MASTER.
    pub became_master: u64,
    /// Times it left MASTER.
    pub released_master: u64,
    /// Priority-0 adverts received.
    pub priority_zero_received: u64,
    /// Priority-0 adverts sent.
    pub priority_zero_sent: u64,
    /// Addresses put back after somebody removed them.
    pub addresses_restored: u64,
    /// Routes and rules put back after somebody removed them.
    #[serde(default)]
    pub paths_restored: u64,
    /// Its own interfaces (`use_vmac`) made again after somebody removed or changed them.
    #[serde(default)]
    pub devices_restored: u64,
    /// Times it did not run for so long as MASTER that its backups may have taken over.
    #[serde(default)]
    pub stalled: u64,
    /// How often another host was seen to be master of the same virtual router at the same time.
    #[serde(default)]
    pub two_masters: u64,
    /// How long after its time an advert was sent at the most, in seconds.
    #[serde(default)]
    pub latest_advert_secs: f64,
    /// Packets that were not admitted, by reason.
    pub rejected: Vec<(String, u64)>,
}

/// One `vrrp_sync_group`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Its instances.
    pub members: Vec<String>,
}

/// One tracked `vrrp_script`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ScriptStatus {
    /// Its name.
    pub name: String,
    /// `good`, `bad` or `unknown`.
    pub state: String,
    /// What the last run gave.
    pub last: Option<String>,
}

/// The notify scripts of one subject: they run one at a time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HookStatus {
    /// `vrrp_instance VI_1`, `vrrp_sync_group G`, `virtual_server [192.0.2.1]:tcp:80`
    pub subject: String,
    /// The one that runs now.
    pub running: Option<HookRunning>,
    /// Events whose scripts wait, in the order in which they will run.
    pub waiting: Vec<String>,
    /// Events whose scripts never began: a newer one about the same thing came before that.
    pub superseded: u64,
    /// The last runs, oldest first.
    pub recent: Vec<HookRun>,
}

/// A notify script that runs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HookRunning {
    /// The event that it tells of: `MASTER`
    pub event: String,
    /// What the configuration says.
    pub script: String,
    /// Since when it runs.
    pub since: UnixTime,
}

/// A notify script that has run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HookRun {
    /// The event that it told of: `MASTER`
    pub event: String,
    /// What the configuration says.
    pub script: String,
    /// When it began.
    pub began: UnixTime,
    /// How long it ran, in seconds.
    pub took: f64,
    /// `success`, `exit status 3`, `killed by signal 9`, `timed out`, `could not be run: ...`
    pub ended: String,
    /// Whether that is success.
    pub well: bool,
}

/// One `bfd_instance`. Times in seconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct BfdStatus {
    /// Its name.
    pub name: String,
    /// `AdminDown`, `Down`, `Init` or `Up`; `UNKNOWN` while the vrrp role doesn't answer.
    pub state: String,
    /// Since when.
    pub since: UnixTime,
    /// Why it is in that state.
    pub why: String,
    /// `neighbor_ip`
    pub neighbour: Option<IpAddr>,
    /// `source_ip`
    pub source: Option<IpAddr>,
    /// `multihop`
    pub multihop: bool,
    /// The neighbour's state, as it says; `None` while it is not heard.
    pub peer_state: Option<String>,
    /// Why that changed the last time, as it says.
    pub peer_diagnostic: Option<String>,
    /// Our discriminator.
    pub discriminator: u32,
    /// The neighbour's discriminator.
    pub peer_discriminator: Option<u32>,
    /// How far apart we send at most; `None`: the neighbour wants nothing.
    pub interval: Option<f64>,
    /// How long the neighbour may be silent; `None` while it is not heard.
    pub detection_time: Option<f64>,
    /// Why we can't send, if so.
    pub problem: Option<String>,
    /// When the machine wants to be called again, in seconds from now, and why.
    pub next: Option<NextStatus>,
    /// Counters.
    pub counters: BfdCounters,
    /// The last transitions, oldest first.
    pub history: Vec<TransitionStatus>,
}

/// Counters of a BFD session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BfdCounters {
    /// Packets believed.
    pub packets_received: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets that could not be sent.
    pub packets_unsent: u64,
    /// Times it came up.
    pub became_up: u64,
    /// Times it left that state.
    pub left_up: u64,
    /// Packets that were not believed, by reason.
    pub rejected: Vec<(String, u64)>,
}

/// The data plane.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PlaneStatus {
    /// `ipvs` or `absent`.
    pub name: String,
    /// Version, or why there is none.
    pub detail: String,
    /// Edits that somebody else made and that were undone.
    pub foreign_edits: u64,
    /// Writes the kernel refused.
    pub failed_writes: u64,
}

/// One `virtual_server`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name: `[192.0.2.1]:tcp:80`.
    pub name: String,
    /// `tcp`, `udp`, `sctp`; `any` where marks decide.
    #[serde(default)]
    pub protocol: String,
    /// Scheduler.
    pub scheduler: String,
    /// `up` while it has its quorum, `down` while it hasn't; `unknown` while the director role doesn't answer.
    pub state: String,
    /// Weight of the servers that are alive.
    pub live_weight: u64,
    /// `quorum`
    pub quorum: u32,
    /// Whether the sorry server serves.
    pub sorry_active: bool,
    /// `sorry_server`
    pub sorry: Option<SocketAddr>,
    /// Connections counted by the plane.
    pub connections: u64,
    /// Packets counted by the plane, in and out.
    pub packets: (u64, u64),
    /// Bytes counted by the plane, in and out.
    pub bytes: (u64, u64),
    /// Its real servers; none while the state is `unknown`.
    pub real_servers: Vec<RealServerStatus>,
    /// Its real servers while the state is `unknown`.
    #[serde(default)]
    pub unknown_servers: Vec<UnknownServerStatus>,
    /// Those that an operator has removed.
    #[serde(default)]
    pub removed_servers: Vec<RemovedServerStatus>,
    /// Where real servers are found besides.
    #[serde(default)]
    pub found_at: Vec<PlaceStatus>,
}

/// A place where real servers of a virtual server are found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PlaceStatus {
    /// `file /etc/vipd/web.servers`, `DNS A web.example.org`
    pub from: String,
    /// How many are known.
    pub servers: usize,
    /// When it was last known what it says: an answer of a name server, a change of a file. `None`: never.
    pub seen: Option<UnixTime>,
    /// When a name server is asked again.
    pub next_look: Option<UnixTime>,
    /// What is known may be old.
    pub stale: Option<StaleStatus>,
}

/// Since when a place has said nothing that could be taken.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StaleStatus {
    /// Since then.
    pub since: UnixTime,
    /// Why.
    pub why: String,
}

/// Where a real server was found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FoundStatus {
    /// `file /etc/vipd/web.servers`, `DNS A web.example.org`
    pub from: String,
    /// When it was found there first.
    pub since: UnixTime,
}

/// One `real_server`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RealServerStatus {
    /// Address and port.
    pub address: String,
    /// NAT, DR or TUN.
    pub forwarding: String,
    /// Whether every check of it passes.
    pub alive: bool,
    /// Since when.
    pub since: UnixTime,
    /// Why it is up or down.
    pub why: String,
    /// Weight in force: what the plane holds; `None` if it is not in the plane. While a slow start is under way, weights of a
    /// virtual server are multiplied in the plane: here they are as the configuration counts, rounded up.
    pub weight: Option<u32>,
    /// The share of its weight that it has by now, in hundredths, while its slow start is under way.
    #[serde(default)]
    pub slow_start: Option<u32>,
    /// `weight`
    pub configured_weight: u32,
    /// Connections established, as the plane counts them.
    pub active_connections: u64,
    /// Connections closing.
    pub inactive_connections: u64,
    /// Connections since the server was added.
    pub connections: u64,
    /// What an operator wants of it beside what the file says.
    #[serde(default)]
    pub order: Option<OrderStatus>,
    /// Where it was found, if the file itself does not have it.
    #[serde(default)]
    pub found: Option<FoundStatus>,
    /// Its checks.
    pub checks: Vec<CheckStatus>,
}

/// A real server that the file has and an operator has removed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RemovedServerStatus {
    /// Address and port.
    pub address: String,
    /// By whom, and since when.
    pub order: OrderStatus,
}

/// One `real_server` of which nobody can say now whether it is in use.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct UnknownServerStatus {
    /// Address and port.
    pub address: String,
    /// NAT, DR or TUN.
    pub forwarding: String,
    /// Why nobody can say.
    pub why: String,
    /// `weight`
    pub configured_weight: u32,
    /// Its checks, which go on all the same.
    pub checks: Vec<CheckStatus>,
}

/// One check of a real server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CheckStatus {
    /// `TCP_CHECK`, ...
    pub kind: String,
    /// Whether it counts as passing.
    pub up: bool,
    /// When it last ran; `None` if it has not.
    pub last_run: Option<UnixTime>,
    /// What the last run gave.
    pub last: String,
    /// How long it took, in seconds.
    pub took: f64,
    /// Retries left before it counts as failing.
    pub retries_left: u32,
    /// Why it does not run, if it is suspended: what was found before stands.
    #[serde(default)]
    pub suspended: Option<String>,
}
