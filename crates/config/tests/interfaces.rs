//! What a file says of interfaces of the host: how their carrier is found out, delays, the pace of announcements.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, instance, said};
use std::time::Duration;
use vipd_config::effective::effective;
use vipd_config::model::{Interface, Linkbeat};
use vipd_config::setting;

const ADDRESS: &str = "virtual_ipaddress {\n192.0.2.1\n}";

fn polled(text: &str) -> Vec<(String, Linkbeat)> {
    config(text).interfaces.into_iter().filter_map(|(name, of)| Some((name, of.linkbeat?))).collect()
}

#[test]
fn drivers_are_asked_of_whatever_the_file_says() {
    let named = "linkbeat_interfaces {\neth1\neth2 ETHTOOL\neth3 IOCTL\n}\n";
    let expected = [("eth1", Linkbeat::Mii), ("eth2", Linkbeat::Ethtool), ("eth3", Linkbeat::Ioctl)];
    let expected = expected.map(|(name, way)| (name.to_owned(), way));
    assert_eq!(polled(named), expected);
    let all = format!("linkbeat_use_polling\n{}", instance(ADDRESS));
    let own = instance(&format!("linkbeat_use_polling\n{ADDRESS}"));
    for text in [&all, &own] {
        assert_eq!(polled(text), [("eth0".to_owned(), Linkbeat::Mii)]);
    }
    assert!(said(&own).contains("linkbeat_interfaces { eth0 }"), "{}", said(&own));
    // What the file says of one interface counts more, and what is made needs none of it.
    assert_eq!(
        polled(&format!("linkbeat_interfaces {{\neth0 IOCTL\n}}\n{all}")),
        [("eth0".to_owned(), Linkbeat::Ioctl)]
    );
    let made = format!("linkbeat_interfaces {{\nvrrp.7\n}}\n{}", instance(&format!("use_vmac\n{ADDRESS}")));
    assert_eq!((polled(&made), found(&made)), (vec![], vec!["V0409:2".to_owned()]));
}

#[test]
fn delays_are_shorter_than_the_peers_patience_and_hold_for_what_is_made_upon_an_interface() {
    let text = |delays: &str, more: &str| {
        format!("interface_up_down_delays {{\neth0 {delays}\n}}\n{}", instance(&format!("use_vmac\n{ADDRESS}\n{more}")))
    };
    let of = |delays: &str, more: &str| {
        let interfaces = config(&text(delays, more)).interfaces;
        assert_eq!(interfaces.get("eth0"), interfaces.get("vrrp.7"));
        let delays = |of: &Interface| of.down_delay.map(|down| (down, of.up_delay));
        interfaces.get("eth0").and_then(delays)
    };
    let millis = |down, up| Some((Duration::from_millis(down), Duration::from_millis(up)));
    assert_eq!(of("1.5 3", ""), millis(1500, 3000));
    assert_eq!(of("0.25", ""), millis(250, 0), "the delay for up is none unless given, as with keepalived");
    let most = Some((Duration::from_micros(2_000_000 - 1_000_000 / 256), Duration::from_secs(3)));
    assert_eq!(of("2 3", ""), most);
    assert_eq!(found(&text("2 3", "")), ["V0404:2"]);
    let meant = setting::text(&effective(&config(&text("2 3", ""))));
    assert!(meant.contains("interface_up_down_delays {\n    eth0 1.996094 3\n}"), "{meant}");
    assert_eq!(of("2", "down_timer_adverts 4"), millis(2000, 0));
    assert_eq!(of("2", "down_timer_adverts 1"), millis(0, 0));
    assert_eq!(of("0", ""), millis(0, 0), "at once, and not after a moment");
}

#[test]
fn an_interface_is_in_one_group_which_has_a_pace() {
    let group = |lines: &str| format!("garp_group {{\n{lines}\n}}\n");
    let one = group("garp_interval 0.5\ninterface eth0\ninterfaces {\neth1 eth2\neth0\n}");
    let two = group("gna_interval 2\ninterface eth2\ninterface eth3");
    let text = format!("{one}{two}");
    let groups = config(&text).garp_groups;
    let shown = |n: usize| {
        let names: Vec<&str> = groups[n].interfaces.iter().map(String::as_str).collect();
        (names, groups[n].garp_interval, groups[n].gna_interval)
    };
    assert_eq!(shown(0), (vec!["eth0", "eth1", "eth2"], Duration::from_millis(500), Duration::ZERO));
    assert_eq!(shown(1), (vec!["eth3"], Duration::ZERO, Duration::from_secs(2)));
    assert_eq!(found(&text), ["V0209:6", "V0209:11"]);
    for lacking in ["interface eth0", "garp_interval 1"] {
        assert!(config(&group(lacking)).garp_groups.is_empty());
        assert!(said(&group(lacking)).contains("this group lacks"));
    }
}
