//! Reading: what the kernel sends, what it might send, and what it never would.

use super::*;

fn nest(kind: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put_nest(&mut out, kind, fill);
    out
}

/// A service as the kernel sends it: 16 bytes of address, the mark for hashed, statistics of both kinds.
fn put_answered(out: &mut Vec<u8>) {
    put(out, svc::AF, &AF_INET.to_ne_bytes());
    put(out, svc::PROTOCOL, &17u16.to_ne_bytes());
    put(out, svc::ADDR, &[192, 0, 2, 1, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee]);
    put(out, svc::PORT, &53u16.to_be_bytes());
    put_text(out, svc::SCHED_NAME, "rr");
    put(out, svc::FLAGS, &[&7u32.to_ne_bytes()[..], &[0xff; 4]].concat());
    put(out, svc::TIMEOUT, &300u32.to_ne_bytes());
    put(out, svc::NETMASK, &[255, 255, 0, 0]);
}

fn put_counters(out: &mut Vec<u8>, first: u64) {
    for (kind, n) in (1u16..=10).zip(first..) {
        put(out, kind, &n.to_ne_bytes());
    }
}

#[test]
fn a_service_of_the_kernel() {
    let bytes = nest(top::SERVICE, |out| {
        put_answered(out);
        put_nest(out, svc::STATS, |out| {
            put(out, 1, &u32::MAX.to_ne_bytes());
            put(out, 4, &8u64.to_ne_bytes());
        });
        put_nest(out, svc::STATS64, |out| put_counters(out, 1 << 40));
        put(out, 99, &[1, 2, 3]);
    });
    let entry = service(&bytes).unwrap();
    let key = Key::Address { protocol: Protocol::Udp, address: [192, 0, 2, 1].into(), port: 53 };
    let expected = Service { key, scheduler: "rr".into(), flags: 5, timeout: 300, netmask: 0xffff_0000, engine: None };
    assert_eq!(entry.service, expected);
    let base = 1 << 40;
    let counters = Counters {
        connections: base,
        packets_in: base + 1,
        packets_out: base + 2,
        bytes_in: base + 3,
        bytes_out: base + 4,
    };
    assert_eq!(entry.counters, counters);
}

#[test]
fn old_kernels_count_in_32_bits() {
    let bytes = nest(top::SERVICE, |out| {
        put_answered(out);
        put_nest(out, svc::STATS, |out| {
            put(out, 1, &6u32.to_ne_bytes());
            put(out, 4, &8u64.to_ne_bytes());
        });
    });
    let expected = Counters { connections: 6, bytes_in: 8, ..Counters::default() };
    assert_eq!(service(&bytes).unwrap().counters, expected);
}

#[test]
fn a_destination_has_the_family_of_its_service_unless_it_says_otherwise() {
    let address: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let fill = |out: &mut Vec<u8>| {
        put(out, dest::ADDR, &address);
        put(out, dest::PORT, &80u16.to_be_bytes());
        // A flag of connections next to the method.
        put(out, dest::FWD_METHOD, &0x103u32.to_ne_bytes());
        for kind in [dest::WEIGHT, dest::U_THRESH, dest::L_THRESH] {
            put(out, kind, &1u32.to_ne_bytes());
        }
        put(out, dest::ACTIVE_CONNS, &11u32.to_ne_bytes());
        put(out, dest::INACT_CONNS, &12u32.to_ne_bytes());
        put(out, dest::PERSIST_CONNS, &13u32.to_ne_bytes());
    };
    let old = nest(top::DEST, fill);
    let new = nest(top::DEST, |out| {
        fill(out);
        put(out, dest::ADDR_FAMILY, &AF_INET6.to_ne_bytes());
    });
    let of = |bytes: &[u8], family| destination(bytes, family).unwrap();
    assert_eq!(of(&old, Family::Inet).destination.address, IpAddr::from([0x20, 1, 0xd, 0xb8]));
    assert_eq!(of(&old, Family::Inet6).destination.address, IpAddr::from(address));
    let entry = of(&new, Family::Inet);
    assert_eq!(entry.destination.address, IpAddr::from(address));
    assert_eq!(entry.destination.forwarding, Forwarding::DirectRoute);
    assert_eq!((entry.active, entry.inactive, entry.persistent), (11, 12, 13));
}

#[test]
fn strange_answers_have_a_reason() {
    let changed = |kind: u16, value: &[u8]| {
        let bytes = nest(top::SERVICE, |out| {
            put_answered(out);
            put(out, kind, value);
        });
        service(&bytes).map(|entry| entry.service.flags)
    };
    assert_eq!(changed(99, &[]), Ok(5));
    assert_eq!(changed(svc::AF, &7u16.to_ne_bytes()), Err("an address family that is neither IPv4 nor IPv6"));
    assert_eq!(changed(svc::PROTOCOL, &1u16.to_ne_bytes()), Err("a service of an unknown protocol"));
    assert_eq!(changed(svc::ADDR, &[192, 0, 2, 1]), Err("a value of the wrong size"));
    assert_eq!(changed(svc::SCHED_NAME, b"sixteen-letters-\0"), Err("a name that is too long"));
    assert_eq!(changed(svc::STATS64, &[1]), Err("an attribute shorter than its header"));
    assert_eq!(service(&[]), Err("an answer without a service"));
    assert_eq!(destination(&[], Family::Inet), Err("an answer without a destination"));
    assert_eq!(daemon(&[]), Err("an answer without a sync daemon"));
    assert_eq!(info(&[]), Err("information without a version"));
}

