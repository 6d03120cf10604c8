//! `servers_from_file` and `servers_from_dns`: where further real servers of a virtual server are found while the daemon runs,
//! and what those are like.

mod listing;

pub use listing::{LONGEST, parse};

use crate::model::ServerNotify;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use vipd_lvs::settings::{Checker, Family, RealServer};

/// Servers of one place at most: where there are more, none of them counts.
pub const MOST: usize = 4096;

/// A server that was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// Its weight, if that was found beside it.
    pub weight: Option<u32>,
}

/// What was found at a place; or why that can't be said.
pub type Outcome = Result<Vec<Server>, String>;

/// One place where real servers are found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Discovery {
    /// Where.
    pub origin: Origin,
    /// `allow_empty`: that there is none counts, too.
    pub allow_empty: bool,
    /// What a server is like that is found there. It has no address of its own: an unspecified one of the virtual server's family
    /// and port 0, which its checks have for a target where they are to go to the server.
    pub template: RealServer,
    /// The port that packets keep which are not rewritten, whatever port was found; `None`: they go to that one.
    pub kept_port: Option<u16>,
    /// Who is told of a server that is found there.
    pub told: ServerNotify,
}

/// Where real servers are found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// In a file, one a line.
    File(PathBuf),
    /// In what a name server answers.
    Dns(Lookup),
}

/// What a name server is asked, and how often.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Lookup {
    /// The name, without a dot at its end.
    pub name: String,
    /// `type`
    pub kind: Records,
    /// `resolver`, `resolver_port`: who is asked, one after the other; none: those of the host.
    pub resolvers: Vec<SocketAddr>,
    /// `min_ttl`: for so long an answer counts at least.
    pub min_ttl: Duration,
    /// `max_ttl`: for so long at most.
    pub max_ttl: Duration,
}

/// Which records hold the servers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Records {
    /// `A`: addresses; every server has this port.
    A(u16),
    /// `AAAA`: the same for IPv6.
    Aaaa(u16),
    /// `SRV`: ports, weights and names, whose addresses are of this family.
    Srv(Family),
}

impl Records {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Records::A(_) => "A",
            Records::Aaaa(_) => "AAAA",
            Records::Srv(_) => "SRV",
        }
    }
}

impl Origin {
    /// Whether what was found at the one is what the other one would find: who is asked, and how often, does not matter.
    pub fn is_that_of(&self, other: &Origin) -> bool {
        match (self, other) {
            (Origin::File(one), Origin::File(two)) => one == two,
            (Origin::Dns(one), Origin::Dns(two)) => {
                let kind = match (one.kind, two.kind) {
                    // The port is not the name server's to say.
                    (Records::A(_), Records::A(_)) | (Records::Aaaa(_), Records::Aaaa(_)) => true,
                    (one, two) => one == two,
                };
                kind && one.name.eq_ignore_ascii_case(&two.name)
            }
            (Origin::File(_), Origin::Dns(_)) | (Origin::Dns(_), Origin::File(_)) => false,
        }
    }
}

/// `file /etc/vipd/web.servers`, `DNS SRV _http._tcp.example.org`
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Dns(lookup) => write!(f, "DNS {} {}", lookup.kind.name(), lookup.name),
        }
    }
}

impl Discovery {
    /// The real server that is found at this address, with the weight that is found beside it.
    pub fn server(&self, found: SocketAddr, weight: Option<u32>) -> RealServer {
        let unsaid = self.template.address.ip();
        let found = match &self.origin {
            // As it is configured now, whatever it was when that was asked for.
            Origin::Dns(Lookup { kind: Records::A(port) | Records::Aaaa(port), .. }) => {
                SocketAddr::new(found.ip(), *port)
            }
            Origin::Dns(_) | Origin::File(_) => found,
        };
        let address = SocketAddr::new(found.ip(), self.kept_port.unwrap_or(found.port()));
        let one = |checker: &Checker| {
            let said = checker.target;
            let ip = if said.ip() == unsaid { found.ip() } else { said.ip() };
            // As with those that are written, checks go to the port that was found, also where packets keep the service's.
            let target = SocketAddr::new(ip, if said.port() == 0 { found.port() } else { said.port() });
            Checker { target, ..checker.clone() }
        };
        let checkers = self.template.checkers.iter().map(one).collect();
        RealServer { address, checkers, weight: weight.unwrap_or(self.template.weight), ..self.template.clone() }
    }
}
