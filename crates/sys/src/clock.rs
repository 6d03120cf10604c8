//! The clocks: one that only goes forward, for decisions, and the wall's, for people.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds on `CLOCK_MONOTONIC`, the same for every process of this host since its boot.
pub fn monotonic_micros() -> u64 {
    // The clock exists on every Linux; were it ever to fail, time stands still rather than the process dying.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| {
        let secs = u64::try_from(t.tv_sec()).unwrap_or(0);
        secs.saturating_mul(1_000_000).saturating_add(u64::try_from(t.tv_nsec()).unwrap_or(0) / 1000)
    })
}

/// Microseconds since 1970 (UTC). May jump when the clock is set.
pub fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since 1970 (UTC), with a fraction. May jump when the clock is set.
pub fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// A time since 1970 of the kernel's, in microseconds, if it is one.
pub(crate) fn unix_micros_of(time: TimeSpec) -> Option<u64> {
    let (secs, nanos) = (u64::try_from(time.tv_sec()).ok()?, u64::try_from(time.tv_nsec()).ok()?);
    secs.checked_mul(1_000_000)?.checked_add(nanos / 1000)
}
