//! Orders for real servers on top of a file: one server, one host, added, removed, at their ends.

use super::*;
use crate::kept;

const FILE: &str = "virtual_server 192.0.2.1 80 {\n protocol TCP\n quorum 2\n persistence_timeout 50\n real_server 10.0.0.1 80 {\n \
    weight 3\n TCP_CHECK {\n }\n }\n real_server 10.0.0.2 80 {\n weight 1\n notify_up /bin/true\n }\n}\n\
    virtual_server 192.0.2.1 443 {\n protocol TCP\n real_server 10.0.0.1 443 {\n weight 1\n }\n}\n\
    virtual_server fwmark 7 {\n protocol TCP\n real_server 10.0.0.8 0 {\n weight 1\n }\n}\n";

fn config(text: &str) -> Config {
    vipd_config::load_str("test", text, &vipd_config::Options::default()).config.unwrap()
}

fn order(service: &str, server: &str, wish: ServerWish) -> ServerOrder {
    ServerOrder { service: service.to_owned(), server: server.to_owned(), wish, until_reload: false }
}

const GIVER: Giver<'static> = Giver { by: "root", at: 1000.0, now: 5_000_000 };

/// Gives one, with nothing known of the servers: what came of it, as it is answered.
fn give(
    orders: &mut Orders,
    file: &Config,
    service: &str,
    server: &str,
    wish: ServerWish,
) -> Result<Vec<String>, String> {
    let done = orders.take(file, &order(service, server, wish), &GIVER, &|_| None)?;
    Ok(done.into_iter().map(|d| format!("{} {}: {}{}", d.server.0, d.server.1, d.what, d.beside)).collect())
}

/// The real servers in force: `10.0.0.1:80 3 Serving`.
fn in_force(orders: &Orders, file: &Config, at: usize) -> Vec<String> {
    let config = orders.on_top_of(file);
    let shown = |real: &RealServer| format!("{} {} {:?}", real.address, real.weight, real.duty);
    config.services[at].lvs.real_servers.iter().map(shown).collect()
}

const DRAIN: ServerWish = ServerWish::Drain { deadline: None };

#[test]
fn one_order_for_a_server_at_a_time_and_ready_ends_it() {
    let (file, mut orders) = (config(FILE), Orders::default());
    let id = "[192.0.2.1]:tcp:80";
    let done = give(&mut orders, &file, id, "10.0.0.2:80", DRAIN).unwrap();
    assert!(done[0].starts_with("[192.0.2.1]:tcp:80 10.0.0.2:80: drain: clients that stick to it"), "{done:?}");
    assert!(done[0].contains("50 s") && !done[0].contains("WARNING"), "{done:?}");
    assert_eq!(in_force(&orders, &file, 0), ["10.0.0.1:80 3 Serving", "10.0.0.2:80 1 Draining"]);
    for (wish, what) in [
        (ServerWish::Down, "10.0.0.2:80 1 Down"),
        (ServerWish::Weight { weight: 9 }, "10.0.0.2:80 9 Down"),
        (DRAIN, "10.0.0.2:80 9 Draining"),
        (ServerWish::Ready, "10.0.0.2:80 1 Serving"),
    ] {
        let told = give(&mut orders, &file, "192.0.2.1:80", "10.0.0.2", wish).unwrap();
        assert_eq!(in_force(&orders, &file, 0)[1], what);
        assert_eq!(told[0].contains("until then the order to be \"down\" stays"), what.ends_with("9 Down"), "{told:?}");
    }
    assert_eq!(orders, Orders::default());
    let again = give(&mut orders, &file, id, "10.0.0.2", ServerWish::Ready).unwrap();
    assert!(again[0].ends_with("it was as the file says already"), "{again:?}");
    // What is left is told if it is too little.
    let little = give(&mut orders, &file, id, "10.0.0.1", ServerWish::Down).unwrap();
    assert!(little[0].contains("WARNING: what is left weighs 1, less than the quorum 2"), "{little:?}");
    let nothing = give(&mut orders, &file, "192.0.2.1:443", "10.0.0.1", DRAIN).unwrap();
    assert!(nothing[0].contains("WARNING: nothing is left"), "{nothing:?}");
    // The dead count for nothing, and a check's weight for what it is.
    let mut orders = Orders::default();
    let mut with = |verdicts: Verdicts<'_>| {
        let done = orders.take(&file, &order("192.0.2.1:80", "10.0.0.2", DRAIN), &GIVER, verdicts).unwrap();
        done[0].beside.clone()
    };
    assert!(!with(&|_| Some((true, None))).contains("WARNING"));
    assert!(with(&|_| Some((true, Some(1)))).contains("what is left weighs 1, less than the quorum 2"));
    assert!(with(&|(_, address)| Some((address.ip().to_string() != "10.0.0.1", None))).contains("nothing is left"));
}

