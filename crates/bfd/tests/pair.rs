//! Two systems against each other in virtual time, over a wire that loses, delays and cuts: by single stories, and by
//! random lists of operations with what must hold whatever happens and what must follow when the faults have ended.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::*;
use proptest::prelude::*;
use std::net::IpAddr;
use std::num::NonZeroU8;
use vipd_bfd::node::{Action, Before, Datagram, Input, Node};
use vipd_bfd::packet::{Control, Diagnostic, Exchange, StateName};
use vipd_bfd::session::{Edge, State, Transition};
use vipd_bfd::settings::{Instance, Role};
use vipd_bfd::units::{Instant, Micros};

use StateName::{AdminDown, Down, Up};

/// How long a packet takes.
const LATENCY: Micros = Micros(700);
/// The longest that two systems need to come Up from anything, by the settings below: each has to notice the other's
/// death, and then two packets of the idle second.
const RECOVERY: Micros = Micros(14 * SECOND);

struct World {
    now: Instant,
    settings: [Instance; 2],
    nodes: [Node; 2],
    /// Whether what this one sends is lost.
    cut: [bool; 2],
    /// So many of the next packets are lost.
    lose: u8,
    flying: Vec<(Instant, usize, Vec<u8>)>,
    transitions: [Vec<Transition>; 2],
    /// Packets that each may have sent outside its schedule, and the shortest interval that it ever had.
    granted: [u64; 2],
    quickest: [Micros; 2],
    chance: u32,
}

fn address(i: usize) -> IpAddr {
    [192, 0, 2, i as u8 + 1].into()
}

/// Intervals in milliseconds.
fn with(settings: &Instance, tx: u64, rx: u64, multiplier: u8) -> Instance {
    Instance {
        min_tx: Micros::from_millis(tx),
        min_rx: Micros::from_millis(rx),
        multiplier: NonZeroU8::new(multiplier).unwrap(),
        ..settings.clone()
    }
}

impl World {
    fn new(settings: [Instance; 2]) -> World {
        let fresh = |i: usize| Node::new(START, vec![settings[i].clone()], Before::Nothing, &mut numbers(i as u32 + 1));
        World {
            now: START,
            nodes: [fresh(0), fresh(1)],
            cut: [false; 2],
            lose: 0,
            flying: Vec::new(),
            transitions: Default::default(),
            granted: [0; 2],
            quickest: [0, 1].map(|i| settings[i].min_tx),
            chance: 9,
            settings,
        }
    }

    /// Both with the same settings, Up.
    fn up() -> World {
        let mut world = World::new([instance(address(0), address(1)), instance(address(1), address(0))]);
        world.pass(Micros(3 * SECOND));
        assert_eq!(world.states(), [Up, Up]);
        world.transitions = Default::default();
        world
    }

    fn states(&self) -> [StateName; 2] {
        [0, 1].map(|i| state(&self.nodes[i]))
    }

    fn handle(&mut self, i: usize, input: Input<'_>) {
        self.nodes[i].handle(self.now, input);
        let mut actions = 0;
        while let Some(action) = self.nodes[i].poll() {
            actions += 1;
            match action {
                Action::Session(0, Edge::Send(bytes)) => self.fly(i, bytes.to_vec()),
                Action::Session(0, Edge::Changed(t)) => {
                    assert!(!t.why.is_empty() && t.from != t.to && t.at == self.now);
                    self.granted[i] += 1;
                    self.transitions[i].push(t);
                }
                Action::Session(..) => panic!("there is one session"),
                Action::Rejected { .. } => {}
            }
        }
        assert!(actions <= 4, "one input asks for {actions} actions");
        self.check(i);
    }

