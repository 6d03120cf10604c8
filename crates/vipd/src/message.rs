//! What the processes tell each other. The supervisor is the hub: every role has one socket pair, and that is to the
//! supervisor. A role never reads another role's bytes, only values that the supervisor passed on.
//!
//! ```text
//!              Configure, Script, File, Process, Ping, Query, Stop     Transition, Snapshot, Beat, Status
//!   supervisor ------------------------------------------> vrrp   ----------------------------------------> supervisor
//!              Configure, Ran, Ping, Query, Stop           check        Verdicts, Run, Known, ...
//!              Configure, Verdicts, Ping, Query, Stop      director     News, Known, Snapshot, ...
//!              Configure, Mail, Ping, Reply, Stop          console      Request
//! ```

use crate::channel::json;
use crate::legacy::Legacy;
use crate::supervisor::RoleName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use vipd_api::{
    BfdStatus, CheckStatus, Event, GroupStatus, InstanceStatus, Order, PlaneStatus, Reply, Request, ScriptStatus,
    ServiceStatus, StaticStatus, UnixTime,
};
use vipd_config::discovery::{Lookup, Outcome};
use vipd_config::model::Config;
use vipd_lvs::settings::{MiscProbe, VirtualServerId};
use vipd_vrrp::router::Question;
use vipd_vrrp::track::Cause;

/// What must be known before a silent master's place is taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// `vrrp_instance`
    pub(crate) instance: String,
    /// The silent master and its priority, if one was ever heard.
    pub(crate) lost: Option<(IpAddr, u8)>,
    /// What is asked.
    pub(crate) question: Question,
}

/// From the supervisor to a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToRole {
    /// A piece of the configuration: first of all messages, and again when a reload changes the role's part. To every role.
    Configure(Box<Configure>),
    /// A tracked script has run. To vrrp.
    Script {
        /// Its name.
        name: String,
        /// What it gave.
        exit: Exit,
    },
    /// What a tracked file says. To vrrp.
    File {
        /// Its name.
        name: String,
        /// The number in it, 0 if there is none.
        value: i64,
    },
    /// What `FromRole::Sessions` said. To check.
    Sessions(Sessions),
    /// The names to ask for from now on, all of them, at once and whenever an answer is over. To check.
    Lookups(Vec<Lookup>),
    /// So many of a tracked process run. To vrrp.
    Process {
        /// Its name.
        name: String,
        /// How many.
        count: u32,
        /// Why it is another number than before.
        cause: Cause,
    },
    /// The answer to `FromRole::Run`. To check.
    Ran {
        /// The number of the request.
        id: u64,
        /// What it gave.
        exit: Exit,
    },
    /// What check found. To director.
    Verdicts(Vec<Verdict>),
    /// The answer to `FromRole::Ask`: whether the silent master's place may be taken, or why not. To vrrp.
    Cleared {
        /// `vrrp_instance`
        instance: String,
        /// What was asked.
        question: Question,
        /// What was found.
        verdict: Result<(), String>,
    },
    /// An operator's order; answer with `Steered`. To vrrp.
    Steer {
        /// Number for the answer.
        id: u64,
        /// What he wants.
        #[serde(with = "json")]
        order: Order,
    },
    /// A mail to send. To console.
    Mail {
        /// Without the `[router_id]` in front, which the console adds.
        subject: String,
        /// Text.
        body: String,
    },
    /// The answer to `FromRole::Request`. To console.
    Reply {
        /// The number of the request.
        id: u64,
        /// The answer.
        #[serde(with = "json")]
        reply: Box<Reply>,
    },
    /// Whether the instance that `lvs_sync_daemon` follows is MASTER. To director.
    Mastership(bool),
    /// Find out when the connections of a weaker master are known here, and say so with `FromRole::CaughtUp`. To director.
    CatchUp {
        /// `vrrp_instance`: who waits for that.
        instance: String,
        /// For how long.
        longest: Duration,
    },
    /// What `FromRole::CaughtUp` said. To vrrp.
    CaughtUp(String),
    /// What has happened since the last of these; the first has all that is kept. To console.
    Events {
        /// Whose numbers they have.
        boot: String,
        /// Since when these are counted.
        started: UnixTime,
        /// In order.
        events: Vec<Event>,
    },
    /// Tell your status with this number. To vrrp, check and director.
    Query(u64),
    /// Answer with `Beat`: whether the role's loop still turns.
    Ping(u64),
    /// Leave in order: give up what you hold, answer with `Done`, end.
    Stop,
}

