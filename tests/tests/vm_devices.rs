//! Interfaces that not every kernel has: ipvlans and VRFs. Runs in the virtual machine (`make test-vm`); elsewhere nextest leaves
//! these tests out, and each fails.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_api::InstanceStatus;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::seats::{Ends, LONG, Seats};
use vipd_tests::{need_vm, wait_for};

const VIP: &str = "10.77.0.100";
const VIP6: &str = "2001:db8:77::100";

/// What `ip` shows of the addresses of an interface; nothing if there is none.
fn shown(host: &Host, device: &str) -> String {
    let all = host.ip("-o addr show");
    let of = |line: &&str| line.split_whitespace().nth(1) == Some(device);
    all.lines().filter(of).collect::<Vec<_>>().join("\n")
}

fn setting(host: &Host, path: &str) -> String {
    run(host.command("cat").arg(format!("/proc/sys/net/{path}"))).trim().to_owned()
}

fn set(host: &Host, path: &str, value: &str) {
    run(host.command("sh").args(["-c", &format!("echo {value} > /proc/sys/net/{path}")]));
}

/// Waits for longer than a backup's patience; the weaker one must have heard the stronger.
#[track_caller]
fn stays_backup(host: &Host, director: &Director, vip: &str) {
    vipd_tests::seats::stays_backup(0.3, host, director, vip);
}

/// An instance on an ipvlan with the host's own address there.
fn on_ipvlan(priority: u8, own: u8) -> Instance {
    Instance::new(3, priority, "0.3").with(&format!("use_ipvlan ipv.51 10.77.0.{own}/24"))
}

/// One seat each: who sends, where the address goes, and a sudden end.
#[track_caller]
fn round(strong: Kind, weak: Kind) {
    need_vm();
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let mut a = Director::start(strong, &one, &on_ipvlan(150, 11).text());
    let mut b = Director::start(weak, &two, &on_ipvlan(100, 12).text());
    a.wait_master(VIP, LONG);
    stays_backup(&two, &b, VIP);
    for (kind, host, own) in [(strong, &one, "10.77.0.11/24"), (weak, &two, "10.77.0.12/24")] {
        assert!(shown(host, "ipv.51").contains(own), "{kind:?}: {}", host.ip("addr"));
        assert_eq!(setting(host, "ipv6/conf/ipv.51/disable_ipv6"), "1", "{kind:?}");
    }
    assert!(shown(&one, "eth0").contains(VIP), "{strong:?}: {}", one.ip("addr"));
    if weak == Kind::Vipd {
        let status = b.instance("VI_1");
        assert_eq!(status.master, Some("10.77.0.11".parse().unwrap()));
        assert!(status.counters.rejected.is_empty(), "{:?}", status.counters.rejected);
    }
    a.kill();
    b.wait_master(VIP, LONG);
    assert!(shown(&two, "eth0").contains(VIP), "{weak:?}: {}", two.ip("addr"));
    // What a killed one left behind is what it starts with.
    let mut a = Director::start(strong, &one, &on_ipvlan(150, 11).text());
    wait_for("the weaker gives way", LONG, || !two.holds(VIP));
    a.wait_master(VIP, LONG);
    for (director, host) in [(&mut a, &one), (&mut b, &two)] {
        director.stop();
        assert_eq!(shown(host, "ipv.51"), "", "a stopped director leaves its interface:\n{}", director.log());
    }
}

#[test]
fn ipvlan_over_keepalived() {
    round(Kind::Vipd, Kind::Keepalived);
}

#[test]
fn keepalived_over_ipvlan() {
    round(Kind::Keepalived, Kind::Vipd);
}

/// Strict filtering of the way back would drop the other's adverts, as the way to it is by the base; and an address that
/// somebody removes comes back.
#[test]
fn an_ipvlan_hears_and_keeps_its_address() {
    need_vm();
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    for host in [&one, &two] {
        set(host, "ipv4/conf/all/rp_filter", "1");
    }
    // While the kernel takes an interface away it does nothing else for the daemon: here that is a second or more.
    let conf = |priority, own| Instance { advert_int: "2".to_owned(), ..on_ipvlan(priority, own) };
    let mut a = Director::start(Kind::Vipd, &one, &conf(150, 11).text());
    let mut b = Director::start(Kind::Vipd, &two, &conf(100, 12).text());
    a.wait_master(VIP, LONG);
    vipd_tests::seats::stays_backup(2.0, &two, &b, VIP);
    assert_eq!(setting(&one, "ipv4/conf/eth0/rp_filter"), "1");

    one.ip("addr del 10.77.0.11/24 dev ipv.51");
    wait_for("its own address is back", LONG, || shown(&one, "ipv.51").contains("10.77.0.11/24"));
    one.ip("link del ipv.51");
    wait_for("it is back", LONG, || shown(&one, "ipv.51").contains("10.77.0.11/24"));
    wait_for("it is counted", LONG, || a.instance("VI_1").counters.devices_restored == 1);
    assert_eq!(a.instance("VI_1").state, "MASTER", "{}", a.log());

    // Another address is another interface.
    a.reload(&conf(150, 13).text());
    wait_for("it has the other address", LONG, || shown(&one, "ipv.51").contains("10.77.0.13/24"));
    wait_for("adverts come from it", LONG, || b.instance("VI_1").master == Some("10.77.0.13".parse().unwrap()));
    a.stop();
    b.stop();
    assert_eq!(setting(&one, "ipv4/conf/all/rp_filter"), "1", "it is as it was");
}

