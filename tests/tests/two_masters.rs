//! Two masters on one wire: a partition, and its end. The one that stays knows of it, announces its addresses again and has its
//! scripts run again; Debian's keepalived in the other seat yields to it, or makes it yield.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
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
    assert_eq!(log.matches(two_masters).count(), 1, "{log}");
    assert!(log.contains("10.77.0.2 is no second master any more"), "{log}");
    assert_eq!(hooks(&one), ["BACKUP 150", "MASTER 150", "MASTER_RX_LOWER_PRI 150", "MASTER 150"], "run again");
    let weaker = b.instance("VI_1");
    assert!(weaker.why.contains("there may have been two masters for"), "{}", weaker.why);
    assert_eq!(hooks(&two), ["BACKUP 100", "MASTER 100", "BACKUP 100"]);
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
