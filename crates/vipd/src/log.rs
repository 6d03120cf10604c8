//! Where log lines go: the console (`-l`), the system's log (unless `-G`), a file (`-g`).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use vipd_sys::syslog::{self, Severity};

/// What to log and where to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destination {
    /// `-l`
    pub(crate) console: bool,
    /// Not `-G`: the facility (syslog.h).
    pub(crate) syslog: Option<i32>,
    /// `-g`
    pub(crate) file: Option<PathBuf>,
    /// `-D`: once for details, twice for every packet.
    pub(crate) detail: u8,
}

/// Starts logging for this process. `name` is what the system's log shows: `vipd`, `vipd_vrrp`, ...
pub(crate) fn start(name: &'static std::ffi::CStr, destination: &Destination) -> io::Result<()> {
    let level = match destination.detail {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let level = tracing_subscriber::filter::LevelFilter::from_level(level);
    let targets = tracing_subscriber::filter::Targets::new().with_target("vipd", level);
    let process = name.to_str().unwrap_or("vipd");
    let lines = || tracing_subscriber::fmt::layer().with_target(false).with_ansi(false);
    let console = destination.console.then(|| lines().with_writer(Named { process, to: io::stderr }));
    let file = match &destination.file {
        Some(path) => {
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).mode(0o600).custom_flags(crate::NO_FOLLOW).open(path)?;
            Some(lines().with_writer(Mutex::new(file)))
        }
        None => None,
    };
    let syslog = destination.syslog.map(|facility| {
        syslog::open(name, facility);
        lines().without_time().with_level(false).with_writer(Syslog)
    });
    let layers = console.map(Layer::boxed).into_iter().chain(file.map(Layer::boxed)).chain(syslog.map(Layer::boxed));
    let layers: Vec<_> = layers.collect();
    tracing_subscriber::registry().with(layers.with_filter(targets)).try_init().map_err(io::Error::other)
}

/// A writer that puts the process in front of each line.
struct Named<W> {
    process: &'static str,
    to: W,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Named<W> {
    type Writer = NamedLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        NamedLine {
            line: format!("{}[{}]: ", self.process, std::process::id()).into_bytes(),
            to: self.to.make_writer(),
        }
    }
}

/// One line, written at once when it is complete: lines of several processes don't mix.
struct NamedLine<W: Write> {
    line: Vec<u8>,
    to: W,
}

impl<W: Write> Write for NamedLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for NamedLine<W> {
    fn drop(&mut self) {
        let _ = self.to.write_all(&self.line); // nowhere to complain to
    }
}

/// The system's log as a writer.
struct Syslog;

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = SyslogLine;

    fn make_writer(&'a self) -> SyslogLine {
        SyslogLine { severity: Severity::Info, line: String::new() }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> SyslogLine {
        let severity = match *metadata.level() {
            Level::ERROR => Severity::Error,
            Level::WARN => Severity::Warning,
            Level::INFO => Severity::Info,
            Level::DEBUG | Level::TRACE => Severity::Debug,
        };
        SyslogLine { severity, line: String::new() }
    }
}

struct SyslogLine {
    severity: Severity,
    line: String,
}

impl Write for SyslogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SyslogLine {
    fn drop(&mut self) {
        syslog::write(self.severity, self.line.trim_end());
    }
}