/// The configuration for a role and what it needs to go on where its predecessor ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Configure {
    /// What differs.
    pub(crate) part: Part,
    /// The last `FromRole::Snapshot` of this role's predecessor, if it died; `None` at the first start and at a reload.
    pub(crate) snapshot: Option<Legacy>,
    /// What that predecessor's `FromRole::Known` said of the virtual servers in this piece.
    pub(crate) known: Known,
    /// When that predecessor was last known to run: `CLOCK_MONOTONIC`, microseconds.
    pub(crate) last_seen: u64,
    /// Options of the command line.
    pub(crate) options: RoleOptions,
}

/// BFD sessions by name, and whether they are up. One that never was isn't there: a check that follows it waits.
pub(crate) type Sessions = BTreeMap<String, bool>;

/// What a role knows of a virtual server, for its successor: opaque to the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KnownService {
    /// Of which.
    pub(crate) service: VirtualServerId,
    /// What it knew of it as a whole.
    pub(crate) whole: Legacy,
    /// What it has said of some of its real servers since.
    pub(crate) since: Vec<(SocketAddr, Legacy)>,
}

/// The same of some virtual servers.
pub(crate) type Known = Vec<KnownService>;

/// The same of some of the real servers of virtual servers.
pub(crate) type KnownServers = Vec<(VirtualServerId, Vec<(SocketAddr, Legacy)>)>;

/// A piece of a role's part of a configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The role's part as a whole; but of the virtual servers only some of those that are new or changed.
    pub(crate) config: Config,
    /// Virtual servers that are gone.
    pub(crate) removed: Vec<VirtualServerId>,
    /// Whether more pieces follow: with the last one the configuration is in force.
    pub(crate) more: bool,
}

/// Options of the command line that roles heed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RoleOptions {
    /// `-V`: leave the addresses at a stop.
    pub(crate) keep_addresses: bool,
    /// `-I`: leave the kernel's IPVS table at a stop.
    pub(crate) keep_ipvs: bool,
    /// `-B`: no BFD.
    pub(crate) no_bfd: bool,
    /// `-a`: log every change of an address.
    pub(crate) log_addresses: bool,
    /// Where the control socket is.
    pub(crate) socket: String,
}

