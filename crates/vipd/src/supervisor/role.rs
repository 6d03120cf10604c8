//! One role as the supervisor sees it: a process, a socket pair, signs of life, and what its successor will need.

use super::Event;
use super::estate::Estate;
use crate::channel;
use crate::legacy::Legacy;
use crate::message::{FromRole, ToRole};
use crate::posture::{self, Posture};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};
use vipd_sys::clock::{monotonic_micros, unix_time};

/// Messages that may wait for a role; one that doesn't read so many hangs and is ended for it.
const QUEUE: usize = 8192;

/// The roles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum RoleName {
    /// Adverts and addresses.
    Vrrp,
    /// Health of real servers.
    Check,
    /// The data plane.
    Director,
    /// Operators and mail.
    Console,
}

impl RoleName {
    /// Every role.
    pub(crate) const ALL: [RoleName; 4] = [RoleName::Vrrp, RoleName::Check, RoleName::Director, RoleName::Console];

    /// The name on the command line, in the log and in the status.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RoleName::Vrrp => "vrrp",
            RoleName::Check => "check",
            RoleName::Director => "director",
            RoleName::Console => "console",
        }
    }

    /// The role of that name.
    pub(crate) fn parse(name: &str) -> Option<RoleName> {
        RoleName::ALL.into_iter().find(|r| r.name() == name)
    }

    /// How long the role may be silent before it counts as hanging. The vrrp role answers at once or something is wrong,
    /// and its peers wait for it; the others may be in the middle of work.
    pub(crate) fn patience(self) -> Duration {
        match self {
            RoleName::Vrrp => Duration::from_millis(1000),
            RoleName::Check | RoleName::Director | RoleName::Console => Duration::from_secs(10),
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a message has found its place in a role's queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Told {
    Yes,
    No,
}

/// A running role.
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) started: f64,
    pub(crate) ready: bool,
    /// When it last answered, and when it was last asked to.
    pub(crate) beat: Instant,
    pub(crate) asked: Instant,
    /// What its process was made.
    posture: Posture,
    queue: mpsc::Sender<Vec<u8>>,
}

impl Running {
    /// Starts the process of a role. `arguments`: what the role's own command line needs besides its name.
    pub(crate) fn start(
        name: RoleName,
        generation: u64,
        arguments: &[String],
        events: &mpsc::Sender<Event>,
    ) -> io::Result<Running> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(format!("vipd_{name}")).arg("role").arg(name.name()).args(arguments);
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        // Not killed with this process: a role whose supervisor is gone gives up what it holds, and ends.
        // What a terminal sends to the group in front is for the supervisor, which ends the roles in order.
        command.process_group(0);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("it ended at once"))?;
        let (mut receiver, mut sender) = channel::split(UnixStream::from_std(ours)?);
        let (queue, mut waiting) = mpsc::channel::<Vec<u8>>(QUEUE);
        tokio::spawn(async move {
            if let Err(e) = sender.send_all(&mut waiting).await {
                debug!("the {name} role can't be told anything more: {e}");
            }
        });
        let to = events.clone();
        tokio::spawn(async move {
            loop {
                match receiver.next::<FromRole>().await {
                    Ok(Some(message)) => {
                        if to.send(Event::Role { name, generation, message: Box::new(message) }).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(e) => {
                        warn!("the {name} role said something unreadable ({e}): it is started anew");
                        let _ = vipd_sys::process::signal_process(pid, 9);
                        return;
                    }
                }
            }
        });
        let to = events.clone();
        tokio::spawn(async move {
            let how = match child.wait().await {
                Ok(status) => status.to_string(),
                Err(e) => format!("lost: {e}"),
            };
            let _ = to.send(Event::Gone { name, generation, how }).await;
        });
        let (now, posture) = (Instant::now(), posture::at_start(name));
        Ok(Running { pid, started: unix_time(), ready: false, beat: now, asked: now, posture, queue })
    }

    /// Makes its process what it is to be.
    pub(crate) fn impose(&mut self, name: RoleName, posture: Posture) {
        posture::impose(name, self.pid, &self.posture, &posture);
        self.posture = posture;
    }

    /// One without a process: what it is told waits in the queue, which has that many places.
    #[cfg(test)]
    pub(crate) fn puppet(places: usize) -> (Running, mpsc::Receiver<Vec<u8>>) {
        let (queue, told) = mpsc::channel(places);
        let (now, posture) = (Instant::now(), posture::at_start(RoleName::Console));
        (Running { pid: 0, started: unix_time(), ready: true, beat: now, asked: now, posture, queue }, told)
    }

    /// Queues a message. A queue that is full means that the role hangs, and the missing beats will end it, or that it
    /// has fallen behind.
    pub(crate) fn tell(&self, message: &ToRole) -> Told {
        match channel::encode(message) {
            Ok(bytes) => match self.queue.try_send(bytes) {
                Ok(()) => return Told::Yes,
                Err(_) => debug!("role process {} takes no more messages", self.pid),
            },
            Err(e) => warn!("a message can't be written: {e}"),
        }
        Told::No
    }
}

/// A role and its history.
#[derive(Default)]
pub(crate) struct Role {
    pub(crate) running: Option<Running>,
    pub(crate) restarts: u64,
    pub(crate) why: Option<String>,
    /// The last `Snapshot`.
    pub(crate) snapshot: Option<Legacy>,
    /// What it said of virtual servers.
    pub(crate) estate: Estate,
    /// When a process of it was last known to run (`CLOCK_MONOTONIC`, microseconds).
    pub(crate) last_seen: u64,
    /// When it is to be started again.
    pub(crate) again: Option<Instant>,
    /// Deaths within a minute of the start, in a row.
    early_deaths: u32,
    /// Counts its processes, so that news of an earlier one is not taken for the present one's.
    pub(crate) generation: u64,
}

impl Role {
    /// It has died: when to start it again. Once and a second time at once; then 1, 2, 4 ... up to 60 seconds later.
    pub(crate) fn died(&mut self, how: &str) {
        // One that could not even be started has not lived at all.
        let lived = self.running.take().map_or(0.0, |running| unix_time() - running.started);
        self.early_deaths = if lived < 60.0 { self.early_deaths + 1 } else { 0 };
        self.restarts += 1;
        self.why = Some(how.to_owned());
        let wait = match self.early_deaths {
            0..=2 => 0,
            n => 1 << (n - 3).min(6),
        };
        self.again = Some(Instant::now() + Duration::from_secs(wait.min(60)));
    }

    /// It answered.
    pub(crate) fn seen(&mut self) {
        self.last_seen = monotonic_micros();
        if let Some(running) = &mut self.running {
            running.beat = Instant::now();
        }
    }

    /// Whether its process has been silent for longer than it may.
    pub(crate) fn hangs(&self, name: RoleName) -> Option<Duration> {
        let running = self.running.as_ref()?;
        // A process that is still starting has more to do than to answer.
        let patience = if running.ready { name.patience() } else { name.patience().max(Duration::from_secs(5)) };
        let silent = running.beat.elapsed();
        (silent > patience).then_some(silent)
    }
}
