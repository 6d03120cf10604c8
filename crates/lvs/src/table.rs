//! The table that the plane should hold, computed from scratch: settings, who is alive, who has a quorum.

use crate::quorum::Quorum;
use crate::settings::{Duty, Forwarding, Persistence, Scheduler, ServiceFlags, ServiceKey, VirtualServer};
use alloc::collections::BTreeMap;
use core::net::SocketAddr;

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
}

/// What is known of the real servers of a virtual server, by their addresses.
pub type Health<'a> = &'a dyn Fn(&SocketAddr) -> Option<Alive>;

/// Weight in force of a server that is alive.
pub fn effective_weight(configured: u32, asked: Option<u32>) -> u32 {
    asked.unwrap_or(configured).min(MAX_WEIGHT)
}

/// The weight of those that are alive and get new connections, in all.
pub fn live_weight(settings: &VirtualServer, health: Health<'_>) -> u64 {
    let servers = settings.real_servers.iter().filter(|s| s.duty == Duty::Serving);
    let live = servers.filter_map(|s| health(&s.address).filter(|h| h.alive).map(|h| (s, h)));
    live.map(|(s, h)| u64::from(effective_weight(s.weight, h.weight))).sum()
}

/// The services of one virtual server. A server that `health` doesn't know counts as dead.
pub fn services(settings: &VirtualServer, health: Health<'_>, quorum: Quorum) -> Table {
    let sorry_serves = quorum == Quorum::Down && settings.sorry.is_some();
    let mut servers = BTreeMap::new();
    for server in &settings.real_servers {
        let known = health(&server.address);
        let alive = known.is_some_and(|h| h.alive);
        let serves = alive && !sorry_serves && server.duty == Duty::Serving;
        let stays = match server.duty {
            Duty::Serving => serves || server.inhibit_on_failure,
            Duty::Draining => alive || server.inhibit_on_failure,
            Duty::Down => false,
        };
        if !stays {
            continue;
        }
        let weight = if serves { effective_weight(server.weight, known.and_then(|h| h.weight)) } else { 0 };
        let entry = Server {
            forwarding: server.forwarding,
            weight,
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
        };
        servers.entry(server.address).or_insert(entry);
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
