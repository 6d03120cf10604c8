//! A reading with what the one before has kept gives what a reading of its own gives, whatever has changed.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{instance, options};
use std::path::Path;
use vipd_config::{Loaded, load, load_again};

fn service(n: usize, lines: &str) -> String {
    format!(
        "virtual_server 10.0.0.{n} 80 {{\n  protocol TCP\n  {lines}\n  real_server 10.1.0.{n} 80 {{\n    weight 1\n    \
         TCP_CHECK {{\n      connect_timeout 3\n    }}\n  }}\n}}\n"
    )
}

/// Reads the text anew and after `before`, which must come to the same.
fn again(path: &Path, text: &str, before: &Loaded) -> Loaded {
    std::fs::write(path, text).unwrap();
    let fresh = load(path, &options());
    let known = before.config.as_ref().map(|config| (config, &before.memory));
    let loaded = load_again(path, &options(), known);
    assert_eq!(loaded.config, fresh.config, "{text}");
    assert_eq!(loaded.diagnostics, fresh.diagnostics, "{text}");
    loaded
}

#[test]
fn whatever_changes_the_short_reading_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("conf");
    let head = "global_defs {\n  router_id a\n}\n".to_owned() + &instance("virtual_ipaddress {\n192.0.2.1\n}");
    let services =
        |edit: &str| (1..60).map(|n| service(n, if n == 30 { edit } else { "lvs_sched rr" })).collect::<String>();
    let base = head.clone() + &services("lvs_sched rr");
    std::fs::write(&path, &base).unwrap();
    let first = load(&path, &options());
    assert_eq!(first.config.as_ref().unwrap().services.len(), 59);
    for text in [
        base.clone(),
        head.clone() + &services("lvs_sched wrr"),
        head.clone() + &services("lvs_sched wrr\n  quorum 7"),
        head.clone() + &services("lvs_shed wrr"),
        head.clone() + &services("lvs_sched \"wrr\""),
        head.clone() + &services("delay_loop 0"),
        // The lines above and below are others.
        "\n\n# here\n".to_owned() + &base.replace("}\nvirtual_server 10.0.0.7 ", "}\n\n\nvirtual_server 10.0.0.7 "),
        base.replacen("virtual_server 10.0.0.7 80", "virtual_server 10.0.0.8 80", 1),
        base.replace("10.0.0.7 80", "10.0.0.7 81"),
        // What they depend on is another one.
        base.replace("router_id a", "smtp_alert on"),
        base.replace("router_id a", "smtp_alert off"),
        base.replace("192.0.2.1", "10.1.0.9"),
        base.replace("router_id a", "router_id b"),
        // A brace is missing, or one too many.
        base.replacen("TCP_CHECK {", "TCP_CHECK", 1),
        base.replacen("connect_timeout 3\n    }", "connect_timeout 3", 1),
        base.replacen("connect_timeout 3\n    }", "connect_timeout 3\n  }\n  }", 1),
        base.replace('\n', "\r\n"),
        base[..base.len() / 2].to_owned(),
        String::new(),
    ] {
        let next = again(&path, &text, &first);
        if next.config.is_some() {
            // And back.
            again(&path, &base, &next);
        }
    }
}

#[test]
fn what_depends_on_more_than_its_text_is_read_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("conf");
    let program = |check: &str| service(1, "").replace("TCP_CHECK {\n      connect_timeout 3", check);
    let group = |ports: &str| {
        format!("virtual_server_group G {{\n192.0.2.7 {ports}\n}}\n")
            + &service(1, "").replace("virtual_server 10.0.0.1 80", "virtual_server group G")
    };
    std::fs::write(&path, group("80")).unwrap();
    let first = load(&path, &options());
    let second = again(&path, &group("81"), &first);
    assert_ne!(first.config, second.config);
    let ran = program("MISC_CHECK {\n misc_path /bin/true");
    again(&path, &ran, &again(&path, &ran, &second));
    let defined = |port: u16| format!("$PORT={port}\n") + &service(1, "").replace("10.1.0.1 80", "10.1.0.1 $PORT");
    let first = again(&path, &defined(80), &second);
    assert_ne!(first.config, again(&path, &defined(81), &first).config);
    assert!(first.config.is_some());
}
