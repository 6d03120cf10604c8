//! `GRPC_CHECK`: one call of `grpc.health.v1.Health/Check` (gRPC's health checking protocol) over HTTP/2, and the state that
//! comes back. Both messages are a field each, so they are coded here.

use crate::connect::connect;
use crate::http::{AGENT, authority, host_of};
use crate::http2::{ask, begin, driven, explain, piece};
use crate::tap::Ear;
use crate::tls::{self, Protocol, Tls};
use crate::why::printable;
use crate::{Step, Target, Verdict, Why};
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, TE, USER_AGENT};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of an answer at most; a state needs seven.
const LONGEST: usize = 4 << 10;

/// Bytes in front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The state of a service that is well.
const SERVING: u64 = 1;

/// Whom is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    /// The service; empty: the server as a whole.
    pub service: String,
    /// The server's name (`:authority`); `None`: address and port of the target.
    pub host: Option<String>,
}

/// Connects, shakes hands if that is wanted, calls, judges the answer.
pub async fn probe(target: &Target, tls: Option<&Tls>, question: &Question) -> Verdict {
    let found = async {
        let Some(tls) = tls else {
            let stream = connect(target).await?;
            return Ok((call(stream, target, question, "http").await?, None));
        };
        let mut stream = tls::open(target, tls, Protocol::Http2).await?;
        let found = call(&mut stream, target, question, "https").await;
        let notice = tls::close(&mut stream, target, tls).await;
        Ok((found?, notice))
    };
    found.await.into()
}

pub(crate) async fn call<S>(stream: S, target: &Target, question: &Question, scheme: &str) -> Result<String, Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = question.host.clone().unwrap_or_else(|| host_of(target));
    let uri = authority(&host, scheme, "/grpc.health.v1.Health/Check")?;
    let message = hyper::Request::post(uri)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, AGENT)
        .header("grpc-timeout", format!("{}m", target.timeout.as_millis().clamp(1, 99_999_999)))
        .body(())
        .map_err(|e| Why::Local { tried: "asking for the state".to_owned(), error: e.to_string() })?;
    let ear = Ear::default();
    let talk = async {
        let (sender, connection) = begin(stream, &ear).await?;
        driven(connection, async {
            let answer = ask(sender, message, Some(request(&question.service)), &ear).await?;
            let status = answer.status().as_u16();
            if status != 200 {
                return Err(Why::Status { got: status, wanted: vec![(200, 200)], location: None });
            }
            let kind = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
            if !kind.starts_with(b"application/grpc") {
                return Err(Why::NotGrpc(format!("its content-type is \"{}\"", printable(kind, 64))));
            }
            // An answer that has no message may have all in its header.
            outcome(answer.headers()).transpose()?;
            let mut body = answer.into_body();
            let mut bytes = Vec::new();
            while let Some(data) = piece(&mut body, &ear).await? {
                bytes.extend_from_slice(&data);
                if bytes.len() > LONGEST {
                    return Err(Why::NotGrpc(format!("it has more than {LONGEST} bytes")));
                }
            }
            let trailers = body.trailers().await.map_err(|e| explain(&e, Step::Body, &ear))?;
            match trailers.as_ref().and_then(outcome) {
                None => return Err(Why::NotGrpc("it has no grpc-status".to_owned())),
                Some(outcome) => outcome?,
            }
            match understand(&bytes).map_err(Why::NotGrpc)? {
                SERVING => Ok("SERVING".to_owned()),
                other => Err(Why::NotServing(other)),
            }
        })
        .await
    };
    match tokio::time::timeout(target.timeout, talk).await {
        Ok(found) => found,
        Err(_) => {
            let received = ear.seen().received;
            Err(Why::TimedOut { step: Step::Header, after: target.timeout, received })
        }
    }
}

/// `grpc-status` and `grpc-message`, if they are there.
fn outcome(headers: &HeaderMap) -> Option<Result<(), Why>> {
    let status = headers.get("grpc-status")?;
    let Some(code) = status.to_str().ok().and_then(|code| code.parse().ok()) else {
        let status = printable(status.as_bytes(), 32);
        return Some(Err(Why::NotGrpc(format!("its grpc-status is \"{status}\""))));
    };
    let message = headers.get("grpc-message").map_or(&b""[..], |message| message.as_bytes());
    Some(if code == 0 { Ok(()) } else { Err(Why::Grpc { code, message: printable(&decoded(message), 128) }) })
}

/// A percent-encoded text as it was meant; what is encoded wrongly stays.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit =
        |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// `HealthCheckRequest` behind its prefix: `string service = 1`.
