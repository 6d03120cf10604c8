//! Addresses that somebody takes away: they are back before anybody misses them, the role stays where it was, and the log says
//! who it was, once in a while. What keepalived makes of it, beside it.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vipd_sys::netlink::{Change, Monitor};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;
use vipd_tests::web::inside;

const LONG: Duration = Duration::from_secs(15);
/// The virtual addresses: two on the interface of the instance, two on another one.
const VIPS: [&str; 4] = ["10.77.0.100", "2001:db8:77::100", "10.78.0.100", "2001:db8:78::100"];
const ROUNDS: usize = 200;

fn conf(priority: u8) -> Instance {
    let excluded =
        "virtual_ipaddress_excluded {\n2001:db8:77::100/64\n10.78.0.100/32 dev eth1\n2001:db8:78::100/64 dev eth1\n}";
    Instance::new(3, priority, "0.3").with(excluded)
}

/// A host with addresses of its own of both families on eth0 and eth1.
fn host(lab: &mut Lab, number: u8) -> Host {
    let host = lab.host(number);
    host.with_ipv6();
    host.plug("eth1", "br1", 78);
    host.ip(&format!("addr add 2001:db8:78::{number}/64 dev eth1 nodad"));
    host
}

/// Removals of virtual addresses: how many, how long each lasted in milliseconds, how many were not made good.
struct Gaps {
    removals: u64,
    each: Vec<f64>,
    missing: usize,
}

