//! Pages of made-up daemons, and daemons that misbehave.

use super::*;
use crate::channel::{self, Decoder};
use crate::control::Silence;
use crate::message::StatusPart;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixListener;
use std::thread;
use text::{fine, large, span};
use vipd_api::{
    AddressStatus, BfdCounters, BfdStatus, CheckStatus, ConfigStatus, Counters, GroupStatus, HeartbeatStatus, HookRun,
    HookRunning, HookStatus, InstanceStatus, NextStatus, OrderStatus, PathStatus, PlaneStatus, RealServerStatus,
    Refused, RemovedServerStatus, RoleStatus, ScriptStatus, SecondMaster, ServiceStatus, StaticStatus, TrackStatus,
    TransitionStatus, UnknownServerStatus, UnsentStatus, VERSION,
};
use vipd_lvs::settings::VirtualServerId;

/// A Monday morning.
const NOW: f64 = 1_763_955_912.0;

fn address(address: &str, present: bool) -> AddressStatus {
    AddressStatus { address: address.to_owned(), present }
}

fn path(path: &str, present: bool) -> PathStatus {
    PathStatus { path: path.to_owned(), present }
}

fn role(name: &str, pid: u32, restarts: u64, why: Option<&str>) -> RoleStatus {
    let why = why.map(str::to_owned);
    RoleStatus { name: name.to_owned(), pid, started: NOW - 11_523.0, restarts, why }
}

fn track(kind: &str, state: &str, adds: i64) -> TrackStatus {
    TrackStatus { kind: kind.to_owned(), name: "X".to_owned(), state: state.to_owned(), adds, ..Default::default() }
}

fn way(path: &str, status: HeartbeatStatus) -> HeartbeatStatus {
    HeartbeatStatus { path: path.to_owned(), ..status }
}

fn master() -> InstanceStatus {
    InstanceStatus {
        name: "VI_1".to_owned(),
        state: "MASTER".to_owned(),
        since: NOW - 192.0,
        why: "no advert for 3.61 s".to_owned(),
        vrid: 51,
        version: 2,
        interface: "eth0".to_owned(),
        base_priority: 100,
        priority: 102,
        master: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        addresses: vec![address("192.0.2.100/24 dev eth0", true), address("192.0.2.101/24 dev eth0", false)],
        routes: vec![path("default via 192.0.2.254 table 100", true)],
        rules: vec![path("from 192.0.2.100 priority 400 lookup 100", false)],
        tracks: vec![
            track("interface", "good", 0),
            track("file", "-9", -18),
            TrackStatus { running: Some(2), ..track("process", "good", 20) },
            TrackStatus { fault: true, ..track("script", "bad", 0) },
        ],
        second_master: Some(SecondMaster {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
            priority: 50,
            since: NOW - 61.0,
            adverts: 7,
        }),
        unsent: Some(UnsentStatus { since: NOW - 12.0, why: "Network is down".to_owned(), none_leaves: true }),
        heartbeats: vec![
            way("eth0", HeartbeatStatus { silent: Some(NOW - 12.0), received: 40, ..Default::default() }),
            way("eth1", HeartbeatStatus { heard: Some(NOW - 0.4), received: 52, ..Default::default() }),
            way("eth2 peer 10.0.0.2", HeartbeatStatus { sent: 9, unsent: 3, rejected: 1, ..Default::default() }),
            way("eth3", HeartbeatStatus { problem: Some("eth3 is down".to_owned()), ..Default::default() }),
        ],
        next: Some(NextStatus { in_secs: 0.412, why: "the next advert is due".to_owned() }),
        group: Some("VG_1".to_owned()),
        counters: Counters {
            adverts_received: 12,
            adverts_sent: 192,
            adverts_partly_sent: 5,
            adverts_unsent: 4,
            became_master: 1,
            two_masters: 1,
            addresses_restored: 2,
            paths_restored: 3,
            rejected: vec![("checksum".to_owned(), 3), ("ttl".to_owned(), 0), ("password".to_owned(), 1)],
            ..Counters::default()
        },
        history: vec![TransitionStatus {
            at: NOW - 192.0,
            from: "BACKUP".to_owned(),
            to: "MASTER".to_owned(),
            why: "no advert for 3.61 s".to_owned(),
        }],
        ..InstanceStatus::default()
    }
}

