//! Interfaces that are made for instances (virtual MAC addresses, ipvlans): what there is, compared with what is
//! configured; what is missing is made, what an earlier configuration had is removed. And the settings of the kernel that
//! keep an interface and those upon it from answering for each other.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use tracing::{info, warn};
use vipd_sys::netlink::{Address, Link, LinkKind, Netlink, NewDevice, flag};
use vipd_sys::sysctl;
use vipd_vrrp::settings::{DeviceKind, Family, Instance, IpvlanFlag, VirtualDevice};

/// How a virtual device stands in the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    /// It is there; its index, and whether somebody has set it down.
    Right { index: u32, enabled: bool },
    /// It is not there, and can be made upon this.
    Missing { base: u32, vrf: Option<u32>, group: u32 },
    /// One of ours is there that is otherwise.
    Stale { index: u32 },
    /// Somebody else's is there.
    Foreign,
    /// What it is made upon isn't there.
    NoBase,
}

/// Whether an interface by the name of a device was made by this host's vipd.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Ours,
    Unknown,
}

/// What was changed of the kernel's settings, and how it was before: by the path below `/proc/sys`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Before(BTreeMap<String, String>);

/// The interfaces that are made for instances.
pub(crate) struct Devices {
    netlink: Netlink,
    wanted: Vec<VirtualDevice>,
    /// Names of those that were made or found, in this life.
    made: BTreeSet<String>,
    before: Before,
    /// Why some can't be made, by their names.
    problems: BTreeMap<String, String>,
    remade: BTreeMap<String, u64>,
}

impl Devices {
    /// Opens its socket.
    pub(crate) fn open() -> io::Result<Devices> {
        Ok(Devices {
            netlink: Netlink::open()?,
            wanted: Vec::new(),
            made: BTreeSet::new(),
            before: Before::default(),
            problems: BTreeMap::new(),
            remade: BTreeMap::new(),
        })
    }

    /// These instances' devices are wanted from now on. Those that an earlier configuration had otherwise are removed: a
    /// hardware address can't be on one interface twice.
    pub(crate) fn manage(&mut self, instances: &[Instance], links: &BTreeMap<u32, Link>) {
        let wanted: Vec<VirtualDevice> = instances.iter().flat_map(Instance::devices).cloned().collect();
        for old in std::mem::replace(&mut self.wanted, wanted) {
            if !self.wanted.contains(&old) && self.made.remove(&old.name) {
                self.remove(&old, links);
            }
        }
        self.remade.retain(|name, _| self.wanted.iter().any(|device| device.name == *name));
        self.problems.clear();
        if self.wanted.is_empty() {
            std::mem::take(&mut self.before).restore();
        }
    }

    /// Takes over what a predecessor had changed.
    pub(crate) fn resume(&mut self, before: Before) {
        self.before = before;
    }

    /// What a successor has to know.
    pub(crate) fn before(&self) -> &Before {
        &self.before
    }

    /// Makes what is missing; whether the kernel has news of it now.
    pub(crate) fn reconcile(&mut self, links: &BTreeMap<u32, Link>) -> bool {
        let mut changed = false;
        for device in std::mem::take(&mut self.wanted) {
            changed |= self.bring_about(&device, links);
            self.wanted.push(device);
        }
        changed
    }

    fn bring_about(&mut self, device: &VirtualDevice, links: &BTreeMap<u32, Link>) -> bool {
        let known = self.made.contains(&device.name);
        let done = match look(device, if known { Claim::Ours } else { Claim::Unknown }, links) {
            Found::Right { enabled: true, .. } => {
                self.made.insert(device.name.clone());
                self.problems.remove(&device.name);
                return false;
            }
            Found::NoBase => return false, // its end, or its coming, is told of
            Found::Right { index, enabled: false } => self.prepare(device, index),
            Found::Missing { base, vrf, group } => self.make(device, base, vrf, group),
            Found::Stale { index } => {
                self.made.remove(&device.name);
                self.netlink.unmake(index)
            }
            Found::Foreign => Err(io::Error::other("another interface has its name")),
        };
        match done {
            Ok(()) if known => {
                *self.remade.entry(device.name.clone()).or_default() += 1;
                warn!("somebody removed or changed {}: it is made anew", device.name);
            }
            Ok(()) => info!("{} is made upon {}", device.name, device.base),
            // It went, or came, while this was asked: that is told of in a moment.
            Err(e) if vipd_sys::netlink::in_between(&e) => {}
            Err(e) => {
                let why = format!("{} can't be made upon {}: {e}", device.name, device.base);
                if self.problems.get(&device.name) != Some(&why) {
                    warn!("{why}");
                }
                self.problems.insert(device.name.clone(), why);
                return false;
            }
        }
        self.problems.remove(&device.name);
        true
    }

