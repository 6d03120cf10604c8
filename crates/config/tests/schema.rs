//! The schema of the language: what `vipd config --json` prints of any file fits it, what the language refuses does not.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::options;
use common::schema::fits;
use serde_json::{Value, json};
use std::path::Path;
use vipd_config::{Options, Written, effective, load, load_str, setting};

#[test]
fn every_sample_fits_as_it_is_written_and_as_it_is_meant() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for directory in ["tests/samples", "../../tests/samples", "../../tests/samples/means"] {
        for entry in std::fs::read_dir(root.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "conf") {
                continue;
            }
            let loaded = load(&path, &Options { written: Written::Keep, ..options() });
            let config = loaded.config.unwrap_or_else(|| panic!("{} is not usable", path.display()));
            for settings in [&config.written, &effective::effective(&config)] {
                let wrong = fits(&setting::json(settings));
                assert!(wrong.is_empty(), "{}: {}", path.display(), wrong.join("\n"));
            }
            seen += 1;
        }
    }
    assert!(seen >= 35, "{seen} samples");
}

/// What a text says, with one value replaced: where it no longer fits.
fn doctored(text: &str, pointer: &str, value: Value) -> Vec<String> {
    let config = load_str("test.conf", text, &Options { written: Written::Keep, ..options() }).config.unwrap();
    let mut json = setting::json(&config.written);
    assert_eq!(fits(&json), Vec::<String>::new());
    *json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    fits(&json)
}

#[test]
fn what_the_language_refuses_does_not_fit() {
    let text = "global_defs {\nvrrp_version 2\nvrrp_garp_interval 0.5\nlvs_timeouts tcp 5\nvrrp_cpu_affinity 1\numask 7\n}\n\
                vrrp_instance V {\ninterface eth0\nvirtual_router_id 7\nnopreempt\ntrack_file {\nF weight 3\n}\n\
                virtual_ipaddress {\n192.0.2.1/24 dev eth0\n}\nvirtual_routes {\ndefault via 192.0.2.1 mtu lock 1400\n}\n\
                notify_master /bin/true root\n}\nvrrp_script S {\nscript /bin/true\nweight 3\n}\n\
                track_file F {\nfile /tmp/f\n}\n\
                virtual_server 192.0.2.1 80 {\nprotocol TCP\nlvs_method DR\nreal_server 192.0.2.2 80 {\n\
                HTTP_GET {\nurl {\npath /\nstatus_code 200\nregex_options caseless\n}\n}\n}\n}\n";
    for (pointer, value) in [
        ("/vrrp_instance/0/virtual_router_id", json!(256)),
        ("/vrrp_instance/0/virtual_router_id", json!(0)),
        ("/vrrp_instance/0/virtual_router_id", json!("7")),
        ("/vrrp_instance/0/interface", json!("a-name-of-16-byte")),
        ("/vrrp_instance/0/nopreempt", json!(1)),
        ("/vrrp_instance/0/name", json!(1)),
        ("/vrrp_instance/0", json!({ "interface": "eth0" })),
        ("/vrrp_instance/0", json!({ "name": "V", "virtual_router": 7 })),
        ("/vrrp_instance", json!({ "V": {} })),
        ("/vrrp_instance/0/track_file/0/weight", json!(255)),
        ("/vrrp_instance/0/virtual_ipaddress/0", json!("192.0.2.1")),
        ("/vrrp_instance/0/virtual_ipaddress/0/dev", json!(7)),
        ("/vrrp_instance/0/virtual_routes/0/mtu/value", json!("x")),
        ("/vrrp_instance/0/notify_master", json!("/bin/true")),
        ("/global_defs/vrrp_version", json!("4")),
        ("/global_defs/vrrp_garp_interval", json!(5000)),
        ("/global_defs/lvs_timeouts/tcp", json!(2_678_401)),
        ("/global_defs/vrrp_cpu_affinity", json!([])),
        ("/global_defs/umask", json!(512)),
        ("/vrrp_script/0/weight/weight", json!(254)),
        ("/virtual_server/0/port", json!(65_536)),
        ("/virtual_server/0/protocol", json!("tcp")),
        ("/virtual_server/0/lvs_method/method", json!("dr")),
        ("/virtual_server/0/real_server/0/HTTP_GET/0/url/0/regex_options/0", json!("nonsense")),
        ("/virtual_server/0/real_server/0/HTTP_GET/0/url/0/path", json!("")),
    ] {
        assert!(!doctored(text, pointer, value.clone()).is_empty(), "{pointer}: {value} fits");
    }
}
