//! A director that comes back takes its address when it knows the connections of the one that served meanwhile.
//!
//! ```text
//!   client 10.77.0.9                   holds connections to 10.77.0.100 and says something on each now and then
//!   directors 10.77.0.1, 10.77.0.2     the first one is the stronger; each has an IPVS table of its own
//!   web 10.77.0.11, 10.77.0.12         hold .100 on lo without ARP, and answer the client directly (DR)
//! ```

use crate::machine::{LONG, at, sysctl, tail};
use crate::site::{CONNECT, DR, WEB, virtual_server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::Proc;
use vipd_tests::wait_for;
use vipd_tests::web::{Site, inside, open, serve};

/// Connections that stay.
const HELD: usize = 40;
/// How often something is said on each of them.
const PACE: Duration = Duration::from_millis(500);
/// Longer than it can take.
const LONGEST: u64 = 60;

struct Pair {
    client: Host,
    directors: [Host; 2],
    _web: Vec<Proc>,
    _lab: Lab,
}

impl Pair {
    fn new() -> Pair {
        let mut lab = Lab::new();
        let (client, directors) = (lab.host(9), [lab.host(1), lab.host(2)]);
        for host in &directors {
            // A director that forwards what it serves, tells of each connection twice a minute's twentieth.
            sysctl(host, "net.ipv4.ip_forward=1");
            sysctl(host, "net.ipv4.vs.sync_refresh_period=3");
            for scope in ["all", "eth0"] {
                sysctl(host, &format!("net.ipv4.conf.{scope}.send_redirects=0"));
            }
        }
        let web = WEB.map(|number| {
            let host = lab.host(number);
            for setting in ["arp_ignore=1", "arp_announce=2", "rp_filter=0"] {
                sysctl(&host, &format!("net.ipv4.conf.all.{setting}"));
            }
            host.ip("addr add 10.77.0.100/32 dev lo");
            serve(&host, "web", &Site::saying(&format!("web {number}"), &["80"]))
        });
        Pair { client, directors, _web: web.into(), _lab: lab }
    }

    fn start(&self, which: usize, globals: &str) -> Director {
        let priority = [150, 100][which];
        let instance = Instance::new(3, priority, "0.5").text();
        let service = virtual_server(DR, "DR", "rr", CONNECT, "");
        let conf = format!(
            "global_defs {{\n script_user root\n lvs_sync_daemon eth0 VI_1\n{globals}}}\n\n{instance}{service}"
        );
        Director::start(Kind::Vipd, &self.directors[which], &conf)
    }
}

/// Asks once more over a connection; whether it works.
fn works(stream: &mut TcpStream) -> bool {
    let mut ask = || -> std::io::Result<bool> {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let (mut answer, mut text) = (vec![0; 4096], String::new());
        while !text.contains("\r\n\r\nweb 1") {
            let n = stream.read(&mut answer)?;
            if n == 0 {
                return Ok(false);
            }
            text.push_str(&String::from_utf8_lossy(&answer[..n]));
        }
        Ok(true)
    };
    ask().unwrap_or(false)
}

/// How many of them live; each is asked, in turn, within the pace.
fn living(held: &mut Vec<TcpStream>) -> usize {
    let pause = PACE / u32::try_from(HELD).unwrap();
    held.retain_mut(|stream| {
        let next = Instant::now() + pause;
        let works = works(stream);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        works
    });
    held.len()
}

/// The weaker one serves; the stronger one comes up with these words. What is left of the connections when it has served for a
/// while, how long it took until it did, and its log.
fn hand_back(globals: &str) -> (usize, Duration, [Director; 2], Pair) {
    let pair = Pair::new();
    let weaker = pair.start(1, "");
    weaker.wait_master("10.77.0.100", LONG);
    wait_for("its servers are in the table", LONG, || {
        inside(&pair.client, || vipd_tests::web::fetch(at(DR), Duration::from_secs(2)).is_ok())
    });
    let connect = |_| inside(&pair.client, || open(at(DR), Duration::from_secs(5))).unwrap();
    let mut held: Vec<TcpStream> = (0..HELD).map(connect).collect();
    for _ in 0..4 {
        assert_eq!(living(&mut held), HELD, "{}", tail(&weaker.log()));
    }
    let stronger = pair.start(0, globals);
    let began = Instant::now();
    while !pair.directors[0].holds("10.77.0.100") {
        let whole = living(&mut held) == HELD || pair.directors[0].holds("10.77.0.100");
        assert!(whole, "one is lost before anybody took over:\n{}", tail(&stronger.log()));
        assert!(began.elapsed() < Duration::from_secs(LONGEST) + LONG, "{}", tail(&stronger.log()));
    }
    let took = began.elapsed();
    wait_for("the weaker one has left", LONG, || !pair.directors[1].holds("10.77.0.100"));
    for _ in 0..4 {
        living(&mut held);
    }
    (held.len(), took, [stronger, weaker], pair)
}

pub(crate) fn keeps_connections() {
    // Without the word it takes its address at once, whatever it knows: that loses most of them.
    let (left, took, ..) = hand_back("");
    println!("  at once: {left} of {HELD} connections are left, after {took:.1?}");
    assert!(left < HELD, "nothing is proved: nothing is lost without the word");
    let (left, took, [mut stronger, _weaker], pair) = hand_back(&format!(" lvs_sync_catch_up {LONGEST}\n"));
    println!("  caught up: {left} of {HELD} connections are left, after {took:.1?}");
    let log = stronger.log();
    assert_eq!(left, HELD, "{}", tail(&log));
    assert!(
        log.contains("in peace until the connections") && log.contains("connections of another director are known"),
        "{log}"
    );
    assert!(took < Duration::from_secs(LONGEST), "it waited to the end: {took:?}\n{log}");
    // One that is killed is followed as fast as ever: nobody waits for the connections of the dead.
    stronger.kill();
    wait_for("the other one takes over", Duration::from_secs(5), || pair.directors[1].holds("10.77.0.100"));
}
