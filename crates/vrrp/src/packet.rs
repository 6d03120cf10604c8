//! Adverts on the wire: bytes to value and back. Nothing here has an opinion on whether an advert may be believed; that is
//! `admit`.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Type 1|      VRID     |    Priority   |  addresses    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | v2: auth type | v2: seconds   |           Checksum            |
//! | v3: 0 |    centiseconds       |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       the addresses; then, version 2 over IPv4: 8 bytes       |
//! |       of authentication data                                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::settings::{Family, Version};
use crate::units::{Centis, Priority, Vrid};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// IP protocol number of the authentication header.
pub const PROTOCOL_AH: u8 = 51;
/// Bytes before the addresses.
pub(crate) const HEADER: usize = 8;
/// Bytes of authentication data after the addresses (version 2, IPv4).
const AUTH_DATA: usize = 8;
/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// Bytes of an IPv6 header without extension headers.
const IPV6_HEADER: usize = 40;
/// Bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;
/// Type of service or traffic class of adverts: internetwork control (RFC 2474, 4.2.2.1).
const TRAFFIC_CLASS: u8 = 0xc0;
/// The least payload that Ethernet doesn't pad, in bytes.
const ETHERNET_MINIMUM: usize = 46;

/// Positions in the VRRP header.
mod field {
    pub(super) const VERSION_TYPE: usize = 0;
    pub(super) const VRID: usize = 1;
    pub(super) const PRIORITY: usize = 2;
    pub(super) const COUNT: usize = 3;
    pub(super) const AUTH_TYPE: usize = 4;
    pub(super) const SECONDS: usize = 5;
    pub(super) const CHECKSUM: core::ops::Range<usize> = 6..8;
}

/// The authentication type byte of version 2, as it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthType(pub u8);

impl AuthType {
    /// None.
    pub const NONE: AuthType = AuthType(0);
    /// Simple text.
    pub const PASS: AuthType = AuthType(1);
    /// IP authentication header.
    pub const AH: AuthType = AuthType(2);
}

impl fmt::Display for AuthType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            1 => f.write_str("PASS"),
            2 => f.write_str("AH"),
            n => write!(f, "{n} (unknown)"),
        }
    }
}

/// What a version 2 advert over IPv4 carries behind its addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthField {
    /// The type byte.
    pub kind: AuthType,
    /// The eight bytes.
    pub data: [u8; AUTH_DATA],
}

/// An advertisement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert {
    /// Protocol version.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// Priority of the sender; 0: it leaves.
    pub priority: Priority,
    /// Interval of the sender.
    pub interval: Centis,
    /// The virtual addresses, of one family.
    pub addresses: Vec<IpAddr>,
    /// Authentication, version 2 over IPv4 only (the type byte of other version 2 packets is sent as 0).
    pub auth: Option<AuthField>,
}

/// Which bytes the checksum of an advert covers besides the advert itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChecksumForm {
    /// Nothing else (version 2; version 3 over IPv4 of RFC 9568 devices).
    Plain,
    /// A pseudo header of source, destination, protocol and length (IPv6; version 3 over IPv4 of keepalived and FRR).
    Pseudo {
        /// Sender.
        source: IpAddr,
        /// Where it goes.
        destination: IpAddr,
    },
}

/// Why bytes are no advert. Order and names follow the counters of the original, so that an operator finds them again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Malformed {
    /// Shorter than the header, or length and address count don't fit together.
    Length {
        /// What came.
        got: usize,
        /// What the header asks for.
        want: usize,
    },
    /// No such version.
    Version(u8),
    /// Not an advertisement.
    Type(u8),
    /// Virtual router 0.
    Vrid,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Length { got, want } => write!(f, "{got} bytes where its header asks for {want}"),
            Malformed::Version(v) => write!(f, "version {v} is neither 2 nor 3"),
            Malformed::Type(t) => write!(f, "type {t} is not an advertisement"),
            Malformed::Vrid => f.write_str("virtual router id 0"),
        }
    }
}

