//! Rules of routing: messages of type `RTM_*RULE` (linux/fib_rules.h).

use super::Netlink;
use super::attr::{self, Attributes, attributes};
use super::route::{family, zero};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

/// `RTM_NEWRULE`, `RTM_DELRULE`, `RTM_GETRULE`
pub(super) const NEW: u16 = 32;
pub(super) const DELETE: u16 = 33;
const GET: u16 = 34;
/// Bytes of `struct fib_rule_hdr`.
const HEADER: usize = 12;
/// `FIB_RULE_INVERT`
const INVERT: u32 = 2;

/// Kinds of attributes, `FRA_*`.
mod fra {
    pub(super) const DST: u16 = 1;
    pub(super) const SRC: u16 = 2;
    pub(super) const IIFNAME: u16 = 3;
    pub(super) const GOTO: u16 = 4;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const FWMARK: u16 = 10;
    pub(super) const FLOW: u16 = 11;
    pub(super) const TUN_ID: u16 = 12;
    pub(super) const SUPPRESS_IFGROUP: u16 = 13;
    pub(super) const SUPPRESS_PREFIXLEN: u16 = 14;
    pub(super) const TABLE: u16 = 15;
    pub(super) const FWMASK: u16 = 16;
    pub(super) const OIFNAME: u16 = 17;
    pub(super) const L3MDEV: u16 = 19;
    pub(super) const UID_RANGE: u16 = 20;
    pub(super) const PROTOCOL: u16 = 21;
    pub(super) const IP_PROTO: u16 = 22;
    pub(super) const SPORT_RANGE: u16 = 23;
    pub(super) const DPORT_RANGE: u16 = 24;
}

/// A rule, as it is written and as the kernel tells of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rule {
    /// Whom it is for: packets from there; the unspecified address and 0 bits: all of that family.
    pub from: (IpAddr, u8),
    /// Packets to there.
    pub to: (IpAddr, u8),
    /// Its place among all: the lowest comes first.
    pub preference: u32,
    /// Whether it is for all others.
    pub not: bool,
    /// Type of service.
    pub tos: u8,
    /// Mark and mask of the packet; a mask of 0 is none.
    pub mark: (u32, u32),
    /// Interface that it came in by.
    pub input: Option<String>,
    /// Interface that it is bound to.
    pub output: Option<String>,
    /// Number of its tunnel; 0: none.
    pub tunnel: u64,
    /// Whose sockets.
    pub users: Option<(u32, u32)>,
    /// Protocol over IP; 0: all.
    pub ip_protocol: u8,
    /// Source ports.
    pub sports: Option<(u16, u16)>,
    /// Destination ports.
    pub dports: Option<(u16, u16)>,
    /// `RTPROT_*`: who made it.
    pub protocol: u8,
    /// `FR_ACT_*`
    pub action: u8,
    /// The table that it looks up; 0: none.
    pub table: u32,
    /// Whether it looks up that of the interface's master.
    pub l3mdev: bool,
    /// The preference that it goes to.
    pub goto: Option<u32>,
    /// FROM << 16 | TO
    pub realms: u32,
    /// Routes with a prefix of at most so many bits don't count.
    pub suppress_length: Option<u32>,
    /// Routes by interfaces of this group don't count.
    pub suppress_group: Option<u32>,
}

