//! The virtual machine's table, one test at a time, and short ways to write values down.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command as Process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vipd_ipvs::{Client, Command, Destination, Error, Forwarding, Key, Protocol, Service};

pub(crate) const EPERM: i32 = 1;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const ESRCH: i32 = 3;
pub(crate) const EEXIST: i32 = 17;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ERANGE: i32 = 34;

/// The tests share one kernel table.
static TABLE: Mutex<()> = Mutex::new(());

/// An empty table and a client of it. Fails outside the virtual machine: what did not run must not look as if it had.
#[track_caller]
pub(crate) fn machine() -> (MutexGuard<'static, ()>, Client) {
    assert!(std::env::var_os("IPVS_VM").is_some(), "this needs the virtual machine: `make test-vm`");
    let turn = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut client = Client::open().expect("the machine has IPVS");
    all_well(&mut client, &[Command::Flush]);
    (turn, client)
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Process::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `ipvsadm` would restore the table from, a line for each service and destination, in no certain order.
pub(crate) fn saved() -> BTreeSet<String> {
    run("ipvsadm", &["-Sn"]).lines().map(|line| line.trim().to_owned()).collect()
}

pub(crate) fn lines(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|line| (*line).to_owned()).collect()
}

pub(crate) fn all_well(client: &mut Client, commands: &[Command]) {
    let results = client.execute(commands);
    assert_eq!(results.len(), commands.len());
    for (command, result) in commands.iter().zip(results) {
        result.unwrap_or_else(|e| panic!("{command}: {e}"));
    }
}

/// The error numbers, 0 for success, -1 for errors that aren't the kernel's.
pub(crate) fn outcomes(client: &mut Client, commands: &[Command]) -> Vec<i32> {
    let number = |r: Result<(), Error>| r.map_or_else(|e| e.errno().unwrap_or(-1), |()| 0);
    client.execute(commands).into_iter().map(number).collect()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn address(protocol: Protocol, address: &str, port: u16) -> Key {
    Key::Address { protocol, address: ip(address), port }
}

pub(crate) fn tcp(vip: &str, port: u16) -> Key {
    address(Protocol::Tcp, vip, port)
}

pub(crate) fn service(key: Key, scheduler: &str) -> Service {
    let netmask = key.family().whole_address();
    Service { key, scheduler: scheduler.into(), flags: 0, timeout: 0, netmask, engine: None }
}

pub(crate) fn server(address: &str, forwarding: Forwarding) -> Destination {
    Destination { address: ip(address), port: 80, forwarding, weight: 1, upper_threshold: 0, lower_threshold: 0 }
}

/// The destinations that the kernel has, without what they did.
pub(crate) fn told(client: &mut Client, key: &Key) -> Vec<Destination> {
    let mut all: Vec<_> =
        client.destinations(key).expect("destinations").iter().map(|entry| entry.destination).collect();
    all.sort_by_key(|d| (d.address, d.port));
    all
}

/// The services that the kernel has, without what they did.
pub(crate) fn kept(client: &mut Client) -> Vec<Service> {
    let mut all: Vec<_> = client.services().expect("services").into_iter().map(|entry| entry.service).collect();
    all.sort_by_key(|s| s.key);
    all
}
