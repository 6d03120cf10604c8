//! The keyed trailer of keepalived 2.4 (`auth_hmac`): 28 bytes behind an advert of any version and family.
//!
//! ```text
//!  type 1 | key number | 0 0 | seconds (4) | fraction (2) | counter (2) | HMAC-SHA-256, its first 16 bytes
//! ```
//!
//! What is signed: 20 bytes (4 or 6, protocol version, virtual router, 0, the sender's address), the advert with a checksum of
//! 0, and the trailer with a tag of 0. Destination and TTL are not, so that one tag serves all unicast peers.

use crate::admit::Known;
use crate::auth::same;
use crate::settings::{AntiReplay, HmacAuth, Way};
use crate::units::Micros;
use alloc::collections::VecDeque;
use core::cmp::Ordering;
use core::fmt;
use core::net::IpAddr;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Bytes of the trailer.
pub const TRAILER: usize = 28;
const TAG: core::ops::Range<usize> = 12..TRAILER;
/// HMAC-SHA-256 cut to 128 bits: the only type there is.
const TYPE: u8 = 1;
/// Counters of the fraction of a second, more than are sent between two snapshots.
const SKIPPED: u64 = 1 << 16;
/// Senders whose last stamp is kept; more on one wire take turns.
const SENDERS: usize = 32;

/// The place of a signed advert among all of its sender: seconds since 1970 (32 bits), their fraction (16), a counter (16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The first stamp of a moment, given as the time since 1970.
    pub fn of(unix: Micros) -> Stamp {
        let (seconds, rest) = (unix.0 / 1_000_000, unix.0 % 1_000_000);
        Stamp((seconds & 0xffff_ffff) << 32 | (rest * 65_536 / 1_000_000) << 16)
    }

    /// The one to send after `self`, given the time. A clock that stepped back does not make the numbers fall, unless they
    /// lie so far ahead that no peer would believe them.
    fn next(self, unix: Micros, replay: AntiReplay) -> Stamp {
        let clock = Stamp::of(unix);
        if self == Stamp(0) {
            return clock; // the first one
        }
        let ahead = match replay {
            AntiReplay::Time { window } => self.newer(clock) && !self.fresh(unix, window),
            AntiReplay::Monotonic => false,
        };
        if ahead || clock.newer(self) { clock } else { Stamp(self.0.wrapping_add(1)) }
    }

    /// Whether it comes after another one (serial number arithmetic, RFC 1982).
    fn newer(self, other: Stamp) -> bool {
        self.0 != other.0 && self.0.wrapping_sub(other.0) < 1 << 63
    }

    fn seconds(self) -> u64 {
        self.0 >> 32
    }

    /// Whether it is no further from the time than the window allows, in seconds.
    fn fresh(self, unix: Micros, window: u16) -> bool {
        self.seconds().abs_diff(unix.0 / 1_000_000) <= u64::from(window)
    }
}

/// The stamps of one virtual router: the last one sent, and the last one of each sender.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamps {
    sent: Stamp,
    /// The sender heard last at the end.
    heard: VecDeque<(IpAddr, Stamp)>,
}

impl Stamps {
    /// Nothing sent, nobody heard.
    pub const fn new() -> Stamps {
        Stamps { sent: Stamp(0), heard: VecDeque::new() }
    }

    /// The one to send next.
    pub(crate) fn next(&mut self, unix: Micros, replay: AntiReplay) -> Stamp {
        self.sent = self.sent.next(unix, replay);
        self.sent
    }

    /// A successor does not know what was sent last: it goes on well above what its predecessor told it.
    pub(crate) fn skip(&mut self) {
        if self.sent != Stamp(0) {
            self.sent = Stamp(self.sent.0.wrapping_add(SKIPPED));
        }
    }

    pub(crate) fn hear(&mut self, from: IpAddr, stamp: Stamp) {
        self.heard.retain(|(known, _)| *known != from);
        if self.heard.len() == SENDERS {
            self.heard.pop_front();
        }
        self.heard.push_back((from, stamp));
    }

    /// What was sent last by another way counts as sent by this one.
    pub(crate) fn sent_as(&mut self, other: &Stamps) {
        self.sent = other.sent;
    }

    /// The last one of a sender that counts: one whose clock was set back is believed again.
    fn last(&self, from: IpAddr, replay: AntiReplay, unix: Micros) -> Option<Stamp> {
        let last = self.heard.iter().find(|(known, _)| *known == from).map(|(_, stamp)| *stamp);
        last.filter(|last| match replay {
            AntiReplay::Time { window } => last.fresh(unix, window),
            AntiReplay::Monotonic => true,
        })
    }

    /// Whether a stamp of a sender is newer than the last one that counts, the same, or older.
    pub(crate) fn order(&self, from: IpAddr, stamp: Stamp, replay: AntiReplay, unix: Micros) -> Ordering {
        match self.last(from, replay, unix) {
            Some(last) if stamp == last => Ordering::Equal,
            Some(last) if !stamp.newer(last) => Ordering::Less,
            Some(_) | None => Ordering::Greater,
        }
    }
}

