//! An attacker without the password: packets for a virtual router that must not be believed, each wrong in its own way.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use vipd_sys::netlink::Netlink;
use vipd_sys::raw::{Device, Sender};
use vipd_vrrp::packet::{Advert, AuthField, AuthType, ChecksumForm, Envelope, PROTOCOL};
use vipd_vrrp::settings::Version;
use vipd_vrrp::units::{Centis, Priority, Vrid};

/// Sends one packet after the other out of eth0, every so often, for so long.
pub fn storm(vrid: u8, every: Duration, duration: Duration) -> std::io::Result<u64> {
    let links = Netlink::open()?.links()?;
    let eth0 = links.iter().find(|l| l.name == "eth0");
    let index = eth0.map(|l| l.index).ok_or_else(|| std::io::Error::other("no eth0"))?;
    let sender = Sender::open(Some(&Device { name: "eth0".to_owned(), index }), Ipv4Addr::UNSPECIFIED.into())?;
    let vrid = Vrid::new(vrid).ok_or_else(|| std::io::Error::other("virtual router id 0"))?;
    let packets = packets(vrid);
    let start = Instant::now();
    let mut sent = 0;
    for packet in packets.iter().cycle() {
        if start.elapsed() >= duration {
            break;
        }
        sender.send(packet, GROUP.into())?;
        sent += 1;
        std::thread::sleep(every);
    }
    Ok(sent)
}

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// One packet of each kind, for a version 2 router with a password and an interval of one second.
fn packets(vrid: Vrid) -> Vec<Vec<u8>> {
    let pass = |data| Some(AuthField { kind: AuthType::PASS, data });
    let honest = Advert {
        version: Version::V2,
        vrid,
        priority: Priority(200),
        interval: Centis(100),
        addresses: vec![Ipv4Addr::new(10, 77, 0, 100).into()],
        auth: pass(*b"Hudlnej7"),
    };
    let wrap = |pdu: &[u8], ttl: u8| {
        let source = Ipv4Addr::new(10, 77, 0, 9);
        let envelope = Envelope { source, destination: GROUP, ttl, protocol: PROTOCOL };
        let mut packet = envelope.header(7, pdu.len()).to_vec();
        packet.extend_from_slice(pdu);
        packet
    };
    let emit = |advert: &Advert| advert.emit(ChecksumForm::Plain);
    let right = emit(&honest);
    let changed = |at: usize, to: u8| {
        let mut pdu = right.clone();
        pdu[at] = to;
        pdu
    };
    vec![
        wrap(&changed(7, right[7] ^ 0x55), 255), // checksum
        wrap(&emit(&Advert { auth: pass(*b"guessed!"), ..honest.clone() }), 255), // password
        wrap(&right, 254),                       // TTL
        wrap(&right[..right.len() - 3], 255),    // length
        wrap(&emit(&Advert { version: Version::V3, auth: None, ..honest.clone() }), 255), // version
        wrap(&changed(0, 0x22), 255),            // type
        wrap(&emit(&Advert { auth: Some(AuthField { kind: AuthType::NONE, data: [0; 8] }), ..honest.clone() }), 255),
        wrap(&emit(&Advert { interval: Centis(300), ..honest.clone() }), 255), // interval
        wrap(&[], 255),                                                        // nothing at all
    ]
}
