//! A cluster drawn from a seed: hosts, virtual routers, and what each host's file says.

use crate::sessions;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use vipd_bfd::settings::{self as bfd, Role::Active, Role::Passive};
use vipd_bfd::units as bfd_units;
use vipd_vrrp::node::Settings;
use vipd_vrrp::settings::*;
use vipd_vrrp::timers;
use vipd_vrrp::track::Link;
use vipd_vrrp::units::{Centis, Micros, Priority, Vrid};

/// Most hosts of a cluster, virtual routers of a host, and wires.
pub(crate) const HOSTS: usize = 5;
pub(crate) const VRS: usize = 3;
pub(crate) const WIRES: usize = 2;

/// The name of the script that is tracked where one is.
pub(crate) const SCRIPT: &str = "chk";

/// What holds for a virtual router on all hosts.
#[derive(Clone, Debug)]
pub(crate) struct VirtualRouter {
    /// The wire that it lives on.
    pub(crate) wire: usize,
    /// The wire of its heartbeat path, where it has one.
    pub(crate) path: Option<usize>,
    /// Its family and version.
    pub(crate) family: Family,
    pub(crate) version: Version,
    /// The longest interval that any host may be told.
    pub(crate) interval: Centis,
    /// The longest master-down interval that any host may count, in microseconds.
    pub(crate) master_down: u64,
    /// The longest `preempt_delay` and `lvs_sync_catch_up`, in microseconds.
    pub(crate) delay: u64,
    /// Whether it is in the sync group.
    pub(crate) grouped: bool,
    /// How far from a receiver's clock the time of an advert may be, in microseconds: for so long an honest one may be
    /// taken for a replay when the clocks have been wrong.
    pub(crate) window: u64,
    /// Whether it bears a step of the time of day.
    pub(crate) clock: Clock,
}

/// Whether the time of day may be set back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clock {
    /// It may.
    May,
    /// `anti_replay monotonic`: who forgets what it sent, and has a clock that was set back, is believed by nobody.
    MustNotStep,
}

/// BFD sessions between the hosts.
#[derive(Clone, Debug)]
pub(crate) struct Mesh {
    /// The wire that they run on, and the family of their addresses.
    pub(crate) wire: usize,
    pub(crate) family: Family,
    /// What each host's file says of them at first.
    pub(crate) files: Vec<Vec<bfd::Instance>>,
}

/// A cluster.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// What each host's file says at first.
    pub(crate) hosts: Vec<Settings>,
    /// The virtual routers; they stand in each file in this order.
    pub(crate) vrs: Vec<VirtualRouter>,
    /// How many wires there are; each host is on all of them.
    pub(crate) wires: usize,
    /// How long a run of the tracked script takes, in microseconds.
    pub(crate) script_every: u64,
    /// The mean time between two faults, in microseconds.
    pub(crate) pace: u64,
    /// The BFD sessions, where there are any.
    pub(crate) mesh: Option<Mesh>,
}

/// The identifier of a virtual router: not its number, so that nothing takes the one for the other.
fn vrid(vr: usize) -> Vrid {
    Vrid(NonZeroU8::MIN.saturating_add(low(vr) + 9))
}

/// The number of the virtual router of an instance.
pub(crate) fn number(instance: &Instance) -> usize {
    usize::from(instance.vrid.0.get()) - 10
}

/// The address of a host on a wire, by which it sends adverts of this family.
pub(crate) fn address(family: Family, wire: usize, host: usize) -> IpAddr {
    match family {
        Family::V4 => ipv4(wire, host).into(),
        Family::V6 => ipv6(wire, host).into(),
    }
}

fn ipv4(wire: usize, host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, low(wire), 0, low(host) + 1)
}

fn ipv6(wire: usize, host: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, low(wire).into(), u16::from(low(host)) + 1)
}

/// The host that has this address.
pub(crate) fn host_at(address: IpAddr) -> usize {
    let last = match address {
        IpAddr::V4(a) => a.octets()[3],
        IpAddr::V6(a) => a.octets()[15],
    };
    usize::from(last) - 1
}

/// The interface of every host to a wire.
pub(crate) fn interface(wire: usize) -> String {
    format!("eth{wire}")
}

/// What a host knows of its interfaces while all is well.
pub(crate) fn links(wires: usize, host: usize) -> BTreeMap<String, Link> {
    (0..wires).map(|wire| (interface(wire), link(wire, host))).collect()
}

/// An interface that is well.
pub(crate) fn link(wire: usize, host: usize) -> Link {
    let (ipv4, link_local) = (Some(ipv4(wire, host)), Some(ipv6(wire, host)));
    Link { up: true, multicast: true, ipv4, link_local, mtu: 1500 }
}

