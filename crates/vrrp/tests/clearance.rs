//! A silent master's place is taken when the witness answers and the master is fenced, if the configuration asks for that; and a
//! weaker one's when its connections are known here.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{instance, links};
use std::net::IpAddr;
use vipd_vrrp::admit::Admitted;
use vipd_vrrp::node::{Action, Input, Node, Settings};
use vipd_vrrp::packet::Advert;
use vipd_vrrp::router::Question::{self, Fence, Witness};
use vipd_vrrp::router::{Caught, Edge, Name, advert};
use vipd_vrrp::settings::{Instance, SyncGroup, Version, Way};
use vipd_vrrp::timers::{master_down, skew};
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

const OWN: [u8; 4] = [192, 0, 2, 11];
const PEER: [u8; 4] = [192, 0, 2, 12];
const START: Instant = Instant(1_000_000_000);

fn careful(vrid: u8) -> Instance {
    Instance { witness: true, fence: true, ..instance(Version::V3, vrid, 100, 100) }
}

fn node(instances: Vec<Instance>, groups: Vec<SyncGroup>) -> Node {
    Node::new(START, Settings { instances, groups, ..Settings::default() }, links(OWN), None, Micros::ZERO)
}

fn heard(node: &Node, i: usize, priority: u8) -> Input {
    let base = advert(&node.routers()[i].settings, Priority(priority));
    let advert = Advert { interval: Centis(100), ..base };
    Input::Advert(
        i,
        Admitted { source: PEER.into(), way: Way::Own, advert, sequence: None, number: None, oddity: None, sum: None },
    )
}

/// What is asked, and of which router, about which lost master.
fn asked(node: &mut Node) -> Vec<(usize, Option<IpAddr>, Question)> {
    let mut all = Vec::new();
    while let Some(action) = node.poll() {
        if let Action::Router(i, Edge::Ask { lost, question }) = action {
            all.push((i, lost.map(|h| h.address), question));
        }
    }
    all
}

fn state(node: &Node) -> Name {
    node.routers()[0].state().name()
}

fn patience() -> Micros {
    master_down(Version::V3, Priority(100), Centis(100), 3)
}

#[test]
fn a_silent_masters_place_is_taken_when_all_agree() {
    let mut node = node(vec![careful(51)], vec![]);
    let advert = heard(&node, 0, 200);
    node.handle(START, advert);
    let mut now = START + patience();
    node.handle(now, Input::Tick);
    assert_eq!(asked(&mut node), [(0, Some(PEER.into()), Witness)]);
    assert_eq!((state(&node), node.claims(0).count()), (Name::Backup, 0));
    node.handle(now + Micros(1), Input::Cleared(0, Fence, Ok(())));
    node.handle(now + Micros(2), Input::Tick);
    assert_eq!((asked(&mut node), state(&node)), (vec![], Name::Backup), "that was not what it asked");
    node.handle(now + Micros(3), Input::Cleared(0, Witness, Ok(())));
    node.handle(now + Micros(3), Input::Tick);
    assert_eq!((asked(&mut node), state(&node)), (vec![(0, Some(PEER.into()), Fence)], Name::Backup));
    now = now + Micros(3);
    // Whoever is asked may take long; the question is repeated, as it or its answer may have been lost.
    for _ in 0..5 {
        now = now + patience();
        node.handle(now, Input::Tick);
        assert_eq!((asked(&mut node).len(), state(&node)), (1, Name::Backup));
    }
    now = now + Micros(1_000);
    node.handle(now, Input::Cleared(0, Fence, Ok(())));
    assert_eq!(state(&node), Name::Backup, "what has arrived meanwhile is read first");
    node.handle(now, Input::Tick);
    assert_eq!((state(&node), node.claims(0).count()), (Name::Master, 1));
    assert!(node.routers()[0].why().contains("was not heard for"), "{}", node.routers()[0].why());
}

