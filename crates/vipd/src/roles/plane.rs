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
/// A flag that neither the kernel nor the configuration knows: what bears it is like nothing that is desired.
const UNLIKE: u32 = 1 << 31;

/// What the kernel counts for a service.
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
        let mut service = service_from(&key, &entry.service);
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

/// The counters of these services.
pub(crate) fn count(
    client: &mut ipvs::Client,
    keys: &BTreeSet<ServiceKey>,
) -> Result<BTreeMap<ServiceKey, Counted>, ipvs::Error> {
    let mut all = BTreeMap::new();
    for entry in client.services()? {
        let key = key_from(&entry.service.key);
        if !keys.contains(&key) {
            continue;
        }
        let mut counted = Counted {
            connections: entry.counters.connections,
            packets: (entry.counters.packets_in, entry.counters.packets_out),
            bytes: (entry.counters.bytes_in, entry.counters.bytes_out),
            servers: BTreeMap::new(),
        };
        for entry in client.destinations(&entry.service.key)? {
            let address = SocketAddr::new(entry.destination.address, entry.destination.port);
            let server = CountedServer {
                weight: entry.destination.weight,
                active: u64::from(entry.active),
                inactive: u64::from(entry.inactive),
                connections: entry.counters.connections,
            };
            counted.servers.insert(address, server);
        }
        all.insert(key, counted);
    }
    Ok(all)
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

/// A service of the kernel's. One with a scheduler that is unknown here can't be as it should be: it gets one that is known
/// and a flag that makes it unlike any desired service, so that it is put right.
fn service_from(key: &ServiceKey, service: &ipvs::Service) -> Service {
    let scheduler = Scheduler::ALL.iter().find(|(_, name)| *name == service.scheduler).map(|(s, _)| *s);
    let unlike = if scheduler.is_none() { UNLIKE } else { 0 };
    let persistence = (service.flags & PERSISTENT != 0).then(|| Persistence {
        timeout: service.timeout,
        granularity: Some(service.netmask).filter(|mask| *mask != whole(key)),
        engine: service.engine.clone(),
    });
    Service {
        scheduler: scheduler.unwrap_or(Scheduler::Wlc),
        flags: (service.flags & !(PERSISTENT | HASHED)) | unlike,
        persistence,
        servers: BTreeMap::new(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_lvs::plan::plan;

    #[test]
    fn a_service_of_an_unknown_scheduler_is_put_right() {
        let key = ServiceKey::Fwmark { mark: 3, family: Family::Inet6 };
        for (scheduler, _) in Scheduler::ALL {
            let service = Service { scheduler, flags: 0, persistence: None, servers: BTreeMap::new() };
            let mut kernel = service_to(&key, &service);
            kernel.flags |= HASHED;
            assert_eq!(service_from(&key, &kernel), service, "{kernel:?}");
            kernel.scheduler = "lottery".to_owned();
            let present = Table::from([(key, service_from(&key, &kernel))]);
            let desired = Table::from([(key, service.clone())]);
            assert_eq!(plan(&present, &desired), [Edit::SetService(key, service)]);
        }
    }

    #[test]
    fn persistence_of_the_whole_address_reads_back_as_it_was_written() {
        let persistence = Some(Persistence { timeout: 60, granularity: None, engine: None });
        for family in [Family::Inet, Family::Inet6] {
            let key = ServiceKey::Fwmark { mark: 3, family };
            let persistence = persistence.clone();
            let service = Service { scheduler: Scheduler::Rr, flags: 0, persistence, servers: BTreeMap::new() };
            assert_eq!(service_from(&key, &service_to(&key, &service)), service);
        }
    }
}
