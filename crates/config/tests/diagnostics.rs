//! What is said about a file that is not right: structure, spelling, places, text and JSON.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{config, found, instance, read, said, short};
use vipd_config::diag::{Code, Level};
use vipd_config::{Color, render_text, summary};

#[test]
fn codes_are_stable_unique_and_in_order() {
    let ids: Vec<&str> = Code::ALL.iter().map(|c| c.id()).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(ids, sorted);
    assert!(Code::ALL.iter().all(|c| !c.title().is_empty()));
}

#[test]
fn a_misspelt_keyword_gets_a_suggestion() {
    let loaded = read(&instance("priorty 100"));
    let d = &loaded.diagnostics[0];
    assert_eq!((d.code, d.level), (Code::UnknownKeyword, Level::Error));
    assert_eq!(d.help, ["did you mean `priority`?"]);
    let span = d.span.as_ref().unwrap();
    assert_eq!((span.line, span.col, span.len, span.source.as_str()), (4, 1, 7, "priorty 100"));
}

#[test]
fn a_misplaced_keyword_is_sent_home() {
    assert!(said("global_defs {\nquorum 2\n}\n").contains("it is a keyword of `vrrp_track_process`, `virtual_server`"));
    assert!(said(&instance("url {\n}\n")).contains("`virtual_server > real_server > HTTP_GET`"));
    assert!(said("priority 3\n").contains("`priority` does not belong in the top level"));
}

#[test]
fn members_outside_their_group_block() {
    let text = said("vrrp_sync_group G {\nVI_1\n}\n");
    assert!(text.contains("V0201") && text.contains("`group { ... }`"), "{text}");
    assert_eq!(found("vrrp_sync_group G {\nVI_1\n}\n"), ["V0201:2"]);
}

/// keepalived lets the `}` of an unknown block close its parent.
#[test]
fn an_unknown_block_is_left_out_whole() {
    let text = instance("nonsense {\npriority 1\n{\n}\n}\npriority 77");
    assert_eq!(found(&text), ["V0201:4"]);
    assert_eq!(found(&instance("priority {\nx\n}\npriority 77")), ["V0203:4"]);
}

#[test]
fn all_mistakes_are_found_in_one_run() {
    let text = "global_defs {\nrouter 1\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 0\npriority x\n\
                unkown\nvirtual_ipaddress {\n300.1.1.1\n192.0.2.1/40\n}\n}\n\
                    virtual_server 1.2.3.4 99999 {\nlvs_sched best\n}\n";
    assert_eq!(
        found(text),
        ["V0201:2", "V0302:6", "V0301:7", "V0201:8", "V0305:10", "V0305:11", "V0302:14", "V0304:15"]
    );
}

#[test]
fn missing_braces() {
    assert_eq!(found("vrrp_instance A {\ninterface e\nvirtual_router_id 1\n"), ["V0206:1"]);
    assert_eq!(found("global_defs {\n}\n}\n"), ["V0205:3"]);
    assert_eq!(found("global_defs\nrouter_id x\n}\n"), ["V0204:1"]);
    assert_eq!(found(&instance("virtual_ipaddress\n192.0.2.1\n}\n")), ["V0204:4"]);
    // The next word is the outer block's: nothing of the inner one follows.
    assert_eq!(found(&instance("virtual_ipaddress\npriority 5\n")), ["V0204:4"]);
    assert_eq!(found("{\nx\n}\nglobal_defs {\n}\n"), ["V0203:1"]);
}

#[test]
fn a_missing_closing_brace_is_suspected_at_the_next_block() {
    let text = "vrrp_instance A {\ninterface e\nvirtual_router_id 1\nauthentication {\nauth_type PASS\nauth_pass x\n\
                vrrp_instance B {\ninterface e\nvirtual_router_id 0\n}\n";
    // Told in the order of the lines; the block of B is judged all the same.
    let loaded = read(text);
    assert_eq!(short(&loaded, |l| l == Level::Error), ["V0206:4", "V0302:9"]);
    assert!(said(text).contains("a `}` is missing before that line"));
}

