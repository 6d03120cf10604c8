//! Every word of the language: each row of `keywords.tsv` (facts about keepalived 2.4.3) is a row of the table, is accepted
//! with what its row says it takes, refused with what it doesn't, and documented.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use std::collections::{BTreeMap, BTreeSet};
use vipd_config::diag::Level;
use vipd_config::keyword::{Args, Entry, Family, Form, Keyword, Standing, walk};
use vipd_config::{Options, Strictness, Written, load_str};
use vipd_vrrp::settings::Auth;

/// What stands around the words of a block so that a line of it can be judged; `%` is the line.
fn around(path: &str) -> String {
    for (from, name) in [("servers_from_file", "/etc/vipd/servers"), ("servers_from_dns", "example.org")] {
        if path.contains(from) {
            // As inside a real server, but for what is asked.
            let more = if from == "servers_from_dns" { "\nresolver 192.0.2.97" } else { "" };
            let server = around(&path.replace(from, "real_server"));
            return server.replace("real_server 192.0.2.2 80 {", &format!("{from} {name} {{{more}"));
        }
    }
    let instance = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n192.0.2.1\n}\n%\n}";
    let service = "virtual_server 192.0.2.1 80 {\nsorry_server 192.0.2.98 80\n%\nreal_server 192.0.2.2 80 {\nTCP_CHECK {\n}\n}\n}";
    let server = "virtual_server 192.0.2.1 80 {\nreal_server 192.0.2.2 80 {\n%\n}\n}";
    let defined = "track_file F {\nfile /tmp/x\n}\nvrrp_script S {\nscript /bin/true\n}\n\
                   vrrp_track_process P {\nprocess x\n}\nbfd_instance B {\nneighbor_ip 192.0.2.3\n}\n\
                   bfd_instance word {\nneighbor_ip 192.0.2.5\n}\n\
                   track_file word {\nfile /tmp/y\n}\n\
                   track_group word {\ngroup {\nV\n}\n}\n";
    let inside = |outer: &str, block: &str| outer.replace('%', &format!("{block} {{\n%\n}}"));
    let text = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", ""] => "%".to_owned(),
        ["vrrp_instance", "auth_hmac"] => {
            let key = "k".repeat(32);
            let keys = [1, 2, 255].map(|id| format!("key {id} {key}\n")).concat();
            instance.replace('%', &format!("auth_hmac {{\n{keys}active_key 2\n%\n}}"))
        }
        ["vrrp_instance", rest @ ..] => rest.iter().fold(instance.to_owned(), |text, block| inside(&text, block)),
        ["virtual_server", "real_server", "HTTP_GET" | "SSL_GET"] => {
            let checker = path.rsplit('/').next().unwrap();
            server.replace('%', &format!("{checker} {{\nurl {{\npath /\n}}\n%\n}}"))
        }
        ["virtual_server", "real_server", checker @ ("HTTP_GET" | "SSL_GET"), "url"] => {
            server.replace('%', &format!("{checker} {{\nurl {{\npath /\n%\n}}\n}}"))
        }
        ["virtual_server", "real_server", "AGENT_CHECK"] => {
            server.replace('%', "AGENT_CHECK {\nconnect_port 9999\n%\n}")
        }
        ["virtual_server", "real_server", "MISC_CHECK"] => {
            server.replace('%', "MISC_CHECK {\nmisc_path /bin/true\n%\n}")
        }
        ["virtual_server", "real_server", "FILE_CHECK"] => server.replace('%', "FILE_CHECK {\ntrack_file F\n%\n}"),
        ["virtual_server", "real_server", "BFD_CHECK"] => server.replace('%', "BFD_CHECK {\nname B\n%\n}"),
        ["virtual_server", "real_server", rest @ ..] => {
            rest.iter().fold(server.to_owned(), |text, block| inside(&text, block))
        }
        ["virtual_server", rest @ ..] => rest.iter().fold(service.to_owned(), |text, block| inside(&text, block)),
        ["vrrp_sync_group", rest @ ..] => {
            let group = format!("{}\nvrrp_sync_group G {{\ngroup {{\nV\n}}\n%\n}}", instance.replace('%', ""));
            rest.iter().fold(group, |text, block| inside(&text, block))
        }
        ["vrrp_script"] => "vrrp_script X {\nscript /bin/true\n%\n}".to_owned(),
        ["vrrp_track_process"] => "vrrp_track_process X {\nprocess x\n%\n}".to_owned(),
        ["track_file" | "vrrp_track_file"] => "track_file X {\nfile /tmp/x\n%\n}".to_owned(),
        ["bfd_instance"] => "bfd_instance X {\nneighbor_ip 192.0.2.4\n%\n}".to_owned(),
        ["track_group", rest @ ..] => {
            rest.iter().fold("track_group X {\n%\n}".to_owned(), |t, block| inside(&t, block))
        }
        ["virtual_server_group"] => "virtual_server_group X {\n192.0.2.77 80\n%\n}".to_owned(),
        blocks => blocks.iter().fold("%".to_owned(), |text, block| inside(&text, block)),
    };
    format!("{defined}{text}\n")
}