#[test]
fn a_host_is_drained_of_all_its_services_and_what_names_nothing_is_refused() {
    let (mut file, mut orders) = (config(FILE), Orders::default());
    Arc::make_mut(&mut file.services[2]).lvs.real_servers.clear();
    assert_eq!(give(&mut orders, &file, "all", "10.0.0.1", DRAIN).unwrap().len(), 2);
    assert_eq!(in_force(&orders, &file, 1), ["10.0.0.1:443 1 Draining"]);
    let before = orders.clone();
    for (service, server, wish, why) in [
        (
            "[192.0.2.9]:tcp:80",
            "10.0.0.1",
            DRAIN,
            "there is no virtual server [192.0.2.9]:tcp:80; there is [192.0.2.1]:tcp:80,",
        ),
        ("192.0.2.1:80", "10.0.0.9", DRAIN, "has no real server 10.0.0.9; there is 10.0.0.1:80, 10.0.0.2:80"),
        ("192.0.2.1:80", "web1", DRAIN, "web1 is no address"),
        ("FWM 7", "10.0.0.1", DRAIN, "FWM 7 has no real server 10.0.0.1"),
        ("192.0.2.1:80", "10.0.0.1", ServerWish::Weight { weight: 1 << 31 }, "more than 2147483647"),
        ("192.0.2.1:80", "10.0.0.1", ServerWish::Drain { deadline: Some(u64::MAX) }, "longer than a month"),
        ("all", "10.0.0.5", ServerWish::Add { weight: None, like: None }, "name one"),
        ("FWM 7", "10.0.0.5", ServerWish::Add { weight: None, like: None }, "gives FWM 7 no real server"),
        ("192.0.2.1:80", "10.0.0.1", ServerWish::Add { weight: None, like: None }, "already"),
        ("192.0.2.1:80", "fe80::1", ServerWish::Add { weight: None, like: None }, "another family"),
        ("192.0.2.1:80", "0.0.0.0", ServerWish::Add { weight: None, like: None }, "no address of a server"),
        (
            "192.0.2.1:80",
            "10.0.0.5",
            ServerWish::Add { weight: None, like: Some("10.0.0.7".into()) },
            "no one real server 10.0.0.7",
        ),
    ] {
        let refused = give(&mut orders, &file, service, server, wish).unwrap_err();
        assert!(refused.contains(why), "{service} {server}: {refused}");
        assert_eq!(orders, before);
    }
    assert_eq!(give(&mut orders, &file, "all", "10.0.0.1", ServerWish::Ready).unwrap().len(), 2);
    assert_eq!(orders, Orders::default());
    // Where it was removed before it stays so, and the rest is done; to remove twice is no error.
    for again in [false, true] {
        let told = give(&mut orders, &file, "192.0.2.1:443", "10.0.0.1", ServerWish::Remove).unwrap();
        assert_eq!(told[0].contains("unchanged: it stays removed"), again, "{told:?}");
    }
    let told = give(&mut orders, &file, "all", "10.0.0.1", DRAIN).unwrap();
    assert!(
        told[0].contains("tcp:80 10.0.0.1:80: drain") && told[1].contains("tcp:443 10.0.0.1:443: unchanged"),
        "{told:?}"
    );
    assert_eq!(
        (in_force(&orders, &file, 0)[0].as_str(), in_force(&orders, &file, 1).len()),
        ("10.0.0.1:80 3 Draining", 0)
    );
}

