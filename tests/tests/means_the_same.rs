//! A file means to vipd what it means to Debian's keepalived: the state that keepalived dumps against `vipd config
//! --effective`. Here the part of VRRP and BFD; virtual servers and their checks in the virtual machine (`vm_director`).

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::means::{Intended, compare, ours, sample};
use vipd_tests::wait_for;

/// The samples, and how many settings of each are compared at least.
const SAMPLES: &[(&str, usize)] = &[
    ("addresses", 90),
    ("bfd", 80),
    ("defaults", 58),
    ("fewest", 80),
    ("globals", 70),
    ("groups", 154),
    ("interfaces", 65),
    ("notify", 100),
    ("password", 84),
    ("routes", 65),
    ("scripts", 105),
    ("standing", 158),
    ("static", 66),
    ("strict", 106),
    ("timers", 82),
    ("tracks", 110),
    ("unicast", 115),
];

/// Where vipd does otherwise, on purpose.
const INTENDED: &[Intended] = &[
    Intended {
        file: "fewest",
        block: "",
        setting: "vrrp_garp_master_refresh_repeat",
        why: "with vrrp_min_garp keepalived refreshes with no message at all; vipd with one",
    },
    Intended {
        file: "fewest",
        block: "vrrp_instance",
        setting: "garp_master_refresh_repeat",
        why: "the same for each instance",
    },
];

/// Every kind of block that these samples have.
const BLOCKS: &[&str] = &[
    "",
    "bfd_instance",
    "garp_group",
    "global_defs",
    "interface_up_down_delays",
    "track_file",
    "track_group",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "vrrp_track_process",
];

/// What keepalived's processes write when they are asked.
fn dumps(host: &Host) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(host.path(name)).unwrap_or_default();
    ["keepalived.data", "keepalived_bfd.data"].map(read).into_iter().filter(|text| !text.is_empty()).collect()
}

#[test]
fn every_sample_of_vrrp_means_the_same() {
    let mut lab = Lab::new();
    let patience = Duration::from_secs(30);
    let mut running = Vec::new();
    for ((name, least), number) in SAMPLES.iter().zip(2..) {
        let host = lab.host(number);
        host.plug("eth1", "br1", 78);
        // The samples are written for a host with this address.
        host.ip("addr flush dev eth0");
        host.ip("addr add 10.77.0.2/24 dev eth0");
        let conf = std::fs::read_to_string(sample(name)).unwrap();
        let director = Director::start_with(Kind::Keepalived, &host, &conf, &["-P"]);
        running.push((*name, *least, host, director));
    }
    let (mut problems, mut blocks, mut intended) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (name, least, host, director) in &mut running {
        wait_for("keepalived runs", patience, || director.log().contains("Startup complete"));
        director.signal(Signal::USR1);
        // The last lines are those of the interfaces.
        let whole = || {
            let dumps = dumps(host);
            let vrrp = dumps.first().is_some_and(|d| d.contains("------< Interfaces") && d.contains(" Name = eth1"));
            vrrp && (*name != "bfd" || dumps.get(1).is_some_and(|d| d.matches("last_seen").count() == 2))
        };
        wait_for("keepalived has written its state", patience, whole);
        std::thread::sleep(Duration::from_millis(100));
        let result = compare(name, &dumps(host), &ours(&sample(name)), INTENDED);
        println!("{name}: {} settings mean the same", result.same);
        if result.same < *least {
            problems.push(format!("{name}: {} settings compared, not {least}", result.same));
        }
        problems.extend(result.differ);
        problems.extend(result.unknown.iter().map(|label| format!("{name}: what is this? {label}")));
        blocks.extend(result.blocks);
        intended.extend(result.intended);
        director.terminate();
    }
    for (_, _, _, director) in &mut running {
        wait_for("it ends", patience, || !director.runs());
    }
    problems.extend(
        (0..INTENDED.len()).filter(|i| !intended.contains(i)).map(|i| format!("not so any more: {:?}", INTENDED[i])),
    );
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(blocks.iter().map(String::as_str).collect::<Vec<_>>(), BLOCKS);
}

/// What would make every comparison pass is one that finds nothing.
#[test]
fn a_difference_is_found() {
    let dump = "------< VRRP Topology >------\n VRRP Instance = V\n   Priority = 100\n   Preempt = enabled\n   Interface = eth0\n   \
                Virtual IP (1):\n     192.0.2.1/24 dev eth0 scope global\n";
    let with = |priority: u8, address: &str| {
        let address = serde_json::json!({ "address": address, "dev": "eth0", "scope": "global" });
        let instance = serde_json::json!({ "name": "V", "priority": priority, "preempt": true, "interface": "eth0",
            "virtual_ipaddress": [address] });
        let result = compare("x", &[dump.to_owned()], &serde_json::json!({ "vrrp_instance": [instance] }), &[]);
        (result.same, result.differ.len())
    };
    // Four that are said, and three flags that are not.
    assert_eq!(with(100, "192.0.2.1/24"), (7, 0));
    assert_eq!(with(101, "192.0.2.1/24"), (6, 1));
    assert_eq!(with(101, "192.0.2.2/24"), (5, 2));
}
