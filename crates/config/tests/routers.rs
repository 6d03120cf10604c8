//! What virtual routers come to: defaults, inheritance, and settings that do not go together.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{config, found, instance, said};
use std::net::IpAddr;
use std::time::Duration;
use vipd_config::model::Config;
use vipd_config::model::{InitFile, Overwrite, ProcessMatch};
use vipd_vrrp::settings::{
    AddressFlag, AntiReplay, Auth, Bearing, Checksum, Extra, Family, Garp, HmacAuth, HmacMode, Initial, Lifetime,
    Preempt, Reach, Transport, Version, VirtualAddress,
};
use vipd_vrrp::units::{Centis, Micros, Priority};

fn one(lines: &str) -> vipd_vrrp::settings::Instance {
    config(&instance(lines)).instances.remove(0).vrrp
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn the_least_instance() {
    let i = one("");
    assert_eq!((i.name.as_str(), i.vrid.to_string().as_str(), i.binding.interface()), ("A", "7", Some("eth0")));
    assert_eq!((i.version, i.priority, i.initial), (Version::V2, Priority(100), Initial::Backup));
    assert_eq!((i.advert_int, i.preempt, i.auth), (Centis(100), Preempt::After(Micros::ZERO), Auth::None));
    assert_eq!(i.transport, Transport::Multicast { group: [224, 0, 0, 18].into() });
    assert_eq!((i.garp, i.down_timer_adverts, i.track_primary), (Garp::default(), 3, true));
    assert!(i.source.is_none() && i.addresses.is_empty() && i.tracks.is_empty());
    assert!(!i.lower_prio_no_advert && !i.higher_prio_send_advert && !i.skip_check_adv_addr);
}

#[test]
fn everything_in_the_sample() {
    let c = config(include_str!("samples/routers.conf"));
    let inside = &c.instance("inside").unwrap().vrrp;
    assert_eq!(inside.preempt, Preempt::After(Micros(30_500_000)));
    assert_eq!(inside.auth, Auth::Pass(*b"secret12"));
    assert_eq!(inside.advert_int, Centis(200));
    let brief: Vec<String> = inside
        .addresses
        .iter()
        .map(|a| format!("{}/{} {} {:?} {:?} {}", a.address, a.prefix, a.device, a.broadcast, a.label, a.scope))
        .collect();
    assert_eq!(
        brief,
        [
            "192.0.2.1/24 eth0 Some(192.0.2.255) Some(\"eth0:vip\") 200",
            "192.0.2.2/24 eth0 Some(192.0.2.0) None 0",
            "192.0.2.3/32 eth0 None None 0",
        ]
    );
    assert_eq!((inside.excluded[0].device.as_str(), inside.excluded[0].scope), ("eth5", 253));
    assert_eq!(
        (inside.garp.master_repeat, inside.garp.refresh, inside.garp.interval),
        (3, Micros::from_secs(60), Micros(1000))
    );
    assert_eq!(inside.garp.lower_prio_repeat, 3);
    let tracked: Vec<String> = inside.tracks.iter().map(|t| format!("{} {:?}", t.what, t.bearing)).collect();
    assert_eq!(
        tracked,
        [
            "interface eth2 Weight { weight: 20, reverse: true }",
            "script chk_web Weight { weight: -30, reverse: true }",
            "script chk_dns Weight { weight: 7, reverse: false }",
            "interface eth9 Fault { reverse: false }",
        ]
    );
    let notify = &c.instance("inside").unwrap().notify;
    assert!(notify.master.as_ref().is_some_and(|m| m.argv == ["/bin/true", "m"]));
    assert!(
        notify.deleted.is_none()
            && notify.tell_deleted
            && notify.stop.is_some()
            && notify.smtp_alert
            && !notify.priority_changes
    );

    let outside = &c.instance("outside").unwrap().vrrp;
    assert_eq!((outside.version, outside.advert_int, outside.preempt), (Version::V3, Centis(25), Preempt::Never));
    let Transport::Unicast { peers, ttl, check_source } = &outside.transport else { panic!("{:?}", outside.transport) };
    assert_eq!(
        (peers.len(), peers[1].min_ttl, peers[1].max_ttl, *ttl, *check_source),
        (2, Some(254), Some(255), 64, true)
    );
    assert_eq!(outside.source, Some([203, 0, 113, 2].into()));
    assert_eq!((outside.down_timer_adverts, outside.track_primary), (5, false));
    assert_eq!(
        (outside.garp.master_repeat, outside.garp.master_delay, outside.garp.lower_prio_repeat),
        (2, Micros::from_secs(1), 0)
    );
    assert!(outside.lower_prio_no_advert && outside.higher_prio_send_advert && !outside.skip_check_adv_addr);
    assert_eq!(outside.tracks[0].bearing, Bearing::Fault { reverse: false });
    assert!(!c.instance("outside").unwrap().notify.smtp_alert);

    assert_eq!(c.groups[0].vrrp.members, ["inside", "outside"]);
    assert!(c.groups[0].notify.any.is_some() && c.groups[0].notify.smtp_alert);
    let web = c.scripts.iter().find(|s| s.vrrp.name == "chk_web").unwrap();
    assert_eq!(web.command.argv, ["/usr/bin/test", "-e", "/run/web is up"]);
    assert_eq!((web.interval, web.timeout), (Duration::from_millis(2500), Duration::from_secs(2)));
    assert_eq!((web.vrrp.rise, web.vrrp.fall, web.vrrp.init_fail), (2, 3, true));
    let mail = c.global.mail.as_ref().unwrap();
    assert_eq!(mail.to, ["ops@example.net", "Night Shift <night@example.net>"]);
    assert_eq!((mail.server.to_string().as_str(), mail.connect_timeout), ("192.0.2.25:2525", Duration::from_secs(10)));
}

#[test]
fn the_configuration_crosses_processes_as_json() {
    for text in [include_str!("samples/routers.conf"), include_str!("samples/services.conf")] {
        let before = Config { written: Vec::new(), ..config(text) };
        let json = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), before);
    }
}