#[test]
fn a_refusal_is_told_and_asked_again_later() {
    let mut node = node(vec![careful(51)], vec![]);
    let advert = heard(&node, 0, 200);
    node.handle(START, advert);
    let now = START + patience();
    node.handle(now, Input::Tick);
    asked(&mut node);
    node.handle(now + Micros(5), Input::Cleared(0, Witness, Err("witness 192.0.2.1: no answer".into())));
    let told = std::iter::from_fn(|| node.poll()).any(|a| matches!(a, Action::Router(0, Edge::Refused { .. })));
    assert!(told && state(&node) == Name::Backup);
    node.handle(now + patience() + Micros(1_000_000), Input::Tick);
    assert_eq!(asked(&mut node).len(), 0, "not at once");
    let now = now + Micros(5) + Micros(5_000_000);
    node.handle(now, Input::Tick);
    assert_eq!(asked(&mut node).len(), 1);
    // The master is there again: the late answer changes nothing.
    let advert = heard(&node, 0, 200);
    node.handle(now + Micros(1), advert);
    node.handle(now + Micros(2), Input::Cleared(0, Witness, Ok(())));
    assert_eq!(state(&node), Name::Backup);
}

#[test]
fn a_good_bye_and_a_weaker_master_ask_nobody() {
    let mut one = node(vec![careful(51)], vec![]);
    let release = heard(&one, 0, 0);
    one.handle(START, release);
    one.handle(START + skew(Version::V3, Priority(100), Centis(100)), Input::Tick);
    assert_eq!((asked(&mut one), state(&one)), (vec![], Name::Master));

    let mut one = node(vec![careful(51)], vec![]);
    let mut now = START;
    while now < START + patience() {
        let weaker = heard(&one, 0, 50);
        one.handle(now, weaker);
        now = now + Micros(1_000_000);
    }
    one.handle(now, Input::Tick);
    assert_eq!((asked(&mut one), state(&one)), (vec![], Name::Master));

    // Where no master was ever heard there is nobody to fence; the witness is asked.
    let mut one = node(vec![careful(51)], vec![]);
    one.handle(START + patience(), Input::Tick);
    assert_eq!((asked(&mut one), state(&one)), (vec![(0, None, Witness)], Name::Backup));
}

/// A fault that comes and goes makes nobody forget who served.
#[test]
fn whom_it_heard_before_a_fault_is_fenced_behind_it() {
    let mut node = node(vec![careful(51)], vec![]);
    let advert = heard(&node, 0, 200);
    node.handle(START, advert);
    let mut down = links(OWN);
    down.values_mut().for_each(|link| link.up = false);
    for (after, facts) in [(1, down), (2, links(OWN))] {
        for (name, link) in facts {
            node.handle(START + Micros(after * 100_000), Input::Link(name, Some(link)));
        }
    }
    assert_eq!((asked(&mut node), state(&node)), (vec![], Name::Backup));
    node.handle(START + Micros(200_000) + patience(), Input::Tick);
    assert_eq!((asked(&mut node), state(&node)), (vec![(0, Some(PEER.into()), Witness)], Name::Backup));
}

#[test]
fn a_group_waits_for_each_that_asks() {
    let group = SyncGroup { name: "G".into(), members: vec!["VI_51".into(), "VI_52".into()] };
    let plain = instance(Version::V3, 52, 100, 100);
    let mut node = node(vec![careful(51), plain], vec![group]);
    for i in [0, 1] {
        let advert = heard(&node, i, 200);
        node.handle(START, advert);
    }
    let mut now = START + patience();
    node.handle(now, Input::Tick);
    now = now + Micros(1_000);
    node.handle(now, Input::Tick);
    assert_eq!(asked(&mut node), [(0, Some(PEER.into()), Witness)]);
    for question in [Witness, Fence] {
        assert!(node.routers().iter().all(|r| r.state().name() == Name::Backup));
        now = now + Micros(1_000);
        node.handle(now, Input::Cleared(0, question, Ok(())));
        node.handle(now, Input::Tick);
    }
    assert!(node.routers().iter().all(|r| r.state().name() == Name::Master));
}

