//! What `heartbeat_paths` comes to, and what does not go together with it.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{config, found, instance, said};
use serde_json::json;
use std::net::IpAddr;
use vipd_config::effective::effective;
use vipd_config::setting;
use vipd_vrrp::settings::{HeartbeatPath, Transport};

fn paths(words: &str) -> Vec<HeartbeatPath> {
    config(&instance(words)).instances.remove(0).vrrp.heartbeat_paths
}

#[test]
fn a_path_is_multicast_or_to_its_peers() {
    let [plain, unicast] =
        paths("heartbeat_paths {\neth1\neth2 src 10.0.0.1 peer 10.0.0.2 peer 10.0.0.3\n}").try_into().unwrap();
    assert_eq!((plain.interface.as_str(), plain.source), ("eth1", None));
    assert_eq!(plain.transport, Transport::Multicast { group: [224, 0, 0, 18].into() });
    assert_eq!((unicast.interface.as_str(), unicast.source), ("eth2", Some(IpAddr::from([10, 0, 0, 1]))));
    let Transport::Unicast { peers, ttl: 255, check_source: true } = &unicast.transport else { panic!("{unicast:?}") };
    assert_eq!(peers.iter().map(|peer| peer.address.to_string()).collect::<Vec<_>>(), ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(unicast.to_string(), "eth2 src 10.0.0.1 peer 10.0.0.2 peer 10.0.0.3", "as it is written");
    // The group of the instance is the group of its paths; unicast instances have the usual one.
    let group = |words: &str| paths(words).remove(0).transport;
    let other = Transport::Multicast { group: [224, 0, 0, 99].into() };
    assert_eq!(group("mcast_dst_ip 224.0.0.99\nheartbeat_paths {\neth1\n}"), other);
    assert_eq!(group("unicast_peer {\n192.0.2.9\n}\nheartbeat_paths {\neth0\n}"), plain.transport, "beside unicast");
    let v6 = "virtual_ipaddress {\n2001:db8::1\n}\nheartbeat_paths {\neth1\n}";
    assert_eq!(group(v6), Transport::Multicast { group: "ff02::12".parse().unwrap() });
}

#[test]
fn what_it_means_is_what_it_says() {
    let lines = "heartbeat_paths {\neth1\neth2 src 10.0.0.1 peer 10.0.0.2 peer 10.0.0.3\n}";
    let meant = setting::json(&effective(&config(&instance(lines))));
    let second = json!({ "interface": "eth2", "src": "10.0.0.1", "peer": ["10.0.0.2", "10.0.0.3"] });
    let expected = json!([{ "interface": "eth1" }, second]);
    assert_eq!(meant["vrrp_instance"][0]["heartbeat_paths"], expected, "{meant:#}");
}

#[test]
fn what_does_not_go_together_is_told() {
    let told = |lines: &str| found(&instance(&format!("heartbeat_paths {{\n{lines}\n}}")));
    assert_eq!(told("eth1\neth2 peer 192.0.2.9\neth0 peer 192.0.2.9"), [""; 0]);
    assert_eq!(told(""), ["V0409:4"], "lists nothing");
    assert_eq!(told("eth0"), ["V0409:5"], "its own interface");
    assert_eq!(told("eth1\neth1"), ["V0209:6"]);
    assert_eq!(told("eth1 peer 2001:db8::1"), ["V0306:5"]);
    assert_eq!(told("eth1 src 2001:db8::1"), ["V0306:5"]);
    assert_eq!(told("eth1 peer 224.0.0.18"), ["V0305:5"]);
    let many: String = (1..=9).map(|n| format!("eth{n}\n")).collect();
    assert_eq!(told(&many), ["V0104:13"]);
    // On the path's wire the identifier belongs to this instance.
    let other = "vrrp_instance B {\ninterface eth1\nvirtual_router_id 7\n}\n";
    let both = format!("{}{other}", instance("heartbeat_paths {\neth1\n}"));
    assert_eq!(found(&both).iter().filter(|f| f.starts_with("V0403")).count(), 1, "{:?}", found(&both));
    assert!(said(&both).contains("virtual_router_id 7 is used twice on eth1"), "{}", said(&both));
    assert_eq!(found(&format!("{}{}", instance(""), other)), [""; 0]);
}
