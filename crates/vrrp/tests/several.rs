//! What concerns several instances, or an instance and what carries it: sync groups, successors, sockets, sequence numbers.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{instance, ipv6, link, links, node};
use std::net::IpAddr;
use vipd_vrrp::admit::{Admitted, Oddity, admit};
use vipd_vrrp::node::{Action, Due, Input, Node, Settings};
use vipd_vrrp::packet::Datagram;
use vipd_vrrp::router::{Edge, Name, Sequence, advert, packets};
use vipd_vrrp::settings::*;
use vipd_vrrp::track::Duty;
use vipd_vrrp::units::{Instant, Micros, Priority};

const OWN: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];
const START: Instant = Instant(1_000_000_000);

fn actions(node: &mut Node) -> Vec<Action> {
    std::iter::from_fn(|| node.poll()).collect()
}

/// Lets every instance become master.
fn serve(node: &mut Node) -> Instant {
    let mut now = START;
    while node.routers().iter().any(|r| r.state().name() != Name::Master) {
        now = node.wake().unwrap().0;
        node.handle(now, Input::Tick);
    }
    actions(node);
    now
}

fn names(node: &Node) -> Vec<Name> {
    node.routers().iter().map(|r| r.state().name()).collect()
}

fn two() -> Settings {
    Settings {
        instances: vec![instance(Version::V3, 51, 100, 100), instance(Version::V3, 52, 100, 100)],
        ..Settings::default()
    }
}

fn heard(node: &Node, i: usize, priority: u8) -> Input {
    let advert = advert(&node.routers()[i].settings, Priority(priority));
    Input::Advert(
        i,
        Admitted { source: OTHER.into(), way: Way::Own, advert, sequence: None, number: None, sum: None, oddity: None },
    )
}

fn group() -> SyncGroup {
    SyncGroup { name: "VG".into(), members: vec!["VI_51".into(), "VI_52".into()] }
}

#[test]
fn a_group_that_a_reload_forms_of_a_master_and_a_backup_is_elected_as_one() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let mut now = serve(&mut node);
    let stronger = heard(&node, 1, 200);
    node.handle(now, stronger);
    assert_eq!(names(&node), [Name::Master, Name::Backup]);
    let settings = Settings { groups: vec![group()], ..two() };
    let before = Some((now, node.snapshot(now)));
    let mut node = Node::new(now, settings, links(OWN), before, Micros::ZERO);
    assert_eq!(names(&node), [Name::Backup, Name::Backup]);
    assert_eq!(node.groups()[0].state(), Name::Backup);
    assert!(
        actions(&mut node).iter().any(|a| matches!(a, Action::Router(0, Edge::Changed(t)) if t.why.contains("VG")))
    );
    // And together they become master.
    for _ in 0..4 {
        now = node.wake().unwrap().0;
        node.handle(now, Input::Tick);
    }
    assert_eq!(names(&node), [Name::Master, Name::Master]);
    assert_eq!(node.groups()[0].state(), Name::Master);
}

#[test]
fn a_group_that_a_reload_forms_of_masters_is_master() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node);
    let settings = Settings { groups: vec![group()], ..two() };
    let node = Node::new(now, settings, links(OWN), Some((now, node.snapshot(now))), Micros::ZERO);
    assert_eq!(names(&node), [Name::Master, Name::Master]);
    assert_eq!(node.groups()[0].state(), Name::Master);
}

/// Of a group in FAULT the member is named that is the cause, not the first of those that follow it.
#[test]
fn a_groups_fault_names_the_member_that_has_it() {
    for cause in ["eth0", "eth1"] {
        let mut settings = Settings { groups: vec![group()], ..two() };
        settings.instances[1].binding = Binding::Interface("eth1".into());
        let links = ["eth0", "eth1"].map(|name| (name.to_owned(), link(OWN))).into();
        let mut node = Node::new(START, settings, links, None, Micros::ZERO);
        actions(&mut node);
        node.handle(START, Input::Link(cause.into(), None));
        let why = actions(&mut node).into_iter().find_map(|action| match action {
            Action::Group(0, Name::Fault, why) => Some(why),
            _ => None,
        });
        let why = why.unwrap();
        assert!(why.contains(&format!("interface {cause}")), "{why}");
    }
}

/// Who gave way for a sibling's sake, and hears its successor by a path alone, says so by its own interface when it can.
#[test]
fn a_sibling_whose_clients_were_told_nothing_says_a_word() {
    for (by, words) in [(Way::Path(0), 1), (Way::Own, 0)] {
        let mut settings = Settings { groups: vec![group()], ..two() };
        for instance in &mut settings.instances {
            let transport = instance.transport.clone();
            instance.heartbeat_paths = vec![HeartbeatPath { interface: "eth1".into(), source: None, transport }];
        }
        let links = ["eth0", "eth1"].map(|name| (name.to_owned(), link(OWN))).into();
        let mut node = Node::new(START, settings, links, None, Micros::ZERO);
        let now = serve(&mut node);
        let stronger = |node: &Node, i, way| match heard(node, i, 200) {
            Input::Advert(i, admitted) => Input::Advert(i, Admitted { way, ..admitted }),
            other => panic!("{other:?}"),
        };
        let at = |seconds: u64, i, way, node: &mut Node| {
            let advert = stronger(node, i, way);
            node.handle(now + Micros::from_secs(seconds), advert);
        };
        at(10, 0, Way::Own, &mut node);
        assert_eq!(names(&node), [Name::Backup, Name::Backup]);
        at(10, 1, by, &mut node);
        for seconds in 11..20 {
            at(seconds, 0, Way::Own, &mut node);
            at(seconds, 1, by, &mut node);
        }
        actions(&mut node);
        at(20, 1, Way::Own, &mut node);
        let sent = |a: &Action| matches!(a, Action::Router(1, Edge::Send { .. }));
        assert_eq!(actions(&mut node).iter().filter(|a| sent(a)).count(), words, "{by:?}");
    }
}

