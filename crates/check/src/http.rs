//! `HTTP_GET`: one request, the answer's status, perhaps the MD5 of its body and what stands in it. No redirects, no content coding, no cookies.
//!
//! The request, the lines in keepalived's order:
//!
//! ```text
//! GET <path> HTTP/1.0
//! User-Agent: KeepAliveClient
//! Connection: close              only with 1.0C and 1.1
//! Host: <host>
//! ```
//!
//! With version 2 the same is asked in HTTP/2: the host is its `:authority`.
//!
//! What is judged, in this order: that it is an HTTP answer, its status, that it is complete, its digest, its pattern.
//!
//! Where this differs from keepalived 2.2.7 and 2.4.3: the header may have 16 KiB instead of 4095 bytes; a status line without
//! reason phrase is understood; the whole answer has one time limit instead of one for each read; an answer shorter than its
//! `Content-Length` is a failure; a body is hashed up to [`HASHED`] bytes, and searched, without the framing of chunks, up to
//! [`SEARCHED`](vipd_pattern::SEARCHED).

use crate::body::{Kept, search};
use crate::connect::connect;
use crate::http2;
use crate::tap::{Ear, Tap};
use crate::why::{hex, printable};
use crate::{Step, Target, Verdict, Why};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderValue, LOCATION, TRANSFER_ENCODING, USER_AGENT};
use hyper::{HeaderMap, Response, StatusCode, Uri, client::conn::http1};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use vipd_pattern::Pattern;

/// The largest header that is read, in bytes.
pub const HEADER: usize = 16 << 10;

/// The largest body that is hashed, in bytes.
pub const HASHED: u64 = 16 << 20;

/// How much of a body is read when only the status is wanted: to the end if it is near, out of courtesy (a server logs an
/// error when its client leaves in the middle) and because half an answer is no good sign.
pub const SKIMMED: u64 = 256 << 10;

/// What a request calls itself.
pub(crate) const AGENT: &str = "KeepAliveClient";

/// Statuses that are wanted unless others are named.
pub const SUCCESS: (u16, u16) = (200, 299);

/// Version in the request, and whether it says `Connection: close`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Version {
    /// 1.0
    #[default]
    V10,
    /// 1.0 with `Connection: close`
    V10Close,
    /// 1.1 with `Connection: close`
    V11,
    /// HTTP/2
    V2,
}

/// What is asked and what is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// Path and query as configured. What can't stand in a request line (blanks, controls, `#`, other than ASCII) is
    /// percent-encoded, and a missing `/` put in front.
    pub path: String,
    /// `Host` header as configured; `None`: address and port of the target.
    pub host: Option<String>,
    /// Version of the request.
    pub version: Version,
    /// MD5 that the body must have: of the body's bytes, and for an answer in chunks as well, as `genhash` counts, of the
    /// bytes with the chunks' framing.
    pub digest: Option<[u8; 16]>,
    /// Wanted statuses, both ends included; empty: [`SUCCESS`].
    pub status: Vec<(u16, u16)>,
    /// What the body must have, or must not.
    pub pattern: Option<Arc<Pattern>>,
}

/// Connects, asks, judges the answer.
pub async fn probe(target: &Target, request: &Request) -> Verdict {
    let found = async {
        let stream = connect(target).await?;
        exchange(stream, target, request, "http").await
    };
    found.await.into()
}

/// Asks over a connection and judges the answer: all of it is there within the target's timeout, and its body is searched
/// within another one.
pub(crate) async fn exchange<S>(stream: S, target: &Target, request: &Request, scheme: &str) -> Result<String, Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ear = if request.digest.is_some() { Ear::hashing() } else { Ear::default() };
    let talk = async {
        match request.version {
            Version::V2 => second(stream, target, request, scheme, &ear).await,
            Version::V10 | Version::V10Close | Version::V11 => first(stream, target, request, &ear).await,
        }
    };
    let (detail, kept) = match tokio::time::timeout(target.timeout, talk).await {
        Ok(found) => found?,
        Err(_) => {
            let seen = ear.seen();
            let step = if seen.complete_header() { Step::Body } else { Step::Header };
            return Err(Why::TimedOut { step, after: target.timeout, received: seen.received });
        }
    };
    match &request.pattern {
        None => Ok(detail),
        Some(pattern) => Ok(format!("{detail}, {}", search(pattern, kept, target.timeout).await?)),
    }
}

