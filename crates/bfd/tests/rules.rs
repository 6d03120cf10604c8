//! Single rules of RFC 5880, 5881 and 5883, and what is better here than in keepalived.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::*;
use std::net::IpAddr;
use std::num::NonZeroU8;
use vipd_bfd::node::{Action, Before, Datagram, Input, Node, Reject, Snapshot};
use vipd_bfd::packet::{Control, Diagnostic, Exchange, Malformed, StateName};
use vipd_bfd::session::{Edge, Poll, State, Timer};
use vipd_bfd::settings::{Habit, Hops, Instance, Role};
use vipd_bfd::units::{Discriminator, Instant, Micros};

use StateName::{AdminDown, Down, Init, Up};

fn settings() -> Instance {
    instance(own(), neighbour())
}

/// Lets time pass up to `until`, calling when the node wants to be called; gives what it sends, with the times.
fn run(node: &mut Node, until: Instant) -> Vec<(Instant, Control)> {
    let mut all = Vec::new();
    while let Some((at, ..)) = node.wake().filter(|(at, ..)| *at <= until) {
        node.handle(at, Input::Tick);
        all.extend(sent(node).into_iter().map(|c| (at, c)));
    }
    all
}

/// The only rejection that a datagram leads to.
fn rejected(node: &mut Node, datagram: Datagram<'_>) -> Reject {
    let before = node.sessions().to_vec();
    node.handle(START, Input::Datagram(datagram));
    let Some(Action::Rejected { session, from, why }) = node.poll() else { panic!("{datagram:?} was believed") };
    assert_eq!((node.poll(), from), (None, datagram.from));
    let counters = session.map_or(node.rejected(), |i| &node.sessions()[i].counters.rejected);
    assert!(counters[why.name()] > 0, "{why}");
    for (session, before) in node.sessions().iter().zip(before) {
        assert_eq!((session.state(), session.wake()), (before.state(), before.wake()), "{why} changed something");
    }
    why
}

#[test]
fn what_is_not_believed_changes_nothing_and_is_counted() {
    let other = Instance { name: "far".into(), neighbour: [192, 0, 2, 9].into(), ..settings() };
    let mut node = Node::new(START, vec![settings(), other], Before::Nothing, &mut numbers(1));
    let session = node.sessions()[0].clone();
    let up = says(&session, Up);
    hear(&mut node, START, &says(&session, Init));
    let bytes = up.emit();
    let good = datagram(&bytes);
    let stranger: IpAddr = [192, 0, 2, 66].into();

    assert_eq!(
        rejected(&mut node, Datagram { payload: &bytes[..20], ..good }),
        Reject::Malformed(Malformed::Short(20))
    );
    assert_eq!(node.sessions()[0].counters.rejected["short"], 1);
    assert_eq!(
        rejected(&mut node, Datagram { payload: &[], from: stranger, ..good }),
        Reject::Malformed(Malformed::Short(0))
    );
    assert_eq!(node.rejected()["short"], 1);
    // keepalived takes the discriminator alone.
    for forged in [
        Datagram { from: stranger, ..good },
        Datagram { from: [192, 0, 2, 9].into(), ..good },
        Datagram { to: [192, 0, 2, 3].into(), ..good },
        Datagram { hops: Hops::Multiple, ..good },
    ] {
        assert_eq!(rejected(&mut node, forged), Reject::Addresses { neighbour: neighbour() });
    }
    assert_eq!(rejected(&mut node, Datagram { ttl: 254, ..good }), Reject::Ttl { got: 254, least: 255 });
    let mut spoil = |control: Control| {
        let bytes = control.emit();
        rejected(&mut node, Datagram { payload: &bytes, ..good })
    };
    let nobody = Discriminator::new(1).unwrap();
    assert_eq!(spoil(Control { yours: Some(nobody), ..up }), Reject::UnknownDiscriminator(nobody));
    assert_eq!(spoil(Control { authenticated: true, ..up }), Reject::Authenticated);
    assert_eq!(node.sessions()[0].counters.rejected["unknown_discriminator"], 1);
    let down = Control { state: Down, yours: None, ..up }.emit();
    let nameless = Datagram { payload: &down, ..good };
    assert_eq!(rejected(&mut node, Datagram { from: stranger, ..nameless }), Reject::UnknownNeighbour);
    assert_eq!(rejected(&mut node, Datagram { hops: Hops::Multiple, ..nameless }), Reject::UnknownNeighbour);
    // And the good one is still good.
    hear(&mut node, START, &up);
    assert_eq!(state(&node), Up);
}

