//! What virtual servers come to: keys, inheritance, ports, quorum, checks.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{config, found, said, service};
use std::time::Duration;
use vipd_config::model::{Leaving, Service};
use vipd_lvs::settings::{
    Checker, Family, Forwarding, HttpVersion, Probe, Protocol, Scheduler, ServiceKey, Sni, Tunnel, TunnelChecksum,
};

fn one(lines: &str) -> Service {
    Service::clone(&config(&service(lines)).services[0])
}

fn none() -> Vec<String> {
    Vec::new()
}

/// The single check of a server with this check in it.
fn check(text: &str) -> Checker {
    let text = service("").replace("{ }", &format!("{{\n{text}\n}}"));
    config(&text).services[0].lvs.real_servers[0].checkers[0].clone()
}

fn check_found(text: &str) -> Vec<String> {
    found(&service("").replace("{ }", &format!("{{\n{text}\n}}")))
}

#[test]
fn the_least_service() {
    let s = one("");
    assert_eq!(s.lvs.id.0, "[192.0.2.1]:tcp:80");
    assert_eq!((s.lvs.scheduler, s.lvs.flags, s.lvs.persistence.clone()), (Scheduler::Wlc, 0, None));
    assert_eq!((s.lvs.quorum, s.lvs.hysteresis, s.lvs.alpha, s.lvs.omega), (1, 0, false, false));
    let r = &s.lvs.real_servers[0];
    assert_eq!((r.forwarding, r.weight, r.inhibit_on_failure, r.checkers.len()), (Forwarding::Nat, 1, false, 0));
    assert!(!s.smtp_alert && s.told_of(r.address).smtp_alert);
}

