//! What instances, sync groups and tracked scripts come to.

use super::{block, flag, inner, number, seconds, switch, switched, text};
use crate::keyword::ROOT;
use crate::model::{Config, Notify};
use crate::setting::{Body, Secret, Setting, Value, find};
use std::time::Duration;
use vipd_vrrp::settings::{
    AddressFlag, Auth, Bearing, Checksum, DeviceKind, Garp, HeartbeatPath, Initial, Instance, IpvlanFlag, Lifetime,
    Preempt, Reach, Track, Transport, Version, VirtualAddress, VirtualDevice, virtual_mac,
};
use vipd_vrrp::units::Micros;

/// What `instance` says where it holds.
const SPOKEN: &[&str] = &[
    "interface",
    "vrf",
    "authentication",
    "unicast_peer",
    "unicast_ttl",
    "check_unicast_src",
    "unicast_src_ip",
    "mcast_src_ip",
    "mcast_dst_ip",
    "heartbeat_paths",
    "preempt_delay",
    "track_interface",
    "track_script",
    "track_file",
    "track_process",
    "track_bfd",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "use_vmac",
    "use_ipvlan",
    "garp_extra_if",
    "timer_expired_backup",
    "accept",
    "no_accept",
];

/// The lists of what is tracked.
const TRACKS: [&str; 5] = ["track_interface", "track_script", "track_file", "track_process", "track_bfd"];

/// A `vrrp_instance`.
pub(super) fn instance(config: &Config, written: &Setting, globals: &[Setting]) -> Option<Setting> {
    let Value::Text(name) = &written.value else { return None };
    let model = config.instance(name)?;
    let of = &model.vrrp;
    let strict = switched(written.settings(), "strict_mode").or(switched(globals, "vrrp_strict")).unwrap_or(false);
    let never = of.preempt == Preempt::Never;
    let mut made = vec![
        text("state", if of.initial == Initial::Master { "MASTER" } else { "BACKUP" }),
        flag("dont_track_primary", !of.track_primary),
        number("virtual_router_id", of.vrid.0.get()),
        text("version", if of.version == Version::V2 { "2" } else { "3" }),
        number("priority", of.priority.0),
        seconds("advert_int", of.advert_int.micros().0),
        flag("nopreempt", never),
        flag("preempt", !never),
        number("down_timer_adverts", of.down_timer_adverts),
        switch("lower_prio_no_advert", of.lower_prio_no_advert),
        switch("higher_prio_send_advert", of.higher_prio_send_advert),
        switch("skip_check_adv_addr", of.skip_check_adv_addr),
        switch("owner_ignore_adverts", of.owner_ignore_adverts),
        switch("v3_checksum_as_v2", of.checksum == Checksum::Plain),
        switch("strict_mode", strict),
        switch("vip_lease", of.vip_lease),
    ];
    made.extend(of.binding.interface().map(|name| text("interface", name)));
    made.extend(of.binding.vrf().map(|name| text("vrf", name)));
    if let Preempt::After(delay) = of.preempt {
        made.push(seconds("preempt_delay", delay.0));
    }
    made.extend(authentication(&of.auth));
    made.extend(of.device.as_ref().map(|device| own_device(device, of.vrid.0.get(), written)));
    made.push(flag("vmac_xmit_base", of.vmac_xmit_base));
    made.push(flag(if of.accept { "accept" } else { "no_accept" }, true));
    transport(of, &mut made);
    if !of.heartbeat_paths.is_empty() {
        made.push(Setting::lines("heartbeat_paths", Value::Flag(true), of.heartbeat_paths.iter().map(path)));
    }
    garp(&of.garp, &mut made);
    if let Some(extra) = of.garp.extra {
        let mut options = vec![("(seconds)", Value::Number((extra.every.0 / 1_000_000).into()))];
        options.extend((extra.reach == Reach::All).then_some(("all", Value::Flag(true))));
        made.push(Setting::new("garp_extra_if", Value::Options(options)));
    }
    made.extend(of.timer_expired.map(|them| number("timer_expired_backup", them.0)));
    told(&model.notify, &mut made);
    if of.witness {
        made.push(seconds("witness_timeout", micros(model.takeover.patience)));
    }
    if let Some(fence) = &model.takeover.fence {
        made.push(number("fence_timeout", fence.timeout.as_secs()));
    }
    for (keyword, addresses) in [("virtual_ipaddress", &of.addresses), ("virtual_ipaddress_excluded", &of.excluded)] {
        if !addresses.is_empty() {
            made.push(held(keyword, addresses, of, written));
        }
    }
    // What a member has from its group stands there.
    let group = config.written.iter().find(|s| {
        let members = || s.settings().iter().filter(|s| s.keyword == "group").flat_map(Setting::items);
        s.keyword == "vrrp_sync_group" && members().any(|m| m.value == Value::Text(name.clone()))
    });
    for keyword in TRACKS {
        let theirs: Vec<&str> = group.map(|group| names(group, keyword)).unwrap_or_default();
        let own: Vec<&Track> = tracks(of, keyword).filter(|t| !theirs.contains(&t.what.name())).collect();
        if !own.is_empty() {
            made.push(trackers(config, keyword, &own));
        }
    }
    let settings = block(inner(&ROOT, "vrrp_instance"), written.settings(), made, SPOKEN);
    Some(Setting::block("vrrp_instance", written.value.clone(), settings))
}

