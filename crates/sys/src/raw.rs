//! Raw IP sockets, for protocols of their own beside TCP and UDP: one kind that hears a protocol on an interface, one that
//! sends whole packets out of it.

mod inbox;

use inbox::Family;
pub use inbox::Inbox;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

/// The interface a socket is tied to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its kernel index.
    pub index: u32,
}

/// Where a receiver listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listen {
    /// A multicast group, joined on the interface.
    Group(IpAddr),
    /// Unicast to this local address (which need not exist yet), or to any if it is unspecified.
    Unicast(IpAddr),
}

impl Listen {
    fn address(self) -> IpAddr {
        match self {
            Listen::Group(address) | Listen::Unicast(address) => address,
        }
    }
}

/// A datagram as a receiver gives it, and when it came: the time since 1970 in microseconds, if the kernel has noted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrived<'a> {
    /// What came.
    pub datagram: Received<'a>,
    /// When.
    pub at: Option<u64>,
}

/// What came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received<'a> {
    /// Over IPv4: the whole datagram, IP header included.
    Whole(&'a [u8]),
    /// Over IPv6: what follows the headers, and what they said.
    Payload {
        /// Sender.
        source: Ipv6Addr,
        /// Where it was sent.
        destination: Ipv6Addr,
        /// Hop limit.
        hop_limit: u8,
        /// What follows.
        payload: &'a [u8],
    },
}

/// Hears an IP protocol on one interface, or on all.
pub struct Receiver {
    socket: Socket,
    family: Family,
}

impl Receiver {
    /// Opens it, non-blocking. `device`: an interface, or a VRF for all interfaces in it; `None`, which is for unicast, for all
    /// of the host's. `room`: receive buffer in bytes, a bound for what may pile up.
    pub fn open(device: Option<&Device>, protocol: u8, listen: Listen, room: usize) -> io::Result<Receiver> {
        let address = listen.address();
        let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(room)?;
        let index = tie(&socket, device)?;
        if address.is_ipv4() {
            socket.set_multicast_all_v4(false)?;
        } else {
            socket.set_multicast_all_v6(false)?;
            socket.set_recv_hoplimit_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        match listen {
            Listen::Group(IpAddr::V4(group)) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))?;
            }
            Listen::Group(IpAddr::V6(group)) => socket.join_multicast_v6(&group, index)?,
            Listen::Unicast(IpAddr::V4(_)) => socket.set_freebind_v4(true)?,
            Listen::Unicast(IpAddr::V6(_)) => socket.set_freebind_v6(true)?,
        }
        socket.bind(&place(address, index).into())?;
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Receiver { socket, family })
    }

    /// Takes what waits, at most so many datagrams, in one call; how many they are.
    pub fn receive(&self, inbox: &mut Inbox, most: usize) -> io::Result<usize> {
        match inbox.fill(&self.socket, self.family, most) {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            other => other,
        }
    }
}

/// Ties a socket to its interface or VRF (`SO_BINDTODEVICE`, socket(7)), whose index is given back; 0: it is tied to none.
fn tie(socket: &Socket, device: Option<&Device>) -> io::Result<u32> {
    let Some(device) = device else { return Ok(0) };
    socket.bind_device(Some(device.name.as_bytes()))?;
    Ok(device.index)
}

/// An address as a raw socket takes it: an IPv6 one of a link alone needs that link.
fn place(address: IpAddr, device: u32) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, 0),
        IpAddr::V6(v6) => {
            let scoped = v6.is_unicast_link_local() || v6.is_multicast();
            SocketAddrV6::new(v6, 0, 0, if scoped { device } else { 0 }).into()
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An address of every link.
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Sends whole IP packets of one family out of one interface, or where the routes say; hears nothing.
pub struct Sender {
    socket: Socket,
    device: u32,
}

impl Sender {
    /// Opens it, non-blocking: what doesn't fit the queue is an error, never a wait. `device`: an interface, or a VRF for the
    /// routes of that; `None` for the host's. `from`: the source by which routes and rules are chosen, which need not exist yet;
    /// an unspecified one says the family alone.
    pub fn open(device: Option<&Device>, from: IpAddr) -> io::Result<Sender> {
        let domain = if from.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        // IPPROTO_RAW: header included, and nothing is ever received.
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        let device = tie(&socket, device)?;
        if from.is_ipv4() {
            socket.set_multicast_loop_v4(false)?;
        } else {
            socket.set_multicast_loop_v6(false)?;
        }
        let sender = Sender { socket, device };
        if from.is_unspecified() { Ok(sender) } else { sender.bound(from) }
    }

    /// Lets it send where the interface has no IPv6 address. A packet has its source; the kernel looks for one of its own all
    /// the same, and refuses what it finds none for, unless the socket is bound: to any will do.
    pub fn unaddressed(self) -> io::Result<Sender> {
        self.bound(IpAddr::V6(LINK_LOCAL))
    }

    /// Binds it to an address, which this host may have or not.
    fn bound(self, from: IpAddr) -> io::Result<Sender> {
        match from {
            IpAddr::V4(_) => self.socket.set_freebind_v4(true)?,
            IpAddr::V6(_) => self.socket.set_freebind_v6(true)?,
        }
        self.socket.bind(&place(from, self.device).into())?;
        Ok(self)
    }

    /// Sends a packet with its IP header. Multicast goes out of the interface without asking the routing table.
    pub fn send(&self, packet: &[u8], to: IpAddr) -> io::Result<()> {
        let flags = if to.is_multicast() { libc::MSG_DONTROUTE } else { 0 };
        let sent = self.socket.send_to_with_flags(packet, &place(to, self.device).into(), flags)?;
        if sent == packet.len() { Ok(()) } else { Err(io::Error::other("the packet was cut")) }
    }
}
