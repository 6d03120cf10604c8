//! Two masters on one wire: a partition, and its end. The one that stays knows of it, announces its addresses again and has its
//! scripts run again; Debian's keepalived in the other seat yields to it, or makes it yield.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::process::Command;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;
use vipd_tests::wire::{Capture, announcements};

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);

/// The weaker one of keepalived's is told to say a last word; otherwise chance decides who hears whom first.
fn conf(host: &Host, kind: Kind, priority: u8) -> String {
    let script = host.script("hook", "#!/bin/sh\necho \"$3 $4\" >>\"$(dirname \"$0\")/hooks\"\n");
    let word = if kind == Kind::Keepalived { "higher_prio_send_advert" } else { "" };
    Instance::new(3, priority, "0.3").with(&format!("notify {}\n{word}", script.display())).text()
}

/// What the hooks of a host were told.
fn hooks(host: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(host.path("hooks")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A strong and a weak master that don't hear each other, then do.
fn split(strong: Kind, weak: Kind) -> (Lab, Director, Director, Host, Host, usize) {
    let mut lab = Lab::new();
    let (one, two, client) = (lab.host(1), lab.host(2), lab.host(3));
    let a = Director::start(strong, &one, &conf(&one, strong, 150));
    let b = Director::start(weak, &two, &conf(&two, weak, 100));
    a.wait_master(VIP, LONG);
    std::thread::sleep(Duration::from_secs(2));
    two.isolate();
    b.wait_master(VIP, LONG);
    std::thread::sleep(Duration::from_secs(3));
    assert!(one.holds(VIP) && two.holds(VIP));
    let capture = Capture::start(&client);
    two.rejoin();
    wait_for("the weaker one gives way", LONG, || !two.holds(VIP));
    std::thread::sleep(Duration::from_secs(3));
    assert!(one.holds(VIP));
    let announced = announcements(&capture.end()).len();
    println!("  {announced} announcements after the heal");
    (lab, a, b, one, two, announced)
}

#[test]
fn the_one_that_stays_knows_of_it_and_makes_it_good() {
    let (_lab, a, b, one, two, announced) = split(Kind::Vipd, Kind::Vipd);
    let status = a.instance("VI_1");
    assert_eq!(status.counters.two_masters, 1, "{}", a.log());
    assert_eq!(status.second_master, None, "it is over");
    // Five behind the last word, five when the other counts as gone.
    assert!(announced >= 10, "{announced} announcements");
    let log = a.log();
    let two_masters = "Two masters: 10.77.0.1 with priority 150 serves, and so does 10.77.0.2 with priority 100";
    // Whoever hears the other first: the weaker one has said one word then, or gone on for half an interval at the least.
    let word = "10.77.0.2 was master, too, when it was last heard: 1 advert heard, none since ";
    let went_on = "10.77.0.2 is no second master any more: ";
    let told = (log.matches(two_masters).count(), log.matches(went_on).count(), log.matches(word).count());
    assert!(matches!(told, (1, 1, 0) | (0, 0, 1)), "{told:?}: {log}");
    assert_eq!(hooks(&one), ["BACKUP 150", "MASTER 150", "MASTER_RX_LOWER_PRI 150", "MASTER 150"], "run again");
    let weaker = b.instance("VI_1");
    assert!(weaker.why.contains("which had fallen silent: there may have been two masters for"), "{}", weaker.why);
    assert_eq!(hooks(&two), ["BACKUP 100", "MASTER 100", "BACKUP 100"]);
}

/// What vipd on a host has told of two masters.
fn told(host: &Host) -> Vec<String> {
    let output = Command::new(vipd()).arg("events").arg("--socket").arg(host.path("socket")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.contains("two masters")).map(str::to_owned).collect()
}

#[test]
fn one_that_died_as_a_whole_and_came_back_is_no_second_master() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let mut a = Director::start(Kind::Vipd, &one, &conf(&one, Kind::Vipd, 150));
    let b = Director::start(Kind::Vipd, &two, &conf(&two, Kind::Vipd, 100));
    a.wait_master(VIP, LONG);
    std::thread::sleep(Duration::from_secs(2));
    a.kill();
    b.wait_master(VIP, LONG);
    wait_for("the leases of the dead one end", LONG, || !one.holds(VIP));
    let a = Director::start(Kind::Vipd, &one, &conf(&one, Kind::Vipd, 150));
    a.wait_master(VIP, LONG);
    wait_for("the weaker one gives way", LONG, || !two.holds(VIP));
    std::thread::sleep(Duration::from_secs(3));
    let weaker = b.instance("VI_1");
    assert!(
        weaker.why.contains("and has been started anew; it may have held the addresses meanwhile, unless"),
        "{}",
        weaker.why
    );
    assert!(!told(&two).iter().any(|line| line.contains("may have been")), "{:?}", told(&two));
    assert!(told(&one).is_empty(), "{:?}", told(&one));
    assert_eq!(a.instance("VI_1").counters.two_masters, 0);
}

#[test]
fn one_that_hears_nobody_goes_on_and_is_told_until_it_is_heard_no_more() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let a = Director::start(Kind::Vipd, &one, &conf(&one, Kind::Vipd, 150));
    a.wait_master(VIP, LONG);
    // What it is told is dropped on its way in.
    for rule in ["add table ip deaf", "add chain ip deaf in { type filter hook prerouting priority 0 ; }"] {
        run(two.command("nft").args(rule.split_whitespace()));
    }
    run(two.command("nft").args("add rule ip deaf in ip protocol 112 drop".split_whitespace()));
    let mut b = Director::start(Kind::Vipd, &two, &conf(&two, Kind::Vipd, 100));
    b.wait_master(VIP, LONG);
    wait_for("it is seen", LONG, || a.instance("VI_1").second_master.is_some_and(|other| other.adverts > 5));
    assert_eq!(told(&one).len(), 1, "{:?}", told(&one));
    b.kill();
    wait_for("it is over", LONG, || a.instance("VI_1").second_master.is_none());
    wait_for("the end is told", LONG, || told(&one).len() == 2);
    let told = told(&one);
    assert!(told[0].contains("from 10.77.0.2 with priority 100"), "{told:?}");
    // It is told of when it goes on for half an interval: by its second advert, or by a third where one is early.
    let begun = told[0].split_once("begun: ").and_then(|(_, rest)| rest.split_once(" adverts in "));
    let (adverts, span) = begun.expect("how many, and in what time");
    assert!(["2", "3"].contains(&adverts), "{told:?}");
    let (number, unit) = span.split_once(' ').unwrap();
    let seconds = number.parse::<f64>().unwrap() * if unit.starts_with("ms") { 1e-3 } else { 1.0 };
    assert!((0.15..1.0).contains(&seconds), "{told:?}");
    assert!(told[1].contains("over: 10.77.0.2 is no second master any more: "), "{told:?}");
}

