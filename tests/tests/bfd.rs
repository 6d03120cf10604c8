//! BFD sessions of vipd with vipd, Debian's keepalived and FRR's bfdd, over IPv4 and IPv6: they come up, a dead
//! neighbour is missed within the detection time, a stop is told, what is forged changes nothing, and virtual routers
//! follow.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vipd_api::{BfdStatus, Status};
use vipd_sys::udp::{Family, Sender};
use vipd_tests::conf::{Instance, master_down};
use vipd_tests::director::{Director, Kind};
use vipd_tests::frr::Frr;
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;
use vipd_tests::web::inside;

/// What a shared machine may add to any time, in seconds.
const SLACK: f64 = 1.0;
/// How long two may need to come up: a second of the idle interval each, twice.
const PATIENCE: Duration = Duration::from_secs(8);
/// The detection time of `words`, in seconds.
const DETECTION: f64 = 0.15;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A host with an IPv6 address too: fd77::N.
fn host(lab: &mut Lab, number: u8) -> Host {
    let host = lab.host(number);
    host.ip(&format!("addr add fd77::{number}/64 dev eth0 nodad"));
    host
}

fn address(family: char, number: u8) -> IpAddr {
    match family {
        '4' => [10, 77, 0, number].into(),
        _ => format!("fd77::{number}").parse().unwrap(),
    }
}

/// A `bfd_instance` for keepalived and vipd: 50 ms, three intervals.
fn session(family: char, own: u8, neighbour: u8) -> String {
    let (own, to) = (address(family, own), address(family, neighbour));
    format!(
        "bfd_instance to{neighbour}v{family} {{\nneighbor_ip {to}\nsource_ip {own}\nmin_rx 50\nmin_tx 50\n\
         multiplier 3\n}}\n"
    )
}

fn both(own: u8, neighbour: u8) -> String {
    session('4', own, neighbour) + &session('6', own, neighbour)
}

/// The same for FRR.
fn peers(own: u8, neighbour: u8) -> String {
    let one = |family| {
        let (own, to) = (address(family, own), address(family, neighbour));
        format!(
            " peer {to} local-address {own}\n  receive-interval 50\n  transmit-interval 50\n  detect-multiplier 3\n  \
             no shutdown\n !\n"
        )
    };
    format!("bfd\n{}{}!\n", one('4'), one('6'))
}

#[track_caller]
fn status(director: &Director) -> Status {
    director.status().unwrap_or_else(|| panic!("no status:\n{}", director.log()))
}

#[track_caller]
fn one(director: &Director, name: &str) -> BfdStatus {
    let found = status(director).bfd.into_iter().find(|s| s.name == name);
    found.unwrap_or_else(|| panic!("no session {name}:\n{}", director.log()))
}

/// Waits until all sessions of a vipd are in that state.
#[track_caller]
fn wait_all(director: &Director, state: &str, patience: Duration) {
    let all = || director.status().is_some_and(|s| !s.bfd.is_empty() && s.bfd.iter().all(|b| b.state == state));
    wait_for(&format!("all sessions are {state}"), patience, all);
}

fn rejected(session: &BfdStatus, name: &str) -> u64 {
    session.counters.rejected.iter().find(|(reason, _)| reason == name).map_or(0, |(_, n)| *n)
}

/// The other end of two sessions.
enum Neighbour {
    Director(Director),
    Frr(Frr),
}

impl Neighbour {
    fn start(kind: &str, host: &Host, other: u8) -> Neighbour {
        match kind {
            "vipd" => Neighbour::Director(Director::start(Kind::Vipd, host, &both(host.number, other))),
            "keepalived" => Neighbour::Director(Director::start(Kind::Keepalived, host, &both(host.number, other))),
            _ => Neighbour::Frr(Frr::start(host, "bfdd", &peers(host.number, other))),
        }
    }

    fn kill(&mut self) {
        match self {
            Neighbour::Director(director) => director.kill(),
            Neighbour::Frr(frr) => frr.kill(),
        }
    }

