//! Tracked processes: how many of each run. A thread of its own hears of them from the kernel; where the kernel tells
//! nothing, it looks at all processes every second. The supervisor does it, for only root is told.

use super::followed::Lease;
use super::patient::{self, Hanging, Vain};
use super::{Event, RoleName, Supervisor};
use crate::message::ToRole;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{debug, error, warn};
use vipd_config::model::{ProcessMatch, TrackedProcess};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::connector::{self, Connector};
use vipd_sys::poll::Poller;
use vipd_vrrp::track::Cause;

/// How often all processes are looked at where the kernel tells nothing.
const EVERY: Duration = Duration::from_secs(1);

/// How often they are looked at where the kernel tells of them, in microseconds.
const SAFETY: u64 = 30_000_000;

/// Events taken before what they come to is told.
const BURST: usize = 1024;

/// How long a process may take to tell its command line: one that holds its memory in a certain way keeps readers waiting.
const PATIENCE: Duration = Duration::from_millis(200);

/// Processes that keep their command lines to themselves; beyond so many none is asked any more until one of them lets go.
const SILENT: usize = 16;

/// Bytes of a name that the kernel keeps (`TASK_COMM_LEN` without the 0 at its end).
const NAME: usize = 15;

impl Supervisor {
    /// Counts the processes that the configuration in force names.
    pub(super) fn follow_processes(&mut self) {
        let vrrp = self.plan.roles.contains(&RoleName::Vrrp);
        let wanted = if vrrp { self.config.processes.clone() } else { Vec::new() };
        let Some(lease) = self.processes.change(wanted.clone(), |p| &p.vrrp.name) else { return };
        if wanted.is_empty() {
            return;
        }
        let counter = Counter { lease, events: self.events.clone(), running: Running::of(wanted) };
        let thread = std::thread::Builder::new().name("processes".to_owned());
        if let Err(e) = thread.spawn(move || counter.run()) {
            error!("tracked processes can't be followed: {e}");
        }
    }

    /// Processes were counted.
    pub(super) fn process_runs(&mut self, serial: u64, name: String, count: u32, cause: Cause) {
        if self.processes.heard(serial, &name, count) {
            self.tell(RoleName::Vrrp, &ToRole::Process { name, count, cause });
        }
    }
}

/// The thread.
struct Counter {
    lease: Lease,
    events: mpsc::Sender<Event>,
    running: Running,
}

impl Counter {
    fn run(mut self) {
        match Connector::open() {
            Ok(connector) => {
                if let Err(e) = self.follow(connector) {
                    warn!("what the kernel tells of processes can't be read: {e}; they are counted every second");
                }
            }
            Err(e) => warn!("the kernel tells nothing of processes ({e}): tracked ones are counted every second"),
        }
        while self.lease.holds() {
            self.running.look_at_all();
            if self.tell().is_none() {
                return;
            }
            std::thread::sleep(EVERY);
        }
    }

    /// Follows what the kernel tells, until nobody listens any more.
    fn follow(&mut self, mut connector: Connector) -> io::Result<()> {
        let mut poller = Poller::new()?;
        poller.watch(&connector, 0)?;
        let mut ready = Vec::with_capacity(2);
        self.running.look_at_all();
        let mut looked = monotonic_micros();
        while self.lease.holds() && self.tell().is_some() {
            // Now and then whether anybody listens.
            poller.wait(Some(monotonic_micros() + 1_000_000), &mut ready)?;
            // Now and then all the same: a number that is wrong must not stay so.
            let mut look = monotonic_micros() >= looked + SAFETY;
            for _ in 0..BURST {
                match connector.read() {
                    Ok(None) => break,
                    Ok(Some(event)) => self.running.heard(event),
                    Err(e) if e.raw_os_error() == Some(vipd_sys::connector::LOST) => {
                        // The kernel tells nothing more until its queue was read to the end; what is in it is older than
                        // what was lost.
                        debug!("events of processes were lost: all are looked at");
                        connector.drain()?;
                        look = true;
                    }
                    Err(e) => return Err(e),
                }
            }
            if look {
                self.running.look_at_all();
                looked = monotonic_micros();
            }
        }
        Ok(())
    }

    /// Tells the numbers that differ; `None` if nobody listens any more.
    fn tell(&mut self) -> Option<()> {
        for (name, count, cause) in self.running.news() {
            let serial = self.lease.serial;
            self.events.blocking_send(Event::Process { serial, name, count, cause }).ok()?;
        }
        Some(())
    }
}

/// How many of a wanted process run.
#[derive(Clone, Copy)]
struct Count {
    now: u32,
    /// What was told.
    told: Option<u32>,
    /// Why they last became more, and fewer.
    raised: Cause,
    lowered: Cause,
}

/// The tracked processes that run.
struct Running {
    wanted: Vec<TrackedProcess>,
    /// How it stands with each.
    counts: Vec<Count>,
    /// Which of the wanted a process is, if any.
    found: BTreeMap<u32, Vec<usize>>,
    /// Where processes are found: `/proc`.
    place: PathBuf,
    /// Those that have not told their command lines.
    silent: BTreeMap<u32, Hanging>,
}

impl Running {
    fn of(wanted: Vec<TrackedProcess>) -> Running {
        let none = Count { now: 0, told: None, raised: Cause::Seen, lowered: Cause::Seen };
        let (found, silent) = (BTreeMap::new(), BTreeMap::new());
        Running { counts: vec![none; wanted.len()], wanted, found, place: PathBuf::from("/proc"), silent }
    }

