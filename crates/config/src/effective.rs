//! What a file means, in the configuration's own words: everything expanded and inherited, with the value in force where
//! the file says nothing. What no role acts on yet is as it is written.
//!
//! Each block comes from three places, the first that knows a keyword counts: what the lowering made of the block, the
//! block as it is written, and the default that the keyword table names.

mod checker;
mod lvs;
mod vrrp;

use crate::keyword::{Args, Block, Keyword, ROOT, Standing};
use crate::model::Config;
use crate::setting::{Body, Setting, Value, find};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The whole configuration as it is in force.
pub fn effective(config: &Config) -> Vec<Setting> {
    let globals: Vec<Setting> = config
        .written
        .iter()
        .rev()
        .filter(|s| s.keyword == "global_defs")
        .flat_map(|s| s.settings().to_vec())
        .collect();
    let mut services = lvs::Services::new(config);
    let mut out = vec![Setting::block("global_defs", Value::Flag(true), global(config, &globals))];
    for setting in &config.written {
        match setting.keyword {
            "global_defs" => {}
            "net_namespace" => {
                let name = config.global.net_namespace.clone().map(Value::Text);
                out.extend(name.map(|name| Setting::new("net_namespace", name)));
            }
            "vrrp_instance" => out.extend(vrrp::instance(config, setting, &globals)),
            "vrrp_sync_group" => out.extend(vrrp::group(config, setting)),
            "vrrp_script" => out.extend(vrrp::script(config, setting)),
            "virtual_server" => out.extend(services.next(setting)),
            "bfd_instance" | "vrrp_track_process" => {
                let of = inner(&ROOT, setting.keyword);
                let settings = block(of, setting.settings(), vrrp::derived(config, setting), &["delay"]);
                out.push(Setting { body: Body::Block(settings), ..setting.clone() });
            }
            "interface_up_down_delays" => out.push(vrrp::delays(config, setting)),
            "static_ipaddress" => out.push(vrrp::stays(setting, &globals)),
            _ => out.extend(beyond(&ROOT, setting)),
        }
    }
    out
}

/// `global_defs`. `written` has the words that count first.
fn global(config: &Config, written: &[Setting]) -> Vec<Setting> {
    let global = &config.global;
    let text = |name, text: &str| Setting::new(name, Value::Text(text.to_owned()));
    let mut made = vec![text("router_id", &global.router_id)];
    if let Some(mail) = &global.mail {
        made.push(Setting::lines("notification_email", Value::Flag(true), mail.to.iter().cloned().map(Value::Text)));
        made.push(text("notification_email_from", &mail.from));
        let host = find(written, "smtp_server").and_then(|s| match &s.value {
            Value::Options(options) => options.first().map(|(_, host)| host.clone()),
            _ => None,
        });
        let host = host.unwrap_or(Value::Address(mail.server.ip()));
        let server = vec![("(host)", host), ("(port)", Value::Number(mail.server.port().into()))];
        made.push(Setting::new("smtp_server", Value::Options(server)));
        let timeout = i128::from(mail.connect_timeout.as_secs());
        made.push(Setting::new("smtp_connect_timeout", Value::Number(timeout)));
    }
    let groups = [
        ("vrrp_mcast_group4", Ipv4Addr::new(224, 0, 0, 18).into()),
        ("vrrp_mcast_group6", Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into()),
    ];
    for (name, usual) in groups {
        let said = find(written, name).map(|s| s.value.clone());
        made.push(Setting::new(name, said.unwrap_or(Value::Address(usual))));
    }
    if switched(written, "vrrp_min_garp") == Some(true) {
        for (name, least) in [("vrrp_garp_master_repeat", 1), ("vrrp_garp_master_delay", 0)] {
            if find(written, name).is_none() {
                made.push(Setting::new(name, Value::Number(least)));
            }
        }
    }
    made.push(Setting::new("lvs_flush", Value::Flag(global.lvs_flush)));
    // Nothing is included any more.
    block(inner(&ROOT, "global_defs"), written, made, &["include_check"])
}

