//! What is found, on top of a file: taken, refused, kept through changes of the file.

use super::*;

const FILE: &str = "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n \
    servers_from_file /etc/web {\n weight 4\n smtp_alert off\n TCP_CHECK {\n }\n }\n \
    servers_from_dns web.example.org {\n port 8080\n allow_empty\n }\n}\n\
    virtual_server 192.0.2.2 80 {\n protocol TCP\n servers_from_file /etc/web {\n lvs_method DR\n allow_empty\n }\n}\n";

fn config(text: &str) -> Config {
    vipd_config::load_str("test", text, &vipd_config::Options::default()).config.unwrap()
}

fn file() -> Origin {
    Origin::File(PathBuf::from("/etc/web"))
}

fn dns(config: &Config) -> Origin {
    config.services[0].discoveries[1].origin.clone()
}

fn servers(all: &[(&str, Option<u32>)]) -> Outcome {
    Ok(all.iter().map(|(address, weight)| Server { address: address.parse().unwrap(), weight: *weight }).collect())
}

/// The real servers in force: `10.0.0.1:80 1`.
fn in_force(found: &Found, file: &Config, at: usize) -> Vec<String> {
    let config = found.on_top_of(file);
    config.services[at].lvs.real_servers.iter().map(|real| format!("{} {}", real.address, real.weight)).collect()
}

#[test]
fn what_is_found_joins_what_the_file_has_and_leaves_again() {
    let (config, mut found) = (config(FILE), Found::default());
    let two = servers(&[("10.0.0.3:81", None), ("10.0.0.2:81", Some(9)), ("10.0.0.1:80", Some(7))]);
    let news = found.take(&config, &file(), &two, 100.0);
    assert_eq!(news.len(), 2, "both virtual servers follow it");
    let joined: Vec<String> = news[0].servers.iter().map(|(a, what)| format!("{a} {what}")).collect();
    assert_eq!(joined, ["10.0.0.1:80 joined", "10.0.0.2:81 joined", "10.0.0.3:81 joined"]);
    // The file's own stays as the file says; packets of DR keep the service's port.
    assert_eq!(in_force(&found, &config, 0), ["10.0.0.1:80 1", "10.0.0.2:81 9", "10.0.0.3:81 4"]);
    assert_eq!(in_force(&found, &config, 1), ["10.0.0.1:80 7", "10.0.0.2:80 9", "10.0.0.3:80 1"]);
    let service = &found.on_top_of(&config).services[0];
    assert_eq!(service.lvs.real_servers[1].checkers[0].target, "10.0.0.2:81".parse().unwrap());
    assert!(!service.told_of("10.0.0.2:81".parse().unwrap()).smtp_alert);
    // The same in another order is no news.
    let same = servers(&[("10.0.0.1:80", Some(7)), ("10.0.0.2:81", Some(9)), ("10.0.0.3:81", None)]);
    assert!(found.take(&config, &file(), &same, 110.0).iter().all(|n| n.servers.is_empty() && n.place == Turn::Same));
    let news = found.take(&config, &file(), &servers(&[("10.0.0.2:81", None)]), 120.0);
    // Whoever is reached by direct routing is called by the port that it has there.
    let direct: Vec<String> = news[1].servers.iter().map(|(a, what)| format!("{a} {what}")).collect();
    assert_eq!(direct, ["10.0.0.2:80 weight as configured", "10.0.0.1:80 left", "10.0.0.3:80 left"]);
    let told: Vec<String> = news[0].servers.iter().map(|(a, what)| format!("{a} {what}")).collect();
    assert_eq!(told, ["10.0.0.2:81 weight as configured", "10.0.0.1:80 left", "10.0.0.3:81 left"]);
    let known = found.places(&config.services[0]).next().unwrap();
    assert_eq!(known.servers().collect::<Vec<_>>(), [("10.0.0.2:81".parse().unwrap(), 100.0)], "since it joined");
    assert_eq!((known.seen(), known.stale()), (Some(120.0), None));
}

