//! Routes: messages of type `RTM_*ROUTE` (linux/rtnetlink.h).

use super::Netlink;
use super::attr::{self, Attributes, attributes, octets};
use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

/// `RTM_NEWROUTE`, `RTM_DELROUTE`, `RTM_GETROUTE`
pub(super) const NEW: u16 = 24;
pub(super) const DELETE: u16 = 25;
const GET: u16 = 26;
/// Bytes of `struct rtmsg`.
const HEADER: usize = 12;
/// `RT_TABLE_MAIN`
const MAIN: u32 = 254;
/// `RT_SCOPE_NOWHERE`: of whatever scope, where something is removed.
const NOWHERE: u8 = 255;
/// `RTNH_F_ONLINK`
const ONLINK: u32 = 4;
/// `IP6_RT_PRIO_USER`: the metric of an IPv6 route that has none.
const USER: u32 = 1024;

/// Kinds of attributes, `RTA_*`.
mod rta {
    pub(super) const DST: u16 = 1;
    pub(super) const SRC: u16 = 2;
    pub(super) const OIF: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const PREFSRC: u16 = 7;
    pub(super) const METRICS: u16 = 8;
    pub(super) const MULTIPATH: u16 = 9;
    pub(super) const FLOW: u16 = 11;
    pub(super) const TABLE: u16 = 15;
    pub(super) const VIA: u16 = 18;
    pub(super) const PREF: u16 = 20;
    pub(super) const ENCAP_TYPE: u16 = 21;
    pub(super) const ENCAP: u16 = 22;
    pub(super) const EXPIRES: u16 = 23;
    pub(super) const TTL_PROPAGATE: u16 = 26;
}

/// A route to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where it leads, and how many bits of that count.
    pub destination: (IpAddr, u8),
    /// Packets from there alone (IPv6).
    pub source: Option<(IpAddr, u8)>,
    /// `RTN_*`
    pub kind: u8,
    /// Table; 0 is the main one.
    pub table: u32,
    /// Type of service (IPv4).
    pub tos: u8,
    /// `RTPROT_*`: who made it.
    pub protocol: u8,
    /// `rt_scope_t`
    pub scope: u8,
    /// Metric; 0: the kernel's.
    pub metric: u32,
    /// The source of packets that have none.
    pub preferred: Option<IpAddr>,
    /// The ways; several share the traffic.
    pub hops: Vec<Hop>,
    /// `RTAX_*` and their values.
    pub metrics: Vec<(u16, u32)>,
    /// `RTAX_CC_ALGO`: congestion control.
    pub congestion: Option<String>,
    /// Router preference (RFC 4191), IPv6.
    pub preference: Option<u8>,
    /// Seconds that it lives, IPv6.
    pub expires: Option<u32>,
    /// Whether MPLS copies the TTL.
    pub ttl_propagate: Option<u8>,
}

/// A way of a route.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hop {
    /// The next router; of the other family, too.
    pub gateway: Option<IpAddr>,
    /// Index of the interface.
    pub device: Option<u32>,
    /// Its share, 1..=256.
    pub weight: u16,
    /// Whether the gateway counts as being on the link.
    pub onlink: bool,
    /// FROM << 16 | TO
    pub realms: Option<u32>,
    /// A tunnel that packets enter there.
    pub encap: Option<Encap>,
}

/// A lightweight tunnel (linux/lwtunnel.h).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encap {
    /// `LWTUNNEL_ENCAP_MPLS`: labels, the outermost first.
    Mpls(Vec<u32>),
    /// `LWTUNNEL_ENCAP_IP`
    Ip(Tunnel),
    /// `LWTUNNEL_ENCAP_IP6`
    Ip6(Tunnel),
    /// `LWTUNNEL_ENCAP_ILA`: the locator.
    Ila(u64),
}

/// What a packet is given on its way into a tunnel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tunnel {
    /// Its number.
    pub id: Option<u64>,
    /// Its other end.
    pub destination: Option<IpAddr>,
    /// This end.
    pub source: Option<IpAddr>,
    /// Type of service, or traffic class.
    pub tos: Option<u8>,
    /// TTL, or hop limit.
    pub ttl: Option<u8>,
    /// Flags.
    pub flags: Option<u16>,
}

/// How a new route stands to others with its destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Only where there is none.
    Alone,
    /// Before them.
    Before,
    /// Behind them.
    Behind,
}

/// What distinguishes routes in the kernel, but for the ways that they take.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Table.
    pub table: u32,
    /// Where it leads, and how many bits of that count.
    pub destination: (IpAddr, u8),
    /// Packets from there alone.
    pub source: Option<(IpAddr, u8)>,
    /// Type of service.
    pub tos: u8,
    /// Metric.
    pub metric: u32,
}

/// A way that the kernel has for a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Way {
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// Index of the interface; 0: none.
    pub device: u32,
}

/// A route as the kernel tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// `RTPROT_*`: who made it.
    pub protocol: u8,
    /// Where it stands.
    pub place: Place,
    /// Its ways.
    pub ways: Vec<Way>,
}

