//! Raw IPv4 sockets, for protocols of their own below TCP and UDP: one kind that hears a protocol on an interface, one that
//! sends whole packets out of it.

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
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
    Group(Ipv4Addr),
    /// Unicast to this local address (which need not exist yet), or to any.
    Unicast(Option<Ipv4Addr>),
}

/// Hears an IP protocol on one interface.
pub struct Receiver {
    socket: Socket,
}

impl Receiver {
    /// Opens it, non-blocking. `room`: receive buffer in bytes, a bound for what may pile up.
    pub fn open(device: &Device, protocol: u8, listen: Listen, room: usize) -> io::Result<Receiver> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(room)?;
        socket.bind_device(Some(device.name.as_bytes()))?;
        socket.set_multicast_all_v4(false)?;
        let local = match listen {
            Listen::Group(group) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(device.index))?;
                group
            }
            Listen::Unicast(local) => {
                socket.set_freebind_v4(true)?;
                local.unwrap_or(Ipv4Addr::UNSPECIFIED)
            }
        };
        socket.bind(&SocketAddrV4::new(local, 0).into())?;
        Ok(Receiver { socket })
    }

    /// The next datagram, IP header included; `None` if there is none. Longer ones are cut to the buffer, which the
    /// header's own length then shows.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match self.socket.read(buffer) {
            Ok(n) => Ok(Some(&buffer[..n])),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends whole IPv4 packets out of one interface; hears nothing.
pub struct Sender {
    socket: Socket,
}

impl Sender {
    /// Opens it, non-blocking: what doesn't fit the queue is an error, never a wait.
    pub fn open(device: &Device) -> io::Result<Sender> {
        // IPPROTO_RAW: header included, and nothing is ever received.
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(device.name.as_bytes()))?;
        socket.set_multicast_loop_v4(false)?;
        Ok(Sender { socket })
    }

    /// Sends a packet with its IP header. Multicast goes out of the interface without asking the routing table.
    pub fn send(&self, packet: &[u8], to: Ipv4Addr) -> io::Result<()> {
        let flags = if to.is_multicast() { libc::MSG_DONTROUTE } else { 0 };
        let sent = self.socket.send_to_with_flags(packet, &SocketAddrV4::new(to, 0).into(), flags)?;
        if sent == packet.len() { Ok(()) } else { Err(io::Error::other("the packet was cut")) }
    }
}
