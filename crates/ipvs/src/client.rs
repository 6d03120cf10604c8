//! The socket to the kernel's IPVS: finds the family, asks, and sends changes many at a time.
//!
//! The kernel works off a datagram of requests before `send` returns, and queues an acknowledgement for each that it refuses and
//! for the last one. A batch is therefore bounded such that these fit the socket's receive buffer; they are matched by sequence
//! number. One that finds no room is an error of the socket (`ENOBUFS`): no refusal is ever taken for a success.

use crate::attr::{Attributes, Reason, put_text};
use crate::codec::{self, cmd};
use crate::error::{ENOENT, Error};
use crate::message::{self, CONTROL, GENERIC, Head, Kind};
use crate::types::{Command, Daemon, DestinationEntry, Info, Key, ServiceEntry, Timeouts};
use netlink_sys::Socket;
use socket2::SockRef;
use std::io;
use std::time::Duration;

mod replies;
use replies::{Batch, Collected};

/// How long to wait for one datagram. The kernel answers within `send`; only a dump goes on afterwards.
const PATIENCE: Duration = Duration::from_secs(5);
/// Datagrams of others, or of earlier requests, that are passed over while waiting.
const STRAYS: usize = 1024;
/// The kernel's datagrams are at most 32 KiB.
const BUFFER: usize = 64 * 1024;
/// What is asked of the kernel for received datagrams; it grants what `net.core.rmem_max` allows, 208 KiB by default.
const RECEIVE_BUFFER: usize = 1 << 20;
/// An acknowledgement costs up to 1.3 KiB of the receive buffer: with the default, a hundred and sixty fit.
const BATCH_COMMANDS: usize = 128;
const BATCH_BYTES: usize = 32 * 1024;
/// How often a table that changes while it is dumped is dumped again.
const DUMPS: usize = 5;

/// `MSG_TRUNC`: `recv` tells the length of the datagram even if it doesn't fit.
const MSG_TRUNC: i32 = 0x20;

/// A connection to the IPVS of the network namespace in which it was opened.
pub struct Client {
    socket: Socket,
    /// The kernel's number for the family `IPVS`; another one after the module was unloaded and loaded.
    family: u16,
    sequence: u32,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("family", &self.family).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects. The kernel loads the module `ip_vs` for this if it has it.
    pub fn open() -> Result<Client, Error> {
        let socket = Socket::new(GENERIC)?;
        let options = SockRef::from(&socket);
        options.set_read_timeout(Some(PATIENCE))?;
        options.set_recv_buffer_size(RECEIVE_BUFFER)?;
        // Acknowledgements with an explanation and without a copy of the request. Kernels before 4.12 can't; they say less.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let mut client = Client { socket, family: 0, sequence: 0, buffer: Vec::with_capacity(BUFFER) };
        client.family = client.lookup()?;
        Ok(client)
    }

    /// Version and table size.
    pub fn info(&mut self) -> Result<Info, Error> {
        self.one(cmd::GET_INFO, cmd::SET_INFO, codec::info)
    }

