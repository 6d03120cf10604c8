//! `no_accept`: what is sent to a virtual address is dropped, neighbours find it all the same, and the tables of the packet
//! filter go with the daemon.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LINK_LOCAL: &str = "fe80::1:51";
const VIP6: &str = "2001:db8:77::100";

fn ipv4(extra: &str) -> String {
    Instance::new(3, 150, "0.3").with(extra).text()
}

fn ipv6(extra: &str) -> String {
    let addresses = vec![format!("{LINK_LOCAL}/64"), format!("{VIP6}/64")];
    Instance { name: "VI_6".to_owned(), vrid: 52, addresses, ..Instance::new(3, 150, "0.3").with(extra) }.text()
}

/// Whether a host refuses a connection, which it does only for what it takes.
fn takes(client: &Host, address: &str) -> bool {
    let ask = format!("echo > /dev/tcp/{address}/9");
    let output = client.command("timeout").args(["1", "bash", "-c", &ask]).output().unwrap();
    output.status.code() != Some(124)
}

/// The tables of the packet filter on a host.
fn tables(host: &Host) -> String {
    run(host.command("nft").args(["list", "tables"]))
}

fn knows(client: &Host, address: &str) -> bool {
    client.ip(&format!("neigh show {address}")).contains("lladdr")
}

#[track_caller]
fn dropped_by(kind: Kind, words: &str) {
    let mut lab = Lab::new();
    let (one, client) = (lab.host(1), lab.host(3));
    for host in [&one, &client] {
        host.with_ipv6();
    }
    let mut a = Director::start(kind, &one, &(ipv4(words) + &ipv6(words)));
    for vip in [VIP, VIP6] {
        a.wait_master(vip, Duration::from_secs(5));
    }
    let link_local = format!("{LINK_LOCAL}%eth0");
    for vip in [VIP, VIP6, &link_local] {
        assert!(!takes(&client, vip), "{kind:?} takes what is sent to {vip}");
    }
    for vip in [VIP, VIP6, LINK_LOCAL] {
        assert!(knows(&client, vip), "{vip} is not found: {}", client.ip("neigh"));
    }
    for own in ["10.77.0.1", "2001:db8:77::1"] {
        assert!(takes(&client, own), "{own} is closed, too");
    }
    if kind == Kind::Vipd {
        // A firewall that is loaded anew takes all tables away.
        run(one.command("nft").args(["flush", "ruleset"]));
        wait_for("they are written again", Duration::from_secs(8), || tables(&one).lines().count() == 2);
        assert!(!takes(&client, VIP));
        a.reload(&(ipv4("accept") + &ipv6(words)));
        wait_for("it takes what is sent", Duration::from_secs(5), || takes(&client, VIP));
        assert_eq!(tables(&one), "table ip6 vipd\n");
        a.reload(&(format!("global_defs {{\nnftables mine\n}}\n{}", ipv4(words)) + &ipv6("accept")));
        wait_for("the table has its name", Duration::from_secs(5), || tables(&one) == "table ip mine\n");
        assert!(takes(&client, VIP6) && !takes(&client, VIP));
    }
    a.stop();
    assert_eq!(tables(&one), "", "it left something behind");
}

#[test]
fn what_is_sent_to_virtual_addresses_is_dropped() {
    dropped_by(Kind::Vipd, "no_accept");
}

#[test]
fn keepalived_drops_the_same() {
    dropped_by(Kind::Keepalived, "no_accept");
}

/// By the letter of the RFC only the owner is served at the address.
#[test]
fn strict_mode_accepts_for_owners_alone() {
    let mut lab = Lab::new();
    let (one, client) = (lab.host(1), lab.host(3));
    let mut a = Director::start(Kind::Vipd, &one, &ipv4("strict_mode"));
    a.wait_master(VIP, Duration::from_secs(5));
    assert!(!takes(&client, VIP));
    let owner = ipv4("strict_mode").replace("priority 150", "priority 255").replace("BACKUP", "MASTER");
    a.reload(&owner);
    wait_for("the owner takes it", Duration::from_secs(5), || takes(&client, VIP));
    a.stop();
}

/// A role that does not come back leaves no table; one that does finds its own.
#[test]
fn a_crash_leaves_the_tables_in_force() {
    let mut lab = Lab::new();
    let (one, client) = (lab.host(1), lab.host(3));
    let mut a = Director::start(Kind::Vipd, &one, &ipv4("no_accept"));
    a.wait_master(VIP, Duration::from_secs(5));
    let role = a.role("vrrp");
    vipd_tests::process::signal_pid(role, rustix::process::Signal::KILL);
    assert!(!takes(&client, VIP));
    wait_for("the role is back", Duration::from_secs(5), || {
        a.status().is_some_and(|s| s.roles.iter().any(|r| r.name == "vrrp" && r.pid != role && r.pid != 0))
    });
    assert!(!takes(&client, VIP));
    assert_eq!(tables(&one), "table ip vipd\n");
    a.stop();
    assert_eq!(tables(&one), "");
}
