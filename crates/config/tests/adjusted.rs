//! What is taken for something else than what is written, and said so; and what is not.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use vipd_config::{Loaded, Options, load_str};

fn load(text: &str) -> Loaded {
    load_str("test", text, &Options::default())
}

fn messages(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|d| d.message.as_str()).collect()
}

fn instance(kind: &str, password: &str) -> String {
    format!(
        "vrrp_instance a {{\n state MASTER\n version 2\n interface eth0\n virtual_router_id 1\n priority 150\n \
         authentication {{\n auth_type {kind}\n auth_pass {password}\n }}\n virtual_ipaddress {{\n 192.0.2.1/24\n }}\n}}\n"
    )
}

#[test]
fn a_password_that_was_hidden_and_a_master_with_ah_are_told() {
    let told = |kind, password: &str, what: &str| {
        let loaded = load(&instance(kind, password));
        messages(&loaded).iter().any(|m| m.contains(what))
    };
    assert!(told("PASS", "<hidden>", "in place of a password") && !told("PASS", "secret", "in place of a password"));
    assert!(told("AH", "secret", "listens before") && !told("PASS", "secret", "listens before"));
}

/// Debian's keepalived 2.2.7 clears or resets the port of such a server, and connects to the one that is written.
#[test]
fn checks_go_to_the_port_that_is_written() {
    let text = "virtual_server fwmark 3 {\n lb_kind DR\n protocol TCP\n real_server 10.1.1.20 80 {\n TCP_CHECK {\n }\n }\n}\n\
                virtual_server 10.1.1.1 80 {\n lb_kind DR\n protocol TCP\n real_server 10.1.1.20 8080 {\n TCP_CHECK {\n }\n }\n}\n";
    let loaded = load(text);
    let config = loaded.config.as_ref().unwrap_or_else(|| panic!("{:?}", messages(&loaded)));
    let ports = |n: usize| {
        let server = &config.services[n].lvs.real_servers[0];
        (server.address.port(), server.checkers[0].target.port())
    };
    assert_eq!([ports(0), ports(1)], [(0, 80), (80, 8080)]);
}
