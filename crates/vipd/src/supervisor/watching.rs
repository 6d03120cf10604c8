//! Files that are followed: a thread of its own watches their directories and reads them, for a disk may hang.

use super::Event;
use super::followed::Lease;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tracing::warn;
use vipd_sys::clock::monotonic_micros;
use vipd_sys::poll::Poller;
use vipd_sys::watch::{Directory, Told, Watcher};

/// How often the directories themselves are looked at, in microseconds: one may be missing, or another come in its place.
const EVERY: u64 = 1_000_000;

/// Links that are followed to a file.
const LINKS: usize = 16;

/// `O_NONBLOCK`, `O_NOCTTY` (asm-generic/fcntl.h).
const NONBLOCK: i32 = 0o4000;
const NOCTTY: i32 = 0o400;

/// A followed file.
pub(super) trait Subject {
    /// What leads to it: itself, and where it is a link, what that names, and so on.
    fn chain(&self) -> &[PathBuf];
    /// Whether a reading of it does not end.
    fn hangs(&self) -> bool;
    /// Reads it, for the follower with this number; what is to be told, if anything.
    fn read(&mut self, serial: u64) -> Option<Event>;
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
pub(super) struct Follower<S> {
    lease: Lease,
    events: mpsc::Sender<Event>,
    pub(super) subjects: Vec<S>,
    directories: BTreeMap<PathBuf, Place>,
    /// What they are called: `tracked files`.
    called: &'static str,
}

impl<S: Subject> Follower<S> {
    /// One that has read nothing yet.
    pub(super) fn new(
        lease: Lease,
        events: mpsc::Sender<Event>,
        subjects: Vec<S>,
        called: &'static str,
    ) -> Follower<S> {
        Follower { lease, events, subjects, directories: BTreeMap::new(), called }
    }

    /// Follows them until nobody listens any more.
    pub(super) fn run(mut self) {
        self.add_directories();
        let watcher = Watcher::open().and_then(|watcher| {
            let poller = Poller::new()?;
            poller.watch(&watcher, 0)?;
            Ok((watcher, poller))
        });
        match watcher {
            Ok((watcher, poller)) => self.follow(&watcher, poller),
            Err(e) => {
                warn!("inotify is not to be had ({e}): {} are read every second", self.called);
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
                warn!("what happens to {} can't be read: {e}", self.called);
                std::thread::sleep(std::time::Duration::from_micros(EVERY));
                vec![Told::Lost]
            });
            for told in told {
                let done = match told {
                    Told::File(at, name) => {
                        let here = |path: &Path| self.directories.get(path).is_some_and(|p| p.watch == Some(at));
                        let here: Vec<PathBuf> = self.directories.keys().filter(|path| here(path)).cloned().collect();
                        self.read_where(|f| here.iter().any(|directory| is_in(f, directory, Some(&name))))
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
                warn!("{} can't be watched ({why}): its {} are read every second", path.display(), self.called);
            }
            place.trouble = trouble;
            place.watch = watch.ok();
            // What happened before it was watched.
            self.read_where(|f| is_in(f, &path, None))?;
        }
        // What did not answer may do so now.
        self.read_where(Subject::hangs)?;
        self.lease.holds().then_some(())
    }

    /// Notes the directories of all files, and of the links to them, to be watched. Those where none is any more are watched on
    /// until another configuration comes.
    fn add_directories(&mut self) {
        for path in self.subjects.iter().flat_map(Subject::chain) {
            self.directories.entry(directory_of(path).to_path_buf()).or_default();
        }
    }

    /// Reads some of the files and tells what they say; `None` if nobody listens any more.
    pub(super) fn read_where(&mut self, these: impl Fn(&S) -> bool) -> Option<()> {
        for file in self.subjects.iter_mut().filter(|f| these(f)) {
            if let Some(event) = file.read(self.lease.serial) {
                self.events.blocking_send(event).ok()?;
            }
        }
        self.add_directories();
        self.lease.holds().then_some(())
    }
}

/// Whether a file changes with what is in a directory, or with that of this name there.
fn is_in(subject: &impl Subject, directory: &Path, name: Option<&OsStr>) -> bool {
    let here = |path: &&PathBuf| directory_of(path) == directory && name.is_none_or(|n| path.file_name() == Some(n));
    subject.chain().iter().any(|path| here(&path))
}

/// The first bytes of a file. What is no file is not opened: to open it may do something, or wait.
fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let no_file = || io::Error::other("it is no file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK | NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    file.take(longest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The directory that a path is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// What leads to a file, and what is in it.
pub(super) type Look = (Vec<PathBuf>, io::Result<Vec<u8>>);

/// Looks at a file, of which so many bytes are read at most.
pub(super) fn look(path: &Path, longest: u64) -> Look {
    (chain(path), read(path, longest))
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
