//! What tracked files, processes and BFD sessions do to priority and state.

#![allow(clippy::unwrap_used)] // a panic is the verdict

mod common;

use common::{instance, links};
use vipd_vrrp::admit::Admitted;
use vipd_vrrp::node::{Due, Input, Node, Settings};
use vipd_vrrp::packet::Advert;
use vipd_vrrp::router::{Name, advert};
use vipd_vrrp::settings::*;
use vipd_vrrp::timers::master_down;
use vipd_vrrp::track::{Cause, Effect, Known, Link};
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

const START: Instant = Instant(1_000_000_000);
/// Short enough for a backup that hears no master.
const UNIT: u64 = 100_000;

fn file() -> Tracked {
    Tracked::File("load".into())
}

fn process() -> Tracked {
    Tracked::Process("web".into())
}

fn bfd() -> Tracked {
    Tracked::Bfd("peer".into())
}

/// One instance of priority 100 that tracks this; the process needs two or three and has delays.
fn settings(what: Tracked, weight: i16, reverse: bool) -> Settings {
    let bearing = if weight == 0 { Bearing::Fault { reverse } } else { Bearing::Weight { weight, reverse } };
    let mut one = instance(Version::V3, 51, 100, 100);
    one.tracks = vec![Track { what, bearing }];
    let web = Process {
        name: "web".into(),
        quorum: 2,
        quorum_max: Some(3),
        terminate_delay: Micros(2 * UNIT),
        fork_delay: Micros(UNIT),
    };
    Settings { instances: vec![one], processes: vec![web], ..Settings::default() }
}

fn node(settings: Settings) -> Node {
    Node::new(START, settings, links([192, 0, 2, 1]), None, Micros::ZERO)
}

/// State, priority in force and what is wrong.
fn standing(node: &Node) -> (Name, u8, String) {
    let router = &node.routers()[0];
    let why = if router.state().name() == Name::Fault { router.why() } else { "" };
    (router.state().name(), router.priority().0, why.to_owned())
}

fn backup(priority: u8) -> (Name, u8, String) {
    (Name::Backup, priority, String::new())
}

fn fault(why: &str) -> (Name, u8, String) {
    (Name::Fault, 100, why.to_owned())
}

#[test]
fn a_file_adds_its_value_times_its_weight() {
    for (value, weight, reverse, expected) in [
        (0, 1, false, backup(100)),
        (20, 1, false, backup(120)),
        (-20, 1, false, backup(80)),
        (20, -2, false, backup(60)),
        (20, -2, true, backup(140)),
        (20, 2, true, backup(60)),
        (-253, 1, false, backup(1)),
        (-254, 1, false, fault("tracked file load has the value -254")),
        (127, -2, false, fault("tracked file load has the value 127")),
        (-127, -2, true, fault("tracked file load has the value -127")),
        (i64::MIN, 254, false, fault("tracked file load has the value -9223372036854775808")),
        (i64::MAX, 254, false, backup(254)),
        (i64::MIN, -254, false, backup(254)),
        // Without a weight any value but 0 is bad; reversed, 0 is.
        (0, 0, false, backup(100)),
        (1, 0, false, fault("tracked file load has the value 1")),
        (-1, 0, false, fault("tracked file load has the value -1")),
        (1, 0, true, backup(100)),
        (0, 0, true, fault("tracked file load has the value 0")),
    ] {
        let mut node = node(settings(file(), weight, reverse));
        node.handle(START, Input::File("load".into(), value));
        assert_eq!(standing(&node), expected, "{value} * {weight}, reverse {reverse}");
    }
}

#[test]
fn more_than_253_of_a_file_is_253() {
    let mut two = settings(file(), 1, false);
    two.instances[0].tracks.push(Track { what: bfd(), bearing: Bearing::Weight { weight: -253, reverse: false } });
    let mut node = node(two);
    assert_eq!(standing(&node), backup(1), "the session is down");
    node.handle(START, Input::File("load".into(), 1000));
    assert_eq!(standing(&node), backup(100));
    let effects: Vec<Effect> = node.tracks(0).map(|(_, _, effect)| effect).collect();
    assert_eq!(effects, [Effect::Adds(253), Effect::Adds(-253)]);
}

