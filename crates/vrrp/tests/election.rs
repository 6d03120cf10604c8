//! Elections under faults: nodes on a wire that loses, delays and partitions, in virtual time, by random lists of
//! operations; what must hold whatever happens, and what must follow when the faults have ended.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::{UNKNOWN, instance, link, links};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::net::IpAddr;
use vipd_vrrp::admit::{Known, admit};
use vipd_vrrp::node::{Action, Input, Node, Settings};
use vipd_vrrp::packet::Datagram;
use vipd_vrrp::router::{Edge, Name, packets};
use vipd_vrrp::settings::*;
use vipd_vrrp::timers::master_down;
use vipd_vrrp::track::Link;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

const INTERVAL: Centis = Centis(100);

/// What happens to the cluster.
#[derive(Clone, Debug)]
enum Op {
    /// Time passes, in milliseconds.
    Pass(u16),
    /// A node loses or gets back its link to the wire, without noticing.
    Cut(usize),
    Join(usize),
    /// A node's interface goes down or comes up.
    Down(usize),
    Up(usize),
    /// A node is killed and started again at once with what it knew, or anew.
    Restart(usize),
    Reboot(usize),
    /// So many of the next packets are lost.
    Lose(u8),
    /// Junk reaches everybody.
    Junk(u8),
}

struct World {
    now: Instant,
    nodes: Vec<Node>,
    settings: Vec<Instance>,
    cut: Vec<bool>,
    lose: u8,
    flying: VecDeque<(Instant, usize, Vec<u8>)>,
    /// Whether the higher address wins a tie, as it should; `false` breaks the election on purpose.
    honest: bool,
    two_masters_since: Option<Instant>,
    longest_two_masters: Micros,
}

fn address(node: usize) -> [u8; 4] {
    [10, 0, 0, node as u8 + 1]
}

fn fresh(now: Instant, settings: &Instance, node: usize) -> Node {
    let settings = Settings { instances: vec![settings.clone()], ..Settings::default() };
    Node::new(now, settings, links(address(node)), None, Micros::ZERO)
}

impl World {
    fn new(priorities: &[u8]) -> World {
        let now = Instant(1_000_000);
        let settings: Vec<Instance> = priorities.iter().map(|p| instance(Version::V3, 51, *p, INTERVAL.0)).collect();
        let nodes: Vec<Node> = settings.iter().enumerate().map(|(i, s)| fresh(now, s, i)).collect();
        World {
            now,
            cut: vec![false; nodes.len()],
            nodes,
            settings,
            lose: 0,
            flying: VecDeque::new(),
            honest: true,
            two_masters_since: None,
            longest_two_masters: Micros::ZERO,
        }
    }

    fn masters(&self) -> Vec<usize> {
        let master = |i: &usize| self.nodes[*i].routers()[0].state().name() == Name::Master;
        (0..self.nodes.len()).filter(master).collect()
    }

    /// Puts on the wire what a node wants to send; checks what it tells.
    fn drain(&mut self, i: usize) {
        while let Some(action) = self.nodes[i].poll() {
            match action {
                Action::Router(0, Edge::Send { advert, sequence }) => {
                    for (_, packet) in packets(&self.settings[i], IpAddr::from(address(i)), &advert, 1, sequence) {
                        if self.lose > 0 {
                            self.lose -= 1;
                        } else if !self.cut[i] {
                            self.flying.push_back((self.now + Micros(700), i, packet));
                        }
                    }
                }
                Action::Router(_, Edge::Changed(t)) => assert!(!t.why.is_empty()),
                Action::Router(..) | Action::Group(..) | Action::Tracked(..) => {}
            }
        }
        let router = &self.nodes[i].routers()[0];
        let claims = self.nodes[i].claims(0).count() > 0;
        assert_eq!(claims, router.state().name() == Name::Master, "addresses exactly while MASTER");
    }