impl Route {
    /// Where it stands.
    pub fn place(&self) -> Place {
        let unset = if self.destination.0.is_ipv6() && self.metric == 0 { USER } else { 0 };
        Place {
            table: if self.table == 0 { MAIN } else { self.table },
            destination: self.destination,
            source: self.source,
            tos: if self.destination.0.is_ipv6() { 0 } else { self.tos },
            metric: self.metric.max(unset),
        }
    }

    /// Whether these ways are all of its own.
    pub fn among(&self, ways: &BTreeSet<Way>) -> bool {
        !ways.is_empty() && self.hops.iter().all(|hop| ways.iter().any(|way| hop.takes(way)))
    }

    /// The message's body; to remove it, only what tells it from others.
    fn body(&self, whole: bool) -> Vec<u8> {
        let (address, length) = self.destination;
        let flags = match self.hops.as_slice() {
            [one] if one.onlink => ONLINK,
            _ => 0,
        };
        let scope = if whole { self.scope } else { NOWHERE };
        let table = u8::try_from(self.table).unwrap_or(0);
        let source = self.source.map_or(0, |(_, length)| length);
        let mut body = vec![family(address), length, source, self.tos, table, self.protocol, scope, self.kind];
        body.extend_from_slice(&flags.to_ne_bytes());
        let mut out = Attributes::default();
        if length > 0 {
            out.put_address(rta::DST, address);
        }
        if let Some((from, _)) = self.source {
            out.put_address(rta::SRC, from);
        }
        out.put_u32(rta::TABLE, if self.table == 0 { MAIN } else { self.table });
        if self.metric > 0 {
            out.put_u32(rta::PRIORITY, self.metric);
        }
        match self.hops.as_slice() {
            [] => {}
            [one] => {
                if let Some(device) = one.device {
                    out.put_u32(rta::OIF, device);
                }
                one.attributes(address, &mut out);
            }
            several => {
                let mut all = Attributes::default();
                several.iter().for_each(|hop| hop.nexthop(address, &mut all));
                out.put(rta::MULTIPATH, all.bytes());
            }
        }
        if whole {
            self.options(&mut out);
        }
        body.extend_from_slice(out.bytes());
        body
    }

    fn options(&self, out: &mut Attributes) {
        if let Some(preferred) = self.preferred {
            out.put_address(rta::PREFSRC, preferred);
        }
        let mut metrics = Attributes::default();
        self.metrics.iter().for_each(|(kind, value)| metrics.put_u32(*kind, *value));
        if let Some(name) = &self.congestion {
            metrics.put_text(16, name); // RTAX_CC_ALGO
        }
        if !metrics.is_empty() {
            out.put(rta::METRICS, metrics.bytes());
        }
        if let Some(preference) = self.preference {
            out.put(rta::PREF, &[preference]);
        }
        if let Some(expires) = self.expires {
            out.put_u32(rta::EXPIRES, expires);
        }
        if let Some(propagate) = self.ttl_propagate {
            out.put(rta::TTL_PROPAGATE, &[propagate]);
        }
    }
}

impl Hop {
    /// Whether this is its way, as far as it says.
    pub fn takes(&self, way: &Way) -> bool {
        let gateway = self.gateway.is_none_or(|gateway| way.gateway == Some(gateway));
        gateway && self.device.is_none_or(|device| way.device == device)
    }

    /// A `struct rtnexthop` with what belongs to it.
    fn nexthop(&self, destination: IpAddr, all: &mut Attributes) {
        let mut own = Attributes::default();
        self.attributes(destination, &mut own);
        let length = u16::try_from(8 + own.bytes().len()).unwrap_or(u16::MAX);
        let share = u8::try_from(self.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        all.raw(&length.to_ne_bytes());
        all.raw(&[if self.onlink { 4 } else { 0 }, share]);
        all.raw(&self.device.unwrap_or(0).to_ne_bytes());
        all.raw(own.bytes());
    }

    fn attributes(&self, destination: IpAddr, out: &mut Attributes) {
        match self.gateway {
            Some(gateway) if gateway.is_ipv4() == destination.is_ipv4() => out.put_address(rta::GATEWAY, gateway),
            Some(gateway) => {
                let via = [u16::from(family(gateway)).to_ne_bytes().as_slice(), &octets(gateway)].concat();
                out.put(rta::VIA, &via);
            }
            None => {}
        }
        if let Some(realms) = self.realms {
            out.put_u32(rta::FLOW, realms);
        }
        if let Some(encap) = &self.encap {
            let (kind, inner) = encap.attributes();
            out.put(rta::ENCAP_TYPE, &kind.to_ne_bytes());
            out.put(rta::ENCAP, inner.bytes());
        }
    }
}

impl Encap {
    /// `LWTUNNEL_ENCAP_*` and what belongs to it (linux/lwtunnel.h, mpls_iptunnel.h, ila.h).
    fn attributes(&self) -> (u16, Attributes) {
        let mut out = Attributes::default();
        let kind = match self {
            Encap::Mpls(labels) => {
                let last = labels.len().saturating_sub(1);
                let entry = |(i, label): (usize, &u32)| (label << 12 | u32::from(i == last) << 8).to_be_bytes();
                out.put(1, &labels.iter().enumerate().flat_map(entry).collect::<Vec<u8>>());
                1
            }
            Encap::Ip(tunnel) | Encap::Ip6(tunnel) => {
                if let Some(id) = tunnel.id {
                    out.put(1, &id.to_be_bytes());
                }
                for (kind, end) in [(2, tunnel.destination), (3, tunnel.source)] {
                    if let Some(end) = end {
                        out.put_address(kind, end);
                    }
                }
                for (kind, byte) in [(4, tunnel.ttl), (5, tunnel.tos)] {
                    if let Some(byte) = byte {
                        out.put(kind, &[byte]);
                    }
                }
                if let Some(flags) = tunnel.flags {
                    out.put(6, &flags.to_be_bytes());
                }
                if matches!(self, Encap::Ip(_)) { 2 } else { 4 }
            }
            Encap::Ila(locator) => {
                out.put(1, &locator.to_be_bytes());
                3
            }
        };
        (kind, out)
    }
}

/// `AF_INET` or `AF_INET6`
pub(super) fn family(address: IpAddr) -> u8 {
    u8::try_from(if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }).unwrap_or(0)
}