/// Over IPv6 the kernel gives an ipvlan a link-local address, and adverts come from that.
#[test]
fn an_ipvlan_over_ipv6_needs_no_address() {
    need_vm();
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    one.with_ipv6();
    two.with_ipv6();
    let conf = |priority| {
        let addresses = vec!["fe80::1:51/64".to_owned(), format!("{VIP6}/64")];
        Instance { addresses, ..Instance::new(3, priority, "0.3").with("use_ipvlan ipv6.51") }
    };
    let mut a = Director::start(Kind::Vipd, &one, &conf(150).text());
    let mut b = Director::start(Kind::Keepalived, &two, &conf(100).text());
    a.wait_master(VIP6, LONG);
    stays_backup(&two, &b, VIP6);
    let source = a.instance("VI_1").master.unwrap().to_string();
    assert!(shown(&one, "ipv6.51").contains(&source), "{source}: {}", one.ip("addr"));
    assert!(shown(&one, "eth0").contains(VIP6));
    a.stop();
    b.wait_master(VIP6, LONG);
    b.stop();
}

/// Puts eth0 into the VRF `red`, whose table is 10.
fn into_vrf(host: &Host) {
    host.ip("link add red type vrf table 10");
    host.ip("link set red up");
    host.ip("link set eth0 master red");
}

/// Our address is where the packets of the VRF are looked up.
fn in_the_table(host: &Host, vip: &str) {
    let family = if vip.contains(':') { "-6" } else { "-4" };
    let local = host.ip(&format!("{family} route show table 10 type local"));
    assert!(local.contains(vip), "{}", host.ip("route show table all"));
}

/// A host whose interface is in a VRF against one whose is not: they hear each other, and what is held is in the VRF's table.
#[track_caller]
fn vrf_round(vip: &str, conf: impl Fn(u8, &str) -> Instance) {
    need_vm();
    Seats {
        vip,
        prepare: &|ours, _| into_vrf(ours),
        conf: &|_, priority, (_, peer)| conf(priority, peer).text(),
        serving: &|host| in_the_table(host, vip),
        waiting: &|_, _| (),
    }
    .play();
}

#[test]
fn in_a_vrf() {
    let route = "virtual_routes {\n198.51.100.0/24 via 10.77.0.9 dev eth0 vrf red\n}";
    vrf_round(VIP, |priority, _| Instance::new(3, priority, "0.3"));
    let mut lab = Lab::new();
    let one = lab.host(1);
    into_vrf(&one);
    let mut a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").with(route).text());
    wait_for("its route is in the table of the VRF", LONG, || {
        one.ip("route show table 10").contains("198.51.100.0/24")
    });
    a.stop();
    assert!(!one.ip("route show table 10").contains("198.51.100.0/24"));
}

#[test]
fn in_a_vrf_to_peers() {
    vrf_round(VIP, |priority, peer| Instance::new(3, priority, "0.3").with(&format!("unicast_peer {{\n{peer}\n}}")));
}

#[test]
fn in_a_vrf_over_ipv6() {
    let addresses = || vec!["fe80::1:51/64".to_owned(), format!("{VIP6}/64")];
    vrf_round(VIP6, |priority, _| Instance { addresses: addresses(), ..Instance::new(3, priority, "0.3") });
}

/// An interface that comes into a VRF or leaves it while its instance is master.
#[test]
fn into_a_vrf_and_out_of_it() {
    need_vm();
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let mut a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").text());
    let mut b = Director::start(Kind::Keepalived, &two, &Instance::new(3, 100, "0.3").text());
    a.wait_master(VIP, LONG);
    into_vrf(&one);
    wait_for("the address is in the VRF's table", LONG, || one.ip("route show table 10 type local").contains(VIP));
    std::thread::sleep(Duration::from_secs(2));
    stays_backup(&two, &b, VIP);
    one.ip("link set eth0 nomaster");
    wait_for("the address is in the host's own table", LONG, || one.ip("route show table local").contains(VIP));
    std::thread::sleep(Duration::from_secs(2));
    stays_backup(&two, &b, VIP);
    assert_eq!(a.instance("VI_1").state, "MASTER");
    a.stop();
    b.stop();
}

/// A virtual MAC address is in the VRF that its base is in.
#[test]
fn a_virtual_mac_in_a_vrf() {
    vrf_round(VIP, |priority, _| Instance::new(3, priority, "0.3").with("use_vmac"));
}

