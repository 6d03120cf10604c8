//! What a reload would do, in its order, and what traffic would feel of it.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::config;
use std::collections::{BTreeMap, BTreeSet};
use vipd_config::changes::Kind;
use vipd_config::plan::{Facts, Faulty, Plan, forbidden, plan};
use vipd_lvs::settings::VirtualServerId;

fn instance(name: &str, vrid: u8, lines: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{lines}\nvirtual_ipaddress {{\n{addresses}\n}}\n}}\n"
    )
}

fn service(address: &str, servers: &str) -> String {
    format!("virtual_server {address} 80 {{\nprotocol TCP\n{servers}\n}}\n")
}

fn real(address: &str, weight: u8) -> String {
    format!("real_server {address} 80 {{\nweight {weight}\nTCP_CHECK {{\n}}\n}}\n")
}

fn facts(masters: &[&str], connections: &[(&str, &str, u64)]) -> Facts {
    let connections = connections.iter().map(|(service, server, open)| {
        ((VirtualServerId(format!("[{service}]:tcp:80")), server.parse().unwrap()), *open)
    });
    Facts {
        masters: masters.iter().map(|m| (*m).to_owned()).collect(),
        connections: connections.collect(),
        ..Facts::default()
    }
}

fn said(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|s| format!("{:?} {} [{}]: {}", s.verb, s.what, s.details.join(", "), s.effect)).collect()
}

#[test]
fn nothing_to_do_keeps_everything() {
    let text = instance("A", 7, "", "192.0.2.1") + &service("192.0.2.1", &real("10.0.0.1", 1));
    let plan = plan(&config(&text), &config(&text), &Facts::default());
    assert_eq!(said(&plan), Vec::<String>::new());
    let kept: Vec<String> = plan.kept.iter().map(|(_, what)| what.clone()).collect();
    assert_eq!(
        kept,
        [
            "vrrp_instance A",
            "192.0.2.1 dev eth0",
            "virtual_server [192.0.2.1]:tcp:80",
            "real_server 10.0.0.1:80 of [192.0.2.1]:tcp:80"
        ]
    );
}

#[test]
fn addresses_that_move_between_masters_stay_on_the_host() {
    let old = instance("A", 7, "", "192.0.2.1\n192.0.2.2") + &instance("B", 8, "", "192.0.2.3");
    let new = instance("A", 7, "", "192.0.2.1") + &instance("B", 8, "", "192.0.2.2\n192.0.2.3");
    let moved = |masters: &[&str]| {
        let plan = plan(&config(&old), &config(&new), &facts(masters, &[]));
        assert!(plan.kept.contains(&(Kind::Instance, "vrrp_instance A".to_owned())), "{plan:?}");
        said(&plan)
    };
    assert_eq!(
        moved(&["A", "B"]),
        ["Moved 192.0.2.2 dev eth0 [from A to B]: none: both are MASTER here, and it stays on this host without a gap"]
    );
    assert!(moved(&["A"])[0].ends_with("it leaves this host: its new instance is not MASTER here"));
    assert!(moved(&["B"])[0].ends_with("it comes to this host: its new instance is MASTER here"));
    assert!(moved(&[])[0].ends_with("none: it is not on this host"));
}

#[test]
fn a_master_that_goes_gives_its_addresses_up_before_others_take_theirs() {
    let old = instance("A", 7, "", "192.0.2.1");
    let new = instance("B", 8, "", "192.0.2.9");
    let master = plan(&config(&old), &config(&new), &facts(&["A"], &[]));
    assert_eq!(
        said(&master),
        [
            "Removed vrrp_instance A []: this host gives its addresses up: a peer takes over, or nobody answers for them",
            "Removed 192.0.2.1 dev eth0 [from A]: it is taken off this host, which no longer answers for it",
            "Added vrrp_instance B []: it listens first, and is MASTER when nobody better is heard",
            "Added 192.0.2.9 dev eth0 [to B]: none before the instance is MASTER here",
        ]
    );
    let backup = plan(&config(&old), &config(&new), &facts(&[], &[]));
    assert!(said(&backup)[0].ends_with("none: it is not MASTER here"));
}

