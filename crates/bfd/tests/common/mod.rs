//! What the tests share: settings, addresses, a neighbour that says what it is told to.

#![allow(dead_code, unreachable_pub)] // each test uses its part

use std::net::IpAddr;
use std::num::NonZeroU8;
use vipd_bfd::node::{Action, Before, Datagram, Input, Node};
use vipd_bfd::packet::{Control, Diagnostic, Exchange, StateName};
use vipd_bfd::session::{Edge, Session};
use vipd_bfd::settings::{Habit, Hops, Instance, Role};
use vipd_bfd::units::{Discriminator, Instant, Micros};

pub const MILLI: u64 = 1000;
pub const SECOND: u64 = 1_000_000;
pub const START: Instant = Instant(10 * SECOND);
/// The neighbour's name of the session.
pub const THEIRS: u32 = 0x7e17;

pub fn own() -> IpAddr {
    [192, 0, 2, 1].into()
}

pub fn neighbour() -> IpAddr {
    [192, 0, 2, 2].into()
}

/// 50 ms in both directions, three intervals.
pub fn instance(own: IpAddr, neighbour: IpAddr) -> Instance {
    Instance {
        name: format!("to-{neighbour}"),
        neighbour,
        source: Some(own),
        min_rx: Micros::from_millis(50),
        min_tx: Micros::from_millis(50),
        idle_tx: Micros::from_millis(1000),
        multiplier: NonZeroU8::new(3).unwrap(),
        role: Role::Active,
        ttl: 255,
        max_hops: 0,
        habit: Habit::Ours,
        hops: Hops::Single,
    }
}

/// Numbers for discriminators and jitter: different ones, the same each time.
pub fn numbers(seed: u32) -> impl FnMut() -> u32 {
    let mut n = seed;
    move || {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        n
    }
}

pub fn node(settings: Instance) -> Node {
    Node::new(START, vec![settings], Before::Nothing, &mut numbers(7))
}

/// What a neighbour with the same settings says to this session.
pub fn says(session: &Session, state: StateName) -> Control {
    Control {
        diagnostic: Diagnostic::None,
        state,
        exchange: Exchange::None,
        authenticated: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: Discriminator::new(THEIRS).unwrap(),
        yours: Some(session.discriminator()),
        desired_min_tx: Micros::from_millis(if state == StateName::Up { 50 } else { 1000 }),
        required_min_rx: Micros::from_millis(50),
        required_min_echo_rx: Micros(0),
    }
}

pub fn datagram(payload: &[u8]) -> Datagram<'_> {
    Datagram { from: neighbour(), to: own(), hops: Hops::Single, ttl: 255, payload }
}

/// Lets the only session hear it; gives what it sends at once.
pub fn hear(node: &mut Node, now: Instant, control: &Control) -> Vec<Control> {
    node.handle(now, Input::Datagram(datagram(&control.emit())));
    sent(node)
}

/// The same, of what a neighbour in that state says.
pub fn hears(node: &mut Node, now: Instant, state: StateName) -> Vec<Control> {
    let control = says(&node.sessions()[0], state);
    hear(node, now, &control)
}

/// What the node wants to send; nothing may have been rejected.
pub fn sent(node: &mut Node) -> Vec<Control> {
    let mut sent = Vec::new();
    while let Some(action) = node.poll() {
        match action {
            Action::Session(_, Edge::Send(bytes)) => sent.push(Control::parse(&bytes).unwrap()),
            Action::Session(_, Edge::Changed(t)) => assert!(!t.why.is_empty() && t.from != t.to),
            Action::Rejected { why, .. } => panic!("rejected: {why}"),
        }
    }
    sent
}

pub fn state(node: &Node) -> StateName {
    node.sessions()[0].state().name()
}

/// A node whose only session is in that state at `START`, by what its neighbour said.
pub fn brought_to(settings: Instance, to: StateName) -> Node {
    let mut node = node(settings);
    match to {
        StateName::Down => {}
        StateName::AdminDown => node.handle(START, Input::Stop),
        StateName::Init => drop(hears(&mut node, START, StateName::Down)),
        StateName::Up => drop(hears(&mut node, START, StateName::Init)),
    }
    sent(&mut node);
    assert_eq!(state(&node), to);
    node
}