#[test]
fn virtual_servers_by_the_names_that_people_give_them() {
    let text = "virtual_server_group WEB {\n 192.0.2.9 8080\n 192.0.2.9 8081\n}\nvirtual_server group WEB {\n protocol TCP\n \
                real_server 10.0.0.1 80 {\n weight 1\n }\n}\nvirtual_server fd00::1 80 {\n protocol UDP\n \
                real_server fd00::2 80 {\n weight 1\n }\n}\n";
    let file = config(&(FILE.to_owned() + text));
    for (name, id) in [
        ("192.0.2.1:80", "[192.0.2.1]:tcp:80"),
        ("192.0.2.1:80/tcp", "[192.0.2.1]:tcp:80"),
        ("[192.0.2.1]:80", "[192.0.2.1]:tcp:80"),
        ("192.0.2.1:tcp:443", "[192.0.2.1]:tcp:443"),
        ("[192.0.2.1]:TCP:443", "[192.0.2.1]:tcp:443"),
        ("fwm 7", "FWM 7"),
        ("fwmark 7", "FWM 7"),
        ("fwmark7", "FWM 7"),
        ("WEB", "[WEB]:0"),
        ("192.0.2.9:8081", "[WEB]:0"),
        ("192.0.2.9", "[WEB]:0"),
        ("[fd00:0::1]:80", "[fd00::1]:udp:80"),
        ("fd00::1", "[fd00::1]:udp:80"),
        ("[fd00::1]:80/udp", "[fd00::1]:udp:80"),
    ] {
        let found = named(&file, name).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(found.iter().map(|service| service.lvs.id.0.as_str()).collect::<Vec<_>>(), [id], "{name}");
    }
    for name in ["", "192.0.2.1:81", "192.0.2.1:80/udp", "[fd00::1]:80/tcp", "fwm", "fwm 8", "web", "7"] {
        assert!(named(&file, name).unwrap_err().starts_with("there is no virtual server"), "{name}");
    }
    assert!(named(&file, "192.0.2.1").unwrap_err().starts_with("192.0.2.1 may be more than one"));
    assert_eq!(named(&file, "ALL").unwrap().len(), 5);
}

#[test]
fn servers_are_added_like_others_and_removed() {
    let (file, mut orders) = (config(FILE), Orders::default());
    let add = |like: Option<&str>| ServerWish::Add { weight: Some(5), like: like.map(str::to_owned) };
    let done = give(&mut orders, &file, "192.0.2.1:80", "10.0.0.3", add(None)).unwrap();
    assert!(done[0].contains("10.0.0.3:80: added: reached and checked like 10.0.0.1:80"), "{done:?}");
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.4:8080", add(Some("10.0.0.2"))).unwrap();
    let effective = orders.on_top_of(&file);
    let [_, _, third, fourth] = &effective.services[0].lvs.real_servers[..] else { panic!("{effective:?}") };
    assert_eq!((third.weight, third.checkers.len(), third.checkers[0].target), (5, 1, third.address));
    assert!(third.checkers[0].alpha && fourth.checkers.is_empty());
    assert!(effective.services[0].told_of(fourth.address).up.is_some());
    // It drains like any other; ready is to serve, remove is to be gone.
    give(&mut orders, &file, "all", "10.0.0.3", DRAIN).unwrap();
    assert_eq!(orders.all()[0].what(), "added, drain");
    assert_eq!(in_force(&orders, &file, 0)[2], "10.0.0.3:80 5 Draining");
    give(&mut orders, &file, "all", "10.0.0.3", ServerWish::Ready).unwrap();
    assert_eq!(in_force(&orders, &file, 0)[2], "10.0.0.3:80 5 Serving");
    give(&mut orders, &file, "all", "10.0.0.3", ServerWish::Remove).unwrap();
    give(&mut orders, &file, "all", "10.0.0.4", ServerWish::Remove).unwrap();
    assert_eq!(orders, Orders::default());
    // One of the file's is kept in mind, and can come back.
    give(&mut orders, &file, "all", "10.0.0.2", ServerWish::Remove).unwrap();
    assert_eq!(in_force(&orders, &file, 0), ["10.0.0.1:80 3 Serving"]);
    assert!(orders.all()[0].removes());
    for wish in
        [DRAIN, ServerWish::Down, ServerWish::Weight { weight: 5 }, ServerWish::Add { weight: None, like: None }]
    {
        let refused = give(&mut orders, &file, "192.0.2.1:80", "10.0.0.2", wish).unwrap_err();
        assert!(refused.contains("removed by an order: `ready` ends that"), "{refused}");
    }
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.2", ServerWish::Ready).unwrap();
    assert_eq!(in_force(&orders, &file, 0).len(), 2);
    assert_eq!(orders, Orders::default());
}

