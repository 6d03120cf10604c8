//! Units as types: what is counted in centiseconds on the wire, in microseconds on the clock, in votes in an election.

use core::fmt;
use core::num::NonZeroU8;
use core::ops::{Add, Sub};
use serde::{Deserialize, Serialize};

/// A duration in microseconds, the resolution of every timer of this crate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Micros(pub u64);

impl Micros {
    /// Nothing.
    pub const ZERO: Micros = Micros(0);

    /// Whole seconds.
    pub const fn from_secs(secs: u64) -> Micros {
        Micros(secs.saturating_mul(1_000_000))
    }

    /// Seconds as a fraction, for people and for JSON.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
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

/// An instant: microseconds since an arbitrary zero that all roles of one host share (`CLOCK_MONOTONIC`). That
/// clock never runs backwards; what has arrived is told with the time of its arrival, which may be up to a second before
/// what was told before it. Protocol code gets it as an argument and never asks for it.
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

/// An advertisement interval in centiseconds, 1..=4095 on a version 3 wire (RFC 9568, 5.2.7); version 2 carries whole
/// seconds 1..=255 (RFC 3768, 5.3.7) and is kept here as 100..=25500.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Centis(pub u16);

impl Centis {
    /// The same in microseconds.
    pub const fn micros(self) -> Micros {
        Micros(self.0 as u64 * 10_000)
    }
}

impl fmt::Display for Centis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} s", self.0 / 100, self.0 % 100)
    }
}

/// A priority as the wire carries it: 0 gives up, 1..=254 votes, 255 is the owner of the addresses (RFC 9568, 5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Priority(pub u8);

impl Priority {
    /// "I am leaving": sent by a master that stops.
    pub const RELEASE: Priority = Priority(0);
    /// The router that owns the addresses.
    pub const OWNER: Priority = Priority(255);
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A virtual router identifier, 1..=255 (RFC 9568, 5.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Vrid(pub NonZeroU8);

impl Vrid {
    /// The identifier, unless `id` is 0.
    pub const fn new(id: u8) -> Option<Vrid> {
        match NonZeroU8::new(id) {
            Some(id) => Some(Vrid(id)),
            None => None,
        }
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
