//! Interfaces that bounce, drivers that are asked for their carrier, announcements that share a pace.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;
use vipd_tests::wait_for;
use vipd_tests::wire::{Capture, announcements};

const VIP: &str = "10.77.0.100";
const PATIENCE: Duration = Duration::from_secs(8);

#[test]
fn an_interface_that_bounces_disturbs_nobody_and_one_that_is_down_does() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let conf = format!("interface_up_down_delays {{\n eth0 1.5 1\n}}\n{}", Instance::new(3, 150, "1").text());
        let mut a = Director::start(kind, &one, &conf);
        a.wait_master(VIP, PATIENCE);
        one.cable_out();
        std::thread::sleep(Duration::from_millis(700));
        one.cable_in();
        std::thread::sleep(Duration::from_millis(1500));
        let faults = || a.log().matches("Entering FAULT STATE").count();
        assert_eq!((faults(), one.holds(VIP)), (0, true), "{kind:?}: {}", a.log());

        one.cable_out();
        let took = wait_for("it is down", PATIENCE, || faults() == 1);
        assert!(took > Duration::from_millis(1400), "{kind:?}: down after {took:?}");
        one.cable_in();
        let backups = || a.log().matches("Entering BACKUP STATE").count();
        let before = backups();
        let took = wait_for("it is up", PATIENCE, || backups() > before);
        assert!(took > Duration::from_millis(900), "{kind:?}: up after {took:?}");
        a.stop();
    }
}

#[test]
fn a_driver_that_is_asked_says_whether_there_is_a_carrier() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let conf = format!("linkbeat_interfaces {{\n eth0 MII\n}}\n{}", Instance::new(3, 150, "0.3").text());
    let mut a = Director::start(Kind::Vipd, &one, &conf);
    a.wait_master(VIP, PATIENCE);
    // This driver has no PHY to show.
    assert!(a.log().contains("interface eth0: its driver is asked every second"), "{}", a.log());
    one.cable_out();
    wait_for("it has no carrier", PATIENCE, || a.instance("VI_1").state == "FAULT");
    one.cable_in();
    a.wait_master(VIP, PATIENCE);
    one.ip("link set eth0 down");
    wait_for("it is set down", PATIENCE, || a.instance("VI_1").state == "FAULT");
    a.stop();
}

/// (keepalived 2.2.7 loses most of those that wait for their turn: two of four leave.)
#[test]
fn interfaces_of_a_group_share_a_pace() {
    let gap = |group: &str| {
        let mut lab = Lab::new();
        let one = lab.host(1);
        one.plug("eth1", "br1", 78);
        let addresses = vec![format!("{VIP}/32"), "10.78.0.100/32 dev eth1".to_owned()];
        let instance = Instance { addresses, ..Instance::new(3, 150, "0.3") };
        let instance = instance.with("garp_master_repeat 4\ngarp_master_delay 0");
        let globals = "global_defs {\n vrrp_garp_interval 0.2\n}\n";
        let capture = Capture::start(&one);
        let mut a = Director::start(Kind::Vipd, &one, &format!("{globals}{group}{}", instance.text()));
        a.wait_master(VIP, PATIENCE);
        std::thread::sleep(Duration::from_secs(3));
        let told = announcements(&capture.end());
        a.stop();
        assert_eq!(told.len(), 4, "{told:?}");
        told.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(f64::INFINITY, f64::min)
    };
    let alone = gap("");
    assert!((0.18..0.35).contains(&alone), "{alone}");
    // Every second one leaves by the other interface.
    let shared = gap("garp_group {\n garp_interval 0.2\n interfaces {\n  eth0 eth1\n }\n}\n");
    assert!(shared > 0.36, "{shared}");
}

#[test]
fn other_interfaces_are_told_in_every_period() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let told = |extra: &str| {
            let mut lab = Lab::new();
            let one = lab.host(1);
            one.plug("eth1", "br1", 78);
            // Its own interface is the other one, and this one is looked at.
            let addresses = vec!["10.78.0.100/32".to_owned(), format!("{VIP}/32 dev eth0")];
            let instance = Instance { addresses, interface: "eth1".to_owned(), ..Instance::new(3, 150, "0.3") };
            let instance = instance.with("garp_master_repeat 1\ngarp_master_delay 0").with(extra);
            let capture = Capture::start(&one);
            let mut a = Director::start(kind, &one, &instance.text());
            a.wait_master(VIP, PATIENCE);
            std::thread::sleep(Duration::from_millis(3600));
            let told = announcements(&capture.end());
            a.stop();
            told.len()
        };
        assert_eq!(told(""), 1, "{kind:?}");
        let again = told("garp_extra_if all 1");
        assert!((4..=5).contains(&again), "{kind:?}: {again}");
    }
}

#[test]
fn adverts_for_others_are_logged_if_the_file_says_so() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        for (globals, logged) in [("", false), ("global_defs {\n log_unknown_vrids\n}\n", true)] {
            let mut lab = Lab::new();
            let (one, two) = (lab.host(1), lab.host(2));
            let mut other =
                Director::start(Kind::Vipd, &two, &Instance { vrid: 52, ..Instance::new(3, 100, "0.3") }.text());
            other.wait_master(VIP, PATIENCE);
            let instance = Instance { addresses: vec!["10.77.0.101/32".to_owned()], ..Instance::new(3, 150, "0.3") };
            let mut a = Director::start(kind, &one, &format!("{globals}{}", instance.text()));
            a.wait_master("10.77.0.101", PATIENCE);
            let says = || a.log().lines().any(|line| line.contains("10.77.0.2") || line.contains("VRID(52)"));
            let deadline = std::time::Instant::now() + Duration::from_secs(2);
            while !says() && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(says(), logged, "{kind:?}: {}", a.log());
            a.stop();
            other.stop();
        }
    }
}

#[test]
fn instances_wait_for_the_delay_at_the_start_and_not_again_when_reloaded() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let instance = Instance::new(3, 150, "0.3");
        let text = |delay: &str| format!("global_defs {{\n vrrp_startup_delay {delay}\n}}\n{}", instance.text());
        let mut a = Director::start(kind, &one, &text("3"));
        let took = a.wait_master(VIP, PATIENCE);
        assert!((3.9..6.0).contains(&took.as_secs_f64()), "{kind:?}: {took:?}");
        a.reload(&text("4"));
        std::thread::sleep(Duration::from_millis(1500));
        assert!(one.holds(VIP), "{kind:?}: {}", a.log());
        a.stop();
    }
}