fn low(n: usize) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

/// One of a list.
fn one_of<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(..list.len())]
}

/// Whether something happens that does so in `percent` of all cases.
pub(crate) fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

/// A priority that a file may give.
pub(crate) fn priority(rng: &mut Rng) -> Priority {
    // Ties are where elections break: they are common here.
    if chance(rng, 40) { Priority(one_of(rng, &[90, 100, 110])) } else { Priority(rng.u8(1..=254)) }
}

impl VirtualRouter {
    /// The wire of a way of it.
    pub(crate) fn wire_of(&self, way: Way) -> usize {
        match way {
            Way::Own => self.wire,
            Way::Path(_) => self.path.unwrap_or(self.wire),
        }
    }
}

impl Scenario {
    /// Draws one.
    pub(crate) fn draw(rng: &mut Rng) -> Scenario {
        let hosts = one_of(rng, &[2, 2, 2, 2, 3, 3, 4, 5]);
        let count = one_of(rng, &[1, 1, 1, 1, 1, 2, 2, 3]);
        let wires = if count > 1 { rng.usize(1..=WIRES) } else { 1 };
        let grouped = count > 1 && chance(rng, 60);
        let mut scenario = Scenario {
            hosts: vec![Settings::default(); hosts],
            vrs: Vec::new(),
            wires,
            script_every: rng.u64(500_000..4_000_000),
            pace: one_of(rng, &[2, 5, 10, 20, 60]) * 1_000_000,
            mesh: None,
        };
        for vr in 0..count {
            let (router, instances) = scenario.virtual_router(rng, vr, grouped);
            scenario.vrs.push(router);
            for (settings, instance) in scenario.hosts.iter_mut().zip(instances) {
                settings.instances.push(instance);
            }
        }
        if grouped {
            let members: Vec<String> = scenario.hosts[0].instances.iter().map(|i| i.name.clone()).collect();
            for settings in &mut scenario.hosts {
                settings.groups.push(SyncGroup { name: "VG".into(), members: members.clone() });
                align(settings);
            }
        }
        if chance(rng, 40) {
            scenario.track(rng);
        }
        if chance(rng, 25) {
            scenario.connect(rng);
        }
        for vr in 0..count {
            if chance(rng, 35) {
                scenario.second_wire(rng, vr);
            }
        }
        scenario
    }

    /// Gives a virtual router a heartbeat path over the other wire.
    fn second_wire(&mut self, rng: &mut Rng, vr: usize) {
        self.wires = WIRES;
        let VirtualRouter { wire, family, .. } = self.vrs[vr];
        let path = (wire + 1) % WIRES;
        self.vrs[vr].path = Some(path);
        let unicast = chance(rng, 40);
        let count = self.hosts.len();
        for (host, settings) in self.hosts.iter_mut().enumerate() {
            let transport =
                if unicast { peers(family, path, host, count) } else { Transport::Multicast { group: group(family) } };
            let path = HeartbeatPath { interface: interface(path), source: None, transport };
            settings.instances[vr].heartbeat_paths.push(path);
        }
    }

