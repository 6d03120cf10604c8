//! Before a silent master's place is taken: a witness that must answer, a fence that must have switched the master off.
//! Debian's keepalived beside it takes over whatever it has lost.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::{Duration, Instant};
use vipd_tests::conf::{self, master_down};
use vipd_tests::director::{Director, Kind};
use vipd_tests::frr::Frr;
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(20);

fn conf(priority: u8, more: &str) -> String {
    conf::Instance::new(3, priority, "0.3").with(more).text()
}

/// A master of keepalived's and a backup of this kind that has heard it.
fn pair(kind: Kind, hosts: (&Host, &Host), more: &str) -> (Director, Director) {
    pair_of(kind, hosts, &conf(100, more))
}

/// The same with the whole text of the backup's.
fn pair_of(kind: Kind, (one, two): (&Host, &Host), text: &str) -> (Director, Director) {
    let a = Director::start(Kind::Keepalived, one, &conf(150, ""));
    a.wait_master(VIP, LONG);
    let b = Director::start(kind, two, text);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!two.holds(VIP));
    (a, b)
}

#[test]
fn who_has_lost_the_network_takes_nothing_over() {
    let mut lab = Lab::new();
    let (one, two, _witness) = (lab.host(1), lab.host(2), lab.host(3));
    let (mut a, b) = pair(Kind::Vipd, (&one, &two), "witness 10.77.0.3\nwitness_timeout 0.5");
    two.isolate();
    wait_for("it finds the master silent and the witness, too", LONG, || {
        b.log().contains("does not take the silent master's place: witness 10.77.0.3: ")
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(!two.holds(VIP) && b.instance("VI_1").state == "BACKUP");
    two.rejoin();
    std::thread::sleep(Duration::from_secs(2));
    assert!(one.holds(VIP) && !two.holds(VIP));
    assert_eq!(b.instance("VI_1").counters.became_master, 0);
    // With the witness there and the master dead it serves, and no later for having asked.
    a.kill();
    let took = b.wait_master(VIP, LONG).as_secs_f64();
    println!("  taken over after {took:.3} s, by the formula {:.3} s", master_down(3, 100, 0.3));
    assert!(took < master_down(3, 100, 0.3) + 1.0);
    assert!(b.log().contains("10.77.0.1 is silent: asks the witness before it takes over"), "{}", b.log());
}

#[test]
fn keepalived_takes_over_whatever_it_has_lost() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let (_a, b) = pair(Kind::Keepalived, (&one, &two), "");
    two.isolate();
    b.wait_master(VIP, LONG);
    assert!(one.holds(VIP), "two masters");
}

#[test]
fn a_witness_may_be_a_port() {
    let mut lab = Lab::new();
    let (one, two, witness) = (lab.host(1), lab.host(2), lab.host(3));
    let (mut a, b) = pair(Kind::Vipd, (&one, &two), "witness 10.77.0.3\nwitness_port 8000");
    a.kill();
    wait_for("nobody listens there", LONG, || {
        b.log().contains("does not take the silent master's place: witness 10.77.0.3 port 8000: Connection refused")
    });
    assert!(!two.holds(VIP));
    let mut command = witness.command("python3");
    command.args(["-m", "http.server", "8000", "--directory"]).arg(witness.path(""));
    let _server = witness.spawn("server.log", &mut command);
    b.wait_master(VIP, LONG);
}

/// The witness is FRR's bfdd: a session with it that has never been up, that is up, and that has gone down again.
#[test]
fn a_witness_may_be_a_bfd_session() {
    const REFUSED: &str = "does not take the silent master's place: witness_bfd edge is down";
    let mut lab = Lab::new();
    let (one, two, witness) = (lab.host(1), lab.host(2), lab.host(3));
    let peer = "bfd\n peer 10.77.0.2 local-address 10.77.0.3\n  receive-interval 50\n  transmit-interval 50\n  \
                detect-multiplier 3\n  no shutdown\n !\n!\n";
    let session = "bfd_instance edge {\nneighbor_ip 10.77.0.3\nsource_ip 10.77.0.2\nmin_rx 50\nmin_tx 50\n\
                   multiplier 3\n}\n";
    let text = session.to_owned() + &conf(100, "witness_bfd edge");
    let (mut a, b) = pair_of(Kind::Vipd, (&one, &two), &text);
    let is = |state: &str| b.status().is_some_and(|s| s.bfd.iter().any(|s| s.name == "edge" && s.state == state));
    let refusals = || b.log().matches(REFUSED).count();
    assert!(is("Down"), "nobody is there");

    a.kill();
    wait_for("it is refused", LONG, || refusals() > 0);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!two.holds(VIP) && b.instance("VI_1").state == "BACKUP", "{}", b.log());
    assert_eq!(b.instance("VI_1").counters.became_master, 0);
    let mut frr = Frr::start(&witness, "bfdd", peer);
    let took = b.wait_master(VIP, LONG).as_secs_f64();
    println!("  served {took:.2} s after the witness was started");
    assert!(is("Up"), "it serves without its witness");

    // With the session up the takeover is no later.
    let again = |b: &Director| {
        let a = Director::start(Kind::Keepalived, &one, &conf(150, ""));
        a.wait_master(VIP, LONG);
        wait_for("the weaker gives way", LONG, || !two.holds(VIP) && b.instance("VI_1").state == "BACKUP");
        std::thread::sleep(Duration::from_secs(1));
        a
    };
    one.ip("addr del 10.77.0.100/32 dev eth0"); // what keepalived has left there
    let mut a = again(&b);
    let before = refusals();
    a.kill();
    let took = b.wait_master(VIP, LONG).as_secs_f64();
    println!("  taken over after {took:.3} s, by the formula {:.3} s", master_down(3, 100, 0.3));
    assert!(took < master_down(3, 100, 0.3) + 1.0);
    assert_eq!(refusals(), before, "it was refused first");

    one.ip("addr del 10.77.0.100/32 dev eth0");
    let mut a = again(&b);
    frr.kill();
    wait_for("the session goes down", LONG, || is("Down"));
    a.kill();
    wait_for("it is refused again", LONG, || refusals() > before);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!two.holds(VIP) && b.instance("VI_1").state == "BACKUP");
    let events = std::process::Command::new(vipd_tests::director::vipd())
        .args(["events", "--socket"])
        .arg(two.path("socket"))
        .output()
        .unwrap();
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    let told = events.matches("takeover    vrrp_instance VI_1  refused: witness_bfd edge is down").count();
    assert_eq!(told, refusals(), "each is an event:\n{events}");
    drop(frr);
    let _frr = Frr::start(&witness, "bfdd", peer);
    b.wait_master(VIP, LONG);
}