/// From a role to the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum FromRole {
    /// The first `Configure` is in force.
    Ready,
    /// The answer to `Ping`; from vrrp with 0 without being asked, too.
    Beat(u64),
    /// What the role's successor needs to go on. Opaque to the supervisor, which keeps the last one.
    Snapshot(Legacy),
    /// The same of some virtual servers, each in place of what was said of it before. From check and director.
    Known(Known),
    /// The same of some real servers of these virtual servers. From check and director.
    KnownServers(KnownServers),
    /// An instance or a sync group changed. From vrrp.
    Transition(Transition),
    /// Something happened that the supervisor learns of in no other way. Its number is not given yet. From vrrp and check.
    Happened(Event),
    /// The BFD sessions that have been up; whenever one comes up, goes down or goes away. From vrrp.
    Sessions(Sessions),
    /// Run the program of this `MISC_CHECK` and answer with `Ran`. From check.
    Run {
        /// Number for the answer.
        id: u64,
        /// What: one that the configuration has, or it is not run.
        probe: MiscProbe,
    },
    /// What came of asking for a name. From check.
    Found {
        /// Which: one that the configuration has, or it counts for nothing.
        lookup: Lookup,
        /// The servers; or why they are not known.
        outcome: Outcome,
        /// When it is asked for again.
        again: Duration,
    },
    /// What the checks found, changes only; everything once at the start. From check.
    Verdicts(Vec<Verdict>),
    /// Checks that turned without their servers. From check.
    Turned(Vec<Turned>),
    /// What came and went, in order. From director.
    News(Vec<News>),
    /// This instance leaves a weaker master in peace until its connections are known here. From vrrp.
    CatchUp(String),
    /// The answer to `ToRole::CatchUp`, for this instance: they are, as far as can be told. From director.
    CaughtUp(String),
    /// The answer to `Query`.
    Status {
        /// Its number.
        id: u64,
        /// The role's part.
        part: Box<StatusPart>,
    },
    /// May the place of a silent master be taken? Answer with `Cleared`. From vrrp.
    Ask(Ask),
    /// The answer to `Steer`: what was done, or why not. From vrrp.
    Steered {
        /// Its number.
        id: u64,
        /// A sentence each.
        done: Result<Vec<String>, String>,
    },
    /// An operator asks. From console.
    Request {
        /// Number for the answer.
        id: u64,
        /// What.
        #[serde(with = "json")]
        request: Request,
        /// Whose the client is, if that is known.
        uid: Option<u32>,
    },
    /// `Stop` was carried out; the role ends now.
    Done,
}

impl FromRole {
    /// Whether a role may say this: one that was taken over by what it reads gains no other role's voice.
    pub(crate) fn may_come_from(&self, role: RoleName) -> bool {
        match self {
            FromRole::Ready | FromRole::Beat(_) | FromRole::Snapshot(_) | FromRole::Done => true,
            FromRole::CatchUp(_)
            | FromRole::Transition(_)
            | FromRole::Ask(_)
            | FromRole::Steered { .. }
            | FromRole::Sessions(_) => role == RoleName::Vrrp,
            FromRole::Happened(_) => matches!(role, RoleName::Vrrp | RoleName::Check),
            FromRole::Known(_) | FromRole::KnownServers(_) => matches!(role, RoleName::Check | RoleName::Director),
            FromRole::Run { .. } | FromRole::Found { .. } | FromRole::Verdicts(_) | FromRole::Turned(_) => {
                role == RoleName::Check
            }
            FromRole::News(_) | FromRole::CaughtUp(_) => role == RoleName::Director,
            FromRole::Request { .. } => role == RoleName::Console,
            FromRole::Status { part, .. } => match **part {
                StatusPart::Vrrp { .. } => role == RoleName::Vrrp,
                StatusPart::Check(_) => role == RoleName::Check,
                StatusPart::Director { .. } => role == RoleName::Director,
            },
        }
    }
}

/// What a role adds to the status.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum StatusPart {
    /// From vrrp.
    Vrrp {
        /// Virtual routers.
        instances: Vec<InstanceStatus>,
        /// Sync groups.
        groups: Vec<GroupStatus>,
        /// Tracked scripts.
        scripts: Vec<ScriptStatus>,
        /// VRRP packets for none of the instances, by reason.
        rejected: Vec<(String, u64)>,
        /// What is static.
        statics: StaticStatus,
        /// BFD sessions.
        bfd: Vec<BfdStatus>,
        /// BFD packets for no session that were not believed, by reason.
        bfd_rejected: Vec<(String, u64)>,
    },
    /// From check: the checks of each real server, to be joined with what the director tells.
    Check(Vec<(VirtualServerId, SocketAddr, Vec<CheckStatus>)>),
    /// From director.
    Director {
        /// The plane.
        plane: PlaneStatus,
        /// The services; their real servers' `checks` are empty.
        services: Vec<ServiceStatus>,
    },
}