fn request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        let mut length = service.len();
        while length > 0x7f {
            message.push(length.to_le_bytes()[0] | 0x80); // the low seven bits
            length >>= 7;
        }
        message.push(length.to_le_bytes()[0]);
        message.extend(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// The state in a `HealthCheckResponse` (`ServingStatus status = 1`) that stands behind its prefix, alone; or what is wrong.
pub fn understand(bytes: &[u8]) -> Result<u64, String> {
    let Some((prefix, mut message)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err(format!("its message has no whole prefix ({} bytes)", bytes.len()));
    };
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return Err("its message is compressed, which was not offered".to_owned());
    }
    let length = u32::from_be_bytes(length);
    if usize::try_from(length) != Ok(message.len()) {
        return Err(format!("its message should have {length} bytes, and has {}", message.len()));
    }
    let broken = || "its message is garbled".to_owned();
    let mut state = 0; // what is not there is zero
    while !message.is_empty() {
        let tag = varint(&mut message).ok_or_else(broken)?;
        // Fields that are unknown are passed over, however they are coded.
        match (tag >> 3, tag & 7) {
            (0, _) => return Err(broken()),
            (1, 0) => state = varint(&mut message).ok_or_else(broken)?,
            (1, _) => return Err(broken()),
            (_, 0) => drop(varint(&mut message).ok_or_else(broken)?),
            (_, 1) => message = message.get(8..).ok_or_else(broken)?,
            (_, 2) => {
                let length = varint(&mut message).ok_or_else(broken)?;
                let length = usize::try_from(length).map_err(|_| broken())?;
                message = message.get(length..).ok_or_else(broken)?;
            }
            (_, 5) => message = message.get(4..).ok_or_else(broken)?,
            _ => return Err(broken()),
        }
    }
    Ok(state)
}

/// A number of seven bits a byte, the low ones first; `None`: it does not end, or has more than 64 bits.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Name of a state (`grpc.health.v1.HealthCheckResponse.ServingStatus`).
pub(crate) fn state_name(state: u64) -> String {
    const NAMES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
    let name = usize::try_from(state).ok().and_then(|state| NAMES.get(state));
    name.map_or_else(|| format!("in state {state}, which has no name"), |name| (*name).to_owned())
}

/// Name of a `grpc-status`, with what it means here where that is not plain.
pub(crate) fn code_name(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND (it does not know this service)",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED (the server has no grpc.health.v1.Health)",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("grpc-status {code}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{decoded, request, understand, varint};

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut out = vec![0];
        out.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        out.extend(message);
        out
    }

    #[test]
    fn a_request_as_it_stands_on_the_wire() {
        assert_eq!(request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(request("ab")[..], *b"\0\0\0\0\x04\x0a\x02ab");
        let long = request(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert_eq!(long.len(), 5 + 303);
    }

    #[test]
    fn a_state_among_whatever_else() {
        for (message, state) in [
            (&b""[..], 0),
            (b"\x08\x01", 1),
            (b"\x08\x02", 2),
            (b"\x08\x81\x00", 1),
            (b"\x08\x02\x08\x01", 1),
            (b"\x10\x07\x08\x01", 1),
            (b"\x12\x03abc\x08\x01", 1),
            (b"\x19\x01\x02\x03\x04\x05\x06\x07\x08\x08\x03", 3),
            (b"\x25\x01\x02\x03\x04\x08\x01", 1),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", u64::MAX),
        ] {
            assert_eq!(understand(&framed(message)), Ok(state), "{message:?}");
        }
    }

    #[test]
    fn garbled_answers() {
        for message in [
            &b"\x08"[..],
            b"\x08\x80",
            b"\x0a\x01x",
            b"\x00\x01",
            b"\x12\x04abc",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x19\x01\x02",
            b"\x25\x01",
            b"\x13\x14",
            b"\x17",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(understand(&framed(message)), Err("its message is garbled".to_owned()), "{message:?}");
        }
        for (bytes, wrong) in [
            (&b""[..], "no whole prefix (0 bytes)"),
            (b"\0\0\0\0", "no whole prefix (4 bytes)"),
            (b"\x01\0\0\0\x02\x08\x01", "compressed"),
            (b"\0\0\0\0\x03\x08\x01", "should have 3 bytes, and has 2"),
            (b"\0\0\0\0\x01\x08\x01", "should have 1 bytes, and has 2"),
            (b"\0\xff\xff\xff\xff\x08\x01", "should have 4294967295 bytes, and has 2"),
        ] {
            let why = understand(bytes).unwrap_err();
            assert!(why.contains(wrong), "{bytes:?}: {why}");
        }
        assert_eq!(varint(&mut &b""[..]), None);
    }

    #[test]
    fn a_message_is_decoded_where_it_can_be() {
        assert_eq!(decoded(b"no%20such%2z%"), b"no such%2z%");
        assert_eq!(decoded(b"%e2%82%AC"), "\u{20ac}".as_bytes());
    }
}