#[test]
fn priority_and_state_default_to_each_other() {
    for (lines, priority, initial, findings) in [
        ("state MASTER", 255, Initial::Master, vec!["V0404:4"]),
        ("state MASTER\npriority 10", 10, Initial::Master, vec![]),
        ("priority 255", 255, Initial::Master, vec![]),
        ("priority 255\nstate BACKUP", 255, Initial::Backup, vec![]),
        ("state BACKUP", 100, Initial::Backup, vec![]),
    ] {
        let i = one(lines);
        assert_eq!((i.priority.0, i.initial), (priority, initial), "{lines}");
        assert_eq!(found(&instance(lines)), findings, "{lines}");
    }
}

#[test]
fn preemption() {
    for (lines, preempt, findings) in [
        ("nopreempt", Preempt::Never, vec![]),
        ("nopreempt\nstate MASTER\npriority 9", Preempt::After(Micros::ZERO), vec!["V0404:4"]),
        ("nopreempt\npriority 255", Preempt::After(Micros::ZERO), vec!["V0404:4"]),
        ("nopreempt\npreempt", Preempt::After(Micros::ZERO), vec!["V0209:4"]),
        ("preempt_delay 0.5", Preempt::After(Micros(500_000)), vec![]),
        ("preempt_delay 5\nnopreempt", Preempt::Never, vec!["V0404:4"]),
        ("preempt_delay 5\nstate MASTER\npriority 9", Preempt::After(Micros::ZERO), vec!["V0404:4"]),
    ] {
        assert_eq!(one(lines).preempt, preempt, "{lines}");
        assert_eq!(found(&instance(lines)), findings, "{lines}");
    }
    assert_eq!(found(&instance("preempt_delay 1001")), ["V0302:4"]);
}

#[test]
fn intervals_are_rounded_as_the_version_carries_them() {
    for (version, given, centis, told) in [
        (2, "1", 100, false),
        (2, "1.4", 100, true),
        (2, "1.5", 200, true),
        (2, "0.2", 100, true),
        (2, "255", 25_500, false),
        (3, "0.01", 1, false),
        (3, "0.014", 1, true),
        (3, "0.015", 2, true),
        (3, "40.95", 4095, false),
        (3, "60", 4095, true),
    ] {
        let lines = format!("version {version}\nadvert_int {given}\nno_virtual_ipaddress");
        assert_eq!(one(&lines).advert_int, Centis(centis), "{lines}");
        assert_eq!(found(&instance(&lines)), if told { vec!["V0303:5".to_owned()] } else { none() }, "{lines}");
    }
}

#[test]
fn authentication() {
    let auth = |kind: &str, pass: &str| format!("authentication {{\nauth_type {kind}\nauth_pass {pass}\n}}\n");
    assert_eq!(one(&auth("PASS", "abc")).auth, Auth::Pass(*b"abc\0\0\0\0\0"));
    assert_eq!(one(&auth("AH", "abc")).auth, Auth::Ah(*b"abc\0\0\0\0\0"));
    assert_eq!(one(&auth("PASS", "0123456789")).auth, Auth::Pass(*b"01234567"));
    assert_eq!(found(&instance(&auth("PASS", "0123456789"))), ["V0405:6"]);
    assert_eq!(found(&instance(&auth("MD5", "x"))), ["V0304:5"]);
    let v3 = format!("version 3\nno_virtual_ipaddress\n{}", auth("PASS", "abc"));
    assert_eq!((one(&v3).auth, found(&instance(&v3))), (Auth::None, vec!["V0405:6".to_owned()]));
    assert_eq!(found(&instance("authentication {\nauth_type PASS\n}\n")), ["V0405:4"]);
    // AH learns the sequence number first.
    let ah = format!("state MASTER\npriority 50\n{}", auth("AH", "x"));
    assert_eq!(one(&ah).initial, Initial::Backup);
}

#[test]
fn what_is_needed() {
    assert_eq!(found("vrrp_instance A {\nvirtual_router_id 1\n}\n"), ["V0401:1"]);
    assert_eq!(found("vrrp_instance A {\ninterface e\n}\n"), ["V0401:1"]);
    assert_eq!(found("vrrp_instance A {\ninterfce e\nvirtual_router_id 1\n}\n"), ["V0201:2"]);
    assert_eq!(found(&instance("version 3")), ["V0401:1"]);
    assert_eq!(found("vrrp_instance {\n}\n"), ["V0207:1"]);
    assert_eq!(found("vrrp_script s {\n}\n"), ["V0401:1"]);
}