    /// Why an instance has not all of its devices, if it hasn't.
    pub(crate) fn problem(&self, instance: &Instance) -> Option<&str> {
        instance.devices().find_map(|device| self.problems.get(&device.name)).map(String::as_str)
    }

    /// How often devices of an instance were made again.
    pub(crate) fn remade(&self, instance: &Instance) -> u64 {
        instance.devices().filter_map(|device| self.remade.get(&device.name)).sum()
    }

    /// Removes them all, and leaves the settings of the kernel as they were.
    pub(crate) fn withdraw(&mut self, links: &BTreeMap<u32, Link>) {
        for device in std::mem::take(&mut self.wanted) {
            self.remove(&device, links);
        }
        self.made.clear();
        std::mem::take(&mut self.before).restore();
    }

    fn make(&mut self, device: &VirtualDevice, base: u32, vrf: Option<u32>, group: u32) -> io::Result<()> {
        let (kind, mac) = match device.kind {
            DeviceKind::Macvlan { mac } => (LinkKind::Macvlan, Some(mac)),
            DeviceKind::Ipvlan { flag, .. } => (LinkKind::Ipvlan(ipvlan_flag(flag)), None),
        };
        let group = device.group.unwrap_or(group);
        self.netlink.make(&NewDevice { name: &device.name, base, vrf, kind, mac, group })?;
        let index = self.netlink.link(&device.name)?.map(|link| link.index);
        let index = index.ok_or_else(|| io::Error::other("it went as soon as it was made"))?;
        self.prepare(device, index)
    }

    /// The settings of a device that is down, and then it is set up.
    fn prepare(&mut self, device: &VirtualDevice, index: u32) -> io::Result<()> {
        self.settle(device);
        self.netlink.enable(index)?;
        // At once, so that its instance doesn't begin in FAULT; from now on `Addresses` looks after it.
        if let Some(own) = device.own_address() {
            let flags = if own.address.is_ipv6() { flag::NODAD } else { 0 };
            self.netlink.add(&Address {
                index,
                address: own.address,
                prefix: own.prefix,
                scope: own.scope,
                broadcast: None,
                label: None,
                peer: None,
                preferred: None,
                valid: None,
                flags,
            })?;
        }
        self.made.insert(device.name.clone());
        Ok(())
    }

    /// Only the device that holds an address answers for it, whichever of the two hears the question; and what is sent to
    /// it is taken though the way back is by its base.
    fn settle(&mut self, device: &VirtualDevice) {
        if matches!(device.kind, DeviceKind::Macvlan { .. }) && device.family == Family::V4 {
            let base = device.base.as_str();
            self.before.raise(base, "arp_ignore", 1);
            self.before.raise(base, "arp_filter", 1);
            // Its questions must not say that a virtual address is at its own hardware address.
            self.before.raise(base, "arp_announce", 2);
        }
        if device.family == Family::V4 {
            self.before.lower_reverse_path_filter();
        }
        let name = device.name.as_str();
        let own: &[(&str, &str, &str)] = match (&device.kind, device.family) {
            (DeviceKind::Ipvlan { .. }, Family::V4) => &[("ipv6", "disable_ipv6", "1"), ("ipv4", "rp_filter", "0")],
            (DeviceKind::Macvlan { .. }, Family::V4) => &[
                ("ipv6", "disable_ipv6", "1"),
                ("ipv6", "addr_gen_mode", "1"),
                ("ipv4", "arp_ignore", "1"),
                ("ipv4", "accept_local", "1"),
                ("ipv4", "rp_filter", "0"),
                ("ipv4", "promote_secondaries", "1"),
            ],
            // Its link-local address it has by itself, and none from a router on the link.
            (DeviceKind::Ipvlan { .. }, Family::V6) => {
                &[("ipv6", "accept_ra", "0"), ("ipv6", "autoconf", "0"), ("ipv6", "router_solicitations", "0")]
            }
            // No address but those that it is given: neither by itself nor from a router on the link.
            (DeviceKind::Macvlan { .. }, Family::V6) => &[
                ("ipv6", "addr_gen_mode", "1"),
                ("ipv6", "accept_ra", "0"),
                ("ipv6", "autoconf", "0"),
                ("ipv6", "router_solicitations", "0"),
            ],
        };
        for (family, key, value) in own {
            if let Err(e) = sysctl::write(&["net", family, "conf", name, key], value)
                && e.kind() != io::ErrorKind::NotFound
            // a kernel without IPv6
            {
                warn!("{key} of {name} can't be set to {value}: {e}");
            }
        }
    }

