//! What the checks of a real server come to.

use super::vrrp::micros;
use super::{block, flag, inner, number, seconds, switch, text};
use crate::keyword::{Block, ROOT};
use crate::setting::{Setting, Value};
use std::fmt::Write;
use vipd_lvs::settings::{
    Authorities, Checker, HttpProbe, HttpVersion, Probe, RealServer, Sni, TlsProbe, UdpProbe, UdpReply, UrlProbe,
};

/// Words of a URL that are there only where they say something.
const SPOKEN: [&str; 8] = [
    "tls_compliant",
    "virtualhost",
    "digest",
    "regex",
    "regex_no_match",
    "regex_options",
    "regex_min_offset",
    "regex_max_offset",
];

/// The longest `misc_timeout`, in seconds.
const MAX_MISC_TIMEOUT: u64 = 4294;

/// Appends every check of a server, but for those that are ignored.
pub(super) fn checks(real: &RealServer, written: &Setting, made: &mut Vec<Setting>) {
    let of = inner(inner(&ROOT, "virtual_server"), "real_server");
    let mut left = real.checkers.as_slice();
    for check in written.settings() {
        let Some(words) = of.find(check.keyword).and_then(|row| row.args.block()) else { continue };
        let Some((checker, rest)) = left.split_first().filter(|(checker, _)| checker.kind() == check.keyword) else {
            continue;
        };
        // Each `host` of an SMTP_CHECK is a check of its own; what they have in common is the block's.
        let hosts = check.settings().iter().filter(|s| s.keyword == "host").count();
        left = rest.get(hosts.saturating_sub(1)..).unwrap_or_default();
        let settings = running(checker, check, words);
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
        switch("log_all_failures", checker.log_all_failures),
    ];
    let mut spoken = vec!["bindto", "bind_port", "bind_if"];
    if words.find("connect_ip").is_some() {
        made.push(seconds("connect_timeout", micros(checker.timeout)));
        // Where servers are found each has an address of its own.
        if !checker.target.ip().is_unspecified() {
            made.push(Setting::new("connect_ip", Value::Address(checker.target.ip())));
        }
        if checker.target.port() != 0 {
            made.push(number("connect_port", checker.target.port()));
        }
        made.push(number("fwmark", checker.fwmark));
        if words.find("reset_close").is_some() {
            made.push(switch("reset_close", checker.reset_close));
        }
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
        Probe::Smtp(name) => {
            if written.find("host").is_some() {
                // What their own blocks say is theirs.
                made.retain(|made| !matches!(made.keyword, "connect_ip" | "connect_port"));
            }
            made.push(text("helo_name", name));
        }
        Probe::Dns(asked) => {
            made.push(text("type", asked.kind.name()));
            if !asked.name.is_empty() {
                made.push(text("name", &asked.name));
            }
        }
        Probe::Udp(probe) => datagram(probe, &mut made),
        Probe::Agent(said) => {
            spoken.push("agent_send");
            if !said.is_empty() {
                made.push(text("agent_send", said));
            }
        }
        Probe::Grpc(probe) => {
            spoken.extend(["service", "virtualhost", "enable_sni", "sni_name"]);
            if !probe.service.is_empty() {
                made.push(text("service", &probe.service));
            }
            made.extend(probe.host.as_ref().map(|host| text("virtualhost", host)));
            made.push(switch("enable_tls", probe.tls.is_some()));
            if let Some(settings) = &probe.tls {
                tls(settings, &mut made);
            }
        }
        // No words of their own, or no others.
        Probe::Tcp | Probe::Ping | Probe::Bfd(_) | Probe::File(_) => {}
    }
    block(words, written.settings(), made, &spoken)
}

fn datagram(probe: &UdpProbe, made: &mut Vec<Setting>) {
    made.extend(probe.payload.as_ref().map(|payload| text("payload", &digits(payload, &vec![u8::MAX; payload.len()]))));
    match &probe.reply {
        UdpReply::Optional => {}
        UdpReply::Any => made.push(text("require_reply", "")),
        UdpReply::Like { bytes, mask, min, max } => {
            made.push(text("require_reply", &digits(bytes, mask)));
            made.push(number("min_reply_length", *min));
            made.push(number("max_reply_length", *max));
        }
    }
}

/// Hexadecimal digits, `x` for those that don't count.
fn digits(bytes: &[u8], mask: &[u8]) -> String {
    let mut hex = String::new();
    for (byte, mask) in bytes.iter().zip(mask) {
        for (digit, counts) in [(byte >> 4, mask >> 4), (byte & 15, mask & 15)] {
            let _ = if counts == 0 { hex.write_char('x') } else { write!(hex, "{digit:x}") }; // a string takes everything
        }
    }
    hex
}

fn request(http: &HttpProbe, written: &Setting, words: &'static Block, made: &mut Vec<Setting>) {
    made.push(text(
        "http_protocol",
        match http.version {
            HttpVersion::V10 => "1.0",
            HttpVersion::V10Close => "1.0C",
            HttpVersion::V11 => "1.1",
            HttpVersion::V2 => "2",
        },
    ));
    if let Some(settings) = &http.tls {
        tls(settings, made);
    }
    let blocks = written.settings().iter().filter(|s| s.keyword == "url");
    for (probe, written) in http.urls.iter().zip(blocks) {
        let mut made_url = url(probe);
        if http.tls.is_some() {
            made_url.push(switch("tls_compliant", probe.close_notify));
        }
        let settings = block(inner(words, "url"), written.settings(), made_url, &SPOKEN);
        made.push(Setting::block("url", Value::Flag(true), settings));
    }
}

fn tls(tls: &TlsProbe, made: &mut Vec<Setting>) {
    made.push(switch("enable_sni", tls.sni != Sni::Nothing));
    if let Sni::Name(name) = &tls.sni {
        made.push(text("sni_name", name));
    }
    made.extend(tls.verify.as_ref().map(|authorities| match authorities {
        Authorities::Usual => flag("tls_verify", true),
        Authorities::File(file) => text("tls_verify", file),
    }));
    made.extend(tls.expiry_warning.map(|days| number("tls_expiry_warning", days)));
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
    if let Some(pattern) = &probe.pattern {
        made.push(Setting::new("regex", Value::Pattern(pattern.regex.clone())));
        made.push(flag("regex_no_match", pattern.absent));
        if !pattern.options.is_empty() {
            let names = pattern.options.iter().map(|option| Value::Text(option.name().to_owned()));
            made.push(Setting::new("regex_options", Value::List(names.collect())));
        }
        made.push(number("regex_min_offset", pattern.min_offset));
        made.extend(pattern.max_offset.map(|offset| number("regex_max_offset", offset)));
    }
    made
}
