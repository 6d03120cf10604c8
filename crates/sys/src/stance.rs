//! What a process is to the scheduler, and what it is called: set from outside by whoever may, on all threads that it has.
//! Threads that it makes later are as the one that makes them, but never in real time.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;

/// How a process gets its time on a processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Before every ordinary one: `SCHED_RR` with this priority (1..=99).
    RealTime(u8),
    /// As others.
    Ordinary,
}

/// Gives a process its time so, and a nice value (-20..=19), which counts while it is ordinary. What it starts is ordinary,
/// and its nice value not below 0.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`.
pub fn schedule(process: u32, class: Class, nice: i8) -> io::Result<()> {
    let (policy, sched_priority) = match class {
        Class::RealTime(priority) => (libc::SCHED_RR, priority.into()),
        Class::Ordinary => (libc::SCHED_OTHER, 0),
    };
    let parameters = libc::sched_param { sched_priority };
    on_every_thread(process, |thread| {
        // SAFETY: needed because the libraries in use have no safe form of these calls. The first one only reads
        // `parameters`, which lives through it; the other takes numbers.
        let set = || unsafe {
            match libc::sched_setscheduler(thread.as_raw(), policy | libc::SCHED_RESET_ON_FORK, &parameters) {
                0 => {}
                refused => return refused,
            }
            libc::setpriority(libc::PRIO_PROCESS, thread.as_raw().cast_unsigned(), nice.into())
        };
        Errno::result(set()).map(drop)
    })
}

/// This process's own nice value, -20 to 19.
pub fn own_nice() -> i8 {
    // SAFETY: needed because the libraries in use have no safe form of this call, which takes numbers alone. Its result is
    // no error: this process exists.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    i8::try_from(nice).unwrap_or(0)
}

/// Runs a process on these processors alone; on those of this process if there are none.
///
/// # Errors
/// `EINVAL` if the machine has none of them, `EPERM` without `CAP_SYS_NICE`.
pub fn run_on(process: u32, cpus: &BTreeSet<u16>) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(usize::from(*cpu))?;
    }
    if cpus.is_empty() {
        set = sched_getaffinity(Pid::from_raw(0))?;
    }
    on_every_thread(process, |thread| sched_setaffinity(thread, &set))
}

/// Lets this process run in real time for so many microseconds without waiting for anything, after which it is ended
/// (`RLIMIT_RTTIME`, getrlimit(2)); `None`: for as long as it may. The hard limit stays, so that this can be taken back.
pub fn limit_my_real_time(micros: Option<u32>) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: needed because the libraries in use don't know this limit. The calls write and read `limit` alone, which lives
    // through them.
    let result = unsafe {
        match libc::getrlimit(libc::RLIMIT_RTTIME, &mut limit) {
            0 => {
                limit.rlim_cur = micros.map_or(limit.rlim_max, |micros| limit.rlim_max.min(micros.into()));
                libc::setrlimit(libc::RLIMIT_RTTIME, &limit)
            }
            refused => refused,
        }
    };
    Ok(Errno::result(result).map(drop)?)
}

/// Gives this process a name (`/proc/PID/comm`), of which the first 15 bytes count. To be called by its main thread.
pub fn call_myself(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    Ok(nix::sys::prctl::set_name(&name)?)
}

fn pid(process: u32) -> io::Result<Pid> {
    let pid = i32::try_from(process).ok().filter(|pid| *pid > 0);
    pid.map(Pid::from_raw).ok_or_else(|| Errno::ESRCH.into())
}

/// Does something to each thread of a process. What has ended meanwhile needs nothing.
fn on_every_thread(process: u32, mut set: impl FnMut(Pid) -> nix::Result<()>) -> io::Result<()> {
    let threads = match std::fs::read_dir(format!("/proc/{process}/task")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        threads => threads?,
    };
    for thread in threads {
        let name = thread?.file_name();
        let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        match set(pid(thread)?) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