#[test]
fn a_renamed_master_stays_one() {
    let old = instance("A", 7, "priority 100", "192.0.2.1");
    let new = instance("B", 7, "priority 100", "192.0.2.1\n192.0.2.2");
    assert_eq!(
        said(&plan(&config(&old), &config(&new), &facts(&["A"], &[]))),
        [
            "Changed vrrp_instance B [was called A, with 192.0.2.2]: its adverts list other addresses: a peer that is not changed \
             alike may drop them",
            "Added 192.0.2.2 dev eth0 [to B]: it is added to this host and announced",
        ]
    );
}

#[test]
fn what_others_must_know_is_told() {
    let old = instance("A", 7, "priority 100", "192.0.2.1");
    let changed =
        |lines: &str| said(&plan(&config(&old), &config(&instance("A", 7, lines, "192.0.2.1")), &facts(&["A"], &[])));
    assert!(changed("priority 90")[0].ends_with("who is MASTER may change"));
    assert!(changed("priority 100\nversion 3")[0].contains("a peer that is not changed alike drops them"));
}

#[test]
fn connections_are_counted() {
    let old = service("192.0.2.1", &(real("10.0.0.1", 1) + &real("10.0.0.2", 1) + &real("10.0.0.3", 1)))
        + &service("192.0.2.2", &real("10.0.0.1", 1));
    let new = service("192.0.2.1", &(real("10.0.0.1", 0) + &real("10.0.0.2", 5) + &real("10.0.0.4", 1)))
        + &service("192.0.2.3", &real("10.0.0.1", 1));
    let open = [("192.0.2.1", "10.0.0.1:80", 7), ("192.0.2.1", "10.0.0.3:80", 1), ("192.0.2.2", "10.0.0.1:80", 4)];
    let plan = plan(&config(&old), &config(&new), &facts(&[], &open));
    assert_eq!(
        said(&plan),
        [
            "Changed real_server 10.0.0.2:80 of [192.0.2.1]:tcp:80 [weight]: those that are open go on; open \
             connections: 0",
            "Added real_server 10.0.0.4:80 of [192.0.2.1]:tcp:80 []: it takes connections at once, unless its checks fail",
            "Changed real_server 10.0.0.1:80 of [192.0.2.1]:tcp:80 [weight]: it drains: those that are open go on, no \
             new one comes; open connections: 7",
            "Removed real_server 10.0.0.3:80 of [192.0.2.1]:tcp:80 []: it takes no more connections, and those \
             it has lose it; open connections: 1",
            "Added virtual_server [192.0.2.3]:tcp:80 []: new connections are spread as soon as its servers pass their checks",
            "Added real_server 10.0.0.1:80 of [192.0.2.3]:tcp:80 [with its virtual server]: it takes connections at once, \
             unless its checks fail",
            "Removed virtual_server [192.0.2.2]:tcp:80 []: it takes no more connections, and the kernel forgets those \
             it has; open connections: 4",
            "Removed real_server 10.0.0.1:80 of [192.0.2.2]:tcp:80 [with its virtual server]: it takes no more connections, \
             and those it has lose it; open connections: 4",
        ]
    );
    let touched: BTreeSet<&str> = plan.steps.iter().map(|s| s.what.as_str()).collect();
    assert!(plan.kept.iter().all(|(_, what)| !touched.contains(what.as_str())), "{plan:?}");
    assert_eq!(plan.kept, [(Kind::Service, "virtual_server [192.0.2.1]:tcp:80".to_owned())]);
}

#[test]
fn an_address_whose_instance_is_another_one_leaves_until_that_is_master() {
    let (old, new) = (instance("A", 51, "", "192.0.2.1"), instance("A", 52, "", "192.0.2.1"));
    let of = |masters: &[&str]| plan(&config(&old), &config(&new), &facts(masters, &[]));
    let address = |plan: &Plan| said(plan).into_iter().find(|s| s.starts_with("Moved")).unwrap();
    assert_eq!(
        address(&of(&["A"])),
        "Moved 192.0.2.1 dev eth0 [from the old A to the new A]: it leaves this host until the new instance is MASTER"
    );
    assert!(address(&of(&[])).ends_with("none: it is not on this host"));
    assert_eq!(of(&["A"]).kept, []);
}

