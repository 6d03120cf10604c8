//! Routes, rules and static addresses on real hosts: the same configuration leaves the same tables with vipd and with Debian's
//! keepalived; what somebody removes comes back; a reload touches what differs; what goes with an interface takes the
//! instance along.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::time::{Duration, Instant};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const PATIENCE: Duration = Duration::from_secs(10);
/// What a shared machine may add to the 50 ms within which what was removed comes back.
const SLACK: Duration = Duration::from_millis(450);

/// What is there whoever is MASTER.
const STATICS: &str = "static_ipaddress {\n10.77.0.201/32 dev eth0\n}\n\
    static_routes {\n10.100.0.0/24 via 10.77.0.254 dev eth0\n10.101.0.0/24 dev eth1 table 50\n\
    2001:db8:100::/48 via 2001:db8:77::254 dev eth0\n}\n\
    static_rules {\nfrom 10.77.0.9 table 50 priority 500\n}\n";

/// Something of every sort, as far as Debian's keepalived and kernel have it.
const PATHS: &str = "virtual_ipaddress_excluded {\n2001:db8:77::100/64\n}\nvirtual_routes {\n\
    10.90.0.0/24 via 10.77.0.2\n\
    10.91.0.0/24 via 10.77.0.2 dev eth0 src 10.77.0.100 metric 5 mtu lock 1400 rto_min 300ms quickack 1 features ecn\n\
    10.92.0.0/24 dev eth1 table 100 scope link tos 0x10\n\
    blackhole 10.93.0.0/24\nunreachable 10.96.0.0/24 table 100\nthrow 10.88.0.0/16 table 100\nprohibit 10.87.0.0/16\n\
    10.94.0.0/24 nexthop via 10.77.0.2 dev eth0 weight 2 nexthop via 10.78.0.3 dev eth1 weight 1\n\
    10.95.0.0/24 via 10.78.0.3 dev eth1 no_track\n\
    10.97.0.0/24 via 10.99.0.1 dev eth0 onlink\n\
    10.98.0.0/24 via 10.77.0.2 or 10.77.0.3\n\
    10.99.0.0/24 via 10.77.0.2 dev eth0 metric 7\n10.99.0.0/24 via 10.77.0.3 dev eth0 metric 7 append\n\
    10.86.0.0/24 via 10.77.0.2 dev eth0 protocol static no_track\n\
    10.85.0.0/24 encap ip id 7 dst 10.77.0.9 ttl 3 via 10.77.0.2 dev eth0\n\
    default via 10.77.0.2 table 200\n\
    2001:db8:90::/64 via 2001:db8:77::2 dev eth0\n\
    2001:db8:91::/64 via fe80::2 dev eth0 src 2001:db8:77::100 pref high expires 3000\n\
    2001:db8:92::/64 nexthop via fe80::2 dev eth0 nexthop via fe80::3 dev eth1\n\
    unreachable 2001:db8:93::/64\n}\nvirtual_rules {\n\
    from 10.77.0.100 lookup 100 priority 400\n\
    to 10.90.0.0/24 fwmark 0x3/0xf table 100\n\
    iif eth1 blackhole priority 402\n\
    from 2001:db8:77::100 table 100 priority 403\n\
    not from 10.0.0.0/8 tos 0x10 lookup main priority 404 suppress_prefixlength 0\n\
    from all oif eth1 unreachable priority 405\n\
    from all ipproto tcp dport 80-90 sport 1000-2000 lookup 100 priority 406\n\
    from all uidrange 10-20 lookup 100 priority 407\n\
    from all goto 409 priority 408\nfrom all nop priority 409\n\
    from all tunnel-id 5 prohibit priority 410\nfrom all l3mdev priority 411\n\
    from 10.3.0.0/16 lookup 100 realms 3/4 priority 412\n\
    from 10.4.0.5/16 lookup 100 suppress_ifgroup default priority 413\n}";