#[test]
fn values_that_do_not_fit() {
    for (line, expected) in [
        ("priority", "V0207"),
        ("priority 0", "V0302"),
        ("priority 256", "V0302"),
        ("priority 0x10", "V0301"),
        ("priority \"\"", "V0301"),
        ("priority -1", "V0302"),
        ("priority 12abc", "V0301"),
        ("advert_int 5s", "V0301"),
        ("advert_int 300", "V0302"),
        ("state SLAVE", "V0304"),
        ("smtp_alert maybe", "V0304"),
        ("mcast_src_ip 192.0.2", "V0305"),
        ("mcast_src_ip 192.0.2.1/24", "V0305"),
        ("interface a-name-of-16-byte", "V0307"),
        ("notify_master \"/bin/x 'y\"", "V0106"),
        ("notify_master \"\"", "V0207"),
        ("notify_master \"/bin/x \\0\"", "V0114"),
    ] {
        let text = instance(line);
        let found = found(&text);
        assert!(found.contains(&format!("{expected}:4")), "{line}: {found:?}");
    }
}

#[test]
fn a_unit_behind_a_number_is_named() {
    assert!(said(&instance("advert_int 5s")).contains("write `5`, without a unit"));
    assert!(said(&instance("priority 12abc")).contains("write `12`, without a unit"));
}

#[test]
fn words_that_are_ignored_are_told() {
    assert_eq!(found(&instance("nopreempt really")), ["V0208:4"]);
    assert_eq!(found(&instance("priority 5 6")), ["V0208:4"]);
    assert_eq!(found(&instance("virtual_ipaddress now {\n}\n")), ["V0208:4"]);
    assert_eq!(
        found(
            "vrrp_script s {\nscript /bin/true arg\n}\nvrrp_instance A {\ninterface e\n\
                virtual_router_id 1\ntrack_script {\ns\n}\n}\n"
        ),
        ["V0208:2"]
    );
}

#[test]
fn the_last_of_two_values_counts_and_the_first_of_two_scripts() {
    let text = instance("priority 5\npriority 6");
    assert_eq!(found(&text), ["V0209:4"]);
    assert_eq!(config(&text).instances[0].vrrp.priority.0, 6);
    let text = instance("notify /bin/a\nnotify /bin/b");
    assert_eq!(found(&text), ["V0209:5"]);
    assert_eq!(config(&text).instances[0].notify.any.as_ref().map(|c| c.text.as_str()), Some("/bin/a"));
    assert_eq!(found(&instance("nopreempt\nnopreempt")), Vec::<String>::new());
}

#[test]
fn keywords_without_effect_yet_are_warnings_with_a_code() {
    assert_eq!(found("global_defs {\nenable_dbus\njson_version 2\n}\n"), ["V0901:2", "V0901:3"]);
    assert_eq!(found("global_defs {\nno_checker_emails\nrs_init_notifies\n}\n"), Vec::<String>::new());
}

#[test]
fn the_former_way_to_say_what_the_sync_daemon_follows() {
    let old = instance("lvs_sync_daemon_interface eth0");
    assert!(short(&read(&old), |level| level == Level::Lint).contains(&"V0904:4".to_owned()));
    let now = config(&old).global.sync_daemon.unwrap();
    assert_eq!((now.interface.as_str(), now.instance.as_deref(), now.id), ("eth0", Some("A"), 0));
    let both = format!("global_defs {{\nlvs_sync_daemon eth1\n}}\n{old}");
    assert_eq!(config(&both).global.sync_daemon.unwrap().interface, "eth1");
    assert_eq!(found(&both), ["V0404:7"]);
}

#[test]
fn a_source_that_is_tracked_is_given() {
    assert_eq!(found(&instance("track_src_ip")), ["V0404:4"]);
    let tracked = instance("track_src_ip\nmcast_src_ip 192.0.2.9");
    assert_eq!((found(&tracked), config(&tracked).instances[0].track_source), (Vec::new(), true));
}

#[test]
fn the_firewalls_tables_are_not_ours() {
    assert_eq!(found("global_defs {\nnftables filter\n}\n"), ["V0307:2"]);
    assert_eq!(found("global_defs {\nnftables keepalived\n}\n"), Vec::<String>::new());
}

