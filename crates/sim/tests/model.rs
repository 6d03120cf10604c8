//! A small model, exhaustively: two and three nodes on a wire that may lose any packet. Every sequence of losses is
//! followed, breadth first, until no new state appears or the bound is reached; states that differ by nothing but the
//! time of day are one. The nodes are the real ones, and so are the packets.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::Ipv4Addr;
use vipd_vrrp::admit::admit;
use vipd_vrrp::node::{Action, Input, Node, Settings};
use vipd_vrrp::packet::Datagram;
use vipd_vrrp::router::{Edge, Master, Name, State, packets};
use vipd_vrrp::settings::*;
use vipd_vrrp::timers::master_down;
use vipd_vrrp::track::Link;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority, Vrid};

const INTERVAL: Centis = Centis(100);
const ADVERTS: u8 = 3;

/// One state of the cluster.
#[derive(Clone)]
struct World {
    now: Instant,
    nodes: Vec<Node>,
    /// Sent, and neither received nor lost: from, to, bytes. A packet takes no time.
    flying: VecDeque<(usize, usize, Vec<u8>)>,
    /// How many were lost in a row, by sender and receiver; as far as a bound on that is set.
    lost: [[u8; 3]; 3],
}

/// What becomes of the first packet that flies.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Received,
    Lost,
}

fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, node as u8 + 1)
}

fn settings(priority: u8) -> Settings {
    // Announcements are no part of the election: none of their timers runs.
    let garp =
        Garp { master_delay: Micros::ZERO, lower_prio_delay: Micros::ZERO, lower_prio_repeat: 0, ..Garp::default() };
    let instance = Instance {
        name: "VI_1".into(),
        vrid: Vrid::new(1).unwrap(),
        binding: Binding::Interface("eth0".into()),
        family: Family::V4,
        version: Version::V3,
        priority: Priority(priority),
        initial: Initial::Backup,
        advert_int: INTERVAL,
        preempt: Preempt::After(Micros::ZERO),
        auth: Auth::None,
        transport: Transport::Multicast { group: Ipv4Addr::new(224, 0, 0, 18).into() },
        source: None,
        addresses: vec![VirtualAddress::plain([10, 0, 1, 1].into(), 32, "eth0".into())],
        excluded: vec![],
        garp,
        down_timer_adverts: ADVERTS,
        timer_expired: None,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        skip_check_adv_addr: false,
        owner_ignore_adverts: false,
        checksum: Checksum::Pseudo,
        device: None,
        more_devices: Vec::new(),
        vmac_xmit_base: false,
        accept: true,
        track_primary: true,
        tracks: vec![],
        vip_lease: true,
        catch_up: Micros::ZERO,
        witness: false,
        fence: false,
        heartbeat_paths: Vec::new(),
        needs: std::collections::BTreeSet::new(),
    };
    Settings { instances: vec![instance], ..Settings::default() }
}

impl World {
    fn new(priorities: &[u8]) -> World {
        let now = Instant(1_000_000);
        let node = |(i, priority): (usize, &u8)| {
            let link = Link { up: true, multicast: true, ipv4: Some(address(i)), link_local: None, mtu: 1500 };
            Node::new(now, settings(*priority), BTreeMap::from([("eth0".to_owned(), link)]), None, Micros::ZERO)
        };
        let nodes = priorities.iter().enumerate().map(node).collect();
        World { now, nodes, flying: VecDeque::new(), lost: [[0; 3]; 3] }
    }

    fn state(&self, node: usize) -> &State {
        self.nodes[node].routers()[0].state()
    }

    fn masters(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.state(*i).name() == Name::Master).collect()
    }

    /// Who wins between two masters: priority, then address.
    fn rank(&self, node: usize) -> (Priority, Ipv4Addr) {
        (self.nodes[node].routers()[0].priority(), address(node))
    }

    fn handle(&mut self, i: usize, input: Input) {
        self.nodes[i].handle(self.now, input);
        while let Some(action) = self.nodes[i].poll() {
            let Action::Router(0, Edge::Send { advert, sequence }) = action else { continue };
            let settings = &self.nodes[i].routers()[0].settings;
            let (_, packet) = packets(settings, address(i).into(), &advert, 1, sequence).remove(0);
            let others = (0..self.nodes.len()).filter(|to| *to != i);
            self.flying.extend(others.map(|to| (i, to, packet.clone())));
        }
    }

    /// The first packet that flies is received or lost.
    fn decide(&mut self, fate: Fate) {
        let (from, to, packet) = self.flying.pop_front().unwrap();
        if fate == Fate::Lost {
            self.lost[from][to] += 1;
            return;
        }
        self.lost[from][to] = 0;
        let router = &self.nodes[to].routers()[0];
        let admitted =
            admit(&router.settings, router.known(self.now, Way::Own), &Datagram::parse(&packet).unwrap()).unwrap();
        let both = self.masters().contains(&from) && self.masters().contains(&to);
        let goodbye = admitted.advert.priority == Priority::RELEASE;
        self.handle(to, Input::Advert(0, admitted));
        if both && !goodbye && self.rank(from) > self.rank(to) {
            assert_eq!(self.state(to).name(), Name::Backup, "the weaker master gives way to what it hears");
        }
    }

    /// Nothing flies: time passes until somebody has something to do.
    fn wait(&mut self) {
        let wake = |i: usize| (self.nodes[i].wake().unwrap().0, i);
        let (at, first) = (0..self.nodes.len()).map(wake).min().unwrap();
        assert!(at >= self.now);
        self.now = at;
        self.handle(first, Input::Tick);
        assert!(self.nodes[first].wake().unwrap().0 > self.now, "a busy loop");
    }

    /// Everything that decides what happens next, the time of day left out.
    fn key(&self) -> Vec<u64> {
        let mut key = Vec::new();
        for node in &self.nodes {
            let router = &node.routers()[0];
            let ahead = |at: Instant| (at - self.now).0;
            match router.state() {
                State::Backup(b) => key.extend([0, ahead(b.down), b.wants_master.into()]),
                State::Master(Master { next_advert, reply_after, .. }) => {
                    key.extend([1, ahead(*next_advert), ahead(*reply_after)]);
                }
                other => panic!("{other:?}"),
            }
        }
        for (from, to, packet) in &self.flying {
            key.extend([*from as u64, *to as u64, packet[22].into()]); // priority
        }
        key.extend(self.lost.iter().flatten().map(|n| u64::from(*n)));
        key
    }

    /// From here on nothing is lost: within two master-down intervals the best is the only master.
    fn recovers(&self) {
        let mut world = self.clone();
        let longest = master_down(Version::V3, Priority(1), INTERVAL, ADVERTS);
        let end = world.now + Micros(2 * longest.0);
        while world.now < end {
            while !world.flying.is_empty() {
                world.decide(Fate::Received);
            }
            world.wait();
        }
        while !world.flying.is_empty() {
            world.decide(Fate::Received);
        }
        let masters = world.masters();
        assert_eq!(masters.len(), 1, "masters: {masters:?}");
        let best = (0..world.nodes.len()).map(|i| world.rank(i).0).max().unwrap();
        assert_eq!(world.rank(masters[0]).0, best, "the wrong master");
    }
}