#[test]
fn the_first_address_says_the_family() {
    let family = |lines: &str| {
        let c = config(&instance(lines));
        let i = &c.instances[0].vrrp;
        (i.family, i.version, i.transport.clone())
    };
    let group = |group: &str| Transport::Multicast { group: group.parse().unwrap() };
    let v6 = (Family::V6, Version::V3, group("ff02::12"));
    assert_eq!(family("virtual_ipaddress {\n2001:db8::1/64\n}"), v6);
    assert_eq!(family("virtual_ipaddress {\n2001:db8::1/64\n}\nvirtual_ipaddress_excluded {\n192.0.2.1\n}"), v6);
    assert_eq!(family("native_ipv6\nvirtual_ipaddress {\nfe80::1/64\n}"), v6);
    let v6_of = |address: &str| (Family::V6, Version::V3, group(address));
    assert_eq!(family("virtual_ipaddress {\nfe80::1\n}\nmcast_dst_ip ff02::99"), v6_of("ff02::99"));
    let v4 = (Family::V4, Version::V2, group("224.0.0.18"));
    assert_eq!(family("virtual_ipaddress {\n192.0.2.1\n}\nvirtual_ipaddress_excluded {\n2001:db8::1\n}"), v4);
    let (family, _, transport) =
        family("no_virtual_ipaddress\nunicast_src_ip 2001:db8::1\nunicast_peer {\n2001:db8::2\n}");
    let Transport::Unicast { peers, ttl: 255, .. } = transport else { panic!("{transport:?}") };
    // From the link-local address such peers may not believe it.
    assert_eq!(found(&instance("no_virtual_ipaddress\nunicast_peer {\n2001:db8::2\n}")), ["V0404:5"]);
    assert_eq!(found(&instance("no_virtual_ipaddress\nunicast_peer {\nfe80::2\n}")), none());
    assert_eq!((family, peers[0].address), (Family::V6, "2001:db8::2".parse::<IpAddr>().unwrap()));
    for lines in [
        "virtual_ipaddress {\n2001:db8::1/64\n192.0.2.1\n}",
        "virtual_ipaddress {\n192.0.2.1\n}\nunicast_peer {\n2001:db8::2\n}",
        "virtual_ipaddress {\n192.0.2.1\n}\nmcast_src_ip 2001:db8::1",
        "virtual_ipaddress {\n192.0.2.1\n}\nmcast_dst_ip ff02::12",
    ] {
        let found = found(&instance(lines));
        assert!(found.iter().any(|f| f.starts_with("V0306")), "{lines}: {found:?}");
    }
    // Version 2 over IPv6 is the original's own; its password has no room there.
    let found = found(&instance(
        "version 2\nvirtual_ipaddress {\nfe80::1\n}\nauthentication {\nauth_type PASS\nauth_pass a\n}",
    ));
    assert_eq!(found, ["V0404:4", "V0405:8"]);
}

#[test]
fn keys_that_sign_adverts() {
    let key = "0123456789abcdef0123456789abcdef";
    let with = |lines: &str| one(&format!("auth_hmac {{\n{lines}\n}}")).auth;
    let of = |lines: &str| match with(lines) {
        Auth::Hmac(hmac) => hmac,
        other => panic!("{other:?}"),
    };
    let hmac = of(&format!("key 1 {key}\nkey 7 hex:{}\nactive_key 7", "0f".repeat(64)));
    assert_eq!((hmac.active, hmac.replay, hmac.mode), (7, AntiReplay::Time { window: 5 }, HmacMode::Enforce));
    let keys: Vec<_> = hmac.keys.into_iter().map(|(id, key)| (id, key.0)).collect();
    assert_eq!(keys, [(1, key.as_bytes().to_vec()), (7, vec![15; 64])]);
    let hmac = of(&format!("key 1 {key}\nactive_key 1\nanti_replay monotonic\nmode receive-only"));
    assert_eq!((hmac.replay, hmac.mode), (AntiReplay::Monotonic, HmacMode::ReceiveOnly));
    let hmac = of(&format!("key 1 {key}\nactive_key 1\nanti_replay time\nmode permissive"));
    assert_eq!((hmac.replay, hmac.mode), (AntiReplay::Time { window: 5 }, HmacMode::Permissive));
    let long =
        one(&format!("version 3\nno_virtual_ipaddress\nadvert_int 4.9\nauth_hmac {{\nkey 1 {key}\nactive_key 1\n}}"))
            .auth;
    assert!(matches!(long, Auth::Hmac(HmacAuth { replay: AntiReplay::Time { window: 12 }, .. })), "{long:?}");
    // From a file, with the end of its line.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, format!("hex:{}\n", "ab".repeat(32))).unwrap();
    let lines = format!("key 3 file:{}\nactive_key 3", path.display());
    assert_eq!(of(&lines).keys[&3].0, vec![0xab; 32]);
    assert!(!format!("{:?}", with(&lines)).contains("171"), "keys are hidden");
    // Two blocks are one.
    let two = format!("auth_hmac {{\nkey 1 {key}\n}}\nauth_hmac {{\nactive_key 1\n}}");
    assert!(matches!(one(&two).auth, Auth::Hmac(_)));
    // What would leave adverts unsigned is refused.
    let found = |lines: &str| found(&instance(&format!("auth_hmac {{\n{lines}\n}}")));
    assert_eq!(found(&format!("key 1 {key}")), ["V0401:4"]);
    assert_eq!(found(&format!("key 1 {key}\nactive_key 2")), ["V0406:6"]);
    assert_eq!(found(&format!("key 1 {key}\nkey 1 {key}\nactive_key 1")), ["V0209:6"]);
    std::fs::write(&path, "short\n").unwrap();
    assert_eq!(found(&lines), ["V0607:5"]);
    assert_eq!(found("key 3 file:/nonexistent/key\nactive_key 3"), ["V0607:5"]);
    assert_eq!(found("key 3 file:/dev/zero\nactive_key 3"), ["V0607:5"]);
    let both =
        format!("authentication {{\nauth_type PASS\nauth_pass x\n}}\nauth_hmac {{\nkey 1 {key}\nactive_key 1\n}}");
    assert!(matches!(one(&both).auth, Auth::Hmac(_)));
    assert_eq!(common::found(&instance(&both)), ["V0405:4"]);
}