#[test]
fn whatever_may_change_the_master_says_so() {
    let script = |lines: &str| format!("vrrp_script s {{\nscript \"/bin/true\"\n{lines}\n}}\n");
    let base = script("rise 1") + &instance("A", 7, "track_script {\ns\n}", "192.0.2.1");
    let others = [
        script("rise 2") + &instance("A", 7, "track_script {\ns\n}", "192.0.2.1"),
        script("rise 1") + &instance("A", 7, "track_script {\ns weight 5\n}", "192.0.2.1"),
        base.replace("track_script", "state MASTER\ntrack_script"),
        base.replace("track_script", "dont_track_primary\ntrack_script"),
        base.replace("track_script", "down_timer_adverts 5\ntrack_script"),
        format!("{base}vrrp_sync_group G {{\ngroup {{\nA\n}}\n}}\n"),
    ];
    for other in others {
        let steps = said(&plan(&config(&base), &config(&other), &facts(&["A"], &[])));
        assert!(steps.iter().any(|s| s.ends_with("who is MASTER may change")), "{steps:?}");
    }
}

#[test]
fn what_a_reload_refuses_is_forbidden() {
    let (some, none) = (config(&instance("A", 7, "", "192.0.2.1")), config(""));
    assert_eq!(forbidden(&some, &some), None);
    assert_eq!(forbidden(&none, &some), None);
    assert!(forbidden(&some, &none).unwrap().contains("stop the daemon"));
    let mut elsewhere = some.clone();
    elsewhere.global.net_namespace = Some("x".to_owned());
    assert!(forbidden(&some, &elsewhere).unwrap().contains("net_namespace"));
}

#[test]
fn a_peer_more_is_no_other_advert() {
    let peers = |list: &str| instance("A", 7, &format!("unicast_peer {{\n{list}\n}}"), "192.0.2.1");
    let effect = |old: &str, new: &str| said(&plan(&config(old), &config(new), &Facts::default())).join("\n");
    let more = effect(&peers("192.0.2.7"), &peers("192.0.2.7\n192.0.2.8"));
    assert!(more.contains("go to these peers from now on") && !more.contains("drops them"), "{more}");
}

#[test]
fn what_will_be_in_fault_is_foretold_with_its_group_and_what_it_gives_up() {
    let group = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n";
    let three = |addresses: &str| {
        instance("A", 7, "", addresses)
            + &instance("B", 8, "", "192.0.2.3")
            + &instance("C", 9, "", "192.0.2.4")
            + group
    };
    let (old, new) = (three("192.0.2.1"), three("192.0.2.1\n192.0.2.2"));
    let gone = BTreeMap::from([("A".to_owned(), vec!["interface eth9 doesn't exist".to_owned()])]);
    let of =
        |masters: &[&str]| plan(&config(&old), &config(&new), &Facts { faults: gone.clone(), ..facts(masters, &[]) });
    let serving = of(&["A", "B", "C"]);
    let expected = |masters: &[&str]| Faulty {
        instance: "A".to_owned(),
        why: gone["A"].clone(),
        group: Some("G".to_owned()),
        masters: masters.iter().map(|m| (*m).to_owned()).collect(),
    };
    assert_eq!(serving.faults, [expected(&["A", "B"])]);
    let text = said(&serving).join("\n");
    assert!(text.contains("192.0.2.2 dev eth0 [to A]: none while the instance is in FAULT"), "{text}");
    assert_eq!(of(&["C"]).faults, [expected(&[])]);
    // A member that changes says it, too, though nothing is wrong with itself.
    let changed = config(&new.replace("virtual_router_id 8", "virtual_router_id 8\npriority 7"));
    let changed = plan(&config(&old), &changed, &Facts { faults: gone.clone(), ..facts(&["A", "B"], &[]) });
    let said = said(&changed);
    assert!(
        said.iter().any(|s| s.starts_with("Changed vrrp_instance B") && s.contains("will be in FAULT")),
        "{said:?}"
    );
    let well = plan(&config(&old), &config(&new), &facts(&["A"], &[]));
    assert_eq!(well.faults, []);
}
