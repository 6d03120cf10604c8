//! The table of transitions: every state against every kind of input, by the RFC's rules and keepalived's additions. No row
//! is left to a default.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::{instance, link, node};
use vipd_vrrp::admit::Admitted;
use vipd_vrrp::node::{Action, Due, Input, Node, Settings};
use vipd_vrrp::packet::Advert;
use vipd_vrrp::router::{Edge, Name, State, Timer, advert};
use vipd_vrrp::settings::*;
use vipd_vrrp::timers::{master_down, skew};
use vipd_vrrp::track::Duty;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

const OWN: [u8; 4] = [10, 0, 0, 5];
const LOWER: [u8; 4] = [10, 0, 0, 4];
const HIGHER: [u8; 4] = [10, 0, 0, 6];
const SECOND: u64 = 1_000_000;

/// The states that a test starts from.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Start {
    Init,
    Backup,
    Master,
    Fault,
}

/// What an edge is, for the table.
#[derive(Clone, PartialEq, Debug)]
enum Does {
    Sends(u8),
    Announces(u32),
    AnnouncesExtra,
    Becomes(Name),
    TellsLower,
    TellsPriority(u8),
    TellsStall,
    Resumes,
    Renews,
    Oversleeps,
    TellsTwo,
    Heals,
    LeavesContest,
    Asks,
    TellsRefusal,
    CatchesUp,
}

fn does(node: &mut Node) -> Vec<Does> {
    let mut all = Vec::new();
    while let Some(action) = node.poll() {
        all.push(match action {
            Action::Router(_, Edge::Send { advert, .. }) => Does::Sends(advert.priority.0),
            Action::Router(_, Edge::Announce { repeat }) => Does::Announces(repeat),
            Action::Router(_, Edge::AnnounceExtra) => Does::AnnouncesExtra,
            Action::Router(_, Edge::Changed(t)) => {
                assert!(!t.why.is_empty(), "a change without a cause");
                Does::Becomes(t.to)
            }
            Action::Router(_, Edge::LowerPriority { .. }) => Does::TellsLower,
            Action::Router(_, Edge::PriorityChanged { to, .. }) => Does::TellsPriority(to.0),
            Action::Router(_, Edge::Stalled { .. }) => Does::TellsStall,
            Action::Router(_, Edge::Resumed) => Does::Resumes,
            Action::Router(_, Edge::Renew) => Does::Renews,
            Action::Router(_, Edge::Overslept { .. }) => Does::Oversleeps,
            Action::Router(_, Edge::Ask { .. }) => Does::Asks,
            Action::Router(_, Edge::Refused { .. }) => Does::TellsRefusal,
            Action::Router(_, Edge::CatchUp { .. } | Edge::CaughtUp(_)) => Does::CatchesUp,
            Action::Router(_, Edge::TwoMasters { .. }) => Does::TellsTwo,
            Action::Router(_, Edge::Healed { .. }) => Does::Heals,
            Action::Router(_, Edge::LeftContest { .. }) => Does::LeavesContest,
            Action::Router(_, Edge::Silent { .. } | Edge::HeardAgain { .. }) => panic!("there is one way alone"),
            Action::Router(_, Edge::NotSent(_) | Edge::SentAgain(_)) => panic!("nobody has said what became of any"),
            Action::Group(..) => panic!("there is no group"),
            Action::Tracked(..) => continue,
        });
    }
    all
}

/// Version 3, one second, priority 100; a script weighs 10 and one without weight decides over FAULT.
fn settings() -> Settings {
    let script = |name: &str| Script { name: name.into(), rise: 1, fall: 1, init_fail: false };
    let mut one = instance(Version::V3, 51, 100, 100);
    one.tracks = vec![
        Track { what: Tracked::Script("vital".into()), bearing: Bearing::Fault { reverse: false } },
        Track { what: Tracked::Script("weighs".into()), bearing: Bearing::Weight { weight: -10, reverse: false } },
    ];
    Settings {
        instances: vec![one],
        groups: vec![],
        scripts: vec![script("vital"), script("weighs")],
        ..Settings::default()
    }
}

fn start(from: Start) -> (Node, Instant) {
    start_with(settings(), from)
}

fn start_with(settings: Settings, from: Start) -> (Node, Instant) {
    let mut now = Instant(1000 * SECOND);
    let mut node = Node::new(now, settings, common::links(OWN), None, Micros::ZERO);
    if from != Start::Init {
        node.handle(now, Input::Script("vital".into(), true, "ok".into()));
    }
    match from {
        Start::Init | Start::Backup => {}
        Start::Master => {
            now = node.wake().unwrap().0;
            node.handle(now, Input::Tick);
            now = now + Micros(SECOND / 2);
        }
        Start::Fault => {
            node.handle(now, Input::Link("eth0".into(), Some(vipd_vrrp::track::Link { up: false, ..link(OWN) })))
        }
    }
    does(&mut node);
    let expected = match from {
        Start::Init => Name::Init,
        Start::Backup => Name::Backup,
        Start::Master => Name::Master,
        Start::Fault => Name::Fault,
    };
    assert_eq!(node.routers()[0].state().name(), expected);
    (node, now)
}

fn heard(node: &Node, priority: u8, from: [u8; 4], interval: u16) -> Input {
    let base = advert(&node.routers()[0].settings, Priority(priority));
    let advert = Advert { interval: Centis(interval), ..base };
    Input::Advert(
        0,
        Admitted { source: from.into(), way: Way::Own, advert, sequence: None, number: None, sum: None, oddity: None },
    )
}

/// What happens, and the state after it.
fn after(from: Start, input: impl Fn(&Node) -> Input) -> (Vec<Does>, Name) {
    let (mut node, now) = start(from);
    let input = input(&node);
    node.handle(now, input);
    let done = does(&mut node);
    assert_eq!(
        node.claims(0).count() > 0,
        node.routers()[0].state().name() == Name::Master,
        "addresses exactly while MASTER"
    );
    (done, node.routers()[0].state().name())
}

