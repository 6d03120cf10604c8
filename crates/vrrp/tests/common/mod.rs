//! Settings for the tests of this crate.

#![allow(dead_code, clippy::unwrap_used)] // each test program uses its own part of this; a panic is a verdict

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use vipd_vrrp::node::{Node, Settings};
use vipd_vrrp::settings::*;
use vipd_vrrp::track::Link;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority, Vrid};

/// The group of VRRP.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// A virtual address on eth0.
pub(crate) fn virtual_address(address: IpAddr) -> VirtualAddress {
    VirtualAddress { address, prefix: 32, device: "eth0".into(), broadcast: None, label: None, scope: 0 }
}

/// An instance on eth0 with one address, multicast, without authentication.
pub(crate) fn instance(version: Version, vrid: u8, priority: u8, centis: u16) -> Instance {
    Instance {
        name: format!("VI_{vrid}"),
        vrid: Vrid::new(vrid).unwrap(),
        interface: "eth0".into(),
        version,
        priority: Priority(priority),
        initial: Initial::Backup,
        advert_int: Centis(centis),
        preempt: Preempt::After(Micros::ZERO),
        auth: Auth::None,
        transport: Transport::Multicast { group: GROUP.into() },
        source: None,
        addresses: vec![virtual_address([192, 0, 2, 100].into())],
        excluded: vec![],
        garp: Garp::default(),
        down_timer_adverts: 3,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        skip_check_adv_addr: false,
        track_primary: true,
        tracks: vec![],
    }
}

/// eth0, up, with this address.
pub(crate) fn links(address: [u8; 4]) -> BTreeMap<String, Link> {
    [("eth0".to_owned(), link(address))].into()
}

/// An interface that is up.
pub(crate) fn link(address: [u8; 4]) -> Link {
    Link { up: true, multicast: true, address: Some(IpAddr::from(address)) }
}

/// A node with one instance.
pub(crate) fn node(now: Instant, instance: Instance, address: [u8; 4]) -> Node {
    let settings = Settings { instances: vec![instance], ..Settings::default() };
    Node::new(now, settings, links(address), None, 0)
}
