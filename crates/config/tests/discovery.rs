//! `servers_from_file` and `servers_from_dns`: what they mean, and what is wrong with them.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::config;
use std::time::Duration;
use vipd_config::diag::Level;
use vipd_config::discovery::{Discovery, Lookup, Origin, Records};
use vipd_config::{Options, load_str};
use vipd_lvs::settings::{Family, Forwarding};

fn service(head: &str, words: &str) -> String {
    format!("virtual_server {head} {{\nprotocol TCP\n{words}\n}}\n")
}

fn discoveries(head: &str, words: &str) -> Vec<Discovery> {
    config(&service(head, words)).services[0].discoveries.clone()
}

fn errors(head: &str, words: &str) -> String {
    let loaded = load_str("test", &service(head, words), &Options::default());
    let errors = loaded.diagnostics.iter().filter(|d| d.level == Level::Error);
    errors.map(|d| d.message.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_found_is_like_the_words_inside() {
    let words = "delay_loop 3\nservers_from_file /etc/vipd/web.servers {\nlvs_method DR\nweight 7\nnotify_up /bin/true root\n\
                 TCP_CHECK {\n}\nHTTP_GET {\nconnect_port 8080\nurl {\npath /\n}\n}\n\
                 TCP_CHECK {\nconnect_ip 192.0.2.50\n}\n}";
    let config = config(&service("192.0.2.1 80", words));
    let service = &config.services[0];
    assert!(service.lvs.real_servers.is_empty());
    let [discovery] = &service.discoveries[..] else { panic!("{:?}", service.discoveries) };
    assert_eq!(discovery.origin.to_string(), "file /etc/vipd/web.servers");
    assert!(!discovery.allow_empty && discovery.told.up.is_some());
    let server = discovery.server("10.0.0.7:8000".parse().unwrap(), None);
    // Packets of DR keep the service's port; the checks go to the one that was found.
    assert_eq!((server.address, server.weight), ("10.0.0.7:80".parse().unwrap(), 7));
    assert_eq!(server.forwarding, Forwarding::Dr);
    let targets: Vec<String> = server.checkers.iter().map(|c| c.target.to_string()).collect();
    assert_eq!(targets, ["10.0.0.7:8000", "10.0.0.7:8080", "192.0.2.50:8000"]);
    assert_eq!(server.checkers[0].delay_loop, Duration::from_secs(3));
    assert_eq!(discovery.server("10.0.0.7:8000".parse().unwrap(), Some(2)).weight, 2);
}

#[test]
fn a_lookup_has_its_defaults_from_the_virtual_server() {
    let lookup = |head: &str, words: &str| -> Lookup {
        match discoveries(head, &format!("servers_from_dns web.example.org. {{\n{words}\n}}")).remove(0).origin {
            Origin::Dns(lookup) => lookup,
            Origin::File(path) => panic!("{}", path.display()),
        }
    };
    let usual = lookup("192.0.2.1 80", "");
    assert_eq!((usual.name.as_str(), usual.kind, usual.resolvers.len()), ("web.example.org", Records::A(80), 0));
    assert_eq!((usual.min_ttl, usual.max_ttl), (Duration::from_secs(5), Duration::from_secs(3600)));
    assert_eq!(lookup("2001:db8::1 80", "port 8080").kind, Records::Aaaa(8080));
    assert_eq!(lookup("fwmark 3", "type AAAA\nport 80").kind, Records::Aaaa(80));
    assert_eq!(lookup("2001:db8::1 80", "type SRV").kind, Records::Srv(Family::Inet6));
    let asked = lookup("192.0.2.1 80", "resolver 10.0.0.53\nresolver 10.0.1.53\nresolver_port 5353\nmax_ttl 2");
    let asked_at: Vec<String> = asked.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(asked_at, ["10.0.0.53:5353", "10.0.1.53:5353"]);
    assert_eq!((asked.min_ttl, asked.max_ttl), (Duration::from_secs(2), Duration::from_secs(2)));
}

#[test]
fn what_can_not_be_meant_is_an_error() {
    let file = "servers_from_file /etc/a {\n}\n";
    for (head, words, says) in [
        ("192.0.2.1 80", "servers_from_file servers {\n}", "is not the whole path"),
        ("192.0.2.1 80", &file.repeat(2), "are taken already in this virtual server"),
        ("192.0.2.1 80", "servers_from_dns a..b {\n}", "is not a domain name"),
        ("192.0.2.1 80", "servers_from_dns . {\n}", "is not a domain name"),
        ("192.0.2.1 80", "servers_from_dns a {\ntype AAAA\n}", "`type AAAA` gives no servers"),
        ("192.0.2.1 80", "servers_from_dns a {\ntype SRV\nport 80\n}", "`port` has no place beside `type SRV`"),
        ("192.0.2.1 80", "servers_from_dns a {\nmin_ttl 9\nmax_ttl 8\n}", "`max_ttl` 8 is below `min_ttl` 9"),
        ("192.0.2.1 80", "servers_from_dns a {\n}\nservers_from_dns A {\nport 81\n}", "are taken already"),
        ("fwmark 3", "servers_from_dns a {\n}", "`servers_from_dns` has no port"),
    ] {
        let found = errors(head, words);
        assert!(found.contains(says), "{words}: {found}");
    }
    assert_eq!(errors("192.0.2.1 80", "servers_from_dns a {\ntype AAAA\nlvs_method TUN\n}"), "");
}

#[test]
fn a_quorum_of_servers_that_are_still_to_be_found_stays_as_it_is_written() {
    let with = |words: &str| {
        config(&service("192.0.2.1 80", &format!("quorum 5\nhysteresis 2\n{words}"))).services[0].lvs.quorum
    };
    assert_eq!(with("real_server 10.0.0.1 80 {\n}"), 1);
    assert_eq!(with("servers_from_file /etc/a {\n}"), 5);
}

#[test]
fn every_check_may_stand_where_servers_are_found() {
    let words = "servers_from_file /etc/vipd/web.servers {\nAGENT_CHECK {\nconnect_port 9999\n}\nGRPC_CHECK {\n}\n}\n\
                 servers_from_dns web.example.org {\nAGENT_CHECK {\nconnect_port 9999\n}\n}";
    let all = discoveries("192.0.2.1 80", words);
    let kinds = |at: usize| all[at].template.checkers.iter().map(|check| check.kind()).collect::<Vec<_>>();
    assert_eq!((kinds(0), kinds(1)), (vec!["AGENT_CHECK", "GRPC_CHECK"], vec!["AGENT_CHECK"]));
    let found = all[0].server("10.0.0.7:8000".parse().unwrap(), None);
    assert_eq!(found.checkers[0].target, "10.0.0.7:9999".parse().unwrap());
}
