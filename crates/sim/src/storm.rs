//! What goes wrong: one fault after the other, drawn from the seed, each with its end.

use crate::host::{Flight, Origin, Pulse};
use crate::scenario::{self, Clock, HOSTS, SCRIPT, WIRES, chance};
use crate::sessions::{Probe, peer};
use crate::tally::Kind;
use crate::wire::CLIENT;
use crate::world::{Deaf, What, World};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU32};
use vipd_bfd::packet::{Control, Diagnostic, Exchange, StateName};
use vipd_bfd::units::{Discriminator, Micros};
use vipd_vrrp::node::Input;
use vipd_vrrp::router::{Sequence, advert, heartbeat, packets_by};
use vipd_vrrp::settings::{Auth, Family, HmacAuth, HmacKey, Transport, Version, Way};
use vipd_vrrp::track::{Duty, Link};
use vipd_vrrp::trailer::Stamp;
use vipd_vrrp::units::{Centis, Priority};

/// The end of a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// The role dies now (its snapshot was taken earlier).
    Crash(usize),
    /// The daemon is started.
    Start(usize),
    /// The host goes on.
    Resume(usize),
    /// An interface of a host is well again.
    Link(usize, usize),
    /// A virtual router of a host gets its sockets.
    Sockets(usize, usize),
    /// A host serves again.
    Duty(usize),
}

/// What an attacker sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weapon {
    /// Random bytes, and adverts with one bit turned.
    Junk,
    /// Well-formed adverts without the key.
    Forgery,
    /// What was on the wire before.
    Replay,
}

const SECOND: u64 = 1_000_000;

impl World {
    /// A time between the two, in microseconds; the shorter, the more likely.
    fn span(&mut self, least: u64, most: u64) -> u64 {
        let doublings = (most / least).ilog2();
        let base = least << self.rng.u32(..=doublings);
        self.rng.u64(base..=(base * 2).min(most).max(base))
    }

    /// A host that runs, if the first one drawn does.
    fn some_host(&mut self) -> Option<usize> {
        let host = self.rng.usize(..self.hosts.len());
        (self.hosts[host].pulse == Pulse::Running).then_some(host)
    }

    /// Something goes wrong.
    pub(crate) fn strike(&mut self) {
        let kind = Kind::ALL[self.rng.usize(..Kind::ALL.len())];
        if self.inflict(kind).is_some() {
            self.tally.count(kind);
        }
        let pause = self.rng.u64(1..=2 * self.scenario.pace);
        self.later(pause, What::Strike(self.epoch));
    }

