//! The states of a virtual router, each with its data, and what is told and counted of them.

use crate::track::Fault;
use crate::units::{Centis, Instant, Micros, Priority};
use alloc::collections::BTreeSet;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Whom we hear as master.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heard {
    /// Its address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// When its last advert came.
    pub at: Instant,
    /// The interval that it said.
    pub interval: Centis,
    /// What it counted that advert as (`Admitted::number`).
    #[serde(default)]
    pub number: Option<u16>,
}

/// Listening.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Backup {
    /// When the master counts as gone.
    pub down: Instant,
    /// `preempt_delay`: from when on lower priorities are no longer accepted; set by the first lower advert.
    pub hold: Option<Instant>,
    /// The master, once heard.
    pub heard: Option<Heard>,
    /// The master-down interval is over, but a sibling is not ready.
    pub wants_master: bool,
    /// It came so late to the end of the master-down interval that it listens for another advert before it acts on it.
    #[serde(default)]
    pub overslept: bool,
    /// Whether it may take the place of a master that is silent.
    #[serde(default)]
    pub clearance: Clearance,
    /// Before this nobody is asked again whether it may.
    #[serde(default)]
    pub ask_from: Instant,
    /// Since when it has given way to a master that it hears by a heartbeat path alone: what that one announces does not reach
    /// whoever asks by this interface, and there this one was the master.
    #[serde(default)]
    pub unheard: Option<Instant>,
    /// Whether it leaves a weaker master in peace as yet.
    #[serde(default)]
    pub catch_up: CatchUp,
}

/// Whether the connections that go through a weaker master are known here, so that its place may be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum CatchUp {
    /// They are, or that matters no more.
    #[default]
    Over,
    /// Nobody was asked.
    Unasked {
        /// It matters until then.
        until: Instant,
    },
    /// It is being found out.
    Asked {
        /// It matters until then.
        until: Instant,
    },
}

/// Whether a silent master's place may be taken: its witness answers and it is fenced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Clearance {
    /// Nobody was asked.
    #[default]
    Unasked,
    /// The answer to this is awaited.
    Asked(Question),
    /// The witness answers.
    Witnessed,
    /// It may.
    Given,
}

/// What is asked before a silent master's place is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Question {
    /// Does the witness answer?
    Witness,
    /// Was the silent master fenced? Asked when the witnesses of all siblings answer: who has lost the network itself fences
    /// nobody.
    Fence,
}

/// Serving.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Master {
    /// When the next advert is due. Nothing that is received ever moves it.
    pub next_advert: Instant,
    /// When the second block of gratuitous ARP is due.
    pub announce_delayed: Option<Instant>,
    /// When the next refreshing block is due.
    pub announce_refresh: Option<Instant>,
    /// When the block after a lower-priority advert is due.
    pub announce_lower: Option<Instant>,
    /// When other interfaces are told again (`garp_extra_if`).
    #[serde(default)]
    pub announce_extra: Option<Instant>,
    /// Before this no lower-priority advert is answered again.
    pub reply_after: Instant,
    /// It did not run for so long that its backups may have taken over: until this time it listens and sends nothing.
    #[serde(default)]
    pub listening: Option<Listening>,
    /// When the advert was due with which the leases of its addresses were last renewed.
    #[serde(default)]
    pub renewed: Instant,
    /// The stronger master that fell silent, if that is why it serves: when that one is heard again there have been two.
    #[serde(default)]
    pub lost: Option<Heard>,
    /// The one that had left, or was weaker, when it took its place: should that one have served since, there have been two.
    #[serde(default)]
    pub left: Option<Heard>,
    /// Another master that is to give way and has not yet, or not for long.
    #[serde(default)]
    pub contest: Option<Contest>,
    /// Before this nothing is told of a further contest: a stranger's adverts must not have notify scripts run all the time.
    #[serde(default)]
    pub peace_until: Instant,
}

/// Two masters, seen by the one that stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contest {
    /// The other one, and when it was last heard.
    pub other: Heard,
    /// When it was first heard.
    pub since: Instant,
    /// How many adverts of it were heard.
    pub adverts: u64,
    /// It went on when it had had time to hear this one. Else it may have been its last word.
    #[serde(default)]
    pub goes_on: bool,
    /// That was told.
    #[serde(default)]
    pub told: bool,
}

/// A master that did not run for a while listens for one interval: who has taken over meanwhile is heard in that time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listening {
    /// For how long it had sent nothing.
    pub silent: Micros,
    /// When it sends again if nobody was heard.
    pub until: Instant,
}

/// What is wrong: never empty, so a FAULT without a reason can't be written down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// The faults, unless there are none.
    pub fn new(faults: BTreeSet<Fault>) -> Option<Faults> {
        (!faults.is_empty()).then_some(Faults(faults))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if i > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// The state of a virtual router (RFC 9568, 6.3; FAULT and the awaiting INIT are the original's additions).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Not listening yet: of something that is tracked nothing is known.
    Init,
    /// Listening.
    Backup(Backup),
    /// Serving.
    Master(Master),
    /// Something is wrong here: sends nothing, hears nothing.
    Fault(Faults),
    /// Given up for good.
    Stopped,
}

impl State {
    /// The operator's word for it.
    pub fn name(&self) -> Name {
        match self {
            State::Init => Name::Init,
            State::Backup(_) => Name::Backup,
            State::Master(_) => Name::Master,
            State::Fault(_) => Name::Fault,
            State::Stopped => Name::Stop,
        }
    }

    /// The master that a backup has heard last.
    pub(crate) fn master(&self) -> Option<IpAddr> {
        match self {
            State::Backup(backup) => backup.heard.map(|heard| heard.address),
            State::Init | State::Master(_) | State::Fault(_) | State::Stopped => None,
        }
    }
}

/// The states without their data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the words of the field
pub enum Name {
    Init,
    Backup,
    Master,
    Fault,
    Stop,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Name::Init => "INIT",
            Name::Backup => "BACKUP",
            Name::Master => "MASTER",
            Name::Fault => "FAULT",
            Name::Stop => "STOP",
        })
    }
}

/// A recorded change of state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// From.
    pub from: Name,
    /// To.
    pub to: Name,
    /// Why.
    pub why: String,
}

/// What a router counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // each says what it counts
pub struct Counters {
    pub adverts_received: u64,
    /// What the kernel took: an advert to several unicast peers counts once, when it has left for one of them at least.
    pub adverts_sent: u64,
    /// Of those, what did not leave for all unicast peers.
    #[serde(default)]
    pub adverts_partly_sent: u64,
    /// Adverts that left for nobody.
    #[serde(default)]
    pub adverts_unsent: u64,
    pub became_master: u64,
    pub released_master: u64,
    pub priority_zero_received: u64,
    pub priority_zero_sent: u64,
    /// How often it did not run for so long as MASTER that its backups may have taken over.
    #[serde(default)]
    pub stalled: u64,
    /// How often another host was master of the same virtual router at the same time.
    #[serde(default)]
    pub two_masters: u64,
    /// How long after its time an advert was sent at the most.
    #[serde(default)]
    pub latest_advert: Micros,
}

impl Master {
    pub(super) fn new(next_advert: Instant) -> Master {
        Master {
            next_advert,
            announce_delayed: None,
            announce_refresh: None,
            announce_lower: None,
            announce_extra: None,
            reply_after: Instant(0),
            listening: None,
            renewed: Instant(0),
            lost: None,
            left: None,
            contest: None,
            peace_until: Instant(0),
        }
    }
}
