//! The timed reload: a file says when (`reload_time_file`), and is looked at as often as the roles' pulse is felt. What its
//! line means is `schedule`'s.

use super::reading::look;
use super::{Event, Supervisor};
use crate::schedule::{LONGEST, NoTime, When};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};
use vipd_config::model::{AfterUse, TimeFile};
use vipd_sys::clock::unix_time;

/// How often the file is looked at. (A watch by inotify would have to follow every directory on the way to it.)
const EVERY: Duration = Duration::from_millis(200);

/// `O_NONBLOCK` (asm-generic/fcntl.h)
const FLAGS: i32 = 0o4000;

/// What is in the place of the file.
pub(crate) struct Seen {
    path: PathBuf,
    /// Its first line, or why it has none; `None`: there is no file.
    line: Option<io::Result<Vec<u8>>>,
}

/// The timed reload.
#[derive(Default)]
pub(super) struct Timed {
    watched: Option<(TimeFile, JoinHandle<()>)>,
    due: Option<Due>,
}

#[derive(Clone, Copy)]
struct Due {
    when: When,
    at: Timestamp,
}

impl Timed {
    /// When the next one is due, in seconds since 1970.
    pub(super) fn next(&self) -> Option<f64> {
        self.due.map(|due| due.at.as_millisecond() as f64 / 1000.0)
    }

    /// When to look at the clock next. It may be set meanwhile, so that is at every pulse, too.
    pub(super) fn wake(&self) -> Option<Instant> {
        let left = (self.next()? - unix_time()).clamp(0.001, 3600.0);
        Some(Instant::now() + Duration::from_secs_f64(left))
    }

    /// The file came, changed or went.
    pub(super) fn seen(&mut self, seen: Seen) {
        let Some((file, _)) = self.watched.as_ref().filter(|(file, _)| file.path == seen.path) else { return };
        let path = file.path.display();
        let before = self.due.take();
        self.due = match seen.line {
            None => {
                if before.is_some() {
                    info!("{path} is gone: no timed reload");
                }
                None
            }
            Some(Err(e)) => {
                warn!("reload_time_file {path} can't be read: {e}; no timed reload");
                None
            }
            Some(Ok(line)) => match When::parse(&line) {
                Err(why @ NoTime) => {
                    warn!("reload_time_file {path} says no time: {why}");
                    None
                }
                Ok(when) => due(when).or_else(|| {
                    info!("the time that {path} says is over: no timed reload");
                    None
                }),
            },
        };
        if let Some(due) = self.due {
            info!("the configuration is read again at {} ({path})", shown(due.at));
        }
    }
}

fn due(when: When) -> Option<Due> {
    when.next(Timestamp::now(), &TimeZone::system()).map(|at| Due { when, at })
}

fn shown(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

impl Supervisor {
    /// Looks after the file that the configuration in force names.
    pub(super) fn follow_time_file(&mut self) {
        let wanted = self.config.global.reload_time.clone();
        match (&mut self.timed.watched, wanted) {
            (Some((file, _)), Some(wanted)) if file.path == wanted.path => *file = wanted,
            (watched, wanted) => {
                if let Some((_, task)) = watched.take() {
                    task.abort();
                }
                self.timed.due = None;
                self.timed.watched = wanted.map(|file| {
                    let task = tokio::spawn(watch(file.path.clone(), self.events.clone()));
                    (file, task)
                });
            }
        }
    }

    /// Reloads if it is time to.
    pub(super) fn reload_in_time(&mut self) {
        let Some(now) = self.timed.due.filter(|due| due.at <= Timestamp::now()) else { return };
        let Some((file, _)) = &self.timed.watched else { return };
        info!("{} says that it is time to reload", file.path.display());
        let again = now.when.daily() && file.after == AfterUse::Kept;
        self.timed.due = if again { due(now.when) } else { None };
        if !again {
            let path = file.path.clone();
            tokio::task::spawn_blocking(move || {
                if let Err(e) = std::fs::remove_file(&path) {
                    warn!("{} has had its time but can't be removed: {e}", path.display());
                }
            });
        }
        self.reload();
    }
}

/// Tells what is in the place of the file, at first and whenever that is another.
async fn watch(path: PathBuf, events: mpsc::Sender<Event>) {
    let mut last = None;
    loop {
        let there = path.clone();
        // A disk may hang; only this task waits for it.
        let Ok((look, line)) = tokio::task::spawn_blocking(move || (look(&there), first_line(&there))).await else {
            return;
        };
        if last != Some(look) {
            last = Some(look);
            if events.send(Event::TimeFile(Seen { path: path.clone(), line })).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The first line of a file, cut where no time is that long.
fn first_line(path: &Path) -> Option<io::Result<Vec<u8>>> {
    let open = OpenOptions::new().read(true).custom_flags(FLAGS).open(path);
    if open.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        return None;
    }
    Some(open.and_then(|file| {
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST as u64 + 2).read_to_end(&mut bytes)?;
        let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    fn timed(path: &Path) -> Timed {
        let file = TimeFile { path: path.to_owned(), after: AfterUse::Removed };
        Timed { watched: Some((file, tokio::spawn(async {}))), due: None }
    }

    #[tokio::test]
    async fn a_file_that_comes_changes_and_goes_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("when");
        let (events, mut queue) = mpsc::channel(8);
        let task = tokio::spawn(watch(path.clone(), events));
        let mut timed = timed(&path);
        let mut next = async || {
            let Some(Event::TimeFile(seen)) = queue.recv().await else { panic!("something else") };
            timed.seen(seen);
            timed.next()
        };
        assert_eq!(next().await, None, "there is none at first");
        std::fs::write(&path, "2999-01-01 00:00:00Z\nwhatever else\n").unwrap();
        assert_eq!(next().await, Some(32_472_144_000.0));
        std::fs::write(&path, "2999-01-01 00:00:01Z").unwrap();
        assert_eq!(next().await, Some(32_472_144_001.0));
        std::fs::write(&path, "2999-01-01 00:00:01Z and more").unwrap();
        assert_eq!(next().await, None);
        std::fs::write(&path, "12:00:00").unwrap();
        assert!(next().await.unwrap() > unix_time());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(next().await, None);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(next().await, None, "a directory says nothing");
        task.abort();
    }

    #[test]
    fn no_more_of_a_file_is_read_than_a_time_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("when");
        std::fs::write(&path, vec![b'0'; 1 << 20]).unwrap();
        assert!(first_line(&path).unwrap().unwrap().len() <= LONGEST + 2);
        std::fs::write(&path, "\n12:00:00\n").unwrap();
        assert_eq!(first_line(&path).unwrap().unwrap(), b"");
        assert!(first_line(Path::new("/does/not/exist")).is_none());
    }
}