#[test]
fn the_table() {
    use Does::*;
    use Name::Backup as ToBackup;
    use Start::{Backup, Fault, Init, Master};
    let says = |priority, from| move |node: &Node| heard(node, priority, from, 100);
    let quiet = |name| (vec![], name);

    // Adverts. In INIT and FAULT nobody listens.
    for (priority, from) in
        [(0, LOWER), (50, LOWER), (100, LOWER), (100, OWN), (100, HIGHER), (200, LOWER), (255, LOWER)]
    {
        assert_eq!(after(Init, says(priority, from)), quiet(Name::Init));
        assert_eq!(after(Fault, says(priority, from)), quiet(Name::Fault));
        // A backup stays one, whatever it hears: only silence makes a master.
        assert_eq!(after(Backup, says(priority, from)), quiet(ToBackup));
    }
    // A master: good-bye of another is answered; weaker ones are told who is master; stronger ones take over.
    assert_eq!(after(Master, says(0, LOWER)), (vec![Sends(100), Announces(5)], Name::Master));
    assert_eq!(after(Master, says(50, HIGHER)), (vec![TellsLower, Sends(100), Announces(5)], Name::Master));
    assert_eq!(after(Master, says(100, LOWER)), (vec![TellsLower, Sends(100), Announces(5)], Name::Master));
    // (It may have served beside this one, for all that is known.)
    assert_eq!(after(Master, says(100, HIGHER)), (vec![Sends(100), Becomes(ToBackup)], ToBackup));
    assert_eq!(after(Master, says(200, LOWER)), (vec![Sends(100), Becomes(ToBackup)], ToBackup));
    assert_eq!(after(Master, says(255, LOWER)), (vec![Sends(100), Becomes(ToBackup)], ToBackup));

    // Time that has not come changes nothing.
    for (from, name) in [(Init, Name::Init), (Backup, ToBackup), (Master, Name::Master), (Fault, Name::Fault)] {
        assert_eq!(after(from, |_| Input::Tick), quiet(name), "{from:?}");
    }

    // The interface goes down, goes away, comes.
    let down = |_: &Node| Input::Link("eth0".into(), Some(vipd_vrrp::track::Link { up: false, ..link(OWN) }));
    let gone = |_: &Node| Input::Link("eth0".into(), None);
    let up = |_: &Node| Input::Link("eth0".into(), Some(link(OWN)));
    for lost in [&down as &dyn Fn(&Node) -> Input, &gone] {
        assert_eq!(after(Init, lost), (vec![Becomes(Name::Fault)], Name::Fault));
        assert_eq!(after(Backup, lost), (vec![Becomes(Name::Fault)], Name::Fault));
        assert_eq!(after(Master, lost), (vec![Sends(0), Becomes(Name::Fault)], Name::Fault));
        assert_eq!(after(Fault, lost), quiet(Name::Fault));
    }
    assert_eq!(after(Init, up), quiet(Name::Init));
    assert_eq!(after(Backup, up), quiet(ToBackup));
    assert_eq!(after(Master, up), quiet(Name::Master));
    assert_eq!(after(Fault, up), (vec![Becomes(ToBackup)], ToBackup));

    // The script that decides over FAULT.
    let vital = |good: bool| move |_: &Node| Input::Script("vital".into(), good, "ran".into());
    assert_eq!(after(Init, vital(true)), (vec![Becomes(ToBackup)], ToBackup));
    assert_eq!(after(Init, vital(false)), (vec![Becomes(Name::Fault)], Name::Fault));
    assert_eq!(after(Backup, vital(true)), quiet(ToBackup));
    assert_eq!(after(Backup, vital(false)), (vec![Becomes(Name::Fault)], Name::Fault));
    assert_eq!(after(Master, vital(true)), quiet(Name::Master));
    assert_eq!(after(Master, vital(false)), (vec![Sends(0), Becomes(Name::Fault)], Name::Fault));
    assert_eq!(after(Fault, vital(true)), quiet(Name::Fault));
    assert_eq!(after(Fault, vital(false)), quiet(Name::Fault));

    // The script that weighs: the priority changes, the state doesn't.
    let weighs = |_: &Node| Input::Script("weighs".into(), false, "ran".into());
    assert_eq!(after(Init, weighs), (vec![], Name::Init));
    assert_eq!(after(Backup, weighs), (vec![TellsPriority(90)], ToBackup));
    assert_eq!(after(Master, weighs), (vec![TellsPriority(90)], Name::Master));
    assert_eq!(after(Fault, weighs), (vec![TellsPriority(90)], Name::Fault));

    // The end.
    assert_eq!(after(Init, |_| Input::Stop("the daemon stops".into())), (vec![Becomes(Name::Stop)], Name::Stop));
    assert_eq!(after(Backup, |_| Input::Stop("the daemon stops".into())), (vec![Becomes(Name::Stop)], Name::Stop));
    assert_eq!(
        after(Master, |_| Input::Stop("the daemon stops".into())),
        (vec![Sends(0), Becomes(Name::Stop)], Name::Stop)
    );
    assert_eq!(after(Fault, |_| Input::Stop("the daemon stops".into())), (vec![Becomes(Name::Stop)], Name::Stop));
    assert_eq!(after(Master, |_| Input::Remove(0)), (vec![Sends(0), Becomes(Name::Stop)], Name::Stop));
}

/// What a master does that hears this; what it does later, its own adverts left out, until its addresses would be announced for
/// the second time; and its state then. The instance is changed like this.
fn master_hears(change: impl Fn(&mut Instance), (priority, from): (u8, [u8; 4])) -> (Vec<Does>, Vec<Does>, Name) {
    let mut settings = settings();
    // Other announcements than those for a weaker master are told by their number.
    settings.instances[0].garp.master_repeat = 7;
    settings.instances.iter_mut().for_each(change);
    let (first, second) = (settings.instances[0].garp.master_delay, settings.instances[0].garp.lower_prio_delay);
    let (mut node, mut now) = start_with(settings, Start::Master);
    let settled = now + first + Micros(SECOND);
    while now < settled {
        now = node.wake().unwrap().0;
        node.handle(now, Input::Tick);
    }
    does(&mut node);
    let input = heard(&node, priority, from, 100);
    node.handle(now, input);
    let at_once = does(&mut node);
    let mut later = Vec::new();
    while let Some((next, ..)) = node.wake().filter(|(next, ..)| *next <= now + second)
        && node.routers()[0].state().name() == Name::Master
    {
        node.handle(next, Input::Tick);
        later.extend(does(&mut node).into_iter().filter(|d| *d != Does::Sends(100)));
    }
    (at_once, later, node.routers()[0].state().name())
}

