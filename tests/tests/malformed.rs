//! Packets that must not be believed, one sort after the other, against a daemon in both seats: each is counted under its own
//! reason, none changes a state, and the log stays short.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vipd_api::Status;
use vipd_config::Options;
use vipd_sys::announce::Announcer;
use vipd_sys::netlink::Netlink;
use vipd_sys::udp;
use vipd_tests::control::Control;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;
use vipd_tests::web::inside;
use vipd_vrrp::auth::{TtlCover, seal};
use vipd_vrrp::packet::{Advert, AuthField, AuthType, ChecksumForm, Envelope, PROTOCOL};
use vipd_vrrp::router::{Sequence, packets};
use vipd_vrrp::settings::{Auth, Instance, Version};
use vipd_vrrp::trailer::Stamp;
use vipd_vrrp::units::{Centis, Micros, Priority};

const LONG: Duration = Duration::from_secs(15);
const PASSWORD: [u8; 8] = *b"Hudlnej7";
/// The attacker, and the other router of the wire.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const ATTACKER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// How often each packet comes in the storm.
const TIMES: u64 = 20;

/// A virtual router for each authentication, family and transport, and BFD sessions with the other host.
fn conf(own: u8, peer: u8, priority: u8) -> String {
    let pass = "authentication {\nauth_type PASS\nauth_pass Hudlnej7\n}";
    let ah = "authentication {\nauth_type AH\nauth_pass Hudlnej7\n}";
    let signed = "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\ntime_window 300\n}";
    let unicast = format!("unicast_src_ip 10.77.0.{own}\nunicast_peer {{\n10.77.0.{peer} min_ttl 255\n}}");
    let instances = [
        ("PASS", 51, "version 2", pass, "10.77.0.151"),
        ("AH", 52, "version 2", ah, "10.77.0.152"),
        ("PLAIN", 53, "version 3", "", "10.77.0.153"),
        ("SIGNED", 54, "version 3", signed, "10.77.0.154"),
        ("SIX", 55, "version 3", "", "2001:db8:77::155"),
        ("UNICAST", 56, "version 3", &unicast, "10.77.0.156"),
        ("SIGNED6", 57, "version 3", signed, "2001:db8:77::157"),
    ];
    let mut text = String::new();
    for (name, vrid, version, extra, address) in instances {
        text += &format!(
            "vrrp_instance {name} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {vrid}\n{version}\n\
             priority {priority}\nadvert_int 1\nvirtual_ipaddress {{\n{address}\n}}\n{extra}\n}}\n"
        );
    }
    let sessions = [
        ("ONE", "10.77.0.", ""),
        ("ONE6", "2001:db8:77::", "hoplimit 255"),
        ("FAR", "10.77.0.", "multihop\nmax_hops 1"),
    ];
    for (name, network, more) in sessions {
        text += &format!(
            "bfd_instance {name} {{\nneighbor_ip {network}{peer}\nsource_ip {network}{own}\nmin_rx 200\nmin_tx 200\n\
             multiplier 20\n{more}\n}}\n"
        );
    }
    text
}

/// How a packet gets to the victim.
enum Way {
    /// In an Ethernet frame of the attacker's: whatever stands in it.
    Frame(Vec<u8>),
    /// As a datagram to one of its BFD ports, from that host with that TTL.
    Datagram { from: Ipv4Addr, port: u16, ttl: u8, payload: Vec<u8> },
    /// The same over IPv6, from the other router.
    Datagram6 { ttl: u8, payload: Vec<u8> },
}

/// A packet that must not be believed.
struct Case {
    what: &'static str,
    /// The instance or session that counts it; `-`: none of them, yet it is counted; empty: the kernel keeps it away.
    whose: &'static str,
    /// The counter.
    reason: &'static str,
    way: Way,
}

/// What forges packets: it knows the configuration, so that everything but one thing is right.
struct Forger {
    settings: BTreeMap<String, Instance>,
    /// What forged adverts claim.
    priority: Priority,
    victim: [u8; 6],
    /// The discriminators of the sessions: the victim's and its neighbour's.
    discriminators: BTreeMap<String, (u32, u32)>,
    cases: Vec<Case>,
}

fn unix() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn stamp(seconds_ago: u64) -> Option<Sequence> {
    Some(Sequence::Hmac(Stamp::of(Micros(unix() - seconds_ago * 1_000_000))))
}