/// RFC 5881, 5 wants 255 over one hop; a keepalived that is told nothing sends 64 over IPv6. Who has sent 255 once is
/// believed with that alone, as long as it is known.
#[test]
fn a_neighbour_that_sends_from_the_link_is_believed_from_there_alone() {
    let unknown = Instance { habit: Habit::Unknown, ..settings() };
    let of = |node: &mut Node, now: Instant, state: StateName, ttl: u8| {
        let bytes = says(&node.sessions()[0], state).emit();
        node.handle(now, Input::Datagram(Datagram { ttl, ..datagram(&bytes) }));
        let actions: Vec<Action> = std::iter::from_fn(|| node.poll()).collect();
        actions.into_iter().find_map(|a| match a {
            Action::Rejected { why, .. } => Some(why),
            Action::Session(..) => None,
        })
    };
    // One that sends 64: what is nearer is believed, too, what is farther is not.
    let mut node = node(unknown.clone());
    assert_eq!(of(&mut node, START, Down, 63), Some(Reject::Ttl { got: 63, least: 64 }));
    assert_eq!(of(&mut node, START, Down, 64), None);
    assert_eq!(of(&mut node, START, Up, 64), None);
    assert_eq!(state(&node), Up);
    // It was somebody else, or has got another file: from now on it is 255.
    assert_eq!(of(&mut node, START, Up, 255), None);
    for ttl in [64, 254] {
        assert_eq!(of(&mut node, START, Down, ttl), Some(Reject::Ttl { got: ttl, least: 255 }));
    }
    assert_eq!(state(&node), Up);
    // A process that takes over knows it, too; when the neighbour is gone and forgotten, another one may come.
    let next = Before::Process(node.snapshot());
    let mut node = Node::new(START, vec![unknown.clone()], next, &mut || panic!("it has its name"));
    assert_eq!(of(&mut node, START, Down, 254), Some(Reject::Ttl { got: 254, least: 255 }));
    run(&mut node, START + Micros(SECOND));
    assert_eq!(state(&node), Down);
    assert_eq!(of(&mut node, START + Micros(SECOND), Down, 64), None);
    // Over several hops a way may become longer.
    let far = Instance { hops: Hops::Multiple, ..unknown };
    assert_eq!((far.least_ttl(Some(255)), settings().least_ttl(Some(64))), (64, 255));
}

#[test]
fn max_hops_says_how_far_a_packet_may_have_come() {
    for (ttl, max_hops, got, believed) in
        [(255, 0, 254, false), (255, 3, 252, true), (255, 3, 251, false), (64, 0, 64, true), (64, 0, 63, false)]
    {
        let mut node = node(Instance { ttl, max_hops, ..settings() });
        let bytes = says(&node.sessions()[0], Down).emit();
        node.handle(START, Input::Datagram(Datagram { ttl: got, ..datagram(&bytes) }));
        assert_eq!(state(&node) == Init, believed, "ttl {ttl}, max_hops {max_hops}: {got}");
    }
    assert_eq!(Instance { ttl: 64, max_hops: 255, ..settings() }.least_ttl(None), 0);
}

#[test]
fn a_packet_without_a_name_goes_to_the_session_that_says_most() {
    let open = Instance { name: "open".into(), source: None, ..settings() };
    let far = Instance { name: "far".into(), hops: Hops::Multiple, ..settings() };
    let mut node = Node::new(START, vec![open, settings(), far], Before::Nothing, &mut numbers(1));
    let bytes = Control { yours: None, ..says(&node.sessions()[0], Down) }.emit();
    let states = |node: &Node| node.sessions().iter().map(|s| s.state().name()).collect::<Vec<_>>();
    node.handle(START, Input::Datagram(datagram(&bytes)));
    assert_eq!(states(&node), [Down, Init, Down]);
    node.handle(START, Input::Datagram(Datagram { to: [192, 0, 2, 7].into(), ..datagram(&bytes) }));
    assert_eq!(states(&node), [Init, Init, Down]);
    node.handle(START, Input::Datagram(Datagram { hops: Hops::Multiple, ..datagram(&bytes) }));
    assert_eq!(states(&node), [Init, Init, Init]);
}