#[test]
fn what_decides_over_fault_is_awaited_what_weighs_is_not() {
    for what in [file(), process()] {
        assert_eq!(standing(&node(settings(what.clone(), 0, false))).0, Name::Init);
        assert_eq!(standing(&node(settings(what, 10, false))), backup(100));
    }
}

#[test]
fn a_bfd_session_is_down_until_it_is_up() {
    let mut vital = node(settings(bfd(), 0, false));
    assert_eq!(standing(&vital), fault("tracked BFD session peer is down"));
    vital.handle(START, Input::Bfd("peer".into(), true));
    assert_eq!(standing(&vital), backup(100));
    vital.handle(START, Input::Bfd("peer".into(), false));
    assert_eq!(standing(&vital), fault("tracked BFD session peer is down"));
    let mut reversed = node(settings(bfd(), 0, true));
    assert_eq!(standing(&reversed), backup(100));
    reversed.handle(START, Input::Bfd("peer".into(), true));
    assert_eq!(standing(&reversed), fault("tracked BFD session peer is up"));
    for (weight, reverse, down, up) in [(10, false, 100, 110), (-10, false, 90, 100), (-10, true, 110, 100)] {
        let mut node = node(settings(bfd(), weight, reverse));
        assert_eq!(standing(&node), backup(down));
        node.handle(START, Input::Bfd("peer".into(), true));
        assert_eq!(standing(&node), backup(up));
    }
}

/// A master that was too weak to be listened to is so no longer when our own priority falls below its: what it has said
/// counts, nobody takes over from it.
#[test]
fn a_weaker_master_that_became_the_stronger_one_has_been_heard() {
    for (falls_to, next) in [(40, Name::Backup), (50, Name::Backup), (70, Name::Master)] {
        let mut node = node(settings(bfd(), falls_to - 100, false));
        node.handle(START, Input::Bfd("peer".into(), true));
        let (down, _) = node.wake().unwrap();
        // Its advert comes shortly before it would be preempted.
        let heard = Instant(down.0 - UNIT);
        // It is slower than we are: what it says of its interval counts then, too.
        let advert = Advert { interval: Centis(300), ..advert(&node.routers()[0].settings, Priority(50)) };
        let source = [192, 0, 2, 9].into();
        let said = Admitted { source, way: Way::Own, advert, sequence: None, number: None, sum: None, oddity: None };
        node.handle(heard, Input::Advert(0, said));
        assert_eq!(node.wake().unwrap().0, down, "its adverts don't count");
        node.handle(heard, Input::Bfd("peer".into(), false));
        // A lower priority has a longer skew time.
        node.handle(down + Micros::from_secs(1), Input::Tick);
        assert_eq!(node.routers()[0].state().name(), next, "with priority {falls_to}");
        if next == Name::Backup {
            let falls_to = Priority(u8::try_from(falls_to).unwrap());
            let patience = master_down(Version::V3, falls_to, Centis(300), 3);
            assert_eq!(node.wake().unwrap().0, heard + patience);
        }
    }
}

#[test]
fn a_process_is_good_within_its_quorum() {
    for (count, expected) in [(0, 80), (1, 80), (2, 100), (3, 100), (4, 80)] {
        let mut node = node(settings(process(), -20, false));
        node.handle(START, Input::Process("web".into(), count, Cause::Ended));
        assert_eq!(standing(&node), backup(expected), "the first count decides at once: {count}");
        assert_eq!(node.process("web").unwrap().count(), Some(count));
    }
    let mut node = node(settings(process(), 0, false));
    node.handle(START, Input::Process("web".into(), 0, Cause::Seen));
    assert_eq!(standing(&node), fault("tracked process web has not its quorum"));
}

