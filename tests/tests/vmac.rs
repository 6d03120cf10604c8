//! Virtual MAC addresses: vipd with Debian's keepalived and with FRR in both seats, clients that notice nothing of a
//! take-over, and interfaces that outlive a crash and come back when somebody removes them.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vipd_tests::conf::{Instance, PASS, master_down, skew};
use vipd_tests::director::{Director, Kind};
use vipd_tests::frr::{Frr, virtual_interface};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;

/// What a shared machine may add to any time.
const SLACK: f64 = 1.0;
const VIP: &str = "10.77.0.100";
const VIP6: &str = "2001:db8:77::100";
/// The virtual router's hardware address over IPv4 and IPv6: VRID 51.
const MAC: &str = "00:00:5e:00:01:33";
const MAC6: &str = "00:00:5e:00:02:33";

fn patience(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds + 4.0)
}

fn ipv4(version: u8, priority: u8, interval: &str) -> Instance {
    Instance::new(version, priority, interval).with("use_vmac")
}

fn ipv6(priority: u8) -> Instance {
    let addresses = vec!["fe80::1:51/64".to_owned(), format!("{VIP6}/64")];
    Instance { addresses, ..ipv4(3, priority, "0.3") }
}

/// Whether a host has an interface.
fn has(host: &Host, device: &str) -> bool {
    let links = host.ip("-o link show");
    links.contains(&format!(" {device}@")) || links.contains(&format!(" {device}:"))
}

/// What `ip` shows of an interface.
fn shown(host: &Host, device: &str) -> String {
    host.ip(&format!("-d addr show dev {device}"))
}

/// The hardware address that a host knows a neighbour by.
fn neighbour(host: &Host, address: &str) -> Option<String> {
    let line = host.ip(&format!("neigh show {address}"));
    let mut words = line.split_whitespace();
    words.find(|word| *word == "lladdr")?;
    words.next().map(str::to_owned)
}

/// The kernel's settings of an interface that concern who answers for an address.
fn settings(host: &Host, device: &str) -> BTreeMap<String, String> {
    let keys = [
        ("ipv4", "arp_ignore"),
        ("ipv4", "arp_filter"),
        ("ipv4", "accept_local"),
        ("ipv4", "rp_filter"),
        ("ipv4", "promote_secondaries"),
        ("ipv6", "disable_ipv6"),
        ("ipv6", "addr_gen_mode"),
    ];
    let read = |family, key| {
        run(host.command("cat").arg(format!("/proc/sys/net/{family}/conf/{device}/{key}"))).trim().to_owned()
    };
    keys.into_iter().map(|(family, key)| (format!("{family} {key}"), read(family, key))).collect()
}

/// One seat each; a planned stop, a return, a sudden end. Adverts of the virtual hardware address are heard by a macvlan that
/// has it, too.
#[track_caller]
fn round(strong: Kind, weak: Kind, vip: &str, conf: impl Fn(Kind, u8) -> Instance) {
    let Instance { version, advert_int, .. } = conf(weak, 100);
    let seconds: f64 = advert_int.parse().unwrap();
    let down = master_down(version, 100, seconds);
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    if vip.contains(':') {
        one.with_ipv6();
        two.with_ipv6();
    }
    let mut a = Director::start(strong, &one, &conf(strong, 150).text());
    let mut b = Director::start(weak, &two, &conf(weak, 100).text());
    a.wait_master(vip, patience(master_down(version, 150, seconds)));
    std::thread::sleep(Duration::from_secs_f64(down + SLACK));
    assert!(!two.holds(vip), "the weaker one doesn't hear the stronger:\n{}", b.log());
    assert!(shown(&one, "vrrp.51").contains(vip), "{}", one.ip("addr"));

    a.terminate();
    let took = b.wait_master(vip, patience(skew(version, 100, seconds))).as_secs_f64();
    println!("  {strong:?} to {weak:?}: planned stop {took:.3} s, by the formula {:.3} s", skew(version, 100, seconds));
    assert!(took < skew(version, 100, seconds) + SLACK);
    a.stop();
    assert!(!has(&one, "vrrp.51"), "a stopped director leaves its interface:\n{}", a.log());

    let mut a = Director::start(strong, &one, &conf(strong, 150).text());
    a.wait_master(vip, patience(master_down(version, 150, seconds)));
    wait_for("the weaker gives way", patience(seconds), || !two.holds(vip));
    if strong == Kind::Vipd {
        let status = a.instance("VI_1");
        let device = status.devices.first().unwrap();
        assert_eq!((status.interface.as_str(), device.name.as_str()), ("eth0", "vrrp.51"));
        assert!(status.counters.rejected.is_empty(), "{:?}", status.counters.rejected);
    }
    a.kill();
    let took = b.wait_master(vip, patience(down)).as_secs_f64();
    println!("  {strong:?} to {weak:?}: killed {took:.3} s, by the formula {down:.3} s");
    assert!(took < down + SLACK);
    b.stop();
    assert!(!has(&two, "vrrp.51"), "a stopped director leaves its interface:\n{}", b.log());
}

