//! Interfaces that are made upon others: macvlans and ipvlans (linux/if_link.h).

use super::{Link, Netlink, link};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage, MacVlanMode,
};
use std::io;

/// What an interface is, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkKind {
    /// A macvlan in private mode.
    Macvlan,
    /// An ipvlan in mode L2, with its `IPVLAN_F_*`.
    Ipvlan(u16),
    /// Anything else.
    #[default]
    Other,
}

/// An interface to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDevice<'a> {
    /// Its name, 1 to 15 bytes.
    pub name: &'a str,
    /// The index of the interface that it is made upon.
    pub base: u32,
    /// The index of the VRF that it belongs to.
    pub vrf: Option<u32>,
    /// What it is; not `Other`.
    pub kind: LinkKind,
    /// Its hardware address; `None`: its base's.
    pub mac: Option<[u8; 6]>,
    /// Its interface group.
    pub group: u32,
}

/// Whether something was refused because the interface went, or came, meanwhile.
pub fn in_between(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENODEV | libc::EEXIST))
}

/// What the kernel says of a link's kind.
pub(super) fn kind(infos: &[LinkInfo]) -> LinkKind {
    let data = infos.iter().find_map(|info| match info {
        LinkInfo::Data(data) => Some(data),
        _ => None,
    });
    match data {
        Some(InfoData::MacVlan(infos)) if infos.contains(&InfoMacVlan::Mode(MacVlanMode::Private)) => LinkKind::Macvlan,
        Some(InfoData::IpVlan(infos)) if infos.contains(&InfoIpVlan::Mode(IpVlanMode::L2)) => {
            let flags = infos.iter().find_map(|info| match info {
                InfoIpVlan::Flags(flags) => Some(flags.bits()),
                _ => None,
            });
            LinkKind::Ipvlan(flags.unwrap_or(0))
        }
        _ => LinkKind::Other,
    }
}

impl Netlink {
    /// Makes an interface, which is down. An error if there is one by its name.
    pub fn make(&mut self, device: &NewDevice<'_>) -> io::Result<()> {
        let (kind, data) = match device.kind {
            LinkKind::Macvlan => (InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)])),
            LinkKind::Ipvlan(flags) => {
                let flags = InfoIpVlan::Flags(IpVlanFlags::from_bits_retain(flags));
                (InfoKind::IpVlan, InfoData::IpVlan(vec![InfoIpVlan::Mode(IpVlanMode::L2), flags]))
            }
            LinkKind::Other => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(device.name.to_owned()));
        message.attributes.push(LinkAttribute::Link(device.base));
        message.attributes.push(LinkAttribute::Group(device.group));
        message.attributes.extend(device.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
        message.attributes.extend(device.vrf.map(LinkAttribute::Controller));
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]));
        self.request(RouteNetlinkMessage::NewLink(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, |_| {})
    }

    /// Sets an interface up.
    pub fn enable(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(message), NLM_F_ACK, |_| {})
    }

    /// Removes an interface that was made; one that isn't there is no error.
    pub fn unmake(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        match self.request(RouteNetlinkMessage::DelLink(message), NLM_F_ACK, |_| {}) {
            Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    /// An interface by its name, if it exists.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let mut found = None;
        let asked = self.request(RouteNetlinkMessage::GetLink(message), NLM_F_ACK, |m| {
            if let RouteNetlinkMessage::NewLink(m) = m {
                found = link(&m);
            }
        });
        match asked {
            Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            other => other.map(|()| found),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    #[test]
    fn a_private_macvlan_is_told_from_others() {
        let info = |mode| {
            [LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]))]
        };
        assert_eq!(kind(&info(MacVlanMode::Private)), LinkKind::Macvlan);
        assert_eq!(kind(&info(MacVlanMode::Bridge)), LinkKind::Other);
        assert_eq!(kind(&[LinkInfo::Kind(InfoKind::Dummy)]), LinkKind::Other);
    }

    #[test]
    fn every_host_has_a_loopback_interface() {
        let mut netlink = Netlink::open().unwrap();
        let lo = netlink.link("lo").unwrap().unwrap();
        assert_eq!((lo.name.as_str(), lo.kind, lo.arp), ("lo", LinkKind::Other, false));
        assert_eq!(netlink.link("no-such-link").unwrap(), None);
    }
}
