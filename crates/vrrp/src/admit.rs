//! Which packets may be believed. Only an `Admitted` advert reaches a router; everything else is a `Reject` with its reason,
//! which the caller counts and logs.
//!
//! The order of the checks follows the original (wire behaviour is part of being compatible: an operator compares
//! counters). Two differences, on purpose: type and version are judged before the authentication, since nothing
//! secret depends on it, and a version 3 checksum is accepted in both forms that exist in the field.

use crate::auth::{self, AhFault, TtlCover};
use crate::packet::{self, Advert, AuthType, ChecksumForm, Datagram, Malformed, NotIp, PROTOCOL_AH};
use crate::router::Sequence;
use crate::settings::{Auth, Checksum, Family, HmacAuth, HmacMode, Instance, Transport, Version, Way};
use crate::trailer::{self, HmacFault, Stamp, Stamps, TRAILER};
use crate::units::{Centis, Micros, Priority, Vrid};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// An advert that passed every check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// Who sent it: the address on its own interface, by whatever way it came.
    pub source: IpAddr,
    /// By which way it came.
    pub way: Way,
    /// What it says.
    pub advert: Advert,
    /// Its place among the adverts of its sender, if it is authenticated so that it has one.
    pub sequence: Option<Sequence>,
    /// What its sender counted it as, in IPv4. Nothing vouches for that: good for words, not for decisions.
    pub number: Option<u16>,
    /// What its checksum covers; `None` where there is only one way.
    pub sum: Option<Sum>,
    /// What is odd about it though it is admitted.
    pub oddity: Option<Oddity>,
}

/// What the checksum of a version 3 advert over IPv4 covers besides the advert: three ways are in the field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sum {
    /// A pseudo-header.
    Pseudo,
    /// Nothing.
    Plain,
    /// A pseudo-header with the multicast group in the place of the unicast address that it was sent to.
    Old,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sum::Pseudo => "with pseudo-header",
            Sum::Plain => "without pseudo-header",
            Sum::Old => "with the multicast group in the pseudo-header",
        })
    }
}

/// Differences that never block an election: they are logged and counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Oddity {
    /// Version 3: another interval than ours; the sender's is learned (RFC 9568, 6.4.2).
    Interval {
        /// The sender's.
        got: Centis,
        /// Ours.
        own: Centis,
    },
    /// Another number of addresses than ours.
    AddressCount {
        /// The sender's.
        got: usize,
        /// Ours.
        own: usize,
    },
    /// One of our addresses is missing.
    AddressMissing(IpAddr),
    /// It comes from our own address: our own packet in a loop, or a second host with it. The election goes by priority.
    OwnAddress(IpAddr),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Oddity::Interval { got, own } => write!(f, "its interval is {got}, ours {own}"),
            Oddity::AddressCount { got, own } => write!(f, "it lists {got} addresses, we have {own}"),
            Oddity::AddressMissing(a) => write!(f, "it doesn't list our address {a}"),
            Oddity::OwnAddress(a) => write!(f, "it comes from our own address {a}: a loop, or a second host with it"),
        }
    }
}

/// Why a packet is not believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reject {
    /// Not an IP datagram.
    NotIp(NotIp),
    /// Not an advert.
    Malformed(Malformed),
    /// Multicast with another TTL than 255: it may have crossed a router (RFC 9568, 5.1.1.3).
    Ttl(u8),
    /// Unicast with a TTL outside `min_ttl`..`max_ttl` of its peer.
    PeerTtl {
        /// What came.
        got: u8,
        /// Accepted range.
        accepted: (u8, u8),
    },
    /// Another protocol version than configured.
    Version {
        /// The sender's.
        got: Version,
        /// Ours.
        own: Version,
    },
    /// Another authentication type than configured.
    AuthType {
        /// The sender's.
        got: AuthType,
        /// Ours.
        own: AuthType,
    },
    /// The password is another one. (It is not shown: it may be the right one of another router.)
    Password,
    /// The authentication header is not believed.
    Ah(AhFault),
    /// The keyed trailer is not believed, or there is none.
    Hmac(HmacFault),
    /// Version 2: another interval than ours (RFC 3768, 7.1). Either version: none at all.
    Interval {
        /// The sender's.
        got: Centis,
        /// Ours.
        own: Centis,
    },
    /// All is well with it, but who owns the addresses hears nobody (`owner_ignore_adverts`).
    OwnerIgnores,
    /// The checksum doesn't fit, in no known form.
    Checksum,
    /// Multicast to a unicast instance or the other way round, or of another family.
    Destination(IpAddr),
    /// Not one of the configured peers.
    NotAPeer(IpAddr),
    /// On a heartbeat path: it doesn't list its sender's addresses on its own interface and on the path, and nothing else.
    Sender,
    /// No instance that listens there is this virtual router: another one shares the wire, as it may.
    UnknownVrid(Vrid),
}