/// One that has lost its network itself must not have a sibling fence the master.
#[test]
fn nobody_of_a_group_is_fenced_before_every_witness_answers() {
    let group = SyncGroup { name: "G".into(), members: vec!["VI_51".into(), "VI_52".into()] };
    let mut node = node(vec![careful(51), careful(52)], vec![group]);
    for i in [0, 1] {
        let advert = heard(&node, i, 200);
        node.handle(START, advert);
    }
    let mut now = START + patience();
    node.handle(now, Input::Tick);
    now = now + Micros(1_000);
    node.handle(now, Input::Tick);
    let mut all = asked(&mut node);
    all.sort_by_key(|(i, ..)| *i);
    all.dedup();
    assert_eq!(all, [(0, Some(PEER.into()), Witness), (1, Some(PEER.into()), Witness)]);
    node.handle(now, Input::Cleared(0, Witness, Ok(())));
    node.handle(now, Input::Cleared(1, Witness, Err("no answer".into())));
    let (mut later, mut times) = (now, [0, 0]);
    while later < now + Micros(20_000_000) {
        later = later + Micros(100_000);
        node.handle(later, Input::Tick);
        for (i, _, question) in asked(&mut node) {
            assert_eq!(question, Witness);
            times[i] += 1;
            // One witness answers each time, the other's doesn't.
            let verdict = if i == 0 { Ok(()) } else { Err("no answer".into()) };
            node.handle(later, Input::Cleared(i, Witness, verdict));
        }
    }
    // What the one said long ago is not believed: it is asked each time. And none is stormed.
    assert!(times[0] >= 3 && (3..=5).contains(&times[1]), "{times:?}");
    for i in [0, 1].repeat(2) {
        later = later + Micros(5_000_000);
        node.handle(later, Input::Tick);
        asked(&mut node);
        node.handle(later, Input::Cleared(i, Witness, Ok(())));
    }
    node.handle(later, Input::Tick);
    let mut all = asked(&mut node);
    all.sort_by_key(|(i, ..)| *i);
    assert_eq!(all, [(0, Some(PEER.into()), Fence), (1, Some(PEER.into()), Fence)]);
    for i in [0, 1] {
        assert!(node.routers().iter().all(|r| r.state().name() == Name::Backup));
        node.handle(later, Input::Cleared(i, Fence, Ok(())));
        node.handle(later, Input::Tick);
    }
    assert!(node.routers().iter().all(|r| r.state().name() == Name::Master));
}

#[test]
fn a_successor_asks_anew() {
    let settings = || Settings { instances: vec![careful(51)], ..Settings::default() };
    let mut node = node(vec![careful(51)], vec![]);
    let advert = heard(&node, 0, 200);
    node.handle(START, advert);
    let now = START + patience();
    node.handle(now, Input::Tick);
    asked(&mut node);
    let snapshot = node.snapshot(now);
    let later = now + Micros(500_000);
    let mut next = Node::new(later, settings(), links(OWN), Some((now, snapshot)), Micros::ZERO);
    next.handle(later, Input::Cleared(0, Witness, Ok(())));
    next.handle(later, Input::Tick);
    assert_eq!(state(&next), Name::Backup, "nobody of it has asked");
    next.handle(later + patience(), Input::Tick);
    assert_eq!(asked(&mut next).len(), 1);
}

/// One that waits for connections for 20 s at the most.
fn patient() -> Instance {
    Instance { catch_up: Micros::from_secs(20), ..instance(Version::V3, 51, 100, 100) }
}

/// A weaker master is heard every second from `from` on, so many times; what is asked and told meanwhile, and when the last
/// advert came.
fn beside_a_weaker_one(node: &mut Node, from: Instant, times: u64) -> (Vec<Edge>, Instant) {
    let (mut told, mut now) = (Vec::new(), from);
    for second in 0..times {
        now = from + Micros::from_secs(second);
        node.handle(now, Input::Tick);
        let advert = heard(node, 0, 50);
        node.handle(now, advert);
        while let Some(action) = node.poll() {
            if let Action::Router(0, edge @ (Edge::Ask { .. } | Edge::CatchUp { .. } | Edge::CaughtUp(_))) = action {
                told.push(edge);
            }
        }
    }
    (told, now)
}

fn asks_once(told: &[Edge]) -> bool {
    matches!(told, [Edge::CatchUp { weaker }] if weaker.priority == Priority(50))
}

#[test]
fn a_weaker_master_is_left_in_peace_until_its_connections_are_known() {
    let mut node = node(vec![patient()], vec![]);
    let (told, now) = beside_a_weaker_one(&mut node, START + Micros::from_secs(1), 10);
    assert!(asks_once(&told), "{told:?}");
    assert_eq!(state(&node), Name::Backup);
    let waits = node.waits_for(now, 0);
    assert_eq!(waits, ["the connections of 192.0.2.12 (lvs_sync_catch_up), 10 s at the most"]);
    // What answers another question is no answer to this one.
    node.handle(now, Input::Cleared(0, Witness, Ok(())));
    node.handle(now, Input::Cleared(0, Fence, Ok(())));
    let (told, now) = beside_a_weaker_one(&mut node, now + Micros::from_secs(1), 3);
    assert_eq!((told, state(&node)), (vec![], Name::Backup));
    node.handle(now, Input::CaughtUp(0));
    let (told, now) = beside_a_weaker_one(&mut node, now + Micros::from_secs(1), 3);
    assert_eq!((told, state(&node)), (vec![Edge::CaughtUp(Caught::Up)], Name::Backup));
    assert_eq!(node.waits_for(now, 0), [""; 0]);
    let (_, now) = beside_a_weaker_one(&mut node, now + Micros::from_secs(1), 2);
    assert_eq!(state(&node), Name::Master);
    // An answer that comes late changes nothing.
    node.handle(now, Input::CaughtUp(0));
    assert_eq!(state(&node), Name::Master);
}

