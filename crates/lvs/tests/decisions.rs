//! Quorum, table, plan and health against small tables and small models.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use vipd_lvs::health::{Health, Outcome, Standing, State, Turn, judge, matches};
use vipd_lvs::plan::{Edit, clear, plan};
use vipd_lvs::quorum::Quorum;
use vipd_lvs::settings::*;
use vipd_lvs::slow_start::{Intake, Share};
use vipd_lvs::table as decided;
use vipd_lvs::table::{Alive, Table, Whole};

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 80))
}

fn server(n: u8, weight: u32) -> RealServer {
    RealServer {
        address: address(n),
        forwarding: Forwarding::Nat,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        slow_start: Duration::ZERO,
        checkers: vec![],
        duty: Duty::Serving,
    }
}

fn key(port: u16) -> ServiceKey {
    ServiceKey::Address { protocol: Protocol::Tcp, address: [192, 0, 2, 1].into(), port }
}

fn service(servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        id: VirtualServerId("[192.0.2.1]:tcp:80".into()),
        keys: vec![key(80)],
        protocol: Protocol::Tcp,
        scheduler: Scheduler::Wlc,
        flags: 0,
        persistence: None,
        quorum: 1,
        hysteresis: 0,
        alpha: false,
        omega: false,
        ha_suspend: false,
        sorry: None,
        real_servers: servers,
    }
}

fn health(alive: &[(u8, bool)]) -> BTreeMap<SocketAddr, Alive> {
    alive.iter().map(|(n, alive)| (address(*n), Alive { alive: *alive, weight: None, share: Share::WHOLE })).collect()
}

fn live_weight(settings: &VirtualServer, health: &BTreeMap<SocketAddr, Alive>) -> u64 {
    decided::live_weight(settings, &|real| health.get(&real.address).copied())
}

fn services(settings: &VirtualServer, health: &BTreeMap<SocketAddr, Alive>, whole: impl Into<Whole>) -> Table {
    decided::services(settings, &|real| health.get(&real.address).copied(), whole.into())
}

#[test]
fn quorum_is_gained_above_and_lost_below_with_a_band_between() {
    let settings = VirtualServer { quorum: 5, hysteresis: 2, ..service(vec![]) };
    for live in 0..12 {
        let up = if live < 3 { Quorum::Down } else { Quorum::Up };
        let down = if live >= 7 { Quorum::Up } else { Quorum::Down };
        assert_eq!(Quorum::Up.next(&settings, live), up, "up with {live}");
        assert_eq!(Quorum::Down.next(&settings, live), down, "down with {live}");
    }
    // Nothing alive is never a quorum, whatever the hysteresis.
    let lax = VirtualServer { quorum: 1, hysteresis: 0, ..service(vec![]) };
    assert_eq!(Quorum::Up.next(&lax, 0), Quorum::Down);
}

