//! Raw IP sockets, for protocols of their own beside TCP and UDP: one kind that hears a protocol on an interface, one that
//! sends whole packets out of it.

use crate::clock::unix_micros_of;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::io::{self, IoSliceMut, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

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

/// Hears an IP protocol on one interface.
pub struct Receiver {
    socket: Socket,
    family: Family,
    /// Room for what the kernel says beside a datagram.
    beside: Vec<u8>,
}

/// What a receiver hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    V4,
    V6,
}

impl Receiver {
    /// Opens it, non-blocking. `room`: receive buffer in bytes, a bound for what may pile up.
    pub fn open(device: &Device, protocol: u8, listen: Listen, room: usize) -> io::Result<Receiver> {
        let address = listen.address();
        let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(room)?;
        socket.bind_device(Some(device.name.as_bytes()))?;
        if address.is_ipv4() {
            socket.set_multicast_all_v4(false)?;
        } else {
            socket.set_multicast_all_v6(false)?;
            socket.set_recv_hoplimit_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        match listen {
            Listen::Group(IpAddr::V4(group)) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(device.index))?;
            }
            Listen::Group(IpAddr::V6(group)) => socket.join_multicast_v6(&group, device.index)?,
            Listen::Unicast(IpAddr::V4(_)) => socket.set_freebind_v4(true)?,
            Listen::Unicast(IpAddr::V6(_)) => socket.set_freebind_v6(true)?,
        }
        socket.bind(&place(address, device.index).into())?;
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        match family {
            // From now on the kernel notes it.
            Family::V4 => drop(arrival(&socket)),
            Family::V6 => setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?,
        }
        let beside = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int, libc::timespec);
        Ok(Receiver { socket, family, beside })
    }

    /// The next datagram; `None` if there is none. Longer ones are cut to the buffer, which their own length then shows.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<Arrived<'a>>> {
        match self.family {
            Family::V4 => match self.socket.read(buffer) {
                Ok(n) => Ok(Some(Arrived { datagram: Received::Whole(&buffer[..n]), at: arrival(&self.socket) })),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
                Err(e) => Err(e),
            },
            Family::V6 => self.receive_v6(buffer),
        }
    }

    fn receive_v6<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<Arrived<'a>>> {
        let (mut destination, mut hop_limit, mut at) = (Ipv6Addr::UNSPECIFIED, 0, None);
        let (length, source) = {
            let mut room = [IoSliceMut::new(buffer)];
            let socket = self.socket.as_raw_fd();
            let got = match recvmsg::<SockaddrIn6>(socket, &mut room, Some(&mut self.beside), MsgFlags::empty()) {
                Ok(got) => got,
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
                Err(e) => return Err(e.into()),
            };
            for message in got.cmsgs()? {
                match message {
                    ControlMessageOwned::ScmTimestampns(time) => at = unix_micros_of(time),
                    ControlMessageOwned::Ipv6PacketInfo(info) => destination = Ipv6Addr::from(info.ipi6_addr.s6_addr),
                    ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).unwrap_or(0),
                    _ => {} // not asked for
                }
            }
            (got.bytes, got.address)
        };
        let payload = buffer.get(..length).unwrap_or_default();
        let source = source.map_or(Ipv6Addr::UNSPECIFIED, |a| a.ip());
        Ok(Some(Arrived { datagram: Received::Payload { source, destination, hop_limit, payload }, at }))
    }
}

/// When the datagram came that was read last (microseconds since 1970): cheaper than a message beside each of them.
fn arrival(socket: &Socket) -> Option<u64> {
    /// `SIOCGSTAMPNS_NEW`: asm-generic/sockios.h, `_IOR(0x89, 0x07, long long[2])`.
    const ASK: libc::c_ulong = 0x8010_8907;
    let mut time = [0i64; 2];
    // SAFETY: needed because no library in use has this call. The kernel writes two 64-bit numbers, seconds and nanoseconds,
    // for which there is room.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), ASK as _, time.as_mut_ptr()) };
    let [secs, nanos] = time;
    (result == 0).then(|| unix_micros_of(TimeSpec::new(secs, nanos)))?
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

/// Sends whole IP packets of one family out of one interface; hears nothing.
pub struct Sender {
    socket: Socket,
    device: u32,
}

impl Sender {
    /// Opens it, non-blocking: what doesn't fit the queue is an error, never a wait. `like`: an address of the family.
    pub fn open(device: &Device, like: IpAddr) -> io::Result<Sender> {
        let domain = if like.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        // IPPROTO_RAW: header included, and nothing is ever received.
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(device.name.as_bytes()))?;
        if like.is_ipv4() {
            socket.set_multicast_loop_v4(false)?;
        } else {
            socket.set_multicast_loop_v6(false)?;
        }
        Ok(Sender { socket, device: device.index })
    }

    /// Lets it send where the interface has no IPv6 address. A packet has its source; the kernel looks for one of its own all
    /// the same, and refuses what it finds none for, unless the socket is bound: to any will do.
    pub fn unaddressed(self) -> io::Result<Sender> {
        self.socket.set_freebind_v6(true)?;
        self.socket.bind(&place(IpAddr::V6(LINK_LOCAL), self.device).into())?;
        Ok(self)
    }

    /// Sends a packet with its IP header. Multicast goes out of the interface without asking the routing table.
    pub fn send(&self, packet: &[u8], to: IpAddr) -> io::Result<()> {
        let flags = if to.is_multicast() { libc::MSG_DONTROUTE } else { 0 };
        let sent = self.socket.send_to_with_flags(packet, &place(to, self.device).into(), flags)?;
        if sent == packet.len() { Ok(()) } else { Err(io::Error::other("the packet was cut")) }
    }
}
