//! What the kernel's table holds and what it can be told. Plain values; their wire form is in `codec`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// `IP_VS_SVC_F_*`: bits of [`Service::flags`].
pub mod flags {
    /// A client's later connections go to its first server ([`super::Service::timeout`] seconds long).
    pub const PERSISTENT: u32 = 1;
    /// The kernel's own mark: the service is in its hash table. Never in a [`super::Service`] read from the kernel.
    pub const HASHED: u32 = 2;
    /// One-packet scheduling: every datagram is scheduled by itself (UDP).
    pub const ONE_PACKET: u32 = 4;
    /// First flag of the scheduler: `sh-fallback`, `mh-fallback`.
    pub const SCHEDULER_1: u32 = 8;
    /// Second flag of the scheduler: `sh-port`, `mh-port`.
    pub const SCHEDULER_2: u32 = 16;
    /// Third flag of the scheduler.
    pub const SCHEDULER_3: u32 = 32;
}

/// Checksum of a GUE or GRE header: values of the `flags` in [`Tunnel`].
pub mod tunnel_flags {
    /// No checksum.
    pub const NONE: u16 = 0;
    /// A checksum over the whole.
    pub const CHECKSUM: u16 = 1;
    /// Remote checksum offload (GUE).
    pub const REMOTE_CHECKSUM: u16 = 2;
}

/// Transport protocol of a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)] // protocol names
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// Address family of a firewall-mark service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4
    Inet,
    /// IPv6
    Inet6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Inet,
            IpAddr::V6(_) => Family::Inet6,
        }
    }

    /// What [`Service::netmask`] is when persistence is by whole addresses.
    pub fn whole_address(self) -> u32 {
        match self {
            Family::Inet => u32::MAX,
            Family::Inet6 => 128,
        }
    }
}

/// What the kernel identifies a service by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// Address, protocol and port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Port, 0 for every port (only with persistence).
        port: u16,
    },
    /// Packets that the firewall marked.
    Fwmark {
        /// The mark, not 0.
        mark: u32,
        /// Family of the packets.
        family: Family,
    },
}

impl Key {
    /// Family of the service's packets.
    pub fn family(&self) -> Family {
        match self {
            Key::Address { address, .. } => Family::of(*address),
            Key::Fwmark { family, .. } => *family,
        }
    }
}

impl fmt::Display for Key {
    /// `TCP 192.0.2.1:80`, `UDP [2001:db8::1]:53`, `FWM 3`, `FWM 3 IPv6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Address { protocol, address, port } => {
                let name = match protocol {
                    Protocol::Tcp => "TCP",
                    Protocol::Udp => "UDP",
                    Protocol::Sctp => "SCTP",
                };
                write!(f, "{name} {}", SocketAddr::new(*address, *port))
            }
            Key::Fwmark { mark, family: Family::Inet } => write!(f, "FWM {mark}"),
            Key::Fwmark { mark, family: Family::Inet6 } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

/// A virtual service.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Service {
    /// Its identity.
    pub key: Key,
    /// Name of the scheduler, 1 to 15 bytes; the kernel loads `ip_vs_NAME` when it lacks it. `none`: no scheduler.
    pub scheduler: String,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Persistence timeout in seconds.
    pub timeout: u32,
    /// Persistence granularity: IPv4 mask in host order (/24: `0xffff_ff00`), or IPv6 prefix length, 1 to 128.
    pub netmask: u32,
    /// Persistence engine, such as `sip`, 1 to 16 bytes.
    pub engine: Option<String>,
}

/// How packets reach a destination.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Forwarding {
    /// NAT
    Masq,
    /// The director serves by itself.
    Local,
    /// Encapsulated.
    Tunnel(Tunnel),
    /// Only the link address changes.
    DirectRoute,
    /// Past IPVS, to where the packet wanted anyway.
    Bypass,
}

/// Encapsulation of tunnelled packets. Kernels before 5.3 know IPIP only and take every other for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP Encapsulation.
    Gue {
        /// UDP port of the server.
        port: u16,
        /// One of [`tunnel_flags`].
        flags: u16,
    },
    /// Generic Routing Encapsulation.
    Gre {
        /// One of [`tunnel_flags`].
        flags: u16,
    },
}

