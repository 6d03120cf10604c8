//! The examples of docs/quickstart.md are what they say: without a finding, for two hosts of one virtual router, and as fast.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::found;
use vipd_vrrp::settings::Version;
use vipd_vrrp::timers::{master_down, skew};

const TEXT: &str = include_str!("../../../docs/quickstart.md");

/// The fenced text behind these words.
fn fenced(words: &str) -> &'static str {
    let (_, rest) = TEXT.split_once(&format!("```{words}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_two_files_are_without_fault_and_fit_together() {
    let files = ["lb1", "lb2"].map(|host| fenced(&format!("keepalived.conf {host}")));
    assert!(files.iter().all(|file| found(file).is_empty()), "{:?}", files.map(found));
    let [first, second] = files.map(common::config);
    let differ: Vec<(&str, &str)> = files[0].lines().zip(files[1].lines()).filter(|(a, b)| a != b).collect();
    assert_eq!(differ, [("    router_id lb1", "    router_id lb2"), ("    priority 150", "    priority 100")]);
    assert_eq!(files[0].lines().count(), files[1].lines().count());
    assert_eq!(first.services, second.services);
    let script = &first.instances[0].notify.any.as_ref().unwrap().argv[0];
    assert!(TEXT.contains(&format!("The notify script, `{script}`")), "{script}");
    // What stands in the table of what to expect.
    let backup = &second.instances[0].vrrp;
    assert_eq!(backup.version, Version::V2);
    let seconds =
        |micros: vipd_vrrp::units::Micros| format!("{:.2} s", std::time::Duration::from_micros(micros.0).as_secs_f64());
    let patience = master_down(backup.version, backup.priority, backup.advert_int, backup.down_timer_adverts);
    let hand_over = skew(backup.version, backup.priority, backup.advert_int);
    assert!(TEXT.contains(&format!("MASTER after {}", seconds(patience))), "{}", seconds(patience));
    assert!(TEXT.contains(&format!("its skew time, {}", seconds(hand_over))), "{}", seconds(hand_over));
}
