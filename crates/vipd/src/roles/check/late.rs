//! Checks that begin late, and runs that do not end: what is said of them, and when.

use std::time::Duration;
use vipd_lvs::settings::{Checker, Probe};

/// What begins so much after it was due is late.
const LATE: Duration = Duration::from_secs(1);
/// From one word about that to the next.
const GAP: Duration = Duration::from_secs(60);
/// What a run may take at most beyond what its settings allow for.
const SLACK: Duration = Duration::from_secs(30);
/// Runs that do not end, each with an event of its own.
pub(super) const ALONE: usize = 8;
/// Phases of a run, each of which has its `connect_timeout`, at most.
const PHASES: u32 = 10;

/// Runs that had to wait for their turn since that was last said.
#[derive(Default, Debug)]
pub(super) struct Lateness {
    count: u64,
    worst: Duration,
    next: Duration,
}

impl Lateness {
    /// A run began so long after it was due.
    pub(super) fn note(&mut self, late: Duration) {
        if late >= LATE {
            self.count += 1;
            self.worst = self.worst.max(late);
        }
    }

    /// What there is to say, if it is time for it.
    pub(super) fn word(&mut self, now: Duration) -> Option<String> {
        if self.count == 0 || now < self.next {
            return None;
        }
        let Lateness { count, worst, .. } = std::mem::take(self);
        self.next = now + GAP;
        Some(format!(
            "{count} runs of checks began up to {:.1} s late: there are more than this host or its programs can do in time",
            worst.as_secs_f64()
        ))
    }
}

/// After how long a run that has not ended never will.
pub(super) fn patience(settings: &Checker) -> Duration {
    let pages = match &settings.probe {
        Probe::Http(http) => u32::try_from(http.urls.len()).unwrap_or(u32::MAX).max(1),
        _ => 1,
    };
    SLACK + settings.timeout.saturating_mul(PHASES).saturating_mul(pages)
}

/// How long a program may run: what it takes beyond that it had to wait for its turn, or to end.
pub(super) fn time_of(settings: &Checker) -> Duration {
    if let Probe::Misc(misc) = &settings.probe { misc.timeout } else { settings.timeout }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    #[test]
    fn what_is_late_is_said_once_a_minute_with_the_worst_of_it() {
        let second = Duration::from_secs(1);
        let mut lateness = Lateness::default();
        lateness.note(second / 2);
        assert_eq!(lateness.word(second), None, "that is in time");
        lateness.note(second);
        lateness.note(second * 3);
        assert!(lateness.word(second).unwrap().starts_with("2 runs of checks began up to 3.0 s late"));
        lateness.note(second * 2);
        assert_eq!(lateness.word(second * 60), None);
        assert!(lateness.word(second * 61).unwrap().starts_with("1 runs of checks began up to 2.0 s late"));
        assert_eq!(lateness.word(second * 1000), None);
    }
}
