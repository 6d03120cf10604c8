//! Directories that are watched for what happens to their files (inotify(7)).

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Tells of files that were written and closed, moved in or out, or removed.
pub struct Watcher {
    inotify: Inotify,
}

/// A watched directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Directory(WatchDescriptor);

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// To the file of that name.
    File(Directory, OsString),
    /// The directory is no longer watched: it was removed, or what it was on was unmounted.
    Gone(Directory),
    /// More than the kernel keeps: any file may have changed.
    Lost,
}

impl Watcher {
    /// One that watches nothing.
    ///
    /// # Errors
    /// What the kernel says: the limit of descriptors, or of watchers of one user.
    pub fn open() -> io::Result<Watcher> {
        Ok(Watcher { inotify: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)? })
    }

    /// Watches a directory. One that is watched already keeps its number.
    ///
    /// # Errors
    /// There is none, or it is something else, or there are too many watches.
    pub fn watch(&self, directory: &Path) -> io::Result<Directory> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        Ok(Directory(self.inotify.add_watch(directory, flags)?))
    }

    /// No longer watches a directory. That it is not watched any more is no error.
    pub fn forget(&self, directory: Directory) {
        let _ = self.inotify.rm_watch(directory.0);
    }

    /// What has happened since the last time; nothing, if nothing has. Does not wait.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self) -> io::Result<Vec<Told>> {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        };
        let told = events.into_iter().filter_map(|event| {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return Some(Told::Lost);
            }
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                return Some(Told::Gone(Directory(event.wd)));
            }
            Some(Told::File(Directory(event.wd), event.name?))
        });
        Ok(told.collect())
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