/// What a backup waits for is told: the end of a master, or of its patience with a weaker one.
#[test]
fn what_ends_with_the_master_down_interval_is_told() {
    let told = |preempt, priority| {
        let mut node = node(START, Instance { preempt, ..instance(Version::V3, 51, 100, 100) }, OWN);
        let other = heard(&node, 0, priority);
        node.handle(START, other);
        let Some((_, Due::Router(0, timer))) = node.wake() else { panic!("it waits for something") };
        timer.to_string()
    };
    let (gone, preempts) = ("the master counts as gone", "it takes over from a weaker master");
    assert_eq!(told(Preempt::After(Micros::ZERO), 150), gone);
    assert_eq!(told(Preempt::After(Micros::ZERO), 0), gone);
    assert_eq!(told(Preempt::After(Micros::ZERO), 50), preempts);
    assert_eq!(told(Preempt::After(Micros::from_secs(60)), 50), gone);
    assert_eq!(told(Preempt::Never, 50), gone);
    assert_eq!(told(Preempt::After(Micros::from_secs(1)), 50), preempts, "its patience ends before the interval does");
}

#[test]
fn a_lower_advert_makes_the_whole_group_announce() {
    let mut node = Node::new(START, Settings { groups: vec![group()], ..two() }, links(OWN), None, Micros::ZERO);
    let now = serve(&mut node) + Micros(500_000);
    let lower = heard(&node, 0, 50);
    node.handle(now, lower);
    let announced = |a: &Action| match a {
        Action::Router(i, Edge::Announce { .. }) => Some(*i),
        _ => None,
    };
    assert_eq!(actions(&mut node).iter().filter_map(announced).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn an_instance_without_a_socket_is_in_fault_until_it_has_one() {
    let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
    node.handle(START, Input::Sockets(0, Err("no descriptors".into())));
    assert_eq!(names(&node), [Name::Fault]);
    assert!(node.routers()[0].why().contains("no descriptors"));
    assert_eq!(node.wake(), None, "a deaf instance must not become master");
    actions(&mut node);
    node.handle(START, Input::Sockets(0, Err("no descriptors".into())));
    assert!(actions(&mut node).is_empty(), "told once");
    // A reload changes nothing of that.
    let settings = Settings { instances: vec![instance(Version::V3, 51, 100, 100)], ..Settings::default() };
    let mut node = Node::new(START, settings, links(OWN), Some((START, node.snapshot(START))), Micros::ZERO);
    assert_eq!(names(&node), [Name::Fault]);
    assert!(actions(&mut node).is_empty(), "nothing has changed");
    node.handle(START, Input::Sockets(0, Ok(())));
    assert_eq!(names(&node), [Name::Backup]);
}

#[test]
fn only_masters_are_due_before_what_has_arrived_is_read() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node);
    let stronger = heard(&node, 1, 200);
    node.handle(now, stronger);
    actions(&mut node);
    // Both are overdue: this process did not run.
    let late = now + Micros(3_609_375); // just as long as a backup waits
    node.handle(late, Input::TickMasters);
    let sent =
        |actions: &[Action]| actions.iter().filter(|a| matches!(a, Action::Router(_, Edge::Send { .. }))).count();
    assert_eq!(sent(&actions(&mut node)), 1);
    assert_eq!(names(&node), [Name::Master, Name::Backup]);
    // The stronger one's advert was waiting: it keeps the backup one.
    let stronger = heard(&node, 1, 200);
    node.handle(late, stronger);
    node.handle(late, Input::Tick);
    assert_eq!(names(&node), [Name::Master, Name::Backup]);
}