/// systemd says where it has put credentials by a variable, which belongs to a process: a test of its own process does the work,
/// once with such a directory and once without.
#[test]
fn a_key_may_be_a_credential_of_systemd() {
    const STEP: &str = "CREDENTIALS_OF_THIS_TEST";
    let lines = |name: &str| format!("auth_hmac {{\nkey 3 cred:{name}\nactive_key 3\n}}");
    let key = |name: &str| match one(&lines(name)).auth {
        Auth::Hmac(hmac) => hmac.keys[&3].0.clone(),
        other => panic!("{other:?}"),
    };
    match std::env::var(STEP).as_deref() {
        Ok("with") => {
            let directory = std::env::var("CREDENTIALS_DIRECTORY").unwrap();
            assert_eq!((key("vrrp"), key("digits")), (b"0123456789abcdef0123456789abcdef".to_vec(), vec![0xab; 32]));
            for (name, why) in [("short", "(it comes to 5)"), ("none", "No such file"), (".", "no regular file")] {
                assert_eq!(found(&instance(&lines(name))), ["V0607:5"], "{name}");
                let said = said(&instance(&lines(name)));
                assert!(said.contains(&format!("{directory}/{name}")) && said.contains(why), "{said}");
            }
        }
        Ok(_) => {
            assert_eq!(found(&instance(&lines("vrrp"))), ["V0607:5"]);
            let said = said(&instance(&lines("vrrp")));
            assert!(said.contains("`CREDENTIALS_DIRECTORY` is not set") && said.contains("LoadCredential="), "{said}");
        }
        Err(_) => {
            let directory = tempfile::tempdir().unwrap();
            let digits = format!("hex:{}\n", "ab".repeat(32));
            for (name, text) in
                [("vrrp", "0123456789abcdef0123456789abcdef\n"), ("digits", digits.as_str()), ("short", "short\n")]
            {
                std::fs::write(directory.path().join(name), text).unwrap();
            }
            for step in ["with", "without"] {
                let mut again = std::process::Command::new(std::env::current_exe().unwrap());
                again.args(["--exact", "a_key_may_be_a_credential_of_systemd", "--nocapture"]).env(STEP, step);
                match step {
                    "with" => again.env("CREDENTIALS_DIRECTORY", directory.path()),
                    _ => again.env_remove("CREDENTIALS_DIRECTORY"),
                };
                let done = again.output().unwrap();
                let told = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
                assert!(done.status.success() && told.contains("1 passed"), "{step}: {told}");
            }
        }
    }
}

#[test]
fn address_options_reach_the_kernel() {
    let c = config(&instance(
        "virtual_ipaddress {\nfe80::1/64\n2001:db8::1\n2001:db8::2/64 preferred_lft 60 -nodad home mngtmpaddr\n}\n\
         virtual_ipaddress_excluded {\n192.0.2.1/24 peer 192.0.2.9 noprefixroute preferred_lft forever\n}",
    ));
    let i = &c.instances[0].vrrp;
    let of = |a: &VirtualAddress| (a.preferred, a.flags.iter().copied().collect::<Vec<_>>(), a.peer);
    assert_eq!(of(&i.addresses[0]), (Lifetime::Forever, vec![], None));
    assert_eq!(of(&i.addresses[1]), (Lifetime::Secs(0), vec![], None));
    let flags = vec![AddressFlag::Dad, AddressFlag::Home, AddressFlag::ManageTemporary];
    assert_eq!(of(&i.addresses[2]), (Lifetime::Secs(60), flags, None));
    let flags = vec![AddressFlag::NoPrefixRoute];
    assert_eq!(of(&i.excluded[0]), (Lifetime::Forever, flags, Some("192.0.2.9".parse().unwrap())));
    // What the kernel would refuse the whole address for is left out.
    for line in ["192.0.2.1/24 autojoin", "2001:db8::1 mngtmpaddr", "2001:db8::1/48 mngtmpaddr"] {
        let text = instance(&format!("virtual_ipaddress {{\n{line}\n}}"));
        assert_eq!(found(&text), ["V0404:5"], "{line}");
        assert!(config(&text).instances[0].vrrp.addresses[0].flags.is_empty());
    }
    let joined = one("virtual_ipaddress {\n192.0.2.1\n}\nvirtual_ipaddress_excluded {\n239.1.1.1 autojoin\n}");
    assert!(joined.excluded[0].flags.contains(&AddressFlag::AutoJoin));
}

#[test]
fn address_options() {
    let vip = |line: &str| instance(&format!("virtual_ipaddress {{\n{line}\n}}"));
    for bad in [
        "192.0.2.1/24 brd",
        "192.0.2.1 brd +",
        "192.0.2.1/24 brd x",
        "192.0.2.1 scope nearby",
        "192.0.2.1 dev a dev b",
        "192.0.2.1 label a-label-of-17-byt",
        "192.0.2.1 192.0.2.2",
        "192.0.2.1/33",
        "dev eth0 192.0.2.1",
        "192.0.2.1 devv eth0",
    ] {
        assert_eq!(found(&vip(bad)).len(), 1, "{bad}");
        assert!(common::read(&vip(bad)).config.is_none(), "{bad}");
    }
    assert!(said(&vip("192.0.2.1 192.0.2.2")).contains("one address a line"));
    assert_eq!(found(&vip("192.0.2.1 no_track home -nodad")), none());
    let let_go = one("virtual_ipaddress {\n192.0.2.1 no_track\n}");
    assert!(let_go.addresses[0].flags.contains(&AddressFlag::LetGo));
    assert_eq!(found(&vip("192.0.2.1 peer 2001:db8::2")), ["V0306:5"]);
    assert_eq!(one("virtual_ipaddress {\n192.0.2.1 scope 7\n}").addresses[0].scope, 7);
}

#[test]
fn an_address_given_twice() {
    assert_eq!(found(&instance("virtual_ipaddress {\n192.0.2.1\n192.0.2.1/24 dev eth1\n}")), ["V0209:6"]);
    let both = "virtual_ipaddress {\n192.0.2.1\n}\nvirtual_ipaddress_excluded {\n192.0.2.1 dev eth1\n}";
    assert_eq!((found(&instance(both)), one(both).excluded.len()), (none(), 1));
    let same = both.replace(" dev eth1", "");
    assert_eq!((found(&instance(&same)), one(&same).excluded.len()), (vec!["V0209:8".to_owned()], 0));
}

#[test]
fn blocks_of_addresses_add_up() {
    assert_eq!(one("virtual_ipaddress {\n192.0.2.1\n}\nvirtual_ipaddress {\n192.0.2.2\n}").addresses.len(), 2);
}

#[test]
fn more_addresses_than_an_advert_lists() {
    let lines: String = (0..300).map(|i| format!("10.0.{}.{}\n", i / 250, i % 250)).collect();
    let text = format!("virtual_ipaddress {{\n{lines}}}");
    let i = one(&text);
    assert_eq!((i.addresses.len(), i.excluded.len()), (255, 45));
    assert_eq!(found(&instance(&text)), ["V0404:260"]);
}