/// Why a trailer is not believed. Names follow the counters of the original.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HmacFault {
    /// There is none, and `mode enforce` asks for one.
    Missing,
    /// Another type, or something in the reserved field.
    Malformed,
    /// A key that isn't ours.
    UnknownKey(u8),
    /// The tag doesn't fit: another key under that number, or changed on its way.
    Tag,
    /// Too far from our clock.
    Stale {
        /// Seconds between the two clocks.
        apart: u64,
        /// Seconds allowed.
        window: u16,
    },
    /// Not newer than what its sender sent before.
    Replay,
}

impl HmacFault {
    /// The name that counts it.
    pub fn name(self) -> &'static str {
        match self {
            HmacFault::Missing => "auth_ext_missing",
            HmacFault::Malformed => "auth_ext_malformed",
            HmacFault::UnknownKey(_) => "auth_ext_unknown_key",
            HmacFault::Tag => "auth_ext_invalid_hmac",
            HmacFault::Stale { .. } => "auth_ext_stale",
            HmacFault::Replay => "auth_ext_replay",
        }
    }
}

impl fmt::Display for HmacFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HmacFault::Missing => f.write_str("not signed (auth_hmac), and `mode enforce` wants it to be"),
            HmacFault::Malformed => f.write_str("signed in an unknown form"),
            HmacFault::UnknownKey(id) => write!(f, "signed with key {id}, which auth_hmac doesn't list"),
            HmacFault::Tag => f.write_str("its signature doesn't fit: another key of that number, or forged"),
            HmacFault::Stale { apart, window } => {
                write!(f, "signed {apart} s from our clock, {window} s are allowed: do the clocks agree?")
            }
            HmacFault::Replay => f.write_str("signed, but not newer than the last one of its sender: replayed?"),
        }
    }
}

/// The trailer of an advert with a checksum of 0.
pub(crate) fn sign(auth: &HmacAuth, from: (Way, IpAddr), pdu: &[u8], stamp: Stamp) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    trailer[..2].copy_from_slice(&[TYPE, auth.active]);
    trailer[4..12].copy_from_slice(&stamp.0.to_be_bytes());
    let key = auth.keys.get(&auth.active).map(|key| key.0.as_slice()).unwrap_or_default();
    let tag = tag(key, from, pdu, &trailer);
    trailer[TAG].copy_from_slice(&tag);
    trailer
}

/// Checks the trailer of an advert that came from `source` and is `sender`'s; its stamp. The tag is judged before the time:
/// whoever has no key raises no warning of clocks.
pub(crate) fn verify(
    auth: &HmacAuth,
    (source, sender): (IpAddr, IpAddr),
    pdu: &[u8],
    trailer: &[u8; TRAILER],
    known: Known<'_>,
) -> Result<Stamp, HmacFault> {
    if trailer[0] != TYPE || trailer[2..4] != [0, 0] {
        return Err(HmacFault::Malformed);
    }
    let key = auth.keys.get(&trailer[1]).ok_or(HmacFault::UnknownKey(trailer[1]))?;
    if !same(&tag(&key.0, (known.way, source), pdu, trailer), &trailer[TAG]) {
        return Err(HmacFault::Tag);
    }
    let [_, _, _, _, stamp @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *trailer;
    let stamp = Stamp(u64::from_be_bytes(stamp));
    let Known { stamps, unix, own, .. } = known;
    if let AntiReplay::Time { window } = auth.replay
        && !stamp.fresh(unix, window)
    {
        let apart = stamp.seconds().abs_diff(unix.0 / 1_000_000);
        return Err(HmacFault::Stale { apart, window });
    }
    // What we have sent ourselves comes back from somebody who recorded it.
    if own == Some(sender) && stamps.sent != Stamp(0) && !stamp.newer(stamps.sent) {
        return Err(HmacFault::Replay);
    }
    match stamps.order(sender, stamp, auth.replay, unix) {
        Ordering::Greater => Ok(stamp),
        Ordering::Equal | Ordering::Less => Err(HmacFault::Replay),
    }
}

/// What is signed says by which way it goes: what was recorded on a heartbeat path is of no use on the own interface.
fn tag(key: &[u8], (way, source): (Way, IpAddr), pdu: &[u8], trailer: &[u8; TRAILER]) -> [u8; 16] {
    let mut pseudo = [0; 20];
    pseudo[0] = if source.is_ipv4() { 4 } else { 6 };
    pseudo[1] = pdu.first().map_or(0, |byte| byte >> 4);
    pseudo[2] = pdu.get(1).copied().unwrap_or(0);
    pseudo[3] = u8::from(way != Way::Own);
    match source {
        IpAddr::V4(a) => pseudo[4..8].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => pseudo[4..20].copy_from_slice(&a.octets()),
    }
    let mut out = [0; 16];
    // HMAC takes keys of every length; were it ever to refuse, a tag of zeroes would simply not verify elsewhere.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return out };
    mac.update(&pseudo);
    // The checksum counts as 0 (bytes 6 and 7).
    mac.update(pdu.get(..6).unwrap_or_default());
    mac.update(&[0; 2]);
    mac.update(pdu.get(8..).unwrap_or_default());
    mac.update(&trailer[..TAG.start]);
    mac.update(&[0; 16]);
    out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    out
}
