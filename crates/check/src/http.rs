//! `HTTP_GET` and `SSL_GET`: whether a page comes, with the right status and the right content.
//!
//! The request is the original's: HTTP/1.0 unless told otherwise, `User-Agent: KeepAliveClient`, a `Host` of the
//! configuration's or of the address. A digest is the MD5 of the body. Where the original hashes a chunked body with its
//! chunk marks, this hashes the body that the marks frame; with HTTP/1.0 no server chunks.

use crate::tls::Connector;
use crate::{Target, Verdict, Why, connect};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, Version, header};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};

/// Most bytes of a header block.
const HEADER: usize = 16 << 10;
/// Most bytes of a body that are hashed.
const BODY: u64 = 16 << 20;

/// `http_protocol`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// `1.0`
    V10,
    /// `1.0C`: with `Connection: close`.
    V10Close,
    /// `1.1`, with `Connection: close`.
    V11,
}

/// Whether the connection is wrapped in TLS.
#[derive(Clone)]
pub enum Transport {
    /// No.
    Plain,
    /// Yes.
    Tls {
        /// Makes the connections.
        connector: Connector,
        /// Server name to tell, if any.
        name: Option<String>,
    },
}

/// One page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Path with query.
    pub path: String,
    /// Host header; `None`: the address connected to.
    pub host: Option<String>,
    /// Wanted MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// Wanted status: ranges with both ends; none: 200 to 299.
    pub status: Vec<(u16, u16)>,
}

/// Asks for a page.
pub async fn probe(target: &Target, transport: &Transport, protocol: Protocol, page: &Page) -> Verdict {
    let stream = match connect::connect(target).await {
        Ok(stream) => stream,
        Err(why) => return Verdict::Fail(why),
    };
    let ask = async {
        match transport {
            Transport::Plain => exchange(stream, target.address, protocol, page).await,
            Transport::Tls { connector, name } => {
                let stream = connector.connect(stream, target.address.ip(), name.as_deref()).await?;
                exchange(stream, target.address, protocol, page).await
            }
        }
    };
    match tokio::time::timeout(target.timeout, ask).await {
        Ok(Ok(status)) => Verdict::Pass { detail: format!("GET {}: {status}", page.path) },
        Ok(Err(why)) => Verdict::Fail(why),
        Err(_) => Verdict::Fail(Why::AnswerTimeout(target.timeout)),
    }
}

async fn exchange<S>(stream: S, address: SocketAddr, protocol: Protocol, page: &Page) -> Result<u16, Why>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(address, protocol, page)?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEADER).title_case_headers(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    // The connection is driven beside the request and ends with it: dropped when this future is.
    let mut connection = std::pin::pin!(connection);
    let mut work = std::pin::pin!(async move {
        let mut response = sender.send_request(request).await.map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        let default = [(200, 299)];
        let want: &[(u16, u16)] = if page.status.is_empty() { &default } else { &page.status };
        if !want.iter().any(|(low, high)| (*low..=*high).contains(&status)) {
            return Err(Why::Status { got: status, want: want.to_vec() });
        }
        let Some(want) = page.digest else { return Ok(status) };
        let mut hash = Md5::new();
        let mut length = 0;
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|e| failed(&e))?;
            let Some(bytes) = frame.data_ref() else { continue };
            length += bytes.len() as u64;
            if length > BODY {
                return Err(Why::TooLong(BODY));
            }
            hash.update(bytes);
        }
        let got: [u8; 16] = hash.finalize().into();
        if got == want { Ok(status) } else { Err(Why::Digest { got: hex(&got), want: hex(&want) }) }
    });
    let mut connected = true;
    std::future::poll_fn(|context| {
        if connected && connection.as_mut().poll(context).is_ready() {
            connected = false; // its error, if any, reaches the request
        }
        work.as_mut().poll(context)
    })
    .await
}

fn request(address: SocketAddr, protocol: Protocol, page: &Page) -> Result<Request<Empty<Bytes>>, Why> {
    let host = page.host.clone().unwrap_or_else(|| address.to_string());
    let version = match protocol {
        Protocol::V10 | Protocol::V10Close => Version::HTTP_10,
        Protocol::V11 => Version::HTTP_11,
    };
    let mut request = Request::get(page.path.as_str()).version(version);
    request = request.header(header::USER_AGENT, "KeepAliveClient");
    if protocol != Protocol::V10 {
        request = request.header(header::CONNECTION, "close");
    }
    request.header(header::HOST, host).body(Empty::new()).map_err(|e| Why::Request(e.to_string()))
}

fn failed(error: &hyper::Error) -> Why {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if error.is_parse() { Why::Malformed(text) } else { Why::Closed(text) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
