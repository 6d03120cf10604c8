//! Adverts and the IP datagrams and authentication headers around them, as the network brings them.
#![no_main]

use vipd_vrrp::auth::{TtlCover, open};
use vipd_vrrp::packet::{Advert, ChecksumForm, Datagram, checksum_fits};
use vipd_vrrp::settings::Family;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vipd_fuzz::bounded(bytes, || {
        for family in [Family::V4, Family::V6] {
            advert(bytes, family);
        }
        if let Ok(datagram) = Datagram::parse(bytes) {
            assert!(datagram.header.len() + datagram.payload.len() <= bytes.len());
            advert(datagram.payload, Family::of(datagram.source));
            for cover in [TtlCover::Zeroed, TtlCover::Kept] {
                if let Ok((pdu, sequence)) = open(&datagram, cover, b"12345678", 1) {
                    assert!(sequence > 1);
                    advert(pdu, Family::V4);
                }
            }
        }
    });
});

/// What can be read can be written, and reads the same again.
fn advert(pdu: &[u8], family: Family) {
    let Ok(advert) = Advert::parse(pdu, family) else { return };
    let written = advert.emit(ChecksumForm::Plain);
    assert_eq!(Advert::parse(&written, family).as_ref(), Ok(&advert));
    assert!(checksum_fits(&written, ChecksumForm::Plain));
}
