//! What virtual servers, their real servers and sorry servers come to.

use super::{block, checker, flag, inner, number, switch, text};
use crate::discovery::{Discovery, Origin, Records};
use crate::keyword::{Block, ROOT};
use crate::model::{Config, ServerNotify, Service};
use crate::setting::{Setting, Value, find};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use vipd_lvs::settings::{
    Family, Forwarding, Persistence, Protocol, RealServer, Scheduler, ServiceKey, Tunnel, TunnelChecksum,
};

/// What `service` says where it holds.
const SPOKEN: &[&str] = &[
    "ops",
    "flag-1",
    "flag-2",
    "flag-3",
    "sh-port",
    "sh-fallback",
    "mh-port",
    "mh-fallback",
    "persistence_engine",
    "persistence_timeout",
    "persistence_granularity",
    "sorry_server",
    "sorry_server_inhibit",
    "sorry_server_lvs_method",
    "real_server",
    "servers_from_file",
    "servers_from_dns",
];

/// The services of the model, each for the next block that it can have come from: those that are left out have none.
pub(super) struct Services<'a> {
    left: std::slice::Iter<'a, Arc<Service>>,
}

impl<'a> Services<'a> {
    pub(super) fn new(config: &'a Config) -> Services<'a> {
        Services { left: config.services.iter() }
    }

    /// A `virtual_server`.
    pub(super) fn next(&mut self, written: &Setting) -> Option<Setting> {
        let service = self.left.as_slice().first().filter(|service| is_of(service, written))?;
        self.left.next();
        Some(of(service, written))
    }
}

fn is_of(service: &Service, written: &Setting) -> bool {
    let head = |name: &str| option(&written.value, name);
    let same = match service.lvs.keys.first() {
        _ if head("group").is_some() => head("group").is_some_and(|g| service.lvs.id.0.starts_with(&format!("[{g}]:"))),
        Some(ServiceKey::Address { address, port, .. }) => {
            head("(address)").and_then(|a| a.to_string().parse().ok()) == Some(*address)
                && head("(port)").unwrap_or(&Value::Number(0)) == &Value::Number((*port).into())
        }
        Some(ServiceKey::Fwmark { mark, .. }) => head("fwmark") == Some(&Value::Number((*mark).into())),
        None => false,
    };
    let serves = ["real_server", "servers_from_file", "servers_from_dns"];
    same && serves.iter().any(|name| written.find(name).is_some())
}

fn option<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Options(options) => options.iter().find(|(n, _)| *n == name).map(|(_, value)| value),
        _ => None,
    }
}

fn of(service: &Service, written: &Setting) -> Setting {
    let lvs = &service.lvs;
    let mut made = vec![
        text("lvs_sched", lvs.scheduler.name()),
        text(
            "protocol",
            match lvs.protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
            },
        ),
        switch("smtp_alert", service.smtp_alert),
        switch("alpha", lvs.alpha),
        flag("omega", lvs.omega),
        switch("ha_suspend", lvs.ha_suspend),
        number("quorum", lvs.quorum),
        number("hysteresis", lvs.hysteresis),
        Setting::new("slow_start", slow_start(lvs.scheduler, written)),
    ];
    if let Some(ServiceKey::Fwmark { family, .. }) = lvs.keys.first()
        && option(&written.value, "fwmark").is_some()
    {
        made.push(text("ip_family", if *family == Family::Inet { "inet" } else { "inet6" }));
    }
    let head = match (lvs.keys.first(), option(&written.value, "(address)")) {
        (Some(ServiceKey::Address { address, port, .. }), Some(_)) => socket(SocketAddr::new(*address, *port)),
        _ => written.value.clone(),
    };
    made.push(Setting::new("lvs_method", said_method(written)));
    let (low, high) = match lvs.scheduler {
        Scheduler::Sh => ("sh-fallback", "sh-port"),
        Scheduler::Mh => ("mh-fallback", "mh-port"),
        _ => ("flag-1", "flag-2"),
    };
    for (name, bit) in [("ops", 4), (low, 8), (high, 16), ("flag-3", 32)] {
        made.push(flag(name, lvs.flags & bit != 0));
    }
    if let Some(persistence) = &lvs.persistence {
        persistent(persistence, lvs.keys.first(), &mut made);
    }
    if let Some(sorry) = &lvs.sorry {
        made.push(Setting::new("sorry_server", socket(sorry.address)));
        made.push(flag("sorry_server_inhibit", sorry.inhibit));
        made.push(Setting::new("sorry_server_lvs_method", method(sorry.forwarding)));
    }
    let mut left = lvs.real_servers.as_slice();
    for server in written.settings().iter().filter(|s| s.keyword == "real_server") {
        let Some((real, rest)) = left.split_first() else { break };
        if real_is_of(real, server) {
            left = rest;
            let made_of = server_words(real, &service.told_of(real.address), server, written);
            let of = inner(inner(&ROOT, "virtual_server"), "real_server");
            made.push(Setting::block("real_server", socket(real.address), as_server(of, server, made_of)));
        }
    }
    let mut discoveries = service.discoveries.iter();
    for found in written.settings().iter().filter(|s| s.keyword.starts_with("servers_from_")) {
        let Some(discovery) = discoveries.next() else { break };
        made.push(servers_from(discovery, found, written));
    }
    let settings = block(inner(&ROOT, "virtual_server"), written.settings(), made, SPOKEN);
    Setting::block("virtual_server", head, settings)
}

