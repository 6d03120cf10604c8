//! A tracked process: good or bad by how many of it run, and for how long that has been so.

use crate::settings::Process;
use crate::units::{Instant, Micros};
use serde::{Deserialize, Serialize};

/// Why another number of a tracked process runs: it decides how long that must last. (As in the original, where a process
/// that becomes another program counts at once.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// One was forked: `fork_delay`.
    Forked,
    /// One has ended: `terminate_delay`.
    Ended,
    /// It runs another program or has another name now, or all were looked at: no delay.
    Seen,
}

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
    /// So many run, and why others than before. The first count decides at once.
    pub fn counted(&mut self, now: Instant, settings: &Process, count: u32, cause: Cause) {
        if self.count.replace(count) != Some(count) {
            let delay = match cause {
                Cause::Forked => settings.fork_delay,
                Cause::Ended => settings.terminate_delay,
                Cause::Seen => Micros::ZERO,
            };
            self.weigh(now, settings, count, delay);
        }
    }

    /// The same under other settings.
    pub(crate) fn under(mut self, now: Instant, settings: &Process) -> ProcessState {
        if let Some(count) = self.count {
            self.weigh(now, settings, count, Micros::ZERO);
        }
        self
    }

    fn weigh(&mut self, now: Instant, settings: &Process, count: u32, delay: Micros) {
        let within = settings.quorum <= count && settings.quorum_max.is_none_or(|most| count <= most);
        if *self.good.get_or_insert(within) == within {
            self.turns = None;
        } else {
            // What came first decides how long it takes.
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