#[test]
fn words_that_say_how_another_master_is_answered() {
    use Does::*;
    use Name::{Backup, Master};
    let (weaker, equal, good_bye, stronger, higher) =
        ((50, HIGHER), (100, LOWER), (0, LOWER), (200, LOWER), (100, HIGHER));
    // That the other one has gone is announced as becoming master is; between that and the second block for it.
    let ends = |second: &[Does]| [&[Announces(7), Heals], second].concat();

    let plain = |_: &mut Instance| {};
    let told = vec![TellsLower, Sends(100), Announces(5)];
    assert_eq!(master_hears(plain, weaker), (told.clone(), ends(&[Announces(5)]), Master));
    // (A stronger one that it never heard before may have served beside it, and is told.)
    assert_eq!(master_hears(plain, stronger), (vec![Sends(100), Becomes(Backup)], vec![], Backup));

    // `lower_prio_no_advert`: clients are told who is master all the same, and a good-bye is answered.
    let silent = |i: &mut Instance| i.lower_prio_no_advert = true;
    for weak in [weaker, equal] {
        assert_eq!(master_hears(silent, weak), (vec![TellsLower, Announces(5)], ends(&[Announces(5)]), Master));
    }
    assert_eq!(master_hears(silent, good_bye), (vec![Sends(100), Announces(5)], vec![Announces(5)], Master));
    assert_eq!(master_hears(silent, stronger), (vec![Sends(100), Becomes(Backup)], vec![], Backup));

    // `higher_prio_send_advert`: a last word to the stronger alone, and to one that comes back after a good-bye, too.
    let polite = |i: &mut Instance| i.higher_prio_send_advert = true;
    for strong in [stronger, higher] {
        assert_eq!(master_hears(polite, strong), (vec![Sends(100), Becomes(Backup)], vec![], Backup));
    }
    assert_eq!(master_hears(polite, weaker), (told, ends(&[Announces(5)]), Master));
    for (is_polite, says) in [(false, vec![Becomes(Backup)]), (true, vec![Sends(100), Becomes(Backup)])] {
        let settings = Instance { higher_prio_send_advert: is_polite, ..instance(Version::V3, 51, 100, 100) };
        let mut node = node(Instant(SECOND), settings, OWN);
        let (leaves, comes) = (heard(&node, 0, LOWER, 100), heard(&node, 200, LOWER, 100));
        node.handle(Instant(SECOND), leaves);
        node.handle(Instant(2 * SECOND), Input::Tick);
        assert!(does(&mut node).contains(&Becomes(Master)));
        node.handle(Instant(3 * SECOND), comes);
        assert_eq!(does(&mut node), says);
    }

    // `garp_lower_prio_repeat`: so many, now and once more; 0 is none.
    for repeat in [1, 3] {
        let few = |i: &mut Instance| i.garp.lower_prio_repeat = repeat;
        let told = vec![TellsLower, Sends(100), Announces(repeat)];
        assert_eq!(master_hears(few, weaker), (told, ends(&[Announces(repeat)]), Master));
    }
    let none = |i: &mut Instance| i.garp.lower_prio_repeat = 0;
    assert_eq!(master_hears(none, weaker), (vec![TellsLower, Sends(100)], ends(&[]), Master));
}

#[test]
fn the_masters_schedule_is_its_own() {
    let (mut node, mut now) = start(Start::Master);
    let advert = |node: &Node| match node.routers()[0].state() {
        State::Master(master) => master.next_advert,
        other => panic!("{other:?}"),
    };
    let due = advert(&node);
    // Whatever comes, and however often: the next advert is due when it was.
    for n in 0..1000 {
        now = now + Micros(400);
        let input = heard(&node, [0, 50, 99][n % 3], LOWER, 100);
        node.handle(now, input);
        node.handle(now, Input::Tick);
        assert_eq!(advert(&node), due);
    }
    let done = does(&mut node);
    let answers = done.iter().filter(|d| matches!(d, Does::Sends(_))).count();
    assert!(answers <= 6, "{answers} answers within 0.4 s: a flood is not answered by a flood");
    let blocks = done.iter().filter(|d| matches!(d, Does::Announces(_))).count();
    assert!(blocks <= 2, "{blocks} blocks of announcements within 0.4 s");
    node.handle(due, Input::Tick);
    assert_eq!(does(&mut node), [Does::Sends(100)]);
    assert_eq!(advert(&node), due + Micros(SECOND));
}

#[test]
fn silence_makes_a_master_and_a_good_bye_makes_one_sooner() {
    let (mut node, now) = start(Start::Backup);
    let (p, int) = (Priority(100), Centis(100));
    assert_eq!(node.wake().unwrap().0, now + master_down(Version::V3, p, int, 3));
    let later = now + Micros(SECOND);
    node.handle(later, heard(&node, 200, LOWER, 100));
    assert_eq!(node.wake().unwrap().0, later + master_down(Version::V3, p, int, 3));
    // The master's interval is learned.
    node.handle(later, heard(&node, 200, LOWER, 300));
    assert_eq!(node.wake().unwrap().0, later + master_down(Version::V3, p, Centis(300), 3));
    // A weaker one is not accepted: the timer runs on.
    let due = node.wake().unwrap().0;
    node.handle(later + Micros(5), heard(&node, 50, LOWER, 100));
    assert_eq!(node.wake().unwrap().0, due);
    node.handle(later, heard(&node, 0, LOWER, 300));
    assert_eq!(node.wake().unwrap().0, later + skew(Version::V3, p, Centis(300)));
    let due = node.wake().unwrap().0;
    node.handle(due, Input::Tick);
    // The advert first, then the state (and with it the addresses), then the announcement.
    assert_eq!(does(&mut node), [Does::Sends(100), Does::Becomes(Name::Master), Does::Announces(5)]);
    assert!(node.routers()[0].why().contains("gave up"), "{}", node.routers()[0].why());
    assert_eq!(node.wake().unwrap().0, due + Micros(SECOND), "with its own interval again");
}