#[test]
fn packets_are_spread_by_a_tenth_to_a_quarter() {
    let mut node = node(settings());
    let sent = run(&mut node, START + Micros(400 * SECOND));
    let gaps: Vec<u64> = sent.windows(2).map(|w| (w[1].0 - w[0].0).0).collect();
    assert!(gaps.len() > 400 && gaps.iter().all(|g| (750 * MILLI..=900 * MILLI).contains(g)), "{gaps:?}");
    assert!(gaps.iter().any(|g| *g < 765 * MILLI) && gaps.iter().any(|g| *g > 885 * MILLI), "{gaps:?}");
}

#[test]
fn the_slower_of_both_intervals_counts() {
    let mut node = brought_to(settings(), Up);
    assert_eq!(node.sessions()[0].interval(), Some(Micros(50 * MILLI)));
    let slow = Control { required_min_rx: Micros(300 * MILLI), ..says(&node.sessions()[0], Up) };
    hear(&mut node, START, &slow);
    assert_eq!(node.sessions()[0].interval(), Some(Micros(300 * MILLI)));
    // How often it sends is the slower of what it wants to and what we can take, times its multiplier.
    let multiplier = NonZeroU8::new(7).unwrap();
    for (desired, expected) in [(20 * MILLI, 350 * MILLI), (200 * MILLI, 1400 * MILLI)] {
        hear(&mut node, START, &Control { desired_min_tx: Micros(desired), multiplier, ..slow });
        assert_eq!(node.sessions()[0].detection_time(), Some(Micros(expected)));
    }
    // A shorter interval moves what is already planned.
    let wake = |node: &Node| node.wake().unwrap();
    let late = wake(&node);
    let quick = Control { multiplier, ..says(&node.sessions()[0], Up) };
    hear(&mut node, START, &quick);
    assert!(wake(&node).0 < late.0 && wake(&node).2 == Timer::Send);
}

#[test]
fn a_neighbour_that_wants_nothing_gets_nothing_but_answers() {
    let mut node = brought_to(settings(), Up);
    let silent = Control { required_min_rx: Micros(0), ..says(&node.sessions()[0], Up) };
    assert!(hear(&mut node, START, &silent).is_empty());
    assert!(run(&mut node, START + Micros(149 * MILLI)).is_empty());
    let answer = hear(&mut node, START, &Control { exchange: Exchange::Poll, ..silent });
    assert_eq!(answer.len(), 1);
    // Its death is noticed all the same.
    run(&mut node, START + Micros(151 * MILLI));
    assert_eq!(state(&node), Down);
}

#[test]
fn a_neighbour_in_demand_mode_gets_nothing_while_both_are_up() {
    let mut node = brought_to(settings(), Up);
    let asking = Control { demand: true, ..says(&node.sessions()[0], Up) };
    hear(&mut node, START, &asking);
    assert!(!run(&mut node, START + Micros(50 * MILLI)).is_empty()); // what we ask wants an answer
    let up = Control { exchange: Exchange::Final, ..asking };
    hear(&mut node, START, &up);
    assert!(run(&mut node, START + Micros(149 * MILLI)).is_empty());
    let init = Control { state: Init, exchange: Exchange::None, ..up };
    hear(&mut node, START, &init);
    assert!(!run(&mut node, START + Micros(149 * MILLI)).is_empty());
}

#[test]
fn a_poll_goes_on_until_it_is_answered() {
    let mut node = brought_to(settings(), Up);
    let polls = run(&mut node, START + Micros(140 * MILLI));
    assert!(polls.len() > 1 && polls.iter().all(|(_, c)| c.exchange == Exchange::Poll), "{polls:?}");
    let now = START + Micros(140 * MILLI);
    let fin = Control { exchange: Exchange::Final, ..says(&node.sessions()[0], Up) };
    hear(&mut node, now, &fin);
    let after = run(&mut node, now + Micros(100 * MILLI));
    assert!(after.len() > 1 && after.iter().all(|(_, c)| c.exchange == Exchange::None), "{after:?}");
}

