//! Heartbeat paths: directors that hear each other by a second wire, from bytes to bytes.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{GROUP, instance, link, virtual_address};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use vipd_vrrp::admit::{Admitted, admit};
use vipd_vrrp::node::{Action, Due, Input, Node, Settings};
use vipd_vrrp::packet::{Advert, Datagram};
use vipd_vrrp::router::{Edge, Name, Sequence, advert, heartbeat, packets, packets_by};
use vipd_vrrp::settings::*;
use vipd_vrrp::track::Link;
use vipd_vrrp::trailer::Stamp;
use vipd_vrrp::units::{Instant, Micros, Priority};

const SECOND: u64 = 1_000_000;
const START: Instant = Instant(1_000 * SECOND);
const UNIX: Micros = Micros::from_secs(1_700_000_000);
const EVERY: [Way; 2] = [Way::Own, Way::Path(0)];

/// A path over eth1, multicast.
fn second_wire(settings: Instance) -> Instance {
    let transport = Transport::Multicast { group: GROUP.into() };
    let path = HeartbeatPath { interface: "eth1".into(), source: None, transport };
    Instance { heartbeat_paths: vec![path], ..settings }
}

fn wires(host: u8) -> BTreeMap<String, Link> {
    // The order of the addresses is another one on the second wire.
    [("eth0".to_owned(), link([192, 0, 2, 10 + host])), ("eth1".to_owned(), link([10, 0, 0, 20 - host]))].into()
}

fn start(settings: &Instance, host: u8) -> Node {
    let settings = Settings { instances: vec![settings.clone()], ..Settings::default() };
    Node::new(START, settings, wires(host), None, UNIX)
}

/// Two directors or three and their wires. A packet takes no time.
struct Cluster {
    now: Instant,
    nodes: Vec<Node>,
    /// Which ways are cut.
    cut: Vec<Way>,
    flying: VecDeque<(usize, Way, Vec<u8>)>,
    /// Every packet that was sent.
    sent: Vec<(usize, Way, Vec<u8>)>,
    /// What the nodes told: of silence by a way, of hearing by it again, of two masters.
    told: Vec<(usize, String)>,
    /// Who announced its addresses.
    announced: Vec<usize>,
    rejected: Vec<&'static str>,
}

impl Cluster {
    fn new(all: &[Instance]) -> Cluster {
        let nodes = all.iter().zip(1..).map(|(settings, host)| start(settings, host)).collect();
        let (now, cut, flying) = (START, Vec::new(), VecDeque::new());
        let (sent, told, announced, rejected) = Default::default();
        Cluster { now, nodes, cut, flying, sent, told, announced, rejected }
    }

    fn states(&self) -> Vec<Name> {
        self.nodes.iter().map(|node| node.routers()[0].state().name()).collect()
    }

