//! The reasons for which a probe fails, each with a sentence for the operator. Not the decision what follows from one.

use std::fmt;
use std::time::Duration;

/// What a probe was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The TCP handshake.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// From the request to the end of the answer's header.
    Header,
    /// The rest of the answer.
    Body,
    /// Looking for a pattern in the body.
    Search,
    /// Waiting for a reply that is one datagram or one line.
    Reply,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Connect => "connecting",
            Step::Handshake => "the TLS handshake",
            Step::Header => "waiting for the answer",
            Step::Body => "reading the body",
            Step::Search => "searching the body",
            Step::Reply => "waiting for a reply",
        })
    }
}

/// Why a probe failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// Nobody listens there.
    Refused,
    /// Datagrams to that port are turned away (ICMP).
    PortUnreachable,
    /// No way there: the text is the kernel's.
    Unreachable(String),
    /// The peer reset the connection.
    Reset(Step),
    /// A step took longer than it may.
    TimedOut {
        /// What was done.
        step: Step,
        /// How long it was allowed to take.
        after: Duration,
        /// Bytes of the answer that had come by then.
        received: u64,
    },
    /// The server closed the connection without a single byte.
    Closed(Step),
    /// This host could not even ask.
    Local {
        /// What was tried.
        tried: String,
        /// The kernel's answer, or what is wrong with the request.
        error: String,
    },
    /// The TLS handshake failed.
    Tls(String),
    /// The server's certificate is not what it should be.
    Certificate(String),
    /// The server's answer to the TLS handshake was not TLS: probably a plain port.
    NotTls,
    /// The server's answer to a plain request was TLS: probably an SSL_GET was meant.
    IsTls,
    /// The body is not framed as HTTP wants it: its chunks, mostly.
    Garbled {
        /// What was wrong with it.
        error: String,
    },
    /// Not an HTTP answer.
    Malformed {
        /// What was wrong with it.
        error: String,
        /// How the answer began; printable, short.
        began: String,
    },
    /// The header is larger than a probe reads.
    HeaderTooLarge {
        /// Bytes that are read.
        limit: usize,
    },
    /// The answer ended too early.
    Truncated {
        /// Bytes of the answer that had come, header included.
        received: u64,
    },
    /// Another status than the wanted ones.
    Status {
        /// What the server said.
        got: u16,
        /// What is wanted; both ends included.
        wanted: Vec<(u16, u16)>,
        /// Where a redirect, which is not followed, leads to; printable, short.
        location: Option<String>,
    },
    /// The body is larger than a probe hashes.
    BodyTooLarge {
        /// Bytes that are hashed.
        limit: u64,
    },
    /// The body is another one than it should be.
    Digest {
        /// Its MD5.
        got: [u8; 16],
        /// The configured one.
        wanted: [u8; 16],
    },
    /// The pattern is not in the body.
    NotFound {
        /// Bytes that were searched.
        searched: usize,
        /// Whether the body has more.
        longer: bool,
    },
    /// The pattern that must not be in the body is there.
    Found {
        /// Bytes of the body in front of it.
        at: usize,
    },
    /// The pattern was looked for, and given up: it tries too much with this body.
    GaveUp {
        /// Steps back that it may take.
        steps: usize,
    },
    /// A reply that is another one than it should be.
    Reply {
        /// What came; printable, short.
        got: String,
        /// What is wanted.
        wanted: String,
    },
    /// A DNS server answered that it could not answer.
    Rcode(u8),
    /// What an agent says of its server, who is not to be used; printable, short.
    Agent(String),
    /// The server does not speak HTTP/2 there.
    NotHttp2(String),
    /// The server gave the request up, in the words of HTTP/2.
    GaveUpRequest {
        /// The kind of the frame that said so.
        frame: &'static str,
        /// The name of its error code.
        reason: String,
    },
    /// Not an answer of gRPC.
    NotGrpc(String),
    /// A call of gRPC failed.
    Grpc {
        /// `grpc-status`
        code: u32,
        /// `grpc-message`; printable, short, empty: none.
        message: String,
    },
    /// The state of a service, which is not SERVING.
    NotServing(u64),
    /// The connection broke in another way: the text is the kernel's or the library's.
    Broken {
        /// What was done.
        step: Step,
        /// How it broke.
        error: String,
    },
}

