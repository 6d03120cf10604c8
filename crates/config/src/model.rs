//! `Config`: what a file means once everything is expanded, checked and defaulted. The daemon acts on this and on
//! nothing else; it crosses process borders as JSON.

use crate::discovery::Discovery;
use crate::routing::{Route, Rule};
use crate::setting::{self, Setting};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use vipd_bfd::settings as bfd;
use vipd_lvs::settings::{VirtualServer, VirtualServerId};
use vipd_vrrp::settings as vrrp;

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Config {
    /// `global_defs`
    pub global: Global,
    /// `vrrp_instance`s in the order of the file; names unique.
    pub instances: Vec<Instance>,
    /// `vrrp_sync_group`s; an instance is in one at most.
    pub groups: Vec<SyncGroup>,
    /// `vrrp_script`s that an instance or group tracks.
    pub scripts: Vec<TrackedScript>,
    /// `track_file`s that an instance, a group or a check follows.
    pub files: Vec<TrackedFile>,
    /// `vrrp_track_process`es that an instance or group tracks.
    pub processes: Vec<TrackedProcess>,
    /// What is there while the daemon runs.
    pub statics: Statics,
    /// `bfd_instance`s in the order of the file; names unique.
    pub bfd: Vec<bfd::Instance>,
    /// What the file says of interfaces of the host, by their names.
    pub interfaces: BTreeMap<String, Interface>,
    /// `SSL`
    pub tls: Tls,
    /// `garp_group`s in the order of the file; an interface is in one at most.
    pub garp_groups: Vec<GarpGroup>,
    /// `virtual_server`s in the order of the file; ids unique. Those that a reload leaves alone are shared with the
    /// configuration before.
    pub services: Vec<Arc<Service>>,
    /// The file as it is written, every value typed, if `Options::written` asks for it: what [`Config::idle`] and
    /// `vipd config` show. The roles don't get it.
    #[serde(skip)]
    pub written: Vec<Setting>,
}

/// `SSL`: how `SSL_GET` shows itself to servers, and whom it believes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tls {
    /// `certificate` and `key`
    pub identity: Option<TlsIdentity>,
    /// `ca`: the authorities that `tls_verify` believes; `None`: those of the system.
    pub ca: Option<PathBuf>,
}

/// A client's certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TlsIdentity {
    /// The file with it, and with those that lead to its authority (PEM).
    pub certificates: String,
    /// Its private key.
    pub key: TlsKey,
}

/// A file with a private key (PEM).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsKey(pub String);

/// What is printed ends in logs.
impl std::fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsKey(<hidden>)")
    }
}