#[test]
fn unicast_words_without_peers() {
    assert_eq!(found(&instance("unicast_ttl 9")), ["V0404:4"]);
    assert_eq!(found(&instance("unicast_src_ip 192.0.2.1")), ["V0404:4"]);
    assert_eq!(found(&instance("unicast_peer {\n192.0.2.1\n192.0.2.1\n}")), ["V0209:6"]);
    assert_eq!(found(&instance("unicast_peer {\n192.0.2.1 min_ttl 9 max_ttl 3\n}")), ["V0302:5"]);
    assert_eq!(found(&instance("unicast_peer {\n192.0.2.1 min_tll 9\n}")), ["V0304:5"]);
    assert_eq!(found(&instance("mcast_dst_ip 192.0.2.1")), ["V0305:4"]);
    assert_eq!(one("mcast_dst_ip 224.0.0.99").transport, Transport::Multicast { group: [224, 0, 0, 99].into() });
}

#[test]
fn strict_mode() {
    let text = format!(
        "global_defs {{\nvrrp_strict\n}}\n{}",
        instance("state MASTER\npriority 9\npreempt_delay 3\nvirtual_ipaddress {\n192.0.2.1\n}")
    );
    let i = &config(&text).instances[0].vrrp;
    assert_eq!((i.initial, i.preempt), (Initial::Backup, Preempt::After(Micros::ZERO)));
    assert!(i.lower_prio_no_advert && i.garp.lower_prio_repeat == 0);
    assert_eq!(found(&text), ["V0404:7", "V0404:9"]);
    assert_eq!(
        found(&instance("strict_mode\nvirtual_ipaddress {\n192.0.2.1\n}\nunicast_peer {\n192.0.2.9\n}")),
        ["V0404:8"]
    );
    assert_eq!(found(&instance("strict_mode\naccept")), ["V0401:1"]);
}

#[test]
fn duplicates() {
    let two =
        |a: &str, b: &str| format!("{}{}", instance(a), instance(b).replace("vrrp_instance A", "vrrp_instance B"));
    assert_eq!(found(&format!("{}{}", instance(""), instance("").replace("_id 7", "_id 8"))), ["V0402:6"]);
    assert_eq!(found(&two("", "")), ["V0403:8"]);
    assert!(said(&two("", "")).contains("unique on the network segment"));
    assert_eq!(found(&two("", "interface eth1")), ["V0209:7"]);
    assert_eq!(found(&two("", "mcast_dst_ip 224.0.0.99")), none());
    let peers = |p: &str| format!("unicast_peer {{\n{p}\n}}");
    assert_eq!(found(&two("", &peers("192.0.2.1"))), none());
    assert_eq!(found(&two(&peers("192.0.2.1"), &peers("192.0.2.2"))), none());
    assert_eq!(found(&two(&peers("192.0.2.1\n192.0.2.2"), &peers("192.0.2.2"))).len(), 1);
}

fn with_scripts(lines: &str) -> String {
    format!("{}vrrp_script s {{\nscript /bin/true\nweight 10 reverse\n}}\n", instance(lines))
}

#[test]
fn trackers() {
    let bearing =
        |line: &str| config(&with_scripts(&format!("track_script {{\n{line}\n}}"))).instances[0].vrrp.tracks[0].bearing;
    // Defined after its use, and its weight is the default.
    assert_eq!(bearing("s"), Bearing::Weight { weight: 10, reverse: true });
    assert_eq!(bearing("s weight -5"), Bearing::Weight { weight: -5, reverse: true });
    assert_eq!(bearing("s weight 5 noreverse"), Bearing::Weight { weight: 5, reverse: false });
    assert_eq!(bearing("s weight 0"), Bearing::Fault { reverse: true });
    assert_eq!(bearing("s weight 254"), Bearing::Weight { weight: 253, reverse: true });
    let found = |line: &str| found(&with_scripts(&format!("track_script {{\n{line}\n}}")));
    assert_eq!(found("s weight 255"), ["V0302:5"]);
    assert_eq!(found("s weight"), ["V0207:5"]);
    assert_eq!(found("s wait 3"), ["V0304:5"]);
    assert_eq!(found("s\ns weight 3"), ["V0209:6"]);
    assert_eq!(found("x"), ["V0406:5"]);
    assert_eq!(common::found(&instance("track_interface {\neth1 eth2\n}")), ["V0304:5"]);
    assert_eq!(common::found(&instance("track_interface {\neth0\n}")), ["V0409:5"]);
}

#[test]
fn tracked_files() {
    let with = |file: &str, line: &str| {
        format!("{}track_file f {{\n{file}\n}}\n", instance(&format!("track_file {{\n{line}\n}}")))
    };
    let bearing = |file: &str, line: &str| config(&with(file, line)).instances[0].vrrp.tracks[0].bearing;
    assert_eq!(bearing("file /x", "f"), Bearing::Weight { weight: 1, reverse: false });
    assert_eq!(bearing("file /x\nweight -254 reverse", "f"), Bearing::Weight { weight: -254, reverse: true });
    assert_eq!(bearing("file /x\nweight 3 reverse", "f weight 0 noreverse"), Bearing::Fault { reverse: false });
    assert_eq!(found(&with("file /x", "f weight 254")), none());
    assert_eq!(found(&with("file /x", "f weight 255")), ["V0302:5"]);
    assert_eq!(found(&with("file /x", "g")), ["V0406:5"]);
    assert_eq!(found(&with("weight 3", "f")), ["V0401:8"]);
    assert_eq!(found(&with("file x", "f")), ["V0404:9"]);
    let file = |file: &str| config(&with(file, "f")).files.remove(0);
    assert_eq!((file("file x").path, file("file x").init), ("/x".into(), None));
    let init = |file: InitFile| (file.value, file.overwrite);
    assert_eq!(file("file /x\ninit_file").init.map(init), Some((0, Overwrite::Never)));
    assert_eq!(file("file /x\ninit_file -7 overwrite").init.map(init), Some((-7, Overwrite::Always)));
    // The former name is the same block; what nothing tracks is left alone.
    let former = with("file /x", "f").replace("track_file f", "vrrp_track_file f");
    assert_eq!(config(&former).files.len(), 1);
    assert!(config(&format!("{}track_file f {{\nfile /x\n}}\n", instance(""))).files.is_empty());
}

