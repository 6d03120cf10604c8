//! Which instances will be in FAULT on this host: the vrrp role's own rules, asked with what the kernel says now.

use crate::apply::{UNUSABLE, unfit};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use vipd_api::Status;
use vipd_config::model::Config;
use vipd_sys::netlink::{Address, Link, Netlink};
use vipd_sys::netns;
use vipd_vrrp::settings::{Tracked, VirtualAddress};
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
#[derive(Default)]
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
    Ok(judged(old, new, &host))
}

fn judged(old: &Config, new: &Config, host: &Host) -> BTreeMap<String, Vec<String>> {
    let facts = Facts { links: links(old, new, host), ..Facts::default() };
    let on_host = |address: IpAddr| {
        let is = |a: &VirtualAddress| a.address == address;
        host.addresses.iter().any(|a| a.address == address) || new.statics.addresses.iter().any(is)
    };
    let faults = new.instances.iter().filter_map(|instance| {
        let unfit = unfit(instance, host.links.iter(), on_host).map(Fault::Deaf);
        let faults = track::faults(&instance.vrrp, &facts).into_iter().filter(told_by_the_host).chain(unfit);
        let why: Vec<String> = faults.map(|fault| fault.to_string()).collect();
        (!why.is_empty()).then(|| (instance.vrrp.name.clone(), why))
    });
    faults.collect()
}

/// Whether what the kernel says decides about it. Interfaces of our own will be made; scripts will run.
fn told_by_the_host(fault: &Fault) -> bool {
    match fault {
        Fault::InterfaceMissing(_)
        | Fault::InterfaceDown(_)
        | Fault::VrfMissing(_)
        | Fault::VrfDown(_)
        | Fault::NoAddress(_)
        | Fault::AddressInterfaceMissing(_)
        | Fault::AddressInterfaceDown(_)
        | Fault::PathInterfaceMissing(_)
        | Fault::PathInterfaceDown(_)
        | Fault::NoMulticast(_)
        | Fault::Deaf(_) => true,
        Fault::Tracked(what, _) => matches!(what, Tracked::Interface(_)),
        Fault::DeviceMissing(_)
        | Fault::DeviceDown(_)
        | Fault::Awaited(_)
        | Fault::Starting
        | Fault::Maintenance
        | Fault::Sibling(_)
        | Fault::SiblingAwaited(_) => false,
    }
}

/// The facts of the interfaces; adverts come from no virtual address, but from static ones that will be there, too.
fn links(old: &Config, new: &Config, host: &Host) -> BTreeMap<String, track::Link> {
    let lists = [old, new].into_iter().flat_map(|config| &config.instances);
    let virtual_addresses: BTreeSet<(&str, IpAddr, u8)> =
        lists.flat_map(|i| i.vrrp.addresses.iter().chain(&i.vrrp.excluded)).map(place).collect();
    let statics = || new.statics.addresses.iter();
    let fact = |link: &Link| {
        let there = host.addresses.iter().filter(|a| a.index == link.index && a.flags & UNUSABLE == 0);
        let there = there.filter(|a| !virtual_addresses.contains(&(link.name.as_str(), a.address, a.prefix)));
        let come = statics().filter(|a| a.device == link.name).map(|a| a.address);
        let (mut ipv4, mut link_local) = (None, None);
        for address in there.map(|a| a.address).chain(come) {
            match address {
                IpAddr::V4(a) => ipv4 = ipv4.or(Some(a)),
                IpAddr::V6(a) if a.is_unicast_link_local() => link_local = link_local.or(Some(a)),
                IpAddr::V6(_) => {}
            }
        }
        let Link { up, multicast, mtu, .. } = *link;
        (link.name.clone(), track::Link { up, multicast, ipv4, link_local, mtu })
    };
    host.links.iter().map(fact).collect()
}

fn place(address: &VirtualAddress) -> (&str, IpAddr, u8) {
    (&address.device, address.address, address.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_config::{Options, load_str};
    use vipd_sys::netlink::LinkKind;

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
        judged(&Config::default(), config, host).remove("V").unwrap_or_default().join(", ")
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
}
