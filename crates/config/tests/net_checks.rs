//! `SMTP_CHECK`, `DNS_CHECK`, `UDP_CHECK` and `PING_CHECK`: what each asks, and of whom.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, said};
use std::time::Duration;
use vipd_config::effective::effective;
use vipd_config::setting;
use vipd_lvs::settings::{Checker, DnsProbe, Probe, RecordType, UdpProbe, UdpReply};

fn text(check: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 25 {{\nprotocol TCP\ndelay_loop 20\nconnect_timeout 2\nreal_server 10.0.0.1 25 {{\n{check}\n}}\n}}\n"
    )
}

fn checker(check: &str) -> Checker {
    let text = text(check);
    assert_eq!(found(&text), Vec::<String>::new(), "{check}");
    config(&text).services[0].lvs.real_servers[0].checkers[0].clone()
}

/// The effective lines of the check.
fn meant(check: &str) -> String {
    let text = setting::text(&effective(&config(&text(check))));
    let (_, check) = text.split_once("_CHECK {\n").unwrap();
    check.split_once('}').unwrap().0.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_mail_server_is_greeted() {
    let smtp = |name: &str| Probe::Smtp(name.into());
    assert_eq!(checker("SMTP_CHECK {\n}").probe, smtp("smtpchecker.keepalived.org"));
    let check = checker("SMTP_CHECK {\nhelo_name lb1.example\nretry 4\nconnect_port 587\n}");
    assert_eq!((check.probe, check.retry), (smtp("lb1.example"), 4));
    assert_eq!(check.target, "10.0.0.1:587".parse().unwrap());
    assert!(meant("SMTP_CHECK {\nhelo_name lb1.example\n}").contains("helo_name lb1.example"));
    assert!(said(&text("SMTP_CHECK {\nhelo_name \"lb1 example\"\n}")).contains("no blanks or special characters"));
}

#[test]
fn each_host_of_old_is_a_target_of_its_own() {
    let check = checker(
        "SMTP_CHECK {\nconnect_timeout 4\nhost {\nconnect_ip 10.0.0.9\nconnect_port 2525\nbindto 10.0.0.77\n}\n}",
    );
    assert_eq!(check.target, "10.0.0.9:2525".parse().unwrap());
    assert_eq!(check.bind, Some("10.0.0.77:0".parse().unwrap()));
    assert_eq!(check.timeout, Duration::from_secs(4));
    let two = "SMTP_CHECK {\nretry 2\nhost {\nconnect_ip 10.0.0.9\n}\nhost {\nconnect_port 587\nretry 7\n}\n}\nTCP_CHECK {\n}";
    let config = config(&text(two));
    let checks = config.services[0].lvs.real_servers[0].checkers.iter();
    let targets: Vec<_> = checks.map(|c| (c.kind(), c.target.to_string(), c.retry)).collect();
    let smtp = |target: &str, retry| ("SMTP_CHECK", target.to_owned(), retry);
    assert_eq!(targets, [smtp("10.0.0.9:25", 2), smtp("10.0.0.1:587", 7), ("TCP_CHECK", "10.0.0.1:25".to_owned(), 1)]);
    let meant = setting::text(&effective(&config));
    assert!(meant.contains("TCP_CHECK {") && meant.contains("connect_ip 10.0.0.9"), "{meant}");
}

#[test]
fn a_name_server_is_asked() {
    let asked = |check: &str| match checker(check).probe {
        Probe::Dns(probe) => DnsProbe::clone(&probe),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked("DNS_CHECK {\n}"), DnsProbe { name: String::new(), kind: RecordType::Soa });
    for (name, kind) in [("mx", RecordType::Mx), ("DNSKEY", RecordType::Dnskey), ("a", RecordType::A)] {
        let check = format!("DNS_CHECK {{\ntype {name}\nname www.example.org.\n}}");
        assert_eq!(asked(&check), DnsProbe { name: "www.example.org".to_owned(), kind });
    }
    let check = checker("DNS_CHECK {\n}");
    assert_eq!((check.retry, check.delay_before_retry), (3, Duration::from_secs(20)), "as keepalived has it");
    assert!(meant("DNS_CHECK {\ntype aaaa\nname x.example\n}").contains("type AAAA; name x.example"));
}

#[test]
fn a_datagram_is_sent_and_another_awaited() {
    let probe = |check: &str| match checker(check).probe {
        Probe::Udp(probe) => UdpProbe::clone(&probe),
        other => panic!("{other:?}"),
    };
    assert_eq!(probe("UDP_CHECK {\n}"), UdpProbe { payload: None, reply: UdpReply::Optional });
    let check = "UDP_CHECK {\npayload 00 1f AB cd\nrequire_reply\n}";
    assert_eq!(probe(check), UdpProbe { payload: Some(vec![0, 0x1f, 0xab, 0xcd]), reply: UdpReply::Any });
    assert!(meant(check).contains("payload 001fabcd"), "{}", meant(check));
    let check = "UDP_CHECK {\nrequire_reply 2aXx xf\nmin_reply_length 3\n}";
    let reply = UdpReply::Like { bytes: vec![0x2a, 0, 0x0f], mask: vec![0xff, 0, 0x0f], min: 3, max: 255 };
    assert_eq!(probe(check), UdpProbe { payload: None, reply });
    assert!(
        meant(check).contains("require_reply 2axxxf; min_reply_length 3; max_reply_length 255"),
        "{}",
        meant(check)
    );
    let impossible = "UDP_CHECK {\nrequire_reply 2a\nmin_reply_length 300\n}";
    assert!(said(&text(impossible)).contains("no reply has 300 bytes at least and 255 at most"));
    assert!(said(&text("UDP_CHECK {\nmax_reply_length 3\n}")).contains("counts only beside a `require_reply`"));
}

#[test]
fn failures_that_may_be_mended_are_logged_where_that_is_asked_for() {
    let logged = |global: &str, own: &str| {
        let text = format!("global_defs {{\n{global}\n}}\n") + &text(&format!("TCP_CHECK {{\n{own}\n}}"));
        config(&text).services[0].lvs.real_servers[0].checkers[0].log_all_failures
    };
    assert!(!logged("", "") && logged("", "log_all_failures") && logged("checker_log_all_failures", ""));
    assert!(!logged("checker_log_all_failures", "log_all_failures off"));
}

#[test]
fn a_ping_needs_no_port() {
    let check = checker("PING_CHECK {\nconnect_ip 10.0.0.2\nfwmark 3\n}");
    assert_eq!((check.probe, check.target.ip(), check.fwmark), (Probe::Ping, "10.0.0.2".parse().unwrap(), 3));
    let mark = "virtual_server fwmark 7 {\nprotocol TCP\nreal_server 10.0.0.1 0 {\nPING_CHECK {\n}\n}\n}\n";
    assert_eq!(config(mark).services[0].lvs.real_servers[0].checkers[0].probe, Probe::Ping);
    let udp = mark.replace("PING", "UDP");
    assert!(said(&udp).contains("has no port to connect to"), "{}", said(&udp));
}
