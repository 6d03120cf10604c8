//! Which instances will be in FAULT on this host: the vrrp role's own rules, asked with what the kernel says now.

use crate::apply::{fact, fixed, places, unfit, written};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use vipd_api::Status;
use vipd_config::model::Config;
use vipd_sys::netlink::{Address, Link, Netlink};
use vipd_sys::netns;
use vipd_vrrp::settings::{DeviceKind, Tracked};
use vipd_vrrp::track::{self, Facts, Fault};

/// Where the vrrp role works.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Namespace {
    /// Where this command does.
    Here,
    /// In that of this process.
    Of(u32),
    /// In that of this name.
    Named(String),
}

impl Namespace {
    /// Of a daemon that runs: where its vrrp role is, or would be.
    pub(super) fn of(status: &Status) -> Namespace {
        let vrrp = status.roles.iter().find(|role| role.name == "vrrp" && role.pid != 0);
        Namespace::Of(vrrp.map_or(status.pid, |role| role.pid))
    }

    /// Of one that would be started with this configuration.
    pub(super) fn to_be(config: &Config) -> Namespace {
        config.global.net_namespace.clone().map_or(Namespace::Here, Namespace::Named)
    }

    fn enter(&self) -> io::Result<()> {
        match self {
            Namespace::Here => Ok(()),
            Namespace::Of(pid) => netns::enter_that_of(*pid),
            Namespace::Named(name) => netns::enter(name),
        }
    }
}

/// The interfaces and addresses of a host.
#[derive(Clone, Default)]
struct Host {
    links: Vec<Link>,
    addresses: Vec<Address>,
}

/// What will hold instances of the new configuration in FAULT, by their names; an error says why that can't be told.
pub(super) fn faults(
    old: &Config,
    new: &Config,
    namespace: Namespace,
) -> Result<BTreeMap<String, Vec<String>>, String> {
    if new.instances.is_empty() {
        return Ok(BTreeMap::new());
    }
    // A thread of its own: this one stays where it is.
    let look = std::thread::spawn(move || {
        namespace.enter()?;
        let mut netlink = Netlink::open()?;
        Ok(Host { links: netlink.links()?, addresses: netlink.addresses()? })
    });
    let host = look.join().unwrap_or_else(|_| Err(io::Error::other("whoever looked ended")));
    let host =
        host.map_err(|e: io::Error| format!("the interfaces of this host can't be read ({e}): are you root?"))?;
    Ok(judged(old, new, host))
}

fn judged(old: &Config, new: &Config, host: Host) -> BTreeMap<String, Vec<String>> {
    let host = to_be(new, host);
    let facts = Facts { links: links(old, new, &host), ..Facts::default() };
    let on_host = |address: IpAddr| host.addresses.iter().any(|a| a.address == address);
    let faults = new.instances.iter().filter_map(|instance| {
        let unfit = unfit(instance, host.links.iter(), on_host).map(Fault::Deaf);
        let faults = track::faults(&instance.vrrp, &facts).into_iter().filter(told_by_the_host).chain(unfit);
        let why: Vec<String> = faults.map(|fault| fault.to_string()).collect();
        (!why.is_empty()).then(|| (instance.vrrp.name.clone(), why))
    });
    faults.collect()
}

/// A host with what is there whatever the instances do: the interfaces that are made for them, and the addresses that
/// are always there. They are up if what they are made upon is: one that somebody set down is set up again.
fn to_be(new: &Config, mut host: Host) -> Host {
    for device in new.instances.iter().flat_map(|i| i.vrrp.devices()) {
        let named = |name: &str| host.links.iter().find(|link| link.name == name);
        // Nothing is made upon what isn't there.
        let Some(base) = named(&device.base).cloned() else { continue };
        match host.links.iter_mut().find(|link| link.name == device.name) {
            Some(link) => link.up = base.up,
            None => {
                let index = host.links.iter().map(|link| link.index).max().unwrap_or(0) + 1;
                let link_locals = host.addresses.iter().filter(|a| a.index == base.index && is_link_local(a.address));
                // The kernel gives an ipvlan a link-local address if it gives its base one.
                let own = link_locals.filter(|_| matches!(device.kind, DeviceKind::Ipvlan { .. }));
                let own: Vec<Address> = own.map(|a| Address { index, ..a.clone() }).collect();
                host.addresses.extend(own);
                host.links.push(Link { index, name: device.name.clone(), base: Some(base.index), vrf: None, ..base });
            }
        }
    }
    for address in fixed(new) {
        let index = host.links.iter().find(|link| link.name == address.device).map(|link| link.index);
        host.addresses.extend(index.map(|index| written(&address, index)));
    }
    host
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local())
}