/// Status ranges as an operator writes them: `200..=299`, `200, 301..=302`.
pub fn ranges(wanted: &[(u16, u16)]) -> String {
    let one = |(low, high): &(u16, u16)| {
        if low == high { low.to_string() } else { format!("{low}..={high}") }
    };
    wanted.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A digest as `genhash` prints it.
pub(crate) fn hex(digest: &[u8; 16]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// At most so many bytes of what a server said, fit for a log line: nothing that moves a terminal's cursor.
pub(crate) fn printable(bytes: &[u8], most: usize) -> String {
    let cut = bytes.get(..most).unwrap_or(bytes);
    let mut text: String = cut.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    if cut.len() < bytes.len() {
        text.push_str("...");
    }
    text
}

/// Name of a response code (RFC 1035, 4.1.1; RFC 2136, 2.2).
fn rcode(code: u8) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
        "NOTZONE",
    ];
    NAMES.get(usize::from(code)).map_or_else(|| format!("response code {code}"), |name| (*name).to_owned())
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Refused => f.write_str("connection refused"),
            Why::PortUnreachable => f.write_str("nobody listens there (ICMP: port unreachable)"),
            Why::Unreachable(error) => write!(f, "unreachable: {error}"),
            Why::Reset(step) => write!(f, "connection reset by the server while {}", While(*step)),
            Why::TimedOut { step: step @ (Step::Connect | Step::Handshake | Step::Search), after, .. } => {
                write!(f, "timed out: {step} took longer than {after:?}")
            }
            Why::TimedOut { step: Step::Header, after, received: 0 } => {
                write!(f, "timed out: no answer within {after:?}")
            }
            Why::TimedOut { step: Step::Reply, after, .. } => write!(f, "timed out: no reply within {after:?}"),
            Why::TimedOut { step: Step::Header | Step::Body, after, received } => {
                write!(f, "timed out: the answer was not complete after {after:?} ({received} bytes had come)")
            }
            Why::Closed(Step::Header) => f.write_str("the server closed the connection without an answer"),
            Why::Closed(step) => write!(f, "the server closed the connection while {}", While(*step)),
            Why::Local { tried, error } => write!(f, "not asked, because of this host: {tried}: {error}"),
            Why::Tls(error) => write!(f, "TLS handshake failed: {error}"),
            Why::Certificate(error) => write!(f, "the certificate is not accepted: {error}"),
            Why::NotTls => f.write_str("TLS handshake failed: the server's answer is not TLS (is it a plain port?)"),
            Why::IsTls => f.write_str("the server speaks TLS there, not plain HTTP (SSL_GET instead of HTTP_GET, enable_tls in a GRPC_CHECK?)"),
            Why::Garbled { error } => write!(f, "the body of the answer is malformed: {error}"),
            Why::Malformed { error, began } => write!(f, "not an HTTP answer: {error}; it began with \"{began}\""),
            Why::HeaderTooLarge { limit } => {
                write!(f, "the header of the answer is larger than {limit} bytes or has more than 100 lines")
            }
            Why::Truncated { received } => write!(f, "the answer ended too early, after {received} bytes"),
            Why::Status { got, wanted, location } => {
                write!(f, "status {got} instead of {}", ranges(wanted))?;
                match location {
                    Some(location) => write!(f, " (redirects to \"{location}\", which is not followed)"),
                    None => Ok(()),
                }
            }
            Why::BodyTooLarge { limit } => write!(f, "the body is larger than the {limit} bytes that are hashed"),
            Why::Digest { got, wanted } => write!(f, "digest {} instead of {}", hex(got), hex(wanted)),
            Why::NotFound { searched, longer: false } => {
                write!(f, "the body ({searched} bytes) has nothing that matches `regex`")
            }
            Why::NotFound { searched, longer: true } => {
                write!(
                    f,
                    "nothing matches `regex` in the first {searched} bytes of the body, and the rest is not searched"
                )
            }
            Why::Found { at } => write!(f, "the body has at byte {at} what `regex_no_match` says it must not have"),
            Why::GaveUp { steps } => {
                write!(f, "`regex` took more than {steps} steps back over this body: it needs a simpler pattern")
            }
            Why::Reply { got, wanted } => write!(f, "replied {got} instead of {wanted}"),
            Why::Rcode(code) => write!(f, "the server answered {}", rcode(*code)),
            Why::Agent(said) => write!(f, "its agent says \"{said}\""),
            Why::NotHttp2(wrong) => write!(f, "not HTTP/2: {wrong}"),
            Why::GaveUpRequest { frame, reason } => write!(f, "the server gave the request up ({frame}: {reason})"),
            Why::NotGrpc(wrong) => write!(f, "not a gRPC answer: {wrong}"),
            Why::Grpc { code, message } => {
                write!(f, "the health service answered {}", crate::grpc::code_name(*code))?;
                if message.is_empty() { Ok(()) } else { write!(f, ": \"{message}\"") }
            }
            Why::NotServing(state) => write!(f, "the service is {}", crate::grpc::state_name(*state)),
            Why::Broken { step, error } => write!(f, "connection failed while {}: {error}", While(*step)),
        }
    }
}

impl std::error::Error for Why {}

/// A step after "while".
struct While(Step);

impl fmt::Display for While {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Step::Handshake => f.write_str("shaking hands (TLS)"),
            step @ (Step::Connect | Step::Header | Step::Body | Step::Search | Step::Reply) => step.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, Why, printable, ranges};
    use std::time::Duration;

    #[test]
    fn sentences() {
        let wanted = vec![(200, 299), (404, 404)];
        let location = Some("https://b/".to_string());
        for (why, sentence) in [
            (Why::Refused, "connection refused"),
            (
                Why::TimedOut { step: Step::Connect, after: Duration::from_millis(2500), received: 0 },
                "timed out: connecting took longer than 2.5s",
            ),
            (
                Why::TimedOut { step: Step::Header, after: Duration::from_secs(5), received: 0 },
                "timed out: no answer within 5s",
            ),
            (
                Why::TimedOut { step: Step::Body, after: Duration::from_secs(5), received: 7 },
                "timed out: the answer was not complete after 5s (7 bytes had come)",
            ),
            (Why::Reset(Step::Handshake), "connection reset by the server while shaking hands (TLS)"),
            (
                Why::Status { got: 301, wanted, location },
                "status 301 instead of 200..=299, 404 (redirects to \"https://b/\", which is not followed)",
            ),
            (
                Why::Digest { got: [0xab; 16], wanted: [1; 16] },
                "digest abababababababababababababababab instead of 01010101010101010101010101010101",
            ),
        ] {
            assert_eq!(why.to_string(), sentence);
        }
    }

    #[test]
    fn what_a_server_says_can_not_move_the_cursor() {
        assert_eq!(printable(b"\x1b[2Jhi\r\n\xff\"", 64), "\\x1b[2Jhi\\r\\n\\xff\\\"");
        assert_eq!(printable(&[b'a'; 100], 4), "aaaa...");
        assert_eq!(ranges(&[(1, 1)]), "1");
    }
}
