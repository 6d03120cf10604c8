//! What the checks of a real server come to.

use super::vrrp::micros;
use super::{block, inner, number, seconds, switch, text};
use crate::keyword::{Block, ROOT};
use crate::setting::{Setting, Value, find};
use std::fmt::Write;
use std::time::Duration;
use vipd_lvs::settings::{Checker, HttpProbe, HttpVersion, Probe, RealServer, UrlProbe};

/// The longest `misc_timeout`, in seconds.
const MAX_MISC_TIMEOUT: u64 = 4294;

/// Appends every check of a server: those that run as they run, others as they are written.
pub(super) fn checks(real: &RealServer, written: &Setting, above: &Setting, made: &mut Vec<Setting>) {
    let of = inner(inner(&ROOT, "virtual_server"), "real_server");
    let mut left = real.checkers.as_slice();
    for check in written.settings() {
        let Some(words) = of.find(check.keyword).and_then(|row| row.args.block()) else { continue };
        let settings = match left.split_first() {
            Some((checker, rest)) if checker.kind() == check.keyword => {
                left = rest;
                running(checker, check, words)
            }
            _ => idle(real, check, words, written, above),
        };
        made.push(Setting { idle: check.idle, ..Setting::block(check.keyword, Value::Flag(true), settings) });
    }
}

/// A check as it runs.
fn running(checker: &Checker, written: &Setting, words: &'static Block) -> Vec<Setting> {
    if let Probe::Bfd(name) = &checker.probe {
        return block(words, written.settings(), vec![text("name", name), switch("alpha", checker.alpha)], &[]);
    }
    if let Probe::File(probe) = &checker.probe {
        let weight = Value::Weight { weight: probe.weight.into(), reverse: probe.reverse };
        let made = vec![text("track_file", &probe.file), Setting::new("weight", weight)];
        return block(words, written.settings(), made, &[]);
    }
    let mut made = vec![
        seconds("delay_loop", micros(checker.delay_loop)),
        number("retry", checker.retry),
        seconds("delay_before_retry", micros(checker.delay_before_retry)),
        seconds("warmup", micros(checker.warmup)),
        switch("alpha", checker.alpha),
    ];
    let mut spoken = vec!["bindto", "bind_port", "bind_if"];
    if words.find("connect_ip").is_some() {
        made.push(seconds("connect_timeout", micros(checker.timeout)));
        made.push(Setting::new("connect_ip", Value::Address(checker.target.ip())));
        made.push(number("connect_port", checker.target.port()));
        made.push(number("fwmark", checker.fwmark));
        if let Some(bind) = checker.bind {
            if !bind.ip().is_unspecified() {
                made.push(Setting::new("bindto", Value::Address(bind.ip())));
            }
            if bind.port() != 0 {
                made.push(number("bind_port", bind.port()));
            }
        }
        made.extend(checker.bind_device.as_ref().map(|device| text("bind_if", device)));
    }
    match &checker.probe {
        Probe::Http(http) => {
            spoken.extend(["enable_sni", "sni_name"]);
            request(http, written, words, &mut made);
        }
        Probe::Misc(misc) => {
            // What it can't say by itself it has from delay_loop.
            if misc.timeout.subsec_micros() == 0 && misc.timeout.as_secs() <= MAX_MISC_TIMEOUT {
                made.push(number("misc_timeout", misc.timeout.as_secs()));
            }
            made.push(switch("misc_dynamic", misc.dynamic));
        }
        // No words of their own, or no others.
        Probe::Tcp | Probe::Bfd(_) | Probe::File(_) => {}
    }
    block(words, written.settings(), made, &spoken)
}

fn request(http: &HttpProbe, written: &Setting, words: &'static Block, made: &mut Vec<Setting>) {
    made.push(text(
        "http_protocol",
        match http.version {
            HttpVersion::V10 => "1.0",
            HttpVersion::V10Close => "1.0C",
            HttpVersion::V11 => "1.1",
        },
    ));
    if let Some(tls) = &http.tls {
        made.push(switch("enable_sni", tls.sni.is_some()));
        made.extend(tls.sni.as_ref().map(|name| text("sni_name", name)));
    }
    let blocks = written.settings().iter().filter(|s| s.keyword == "url");
    for (probe, written) in http.urls.iter().zip(blocks) {
        let settings = block(inner(words, "url"), written.settings(), url(probe), &["virtualhost", "digest"]);
        made.push(Setting::block("url", Value::Flag(true), settings));
    }
}

fn url(probe: &UrlProbe) -> Vec<Setting> {
    let mut made = vec![text("path", &probe.path)];
    made.extend(probe.host.as_ref().map(|host| text("virtualhost", host)));
    made.extend(probe.digest.as_ref().map(|digest| {
        let mut hex = String::new();
        for byte in digest {
            let _ = write!(hex, "{byte:02x}"); // a string takes everything
        }
        text("digest", &hex)
    }));
    let range =
        |(low, high): &(u16, u16)| Value::Text(if low == high { low.to_string() } else { format!("{low}-{high}") });
    let status =
        if probe.status.is_empty() { vec![range(&(200, 299))] } else { probe.status.iter().map(range).collect() };
    made.push(Setting::new("status_code", Value::List(status)));
    made
}

/// A check that does not run yet: its own words, those it would inherit, and the defaults.
fn idle(
    real: &RealServer,
    written: &Setting,
    words: &'static Block,
    server: &Setting,
    service: &Setting,
) -> Vec<Setting> {
    let chain = [written.settings(), server.settings(), service.settings()];
    let said = |name: &str| chain.iter().find_map(|settings| find(settings, name)).map(|s| s.value.clone());
    let second = |n: u64| Value::Seconds(micros(Duration::from_secs(n)));
    let every = said("delay_loop").unwrap_or(second(60));
    let (retry, before_retry) = if written.keyword == "DNS_CHECK" { (3, every.clone()) } else { (1, second(1)) };
    let habits = [
        ("connect_ip", Some(Value::Address(real.address.ip()))),
        ("connect_port", Some(Value::Number(real.address.port().into())).filter(|_| real.address.port() != 0)),
        ("connect_timeout", said("connect_timeout").or(Some(second(5)))),
        ("retry", said("retry").or(Some(Value::Number(retry)))),
        ("delay_before_retry", said("delay_before_retry").or(Some(before_retry))),
        ("warmup", said("warmup").or(Some(every.clone()))),
        ("delay_loop", Some(every)),
        ("alpha", said("alpha").or(Some(Value::Switch(false)))),
        ("fwmark", Some(Value::Number(0))),
        ("helo_name", Some(Value::Text("smtpchecker.keepalived.org".to_owned()))),
    ];
    let mut made = Vec::new();
    for (name, value) in habits {
        let own = written.find(name).map(|s| s.value.clone());
        if words.find(name).is_some() {
            made.extend(own.or(value).map(|value| Setting::new(name, value)));
        }
    }
    block(words, written.settings(), made, &[])
}