#[test]
fn everything_in_the_sample() {
    let c = config(include_str!("samples/services.conf"));
    let ids: Vec<&str> = c.services.iter().map(|s| s.lvs.id.0.as_str()).collect();
    assert_eq!(ids, ["[192.0.2.1]:tcp:80", "[WEB]:0", "[WEB]:1", "[MARKS]:0", "FWM 5 IPv6", "[2001:db8::80]:tcp:443"]);
    assert!(c.global.lvs_flush);
    assert_eq!(c.global.lvs_timeouts, Some((900, 0, 300)));
    assert!(c.global.fifo.is_some() && c.global.vrrp_fifo.is_none() && c.global.lvs_fifo.is_some());

    let s = &c.services[0];
    assert_eq!((s.lvs.scheduler, s.lvs.flags), (Scheduler::Mh, 24));
    let p = s.lvs.persistence.as_ref().unwrap();
    assert_eq!((p.timeout, p.granularity), (120, Some(0xffff_ff00)));
    assert_eq!((s.lvs.quorum, s.lvs.hysteresis, s.lvs.alpha, s.lvs.omega, s.smtp_alert), (3, 1, true, true, true));
    assert!(s.quorum_up.as_ref().is_some_and(|c| c.argv == ["/bin/true", "up"]) && s.quorum_down.is_some());
    let sorry = s.lvs.sorry.as_ref().unwrap();
    assert_eq!(
        (sorry.address.to_string().as_str(), sorry.inhibit, sorry.forwarding),
        ("192.0.2.99:8080", true, Forwarding::Nat)
    );

    let first = &s.lvs.real_servers[0];
    assert_eq!(
        (first.weight, first.upper_threshold, first.lower_threshold, first.inhibit_on_failure),
        (3, 100, 50, false)
    );
    let told = &s.told_of(first.address);
    assert!(told.up.is_some() && told.down.is_some() && !told.smtp_alert);
    let http = &first.checkers[0];
    assert_eq!(
        (http.target.to_string(), http.bind.map(|b| b.to_string())),
        ("10.1.0.1:8081".into(), Some("10.1.0.254:4000".into()))
    );
    assert_eq!((http.bind_device.as_deref(), http.fwmark, http.retry, http.alpha), (Some("eth7"), 9, 2, false));
    assert_eq!((http.timeout, http.delay_loop), (Duration::from_millis(1500), Duration::from_secs(1)));
    assert_eq!((http.delay_before_retry, http.warmup), (Duration::from_millis(500), Duration::ZERO));
    let Probe::Http(probe) = &http.probe else { panic!("{:?}", http.probe) };
    assert_eq!((probe.version, probe.tls.is_none()), (HttpVersion::V11, true));
    assert_eq!(probe.urls[0].status, [(200, 204), (302, 302)]);
    assert_eq!(probe.urls[0].host.as_deref(), Some("health.example.net"));
    assert_eq!(
        (probe.urls[1].host.as_deref(), probe.urls[1].digest.map(|d| d[0])),
        (Some("www.example.net"), Some(0x0f))
    );
    assert_eq!(first.checkers[1].probe, Probe::Tcp);

    let second = &s.lvs.real_servers[1];
    // No port: NAT takes the service's.
    assert_eq!(
        (second.address.to_string().as_str(), second.weight, second.inhibit_on_failure),
        ("10.0.0.2:80", 2, true)
    );
    let Probe::Http(ssl) = &second.checkers[0].probe else { panic!("not https") };
    assert_eq!(ssl.tls.as_ref().map(|t| t.sni.clone()), Some(Sni::Host));
    assert_eq!((second.checkers[0].retry, second.checkers[0].alpha), (2, true));
    let Probe::Misc(misc) = &second.checkers[1].probe else { panic!("not misc") };
    assert_eq!(misc.argv, ["/bin/true", "10.0.0.2", "two words"]);
    assert_eq!((misc.timeout, misc.dynamic, misc.uid), (Duration::from_secs(3), true, 0));

    let web = &c.services[1].lvs;
    assert_eq!(web.keys.len(), 5);
    assert_eq!(web.keys[4].to_string(), "[192.0.2.21]:tcp:80");
    assert_eq!(
        web.real_servers[0].forwarding,
        Forwarding::Tun(Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Full })
    );
    assert_eq!((web.flags, c.services[2].lvs.protocol), (16, Protocol::Udp));
    let marks = &c.services[3].lvs;
    assert_eq!(marks.keys, [7, 8].map(|mark| ServiceKey::Fwmark { mark, family: Family::Inet }));
    assert_eq!((marks.flags, marks.protocol, marks.real_servers[0].address.port()), (4, Protocol::Tcp, 0));
    assert_eq!(c.services[4].lvs.keys, [ServiceKey::Fwmark { mark: 5, family: Family::Inet6 }]);
    assert_eq!(c.services[4].lvs.real_servers[0].checkers[0].target.to_string(), "[2001:db8::1]:443");
}

#[test]
fn the_habits_of_each_kind() {
    for (text, retry, before, kind) in [
        ("TCP_CHECK {\n}", 1, 1, "Tcp"),
        ("HTTP_GET {\nurl {\npath /\n}\n}", 1, 3, "Http"),
        ("SSL_GET {\nurl {\npath /\n}\n}", 1, 3, "Http"),
        ("MISC_CHECK {\nmisc_path /bin/true\n}", 0, 1, "Misc"),
    ] {
        let c = check(text);
        assert_eq!((c.retry, c.delay_before_retry.as_secs()), (retry, before), "{text}");
        assert_eq!((c.delay_loop.as_secs(), c.warmup.as_secs(), c.timeout.as_secs()), (60, 60, 5), "{text}");
        assert!(format!("{:?}", c.probe).starts_with(kind), "{text}");
    }
}

