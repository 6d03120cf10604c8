//! So many virtual routers on one host: how long they take to start, to be elected and to fail over, and what they cost.

use crate::conf::{Instance, master_down};
use crate::director::{Director, Kind};
use crate::lab::{Host, Lab, ip};
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
    /// From the death of the master until the other holds every address, in seconds: the formula, less up to an interval that
    /// the last advert was old.
    pub taken: f64,
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

/// Two hosts with a cable between them for each 250.
fn hosts(lab: &mut Lab, count: usize) -> (Host, Host) {
    let (one, two) = (lab.host(1), lab.host(2));
    for network in 0..count.div_ceil(PER_NETWORK) {
        let (from, to) = (&one.namespace, &two.namespace);
        ip(&format!("link add net{network} netns {from} type veth peer name net{network} netns {to}"));
        for host in [&one, &two] {
            host.ip(&format!("addr add 10.90.{network}.{}/24 dev net{network}", host.number));
            host.ip(&format!("link set net{network} up"));
        }
    }
    (one, two)
}

/// Waits until so many virtual addresses came to a host; when the last did.
fn arrivals(monitor: &mut Monitor, count: usize) -> Instant {
    let begun = Instant::now();
    let (mut last, mut seen) = (begun, BTreeSet::new());
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
            }
        }
    }
    last
}

/// Two daemons with so many virtual routers; the stronger one dies.
pub fn measure(kind: Kind, count: usize) -> Many {
    let mut lab = Lab::new();
    let (one, two) = hosts(&mut lab, count);
    let mut monitors = [&one, &two].map(|host| inside(host, Monitor::open).unwrap_or_else(|e| panic!("{e}")));
    let started = Instant::now();
    let mut a = Director::start(kind, &one, &conf(count, 150));
    let all = arrivals(&mut monitors[0], count);
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
    let taken = (arrivals(&mut monitors[1], count) - died).as_secs_f64();
    Many { start, taken, master, backup, memory }
}
