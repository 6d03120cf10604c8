//! Whether the connections of another director have arrived, as far as that can be told: the kernel's synchronisation has no end. While
//! the other one sends what it has, their number grows; then it goes up and down with the traffic.

use alloc::collections::VecDeque;

/// Seconds in which the number must hardly grow.
const LEVEL: u32 = 5;
/// And at the most, however long the kernel's `sync_refresh_period` is.
const LONGEST: u32 = 60;
/// Seconds without a single one after which there is none: of one that carries something it would have been told.
const NOTHING: usize = 30;
/// Growth is little if it is below one part in so many.
const LITTLE: u64 = 100;

/// What was counted of late, once a second.
#[derive(Clone, Debug)]
pub struct Level {
    window: usize,
    counts: VecDeque<u64>,
    /// How often in a row there was none.
    none: usize,
}

/// What another count says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// More may come.
    Grows,
    /// It has levelled off.
    Level,
}

impl Level {
    /// Nothing is counted yet. `refresh`: `net.ipv4.vs.sync_refresh_period` in seconds, in which the other director tells of
    /// every connection that carries something; 0: it tells of each once in a number of packets.
    pub fn new(refresh: u32) -> Level {
        let window = refresh.clamp(LEVEL, LONGEST) as usize;
        Level { window, counts: VecDeque::with_capacity(window + 1), none: 0 }
    }

    /// So many are there now.
    pub fn count(&mut self, now: u64) -> Reading {
        self.none = if now == 0 { self.none.saturating_add(1) } else { 0 };
        if now == 0 {
            self.counts.clear();
            return if self.none > NOTHING.max(self.window) { Reading::Level } else { Reading::Grows };
        }
        let full = self.counts.len() > self.window;
        if full {
            self.counts.pop_front();
        }
        self.counts.push_back(now);
        let then = self.counts.front().copied().unwrap_or(now);
        let little = now.saturating_sub(then).saturating_mul(LITTLE) < then.max(1);
        if self.counts.len() > self.window && little { Reading::Level } else { Reading::Grows }
    }
}
