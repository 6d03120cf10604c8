//! What a file says, as typed settings: values in their units, secrets hidden, what nothing acts on yet found by its place.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::config;
use serde_json::json;
use vipd_config::setting::{self, Value};

/// The settings of a text, as JSON.
fn said(text: &str) -> serde_json::Value {
    setting::json(&config(text).written)
}

#[test]
fn values_have_their_units() {
    let text = "global_defs {\nvrrp_startup_delay 2.5\numask IRWXG|IROTH\nvrrp_cpu_affinity 0 3\n\
                lvs_sync_daemon eth0 VI_1 id 3 group 224.0.0.99\nvrrp_rx_bufs_policy 4096\nlvs_timeouts tcp 900 udp 7\n}\n\
                bfd_instance B {\nneighbor_ip 192.0.2.3\nmin_rx 12.5\nhoplimit 7\n}\n\
                interface_up_down_delays {\neth0 1.5 2\n}\n";
    let expected = json!({
        "global_defs": {
            "vrrp_startup_delay": 2.5,
            "umask": 0o74,
            "vrrp_cpu_affinity": [0, 3],
            "lvs_sync_daemon": { "interface": "eth0", "instance": "VI_1", "id": 3, "group": "224.0.0.99" },
            "vrrp_rx_bufs_policy": { "bytes": 4096 },
            "lvs_timeouts": { "tcp": 900, "udp": 7 },
        },
        "bfd_instance": [{ "name": "B", "neighbor_ip": "192.0.2.3", "min_rx": 12.5, "ttl": 7 }],
        "interface_up_down_delays": [{ "interface": "eth0", "down": 1.5, "up": 2 }],
    });
    assert_eq!(said(text), expected);
}

#[test]
fn routes_and_rules_are_taken_apart() {
    let text = "static_routes {\n\
                192.0.2.0/24 via 192.0.2.1 dev eth0 metric 5 mtu lock 1400 encap ip id 0x10 dst 192.0.2.9 ttl 3 table 0x64\n\
                default nexthop via 192.0.2.1 weight 2 nexthop via inet6 2001:db8::1 onlink\n\
                blackhole 198.51.100.0/24\n}\n\
                static_rules {\nfrom 192.0.2.0/24 to all table main fwmark 1/0xff not\n}\n";
    let expected = json!({
        "static_routes": [
            {
                "destination": "192.0.2.0/24", "via": "192.0.2.1", "dev": "eth0", "metric": 5,
                "mtu": { "lock": true, "value": 1400 },
                "encap": { "ip": true, "id": 16, "dst": "192.0.2.9", "ttl": 3 },
                "table": 100,
            },
            { "default": true, "nexthop": [{ "via": "192.0.2.1", "weight": 2 }, { "via": "2001:db8::1", "onlink": true }] },
            { "blackhole": "198.51.100.0/24" },
        ],
        "static_rules": [
            { "from": "192.0.2.0/24", "to": "all", "table": "main", "fwmark": "1/0xff", "not": true },
        ],
    });
    assert_eq!(said(text), expected);
}

#[test]
fn what_nothing_acts_on_is_found_by_its_place() {
    let text = "global_defs {\nenable_traps\n}\n\
                virtual_server 192.0.2.7 80 {\nprotocol TCP\nsnmp_name web\nreal_server 192.0.2.8 80 {\n}\n}\n";
    let config = config(text);
    let idle = config.idle();
    let places: Vec<&str> = idle.iter().map(|(place, _)| place.as_str()).collect();
    let expected = ["global_defs / enable_traps", "virtual_server 192.0.2.7 80 / snmp_name"];
    assert_eq!(places, expected);
    assert_eq!(idle[0].1.value, Value::Flag(true));
}

#[test]
fn the_roles_get_none_of_it() {
    let text = "global_defs {\nenable_traps\n}\n";
    let sent = serde_json::to_string(&config(text)).unwrap();
    assert!(!sent.contains("enable_traps") && !sent.contains("written"), "{sent}");
    assert!(!config(text).written.is_empty());
}

#[test]
fn secrets_are_not_shown() {
    let text = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n192.0.2.7\n}\n\
                authentication {\nauth_type PASS\nauth_pass s3cr\n}\n}\nSSL {\npassword s3cret\n}\n";
    let config = config(text);
    let shown =
        [setting::text(&config.written), setting::json(&config.written).to_string(), format!("{:?}", config.written)];
    for shown in shown {
        assert!(!shown.contains("s3cr") && shown.matches("<hidden>").count() == 2, "{shown}");
    }
}

#[test]
fn a_key_is_hidden_behind_one_of_the_right_length() {
    let key = |text: &str| Value::Secret(setting::Secret(text.to_owned())).to_string();
    assert_eq!(key("short"), "<hidden>");
    assert!(
        key(&"k".repeat(32)).contains("<hidden") && (32..=64).contains(&key(&"k".repeat(32)).trim_matches('"').len())
    );
    assert_eq!(key("file:/a"), "<hidden>", "a password may look like a path");
}

#[test]
fn words_and_commands_are_quoted_where_they_must_be() {
    for text in [r#""two words""#, "\"#1\"", "\"a!b\"", "\"{\"", "plain", r"back\slash"] {
        let file = format!("global_defs {{\nrouter_id {text}\n}}\n");
        let config = config(&file);
        let again = common::config(&setting::text(&config.written));
        assert_eq!(again.global.router_id, config.global.router_id, "{text}");
    }
    for command in [
        r#""/bin/echo a b""#,
        r#""/bin/echo \"a  b\" c""#,
        r#""/bin/echo \"a  b\" # c""#,
        r#""/bin/echo 'it is' \# \\""#,
        r#"'/bin/echo a\"b'"#,
        r"/bin/echo",
    ] {
        let file = common::instance(&format!("virtual_ipaddress {{\n192.0.2.7\n}}\nnotify {command} root"));
        let config = config(&file);
        let again = common::config(&setting::text(&config.written));
        let argv = |c: &vipd_config::model::Config| c.instances[0].notify.any.clone().unwrap().argv;
        assert_eq!(argv(&again), argv(&config), "{command}: {}", setting::text(&config.written));
    }
}
