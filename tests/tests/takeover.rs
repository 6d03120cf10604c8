//! Two directors on a wire: who takes over, when, and that there are never two for long. vipd with vipd, and vipd with
//! Debian's keepalived in both seats.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vipd_tests::conf::{AH, Instance, PASS, master_down, skew};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;
use vipd_tests::wire::{Capture, adverts, announcements, two_masters};

/// What a shared machine may add to any time.
const SLACK: f64 = 1.0;
const VIP: &str = "10.77.0.100";

fn patience(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds + 4.0)
}

/// The stronger node in one seat, the weaker in the other; every way of losing the stronger one.
#[track_caller]
fn round(strong: Kind, weak: Kind, version: u8, interval: &str, extra: &str) {
    let conf = |priority| Instance::new(version, priority, interval).with(extra);
    round_for("10.77.0.100/32", strong, weak, conf);
}

/// The same for routers whose address (the last one, with its length) is this.
#[track_caller]
fn round_for(network: &str, strong: Kind, weak: Kind, conf: impl Fn(u8) -> Instance) {
    let (vip, _) = network.split_once('/').expect("a length");
    let Instance { version, advert_int: interval, .. } = conf(100);
    let seconds: f64 = interval.parse().expect("an interval");
    let mut lab = Lab::new();
    let (one, two, client) = (lab.host(1), lab.host(2), lab.host(3));
    if vip.contains(':') {
        for host in [&one, &two] {
            host.with_ipv6();
        }
    }
    let (high, low) = (conf(150).text(), conf(100).text());
    let capture = Capture::start(&client);
    let down = master_down(version, 100, seconds);

    let mut a = Director::start(strong, &one, &high);
    let mut b = Director::start(weak, &two, &low);
    a.wait_master(vip, patience(master_down(version, 150, seconds)));
    assert!(!two.holds(vip), "both hold the address");

    // A planned stop: priority 0, the weaker one waits its skew and no more.
    a.terminate();
    let took = b.wait_master(vip, patience(skew(version, 100, seconds))).as_secs_f64();
    println!("  planned stop: {took:.3} s, by the formula {:.3} s", skew(version, 100, seconds));
    assert!(took < skew(version, 100, seconds) + SLACK);
    a.stop();
    assert!(!one.holds(vip), "a stopped director keeps the address:\n{}", a.log());

    // It comes back and preempts.
    let mut a = Director::start(strong, &one, &high);
    a.wait_master(vip, patience(master_down(version, 150, seconds)));
    vipd_tests::wait_for("the weaker gives way", patience(seconds), || !two.holds(vip));

    // Killed, every process of it: the weaker takes the address after the interval; on the dead host it stays (keepalived)
    // until somebody takes it away, or (vipd) until its lease ends.
    a.kill();
    let took = b.wait_master(vip, patience(down)).as_secs_f64();
    println!("  killed: {took:.3} s, by the formula {down:.3} s");
    assert!(took < down + SLACK);
    match strong {
        Kind::Vipd => drop(vipd_tests::wait_for("its lease ends", patience(2.0), || !one.holds(vip))),
        Kind::Keepalived => drop(one.ip(&format!("addr del {network} dev eth0"))),
    }

    // Hung, and awake again.
    let mut a = Director::start(strong, &one, &high);
    a.wait_master(vip, patience(master_down(version, 150, seconds)));
    vipd_tests::wait_for("the weaker gives way", patience(seconds), || !two.holds(vip));
    a.hang();
    let took = b.wait_master(vip, patience(down)).as_secs_f64();
    println!("  hung: {took:.3} s, by the formula {down:.3} s");
    assert!(took < down + SLACK);
    let woke = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    a.resume();
    vipd_tests::wait_for("one of them gives way", patience(2.0 * down), || one.holds(vip) != two.holds(vip));

    // Unplugged: it knows at once, and gives the address up.
    a.wait_master(vip, patience(2.0 * down));
    vipd_tests::wait_for("the weaker gives way", patience(seconds), || !two.holds(vip));
    one.cable_out();
    let took = b.wait_master(vip, patience(down)).as_secs_f64();
    println!("  unplugged: {took:.3} s, by the formula {down:.3} s");
    assert!(took < down + SLACK);
    vipd_tests::wait_for("the unplugged one lets go", patience(1.0), || !one.holds(vip));
    one.cable_in();
    a.wait_master(vip, patience(master_down(version, 150, seconds)));
    vipd_tests::wait_for("the weaker gives way", patience(seconds), || !two.holds(vip));

    a.stop();
    b.stop();
    assert!(!one.holds(vip) && !two.holds(vip), "a stopped director keeps the address");
    let frames = capture.end();
    let announced = announcements(&frames).iter().filter(|(_, address)| address.to_string() == vip).count();
    assert!(announced >= 5, "{announced} announcements of {vip}");
    let first = adverts(&frames).into_iter().find(|(at, _, priority)| *at > woke && *priority == 150);
    let first = first.map_or(f64::INFINITY, |(at, _, _)| at - woke);
    println!("  first advert of the one that woke: after {first:.3} s");
    if strong == Kind::Vipd {
        assert!(first > seconds, "it did not listen to who had taken over");
    }
    let both = two_masters(&frames, seconds);
    println!("  adverts seen: {}, longest with two masters: {both:.3} s", adverts(&frames).len());
    assert!(both < down + SLACK, "two masters for {both:.3} s");
}