/// A `vrrp_sync_group`; `None` if it has no members.
pub(super) fn group(config: &Config, written: &Setting) -> Option<Setting> {
    let model = config.groups.iter().find(|g| written.value == Value::Text(g.vrrp.name.clone()))?;
    let mut made =
        vec![Setting::lines("group", Value::Flag(true), model.vrrp.members.iter().cloned().map(Value::Text))];
    told(&model.notify, &mut made);
    for keyword in TRACKS {
        let names = names(written, keyword);
        let members = model.vrrp.members.iter().filter_map(|name| config.instance(name));
        let members: Vec<&Track> = members.flat_map(|i| tracks(&i.vrrp, keyword)).collect();
        let of = |name: &&str| members.iter().find(|t| t.what.name() == *name).copied();
        let tracked: Vec<&Track> = names.iter().filter_map(of).collect();
        // What no member can weigh is as it is written.
        if tracked.len() == names.len() && !names.is_empty() {
            made.push(trackers(config, keyword, &tracked));
        }
    }
    let settings = block(inner(&ROOT, "vrrp_sync_group"), written.settings(), made, &[]);
    Some(Setting::block("vrrp_sync_group", written.value.clone(), settings))
}

/// A `vrrp_script`; `None` if nothing tracks it.
pub(super) fn script(config: &Config, written: &Setting) -> Option<Setting> {
    let model = config.scripts.iter().find(|s| written.value == Value::Text(s.vrrp.name.clone()))?;
    let made = vec![
        seconds("interval", micros(model.interval)),
        seconds("timeout", micros(model.timeout)),
        number("rise", model.vrrp.rise),
        number("fall", model.vrrp.fall),
        flag("init_fail", model.vrrp.init_fail),
    ];
    let settings = block(inner(&ROOT, "vrrp_script"), written.settings(), made, &[]);
    Some(Setting::block("vrrp_script", written.value.clone(), settings))
}

/// A time of the model.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn told(notify: &Notify, made: &mut Vec<Setting>) {
    made.push(switch("smtp_alert", notify.smtp_alert));
    made.push(switch("notify_priority_changes", notify.priority_changes));
}

fn authentication(auth: &Auth) -> Option<Setting> {
    let (kind, key) = match auth {
        Auth::None | Auth::Hmac(_) => return None, // that block is as it was written
        Auth::Pass(key) => ("PASS", key),
        Auth::Ah(key) => ("AH", key),
    };
    let key = String::from_utf8_lossy(key).trim_end_matches('\0').to_owned();
    let settings = vec![text("auth_type", kind), Setting::new("auth_pass", Value::Secret(Secret(key)))];
    Some(Setting::block("authentication", Value::Flag(true), settings))
}