#[test]
fn a_hostile_interval_of_nothing_does_not_make_a_busy_loop() {
    let (mut node, now) = start(Start::Backup);
    node.handle(now, heard(&node, 200, LOWER, 0));
    assert!(node.wake().unwrap().0 >= now + Micros(30_000), "{:?}", node.wake());
}

#[test]
fn a_lower_priority_shifts_a_running_timer() {
    let (mut node, now) = start(Start::Backup);
    let before = node.wake().unwrap().0;
    node.handle(now, Input::Script("weighs".into(), false, "ran".into()));
    // Ten less: ten 256ths of the interval later.
    assert_eq!(node.wake().unwrap().0 - before, Micros(10 * SECOND / 256 - 1 + 1));
}

#[test]
fn formulas() {
    let down = |v, p, int| master_down(v, Priority(p), Centis(int), 3).0;
    assert_eq!(skew(Version::V2, Priority(100), Centis(100)).0, 609_375);
    assert_eq!(down(Version::V2, 100, 100), 3_609_375);
    assert_eq!(skew(Version::V3, Priority(100), Centis(50)).0, 304_687);
    assert_eq!(down(Version::V3, 100, 50), 1_804_687);
    assert_eq!(
        skew(Version::V2, Priority(255), Centis(900)).0,
        3906,
        "version 2 skews by a second whatever the interval"
    );
}

#[test]
fn a_master_that_was_away_too_long_listens_first_and_one_that_was_not_goes_on() {
    let (node, now) = start(Start::Master);
    let snapshot = node.snapshot(now);
    // It crosses process borders as JSON.
    let json = serde_json::to_string(&snapshot).unwrap();
    let snapshot: vipd_vrrp::node::Snapshot = serde_json::from_str(&json).unwrap();
    assert_eq!(snapshot, node.snapshot(now));
    for (away, expected) in [(50_000, Name::Master), (2_500_000, Name::Master), (2_700_000, Name::Backup)] {
        let later = now + Micros(away);
        let mut next = Node::new(later, settings(), common::links(OWN), Some((now, snapshot.clone())), Micros::ZERO);
        assert_eq!(next.routers()[0].state().name(), expected, "away for {away}");
        let first = does(&mut next);
        if expected == Name::Master {
            assert_eq!(first, [Does::Announces(5)], "nothing has changed: clients alone are told");
            assert_eq!(next.wake().unwrap().0, later, "an advert at once");
            assert_eq!(next.routers()[0].since(), node.routers()[0].since());
        } else {
            assert_eq!(first, [Does::Becomes(Name::Backup)]);
            assert_eq!(next.claims(0).count(), 0);
        }
    }
    // A backup listens for a whole interval again.
    let (node, now) = start(Start::Backup);
    let later = now + Micros(3_000_000);
    let next = Node::new(later, settings(), common::links(OWN), Some((now, node.snapshot(now))), Micros::ZERO);
    assert_eq!(next.wake().unwrap().0, later + master_down(Version::V3, Priority(100), Centis(100), 3));
}

#[test]
fn preempt_delay_counts_from_the_first_weaker_advert() {
    let mut one = instance(Version::V3, 51, 100, 100);
    one.preempt = Preempt::After(Micros(10 * SECOND));
    let mut now = Instant(SECOND);
    let mut node = node(now, one, OWN);
    let first = now;
    let mut waited = Micros::ZERO;
    while node.routers()[0].state().name() != Name::Master {
        waited = now - first;
        node.handle(now, heard(&node, 50, LOWER, 100));
        now = now + Micros(SECOND / 2);
        node.handle(now, Input::Tick);
        assert!(waited < Micros(60 * SECOND), "never");
    }
    assert!((10 * SECOND..14 * SECOND).contains(&waited.0), "{waited}");
}

#[test]
fn without_preemption_a_weaker_master_is_left_in_peace() {
    let mut one = instance(Version::V3, 51, 200, 100);
    one.preempt = Preempt::Never;
    let mut now = Instant(SECOND);
    let mut node = node(now, one, OWN);
    for _ in 0..100 {
        now = now + Micros(SECOND);
        node.handle(now, heard(&node, 50, LOWER, 100));
        node.handle(now, Input::Tick);
        assert!(matches!(node.routers()[0].state(), State::Backup(_)));
    }
    let due = node.wake().unwrap().0;
    node.handle(due, Input::Tick);
    assert_eq!(node.routers()[0].state().name(), Name::Master, "its silence ends the peace");
}

#[test]
fn an_owner_serves_at_once() {
    let now = Instant(SECOND);
    let mut node = node(now, instance(Version::V3, 51, 255, 100), OWN);
    assert_eq!(node.wake().unwrap().0, now);
    node.handle(now, Input::Tick);
    assert_eq!(node.routers()[0].state().name(), Name::Master);
}

#[test]
fn a_group_moves_as_one() {
    let mut settings = Settings {
        instances: vec![instance(Version::V3, 1, 100, 100), instance(Version::V3, 2, 100, 100)],
        groups: vec![SyncGroup { name: "G".into(), members: vec!["VI_1".into(), "VI_2".into()] }],
        ..Settings::default()
    };
    settings.instances[1].binding = Binding::Interface("eth1".into());
    let mut links = common::links(OWN);
    links.insert("eth1".into(), link([10, 1, 0, 5]));
    let mut now = Instant(SECOND);
    let mut node = Node::new(now, settings, links, None, Micros::ZERO);
    let states =
        |node: &Node| (node.routers()[0].state().name(), node.routers()[1].state().name(), node.groups()[0].state());
    // One hears a master, the other doesn't: neither takes over.
    for _ in 0..30 {
        now = now + Micros(SECOND / 2);
        node.handle(now, heard(&node, 200, LOWER, 100));
        node.handle(now, Input::Tick);
        assert_eq!(states(&node), (Name::Backup, Name::Backup, Name::Backup));
        assert!(node.wake().unwrap().0 > now, "no busy loop while waiting for the sibling");
    }
    // Now neither does: both take over at once.
    for _ in 0..12 {
        now = now + Micros(SECOND / 2);
        node.handle(now, Input::Tick);
        let (a, b, _) = states(&node);
        assert_eq!(a, b);
    }
    assert_eq!(states(&node), (Name::Master, Name::Master, Name::Master));
    // One interface fails: both go, and the healthy one says why.
    node.handle(now, Input::Link("eth1".into(), None));
    assert_eq!(states(&node), (Name::Fault, Name::Fault, Name::Fault));
    assert!(node.routers()[0].why().contains("VI_2"), "{}", node.routers()[0].why());
    node.handle(now, Input::Link("eth1".into(), Some(link([10, 1, 0, 5]))));
    assert_eq!(states(&node), (Name::Backup, Name::Backup, Name::Backup));
}

