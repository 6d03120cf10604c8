//! The operator moves the master: `vipd switchover`, `vipd maintenance`, with Debian's keepalived at the other end.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::process::Command;
use std::time::{Duration, Instant};
use vipd_tests::conf::{Instance, master_down, skew};
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
/// What a shared machine may add to any time.
const SLACK: f64 = 1.0;

/// Runs a command of vipd for the daemon on a host: whether it succeeded, and what it said.
fn order(host: &Host, words: &[&str]) -> (bool, String) {
    let output = Command::new(vipd()).args(words).arg("--socket").arg(host.path("socket")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("  $ vipd {}\n    {}", words.join(" "), text.trim_end());
    (output.status.success(), text)
}

#[test]
fn the_operator_moves_the_master() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let conf = |priority| Instance::new(3, priority, "0.3").text();
    let (down, farewell) = (master_down(3, 100, 0.3), skew(3, 100, 0.3));
    let patience = Duration::from_secs(8);
    let mut ours = Director::start(Kind::Vipd, &one, &conf(150));
    let mut theirs = Director::start(Kind::Keepalived, &two, &conf(100));
    ours.wait_master(VIP, patience);
    std::thread::sleep(Duration::from_secs_f64(down));

    // Handed over: the weaker one follows within its skew, and is left in peace.
    let start = Instant::now();
    let (done, told) = order(&one, &["switchover", "VI_1"]);
    assert!(done && told.contains("VI_1 left MASTER"), "{told}");
    assert!(told.contains("VI_1: 10.77.0.2 with priority 100 serves"), "{told}");
    theirs.wait_master(VIP, patience);
    let took = start.elapsed().as_secs_f64();
    println!("  handed over after {took:.3} s, by the formula {farewell:.3} s");
    assert!(took < farewell + SLACK);
    assert!(!one.holds(VIP));
    std::thread::sleep(Duration::from_secs_f64(4.0 * down));
    let status = ours.instance("VI_1");
    assert_eq!((status.state.as_str(), status.why.as_str()), ("BACKUP", "the operator handed over"));
    assert!(status.handed_over);
    let (_, page) = order(&one, &["status"]);
    let says = "handed over: leaves whoever serves in peace until `vipd switchover --undo VI_1`";
    assert!(page.contains(says), "{page}");
    assert!(two.holds(VIP) && !one.holds(VIP), "it preempted whom it was handed over to");
    let (done, told) = order(&one, &["switchover", "VI_1"]);
    assert!(!done && told.contains("VI_1 is BACKUP here"), "{told}");

    // A fault in between changes nothing of it.
    one.cable_out();
    wait_for("it knows", patience, || ours.instance("VI_1").state == "FAULT");
    one.cable_in();
    std::thread::sleep(Duration::from_secs_f64(4.0 * down));
    assert_eq!(ours.instance("VI_1").state, "BACKUP");

    // Undone: it preempts as configured.
    let (done, told) = order(&one, &["switchover", "VI_1", "--undo"]);
    assert!(done && told.contains("VI_1 preempts again"), "{told}");
    ours.wait_master(VIP, patience);
    wait_for("the weaker gives way", patience, || !two.holds(VIP));
    assert!(!ours.instance("VI_1").handed_over);
    // What is asked for is so already: no error, but told.
    let (done, told) = order(&one, &["switchover", "VI_1", "--undo"]);
    assert!(done && told.contains("nothing to undo: VI_1 is not handed over; it is MASTER here"), "{told}");

    // Handed over to one that dies: it serves again.
    assert!(order(&one, &["switchover", "VI_1"]).0);
    theirs.wait_master(VIP, patience);
    theirs.kill();
    ours.wait_master(VIP, patience);
    two.ip(&format!("addr del {VIP}/32 dev eth0"));

    // In maintenance it takes nothing over, whoever dies.
    let mut theirs = Director::start(Kind::Keepalived, &two, &conf(100));
    std::thread::sleep(Duration::from_secs_f64(down + SLACK));
    assert!(order(&one, &["maintenance", "on"]).0);
    theirs.wait_master(VIP, patience);
    let status = ours.instance("VI_1");
    assert_eq!(status.state, "FAULT");
    assert!(status.faults.iter().any(|f| f.contains("vipd maintenance off")), "{:?}", status.faults);
    theirs.stop();
    std::thread::sleep(Duration::from_secs_f64(3.0 * down));
    assert!(!one.holds(VIP));
    // A reload does not end it.
    one.write("director.conf", &conf(151));
    assert!(order(&one, &["reload"]).0);
    std::thread::sleep(Duration::from_secs_f64(3.0 * down));
    let status = ours.instance("VI_1");
    assert_eq!((status.state.as_str(), status.base_priority), ("FAULT", 151));
    assert!(order(&one, &["maintenance", "off"]).0);
    ours.wait_master(VIP, patience);

    let (done, told) = order(&one, &["switchover", "VI_9"]);
    assert!(!done && told.contains("there are: vrrp_instance VI_1"), "{told}");
    // With nobody to follow it is without a master for a while: that is told, and no success.
    let (done, told) = order(&one, &["switchover", "VI_1"]);
    assert!(!done && told.contains("nobody took over VI_1: this host serves again"), "{told}");
    // An order that was refused does not look as if it was carried out.
    let (_, events) = order(&one, &["events"]);
    let refused = |line: &&str| line.contains("order") && line.contains("refused");
    assert_eq!(events.lines().filter(refused).count(), 2, "{events}");
    ours.stop();
}
