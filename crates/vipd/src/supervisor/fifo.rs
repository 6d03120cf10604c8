//! The notify FIFOs: one line an event, written without waiting. A reader that is too slow loses lines; that is said once.

use super::hooks::credentials;
use super::program;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, fchown};
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
    /// Opens what a configuration names, keeps what it named before.
    pub(crate) fn configure(&mut self, global: &Global) {
        let wanted = [(Kind::All, &global.fifo), (Kind::Vrrp, &global.vrrp_fifo), (Kind::Lvs, &global.lvs_fifo)];
        for (kind, settings) in wanted {
            let current = self.open.get(&kind).map(|o| &o.settings);
            if current == settings.as_ref() {
                continue;
            }
            if let Some(old) = self.open.remove(&kind) {
                old.close();
            }
            let Some(settings) = settings else { continue };
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

    fn close(self) {
        if let Some(reader) = self.reader {
            reader.abort();
        }
        if self.made {
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
