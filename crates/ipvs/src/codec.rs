//! Values of IPVS to attributes and back. The numbers are those of linux/ip_vs.h, the only place that has them.

use crate::attr::{Attributes, Reason, Value, put, put_nest, put_text};
use crate::types::{
    Command, Counters, Daemon, DaemonState, Destination, DestinationEntry, Family, Forwarding, Info, Key, Protocol,
    Service, ServiceEntry, Timeouts, Tunnel, flags,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `IPVS_CMD_*`
pub(crate) mod cmd {
    pub(crate) const NEW_SERVICE: u8 = 1;
    pub(crate) const SET_SERVICE: u8 = 2;
    pub(crate) const DEL_SERVICE: u8 = 3;
    pub(crate) const GET_SERVICE: u8 = 4;
    pub(crate) const NEW_DEST: u8 = 5;
    pub(crate) const SET_DEST: u8 = 6;
    pub(crate) const DEL_DEST: u8 = 7;
    pub(crate) const GET_DEST: u8 = 8;
    pub(crate) const NEW_DAEMON: u8 = 9;
    pub(crate) const DEL_DAEMON: u8 = 10;
    pub(crate) const GET_DAEMON: u8 = 11;
    pub(crate) const SET_CONFIG: u8 = 12;
    pub(crate) const GET_CONFIG: u8 = 13;
    pub(crate) const SET_INFO: u8 = 14;
    pub(crate) const GET_INFO: u8 = 15;
    pub(crate) const ZERO: u8 = 16;
    pub(crate) const FLUSH: u8 = 17;
}

/// `IPVS_CMD_ATTR_*`
mod top {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DEST: u16 = 2;
    pub(super) const DAEMON: u16 = 3;
    pub(super) const TIMEOUT_TCP: u16 = 4;
    pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(super) const TIMEOUT_UDP: u16 = 6;
}

/// `IPVS_SVC_ATTR_*`
mod svc {
    pub(super) const AF: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const FWMARK: u16 = 5;
    pub(super) const SCHED_NAME: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const TIMEOUT: u16 = 8;
    pub(super) const NETMASK: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const PE_NAME: u16 = 11;
    pub(super) const STATS64: u16 = 12;
}

/// `IPVS_DEST_ATTR_*`
mod dest {
    pub(super) const ADDR: u16 = 1;
    pub(super) const PORT: u16 = 2;
    pub(super) const FWD_METHOD: u16 = 3;
    pub(super) const WEIGHT: u16 = 4;
    pub(super) const U_THRESH: u16 = 5;
    pub(super) const L_THRESH: u16 = 6;
    pub(super) const ACTIVE_CONNS: u16 = 7;
    pub(super) const INACT_CONNS: u16 = 8;
    pub(super) const PERSIST_CONNS: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const ADDR_FAMILY: u16 = 11;
    pub(super) const STATS64: u16 = 12;
    pub(super) const TUN_TYPE: u16 = 13;
    pub(super) const TUN_PORT: u16 = 14;
    pub(super) const TUN_FLAGS: u16 = 15;
}

/// `IPVS_DAEMON_ATTR_*`
mod daemon {
    pub(super) const STATE: u16 = 1;
    pub(super) const MCAST_IFN: u16 = 2;
    pub(super) const SYNC_ID: u16 = 3;
    pub(super) const SYNC_MAXLEN: u16 = 4;
    pub(super) const MCAST_GROUP: u16 = 5;
    pub(super) const MCAST_GROUP6: u16 = 6;
    pub(super) const MCAST_PORT: u16 = 7;
    pub(super) const MCAST_TTL: u16 = 8;
}

/// Longest names, without their NUL.
const SCHEDULER: usize = 15;
const ENGINE: usize = 16;
const INTERFACE: usize = 15;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

fn af(family: Family) -> u16 {
    match family {
        Family::Inet => AF_INET,
        Family::Inet6 => AF_INET6,
    }
}

fn family(af: u16) -> Result<Family, Reason> {
    match af {
        AF_INET => Ok(Family::Inet),
        AF_INET6 => Ok(Family::Inet6),
        _ => Err("an address family that is neither IPv4 nor IPv6"),
    }
}

/// Always 16 bytes, an IPv4 address in the first four.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn address(bytes: [u8; 16], family: Family) -> IpAddr {
    match family {
        Family::Inet => Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(),
        Family::Inet6 => Ipv6Addr::from(bytes).into(),
    }
}

