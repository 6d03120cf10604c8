//! What the kernel refuses, and that nothing else suffers from it.

use crate::machine::*;
use vipd_ipvs::{Client, Command, Daemon, DaemonState, Destination, Error, Family, Forwarding, Key, Service, flags};

#[test]
fn refusals_by_their_numbers() {
    let (_turn, mut client) = machine();
    let key = tcp("192.0.2.1", 80);
    let other = tcp("192.0.2.9", 80);
    let there = server("198.51.100.1", Forwarding::Masq);
    let elsewhere = server("198.51.100.2", Forwarding::Masq);
    let upside_down = Destination { upper_threshold: 5, lower_threshold: 6, ..elsewhere };
    let heavy = Destination { weight: 1 << 31, ..elsewhere };
    let six = server("2001:db8::1", Forwarding::Masq);
    let six_key = Key::Fwmark { mark: 1, family: Family::Inet6 };
    let of_length = |netmask| Service { netmask, flags: flags::PERSISTENT, timeout: 1, ..service(six_key, "rr") };
    let commands = [
        (Command::NewService(service(key, "rr")), 0),
        (Command::NewService(service(key, "rr")), EEXIST),
        (Command::SetService(service(other, "rr")), ESRCH),
        (Command::DelService(other), ESRCH),
        (Command::Zero(Some(other)), ESRCH),
        (Command::NewDest(other, there), ESRCH),
        (Command::NewDest(key, there), 0),
        (Command::NewDest(key, there), EEXIST),
        (Command::SetDest(key, elsewhere), ENOENT),
        (Command::DelDest(key, elsewhere), ENOENT),
        (Command::NewDest(key, upside_down), ERANGE),
        (Command::NewDest(key, heavy), ERANGE),
        (Command::NewDest(key, six), EINVAL),
        (Command::NewService(of_length(129)), EINVAL),
        (Command::NewService(of_length(0)), EINVAL),
        (Command::NewService(service(tcp("192.0.2.8", 0), "rr")), 0),
        (Command::NewService(Service { engine: Some("nosuch".into()), ..service(other, "rr") }), ENOENT),
        (Command::DelDaemon(DaemonState::Master), ESRCH),
        // Not sent at all, and the next one finds its own acknowledgement.
        (Command::NewService(service(other, "")), -1),
        (Command::DelDest(key, there), 0),
        (Command::DelDest(key, there), ENOENT),
    ];
    let (commands, expected): (Vec<_>, Vec<_>) = commands.into_iter().unzip();
    let results = outcomes(&mut client, &commands);
    for ((command, expected), result) in commands.iter().zip(expected).zip(results) {
        assert_eq!(result, expected, "{command}");
    }
    let present = client.execute(&commands[..1]).remove(0).unwrap_err();
    assert!(present.is_present() && !present.is_absent());
    let absent = client.execute(&[Command::DelService(other)]).remove(0).unwrap_err();
    assert!(absent.is_absent() && !absent.is_present());
    assert_eq!(client.destinations(&other).unwrap(), []);
    assert_eq!(client.execute(&[]).len(), 0);
}

#[test]
fn a_batch_of_nothing_but_absent_destinations() {
    let (_turn, mut client) = machine();
    let key = tcp("192.0.2.1", 80);
    all_well(&mut client, &[Command::NewService(service(key, "rr"))]);
    let commands = vec![Command::DelDest(key, server("198.51.100.1", Forwarding::Masq)); 300];
    assert_eq!(outcomes(&mut client, &commands), [ENOENT; 300]);
    assert_eq!(kept(&mut client).len(), 1);
}

#[test]
fn the_module_may_go_and_come_back() {
    let (_turn, mut client) = machine();
    let key = tcp("192.0.2.1", 80);
    let mut other = Client::open().unwrap();
    let reload = || {
        let modules = std::fs::read_to_string("/proc/modules").unwrap();
        let names = modules.lines().filter_map(|line| line.split(' ').next());
        names.filter(|name| name.starts_with("ip_vs_")).for_each(|name| drop(run("rmmod", &[name])));
        run("rmmod", &["ip_vs"]);
    };
    all_well(&mut client, &[Command::NewService(service(key, "rr")), Command::Flush]);
    let before = format!("{client:?}");
    reload();
    assert_eq!(client.services().unwrap(), [], "a dump finds the family again");
    assert_ne!(format!("{client:?}"), before, "the family has another number now");
    all_well(&mut other, &[Command::NewService(service(key, "rr"))]);
    assert_eq!(kept(&mut client).len(), 1);
    all_well(&mut client, &[Command::Flush]);
}

#[test]
fn without_privileges_changes_are_refused() {
    if std::env::var_os("IPVS_UNPRIVILEGED").is_some() {
        let mut client = Client::open().expect("anybody may open it");
        let e = client.execute(&[Command::Flush]).remove(0).unwrap_err();
        assert_eq!(e.errno(), Some(EPERM));
        assert!(e.to_string().contains("CAP_NET_ADMIN"), "{e}");
        assert!(matches!(client.services(), Err(Error::Kernel { errno: EPERM, .. })));
        return;
    }
    let (_turn, mut client) = machine();
    all_well(&mut client, &[Command::NewService(service(tcp("192.0.2.1", 80), "rr"))]);
    let this = std::env::current_exe().unwrap();
    let name = "refusals::without_privileges_changes_are_refused";
    let told = run(
        "setpriv",
        &[
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "env",
            "IPVS_UNPRIVILEGED=1",
            this.to_str().unwrap(),
            "--exact",
            name,
        ],
    );
    assert!(told.contains("1 passed"), "{told}");
    assert_eq!(kept(&mut client).len(), 1);
}

#[test]
fn sync_daemons() {
    let (_turn, mut client) = machine();
    let stop = [DaemonState::Master, DaemonState::Backup].map(Command::DelDaemon);
    let master = Daemon {
        state: DaemonState::Master,
        interface: "lo".into(),
        sync_id: 51,
        max_length: 1200,
        group: Some([224, 0, 0, 90].into()),
        port: 8849,
        ttl: 3,
    };
    let least = Daemon { state: DaemonState::Backup, max_length: 0, group: None, port: 0, ttl: 0, ..master.clone() };
    all_well(&mut client, &[Command::NewDaemon(master.clone()), Command::NewDaemon(least.clone())]);
    let read = client.daemons().unwrap();
    let text = run("ipvsadm", &["-Ln", "--daemon"]);
    assert_eq!(outcomes(&mut client, &[Command::NewDaemon(master.clone())]), [EEXIST]);
    all_well(&mut client, &stop);
    assert_eq!(client.daemons().unwrap(), []);
    assert_eq!(read.len(), 2);
    assert!(read.contains(&master), "{read:?}");
    let defaults = read.iter().find(|d| d.state == DaemonState::Backup).unwrap();
    assert_eq!((defaults.port, defaults.ttl, defaults.group), (8848, 1, Some([224, 0, 0, 81].into())));
    assert!(
        text.contains("master sync daemon (mcast=lo, syncid=51, maxlen=1200, group=224.0.0.90, port=8849, ttl=3)"),
        "{text}"
    );
    let bad = Daemon { interface: "nosuch0".into(), ..least };
    assert!(client.execute(&[Command::NewDaemon(bad)])[0].is_err());
}
