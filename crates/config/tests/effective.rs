//! What a file means: values in force, wherever they come from, in the configuration's own words.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, instance};
use serde_json::{Value, json};
use vipd_config::effective::effective;
use vipd_config::setting;

fn meant(text: &str) -> Value {
    setting::json(&effective(&config(text)))
}

#[track_caller]
fn holds(of: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&of[key], value, "{key} of {of:#}");
    }
}

#[test]
fn an_instance_has_what_it_inherits() {
    let text = format!(
        "global_defs {{\nvrrp_version 3\nvrrp_garp_master_delay 7\nvrrp_garp_master_repeat 3\n}}\n{}",
        instance(
            "advert_int 0.25\ngarp_master_repeat 2\nvirtual_ipaddress {\n192.0.2.1/24 brd +\n192.0.2.2 no_track\n}"
        )
    );
    let meant = meant(&text);
    let expected = json!({
        "name": "A", "state": "BACKUP", "version": "3", "priority": 100, "advert_int": 0.25,
        "preempt": true, "nopreempt": false, "preempt_delay": 0,
        "garp_master_delay": 7, "garp_master_repeat": 2, "garp_lower_prio_repeat": 2, "garp_lower_prio_delay": 7,
        "mcast_dst_ip": "224.0.0.18", "strict_mode": false, "dont_track_primary": false,
        "virtual_ipaddress": [
            { "address": "192.0.2.1/24", "dev": "eth0", "scope": "global", "preferred_lft": "forever",
              "broadcast": "192.0.2.255" },
            { "address": "192.0.2.2/32", "dev": "eth0", "scope": "global", "preferred_lft": "forever", "no_track": true },
        ],
    });
    holds(&meant["vrrp_instance"][0], &expected);
    holds(&meant["global_defs"], &json!({ "vrrp_version": "3", "vrrp_garp_master_repeat": 3, "vrrp_strict": false }));
}

#[test]
fn strictness_and_fewest_messages_are_in_the_values() {
    let text = format!(
        "global_defs {{\nvrrp_strict\nvrrp_min_garp\n}}\n{}",
        instance("state MASTER\nvirtual_ipaddress {\n192.0.2.1\n}\nauthentication {\nauth_type PASS\nauth_pass x\n}")
    );
    let meant = meant(&text);
    holds(&meant["global_defs"], &json!({ "vrrp_garp_master_repeat": 1, "vrrp_garp_master_delay": 0 }));
    let router = &meant["vrrp_instance"][0];
    let expected = json!({
        "state": "MASTER", "priority": 255, "strict_mode": true, "lower_prio_no_advert": true,
        "garp_master_repeat": 1, "garp_lower_prio_repeat": 0, "authentication": null,
    });
    holds(router, &expected);
}

#[test]
fn servers_and_checks_have_what_they_inherit() {
    let text = "virtual_server 192.0.2.1 80 {\nprotocol TCP\nlvs_method TUN\ndelay_loop 7\nretry 4\nalpha\nweight 3\n\
                virtualhost www.example.net\nsorry_server 192.0.2.9\n\
                real_server 192.0.2.2 {\nconnect_timeout 2.5\nTCP_CHECK {\nretry 2\n}\n\
                HTTP_GET {\nurl {\npath /\n}\n}\nPING_CHECK {\n}\n}\n\
                real_server 192.0.2.3 80 {\nlvs_method DR\nMISC_CHECK {\nmisc_path /bin/true\n}\n}\n}\n";
    let meant = meant(text);
    let service = &meant["virtual_server"][0];
    let tunnel = json!({ "method": "TUN", "type": "ipip" });
    let expected = json!({
        "address": "192.0.2.1", "port": 80, "lvs_sched": "wlc", "quorum": 1, "hysteresis": 0, "omega": false,
        "sorry_server": { "address": "192.0.2.9", "port": 80 }, "sorry_server_lvs_method": tunnel, "ops": false,
    });
    holds(service, &expected);
    let server = &service["real_server"][0];
    let expected = json!({
        "address": "192.0.2.2", "port": 80, "weight": 3, "lvs_method": tunnel, "inhibit_on_failure": false,
        "smtp_alert": true, "delay_loop": 7, "retry": 4, "connect_timeout": 2.5,
    });
    holds(server, &expected);
    let pace = json!({ "delay_loop": 7, "warmup": 7, "alpha": true, "connect_timeout": 2.5, "connect_port": 80 });
    holds(&server["TCP_CHECK"][0], &json!({ "retry": 2, "delay_before_retry": 1 }));
    holds(&server["TCP_CHECK"][0], &pace);
    holds(&server["HTTP_GET"][0], &json!({ "retry": 4, "delay_before_retry": 3, "http_protocol": "1.0" }));
    let url = json!({ "path": "/", "status_code": ["200-299"], "virtualhost": "www.example.net" });
    assert_eq!(server["HTTP_GET"][0]["url"], json!([url]));
    // It does not run yet, and would do so all the same.
    holds(&server["PING_CHECK"][0], &pace);
    let other = &service["real_server"][1];
    holds(other, &json!({ "lvs_method": { "method": "DR" }, "weight": 3 }));
    holds(&other["MISC_CHECK"][0], &json!({ "misc_timeout": 7, "misc_dynamic": false, "retry": 4 }));
}

