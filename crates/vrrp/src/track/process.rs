//! A tracked process: good or bad by how many of it run, and for how long that has been so.

use crate::settings::Process;
use crate::units::Instant;
use serde::{Deserialize, Serialize};

/// Whether enough of a tracked process run, and not too many. What differs from before counts once it has lasted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProcessState {
    /// How many run; `None` before the first count.
    count: Option<u32>,
    /// What counts.
    good: Option<bool>,
    /// When the opposite counts, if the number stays as it is.
    turns: Option<Instant>,
}

impl ProcessState {
    /// So many run. The first count decides at once.
    pub fn counted(&mut self, now: Instant, settings: &Process, count: u32) {
        let within = settings.quorum <= count && settings.quorum_max.is_none_or(|most| count <= most);
        self.count = Some(count);
        if *self.good.get_or_insert(within) == within {
            self.turns = None;
        } else {
            let delay = if within { settings.fork_delay } else { settings.terminate_delay };
            self.turns.get_or_insert(now + delay);
            self.tick(now);
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        if self.turns.is_some_and(|at| at <= now) {
            self.turns = None;
            self.good = self.good.map(|good| !good);
        }
    }

    /// When to call `tick`.
    pub fn wake(&self) -> Option<Instant> {
        self.turns
    }

    /// Whether it is good; `None` before the first count.
    pub fn good(&self) -> Option<bool> {
        self.good
    }

    /// How many run; `None` before the first count.
    pub fn count(&self) -> Option<u32> {
        self.count
    }
}
