//! Tests of tracked files: real ones, in directories that come and go.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use super::*;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn numbers_as_c_reads_them() {
    for (text, expected) in [
        ("", Some(0)),
        ("abc", Some(0)),
        ("12", Some(12)),
        ("12abc", Some(12)),
        ("3.7", Some(3)),
        ("1 2", Some(1)),
        (" \t\n-7\n", Some(-7)),
        ("+7", Some(7)),
        ("- 7", Some(0)),
        ("0x10", Some(16)),
        ("-0X1f", Some(-31)),
        ("0x", Some(0)),
        ("0xg", Some(0)),
        ("010", Some(8)),
        ("08", Some(0)),
        ("2147483648", Some(2_147_483_648)),
        ("-2147483648", Some(-2_147_483_648)),
        ("2147483649", None),
        ("99999999999999999999999", None),
    ] {
        assert_eq!(number(text.as_bytes()), expected, "{text:?}");
    }
}

/// A follower of one file, and what it tells.
struct Followed {
    alive: Option<Arc<()>>,
    queue: mpsc::Receiver<Event>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Followed {
    fn start(path: PathBuf, init: Option<InitFile>) -> Followed {
        let (events, queue) = mpsc::channel(8);
        let (lease, alive) = Lease::for_test();
        let files = vec![File::new(TrackedFile { name: "F".to_owned(), path, init })];
        let thread = Some(std::thread::spawn(move || follow(lease, events, files, Start::Daemon)));
        Followed { alive: Some(alive), queue, thread }
    }

    /// The next value; fails if none comes.
    fn next(&mut self) -> i64 {
        for _ in 0..500 {
            match self.queue.try_recv() {
                Ok(Event::File { value, .. }) => return value,
                Ok(_) => panic!("something else"),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        panic!("nothing was told")
    }

    /// Whether something is told within a while in which anything would be.
    fn quiet(&mut self) -> bool {
        std::thread::sleep(Duration::from_millis(1300));
        self.queue.try_recv().is_err()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.alive = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_file_that_is_written_moved_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    let mut file = Followed::start(path.clone(), None);
    assert_eq!(file.next(), 0, "there is none");
    std::fs::write(&path, "20\n").unwrap();
    assert_eq!(file.next(), 20);
    std::fs::write(directory.path().join("other"), "-3").unwrap();
    std::fs::rename(directory.path().join("other"), &path).unwrap();
    assert_eq!(file.next(), -3);
    std::fs::write(&path, "99999999999").unwrap();
    std::fs::write(directory.path().join("other"), "5").unwrap();
    assert!(file.quiet(), "what is not believed leaves the value, another file has no part in it");
    std::fs::rename(&path, directory.path().join("away")).unwrap();
    assert_eq!(file.next(), 0);
    std::fs::write(&path, [b"1".as_slice(), &[b' '; 4096], b"9"].concat()).unwrap();
    assert_eq!(file.next(), 1);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(file.next(), 0);
}

#[test]
fn a_directory_that_comes_goes_and_is_another() {
    let directory = tempfile::tempdir().unwrap();
    let (here, away) = (directory.path().join("d"), directory.path().join("e"));
    let mut file = Followed::start(here.join("f"), None);
    assert_eq!(file.next(), 0);
    std::fs::create_dir(&here).unwrap();
    std::fs::write(here.join("f"), "1").unwrap();
    assert_eq!(file.next(), 1);
    std::fs::write(here.join("f"), "2").unwrap();
    assert_eq!(file.next(), 2);
    std::fs::rename(&here, &away).unwrap();
    assert_eq!(file.next(), 0);
    std::fs::create_dir(&here).unwrap();
    std::fs::write(here.join("f"), "3").unwrap();
    assert_eq!(file.next(), 3);
    std::fs::write(away.join("f"), "4").unwrap();
    assert!(file.quiet(), "the one that was moved away is not it");
    std::fs::remove_dir_all(&here).unwrap();
    assert_eq!(file.next(), 0);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    vipd_sys::process::make_fifo(&path).unwrap();
    let mut file = Followed::start(path.clone(), Some(InitFile { value: 7, overwrite: Overwrite::Always }));
    assert_eq!(file.next(), 0);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "7").unwrap();
    assert_eq!(file.next(), 7);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(file.next(), 0);
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("zero")).unwrap();
    std::fs::rename(directory.path().join("zero"), &path).unwrap();
    assert!(file.quiet(), "a device counts as 0");
    assert!(look(Path::new("/dev/zero"), LONGEST).1.is_err());
}

#[test]
fn the_first_value_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    let first = |value, overwrite| write_first(&path, InitFile { value, overwrite });
    let text = || std::fs::read_to_string(&path).unwrap();
    first(-3, Overwrite::Never).unwrap();
    assert_eq!(text(), "-3\n");
    first(4, Overwrite::Never).unwrap();
    assert_eq!(text(), "-3\n");
    first(4, Overwrite::Always).unwrap();
    assert_eq!(text(), "4\n");
    // Not through a link, whoever made it.
    let target = directory.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    first(5, Overwrite::Always).unwrap_err();
    first(5, Overwrite::Never).unwrap();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    std::fs::remove_file(&target).unwrap();
    first(5, Overwrite::Never).unwrap();
    assert!(!target.exists(), "nor where it points to nothing");
}

#[test]
fn a_file_behind_links_is_followed_through_every_one_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let (links, middle, files) = (place("links"), place("middle"), place("files"));
    std::fs::write(files.join("one"), "1").unwrap();
    std::fs::write(files.join("two"), "2").unwrap();
    std::os::unix::fs::symlink("../files/one", middle.join("link")).unwrap();
    std::os::unix::fs::symlink(middle.join("link"), links.join("load")).unwrap();
    let mut followed = Followed::start(links.join("load"), None);
    assert_eq!(followed.next(), 1);
    // The directories behind the links are watched within a second.
    assert!(followed.quiet());
    std::fs::write(files.join("one"), "11").unwrap();
    assert_eq!(followed.next(), 11);
    // The link in the middle is put anew, as an atomic update does.
    std::os::unix::fs::symlink("../files/two", middle.join("new")).unwrap();
    std::fs::rename(middle.join("new"), middle.join("link")).unwrap();
    assert_eq!(followed.next(), 2);
    std::fs::write(files.join("two"), "22").unwrap();
    assert_eq!(followed.next(), 22);
    std::fs::write(files.join("one"), "99").unwrap();
    assert!(followed.quiet(), "that is no longer the file");
    // A circle is no file.
    std::fs::remove_file(middle.join("link")).unwrap();
    assert_eq!(followed.next(), 0);
    std::os::unix::fs::symlink(links.join("load"), middle.join("link")).unwrap();
    assert!(followed.quiet());
}