#[test]
fn what_would_split_the_brain_is_refused() {
    assert_eq!(found(&instance("virtual_routes {\nnat 10.0.0.0/8 via 192.0.2.1\n}")), ["V0902:5"]);
}

#[test]
fn values_of_blocks_are_checked_with_or_without_effect() {
    assert_eq!(found("garp_group {\ngarp_interval x\n}\n"), ["V0301:2"]);
    assert_eq!(found("static_routes {\n192.0.2.0/33 dev eth0\n}\n"), ["V0305:2"]);
    assert_eq!(found("static_routes {\nvia 192.0.2.1\n}\n"), ["V0401:2"]);
    assert_eq!(found("static_routes {\n192.0.2.0/24 vai 192.0.2.1\n}\n"), ["V0304:2"]);
    assert_eq!(found("static_rules {\nto 192.168.100./24 table 1\n}\n"), ["V0305:2"]);
    assert_eq!(found("static_ipaddress {\n192.0.2.1/24 devv eth0\n}\n"), ["V0304:2"]);
}

#[test]
fn routes_in_their_many_forms() {
    let text = "static_routes {\nsrc 192.0.2.9 198.51.100.0/24 via 192.0.2.1 dev eth0\n\
        default via inet6 fe80::1 dev eth0\n\
                blackhole 203.0.113.0/24\n198.51.100.0/24 via 192.0.2.1 or 192.0.2.2\n\
                    0.0.0.0/0 gw 192.0.2.1 table 100\n\
                10.0.0.0/8 nexthop via 192.0.2.1 weight 2 nexthop via 192.0.2.2 weight 1\n\
                    10.1.0.0/16 dev eth0 mtu lock 1400 scope link\n}\n";
    assert_eq!(found(text), Vec::<String>::new());
}

#[test]
fn old_names_act_and_are_linted() {
    let text = common::service("")
        .replace("10.0.0.1 80 { }", "10.0.0.1 80 {\nHTTP_GET {\nurl {\npath /\n}\nnb_get_retry 9\n}\n}");
    let config = config(&text);
    assert_eq!(config.services[0].lvs.real_servers[0].checkers[0].retry, 9);
    assert_eq!(short(&read(&text), |l| l == Level::Lint), ["V0904:8"]);
}

#[test]
fn the_text_looks_like_a_compilers() {
    let text = render_text(
        &read("$PRIO=300\nvrrp_instance A {\n\tinterface e\n\tvirtual_router_id 1\n\tpriority ${PRIO}\n}\n"),
        Color::Never,
    );
    let expected = "\
error[V0302]: `priority`: 300 is out of range
 --> test.conf:1:7
  |
1 | $PRIO=300
  |       ^^^
  |
 ::: test.conf:5:11
  |
5 |     priority ${PRIO}
  |              ------- expanded here
  |
  = help: a whole number from 1 to 255

1 error
";
    assert_eq!(text, expected);
}

#[test]
fn colours_only_on_demand() {
    let loaded = read("x\n");
    assert!(render_text(&loaded, Color::Always).contains('\x1b'));
    assert!(!render_text(&loaded, Color::Never).contains('\x1b'));
    assert_eq!(summary(&read("")), None);
}

#[test]
fn json_has_all_of_it() {
    let loaded = read(&instance("priorty 100"));
    let json = serde_json::to_value(&loaded.diagnostics).unwrap();
    assert_eq!(json[0]["level"], "error");
    assert_eq!(json[0]["code"], "V0201");
    assert_eq!(json[0]["span"]["file"], "test.conf");
    assert_eq!(json[0]["span"]["line"], 4);
    assert_eq!(json[0]["span"]["col"], 1);
    assert_eq!(json[0]["span"]["source"], "priorty 100");
    assert_eq!(json[0]["help"][0], "did you mean `priority`?");
}

#[test]
fn one_line_for_a_log() {
    assert_eq!(
        said(&instance("priorty 100")).lines().next().unwrap(),
        "test.conf:4:1: error[V0201]: `priorty` is not a keyword of `vrrp_instance`; did you mean `priority`?"
    );
}