    fn handle(&mut self, i: usize, input: Input) {
        self.nodes[i].handle(self.now, input);
        while let Some(action) = self.nodes[i].poll() {
            let router = &self.nodes[i].routers()[0];
            match action {
                Action::Router(_, Edge::Send { advert, sequence }) => {
                    for way in EVERY.into_iter().filter(|way| *way == Way::Own || router.settings.path(*way).is_some())
                    {
                        let source = router.source_by(way).unwrap();
                        let listed = heartbeat(&advert, router.source().unwrap(), source);
                        let advert = if way == Way::Own { &advert } else { &listed };
                        for (_, packet) in packets_by(way, &router.settings, source, advert, 1, sequence) {
                            self.flying.push_back((i, way, packet.clone()));
                            self.sent.push((i, way, packet));
                        }
                    }
                }
                Action::Router(_, Edge::Announce { .. }) => self.announced.push(i),
                Action::Router(_, Edge::Silent { way, by, .. }) => {
                    self.told.push((i, format!("{way:?} silent, heard by {by:?}")));
                }
                Action::Router(_, Edge::HeardAgain { way, .. }) => self.told.push((i, format!("{way:?} heard again"))),
                Action::Router(_, Edge::TwoMasters { .. }) => {
                    self.told.extend([(i, "two masters".to_owned()), (i, "goes on".to_owned())]);
                }
                // Of a last word it is told when it is sure that it was one.
                Action::Router(_, Edge::Healed { contest } | Edge::LeftContest { contest }) if !contest.goes_on => {
                    self.told.push((i, "two masters".to_owned()));
                }
                _ => {}
            }
        }
        // In the order in which they were sent, or the second wire is the faster one.
        while let Some((from, way, packet)) = self.flying.pop_front() {
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                let listens = way == Way::Own || self.nodes[to].routers()[0].settings.path(way).is_some();
                if listens && !self.cut.contains(&way) {
                    self.deliver(to, way, &packet);
                }
            }
        }
    }

    fn deliver(&mut self, to: usize, way: Way, packet: &[u8]) {
        let router = &self.nodes[to].routers()[0];
        let known = router.known(self.now, way);
        match admit(&router.settings, known, &Datagram::parse(packet).unwrap()) {
            Ok(admitted) => self.handle(to, Input::Advert(0, admitted)),
            Err(why) => self.rejected.push(why.name()),
        }
    }

    fn run(&mut self, span: Micros) {
        let end = self.now + span;
        loop {
            let wake = |(i, node): (usize, &Node)| node.wake().map(|(at, _)| (at, i));
            let next = self.nodes.iter().enumerate().filter_map(wake).min().filter(|(at, _)| *at <= end);
            let Some((at, i)) = next else { break };
            assert!(at >= self.now, "time goes on");
            self.now = at;
            self.handle(i, Input::Tick);
            assert!(self.nodes[i].wake().is_none_or(|(at, _)| at > self.now), "a busy loop");
        }
        self.now = end;
    }
}

/// Version 3, version 2 with either authentication, and signed.
fn kinds() -> Vec<Instance> {
    let base = instance(Version::V3, 51, 100, 100);
    let keys = BTreeMap::from([(1, HmacKey(vec![7; 32]))]);
    let signed = |replay| HmacAuth { keys: keys.clone(), active: 1, replay, mode: HmacMode::Enforce };
    let v2 = |auth| Instance { auth, ..instance(Version::V2, 51, 100, 100) };
    vec![
        base.clone(),
        v2(Auth::Pass(*b"password")),
        v2(Auth::Ah(*b"thekey00")),
        Instance { auth: Auth::Hmac(signed(AntiReplay::Time { window: 10 })), ..base.clone() },
        Instance { auth: Auth::Hmac(signed(AntiReplay::Monotonic)), ..base },
    ]
}

fn pair(settings: &Instance) -> Cluster {
    let strong = Instance { priority: Priority(150), ..settings.clone() };
    let mut cluster = Cluster::new(&[strong, settings.clone()]);
    cluster.run(Micros::from_secs(20));
    assert_eq!(cluster.states(), [Name::Master, Name::Backup]);
    cluster
}

#[test]
fn whoever_hears_the_master_by_any_way_stays_backup() {
    for kind in kinds() {
        let mut cluster = pair(&second_wire(kind.clone()));
        assert!(cluster.told.is_empty() && cluster.rejected.is_empty(), "{:?} {:?}", cluster.told, cluster.rejected);
        cluster.cut = vec![Way::Own];
        cluster.run(Micros::from_secs(60));
        assert_eq!(cluster.states(), [Name::Master, Name::Backup], "{kind:?}");
        assert_eq!(cluster.told, [(1, "Own silent, heard by Path(0)".to_owned())]);
        cluster.cut = vec![];
        cluster.run(Micros::from_secs(10));
        cluster.cut = vec![Way::Path(0)];
        cluster.run(Micros::from_secs(60));
        assert_eq!(cluster.states(), [Name::Master, Name::Backup], "{kind:?}");
        assert_eq!(cluster.told[1..3], [(1, "Own heard again".into()), (1, "Path(0) silent, heard by Own".into())]);
        // Both: it takes over; and gives way when they are well again.
        cluster.cut = EVERY.to_vec();
        cluster.run(Micros::from_secs(10));
        assert_eq!(cluster.states(), [Name::Master, Name::Master]);
        cluster.cut = vec![];
        cluster.run(Micros::from_secs(10));
        assert_eq!(cluster.states(), [Name::Master, Name::Backup]);
        assert_eq!(cluster.rejected, [""; 0], "one advert by two ways is no replay: {kind:?}");
        // Without the path there are two.
        let mut cluster = pair(&kind);
        cluster.cut = vec![Way::Own];
        cluster.run(Micros::from_secs(10));
        assert_eq!(cluster.states(), [Name::Master, Name::Master]);
    }
}

