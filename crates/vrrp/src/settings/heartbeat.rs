//! Heartbeat paths: further ways by which the directors of one virtual router hear each other (`heartbeat_paths`).

use super::{Instance, Transport};
use alloc::string::{String, ToString};
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One line of `heartbeat_paths`: where the adverts of an instance travel once more.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HeartbeatPath {
    /// The interface, as it is: no virtual one is made upon it.
    pub interface: String,
    /// `src`; `None`: as `Instance::source` is chosen, from this interface.
    pub source: Option<IpAddr>,
    /// `peer`; without one, multicast.
    pub transport: Transport,
}

impl fmt::Display for HeartbeatPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.interface)?;
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if let Transport::Unicast { peers, .. } = &self.transport {
            peers.iter().try_for_each(|peer| write!(f, " peer {}", peer.address))?;
        }
        Ok(())
    }
}

/// By which way an advert comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Way {
    /// The instance's own interface.
    #[default]
    Own,
    /// The path at this index of `Instance::heartbeat_paths`.
    Path(usize),
}

impl Way {
    /// Its place in a list that begins with the own interface.
    pub(crate) fn index(self) -> usize {
        match self {
            Way::Own => 0,
            Way::Path(n) => n.saturating_add(1),
        }
    }

    /// The one at that place.
    pub(crate) fn at(index: usize) -> Way {
        index.checked_sub(1).map_or(Way::Own, Way::Path)
    }
}

impl Instance {
    /// The path of a way, unless it is the own interface.
    pub fn path(&self, way: Way) -> Option<&HeartbeatPath> {
        match way {
            Way::Own => None,
            Way::Path(n) => self.heartbeat_paths.get(n),
        }
    }

    /// How adverts travel by a way.
    pub fn transport_by(&self, way: Way) -> &Transport {
        self.path(way).map_or(&self.transport, |path| &path.transport)
    }

    /// The interface that adverts leave by; `None`: any.
    pub fn sends_by(&self, way: Way) -> Option<&str> {
        self.path(way).map_or_else(|| self.sends_on(), |path| Some(&path.interface))
    }

    /// The interface that adverts are heard on; `None`: any.
    pub fn hears_by(&self, way: Way) -> Option<&str> {
        self.path(way).map_or_else(|| self.hears_on(), |path| Some(&path.interface))
    }

    /// The name of a way for people.
    pub fn way_name(&self, way: Way) -> String {
        self.path(way).map_or_else(|| self.binding.to_string(), ToString::to_string)
    }
}
