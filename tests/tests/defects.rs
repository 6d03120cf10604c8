//! Where keepalived is known to fail, and vipd does not: its fault is shown where Debian's 2.2.7 has it, beside ours. What only
//! later releases of it do (2.4) can't be run beside; then ours alone is shown.
//!
//! | what keepalived does | test |
//! | --- | --- |
//! | junk faster than the interval silences its master | `robust`: `a_junk_storm_leaves_the_master_master`, `the_same_junk_storm_makes_keepalived_fall_over` |
//! | 2.4: two interfaces down share one fault | `each_of_two_broken_interfaces_is_a_fault_of_its_own` |
//! | `unicast_ttl` without peers: TTL 0, nothing is sent | `a_ttl_for_unicast_leaves_multicast_alone` |
//! | 2.4: every take-over adds another refresh of announcements | `refreshes_do_not_add_up` |
//! | in a sync group weights of interfaces count, though they are said not to | `a_weight_in_a_sync_group_counts_for_nothing` |
//! | BFD: discriminators and ports from the second of the start | `neighbours_that_start_together_choose_different_numbers` |
//! | BFD over IPv6: hop limit 64 | `over_ipv6_bfd_comes_with_hop_limit_255` |
//! | BFD: no word at a stop | `a_stop_is_told_to_bfd_neighbours` |
//! | BFD: whoever knows a discriminator speaks for the neighbour | `a_discriminator_alone_makes_no_neighbour` |
//! | 2.4: `v3_checksum_as_v2` takes any checksum | `both_sums_of_version_3_are_believed_and_no_other` |
//! | an instance that fails says good-bye twice | `one_good_bye_is_enough` |
//! | an address removed by others: the sync group is BACKUP and nobody is told | `a_stolen_address_leaves_state_and_scripts_agreed` |
//! | 2.2: a line for each bad packet | `bad_packets_fill_no_log` |
//! | 2.4: `-P` locks the pid file of BFD | `two_that_only_do_vrrp_lock_nothing_of_each_other` |
//! | a password on one side alone: two masters, one line | `a_password_on_one_side_is_counted_and_told_again_and_again` |

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use vipd_sys::netlink::Netlink;
use vipd_sys::raw::{Device, Sender};
use vipd_sys::udp;
use vipd_tests::conf::{Instance, PASS};
use vipd_tests::director::{Director, Kind};
use vipd_tests::frr::{Frr, virtual_interface};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;
use vipd_tests::web::inside;
use vipd_tests::wire::{Capture, adverts, announcements};
use vipd_vrrp::packet::{Advert, ChecksumForm, Envelope, PROTOCOL};
use vipd_vrrp::settings::Version;
use vipd_vrrp::units::{Centis, Priority, Vrid};

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);
const KINDS: [Kind; 2] = [Kind::Keepalived, Kind::Vipd];

fn seconds(n: f64) {
    std::thread::sleep(Duration::from_secs_f64(n));
}

/// VI_2: VRID 52 on eth0, with 10.77.0.102.
fn second(priority: u8, interval: &str) -> Instance {
    Instance {
        name: "VI_2".to_owned(),
        vrid: 52,
        addresses: vec!["10.77.0.102/32".to_owned()],
        ..Instance::new(3, priority, interval)
    }
}

/// A sync group of VI_1 and VI_2.
fn group(extra: &str) -> String {
    format!("vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n{extra}\n}}\n")
}

#[test]
fn each_of_two_broken_interfaces_is_a_fault_of_its_own() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    one.plug("eth1", "br1", 78);
    one.plug("eth2", "br1", 79);
    let conf = Instance::new(3, 150, "0.3").with("track_interface {\neth1\neth2\n}").text();
    let a = Director::start(Kind::Vipd, &one, &conf);
    a.wait_master(VIP, LONG);
    let b = Director::start(Kind::Vipd, &two, &Instance::new(3, 100, "0.3").text());
    let faults = |n: usize| {
        wait_for(&format!("{n} faults"), LONG, || a.instance("VI_1").faults.len() == n);
        println!("  {:?}", a.instance("VI_1").faults);
    };
    one.ip("link set eth1 down");
    one.ip("link set eth2 down");
    faults(2);
    b.wait_master(VIP, LONG);
    one.ip("link set eth1 up");
    faults(1);
    seconds(2.0);
    assert_eq!(a.instance("VI_1").state, "FAULT", "one of two is still down");
    one.ip("link set eth2 up");
    a.wait_master(VIP, LONG);
    wait_for("the peer gives way", LONG, || !two.holds(VIP));
    seconds(2.0);
    assert_eq!((a.instance("VI_1").state.as_str(), one.holds(VIP), two.holds(VIP)), ("MASTER", true, false));
}

