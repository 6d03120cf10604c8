//! Between the director's decisions and the kernel's IPVS: the two vocabularies, one to one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use vipd_ipvs as ipvs;
use vipd_lvs::plan::Edit;
use vipd_lvs::settings::{Family, Forwarding, Persistence, Protocol, Scheduler, ServiceKey, Tunnel, TunnelChecksum};
use vipd_lvs::table::{Server, Service, Table};

/// `IP_VS_SVC_F_PERSISTENT` (linux/ip_vs.h)
const PERSISTENT: u32 = 1;
/// `IP_VS_SVC_F_HASHED`: the kernel's own.
const HASHED: u32 = 2;

/// What the kernel counts for a virtual server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) connections: u64,
    pub(crate) packets: (u64, u64),
    pub(crate) bytes: (u64, u64),
    pub(crate) servers: BTreeMap<SocketAddr, CountedServer>,
}

/// What the kernel counts for a real server.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountedServer {
    pub(crate) weight: u32,
    pub(crate) active: u64,
    pub(crate) inactive: u64,
    pub(crate) connections: u64,
}

/// The part of the kernel's table that is ours. Of a server that is one of this host's own addresses the kernel only
/// says that it is local: it counts as forwarded in the way that is `expected`.
pub(crate) fn read(
    client: &mut ipvs::Client,
    ours: &BTreeSet<ServiceKey>,
    expected: &Table,
) -> Result<Table, ipvs::Error> {
    let mut table = Table::new();
    for entry in client.services()? {
        let key = key_from(&entry.service.key);
        if !ours.contains(&key) {
            continue;
        }
        let Some(mut service) = service_from(&key, &entry.service) else { continue };
        for entry in client.destinations(&entry.service.key)? {
            let d = entry.destination;
            let address = SocketAddr::new(d.address, d.port);
            let expected = expected.get(&key).and_then(|s| s.servers.get(&address)).map(|s| s.forwarding);
            let Some(forwarding) = forwarding_from(d.forwarding, expected) else { continue };
            let server = Server {
                forwarding,
                weight: d.weight,
                upper_threshold: d.upper_threshold,
                lower_threshold: d.lower_threshold,
            };
            service.servers.insert(address, server);
        }
        table.insert(key, service);
    }
    Ok(table)
}

/// The counters of the services of one virtual server, added up.
pub(crate) fn count(client: &mut ipvs::Client, keys: &[ServiceKey]) -> Result<Counted, ipvs::Error> {
    let mut counted = Counted::default();
    for entry in client.services()? {
        if !keys.contains(&key_from(&entry.service.key)) {
            continue;
        }
        counted.connections += entry.counters.connections;
        counted.packets.0 += entry.counters.packets_in;
        counted.packets.1 += entry.counters.packets_out;
        counted.bytes.0 += entry.counters.bytes_in;
        counted.bytes.1 += entry.counters.bytes_out;
        for entry in client.destinations(&entry.service.key)? {
            let address = SocketAddr::new(entry.destination.address, entry.destination.port);
            let server = counted.servers.entry(address).or_default();
            server.weight = entry.destination.weight;
            server.active += u64::from(entry.active);
            server.inactive += u64::from(entry.inactive);
            server.connections += entry.counters.connections;
        }
    }
    Ok(counted)
}

/// The kernel's command for an edit.
pub(crate) fn command(edit: &Edit) -> ipvs::Command {
    match edit {
        Edit::AddService(key, service) => ipvs::Command::NewService(service_to(key, service)),
        Edit::SetService(key, service) => ipvs::Command::SetService(service_to(key, service)),
        Edit::RemoveService(key) => ipvs::Command::DelService(key_to(key)),
        Edit::AddServer(key, address, server) => ipvs::Command::NewDest(key_to(key), server_to(*address, server)),
        Edit::SetServer(key, address, server) => ipvs::Command::SetDest(key_to(key), server_to(*address, server)),
        Edit::RemoveServer(key, address, server) => ipvs::Command::DelDest(key_to(key), server_to(*address, server)),
    }
}

/// An edit in words, for a log line about its failure.
pub(crate) fn describe(edit: &Edit) -> String {
    match edit {
        Edit::AddService(key, service) => format!("IPVS service {key} ({}) can't be added", service.scheduler.name()),
        Edit::SetService(key, service) => format!("IPVS service {key} ({}) can't be changed", service.scheduler.name()),
        Edit::RemoveService(key) => format!("IPVS service {key} can't be removed"),
        Edit::AddServer(key, address, _) => format!("server {address} can't be added to IPVS service {key}"),
        Edit::SetServer(key, address, _) => format!("server {address} of IPVS service {key} can't be changed"),
        Edit::RemoveServer(key, address, _) => format!("server {address} can't be removed from IPVS service {key}"),
    }
}