#[test]
fn sequence_numbers_start_high_and_low_ones_of_a_peer_are_believed() {
    let key = |text: &[u8; 8]| Auth::Ah(*text);
    let settings = Instance { auth: key(b"s3cr3tpw"), ..instance(Version::V2, 51, 100, 100) };
    let sealed = |sequence: u32| {
        let advert = advert(&settings, Priority(200));
        packets(&settings, IpAddr::from(OTHER), &advert, 1, Some(Sequence::Ah(sequence))).remove(0).1
    };
    let mut node = Node::new(
        START,
        Settings { instances: vec![settings.clone()], ..Settings::default() },
        links(OWN),
        None,
        Micros::from_secs(1_700_000_000),
    );
    let hear = |node: &mut Node, sequence: u32| {
        let packet = sealed(sequence);
        let datagram = Datagram::parse(&packet).unwrap();
        let admitted = admit(&settings, node.routers()[0].known(START, Way::Own), &datagram)?;
        node.handle(START, Input::Advert(0, admitted));
        Ok::<(), vipd_vrrp::admit::Reject>(())
    };
    assert!(hear(&mut node, 7).is_ok(), "a peer that counts from 1");
    assert!(hear(&mut node, 7).is_err(), "a replay");
    assert!(hear(&mut node, 8).is_ok());
    let mut again = Node::new(
        START,
        Settings { instances: vec![settings.clone()], ..Settings::default() },
        links(OWN),
        Some((START, node.snapshot(START))),
        Micros::from_secs(1_700_000_500),
    );
    assert!(hear(&mut again, 8).is_err(), "a successor remembers what was heard");
    assert!(hear(&mut again, 9).is_ok());
    let now = again.wake().unwrap().0;
    again.handle(now, Input::Tick);
    let sent = actions(&mut again).into_iter().find_map(|a| match a {
        Action::Router(0, Edge::Send { sequence, .. }) => sequence,
        _ => None,
    });
    let passed = u32::try_from((now - START).0 / 1_000_000).unwrap();
    assert_eq!(sent, Some(Sequence::Ah(1_700_000_500 + passed)), "no lower than the clock");
}

#[test]
fn unicast_instances_that_differ_by_their_peers_alone_keep_their_own_state() {
    let to = |name: &str, peer: [u8; 4]| Instance {
        name: name.into(),
        transport: Transport::Unicast {
            peers: vec![Peer { address: IpAddr::from(peer), min_ttl: None, max_ttl: None }],
            ttl: 255,
            check_source: true,
        },
        ..instance(Version::V3, 51, 100, 100)
    };
    let all = || vec![to("a", [192, 0, 2, 11]), to("b", [192, 0, 2, 12]), to("c", [192, 0, 2, 13])];
    let settings = |instances| Settings { instances, ..Settings::default() };
    let mut node = Node::new(START, settings(all()), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node);
    let stronger = heard(&node, 2, 200);
    node.handle(now, stronger);
    let rest = settings(all().into_iter().skip(1).collect());
    assert_eq!(node.removed_by(&rest), [0]);
    let after =
        Node::new(now, rest, [("eth0".to_owned(), link(OWN))].into(), Some((now, node.snapshot(now))), Micros::ZERO);
    assert_eq!(names(&after), [Name::Master, Name::Backup]);
}

#[test]
fn the_interfaces_of_the_addresses_count_like_the_instances_own() {
    let elsewhere = VirtualAddress { device: "eth1".into(), ..common::virtual_address([192, 0, 2, 101].into()) };
    for excluded in [false, true] {
        let mut instance = instance(Version::V3, 51, 100, 100);
        if excluded { &mut instance.excluded } else { &mut instance.addresses }.push(elsewhere.clone());
        let mut node = node(START, instance, OWN);
        assert_eq!(names(&node), [Name::Fault]);
        assert!(node.routers()[0].why().contains("eth1 of a virtual address doesn't exist"));
        node.handle(START, Input::Link("eth1".into(), Some(link([192, 0, 2, 9]))));
        let now = serve(&mut node);
        let down = vipd_vrrp::track::Link { up: false, ..link([192, 0, 2, 9]) };
        node.handle(now, Input::Link("eth1".into(), Some(down)));
        assert_eq!(names(&node), [Name::Fault]);
        assert!(node.routers()[0].why().contains("eth1 of a virtual address is down"));
        assert_eq!(node.claims(0).count(), 0);
    }
}

fn reloaded(node: &Node, now: Instant, settings: Settings) -> Node {
    Node::new(now, settings, links(OWN), Some((now, node.snapshot(now))), Micros::ZERO)
}

#[test]
fn reload_after_reload_keeps_no_dead_masters_place() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let stronger = heard(&node, 0, 200);
    node.handle(START, stronger);
    let down = node.wake().unwrap().0;
    assert!(down > START + Micros(3_000_000));
    // The master is dead; a reload every tenth of a second changes nothing of when that counts.
    let mut now = START;
    while now + Micros(100_000) < down {
        now = now + Micros(100_000);
        node = reloaded(&node, now, two());
        assert_eq!(node.wake().unwrap().0, down);
    }
    node.handle(down, Input::Tick);
    assert_eq!(names(&node)[0], Name::Master);
}

#[test]
fn a_reload_moves_the_time_to_wait_with_the_interval() {
    let slower = |centis| Settings { instances: vec![instance(Version::V2, 51, 100, centis)], ..Settings::default() };
    let node = Node::new(START, slower(100), links(OWN), None, Micros::ZERO);
    let down = node.wake().unwrap().0;
    let now = START + Micros(1_000_000);
    assert_eq!(reloaded(&node, now, slower(300)).wake().unwrap().0, down + Micros(6_000_000));
    let node = Node::new(START, slower(1000), links(OWN), None, Micros::ZERO);
    let faster = reloaded(&node, now, slower(100)).wake().unwrap().0;
    assert!(faster >= now && faster < now + Micros(4_000_000), "{faster:?}");
    // Nobody was heard: there is no interval of a master to keep.
    let v3 = |centis| Settings { instances: vec![instance(Version::V3, 51, 100, centis)], ..Settings::default() };
    let node = Node::new(START, v3(1000), links(OWN), None, Micros::ZERO);
    assert!(reloaded(&node, now, v3(10)).wake().unwrap().0 < now + Micros(400_000));
}