fn transport(of: &Instance, made: &mut Vec<Setting>) {
    let source = of.source.map(Value::Address);
    match &of.transport {
        Transport::Multicast { group } => {
            made.push(Setting::new("mcast_dst_ip", Value::Address(*group)));
            made.extend(source.map(|source| Setting::new("mcast_src_ip", source)));
        }
        Transport::Unicast { peers, ttl, check_source } => {
            let peer = |peer: &vipd_vrrp::settings::Peer| {
                let limits = [("min_ttl", peer.min_ttl), ("max_ttl", peer.max_ttl)];
                let limits = limits.into_iter().filter_map(|(name, ttl)| Some((name, Value::Number(ttl?.into()))));
                Value::Options(std::iter::once(("(address)", Value::Address(peer.address))).chain(limits).collect())
            };
            made.push(Setting::lines("unicast_peer", Value::Flag(true), peers.iter().map(peer)));
            made.push(number("unicast_ttl", *ttl));
            made.push(flag("check_unicast_src", *check_source));
            made.extend(source.map(|source| Setting::new("unicast_src_ip", source)));
        }
    }
}

/// A line of `heartbeat_paths`.
fn path(path: &HeartbeatPath) -> Value {
    let mut options = vec![("(interface)", Value::Text(path.interface.clone()))];
    options.extend(path.source.map(|source| ("src", Value::Address(source))));
    if let Transport::Unicast { peers, .. } = &path.transport {
        options.extend(peers.iter().map(|peer| ("peer", Value::Address(peer.address))));
    }
    Value::Options(options)
}

fn garp(garp: &Garp, made: &mut Vec<Setting>) {
    let whole = |time: Micros| time.0 / 1_000_000;
    made.extend([
        number("garp_master_delay", whole(garp.master_delay)),
        number("garp_master_repeat", garp.master_repeat),
        number("garp_master_refresh", whole(garp.refresh)),
        number("garp_master_refresh_repeat", garp.refresh_repeat),
        number("garp_lower_prio_delay", whole(garp.lower_prio_delay)),
    ]);
    // More than it takes by itself it has from garp_master_repeat.
    if i32::try_from(garp.lower_prio_repeat).is_ok() {
        made.push(number("garp_lower_prio_repeat", garp.lower_prio_repeat));
    }
}

/// Addresses, each with what its line says beyond what is acted on.
fn held(keyword: &'static str, addresses: &[VirtualAddress], of: &Instance, written: &Setting) -> Setting {
    let blocks = written.settings().iter().filter(|s| s.keyword.starts_with("virtual_ipaddress"));
    let lines: Vec<&Setting> = blocks.flat_map(Setting::items).collect();
    let line = |address: &VirtualAddress| {
        let place = Value::Network(address.address, address.prefix);
        // What is made by itself has no name in the language: its base has.
        let made = of.more_devices.iter().find(|device| device.name == address.device);
        let device = made.map_or(&address.device, |device| &device.base);
        let mut options = vec![("(address)", place.clone()), ("dev", Value::Text(device.clone()))];
        options.push(("scope", scope(address.scope)));
        options.extend(address.broadcast.map(|ip| ("broadcast", Value::Address(ip.into()))));
        options.extend(address.label.clone().map(|label| ("label", Value::Text(label))));
        options.extend(address.peer.map(|ip| ("peer", Value::Address(ip))));
        options.push(("preferred_lft", lifetime(address.preferred)));
        options.extend(address.flags.iter().map(|flag| (flag_word(*flag), Value::Flag(true))));
        let mut idle = None;
        let same = |line: &&&Setting| match &line.value {
            Value::Options(said) => {
                let said_of = |name| said.iter().find(|(n, _)| *n == name).map(|(_, value)| value);
                let device = Value::Text(device.clone());
                said_of("(address)") == Some(&place) && said_of("dev").is_none_or(|d| *d == device)
            }
            _ => false,
        };
        if let Some(line) = lines.iter().find(same) {
            idle = line.idle;
            if let Value::Options(said) = &line.value {
                let acted = [
                    "(address)",
                    "dev",
                    "scope",
                    "broadcast",
                    "brd",
                    "label",
                    "peer",
                    "preferred_lft",
                    "-nodad",
                    "home",
                    "mngtmpaddr",
                    "noprefixroute",
                    "autojoin",
                    "no_track",
                ];
                options.extend(said.iter().filter(|(name, _)| !acted.contains(name)).cloned());
            }
        }
        Setting { idle, ..Setting::new("", Value::Options(options)) }
    };
    let lines = addresses.iter().map(line).collect();
    Setting { body: Body::Lines(lines), ..Setting::new(keyword, Value::Flag(true)) }
}

