//! Packets captured from keepalived 2.2.7, 2.4.3 and FRR 8.4.4: read to the value, written byte for byte, admitted; and
//! every single bit of them turned over.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // in a test a panic is the verdict

mod common;

use common::{UNKNOWN, instance, ipv6, virtual_address};
use std::net::{IpAddr, Ipv4Addr};
use vipd_vrrp::admit::{Admitted, Known, Reject, admit, vrid_of};
use vipd_vrrp::packet::Datagram;
use vipd_vrrp::router::{Sequence, advert, packets};
use vipd_vrrp::settings::{AntiReplay, Auth, HmacAuth, HmacKey, HmacMode, Instance, Peer, Transport, Version};
use vipd_vrrp::trailer::{Stamp, Stamps};
use vipd_vrrp::units::{Micros, Priority};

const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

struct Vector {
    name: &'static str,
    hex: &'static str,
    settings: Instance,
    from: IpAddr,
    priority: u8,
    id: u16,
    sequence: Option<Sequence>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn key(text: &str) -> [u8; 8] {
    let mut key = [0; 8];
    key[..text.len()].copy_from_slice(text.as_bytes());
    key
}

fn two(mut settings: Instance) -> Instance {
    settings.addresses.push(virtual_address([192, 0, 2, 101].into()));
    settings
}

fn unicast(settings: Instance, ttl: u8) -> Instance {
    let peer = Peer { address: B.into(), min_ttl: None, max_ttl: None };
    Instance { transport: Transport::Unicast { peers: vec![peer], ttl, check_source: false }, ..settings }
}

fn with(settings: Instance, auth: Auth) -> Instance {
    Instance { auth, ..settings }
}

/// Those that keepalived sends and that this crate sends the same, to the last bit.
fn vectors() -> Vec<Vector> {
    let v6 = |name, hex, settings: Instance, from: &str| Vector {
        name,
        hex,
        priority: settings.priority.0,
        settings,
        from: from.parse().unwrap(),
        id: 1,
        sequence: None,
    };
    let v = |name, hex, settings, from: Ipv4Addr, priority, id, sequence: Option<u32>| Vector {
        name,
        hex,
        settings,
        from: from.into(),
        priority,
        id,
        sequence: sequence.map(Sequence::Ah),
    };
    let ah = || Auth::Ah(key("s3cr3tpw"));
    let peer = Peer { address: "2001:db8::2".parse().unwrap(), min_ttl: None, max_ttl: None };
    let to6 = Transport::Unicast { peers: vec![peer], ttl: 64, check_source: false };
    let (v2, v3) = (Version::V2, Version::V3);
    vec![
        v(
            "v2-none",
            "45c0002c00010000ff70188dc0000201e0000012213396020001c3fec0000264c00002650000000000000000",
            two(instance(v2, 51, 150, 100)),
            A,
            150,
            1,
            None,
        ),
        v(
            "v2-none-prio0",
            "45c0002c00030000ff70188ac0000202e000001221330002000159ffc0000264c00002650000000000000000",
            two(instance(v2, 51, 100, 100)),
            B,
            0,
            3,
            None,
        ),
        v(
            "v2-pass",
            "45c0002800010000ff701891c0000201e0000012213496010101adb9c00002646b346c7600000000",
            with(instance(v2, 52, 150, 100), Auth::Pass(key("k4lv"))),
            A,
            150,
            1,
            None,
        ),
        v(
            "v2-ah",
            "45c0004000010000ff3318b6c0000201e000001270040000c0000201000000011ba0273ecf1bbd4278a0fe9e2135960102018463c00002640000000000000000",
            with(instance(v2, 53, 150, 100), ah()),
            A,
            150,
            1,
            Some(1),
        ),
        v(
            "v2-ah-prio0",
            "45c0004000030000ff3318b3c0000202e000001270040000c00002020000000998779633a047b01ddf7a382d2135000102011a64c00002640000000000000000",
            with(instance(v2, 53, 100, 100), ah()),
            B,
            0,
            3,
            Some(9),
        ),
        v(
            "v3-v4",
            "45c0002400010000ff701895c0000201e00000123136960200321136c0000264c0000265",
            two(instance(v3, 54, 150, 50)),
            A,
            150,
            1,
            None,
        ),
        v(
            "v3-v4-prio0",
            "45c0002400050000ff701890c0000202e0000012313600020032a735c0000264c0000265",
            two(instance(v3, 54, 100, 50)),
            B,
            0,
            5,
            None,
        ),
        v(
            "v3-uni",
            "45c0002000010000ff7036a9c0000201c0000202313896010064f17cc0000264",
            unicast(instance(v3, 56, 150, 100), 255),
            A,
            150,
            1,
            None,
        ),
        v(
            "v2-uni",
            "45c00028000100004070f5a1c0000201c0000202213a96010001865ec00002640000000000000000",
            unicast(instance(v2, 58, 150, 100), 64),
            A,
            150,
            1,
            None,
        ),
        v(
            "v2-uni-ah",
            "45c00040000100004033f5c6c0000201c000020270040000c000020100000001d18e3f67cb780c6b38073455213b96010201845dc00002640000000000000000",
            with(unicast(instance(v2, 59, 150, 100), 64), ah()),
            A,
            150,
            1,
            Some(1),
        ),
        v6(
            "v3-v6",
            "6c094c5f002870fffe80000000000000000000fffe00000aff0200000000000000000000000000123137960200320dccfe80000000000000000000000001005520010db8000000000000000000000100",
            ipv6(instance(v3, 55, 150, 50), &["fe80::1:55", "2001:db8::100"]),
            "fe80::ff:fe00:a",
        ),
        v6(
            "v3-uni6",
            "6c0669330018704020010db800000000000000000000000120010db8000000000000000000000002313c96010064ada720010db8000000000000000000000100",
            Instance { transport: to6, ..ipv6(instance(v3, 60, 150, 100), &["2001:db8::100"]) },
            "2001:db8::1",
        ),
        v6(
            "v2-v6",
            "6c094c5f002870fffe80000000000000000000fffe00000aff020000000000000000000000000012213e960200011de9fe80000000000000000000000001006220010db8000000000000000000000100",
            ipv6(instance(v2, 62, 150, 100), &["fe80::1:62", "2001:db8::100"]),
            "fe80::ff:fe00:a",
        ),
    ]
}

fn admitted(settings: &Instance, packet: &[u8]) -> Result<Admitted, Reject> {
    let datagram = Datagram::parse(packet).map_err(Reject::NotIp)?;
    admit(settings, UNKNOWN, &datagram)
}

#[test]
fn keepalived_packets_are_written_byte_for_byte() {
    for v in vectors() {
        let sent = packets(&v.settings, v.from, &advert(&v.settings, Priority(v.priority)), v.id, v.sequence);
        assert_eq!(sent.len(), 1, "{}", v.name);
        let mut captured = bytes(v.hex);
        if captured[0] >> 4 == 6 {
            captured[1..4].fill(0); // keepalived leaves the flow label to the kernel
        }
        assert_eq!(sent[0].1, captured, "{}", v.name);
    }
}

#[test]
fn keepalived_packets_are_read_and_admitted() {
    for v in vectors() {
        let packet = bytes(v.hex);
        let datagram = Datagram::parse(&packet).unwrap();
        assert_eq!(vrid_of(&datagram), Ok(v.settings.vrid), "{}", v.name);
        let got = admitted(&v.settings, &packet).unwrap_or_else(|e| panic!("{}: {e}", v.name));
        assert_eq!(got.source, v.from);
        assert_eq!(got.advert, advert(&v.settings, Priority(v.priority)), "{}", v.name);
        assert_eq!((got.sequence, got.oddity), (v.sequence, None), "{}", v.name);
        // Ethernet pads short frames: what the padding says counts for nothing.
        let mut padded = packet.clone();
        padded.resize(packet.len().max(46), 0xa5);
        assert_eq!(admitted(&v.settings, &padded).unwrap().advert, got.advert, "{} padded", v.name);
    }
}

/// Checksums of other forms, other makers' IP headers.
#[test]
fn what_others_send_is_admitted() {
    let uni = unicast(instance(Version::V3, 57, 150, 100), 255);
    let frr = |version| instance(version, 54, 100, 100);
    for (name, hex, settings) in [
        ("v3-uni-old", "45c0002000010000ff7036a9c0000201c0000202313996010064d36bc0000264", uni),
        (
            "v3-as2",
            "45c0002000030000ff701896c0000202e0000012313d000100640bf9c0000264",
            instance(Version::V3, 61, 100, 100),
        ),
        ("frr-v3v4", "45c0002050094000ff70888fc0000202e0000012313664010064056ec0000264", frr(Version::V3)),
        ("frr-v3v4-prio0", "45c0002060864000ff707812c0000202e0000012313600010064696ec0000264", frr(Version::V3)),
        (
            "frr-v2",
            "45c000286c684000ff706c28c0000202e0000012213664010001b862c00002640000000000000000",
            frr(Version::V2),
        ),
        (
            "frr-v3v6",
            "6c03767f001870fffe80000000000000f72364039b2f3025ff020000000000000000000000000012313664010064171120010db8000000000000000000000100",
            ipv6(frr(Version::V3), &["2001:db8::100"]),
        ),
    ] {
        let packet = bytes(hex);
        let got = admitted(&settings, &packet).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(got.advert.addresses, [settings.addresses[0].address], "{name}");
        // FRR's PDU is ours, whatever its IP header says.
        if name.starts_with("frr") {
            let datagram = Datagram::parse(&packet).unwrap();
            let sent =
                packets(&settings, if name == "frr-v3v6" { datagram.source } else { B.into() }, &got.advert, 1, None);
            assert_eq!(Datagram::parse(&sent[0].1).unwrap().payload, datagram.payload, "{name}");
        }
    }
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// When the signed packets were captured, in seconds since 1970.
const CAPTURED: u64 = 0x6b03_4222;

fn hmac(settings: Instance, replay: AntiReplay, mode: HmacMode) -> Instance {
    let keys = [(7, HmacKey(bytes(KEY))), (9, HmacKey(vec![9; 32]))].into();
    with(settings, Auth::Hmac(HmacAuth { keys, active: 7, replay, mode }))
}

/// Captured from keepalived 2.4.3: version 3 over IPv4, over IPv6, version 2, unicast.
fn signed() -> Vec<(&'static str, &'static str, Instance, IpAddr, u16, u64)> {
    let (v2, v3) = (Version::V2, Version::V3);
    let link_local: IpAddr = "fe80::ff:fe00:a".parse().unwrap();
    vec![
        (
            "hmac-v3v4",
            "45c0003c00010000ff70187cc0000202e0000012314764010064055dc0000264010700006b03421614ef000025e8412fac55fa492f6608530f151ab4",
            instance(v3, 71, 100, 100),
            B.into(),
            1,
            0x6b03_4216_14ef_0000,
        ),
        (
            "hmac-v3v6",
            "6c094c5f003470fffe80000000000000000000fffe00000aff0200000000000000000000000000123148960100\
             64a0c5fe800000000000000000000000010072010700006b03422109c60000d0434776146a1d23f53cf7ed54aa5846",
            ipv6(instance(v3, 72, 150, 100), &["fe80::1:72"]),
            link_local,
            1,
            0x6b03_4221_09c6_0000,
        ),
        (
            "hmac-v2v4",
            "45c0004400010000ff701875c0000201e0000012214996010001864fc00002640000000000000000010700006b03422c2edf0000c02a9e094776a28deeb2edf38b03da69",
            instance(v2, 73, 150, 100),
            A.into(),
            1,
            0x6b03_422c_2edf_0000,
        ),
        (
            "hmac-v3uni",
            "45c0003c00010000ff70368dc0000201c0000202314a96010064f16ac0000264010700006b034237566f0000ea3d281f1445b4da48479a6c356956bf",
            unicast(instance(v3, 74, 150, 100), 255),
            A.into(),
            1,
            0x6b03_4237_566f_0000,
        ),
    ]
}

#[test]
fn signed_packets_are_written_byte_for_byte_and_admitted() {
    for (name, hex, settings, from, id, stamp) in signed() {
        let settings = hmac(settings, AntiReplay::Time { window: 30 }, HmacMode::Enforce);
        let packet = bytes(&hex.replace(' ', ""));
        let sequence = Some(Sequence::Hmac(Stamp(stamp)));
        let sent = packets(&settings, from, &advert(&settings, settings.priority), id, sequence);
        let mut captured = packet.clone();
        if captured[0] >> 4 == 6 {
            captured[1..4].fill(0);
        }
        assert_eq!(sent[0].1, captured, "{name}");
        // The peer of a unicast instance is its sender here.
        let settings = match settings.transport {
            Transport::Unicast { ttl, check_source, .. } => {
                let peers = vec![Peer { address: from, min_ttl: None, max_ttl: None }];
                Instance { transport: Transport::Unicast { peers, ttl, check_source }, ..settings }
            }
            Transport::Multicast { .. } => settings,
        };
        let datagram = Datagram::parse(&packet).unwrap();
        let known = Known { unix: Micros::from_secs(CAPTURED), ..UNKNOWN };
        let got = admit(&settings, known, &datagram).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((got.sequence, &got.advert), (sequence, &advert(&settings, settings.priority)), "{name}");
        // No bit of what is signed can be turned over.
        let body = if packet[0] >> 4 == 6 { 40 } else { 20 };
        for at in body..packet.len() {
            for bit in 0..8 {
                let mut changed = packet.clone();
                changed[at] ^= 1 << bit;
                let judged = admit(&settings, known, &Datagram::parse(&changed).unwrap());
                assert!(judged.is_err(), "{name}: byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn each_reason_not_to_believe_a_signature() {
    let (_, hex, settings, from, _, stamp) = signed().remove(0);
    let window = AntiReplay::Time { window: 30 };
    let enforce = hmac(settings.clone(), window, HmacMode::Enforce);
    let packet = bytes(hex);
    let at = |settings: &Instance, stamps: &Stamps, unix: u64, packet: &[u8]| {
        let known = Known { unix: Micros::from_secs(unix), stamps, ..UNKNOWN };
        admit(settings, known, &Datagram::parse(packet).unwrap()).map_err(|why| why.name())
    };
    let nobody = Stamps::new();
    let right = at(&enforce, &nobody, CAPTURED, &packet);
    assert!(right.is_ok());
    let changed = |byte: usize, to: u8| {
        let mut packet = packet.clone();
        packet[32 + byte] = to;
        at(&enforce, &nobody, CAPTURED, &packet).unwrap_err()
    };
    assert_eq!(changed(0, 2), "auth_ext_malformed");
    assert_eq!(changed(3, 1), "auth_ext_malformed");
    assert_eq!(changed(1, 8), "auth_ext_unknown_key");
    assert_eq!(changed(1, 9), "auth_ext_invalid_hmac");
    assert_eq!(changed(4, 0), "auth_ext_invalid_hmac", "the tag is judged before the time");
    let seconds = stamp >> 32;
    assert!(at(&enforce, &nobody, seconds + 30, &packet).is_ok());
    assert_eq!(at(&enforce, &nobody, seconds + 31, &packet).unwrap_err(), "auth_ext_stale");
    assert_eq!(at(&enforce, &nobody, seconds - 31, &packet).unwrap_err(), "auth_ext_stale");
    let monotonic = hmac(settings.clone(), AntiReplay::Monotonic, HmacMode::Enforce);
    assert!(at(&monotonic, &nobody, 0, &packet).is_ok(), "time plays no part");
    // Unsigned ones.
    let plain = packets(&settings, from, &advert(&settings, settings.priority), 1, None).remove(0).1;
    assert_eq!(at(&enforce, &nobody, CAPTURED, &plain).unwrap_err(), "auth_ext_missing");
    for mode in [HmacMode::Permissive, HmacMode::ReceiveOnly] {
        let lenient = hmac(settings.clone(), window, mode);
        assert!(at(&lenient, &nobody, CAPTURED, &plain).is_ok());
        let mut forged = packet.clone();
        forged[59] ^= 1;
        assert_eq!(at(&lenient, &nobody, CAPTURED, &forged).unwrap_err(), "auth_ext_invalid_hmac");
    }
    // To a router without `auth_hmac` a signed one is too long.
    assert_eq!(at(&settings, &nobody, CAPTURED, &packet).unwrap_err(), "packet_length");
}

/// One bit turned over anywhere: either the packet is not believed, or it still says the same.
#[test]
fn no_single_bit_changes_what_is_believed() {
    for v in vectors() {
        let packet = bytes(v.hex);
        let right = admitted(&v.settings, &packet).unwrap();
        let mut believed = Vec::new();
        for at in 0..packet.len() {
            for bit in 0..8 {
                let mut changed = packet.clone();
                changed[at] ^= 1 << bit;
                let Ok(got) = admitted(&v.settings, &changed) else { continue };
                // The sender's address is covered by version 3's checksum and by the authentication header alone; the kernel
                // checks the IP header's own sum before any of this.
                if (12..16).contains(&at) && v.settings.version == Version::V2 && v.sequence.is_none() {
                    continue;
                }
                assert_eq!((&got.advert, got.source), (&right.advert, right.source), "{} byte {at} bit {bit}", v.name);
                believed.push(at);
            }
        }
        believed.dedup();
        // What is left: fields of the IP header that say nothing about the advert, and which the kernel judges.
        let header = if packet[0] >> 4 == 6 { 40 } else { 20 };
        assert!(believed.iter().all(|at| *at < header), "{}: {believed:?}", v.name);
        println!("{}: believed with another byte at {believed:?}", v.name);
    }
}

#[test]
fn each_reason_to_reject_has_its_packet() {
    let settings = with(instance(Version::V2, 52, 150, 100), Auth::Pass(key("k4lv")));
    let right = bytes(vectors()[2].hex);
    let changed = |at: usize, to: u8| {
        let mut packet = right.clone();
        packet[at] = to;
        admitted(&settings, &packet).unwrap_err().name()
    };
    assert_eq!(changed(0, 0x65), "packet_length");
    assert_eq!(changed(8, 254), "ttl");
    assert_eq!(changed(9, 51), "auth_type");
    assert_eq!(changed(20, 0x41), "version");
    assert_eq!(changed(20, 0x22), "type");
    assert_eq!(changed(21, 0), "vrid");
    assert_eq!(changed(23, 9), "packet_length");
    assert_eq!(changed(24, 0), "auth_type");
    assert_eq!(changed(25, 2), "advert_interval");
    assert_eq!(changed(26, 0), "checksum");
    assert_eq!(changed(32, b'x'), "auth_password");
    let own = admit(&settings, Known { own: Some(A.into()), ..UNKNOWN }, &Datagram::parse(&right).unwrap());
    assert_eq!(own.unwrap().oddity, Some(vipd_vrrp::admit::Oddity::OwnAddress(A.into())));
    let v3 = Instance { version: Version::V3, auth: Auth::None, ..settings.clone() };
    assert_eq!(admitted(&v3, &right).unwrap_err().name(), "version");
    let ah = with(settings.clone(), Auth::Ah(key("k4lv")));
    assert_eq!(admitted(&ah, &right).unwrap_err().name(), "auth_type");
    // An authentication header with another key, and one heard before.
    let sealed = bytes(vectors()[3].hex);
    let ah = |text, last| {
        let settings = with(instance(Version::V2, 53, 150, 100), Auth::Ah(key(text)));
        admit(&settings, Known { sequence: last, ..UNKNOWN }, &Datagram::parse(&sealed).unwrap()).map(|a| a.sequence)
    };
    assert_eq!(ah("guess", 0).unwrap_err().name(), "auth_ah_invalid_icv");
    assert_eq!(ah("s3cr3tpw", 1).unwrap_err().name(), "auth_ah_replay");
    assert_eq!(ah("s3cr3tpw", 0), Ok(Some(Sequence::Ah(1))));
    // Unicast: strangers, and peers from too far away.
    let peer = Peer { address: A.into(), min_ttl: Some(250), max_ttl: None };
    let strict = |address: Ipv4Addr| Instance {
        transport: Transport::Unicast {
            peers: vec![Peer { address: address.into(), ..peer.clone() }],
            ttl: 255,
            check_source: true,
        },
        ..instance(Version::V3, 56, 100, 100)
    };
    let uni = bytes(vectors()[7].hex);
    assert!(admitted(&strict(A), &uni).is_ok());
    assert_eq!(admitted(&strict(B), &uni).unwrap_err().name(), "not_a_peer");
    let mut far = uni.clone();
    far[8] = 200;
    assert_eq!(admitted(&strict(A), &far).unwrap_err().name(), "ttl");
    assert_eq!(admitted(&instance(Version::V3, 56, 100, 100), &uni).unwrap_err().name(), "destination");
    // The other family, and from too far away in it.
    let v6 = bytes(vectors()[10].hex);
    assert_eq!(admitted(&instance(Version::V3, 55, 100, 50), &v6).unwrap_err().name(), "destination");
    let mut far = v6.clone();
    far[7] = 254;
    assert_eq!(admitted(&vectors()[10].settings, &far).unwrap_err().name(), "ttl");
}