#[test]
fn a_process_that_was_away_gives_the_master_a_whole_interval() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let stronger = heard(&node, 0, 200);
    node.handle(START, stronger);
    let now = START + Micros(3_000_000);
    let next = Node::new(now, two(), links(OWN), Some((START, node.snapshot(START))), Micros::ZERO);
    assert!(next.wake().unwrap().0 > now + Micros(3_000_000));
}

#[test]
fn a_storm_of_reloads_is_no_storm_of_adverts() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let mut now = serve(&mut node);
    let mut sent = 0;
    for _ in 0..1000 {
        now = now + Micros(1_000);
        node = reloaded(&node, now, two());
        node.handle(now, Input::Tick);
        sent += actions(&mut node).iter().filter(|a| matches!(a, Action::Router(0, Edge::Send { .. }))).count();
    }
    assert!((1..=11).contains(&sent), "{sent} adverts in a second of reloads");
    // And what a lower master sends is still answered afterwards.
    let now = now + Micros(200_000);
    let lower = heard(&node, 0, 50);
    node.handle(now, lower);
    assert!(actions(&mut node).iter().any(|a| matches!(a, Action::Router(0, Edge::Send { .. }))));
}

#[test]
fn the_first_advert_after_a_reload_is_at_once() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node) + Micros(300_000);
    let mut node = reloaded(&node, now, two());
    assert_eq!(node.wake().unwrap().0, now);
    node.handle(now, Input::Tick);
    assert!(actions(&mut node).iter().any(|a| matches!(a, Action::Router(0, Edge::Send { .. }))));
}

#[test]
fn a_script_whose_numbers_change_stays_good_or_bad() {
    let script = |rise, fall| Script { name: "chk".into(), rise, fall, init_fail: false };
    let settings = |script| {
        let mut tracks = instance(Version::V3, 51, 100, 100);
        let bearing = Bearing::Weight { weight: 20, reverse: false };
        tracks.tracks = vec![Track { what: Tracked::Script("chk".into()), bearing }];
        Settings { instances: vec![tracks], scripts: vec![script], ..Settings::default() }
    };
    let run = |node: &mut Node, success| node.handle(START, Input::Script("chk".into(), success, "told".into()));
    let priority = |node: &Node| node.routers()[0].priority().0;
    let mut node = Node::new(START, settings(script(1, 1)), links(OWN), None, Micros::ZERO);
    run(&mut node, true);
    assert_eq!(priority(&node), 120);
    actions(&mut node);
    // Good, and it takes all three failures to make it bad.
    let mut node = reloaded(&node, START, settings(script(2, 3)));
    assert!(actions(&mut node).is_empty(), "a word in a file is no event");
    for expected in [120, 120, 100] {
        run(&mut node, false);
        assert_eq!(priority(&node), expected);
    }
    // Bad, and both successes to make it good.
    let mut node = reloaded(&node, START, settings(script(2, 1)));
    for expected in [100, 120] {
        run(&mut node, true);
        assert_eq!(priority(&node), expected);
    }
    // One that has not run yet begins as one.
    let node = Node::new(START, settings(script(1, 1)), links(OWN), None, Micros::ZERO);
    let mut node = reloaded(&node, START, settings(script(5, 5)));
    run(&mut node, true);
    assert_eq!(priority(&node), 120);
}

#[test]
fn a_renamed_instance_takes_no_others_place() {
    let unicast = |name: &str, peer: u8| {
        let mut one = instance(Version::V3, 51, 100, 100);
        one.name = name.into();
        let peers = vec![Peer { address: IpAddr::from([192, 0, 2, peer]), min_ttl: None, max_ttl: None }];
        one.transport = Transport::Unicast { peers, ttl: 255, check_source: false };
        one
    };
    let settings = |instances| Settings { instances, ..Settings::default() };
    let mut node = Node::new(START, settings(vec![unicast("A", 8), unicast("B", 9)]), links(OWN), None, Micros::ZERO);
    serve(&mut node);
    let stronger = heard(&node, 1, 200);
    node.handle(START, stronger);
    assert_eq!(names(&node), [Name::Master, Name::Backup]);
    // B stays B although the renamed A stands behind it now, and what is gone is gone by its name.
    let next = settings(vec![unicast("new", 8), unicast("B", 9)]);
    assert_eq!(node.removed_by(&next), [0; 0]);
    assert_eq!(names(&reloaded(&node, START, next)), [Name::Master, Name::Backup]);
    let next = settings(vec![unicast("B", 9), unicast("new", 8)]);
    assert_eq!(names(&reloaded(&node, START, next)), [Name::Backup, Name::Master]);
    assert_eq!(node.removed_by(&settings(vec![unicast("B", 9)])), [0]);
    assert_eq!(node.removed_by(&settings(vec![unicast("A", 9)])), [1]);
}