#[test]
fn a_ttl_for_unicast_leaves_multicast_alone() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, two, client) = (lab.host(1), lab.host(2), lab.host(3));
        let conf = |priority| Instance::new(3, priority, "0.3").with("unicast_ttl 9").text();
        let capture = Capture::start(&client);
        let _a = Director::start(kind, &one, &conf(150));
        let _b = Director::start(kind, &two, &conf(100));
        wait_for("somebody is master", LONG, || one.holds(VIP));
        seconds(3.0);
        let (sent, masters) = (adverts(&capture.end()).len(), [one.holds(VIP), two.holds(VIP)]);
        println!("  {kind:?}: {sent} adverts on the wire, the address is on {masters:?}");
        match kind {
            Kind::Keepalived => assert_eq!((sent, masters), (0, [true, true])),
            Kind::Vipd => assert!(sent > 5 && masters == [true, false]),
        }
    }
}

#[test]
fn refreshes_do_not_add_up() {
    let mut lab = Lab::new();
    let (one, client) = (lab.host(1), lab.host(3));
    let extra = "garp_master_delay 1\ngarp_master_repeat 1\ngarp_master_refresh 1\ngarp_master_refresh_repeat 1";
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.1").with(extra).text());
    a.wait_master(VIP, LONG);
    for _ in 0..5 {
        one.cable_out();
        wait_for("it is gone", LONG, || !one.holds(VIP));
        one.cable_in();
        a.wait_master(VIP, LONG);
    }
    seconds(2.0); // past what a take-over announces
    let capture = Capture::start(&client);
    let start = Instant::now();
    seconds(6.0);
    let announced = announcements(&capture.end()).len();
    let rate = announced as f64 / start.elapsed().as_secs_f64();
    println!("  after {} take-overs: {rate:.2} announcements a second", a.instance("VI_1").counters.became_master);
    assert_eq!(a.instance("VI_1").counters.became_master, 6);
    assert!((0.6..1.4).contains(&rate), "{announced} announcements");
}

#[test]
fn a_weight_in_a_sync_group_counts_for_nothing() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, client) = (lab.host(1), lab.host(3));
        one.plug("eth1", "br1", 78);
        let first = Instance::new(3, 150, "0.1").with("track_interface {\neth1 weight -20\n}");
        let a = Director::start(kind, &one, &(first.text() + &second(150, "0.1").text() + &group("")));
        a.wait_master(VIP, LONG);
        let priorities = || {
            let capture = Capture::start(&client);
            seconds(1.0);
            adverts(&capture.end()).iter().map(|a| a.2).collect::<BTreeSet<_>>()
        };
        let before = priorities();
        one.ip("link set eth1 down");
        seconds(1.0);
        let after = priorities();
        println!("  {kind:?}: priorities {before:?}, without eth1 {after:?}");
        assert_eq!(before, BTreeSet::from([150]));
        match kind {
            Kind::Keepalived => assert_eq!(after, BTreeSet::from([130, 150])),
            Kind::Vipd => assert_eq!(after, before),
        }
    }
}

/// A BFD packet as it came: who sent it, with what TTL, and its bytes.
type Heard = (std::net::SocketAddr, u8, Vec<u8>);

/// What comes to the port of BFD on a host, for so long, while `meanwhile` happens.
fn hear(host: &Host, family: udp::Family, meanwhile: impl FnOnce(), patience: Duration) -> Vec<Heard> {
    let mut receiver = inside(host, || udp::Receiver::open(family, 3784, 1 << 20)).unwrap();
    meanwhile();
    let (start, mut buffer, mut heard) = (Instant::now(), [0; 256], Vec::new());
    while start.elapsed() < patience {
        match receiver.receive(&mut buffer).unwrap() {
            Some(packet) => heard.push((packet.from, packet.ttl, packet.payload.to_vec())),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    heard
}

fn my_discriminator(packet: &[u8]) -> u32 {
    u32::from_be_bytes(packet[4..8].try_into().unwrap())
}

/// A BFD session with a neighbour.
fn session(own: IpAddr, to: IpAddr) -> String {
    format!("bfd_instance s {{\nneighbor_ip {to}\nsource_ip {own}\nmin_rx 50\nmin_tx 50\nmultiplier 3\n}}\n")
}

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 77, 0, number).into()
}

