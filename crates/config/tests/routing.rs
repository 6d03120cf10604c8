//! Routes, rules and static addresses: what their lines mean, and what is said of lines that can't mean anything.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, said};
use vipd_config::routing::{Action, Encap, Guard, Hop, Order, Route, RouteType, Rule, Table};
use vipd_vrrp::settings::Family;

fn route(line: &str) -> Route {
    config(&format!("static_routes {{\n{line}\n}}\n")).statics.routes[0].clone()
}

fn rule(line: &str) -> Rule {
    config(&format!("static_rules {{\n{line}\n}}\n")).statics.rules[0].clone()
}

fn instance(inner: &str) -> String {
    format!(
        "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {{\n192.0.2.1\n}}\n{inner}\n}}\n"
    )
}

#[test]
fn a_route_with_what_most_have() {
    let one = route("198.51.100.0/24 via 192.0.2.254 dev eth0 src 192.0.2.1 metric 5 table 100 scope link tos 0x10");
    assert_eq!(one.destination, ("198.51.100.0".parse().unwrap(), 24));
    assert_eq!((one.kind, one.table.clone(), one.metric, one.scope), (RouteType::Unicast, Table::Number(100), 5, 253));
    assert_eq!((one.tos, one.protocol, one.order, one.guard), (16, 18, Order::Before, Guard::PutBack));
    assert_eq!(one.preferred, Some("192.0.2.1".parse().unwrap()));
    let hop = Hop {
        gateway: Some("192.0.2.254".parse().unwrap()),
        device: Some("eth0".to_owned()),
        weight: 1,
        ..Hop::default()
    };
    assert_eq!(one.hops, [hop]);
    assert_eq!(one.to_string(), "198.51.100.0/24 via 192.0.2.254 dev eth0 table 100 metric 5");
}

#[test]
fn destinations_and_their_families() {
    for (line, shown) in [
        ("default via 192.0.2.254", "default via 192.0.2.254"),
        ("default via fe80::1 dev eth0", "inet6 default via fe80::1 dev eth0"),
        ("inet6 default dev eth0", "inet6 default dev eth0"),
        ("default6 dev eth0", "inet6 default dev eth0"),
        ("to blackhole 10.0.0.0/8", "blackhole 10.0.0.0/8"),
        ("unreachable 2001:db8::1", "unreachable 2001:db8::1"),
        ("0.0.0.0/0 dev eth0", "default dev eth0"),
        // The kernel drops what is beyond the prefix.
        ("2001:db8::1/64 dev eth0", "2001:db8::/64 dev eth0"),
        (
            "default nexthop via fe80::1 dev a nexthop via fe80::2 dev b",
            "inet6 default nexthop via fe80::1 dev a nexthop via fe80::2 dev b",
        ),
        ("10.0.0.0/8 via 192.0.2.1 or 192.0.2.2", "10.0.0.0/8 nexthop via 192.0.2.1 nexthop via 192.0.2.2"),
        ("10.0.0.0/8 dev red vrf blue", "10.0.0.0/8 dev red vrf blue"),
    ] {
        assert_eq!(route(line).to_string(), shown, "{line}");
    }
    // The other family's gateway (RFC 8950).
    assert_eq!(route("10.0.0.0/8 via inet6 fe80::1 dev eth0").destination.1, 8);
}

#[test]
fn what_concerns_connections() {
    let one = route(
        "10.0.0.0/8 dev eth0 mtu lock 1400 rtt 300ms rttvar 2s rto_min 250ms features ecn quickack 1 congctl lock cubic",
    );
    let metrics: Vec<(u16, u32)> = one.metrics.into_iter().collect();
    let locked = 1 << 2 | 1 << 16;
    assert_eq!(metrics, [(1, locked), (2, 1400), (4, 2400), (5, 8000), (12, 1), (13, 250), (15, 1)]);
    assert_eq!(one.congestion.as_deref(), Some("cubic"));
    let text = "static_routes {\n10.0.0.0/8 dev eth0 rto_min 1ms\n}\n";
    assert_eq!(found(text), ["V0404:2"]);
    assert_eq!(config(text).statics.routes[0].metrics.get(&13), Some(&200));
}

#[test]
fn tunnels() {
    let of = |line: &str| route(&format!("10.0.0.0/8 via 192.0.2.1 encap {line}")).hops[0].encap.clone().unwrap();
    assert_eq!(of("mpls 100/200"), Encap::Mpls(vec![100, 200]));
    assert_eq!(of("ila 1:2:3:ffff"), Encap::Ila(0x0001_0002_0003_ffff));
    let Encap::Ip(tunnel) = of("ip id 7 dst 192.0.2.9 src 192.0.2.8 ttl 3 tos 4 flags 5") else { panic!() };
    assert_eq!((tunnel.id, tunnel.ttl, tunnel.tos, tunnel.flags), (Some(7), Some(3), Some(4), Some(5)));
    assert_eq!(tunnel.destination, Some("192.0.2.9".parse().unwrap()));
    assert!(matches!(of("ip6 dst 2001:db8::1 hoplimit 3"), Encap::Ip6(t) if t.ttl == Some(3)));
    // Several ways, each into its own.
    let hops = route("10.0.0.0/8 nexthop via 192.0.2.1 encap mpls 7 weight 3 nexthop via 192.0.2.2 dev b").hops;
    assert_eq!((hops[0].weight, &hops[0].encap), (3, &Some(Encap::Mpls(vec![7]))));
    assert_eq!((hops[1].weight, &hops[1].encap, hops[1].device.as_deref()), (1, &None, Some("b")));
}