/// Clients by the own interface keep to the director that served there until they are told: when they can be.
#[test]
fn whom_only_a_path_made_give_way_says_a_word_when_it_hears_the_master_here() {
    for kind in kinds() {
        let mut cluster = pair(&second_wire(kind.clone()));
        let words = |cluster: &mut Cluster, cut: &[Way], seconds| {
            cluster.cut = cut.to_vec();
            (cluster.sent, cluster.announced) = Default::default();
            cluster.run(Micros::from_secs(seconds));
            let words = cluster.sent.iter().filter(|s| (s.0, s.1) == (1, Way::Own)).count();
            (words, cluster.announced.contains(&0))
        };
        words(&mut cluster, &EVERY, 10);
        assert_eq!(cluster.states(), [Name::Master, Name::Master]);
        assert!(words(&mut cluster, &[Way::Own], 2).1, "{kind:?}");
        assert_eq!(words(&mut cluster, &[Way::Own], 40).0, 0, "{kind:?}");
        assert_eq!(cluster.states(), [Name::Master, Name::Backup]);
        assert_eq!(words(&mut cluster, &[], 10), (1, true), "{kind:?}");
        assert_eq!(words(&mut cluster, &[], 10), (0, false), "one is enough");
        // Both wires at once, whichever is the faster: there is no more to say than the last word.
        words(&mut cluster, &EVERY, 10);
        assert!(words(&mut cluster, &[], 2).1, "{kind:?}");
        assert_eq!(words(&mut cluster, &[], 40).0, 0, "{kind:?}");
        assert_eq!(cluster.states(), [Name::Master, Name::Backup]);
        // However soon the own interface is well behind the path: one second master, which is never said to go on.
        for seconds in [1, 2, 3, 4, 10] {
            words(&mut cluster, &EVERY, 40);
            cluster.told.clear();
            let before = cluster.nodes[0].routers()[0].counters.two_masters;
            words(&mut cluster, &[Way::Own], seconds);
            assert_eq!(words(&mut cluster, &[], 20), (1, true), "{seconds} {kind:?}");
            let two = cluster.nodes[0].routers()[0].counters.two_masters - before;
            assert!((1..=2).contains(&two), "{two} {seconds} {kind:?}");
            assert!(!cluster.told.iter().any(|(_, told)| told == "goes on"), "{seconds}: {:?}", cluster.told);
        }
    }
}

/// With an authentication header numbers are one count for both directions: two hosts may come to the same.
#[test]
fn the_same_number_of_another_host_is_no_copy() {
    let settings = second_wire(Instance { auth: Auth::Ah(*b"thekey00"), ..instance(Version::V2, 51, 100, 100) });
    let mut node = start(&settings, 1);
    let number = |last, n| numbered(&settings, Way::Own, (last, 50), Some(Sequence::Ah(n)));
    let by_path = |last, n| numbered(&settings, Way::Path(0), (last, 50), Some(Sequence::Ah(n)));
    node.handle(START + Micros::from_secs(4), Input::Tick);
    let mut says = |at, way, packet: Vec<u8>| {
        let router = &node.routers()[0];
        assert_eq!(router.state().name(), Name::Master);
        let admitted = admit(&router.settings, router.known(at, way), &Datagram::parse(&packet).unwrap());
        while node.poll().is_some() {}
        node.handle(at, Input::Advert(0, admitted.unwrap()));
        let mut actions = std::iter::from_fn(|| node.poll());
        actions.any(|action| matches!(action, Action::Router(_, Edge::Send { .. })))
    };
    let (at, high) = (START + Micros::from_secs(5), 2_000_000_000);
    assert!(says(at, Way::Own, number(98, high)), "a lower priority is answered");
    assert!(!says(at + Micros(200_000), Way::Path(0), by_path(98, high)), "the copy is not");
    assert!(says(at + Micros(400_000), Way::Own, number(98, high + 1)));
    assert!(says(at + Micros(600_000), Way::Path(0), by_path(99, high + 1)), "another host");
}

