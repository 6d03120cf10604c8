//! Golden attributes of linux/ip_vs.h, round trips, and bytes that no kernel sends.

use super::*;
use crate::types::tunnel_flags;
use proptest::collection::vec;
use proptest::prelude::*;

fn encoded(command: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    put_command(&mut out, command);
    out
}

fn tcp(address: &str, port: u16) -> Key {
    Key::Address { protocol: Protocol::Tcp, address: address.parse().unwrap(), port }
}

fn plain(key: Key) -> Service {
    let netmask = key.family().whole_address();
    Service { key, scheduler: "wlc".into(), flags: 0, timeout: 0, netmask, engine: None }
}

fn server(address: &str, forwarding: Forwarding) -> Destination {
    let address = address.parse().unwrap();
    Destination { address, port: 8080, forwarding, weight: 3, upper_threshold: 9, lower_threshold: 5 }
}

/// As hexadecimal, attributes apart: `length type value`.
#[cfg(target_endian = "little")]
fn assert_bytes(command: &Command, golden: &[&str]) {
    let hex: String = golden.concat().split_whitespace().collect();
    let bytes = encoded(command);
    let written: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(written, hex, "{command}");
}

#[test]
#[cfg(target_endian = "little")]
fn services_byte_by_byte() {
    let key = [
        "0600 0100 0200 0000 ",
        "0600 0200 0600 0000 ",
        "1400 0300 c0000201 00000000 00000000 00000000 ",
        "0600 0400 0050 0000 ",
    ]
    .concat();
    assert_bytes(&Command::DelService(tcp("192.0.2.1", 80)), &["3000 0180 ", &key]);
    assert_bytes(&Command::Zero(Some(tcp("192.0.2.1", 80))), &["3000 0180 ", &key]);
    let sticky = Service {
        flags: 1,
        timeout: 360,
        netmask: 0xffff_ff00,
        engine: Some("sip".into()),
        ..plain(tcp("192.0.2.1", 80))
    };
    let rest = [
        "0800 0600 776c6300 ",
        "0800 0b00 73697000 ",
        "0c00 0700 01000000 ffffffff ",
        "0800 0800 68010000 ",
        "0800 0900 ffffff00 ",
    ]
    .concat();
    assert_bytes(&Command::NewService(sticky), &["5c00 0180 ", &key, &rest]);
    let six = Service { netmask: 64, flags: 4, ..plain(Key::Fwmark { mark: 0x0102, family: Family::Inet6 }) };
    let golden = [
        "3800 0180 ",
        "0600 0100 0a00 0000 ",
        "0800 0500 02010000 ",
        "0800 0600 776c6300 ",
        "0c00 0700 04000000 ffffffff ",
        "0800 0800 00000000 ",
        "0800 0900 40000000 ",
    ];
    assert_bytes(&Command::SetService(six), &golden);
}

#[test]
#[cfg(target_endian = "little")]
fn destinations_byte_by_byte() {
    let key = Key::Fwmark { mark: 1, family: Family::Inet };
    let service = "1400 0180 0600 0100 0200 0000 0800 0500 01000000 ";
    let identity = "0600 0b00 0200 0000 1400 0100 c0000202 00000000 00000000 00000000 0600 0200 1f90 0000 ";
    let numbers = "0800 0400 03000000 0800 0500 09000000 0800 0600 05000000 ";
    let golden = |method, tunnel: &[&str]| {
        let tunnel = tunnel.concat();
        let length = 4 + 36 + 8 + 24 + tunnel.split_whitespace().map(|w| w.len() / 2).sum::<usize>();
        [service, &format!("{length:02x}00 0280 "), identity, method, numbers, &tunnel].concat()
    };
    let gue = Forwarding::Tunnel(Tunnel::Gue { port: 6080, flags: tunnel_flags::REMOTE_CHECKSUM });
    let gre = Forwarding::Tunnel(Tunnel::Gre { flags: tunnel_flags::CHECKSUM });
    let (tun, one) = ("0800 0300 02000000 ", "0500 0d00 01 000000 ");
    for (forwarding, bytes) in [
        (Forwarding::Masq, golden("0800 0300 00000000 ", &[])),
        (Forwarding::Local, golden("0800 0300 01000000 ", &[])),
        (Forwarding::DirectRoute, golden("0800 0300 03000000 ", &[])),
        (Forwarding::Bypass, golden("0800 0300 04000000 ", &[])),
        (Forwarding::Tunnel(Tunnel::Ipip), golden(tun, &["0500 0d00 00 000000 "])),
        (gue, golden(tun, &[one, "0600 0e00 17c0 0000 ", "0600 0f00 0200 0000 "])),
        (gre, golden(tun, &["0500 0d00 02 000000 ", "0600 0f00 0100 0000 "])),
    ] {
        let destination = server("192.0.2.2", forwarding);
        assert_bytes(&Command::NewDest(key, destination), &[&bytes]);
        assert_bytes(&Command::SetDest(key, destination), &[&bytes]);
        assert_bytes(&Command::DelDest(key, destination), &[service, "2800 0280 ", identity]);
    }
}