    /// How many of its sessions it says are up, and whether it has heard from any that its neighbour has stopped.
    fn sees(&self) -> (usize, bool) {
        match self {
            Neighbour::Director(director) if director.kind == Kind::Vipd => {
                let all = director.status().map(|s| s.bfd).unwrap_or_default();
                let told = all.iter().any(|s| s.why.contains("administratively down"));
                (all.iter().filter(|s| s.state == "Up").count(), told)
            }
            Neighbour::Director(director) => {
                let log = director.log();
                let up = |name: &str| {
                    let last = log.lines().rev().find(|l| l.contains(name) && l.contains("Entering"));
                    last.is_some_and(|l| l.contains("Entering UP") || l.contains("Entering Up"))
                };
                let told = log.lines().any(|l| l.contains("Entering") && l.to_lowercase().contains("admin"));
                ([4, 6].iter().filter(|f| up(&format!("to1v{f}"))).count(), told)
            }
            Neighbour::Frr(frr) => {
                let text = frr.show("show bfd peers");
                (text.matches("Status: up").count(), text.contains("administratively down"))
            }
        }
    }
}

/// Up, killed, up again, silently cut off, up again, stopped in order.
#[track_caller]
fn round(kind: &str) {
    let mut lab = Lab::new();
    let (one_host, other) = (host(&mut lab, 1), host(&mut lab, 2));
    let mut director = Director::start(Kind::Vipd, &one_host, &both(1, 2));
    let mut neighbour = Neighbour::start(kind, &other, 1);
    wait_all(&director, "Up", PATIENCE);
    wait_for("the neighbour sees both sessions up", PATIENCE, || neighbour.sees().0 == 2);
    // Settled: what is agreed is what both asked for.
    wait_for("the intervals are agreed", PATIENCE, || {
        let detection = |s: &BfdStatus| s.detection_time.is_some_and(|t| (t - DETECTION).abs() < 1e-6);
        status(&director).bfd.iter().all(|s| detection(s) && s.interval == Some(0.05))
    });

    let missed = |director: &Director, since: f64, what: &str| {
        wait_all(director, "Down", Duration::from_secs(4));
        for session in status(director).bfd {
            let took = session.since - since;
            println!("  {kind} {what}: {} after {took:.3} s: {}", session.name, session.why);
            assert!(took < DETECTION + SLACK, "{took}");
            assert!(session.history.iter().any(|t| t.why.contains("was not heard for")), "{:?}", session.history);
        }
    };
    let killed = now();
    neighbour.kill();
    missed(&director, killed, "killed");

    let neighbour = Neighbour::start(kind, &other, 1);
    wait_all(&director, "Up", PATIENCE);
    let cut = now();
    other.isolate();
    missed(&director, cut, "cut off");
    other.rejoin();
    wait_all(&director, "Up", PATIENCE);
    wait_for("the neighbour sees both sessions up again", PATIENCE, || neighbour.sees().0 == 2);

    director.stop();
    let took = wait_for("the neighbour knows of the stop", Duration::from_secs(2), || {
        let (up, told) = neighbour.sees();
        up == 0 && told
    });
    println!("  {kind} told of a stop after {:.3} s", took.as_secs_f64());
}

#[test]
fn vipd_with_vipd() {
    round("vipd");
}

#[test]
fn vipd_with_keepalived() {
    round("keepalived");
}

#[test]
fn vipd_with_frr() {
    round("frr");
}

/// A neighbour behind a router, on the port for that (RFC 5883): 10.77.0.1, a router with .9 on both wires, 10.78.0.2.
struct Routed {
    _lab: Lab,
    near: Host,
    router: Host,
    far: Host,
}

impl Routed {
    const NEAR: &str = "10.77.0.1";
    const FAR: &str = "10.78.0.2";

