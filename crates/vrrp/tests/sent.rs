//! What is counted and told of adverts that leave and of those that don't.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{instance, links, node};
use vipd_vrrp::node::{Action, Input, Node, Settings};
use vipd_vrrp::router::{Counters, Edge, Failure, Name, Reach};
use vipd_vrrp::settings::Version;
use vipd_vrrp::units::{Instant, Micros, Priority};

const OWN: [u8; 4] = [192, 0, 2, 11];
const START: Instant = Instant(1_000_000_000);
const SECOND: u64 = 1_000_000;

/// What becomes of an advert.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Wire {
    Takes,
    Refuses,
    ReachesSome,
}

/// Carries out what the node wants, as a shell does; what is told of it: `true` that adverts don't leave, `false` that they do.
fn carry_out(node: &mut Node, now: Instant, wire: Wire) -> Vec<bool> {
    let mut told = Vec::new();
    while let Some(action) = node.poll() {
        match action {
            Action::Router(i, Edge::Send { advert, .. }) => {
                let failed = |reach| Err(Failure { at: now, reach, why: "not permitted".into() });
                let outcome = match wire {
                    Wire::Takes => Ok(()),
                    Wire::Refuses => failed(Reach::Nobody),
                    Wire::ReachesSome => failed(Reach::Some),
                };
                node.sent(i, advert.priority, outcome);
            }
            Action::Router(_, Edge::NotSent(_)) => told.push(true),
            Action::Router(_, Edge::SentAgain(_)) => told.push(false),
            _ => {}
        }
    }
    told
}

/// A master in its first moment, with its first advert on such a wire.
fn master(wire: Wire) -> (Node, Instant, Vec<bool>) {
    let mut node = node(START, instance(Version::V3, 51, 200, 100), OWN);
    let now = node.wake().unwrap().0;
    node.handle(now, Input::Tick);
    let told = carry_out(&mut node, now, wire);
    (node, now, told)
}

/// The next advert.
fn next(node: &mut Node, wire: Wire) -> Vec<bool> {
    let now = node.wake().unwrap().0;
    node.handle(now, Input::Tick);
    carry_out(node, now, wire)
}

fn counts(node: &Node) -> (u64, u64) {
    let Counters { adverts_sent, adverts_unsent, .. } = node.routers()[0].counters;
    (adverts_sent, adverts_unsent)
}

/// What left for some peers only.
fn partly(node: &Node) -> u64 {
    node.routers()[0].counters.adverts_partly_sent
}

/// Who goes on from what it was told at its last advert.
fn succeed(node: &Node) -> Node {
    let settings = Settings { instances: vec![instance(Version::V3, 51, 200, 100)], ..Settings::default() };
    let now = Instant(node.wake().unwrap().0.0 - SECOND);
    Node::new(now, settings, links(OWN), Some((now, node.snapshot(now))), Micros::ZERO)
}

#[test]
fn what_does_not_leave_is_not_sent_and_is_told_once() {
    let (mut node, began, told) = master(Wire::Refuses);
    assert_eq!(told, [true], "the first advert of a master is one, too");
    for _ in 0..5 {
        assert!(next(&mut node, Wire::Refuses).is_empty());
    }
    assert_eq!(counts(&node), (0, 6));
    let unsent = node.routers()[0].unsent().unwrap();
    assert_eq!((unsent.since, unsent.adverts, unsent.last.at), (began, 6, began + Micros(5 * SECOND)));
    assert_eq!(next(&mut node, Wire::Takes), [false]);
    assert_eq!((counts(&node), node.routers()[0].unsent()), ((1, 6), None));
}

#[test]
fn every_other_advert_is_no_event_each_and_what_lasts_is_told() {
    let (mut node, ..) = master(Wire::Takes);
    let mut told = Vec::new();
    for n in 0..60 {
        told.extend(next(&mut node, if n % 2 == 0 { Wire::Refuses } else { Wire::Takes }));
    }
    assert_eq!(told, [true, false, true, false], "in a minute");
    // What begins while nothing is told is told when that is over.
    let told: Vec<bool> = (0..40).flat_map(|_| next(&mut node, Wire::Refuses)).collect();
    assert_eq!(told, [true]);
    assert!(node.routers()[0].unsent().unwrap().adverts == 40);
}