/// The unspecified address of a family, if that has routes of ours.
pub(super) fn zero(family: u8) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(IpAddr::from([0; 4])),
        libc::AF_INET6 => Some(IpAddr::from([0; 16])),
        _ => None,
    }
}

/// The route in the body of a message. Clones in the cache (IPv6) are none.
pub(super) fn parse(body: &[u8]) -> Option<Found> {
    let [family, length, from, tos, table, protocol, ..] = *body else { return None };
    let flags = attr::number(body.get(8..)?)?;
    if flags & 0x200 != 0 {
        return None; // RTM_F_CLONED
    }
    let zero = zero(family)?;
    let mut place = Place { table: table.into(), destination: (zero, length), source: None, tos, metric: 0 };
    let (mut gateway, mut device, mut ways) = (None, 0, Vec::new());
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            rta::DST => place.destination.0 = attr::address(value)?,
            rta::SRC => place.source = Some((attr::address(value)?, from)),
            rta::TABLE => place.table = attr::number(value)?,
            rta::PRIORITY => place.metric = attr::number(value)?,
            rta::OIF => device = attr::number(value)?,
            rta::GATEWAY => gateway = attr::address(value),
            rta::VIA => gateway = attr::address(value.get(2..)?),
            rta::MULTIPATH => ways = several(value),
            _ => {}
        }
    }
    if ways.is_empty() {
        ways.push(Way { gateway, device });
    }
    Some(Found { protocol, place, ways })
}

/// The ways of a route with several.
fn several(bytes: &[u8]) -> Vec<Way> {
    let mut rest = bytes;
    let hops = std::iter::from_fn(|| {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let device = attr::number(rest.get(4..)?)?;
        let mut gateway = None;
        for (kind, value) in attributes(rest.get(8..length)?) {
            match kind {
                rta::GATEWAY => gateway = attr::address(value),
                rta::VIA => gateway = value.get(2..).and_then(attr::address),
                _ => {}
            }
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Way { gateway, device })
    });
    hops.collect()
}

impl Netlink {
    /// The routes that one of these protocols made. The kernel leaves the others out (from 4.20 on), however many there are.
    pub fn routes(&mut self, protocols: &BTreeSet<u8>) -> io::Result<Vec<Found>> {
        let mut routes = Vec::new();
        let _ = self.socket.set_netlink_get_strict_chk(true); // older kernels send all of them
        for family in [libc::AF_INET, libc::AF_INET6] {
            for protocol in protocols {
                let mut body = vec![0; HEADER];
                body[0] = u8::try_from(family).unwrap_or(0);
                body[5] = *protocol;
                self.exchange(GET, NLM_F_DUMP, &body, |kind, body| {
                    let found = parse(body).filter(|found| kind == NEW && found.protocol == *protocol);
                    routes.extend(found);
                })?;
            }
        }
        let _ = self.socket.set_netlink_get_strict_chk(false);
        Ok(routes)
    }

    /// Adds a route. `EEXIST` says that this one, or another by the same way in its place, is there already.
    pub fn add_route(&mut self, route: &Route, order: Order) -> io::Result<()> {
        let how = match order {
            Order::Alone => NLM_F_EXCL,
            Order::Before => 0,
            Order::Behind => NLM_F_APPEND,
        };
        self.exchange(NEW, NLM_F_ACK | NLM_F_CREATE | how, &route.body(true), |_, _| {})
    }

    /// Removes a route of its own protocol; one that isn't there is no error.
    pub fn remove_route(&mut self, route: &Route) -> io::Result<()> {
        match self.exchange(DELETE, NLM_F_ACK, &route.body(false), |_, _| {}) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => Ok(()),
            other => other,
        }
    }
}