fn faulty() -> InstanceStatus {
    InstanceStatus {
        name: "VI_2".to_owned(),
        state: "FAULT".to_owned(),
        since: NOW - 5.0,
        why: "interface eth1 is down".to_owned(),
        faults: vec!["interface eth1 is down".to_owned(), "script chk_haproxy is bad".to_owned()],
        handed_over: true,
        waits_for: vec!["VI_3 of its sync group, which is INIT".to_owned(), "its witness".to_owned()],
        vrid: 7,
        version: 3,
        interface: "eth1".to_owned(),
        base_priority: 150,
        priority: 150,
        addresses: vec![address("198.51.100.7/32 dev eth1", true)],
        ..InstanceStatus::default()
    }
}

fn session() -> BfdStatus {
    BfdStatus {
        name: "core1".to_owned(),
        state: "Down".to_owned(),
        since: NOW - 5.0,
        why: "192.0.2.2 was not heard for 51.003 ms".to_owned(),
        neighbour: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))),
        interval: Some(1.0),
        problem: Some("Network is unreachable (os error 101)".to_owned()),
        counters: BfdCounters {
            packets_received: 12,
            packets_sent: 14,
            became_up: 1,
            rejected: vec![("ttl".to_owned(), 3)],
            ..BfdCounters::default()
        },
        history: vec![TransitionStatus {
            at: NOW - 5.0,
            from: "Up".to_owned(),
            to: "Down".to_owned(),
            why: "192.0.2.2 was not heard for 51.003 ms".to_owned(),
        }],
        ..BfdStatus::default()
    }
}

fn hook() -> HookStatus {
    let run = |event: &str, ended: &str, ago, took| HookRun {
        event: event.to_owned(),
        script: "/etc/vrrp/notify".to_owned(),
        began: NOW - ago,
        took,
        ended: ended.to_owned(),
        well: ended == "success",
    };
    HookStatus {
        subject: "vrrp_instance VI_1".to_owned(),
        running: Some(HookRunning {
            event: "MASTER".to_owned(),
            script: "/etc/vrrp/master".to_owned(),
            since: NOW - 2.0,
        }),
        waiting: vec!["BACKUP".to_owned()],
        superseded: 1,
        recent: vec![run("BACKUP", "success", 500.0, 0.25), run("FAULT", "timed out", 400.0, 300.0)],
    }
}

fn server(address: &str, alive: bool, weight: Option<u32>, why: &str) -> RealServerStatus {
    RealServerStatus {
        address: address.to_owned(),
        forwarding: "NAT".to_owned(),
        alive,
        since: NOW - 7_500.0,
        why: why.to_owned(),
        weight,
        slow_start: None,
        configured_weight: 3,
        active_connections: 12,
        inactive_connections: 48_211,
        connections: 1_204_007,
        order: None,
        found: None,
        checks: vec![CheckStatus {
            kind: "HTTP_GET".to_owned(),
            up: alive,
            last_run: Some(NOW - 2.0),
            last: why.to_owned(),
            took: 0.001_31,
            retries_left: 2,
            suspended: None,
        }],
    }
}

#[test]
fn what_an_operator_wants_of_a_server_stands_under_it() {
    let order = |what: &str| OrderStatus {
        what: what.to_owned(),
        duty: None,
        by: "an operator (uid 0)".to_owned(),
        since: NOW - 12.0,
        deadline: (what == "drain").then_some(NOW + 48.0),
        until_reload: what != "drain",
    };
    let mut status = status();
    status.services[0].real_servers[0].order = Some(order("drain"));
    let removed = RemovedServerStatus { address: "10.0.0.9:80".to_owned(), order: order("removed") };
    status.services[0].removed_servers.push(removed);
    let page = page(&status, Depth::Brief);
    for line in [
        "drain, as an operator (uid 0) wants it since 12 s; down in 48 s at the latest\n",
        "10.0.0.9:80 is left out: removed, as an operator (uid 0) wants it since 12 s, until a reload\n",
    ] {
        assert!(page.contains(line), "{page}");
    }
}

#[test]
fn a_slow_start_has_the_place_of_the_weight() {
    let mut status = status();
    status.services[0].real_servers[0].slow_start = Some(40);
    let page = page(&status, Depth::Brief);
    assert!(page.contains("slow start 40%"), "{page}");
}