#[test]
fn vmac_over_keepalived() {
    round(Kind::Vipd, Kind::Keepalived, VIP, |_, priority| ipv4(3, priority, "0.3"));
}

#[test]
fn keepalived_over_vmac() {
    round(Kind::Keepalived, Kind::Vipd, VIP, |_, priority| ipv4(3, priority, "0.3"));
}

#[test]
fn vmac_over_keepalived_v2_password() {
    round(Kind::Vipd, Kind::Keepalived, VIP, |_, priority| ipv4(2, priority, "1").with(PASS));
}

#[test]
fn vmac_over_keepalived_ipv6() {
    round(Kind::Vipd, Kind::Keepalived, VIP6, |_, priority| ipv6(priority));
}

#[test]
fn keepalived_over_vmac_ipv6() {
    round(Kind::Keepalived, Kind::Vipd, VIP6, |_, priority| ipv6(priority));
}

/// Adverts leave by the base; keepalived hears them there alone.
#[test]
fn adverts_from_the_base_over_keepalived() {
    round(Kind::Vipd, Kind::Keepalived, VIP, |_, priority| ipv4(3, priority, "0.3").with("vmac_xmit_base"));
}

/// keepalived sends from the virtual MAC address and listens there; what ours sends by its base is heard there, too.
#[test]
fn adverts_from_the_base_to_a_keepalived_that_does_not() {
    round(Kind::Vipd, Kind::Keepalived, VIP, |kind, priority| match kind {
        Kind::Vipd => ipv4(3, priority, "0.3").with("vmac_xmit_base"),
        Kind::Keepalived => ipv4(3, priority, "0.3"),
    });
}

/// The settings of the kernel are those that keepalived makes, and at the end as they were.
#[test]
fn the_kernel_is_set_as_keepalived_sets_it_and_as_it_was_again() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let start = |kind, host: &Host| {
        run(host.command("sysctl").args(["-qw", "net.ipv4.conf.all.rp_filter=1"]));
        Director::start(kind, host, &ipv4(3, 150, "0.3").text())
    };
    let before = settings(&one, "eth0");
    let mut ours = start(Kind::Vipd, &one);
    let mut theirs = start(Kind::Keepalived, &two);
    wait_for("both have their interface", patience(3.0), || has(&one, "vrrp.51") && has(&two, "vrrp.51"));
    std::thread::sleep(Duration::from_secs(1));
    for device in ["vrrp.51", "all"] {
        assert_eq!(settings(&one, device), settings(&two, device), "{device}");
    }
    for key in ["ipv4 arp_ignore", "ipv4 arp_filter", "ipv4 rp_filter"] {
        assert_eq!(settings(&one, "eth0")[key], settings(&two, "eth0")[key], "{key}");
    }
    assert_eq!(settings(&one, "eth0")["ipv4 rp_filter"], "1", "the others are filtered as before");
    for what in ["macvlan mode private", MAC] {
        assert!(shown(&one, "vrrp.51").contains(what), "{}", shown(&one, "vrrp.51"));
    }
    ours.stop();
    theirs.stop();
    assert_eq!(settings(&one, "eth0"), before);
    assert_eq!(settings(&one, "all")["ipv4 rp_filter"], "1");
}

