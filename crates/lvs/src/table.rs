//! The table that the plane should hold, computed from scratch: settings, who is alive, who has a quorum.

use crate::quorum::Quorum;
use crate::settings::{Duty, Forwarding, Persistence, RealServer, Scheduler, ServiceFlags, ServiceKey, VirtualServer};
use crate::slow_start::Share;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// The largest weight: the kernel's is signed, of 32 bits. (`ipvsadm` takes 65535 at the most; for `ovf`, whose weights
/// are numbers of connections, that would be few.)
pub const MAX_WEIGHT: u32 = 0x7fff_ffff;

/// What the plane knows a service by besides its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Scheduler.
    pub scheduler: Scheduler,
    /// Its flags.
    pub flags: ServiceFlags,
    /// Persistence.
    pub persistence: Option<Persistence>,
    /// Where its connections go.
    pub servers: BTreeMap<SocketAddr, Server>,
}

/// A destination of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Server {
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Weight; 0: nothing new is sent there.
    pub weight: u32,
    /// Connections above which nothing new is sent; 0: none.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again.
    pub lower_threshold: u32,
}

/// A whole table.
pub type Table = BTreeMap<ServiceKey, Service>;

/// What is known of a real server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alive {
    /// Whether it may be used.
    pub alive: bool,
    /// Weight that a check asks for instead of the configured one.
    pub weight: Option<u32>,
    /// How much of its weight it has by now.
    pub share: Share,
}

/// What is known of a virtual server as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Whole {
    /// Whether it has its quorum.
    pub quorum: Quorum,
    /// What all weights are multiplied by (`slow_start::scale`).
    pub scale: u32,
}

impl From<Quorum> for Whole {
    /// One in which no slow start is under way.
    fn from(quorum: Quorum) -> Whole {
        Whole { quorum, scale: 1 }
    }
}

/// What is known of each real server of a virtual server.
pub type Health<'a> = &'a dyn Fn(&RealServer) -> Option<Alive>;

/// Weight in force of a server that is alive.
pub fn effective_weight(configured: u32, asked: Option<u32>) -> u32 {
    asked.unwrap_or(configured).min(MAX_WEIGHT)
}

/// The weight of those that are alive and get new connections, in all.
pub fn live_weight(settings: &VirtualServer, health: Health<'_>) -> u64 {
    settings.real_servers.iter().map(|s| weight_of(s, health(s))).sum()
}

/// What one of them adds to that: all of its weight, however slowly it starts.
pub fn weight_of(server: &RealServer, health: Option<Alive>) -> u64 {
    health.map_or(0, |h| takes(server, h.alive, h.weight).into())
}

/// The weight that a real server has for new connections; 0: it gets none.
pub fn takes(server: &RealServer, alive: bool, asked: Option<u32>) -> u32 {
    let takes = alive && server.duty == Duty::Serving;
    if takes { effective_weight(server.weight, asked) } else { 0 }
}

/// Whether the sorry server has the place of the real ones.
fn sorry_serves(settings: &VirtualServer, quorum: Quorum) -> bool {
    quorum == Quorum::Down && settings.sorry.is_some()
}

/// What some real servers, which stand apart, are in the services of their virtual server: a table of these alone. With it, the
/// same of a whole table: nothing but these servers differs between the two.
pub fn part(
    settings: &VirtualServer,
    servers: &[(&RealServer, Option<Alive>)],
    state: Whole,
    whole: &Table,
) -> (Table, Table) {
    let (mut desired, mut present) = (Table::new(), Table::new());
    for key in &settings.keys {
        let Some(Service { scheduler, flags, persistence, servers: all }) = whole.get(key) else { continue };
        let bare = || Service {
            scheduler: *scheduler,
            flags: *flags,
            persistence: persistence.clone(),
            servers: BTreeMap::new(),
        };
        let (mut want, mut have) = (bare(), bare());
        for (server, health) in servers {
            let place = place(key, server.address, server.forwarding);
            want.servers.extend(entry(settings, server, *health, state).map(|entry| (place, entry)));
            have.servers.extend(all.get(&place).map(|entry| (place, *entry)));
        }
        desired.insert(*key, want);
        present.insert(*key, have);
    }
    (desired, present)
}

