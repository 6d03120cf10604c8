//! Against a real kernel's IPVS, compared with what `ipvsadm` says of the same table. Needs the virtual machine of
//! tools/ipvs-vm, which sets `IPVS_VM=1`; elsewhere nextest leaves these tests out, and each fails.

#[path = "real_ipvs/machine.rs"]
mod machine;
#[path = "real_ipvs/refusals.rs"]
mod refusals;
#[path = "real_ipvs/running.rs"]
mod running;

use machine::*;
use vipd_ipvs::{Client, Command, Destination, Error, Family, Forwarding, Key, Protocol, Service, Tunnel};
use vipd_ipvs::{flags, tunnel_flags};

#[test]
fn a_kernel_without_ipvs_says_so() {
    match Client::open() {
        Ok(mut client) => assert!(client.info().unwrap().table_size > 0),
        Err(Error::NoIpvs) => {
            assert!(std::env::var_os("IPVS_VM").is_none(), "the machine has IPVS");
            assert!(Error::NoIpvs.to_string().contains("modprobe ip_vs"));
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn version_and_size_are_those_of_ipvsadm() {
    let (_turn, mut client) = machine();
    let info = client.info().unwrap();
    let (a, b, c) = info.version;
    let expected = format!("IP Virtual Server version {a}.{b}.{c} (size={})", info.table_size);
    assert_eq!(run("ipvsadm", &["-Ln"]).lines().next(), Some(&*expected));
    assert_eq!(info.version, (1, 2, 1));
}

#[test]
fn every_scheduler() {
    let (_turn, mut client) = machine();
    let names = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"];
    let services: Vec<_> = (1u16..).zip(names).map(|(port, name)| service(tcp("192.0.2.1", port), name)).collect();
    all_well(&mut client, &services.iter().cloned().map(Command::NewService).collect::<Vec<_>>());
    assert_eq!(kept(&mut client), services);
    let expected = (1..).zip(names).map(|(port, name)| format!("-A -t 192.0.2.1:{port} -s {name}"));
    assert_eq!(saved(), expected.collect());
    // Kernels since 5.10 may have it, Debian 12's doesn't.
    let twos = std::process::Command::new("modprobe").args(["-n", "ip_vs_twos"]).output().unwrap().status.success();
    let more = ["twos", "nosuch"].map(|name| Command::NewService(service(tcp("192.0.2.1", 99), name)));
    assert_eq!(outcomes(&mut client, &more), [if twos { 0 } else { ENOENT }, ENOENT]);
    all_well(&mut client, &[Command::SetService(service(tcp("192.0.2.1", 1), "sh"))]);
    assert!(saved().contains("-A -t 192.0.2.1:1 -s sh"));
}

#[test]
fn flags_persistence_and_protocols() {
    let (_turn, mut client) = machine();
    let sticky = |timeout, netmask, s: Service| Service { flags: s.flags | flags::PERSISTENT, timeout, netmask, ..s };
    let flagged = |flags, s| Service { flags, ..s };
    let six = tcp("2001:db8::1", 443);
    let services = [
        service(tcp("192.0.2.1", 80), "rr"),
        sticky(360, 0xffff_ff00, service(tcp("192.0.2.1", 81), "rr")),
        sticky(50, u32::MAX, service(tcp("192.0.2.2", 0), "rr")),
        sticky(600, 64, service(six, "wlc")),
        flagged(flags::SCHEDULER_1 | flags::SCHEDULER_2, service(tcp("192.0.2.3", 80), "sh")),
        flagged(flags::SCHEDULER_1, service(tcp("192.0.2.3", 81), "mh")),
        flagged(flags::SCHEDULER_3, service(tcp("192.0.2.3", 82), "rr")),
        flagged(flags::ONE_PACKET, service(address(Protocol::Udp, "192.0.2.4", 53), "rr")),
        service(address(Protocol::Udp, "2001:db8::1", 53), "rr"),
        service(address(Protocol::Sctp, "192.0.2.5", 3868), "rr"),
        service(Key::Fwmark { mark: 7, family: Family::Inet }, "rr"),
        sticky(70, 96, service(Key::Fwmark { mark: u32::MAX, family: Family::Inet6 }, "rr")),
        Service {
            engine: Some("sip".into()),
            ..sticky(80, u32::MAX, service(address(Protocol::Udp, "192.0.2.6", 5060), "rr"))
        },
    ];
    all_well(&mut client, &services.clone().map(Command::NewService));
    let mut expected = services.to_vec();
    expected.sort_by_key(|s| s.key);
    assert_eq!(kept(&mut client), expected);
    let text = [
        "-A -t 192.0.2.1:80 -s rr",
        "-A -t 192.0.2.1:81 -s rr -p 360 -M 255.255.255.0",
        "-A -t 192.0.2.2:0 -s rr -p 50",
        "-A -t [2001:db8::1]:443 -s wlc -p 600 -M 64",
        "-A -t 192.0.2.3:80 -s sh -b sh-fallback,sh-port",
        "-A -t 192.0.2.3:81 -s mh -b mh-fallback",
        "-A -t 192.0.2.3:82 -s rr -b flag-3",
        "-A -u 192.0.2.4:53 -s rr -o",
        "-A -u [2001:db8::1]:53 -s rr",
        "-A --sctp-service 192.0.2.5:3868 -s rr",
        "-A -f 7 -s rr",
        // ipvsadm 1.31 prints marks as signed numbers.
        "-A -f -1 -6 -s rr -p 70 -M 96",
        "-A -u 192.0.2.6:5060 -s rr -p 80 --pe sip",
    ];
    assert_eq!(saved(), lines(&text));
    // A change takes back what the service had.
    let bare = service(tcp("192.0.2.1", 81), "rr");
    all_well(&mut client, &[Command::SetService(bare.clone())]);
    assert!(kept(&mut client).contains(&bare));
    assert!(saved().contains("-A -t 192.0.2.1:81 -s rr"));
    for key in services.iter().map(|s| s.key) {
        all_well(&mut client, &[Command::DelService(key)]);
    }
    assert_eq!(client.services().unwrap(), []);
}

#[test]
fn forwarding_weights_and_thresholds() {
    let (_turn, mut client) = machine();
    let v4 = tcp("192.0.2.1", 80);
    let v6 = tcp("2001:db8::1", 80);
    let mark = Key::Fwmark { mark: 7, family: Family::Inet };
    let gue = |flags| Forwarding::Tunnel(Tunnel::Gue { port: 6080, flags });
    let gre = |flags| Forwarding::Tunnel(Tunnel::Gre { flags });
    let ipip = Forwarding::Tunnel(Tunnel::Ipip);
    let of_v4 = [
        Destination { port: 8080, weight: 3, ..server("198.51.100.1", Forwarding::Masq) },
        Destination { upper_threshold: 100, lower_threshold: 50, ..server("198.51.100.2", Forwarding::DirectRoute) },
        Destination { weight: 0, ..server("198.51.100.3", ipip) },
        server("198.51.100.4", gue(tunnel_flags::NONE)),
        server("198.51.100.5", gue(tunnel_flags::CHECKSUM)),
        server("198.51.100.6", gue(tunnel_flags::REMOTE_CHECKSUM)),
        server("198.51.100.7", gre(tunnel_flags::NONE)),
        Destination { weight: 65535, ..server("198.51.100.8", gre(tunnel_flags::CHECKSUM)) },
        server("2001:db8::9", ipip),
    ];
    let of_v6 = [
        Destination { port: 8080, ..server("2001:db8::2", Forwarding::Masq) },
        server("2001:db8::3", Forwarding::DirectRoute),
        server("2001:db8::4", ipip),
        server("2001:db8::5", gue(tunnel_flags::CHECKSUM)),
    ];
    let of_mark = [Destination { port: 0, ..server("198.51.100.1", Forwarding::DirectRoute) }];
    let tables = [(v4, &of_v4[..]), (v6, &of_v6[..]), (mark, &of_mark[..])];
    for (key, destinations) in tables {
        let mut commands = vec![Command::NewService(service(key, "wrr"))];
        commands.extend(destinations.iter().map(|d| Command::NewDest(key, *d)));
        all_well(&mut client, &commands);
        assert_eq!(told(&mut client, &key), destinations);
    }
    let text = [
        "-A -t 192.0.2.1:80 -s wrr",
        "-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 3",
        "-a -t 192.0.2.1:80 -r 198.51.100.2:80 -g -w 1",
        "-a -t 192.0.2.1:80 -r 198.51.100.3:80 -i -w 0 --tun-type ipip",
        "-a -t 192.0.2.1:80 -r 198.51.100.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        "-a -t 192.0.2.1:80 -r 198.51.100.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
        "-a -t 192.0.2.1:80 -r 198.51.100.6:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
        "-a -t 192.0.2.1:80 -r 198.51.100.7:80 -i -w 1 --tun-type gre --tun-nocsum",
        "-a -t 192.0.2.1:80 -r 198.51.100.8:80 -i -w 65535 --tun-type gre --tun-csum",
        "-a -t 192.0.2.1:80 -r [2001:db8::9]:80 -i -w 1 --tun-type ipip",
        "-A -t [2001:db8::1]:80 -s wrr",
        "-a -t [2001:db8::1]:80 -r [2001:db8::2]:8080 -m -w 1",
        "-a -t [2001:db8::1]:80 -r [2001:db8::3]:80 -g -w 1",
        "-a -t [2001:db8::1]:80 -r [2001:db8::4]:80 -i -w 1 --tun-type ipip",
        "-a -t [2001:db8::1]:80 -r [2001:db8::5]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
        "-A -f 7 -s wrr",
        "-a -f 7 -r 198.51.100.1:0 -g -w 1",
    ];
    assert_eq!(saved(), lines(&text));
    // ipvsadm doesn't save thresholds.
    let thresholds = run("ipvsadm", &["-Ln", "--thresholds"]);
    let line = thresholds.lines().find(|line| line.contains("198.51.100.2:80")).expect("its thresholds");
    assert_eq!(line.split_whitespace().skip(2).collect::<Vec<_>>(), ["100", "50", "0", "0"]);
    // Changes, one of each.
    let changed = [
        Destination { weight: 9, ..of_v4[0] },
        Destination { forwarding: gre(tunnel_flags::NONE), upper_threshold: 7, ..of_v4[3] },
    ];
    all_well(&mut client, &changed.map(|d| Command::SetDest(v4, d)));
    let now = told(&mut client, &v4);
    assert!(changed.iter().all(|d| now.contains(d)), "{now:?}");
    for (key, destinations) in tables {
        all_well(&mut client, &destinations.iter().map(|d| Command::DelDest(key, *d)).collect::<Vec<_>>());
        assert_eq!(told(&mut client, &key), []);
    }
}

#[test]
fn local_and_bypass() {
    let (_turn, mut client) = machine();
    let key = tcp("192.0.2.1", 80);
    let destinations = [server("127.0.0.1", Forwarding::Local), server("198.51.100.1", Forwarding::Bypass)];
    let mut commands = vec![Command::NewService(service(key, "rr"))];
    commands.extend(destinations.map(|d| Command::NewDest(key, d)));
    all_well(&mut client, &commands);
    assert_eq!(told(&mut client, &key), destinations);
    // ipvsadm 1.31 has no word for bypass.
    assert!(run("ipvsadm", &["-Ln"]).contains("127.0.0.1:80                 Local   1"));
}
