//! Servers die and return; roles of the daemon die; somebody else edits the table; the daemon stops.

use crate::machine::{LONG, at, ipvsadm, ordered, real_server, rules, service, settle, tail};
use crate::site::{CONNECT, DR, HTTP, NAT, Whole, conf, virtual_server};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;
use vipd_tests::director::Director;
use vipd_tests::lab::Host;
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;
use vipd_tests::web::{inside, open, tally};

const NAME: &str = "[10.77.0.100]:tcp:80";
const FIRST: &str = "-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w 1";
const SECOND: &str = "-a -t 10.77.0.100:80 -r 10.77.0.12:80 -g -w 2";
const SORRY: &str = "-a -t 10.77.0.100:80 -r 127.0.0.1:80 -g -w 1";

/// The table of the one service with these servers.
fn table(servers: &[&str]) -> Vec<String> {
    let all = ["-A -t 10.77.0.100:80 -s wrr"].iter().chain(servers);
    all.map(|s| (*s).to_owned()).collect()
}

#[track_caller]
fn becomes(whole: &Whole, director: &Director, servers: &[&str]) {
    settle(&whole.director, director, &table(servers)).unwrap_or_else(|why| panic!("{why}"));
}

/// Who answers so many requests of the client.
fn answers(whole: &Whole, times: u32) -> BTreeMap<String, u32> {
    tally(&whole.client, at(DR), times)
}

fn all_from(name: &str, times: u32) -> BTreeMap<String, u32> {
    BTreeMap::from([(name.to_owned(), times)])
}

/// Two servers that run notify scripts, a sorry server, and `more` lines.
fn watched(director: &Host, more: &str) -> String {
    let calls = director.path("calls");
    let script = director.script("notify.sh", &format!("echo \"$# $*\" >> {}", calls.display()));
    let script = script.display();
    let one = |n| format!("{HTTP}\n notify_up \"{script} up {n} 'two words'\"\n notify_down \"{script} down {n}\"");
    let extra = format!(
        "    sorry_server 127.0.0.1 80\n    quorum_up \"{script} quorum up\"\n    quorum_down \"{script} quorum down\"\n{more}"
    );
    let text = virtual_server(DR, "DR", "wrr", "PROBE", &extra);
    text.replacen("PROBE", &one(11), 1).replacen("PROBE", &one(12), 1)
}

