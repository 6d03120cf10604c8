//! A dead node lets go: virtual addresses are leases, which the kernel ends when nobody of vipd renews them. Debian's
//! keepalived beside it keeps what it has, and answers for it beside the new master.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vipd_tests::conf::{self, master_down};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;
use vipd_tests::wire::{Capture, adverts, announcements};

const V4: &str = "10.77.0.100";
const V6: &str = "2001:db8:77::100";
const LONG: Duration = Duration::from_secs(20);
/// What a shared machine may add to any time.
const SLACK: f64 = 1.0;

/// A router with an address of each family.
fn conf(priority: u8, interval: &str, more: &str) -> String {
    let extra = format!("virtual_ipaddress_excluded {{\n {V6}/64\n}}\n{more}");
    conf::Instance::new(3, priority, interval).with(&extra).text()
}

fn holds_both(host: &Host) -> bool {
    host.holds(V4) && host.holds(V6)
}

fn holds_any(host: &Host) -> bool {
    host.holds(V4) || host.holds(V6)
}

/// What the kernel says of the lifetimes of an address.
fn lifetime(host: &Host, address: &str) -> String {
    let all = host.ip("-o addr show dev eth0");
    all.lines().find(|line| line.contains(&format!(" {address}/"))).unwrap_or_default().to_owned()
}

/// A master that serves for some seconds, with a backup of vipd that listens.
fn pair(lab: &mut Lab, kind: Kind, interval: &str, more: &str) -> (Host, Host, Director, Director) {
    let (one, two) = (lab.host(1), lab.host(2));
    one.with_ipv6();
    two.with_ipv6();
    let a = Director::start(kind, &one, &conf(150, interval, more));
    a.wait_master(V4, LONG);
    let b = Director::start(Kind::Vipd, &two, &conf(100, interval, ""));
    wait_for("the backup hears the master", LONG, || {
        b.status().is_some_and(|s| s.instances[0].counters.adverts_received > 3)
    });
    // Leases were renewed more than once by now, and nothing of that was seen.
    std::thread::sleep(Duration::from_secs(5));
    assert!(holds_both(&one) && !holds_any(&two));
    (one, two, a, b)
}

/// Kills or hangs a vipd that is master; for how long it keeps the addresses.
#[track_caller]
fn lets_go(interval: &str, end: fn(&mut Director)) {
    let mut lab = Lab::new();
    let (one, two, mut a, b) = pair(&mut lab, Kind::Vipd, interval, "");
    assert_eq!(a.instance("VI_1").counters.addresses_restored, 0, "a lease ended while it was renewed:\n{}", a.log());
    let start = Instant::now();
    end(&mut a);
    let took = b.wait_master(V4, LONG).as_secs_f64();
    wait_for("the dead node lets go", LONG, || !holds_any(&one));
    let gone = start.elapsed().as_secs_f64();
    let down = master_down(3, 100, interval.parse().unwrap());
    println!("  every {interval} s: taken over after {took:.2} s (formula {down:.2} s), let go after {gone:.2} s");
    assert!(gone < down + 1.0 + SLACK, "it held on for {gone:.2} s");
    assert!(holds_both(&two));
    // Awake again, or started again, it takes its place as ever.
    a.resume();
    if a.runs() {
        wait_for("the stronger one serves again", LONG, || holds_both(&one) && !holds_any(&two));
    }
}

#[test]
fn killed_as_a_whole_it_lets_go() {
    lets_go("1", Director::kill);
}

#[test]
fn hung_as_a_whole_it_lets_go() {
    lets_go("1", |director| director.hang());
}

#[test]
fn a_fast_pair_lets_go_soon() {
    lets_go("0.1", Director::kill);
}

#[test]
fn keepalived_holds_on() {
    let mut lab = Lab::new();
    let (one, two, mut a, b) = pair(&mut lab, Kind::Keepalived, "0.3", "");
    a.kill();
    b.wait_master(V4, LONG);
    std::thread::sleep(Duration::from_secs(6));
    assert!(holds_both(&one) && holds_both(&two), "two hold the addresses, as the reference says of keepalived");
}

#[test]
fn without_leases_the_addresses_stay() {
    let mut lab = Lab::new();
    let (one, _two, mut a, b) = pair(&mut lab, Kind::Vipd, "0.3", "vip_lease off");
    for address in [V4, V6] {
        assert!(lifetime(&one, address).contains("valid_lft forever"), "{}", lifetime(&one, address));
    }
    a.kill();
    b.wait_master(V4, LONG);
    std::thread::sleep(Duration::from_secs(4));
    assert!(holds_both(&one));
}