/// A client keeps what it knows of the address over every take-over, asks all the time and is answered.
#[track_caller]
fn client_notices_nothing(vip: &str, mac: &str, conf: impl Fn(u8) -> Instance) {
    let mut lab = Lab::new();
    let (one, two, client) = (lab.host(1), lab.host(2), lab.host(3));
    let v6 = vip.contains(':');
    if v6 {
        for host in [&one, &two, &client] {
            host.with_ipv6();
        }
    }
    let mut a = Director::start(Kind::Vipd, &one, &conf(150).text());
    let mut b = Director::start(Kind::Vipd, &two, &conf(100).text());
    a.wait_master(vip, patience(1.3));
    let known = || {
        // A question that makes the client look for its neighbour; nobody need answer it.
        let _ = client.command("bash").args(["-c", &format!("echo > /dev/udp/{vip}/9")]).output();
        neighbour(&client, vip)
    };
    wait_for("the client knows its neighbour", patience(2.0), || known().is_some());
    let monitor = client.spawn("neigh.log", client.command("ip").args(["monitor", "neigh"]));
    assert_eq!(known().as_deref(), Some(mac));
    for turn in 0..2 {
        a.stop();
        b.wait_master(vip, patience(0.3));
        assert_eq!(known().as_deref(), Some(mac), "turn {turn}");
        a = Director::start(Kind::Vipd, &one, &conf(150).text());
        a.wait_master(vip, patience(1.3));
        wait_for("the weaker gives way", patience(0.3), || !two.holds(vip));
        assert_eq!(known().as_deref(), Some(mac), "turn {turn}");
    }
    let log = monitor.output();
    let changes: Vec<&str> = log.lines().filter(|l| l.starts_with(vip) && l.contains("lladdr")).collect();
    assert!(changes.iter().all(|l| l.contains(mac)), "{changes:?}");
    a.stop();
    b.stop();
}

#[test]
fn neighbours_keep_what_they_know() {
    client_notices_nothing(VIP, MAC, |priority| ipv4(3, priority, "0.3"));
}

#[test]
fn neighbours_keep_what_they_know_ipv6() {
    client_notices_nothing(VIP6, MAC6, ipv6);
}

/// Nothing leaves with the virtual hardware address from a router that is not master: switches would send it what is the
/// master's.
#[test]
fn a_backup_is_silent_under_the_virtual_address() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    for host in [&one, &two] {
        host.with_ipv6();
    }
    let conf = |priority| {
        let six = Instance { name: "VI_6".to_owned(), ..ipv6(priority) };
        ipv4(3, priority, "0.3").text() + &six.text()
    };
    let mut a = Director::start(Kind::Keepalived, &one, &conf(150));
    a.wait_master(VIP6, patience(1.3));
    a.wait_master(VIP, patience(1.3));
    let filter = format!("ether src {MAC} or ether src {MAC6} or igmp or dst ff02::16");
    let mut tcpdump = two.command("tcpdump");
    tcpdump.args(["-Z", "root", "-l", "--immediate-mode", "-n", "-p", "-e", "-v", "-Q", "out", "-i", "eth0", &filter]);
    let capture = two.spawn("tcpdump.log", &mut tcpdump);
    wait_for("tcpdump listens", Duration::from_secs(10), || capture.output().contains("listening on"));
    let mut b = Director::start(Kind::Vipd, &two, &conf(100));
    wait_for("it listens", patience(2.0), || b.status().is_some_and(|s| s.instances.len() == 2));
    std::thread::sleep(Duration::from_secs(4));
    for name in ["VI_1", "VI_6"] {
        let status = b.instance(name);
        assert_eq!(status.state, "BACKUP", "{}", status.why);
        assert!(status.counters.adverts_received > 5);
    }
    b.stop();
    a.stop();
    let said = capture.output();
    let frames: Vec<&str> = said.lines().filter(|l| l.contains(MAC) || l.contains(MAC6)).collect();
    assert!(frames.is_empty(), "{frames:#?}");
    // The groups are asked for all the same, from the interface itself.
    for group in ["gaddr 224.0.0.18", "gaddr ff02::12"] {
        assert!(said.contains(group), "{said}");
    }
}