pub(crate) fn calls(director: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(director.path("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn servers_die_and_return() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let mut director = whole.start(&watched(&whole.director, ""), &[]);
    becomes(&whole, &director, &[FIRST, SECOND]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(calls(&whole.director), ["2 quorum up"], "a start gains the quorum; of the servers nothing has changed");

    whole.kill(1);
    becomes(&whole, &director, &[FIRST]);
    assert_eq!(answers(&whole, 6), all_from("web 11", 6));
    let dead = real_server(&director, NAME, "10.77.0.12:80");
    println!("  dead: {}", dead.why);
    assert!(!dead.alive && dead.weight.is_none() && dead.why.contains("refused"), "{dead:?}");
    assert_eq!(service(&director, NAME).live_weight, 1);

    whole.kill(0);
    becomes(&whole, &director, &[SORRY]);
    assert_eq!(answers(&whole, 6), all_from("sorry", 6));
    let told = service(&director, NAME);
    assert!(told.sorry_active && told.state == "down" && told.live_weight == 0, "{told:?}");

    whole.revive(0);
    becomes(&whole, &director, &[FIRST]);
    assert_eq!(answers(&whole, 6), all_from("web 11", 6));
    whole.revive(1);
    becomes(&whole, &director, &[FIRST, SECOND]);
    let both = answers(&whole, 9);
    println!("  both again: {both:?}");
    assert_eq!(both.values().sum::<u32>(), 9);
    assert!(both.get("web 11").is_some_and(|n| *n >= 2) && both.get("web 12").is_some_and(|n| *n >= 5), "{both:?}");

    let expected = [
        "2 quorum up",
        "2 down 12",
        "2 down 11",
        "2 quorum down",
        "3 up 11 two words",
        "2 quorum up",
        "3 up 12 two words",
    ];
    wait_for("every script has run", LONG, || calls(&whole.director).len() >= expected.len());
    assert_eq!(calls(&whole.director), expected);
    director.stop();
    assert_eq!(rules(&whole.director), [""; 0], "the table is left behind");
    assert_eq!(calls(&whole.director), expected, "without omega a stop is no event");
}

/// A connection through the director that stays: what it fetches, again and again.
pub(crate) struct Held(std::net::TcpStream);

impl Held {
    pub(crate) fn new(whole: &Whole) -> Held {
        Held(inside(&whole.client, || open(at(DR), Duration::from_secs(10))).unwrap())
    }

    /// Asks once more over the same connection.
    #[track_caller]
    pub(crate) fn works(&mut self) -> String {
        self.0.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = vec![0; 4096];
        let mut text = String::new();
        while !text.contains("\r\n\r\nweb 1") {
            let n = self.0.read(&mut answer).unwrap();
            assert!(n > 0, "the connection has ended: {text:?}");
            text.push_str(&String::from_utf8_lossy(&answer[..n]));
        }
        text.rsplit("\r\n\r\n").next().unwrap_or_default().trim_end().to_owned()
    }
}

/// `ActiveConn` of the service's servers, added up.
fn active(host: &Host) -> u32 {
    let table = ipvsadm(host, "-Ln");
    let servers = table.lines().filter(|l| l.trim_start().starts_with("-> 10.77"));
    servers.filter_map(|l| l.split_whitespace().nth(4)?.parse::<u32>().ok()).sum()
}

/// What scripts, log and status have told so far.
#[derive(PartialEq, Debug)]
struct Told {
    calls: Vec<String>,
    /// Lines of the log that say who comes and goes.
    comings: Vec<String>,
    foreign_edits: u64,
    failed_writes: u64,
}

impl Told {
    fn now(whole: &Whole, director: &Director) -> Told {
        let mut plane = None;
        wait_for("the director tells of its plane", LONG, || {
            plane = director.status().and_then(|s| s.plane);
            plane.is_some()
        });
        let plane = plane.unwrap_or_default();
        let news = ["Adding", "Removing", "Gained", "Lost"];
        let log = director.log();
        let comings = log.lines().filter(|line| news.iter().any(|word| line.contains(word)));
        Told {
            calls: calls(&whole.director),
            comings: comings.map(str::to_owned).collect(),
            foreign_edits: plane.foreign_edits,
            failed_writes: plane.failed_writes,
        }
    }
}

/// Sees for some seconds that the table stays as it is.
#[track_caller]
fn stays(whole: &Whole, director: &Director, expected: &[String]) {
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(rules(&whole.director), expected, "the table has changed:\n{}", tail(&director.log()));
    }
}

/// Kills a role, and sees the table all the while until the role is back, and that nobody hears of it.
#[track_caller]
fn kill_role(whole: &Whole, director: &Director, role: &str) {
    let old = director.role(role);
    let expected = rules(&whole.director);
    let told = Told::now(whole, director);
    signal_pid(old, rustix::process::Signal::KILL);
    wait_for("the role is back", LONG, || {
        assert_eq!(rules(&whole.director), expected, "the table has changed");
        director.status().is_some_and(|s| s.roles.iter().any(|r| r.name == role && r.pid != 0 && r.pid != old))
    });
    // What it does first is compare: see that too.
    stays(whole, director, &expected);
    assert_eq!(Told::now(whole, director), told, "{role} came back and told old news");
    println!("  {role} was {old}, is {}", director.role(role));
}

/// `tcp tcpfin udp`, as the kernel has them.
fn timeouts(host: &Host) -> String {
    ipvsadm(host, "-L --timeout").rsplit(':').next().unwrap_or_default().trim().to_owned()
}

pub(crate) fn roles_die() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let before = timeouts(&whole.director);
    ipvsadm(&whole.director, "-A -t 203.0.113.9:25 -s rr"); // lvs_flush removes it
    let services = watched(&whole.director, "");
    let mut director = whole.start_with(&conf(" lvs_flush\n lvs_timeouts tcp 700 udp 200\n", &services), &[]);
    becomes(&whole, &director, &[FIRST, SECOND]);
    assert!(timeouts(&whole.director).starts_with("700 ") && timeouts(&whole.director).ends_with(" 200"));
    // One server is dead before: a role that comes back must know.
    whole.kill(1);
    becomes(&whole, &director, &[FIRST]);
    wait_for("the script has run", LONG, || calls(&whole.director) == ["2 quorum up", "2 down 12"]);
    let mut held = Held::new(&whole);
    assert_eq!(held.works(), "web 11");
    assert_eq!(active(&whole.director), 1);
    wait_for("the kernel adds up", LONG, || service(&director, NAME).connections >= 1);
    ipvsadm(&whole.director, "-A -t 203.0.113.1:25 -s rr"); // somebody else's: lvs_flush had its time
    for role in ["director", "check", "director"] {
        kill_role(&whole, &director, role);
        assert_eq!(held.works(), "web 11");
        assert_eq!(active(&whole.director), 1, "the connection is lost");
        // A service that was made anew would have forgotten.
        assert!(service(&director, NAME).connections >= 1);
        assert_eq!(answers(&whole, 3), all_from("web 11", 3));
        let dead = real_server(&director, NAME, "10.77.0.12:80");
        assert!(!dead.alive, "{role} came back and calls a dead server alive: {dead:?}");
    }
    // And the new ones do their work.
    ipvsadm(&whole.director, "-D -t 203.0.113.1:25");
    whole.revive(1);
    becomes(&whole, &director, &[FIRST, SECOND]);
    whole.kill(0);
    becomes(&whole, &director, &[SECOND]);
    let expected = ["2 quorum up", "2 down 12", "3 up 12 two words", "2 down 11"];
    wait_for("every script has run", LONG, || calls(&whole.director).len() >= expected.len());
    assert_eq!(calls(&whole.director), expected);
    // What the first of three directors found is what the last one leaves.
    director.stop();
    assert_eq!(rules(&whole.director), [""; 0], "the table is left behind");
    assert_eq!(timeouts(&whole.director), before);
}

/// Reloads, and waits until the new configuration is in force.
#[track_caller]
fn reload(director: &Director, conf: &str) {
    let reloads = |director: &Director| director.status().map(|s| s.config.reloads);
    let before = reloads(director);
    assert!(before.is_some(), "no status");
    director.reload(conf);
    wait_for("the reload is in force", LONG, || reloads(director).is_some_and(|now| Some(now) > before));
}

pub(crate) fn reloads() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let services = watched(&whole.director, "");
    let director = whole.start(&services, &[]);
    becomes(&whole, &director, &[FIRST, SECOND]);
    whole.kill(1);
    becomes(&whole, &director, &[FIRST]);
    wait_for("the script has run", LONG, || calls(&whole.director) == ["2 quorum up", "2 down 12"]);
    // Whatever changes in a check, the dead stay dead and the living in the table, and nobody hears of it.
    let told = Told::now(&whole, &director);
    for (from, to) in [
        ("delay_loop 1\n", "delay_loop 2\n"),
        ("delay_loop 1\n", "delay_loop 2\n    alpha\n"),
        ("retry 1\n", "retry 3\n"),
        ("status_code 200\n", "status_code 200-299\n"),
        ("HTTP_GET {", "TCP_CHECK {\n }\n HTTP_GET {"),
    ] {
        assert!(services.contains(from));
        reload(&director, &conf("", &services.replace(from, to)));
        stays(&whole, &director, &table(&[FIRST]));
        assert_eq!(Told::now(&whole, &director), told, "{to}");
        println!("  nothing is forgotten: {}", to.trim().replace('\n', " "));
    }
    // A quorum that a reload puts out of reach is lost, and gained by the next.
    reload(&director, &conf("", &watched(&whole.director, "    quorum 2")));
    becomes(&whole, &director, &[SORRY]);
    wait_for("the script has run", LONG, || calls(&whole.director) == ["2 quorum up", "2 down 12", "2 quorum down"]);
    reload(&director, &conf("", &services));
    becomes(&whole, &director, &[FIRST]);
    let expected = ["2 quorum up", "2 down 12", "2 quorum down", "2 quorum up"];
    wait_for("the script has run", LONG, || calls(&whole.director) == expected);
    whole.revive(1);
    becomes(&whole, &director, &[FIRST, SECOND]);
}