#[test]
fn answering_does_not_keep_us_from_asking() {
    let mut node = brought_to(settings(), Up);
    let asks = Control { exchange: Exchange::Poll, ..says(&node.sessions()[0], Up) };
    let mut polls = 0;
    for ms in (0..500).step_by(10) {
        let now = START + Micros(ms * MILLI);
        hear(&mut node, now, &asks);
        polls += run(&mut node, now).iter().filter(|(_, c)| c.exchange == Exchange::Poll).count();
    }
    assert!(polls >= 10, "{polls}");
}

#[test]
fn new_settings_are_heeded_when_the_neighbour_knows() {
    let mut node = brought_to(settings(), Up);
    let up = says(&node.sessions()[0], Up);
    let fin = Control { exchange: Exchange::Final, ..up };
    hear(&mut node, START, &fin);
    let after = |node: &Node, settings: Instance| {
        Node::new(START, vec![settings], Before::Configuration(node.snapshot()), &mut || panic!("it has its name"))
    };
    let seen = |node: &Node| {
        let session = &node.sessions()[0];
        (session.interval().unwrap().0 / MILLI, session.detection_time().unwrap().0 / MILLI)
    };
    assert_eq!(seen(&node), (50, 150));
    let millis = |tx, rx| Instance {
        min_tx: Micros::from_millis(tx),
        min_rx: Micros::from_millis(rx),
        name: "renamed".into(),
        ..settings()
    };
    // Slower sending and faster expecting wait for the answer; the packets say so at once.
    let mut node = after(&node, millis(200, 20));
    assert_eq!(seen(&node), (50, 150));
    let said: Vec<_> = run(&mut node, START + Micros(60 * MILLI))
        .iter()
        .map(|(_, c)| (c.exchange, c.desired_min_tx.0 / MILLI, c.required_min_rx.0 / MILLI))
        .collect();
    assert_eq!(said, [(Exchange::Poll, 200, 20)]);
    // Another change meanwhile needs a poll of its own.
    let mut node = after(&node, millis(100, 70));
    assert_eq!(seen(&node), (50, 210));
    hear(&mut node, START, &fin);
    assert_eq!(seen(&node), (50, 210));
    // What comes before it was asked is another answer to the first: the neighbour may not know yet.
    hear(&mut node, START, &fin);
    assert_eq!(seen(&node), (50, 210));
    assert_eq!(run(&mut node, START + Micros(120 * MILLI))[0].1.exchange, Exchange::Poll);
    hear(&mut node, START, &fin);
    assert_eq!(seen(&node), (100, 210));
    assert!(matches!(node.sessions()[0].state(), State::Up { agreed, .. } if agreed.poll == Poll::Done));
    // What doesn't concern the intervals needs none.
    let node = after(&node, Instance { multiplier: NonZeroU8::MAX, ..millis(100, 70) });
    assert!(matches!(node.sessions()[0].state(), State::Up { agreed, .. } if agreed.poll == Poll::Done));
    assert_eq!(node.sessions()[0].settings.name, "renamed");
}

#[test]
fn the_passive_side_waits_to_be_spoken_to() {
    let mut node = node(Instance { role: Role::Passive, ..settings() });
    assert!(run(&mut node, START + Micros(60 * SECOND)).is_empty());
    let now = START + Micros(60 * SECOND);
    assert_eq!(hears(&mut node, now, Down).len(), 1);
    assert!(!run(&mut node, now + Micros(2 * SECOND)).is_empty());
    // A neighbour that is gone is waited for again.
    run(&mut node, now + Micros(4 * SECOND));
    assert!(run(&mut node, now + Micros(60 * SECOND)).is_empty());
    node.handle(now + Micros(60 * SECOND), Input::Stop);
    assert!(sent(&mut node).is_empty());
}

#[test]
fn the_end_is_told() {
    for (end, why) in [(Input::Stop, "stopped"), (Input::Remove(0), "no longer configured")] {
        let mut node = brought_to(settings(), Up);
        node.handle(START, end);
        let told: Vec<_> = sent(&mut node).iter().map(|c| (c.state, c.diagnostic, c.exchange, c.yours)).collect();
        let theirs = Discriminator::new(THEIRS);
        assert_eq!(told, [(AdminDown, Diagnostic::AdministrativelyDown, Exchange::None, theirs)]);
        assert_eq!((node.sessions()[0].why(), node.wake()), (why, None));
        node.handle(START, end);
        assert_eq!(node.poll(), None);
    }
}

