//! Whether a virtual server has enough live weight to be worth its address.

use crate::settings::VirtualServer;
use serde::{Deserialize, Serialize};

/// Whether there is enough.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Quorum {
    /// Yes.
    Up,
    /// No: the sorry server serves, if there is one.
    Down,
}

impl Quorum {
    /// At the start, before anything is known to have changed: up if the plain quorum is met.
    pub fn at_start(settings: &VirtualServer, live: u64) -> Quorum {
        if live >= u64::from(settings.quorum) { Quorum::Up } else { Quorum::Down }
    }

    /// With this much live weight. It is gained at quorum + hysteresis and lost below quorum - hysteresis, or when nothing
    /// lives; in between it stays what it was.
    pub fn next(self, settings: &VirtualServer, live: u64) -> Quorum {
        let (quorum, hysteresis) = (u64::from(settings.quorum), u64::from(settings.hysteresis));
        match self {
            Quorum::Up if live == 0 || live < quorum.saturating_sub(hysteresis) => Quorum::Down,
            Quorum::Down if live > 0 && live >= quorum + hysteresis => Quorum::Up,
            same => same,
        }
    }
}