#[test]
fn a_file_that_does_not_answer_keeps_the_others_waiting_once() {
    /// As from a server of files that is away, until a file says that it is back.
    fn stuck(path: &Path) -> Look {
        while !path.with_extension("back").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        look(path, LONGEST)
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, "7").unwrap();
        File::new(TrackedFile { name: name.to_owned(), path, init: None })
    };
    let (events, mut queue) = mpsc::channel(8);
    let (lease, _alive) = Lease::for_test();
    let files = vec![File { reader: stuck, ..file("away") }, file("here")];
    let mut follower = Follower::new(lease, events, files, "tracked files");
    let mut told = |follower: &mut Follower<File>| {
        let start = std::time::Instant::now();
        follower.read_where(|_| true).unwrap();
        let mut told = Vec::new();
        while let Ok(Event::File { name, value, .. }) = queue.try_recv() {
            told.push((name, value));
        }
        (told, start.elapsed())
    };
    let of = |name: &str, value| (name.to_owned(), value);
    assert_eq!(told(&mut follower).0, [of("away", 0), of("here", 7)]);
    std::fs::write(directory.path().join("here"), "8").unwrap();
    let (news, took) = told(&mut follower);
    assert_eq!(news, [of("here", 8)]);
    assert!(took < PATIENCE, "{took:?}");
    std::fs::write(directory.path().join("away.back"), "").unwrap();
    while follower.subjects[0].hanging.as_ref().is_some_and(Hanging::hangs) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(told(&mut follower).0, [of("away", 7)]);
}
