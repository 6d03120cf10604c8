//! What is made from the keyword table and checked in is what the table makes now. `UPDATE=1` writes it anew (`make docs`).

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::Path;

#[track_caller]
fn current(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{} is out of date: run `make docs`", path.display());
}

#[test]
fn the_compatibility_page_is_current() {
    current("docs/compatibility.md", &vipd_config::doc::compatibility());
}

#[test]
fn the_manual_page_is_current() {
    current("packaging/vipd.conf.5", &vipd_config::doc::man());
}

#[test]
fn the_schema_is_current() {
    current("docs/keepalived.conf.schema.json", &vipd_config::schema::schema());
}
