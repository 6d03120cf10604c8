//! FRR's daemons as peers: zebra and one more on a host.

use crate::lab::{Host, run};
use crate::process::Proc;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Debian puts its programs.
const PROGRAMS: &str = "/usr/lib/frr";

/// A pair of daemons that runs.
pub struct Frr {
    host: Host,
    directory: PathBuf,
    zebra: Proc,
    daemon: Proc,
}

impl Frr {
    /// Starts zebra and the daemon of that name (`vrrpd`, `bfdd`) with this configuration.
    pub fn start(host: &Host, daemon: &str, conf: &str) -> Frr {
        assert!(Path::new(PROGRAMS).join(daemon).exists(), "{daemon} is missing: install Debian's frr (make setup)");
        let directory = host.path("frr");
        std::fs::create_dir_all(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        host.write("frr/zebra.conf", "hostname zebra\n");
        host.write(&format!("frr/{daemon}.conf"), conf);
        // They give up root.
        run(Command::new("chown").args(["-R", "frr:frr"]).arg(&directory));
        let start = |name: &str| {
            let mut command = host.command(Path::new(PROGRAMS).join(name));
            command.arg("-i").arg(directory.join(format!("{name}.pid")));
            command.arg("-z").arg(directory.join("zserv.sock")).arg("--vty_socket").arg(&directory);
            command.arg("-f").arg(directory.join(format!("{name}.conf"))).args(["-A", "127.0.0.1", "--log", "stdout"]);
            host.spawn(&format!("{name}.log"), &mut command)
        };
        let zebra = start("zebra");
        crate::wait_for("zebra answers", Duration::from_secs(10), || directory.join("zebra.vty").exists());
        let started = start(daemon);
        let socket = directory.join(format!("{daemon}.vty"));
        crate::wait_for("FRR's daemon answers", Duration::from_secs(10), || socket.exists());
        Frr { host: host.clone(), directory: directory.clone(), zebra, daemon: started }
    }

    /// What it answers to a command of its shell.
    pub fn show(&self, command: &str) -> String {
        let mut shell = self.host.command("vtysh");
        shell.arg("--vty_socket").arg(&self.directory).args(["-c", command]);
        let output = shell.output().unwrap_or_else(|e| panic!("vtysh: {e}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Ends the daemon in order.
    pub fn stop(&mut self) {
        self.daemon.signal(Signal::TERM);
        self.daemon.wait(Duration::from_secs(10));
    }

    /// Kills the daemon.
    pub fn kill(&mut self) {
        self.daemon.signal(Signal::KILL);
        self.daemon.wait(Duration::from_secs(10));
    }

    /// What the daemons have logged.
    pub fn log(&self) -> String {
        self.zebra.output() + &self.daemon.output()
    }
}

/// The interface that vrrpd wants for a virtual router on eth0: it has the virtual hardware address and the virtual address.
pub fn virtual_interface(host: &Host, vrid: u8, network: &str) {
    let family = if network.contains(':') { 6 } else { 4 };
    let name = format!("vr{family}-{vrid}");
    host.ip(&format!("link add {name} link eth0 type macvlan mode bridge"));
    let mode = if family == 6 { "random" } else { "none" };
    host.ip(&format!("link set {name} addrgenmode {mode}"));
    host.ip(&format!("link set {name} address 00:00:5e:00:0{}:{vrid:02x}", if family == 6 { 2 } else { 1 }));
    let detection = if family == 6 { " nodad" } else { "" };
    if family == 6 {
        run(host.command("sysctl").args(["-qw", &format!("net.ipv6.conf.{name}.accept_dad=0")]));
    }
    host.ip(&format!("addr add {network} dev {name}{detection}"));
    host.ip(&format!("link set {name} up"));
}
