//! Slow starts: how a share grows, what weights are scaled by, and that nobody else's share suffers.

use proptest::prelude::*;
use std::time::Duration;
use vipd_lvs::settings::Scheduler;
use vipd_lvs::slow_start::{Intake, Share, scale};
use vipd_lvs::table::MAX_WEIGHT;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The shares of one that comes back at 100 s, with when it has them.
fn shares(time: Duration) -> Vec<(Duration, u32)> {
    let mut intake = Intake::Shut.turn(seconds(100), 1, time);
    let (mut now, mut all) = (seconds(100), Vec::new());
    while let Some(growth) = intake.growth() {
        all.push((now - seconds(100), intake.share(time).percent()));
        now = growth.wake(time);
        intake = intake.turn(now, 1, time);
    }
    all.push((now - seconds(100), intake.share(time).percent()));
    all
}

#[test]
fn a_share_grows_in_twenty_steps_at_most_and_none_is_shorter_than_a_second() {
    let grown = shares(seconds(38));
    let nearly = |a: Duration, b: Duration| a >= b && a - b < Duration::from_millis(1);
    assert_eq!(grown.iter().map(|(_, share)| *share).collect::<Vec<_>>(), (1..=20).map(|n| n * 5).collect::<Vec<_>>());
    assert!(grown.iter().zip(0..).all(|((at, _), n)| nearly(*at, seconds(2 * n))), "{grown:?}");
    let three: Vec<u32> = shares(seconds(3)).iter().map(|(_, share)| *share).collect();
    assert_eq!(three, [25, 50, 75, 100]);
    assert_eq!(shares(seconds(1)).iter().map(|(_, share)| *share).collect::<Vec<_>>(), [50, 100]);
    assert_eq!(shares(seconds(0)), [(seconds(0), 100)], "none is wanted");
}

#[test]
fn who_comes_back_grows_and_who_begins_does_not() {
    let minute = seconds(60);
    let now = seconds(1000);
    assert_eq!(Intake::Beginning.turn(now, 3, minute), Intake::Whole);
    assert_eq!(Intake::Beginning.turn(now, 0, minute), Intake::Beginning);
    assert_eq!(Intake::Whole.turn(now, 7, minute), Intake::Whole, "another weight is no return");
    let shut = Intake::Whole.turn(now, 0, minute);
    assert_eq!(shut, Intake::Shut);
    let growing = shut.turn(now, 3, minute);
    assert_eq!(growing.share(minute).percent(), 5);
    // One that fails meanwhile begins anew; what it was before counts for nothing.
    let half = growing.turn(now + minute / 2, 3, minute);
    assert_eq!(half.share(minute).percent(), 50);
    let again = half.turn(now + minute / 2, 0, minute).turn(now + minute, 3, minute);
    assert_eq!((again.share(minute).percent(), again.turn(now + minute * 2, 3, minute)), (5, Intake::Whole));
    // A reload that makes it longer or ends it; and all that begin together.
    assert_eq!(half.turn(now + minute / 2, 3, minute * 2).share(minute * 2).percent(), 25);
    assert_eq!(half.turn(now + minute / 2, 3, seconds(0)), Intake::Whole);
    assert_eq!((half.together(), shut.together()), (Intake::Whole, Intake::Shut));
}

#[test]
fn weights_are_scaled_as_far_as_the_smallest_needs_it_and_the_scheduler_bears_it() {
    let scale = |scheduler, growing: &[u32], live| scale(scheduler, growing.iter().copied(), live);
    assert_eq!(scale(Scheduler::Wrr, &[], 3), 1);
    assert_eq!(scale(Scheduler::Wrr, &[1], 3), 20);
    assert_eq!(scale(Scheduler::Wrr, &[100, 3], 103), 7);
    assert_eq!(scale(Scheduler::Wrr, &[20, 100], 120), 1);
    assert_eq!(scale(Scheduler::Wrr, &[0], 4), 1, "a weight of 0 has nothing to grow");
    assert_eq!(scale(Scheduler::Wlc, &[1], MAX_WEIGHT.into()), 1);
    assert_eq!(scale(Scheduler::Wlc, &[1], u64::from(MAX_WEIGHT) * 9), 1);
    // The table of `mh` has few places, and each server takes as many of them as it weighs.
    assert_eq!(scale(Scheduler::Mh, &[1], 100), 10);
    assert_eq!(scale(Scheduler::Mh, &[1], 4000), 1);
}

proptest! {
    #[test]
    fn a_share_never_shrinks_nor_sleeps_and_is_whole_in_time(
        time in 1u64..90_000, looks in proptest::collection::vec(0u64..5_000_000_000_000, 0..30), weight in 1u32..=MAX_WEIGHT
    ) {
        let time = seconds(time);
        let mut intake = Intake::Shut.turn(seconds(7), weight, time);
        let (mut now, mut before, mut written) = (seconds(7), 0, 0);
        let mut looks: Vec<Duration> = looks.into_iter().map(|n| seconds(7) + Duration::from_nanos(n * 18)).collect();
        looks.sort_unstable();
        let mut looks = looks.into_iter().peekable();
        while let Some(growth) = intake.growth() {
            let wake = growth.wake(time);
            prop_assert!(wake > now, "{wake:?} is not after {now:?}");
            let early = looks.next_if(|look| *look < wake).filter(|look| *look >= now);
            now = early.unwrap_or(wake);
            let next = intake.turn(now, weight, time);
            // Whoever looks too soon sees what was; at its time it is another.
            prop_assert_eq!(next == intake, early.is_some());
            written += u32::from(next != intake);
            intake = next;
            let share = intake.share(time).of_weight(weight, 1);
            prop_assert!(share >= before && share >= 1 && share <= weight);
            before = share;
        }
        prop_assert!(now <= seconds(7) + time + Duration::from_nanos(1) && written <= 20, "{written} at {now:?}");
        prop_assert_eq!(before, weight);
    }

    #[test]
    fn the_others_keep_what_they_are_to_each_other(
        weights in proptest::collection::vec(0u32..300, 1..40), growing in proptest::collection::vec(any::<prop::sample::Index>(), 1..5),
        scheduler in 0usize..14
    ) {
        let scheduler = Scheduler::ALL[scheduler].0;
        let live = weights.iter().map(|w| u64::from(*w)).sum();
        let growing: Vec<u32> = growing.iter().map(|at| *at.get(&weights)).collect();
        let scale = scale(scheduler, growing.iter().copied(), live);
        for weight in weights {
            prop_assert_eq!(u64::from(Share::WHOLE.of_weight(weight, scale)), u64::from(weight) * u64::from(scale));
        }
        prop_assert!((1..=20).contains(&scale));
        prop_assert!(scheduler == Scheduler::Mh || growing.iter().all(|w| *w == 0 || w * scale >= 20));
    }
}
