//! Servers that follow BFD sessions with Debian's keepalived and FRR's bfdd on them.

use crate::machine::{LONG, real_server, settle};
use crate::site::{DR, Whole, virtual_server};
use vipd_tests::director::{Director, Kind};
use vipd_tests::frr::Frr;
use vipd_tests::wait_for;

/// A session as keepalived and vipd are told of it: slow, for one emulated processor.
fn session(own: u8, neighbour: u8) -> String {
    format!(
        "bfd_instance with{neighbour} {{\n neighbor_ip 10.77.0.{neighbour}\n source_ip 10.77.0.{own}\n min_rx 300\n \
         min_tx 300\n multiplier 5\n}}\n"
    )
}

pub(crate) fn servers_follow() {
    let whole = Whole::new();
    let check = |number, more: &str| format!("BFD_CHECK {{\n name with{number}\n{more}\n }}");
    let text = virtual_server(DR, "DR", "wrr", "PROBE", "");
    let text = text.replacen("PROBE", &check(11, ""), 1).replacen("PROBE", &check(12, " alpha"), 1);
    let director = whole.start(&(session(1, 11) + &session(1, 12) + &text), &[]);
    let table = |numbers: &[(u8, u8)]| {
        let mut expected = vec!["-A -t 10.77.0.100:80 -s wrr".to_owned()];
        let server = |(n, weight)| format!("-a -t 10.77.0.100:80 -r 10.77.0.{n}:80 -g -w {weight}");
        expected.extend(numbers.iter().copied().map(server));
        settle(&whole.director, &director, &expected).unwrap_or_else(|why| panic!("{why}"));
    };
    // What the status says of a server and of its check.
    let told = |number: u8, up: bool, why: &str| {
        let address = format!("10.77.0.{number}:80");
        let seen = || real_server(&director, "[10.77.0.100]:tcp:80", &address);
        wait_for(&format!("{address} is told of as {why}"), LONG, || {
            let one = seen();
            let [check] = &one.checks[..] else { panic!("{one:?}") };
            assert_eq!(check.kind, "BFD_CHECK");
            (one.alive, check.up) == (up, up) && one.why.contains(why)
        });
        println!("  {address}: {}", seen().why);
    };

    // A session that has not been up yet takes nobody out, unless it says `alpha`.
    table(&[(11, 1)]);
    let keepalived = || Director::start(Kind::Keepalived, &whole.web[0], &session(11, 1));
    let mut neighbour = keepalived();
    let peer = " peer 10.77.0.1 local-address 10.77.0.12\n  receive-interval 300\n  transmit-interval 300\n  \
                detect-multiplier 5\n  no shutdown\n !\n";
    let mut frr = Frr::start(&whole.web[1], "bfdd", &format!("bfd\n{peer}!\n"));
    table(&[(11, 1), (12, 2)]);
    told(11, true, "BFD session with11 is up");
    told(12, true, "BFD session with12 is up");

    // Killed: silence. And back.
    neighbour.kill();
    table(&[(12, 2)]);
    told(11, false, "BFD session with11 is down");
    drop(neighbour);
    let _neighbour = keepalived();
    table(&[(11, 1), (12, 2)]);
    told(11, true, "BFD session with11 is up");

    // Stopped in order: it says so.
    frr.stop();
    table(&[(11, 1)]);
    told(12, false, "BFD session with12 is down");
}
