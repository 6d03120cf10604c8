//! The table of states: every state of ours against every one of the neighbour (RFC 5880, 6.8.6), with what is sent at
//! once and what the neighbour is told of the cause. No row is left to a default.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::*;
use vipd_bfd::node::Input;
use vipd_bfd::packet::{Control, Diagnostic, Exchange, StateName};
use vipd_bfd::session::State;
use vipd_bfd::units::Micros;

use StateName::{AdminDown, Down, Init, Up};

/// Ours, the neighbour's, what becomes of ours.
const TABLE: [(StateName, StateName, StateName); 16] = [
    (AdminDown, AdminDown, AdminDown),
    (AdminDown, Down, AdminDown),
    (AdminDown, Init, AdminDown),
    (AdminDown, Up, AdminDown),
    (Down, AdminDown, Down),
    (Down, Down, Init),
    (Down, Init, Up),
    (Down, Up, Down),
    (Init, AdminDown, Down),
    (Init, Down, Init),
    (Init, Init, Up),
    (Init, Up, Up),
    (Up, AdminDown, Down),
    (Up, Down, Down),
    (Up, Init, Up),
    (Up, Up, Up),
];

#[test]
fn every_state_against_every_state() {
    for (ours, theirs, becomes) in TABLE {
        let case = format!("{ours} hears {theirs}");
        let mut node = brought_to(instance(own(), neighbour()), ours);
        let before = node.sessions()[0].clone();
        let said = says(&before, theirs);
        node.handle(START, Input::Datagram(datagram(&said.emit())));
        if ours == AdminDown {
            assert_eq!(node.sessions()[0].state(), before.state(), "{case}");
            assert_eq!(node.sessions()[0].counters.rejected["admin_down"], 1, "{case}");
            continue;
        }
        let sent = sent(&mut node);
        let session = &node.sessions()[0];
        assert_eq!(session.state().name(), becomes, "{case}");
        assert_eq!(session.state().peer().unwrap().state, theirs, "{case}");
        let changed = u64::from(ours != becomes);
        assert_eq!(
            session.counters.became_up - before.counters.became_up,
            changed * u64::from(becomes == Up),
            "{case}"
        );
        assert_eq!(session.counters.left_up - before.counters.left_up, changed * u64::from(ours == Up), "{case}");
        assert_eq!(session.history().count() as u64, before.history().count() as u64 + changed, "{case}");
        // A change is told at once; nothing else is.
        let diagnostic = if becomes == Down { Diagnostic::NeighbourSignaledDown } else { Diagnostic::None };
        let told: Vec<_> = sent.iter().map(|c| (c.state, c.diagnostic, c.yours)).collect();
        let expected = [(becomes, diagnostic, Some(said.mine))];
        assert_eq!(told, expected[..changed as usize], "{case}");
    }
}

#[test]
fn silence_takes_init_and_up_down_and_leaves_the_others() {
    for ours in StateName::ALL {
        let mut node = brought_to(instance(own(), neighbour()), ours);
        // A neighbour that is not Up promises a packet a second: three of them.
        let patience = Micros(3 * SECOND);
        node.handle(START + Micros(patience.0 - 1), Input::Tick);
        sent(&mut node);
        assert_eq!(state(&node), ours, "{ours} too early");
        let end = START + patience;
        node.handle(end, Input::Tick);
        let sent = sent(&mut node);
        match ours {
            AdminDown | Down => assert_eq!(state(&node), ours),
            Init | Up => {
                assert_eq!(
                    node.sessions()[0].state(),
                    &State::Down { diagnostic: Diagnostic::DetectionTimeExpired, peer: None }
                );
                let told: Vec<_> = sent.iter().map(|c| (c.state, c.diagnostic, c.yours)).collect();
                assert_eq!(told, [(Down, Diagnostic::DetectionTimeExpired, None)], "{ours}");
            }
        }
    }
}

#[test]
fn a_poll_is_answered_at_once_in_every_state_but_the_last() {
    for (ours, theirs, becomes) in TABLE {
        if ours == AdminDown {
            continue;
        }
        let mut node = brought_to(instance(own(), neighbour()), ours);
        let poll = Control { exchange: Exchange::Poll, ..says(&node.sessions()[0], theirs) };
        let sent: Vec<_> = hear(&mut node, START, &poll).iter().map(|c| (c.state, c.exchange)).collect();
        assert_eq!(sent, [(becomes, Exchange::Final)], "{ours} hears {theirs} with P");
    }
}