    fn remove(&mut self, device: &VirtualDevice, links: &BTreeMap<u32, Link>) {
        if let Found::Right { index, .. } = look(device, Claim::Ours, links) {
            match self.netlink.unmake(index) {
                Ok(()) => info!("removed {}", device.name),
                Err(e) => warn!("{} can't be removed: {e}", device.name),
            }
        }
    }
}

/// Removes the devices of these instances, but for those of others, for a role that is not there to do it.
pub(super) fn release<'a>(
    netlink: &mut Netlink,
    instances: impl Iterator<Item = &'a Instance>,
    others: &BTreeSet<&VirtualDevice>,
    links: &BTreeMap<u32, Link>,
) -> io::Result<()> {
    for device in instances.flat_map(Instance::devices).filter(|device| !others.contains(device)) {
        if let Found::Right { index, .. } = look(device, Claim::Ours, links) {
            netlink.unmake(index)?;
            info!("removed {}: no vrrp role is there to do it", device.name);
        }
    }
    Ok(())
}

/// How a device stands. One of its kind that has its name and was made before is ours.
fn look(device: &VirtualDevice, claim: Claim, links: &BTreeMap<u32, Link>) -> Found {
    let named = |name: &str| links.values().find(|link| link.name == name);
    let base = named(&device.base);
    let Some(link) = named(&device.name) else {
        let in_vrf = |link: &Link| link.controller; // a bridge or bond takes no interface with others upon it
        return base.map_or(Found::NoBase, |b| Found::Missing { base: b.index, vrf: in_vrf(b), group: b.group });
    };
    let (kind, mac) = match device.kind {
        DeviceKind::Macvlan { mac } => (LinkKind::Macvlan, Some(mac)),
        DeviceKind::Ipvlan { flag, .. } => (LinkKind::Ipvlan(ipvlan_flag(flag)), None),
    };
    let same_kind = std::mem::discriminant(&link.kind) == std::mem::discriminant(&kind);
    let virtual_mac = matches!(link.mac, Some([0, 0, 0x5e, 0, 1 | 2, _]));
    match base {
        _ if !same_kind => Found::Foreign,
        None => Found::NoBase,
        Some(base) => {
            let right = link.kind == kind && link.base == Some(base.index) && mac.is_none_or(|m| link.mac == Some(m));
            match right {
                true => Found::Right { index: link.index, enabled: link.enabled },
                // What another life left behind has a virtual router's address; who else has one?
                false if claim == Claim::Ours || virtual_mac => Found::Stale { index: link.index },
                false => Found::Foreign,
            }
        }
    }
}

/// `IPVLAN_F_*` (linux/if_link.h)
fn ipvlan_flag(flag: IpvlanFlag) -> u16 {
    match flag {
        IpvlanFlag::Bridge => 0,
        IpvlanFlag::Private => 1,
        IpvlanFlag::Vepa => 2,
    }
}

impl Before {
    /// Sets a value of an interface's IPv4 to at least this.
    fn raise(&mut self, interface: &str, key: &str, least: u8) {
        let is = sysctl::read(&["net", "ipv4", "conf", interface, key]).ok().and_then(|value| value.parse::<u8>().ok());
        if is.is_some_and(|is| is < least) {
            self.set(interface, key, &least.to_string());
        }
    }

    /// Of the value for all interfaces and an interface's own the kernel takes the higher one. So that a virtual device can
    /// have none, all others get what they have by now as their own.
    fn lower_reverse_path_filter(&mut self) {
        let value = |interface: &str| {
            let value = sysctl::read(&["net", "ipv4", "conf", interface, "rp_filter"]);
            value.ok().and_then(|value| value.parse::<u8>().ok()).unwrap_or(0)
        };
        let all = value("all");
        if all == 0 {
            return;
        }
        let Ok(entries) = std::fs::read_dir("/proc/sys/net/ipv4/conf") else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name != "all" && value(&name) < all {
                self.set(&name, "rp_filter", &all.to_string());
            }
        }
        self.set("all", "rp_filter", "0");
    }

    fn set(&mut self, interface: &str, key: &str, value: &str) {
        let path = ["net", "ipv4", "conf", interface, key];
        match sysctl::read(&path).and_then(|is| sysctl::write(&path, value).map(|()| is)) {
            Ok(is) => {
                self.0.entry(path.join("/")).or_insert(is);
            }
            Err(e) => warn!("{key} of {interface} can't be set to {value}: {e}"),
        }
    }

    /// Leaves everything as it was.
    pub(crate) fn restore(self) {
        // In the order of their names, so that what holds for all is there again before each interface has its own.
        for (path, value) in self.0 {
            // It comes from a process that reads strangers' bytes, and may be carried out by root.
            let Some(parts) = own_setting(&path).filter(|_| value.parse::<u8>().is_ok()) else {
                warn!("{path} is none of the settings that virtual devices change: it is left alone");
                continue;
            };
            if let Err(e) = sysctl::write(&parts, &value)
                && e.kind() != io::ErrorKind::NotFound
            {
                warn!("{path} can't be set to {value} again: {e}");
            }
        }
    }
}