    /// One fault of this kind; `None`: there was nobody to suffer it.
    fn inflict(&mut self, kind: Kind) -> Option<()> {
        match kind {
            Kind::Loss | Kind::Delay | Kind::Duplication | Kind::Reordering => self.disturb_paths(kind),
            Kind::OneWay | Kind::TwoWay => self.partition(kind),
            Kind::RoleCrash => {
                let host = self.some_host()?;
                self.hosts[host].keep(self.now);
                let age = self.rng.u64(..5 * SECOND);
                self.ends(age, Ending::Crash(host));
            }
            Kind::HostCrash => {
                let host = self.some_host()?;
                self.note(|| format!("host {host} loses its power"));
                self.kill(host);
                self.hosts[host].snapshot = None;
                self.hosts[host].held = Default::default();
                let off = self.span(SECOND / 10, 40 * SECOND);
                self.ends(off, Ending::Start(host));
            }
            Kind::Stop => {
                let host = self.some_host()?;
                self.note(|| format!("host {host} stops its daemon"));
                self.hosts[host].stop(self.now);
                self.flush(host);
                self.kill(host);
                self.hosts[host].snapshot = None;
                let off = self.span(SECOND / 10, 20 * SECOND);
                self.ends(off, Ending::Start(host));
            }
            Kind::Stall | Kind::Pause => {
                let host = self.some_host()?;
                self.hosts[host].paused = kind == Kind::Pause;
                let still = self.span(SECOND / 100, 20 * SECOND);
                let deaf = if kind == Kind::Pause { ", and hears nothing" } else { "" };
                self.note(|| format!("host {host} stands still for {still} us{deaf}"));
                self.hosts[host].pulse = Pulse::Stalled;
                self.ends(still, Ending::Resume(host));
            }
            Kind::HandOver => {
                let host = self.some_host()?;
                let i = self.rng.usize(..self.hosts[host].vrs.len().max(1));
                let vr = *self.hosts[host].vrs.get(i)?;
                self.note(|| format!("host {host}: the operator hands VI_{vr} over"));
                self.hosts[host].handle(self.now, Input::HandOver(i));
                self.after(host);
            }
            Kind::Maintenance => {
                let host = self.some_host()?;
                self.note(|| format!("host {host}: maintenance begins"));
                self.hosts[host].handle(self.now, Input::Duty(Duty::Maintenance));
                self.after(host);
                let away = self.span(SECOND, 60 * SECOND);
                self.ends(away, Ending::Duty(host));
            }
            Kind::ClockStep => {
                let host = self.some_host()?;
                if self.scenario.vrs.iter().any(|vr| vr.clock == Clock::MustNotStep) {
                    return None;
                }
                // Days, or seconds.
                let most = if self.rng.bool() { 200_000_000_000 } else { 20_000_000 };
                let step = self.rng.i64(-most..=most);
                self.note(|| format!("host {host}: the time of day jumps by {step} us"));
                self.hosts[host].wall += step;
                self.news(host);
            }
            Kind::Theft => {
                let host = self.some_host()?;
                let vr = self.rng.usize(..self.scenario.vrs.len());
                let held = &mut self.hosts[host].held[vr];
                let lost = held.pop()?;
                self.note(|| format!("host {host}: somebody removes {lost}"));
                self.laws.theft(self.now, host);
                let notice = self.rng.u64(50..5_000);
                self.later(notice, What::News { host, vr });
            }
            Kind::Junk => self.attack(Weapon::Junk),
            Kind::Forgery => self.attack(Weapon::Forgery),
            Kind::Replay => self.attack(Weapon::Replay),
            Kind::Link => self.break_link()?,
            Kind::Deaf => {
                let host = self.some_host()?;
                let vr = self.rng.usize(..self.scenario.vrs.len());
                self.set_deaf(host, vr, Deaf::Yes);
                let away = self.span(SECOND / 2, 10 * SECOND);
                self.ends(away, Ending::Sockets(host, vr));
            }
            Kind::Script => {
                let host = self.rng.usize(..self.hosts.len());
                self.hosts[host].config.scripts.first()?;
                let bad = !self.down.script[host];
                self.note(|| format!("host {host}: script {SCRIPT} turns {}", if bad { "bad" } else { "good" }));
                self.down.script[host] = bad;
                self.run_script(host);
            }
            Kind::Priority => {
                let host = self.some_host()?;
                let mut config = self.hosts[host].config.clone();
                let priority = scenario::priority(&mut self.rng);
                let i = self.rng.usize(..config.instances.len().max(1));
                let instance = config.instances.get_mut(i).filter(|i| i.priority != Priority::OWNER)?;
                instance.priority = priority;
                if !config.groups.is_empty() {
                    config.instances.iter_mut().for_each(|i| i.priority = priority);
                }
                self.note(|| format!("host {host}: a reload with priority {priority}"));
                self.reload(host, config);
            }
            Kind::Reload => self.change_file()?,
            Kind::Intervals => {
                let host = self.some_host()?;
                let sessions = self.hosts[host].sessions.as_mut()?;
                let i = self.rng.usize(..sessions.config.len().max(1));
                scenario::retime(&mut self.rng, sessions.config.get_mut(i)?);
                self.note(|| format!("host {host}: a reload with other intervals of a session"));
                self.reload(host, self.hosts[host].config.clone());
            }
            Kind::Imposture => self.impose()?,
        }
        Some(())
    }

    fn disturb_paths(&mut self, kind: Kind) {
        let wire = self.rng.usize(..self.scenario.wires);
        let until = self.now + self.span(SECOND / 10, 30 * SECOND);
        let loss = self.rng.u8(10..=100);
        let late = self.span(1_000, 5 * SECOND);
        self.note(|| format!("{kind:?} on wire {wire} until {until} us ({loss} of 100, {late} us)"));
        let ends: Vec<usize> = (0..self.hosts.len()).chain([CLIENT]).collect();
        let all = chance(&mut self.rng, 50);
        for from in &ends {
            for to in &ends {
                if !all && self.rng.bool() {
                    continue;
                }
                let path = &mut self.wires.paths[wire][*from][*to];
                match kind {
                    Kind::Loss => path.loss = (until, loss),
                    Kind::Delay => path.late = (until, late),
                    Kind::Duplication => path.double = until,
                    _ => path.shuffle = (until, late),
                }
            }
        }
    }

