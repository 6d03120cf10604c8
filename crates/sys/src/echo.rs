//! Asking whether a host is there: an ICMP echo request (RFC 792; RFC 4443, 4.1).

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Types of the request and of its reply.
const ECHO_V4: (u8, u8) = (8, 0);
const ECHO_V6: (u8, u8) = (128, 129);

/// What tells our requests apart.
static SEQUENCE: AtomicU16 = AtomicU16::new(1);

/// Sends one request and waits for its reply, blocking. An error of kind `TimedOut` if there is none in time; other errors say
/// why none could be sent. Needs `CAP_NET_RAW`.
pub fn ping(address: IpAddr, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let (domain, protocol, (request, reply)) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, ECHO_V4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, ECHO_V6),
    };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    // Connected: the kernel gives us what comes from there and nothing else.
    socket.connect(&SocketAddr::new(address, 0).into())?;
    let [id @ .., _, _] = std::process::id().to_be_bytes();
    let [high, low] = SEQUENCE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mark = [id[0], id[1], high, low];
    let mut packet = vec![request, 0, 0, 0];
    packet.extend_from_slice(&mark);
    packet.extend_from_slice(b"vipd: are you there?");
    if address.is_ipv4() {
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum); // over IPv6 the kernel does it
    }
    socket.send(&packet)?;
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(ErrorKind::TimedOut, format!("no answer within {patience:?}")));
        }
        socket.set_read_timeout(Some(left))?;
        let read = match socket.read(&mut buffer) {
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(e) => return Err(e),
        };
        let whole = &buffer[..read];
        if is_reply(if address.is_ipv4() { behind_header(whole) } else { whole }, reply, mark) {
            return Ok(());
        }
    }
}

/// What follows the IPv4 header; nothing, if that is cut off.
fn behind_header(bytes: &[u8]) -> &[u8] {
    let length = bytes.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    bytes.get(length..).unwrap_or_default()
}

/// Whether this is the reply to the request with that mark.
fn is_reply(message: &[u8], kind: u8, mark: [u8; 4]) -> bool {
    message.first_chunk::<8>().is_some_and(|m| m[0] == kind && m[1] == 0 && m[4..] == mark)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{behind_header, checksum, is_reply, ping};
    use std::io::ErrorKind;
    use std::time::Duration;

    #[test]
    fn this_host_answers_and_a_reserved_address_does_not() {
        ping("127.0.0.1".parse().unwrap(), Duration::from_secs(5)).unwrap();
        let nobody = ping("127.0.0.1".parse().unwrap(), Duration::ZERO).unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_reply_is_told_from_whatever_else_comes() {
        let mark = [1, 2, 3, 4];
        let reply = [0, 0, 9, 9, 1, 2, 3, 4, b'x'];
        assert!(is_reply(&reply, 0, mark));
        assert!(!is_reply(&reply, 0, [1, 2, 3, 5]));
        assert!(!is_reply(&reply[..7], 0, mark));
        assert!(!is_reply(&[8, 0, 9, 9, 1, 2, 3, 4], 0, mark), "the request itself, on loopback");
        let mut whole = vec![0x45; 1];
        whole.extend_from_slice(&[0; 19]);
        whole.extend_from_slice(&reply);
        assert!(is_reply(behind_header(&whole), 0, mark));
        for n in 0..28 {
            assert!(!is_reply(behind_header(&whole[..n]), 0, mark));
        }
        assert_eq!(behind_header(&[0x4f]), []);
    }

    #[test]
    fn the_sum_of_a_packet_with_its_sum_is_nothing() {
        let mut packet = vec![8, 0, 0, 0, 1, 2, 3, 4, 5];
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        assert_eq!(checksum(&packet), 0);
    }
}