/// The parts of a path, if it is one of the settings that are changed here: `net/ipv4/conf/INTERFACE/KEY`.
fn own_setting(path: &str) -> Option<[&str; 5]> {
    const KEYS: [&str; 4] = ["arp_ignore", "arp_filter", "arp_announce", "rp_filter"];
    let mut parts = path.split('/');
    let found = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let [net, ipv4, conf, interface, key] = found;
    let place = (net, ipv4, conf) == ("net", "ipv4", "conf") && parts.next().is_none();
    let interface = !["", ".", ".."].contains(&interface);
    (place && interface && KEYS.contains(&key)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

    fn device() -> VirtualDevice {
        let kind = DeviceKind::Macvlan { mac: MAC };
        VirtualDevice { name: "vrrp.51".to_owned(), base: "eth0".to_owned(), kind, family: Family::V4, group: None }
    }

    fn link(index: u32, name: &str) -> Link {
        Link {
            vrf: None,
            index,
            name: name.to_owned(),
            up: true,
            enabled: true,
            multicast: true,
            arp: true,
            mac: Some([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            kind: LinkKind::Other,
            base: None,
            controller: None,
            group: 7,
        }
    }

    fn look_at(links: &[Link], claim: Claim) -> Found {
        look(&device(), claim, &links.iter().map(|link| (link.index, link.clone())).collect())
    }

    #[test]
    fn nothing_but_its_own_settings_is_set_again() {
        let own = ["net/ipv4/conf/eth0/arp_ignore", "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/eth0.7/arp_announce"];
        assert!(own.iter().all(|path| super::own_setting(path).is_some()));
        let others = [
            "/etc/cron.d/x",
            "kernel/core_pattern",
            "net/ipv4/conf/../../../kernel/arp_ignore",
            "net/ipv4/conf/../arp_ignore",
            "net/ipv4/conf//arp_ignore",
            "net/ipv4/conf/eth0/forwarding",
            "net/ipv4/conf/eth0",
            "",
        ];
        for path in others {
            assert_eq!(super::own_setting(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let eth0 = link(3, "eth0");
        assert_eq!(look_at(&[], Claim::Unknown), Found::NoBase);
        assert_eq!(
            look_at(std::slice::from_ref(&eth0), Claim::Unknown),
            Found::Missing { base: 3, vrf: None, group: 7 }
        );
        let own = Link { kind: LinkKind::Macvlan, base: Some(3), mac: Some(MAC), ..link(4, "vrrp.51") };
        assert_eq!(look_at(&[eth0.clone(), own.clone()], Claim::Unknown), Found::Right { index: 4, enabled: true });
        let down = Link { enabled: false, ..own.clone() };
        assert_eq!(look_at(&[eth0.clone(), down], Claim::Unknown), Found::Right { index: 4, enabled: false });
        // Of an earlier life, upon another interface.
        let left = Link { base: Some(9), ..own.clone() };
        assert_eq!(look_at(&[eth0.clone(), left], Claim::Unknown), Found::Stale { index: 4 });
        // Somebody's macvlan with its own address, unless it was ours.
        let other = Link { mac: Some([2, 0, 0, 0, 0, 9]), ..own.clone() };
        assert_eq!(look_at(&[eth0.clone(), other.clone()], Claim::Unknown), Found::Foreign);
        assert_eq!(look_at(&[eth0.clone(), other], Claim::Ours), Found::Stale { index: 4 });
        // Nothing but a private macvlan is ever removed.
        let dummy = Link { kind: LinkKind::Other, ..own };
        assert_eq!(look_at(&[eth0, dummy], Claim::Ours), Found::Foreign);
    }
}