fn status() -> Status {
    let statics = StaticStatus {
        addresses: vec![address("192.0.2.201/32 dev eth0", true)],
        routes: vec![path("198.51.100.0/24 via 192.0.2.253", false)],
        restored: 1,
        ..StaticStatus::default()
    };
    Status {
        statics,
        version: VERSION,
        program: "vipd 0.1.0".to_owned(),
        router_id: "lb1".to_owned(),
        pid: 4711,
        started: NOW - 11_523.0,
        config: ConfigStatus {
            file: "/etc/keepalived/keepalived.conf".to_owned(),
            loaded: NOW - 242.0,
            warnings: 1,
            reloads: 3,
            refused: Some(Refused {
                at: NOW - 12.0,
                errors: "error: unknown keyword `virtual_ipadress`\n --> keepalived.conf:12:5\n   |\n12 |     \
                         virtual_ipadress {\n   |     ^^^^^^^^^^^^^^^^ did you mean `virtual_ipaddress`?\n\n"
                    .to_owned(),
            }),
            next_reload: Some(NOW + 3600.0),
        },
        roles: vec![
            role("supervisor", 4711, 0, None),
            role("vrrp", 4712, 1, Some("killed by signal 9")),
            role("check", 0, 0, None),
        ],
        instances: vec![master(), faulty()],
        groups: vec![GroupStatus {
            name: "VG_1".to_owned(),
            state: "MASTER".to_owned(),
            members: vec!["VI_1".to_owned(), "VI_3".to_owned()],
        }],
        scripts: vec![
            ScriptStatus {
                name: "chk_haproxy".to_owned(),
                state: "bad".to_owned(),
                last: Some("exit status 1".to_owned()),
            },
            ScriptStatus { name: "chk_dns".to_owned(), state: "unknown".to_owned(), last: None },
        ],
        vrrp_rejected: vec![("unknown_vrid".to_owned(), 9)],
        bfd: vec![session()],
        bfd_rejected: vec![("unknown_neighbour".to_owned(), 2)],
        hooks: vec![hook()],
        plane: Some(PlaneStatus {
            name: "ipvs".to_owned(),
            detail: "version 1.2.1".to_owned(),
            foreign_edits: 1,
            failed_writes: 0,
        }),
        services: vec![ServiceStatus {
            name: "[192.0.2.100]:tcp:80".to_owned(),
            scheduler: "wrr".to_owned(),
            state: "up".to_owned(),
            live_weight: 3,
            quorum: 1,
            sorry: Some("192.0.2.200:80".parse().unwrap()),
            connections: 1_204_007,
            packets: (9_999, 10_000),
            bytes: (3_456_789_012, 999_999_999),
            real_servers: vec![
                server("10.0.0.2:80", true, Some(3), "status 200"),
                server("10.0.0.3:80", false, None, "status 500 instead of 200"),
            ],
            ..ServiceStatus::default()
        }],
    }
}

fn page(status: &Status, depth: Depth) -> String {
    text::page(status, NOW, depth, Colour::Never)
}

