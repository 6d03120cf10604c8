//! From an advert to the IP packets that carry it.

use super::Sequence;
use crate::auth::{self, TtlCover};
use crate::packet::{self, Advert, AuthField, AuthType, ChecksumForm, Envelope, PROTOCOL};
use crate::settings::{Auth, Checksum, Family, Instance, Transport, Version, Way};
use crate::trailer;
use crate::units::Priority;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

/// The advert an instance sends with this priority, with all its addresses.
pub fn advert(settings: &Instance, priority: Priority) -> Advert {
    let auth = match (settings.version, settings.family, &settings.auth) {
        (Version::V3, _, _) | (Version::V2, Family::V6, _) => None,
        (Version::V2, Family::V4, Auth::None | Auth::Hmac(_)) => Some(AuthField { kind: AuthType::NONE, data: [0; 8] }),
        (Version::V2, Family::V4, Auth::Pass(password)) => Some(AuthField { kind: AuthType::PASS, data: *password }),
        (Version::V2, Family::V4, Auth::Ah(_)) => Some(AuthField { kind: AuthType::AH, data: [0; 8] }),
    };
    Advert {
        version: settings.version,
        vrid: settings.vrid,
        priority,
        interval: settings.advert_int,
        addresses: settings.addresses.iter().map(|a| a.address).collect(),
        auth,
    }
}

/// The same advert for a heartbeat path. In place of the virtual addresses it lists two: the address that the sender's adverts
/// on its own interface come from, by which directors know each other whatever way they hear each other by; and the one that
/// it comes from there, by which it is known from what other virtual routers say on that wire.
pub fn heartbeat(advert: &Advert, sender: IpAddr, source: IpAddr) -> Advert {
    Advert { addresses: vec![sender, source], ..advert.clone() }
}

/// The IP packets that carry an advert: one, or one for each peer, all with the same identification and sequence.
pub fn packets(
    settings: &Instance,
    source: IpAddr,
    advert: &Advert,
    id: u16,
    sequence: Option<Sequence>,
) -> Vec<(IpAddr, Vec<u8>)> {
    packets_by(Way::Own, settings, source, advert, id, sequence)
}

/// The same by any way. `source`: where they come from there.
pub fn packets_by(
    way: Way,
    settings: &Instance,
    source: IpAddr,
    advert: &Advert,
    id: u16,
    sequence: Option<Sequence>,
) -> Vec<(IpAddr, Vec<u8>)> {
    let unsummed = advert.unsummed();
    let trailer = match (&settings.auth, sequence) {
        (Auth::Hmac(auth), Some(Sequence::Hmac(stamp))) => Some(trailer::sign(auth, (way, source), &unsummed, stamp)),
        (_, _) => None,
    };
    let trailer = trailer.as_ref().map_or([].as_slice(), |trailer| trailer);
    let length = unsummed.len() + trailer.len();
    // A header, the PDU and what follows it, with the sum over as much as is summed.
    let whole = |header: &[u8], form: ChecksumForm| {
        let mut packet = Vec::with_capacity(header.len() + length);
        packet.extend_from_slice(header);
        packet.extend_from_slice(&unsummed);
        packet.extend_from_slice(trailer);
        // Over IPv6 it goes to the end of the packet.
        let summed = match settings.family {
            Family::V4 => unsummed.len(),
            Family::V6 => length,
        };
        if let Some(summed) = packet.get_mut(header.len()..header.len() + summed) {
            packet::write_checksum(summed, form);
        }
        packet
    };
    let one = |to: IpAddr, ttl: u8, cover: TtlCover| {
        let form = match (advert.version, settings.family) {
            (Version::V2, Family::V4) => ChecksumForm::Plain,
            (Version::V2 | Version::V3, Family::V6) => ChecksumForm::Pseudo { source, destination: to },
            (Version::V3, Family::V4) => match settings.checksum {
                Checksum::Plain => ChecksumForm::Plain,
                Checksum::Old => ChecksumForm::Pseudo { source, destination: settings.group4() },
                Checksum::Pseudo | Checksum::NeverOld => ChecksumForm::Pseudo { source, destination: to },
            },
        };
        let packet = match (source, to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let envelope = Envelope { source, destination, ttl, protocol: PROTOCOL };
                match (&settings.auth, sequence) {
                    (Auth::Ah(key), Some(Sequence::Ah(sequence))) => {
                        auth::seal(envelope, id, cover, key, sequence, &whole(&[], form))
                    }
                    (_, _) => whole(&envelope.header(id, length), form),
                }
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                whole(&Envelope { source, destination, ttl, protocol: PROTOCOL }.header(length), form)
            }
            // The configuration has no such pair.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        Some((to, packet))
    };
    match settings.transport_by(way) {
        Transport::Multicast { group } => one(*group, 255, TtlCover::Kept).into_iter().collect(),
        Transport::Unicast { peers, ttl, .. } => {
            peers.iter().filter_map(|peer| one(peer.address, *ttl, TtlCover::Zeroed)).collect()
        }
    }
}