/// A master that did not run: within its backups' patience it goes on at once, beyond it it listens first, and then goes on if
/// nobody was heard, or gives way.
#[test]
fn a_stalled_master_listens_before_it_sends() {
    const START: Instant = Instant(1_000_000_000);
    let patience = master_down(Version::V3, Priority(100), Centis(100), 3);
    let master = || {
        let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
        let at = START + patience;
        node.handle(at, Input::Tick);
        does(&mut node);
        (node, at)
    };
    let second = Micros(SECOND);
    // The last advert left at `at`; so long after it.
    let (mut node, at) = master();
    let at = at + patience;
    node.handle(at, Input::TickMasters);
    assert_eq!(does(&mut node), [Does::Sends(100)], "its backups still wait");
    assert_eq!(node.routers()[0].counters.latest_advert, Micros(patience.0 - SECOND));

    let (mut node, at) = master();
    let at = at + Micros(patience.0 + 1);
    node.handle(at, Input::TickMasters);
    assert_eq!(does(&mut node), [Does::TellsStall]);
    assert_eq!(node.wake(), Some((at + second, Due::Router(0, Timer::Listening))));
    node.handle(at + Micros(SECOND - 1), Input::Tick);
    assert_eq!(does(&mut node), []);
    node.handle(at + second, Input::TickMasters);
    assert_eq!(does(&mut node), [], "what has arrived is read first");
    node.handle(at + second, Input::Tick);
    assert!(does(&mut node).contains(&Does::Sends(100)), "nobody was heard: it is the master still");
    assert_eq!(node.claims(0).count(), 1);
    node.handle(at + second + second, Input::TickMasters);
    assert!(does(&mut node).contains(&Does::Sends(100)));
    assert_eq!(node.routers()[0].counters.stalled, 1);

    // A weaker one has taken over: it is heard, not shouted down, and preempted in the usual way.
    let (mut node, at) = master();
    let at = at + Micros(patience.0 + 1);
    node.handle(at, Input::TickMasters);
    does(&mut node);
    let weaker = heard(&node, 50, LOWER, 100);
    node.handle(at + Micros(9), weaker);
    assert_eq!(does(&mut node), [Does::Becomes(Name::Backup)]);
    assert!(node.routers()[0].why().contains("was not running for 3.6"), "{}", node.routers()[0].why());
    assert_eq!(node.claims(0).count(), 0);
    node.handle(at + Micros(9 + patience.0), Input::Tick);
    assert!(does(&mut node).contains(&Does::Becomes(Name::Master)));

    // One that ends while it listens says no good-bye for a master that it may no longer be.
    let (mut node, at) = master();
    let at = at + Micros(patience.0 + 1);
    node.handle(at, Input::TickMasters);
    does(&mut node);
    node.handle(at, Input::Stop("the daemon stops".into()));
    assert_eq!(does(&mut node), [Does::Becomes(Name::Stop)]);
}

/// A virtual machine stood still, and what was sent meanwhile is lost: nobody knows whether the master is there.
#[test]
fn a_backup_that_stood_still_waits_for_one_more_advert() {
    const START: Instant = Instant(1_000_000_000);
    let (interval, patience) = (Micros(SECOND), master_down(Version::V3, Priority(100), Centis(100), 3));
    let skew = Micros(patience.0 - 3 * SECOND);
    let backup = || {
        let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
        let advert = heard(&node, 200, HIGHER, 100);
        node.handle(START, advert);
        does(&mut node);
        (node, START + patience)
    };
    // A little late is late.
    let (mut node, down) = backup();
    node.handle(down + Micros(SECOND - 1), Input::Tick);
    assert!(does(&mut node).contains(&Does::Becomes(Name::Master)));

    // An interval late: it waits for the next advert, once.
    let (mut node, down) = backup();
    let woke = down + Micros(7 * SECOND);
    node.handle(woke, Input::Tick);
    assert_eq!(does(&mut node), [Does::Oversleeps]);
    assert_eq!(node.wake(), Some((woke + interval + skew, Due::Router(0, Timer::MasterDown))));
    let later = woke + interval + skew + Micros(9 * SECOND);
    node.handle(later, Input::Tick);
    assert!(does(&mut node).contains(&Does::Becomes(Name::Master)), "not for ever");

    // The master is there: nothing happened, and the next time it waits again.
    let (mut node, down) = backup();
    let woke = down + Micros(7 * SECOND);
    node.handle(woke, Input::Tick);
    let advert = heard(&node, 200, HIGHER, 100);
    node.handle(woke + Micros(SECOND / 2), advert);
    assert_eq!(does(&mut node), [Does::Oversleeps]);
    node.handle(woke + Micros(SECOND / 2) + patience + interval, Input::Tick);
    assert_eq!(does(&mut node), [Does::Oversleeps]);
}