pub(crate) fn others_edit() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let services = virtual_server(DR, "DR", "wrr", CONNECT, "");
    let director = whole.start(&services, &[]);
    becomes(&whole, &director, &[FIRST, SECOND]);
    let before = director.status().unwrap().plane.unwrap().foreign_edits;
    for edit in [
        "-d -t 10.77.0.100:80 -r 10.77.0.11:80",
        "-e -t 10.77.0.100:80 -r 10.77.0.12:80 -g -w 50",
        "-a -t 10.77.0.100:80 -r 10.77.0.9:80 -g",
        "-E -t 10.77.0.100:80 -s rr",
        "-D -t 10.77.0.100:80",
        "-C",
    ] {
        ipvsadm(&whole.director, edit);
        // It may be undone before anybody could look: that it was there is proved by the count below.
        becomes(&whole, &director, &[FIRST, SECOND]);
        println!("  undone: ipvsadm {edit}");
    }
    let plane = director.status().unwrap().plane.unwrap();
    println!("  foreign edits: {}", plane.foreign_edits);
    assert!(plane.foreign_edits >= before + 6, "{plane:?}");
    assert_eq!(plane.failed_writes, 0);
    // What is not ours stays.
    ipvsadm(&whole.director, "-A -u 203.0.113.1:53 -s rr");
    std::thread::sleep(Duration::from_secs(12));
    assert!(rules(&whole.director).iter().any(|r| r == "-A -u 203.0.113.1:53 -s rr"));
}

