//! Attributes to values. Whatever the bytes, the outcome is a value or the reason why there is none.

use super::*;

/// The attributes of the nest that an answer consists of.
fn only(attributes: &[u8], wanted: u16, missing: Reason) -> Result<Attributes<'_>, Reason> {
    for attribute in Attributes::new(attributes) {
        let (kind, value) = attribute?;
        if kind == wanted {
            return Ok(value.nest());
        }
    }
    Err(missing)
}

pub(crate) fn service(attributes: &[u8]) -> Result<ServiceEntry, Reason> {
    let (mut af, mut protocol, mut address_, mut port, mut mark) = (None, None, None, None, None);
    let (mut scheduler, mut flags_, mut timeout, mut netmask, mut engine) = (None, None, None, None, None);
    let (mut stats, mut stats64) = (None, None);
    for attribute in only(attributes, top::SERVICE, "an answer without a service")? {
        let (kind, value) = attribute?;
        match kind {
            svc::AF => af = Some(value.u16()?),
            svc::PROTOCOL => protocol = Some(value.u16()?),
            svc::ADDR => address_ = Some(value.array()?),
            svc::PORT => port = Some(value.be16()?),
            svc::FWMARK => mark = Some(value.u32()?),
            svc::SCHED_NAME => scheduler = Some(value.name(SCHEDULER)?),
            svc::FLAGS => flags_ = Some(value.array::<8>()?),
            svc::TIMEOUT => timeout = Some(value.u32()?),
            svc::NETMASK => netmask = Some(value.array()?),
            svc::PE_NAME => engine = Some(value.name(ENGINE)?),
            svc::STATS => stats = Some(value),
            svc::STATS64 => stats64 = Some(value),
            _ => {} // newer than this
        }
    }
    let family = family(af.ok_or("a service without an address family")?)?;
    let key = match (mark, protocol, address_, port) {
        (Some(mark), ..) => Key::Fwmark { mark, family },
        (None, Some(number), Some(bytes), Some(port)) => {
            let protocol = match number {
                6 => Protocol::Tcp,
                17 => Protocol::Udp,
                132 => Protocol::Sctp,
                _ => return Err("a service of an unknown protocol"),
            };
            Key::Address { protocol, address: address(bytes, family), port }
        }
        _ => return Err("a service with neither an address nor a mark"),
    };
    let netmask = netmask.ok_or("a service without a netmask")?;
    let [f0, f1, f2, f3, ..] = flags_.ok_or("a service without flags")?;
    Ok(ServiceEntry {
        service: Service {
            key,
            scheduler: scheduler.ok_or("a service without a scheduler")?,
            flags: u32::from_ne_bytes([f0, f1, f2, f3]) & !flags::HASHED,
            timeout: timeout.ok_or("a service without a timeout")?,
            netmask: match family {
                Family::Inet => u32::from_be_bytes(netmask),
                Family::Inet6 => u32::from_ne_bytes(netmask),
            },
            engine: engine.filter(|engine| !engine.is_empty()),
        },
        counters: counters(stats64.or(stats))?,
    })
}

/// `of` is the family of the service, which the destination has when it says nothing.
pub(crate) fn destination(attributes: &[u8], of: Family) -> Result<DestinationEntry, Reason> {
    let (mut af, mut bytes, mut port, mut method, mut weight) = (None, None, None, None, None);
    let (mut upper, mut lower, mut active, mut inactive, mut persistent) = (None, None, 0, 0, 0);
    let (mut tunnel_type, mut tunnel_port, mut tunnel_flags) = (0, 0, 0);
    let (mut stats, mut stats64) = (None, None);
    for attribute in only(attributes, top::DEST, "an answer without a destination")? {
        let (kind, value) = attribute?;
        match kind {
            dest::ADDR => bytes = Some(value.array()?),
            dest::PORT => port = Some(value.be16()?),
            dest::FWD_METHOD => method = Some(value.u32()?),
            dest::WEIGHT => weight = Some(value.u32()?),
            dest::U_THRESH => upper = Some(value.u32()?),
            dest::L_THRESH => lower = Some(value.u32()?),
            dest::ACTIVE_CONNS => active = value.u32()?,
            dest::INACT_CONNS => inactive = value.u32()?,
            dest::PERSIST_CONNS => persistent = value.u32()?,
            dest::STATS => stats = Some(value),
            dest::ADDR_FAMILY => af = Some(value.u16()?),
            dest::STATS64 => stats64 = Some(value),
            dest::TUN_TYPE => tunnel_type = value.u8()?,
            dest::TUN_PORT => tunnel_port = value.be16()?,
            dest::TUN_FLAGS => tunnel_flags = value.u16()?,
            _ => {} // newer than this
        }
    }
    let family = af.map_or(Ok(of), family)?;
    // The other bits of the method are flags of connections.
    let forwarding = match method.ok_or("a destination without a forwarding method")? & 7 {
        0 => Forwarding::Masq,
        1 => Forwarding::Local,
        2 => Forwarding::Tunnel(match tunnel_type {
            0 => Tunnel::Ipip,
            1 => Tunnel::Gue { port: tunnel_port, flags: tunnel_flags },
            2 => Tunnel::Gre { flags: tunnel_flags },
            _ => return Err("a destination with an unknown tunnel"),
        }),
        3 => Forwarding::DirectRoute,
        4 => Forwarding::Bypass,
        _ => return Err("a destination with an unknown forwarding method"),
    };
    Ok(DestinationEntry {
        destination: Destination {
            address: address(bytes.ok_or("a destination without an address")?, family),
            port: port.ok_or("a destination without a port")?,
            forwarding,
            weight: weight.ok_or("a destination without a weight")?,
            upper_threshold: upper.ok_or("a destination without an upper threshold")?,
            lower_threshold: lower.ok_or("a destination without a lower threshold")?,
        },
        active,
        inactive,
        persistent,
        counters: counters(stats64.or(stats))?,
    })
}