    /// Lets hosts have BFD sessions with each other, and instances track them.
    fn connect(&mut self, rng: &mut Rng) {
        let count = self.hosts.len();
        let (wire, family) = (rng.usize(..self.wires), one_of(rng, &[Family::V4, Family::V6]));
        let mut files = vec![Vec::new(); count];
        for (a, b) in (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))) {
            // The first two always.
            if b > 1 && rng.bool() {
                continue;
            }
            // Somebody has to begin.
            let (first, second) =
                one_of(rng, &[(Active, Active), (Active, Active), (Active, Passive), (Passive, Active)]);
            files[a].push(session(rng, (family, wire), (a, b), first));
            files[b].push(session(rng, (family, wire), (b, a), second));
        }
        let weight = one_of(rng, &[-60, -20, -5, 5, 20, 60]);
        let bearing = match rng.u8(..3) {
            0 => Bearing::Fault { reverse: chance(rng, 10) },
            _ => Bearing::Weight { weight, reverse: chance(rng, 20) },
        };
        for vr in 0..self.vrs.len() {
            // All members of a group track the same.
            if !self.vrs[vr].grouped && chance(rng, 30) {
                continue;
            }
            for (settings, sessions) in self.hosts.iter_mut().zip(&files) {
                let track = |s: &bfd::Instance| Track { what: Tracked::Bfd(s.name.clone()), bearing };
                settings.instances[vr].tracks.extend(sessions.iter().map(track));
            }
        }
        self.mesh = Some(Mesh { wire, family, files });
    }

    fn virtual_router(&self, rng: &mut Rng, vr: usize, grouped: bool) -> (VirtualRouter, Vec<Instance>) {
        let wire = vr % self.wires;
        let version = one_of(rng, &[Version::V2, Version::V3]);
        let family = match version {
            Version::V2 => Family::V4,
            Version::V3 => one_of(rng, &[Family::V4, Family::V4, Family::V6]),
        };
        let interval = Centis(match version {
            Version::V2 => one_of(rng, &[100, 100, 100, 100, 200, 300]),
            Version::V3 => one_of(rng, &[100, 100, 100, 100, 100, 100, 100, 200, 300, 50, 20, 10, 5]),
        });
        let auth = match version {
            Version::V2 => one_of(rng, &[0, 1, 2, 3]),
            Version::V3 => one_of(rng, &[0, 0, 3]),
        };
        let auth = match auth {
            0 => Auth::None,
            1 => Auth::Pass(*b"password"),
            2 => Auth::Ah(*b"thekey00"),
            _ => Auth::Hmac(HmacAuth {
                keys: BTreeMap::from([(1, HmacKey(vec![1; 32])), (2, HmacKey(vec![2; 48]))]),
                active: rng.u8(1..=2),
                replay: if rng.bool() { AntiReplay::Monotonic } else { AntiReplay::Time { window: rng.u16(10..=60) } },
                mode: HmacMode::Enforce,
            }),
        };
        let (window, clock) = match &auth {
            Auth::Hmac(HmacAuth { replay: AntiReplay::Time { window }, .. }) => {
                // (In whole seconds: what is a second more ahead may still have been believed.)
                ((u64::from(*window) + 1) * 1_000_000, Clock::May)
            }
            Auth::Hmac(HmacAuth { replay: AntiReplay::Monotonic, .. }) => (0, Clock::MustNotStep),
            Auth::None | Auth::Pass(_) | Auth::Ah(_) => (0, Clock::May),
        };
        let preempt = match rng.u8(..10) {
            0..=5 => Preempt::After(Micros::ZERO),
            6 | 7 => Preempt::After(Micros(rng.u64(500_000..8_000_000))),
            _ => Preempt::Never,
        };
        let adverts = one_of(rng, &[3, 3, 3, 3, 2, 5]);
        // Nobody answers: the time ends it.
        let catch_up = Micros::from_secs(if adverts == 5 { 7 } else { 0 });
        let uneven = version == Version::V3 && !grouped && chance(rng, 20);
        let unicast = chance(rng, 30);
        let addresses = rng.usize(1..=3);
        let owner = chance(rng, 8);
        let garp =
            Garp { refresh: Micros::from_secs(if chance(rng, 15) { rng.u64(5..30) } else { 0 }), ..Garp::default() };
        let mixed = chance(rng, 15);
        let (quiet, last_word) = (chance(rng, 10), chance(rng, 50));
        let instances = (0..self.hosts.len()).map(|host| {
            let transport = if unicast {
                peers(family, wire, host, self.hosts.len())
            } else {
                Transport::Multicast { group: group(family) }
            };
            let interval = if uneven && chance(rng, 50) { Centis((interval.0 / 2).max(1)) } else { interval };
            Instance {
                name: format!("VI_{vr}"),
                vrid: vrid(vr),
                binding: Binding::Interface(interface(wire)),
                family,
                version,
                priority: if owner && host == 0 { Priority::OWNER } else { priority(rng) },
                initial: one_of(rng, &[Initial::Backup, Initial::Master]),
                advert_int: interval,
                preempt: if mixed && chance(rng, 50) { Preempt::Never } else { preempt },
                auth: auth.clone(),
                transport,
                source: None,
                addresses: (0..addresses).map(|n| virtual_address(family, wire, vr, n)).collect(),
                excluded: if chance(rng, 20) { vec![virtual_address(family, wire, vr, 7)] } else { Vec::new() },
                garp: garp.clone(),
                down_timer_adverts: adverts,
                timer_expired: None,
                lower_prio_no_advert: quiet,
                higher_prio_send_advert: last_word,
                skip_check_adv_addr: false,
                owner_ignore_adverts: false,
                checksum: Checksum::Pseudo,
                device: None,
                more_devices: Vec::new(),
                vmac_xmit_base: false,
                accept: true,
                track_primary: true,
                tracks: Vec::new(),
                vip_lease: true,
                catch_up,
                witness: false,
                fence: false,
                heartbeat_paths: Vec::new(),
                needs: std::collections::BTreeSet::new(),
            }
        });
        let instances: Vec<Instance> = instances.collect();
        let delay = match preempt {
            Preempt::After(delay) => delay.0 + catch_up.0,
            Preempt::Never => 0,
        };
        let master_down = timers::master_down(version, Priority(1), interval, adverts).0;
        (
            VirtualRouter { wire, path: None, family, version, interval, master_down, delay, grouped, window, clock },
            instances,
        )
    }

    /// Lets every host track a script, and perhaps the other wire.
    fn track(&mut self, rng: &mut Rng) {
        let script =
            Script { name: SCRIPT.into(), rise: rng.u32(1..=3), fall: rng.u32(1..=3), init_fail: chance(rng, 30) };
        let weight = one_of(rng, &[-60, -20, -5, 5, 20, 60]);
        let bearing = match rng.u8(..3) {
            0 => Bearing::Fault { reverse: chance(rng, 10) },
            _ => Bearing::Weight { weight, reverse: chance(rng, 10) },
        };
        let wire = self.wires > 1 && chance(rng, 50);
        for settings in &mut self.hosts {
            settings.scripts.push(script.clone());
            let grouped = !settings.groups.is_empty();
            // All members of a group track the same, or they could not agree who is the best.
            for instance in settings.instances.iter_mut().take(if grouped { VRS } else { 1 }) {
                instance.tracks.push(Track { what: Tracked::Script(SCRIPT.into()), bearing });
                if wire {
                    let bearing = Bearing::Weight { weight: -30, reverse: false };
                    instance.tracks.push(Track { what: Tracked::Interface(interface(1)), bearing });
                }
            }
        }
    }
}

