//! BFD control packets as the network brings them, for a host with two sessions: each reads as what it is written as,
//! and none makes the host do much.
#![no_main]

use std::num::NonZeroU8;
use vipd_bfd::node::{Before, Datagram, Input, Node};
use vipd_bfd::packet::{Control, LENGTH};
use vipd_bfd::settings::{Hops, Instance, Role};
use vipd_bfd::units::{Instant, Micros};

/// Where in a packet the receiver's discriminator stands.
const YOURS: std::ops::Range<usize> = 8..12;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vipd_fuzz::bounded(bytes, || {
        if let Ok(control) = Control::parse(bytes) {
            assert_eq!(Control::parse(&control.emit()), Ok(control));
        }
        // Packets behind each other, each with a byte in front: what time passes, who sends it, whether it names a
        // session.
        let mut number = 0;
        let sessions = vec![session(2, Role::Active), session(3, Role::Passive)];
        let mut node = Node::new(Instant(1), sessions, Before::Nothing, &mut || {
            number += 1;
            number
        });
        let mut now = Instant(1);
        for piece in bytes.chunks(1 + LENGTH) {
            let Some((how, packet)) = piece.split_first() else { continue };
            let mut packet = packet.to_vec();
            let named = node.sessions()[usize::from(how & 1)].discriminator();
            if how & 2 != 0
                && let Some(yours) = packet.get_mut(YOURS)
            {
                yours.copy_from_slice(&named.0.get().to_be_bytes());
            }
            now = now + Micros::from_millis(u64::from(how >> 2) * 10);
            let (from, to) = ([192, 0, 2, 2 + (how & 1)].into(), [192, 0, 2, 1].into());
            let datagram = Datagram { from, to, hops: Hops::Single, ttl: 255, payload: &packet };
            for input in [Input::Datagram(datagram), Input::Tick] {
                node.handle(now, input);
                let actions = std::iter::from_fn(|| node.poll()).count();
                assert!(actions <= 6, "{actions} actions");
            }
            assert!(node.wake().is_none_or(|(at, ..)| at > now), "it wants to be called for ever");
        }
    });
});

fn session(n: u8, role: Role) -> Instance {
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
        max_hops: 0,
        hops: Hops::Single,
    }
}
