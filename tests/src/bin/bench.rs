//! `make bench`: vipd and Debian's keepalived in the same run, as ratios. Absolute times depend on the machine; the ratios
//! say what they say.

use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use vipd_tests::conf::{Instance, master_down};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::many::{self, Many};
use vipd_tests::process;
use vipd_tests::silence;
use vipd_tests::wire::{Capture, adverts, announcements, connections};

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
    /// Only prints what a command takes: seconds of CPU, KiB of memory at its peak.
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    usage_of: Vec<String>,
    /// One part alone.
    #[arg(long, value_parser = ["take-over", "adverts", "many", "silence", "memory", "reading", "late"])]
    only: Option<String>,
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
    if let [program, arguments @ ..] = &cli.usage_of[..] {
        return usage_of(program, arguments);
    }
    let vipd = std::fs::canonicalize(&cli.vipd).unwrap_or_else(|e| panic!("{}: {e}", cli.vipd.display()));
    vipd_tests::director::use_vipd(vipd);
    let wanted = |part: &str| cli.only.as_deref().is_none_or(|only| only == part);
    let mut figures = Vec::new();
    if wanted("take-over") {
        for (interval, rounds) in [("0.01", cli.rounds), ("0.1", cli.rounds), ("1", cli.rounds.div_ceil(2))] {
            figures.extend(take_over(interval, rounds));
        }
    }
    if wanted("adverts") {
        for (instances, interval) in [(1, "0.01"), (100, "0.1")] {
            figures.extend(per_advert(instances, interval));
        }
    }
    if wanted("many") {
        for count in MANY {
            figures.extend(many(count));
        }
    }
    if wanted("silence") {
        figures.extend(silence());
    }
    if wanted("memory") {
        figures.push(memory());
    }
    if wanted("reading") {
        for (kind, check) in CHECKS {
            figures.extend(reading(kind, check));
        }
        figures.push(linear());
    }
    print(&figures);
    let late = if wanted("late") { lateness() } else { Vec::new() };
    late.iter().for_each(|l| println!("{:<58} {:>12.3} ms, {:.3} ms without", l.name, l.during, l.idle));
    let list = figures.iter().map(|f| {
        json!({ "name": f.name, "unit": f.unit, "vipd": f.vipd, "keepalived": f.keepalived, "ratio": f.vipd / f.keepalived })
    });
    let late = late.iter().map(|l| json!({ "name": l.name, "unit": "ms", "vipd": l.during, "idle": l.idle }));
    let text = format!("{:#}\n", json!({ "figures": list.collect::<Vec<_>>(), "late": late.collect::<Vec<_>>() }));
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

/// Checks of the real servers in a large file.
const CHECKS: [(&str, &str); 2] = [
    ("TCP_CHECK", "TCP_CHECK {\n            connect_timeout 3\n        }"),
    (
        "HTTP_GET",
        "HTTP_GET {\n            url {\n                path /\n                status_code 200\n            }\n            \
         connect_timeout 3\n        }",
    ),
];

/// A configuration of so many virtual servers with four real servers each.
fn large(services: usize, check: &str) -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n");
    for n in 0..services {
        let (high, low) = (n / 250, n % 250);
        text += &format!(
            "virtual_server 10.{high}.{low}.1 80 {{\n    delay_loop 10\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n"
        );
        for real in 1..=4 {
            text += &format!(
                "    real_server 172.{}.{low}.{real} 80 {{\n        weight 1\n        {check}\n    }}\n",
                16 + high % 16
            );
        }
        text += "}\n";
    }
    text
}

/// What a command takes, in a process of its own, as peaks of memory are told of all children together: seconds of CPU,
/// KiB.
fn usage_of(program: &str, arguments: &[String]) {
    let null = std::process::Stdio::null;
    let status = std::process::Command::new(program).args(arguments).stdout(null()).stderr(null()).status();
    let status = status.unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
    let usage = vipd_sys::process::usage_of_children().unwrap_or_else(|e| panic!("{e}"));
    println!("{} {}", usage.cpu.as_secs_f64(), usage.peak_kib);
}