/// The same in HTTP/1.
async fn first<S>(stream: S, target: &Target, request: &Request, ear: &Ear) -> Result<(String, Kept), Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let message = message(target, request)?;
    let io = TokioIo::new(Tap::new(stream, ear.clone()));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER)
        .title_case_headers(true)
        // Of the header only the length of the body matters here: what else a server writes into it is its own affair.
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .handshake(io)
        .await
        .map_err(|e| explain(&e, Step::Header, ear))?;
    let mut connection = pin!(connection);
    let mut judged = pin!(async {
        let answer = sender.send_request(message).await.map_err(|e| explain(&e, Step::Header, ear))?;
        judge(answer, request, ear).await
    });
    tokio::select! {
        biased;
        judged = &mut judged => return judged,
        // It ended, well or not: what it read is with the answer, and its error, too.
        _ = &mut connection => {}
    }
    judged.await
}

/// The same in HTTP/2.
async fn second<S>(
    stream: S,
    target: &Target,
    request: &Request,
    scheme: &str,
    ear: &Ear,
) -> Result<(String, Kept), Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = request.host.clone().unwrap_or_else(|| host_of(target));
    let message = hyper::Request::get(authority(&host, scheme, &encoded(&request.path))?)
        .header(USER_AGENT, AGENT)
        .body(())
        .map_err(|e| Why::Local { tried: format!("asking for {:?}", request.path), error: e.to_string() })?;
    let (sender, connection) = http2::begin(stream, ear).await?;
    let talk = async {
        let answer = http2::ask(sender, message, None, ear).await?;
        let mut page = Page::begin(answer.status(), answer.headers(), request)?;
        let mut body = answer.into_body();
        while let Some(data) = http2::piece(&mut body, ear).await? {
            if let Some(enough) = page.take(&data).await? {
                return Ok((enough, page.kept));
            }
        }
        page.end(None)
    };
    http2::driven(connection, talk).await
}

fn message(target: &Target, request: &Request) -> Result<hyper::Request<Empty<Bytes>>, Why> {
    let path = encoded(&request.path);
    let wrong = |error: &dyn std::fmt::Display| Why::Local {
        tried: format!("asking for {:?}", request.path),
        error: error.to_string(),
    };
    let uri = Uri::builder().path_and_query(path).build().map_err(|e| wrong(&e))?;
    let host = match &request.host {
        Some(host) => host.clone(),
        None => host_of(target),
    };
    let mut message = hyper::Request::get(uri).body(Empty::new()).map_err(|e| wrong(&e))?;
    *message.version_mut() = match request.version {
        Version::V10 | Version::V10Close => hyper::Version::HTTP_10,
        Version::V11 | Version::V2 => hyper::Version::HTTP_11,
    };
    let headers = message.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    match request.version {
        Version::V10 | Version::V2 => {}
        Version::V10Close | Version::V11 => drop(headers.insert(CONNECTION, HeaderValue::from_static("close"))),
    }
    let host = HeaderValue::from_str(&host)
        .map_err(|e| Why::Local { tried: format!("sending the host {host:?}"), error: e.to_string() })?;
    headers.insert(HOST, host);
    Ok(message)
}

/// What an HTTP/2 request asks for: a path of this host.
pub(crate) fn authority(host: &str, scheme: &str, path: &str) -> Result<Uri, Why> {
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
    uri.map_err(|e| Why::Local { tried: format!("asking {host:?} for {path:?}"), error: e.to_string() })
}

/// Address and port as a `Host` header has them: no scope, which is this host's own affair.
pub(crate) fn host_of(target: &Target) -> String {
    let port = target.address.port();
    match target.address.ip() {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}

/// The path as it can stand in a request line.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        text.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'#' | b'"' | b'<' | b'>' | b'`' | b'\\' | b'^' | 0..=0x20 | 0x7f..=0xff => {
                text.push_str(&format!("%{byte:02X}"))
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

/// What was seen of an answer that is as it should be but for its pattern, and the beginning of its body if there is one.
async fn judge(answer: Response<Incoming>, request: &Request, ear: &Ear) -> Result<(String, Kept), Why> {
    let mut page = Page::begin(answer.status(), answer.headers(), request)?;
    let chunked = answer.headers().contains_key(TRANSFER_ENCODING);
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| explain(&e, Step::Body, ear))?;
        let Some(data) = frame.data_ref() else { continue }; // trailers
        if let Some(enough) = page.take(data).await? {
            return Ok((enough, page.kept));
        }
    }
    page.end(ear.seen().raw_digest().filter(|_| chunked))
}

/// An answer of a wanted status, judged as its body comes.
struct Page<'a> {
    request: &'a Request,
    status: u16,
    hash: Md5,
    kept: Kept,
    length: u64,
}

