//! Routes and rules as the kernel shall hold them. The protocol knows nothing of them; which interfaces they need, it has in
//! its own settings.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use vipd_vrrp::settings::{Family, Scope};

/// An address and how many of its bits count.
pub type Network = (IpAddr, u8);

/// `RTPROT_KEEPALIVED` (linux/rtnetlink.h): whose routes and rules they are unless the file says otherwise.
pub const PROTOCOL: u8 = 18;

/// What is done about one that somebody removes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Guard {
    /// It is put back.
    PutBack,
    /// `no_track`: nothing.
    LetGo,
}

/// Types of routes, `RTN_*` (linux/rtnetlink.h).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the configuration's own words
pub enum RouteType {
    Unicast = 1,
    Local = 2,
    Broadcast = 3,
    Anycast = 4,
    Multicast = 5,
    Blackhole = 6,
    Unreachable = 7,
    Prohibit = 8,
    Throw = 9,
}

impl RouteType {
    /// The configuration's words.
    pub const WORDS: [(&str, RouteType); 10] = [
        ("unicast", RouteType::Unicast),
        ("local", RouteType::Local),
        ("broadcast", RouteType::Broadcast),
        ("brd", RouteType::Broadcast),
        ("anycast", RouteType::Anycast),
        ("multicast", RouteType::Multicast),
        ("blackhole", RouteType::Blackhole),
        ("unreachable", RouteType::Unreachable),
        ("prohibit", RouteType::Prohibit),
        ("throw", RouteType::Throw),
    ];

    /// Whether packets go no further: such a route has no way.
    pub fn ends(self) -> bool {
        matches!(self, RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw)
    }

    fn word(self) -> &'static str {
        RouteType::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// Where routes are looked up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Table {
    /// By its number; 254 is the main one.
    Number(u32),
    /// `vrf`: that of this interface.
    Vrf(String),
}

/// How a route stands to others with its destination.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Order {
    /// `add`: only where there is none.
    Alone,
    /// `prepend`
    Before,
    /// `append`
    Behind,
}

/// A line of `virtual_routes` or `static_routes`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads. No bits beyond the prefix.
    pub destination: Network,
    /// `from`, IPv6.
    pub source: Option<Network>,
    /// Its type.
    pub kind: RouteType,
    /// `table` or `vrf`
    pub table: Table,
    /// `tos`
    pub tos: u8,
    /// `protocol`
    pub protocol: u8,
    /// `scope`
    pub scope: Scope,
    /// `metric`; 0: the kernel's.
    pub metric: u32,
    /// `src`
    pub preferred: Option<IpAddr>,
    /// `via`, `dev`, and each `nexthop`.
    pub hops: Vec<Hop>,
    /// `mtu`, `advmss` and the like, by their numbers (`RTAX_*`) with the kernel's units; `lock` is number 1.
    pub metrics: BTreeMap<u16, u32>,
    /// `congctl`
    pub congestion: Option<String>,
    /// `pref` (RFC 4191), IPv6.
    pub preference: Option<u8>,
    /// `expires`: seconds, IPv6.
    pub expires: Option<u32>,
    /// `ttl-propagate`
    pub ttl_propagate: Option<bool>,
    /// `add`, `append`, `prepend`
    pub order: Order,
    /// `no_track`
    pub guard: Guard,
}

/// A way of a route.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Hop {
    /// `via`; may be of the other family.
    pub gateway: Option<IpAddr>,
    /// `dev`
    pub device: Option<String>,
    /// `weight`, 1..=256.
    pub weight: u16,
    /// `onlink`
    pub onlink: bool,
    /// `realms`: FROM << 16 | TO.
    pub realms: Option<u32>,
    /// `encap`
    pub encap: Option<Encap>,
}

/// `encap`
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Encap {
    /// `mpls`: labels of 20 bits, the outermost first.
    Mpls(Vec<u32>),
    /// `ip`
    Ip(Tunnel),
    /// `ip6`
    Ip6(Tunnel),
    /// `ila`: the locator.
    Ila(u64),
}

/// What a packet is given on its way into a tunnel; at least a number or a destination.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Tunnel {
    /// `id`
    pub id: Option<u64>,
    /// `dst`
    pub destination: Option<IpAddr>,
    /// `src`
    pub source: Option<IpAddr>,
    /// `tos` or `tc`
    pub tos: Option<u8>,
    /// `ttl` or `hoplimit`
    pub ttl: Option<u8>,
    /// `flags`
    pub flags: Option<u16>,
}

