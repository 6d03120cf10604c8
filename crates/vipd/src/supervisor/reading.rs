//! Reading a configuration that others may be writing, and the files that tell others of it. Runs beside the supervisor's
//! loop: a disk may be slow.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;
use vipd_config::model::Config;
use vipd_config::{Loaded, Memory, Options};

/// `O_NONBLOCK`, and `O_NOFOLLOW` besides (asm-generic/fcntl.h).
const NONBLOCK: i32 = 0o4000;
const FLAGS: i32 = NONBLOCK | 0o400_000;

/// Readings at most while the files change under the reader, and the time between two.
const READINGS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Reads a configuration; again as long as one of its files is being written, and what is still written then is refused.
/// `known`: the files besides the main one that it had before. `mark` is there meanwhile. `earlier`: the configuration in
/// force and its memory.
pub(super) fn read(
    file: &Path,
    options: &Options,
    earlier: Option<(&Config, &Memory)>,
    known: &[PathBuf],
    mark: Option<&Path>,
) -> Result<Loaded, String> {
    if let Some(path) = mark
        && let Err(e) = set_mark(path)
    {
        warn!("reload_file {} can't be made: {e}", path.display());
    }
    let looks = || known.iter().map(PathBuf::as_path).chain([file]).map(look).collect::<Vec<_>>();
    let mut written = None;
    let settled = (0..READINGS).find_map(|reading| {
        if reading > 0 {
            std::thread::sleep(PAUSE);
        }
        let before = looks();
        let loaded = vipd_config::load_again(file, options, earlier);
        // First who writes, then what changed: a writer that ended meanwhile has changed something.
        written = loaded.files.iter().map(PathBuf::as_path).chain([file]).find(|p| is_written(p)).map(Path::to_owned);
        (written.is_none() && looks() == before).then_some(loaded)
    });
    if let Some(path) = mark {
        unmark(path);
    }
    settled.ok_or_else(|| {
        let path = written.as_deref().unwrap_or(file).display();
        format!("{path} is still being written: reload when that is over")
    })
}

/// Whether somebody has a file open for writing: what it has now may be a part. Where that can't be known, what changes
/// while the file is read is all that shows.
fn is_written(path: &Path) -> bool {
    // Only what is a file is opened: to open something else may do something.
    let file = std::fs::metadata(path).is_ok_and(|m| m.is_file());
    let open = || OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path);
    file && open().and_then(|file| vipd_sys::lease::is_open_for_writing(&file)).unwrap_or(false)
}

/// What shows that a file was written or replaced: device, inode, size, time; `None`: there is none.
pub(super) type Look = Option<(u64, u64, u64, i64, i64)>;

/// How a file looks now.
pub(super) fn look(path: &Path) -> Look {
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()))
}

/// Opens a regular file for writing, made if there is none, and empties it.
fn emptied(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(mode).custom_flags(FLAGS).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("there is something else than a file in its place"));
    }
    file.set_len(0)?;
    Ok(file)
}

fn set_mark(path: &Path) -> io::Result<()> {
    emptied(path, 0o644).map(drop)
}

/// Removes a mark. One that has something in it was written since: its writer has more to be read, and waits for that.
pub(super) fn unmark(path: &Path) {
    let ours = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() == 0);
    if ours && let Err(e) = std::fs::remove_file(path) {
        warn!("reload_file {} can't be removed: {e}", path.display());
    }
}

/// Writes what was found in the place of what was found the last time. A finding may quote a secret: whoever made the file
/// before, it is for its owner alone.
pub(super) fn write_findings(path: &Path, findings: &str) -> io::Result<()> {
    let mut file = emptied(path, 0o600)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(findings.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    const TEXT: &str =
        "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 192.0.2.1\n }\n}\n";

    #[test]
    fn a_mark_is_there_while_the_file_is_read_and_a_fresh_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (file, mark) = (directory.path().join("conf"), directory.path().join("mark"));
        std::fs::write(&file, TEXT).unwrap();
        std::fs::write(&mark, "asked for").unwrap();
        let loaded = read(&file, &Options::default(), None, &[], Some(&mark)).unwrap();
        assert_eq!(loaded.config.unwrap().instances.len(), 1);
        assert!(!mark.exists(), "emptied, then removed");
        std::fs::write(&mark, "asked for again").unwrap();
        unmark(&mark);
        assert!(mark.exists(), "somebody waits for the next reading");
        // What is no file is left alone.
        std::fs::remove_file(&mark).unwrap();
        std::os::unix::fs::symlink(&file, &mark).unwrap();
        assert!(set_mark(&mark).is_err());
        unmark(&mark);
        assert!(mark.is_symlink() && std::fs::read_to_string(&file).unwrap() == TEXT);
    }

    /// Another virtual router.
    fn second() -> String {
        TEXT.replace("_instance A", "_instance B").replace("id 7", "id 8").replace("2.1", "2.2")
    }

    #[test]
    fn a_file_is_not_read_before_it_is_written_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("conf");
        let mut open = File::create(&file).unwrap();
        open.write_all(TEXT.as_bytes()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Valid as far as it is there, and nothing changes for longer than a reading and a pause take.
                std::thread::sleep(4 * PAUSE);
                open.write_all(second().as_bytes()).unwrap();
                drop(open);
            });
            let loaded = read(&file, &Options::default(), None, std::slice::from_ref(&file), None).unwrap();
            assert_eq!(loaded.config.unwrap().instances.len(), 2);
        });
    }

    #[test]
    fn a_file_that_is_written_without_end_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (file, part) = (directory.path().join("conf"), directory.path().join("part"));
        std::fs::write(&file, format!("{TEXT}include part\n")).unwrap();
        let mut open = File::create(&part).unwrap();
        open.write_all(second().as_bytes()).unwrap();
        let why = read(&file, &Options::default(), None, &[], None).err().unwrap();
        assert!(why.contains("part is still being written"), "{why}");
        drop(open);
        let loaded = read(&file, &Options::default(), None, &[], None).unwrap();
        assert_eq!(loaded.config.unwrap().instances.len(), 2);
    }

    #[test]
    fn findings_take_the_place_of_those_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("findings");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        write_findings(&file, "a long finding\n").unwrap();
        write_findings(&file, "short\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "short\n");
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(write_findings(directory.path(), "x").is_err());
    }
}
