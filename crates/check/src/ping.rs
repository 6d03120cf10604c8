//! `PING_CHECK`: an ICMP echo request (RFC 792; RFC 4443, 4.1). The socket is a raw one, so that no sysctl has to let this host's
//! groups ping; it needs `CAP_NET_RAW`.

use crate::connect::{classify, messages};
use crate::{Step, Target, Verdict, Why};
use socket2::Protocol;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::timeout;

/// Types of the request and of its reply.
const ECHO_V4: (u8, u8) = (8, 0);
const ECHO_V6: (u8, u8) = (128, 129);

/// Bytes behind the header: as many as keepalived sends.
const PAYLOAD: usize = 128;

/// The longest packet that is read: a reply is as long as its request, behind an IPv4 header of 60 bytes at most.
const LONGEST: usize = 60 + 8 + PAYLOAD;

/// What tells our requests apart, together with a number that each process has of its own.
static SEQUENCE: AtomicU32 = AtomicU32::new(1);

/// Sends one request and waits for its reply. The port of the target counts for nothing.
pub async fn probe(target: &Target) -> Verdict {
    let found = async {
        let started = tokio::time::Instant::now();
        match timeout(target.timeout, echo(target)).await {
            Ok(answered) => answered.map(|()| format!("answered within {:.1?}", started.elapsed())),
            Err(_) => Err(Why::TimedOut { step: Step::Reply, after: target.timeout, received: 0 }),
        }
    };
    found.await.into()
}

async fn echo(target: &Target) -> Result<(), Why> {
    let (protocol, (request, reply)) = match target.address.ip() {
        IpAddr::V4(_) => (Protocol::ICMPV4, ECHO_V4),
        IpAddr::V6(_) => (Protocol::ICMPV6, ECHO_V6),
    };
    let mut address = target.address;
    address.set_port(0);
    let bind = target.bind.map(|bind| SocketAddr::new(bind.ip(), 0));
    // It hears what comes from there, and what ICMP says of the way there, and nothing else.
    let socket = messages(&Target { address, bind, ..target.clone() }, protocol)?;
    let mark = mark();
    socket.send(&message(request, mark, address.is_ipv4())).await.map_err(|e| classify(address, &e))?;
    let mut buffer = [0; LONGEST];
    loop {
        let read = socket.recv(&mut buffer).await.map_err(|e| classify(address, &e))?;
        let whole = buffer.get(..read).unwrap_or_default();
        if is_reply(if address.is_ipv4() { behind_header(whole) } else { whole }, reply, mark) {
            return Ok(());
        }
    }
}

/// Identifier and sequence number of a request: of this one alone for as long as anything may come back.
fn mark() -> [u8; 4] {
    let [low, high, ..] = std::process::id().to_le_bytes();
    let [a, b, c, d] = SEQUENCE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // After 65536 requests the identifier is another one.
    [high ^ a, low ^ b, c, d]
}

/// A request. Over IPv6 the kernel does the sum.
fn message(kind: u8, mark: [u8; 4], summed: bool) -> Vec<u8> {
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(mark);
    packet.extend(b"vipd: are you there? ".iter().cycle().take(PAYLOAD));
    if summed {
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    packet
}

/// What follows the IPv4 header; nothing, if that is cut off.
pub(crate) fn behind_header(bytes: &[u8]) -> &[u8] {
    let length = bytes.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    bytes.get(length..).unwrap_or_default()
}

/// Whether this is the reply to the request with that mark.
pub(crate) fn is_reply(message: &[u8], kind: u8, mark: [u8; 4]) -> bool {
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
    use super::{ECHO_V4, LONGEST, behind_header, checksum, is_reply, mark, message};

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
    fn a_request_has_its_sum_and_a_mark_of_its_own() {
        let packet = message(ECHO_V4.0, mark(), true);
        assert_eq!(checksum(&packet), 0);
        assert!(packet.len() + 60 == LONGEST && checksum(&[8, 0, 0, 0, 1, 2, 3, 4, 5]) != 0);
        assert_ne!(mark(), mark());
    }
}