fn usage(command: &[&str]) -> (f64, f64) {
    let own = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let output = std::process::Command::new(own).args(["--vipd", "/", "--usage-of"]).args(command).output();
    let output = output.unwrap_or_else(|e| panic!("{e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(|n| n.parse().unwrap_or(f64::NAN));
    (numbers.next().unwrap_or(f64::NAN), numbers.next().unwrap_or(f64::NAN))
}

/// Reading and checking a large file: the two take turns.
fn reading(kind: &str, check: &str) -> [Figure; 2] {
    const SERVICES: usize = 10_000;
    let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let file = directory.path().join("large.conf").display().to_string();
    std::fs::write(&file, large(SERVICES, check)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let vipd = vipd_tests::director::vipd().display().to_string();
    let (mut cpu, mut peak) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..5 {
        let commands = [vec![vipd.as_str(), "check", &file], vec!["keepalived", "-t", "-l", "-f", &file]];
        for (k, command) in commands.iter().enumerate() {
            let (seconds, kib) = usage(command);
            say(&format!("{SERVICES} virtual servers, {kind}: {} takes {seconds:.3} s, {kib:.0} KiB", command[0]));
            cpu[k].push(seconds * 1e3);
            peak[k].push(kib);
        }
    }
    let figure = |name: &str, unit, values: [Vec<f64>; 2]| {
        let [vipd, keepalived] = values.map(median);
        Figure { name: format!("{SERVICES} virtual servers, 4 {kind} each: {name}"), unit, vipd, keepalived }
    };
    [figure("CPU to check the file", "ms", cpu), figure("peak memory", "KiB", peak)]
}

/// Four times the virtual servers cost so many times as much.
fn linear() -> Figure {
    let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let vipd = vipd_tests::director::vipd().display().to_string();
    let times = |command: &[&str]| {
        let cost = |services| {
            let file = directory.path().join("large.conf").display().to_string();
            std::fs::write(&file, large(services, CHECKS[0].1)).unwrap_or_else(|e| panic!("{file}: {e}"));
            let command: Vec<&str> = command.iter().copied().chain([file.as_str()]).collect();
            median((0..5).map(|_| usage(&command).0).collect())
        };
        cost(10_000) / cost(2_500)
    };
    Figure {
        name: "CPU to check 4 times the virtual servers".to_owned(),
        unit: "times",
        vipd: times(&[vipd.as_str(), "check"]),
        keepalived: times(&["keepalived", "-t", "-l", "-f"]),
    }
}

/// How late something was at most, with reloads and in as much time without.
struct Late {
    name: String,
    during: f64,
    idle: f64,
}

/// A master with 10,000 virtual servers, one of them checked ten times a second, reads its file again: unchanged, with one
/// virtual server changed, with each of them changed.
fn lateness() -> Vec<Late> {
    let interval = 0.1;
    let mut lab = Lab::new();
    let (one, two, client) = (lab.host(1), lab.host(2), lab.host(3));
    let instance = Instance::new(3, 150, "0.1").text();
    let checked = format!(
        "virtual_server 10.99.0.1 80 {{\n    delay_loop 0.1\n    protocol TCP\n    real_server {} 80 {{\n        TCP_CHECK {{\n            \
         connect_timeout 1\n            delay_before_retry 0.1\n        }}\n    }}\n}}\n",
        two.address()
    );
    let conf = |edit: &dyn Fn(String) -> String| format!("{instance}{checked}{}", edit(large(10_000, "")));
    let same = conf(&|text| text);
    let a = Director::start(Kind::Vipd, &one, &same);
    a.wait_master(VIP, LONG);
    std::thread::sleep(Duration::from_secs(5));
    let peer: std::net::Ipv4Addr = two.address().parse().unwrap_or_else(|e| panic!("{e}"));
    let host: std::net::Ipv4Addr = one.address().parse().unwrap_or_else(|e| panic!("{e}"));
    let worst = |reload: Option<&str>| {
        let capture = Capture::start(&client);
        let own = Capture::start(&two);
        std::thread::sleep(Duration::from_secs(1));
        if let Some(text) = reload {
            a.reload(text);
        }
        std::thread::sleep(Duration::from_secs(6));
        let checks = connections(&own.end(), peer);
        let adverts: Vec<f64> = adverts(&capture.end()).iter().filter(|a| a.1 == host).map(|a| a.0).collect();
        let late = |times: &[f64]| {
            assert!(times.len() > 20, "{times:?}");
            let gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
            (gap - interval) * 1e3
        };
        (late(&adverts), late(&checks))
    };
    let idle = worst(None);
    let one_changed = conf(&|text| text.replacen("weight 1", "weight 2", 1));
    let all_changed = conf(&|text| text.replace("weight 1", "weight 3"));
    let cases =
        [("an unchanged file", &same), ("one virtual server changed", &one_changed), ("all changed", &all_changed)];
    let mut lates = Vec::new();
    for (name, text) in cases {
        let (advert, check) = worst(Some(text));
        say(&format!("10,000 virtual servers, {name}: advert {advert:+.3} ms, check {check:+.3} ms"));
        let late = |what: &str, during, idle| Late { name: format!("latest {what}, reload with {name}"), during, idle };
        lates.extend([late("advert", advert, idle.0), late("check", check, idle.1)]);
    }
    lates
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
        let cpu = |director: &Director| process::cpu(director.pid()) * 1e6;
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

/// Numbers of virtual routers in one process.
const MANY: [usize; 3] = [250, 500, 1000];

/// So many virtual routers: start, election, fail-over, and what they cost.
fn many(count: usize) -> [Figure; 5] {
    let [vipd, keepalived] = KINDS.map(|kind| {
        let many = many::measure(kind, count);
        say(&format!("{count} virtual routers, {kind:?}: {many:?}"));
        many
    });
    let figure = |name: &str, unit, value: fn(&Many) -> f64| Figure {
        name: format!("{count} virtual routers: {name}"),
        unit,
        vipd: value(&vipd),
        keepalived: value(&keepalived),
    };
    [
        figure("all elected after a start, over the formula", "ms", |m| m.start * 1e3),
        figure("all taken over from a master that died", "s", |m| m.taken),
        figure("processor of the master", "%", |m| m.master * 1e2),
        figure("processor of the backup", "%", |m| m.backup * 1e2),
        figure("memory of the backup", "KiB", |m| m.memory),
    ]
}

/// BFD neighbours at 10 ms fall silent: how long after three intervals the virtual router says good-bye, a hundred of them.
fn silence() -> [Figure; 2] {
    let [vipd, keepalived] = KINDS.map(|kind| {
        let mut all: Vec<f64> = (0..10).flat_map(|_| silence::measure(kind)).collect();
        all.sort_by(f64::total_cmp);
        let (median, most) = (all[all.len() / 2], all[all.len() * 99 / 100]);
        say(&format!("BFD at 10 ms, {kind:?}: {median:.3} ms late, {most:.3} ms the latest but one of {}", all.len()));
        (median, most)
    });
    let figure = |name: &str, vipd, keepalived| Figure {
        name: format!("BFD 10 ms x 3, over the detection time: {name}"),
        unit: "ms",
        vipd,
        keepalived,
    };
    [figure("median", vipd.0, keepalived.0), figure("99 of 100", vipd.1, keepalived.1)]
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
        let total = process::memory(a.pid());
        say(&format!("memory, {kind:?}: {total:.0} KiB in {} processes", process::tree(a.pid()).len()));
        total
    };
    let (vipd, keepalived) = (of(Kind::Vipd), of(Kind::Keepalived));
    Figure { name: "memory of all processes, one instance".to_owned(), unit: "KiB", vipd, keepalived }
}