impl Reject {
    /// The name that counts it.
    pub fn name(&self) -> &'static str {
        match self {
            Reject::NotIp(_) | Reject::Malformed(Malformed::Length { .. }) => "packet_length",
            Reject::Malformed(Malformed::Version(_)) | Reject::Version { .. } => "version",
            Reject::Malformed(Malformed::Type(_)) => "type",
            Reject::Malformed(Malformed::Vrid) => "vrid",
            Reject::Ttl(_) | Reject::PeerTtl { .. } => "ttl",
            Reject::AuthType { .. } => "auth_type",
            Reject::Password => "auth_password",
            Reject::Ah(fault) => fault.name(),
            Reject::Hmac(fault) => fault.name(),
            Reject::Interval { .. } => "advert_interval",
            Reject::OwnerIgnores => "owner_ignores",
            Reject::Checksum => "checksum",
            Reject::Destination(_) => "destination",
            Reject::NotAPeer(_) => "not_a_peer",
            Reject::Sender => "heartbeat_sender",
            Reject::UnknownVrid(_) => "unknown_vrid",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reject::NotIp(why) => write!(f, "not an IP datagram ({why:?})"),
            Reject::Malformed(why) => why.fmt(f),
            Reject::Ttl(ttl) => write!(f, "TTL {ttl} instead of 255: it crossed a router or is forged"),
            Reject::PeerTtl { got, accepted } => {
                write!(f, "TTL {got} outside {}..={} of that peer", accepted.0, accepted.1)
            }
            Reject::Version { got, own } => write!(f, "VRRP version {got:?}, ours is {own:?}"),
            Reject::AuthType { got, own } => write!(f, "authentication type {got}, ours is {own}"),
            Reject::Password => f.write_str("another password (auth_pass) than ours"),
            Reject::Ah(why) => why.fmt(f),
            Reject::Hmac(why) => why.fmt(f),
            Reject::Interval { got, own } => {
                write!(f, "advert_int {got}, ours is {own}; version 2 needs them equal, version 3 more than 0")
            }
            Reject::OwnerIgnores => {
                f.write_str("this router owns the addresses and hears no other (owner_ignore_adverts)")
            }
            Reject::Checksum => f.write_str("wrong checksum"),
            Reject::Destination(to) => write!(f, "sent to {to}, which this instance doesn't listen on"),
            Reject::NotAPeer(from) => write!(f, "{from} is not a unicast_peer"),
            Reject::Sender => {
                f.write_str("no heartbeat: it doesn't list its sender's two addresses; is the VRID another's there?")
            }
            Reject::UnknownVrid(vrid) => write!(f, "virtual_router_id {vrid} is none of ours there"),
        }
    }
}

/// The virtual router that a datagram of VRRP claims to be for, before anything of it is believed, or why it is for none.
pub fn vrid_of(datagram: &Datagram<'_>) -> Result<Vrid, Reject> {
    let payload = datagram.payload;
    let pdu = match datagram.protocol {
        PROTOCOL_AH => payload.get(auth::AH_HEADER..).ok_or(Reject::Ah(AhFault::Short))?,
        _ => payload,
    };
    match pdu {
        [_, vrid, ..] => Vrid::new(*vrid).ok_or(Reject::Malformed(Malformed::Vrid)),
        short => Err(Reject::Malformed(Malformed::Length { got: short.len(), want: packet::HEADER })),
    }
}

/// What an instance knows when it judges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known<'a> {
    /// By which way the datagram came.
    pub way: Way,
    /// Our own sending address.
    pub own: Option<IpAddr>,
    /// The highest authentication header sequence accepted so far.
    pub sequence: u32,
    /// The master that was heard last, while we are BACKUP.
    pub master: Option<IpAddr>,
    /// How many of our addresses our own adverts list.
    pub listed: usize,
    /// The stamps of keyed trailers heard so far.
    pub stamps: &'a Stamps,
    /// The time since 1970.
    pub unix: Micros,
}

