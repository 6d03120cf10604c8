//! Processes of the laboratory: started in a host, ended with it, signalled through descriptors that can't mean another
//! process.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running process and all that it started.
pub struct Proc {
    child: Child,
    output: PathBuf,
}

impl Proc {
    /// Starts a command; what it says goes to a file.
    pub fn start(command: &mut Command, output: &Path) -> Proc {
        let file = File::create(output).unwrap_or_else(|e| panic!("{}: {e}", output.display()));
        let both = file.try_clone().unwrap_or_else(|e| panic!("{}: {e}", output.display()));
        command.stdin(Stdio::null()).stdout(file).stderr(both);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Proc { child, output: output.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Sends a signal to the process itself.
    pub fn signal(&self, signal: Signal) {
        send(&open(self.pid()), signal);
    }

    /// Sends a signal to the process and everything it started: all of them are pinned first, so that none can be
    /// mistaken.
    pub fn signal_tree(&self, signal: Signal) {
        let tree: Vec<Option<OwnedFd>> = tree(self.pid()).into_iter().map(open).collect();
        // Children first: stopped ones whose parent dies before them would be woken by the kernel.
        tree.iter().rev().for_each(|fd| send(fd, signal));
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            assert!(start.elapsed() < patience, "still running after {patience:?}:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        if self.runs() {
            self.signal_tree(Signal::CONT);
            self.signal_tree(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to one process by its number, if it exists.
pub fn signal_pid(pid: u32, signal: Signal) {
    send(&open(pid), signal);
}

fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok().filter(|p| *p > 1)?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn send(fd: &Option<OwnedFd>, signal: Signal) {
    if let Some(fd) = fd {
        let _ = pidfd_send_signal(fd, signal); // gone already: as well
    }
}

/// A process and everything it started.
pub fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
        for task in tasks {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

/// Processor time of a process and everything it started, in seconds: what the scheduler counted.
pub fn cpu(root: u32) -> f64 {
    let one = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
    };
    tree(root).into_iter().map(one).sum()
}

/// Memory of a process and everything it started, in KiB: their share of what is in memory.
pub fn memory(root: u32) -> f64 {
    let one = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
        line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0.0)
    };
    tree(root).into_iter().map(one).sum()
}