/// A frame to the victim's own hardware address, or to that of a multicast group.
fn frame(victim: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let (to, kind) = match packet {
        [first, ..] if first >> 4 == 6 => ([0x33, 0x33, packet[36], packet[37], packet[38], packet[39]], [0x86, 0xdd]),
        _ if packet[16] >> 4 == 14 => ([1, 0, 0x5e, packet[17] & 0x7f, packet[18], packet[19]], [8, 0]),
        _ => (victim, [8, 0]),
    };
    [to.as_slice(), &[2, 0, 0, 0, 0, 9], &kind, packet].concat()
}

/// A sound IPv4 packet around a payload.
fn ip(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let envelope = Envelope { source, destination, ttl, protocol };
    [envelope.header(7, payload.len()).as_slice(), payload].concat()
}

/// A sound IPv6 packet around a payload.
fn ip6(ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let envelope = Envelope { source: ATTACKER6, destination: GROUP6, ttl, protocol };
    [envelope.header(payload.len()).as_slice(), payload].concat()
}

/// With the sum of its IPv4 header made right again.
fn summed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let length = usize::from(packet[0] & 15) * 4;
    let total: u32 = packet[..length].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let folded = (total & 0xffff) + (total >> 16);
    let sum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The same bytes with some of them replaced.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// The same bytes with one of them turned over.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    with(bytes, at, &[bytes[at] ^ 0x55])
}

impl Forger {
    /// What an instance of that name would send, but for the priority: with its IP header.
    fn honest(&self, name: &str, sequence: Option<Sequence>) -> Vec<u8> {
        self.sent(name, self.priority, sequence)
    }

    fn sent(&self, name: &str, priority: Priority, sequence: Option<Sequence>) -> Vec<u8> {
        let settings = &self.settings[name];
        let source: IpAddr = match settings.addresses[0].address {
            IpAddr::V4(_) => ATTACKER.into(),
            IpAddr::V6(_) => ATTACKER6.into(),
        };
        packets(settings, source, &self.advert(name, priority), 7, sequence).remove(0).1
    }

    fn advert(&self, name: &str, priority: Priority) -> Advert {
        let settings = &self.settings[name];
        let auth = match settings.auth {
            Auth::Pass(password) => Some(AuthField { kind: AuthType::PASS, data: password }),
            Auth::Ah(_) => Some(AuthField { kind: AuthType::AH, data: [0; 8] }),
            Auth::None | Auth::Hmac(_) => None,
        };
        let addresses = settings.addresses.iter().map(|a| a.address).collect();
        let Instance { version, vrid, advert_int, .. } = *settings;
        Advert { version, vrid, priority, interval: advert_int, addresses, auth }
    }

    fn add(&mut self, whose: &'static str, reason: &'static str, what: &'static str, packet: &[u8]) {
        let way = Way::Frame(frame(self.victim, packet));
        self.cases.push(Case { what, whose, reason, way });
    }

    /// A PDU of version 2 with a password.
    fn pass(&mut self, reason: &'static str, what: &'static str, pdu: &[u8]) {
        self.add("PASS", reason, what, &ip(ATTACKER, GROUP, 255, PROTOCOL, pdu));
    }

