//! keepalived's own sample files, as Debian ships them: each is accepted, or what is said about it is right.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{options, short};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vipd_config::diag::Level;
use vipd_config::load;

const DIRECTORY: &str = "/usr/share/doc/keepalived/samples";

/// What is found in each file above a lint, as `CODE:LINE`. Files that are not here have no finding.
fn expected() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        // The group is defined and its only user is commented out.
        ("IPv6", ["V0409:7"].as_slice()),
        // Without -i high or -i low the script has no command.
        ("conditional_conf", &["V0401:6"]),
        // The same address twice, the second time with a label.
        ("vrrp", &["V0209:32"]),
        // Members stand outside `group { }`, as in versions before 1.1.
        ("vrrp.lvs_syncd", &["V0201:4", "V0201:5"]),
        // Rules without a priority; `192.168.100./24` and `192.168.200./24` are no networks.
        ("vrrp.rules", &["V0404:10", "V0305:11", "V0404:25", "V0305:26"]),
    ])
}

fn samples() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(DIRECTORY).unwrap_or_else(|e| {
        panic!("{DIRECTORY}: {e}. Install Debian's package `keepalived`: apt-get install keepalived")
    });
    let named = |p: PathBuf| {
        let name = p.file_name()?.to_str()?.strip_prefix("keepalived.conf.")?.to_owned();
        Some((name, p))
    };
    let mut out: Vec<_> = entries.map(|e| e.expect(DIRECTORY).path()).filter_map(named).collect();
    out.sort();
    out
}

#[test]
fn every_packaged_sample() {
    let samples = samples();
    assert!(samples.len() >= 24, "{DIRECTORY} holds {} samples only", samples.len());
    let expected = expected();
    let mut wrong = Vec::new();
    for (name, path) in &samples {
        let loaded = load(path, &options());
        let found = short(&loaded, |l| l != Level::Lint);
        let wanted = expected.get(name.as_str()).copied().unwrap_or_default();
        if found != wanted {
            wrong.push(format!("{name}: {found:?}, not {wanted:?}"));
        }
        let errors = loaded.any(Level::Error);
        assert_eq!(loaded.config.is_none(), errors, "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in expected.keys() {
        assert!(samples.iter().any(|(n, _)| n == name), "{name} is gone");
    }
}

#[test]
fn the_sample_in_etc() {
    let path = Path::new("/etc/keepalived/keepalived.conf.sample");
    assert!(path.exists(), "{} is missing. Install Debian's package `keepalived`", path.display());
    let loaded = load(path, &options());
    // vrrp_strict does not go with authentication, nor with MASTER below priority 255.
    assert_eq!(short(&loaded, |l| l != Level::Lint), ["V0404:20", "V0405:25"]);
    assert!(loaded.config.is_some());
}

#[test]
fn the_conditional_sample_with_its_ids() {
    let path = Path::new(DIRECTORY).join("keepalived.conf.conditional_conf");
    for (id, priority) in [("high", 170), ("low", 85)] {
        let loaded = load(&path, &vipd_config::Options { config_id: Some(id.to_owned()), ..options() });
        let config = loaded.config.unwrap_or_else(|| panic!("{id}: {:?}", loaded.diagnostics));
        assert_eq!(config.instances[0].vrrp.priority.0, priority);
        assert_eq!(config.global.net_namespace.as_deref(), Some(id));
        assert_eq!(config.scripts[0].command.argv, [format!("/etc/keepalived/scripts/check_{id}_VI_0.sh")]);
        // advert_int 12 is 12 seconds in version 3.
        assert_eq!(config.instances[0].vrrp.advert_int.0, 1200);
    }
}

#[test]
fn the_projects_own_samples_have_no_warning() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).expect("tests/samples") {
        let path = entry.expect("entry").path();
        let loaded = load(&path, &options());
        assert_eq!(short(&loaded, |l| l != Level::Lint), Vec::<String>::new(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 5);
}