#[test]
fn whoever_answers_or_not_the_time_is_over() {
    let mut node = node(vec![patient()], vec![]);
    let (told, now) = beside_a_weaker_one(&mut node, START + Micros::from_secs(1), 19);
    assert!(asks_once(&told) && state(&node) == Name::Backup, "{told:?}");
    let (told, now) = beside_a_weaker_one(&mut node, now + Micros::from_secs(1), 5);
    assert_eq!((told, state(&node)), (vec![Edge::CaughtUp(Caught::Late)], Name::Master), "{now:?}");
    // One that has been BACKUP for longer than that has heard all that there was, and asks nobody.
    let mut node = self::node(vec![patient()], vec![]);
    for second in 1..30 {
        let (now, advert) = (START + Micros::from_secs(second), heard(&node, 0, 200));
        node.handle(now, Input::Tick);
        node.handle(now, advert);
    }
    let (told, _) = beside_a_weaker_one(&mut node, START + Micros::from_secs(30), 5);
    assert_eq!((told, state(&node)), (vec![], Name::Master));
}

#[test]
fn a_master_that_falls_silent_or_leaves_is_not_waited_for() {
    let plain = || Instance { catch_up: Micros::ZERO, ..patient() };
    for (last, waits) in [(50, patience()), (0, skew(Version::V3, Priority(100), Centis(100)))] {
        let mut node = self::node(vec![patient()], vec![]);
        let (told, mut now) = beside_a_weaker_one(&mut node, START + Micros::from_secs(1), 5);
        assert!(asks_once(&told));
        if last == 0 {
            now = now + Micros(1);
            let advert = heard(&node, 0, 0);
            node.handle(now, advert);
        }
        let due = now + waits;
        node.handle(Instant(due.0 - 1), Input::Tick);
        assert_eq!(state(&node), Name::Backup);
        node.handle(due, Input::Tick);
        assert_eq!(state(&node), Name::Master, "it waits for a master that is gone");
    }
    // Where nobody was ever heard it is MASTER as soon as without the word.
    for settings in [patient(), plain()] {
        let mut node = self::node(vec![settings], vec![]);
        node.handle(START + patience(), Input::Tick);
        assert_eq!(state(&node), Name::Master);
    }
}

#[test]
fn an_operator_waits_for_no_connections_and_a_successor_asks_anew() {
    let mut node = node(vec![patient()], vec![]);
    let (_, now) = beside_a_weaker_one(&mut node, START + Micros::from_secs(1), 5);
    let before = node.snapshot(now);
    node.handle(now, Input::TakeBack(0));
    let (told, _) = beside_a_weaker_one(&mut node, now + Micros::from_secs(1), 5);
    assert_eq!((told, state(&node)), (vec![], Name::Master));

    let settings = |instance| Settings { instances: vec![instance], ..Settings::default() };
    let next = |instance, away: u64| {
        let at = now + Micros(away);
        (Node::new(at, settings(instance), links(OWN), Some((now, before.clone())), Micros::ZERO), at)
    };
    let (mut successor, at) = next(patient(), 500_000);
    let (told, at) = beside_a_weaker_one(&mut successor, at, 5);
    assert!(asks_once(&told) && state(&successor) == Name::Backup, "{told:?}");
    // For all that, the time began when it became BACKUP.
    assert!(
        beside_a_weaker_one(&mut successor, at + Micros::from_secs(1), 15).0.contains(&Edge::CaughtUp(Caught::Late))
    );
    // A reload is no new beginning, and may end it.
    let (mut reloaded, at) = next(patient(), 0);
    assert_eq!(beside_a_weaker_one(&mut reloaded, at, 5).0, []);
    let (mut without, at) = next(Instance { catch_up: Micros::ZERO, ..patient() }, 0);
    beside_a_weaker_one(&mut without, at, 5);
    assert_eq!((state(&reloaded), state(&without)), (Name::Backup, Name::Master));
}