/// `global_defs`, as far as it outlives the lowering (defaults for other blocks are already in them).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`; the host name if absent.
    pub router_id: String,
    /// Where mail goes; `None` if nobody is to be told.
    pub mail: Option<Mail>,
    /// `notify_fifo`: every event.
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`
    pub vrrp_fifo: Option<Fifo>,
    /// `lvs_notify_fifo`
    pub lvs_fifo: Option<Fifo>,
    /// `startup_script`
    pub startup: Option<TimedCommand>,
    /// `shutdown_script`
    pub shutdown: Option<TimedCommand>,
    /// `notify_timeout`: how long a notify script may run, and at a stop all of them; `None`: as the daemon sees fit.
    pub notify_timeout: Option<Duration>,
    /// `net_namespace`, or option `-s`.
    pub net_namespace: Option<String>,
    /// `net_namespace_ipvs`: where the director works; `None`: where the daemon does.
    pub ipvs_namespace: Option<Namespace>,
    /// `lvs_flush`: clear the kernel's table at start.
    pub lvs_flush: bool,
    /// `lvs_flush_on_stop`: what a stop takes out of the kernel's table.
    pub lvs_flush_on_stop: Leaving,
    /// `lvs_timeouts`: TCP, TCP FIN, UDP, in seconds; 0 leaves the kernel's value.
    pub lvs_timeouts: Option<(u32, u32, u32)>,
    /// `lvs_sync_daemon`
    pub sync_daemon: Option<SyncDaemon>,
    /// `nftables`, `nftables_priority`, `nftables_counters`
    pub firewall: Firewall,
    /// `vrrp_startup_delay`: so long after the daemon's start nobody listens for a master.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: the same after that of the host.
    pub delay_after_boot: Duration,
    /// `umask`: what is not allowed in the mode of a file that is made; `None`: as the daemon sees fit.
    pub umask: Option<u32>,
    /// `no_email_faults`: no mail tells of FAULT.
    pub no_fault_mail: bool,
    /// `no_checker_emails`: no mail tells of checks by which a real server neither comes nor goes.
    pub no_checker_mail: bool,
    /// `rs_init_notifies`: scripts and FIFOs are told of real servers that are in use from the start.
    pub rs_init_notifies: bool,
    /// `fifo_write_vrrp_states_on_reload`: the FIFOs are told all states once more after a reload.
    pub fifo_states_on_reload: bool,
    /// `log_unknown_vrids`: adverts for none of the instances are logged.
    pub log_unknown_vrids: bool,
    /// `reload_time_file`, `reload_repeat`: a reload at a time that a file says.
    pub reload_time: Option<TimeFile>,
    /// `reload_file`: there while a reload reads the configuration; a relative name is beside the daemon's pid file.
    pub reload_file: Option<PathBuf>,
    /// `reload_check_config FILE`: where the findings of a reload are written.
    pub reload_findings: Option<PathBuf>,
    /// What the daemon's processes are to be.
    pub process: Processes,
}

/// What the file says of processes, by what they are for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Processes {
    /// `process_name`: of the supervisor.
    pub name: Option<String>,
    /// `vrrp_*`
    pub vrrp: Process,
    /// `checker_*`
    pub checker: Process,
    /// `checker_no_swap`: its memory stays.
    pub checker_no_swap: bool,
    /// `bfd_*`; it has no name.
    pub bfd: Process,
}

/// What a process is to be; `None` or nothing: as the daemon sees fit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// `*_process_name`, or what `process_names` gives it.
    pub name: Option<String>,
    /// `*_priority`: its nice value, -20 to 19.
    pub nice: Option<i8>,
    /// `*_rt_priority`: its priority in real time, 1 to 99.
    pub real_time: Option<u8>,
    /// `*_cpu_affinity`: the processors that it runs on.
    pub cpus: BTreeSet<u16>,
    /// `*_rlimit_rttime`: microseconds that it may run in real time without waiting for anything.
    pub real_time_limit: Option<u32>,
}

/// What a stop takes out of the kernel's table, and so what `omega` tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Leaving {
    /// Our own services, server by server.
    #[default]
    Servers,
    /// Our own services as they are: nobody is told of their servers.
    Services,
    /// Everything, whoever put it there: nobody is told of servers.
    Everything,
}

/// The kernel's daemon that tells other directors of connections, or hears of theirs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// Its interface.
    pub interface: String,
    /// `inst`: the instance that it follows, telling while MASTER and hearing else; `None`: both run.
    pub instance: Option<String>,
    /// `id`: that of the instance unless given, else 0.
    pub id: u8,
    /// `maxlen` in bytes; `None`: as the kernel sees fit, and so below.
    pub max_length: Option<u16>,
    /// `port`
    pub port: Option<u16>,
    /// `ttl`
    pub ttl: Option<u8>,
    /// `group`
    pub group: Option<IpAddr>,
}

/// A network namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Namespace {
    /// That of the host's first process.
    Default,
    /// That of this name, as `ip netns` has it.
    Named(String),
}

/// The table of the packet filter that is ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Firewall {
    /// Its name in both families, at most 254 bytes.
    pub table: String,
    /// When its chains are called: those with the lower number first; 0 is the usual filter's.
    pub priority: i32,
    /// Whether what is dropped is counted.
    pub counters: bool,
}

impl Default for Firewall {
    fn default() -> Firewall {
        Firewall { table: "vipd".to_owned(), priority: -1, counters: false }
    }
}

/// A file that says when to reload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimeFile {
    /// Its path.
    pub path: PathBuf,
    /// What becomes of it when the time has come.
    pub after: AfterUse,
}

/// What becomes of a file that was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AfterUse {
    /// It is removed.
    Removed,
    /// `reload_repeat`: one without a date stays.
    Kept,
}

/// Mail settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// `notification_email`: the recipients, at least one.
    pub to: Vec<String>,
    /// `notification_email_from`
    pub from: String,
    /// `smtp_server`; port 25 unless given.
    pub server: SocketAddr,
    /// `smtp_helo_name`; the local host name if absent.
    pub helo: Option<String>,
    /// `smtp_connect_timeout`
    pub connect_timeout: Duration,
}

/// A named pipe that events are written to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fifo {
    /// Its path.
    pub path: PathBuf,
    /// `*_fifo_script`: started with the path appended.
    pub script: Option<Command>,
    /// Owner of the pipe (`*_fifo NAME USER [GROUP]`).
    pub uid: u32,
    /// Group of the pipe.
    pub gid: u32,
}

/// A program to run: argument vector (never empty; the program's path is absolute and was checked) and its user.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Command {
    /// What the configuration says, for people.
    pub text: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// A program with the time that it gets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimedCommand {
    /// What to run.
    pub command: Command,
    /// For so long at most.
    pub timeout: Duration,
}

/// Notify scripts of an instance or a group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Notify {
    /// `notify_master`
    pub master: Option<Command>,
    /// `notify_backup`
    pub backup: Option<Command>,
    /// `notify_fault`
    pub fault: Option<Command>,
    /// `notify_stop`
    pub stop: Option<Command>,
    /// `notify_deleted`'s script.
    pub deleted: Option<Command>,
    /// `notify_deleted`, with or without a script: removal by a reload is told as DELETED, else as FAULT.
    pub tell_deleted: bool,
    /// `notify_master_rx_lower_pri`
    pub master_rx_lower_pri: Option<Command>,
    /// `notify`: four words appended.
    pub any: Option<Command>,
    /// `notify_priority_changes`
    pub priority_changes: bool,
    /// `smtp_alert`, its global defaults applied.
    pub smtp_alert: bool,
}

/// What this host has for as long as the daemon runs, whoever is MASTER.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Statics {
    /// `static_ipaddress`
    pub addresses: Vec<vrrp::VirtualAddress>,
    /// `static_routes`
    pub routes: Vec<Route>,
    /// `static_rules`
    pub rules: Vec<Rule>,
}

impl Statics {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.routes.is_empty() && self.rules.is_empty()
    }
}

/// An interface of the host, whoever uses it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Interface {
    /// `linkbeat_interfaces`, `linkbeat_use_polling`: its driver is asked whether it has a carrier.
    pub linkbeat: Option<Linkbeat>,
    /// `interface_up_down_delays`: for how long it must be down before it counts as down; `None`: a moment.
    pub down_delay: Option<Duration>,
    /// The same for up, once it has been up.
    pub up_delay: Duration,
}

/// Which way of asking an interface's driver for its carrier comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Linkbeat {
    /// `MII`, and unless the file says otherwise: the registers of its PHY.
    Mii,
    /// `ETHTOOL`: what the driver says of its link.
    Ethtool,
    /// `IOCTL`: the flags alone.
    Ioctl,
}

/// `garp_group`: interfaces that share one pace of announcements.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GarpGroup {
    /// `interface`, `interfaces`
    pub interfaces: BTreeSet<String>,
    /// `garp_interval`: the least time between two gratuitous ARPs; zero: none.
    pub garp_interval: Duration,
    /// `gna_interval`: the same for unsolicited neighbour advertisements.
    pub gna_interval: Duration,
}

/// A `vrrp_instance` with what is not the protocol's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// The protocol's part.
    pub vrrp: vrrp::Instance,
    /// `virtual_routes`: there while it is MASTER.
    pub routes: Vec<Route>,
    /// `virtual_rules`
    pub rules: Vec<Rule>,
    /// `track_src_ip`: without its `source` on this host it is in FAULT.
    pub track_source: bool,
    /// `promote_secondaries`: the interface keeps an address's siblings when the first one goes.
    pub promote_secondaries: bool,
    /// Who is told.
    pub notify: Notify,
    /// Who is asked before a silent master's place is taken.
    pub takeover: Takeover,
}

/// What must be so before an instance takes the place of a master that fell silent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Takeover {
    /// `witness`, `witness_port`: who must answer. The port: of TCP; without one it is pinged.
    pub witness: Option<(IpAddr, Option<u16>)>,
    /// `witness_bfd`: the session that must be up.
    pub session: Option<String>,
    /// `witness_timeout`
    pub patience: Duration,
    /// `fence`, `fence_timeout`
    pub fence: Option<TimedCommand>,
}

/// A `vrrp_sync_group` with what is not the protocol's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncGroup {
    /// The protocol's part.
    pub vrrp: vrrp::SyncGroup,
    /// Who is told.
    pub notify: Notify,
}

/// A `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackedScript {
    /// Name, rise and fall.
    pub vrrp: vrrp::Script,
    /// What to run.
    pub command: Command,
    /// `interval`, start to start.
    pub interval: Duration,
    /// `timeout`, else `interval`.
    pub timeout: Duration,
}

