//! `vipd status`: asks the running daemon and shows what it says. What a status contains is the daemon's affair
//! (`vipd_api::Status`); how it looks is in `text`.

mod table;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use table::Colour;
use text::Depth;
use vipd_api::{Reply, Request, Status, UnixTime};

/// How long to wait for the daemon. It gives up on its own parts after ten seconds and says so.
const PATIENCE: Duration = Duration::from_secs(12);

/// The longest answer, in bytes.
const LONGEST: u64 = 64 << 20;

/// Asks the daemon behind `socket` and prints its status as tables or as JSON. 0: printed; 1: no status was to be had.
pub(crate) fn run(socket: &Path, json: bool) -> ExitCode {
    let status = match ask(socket, PATIENCE) {
        Ok(status) => status,
        Err(e) => {
            eprintln!("vipd status: {e}");
            return ExitCode::FAILURE;
        }
    };
    let page = if json {
        match serde_json::to_string_pretty(&status) {
            Ok(page) => page + "\n",
            Err(e) => {
                eprintln!("vipd status: the status could not be written as JSON: {e}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        text::page(&status, now(), Depth::Brief, colour())
    };
    match io::stdout().lock().write_all(page.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // `vipd status | head` has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("vipd status: could not write to standard output: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Everything there is to say, as plain text: what a dump on request writes.
pub(crate) fn render(status: &Status) -> String {
    text::page(status, now(), Depth::Full, Colour::Never)
}

/// What each instance has counted, in the lines that readers of keepalived's statistics know.
pub(crate) fn statistics(status: &Status) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for instance in &status.instances {
        let counters = &instance.counters;
        let rejected = |names: &[&str]| -> u64 {
            counters.rejected.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, n)| n).sum()
        };
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  \
             Released master: {}\n  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    \
             Advertisement Interval: {}\n    Address List: {}\n  Authentication Errors:\n    Invalid Type: 0\n    \
             Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            instance.name,
            counters.adverts_received,
            counters.adverts_sent,
            counters.became_master,
            counters.released_master,
            rejected(&["packet_length"]),
            rejected(&["ttl"]),
            rejected(&["type"]),
            rejected(&["advert_interval"]),
            rejected(&["destination"]),
            rejected(&["auth_type"]),
            rejected(&["auth_password", "auth_ah"]),
            counters.priority_zero_received,
            counters.priority_zero_sent,
        );
    }
    text
}

fn now() -> UnixTime {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// On a terminal that wants it (<https://no-color.org>).
fn colour() -> Colour {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    if io::stdout().is_terminal() && !refused && !dumb { Colour::Ansi } else { Colour::Never }
}

/// Why there is no status to show.
#[derive(Debug)]
enum Silence {
    /// Nobody let us in.
    Closed(PathBuf, io::Error),
    /// The conversation broke off.
    Broke(PathBuf, io::Error),
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
            Silence::Broke(path, e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                write!(
                    f,
                    "the daemon behind {} did not answer within {} s: it may hang; the log may say why",
                    path.display(),
                    PATIENCE.as_secs()
                )
            }
            Silence::Broke(path, e) => {
                write!(f, "the daemon behind {} broke off: {e}; it may be stopping: try again", path.display())
            }
            Silence::Garbled(path, e) => write!(
                f,
                "what answers on {} does not speak this program's language ({e}): is it another version of vipd?",
                path.display()
            ),
            Silence::Refused(message) => write!(f, "the daemon says: {}", table::shown(message)),
        }
    }
}

fn ask(socket: &Path, patience: Duration) -> Result<Status, Silence> {
    let closed = |e| Silence::Closed(socket.to_owned(), e);
    let broke = |e| Silence::Broke(socket.to_owned(), e);
    let mut stream = UnixStream::connect(socket).map_err(closed)?;
    stream.set_read_timeout(Some(patience)).map_err(broke)?;
    stream.set_write_timeout(Some(patience)).map_err(broke)?;

    let garbled = |e| Silence::Garbled(socket.to_owned(), e);
    let mut request = serde_json::to_vec(&Request::Status).map_err(garbled)?;
    request.push(b'\n');
    let sent = stream.write_all(&request);
    let mut line = Vec::new();
    let read = BufReader::new(stream).take(LONGEST).read_until(b'\n', &mut line);
    // A daemon that turned us away has said why before it hung up: what could be read goes before what went wrong.
    if line.last() != Some(&b'\n') {
        sent.and(read).map_err(broke)?;
        return Err(broke(io::ErrorKind::UnexpectedEof.into()));
    }
    match serde_json::from_slice(&line).map_err(garbled)? {
        Reply::Status(status) => Ok(*status),
        Reply::Error { message } => Err(Silence::Refused(message)),
    }
}