    fn fly(&mut self, from: usize, bytes: Vec<u8>) {
        let control = Control::parse(&bytes).unwrap();
        assert_eq!(control.state, state(&self.nodes[from]));
        self.granted[from] += u64::from(control.exchange == Exchange::Final);
        if self.lose > 0 {
            self.lose -= 1;
        } else if !self.cut[from] {
            self.flying.push((self.now + LATENCY, 1 - from, bytes));
        }
    }

    /// What holds at any time.
    fn check(&self, i: usize) {
        let session = &self.nodes[i].sessions()[0];
        let most = self.granted[i] + (self.now - START).0 / (self.quickest[i].0 * 3 / 4) + 1;
        assert!(session.counters.packets_sent <= most, "{} packets, {most} expected", session.counters.packets_sent);
        match session.state() {
            State::Init { peer } | State::Up { peer, .. } => {
                assert!(peer.heard <= self.now && session.detection_time().unwrap() > Micros(0));
            }
            State::AdminDown { .. } | State::Down { .. } => {}
        }
    }

    fn pass(&mut self, time: Micros) {
        let until = self.now + time;
        loop {
            let arrival = self.flying.iter().map(|(at, ..)| *at).min();
            let wakes = [0, 1].map(|i| self.nodes[i].wake().map(|(at, ..)| at));
            let next = [arrival, wakes[0], wakes[1]].into_iter().flatten().min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while let Some(at) = self.flying.iter().position(|(at, ..)| *at <= self.now) {
                let (_, to, payload) = self.flying.remove(at);
                self.deliver(to, &payload);
            }
            for i in [0, 1] {
                self.handle(i, Input::Tick);
                assert!(self.nodes[i].wake().is_none_or(|(at, ..)| at > self.now), "it wants to be called for ever");
            }
        }
        self.now = until;
    }

    fn deliver(&mut self, to: usize, payload: &[u8]) {
        let hops = self.settings[to].hops;
        let datagram = Datagram { from: address(1 - to), to: address(to), hops, ttl: 255, payload };
        self.handle(to, Input::Datagram(datagram));
    }

    /// Another configuration for one of them.
    fn reload(&mut self, i: usize, settings: Instance) {
        self.settings[i] = settings.clone();
        self.quickest[i] = self.quickest[i].min(settings.min_tx);
        let before = Before::Configuration(self.nodes[i].snapshot());
        self.nodes[i] = Node::new(self.now, vec![settings], before, &mut || panic!("it has its name"));
    }

    /// One is killed, and started again at once: with what it knew, or without.
    fn restart(&mut self, i: usize, before: Before) {
        self.chance += 1;
        let mut random = numbers(self.chance);
        self.granted[i] += 1; // it speaks at once
        self.nodes[i] = Node::new(self.now, vec![self.settings[i].clone()], before, &mut random);
    }

    /// How long since `from` one of them left Up.
    fn left_up(&self, i: usize, from: Instant) -> Micros {
        self.transitions[i].iter().find(|t| t.from == Up).unwrap().at - from
    }
}

#[test]
fn two_come_up_and_stay_up() {
    let mut world = World::up();
    world.pass(Micros(60 * SECOND));
    assert_eq!(world.transitions, [vec![], vec![]]);
    for node in &world.nodes {
        let session = &node.sessions()[0];
        assert_eq!(session.interval(), Some(Micros(50 * MILLI)));
        assert_eq!(session.detection_time(), Some(Micros(150 * MILLI)));
        let State::Up { agreed, .. } = session.state() else { panic!() };
        assert_eq!(agreed.poll, vipd_bfd::session::Poll::Done);
    }
}

#[test]
fn silence_is_noticed_within_the_detection_time() {
    let mut world = World::up();
    let from = world.now;
    world.cut = [true; 2];
    world.pass(Micros(SECOND));
    assert_eq!(world.states(), [Down, Down]);
    for i in [0, 1] {
        // The last packet came at most an interval before the cut, and may still have been on its way.
        let after = world.left_up(i, from).0;
        assert!((100 * MILLI..=150 * MILLI + LATENCY.0).contains(&after), "{after}");
    }
    world.cut = [false; 2];
    world.pass(Micros(3 * SECOND));
    assert_eq!(world.states(), [Up, Up]);
}