impl Advert {
    /// Reads a VRRP PDU (what follows the IP header and, where there is one, the authentication header). The checksum is
    /// not looked at: `checksum_fits` does that. Ethernet padding behind a short packet is tolerated.
    pub fn parse(pdu: &[u8], family: Family) -> Result<Advert, Malformed> {
        let Some((header, rest)) = pdu.split_first_chunk::<HEADER>() else {
            return Err(Malformed::Length { got: pdu.len(), want: HEADER });
        };
        let version = match header[field::VERSION_TYPE] >> 4 {
            2 => Version::V2,
            3 => Version::V3,
            other => return Err(Malformed::Version(other)),
        };
        let kind = header[field::VERSION_TYPE] & 0x0f;
        if kind != 1 {
            return Err(Malformed::Type(kind));
        }
        let vrid = Vrid::new(header[field::VRID]).ok_or(Malformed::Vrid)?;
        let want = length(header, family);
        if !length_fits(pdu.len(), want) {
            return Err(Malformed::Length { got: pdu.len(), want });
        }
        let size = family.size();
        let count = usize::from(header[field::COUNT]);
        let addresses = rest.get(..count * size).unwrap_or_default().chunks_exact(size).filter_map(address).collect();
        let auth = match (version, family) {
            (Version::V2, Family::V4) => {
                let data = rest.get(count * size..).and_then(|b| b.first_chunk::<AUTH_DATA>()).copied();
                data.map(|data| AuthField { kind: AuthType(header[field::AUTH_TYPE]), data })
            }
            (Version::V2, Family::V6) | (Version::V3, _) => None,
        };
        let interval = match version {
            Version::V2 => Centis(u16::from(header[field::SECONDS]) * 100),
            Version::V3 => Centis(u16::from_be_bytes([header[field::AUTH_TYPE], header[field::SECONDS]]) & 0x0fff),
        };
        Ok(Advert { version, vrid, priority: Priority(header[field::PRIORITY]), interval, addresses, auth })
    }

    /// The VRRP PDU with its checksum.
    pub fn emit(&self, form: ChecksumForm) -> Vec<u8> {
        let mut pdu = self.unsummed();
        write_checksum(&mut pdu, form);
        pdu
    }

    /// The VRRP PDU with a checksum of 0.
    pub(crate) fn unsummed(&self) -> Vec<u8> {
        let mut pdu = Vec::with_capacity(HEADER + self.addresses.len() * 16 + AUTH_DATA);
        let version = match self.version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        pdu.extend_from_slice(&[version << 4 | 1, self.vrid.0.get(), self.priority.0, count]);
        match self.version {
            Version::V2 => {
                let seconds = u8::try_from(self.interval.0 / 100).unwrap_or(u8::MAX);
                pdu.extend_from_slice(&[self.auth.map_or(0, |a| a.kind.0), seconds]);
            }
            Version::V3 => pdu.extend_from_slice(&(self.interval.0 & 0x0fff).to_be_bytes()),
        }
        pdu.extend_from_slice(&[0, 0]);
        for address in self.addresses.iter().take(usize::from(count)) {
            match address {
                IpAddr::V4(a) => pdu.extend_from_slice(&a.octets()),
                IpAddr::V6(a) => pdu.extend_from_slice(&a.octets()),
            }
        }
        if let Some(auth) = self.auth {
            pdu.extend_from_slice(&auth.data);
        }
        pdu
    }
}

impl fmt::Display for Advert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        write!(f, "v{version} vrid {} priority {} interval {} for [", self.vrid, self.priority, self.interval)?;
        for (i, address) in self.addresses.iter().take(8).enumerate() {
            write!(f, "{}{address}", if i > 0 { ", " } else { "" })?;
        }
        if self.addresses.len() > 8 {
            write!(f, ", and {} more", self.addresses.len() - 8)?;
        }
        f.write_str("]")
    }
}

