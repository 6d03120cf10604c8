//! Interfaces that are made for instances: their names, hardware addresses and what is put on them.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, said};
use vipd_config::model::Config;
use vipd_vrrp::settings::{DeviceKind, Instance, IpvlanFlag, VirtualDevice};

/// An instance without its name, VRID 51 on eth0 unless said otherwise.
fn instance(name: &str, words: &str) -> String {
    let interface = if words.contains("interface") { "" } else { "interface eth0" };
    let address = if words.contains("virtual_ipaddress ") { "" } else { "virtual_ipaddress {\n192.0.2.1/24\n}" };
    format!("vrrp_instance {name} {{\nvirtual_router_id 51\n{interface}\n{address}\n{words}\n}}\n")
}

fn first(config: &Config) -> &Instance {
    &config.instances[0].vrrp
}

fn mac(device: &VirtualDevice) -> [u8; 6] {
    match device.kind {
        DeviceKind::Macvlan { mac } => mac,
        DeviceKind::Ipvlan { .. } => panic!("an ipvlan"),
    }
}

fn names(config: &Config) -> Vec<String> {
    config.instances.iter().flat_map(|i| i.vrrp.devices()).map(|device| device.name.clone()).collect()
}

#[test]
fn a_virtual_router_has_its_own_address_and_what_it_holds_is_there() {
    let four = config(&instance("A", "use_vmac"));
    let own = first(&four).device.as_ref().unwrap();
    assert_eq!((own.name.as_str(), own.base.as_str(), mac(own)), ("vrrp.51", "eth0", [0, 0, 0x5e, 0, 1, 51]));
    assert_eq!(first(&four).addresses[0].device, "vrrp.51");
    let six = config(&instance("A", "use_vmac\nvirtual_ipaddress {\nfe80::1\n}"));
    assert_eq!(mac(first(&six).device.as_ref().unwrap()), [0, 0, 0x5e, 0, 2, 51]);
    // Five octets take the VRID as the sixth; strict mode has the router's own alone.
    let given = config(&instance("A", "use_vmac name own 02:00:00:00:0a"));
    let own = first(&given).device.as_ref().unwrap();
    assert_eq!((own.name.as_str(), mac(own)), ("own", [2, 0, 0, 0, 10, 51]));
    let strict = instance("A", "use_vmac own 02:00:00:00:0a\nstrict_mode\naccept");
    assert_eq!(mac(first(&config(&strict)).device.as_ref().unwrap()), [0, 0, 0x5e, 0, 1, 51]);
    assert!(said(&strict).contains("RFC 9568, 7.3"));
}

#[test]
fn names_are_the_originals_and_never_twice() {
    let six = "use_vmac\nvirtual_ipaddress {\nfe80::1\n}";
    let all = instance("A", "use_vmac")
        + &instance("B", six)
        + &instance("C", "use_vmac\ninterface eth1")
        + &instance("D", &format!("{six}\ninterface eth1"));
    assert_eq!(names(&config(&all)), ["vrrp.51", "vrrp6.51", "vrrp1.51", "vrrp2.51"]);
    let prefix = format!("global_defs {{\nvmac_prefix v\n}}\n{}", instance("A", "use_vmac"));
    assert_eq!(names(&config(&prefix)), ["v.51"]);
    // A name that the file gives later, or that an interface has, is not taken by itself.
    let given = instance("A", "use_vmac") + &instance("B", "use_vmac vrrp.51\ninterface vrrp1.51");
    assert_eq!(names(&config(&given)), ["vrrp2.51", "vrrp.51"]);
    let twice = instance("A", "use_vmac x") + &instance("B", "use_vmac x\ninterface eth1");
    assert_eq!(names(&config(&twice)), ["x", "vrrp.51"]);
    assert_eq!(found(&twice), ["V0404:15"]);
}

#[test]
fn odd_names_are_refused() {
    for name in ["all", "default", "lo", "eth0", "a:b", "a%d", "a-name-of-16-byte", "name ..", "\"a b\""] {
        let text = instance("A", &format!("use_vmac {name}"));
        assert!(found(&text).iter().any(|f| f.starts_with("V03")), "{name}: {:?}", found(&text));
    }
    let long = format!("global_defs {{\nvmac_prefix a-long-prefix\n}}\n{}", instance("A", "use_vmac"));
    assert_eq!(found(&long), ["V0307:10"]);
    assert_eq!(found(&instance("A", "use_vmac x group no-such-group")), ["V0406:7"]);
}

