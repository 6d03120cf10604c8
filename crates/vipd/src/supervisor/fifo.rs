//! The notify FIFOs: one line an event, written without waiting. A reader that is too slow loses lines; that is said once.

use super::hooks::credentials;
use super::program;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use vipd_config::model::{Fifo, Global};

/// `O_NONBLOCK` and `O_NOFOLLOW` (asm-generic/fcntl.h).
const FLAGS: i32 = 0o4000 | 0o400_000;

/// Which events a FIFO gets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    All,
    Vrrp,
    Lvs,
}

struct Open {
    settings: Fifo,
    file: File,
    reader: Option<JoinHandle<()>>,
    /// Whether this process made it, and so removes it.
    made: bool,
    lost: u64,
}

/// The open FIFOs.
#[derive(Default)]
pub(crate) struct Fifos {
    open: BTreeMap<Kind, Open>,
}

impl Fifos {
    /// Opens what a configuration names, keeps what it named before and is still in its place.
    pub(crate) fn configure(&mut self, global: &Global) {
        let wanted = [(Kind::All, &global.fifo), (Kind::Vrrp, &global.vrrp_fifo), (Kind::Lvs, &global.lvs_fifo)];
        // Closed first: one that changes its kind is removed from its path before it is made there again.
        for (kind, settings) in wanted {
            let keep = |open: &Open| Some(&open.settings) == settings.as_ref() && open.in_place();
            if !self.open.get(&kind).is_some_and(keep)
                && let Some(old) = self.open.remove(&kind)
            {
                old.close();
            }
        }
        for (kind, settings) in wanted {
            let Some(settings) = settings.as_ref().filter(|_| !self.open.contains_key(&kind)) else { continue };
            match Open::new(settings) {
                Ok(open) => {
                    self.open.insert(kind, open);
                }
                Err(e) => warn!("notify FIFO {} can't be opened: {e}", settings.path.display()),
            }
        }
    }

    /// A line about an instance or a group.
    pub(crate) fn vrrp(&mut self, line: &str) {
        self.write(line, Kind::Vrrp);
    }

    /// A line about a service or a real server. (The original puts a NUL byte behind it; that is left out.)
    pub(crate) fn lvs(&mut self, line: &str) {
        self.write(line, Kind::Lvs);
    }

    fn write(&mut self, line: &str, kind: Kind) {
        for kind in [Kind::All, kind] {
            if let Some(open) = self.open.get_mut(&kind) {
                open.write(line);
            }
        }
    }

    /// Closes them; those that were made here are removed.
    pub(crate) fn close(&mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            open.close();
        }
    }
}

impl Open {
    fn new(settings: &Fifo) -> io::Result<Open> {
        let path = &settings.path;
        let made = match vipd_sys::process::make_fifo(path) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
            Err(e) => return Err(e),
        };
        // For reading too, so that there is always a reader and a write never fails for want of one.
        let file = OpenOptions::new().read(true).write(true).custom_flags(FLAGS).open(path)?;
        if !file.metadata()?.file_type().is_fifo() {
            return Err(io::Error::other("there is something else than a FIFO in its place"));
        }
        if made {
            fchown(&file, Some(settings.uid), Some(settings.gid))?;
        }
        let reader = settings.script.clone().map(|script| {
            let mut argv = script.argv.clone();
            argv.push(path.display().to_string());
            tokio::spawn(async move {
                // A reader lives as long as the FIFO; a year is "for ever" to a timer.
                let exit = program::run(&argv, &credentials(&script), Duration::from_secs(366 * 86400)).await.exit;
                warn!("FIFO script {} ended: {exit}", script.text);
            })
        });
        info!("writing events to {}", path.display());
        Ok(Open { settings: settings.clone(), file, reader, made, lost: 0 })
    }

    fn write(&mut self, line: &str) {
        match self.file.write(line.as_bytes()) {
            Ok(_) if self.lost > 0 => {
                let lost = std::mem::take(&mut self.lost);
                warn!("{}: read again after {lost} lines were lost", self.settings.path.display());
            }
            Ok(_) => {}
            Err(e) => {
                if self.lost == 0 {
                    warn!("{}: nobody reads: lines are lost ({e})", self.settings.path.display());
                }
                self.lost += 1;
            }
        }
    }

    /// Whether the path still leads to it.
    fn in_place(&self) -> bool {
        let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
        let there = std::fs::symlink_metadata(&self.settings.path).map(identity);
        there.is_ok_and(|there| self.file.metadata().map(identity).is_ok_and(|own| own == there))
    }

    fn close(self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
        if self.made && self.in_place() {
            remove(&self.settings.path);
        }
    }
}

fn remove(path: &Path) {
    let path: PathBuf = path.to_owned();
    if let Err(e) = std::fs::remove_file(&path) {
        warn!("{} can't be removed: {e}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fifo(path: &Path) -> Option<Fifo> {
        Some(Fifo { path: path.to_owned(), script: None, uid: 0, gid: 0 })
    }

    fn inode(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_reload_keeps_what_is_in_its_place_and_makes_anew_what_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let mut fifos = Fifos::default();
        let global = Global { vrrp_fifo: fifo(&one), lvs_fifo: fifo(&two), ..Global::default() };
        fifos.configure(&global);
        let first = inode(&one);
        fifos.configure(&global);
        assert_eq!(inode(&one), first, "opened needlessly");
        // Somebody put another in its place: events go there from the next reload on.
        std::fs::remove_file(&one).unwrap();
        std::fs::write(&one, "no pipe").unwrap();
        fifos.configure(&global);
        assert!(one.metadata().unwrap().is_file(), "what is not ours is left alone");
        std::fs::remove_file(&one).unwrap();
        fifos.configure(&global);
        assert!(one.metadata().unwrap().file_type().is_fifo());
        // The same path for another kind: there is one, not none.
        let global = Global { fifo: fifo(&one), lvs_fifo: fifo(&two), ..Global::default() };
        fifos.configure(&global);
        let mut reader = OpenOptions::new().read(true).custom_flags(FLAGS).open(&one).unwrap();
        fifos.vrrp("INSTANCE \"A\" MASTER 1\n");
        let mut line = [0; 64];
        let n = io::Read::read(&mut reader, &mut line).unwrap();
        assert_eq!(&line[..n], b"INSTANCE \"A\" MASTER 1\n");
        fifos.configure(&Global::default());
        assert!(!one.exists() && !two.exists());
    }
}