#[test]
fn reload_after_reload_keeps_no_group_from_serving() {
    let settings = || Settings { groups: vec![group()], ..two() };
    let mut node = Node::new(START, settings(), links(OWN), None, Micros::ZERO);
    // The master of the one was heard two seconds longer than that of the other.
    let stronger = heard(&node, 0, 200);
    node.handle(START, stronger);
    let mut now = START + Micros(2_000_000);
    let stronger = heard(&node, 1, 200);
    node.handle(now, stronger);
    for _ in 0..200 {
        now = now + Micros(50_000);
        node = reloaded(&node, now, settings());
        node.handle(now, Input::Tick);
    }
    assert_eq!(names(&node), [Name::Master, Name::Master]);
}

#[test]
fn a_master_that_comes_back_announces_its_addresses_and_a_reloaded_one_does_not() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node);
    let snapshot = node.snapshot(now);
    let announced = |node: &mut Node| {
        let announce = |a: &Action| matches!(a, Action::Router(_, Edge::Announce { .. }));
        actions(node).iter().filter(|a| announce(a)).count()
    };
    // A peer may have taken over meanwhile, and clients send to it: it gives way without a word.
    let later = now + Micros(2_000_000);
    let mut next = Node::new(later, two(), links(OWN), Some((now, snapshot)), Micros::ZERO);
    assert_eq!(names(&next), [Name::Master, Name::Master]);
    assert_eq!(announced(&mut next), 2);
    assert_eq!(announced(&mut reloaded(&node, later, two())), 0);
}

#[test]
fn another_masters_last_word_right_after_an_answer_is_not_forgotten() {
    for delay in [Micros::ZERO, Micros(5_000_000)] {
        let mut settings = Settings { groups: vec![group()], ..two() };
        settings.instances.iter_mut().for_each(|i| i.garp.lower_prio_delay = delay);
        let mut node = Node::new(START, settings, links(OWN), None, Micros::ZERO);
        let mut now = serve(&mut node);
        // Until the second block of announcements is out.
        for _ in 0..20 {
            now = node.wake().unwrap().0;
            node.handle(now, Input::Tick);
        }
        actions(&mut node);
        // A good-bye is answered; a weaker master gives way within the gap between two answers.
        for (after, priority) in [(0, 0), (20_000, 50)] {
            actions(&mut node);
            now = now + Micros(after);
            let word = heard(&node, 0, priority);
            node.handle(now, word);
        }
        // Its clients are told, and those of the siblings: when the gap is over, or with the second block.
        now = now + Micros(80_000).max(delay);
        while let Some((due, _)) = node.wake().filter(|(due, _)| *due <= now) {
            node.handle(due, Input::Tick);
        }
        let announced = actions(&mut node).into_iter().filter_map(|a| match a {
            Action::Router(i, Edge::Announce { .. }) => Some(i),
            _ => None,
        });
        assert_eq!(announced.collect::<std::collections::BTreeSet<_>>(), [0, 1].into());
        assert!(node.wake().unwrap().0 > now);
    }
}

