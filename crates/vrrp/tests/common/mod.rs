//! Settings for the tests of this crate.

#![allow(dead_code, clippy::unwrap_used)] // each test program uses its own part of this; a panic is a verdict

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vipd_vrrp::admit::Known;
use vipd_vrrp::node::{Node, Settings};
use vipd_vrrp::settings::*;
use vipd_vrrp::track::Link;
use vipd_vrrp::trailer::Stamps;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority, Vrid};

/// The group of VRRP.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// What an instance knows that has heard and lost nothing.
pub(crate) const UNKNOWN: Known<'static> = Known {
    way: Way::Own,
    own: None,
    sequence: 0,
    master: None,
    listed: usize::MAX,
    stamps: &const { Stamps::new() },
    unix: Micros::ZERO,
};

/// A virtual address on eth0.
pub(crate) fn virtual_address(address: IpAddr) -> VirtualAddress {
    VirtualAddress::plain(address, 32, "eth0".into())
}

/// An instance on eth0 with one address, multicast, without authentication.
pub(crate) fn instance(version: Version, vrid: u8, priority: u8, centis: u16) -> Instance {
    Instance {
        name: format!("VI_{vrid}"),
        vrid: Vrid::new(vrid).unwrap(),
        binding: Binding::Interface("eth0".into()),
        family: Family::V4,
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
        timer_expired: None,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        skip_check_adv_addr: false,
        owner_ignore_adverts: false,
        checksum: Checksum::Pseudo,
        device: None,
        more_devices: Vec::new(),
        vmac_xmit_base: false,
        accept: true,
        track_primary: true,
        tracks: vec![],
        vip_lease: false,
        catch_up: Micros::ZERO,
        witness: false,
        fence: false,
        heartbeat_paths: Vec::new(),
        needs: std::collections::BTreeSet::new(),
    }
}

/// The same for IPv6, with these addresses.
pub(crate) fn ipv6(settings: Instance, addresses: &[&str]) -> Instance {
    let group = "ff02::12".parse().unwrap();
    let addresses = addresses.iter().map(|a| VirtualAddress::plain(a.parse().unwrap(), 64, "eth0".into())).collect();
    Instance { family: Family::V6, transport: Transport::Multicast { group }, addresses, ..settings }
}

/// eth0, up, with this address.
pub(crate) fn links(address: [u8; 4]) -> BTreeMap<String, Link> {
    [("eth0".to_owned(), link(address))].into()
}

/// An interface that is up.
pub(crate) fn link(address: [u8; 4]) -> Link {
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, u16::from(address[3]));
    Link { up: true, multicast: true, ipv4: Some(Ipv4Addr::from(address)), link_local: Some(link_local), mtu: 1500 }
}

/// A node with one instance.
pub(crate) fn node(now: Instant, instance: Instance, address: [u8; 4]) -> Node {
    let settings = Settings { instances: vec![instance], ..Settings::default() };
    Node::new(now, settings, links(address), None, Micros::ZERO)
}
