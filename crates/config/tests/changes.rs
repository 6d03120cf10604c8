//! What two configurations differ in, said as an administrator would.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::config;
use vipd_config::changes::changes;

fn said(old: &str, new: &str) -> Vec<String> {
    changes(&config(old), &config(new)).iter().map(ToString::to_string).collect()
}

fn instance(name: &str, vrid: u8, lines: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{lines}\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n"
    )
}

fn service(servers: &str) -> String {
    format!("virtual_server 192.0.2.1 80 {{\nprotocol TCP\n{servers}\n}}\n")
}

#[test]
fn the_same_file_changes_nothing() {
    let text = instance("A", 7, "", "192.0.2.1") + &service("real_server 192.0.2.2 80 {\nTCP_CHECK {\n}\n}");
    assert_eq!(said(&text, &text), Vec::<String>::new());
    // Nor does what means the same.
    assert_eq!(said(&text, &text.replace('\n', "\n # remark\n")), Vec::<String>::new());
}

#[test]
fn instances_are_what_they_are_not_what_they_are_called() {
    let old = instance("A", 7, "priority 100", "192.0.2.1\n192.0.2.2");
    let new = instance("B", 7, "priority 150", "192.0.2.1\n192.0.2.3");
    assert_eq!(
        said(&old, &new),
        ["changed vrrp_instance B: was called A, with 192.0.2.3, without 192.0.2.2, priority"]
    );
    let other = instance("A", 8, "", "192.0.2.1\n192.0.2.2");
    assert_eq!(
        said(&old, &other),
        [
            "added vrrp_instance A",
            "moved 192.0.2.1: from the old A to the new A",
            "moved 192.0.2.2: from the old A to the new A",
            "removed vrrp_instance A",
        ]
    );
    let label = instance("A", 7, "priority 100", "192.0.2.1 label eth0:1\n192.0.2.2");
    assert_eq!(said(&old, &label), ["changed vrrp_instance A: 192.0.2.1 otherwise"]);
}

#[test]
fn an_address_that_changes_its_instance_has_moved() {
    let old = instance("A", 7, "", "192.0.2.1\n192.0.2.9") + &instance("B", 8, "", "192.0.2.2");
    let new = instance("A", 7, "", "192.0.2.1") + &instance("B", 8, "", "192.0.2.2\n192.0.2.9");
    assert_eq!(said(&old, &new), ["moved 192.0.2.9: from A to B"]);
}

#[test]
fn services_and_their_servers() {
    let check = "TCP_CHECK {\n}";
    let old = service(&format!("real_server 192.0.2.2 80 {{\n{check}\n}}\nreal_server 192.0.2.3 80 {{\n}}"));
    let new = service(&format!(
        "lvs_sched rr\nreal_server 192.0.2.2 80 {{\nweight 3\n{}\n}}\nreal_server 192.0.2.4 80 {{\n}}",
        check.replace("{\n", "{\nconnect_timeout 1\n")
    ));
    assert_eq!(
        said(&old, &new),
        [
            "changed virtual_server [192.0.2.1]:tcp:80: lvs_sched",
            "changed real_server 192.0.2.2:80 of [192.0.2.1]:tcp:80: weight, checks",
            "added real_server 192.0.2.4:80 of [192.0.2.1]:tcp:80",
            "removed real_server 192.0.2.3:80 of [192.0.2.1]:tcp:80",
        ]
    );
    assert_eq!(said(&old, ""), ["removed virtual_server [192.0.2.1]:tcp:80"]);
    assert_eq!(said("", "global_defs {\nrouter_id x\n}\n"), ["changed global_defs: router_id"]);
}

#[test]
fn where_an_address_stands_is_told() {
    let both = |listed: &str, excluded: &str| {
        instance("A", 7, &format!("virtual_ipaddress_excluded {{\n{excluded}\n}}"), listed)
    };
    let old = both("192.0.2.1\n192.0.2.2", "192.0.2.3");
    assert_eq!(
        said(&old, &both("192.0.2.1", "192.0.2.3\n192.0.2.2")),
        ["changed vrrp_instance A: 192.0.2.2 in virtual_ipaddress_excluded"]
    );
    assert_eq!(
        said(&old, &both("192.0.2.2\n192.0.2.1", "192.0.2.3")),
        ["changed vrrp_instance A: order of virtual_ipaddress"]
    );
}
