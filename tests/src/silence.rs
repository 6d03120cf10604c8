//! BFD neighbours that fall silent, and how soon a daemon acts on it: from the last packet to the advert with priority 0 of the
//! virtual router that tracks the session.

use crate::conf::Instance;
use crate::director::{Director, Kind};
use crate::lab::Lab;
use crate::web::inside;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use vipd_sys::netlink::Netlink;
use vipd_sys::raw::{Device, Inbox, Listen, Received, Receiver};
use vipd_sys::udp::{self, Family, Sender};
use vipd_vrrp::packet::{Advert, Datagram, PROTOCOL};
use vipd_vrrp::settings;

/// Sessions at once.
const SESSIONS: u8 = 10;
/// How far apart packets are; three make the detection time.
const INTERVAL: Duration = Duration::from_millis(10);
const SINGLE_HOP: u16 = 3784;
const OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A neighbour of the daemon: just enough of one.
struct Neighbour {
    sender: Sender,
    /// The daemon's discriminator.
    yours: u32,
    /// `AdminDown` 0, `Down` 1, `Init` 2, `Up` 3.
    state: u8,
    /// Whether a poll waits for its answer.
    polled: bool,
    next: Instant,
    /// When it fell silent: its last packet.
    silent: Option<Instant>,
}

impl Neighbour {
    fn address(n: u8) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, 100 + n).into()
    }

    /// A packet came from the daemon (RFC 5880, 6.8.6).
    fn hear(&mut self, packet: &[u8; 24]) {
        self.yours = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        self.polled |= packet[1] & 0x20 != 0;
        self.state = match (self.state, packet[1] >> 6) {
            (1, 1) => 2,
            (1 | 2, 2 | 3) => 3,
            (3, 1) => 1,
            (state, _) => state,
        };
    }

    fn speak(&mut self, n: u8) {
        let answer = if std::mem::take(&mut self.polled) { 0x10 } else { 0 };
        let mut packet = vec![0x20, self.state << 6 | answer, 3, 24, 0, 0, 1, n];
        packet.extend(self.yours.to_be_bytes());
        let micros = u32::try_from(INTERVAL.as_micros()).unwrap_or_default().to_be_bytes();
        packet.extend([micros, micros, [0; 4]].concat());
        self.sender.send(&packet, (IpAddr::from(OWN), SINGLE_HOP).into()).unwrap_or_else(|e| panic!("{e}"));
    }
}

fn conf() -> String {
    let mut text = String::new();
    for n in 1..=SESSIONS {
        let _ = writeln!(
            text,
            "bfd_instance S{n} {{\nneighbor_ip {}\nsource_ip {OWN}\nmin_rx 10\nmin_tx 10\nmultiplier 3\n}}",
            Neighbour::address(n)
        );
        let instance = Instance {
            name: format!("VI_{n}"),
            vrid: n,
            addresses: vec![format!("10.77.1.{n}/32")],
            ..Instance::new(3, 150, "1").with(&format!("track_bfd {{\nS{n}\n}}"))
        };
        text += &instance.text();
    }
    text
}

/// How long after the detection time each of ten sessions had its effect, in milliseconds; those that had none are left out.
pub fn measure(kind: Kind) -> Vec<f64> {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    for n in 1..=SESSIONS {
        two.ip(&format!("addr add {}/24 dev eth0", Neighbour::address(n)));
    }
    let _director = Director::start(kind, &one, &conf());
    inside(&two, || {
        // What is late here would count as the daemon's.
        let urgent = vipd_sys::stance::Class::RealTime(2);
        vipd_sys::stance::schedule(std::process::id(), urgent, 0).unwrap_or_else(|e| panic!("{e}"));
        watch()
    })
}

fn watch() -> Vec<f64> {
    let fail = |e: std::io::Error| -> ! { panic!("{e}") };
    let mut ear = udp::Receiver::open(Family::V4, SINGLE_HOP, 1 << 20).unwrap_or_else(|e| fail(e));
    let links = Netlink::open().and_then(|mut netlink| netlink.links()).unwrap_or_else(|e| fail(e));
    let index = links.iter().find(|l| l.name == "eth0").map(|l| l.index).unwrap_or_default();
    let (device, group) = (Device { name: "eth0".to_owned(), index }, Ipv4Addr::new(224, 0, 0, 18).into());
    let adverts = Receiver::open(Some(&device), PROTOCOL, Listen::Group(group), 1 << 20).unwrap_or_else(|e| fail(e));
    let start = Instant::now();
    let new = |n: u8| {
        let sender = Sender::open(Family::V4, Some(Neighbour::address(n)), 49_152..=65_535, u32::from(n), 255);
        let sender = sender.unwrap_or_else(|e| fail(e));
        Neighbour { sender, yours: 0, state: 1, polled: false, next: start, silent: None }
    };
    let mut all: Vec<Neighbour> = (1..=SESSIONS).map(new).collect();
    let (mut buffer, mut inbox, mut late, mut up_since) = ([0; 2048], Inbox::default(), Vec::new(), None);
    while late.len() < usize::from(SESSIONS) {
        // keepalived does not miss every one of them.
        if start.elapsed() > PATIENCE {
            eprintln!("  of {SESSIONS} neighbours {} were missed", late.len());
            break;
        }
        while let Some(heard) = ear.receive(&mut buffer).unwrap_or_else(|e| fail(e)) {
            let from = (1..=SESSIONS).zip(&mut all).find(|(n, _)| Neighbour::address(*n) == heard.to);
            if let (Some((_, neighbour)), Some(packet)) = (from, heard.payload.first_chunk()) {
                neighbour.hear(packet);
            }
        }
        let taken = adverts.receive(&mut inbox, Inbox::MANY).unwrap_or_else(|e| fail(e));
        for arrived in (0..taken).filter_map(|n| inbox.get(n)) {
            let Received::Whole(bytes) = arrived.datagram else { continue };
            let now = Instant::now();
            let advert = Datagram::parse(bytes).ok().and_then(|d| Advert::parse(d.payload, settings::Family::V4).ok());
            let Some(advert) = advert.filter(|a| a.priority.0 == 0) else { continue };
            let neighbour = all.get_mut(usize::from(advert.vrid.0.get()) - 1);
            // (A second good-bye is the same news.)
            late.extend(
                neighbour
                    .and_then(|n| n.silent.take())
                    .map(|last| (now - last).as_secs_f64() * 1e3 - 3.0 * INTERVAL.as_secs_f64() * 1e3),
            );
        }
        if all.iter().all(|n| n.state == 3) {
            up_since.get_or_insert_with(Instant::now);
        }
        // Their virtual routers are MASTER by then: one after the other falls silent.
        let settled =
            up_since.map_or(Duration::ZERO, |up: Instant| up.elapsed()).saturating_sub(Duration::from_secs(6));
        let silent = settled.as_millis() / 73;
        for (n, neighbour) in (1..=SESSIONS).zip(&mut all) {
            if neighbour.next > Instant::now() || neighbour.state == 0 {
                continue;
            }
            neighbour.speak(n);
            neighbour.next += INTERVAL;
            if silent >= u128::from(n) {
                (neighbour.silent, neighbour.state) = (Some(Instant::now()), 0);
            }
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    late
}
