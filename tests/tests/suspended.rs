//! `ha_suspend`: checks rest while the address of their virtual server is elsewhere, and run at once when it comes.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_api::{CheckStatus, RealServerStatus};
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;
use vipd_tests::web::{Site, serve};

const LONG: Duration = Duration::from_secs(20);
const ALONE: &str = "[10.77.0.100]:tcp:80";
const GROUP: &str = "[pair]:0";

/// Twice the same server, one check of its own each. `delay_loop` in seconds.
fn conf(delay_loop: u16, suspend: &str) -> String {
    let service = |target: &str, check: &str| {
        format!(
            "virtual_server {target} {{\n delay_loop {delay_loop}\n protocol TCP\n {suspend}\n real_server 10.77.0.11 80 {{\n  \
             {check} {{\n   retry 0\n   {}\n  }}\n }}\n}}\n",
            if check == "TCP_CHECK" { "" } else { "url {\n path /\n }" }
        )
    };
    let group = "virtual_server_group pair {\n 10.77.0.101 80\n 10.77.0.102 80\n}\n";
    group.to_owned() + &service("10.77.0.100 80", "TCP_CHECK") + &service("group pair", "HTTP_GET")
}

fn server(director: &Director, name: &str) -> Option<(RealServerStatus, CheckStatus)> {
    let service = director.status()?.services.into_iter().find(|service| service.name == name)?;
    let real = service.real_servers.into_iter().next()?;
    let check = real.checks.first()?.clone();
    Some((real, check))
}

#[track_caller]
fn becomes(director: &Director, name: &str, what: &str, holds: impl Fn(&RealServerStatus, &CheckStatus) -> bool) {
    let mut last = String::new();
    wait_for(&format!("{name} {what}"), LONG, || {
        server(director, name).is_some_and(|(real, check)| {
            let said = format!("{name} alive {}: {check:?}", real.alive);
            if said != last {
                println!("  {said}");
                last = said;
            }
            holds(&real, &check)
        })
    });
}

#[track_caller]
fn rests(director: &Director, name: &str, alive: bool, why: &str) {
    becomes(director, name, "rests", |real, check| {
        real.alive == alive && check.suspended.as_ref().is_some_and(|said| said.contains(why))
    });
}

#[track_caller]
fn runs(director: &Director, name: &str, alive: bool) {
    let before = server(director, name).unwrap().1.last_run;
    becomes(director, name, "runs", |real, check| {
        real.alive == alive && check.suspended.is_none() && check.last_run.is_some() && check.last_run != before
    });
}

/// Nothing runs for three times what lies between two runs.
#[track_caller]
fn stays(director: &Director, name: &str) {
    let before = server(director, name).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let (real, check) = server(director, name).unwrap();
    assert_eq!((real.alive, check.last_run), (before.0.alive, before.1.last_run));
    assert!(check.suspended.is_some(), "{check:?}");
}

#[track_caller]
fn reload(host: &Host, conf: &str) {
    host.write("director.conf", conf);
    run(host.command(vipd()).args(["reload", "--socket"]).arg(host.path("socket")));
}

fn address(host: &Host, verb: &str, number: u8) {
    host.ip(&format!("addr {verb} 10.77.0.{number}/32 dev eth0"));
}

#[test]
fn checks_rest_while_the_address_is_elsewhere() {
    let mut lab = Lab::new();
    let (host, web) = (lab.host(1), lab.host(11));
    let site = Site::saying("web", &["80"]);
    let up = serve(&web, "web", &site);

    // Long between runs: what runs soon does so because the address came.
    let director = Director::start(Kind::Vipd, &host, &conf(600, "ha_suspend"));
    rests(&director, ALONE, true, "10.77.0.100 is not on this host");
    rests(&director, GROUP, true, "neither 10.77.0.101 nor the group's other address");
    for name in [ALONE, GROUP] {
        assert_eq!(server(&director, name).unwrap().1.last_run, None);
    }
    address(&host, "add", 100);
    becomes(&director, ALONE, "runs", |real, check| real.alive && check.last_run.is_some());
    rests(&director, GROUP, true, "neither 10.77.0.101");
    address(&host, "add", 102);
    becomes(&director, GROUP, "runs", |real, check| real.alive && check.last_run.is_some());

    // What was found stands while the address is away, whatever becomes of the server; a reload changes nothing of that.
    reload(&host, &conf(1, "ha_suspend"));
    runs(&director, ALONE, true);
    runs(&director, GROUP, true);
    address(&host, "del", 100);
    address(&host, "del", 102);
    rests(&director, ALONE, true, "10.77.0.100");
    rests(&director, GROUP, true, "10.77.0.101");
    drop(up);
    stays(&director, ALONE);
    stays(&director, GROUP);
    reload(&host, &conf(2, "ha_suspend"));
    rests(&director, ALONE, true, "10.77.0.100");
    reload(&host, &conf(1, "ha_suspend"));
    stays(&director, GROUP);
    address(&host, "add", 100);
    runs(&director, ALONE, false);
    address(&host, "add", 101);
    runs(&director, GROUP, false);
    address(&host, "del", 100);
    rests(&director, ALONE, false, "10.77.0.100");
    let _up = serve(&web, "web", &site);
    runs(&director, GROUP, true);
    stays(&director, ALONE);

    // The same address on two interfaces is there until the last has lost it.
    host.ip("link add idle type bridge");
    host.ip("addr add 10.77.0.101/24 dev idle");
    address(&host, "del", 101);
    runs(&director, GROUP, true);
    host.ip("link del idle");
    rests(&director, GROUP, true, "10.77.0.101");
    reload(&host, &conf(1, ""));
    runs(&director, ALONE, true);
    runs(&director, GROUP, true);
}
