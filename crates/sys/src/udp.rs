//! UDP where it matters how a datagram came: a receiver that tells its TTL and which of our addresses it went to, and a
//! sender with a TTL and a source port of its own. (Don't Fragment is set by the kernel unless the system is told
//! otherwise; the type of service stays 0.)

use crate::clock::unix_micros_of;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Source ports that are tried before the sender gives up: in a range that is not nearly full one of the first is free.
const TRIES: u16 = 64;

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// The address that stands for all of them.
    fn any(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// A socket that does not block.
    fn socket(self) -> io::Result<Socket> {
        let domain = match self {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// A datagram as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// To which of our addresses.
    pub to: IpAddr,
    /// TTL or hop limit that it came with.
    pub ttl: u8,
    /// When it came: the time since 1970 in microseconds, if the kernel has noted it.
    pub at: Option<u64>,
    /// The payload.
    pub payload: &'a [u8],
}

/// Hears one port on all addresses of one family.
pub struct Receiver {
    socket: Socket,
}

impl Receiver {
    /// Opens it, non-blocking. `room`: receive buffer in bytes, a bound for what may pile up.
    pub fn open(family: Family, port: u16, room: usize) -> io::Result<Receiver> {
        let socket = family.socket()?;
        socket.set_recv_buffer_size(room)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        match family {
            Family::V4 => {
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        socket.bind(&SocketAddr::new(family.any(), port).into())?;
        Ok(Receiver { socket })
    }

    /// The next datagram; `None` if there is none. Longer ones are cut to the buffer. One that the kernel says too
    /// little of is an error.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<Received<'a>>> {
        let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo, libc::c_int, libc::timespec);
        let mut slices = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut space), MsgFlags::empty()) {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let (mut to, mut ttl, mut at) = (None, None, None);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    to = Some(IpAddr::V4(u32::from_be(info.ipi_addr.s_addr).into()));
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => to = Some(IpAddr::V6(info.ipi6_addr.s6_addr.into())),
                ControlMessageOwned::ScmTimestampns(time) => at = unix_micros_of(time),
                ControlMessageOwned::Ipv4Ttl(n) | ControlMessageOwned::Ipv6HopLimit(n) => ttl = u8::try_from(n).ok(),
                _ => {}
            }
        }
        let from = message.address.as_ref().and_then(|a| {
            let v4 = a.as_sockaddr_in().map(|a| SocketAddr::V4((*a).into()));
            v4.or_else(|| a.as_sockaddr_in6().map(|a| SocketAddr::V6((*a).into())))
        });
        let length = message.bytes;
        match (from, to, ttl) {
            (Some(from), Some(to), Some(ttl)) => Ok(Some(Received { from, to, ttl, at, payload: &buffer[..length] })),
            _ => Err(io::Error::other("the kernel doesn't say whence, whither or with what TTL a datagram came")),
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends datagrams; hears nothing.
pub struct Sender {
    socket: Socket,
}

impl Sender {
    /// Opens it, non-blocking: what doesn't fit the queue is an error, never a wait. Sends from `source`, which need
    /// not exist yet, or from whatever address the kernel chooses of that family; from one of these ports, the search
    /// for which begins anywhere: at `chance`.
    pub fn open(
        family: Family,
        source: Option<IpAddr>,
        ports: RangeInclusive<u16>,
        chance: u32,
        ttl: u8,
    ) -> io::Result<Sender> {
        let socket = family.socket()?;
        match family {
            Family::V4 => {
                socket.set_freebind_v4(true)?;
                socket.set_ttl_v4(ttl.into())?;
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                socket.set_freebind_v6(true)?;
                socket.set_unicast_hops_v6(ttl.into())?;
            }
        }
        let source = source.unwrap_or(family.any());
        let (first, count) = (*ports.start(), u32::from(ports.end() - ports.start()) + 1);
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for n in 0..TRIES {
            let port = u16::try_from((chance.wrapping_add(n.into())) % count).map_or(first, |offset| first + offset);
            match socket.bind(&SocketAddr::new(source, port).into()) {
                Ok(()) => return Ok(Sender { socket }),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => last = e,
                Err(e) => return Err(e),
            }
        }
        Err(last)
    }

    /// Sends a datagram.
    pub fn send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        let sent = self.socket.send_to(payload, &to.into())?;
        if sent == payload.len() { Ok(()) } else { Err(io::Error::other("the datagram was cut")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel tells of a datagram over the loopback.
    #[test]
    fn a_datagram_comes_with_its_ttl_and_where_it_went() {
        for address in [IpAddr::from([127, 0, 0, 9]), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let family = Family::of(address);
            let mut receiver = Receiver::open(family, 0, 1 << 16).unwrap();
            let port = receiver.socket.local_addr().unwrap().as_socket().unwrap().port();
            let ports = 49_152..=65_535;
            let sender = Sender::open(family, Some(address), ports.clone(), u32::MAX, 77).unwrap();
            sender.send(b"hello", SocketAddr::new(address, port)).unwrap();
            let mut buffer = [0; 64];
            let received = receiver.receive(&mut buffer).unwrap().unwrap();
            assert_eq!((received.payload, received.to, received.ttl), (&b"hello"[..], address, 77));
            assert!(received.from.ip() == address && ports.contains(&received.from.port()), "{received:?}");
            assert_eq!(receiver.receive(&mut buffer).unwrap(), None);
        }
    }

    /// A port that is taken is passed over; when all are, that is told.
    #[test]
    fn a_free_port_is_found() {
        let address = IpAddr::from([127, 0, 0, 10]);
        let open = || Sender::open(Family::V4, Some(address), 50_000..=50_001, 1, 1);
        let port = |sender: &Sender| sender.socket.local_addr().unwrap().as_socket().unwrap().port();
        let (one, two) = (open().unwrap(), open().unwrap());
        assert_eq!((port(&one), port(&two)), (50_001, 50_000));
        assert_eq!(open().err().unwrap().kind(), io::ErrorKind::AddrInUse);
    }
}