#[test]
fn what_can_not_be_taken_leaves_all_as_it_was_and_says_since_when() {
    let (config, mut found) = (config(FILE), Found::default());
    found.take(&config, &file(), &servers(&[("10.0.0.2:81", None)]), 100.0);
    let before = in_force(&found, &config, 0);
    for (at, outcome, why) in [
        (200.0, Err("it can't be read".to_owned()), "it can't be read"),
        (201.0, servers(&[]), "it names no server: `allow_empty`"),
        (202.0, servers(&[("10.0.0.3:81", None), ("0.0.0.0:81", None)]), "0.0.0.0:81 is no address of a server"),
        (203.0, servers(&[("224.0.0.1:81", None)]), "is no address of a server"),
        (204.0, servers(&[("255.255.255.255:81", None)]), "is no address of a server"),
        (205.0, servers(&[("10.0.0.3:0", None)]), "is no address of a server"),
        (206.0, servers(&[("[2001:db8::1]:81", None)]), "is not of the virtual server's address family"),
        (207.0, servers(&[("192.0.2.1:81", None)]), "is the virtual server's own address"),
        (208.0, servers(&[("10.0.0.3:81", Some(u32::MAX))]), "the weight of 10.0.0.3:81 is more than"),
    ] {
        let news = found.take(&config, &file(), &outcome, at).remove(0);
        let Turn::Stale(told) = &news.place else { panic!("{why}: {news:?}") };
        assert!(told.contains(why) && news.servers.is_empty(), "{why}: {told}");
        assert_eq!(in_force(&found, &config, 0), before, "{why}");
        let known = found.places(&config.services[0]).next().unwrap();
        assert_eq!((known.seen(), known.stale().unwrap().0), (Some(100.0), 200.0));
        // Told once.
        assert_eq!(found.take(&config, &file(), &outcome, at).remove(0).place, Turn::Same);
    }
    let ports = 1..=u16::try_from(MOST + 1).unwrap();
    let many = ports.map(|port| Server { address: SocketAddr::from(([10, 1, 0, 1], port)), weight: None });
    let news = found.take(&config, &file(), &Ok(many.collect()), 300.0).remove(0);
    assert!(matches!(news.place, Turn::Stale(why) if why.contains("4096 at most")));
    let back = found.take(&config, &file(), &servers(&[("10.0.0.2:81", None)]), 400.0).remove(0);
    assert_eq!((back.place, back.servers.len()), (Turn::Fresh, 0));
}

#[test]
fn only_allow_empty_lets_all_go() {
    let (config, mut found) = (config(FILE), Found::default());
    found.take(&config, &file(), &servers(&[("10.0.0.2:81", None)]), 100.0);
    let news = found.take(&config, &file(), &servers(&[]), 110.0);
    assert!(matches!(news[0].place, Turn::Stale(_)) && news[1].place == Turn::Same);
    assert_eq!(in_force(&found, &config, 0), ["10.0.0.1:80 1", "10.0.0.2:81 4"]);
    assert!(in_force(&found, &config, 1).is_empty());
}

#[test]
fn another_file_keeps_what_was_found_where_it_still_looks() {
    let (config, mut found) = (config(FILE), Found::default());
    found.take(&config, &file(), &servers(&[("10.0.0.2:81", None)]), 100.0);
    found.take(&config, &dns(&config), &servers(&[("10.0.0.9:8080", None)]), 100.0);
    assert_eq!(in_force(&found, &config, 0), ["10.0.0.1:80 1", "10.0.0.2:81 4", "10.0.0.9:8080 1"]);
    // Other words for it, another port, another resolver: what is known stays known, and is otherwise.
    let other =
        self::config(&FILE.replace("weight 4", "weight 6").replace("port 8080", "port 8081\n resolver 10.0.0.53"));
    found.keep_to(&other);
    assert_eq!(in_force(&found, &other, 0), ["10.0.0.1:80 1", "10.0.0.2:81 6", "10.0.0.9:8081 1"]);
    // It is kept for a daemon that follows.
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Found>(&text).unwrap(), found);
    // An answer to what is asked no more is for nobody.
    assert!(found.take(&other, &dns(&config), &servers(&[]), 120.0).is_empty());
    let gone = self::config(&FILE.replace("web.example.org", "www.example.org"));
    found.keep_to(&gone);
    assert_eq!(in_force(&found, &gone, 0), ["10.0.0.1:80 1", "10.0.0.2:81 4"]);
    // Another family takes none of what was found for this one.
    let six = self::config(&FILE.replace("192.0.2.2 80", "2001:db8::2 80"));
    assert!(in_force(&found, &six, 1).is_empty());
}