    fn partition(&mut self, kind: Kind) {
        let wire = self.rng.usize(..self.scenario.wires);
        let until = self.now + self.span(SECOND / 10, 60 * SECOND);
        if kind == Kind::OneWay {
            let from = self.rng.usize(..self.hosts.len());
            let to = (from + self.rng.usize(1..self.hosts.len())) % self.hosts.len();
            self.note(|| format!("wire {wire}: nothing passes from host {from} to host {to} until {until} us"));
            self.wires.paths[wire][from][to].cut = until;
            return;
        }
        let mut half = [false; HOSTS + 1];
        half.iter_mut().for_each(|side| *side = self.rng.bool());
        self.note(|| format!("wire {wire}: in two halves {half:?} until {until} us"));
        for from in 0..=HOSTS {
            for to in (0..=HOSTS).filter(|to| half[*to] != half[from]) {
                self.wires.paths[wire][from][to].cut = until;
            }
        }
    }

    fn break_link(&mut self) -> Option<()> {
        let host = self.some_host()?;
        let wire = self.rng.usize(..self.scenario.wires);
        let well = scenario::link(wire, host);
        let link = match self.rng.u8(..4) {
            0 => None,
            1 => Some(Link { ipv4: None, link_local: None, ..well }),
            _ => Some(Link { up: false, ..well }),
        };
        self.note(|| format!("host {host}: eth{wire} becomes {link:?}"));
        self.set_link(host, wire, link);
        let away = self.span(SECOND / 100, 20 * SECOND);
        self.ends(away, Ending::Link(host, wire));
        Some(())
    }

    fn change_file(&mut self) -> Option<()> {
        let host = self.some_host()?;
        let mut config = self.hosts[host].config.clone();
        let vr = self.rng.usize(..self.scenario.vrs.len());
        let what = self.rng.u8(..5);
        let name = format!("VI_{vr}");
        let first = self.scenario.hosts[host].instances.get(vr)?.clone();
        let place = config.instances.iter().position(|i| i.name == name);
        match (what, place) {
            (0, _) => {}
            (1, Some(i)) if self.scenario.vrs[vr].version == Version::V3 && config.groups.is_empty() => {
                let longest = self.scenario.vrs[vr].interval;
                config.instances[i].advert_int = if self.rng.bool() { longest } else { Centis((longest.0 / 2).max(1)) };
            }
            (2, Some(i)) if config.groups.is_empty() => {
                config.instances.remove(i);
            }
            (4, Some(i)) => {
                let paths = &mut config.instances[i].heartbeat_paths;
                *paths = if paths.is_empty() { first.heartbeat_paths } else { Vec::new() };
            }
            (_, None) => config.instances.push(first),
            (_, Some(i)) => config.instances[i].garp.lower_prio_repeat ^= 1,
        }
        self.note(|| {
            format!(
                "host {host}: a reload, {}",
                ["the same", "interval", "one less", "or more", "heartbeat paths"][usize::from(what)]
            )
        });
        self.reload(host, config);
        Some(())
    }

    fn attack(&mut self, weapon: Weapon) {
        let vr = self.rng.usize(..self.scenario.vrs.len());
        let gap = self.span(1_000, SECOND);
        let left = self.rng.u32(1..=30);
        self.note(|| format!("{weapon:?} for VI_{vr}: {left} packets, {gap} us between two"));
        self.later(0, What::Attack { weapon, vr, left, gap, epoch: self.epoch });
    }

    /// The attacker's next packet.
    pub(crate) fn attack_once(&mut self, weapon: Weapon, vr: usize) {
        let flight = match weapon {
            Weapon::Junk => self.junk(vr),
            Weapon::Forgery => self.forgery(vr),
            Weapon::Replay => self.recorded(vr).map(|(to, flight)| (to, Flight { origin: Origin::Replayed, ..flight })),
        };
        let Some((to, flight)) = flight else { return };
        for host in (0..self.hosts.len()).filter(|host| to.is_none_or(|to| to == *host)) {
            let after = self.rng.u64(40..400);
            self.later(after, What::Arrive { to: host, flight: flight.clone() });
        }
    }

    /// Something that was on the wire.
    fn recorded(&mut self, vr: usize) -> Option<(Option<usize>, Flight)> {
        let known: Vec<&(Option<usize>, Flight)> = self.heard.iter().filter(|(_, f)| f.vr == vr).collect();
        if known.is_empty() {
            return None;
        }
        Some(known[self.rng.usize(..known.len())].clone())
    }

