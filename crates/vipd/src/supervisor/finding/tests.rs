//! Tests of real servers that are found: real files, roles without a process whose queues show what they were told.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use super::super::tests::{play, supervisor, told};
use super::*;
use crate::message::{FromRole, Part};
use std::fs;
use std::net::SocketAddr;
use tempfile::TempDir;
use vipd_config::discovery::Server;
use vipd_config::model::Config;

const TEXT: &str = "virtual_server 192.0.2.1 80 {\n protocol TCP\n servers_from_file FILE {\n weight 3\n TCP_CHECK {\n }\n }\n \
    servers_from_dns web.example.org {\n }\n}\n";

fn config(directory: &TempDir, text: &str) -> Arc<Config> {
    let text = text.replace("FILE", directory.path().join("servers").to_str().unwrap());
    Arc::new(vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap())
}

/// A supervisor with that configuration, whose files are in a directory of its own.
fn one_with(directory: &TempDir, text: &str) -> (Supervisor, mpsc::Receiver<Event>) {
    let (mut supervisor, queue) = supervisor();
    supervisor.plan.role_options.socket = directory.path().join("sock").to_str().unwrap().to_owned();
    supervisor.plan.roles.clear(); // none is started
    supervisor.file = config(directory, text);
    supervisor.config = Arc::clone(&supervisor.file);
    supervisor.old = Arc::clone(&supervisor.file);
    supervisor.inherit_found();
    supervisor.inherit_orders();
    supervisor.find_servers();
    (supervisor, queue)
}

/// Handles what comes until that is so; fails if it never is.
async fn until(supervisor: &mut Supervisor, queue: &mut mpsc::Receiver<Event>, so: impl Fn(&Supervisor) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so(supervisor) {
        let event = timeout_at(end, queue.recv()).await.expect("nothing more comes").unwrap();
        supervisor.handle(event);
    }
}

fn in_force(supervisor: &Supervisor) -> Vec<String> {
    let servers = &supervisor.config.services[0].lvs.real_servers;
    servers.iter().map(|real| format!("{} {}", real.address, real.weight)).collect()
}

fn parts(told: Vec<ToRole>) -> Vec<Part> {
    let part = |message| if let ToRole::Configure(configure) = message { Some(configure.part) } else { None };
    told.into_iter().filter_map(part).collect()
}

fn events(supervisor: &Supervisor) -> Vec<String> {
    let all = supervisor.record.all().into_iter().filter(|event| event.kind == "discovery");
    all.map(|event| format!("{}: {}: {}", event.subject, event.what, event.cause)).collect()
}

#[tokio::test]
async fn the_roles_get_what_a_file_says_and_no_more() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("servers");
    fs::write(&path, "10.0.0.1 80\n10.0.0.2 80 weight 5\n").unwrap();
    let (mut supervisor, mut queue) = one_with(&directory, TEXT);
    let mut director = play(&mut supervisor, RoleName::Director, 64);
    until(&mut supervisor, &mut queue, |s| in_force(s) == ["10.0.0.1:80 3", "10.0.0.2:80 5"]).await;
    let parts = parts(told(&mut director));
    let [part] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(part.config.services[0].lvs.real_servers.len(), 2);
    let joined = events(&supervisor);
    assert_eq!(joined.len(), 2);
    assert!(
        joined[0].starts_with("real_server 10.0.0.1:80 of ") && joined[0].contains(": joined: file "),
        "{joined:?}"
    );
    // A wrong line: nothing changes, and it is told which.
    fs::write(&path, "10.0.0.1 80\n10.0.0.3\n").unwrap();
    until(&mut supervisor, &mut queue, |s| events(s).len() == 3).await;
    let told_last = events(&supervisor).pop().unwrap();
    assert!(told_last.contains(": stale: line 2: the port is missing"), "{told_last}");
    assert_eq!(in_force(&supervisor), ["10.0.0.1:80 3", "10.0.0.2:80 5"]);
    // Another one in its place.
    fs::write(directory.path().join("next"), "10.0.0.2 80\n10.0.0.3 80\n").unwrap();
    fs::rename(directory.path().join("next"), &path).unwrap();
    until(&mut supervisor, &mut queue, |s| in_force(s) == ["10.0.0.2:80 3", "10.0.0.3:80 3"]).await;
    assert!(events(&supervisor).iter().any(|e| e.contains("10.0.0.1:80") && e.contains(": left: ")));
    assert!(events(&supervisor).iter().any(|e| e.contains(": fresh: ")));
    // It goes: they stay.
    fs::remove_file(&path).unwrap();
    until(&mut supervisor, &mut queue, |s| events(s).last().unwrap().contains("No such file")).await;
    assert_eq!(in_force(&supervisor).len(), 2);
    // A daemon that follows begins with them, though there is nothing to read.
    let (follower, _queue) = one_with(&directory, TEXT);
    assert_eq!(in_force(&follower), ["10.0.0.2:80 3", "10.0.0.3:80 3"]);
}

