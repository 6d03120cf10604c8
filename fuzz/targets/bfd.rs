//! BFD control packets as the network brings them, over IPv4 and IPv6, from near and far, for a host with four sessions: each
//! reads as what it is written as, none makes the host do much, and what is not believed changes nothing.
#![no_main]

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU8;
use vipd_bfd::node::{Action, Before, Datagram, Input, Node};
use vipd_bfd::packet::{Control, LENGTH};
use vipd_bfd::settings::{Habit, Hops, Instance, Role};
use vipd_bfd::units::{Instant, Micros};

/// Our address over IPv6, and the neighbour's.
const V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)];
/// Where in a packet the receiver's discriminator stands.
const YOURS: std::ops::Range<usize> = 8..12;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vipd_fuzz::bounded(bytes, || {
        if let Ok(control) = Control::parse(bytes) {
            assert_eq!(Control::parse(&control.emit()), Ok(control));
        }
        // Packets behind each other, each with two bytes in front: what time passes, who sends it, whether it names a
        // session; how far it has come, on which port, to which address.
        let mut number = 0;
        let sessions = vec![
            session(2, Role::Active, Hops::Single),
            session(3, Role::Passive, Hops::Single),
            session(4, Role::Active, Hops::Multiple),
            Instance { neighbour: V6[1].into(), ttl: 64, ..session(5, Role::Active, Hops::Single) },
        ];
        let mut node = Node::new(Instant(1), sessions, Before::Nothing, &mut || {
            number += 1;
            number
        });
        let mut now = Instant(1);
        for piece in bytes.chunks(2 + LENGTH) {
            let [how, way, packet @ ..] = piece else { continue };
            let mut packet = packet.to_vec();
            let named = node.sessions()[usize::from(how & 3)].discriminator();
            if how & 4 != 0
                && let Some(yours) = packet.get_mut(YOURS)
            {
                yours.copy_from_slice(&named.0.get().to_be_bytes());
            }
            now = now + Micros::from_millis(u64::from(how >> 3) * 20);
            step(&mut node, now, Input::Tick);
            let from = 2 + (how & 3) + (way >> 6 & 1);
            let (from, to): (IpAddr, IpAddr) = match (from, way & 0x80 != 0) {
                (5, false) => (V6[1].into(), V6[0].into()),
                (from, false) => ([192, 0, 2, from].into(), [192, 0, 2, 1].into()),
                (from, true) => ([192, 0, 2, from].into(), [192, 0, 2, 9].into()),
            };
            let hops = if way & 0x20 == 0 { Hops::Single } else { Hops::Multiple };
            let ttl = [255, 254, 253, 245, 244, 64, 63, 0][usize::from(way & 7)];
            let before: Vec<_> = node.sessions().iter().map(|s| (s.state().name(), s.since(), s.wake())).collect();
            let datagram = Datagram { from, to, hops, ttl, payload: &packet };
            if step(&mut node, now, Input::Datagram(datagram)) {
                let after: Vec<_> = node.sessions().iter().map(|s| (s.state().name(), s.since(), s.wake())).collect();
                assert_eq!(before, after, "rejected, and not without effect");
            } else {
                assert!(ttl >= 64 && (ttl == 255 || hops == Hops::Multiple || from.is_ipv6()), "{ttl} believed");
            }
            step(&mut node, now, Input::Tick);
            assert!(node.wake().is_none_or(|(at, ..)| at > now), "it wants to be called for ever");
        }
    });
});

/// Something happens; whether a packet was rejected.
fn step(node: &mut Node, now: Instant, input: Input<'_>) -> bool {
    node.handle(now, input);
    let actions: Vec<Action> = std::iter::from_fn(|| node.poll()).collect();
    assert!(actions.len() <= 12, "{} actions", actions.len());
    actions.iter().any(|action| matches!(action, Action::Rejected { .. }))
}

fn session(n: u8, role: Role, hops: Hops) -> Instance {
    Instance {
        name: n.to_string(),
        neighbour: [192, 0, 2, n].into(),
        source: None,
        min_rx: Micros::from_millis(10),
        min_tx: Micros::from_millis(10),
        idle_tx: Micros::from_millis(1000),
        multiplier: NonZeroU8::MIN,
        role,
        ttl: 255,
        max_hops: if hops == Hops::Single { 0 } else { 10 },
        habit: Habit::default(),
        hops,
    }
}