#[test]
fn neighbours_that_start_together_choose_different_numbers() {
    for kind in KINDS {
        let mut same = 0;
        // Those that start in different seconds differ anyway: three attempts.
        for _ in 0..3 {
            let mut lab = Lab::new();
            let (one, two, ear) = (lab.host(1), lab.host(2), lab.host(9));
            let mut running = Vec::new();
            let start = || {
                running.push(Director::start(kind, &one, &session(v4(1), v4(9))));
                running.push(Director::start(kind, &two, &session(v4(2), v4(9))));
            };
            let heard = hear(&ear, udp::Family::V4, start, Duration::from_secs(4));
            let of = |host| {
                let first = heard.iter().find(|(from, ..)| from.ip() == v4(host));
                first.map(|(from, _, packet)| (my_discriminator(packet), from.port())).expect("a packet of each")
            };
            println!("  {kind:?}: discriminator and port {:?} and {:?}", of(1), of(2));
            same += usize::from(of(1) == of(2));
        }
        match kind {
            Kind::Keepalived => assert!(same > 0, "it no longer seeds with the second"),
            Kind::Vipd => assert_eq!(same, 0),
        }
    }
}

#[test]
fn over_ipv6_bfd_comes_with_hop_limit_255() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, ear) = (lab.host(1), lab.host(9));
        one.with_ipv6();
        ear.with_ipv6();
        let mut running = None;
        let conf = session(one.ipv6().parse().unwrap(), ear.ipv6().parse().unwrap());
        let start = || running = Some(Director::start(kind, &one, &conf));
        let heard = hear(&ear, udp::Family::V6, start, Duration::from_secs(4));
        let limits: BTreeSet<u8> = heard.iter().map(|(_, ttl, _)| *ttl).collect();
        println!("  {kind:?}: {} packets, hop limits {limits:?}", heard.len());
        assert_eq!(limits, BTreeSet::from([if kind == Kind::Vipd { 255 } else { 64 }]));
    }
}

#[test]
fn a_stop_is_told_to_bfd_neighbours() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, ear) = (lab.host(1), lab.host(9));
        let mut a = Director::start(kind, &one, &session(v4(1), v4(9)));
        hear(&ear, udp::Family::V4, || {}, Duration::from_secs(3));
        let heard = hear(&ear, udp::Family::V4, || a.stop(), Duration::from_millis(500));
        let states: Vec<u8> = heard.iter().map(|(_, _, packet)| packet[1] >> 6).collect();
        println!("  {kind:?}: states at the end {states:?} (0 AdminDown, 1 Down)");
        assert_eq!(states.contains(&0), kind == Kind::Vipd);
    }
}

#[test]
fn a_discriminator_alone_makes_no_neighbour() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, two, stranger) = (lab.host(1), lab.host(2), lab.host(3));
        let neighbour = Director::start(Kind::Vipd, &two, &session(v4(2), v4(1)));
        let a = Director::start(kind, &one, &session(v4(1), v4(2)));
        let up = || neighbour.status().is_some_and(|s| s.bfd.iter().any(|s| s.state == "Up"));
        wait_for("the session is up", LONG, up);
        seconds(1.0);
        // "I, the neighbour, am Down", as one writes it who knows the numbers, from an address of its own.
        let session = neighbour.status().unwrap().bfd.remove(0);
        let mut packet = vec![0x20, 0x40, 3, 24];
        packet.extend(session.discriminator.to_be_bytes());
        packet.extend(session.peer_discriminator.unwrap().to_be_bytes());
        packet.extend([0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0, 0, 0, 0]);
        inside(&stranger, || {
            let sender = udp::Sender::open(udp::Family::V4, Some(v4(3)), 49_152..=65_535, 0, 255).unwrap();
            sender.send(&packet, (v4(1), 3784).into()).unwrap();
        });
        seconds(1.0);
        let fell = neighbour.status().unwrap().bfd[0].counters.left_up;
        println!("  {kind:?}: after the stranger's word the session fell {fell} times");
        assert_eq!(fell > 0, kind == Kind::Keepalived, "{}", a.log());
    }
}