/// One of two that both served knows of it and sees it end; the other one says a last word.
#[test]
fn two_masters_are_told_of_once_and_seen_to_end() {
    const START: Instant = Instant(1_000_000_000);
    let patience = master_down(Version::V3, Priority(100), Centis(100), 3);
    let second = Micros(SECOND);
    let master = || {
        let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
        let at = START + patience;
        node.handle(at, Input::Tick);
        does(&mut node);
        (node, at)
    };
    // Within its first interval nobody need have heard it yet: the former master's last word.
    let (mut node, at) = master();
    let weaker = heard(&node, 50, LOWER, 100);
    node.handle(at + Micros(SECOND - 1), weaker.clone());
    assert!(!does(&mut node).contains(&Does::TellsTwo));
    assert_eq!(node.routers()[0].counters.two_masters, 0);
    // Then it is a second master: told when it goes on, once, however often it is heard.
    let mut now = at + second;
    for n in 0..3 {
        node.handle(now, weaker.clone());
        assert_eq!(does(&mut node).contains(&Does::TellsTwo), n == 1);
        now = now + second;
        node.handle(now, Input::TickMasters);
        assert!(!does(&mut node).contains(&Does::Heals));
    }
    let State::Master(serving) = node.routers()[0].state() else { panic!("it gave way") };
    let contest = serving.contest.unwrap();
    assert_eq!((contest.adverts, contest.other.priority, contest.since), (3, Priority(50), at + second));
    assert!(contest.goes_on);
    // It is heard no more: over, after a master-down interval, and announced anew.
    let last = contest.other.at;
    while now < last + patience {
        node.handle(now, Input::TickMasters);
        assert!(!does(&mut node).contains(&Does::Heals));
        now = now + second;
    }
    // (Not before everything was read that has come by then.)
    node.handle(now, Input::TickMasters);
    assert!(!does(&mut node).contains(&Does::Heals));
    node.handle(now, Input::Tick);
    let told = does(&mut node);
    assert!(told.contains(&Does::Heals) && told.contains(&Does::Announces(5)), "{told:?}");
    // A stranger can't have hooks run all the time: the next is known at once, and told when that is half a minute ago.
    for n in 1..30 {
        node.handle(now + Micros(n * SECOND), weaker.clone());
        let told = does(&mut node);
        assert!(!told.contains(&Does::TellsTwo) && !told.contains(&Does::Heals), "{n}");
        let known = node.routers()[0].second_master(now + Micros(n * SECOND)).map(|contest| contest.since);
        assert_eq!(known, (n > 1).then_some(now + second));
        node.handle(now + Micros(n * SECOND + 1), Input::TickMasters);
    }
    assert_eq!(node.routers()[0].counters.two_masters, 2);
    node.handle(now + Micros(30 * SECOND), weaker.clone());
    assert!(does(&mut node).contains(&Does::TellsTwo));
    node.handle(now + Micros(31 * SECOND), weaker);
    assert!(!does(&mut node).contains(&Does::TellsTwo));
    // Who is told that it began is told that it is over, also when this one goes.
    node.handle(now + Micros(32 * SECOND), Input::Duty(Duty::Maintenance));
    assert!(does(&mut node).contains(&Does::LeavesContest));
    assert!(!matches!(node.routers()[0].state(), State::Master(_)));
}

/// A last word is no contest; it is told as what it is when it is sure that no more follows, or when this one goes.
#[test]
fn a_last_word_is_told_once_as_one() {
    const START: Instant = Instant(1_000_000_000);
    let patience = master_down(Version::V3, Priority(100), Centis(100), 3);
    for leaves in [false, true] {
        let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
        let mut now = START + patience;
        node.handle(now, Input::Tick);
        now = now + Micros(2 * SECOND);
        node.handle(now, Input::Tick);
        does(&mut node);
        let weaker = heard(&node, 50, LOWER, 100);
        node.handle(now, weaker.clone());
        assert_eq!(node.routers()[0].counters.two_masters, 1);
        let State::Master(serving) = node.routers()[0].state() else { panic!("it gave way") };
        let contest = serving.contest.unwrap();
        assert_eq!((contest.adverts, contest.goes_on, contest.other.at), (1, false, contest.since));
        let mut told = does(&mut node);
        if leaves {
            node.handle(now, Input::Duty(Duty::Maintenance));
        }
        for _ in 0..8 {
            now = now + Micros(SECOND / 2);
            node.handle(now, Input::Tick);
            told.extend(does(&mut node));
        }
        assert!(!told.contains(&Does::TellsTwo), "{told:?}");
        let end = if leaves { Does::LeavesContest } else { Does::Heals };
        assert_eq!(told.iter().filter(|does| matches!(does, Does::Heals | Does::LeavesContest)).count(), 1);
        assert!(told.contains(&end), "{told:?}");
    }
}

/// Words with silence between them are no master that goes on, also while nothing is told so soon after the last one.
#[test]
fn last_words_one_after_another_are_no_second_master() {
    const START: Instant = Instant(1_000_000_000);
    let patience = master_down(Version::V3, Priority(100), Centis(100), 3);
    let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
    let mut now = START + patience;
    node.handle(now, Input::Tick);
    let weaker = heard(&node, 50, LOWER, 100);
    let mut told = Vec::new();
    let mut pass = |node: &mut Node, seconds: u64| {
        for _ in 0..seconds * 2 {
            now = now + Micros(SECOND / 2);
            node.handle(now, Input::Tick);
            assert_eq!(node.routers()[0].second_master(now), None);
            told.extend(does(node));
        }
        now
    };
    for _ in 0..4 {
        let now = pass(&mut node, 5);
        node.handle(now, weaker.clone());
    }
    assert_eq!(node.routers()[0].counters.two_masters, 4);
    pass(&mut node, 40);
    assert!(!told.contains(&Does::TellsTwo), "{told:?}");
    // The first, and what came in the half minute behind it.
    assert_eq!(told.iter().filter(|does| **does == Does::Heals).count(), 2, "{told:?}");
}

/// Another master that sends more rarely than this one goes on all the same.
#[test]
fn a_slow_second_master_is_no_last_word() {
    let mut node = node(Instant(SECOND), instance(Version::V3, 51, 100, 100), OWN);
    let mut now = node.wake().unwrap().0;
    node.handle(now, Input::Tick);
    let slow = heard(&node, 50, LOWER, 1000);
    let mut told = Vec::new();
    for second in 1..=60 {
        now = now + Micros(SECOND);
        node.handle(now, Input::Tick);
        if second % 10 == 0 {
            node.handle(now, slow.clone());
        }
        told.extend(does(&mut node).into_iter().filter(|does| matches!(does, Does::TellsTwo | Does::Heals)));
    }
    assert_eq!(told, [Does::TellsTwo]);
}