    fn junk(&mut self, vr: usize) -> Option<(Option<usize>, Flight)> {
        let (to, flight) = self.recorded(vr)?;
        let mut bytes = flight.bytes.to_vec();
        if self.rng.bool() {
            // One bit behind the IP header: the kernel looks at that itself.
            let header = if bytes[0] >> 4 == 4 { 20 } else { 40 };
            let at = self.rng.usize(header..bytes.len());
            bytes[at] ^= 1 << self.rng.u8(..8);
        } else {
            bytes.truncate(self.rng.usize(..=bytes.len()));
            let from = bytes.len().min(20);
            self.rng.fill(&mut bytes[from..]);
        }
        Some((to, Flight { bytes: bytes.into(), origin: Origin::Forged, ..flight }))
    }

    /// A well-formed advert, of the highest priority or saying good-bye, of somebody who has no key, is behind a
    /// router, or is no peer.
    fn forgery(&mut self, vr: usize) -> Option<(Option<usize>, Flight)> {
        let from = self.rng.usize(..self.hosts.len());
        let mut settings = self.scenario.hosts[from].instances[vr].clone();
        let (wire, family) = (self.scenario.vrs[vr].wire, self.scenario.vrs[vr].family);
        let sender = scenario::address(family, wire, from);
        let path = self.scenario.vrs[vr].path.filter(|_| self.rng.bool());
        let way = if path.is_some() { Way::Path(0) } else { Way::Own };
        let mut source = scenario::address(family, path.unwrap_or(wire), from);
        let (mut ttl, mut sequence) = (255, None);
        let day = self.hosts[from].day(self.now);
        let transport = settings.transport_by(way).clone();
        settings.auth = match (settings.auth, &transport) {
            (Auth::Pass(_), _) => Auth::Pass(*b"guessed!"),
            (Auth::Ah(_), _) => {
                sequence = Some(Sequence::Ah(u32::MAX - 1));
                Auth::Ah(*b"guessed!")
            }
            (Auth::Hmac(auth), _) => {
                sequence = Some(Sequence::Hmac(Stamp::of(day)));
                let keys = BTreeMap::from([(auth.active, HmacKey(vec![9; 32]))]);
                // Unsigned, or signed with a guess.
                if self.rng.bool() { Auth::None } else { Auth::Hmac(HmacAuth { keys, ..auth }) }
            }
            (Auth::None, Transport::Multicast { .. }) => {
                ttl = 254;
                Auth::None
            }
            (Auth::None, Transport::Unicast { .. }) => {
                source = match family {
                    Family::V4 => Ipv4Addr::new(10, 0, 0, 99).into(),
                    Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 99).into(),
                };
                Auth::None
            }
        };
        let priority = Priority(if self.rng.bool() { 255 } else { 0 });
        let advert = advert(&settings, priority);
        let advert = if way == Way::Own { advert } else { heartbeat(&advert, sender, source) };
        let (to, mut bytes) = packets_by(way, &settings, source, &advert, 1, sequence).into_iter().next()?;
        bytes[if family == Family::V4 { 8 } else { 7 }] = ttl;
        let to = (!to.is_multicast()).then(|| scenario::host_at(to));
        let origin = Origin::Forged;
        let (bytes, interval) = (bytes.into(), settings.advert_int);
        Some((to, Flight { bytes, from, vr, way, id: 0, priority, interval, origin }))
    }

    /// BFD packets for a session of some host that its neighbour has not sent, though they know much of it.
    fn impose(&mut self) -> Option<()> {
        let to = self.some_host()?;
        let sessions = self.hosts[to].sessions.as_ref()?;
        let i = self.rng.usize(..sessions.config.len().max(1));
        let from = peer(sessions.config.get(i)?);
        let yours = sessions.discriminator(from)?;
        let source = sessions.config[i].neighbour;
        let (count, gap) = (self.rng.u32(1..=30), self.span(1_000, SECOND / 10));
        self.note(|| format!("{count} BFD packets to host {to} seem to come from host {from}, {gap} us between two"));
        for n in 0..count {
            let rng = &mut self.rng;
            let mut probe = Probe { bytes: [].into(), from, source, ttl: 255, origin: Origin::Forged };
            let mut control = Control {
                diagnostic: Diagnostic::None,
                state: StateName::ALL[rng.usize(..StateName::ALL.len())],
                exchange: [Exchange::None, Exchange::Poll, Exchange::Final][rng.usize(..3)],
                authenticated: false,
                demand: rng.bool(),
                multiplier: NonZeroU8::MIN.saturating_add(rng.u8(..)),
                mine: Discriminator(NonZeroU32::MIN.saturating_add(rng.u32(..))),
                yours: Some(yours),
                desired_min_tx: Micros(rng.u32(..).into()),
                required_min_rx: Micros(rng.u32(..).into()),
                required_min_echo_rx: Micros(0),
            };
            match rng.u8(..4) {
                // From behind a router.
                0 => probe.ttl = rng.u8(..255),
                // Of another time, or guessed.
                1 => control.yours = Discriminator::new(!yours.0.get()),
                2 => control.authenticated = true,
                // A stranger.
                _ => {
                    probe.source = match source {
                        IpAddr::V4(_) => Ipv4Addr::new(10, 0, 0, 99).into(),
                        IpAddr::V6(_) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 99).into(),
                    };
                }
            }
            let mut bytes = control.emit().to_vec();
            if chance(rng, 20) {
                bytes.truncate(rng.usize(..=bytes.len()));
                rng.fill(&mut bytes[..]);
            }
            probe.bytes = bytes.into();
            self.later(gap * u64::from(n) + 40, What::Probe { to, probe });
        }
        Some(())
    }

    /// A fault ends.
    pub(crate) fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Crash(host) => {
                if self.hosts[host].pulse != Pulse::Running || self.hosts[host].snapshot.is_none() {
                    return; // it died otherwise meanwhile
                }
                self.note(|| format!("host {host}: the vrrp role dies"));
                self.kill(host);
                // The supervisor hears of its life every 200 ms; it starts another one at once, or a little later.
                self.seen[host] = self.now.saturating_sub(self.rng.u64(..200_000));
                let away = self.span(5_000, 4 * SECOND);
                self.ends(away, Ending::Start(host));
            }
            Ending::Start(host) => self.start(host),
            Ending::Resume(host) => self.resume(host),
            Ending::Link(host, wire) => {
                if self.down.links[host][wire] {
                    self.note(|| format!("host {host}: eth{wire} is well again"));
                    self.set_link(host, wire, Some(scenario::link(wire, host)));
                }
            }
            Ending::Duty(host) => {
                if self.hosts[host].pulse == Pulse::Running {
                    self.note(|| format!("host {host}: maintenance ends"));
                    self.hosts[host].handle(self.now, Input::Duty(Duty::Serving));
                    self.after(host);
                }
            }
            Ending::Sockets(host, vr) => self.set_deaf(host, vr, Deaf::No),
        }
    }

    /// Everything ends, but for what is left broken for good.
    pub(crate) fn heal(&mut self) {
        self.epoch += 1;
        self.wires.heal();
        self.note(|| "the faults end".into());
        // With two hosts or more one may stay behind: the others are to do without it.
        let left = chance(&mut self.rng, 25).then(|| self.rng.usize(..self.hosts.len()));
        for host in 0..self.hosts.len() {
            // All clocks are right again.
            self.hosts[host].wall = 0;
            self.resume(host);
            self.news(host);
            if self.hosts[host].pulse == Pulse::Dead {
                self.start(host);
            }
            self.end(Ending::Duty(host));
            for i in 0..self.hosts[host].vrs.len() {
                self.hosts[host].handle(self.now, Input::TakeBack(i));
            }
            for wire in 0..WIRES.min(self.scenario.wires) {
                self.end(Ending::Link(host, wire));
            }
            for vr in 0..self.scenario.vrs.len() {
                self.set_deaf(host, vr, Deaf::No);
            }
            if self.down.script[host] {
                self.down.script[host] = false;
            }
            self.run_script(host);
        }
        let Some(host) = left else { return };
        match self.rng.u8(..3) {
            0 => {
                self.note(|| format!("host {host} stays without power"));
                self.kill(host);
                self.hosts[host].snapshot = None;
                self.hosts[host].held = Default::default();
            }
            1 => {
                self.note(|| format!("host {host}: eth0 stays down"));
                self.set_link(host, 0, Some(Link { up: false, ..scenario::link(0, host) }));
            }
            _ => {
                self.note(|| format!("host {host}: script {SCRIPT} stays bad"));
                self.down.script[host] = true;
                self.run_script(host);
            }
        }
    }
}
