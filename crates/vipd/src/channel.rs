//! The socket pair between the supervisor and a role: documents in the form of `postcard`, each behind its length. Both ends
//! are one program, so that no document needs to say what its fields are called. Yet a role that was taken over must not hurt
//! the supervisor: lengths are bounded and a bad document ends the channel.

use crate::legacy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The longest document, in bytes: a configuration of some ten thousand addresses fits.
pub(crate) const LONGEST: usize = 64 << 20;

/// One document with its length in front (4 bytes, big endian). One that is too long is refused here: at the other end it
/// would end the channel.
pub(crate) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|n| *n as usize <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other(format!("it is longer than {LONGEST} bytes")))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Values of `vipd_api` whose form is JSON's alone (a field tells what the others are): documents within a document.
pub(crate) mod json {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// As text.
    pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
    }

    /// From text.
    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        serde_json::from_str(<&str>::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Collects bytes and gives documents, for a reader that must not block.
#[derive(Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    used: usize,
}

impl Decoder {
    /// More bytes have come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole document.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let rest = &self.bytes[self.used..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LONGEST {
            return Err(io::Error::other(format!("a message of {length} bytes is longer than {LONGEST}")));
        }
        let Some(document) = rest.get(..length) else { return Ok(None) };
        let message = legacy::read(document)?;
        self.used += 4 + length;
        Ok(Some(message))
    }
}

/// The reading end of a channel.
pub(crate) struct Receiver {
    half: OwnedReadHalf,
    decoder: Decoder,
    buffer: Box<[u8]>,
}

/// The writing end of a channel.
pub(crate) struct Sender {
    half: OwnedWriteHalf,
    /// What leaves with the next document.
    queued: Vec<u8>,
}

/// Splits a channel in its two ends.
pub(crate) fn split(stream: UnixStream) -> (Receiver, Sender) {
    let (read, write) = stream.into_split();
    (
        Receiver { half: read, decoder: Decoder::default(), buffer: vec![0; 64 << 10].into() },
        Sender { half: write, queued: Vec::new() },
    )
}

impl Receiver {
    /// The next document; `None` when the other end is gone, also when it has not read everything. Safe to drop half-way (what was read is kept).
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.decoder.next()? {
                return Ok(Some(message));
            }
            let n = match self.half.read(&mut self.buffer).await {
                Err(e) if is_gone(&e) => 0,
                read => read?,
            };
            if n == 0 {
                return Ok(None);
            }
            self.decoder.feed(&self.buffer[..n]);
        }
    }
}

/// Whether that means that the other end is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl Sender {
    /// Sends one document, behind those that are queued.
    pub(crate) async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.queue(message)?;
        self.flush().await
    }

    /// Has one document leave with the next that is sent: the other end is woken once.
    pub(crate) fn queue<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.queued.extend(encode(message)?);
        Ok(())
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.queued);
        self.send_bytes(&bytes).await
    }

    /// Sends documents that are encoded already.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.half.write_all(bytes).await
    }

    /// Sends what comes, encoded already, until nothing more can come. What waits leaves together: the other end is woken once.
    pub(crate) async fn send_all(&mut self, documents: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
        while let Some(mut bytes) = documents.recv().await {
            while bytes.len() < TOGETHER
                && let Ok(more) = documents.try_recv()
            {
                bytes.extend(more);
            }
            self.send_bytes(&bytes).await?;
        }
        Ok(())
    }
}

/// Bytes that are enough to leave without waiting for more.
const TOGETHER: usize = 64 << 10;

/// Documents that may wait in an outbox.
const OUTBOX: usize = 4096;

/// A writing end for whoever can't wait while the other end is busy.
pub(crate) struct Outbox {
    queue: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<io::Result<()>>,
}

impl Outbox {
    /// Sends through this end from now on.
    pub(crate) fn new(mut sender: Sender) -> Outbox {
        let (queue, mut documents) = mpsc::channel::<Vec<u8>>(OUTBOX);
        let writer = tokio::spawn(async move { sender.send_all(&mut documents).await });
        Outbox { queue, writer }
    }

    /// Puts in a document; waits only if very many are waiting.
    pub(crate) async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.queue.send(encode(message)?).await.map_err(gone)
    }

    /// Waits until everything is sent.
    pub(crate) async fn close(self) -> io::Result<()> {
        drop(self.queue);
        self.writer.await?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    #[test]
    fn the_longest_document_arrives_and_a_longer_one_is_not_sent() {
        let longest = "x".repeat(LONGEST - 4); // less its own length
        let mut decoder = Decoder::default();
        decoder.feed(&encode(&longest).unwrap());
        assert!(decoder.next::<String>().unwrap() == Some(longest));
        assert!(encode(&"x".repeat(LONGEST - 3)).is_err());
    }

    #[tokio::test]
    async fn who_is_gone_with_something_unread_is_gone() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut receiver, mut sender) = split(ours);
        sender.send(&"never read").await.unwrap();
        drop(theirs);
        assert_eq!(receiver.next::<String>().await.unwrap(), None);
        assert!(is_gone(&sender.send(&"nobody").await.unwrap_err()));
    }
}
