//! Two directors with two wires: `heartbeat_paths`. A cut of the one that the addresses are on makes no second master as long
//! as the other is there; without the path it does, with vipd as with Debian's keepalived.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::process::Command;
use std::time::Duration;
use vipd_api::{Event, HeartbeatStatus, Item};
use vipd_tests::conf::{AH, Instance, PASS, master_down, skew};
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(20);
/// What a shared machine may add to any time.
const SLACK: f64 = 1.5;
const SECOND_WIRE: &str = "heartbeat_paths {\n eth1\n}";

fn pause(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}

/// Two hosts on two wires.
fn hosts(lab: &mut Lab) -> (Host, Host) {
    let hosts = (lab.host(1), lab.host(2));
    for host in [&hosts.0, &hosts.1] {
        host.plug("eth1", "br1", 78);
    }
    hosts
}

/// A path to the other host by unicast.
fn unicast(host: &Host) -> String {
    let number = host.number;
    format!("heartbeat_paths {{\n eth1 src 10.78.0.{number} peer 10.78.0.{}\n}}", 3 - number)
}

/// What the status says of each way; nothing while the daemon starts.
fn ways(director: &Director) -> Vec<HeartbeatStatus> {
    let instances = director.status().map(|status| status.instances);
    instances.into_iter().flatten().flat_map(|instance| instance.heartbeats).collect()
}

/// The events of heartbeat paths: which and what.
fn events(host: &Host) -> Vec<(String, String)> {
    let output = Command::new(vipd()).args(["events", "--json", "--socket"]).arg(host.path("socket")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let event = |line: &str| match serde_json::from_str(line).unwrap() {
        Item::Event(Event { kind, subject, what, .. }) if kind == "heartbeat" => Some((subject, what)),
        _ => None,
    };
    text.lines().filter_map(event).collect()
}

/// A master and a backup, each with these lines.
fn pair(one: &Host, two: &Host, version: u8, interval: &str, lines: impl Fn(&Host) -> String) -> (Director, Director) {
    let conf = |host: &Host, priority| Instance::new(version, priority, interval).with(&lines(host)).text();
    let a = Director::start(Kind::Vipd, one, &conf(one, 150));
    a.wait_master(VIP, LONG);
    let b = Director::start(Kind::Vipd, two, &conf(two, 100));
    wait_for("the backup hears the master by both ways", LONG, || {
        let ways = ways(&b);
        ways.len() == 2 && ways.iter().all(|way| way.received > 2)
    });
    (a, b)
}

/// Every way of cutting wires, and of mending them.
fn cuts(version: u8, interval: &str, lines: impl Fn(&Host) -> String) {
    let mut lab = Lab::new();
    let (one, two) = hosts(&mut lab);
    let (a, b) = pair(&one, &two, version, interval, &lines);
    let seconds: f64 = interval.parse().unwrap();
    let down = master_down(version, 100, seconds);

    two.isolate();
    pause(2.0 * down);
    assert!(one.holds(VIP) && !two.holds(VIP), "a second master:\n{}", b.log());
    let [own, path] = ways(&b).try_into().unwrap();
    assert!(own.silent.is_some() && path.silent.is_none() && path.problem.is_none(), "{own:?} {path:?}");
    assert_eq!((own.path.as_str(), own.rejected, path.rejected), ("eth0", 0, 0));
    let subject = |way: &str| format!("vrrp_instance VI_1 path {way}");
    assert_eq!(events(&two), [(subject("eth0"), "silent".to_owned())], "{}", b.log());
    assert!(b.log().contains("(VI_1) path eth0 is silent: nothing heard for"), "{}", b.log());
    assert!(b.log().contains(&format!("10.77.0.1 is heard by {}", path.path)), "{}", b.log());

    two.isolate_at("eth1");
    let took = b.wait_master(VIP, LONG).as_secs_f64();
    println!("  both wires cut: {took:.3} s, by the formula {down:.3} s");
    assert!(took < down + SLACK);

    // Healed by the path alone first: that is enough.
    two.rejoin_at("eth1");
    wait_for("the weaker one gives way", LONG, || !two.holds(VIP));
    assert!(one.holds(VIP), "{}", a.log());
    two.rejoin();
    wait_for("the own interface is heard again", LONG, || ways(&b).iter().all(|way| way.silent.is_none()));
    pause(2.0 * down);
    assert!(one.holds(VIP) && !two.holds(VIP));
    assert_eq!(a.instance("VI_1").counters.became_master, 1, "{}", a.log());
    assert_eq!(b.instance("VI_1").counters.rejected, [], "{}", b.log());
    assert_eq!(events(&two).last().unwrap(), &(subject("eth0"), "heard".to_owned()));
}

#[test]
fn a_cut_wire_makes_no_second_master() {
    cuts(3, "0.3", |_| SECOND_WIRE.to_owned());
}

#[test]
fn the_path_may_be_unicast_and_the_instance_on_an_interface_of_its_own() {
    cuts(3, "0.3", |host| format!("use_vmac\n{}", unicast(host)));
}

#[test]
fn adverts_are_authenticated_on_the_path_as_well() {
    cuts(2, "1", |_| format!("{AH}\n{SECOND_WIRE}"));
    let signed = "auth_hmac {\n key 1 0123456789abcdef0123456789abcdef\n active_key 1\n}";
    cuts(3, "0.3", |host| format!("{signed}\n{}", unicast(host)));
}

#[test]
fn without_a_path_a_cut_wire_makes_two_masters() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let (one, two) = hosts(&mut lab);
        let a = Director::start(kind, &one, &Instance::new(3, 150, "0.3").text());
        a.wait_master(VIP, LONG);
        let b = Director::start(kind, &two, &Instance::new(3, 100, "0.3").text());
        pause(2.0);
        two.isolate();
        b.wait_master(VIP, LONG);
        assert!(one.holds(VIP) && two.holds(VIP), "{kind:?}");
    }
}

