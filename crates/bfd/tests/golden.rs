//! Packets captured from keepalived 2.4.3: read to the value, written byte for byte, sent by a session with the same
//! settings; every way to spoil them; and every single bit of them turned over.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::*;
use std::num::NonZeroU8;
use vipd_bfd::node::{Before, Node};
use vipd_bfd::packet::{Control, Diagnostic, Exchange, Malformed, StateName};
use vipd_bfd::settings::Instance;
use vipd_bfd::units::{Discriminator, Micros};

/// IPv4 datagrams; both ends had the same discriminator, which keepalived makes of the second of its start.
const DOWN: &str =
    "45000034882c4000ff116f88c0000202c0000201d94d0ec800208435204004188852a24500000000000f424000030d4000000000";
const UP_POLL: &str =
    "45000034eece4000ff1108e6c0000201c0000202d94d0ec80020843520e004188852a2458852a2450003d09000030d4000000000";
const HEADERS: usize = 28;
const DISCRIMINATOR: u32 = 0x8852_a245;

fn payload(hex: &str) -> Vec<u8> {
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    bytes[HEADERS..].to_vec()
}

fn captured(state: StateName) -> Control {
    let up = state == StateName::Up;
    Control {
        diagnostic: Diagnostic::None,
        state,
        exchange: if up { Exchange::Poll } else { Exchange::None },
        authenticated: false,
        demand: false,
        multiplier: NonZeroU8::new(4).unwrap(),
        mine: Discriminator::new(DISCRIMINATOR).unwrap(),
        yours: Discriminator::new(if up { DISCRIMINATOR } else { 0 }),
        desired_min_tx: Micros::from_millis(if up { 250 } else { 1000 }),
        required_min_rx: Micros::from_millis(200),
        required_min_echo_rx: Micros(0),
    }
}

#[test]
fn captured_packets_are_read_and_written() {
    for (hex, control) in [(DOWN, captured(StateName::Down)), (UP_POLL, captured(StateName::Up))] {
        assert_eq!(Control::parse(&payload(hex)), Ok(control));
        assert_eq!(control.emit()[..], payload(hex));
    }
}

#[test]
fn a_session_with_the_same_settings_sends_the_same() {
    let settings = Instance {
        min_rx: Micros::from_millis(200),
        min_tx: Micros::from_millis(250),
        multiplier: NonZeroU8::new(4).unwrap(),
        ..instance(own(), neighbour())
    };
    let mut node = Node::new(START, vec![settings], Before::Nothing, &mut || DISCRIMINATOR);
    node.handle(START, vipd_bfd::node::Input::Tick);
    let first = sent(&mut node);
    assert_eq!(first.iter().map(Control::emit).collect::<Vec<_>>(), [payload(DOWN).as_slice()]);
    let init =
        Control { state: StateName::Init, yours: Discriminator::new(DISCRIMINATOR), ..captured(StateName::Down) };
    let up = hear(&mut node, START, &init);
    assert_eq!(up.iter().map(Control::emit).collect::<Vec<_>>(), [payload(UP_POLL).as_slice()]);
}

#[test]
fn each_way_to_spoil_a_packet_has_its_name() {
    let good = payload(UP_POLL);
    let spoilt = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        Control::parse(&bytes).unwrap_err()
    };
    for n in 0..24 {
        assert_eq!(Control::parse(&good[..n]), Err(Malformed::Short(n)));
    }
    let padded = [&good[..], &[0; 4]].concat();
    assert_eq!(Control::parse(&padded), Err(Malformed::Length { said: 24, got: 28 }));
    assert_eq!(spoilt(3, 25), Malformed::Length { said: 25, got: 24 });
    assert_eq!(spoilt(0, 0x00), Malformed::Version(0));
    assert_eq!(spoilt(0, 0x40), Malformed::Version(2));
    assert_eq!(spoilt(2, 0), Malformed::Multiplier);
    assert_eq!(spoilt(1, 0xc1), Malformed::Multipoint);
    assert_eq!(spoilt(1, 0xf0), Malformed::PollAndFinal);
    assert_eq!(spoilt(0, 0x29), Malformed::Diagnostic(9));
    let without = |places: std::ops::Range<usize>, state: u8| {
        let mut bytes = good.clone();
        bytes[places].fill(0);
        bytes[1] = state << 6;
        Control::parse(&bytes)
    };
    assert_eq!(without(4..8, 3), Err(Malformed::MyDiscriminator));
    assert_eq!(without(8..12, 3), Err(Malformed::YourDiscriminator(StateName::Up)));
    assert_eq!(without(8..12, 2), Err(Malformed::YourDiscriminator(StateName::Init)));
    assert!(without(8..12, 1).is_ok() && without(8..12, 0).is_ok());
    // Of two faults the one is told that is looked for first.
    let all = [0x5f, 0xf1, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Control::parse(&all), Err(Malformed::Length { said: 25, got: 24 }));
}

#[test]
fn every_bit_counts() {
    const C: usize = 8 + 4; // the one that is not read
    for hex in [DOWN, UP_POLL] {
        let good = payload(hex);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            let read = Control::parse(&bytes);
            if bit == C {
                assert_eq!(read, Control::parse(&good));
            } else {
                assert_ne!(read, Control::parse(&good), "bit {bit}");
                if let Ok(control) = read {
                    assert_eq!(control.emit()[..], bytes, "bit {bit}");
                }
            }
        }
    }
}
