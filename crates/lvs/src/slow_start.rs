//! `slow_start`: a real server that comes back gets its share of the new connections little by little.
//!
//! ```text
//!   Beginning --takes--> Whole --takes none--> Shut --takes--> Growing (1/20, 2/20, ...) --in time--> Whole
//! ```
//!
//! A weight of 1 can't grow in whole numbers: while a server of a virtual server grows, all weights there are the configured
//! ones times a `scale`, which leaves the others what they are to each other.

use crate::settings::Scheduler;
use crate::table::MAX_WEIGHT;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// An instant: time since an arbitrary zero shared by all roles of the host.
pub type Instant = Duration;

/// Parts that a weight grows by at most: so many times a server is written.
const PARTS: u32 = 20;

/// What weights of `mh` may come to in all when they are scaled: each is given as many places of the kernel's table in turn,
/// which has 4093 usually, and who comes last must find some, too.
const MH_ROOM: u64 = 1024;

/// A part of a server's weight: so many of so many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    part: u32,
    of: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Share = Share { part: 1, of: 1 };

    /// In hundredths, rounded down.
    pub fn percent(self) -> u32 {
        self.part * 100 / self.of
    }

    /// This part of a weight, times the scale of its virtual server: 1 at least, unless the weight is 0.
    pub fn of_weight(self, weight: u32, scale: u32) -> u32 {
        let scaled = u64::from(weight) * u64::from(scale) * u64::from(self.part) / u64::from(self.of);
        u32::try_from(scaled).unwrap_or(MAX_WEIGHT).clamp(weight.min(1), MAX_WEIGHT)
    }
}

/// A slow start under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Growth {
    began: Instant,
    step: u32,
}

/// Steps of a slow start of this time, behind the one that it begins with: none lasts less than a second.
fn steps(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).clamp(1, PARTS - 1)
}

impl Growth {
    /// How far one is at `now` that began then and takes so long; `None`: it is over.
    fn at(began: Instant, time: Duration, now: Instant) -> Option<Growth> {
        let passed = now.saturating_sub(began);
        let step = passed.saturating_mul(steps(time)).as_nanos().checked_div(time.as_nanos())?;
        let step = u32::try_from(step).ok().filter(|_| passed < time)?;
        Some(Growth { began, step })
    }

    /// The share that a server has by it, which takes this time.
    pub fn share(self, time: Duration) -> Share {
        let of = steps(time) + 1;
        Share { part: (self.step + 1).min(of), of }
    }

    /// When the server has more.
    pub fn wake(self, time: Duration) -> Instant {
        // Rounded up: at that time it is due.
        self.began + time.saturating_mul(self.step + 1) / steps(time) + Duration::from_nanos(1)
    }
}

/// What a real server takes of the new connections of its virtual server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Intake {
    /// Nothing yet: it begins with its virtual server, as all of them do, and is not known to have failed.
    Beginning,
    /// Nothing.
    Shut,
    /// As much as its weight says.
    #[default]
    Whole,
    /// Less than that, for it was shut.
    Growing(Growth),
}

impl Intake {
    /// What it takes at `now`, with this weight for new connections (0: it is down, or for other reasons gets none); `time` is
    /// its `slow_start`, 0 if it has none.
    #[must_use]
    pub fn turn(self, now: Instant, weight: u32, time: Duration) -> Intake {
        let growing = |began| Growth::at(began, time, now).map_or(Intake::Whole, Intake::Growing);
        match (self, weight) {
            (Intake::Beginning, 0) => Intake::Beginning,
            (Intake::Shut | Intake::Whole | Intake::Growing(_), 0) => Intake::Shut,
            (Intake::Beginning | Intake::Whole, _) => Intake::Whole,
            (Intake::Shut, _) => growing(now),
            (Intake::Growing(growth), _) => growing(growth.began),
        }
    }

    /// What it takes where all that take anything have begun together.
    #[must_use]
    pub fn together(self) -> Intake {
        match self {
            Intake::Growing(_) => Intake::Whole,
            other @ (Intake::Beginning | Intake::Shut | Intake::Whole) => other,
        }
    }

    /// The slow start that is under way.
    pub fn growth(self) -> Option<Growth> {
        match self {
            Intake::Growing(growth) => Some(growth),
            Intake::Beginning | Intake::Shut | Intake::Whole => None,
        }
    }

    /// The share of its weight that it takes, if it takes any.
    pub fn share(self, time: Duration) -> Share {
        self.growth().map_or(Share::WHOLE, |growth| growth.share(time))
    }
}

/// What all weights of a virtual server are multiplied by while real servers with these weights grow; `live`: what all that
/// take connections weigh. It is as much as lets the smallest of them grow in all its steps, as far as the scheduler bears it.
pub fn scale(scheduler: Scheduler, growing: impl Iterator<Item = u32>, live: u64) -> u32 {
    let Some(least) = growing.filter(|weight| *weight > 0).min() else { return 1 };
    let most = if scheduler == Scheduler::Mh { MH_ROOM } else { MAX_WEIGHT.into() };
    let room = u32::try_from(most / live.max(1)).unwrap_or(u32::MAX);
    PARTS.div_ceil(least).min(room).max(1)
}

impl Scheduler {
    /// Whether it spreads new connections by weights as shares of a whole, so that a part of a weight is a part of them. For the
    /// others a weight counts for nothing (`rr`, `lc`, `dh`), or is a rank (`fo`), a number of connections (`ovf`, `lblc`,
    /// `lblcr`), or one of few places in a table that is dealt anew with each change (`sh`).
    pub fn shares_by_weight(self) -> bool {
        match self {
            Scheduler::Wrr | Scheduler::Wlc | Scheduler::Mh | Scheduler::Sed | Scheduler::Nq | Scheduler::Twos => true,
            Scheduler::Rr
            | Scheduler::Lc
            | Scheduler::Lblc
            | Scheduler::Lblcr
            | Scheduler::Sh
            | Scheduler::Dh
            | Scheduler::Fo
            | Scheduler::Ovf => false,
        }
    }
}