fn conf(priority: u8, paths: &str) -> String {
    format!("{STATICS}{}", Instance::new(3, priority, "0.2").with(paths).text())
}

/// All routes and rules of a host, without the seconds that some still have to live.
fn tables(host: &Host) -> String {
    let lists = ["-4 route show table all", "-6 route show table all", "-4 rule", "-6 rule"];
    let all = lists.map(|list| host.ip(list)).concat();
    let timeless = |word: &str| if word.ends_with("sec") { "N".to_owned() } else { word.to_owned() };
    let line = |line: &str| line.split(' ').map(timeless).collect::<Vec<_>>().join(" ");
    all.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What is ours of it.
fn ours(host: &Host) -> Vec<String> {
    tables(host).lines().filter(|line| line.contains("proto keepalived")).map(str::to_owned).collect()
}

/// A host on both wires.
fn host(lab: &mut Lab, number: u8) -> Host {
    let host = lab.host(number);
    host.plug("eth1", "br1", 78);
    host.with_ipv6();
    // Until the addresses of eth1 can be used, its routes come and go.
    wait_for("duplicate address detection ends on eth1", PATIENCE, || {
        let all = host.ip("-o -6 addr show dev eth1");
        all.contains("fe80::") && !all.contains("tentative")
    });
    host
}

#[test]
fn the_same_tables_as_keepalived() {
    let mut lab = Lab::new();
    let (one, two) = (host(&mut lab, 1), host(&mut lab, 2));
    let empty = tables(&one);
    let mut seen = Vec::new();
    for kind in [Kind::Keepalived, Kind::Vipd] {
        let mut weak = Director::start(kind, &one, &conf(100, PATHS));
        weak.wait_master(VIP, PATIENCE);
        wait_for("the last rule is there", PATIENCE, || one.ip("rule").contains("413:"));
        let master = tables(&one);
        // A stronger one takes over: the virtual ones go, the static ones stay.
        let mut strong = Director::start(Kind::Keepalived, &two, &conf(200, PATHS));
        wait_for("the weaker one gives way", PATIENCE, || !one.holds(VIP));
        wait_for("its rules are gone", PATIENCE, || !one.ip("rule").contains("413:"));
        let backup = tables(&one);
        assert_eq!(ours(&one).len(), 4, "{backup}");
        assert!(one.holds("10.77.0.201"));
        weak.stop();
        assert_eq!(tables(&one), empty, "{kind:?} leaves something");
        assert!(!one.holds("10.77.0.201"));
        strong.stop();
        seen.push((master, backup));
    }
    assert_eq!(seen[0], seen[1], "keepalived left, vipd right");
    assert!(seen[0].0.lines().count() > empty.lines().count() + 35, "{}", seen[0].0);
}

#[test]
fn what_somebody_removes_comes_back() {
    let mut lab = Lab::new();
    let one = host(&mut lab, 1);
    let vipd = Director::start(Kind::Vipd, &one, &conf(100, PATHS));
    vipd.wait_master(VIP, PATIENCE);
    wait_for("the last rule is there", PATIENCE, || one.ip("rule").contains("413:"));
    let whole = tables(&one);
    let mut worst = Duration::ZERO;
    for gone in [
        "route del 10.90.0.0/24",
        "route del 10.91.0.0/24 metric 5",
        "route del blackhole 10.93.0.0/24",
        "route del 10.94.0.0/24",
        "route del 10.92.0.0/24 tos 0x10 table 100",
        "route del 10.100.0.0/24",
        "-6 route del 2001:db8:90::/64",
        "-6 route del unreachable 2001:db8:93::/64",
        // Of two ways one.
        "-6 route del 2001:db8:92::/64 via fe80::3 dev eth1",
        "rule del priority 400",
        "rule del priority 16384",
        "rule del priority 500",
        "-6 rule del priority 403",
        // The kernel takes the routes that have it as their source along.
        "addr del 10.77.0.100/32 dev eth0",
        "addr del 10.77.0.201/32 dev eth0",
    ] {
        one.ip(gone);
        let start = Instant::now();
        wait_for(gone, Duration::from_secs(2), || tables(&one) == whole && one.holds(VIP) && one.holds("10.77.0.201"));
        worst = worst.max(start.elapsed());
    }
    println!("  the longest that something was away, with looking: {worst:.1?}");
    assert!(worst < Duration::from_millis(50) + SLACK, "{worst:?}\n{}", vipd.log());
    // One that takes the place of ours is left beside it.
    one.ip("route replace 10.90.0.0/24 via 10.77.0.66");
    wait_for("ours is back", PATIENCE, || one.ip("route show 10.90.0.0/24").contains("10.77.0.2 "));
    one.ip("route del 10.90.0.0/24 via 10.77.0.66");
    // What nobody is to look after stays away; `flush` comes to an end, and the rest comes back.
    one.ip("route flush table main proto keepalived");
    let but = |line: &&str| !line.starts_with("10.95.");
    let rest = whole.lines().filter(but).collect::<Vec<_>>().join("\n");
    wait_for("all but one is back", PATIENCE, || tables(&one) == rest);
    let instance = vipd.instance("VI_1");
    assert_eq!((instance.counters.became_master, instance.counters.released_master), (1, 0), "{}", vipd.log());
    assert!(instance.counters.paths_restored >= 12, "{}", instance.counters.paths_restored);
    let missing: Vec<&str> = instance.routes.iter().filter(|r| !r.present).map(|r| r.path.as_str()).collect();
    assert_eq!(missing, ["10.95.0.0/24 via 10.78.0.3 dev eth1"]);
    assert!(instance.rules.iter().all(|rule| rule.present) && instance.rules.len() == 14, "{:?}", instance.rules);
    let statics = vipd.status().unwrap().statics;
    assert!(statics.routes.iter().chain(&statics.rules).all(|path| path.present), "{statics:?}");
    assert_eq!((statics.addresses.len(), statics.routes.len(), statics.rules.len()), (1, 3, 1));
    assert!(statics.restored >= 2, "{statics:?}");
}

#[test]
fn a_reload_touches_what_differs() {
    let mut lab = Lab::new();
    let one = host(&mut lab, 1);
    let vipd = Director::start(Kind::Vipd, &one, &conf(100, PATHS));
    vipd.wait_master(VIP, PATIENCE);
    wait_for("the last rule is there", PATIENCE, || one.ip("rule").contains("413:"));
    let before = tables(&one);
    let mut monitor = one.spawn("monitor.log", one.command("ip").args(["-o", "monitor", "route", "rule"]));
    std::thread::sleep(Duration::from_millis(300));
    let other = conf(100, PATHS)
        .replace(
            "10.91.0.0/24 via 10.77.0.2 dev eth0 src 10.77.0.100 metric 5 mtu lock 1400",
            "10.91.0.0/24 via 10.77.0.2 dev eth0 metric 5 mtu 1300",
        )
        .replace("10.97.0.0/24 via 10.99.0.1 dev eth0 onlink", "10.83.0.0/24 via 10.77.0.3")
        .replace("10.100.0.0/24 via", "10.102.0.0/24 via")
        .replace("from 10.77.0.100 lookup 100 priority 400", "from 10.77.0.100 lookup 101 priority 400")
        .replace("from 10.77.0.9 table 50 priority 500\n", "");
    vipd.reload(&other);
    wait_for("the new static route is there", PATIENCE, || one.ip("route").contains("10.102.0.0/24"));
    wait_for("the new rule is there", PATIENCE, || one.ip("rule").contains("lookup 101"));
    std::thread::sleep(Duration::from_millis(300));
    let after = tables(&one);
    let changed = |all: &str, those: &str| -> Vec<String> {
        let new = all.lines().filter(|line| !those.lines().any(|other| other == *line));
        new.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let gone = ["10.91.0.0/24 via", "10.97.0.0/24 via", "10.100.0.0/24 via", "400: from", "500: from"];
    assert_eq!(changed(&before, &after), gone, "{after}");
    assert_eq!(changed(&after, &before), ["10.83.0.0/24 via", "10.91.0.0/24 via", "10.102.0.0/24 via", "400: from"]);
    assert!(after.contains("metric 5 mtu 1300"), "{after}");
    // Nothing else was written: five went, four came.
    assert!(monitor.runs());
    let written = monitor.output();
    assert_eq!(written.lines().count(), 9, "{written}");
    assert_eq!(written.lines().filter(|line| line.contains("Deleted")).count(), 5, "{written}");
    assert_eq!(vipd.instance("VI_1").counters.became_master, 1);
}

#[test]
fn an_instance_goes_with_the_interfaces_of_its_routes() {
    for kind in [Kind::Keepalived, Kind::Vipd] {
        let mut lab = Lab::new();
        let one = host(&mut lab, 1);
        let paths = "virtual_routes {\n10.90.0.0/24 via 10.78.0.2 dev eth1\n10.91.0.0/24 via 10.77.0.2\n}";
        let mut director = Director::start(kind, &one, &conf(100, paths));
        director.wait_master(VIP, PATIENCE);
        one.ip("link set eth1 down");
        wait_for("it gives its address up", PATIENCE, || !one.holds(VIP));
        wait_for("and its routes", PATIENCE, || !one.ip("route").contains("10.91.0.0/24"));
        if kind == Kind::Vipd {
            let instance = director.instance("VI_1");
            assert_eq!(instance.state, "FAULT");
            assert_eq!(instance.faults, ["interface eth1 of a route, rule or static address is down"]);
        }
        one.ip("link set eth1 up");
        director.wait_master(VIP, PATIENCE);
        wait_for("the route is back", PATIENCE, || one.ip("route").contains("10.90.0.0/24 via 10.78.0.2 dev eth1"));
        wait_for("the static one, too", PATIENCE, || one.ip("route show table 50").contains("10.101.0.0/24"));
        director.stop();

        // Where nobody looks after the route, the interface may go; and come.
        let mut director = Director::start(kind, &one, &conf(100, &paths.replace("dev eth1", "dev eth1 no_track")));
        director.wait_master(VIP, PATIENCE);
        wait_for("the route is there", PATIENCE, || one.ip("route").contains("10.90.0.0/24"));
        one.ip("link set eth1 down");
        wait_for("the kernel drops the route", PATIENCE, || !one.ip("route").contains("10.90.0.0/24"));
        std::thread::sleep(Duration::from_secs(1));
        assert!(one.holds(VIP), "{kind:?} gave up:\n{}", director.log());
        if kind == Kind::Vipd {
            one.ip("link set eth1 up");
            wait_for("the route is back", PATIENCE, || one.ip("route").contains("10.90.0.0/24"));
            // It was up again before anybody looked: the kernel has dropped the route all the same, and told nobody.
            let role = director.role("vrrp");
            signal_pid(role, Signal::STOP);
            one.ip("link set eth1 down");
            one.ip("link set eth1 up");
            assert!(!one.ip("route").contains("10.90.0.0/24"));
            signal_pid(role, Signal::CONT);
            wait_for("it is back again", PATIENCE, || one.ip("route").contains("10.90.0.0/24"));
            assert_eq!(director.role("vrrp"), role);
        }
        director.stop();
    }
}

#[test]
fn a_vrrp_role_that_dies_leaves_routes_in_order() {
    let mut lab = Lab::new();
    let one = host(&mut lab, 1);
    let empty = tables(&one);
    let mut vipd = Director::start(Kind::Vipd, &one, &conf(100, PATHS));
    vipd.wait_master(VIP, PATIENCE);
    wait_for("the last rule is there", PATIENCE, || one.ip("rule").contains("413:"));
    let whole = tables(&one);
    // The next one finds what the kernel has kept, and is MASTER at once: nothing is written.
    let mut monitor = one.spawn("monitor.log", one.command("ip").args(["-o", "monitor", "route", "rule"]));
    std::thread::sleep(Duration::from_millis(500));
    let died = vipd.role("vrrp");
    signal_pid(died, Signal::KILL);
    wait_for("another one runs", PATIENCE, || !matches!(vipd.role("vrrp"), pid if pid == died || pid == 0));
    wait_for("it is MASTER", PATIENCE, || vipd.instance("VI_1").state == "MASTER");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(tables(&one), whole, "{}", vipd.log());
    assert!(monitor.runs() && monitor.output().is_empty(), "{}", monitor.output());
    // And it looks after them.
    one.ip("rule del priority 400");
    wait_for("the rule is back", PATIENCE, || one.ip("rule").contains("400:"));
    vipd.stop();
    assert_eq!(tables(&one), empty);

    // One that is not started again.
    let vipd = Director::start_with(Kind::Vipd, &one, &conf(100, PATHS), &["-R"]);
    vipd.wait_master(VIP, PATIENCE);
    wait_for("the last rule is there", PATIENCE, || one.ip("rule").contains("413:"));
    signal_pid(vipd.role("vrrp"), Signal::KILL);
    wait_for("the supervisor clears away", PATIENCE, || tables(&one) == empty && !one.holds(VIP));
    assert!(!one.holds("10.77.0.201"));
}

#[test]
fn what_is_static_needs_no_instance() {
    let mut lab = Lab::new();
    let one = host(&mut lab, 1);
    let mut vipd = Director::start(Kind::Vipd, &one, STATICS);
    wait_for("the static ones are there", PATIENCE, || ours(&one).len() == 4 && one.holds("10.77.0.201"));
    one.ip("route flush proto keepalived");
    wait_for("they are back", PATIENCE, || ours(&one).len() == 4);
    // The one by an interface that is down waits for it.
    one.ip("link set eth1 down");
    wait_for("the route by eth1 is gone", PATIENCE, || ours(&one).len() == 3);
    one.ip("link set eth1 up");
    wait_for("it is back", PATIENCE, || ours(&one).len() == 4);
    vipd.stop();
    assert_eq!(ours(&one), Vec::<String>::new());
    assert!(!one.holds("10.77.0.201"));
}

#[test]
fn siblings_of_an_address_stay() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let setting =
        || one.command("cat").arg("/proc/sys/net/ipv4/conf/eth0/promote_secondaries").output().unwrap().stdout;
    let set = |value: &str| {
        let write = format!("echo {value} > /proc/sys/net/ipv4/conf/eth0/promote_secondaries");
        assert!(one.command("sh").args(["-c", &write]).status().unwrap().success());
    };
    set("0");
    let conf = Instance::new(3, 100, "0.2").with("promote_secondaries");
    let mut vipd = Director::start(Kind::Vipd, &one, &conf.text());
    vipd.wait_master(VIP, PATIENCE);
    assert_eq!(setting(), b"1\n", "{}", vipd.log());
    vipd.stop();
    assert_eq!(setting(), b"0\n");
    // One that was on stays on.
    set("1");
    let mut vipd = Director::start(Kind::Vipd, &one, &conf.text());
    vipd.wait_master(VIP, PATIENCE);
    vipd.stop();
    assert_eq!(setting(), b"1\n");
}

#[test]
fn an_address_that_nobody_looks_after_stays_away() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let mut conf = Instance::new(3, 100, "0.2");
    conf.addresses = vec!["10.77.0.100/32".to_owned(), "10.77.0.101/32 no_track".to_owned()];
    let vipd = Director::start(Kind::Vipd, &one, &conf.text());
    vipd.wait_master("10.77.0.101", PATIENCE);
    one.ip("addr del 10.77.0.101/32 dev eth0");
    one.ip("addr del 10.77.0.100/32 dev eth0");
    vipd.wait_master(VIP, PATIENCE);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!one.holds("10.77.0.101"), "{}", vipd.log());
    assert_eq!(vipd.instance("VI_1").state, "MASTER");
}