#[test]
fn a_wire_cut_in_one_direction_takes_both_down() {
    let mut world = World::up();
    let from = world.now;
    world.cut[0] = true;
    world.pass(Micros(150 * MILLI + LATENCY.0));
    assert_eq!(world.transitions[1][0].to, Down);
    world.pass(LATENCY);
    assert_eq!(world.left_up(0, from), Micros(world.left_up(1, from).0 + LATENCY.0));
    assert_eq!(world.transitions[0][0].why, "192.0.2.2 says Down (control detection time expired)");
    world.pass(Micros(10 * SECOND));
    assert!(!world.states().contains(&Up), "{:?}", world.states());
}

#[test]
fn who_stops_is_missed_at_once() {
    let mut world = World::up();
    let from = world.now;
    world.handle(0, Input::Stop);
    world.pass(Micros(MILLI));
    assert_eq!((world.states(), world.left_up(1, from)), ([AdminDown, Down], LATENCY));
}

#[test]
fn intervals_change_without_a_fall() {
    let mut world = World::up();
    let base = world.settings.clone();
    for (tx, rx, multiplier) in [(500, 10, 3), (10, 500, 3), (20, 20, 1), (400, 400, 2), (50, 50, 3)] {
        for i in [0, 1] {
            world.reload(i, with(&base[i], tx, rx, multiplier));
            world.pass(Micros(3 * SECOND));
            let both = tx.max(world.settings[1 - i].min_rx.0 / MILLI);
            assert_eq!(world.nodes[i].sessions()[0].interval(), Some(Micros::from_millis(both)));
            let expected = Micros::from_millis(both * u64::from(multiplier));
            assert_eq!(world.nodes[1 - i].sessions()[0].detection_time(), Some(expected));
        }
    }
    assert_eq!(world.transitions, [vec![], vec![]]);
}

#[test]
fn a_restart_is_noticed_and_mended() {
    let mut world = World::up();
    world.restart(0, Before::Nothing);
    world.pass(Micros(2 * SECOND));
    assert_eq!(world.states(), [Up, Up]);
    assert_eq!(world.transitions[1][0].to, Down);
    // With what it knew nobody notices.
    world.transitions = Default::default();
    world.restart(0, Before::Process(world.nodes[0].snapshot()));
    world.pass(Micros(2 * SECOND));
    assert_eq!((world.states(), world.transitions), ([Up, Up], [vec![], vec![]]));
}

#[test]
fn one_side_may_be_passive() {
    let settings = |i: usize| instance(address(i), address(1 - i));
    let mut world = World::new([Instance { role: Role::Passive, ..settings(0) }, settings(1)]);
    world.pass(Micros(3 * SECOND));
    assert_eq!(world.states(), [Up, Up]);
    let mut world = World::new([0, 1].map(|i| Instance { role: Role::Passive, ..settings(i) }));
    world.pass(Micros(10 * SECOND));
    assert_eq!((world.states(), world.granted), ([Down, Down], [0, 0]));
}

/// What happens to the two.
#[derive(Clone, Debug)]
enum Op {
    /// Time passes, in milliseconds.
    Pass(u16),
    /// What one sends is lost from now on, or no longer.
    Cut(usize),
    Join(usize),
    /// So many of the next packets are lost.
    Lose(u8),
    /// One is killed and started again: with what it knew, or without.
    Restart(usize),
    Reboot(usize),
    /// Other intervals and another multiplier.
    Reload(usize, u8, u8, u8),
    /// Bytes reach one of them.
    Junk(usize, Vec<u8>),
    /// A packet of its neighbour reaches it with one byte changed.
    Spoilt(usize, usize, u8),
    /// One that says anything at all in the neighbour's name.
    Said(usize, Control),
}