#[test]
fn a_neighbour_that_was_shut_down_is_told_of_as_down() {
    let mut node = brought_to(settings(), Up);
    let gone = Control { diagnostic: Diagnostic::AdministrativelyDown, ..says(&node.sessions()[0], AdminDown) };
    node.handle(START, Input::Datagram(datagram(&gone.emit())));
    let Some(Action::Session(0, Edge::Changed(t))) = node.poll() else { panic!("nothing is told") };
    assert_eq!((t.from, t.to, t.why.as_str()), (Up, Down, "192.0.2.2 says AdminDown (administratively down)"));
}

#[test]
fn a_silent_neighbour_is_forgotten() {
    let mut node = brought_to(settings(), Down);
    hears(&mut node, START, Up); // it has not noticed our restart yet
    assert!(node.sessions()[0].state().peer().is_some());
    run(&mut node, START + Micros(151 * MILLI));
    assert!(node.sessions()[0].state().peer().is_none());
    assert!(run(&mut node, START + Micros(5 * SECOND)).iter().all(|(_, c)| c.yours.is_none()));
}

#[test]
fn what_arrived_counts_before_silence_does() {
    let mut node = brought_to(settings(), Up);
    hears(&mut node, START, Up);
    let late = START + Micros(10 * SECOND);
    node.handle(late, Input::TickSending);
    assert_eq!(sent(&mut node).len(), 1);
    hears(&mut node, late, Up);
    node.handle(late, Input::Tick);
    assert_eq!(state(&node), Up);
}

#[test]
fn a_successor_goes_on() {
    let mut node = brought_to(settings(), Up);
    hears(&mut node, START, Up);
    let text = serde_json::to_string(&node.snapshot()).unwrap();
    let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(snapshot, node.snapshot());
    let later = START + Micros(10 * MILLI); // before its next packet was due
    let extra = Instance { name: "new".into(), neighbour: [192, 0, 2, 9].into(), ..settings() };
    let taken = node.sessions()[0].discriminator();
    let mut next = Node::new(later, vec![extra, settings()], Before::Process(snapshot), &mut || taken.0.get());
    let [fresh, kept] = next.sessions() else { panic!() };
    assert_eq!((fresh.state().name(), kept.state().name(), kept.discriminator()), (Down, Up, taken));
    assert_ne!(fresh.discriminator(), taken);
    assert_eq!((kept.since(), kept.why()), (node.sessions()[0].since(), node.sessions()[0].why()));
    // It speaks at once, and gives its neighbour a whole detection time to be heard in.
    next.handle(later, Input::Tick);
    let speaks = sent(&mut next).iter().any(|c| c.state == Up && c.mine == taken);
    assert!(speaks);
    run(&mut next, later + Micros(149 * MILLI));
    assert_eq!(next.sessions()[1].state().name(), Up);
    run(&mut next, later + Micros(150 * MILLI));
    assert_eq!(next.sessions()[1].state().name(), Down);
}

#[test]
fn a_configuration_takes_sessions_away() {
    let other = Instance { name: "far".into(), neighbour: [192, 0, 2, 9].into(), ..settings() };
    let node = Node::new(START, vec![settings(), other.clone()], Before::Nothing, &mut numbers(1));
    assert_eq!(node.removed_by(&[Instance { name: "renamed".into(), ..other.clone() }]), [0]);
    assert_eq!(node.removed_by(&[settings(), Instance { hops: Hops::Multiple, ..other }]), [1]);
}

#[test]
fn names_are_never_zero_and_never_the_same() {
    let mut all: Vec<Instance> = Vec::new();
    for n in 0..20 {
        all.push(Instance { name: n.to_string(), neighbour: [192, 0, 2, n + 100].into(), ..settings() });
    }
    for number in [0, u32::MAX - 5] {
        let node = Node::new(START, all.clone(), Before::Nothing, &mut || number);
        let names: std::collections::BTreeSet<_> = node.sessions().iter().map(|s| s.discriminator()).collect();
        assert_eq!(names.len(), 20);
    }
}

#[test]
fn the_record_of_transitions_is_bounded() {
    let mut node = brought_to(settings(), Down);
    for _ in 0..50 {
        for said in [Init, Down] {
            hears(&mut node, START, said);
        }
    }
    assert_eq!(node.sessions()[0].history().count(), 32);
    assert_eq!((node.sessions()[0].counters.became_up, node.sessions()[0].counters.left_up), (50, 50));
}