#[test]
fn a_page_as_an_operator_sees_it() {
    let expected = "\
vipd 0.1.0 on lb1: pid 4711, up 3 h 12 m
configuration /etc/keepalived/keepalived.conf, loaded 4 m 2 s ago (Mon, 24 Nov 2025 03:41:10 GMT), 3 reloads with 1 warning
the next timed reload is in 1 h 0 m (Mon, 24 Nov 2025 04:45:12 GMT)

RELOAD REFUSED 12 s ago (Mon, 24 Nov 2025 03:45:00 GMT); what was loaded before stays in force:
    error: unknown keyword `virtual_ipadress`
     --> keepalived.conf:12:5
       |
    12 |     virtual_ipadress {
       |     ^^^^^^^^^^^^^^^^ did you mean `virtual_ipaddress`?

Processes
  NAME        PID   UP           RESTARTS  LAST RESTART
  supervisor  4711  3 h 12 m     0         -
  vrrp        4712  3 h 12 m     1         killed by signal 9
  check       -     not running  0         -

Virtual routers
  NAME  STATE   SINCE     VRID  IFACE  PRIO/BASE  MASTER                 WHY
  VI_1  MASTER  3 m 12 s  51    eth0   102/100    192.0.2.1 (this host)  no advert for 3.61 s
      no advert leaves by its own interface since 12 s: Network is down
      two masters: 192.0.2.2 with priority 50 serves, too, since 1 m 1 s (7 adverts heard)
      path eth0: silent for 12 s, though the master is heard by another (40 in, 0 out)
      path eth1: heard 0 s ago (52 in, 0 out)
      path eth2 peer 10.0.0.2: nobody heard (0 in, 9 out, 3 not sent, 1 not admitted)
      path eth3: eth3 is down (0 in, 0 out)
      tracks file X: -9, adds -18
      tracks process X: good (2 running), adds 20
      + 192.0.2.100/24 dev eth0
      - 192.0.2.101/24 dev eth0 MISSING here
      + route default via 192.0.2.254 table 100
      - rule from 192.0.2.100 priority 400 lookup 100 MISSING here
      VRRP version 2, group VG_1, adverts 12 in 192 out (5 not to all peers), 4 not sent, became master 1 time, beside a second master 1 time, 2 addresses restored, 3 routes and rules restored; the next advert is due in 412 ms
      not admitted: 3 checksum, 1 password
  VI_2  FAULT   5 s       7     eth1   150/150    -                      interface eth1 is down
      fault: interface eth1 is down
      fault: script chk_haproxy is bad
      handed over: leaves whoever serves in peace until `vipd switchover --undo VI_2`
      would be MASTER, and waits for VI_3 of its sync group, which is INIT; its witness
      + 198.51.100.7/32 dev eth1 here, though this router is not MASTER
      VRRP version 3, adverts 0 in 0 out, became master 0 times
    packets for no virtual router here: 9 unknown_vrid

Static
  + 192.0.2.201/32 dev eth0
  - route 198.51.100.0/24 via 192.0.2.253 MISSING here
  1 route or rule restored

Sync groups
  NAME  STATE   MEMBERS
  VG_1  MASTER  VI_1 VI_3

Tracked scripts
  NAME         STATE    LAST RUN
  chk_haproxy  bad      exit status 1
  chk_dns      unknown  has not run yet

BFD sessions
  NAME   STATE  SINCE  NEIGHBOUR  ITS STATE  INTERVAL  DETECTION  WHY
  core1  Down   5 s    192.0.2.2  -          1.00 s    -          192.0.2.2 was not heard for 51.003 ms
      can't send: Network is unreachable (os error 101)
      packets 12 in 14 out, came up 1 time
      not admitted: 3 ttl
    packets for no session: 2 unknown_neighbour

Notify scripts
  OF                  EVENT   BEGAN         TOOK     ENDED      SCRIPT
  vrrp_instance VI_1  FAULT   6 m 40 s ago  5 m 0 s  timed out  /etc/vrrp/notify
  vrrp_instance VI_1  MASTER  2 s ago       -        runs       /etc/vrrp/master
      waiting: BACKUP
      1 event not run: a newer one came before

Data plane
  ipvs version 1.2.1
  1 edit by somebody else undone

Virtual servers
  [192.0.2.100]:tcp:80 up wrr, live weight 3, quorum 1 (sorry server 192.0.2.200:80 waits)
    1.2 M connections, packets 9999 in 10.0 k out, bytes 3.5 G in 1.0 G out
    REAL SERVER  FWD  STATE  SINCE    WEIGHT      ACTIVE  INACTIVE  CONNS  LAST CHECK  WHY
    10.0.0.2:80  NAT  up     2 h 5 m  3           12      48.2 k    1.2 M  2 s ago     status 200
    10.0.0.3:80  NAT  down   2 h 5 m  out (of 3)  12      48.2 k    1.2 M  2 s ago     status 500 instead of 200
        HTTP_GET fails (2 s ago, took 1.31 ms): status 500 instead of 200 (2 retries left)
";
    let page = page(&status(), Depth::Brief);
    assert_eq!(page, expected, "\n{page}");
}

#[test]
fn of_what_the_director_does_not_tell_nothing_is_claimed() {
    let checks = server("", true, None, "status 200").checks;
    let unknown = |address: &str, checks| UnknownServerStatus {
        address: address.to_owned(),
        forwarding: "NAT".to_owned(),
        why: "the director role doesn't answer".to_owned(),
        configured_weight: 3,
        checks,
    };
    let service = ServiceStatus {
        name: "[192.0.2.100]:tcp:80".to_owned(),
        scheduler: "wrr".to_owned(),
        state: "unknown".to_owned(),
        quorum: 1,
        unknown_servers: vec![unknown("10.0.0.2:80", checks), unknown("10.0.0.3:80", Vec::new())],
        ..ServiceStatus::default()
    };
    let page = page(&Status { services: vec![service], ..Status::default() }, Depth::Full);
    let expected = "\
  [192.0.2.100]:tcp:80 unknown wrr, quorum 1
    REAL SERVER  FWD  STATE    WEIGHT    LAST CHECK  WHY
    10.0.0.2:80  NAT  unknown  ? (of 3)  2 s ago     the director role doesn't answer
        HTTP_GET passes (2 s ago, took 1.31 ms): status 200 (2 retries left)
    10.0.0.3:80  NAT  unknown  ? (of 3)  none        the director role doesn't answer
";
    assert!(page.ends_with(expected), "{page}");
}

#[test]
fn a_full_page_has_history_and_every_check() {
    let page = page(&status(), Depth::Full);
    assert!(page.contains("5 s ago: Up -> Down: 192.0.2.2 was not heard"), "{page}");
    assert!(page.contains("3 m 12 s ago: BACKUP -> MASTER: no advert for 3.61 s"), "{page}");
    assert!(page.contains("HTTP_GET passes (2 s ago, took 1.31 ms): status 200"), "{page}");
    assert!(render(&status()).contains("BACKUP -> MASTER"), "a dump is full");
}

#[test]
fn a_fresh_daemon_has_a_short_page() {
    let mut status = Status { version: VERSION, program: "vipd 0.1.0".to_owned(), ..Status::default() };
    status.started = NOW;
    status.config.loaded = NOW;
    let page = page(&status, Depth::Full);
    assert_eq!(page.lines().count(), 2, "{page}");
}

#[test]
fn of_a_thousand_addresses_the_odd_ones_are_listed() {
    let mut instance = master();
    instance.addresses =
        (0..1000).map(|n| address(&format!("10.9.{}.{}/32 dev eth0", n / 250, n % 250), n % 40 != 7)).collect();
    instance.rules.clear();
    let status = Status { instances: vec![instance], ..Status::default() };
    let brief = page(&status, Depth::Brief);
    assert!(brief.contains("1000 addresses, 975 here"), "{brief}");
    assert!(brief.contains("- 10.9.0.7/32 dev eth0 MISSING here"), "{brief}");
    assert_eq!(brief.matches("MISSING").count(), 16, "{brief}");
    assert!(brief.contains("and 9 more of that kind"), "{brief}");
    assert_eq!(page(&status, Depth::Full).matches("/32 dev eth0").count(), 1000);
}

#[test]
fn what_a_server_answered_does_not_reach_the_terminal_raw() {
    let mut status = status();
    let evil = "\x1b]0;owned\x07\x1b[2Jline one\nline two\u{202e}\u{9b}1m";
    status.services[0].real_servers[0].why = evil.to_owned();
    status.services[0].real_servers[1].checks[0].last = evil.to_owned();
    status.instances[0].why = evil.to_owned();
    status.instances[1].faults[0] = evil.to_owned();
    status.router_id = evil.to_owned();
    if let Some(refused) = &mut status.config.refused {
        refused.errors = evil.to_owned();
    }
    let page = page(&status, Depth::Full);
    let raw: Vec<char> = page.chars().filter(|&c| c != '\n' && (c.is_control() || c == '\u{202e}')).collect();
    assert!(raw.is_empty(), "{raw:?}");
    assert!(page.contains("line one line two"), "{page}");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let coloured = text::page(&status(), NOW, Depth::Brief, Colour::Ansi);
    assert!(coloured.contains("\x1b[32mMASTER\x1b[0m") && coloured.contains("\x1b[1;31mFAULT\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, page(&status(), Depth::Brief));
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    let mut status = status();
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 0.0] {
        status.started = odd;
        status.config.loaded = odd;
        status.instances[0].since = odd;
        status.instances[0].next = Some(NextStatus { in_secs: odd, why: "advert".to_owned() });
        status.services[0].real_servers[0].checks[0].last_run = Some(odd);
        status.services[0].real_servers[0].checks[0].took = odd;
        assert!(page(&status, Depth::Full).contains("VI_1"));
    }
}

#[test]
fn times_and_counts() {
    let spans = [0.0, 59.9, 60.0, 3_599.0, 3_600.0, 86_399.0, 86_400.0, 1e7, -5.0].map(span);
    assert_eq!(spans, ["0 s", "59 s", "1 m 0 s", "59 m 59 s", "1 h 0 m", "23 h 59 m", "1 d 0 h", "115 d 17 h", "0 s"]);
    assert_eq!(
        [0.0, 0.000_25, 0.009_99, 0.5, 1.5, 59.994, 60.0].map(fine),
        ["0.00 ms", "0.25 ms", "9.99 ms", "500 ms", "1.50 s", "59.99 s", "1 m 0 s"]
    );
    let counts = [0, 9_999, 10_000, 999_949, 999_950, 1_000_000, u64::MAX].map(large);
    assert_eq!(counts, ["0", "9999", "10.0 k", "999.9 k", "1.0 M", "1.0 M", "18.4 E"]);
}

// Asking

/// What `ask` makes of a daemon that reads a request and then writes `answer`.
fn asked(answer: &'static [u8]) -> Result<Status, Silence> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut request = String::new();
        stream.read_line(&mut request).unwrap();
        stream.get_mut().write_all(answer).unwrap();
        request
    });
    let reply = ask(&path, &Request::Status, Duration::from_secs(10));
    assert_eq!(daemon.join().unwrap(), "{\"ask\":\"status\"}\n");
    reply.map(|reply| match reply {
        Reply::Status(status) => *status,
        other => panic!("{other:?}"),
    })
}