#[test]
fn an_advert_lists_no_more_than_fits_its_link() {
    let many: Vec<String> = (1..=200).map(|i| format!("2001:db8::{i:x}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (mtu, listed) in [(1500, 89), (9000, 200), (100, 2), (10, 1)] {
        let settings =
            Settings { instances: vec![ipv6(instance(Version::V3, 7, 100, 100), &many)], ..Settings::default() };
        let link = vipd_vrrp::track::Link { mtu, ..link(OWN) };
        let mut node = Node::new(START, settings, [("eth0".to_owned(), link)].into(), None, Micros::ZERO);
        node.handle(START + Micros::from_secs(4), Input::Tick);
        let sent = actions(&mut node).into_iter().find_map(|action| match action {
            Action::Router(0, Edge::Send { advert, .. }) => Some(advert.addresses.len()),
            Action::Router(..) | Action::Group(..) | Action::Tracked(..) => None,
        });
        assert_eq!(sent, Some(listed), "with an MTU of {mtu}");
        assert_eq!(node.claims(0).count(), 200, "all are held");
        assert_eq!(node.routers()[0].source(), Some("fe80::ff:fe00:1".parse().unwrap()));
    }
}

/// Signed adverts of a sender go up whatever its clock does, and none is believed twice, by a successor neither.
#[test]
fn signed_adverts_are_in_order_and_none_is_believed_twice() {
    const UNIX: Micros = Micros::from_secs(1_700_000_000);
    let window = AntiReplay::Time { window: 5 };
    let with = |replay, mode| {
        let auth = HmacAuth { keys: [(3, HmacKey(vec![7; 32]))].into(), active: 3, replay, mode };
        Instance { auth: Auth::Hmac(auth), ..instance(Version::V3, 51, 100, 100) }
    };
    let new = |settings: &Instance, address, before, unix| {
        let settings = Settings { instances: vec![settings.clone()], ..Settings::default() };
        Node::new(START, settings, links(address), before, unix)
    };
    // Everything that a node sends up to a time, as packets.
    let sent = |node: &mut Node, address: [u8; 4], until: Instant| {
        let settings = node.routers()[0].settings.clone();
        let mut all = Vec::new();
        while let Some((at, _)) = node.wake().filter(|(at, _)| *at <= until) {
            node.handle(at, Input::Tick);
            for action in actions(node) {
                if let Action::Router(0, Edge::Send { advert, sequence }) = action {
                    all.push((sequence, packets(&settings, address.into(), &advert, 1, sequence).remove(0).1));
                }
            }
        }
        all
    };
    let enforce = with(window, HmacMode::Enforce);
    let mut sender = new(&enforce, OWN, None, UNIX);
    let first = sent(&mut sender, OWN, START + Micros::from_secs(8));
    // The clock goes back two seconds: the stamps go on. Then an hour: they begin anew, or nobody would believe them.
    let at = START + Micros::from_secs(8);
    sender.handle(at, Input::Clock(Micros(UNIX.0 + 6_000_000)));
    let second = sent(&mut sender, OWN, at + Micros::from_secs(3));
    let stamps: Vec<u64> = first.iter().chain(&second).map(|(sequence, _)| stamp(*sequence)).collect();
    assert!(stamps.is_sorted_by(|a, b| a < b) && stamps.len() >= 6, "{stamps:?}");
    let at = at + Micros::from_secs(3);
    sender.handle(at, Input::Clock(UNIX));
    sender.handle(at, Input::Clock(Micros(UNIX.0 - 3_600_000_000)));
    let third = sent(&mut sender, OWN, at + Micros::from_secs(1));
    assert_eq!(stamp(third[0].0) >> 32, UNIX.0 / 1_000_000 - 3600);

    // A receiver whose clock agrees believes each once, in order, and its successor too.
    let mut receiver = new(&enforce, [192, 0, 2, 3], None, UNIX);
    let hear = |node: &mut Node, packet: &[u8], at: Instant| {
        let datagram = Datagram::parse(packet).unwrap();
        let admitted = admit(&enforce, node.routers()[0].known(at, Way::Own), &datagram).map_err(|why| why.name())?;
        node.handle(at, Input::Advert(0, admitted));
        Ok::<(), &'static str>(())
    };
    let at = START + Micros::from_secs(6);
    assert_eq!(hear(&mut receiver, &first[1].1, at), Ok(()));
    assert_eq!(hear(&mut receiver, &first[1].1, at), Err("auth_ext_replay"));
    assert_eq!(hear(&mut receiver, &first[0].1, at), Err("auth_ext_replay"));
    let snapshot = receiver.snapshot(at);
    let mut again = new(&enforce, [192, 0, 2, 3], Some((at, snapshot)), UNIX);
    assert_eq!(hear(&mut again, &first[1].1, START), Err("auth_ext_replay"));
    assert_eq!(hear(&mut again, &first[2].1, START + Micros::from_secs(6)), Ok(()));
    assert_eq!(hear(&mut again, &first[3].1, START + Micros::from_secs(60)), Err("auth_ext_stale"));
    // Nor does a sender believe what it has sent itself, nor repeat a number in another life whose clock lies behind.
    let at = START + Micros::from_secs(8);
    let mut once = new(&enforce, OWN, None, UNIX);
    let own = sent(&mut once, OWN, at);
    let mut next = new(&enforce, OWN, Some((at, once.snapshot(at))), UNIX);
    assert_eq!(hear(&mut next, &own[own.len() - 1].1, at), Err("auth_ext_replay"));
    let monotonic = with(AntiReplay::Monotonic, HmacMode::Enforce);
    let mut once = new(&monotonic, OWN, None, UNIX);
    let last = stamp(sent(&mut once, OWN, at).pop().unwrap().0);
    let settings = Settings { instances: vec![monotonic], ..Settings::default() };
    let later = at + Micros::from_secs(1);
    let mut next = Node::new(later, settings, links(OWN), Some((at, once.snapshot(at))), Micros::ZERO);
    let first_of_next = stamp(sent(&mut next, OWN, later + Micros::from_secs(5))[0].0);
    assert!(first_of_next > last + 1000, "{first_of_next:x} after {last:x}");

    // Monotonic: whatever the clock does; receive-only: nothing is signed.
    let mut sender = new(&with(AntiReplay::Monotonic, HmacMode::Enforce), OWN, None, UNIX);
    let before = sent(&mut sender, OWN, START + Micros::from_secs(8));
    sender.handle(START + Micros::from_secs(8), Input::Clock(Micros::ZERO));
    let after = sent(&mut sender, OWN, START + Micros::from_secs(10));
    assert_eq!(stamp(after[0].0), stamp(before[before.len() - 1].0) + 1);
    let mut silent = new(&with(window, HmacMode::ReceiveOnly), OWN, None, UNIX);
    assert!(sent(&mut silent, OWN, START + Micros::from_secs(8)).iter().all(|(sequence, _)| sequence.is_none()));
}

fn stamp(sequence: Option<Sequence>) -> u64 {
    match sequence {
        Some(Sequence::Hmac(stamp)) => stamp.0,
        other => panic!("not signed: {other:?}"),
    }
}

/// keepalived 2.4.3 spares comparing the lists of the master that it knows as a backup, and of nobody else; it always counts.
#[test]
fn only_the_list_of_a_master_that_a_backup_knows_is_not_compared() {
    const THIRD: [u8; 4] = [192, 0, 2, 3];
    let addresses =
        |last: &[u8]| last.iter().map(|n| common::virtual_address([192, 0, 2, *n].into())).collect::<Vec<_>>();
    let missing = Some(Oddity::AddressMissing([192, 0, 2, 101].into()));
    let count = Some(Oddity::AddressCount { got: 1, own: 2 });
    for (skip, of_known) in [(true, None), (false, missing)] {
        let own = Instance {
            skip_check_adv_addr: skip,
            addresses: addresses(&[100, 101]),
            ..instance(Version::V3, 51, 100, 100)
        };
        let mut node = node(START, own, OWN);
        let hear = |node: &mut Node, now: Instant, from: [u8; 4], (priority, lists): (u8, &[u8])| {
            let settings = Instance { addresses: addresses(lists), ..instance(Version::V3, 51, priority, 100) };
            let packet = packets(&settings, from.into(), &advert(&settings, Priority(priority)), 1, None).remove(0).1;
            let known = node.routers()[0].known(now, Way::Own);
            let admitted = admit(&node.routers()[0].settings, known, &Datagram::parse(&packet).unwrap()).unwrap();
            let oddity = admitted.oddity;
            node.handle(now, Input::Advert(0, admitted));
            oddity
        };
        let strong = (200, &[100, 102][..]);
        assert_eq!(hear(&mut node, START, OTHER, strong), missing, "it knows no master yet");
        assert_eq!(hear(&mut node, START, OTHER, strong), of_known);
        assert_eq!(hear(&mut node, START, OTHER, (200, &[100])), count);
        assert_eq!(hear(&mut node, START, OTHER, strong), of_known);
        assert_eq!(hear(&mut node, START, THIRD, strong), missing, "another one");
        assert_eq!(hear(&mut node, START, THIRD, strong), of_known);
        assert_eq!(hear(&mut node, START, OTHER, strong), missing, "it was the master before that");
        // A master compares what anybody says, whoever says it.
        let now = serve(&mut node);
        assert_eq!(hear(&mut node, now, OTHER, (50, &[100, 102])), missing);
        assert_eq!(hear(&mut node, now, OTHER, (50, &[100, 102])), missing);
        assert_eq!(hear(&mut node, now, OTHER, (50, &[101, 100])), None, "in whatever order");
    }
}

/// The operator's switchover: whoever follows is left in peace, until there is nobody, or until told.
#[test]
fn a_router_that_is_handed_over_leaves_its_follower_in_peace() {
    let grouped = || {
        let groups = vec![SyncGroup { name: "G".into(), members: vec!["VI_51".into(), "VI_52".into()] }];
        Settings { groups, ..two() }
    };
    let mut node = Node::new(START, grouped(), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node);
    node.handle(now, Input::HandOver(0));
    let told = actions(&mut node);
    let farewells =
        |a: &&Action| matches!(a, Action::Router(_, Edge::Send { advert, .. }) if advert.priority == Priority(0));
    assert_eq!(told.iter().filter(farewells).count(), 2, "siblings go along: {told:?}");
    assert!(told.iter().any(|a| matches!(a, Action::Group(0, Name::Backup, _))), "{told:?}");
    assert_eq!(names(&node), [Name::Backup, Name::Backup]);
    // A weaker one serves: it is not preempted, by a successor neither.
    let mut at = now;
    for _ in 0..10 {
        at = at + Micros::from_secs(1);
        for i in [0, 1] {
            let weaker = heard(&node, i, 50);
            node.handle(at, weaker);
        }
        node.handle(at, Input::Tick);
        node = Node::new(at, grouped(), links(OWN), Some((at, node.snapshot(at))), Micros::ZERO);
    }
    assert_eq!(names(&node), [Name::Backup, Name::Backup]);
    // Until told.
    node.handle(at, Input::TakeBack(1));
    for _ in 0..4 {
        at = at + Micros::from_secs(1);
        for i in [0, 1] {
            let weaker = heard(&node, i, 50);
            node.handle(at, weaker);
        }
        node.handle(at, Input::Tick);
    }
    assert_eq!(names(&node), [Name::Master, Name::Master]);
    // Or until nobody is heard.
    node.handle(at, Input::HandOver(1));
    let at = at + Micros::from_secs(4);
    node.handle(at, Input::Tick);
    assert_eq!(names(&node), [Name::Master, Name::Master]);

    // Maintenance: nothing is taken over, whoever dies; its end is told as one.
    node.handle(at, Input::Duty(Duty::Maintenance));
    assert_eq!(names(&node), [Name::Fault, Name::Fault]);
    assert!(node.routers()[0].why().contains("maintenance"), "{}", node.routers()[0].why());
    let mut node = Node::new(at, grouped(), links(OWN), Some((at, node.snapshot(at))), Micros::ZERO);
    node.handle(at + Micros::from_secs(60), Input::Tick);
    assert_eq!(names(&node), [Name::Fault, Name::Fault]);
    node.handle(at, Input::Duty(Duty::Serving));
    assert_eq!(names(&node), [Name::Backup, Name::Backup]);
}

/// Somebody who makes a backup's master-down interval longer and shorter all the time costs no memory.
#[test]
fn a_time_that_changes_all_the_time_is_found_and_kept_once() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let mut now = START;
    for _ in 0..20_000 {
        for priority in [200, 0] {
            now = now + Micros(20);
            let input = heard(&node, 0, priority);
            node.handle(now, input);
            let next = node.routers().iter().filter_map(|r| r.wake()).map(|(at, _)| at).min();
            assert!(node.alarm() <= next, "{:?} of {next:?}", node.alarm());
        }
    }
    assert!(format!("{node:?}").len() < 20_000, "it grows with what it hears");
}