/// A real server of a service; address and port identify it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// Its address; of the other family than the service's only with tunnels.
    pub address: IpAddr,
    /// Its port, 0 for services of every port and of marks.
    pub port: u16,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its share, 0: no new connections. At most `i32::MAX`.
    pub weight: u32,
    /// Connections from which on it gets no new ones, 0: no limit.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again, 0: three quarters of the upper one.
    pub lower_threshold: u32,
}

/// Traffic since the start or the last [`Command::Zero`], as the kernel sums it up every two seconds. From kernels before
/// 4.1 packets and connections wrap at 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, as far as they pass the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients, as far as they pass the director.
    pub bytes_out: u64,
}

/// A service as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceEntry {
    /// What it was told.
    pub service: Service,
    /// What it did.
    pub counters: Counters,
}

/// A destination as the kernel has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DestinationEntry {
    /// What it was told.
    pub destination: Destination,
    /// Connections in an established state.
    pub active: u32,
    /// Connections in another state.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// What it did.
    pub counters: Counters,
}

/// Timeouts of idle connections in seconds. 0: leave as it is; when read: the kernel was built without the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Timeouts {
    /// TCP, established.
    pub tcp: u32,
    /// TCP, after a FIN.
    pub tcp_fin: u32,
    /// UDP
    pub udp: u32,
}

/// What the kernel says of its IPVS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Version of IPVS, such as 1.2.1.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table.
    pub table_size: u32,
}

/// The side of a synchronisation daemon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DaemonState {
    /// Sends its connections.
    Master,
    /// Receives those of others.
    Backup,
}

/// A connection synchronisation daemon. There is at most one of each state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Daemon {
    /// Its side.
    pub state: DaemonState,
    /// Interface, 1 to 15 bytes.
    pub interface: String,
    /// Identity of the group of directors, 0 to 255 (a backup with 0 accepts all).
    pub sync_id: u32,
    /// Payload of a datagram; 0: what fits the interface.
    pub max_length: u16,
    /// Multicast group; `None`: 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; 0: 8848.
    pub port: u16,
    /// TTL of multicast; 0: 1.
    pub ttl: u8,
}

/// A change to the kernel's table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Adds a service (EEXIST: it is there).
    NewService(Service),
    /// Changes scheduler, flags and persistence of a service (ESRCH: it isn't there).
    SetService(Service),
    /// Removes a service and its destinations.
    DelService(Key),
    /// Adds a destination.
    NewDest(Key, Destination),
    /// Changes forwarding, weight and thresholds of a destination (ENOENT: it isn't there).
    SetDest(Key, Destination),
    /// Removes a destination; only its address and port matter. Its connections may live on.
    DelDest(Key, Destination),
    /// Removes everything.
    Flush,
    /// Sets the timeouts that aren't 0.
    SetTimeouts(Timeouts),
    /// Zeroes the counters of a service, or of all.
    Zero(Option<Key>),
    /// Starts a synchronisation daemon.
    NewDaemon(Daemon),
    /// Stops the synchronisation daemon of that state.
    DelDaemon(DaemonState),
}

impl fmt::Display for Command {
    /// What it does, to be followed by `: ` and an [`Error`](crate::Error).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |state: &DaemonState| match state {
            DaemonState::Master => "master",
            DaemonState::Backup => "backup",
        };
        let server = |d: &Destination| SocketAddr::new(d.address, d.port);
        match self {
            Command::NewService(s) => write!(f, "add service {} with scheduler {}", s.key, s.scheduler),
            Command::SetService(s) => write!(f, "change service {} to scheduler {}", s.key, s.scheduler),
            Command::DelService(key) => write!(f, "remove service {key}"),
            Command::NewDest(key, d) => write!(f, "add {} with weight {} to service {key}", server(d), d.weight),
            Command::SetDest(key, d) => write!(f, "change {} of service {key} to weight {}", server(d), d.weight),
            Command::DelDest(key, d) => write!(f, "remove {} from service {key}", server(d)),
            Command::Flush => f.write_str("remove all services"),
            Command::SetTimeouts(t) => write!(f, "set timeouts tcp {} tcpfin {} udp {}", t.tcp, t.tcp_fin, t.udp),
            Command::Zero(Some(key)) => write!(f, "zero the counters of service {key}"),
            Command::Zero(None) => f.write_str("zero all counters"),
            Command::NewDaemon(d) => write!(f, "start the {} sync daemon on {}", side(&d.state), d.interface),
            Command::DelDaemon(state) => write!(f, "stop the {} sync daemon", side(state)),
        }
    }
}
