//! Instances without an interface of their own: unicast by the routes of the host, or of a VRF.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found};
use serde_json::json;
use vipd_config::changes::changes;
use vipd_config::effective::effective;
use vipd_config::setting;
use vipd_vrrp::settings::{Binding, Instance};

/// A unicast instance with these lines.
fn unicast(name: &str, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\nvirtual_router_id 7\nunicast_src_ip 192.0.2.1\nunicast_peer {{\n192.0.2.2\n}}\n\
         {lines}\n}}\n"
    )
}

fn one(text: &str) -> Instance {
    config(text).instances.remove(0).vrrp
}

const ADDRESS: &str = "virtual_ipaddress {\n192.0.2.10/24 dev eth1\n}";

#[test]
fn unicast_goes_as_the_routes_have_it() {
    let routed = unicast("A", ADDRESS);
    assert_eq!(found(&routed), Vec::<String>::new());
    let instance = one(&routed);
    assert_eq!((instance.sends_on(), instance.hears_on(), instance.source_interface()), (None, None, None));
    assert_eq!((instance.addresses[0].device.as_str(), instance.is_upon("eth0")), ("eth1", false));
    let red = one(&unicast("A", &format!("vrf red\n{ADDRESS}")));
    assert_eq!((red.sends_on(), red.hears_on(), red.source_interface()), (Some("red"), Some("red"), None));
    // Its addresses are on interfaces in the VRF, never on the VRF itself.
    assert_eq!((red.binding, red.addresses), (Binding::Vrf("red".to_owned()), instance.addresses));
}

#[test]
fn an_interface_beside_a_vrf_counts() {
    for lines in ["interface eth0\nvrf red", "vrf red\ninterface eth0"] {
        let text = unicast("A", &format!("{lines}\n{ADDRESS}"));
        assert_eq!(found(&text).len(), 1, "{:?}", found(&text));
        assert_eq!(one(&text).binding, Binding::Interface("eth0".to_owned()));
    }
}

#[test]
fn addresses_without_a_device_go_on_the_default_interface() {
    let text = unicast("A", "virtual_ipaddress {\n192.0.2.10/24\n}");
    assert_eq!(found(&text), ["V0404:8"]);
    assert_eq!(one(&text).addresses[0].device, "eth0");
    let text = format!("global_defs {{\ndefault_interface wan\n}}\n{text}");
    assert_eq!(found(&text), Vec::<String>::new());
    assert_eq!(one(&text).addresses[0].device, "wan");
}

#[test]
fn a_virtual_router_is_one_by_its_vrf_too() {
    let two = |one: &str, other: &str| {
        let of = |lines: &str, last| format!("{lines}\nvirtual_ipaddress {{\n192.0.2.{last} dev eth1\n}}");
        found(&(unicast("A", &of(one, 10)) + &unicast("B", &of(other, 11))))
    };
    assert_eq!(two("vrf red", "vrf blue"), Vec::<String>::new());
    // The second `virtual_router_id` is on line 14 where both have a line of their own, and on 13 else.
    for (one, other) in [("vrf red", "vrf red"), ("vrf red", ""), ("", "interface eth0"), ("", "")] {
        let clash = two(one, other);
        assert!(matches!(clash.as_slice(), [only] if only.starts_with("V0403")), "{one:?} {other:?}: {clash:?}");
    }
}

#[test]
fn the_values_in_force_say_where() {
    let meant = |lines: &str| {
        let text = unicast("A", &format!("{lines}\n{ADDRESS}"));
        setting::json(&effective(&config(&text)))["vrrp_instance"][0].clone()
    };
    let of = |lines: &str| json!([meant(lines)["interface"], meant(lines)["vrf"]]);
    assert_eq!(of(""), json!([null, null]));
    assert_eq!(of("vrf red"), json!([null, "red"]));
    assert_eq!(of("vrf red\ninterface eth0"), json!(["eth0", null]));
}

#[test]
fn another_vrf_is_another_virtual_router() {
    let of = |lines: &str| config(&unicast("A", &format!("{lines}\n{ADDRESS}")));
    let told = |old: &str, new: &str| {
        let all = changes(&of(old), &of(new));
        all.iter().map(|change| format!("{:?} {}", change.verb, change.what)).collect::<Vec<_>>()
    };
    assert_eq!(told("vrf red", "vrf red"), Vec::<String>::new());
    for (old, new) in [("vrf red", "vrf blue"), ("vrf red", ""), ("", "interface eth0")] {
        let told = told(old, new);
        for verb in ["Removed", "Added"] {
            assert!(told.contains(&format!("{verb} vrrp_instance A")), "{old:?} {new:?}: {told:?}");
        }
    }
}

#[test]
fn a_heartbeat_path_is_told_from_what_is_bound_to_nothing() {
    let of = |lines: &str, path: &str| {
        found(&unicast("A", &format!("{lines}\n{ADDRESS}\nheartbeat_paths {{\n{path}\n}}"))).join(" ")
    };
    for path in ["eth2", "eth2 src 192.0.2.33 peer 192.0.2.34", "red"] {
        assert_eq!((of("", path), of("vrf red", path)), (String::new(), String::new()), "{path}");
    }
    for path in ["eth2 peer 192.0.2.34", "eth2 src 192.0.2.1 peer 192.0.2.34", "eth2 src 192.0.2.33 peer 192.0.2.2"] {
        assert_eq!((of("vrf red", path), of("", path)), ("V0305:12".to_owned(), "V0305:12".to_owned()), "{path}");
        assert_eq!(of("interface eth0", path), "", "{path}");
    }
}

#[test]
fn nobody_is_a_peer_of_his_own() {
    let text = unicast("A", &format!("interface eth0\n{ADDRESS}"));
    assert_eq!(found(&text), Vec::<String>::new());
    let level = |text: &str| {
        let found = vipd_config::load_str("test", text, &common::options()).diagnostics;
        found.iter().map(|d| format!("{} {}:{}", d.level, d.code, d.span.as_ref().unwrap().line)).collect::<Vec<_>>()
    };
    // One list for all routers: the others are heard, and this one is told.
    assert_eq!(level(&text.replace("192.0.2.2\n", "192.0.2.2\n192.0.2.1\n")), ["warning V0305:6"]);
    assert_eq!(level(&text.replace("192.0.2.2\n", "192.0.2.1\n")), ["error V0305:5"]);
}