fn key_to(key: &ServiceKey) -> ipvs::Key {
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let protocol = match protocol {
                Protocol::Tcp => ipvs::Protocol::Tcp,
                Protocol::Udp => ipvs::Protocol::Udp,
                Protocol::Sctp => ipvs::Protocol::Sctp,
            };
            ipvs::Key::Address { protocol, address, port }
        }
        ServiceKey::Fwmark { mark, family } => {
            let family = match family {
                Family::Inet => ipvs::Family::Inet,
                Family::Inet6 => ipvs::Family::Inet6,
            };
            ipvs::Key::Fwmark { mark, family }
        }
    }
}

fn key_from(key: &ipvs::Key) -> ServiceKey {
    match *key {
        ipvs::Key::Address { protocol, address, port } => {
            let protocol = match protocol {
                ipvs::Protocol::Tcp => Protocol::Tcp,
                ipvs::Protocol::Udp => Protocol::Udp,
                ipvs::Protocol::Sctp => Protocol::Sctp,
            };
            ServiceKey::Address { protocol, address, port }
        }
        ipvs::Key::Fwmark { mark, family } => {
            let family = match family {
                ipvs::Family::Inet => Family::Inet,
                ipvs::Family::Inet6 => Family::Inet6,
            };
            ServiceKey::Fwmark { mark, family }
        }
    }
}

/// The mask that groups clients where none is configured: the whole address.
fn whole(key: &ServiceKey) -> u32 {
    let v6 = match key {
        ServiceKey::Address { address, .. } => address.is_ipv6(),
        ServiceKey::Fwmark { family, .. } => *family == Family::Inet6,
    };
    if v6 { 128 } else { u32::MAX }
}

fn service_to(key: &ServiceKey, service: &Service) -> ipvs::Service {
    let persistence = service.persistence.as_ref();
    let persistent = if persistence.is_some() { PERSISTENT } else { 0 };
    ipvs::Service {
        key: key_to(key),
        scheduler: service.scheduler.name().to_owned(),
        flags: service.flags | persistent,
        timeout: persistence.map_or(0, |p| p.timeout),
        netmask: persistence.and_then(|p| p.granularity).unwrap_or_else(|| whole(key)),
        engine: persistence.and_then(|p| p.engine.clone()),
    }
}

/// A service of the kernel's; one with a scheduler that is unknown here can't be ours as it should be, and is taken for
/// one of the default scheduler, so that it is put right.
fn service_from(key: &ServiceKey, service: &ipvs::Service) -> Option<Service> {
    let scheduler = Scheduler::ALL.iter().find(|(_, name)| *name == service.scheduler).map(|(s, _)| *s);
    let persistence = (service.flags & PERSISTENT != 0).then(|| Persistence {
        timeout: service.timeout,
        granularity: Some(service.netmask).filter(|mask| *mask != whole(key)),
        engine: service.engine.clone(),
    });
    Some(Service {
        scheduler: scheduler?,
        flags: service.flags & !(PERSISTENT | HASHED),
        persistence,
        servers: BTreeMap::new(),
    })
}

fn server_to(address: SocketAddr, server: &Server) -> ipvs::Destination {
    ipvs::Destination {
        address: address.ip(),
        port: address.port(),
        forwarding: match server.forwarding {
            Forwarding::Nat => ipvs::Forwarding::Masq,
            Forwarding::Dr => ipvs::Forwarding::DirectRoute,
            Forwarding::Tun(tunnel) => ipvs::Forwarding::Tunnel(match tunnel {
                Tunnel::Ipip => ipvs::Tunnel::Ipip,
                Tunnel::Gue { port, checksum } => ipvs::Tunnel::Gue { port, flags: checksum_to(checksum) },
                Tunnel::Gre { checksum } => ipvs::Tunnel::Gre { flags: checksum_to(checksum) },
            }),
        },
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
    }
}

fn forwarding_from(forwarding: ipvs::Forwarding, expected: Option<Forwarding>) -> Option<Forwarding> {
    match forwarding {
        ipvs::Forwarding::Masq => Some(Forwarding::Nat),
        ipvs::Forwarding::DirectRoute => Some(Forwarding::Dr),
        ipvs::Forwarding::Local => Some(expected.unwrap_or(Forwarding::Nat)),
        ipvs::Forwarding::Bypass => None,
        ipvs::Forwarding::Tunnel(tunnel) => Some(Forwarding::Tun(match tunnel {
            ipvs::Tunnel::Ipip => Tunnel::Ipip,
            ipvs::Tunnel::Gue { port, flags } => Tunnel::Gue { port, checksum: checksum_from(flags) },
            ipvs::Tunnel::Gre { flags } => Tunnel::Gre { checksum: checksum_from(flags) },
        })),
    }
}

fn checksum_to(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::None => 0,
        TunnelChecksum::Full => 1,
        TunnelChecksum::Remote => 2,
    }
}

fn checksum_from(flags: u16) -> TunnelChecksum {
    match flags {
        1 => TunnelChecksum::Full,
        2 => TunnelChecksum::Remote,
        _ => TunnelChecksum::None,
    }
}
