//! `bfd_instance`: defaults, ranges that bear on each other, and what is refused.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, options, read};
use vipd_bfd::settings::{Habit, Hops, Instance, Role};
use vipd_bfd::units::Micros;
use vipd_lvs::settings::Probe;
use vipd_vrrp::settings::{Bearing, Track, Tracked};

fn session(words: &str) -> Instance {
    config(&format!("bfd_instance peer {{\n{words}\n}}\n")).bfd.remove(0)
}

#[test]
fn a_session_has_the_defaults_of_keepalived() {
    let made = session("neighbor_ip 192.0.2.2");
    let expected = Instance {
        name: "peer".to_owned(),
        neighbour: [192, 0, 2, 2].into(),
        source: None,
        min_rx: Micros(10_000),
        min_tx: Micros(10_000),
        idle_tx: Micros(1_000_000),
        multiplier: 5.try_into().unwrap(),
        role: Role::Active,
        ttl: 255,
        max_hops: 0,
        habit: Habit::Ours,
        hops: Hops::Single,
    };
    assert_eq!(made, expected);
}

#[test]
fn every_word_of_a_session_counts() {
    let made = session(
        "neighbour_ip 2001:db8::2\nsource_ip 2001:db8::1\nmin_rx 50.5\nmin_tx 60\nidle_tx 2000\nmultiplier 3\npassive\n\
         hoplimit 200\nmax_hops 3\nmultihop",
    );
    let expected = Instance {
        name: "peer".to_owned(),
        neighbour: "2001:db8::2".parse().unwrap(),
        source: Some("2001:db8::1".parse().unwrap()),
        min_rx: Micros(50_500),
        min_tx: Micros(60_000),
        idle_tx: Micros(2_000_000),
        multiplier: 3.try_into().unwrap(),
        role: Role::Passive,
        ttl: 200,
        max_hops: 3,
        habit: Habit::Ours,
        hops: Hops::Multiple,
    };
    assert_eq!(made, expected);
}

/// keepalived sends a hop limit of 64 over IPv6 unless told otherwise, and so believes it; RFC 5881 wants 255. We send
/// 255, and believe what either sends until it is known which of them the neighbour is.
#[test]
fn how_far_a_packet_may_come() {
    for (words, ttl, least) in [
        ("neighbor_ip 192.0.2.2", 255, 255),
        ("neighbor_ip 192.0.2.2\nttl 64", 64, 64),
        ("neighbor_ip 192.0.2.2\nmax_hops 4", 255, 251),
        ("neighbor_ip 192.0.2.2\nmax_hops -1", 255, 0),
        ("neighbor_ip 192.0.2.2\nmax_hops 255", 255, 0),
        ("neighbor_ip 2001:db8::2", 255, 64),
        ("neighbor_ip 2001:db8::2\nmax_hops 4", 255, 60),
        ("neighbor_ip 2001:db8::2\nhoplimit 255", 255, 255),
        ("neighbor_ip 2001:db8::2\nhoplimit 64", 64, 64),
    ] {
        let made = session(words);
        assert_eq!((made.ttl, made.least_ttl(None)), (ttl, least), "{words}");
    }
}

#[test]
fn what_makes_no_session_is_refused() {
    let of = |words: &str| found(&format!("bfd_instance peer {{\n{words}\n}}\n"));
    assert_eq!(of("min_rx 10"), ["V0401:1"]);
    assert_eq!(of("neighbor_ip 192.0.2.2\nsource_ip 2001:db8::1"), ["V0306:3"]);
    assert_eq!(of("neighbor_ip 192.0.2.2\nttl 10\nmax_hops 11"), ["V0404:4"]);
    let two = |other: &str| {
        found(&format!(
            "bfd_instance a {{\nneighbor_ip 192.0.2.2\n}}\nbfd_instance b {{\nneighbor_ip 192.0.2.2\n{other}\n}}\n"
        ))
    };
    assert_eq!(two(""), ["V0402:4"]);
    assert_eq!(two("source_ip 192.0.2.1"), Vec::<String>::new());
    assert_eq!(two("multihop"), Vec::<String>::new());
    assert_eq!(found(&format!("bfd_instance {} {{\nneighbor_ip 192.0.2.2\n}}\n", "n".repeat(32))), ["V0307:1"]);
    // As keepalived does: the first of two with one name counts.
    let named = |n| format!("bfd_instance same {{\nneighbor_ip 192.0.2.{n}\n}}\n");
    assert_eq!(found(&(named(2) + &named(3))), ["V0402:4"]);
    assert_eq!(config(&(named(2) + &named(3))).bfd.len(), 1);
}