    fn handle(&mut self, i: usize, input: Input) {
        self.nodes[i].handle(self.now, input);
        self.drain(i);
    }

    fn deliver(&mut self, from: usize, packet: &[u8]) {
        for i in 0..self.nodes.len() {
            if i == from || self.cut[i] {
                continue;
            }
            let datagram = Datagram::parse(packet).unwrap();
            let own = self.nodes[i].routers()[0].source();
            match admit(&self.settings[i], Known { own, ..UNKNOWN }, &datagram) {
                Ok(mut admitted) => {
                    if !self.honest {
                        // The sender seems to have the lowest address of all: ties are decided the wrong way.
                        admitted.source = [1, 1, 1, 1].into();
                    }
                    self.handle(i, Input::Advert(0, admitted));
                }
                Err(why) => panic!("an honest packet was not believed: {why}"),
            }
        }
    }

    /// Lets time pass, event by event.
    fn pass(&mut self, span: Micros) {
        let end = self.now + span;
        loop {
            let wake = |i: usize| self.nodes[i].wake().map(|(at, ..)| at);
            let timer = (0..self.nodes.len()).filter_map(|i| wake(i).map(|at| (at, i))).min();
            let arrival = self.flying.front().map(|(at, ..)| *at);
            let next = [timer.map(|(at, _)| at), arrival].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = next.max(self.now);
            if arrival == Some(next) {
                if let Some((_, from, packet)) = self.flying.pop_front() {
                    self.deliver(from, &packet);
                }
            } else if let Some((_, i)) = timer {
                self.handle(i, Input::Tick);
                let wake = self.nodes[i].wake().map(|(at, ..)| at);
                assert!(wake.is_none_or(|at| at > self.now), "a busy loop");
            }
            self.watch();
        }
        self.now = end;
    }

    /// How long two masters that hear each other stay so.
    fn watch(&mut self) {
        let connected = self.masters().into_iter().filter(|i| !self.cut[*i]).count();
        match (connected > 1 && self.lose == 0, self.two_masters_since) {
            (true, None) => self.two_masters_since = Some(self.now),
            (true, Some(since)) => self.longest_two_masters = self.longest_two_masters.max(self.now - since),
            (false, _) => self.two_masters_since = None,
        }
    }

    fn apply(&mut self, op: &Op) {
        let n = self.nodes.len();
        match *op {
            Op::Pass(ms) => self.pass(Micros(u64::from(ms) * 1000)),
            Op::Cut(i) => self.cut[i % n] = true,
            Op::Join(i) => self.cut[i % n] = false,
            Op::Down(i) => {
                let down = Link { up: false, ..link(address(i % n)) };
                self.handle(i % n, Input::Link("eth0".into(), Some(down)));
            }
            Op::Up(i) => self.handle(i % n, Input::Link("eth0".into(), Some(link(address(i % n))))),
            Op::Restart(i) => {
                let i = i % n;
                let before = Some((self.now, self.nodes[i].snapshot(self.now)));
                let settings = Settings { instances: vec![self.settings[i].clone()], ..Settings::default() };
                let name = self.nodes[i].routers()[0].state().name();
                self.nodes[i] = Node::new(self.now, settings, links(address(i)), before, Micros::ZERO);
                let after = self.nodes[i].routers()[0].state().name();
                assert!(name == after || name == Name::Fault, "{name} became {after} by a restart");
                self.drain(i);
            }
            Op::Reboot(i) => {
                self.nodes[i % n] = fresh(self.now, &self.settings[i % n], i % n);
                self.drain(i % n);
            }
            Op::Lose(count) => self.lose = count,
            Op::Junk(byte) => {
                for i in 0..n {
                    let before = self.nodes[i].wake();
                    let junk = [byte; 60];
                    if let Ok(datagram) = Datagram::parse(&junk) {
                        assert!(admit(&self.settings[i], UNKNOWN, &datagram).is_err());
                    }
                    assert_eq!(self.nodes[i].wake(), before);
                }
            }
        }
        self.watch();
    }