/// Judges a datagram for an instance.
pub fn admit(settings: &Instance, known: Known<'_>, datagram: &Datagram<'_>) -> Result<Admitted, Reject> {
    let Datagram { source, destination, .. } = *datagram;
    if Family::of(source) != settings.family {
        return Err(Reject::Destination(destination));
    }
    let own_auth = match settings.auth {
        Auth::None | Auth::Hmac(_) => AuthType::NONE,
        Auth::Pass(_) => AuthType::PASS,
        Auth::Ah(_) => AuthType::AH,
    };
    let has_ah = datagram.protocol == PROTOCOL_AH;
    if has_ah != matches!(settings.auth, Auth::Ah(_)) {
        let got = if has_ah { AuthType::AH } else { peek_auth_type(datagram.payload) };
        return Err(Reject::AuthType { got, own: own_auth });
    }
    let transport = settings.transport_by(known.way);
    let multicast = matches!(transport, Transport::Multicast { .. });
    if multicast && datagram.ttl != 255 {
        return Err(Reject::Ttl(datagram.ttl));
    }
    // What is behind the authentication header is parsed, not believed, until the header was checked below.
    let pdu = if has_ah { datagram.payload.get(auth::AH_HEADER..).unwrap_or_default() } else { datagram.payload };
    let (pdu, trailer) = match (&settings.auth, packet::alone(pdu, settings.family)) {
        (Auth::Hmac(_), Some(alone)) => match pdu.get(alone.len()..).map(<&[u8; TRAILER]>::try_from) {
            Some(Ok(trailer)) => (alone, Some(trailer)),
            Some(Err(_)) | None => (pdu, None),
        },
        (_, _) => (pdu, None),
    };
    let advert = Advert::parse(pdu, settings.family).map_err(Reject::Malformed)?;
    if advert.version != settings.version {
        return Err(Reject::Version { got: advert.version, own: settings.version });
    }
    let sender = match known.way {
        Way::Own => Some(source),
        Way::Path(_) => sender(&advert, source),
    };
    let mut sequence = None;
    if let Auth::Hmac(auth) = &settings.auth {
        sequence =
            signed(transport, auth, (source, sender.unwrap_or(source)), pdu, trailer, known)?.map(Sequence::Hmac);
    }
    if let Some(field) = advert.auth {
        if field.kind != own_auth {
            return Err(Reject::AuthType { got: field.kind, own: own_auth });
        }
        match &settings.auth {
            Auth::None | Auth::Hmac(_) => {}
            Auth::Pass(password) => {
                if !auth::same(password, &field.data) {
                    return Err(Reject::Password);
                }
            }
            Auth::Ah(key) => {
                let cover = if multicast { TtlCover::Kept } else { TtlCover::Zeroed };
                let (_, got) = auth::open(datagram, cover, key, known.sequence).map_err(Reject::Ah)?;
                sequence = Some(Sequence::Ah(got));
            }
        }
    }
    let unequal = advert.version == Version::V2 && advert.interval != settings.advert_int;
    // An interval of 0 says nothing that a timer could be made of.
    if unequal || advert.interval == Centis(0) {
        return Err(Reject::Interval { got: advert.interval, own: settings.advert_int });
    }
    let covered = match (packet::alone(pdu, settings.family), trailer) {
        (Some(alone), None) => alone.to_vec(),
        // Over IPv6 the sum goes to the end of the packet.
        (Some(alone), Some(trailer)) if settings.family == Family::V6 => [alone, trailer].concat(),
        (Some(alone), Some(_)) => alone.to_vec(),
        (None, _) => Vec::new(),
    };
    let sum = sum(&advert, &covered, source, destination, settings)?;
    if destination.is_multicast() != multicast {
        return Err(Reject::Destination(destination));
    }
    if let Transport::Unicast { peers, check_source, .. } = transport {
        let limits = peers.iter().any(|p| p.min_ttl.is_some() || p.max_ttl.is_some());
        if *check_source || limits {
            let peer = peers.iter().find(|p| p.address == source).ok_or(Reject::NotAPeer(source))?;
            let accepted = (peer.min_ttl.unwrap_or(0), peer.max_ttl.unwrap_or(u8::MAX));
            if datagram.ttl < accepted.0 || datagram.ttl > accepted.1 {
                return Err(Reject::PeerTtl { got: datagram.ttl, accepted });
            }
        }
    }
    let sender = sender.ok_or(Reject::Sender)?;
    if settings.owner_ignore_adverts && settings.priority == Priority::OWNER {
        return Err(Reject::OwnerIgnores);
    }
    let oddity = match known.way {
        _ if known.own == Some(sender) => Some(Oddity::OwnAddress(sender)),
        Way::Own => oddity(settings, known, sender, &advert),
        // What is odd about an advert is told by the way that it always takes.
        Way::Path(_) => None,
    };
    Ok(Admitted { source: sender, way: known.way, advert, sequence, number: datagram.number(), sum, oddity })
}