/// Puts the servers of a part in the place of those that it had in the whole.
pub fn replace(whole: &mut Table, before: &Table, after: Table) {
    for (key, after) in after {
        let Some(service) = whole.get_mut(&key) else { continue };
        for place in before.get(&key).iter().flat_map(|before| before.servers.keys()) {
            service.servers.remove(place);
        }
        service.servers.extend(after.servers);
    }
}

/// What a real server is in the services of its virtual server, if it is there. One that is not known counts as dead.
pub fn entry(settings: &VirtualServer, server: &RealServer, health: Option<Alive>, whole: Whole) -> Option<Server> {
    let alive = health.is_some_and(|h| h.alive);
    let serves = alive && !sorry_serves(settings, whole.quorum) && server.duty == Duty::Serving;
    let stays = match server.duty {
        Duty::Serving => serves || server.inhibit_on_failure,
        Duty::Draining => alive || server.inhibit_on_failure,
        Duty::Down => false,
    };
    let weight = health.filter(|_| serves).map_or(0, |h| {
        let weight = effective_weight(server.weight, h.weight);
        h.share.of_weight(weight, whole.scale)
    });
    stays.then_some(Server {
        forwarding: server.forwarding,
        weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
    })
}

/// Whether what becomes of one real server is seen in its own entries alone: none shares the place of another or of the sorry
/// server.
pub fn stand_apart(settings: &VirtualServer) -> bool {
    let real = settings.real_servers.iter();
    let mut places: Vec<(IpAddr, u16)> = match real.clone().all(|s| s.forwarding == Forwarding::Nat) {
        true => real.map(|s| (s.address.ip(), s.address.port())).collect(),
        // Direct routing and tunnels leave the ports to the service.
        false => real.map(|s| (s.address.ip(), 0)).collect(),
    };
    places.sort_unstable();
    let sorry = settings.sorry.as_ref().map(|sorry| sorry.address.ip());
    places.windows(2).all(|two| two[0] != two[1]) && places.iter().all(|(ip, _)| Some(*ip) != sorry)
}

/// The services of one virtual server. A server that `health` doesn't know counts as dead.
pub fn services(settings: &VirtualServer, health: Health<'_>, whole: Whole) -> Table {
    let sorry_serves = sorry_serves(settings, whole.quorum);
    let mut servers = BTreeMap::new();
    for server in &settings.real_servers {
        if let Some(entry) = entry(settings, server, health(server), whole) {
            servers.entry(server.address).or_insert(entry);
        }
    }
    if let Some(sorry) = &settings.sorry {
        let weight = u32::from(sorry_serves);
        if sorry_serves || sorry.inhibit {
            let entry = Server { forwarding: sorry.forwarding, weight, upper_threshold: 0, lower_threshold: 0 };
            servers.entry(sorry.address).and_modify(|s| s.weight = s.weight.max(weight)).or_insert(entry);
        }
    }
    let service = Service {
        scheduler: settings.scheduler,
        flags: settings.flags,
        persistence: settings.persistence.clone(),
        servers,
    };
    settings.keys.iter().map(|key| (*key, on_port_of(key, &service))).collect()
}

fn on_port_of(key: &ServiceKey, service: &Service) -> Service {
    let servers = service.servers.iter().map(|(address, s)| (place(key, *address, s.forwarding), *s));
    Service { servers: servers.collect(), ..service.clone() }
}

/// The address that the plane knows a server of a service by. Direct routing and tunnels leave the port of a packet as it
/// is, so that a server's port is that of the service, which matters for a group of services with different ports.
pub fn place(key: &ServiceKey, address: SocketAddr, forwarding: Forwarding) -> SocketAddr {
    let port = match key {
        ServiceKey::Address { port, .. } => *port,
        ServiceKey::Fwmark { .. } => 0,
    };
    match forwarding {
        Forwarding::Nat => address,
        Forwarding::Dr | Forwarding::Tun(_) => SocketAddr::new(address.ip(), port),
    }
}