/// What a rule does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Action {
    /// `table`
    Lookup(u32),
    /// `l3mdev`
    L3mdev,
    /// `goto`
    Goto(u32),
    /// `nop`
    Nop,
    /// `blackhole`
    Blackhole,
    /// `unreachable`
    Unreachable,
    /// `prohibit`
    Prohibit,
}

/// A line of `virtual_rules` or `static_rules`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// `priority`: the lowest comes first.
    pub preference: u32,
    /// `not`
    pub not: bool,
    /// `from`
    pub from: Option<Network>,
    /// `to`
    pub to: Option<Network>,
    /// `tos`
    pub tos: u8,
    /// `fwmark`: mark and mask.
    pub mark: Option<(u32, u32)>,
    /// `iif`
    pub input: Option<String>,
    /// `oif`
    pub output: Option<String>,
    /// `tunnel-id`; 0: none.
    pub tunnel: u64,
    /// `uidrange`
    pub users: Option<(u32, u32)>,
    /// `ipproto`; 0: all.
    pub ip_protocol: u8,
    /// `sport`
    pub sports: Option<(u16, u16)>,
    /// `dport`
    pub dports: Option<(u16, u16)>,
    /// `protocol`
    pub protocol: u8,
    /// What it does.
    pub action: Action,
    /// `realms`: FROM << 16 | TO; 0: none.
    pub realms: u32,
    /// `suppress_prefixlength`
    pub suppress_length: Option<u32>,
    /// `suppress_ifgroup`
    pub suppress_group: Option<u32>,
    /// `no_track`
    pub guard: Guard,
}

fn network(f: &mut fmt::Formatter<'_>, (address, length): Network) -> fmt::Result {
    match (length, address) {
        (0, _) => f.write_str("default"),
        (32, IpAddr::V4(_)) | (128, IpAddr::V6(_)) => write!(f, "{address}"),
        _ => write!(f, "{address}/{length}"),
    }
}

/// As `ip route` has it, as far as it tells routes apart.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteType::Unicast {
            write!(f, "{} ", self.kind.word())?;
        }
        if self.destination.1 == 0 && self.destination.0.is_ipv6() {
            f.write_str("inet6 ")?;
        }
        network(f, self.destination)?;
        if let Some(source) = self.source {
            f.write_str(" from ")?;
            network(f, source)?;
        }
        for hop in &self.hops {
            if self.hops.len() > 1 {
                f.write_str(" nexthop")?;
            }
            if let Some(gateway) = hop.gateway {
                write!(f, " via {gateway}")?;
            }
            if let Some(device) = &hop.device {
                write!(f, " dev {device}")?;
            }
        }
        match &self.table {
            Table::Number(254) => {}
            Table::Number(table) => write!(f, " table {table}")?,
            Table::Vrf(device) => write!(f, " vrf {device}")?,
        }
        if self.metric > 0 {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

/// As `ip rule` has it, as far as it tells rules apart.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.family == Family::V6 {
            f.write_str("inet6 ")?;
        }
        if self.not {
            f.write_str("not ")?;
        }
        f.write_str("from ")?;
        match self.from {
            Some(from) => network(f, from)?,
            None => f.write_str("all")?,
        }
        if let Some(to) = self.to {
            f.write_str(" to ")?;
            network(f, to)?;
        }
        if let Some((mark, mask)) = self.mark {
            write!(f, " fwmark {mark:#x}")?;
            if mask != u32::MAX {
                write!(f, "/{mask:#x}")?;
            }
        }
        for (word, device) in [("iif", &self.input), ("oif", &self.output)] {
            if let Some(device) = device {
                write!(f, " {word} {device}")?;
            }
        }
        write!(f, " priority {} ", self.preference)?;
        match &self.action {
            Action::Lookup(table) => write!(f, "lookup {table}"),
            Action::L3mdev => f.write_str("l3mdev"),
            Action::Goto(rule) => write!(f, "goto {rule}"),
            Action::Nop => f.write_str("nop"),
            Action::Blackhole => f.write_str("blackhole"),
            Action::Unreachable => f.write_str("unreachable"),
            Action::Prohibit => f.write_str("prohibit"),
        }
    }
}
