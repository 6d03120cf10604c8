//! Seeds within every test run: a fixed set that is the same each time, and fresh ones that are printed. A failure is a
//! seed, told with the end of its timeline and the command that replays it.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::SystemTime;
use vipd_sim::{Kind, Mutation, Tally, run, timeline};

/// Fresh seeds in a run.
const FRESH: u64 = 300;

/// Where they begin: `SIM_SEED` (the Makefile's: another for each state of the tree), else the time.
fn beginning() -> u64 {
    match std::env::var("SIM_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() << 16,
    }
}

/// Runs a seed; on a violation tells everything about it.
fn must_hold(seed: u64) -> Tally {
    run(seed, None).unwrap_or_else(|violation| {
        let told = timeline(seed, None, 60).join("\n");
        panic!("{violation}\n{told}\nreplay: cargo run --release -p vipd-sim -- --replay {seed}")
    })
}

#[test]
fn every_law_holds_in_fixed_seeds() {
    let mut sum = Tally::default();
    (1..=60).for_each(|seed| sum += &must_hold(seed));
    println!("seeds 1 to 60: {sum}");
    // And nothing of what is to be injected was left out.
    assert!(sum.faults.iter().all(|n| *n > 0), "{:?} {:?}", Kind::ALL, sum.faults);
}

#[test]
fn every_law_holds_in_fresh_seeds() {
    let first = beginning();
    let mut sum = Tally::default();
    (first..first + FRESH).for_each(|seed| sum += &must_hold(seed));
    println!("seeds {first} to {}: {sum}", first + FRESH - 1);
}

/// A seed is a run: whatever it does, it does again.
#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in [1, 2, 7] {
        assert_eq!(run(seed, None).unwrap(), run(seed, None).unwrap());
    }
    let broken = Some(Mutation::PriorityUnread);
    let once = run(1, broken).unwrap_err();
    assert_eq!(once.to_string(), run(1, broken).unwrap_err().to_string());
    assert!(timeline(1, broken, 9).last().unwrap().contains(&once.text));
}
