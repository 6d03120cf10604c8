//! A tap on a connection: counts what the server sends and keeps how it began, so that a failure can be explained, and
//! hashes the body as it comes over the wire. It changes one thing only, see `Tap::poll_read`.

use md5::{Digest, Md5};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of the beginning is kept.
const KEPT: usize = 48;

/// The blank line between header and body.
const BLANK: &[u8; 4] = b"\r\n\r\n";

/// What was seen of an answer.
#[derive(Default)]
pub(crate) struct Seen {
    /// All bytes.
    pub(crate) received: u64,
    /// The first ones.
    pub(crate) began: Vec<u8>,
    /// Bytes of the blank line matched so far.
    blank: usize,
    /// The body's hash, if one is wanted.
    hash: Option<Md5>,
}

impl Seen {
    fn see(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        let room = KEPT.saturating_sub(self.began.len());
        self.began.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let mut rest = bytes;
        while self.blank < BLANK.len() {
            let Some((byte, after)) = rest.split_first() else {
                return;
            };
            self.blank = match byte {
                b if *b == BLANK[self.blank] => self.blank + 1,
                b'\r' => 1,
                _ => 0,
            };
            rest = after;
        }
        if let Some(hash) = &mut self.hash {
            hash.update(rest);
        }
    }

    /// Whether the blank line behind the header has come.
    pub(crate) fn complete_header(&self) -> bool {
        self.blank == BLANK.len()
    }

    /// The hash of all that came behind the header.
    pub(crate) fn raw_digest(&self) -> Option<[u8; 16]> {
        Some(self.hash.as_ref()?.clone().finalize().into())
    }
}

/// What was seen, for the one who listens.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Seen>>);

impl Ear {
    /// An ear that hashes the body, too.
    pub(crate) fn hashing() -> Ear {
        Ear(Arc::new(Mutex::new(Seen { hash: Some(Md5::new()), ..Seen::default() })))
    }

    /// What was seen up to now.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nobody panics while holding it; and if, the counts are as good as they were.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection under the tap.
pub(crate) struct Tap<S> {
    stream: S,
    ear: Ear,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, ear: Ear) -> Tap<S> {
        Tap { stream, ear }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match ready!(Pin::new(&mut self.stream).poll_read(cx, buffer)) {
            // A TLS server that closes without saying so (close_notify). Many do; keepalived takes it for the end, and so do
            // we. Where the answer told its length, the HTTP layer still notices that something is missing.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(e) => return Poll::Ready(Err(e)),
            Ok(()) => {}
        }
        if let Some(bytes) = buffer.filled().get(before..) {
            self.ear.seen().see(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::Ear;
    use md5::{Digest, Md5};

    #[test]
    fn the_body_is_hashed_however_the_header_is_cut() {
        let answer = b"HTTP/1.0 200 OK\r\nA: b\r\r\n\r\n\r\n\r\nbody\r\n\r\nmore";
        let expected: [u8; 16] = Md5::digest(b"\r\n\r\nbody\r\n\r\nmore").into();
        for cut in 1..answer.len() {
            let ear = Ear::hashing();
            for piece in answer.chunks(cut) {
                ear.seen().see(piece);
            }
            assert_eq!(ear.seen().raw_digest(), Some(expected), "in pieces of {cut}");
            assert_eq!(ear.seen().received, answer.len() as u64);
            assert_eq!(ear.seen().began, answer);
        }
    }

    #[test]
    fn only_the_beginning_is_kept() {
        let ear = Ear::default();
        (0..1000).for_each(|_| ear.seen().see(&[7; 1000]));
        let seen = ear.seen();
        assert_eq!((seen.received, seen.began.len()), (1_000_000, super::KEPT));
        assert_eq!(seen.raw_digest(), None);
    }
}