/// An instance without an interface, in the VRF `red`: it sends by its routes from one address to the other.
fn of_a_vrf(priority: u8, vip: &str, (from, to): Ends<'_>) -> String {
    beside_a_vrf(priority, vip, (from, to)).replace("    interface eth0\n", "    vrf red\n")
}

/// The same of an instance on eth0.
fn beside_a_vrf(priority: u8, vip: &str, (from, to): Ends<'_>) -> String {
    let lines = format!("unicast_src_ip {from}\nunicast_peer {{\n{to}\n}}");
    let address = format!("{vip}/{} dev eth0", if vip.contains(':') { 128 } else { 32 });
    Instance { addresses: vec![address], ..Instance::new(3, priority, "0.3") }.with(&lines).text()
}

/// Both hosts in a VRF: an instance that names it against a keepalived whose interface is in it.
#[track_caller]
fn named_vrf_round(vip: &str) {
    need_vm();
    let conf = |kind, priority, ends: Ends<'_>| match kind {
        Kind::Vipd => of_a_vrf(priority, vip, ends),
        Kind::Keepalived => beside_a_vrf(priority, vip, ends),
    };
    let waiting = |status: &InstanceStatus, _: &str| {
        assert_eq!((status.interface.as_str(), status.vrf.as_deref()), ("", Some("red")))
    };
    Seats {
        vip,
        prepare: &|ours, theirs| [ours, theirs].into_iter().for_each(into_vrf),
        conf: &conf,
        serving: &|host| in_the_table(host, vip),
        waiting: &waiting,
    }
    .play();
}

#[test]
fn by_the_routes_of_a_vrf() {
    named_vrf_round(VIP);
}

#[test]
fn by_the_routes_of_a_vrf_over_ipv6() {
    named_vrf_round(VIP6);
}

/// What keepalived calls a MASTER that nobody hears: the VRF goes down, or goes. (So measured of 2.4.3: both hosts serve.)
#[test]
fn without_its_vrf_an_instance_is_in_fault() {
    need_vm();
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    into_vrf(&one);
    let (ours, theirs) = (one.address(), two.address());
    let mut a = Director::start(Kind::Vipd, &one, &of_a_vrf(150, VIP, (&ours, &theirs)));
    let mut b = Director::start(Kind::Keepalived, &two, &beside_a_vrf(100, VIP, (&theirs, &ours)));
    let faulty = |why: &str| {
        b.wait_master(VIP, LONG);
        let status = a.instance("VI_1");
        assert_eq!((status.state.as_str(), status.faults), ("FAULT", vec![why.to_owned()]), "{}", a.log());
        assert!(!one.holds(VIP));
    };
    let serves = || {
        a.wait_master(VIP, LONG);
        wait_for("the weaker gives way", LONG, || !two.holds(VIP));
        stays_backup(&two, &b, VIP);
    };
    serves();
    one.ip("link set red down");
    faulty("VRF red is down");
    one.ip("link set red up");
    serves();
    one.ip("link del red");
    faulty("VRF red doesn't exist");
    one.ip("link add red type dummy");
    one.ip("link set red up");
    faulty("no socket for adverts: red is no VRF: it has no table of routes");
    one.ip("link del red");
    into_vrf(&one);
    serves();
    a.stop();
    b.stop();
}

/// One virtual router in a VRF and one beside it, with the same addresses and VRIDs: each hears its own alone.
#[test]
fn in_two_vrfs_with_the_same_addresses() {
    need_vm();
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    for host in [&one, &two] {
        into_vrf(host);
        host.plug("eth1", "br1", 78);
        host.ip("link add blue type vrf table 20");
        host.ip("link set blue up");
        host.ip("link set eth1 master blue");
        host.ip(&format!("addr add {}/24 dev eth1", host.address()));
    }
    let (ours, theirs) = (one.address(), two.address());
    // The other's `blue` is the master there, and nobody's in `red`.
    let blue =
        |text: String| text.replace("VI_1", "VI_2").replace("vrf red", "vrf blue").replace("dev eth0", "dev eth1");
    let both = |red, other, ends| of_a_vrf(red, VIP, ends) + &blue(of_a_vrf(other, "10.77.0.101", ends));
    let mut a = Director::start(Kind::Vipd, &one, &both(150, 100, (&ours, &theirs)));
    let mut b = Director::start(Kind::Vipd, &two, &both(100, 150, (&theirs, &ours)));
    a.wait_master(VIP, LONG);
    b.wait_master("10.77.0.101", LONG);
    stays_backup(&two, &b, VIP);
    stays_backup(&one, &a, "10.77.0.101");
    let state = |of: &Director, name: &str| of.instance(name).state;
    assert_eq!((state(&a, "VI_1"), state(&a, "VI_2")), ("MASTER".to_owned(), "BACKUP".to_owned()), "{}", a.log());
    assert_eq!((state(&b, "VI_1"), state(&b, "VI_2")), ("BACKUP".to_owned(), "MASTER".to_owned()), "{}", b.log());
    a.stop();
    b.stop();
}
