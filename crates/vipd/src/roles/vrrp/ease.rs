//! Adverts of many instances are read together: where they come more often than that, the next ones are put off for a small
//! part of the shortest interval. The kernel notes when each came, and before anybody is judged everything is read; a good-bye is
//! read before its skew time is over: no deadline is missed for it. What costs a backup of hundreds of instances most is
//! to be woken for each of their adverts.

use std::time::Duration;
use vipd_vrrp::settings::Instance;
use vipd_vrrp::timers::skew;

/// This part of the shortest interval is waited for more adverts, or half the shortest skew time, and never longer than this, in
/// microseconds.
const PART: u64 = 33;
const MOST: u64 = 30_000;

/// With more than so many read at once nothing is put off: a queue must not run over.
const CROWD: usize = 64;

/// When what comes is read.
#[derive(Default)]
pub(super) struct Ease {
    /// How long reading may be put off, in microseconds, in whole milliseconds.
    most: u64,
    /// When something was last read.
    last: u64,
    /// Until when the next is put off, if it is.
    until: Option<u64>,
    /// So many came the last time that nothing waits.
    crowded: bool,
}

impl Ease {
    /// For these instances.
    pub(super) fn suit(&mut self, instances: &[Instance]) {
        let skew = |i: &Instance| skew(i.version, i.priority, i.advert_int).0 / 2;
        let most = instances.iter().map(|i| MOST.min(i.advert_int.micros().0 / PART).min(skew(i)));
        (self.most, self.until, self.crowded) = (most.min().unwrap_or(0) / 1000 * 1000, None, false);
    }

    /// For how long reading is put off now. (`now` is asked for the time only if it matters.)
    pub(super) fn put_off(&self, now: impl FnOnce() -> u64) -> Duration {
        self.until.map_or(Duration::ZERO, |until| Duration::from_micros(until.saturating_sub(now())))
    }

    /// How many are to be read at once, at most `all`: who was woken for the first has no second one waiting.
    pub(super) fn burst(&self, all: usize) -> usize {
        if self.until.is_some() || self.crowded { all } else { 1 }
    }

    /// So many were read.
    pub(super) fn read(&mut self, now: u64, count: usize) {
        let close = now.saturating_sub(self.last) < self.most || self.until.is_some() && count > 1;
        self.crowded = count > CROWD;
        self.until = (close && !self.crowded).then_some(now + self.most);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that reads whenever it may, while a datagram comes every so many microseconds: how many it reads at once.
    fn at_once(gap: u64) -> f64 {
        let mut ease = Ease { most: MOST, ..Ease::default() };
        let (mut now, mut read_until, mut turns, mut read) = (0, 0, 0, 0);
        while now < 10_000_000 {
            let put_off = u64::try_from(ease.put_off(|| now).as_micros()).unwrap();
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
        assert!((at_once(31_000) - 1.0).abs() < 0.01, "{}", at_once(31_000));
        assert!((5.5..6.5).contains(&at_once(5_000)), "{}", at_once(5_000));
        // Of a flood all that waits is read, again and again.
        let mut ease = Ease { most: MOST, ..Ease::default() };
        for (turn, count) in [1, 1, 1000, 1000, CROWD + 1].into_iter().enumerate() {
            let now = 1_000_000 + u64::try_from(turn).unwrap() * 1000;
            ease.read(now, count);
            let waits = (ease.put_off(|| now) > Duration::ZERO, ease.burst(1000));
            assert_eq!(waits, (turn == 1, if turn == 0 { 1 } else { 1000 }), "{turn}");
        }
        ease.read(1_006_000, CROWD);
        assert!(ease.put_off(|| 1_006_000) > Duration::ZERO);
    }

    #[test]
    fn what_is_put_off_is_put_off_once() {
        let mut ease = Ease { most: MOST, ..Ease::default() };
        ease.read(1_000, 1);
        ease.read(2_000, 1);
        assert_eq!(ease.put_off(|| 2_000), Duration::from_millis(30));
        assert_eq!(ease.put_off(|| 20_000), Duration::from_millis(12));
        assert_eq!(ease.put_off(|| 32_000), Duration::ZERO, "whatever else the loop was woken for");
    }

    #[test]
    fn short_intervals_wait_for_nothing() {
        let mut ease = Ease::default();
        for now in 0..100 {
            ease.read(now, 1);
            assert_eq!((ease.put_off(|| now), ease.burst(7)), (Duration::ZERO, 1));
        }
    }
}
