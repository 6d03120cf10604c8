//! Commands against a real file system: what is refused, and which component and bit is named. As root some of it can't
//! fail, so scripts run as `nobody` here.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use vipd_config::diag::{Diagnostic, Level};
use vipd_config::{Loaded, Options, Strictness, load_str};

fn daemon() -> Options {
    Options { config_id: Some("here".to_owned()), ..Options::daemon() }
}

/// A directory that anybody may enter, with a script of that mode in it.
fn script(mode: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    chmod(dir.path(), 0o755);
    let path = dir.path().join("notify.sh");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    chmod(&path, mode);
    (dir, path)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn notify(command: &str, globals: &str, options: &Options) -> Loaded {
    let text = format!("global_defs {{\n{globals}\n}}\n{}", common::instance(&format!("notify {command}")));
    load_str("test.conf", &text, options)
}

/// The only finding above a lint.
fn only(loaded: &Loaded) -> &Diagnostic {
    let found: Vec<&Diagnostic> = loaded.diagnostics.iter().filter(|d| d.level != Level::Lint).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}

const NOBODY: &str = "script_user nobody";

#[test]
fn a_script_that_its_user_may_run() {
    let (_dir, path) = script(0o755);
    let loaded = notify(&format!("\"{} a 'b c'\"", path.display()), NOBODY, &daemon());
    let config = loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let command = config.instances[0].notify.any.as_ref().unwrap();
    assert_eq!(command.argv, [path.to_str().unwrap(), "a", "b c"]);
    assert_eq!((command.uid, command.gid, command.groups.len()), (65534, 65534, 0));
    assert!(command.text.ends_with("'b c'"));
}

#[test]
fn missing() {
    let (dir, path) = script(0o755);
    fs::remove_file(&path).unwrap();
    let loaded = notify(path.to_str().unwrap(), NOBODY, &daemon());
    let d = only(&loaded);
    assert_eq!((d.level, d.code.id()), (Level::Error, "V0601"));
    assert_eq!(
        d.message,
        format!("`{}`: no such file (the directory {} exists)", path.display(), dir.path().display())
    );
    assert_eq!(d.span.as_ref().map(|s| (s.line, s.col)), Some((7, 8)));
    // The nearest directory that exists is named.
    let deep = notify(dir.path().join("a/b/c").to_str().unwrap(), NOBODY, &daemon());
    assert!(only(&deep).message.contains(&format!("no such file (the directory {} exists)", dir.path().display())));
}

#[test]
fn not_executable() {
    let (_dir, path) = script(0o644);
    let loaded = notify(path.to_str().unwrap(), NOBODY, &daemon());
    let d = only(&loaded);
    assert!(
        d.message.starts_with(&format!("`{}`: not executable by uid 65534 (mode 0644, owner ", path.display())),
        "{}",
        d.message
    );
    assert_eq!(d.help, [format!("chmod +x {}", path.display())]);
}

#[test]
fn executable_by_others_than_its_user() {
    let (_dir, path) = script(0o750);
    let d = notify(path.to_str().unwrap(), NOBODY, &daemon());
    assert!(only(&d).message.contains("not executable by uid 65534 (mode 0750"));
    assert_eq!(only(&d).help, [format!("chmod o+x {}", path.display())]);
}

#[test]
fn a_directory_that_can_not_be_entered() {
    let (dir, path) = script(0o755);
    chmod(dir.path(), 0o700);
    let d = notify(path.to_str().unwrap(), NOBODY, &daemon());
    let message = &only(&d).message;
    assert!(
        message.contains(&format!("{} can't be entered by uid 65534 (mode 0700", dir.path().display())),
        "{message}"
    );
}

#[test]
fn no_program_at_all() {
    let (dir, path) = script(0o755);
    let said = |p: &Path| only(&notify(p.to_str().unwrap(), NOBODY, &daemon())).message.clone();
    assert!(said(dir.path()).ends_with(": is a directory"));
    assert!(said(&path.join("x")).contains("notify.sh is not a directory"));
    let link = dir.path().join("link");
    symlink(dir.path().join("gone"), &link).unwrap();
    assert!(said(&link).contains("is a symbolic link to nothing"));
    assert!(said(Path::new("relative/path.sh")).contains("relative path"));
}

#[test]
fn a_check_warns_where_the_daemon_refuses() {
    let check = Options { strictness: Strictness::Check, ..daemon() };
    let loaded = notify("/nonexistent/notify.sh", NOBODY, &check);
    let d = only(&loaded);
    assert_eq!(d.level, Level::Warning);
    assert!(d.help.iter().any(|h| h == "the daemon would refuse to start"));
    assert!(loaded.config.is_some());
    assert!(notify("/nonexistent/notify.sh", NOBODY, &daemon()).config.is_none());
}

#[test]
fn bare_names_are_searched() {
    let loaded = notify("\"sh -c true\"", NOBODY, &daemon());
    let config = loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let argv = &config.instances[0].notify.any.as_ref().unwrap().argv;
    assert!(argv[0].starts_with('/') && argv[0].ends_with("/sh") && argv[1..] == ["-c", "true"]);
    assert!(loaded.diagnostics.iter().any(|d| d.level == Level::Lint && d.message.contains("is searched in PATH")));
    assert!(only(&notify("no-such-program-here", NOBODY, &daemon())).message.contains("in no directory of PATH"));
}

#[test]
fn a_redirection_is_the_shells() {
    let loaded = notify("\"</etc/hostname\"", NOBODY, &daemon());
    let config = loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    assert_eq!(config.instances[0].notify.any.as_ref().unwrap().argv, ["/bin/sh", "-c", "</etc/hostname"]);
    let tcp = notify("\"</dev/tcp/127.0.0.1/80\"", NOBODY, &daemon());
    assert!(tcp.diagnostics.iter().any(|d| d.message.contains("only bash")));
}

#[test]
fn users() {
    let (_dir, path) = script(0o755);
    let path = path.display();
    let loaded = notify(&format!("{path} nobody"), "", &daemon());
    assert_eq!(loaded.config.unwrap().instances[0].notify.any.as_ref().unwrap().uid, 65534);
    let loaded = notify(&format!("{path} nobody root"), "", &daemon());
    assert!(loaded.config.is_none_or(|c| c.instances[0].notify.any.as_ref().unwrap().gid == 0));
    for (command, globals, line) in [
        (format!("{path} no-such-user-here"), "", 7),
        (format!("{path} nobody no-such-group"), "", 7),
        (path.to_string(), "script_user no-such-user-here", 2),
    ] {
        let loaded = notify(&command, globals, &daemon());
        let d = only(&loaded);
        assert_eq!((d.code.id(), d.level, d.span.as_ref().map(|s| s.line)), ("V0603", Level::Error, Some(line)));
    }
}

#[test]
fn security_needs_a_user() {
    let loaded = notify("/bin/true", "enable_script_security", &daemon());
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    if passwd.lines().any(|l| l.starts_with("keepalived_script:")) {
        assert!(loaded.config.is_some(), "{:#?}", loaded.diagnostics);
    } else {
        assert_eq!((only(&loaded).code.id(), loaded.config.is_none()), ("V0603", true));
    }
    assert!(notify("/bin/true", "enable_script_security\nscript_user nobody", &daemon()).config.is_some());
}

/// A script in a directory that everybody may write to, run as root.
#[test]
fn what_others_could_change_does_not_run_as_root() {
    let (dir, path) = script(0o755);
    chmod(dir.path(), 0o777);
    let path = path.display().to_string();
    let open = notify(&path, "script_user root", &daemon());
    let weak = open.diagnostics.iter().find(|d| d.code.id() == "V0602" && d.level == Level::Warning).unwrap();
    assert!(weak.message.contains("would run as root, but others can change"), "{}", weak.message);
    assert!(open.config.is_some());
    let closed = notify(&path, "script_user root\nenable_script_security", &daemon());
    assert!(closed.config.is_none());
    assert!(closed.diagnostics.iter().any(|d| d.code.id() == "V0602" && d.level == Level::Error));
    // As nobody it does no harm to root.
    assert!(notify(&path, "script_user nobody\nenable_script_security", &daemon()).config.is_some());
}

#[test]
fn scripts_of_checks_and_trackers_are_judged_too() {
    for text in [
        "vrrp_script s {\nscript /nonexistent/x\n}\nvrrp_instance A {\ninterface e\nvirtual_router_id 1\n\
            track_script {\ns\n}\n}\n"
            .to_owned(),
        common::service("").replace("{ }", "{\nMISC_CHECK {\nmisc_path /nonexistent/x\n}\n}"),
        common::service("").replace("{ }", "{\nnotify_down /nonexistent/x\n}"),
        common::service("quorum_down /nonexistent/x"),
    ] {
        let loaded = load_str("test.conf", &text, &daemon());
        assert_eq!(only(&loaded).code.id(), "V0601", "{text}");
        assert!(loaded.config.is_none());
    }
}
