//! Adverts of many instances are read together: where they come more often than that, the next ones are put off for a small
//! part of the shortest interval. The kernel notes when each came, and before anybody is judged everything is read, so
//! no deadline moves; what costs a backup of hundreds of instances most is to be woken for each of their adverts.

use std::time::Duration;

/// This part of the shortest interval is waited for more adverts.
const PART: u64 = 40;

/// With more than so many read at once nothing is put off: a queue must not run over.
const CROWD: usize = 64;

/// When what comes is read.
#[derive(Default)]
pub(super) struct Ease {
    /// How long reading may be put off, in microseconds, in whole milliseconds.
    most: u64,
    /// When something was last read.
    last: u64,
    /// Whether the next is put off.
    puts_off: bool,
}

impl Ease {
    /// For instances with these intervals, in microseconds.
    pub(super) fn suit(&mut self, intervals: impl Iterator<Item = u64>) {
        self.most = intervals.min().unwrap_or(0) / PART / 1000 * 1000;
        self.puts_off = false;
    }

    /// For how long reading is put off now.
    pub(super) fn put_off(&self) -> Duration {
        if self.puts_off { Duration::from_micros(self.most) } else { Duration::ZERO }
    }

    /// How many are to be read at once, at most `all`: who was woken for the first has no second one waiting.
    pub(super) fn burst(&self, all: usize) -> usize {
        if self.puts_off { all } else { 1 }
    }

    /// So many were read.
    pub(super) fn read(&mut self, now: u64, count: usize) {
        let close = now.saturating_sub(self.last) < self.most || self.puts_off && count > 1;
        self.puts_off = close && count <= CROWD;
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that reads whenever it may, while a datagram comes every so many microseconds: how many it reads at once.
    fn at_once(gap: u64) -> f64 {
        let mut ease = Ease::default();
        ease.suit([1_000_000, 5_000_000].into_iter());
        let (mut now, mut read_until, mut turns, mut read) = (0, 0, 0, 0);
        while now < 10_000_000 {
            let put_off = u64::try_from(ease.put_off().as_micros()).unwrap();
            let next = (read_until / gap + 1) * gap;
            now = next.max(now + put_off);
            let waiting = usize::try_from(now / gap - read_until / gap).unwrap();
            let count = waiting.min(ease.burst(1000));
            read_until += u64::try_from(count).unwrap() * gap;
            ease.read(now, count);
            (turns, read) = (turns + 1, read + count);
        }
        f64::from(u32::try_from(read).unwrap()) / f64::from(turns)
    }

    #[test]
    fn many_are_read_together_few_at_once_and_a_crowd_without_delay() {
        assert!((at_once(1_000_000) - 1.0).abs() < 0.01, "one a second: {}", at_once(1_000_000));
        assert!((at_once(26_000) - 1.0).abs() < 0.01, "{}", at_once(26_000));
        assert!((4.5..5.5).contains(&at_once(5_000)), "{}", at_once(5_000));
        // Of a flood no more waits than the queue has room for.
        assert!(at_once(20) < 1000.0, "{}", at_once(20));
    }

    #[test]
    fn short_intervals_wait_for_nothing() {
        let mut ease = Ease::default();
        ease.suit([39_000].into_iter());
        for now in 0..100 {
            ease.read(now, 1);
            assert_eq!((ease.put_off(), ease.burst(7)), (Duration::ZERO, 1));
        }
    }
}
