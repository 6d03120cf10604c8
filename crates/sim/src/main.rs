//! `vipd-sim`: simulates seeds, or shows one. `make sim SEEDS=1000` calls it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use vipd_sim::{Mutation, Tally, Violation, run, timeline};

const USAGE: &str = "usage: vipd-sim [--seeds N] [--first SEED] [--jobs N] [--mutation NAME]
       vipd-sim --replay SEED [--lines N] [--mutation NAME]";

/// What is asked.
struct Asked {
    seeds: u64,
    first: u64,
    jobs: usize,
    lines: usize,
    replay: Option<u64>,
    mutation: Option<Mutation>,
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("sim: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match asked.replay {
        Some(seed) => replay(seed, &asked),
        None => simulate(&asked),
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { seeds: 1000, first: 1, jobs: 1, lines: 80, replay: None, mutation: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word}: a value is missing"))?;
        let number = || value.parse::<u64>().map_err(|e| format!("{word} {value}: {e}"));
        let small = || value.parse::<usize>().map_err(|e| format!("{word} {value}: {e}"));
        match word.as_str() {
            "--seeds" => asked.seeds = number()?,
            "--first" => asked.first = number()?,
            "--jobs" => asked.jobs = small()?.max(1),
            "--lines" => asked.lines = small()?,
            "--replay" => asked.replay = Some(number()?),
            "--mutation" => {
                let known = Mutation::parse(&value);
                asked.mutation = Some(known.ok_or_else(|| format!("there is no mutation {value}"))?);
            }
            _ => return Err(format!("{word}: no such option")),
        }
    }
    Ok(asked)
}

/// Shows the end of one seed.
fn replay(seed: u64, asked: &Asked) -> ExitCode {
    for line in timeline(seed, asked.mutation, asked.lines) {
        println!("{line}");
    }
    match run(seed, asked.mutation) {
        Ok(tally) => {
            println!("seed {seed}: every law holds\n{tally}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}

/// Runs many seeds; what it amounts to, and each violation with its timeline.
fn simulate(asked: &Asked) -> ExitCode {
    let next = AtomicU64::new(0);
    let sum: Mutex<(Tally, Vec<Violation>, u64)> = Mutex::default();
    let begun = Instant::now();
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= asked.seeds {
                return;
            }
            let outcome = run(asked.first + n, asked.mutation);
            let Ok(mut sum) = sum.lock() else { return };
            match outcome {
                Ok(tally) => sum.0 += &tally,
                Err(violation) => {
                    sum.0 += &violation.tally;
                    sum.1.push(*violation);
                }
            }
            sum.2 += 1;
            if sum.2 % (asked.seeds / 20).max(1) == 0 {
                let (hours, found) = (sum.0.hours(), sum.1.len());
                eprintln!("sim: {} of {} seeds, {hours:.0} hours, {found} violations", sum.2, asked.seeds);
            }
        }
    };
    std::thread::scope(|scope| (0..asked.jobs).for_each(|_| drop(scope.spawn(work))));
    let wall = begun.elapsed().as_secs_f64();
    let Ok((tally, violations, done)) = sum.into_inner() else { return ExitCode::FAILURE };
    // One of each law is shown; the others are likely the same once more, and some are named.
    let mut laws: BTreeMap<String, u64> = BTreeMap::new();
    for violation in &violations {
        let seen = laws.entry(format!("{:?}", violation.law)).or_default();
        *seen += 1;
        match *seen {
            1 => show(violation, asked),
            2..=10 => println!("{violation}"),
            _ => {}
        }
    }
    let ratio = tally.micros as f64 / 1e6 / wall;
    println!("{done} seeds from {} on, {tally}", asked.first);
    println!("{} violations", violations.len());
    laws.iter().for_each(|(law, n)| println!("    {n} of {law}"));
    println!("{wall:.1} s with {} at once: {ratio:.0} times real time", asked.jobs);
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(violation: &Violation, asked: &Asked) {
    println!("{violation}");
    for line in timeline(violation.seed, asked.mutation, asked.lines) {
        println!("    {line}");
    }
    let mutation = asked.mutation.map_or_else(String::new, |m| format!(" --mutation {m:?}"));
    println!("replay: cargo run --release -p vipd-sim -- --replay {}{mutation}\n", violation.seed);
}
