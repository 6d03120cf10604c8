//! Adverts that don't leave: what a host that believes itself master says when nobody can hear it.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::process::Command;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);

/// What a command of vipd prints.
fn ask(host: &Host, what: &[&str]) -> String {
    let output = Command::new(vipd()).args(what).arg("--socket").arg(host.path("socket")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What was told of the adverts.
fn told(host: &Host) -> Vec<String> {
    let events = ask(host, &["events"]);
    let lines = events.lines().filter_map(|line| line.split_once("  adverts  "));
    lines.map(|(_, rest)| rest.trim().to_owned()).collect()
}

/// Runs nft in a host.
fn nft(host: &Host, rule: &str) {
    run(host.command("nft").args(rule.split_whitespace()));
}

#[test]
fn a_packet_filter_that_drops_adverts_is_told_while_it_does() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.2").text());
    a.wait_master(VIP, LONG);
    nft(&one, "add table ip site");
    nft(&one, "add chain ip site out { type filter hook output priority 0 ; }");
    nft(&one, "add rule ip site out ip protocol 112 drop");
    wait_for("it is noticed", LONG, || a.instance("VI_1").unsent.is_some());
    let before = a.instance("VI_1").counters;
    std::thread::sleep(Duration::from_secs(2));
    let status = a.instance("VI_1");
    let unsent = status.unsent.unwrap();
    assert!(unsent.none_leaves && unsent.why.starts_with("Operation not permitted"), "{unsent:?}");
    assert_eq!(status.counters.adverts_sent, before.adverts_sent, "none has left");
    assert!(status.counters.adverts_unsent >= before.adverts_unsent + 8, "{:?}", status.counters);
    let page = ask(&one, &["status"]);
    let line = page.lines().find_map(|line| line.trim().strip_prefix("no advert leaves since "));
    assert!(
        line.is_some_and(|line| line.contains(" s: Operation not permitted (most likely a packet filter")),
        "{page}"
    );
    // Another process goes on with it.
    let role = a.role("vrrp");
    vipd_tests::process::signal_pid(role, rustix::process::Signal::KILL);
    wait_for("another vrrp role", LONG, || a.status().is_some_and(|s| s.roles.iter().any(|r| r.restarts == 1)));
    wait_for("it knows", LONG, || a.instance("VI_1").unsent.is_some());
    let begun = "vrrp_instance VI_1  no advert leaves: Operation not permitted (most likely a packet filter of this \
                 host drops what it sends)";
    assert_eq!(told(&one), [begun], "once");

    nft(&one, "delete table ip site");
    wait_for("adverts leave again", LONG, || a.instance("VI_1").unsent.is_none());
    let sent = a.instance("VI_1").counters.adverts_sent;
    wait_for("they are counted", LONG, || a.instance("VI_1").counters.adverts_sent > sent + 3);
    let told = told(&one);
    assert!(told.len() == 2 && told[1].starts_with("vrrp_instance VI_1  leave again: after "), "{told:?}");
    assert!(!ask(&one, &["status"]).contains("no advert leaves"));
}

#[test]
fn a_peer_that_is_not_reached_is_named() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    nft(&one, "add table ip site");
    nft(&one, "add chain ip site out { type filter hook output priority 0 ; }");
    nft(&one, "add rule ip site out ip daddr 198.51.100.7 drop");
    let peers = format!("unicast_peer {{\n {}\n 198.51.100.7\n}}", two.address());
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.2").with(&peers).text());
    a.wait_master(VIP, LONG);
    let unsent = a.instance("VI_1").unsent.unwrap();
    assert!(!unsent.none_leaves && unsent.why.starts_with("to 198.51.100.7: Operation not permitted"), "{unsent:?}");
    wait_for("they are sent all the same", LONG, || {
        let counters = a.instance("VI_1").counters;
        assert_eq!((counters.adverts_unsent, counters.adverts_sent), (0, counters.adverts_partly_sent));
        counters.adverts_sent > 3
    });
    let page = ask(&one, &["status"]);
    assert!(page.contains("not every advert leaves since") && page.contains(" not to all peers)"), "{page}");
    let told = told(&one);
    let begun = "vrrp_instance VI_1  not every advert leaves: to 198.51.100.7: Operation not permitted";
    assert!(told.len() == 1 && told[0].starts_with(begun), "{told:?}");
}