/// Whether a real server passes its checks, and what weight they give it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// Whose.
    pub(crate) service: VirtualServerId,
    /// Which.
    pub(crate) address: SocketAddr,
    /// Whether every check passes.
    pub(crate) alive: bool,
    /// Weight asked for by dynamic checks instead of the configured one.
    pub(crate) weight: Option<u32>,
    /// Why.
    pub(crate) why: String,
    /// When it was found.
    pub(crate) at: UnixTime,
}

/// That a check of a real server passes now, or no longer, and the server is in use or not as before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Turned {
    /// Whose.
    pub(crate) service: VirtualServerId,
    /// Which.
    pub(crate) address: SocketAddr,
    /// `TCP_CHECK`, ...
    pub(crate) kind: String,
    /// Whether it passes now.
    pub(crate) up: bool,
    /// Why.
    pub(crate) why: String,
}

/// That a real server came or went, or a quorum.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct News {
    /// Whose, or which.
    pub(crate) service: VirtualServerId,
    /// What came or went.
    pub(crate) about: About,
    /// Whether it is there now.
    pub(crate) up: bool,
    /// Why.
    pub(crate) why: String,
}

impl News {
    /// Virtual servers, or real ones, that begin together, each with an event and a line of its own: more of them would drive out of the record
    /// what happened before, and are one event.
    pub(crate) const BEGIN_ALONE: usize = 64;

    /// Whether a virtual server, or a real one, begins well: nothing that anybody need be told one by one.
    pub(crate) fn begins(&self) -> bool {
        matches!(self.about, About::FirstQuorum | About::FirstServer(_)) && self.up
    }
}

/// What news are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum About {
    /// A real server: whether it is in use.
    RealServer(SocketAddr),
    /// A real server that is new, and in use from the start.
    FirstServer(SocketAddr),
    /// The quorum of a virtual server.
    Quorum,
    /// The quorum that a virtual server begins with, which is new.
    FirstQuorum,
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Exit {
    /// With this status.
    Status(u8),
    /// By this signal.
    Signal(i32),
    /// It had to be killed: the time was over.
    Timeout,
    /// It could not be started.
    Failed(String),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Status(0) => f.write_str("success"),
            Exit::Status(n) => write!(f, "exit status {n}"),
            Exit::Signal(n) => write!(f, "killed by signal {n}"),
            Exit::Timeout => f.write_str("timed out"),
            Exit::Failed(why) => write!(f, "could not be run: {why}"),
        }
    }
}

/// A change that scripts, FIFOs and mail tell of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Transition {
    /// Instance or group.
    pub(crate) subject: Subject,
    /// What happened.
    pub(crate) event: NotifyEvent,
    /// Priority in force; 0 for a group.
    pub(crate) priority: u8,
    /// Why.
    pub(crate) why: String,
    /// When.
    pub(crate) at: UnixTime,
}

/// Whom a transition is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// A `vrrp_instance`.
    Instance(String),
    /// A `vrrp_sync_group`.
    Group(String),
}

/// What scripts and FIFOs are told, in keepalived's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum NotifyEvent {
    /// `MASTER`
    Master,
    /// `BACKUP`
    Backup,
    /// `FAULT`
    Fault,
    /// `STOP`
    Stop,
    /// `DELETED`
    Deleted,
    /// `MASTER_RX_LOWER_PRI`
    MasterRxLowerPri,
    /// `MASTER_PRIORITY`
    MasterPriority,
    /// `BACKUP_PRIORITY`
    BackupPriority,
}

impl NotifyEvent {
    /// The word that scripts and FIFOs get.
    pub(crate) fn word(self) -> &'static str {
        match self {
            NotifyEvent::Master => "MASTER",
            NotifyEvent::Backup => "BACKUP",
            NotifyEvent::Fault => "FAULT",
            NotifyEvent::Stop => "STOP",
            NotifyEvent::Deleted => "DELETED",
            NotifyEvent::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
            NotifyEvent::MasterPriority => "MASTER_PRIORITY",
            NotifyEvent::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}