#[test]
fn a_process_must_stay_away_for_its_delay() {
    use Cause::{Ended, Forked, Seen};
    let mut node = node(settings(process(), 20, false));
    let count = |node: &mut Node, at, count, cause| node.handle(at, Input::Process("web".into(), count, cause));
    let due = |node: &Node| node.process("web").unwrap().wake();
    count(&mut node, START, 2, Seen);
    assert_eq!(standing(&node), backup(120));
    count(&mut node, START, 1, Ended);
    assert_eq!((standing(&node), due(&node)), (backup(120), Some(START + Micros(2 * UNIT))));
    assert_eq!(node.wake(), Some((START + Micros(2 * UNIT), Due::Process)));
    // More of the same moves nothing; what comes back in time was never away.
    count(&mut node, START + Micros(UNIT), 0, Ended);
    count(&mut node, START + Micros(UNIT), 0, Seen);
    assert_eq!(due(&node), Some(START + Micros(2 * UNIT)));
    count(&mut node, START + Micros(UNIT), 2, Seen);
    assert_eq!((standing(&node), due(&node)), (backup(120), None));
    // What stays away counts when its delay is over.
    let lost = START + Micros(UNIT);
    count(&mut node, lost, 1, Ended);
    node.handle(lost + Micros(2 * UNIT - 1), Input::Tick);
    assert_eq!(standing(&node), backup(120));
    node.handle(lost + Micros(2 * UNIT), Input::Tick);
    assert_eq!((standing(&node), due(&node)), (backup(100), None));
    // One that is forked has the other delay, in either direction: too many are no better than too few.
    let forked = lost + Micros(2 * UNIT);
    count(&mut node, forked, 3, Forked);
    assert_eq!((standing(&node), due(&node)), (backup(100), Some(forked + Micros(UNIT))));
    node.handle(forked + Micros(UNIT), Input::Tick);
    assert_eq!(standing(&node), backup(120));
    let many = forked + Micros(UNIT);
    count(&mut node, many, 4, Forked);
    assert_eq!((standing(&node), due(&node)), (backup(120), Some(many + Micros(UNIT))));
    count(&mut node, many, 5, Seen);
    assert_eq!((standing(&node), due(&node)), (backup(120), Some(many + Micros(UNIT))), "the first decides");
    count(&mut node, many, 3, Ended);
    assert_eq!((standing(&node), due(&node)), (backup(120), None));
    // What is another program now is not waited for.
    for (now_run, priority) in [(4, 100), (2, 120), (0, 100), (2, 120)] {
        count(&mut node, many, now_run, Seen);
        assert_eq!((standing(&node), due(&node)), (backup(priority), None));
    }
}

#[test]
fn what_is_known_outlives_a_reload() {
    let mut all = settings(file(), 1, false);
    let weighs = |what| Track { what, bearing: Bearing::Weight { weight: 10, reverse: false } };
    all.instances[0].tracks.extend([weighs(process()), weighs(bfd())]);
    let mut node = node(all.clone());
    node.handle(START, Input::File("load".into(), 7));
    node.handle(START, Input::Process("web".into(), 2, Cause::Seen));
    node.handle(START, Input::Bfd("peer".into(), true));
    assert_eq!(standing(&node), backup(127));
    while node.poll().is_some() {}
    let reloaded = |settings| {
        // As another process would get it.
        let json = serde_json::to_value(node.snapshot(START)).unwrap();
        let snapshot = serde_json::from_value(json).unwrap();
        Node::new(START, settings, links([192, 0, 2, 1]), Some((START, snapshot)), Micros::ZERO)
    };
    let mut same = reloaded(all.clone());
    assert_eq!(standing(&same), backup(127));
    assert_eq!(same.poll(), None, "a reload is no event");
    // A larger quorum is not there.
    let mut more = all.clone();
    more.processes[0].quorum = 3;
    assert_eq!(standing(&reloaded(more)), backup(117));
    // A delay that runs goes on, and is of no use where the new quorum is there.
    node.handle(START, Input::Process("web".into(), 1, Cause::Ended));
    let reloaded = |settings| {
        let before = Some((START, node.snapshot(START)));
        Node::new(START + Micros(UNIT), settings, links([192, 0, 2, 1]), before, Micros::ZERO)
    };
    assert_eq!(reloaded(all.clone()).process("web").unwrap().wake(), Some(START + Micros(2 * UNIT)));
    let mut fewer = all.clone();
    fewer.processes[0].quorum = 1;
    let fewer = reloaded(fewer);
    assert_eq!((standing(&fewer), fewer.process("web").unwrap().wake()), (backup(127), None));
    // What is no longer tracked is forgotten.
    let mut none = all;
    none.instances[0].tracks.clear();
    assert_eq!(reloaded(none).snapshot(START).tracked, []);
}