#[test]
fn tracked_processes() {
    let with = |process: &str, line: &str| {
        let tracks = instance(&format!("track_process {{\n{line}\n}}"));
        format!("{tracks}vrrp_track_process p {{\n{process}\n}}\n")
    };
    let bearing = |process: &str, line: &str| config(&with(process, line)).instances[0].vrrp.tracks[0].bearing;
    assert_eq!(bearing("process x", "p"), Bearing::Fault { reverse: false });
    assert_eq!(bearing("process x\nweight 254", "p reverse"), Bearing::Weight { weight: 254, reverse: true });
    let one = |lines: &str| config(&with(&format!("process {lines}"), "p")).processes.remove(0);
    let all = one("nginx");
    assert_eq!((all.process.as_str(), all.parameters.len(), all.matching), ("nginx", 0, ProcessMatch::Name));
    assert_eq!((all.vrrp.quorum, all.vrrp.quorum_max), (1, None));
    assert_eq!((all.vrrp.terminate_delay, all.vrrp.fork_delay), (Micros::ZERO, Micros::ZERO));
    let quoted = one("\"/a b\" c \"d e\"");
    assert_eq!((quoted.process.as_str(), quoted.parameters), ("/a b", vec!["c".to_owned(), "d e".to_owned()]));
    for (lines, expected) in [
        ("a b", ProcessMatch::Exact),
        ("a\nfull_command", ProcessMatch::Program),
        ("a b\nfull_command", ProcessMatch::Exact),
        ("a\nparam_match", ProcessMatch::Exact),
        ("a b\nparam_match partial", ProcessMatch::Partial),
        ("a b\nparam_match initial", ProcessMatch::Initial),
    ] {
        assert_eq!(one(lines).matching, expected, "{lines}");
    }
    let delays = |lines: &str| (one(lines).vrrp.terminate_delay, one(lines).vrrp.fork_delay);
    assert_eq!(delays("a\ndelay 2"), (Micros::from_secs(2), Micros::from_secs(2)));
    assert_eq!(delays("a\ndelay 2\nfork_delay 0.5"), (Micros::from_secs(2), Micros(500_000)));
    let quorum = |lines: &str| (one(lines).vrrp.quorum, one(lines).vrrp.quorum_max);
    assert_eq!(quorum("a\nquorum_max 0"), (0, Some(0)));
    assert_eq!(quorum("a\nquorum 2\nquorum_max 2"), (2, Some(2)));
    assert_eq!(quorum("a\nquorum 2\nquorum_max 1"), (2, None));
    assert_eq!(found(&with("process a\nquorum 2\nquorum_max 1", "p")), ["V0404:11"]);
    assert_eq!(found(&with("process averyveryverylongname", "p")), ["V0404:9"]);
    assert_eq!(found(&with("process averyveryverylongname\nfull_command", "p")), none());
    assert_eq!(found(&with("quorum 2", "p")), ["V0401:8"]);
    let unused = format!("{}vrrp_track_process p {{\nprocess a\n}}\n", instance(""));
    assert_eq!((found(&unused), config(&unused).processes.len()), (vec!["V0409:6".to_owned()], 0));
}

#[test]
fn what_is_tracked_is_defined_and_its_weight_fits() {
    for (keyword, block, most) in [
        ("track_process", "vrrp_track_process b {\nprocess x\n}\n", 254),
        ("track_bfd", "bfd_instance b {\nneighbor_ip 192.0.2.9\n}\n", 253),
    ] {
        let with = |line: &str| format!("{}{block}", instance(&format!("{keyword} {{\n{line}\n}}")));
        assert_eq!(config(&with("b")).instances[0].vrrp.tracks.len(), 1);
        assert_eq!(found(&with(&format!("b weight -{most}"))), none());
        assert!(found(&with(&format!("b weight {}", most + 1))).contains(&"V0302:5".to_owned()));
        assert!(found(&with("c")).contains(&"V0406:5".to_owned()));
    }
}

#[test]
fn scripts_that_nothing_tracks() {
    assert_eq!(found(&with_scripts("")), ["V0409:6"]);
    assert!(config(&with_scripts("")).scripts.is_empty());
    let zero = with_scripts("track_script {\ns\n}").replace("weight 10 reverse", "interval 0");
    assert_eq!(found(&zero), ["V0404:10"]);
    assert_eq!(config(&zero).scripts[0].interval, Duration::from_secs(1));
}

#[test]
fn an_owner_is_not_weighed() {
    let text = with_scripts("priority 255\ntrack_script {\ns\n}\ntrack_interface {\neth1\n}");
    assert_eq!(found(&text), ["V0404:6"]);
    let tracks: Vec<&str> = config(&text).instances[0].vrrp.tracks.iter().map(|t| t.what.keyword()).collect();
    assert_eq!(tracks, ["track_interface"]);
}

fn group(lines: &str, member: &str) -> String {
    format!(
        "vrrp_sync_group G {{\n{lines}\n}}\n{}{}vrrp_script s {{\nscript /bin/true\nweight 10\n}}\n",
        instance(member),
        instance("").replace("_instance A", "_instance B").replace("_id 7", "_id 8")
    )
}