/// What the master says when it goes comes by the path, too.
#[test]
fn a_good_bye_by_the_path_is_followed_within_the_skew_time() {
    let mut lab = Lab::new();
    let (one, two) = hosts(&mut lab);
    let (mut a, b) = pair(&one, &two, 3, "1", unicast);
    // Its cable is pulled: FAULT, and the wire that the others listen on is the one that it can't say so by.
    one.cable_out();
    let took = b.wait_master(VIP, LONG).as_secs_f64();
    println!("  a pulled cable: {took:.3} s, by the formula {:.3} s", skew(3, 100, 1.0));
    assert!(took < skew(3, 100, 1.0) + SLACK && took < 3.0, "{took}");
    one.cable_in();
    a.wait_master(VIP, LONG);
    wait_for("the weaker one gives way", LONG, || !two.holds(VIP));
    pause(2.0);
    two.isolate();
    a.stop();
    let took = b.wait_master(VIP, LONG).as_secs_f64();
    assert!(took < skew(3, 100, 1.0) + SLACK && took < 3.0, "{took}");
}

#[test]
fn a_path_that_is_down_harms_nobody_and_a_reload_brings_others_without_a_change() {
    let mut lab = Lab::new();
    let (one, two) = hosts(&mut lab);
    let (a, b) = pair(&one, &two, 3, "0.3", |_| SECOND_WIRE.to_owned());
    one.ip("link set eth1 down");
    wait_for("the master knows of it", LONG, || {
        let path = &ways(&a)[1];
        path.problem.as_deref() == Some("eth1 is down") && path.unsent > 2
    });
    wait_for("the backup, too", LONG, || ways(&b)[1].silent.is_some());
    let conf = |priority, lines: &str| Instance::new(3, priority, "0.3").with(lines).text();
    let states = || (a.instance("VI_1").state, b.instance("VI_1").state);
    // Another path, then none, then one again.
    for (lines, count) in [(unicast(&one), 2), (String::new(), 0), (SECOND_WIRE.to_owned(), 2)] {
        a.reload(&conf(150, &lines));
        b.reload(&conf(100, &lines.replace("10.78.0.1 peer 10.78.0.2", "10.78.0.2 peer 10.78.0.1")));
        wait_for("both have taken it", LONG, || ways(&a).len() == count && ways(&b).len() == count);
        pause(1.5);
        assert_eq!(states(), ("MASTER".to_owned(), "BACKUP".to_owned()), "{}\n{}", a.log(), b.log());
    }
    one.ip("link set eth1 up");
    wait_for("the path works", LONG, || ways(&b)[1].received > 3);
    let changes = |director: &Director| director.instance("VI_1").history.len();
    assert_eq!((changes(&a), changes(&b)), (2, 1), "{}\n{}", a.log(), b.log());
    // An interface that goes, and comes again.
    two.ip("link del eth1");
    wait_for("it knows that", LONG, || ways(&b)[1].problem.as_deref() == Some("eth1 doesn't exist"));
    two.plug("eth1", "br1", 78);
    let received = ways(&b)[1].received;
    wait_for("the path works again", LONG, || ways(&b)[1].received > received + 3);
    assert_eq!(states(), ("MASTER".to_owned(), "BACKUP".to_owned()));
}

/// Debian's keepalived knows nothing of paths, and hears what it always heard.
#[test]
fn keepalived_beside_it_is_not_disturbed() {
    let mut lab = Lab::new();
    let (one, two) = hosts(&mut lab);
    let mut a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").with(SECOND_WIRE).text());
    a.wait_master(VIP, LONG);
    let b = Director::start(Kind::Keepalived, &two, &Instance::new(3, 100, "0.3").text());
    pause(3.0);
    assert!(one.holds(VIP) && !two.holds(VIP), "{}", b.log());
    let down = master_down(3, 100, 0.3);
    a.kill();
    assert!(b.wait_master(VIP, LONG).as_secs_f64() < down + SLACK);
}

#[test]
fn what_is_forged_on_the_path_is_turned_away_and_counted() {
    let mut lab = Lab::new();
    let (one, two) = hosts(&mut lab);
    let three = lab.host(3);
    let (a, b) = pair(&one, &two, 2, "1", |_| format!("{PASS}\n{SECOND_WIRE}"));
    // The attacker is on the second wire.
    three.plug("eth1", "br1", 78);
    for command in ["set eth0 down", "set eth0 name first", "set eth1 down", "set eth1 name eth0", "set eth0 up"] {
        three.ip(&format!("link {command}"));
    }
    let mut junk = three.command(env!("CARGO_BIN_EXE_probe"));
    run(junk.args(["junk", "--vrid", "51", "--every", "10", "--duration", "4000"]));
    for (director, state) in [(&a, "MASTER"), (&b, "BACKUP")] {
        let status = director.instance("VI_1");
        assert_eq!((status.state.as_str(), status.heartbeats[0].rejected), (state, 0), "{}", director.log());
        let counted = |name: &str| status.counters.rejected.iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n);
        for name in ["checksum", "auth_password", "ttl", "packet_length", "version", "type", "auth_type"] {
            assert!(counted(name) > 0, "{name}: {:?}", status.counters.rejected);
        }
        assert!(status.heartbeats[1].rejected > 50, "{:?}", status.heartbeats[1]);
    }
}