#[test]
fn by_the_own_interface_goes_what_went_before_byte_for_byte() {
    for kind in kinds() {
        let mut with = pair(&second_wire(kind.clone()));
        let mut without = pair(&kind);
        for cluster in [&mut with, &mut without] {
            cluster.handle(0, Input::Stop("the daemon stops".into()));
            cluster.run(Micros::from_secs(3));
        }
        let own = |cluster: &Cluster| {
            cluster.sent.iter().filter(|s| s.1 == Way::Own).cloned().collect::<Vec<(usize, Way, Vec<u8>)>>()
        };
        assert!(own(&with).len() > 15);
        assert_eq!(own(&with), own(&without));
        assert_eq!(with.sent.len(), 2 * without.sent.len(), "and each of them once by the path");
    }
}

/// Which of two masters gives way goes by the addresses on their own interfaces, whichever way they hear each other by.
#[test]
fn of_two_masters_the_same_one_gives_way_by_every_way() {
    for cut in [vec![], vec![Way::Own], vec![Way::Path(0)]] {
        let kind = second_wire(instance(Version::V3, 51, 100, 100));
        let mut cluster = Cluster::new(&[kind.clone(), kind.clone(), kind]);
        cluster.cut = EVERY.to_vec();
        cluster.run(Micros::from_secs(10));
        assert_eq!(cluster.states(), [Name::Master; 3]);
        cluster.cut = cut.clone();
        cluster.run(Micros::from_secs(2));
        assert_eq!(cluster.states(), [Name::Backup, Name::Backup, Name::Master], "{cut:?}");
        cluster.run(Micros::from_secs(30));
        let two = cluster.told.iter().filter(|(i, told)| *i == 2 && told == "two masters").count();
        assert_eq!(two, 1, "{:?}", cluster.told);
        assert_eq!(cluster.states(), [Name::Backup, Name::Backup, Name::Master], "{cut:?}");
    }
}

/// Packets by a way, heard at these times by a director that has one as its master.
fn heard(node: &mut Node, at: Instant, way: Way, packet: &[u8]) -> Result<(), &'static str> {
    let router = &node.routers()[0];
    let admitted = admit(&router.settings, router.known(at, way), &Datagram::parse(packet).unwrap());
    node.handle(at, Input::Advert(0, admitted.map_err(|why| why.name())?));
    while node.poll().is_some() {}
    Ok(())
}

/// An advert of the director at 192.0.2.99.
fn from(settings: &Instance, way: Way, last: u8, priority: u8) -> Vec<u8> {
    numbered(settings, way, (last, priority), None)
}

/// The same with its place among all of its sender: of the director with this last octet, with this priority.
fn numbered(settings: &Instance, way: Way, (last, priority): (u8, u8), sequence: Option<Sequence>) -> Vec<u8> {
    let advert = advert(settings, Priority(priority));
    let sender = IpAddr::from([192, 0, 2, last]);
    match way {
        Way::Own => packets(settings, sender, &advert, 1, sequence),
        Way::Path(_) => {
            let source = [10, 0, 0, last].into();
            packets_by(way, settings, source, &heartbeat(&advert, sender, source), 1, sequence)
        }
    }
    .remove(0)
    .1
}

