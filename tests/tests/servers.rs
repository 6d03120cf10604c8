//! Orders of operators for real servers: what they change, who is told, and what they outlive. Their connections are counted in
//! the virtual machine (`vm_director`).

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::time::Duration;
use vipd_api::{RealServerStatus, ServiceStatus};
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;
use vipd_tests::web::{Site, serve};

const LONG: Duration = Duration::from_secs(15);
const NAME: &str = "[10.77.0.100]:tcp:80";

/// The exit status of a command of vipd on that host, and what it printed.
fn vipd_says(host: &Host, arguments: &str) -> (i32, String) {
    let mut command = host.command(vipd());
    let output = command.args(arguments.split_whitespace()).arg("--socket").arg(host.path("socket")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    println!("  $ vipd {arguments}: {}\n{text}", output.status);
    (output.status.code().unwrap(), text)
}

#[track_caller]
fn done(host: &Host, arguments: &str) -> String {
    let (status, text) = vipd_says(host, arguments);
    assert_eq!(status, 0, "{text}");
    text
}

fn conf(delay_loop: u8, second: &str) -> String {
    let check = "TCP_CHECK {\n connect_timeout 1\n retry 0\n }";
    let service = |port: u16, servers: &[&str]| {
        let real = |address: &&str| format!(" real_server {address} {port} {{\n weight 2\n {check}\n }}\n");
        let servers: String = servers.iter().map(real).collect();
        format!(
            "virtual_server 10.77.0.100 {port} {{\n delay_loop {delay_loop}\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n{servers}}}\n"
        )
    };
    service(80, &["10.77.0.11", second]) + &service(81, &["10.77.0.11"])
}

fn service(director: &Director, name: &str) -> Option<ServiceStatus> {
    director.status()?.services.into_iter().find(|service| service.name == name)
}

fn server(director: &Director, address: &str) -> Option<RealServerStatus> {
    service(director, NAME)?.real_servers.into_iter().find(|real| real.address == address)
}

fn order(director: &Director, address: &str) -> String {
    server(director, address).and_then(|real| real.order).map(|order| order.what).unwrap_or_default()
}

#[test]
fn what_an_operator_wants_of_a_server_outlives_reloads_and_the_daemon() {
    let mut lab = Lab::new();
    let (host, web) = (lab.host(1), lab.host(11));
    for address in ["10.77.0.12/24", "10.77.0.13/24"] {
        web.ip(&format!("addr add {address} dev eth0"));
    }
    let site = Site::saying("web", &["80", "81"]);
    let _web = serve(&web, "web", &site);
    let mut director = Director::start(Kind::Vipd, &host, &conf(1, "10.77.0.12"));
    let alive = |director: &Director, address: &str| {
        server(director, address).is_some_and(|real| real.alive && real.why.contains("connected"))
    };
    wait_for("both are up", LONG, || ["10.77.0.11:80", "10.77.0.12:80"].iter().all(|a| alive(&director, a)));

    // Whose it is and since when: in the status and as an event.
    let told = done(&host, "server drain 10.77.0.100:80 10.77.0.12 --no-wait");
    assert!(told.starts_with("real_server 10.77.0.12:80 of virtual_server [10.77.0.100]:tcp:80: drain\n"), "{told}");
    let drains = server(&director, "10.77.0.12:80").unwrap().order.unwrap();
    assert_eq!((drains.what.as_str(), drains.by.as_str()), ("drain", "an operator (uid 0)"));
    assert_eq!(service(&director, NAME).unwrap().live_weight, 2, "one that drains does not count");
    let events = done(&host, "events");
    let drained = "real_server 10.77.0.12:80 of virtual_server [10.77.0.100]:tcp:80";
    assert!(events.lines().any(|l| l.contains(drained) && l.contains("drain") && l.contains("uid 0")), "{events}");

    // Nor does the death of those who act on it.
    for role in ["director", "check"] {
        let before = director.role(role);
        signal_pid(before, Signal::KILL);
        wait_for("another one runs", LONG, || ![0, before].contains(&director.role(role)));
    }
    wait_for("it is as before", LONG, || {
        let service = service(&director, NAME).unwrap_or_default();
        service.live_weight == 2 && service.real_servers.iter().all(|real| real.alive && !real.checks.is_empty())
    });

    // A reload does not end it, but for one that is to end then. Its checks go on.
    done(&host, "server weight all 10.77.0.11 7 --until-reload");
    assert_eq!(order(&director, "10.77.0.11:80"), "weight 7");
    assert_eq!(service(&director, NAME).unwrap().live_weight, 7);
    let file = host.write("planned.conf", &conf(2, "10.77.0.12"));
    let (_, plan) = vipd_says(&host, &format!("plan {}", file.display()));
    assert!(plan.contains("ends an operator's order: weight 7 of real_server 10.77.0.11:81"), "{plan}");
    assert!(plan.contains("stays an operator's order: drain of real_server 10.77.0.12:80"), "{plan}");
    assert!(plan.contains("(weight, checks)"), "{plan}");
    host.write("director.conf", &conf(2, "10.77.0.12"));
    done(&host, "reload");
    assert_eq!(order(&director, "10.77.0.11:80"), "");
    assert_eq!((order(&director, "10.77.0.12:80").as_str(), alive(&director, "10.77.0.12:80")), ("drain", true));
    assert_eq!(service(&director, NAME).unwrap().live_weight, 2);
    let events = done(&host, "events");
    assert!(events.contains("weight 7 ended") && events.contains("it was to last until a reload"), "{events}");

    // One that the file doesn't have: it proves itself, and goes with its order.
    let added = done(&host, "server add 10.77.0.100:80 10.77.0.13 --weight 5 --like 10.77.0.12");
    assert!(added.contains("reached and checked like 10.77.0.12:80"), "{added}");
    wait_for("the new one is up", LONG, || alive(&director, "10.77.0.13:80"));
    assert_eq!(service(&director, NAME).unwrap().live_weight, 7);
    let (status, told) = vipd_says(&host, "server add 10.77.0.100:80 10.77.0.13");
    assert!(status == 1 && told.contains("is a real server of [10.77.0.100]:tcp:80 already"), "{told}");
    assert!(done(&host, "events").contains("already; an operator (uid 0) wants it"));
    done(&host, "server remove 10.77.0.100:81 10.77.0.11");
    let removed = service(&director, "[10.77.0.100]:tcp:81").unwrap();
    assert!(removed.real_servers.is_empty() && removed.state == "down", "{removed:?}");
    assert_eq!(removed.removed_servers[0].address, "10.77.0.11:81");

    // Everything dies; what was wanted is wanted still.
    director.kill();
    let mut director = Director::start(Kind::Vipd, &host, &conf(2, "10.77.0.12"));
    wait_for("it answers", LONG, || alive(&director, "10.77.0.13:80"));
    assert_eq!(order(&director, "10.77.0.12:80"), "drain");
    assert_eq!(order(&director, "10.77.0.13:80"), "added");
    assert_eq!(service(&director, "[10.77.0.100]:tcp:81").unwrap().removed_servers.len(), 1);

    // The file has it now; and another one no more.
    host.write("director.conf", &conf(2, "10.77.0.13"));
    done(&host, "reload");
    let names: Vec<String> = service(&director, NAME).unwrap().real_servers.into_iter().map(|r| r.address).collect();
    assert_eq!(names, ["10.77.0.11:80", "10.77.0.13:80"]);
    assert_eq!(order(&director, "10.77.0.13:80"), "");
    let events = done(&host, "events");
    assert!(events.contains("the file has the server now"), "{events}");
    assert!(events.contains("the real server is no longer configured"), "{events}");

    // A drain has an end, also if nobody waits for it.
    done(&host, "server drain 10.77.0.100:80 10.77.0.13:80 --deadline 1s --no-wait");
    wait_for("the deadline has come", LONG, || order(&director, "10.77.0.13:80") == "down");
    assert!(done(&host, "events").contains("it has drained until its deadline"));
    let (status, told) = vipd_says(&host, "server drain 10.77.0.100:80 10.77.0.14");
    assert!(status == 1 && told.contains("there is 10.77.0.11:80, 10.77.0.13:80"), "{told}");
    done(&host, "server ready all 10.77.0.13");
    done(&host, "server ready all 10.77.0.11");
    assert!(service(&director, "[10.77.0.100]:tcp:81").unwrap().removed_servers.is_empty());
    assert!(!host.path("socket.orders").exists(), "nothing is wanted any more");
    director.stop();
}