    /// Every service.
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        self.table(cmd::GET_SERVICE, cmd::NEW_SERVICE, |_| {}, codec::service)
    }

    /// The destinations of a service. None, too, if there is no such service: the kernel doesn't tell the difference.
    pub fn destinations(&mut self, key: &Key) -> Result<Vec<DestinationEntry>, Error> {
        codec::usable_key(key).map_err(Error::Unusable)?;
        let family = key.family();
        let decode = |attributes: &[u8]| codec::destination(attributes, family);
        self.table(cmd::GET_DEST, cmd::NEW_DEST, |out| codec::put_service_key(out, key), decode)
    }

    /// The timeouts of idle connections.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.one(cmd::GET_CONFIG, cmd::SET_CONFIG, codec::timeouts)
    }

    /// The synchronisation daemons that run.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        self.table(cmd::GET_DAEMON, cmd::NEW_DAEMON, |_| {}, codec::daemon)
    }

    /// Carries out commands in their order, one result for each. A refusal doesn't stop those that follow; a failure of
    /// the socket does.
    pub fn execute(&mut self, commands: &[Command]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(commands.len());
        while results.len() < commands.len() {
            let batch = self.batch(&commands[results.len()..]);
            let broken = batch.iter().any(|r| matches!(r, Err(Error::Io(_) | Error::Unanswered | Error::Malformed(_))));
            results.extend(batch);
            if broken {
                results.resize_with(commands.len(), || Err(Error::NotSent));
            }
        }
        results
    }

    /// Carries out as many commands as a batch may have, at least one; again if the kernel has renumbered the family.
    fn batch(&mut self, commands: &[Command]) -> Vec<Result<(), Error>> {
        let results = self.send_batch(commands);
        // No such family, or no such destination, in every case? Only then is it worth a question.
        if !results.iter().all(|r| r.as_ref().is_err_and(is_enoent)) {
            return results;
        }
        match self.renumbered() {
            Ok(true) => self.send_batch(commands),
            Err(Error::NoIpvs) => results.iter().map(|_| Err(Error::NoIpvs)).collect(),
            Ok(false) | Err(_) => results,
        }
    }

    fn send_batch(&mut self, commands: &[Command]) -> Vec<Result<(), Error>> {
        let mut out = Vec::with_capacity(BATCH_BYTES);
        let mut batch = Batch::starting_at(self.sequence.wrapping_add(1));
        let mut last = None;
        for command in commands.iter().take(BATCH_COMMANDS) {
            if out.len() > BATCH_BYTES - 1024 {
                break;
            }
            let sequence = self.next_sequence();
            match codec::usable(command) {
                Ok(()) => {
                    let command_number = codec::number(command);
                    let head = Head { family: self.family, command: command_number, kind: Kind::Quiet, sequence };
                    last = Some(out.len());
                    message::put(&mut out, head, |out| codec::put_command(out, command));
                    batch.expect();
                }
                Err(why) => batch.refuse(Error::Unusable(why)),
            }
        }
        if let Some(last) = last {
            message::acknowledge(&mut out[last..]);
        }
        if batch.is_open()
            && let Err(e) = self.send(&out)
        {
            return batch.not_sent(e);
        }
        let mut strays = 0;
        while batch.is_open() {
            let answered = match self.receive() {
                Ok(()) => batch.take(&self.buffer),
                Err(e) => return batch.broken(e),
            };
            strays += usize::from(!answered);
            if strays > STRAYS {
                return batch.broken(Error::Unanswered);
            }
        }
        batch.broken(Error::Unanswered)
    }

    /// Asks for one thing.
    fn one<T>(&mut self, command: u8, answer: u8, decode: fn(&[u8]) -> Result<T, Reason>) -> Result<T, Error> {
        let head = Head { family: self.family, command, kind: Kind::One, sequence: 0 };
        let collected = self.current_family(head, |_| {}, answer, decode)?;
        collected.values.into_iter().next().ok_or(Error::Malformed("no answer before the acknowledgement"))
    }

    /// Asks for a whole table, until it held still.
    fn table<T>(
        &mut self,
        command: u8,
        answer: u8,
        fill: impl Fn(&mut Vec<u8>),
        decode: impl Fn(&[u8]) -> Result<T, Reason>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..DUMPS {
            let head = Head { family: self.family, command, kind: Kind::Table, sequence: 0 };
            let collected = self.current_family(head, &fill, answer, &decode)?;
            if !collected.interrupted {
                return Ok(collected.values);
            }
        }
        Err(Error::Changing)
    }

    /// Asks, and once more if the kernel has renumbered the family since.
    fn current_family<T>(
        &mut self,
        head: Head,
        fill: impl Fn(&mut Vec<u8>),
        answer: u8,
        decode: impl Fn(&[u8]) -> Result<T, Reason>,
    ) -> Result<Collected<T>, Error> {
        match self.ask(head, &fill, answer, &decode) {
            Err(e) if is_enoent(&e) && self.renumbered()? => {
                self.ask(Head { family: self.family, ..head }, fill, answer, decode)
            }
            outcome => outcome,
        }
    }

    fn ask<T>(
        &mut self,
        head: Head,
        fill: impl Fn(&mut Vec<u8>),
        answer: u8,
        decode: impl Fn(&[u8]) -> Result<T, Reason>,
    ) -> Result<Collected<T>, Error> {
        let head = Head { sequence: self.next_sequence(), ..head };
        let mut out = Vec::new();
        message::put(&mut out, head, fill);
        self.send(&out)?;
        let mut collected = Collected::nothing();
        let mut strays = 0;
        while !collected.ended {
            self.receive()?;
            let said = collected.take(&self.buffer, head, answer, &decode)?;
            strays += usize::from(!said);
            if strays > STRAYS {
                return Err(Error::Unanswered);
            }
        }
        Ok(collected)
    }

    /// Looks the family up again. Whether it has another number now.
    fn renumbered(&mut self) -> Result<bool, Error> {
        let family = self.lookup()?;
        Ok(std::mem::replace(&mut self.family, family) != family)
    }

    fn lookup(&mut self) -> Result<u16, Error> {
        const GET_FAMILY: u8 = 3;
        const NEW_FAMILY: u8 = 1;
        const FAMILY_ID: u16 = 1;
        const FAMILY_NAME: u16 = 2;
        let id = |attributes: &[u8]| {
            for attribute in Attributes::new(attributes) {
                let (kind, value) = attribute?;
                if kind == FAMILY_ID {
                    return value.u16();
                }
            }
            Err("a family without a number")
        };
        let head = Head { family: CONTROL, command: GET_FAMILY, kind: Kind::One, sequence: 0 };
        match self.ask(head, |out| put_text(out, FAMILY_NAME, "IPVS"), NEW_FAMILY, id) {
            Ok(ids) => ids.values.first().copied().ok_or(Error::Malformed("no number of the family IPVS")),
            Err(e) if is_enoent(&e) => Err(Error::NoIpvs),
            Err(e) => Err(e),
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&mut self, out: &[u8]) -> Result<(), Error> {
        loop {
            match self.socket.send(out, 0) {
                Ok(sent) if sent == out.len() => return Ok(()),
                Ok(_) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Fills the buffer with the next datagram of the kernel.
    fn receive(&mut self) -> Result<(), Error> {
        for _ in 0..STRAYS {
            self.buffer.clear();
            match self.socket.recv_from(&mut self.buffer, MSG_TRUNC) {
                Ok((length, _)) if length > self.buffer.len() => return Err(Error::Malformed("a datagram too long")),
                Ok((_, from)) if from.port_number() == 0 => return Ok(()),
                Ok(_) => {} // some process's, not the kernel's
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(Error::Unanswered),
                Err(e) => return Err(e.into()),
            }
        }
        Err(Error::Unanswered)
    }
}

fn is_enoent(e: &Error) -> bool {
    e.errno() == Some(ENOENT)
}