#[test]
fn checks_inherit() {
    let s = one("delay_loop 7\nretry 4").lvs;
    assert!(s.real_servers[0].checkers.is_empty());
    let text = service("delay_loop 7\nretry 4\nwarmup 1")
        .replace("{ }", "{\nretry 5\nTCP_CHECK {\n}\nTCP_CHECK {\nretry 6\ndelay_loop 2\n}\n}");
    let checks = config(&text).services[0].lvs.real_servers[0].checkers.clone();
    assert_eq!(
        checks.iter().map(|c| (c.retry, c.delay_loop.as_secs(), c.warmup.as_secs())).collect::<Vec<_>>(),
        [(5, 7, 1), (6, 2, 1)]
    );
    let misc = service("delay_loop 7").replace("{ }", "{\nMISC_CHECK {\nmisc_path /bin/true\n}\n}");
    let Probe::Misc(misc) = &config(&misc).services[0].lvs.real_servers[0].checkers[0].probe.clone() else { panic!() };
    assert_eq!(misc.timeout.as_secs(), 7);
}

#[test]
fn every_kind_of_check_runs() {
    for kind in ["PING_CHECK", "SMTP_CHECK", "UDP_CHECK", "DNS_CHECK"] {
        assert_eq!(check_found(&format!("{kind} {{\n}}")), Vec::<String>::new(), "{kind}");
    }
    assert_eq!(check_found("DNS_CHECK {\ntype ANY\n}\nTCP_CHECK {\n}"), ["V0304:5"]);
}

#[test]
fn url_values() {
    let url = |lines: &str| format!("HTTP_GET {{\nurl {{\n{lines}\n}}\n}}");
    assert_eq!(check_found(&url("path /x\nstatus_code 200 abc")), ["V0301:7"]);
    assert_eq!(check_found(&url("path /x\nstatus_code 99")), ["V0302:7"]);
    assert_eq!(check_found(&url("path /x\nstatus_code 300-200")), ["V0302:7"]);
    assert_eq!(check_found(&url("path /x\ndigest 0ff4")), ["V0304:7"]);
    assert_eq!(check_found(&url("path \"/a b\"")), ["V0304:6"]);
    assert_eq!(check_found(&url("path /x\nvirtualhost \"a b\"")), ["V0307:7"]);
    assert_eq!(check_found(&url("path /x\nregex \"^ok$\"")), Vec::<String>::new());
    assert_eq!(check_found(&url("digest 0ff47ba76fcda732a45523c708bef06d")), ["V0401:5"]);
    assert_eq!(check_found("HTTP_GET {\n}"), ["V0401:4"]);
    let Probe::Http(http) = check(&url("path /x\nstatus_code 200\nstatus_code 300-302")).probe else { panic!() };
    assert_eq!(http.urls[0].status, [(200, 200), (300, 302)]);
}

#[test]
fn names_in_the_handshake() {
    let ssl = |lines: &str| {
        let Probe::Http(p) = check(&format!("SSL_GET {{\nurl {{\npath /\n}}\n{lines}\n}}")).probe else { panic!() };
        p.tls.clone().unwrap().sni
    };
    assert_eq!(ssl(""), Sni::Nothing);
    assert_eq!(ssl("virtualhost a.example"), Sni::Nothing);
    assert_eq!(ssl("virtualhost a.example\nenable_sni"), Sni::Host);
    assert_eq!(ssl("virtualhost a.example\nsni_name b.example"), Sni::Name("b.example".to_owned()));
    assert_eq!(check_found("SSL_GET {\nurl {\npath /\n}\nenable_sni\n}"), ["V0505:8"]);
    let second = "SSL_GET {\nurl {\npath /\nvirtualhost a.example\n}\nurl {\npath /\n}\nenable_sni\n}";
    assert_eq!(check_found(second), ["V0505:12"], "one of them has none");
}

#[test]
fn where_checks_connect() {
    assert_eq!(check("TCP_CHECK {\nbind_port 9\n}").bind.map(|b| b.to_string()).as_deref(), Some("0.0.0.0:9"));
    assert_eq!(
        check("TCP_CHECK {\nconnect_ip 2001:db8::1\nbind_port 9\n}").bind.map(|b| b.to_string()).as_deref(),
        Some("[::]:9")
    );
    assert_eq!(check_found("TCP_CHECK {\nbindto 2001:db8::1\n}"), ["V0306:5"]);
    assert_eq!(check_found("TCP_CHECK {\nconnect_ip fe80::1\n}"), ["V0401:4"]);
    assert_eq!(found("virtual_server fwmark 1 {\nreal_server 10.0.0.1 {\nTCP_CHECK {\n}\n}\n}\n"), ["V0503:3"]);
}