/// fence_dummy of Debian's fence-agents package switches nothing off but a word in a file; the other agents differ from it by
/// what they talk to.
#[test]
fn an_agent_of_fence_agents_works_as_it_is() {
    const AGENT: &str = "/usr/sbin/fence_dummy";
    assert!(std::path::Path::new(AGENT).exists(), "{AGENT} is missing: install Debian's fence-agents (make setup)");
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let power = two.write("power", "on");
    let state = || std::fs::read_to_string(&power).unwrap();
    let fence = |more: &str| format!("fence \"{AGENT} -o off {more}\" root");
    // One that can't: what it is to switch off stays as it is.
    let (mut a, b) = pair(Kind::Vipd, (&one, &two), &fence("--type=fail --power-timeout=1"));
    a.kill();
    wait_for("the agent fails", LONG, || b.log().contains("does not take the silent master's place: fence"));
    assert!(!two.holds(VIP) && b.log().contains("exit status 1"), "{}", b.log());
    assert_eq!(state(), "on");

    // One that takes its time, and can.
    b.reload(&conf(100, &fence(&format!("--delay=2 --status-file={}", power.display()))));
    let start = Instant::now();
    wait_for("the agent is at work", LONG, || {
        b.log().lines().any(|line| line.contains("(VI_1) fencing 10.77.0.1: ") && line.contains("--delay=2"))
    });
    let begun = Instant::now();
    while !two.holds(VIP) {
        assert!(start.elapsed() < LONG, "nobody serves:\n{}", b.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(state(), "off", "the address came before the other was off");
    println!("  served {:.2} s after the agent was started", begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() > Duration::from_secs_f64(1.5), "it did not wait for the agent");
}

#[test]
fn the_fence_comes_first() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let text = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$1 $VIPD_INSTANCE $VIPD_PEER $VIPD_PRIORITY\" >>fenced\n\
                test -e may || exit 3\nsleep 1\ntouch done\n";
    let fence = two.script("fence", text);
    let (mut a, b) = pair(Kind::Vipd, (&one, &two), &format!("fence \"{} off\"", fence.display()));
    // A good-bye needs no fence.
    a.stop();
    b.wait_master(VIP, LONG);
    assert!(!two.path("fenced").exists());
    let mut a = Director::start(Kind::Keepalived, &one, &conf(150, ""));
    a.wait_master(VIP, LONG);
    wait_for("the weaker gives way", LONG, || !two.holds(VIP));
    std::thread::sleep(Duration::from_secs(1));

    a.kill();
    wait_for("the fence fails", LONG, || b.log().contains("does not take the silent master's place: fence"));
    assert!(!two.holds(VIP) && b.log().contains("exit status 3"), "{}", b.log());
    let fenced = std::fs::read_to_string(two.path("fenced")).unwrap();
    assert_eq!(fenced.lines().next(), Some("off VI_1 10.77.0.1 150"));
    // It is tried again, and awaited.
    two.write("may", "");
    let start = Instant::now();
    b.wait_master(VIP, LONG);
    assert!(two.path("done").exists(), "the address came before the fence was done");
    println!("  served {:.2} s after the fence could work", start.elapsed().as_secs_f64());
    let events = b.log();
    assert!(events.contains("(VI_1) fencing 10.77.0.1: "), "{events}");
}
