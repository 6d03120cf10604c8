//! `make bench`: vipd and Debian's keepalived in the same run, as ratios. Absolute times depend on the machine; the ratios
//! say what they say.

use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use vipd_tests::conf::{Instance, master_down};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::tree;
use vipd_tests::wire::{Capture, adverts, announcements};

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(20);
const KINDS: [Kind; 2] = [Kind::Vipd, Kind::Keepalived];

#[derive(Parser)]
struct Cli {
    /// The daemon under test: an optimised build.
    #[arg(long)]
    vipd: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    out: PathBuf,
    /// Take-overs per interval and daemon.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// One figure for both daemons.
struct Figure {
    name: String,
    unit: &'static str,
    vipd: f64,
    keepalived: f64,
}

fn main() {
    let cli = Cli::parse();
    let vipd = std::fs::canonicalize(&cli.vipd).unwrap_or_else(|e| panic!("{}: {e}", cli.vipd.display()));
    vipd_tests::director::use_vipd(vipd);
    let mut figures = Vec::new();
    for (interval, rounds) in [("0.01", cli.rounds), ("0.1", cli.rounds), ("1", cli.rounds.div_ceil(2))] {
        figures.extend(take_over(interval, rounds));
    }
    for (instances, interval) in [(1, "0.01"), (100, "0.1")] {
        figures.extend(per_advert(instances, interval));
    }
    figures.push(memory());
    print(&figures);
    let list = figures.iter().map(|f| {
        json!({ "name": f.name, "unit": f.unit, "vipd": f.vipd, "keepalived": f.keepalived, "ratio": f.vipd / f.keepalived })
    });
    let text = format!("{:#}\n", json!({ "figures": list.collect::<Vec<_>>() }));
    std::fs::write(&cli.out, text).unwrap_or_else(|e| panic!("{}: {e}", cli.out.display()));
    println!("\nwritten to {}", cli.out.display());
}

fn print(figures: &[Figure]) {
    println!("\n{:<58} {:>12} {:>12} {:>7}", "", "vipd", "keepalived", "ratio");
    for Figure { name, unit, vipd, keepalived } in figures {
        let name = format!("{name}, {unit}");
        println!("{name:<58} {vipd:>12.3} {keepalived:>12.3} {:>7.2}", vipd / keepalived);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn say(text: &str) {
    eprintln!("  {text}");
}

/// A killed master: from its last advert to the new master's first advert and first announcement, less what the formula
/// gives. The two daemons take turns.
fn take_over(interval: &str, rounds: usize) -> [Figure; 2] {
    let seconds: f64 = interval.parse().unwrap_or(1.0);
    let formula = master_down(3, 100, seconds);
    let mut excess = [Vec::new(), Vec::new()];
    let mut told = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for (k, kind) in KINDS.into_iter().enumerate() {
            let (advert, arp) = one_take_over(kind, interval);
            say(&format!(
                "take-over at {interval} s, round {round} of {rounds}, {kind:?}: formula {:+.3} ms, first ARP {:+.3} ms",
                (advert - formula) * 1e3,
                (arp - formula) * 1e3
            ));
            excess[k].push((advert - formula) * 1e3);
            told[k].push((arp - formula) * 1e3);
        }
    }
    let figure = |name: String, values: [Vec<f64>; 2]| {
        let [vipd, keepalived] = values.map(median);
        Figure { name, unit: "ms", vipd, keepalived }
    };
    [
        figure(format!("take-over over the formula, advert_int {interval}: advert"), excess),
        figure(format!("take-over over the formula, advert_int {interval}: first ARP"), told),
    ]
}

fn one_take_over(kind: Kind, interval: &str) -> (f64, f64) {
    let mut lab = Lab::new();
    let (one, two, client) = (lab.host(1), lab.host(2), lab.host(3));
    let conf = |priority| Instance::new(3, priority, interval).text();
    let mut a = Director::start(kind, &one, &conf(150));
    a.wait_master(VIP, LONG);
    let b = Director::start(kind, &two, &conf(100));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!two.holds(VIP), "two masters:\n{}", b.log());
    let capture = Capture::start(&client);
    std::thread::sleep(Duration::from_millis(1200));
    a.kill();
    b.wait_master(VIP, LONG);
    std::thread::sleep(Duration::from_millis(200));
    let frames = capture.end();
    let adverts = adverts(&frames);
    let old = one.address();
    let last = adverts.iter().rev().find(|(_, from, _)| from.to_string() == old).map(|(at, ..)| *at);
    let last = last.expect("the old master's adverts were captured");
    let first = adverts.iter().find(|(at, from, _)| *at > last && from.to_string() != old).map(|(at, ..)| *at);
    let arp = announcements(&frames).into_iter().find(|(at, _)| *at > last).map(|(at, _)| at);
    (first.expect("the new master's adverts were captured") - last, arp.expect("an announcement") - last)
}

/// CPU time of all processes of a master, and of a backup, for each advert.
fn per_advert(instances: u8, interval: &str) -> [Figure; 2] {
    let seconds: f64 = interval.parse().unwrap_or(1.0);
    let (mut sent, mut heard) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, two) = (lab.host(1), lab.host(2));
        let conf = |priority| (1..=instances).map(|n| instance(n, priority, interval)).collect::<String>();
        let a = Director::start(kind, &one, &conf(150));
        a.wait_master(&address(instances), LONG);
        let b = Director::start(kind, &two, &conf(100));
        // Past the second block of gratuitous ARP.
        std::thread::sleep(Duration::from_secs(7));
        let before = (cpu(&a), cpu(&b));
        let measured = Duration::from_secs(10);
        std::thread::sleep(measured);
        let count = f64::from(instances) * measured.as_secs_f64() / seconds;
        let (master, backup) = ((cpu(&a) - before.0) / count, (cpu(&b) - before.1) / count);
        say(&format!("{instances} instances at {interval} s, {kind:?}: {master:.2} us sent, {backup:.2} us received"));
        sent.push(master);
        heard.push(backup);
        assert!(one.holds(&address(instances)) && !two.holds(&address(instances)), "{kind:?} moved under measurement");
    }
    let figure = |name: &str, v: &[f64]| Figure {
        name: format!("CPU per advert {name}, {instances} instances"),
        unit: "us",
        vipd: v[0],
        keepalived: v[1],
    };
    [figure("sent", &sent), figure("received", &heard)]
}