/// A `track_file`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackedFile {
    /// Its name; unique.
    pub name: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// `init_file`: what it holds when the daemon has started.
    pub init: Option<InitFile>,
}

/// What a tracked file holds at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InitFile {
    /// The number in it.
    pub value: i64,
    /// Whether that is written where there is a file already.
    pub overwrite: Overwrite,
}

/// Whether a file that is there is written anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Overwrite {
    /// No.
    Never,
    /// `overwrite`
    Always,
}

/// A `vrrp_track_process`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackedProcess {
    /// Name, quorum and delays.
    pub vrrp: vrrp::Process,
    /// The process to look for.
    pub process: String,
    /// Its parameters.
    pub parameters: Vec<String>,
    /// How it is found.
    pub matching: ProcessMatch,
}

/// How a tracked process is known among all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ProcessMatch {
    /// By the name that the kernel has for it (`/proc/PID/comm`).
    Name,
    /// `full_command`: by the first word of its command line.
    Program,
    /// By that and all its parameters.
    Exact,
    /// `param_match partial`: by that and its first parameters.
    Partial,
    /// `param_match initial`: the same, and the last of these may go on.
    Initial,
}

/// A `virtual_server` with what is not the director's decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Service {
    /// The director's part.
    pub lvs: VirtualServer,
    /// `quorum_up`
    pub quorum_up: Option<Command>,
    /// `quorum_down`
    pub quorum_down: Option<Command>,
    /// `smtp_alert`
    pub smtp_alert: bool,
    /// Who is told of the real servers, by their address, where that is not `ServerNotify::default()`.
    #[serde(with = "pairs")]
    pub servers: BTreeMap<SocketAddr, ServerNotify>,
    /// `servers_from_file`, `servers_from_dns`: where further ones are found; each place once.
    #[serde(default)]
    pub discoveries: Vec<Discovery>,
}

