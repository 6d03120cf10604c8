//! What a session is told to be. Pure data: the configuration lowers to these types and the machine reads them; every
//! value here is already in range.

use crate::units::Micros;
use alloc::string::String;
use core::net::IpAddr;
use core::num::NonZeroU8;
use serde::{Deserialize, Serialize};

/// How far away the neighbour may be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Hops {
    /// On the same link (RFC 5881).
    Single,
    /// `multihop`: behind routers (RFC 5883).
    Multiple,
}

impl Hops {
    /// Where control packets go: UDP port 3784 (RFC 5881, 4) or 4784 (RFC 5883, 5).
    pub const fn port(self) -> u16 {
        match self {
            Hops::Single => 3784,
            Hops::Multiple => 4784,
        }
    }
}

/// Who begins (RFC 5880, 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// We send whether or not the neighbour was heard.
    Active,
    /// `passive`: we are silent until the neighbour was heard.
    Passive,
}

/// With what TTL or hop limit the neighbour sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Habit {
    /// With ours.
    #[default]
    Ours,
    /// With ours or, as a keepalived does over IPv6 that is told nothing, with 64: that has to be found out.
    Unknown,
}

/// What a keepalived sends over IPv6 that is told nothing: the kernel's default.
const KERNELS: u8 = 64;

/// One `bfd_instance` (defaults of keepalived in brackets).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Its name in the file; unique.
    pub name: String,
    /// `neighbor_ip`
    pub neighbour: IpAddr,
    /// `source_ip`, of the neighbour's family; `None`: as the kernel chooses.
    pub source: Option<IpAddr>,
    /// `min_rx` [10 ms]: we can take packets this far apart; 1 ms at least.
    pub min_rx: Micros,
    /// `min_tx` [10 ms]: we want to send this far apart while Up; 1 ms at least.
    pub min_tx: Micros,
    /// `idle_tx` [1 s]: the same while not Up; 1 s at least (RFC 5880, 6.8.3).
    pub idle_tx: Micros,
    /// `multiplier` [5]: the neighbour takes us for gone after so many intervals of silence.
    pub multiplier: NonZeroU8,
    /// `passive`
    pub role: Role,
    /// `ttl`, `hoplimit` [255]: TTL or hop limit of what is sent.
    pub ttl: u8,
    /// `max_hops` [0]: what comes may have lost so many of that. 0: nothing that crossed a router is believed (RFC
    /// 5881, 5); 255: everything is.
    pub max_hops: u8,
    /// What the neighbour sends with: unknown over IPv6 without `hoplimit`.
    #[serde(default)]
    pub habit: Habit,
    /// `multihop`
    pub hops: Hops,
}

impl Instance {
    /// The least TTL or hop limit that is believed of a neighbour of which this is the highest that came; `None`: it is
    /// not known. One on the same link that has sent with ours once is believed from there alone (RFC 5881, 5).
    pub fn least_ttl(&self, highest: Option<u8>) -> u8 {
        let found_out = self.hops == Hops::Single && highest.is_some_and(|ttl| ttl >= self.ttl);
        let sent = match self.habit {
            Habit::Unknown if !found_out => self.ttl.min(KERNELS),
            Habit::Ours | Habit::Unknown => self.ttl,
        };
        sent.saturating_sub(self.max_hops)
    }
}
