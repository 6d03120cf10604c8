//! Hosts that stand still while they serve, and successors of roles that died: who may have missed a word listens first.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{instance, links};
use vipd_vrrp::admit::Admitted;
use vipd_vrrp::node::{Action, Input, Node, Settings};
use vipd_vrrp::router::{Edge, Name, Sequence, advert};
use vipd_vrrp::settings::{Auth, Instance, Version, Way};
use vipd_vrrp::units::{Instant, Micros, Priority};

const OWN: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];
const START: Instant = Instant(1_000_000_000);
const UNIX: Micros = Micros::from_secs(1_700_000_000);

/// Two instances with an advert a second and a master-down interval of 3.6 s.
fn two() -> Settings {
    let instances = vec![instance(Version::V3, 51, 100, 100), instance(Version::V3, 52, 100, 100)];
    Settings { instances, ..Settings::default() }
}

/// A node that has become master of everything, and when.
fn masters(settings: Settings) -> (Node, Instant) {
    let mut node = Node::new(START, settings, links(OWN), None, UNIX);
    let now = START + Micros::from_secs(4);
    node.handle(now, Input::Tick);
    assert!(node.routers().iter().all(|r| r.state().name() == Name::Master));
    while node.poll().is_some() {}
    (node, now)
}

/// What is to be done, counted: adverts, announcements, instances that begin to listen.
fn done(node: &mut Node) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    while let Some(action) = node.poll() {
        match action {
            Action::Router(_, Edge::Send { .. }) => counts.0 += 1,
            Action::Router(_, Edge::Announce { .. }) => counts.1 += 1,
            Action::Router(_, Edge::Stalled { .. }) => counts.2 += 1,
            _ => {}
        }
    }
    counts
}

/// One turn of a loop that has nothing to read.
fn turn(node: &mut Node, now: Instant) -> (usize, usize, usize) {
    node.handle(now, Input::TickMasters);
    node.handle(now, Input::Tick);
    done(node)
}

#[test]
fn a_master_that_stands_still_again_while_it_listens_reads_before_it_sends() {
    let (mut node, mut now) = masters(two());
    now = now + Micros::from_secs(6);
    assert_eq!(turn(&mut node, now), (0, 0, 2));
    // The interval of listening passes while it stands still; another has taken over, and its adverts wait.
    now = now + Micros::from_secs(2);
    node.handle(now, Input::TickMasters);
    assert_eq!(done(&mut node), (0, 0, 0));
    let advert = advert(&node.routers()[0].settings, Priority(50));
    let admitted =
        Admitted { source: OTHER.into(), way: Way::Own, advert, sequence: None, number: None, sum: None, oddity: None };
    node.handle(now, Input::Advert(0, admitted));
    node.handle(now, Input::Tick);
    let states: Vec<Name> = node.routers().iter().map(|r| r.state().name()).collect();
    assert_eq!(states, [Name::Backup, Name::Master]);
    assert_eq!(done(&mut node).0, 1, "nobody was heard there: it serves on");
}

#[test]
fn a_master_that_stands_still_for_long_while_it_listens_has_not_listened() {
    let (mut node, mut now) = masters(two());
    for round in 1..=3 {
        now = now + Micros::from_secs(6);
        assert_eq!(turn(&mut node, now), (0, 0, 2), "in round {round}");
        assert_eq!(node.routers()[0].counters.stalled, round);
    }
    now = now + Micros::from_secs(1);
    assert_eq!(turn(&mut node, now), (2, 2, 0), "it has listened for an interval");
    now = now + Micros::from_secs(1);
    assert_eq!(turn(&mut node, now).0, 2, "and serves in step again");
}

#[test]
fn a_successor_goes_on_listening_and_says_nothing_before() {
    let (mut node, now) = masters(two());
    let woke = now + Micros::from_secs(6);
    assert_eq!(turn(&mut node, woke), (0, 0, 2));
    let died = woke + Micros(500_000);
    let before = (died, node.snapshot(woke));
    let begun = died + Micros(600_000); // when its predecessor would have sent
    let mut next = Node::new(begun, two(), links(OWN), Some(before), UNIX);
    assert_eq!(turn(&mut next, begun), (0, 0, 0));
    assert!(next.routers().iter().all(vipd_vrrp::router::Router::is_listening));
    let over = begun + Micros::from_secs(1);
    assert_eq!(next.alarm(), Some(over));
    assert_eq!(turn(&mut next, over), (2, 2, 0));
    // One that did not listen serves on at once, and tells the clients where it is.
    let (mut node, now) = masters(two());
    let mut next = Node::new(now + Micros(20_000), two(), links(OWN), Some((now, node.snapshot(now))), UNIX);
    assert_eq!(turn(&mut next, now + Micros(20_000)), (2, 2, 0));
    assert_eq!(done(&mut node), (0, 0, 0));
}

/// The number of the next authentication header that a node sends.
fn number(node: &mut Node, now: Instant) -> u32 {
    node.handle(now, Input::TickMasters);
    node.handle(now, Input::Tick);
    let numbers = std::iter::from_fn(|| node.poll()).filter_map(|action| match action {
        Action::Router(_, Edge::Send { sequence: Some(Sequence::Ah(number)), .. }) => Some(number),
        _ => None,
    });
    numbers.last().unwrap()
}

#[test]
fn a_successor_numbers_its_headers_above_what_its_predecessor_can_have_sent() {
    let auth = Auth::Ah(*b"thekey00");
    let settings =
        Settings { instances: vec![Instance { auth, ..instance(Version::V2, 51, 100, 100) }], ..Settings::default() };
    let (mut node, mut now) = masters(settings.clone());
    let snapshot = node.snapshot(now);
    // It sends five more, the clock stands still, and it dies: nobody has told what its last number was.
    let mut last = 0;
    for _ in 0..5 {
        now = now + Micros::from_secs(1);
        node.handle(now, Input::Clock(UNIX));
        last = number(&mut node, now);
    }
    let begun = now + Micros(20_000);
    let mut next = Node::new(begun, settings.clone(), links(OWN), Some((now, snapshot)), UNIX);
    let first = number(&mut next, begun);
    assert!((last + 1..last + 20).contains(&first), "{first} after {last}");
    // Nor does it fall behind the clock, where every other host begins: one that was not MASTER for an hour is believed.
    let later = begun + Micros::from_secs(1);
    next.handle(later, Input::Clock(Micros(UNIX.0 + 3_600_000_000)));
    assert_eq!(u64::from(number(&mut next, later)), UNIX.0 / 1_000_000 + 3600);
}
