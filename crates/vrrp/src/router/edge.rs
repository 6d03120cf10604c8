//! What a virtual router wants done, why it wants to be called, and what it asks of its siblings.

use super::{Contest, Failure, Heard, Question, Transition, Unsent};
use crate::packet::Advert;
use crate::settings::Way;
use crate::trailer::Stamp;
use crate::units::{Instant, Micros, Priority};
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;

/// Why a router wants to be called at a certain time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// The master counts as gone.
    MasterDown,
    /// A weaker master has served long enough.
    Preempts,
    /// An advert is due.
    Advert,
    /// A master that did not run for a while has listened long enough.
    Listening,
    /// The second block of gratuitous ARP.
    AnnounceDelayed,
    /// A refreshing block of gratuitous ARP.
    AnnounceRefresh,
    /// The block after a lower-priority advert.
    AnnounceLower,
    /// Other interfaces are told again.
    AnnounceExtra,
    /// A second master was not heard for so long that it is one no more.
    Healed,
    /// By one way nothing was heard for so long, while another way is heard.
    Silence,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::MasterDown => "the master counts as gone",
            Timer::Preempts => "it takes over from a weaker master",
            Timer::Advert => "the next advert is due",
            Timer::Listening => "nobody else was heard after a stall",
            Timer::AnnounceDelayed => "the second block of gratuitous ARP is due",
            Timer::AnnounceRefresh => "gratuitous ARP is refreshed",
            Timer::AnnounceLower => "gratuitous ARP follows a lower-priority advert",
            Timer::AnnounceExtra => "other interfaces are told again",
            Timer::Healed => "the second master counts as gone",
            Timer::Silence => "a heartbeat path counts as silent",
        })
    }
}

/// An edge that a router wants carried out, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edge {
    /// Send this advert. `sequence`: for the authentication header. What becomes of it is to be told to `Node::sent`.
    Send {
        /// What.
        advert: Advert,
        /// Its place among those we sent, with `Auth::Ah` and `Auth::Hmac`.
        sequence: Option<Sequence>,
    },
    /// Announce the addresses by so many gratuitous ARPs each.
    Announce {
        /// How many.
        repeat: u32,
    },
    /// Announce the addresses of `Instance::extra_addresses` once.
    AnnounceExtra,
    /// The state changed.
    Changed(Transition),
    /// A lower-priority advert came while MASTER.
    LowerPriority {
        /// From.
        from: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// As MASTER it sent nothing for so long that its backups may have taken over: it listens before it sends again. What
    /// the kernel holds of its addresses stays, what is gone stays away.
    Stalled {
        /// For how long it had sent nothing.
        silent: Micros,
    },
    /// Its master is silent: whether it may take its place. To be answered with `Input::Cleared`.
    Ask {
        /// The silent master, if one was ever heard.
        lost: Option<Heard>,
        /// What is asked.
        question: Question,
    },
    /// It leaves a weaker master in peace whose connections may not be known here. `Input::CaughtUp` says that they are.
    CatchUp {
        /// The weaker one.
        weaker: Heard,
    },
    /// It preempts the weaker master that it left in peace until now: its connections are known here, or there was time enough.
    CaughtUp(Caught),
    /// It may not, for this reason: it goes on listening.
    Refused {
        /// Why.
        why: String,
    },
    /// Another host is master of the same virtual router, is to give way, and goes on. Told once in each contest.
    TwoMasters {
        /// The other one, and since when it is heard.
        contest: Contest,
    },
    /// Who saw another master is none itself any more.
    LeftContest {
        /// What it has left.
        contest: Contest,
    },
    /// That one is heard no more: the addresses were announced again, and whoever is told of a new master is to be told again.
    Healed {
        /// What is over.
        contest: Contest,
    },
    /// As BACKUP it came so late to the end of the master-down interval that it listens for one more advert.
    Overslept {
        /// How late.
        late: Micros,
    },
    /// By one way nothing was heard since then, while the master is heard by another.
    Silent {
        /// Where nothing is heard.
        way: Way,
        /// Since when.
        since: Instant,
        /// Where the master is heard.
        by: Way,
    },
    /// By a way that was silent since then adverts come again.
    HeardAgain {
        /// Which.
        way: Way,
        /// Since when it was silent.
        since: Instant,
    },
    /// As MASTER its adverts don't leave as they should. Told once for as long as it lasts, and once more if it gets worse.
    NotSent(Failure),
    /// They leave again, or it is MASTER no more.
    SentAgain(Unsent),
    /// Nobody was heard after a stall: it serves on, and claims all its addresses again.
    Resumed,
    /// Its adverts leave in time: the leases of its addresses are renewed (`Instance::lease`).
    Renew,
    /// The priority in force changed.
    PriorityChanged {
        /// From.
        from: Priority,
        /// To.
        to: Priority,
    },
}

/// Why a weaker master is left in peace no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caught {
    /// Its connections are known here.
    Up,
    /// There was time enough, whatever is known.
    Late,
}

/// The place of an authenticated advert among all of its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequence {
    /// The number of an authentication header.
    Ah(u32),
    /// The stamp of a keyed trailer.
    Hmac(Stamp),
}

/// Which of the things that are due are done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// What is sent, which must not wait for what is read.
    Sending,
    /// And judgements of others, who may have said something until now that has been read.
    Judging,
}

/// What an input asks of the siblings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// Nothing.
    None,
    /// The master-down interval is over: MASTER, if the siblings agree.
    Master,
    /// A better master was heard: BACKUP, siblings too.
    Backup {
        /// Why.
        why: String,
    },
    /// A worse master was heard: siblings that are MASTER announce their addresses anew, too.
    Announce {
        /// When.
        at: Instant,
    },
}