#[test]
fn routes_that_can_not_be() {
    for (line, code, what) in [
        ("10.0.0.1/8 dev eth0", "V0305:2", "bits beyond its prefix"),
        ("10.0.0.0/8 dev eth0 from 10.1.0.0/16", "V0306:2", "IPv6"),
        ("10.0.0.0/8 dev eth0 pref high", "V0306:2", "`pref`"),
        ("10.0.0.0/8 dev eth0 src 2001:db8::1", "V0306:2", "another family"),
        ("inet6 10.0.0.0/8 dev eth0", "V0306:2", "another family"),
        ("blackhole 10.0.0.0/8 dev eth0", "V0304:2", "go no further"),
        ("nat 10.0.0.0/8 dev eth0", "V0902:2", "no routes of type"),
        ("10.0.0.0/8 via 192.0.2.1 nexthop via 192.0.2.2", "V0209:2", "exclude each other"),
        ("10.0.0.0/8 nexthop via 192.0.2.2 as 192.0.2.3", "V0902:2", "MPLS"),
        ("10.0.0.0/8 or 192.0.2.1", "V0401:2", "no first gateway"),
        ("10.0.0.0/8 via 192.0.2.1 encap ip ttl 3", "V0401:2", "needs `dst` or `id`"),
        ("10.0.0.0/8 via 192.0.2.1 encap", "V0207:2", "kind of tunnel"),
        ("10.0.0.0/8 via 192.0.2.1 encap ip id 3 hoplimit 4", "V0304:2", "not an option of `encap ip`"),
        ("10.0.0.0/8 dev eth0 track_group G", "V0407:2", "no track_group"),
    ] {
        let text = format!("static_routes {{\n{line}\n}}\n");
        assert_eq!(found(&text), [code], "{line}: {}", said(&text));
        assert!(said(&text).contains(what), "{line}: {}", said(&text));
    }
}

#[test]
fn a_name_that_nothing_knows_is_told() {
    let text = "static_routes {\n10.0.0.0/8 dev eth0 table no-such-table\n}\n";
    assert!(said(text).contains("no routing table is called `no-such-table`"), "{}", said(text));
    let names = std::env::temp_dir().join(format!("vipd-names-{}", std::process::id()));
    let more = names.join("rt_tables.d");
    std::fs::create_dir_all(&more).unwrap();
    std::fs::write(names.join("rt_tables"), "# a comment\n0x65 upstream # another\n").unwrap();
    std::fs::write(more.join("more.conf"), "102 downstream\n").unwrap();
    std::fs::write(more.join("ignored"), "103 sidestream\n").unwrap();
    let defs = format!("global_defs {{\niproute_etc_dir {}\n}}\n", names.display());
    let text = |table: &str| format!("{defs}static_routes {{\n10.0.0.0/8 dev eth0 table {table}\n}}\n");
    for (name, number) in [("upstream", 101), ("downstream", 102), ("main", 254)] {
        assert_eq!(config(&text(name)).statics.routes[0].table, Table::Number(number), "{name}");
    }
    assert!(said(&text("sidestream")).contains("no routing table"));
    std::fs::remove_dir_all(names).unwrap();
}

#[test]
fn rules_in_their_many_forms() {
    let one = rule("not from 10.0.0.0/8 to 10.1.0.0/16 fwmark 0x3/0xf iif a oif b tos 0x10 lookup main priority 7");
    assert_eq!((one.family, one.not, one.preference, one.tos), (Family::V4, true, 7, 16));
    assert_eq!((one.mark, one.action.clone()), (Some((3, 15)), Action::Lookup(254)));
    assert_eq!((one.input.as_deref(), one.output.as_deref()), (Some("a"), Some("b")));
    assert_eq!(one.to_string(), "not from 10.0.0.0/8 to 10.1.0.0/16 fwmark 0x3/0xf iif a oif b priority 7 lookup 254");
    let one = rule("ipproto tcp sport 80 dport 90-100 uidrange 1-2 tunnel-id 5 prohibit order 8");
    assert_eq!((one.ip_protocol, one.sports, one.dports), (6, Some((80, 80)), Some((90, 100))));
    assert_eq!((one.users, one.tunnel, one.action, one.preference), (Some((1, 2)), 5, Action::Prohibit, 8));
    assert_eq!(rule("from all type blackhole preference 9").action, Action::Blackhole);
    assert_eq!(rule("priority 9 goto 10").action, Action::Goto(10));
    assert_eq!(rule("inet6 l3mdev priority 9").family, Family::V6);
    let one = rule("from 10.0.0.0/8 table 100 realms 3/4 sup_pl 0 sup_group 7 priority 9");
    assert_eq!((one.realms, one.suppress_length, one.suppress_group), (3 << 16 | 4, Some(0), Some(7)));
    // Every mark is meant by a mask of 0, as by no mark.
    assert_eq!(rule("fwmark 0 table 100 priority 9").mark, None);
}