/// Who serves because a stronger one fell silent tells that one that it did.
#[test]
fn who_served_beside_a_stronger_master_says_a_last_word() {
    const START: Instant = Instant(1_000_000_000);
    let patience = master_down(Version::V3, Priority(100), Centis(100), 3);
    // It fell silent, and is there again.
    let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
    let (at, stronger) = (START, heard(&node, 200, HIGHER, 100));
    node.handle(at, stronger.clone());
    node.handle(at + patience, Input::Tick);
    assert!(does(&mut node).contains(&Does::Becomes(Name::Master)));
    node.handle(at + patience + Micros(7 * SECOND), stronger.clone());
    assert_eq!(does(&mut node), [Does::Sends(100), Does::Becomes(Name::Backup)]);
    assert!(node.routers()[0].why().contains("may have been two masters for 7.000 s"), "{}", node.routers()[0].why());

    // By what it counts its adverts as it is known whether it went on sending. Without leases a dead one keeps its addresses.
    let beside = |lost, back, vip_lease| {
        let mut node = common::node(START, Instance { vip_lease, ..instance(Version::V3, 51, 100, 100) }, OWN);
        let numbered = |node: &Node, number| match heard(node, 200, HIGHER, 100) {
            Input::Advert(i, admitted) => Input::Advert(i, Admitted { number, ..admitted }),
            other => panic!("{other:?}"),
        };
        let (before, after) = (numbered(&node, lost), numbered(&node, back));
        node.handle(at, before);
        node.handle(at + patience, Input::Tick);
        node.handle(at + patience + Micros(7 * SECOND), after);
        assert!(does(&mut node).ends_with(&[Does::Sends(100), Does::Becomes(Name::Backup)]));
        node.routers()[0].why().to_owned()
    };
    let both = "which had fallen silent: there may have been two masters for 7.000 s";
    for (lost, back, vip_lease, says) in [
        (Some(7), Some(10), true, both),
        (Some(7), Some(9), true, "which had sent no more than a good-bye for 10.609 s; it may have held"),
        (Some(7), Some(9), false, both),
        (Some(7), Some(7), true, both),
        (Some(7), None, true, both),
        (None, Some(1), true, both),
        (Some(7), Some(8), false, both),
        (Some(7), Some(1), false, both),
        (
            Some(7),
            Some(8),
            true,
            "which had sent nothing for 10.609 s; it may have held the addresses meanwhile, unless",
        ),
        (Some(u16::MAX), Some(1), true, "which had sent nothing for 10.609 s; it may have"),
        (Some(7), Some(1), true, "silent for 10.609 s and has been started anew; it may have held the addresses"),
    ] {
        let why = beside(lost, back, vip_lease);
        assert!(why.contains(says) && (says == both || !why.contains("may have been")), "{lost:?} {back:?}: {why}");
    }

    // It said good-bye, and comes back: the usual hand-over, without a word.
    let at = at + Micros(20 * SECOND);
    let release = heard(&node, 0, HIGHER, 100);
    node.handle(at, release);
    node.handle(at + Micros(SECOND), Input::Tick);
    assert!(does(&mut node).contains(&Does::Becomes(Name::Master)));
    node.handle(at + Micros(8 * SECOND), stronger);
    assert_eq!(does(&mut node), [Does::Becomes(Name::Backup)]);
}

/// Whether one that comes back, or comes for the first time, served meanwhile: by the numbers of its adverts, or it may have.
#[test]
fn who_may_have_served_beside_a_stronger_master_says_a_last_word() {
    const START: Instant = Instant(1_000_000_000);
    let says = |before: Option<(u8, Option<u16>)>, after: Micros, number| {
        let mut node = node(START, instance(Version::V3, 51, 100, 100), OWN);
        let numbered = |node: &Node, priority, number| match heard(node, priority, HIGHER, 100) {
            Input::Advert(i, admitted) => Input::Advert(i, Admitted { number, ..admitted }),
            other => panic!("{other:?}"),
        };
        if let Some((priority, number)) = before {
            let advert = numbered(&node, priority, number);
            node.handle(START, advert);
        }
        let mut now = START;
        while node.routers()[0].state().name() != Name::Master {
            now = now + Micros(SECOND / 2);
            if let Some((priority @ 1.., number)) = before {
                let advert = numbered(&node, priority, number);
                node.handle(now, advert); // a weaker one is preempted in full voice
            }
            node.handle(now, Input::Tick);
        }
        let advert = numbered(&node, 200, number);
        does(&mut node);
        node.handle(now + after, advert);
        let does = does(&mut node);
        assert_eq!(does.last(), Some(&Does::Becomes(Name::Backup)));
        (does.contains(&Does::Sends(100)), node.routers()[0].why().contains("may have been two masters"))
    };
    let late = Micros(7 * SECOND);
    let (nothing, word, known) = ((false, false), (true, false), (true, true));
    // Never heard before: it may be new, or come from the other side of a cut.
    assert_eq!(says(None, late, Some(4)), word);
    assert_eq!(says(None, late, None), word);
    assert_eq!(says(None, Micros(SECOND / 2), Some(4)), word);
    // It said good-bye, or was too weak, and comes back; or it has served elsewhere since.
    for priority in [0, 50] {
        for number in [1, 8, 9] {
            assert_eq!(says(Some((priority, Some(7))), late, Some(number)), nothing, "{priority} {number}");
        }
        assert_eq!(says(Some((priority, Some(7))), late, Some(10)), known);
        assert_eq!(says(Some((priority, Some(u16::MAX))), late, Some(2)), nothing);
        assert_eq!(says(Some((priority, None)), late, None), nothing, "who does not count is believed");
    }
    // A weaker one whose place was taken can't serve again so soon: it has not heard that it was.
    assert_eq!(says(Some((50, Some(7))), Micros(SECOND), Some(8)), word);
    assert_eq!(says(Some((0, Some(7))), Micros(SECOND), Some(8)), nothing);
}