/// What an instance runs on, with the name and the address that it got.
fn own_device(device: &VirtualDevice, vrid: u8, written: &Setting) -> Setting {
    let mut options = vec![("name", Value::Text(device.name.clone()))];
    let keyword = match &device.kind {
        DeviceKind::Macvlan { mac } => {
            let text = mac.map(|octet| format!("{octet:02x}")).join(":");
            options.extend((*mac != virtual_mac(device.family, vrid)).then_some(("(mac)", Value::Text(text))));
            "use_vmac"
        }
        DeviceKind::Ipvlan { flag, address } => {
            options.extend(address.map(|(address, prefix)| ("(address)", Value::Network(address, prefix))));
            let word = match flag {
                IpvlanFlag::Bridge => "bridge",
                IpvlanFlag::Private => "private",
                IpvlanFlag::Vepa => "vepa",
            };
            options.push((word, Value::Flag(true)));
            "use_ipvlan"
        }
    };
    options.extend(device.group.map(|group| ("group", Value::Text(group.to_string()))));
    Setting { idle: written.find(keyword).and_then(|s| s.idle), ..Setting::new(keyword, Value::Options(options)) }
}

fn flag_word(flag: AddressFlag) -> &'static str {
    match flag {
        AddressFlag::Dad => "-nodad",
        AddressFlag::Home => "home",
        AddressFlag::ManageTemporary => "mngtmpaddr",
        AddressFlag::NoPrefixRoute => "noprefixroute",
        AddressFlag::AutoJoin => "autojoin",
        AddressFlag::LetGo => "no_track",
    }
}

fn lifetime(lifetime: Lifetime) -> Value {
    match lifetime {
        Lifetime::Forever => Value::Text("forever".to_owned()),
        Lifetime::Secs(seconds) => Value::Number(seconds.into()),
    }
}

fn scope(scope: u8) -> Value {
    match crate::lower::SCOPES.iter().find(|(_, number)| *number == scope) {
        Some((name, _)) => Value::Text((*name).to_owned()),
        None => Value::Number(scope.into()),
    }
}

/// The blocks whose names stand in a list.
fn block_of(list: &str) -> &'static str {
    match list {
        "track_script" => "vrrp_script",
        "track_process" => "vrrp_track_process",
        "track_bfd" => "bfd_instance",
        _ => "track_file",
    }
}

/// What a `bfd_instance` or a `vrrp_track_process` has from its other words.
pub(super) fn derived(config: &Config, written: &Setting) -> Vec<Setting> {
    if written.keyword == "bfd_instance" {
        let session = config.bfd.iter().find(|s| written.value == Value::Text(s.name.clone()));
        return session.map(|s| vec![number("ttl", s.ttl), number("max_hops", s.max_hops)]).unwrap_or_default();
    }
    let delay = |name: &'static str| {
        let said = written.find(name).or(written.find("delay")).map(|s| s.value.clone());
        Setting::new(name, said.unwrap_or(Value::Seconds(0)))
    };
    // Where both are 0 there is no way to say so: a delay is more than nothing.
    ["terminate_delay", "fork_delay"].map(delay).into_iter().filter(|s| s.value != Value::Seconds(0)).collect()
}

