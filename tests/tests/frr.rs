//! vipd and FRR's vrrpd share a virtual router: version 3 over IPv4 and IPv6, and version 2, in both seats.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::{Duration, Instant};
use vipd_tests::conf::{Instance, master_down, skew};
use vipd_tests::director::{Director, Kind};
use vipd_tests::frr::{Frr, virtual_interface};
use vipd_tests::lab::Lab;
use vipd_tests::wait_for;

/// What a shared machine may add to any time.
const SLACK: f64 = 1.0;
/// FRR's priority.
const THEIRS: u8 = 100;

#[derive(Clone, Copy)]
struct Case {
    version: u8,
    /// The virtual address with its length.
    network: &'static str,
}

impl Case {
    fn interval(self) -> f64 {
        if self.version == 2 { 1.0 } else { 0.3 }
    }

    fn ours(self, priority: u8) -> String {
        let interval = if self.version == 2 { "1" } else { "0.3" };
        let addresses = vec![self.network.to_owned()];
        Instance { addresses, ..Instance::new(self.version, priority, interval) }.text()
    }

    fn theirs(self) -> String {
        let (address, _) = self.network.split_once('/').unwrap();
        let family = if address.contains(':') { "ipv6" } else { "ip" };
        let interval = (self.interval() * 1000.0).round();
        format!(
            "interface eth0\n vrrp 51 version {}\n vrrp 51 priority {THEIRS}\n vrrp 51 advertisement-interval {interval}\n \
             vrrp 51 {family} {address}\n",
            self.version
        )
    }
}

/// What FRR says of its side of the virtual router.
fn state(frr: &Frr, case: Case) -> String {
    let family = if case.network.contains(':') { "Status (v6)" } else { "Status (v4)" };
    let all = frr.show("show vrrp");
    let line = all.lines().find(|l| l.contains(family)).unwrap_or_default();
    line.split_whitespace().last().unwrap_or_default().to_owned()
}

#[track_caller]
fn both_seats(case: Case) {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let (vip, _) = case.network.split_once('/').unwrap();
    if vip.contains(':') {
        one.with_ipv6();
        two.with_ipv6();
    }
    virtual_interface(&two, 51, case.network);
    let seconds = case.interval();
    let patience = |time: f64| Duration::from_secs_f64(time + 6.0);
    let mut frr = Frr::start(&two, "vrrpd", &case.theirs());
    wait_for("FRR is master alone", patience(master_down(case.version, THEIRS, seconds)), || {
        state(&frr, case) == "Master"
    });

    // Ours is the stronger one: it preempts, and its good-bye is heard.
    let mut ours = Director::start(Kind::Vipd, &one, &case.ours(150));
    ours.wait_master(vip, patience(master_down(case.version, 150, seconds)));
    wait_for("FRR gives way", patience(seconds), || state(&frr, case) == "Backup");
    std::thread::sleep(Duration::from_secs_f64(2.0 * seconds));
    assert_eq!(state(&frr, case), "Backup", "it doesn't hear our adverts:\n{}", frr.log());
    let stop = Instant::now();
    ours.stop();
    wait_for("FRR takes over", patience(seconds), || state(&frr, case) == "Master");
    let took = stop.elapsed().as_secs_f64();
    let formula = skew(case.version, THEIRS, seconds);
    println!("  planned stop of ours: {took:.3} s, by the formula {formula:.3} s");
    assert!(took < formula + SLACK, "our good-bye was not heard");

    // Ours is the weaker one: it hears FRR, its good-bye and its silence.
    let mut ours = Director::start(Kind::Vipd, &one, &case.ours(50));
    std::thread::sleep(Duration::from_secs_f64(master_down(case.version, 50, seconds) + SLACK));
    let status = ours.instance("VI_1");
    assert_eq!((status.state.as_str(), status.master_priority), ("BACKUP", Some(THEIRS)), "{}", ours.log());
    let rejected: u64 = status.counters.rejected.iter().map(|(_, n)| n).sum();
    assert_eq!(rejected, 0, "{:?}", status.counters.rejected);
    frr.stop();
    let took = ours.wait_master(vip, patience(seconds)).as_secs_f64();
    let formula = skew(case.version, 50, seconds);
    println!("  planned stop of FRR: {took:.3} s, by the formula {formula:.3} s");
    assert!(took < formula + SLACK, "FRR's good-bye was not heard");
    let mut frr = Frr::start(&two, "vrrpd", &case.theirs());
    wait_for("FRR preempts", patience(2.0 * master_down(case.version, THEIRS, seconds)), || {
        state(&frr, case) == "Master" && !one.holds(vip)
    });
    frr.kill();
    let took = ours.wait_master(vip, patience(seconds)).as_secs_f64();
    let formula = master_down(case.version, 50, seconds);
    println!("  FRR killed: {took:.3} s, by the formula {formula:.3} s");
    assert!(took < formula + SLACK);
    ours.stop();
}

#[test]
fn frr_v3_ipv4() {
    both_seats(Case { version: 3, network: "10.77.0.100/24" });
}

#[test]
fn frr_v3_ipv6() {
    both_seats(Case { version: 3, network: "2001:db8:77::100/64" });
}

#[test]
fn frr_v2() {
    both_seats(Case { version: 2, network: "10.77.0.100/24" });
}