    fn new() -> Routed {
        let mut lab = Lab::new();
        let (near, router, far) = (lab.host(1), lab.host(9), lab.host(2));
        router.plug("eth1", "br1", 78);
        let forwarding = ["-qw", "net.ipv4.ip_forward=1"];
        vipd_tests::lab::run(router.command("sysctl").args(forwarding));
        // It is on the other wire alone.
        far.cable_out();
        far.ip("link set eth0 down");
        far.ip("addr flush dev eth0");
        far.plug("eth1", "br1", 78);
        near.ip("route add 10.78.0.0/24 via 10.77.0.9");
        far.ip("route add 10.77.0.0/24 via 10.78.0.9");
        Routed { _lab: lab, near, router, far }
    }

    /// vipd's side, with further lines.
    fn session(more: &str) -> String {
        format!(
            "bfd_instance far {{\nneighbor_ip {}\nsource_ip {}\nmin_rx 50\nmin_tx 50\nmultiplier 3\nmultihop\n\
             {more}\n}}\n",
            Routed::FAR,
            Routed::NEAR
        )
    }

    /// FRR's, which believes what has this TTL at least.
    fn peer(least: u8) -> String {
        format!(
            "bfd\n peer {} multihop local-address {}\n  receive-interval 50\n  transmit-interval 50\n  \
             detect-multiplier 3\n  minimum-ttl {least}\n  no shutdown\n !\n!\n",
            Routed::NEAR,
            Routed::FAR
        )
    }

    fn start(&self) -> Frr {
        Frr::start(&self.far, "bfdd", &Routed::peer(254))
    }
}

fn frr_is_up(frr: &Frr) -> bool {
    frr.show("show bfd peers").contains("Status: up")
}

#[test]
fn a_neighbour_behind_a_router() {
    let wires = Routed::new();
    let mut director = Director::start(Kind::Vipd, &wires.near, &Routed::session("max_hops 1"));
    let frr = wires.start();
    wait_all(&director, "Up", PATIENCE);
    wait_for("FRR sees it up", PATIENCE, || frr_is_up(&frr));
    wait_for("the intervals are agreed", PATIENCE, || {
        one(&director, "far").detection_time.is_some_and(|t| (t - DETECTION).abs() < 1e-6)
    });
    let session = one(&director, "far");
    assert!(session.multihop && session.counters.rejected.is_empty(), "{session:?}");

    // The router is cut from either wire, and comes back.
    for wire in ["eth0", "eth1"] {
        let cut = now();
        wires.router.isolate_at(wire);
        wait_all(&director, "Down", Duration::from_secs(4));
        let session = one(&director, "far");
        let took = session.since - cut;
        println!("  cut at {wire}: down after {took:.3} s: {}", session.why);
        assert!(took < DETECTION + SLACK, "{took}");
        assert!(session.history.iter().any(|t| t.why.contains("was not heard for")), "{:?}", session.history);
        wait_for("FRR sees it down", Duration::from_secs(4), || !frr_is_up(&frr));
        wires.router.rejoin_at(wire);
        wait_all(&director, "Up", PATIENCE);
        wait_for("FRR sees it up again", PATIENCE, || frr_is_up(&frr));
    }
    // An end is told across the router, too.
    director.stop();
    wait_for("FRR knows of the stop", Duration::from_secs(2), || {
        !frr_is_up(&frr) && frr.show("show bfd peers").contains("administratively down")
    });
}

#[test]
fn what_has_crossed_more_routers_than_allowed_is_not_believed() {
    let wires = Routed::new();
    let frr = wires.start();
    // No router is allowed, and there is one.
    let director = Director::start(Kind::Vipd, &wires.near, &Routed::session("max_hops 0"));
    wait_all(&director, "Down", PATIENCE);
    wait_for("it is heard, and not believed", PATIENCE, || rejected(&one(&director, "far"), "ttl") >= 2);
    let session = one(&director, "far");
    assert!(session.state == "Down" && session.counters.packets_received == 0, "{session:?}");
    assert!(!frr_is_up(&frr));
    // Now one is.
    director.reload(&Routed::session("max_hops 1"));
    wait_all(&director, "Up", PATIENCE);
    wait_for("FRR sees it up", PATIENCE, || frr_is_up(&frr));
    // What is sent with a TTL that loses one on the way to less than FRR wants is not believed there.
    director.reload(&Routed::session("max_hops 255\nttl 254"));
    wait_for("FRR loses it", PATIENCE, || !frr_is_up(&frr));
    director.reload(&Routed::session("max_hops 255\nttl 255"));
    wait_for("FRR sees it again", PATIENCE, || frr_is_up(&frr));
    wait_all(&director, "Up", PATIENCE);
}

