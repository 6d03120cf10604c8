//! Authentication of version 2: simple text, and the IP authentication header with HMAC-MD5-96.
//!
//! ```text
//! IP header, protocol 51 | AH: next 112, length 4, 0 0, SPI = source address, sequence, ICV (12) | VRRP PDU
//! ```
//!
//! keepalived zeroes the TTL for the integrity check value of unicast adverts only, against RFC 4302, which zeroes it
//! always; its form is the one on the wires of this world, so it is ours.

use crate::packet::{Datagram, Envelope, PROTOCOL, PROTOCOL_AH};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

/// Bytes of the authentication header.
pub const AH_HEADER: usize = 24;
const ICV: core::ops::Range<usize> = 12..24;

/// Whether the TTL byte is part of what the integrity check value covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TtlCover {
    /// Multicast: the TTL (255) is covered.
    Kept,
    /// Unicast: taken as 0.
    Zeroed,
}

/// Why an authentication header is not believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AhFault {
    /// Shorter than the header.
    Short,
    /// The next header isn't VRRP.
    NextHeader(u8),
    /// The integrity check value doesn't fit: another key, or changed on its way.
    Icv,
    /// The security parameter index isn't the sender's address.
    Spi,
    /// Not newer than the last one accepted: a replay, or a peer that was started anew.
    Sequence {
        /// What came.
        got: u32,
        /// The last one accepted.
        last: u32,
    },
}

impl AhFault {
    /// The name that counts it.
    pub fn name(self) -> &'static str {
        match self {
            AhFault::Short => "auth_ah_short",
            AhFault::NextHeader(_) => "auth_ah_next_header",
            AhFault::Icv => "auth_ah_invalid_icv",
            AhFault::Spi => "auth_ah_spi",
            AhFault::Sequence { .. } => "auth_ah_replay",
        }
    }
}

impl fmt::Display for AhFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AhFault::Short => f.write_str("authentication header cut short"),
            AhFault::NextHeader(n) => write!(f, "authentication header followed by protocol {n} instead of 112"),
            AhFault::Icv => f.write_str("integrity check value doesn't fit: other password?"),
            AhFault::Spi => f.write_str("security parameter index isn't the sender's address"),
            AhFault::Sequence { got, last } => write!(f, "sequence number {got} is not above {last}: replayed?"),
        }
    }
}

/// A whole IPv4 packet, IP header and authentication header included, around a VRRP PDU.
pub fn seal(
    envelope: Envelope<Ipv4Addr>,
    id: u16,
    cover: TtlCover,
    key: &[u8; 8],
    sequence: u32,
    pdu: &[u8],
) -> Vec<u8> {
    let envelope = Envelope { protocol: PROTOCOL_AH, ..envelope };
    let header = envelope.header(id, AH_HEADER + pdu.len());
    let mut packet = Vec::with_capacity(header.len() + AH_HEADER + pdu.len());
    packet.extend_from_slice(&header);
    packet.extend_from_slice(&[PROTOCOL, 4, 0, 0]);
    packet.extend_from_slice(&envelope.source.octets());
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0; 12]);
    packet.extend_from_slice(pdu);
    let (ip, rest) = packet.split_at(header.len());
    let (ah, pdu) = rest.split_at(AH_HEADER);
    let icv = icv(key, cover, ip, ah, pdu);
    let at = header.len() + ICV.start;
    packet[at..at + icv.len()].copy_from_slice(&icv);
    packet
}

/// Checks the authentication header of a datagram; the VRRP PDU behind it and its sequence number.
pub fn open<'a>(
    datagram: &Datagram<'a>,
    cover: TtlCover,
    key: &[u8; 8],
    last: u32,
) -> Result<(&'a [u8], u32), AhFault> {
    let (ah, pdu) = datagram.payload.split_at_checked(AH_HEADER).ok_or(AhFault::Short)?;
    if ah[0] != PROTOCOL {
        return Err(AhFault::NextHeader(ah[0]));
    }
    let want = icv(key, cover, datagram.header, ah, pdu);
    if !same(&want, &ah[ICV]) {
        return Err(AhFault::Icv);
    }
    if IpAddr::from([ah[4], ah[5], ah[6], ah[7]]) != datagram.source {
        return Err(AhFault::Spi);
    }
    let got = u32::from_be_bytes([ah[8], ah[9], ah[10], ah[11]]);
    if got <= last {
        return Err(AhFault::Sequence { got, last });
    }
    Ok((pdu, got))
}

/// The first 12 bytes of HMAC-MD5 (RFC 2403) over IP header, authentication header and PDU, with what routers may change
/// taken as 0.
fn icv(key: &[u8; 8], cover: TtlCover, ip: &[u8], ah: &[u8], pdu: &[u8]) -> [u8; 12] {
    let mut header = [0; 60];
    let length = ip.len().min(header.len());
    header[..length].copy_from_slice(&ip[..length]);
    header[1] = 0; // type of service
    header[6..8].fill(0); // fragmentation
    header[10..12].fill(0); // checksum
    if cover == TtlCover::Zeroed {
        header[8] = 0;
    }
    let mut out = [0; 12];
    // HMAC takes keys of every length; were it ever to refuse, a value of zeroes would simply not verify elsewhere.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else { return out };
    mac.update(&header[..length]);
    mac.update(&ah[..ICV.start]);
    mac.update(&[0; 12]);
    mac.update(pdu);
    out.copy_from_slice(&mac.finalize().into_bytes()[..12]);
    out
}

/// Equality in a time that doesn't depend on where the first difference is.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}
