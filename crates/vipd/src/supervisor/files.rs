//! Tracked files: what number stands in each. A thread of its own watches their directories and reads them, for a disk may
//! hang; the supervisor does it, for the files may be ones that only root can read.

use super::followed::Lease;
use super::patient::{self, Hanging, Vain};
use super::{Event, RoleName, Supervisor};
use crate::message::ToRole;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};
use vipd_config::model::{InitFile, Overwrite, TrackedFile};
use vipd_lvs::settings::Probe;
use vipd_sys::clock::monotonic_micros;
use vipd_sys::poll::Poller;
use vipd_sys::watch::{Directory, Told, Watcher};

/// Bytes read of a file.
const LONGEST: u64 = 128;

/// The largest value, with either sign; a file that says more is not believed.
const MOST: i64 = 1 << 31;

/// How often the directories themselves are looked at, in microseconds: one may be missing, or another come in its place.
const EVERY: u64 = 1_000_000;

/// How long a file may take to be read: a disk, or a server of files, may not answer. The others wait for it once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Links that are followed to a file.
const LINKS: usize = 16;

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
        let follower = Follower {
            lease,
            events: self.events.clone(),
            files: wanted.into_iter().map(File::new).collect(),
            directories: BTreeMap::new(),
        };
        if follower.files.is_empty() {
            return;
        }
        let thread = std::thread::Builder::new().name("files".to_owned());
        if let Err(e) = thread.spawn(move || follower.run(start)) {
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
        File { settings, chain, reader: look, hanging: None, value: None, trouble: None }
    }

    /// Whether it changes with what is in a directory, or with that of this name there.
    fn is_in(&self, directory: &Path, name: Option<&OsStr>) -> bool {
        let here =
            |path: &&PathBuf| directory_of(path) == directory && name.is_none_or(|n| path.file_name() == Some(n));
        self.chain.iter().any(|path| here(&path))
    }

    /// Reads it; a value that is another than before.
    fn read(&mut self) -> Option<i64> {
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

/// A directory of followed files, as it was when it was last looked at.
#[derive(Default)]
struct Place {
    /// Device and number; `None`: it is not watched.
    identity: Option<(u64, u64)>,
    watch: Option<Directory>,
    trouble: Option<String>,
}

/// The thread.
struct Follower {
    lease: Lease,
    events: mpsc::Sender<Event>,
    files: Vec<File>,
    directories: BTreeMap<PathBuf, Place>,
}

impl Follower {
    fn run(mut self, start: Start) {
        if start == Start::Daemon {
            for file in &self.files {
                let TrackedFile { name, path, init } = &file.settings;
                if let Some(Err(e)) = init.map(|init| write_first(path, init)) {
                    warn!("track_file {name}: {} can't be made: {e}", path.display());
                }
            }
        }
        self.add_directories();
        let watcher = Watcher::open().and_then(|watcher| {
            let poller = Poller::new()?;
            poller.watch(&watcher, 0)?;
            Ok((watcher, poller))
        });
        match watcher {
            Ok((watcher, poller)) => self.follow(&watcher, poller),
            Err(e) => {
                warn!("inotify is not to be had ({e}): tracked files are read every second");
                while self.read_where(|_| true).is_some() {
                    std::thread::sleep(std::time::Duration::from_micros(EVERY));
                }
            }
        }
    }

    fn follow(&mut self, watcher: &Watcher, mut poller: Poller) {
        let mut ready = Vec::with_capacity(2);
        let mut look_at = 0;
        loop {
            let now = monotonic_micros();
            if now >= look_at {
                look_at = now + EVERY;
                if self.look_at_directories(watcher).is_none() {
                    return;
                }
            }
            let told = poller.wait(Some(look_at), &mut ready).and_then(|()| watcher.read());
            let told = told.unwrap_or_else(|e| {
                warn!("what happens to tracked files can't be read: {e}");
                std::thread::sleep(std::time::Duration::from_micros(EVERY));
                vec![Told::Lost]
            });
            for told in told {
                let done = match told {
                    Told::File(at, name) => {
                        let here = |path: &Path| self.directories.get(path).is_some_and(|p| p.watch == Some(at));
                        let here: Vec<PathBuf> = self.directories.keys().filter(|path| here(path)).cloned().collect();
                        self.read_where(|f| here.iter().any(|directory| f.is_in(directory, Some(&name))))
                    }
                    Told::Gone(at) => {
                        for place in self.directories.values_mut().filter(|p| p.watch == Some(at)) {
                            *place = Place::default();
                        }
                        look_at = 0;
                        Some(())
                    }
                    Told::Lost => self.read_where(|_| true),
                };
                if done.is_none() {
                    return;
                }
            }
        }
    }

    /// Watches directories that came, or came in the place of others, and reads the files in them. `None` at the end.
    fn look_at_directories(&mut self, watcher: &Watcher) -> Option<()> {
        let identity = |meta: Metadata| (meta.dev(), meta.ino());
        for path in self.directories.keys().cloned().collect::<Vec<_>>() {
            let found = std::fs::metadata(&path).ok().filter(Metadata::is_dir).map(identity);
            let place = self.directories.get_mut(&path)?;
            if found.is_some() && found == place.identity {
                continue;
            }
            if let Some(old) = place.watch.take() {
                watcher.forget(old);
            }
            let watch = watcher.watch(&path);
            place.identity = found.filter(|_| watch.is_ok());
            let trouble = watch.as_ref().err().map(ToString::to_string);
            if let Some(why) = trouble.as_ref().filter(|_| trouble != place.trouble) {
                warn!("{} can't be watched ({why}): its tracked files are read every second", path.display());
            }
            place.trouble = trouble;
            place.watch = watch.ok();
            // What happened before it was watched.
            self.read_where(|f| f.is_in(&path, None))?;
        }
        // What did not answer may do so now.
        self.read_where(|f| f.hanging.is_some())?;
        self.lease.holds().then_some(())
    }

    /// Notes the directories of all files, and of the links to them, to be watched. Those where none is any more are watched on
    /// until another configuration comes.
    fn add_directories(&mut self) {
        for path in self.files.iter().flat_map(|file| &file.chain) {
            self.directories.entry(directory_of(path).to_path_buf()).or_default();
        }
    }

    /// Reads some of the files and tells what they say; `None` if nobody listens any more.
    fn read_where(&mut self, these: impl Fn(&File) -> bool) -> Option<()> {
        for file in self.files.iter_mut().filter(|f| these(f)) {
            if let Some(value) = file.read() {
                let name = file.settings.name.clone();
                self.events.blocking_send(Event::File { serial: self.lease.serial, name, value }).ok()?;
            }
        }
        self.add_directories();
        self.lease.holds().then_some(())
    }
}

/// The first bytes of a file. What is no file is not opened: to open it may do something, or wait.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let no_file = || io::Error::other("it is no file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK | NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The directory that a path is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// What leads to a file, and what is in it.
type Look = (Vec<PathBuf>, io::Result<Vec<u8>>);

fn look(path: &Path) -> Look {
    (chain(path), read(path))
}

/// A path, and where that is a link, what it names, and so on.
fn chain(path: &Path) -> Vec<PathBuf> {
    let mut chain = vec![path.to_path_buf()];
    let mut at = path.to_path_buf();
    while let (Ok(to), true) = (std::fs::read_link(&at), chain.len() <= LINKS) {
        // As the name says: what goes up from behind another link is resolved by the kernel, when it is watched.
        at = directory_of(&at).join(to);
        chain.push(at.clone());
    }
    chain
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