#[test]
fn forwarding_methods() {
    let forwarding = |m: &str| one(&format!("lvs_method {m}")).lvs.real_servers[0].forwarding;
    assert_eq!(forwarding("NAT"), Forwarding::Nat);
    assert_eq!(forwarding("DR"), Forwarding::Dr);
    assert_eq!(forwarding("TUN"), Forwarding::Tun(Tunnel::Ipip));
    assert_eq!(forwarding("TUN type gre csum"), Forwarding::Tun(Tunnel::Gre { checksum: TunnelChecksum::Full }));
    assert_eq!(
        forwarding("TUN type gue port 6080 remcsum"),
        Forwarding::Tun(Tunnel::Gue { port: 6080, checksum: TunnelChecksum::Remote })
    );
    for bad in [
        "tun",
        "DR type ipip",
        "TUN type vxlan",
        "TUN type gue",
        "TUN type ipip port 3",
        "TUN csum",
        "TUN type gre remcsum",
        "TUN port 0",
        "TUN type",
        "",
    ] {
        let found = found(&service(&format!("lvs_method {bad}")));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
    }
}

#[test]
fn ports_follow_the_forwarding_method() {
    let with = |method: &str, server: &str| service(&format!("lvs_method {method}")).replace("10.0.0.1 80", server);
    let port = |text: &str| config(text).services[0].lvs.real_servers[0].address.port();
    assert_eq!((port(&with("NAT", "10.0.0.1 8080")), found(&with("NAT", "10.0.0.1 8080"))), (8080, none()));
    assert_eq!((port(&with("NAT", "10.0.0.1")), found(&with("NAT", "10.0.0.1"))), (80, none()));
    assert_eq!(
        (port(&with("DR", "10.0.0.1 8080")), found(&with("DR", "10.0.0.1 8080"))),
        (80, vec!["V0503:3".to_owned()])
    );
    assert_eq!((port(&with("DR", "10.0.0.1")), found(&with("DR", "10.0.0.1"))), (80, none()));
    let mark = "virtual_server fwmark 1 {\nlvs_method DR\nreal_server 10.0.0.1 80 {\n}\n}\n";
    assert_eq!((port(mark), found(mark)), (0, vec!["V0503:3".to_owned()]));
}

#[test]
fn families_do_not_mix() {
    let with = |method: &str| service(&format!("lvs_method {method}")).replace("10.0.0.1", "2001:db8::1");
    assert_eq!(found(&with("DR")), ["V0306:3"]);
    assert_eq!(found(&with("TUN")), none());
    assert_eq!(found(&service("sorry_server 2001:db8::1 80")), ["V0306:4"]);
    assert_eq!(found(&service("ip_family inet6")), ["V0306:4"]);
}

#[test]
fn the_family_of_marks_is_that_of_the_servers() {
    let key = |text: &str| config(text).services[0].lvs.keys[0];
    let mark = |family| ServiceKey::Fwmark { mark: 3, family };
    assert_eq!(key("virtual_server fwmark 3 {\nreal_server 10.0.0.1 {\n}\n}\n"), mark(Family::Inet));
    assert_eq!(key("virtual_server fwmark 3 {\nreal_server 2001:db8::1 {\n}\n}\n"), mark(Family::Inet6));
    assert_eq!(
        key("virtual_server fwmark 3 {\nip_family inet6\nlvs_method TUN\nreal_server 10.0.0.1 {\n}\n}\n"),
        mark(Family::Inet6)
    );
    let both = "virtual_server fwmark 3 {\nip_family inet\nreal_server 10.0.0.1 {\n}\n}\n\
                virtual_server fwmark 3 {\nip_family inet6\nreal_server 2001:db8::1 {\n}\n}\n";
    let ids: Vec<String> = config(both).services.iter().map(|s| s.lvs.id.to_string()).collect();
    assert_eq!(ids, ["FWM 3", "FWM 3 IPv6"], "one mark for both families");
    assert_eq!(found("virtual_server fwmark 0 {\nreal_server 10.0.0.1 {\n}\n}\n"), ["V0302:1"]);
}