/// The attributes of a command.
pub(crate) fn put_command(out: &mut Vec<u8>, command: &Command) {
    match command {
        Command::NewService(service) | Command::SetService(service) => put_service(out, service),
        Command::DelService(key) => put_service_key(out, key),
        Command::NewDest(key, destination) | Command::SetDest(key, destination) => {
            put_service_key(out, key);
            put_destination(out, destination);
        }
        Command::DelDest(key, destination) => {
            put_service_key(out, key);
            put_nest(out, top::DEST, |out| put_destination_key(out, destination));
        }
        Command::Flush | Command::Zero(None) => {}
        Command::Zero(Some(key)) => put_service_key(out, key),
        Command::SetTimeouts(timeouts) => {
            let set = [
                (top::TIMEOUT_TCP, timeouts.tcp),
                (top::TIMEOUT_TCP_FIN, timeouts.tcp_fin),
                (top::TIMEOUT_UDP, timeouts.udp),
            ];
            for (kind, seconds) in set.into_iter().filter(|(_, seconds)| *seconds != 0) {
                put(out, kind, &seconds.to_ne_bytes());
            }
        }
        Command::NewDaemon(daemon) => put_daemon(out, daemon),
        Command::DelDaemon(state) => put_nest(out, top::DAEMON, |out| put_state(out, *state)),
    }
}

/// The number of a command.
pub(crate) fn number(command: &Command) -> u8 {
    match command {
        Command::NewService(_) => cmd::NEW_SERVICE,
        Command::SetService(_) => cmd::SET_SERVICE,
        Command::DelService(_) => cmd::DEL_SERVICE,
        Command::NewDest(..) => cmd::NEW_DEST,
        Command::SetDest(..) => cmd::SET_DEST,
        Command::DelDest(..) => cmd::DEL_DEST,
        Command::Flush => cmd::FLUSH,
        Command::SetTimeouts(_) => cmd::SET_CONFIG,
        Command::Zero(_) => cmd::ZERO,
        Command::NewDaemon(_) => cmd::NEW_DAEMON,
        Command::DelDaemon(_) => cmd::DEL_DAEMON,
    }
}

/// Whether the kernel would read the command as it is meant. Limits that it checks by itself are left to it.
pub(crate) fn usable(command: &Command) -> Result<(), Reason> {
    let named = |name: &str, longest, why| {
        let fits = !name.is_empty() && name.len() <= longest && !name.contains('\0');
        if fits { Ok(()) } else { Err(why) }
    };
    match command {
        Command::NewService(service) | Command::SetService(service) => {
            named(&service.scheduler, SCHEDULER, "the name of a scheduler has 1 to 15 bytes and no NUL")?;
            if let Some(engine) = &service.engine {
                named(engine, ENGINE, "the name of a persistence engine has 1 to 16 bytes and no NUL")?;
            }
            usable_key(&service.key)
        }
        Command::NewDest(key, _) | Command::SetDest(key, _) | Command::DelDest(key, _) => usable_key(key),
        Command::DelService(key) | Command::Zero(Some(key)) => usable_key(key),
        Command::NewDaemon(daemon) => {
            named(&daemon.interface, INTERFACE, "the name of an interface has 1 to 15 bytes and no NUL")?;
            // The kernel would keep only the low byte of it on the wire.
            if daemon.sync_id > 255 { Err("a sync id is 0 to 255") } else { Ok(()) }
        }
        Command::Flush | Command::Zero(None) | Command::SetTimeouts(_) | Command::DelDaemon(_) => Ok(()),
    }
}

/// A mark of 0 would be taken for a service of the address 0.0.0.0.
pub(crate) fn usable_key(key: &Key) -> Result<(), Reason> {
    match key {
        Key::Fwmark { mark: 0, .. } => Err("the firewall mark of a service is not 0"),
        Key::Fwmark { .. } | Key::Address { .. } => Ok(()),
    }
}

/// A service by its key alone.
pub(crate) fn put_service_key(out: &mut Vec<u8>, key: &Key) {
    put_nest(out, top::SERVICE, |out| put_key(out, key));
}

