//! Telling a link that an address lives here now: gratuitous ARP (RFC 5944, 4.6; the frame of the original: a request with
//! the target hardware address all ones) and unsolicited neighbour advertisements (RFC 4861, 7.2.6).

use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Next header of ICMPv6.
const ICMPV6: u8 = 58;
/// All nodes of a link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

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

/// Whether the host that advertises a neighbour forwards packets of others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// No.
    Host,
    /// Yes: hosts may have it as a default router.
    Router,
}

/// The frame that advertises `address` at `mac` to all nodes, so that they overwrite what they know.
pub fn neighbour(mac: Mac, address: Ipv6Addr, sort: Sort) -> [u8; 86] {
    let mut frame = [0; 86];
    frame[0..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
    frame[14] = 0x60;
    frame[19] = 32; // payload
    frame[20..22].copy_from_slice(&[ICMPV6, 255]);
    frame[22..38].copy_from_slice(&address.octets());
    frame[38..54].copy_from_slice(&ALL_NODES.octets());
    let icmp = 54;
    frame[icmp] = 136;
    frame[icmp + 4] = match sort {
        Sort::Host => 0x20, // override
        Sort::Router => 0xa0,
    };
    frame[icmp + 8..icmp + 24].copy_from_slice(&address.octets());
    frame[icmp + 24..icmp + 26].copy_from_slice(&[2, 1]); // target link-layer address, in units of eight bytes
    frame[icmp + 26..].copy_from_slice(&mac);
    // The pseudo header (RFC 8200, 8.1): both addresses, length, next header.
    let words = frame[22..].chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let mut sum = words.sum::<u32>() + 32 + u32::from(ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap_or(u16::MAX); // folded: fits
    frame[icmp + 2..icmp + 4].copy_from_slice(&checksum.to_be_bytes());
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
        let kind = match frame {
            [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => ETHERTYPE_ARP,
        };
        self.socket.send_to(frame, &link_address(index, kind)?)?;
        Ok(())
    }
}

fn link_address(index: u32, kind: u16) -> io::Result<SockAddr> {
    let index = libc::c_int::try_from(index).map_err(|_| io::Error::other("interface index out of range"))?;
    // SAFETY: needed because the library has no safe constructor for link-layer addresses. The storage is zeroed and
    // larger than `sockaddr_ll`, whose fields are plain integers; the length given is that of the type written.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let ll = libc::sockaddr_ll {
                sll_family: libc::AF_PACKET as libc::sa_family_t,
                sll_protocol: kind.to_be(),
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
    use super::{Sort, gratuitous, neighbour};

    #[test]
    fn the_frame_is_the_captured_one() {
        let captured = "ffffffffffff02000000000a0806000108000604000102000000000ac0000266ffffffffffffc0000266";
        let frame = gratuitous([2, 0, 0, 0, 0, 0x0a], [192, 0, 2, 102].into());
        assert_eq!(hex(&frame), captured);
    }

    #[test]
    fn the_advertisement_is_the_captured_one() {
        let captured = "33330000000102000000000a86dd6000000000203aff20010db8000000000000000000000100\
                        ff0200000000000000000000000000018800f7232000000020010db8000000000000000000000100020102000000000a";
        let address = "2001:db8::100".parse().expect("an address");
        assert_eq!(hex(&neighbour([2, 0, 0, 0, 0, 0x0a], address, Sort::Host)), captured);
        let router = neighbour([2, 0, 0, 0, 0, 0x0a], address, Sort::Router);
        assert_eq!(router[58], 0xa0);
    }

    fn hex(frame: &[u8]) -> String {
        frame.iter().map(|b| format!("{b:02x}")).collect()
    }
}
