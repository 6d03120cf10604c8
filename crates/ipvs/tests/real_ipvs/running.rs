//! Traffic and its counters, timeouts, and many changes at once.

use crate::machine::*;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use vipd_ipvs::{Command, Counters, Destination, Forwarding, Timeouts};

#[test]
fn counters_follow_traffic() {
    let (_turn, mut client) = machine();
    run("ip", &["address", "replace", "192.0.2.77/32", "dev", "lo"]);
    let listener = TcpListener::bind("127.0.0.1:8077").unwrap();
    let key = tcp("192.0.2.77", 80);
    let own = Destination { port: 8077, ..server("127.0.0.1", Forwarding::Masq) };
    all_well(&mut client, &[Command::NewService(service(key, "rr")), Command::NewDest(key, own)]);
    let echo = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut from, _) = listener.accept().unwrap();
            let mut bytes = [0; 1000];
            from.read_exact(&mut bytes).unwrap();
            from.write_all(&bytes).unwrap();
        }
    });
    let open: Vec<_> = (0..3)
        .map(|_| {
            let mut to = TcpStream::connect("192.0.2.77:80").unwrap();
            to.write_all(&[7; 1000]).unwrap();
            let mut bytes = [0; 1000];
            to.read_exact(&mut bytes).unwrap();
            to
        })
        .collect();
    // The kernel sums its counters up every two seconds.
    let patience = Instant::now() + Duration::from_secs(10);
    while client.services().unwrap()[0].counters.connections < 3 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(50));
    }
    let of_service = client.services().unwrap().remove(0).counters;
    let of_server = client.destinations(&key).unwrap().remove(0);
    for counters in [of_service, of_server.counters] {
        assert_eq!(counters.connections, 3);
        assert!(counters.packets_in >= 6 && counters.bytes_in > 3000, "{counters:?}");
        assert!(counters.packets_out >= 6 && counters.bytes_out > 3000, "{counters:?}");
    }
    assert_eq!(of_server.active + of_server.inactive, 3);
    let printed = run("ipvsadm", &["-Ln", "--stats", "--exact"]);
    let numbers = format!("{:>8} {:>8} {:>8}", of_service.connections, of_service.packets_in, of_service.packets_out);
    assert!(printed.contains(&numbers), "{printed}");
    drop(open);
    echo.join().unwrap();
    all_well(&mut client, &[Command::Zero(Some(key))]);
    assert_eq!(client.services().unwrap().remove(0).counters.connections, 0);
    all_well(&mut client, &[Command::Zero(None)]);
    assert_eq!(client.destinations(&key).unwrap().remove(0).counters.connections, 0);
}

#[test]
fn timeouts_that_are_0_stay() {
    let (_turn, mut client) = machine();
    let before = client.timeouts().unwrap();
    assert!(before.tcp > 0 && before.tcp_fin > 0 && before.udp > 0, "{before:?}");
    all_well(&mut client, &[Command::SetTimeouts(Timeouts { tcp: 1000, tcp_fin: 0, udp: 50 })]);
    assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 1000, tcp_fin: before.tcp_fin, udp: 50 });
    let expected = format!("Timeout (tcp tcpfin udp): 1000 {} 50", before.tcp_fin);
    assert_eq!(run("ipvsadm", &["-Ln", "--timeout"]).trim(), expected);
    all_well(&mut client, &[Command::SetTimeouts(before)]);
    assert_eq!(client.timeouts().unwrap(), before);
}

#[test]
fn a_thousand_destinations_at_once() {
    let (_turn, mut client) = machine();
    let key = tcp("192.0.2.1", 80);
    let base = u32::from(Ipv4Addr::new(198, 18, 0, 1));
    let of = |n: u32| Destination {
        address: Ipv4Addr::from(base + n).into(),
        weight: n % 7 + 1,
        ..server("0.0.0.0", Forwarding::DirectRoute)
    };
    let all: Vec<_> = (0..1000).map(of).collect();
    let each = |make: fn(vipd_ipvs::Key, Destination) -> Command| all.iter().map(move |d| make(key, *d));
    let mut commands = vec![Command::NewService(service(key, "wrr"))];
    commands.extend(each(Command::NewDest));
    let start = Instant::now();
    all_well(&mut client, &commands);
    println!("1000 destinations added in {:?}", start.elapsed());
    assert_eq!(told(&mut client, &key), all);
    let expected: BTreeSet<_> = (all.iter())
        .map(|d| format!("-a -t 192.0.2.1:80 -r {}:80 -g -w {}", d.address, d.weight))
        .chain(["-A -t 192.0.2.1:80 -s wrr".to_owned()])
        .collect();
    assert_eq!(saved(), expected);
    // Every second one is there already: each result stands at its own command.
    let odd: Vec<_> = each(Command::NewDest).zip(each(Command::SetDest)).flat_map(|(a, b)| [a, b]).collect();
    assert_eq!(outcomes(&mut client, &odd), [EEXIST, 0].repeat(1000));
    let start = Instant::now();
    all_well(&mut client, &each(Command::SetDest).collect::<Vec<_>>());
    let together = start.elapsed();
    let start = Instant::now();
    for d in &all {
        all_well(&mut client, &[Command::SetDest(key, Destination { weight: 0, ..*d })]);
    }
    let one_by_one = start.elapsed();
    let all_quiet = client.destinations(&key).unwrap();
    assert!(all_quiet.iter().all(|entry| entry.destination.weight == 0 && entry.counters == Counters::default()));
    all_well(&mut client, &each(Command::DelDest).collect::<Vec<_>>());
    assert_eq!(client.destinations(&key).unwrap(), []);
    println!("1000 changes: {together:?} together, {one_by_one:?} one by one");
}
