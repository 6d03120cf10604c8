//! A file with virtual servers means to vipd what it means to keepalived, whose checker runs only where there is IPVS.

use crate::machine::LONG;
use rustix::process::Signal;
use std::collections::BTreeSet;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;
use vipd_tests::means::{Intended, compare, ours, sample};
use vipd_tests::wait_for;

/// The samples, and how many settings of each are compared at least.
const SAMPLES: &[(&str, usize)] = &[
    ("http", 128),
    ("marks", 104),
    ("others", 155),
    ("programs", 153),
    ("schedulers", 162),
    ("services", 142),
    ("tls", 115),
];

/// Where vipd does otherwise, on purpose.
const INTENDED: &[Intended] = &[
    Intended {
        file: "marks",
        block: "virtual_server fwmark",
        setting: "protocol",
        why: "marked packets have none; vipd shows the one that the kernel gives such services",
    },
    Intended {
        file: "schedulers",
        block: "virtual_server 10.77.0.103 80",
        setting: "lvs_method",
        why: "keepalived sets no default where each real server has its own; vipd shows what it would be",
    },
];

/// Every kind of block that these samples have.
const BLOCKS: &[&str] = &[
    "BFD_CHECK",
    "DNS_CHECK",
    "FILE_CHECK",
    "HTTP_GET",
    "MISC_CHECK",
    "PING_CHECK",
    "SMTP_CHECK",
    "SSL",
    "SSL_GET",
    "TCP_CHECK",
    "UDP_CHECK",
    "global_defs",
    "real_server",
    "track_file",
    "url",
    "virtual_server",
    "virtual_server_group",
];

pub(crate) fn the_same() {
    let mut lab = Lab::new();
    let host = lab.host(2);
    let (mut problems, mut blocks, mut intended) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (name, least) in SAMPLES {
        let dump = host.path("keepalived_check.data");
        let _ = std::fs::remove_file(&dump);
        let conf = std::fs::read_to_string(sample(name)).unwrap();
        let mut director = Director::start(Kind::Keepalived, &host, &conf);
        wait_for("keepalived runs", LONG, || director.log().contains("Gained quorum"));
        director.signal(Signal::USR1);
        let read = || std::fs::read_to_string(&dump).unwrap_or_default();
        // Written when it grows no more.
        wait_for("keepalived has written its state", LONG, || {
            let before = read();
            std::thread::sleep(std::time::Duration::from_millis(300));
            before.contains("------< LVS Topology") && before == read()
        });
        let result = compare(name, &[read()], &ours(&sample(name)), INTENDED);
        director.terminate();
        wait_for("it ends", LONG, || !director.runs());
        println!("  {name}: {} settings mean the same", result.same);
        if result.same < *least {
            problems.push(format!("{name}: {} settings compared, not {least}", result.same));
        }
        problems.extend(result.differ);
        problems.extend(result.unknown.iter().map(|label| format!("{name}: what is this? {label}")));
        blocks.extend(result.blocks);
        intended.extend(result.intended);
    }
    let missing = (0..INTENDED.len()).filter(|i| !intended.contains(i));
    problems.extend(missing.map(|i| format!("not so any more: {:?}", INTENDED[i])));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(blocks.iter().map(String::as_str).collect::<Vec<_>>(), BLOCKS);
}