#[test]
fn persistence() {
    let p = |lines: &str| one(lines).lvs.persistence;
    assert_eq!(p("persistence_timeout").unwrap().timeout, 360);
    assert_eq!(p("persistence_timeout 50").unwrap().timeout, 50);
    assert_eq!(
        p("persistence_granularity 255.255.0.0").unwrap(),
        vipd_lvs::settings::Persistence { timeout: 360, granularity: Some(0xffff_0000), engine: None }
    );
    // The whole address is what the kernel takes for none.
    let whole = p("persistence_granularity 255.255.255.255").unwrap();
    assert_eq!((whole.timeout, whole.granularity), (360, None));
    let v6 = |mask: u8| {
        let text = service(&format!("persistence_granularity {mask}")).replace("192.0.2.1 80", "2001:db8::1 80");
        let text = text.replace("lvs_method NAT", "").replace("10.0.0.1 ", "2001:db8::11 ");
        config(&text).services[0].lvs.persistence.clone().unwrap().granularity
    };
    assert_eq!((v6(128), v6(64)), (None, Some(64)));
    assert_eq!(p("persistence_timeout 9\npersistence_engine sip").unwrap().engine.as_deref(), Some("sip"));
    assert_eq!(found(&service("persistence_engine sip")), ["V0409:4"]);
    assert_eq!(found(&service("persistence_granularity 24")), ["V0305:4"]);
    assert_eq!(found(&service("persistence_timeout 0")), ["V0302:4"]);
    let every = service("").replace("192.0.2.1 80", "192.0.2.1");
    assert_eq!(
        (config(&every).services[0].lvs.persistence.as_ref().map(|p| p.timeout), found(&every)),
        (Some(360), vec!["V0404:1".to_owned()])
    );
}

#[test]
fn scheduler_flags_belong_to_their_scheduler() {
    assert_eq!(one("lvs_sched sh\nsh-port\nsh-fallback").lvs.flags, 24);
    assert_eq!(one("flag-1\nflag-3").lvs.flags, 8 | 32);
    assert_eq!(
        (one("lvs_sched sh\nmh-port").lvs.flags, found(&service("lvs_sched sh\nmh-port"))),
        (0, vec!["V0404:5".to_owned()])
    );
    assert_eq!(found(&service("ops")), ["V0404:4"]);
    assert_eq!(one("ops\nprotocol UDP").lvs.flags, 4);
    assert_eq!(found(&service("lb_algo wr")), ["V0304:4"]);
    assert!(
        said(&service("lb_algo wr")).contains("did you mean `rr`?")
            || said(&service("lb_algo wr")).contains("did you mean `wrr`?")
    );
}

#[test]
fn quorum_and_hysteresis() {
    let q = |lines: &str| {
        let s = one(lines).lvs;
        (s.quorum, s.hysteresis)
    };
    assert_eq!(q("quorum 5"), (1, 0));
    assert_eq!(found(&service("quorum 5")), ["V0404:4"]);
    assert_eq!(q("weight 9\nquorum 5\nhysteresis 4"), (5, 4));
    assert_eq!(q("weight 9\nquorum 5\nhysteresis 5"), (5, 4));
    assert_eq!(found(&service("weight 9\nquorum 5\nhysteresis 5")), ["V0404:6"]);
    assert_eq!(found(&service("quorum 0")), ["V0302:4"]);
}