fn address(n: u8) -> String {
    format!("10.77.1.{n}")
}

fn instance(n: u8, priority: u8, interval: &str) -> String {
    let mut instance = Instance::new(3, priority, interval);
    instance.name = format!("VI_{n}");
    instance.vrid = n;
    instance.addresses = vec![format!("{}/32", address(n))];
    instance.text()
}

/// CPU time of all processes of a daemon in microseconds: what the scheduler counted.
fn cpu(director: &Director) -> f64 {
    let one = |pid: &u32| -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e3
    };
    tree(director.pid()).iter().map(one).sum()
}

/// Memory of all processes of a daemon with one instance: its share of what is in memory. (With real servers too, keepalived
/// ends where the kernel has no IPVS, and its addresses with it.)
fn memory() -> Figure {
    let of = |kind| {
        let mut lab = Lab::new();
        let one: Host = lab.host(1);
        let a = Director::start(kind, &one, &Instance::new(3, 150, "1").text());
        a.wait_master(VIP, LONG);
        std::thread::sleep(Duration::from_secs(2));
        let pids = tree(a.pid());
        let total: f64 = pids.iter().map(|pid| pss(*pid)).sum();
        say(&format!("memory, {kind:?}: {total:.0} KiB in {} processes", pids.len()));
        total
    };
    let (vipd, keepalived) = (of(Kind::Vipd), of(Kind::Keepalived));
    Figure { name: "memory of all processes, one instance".to_owned(), unit: "KiB", vipd, keepalived }
}

fn pss(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}
