//! Tracked files: what they say moves priorities and states, beside Debian's keepalived with the same configuration.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::Path;
use std::time::{Duration, Instant};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);
/// How soon what happened to a file is felt.
const SOON: Duration = Duration::from_millis(100);

/// `track_file load`, in a file of this host, with further lines.
fn load(host: &Host, lines: &str) -> String {
    format!("track_file load {{\n file {}\n {lines}\n}}\n", host.path("load").display())
}

/// Replaces the file at once, as a careful writer does.
fn say(host: &Host, value: &str) {
    let new = host.write("load.new", value);
    std::fs::rename(new, host.path("load")).unwrap();
}

/// What a daemon logged of its priority and its states, in keepalived's words, which are both daemons'.
fn course(director: &Director) -> Vec<String> {
    let log = director.log();
    let of = |line: &str| {
        let at = line.find("(VI_1) Changing").or(line.find("(VI_1) Entering"))?;
        let said = line[at..].split(':').next().unwrap_or_default();
        let said = said.replace(" (init)", "");
        Some(said.trim_end().to_owned())
    };
    log.lines().filter_map(of).collect()
}

/// Waits until a daemon has logged this last.
fn wait_course(director: &Director, last: &str, patience: Duration) -> Duration {
    let start = Instant::now();
    while course(director).last().is_none_or(|l| l != last) {
        assert!(
            start.elapsed() < patience,
            "{:?}: not {last:?}: {:?}\n{}",
            director.kind,
            course(director),
            director.log()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

#[test]
fn a_file_moves_the_priority_as_keepalived_has_it() {
    let mut lab = Lab::new();
    let hosts = [(Kind::Vipd, lab.host(1)), (Kind::Keepalived, lab.host(2))];
    let mut courses = Vec::new();
    for (kind, host) in &hosts {
        let conf =
            load(host, "weight 2\n init_file 5") + &Instance::new(3, 100, "0.3").with("track_file {\nload\n}").text();
        let mut one = Director::start(*kind, host, &conf);
        one.wait_master(VIP, LONG);
        assert_eq!(std::fs::read_to_string(host.path("load")).unwrap(), "5\n");
        let mut last = "(VI_1) Entering MASTER STATE".to_owned();
        let mut from = 110;
        for (value, to) in [
            ("-20", 60),
            (" 12abc", 124),
            ("0x10", 132),
            ("010\n", 116),
            ("nothing", 100),
            ("3.7", 106),
            ("99999999999", 106),
            ("77777", 254),
            ("-49", 2),
        ] {
            say(host, value);
            if from == to {
                std::thread::sleep(SOON);
            } else {
                last = format!("(VI_1) Changing effective priority from {from} to {to}");
            }
            let took = wait_course(&one, &last, LONG);
            println!("  {kind:?}: {value:?} makes {to} after {took:?}");
            assert!(*kind == Kind::Keepalived || took < SOON, "{took:?}");
            from = to;
        }
        std::fs::remove_file(host.path("load")).unwrap();
        wait_course(&one, "(VI_1) Changing effective priority from 2 to 100", LONG);
        if *kind == Kind::Vipd {
            let status = one.instance("VI_1");
            let track = &status.tracks[0];
            assert_eq!((track.kind.as_str(), track.name.as_str(), track.state.as_str()), ("file", "load", "0"));
        }
        // Ours listens already while the file is read for the first time.
        let mut course = course(&one);
        course.retain(|line| line != "(VI_1) Entering BACKUP STATE");
        courses.push(course);
        one.stop();
    }
    assert_eq!(courses[0], courses[1], "ours, theirs");
}

#[test]
fn a_file_without_weight_or_far_below_means_fault() {
    let mut lab = Lab::new();
    let hosts = [(Kind::Vipd, lab.host(1)), (Kind::Keepalived, lab.host(2))];
    for (lines, track, bad, good) in [
        ("weight 0", "load", "1", "0"),
        ("", "load weight 0 reverse", "0", "1"),
        ("", "load", "-254", "0"),
        ("weight 254", "load", "-1", "0"),
    ] {
        for (kind, host) in &hosts {
            say(host, good);
            let conf =
                load(host, lines) + &Instance::new(3, 100, "0.3").with(&format!("track_file {{\n{track}\n}}")).text();
            let mut one = Director::start(*kind, host, &conf);
            one.wait_master(VIP, LONG);
            say(host, bad);
            let took = wait_course(&one, "(VI_1) Entering FAULT STATE", LONG);
            println!("  {kind:?}: {lines:?}, {track:?}: {bad} means FAULT after {took:?}");
            assert!(*kind == Kind::Keepalived || took < SOON, "{took:?}");
            wait_for("the address is gone", LONG, || !host.holds(VIP));
            if *kind == Kind::Vipd {
                assert_eq!(one.instance("VI_1").faults, [format!("tracked file load has the value {bad}")]);
            }
            say(host, good);
            one.wait_master(VIP, LONG);
            one.stop();
        }
    }
}

#[test]
fn a_file_of_a_group_is_every_members() {
    let mut lab = Lab::new();
    let hosts = [(Kind::Vipd, lab.host(1)), (Kind::Keepalived, lab.host(2))];
    let members = |extra: &str| {
        let outside = Instance::new(3, 100, "0.3");
        let inside = Instance {
            name: "VI_2".to_owned(),
            vrid: 52,
            addresses: vec!["10.77.0.101/32".to_owned()],
            ..outside.clone()
        };
        outside.with(extra).text() + &inside.text()
    };
    let group = |extra: &str| format!("vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n{extra}\n}}\n");
    for (kind, host) in &hosts {
        // The group's: both are weighed.
        say(host, "0");
        let mut one = Director::start(*kind, host, &(load(host, "") + &members("") + &group("track_file {\nload\n}")));
        one.wait_master("10.77.0.101", LONG);
        one.wait_master(VIP, LONG);
        say(host, "-20");
        for name in ["VI_1", "VI_2"] {
            let line = format!("({name}) Changing effective priority from 100 to 80");
            wait_for(&format!("{kind:?}: {line}"), LONG, || one.log().contains(&line));
        }
        one.stop();
        // A member's own has no weight there: any value but 0 is the FAULT of all.
        say(host, "0");
        let mut one = Director::start(*kind, host, &(load(host, "") + &members("track_file {\nload\n}") + &group("")));
        one.wait_master("10.77.0.101", LONG);
        say(host, "-20");
        for name in ["VI_1", "VI_2"] {
            let line = format!("({name}) Entering FAULT STATE");
            wait_for(&format!("{kind:?}: {line}"), LONG, || one.log().contains(&line));
        }
        say(host, "0");
        one.wait_master("10.77.0.101", LONG);
        one.stop();
    }
}

#[test]
fn a_file_is_followed_through_reloads_and_the_death_of_the_role() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    std::fs::create_dir(one.path("other")).unwrap();
    let secret = |path: &Path| {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, closed).unwrap();
    };
    say(&one, "7");
    secret(&one.path("load"));
    std::fs::write(one.path("other/load"), "9").unwrap();
    let conf = |file: &str, priority| {
        let file = one.path(file);
        format!("track_file load {{\n file {}\n}}\n", file.display())
            + &Instance::new(3, priority, "0.3").with("track_file {\nload\n}").text()
    };
    let a = Director::start(Kind::Vipd, &one, &conf("load", 100));
    a.wait_master(VIP, LONG);
    assert_eq!(a.instance("VI_1").priority, 107);
    // Killed, the role comes back with what it knew; a change meanwhile reaches it, too.
    vipd_tests::process::signal_pid(a.role("vrrp"), rustix::process::Signal::KILL);
    say(&one, "8");
    secret(&one.path("load"));
    wait_for("the new value", LONG, || a.status().is_some_and(|s| s.instances.iter().any(|i| i.priority == 108)));
    a.reload(&conf("other/load", 100));
    wait_for("another file", LONG, || a.instance("VI_1").priority == 109);
    a.reload(&conf("other/load", 120));
    wait_for("another base", LONG, || a.instance("VI_1").priority == 129);
    std::fs::write(one.path("other/load"), "1").unwrap();
    wait_for("it is still followed", LONG, || a.instance("VI_1").priority == 121);
    assert!(one.holds(VIP));
    assert_eq!(a.instance("VI_1").counters.became_master, 1, "never anything else");
}
