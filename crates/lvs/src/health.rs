//! Whether a real server is healthy: one machine for each of its checks.
//!
//! The rules are the original's: the first run decides at once; while up, so many failures are retried before the check
//! counts as failed; while down, one success brings it back. One thing is simpler here: a check with several URLs tests them
//! all in one run, and the first that fails decides.

use crate::settings::{Checker, Probe};
use crate::table::MAX_WEIGHT;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// An instant: time since an arbitrary zero shared by all roles of the host.
pub type Instant = Duration;

/// What a run gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server is well; `weight`: what a dynamic check asks for instead of the configured weight.
    Pass {
        /// In words.
        detail: String,
        /// Weight asked for; below 0 where a check takes more away than there is, which others may add again.
        weight: Option<i64>,
    },
    /// It is not.
    Fail {
        /// In words.
        why: String,
    },
}

/// Whether a check counts as passing. A check that runs for the first time has the state that `alpha` gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Passing, and so many more failures are tolerated.
    Up {
        /// Failures left.
        retries: u32,
    },
    /// Failing.
    Down,
}

/// One check of one real server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    settings: Checker,
    known: Known,
}

/// What is known of a check, without its settings: what a successor of the process that runs it needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    state: State,
    next: Instant,
    has_run: bool,
    why: String,
    weight: Option<i64>,
}

impl Known {
    /// Whether it counts as passing.
    pub fn up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }
}

/// Whether an outcome changed what the real server is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// No.
    Same,
    /// Up, down, another weight, or the first result.
    Changed,
}

impl Health {
    /// A check that has not run. `spread` in 0..=1000 thousandths: where in the warm-up time its first run falls.
    pub fn new(now: Instant, settings: Checker, spread: u32) -> Health {
        // Until the first result nothing is tolerated: one failure is enough.
        let state = if settings.alpha { State::Down } else { State::Up { retries: 0 } };
        let next = now + settings.warmup * spread.min(1000) / 1000;
        let known = Known { state, next, has_run: false, why: "not checked yet".to_string(), weight: None };
        Health { settings, known }
    }

    /// Goes on where a predecessor with the same settings ended. A run that was due meanwhile is due now. One that was due
    /// longer ago than `delay_loop` was told of before later runs: those went on at that pace, and so do the next.
    pub fn resume(settings: Checker, known: Known, now: Instant) -> Health {
        let (delay, behind) = (settings.delay_loop, now.saturating_sub(known.next));
        let next = if behind > delay && !delay.is_zero() {
            let missed = u32::try_from(behind.as_nanos() / delay.as_nanos()).unwrap_or(u32::MAX);
            now + delay - behind.saturating_sub(delay.saturating_mul(missed)).min(delay)
        } else {
            known.next
        };
        Health { settings, known: Known { next, ..known } }.due_from(now)
    }

    /// Its next run is not before `now` and within its interval.
    fn due_from(mut self, now: Instant) -> Health {
        self.known.next = self.known.next.max(now).min(now + self.settings.delay_loop);
        self
    }

    /// Its next run is at once.
    pub fn hurry(mut self, now: Instant) -> Health {
        self.known.next = now;
        self
    }

    /// A check that is new on a server which is known already: until its first run it counts as what the server's other
    /// checks made of it, whatever `alpha` says, so that a reload alone changes nothing.
    pub fn joining(mut self, server: Standing) -> Health {
        self.known.state = match server {
            Standing::Alive => State::Up { retries: 0 },
            Standing::Dead => State::Down,
        };
        self
    }

    /// Goes on under new settings with everything that is known. No more failures are tolerated than the new `retry`
    /// allows, and the next run is no later than the new `delay_loop` from now.
    pub fn reconfigure(self, settings: Checker, now: Instant) -> Health {
        let state = match self.known.state {
            State::Up { retries } => State::Up { retries: retries.min(settings.retry) },
            State::Down => State::Down,
        };
        Health { settings, known: Known { state, ..self.known } }.due_from(now)
    }

    /// What is known of it.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What it is told to be.
    pub fn settings(&self) -> &Checker {
        &self.settings
    }

    /// When it wants to run.
    pub fn wake(&self) -> Instant {
        self.known.next
    }

    /// Whether it counts as passing.
    pub fn state(&self) -> State {
        self.known.state
    }

