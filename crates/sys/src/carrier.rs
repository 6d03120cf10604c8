//! Whether an interface has a carrier, asked of its driver: some don't tell the kernel when that changes.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

/// `SIOCGIFFLAGS`, `SIOCETHTOOL`, `SIOCGMIIPHY`, `SIOCGMIIREG` (linux/sockios.h)
const FLAGS: u32 = 0x8913;
const ETHTOOL: u32 = 0x8946;
const PHY: u32 = 0x8947;
const REGISTER: u32 = 0x8948;
/// `ETHTOOL_GLINK` (linux/ethtool.h)
const GET_LINK: u32 = 0x0a;
/// `MII_BMSR` and its bit `BMSR_LSTATUS` (linux/mii.h)
const STATUS: u16 = 1;
const LINK: u16 = 0x0004;

/// Bytes of `ifr_name` and, behind it, of the widest member of the union in `struct ifreq` (linux/if.h).
const NAME: usize = 16;
const UNION: usize = 24;

/// Ways of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// The status register of the interface's PHY. Needs `CAP_NET_ADMIN`.
    Mii,
    /// What the driver answers `ETHTOOL_GLINK`.
    Ethtool,
}

/// Asks.
#[derive(Debug)]
pub struct Asker {
    socket: OwnedFd,
}

/// `struct ifreq`, its union as plain bytes.
#[repr(C, align(8))]
struct Request {
    name: [u8; NAME],
    data: [u8; UNION],
}

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

impl Asker {
    /// Opens the socket that the questions go by.
    pub fn open() -> io::Result<Asker> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        Ok(Asker { socket: socket.into() })
    }

    /// Whether the driver says that there is a carrier; an error if it can't be asked in this way.
    pub fn carrier(&self, device: &str, method: Method) -> io::Result<bool> {
        match method {
            Method::Mii => {
                // The status keeps a loss in mind until it was read: only the second reading is about now.
                self.status(device)?;
                Ok(self.status(device)? & LINK != 0)
            }
            Method::Ethtool => {
                let mut value = Value { command: GET_LINK, data: 0 };
                let mut request = Request::of(device)?;
                let pointer = (&raw mut value).expose_provenance();
                request.data[..size_of::<usize>()].copy_from_slice(&pointer.to_ne_bytes());
                self.ask(ETHTOOL, &mut request)?;
                Ok(value.data != 0)
            }
        }
    }

    /// Whether it is up and running by its flags (`IFF_UP`, `IFF_RUNNING`).
    pub fn running(&self, device: &str) -> io::Result<bool> {
        let mut request = Request::of(device)?;
        self.ask(FLAGS, &mut request)?;
        let flags = i32::from(u16::from_ne_bytes([request.data[0], request.data[1]]));
        let both = libc::IFF_UP | libc::IFF_RUNNING;
        Ok(flags & both == both)
    }

    /// The status register of its PHY (`struct mii_ioctl_data`: the PHY, the register, what is written, what is read).
    fn status(&self, device: &str) -> io::Result<u16> {
        let mut request = Request::of(device)?;
        self.ask(PHY, &mut request)?;
        request.data[2..4].copy_from_slice(&STATUS.to_ne_bytes());
        self.ask(REGISTER, &mut request)?;
        Ok(u16::from_ne_bytes([request.data[6], request.data[7]]))
    }

    fn ask(&self, question: u32, request: &mut Request) -> io::Result<()> {
        // SAFETY: needed because no safe wrapper has these requests. The kernel reads and writes at most a `struct ifreq`, which
        // `Request` is as large as or larger than, and for `SIOCETHTOOL` the `ethtool_value` that the pointer in it leads to, which
        // its only maker, `carrier`, keeps alive and doesn't touch during the call.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), question as _, std::ptr::from_mut(request)) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Request {
    fn of(device: &str) -> io::Result<Request> {
        let mut request = Request { name: [0; NAME], data: [0; UNION] };
        // The last byte ends the name.
        let room = request.name.get_mut(..device.len()).filter(|room| room.len() < NAME);
        room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(device.as_bytes());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    #[test]
    fn an_interface_is_asked() {
        let asker = Asker::open().unwrap();
        // Every namespace has this one; it always has a link, and no PHY.
        assert!(asker.carrier("lo", Method::Ethtool).unwrap());
        asker.running("lo").unwrap();
        asker.carrier("lo", Method::Mii).unwrap_err();
        let missing = asker.running("no-such-thing").unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::ENODEV));
        assert_eq!(asker.running("sixteen-bytes-ab").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