#[test]
fn one_good_bye_is_followed_once_by_whichever_way_it_comes_first() {
    let settings = second_wire(instance(Version::V3, 51, 100, 100));
    let skew = vipd_vrrp::timers::skew(settings.version, settings.priority, settings.advert_int);
    for (first, second) in [(Way::Own, Way::Path(0)), (Way::Path(0), Way::Own)] {
        let mut node = start(&settings, 1);
        for way in EVERY {
            heard(&mut node, START, way, &from(&settings, way, 99, 150)).unwrap();
        }
        let leaves = START + Micros(300_000);
        heard(&mut node, leaves, first, &from(&settings, first, 99, 0)).unwrap();
        assert_eq!(node.wake().unwrap().0, leaves + skew);
        // What it said before is read later: it is older.
        heard(&mut node, leaves + Micros(0), second, &from(&settings, second, 99, 0)).unwrap();
        let before = Instant(leaves.0 - 1);
        heard(&mut node, before, second, &from(&settings, second, 99, 150)).unwrap();
        heard(&mut node, leaves + Micros(200_000), second, &from(&settings, second, 99, 0)).unwrap();
        assert_eq!(node.wake().unwrap().0, leaves + skew);
        // Another one serves: the good-bye comes once more, late, and concerns nobody.
        heard(&mut node, leaves + Micros(400_000), Way::Own, &from(&settings, Way::Own, 98, 120)).unwrap();
        let waits = node.wake().unwrap().0;
        heard(&mut node, leaves + Micros(500_000), second, &from(&settings, second, 99, 0)).unwrap();
        assert_eq!(node.wake().unwrap().0, waits);
    }
}

#[test]
fn an_advert_that_comes_twice_is_one_of_a_second_master() {
    // With a number it is known for one however late it comes.
    for (kind, late) in kinds().into_iter().zip([700, 700, 800_000, 800_000, 800_000]) {
        let settings = second_wire(kind);
        let mut node = start(&settings, 1);
        let mut now = START + Micros::from_secs(4);
        node.handle(now, Input::Tick);
        assert_eq!(node.routers()[0].state().name(), Name::Master);
        for n in 1..=3 {
            now = now + Micros(SECOND);
            node.handle(now, Input::Tick);
            let sequence = match settings.auth {
                Auth::None | Auth::Pass(_) => None,
                Auth::Ah(_) => Some(Sequence::Ah(u32::MAX - 10 + n)),
                Auth::Hmac(_) => Some(Sequence::Hmac(Stamp::of(Micros(UNIX.0 + (now - START).0)))),
            };
            for (way, late) in EVERY.into_iter().zip([300, late]) {
                let packet = numbered(&settings, way, (99, 50), sequence);
                heard(&mut node, now + Micros(late), way, &packet).unwrap();
            }
        }
        let vipd_vrrp::router::State::Master(master) = node.routers()[0].state() else { panic!() };
        assert_eq!(master.contest.unwrap().adverts, 3, "{settings:?}");
        let counters = &node.routers()[0].counters;
        assert_eq!((counters.two_masters, counters.adverts_received), (1, 3));
        assert_eq!(node.routers()[0].ears().map(|(_, ear)| ear.received).collect::<Vec<_>>(), [3, 3]);
    }
}

