//! Unicast without an interface of its own: adverts go and come as the routes have it. In a VRF: `vm_devices.rs`.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::{Instance, master_down};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const VIP6: &str = "2001:db8:77::100";
const LONG: Duration = Duration::from_secs(20);

/// An instance that sends from one address to another, and holds this one on eth0.
fn unicast(priority: u8, vip: &str, (from, to): (&str, &str)) -> String {
    let lines = format!("unicast_src_ip {from}\nunicast_peer {{\n{to}\n}}");
    let address = format!("{vip}/{} dev eth0", if vip.contains(':') { 128 } else { 32 });
    Instance { addresses: vec![address], ..Instance::new(3, priority, "0.3") }.with(&lines).text()
}

/// The same without its interface.
fn unbound(priority: u8, vip: &str, ends: (&str, &str)) -> String {
    unicast(priority, vip, ends).replace("    interface eth0\n", "")
}

/// Waits for longer than a backup's patience; the weaker one must have heard the stronger.
#[track_caller]
fn stays_backup(host: &Host, director: &Director, vip: &str) {
    std::thread::sleep(Duration::from_secs_f64(master_down(3, 100, 0.3) + 1.0));
    assert!(!host.holds(vip), "the weaker one doesn't hear the stronger:\n{}", director.log());
}

/// Against Debian's keepalived, which is on its interface, in both seats. (By itself 2.2.7 takes no instance without one: a
/// mistake that 2.2.8 has corrected.)
#[track_caller]
fn round(vip: &str) {
    for strong in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let (one, two) = (lab.host(1), lab.host(2));
        let address = |host: &Host| if vip.contains(':') { host.ipv6() } else { host.address() };
        if vip.contains(':') {
            one.with_ipv6();
            two.with_ipv6();
        }
        let (ours, theirs) = (address(&one), address(&two));
        let (mine, other) = if strong == Kind::Vipd { (150, 100) } else { (100, 150) };
        let mut vipd = Director::start(Kind::Vipd, &one, &unbound(mine, vip, (&ours, &theirs)));
        let mut keepalived = Director::start(Kind::Keepalived, &two, &unicast(other, vip, (&theirs, &ours)));
        if strong == Kind::Vipd {
            vipd.wait_master(vip, LONG);
            stays_backup(&two, &keepalived, vip);
            vipd.kill();
            keepalived.wait_master(vip, LONG);
        } else {
            keepalived.wait_master(vip, LONG);
            stays_backup(&one, &vipd, vip);
            let status = vipd.instance("VI_1");
            assert!(status.counters.rejected.is_empty(), "{:?}", status.counters.rejected);
            assert_eq!((status.interface.as_str(), status.vrf), ("", None));
            assert_eq!(status.master, Some(theirs.parse().unwrap()));
            keepalived.kill();
            vipd.wait_master(vip, LONG);
            vipd.stop();
            assert!(!one.holds(vip));
        }
    }
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