/// Whose an advert is that came by a heartbeat path (`router::heartbeat`). Another virtual router with the same VRID on that
/// wire lists its addresses.
fn sender(advert: &Advert, source: IpAddr) -> Option<IpAddr> {
    match *advert.addresses.as_slice() {
        [sender, from] if from == source => Some(sender),
        _ => None,
    }
}

/// The stamp of a keyed trailer; none if there is no trailer and need not be one.
fn signed(
    transport: &Transport,
    auth: &HmacAuth,
    (source, sender): (IpAddr, IpAddr),
    pdu: &[u8],
    trailer: Option<&[u8; TRAILER]>,
    known: Known<'_>,
) -> Result<Option<Stamp>, Reject> {
    let Some(trailer) = trailer else {
        return match auth.mode {
            HmacMode::Enforce => Err(Reject::Hmac(HmacFault::Missing)),
            HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(None),
        };
    };
    if let Transport::Unicast { peers, .. } = transport
        && !peers.iter().any(|p| p.address == source)
    {
        return Err(Reject::NotAPeer(source));
    }
    let stamp = trailer::verify(auth, (source, sender), pdu, trailer, known);
    stamp.map(Some).map_err(Reject::Hmac)
}

fn peek_auth_type(pdu: &[u8]) -> AuthType {
    match pdu {
        [first, _, _, _, kind, ..] if first >> 4 == 2 => AuthType(*kind),
        _ => AuthType::NONE,
    }
}

/// What the checksum covers, if it is right.
fn sum(
    advert: &Advert,
    pdu: &[u8],
    source: IpAddr,
    destination: IpAddr,
    settings: &Instance,
) -> Result<Option<Sum>, Reject> {
    let fits = |form| packet::checksum_fits(pdu, form);
    let pseudo = ChecksumForm::Pseudo { source, destination };
    let found = match (advert.version, settings.family) {
        (Version::V2, Family::V4) => fits(ChecksumForm::Plain).then_some(None),
        (Version::V2 | Version::V3, Family::V6) => fits(pseudo).then_some(None),
        (Version::V3, Family::V4) if fits(pseudo) => Some(Some(Sum::Pseudo)),
        (Version::V3, Family::V4) if fits(ChecksumForm::Plain) => Some(Some(Sum::Plain)),
        (Version::V3, Family::V4) => {
            let old = ChecksumForm::Pseudo { source, destination: settings.group4() };
            let believed = !destination.is_multicast() && settings.checksum != Checksum::NeverOld;
            (believed && fits(old)).then_some(Some(Sum::Old))
        }
    };
    found.ok_or(Reject::Checksum)
}

/// `skip_check_adv_addr` spares comparing the lists of the master that a backup knows already: how many addresses it has is seen
/// without that. (keepalived 2.2.7 doesn't look at that either then.)
fn oddity(settings: &Instance, known: Known<'_>, sender: IpAddr, advert: &Advert) -> Option<Oddity> {
    if advert.interval != settings.advert_int {
        return Some(Oddity::Interval { got: advert.interval, own: settings.advert_int });
    }
    let own = settings.addresses.get(..known.listed).unwrap_or(&settings.addresses);
    if advert.addresses.len() != own.len() {
        return Some(Oddity::AddressCount { got: advert.addresses.len(), own: own.len() });
    }
    if settings.skip_check_adv_addr && known.master == Some(sender) {
        return None;
    }
    let missing = own.iter().map(|a| a.address).find(|a| !advert.addresses.contains(a));
    missing.map(Oddity::AddressMissing)
}
