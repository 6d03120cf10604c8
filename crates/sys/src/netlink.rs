//! Interfaces, addresses, routes and rules through route netlink: what there is, what changes, and changing it.

mod attr;
mod route;
mod routing;
mod rule;

mod device;

pub use device::{LinkKind, NewDevice, in_between};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::link::{InfoData, InfoVrf, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use socket2::SockFilter;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};

pub use route::{Encap, Found, Hop, Order, Place, Route, Tunnel, Way};
pub use routing::{RoutingChange, RoutingMonitor, routing_changes};
pub use rule::Rule;

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV6_IFADDR` (linux/rtnetlink.h)
const GROUPS: [u32; 3] = [1, 5, 9];

/// Receive buffer of the monitor: some ten thousand changes at once.
const ROOM: usize = 8 << 20;
/// More datagrams than fit there.
const MOST_WAITING: usize = 1 << 16;

/// `INFINITY_LIFE_TIME` (net/addrconf.h)
const FOREVER: u32 = u32::MAX;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Kernel index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// `IFF_UP` and `IFF_RUNNING`.
    pub up: bool,
    /// `IFF_UP`: nobody has set it down. Without it an interface has no routes.
    pub enabled: bool,
    /// `IFF_MULTICAST`
    pub multicast: bool,
    /// Whether it resolves addresses (`IFF_NOARP` and `IFF_LOOPBACK` off, Ethernet).
    pub arp: bool,
    /// Hardware address, if it is one of Ethernet.
    pub mac: Option<[u8; 6]>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// The routing table of a VRF.
    pub vrf: Option<u32>,
    /// What it is.
    pub kind: LinkKind,
    /// Index of the interface beneath it.
    pub base: Option<u32>,
    /// Index of the bridge, bond or VRF that it belongs to.
    pub controller: Option<u32>,
    /// Its interface group.
    pub group: u32,
}

/// An address on an interface.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Scope (`rt_scope_t`).
    pub scope: u8,
    /// Broadcast address, IPv4.
    pub broadcast: Option<Ipv4Addr>,
    /// Label, IPv4.
    pub label: Option<String>,
    /// The other end of a point-to-point link; the prefix is then the peer's.
    pub peer: Option<IpAddr>,
    /// Seconds for which it may be the source of new connections; `None`: as long as it is there.
    pub preferred: Option<u32>,
    /// Seconds after which the kernel takes it back; `None`: never.
    pub valid: Option<u32>,
    /// `IFA_F_*` (linux/if_addr.h).
    pub flags: u32,
}

/// Flags of an address (linux/if_addr.h).
pub mod flag {
    /// `IFA_F_NODAD`: no duplicate address detection.
    pub const NODAD: u32 = 0x02;
    /// `IFA_F_DADFAILED`: somebody else has it.
    pub const DADFAILED: u32 = 0x08;
    /// `IFA_F_HOMEADDRESS`
    pub const HOME: u32 = 0x10;
    /// `IFA_F_TENTATIVE`: duplicate address detection is not over.
    pub const TENTATIVE: u32 = 0x40;
    /// `IFA_F_MANAGETEMPADDR`
    pub const MANAGE_TEMPORARY: u32 = 0x100;
    /// `IFA_F_NOPREFIXROUTE`
    pub const NO_PREFIX_ROUTE: u32 = 0x200;
    /// `IFA_F_MCAUTOJOIN`
    pub const AUTO_JOIN: u32 = 0x400;
}

/// The port of a netlink socket (`nlmsg_pid`): 0 is the kernel, which also stands for whoever asked it about IPv6 addresses or
/// by other ways than netlink.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port(pub u32);

impl Port {
    /// The process that it belongs to: the kernel gives the first socket of a process its number (`netlink_autobind`), and
    /// libnl counts further ones from the 22nd bit on. `None`: the kernel itself, or a number that the kernel chose.
    pub fn process(self) -> Option<u32> {
        // From here on the kernel counts downwards when the number is taken.
        const CHOSEN: u32 = 0xf000_0000;
        Some(self.0 & 0x3f_ffff).filter(|pid| *pid > 1 && self.0 < CHOSEN)
    }
}

/// A change that the kernel tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An interface came or changed.
    Link(Link),
    /// An interface went.
    LinkGone(u32),
    /// An address came or changed.
    Address(Address),
    /// An address went, by the wish of whoever has that port.
    AddressGone(Address, Port),
    /// Changes were lost: everything must be read anew.
    Overrun,
}

/// Hears of changes.
pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Opens it, non-blocking.
    pub fn open() -> io::Result<Monitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        crate::process::receive_buffer(&socket, ROOM); // Overrun mends the rest
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(Monitor { socket, buffer: Vec::new() })
    }

    /// Hears no more of the addresses that this one adds or renews: whoever does so knows. (The kernel does not say who it was
    /// for IPv6: those are heard.)
    pub fn ignore(&self, own: &Netlink) -> io::Result<()> {
        let mut address = SocketAddr::new(0, 0);
        own.socket.get_address(&mut address)?;
        socket2::SockRef::from(&self.socket).attach_filter(&all_but_new_addresses_of(address.port_number()))
    }

    /// What has changed, at most one datagram's worth; `None` if nothing has.
    pub fn read(&mut self) -> io::Result<Option<Vec<Change>>> {
        match read_bytes(&self.socket, &mut self.buffer)? {
            Bytes::None => Ok(None),
            Bytes::Lost => Ok(Some(vec![Change::Overrun])),
            Bytes::Some => Ok(Some(changes(&self.buffer))),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a monitor's socket has.
enum Bytes {
    /// Nothing.
    None,
    /// Less than the kernel had to tell.
    Lost,
    /// A datagram; empty if it is not from the kernel.
    Some,
}

fn read_bytes(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<Bytes> {
    match receive(socket, buffer) {
        Ok(()) => Ok(Bytes::Some),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Bytes::None),
        Err(e) if is_loss(&e) => {
            drain(socket, buffer);
            Ok(Bytes::Lost)
        }
        Err(e) => Err(e),
    }
}

/// Reads a datagram into this buffer; nothing if it is not from the kernel. One that is longer than the kernel makes any is
/// lost (`ENOBUFS`).
pub(crate) fn receive(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<()> {
    /// Dumps come in pieces of 32 KiB at the most (`netlink_dump`, net/netlink/af_netlink.c).
    const LONGEST: usize = 64 << 10;
    buffer.clear();
    buffer.reserve(LONGEST);
    let room = buffer.capacity();
    let (length, from) = socket.recv_from(buffer, libc::MSG_TRUNC)?;
    if length > room {
        return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
    }
    if from.port_number() != 0 {
        buffer.clear();
    }
    Ok(())
}

/// A program of the kernel's packet filter (linux/filter.h) that lets pass what is no `RTM_NEWADDR`, or was not asked for by
/// this port. It reads numbers as the network orders them; netlink has them as this machine does.
fn all_but_new_addresses_of(port: u32) -> [SockFilter; 6] {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const NEW_ADDRESS: u16 = 20; // linux/rtnetlink.h
    [
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(EQUAL, 0, 3, NEW_ADDRESS.to_be().into()),
        SockFilter::new(LOAD, 0, 0, 12),
        SockFilter::new(EQUAL, 0, 1, port.to_be()),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

fn is_loss(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::ENOBUFS)
}

/// Throws away what waits. It is older than what was lost, and as long as any of it waits the kernel goes on losing
/// (`NETLINK_S_CONGESTED`): only what is read anew behind this is the truth.
fn drain(socket: &Socket, buffer: &mut Vec<u8>) {
    for _ in 0..MOST_WAITING {
        match receive(socket, buffer) {
            Ok(()) => {}
            Err(e) if is_loss(&e) => {}
            Err(_) => return,
        }
    }
}

/// The changes that a datagram of the kernel tells of, in its order; what can't be read, or is about other things, is left out.
pub fn changes(bytes: &[u8]) -> Vec<Change> {
    let one = |message: NetlinkMessage<RouteNetlinkMessage>| match message.payload {
        NetlinkPayload::InnerMessage(inner) => change(inner, Port(message.header.port_number)),
        _ => None, // answers and ends, which nobody asked for here
    };
    messages(bytes).filter_map(one).collect()
}

fn change(message: RouteNetlinkMessage, port: Port) -> Option<Change> {
    match message {
        // A bridge tells of its ports in the same group, under its own family: that a port left it is no end of the link.
        RouteNetlinkMessage::NewLink(m) | RouteNetlinkMessage::DelLink(m)
            if m.header.interface_family != AddressFamily::Unspec =>
        {
            None
        }
        RouteNetlinkMessage::NewLink(m) => link(&m).map(Change::Link),
        RouteNetlinkMessage::DelLink(m) => Some(Change::LinkGone(m.header.index)),
        RouteNetlinkMessage::NewAddress(m) => address(&m).map(Change::Address),
        RouteNetlinkMessage::DelAddress(m) => address(&m).map(|gone| Change::AddressGone(gone, port)),
        _ => None, // groups that were not joined
    }
}

/// Asks and changes; one request after the other.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    reason: String,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens it.
    pub fn open() -> io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        // The kernel answers within the call; this only keeps a surprise from hanging the caller for ever.
        crate::process::receive_timeout(&socket, std::time::Duration::from_secs(5))?;
        let _ = socket.set_ext_ack(true); // for `reason` alone, which older kernels don't say
        Ok(Netlink { socket, sequence: 0, reason: String::new(), buffer: Vec::new() })
    }

    /// What the kernel said beside its last error, in its words; may be nothing.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Every interface.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        let ask = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.request(ask, NLM_F_DUMP, |m| {
            if let RouteNetlinkMessage::NewLink(m) = m {
                links.extend(link(&m));
            }
        })?;
        Ok(links)
    }

    /// Every address of both families.
    pub fn addresses(&mut self) -> io::Result<Vec<Address>> {
        let mut addresses = Vec::new();
        let ask = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.request(ask, NLM_F_DUMP, |m| {
            if let RouteNetlinkMessage::NewAddress(m) = m {
                addresses.extend(address(&m));
            }
        })?;
        Ok(addresses)
    }

    /// Adds an address; one that is there already is brought in line.
    pub fn add(&mut self, address: &Address) -> io::Result<()> {
        let ask = RouteNetlinkMessage::NewAddress(message(address));
        self.request(ask, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, |_| {})
    }

    /// Removes an address; one that isn't there is no error. Its label is not asked for: it is another one when its interface
    /// was renamed (`inetdev_changename`, net/ipv4/devinet.c).
    pub fn remove(&mut self, address: &Address) -> io::Result<()> {
        let ask = RouteNetlinkMessage::DelAddress(message(&Address { label: None, ..address.clone() }));
        match self.request(ask, NLM_F_ACK, |_| {}) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => Ok(()),
            other => other,
        }
    }

    /// Gives addresses that are there their lifetimes anew, all in one send. One that is refused keeps the others from
    /// nothing; the first refusal is what is returned.
    pub fn renew(&mut self, renewals: &mut Renewals) -> io::Result<()> {
        let sequence = self.next();
        let Some(bytes) = renewals.seal(sequence) else { return Ok(()) };
        self.socket.send(bytes, 0)?;
        let mut refused = None;
        loop {
            receive(&self.socket, &mut self.buffer)?;
            for message in pieces(&self.buffer) {
                let Some((ERROR, _, body)) = split(message) else { continue };
                let about = attr::number(message.get(8..).unwrap_or_default());
                let code = attr::number(body).map_or(0, u32::cast_signed);
                if code < 0 && [Some(sequence), Some(Renewals::SEQUENCE)].contains(&about) {
                    refused.get_or_insert_with(|| io::Error::from_raw_os_error(-code));
                }
                if about == Some(sequence) {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }

    fn request(
        &mut self,
        ask: RouteNetlinkMessage,
        flags: u16,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        write(ask, flags, self.next(), &mut bytes);
        self.transact(&bytes, |bytes| {
            let message = NetlinkMessage::deserialize(bytes).map(|message| message.payload);
            if let Ok(NetlinkPayload::InnerMessage(message)) = message {
                each(message);
            }
        })
    }

    /// Sends a request of that type with that body and hands over the type and the body of every answer.
    fn exchange(&mut self, kind: u16, flags: u16, body: &[u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend_from_slice(&self.next().to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(body);
        self.transact(&bytes, |bytes| {
            if let Some((kind, _, body)) = split(bytes) {
                each(kind, body);
            }
        })
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends a request and reads until it is answered.
    fn transact(&mut self, request: &[u8], each: impl FnMut(&[u8])) -> io::Result<()> {
        self.socket.send(request, 0)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let answered = self.read_answers(&mut buffer, each);
        self.buffer = buffer;
        answered
    }

    fn read_answers(&mut self, buffer: &mut Vec<u8>, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            receive(&self.socket, buffer)?;
            for message in pieces(buffer) {
                let Some((kind, flags, body)) = split(message) else { continue };
                if attr::number(message.get(8..).unwrap_or_default()) != Some(self.sequence) {
                    continue; // the late end of a request that timed out
                }
                match (kind, attr::number(body).map(u32::cast_signed)) {
                    (ERROR | DONE, None | Some(0..)) => return Ok(()),
                    (ERROR | DONE, Some(code)) => {
                        self.reason = reason(flags, body).unwrap_or_default();
                        return Err(io::Error::from_raw_os_error(-code));
                    }
                    _ => each(message),
                }
            }
        }
    }
}

/// Requests that give addresses their lifetimes anew, written once and sent as often as is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Renewals {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Renewals {
    /// Of all but the last, which alone is answered in any case.
    const SEQUENCE: u32 = 0;

    /// One more.
    pub fn push(&mut self, address: &Address) {
        write(RouteNetlinkMessage::NewAddress(message(address)), NLM_F_REPLACE, Self::SEQUENCE, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Takes those of another from `first` on, at most so many; how many these were.
    pub fn append(&mut self, other: &Renewals, first: usize, most: usize) -> usize {
        let start = |n: usize| n.checked_sub(1).map_or(0, |before| other.ends[before]);
        let last = first.saturating_add(most).min(other.len());
        let first = first.min(last);
        let (from, behind) = (start(first), self.bytes.len());
        self.bytes.extend_from_slice(&other.bytes[from..start(last)]);
        self.ends.extend(other.ends[first..last].iter().map(|end| end - from + behind));
        last - first
    }

    /// Forgets them; their room is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The bytes to be sent, if there are any: the last one is to be answered, under this number.
    fn seal(&mut self, sequence: u32) -> Option<&[u8]> {
        let start = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before]);
        let last = self.bytes.get_mut(start..).filter(|last| last.len() >= HEADER)?;
        last[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_REPLACE | NLM_F_ACK).to_ne_bytes());
        last[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Some(&self.bytes)
    }
}

/// Writes a request behind what is there.
fn write(ask: RouteNetlinkMessage, flags: u16, sequence: u32, to: &mut Vec<u8>) {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(ask));
    message.finalize();
    let start = to.len();
    // Each begins at a multiple of four bytes (`NLMSG_ALIGN`).
    to.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut to[start..start + message.buffer_len()]);
}

/// Bytes of `struct nlmsghdr` (linux/netlink.h).
const HEADER: usize = 16;
/// `NLMSG_ERROR`, of which one with code 0 is an acknowledgement, and `NLMSG_DONE`
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// What an error says beside its code: `NLMSGERR_ATTR_MSG`, behind the request that it is about.
fn reason(flags: u16, body: &[u8]) -> Option<String> {
    let request = usize::try_from(attr::number(body.get(4..)?)?).ok()?;
    let capped = flags & 0x100 != 0; // NLM_F_CAPPED
    let behind = 4 + if capped { HEADER } else { request.next_multiple_of(4) };
    let texts = attr::attributes(body.get(behind..)?).filter(|(kind, _)| *kind == 1);
    texts.map(|(_, text)| attr::text(text)).next()
}

/// Type, flags and body of a message.
fn split(message: &[u8]) -> Option<(u16, u16, &[u8])> {
    let half = |at: usize| message.get(at..)?.first_chunk().map(|two| u16::from_ne_bytes(*two));
    Some((half(4)?, half(6)?, message.get(HEADER..)?))
}

/// The messages of a datagram.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        let one = rest.get(..length).filter(|_| length >= HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(one)
    })
}

/// The netlink messages of a datagram, those that can't be read left out (newer kernels may say things unknown here).
fn messages(bytes: &[u8]) -> impl Iterator<Item = NetlinkMessage<RouteNetlinkMessage>> + '_ {
    pieces(bytes).filter_map(|one| NetlinkMessage::deserialize(one).ok())
}

fn link(message: &LinkMessage) -> Option<Link> {
    let flags = message.header.flags;
    let mut name = None;
    let mut mac = None;
    let mut mtu = 1500;
    let mut vrf = None;
    let (mut kind, mut base, mut controller, mut group) = (LinkKind::Other, None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(n) => name = Some(n.clone()),
            LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            LinkAttribute::Mtu(m) => mtu = *m,
            LinkAttribute::LinkInfo(infos) => {
                vrf = infos.iter().find_map(table);
                kind = device::kind(infos);
            }
            LinkAttribute::Link(index) => base = Some(*index),
            LinkAttribute::Controller(index) => controller = Some(*index),
            LinkAttribute::Group(number) => group = *number,
            _ => {} // the many others
        }
    }
    let ethernet = message.header.link_layer_type == LinkLayerType::Ether;
    Some(Link {
        index: message.header.index,
        name: name?,
        up: flags.contains(LinkFlags::Up | LinkFlags::Running),
        enabled: flags.contains(LinkFlags::Up),
        multicast: flags.contains(LinkFlags::Multicast),
        arp: ethernet && !flags.intersects(LinkFlags::Noarp | LinkFlags::Loopback),
        mac: mac.filter(|_| ethernet),
        mtu,
        vrf,
        kind,
        base,
        controller,
        group,
    })
}

/// The table of a VRF.
fn table(info: &LinkInfo) -> Option<u32> {
    let LinkInfo::Data(InfoData::Vrf(data)) = info else { return None };
    data.iter().find_map(|one| if let InfoVrf::TableId(table) = one { Some(*table) } else { None })
}

fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut peer, mut broadcast, mut label, mut preferred) = (None, None, None, None, None);
    let mut valid = None;
    let mut flags = u32::from(message.header.flags.bits());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(a) => local = Some(*a),
            AddressAttribute::Address(a) => peer = Some(*a),
            AddressAttribute::Broadcast(a) => broadcast = Some(*a),
            AddressAttribute::Label(l) => label = Some(l.clone()),
            AddressAttribute::CacheInfo(times) => {
                preferred = Some(times.ifa_preferred).filter(|seconds| *seconds != FOREVER);
                valid = Some(times.ifa_valid).filter(|seconds| *seconds != FOREVER);
            }
            AddressAttribute::Flags(all) => flags = all.bits(),
            _ => {} // who made it and the like
        }
    }
    Some(Address {
        index: message.header.index,
        address: local.or(peer)?,
        peer: peer.filter(|peer| local.is_some_and(|local| local != *peer)),
        preferred,
        valid,
        flags,
        prefix: message.header.prefix_len,
        scope: message.header.scope.into(),
        broadcast,
        label,
    })
}

fn message(address: &Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.prefix;
    message.header.index = address.index;
    message.header.scope = AddressScope::from(address.scope);
    message.attributes.push(AddressAttribute::Local(address.address));
    message.attributes.push(AddressAttribute::Address(address.peer.unwrap_or(address.address)));
    message.attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    message.attributes.extend(address.label.clone().map(AddressAttribute::Label));
    if address.flags != 0 {
        message.attributes.push(AddressAttribute::Flags(AddressFlags::from_bits_retain(address.flags)));
    }
    if address.preferred.is_some() || address.valid.is_some() {
        let mut times = CacheInfo::default();
        times.ifa_valid = address.valid.unwrap_or(FOREVER);
        // The kernel refuses one that is preferred for longer than it is there.
        times.ifa_preferred = address.preferred.unwrap_or(FOREVER).min(times.ifa_valid);
        message.attributes.push(AddressAttribute::CacheInfo(times));
    }
    message
}
