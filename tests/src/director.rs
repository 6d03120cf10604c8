//! The daemons under test, behind one face.

use crate::lab::Host;
use crate::process::Proc;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use vipd_api::{InstanceStatus, Status};

/// Which daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Ours.
    Vipd,
    /// Debian's.
    Keepalived,
}

/// A daemon that runs on a host.
pub struct Director {
    /// Which.
    pub kind: Kind,
    host: Host,
    proc: Proc,
}

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// From now on vipd is this program.
pub fn use_vipd(path: PathBuf) {
    CHOSEN.get_or_init(|| path);
}

/// Where vipd is: what `use_vipd` said, `VIPD_BIN`, else what `cargo build` made beside this program.
pub fn vipd() -> PathBuf {
    if let Some(path) = CHOSEN.get() {
        return path.clone();
    }
    if let Some(path) = std::env::var_os("VIPD_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let found = here.ancestors().skip(1).take(2).map(|d| d.join("vipd")).find(|p| p.exists());
    found.unwrap_or_else(|| panic!("no vipd beside {}: run `cargo build -p vipd`, or set VIPD_BIN", here.display()))
}

fn keepalived() -> &'static Path {
    let path = Path::new("/usr/sbin/keepalived");
    assert!(path.exists(), "keepalived is missing: install Debian's package (make setup)");
    path
}

impl Director {
    /// Starts a daemon on a host with this configuration.
    pub fn start(kind: Kind, host: &Host, conf: &str) -> Director {
        Director::start_with(kind, host, conf, &[])
    }

    /// The same with more options.
    pub fn start_with(kind: Kind, host: &Host, conf: &str, more: &[&str]) -> Director {
        let file = host.write("director.conf", conf);
        let program = match kind {
            Kind::Vipd => vipd(),
            Kind::Keepalived => keepalived().to_owned(),
        };
        let mut command = host.command(program);
        command.args(more).args(["-n", "-l", "-G", "-D", "-f"]).arg(file);
        for (option, name) in [("-p", "pid"), ("-r", "vrrp.pid"), ("-c", "check.pid"), ("-b", "bfd.pid")] {
            command.arg(option).arg(host.path(name));
        }
        if kind == Kind::Vipd {
            command.arg("--socket").arg(host.path("socket"));
        }
        command.env("TMPDIR", host.path(""));
        let proc = host.spawn("director.log", &mut command);
        Director { kind, host: host.clone(), proc }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.proc.output()
    }

    /// The daemon's own process.
    pub fn pid(&self) -> u32 {
        self.proc.pid()
    }

    /// Ends it in order and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.proc.signal(Signal::TERM);
        let status = self.proc.wait(Duration::from_secs(15));
        assert!(status.success(), "{:?} ended with {status}:\n{}", self.kind, self.log());
    }

    /// Asks it to end, and doesn't wait.
    pub fn terminate(&self) {
        self.proc.signal(Signal::TERM);
    }

    /// Kills every process of it.
    pub fn kill(&mut self) {
        // Stopped first, so that none is started again while the others die.
        self.proc.signal_tree(Signal::STOP);
        self.proc.signal_tree(Signal::KILL);
        self.proc.wait(Duration::from_secs(10));
        // As after a power cut: /run is empty. (keepalived takes a process that nobody has reaped yet for a running one.)
        for name in ["pid", "vrrp.pid", "check.pid", "bfd.pid"] {
            let _ = std::fs::remove_file(self.host.path(name));
        }
    }

    /// Freezes every process of it.
    pub fn hang(&self) {
        self.proc.signal_tree(Signal::STOP);
    }

    /// Ends `hang`.
    pub fn resume(&self) {
        self.proc.signal_tree(Signal::CONT);
    }

    /// Writes a new configuration and has it read.
    pub fn reload(&self, conf: &str) {
        self.host.write("director.conf", conf);
        self.proc.signal(Signal::HUP);
    }

    /// Sends a signal to its main process.
    pub fn signal(&self, signal: Signal) {
        self.proc.signal(signal);
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.proc.runs()
    }

    /// What `vipd status` says; `None` if it doesn't answer.
    pub fn status(&self) -> Option<Status> {
        assert_eq!(self.kind, Kind::Vipd, "only vipd can be asked");
        let mut command = Command::new(vipd());
        let output = command.args(["status", "--json", "--socket"]).arg(self.host.path("socket")).output().ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// One instance of it.
    #[track_caller]
    pub fn instance(&self, name: &str) -> InstanceStatus {
        let status = self.status().unwrap_or_else(|| panic!("no status:\n{}", self.log()));
        let found = status.instances.into_iter().find(|i| i.name == name);
        found.unwrap_or_else(|| panic!("no instance {name}"))
    }

    /// The process of a role.
    #[track_caller]
    pub fn role(&self, name: &str) -> u32 {
        let status = self.status().unwrap_or_else(|| panic!("no status:\n{}", self.log()));
        status.roles.iter().find(|r| r.name == name).map(|r| r.pid).unwrap_or_else(|| panic!("no role {name}"))
    }

    /// Waits until its host holds an address.
    #[track_caller]
    pub fn wait_master(&self, address: &str, patience: Duration) -> Duration {
        let host = self.host.clone();
        let start = std::time::Instant::now();
        while !host.holds(address) {
            assert!(
                start.elapsed() < patience,
                "{:?} on host {} doesn't hold {address} within {patience:?}:\n{}",
                self.kind,
                host.number,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        start.elapsed()
    }
}