#[test]
fn an_added_server_stays_when_the_one_it_is_like_is_removed() {
    let (file, mut orders) = (config(FILE), Orders::default());
    give(&mut orders, &file, "192.0.2.1:443", "10.0.0.1", DRAIN).unwrap();
    let add = |like: Option<&str>| ServerWish::Add { weight: None, like: like.map(str::to_owned) };
    let none = give(&mut orders, &file, "192.0.2.1:443", "10.0.0.5", add(None)).unwrap();
    assert!(none[0].ends_with("it has no checks, and gets connections at once"), "{none:?}");
    give(&mut orders, &file, "192.0.2.1:443", "10.0.0.6", add(Some("10.0.0.5"))).unwrap();
    give(&mut orders, &file, "192.0.2.1:443", "10.0.0.1", ServerWish::Remove).unwrap();
    assert_eq!(in_force(&orders, &file, 1), ["10.0.0.5:443 1 Serving", "10.0.0.6:443 1 Serving"]);
    give(&mut orders, &file, "192.0.2.1:443", "10.0.0.5", ServerWish::Remove).unwrap();
    assert_eq!(in_force(&orders, &file, 1), ["10.0.0.6:443 1 Serving"]);
    // The file lets go of the model: like another one then, which is told.
    let next = config(&FILE.replace("real_server 10.0.0.1 443", "real_server 10.0.0.9 443"));
    let ended = orders.outlive(&next, Outlived::Reload);
    let told: Vec<String> = ended.iter().map(|e| format!("{} {}: {}", e.server.1, e.what, e.why)).collect();
    assert!(
        told.contains(
            &"10.0.0.6:443 added like 10.0.0.1:443: the file no longer has it: it is like 10.0.0.9:443 now".to_owned()
        ),
        "{told:?}"
    );
    assert_eq!(in_force(&orders, &next, 1), ["10.0.0.9:443 1 Serving", "10.0.0.6:443 1 Serving"]);
}

#[test]
fn what_is_copied_though_it_asks_for_another_server_is_told() {
    let text = FILE.replace("TCP_CHECK {\n }", "TCP_CHECK {\n }\n MISC_CHECK {\n misc_path \"/bin/true 10.0.0.1\"\n }");
    let (file, mut orders) = (config(&text), Orders::default());
    let add = ServerWish::Add { weight: None, like: None };
    let told = give(&mut orders, &file, "192.0.2.1:80", "10.0.0.3", add).unwrap();
    assert!(told[0].contains("of which MISC_CHECK asks what it asks for 10.0.0.1:80 (not the new one)"), "{told:?}");
}

#[test]
fn a_deadline_makes_of_a_drain_a_down() {
    let (file, mut orders) = (config(FILE), Orders::default());
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.2", ServerWish::Drain { deadline: Some(60) }).unwrap();
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.1", DRAIN).unwrap();
    let over = 65_000_000;
    assert_eq!((orders.deadline(), orders.expire(over - 1)), (Some(over), vec![]));
    // Whoever looks on once more takes the deadline with him.
    let again = give(&mut orders, &file, "192.0.2.1:80", "10.0.0.2", DRAIN).unwrap();
    assert!(again[0].contains(": down in 60 s at the latest, as was ordered before"), "{again:?}");
    let status = orders.all()[0].status(2000.0, 35_000_000);
    assert_eq!((status.deadline, status.duty.as_deref()), (Some(2030.0), Some("drain")));
    let due = orders.expire(over);
    assert_eq!(due.iter().map(|(_, address)| address.to_string()).collect::<Vec<_>>(), ["10.0.0.2:80"]);
    assert_eq!(in_force(&orders, &file, 0)[1], "10.0.0.2:80 1 Down");
    assert_eq!((orders.deadline(), orders.expire(u64::MAX)), (None, vec![]));
}