impl Rule {
    fn body(&self) -> Vec<u8> {
        let table = u8::try_from(self.table).unwrap_or(0);
        let mut body = vec![family(self.from.0), self.to.1, self.from.1, self.tos, table, 0, 0, self.action];
        body.extend_from_slice(&(if self.not { INVERT } else { 0 }).to_ne_bytes());
        let mut out = Attributes::default();
        for (kind, (address, length)) in [(fra::DST, self.to), (fra::SRC, self.from)] {
            if length > 0 {
                out.put_address(kind, address);
            }
        }
        out.put_u32(fra::PRIORITY, self.preference);
        out.put(fra::PROTOCOL, &[self.protocol]);
        let (mark, mask) = self.mark;
        if mask != 0 {
            out.put_u32(fra::FWMARK, mark);
            out.put_u32(fra::FWMASK, mask);
        }
        for (kind, name) in [(fra::IIFNAME, &self.input), (fra::OIFNAME, &self.output)] {
            if let Some(name) = name {
                out.put_text(kind, name);
            }
        }
        if self.tunnel != 0 {
            out.put(fra::TUN_ID, &self.tunnel.to_be_bytes());
        }
        if let Some((first, last)) = self.users {
            out.put(fra::UID_RANGE, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
        }
        if self.ip_protocol != 0 {
            out.put(fra::IP_PROTO, &[self.ip_protocol]);
        }
        for (kind, ports) in [(fra::SPORT_RANGE, self.sports), (fra::DPORT_RANGE, self.dports)] {
            if let Some((first, last)) = ports {
                out.put(kind, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
            }
        }
        if self.l3mdev {
            out.put(fra::L3MDEV, &[1]);
        }
        let numbers = [
            (fra::TABLE, Some(self.table).filter(|table| *table != 0)),
            (fra::GOTO, self.goto),
            (fra::FLOW, Some(self.realms).filter(|realms| *realms != 0)),
            (fra::SUPPRESS_PREFIXLEN, self.suppress_length),
            (fra::SUPPRESS_IFGROUP, self.suppress_group),
        ];
        for (kind, number) in numbers {
            if let Some(number) = number {
                out.put_u32(kind, number);
            }
        }
        body.extend_from_slice(out.bytes());
        body
    }
}

fn pair(bytes: &[u8]) -> Option<(u16, u16)> {
    let number = |at: usize| bytes.get(at..)?.first_chunk().map(|two| u16::from_ne_bytes(*two));
    Some((number(0)?, number(2)?))
}

/// The rule in the body of a message.
pub(super) fn parse(body: &[u8]) -> Option<Rule> {
    let [family, to, from, tos, table, _, _, action, ..] = *body else { return None };
    let zero = zero(family)?;
    let mut rule = Rule {
        from: (zero, from),
        to: (zero, to),
        preference: 0,
        not: attr::number(body.get(8..)?)? & INVERT != 0,
        tos,
        mark: (0, 0),
        input: None,
        output: None,
        tunnel: 0,
        users: None,
        ip_protocol: 0,
        sports: None,
        dports: None,
        protocol: 0,
        action,
        table: table.into(),
        l3mdev: false,
        goto: None,
        realms: 0,
        suppress_length: None,
        suppress_group: None,
    };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        let byte = value.first().copied().unwrap_or(0);
        match kind {
            fra::DST => rule.to.0 = attr::address(value)?,
            fra::SRC => rule.from.0 = attr::address(value)?,
            fra::IIFNAME => rule.input = Some(attr::text(value)),
            fra::OIFNAME => rule.output = Some(attr::text(value)),
            fra::GOTO => rule.goto = attr::number(value),
            fra::PRIORITY => rule.preference = attr::number(value)?,
            fra::FWMARK => rule.mark.0 = attr::number(value)?,
            fra::FWMASK => rule.mark.1 = attr::number(value)?,
            fra::FLOW => rule.realms = attr::number(value)?,
            fra::TUN_ID => rule.tunnel = u64::from_be_bytes(*value.first_chunk()?),
            fra::SUPPRESS_IFGROUP => rule.suppress_group = attr::number(value).filter(|n| *n != u32::MAX),
            fra::SUPPRESS_PREFIXLEN => rule.suppress_length = attr::number(value).filter(|n| *n != u32::MAX),
            fra::TABLE => rule.table = attr::number(value)?,
            fra::L3MDEV => rule.l3mdev = byte != 0,
            fra::UID_RANGE => rule.users = Some((attr::number(value)?, attr::number(value.get(4..)?)?)),
            fra::PROTOCOL => rule.protocol = byte,
            fra::IP_PROTO => rule.ip_protocol = byte,
            fra::SPORT_RANGE => rule.sports = pair(value),
            fra::DPORT_RANGE => rule.dports = pair(value),
            _ => {}
        }
    }
    Some(rule)
}

impl Netlink {
    /// Every rule of both families.
    pub fn rules(&mut self) -> io::Result<BTreeSet<Rule>> {
        let mut rules = BTreeSet::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let mut body = vec![0; HEADER];
            body[0] = u8::try_from(family).unwrap_or(0);
            let read = self.exchange(GET, NLM_F_DUMP, &body, |kind, body| {
                rules.extend(parse(body).filter(|_| kind == NEW));
            });
            match read {
                // A kernel that has no such family, as with `ipv6.disable=1`, has no rules of it.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP)) => {}
                other => other?,
            }
        }
        Ok(rules)
    }

    /// Adds a rule; one that is there already is no error.
    pub fn add_rule(&mut self, rule: &Rule) -> io::Result<()> {
        match self.exchange(NEW, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &rule.body(), |_, _| {}) {
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Removes a rule; one that isn't there is no error.
    pub fn remove_rule(&mut self, rule: &Rule) -> io::Result<()> {
        match self.exchange(DELETE, NLM_F_ACK, &rule.body(), |_, _| {}) {
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }
}