#[test]
fn a_group_is_told_why_its_member_took_over() {
    let groups = vec![group()];
    let mut node = Node::new(START, Settings { groups, ..two() }, links(OWN), None, Micros::ZERO);
    let mut now = START;
    for (priority, why) in [(0, "192.0.2.2 gave up (priority 0)"), (200, "192.0.2.2 was not heard for 3.609 s")] {
        for i in [0, 1] {
            let input = heard(&node, i, 200);
            node.handle(now, input);
            let input = heard(&node, i, priority);
            node.handle(now, input);
        }
        let told = std::iter::from_fn(|| {
            now = node.wake()?.0;
            node.handle(now, Input::Tick);
            Some(actions(&mut node))
        });
        let group = told.take(10).flatten().find_map(|action| match action {
            Action::Group(0, Name::Master, why) => Some(why),
            _ => None,
        });
        let group = group.unwrap();
        assert!(group.ends_with(why), "{group}");
        node.handle(now, Input::Link("eth0".into(), None));
        node.handle(now, Input::Link("eth0".into(), Some(link(OWN))));
        assert!(node.routers()[0].why().starts_with("no longer so: interface eth0"), "{}", node.routers()[0].why());
    }
}

#[test]
fn who_waits_for_a_sibling_says_for_which_and_lists_no_silent_master() {
    let settings = Settings { groups: vec![group()], ..two() };
    let mut node = Node::new(START, settings, links(OWN), None, Micros::ZERO);
    let mut now = START;
    let says = |node: &Node, now| (node.waits_for(now, 0), node.waits_for(now, 1));
    for n in 0..6 {
        // The one hears its master all along, the other once.
        for i in if n == 0 { 0..2 } else { 0..1 } {
            let stronger = heard(&node, i, 200);
            node.handle(now, stronger);
        }
        assert_eq!(node.routers()[0].heard(now).map(|h| h.priority), Some(Priority(200)));
        assert_eq!(node.routers()[1].heard(now).is_some(), n < 4, "{n}");
        let awaited = "VI_51 of its sync group, which hears 192.0.2.2 with priority 200".to_owned();
        let waits = if n < 4 { vec![] } else { vec![awaited] };
        assert_eq!(says(&node, now), (vec![], waits), "{n}");
        now = now + Micros(1_000_000);
        node.handle(now, Input::Tick);
    }
    // Who gives up is no master, however short ago it was heard.
    let farewell = heard(&node, 0, 0);
    node.handle(now, farewell);
    assert_eq!(node.routers()[0].heard(now), None);
    // A sibling in FAULT brings it there, too: it waits for nothing.
    node.handle(now, Input::Sockets(0, Err("no descriptors".into())));
    assert_eq!((names(&node), says(&node, now)), (vec![Name::Fault; 2], (vec![], vec![])));
}