#[test]
fn what_is_forged_is_counted_and_changes_nothing() {
    let mut lab = Lab::new();
    let (a, b, stranger) = (host(&mut lab, 1), host(&mut lab, 2), host(&mut lab, 3));
    let director = Director::start(Kind::Vipd, &a, &both(1, 2));
    let _neighbour = Director::start(Kind::Vipd, &b, &both(2, 1));
    wait_all(&director, "Up", PATIENCE);
    let before = status(&director).bfd;
    for (family, session) in ['4', '6'].into_iter().zip(&before) {
        // "The neighbour is down": with the right discriminators, as one who sees the packets could write it.
        let mut packet = vec![0x20, 0x40, 3, 24];
        packet.extend(session.peer_discriminator.unwrap().to_be_bytes());
        packet.extend(session.discriminator.to_be_bytes());
        packet.extend([0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0, 0, 0, 0]);
        let send = |from: &Host, ttl: u8, payload: &[u8]| {
            let (own, to) = (address(family, from.number), address(family, 1));
            inside(from, || {
                let sender = Sender::open(Family::of(own), Some(own), 49_152..=65_535, 0, ttl).unwrap();
                sender.send(payload, (to, 3784).into()).unwrap();
            });
        };
        for _ in 0..20 {
            send(&stranger, 255, &packet);
            send(&b, 254, &packet);
            send(&b, 255, &packet[..20]);
            send(&b, 255, b"");
            let mut other = packet.clone();
            other[8] ^= 0x55;
            send(&b, 255, &other);
        }
        let name = &session.name;
        for (reason, times) in [("addresses", 20), ("ttl", 20), ("short", 40), ("unknown_discriminator", 20)] {
            wait_for(&format!("{name}: {times} {reason}"), Duration::from_secs(2), || {
                rejected(&one(&director, name), reason) == times
            });
        }
        // A stranger without a discriminator is nobody's.
        packet[8..12].fill(0);
        send(&stranger, 255, &packet);
    }
    wait_for("the stranger is counted", Duration::from_secs(2), || {
        status(&director).bfd_rejected == [("unknown_neighbour".to_owned(), 2)]
    });
    for (before, after) in before.iter().zip(status(&director).bfd) {
        assert_eq!((&before.state, before.since.round()), (&after.state, after.since.round()));
        assert_eq!(after.counters.left_up, 0);
    }
}