/// `static_ipaddress`, with what lines leave to the defaults.
pub(super) fn stays(written: &Setting, globals: &[Setting]) -> Setting {
    let mut setting = written.clone();
    let device = find(globals, "default_interface").map_or(Value::Text("eth0".to_owned()), |s| s.value.clone());
    if let Body::Lines(lines) = &mut setting.body {
        for line in lines {
            let Value::Options(options) = &mut line.value else { continue };
            let Some((_, Value::Network(address, length))) = options.first().cloned() else { continue };
            if !options.iter().any(|(name, _)| *name == "dev") {
                options.insert(1, ("dev", device.clone()));
            }
            if !options.iter().any(|(name, _)| *name == "scope") {
                options.insert(2, ("scope", scope(0)));
            }
            for (name, value) in options {
                if let ("brd" | "broadcast", Value::Text(sign)) = (*name, &*value) {
                    let ip = crate::lower::host_bits(address, length, sign);
                    *value = ip.map_or(value.clone(), |ip| Value::Address(ip.into()));
                }
            }
        }
    }
    setting
}

/// `interface_up_down_delays`, as the peers' patience lets them be.
pub(super) fn delays(config: &Config, written: &Setting) -> Setting {
    let mut setting = written.clone();
    if let Body::Lines(lines) = &mut setting.body {
        for line in lines {
            let Value::Options(options) = &mut line.value else { continue };
            let Some((_, Value::Text(name))) = options.first() else { continue };
            let interface = config.interfaces.get(name).cloned().unwrap_or_default();
            let micros = |delay: Duration| Value::Seconds(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX));
            options.truncate(1);
            let down = interface.down_delay.unwrap_or_default();
            options.extend([("(down)", micros(down)), ("(up)", micros(interface.up_delay))]);
        }
    }
    setting
}

/// What an instance tracks by this keyword.
fn tracks<'a>(of: &'a Instance, keyword: &'a str) -> impl Iterator<Item = &'a Track> {
    of.tracks.iter().filter(move |t| t.what.keyword() == keyword)
}

/// The names of what a block tracks.
fn names<'a>(written: &'a Setting, keyword: &str) -> Vec<&'a str> {
    let lines = written.settings().iter().filter(|s| s.keyword == keyword).flat_map(Setting::items);
    let name = |line: &'a Setting| match &line.value {
        Value::Options(options) => match options.first() {
            Some((_, Value::Text(name))) => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    };
    lines.filter_map(name).collect()
}

fn trackers(config: &Config, keyword: &'static str, tracked: &[&Track]) -> Setting {
    let line = |track: &&Track| {
        let (weight, reverse) = match track.bearing {
            Bearing::Fault { reverse } => (0, reverse),
            Bearing::Weight { weight, reverse } => (weight, reverse),
        };
        let first = if keyword == "track_interface" { "(interface)" } else { "(name)" };
        let mut options =
            vec![(first, Value::Text(track.what.name().to_owned())), ("weight", Value::Number(weight.into()))];
        if reverse {
            options.push(("reverse", Value::Flag(true)));
        } else if keyword != "track_interface" && reverses(config, block_of(keyword), track.what.name()) {
            options.push(("noreverse", Value::Flag(true)));
        }
        Value::Options(options)
    };
    Setting::lines(keyword, Value::Flag(true), tracked.iter().map(line))
}

/// Whether a block is tracked with `reverse` unless told otherwise.
fn reverses(config: &Config, block: &str, name: &str) -> bool {
    let named = |s: &&Setting| s.keyword == block && s.value == Value::Text(name.to_owned());
    let weight = config.written.iter().find(named).and_then(|s| find(s.settings(), "weight"));
    matches!(weight.map(|w| &w.value), Some(Value::Weight { reverse: true, .. }))
}