/// Everything that holds in a block. `spoken` are keywords that `made` would have if they held.
fn block(of: &'static Block, written: &[Setting], made: Vec<Setting>, spoken: &[&str]) -> Vec<Setting> {
    let known = |list: &[Setting], name: &str| find(list, name).is_some() || spoken.contains(&name);
    let mut out = made;
    let more: Vec<Setting> = written.iter().filter(|s| !known(&out, s.keyword)).filter_map(|s| beyond(of, s)).collect();
    out.extend(more);
    let missing: Vec<Setting> = of.rows().filter(|row| !known(&out, row.name)).filter_map(default).collect();
    out.extend(missing);
    // In the order of the table; blocks come last and keep theirs, which is that of checks.
    let place = |setting: &Setting| match setting.body {
        Body::None => of.rows().position(|row| row.name == setting.keyword),
        Body::Block(_) | Body::Lines(_) => Some(usize::MAX),
    };
    out.sort_by_key(place);
    out
}

/// A keyword that the lowering has no place for, as it is written; the defaults of its block are filled in. `None` if it is
/// of no use.
fn beyond(of: &'static Block, setting: &Setting) -> Option<Setting> {
    let row = of.find(setting.keyword)?;
    if matches!(row.standing, Standing::Obsolete(_)) {
        return None;
    }
    let body = match (&setting.body, row.args.block()) {
        (Body::Block(settings), Some(inner)) => Body::Block(block(inner, settings, Vec::new(), &[])),
        (body, _) => body.clone(),
    };
    Some(Setting { body, ..setting.clone() })
}

/// What holds without a keyword, if the table says so in a word.
fn default(row: &'static Keyword) -> Option<Setting> {
    let acts = row.standing == Standing::Acts;
    // `0 (off)`
    let says = row.default.split_once(" (").map_or(row.default, |(value, _)| value);
    let micros = |unit: u64| Some(says.parse::<u64>().ok()?.saturating_mul(unit));
    let value = match row.args {
        Args::Flag => Value::Flag(on_or_off(says)?),
        Args::Switch => Value::Switch(on_or_off(says)?),
        Args::Int(low, high) => Value::Number(says.parse::<i64>().ok().filter(|n| (low..=high).contains(n))?.into()),
        Args::Seconds(low, high) => Value::Seconds(micros(1_000_000).filter(|n| (low..=high).contains(n))?),
        Args::Millis(..) => Value::Millis(micros(1_000)?),
        Args::Weight(..) => Value::Weight { weight: says.parse().ok()?, reverse: false },
        Args::OneOf(set) | Args::OneOfIgnoreCase(set) if set.contains(&says) => Value::Text(says.to_owned()),
        _ => return None,
    };
    acts.then(|| Setting::new(row.name, value))
}

fn on_or_off(says: &str) -> Option<bool> {
    match says {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// The block of a keyword.
fn inner(outer: &'static Block, keyword: &str) -> &'static Block {
    outer.find(keyword).and_then(|row| row.args.block()).unwrap_or(outer)
}

/// Whether a flag or switch is on, if it is there.
fn switched(settings: &[Setting], keyword: &str) -> Option<bool> {
    match find(settings, keyword)?.value {
        Value::Flag(on) | Value::Switch(on) => Some(on),
        _ => None,
    }
}

fn switch(keyword: &'static str, on: bool) -> Setting {
    Setting::new(keyword, Value::Switch(on))
}

fn flag(keyword: &'static str, on: bool) -> Setting {
    Setting::new(keyword, Value::Flag(on))
}

fn number(keyword: &'static str, number: impl Into<i128>) -> Setting {
    Setting::new(keyword, Value::Number(number.into()))
}

fn text(keyword: &'static str, text: &str) -> Setting {
    Setting::new(keyword, Value::Text(text.to_owned()))
}

fn seconds(keyword: &'static str, micros: u64) -> Setting {
    Setting::new(keyword, Value::Seconds(micros))
}
