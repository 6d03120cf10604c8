//! How a director ends, and what must not end it: whatever happens to its processes, no address stays behind on a host that
//! no longer serves it.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::process::Command;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(20);

fn conf(priority: u8) -> String {
    Instance::new(3, priority, "0.3").text()
}

/// A director that is master.
fn master(host: &Host, more: &[&str]) -> Director {
    let director = Director::start_with(Kind::Vipd, host, &conf(150), more);
    director.wait_master(VIP, LONG);
    wait_for("every role is there", LONG, || director.status().is_some());
    director
}

/// Kills a role and waits until another process has its place.
fn kill(director: &Director, role: &str) {
    let old = director.role(role);
    signal_pid(old, Signal::KILL);
    wait_for("the role is seen to be dead", LONG, || {
        director.status().is_some_and(|s| s.roles.iter().any(|r| r.name == role && r.pid != old))
    });
}

#[test]
fn a_daemon_that_must_not_respawn_leaves_in_order() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let mut director = master(&one, &["-R"]);
    signal_pid(director.role("console"), Signal::KILL);
    wait_for("it ends", LONG, || !director.runs());
    assert!(!one.holds(VIP), "the address is left behind:\n{}", director.log());
    assert!(director.log().contains("Entering STOP STATE"), "no good-bye:\n{}", director.log());
}

#[test]
fn a_vrrp_role_that_dies_again_and_again_lets_the_peer_serve() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let mut a = master(&one, &[]);
    let b = Director::start(Kind::Vipd, &two, &conf(100));
    wait_for("the backup hears the master", LONG, || {
        b.status().is_some_and(|s| s.instances.iter().any(|i| i.counters.adverts_received > 2))
    });
    kill(&a, "vrrp");
    kill(&a, "vrrp");
    signal_pid(a.role("vrrp"), Signal::KILL); // from now on it is started again later and later
    wait_for("the address leaves the host whose role is not there", LONG, || !one.holds(VIP));
    wait_for("the peer takes over", LONG, || two.holds(VIP));
    a.wait_master(VIP, LONG);
    wait_for("the weaker gives way", LONG, || !two.holds(VIP));
    kill(&a, "vrrp");
    a.stop();
    assert!(!one.holds(VIP), "stopped while the role was dead, and the address is left behind:\n{}", a.log());
}

#[test]
fn addresses_stay_at_a_stop_if_told_so() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    master(&one, &["-V"]).stop();
    assert!(one.holds(VIP), "-V, and yet the address is gone");
    let mut director = master(&one, &[]);
    director.stop();
    assert!(!one.holds(VIP));
}

#[test]
fn questions_by_signal_end_nothing() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let mut director = master(&one, &[]);
    let roles: Vec<u32> = ["vrrp", "console"].iter().map(|role| director.role(role)).collect();
    for name in ["DATA", "STATS", "STATS_CLEAR", "JSON", "TDUMP"] {
        let number = run(Command::new(vipd()).arg(format!("--signum={name}")));
        // They were just asked and answer all along: the numbers are theirs.
        for pid in roles.iter().chain([&director.pid()]) {
            run(Command::new("kill").arg(format!("-{}", number.trim())).arg(pid.to_string()));
        }
    }
    let statistics = one.path("keepalived.stats");
    wait_for("the statistics are written", LONG, || statistics.exists());
    let text = std::fs::read_to_string(statistics).unwrap();
    println!("{text}");
    assert!(text.starts_with("VRRP Instance: VI_1\n") && text.contains("  Became master: 1\n"));
    assert!(one.path("keepalived.data").exists());
    assert!(director.runs());
    assert_eq!(["vrrp", "console"].map(|role| director.role(role)).to_vec(), roles, "a role was started anew");
}

#[test]
fn roles_that_read_what_strangers_send_are_not_root() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let director = Director::start_with(Kind::Vipd, &one, &conf(150), &["--all"]);
    director.wait_master(VIP, LONG);
    wait_for("every role is there", LONG, || director.status().is_some_and(|s| s.roles.iter().all(|r| r.pid != 0)));
    // The director looks for the kernel's module first, as root.
    wait_for("the director knows its plane", LONG, || director.status().is_some_and(|s| s.plane.is_some()));
    for role in ["vrrp", "check", "director", "console"] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", director.role(role))).unwrap();
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim();
        let (user, capabilities) = (field("Uid:"), u64::from_str_radix(field("CapEff:"), 16).unwrap());
        println!("  {role}: user {user}, capabilities {capabilities:#x}");
        assert_eq!(field("NoNewPrivs:"), "1", "{role}");
        // CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK and no other.
        assert_eq!(capabilities & !(1 << 10 | 1 << 12 | 1 << 13 | 1 << 14), 0, "{role}");
        // The console has its socket's directory to look after, which is root's.
        assert_eq!(user.split_whitespace().all(|id| id == "0"), role == "console", "{role}: {user}");
    }
}

#[test]
fn in_the_background_nothing_of_the_caller_stays_open() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    one.write("background.conf", &conf(150));
    let mut command = one.command(vipd());
    command.current_dir(one.path("")).args([
        "-G",
        "-f",
        "background.conf",
        "-p",
        "own.pid",
        "-r",
        "v.pid",
        "-c",
        "c.pid",
    ]);
    command.args(["--socket", "background.socket"]);
    // `run` reads both outputs to their end: a daemon that kept one open would hang it.
    run(&mut command);
    wait_for("it serves", LONG, || one.holds(VIP));
    let pid = |name: &str| std::fs::read_to_string(one.path(name)).unwrap().trim().to_owned();
    let daemon = pid("own.pid");
    assert_eq!(std::fs::read_link(format!("/proc/{daemon}/cwd")).unwrap().as_os_str(), "/");
    assert!(pid("v.pid").parse::<u32>().is_ok_and(|p| p > 1 && p.to_string() != daemon));
    assert_eq!(pid("c.pid"), "", "there is no check role here");
    signal_pid(daemon.parse().unwrap(), Signal::TERM);
    wait_for("it lets go", LONG, || !one.holds(VIP) && !one.path("own.pid").exists());
}

#[test]
fn a_machine_that_stood_still_as_a_whole_blames_no_role_for_it() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let director = master(&one, &[]);
    let roles = ["vrrp", "console"].map(|role| director.role(role));
    director.hang();
    std::thread::sleep(Duration::from_secs(3)); // three times what a vrrp role may be silent
    director.resume();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(["vrrp", "console"].map(|role| director.role(role)), roles, "{}", director.log());
    assert!(one.holds(VIP));
}