/// Words that a row takes and words that it does not, each as it stands behind the keyword.
type Examples = (Vec<String>, Vec<String>);

fn several(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

/// What the type of a row alone says.
fn by_type(args: Args) -> Option<Examples> {
    let numbers = |low: i64, high: i64| {
        let good = vec![low.to_string(), high.to_string()];
        let bad = vec![(i128::from(low) - 1).to_string(), (i128::from(high) + 1).to_string(), "12abc".to_owned()];
        (good, bad)
    };
    let timers = |low: u64, high: u64, scale: u64, decimals: usize| {
        let shown = |n: u64| format!("{}.{:0decimals$}", n / scale, n % scale);
        let mut bad = vec![shown(high + scale), "5s".to_owned(), "-1".to_owned()];
        if low > 0 {
            bad.push(shown(low - 1));
        }
        (vec![shown(low), shown(high)], bad)
    };
    Some(match args {
        Args::Flag => (several(&[""]), vec![]),
        Args::Switch => (several(&["", "on", "off", "true", "false", "yes", "no"]), several(&["maybe", "ON"])),
        Args::Int(low, high) => numbers(low, high),
        Args::OptInt(low, high) => {
            let (mut good, bad) = numbers(low, high);
            good.push(String::new());
            (good, bad)
        }
        Args::Seconds(low, high) => timers(low, high, 1_000_000, 6),
        Args::Millis(low, high) => timers(low * 1000, high * 1000, 1000, 3),
        Args::Weight(low, high) => {
            let (mut good, mut bad) = numbers(low, high);
            good.push("1 reverse".to_owned());
            bad.push("1 sideways".to_owned());
            (good, bad)
        }
        Args::Device => (several(&["eth0"]), several(&["a-name-of-16-byte", "a/b"])),
        Args::EachOf(set) => (vec![set.join(" "), set[0].to_owned()], several(&["nonsense", "x y"])),
        Args::OneOf(set) => (several(set), several(&["nonsense"])),
        Args::OptOneOf(set) => (several(set).into_iter().chain([String::new()]).collect(), several(&["nonsense"])),
        Args::OneOfIgnoreCase(set) => {
            (set.iter().flat_map(|s| [(*s).to_owned(), s.to_lowercase()]).collect(), several(&["nonsense"]))
        }
        Args::Ip(Family::V4) => (several(&["192.0.2.9"]), several(&["2001:db8::9", "192.0.2.", "x"])),
        Args::Ip(Family::V6) => (several(&["2001:db8::9"]), several(&["192.0.2.9", "2001:db8:::9"])),
        Args::Ip(Family::Any) => (several(&["192.0.2.9"]), several(&["192.0.2.256", "x"])),
        Args::Prefix => (several(&["192.0.2.0/24", "default"]), several(&["192.0.2.0/33", "192.168.1./24"])),
        Args::Script => (several(&["/bin/true", "\"/bin/true 'a b'\" root root"]), several(&["", "\"\""])),
        Args::OptScript => (several(&["/bin/true", ""]), several(&["\"\""])),
        Args::Program => (several(&["/bin/true", "\"/bin/true x\""]), several(&["", "\"\""])),
        Args::Regex => (several(&["\"a.*b\"", "a\\\\.b"]), several(&["", "a(b", "a b"])),
        Args::User => (several(&["root", "root root"]), several(&["", "no-such-user-here"])),
        Args::Ints(most, low, high) => (vec![low.to_string(), format!("{low} {high}")], {
            let _ = most;
            vec![(high + 1).to_string(), "x".to_owned(), String::new()]
        }),
        Args::Names(most, bytes) => {
            let names: Vec<String> = (0..most).map(|n| format!("n{n}")).collect();
            let mut bad = vec!["x".repeat(bytes + 1)];
            if most > 1 {
                bad.push("same same".to_owned());
            }
            (vec![String::new(), names.join(" "), "x".repeat(bytes)], bad)
        }
        Args::Mask(bits) => (vec!["022".to_owned(), "18".to_owned(), bits.join("|")], several(&["01000", "IXALL", ""])),
        Args::Hex => (several(&["0a 0b", "0a0b"]), several(&["0g", "x1", ""])),
        Args::HexPattern => (several(&["", "0a xB"]), several(&["0g"])),
        Args::Form(form) => by_form(form),
        Args::OptForm(form) => {
            let (mut good, bad) = by_form(form);
            good.push(String::new());
            (good, bad)
        }
        Args::Word | Args::OptWord | Args::Secret => return None,
        Args::Words(..)
        | Args::Options(_)
        | Args::Key
        | Args::Custom
        | Args::Block(_)
        | Args::NamedBlock(_)
        | Args::HeadedBlock(_)
        | Args::Lines(_)
        | Args::NamedLines(_) => return None,
    })
}

fn by_form(form: Form) -> Examples {
    let most_plus = |most: u64| (u128::from(most) + 1).to_string();
    let (good, bad): (Vec<String>, Vec<String>) = match form {
        Form::Named(least, most) => {
            let mut bad = vec![most_plus(most), "1x".into()];
            bad.extend(least.checked_sub(1).map(|n| n.to_string()));
            (vec![least.to_string(), most.to_string(), "global".into()], bad)
        }
        Form::Mac => (several(&["02:00:5e:10:00:01", "02:00:5e:10:00"]), several(&["01:00:5e:10:00:01"])),
        Form::Range(low, high) => (vec![format!("{low}-{high}")], vec![most_plus(high), format!("{high}-{low}")]),
        Form::Mark => (several(&["1", "0xff/0xff"]), several(&["4294967296", "x"])),
        Form::Realms => (several(&["1", "1/2"]), several(&["256", "1/256"])),
        Form::Number(most) => (vec!["010".into(), format!("{most:#x}")], vec![most_plus(most), "x".into()]),
        Form::RoundTrip => (several(&["200", "200ms", "2s"]), several(&["2m"])),
        Form::Labels => (several(&["100/200"]), several(&["1048576"])),
        Form::Locator => (several(&["1:2:3:4"]), several(&["1:2:3"])),
        Form::Text(most) => (vec!["x".repeat(most)], vec!["x".repeat(most + 1)]),
        Form::Hash => (vec!["0".repeat(32)], vec!["0".repeat(31), "x".repeat(32)]),
        Form::Domain => (several(&["example.org", "."]), vec!["a..b".into(), format!("{}.org", "x".repeat(64))]),
        Form::Broadcast => (several(&["192.0.2.255", "+", "-"]), several(&["192.0.2.", "2001:db8::1"])),
        Form::Lifetime => (several(&["0", "4294967295", "forever"]), several(&["4294967296", "x"])),
    };
    (good, bad)
}

/// What the type does not say: rows whose words their meaning decides on. By place and name.
fn by_hand(path: &str, name: &str) -> Option<Examples> {
    let method: Examples = (
        several(&["NAT", "DR", "TUN", "TUN type ipip", "TUN type gue port 6080 csum", "TUN type gre nocsum"]),
        several(&["", "nat", "TUN type x", "TUN type gue port 0", "TUN type gue port 65536", "DR extra"]),
    );
    let address: Examples = (several(&["192.0.2.9", "192.0.2.9/24"]), several(&["192.0.2.9/33", "192.0.2."]));
    let weights: Examples = (several(&["1", "-1 reverse"]), several(&["255", "x", "1 sideways", ""]));
    Some(match (path, name) {
        ("/", "virtual_server") => (
            several(&["192.0.2.5 80", "192.0.2.5", "fwmark 3"]),
            several(&["192.0.2.5 65536", "fwmark 4294967296", "fwmark x", "nowhere", ""]),
        ),
        ("virtual_server", "real_server") => {
            (several(&["192.0.2.6 80", "192.0.2.6 0"]), several(&["192.0.2.6 65536", "nowhere 80", ""]))
        }
        (_, "lvs_method" | "sorry_server_lvs_method") => method,
        ("virtual_server", "sorry_server") => {
            (several(&["192.0.2.7 80", "192.0.2.7"]), several(&["192.0.2.7 65536", "nowhere"]))
        }
        ("virtual_server", "persistence_granularity") => {
            (several(&["255.255.255.0"]), several(&["255.255.255", "129", "x"]))
        }
        ("global_defs", "smtp_server") => (several(&["192.0.2.8", "192.0.2.8 25"]), several(&["192.0.2.8 65536", ""])),
        ("global_defs", "vrrp_mcast_group4") => (several(&["224.0.0.19"]), several(&["192.0.2.9", "ff02::12"])),
        ("global_defs", "vrrp_mcast_group6") => (several(&["ff02::13"]), several(&["2001:db8::9", "224.0.0.18"])),
        ("vrrp_instance", "mcast_dst_ip") => (several(&["224.0.0.19"]), several(&["192.0.2.9", "x"])),
        // The virtual server around it is of IPv4.
        ("virtual_server/servers_from_dns", "type") => (several(&["A", "SRV"]), several(&["AAAA", "MX", ""])),
        ("virtual_server", "ip_family") => (several(&["inet"]), several(&["inet5", ""])),
        ("interface_up_down_delays:line", "(interface)") => {
            (several(&["eth1 2.5", "eth1 0 255"]), several(&["eth1", "eth1 256", "eth1 1 2 3", "a/b 1"]))
        }
        ("linkbeat_interfaces:line", "(interface)") => (several(&["eth1", "eth1 MII"]), several(&["a/b", "eth1 mii"])),
        // It needs a user to run scripts as, which this machine may not have.
        ("global_defs", "enable_script_security") => (several(&["\nscript_user root"]), vec![]),
        ("global_defs", "lvs_timeouts") => {
            (several(&["tcp 1", "tcp 0 tcpfin 2 udp 2678400"]), several(&["tcp 2678401", "tcp", "http 3", "udp x"]))
        }
        ("global_defs", "lvs_sync_daemon") => (
            several(&["eth0", "eth0 V", "eth0 inst V id 255 maxlen 65507 port 1 ttl 255 group 224.0.0.81"]),
            several(&["", "eth0 id 256", "eth0 maxlen 0", "eth0 port 0", "eth0 ttl 256", "eth0 V nonsense"]),
        ),
        ("global_defs", "vrrp_garp_extra_if") | ("vrrp_instance", "garp_extra_if") => {
            (several(&["60", "all 60", "60 all"]), several(&["86401", "none 60", ""]))
        }
        ("global_defs", "vrrp_rx_bufs_policy") => (several(&["MTU", "advert", "4096"]), several(&["0", "little", ""])),
        ("global_defs", "include_check") => (several(&["", "read", "+match -read"]), several(&["nonsense"])),
        ("global_defs", "notify_fifo" | "vrrp_notify_fifo" | "lvs_notify_fifo") => {
            (several(&["/tmp/fifo", "/tmp/fifo root root"]), several(&["", "/tmp/fifo no-such-user-here"]))
        }
        ("vrrp_instance", "use_vmac") => (
            several(&["", "vrrp.7", "vrrp.7 02:00:5e:10:00:01", "name group group 3 netlink_notify_msg"]),
            several(&["a-name-of-16-byte", "vrrp.7 01:00:5e:00:00:01", "x group"]),
        ),
        ("vrrp_instance", "use_ipvlan") => (
            several(&["", "ipvl.7", "ipvl.7 192.0.2.9/24 bridge", "name vepa private"]),
            several(&["ipvl.7 192.0.2.9/33", "ipvl.7 x y"]),
        ),
        ("vrrp_instance/authentication", "auth_pass") => (several(&["secret", "\"two words\""]), several(&["\"\""])),
        ("vrrp_instance/auth_hmac", "key") => (
            vec![
                format!("3 {}", "k".repeat(32)),
                format!("254 hex:{}", "0a".repeat(32)),
                "3 file:/proc/sys/kernel/random/boot_id".to_owned(),
            ],
            several(&["256 hex:00", "1", "1 short", "1 hex:0g"]),
        ),
        ("track_file" | "vrrp_track_file", "init_file") => {
            (several(&["", "3", "overwrite", "3 overwrite"]), several(&["x", "3 4"]))
        }
        ("vrrp_track_process", "process") => (several(&["nginx", "nginx -g x"]), several(&[""])),
        (_, "status_code") => (several(&["200", "200-299 301"]), several(&["99", "600", "300-200", "x"])),
        ("SSL", "ca" | "certificate") | (_, "tls_verify") => {
            (vec![common::pem_file().to_owned()], several(&["/nonexistent/vipd.pem", "/etc/passwd"]))
        }
        (_, "digest") => (vec!["0".repeat(32)], several(&["0", "zz"])),
        (p, "(address)") if p.ends_with("ipaddress:line") || p.ends_with("ipaddress_excluded:line") => address,
        (_, "weight") if path.ends_with(":line") => weights,
        ("vrrp_instance/heartbeat_paths:line", "(interface)") => (
            several(&["eth1", "eth1 src 192.0.2.8 peer 192.0.2.9 peer 192.0.2.10"]),
            several(&["a-name-of-16-byte", "eth1 eth2", "eth1 peer", "eth1 peer 2001:db8::1", "eth1 peer 224.0.0.18"]),
        ),
        ("vrrp_instance/unicast_peer:line", "(address)") => (several(&["192.0.2.9"]), several(&["192.0.2.", "x"])),
        (p, "(destination)") if p.ends_with("routes:line") => {
            (several(&["192.0.2.0/24", "default via 192.0.2.1"]), several(&["192.0.2.0/33", "nonsense here"]))
        }
        (p, "from") if p.ends_with("routes:line") => {
            (several(&["2001:db8:1::/64", "default"]), several(&["2001:db8::/129", "192.0.2.0/24", ""]))
        }
        (p, "encap") if p.contains("routes:line") => {
            (several(&["ip id 3", "ip6 dst 2001:db8::3", "mpls 100", "ila 1:2:3:4"]), several(&["", "ip", "gre id 3"]))
        }
        (p, "ip" | "ip6") if p.ends_with("/encap") => (several(&["id 3"]), several(&["", "ttl 3"])),
        // Names that every host knows.
        (p, "tos" | "dsfield" | "tc") if p.contains(":line") => (several(&["0", "0xff"]), several(&["256", "1x", ""])),
        (p, "table" | "lookup") if p.contains(":line") => (several(&["1", "main"]), several(&["4294967296", ""])),
        (p, "protocol") if p.ends_with("routes:line") => (several(&["0", "255", "static"]), several(&["256", ""])),
        (p, "pref") if p.ends_with("routes:line") => (several(&["0", "high"]), several(&["256", "highest", ""])),
        (p, "ipproto") if p.ends_with("rules:line") => (several(&["6", "tcp"]), several(&["256", "no-such", ""])),
        (p, "suppress_ifgroup" | "sup_group") if p.ends_with("rules:line") => {
            (several(&["0", "default"]), several(&["4294967296", "no-such"]))
        }
        (p, "goto") if p.ends_with("rules:line") => (several(&["1", "4294967295"]), several(&["0", "4294967296", "x"])),
        (p, "type") if p.ends_with("rules:line") => (several(&["blackhole", "nop"]), several(&["", "throw"])),
        ("virtual_server_group:line", "(address)") => {
            (several(&["192.0.2.9", "192.0.2.9 80"]), several(&["192.0.2.9 65536", "192.0.2.", "192.0.2.9 80 x"]))
        }
        ("virtual_server_group:line", "(range)") => (
            several(&["192.0.2.9-12 80", "192.0.2.0/30 80"]),
            several(&["192.0.2.9-4 80", "192.0.2.9-256 80", "192.0.2.1/30 80", "192.0.2.0/33 80"]),
        ),
        ("virtual_server_group:line", "fwmark") => {
            (several(&["3", "3 inet6"]), several(&["4294967296", "x", "3 inet5", ""]))
        }
        _ => return None,
    })
}

/// Words of any form: a name, a path, a text. They are refused only when they are missing.
fn any_word(args: Args) -> Examples {
    match args {
        Args::OptWord => (several(&["word", ""]), vec![]),
        _ => (several(&["word"]), several(&["", "\"\""])),
    }
}

/// One example in its place.
fn text(entry: &Entry, example: &str) -> String {
    let name = entry.keyword.name;
    let path = entry.path.trim_end_matches(":line");
    let line = match name {
        _ if name.starts_with('(') => example.to_owned(),
        // Options of a line stand behind what comes first on it.
        _ if entry.path.contains(":line") => format!("{} {name} {example}", head(&entry.path, name)),
        _ => match entry.keyword.args {
            Args::HeadedBlock(_) => format!("{name} {example} {{\n{}\n}}", inner(name)),
            _ => format!("{name} {example}"),
        },
    };
    let text = around(path.split(":line").next().unwrap()).replace('%', &line);
    // The addresses around it are of the other family.
    match name {
        "native_ipv6" => text.replace("192.0.2.1\n", "2001:db8::1\n"),
        "active_key" => text.replace("active_key 2\n", ""),
        _ => text,
    }
}

/// What must stand in a block of that name.
fn inner(name: &str) -> &'static str {
    if name == "virtual_server" { "real_server 192.0.2.99 80 {\n}" } else { "" }
}

