//! Hosts and the wire between them.

use crate::process::Proc;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

static LABS: AtomicU32 = AtomicU32::new(0);

/// A wire with hosts on it.
pub struct Lab {
    prefix: String,
    directory: TempDir,
    hosts: Vec<String>,
}

/// A host: a network namespace.
#[derive(Clone)]
pub struct Host {
    /// The namespace.
    pub namespace: String,
    /// Its number: 10.77.0.N.
    pub number: u8,
    bridge: String,
    directory: PathBuf,
}

impl Default for Lab {
    fn default() -> Lab {
        Lab::new()
    }
}

impl Lab {
    /// A wire without hosts.
    pub fn new() -> Lab {
        crate::need_root();
        sweep();
        let prefix = format!("vt{}x{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let directory = TempDir::with_prefix("vipd-lab-").unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        // Scripts of the tests run as an ordinary user.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap_or_else(|e| panic!("{e}"));
        let lab = Lab { directory, hosts: vec![format!("{prefix}br")], prefix };
        let bridge = lab.bridge();
        ip(&format!("netns add {bridge}"));
        for link in ["br0", "br1"] {
            ip(&format!("-n {bridge} link add {link} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"));
            ip(&format!("-n {bridge} link set {link} up"));
        }
        lab
    }

    fn bridge(&self) -> String {
        format!("{}br", self.prefix)
    }

    /// A directory for files of the test.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A host with eth0, 10.77.0.`number`/24, on the wire.
    pub fn host(&mut self, number: u8) -> Host {
        let namespace = format!("{}h{number}", self.prefix);
        self.hosts.push(namespace.clone());
        let directory = self.directory().join(format!("h{number}"));
        std::fs::create_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        ip(&format!("netns add {namespace}"));
        let host = Host { namespace, number, bridge: self.bridge(), directory };
        host.ip("link set lo up");
        host.plug("eth0", "br0", 77);
        host
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &self.hosts {
            remove(host);
        }
    }
}

/// Ends what runs in a namespace and removes it.
fn remove(namespace: &str) {
    let pids = Command::new("ip").args(["netns", "pids", namespace]).output();
    let pids = pids.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|p| p.parse().ok()) {
        crate::process::signal_pid(pid, rustix::process::Signal::KILL);
    }
    let _ = Command::new("ip").args(["netns", "del", namespace]).output();
}

/// Removes what laboratories of dead processes left.
fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("vt").and_then(|rest| rest.split_once('x')).map(|(pid, _)| pid);
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

/// Runs `ip`; panics with what it said if it fails.
#[track_caller]
pub fn ip(arguments: &str) -> String {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// Runs a command to its end; panics with what it said if it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?}: {status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

impl Host {
    /// Its address on the wire.
    pub fn address(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    /// Its IPv6 address on the wire, once `with_ipv6` was called.
    pub fn ipv6(&self) -> String {
        format!("2001:db8:77::{}", self.number)
    }

    /// Gives eth0 an IPv6 address beside the link-local one that it has by itself, and waits until that may be used.
    pub fn with_ipv6(&self) {
        self.ip(&format!("addr add {}/64 dev eth0 nodad", self.ipv6()));
        crate::wait_for("duplicate address detection ends", std::time::Duration::from_secs(10), || {
            let all = self.ip("-o -6 addr show dev eth0");
            all.contains("fe80::") && !all.contains("tentative")
        });
    }

    /// A path for a file of this host.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file of this host.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// Writes a shell script that everybody may run.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, &format!("#!/bin/sh\n{text}\n"));
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, open).unwrap_or_else(|e| panic!("{e}"));
        path
    }

    /// Runs `ip` in the host.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        ip(&format!("-n {} {arguments}", self.namespace))
    }

    /// A command that runs in the host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Starts a command in the host; what it says goes to a file of that name.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Proc {
        Proc::start(command, &self.path(name))
    }

    /// Gives it another interface, on one of the two wires.
    pub fn plug(&self, device: &str, wire: &str, network: u8) {
        let (namespace, bridge, number) = (&self.namespace, &self.bridge, self.number);
        let port = self.port(device);
        ip(&format!("link add {device} netns {namespace} type veth peer name {port} netns {bridge}"));
        ip(&format!("-n {bridge} link set {port} master {wire}"));
        ip(&format!("-n {bridge} link set {port} up"));
        self.ip(&format!("addr add 10.{network}.0.{number}/24 dev {device}"));
        self.ip(&format!("link set {device} up"));
    }

    fn port(&self, device: &str) -> String {
        format!("h{}{device}", self.number)
    }

    /// Pulls the cable of eth0: the carrier is lost.
    pub fn cable_out(&self) {
        ip(&format!("-n {} link set {} down", self.bridge, self.port("eth0")));
    }

    /// Plugs the cable of eth0 in again.
    pub fn cable_in(&self) {
        ip(&format!("-n {} link set {} up", self.bridge, self.port("eth0")));
    }

    /// Loses everything silently: the carrier stays.
    pub fn isolate(&self) {
        self.isolate_at("eth0");
    }

    /// Ends `isolate`.
    pub fn rejoin(&self) {
        self.rejoin_at("eth0");
    }

    /// Loses everything silently by this interface.
    pub fn isolate_at(&self, device: &str) {
        self.set_port(device, "0");
    }

    /// Ends `isolate_at`.
    pub fn rejoin_at(&self, device: &str) {
        self.set_port(device, "3");
    }

    /// The bridge's port to an interface of this host: `BR_STATE_*` (linux/if_bridge.h).
    fn set_port(&self, device: &str, state: &str) {
        let mut bridge = Command::new("ip");
        bridge.args(["netns", "exec", &self.bridge, "bridge", "link", "set", "dev", &self.port(device)]);
        run(bridge.args(["state", state]));
    }

    /// Whether it holds an address.
    pub fn holds(&self, address: &str) -> bool {
        let all = self.ip("-o addr show");
        all.split_whitespace().any(|word| word.split('/').next() == Some(address) && word.contains('/'))
    }
}