impl Page<'_> {
    fn begin<'a>(status: StatusCode, headers: &HeaderMap, request: &'a Request) -> Result<Page<'a>, Why> {
        let wanted = if request.status.is_empty() { &[SUCCESS][..] } else { &request.status };
        let got = status.as_u16();
        if !wanted.iter().any(|(low, high)| (*low..=*high).contains(&got)) {
            let location = headers.get(LOCATION).filter(|_| status.is_redirection());
            let location = location.map(|l| printable(l.as_bytes(), 128));
            return Err(Why::Status { got, wanted: wanted.to_vec(), location });
        }
        Ok(Page { request, status: got, hash: Md5::new(), kept: Kept::default(), length: 0 })
    }

    /// Takes what comes next of the body; what was seen, if that is enough and the rest need not be read.
    async fn take(&mut self, data: &[u8]) -> Result<Option<String>, Why> {
        let (digest, pattern, status) = (self.request.digest.is_some(), self.request.pattern.is_some(), self.status);
        self.length += data.len() as u64;
        if digest && self.length > HASHED {
            return Err(Why::BodyTooLarge { limit: HASHED });
        }
        if pattern {
            self.kept.take(data).await;
        }
        if digest {
            self.hash.update(data);
        } else if pattern && self.kept.is_full() {
            return Ok(Some(format!("status {status}, more than {} bytes", self.kept.searched())));
        } else if !pattern && self.length > SKIMMED {
            return Ok(Some(format!("status {status}, body not read beyond {SKIMMED} bytes")));
        }
        Ok(None)
    }

    /// What was seen, at its end. `raw` is the digest of a body in chunks with their framing.
    fn end(self, raw: Option<[u8; 16]>) -> Result<(String, Kept), Why> {
        let Page { request, status, hash, kept, length } = self;
        let Some(digest) = request.digest else {
            return Ok((format!("status {status}, {length} bytes"), kept));
        };
        let got: [u8; 16] = hash.finalize().into();
        if got == digest || raw == Some(digest) {
            Ok((format!("status {status}, {length} bytes, digest {}", hex(&digest)), kept))
        } else {
            Err(Why::Digest { got, wanted: digest })
        }
    }
}

/// The reason behind the library's error.
fn explain(error: &hyper::Error, step: Step, ear: &Ear) -> Why {
    use std::error::Error as _;
    let seen = ear.seen();
    let mut source = error.source();
    let (mut kind, mut garbled) = (None, false);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>().filter(|_| kind.is_none()) {
            kind = Some(io.kind());
            // What the library finds wrong with the framing of a body; what is wrong with records of TLS is not its to say.
            garbled = matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
                && !io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        }
        source = cause.source();
    }
    // The library names this case by a method for its server half only, so it is told by its text; a test holds it to that.
    if error.is_parse() && error.to_string().contains("too large") {
        return Why::HeaderTooLarge { limit: HEADER };
    }
    // A TLS alert or handshake record: what a TLS server says to a plain request, before anything else of its answer.
    if step == Step::Header && matches!(seen.began.as_slice(), [0x15 | 0x16, 0x03, ..]) {
        return Why::IsTls;
    }
    if error.is_parse() {
        return Why::Malformed { error: error.to_string(), began: printable(&seen.began, 32) };
    }
    if error.is_incomplete_message() || kind == Some(std::io::ErrorKind::UnexpectedEof) {
        return match seen.received {
            0 => Why::Closed(step),
            received => Why::Truncated { received },
        };
    }
    match kind {
        Some(_) if garbled => Why::Garbled { error: deepest(error) },
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => Why::Reset(step),
        Some(_) | None => Why::Broken { step, error: deepest(error) },
    }
}

fn deepest(error: &hyper::Error) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Request, Version, encoded, message};
    use crate::{Target, Why};
    use std::time::Duration;

    #[test]
    fn a_path_is_sent_as_it_is_where_it_can_be() {
        for (path, sent) in [
            ("/", "/"),
            ("", "/"),
            ("index.html", "/index.html"),
            ("/a?b=c&d=%20", "/a?b=c&d=%20"),
            ("/a b#c\u{e4}\n", "/a%20b%23c%C3%A4%0A"),
            ("//x:1/{y}|z", "//x:1/{y}|z"),
        ] {
            assert_eq!(encoded(path), sent);
        }
    }

    #[test]
    fn no_path_injects_a_header_and_a_bad_host_is_local() {
        let target = Target::new("192.0.2.1:80".parse().unwrap(), Duration::from_secs(1));
        let every: String = (0_u8..=255).map(char::from).collect();
        let request = Request { path: every, version: Version::V11, ..Request::default() };
        assert!(message(&target, &request).is_ok());
        let request = Request { host: Some("a\r\nX: y".to_string()), ..Request::default() };
        assert!(matches!(message(&target, &request), Err(Why::Local { .. })));
    }
}