/// What stands first on a line of a value block.
fn head(path: &str, name: &str) -> &'static str {
    match path {
        p if p.ends_with("/nexthop") => "192.0.2.0/24 nexthop",
        p if p.ends_with("/encap") && matches!(name, "ip" | "ip6" | "mpls" | "ila") => "192.0.2.0/24 encap",
        p if p.ends_with("/encap") && matches!(name, "tc" | "hoplimit") => "192.0.2.0/24 encap ip6 id 3",
        p if p.ends_with("/encap") => "192.0.2.0/24 encap ip id 3",
        p if p.ends_with("routes:line") => match name {
            "to" | "unicast" | "local" | "broadcast" | "brd" | "anycast" | "multicast" | "throw" | "unreachable"
            | "prohibit" | "blackhole" | "xresolve" | "nat" | "default" | "any" | "all" | "default6" => "",
            "inet6" | "from" | "expires" | "pref" => "2001:db8::/64",
            "or" => "192.0.2.0/24 via 192.0.2.1",
            _ => "192.0.2.0/24",
        },
        p if p.ends_with("rules:line") => match name {
            "table" | "lookup" | "l3mdev" | "nop" | "blackhole" | "unreachable" | "prohibit" | "type" => "",
            "goto" => "priority 0",
            _ => "table 100",
        },
        p if p.contains("ipaddress") => "192.0.2.9/24",
        p if p.ends_with("unicast_peer:line") => "192.0.2.9",
        p if p.ends_with("heartbeat_paths:line") => "eth1",
        p if p.ends_with("track_script:line") => "S",
        p if p.ends_with("track_file:line") => "F",
        p if p.ends_with("track_process:line") => "P",
        p if p.ends_with("track_bfd:line") => "B",
        p if p.ends_with("track_interface:line") || p.starts_with("linkbeat") => "eth1",
        _ => "",
    }
}