#[test]
#[cfg(target_endian = "little")]
fn the_rest_byte_by_byte() {
    for empty in [Command::Flush, Command::Zero(None), Command::SetTimeouts(Timeouts::default())] {
        assert_bytes(&empty, &[]);
    }
    let timeouts = Timeouts { tcp: 900, tcp_fin: 0, udp: 300 };
    assert_bytes(&Command::SetTimeouts(timeouts), &["0800 0400 84030000 0800 0600 2c010000"]);
    assert_bytes(&Command::DelDaemon(DaemonState::Backup), &["0c00 0380 0800 0100 02000000"]);
    let daemon = Daemon {
        state: DaemonState::Master,
        interface: "eth0".into(),
        sync_id: 51,
        max_length: 1440,
        group: Some([224, 0, 0, 82].into()),
        port: 8849,
        ttl: 3,
    };
    let golden = [
        "4000 0380 ",
        "0800 0100 01000000 ",
        "0900 0200 6574683000 000000 ",
        "0800 0300 33000000 ",
        "0600 0400 a005 0000 ",
        "0800 0500 e0000052 ",
        "0600 0700 9122 0000 ",
        "0500 0800 03 000000 ",
    ];
    assert_bytes(&Command::NewDaemon(daemon.clone()), &golden);
    let least = Daemon { max_length: 0, group: None, port: 0, ttl: 0, ..daemon };
    assert_bytes(&Command::NewDaemon(least), &["2000 0380 ", golden[1], golden[2], golden[3]]);
}

#[test]
fn every_command_has_its_own_number() {
    let key = tcp("192.0.2.1", 80);
    let destination = server("192.0.2.2", Forwarding::Masq);
    let daemon = Daemon {
        state: DaemonState::Master,
        interface: "eth0".into(),
        sync_id: 0,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    };
    let numbers = [
        (Command::NewService(plain(key)), 1),
        (Command::SetService(plain(key)), 2),
        (Command::DelService(key), 3),
        (Command::NewDest(key, destination), 5),
        (Command::SetDest(key, destination), 6),
        (Command::DelDest(key, destination), 7),
        (Command::NewDaemon(daemon), 9),
        (Command::DelDaemon(DaemonState::Master), 10),
        (Command::SetTimeouts(Timeouts::default()), 12),
        (Command::Zero(None), 16),
        (Command::Flush, 17),
    ];
    numbers.iter().for_each(|(command, n)| assert_eq!(number(command), *n, "{command}"));
}

#[test]
fn what_the_kernel_would_misread_is_not_sent() {
    let key = tcp("192.0.2.1", 80);
    let named = |scheduler: &str| usable(&Command::NewService(Service { scheduler: scheduler.into(), ..plain(key) }));
    assert_eq!(named("fifteen-letters"), Ok(()));
    for wrong in ["", "sixteen-letters-", "rr\0"] {
        assert!(named(wrong).is_err(), "{wrong:?}");
    }
    let engine = |name: &str| usable(&Command::SetService(Service { engine: Some(name.into()), ..plain(key) }));
    assert_eq!(engine("sixteen-letters-"), Ok(()));
    assert!(engine("").is_err() && engine("s\0p").is_err() && engine("seventeen-letters").is_err());
    let zero = Key::Fwmark { mark: 0, family: Family::Inet };
    let destination = server("192.0.2.2", Forwarding::Masq);
    for command in [
        Command::NewService(plain(zero)),
        Command::SetService(plain(zero)),
        Command::DelService(zero),
        Command::NewDest(zero, destination),
        Command::SetDest(zero, destination),
        Command::DelDest(zero, destination),
        Command::Zero(Some(zero)),
    ] {
        assert!(usable(&command).is_err(), "{command}");
    }
}

mod answers;