pub(crate) fn stops() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let services = virtual_server(DR, "DR", "wrr", CONNECT, "") + &virtual_server(NAT, "NAT", "rr", CONNECT, "");
    // With -I the table stays, and what it does goes on.
    let mut director = whole.start(&services, &["-I"]);
    let mut full = table(&[FIRST, SECOND]);
    full.push("-A -t 192.0.2.100:80 -s rr".to_owned());
    full.push("-a -t 192.0.2.100:80 -r 10.77.0.11:80 -m -w 1".to_owned());
    full.push("-a -t 192.0.2.100:80 -r 10.77.0.12:80 -m -w 2".to_owned());
    settle(&whole.director, &director, &full).unwrap_or_else(|why| panic!("{why}"));
    director.stop();
    assert_eq!(rules(&whole.director), ordered(full.clone()), "-I, and yet the table is gone");
    // The next one takes it over as it is, and empties it at its end; what was never ours stays.
    ipvsadm(&whole.director, "-A -t 203.0.113.1:25 -s rr");
    let mut director = whole.start(&services, &[]);
    settle_with_foreign(&whole, &director, &full);
    director.stop();
    assert_eq!(rules(&whole.director), ["-A -t 203.0.113.1:25 -s rr"]);
}

fn settle_with_foreign(whole: &Whole, director: &Director, full: &[String]) {
    let mut expected = full.to_vec();
    expected.push("-A -t 203.0.113.1:25 -s rr".to_owned());
    settle(&whole.director, director, &expected).unwrap_or_else(|why| panic!("{why}"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(rules(&whole.director), ordered(expected), "{}", tail(&director.log()));
}