/// An instance that tracks sessions in these lines, in a group if that has lines too.
fn tracking(own: &str, groups: &str) -> String {
    let session =
        |name: &str, n: u8, words: &str| format!("bfd_instance {name} {{\nneighbor_ip 192.0.2.{n}\n{words}\n}}\n");
    let instance = |name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\nvirtual_ipaddress {{\n192.0.2.1{vrid}\n\
             }}\n\
             track_bfd {{\n{own}\n}}\n}}\n"
        )
    };
    let group = format!("vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\ntrack_bfd {{\n{groups}\n}}\n}}\n");
    session("plain", 2, "")
        + &session("heavy", 3, "weight -30")
        + &session("turned", 4, "weight 20 reverse")
        + &session("both", 5, "vrrp\nchecker")
        + &session("other", 6, "checker")
        + &instance("A", 1)
        + &if groups.is_empty() { String::new() } else { instance("B", 2) + &group }
}

#[test]
fn instances_track_sessions() {
    let tracks = |text: &str| config(text).instances.remove(0).vrrp.tracks;
    let track = |name: &str, bearing| Track { what: Tracked::Bfd(name.to_owned()), bearing };
    let (fault, weight) = (|reverse| Bearing::Fault { reverse }, |weight, reverse| Bearing::Weight { weight, reverse });
    assert_eq!(
        tracks(&tracking("plain\nheavy\nturned\nboth weight 5", "")),
        [
            track("plain", fault(false)),
            track("heavy", weight(-30, false)),
            track("turned", weight(20, true)),
            track("both", weight(5, false)),
        ]
    );
    assert_eq!(
        tracks(&tracking("plain weight 253\nheavy weight 0 reverse\nturned noreverse", "")),
        [track("plain", weight(253, false)), track("heavy", fault(true)), track("turned", weight(20, false))]
    );
    assert_eq!(
        tracks(&tracking("", "plain\nheavy")),
        [track("plain", fault(false)), track("heavy", weight(-30, false))]
    );
    assert_eq!(found(&tracking("plain weight 254", "")), ["V0302:29"]);
    assert_eq!(found(&tracking("nobody", "")), ["V0406:29"]);
    // One that tells the checks alone.
    assert_eq!(found(&tracking("other", "")), ["V0404:29"]);
    assert_eq!(tracks(&tracking("other", "")), []);
}

/// A real server with these checks, and sessions for them.
fn following(checks: &str) -> String {
    let session =
        |name: &str, n: u8, words: &str| format!("bfd_instance {name} {{\nneighbor_ip 192.0.2.{n}\n{words}\n}}\n");
    let sessions = session("plain", 2, "") + &session("both", 3, "vrrp\nchecker") + &session("routers", 4, "vrrp");
    format!(
        "{sessions}virtual_server 192.0.2.1 80 {{\nprotocol TCP\nreal_server 10.0.0.1 80 {{\nretry 3\n{checks}\n}}\n}}\n"
    )
}

#[test]
fn real_servers_follow_sessions() {
    let check = |name: &str| format!("BFD_CHECK {{\nname {name}\n}}");
    let made =
        config(&following(&(check("plain") + "\n" + &check("both")))).services[0].lvs.real_servers[0].checkers.clone();
    let probes: Vec<(&str, &Probe, u32)> = made.iter().map(|c| (c.kind(), &c.probe, c.retry)).collect();
    let (plain, both) = (Probe::Bfd("plain".to_owned()), Probe::Bfd("both".to_owned()));
    assert_eq!(probes, [("BFD_CHECK", &plain, 0), ("BFD_CHECK", &both, 0)]);
    assert_eq!(found(&following(&check("nobody"))), ["V0406:19"]);
    assert_eq!(found(&following("BFD_CHECK {\n}")), ["V0401:18"]);
    assert_eq!(found(&following(&(check("plain") + "\n" + &check("plain")))), ["V0209:22"]);
    assert_eq!(found(&following(&check("routers"))), ["V0404:19"]);
}

/// A virtual server that nobody touched is read again all the same: the session that it refers to may be gone.
#[test]
fn a_reference_is_looked_at_again() {
    let text = following("BFD_CHECK {\nname plain\n}");
    let before = read(&text);
    let next = text.replace("bfd_instance plain", "bfd_instance other");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.conf");
    std::fs::write(&file, &text).unwrap();
    let first = vipd_config::load_again(&file, &options(), None);
    assert_eq!((first.failed(), before.failed()), (false, false));
    std::fs::write(&file, next).unwrap();
    assert!(vipd_config::load_again(&file, &options(), first.config.as_ref().zip(Some(&first.memory))).failed());
}
