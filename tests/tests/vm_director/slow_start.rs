//! A real server that comes back gets its share of real connections little by little.

use crate::life::Held;
use crate::machine::{LONG, at, real_server, rules, settle, sysctl, tail};
use crate::site::{CONNECT, DR, Whole, virtual_server};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use vipd_tests::director::Director;
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;
use vipd_tests::web::tally;

const NAME: &str = "[10.77.0.100]:tcp:80";
const FIRST: &str = "-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w 1";
const SECOND: &str = "-a -t 10.77.0.100:80 -r 10.77.0.12:80 -g -w 2";
/// Longer than it takes to sample a few times, however busy the machine is.
const TIME: Duration = Duration::from_secs(38);
/// Connections of a sample.
const SAMPLE: u32 = 60;

fn table(servers: &[&str]) -> Vec<String> {
    let all = ["-A -t 10.77.0.100:80 -s wrr"].iter().chain(servers);
    all.map(|s| (*s).to_owned()).collect()
}

/// The first server's share of its weight, in hundredths.
fn share(director: &Director) -> Option<u32> {
    real_server(director, NAME, "10.77.0.11:80").slow_start
}

/// How many of a sample are the first server's, whose weight is 1 beside one of 2, if it has so much of it.
fn expected(share: u32) -> f64 {
    let part = f64::from(share) / 100.0;
    f64::from(SAMPLE) * part / (part + 2.0)
}

pub(crate) fn grows() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    // A port that a client takes again is another connection, and not the one of before.
    sysctl(&whole.director, "net.ipv4.vs.conn_reuse_mode=3");
    sysctl(&whole.client, "net.ipv4.ip_local_port_range=1024 65535");
    let slow = format!("    slow_start {}", TIME.as_secs());
    let director = whole.start(&virtual_server(DR, "DR", "wrr", CONNECT, &slow), &[]);
    let becomes = |servers: &[&str]| {
        settle(&whole.director, &director, &table(servers)).unwrap_or_else(|why| panic!("{why}"));
    };
    becomes(&[FIRST, SECOND]);
    wait_for("both are checked", LONG, || real_server(&director, NAME, "10.77.0.11:80").why != "not checked yet");
    assert_eq!(share(&director), None, "at the start all begin together");

    whole.serving[0] = None;
    becomes(&[SECOND]);
    let mut held = Held::new(&whole);
    assert_eq!(held.works(), "web 12");
    let site = vipd_tests::web::Site::saying("web 11", &["80"]);
    whole.serving[0] = Some(vipd_tests::web::serve(&whole.web[0], "web", &site));
    wait_for("it is back", LONG, || share(&director).is_some());
    let began = Instant::now();
    let mut seen: Vec<(u32, u32)> = Vec::new();
    let (mut sum, mut sum_expected) = (0.0, 0.0);
    let mut killed = false;
    while let Some(before) = share(&director) {
        let answers = tally(&whole.client, at(DR), SAMPLE);
        let got = answers.get("web 11").copied().unwrap_or(0);
        assert_eq!(answers.values().sum::<u32>() - got, answers.get("web 12").copied().unwrap_or(0), "{answers:?}");
        let after = share(&director).unwrap_or(100);
        assert!(after >= before, "{before}% became {after}%");
        // A round of `wrr` begins with a row of the heavier one, and a sample anywhere in it.
        let (low, high) = (expected(before) - 10.0, expected(after) + 10.0);
        let rules = rules(&whole.director).join(", ");
        println!("  {:4.1} s, {before} to {after}%: {got} of {SAMPLE}; {rules}", began.elapsed().as_secs_f64());
        assert!((low..=high).contains(&f64::from(got)), "{got}, not {low} to {high}:\n{}", tail(&director.log()));
        seen.push((before, got));
        sum += f64::from(got);
        sum_expected += f64::midpoint(expected(before), expected(after));
        if !killed && after < 80 {
            // A successor goes on from there.
            let old = director.role("director");
            signal_pid(old, Signal::KILL);
            wait_for("the role is back", LONG, || {
                let roles = director.status().map(|s| s.roles).unwrap_or_default();
                roles.iter().any(|r| r.name == "director" && r.pid != 0 && r.pid != old)
            });
            let now = share(&director);
            println!("  another director: {now:?}");
            assert!(now.is_none_or(|now| now >= after), "it began anew: {now:?}");
            assert!(now.is_some() || began.elapsed() > TIME / 2, "it has ended");
            killed = true;
        }
    }
    let took = began.elapsed();
    assert!(took > TIME - Duration::from_secs(5) && took < TIME + LONG, "it took {took:?}");
    assert!(killed && seen.len() >= 2, "{seen:?}");
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    assert!(first.0 <= 40 && last.0 > first.0 && last.1 >= first.1 + 4, "it did not grow: {seen:?}");
    println!("  {sum} connections in all, {sum_expected:.0} by its shares");
    assert!((sum - sum_expected).abs() < 0.15 * sum_expected + 10.0, "{seen:?}");
    // In the end the weights are those of the file, and nobody had to put anything right.
    becomes(&[FIRST, SECOND]);
    let answers = tally(&whole.client, at(DR), SAMPLE);
    let got = answers.get("web 11").copied().unwrap_or(0);
    assert!((17..=23).contains(&got), "{answers:?}");
    assert_eq!(held.works(), "web 12", "a connection was lost");
    let plane = director.status().and_then(|s| s.plane).unwrap_or_default();
    assert_eq!((plane.foreign_edits, plane.failed_writes), (0, 0), "{}", tail(&director.log()));
}