fn put_key(out: &mut Vec<u8>, key: &Key) {
    put(out, svc::AF, &af(key.family()).to_ne_bytes());
    match key {
        Key::Address { protocol, address, port } => {
            let number: u16 = match protocol {
                Protocol::Tcp => 6,
                Protocol::Udp => 17,
                Protocol::Sctp => 132,
            };
            put(out, svc::PROTOCOL, &number.to_ne_bytes());
            put(out, svc::ADDR, &address_bytes(*address));
            put(out, svc::PORT, &port.to_be_bytes());
        }
        Key::Fwmark { mark, .. } => put(out, svc::FWMARK, &mark.to_ne_bytes()),
    }
}

fn put_service(out: &mut Vec<u8>, service: &Service) {
    put_nest(out, top::SERVICE, |out| {
        put_key(out, &service.key);
        put_text(out, svc::SCHED_NAME, &service.scheduler);
        if let Some(engine) = &service.engine {
            put_text(out, svc::PE_NAME, engine);
        }
        // The flags, and which of them are meant: all.
        let mut set = [0xff; 8];
        set[..4].copy_from_slice(&service.flags.to_ne_bytes());
        put(out, svc::FLAGS, &set);
        put(out, svc::TIMEOUT, &service.timeout.to_ne_bytes());
        // A mask in network order, a prefix length in the host's.
        let netmask = match service.key.family() {
            Family::Inet => service.netmask.to_be_bytes(),
            Family::Inet6 => service.netmask.to_ne_bytes(),
        };
        put(out, svc::NETMASK, &netmask);
    });
}

fn put_destination_key(out: &mut Vec<u8>, destination: &Destination) {
    put(out, dest::ADDR_FAMILY, &af(Family::of(destination.address)).to_ne_bytes());
    put(out, dest::ADDR, &address_bytes(destination.address));
    put(out, dest::PORT, &destination.port.to_be_bytes());
}

fn put_destination(out: &mut Vec<u8>, destination: &Destination) {
    put_nest(out, top::DEST, |out| {
        put_destination_key(out, destination);
        let (method, tunnel): (u32, _) = match destination.forwarding {
            Forwarding::Masq => (0, None),
            Forwarding::Local => (1, None),
            Forwarding::Tunnel(tunnel) => (2, Some(tunnel)),
            Forwarding::DirectRoute => (3, None),
            Forwarding::Bypass => (4, None),
        };
        put(out, dest::FWD_METHOD, &method.to_ne_bytes());
        put(out, dest::WEIGHT, &destination.weight.to_ne_bytes());
        put(out, dest::U_THRESH, &destination.upper_threshold.to_ne_bytes());
        put(out, dest::L_THRESH, &destination.lower_threshold.to_ne_bytes());
        match tunnel {
            None => {}
            Some(Tunnel::Ipip) => put(out, dest::TUN_TYPE, &[0]),
            Some(Tunnel::Gue { port, flags }) => {
                put(out, dest::TUN_TYPE, &[1]);
                put(out, dest::TUN_PORT, &port.to_be_bytes());
                put(out, dest::TUN_FLAGS, &flags.to_ne_bytes());
            }
            Some(Tunnel::Gre { flags }) => {
                put(out, dest::TUN_TYPE, &[2]);
                put(out, dest::TUN_FLAGS, &flags.to_ne_bytes());
            }
        }
    });
}

fn put_state(out: &mut Vec<u8>, state: DaemonState) {
    let number: u32 = match state {
        DaemonState::Master => 1,
        DaemonState::Backup => 2,
    };
    put(out, daemon::STATE, &number.to_ne_bytes());
}

fn put_daemon(out: &mut Vec<u8>, daemon: &Daemon) {
    put_nest(out, top::DAEMON, |out| {
        put_state(out, daemon.state);
        put_text(out, daemon::MCAST_IFN, &daemon.interface);
        put(out, daemon::SYNC_ID, &daemon.sync_id.to_ne_bytes());
        if daemon.max_length != 0 {
            put(out, daemon::SYNC_MAXLEN, &daemon.max_length.to_ne_bytes());
        }
        match daemon.group {
            Some(IpAddr::V4(group)) => put(out, daemon::MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => put(out, daemon::MCAST_GROUP6, &group.octets()),
            None => {}
        }
        // The one port of this interface that is in host order.
        if daemon.port != 0 {
            put(out, daemon::MCAST_PORT, &daemon.port.to_ne_bytes());
        }
        if daemon.ttl != 0 {
            put(out, daemon::MCAST_TTL, &[daemon.ttl]);
        }
    });
}

mod decode;
pub(crate) use decode::{daemon, destination, info, service, timeouts};

#[cfg(test)]
mod tests;
