//! `FILE_CHECK`: which file a server follows, and what the number in it does.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, said};
use vipd_config::effective::effective;
use vipd_config::model::Config;
use vipd_config::setting;
use vipd_lvs::settings::{FileProbe, Probe};

/// Two files, one with a weight of its own, and a server with these checks.
fn text(checks: &str) -> String {
    format!(
        "track_file plain {{\nfile /run/plain\n}}\ntrack_file heavy {{\nfile /run/heavy\nweight 20 reverse\n}}\n\
         virtual_server 192.0.2.1 80 {{\nprotocol TCP\nreal_server 10.0.0.1 80 {{\n{checks}\n}}\n}}\n"
    )
}

fn probes(config: &Config) -> Vec<(String, i32, bool)> {
    let checks = config.services[0].lvs.real_servers[0].checkers.iter();
    let probe = checks.map(|check| match &check.probe {
        Probe::File(probe) => (probe.file.clone(), probe.weight, probe.reverse),
        other => panic!("{other:?}"),
    });
    probe.collect()
}

#[test]
fn a_server_follows_a_file_with_the_weight_of_either() {
    let checks = [
        "track_file plain",
        "track_file heavy",
        "track_file heavy\nweight -100000",
        "track_file plain\nweight 0 reverse",
    ];
    let all = text(&checks.map(|lines| format!("FILE_CHECK {{\n{lines}\n}}\n")).concat());
    let config = config(&all);
    let expected = [("plain", 1, false), ("heavy", 20, true), ("heavy", -100_000, false), ("plain", 0, true)];
    assert_eq!(probes(&config), expected.map(|(file, weight, reverse)| (file.to_owned(), weight, reverse)));
    let mut files: Vec<&str> = config.files.iter().map(|f| f.name.as_str()).collect();
    files.sort_unstable();
    assert_eq!(files, ["heavy", "plain"], "nobody else follows them");
    assert_eq!(found(&all), Vec::<String>::new());
    let meant = setting::text(&effective(&common::config(&all)));
    assert!(meant.contains("weight -100000\n") && meant.contains("weight 20 reverse\n"), "{meant}");
}

#[test]
fn a_file_that_no_server_follows_is_not_read() {
    let config = config(&text("FILE_CHECK {\ntrack_file heavy\n}"));
    assert_eq!(config.files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["heavy"]);
}

#[test]
fn what_is_not_there_can_t_be_followed() {
    let text = text("FILE_CHECK {\ntrack_file plan\n}");
    assert!(said(&text).contains("did you mean `plain`?"), "{}", said(&text));
    assert!(said(&self::text("FILE_CHECK {\nweight 3\n}")).contains("follows nothing"));
}

#[test]
fn the_number_adds_or_decides() {
    let adds = |weight, reverse, number| FileProbe { file: String::new(), weight, reverse }.adds(number);
    assert_eq!((adds(1, false, 7), adds(-3, false, 7), adds(2, true, 7)), (Some(7), Some(-21), Some(-14)));
    assert_eq!((adds(0, false, 0), adds(0, false, -1)), (Some(0), None));
    assert_eq!((adds(0, true, 0), adds(0, true, 5)), (None, Some(0)));
    assert_eq!(adds(2, false, 1 << 31), Some(i32::MAX.into()), "no more than 32 bits hold");
    assert_eq!((adds(1, false, -(1 << 31)), adds(1, false, 1 - (1 << 31))), (None, Some(1 - (1 << 31))));
}