    /// The faults end; the right one is to be the only master within two master-down intervals.
    fn heal(&mut self) {
        self.lose = 0;
        for i in 0..self.nodes.len() {
            self.cut[i] = false;
            self.handle(i, Input::Link("eth0".into(), Some(link(address(i)))));
        }
        self.two_masters_since = None;
        self.longest_two_masters = Micros::ZERO;
        let down = |s: &Instance| master_down(Version::V3, s.priority, INTERVAL, 3);
        let longest = self.settings.iter().map(down).max().unwrap();
        self.pass(Micros(2 * longest.0));
        assert!(self.longest_two_masters <= longest, "two masters for {}", self.longest_two_masters);
        let best = self.settings.iter().map(|s| s.priority).max().unwrap();
        let masters = self.masters();
        assert_eq!(masters.len(), 1, "masters: {masters:?}");
        let master = &self.settings[masters[0]];
        assert_eq!(master.priority, best, "the wrong master");
        // And it stays so.
        self.pass(Micros(3 * longest.0));
        assert_eq!(self.masters(), masters, "it does not last");
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let node = 0usize..3;
    let op = prop_oneof![
        6 => (1u16..5000).prop_map(Op::Pass),
        2 => node.clone().prop_map(Op::Cut),
        2 => node.clone().prop_map(Op::Join),
        1 => node.clone().prop_map(Op::Down),
        1 => node.clone().prop_map(Op::Up),
        1 => node.clone().prop_map(Op::Restart),
        1 => node.prop_map(Op::Reboot),
        1 => (0u8..6).prop_map(Op::Lose),
        1 => any::<u8>().prop_map(Op::Junk),
    ];
    proptest::collection::vec(op, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_the_faults_the_right_one_serves_alone(
        priorities in proptest::collection::vec(prop_oneof![Just(100u8), 1u8..255], 2..4),
        ops in ops(),
    ) {
        let mut world = World::new(&priorities);
        for op in &ops {
            world.apply(op);
        }
        world.heal();
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..3) {
        let settings = [
            instance(Version::V2, 51, 100, 100),
            instance(Version::V3, 51, 100, 100),
            Instance { auth: Auth::Ah([1; 8]), ..instance(Version::V2, 51, 100, 100) },
        ];
        if let Ok(datagram) = Datagram::parse(&bytes) {
            let _ = admit(&settings[at], UNKNOWN, &datagram);
        }
        let mut packet = bytes;
        if packet.len() >= 20 {
            packet[0] = 0x45;
            let total = (packet.len() as u16).to_be_bytes();
            packet[2..4].copy_from_slice(&total);
            (packet[8], packet[9]) = (255, if at == 2 { 51 } else { 112 });
            let datagram = Datagram::parse(&packet).unwrap();
            prop_assert!(admit(&settings[at], UNKNOWN, &datagram).is_err(), "random bytes were believed");
        }
    }
}

/// The instrument itself: with ties decided the wrong way two equal masters never settle, and the world must notice.
#[test]
fn a_broken_election_is_noticed() {
    let broken = std::panic::catch_unwind(|| {
        let mut world = World::new(&[100, 100]);
        world.honest = false;
        world.apply(&Op::Cut(0));
        world.apply(&Op::Pass(9000)); // both are master now, each alone
        assert_eq!(world.masters(), [0, 1]);
        world.heal();
    });
    assert!(broken.is_err(), "an election without a decision went unnoticed");
}

#[test]
fn equal_masters_settle_on_the_higher_address() {
    let mut world = World::new(&[100, 100, 100]);
    for i in 0..3 {
        world.apply(&Op::Cut(i));
    }
    world.apply(&Op::Pass(9000));
    assert_eq!(world.masters(), [0, 1, 2]);
    world.heal();
    assert_eq!(world.masters(), [2]);
    assert_eq!(world.nodes[2].routers()[0].priority(), Priority(100));
}