#[test]
fn an_empty_file_is_fine() {
    let loaded = read("");
    assert!(loaded.config.is_some() && loaded.diagnostics.is_empty());
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let loaded = read(&format!("global_defs {{\nrouter_id {} x\n}}\n", "y".repeat(3000)));
    let span = loaded.diagnostics[0].span.as_ref().unwrap();
    assert!(
        span.source.len() <= 400 && span.source.contains('x') && span.col == 3012,
        "{} {}",
        span.source.len(),
        span.col
    );
    assert!(render_text(&loaded, Color::Never).contains("ignored"));
}

#[test]
fn errors_are_shown_before_a_hundred_lints() {
    let lints = (0..300).map(|i| format!("enable_dbus w{i}\n")).collect::<String>();
    let text = render_text(&read(&format!("global_defs {{\n{lints}}}\nnonsense\n")), Color::Never);
    assert!(text.contains("error[V0201]") && text.contains("more\n"), "{text}");
}

#[test]
fn hostile_words_stay_harmless_in_messages() {
    let loaded = read(&format!("\x1b[2J{}\n", "x".repeat(9000)));
    let d = &loaded.diagnostics[0];
    assert!(!d.message.contains('\x1b') && d.message.chars().count() <= 501, "{}", d.message);
    assert!(!render_text(&loaded, Color::Never).contains('\x1b'));
}

#[test]
fn one_pipe_for_all() {
    let text = "global_defs {\nnotify_fifo /run/a\nvrrp_notify_fifo /run/a\nlvs_notify_fifo /run/b\n}\n";
    assert_eq!(found(text), ["V0404:3"]);
    let global = config(text).global;
    assert!(global.vrrp_fifo.is_none() && global.lvs_fifo.is_some());
    assert_eq!(found("global_defs {\nnotify_fifo run/a\n}\n"), ["V0307:2"]);
    assert_eq!(found("global_defs {\nnotify_fifo_script /bin/true\n}\n"), ["V0409:2"]);
}

#[test]
fn what_administrators_get_wrong_is_a_lint() {
    let lints = |text: &str| short(&read(text), |level| level == Level::Lint);
    let slow = "real_server 192.0.2.9 80 {\nTCP_CHECK {\nconnect_timeout 10\n}\n}";
    let of = |lines: &str| format!("virtual_server 192.0.2.1 80 {{\nprotocol TCP\n{lines}\n}}\n");
    assert_eq!(lints(&of(&format!("delay_loop 2\n{slow}"))), ["V0506:5"]);
    assert_eq!(lints(&of(&format!("delay_loop 10\n{slow}"))), Vec::<String>::new());
    assert_eq!(lints(&of("real_server 192.0.2.1 80 {\n}")), ["V0507:3"]);
    assert_eq!(lints(&of("real_server 192.0.2.2 80 {\n}")), Vec::<String>::new());
}

#[test]
fn a_password_in_a_file_that_everybody_can_read_is_told_once() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret.conf");
    let pass = "no_virtual_ipaddress\nauthentication {\nauth_type PASS\nauth_pass secret\n}";
    let second = instance(pass).replace("vrrp_instance A", "vrrp_instance B").replace("router_id 7", "router_id 8");
    std::fs::write(&path, instance(pass) + &second).unwrap();
    let lints = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = vipd_config::load(&path, &common::options());
        short(&loaded, |level| level == Level::Lint)
    };
    assert_eq!(lints(0o644), ["V0605:7"]);
    assert_eq!(lints(0o640), Vec::<String>::new());
}

#[test]
fn passwords_are_not_shown() {
    let auth = |pass: &str| instance(&format!("version 2\nauthentication {{\nauth_type PASS\n{pass}\n}}"));
    for pass in
        ["auth_pass sup3rsecret", "auth_pass \"sup3rsecret", "auth_pass sup3r#secret", "auth_pass sup3rsecret x"]
    {
        let loaded = read(&auth(pass));
        assert!(!loaded.diagnostics.is_empty(), "{pass}");
        let all = [
            render_text(&loaded, Color::Never),
            vipd_config::render_sarif(&loaded, std::path::Path::new("/")),
            format!("{:?}", loaded.diagnostics),
        ];
        assert!(all.iter().all(|text| !text.contains("sup3r")), "{pass}: {}", all[0]);
    }
}
