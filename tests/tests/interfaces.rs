//! Interfaces that are not there at the start, come, go and get other names while the daemon runs: their instances are in
//! FAULT without them, and nothing else is.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;
use vipd_tests::wait_for;

const STAYS: &str = "10.77.0.100";
const COMES: &str = "10.78.0.100";
/// In the host's own network: the kernel gives it a label of its own when the interface is renamed.
const COMES_TOO: &str = "10.78.0.101";
const PATIENCE: Duration = Duration::from_secs(6);

#[test]
fn an_instance_without_its_source_is_in_fault_if_it_tracks_it() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let conf = |more: &str| Instance::new(3, 150, "0.3").with("mcast_src_ip 10.77.0.9").with(more).text();
    let mut a = Director::start(Kind::Vipd, &one, &conf("track_src_ip"));
    let fault = |when: &str| {
        wait_for(when, PATIENCE, || {
            let why = "its source address 10.77.0.9 is not on this host";
            a.status().is_some_and(|s| s.instances.iter().any(|i| i.state == "FAULT" && i.why.contains(why)))
        });
        assert!(!one.holds("10.77.0.100"));
    };
    fault("it has none at the start");
    one.ip("addr add 10.77.0.9/32 dev lo");
    a.wait_master("10.77.0.100", PATIENCE);
    one.ip("addr del 10.77.0.9/32 dev lo");
    fault("it is gone");
    a.reload(&conf(""));
    a.wait_master("10.77.0.100", PATIENCE);
    a.stop();
}

#[test]
fn interfaces_come_go_and_are_renamed() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let other = Instance {
        name: "VI_2".to_owned(),
        interface: "eth1".to_owned(),
        vrid: 52,
        addresses: vec![format!("{COMES}/24"), format!("{COMES_TOO}/24")],
        // Nothing but the daemon takes these addresses away.
        extra: "vip_lease off\n".to_owned(),
        ..Instance::new(3, 150, "0.3")
    };
    let conf =
        format!("global_defs {{\ndynamic_interfaces\n}}\n{}{}", Instance::new(3, 150, "0.3").text(), other.text());
    let mut a = Director::start(Kind::Vipd, &one, &conf);
    a.wait_master(STAYS, PATIENCE);
    let missing = |when: &str| {
        wait_for(when, PATIENCE, || {
            let status = a.instance("VI_2");
            status.state == "FAULT" && status.why.contains("interface eth1 doesn't exist")
        });
    };
    missing("without its interface it is in FAULT");

    one.plug("eth1", "br1", 78);
    a.wait_master(COMES, PATIENCE);

    // Renamed while it is up: the addresses do not stay there.
    one.ip("link set eth1 name lan");
    missing("under another name it is not its interface");
    wait_for("the addresses go", PATIENCE, || !one.holds(COMES) && !one.holds(COMES_TOO));
    assert!(one.holds("10.78.0.1"), "the host's own address went, too");
    one.ip("link set lan name eth1");
    a.wait_master(COMES, PATIENCE);

    one.ip("link del eth1");
    missing("it is gone");
    one.plug("eth1", "br1", 78);
    a.wait_master(COMES, PATIENCE);

    let stays = a.instance("VI_1");
    assert_eq!((stays.state.as_str(), stays.counters.became_master), ("MASTER", 1), "{}", a.log());
    a.stop();
    assert!(!one.holds(COMES) && !one.holds(STAYS));
}