    fn version_2(&mut self) {
        let advert = self.advert("PASS", self.priority);
        let emit = |advert: &Advert| advert.emit(ChecksumForm::Plain);
        let right = emit(&advert);
        for (ttl, what) in [(254, "TTL 254"), (1, "TTL 1"), (0, "TTL 0")] {
            self.add("PASS", "ttl", what, &ip(ATTACKER, GROUP, ttl, PROTOCOL, &right));
        }
        self.pass("version", "version 0", &with(&right, 0, &[0x01]));
        self.pass("version", "version 1", &with(&right, 0, &[0x11]));
        self.pass("version", "version 15", &with(&right, 0, &[0xf1]));
        self.pass(
            "version",
            "version 3 for one of 2",
            &emit(&Advert { version: Version::V3, auth: None, ..advert.clone() }),
        );
        self.pass("type", "type 0", &with(&right, 0, &[0x20]));
        self.pass("type", "type 2", &with(&right, 0, &[0x22]));
        self.pass("packet_length", "more addresses than bytes", &with(&right, 3, &[2]));
        self.pass("packet_length", "255 addresses", &with(&right, 3, &[255]));
        self.pass("packet_length", "two bytes", &right[..2]);
        self.pass("packet_length", "seven bytes", &right[..7]);
        self.pass("packet_length", "cut in an address", &right[..10]);
        self.pass("packet_length", "cut in the password", &right[..right.len() - 1]);
        self.pass("packet_length", "more behind it than padding", &[right.as_slice(), &[0; 40]].concat());
        self.pass("auth_password", "no addresses: the password is elsewhere", &with(&right, 3, &[0]));
        let field = |kind, data| Advert { auth: Some(AuthField { kind, data }), ..advert.clone() };
        self.pass("auth_password", "another password", &emit(&field(AuthType::PASS, *b"Hudlnej8")));
        self.pass("auth_password", "no password", &emit(&field(AuthType::PASS, [0; 8])));
        self.pass("auth_type", "authentication none", &emit(&field(AuthType::NONE, PASSWORD)));
        self.pass("auth_type", "authentication AH without a header", &emit(&field(AuthType::AH, PASSWORD)));
        self.pass("auth_type", "authentication 9", &emit(&field(AuthType(9), PASSWORD)));
        self.pass("advert_interval", "an interval of 0", &emit(&Advert { interval: Centis(0), ..advert.clone() }));
        self.pass("advert_interval", "an interval of 2 s", &emit(&Advert { interval: Centis(200), ..advert.clone() }));
        self.pass("checksum", "a wrong sum", &flipped(&right, 7));
        self.pass("checksum", "a sum of 0", &with(&right, 6, &[0, 0]));
        self.pass("checksum", "another address than was summed", &flipped(&right, 10));
        let pseudo = ChecksumForm::Pseudo { source: ATTACKER.into(), destination: GROUP.into() };
        self.pass("checksum", "the sum of version 3", &advert.emit(pseudo));
        let broken = flipped(&right, 7);
        let options = [ip(ATTACKER, GROUP, 255, PROTOCOL, &[]), vec![1, 1, 1, 0], broken.clone()].concat();
        let length = u8::try_from(options.len()).unwrap();
        let options = summed(with(&with(&options, 0, &[0x46]), 2, &[0, length]));
        self.add("PASS", "checksum", "a wrong sum behind IP options", &options);
        // In two fragments: the kernel puts them together, and what they are is judged.
        let whole = ip(ATTACKER, GROUP, 255, PROTOCOL, &broken);
        let first = summed(with(&with(&whole[..28], 2, &[0, 28]), 6, &[0x20, 0]));
        let second = [&whole[..20], &whole[28..]].concat();
        let length = u8::try_from(second.len()).unwrap();
        let second = summed(with(&with(&second, 2, &[0, length]), 6, &[0, 1]));
        self.add("", "", "the first of two fragments", &first);
        self.add("PASS", "checksum", "the second of two fragments", &second);
    }

    fn for_nobody(&mut self) {
        let right = self.advert("PASS", self.priority).emit(ChecksumForm::Plain);
        let to_group = |pdu: &[u8]| ip(ATTACKER, GROUP, 255, PROTOCOL, pdu);
        self.add("-", "packet_length", "nothing behind the IP header", &to_group(&[]));
        self.add("-", "packet_length", "one byte", &to_group(&right[..1]));
        self.add("-", "vrid", "virtual router 0", &to_group(&with(&right, 1, &[0])));
        self.add("-", "unknown_vrid", "a virtual router of others", &to_group(&with(&right, 1, &[99])));
        let key = PASSWORD;
        let envelope = Envelope { source: ATTACKER, destination: GROUP, ttl: 255, protocol: PROTOCOL };
        let sealed = seal(envelope, 7, TtlCover::Kept, &key, 9, &right);
        self.add("-", "unknown_vrid", "an authentication header for one without", &sealed);
        let unsealed = self.advert("AH", self.priority).emit(ChecksumForm::Plain);
        self.add("-", "unknown_vrid", "no authentication header for one with", &to_group(&unsealed));
        // What does not get past the kernel.
        let right = to_group(&right);
        self.add("", "", "a wrong sum of the IP header", &flipped(&right, 10));
        self.add("", "", "an IP header of 16 bytes", &summed(with(&right, 0, &[0x44])));
        self.add("", "", "longer by its header than it is", &summed(with(&right, 2, &[0, 200])));
        self.add("", "", "another group", &summed(with(&right, 16, &[224, 0, 0, 19])));
        // The instance with unicast peers listens there, and is another one.
        self.add(
            "-",
            "unknown_vrid",
            "for one with multicast, to the host itself",
            &summed(with(&right, 16, &[10, 77, 0, 1])),
        );
    }