impl Gaps {
    /// What so many of a hundred are below.
    fn percentile(&self, percent: usize) -> f64 {
        let at = self.each.len() * percent / 100;
        self.each.get(at.min(self.each.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }
}

/// Watches the addresses of a host by its netlink while something happens to them.
fn watch(host: &Host, what: impl FnOnce()) -> Gaps {
    let mut monitor = inside(host, Monitor::open).unwrap();
    let over = AtomicBool::new(false);
    let looked_at: Vec<IpAddr> = VIPS.iter().map(|vip| vip.parse().unwrap()).collect();
    let mut gaps = Gaps { removals: 0, each: Vec::new(), missing: 0 };
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut gone: BTreeMap<IpAddr, Instant> = BTreeMap::new();
            loop {
                let last = over.load(Ordering::Relaxed);
                while let Some(changes) = monitor.read().unwrap() {
                    let now = Instant::now();
                    for change in changes {
                        match change {
                            Change::AddressGone(address, _) if looked_at.contains(&address.address) => {
                                gaps.removals += 1;
                                gone.entry(address.address).or_insert(now);
                            }
                            Change::Address(address) => {
                                let since = gone.remove(&address.address);
                                gaps.each.extend(since.map(|since| (now - since).as_secs_f64() * 1e3));
                            }
                            Change::Overrun => panic!("the test itself hears not everything"),
                            _ => {}
                        }
                    }
                }
                if last {
                    gaps.missing = gone.len();
                    break;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        // The watcher ends also when what happens panics.
        let happened = catch_unwind(AssertUnwindSafe(what));
        std::thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        happened.unwrap_or_else(|panic| resume_unwind(panic));
    });
    gaps.each.sort_by(f64::total_cmp);
    gaps
}

/// What happens to addresses in one round.
fn round(host: &Host, n: usize) {
    match n % 6 {
        0 => drop(host.ip("addr del 10.77.0.100/32 dev eth0")),
        1 => drop(host.ip("addr del 2001:db8:77::100/64 dev eth0")),
        2 => drop(host.ip("-4 addr flush dev eth1")),
        3 => drop(host.ip("-6 addr flush dev eth1")),
        4 => drop(host.ip("addr flush dev eth1")),
        // Everything, the address that adverts come from too; who does that puts it back.
        _ => {
            host.ip("addr flush dev eth0");
            std::thread::sleep(Duration::from_millis(100));
            host.ip(&format!("addr add 10.77.0.{}/24 dev eth0", host.number));
        }
    }
}

#[test]
fn two_hundred_thefts_move_no_role() {
    let mut lab = Lab::new();
    let (one, two) = (host(&mut lab, 1), host(&mut lab, 2));
    let a = Director::start(Kind::Vipd, &one, &conf(150).text());
    a.wait_master(VIPS[3], LONG);
    let b = Director::start(Kind::Vipd, &two, &conf(100).text());
    std::thread::sleep(Duration::from_secs(2));
    let lines = a.log().lines().count();
    let gaps = watch(&one, || {
        for n in 0..ROUNDS {
            round(&one, n);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let (median, most, late) = (gaps.percentile(50), gaps.percentile(100), gaps.percentile(95));
    let status = a.instance("VI_1");
    let log = a.log();
    let said: Vec<&str> = log.lines().skip(lines).collect();
    println!(
        "  {} removals: back after {median:.3} ms, 95 of 100 within {late:.3} ms, all within {most:.3} ms; {} restored; {} lines",
        gaps.each.len(),
        status.counters.addresses_restored,
        said.len()
    );
    said.iter().for_each(|line| println!("  {line}"));
    assert!(gaps.missing == 0 && VIPS.iter().all(|vip| one.holds(vip)));
    assert!(gaps.each.len() >= ROUNDS && late <= 50.0, "{:?}", gaps.each);
    assert_eq!(status.counters.addresses_restored, gaps.removals);
    let history: Vec<&str> = status.history.iter().map(|t| t.to.as_str()).collect();
    assert_eq!(history, ["BACKUP", "MASTER"], "{log}");
    assert_eq!(b.instance("VI_1").history.len(), 1, "the backup noticed");
    assert!(said.len() <= 12, "{} lines", said.len());
}

#[test]
fn two_hundred_link_failures_leave_the_role_where_it_was() {
    let mut lab = Lab::new();
    let (one, two) = (host(&mut lab, 1), host(&mut lab, 2));
    let quick = |priority| Instance { advert_int: "0.05".to_owned(), ..conf(priority) };
    let a = Director::start(Kind::Vipd, &one, &quick(150).text());
    let held = |host: &Host| VIPS.iter().filter(|vip| host.holds(vip)).count();
    wait_for("all are there", LONG, || held(&one) == 4);
    let b = Director::start(Kind::Vipd, &two, &quick(100).text());
    let lines = a.log().lines().count();
    let mut took = Vec::new();
    for n in 0..ROUNDS {
        let device = ["eth0", "eth1"][n % 2];
        one.ip(&format!("link set {device} down"));
        // Now a moment, now for so long that the other takes over.
        std::thread::sleep(Duration::from_millis(if n % 20 < 2 { 300 } else { 2 }));
        one.ip(&format!("link set {device} up"));
        took.push(wait_for("all are back", LONG, || held(&one) == 4).as_secs_f64() * 1e3);
    }
    wait_for("the other gives way", LONG, || held(&two) == 0);
    took.sort_by(f64::total_cmp);
    let status = a.instance("VI_1");
    println!(
        "  all addresses back {:.0} ms after the link, {:.0} ms at the most; {} times MASTER, {} stolen, {} lines",
        took[ROUNDS / 2],
        took[ROUNDS - 1],
        status.counters.became_master,
        status.counters.addresses_restored,
        a.log().lines().count() - lines,
    );
    assert_eq!(status.state, "MASTER");
    // Only those that last are failures; a machine that is busy may make one or two more of a moment.
    let long = (0..ROUNDS).filter(|n| n % 20 < 2).count() as u64;
    assert!(status.counters.became_master <= 1 + long + 3, "{} times", status.counters.became_master);
    // The kernel takes IPv6 addresses off an interface that goes down: nobody stole them.
    assert_eq!(status.counters.addresses_restored, 0, "{}", a.log());
    assert!(b.instance("VI_1").counters.became_master >= 1, "a failure that lasts is a failure");
}

#[test]
fn an_address_of_its_own_that_stays_away_is_a_fault() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").text());
    a.wait_master(VIPS[0], LONG);
    one.ip("addr del 10.77.0.1/24 dev eth0");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(a.instance("VI_1").state, "MASTER", "it may come back");
    wait_for("it is missed", LONG, || {
        a.instance("VI_1").faults == ["interface eth0 has no address to send adverts from"]
    });
    assert!(!one.holds(VIPS[0]));
    one.ip("addr add 10.77.0.1/24 dev eth0");
    a.wait_master(VIPS[0], LONG);
}

#[test]
fn keepalived_leaves_master_at_each_theft() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let a = Director::start(Kind::Keepalived, &one, &Instance::new(3, 150, "0.3").text());
    a.wait_master(VIPS[0], LONG);
    let _b = Director::start(Kind::Keepalived, &two, &Instance::new(3, 100, "0.3").text());
    std::thread::sleep(Duration::from_secs(2));
    let gaps = watch(&one, || {
        for _ in 0..10 {
            one.ip("addr del 10.77.0.100/32 dev eth0");
            wait_for("it is back", LONG, || one.holds(VIPS[0]));
            std::thread::sleep(Duration::from_millis(1500));
        }
    });
    let left = a.log().lines().filter(|l| l.contains("(VI_1) Entering BACKUP STATE")).count();
    println!(
        "  keepalived: {} removals, back after {:.0} ms, {:.0} ms at the most; it left MASTER {} times",
        gaps.removals,
        gaps.percentile(50),
        gaps.percentile(100),
        left - 1
    );
    assert!(left > 10 && gaps.percentile(50) > 50.0, "the documented difference is gone:\n{}", a.log());
}

/// More changes of addresses than the monitor's socket has room for.
const FLOOD: usize = 30_000;

#[test]
fn what_is_lost_when_the_kernel_tells_too_much_is_read_anew() {
    let mut lab = Lab::new();
    let one = host(&mut lab, 1);
    let quiet = Instance { advert_int: "2".to_owned(), ..conf(150) };
    let a = Director::start(Kind::Vipd, &one, &quiet.text());
    a.wait_master(VIPS[3], LONG);
    std::thread::sleep(Duration::from_secs(1));
    // While nobody listens: an address goes and comes, which is told; so much else that the rest is not; it goes again.
    let mut batch = format!("addr del {0}/64 dev eth0\naddr add {0}/64 dev eth0 nodad\n", VIPS[1]);
    for _ in 0..FLOOD / 2 {
        batch += "addr add 10.79.0.1/32 dev eth1\naddr del 10.79.0.1/32 dev eth1\n";
    }
    for (vip, device) in VIPS.into_iter().zip(["32 dev eth0", "64 dev eth0", "32 dev eth1", "64 dev eth1"]) {
        batch += &format!("addr del {vip}/{device}\n");
    }
    batch += "link set eth1 down\nlink set eth1 up\n";
    let file = one.write("flood", &batch);
    a.hang();
    let start = Instant::now();
    one.ip(&format!("-batch {}", file.display()));
    println!("  {FLOOD} changes in {:.2} s", start.elapsed().as_secs_f64());
    assert!(VIPS.iter().all(|vip| !one.holds(vip)));
    a.resume();
    let back = wait_for("all are back", LONG, || VIPS.iter().all(|vip| one.holds(vip)));
    let status = a.instance("VI_1");
    println!("  all back after {:.0} ms, {} restored", back.as_secs_f64() * 1e3, status.counters.addresses_restored);
    assert!(a.log().contains("the kernel had more to tell than fits"), "the socket had room:\n{}", a.log());
    assert_eq!((status.state.as_str(), status.counters.became_master), ("MASTER", 1), "{}", a.log());
    assert_eq!(status.counters.addresses_restored, 4);
    assert!(back < Duration::from_secs(1));
}