#[test]
fn what_is_forged_on_a_path_is_not_believed() {
    let multicast = second_wire(instance(Version::V3, 51, 100, 100));
    let mut unicast = multicast.clone();
    let peer = Peer { address: [10, 0, 0, 99].into(), min_ttl: None, max_ttl: None };
    unicast.heartbeat_paths[0].transport = Transport::Unicast { peers: vec![peer], ttl: 255, check_source: true };
    let judged = |settings: &Instance, packet: &[u8]| heard(&mut start(settings, 1), START, Way::Path(0), packet);
    let right = from(&multicast, Way::Path(0), 99, 150);
    assert_eq!(judged(&multicast, &right), Ok(()));
    // Another virtual router has this VRID there; it has one address, as most have, or two.
    for more in [&[][..], &[Ipv4Addr::new(10, 0, 0, 200)]] {
        let other = Advert {
            addresses: [Ipv4Addr::new(10, 0, 0, 100)].iter().chain(more).map(|a| IpAddr::from(*a)).collect(),
            ..advert(&multicast, Priority(200))
        };
        let packet = packets_by(Way::Path(0), &multicast, [10, 0, 0, 7].into(), &other, 1, None).remove(0).1;
        assert_eq!(judged(&multicast, &packet), Err("heartbeat_sender"));
    }
    // Who owns the addresses sends from one of them.
    let owned = Instance { addresses: vec![virtual_address([192, 0, 2, 99].into())], ..multicast.clone() };
    assert_eq!(judged(&owned, &from(&owned, Way::Path(0), 99, 255)), Ok(()));
    let mut far = right.clone();
    far[8] = 254;
    assert_eq!(judged(&multicast, &far), Err("ttl"));
    assert_eq!(judged(&multicast, &from(&multicast, Way::Own, 99, 150)), Err("heartbeat_sender"), "of another wire");
    assert_eq!(judged(&unicast, &right), Err("destination"));
    let to = |last: u8| {
        let sender = IpAddr::from([192, 0, 2, last]);
        let source = [10, 0, 0, last].into();
        let advert = heartbeat(&advert(&unicast, Priority(150)), sender, source);
        packets_by(Way::Path(0), &unicast, source, &advert, 1, None).remove(0).1
    };
    assert_eq!(judged(&unicast, &to(99)), Ok(()));
    assert_eq!(judged(&unicast, &to(98)), Err("not_a_peer"));
    let secret =
        |word: &[u8; 8]| second_wire(Instance { auth: Auth::Pass(*word), ..instance(Version::V2, 51, 100, 100) });
    let guessed = from(&secret(b"guessed!"), Way::Path(0), 99, 150);
    assert_eq!(judged(&secret(b"password"), &guessed), Err("auth_password"));
}

/// Without numbers nobody can tell what somebody sends once more from what the master says: it is a sign of life.
#[test]
fn copies_without_numbers_never_make_a_master_silent() {
    let settings = second_wire(instance(Version::V3, 51, 100, 100));
    let mut node = start(&settings, 1);
    let mut now = START;
    for n in 0..60 {
        let way = EVERY[n % 2];
        assert_eq!(heard(&mut node, now, way, &from(&settings, way, 99, 150)), Ok(()));
        now = now + Micros(400_000);
        node.handle(now, Input::Tick);
        assert_eq!(node.routers()[0].state().name(), Name::Backup, "after {n}");
    }
}

/// What was recorded on a path is no advert on the own interface, though the key is right.
#[test]
fn a_signature_says_by_which_way() {
    for kind in kinds() {
        let Auth::Hmac(_) = kind.auth else { continue };
        let mut cluster = pair(&second_wire(kind));
        let recorded = cluster.sent.iter().rfind(|s| s.1 == Way::Path(0) && s.0 == 0).unwrap().2.clone();
        cluster.deliver(1, Way::Own, &recorded);
        assert_eq!(cluster.rejected, ["auth_ext_invalid_hmac"]);
    }
}

/// What was recorded on a wire is believed by no way, the successor's neither.
#[test]
fn nothing_is_believed_twice_on_a_path() {
    for kind in kinds().into_iter().skip(2) {
        let mut cluster = pair(&second_wire(kind.clone()));
        let by_path: Vec<Vec<u8>> = cluster.sent.iter().filter(|s| s.1 == Way::Path(0)).map(|s| s.2.clone()).collect();
        let last = by_path.last().unwrap();
        cluster.deliver(1, Way::Path(0), last);
        cluster.deliver(1, Way::Path(0), &by_path[0]);
        assert_eq!(cluster.rejected.len(), 2, "{kind:?}");
        let snapshot = cluster.nodes[1].snapshot(cluster.now);
        let settings = Settings { instances: vec![second_wire(kind)], ..Settings::default() };
        let at = (cluster.now, snapshot);
        cluster.nodes[1] =
            Node::new(cluster.now, settings, wires(2), Some(at), Micros(UNIX.0 + cluster.now.0 - START.0));
        cluster.deliver(1, Way::Path(0), last);
        assert_eq!(cluster.rejected.len(), 3);
        // The path is cut, and what passed there comes later, while the master is silent: it is no sign of life.
        cluster.cut = vec![Way::Path(0)];
        cluster.run(Micros::from_secs(5));
        let held_back = cluster.sent.iter().rev().find(|s| s.1 == Way::Path(0) && s.0 == 0).unwrap().2.clone();
        let older = cluster.sent.iter().rev().filter(|s| s.1 == Way::Path(0) && s.0 == 0).nth(1).unwrap().2.clone();
        cluster.cut = EVERY.to_vec();
        cluster.run(Micros(500_000));
        let before = cluster.nodes[1].wake();
        cluster.deliver(1, Way::Path(0), &older);
        assert_eq!(cluster.nodes[1].wake(), before);
        // A copy of the last one that the own interface has heard is one, once: later by one master-down interval at most.
        cluster.deliver(1, Way::Path(0), &held_back);
        let due = |wake: Option<(Instant, Due)>| wake.unwrap().0;
        assert!(due(cluster.nodes[1].wake()) > due(before));
        cluster.deliver(1, Way::Path(0), &held_back);
        cluster.run(Micros::from_secs(5));
        assert_eq!(cluster.states()[1], Name::Master);
    }
}