#[test]
fn a_members_fault_is_the_groups() {
    let mut two = settings(file(), 0, false);
    two.instances.push(instance(Version::V3, 52, 100, 100));
    two.groups.push(SyncGroup { name: "G".into(), members: vec!["VI_51".into(), "VI_52".into()] });
    let mut node = node(two);
    let states = |node: &Node| node.routers().iter().map(|r| r.state().name()).collect::<Vec<_>>();
    assert_eq!(states(&node), [Name::Init; 2]);
    node.handle(START, Input::File("load".into(), 3));
    assert_eq!(states(&node), [Name::Fault; 2]);
    assert_eq!(node.groups()[0].state(), Name::Fault);
    node.handle(START, Input::File("load".into(), 0));
    assert_eq!(states(&node), [Name::Backup; 2]);
}

#[test]
fn an_owner_is_not_weighed_but_may_be_at_fault() {
    let mut owner = settings(file(), 1, false);
    owner.instances[0].priority = Priority::OWNER;
    let mut node = node(owner);
    node.handle(START, Input::File("load".into(), -100));
    assert_eq!(node.routers()[0].priority(), Priority::OWNER);
    assert_eq!(node.tracks(0).next().unwrap().1, Some(Known::Value(-100)));
}

#[test]
fn what_an_instance_is_bound_to_must_be_there() {
    let standing_of = |binding: Binding, up: Option<bool>, track_primary| {
        let mut one = instance(Version::V3, 51, 100, 100);
        one.source = Some([192, 0, 2, 1].into());
        let peer = Peer { address: [192, 0, 2, 2].into(), min_ttl: None, max_ttl: None };
        one.transport = Transport::Unicast { peers: vec![peer], ttl: 255, check_source: false };
        (one.binding, one.track_primary) = (binding, track_primary);
        let mut links = links([192, 0, 2, 1]);
        let red = up.map(|up| Link { up, multicast: false, ipv4: None, link_local: None, mtu: 65_575 });
        links.extend(red.map(|red| ("red".to_owned(), red)));
        let node =
            Node::new(START, Settings { instances: vec![one], ..Settings::default() }, links, None, Micros::ZERO);
        standing(&node)
    };
    let standing_on = |binding, up| standing_of(binding, up, true);
    let red = || Binding::Vrf("red".into());
    assert_eq!(standing_on(Binding::Routes, None), backup(100));
    assert_eq!(standing_on(red(), Some(true)), backup(100));
    assert_eq!(standing_on(red(), Some(false)), fault("VRF red is down"));
    assert_eq!(standing_on(red(), None), fault("VRF red doesn't exist"));
    // With `dont_track_primary` it may be down, not away.
    let untracked = |up| standing_of(red(), up, false);
    assert_eq!(untracked(Some(false)), backup(100));
    assert_eq!(untracked(None), fault("VRF red doesn't exist"));
    // An interface of which the addresses are is looked at all the same.
    let mut one = instance(Version::V3, 51, 100, 100);
    one.source = Some([192, 0, 2, 1].into());
    (one.binding, one.addresses[0].device) = (Binding::Routes, "eth9".into());
    let settings = Settings { instances: vec![one], ..Settings::default() };
    assert_eq!(standing(&node(settings)), fault("interface eth9 of a virtual address doesn't exist"));
}