#[test]
fn some_peers_are_better_than_nobody_and_what_gets_worse_is_told_once() {
    let (mut node, began, told) = master(Wire::ReachesSome);
    assert_eq!(told, [true]);
    let unsent = |node: &Node| {
        let unsent = node.routers()[0].unsent().unwrap();
        (unsent.since, unsent.nobody, unsent.partly, unsent.adverts)
    };
    assert!(next(&mut node, Wire::ReachesSome).is_empty());
    assert_eq!((counts(&node), partly(&node), unsent(&node)), ((2, 0), 2, (began, None, 2, 0)), "some got it");
    // Worse, which is told when it is time.
    let told: Vec<bool> = (0..28).flat_map(|_| next(&mut node, Wire::Refuses)).collect();
    assert!(told.is_empty(), "{told:?}");
    let worse = Some(began + Micros(2 * SECOND));
    assert_eq!((counts(&node), unsent(&node)), ((2, 28), (began, worse, 2, 28)));
    let told: Vec<bool> = (0..5).flat_map(|_| next(&mut node, Wire::Refuses)).collect();
    assert_eq!(told, [true]);
    // Better, but not well.
    let told: Vec<bool> = (0..60).flat_map(|_| next(&mut node, Wire::ReachesSome)).collect();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(unsent(&node), (began, None, 62, 33));
    assert_eq!(next(&mut node, Wire::Takes), [false]);
    assert_eq!((counts(&node), partly(&node)), ((63, 33), 62));
}

#[test]
fn a_peer_that_is_never_reached_and_one_that_is_every_other_time_are_one_thing() {
    for (first, edges) in [(0, 1), (1, 2)] {
        let (mut node, ..) = master(Wire::Takes);
        let wire = |n| if n % 2 == 0 { Wire::Refuses } else { Wire::ReachesSome };
        let mut told: Vec<bool> = (first..first + 60).flat_map(|n| next(&mut node, wire(n))).collect();
        // A successor knows what was told.
        node = succeed(&node);
        told.extend((first..first + 60).flat_map(|n| next(&mut node, wire(n))));
        assert_eq!(told, vec![true; edges], "they never left for everybody");
        assert_eq!((counts(&node), partly(&node)), ((61, 60), 60));
    }
}

#[test]
fn it_ends_with_the_master_and_a_good_bye_that_does_not_leave_begins_nothing() {
    let (mut node, now, _) = master(Wire::Refuses);
    node.handle(now, Input::Stop("the daemon stops".into()));
    assert_eq!(node.routers()[0].state().name(), Name::Stop);
    assert_eq!(carry_out(&mut node, now, Wire::Refuses), [false]);
    let router = &node.routers()[0];
    assert_eq!((counts(&node), router.unsent()), ((0, 2), None));
    assert_eq!(router.counters.priority_zero_sent, 0);
    let (mut node, now, _) = master(Wire::Takes);
    node.handle(now, Input::Stop("the daemon stops".into()));
    assert!(carry_out(&mut node, now, Wire::Takes).is_empty());
    assert_eq!((counts(&node), node.routers()[0].counters.priority_zero_sent), ((2, 0), 1));
}

#[test]
fn a_successor_goes_on_and_tells_the_end() {
    let (node, now, _) = master(Wire::Refuses);
    let mut node = succeed(&node);
    assert!(next(&mut node, Wire::Refuses).is_empty(), "that has been told");
    assert_eq!(node.routers()[0].unsent().unwrap().since, now);
    assert_eq!(next(&mut node, Wire::Takes), [false]);
    assert_eq!(node.routers()[0].priority(), Priority(200));
    // Nor is it told sooner by another one.
    let mut node = succeed(&node);
    let told: Vec<bool> = (0..20).flat_map(|_| next(&mut node, Wire::Refuses)).collect();
    assert!(told.is_empty(), "{told:?}");
}