    fn authentication_header(&mut self) {
        let pdu = self.advert("AH", self.priority).emit(ChecksumForm::Plain);
        let envelope = Envelope { source: ATTACKER, destination: GROUP, ttl: 255, protocol: PROTOCOL };
        let seal = |key: &[u8; 8], sequence, pdu: &[u8]| seal(envelope, 7, TtlCover::Kept, key, sequence, pdu);
        let high = u32::MAX - 1;
        let right = seal(&PASSWORD, high, &pdu);
        self.add("AH", "auth_ah_invalid_icv", "a wrong integrity check value", &flipped(&right, 40));
        self.add("AH", "auth_ah_invalid_icv", "another key", &seal(b"Hudlnej8", high, &pdu));
        self.add("AH", "auth_ah_invalid_icv", "another priority than was sealed", &with(&right, 46, &[99]));
        self.add("AH", "auth_ah_invalid_icv", "another sequence number than was sealed", &flipped(&right, 30));
        self.add(
            "AH",
            "auth_ah_invalid_icv",
            "another sender than was sealed",
            &summed(with(&right, 12, &[10, 77, 0, 8])),
        );
        self.add("AH", "auth_ah_invalid_icv", "another length of the header", &with(&right, 21, &[5]));
        self.add("AH", "auth_ah_next_header", "TCP behind it", &with(&right, 20, &[6]));
        self.add("AH", "auth_ah_replay", "heard before", &seal(&PASSWORD, 1, &pdu));
        self.add("AH", "ttl", "TTL 254", &summed(with(&right, 8, &[254])));
        self.add("AH", "packet_length", "cut in the advert", &seal(&PASSWORD, high, &pdu[..9]));
        let plain =
            Advert { auth: Some(AuthField { kind: AuthType::NONE, data: [0; 8] }), ..self.advert("AH", self.priority) };
        self.add("AH", "auth_type", "sealed, and says none", &seal(&PASSWORD, high, &plain.emit(ChecksumForm::Plain)));
        let short = ip(ATTACKER, GROUP, 255, 51, &right[20..40]);
        self.add("-", "auth_ah_short", "a header cut short", &short);
    }

    fn version_3(&mut self) {
        let right = self.honest("PLAIN", None);
        self.add("PLAIN", "ttl", "TTL 64", &summed(with(&right, 8, &[64])));
        self.add("PLAIN", "checksum", "a wrong sum", &flipped(&right, 26));
        self.add("PLAIN", "advert_interval", "an interval of 0", &with(&right, 24, &[0, 0]));
        self.add("PLAIN", "packet_length", "three addresses too many", &with(&right, 23, &[4]));
        let old = Advert {
            version: Version::V2,
            auth: Some(AuthField { kind: AuthType::NONE, data: [0; 8] }),
            ..self.advert("PLAIN", self.priority)
        };
        let old = ip(ATTACKER, GROUP, 255, PROTOCOL, &old.emit(ChecksumForm::Plain));
        self.add("PLAIN", "version", "version 2 for one of 3", &old);
        let unicast = self.honest("UNICAST", None);
        self.add("UNICAST", "not_a_peer", "from no peer", &unicast);
        let pdu = self.advert("UNICAST", self.priority).emit(ChecksumForm::Plain);
        let own = Ipv4Addr::new(10, 77, 0, 1);
        self.add("UNICAST", "ttl", "from too far away", &ip(PEER, own, 254, PROTOCOL, &pdu));
        self.add("UNICAST", "checksum", "a wrong sum", &flipped(&ip(PEER, own, 255, PROTOCOL, &pdu), 26));
    }

