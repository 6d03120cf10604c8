//! Gratuitous ARP: telling a link that an address lives here now (RFC 5944, 4.6; the frame of the original: a request with
//! the target hardware address all ones).

use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::net::Ipv4Addr;

const ETHERTYPE_ARP: u16 = 0x0806;

/// A hardware address of Ethernet.
pub type Mac = [u8; 6];

/// The frame that announces `address` at `mac`.
pub fn gratuitous(mac: Mac, address: Ipv4Addr) -> [u8; 42] {
    let mut frame = [0; 42];
    frame[0..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]); // Ethernet, IPv4, their lengths, request
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&address.octets());
    frame[32..38].fill(0xff);
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

/// Sends frames; hears nothing.
pub struct Announcer {
    socket: Socket,
}

impl Announcer {
    /// Opens a packet socket, non-blocking.
    pub fn open() -> io::Result<Announcer> {
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        // A burst of a thousand addresses fits; the socket doesn't wait in the middle of one.
        socket.set_send_buffer_size(4 << 20)?;
        Ok(Announcer { socket })
    }

    /// Sends a frame out of the interface with this index.
    pub fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        self.socket.send_to(frame, &link_address(index)?)?;
        Ok(())
    }
}

fn link_address(index: u32) -> io::Result<SockAddr> {
    let index = libc::c_int::try_from(index).map_err(|_| io::Error::other("interface index out of range"))?;
    // SAFETY: needed because the library has no safe constructor for link-layer addresses. The storage is zeroed and
    // larger than `sockaddr_ll`, whose fields are plain integers; the length given is that of the type written.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let ll = libc::sockaddr_ll {
                sll_family: libc::AF_PACKET as libc::sa_family_t,
                sll_protocol: ETHERTYPE_ARP.to_be(),
                sll_ifindex: index,
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 6,
                sll_addr: [0xff; 8],
            };
            storage.cast::<libc::sockaddr_ll>().write(ll);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::gratuitous;

    #[test]
    fn the_frame_is_the_captured_one() {
        let captured = "ffffffffffff02000000000a0806000108000604000102000000000ac0000266ffffffffffffc0000266";
        let frame = gratuitous([2, 0, 0, 0, 0, 0x0a], [192, 0, 2, 102].into());
        let hex: String = frame.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, captured);
    }
}