/// The interface outlives a crash of the role and a reload; who removes it finds it there again, without a change of role.
#[test]
fn the_interface_stays_and_comes_back() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let conf = ipv4(3, 150, "0.3");
    let mut a = Director::start(Kind::Vipd, &one, &conf.text());
    let mut b = Director::start(Kind::Vipd, &two, &ipv4(3, 100, "0.3").text());
    a.wait_master(VIP, patience(1.3));
    let index = |host: &Host| host.ip("-o link show dev vrrp.51").split(':').next().unwrap().to_owned();
    let first = index(&one);

    let role = a.role("vrrp");
    vipd_tests::process::signal_pid(role, rustix::process::Signal::KILL);
    wait_for("the role is back", patience(2.0), || {
        a.status().is_some_and(|s| s.roles.iter().any(|r| r.name == "vrrp" && r.pid != role && r.pid != 0))
    });
    a.reload(&conf.clone().with("garp_master_refresh 60").text());
    wait_for("it is reloaded", patience(2.0), || a.log().contains("garp"));
    assert_eq!(index(&one), first, "it was made anew");
    assert!(one.holds(VIP) && a.instance("VI_1").state == "MASTER");

    let became = b.instance("VI_1").counters.became_master;
    let changed = a.instance("VI_1").counters.became_master;
    one.ip("link del vrrp.51");
    let took = wait_for("it is there again", Duration::from_secs(1), || one.holds(VIP));
    println!("  removed, and back with its address after {:.1} ms", took.as_secs_f64() * 1000.0);
    one.ip("link set vrrp.51 down");
    wait_for("it is up again", Duration::from_secs(1), || one.ip("link show vrrp.51").contains(",UP"));
    std::thread::sleep(Duration::from_secs(2));
    let status = a.instance("VI_1");
    assert_eq!(status.state, "MASTER", "{}", status.why);
    assert_eq!(status.counters.became_master, changed, "it gave up for a moment:\n{}", a.log());
    assert_eq!(b.instance("VI_1").counters.became_master, became, "the other took over:\n{}", b.log());
    assert_eq!(status.counters.devices_restored, 2);
    assert!(shown(&one, "vrrp.51").contains(MAC));

    // Without a role to do it the supervisor cleans up; without the word in the file the role does.
    a.reload(&Instance::new(3, 150, "0.3").text());
    wait_for("the address moved", patience(2.0), || !has(&one, "vrrp.51") && shown(&one, "eth0").contains(VIP));
    assert_eq!(settings(&one, "eth0")["ipv4 arp_ignore"], "0");
    a.stop();
    b.stop();
}

/// Somebody else's interface is not taken.
#[test]
fn an_interface_of_that_name_is_left_alone() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    one.ip("link add vrrp.51 type veth peer name other");
    let mut a = Director::start(Kind::Vipd, &one, &ipv4(3, 150, "0.3").text());
    wait_for("it is in FAULT", patience(2.0), || {
        a.status().is_some_and(|s| {
            s.instances.iter().any(|i| i.state == "FAULT" && i.why.contains("another interface has its name"))
        })
    });
    one.ip("link del vrrp.51");
    a.wait_master(VIP, patience(2.0));
    one.ip("link del eth0");
    wait_for("it is in FAULT", patience(2.0), || a.instance("VI_1").state == "FAULT");
    one.plug("eth0", "br0", 77);
    a.wait_master(VIP, patience(2.0));
    a.stop();
    assert!(!has(&one, "vrrp.51"));
}

