//! Whether a real server is healthy: one machine for each of its checks.
//!
//! The rules are the original's: the first run decides at once; while up, so many failures are retried before the check
//! counts as failed; while down, one success brings it back. One thing is simpler here: a check with several URLs tests them
//! all in one run, and the first that fails decides.

use crate::settings::Checker;
use alloc::string::{String, ToString};
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
        /// Weight asked for.
        weight: Option<u32>,
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    settings: Checker,
    state: State,
    next: Instant,
    has_run: bool,
    why: String,
    weight: Option<u32>,
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
        let warmup = settings.warmup.min(settings.delay_loop);
        let next = now + warmup * spread.min(1000) / 1000;
        Health { settings, state, next, has_run: false, why: "not checked yet".to_string(), weight: None }
    }

    /// Goes on where a predecessor with the same settings ended; a run that was due meanwhile is due now.
    pub fn resume(self, now: Instant) -> Health {
        let latest = now + self.settings.delay_loop;
        Health { next: self.next.max(now).min(latest), ..self }
    }

    /// What it is told to be.
    pub fn settings(&self) -> &Checker {
        &self.settings
    }

    /// When it wants to run.
    pub fn wake(&self) -> Instant {
        self.next
    }

    /// Whether it counts as passing.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it counts as passing.
    pub fn up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether it has run.
    pub fn has_run(&self) -> bool {
        self.has_run
    }

    /// What the last run gave, in words.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The weight it asks for instead of the configured one.
    pub fn weight(&self) -> Option<u32> {
        self.weight
    }

    /// A run that began at `started` has ended.
    pub fn handle(&mut self, started: Instant, now: Instant, outcome: Outcome) -> Turn {
        let before = (self.up(), self.weight, self.has_run);
        self.has_run = true;
        let wait = match outcome {
            Outcome::Pass { detail, weight } => {
                self.why = detail;
                self.weight = weight;
                self.state = State::Up { retries: self.settings.retry };
                self.settings.delay_loop
            }
            Outcome::Fail { why } => {
                self.why = why;
                match self.state {
                    State::Up { retries: 0 } => {
                        self.state = State::Down;
                        self.settings.delay_loop
                    }
                    State::Up { retries } => {
                        self.state = State::Up { retries: retries - 1 };
                        self.settings.delay_before_retry
                    }
                    State::Down => self.settings.delay_loop,
                }
            }
        };
        // From start to start, so that slow answers don't stretch the interval; never in the past.
        self.next = (started + wait).max(now);
        if before == (self.up(), self.weight, self.has_run) { Turn::Same } else { Turn::Changed }
    }
}

/// What the checks of a real server say together: alive if every one passes (none: always), the weight of the last that
/// asks for one, and why.
pub fn judge<'a>(checks: impl IntoIterator<Item = &'a Health>) -> (bool, Option<u32>, String) {
    let (mut alive, mut weight) = (true, None);
    let (mut bad, mut good) = (None, None);
    for check in checks {
        if check.up() {
            weight = check.weight.or(weight);
            good = Some(check.why());
        } else {
            alive = false;
            bad = bad.or(Some(check.why()));
        }
    }
    (alive, weight, bad.or(good).unwrap_or("no checks").to_string())
}