/// Bytes that a PDU with this header has: version 2 over IPv4 carries authentication data, whatever its type.
fn length(header: &[u8; HEADER], family: Family) -> usize {
    let auth = if header[field::VERSION_TYPE] >> 4 == 2 && family == Family::V4 { AUTH_DATA } else { 0 };
    HEADER + usize::from(header[field::COUNT]) * family.size() + auth
}

/// How many addresses an advert can list on a link with this MTU: the count is a byte, and adverts are never fragmented. Counted
/// as the original counts it, with the Ethernet header, so that both list the same ones.
pub fn room(mtu: u32, version: Version, family: Family, authentication_header: usize) -> usize {
    let ip = match family {
        Family::V4 => IPV4_HEADER,
        Family::V6 => IPV6_HEADER,
    };
    let data = if version == Version::V2 && family == Family::V4 { AUTH_DATA } else { 0 };
    let taken = ETHERNET_HEADER + ip + authentication_header + HEADER + data;
    let left = usize::try_from(mtu).unwrap_or(usize::MAX).saturating_sub(taken);
    (left / family.size()).clamp(1, usize::from(u8::MAX))
}

/// Equal, or longer by Ethernet's padding: only frames below the minimum are padded.
fn length_fits(got: usize, want: usize) -> bool {
    got == want || (got > want && want + IPV4_HEADER < ETHERNET_MINIMUM && got + IPV4_HEADER <= ETHERNET_MINIMUM)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        Some(Ipv4Addr::from(four).into())
    } else {
        <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
    }
}

/// A PDU without what may follow it: padding, or a keyed trailer. `None`: it is cut short.
pub fn alone(pdu: &[u8], family: Family) -> Option<&[u8]> {
    pdu.get(..length(pdu.first_chunk::<HEADER>()?, family))
}

/// Whether the checksum of all these bytes is right in this form.
pub fn checksum_fits(covered: &[u8], form: ChecksumForm) -> bool {
    covered.len() >= HEADER && fold(sum(covered, pseudo(covered.len(), form))) == 0xffff
}

/// Writes the Internet checksum (RFC 1071) of all these bytes, whose checksum field is 0.
pub(crate) fn write_checksum(covered: &mut [u8], form: ChecksumForm) {
    let sum = !fold(sum(covered, pseudo(covered.len(), form)));
    if let Some(field) = covered.get_mut(field::CHECKSUM) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

fn pseudo(length: usize, form: ChecksumForm) -> u32 {
    match form {
        ChecksumForm::Plain => 0,
        ChecksumForm::Pseudo { source, destination } => {
            let mut total = u32::from(PROTOCOL) + u32::try_from(length).unwrap_or(u32::MAX >> 8);
            for address in [source, destination] {
                total = match address {
                    IpAddr::V4(a) => sum(&a.octets(), total),
                    IpAddr::V6(a) => sum(&a.octets(), total),
                };
            }
            total
        }
    }
}

/// One's complement sum, not yet folded. At most 64 KiB go in, so 32 bits hold it.
fn sum(bytes: &[u8], start: u32) -> u32 {
    let (pairs, rest) = bytes.as_chunks();
    let rest = rest.first().map_or(0, |last| u32::from(*last) << 8);
    pairs.iter().fold(start.wrapping_add(rest), |total, pair| total.wrapping_add(u16::from_be_bytes(*pair).into()))
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(u16::MAX) // folded: fits
}

/// A datagram taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Where it was sent.
    pub destination: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IP protocol or next header.
    pub protocol: u8,
    /// The IP header with its options; empty where a socket doesn't give it (IPv6).
    pub header: &'a [u8],
    /// What follows it, cut to the length that the header gives.
    pub payload: &'a [u8],
}

impl Datagram<'_> {
    /// The identification of an IPv4 header. Who sends adverts counts them by it from 1 on, as does the original; not in IPv6.
    pub(crate) fn number(&self) -> Option<u16> {
        self.header.get(4..6).and_then(|field| field.first_chunk()).copied().map(u16::from_be_bytes)
    }
}