#[test]
fn what_a_reload_ends_and_what_outlives_it() {
    let (file, mut orders) = (config(FILE), Orders::default());
    let short = ServerOrder { until_reload: true, ..order("192.0.2.1:443", "10.0.0.1", ServerWish::Down) };
    orders.take(&file, &short, &GIVER, &|_| None).unwrap();
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.1", ServerWish::Drain { deadline: Some(60) }).unwrap();
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.2", ServerWish::Down).unwrap();
    give(&mut orders, &file, "192.0.2.1:80", "10.0.0.3", ServerWish::Add { weight: Some(5), like: None }).unwrap();
    // A daemon that follows finds all of it.
    let mut read: Orders = serde_json::from_str(&serde_json::to_string(&orders).unwrap()).unwrap();
    assert_eq!((read.outlive(&file, Outlived::Start), &read), (vec![], &orders));
    let next = config(&FILE.replace("real_server 10.0.0.2 80", "real_server 10.0.0.3 80"));
    let ended = read.outlive(&next, Outlived::Reload);
    let told: Vec<String> = ended.iter().map(|e| format!("{} {}: {}", e.server.1, e.what, e.why)).collect();
    assert_eq!(
        told,
        [
            "10.0.0.1:443 down: it was to last until a reload",
            "10.0.0.2:80 down: the real server is no longer configured",
            "10.0.0.3:80 added: the file has the server now",
        ]
    );
    assert_eq!(in_force(&read, &next, 0), ["10.0.0.1:80 3 Draining", "10.0.0.3:80 1 Serving"]);
    assert_eq!(in_force(&read, &next, 1), ["10.0.0.1:443 1 Serving"]);
    let mut bare = config(FILE);
    Arc::make_mut(&mut bare.services[0]).lvs.real_servers.clear();
    bare.services.truncate(1);
    let ended = orders.outlive(&bare, Outlived::Start);
    assert_eq!((ended.len(), &orders), (4, &Orders::default()), "{ended:?}");
}

#[test]
fn what_ends_with_a_reload_takes_nothing_else_with_it() {
    let (file, mut orders) = (config(FILE), Orders::default());
    let until = |server: &str, wish| ServerOrder { until_reload: true, ..order("192.0.2.1:80", server, wish) };
    let mut given = |order: &ServerOrder| orders.take(&file, order, &GIVER, &|_| None).map(|_| ());
    let add = || ServerWish::Add { weight: None, like: None };
    given(&order("192.0.2.1:80", "10.0.0.3", add())).unwrap();
    given(&until("10.0.0.3", DRAIN)).unwrap();
    given(&until("10.0.0.4", add())).unwrap();
    given(&order("192.0.2.1:80", "10.0.0.4", ServerWish::Weight { weight: 2 })).unwrap();
    given(&until("10.0.0.1", ServerWish::Weight { weight: 8 })).unwrap();
    given(&order("192.0.2.1:80", "10.0.0.1", DRAIN)).unwrap();
    assert!(given(&until("10.0.0.1", ServerWish::Ready)).unwrap_err().contains("can't be until a reload"));
    assert!(!orders.all()[2].status(0.0, 0).until_reload, "some of it stays");
    assert_eq!(orders.all()[2].what(), "weight 8 until a reload, drain");
    let ended = orders.outlive(&file, Outlived::Reload);
    let told: Vec<String> = ended.iter().map(|e| format!("{} {}: {}", e.server.1, e.what, e.why)).collect();
    let lasted = "it was to last until a reload";
    assert_eq!(
        told,
        [
            format!("10.0.0.3:80 drain: {lasted}"),
            format!("10.0.0.4:80 added, weight 2: {lasted}"),
            format!("10.0.0.1:80 weight 8: {lasted}")
        ]
    );
    assert_eq!(
        in_force(&orders, &file, 0),
        ["10.0.0.1:80 3 Draining", "10.0.0.2:80 1 Serving", "10.0.0.3:80 3 Serving"]
    );
}

#[test]
fn a_file_of_orders_that_is_not_root_s_own_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = place(&directory.path().join("x.sock"));
    assert!(path.ends_with("x.sock.orders"));
    assert_eq!(kept::read::<Orders>(&path, kept::LONGEST).unwrap(), Orders::default());
    let (file, mut orders) = (config(FILE), Orders::default());
    give(&mut orders, &file, "all", "10.0.0.1", DRAIN).unwrap();
    kept::write(&path, Some(&orders)).unwrap();
    assert_eq!(kept::read::<Orders>(&path, kept::LONGEST).unwrap(), orders);
    kept::write(&path, None::<&Orders>).unwrap();
    assert!(!path.exists());
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(kept::read::<Orders>(&path, kept::LONGEST).is_err());
    std::fs::remove_file(&path).unwrap();
    for text in ["", "[]x", "{\"a\":1}", "[{\"service\":7}]"] {
        std::fs::write(&path, text).unwrap();
        assert!(kept::read::<Orders>(&path, kept::LONGEST).is_err(), "{text}");
    }
}