#[test]
fn both_sums_of_version_3_are_believed_and_no_other() {
    let mut lab = Lab::new();
    let (one, attacker) = (lab.host(1), lab.host(9));
    let conf = Instance::new(3, 100, "1").text();
    // Also of one that sends the other form: of keepalived the word takes any sum.
    let a = Director::start(Kind::Vipd, &one, &conf.replace("version 3", "version 3\nv3_checksum_as_v2"));
    wait_for("it listens", LONG, || a.status().is_some_and(|s| s.instances.iter().any(|i| i.state == "BACKUP")));
    let (source, destination) = (Ipv4Addr::new(10, 77, 0, 9), Ipv4Addr::new(224, 0, 0, 18));
    let advert = Advert {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: Priority(200),
        interval: Centis(100),
        addresses: vec![Ipv4Addr::new(10, 77, 0, 100).into()],
        auth: None,
    };
    let forms = [ChecksumForm::Plain, ChecksumForm::Pseudo { source: source.into(), destination: destination.into() }];
    for (n, form) in forms.into_iter().enumerate() {
        for wrong in [0, 0x5a] {
            let mut pdu = advert.emit(form);
            pdu[7] ^= wrong;
            let envelope = Envelope { source, destination, ttl: 255, protocol: PROTOCOL };
            let packet = [envelope.header(7, pdu.len()).as_slice(), &pdu].concat();
            inside(&attacker, || {
                let index = Netlink::open().unwrap().links().unwrap().iter().find(|l| l.name == "eth0").unwrap().index;
                let sender =
                    Sender::open(Some(&Device { name: "eth0".to_owned(), index }), Ipv4Addr::UNSPECIFIED.into())
                        .unwrap();
                sender.send(&packet, destination.into()).unwrap();
            });
        }
        wait_for("both are counted", LONG, || {
            let counters = a.instance("VI_1").counters;
            counters.adverts_received == n as u64 + 1 && counters.rejected == [("checksum".to_owned(), n as u64 + 1)]
        });
        let heard = ["without pseudo-header", "with pseudo-header"][n];
        assert_eq!(a.instance("VI_1").checksum_heard.as_deref(), Some(heard));
    }
}

#[test]
fn one_good_bye_is_enough() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, client) = (lab.host(1), lab.host(3));
        let good = one.write("good", "");
        let script = one.script("check.sh", &format!("test -e {}", good.display()));
        let text = format!(
            "global_defs {{\n script_user root\n}}\nvrrp_script chk {{\n script \"{}\"\n interval 1\n fall 1\n rise 1\n}}\n{}",
            script.display(),
            Instance::new(3, 150, "0.3").with("track_script {\nchk\n}").text()
        );
        let a = Director::start(kind, &one, &text);
        a.wait_master(VIP, LONG);
        let capture = Capture::start(&client);
        std::fs::remove_file(&good).unwrap();
        wait_for("it fails", LONG, || !one.holds(VIP));
        seconds(1.0);
        let good_byes = adverts(&capture.end()).iter().filter(|a| a.2 == 0).count();
        println!("  {kind:?} fails: {good_byes} adverts with priority 0");
        assert_eq!(good_byes, if kind == Kind::Vipd { 1 } else { 2 });
    }
}