/// Addresses elsewhere get interfaces of their own, by the names that keepalived gives them.
#[test]
fn addresses_elsewhere_have_virtual_addresses_too() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    for host in [&one, &two] {
        host.plug("eth1", "br1", 78);
    }
    let conf = "use_vmac_addr\nvirtual_ipaddress_excluded {\n2001:db8:77::108/64\n10.78.0.109/24 dev eth1\n}";
    let conf =
        Instance { addresses: vec![format!("{VIP}/24"), "10.78.0.108/24 dev eth1".to_owned()], ..ipv4(3, 150, "0.3") }
            .with(conf)
            .text();
    let mut ours = Director::start(Kind::Vipd, &one, &conf);
    let mut theirs = Director::start(Kind::Keepalived, &two, &conf.replace("priority 150", "priority 100"));
    ours.wait_master(VIP, patience(1.3));
    let places = |host: &Host| -> BTreeMap<String, String> {
        let all = host.ip("-o addr show");
        let mut found = BTreeMap::new();
        for line in all
            .lines()
            .filter(|l| l.contains(".100/") || l.contains(".108/") || l.contains(".109/") || l.contains("::108/"))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            found.insert(words[3].to_owned(), words[1].to_owned());
        }
        found
    };
    wait_for("all are there", patience(1.0), || places(&one).len() == 4);
    let mine = places(&one);
    ours.stop();
    theirs.wait_master("2001:db8:77::108", patience(1.3));
    wait_for("all are there", patience(1.0), || places(&two).len() == 4);
    assert_eq!(mine, places(&two));
    theirs.stop();
    assert!(!["vrrp.51", "vrrp1.51", "vrrp6.51"].iter().any(|device| has(&one, device)), "{}", one.ip("link"));
}

/// FRR's vrrpd has its virtual MAC address too.
#[track_caller]
fn with_frr(network: &str, conf: impl Fn(u8) -> Instance) {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let (vip, _) = network.split_once('/').unwrap();
    let v6 = vip.contains(':');
    if v6 {
        one.with_ipv6();
        two.with_ipv6();
    }
    virtual_interface(&two, 51, network);
    let family = if v6 { "ipv6" } else { "ip" };
    let theirs = format!(
        "interface eth0\n vrrp 51 version 3\n vrrp 51 priority 100\n vrrp 51 advertisement-interval 300\n \
         vrrp 51 {family} {vip}\n"
    );
    let mut frr = Frr::start(&two, "vrrpd", &theirs);
    let label = if v6 { "Status (v6)" } else { "Status (v4)" };
    let state = |frr: &Frr| {
        let all = frr.show("show vrrp");
        let line = all.lines().find(|l| l.contains(label)).unwrap_or_default().to_owned();
        line.split_whitespace().last().unwrap_or_default().to_owned()
    };
    wait_for("FRR is master alone", patience(2.0), || state(&frr) == "Master");
    let mut ours = Director::start(Kind::Vipd, &one, &conf(150).text());
    ours.wait_master(vip, patience(2.0));
    wait_for("FRR gives way", patience(1.0), || state(&frr) == "Backup");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(state(&frr), "Backup", "it doesn't hear our adverts:\n{}", frr.log());
    let stop = Instant::now();
    ours.stop();
    wait_for("FRR takes over", patience(1.0), || state(&frr) == "Master");
    println!("  planned stop of ours: {:.3} s", stop.elapsed().as_secs_f64());
    let mut ours = Director::start(Kind::Vipd, &one, &conf(50).text());
    std::thread::sleep(Duration::from_secs(3));
    let status = ours.instance("VI_1");
    assert_eq!((status.state.as_str(), status.master_priority), ("BACKUP", Some(100)), "{}", ours.log());
    frr.stop();
    let took = ours.wait_master(vip, patience(1.0)).as_secs_f64();
    println!("  planned stop of FRR: {took:.3} s");
    ours.stop();
}

#[test]
fn vmac_with_frr() {
    with_frr("10.77.0.100/24", |priority| ipv4(3, priority, "0.3"));
}

#[test]
fn vmac_with_frr_ipv6() {
    with_frr("2001:db8:77::100/64", |priority| Instance {
        addresses: vec!["2001:db8:77::100/64".to_owned()],
        ..ipv4(3, priority, "0.3")
    });
}
