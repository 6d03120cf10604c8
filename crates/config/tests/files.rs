//! What is no file, or not one to read, and files that never end: each is an error at the line that names it, soon and in
//! little memory.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{options, short};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vipd_config::{Loaded, load};

/// A directory with a main file that includes `x.conf` in its second line.
fn including(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("main.conf"), text).unwrap();
    let x = dir.path().join("x.conf");
    (dir, x)
}

const INCLUDES: &str = "# x.conf is not what it should be\nincludea x.conf\n";

fn read(path: &Path) -> Loaded {
    let start = Instant::now();
    let loaded = load(path, &options());
    // For a busy machine; what this guards against takes for ever.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    loaded
}

/// What an include of `x` says, which must be at its line, and what naming it on the command line says.
#[track_caller]
fn refused(dir: &TempDir, x: &Path, why: &str) {
    let loaded = read(&dir.path().join("main.conf"));
    assert!(loaded.failed());
    assert_eq!(short(&loaded, |_| true), ["V0103:2"]);
    assert!(loaded.diagnostics[0].message.contains(why), "{}", loaded.diagnostics[0]);
    let main = read(x);
    assert_eq!(short(&main, |_| true), ["V0101:0"]);
    assert!(main.diagnostics[0].message.contains(why), "{}", main.diagnostics[0]);
}

#[test]
fn a_directory() {
    let (dir, x) = including(INCLUDES);
    fs::create_dir(&x).unwrap();
    refused(&dir, &x, "is a directory");
}

#[test]
fn a_fifo_that_nobody_writes() {
    let (dir, x) = including(INCLUDES);
    assert!(Command::new("mkfifo").arg(&x).status().unwrap().success());
    refused(&dir, &x, "is not a regular file");
}

#[test]
fn a_device_without_end() {
    let (dir, x) = including(INCLUDES);
    symlink("/dev/zero", &x).unwrap();
    refused(&dir, &x, "is not a regular file");
}

#[test]
fn an_executable_file() {
    let (dir, x) = including(INCLUDES);
    fs::write(&x, "global_defs {\n}\n").unwrap();
    fs::set_permissions(&x, fs::Permissions::from_mode(0o754)).unwrap();
    refused(&dir, &x, "is executable (mode 0754)");
}

#[test]
fn a_file_that_can_be_opened_but_not_read() {
    let (dir, x) = including(INCLUDES);
    // Its first page is not mapped. (Permissions would not stop root.)
    symlink("/proc/self/mem", &x).unwrap();
    refused(&dir, &x, "can't be read");
}

#[test]
fn a_file_of_a_hundred_megabytes() {
    let (dir, x) = including(INCLUDES);
    fs::File::create(&x).unwrap().set_len(100_000_000).unwrap();
    refused(&dir, &x, "has 100000000 bytes, more than 33554432");
}

#[test]
fn links_that_lead_nowhere() {
    let (dir, x) = including(INCLUDES);
    symlink("gone.conf", &x).unwrap();
    assert_eq!(short(&read(&dir.path().join("main.conf")), |_| true), ["V0102:2"]);
    fs::remove_file(&x).unwrap();
    symlink("x.conf", &x).unwrap();
    assert_eq!(short(&read(&dir.path().join("main.conf")), |_| true), ["V0102:2"]);
}

#[test]
fn bytes_that_are_no_text() {
    let (dir, x) = including(INCLUDES);
    fs::write(&x, b"global_defs {\nrouter_id a\0b\nrouter_id caf\xe9\n}\n").unwrap();
    let loaded = read(&dir.path().join("main.conf"));
    assert_eq!(short(&loaded, |_| true), ["V0105:2", "V0105:3"]);
    let spans: Vec<_> = loaded.diagnostics.iter().map(|d| d.span.as_ref().unwrap()).collect();
    assert!(spans.iter().all(|s| s.file.ends_with("/x.conf")), "{spans:?}");
    let related = &loaded.diagnostics[0].related[0];
    assert_eq!((related.label.as_str(), related.span.line), ("included here", 2));
}

#[test]
fn files_that_include_each_other() {
    let (dir, x) = including(INCLUDES);
    fs::write(&x, "\n\ninclude main.conf\n").unwrap();
    let loaded = read(&dir.path().join("main.conf"));
    let last = loaded.diagnostics.iter().find(|d| d.code.id() == "V0104").unwrap();
    assert!(last.message.contains("nested too deeply"), "{last}");
    assert!(last.span.as_ref().is_some_and(|s| matches!(s.line, 2 | 3)), "{last}");
    assert!(!last.related.is_empty());
}

#[test]
fn a_chain_of_files_that_is_too_long() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..100 {
        fs::write(dir.path().join(format!("{i}.conf")), format!("\ninclude {}.conf\n", i + 1)).unwrap();
    }
    let loaded = read(&dir.path().join("0.conf"));
    assert_eq!(short(&loaded, |_| true), ["V0104:2"]);
    assert!(loaded.diagnostics[0].span.as_ref().is_some_and(|s| s.file.ends_with("/63.conf")), "{loaded:?}");
}

#[test]
fn blocks_nested_deeply_and_never_closed() {
    let (dir, x) = including(INCLUDES);
    fs::write(&x, "virtual_server 192.0.2.1 80 {\nreal_server 10.0.0.1 80 {\n".repeat(50_000)).unwrap();
    let loaded = read(&dir.path().join("main.conf"));
    assert!(loaded.failed());
    let lost: Vec<_> = loaded.diagnostics.iter().filter(|d| d.span.is_none()).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