#[test]
fn the_dead_leave_the_inhibited_stay_with_weight_0_and_the_last_brings_the_sorry_server() {
    let mut settings = service(vec![server(1, 1), server(2, 2)]);
    settings.real_servers[1].inhibit_on_failure = true;
    let weights = |h: &[(u8, bool)], quorum, settings: &VirtualServer| -> Vec<(u8, u32)> {
        let table = services(settings, &health(h), quorum);
        let last = |a: &SocketAddr| match a.ip() {
            std::net::IpAddr::V4(v4) => v4.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        table[&key(80)].servers.iter().map(|(a, s)| (last(a), s.weight)).collect()
    };
    assert_eq!(weights(&[(1, true), (2, true)], Quorum::Up, &settings), [(1, 1), (2, 2)]);
    assert_eq!(weights(&[(1, true), (2, false)], Quorum::Up, &settings), [(1, 1), (2, 0)]);
    assert_eq!(weights(&[(1, false), (2, true)], Quorum::Up, &settings), [(2, 2)]);
    assert_eq!(weights(&[(1, true)], Quorum::Up, &settings), [(1, 1), (2, 0)], "what is unknown is dead");
    settings.sorry = Some(SorryServer { address: address(99), forwarding: Forwarding::Nat, inhibit: false });
    assert_eq!(weights(&[(1, false), (2, false)], Quorum::Down, &settings), [(2, 0), (99, 1)]);
    assert_eq!(weights(&[(1, true), (2, true)], Quorum::Down, &settings), [(2, 0), (99, 1)], "below the quorum");
    assert_eq!(weights(&[(1, true), (2, true)], Quorum::Up, &settings), [(1, 1), (2, 2)]);
    settings.sorry.as_mut().unwrap().inhibit = true;
    assert_eq!(weights(&[(1, true), (2, true)], Quorum::Up, &settings), [(1, 1), (2, 2), (99, 0)]);
}

#[test]
fn a_server_drains_beside_a_sorry_server_and_one_that_is_down_has_no_place() {
    let mut settings = service(vec![server(1, 1), server(2, 1)]);
    settings.sorry = Some(SorryServer { address: address(99), forwarding: Forwarding::Nat, inhibit: false });
    let all = health(&[(1, true), (2, true)]);
    let weights = |settings: &VirtualServer, health: &BTreeMap<SocketAddr, Alive>, quorum| -> Vec<(u16, u32)> {
        let table = services(settings, health, quorum);
        table[&key(80)]
            .servers
            .iter()
            .map(|(a, s)| (a.to_string().split(['.', ':']).nth(3).unwrap().parse().unwrap(), s.weight))
            .collect()
    };
    settings.real_servers[0].duty = Duty::Draining;
    assert_eq!((live_weight(&settings, &all), weights(&settings, &all, Quorum::Up)), (1, vec![(1, 0), (2, 1)]));
    // What it has goes on, whoever else serves; but not if it is dead.
    assert_eq!(weights(&settings, &all, Quorum::Down), [(1, 0), (99, 1)]);
    assert_eq!(weights(&settings, &health(&[(1, false), (2, true)]), Quorum::Up), [(2, 1)]);
    settings.real_servers[0].duty = Duty::Down;
    settings.real_servers[0].inhibit_on_failure = true;
    assert_eq!((live_weight(&settings, &all), weights(&settings, &all, Quorum::Up)), (1, vec![(2, 1)]));
    settings.real_servers[1].duty = Duty::Draining;
    assert_eq!(live_weight(&settings, &all), 0);
}

#[test]
fn a_server_like_another_is_asked_where_it_is_and_proves_itself_first() {
    let checker = |target: &str| Checker {
        probe: Probe::Tcp,
        target: target.parse().unwrap(),
        bind: None,
        bind_device: None,
        fwmark: 0,
        reset_close: false,
        timeout: Duration::from_secs(1),
        delay_loop: Duration::from_secs(1),
        retry: 1,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::ZERO,
        alpha: false,
        log_all_failures: false,
    };
    let checkers = ["10.0.0.1:80", "10.0.0.1:8080", "10.9.9.9:80"].map(checker).to_vec();
    let one = RealServer { checkers, duty: Duty::Down, ..server(1, 7) };
    let other = one.like("10.0.0.5:8000".parse().unwrap());
    let targets: Vec<String> = other.checkers.iter().map(|c| c.target.to_string()).collect();
    assert_eq!(targets, ["10.0.0.5:8000", "10.0.0.5:8080", "10.9.9.9:80"]);
    assert!(other.checkers.iter().all(|c| c.alpha));
    assert_eq!((other.address.port(), other.weight, other.duty), (8000, 7, Duty::Serving));
}

#[test]
fn in_a_group_of_ports_direct_routing_keeps_each_services_port() {
    let mut settings = service(vec![server(1, 1), server(2, 1)]);
    settings.keys = vec![key(80), key(8080)];
    settings.real_servers[1].forwarding = Forwarding::Dr;
    let table = services(&settings, &health(&[(1, true), (2, true)]), Quorum::Up);
    let ports = |k: u16| -> Vec<u16> { table[&key(k)].servers.keys().map(SocketAddr::port).collect() };
    assert_eq!((ports(80), ports(8080)), (vec![80, 80], vec![80, 8080]));
}

#[test]
fn servers_that_share_a_place_do_not_stand_apart() {
    let mut settings = service(vec![server(1, 1), server(2, 1), server(2, 1)]);
    settings.real_servers[2].address.set_port(81);
    assert!(decided::stand_apart(&settings), "NAT tells the ports");
    settings.real_servers[0].forwarding = Forwarding::Dr;
    assert!(!decided::stand_apart(&settings), "direct routing leaves them to the service");
    settings.real_servers.truncate(2);
    assert!(decided::stand_apart(&settings));
    settings.sorry = Some(SorryServer { address: address(2), forwarding: Forwarding::Nat, inhibit: false });
    assert!(!decided::stand_apart(&settings));
}

#[test]
fn weights_asked_for_by_a_check_count_and_are_bounded() {
    let settings = service(vec![server(1, 10), server(2, u32::MAX)]);
    let mut known = health(&[(1, true), (2, true)]);
    known.get_mut(&address(1)).unwrap().weight = Some(3);
    assert_eq!(live_weight(&settings, &known), 3 + 0x7fff_ffff);
}

/// What the kernel would hold after some edits; panics on an edit the kernel would refuse.
fn apply(table: &mut Table, edit: &Edit) {
    match edit.clone() {
        Edit::AddService(key, mut service) => {
            service.servers.clear();
            assert!(table.insert(key, service).is_none(), "service exists");
        }
        Edit::SetService(key, service) => {
            let servers = std::mem::take(&mut table.get_mut(&key).expect("no service").servers);
            table.insert(key, vipd_lvs::table::Service { servers, ..service });
        }
        Edit::RemoveService(key) => drop(table.remove(&key).expect("no service")),
        Edit::AddServer(key, address, server) => {
            let servers = &mut table.get_mut(&key).expect("no service").servers;
            assert!(servers.insert(address, server).is_none(), "server exists");
        }
        Edit::SetServer(key, address, server) => {
            let servers = &mut table.get_mut(&key).expect("no service").servers;
            assert!(servers.insert(address, server).is_some(), "no server");
        }
        Edit::RemoveServer(key, address, _) => {
            table.get_mut(&key).expect("no service").servers.remove(&address).expect("no server");
        }
    }
}

fn usable(table: &Table, key: &ServiceKey) -> bool {
    table.get(key).is_some_and(|s| s.servers.values().any(|s| s.weight > 0))
}

fn tables() -> impl Strategy<Value = Table> {
    let servers = proptest::collection::btree_map(1u8..6, (0u32..4, 0u8..2), 0..5);
    let service = (0u8..3, servers);
    proptest::collection::btree_map(80u16..84, service, 0..4).prop_map(|map| {
        let all: Vec<(u8, bool)> = (1..6).map(|n| (n, true)).collect();
        let mut desired = Table::new();
        for (port, (scheduler, servers)) in map {
            let mut settings = service_with(Scheduler::ALL[usize::from(scheduler)].0);
            for (n, (weight, nat)) in servers {
                let forwarding = if nat == 0 { Forwarding::Nat } else { Forwarding::Dr };
                settings.real_servers.push(RealServer { forwarding, ..server(n, weight) });
            }
            desired.extend(services(&settings, &health(&all), Quorum::Up).into_values().map(|s| (key(port), s)));
        }
        desired
    })
}

/// A virtual server on two ports whose real servers may share places, what was found of them before, and since.
fn changes() -> impl Strategy<Value = (VirtualServer, [Found; 2])> {
    let real = (1u8..8, 80u16..83, 0u32..3, 0u8..2, any::<bool>(), 0u8..4);
    let real = proptest::collection::vec(real, 1..7);
    let found = || proptest::collection::vec((any::<bool>(), proptest::option::of(0u32..5), 0u64..60), 7);
    (real, proptest::option::of((1u8..8, any::<bool>())), found(), found()).prop_map(|(real, sorry, before, after)| {
        let mut settings = service(vec![]);
        settings.keys = vec![key(80), key(81)];
        for (n, port, weight, nat, inhibit_on_failure, duty) in real {
            let address = SocketAddr::new(address(n).ip(), port);
            if settings.real_servers.iter().any(|real| real.address == address) {
                continue;
            }
            let forwarding = if nat == 0 { Forwarding::Nat } else { Forwarding::Dr };
            let duty = [Duty::Serving, Duty::Serving, Duty::Draining, Duty::Down][usize::from(duty)];
            settings.real_servers.push(RealServer {
                address,
                forwarding,
                inhibit_on_failure,
                duty,
                ..server(n, weight)
            });
        }
        let forwarding = Forwarding::Nat;
        settings.sorry = sorry.map(|(n, inhibit)| SorryServer { address: address(n), forwarding, inhibit });
        let found = |found: Vec<(bool, Option<u32>, u64)>| {
            let each = settings.real_servers.iter().zip(found);
            let alive = |(alive, weight, passed)| Alive { alive, weight, share: grown(passed) };
            each.map(|(real, found)| (real.address, alive(found))).collect()
        };
        let found = [before, after].map(found);
        (settings, found)
    })
}

/// The share of one that came back so many seconds ago, and grows for 40.
fn grown(passed: u64) -> Share {
    let time = Duration::from_secs(40);
    Intake::Shut.turn(Duration::ZERO, 1, time).turn(Duration::from_secs(passed), 1, time).share(time)
}

type Found = BTreeMap<SocketAddr, Alive>;

fn service_with(scheduler: Scheduler) -> VirtualServer {
    VirtualServer { scheduler, ..service(vec![]) }
}

proptest! {
    #[test]
    fn a_plan_gives_the_desired_table_and_never_empties_a_service(present in tables(), desired in tables()) {
        let mut table = present.clone();
        for edit in plan(&present, &desired) {
            apply(&mut table, &edit);
            for key in desired.keys() {
                if usable(&present, key) && usable(&desired, key) {
                    prop_assert!(usable(&table, key), "{key} is without a server after {edit:?}");
                }
            }
        }
        prop_assert_eq!(&table, &desired);
        prop_assert_eq!(plan(&table, &desired), vec![]);
        for edit in clear(&desired) {
            apply(&mut table, &edit);
        }
        prop_assert!(table.is_empty());
    }

    #[test]
    fn what_is_written_of_some_servers_alone_is_what_the_whole_would_be((settings, [before, after]) in changes()) {
        let wholes = [(Quorum::Up, 1), (Quorum::Up, 20), (Quorum::Down, 20)].map(|(quorum, scale)| Whole { quorum, scale });
        for quorum in wholes {
            let (mut held, whole) = (services(&settings, &before, quorum), services(&settings, &after, quorum));
            let changed = settings.real_servers.iter().filter(|real| before[&real.address] != after[&real.address]);
            let changed: Vec<_> = changed.map(|real| (real, after.get(&real.address).copied())).collect();
            let live: u64 = settings.real_servers.iter().map(|real| {
                decided::weight_of(real, after.get(&real.address).copied())
            }).sum();
            prop_assert_eq!(live, live_weight(&settings, &after));
            if !decided::stand_apart(&settings) {
                continue;
            }
            let (desired, present) = decided::part(&settings, &changed, quorum, &held);
            let mut kernel = held.clone();
            plan(&present, &desired).iter().for_each(|edit| apply(&mut kernel, edit));
            prop_assert_eq!(&kernel, &whole);
            decided::replace(&mut held, &present, desired);
            prop_assert_eq!(&held, &whole);
        }
    }

    #[test]
    fn health_is_down_after_retry_plus_one_failures_in_a_row_and_up_after_one_success(
        retry in 0u32..4, alpha: bool, results in proptest::collection::vec(any::<bool>(), 1..40)
    ) {
        let settings = Checker { alpha, retry, ..checker() };
        let mut health = Health::new(Duration::ZERO, settings.clone(), 0);
        prop_assert_eq!(health.up(), !alpha);
        let (mut failures, mut up, mut first) = (0, !alpha, true);
        let mut now = Duration::ZERO;
        for result in results {
            now = health.wake();
            let outcome = if result { pass() } else { Outcome::Fail { why: "refused".into() } };
            let turn = health.handle(now, now, outcome);
            let was = up;
            if result {
                (failures, up) = (0, true);
            } else {
                failures += 1;
                // The first result decides at once; later ones have their retries, counted from the last success.
                if failures > retry || first { up = false; failures = retry + 1; }
            }
            prop_assert_eq!(health.up(), up);
            prop_assert_eq!(turn == Turn::Changed, was != up || first);
            // Here every run ends when it starts; where that matters is tested below.
            let wait = if result || !up { settings.delay_loop } else { settings.delay_before_retry };
            prop_assert_eq!(health.wake(), now + wait);
            first = false;
        }
        let _ = now;
    }
}

fn pass() -> Outcome {
    Outcome::Pass { detail: "connected".into(), weight: None }
}

fn checker() -> Checker {
    Checker {
        probe: Probe::Tcp,
        target: address(1),
        bind: None,
        bind_device: None,
        fwmark: 0,
        reset_close: false,
        timeout: Duration::from_secs(1),
        delay_loop: Duration::from_secs(10),
        retry: 1,
        delay_before_retry: Duration::from_secs(2),
        warmup: Duration::from_secs(60),
        alpha: false,
        log_all_failures: false,
    }
}

#[test]
fn the_first_run_falls_within_the_warm_up_and_a_slow_run_does_not_stretch_the_interval() {
    let warm = Checker { warmup: Duration::from_secs(60), ..checker() };
    let first = |spread| Health::new(Duration::from_secs(100), warm.clone(), spread).wake();
    assert_eq!([first(0), first(500), first(9999)].map(|at| at.as_secs()), [100, 130, 160]);
    let mut health = Health::new(Duration::ZERO, checker(), 0);
    health.handle(Duration::ZERO, Duration::from_secs(3), pass());
    assert_eq!(health.wake(), Duration::from_secs(10));
    health.handle(Duration::from_secs(10), Duration::from_secs(25), pass());
    assert_eq!(health.wake(), Duration::from_secs(25), "never in the past");
}

#[test]
fn a_resumed_check_keeps_what_it_knew_and_is_not_late() {
    let mut health = Health::new(Duration::ZERO, checker(), 0);
    health.handle(Duration::ZERO, Duration::ZERO, pass());
    let resumed = |now| Health::resume(checker(), health.known().clone(), Duration::from_secs(now));
    assert_eq!(resumed(7).wake(), Duration::from_secs(10));
    assert_eq!(resumed(12).wake(), Duration::from_secs(12), "due meanwhile");
    assert_eq!(resumed(20).wake(), Duration::from_secs(20), "due meanwhile");
    // Many checks of a predecessor that lived long don't run all at once.
    assert_eq!(resumed(507).wake(), Duration::from_secs(510));
    assert_eq!(resumed(507).state(), State::Up { retries: 1 });
}

#[test]
fn a_server_is_alive_when_every_check_passes() {
    let mut checks = vec![Health::new(Duration::ZERO, checker(), 0), Health::new(Duration::ZERO, checker(), 0)];
    assert_eq!(judge(1, []), (true, None, "no checks".into()));
    checks[0].handle(Duration::ZERO, Duration::ZERO, Outcome::Pass { detail: "ok".into(), weight: Some(7) });
    assert_eq!(judge(1, &checks), (true, Some(7), "not checked yet".into()));
    checks[1].handle(Duration::ZERO, Duration::ZERO, Outcome::Fail { why: "refused".into() });
    assert_eq!(judge(1, &checks), (false, Some(7), "refused".into()));
}

#[test]
fn checks_that_ask_for_weights_add_their_differences() {
    let ask = |weight| {
        let mut health = Health::new(Duration::ZERO, checker(), 0);
        health.handle(Duration::ZERO, Duration::ZERO, Outcome::Pass { detail: "ok".into(), weight });
        health
    };
    let weight = |checks: &[Health]| judge(10, checks).1;
    assert_eq!(weight(&[ask(None), ask(None)]), None);
    assert_eq!(weight(&[ask(Some(7)), ask(None)]), Some(7));
    assert_eq!(weight(&[ask(Some(7)), ask(Some(12))]), Some(9));
    assert_eq!(weight(&[ask(Some(2)), ask(Some(1))]), Some(0), "never below 0");
    assert_eq!(
        weight(&[ask(Some(40_000)), ask(Some(40_000))]),
        Some(79_990),
        "ipvsadm stops at 65535, the kernel does not"
    );
    let most = i64::from(i32::MAX);
    assert_eq!(weight(&[ask(Some(most)), ask(Some(most))]), Some(0x7fff_ffff));
}

fn fail() -> Outcome {
    Outcome::Fail { why: "timed out".into() }
}

fn misc(program: &str) -> Checker {
    let probe =
        MiscProbe { argv: vec![program.into()], timeout: seconds(1), dynamic: false, uid: 0, gid: 0, groups: vec![] };
    Checker { probe: Probe::Misc(probe.into()), ..checker() }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_retry_waits_from_the_end_of_a_network_probe_and_from_the_start_of_a_program() {
    for (settings, wake) in [(checker(), 16), (misc("/bin/check"), 15)] {
        let mut health = Health::new(Duration::ZERO, settings, 0);
        health.handle(Duration::ZERO, Duration::ZERO, pass());
        health.handle(seconds(13), seconds(14), fail());
        assert_eq!((health.state(), health.wake()), (State::Up { retries: 0 }, seconds(wake)));
    }
    // A time-out longer than the pause: the pause is kept all the same. A program is due at once.
    for (settings, wake) in [(checker(), 20), (misc("/bin/check"), 18)] {
        let mut health = Health::new(Duration::ZERO, settings, 0);
        health.handle(Duration::ZERO, Duration::ZERO, pass());
        health.handle(seconds(13), seconds(18), fail());
        assert_eq!(health.wake(), seconds(wake));
    }
}

#[test]
fn new_settings_leave_what_is_known_of_a_check() {
    let mut health = Health::new(Duration::ZERO, Checker { retry: 5, ..checker() }, 0);
    let patient = Checker { retry: 3, delay_loop: seconds(4), alpha: true, ..checker() };
    // It has not run: alpha comes too late.
    assert_eq!(health.clone().reconfigure(patient.clone(), Duration::ZERO).state(), State::Up { retries: 0 });
    health.handle(Duration::ZERO, Duration::ZERO, Outcome::Pass { detail: "ok".into(), weight: Some(7) });
    let now = health.clone().reconfigure(patient.clone(), seconds(1));
    assert_eq!(now.state(), State::Up { retries: 3 }, "no more than the new retry");
    assert_eq!((now.why(), now.weight(), now.has_run()), ("ok", Some(7), true));
    assert_eq!(now.wake(), seconds(5), "no later than the new interval");
    let lax = Checker { retry: 9, ..checker() };
    assert_eq!(health.reconfigure(lax, seconds(1)).state(), State::Up { retries: 5 });

    let mut dead = Health::new(Duration::ZERO, checker(), 0);
    dead.handle(Duration::ZERO, Duration::ZERO, fail());
    let mut dead = dead.reconfigure(Checker { delay_loop: seconds(90), ..checker() }, seconds(1));
    assert_eq!((dead.state(), dead.why(), dead.wake()), (State::Down, "timed out", seconds(10)));
    assert_eq!(dead.handle(seconds(10), seconds(10), fail()), Turn::Same);
    assert_eq!(dead.wake(), seconds(100));
}

#[test]
fn a_new_check_of_a_known_server_starts_from_what_the_server_is() {
    let alpha = Health::new(Duration::ZERO, Checker { alpha: true, ..checker() }, 0);
    assert_eq!(alpha.clone().joining(Standing::Alive).state(), State::Up { retries: 0 });
    let plain = Health::new(Duration::ZERO, checker(), 0);
    let mut plain = plain.joining(Standing::Dead);
    assert_eq!((plain.state(), plain.has_run()), (State::Down, false));
    assert_eq!(plain.handle(Duration::ZERO, Duration::ZERO, pass()), Turn::Changed);
    assert!(plain.up());
}

#[test]
fn after_a_reload_each_check_finds_itself() {
    let tcp = checker();
    let slow = Checker { delay_loop: seconds(60), ..checker() };
    let elsewhere = Checker { target: address(9), ..checker() };
    let http = |path: &str| {
        let url = UrlProbe {
            path: path.into(),
            host: None,
            digest: None,
            status: vec![],
            pattern: None,
            close_notify: false,
        };
        let probe = HttpProbe { tls: None, version: HttpVersion::V10, urls: vec![url] };
        Checker { probe: Probe::Http(probe.into()), ..checker() }
    };
    let tls = {
        let mut tls = http("/");
        if let Probe::Http(http) = &mut tls.probe {
            Arc::make_mut(http).tls = Some(TlsProbe::default());
        }
        tls
    };
    let of = |before: &[&Checker], after: &[&Checker]| {
        matches(before, &after.iter().map(|c| (*c).clone()).collect::<Vec<_>>())
    };
    assert_eq!(of(&[&tcp, &http("/")], &[&http("/"), &tcp]), [Some(1), Some(0)], "another order");
    assert_eq!(of(&[&tcp], &[&slow]), [Some(0)], "another pace");
    assert_eq!(of(&[&tcp, &slow], &[&slow]), [Some(1)], "the same one before another pace");
    assert_eq!(of(&[&http("/")], &[&http("/a")]), [Some(0)], "another page");
    assert_eq!(of(&[&tcp], &[&elsewhere]), [Some(0)], "the same place");
    assert_eq!(of(&[&tcp], &[&http("/"), &elsewhere]), [None, None], "another place and target");
    assert_eq!(of(&[&http("/")], &[&tls]), [None], "another kind");
    assert_eq!(of(&[], &[&tcp]), [None]);
    let (one, two) = (misc("/one"), misc("/two"));
    let slow_two = Checker { delay_loop: seconds(60), ..misc("/two") };
    assert_eq!(of(&[&one, &two], &[&slow_two]), [Some(1)], "the same program");
    assert_eq!(of(&[&tcp, &tcp], &[&slow, &slow, &slow]), [Some(0), Some(1), None], "each once");
}

#[test]
fn a_mark_has_a_name_for_each_family_and_the_originals_for_scripts() {
    let id = |family| VirtualServerId(ServiceKey::Fwmark { mark: 3, family }.to_string());
    assert_eq!((id(Family::Inet).0.as_str(), id(Family::Inet6).0.as_str()), ("FWM 3", "FWM 3 IPv6"));
    assert_eq!((id(Family::Inet).original(), id(Family::Inet6).original()), ("FWM 3", "FWM 3"));
    let group = VirtualServerId("[FWM IPv6]:0".into());
    assert_eq!(group.original(), group.0);
}