/// Who is told of one real server; mail is sent unless the file says otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerNotify {
    /// `notify_up`
    pub up: Option<Command>,
    /// `notify_down`
    pub down: Option<Command>,
    /// `smtp_alert`
    pub smtp_alert: bool,
}

impl Default for ServerNotify {
    fn default() -> ServerNotify {
        ServerNotify { up: None, down: None, smtp_alert: true }
    }
}

impl Service {
    /// Who is told of a real server.
    pub fn told_of(&self, address: SocketAddr) -> ServerNotify {
        self.servers.get(&address).cloned().unwrap_or_default()
    }
}

impl Config {
    /// The instance of that name.
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|i| i.vrrp.name == name)
    }

    /// The service of that id.
    pub fn service(&self, id: &VirtualServerId) -> Option<&Service> {
        self.services.iter().find(|s| &s.lvs.id == id).map(Arc::as_ref)
    }

    /// What no role acts on yet, each with the blocks around it: `vrrp_instance VI_1 / virtual_rules`.
    pub fn idle(&self) -> Vec<(String, &Setting)> {
        setting::idle(&self.written)
    }

    /// Every address that some instance may put on this host.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.instances.iter().flat_map(|i| i.vrrp.addresses.iter().chain(&i.vrrp.excluded)).map(|a| a.address)
    }
}

/// JSON has no maps keyed by addresses: a list of pairs.
mod pairs {
    use super::{BTreeMap, ServerNotify, SocketAddr};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<SocketAddr, ServerNotify>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<SocketAddr, ServerNotify>, D::Error> {
        Ok(Vec::<(SocketAddr, ServerNotify)>::deserialize(d)?.into_iter().collect())
    }
}