#[test]
fn what_it_is_made_of_is_told_as_it_is() {
    let Status { instances, groups, scripts, statics, bfd, plane, services, .. } = status();
    let (checks, bfd_rejected) =
        (services.iter().flat_map(|s| &s.real_servers).flat_map(|r| r.checks.clone()), Vec::new());
    let (id, address) = (VirtualServerId("one".to_owned()), ([192, 0, 2, 1], 80).into());
    let parts = [
        StatusPart::Check(vec![(id, address, checks.collect())]),
        StatusPart::Vrrp { instances, groups, scripts, rejected: Vec::new(), statics, bfd, bfd_rejected },
        StatusPart::Director { plane: plane.unwrap(), services },
    ];
    for part in parts {
        let mut decoder = Decoder::default();
        decoder.feed(&channel::encode(&part).unwrap());
        let same: StatusPart = decoder.next().unwrap().unwrap();
        assert_eq!(format!("{same:?}"), format!("{part:?}"));
    }
}

#[test]
fn an_answer_is_read() {
    let reply = Reply::Status(Box::new(status()));
    let mut bytes = serde_json::to_vec(&reply).unwrap();
    bytes.push(b'\n');
    assert_eq!(asked(bytes.leak()).unwrap(), status());
}

#[test]
fn what_a_newer_daemon_adds_is_no_error() {
    let mut value = serde_json::to_value(Reply::Status(Box::new(status()))).unwrap();
    value["weather"] = "fine".into();
    value["instances"][0]["mood"] = 7.into();
    value["version"] = (VERSION + 1).into();
    let answer = (value.to_string() + "\n").into_bytes();
    let status = asked(answer.leak()).unwrap();
    assert!(page(&status, Depth::Brief).contains("newer than this program"));
}

#[test]
fn answers_that_are_none() {
    let told = |answer| asked(answer).unwrap_err().to_string();
    assert!(
        told(b"{\"reply\":\"error\",\"message\":\"too \\u001bmany\"}\n").ends_with("the daemon says: too \u{fffd}many")
    );
    assert!(told(b"HTTP/1.1 400 Bad Request\n").contains("another version"));
    assert!(told(b"{\"reply\":\"status\"").contains("broke off"));
    assert!(told(b"").contains("broke off"));
}

#[test]
fn a_hanging_daemon_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let told = ask(&path, &Request::Status, Duration::from_millis(50)).unwrap_err().to_string();
    assert!(told.contains("it may hang"), "{told}");
}

#[test]
fn no_daemon_no_status() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let told = ask(&path, &Request::Status, PATIENCE).unwrap_err().to_string();
    assert!(told.contains(path.to_str().unwrap()) && told.contains("is vipd running"), "{told}");
    drop(UnixListener::bind(&path).unwrap());
    let told = ask(&path, &Request::Status, PATIENCE).unwrap_err().to_string();
    assert!(told.contains("nobody answers"), "{told}");
    assert_eq!(format!("{:?}", run(&path, true)), format!("{:?}", ExitCode::FAILURE));
}
