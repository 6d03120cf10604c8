//! `include` in all its forms, on real files.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{options, short};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use vipd_config::diag::Level;
use vipd_config::{Loaded, Options, load};

/// A directory with these files.
fn files(list: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in list {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn read(dir: &TempDir) -> Loaded {
    load(&dir.path().join("main.conf"), &options())
}

fn names(loaded: &Loaded) -> Vec<String> {
    loaded.config.as_ref().unwrap().instances.iter().map(|i| i.vrrp.name.clone()).collect()
}

fn instance(name: &str, id: u8) -> String {
    format!("vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {id}\n}}\n")
}

#[test]
fn a_pattern_reads_its_files_in_order() {
    let (a, b) = (instance("A", 1), instance("B", 2));
    let dir = files(&[
        ("main.conf", "include conf.d/*.conf\n"),
        ("conf.d/2.conf", &b),
        ("conf.d/1.conf", &a),
        ("conf.d/x.txt", "?"),
    ]);
    let loaded = read(&dir);
    assert_eq!(names(&loaded), ["A", "B"]);
    assert_eq!(loaded.files.len(), 3);
}

#[test]
fn relative_names_follow_the_file_that_says_them() {
    let dir = files(&[
        ("main.conf", "include sub/one.conf\n"),
        ("sub/one.conf", "include two.conf\n"),
        (
            "sub/two.conf",
            "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n}\nglobal_defs {\nrouter_id ${_PWD}\n}\n",
        ),
    ]);
    let loaded = read(&dir);
    assert_eq!(names(&loaded), ["A"]);
    assert!(loaded.config.unwrap().global.router_id.ends_with("/sub"));
}

#[test]
fn inside_blocks_and_across_files() {
    let dir = files(&[
        ("main.conf", "vrrp_instance A {\ninclude body.conf\nvirtual_router_id 1\ninclude end.conf\n"),
        ("body.conf", "interface eth0\n"),
        ("end.conf", "priority 99\n}\n"),
    ]);
    assert_eq!(read(&dir).config.unwrap().instances[0].vrrp.priority.0, 99);
}

#[test]
fn definitions_and_conditions_span_files() {
    let dir = files(&[
        ("main.conf", "$N=A\n@here include x.conf\n@there include y.conf\n"),
        ("x.conf", &instance("$N", 1).replace("$N", "${N}")),
    ]);
    assert_eq!(names(&read(&dir)), ["A"]);
}

#[test]
fn a_definition_names_the_file() {
    let dir = files(&[("main.conf", "$F=x\ninclude ${F}.conf\n"), ("x.conf", &instance("A", 1))]);
    assert_eq!(names(&read(&dir)), ["A"]);
}

#[test]
fn brace_alternatives() {
    let dir =
        files(&[("main.conf", "include {b,a}.conf\n"), ("a.conf", &instance("A", 1)), ("b.conf", &instance("B", 2))]);
    assert_eq!(names(&read(&dir)), ["B", "A"]);
}

#[test]
fn executable_files_and_directories_are_left_out() {
    let dir = files(&[("main.conf", "include x.conf\ninclude sub\n"), ("x.conf", &instance("A", 1)), ("sub/y", "")]);
    fs::set_permissions(dir.path().join("x.conf"), fs::Permissions::from_mode(0o755)).unwrap();
    let loaded = read(&dir);
    assert!(names(&loaded).is_empty());
    assert_eq!(short(&loaded, |l| l == Level::Warning), ["V0103:1", "V0103:2"]);
    assert!(loaded.diagnostics[0].to_string().contains("chmod a-x"));
}

/// What each variant makes of a missing file, of a wildcard without match, and of an executable file.
#[test]
fn the_checks_of_each_variant() {
    for (word, missing, wildcard, executable, brace) in [
        ("include", Level::Warning, Level::Lint, Level::Warning, None),
        ("includer", Level::Warning, Level::Lint, Level::Error, None),
        ("includem", Level::Error, Level::Lint, Level::Error, None),
        ("includew", Level::Error, Level::Error, Level::Error, None),
        ("includeb", Level::Warning, Level::Lint, Level::Error, Some(Level::Error)),
        ("includea", Level::Error, Level::Error, Level::Error, Some(Level::Error)),
    ] {
        let level = |line: &str| {
            let dir = files(&[("main.conf", &format!("{word} {line}\n")), ("x.conf", ""), ("e.conf", "")]);
            fs::set_permissions(dir.path().join("e.conf"), fs::Permissions::from_mode(0o755)).unwrap();
            read(&dir).diagnostics.first().map(|d| d.level)
        };
        assert_eq!(level("none.conf"), Some(missing), "{word}");
        assert_eq!(level("none/*.conf"), Some(wildcard), "{word}");
        assert_eq!(level("e.conf"), Some(executable), "{word}");
        assert_eq!(level("{x,none}.conf"), brace, "{word}");
        assert_eq!(level("x.conf"), None, "{word}");
    }
}

#[test]
fn include_check_holds_to_the_end_of_its_file() {
    let dir = files(&[
        ("main.conf", "include sub.conf\ninclude none1\nglobal_defs {\ninclude_check +match\n}\ninclude none2\n"),
        ("sub.conf", "global_defs {\ninclude_check\n}\ninclude none3/*\n"),
    ]);
    let loaded = read(&dir);
    assert_eq!(short(&loaded, |l| l == Level::Error), ["V0102:6", "V0102:4"]);
    assert_eq!(short(&loaded, |l| l == Level::Warning), ["V0102:2"]);
}

#[test]
fn option_e_turns_all_checks_on() {
    let dir = files(&[("main.conf", "include none\n")]);
    let loaded = load(&dir.path().join("main.conf"), &Options { include_checks_all: true, ..options() });
    assert_eq!(short(&loaded, |l| l == Level::Error), ["V0102:1"]);
}

#[test]
fn include_check_words_are_checked() {
    assert_eq!(common::found("global_defs {\ninclude_check readable\n}\n"), ["V0304:2"]);
}

#[test]
fn a_file_that_includes_itself_ends() {
    let dir = files(&[("main.conf", "include main.conf\n")]);
    let loaded = read(&dir);
    assert_eq!(loaded.diagnostics.last().map(|d| d.code.id()), Some("V0104"));
}

#[test]
fn two_files_that_include_many_of_each_other_end() {
    let dir =
        files(&[("main.conf", "include *.conf\ninclude *.conf\n"), ("b.conf", "include *.conf\ninclude *.conf\n")]);
    assert!(read(&dir).config.is_none());
}

#[test]
fn findings_in_included_files_say_where_they_were_included() {
    let dir = files(&[("main.conf", "# first\ninclude sub.conf\n"), ("sub.conf", "\nnonsense\n")]);
    let loaded = read(&dir);
    let d = &loaded.diagnostics[0];
    assert!(d.span.as_ref().is_some_and(|s| s.file.ends_with("/sub.conf") && s.line == 2));
    assert!(
        d.related.iter().any(|r| r.label == "included here" && r.span.file.ends_with("/main.conf") && r.span.line == 2)
    );
}

#[test]
fn the_main_file() {
    let gone = load(Path::new("/nonexistent/vipd.conf"), &options());
    assert_eq!(short(&gone, |_| true), ["V0101:0"]);
    let dir = files(&[("main.conf", "")]);
    assert!(read(&dir).config.is_some());
    assert_eq!(short(&load(dir.path(), &options()), |_| true), ["V0101:0"]);
    fs::set_permissions(dir.path().join("main.conf"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(short(&read(&dir), |_| true), ["V0101:0"]);
}

#[test]
fn a_pattern_for_the_main_file() {
    let dir = files(&[("a.conf", &instance("A", 1)), ("b.conf", &instance("B", 2))]);
    let loaded = load(&dir.path().join("*.conf"), &options());
    assert_eq!(names(&loaded), ["A", "B"]);
    assert_eq!(short(&loaded, |l| l == Level::Warning), ["V0209:0"]);
}
