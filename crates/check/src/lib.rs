//! Probes of real servers: each asks one server one question and answers with a [`Verdict`] and a reason that an operator
//! can act on. No policy: how often to ask, and how many failures make a server dead, is `vipd-lvs`'s.
//!
//! ```text
//!   tcp::probe ---- connect --------------------------------> Pass | Fail(Why)
//!   http::probe --- connect ------------- http::exchange ---> Pass | Fail(Why)
//!   tls::probe ---- connect -- handshake -- http::exchange -> Pass | Fail(Why)
//!   agent::probe -- connect -- one line --------------------> Answer | Why
//!   grpc::probe --- connect -- (handshake) -- one call -----> Pass | Fail(Why)
//!   smtp::probe --- connect -- 220, HELO, 250, QUIT --------> Pass | Fail(Why)
//!   udp::probe ---- one datagram, and what comes back ------> Pass | Fail(Why)
//!   dns::probe ---- one question, and the answer to it -----> Pass | Fail(Why)
//!   ping::probe --- one echo request, and its reply --------> Pass | Fail(Why)
//!   resolve ------- a name, asked of name servers --------> Answer | Vain
//! ```
//!
//! What every probe keeps to:
//!
//! - It ends. Connecting, the TLS handshake, the whole answer and the search of its body may take [`Target::timeout`] each,
//!   however the server drips.
//! - It is small. Whatever a server sends, a probe holds tens of kilobytes; bodies are hashed as they come, up to a bound. One
//!   that looks for a pattern holds what it searches, up to another bound, and all of those together up to a third.
//! - It leaves nothing behind. Dropping the future closes the socket; no task outlives it, but for a search, which soon ends.
//! - It can't be hurt by its own host: no descriptors or a wrong `bindto` is a failure that says so ([`Why::Local`]).

pub mod agent;
mod body;
mod connect;
pub mod dns;
pub mod grpc;
pub mod http;
mod http2;
pub mod ping;
pub mod resolve;
pub mod smtp;
#[cfg(fuzzing)]
pub mod stages;
mod tap;
pub mod tcp;
pub mod tls;
pub mod udp;
mod why;

pub use vipd_pattern::{BodyPattern, Pattern, RegexOption};
pub use why::{Step, Why, ranges};

use std::net::SocketAddr;
use std::time::Duration;

/// Where a probe goes, and how it gets there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// What is connected to.
    pub address: SocketAddr,
    /// Source address and port (port 0: any); `None`: the kernel chooses.
    pub bind: Option<SocketAddr>,
    /// Only through this interface (`SO_BINDTODEVICE`).
    pub bind_device: Option<String>,
    /// Firewall mark of the packets (`SO_MARK`; needs `CAP_NET_RAW` or `CAP_NET_ADMIN`); 0: none.
    pub fwmark: u32,
    /// How connections to it are closed.
    pub ending: Ending,
    /// How long each step may take: connecting, the TLS handshake, the whole answer, the search of its body.
    pub timeout: Duration,
}

impl Target {
    /// A target that is reached in the ordinary way.
    pub fn new(address: SocketAddr, timeout: Duration) -> Target {
        Target { address, bind: None, bind_device: None, fwmark: 0, ending: Ending::Order, timeout }
    }
}

/// How a TCP connection is closed from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// By a FIN: this host keeps the connection in `TIME_WAIT` for a minute, unless the server has closed it before.
    #[default]
    Order,
    /// By a RST (`SO_LINGER` of zero): nothing is left of it on either side.
    Reset,
}

/// What an operator should see to though a server passed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// In words, which change as time passes.
    pub text: String,
    /// What it is about: the same number for the same certificate, in one process.
    pub about: u64,
}

/// What a probe found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The server does what it should.
    Pass {
        /// What was seen: `connected`, `status 200, 612 bytes`.
        detail: String,
        /// What an operator should see to before it does not any more.
        notice: Option<Notice>,
    },
    /// It doesn't, or it could not be asked.
    Fail(Why),
}

impl From<Result<(String, Option<Notice>), Why>> for Verdict {
    fn from(found: Result<(String, Option<Notice>), Why>) -> Verdict {
        match found {
            Ok((detail, notice)) => Verdict::Pass { detail, notice },
            Err(why) => Verdict::Fail(why),
        }
    }
}

impl From<Result<String, Why>> for Verdict {
    fn from(found: Result<String, Why>) -> Verdict {
        match found {
            Ok(detail) => Verdict::Pass { detail, notice: None },
            Err(why) => Verdict::Fail(why),
        }
    }
}
