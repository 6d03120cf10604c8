//! One operator's connection: a request a line in, a reply a line out. Everything about it is bounded: the length of a
//! line, the time to send it, the time to answer it, the time to take the answer.

use super::stream::{Stream, Wish};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;
use vipd_api::{Reply, Request};

/// The longest request line, in bytes, its newline included.
pub(super) const LONGEST: usize = 64 << 10;

/// How long a client has to send a whole request.
pub(super) const SEND: Duration = Duration::from_secs(5);

/// How long the supervisor has to answer it: a configuration may be large.
fn patience(request: &Request) -> Duration {
    match request {
        Request::Status | Request::Steer(_) | Request::Server(_) => Duration::from_secs(10),
        Request::Reload => Duration::from_secs(120),
        // Answered here.
        Request::Events { .. } => Duration::ZERO,
        Request::Config { .. } => Duration::from_secs(30),
    }
}

/// How long a client has to take the answer.
const TAKE: Duration = Duration::from_secs(10);

/// A request and where its answer goes.
pub(super) struct Ask {
    /// What.
    pub(super) request: Request,
    /// Whose the client is.
    pub(super) uid: Option<u32>,
    /// The session that waits.
    pub(super) answer: oneshot::Sender<Reply>,
}

/// Serves a connection until the client leaves or breaks a bound.
pub(super) async fn serve(mut stream: UnixStream, asks: mpsc::Sender<Ask>, events: Arc<Stream>) {
    let uid = stream.peer_cred().ok().map(|peer| peer.uid());
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let (answer, more) = match timeout(SEND, line(&mut read)).await {
            Ok(Ok(Line::Request(line))) => match request(&line) {
                Ok(Request::Events { since, boot, follow }) => {
                    match events.serve(&Wish { since, boot, follow }, &mut read, &mut write).await {
                        Taken::Yes => continue,
                        Taken::No => return,
                    }
                }
                Ok(request) => (answer(request, uid, &asks).await, true),
                Err(why) => (error(why), true),
            },
            Ok(Ok(Line::TooLong)) => (error(format!("a request has at most {LONGEST} bytes in one line")), false),
            Ok(Ok(Line::End)) => return,
            Ok(Err(e)) => {
                debug!("a connection to the control socket broke: {e}");
                return;
            }
            Err(_) => (error(format!("no whole line came within {} s: connect, send, read", SEND.as_secs())), false),
        };
        if reply(&mut write, &answer, TAKE).await == Taken::No || !more {
            return;
        }
    }
}

/// Whether a client has taken an answer in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    Yes,
    No,
}

/// Sends an answer, for so long at most.
pub(super) async fn reply(write: &mut (impl AsyncWrite + Unpin), reply: &Reply, patience: Duration) -> Taken {
    let mut bytes = match serde_json::to_vec(reply) {
        Ok(bytes) => bytes,
        Err(e) => {
            debug!("a reply could not be written as JSON: {e}");
            return Taken::No;
        }
    };
    bytes.push(b'\n');
    match timeout(patience, write.write_all(&bytes)).await {
        Ok(Ok(())) => Taken::Yes,
        Ok(Err(_)) | Err(_) => Taken::No,
    }
}

/// Tells a client that there are too many already. What doesn't fit in its buffer at once is not sent.
pub(super) fn turn_away(stream: &UnixStream, sessions: usize) {
    let busy = error(format!("{sessions} connections are being served already: try again in a moment"));
    if let Ok(mut bytes) = serde_json::to_vec(&busy) {
        bytes.push(b'\n');
        // It could not be told: it sees the connection end.
        let _ = stream.try_write(&bytes);
    }
}

enum Line {
    Request(Vec<u8>),
    TooLong,
    End,
}

/// The next line that isn't empty. A last line may lack its newline.
async fn line(read: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Line> {
    loop {
        let mut line = Vec::new();
        let n = (&mut *read).take(LONGEST as u64).read_until(b'\n', &mut line).await?;
        if n == 0 {
            return Ok(Line::End);
        }
        if n == LONGEST && line.last() != Some(&b'\n') {
            return Ok(Line::TooLong);
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Line::Request(line));
        }
    }
}

/// The request in a line, or what is wrong with it.
fn request(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|e| {
        let e: String = e.to_string().chars().take(200).collect();
        format!("this daemon does not know the request: {e}; is the client a newer version?")
    })
}

async fn answer(request: Request, uid: Option<u32>, asks: &mpsc::Sender<Ask>) -> Reply {
    let patience = patience(&request);
    let (answer, answered) = oneshot::channel();
    if asks.send(Ask { request, uid, answer }).await.is_err() {
        return error("the daemon is stopping".to_owned());
    }
    match timeout(patience, answered).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => error("the daemon is stopping".to_owned()),
        Err(_) => {
            let waited = patience.as_secs();
            error(format!("the supervisor did not answer within {waited} s: it may hang; the log may say why"))
        }
    }
}

fn error(message: String) -> Reply {
    Reply::Error { message }
}
