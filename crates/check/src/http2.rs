//! HTTP/2 (RFC 9113) as probes speak it: one request on one connection. Whether it was agreed on by ALPN is `tls`'s; without
//! TLS it is spoken at once, and a server that does not know it answers something else.

use crate::http::HEADER;
use crate::tap::{Ear, Tap};
use crate::why::printable;
use crate::{Step, Why};
use h2::client::{Builder, Connection, SendRequest};
use h2::{Error, RecvStream};
use hyper::body::Bytes;
use hyper::{Request, Response};
use std::io::ErrorKind;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// The largest header, as HTTP/2 counts it.
const HEADER_LIST: u32 = 16 << 10;
const _: () = assert!(HEADER_LIST as usize == HEADER);

/// Bytes of a body that a server may send ahead of what was read.
const WINDOW: u32 = 64 << 10;

/// Begins to speak over a connection. What comes of it must be polled for anything to happen: see [`driven`].
pub(crate) async fn begin<S>(stream: S, ear: &Ear) -> Result<(SendRequest<Bytes>, Connection<Tap<S>>), Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Builder::new()
        .enable_push(false)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(HEADER_LIST)
        .handshake(Tap::new(stream, ear.clone()))
        .await
        .map_err(|e| explain(&e, Step::Header, ear))
}

/// Does this while the connection is looked after.
pub(crate) async fn driven<T>(connection: impl Future, talk: impl Future<Output = Result<T, Why>>) -> Result<T, Why> {
    let (mut connection, mut talk) = (pin!(connection), pin!(talk));
    tokio::select! {
        biased;
        done = &mut talk => return done,
        // It ended, well or not: the streams know how.
        _ = &mut connection => {}
    }
    talk.await
}

/// Sends a request and what stands behind its header, and waits for the header of the answer.
pub(crate) async fn ask(
    sender: SendRequest<Bytes>,
    message: Request<()>,
    body: Option<Bytes>,
    ear: &Ear,
) -> Result<Response<RecvStream>, Why> {
    let wrong = |e: Error| explain(&e, Step::Header, ear);
    let mut sender = sender.ready().await.map_err(wrong)?;
    let (answer, mut stream) = sender.send_request(message, body.is_none()).map_err(wrong)?;
    if let Some(body) = body {
        stream.send_data(body, true).map_err(wrong)?;
    }
    answer.await.map_err(wrong)
}

/// The next piece of a body; `None`: it has ended.
pub(crate) async fn piece(body: &mut RecvStream, ear: &Ear) -> Result<Option<Bytes>, Why> {
    let Some(data) = body.data().await else { return Ok(None) };
    let data = data.map_err(|e| explain(&e, Step::Body, ear))?;
    // Room for as much again; a stream that is closed needs none.
    let _ = body.flow_control().release_capacity(data.len());
    Ok(Some(data))
}

/// The reason behind the library's error.
pub(crate) fn explain(error: &Error, step: Step, ear: &Ear) -> Why {
    let seen = ear.seen();
    let reason = || error.reason().map_or_else(|| error.to_string(), |reason| format!("{reason:?}"));
    if step == Step::Header && matches!(seen.began.as_slice(), [0x15 | 0x16, 0x03, ..]) {
        return Why::IsTls;
    }
    if seen.began.starts_with(b"HTTP/1") {
        return Why::NotHttp2(format!("the server answered \"{}\"", printable(&seen.began, 32)));
    }
    match error.get_io().map(std::io::Error::kind) {
        // The library says of an end that the pipe is broken.
        Some(ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) if seen.received == 0 => return Why::Closed(step),
        Some(ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => return Why::Truncated { received: seen.received },
        Some(ErrorKind::ConnectionReset) => return Why::Reset(step),
        Some(_) => return Why::Broken { step, error: error.to_string() },
        None => {}
    }
    if error.is_remote() {
        let frame = if error.is_go_away() { "GOAWAY" } else { "RST_STREAM" };
        return Why::GaveUpRequest { frame, reason: reason() };
    }
    let began = printable(&seen.began, 32);
    Why::NotHttp2(format!(
        "{}, or a header larger than {HEADER} bytes; the server's answer began with \"{began}\"",
        reason()
    ))
}