/// What is heard next of one that left is no second master if by its count it has not served since; clients are told all the same.
#[test]
fn a_late_word_of_one_that_left_is_announced_and_no_more() {
    let numbered = |node: &Node, priority, number| match heard(node, priority, LOWER, 100) {
        Input::Advert(i, admitted) => Input::Advert(i, Admitted { number: Some(number), ..admitted }),
        other => panic!("{other:?}"),
    };
    for (number, plain) in [(8, true), (9, false)] {
        let mut node = node(Instant(SECOND), instance(Version::V3, 51, 100, 100), OWN);
        let mut now = Instant(SECOND);
        while node.routers()[0].state().name() != Name::Master {
            now = now + Micros(SECOND / 2);
            let advert = numbered(&node, 50, 7);
            node.handle(now, advert);
            node.handle(now, Input::Tick);
        }
        let word = numbered(&node, 50, number);
        does(&mut node);
        node.handle(now + Micros(3 * SECOND), word.clone());
        assert_eq!(!does(&mut node).contains(&Does::TellsLower), plain);
        assert_eq!(node.routers()[0].counters.two_masters, u64::from(!plain));
        node.handle(now + Micros(4 * SECOND), word);
        assert!(does(&mut node).contains(&Does::TellsLower), "once");
    }
}

/// Who takes a weaker master's place is told nothing new by its last word; who hears that one later is.
#[test]
fn the_last_word_of_a_master_that_was_preempted_is_no_sign_of_two() {
    let mut node = node(Instant(SECOND), instance(Version::V3, 51, 100, 100), OWN);
    let weaker = heard(&node, 50, LOWER, 100);
    let mut now = Instant(SECOND);
    while node.routers()[0].state().name() != Name::Master {
        now = now + Micros(SECOND / 2);
        node.handle(now, weaker.clone());
        node.handle(now, Input::Tick);
    }
    does(&mut node);
    let another = heard(&node, 60, HIGHER, 100);
    node.handle(now + Micros(1000), weaker.clone());
    assert_eq!(does(&mut node), []);
    node.handle(now + Micros(2000), another);
    assert_eq!(does(&mut node), [Does::TellsLower, Does::Sends(100), Does::Announces(5)]);
    node.handle(now + Micros(SECOND + SECOND / 2), weaker);
    assert!(does(&mut node).contains(&Does::TellsLower));
}

/// `timer_expired_backup`: peers of a higher priority take over sooner, so that it is sooner that it listens.
#[test]
fn who_knows_of_stronger_peers_listens_sooner() {
    let patience = |priority| master_down(Version::V3, Priority(priority), Centis(100), 3);
    let late = |timer_expired, by: Micros| {
        let settings = Instance { timer_expired, preempt: Preempt::Never, ..instance(Version::V3, 51, 100, 100) };
        let mut node = node(Instant(SECOND), settings, OWN);
        let at = Instant(SECOND) + patience(100);
        node.handle(at, Input::Tick);
        does(&mut node);
        node.handle(at + by, Input::TickMasters);
        does(&mut node).contains(&Does::TellsStall)
    };
    let beyond = Micros(patience(200).0 + 1);
    assert!(beyond < patience(100));
    assert!(late(Some(Priority(200)), beyond) && !late(Some(Priority(200)), patience(200)));
    assert!(!late(None, beyond));
    // Weaker peers wait longer, but its equals don't.
    assert!(late(Some(Priority(1)), Micros(patience(100).0 + 1)));
}

/// `garp_extra_if`: one address on each other interface, in every period, as long as it is MASTER.
#[test]
fn other_interfaces_are_told_again_and_again() {
    let on = |device: &str, last| VirtualAddress {
        device: device.into(),
        ..common::virtual_address([192, 0, 2, last].into())
    };
    let of = |reach| {
        let extra = Some(Extra { every: Micros::from_secs(10), reach });
        let garp = Garp { extra, master_delay: Micros::from_secs(2), ..Garp::default() };
        let mac = virtual_mac(Family::V4, 51);
        let kind = DeviceKind::Macvlan { mac };
        let made =
            VirtualDevice { name: "vrrp1.51".into(), base: "eth1".into(), kind, family: Family::V4, group: None };
        let addresses = vec![on("eth0", 1), on("eth1", 2), on("eth1", 3), on("vrrp1.51", 4)];
        Instance { garp, addresses, more_devices: vec![made], ..instance(Version::V3, 51, 100, 100) }
    };
    let told = |reach| of(reach).extra_addresses().iter().map(|a| a.device.clone()).collect::<Vec<_>>();
    assert_eq!(told(Reach::Made), ["vrrp1.51"]);
    assert_eq!(told(Reach::All), ["eth1", "vrrp1.51"]);
    let started = Instant(SECOND);
    let settings = Settings { instances: vec![of(Reach::All)], ..Settings::default() };
    let names = ["eth0", "eth1", "vrrp1.51"];
    let links = names.map(|name| (name.to_owned(), link(OWN))).into();
    let mut node = Node::new(started, settings, links, None, Micros::ZERO);
    let mut at = Vec::new();
    for _ in 0..200 {
        let Some((now, _)) = node.wake().filter(|(now, _)| *now < started + Micros::from_secs(40)) else { break };
        node.handle(now, Input::Tick);
        let extra = |action| matches!(action, Action::Router(_, Edge::AnnounceExtra));
        at.extend(std::iter::from_fn(|| node.poll()).any(extra).then_some(now));
    }
    let master = started + master_down(Version::V3, Priority(100), Centis(100), 3);
    assert_eq!(at, [12, 22, 32].map(|seconds| master + Micros::from_secs(seconds)));
}

/// `vrrp_startup_delay`: nobody listens before its end, and then for a whole master-down interval.
#[test]
fn a_delay_at_the_start_is_waited_for() {
    let started = Instant(SECOND);
    let end = started + Micros::from_secs(5);
    let instances = vec![instance(Version::V3, 51, 100, 100)];
    let settings = Settings { instances, start: Some(end), ..Settings::default() };
    let mut node = Node::new(started, settings, common::links(OWN), None, Micros::ZERO);
    assert_eq!((node.routers()[0].state().name(), node.wake()), (Name::Init, Some((end, Due::Start))));
    assert_eq!(node.alarm(), Some(end));
    let weaker = heard(&node, 50, LOWER, 100);
    node.handle(started, weaker);
    assert_eq!(does(&mut node), []);
    node.handle(end, Input::Tick);
    assert_eq!(does(&mut node), [Does::Becomes(Name::Backup)]);
    let down = end + master_down(Version::V3, Priority(100), Centis(100), 3);
    assert_eq!(node.wake(), Some((down, Due::Router(0, Timer::MasterDown))));
}
