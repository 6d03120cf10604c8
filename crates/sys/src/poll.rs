//! Waiting for descriptors and for one absolute point in time: epoll and a timerfd, nothing more, so that a role that
//! counts microseconds has nothing between itself and the kernel. Some descriptors can be let wait for a while: what comes
//! there meanwhile costs no waking, and is read together.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// The token that `Poller::wait` gives when the deadline has come.
pub const DEADLINE: u64 = u64::MAX;

/// In place of a deadline when it has come: setting or unsetting the timer is then due, and does away with what it has to
/// say. No deadline has this value.
const FIRED: u64 = 0;

/// Whether the caller waits for room to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// It has something to write that did not fit.
    Awaited,
    /// It has nothing to write.
    Enough,
}

/// Descriptors to watch, each under a token of the caller's, and one deadline.
pub struct Poller {
    /// All of them.
    epoll: Epoll,
    /// Those that can't be let wait.
    urgent: Epoll,
    timer: TimerFd,
    armed: Option<u64>,
}

impl Poller {
    /// Nothing watched, no deadline.
    pub fn new() -> io::Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let urgent = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        let poller = Poller { epoll, urgent, timer, armed: None };
        poller.watch(&poller.timer, DEADLINE)?;
        Ok(poller)
    }

    /// Watches a descriptor for something to read.
    pub fn watch(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        self.urgent.add(&fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        self.watch_patiently(fd, token)
    }

    /// The same, but what it has to read may be put off (`wait_patiently`).
    pub fn watch_patiently(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Watches a descriptor that is watched already (`watch`) for room to write too, or no longer for that.
    pub fn watch_room(&self, fd: impl AsFd, token: u64, room: Room) -> io::Result<()> {
        let flags = match room {
            Room::Awaited => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
            Room::Enough => EpollFlags::EPOLLIN,
        };
        self.urgent.modify(&fd, &mut EpollEvent::new(flags, token))?;
        Ok(self.epoll.modify(&fd, &mut EpollEvent::new(flags, token))?)
    }

    /// Waits for descriptors or for the deadline (`CLOCK_MONOTONIC`, in microseconds). Gives the tokens of what is ready,
    /// at most 64; an interruption by a signal gives none. A deadline that has moved further away since the last call is not
    /// told to the kernel at once: `DEADLINE` may then come once too early.
    pub fn wait(&mut self, deadline: Option<u64>, ready: &mut Vec<u64>) -> io::Result<()> {
        self.wait_patiently(deadline, Duration::ZERO, ready)
    }

    /// The same; for so long (in whole milliseconds) what those have to read that are watched patiently is put off.
    pub fn wait_patiently(&mut self, deadline: Option<u64>, put_off: Duration, ready: &mut Vec<u64>) -> io::Result<()> {
        ready.clear();
        // 0 would disarm the timer: one microsecond after boot is just as much in the past.
        let deadline = deadline.map(|at| at.max(1));
        // A backup's deadline moves away with every advert: to wake once too often in a while costs less than a call each.
        let early = matches!((self.armed, deadline), (Some(armed), Some(at)) if armed != FIRED && armed <= at);
        if deadline != self.armed && !early {
            match deadline {
                Some(at) => {
                    let secs = i64::try_from(at / 1_000_000).unwrap_or(i64::MAX);
                    let nanos = i64::try_from(at % 1_000_000 * 1000).unwrap_or(0);
                    let at = TimeSpec::new(secs, nanos);
                    self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
                }
                None => self.timer.unset()?,
            }
            self.armed = deadline;
        }
        let mut events = [EpollEvent::empty(); 64];
        let put_off = u16::try_from(put_off.as_millis()).unwrap_or(u16::MAX);
        let waited = match put_off {
            0 => Ok(0),
            some => self.urgent.wait(&mut events, EpollTimeout::from(some)),
        };
        let waited = match waited {
            Ok(0) => self.epoll.wait(&mut events, EpollTimeout::NONE),
            other => other,
        };
        match waited {
            Ok(n) => {
                ready.extend(events[..n].iter().map(EpollEvent::data));
                if ready.contains(&DEADLINE) {
                    self.armed = Some(FIRED);
                }
                Ok(())
            }
            Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}
