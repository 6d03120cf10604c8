//! Births, changes and deaths of processes, as the kernel tells them (the process connector, linux/cn_proc.h). It tells them
//! in the initial network and process namespaces alone, and to root alone.

use netlink_sys::{Socket, SocketAddr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// `NETLINK_CONNECTOR` (linux/netlink.h)
const PROTOCOL: isize = 11;
/// `CN_IDX_PROC` and `CN_VAL_PROC` (linux/connector.h): both the number and, as a bit, the group.
const PROC: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`
const LISTEN: u32 = 1;
/// `PROC_CN_MCAST_IGNORE`
const IGNORE: u32 = 2;
/// `NLMSG_DONE`: what the connector gives as the type of all messages.
const DONE: u16 = 3;
/// Lengths of `nlmsghdr`, `cn_msg` and of what all events begin with.
const HEADERS: usize = 16 + 20;
const EVENT: usize = 16;

/// The kernel's own process, which is in the initial network namespace. (Process 1 may be anything's.) Another process has
/// this number in a container, where the kernel tells nothing anyway.
const KTHREADD: u32 = 2;

/// How long the kernel may take to answer; it does so within the request.
const PATIENCE: Duration = Duration::from_secs(1);

/// Receive buffer: some ten thousand events at once.
const ROOM: usize = 8 << 20;

/// The error of `Connector::read` when events were lost (`ENOBUFS`): all processes must be looked at.
pub const LOST: i32 = libc::ENOBUFS;

/// What happened to a process. Threads are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A process made another.
    Forked {
        /// The one.
        parent: u32,
        /// The other.
        child: u32,
    },
    /// It runs another program, or has another name.
    Became(u32),
    /// It has ended.
    Ended(u32),
}

/// Hears of processes.
pub struct Connector {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Connector {
    /// Opens it. In a network namespace where the kernel does not answer, the calling thread moves to the initial one for
    /// good: call it on a thread that does nothing else with the network.
    ///
    /// # Errors
    /// The kernel tells nothing to this process: it is in a container, not root, or the kernel has no process connector.
    pub fn open() -> io::Result<Connector> {
        match Connector::here() {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                crate::netns::enter_that_of(KTHREADD)?;
                Connector::here()
            }
            opened => opened,
        }
    }

    fn here() -> io::Result<Connector> {
        let mut socket = Socket::new(PROTOCOL)?;
        socket.bind(&SocketAddr::new(0, PROC))?;
        crate::process::receive_buffer(&socket, ROOM);
        crate::process::receive_timeout(&socket, PATIENCE)?;
        let mut address = SocketAddr::new(0, 0);
        socket.get_address(&mut address)?;
        let number = address.port_number();
        socket.send(&request(number, LISTEN), 0)?;
        let mut connector = Connector { socket, buffer: vec![0; 4096] };
        let until = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < until {
            match connector.receive() {
                // What came in between is found by whoever looks at all processes after this.
                Ok(bytes) => match answer(bytes, number) {
                    None => {}
                    Some(0) => {
                        connector.socket.set_non_blocking(true)?;
                        return Ok(connector);
                    }
                    Some(error) => return Err(io::Error::from_raw_os_error(error)),
                },
                Err(e) if e.kind() == io::ErrorKind::WouldBlock || e.raw_os_error() == Some(LOST) => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other("it does not answer, as to a process in a container"))
    }

    /// A message of the kernel; nothing, if somebody else sent it.
    fn receive(&mut self) -> io::Result<&[u8]> {
        let mut room = self.buffer.as_mut_slice();
        let (length, from) = self.socket.recv_from(&mut room, 0)?;
        let length = if from.port_number() == 0 { length } else { 0 };
        Ok(self.buffer.get(..length).unwrap_or_default())
    }

    /// The next event; `None` if there is none now. What is no event of a process is passed over.
    ///
    /// # Errors
    /// What the kernel says; `LOST` if it told more than there was room for.
    pub fn read(&mut self) -> io::Result<Option<Event>> {
        loop {
            match self.receive().map(event) {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Connector {
    /// Reads and drops what waits, until nothing does: after `LOST`, before everything is looked at.
    ///
    /// # Errors
    /// What the kernel says, but for `LOST` again.
    pub fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.read() {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(e) if e.raw_os_error() == Some(LOST) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Kernels before 6.6 go on gathering events for a listener that is gone without a word.
impl Drop for Connector {
    fn drop(&mut self) {
        let mut address = SocketAddr::new(0, 0);
        if self.socket.get_address(&mut address).is_ok() {
            let _ = self.socket.send(&request(address.port_number(), IGNORE), 0);
        }
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A request, under a number of the caller's.
fn request(number: u32, what: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADERS + 4);
    bytes.extend(u32::try_from(HEADERS + 4).unwrap_or(0).to_ne_bytes());
    bytes.extend(DONE.to_ne_bytes());
    bytes.extend([0; 10]); // no flags, no sequence, the port is filled in by the kernel
    for word in [PROC, PROC, 0, number] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(4_u16.to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes());
    bytes.extend(what.to_ne_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What an event is, and what it says of itself: `proc_event`'s `what` and the words of its `event_data`.
fn content(bytes: &[u8]) -> Option<(u32, &[u8])> {
    (word(bytes, 16)? == PROC && word(bytes, 20)? == PROC).then_some(())?;
    Some((word(bytes, HEADERS)?, bytes.get(HEADERS + EVENT..)?))
}

/// The error number of the answer to the request of this number, 0 if there is none; `None` if it is no such answer. (The
/// answer acknowledges the next number; all listeners get it.)
pub fn answer(bytes: &[u8], number: u32) -> Option<i32> {
    let (what, data) = content(bytes)?;
    (what == 0 && word(bytes, 28)? == number.wrapping_add(1)).then_some(())?; // PROC_EVENT_NONE
    i32::try_from(word(data, 0)?).ok()
}

/// What happened to a process, if a message of the kernel says that.
pub fn event(bytes: &[u8]) -> Option<Event> {
    let (what, data) = content(bytes)?;
    let (thread, process) = (word(data, 0)?, word(data, 4)?);
    match what {
        // PROC_EVENT_FORK: parent's thread and process, child's thread and process.
        0x1 => {
            let child = word(data, 12)?;
            (word(data, 8)? == child).then_some(Event::Forked { parent: process, child })
        }
        // PROC_EVENT_EXEC, PROC_EVENT_COMM
        0x2 | 0x200 => (thread == process).then_some(Event::Became(process)),
        // PROC_EVENT_EXIT
        0x8000_0000 => (thread == process).then_some(Event::Ended(process)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    /// A message of the kernel, the rest of its space with garbage in it.
    fn message(what: u32, words: [u32; 4]) -> Vec<u8> {
        let mut bytes = request(7, LISTEN);
        bytes.truncate(HEADERS);
        bytes.extend(what.to_ne_bytes());
        bytes.extend([0xaa; 12]);
        words.iter().for_each(|w| bytes.extend(w.to_ne_bytes()));
        bytes
    }

    #[test]
    fn events_of_processes_but_not_of_threads() {
        for (what, words, expected) in [
            (0x1, [5, 4, 9, 9], Some(Event::Forked { parent: 4, child: 9 })),
            (0x1, [4, 4, 9, 4], None),
            (0x2, [9, 9, 0, 0], Some(Event::Became(9))),
            (0x200, [9, 9, 0, 0], Some(Event::Became(9))),
            (0x200, [10, 9, 0, 0], None),
            (0x8000_0000, [9, 9, 0, 0], Some(Event::Ended(9))),
            (0x8000_0000, [10, 9, 0, 0], None),
            (0x4, [9, 9, 0, 0], None),
            (0, [0, 0, 0, 0], None),
        ] {
            assert_eq!(event(&message(what, words)), expected, "{what:x} {words:?}");
        }
        let whole = message(0x1, [4, 4, 9, 9]);
        for length in 0..whole.len() {
            assert_eq!(event(&whole[..length]), None, "cut at {length}");
        }
        let mut other = whole;
        other[16] = 2;
        assert_eq!(event(&other), None, "another connector's");
    }

    #[test]
    fn the_answer_to_the_own_request() {
        assert_eq!(answer(&message(0, [0, 0, 0, 0]), 6), Some(0));
        assert_eq!(answer(&message(0, [1, 0, 0, 0]), 6), Some(1));
        assert_eq!(answer(&message(0, [0, 0, 0, 0]), 7), None, "another listener's");
        assert_eq!(answer(&message(2, [0, 0, 0, 0]), 6), None);
    }
}
