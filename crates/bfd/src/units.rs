//! Units as types: microseconds, which the wire counts in too, instants, and what names a session.

use core::fmt;
use core::num::NonZeroU32;
use core::ops::{Add, Mul, Sub};
use serde::{Deserialize, Serialize};

/// A duration in microseconds. On the wire an interval has 32 bits of them (RFC 5880, 4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Micros(pub u64);

impl Micros {
    /// Whole milliseconds.
    pub const fn from_millis(millis: u64) -> Micros {
        Micros(millis.saturating_mul(1000))
    }

    /// Seconds as a fraction, for people and for JSON.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Mul<u8> for Micros {
    type Output = Micros;
    fn mul(self, times: u8) -> Micros {
        Micros(self.0.saturating_mul(u64::from(times)))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000_000 {
            write!(f, "{}.{:03} ms", self.0 / 1000, self.0 % 1000)
        } else {
            write!(f, "{}.{:03} s", self.0 / 1_000_000, self.0 / 1000 % 1000)
        }
    }
}

/// An instant: microseconds since an arbitrary zero that all roles of one host share (`CLOCK_MONOTONIC`). It never
/// runs backwards; protocol code gets it as an argument and never asks for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Instant(pub u64);

impl Add<Micros> for Instant {
    type Output = Instant;
    fn add(self, d: Micros) -> Instant {
        Instant(self.0.saturating_add(d.0))
    }
}

impl Sub<Instant> for Instant {
    type Output = Micros;
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    fn sub(self, earlier: Instant) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

/// What a system calls a session: unique among its own, never 0 (RFC 5880, 6.8.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Discriminator(pub NonZeroU32);

impl Discriminator {
    /// The discriminator, unless `number` is 0, which says that there is none.
    pub const fn new(number: u32) -> Option<Discriminator> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Discriminator(number)),
            None => None,
        }
    }
}

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}