#[test]
fn what_a_stop_takes_out_of_the_table() {
    let with = |word: &str| config(&format!("global_defs {{\n{word}\n}}\n")).global.lvs_flush_on_stop;
    assert_eq!(with(""), Leaving::Servers);
    assert_eq!(with("lvs_flush_on_stop"), Leaving::Everything);
    assert_eq!(with("lvs_flush_on_stop VS"), Leaving::Services);
    assert_eq!(with("lvs_flush_onstop VS"), Leaving::Services);
    assert_eq!(found("global_defs {\nlvs_flush_on_stop RS\n}\n").len(), 1);
}

#[test]
fn weights_and_thresholds() {
    let with = |lines: &str| service("").replace("{ }", &format!("{{\n{lines}\n}}"));
    assert_eq!(config(&with("weight 0")).services[0].lvs.real_servers[0].weight, 0);
    assert_eq!(
        (config(&with("weight 70000")).services[0].lvs.real_servers[0].weight, found(&with("weight 70000"))),
        (70_000, vec![])
    );
    assert_eq!(found(&with("uthreshold 5\nlthreshold 6")), ["V0302:5"]);
}

#[test]
fn duplicates() {
    assert_eq!(found(&format!("{}{}", service(""), service(""))), ["V0501:6"]);
    let udp = service("").replace("TCP", "UDP");
    assert_eq!(found(&format!("{}{}", service(""), udp)), none());
    let twice = service("real_server 10.0.0.1 80 {\nweight 9\n}");
    assert_eq!((found(&twice), config(&twice).services[0].lvs.real_servers[0].weight), (vec!["V0501:4".to_owned()], 1));
    let group = "virtual_server_group G {\n192.0.2.0-5 80\n192.0.2.1 80\n}\nvirtual_server group G {\n\
        protocol TCP\nreal_server 10.0.0.1 80 {\n}\n}\n";
    assert_eq!(found(group), ["V0209:3"]);
    assert_eq!(found(&format!("{group}{}", service(""))), ["V0209:3", "V0501:10"]);
}

#[test]
fn groups_of_addresses() {
    let with = |line: &str| {
        format!(
            "virtual_server_group G {{\n{line}\n}}\nvirtual_server group G {{\nprotocol TCP\n\
                real_server 10.0.0.1 80 {{\n}}\n}}\n"
        )
    };
    for bad in [
        "192.0.2.9-3 80",
        "192.0.2.1 99999",
        "192.0.2.1 80 x",
        "fwmark",
        "fwmark 0",
        "fwmark 1 ipv4",
        "192.0.2.1/24 80",
        "x",
    ] {
        let found = found(&with(bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].ends_with(":2"), "{bad}: {found:?}");
    }
    assert_eq!(found("virtual_server group X {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n}\n}\n"), ["V0406:1"]);
    assert_eq!(
        found("virtual_server_group G {\n}\nvirtual_server group G {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n}\n}\n"),
        ["V0504:1"]
    );
    assert_eq!(found("virtual_server_group G {\n192.0.2.300 80\n}\n"), ["V0305:2"]);
    assert_eq!(found(&with("192.0.2.1 80\n2001:db8::1 80\nfwmark 1")), ["V0306:6"]);
    assert_eq!(config(&with("192.0.2.1")).services[0].lvs.persistence.as_ref().map(|p| p.timeout), Some(360));
}

