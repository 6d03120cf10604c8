//! The client's end of the control socket: one request, one answer, or why there is none.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vipd_api::{Reply, Request};

/// The longest answer, in bytes.
const LONGEST: u64 = 64 << 20;

/// After so long without an answer whoever asked is told that there is none yet.
const SOON: Duration = Duration::from_millis(1500);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// Nobody let us in.
    Closed(PathBuf, io::Error),
    /// The conversation broke off.
    Broke(PathBuf, io::Error),
    /// No answer came for so long.
    Late(PathBuf, Duration),
    /// What came is not an answer.
    Garbled(PathBuf, serde_json::Error),
    /// The daemon says why not.
    Refused(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Closed(path, e) => {
                let path = path.display();
                match e.kind() {
                    io::ErrorKind::PermissionDenied => write!(
                        f,
                        "may not use the control socket {path}: {e}; run this as root, or as a member of the socket's group"
                    ),
                    io::ErrorKind::ConnectionRefused => write!(
                        f,
                        "nobody answers on the control socket {path}: the daemon was killed and left it behind; see \
                         `systemctl status vipd` or the log, and start it again"
                    ),
                    _ => write!(
                        f,
                        "could not connect to the control socket {path}: {e}; is vipd running (`systemctl status vipd`), \
                         and with this control socket?"
                    ),
                }
            }
            Silence::Late(path, patience) => write!(
                f,
                "the daemon behind {} did not answer within {} s: it may hang; the log may say why",
                path.display(),
                patience.as_secs()
            ),
            Silence::Broke(path, e) => {
                write!(f, "the daemon behind {} broke off: {e}; it may be stopping: try again", path.display())
            }
            Silence::Garbled(path, e) => write!(
                f,
                "what answers on {} does not speak this program's language ({e}): is it another version of vipd?",
                path.display()
            ),
            Silence::Refused(message) => write!(f, "the daemon says: {}", crate::status::shown(message)),
        }
    }
}

fn is_late(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Asks the daemon behind `socket`, and waits for its answer for so long.
pub(crate) fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Reply, Silence> {
    let closed = |e| Silence::Closed(socket.to_owned(), e);
    let broke = |e: io::Error| {
        if is_late(&e) { Silence::Late(socket.to_owned(), patience) } else { Silence::Broke(socket.to_owned(), e) }
    };
    let mut stream = UnixStream::connect(socket).map_err(closed)?;
    stream.set_read_timeout(Some(SOON.min(patience))).map_err(broke)?;
    stream.set_write_timeout(Some(patience)).map_err(broke)?;

    let garbled = |e| Silence::Garbled(socket.to_owned(), e);
    let mut request = serde_json::to_vec(request).map_err(garbled)?;
    request.push(b'\n');
    let sent = stream.write_all(&request);
    let mut line = Vec::new();
    let mut stream = BufReader::new(stream).take(LONGEST);
    let mut read = stream.read_until(b'\n', &mut line);
    if read.as_ref().is_err_and(is_late) && patience > SOON {
        eprintln!("vipd: the daemon behind {} has not answered yet: waiting", socket.display());
        stream.get_ref().get_ref().set_read_timeout(Some(patience.saturating_sub(SOON))).map_err(broke)?;
        read = stream.read_until(b'\n', &mut line);
    }
    // A daemon that turned us away has said why before it hung up: what could be read goes before what went wrong.
    if line.last() != Some(&b'\n') {
        sent.and(read).map_err(broke)?;
        return Err(broke(io::ErrorKind::UnexpectedEof.into()));
    }
    match serde_json::from_slice(&line).map_err(garbled)? {
        Reply::Error { message } => Err(Silence::Refused(message)),
        reply => Ok(reply),
    }
}
