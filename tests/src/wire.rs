//! What was on the wire: a capture by tcpdump, read as adverts and gratuitous ARP; and packets of our own making.

use crate::lab::Host;
use crate::process::Proc;
use rustix::process::Signal;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vipd_vrrp::packet::{Advert, Datagram};
use vipd_vrrp::settings::Family;

/// A capture that runs.
pub struct Capture {
    proc: Proc,
    file: PathBuf,
}

/// Something on the wire.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When, in seconds since 1970.
    pub at: f64,
    /// What.
    pub what: What,
}

/// What a frame is.
#[derive(Clone, Debug)]
pub enum What {
    /// An advert, from there. (Behind an authentication header too; its checksum isn't looked at.)
    Advert(IpAddr, Advert),
    /// An address is announced, by gratuitous ARP or to all nodes as a neighbour.
    Gratuitous(IpAddr),
    /// A TCP connection begins, to that address: a check.
    Syn(Ipv4Addr),
}

impl Capture {
    /// Starts to capture on eth0 of a host.
    pub fn start(host: &Host) -> Capture {
        let file = host.path("capture.pcap");
        let mut command = host.command("tcpdump");
        command.args(["-Z", "root", "-U", "--immediate-mode", "-B", "16384", "-n", "-p", "-i", "eth0", "-w"]);
        command.arg(&file).arg(
            "proto 112 or proto 51 or arp or tcp[tcpflags] == tcp-syn or (icmp6 and ip6[40] == 136 and dst ff02::1)",
        );
        let proc = host.spawn("tcpdump.log", &mut command);
        crate::wait_for("tcpdump listens", Duration::from_secs(10), || proc.output().contains("listening on"));
        Capture { proc, file }
    }

    /// Ends it; what was captured. On a busy machine tcpdump lags behind, and what it has not read when it is ended is lost:
    /// it gets the time to catch up.
    pub fn end(mut self) -> Vec<Frame> {
        let size = || std::fs::metadata(&self.file).map_or(0, |m| m.len());
        let start = Instant::now();
        loop {
            let before = size();
            std::thread::sleep(Duration::from_millis(300));
            // Adverts may go on meanwhile; a backlog is read much faster than they come.
            if size() - before < 16 << 10 || start.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
        self.proc.signal(Signal::INT);
        self.proc.wait(Duration::from_secs(10));
        let bytes = std::fs::read(&self.file).unwrap_or_else(|e| panic!("{}: {e}", self.file.display()));
        read(&bytes)
    }
}

/// Reads a capture file of this host's byte order with microseconds.
fn read(bytes: &[u8]) -> Vec<Frame> {
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    assert_eq!(word(0), Some(0xa1b2_c3d4), "not a capture file");
    let mut frames = Vec::new();
    let mut at = 24;
    while let (Some(secs), Some(micros), Some(length)) = (word(at), word(at + 4), word(at + 8)) {
        let Some(frame) = bytes.get(at + 16..at + 16 + length as usize) else { break };
        let when = f64::from(secs) + f64::from(micros) / 1e6;
        frames.extend(understand(frame).map(|what| Frame { at: when, what }));
        at += 16 + length as usize;
    }
    frames
}

fn understand(frame: &[u8]) -> Option<What> {
    let (header, rest) = frame.split_at_checked(14)?;
    match [header[12], header[13]] {
        [0x08, 0x06] => {
            let sender = <[u8; 4]>::try_from(rest.get(14..18)?).ok()?;
            let target = <[u8; 4]>::try_from(rest.get(24..28)?).ok()?;
            (sender == target).then(|| What::Gratuitous(IpAddr::from(sender)))
        }
        [0x08, 0x00] => {
            if rest.get(9) == Some(&6) {
                let to = <[u8; 4]>::try_from(rest.get(16..20)?).ok()?;
                return Some(What::Syn(to.into()));
            }
            let datagram = Datagram::parse(rest).ok()?;
            let pdu = if datagram.protocol == 51 { datagram.payload.get(24..)? } else { datagram.payload };
            Some(What::Advert(datagram.source, Advert::parse(pdu, Family::V4).ok()?))
        }
        [0x86, 0xdd] => {
            let datagram = Datagram::parse(rest).ok()?;
            if datagram.protocol == 58 {
                let target = <[u8; 16]>::try_from(datagram.payload.get(8..24)?).ok()?;
                return Some(What::Gratuitous(IpAddr::from(target)));
            }
            Some(What::Advert(datagram.source, Advert::parse(datagram.payload, Family::V6).ok()?))
        }
        _ => None,
    }
}

/// The adverts of a capture: when, from where, with what priority.
pub fn adverts(frames: &[Frame]) -> Vec<(f64, IpAddr, u8)> {
    let one = |f: &Frame| match &f.what {
        What::Advert(from, advert) => Some((f.at, *from, advert.priority.0)),
        What::Gratuitous(_) | What::Syn(_) => None,
    };
    frames.iter().filter_map(one).collect()
}

/// When TCP connections to an address began.
pub fn connections(frames: &[Frame], to: Ipv4Addr) -> Vec<f64> {
    frames.iter().filter(|f| matches!(&f.what, What::Syn(address) if *address == to)).map(|f| f.at).collect()
}

/// The announcements of a capture: when, and of what.
pub fn announcements(frames: &[Frame]) -> Vec<(f64, IpAddr)> {
    let one = |f: &Frame| match &f.what {
        What::Gratuitous(address) => Some((f.at, *address)),
        What::Advert(..) | What::Syn(_) => None,
    };
    frames.iter().filter_map(one).collect()
}

/// The longest time in which two hosts were both masters by what they sent, in seconds. A host counts as master from its
/// first advert with a priority above 0 to the last one that follows within two intervals and a half.
pub fn two_masters(frames: &[Frame], interval: f64) -> f64 {
    let mut reigns: Vec<(IpAddr, f64, f64)> = Vec::new();
    for (at, from, priority) in adverts(frames) {
        let current = reigns.iter_mut().rev().find(|(host, _, _)| *host == from);
        match current {
            _ if priority == 0 => {}
            Some((_, _, end)) if at - *end < 2.5 * interval => *end = at,
            Some(_) | None => reigns.push((from, at, at)),
        }
    }
    let mut longest: f64 = 0.0;
    for (a, start, end) in &reigns {
        for (_, other_start, other_end) in reigns.iter().filter(|(b, _, _)| b != a) {
            longest = longest.max(end.min(*other_end) - start.max(*other_start));
        }
    }
    longest
}