/// An IPv6 router with a link-local address before the one that clients use, as the RFC has it.
fn ipv6(priority: u8) -> Instance {
    let addresses = vec!["fe80::1:51/64".to_owned(), "2001:db8:77::100/64".to_owned()];
    Instance { addresses, ..Instance::new(3, priority, "0.3") }
}

#[test]
fn vipd_over_keepalived_ipv6() {
    round_for("2001:db8:77::100/64", Kind::Vipd, Kind::Keepalived, ipv6);
}

#[test]
fn keepalived_over_vipd_ipv6() {
    round_for("2001:db8:77::100/64", Kind::Keepalived, Kind::Vipd, ipv6);
}

#[test]
fn vipd_with_vipd_v3() {
    round(Kind::Vipd, Kind::Vipd, 3, "0.3", "");
}

#[test]
fn vipd_with_vipd_v2_password() {
    round(Kind::Vipd, Kind::Vipd, 2, "1", PASS);
}

#[test]
fn vipd_over_keepalived_v3() {
    round(Kind::Vipd, Kind::Keepalived, 3, "0.3", "");
}

#[test]
fn keepalived_over_vipd_v3() {
    round(Kind::Keepalived, Kind::Vipd, 3, "0.3", "");
}

#[test]
fn vipd_over_keepalived_v2_password() {
    round(Kind::Vipd, Kind::Keepalived, 2, "1", PASS);
}

#[test]
fn keepalived_over_vipd_v2_password() {
    round(Kind::Keepalived, Kind::Vipd, 2, "1", PASS);
}

#[test]
fn vipd_over_keepalived_v2_plain() {
    round(Kind::Vipd, Kind::Keepalived, 2, "1", "");
}

#[test]
fn keepalived_over_vipd_v2_plain() {
    round(Kind::Keepalived, Kind::Vipd, 2, "1", "");
}

/// Unicast, and the authentication header: election and a planned stop in both seats.
#[track_caller]
fn short_round(strong: Kind, weak: Kind, version: u8, interval: &str, extra: impl Fn(u8, u8) -> String) {
    let seconds: f64 = interval.parse().expect("an interval");
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let conf = |priority, own, peer| Instance::new(version, priority, interval).with(&extra(own, peer)).text();
    let mut a = Director::start(strong, &one, &conf(150, 1, 2));
    let mut b = Director::start(weak, &two, &conf(100, 2, 1));
    a.wait_master(VIP, patience(master_down(version, 150, seconds)));
    std::thread::sleep(Duration::from_secs_f64(master_down(version, 100, seconds) + SLACK));
    assert!(!two.holds(VIP), "the weaker one doesn't hear the stronger:\n{}", b.log());
    a.stop();
    let took = b.wait_master(VIP, patience(skew(version, 100, seconds))).as_secs_f64();
    println!("  {strong:?} to {weak:?}: planned stop {took:.3} s");
    let mut a = Director::start(strong, &one, &conf(150, 1, 2));
    a.wait_master(VIP, patience(4.0 * master_down(version, 150, seconds)));
    vipd_tests::wait_for("the weaker gives way", patience(seconds), || !two.holds(VIP));
    a.stop();
    b.stop();
}

#[test]
fn unicast_in_both_seats() {
    let unicast = |own, peer| format!("unicast_src_ip 10.77.0.{own}\nunicast_peer {{\n10.77.0.{peer}\n}}");
    short_round(Kind::Vipd, Kind::Keepalived, 3, "0.3", unicast);
    short_round(Kind::Keepalived, Kind::Vipd, 3, "0.3", unicast);
}

#[test]
fn authentication_header_in_both_seats() {
    let ah = |_, _| AH.to_owned();
    short_round(Kind::Vipd, Kind::Keepalived, 2, "1", ah);
    short_round(Kind::Keepalived, Kind::Vipd, 2, "1", ah);
}

