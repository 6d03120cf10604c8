//! Tracked files: what number stands in each. A thread of its own watches their directories and reads them, for a disk may
//! hang; the supervisor does it, for the files may be ones that only root can read.

use super::followed::Lease;
use super::patient::{self, Hanging, Vain};
use super::watching::{Follower, Look, Subject, look};
use super::{Event, RoleName, Supervisor};
use crate::message::ToRole;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};
use vipd_config::model::{InitFile, Overwrite, TrackedFile};
use vipd_lvs::settings::Probe;

/// Bytes read of a file.
const LONGEST: u64 = 128;

/// The largest value, with either sign; a file that says more is not believed.
const MOST: i64 = 1 << 31;

/// How long a file may take to be read: a disk, or a server of files, may not answer. The others wait for it once.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// `O_NONBLOCK`, `O_NOCTTY`, `O_NOFOLLOW` (asm-generic/fcntl.h).
const NONBLOCK: i32 = 0o4000;
const NOCTTY: i32 = 0o400;
const NOFOLLOW: i32 = 0o400_000;

/// When the files of a configuration are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// The daemon starts: `init_file` counts.
    Daemon,
    /// Another configuration came.
    Reload,
}

impl Supervisor {
    /// Follows the files that the configuration in force names.
    pub(super) fn follow_files(&mut self, start: Start) {
        let wanted = self.config.files.clone();
        let Some(lease) = self.files.change(wanted.clone(), |f| &f.name) else { return };
        if wanted.is_empty() {
            return;
        }
        let events = self.events.clone();
        let thread = std::thread::Builder::new().name("files".to_owned());
        let files = wanted.into_iter().map(File::new).collect();
        if let Err(e) = thread.spawn(move || follow(lease, events, files, start)) {
            error!("tracked files can't be followed: {e}");
        }
    }

    /// Waits for what the files say that checks of real servers follow, but not for ever: a server that its file takes out is
    /// not to be in until it is read. What else happens meanwhile may end the daemon.
    pub(super) async fn await_files(&mut self, queue: &mut mpsc::Receiver<Event>) -> Option<ExitCode> {
        if !self.wanted(RoleName::Check) {
            return None;
        }
        let services = self.config.services.iter().flat_map(|s| &s.lvs.real_servers);
        let probes = services.flat_map(|r| &r.checkers).filter_map(|c| match &c.probe {
            Probe::File(probe) => Some(probe.file.clone()),
            _ => None,
        });
        let mut awaited: BTreeSet<String> = probes.collect();
        let end = Instant::now() + PATIENCE;
        while !awaited.is_empty() {
            let Ok(Some(event)) = timeout_at(end, queue.recv()).await else {
                let names: Vec<&str> = awaited.iter().map(String::as_str).collect();
                warn!("{} can't be read in time: its real servers are in until it is", names.join(", "));
                return None;
            };
            if let Event::File { name, .. } = &event {
                awaited.remove(name);
            }
            if let Some(code) = self.handle(event) {
                return Some(code);
            }
        }
        None
    }

    /// Tells the roles once more what the files said last: one may follow another file now.
    pub(super) fn tell_files(&self) {
        for (name, value) in self.files.values() {
            for role in [RoleName::Vrrp, RoleName::Check] {
                self.tell(role, &ToRole::File { name: name.clone(), value });
            }
        }
    }

    /// A file was read.
    pub(super) fn file_says(&mut self, serial: u64, name: String, value: i64) {
        if self.files.heard(serial, &name, value) {
            for role in [RoleName::Vrrp, RoleName::Check] {
                self.tell(role, &ToRole::File { name: name.clone(), value });
            }
        }
    }
}

/// The thread.
fn follow(lease: Lease, events: mpsc::Sender<Event>, files: Vec<File>, start: Start) {
    if start == Start::Daemon {
        for file in &files {
            let TrackedFile { name, path, init } = &file.settings;
            if let Some(Err(e)) = init.map(|init| write_first(path, init)) {
                warn!("track_file {name}: {} can't be made: {e}", path.display());
            }
        }
    }
    Follower::new(lease, events, files, "tracked files").run();
}

/// A followed file.
struct File {
    settings: TrackedFile,
    /// What leads to it: itself, and where it is a link, what that names, and so on.
    chain: Vec<PathBuf>,
    reader: fn(&Path) -> Look,
    /// A reading of it that does not end.
    hanging: Option<Hanging>,
    /// What it said last.
    value: Option<i64>,
    /// What is wrong with it, told once.
    trouble: Option<String>,
}

impl File {
    fn new(settings: TrackedFile) -> File {
        let chain = vec![settings.path.clone()];
        File { settings, chain, reader: |path| look(path, LONGEST), hanging: None, value: None, trouble: None }
    }

    /// Reads it; a value that is another than before.
    fn value(&mut self) -> Option<i64> {
        let _ = self.hanging.take_if(|hanging| !hanging.hangs());
        if self.hanging.is_some() {
            return None;
        }
        let (at, reader) = (self.settings.path.clone(), self.reader);
        let path = self.settings.path.display();
        let text = match patient::within(PATIENCE, move || reader(&at)) {
            Ok((chain, text)) => {
                self.chain = chain;
                text
            }
            Err(Vain::Hangs(hanging)) => {
                warn!(
                    "track_file {} ({path}) does not answer: what it said last counts until it does",
                    self.settings.name
                );
                self.hanging = Some(hanging);
                return self.value.is_none().then(|| *self.value.insert(0));
            }
            Err(Vain::NoThread(e)) => Err(e),
        };
        let (value, trouble) = match text {
            Ok(text) => match number(&text) {
                Some(value) => (value, None),
                None => (self.value.unwrap_or(0), Some("its number is beyond 32 bits and not believed".to_owned())),
            },
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => (0, None),
            Err(e) => (0, Some(format!("{e}; it counts as 0"))),
        };
        if let Some(why) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            warn!("track_file {} ({path}): {why}", self.settings.name);
        }
        self.trouble = trouble;
        (self.value.replace(value) != Some(value)).then_some(value)
    }
}

impl Subject for File {
    fn chain(&self) -> &[PathBuf] {
        &self.chain
    }

    fn hangs(&self) -> bool {
        self.hanging.is_some()
    }

    fn read(&mut self, serial: u64) -> Option<Event> {
        let value = self.value()?;
        Some(Event::File { serial, name: self.settings.name.clone(), value })
    }
}

/// The number that a text begins with, as C's `strtol` reads it: blanks, a sign, `0x` or `0` in front of other digits than
/// decimal ones. 0 if it begins with none; `None` if it is beyond 32 bits.
fn number(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let digits = digits.iter().map_while(|b| char::from(*b).to_digit(radix));
    let size = digits.fold(0_i64, |n, digit| n.saturating_mul(radix.into()).saturating_add(digit.into()));
    (size <= MOST).then_some(sign * size)
}

/// `init_file`: writes a file that is not there, or any if told to. Nothing is written through a link in its place, nor into
/// what is no file.
fn write_first(path: &Path, init: InitFile) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644).custom_flags(NONBLOCK | NOCTTY | NOFOLLOW);
    match init.overwrite {
        Overwrite::Never => options.create_new(true),
        Overwrite::Always => options.create(true),
    };
    let mut file = match options.open(path) {
        Err(e) if init.overwrite == Overwrite::Never && e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    file.set_len(0)?;
    writeln!(file, "{}", init.value)
}

#[cfg(test)]
mod tests;