/// Why bytes are no IP datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NotIp {
    /// Too short for a header.
    Short,
    /// Version is neither 4 nor 6.
    Version,
    /// Header length below 20 or beyond the end.
    HeaderLength,
    /// Total length shorter than the header or beyond the end.
    TotalLength,
}

impl<'a> Datagram<'a> {
    /// Reads a whole datagram from its IP header on. Extension headers of IPv6 are left in the payload: VRRP has none.
    pub fn parse(bytes: &'a [u8]) -> Result<Datagram<'a>, NotIp> {
        match bytes.first().ok_or(NotIp::Short)? >> 4 {
            4 => Datagram::parse_ipv4(bytes),
            6 => Datagram::parse_ipv6(bytes),
            _ => Err(NotIp::Version),
        }
    }

    fn parse_ipv4(bytes: &'a [u8]) -> Result<Datagram<'a>, NotIp> {
        let fixed = bytes.first_chunk::<IPV4_HEADER>().ok_or(NotIp::Short)?;
        let header_length = usize::from(fixed[0] & 0x0f) * 4;
        if header_length < IPV4_HEADER {
            return Err(NotIp::HeaderLength);
        }
        let header = bytes.get(..header_length).ok_or(NotIp::HeaderLength)?;
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let payload = bytes.get(header_length..total).ok_or(NotIp::TotalLength)?;
        Ok(Datagram {
            source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
            destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
            ttl: fixed[8],
            protocol: fixed[9],
            header,
            payload,
        })
    }

    fn parse_ipv6(bytes: &'a [u8]) -> Result<Datagram<'a>, NotIp> {
        let (header, rest) = bytes.split_first_chunk::<IPV6_HEADER>().ok_or(NotIp::Short)?;
        let address = |from: usize| {
            let sixteen = header.get(from..).and_then(|b| b.first_chunk::<16>()).copied();
            IpAddr::from(sixteen.unwrap_or_default())
        };
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        Ok(Datagram {
            source: address(8),
            destination: address(24),
            ttl: header[7],
            protocol: header[6],
            header,
            payload: rest.get(..length).ok_or(NotIp::TotalLength)?,
        })
    }
}

/// What an IP header needs to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope<A> {
    /// Sender.
    pub source: A,
    /// Receiver.
    pub destination: A,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IP protocol or next header.
    pub protocol: u8,
}

impl Envelope<Ipv4Addr> {
    /// The header for a payload of this many bytes, with this identification: type of service 0xc0 (internetwork control),
    /// no fragmentation field, no options, checksum filled in.
    pub fn header(&self, id: u16, payload: usize) -> [u8; IPV4_HEADER] {
        let mut header = [0; IPV4_HEADER];
        header[0] = 0x45;
        header[1] = TRAFFIC_CLASS;
        let total = u16::try_from(IPV4_HEADER + payload).unwrap_or(u16::MAX);
        header[2..4].copy_from_slice(&total.to_be_bytes());
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[8] = self.ttl;
        header[9] = self.protocol;
        header[12..16].copy_from_slice(&self.source.octets());
        header[16..20].copy_from_slice(&self.destination.octets());
        let checksum = !fold(sum(&header, 0));
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header
    }
}

impl Envelope<Ipv6Addr> {
    /// The header for a payload of this many bytes: traffic class 0xc0, no flow label (RFC 8200, 3).
    pub fn header(&self, payload: usize) -> [u8; IPV6_HEADER] {
        let mut header = [0; IPV6_HEADER];
        header[0] = 6 << 4 | TRAFFIC_CLASS >> 4;
        header[1] = TRAFFIC_CLASS << 4;
        header[4..6].copy_from_slice(&u16::try_from(payload).unwrap_or(u16::MAX).to_be_bytes());
        header[6] = self.protocol;
        header[7] = self.ttl;
        header[8..24].copy_from_slice(&self.source.octets());
        header[24..40].copy_from_slice(&self.destination.octets());
        header
    }
}