#[test]
fn sync_groups() {
    let both = "group {\nA B\n}";
    assert_eq!(found(&group(&format!("{both}\ntrack_script {{\ns weight 0\n}}"), "")), none());
    let weighed = group(both, "track_script {\ns\n}");
    assert_eq!(found(&weighed), ["V0404:10"]);
    assert!(config(&weighed).instances[0].vrrp.tracks.is_empty());
    let allowed = group(&format!("{both}\nsync_group_tracking_weight"), "track_script {\ns\n}");
    assert_eq!((found(&allowed), config(&allowed).instances[0].vrrp.tracks.len()), (none(), 1));
    // A file that weighs what it does by itself stays, and decides over FAULT; one with another weight goes.
    let files = "track_file f {\nfile /x\n}\ntrack_file g {\nfile /y\n}\n";
    let weighed = group(both, "track_file {\nf reverse\ng weight 2\n}") + files;
    assert_eq!(found(&weighed).iter().filter(|f| f.starts_with("V0404")).count(), 2);
    let tracks = &config(&weighed).instances[0].vrrp.tracks;
    assert_eq!(
        tracks.iter().map(|t| (t.what.name(), t.bearing)).collect::<Vec<_>>(),
        [("f", Bearing::Fault { reverse: true })]
    );
    let of_all = config(&(group(&format!("{both}\ntrack_file {{\nf\n}}"), "") + files));
    assert!(of_all.instances.iter().all(|i| i.vrrp.tracks[0].bearing == Bearing::Weight { weight: 1, reverse: false }));
    // The group's tracker reaches every member; with one of the member's own, it replaces that.
    let merged = config(&group(
        &format!("{both}\ntrack_script {{\ns weight 3\n}}\nsync_group_tracking_weight"),
        "track_script {\ns\n}",
    ));
    assert!(merged.instances.iter().all(|i| i.vrrp.tracks[0].bearing == Bearing::Weight { weight: 3, reverse: false }));
}

#[test]
fn sync_groups_that_are_wrong() {
    let found =
        |lines: &str| found(&group(lines, "")).into_iter().filter(|f| !f.starts_with("V0409")).collect::<Vec<_>>();
    assert_eq!(found("group {\nA C\n}"), ["V0407:3"]);
    assert_eq!(found("group {\nA A\n}"), ["V0407:3"]);
    assert_eq!(found("group {\nA\n}"), ["V0407:1"]);
    assert_eq!(found(""), ["V0407:1"]);
    assert_eq!(found("group {\nA\n}\ngroup {\nB\n}"), ["V0209:5"]);
    let twice = format!("{}vrrp_sync_group H {{\ngroup {{\nB A\n}}\n}}\n", group("group {\nA B\n}", ""));
    assert_eq!(common::found(&twice).iter().filter(|f| f.starts_with("V0407")).count(), 2);
    let same = format!("{0}vrrp_sync_group G {{\n}}\n", group("group {\nA B\n}", ""));
    assert!(common::found(&same).iter().any(|f| f.starts_with("V0402")));
}

#[test]
fn global_defaults() {
    let with = |globals: &str, lines: &str| {
        config(&format!("{}global_defs {{\n{globals}\n}}\n", instance(lines))).instances.remove(0)
    };
    assert_eq!(with("vrrp_version 3", "no_virtual_ipaddress").vrrp.version, Version::V3);
    assert_eq!(with("vrrp_down_timer_adverts 9", "").vrrp.down_timer_adverts, 9);
    assert_eq!(
        with("vrrp_mcast_group4 224.0.0.77", "").vrrp.transport,
        Transport::Multicast { group: [224, 0, 0, 77].into() }
    );
    let least = with("vrrp_min_garp", "").vrrp.garp;
    assert_eq!((least.master_repeat, least.master_delay), (1, Micros::ZERO));
    let wants_more = with("vrrp_min_garp", "garp_master_repeat 9\ngarp_master_delay 7").vrrp.garp;
    assert_eq!((wants_more.lower_prio_repeat, wants_more.lower_prio_delay), (1, Micros::ZERO));
    assert_eq!(with("vrrp_garp_master_repeat 0", "").vrrp.garp.master_repeat, 1);
    assert_eq!(with("vrrp_garp_lower_prio_repeat 2", "garp_master_repeat 9").vrrp.garp.lower_prio_repeat, 2);
    assert_eq!(with("", "garp_master_repeat 9").vrrp.garp.lower_prio_repeat, 9);
    assert!(with("smtp_alert", "").notify.smtp_alert && !with("smtp_alert\nsmtp_alert_vrrp off", "").notify.smtp_alert);
    assert_eq!(found("global_defs {\nvrrp_mcast_group4 192.0.2.1\n}\n"), ["V0305:2"]);
    assert_eq!(found("global_defs {\nvrrp_mcast_group4 ff02::12\n}\n"), ["V0306:2"]);
}

#[test]
fn global_blocks_add_up_and_later_values_count() {
    let c = config("global_defs {\nrouter_id a\nlvs_flush\n}\nglobal_defs {\nrouter_id b\n}\n");
    assert_eq!((c.global.router_id.as_str(), c.global.lvs_flush), ("b", true));
}

#[test]
fn mail_settings() {
    let mail = |lines: &str| config(&format!("global_defs {{\n{lines}\n}}\n")).global.mail;
    assert!(mail("smtp_server 192.0.2.1").is_none());
    assert!(mail("notification_email {\na@b\n}").is_none());
    let both = "notification_email {\na@b\n}\n";
    assert_eq!(mail(&format!("{both}smtp_server 192.0.2.1")).unwrap().server.to_string(), "192.0.2.1:25");
    assert_eq!(mail(&format!("{both}smtp_server 2001:db8::1 26")).unwrap().server.to_string(), "[2001:db8::1]:26");
    assert!(mail(&format!("{both}smtp_server 192.0.2.1")).unwrap().from.starts_with("root@"));
    assert_eq!(found(&format!("global_defs {{\n{both}smtp_server a/b\n}}\n")), ["V0305:5"]);
    assert!(said(&format!("global_defs {{\n{both}smtp_server mail.example.net\n}}\n")).contains("lint[V0604]"));
}

