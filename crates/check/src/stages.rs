//! What servers answer, without the network, for the fuzz targets (`cfg(fuzzing)`).

use crate::http::{self, Request};
use crate::{Target, Why, agent, dns, grpc, ping, resolve, smtp};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server that says this in pieces of so many bytes, whatever it hears, and closes.
struct Canned<'a> {
    answer: &'a [u8],
    piece: usize,
}

impl AsyncRead for Canned<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.piece.min(self.answer.len()).min(buffer.remaining());
        let (said, rest) = self.answer.split_at(length);
        buffer.put_slice(said);
        self.answer = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canned<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Does this with the target of a server that is never waited for.
fn with<T>(talk: impl AsyncFnOnce(&Target) -> T) -> T {
    let target = Target::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a clock").block_on(talk(&target))
}

/// What becomes of an answer to an HTTP request, which comes in pieces of so many bytes.
pub fn http(answer: &[u8], piece: usize, request: &Request) -> Result<String, Why> {
    with(async |target| http::exchange(Canned { answer, piece }, target, request, "http").await)
}

/// The same of one to a call for the state of a service.
pub fn grpc(answer: &[u8], piece: usize) -> Result<String, Why> {
    with(async |target| grpc::call(Canned { answer, piece }, target, &grpc::Question::default(), "http").await)
}

/// The same of what a mail server says.
pub fn smtp(answer: &[u8], piece: usize) -> Result<String, Why> {
    with(async |target| smtp::talk(Canned { answer, piece }, target, "x").await)
}

/// The same of what an agent says.
pub fn agent(answer: &[u8], piece: usize) -> Result<agent::Answer, Why> {
    with(async |target| agent::talk(Canned { answer, piece }, target, None).await)
}

/// Response code and number of records of an answer to the question with this number, if it is one.
pub fn dns(id: u16, answer: &[u8]) -> Option<(u8, u16)> {
    dns::rcode(id, answer).map(|code| (code, dns::records(answer)))
}

/// Whether a packet with an IPv4 header is the reply to the echo request with this mark.
pub fn ping(packet: &[u8], mark: [u8; 4]) -> bool {
    ping::is_reply(ping::behind_header(packet), 0, mark)
}

/// How many records an answer of a name server to a question for `example.org` has, where it answers that; or what is wrong with it.
/// The number of the question, its first two bytes, may be any.
pub fn resolved(kind: resolve::Kind, answer: &[u8]) -> Option<Result<usize, &'static str>> {
    resolve::counted(kind, answer)
}