#[test]
fn a_stolen_address_leaves_state_and_scripts_agreed() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let told = one.path("told");
        let script = one.script("notify.sh", &format!("echo $1 $2 $3 >> {}", told.display()));
        let notify = format!("notify \"{}\" root", script.display());
        let conf = Instance::new(3, 150, "0.3").with(&notify).text() + &second(150, "0.3").text() + &group(&notify);
        let a = Director::start(kind, &one, &conf);
        a.wait_master(VIP, LONG);
        a.wait_master("10.77.0.102", LONG);
        seconds(2.0);
        let before = std::fs::read_to_string(&told).unwrap();
        one.ip(&format!("addr del {VIP}/32 dev eth0"));
        let gone = wait_for("the address is back", LONG, || one.holds(VIP));
        seconds(2.0);
        let after = std::fs::read_to_string(&told).unwrap().replacen(&before, "", 1);
        println!("  {kind:?}: back after {:.0} ms, told: {after:?}", gone.as_secs_f64() * 1e3);
        match kind {
            // The instance is told to have been BACKUP; of the group, which was it too, nobody hears that.
            Kind::Keepalived => {
                assert!(after.contains("INSTANCE VI_1 BACKUP"), "{after}");
                assert!(!after.contains("GROUP G BACKUP"), "{after}");
            }
            Kind::Vipd => {
                assert_eq!(after, "");
                let status = a.status().unwrap();
                assert_eq!(status.groups[0].state, "MASTER");
                assert!(status.instances.iter().all(|i| i.state == "MASTER" && i.counters.became_master == 1));
            }
        }
    }
}

#[test]
fn bad_packets_fill_no_log() {
    for kind in KINDS {
        let mut lab = Lab::new();
        let (one, attacker) = (lab.host(1), lab.host(9));
        let a = Director::start(kind, &one, &Instance::new(2, 150, "1").with(PASS).text());
        a.wait_master(VIP, LONG);
        let before = a.log().lines().count();
        let arguments = ["junk", "--vrid", "51", "--every", "10", "--duration", "5000"];
        let mut junk = attacker.spawn("junk.log", attacker.command(env!("CARGO_BIN_EXE_probe")).args(arguments));
        junk.wait(LONG);
        let sent: usize = junk.output().trim().rsplit(' ').next().unwrap().parse().unwrap();
        seconds(0.5);
        let lines = a.log().lines().count() - before;
        println!("  {kind:?}: {lines} lines for {sent} bad packets");
        match kind {
            Kind::Keepalived => assert!(lines > sent / 2),
            // Five in a row of the instance's, five of what is for no instance.
            Kind::Vipd => assert!((1..=12).contains(&lines), "{}", a.log()),
        }
    }
}

#[test]
fn two_that_only_do_vrrp_lock_nothing_of_each_other() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let start = |host: &Host, address: &str| {
        let instance = Instance { addresses: vec![format!("{address}/32")], ..Instance::new(3, 150, "0.3") };
        let file = host.write("director.conf", &instance.text());
        let mut command = host.command(vipd_tests::director::vipd());
        command.args(["-n", "-P", "-l", "-G", "-f"]).arg(file);
        for (option, name) in [("-p", "pid"), ("-r", "vrrp.pid"), ("--socket", "socket")] {
            command.arg(option).arg(host.path(name));
        }
        host.spawn("director.log", &mut command)
    };
    // Two routers that hear each other would be one: another wire for each.
    two.isolate();
    let (mut a, mut b) = (start(&one, VIP), start(&two, "10.77.0.102"));
    wait_for("both serve", LONG, || one.holds(VIP) && two.holds("10.77.0.102"));
    assert!(a.runs() && b.runs(), "{}{}", a.output(), b.output());
}

#[test]
fn a_password_on_one_side_is_counted_and_told_again_and_again() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    virtual_interface(&two, 51, "10.77.0.100/24");
    let a = Director::start(Kind::Vipd, &one, &Instance::new(2, 150, "1").with(PASS).text());
    a.wait_master(VIP, LONG);
    // Not keepalived: what it does not believe silences it (the first row). FRR, which knows no password, goes on.
    let conf = "interface eth0\n vrrp 51 version 2\n vrrp 51 priority 100\n vrrp 51 advertisement-interval 1000\n \
                vrrp 51 ip 10.77.0.100\n";
    let frr = Frr::start(&two, "vrrpd", conf);
    wait_for("both are master", LONG, || frr.show("show vrrp").contains("Master") && one.holds(VIP));
    seconds(21.0);
    let lines = || a.log().lines().filter(|l| l.contains("authentication type none, ours is PASS")).count();
    let counted = a.instance("VI_1").counters.rejected;
    println!("  {} lines, counted {counted:?}", lines());
    assert!(matches!(&counted[..], [(name, n)] if name == "auth_type" && *n > 15), "{counted:?}");
    // At once, and then one in ten seconds for as long as it lasts.
    assert!((6..=8).contains(&lines()), "{}", a.log());
    let before = lines();
    wait_for("it is told again", LONG, || lines() > before);
}
