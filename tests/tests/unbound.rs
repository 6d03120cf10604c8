//! Unicast without an interface of its own: adverts go and come as the routes have it. In a VRF: `vm_devices.rs`.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use vipd_api::InstanceStatus;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::seats::{Ends, LONG, Seats};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const VIP6: &str = "2001:db8:77::100";

/// An instance that sends from one address to another, and holds this one on eth0.
fn unicast(priority: u8, vip: &str, (from, to): Ends<'_>) -> String {
    let lines = format!("unicast_src_ip {from}\nunicast_peer {{\n{to}\n}}");
    let address = format!("{vip}/{} dev eth0", if vip.contains(':') { 128 } else { 32 });
    Instance { addresses: vec![address], ..Instance::new(3, priority, "0.3") }.with(&lines).text()
}

/// The same without its interface.
fn unbound(priority: u8, vip: &str, ends: Ends<'_>) -> String {
    unicast(priority, vip, ends).replace("    interface eth0\n", "")
}

/// Waits for longer than a backup's patience; the weaker one must have heard the stronger.
#[track_caller]
fn stays_backup(host: &Host, director: &Director, vip: &str) {
    vipd_tests::seats::stays_backup(0.3, host, director, vip);
}

/// Against Debian's keepalived, which is on its interface. (By itself 2.2.7 takes no instance without one: a mistake that 2.2.8
/// has corrected.)
#[track_caller]
fn round(vip: &str) {
    let conf = |kind, priority, ends: Ends<'_>| match kind {
        Kind::Vipd => unbound(priority, vip, ends),
        Kind::Keepalived => unicast(priority, vip, ends),
    };
    let waiting = |status: &InstanceStatus, theirs: &str| {
        assert_eq!((status.interface.as_str(), &status.vrf), ("", &None));
        assert_eq!(status.master, Some(theirs.parse().unwrap()));
    };
    Seats { vip, prepare: &|_, _| (), conf: &conf, serving: &|_| (), waiting: &waiting }.play();
}

#[test]
fn unbound_and_keepalived() {
    round(VIP);
}

#[test]
fn unbound_and_keepalived_over_ipv6() {
    round(VIP6);
}

/// Addresses on no wire, reached by one of two: adverts follow the routes, which are chosen by their source.
#[test]
fn adverts_follow_the_routes() {
    let mut lab = Lab::new();
    let hosts = [lab.host(1), lab.host(2)];
    let ends = |host: &Host| (format!("10.99.0.{}", host.number), format!("10.99.0.{}", 3 - host.number));
    let route = |host: &Host, verb: &str, network: u8| {
        host.ip(&format!("route {verb} {} via 10.{network}.0.{} table 100", ends(host).1, 3 - host.number));
    };
    for host in &hosts {
        host.plug("eth1", "br1", 78);
        host.ip(&format!("addr add {}/32 dev lo", ends(host).0));
        host.ip(&format!("rule add from {} lookup 100", ends(host).0));
        route(host, "add", 77);
    }
    let conf = |host: &Host, priority, vip| {
        let (from, to) = ends(host);
        unbound(priority, vip, (&from, &to))
    };
    let [one, two] = &hosts;
    let a = Director::start(Kind::Vipd, one, &conf(one, 150, VIP));
    let b = Director::start(Kind::Vipd, two, &conf(two, 100, VIP));
    a.wait_master(VIP, LONG);
    stays_backup(two, &b, VIP);
    // The first wire is cut: what goes by it is lost, and what goes by the second is heard.
    one.isolate();
    b.wait_master(VIP, LONG);
    hosts.iter().for_each(|host| route(host, "replace", 78));
    wait_for("the weaker one hears the stronger by the second wire", LONG, || !two.holds(VIP));
    stays_backup(two, &b, VIP);
    assert!(one.holds(VIP));
    // A reload leaves the master where it is.
    a.reload(&conf(one, 150, "10.77.0.101"));
    a.wait_master("10.77.0.101", LONG);
    stays_backup(two, &b, "10.77.0.101");
    assert_eq!((a.instance("VI_1").state.as_str(), a.instance("VI_1").counters.became_master), ("MASTER", 1));
    // Nobody would reach an address on an interface that is down.
    one.ip("link set eth0 down");
    wait_for("it is a fault", LONG, || a.instance("VI_1").state == "FAULT");
    b.wait_master(VIP, LONG);
}

/// Both ways are one by one what they are beside an interface: as long as the path is heard nobody takes over.
#[test]
fn a_heartbeat_path_beside_no_interface() {
    let mut lab = Lab::new();
    let hosts = [lab.host(1), lab.host(2)];
    let conf = |host: &Host, priority| {
        let other = 3 - host.number;
        let path = format!("heartbeat_paths {{\n eth1 src 10.78.0.{} peer 10.78.0.{other}\n}}\n}}\n", host.number);
        let text = unbound(priority, VIP, (&host.address(), &format!("10.77.0.{other}")));
        text.trim_end().strip_suffix('}').unwrap().to_owned() + &path
    };
    hosts.iter().for_each(|host| host.plug("eth1", "br1", 78));
    let [one, two] = &hosts;
    let a = Director::start(Kind::Vipd, one, &conf(one, 150));
    let b = Director::start(Kind::Vipd, two, &conf(two, 100));
    a.wait_master(VIP, LONG);
    stays_backup(two, &b, VIP);
    one.isolate();
    stays_backup(two, &b, VIP);
    let ways = b.instance("VI_1").heartbeats;
    assert_eq!(ways.iter().map(|way| way.silent.is_some()).collect::<Vec<_>>(), [true, false], "{ways:?}");
    assert!(ways.iter().all(|way| way.problem.is_none() && way.rejected == 0), "{ways:?}");
    one.isolate_at("eth1");
    b.wait_master(VIP, LONG);
}

/// Who is none of its peers may be stronger and in earnest: it isn't believed, by an unbound instance as by any other.
#[test]
fn a_stranger_is_not_believed() {
    let mut lab = Lab::new();
    let (one, two, three) = (lab.host(1), lab.host(2), lab.host(3));
    let ends = |from: &Host, to: &Host| (from.address(), to.address());
    let (from, to) = ends(&one, &two);
    let a = Director::start(Kind::Vipd, &one, &unbound(100, VIP, (&from, &to)));
    a.wait_master(VIP, LONG);
    let (from, to) = ends(&three, &one);
    let stranger = Director::start(Kind::Keepalived, &three, &unicast(200, VIP, (&from, &to)));
    stranger.wait_master(VIP, LONG);
    let rejected = || a.instance("VI_1").counters.rejected;
    wait_for("its adverts come and are counted", LONG, || rejected().iter().any(|(_, times)| *times > 10));
    let status = a.instance("VI_1");
    assert_eq!((status.state.as_str(), status.counters.became_master), ("MASTER", 1), "{}", a.log());
    let reasons: Vec<String> = rejected().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["not_a_peer"]);
}