#[test]
fn a_new_place_begins_with_the_servers_of_before() {
    let before = config(
        "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n }\n \
        real_server 10.0.0.2 81 {\n weight 3\n }\n}\n",
    );
    let (file_config, mut found) = (config(FILE), Found::default());
    found.seed(&file_config, &before, 100.0);
    assert_eq!(in_force(&found, &file_config, 0), ["10.0.0.1:80 1", "10.0.0.2:81 3"], "one is the file's own");
    assert_eq!(in_force(&found, &file_config, 1), [""; 0], "that one is new");
    assert!(found.places(&file_config.services[0]).next().unwrap().stale().is_some());
    // A look that fails changes nothing, and one that does not says who is there.
    found.take(&file_config, &file(), &Err("it can't be read".to_owned()), 101.0);
    assert_eq!(in_force(&found, &file_config, 0).len(), 2);
    let news = found.take(&file_config, &file(), &servers(&[("10.0.0.3:81", None)]), 102.0);
    let told: Vec<String> = news[0].servers.iter().map(|(a, what)| format!("{a} {what}")).collect();
    assert_eq!(told, ["10.0.0.3:81 joined", "10.0.0.2:81 left"]);
    // What was looked at is not seeded again.
    found.seed(&file_config, &before, 103.0);
    assert_eq!(in_force(&found, &file_config, 0), ["10.0.0.1:80 1", "10.0.0.3:81 4"]);
}

#[test]
fn whoever_judges_otherwise_looks_once_more() {
    let users = |text: &str| {
        let config = config(text);
        (files(&config), lookups(&config))
    };
    let before = users(FILE);
    assert_eq!(before.0.len(), 1, "one file, for two");
    for (from, to, looks) in [
        ("weight 4", "weight 5", false),
        ("smtp_alert off", "smtp_alert on", false),
        ("lvs_method DR", "lvs_method TUN", true),
        ("virtual_server 192.0.2.1 80", "virtual_server 192.0.2.1 81", true),
        ("port 8080\n allow_empty", "port 8080", true),
    ] {
        let other = FILE.replace(from, to);
        assert_eq!(users(&other) != before, looks && other != FILE, "{from}: {to}");
    }
    // A group that gets another address judges by that, too.
    let group = |more: &str| {
        users(&format!(
            "virtual_server_group G {{
192.0.2.1 80
{more}}}
virtual_server group G {{
 protocol TCP
              servers_from_file /etc/web {{
 }}
}}
"
        ))
    };
    assert_ne!(
        group(""),
        group(
            "192.0.2.9 80
"
        )
    );
}

#[test]
fn who_is_known_is_named_and_what_is_kept_is_read_however_many_there_are() {
    let (config, mut found) = (config(FILE), Found::default());
    assert!(remarks(&config, &found).iter().all(|remark| remark.ends_with("none is known yet")));
    found.take(&config, &file(), &servers(&[("10.0.0.3:81", None), ("10.0.0.2:81", Some(9))]), 100.0);
    let told = remarks(&config, &found);
    assert_eq!(told[0], "real servers of [192.0.2.1]:tcp:80 from file /etc/web: 10.0.0.2:81 weight 9, 10.0.0.3:81");
    assert_eq!(told[2], "real servers of [192.0.2.2]:tcp:80 from file /etc/web: 10.0.0.2:80 weight 9, 10.0.0.3:80");
    // As many as there may be, with the longest addresses.
    let text: String = (0..60)
        .map(|n| {
            format!(
                "virtual_server fwmark {} {{
 ip_family inet6
 servers_from_file /etc/web {{
 }}
}}
",
                n + 1
            )
        })
        .collect();
    let many = self::config(&text);
    let long = |n: usize| {
        let ip = std::net::Ipv6Addr::new(
            0x2001,
            0xdb8,
            0xffff,
            0xffff,
            0xffff,
            0xffff,
            0xffff,
            0x1000 + u16::try_from(n).unwrap(),
        );
        Server { address: SocketAddr::new(ip.into(), 65_535), weight: Some(MAX_WEIGHT) }
    };
    found.take(&many, &file(), &Ok((0..MOST).map(long).collect()), 1_800_000_000.123_456);
    found.keep_to(&many);
    let directory = tempfile::TempDir::new().unwrap();
    let socket = directory.path().join("control.sock");
    kept::write(&place(&socket), Some(&found)).unwrap();
    let length = std::fs::metadata(place(&socket)).unwrap().len();
    assert!(length > kept::LONGEST, "{length}");
    assert_eq!(inherited(&socket, &many).unwrap(), found);
    // Of a file that is longer than anybody writes nothing is read.
    assert!(inherited(&socket, &self::config(FILE)).is_err());
}