#[test]
fn a_session_outlives_a_reload_and_its_process() {
    let mut lab = Lab::new();
    let (a, b) = (host(&mut lab, 1), host(&mut lab, 2));
    // Two seconds: longer than a process needs to be there again.
    let slow = |text: String| text.replace("min_rx 50", "min_rx 200").replace("multiplier 3", "multiplier 10");
    let director = Director::start(Kind::Vipd, &a, &slow(both(1, 2)));
    let neighbour = Director::start(Kind::Vipd, &b, &slow(both(2, 1)));
    wait_all(&director, "Up", PATIENCE);
    wait_all(&neighbour, "Up", PATIENCE);
    let before = status(&director).bfd;
    let unchanged = |what: &str| {
        std::thread::sleep(Duration::from_secs(3));
        for (before, after) in before.iter().zip(status(&director).bfd) {
            assert_eq!(after.state, "Up", "{what}");
            assert_eq!(before.discriminator, after.discriminator, "{what}");
            assert!((before.since - after.since).abs() < 0.1, "{what}: {} {}", before.since, after.since);
        }
        let theirs = status(&neighbour).bfd;
        assert!(theirs.iter().all(|s| s.state == "Up" && s.counters.left_up == 0), "{what}: {theirs:?}");
    };
    // Renamed, and with another interval: the same sessions.
    director
        .reload(&slow(both(1, 2)).replace("bfd_instance to", "bfd_instance new").replace("min_tx 50", "min_tx 100"));
    wait_for("the reload is taken", Duration::from_secs(3), || status(&director).bfd[0].name == "new2v4");
    unchanged("reload");
    wait_for("the interval is agreed", PATIENCE, || status(&director).bfd.iter().all(|s| s.interval == Some(0.2)));
    let role = director.role("vrrp");
    signal_pid(role, Signal::KILL);
    wait_for("the role is there again", Duration::from_secs(3), || {
        director.status().is_some_and(|s| s.roles.iter().any(|r| r.name == "vrrp" && r.pid != 0 && r.pid != role))
    });
    unchanged("restart");
    // One that is no longer configured is told so.
    director.reload(&slow(session('4', 1, 2)));
    wait_for("the neighbour knows", Duration::from_secs(1), || {
        status(&neighbour).bfd.iter().any(|s| s.name == "to1v6" && s.why.contains("administratively down"))
    });
    assert_eq!(one(&neighbour, "to1v4").state, "Up");
}

/// A session with the neighbour, and two virtual routers that track it: one whose priority it moves, one that is in
/// FAULT without it.
fn tracking() -> String {
    let weighed = Instance::new(3, 150, "0.3").with("track_bfd {\nto2v4 weight -60\n}").text();
    let vital = Instance {
        name: "VI_2".to_owned(),
        vrid: 52,
        addresses: vec!["10.77.0.102/32".to_owned()],
        ..Instance::new(3, 150, "0.3").with("track_bfd {\nto2v6\n}")
    };
    both(1, 2) + &weighed + &vital.text()
}

#[test]
fn virtual_routers_follow_their_sessions() {
    let mut lab = Lab::new();
    let (a, b) = (host(&mut lab, 1), host(&mut lab, 2));
    let director = Director::start(Kind::Vipd, &a, &tracking());
    let priority = || director.instance("VI_1").priority;
    let state = || director.instance("VI_2").state;
    let patience = Duration::from_secs_f64(master_down(3, 90, 0.3) + 4.0);
    // A session that is not up yet counts as down.
    director.wait_master("10.77.0.100", patience);
    assert_eq!((priority(), state().as_str()), (90, "FAULT"));
    assert!(director.instance("VI_2").why.contains("BFD session to2v6"), "{}", director.instance("VI_2").why);

    for end in ["killed", "stopped"] {
        let mut neighbour = Neighbour::start("frr", &b, 1);
        director.wait_master("10.77.0.102", PATIENCE + patience);
        wait_for("the weight is gone", PATIENCE, || priority() == 150);
        // A reload that renames the sessions takes nothing down.
        let before = director.instance("VI_2").since;
        director.reload(&tracking().replace("to2v", end));
        wait_for("the reload is taken", PATIENCE, || status(&director).bfd[0].name.starts_with(end));
        assert_eq!((priority(), state().as_str()), (150, "MASTER"));
        assert!((director.instance("VI_2").since - before).abs() < 0.1);

        let gone = now();
        match &mut neighbour {
            Neighbour::Frr(frr) if end == "stopped" => frr.stop(),
            Neighbour::Frr(_) | Neighbour::Director(_) => neighbour.kill(),
        }
        wait_for("the address leaves", Duration::from_secs(3), || !a.holds("10.77.0.102"));
        wait_for("the weight counts", PATIENCE, || priority() == 90);
        let fault = director.instance("VI_2");
        println!("  {end}: FAULT after {:.3} s: {}", fault.since - gone, fault.why);
        assert!(fault.state == "FAULT" && fault.since - gone < DETECTION + SLACK, "{fault:?}");
        assert!(a.holds("10.77.0.100"), "nobody else wants it");
    }
}
