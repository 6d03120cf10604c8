//! The command on real files.

use super::*;
use crate::cli::{Cli, Command};
use clap::Parser;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const UGLY: &str = "vrrp_instance A{interface   eth0 # c\n}";
const FINE: &str = "vrrp_instance A {\n    interface eth0 # c\n}\n";

/// A directory with one file, and its path.
fn one(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.conf");
    fs::write(&path, text).unwrap();
    (dir, path)
}

/// `vipd fmt` with these words.
fn fmt(words: &[&str], input: &str) -> Outcome {
    let cli = Cli::try_parse_from(["vipd", "fmt"].iter().chain(words)).unwrap();
    let Some(Command::Fmt(arguments)) = cli.command else { panic!("{words:?}") };
    work(&arguments, &mut input.as_bytes(), Color::Never)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn prints_one_file_and_changes_nothing() {
    let (_dir, path) = one(UGLY);
    let outcome = fmt(&[path.to_str().unwrap()], "");
    assert_eq!((outcome.status, outcome.complaints.as_str()), (0, ""));
    assert_eq!(String::from_utf8(outcome.output).unwrap(), FINE);
    assert_eq!(text(&path), UGLY);
}

#[test]
fn reads_standard_input() {
    assert_eq!(fmt(&["-"], UGLY).output, FINE.as_bytes());
    let check = fmt(&["--check", "-"], UGLY);
    assert_eq!((check.status, check.output.as_slice()), (1, b"-\n".as_slice()));
    let write = fmt(&["--write", "-"], UGLY);
    assert_eq!(write.status, 2);
    assert!(write.complaints.contains("standard input can't be replaced"), "{write:?}");
}

#[test]
fn standard_input_has_an_end() {
    let cli = Cli::try_parse_from(["vipd", "fmt", "-"]).unwrap();
    let Some(Command::Fmt(arguments)) = cli.command else { panic!() };
    let outcome = work(&arguments, &mut io::repeat(b'#'), Color::Never);
    assert_eq!(outcome.status, 2);
    assert!(outcome.complaints.contains("more than 33554432 bytes"), "{}", outcome.complaints);
}

#[test]
fn prints_one_file_at_a_time() {
    let outcome = fmt(&["a", "b"], "");
    assert_eq!((outcome.status, outcome.output.len()), (2, 0));
    assert!(outcome.complaints.contains("--write"), "{outcome:?}");
    assert!(Cli::try_parse_from(["vipd", "fmt", "--write", "--check", "a"]).is_err());
    assert!(Cli::try_parse_from(["vipd", "fmt"]).is_err());
}

#[test]
fn check_lists_what_would_change() {
    let (dir, ugly) = one(UGLY);
    let fine = dir.path().join("b.conf");
    fs::write(&fine, FINE).unwrap();
    let outcome = fmt(&["--check", fine.to_str().unwrap(), ugly.to_str().unwrap()], "");
    assert_eq!((outcome.status, outcome.complaints.as_str()), (1, ""));
    assert_eq!(String::from_utf8(outcome.output).unwrap(), format!("{}\n", ugly.display()));
    assert_eq!(text(&ugly), UGLY);
    let outcome = fmt(&["--check", fine.to_str().unwrap()], "");
    assert_eq!((outcome.status, outcome.output.len()), (0, 0));
    // What can't be formatted outweighs what would change.
    assert_eq!(fmt(&["--check", "/nonexistent", ugly.to_str().unwrap()], "").status, 2);
}

#[test]
fn write_replaces_with_owner_and_mode_and_leaves_nothing_behind() {
    let (dir, path) = one(UGLY);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let root = fs::metadata(&path).unwrap().uid() == 0;
    if root {
        std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
    }
    let outcome = fmt(&["--write", path.to_str().unwrap()], "");
    assert_eq!((outcome.status, outcome.output.len(), outcome.complaints.as_str()), (0, 0, ""));
    assert_eq!(text(&path), FINE);
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o640);
    assert!(!root || (meta.uid(), meta.gid()) == (12, 34));
    assert_eq!(names(&dir), ["a.conf"]);
}

#[test]
fn write_leaves_a_file_alone_that_is_fine() {
    let (_dir, path) = one(FINE);
    let before = fs::metadata(&path).unwrap().ino();
    assert_eq!(fmt(&["--write", path.to_str().unwrap()], "").status, 0);
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
}

#[test]
fn write_follows_links() {
    let (dir, path) = one(UGLY);
    let link = dir.path().join("link.conf");
    symlink("a.conf", &link).unwrap();
    assert_eq!(fmt(&["--write", link.to_str().unwrap()], "").status, 0);
    assert_eq!(text(&path), FINE);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("a.conf"));
}

#[test]
fn what_is_broken_is_shown_and_left_alone_and_the_others_are_written() {
    let (dir, broken) = one("vrrp_instance A {\n  interface \"eth0\n}\n");
    let ugly = dir.path().join("b.conf");
    fs::write(&ugly, UGLY).unwrap();
    let before = text(&broken);
    let outcome = fmt(&["--write", broken.to_str().unwrap(), ugly.to_str().unwrap()], "");
    assert_eq!(outcome.status, 2);
    assert!(outcome.complaints.contains("a.conf:2:13") && outcome.complaints.contains("V0106"), "{outcome:?}");
    assert_eq!((text(&broken), text(&ugly)), (before, FINE.to_owned()));
    assert_eq!(names(&dir), ["a.conf", "b.conf"]);
}

#[test]
fn what_is_no_configuration_file_is_refused() {
    let (dir, path) = one(UGLY);
    let refused = |path: &Path| fmt(&["--write", path.to_str().unwrap()], "").complaints;
    assert!(refused(dir.path()).contains("is a directory"));
    assert!(refused(Path::new("/dev/null")).contains("is not a regular file"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refused(&path).contains("chmod a-x"));
    assert_eq!(text(&path), UGLY);
}

#[test]
fn a_file_that_changes_meanwhile_is_left_alone() {
    let (dir, path) = one("newer");
    let why = replace(&path, UGLY.as_bytes(), FINE.as_bytes()).unwrap_err();
    assert!(why.to_string().contains("changed it meanwhile"), "{why}");
    assert_eq!(text(&path), "newer");
    assert_eq!(names(&dir), ["a.conf"]);
}

#[test]
fn a_mistake_of_ours_is_told_as_one() {
    let text = unformattable("a.conf", &Unformattable::Changed { line: 7 }, Color::Never);
    assert!(text.contains("a.conf is left as it is: line 7") && text.contains("mistake of vipd's"), "{text}");
}