/// The session of one host with another, by these addresses. Slow ones: there is an hour to be simulated.
fn session(rng: &mut Rng, at: (Family, usize), (own, peer): (usize, usize), role: bfd::Role) -> bfd::Instance {
    let (family, wire) = at;
    let mut session = bfd::Instance {
        name: sessions::name(peer),
        neighbour: address(family, wire, peer),
        source: rng.bool().then(|| address(family, wire, own)),
        min_rx: bfd_units::Micros(0),
        min_tx: bfd_units::Micros(0),
        idle_tx: bfd_units::Micros(0),
        multiplier: NonZeroU8::MIN,
        role,
        ttl: 255,
        max_hops: 0,
        // (With the other one a packet from afar is believed of a neighbour that is not known: no law holds then.)
        habit: bfd::Habit::Ours,
        hops: bfd::Hops::Single,
    };
    retime(rng, &mut session);
    session
}

/// Gives a session other intervals.
pub(crate) fn retime(rng: &mut Rng, session: &mut bfd::Instance) {
    let mut millis = |usual: &[u64], any| {
        let one = if chance(rng, 70) { one_of(rng, usual) } else { rng.u64(any) };
        bfd_units::Micros::from_millis(one)
    };
    session.min_rx = millis(&[300, 500, 1000], 100..1500);
    session.min_tx = millis(&[300, 500, 1000], 100..1500);
    session.idle_tx = millis(&[1000], 1000..2000);
    session.multiplier = NonZeroU8::MIN.saturating_add(one_of(rng, &[2, 2, 2, 4, 1, 0]));
}

/// Members of a sync group have one priority and one rule of preemption on a host: with others they could not agree.
pub(crate) fn align(settings: &mut Settings) {
    if settings.groups.is_empty() {
        return;
    }
    let Some((first, rest)) = settings.instances.split_first_mut() else { return };
    for instance in rest {
        instance.priority = first.priority;
        instance.preempt = first.preempt;
    }
}

/// Unicast from a host to all others on a wire.
fn peers(family: Family, wire: usize, host: usize, count: usize) -> Transport {
    let peer = |peer| Peer { address: address(family, wire, peer), min_ttl: None, max_ttl: None };
    let peers = (0..count).filter(|peer| *peer != host).map(peer).collect();
    Transport::Unicast { peers, ttl: 255, check_source: true }
}

fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(224, 0, 0, 18).into(),
        Family::V6 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
    }
}

fn virtual_address(family: Family, wire: usize, vr: usize, n: usize) -> VirtualAddress {
    let (wire_byte, last) = (low(wire), low(vr * 8 + n));
    let (address, prefix) = match family {
        Family::V4 => (IpAddr::from([10, wire_byte, 1, last]), 32),
        Family::V6 => (Ipv6Addr::new(0x2001, 0xdb8, wire_byte.into(), 0, 0, 0, 0, last.into()).into(), 64),
    };
    VirtualAddress::plain(address, prefix, interface(wire))
}