#[tokio::test]
async fn only_what_was_asked_for_is_believed_and_only_of_check() {
    let directory = TempDir::new().unwrap();
    let (mut supervisor, _queue) = one_with(&directory, TEXT);
    let mut check = play(&mut supervisor, RoleName::Check, 64);
    let _director = play(&mut supervisor, RoleName::Director, 64);
    let lookup = supervisor.lookups[0].0.clone();
    let server = Server { address: "10.0.0.5:80".parse().unwrap(), weight: None };
    let answer = |lookup: &Lookup| FromRole::Found {
        lookup: lookup.clone(),
        outcome: Ok(vec![server]),
        again: Duration::from_secs(5),
    };
    supervisor.heard(RoleName::Director, 1, answer(&lookup));
    let other = Lookup { name: "other.example.org".to_owned(), ..lookup.clone() };
    supervisor.heard(RoleName::Check, 1, answer(&other));
    assert!(in_force(&supervisor).is_empty() && supervisor.next_looks.is_empty());
    supervisor.heard(RoleName::Check, 1, answer(&lookup));
    assert_eq!(in_force(&supervisor), ["10.0.0.5:80 1"]);
    assert_eq!(supervisor.next_looks.len(), 1);
    told(&mut check);
    supervisor.tell_lookups();
    assert!(matches!(&told(&mut check)[..], [ToRole::Lookups(all)] if *all == [lookup]));
}

#[tokio::test]
async fn orders_lie_on_top_and_end_with_their_server() {
    use vipd_api::{ServerOrder, ServerWish};
    let directory = TempDir::new().unwrap();
    let (mut supervisor, _queue) = one_with(&directory, TEXT);
    let lookup = supervisor.lookups[0].0.clone();
    let found = |supervisor: &mut Supervisor, last: &[u8]| {
        let server = |n: &u8| Server { address: SocketAddr::from(([10, 0, 0, *n], 80)), weight: None };
        let outcome = Ok(last.iter().map(server).collect());
        supervisor.lookup_says(lookup.clone(), &outcome, Duration::from_secs(5));
    };
    found(&mut supervisor, &[5, 6]);
    let order = ServerOrder {
        service: "192.0.2.1:80".to_owned(),
        server: "10.0.0.5".to_owned(),
        wish: ServerWish::Weight { weight: 77 },
        until_reload: true,
    };
    let caller = super::super::Caller { console: 1, id: 1 };
    supervisor.order(caller, Some(0), &order);
    assert_eq!(in_force(&supervisor), ["10.0.0.5:80 77", "10.0.0.6:80 1"]);
    // Another server joins: the order stays, also one that lasts until a reload.
    found(&mut supervisor, &[4, 5, 6]);
    assert_eq!(in_force(&supervisor), ["10.0.0.4:80 1", "10.0.0.5:80 77", "10.0.0.6:80 1"]);
    found(&mut supervisor, &[4]);
    assert!(supervisor.orders_on_servers.all().is_empty());
    assert!(supervisor.record.all().iter().any(|e| e.kind == "order" && e.what.contains("weight 77 ended")));
    // What is known may be old: said, and nothing else.
    let why = Err("NXDOMAIN".to_owned());
    supervisor.lookup_says(lookup.clone(), &why, Duration::from_secs(5));
    assert_eq!(in_force(&supervisor), ["10.0.0.4:80 1"]);
    let mut status = Status {
        services: vec![vipd_api::ServiceStatus {
            name: "[192.0.2.1]:tcp:80".to_owned(),
            real_servers: vec![vipd_api::RealServerStatus { address: "10.0.0.4:80".to_owned(), ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    supervisor.fill_in_found(&mut status);
    let service = &status.services[0];
    assert_eq!(service.real_servers[0].found.as_ref().unwrap().from, "DNS A web.example.org");
    let [file, dns] = &service.found_at[..] else { panic!("{:?}", service.found_at) };
    assert_eq!((file.servers, file.seen), (0, None));
    assert_eq!((dns.servers, dns.stale.as_ref().unwrap().why.as_str()), (1, "NXDOMAIN"));
    assert!(dns.seen.is_some() && dns.next_look.is_some());
}

#[tokio::test]
async fn what_is_known_is_told_to_a_virtual_server_that_comes_to_follow_the_same() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("servers"), "10.0.0.1 80\n").unwrap();
    let (mut supervisor, mut queue) = one_with(&directory, TEXT);
    until(&mut supervisor, &mut queue, |s| in_force(s).len() == 1).await;
    let more = TEXT.to_owned() + &TEXT.replace("192.0.2.1 80", "192.0.2.2 80");
    supervisor.file = config(&directory, &more);
    supervisor.grown = Arc::new(supervisor.found.on_top_of(&supervisor.file));
    supervisor.config = Arc::new(supervisor.orders_on_servers.on_top_of(&supervisor.grown));
    supervisor.find_servers();
    until(&mut supervisor, &mut queue, |s| s.config.services[1].lvs.real_servers.len() == 1).await;
    assert_eq!(in_force(&supervisor), ["10.0.0.1:80 3"]);
}
