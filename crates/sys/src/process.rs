//! Other processes: scripts as another user, signals to a whole group, and a receive timeout for any socket.

use nix::errno::Errno;
use nix::sys::signal::{self, SigSet, SigmaskHow, Signal};
use nix::unistd::{Gid, Pid, Uid, setgid, setgroups, setuid};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Variables that must not reach a script of another user.
const UNSAFE_VARIABLES: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/// Whom a program runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// A command for a script: in its own process group, as another user, with nothing inherited but the environment, and told
/// to end when its parent dies. `argv` must not be empty.
pub fn script(argv: &[String], credentials: &Credentials) -> io::Result<Command> {
    let (program, arguments) = argv.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in UNSAFE_VARIABLES {
        command.env_remove(name);
    }
    let (uid, gid) = (Uid::from_raw(credentials.uid), Gid::from_raw(credentials.gid));
    let groups: Vec<Gid> = credentials.groups.iter().map(|g| Gid::from_raw(*g)).collect();
    let become_other = move || -> io::Result<()> {
        let root = Uid::effective().is_root();
        if root {
            setgroups(&groups)?;
            setgid(gid)?;
            setuid(uid)?;
        } else if Uid::effective() != uid {
            return Err(Errno::EPERM.into());
        }
        // After the change of user, which would clear it.
        nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
        signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(())
    };
    // SAFETY: needed to change the user in the right order between fork and exec. The closure makes system calls alone:
    // it allocates nothing, takes no lock, and what it captured was made before the fork.
    unsafe { command.pre_exec(become_other) };
    Ok(command)
}

/// Sends a signal to the process group that a script leads. That it is gone already is no error.
pub fn signal_group(leader: u32, signal: i32) -> io::Result<()> {
    let group = i32::try_from(leader).ok().filter(|g| *g > 1);
    let group = group.ok_or_else(|| io::Error::other("no process group to signal"))?;
    let signal = Signal::try_from(signal)?;
    match signal::killpg(Pid::from_raw(group), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Sends a signal to one process. That it is gone already is no error.
pub fn signal_process(pid: u32, signal: i32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().filter(|p| *p > 1);
    let pid = pid.ok_or_else(|| io::Error::other("no process to signal"))?;
    let signal = Signal::try_from(signal)?;
    match signal::kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a child of this process has ended. It is not waited for by that (waitid(2), `WNOWAIT`), so that its number, and
/// that of its group, stay its own. One that was waited for already has ended, too.
pub fn child_has_ended(child: u32) -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let Ok(pid) = i32::try_from(child) else { return true };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(waitid(Id::Pid(Pid::from_raw(pid)), flags), Ok(WaitStatus::StillAlive))
}

/// Makes a FIFO, mode 0644.
pub fn make_fifo(path: &std::path::Path) -> io::Result<()> {
    use nix::sys::stat::Mode;
    Ok(nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o644))?)
}

/// Sets the file mode creation mask of this process.
pub fn set_umask(mask: u32) {
    use nix::sys::stat::{Mode, umask};
    umask(Mode::from_bits_truncate(mask & 0o777));
}

/// Lets core dumps grow as large as they need, for this process and all it starts.
pub fn allow_core_dumps() -> io::Result<()> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    Ok(setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)?)
}

/// The signals by which keepalived is asked for things, besides the ordinary ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// `SIGRTMIN+2`: the state as JSON.
    Json,
    /// `SIGRTMAX-1`: statistics, and counters to 0.
    StatsClear,
    /// `SIGRTMAX`: the threads, in debugging builds.
    Threads,
}

impl Asked {
    /// Every one.
    pub const ALL: [Asked; 3] = [Asked::Json, Asked::StatsClear, Asked::Threads];

    /// Its number on this system.
    pub fn number(self) -> i32 {
        match self {
            Asked::Json => libc::SIGRTMIN() + 2,
            Asked::StatsClear => libc::SIGRTMAX() - 1,
            Asked::Threads => libc::SIGRTMAX(),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Asked::Json => "JSON (SIGRTMIN+2)",
            Asked::StatsClear => "STATS_CLEAR (SIGRTMAX-1)",
            Asked::Threads => "TDUMP (SIGRTMAX)",
        })
    }
}

fn ignore(signals: impl IntoIterator<Item = i32>) -> io::Result<()> {
    for number in signals {
        // SAFETY: needed because a disposition is set without type-checked handlers, and because the libraries know no
        // real-time signals. To ignore runs no code of ours.
        let before = unsafe { libc::signal(number, libc::SIG_IGN) };
        if before == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Ignores the signals by which operators ask for a reload or for the state, until handlers are set: a daemon that is still
/// starting must not die of a question.
pub fn ignore_questions() -> io::Result<()> {
    ignore([libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2].into_iter().chain(Asked::ALL.map(Asked::number)))
}

/// Ignores SIGINT, SIGTERM and all by which operators ask: for a process whose parent gets them too and tells it what to
/// do.
pub fn leave_signals_to_the_parent() -> io::Result<()> {
    ignore([libc::SIGINT, libc::SIGTERM])?;
    ignore_questions()
}

/// Makes a command the leader of a session of its own, without a terminal.
pub fn detach(command: &mut Command) {
    let own_session = || -> io::Result<()> {
        nix::unistd::setsid()?;
        Ok(())
    };
    // SAFETY: needed to run between fork and exec. The closure makes one system call and captures nothing.
    unsafe { command.pre_exec(own_session) };
}

/// Bounds how long a blocking receive may take.
pub(crate) fn receive_timeout(socket: &impl AsFd, timeout: Duration) -> io::Result<()> {
    socket2::SockRef::from(socket).set_read_timeout(Some(timeout))
}

/// Gives a socket a receive buffer of so many bytes: beyond `net.core.rmem_max` where this process may, else as much as there
/// may be. What doesn't fit is lost, which the kernel tells.
pub(crate) fn receive_buffer(socket: &impl AsFd, bytes: usize) {
    use nix::sys::socket::{setsockopt, sockopt};
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        let _ = socket2::SockRef::from(socket).set_recv_buffer_size(bytes);
    }
}

/// What the children that have ended and were waited for have taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Time on a processor, of programs and of the kernel for them.
    pub cpu: Duration,
    /// The largest of their peaks of resident memory, in KiB.
    pub peak_kib: u64,
}

/// `getrusage(RUSAGE_CHILDREN)`
///
/// # Errors
/// What the kernel says.
pub fn usage_of_children() -> io::Result<Usage> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |t: nix::sys::time::TimeVal| {
        let micros = t.tv_sec().saturating_mul(1_000_000).saturating_add(t.tv_usec());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    Ok(Usage {
        cpu: time(usage.user_time()) + time(usage.system_time()),
        peak_kib: u64::try_from(usage.max_rss()).unwrap_or(0),
    })
}