#[test]
fn rules_that_can_not_be() {
    for (line, code, what) in [
        ("from 10.0.0.0/8 priority 5", "V0401:2", "nothing of what is to be done"),
        ("from 10.0.0.0/8 table 100 blackhole priority 5", "V0209:2", "one thing"),
        ("from 10.0.0.0/8 to 2001:db8::/64 table 100 priority 5", "V0306:2", "both families"),
        ("from all goto 5 priority 5", "V0302:2", "a later rule"),
        ("from all goto 5", "V0302:2", "a later rule"),
        ("inet6 from all table 100 realms 1 priority 5", "V0306:2", "IPv4"),
        ("from all blackhole sup_pl 3 priority 5", "V0304:2", "look up a table"),
        ("from all type throw priority 5", "V0304:2", "no rule has an action"),
    ] {
        let text = format!("static_rules {{\n{line}\n}}\n");
        assert_eq!(found(&text), [code], "{line}: {}", said(&text));
        assert!(said(&text).contains(what), "{line}: {}", said(&text));
    }
}

#[test]
fn priorities_count_down_in_the_order_of_the_file() {
    let text = format!(
        "{}static_rules {{\nfrom 10.3.0.0/16 table 3\n}}\n",
        instance("virtual_rules {\nfrom 10.1.0.0/16 table 1\nfrom 2001:db8::/64 table 2\n}")
    );
    let config = config(&text);
    assert_eq!(config.instances[0].rules.iter().map(|r| r.preference).collect::<Vec<_>>(), [16_384, 16_384]);
    assert_eq!(config.statics.rules[0].preference, 16_383);
    assert_eq!(found(&text), ["V0404:8", "V0404:9", "V0404:13"]);
}

#[test]
fn the_protocol_is_the_daemons_unless_nobody_looks_after_it() {
    let text = "static_routes {\n10.0.0.0/8 dev eth0 protocol static\n}\n";
    assert_eq!((found(text), config(text).statics.routes[0].protocol), (vec!["V0404:2".to_owned()], 18));
    assert_eq!(route("10.0.0.0/8 dev eth0 protocol static no_track").protocol, 4);
}

#[test]
fn an_instance_needs_the_interfaces_of_what_is_guarded() {
    let text = instance(
        "virtual_routes {\n10.0.0.0/8 dev eth1\n10.1.0.0/16 dev eth2 no_track\n10.2.0.0/16 via 192.0.2.9\n\
         10.3.0.0/16 nexthop via 192.0.2.9 dev eth3 nexthop via 192.0.2.8 dev eth4\n}\n\
         virtual_rules {\niif eth5 table 1 priority 1\niif eth6 table 1 priority 2 no_track\n}",
    ) + "track_group G {\ngroup {\nV\n}\n}\n\
         static_ipaddress {\n192.0.2.9/24 dev eth7 track_group G\n192.0.2.8/24 dev eth8\n}\n\
         static_routes {\n10.4.0.0/16 dev eth9 track_group G\n}\n\
         static_rules {\niif eth10 table 1 priority 3 track_group G\n}\n";
    let config = config(&text);
    let needs: Vec<&str> = config.instances[0].vrrp.needs.iter().map(String::as_str).collect();
    assert_eq!(needs, ["eth1", "eth10", "eth5", "eth7", "eth9"]);
    assert_eq!(found(&text), Vec::<String>::new());
}

#[test]
fn static_addresses_have_an_interface() {
    let text = "static_ipaddress {\n192.0.2.9/24\n192.0.2.8/24 dev eth1\n192.0.2.9/24\n}\n";
    assert_eq!(found(text), ["V0209:4"]);
    let devices = |text: &str| -> Vec<String> {
        config(text).statics.addresses.iter().map(|a| format!("{} {}", a.address, a.device)).collect()
    };
    assert_eq!(devices(text), ["192.0.2.9 eth0", "192.0.2.8 eth1"]);
    let other = format!("global_defs {{\ndefault_interface wan\n}}\n{text}");
    assert_eq!(devices(&other)[0], "192.0.2.9 wan");
}

#[test]
fn groups_without_members_are_told() {
    let text = instance("") + "track_group G {\ngroup {\nW\n}\n}\n";
    assert_eq!(found(&text), ["V0407:9", "V0407:11"]);
}