    /// Whether it counts as passing.
    pub fn up(&self) -> bool {
        self.known.up()
    }

    /// Whether it has run.
    pub fn has_run(&self) -> bool {
        self.known.has_run
    }

    /// What the last run gave, in words.
    pub fn why(&self) -> &str {
        &self.known.why
    }

    /// The weight it asks for instead of the configured one.
    pub fn weight(&self) -> Option<i64> {
        self.known.weight
    }

    /// A run that began at `started` has ended at `now`.
    pub fn handle(&mut self, started: Instant, now: Instant, outcome: Outcome) -> Turn {
        let before = (self.up(), self.known.weight, self.known.has_run);
        self.known.has_run = true;
        // From start to start, so that slow answers don't stretch the interval.
        let regular = started + self.settings.delay_loop;
        let next = match outcome {
            Outcome::Pass { detail, weight } => {
                self.known.why = detail;
                self.known.weight = weight;
                self.known.state = State::Up { retries: self.settings.retry };
                regular
            }
            Outcome::Fail { why } => {
                self.known.why = why;
                match self.known.state {
                    State::Up { retries: 0 } => {
                        self.known.state = State::Down;
                        regular
                    }
                    State::Up { retries } => {
                        self.known.state = State::Up { retries: retries - 1 };
                        // A server that lets a probe time out gets its pause all the same; a program is started from
                        // start to start, as in the original.
                        let program = matches!(self.settings.probe, Probe::Misc(_));
                        let from = if self.settings.probe.asks() && !program { now } else { started };
                        from + self.settings.delay_before_retry
                    }
                    State::Down => regular,
                }
            }
        };
        self.known.next = next.max(now);
        if before == (self.up(), self.known.weight, self.known.has_run) { Turn::Same } else { Turn::Changed }
    }
}

/// Whether a real server may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// Every check of it passes.
    Alive,
    /// One fails.
    Dead,
}

impl Standing {
    /// Of a server whose checks pass or don't.
    pub fn of(alive: bool) -> Standing {
        if alive { Standing::Alive } else { Standing::Dead }
    }
}

/// For each check of a server after a reload, which of those before it is the same check, so that what is known of it
/// stays known. The same settings go first; then the same probe of the same target with another pace; then another probe of
/// that kind (other URLs, another program) of the same target; at last one of that kind in the same place.
pub fn matches(before: &[&Checker], after: &[Checker]) -> Vec<Option<usize>> {
    type Same = fn((usize, &Checker), (usize, &Checker)) -> bool;
    let passes: [Same; 4] = [
        |(_, old), (_, new)| old == new,
        |(_, old), (_, new)| old.asks_the_same_as(new),
        |(_, old), (_, new)| old.kind() == new.kind() && old.target == new.target && old.bind == new.bind,
        |(i, old), (j, new)| i == j && old.kind() == new.kind(),
    ];
    let mut free = vec![true; before.len()];
    let mut found = vec![None; after.len()];
    for same in passes {
        for (j, new) in after.iter().enumerate().filter(|(j, _)| found[*j].is_none()).collect::<Vec<_>>() {
            let old = before.iter().enumerate().find(|(i, old)| free[*i] && same((*i, old), (j, new)));
            if let Some((i, _)) = old {
                (free[i], found[j]) = (false, Some(i));
            }
        }
    }
    found
}

/// What the checks of a real server with this configured weight say together: alive if every one passes (none: always), the
/// weight that they ask for, and why. As in the original, each check that asks for a weight adds what that differs from
/// the configured one, and nothing falls below 0.
pub fn judge<'a>(configured: u32, checks: impl IntoIterator<Item = &'a Health>) -> (bool, Option<u32>, String) {
    let (mut alive, mut difference) = (true, None);
    let (mut bad, mut good) = (None, None);
    for check in checks {
        if check.up() {
            if let Some(asked) = check.weight() {
                difference = Some(difference.unwrap_or(0_i64).saturating_add(asked - i64::from(configured)));
            }
            good = Some(check.why());
        } else {
            alive = false;
            bad = bad.or(Some(check.why()));
        }
    }
    let weight = difference.map(|d| d.saturating_add(configured.into()).clamp(0, MAX_WEIGHT.into()));
    let weight = weight.and_then(|w| u32::try_from(w).ok());
    (alive, weight, bad.or(good).unwrap_or("no checks").to_string())
}