fn errors(text: &str) -> Vec<String> {
    // Users and scripts are looked up: this machine has /bin/true, and root.
    let options = Options { config_id: Some("here".to_owned()), strictness: Strictness::Daemon, ..Options::default() };
    load_str("test.conf", text, &options)
        .diagnostics
        .iter()
        .filter(|d| d.level == Level::Error)
        .map(|d| format!("{d}"))
        .collect()
}

#[test]
fn every_row_of_the_reference_is_a_row_of_the_table() {
    let ours: BTreeSet<(String, &str)> = walk().into_iter().map(|e| (e.path, e.keyword.name)).collect();
    let reference = include_str!("keywords.tsv");
    let rows: Vec<(&str, &str)> = reference
        .lines()
        .skip(1)
        .filter_map(|l| l.split_once('\t').map(|(p, r)| (p, r.split('\t').next().unwrap())))
        .collect();
    assert_eq!(rows.len(), 1021);
    // What the reference says of words that are none of these.
    let missing: Vec<_> =
        rows.iter().filter(|(p, n)| *n != "(unknown)" && !ours.contains(&((*p).to_owned(), *n))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    println!("{} rows of the reference, {} of the table", rows.len(), ours.len());
}

#[test]
fn every_row_is_documented() {
    for entry in walk() {
        let path = entry.path.trim_start_matches('/').replace(":line", "").replace(":args", "");
        let name = entry.keyword.name;
        let place = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let page = vipd_config::doc::page(&place).unwrap_or_else(|| panic!("no page of {place}"));
        let words: Vec<&str> = page.split_whitespace().collect();
        let doc: Vec<&str> = entry.keyword.doc.split_whitespace().collect();
        assert!(words.windows(doc.len()).any(|w| w == doc), "{place} is not explained:\n{page}");
    }
}

#[test]
fn every_row_takes_what_it_says_and_nothing_else() {
    let (mut judged, mut refused, mut wrong) = (0, 0, Vec::new());
    let mut unjudged: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entry in walk() {
        let keyword = entry.keyword;
        // Judged where they act: the preprocessor in `lexer.rs`, other names with the keyword that they stand for.
        if entry.path == "(lexer)" || matches!(keyword.standing, Standing::SameAs(_) | Standing::OldName(_)) {
            continue;
        }
        if entry.path.ends_with(":args") {
            continue; // with their keyword, in `by_hand`
        }
        let examples = by_hand(&entry.path, keyword.name).or_else(|| by_type(keyword.args));
        let examples = examples.or_else(|| {
            matches!(keyword.args, Args::Word | Args::OptWord | Args::Secret).then(|| any_word(keyword.args))
        });
        let Some((good, bad)) = examples else {
            // Blocks, and words that are names alone; what has a value of its own has examples.
            let structure = keyword.args.block().is_some() || keyword.name.starts_with('(');
            if !structure && entry.path != "virtual_server_group:line" {
                wrong.push(format!("{}/{} has no examples", entry.path, keyword.name));
            }
            unjudged.entry(entry.path.clone()).or_default().push(keyword.name);
            continue;
        };
        let may_be_refused = matches!(entry.standing(), Standing::Refused(_));
        for example in good {
            judged += 1;
            let text = text(&entry, &example);
            let errors: Vec<String> =
                errors(&text).into_iter().filter(|e| !(may_be_refused && e.contains("V0902"))).collect();
            if !errors.is_empty() {
                wrong.push(format!("{}/{} takes {example:?}: {}", entry.path, keyword.name, errors.join("; ")));
            }
        }
        for example in bad {
            refused += 1;
            let text = text(&entry, &example);
            if !errors(&text).iter().any(|e| !e.contains("V0902")) {
                wrong.push(format!("{}/{} must not take {example:?}", entry.path, keyword.name));
            }
        }
    }
    println!("{judged} examples taken, {refused} refused");
    for (path, names) in &unjudged {
        println!("by structure alone: {path}: {}", names.join(" "));
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every example that a row takes, in its place, with the row's own place for people.
fn examples() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in walk() {
        let name = entry.keyword.name;
        let other = matches!(entry.keyword.standing, Standing::SameAs(_) | Standing::OldName(_));
        if entry.path == "(lexer)" || entry.path.ends_with(":args") || other {
            continue;
        }
        let (good, _) = by_hand(&entry.path, name)
            .or_else(|| by_type(entry.keyword.args))
            .or_else(|| {
                matches!(entry.keyword.args, Args::Word | Args::OptWord | Args::Secret)
                    .then(|| any_word(entry.keyword.args))
            })
            .unwrap_or_default();
        all.extend(good.iter().map(|e| (format!("{}/{name} {e}", entry.path), text(&entry, e))));
    }
    all
}

/// What a file says, as settings, written as a file again, says the same and means the same.
#[test]
fn every_word_keeps_its_value() {
    let options = Options { config_id: Some("here".to_owned()), written: Written::Keep, ..Options::default() };
    let (mut kept, mut wrong) = (0, Vec::new());
    for (place, text) in examples() {
        // A word that is refused has no configuration to be seen in.
        let Some(config) = load_str("test.conf", &text, &options).config else { continue };
        let shown = vipd_config::setting::text(&config.written);
        let again = load_str("again.conf", &shown, &options);
        let Some(again) = again.config else {
            let told = vipd_config::render_text(&again, vipd_config::Color::Never);
            wrong.push(format!("{place}: does not come back:\n{shown}{told}"));
            continue;
        };
        let meant = |c: &vipd_config::model::Config| serde_json::to_value(c).unwrap();
        kept += 1;
        for settings in [&config.written, &vipd_config::effective::effective(&config)] {
            let misfits = common::schema::fits(&vipd_config::setting::json(settings));
            wrong.extend(misfits.first().map(|first| format!("{place}: does not fit the schema: {first}")));
        }
        if shown.contains("<hidden") {
            assert!(
                !["pass secret", "password word", "kkk", "0a0a"].iter().any(|secret| shown.contains(secret)),
                "{shown}"
            );
            continue;
        }
        if again.written != config.written {
            wrong.push(format!("{place}: says something else:\n{text}\nis shown as\n{shown}"));
        } else if meant(&again) != meant(&config) {
            wrong.push(format!("{place}: means something else:\n{text}\nis shown as\n{shown}"));
        }
    }
    println!("{kept} examples came back as they were");
    assert!(wrong.is_empty(), "{} examples:\n{}", wrong.len(), wrong.join("\n"));
    assert!(kept > 900, "{kept}");
}

/// The samples of this crate, and those that are compared with keepalived, with their paths.
fn samples() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories = ["tests/samples", "../../tests/samples", "../../tests/samples/means"];
    let entries = directories.iter().flat_map(|d| std::fs::read_dir(root.join(d)).unwrap());
    let paths = entries.map(|e| e.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "conf"));
    paths.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What a file means, written as a file, means the same, and is shown the same.
#[test]
fn what_is_meant_is_a_configuration_that_means_it() {
    let options = Options { config_id: Some("here".to_owned()), written: Written::Keep, ..Options::default() };
    let (mut same, mut wrong) = (0, Vec::new());
    let samples = samples();
    let found = samples.len();
    for (place, text) in examples().into_iter().chain(samples) {
        let loaded = load_str("test.conf", &text, &options);
        assert!(loaded.config.is_some() || !place.ends_with(".conf"), "{place} is not usable");
        let Some(config) = loaded.config else { continue };
        let shown = vipd_config::setting::text(&vipd_config::effective::effective(&config));
        let loaded = load_str("again.conf", &shown, &options);
        let told = vipd_config::render_text(&loaded, vipd_config::Color::Never);
        let Some(again) = loaded.config else {
            wrong.push(format!("{place}: is not usable:\n{shown}\n{told}"));
            continue;
        };
        let once_more = vipd_config::setting::text(&vipd_config::effective::effective(&again));
        if once_more != shown {
            wrong.push(format!("{place}: is shown otherwise:\n{shown}\n{once_more}"));
        }
        let meant = |c: &vipd_config::model::Config| {
            let mut c = c.clone();
            for instance in &mut c.instances {
                // Only whether there is a password.
                match &mut instance.vrrp.auth {
                    Auth::None => {}
                    Auth::Pass(key) | Auth::Ah(key) => *key = [0; 8],
                    Auth::Hmac(hmac) => hmac.keys.values_mut().for_each(|key| key.0.clear()),
                }
            }
            // No status code is 200 to 299.
            let checkers = c
                .services
                .iter_mut()
                .flat_map(|s| {
                    let service = std::sync::Arc::make_mut(s);
                    let found = service.discoveries.iter_mut().map(|found| &mut found.template);
                    service.lvs.real_servers.iter_mut().chain(found)
                })
                .flat_map(|r| &mut r.checkers);
            for checker in checkers {
                if let vipd_lvs::settings::Probe::Http(http) = &mut checker.probe {
                    std::sync::Arc::make_mut(http)
                        .urls
                        .iter_mut()
                        .filter(|u| u.status.is_empty())
                        .for_each(|u| u.status.push((200, 299)));
                }
            }
            serde_json::to_string_pretty(&c).unwrap()
        };
        if meant(&again) != meant(&config) {
            let (before, after) = (meant(&config), meant(&again));
            let differs = before.lines().zip(after.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{place}: means something else: {differs:?}\n{text}\n{shown}\n{told}"));
        }
        same += 1;
    }
    println!("{same} files mean what is shown of them, {found} of them samples");
    assert!(found > 30, "{found} samples");
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same > 900, "{same}");
}

/// What a row takes, from and to, in millionths: numbers in the row's own unit, lengths of names and texts.
fn bounds(args: Args) -> Option<(i128, i128)> {
    let whole = |low: i128, high: i128| Some((low * 1_000_000, high * 1_000_000));
    match args {
        Args::Int(low, high) | Args::OptInt(low, high) | Args::Weight(low, high) | Args::Ints(_, low, high) => {
            whole(low.into(), high.into())
        }
        Args::Seconds(low, high) => Some((low.into(), high.into())),
        Args::Millis(low, high) => whole(low.into(), high.into()),
        Args::Names(_, most) => whole(1, most as i128),
        Args::OneOf(set) => {
            let numbers: Vec<i128> = set.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
            whole(*numbers.iter().min()?, *numbers.iter().max()?)
        }
        Args::Form(form) | Args::OptForm(form) => match form {
            Form::Named(least, most) => whole(least.into(), most.into()),
            Form::Range(low, high) => whole(low.into(), high.into()),
            Form::Realms => whole(0, 255),
            Form::Mark | Form::Lifetime => whole(0, u32::MAX.into()),
            Form::Number(most) => whole(0, most.into()),
            Form::Text(most) => whole(1, most as i128),
            _ => None,
        },
        _ => None,
    }
}

/// The first range that a text names: `1..255`, `0.01..255; rounded`, `0 or more`.
fn stated(text: &str) -> Option<(i128, Option<i128>)> {
    let millionths = |number: &str| {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let plain = !whole.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
        let parts = (whole.parse::<i128>().ok()?, format!("{fraction:0<6}").parse::<i128>().ok()?);
        plain.then_some(parts.0 * 1_000_000 + parts.1)
    };
    if let Some(low) = text.strip_suffix(" or more") {
        return Some((millionths(low)?, None));
    }
    text.split([' ', ';', ',']).find_map(|word| {
        let (low, high) = word.split_once("..")?;
        Some((millionths(low)?, Some(millionths(high)?)))
    })
}

/// Rows whose range is another one than the reference's, on purpose.
const OTHER_RANGES: &[(&str, &str, &str)] = &[
    ("global_defs", "vrrp_garp_interval", "keepalived reports 0 and paces nothing; its own sample says 0"),
    ("global_defs", "vrrp_gna_interval", "the same"),
];

/// Rows whose range is judged by examples of another row, and which.
const JUDGED_WITH: &[(&str, &str, &str)] = &[
    ("global_defs", "umask", "`Args::Mask`: 0777 and 01000, in octal digits"),
    ("static_routes:line/encap", "ip", "the rows `ttl` and `flags` beside it"),
    ("static_routes:line/encap", "ip6", "the rows `hoplimit` and `flags` beside it"),
    ("vrrp_instance/virtual_routes:line/encap", "ip", "the rows `ttl` and `flags` beside it"),
    ("vrrp_instance/virtual_routes:line/encap", "ip6", "the rows `hoplimit` and `flags` beside it"),
    ("track_file", "init_file", "any number is taken; beyond the range keepalived says something and goes on"),
    ("vrrp_track_file", "init_file", "the same"),
];

/// A range is the one that the reference has, where it has one: in the type of the row, or, where the meaning of the row
/// decides, in an example that is one too many. What people are told is the same.
#[test]
fn ranges_are_those_of_the_reference() {
    let table: BTreeMap<(String, &str), Entry> =
        walk().into_iter().map(|e| ((e.path.clone(), e.keyword.name), e)).collect();
    let within = |(low, high): (i128, i128), stated: (i128, Option<i128>)| {
        low == stated.0 && stated.1.is_none_or(|stated| stated == high)
    };
    let (mut by_type, mut by_example, mut others, mut wrong) = (0, 0, 0, Vec::new());
    let mut elsewhere: BTreeSet<(&str, &str)> = BTreeSet::new();
    for row in include_str!("keywords.tsv").lines().skip(1) {
        let [path, name, _, _, range, ..] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let (Some(stated), Some(entry)) = (stated(range), table.get(&(path.to_owned(), name))) else { continue };
        let mut keyword = entry.keyword;
        if let Standing::SameAs(to) | Standing::OldName(to) = keyword.standing {
            keyword = table[&(path.to_owned(), to)].keyword;
        }
        if let Some(bounds) = bounds(keyword.args) {
            by_type += 1;
            let same = within(bounds, stated);
            if OTHER_RANGES.iter().any(|(p, n, _)| (*p, *n) == (path, name)) {
                others += usize::from(!same);
            } else if !same {
                wrong.push(format!("{path}/{name}: {:?}, and the reference says {range}", keyword.args));
            }
            continue;
        }
        // The options of a keyword are judged with it.
        let (of, place) = match path.strip_suffix(":args") {
            Some(outer) => outer.rsplit_once('/').unwrap_or(("/", outer)),
            None => (path, name),
        };
        let (_, bad) = by_hand(of, place).unwrap_or_default();
        let too_many = stated.1.map(|high| (high / 1_000_000 + 1).to_string());
        let shown = |text: &String| text.split([' ', '/', '-']).any(|word| Some(word) == too_many.as_deref());
        if bad.iter().any(shown) {
            by_example += 1;
        } else if JUDGED_WITH.iter().any(|(p, n, _)| (*p, *n) == (path, name)) {
            elsewhere.insert((path, name));
        } else {
            wrong.push(format!("{path}/{name}: {range}, but no example is one too many"));
        }
    }
    for (path, name, _) in JUDGED_WITH.iter().filter(|(path, name, _)| !elsewhere.contains(&(path, name))) {
        wrong.push(format!("{path}/{name}: is judged by itself"));
    }
    let told = table.values().filter(|e| !e.keyword.range.contains("reported"));
    let told = told.filter_map(|e| Some((e, bounds(e.keyword.args)?, stated(e.keyword.range)?)));
    for (entry, bounds, stated) in told.filter(|(_, bounds, stated)| !within(*bounds, *stated)) {
        let Keyword { name, range, .. } = entry.keyword;
        wrong.push(format!("{}/{name}: is told as {range}: {bounds:?}, {stated:?}", entry.path));
    }
    println!("{by_type} ranges are those of the reference by their type, {by_example} by example");
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(others, OTHER_RANGES.len(), "a range is the reference's by now");
    assert!(by_type > 250, "{by_type}");
}