#[test]
fn what_a_group_tracks_stands_in_the_group() {
    let text = format!(
        "vrrp_script S {{\nscript /bin/true\nweight -7 reverse\n}}\nvrrp_script UNUSED {{\nscript /bin/true\n}}\n{}\
         vrrp_sync_group G {{\ngroup {{\nA\n}}\nsync_group_tracking_weight\ntrack_script {{\nS noreverse\n}}\n}}\n",
        instance(
            "virtual_ipaddress {\n192.0.2.1\n}\ntrack_interface {\neth1 weight 5\n}\n\
                  track_file {\nF noreverse\nG\n}"
        )
    ) + "track_file F {\nfile /f\nweight -3 reverse\n}\ntrack_file G {\nfile /g\n}\n";
    let meant = meant(&text);
    let tracked = json!([{ "name": "S", "weight": -7, "noreverse": true }]);
    holds(&meant["vrrp_sync_group"][0], &json!({ "name": "G", "group": ["A"], "track_script": tracked }));
    let own = json!([{ "interface": "eth1", "weight": 5 }]);
    let files = json!([{ "name": "F", "weight": -3, "noreverse": true }, { "name": "G", "weight": 1 }]);
    let expected = json!({ "track_interface": own, "track_file": files, "track_script": null });
    holds(&meant["vrrp_instance"][0], &expected);
    let scripts = meant["vrrp_script"].as_array().unwrap();
    assert_eq!(scripts.len(), 1);
    holds(&scripts[0], &json!({ "name": "S", "interval": 1, "timeout": 1, "rise": 1, "fall": 1, "init_fail": false }));
}

#[test]
fn what_is_not_acted_on_says_so_and_has_its_defaults() {
    let text = "bfd_instance B {\nneighbor_ip 192.0.2.3\nmultiplier 3\n}\nglobal_defs {\nenable_traps\n}\n\
                vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n192.0.2.1\n}\n\
                track_bfd {\nB weight 3\n}\n}\n";
    let expected =
        json!({ "name": "B", "multiplier": 3, "min_rx": 10, "idle_tx": 1000, "passive": false, "max_hops": 0 });
    holds(&meant(text)["bfd_instance"][0], &expected);
    let shown = setting::text(&effective(&config(text)));
    assert_eq!(shown.matches("    enable_traps  # `enable_traps` is").count(), 1, "{shown}");
    assert!(shown.contains("    track_bfd {\n        B weight 3\n    }"), "{shown}");
}

#[test]
fn services_that_are_left_out_don_t_shift_the_others() {
    let one = |protocol: &str, inner: &str| {
        format!("virtual_server 192.0.2.1 80 {{\nprotocol {protocol}\nha_suspend\n{inner}\n}}\n")
    };
    let text = format!(
        "{}{}{}",
        one("TCP", ""),
        one("UDP", "real_server 192.0.2.2 80 {\n}\nreal_server 192.0.2.2 80 {\n}\nreal_server 192.0.2.2 81 {\n}"),
        one("SCTP", "real_server 192.0.2.3 80 {\n}")
    );
    let meant = meant(&text);
    let services = meant["virtual_server"].as_array().unwrap();
    assert_eq!(services.len(), 2);
    assert_eq!((&services[0]["protocol"], &services[1]["protocol"]), (&json!("UDP"), &json!("SCTP")));
    let ports: Vec<&Value> = services[0]["real_server"].as_array().unwrap().iter().map(|r| &r["port"]).collect();
    assert_eq!(ports, [&json!(80), &json!(81)]);
}