#[test]
fn what_is_needed() {
    assert_eq!(found("virtual_server 192.0.2.1 80 {\nprotocol TCP\n}\n"), ["V0504:1"]);
    assert_eq!(found("virtual_server 192.0.2.1 80 {\nreal_server 10.0.0.1 80 {\n}\n}\n"), ["V0404:1"]);
    assert_eq!(
        config("virtual_server 192.0.2.1 80 {\nreal_server 10.0.0.1 80 {\n}\n}\n").services[0].lvs.protocol,
        Protocol::Udp
    );
    assert_eq!(found("virtual_server {\n}\n"), ["V0207:1"]);
    assert_eq!(found("virtual_server group {\n}\n"), ["V0207:1"]);
    assert_eq!(found("virtual_server 192.0.2 80 {\n}\n"), ["V0305:1"]);
    assert_eq!(found("global_defs {\nlvs_timeouts\n}\n"), ["V0207:2"]);
    assert_eq!(found("global_defs {\nlvs_timeouts tcp x\n}\n"), ["V0301:2"]);
    assert_eq!(found("global_defs {\nlvs_timeouts icmp 3\n}\n"), ["V0304:2"]);
    assert_eq!(found(&service("sorry_server_inhibit")), ["V0409:4"]);
    assert_eq!(found(&service("").replace("192.0.2.1 80", "192.0.2.1 80 tcp")), ["V0208:1"]);
}

#[test]
fn findings_use_the_name_that_is_written() {
    assert!(said(&service("lb_kind dr")).contains("`lb_kind`: `dr` is not possible here"));
    assert!(said(&service("lb_algo")).contains("`lb_algo` needs"));
}

#[test]
fn suspended_checks_wait_for_addresses_and_marks_have_none() {
    let text = |target: &str| {
        format!(
            "virtual_server_group G {{\n192.0.2.1 80\nfwmark 3\n}}\nvirtual_server_group M {{\nfwmark 4\n}}\n\
             virtual_server {target} {{\nprotocol TCP\nha_suspend\nreal_server 10.0.0.1 80 {{\n}}\n}}\n"
        )
    };
    for (target, awaited) in
        [("192.0.2.9 80", vec!["192.0.2.9"]), ("group G", vec!["192.0.2.1"]), ("fwmark 5", vec![]), ("group M", vec![])]
    {
        let loaded = vipd_config::load_str("test", &text(target), &vipd_config::Options::default());
        let told = loaded.diagnostics.iter().any(|found| found.message.contains("`ha_suspend` has no effect"));
        let service = loaded.config.unwrap().services.remove(0);
        let found: Vec<String> = service.lvs.awaited().map(|address| address.to_string()).collect();
        assert_eq!((found, told), (awaited.iter().map(|a| (*a).to_owned()).collect(), awaited.is_empty()), "{target}");
        assert_eq!(service.lvs.ha_suspend, !awaited.is_empty());
    }
}

#[test]
fn a_slow_start_is_inherited_and_needs_a_scheduler_that_goes_by_weights() {
    let text = |words: &str| {
        format!(
            "virtual_server 192.0.2.1 80 {{\n protocol TCP\n {words}\n slow_start 30\n real_server 10.0.0.1 80 {{\n }}\n \
             real_server 10.0.0.2 80 {{\n slow_start 5\n }}\n real_server 10.0.0.3 80 {{\n slow_start 0\n }}\n \
             servers_from_file /etc/vipd/web.servers {{\n }}\n}}\n"
        )
    };
    for (scheduler, heeds) in [("wrr", true), ("wlc", true), ("mh", true), ("rr", false), ("fo", false), ("ovf", false)]
    {
        let loaded =
            vipd_config::load_str("test", &text(&format!("lvs_sched {scheduler}")), &vipd_config::Options::default());
        let config = loaded.config.unwrap();
        let service = &config.services[0];
        let seconds: Vec<u64> = service.lvs.real_servers.iter().map(|real| real.slow_start.as_secs()).collect();
        let found = service.discoveries[0].template.slow_start.as_secs();
        let told = loaded.diagnostics.iter().filter(|d| d.message.contains("`slow_start` has no effect")).count();
        if heeds {
            assert_eq!((seconds, found, told), (vec![30, 5, 0], 30, 0), "{scheduler}");
        } else {
            // Of the virtual server and of the one server that has a word of its own.
            assert_eq!((seconds, found, told), (vec![0, 0, 0], 0, 2), "{scheduler}");
        }
    }
}