fn persistent(persistence: &Persistence, key: Option<&ServiceKey>, made: &mut Vec<Setting>) {
    made.push(number("persistence_timeout", persistence.timeout));
    let v6 = match key {
        Some(ServiceKey::Address { address, .. }) => address.is_ipv6(),
        Some(ServiceKey::Fwmark { family, .. }) => *family == Family::Inet6,
        None => false,
    };
    let granularity = match (persistence.granularity, v6) {
        (length, true) => length.unwrap_or(128).to_string(),
        (mask, false) => Ipv4Addr::from(mask.unwrap_or(u32::MAX)).to_string(),
    };
    made.push(text("persistence_granularity", &granularity));
    made.extend(persistence.engine.as_ref().map(|engine| text("persistence_engine", engine)));
}

fn real_is_of(real: &RealServer, written: &Setting) -> bool {
    let port = match option(&written.value, "(port)") {
        Some(Value::Number(port)) => *port,
        _ => 0,
    };
    let address = option(&written.value, "(address)").and_then(|a| a.to_string().parse().ok());
    // Packets that are not rewritten keep the port of the service.
    let same_port = port == i128::from(real.address.port()) || port == 0 || real.forwarding != Forwarding::Nat;
    address == Some(real.address.ip()) && same_port
}

/// `servers_from_file`, `servers_from_dns`
fn servers_from(discovery: &Discovery, written: &Setting, above: &Setting) -> Setting {
    let mut made = server_words(&discovery.template, &discovery.told, written, above);
    made.push(flag("allow_empty", discovery.allow_empty));
    if let Origin::Dns(lookup) = &discovery.origin {
        made.push(text("type", lookup.kind.name()));
        if let Records::A(port) | Records::Aaaa(port) = lookup.kind {
            made.push(number("port", port));
        }
        made.extend(lookup.resolvers.iter().map(|at| Setting::new("resolver", Value::Address(at.ip()))));
        made.extend(lookup.resolvers.first().map(|at| number("resolver_port", at.port())));
        made.push(number("min_ttl", lookup.min_ttl.as_secs()));
        made.push(number("max_ttl", lookup.max_ttl.as_secs()));
    }
    let of = inner(inner(&ROOT, "virtual_server"), written.keyword);
    Setting::block(written.keyword, written.value.clone(), as_server(of, written, made))
}

/// The words of a block for real servers; its checks were looked at.
fn as_server(of: &'static Block, written: &Setting, made: Vec<Setting>) -> Vec<Setting> {
    let checks = of.rows().filter(|row| row.args.block().is_some()).map(|row| row.name);
    let spoken: Vec<&str> = checks.chain(["port", "resolver", "resolver_port"]).collect();
    block(of, written.settings(), made, &spoken)
}

/// What a real server comes to.
fn server_words(real: &RealServer, told: &ServerNotify, written: &Setting, above: &Setting) -> Vec<Setting> {
    let mut made = vec![
        number("weight", real.weight),
        Setting::new("lvs_method", method(real.forwarding)),
        number("uthreshold", real.upper_threshold),
        number("lthreshold", real.lower_threshold),
        switch("inhibit_on_failure", real.inhibit_on_failure),
        number("slow_start", real.slow_start.as_secs()),
        switch("smtp_alert", told.smtp_alert),
    ];
    // Defaults for the checks.
    let chain = [written.settings(), above.settings()];
    for (name, value) in [
        ("alpha", Some(Value::Switch(false))),
        ("retry", None),
        ("delay_before_retry", None),
        ("warmup", None),
        ("connect_timeout", Some(Value::Seconds(5_000_000))),
        ("delay_loop", Some(Value::Seconds(60_000_000))),
        ("virtualhost", None),
    ] {
        let found = chain.iter().find_map(|settings| find(settings, name)).map(|s| s.value.clone());
        made.extend(found.or(value).map(|value| Setting::new(name, value)));
    }
    checker::checks(real, written, &mut made);
    made
}

fn socket(address: SocketAddr) -> Value {
    Value::Options(vec![("(address)", Value::Address(address.ip())), ("(port)", Value::Number(address.port().into()))])
}

/// `slow_start` of a virtual server, which is a default for its servers alone.
fn slow_start(scheduler: Scheduler, written: &Setting) -> Value {
    let said = written.find("slow_start").filter(|_| scheduler.shares_by_weight());
    said.map_or(Value::Number(0), |said| said.value.clone())
}

/// `lvs_method` of a virtual server, which is a default for its servers alone.
fn said_method(written: &Setting) -> Value {
    let Some(said) = written.find("lvs_method") else { return method(Forwarding::Nat) };
    match (&said.value, option(&said.value, "(method)")) {
        (Value::Options(options), Some(Value::Text(kind))) if kind == "TUN" => {
            let mut options = options.clone();
            if option(&said.value, "type").is_none() {
                options.insert(1, ("type", Value::Text("ipip".to_owned())));
            }
            Value::Options(options)
        }
        (value, _) => value.clone(),
    }
}

fn method(forwarding: Forwarding) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let checksum = |checksum: TunnelChecksum| {
        let name = match checksum {
            TunnelChecksum::None => "nocsum",
            TunnelChecksum::Full => "csum",
            TunnelChecksum::Remote => "remcsum",
        };
        ("(checksum)", text(name))
    };
    Value::Options(match forwarding {
        Forwarding::Nat => vec![("(method)", text("NAT"))],
        Forwarding::Dr => vec![("(method)", text("DR"))],
        Forwarding::Tun(Tunnel::Ipip) => vec![("(method)", text("TUN")), ("type", text("ipip"))],
        Forwarding::Tun(Tunnel::Gue { port, checksum: sum }) => {
            vec![("(method)", text("TUN")), ("type", text("gue")), ("port", Value::Number(port.into())), checksum(sum)]
        }
        Forwarding::Tun(Tunnel::Gre { checksum: sum }) => {
            vec![("(method)", text("TUN")), ("type", text("gre")), checksum(sum)]
        }
    })
}
