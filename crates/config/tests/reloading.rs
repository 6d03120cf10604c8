//! The words of `global_defs` about reloads.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::{Path, PathBuf};
use vipd_config::model::{AfterUse, Global, TimeFile};
use vipd_config::{Options, load_str};

/// What the words mean, and what was found.
fn global(words: &str) -> (Global, Vec<String>) {
    let loaded = load_str("test.conf", &format!("global_defs {{\n{words}\n}}\n"), &Options::default());
    let findings = loaded.diagnostics.iter().map(|d| d.message.clone()).collect();
    (loaded.config.unwrap_or_else(|| panic!("{words}: {findings:?}")).global, findings)
}

fn at(path: &str, after: AfterUse) -> Option<TimeFile> {
    Some(TimeFile { path: PathBuf::from(path), after })
}

#[test]
fn a_file_says_when_and_what_becomes_of_it() {
    let (global_, findings) = global("reload_time_file /run/when");
    assert_eq!((global_.reload_time, findings.len()), (at("/run/when", AfterUse::Removed), 0));
    assert_eq!(global("reload_time_file /run/when\nreload_repeat").0.reload_time, at("/run/when", AfterUse::Kept));
    for (words, why) in [("reload_repeat", "repeats nothing"), ("reload_time_file run/when", "relative path")] {
        let (global, findings) = global(words);
        assert!(global.reload_time.is_none() && findings.len() == 1 && findings[0].contains(why), "{findings:?}");
    }
}

#[test]
fn a_file_marks_the_reading_and_one_has_the_findings() {
    let path = |p: &Option<PathBuf>| p.as_deref().map(Path::to_owned);
    assert_eq!(path(&global("reload_file /run/mark").0.reload_file).unwrap(), Path::new("/run/mark"));
    assert_eq!(path(&global("reload_file").0.reload_file).unwrap(), Path::new("keepalived.reload"));
    assert_eq!(global("reload_file mark").0.reload_file, None);
    assert_eq!(
        path(&global("reload_check_config /var/log/found").0.reload_findings).unwrap(),
        Path::new("/var/log/found")
    );
    for words in ["", "reload_check_config", "reload_check_config /dev/null"] {
        let (global, findings) = global(words);
        assert_eq!((global.reload_findings, findings), (None, vec![]), "{words}");
    }
}
