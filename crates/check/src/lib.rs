//! Probes of real servers, one file a kind: each connects, asks, and answers with a `Verdict` and its reason. No policy:
//! how often, how patiently, and what follows from a verdict is for others to say.
//!
//! A server is an enemy until it has answered: what it sends is bounded in size and in time, and read as a stream.

mod connect;
pub mod http;
pub mod tcp;
pub mod tls;

pub use connect::Target;
use std::fmt;
use std::io;
use std::time::Duration;

/// What a probe found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The server is well.
    Pass {
        /// In words: `connected`, `GET /: 200`.
        detail: String,
    },
    /// It is not.
    Fail(Why),
}

/// Why a probe failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// No connection: refused, unreachable, reset.
    Connect(String),
    /// This host could not even try: no descriptor, the address of `bindto` isn't here. The server may be well; nobody
    /// knows, and a server that nobody knows to be well is not used.
    Local(String),
    /// The connection took longer than this.
    ConnectTimeout(Duration),
    /// The answer took longer than this.
    AnswerTimeout(Duration),
    /// The TLS handshake failed.
    Tls(String),
    /// The server closed or reset before a whole answer.
    Closed(String),
    /// The answer isn't HTTP.
    Malformed(String),
    /// A status that isn't wanted.
    Status {
        /// What came.
        got: u16,
        /// Wanted: ranges with both ends.
        want: Vec<(u16, u16)>,
    },
    /// Another body than wanted.
    Digest {
        /// MD5 of what came.
        got: String,
        /// Wanted.
        want: String,
    },
    /// More body than is hashed.
    TooLong(u64),
    /// The request can't be written: a path or host that HTTP doesn't allow.
    Request(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Connect(e) => write!(f, "no connection: {e}"),
            Why::Local(e) => write!(f, "this host could not check: {e}"),
            Why::ConnectTimeout(t) => write!(f, "no connection within {t:?}"),
            Why::AnswerTimeout(t) => write!(f, "no whole answer within {t:?}"),
            Why::Tls(e) => write!(f, "TLS handshake failed: {e}"),
            Why::Closed(e) => write!(f, "closed before a whole answer: {e}"),
            Why::Malformed(e) => write!(f, "the answer isn't HTTP: {e}"),
            Why::Status { got, want } => {
                write!(f, "status {got} instead of ")?;
                for (i, (low, high)) in want.iter().enumerate() {
                    let or = if i > 0 { " or " } else { "" };
                    if low == high { write!(f, "{or}{low}")? } else { write!(f, "{or}{low}-{high}")? }
                }
                Ok(())
            }
            Why::Digest { got, want } => write!(f, "digest {got} instead of {want}"),
            Why::TooLong(bytes) => write!(f, "a body of more than {bytes} bytes"),
            Why::Request(e) => write!(f, "the request can't be written: {e}"),
        }
    }
}

impl Why {
    /// An error while connecting: the server's, or our own.
    fn connecting(error: &io::Error) -> Why {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, OutOfMemory, PermissionDenied};
        match error.kind() {
            AddrInUse | AddrNotAvailable | OutOfMemory | PermissionDenied => Why::Local(error.to_string()),
            // EMFILE, ENFILE, ENODEV (asm-generic/errno-base.h): descriptors, interface
            _ if matches!(error.raw_os_error(), Some(19 | 23 | 24)) => Why::Local(error.to_string()),
            _ => Why::Connect(error.to_string()),
        }
    }
}