#[test]
fn keepalived_yields_to_it() {
    let (_lab, a, _b, one, _two, _) = split(Kind::Vipd, Kind::Keepalived);
    assert_eq!(a.instance("VI_1").counters.two_masters, 1, "{}", a.log());
    assert_eq!(hooks(&one).iter().filter(|line| *line == "MASTER 150").count(), 2, "{:?}", hooks(&one));
}

#[test]
fn keepalived_hears_its_last_word() {
    let (_lab, a, _b, _one, _two, announced) = split(Kind::Keepalived, Kind::Vipd);
    assert!(a.log().contains("from 10.77.0.2 with lower priority 100, ours 150"), "{}", a.log());
    assert!(announced >= 5, "{announced} announcements");
}

/// Hooks are often the group's alone: what they did on the other host may have undone what they did here, too. A second cut soon
/// after the first is known at once, and told when there was half a minute of peace.
#[test]
fn the_hooks_of_a_group_are_run_again_and_none_is_forgotten() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let conf = |host: &Host, priority: u8| {
        let script = host.script("hook", "#!/bin/sh\necho \"$1 $2 $3\" >>\"$(dirname \"$0\")/hooks\"\n");
        let group = format!("vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n notify {}\n}}\n", script.display());
        let second = Instance {
            name: "VI_2".to_owned(),
            vrid: 52,
            addresses: vec!["10.77.0.101/32".to_owned()],
            ..Instance::new(3, priority, "0.3")
        };
        group + &Instance::new(3, priority, "0.3").text() + &second.text()
    };
    let a = Director::start(Kind::Vipd, &one, &conf(&one, 150));
    let b = Director::start(Kind::Vipd, &two, &conf(&two, 100));
    a.wait_master(VIP, LONG);
    std::thread::sleep(Duration::from_secs(2));
    let cut = || {
        two.isolate();
        b.wait_master(VIP, LONG);
        std::thread::sleep(Duration::from_secs(1));
        two.rejoin();
        wait_for("the weaker ones give way", LONG, || !two.holds(VIP) && !two.holds("10.77.0.101"));
    };
    cut();
    let again = |times: usize| {
        let masters =
            |hooks: Vec<String>| hooks.iter().filter(|h| *h == "GROUP \"G\" MASTER" || *h == "GROUP G MASTER").count();
        wait_for(&format!("the group is told {times} times"), 4 * LONG, || masters(hooks(&one)) == times);
    };
    again(2);
    cut();
    wait_for("the second one is known", LONG, || {
        a.instance("VI_1").counters.two_masters + a.instance("VI_2").counters.two_masters >= 2
    });
    again(3);
    println!("  {:?}", hooks(&one));
    assert_eq!(hooks(&two).iter().filter(|h| h.ends_with("MASTER")).count(), 2, "{:?}", hooks(&two));
}
