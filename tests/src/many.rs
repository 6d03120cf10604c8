//! So many virtual routers on one host: how long they take to start, to be elected and to fail over, and what they cost.

use crate::conf::{Instance, master_down};
use crate::director::{Director, Kind};
use crate::lab::{Host, Lab};
use crate::process;
use crate::web::inside;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use vipd_sys::netlink::{Change, Monitor};

/// Virtual routers of one network: their numbers are a byte.
const PER_NETWORK: usize = 250;
/// `advert_int`, in seconds.
const INTERVAL: f64 = 1.0;
const PATIENCE: Duration = Duration::from_secs(60);

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Many {
    /// From the start of the first daemon until it holds every address, over the formula, in seconds.
    pub start: f64,
    /// From the death of the master until the other holds the first address and the last, over the least that the formula
    /// allows, in seconds: the last adverts were up to an interval old.
    pub first: f64,
    /// The same of the last address.
    pub last: f64,
    /// Processor time of the master, of one processor.
    pub master: f64,
    /// The same of the backup.
    pub backup: f64,
    /// The backup's memory, in KiB.
    pub memory: f64,
}

/// Virtual address `n`.
fn address(n: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(n).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(10, 100, high, low)
}

fn conf(count: usize, priority: u8) -> String {
    let one = |n: usize| {
        let instance = Instance {
            name: format!("VI_{n}"),
            vrid: u8::try_from(n % PER_NETWORK + 1).unwrap_or_default(),
            interface: format!("net{}", n / PER_NETWORK),
            addresses: vec![format!("{}/32", address(n))],
            ..Instance::new(3, priority, &INTERVAL.to_string())
        };
        instance.text()
    };
    (0..count).map(one).collect()
}

/// A host with a network of its own, on the same wire, for each 250.
fn host(lab: &mut Lab, number: u8, count: usize) -> Host {
    let host = lab.host(number);
    for network in 0..count.div_ceil(PER_NETWORK) {
        host.ip(&format!("link add link eth0 name net{network} type vlan id {}", network + 10));
        host.ip(&format!("addr add 10.90.{network}.{number}/24 dev net{network}"));
        host.ip(&format!("link set net{network} up"));
    }
    host
}

/// Waits until so many virtual addresses came to a host; when the first did, and the last.
fn arrivals(monitor: &mut Monitor, count: usize) -> (Instant, Instant) {
    let begun = Instant::now();
    let (mut first, mut last, mut seen) = (None, begun, BTreeSet::new());
    while seen.len() < count {
        assert!(begun.elapsed() < PATIENCE, "{} of {count} addresses", seen.len());
        let changes = monitor.read().unwrap_or_else(|e| panic!("{e}"));
        let Some(changes) = changes else {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        };
        for change in changes {
            if let Change::Address(held) = change
                && matches!(held.address, IpAddr::V4(a) if a.octets()[1] == 100)
                && seen.insert(held.address)
            {
                last = Instant::now();
                first.get_or_insert(last);
            }
        }
    }
    (first.unwrap_or(last), last)
}

/// Two daemons with so many virtual routers; the stronger one dies.
pub fn measure(kind: Kind, count: usize) -> Many {
    let mut lab = Lab::new();
    let (one, two) = (host(&mut lab, 1, count), host(&mut lab, 2, count));
    let mut monitors = [&one, &two].map(|host| inside(host, Monitor::open).unwrap_or_else(|e| panic!("{e}")));
    let started = Instant::now();
    let mut a = Director::start(kind, &one, &conf(count, 150));
    let (_, all) = arrivals(&mut monitors[0], count);
    let start = (all - started).as_secs_f64() - master_down(3, 150, INTERVAL);
    let b = Director::start(kind, &two, &conf(count, 100));
    // Past the second block of gratuitous ARP.
    std::thread::sleep(Duration::from_secs(8));
    let (before, from) = ((process::cpu(a.pid()), process::cpu(b.pid())), Instant::now());
    std::thread::sleep(Duration::from_secs(5));
    let share =
        |director: &Director, before: f64| (process::cpu(director.pid()) - before) / from.elapsed().as_secs_f64();
    let (master, backup) = (share(&a, before.0), share(&b, before.1));
    let memory = process::memory(b.pid());
    // Nothing came to the second host meanwhile: the two were never masters at once.
    let early = monitors[1].read().unwrap_or_else(|e| panic!("{e}")).unwrap_or_default();
    let early =
        early.iter().filter(|c| matches!(c, Change::Address(a) if a.address.to_string().starts_with("10.100.")));
    assert_eq!(early.count(), 0, "{kind:?}: the backup took over from a master that lives");
    let died = Instant::now();
    a.kill();
    let (first, last) = arrivals(&mut monitors[1], count);
    let over = |at: Instant| (at - died).as_secs_f64() - (master_down(3, 100, INTERVAL) - INTERVAL);
    Many { start, first: over(first), last: over(last), master, backup, memory }
}
