//! Hears of routes and rules. On a host with a full routing table most changes are none of ours: the kernel drops those
//! before they cost this process anything.

use super::route::{self, Found};
use super::rule::{self, Rule};
use super::{Bytes, pieces, read_bytes, split};
use netlink_packet_core::NLM_F_REPLACE;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use socket2::SockFilter;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// `RTNLGRP_IPV4_ROUTE`, `RTNLGRP_IPV4_RULE`, `RTNLGRP_IPV6_ROUTE`, `RTNLGRP_IPV6_RULE` (linux/rtnetlink.h)
const GROUPS: [u32; 4] = [7, 8, 11, 19];

/// Receive buffer in bytes: some thousand changes of ours at once.
const ROOM: usize = 1 << 20;

/// Protocols that can be told apart: a jump of the filter goes 255 instructions far.
const MOST: usize = 200;

/// A change that the kernel tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoutingChange {
    /// A route came, beside others.
    Route(Found),
    /// A route came in the place of another one, whoever made that.
    RouteInstead(Found),
    /// A route went. Those that go with an interface (IPv4) are not told.
    RouteGone(Found),
    /// A rule came.
    Rule(Rule),
    /// A rule went.
    RuleGone(Rule),
    /// Changes were lost: everything must be read anew.
    Overrun,
}

/// Hears of changes.
pub struct RoutingMonitor {
    socket: Socket,
    buffer: Vec<u8>,
}

impl RoutingMonitor {
    /// Opens it, non-blocking; it hears of the routes of no protocol.
    pub fn open() -> io::Result<RoutingMonitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        crate::process::receive_buffer(&socket, ROOM); // Overrun mends the rest
        let monitor = RoutingMonitor { socket, buffer: Vec::new() };
        monitor.follow(&BTreeSet::new())?;
        for group in GROUPS {
            monitor.socket.add_membership(group)?;
        }
        Ok(monitor)
    }

    /// Hears of the routes that these protocols made, of whatever replaces a route, and of all rules from now on.
    pub fn follow(&self, protocols: &BTreeSet<u8>) -> io::Result<()> {
        socket2::SockRef::from(&self.socket).attach_filter(&filter(protocols))
    }

    /// What has changed, at most one datagram's worth; `None` if nothing has.
    pub fn read(&mut self) -> io::Result<Option<Vec<RoutingChange>>> {
        match read_bytes(&self.socket, &mut self.buffer)? {
            Bytes::None => Ok(None),
            Bytes::Lost => Ok(Some(vec![RoutingChange::Overrun])),
            Bytes::Some => Ok(Some(routing_changes(&self.buffer))),
        }
    }
}

impl AsFd for RoutingMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The changes of routes and rules that a datagram of the kernel tells of, in its order; what can't be read, or is about other
/// things, is left out.
pub fn routing_changes(bytes: &[u8]) -> Vec<RoutingChange> {
    pieces(bytes).filter_map(change).collect()
}

fn change(message: &[u8]) -> Option<RoutingChange> {
    let (kind, flags, body) = split(message)?;
    match kind {
        route::NEW if flags & NLM_F_REPLACE != 0 => route::parse(body).map(RoutingChange::RouteInstead),
        route::NEW => route::parse(body).map(RoutingChange::Route),
        route::DELETE => route::parse(body).map(RoutingChange::RouteGone),
        rule::NEW => rule::parse(body).map(RoutingChange::Rule),
        rule::DELETE => rule::parse(body).map(RoutingChange::RuleGone),
        _ => None,
    }
}

/// A program of the kernel's packet filter (linux/filter.h) that lets pass what is no route, what stands in the place of
/// another route, and the routes of these protocols. It reads numbers as the network orders them; netlink has them as this
/// machine does.
fn filter(protocols: &BTreeSet<u8>) -> Vec<SockFilter> {
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const HAS: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const KIND: u32 = 4;
    const FLAGS: u32 = 6;
    const PROTOCOL: u32 = 16 + 5;
    let swapped = |number: u16| u32::from(number.to_be());
    let protocols: Vec<u8> = protocols.iter().copied().take(MOST).collect();
    let count = u8::try_from(protocols.len()).unwrap_or(u8::MAX);
    // The last instruction lets pass; each jump says how many instructions lie between.
    let mut program = vec![
        SockFilter::new(LOAD_HALF, 0, 0, KIND),
        SockFilter::new(EQUAL, 1, 0, swapped(route::NEW)),
        SockFilter::new(EQUAL, 0, count + 4, swapped(route::DELETE)),
        SockFilter::new(LOAD_HALF, 0, 0, FLAGS),
        SockFilter::new(HAS, count + 2, 0, swapped(NLM_F_REPLACE)),
        SockFilter::new(LOAD_BYTE, 0, 0, PROTOCOL),
    ];
    for (i, protocol) in (0..count).zip(protocols) {
        program.push(SockFilter::new(EQUAL, count - i, 0, protocol.into()));
    }
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    program
}