    fn signed(&mut self, name: &'static str) {
        let header = if name == "SIGNED" { 20 } else { 40 };
        let right = self.honest(name, stamp(0));
        let end = right.len();
        let group = |payload: &[u8]| match header {
            20 => ip(ATTACKER, GROUP, 255, PROTOCOL, payload),
            _ => ip6(255, PROTOCOL, payload),
        };
        self.add(name, "auth_ext_missing", "not signed", &group(&right[header..end - 28]));
        self.add(name, "packet_length", "cut in the signature", &group(&right[header..end - 1]));
        self.add(name, "auth_ext_invalid_hmac", "another signature", &flipped(&right, end - 1));
        self.add(name, "auth_ext_invalid_hmac", "another priority than was signed", &with(&right, header + 2, &[99]));
        self.add(name, "auth_ext_invalid_hmac", "another time than was signed", &flipped(&right, end - 20));
        self.add(name, "auth_ext_unknown_key", "a key that is not ours", &with(&right, end - 27, &[2]));
        self.add(name, "auth_ext_malformed", "a signature of another sort", &with(&right, end - 28, &[2]));
        self.add(name, "auth_ext_malformed", "something in the reserved field", &with(&right, end - 25, &[1]));
        self.add(name, "auth_ext_stale", "signed long ago", &self.honest(name, stamp(1000)));
        self.add(name, "auth_ext_replay", "heard before", &self.honest(name, stamp(100)));
        self.add(name, "checksum", "signed, with a wrong sum", &flipped(&right, header + 7));
    }

    fn ipv6(&mut self) {
        let right = self.honest("SIX", None);
        let pdu = &right[40..];
        self.add("SIX", "ttl", "hop limit 254", &with(&right, 7, &[254]));
        self.add("SIX", "version", "version 4", &with(&right, 40, &[0x41]));
        self.add("SIX", "type", "type 3", &with(&right, 40, &[0x33]));
        self.add("SIX", "packet_length", "two addresses where there is one", &with(&right, 43, &[2]));
        self.add("SIX", "packet_length", "cut in an address", &ip6(255, PROTOCOL, &pdu[..20]));
        self.add("SIX", "advert_interval", "an interval of 0", &with(&right, 44, &[0, 0]));
        self.add("SIX", "checksum", "a wrong sum", &flipped(&right, 46));
        self.add(
            "SIX",
            "checksum",
            "a sum without addresses",
            &ip6(255, PROTOCOL, &self.advert("SIX", self.priority).emit(ChecksumForm::Plain)),
        );
        self.add("-", "vrid", "virtual router 0", &with(&right, 41, &[0]));
        self.add("-", "packet_length", "nothing behind the IP header", &ip6(255, PROTOCOL, &[]));
        // Fragments; then, a header that is no advert in front of one.
        let broken = &flipped(&right, 46)[40..];
        let fragment = |offset: u16, more: u16, part: &[u8]| {
            let field = (offset << 3 | more).to_be_bytes();
            ip6(255, 44, &[&[PROTOCOL, 0, field[0], field[1], 0, 0, 0, 7], part].concat())
        };
        self.add("", "", "the first of two fragments", &fragment(0, 1, &broken[..8]));
        self.add("SIX", "checksum", "the second of two fragments", &fragment(1, 0, &broken[8..]));
        let options = [&[PROTOCOL, 0, 1, 4, 0, 0, 0, 0], broken].concat();
        self.add("SIX", "checksum", "a wrong sum behind options", &ip6(255, 60, &options));
    }

    fn sessions(&mut self) {
        for (name, port) in [("ONE", 3784), ("ONE6", 0), ("FAR", 4784)] {
            let (own, peer) = self.discriminators[name];
            // "The neighbour is down": what would end the session.
            let mut right = vec![0x20, 0x40, 20, 24];
            right.extend(peer.to_be_bytes());
            right.extend(own.to_be_bytes());
            right.extend([0, 3, 0x0d, 0x40, 0, 3, 0x0d, 0x40, 0, 0, 0, 0]);
            let least = if name == "FAR" { 254 } else { 255 };
            let bad = [
                ("short", "nothing", least, Vec::new()),
                ("short", "cut short", least, right[..23].to_vec()),
                ("length", "longer than it says", least, [right.as_slice(), &[0]].concat()),
                ("length", "shorter than it says", least, with(&right, 3, &[26])),
                ("version", "version 0", least, with(&right, 0, &[0])),
                ("version", "version 2", least, with(&right, 0, &[0x40])),
                ("multiplier", "multiplier 0", least, with(&right, 2, &[0])),
                ("multipoint", "multipoint", least, with(&right, 1, &[0x41])),
                ("my_discriminator", "my discriminator 0", least, with(&right, 4, &[0; 4])),
                (
                    "your_discriminator",
                    "your discriminator 0, and Up",
                    least,
                    with(&with(&right, 1, &[0xc0]), 8, &[0; 4]),
                ),
                ("poll_and_final", "poll and final", least, with(&right, 1, &[0x70])),
                ("diagnostic", "diagnostic 31", least, with(&right, 0, &[0x3f])),
                ("unknown_discriminator", "a session that is not there", least, flipped(&right, 8)),
                ("authenticated", "authenticated", least, with(&right, 1, &[0x44])),
                ("ttl", "from one hop too far", least - 1, right.clone()),
                ("ttl", "from far away", 1, right.clone()),
            ];
            for (reason, what, ttl, payload) in bad {
                let way = match port {
                    0 => Way::Datagram6 { ttl, payload },
                    _ => Way::Datagram { from: PEER, port, ttl, payload },
                };
                self.cases.push(Case { what, whose: name, reason, way });
            }
            if port != 0 {
                let stranger = |payload| Way::Datagram { from: ATTACKER, port, ttl: 255, payload };
                let what = "from a stranger who knows the discriminator";
                self.cases.push(Case { what, whose: name, reason: "addresses", way: stranger(right.clone()) });
                let way = stranger(with(&right, 8, &[0; 4]));
                self.cases.push(Case { what: "from a stranger", whose: "=", reason: "unknown_neighbour", way });
            }
        }
    }
}