#[test]
fn who_would_be_master_beside_a_weaker_one_waits_for_its_sibling() {
    let settings = Settings { groups: vec![group()], ..two() };
    let mut node = Node::new(START, settings, links(OWN), None, Micros::ZERO);
    let mut now = START;
    for n in 0..8 {
        for (i, priority) in [(0, 200), (1, 50)] {
            let other = heard(&node, i, priority);
            node.handle(now, other);
        }
        let awaited = "VI_51 of its sync group, which hears 192.0.2.2 with priority 200".to_owned();
        let waits = if n < 4 { vec![] } else { vec![awaited] };
        assert_eq!(node.waits_for(now, 1), waits, "{n}");
        assert_eq!(node.routers()[1].heard(now).map(|h| h.priority), Some(Priority(50)), "it is heard all along");
        now = now + Micros(1_000_000);
        node.handle(now, Input::Tick);
    }
    assert_eq!(names(&node), [Name::Backup; 2]);
}

#[test]
fn what_was_handed_over_is_so_until_it_is_undone_or_serves_again() {
    let mut node = Node::new(START, two(), links(OWN), None, Micros::ZERO);
    let now = serve(&mut node);
    node.handle(now, Input::HandOver(0));
    let handed_over = |node: &Node| node.routers()[0].is_handed_over();
    assert!(handed_over(&node) && !node.routers()[1].is_handed_over());
    assert!(handed_over(&reloaded(&node, now, two())), "a reload forgets nothing");
    let mut undone = node.clone();
    undone.handle(now, Input::TakeBack(0));
    assert!(!handed_over(&undone));
    node.handle(now + Micros(5_000_000), Input::Tick);
    node.handle(now + Micros(10_000_000), Input::Tick);
    assert_eq!((names(&node), handed_over(&node)), (vec![Name::Master; 2], false), "nobody followed");
}