fn control() -> impl Strategy<Value = Control> {
    let interval = prop_oneof![Just(0), 0..100_000_u64, 0..5_000_000_u64].prop_map(Micros);
    let flags = (any::<bool>(), any::<bool>(), 0..3_usize);
    (flags, 0..9_usize, 0..4_usize, 1..6_u8, any::<std::num::NonZeroU32>(), interval.clone(), interval).prop_map(
        |((authenticated, demand, exchange), diagnostic, state, multiplier, mine, tx, rx)| Control {
            diagnostic: Diagnostic::ALL[diagnostic],
            state: StateName::ALL[state],
            exchange: [Exchange::None, Exchange::Poll, Exchange::Final][exchange],
            authenticated,
            demand,
            multiplier: NonZeroU8::new(multiplier).unwrap(),
            mine: vipd_bfd::units::Discriminator(mine),
            yours: None,
            desired_min_tx: tx,
            required_min_rx: rx,
            required_min_echo_rx: Micros(0),
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..2_usize;
    prop_oneof![
        4 => (1..3000_u16).prop_map(Op::Pass),
        1 => who().prop_map(Op::Cut),
        2 => who().prop_map(Op::Join),
        1 => (1..9_u8).prop_map(Op::Lose),
        1 => who().prop_map(Op::Restart),
        1 => who().prop_map(Op::Reboot),
        1 => (who(), 1..100_u8, 1..100_u8, 1..6_u8).prop_map(|(i, tx, rx, m)| Op::Reload(i, tx, rx, m)),
        1 => (who(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(i, bytes)| Op::Junk(i, bytes)),
        1 => (who(), 0..24_usize, any::<u8>()).prop_map(|(i, at, byte)| Op::Spoilt(i, at, byte)),
        1 => (who(), control()).prop_map(|(i, control)| Op::Said(i, control)),
    ]
}

fn apply(world: &mut World, op: Op) {
    let says_of = |world: &World, i: usize| says(&world.nodes[i].sessions()[0], state(&world.nodes[1 - i]));
    match op {
        Op::Pass(ms) => world.pass(Micros::from_millis(ms.into())),
        Op::Cut(i) => world.cut[i] = true,
        Op::Join(i) => world.cut[i] = false,
        Op::Lose(n) => world.lose = n,
        Op::Restart(i) => world.restart(i, Before::Process(world.nodes[i].snapshot())),
        Op::Reboot(i) => world.restart(i, Before::Nothing),
        Op::Reload(i, tx, rx, multiplier) => {
            let settings = with(&world.settings[i], tx.into(), rx.into(), multiplier);
            world.reload(i, settings);
        }
        Op::Junk(i, bytes) => world.deliver(i, &bytes),
        Op::Spoilt(i, at, byte) => {
            let mut bytes = says_of(world, i).emit();
            bytes[at] = byte;
            world.deliver(i, &bytes);
        }
        Op::Said(i, control) => {
            let yours = says_of(world, i).yours;
            world.deliver(i, &Control { yours, ..control }.emit());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_two_come_up_again(ops in prop::collection::vec(op(), 1..40)) {
        let mut world = World::new([instance(address(0), address(1)), instance(address(1), address(0))]);
        for op in ops {
            apply(&mut world, op);
        }
        (world.cut, world.lose) = ([false; 2], 0);
        // What was said in a neighbour's name counts until the neighbour speaks: it may have promised a packet in five
        // seconds.
        let patience = world.nodes.iter().filter_map(|n| n.sessions()[0].detection_time()).max().unwrap_or_default();
        world.pass(Micros(patience.0 + RECOVERY.0));
        prop_assert_eq!(world.states(), [Up, Up]);
        world.transitions = Default::default();
        world.pass(Micros(5 * SECOND));
        prop_assert_eq!(&world.transitions, &[vec![], vec![]]);
    }
}
