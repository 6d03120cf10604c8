//! When the connections of another director count as known.

use vipd_lvs::catch_up::{Level, Reading};

/// After how many seconds a row of counts has levelled off; the last one goes on.
fn level(refresh: u32, counts: impl Fn(u64) -> u64) -> Option<u64> {
    let mut level = Level::new(refresh);
    (0..200).find(|second| level.count(counts(*second)) == Reading::Level)
}

#[test]
fn a_number_that_hardly_grows_for_some_seconds_is_level() {
    assert_eq!(level(0, |_| 30), Some(5));
    assert_eq!((level(0, |_| 0), level(60, |_| 0)), (Some(30), Some(60)), "that nothing came says little");
    assert_eq!(level(0, |second| if second < 20 { 0 } else { 7 }), Some(25));
    // Ten more a second for twenty seconds.
    assert_eq!(level(0, |second| 10 * second.min(20)), Some(25));
    // It goes up and down with the traffic, then down.
    assert_eq!(level(0, |second| 1000 + second % 3), Some(5));
    assert_eq!(level(0, |second| 500 - second), Some(5));
    // One in a hundred is too many, one in a hundred and one is not.
    assert_eq!(level(0, |second| if second < 5 { 100 } else { 101 }), Some(10));
    assert_eq!(level(0, |second| if second < 5 { 101 } else { 102 }), Some(5));
}

#[test]
fn where_the_other_one_tells_in_a_longer_time_it_must_be_level_for_that() {
    assert_eq!((level(3, |_| 7), level(12, |_| 7), level(100_000, |_| 7)), (Some(5), Some(12), Some(60)));
    assert_eq!(level(12, |second| second / 6), None, "one each six seconds is growth as long as there are few");
}
