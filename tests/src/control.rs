//! The control socket of a director, spoken to without a process of `vipd`: thousands of requests over one connection.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use vipd_api::{Reloaded, Reply, Request, Status};

/// A connection.
pub struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    /// Connects.
    pub fn connect(socket: &Path) -> io::Result<Control> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Control { stream: BufReader::new(stream) })
    }

    fn ask(&mut self, request: &Request) -> Reply {
        let mut line = serde_json::to_vec(request).unwrap_or_else(|e| panic!("{e}"));
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).unwrap_or_else(|e| panic!("the daemon does not listen: {e}"));
        let mut answer = String::new();
        self.stream.read_line(&mut answer).unwrap_or_else(|e| panic!("the daemon does not answer: {e}"));
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }

    /// What `vipd reload` asks.
    #[track_caller]
    pub fn reload(&mut self) -> Reloaded {
        match self.ask(&Request::Reload) {
            Reply::Reload(reloaded) => reloaded,
            other => panic!("asked for a reload, answered {other:?}"),
        }
    }

    /// What `vipd status` asks.
    #[track_caller]
    pub fn status(&mut self) -> Status {
        match self.ask(&Request::Status) {
            Reply::Status(status) => *status,
            other => panic!("asked for the status, answered {other:?}"),
        }
    }
}
