//! Interfaces that are made for an instance, upon others: virtual MAC addresses (`use_vmac`) and ipvlans (`use_ipvlan`).

use super::{Family, Instance, Lifetime, Transport, VirtualAddress};
use alloc::string::String;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// An interface that is made for an instance.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VirtualDevice {
    /// Its name, 1 to 15 bytes; no other of the configuration has it.
    pub name: String,
    /// The interface that it is made upon.
    pub base: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The family of its addresses.
    pub family: Family,
    /// `group`: its interface group; `None`: its base's.
    pub group: Option<u32>,
}

/// What a virtual device is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DeviceKind {
    /// A macvlan in private mode with this hardware address: the virtual router's (RFC 9568, 7.3), or one that was given.
    Macvlan {
        /// Six octets, unicast.
        mac: [u8; 6],
    },
    /// An ipvlan in mode L2: it has its base's hardware address.
    Ipvlan {
        /// Whom it can talk to upon the same base.
        flag: IpvlanFlag,
        /// Its own address, which adverts come from.
        address: Option<(IpAddr, u8)>,
    },
}

/// Whom an ipvlan can talk to upon the same base (linux/if_link.h, `IPVLAN_F_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum IpvlanFlag {
    /// The others.
    Bridge,
    /// Nobody.
    Private,
    /// The others, by way of a switch that sends frames back.
    Vepa,
}

impl VirtualDevice {
    /// The address that an ipvlan has as long as it is there.
    pub fn own_address(&self) -> Option<VirtualAddress> {
        let DeviceKind::Ipvlan { address: Some((address, prefix)), .. } = self.kind else { return None };
        let plain = VirtualAddress::plain(address, prefix, self.name.clone());
        Some(VirtualAddress { preferred: Lifetime::Forever, ..plain })
    }
}

/// The hardware address of a virtual router (RFC 9568, 7.3).
pub fn virtual_mac(family: Family, vrid: u8) -> [u8; 6] {
    let kind = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    [0, 0, 0x5e, 0, kind, vrid]
}

impl Instance {
    /// Every interface that is made for it.
    pub fn devices(&self) -> impl Iterator<Item = &VirtualDevice> {
        self.device.iter().chain(&self.more_devices)
    }

    /// Whether it runs on an interface, or on what is made for it under that name.
    pub fn is_upon(&self, name: &str) -> bool {
        self.binding.device() == Some(name) || self.device.as_ref().is_some_and(|device| device.name == name)
    }

    /// The interface whose address adverts come from; `None`: the address is the file's alone.
    pub fn source_interface(&self) -> Option<&str> {
        match &self.device {
            Some(VirtualDevice { name, kind: DeviceKind::Ipvlan { .. }, .. }) => Some(name),
            Some(VirtualDevice { kind: DeviceKind::Macvlan { .. }, .. }) | None => self.binding.interface(),
        }
    }

    /// The interface (or VRF) that adverts leave by; `None`: any.
    pub fn sends_on(&self) -> Option<&str> {
        if self.vmac_xmit_base { self.binding.device() } else { self.hears_on() }
    }

    /// The interface (or VRF) that adverts are heard on; `None`: any. What is sent to a group by somebody with the same virtual
    /// hardware address, the kernel gives to the macvlan that has it and to nobody else; what others send, to it as well.
    pub fn hears_on(&self) -> Option<&str> {
        match (&self.device, &self.transport) {
            (Some(VirtualDevice { kind: DeviceKind::Macvlan { .. }, .. }), Transport::Unicast { .. }) | (None, _) => {
                self.binding.device()
            }
            (Some(device), _) => Some(&device.name),
        }
    }
}
