//! Checks and words of checks that are vipd's own: `AGENT_CHECK`, `GRPC_CHECK`, HTTP/2 and `reset_close`.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, said};
use vipd_config::effective::effective;
use vipd_config::setting;
use vipd_lvs::settings::{Authorities, Checker, GrpcProbe, HttpVersion, Probe, Sni, TlsProbe};

fn text(check: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 80 {{\nprotocol TCP\nreal_server 10.0.0.1 80 {{\nvirtualhost www.example.org\n{check}\n}}\n}}\n"
    )
}

fn checkers(check: &str) -> Vec<Checker> {
    let text = text(check);
    assert_eq!(found(&text), Vec::<String>::new(), "{check}");
    config(&text).services[0].lvs.real_servers[0].checkers.clone()
}

/// The effective lines of the file.
fn meant(check: &str) -> String {
    let text = setting::text(&effective(&config(&text(check))));
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[test]
fn an_agent_has_a_port_of_its_own() {
    let checks =
        checkers("AGENT_CHECK {\nconnect_port 9999\nagent_send \"web one\"\n}\nAGENT_CHECK {\nconnect_port 9998\n}");
    assert_eq!((&checks[0].probe, checks[0].kind()), (&Probe::Agent("web one".into()), "AGENT_CHECK"));
    assert_eq!(checks[0].target, "10.0.0.1:9999".parse().unwrap());
    assert_eq!(checks[1].probe, Probe::Agent("".into()));
    let says = said(&text("AGENT_CHECK {\n}"));
    assert!(says.contains("has no port: an agent listens on one of its own"), "{says}");
    let meant = meant("AGENT_CHECK {\nconnect_port 9999\nagent_send web\n}");
    assert!(meant.contains("connect_port 9999") && meant.contains("agent_send web"), "{meant}");
    // It may give a server that has none a weight.
    let idle = text("weight 0\nAGENT_CHECK {\nconnect_port 9999\n}");
    assert_eq!(found(&idle), Vec::<String>::new());
    assert!(said(&text("weight 0\nTCP_CHECK {\n}")).contains("weight 0"));
}

#[test]
fn a_grpc_server_is_asked_for_the_state_of_a_service() {
    let probe = |check: &str| match &checkers(check)[0].probe {
        Probe::Grpc(grpc) => GrpcProbe::clone(grpc),
        other => panic!("{other:?}"),
    };
    let host = || Some("www.example.org".to_owned());
    assert_eq!(probe("GRPC_CHECK {\n}"), GrpcProbe { tls: None, service: String::new(), host: host() });
    let check = "GRPC_CHECK {\nservice a.b.C\nvirtualhost x.example:1\nenable_tls\n}";
    let plain = GrpcProbe { tls: Some(TlsProbe::default()), service: "a.b.C".into(), host: Some("x.example:1".into()) };
    assert_eq!(probe(check), plain);
    let check = "GRPC_CHECK {\nenable_tls\nenable_sni\ntls_verify\ntls_expiry_warning 14\n}";
    let tls = TlsProbe { sni: Sni::Host, verify: Some(Authorities::Usual), expiry_warning: Some(14) };
    assert_eq!(probe(check).tls, Some(tls));
    assert_eq!(probe("GRPC_CHECK {\nenable_tls\nsni_name y\n}").tls.unwrap().sni, Sni::Name("y".to_owned()));
    let meant = meant(check);
    for line in ["enable_tls on", "enable_sni on", "tls_verify", "tls_expiry_warning 14"] {
        assert!(meant.contains(line), "{line}: {meant}");
    }
    let says = said(&text("GRPC_CHECK {\nvirtualhost a/b\n}"));
    assert!(says.contains("in HTTP/2 a host is a name or an address"), "{says}");
    let says = said(&text("GRPC_CHECK {\ntls_verify\n}"));
    assert!(says.contains("no effect without `enable_tls`"), "{says}");
}

#[test]
fn pages_are_asked_for_in_http2() {
    for kind in ["HTTP_GET", "SSL_GET"] {
        let check = format!("{kind} {{\nhttp_protocol 2\nurl {{\npath /\n}}\n}}");
        match &checkers(&check)[0].probe {
            Probe::Http(http) => assert_eq!(http.version, HttpVersion::V2),
            other => panic!("{other:?}"),
        }
        assert!(meant(&check).contains("http_protocol 2"));
    }
    let says = said(&text("HTTP_GET {\nhttp_protocol 2\nurl {\npath /\nvirtualhost a@b\n}\n}"));
    assert!(says.contains("in HTTP/2 a host is a name or an address"), "{says}");
    assert_eq!(found(&text("HTTP_GET {\nurl {\npath /\nvirtualhost a@b\n}\n}")), Vec::<String>::new());
}

#[test]
fn connections_are_closed_by_a_reset_where_that_is_asked_for() {
    for check in [
        "TCP_CHECK {\nRESET\n}",
        "HTTP_GET {\nRESET\nurl {\npath /\n}\n}",
        "SSL_GET {\nRESET\nurl {\npath /\n}\n}",
        "SMTP_CHECK {\nRESET\n}",
        "SMTP_CHECK {\nhost {\nRESET\n}\n}",
        "SMTP_CHECK {\nRESET\nhost {\n}\n}",
        "AGENT_CHECK {\nconnect_port 9\nRESET\n}",
        "GRPC_CHECK {\nRESET\n}",
    ] {
        for (word, resets) in [("reset_close", true), ("reset_close off", false), ("retry 1", false)] {
            let check = check.replace("RESET", word);
            let checker = &checkers(&check)[0];
            assert_eq!(checker.reset_close, resets, "{check}");
            assert!(!checker.asks_the_same_as(&Checker { reset_close: !resets, ..checker.clone() }));
        }
    }
    let meant = meant("TCP_CHECK {\nreset_close\n}\nSMTP_CHECK {\n}\nDNS_CHECK {\n}");
    assert!(meant.contains("reset_close on") && meant.contains("reset_close off"), "{meant}");
    assert_eq!(meant.matches("reset_close").count(), 2, "{meant}");
}