#[test]
fn a_reload_with_other_paths_changes_no_state() {
    for kind in kinds() {
        let mut cluster = pair(&kind);
        let reload = |cluster: &mut Cluster, i: usize, settings: Instance| {
            let snapshot = cluster.nodes[i].snapshot(cluster.now);
            let links = wires(u8::try_from(i).unwrap() + 1);
            let settings = Settings { instances: vec![settings], ..Settings::default() };
            let unix = Micros(UNIX.0 + cluster.now.0 - START.0);
            cluster.nodes[i] = Node::new(cluster.now, settings, links, Some((cluster.now, snapshot)), unix);
        };
        let strong = Instance { priority: Priority(150), ..kind.clone() };
        reload(&mut cluster, 0, second_wire(strong.clone()));
        cluster.run(Micros::from_secs(5));
        reload(&mut cluster, 1, second_wire(kind.clone()));
        // What passed there before is not believed of a path that is new.
        if matches!(kind.auth, Auth::Ah(_) | Auth::Hmac(_)) {
            let before = cluster.sent.iter().rfind(|sent| sent.1 == Way::Path(0)).unwrap().2.clone();
            cluster.deliver(1, Way::Path(0), &before);
            assert_eq!(std::mem::take(&mut cluster.rejected).len(), 1, "{kind:?}");
        }
        cluster.run(Micros::from_secs(5));
        cluster.cut = vec![Way::Own];
        cluster.run(Micros::from_secs(10));
        reload(&mut cluster, 1, second_wire(kind.clone()));
        cluster.run(Micros::from_secs(10));
        assert_eq!(cluster.states(), [Name::Master, Name::Backup]);
        assert_eq!(cluster.told, [(1, "Own silent, heard by Path(0)".to_owned())], "told once: {kind:?}");
        cluster.cut = vec![];
        cluster.run(Micros::from_secs(2));
        reload(&mut cluster, 0, strong);
        cluster.run(Micros::from_secs(10));
        let changes: Vec<usize> = cluster.nodes.iter().map(|node| node.routers()[0].history().count()).collect();
        assert_eq!((cluster.states(), changes), (vec![Name::Master, Name::Backup], vec![2, 1]));
        assert_eq!(cluster.told.last().unwrap().1, "Path(0) silent, heard by Own");
        assert_eq!(cluster.rejected, [""; 0]);
    }
}

/// Nothing is spent on what is not there.
#[test]
fn without_paths_there_is_one_way() {
    let mut node = start(&instance(Version::V3, 51, 100, 100), 1);
    let advert = advert(&node.routers()[0].settings, Priority(150));
    let said = Admitted {
        source: [192, 0, 2, 99].into(),
        way: Way::Own,
        advert,
        sequence: None,
        number: None,
        sum: None,
        oddity: None,
    };
    node.handle(START, Input::Advert(0, said));
    assert_eq!(node.routers()[0].ears().count(), 0);
    assert!(node.routers()[0].carry().ears.is_empty());
}
