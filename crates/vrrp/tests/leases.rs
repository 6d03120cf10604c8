//! How long the kernel holds the addresses of a master that renews them no more, and when they are renewed.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{instance, node};
use vipd_vrrp::node::{Action, Input, Node};
use vipd_vrrp::router::Edge;
use vipd_vrrp::settings::{Instance, Version};
use vipd_vrrp::timers::master_down;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

const OWN: [u8; 4] = [192, 0, 2, 11];
const START: Instant = Instant(1_000_000_000);

fn leased(version: Version, priority: u8, centis: u16) -> Instance {
    Instance { vip_lease: true, ..instance(version, 51, priority, centis) }
}

/// A node that has just become master.
fn master(settings: Instance) -> (Node, Instant) {
    let patience = master_down(settings.version, settings.priority, settings.advert_int, 3);
    let mut node = node(START, settings, OWN);
    let at = START + patience;
    node.handle(at, Input::Tick);
    while node.poll().is_some() {}
    (node, at)
}

/// What a node wants done now: how many adverts are sent and how many leases renewed.
fn done(node: &mut Node) -> (usize, usize) {
    let mut counts = (0, 0);
    while let Some(action) = node.poll() {
        match action {
            Action::Router(_, Edge::Send { .. }) => counts.0 += 1,
            Action::Router(_, Edge::Renew) => counts.1 += 1,
            _ => {}
        }
    }
    counts
}

#[test]
fn a_lease_is_over_a_second_after_peers_take_over_and_not_before_they_may() {
    for version in [Version::V2, Version::V3] {
        for centis in [1, 10, 33, 44, 50, 77, 100, 250, 1000, 4095] {
            if version == Version::V2 && centis % 100 != 0 {
                continue;
            }
            for priority in [1, 50, 100, 200, 254] {
                let settings = leased(version, priority, centis);
                let lease = u64::from(settings.lease().unwrap()) * 1_000_000;
                let down = master_down(version, Priority(priority), Centis(centis), 3).0;
                // The kernel looks a quarter of a second late; it counts in seconds, at least one.
                let soon = lease + 250_000 <= down + 1_000_000;
                assert!(soon || lease == 1_000_000, "{version:?} {centis} {priority}: {lease} us, {down} us");
                assert!(lease + 330_000 >= down, "{version:?} {centis} {priority}: {lease} us, {down} us");
            }
        }
    }
    assert_eq!(leased(Version::V3, 100, 100).lease(), Some(4));
    assert_eq!(instance(Version::V3, 51, 100, 100).lease(), None);
}

/// However few adverts peers wait for: a renewal may be a third of a second late.
#[test]
fn a_master_that_sends_in_time_keeps_its_addresses() {
    for down_timer_adverts in 1..=5 {
        for centis in [1, 10, 33, 44, 45, 50, 77, 99, 100, 101, 200, 500, 4095] {
            for priority in [1, 100, 240, 254] {
                let settings = Instance { down_timer_adverts, ..leased(Version::V3, priority, centis) };
                let (lease, interval) = (settings.lease().unwrap(), settings.advert_int.micros());
                let mut node = node(START, settings, OWN);
                let at = node.wake().unwrap().0;
                node.handle(at, Input::Tick);
                while node.poll().is_some() {}
                let (mut now, mut renewed) = (at, at);
                for _ in 0..400 {
                    now = now + interval;
                    node.handle(now, Input::TickMasters);
                    if done(&mut node).1 > 0 {
                        let after = (now - renewed).0 + 330_000;
                        let lease = u64::from(lease) * 1_000_000;
                        assert!(after < lease, "{down_timer_adverts} x {centis} cs, {priority}: {after} us of {lease}");
                        renewed = now;
                    }
                }
                assert!(renewed > at);
            }
        }
    }
}

#[test]
fn leases_are_renewed_with_adverts_about_once_a_second_and_never_run_out() {
    for centis in [1, 10, 33, 44, 50, 77, 100, 250, 1000, 4095] {
        let settings = leased(Version::V3, 150, centis);
        let lease = u64::from(settings.lease().unwrap()) * 1_000_000;
        let interval = settings.advert_int.micros();
        let (mut node, start) = master(settings);
        let (mut at, mut renewed, mut renewals) = (start, start, 0);
        let end = start + Micros(100 * interval.0.max(1_000_000));
        while at < end {
            at = at + interval;
            node.handle(at, Input::TickMasters);
            let (sent, renews) = done(&mut node);
            assert_eq!(sent, 1, "on its schedule");
            if renews > 0 {
                renewed = at;
                renewals += 1;
            }
            // One that is missed does not end it yet.
            let left = (renewed.0 + lease).saturating_sub(at.0 + interval.0);
            assert!(left > 0, "every {interval}: {left} us are left of {lease}");
        }
        let rate = f64::from(renewals) / (end - start).as_secs_f64();
        println!("every {interval}: a lease of {lease} us, {rate:.2} renewals a second");
        assert!(rate < if lease == 1_000_000 { 3.1 } else { 1.01 }, "every {interval}: {rate} a second");
    }
}

#[test]
fn who_stood_still_renews_nothing_until_it_has_listened() {
    let (mut node, at) = master(leased(Version::V3, 100, 100));
    let woke = at + Micros(5_000_000);
    node.handle(woke, Input::TickMasters);
    assert_eq!(done(&mut node), (0, 0));
    assert!(node.routers()[0].is_listening());
    node.handle(woke + Micros(1_000_000), Input::Tick);
    let mut resumed = false;
    let mut rest = Vec::new();
    while let Some(action) = node.poll() {
        resumed |= matches!(action, Action::Router(_, Edge::Resumed));
        rest.push(action);
    }
    assert!(resumed, "{rest:?}");
    assert!(!node.routers()[0].is_listening());
    let announced = rest.iter().any(|a| matches!(a, Action::Router(_, Edge::Announce { repeat: 5 })));
    assert!(announced, "its addresses may be somebody else's in the caches: {rest:?}");
}

#[test]
fn without_leases_nothing_is_renewed() {
    let (mut node, mut at) = master(instance(Version::V3, 51, 100, 100));
    for _ in 0..10 {
        at = at + Micros(1_000_000);
        node.handle(at, Input::TickMasters);
        assert_eq!(done(&mut node), (1, 0));
    }
}