/// Whether what the kernel says decides about it. Scripts will run.
fn told_by_the_host(fault: &Fault) -> bool {
    match fault {
        Fault::InterfaceMissing(_)
        | Fault::InterfaceDown(_)
        | Fault::VrfMissing(_)
        | Fault::VrfDown(_)
        | Fault::DeviceMissing(_)
        | Fault::DeviceDown(_)
        | Fault::NoAddress(_)
        | Fault::AddressInterfaceMissing(_)
        | Fault::AddressInterfaceDown(_)
        | Fault::PathInterfaceMissing(_)
        | Fault::PathInterfaceDown(_)
        | Fault::NoMulticast(_)
        | Fault::Deaf(_) => true,
        Fault::Tracked(what, _) => matches!(what, Tracked::Interface(_)),
        Fault::Awaited(_) | Fault::Starting | Fault::Maintenance | Fault::Sibling(_) | Fault::SiblingAwaited(_) => {
            false
        }
    }
}

/// The facts of the interfaces, as the role's `Addresses` has them. What its `Carriers` makes of them is not foretold: no
/// driver is asked where the file wants that (`linkbeat_use_polling`), and where only changes that last count, an
/// interface is taken for what the kernel says now, though a running role may still, or not yet, believe it up.
fn links(old: &Config, new: &Config, host: &Host) -> BTreeMap<String, track::Link> {
    let configured: BTreeSet<(&str, IpAddr, u8)> = places(old).chain(places(new)).collect();
    let fixed: BTreeSet<(String, IpAddr, u8)> = fixed(new).map(|a| (a.device, a.address, a.prefix)).collect();
    let facts = |link: &Link| {
        let there = host.addresses.iter().filter(|a| a.index == link.index);
        let is_ours = |a: &Address| {
            let stays = || fixed.contains(&(link.name.clone(), a.address, a.prefix));
            configured.contains(&(link.name.as_str(), a.address, a.prefix)) && !stays()
        };
        (link.name.clone(), fact(link, (0..).zip(there), is_ours))
    };
    host.links.iter().map(facts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_config::{Options, load_str};
    use vipd_sys::netlink::LinkKind;
    use vipd_vrrp::settings::VirtualAddress;

    fn link(index: u32, name: &str) -> Link {
        Link {
            vrf: None,
            index,
            name: name.to_owned(),
            up: true,
            enabled: true,
            multicast: true,
            arp: true,
            mac: None,
            mtu: 1500,
            kind: LinkKind::Other,
            base: None,
            controller: None,
            group: 0,
        }
    }

    fn address(index: u32, address: &str, prefix: u8) -> Address {
        Address {
            index,
            address: address.parse().unwrap(),
            prefix,
            scope: 0,
            broadcast: None,
            label: None,
            peer: None,
            preferred: None,
            valid: None,
            flags: 0,
        }
    }

    fn config(lines: &str) -> Config {
        let text = format!(
            "vrrp_script s {{\nscript \"/bin/true\"\n}}\nvrrp_instance V {{\nvirtual_router_id 7\n{lines}\n\
             virtual_ipaddress {{\n192.0.2.9/24 dev eth0\n}}\n}}\n"
        );
        load_str("test", &text, &Options::default()).config.unwrap()
    }

    fn told(config: &Config, host: &Host) -> String {
        judged(&Config::default(), config, host.clone()).remove("V").unwrap_or_default().join(", ")
    }

    #[test]
    fn what_the_kernel_says_is_what_is_foretold() {
        let down = Link { up: false, ..link(3, "eth1") };
        let red = Link { vrf: Some(10), ..link(4, "red") };
        let addresses = vec![address(2, "192.0.2.1", 24), address(2, "192.0.2.9", 24)];
        let host = Host { links: vec![link(2, "eth0"), down, red], addresses };
        let unicast = "unicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n}\n";
        for (lines, expected) in [
            ("interface eth0", ""),
            ("interface eth9", "interface eth9 doesn't exist"),
            ("interface eth1", "interface eth1 is down, interface eth1 has no address to send adverts from"),
            ("interface eth0\ntrack_interface {\neth1\n}", "tracked interface eth1 is down"),
            // Made, run, counted when the time has come.
            ("interface eth0\nuse_vmac", ""),
            ("interface eth0\nuse_vmac vrrp.7\ntrack_interface {\nvrrp.7\n}", ""),
            ("interface eth0\nuse_vmac vrrp.7\nvirtual_routes {\n198.51.100.0/24 dev vrrp.7\n}", ""),
            ("interface eth0\nuse_vmac vrrp.7\nvirtual_rules {\nfrom 198.51.100.0/24 iif vrrp.7 table 7\n}", ""),
            ("interface eth0\nuse_ipvlan ipv.7 192.0.2.7/24\ntrack_src_ip\ntrack_interface {\nipv.7\n}", ""),
            (
                "interface eth9\nuse_vmac vrrp.7",
                "interface eth9 doesn't exist, interface vrrp.7, which is made for it, doesn't exist",
            ),
            (
                "interface eth1\nuse_vmac vrrp.7\ntrack_interface {\nvrrp.7\n}",
                "interface eth1 is down, interface eth1 has no address to send adverts from, \
                 tracked interface vrrp.7 is down",
            ),
            ("interface eth0\ntrack_script {\ns\n}", ""),
            (&format!("vrf red\n{unicast}"), ""),
            (&format!("vrf blue\n{unicast}"), "VRF blue doesn't exist"),
            (&format!("vrf eth0\n{unicast}"), "no socket for adverts: eth0 is no VRF: it has no table of routes"),
            (
                &format!("interface eth0\ntrack_src_ip\n{unicast}").replace("2.1", "2.7"),
                "no socket for adverts: its source address 192.0.2.7 is not on this host",
            ),
        ] {
            assert_eq!(told(&config(lines), &host), expected, "{lines}");
        }
        // A virtual address is none to send from, a static one that comes with the reload is.
        let bare = Host { links: vec![link(2, "eth0")], addresses: vec![address(2, "192.0.2.9", 24)] };
        let mut plain = config("interface eth0");
        assert_eq!(told(&plain, &bare), "interface eth0 has no address to send adverts from");
        plain.statics.addresses.push(VirtualAddress::plain("192.0.2.1".parse().unwrap(), 24, "eth0".to_owned()));
        assert_eq!(told(&plain, &bare), "");
    }
    #[test]
    fn what_is_made_for_one_instance_is_there_for_others() {
        let host = |vrrp_7: Option<Link>, base_is_up: bool| {
            let addresses = vec![address(2, "192.0.2.1", 24), address(3, "198.51.100.1", 24)];
            let links = [Link { up: base_is_up, ..link(2, "eth0") }, link(3, "eth1")];
            Host { links: links.into_iter().chain(vrrp_7).collect(), addresses }
        };
        let text = "vrrp_instance V {\ninterface eth1\nvirtual_router_id 8\n\
                    virtual_ipaddress {\n192.0.2.8/24 dev vrrp.7\n}\n}\n\
                    vrrp_instance W {\ninterface eth0\nvirtual_router_id 7\nuse_vmac vrrp.7\n\
                    virtual_ipaddress {\n192.0.2.9\n}\n}\n";
        let both = load_str("test", text, &Options::default()).config.unwrap();
        let found = |up: bool| Link { up, enabled: up, ..link(4, "vrrp.7") };
        let down = "interface vrrp.7 of a virtual address is down";
        for (vrrp_7, base_is_up, expected) in [
            (None, true, ""),
            (None, false, down),
            (Some(found(true)), true, ""),
            // Set down by somebody: the role sets it up.
            (Some(found(false)), true, ""),
        ] {
            assert_eq!(told(&both, &host(vrrp_7, base_is_up)), expected);
        }
    }

    #[test]
    fn a_link_local_address_comes_with_an_ipvlan_and_with_no_macvlan() {
        let with = |link_local: &[Address]| Host { links: vec![link(2, "eth0")], addresses: link_local.to_vec() };
        let config = |device: &str| {
            let text = format!(
                "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 7\n{device}\n\
                 virtual_ipaddress {{\nfe80::9\n2001:db8::9\n}}\n}}\n"
            );
            load_str("test", &text, &Options::default()).config.unwrap()
        };
        let own = [address(2, "fe80::1", 64)];
        for (device, host, expected) in [
            ("use_ipvlan ipv.7", with(&own), ""),
            ("use_ipvlan ipv.7", with(&[]), "interface ipv.7 has no address to send adverts from"),
            ("use_vmac vrrp.7", with(&own), ""),
        ] {
            assert_eq!(told(&config(device), &host), expected, "{device}");
        }
    }
}