#[test]
fn equal_priority_the_higher_address_wins() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let conf = Instance::new(3, 100, "0.3").text();
    let a = Director::start(Kind::Vipd, &one, &conf);
    a.wait_master(VIP, patience(2.0));
    // A backup yields to an equal master whatever the addresses (RFC 9568, 6.4.2)...
    let b = Director::start(Kind::Vipd, &two, &conf);
    std::thread::sleep(Duration::from_secs(3));
    assert!(one.holds(VIP) && !two.holds(VIP));
    // ... but of two masters the higher address stays.
    two.isolate();
    b.wait_master(VIP, patience(2.0));
    two.rejoin();
    vipd_tests::wait_for("10.77.0.1 gives way to 10.77.0.2", patience(2.0), || !one.holds(VIP));
    assert!(two.holds(VIP));
    let why = a.instance("VI_1").why;
    println!("  why: {why}");
    assert!(why.contains("equal priority") && why.contains("10.77.0.2"));
}

#[test]
fn nopreempt_leaves_the_weaker_master_in_peace() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let b = Director::start(Kind::Vipd, &two, &Instance::new(3, 100, "0.3").text());
    b.wait_master(VIP, patience(2.0));
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").with("nopreempt").text());
    std::thread::sleep(Duration::from_secs(4));
    assert!(two.holds(VIP) && !one.holds(VIP), "it preempted:\n{}", a.log());
    assert_eq!(a.instance("VI_1").state, "BACKUP");
    b.terminate();
    a.wait_master(VIP, patience(1.0));
}

#[test]
fn preempt_delay_holds_the_stronger_back_for_so_long() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let b = Director::start(Kind::Vipd, &two, &Instance::new(3, 100, "0.3").text());
    b.wait_master(VIP, patience(2.0));
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").with("preempt_delay 4").text());
    let took = a.wait_master(VIP, patience(8.0)).as_secs_f64();
    println!("  preempt_delay 4: master after {took:.2} s");
    assert!((4.0..4.0 + 1.3 + SLACK).contains(&took));
}

#[test]
fn an_owner_serves_at_once() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 255, "1").text());
    let took = a.wait_master(VIP, patience(1.0)).as_secs_f64();
    println!("  an owner with advert_int 1 is master after {took:.3} s");
    assert!(took < 1.0 + SLACK);
}

/// Below an MTU of 1280 an interface has no IPv6 and forgets the groups that were joined there: a backup that comes out of that
/// hears its master again.
#[test]
fn a_backup_hears_again_after_an_mtu_without_ipv6() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    for host in [&one, &two] {
        host.with_ipv6();
    }
    let vip = "2001:db8:77::100";
    let mut a = Director::start(Kind::Keepalived, &one, &ipv6(150).text());
    let mut b = Director::start(Kind::Vipd, &two, &ipv6(100).text());
    a.wait_master(vip, patience(2.0));
    two.ip("link set eth0 mtu 1200");
    let state = || b.instance("VI_1").state;
    vipd_tests::wait_for("without IPv6 it is in FAULT", patience(2.0), || state() == "FAULT");
    two.ip("link set eth0 mtu 1500");
    vipd_tests::wait_for("it is back", patience(4.0), || state() == "BACKUP");
    let heard = b.instance("VI_1").counters.adverts_received;
    std::thread::sleep(Duration::from_secs_f64(3.0 * master_down(3, 100, 0.3)));
    let status = b.instance("VI_1");
    println!("  {} adverts heard since", status.counters.adverts_received - heard);
    assert_eq!(status.state, "BACKUP", "{}", status.why);
    assert!(status.counters.adverts_received > heard, "it is deaf");
    a.stop();
    b.stop();
}

#[test]
fn keepalived_that_believes_only_the_old_checksum_is_spoken_to_in_it() {
    let unicast = |own, peer| format!("unicast_src_ip 10.77.0.{own}\nunicast_peer {{\n10.77.0.{peer}\n}}\n");
    for (word, believed) in [("old_unicast_checksum", true), ("", false)] {
        let mut lab = Lab::new();
        let (one, two) = (lab.host(1), lab.host(2));
        let old = Instance::new(3, 100, "0.5").with(&(unicast(2, 1) + "old_unicast_checksum"));
        let b = Director::start(Kind::Keepalived, &two, &old.text());
        b.wait_master(VIP, patience(master_down(3, 100, 0.5)));
        let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.5").with(&(unicast(1, 2) + word)).text());
        a.wait_master(VIP, patience(master_down(3, 150, 0.5)));
        let heard = a.instance("VI_1").checksum_heard;
        assert_eq!(heard.as_deref(), Some("with the multicast group in the pseudo-header"));
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(!two.holds(VIP), believed, "with {word:?}:\n{}", b.log());
    }
}