/// The hosts, and how packets leave them.
struct Wire {
    attacker: Host,
    peer: Host,
    index: u32,
    announcer: Announcer,
}

impl Wire {
    fn send(&self, way: &Way) {
        match way {
            Way::Frame(frame) => self.announcer.send(self.index, frame).unwrap(),
            Way::Datagram { from, port, ttl, payload } => {
                let host = if *from == PEER { &self.peer } else { &self.attacker };
                datagram(host, (*from).into(), (Ipv4Addr::new(10, 77, 0, 1).into(), *port), *ttl, payload);
            }
            Way::Datagram6 { ttl, payload } => {
                let (own, to) = (self.peer.ipv6().parse().unwrap(), "2001:db8:77::1".parse().unwrap());
                datagram(&self.peer, own, (to, 3784), *ttl, payload);
            }
        }
    }
}

fn datagram(host: &Host, own: IpAddr, to: (IpAddr, u16), ttl: u8, payload: &[u8]) {
    inside(host, || {
        let sender = udp::Sender::open(udp::Family::of(own), Some(own), 49_152..=65_535, 0, ttl).unwrap();
        sender.send(payload, to.into()).unwrap();
    });
}

/// Every counter of what was not believed: whose, why, how often.
fn counted(status: &Status) -> BTreeMap<(String, String), u64> {
    let instances = status.instances.iter().map(|i| (i.name.as_str(), &i.counters.rejected));
    let sessions = status.bfd.iter().map(|s| (s.name.as_str(), &s.counters.rejected));
    let nobody = [("-", &status.vrrp_rejected), ("=", &status.bfd_rejected)];
    let all = instances.chain(sessions).chain(nobody);
    all.flat_map(|(whose, reasons)| reasons.iter().map(move |(why, n)| ((whose.to_owned(), why.clone()), *n))).collect()
}

/// Who is in what state since when, and what came of the sessions.
fn states(status: &Status) -> Vec<(String, String, usize)> {
    let instances = status.instances.iter().map(|i| (i.name.clone(), i.state.clone(), i.history.len()));
    let sessions = status.bfd.iter().map(|s| (s.name.clone(), s.state.clone(), s.history.len()));
    instances.chain(sessions).collect()
}

/// What one counter more would be.
fn and_one(before: &BTreeMap<(String, String), u64>, case: &Case, times: u64) -> BTreeMap<(String, String), u64> {
    let mut after = before.clone();
    if !case.whose.is_empty() {
        *after.entry((case.whose.to_owned(), case.reason.to_owned())).or_default() += times;
    }
    after
}