    /// Takes note of an event.
    fn heard(&mut self, event: connector::Event) {
        match event {
            // A child is what its parent is until it becomes something else.
            connector::Event::Forked { parent, child } => {
                let same = self.found.get(&parent).cloned().unwrap_or_default();
                self.set(child, same, Cause::Forked);
            }
            connector::Event::Became(pid) => {
                let now = self.matches(pid);
                self.set(pid, now, Cause::Seen);
            }
            connector::Event::Ended(pid) => self.set(pid, Vec::new(), Cause::Ended),
        }
    }

    /// A process is these of the wanted now.
    fn set(&mut self, pid: u32, now: Vec<usize>, cause: Cause) {
        let before = self.found.remove(&pid).unwrap_or_default();
        if before != now {
            for i in before.iter().filter(|i| !now.contains(i)) {
                let count = &mut self.counts[*i];
                (count.now, count.lowered) = (count.now.saturating_sub(1), cause);
            }
            for i in now.iter().filter(|i| !before.contains(i)) {
                let count = &mut self.counts[*i];
                (count.now, count.raised) = (count.now.saturating_add(1), cause);
            }
        }
        if !now.is_empty() {
            self.found.insert(pid, now);
        }
    }

    /// Looks at every process. Those that are not there any more have ended.
    fn look_at_all(&mut self) {
        let all = std::fs::read_dir(&self.place).into_iter().flatten().flatten();
        let all: BTreeSet<u32> = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        for pid in self.found.keys().filter(|pid| !all.contains(pid)).copied().collect::<Vec<_>>() {
            self.set(pid, Vec::new(), Cause::Ended);
        }
        for pid in all {
            let matches = self.matches(pid);
            let cause = if matches.is_empty() { Cause::Ended } else { Cause::Seen };
            self.set(pid, matches, cause);
        }
    }

    /// Which of the wanted a process is; one that has ended is none.
    fn matches(&mut self, pid: u32) -> Vec<usize> {
        let directory = self.place.join(pid.to_string());
        let stat = std::fs::read(directory.join("stat")).unwrap_or_default();
        let Some(name) = name_of(&stat) else { return Vec::new() };
        let by_command = self.wanted.iter().any(|w| w.matching != ProcessMatch::Name);
        let command = if by_command { self.command_line(pid, directory.join("cmdline")) } else { Vec::new() };
        (0..self.wanted.len()).filter(|i| is(&self.wanted[*i], name, &command)).collect()
    }

    /// The command line of a process; empty where it has none, or doesn't tell. It is asked once: its own memory is read for
    /// that.
    fn command_line(&mut self, pid: u32, path: PathBuf) -> Vec<u8> {
        self.silent.retain(|_, hanging| hanging.hangs());
        if self.silent.contains_key(&pid) || self.silent.len() >= SILENT {
            return Vec::new();
        }
        match patient::within(PATIENCE, move || std::fs::read(path)) {
            Ok(read) => read.unwrap_or_default(),
            Err(Vain::Hangs(hanging)) => {
                warn!("process {pid} does not tell its command line: it is not taken for a tracked one");
                self.silent.insert(pid, hanging);
                Vec::new()
            }
            Err(Vain::NoThread(e)) => {
                debug!("the command line of process {pid} can't be read: {e}");
                Vec::new()
            }
        }
    }

    /// The numbers that differ from what was told. What went up and down in between leaves no trace.
    fn news(&mut self) -> Vec<(String, u32, Cause)> {
        let news = self.wanted.iter().zip(&mut self.counts).filter_map(|(wanted, count)| {
            let before = count.told.replace(count.now);
            let cause = if before.is_none_or(|before| before < count.now) { count.raised } else { count.lowered };
            (before != Some(count.now)).then(|| (wanted.vrrp.name.clone(), count.now, cause))
        });
        news.collect()
    }
}

/// The name in a `/proc/PID/stat`: `PID (NAME) STATE ...`, where the name may have anything in it. `None` of a process that
/// has ended and was not waited for yet.
fn name_of(stat: &[u8]) -> Option<&[u8]> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let ended = matches!(stat.get(close + 2), Some(b'Z' | b'X'));
    if ended { None } else { stat.get(open + 1..close) }
}

/// Whether a process with this name and this command line (each word with a 0 behind it) is the one that is looked for.
fn is(wanted: &TrackedProcess, name: &[u8], command: &[u8]) -> bool {
    let process = wanted.process.as_bytes();
    if wanted.matching == ProcessMatch::Name {
        return name == process.get(..NAME).unwrap_or(process);
    }
    let mut words = command.strip_suffix(&[0]).unwrap_or(command).split(|b| *b == 0);
    if words.next() != Some(process) {
        return false;
    }
    let (given, asked): (Vec<&[u8]>, Vec<&[u8]>) =
        (words.collect(), wanted.parameters.iter().map(String::as_bytes).collect());
    match wanted.matching {
        ProcessMatch::Name | ProcessMatch::Program => true,
        ProcessMatch::Exact => given == asked,
        ProcessMatch::Partial => given.starts_with(&asked),
        ProcessMatch::Initial => match asked.split_last() {
            None => true,
            Some((last, first)) => {
                given.starts_with(first) && given.get(first.len()).is_some_and(|word| word.starts_with(last))
            }
        },
    }
}

#[cfg(test)]
mod tests;
