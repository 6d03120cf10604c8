//! The virtual machine, and the hosts that the tests lay out in it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vipd_api::{RealServerStatus, ServiceStatus};
use vipd_tests::director::Director;
use vipd_tests::lab::{Host, run};
pub(crate) use vipd_tests::need_vm as needed;
use vipd_tests::wait_for;

/// Long enough for anything on one emulated processor.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A file of the repository's samples.
pub(crate) fn sample(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).join(name)
}

/// What `ipvsadm` says in a host's namespace.
#[track_caller]
pub(crate) fn ipvsadm(host: &Host, arguments: &str) -> String {
    run(host.command("ipvsadm").args(arguments.split_whitespace()))
}

/// The rules of the IPVS table, as `ipvsadm -Sn` prints them, in the order of `ordered`.
#[track_caller]
pub(crate) fn rules(host: &Host) -> Vec<String> {
    ordered(ipvsadm(host, "-Sn").lines().map(|l| l.trim_end().to_owned()))
}

/// Rules in an order of their own: the kernel's is that of its hash, which differs from one boot to the next.
pub(crate) fn ordered(rules: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut services: Vec<(String, Vec<String>)> = Vec::new();
    for rule in rules {
        match services.last_mut() {
            Some((_, servers)) if rule.starts_with("-a ") => servers.push(rule),
            _ => services.push((rule, Vec::new())),
        }
    }
    services.iter_mut().for_each(|(_, servers)| servers.sort());
    services.sort();
    services.into_iter().flat_map(|(service, servers)| std::iter::once(service).chain(servers)).collect()
}

/// Waits until the table is as expected; else what is there instead.
pub(crate) fn settle(host: &Host, director: &Director, expected: &[String]) -> Result<(), String> {
    let deadline = Instant::now() + LONG;
    let expected = ordered(expected.iter().cloned());
    loop {
        let seen = rules(host);
        if seen == expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            let (expected, seen, log) = (expected.join("\n  "), seen.join("\n  "), tail(&director.log()));
            let kind = director.kind;
            return Err(format!("{kind:?} does not make the table\n  {expected}\nbut\n  {seen}\nand says\n{log}"));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// The end of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// Sets a sysctl of a host.
#[track_caller]
pub(crate) fn sysctl(host: &Host, setting: &str) {
    run(host.command("sysctl").args(["-q", "-w", setting]));
}

/// A socket address.
pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// A virtual server as the director role tells it through `vipd status --json`.
#[track_caller]
pub(crate) fn service(director: &Director, name: &str) -> ServiceStatus {
    let mut found = None;
    wait_for("the status tells of the service", LONG, || {
        let services = director.status().map(|s| s.services).unwrap_or_default();
        found = services.into_iter().find(|s| s.name == name && s.state != "unknown");
        found.is_some()
    });
    found.unwrap_or_default()
}

/// A real server of it.
#[track_caller]
pub(crate) fn real_server(director: &Director, service_name: &str, address: &str) -> RealServerStatus {
    let found = service(director, service_name).real_servers.into_iter().find(|r| r.address == address);
    found.unwrap_or_else(|| panic!("no real server {address} in {service_name}"))
}