/// The victim in this seat, with packets that claim that priority.
fn seat(state: &str, peers_priority: u8, forged: u8) {
    let mut lab = Lab::new();
    let (one, two, nine) = (lab.host(1), lab.host(2), lab.host(9));
    [&one, &two, &nine].into_iter().for_each(Host::with_ipv6);
    let other = Director::start(Kind::Vipd, &two, &conf(2, 1, peers_priority));
    let victim = Director::start(Kind::Vipd, &one, &conf(1, 2, 150));
    let ready = |director: &Director| {
        let status = director.status();
        status.is_some_and(|s| s.bfd.len() == 3 && s.bfd.iter().all(|b| b.state == "Up"))
    };
    wait_for("the sessions are up", LONG, || ready(&victim) && ready(&other));
    let all = |director: &Director, state: &str| {
        let status = director.status();
        status.is_some_and(|s| s.instances.len() == 7 && s.instances.iter().all(|i| i.state == state))
    };
    let others = if state == "MASTER" { "BACKUP" } else { "MASTER" };
    wait_for("all are settled", LONG, || all(&victim, state) && all(&other, others));
    std::thread::sleep(Duration::from_secs(2));

    let loaded = vipd_config::load_str("forged.conf", &conf(2, 1, 150), &Options::default());
    let instances = loaded.config.unwrap().instances.into_iter().map(|i| (i.vrrp.name.clone(), i.vrrp));
    let found = inside(&one, || Netlink::open().unwrap().links().unwrap());
    let mac = found.iter().find(|l| l.name == "eth0").and_then(|l| l.mac).unwrap();
    let index = inside(&nine, || Netlink::open().unwrap().links().unwrap());
    let index = index.iter().find(|l| l.name == "eth0").unwrap().index;
    let announcer = inside(&nine, Announcer::open).unwrap();
    let wire = Wire { attacker: nine, peer: two, index, announcer };
    let mut control = Control::connect(&one.path("socket")).unwrap();
    let sessions = control.status().bfd;
    let discriminators =
        sessions.iter().map(|s| (s.name.clone(), (s.discriminator, s.peer_discriminator.unwrap()))).collect();
    let mut forger = Forger {
        settings: instances.collect(),
        priority: Priority(forged),
        victim: mac,
        discriminators,
        cases: Vec::new(),
    };
    // What is right is heard, and changes nothing either; what comes behind it with an older stamp is a replay.
    for name in ["SIGNED", "SIGNED6"] {
        let packet = forger.sent(name, Priority(1), stamp(50));
        wire.send(&Way::Frame(frame(mac, &packet)));
    }
    let heard = forger.sent("AH", Priority(1), Some(Sequence::Ah(1)));
    wire.send(&Way::Frame(frame(mac, &heard)));
    std::thread::sleep(Duration::from_millis(500));

    forger.version_2();
    forger.for_nobody();
    forger.authentication_header();
    forger.version_3();
    forger.signed("SIGNED");
    forger.signed("SIGNED6");
    forger.ipv6();
    forger.sessions();
    let before = control.status();
    let lines = || victim.log().lines().filter(|l| l.contains("not believed")).count();
    let logged = lines();
    let mut count = counted(&before);
    println!("  before: {count:?}");
    let start = Instant::now();
    let reached = forger.cases.iter().filter(|c| !c.whose.is_empty()).count();
    for case in &forger.cases {
        wire.send(&case.way);
        let expected = and_one(&count, case, 1);
        if case.whose.is_empty() {
            std::thread::sleep(Duration::from_millis(20)); // for nothing to happen
        }
        let sent = Instant::now();
        let seen = loop {
            let seen = counted(&control.status());
            if seen == expected || sent.elapsed() > Duration::from_secs(1) {
                break seen;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        assert_eq!(seen, expected, "{}: {}\n{}", case.whose, case.what, victim.log());
        count = seen;
    }
    assert!(reached >= 100, "{reached} packets reached the daemon");
    // And all of them many times over. (A first fragment is nothing alone.)
    for _ in 0..TIMES {
        for case in &forger.cases {
            wire.send(&case.way);
        }
    }
    let expected = forger.cases.iter().fold(count, |count, case| and_one(&count, case, TIMES));
    wait_for("all are counted", LONG, || counted(&control.status()) == expected);
    std::thread::sleep(Duration::from_secs(4)); // longer than a master may be silent
    let after = control.status();
    assert_eq!(states(&before), states(&after), "{}", victim.log());
    // Each of seven instances, three sessions and two sorts of strangers: five at once, then one in ten seconds.
    let (logged, took) = (lines() - logged, start.elapsed().as_secs());
    let most = 12 * (5 + usize::try_from(took / 10).unwrap() + 1);
    let sent = reached as u64 * (TIMES + 1);
    println!(
        "  {state}: {} sorts of packets, {reached} reached the daemon, {sent} in all in {took} s: {logged} lines",
        forger.cases.len()
    );
    assert!(logged <= most, "{logged} lines of {most}:\n{}", victim.log());
}

#[test]
fn nothing_malformed_moves_a_master() {
    seat("MASTER", 100, 250);
}

#[test]
fn nothing_malformed_moves_a_backup() {
    seat("BACKUP", 200, 0);
}