#[test]
fn the_namespace_option_stands_above_the_file() {
    let options = vipd_config::Options { net_namespace: Some("blue".to_owned()), ..common::options() };
    let loaded = vipd_config::load_str("x", "net_namespace red\n", &options);
    assert_eq!(loaded.config.unwrap().global.net_namespace.as_deref(), Some("blue"));
    assert_eq!(config("net_namespace red\n").global.net_namespace.as_deref(), Some("red"));
}

#[test]
fn an_address_of_two_routers() {
    let vip = "virtual_ipaddress {\n192.0.2.1\n}";
    let other = instance(vip).replace("vrrp_instance A", "vrrp_instance B").replace("_id 7", "_id 8");
    assert_eq!(found(&format!("{}{other}", instance(vip))), ["V0410:8"]);
    let elsewhere = other.replace("eth0", "eth1");
    assert_eq!(found(&format!("{}{elsewhere}", instance(vip))), none());
}

#[test]
fn the_loopback_interface_is_refused() {
    assert_eq!(found("vrrp_instance A {\ninterface lo\nvirtual_router_id 1\n}\n"), ["V0307:2"]);
}

#[test]
fn checksums_and_owners_follow_their_words() {
    let of = |globals: &str, words: &str| {
        let text = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\nversion 3\n{words}\n\
             virtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
        );
        config(&text).instances.remove(0).vrrp
    };
    let sum = |globals: &str, words: &str| of(globals, words).checksum;
    assert_eq!(sum("", ""), Checksum::Pseudo);
    assert_eq!(sum("v3_checksum_as_v2", ""), Checksum::Plain);
    assert_eq!(sum("v3_checksum_as_v2", "v3_checksum_as_v2 off"), Checksum::Pseudo);
    assert_eq!(sum("", "v3_checksum_as_v2"), Checksum::Plain);
    let unicast = "unicast_src_ip 192.0.2.8\nunicast_peer {\n192.0.2.9\n}\nold_unicast_checksum";
    assert_eq!(sum("", unicast), Checksum::Old);
    assert_eq!(sum("", &format!("{unicast} never")), Checksum::NeverOld);
    let ignores = |globals: &str, words: &str| of(globals, words).owner_ignore_adverts;
    assert!(!ignores("", "priority 255"));
    assert!(ignores("", "priority 255\nowner_ignore_adverts"));
    assert!(ignores("vrrp_owner_ignore_adverts", "priority 255"));
    assert!(!ignores("vrrp_owner_ignore_adverts", "priority 254"), "it owns nothing");
    assert!(!ignores("vrrp_owner_ignore_adverts", "priority 255\nowner_ignore_adverts off"));
    assert!(ignores("vrrp_strict", "priority 255"), "RFC 9568, 6.4.3");
}

#[test]
fn other_interfaces_are_told_where_there_are_any() {
    let with = |globals: &str, lines: &str| {
        let addresses = "virtual_ipaddress {\n192.0.2.1\n192.0.2.2 dev eth1\n}";
        format!("global_defs {{\n{globals}\n}}\n{}", instance(&format!("{addresses}\n{lines}")))
    };
    let extra = |globals: &str, lines: &str| config(&with(globals, lines)).instances[0].vrrp.garp.extra;
    let all = |seconds| Some(Extra { every: Micros::from_secs(seconds), reach: Reach::All });
    assert_eq!(extra("", ""), None);
    assert_eq!(extra("", "garp_extra_if all 60"), all(60));
    assert_eq!(extra("vrrp_garp_extra_if 70 all", ""), all(70));
    assert_eq!(extra("vrrp_garp_extra_if all 70", "garp_extra_if 0"), None);
    assert_eq!(extra("", "garp_extra_if 60"), None, "there is none that is made");
    assert!(said(&with("", "garp_extra_if 60")).contains("`all` includes"));
    let made = "use_vmac_addr\ngarp_extra_if 60";
    assert_eq!(extra("", made), Some(Extra { every: Micros::from_secs(60), reach: Reach::Made }));
}

#[test]
fn stronger_peers_matter_to_who_leaves_them_in_peace() {
    let of = |lines: &str| config(&instance(&format!("virtual_ipaddress {{\n192.0.2.1\n}}\n{lines}")));
    let known = |lines: &str| of(lines).instances[0].vrrp.timer_expired;
    assert_eq!(known("nopreempt\ntimer_expired_backup"), Some(Priority(254)));
    assert_eq!(known("nopreempt\nthread_timer_expired 120"), Some(Priority(120)));
    assert_eq!(known("timer_expired_backup"), None);
    assert_eq!(found(&instance("timer_expired_backup 3")), ["V0404:4"]);
}

#[test]
fn a_director_catches_up_for_the_instance_that_its_sync_daemon_follows() {
    let text = |globals: &str| {
        let instance = |name: &str, vrid: u8| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\nvirtual_ipaddress {{\n192.0.2.{vrid}\n}}\n}}\n"
            )
        };
        format!("global_defs {{\n{globals}\n}}\n{}{}", instance("A", 51), instance("B", 52))
    };
    for (globals, expected, warned) in [
        ("lvs_sync_daemon eth0 B\nlvs_sync_catch_up 30", [0, 30], false),
        ("lvs_sync_catch_up 30\nlvs_sync_daemon eth0 inst A id 7", [30, 0], false),
        ("lvs_sync_daemon eth0 B", [0, 0], false),
        ("lvs_sync_daemon eth0 B\nlvs_sync_catch_up 0", [0, 0], false),
        ("lvs_sync_daemon eth0\nlvs_sync_catch_up 30", [0, 0], true),
        ("lvs_sync_catch_up 30", [0, 0], true),
    ] {
        let loaded = vipd_config::load_str("test", &text(globals), &vipd_config::Options::default());
        let instances = loaded.config.unwrap().instances;
        let seconds: Vec<u64> = instances.iter().map(|i| i.vrrp.catch_up.0 / 1_000_000).collect();
        let told = loaded.diagnostics.iter().any(|d| d.message.contains("`lvs_sync_catch_up` has no effect"));
        assert_eq!((seconds, told), (expected.to_vec(), warned), "{globals}");
    }
}
