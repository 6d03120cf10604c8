//! Tables of nftables, written as a whole in one transaction (linux/netfilter/nf_tables.h, nfnetlink.h). Only what vipd needs
//! of the language: loads, comparisons, sets of equal-sized keys, copies to another interface, verdicts.

use crate::netlink::receive;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use std::io;

/// Room for the largest transaction in bytes: some hundred thousand addresses.
const ROOM: usize = 16 << 20;

/// Elements of a set in one message: an attribute is no longer than 64 KiB.
const ELEMENTS: usize = 1000;

/// `NFNL_SUBSYS_NFTABLES`
const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`
const BATCH: (u16, u16) = (0x10, 0x11);
/// `NFT_MSG_*`
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;

/// `NLM_F_*` (linux/netlink.h)
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// Linux's number for an error, or an acknowledgement.
const NLMSG_ERROR: u16 = 2;

/// The packets that a table sees (`NFPROTO_*`, linux/netfilter.h).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// IPv4
    V4 = 2,
    /// IPv6
    V6 = 10,
}

/// Where a chain is called (`NF_INET_*`, linux/netfilter.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// For what this host gets.
    Input = 1,
    /// For what this host sends.
    Output = 3,
}

/// A register of 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// `NFT_REG_1`
    One = 1,
    /// `NFT_REG_2`
    Two = 2,
}

/// What of a packet is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The name of the interface that it came by, 16 bytes, zero padded.
    InputName,
    /// The name of the interface that it leaves by, the same.
    OutputName,
    /// The number of the protocol in it, a byte, behind extension headers.
    Protocol,
    /// Bytes of the IP header.
    Network {
        /// From here.
        offset: u32,
        /// So many.
        length: u32,
    },
    /// The first byte behind the IP header and its extensions: of ICMPv6 its type.
    Type,
}

/// A step of a rule. The rule ends at the first comparison that doesn't hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Loads a field.
    Load(Field, Register),
    /// Goes on if a register begins with these bytes.
    Is(Register, Vec<u8>),
    /// Goes on if a register begins with an element of a set of the table.
    In(Register, &'static str),
    /// Puts bytes into a register.
    Put(Register, Vec<u8>),
    /// Sends a copy to the address in `to` by the interface whose index is in `device`.
    Duplicate {
        /// The register of the address.
        to: Register,
        /// The register of the interface's index, in the byte order of this host.
        device: Register,
    },
    /// Counts packets and bytes.
    Count,
    /// The packet goes no further.
    Drop,
    /// The chain is left.
    Accept,
}

/// A chain of rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where it is called.
    pub hook: Hook,
    /// When it is called: those with the lower number first; 0 is the usual filter's.
    pub priority: i32,
    /// The rules in their order.
    pub rules: Vec<Vec<Step>>,
}

/// A set of addresses of the table's family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// Its elements, 4 or 16 bytes each.
    pub elements: Vec<Vec<u8>>,
}

/// A table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Whose packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its sets.
    pub sets: Vec<Set>,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// Puts a table in the place of whatever has its name, in one transaction.
pub fn replace(table: &Table) -> io::Result<()> {
    let mut batch = Batch::new(table.family);
    batch.delete(&table.name);
    batch.add(table);
    batch.commit()
}

/// Removes a table; one that isn't there is no error.
pub fn remove(family: Family, name: &str) -> io::Result<()> {
    let mut batch = Batch::new(family);
    batch.delete(name);
    match batch.commit() {
        // A kernel without nftables has no table either.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT)) => {
            Ok(())
        }
        other => other,
    }
}

/// Whether there is a table of that name.
pub fn exists(family: Family, name: &str) -> io::Result<bool> {
    let mut batch = Batch { family, bytes: Vec::new(), sequence: 0 };
    batch.message(GET_TABLE, REQUEST | ACK, |out| text(out, 1, name));
    match batch.send() {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Messages that take effect together.
struct Batch {
    family: Family,
    bytes: Vec<u8>,
    sequence: u32,
}

impl Batch {
    fn new(family: Family) -> Batch {
        let mut batch = Batch { family, bytes: Vec::new(), sequence: 0 };
        batch.message(BATCH.0, REQUEST, |_| {});
        batch
    }

    /// A message with its attributes. Those of the batch itself bear the subsystem in place of a family.
    fn message(&mut self, kind: u16, flags: u16, attributes: impl FnOnce(&mut Vec<u8>)) {
        self.sequence += 1;
        let start = self.bytes.len();
        let control = kind == BATCH.0 || kind == BATCH.1;
        let kind = if control { kind } else { SUBSYSTEM << 8 | kind };
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        let (family, resource) = if control { (0, SUBSYSTEM) } else { (self.family as u8, 0) };
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        attributes(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Deletes a table, which is made first so that it is there.
    fn delete(&mut self, name: &str) {
        self.message(NEW_TABLE, REQUEST | CREATE, |out| text(out, 1, name));
        self.message(DELETE_TABLE, REQUEST | ACK, |out| text(out, 1, name));
    }

    fn add(&mut self, table: &Table) {
        let name = table.name.as_str();
        let (kind, size): (u32, u32) = match table.family {
            Family::V4 => (7, 4), // what `nft` calls ipv4_addr and ipv6_addr
            Family::V6 => (8, 16),
        };
        self.message(NEW_TABLE, REQUEST | CREATE, |out| text(out, 1, name));
        for (id, set) in (1u32..).zip(&table.sets) {
            self.message(NEW_SET, REQUEST | CREATE, |out| {
                text(out, 1, name);
                text(out, 2, set.name);
                number(out, 3, 0); // flags
                number(out, 4, kind);
                number(out, 5, size);
                number(out, 10, id);
            });
            for elements in set.elements.chunks(ELEMENTS) {
                self.message(NEW_ELEMENTS, REQUEST | CREATE, |out| {
                    text(out, 1, name);
                    text(out, 2, set.name);
                    number(out, 4, id);
                    let element = |out: &mut Vec<u8>, key: &[u8]| nested(out, 1, |out| data(out, 1, key));
                    nested(out, 3, |out| elements.iter().for_each(|key| nested(out, 1, |out| element(out, key))));
                });
            }
        }
        for chain in &table.chains {
            self.message(NEW_CHAIN, REQUEST | CREATE, |out| {
                text(out, 1, name);
                text(out, 3, chain.name);
                nested(out, 4, |out| {
                    number(out, 1, chain.hook as u32);
                    number(out, 2, chain.priority.cast_unsigned());
                });
                number(out, 5, ACCEPT);
                text(out, 7, "filter");
            });
            for rule in &chain.rules {
                self.message(NEW_RULE, REQUEST | CREATE | APPEND, |out| {
                    text(out, 1, name);
                    text(out, 2, chain.name);
                    nested(out, 4, |out| rule.iter().for_each(|step| nested(out, 1, |out| expression(out, step))));
                });
            }
        }
        // The last one is answered when all have taken effect.
        self.message(NEW_TABLE, REQUEST | CREATE | ACK, |out| text(out, 1, name));
    }

    fn commit(mut self) -> io::Result<()> {
        let last = self.sequence;
        self.message(BATCH.1, REQUEST, |_| {});
        self.sequence = last;
        self.send()
    }

    /// Sends what there is, and waits for the answer to the last request.
    fn send(self) -> io::Result<()> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        crate::process::receive_timeout(&socket, std::time::Duration::from_secs(5))?;
        let _ = setsockopt(&socket, sockopt::SndBufForce, &ROOM); // without it a large one is refused, which is told
        socket.send(&self.bytes, 0)?;
        let mut bytes = Vec::new();
        loop {
            receive(&socket, &mut bytes)?;
            let mut rest = bytes.as_slice();
            while let Some((sequence, error)) = answer(rest) {
                match error {
                    Some(0) if sequence == self.sequence => return Ok(()),
                    Some(0) | None => {}
                    Some(error) => return Err(io::Error::from_raw_os_error(-error)),
                }
                let length = rest.first_chunk().map_or(0, |length| u32::from_ne_bytes(*length));
                rest =
                    rest.get(usize::try_from(length).unwrap_or(usize::MAX).next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

/// The sequence number of a message and, of an `NLMSG_ERROR` (an acknowledgement has its form), the error.
fn answer(message: &[u8]) -> Option<(u32, Option<i32>)> {
    let kind = message.get(4..6)?.first_chunk().map(|b| u16::from_ne_bytes(*b))?;
    let sequence = message.get(8..12)?.first_chunk().map(|b| u32::from_ne_bytes(*b))?;
    let error = message.get(16..20).and_then(<[u8]>::first_chunk).map(|b| i32::from_ne_bytes(*b));
    Some((sequence, error.filter(|_| kind == NLMSG_ERROR)))
}

/// `NF_DROP`, `NF_ACCEPT`
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// One expression: its name and its attributes.
fn expression(out: &mut Vec<u8>, step: &Step) {
    let verdict = |out: &mut Vec<u8>, code| {
        number(out, 1, 0); // NFT_REG_VERDICT
        nested(out, 2, |out| nested(out, 2, |out| number(out, 1, code)));
    };
    let mut named = |name, attributes: &dyn Fn(&mut Vec<u8>)| {
        text(out, 1, name);
        nested(out, 2, attributes);
    };
    let meta = |out: &mut Vec<u8>, key, to: Register| {
        number(out, 1, to as u32);
        number(out, 2, key);
    };
    let payload = |out: &mut Vec<u8>, (base, offset, length), to: Register| {
        number(out, 1, to as u32);
        number(out, 2, base);
        number(out, 3, offset);
        number(out, 4, length);
    };
    match step {
        Step::Load(Field::InputName, to) => named("meta", &|out| meta(out, 6, *to)), // NFT_META_IIFNAME
        Step::Load(Field::OutputName, to) => named("meta", &|out| meta(out, 7, *to)), // NFT_META_OIFNAME
        Step::Load(Field::Protocol, to) => named("meta", &|out| meta(out, 16, *to)), // NFT_META_L4PROTO
        // NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER
        Step::Load(Field::Network { offset, length }, to) => {
            named("payload", &|out| payload(out, (1, *offset, *length), *to));
        }
        Step::Load(Field::Type, to) => named("payload", &|out| payload(out, (2, 0, 1), *to)),
        Step::Is(register, bytes) => named("cmp", &|out| {
            number(out, 1, *register as u32);
            number(out, 2, 0); // NFT_CMP_EQ
            nested(out, 3, |out| data(out, 1, bytes));
        }),
        Step::In(register, set) => named("lookup", &|out| {
            text(out, 1, set);
            number(out, 2, *register as u32);
        }),
        Step::Put(register, bytes) => named("immediate", &|out| {
            number(out, 1, *register as u32);
            nested(out, 2, |out| data(out, 1, bytes));
        }),
        Step::Duplicate { to, device } => named("dup", &|out| {
            number(out, 1, *to as u32);
            number(out, 2, *device as u32);
        }),
        Step::Count => named("counter", &|_| {}),
        Step::Drop => named("immediate", &|out| verdict(out, DROP)),
        Step::Accept => named("immediate", &|out| verdict(out, ACCEPT)),
    }
}

/// An attribute with these bytes.
fn data(out: &mut Vec<u8>, kind: u16, bytes: &[u8]) {
    let length = u16::try_from(bytes.len() + 4).unwrap_or(u16::MAX);
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn number(out: &mut Vec<u8>, kind: u16, number: u32) {
    data(out, kind, &number.to_be_bytes());
}

fn text(out: &mut Vec<u8>, kind: u16, text: &str) {
    data(out, kind, &[text.as_bytes(), &[0]].concat());
}

/// An attribute with others in it (`NLA_F_NESTED`).
fn nested(out: &mut Vec<u8>, kind: u16, inner: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 2]);
    out.extend((kind | 0x8000).to_ne_bytes());
    inner(out);
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
}