#[test]
fn versions_and_timeouts() {
    let mut bytes = Vec::new();
    put(&mut bytes, 1, &0x0001_0201u32.to_ne_bytes());
    put(&mut bytes, 2, &4096u32.to_ne_bytes());
    assert_eq!(info(&bytes), Ok(Info { version: (1, 2, 1), table_size: 4096 }));
    let set = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
    assert_eq!(timeouts(&encoded(&Command::SetTimeouts(set))), Ok(set));
    assert_eq!(timeouts(&[]), Ok(Timeouts::default()));
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn keys() -> impl Strategy<Value = Key> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let family = prop_oneof![Just(Family::Inet), Just(Family::Inet6)];
    prop_oneof![
        (protocol, addresses(), any::<u16>()).prop_map(|(protocol, address, port)| Key::Address {
            protocol,
            address,
            port
        }),
        (1u32.., family).prop_map(|(mark, family)| Key::Fwmark { mark, family }),
    ]
}

fn forwardings() -> impl Strategy<Value = Forwarding> {
    prop_oneof![
        Just(Forwarding::Masq),
        Just(Forwarding::Local),
        Just(Forwarding::DirectRoute),
        Just(Forwarding::Bypass),
        Just(Forwarding::Tunnel(Tunnel::Ipip)),
        any::<(u16, u16)>().prop_map(|(port, flags)| Forwarding::Tunnel(Tunnel::Gue { port, flags })),
        any::<u16>().prop_map(|flags| Forwarding::Tunnel(Tunnel::Gre { flags })),
    ]
}

fn states() -> impl Strategy<Value = DaemonState> {
    prop_oneof![Just(DaemonState::Master), Just(DaemonState::Backup)]
}

/// Attributes such as the interface has, and their lengths right: gets further than random bytes.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        vec(any::<u8>(), 0..20),
        any::<[u8; 4]>().prop_map(Vec::from),
        any::<[u8; 2]>().prop_map(Vec::from)
    ];
    vec((0u16..17, value), 0..20).prop_map(|attributes| {
        let mut out = Vec::new();
        attributes.iter().for_each(|(kind, value)| put(&mut out, *kind, value));
        out
    })
}

fn read_as_everything(bytes: &[u8]) {
    let _ = (service(bytes), daemon(bytes), timeouts(bytes), info(bytes));
    let _ = (destination(bytes, Family::Inet), destination(bytes, Family::Inet6));
}

proptest! {
    #[test]
    fn services_come_back(
        key in keys(), scheduler in "[a-z]{1,15}", flags: u32, timeout: u32, netmask: u32,
        engine in proptest::option::of("[a-z]{1,16}"),
    ) {
        let flags = flags & !flags::HASHED;
        let sent = Service { key, scheduler, flags, timeout, netmask, engine };
        let read = service(&encoded(&Command::NewService(sent.clone())));
        prop_assert_eq!(read, Ok(ServiceEntry { service: sent, counters: Counters::default() }));
    }

    #[test]
    fn destinations_come_back(
        key in keys(), address in addresses(), port: u16, forwarding in forwardings(),
        weight: u32, upper_threshold: u32, lower_threshold: u32,
    ) {
        let sent = Destination { address, port, forwarding, weight, upper_threshold, lower_threshold };
        let read = destination(&encoded(&Command::NewDest(key, sent)), key.family());
        prop_assert_eq!(read.map(|entry| entry.destination), Ok(sent));
    }

    #[test]
    fn daemons_come_back(
        state in states(), interface in "[a-z0-9]{1,15}", sync_id: u32, max_length: u16,
        group in proptest::option::of(addresses()), port: u16, ttl: u8,
    ) {
        let sent = Daemon { state, interface, sync_id, max_length, group, port, ttl };
        prop_assert_eq!(daemon(&encoded(&Command::NewDaemon(sent.clone()))), Ok(sent));
    }

    #[test]
    fn random_bytes_are_a_value_or_a_reason(bytes in vec(any::<u8>(), 0..120)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn plausible_attributes_are_a_value_or_a_reason(bytes in plausible(), cut in 0usize..8) {
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        read_as_everything(bytes);
        for kind in [top::SERVICE, top::DEST, top::DAEMON] {
            read_as_everything(&nest(kind, |out| out.extend_from_slice(bytes)));
        }
    }

    #[test]
    fn a_flipped_byte_is_a_value_or_a_reason(at in 0usize..120, with in 1u8..) {
        let mut bytes = nest(top::SERVICE, |out| {
            put_answered(out);
            put_nest(out, svc::STATS64, |out| put_counters(out, 1));
        });
        let at = at % bytes.len();
        bytes[at] ^= with;
        read_as_everything(&bytes);
    }
}