#[test]
fn adverts_leave_where_the_words_say() {
    let sends = |words: &str| first(&config(&instance("A", words))).sends_on().map(str::to_owned);
    let (own, made) = (Some("eth0".to_owned()), Some("vrrp.51".to_owned()));
    assert_eq!(sends("use_vmac"), made);
    assert_eq!(sends("use_vmac\nvmac_xmit_base"), own);
    assert_eq!(sends("use_vmac\nvmac_xmit_base\nstrict_mode\naccept"), made);
    assert_eq!(sends("vmac_xmit_base"), own);
    assert_eq!(found(&instance("A", "vmac_xmit_base")), ["V0404:7"]);
    // Peers know the interface's own address.
    let unicast = config(&instance("A", "use_vmac\nunicast_src_ip 192.0.2.9\nunicast_peer {\n192.0.2.10\n}"));
    assert_eq!((first(&unicast).sends_on(), first(&unicast).hears_on()), (Some("eth0"), Some("eth0")));
    // A group is heard on the virtual interface whatever adverts leave by.
    assert_eq!(first(&config(&instance("A", "use_vmac\nvmac_xmit_base"))).hears_on(), Some("vrrp.51"));
}

#[test]
fn adverts_come_from_an_ipvlan_and_the_addresses_stay_on_its_base() {
    let ipvlan = config(&instance("A", "use_ipvlan ipvl 192.0.2.9/24 private"));
    let own = first(&ipvlan).device.as_ref().unwrap();
    let address = Some(("192.0.2.9".parse().unwrap(), 24));
    assert_eq!(own.kind, DeviceKind::Ipvlan { flag: IpvlanFlag::Private, address });
    assert_eq!((first(&ipvlan).sends_on(), first(&ipvlan).hears_on()), (Some("ipvl"), Some("ipvl")));
    assert_eq!(first(&ipvlan).source, Some("192.0.2.9".parse().unwrap()));
    assert_eq!(first(&ipvlan).addresses[0].device, "eth0");
    // A source of its own counts more, and a line may put an address on the ipvlan.
    let said = instance(
        "A",
        "use_ipvlan ipvl 192.0.2.9/24\nmcast_src_ip 192.0.2.8\nvirtual_ipaddress {\n192.0.2.1 dev ipvl\n}",
    );
    assert_eq!(first(&config(&said)).source, Some("192.0.2.8".parse().unwrap()));
    assert_eq!(first(&config(&said)).addresses[0].device, "ipvl");
    // Over IPv6 its link-local address does; over IPv4 there is none.
    let six = instance("A", "use_ipvlan\nvirtual_ipaddress {\nfe80::1\n}");
    assert_eq!((found(&six), first(&config(&six)).source), (Vec::new(), None));
    assert_eq!(found(&instance("A", "use_ipvlan")), ["V0404:7"]);
    assert_eq!(found(&instance("A", "use_ipvlan 192.0.2.9/24\nvmac_xmit_base")), ["V0404:8"]);
}

#[test]
fn addresses_elsewhere_have_their_own_interfaces_only_if_asked() {
    let excluded = "virtual_ipaddress_excluded {\n2001:db8::1\n192.0.2.5 dev eth1\n192.0.2.6 dev eth1 use_vmac\n}";
    let devices = |words: &str| {
        let config = config(&instance("A", &format!("{words}\n{excluded}")));
        let places = |i: &Instance| i.excluded.iter().map(|a| a.device.clone()).collect::<Vec<_>>();
        (places(first(&config)), names(&config))
    };
    let text = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(devices("use_vmac"), (text(&["eth0", "eth1", "vrrp1.51"]), text(&["vrrp.51", "vrrp1.51"])));
    let all = (text(&["vrrp6.51", "vrrp1.51", "vrrp1.51"]), text(&["vrrp.51", "vrrp6.51", "vrrp1.51"]));
    assert_eq!(devices("use_vmac\nuse_vmac_addr"), all);
    assert_eq!(devices(""), (text(&["eth0", "eth1", "vrrp.51"]), text(&["vrrp.51"])));
}