#[test]
fn a_lone_master_that_stood_still_has_its_addresses_again() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    one.with_ipv6();
    let a = Director::start(Kind::Vipd, &one, &conf(150, "0.3", ""));
    wait_for("it serves", LONG, || holds_both(&one));
    std::thread::sleep(Duration::from_secs(2));
    a.hang();
    wait_for("its leases end", LONG, || !holds_any(&one));
    // A lease of whole seconds may end before a backup would take over; by now one would have.
    std::thread::sleep(Duration::from_secs(1));
    a.resume();
    let start = Instant::now();
    wait_for("it has them again", LONG, || holds_both(&one));
    let after = start.elapsed().as_secs_f64();
    println!("  the addresses are back {after:.2} s after it woke");
    assert!(after > 0.25, "it did not listen first");
    let status = a.instance("VI_1");
    assert_eq!((status.state.as_str(), status.counters.stalled), ("MASTER", 1));
    assert_eq!(status.counters.addresses_restored, 0, "nobody removed them but the kernel, as agreed");
}

/// What a master that had stood still was about to do when its process dies, the successor does: it listens before anybody
/// hears of it.
#[test]
fn a_successor_goes_on_listening() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    one.with_ipv6();
    let interval = 2.0;
    let a = Director::start(Kind::Vipd, &one, &conf(150, "2", ""));
    wait_for("it serves", LONG, || holds_both(&one));
    let role = a.role("vrrp");
    std::thread::sleep(Duration::from_secs(1));
    a.hang();
    std::thread::sleep(Duration::from_secs_f64(master_down(3, 150, interval) + 1.0));
    let capture = Capture::start(&one);
    let woke = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    a.resume();
    wait_for("it listens", LONG, || a.log().contains("before it sends again"));
    // The supervisor has heard so, too.
    std::thread::sleep(Duration::from_millis(200));
    signal_pid(role, Signal::KILL);
    wait_for("there is a successor", LONG, || a.status().is_some() && a.role("vrrp") != role);
    wait_for("it serves again", LONG, || holds_both(&one));
    std::thread::sleep(Duration::from_secs(1));
    let frames = capture.end();
    let adverts = adverts(&frames).into_iter().map(|(at, _, _)| at);
    let heard = adverts.chain(announcements(&frames).into_iter().map(|(at, _)| at)).fold(f64::INFINITY, f64::min);
    println!("  it is heard {:.2} s after it woke", heard - woke);
    assert!(heard.is_finite() && heard - woke > interval - 0.1, "{:.2} s after it woke\n{}", heard - woke, a.log());
    assert_eq!(a.instance("VI_1").counters.became_master, 1, "{}", a.log());
}

#[test]
fn a_reload_ends_and_begins_leases_without_a_gap() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    one.with_ipv6();
    let mut a = Director::start(Kind::Vipd, &one, &conf(150, "0.3", ""));
    wait_for("it serves", LONG, || holds_both(&one));
    assert!(!lifetime(&one, V4).contains("forever") && !lifetime(&one, V6).contains("forever"));
    a.reload(&conf(150, "0.3", "vip_lease off"));
    wait_for("the addresses are for good", LONG, || {
        [V4, V6].iter().all(|address| lifetime(&one, address).contains("valid_lft forever"))
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(holds_both(&one));
    // An IPv6 address that is there for good stays so until it is added anew: its prefix's route would end with it.
    a.reload(&conf(150, "0.3", ""));
    wait_for("IPv4 is leased again", LONG, || !lifetime(&one, V4).contains("valid_lft forever"));
    std::thread::sleep(Duration::from_secs(3));
    assert!(holds_both(&one));
    assert_eq!(a.instance("VI_1").counters.addresses_restored, 0);
    a.stop();
    assert!(!holds_any(&one));
}

#[test]
fn what_is_left_behind_on_purpose_is_left_for_good() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    one.with_ipv6();
    let mut a = Director::start_with(Kind::Vipd, &one, &conf(150, "0.3", ""), &["-V"]);
    wait_for("it serves", LONG, || holds_both(&one));
    a.stop();
    std::thread::sleep(Duration::from_secs(3));
    assert!(holds_both(&one), "-V leaves the addresses where they are");
}