/// How many packets from one node to another may be lost in a row.
#[derive(Clone, Copy)]
enum Losses {
    Any,
    AtMost(u8),
}

/// What was seen.
struct Seen {
    states: usize,
    /// Packets decided on the longest way.
    depth: usize,
    /// Whether nothing new was left to be seen.
    closed: bool,
    most_masters: usize,
}

/// Follows every choice from `start` on, breadth first, up to `bound` states; `look` at each of them.
fn explore(start: World, losses: Losses, bound: usize, look: impl Fn(&World)) -> Seen {
    let mut known = HashSet::from([start.key()]);
    let mut level = vec![start];
    let mut seen = Seen { states: 0, depth: 0, closed: true, most_masters: 0 };
    while !level.is_empty() {
        let mut next = Vec::new();
        for mut world in level {
            seen.states += 1;
            seen.most_masters = seen.most_masters.max(world.masters().len());
            look(&world);
            while world.flying.is_empty() {
                world.wait();
            }
            let (from, to, _) = world.flying[0];
            let may_lose = match losses {
                Losses::Any => true,
                Losses::AtMost(most) => world.lost[from][to] < most,
            };
            let fates = if may_lose { &[Fate::Received, Fate::Lost][..] } else { &[Fate::Received] };
            for fate in fates {
                let mut after = world.clone();
                after.decide(*fate);
                if matches!(losses, Losses::Any) {
                    after.lost = [[0; 3]; 3];
                }
                if known.insert(after.key()) {
                    next.push(after);
                }
            }
        }
        if seen.states > bound {
            seen.closed = next.is_empty();
            break;
        }
        seen.depth += 1;
        level = next;
    }
    println!(
        "{} states, {} decisions deep, {}; at most {} masters at once",
        seen.states,
        seen.depth,
        if seen.closed { "closed" } else { "cut off" },
        seen.most_masters
    );
    seen
}

/// The best is master and everybody has just heard it.
fn established(priorities: &[u8]) -> World {
    let mut world = World::new(priorities);
    while world.masters().is_empty() || !world.flying.is_empty() {
        match world.flying.is_empty() {
            true => world.wait(),
            false => world.decide(Fate::Received),
        }
    }
    world
}

#[test]
fn from_every_state_of_two_nodes_the_best_becomes_the_only_master() {
    for priorities in [[200, 100], [100, 100], [100, 99], [255, 1]] {
        let seen = explore(World::new(&priorities), Losses::Any, 6_000, World::recovers);
        assert_eq!(seen.most_masters, 2, "losses make two masters");
        assert!(seen.closed || seen.depth > 30, "{} decisions deep", seen.depth);
    }
}

#[test]
fn from_every_state_of_three_nodes_the_best_becomes_the_only_master() {
    for priorities in [[200, 150, 100], [100, 100, 100], [90, 90, 100]] {
        let seen = explore(World::new(&priorities), Losses::Any, 8_000, World::recovers);
        assert_eq!(seen.most_masters, 3, "losses make three masters");
        assert!(seen.closed || seen.depth > 15, "{} decisions deep", seen.depth);
    }
}

/// With one advert less lost in a row than has to be missed nobody else takes over; with one more somebody does.
#[test]
fn a_master_that_is_heard_often_enough_stays_the_only_one() {
    for priorities in [&[200, 100][..], &[100, 100], &[200, 150, 100], &[100, 100, 100]] {
        let few = explore(established(priorities), Losses::AtMost(ADVERTS - 1), 20_000, |_| {});
        assert!(few.closed, "every state was seen");
        assert_eq!(few.most_masters, 1);
        let many = explore(established(priorities), Losses::AtMost(ADVERTS), 2_000, |_| {});
        assert!(many.most_masters > 1);
    }
}