/// `IPVS_STATS_ATTR_*`; rates aren't taken.
fn counters(stats: Option<Value<'_>>) -> Result<Counters, Reason> {
    let mut counters = Counters::default();
    let Some(stats) = stats else { return Ok(counters) };
    for attribute in stats.nest() {
        let (kind, value) = attribute?;
        match kind {
            1 => counters.connections = value.counter()?,
            2 => counters.packets_in = value.counter()?,
            3 => counters.packets_out = value.counter()?,
            4 => counters.bytes_in = value.counter()?,
            5 => counters.bytes_out = value.counter()?,
            _ => {}
        }
    }
    Ok(counters)
}

pub(crate) fn timeouts(attributes: &[u8]) -> Result<Timeouts, Reason> {
    let mut timeouts = Timeouts::default();
    for attribute in Attributes::new(attributes) {
        let (kind, value) = attribute?;
        match kind {
            top::TIMEOUT_TCP => timeouts.tcp = value.u32()?,
            top::TIMEOUT_TCP_FIN => timeouts.tcp_fin = value.u32()?,
            top::TIMEOUT_UDP => timeouts.udp = value.u32()?,
            _ => {}
        }
    }
    Ok(timeouts)
}

pub(crate) fn info(attributes: &[u8]) -> Result<Info, Reason> {
    let (mut version, mut table_size) = (None, None);
    for attribute in Attributes::new(attributes) {
        let (kind, value) = attribute?;
        match kind {
            1 => version = Some(value.u32()?),
            2 => table_size = Some(value.u32()?),
            _ => {}
        }
    }
    let [_, major, minor, patch] = version.ok_or("information without a version")?.to_be_bytes();
    Ok(Info { version: (major, minor, patch), table_size: table_size.ok_or("information without a table size")? })
}

pub(crate) fn daemon(attributes: &[u8]) -> Result<Daemon, Reason> {
    let (mut state, mut interface, mut sync_id) = (None, None, None);
    let (mut max_length, mut group, mut port, mut ttl) = (0, None, 0, 0);
    for attribute in only(attributes, top::DAEMON, "an answer without a sync daemon")? {
        let (kind, value) = attribute?;
        match kind {
            super::daemon::STATE => state = Some(value.u32()?),
            super::daemon::MCAST_IFN => interface = Some(value.name(INTERFACE)?),
            super::daemon::SYNC_ID => sync_id = Some(value.u32()?),
            super::daemon::SYNC_MAXLEN => max_length = value.u16()?,
            super::daemon::MCAST_GROUP => group = Some(IpAddr::from(value.array::<4>()?)),
            super::daemon::MCAST_GROUP6 => group = Some(IpAddr::from(value.array::<16>()?)),
            super::daemon::MCAST_PORT => port = value.u16()?,
            super::daemon::MCAST_TTL => ttl = value.u8()?,
            _ => {}
        }
    }
    let state = match state.ok_or("a sync daemon without a state")? {
        1 => DaemonState::Master,
        2 => DaemonState::Backup,
        _ => return Err("a sync daemon in an unknown state"),
    };
    let interface = interface.ok_or("a sync daemon without an interface")?;
    let sync_id = sync_id.ok_or("a sync daemon without an id")?;
    Ok(Daemon { state, interface, sync_id, max_length, group, port, ttl })
}
