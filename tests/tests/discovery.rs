//! Real servers that are found while the daemon runs: in a file that is edited and replaced, and behind a name whose server
//! changes its mind, falls silent and comes back. What becomes of the kernel's table is seen in the virtual machine (`vm_director`).

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::fs;
use std::time::Duration;
use vipd_api::{RealServerStatus, ServiceStatus, StaleStatus};
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::Proc;
use vipd_tests::wait_for;
use vipd_tests::web::{Site, serve};

const LONG: Duration = Duration::from_secs(20);

fn service(director: &Director, port: u16) -> ServiceStatus {
    let name = format!("[10.77.0.100]:tcp:{port}");
    let services = director.status().map(|status| status.services);
    services.into_iter().flatten().find(|service| service.name == name).unwrap_or_default()
}

/// The real servers of a virtual server that are up by what a check says: `10.77.0.11:80 2`.
fn up(director: &Director, port: u16) -> Vec<String> {
    let alive = |real: &RealServerStatus| real.alive && real.why.contains("connected");
    let servers = service(director, port).real_servers.into_iter().filter(alive);
    servers.map(|real| format!("{} {}", real.address, real.configured_weight)).collect()
}

/// Why what is found at its first place may be old.
fn stale(director: &Director) -> Option<StaleStatus> {
    service(director, 80).found_at.into_iter().next()?.stale
}

fn events(host: &Host) -> String {
    let output = host.command(vipd()).args(["events", "--socket"]).arg(host.path("socket")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn conf(more: &str, from: &str) -> String {
    format!(
        "virtual_server 10.77.0.100 80 {{\n delay_loop 1\n lvs_sched wrr\n lvs_method NAT\n protocol TCP\n alpha\n{more}\n \
         {from} {{\n weight 2\n TCP_CHECK {{\n connect_timeout 1\n retry 0\n }}\n WORDS\n }}\n}}\n"
    )
}

/// A host with a site on three addresses.
fn web(lab: &mut Lab) -> (Host, Proc) {
    let web = lab.host(11);
    for address in ["10.77.0.12/24", "10.77.0.13/24"] {
        web.ip(&format!("addr add {address} dev eth0"));
    }
    let site = Site::saying("web", &["80", "81"]);
    let served = serve(&web, "web", &site);
    (web, served)
}

#[test]
fn the_servers_of_a_file_come_and_go_with_its_lines() {
    let mut lab = Lab::new();
    let host = lab.host(1);
    let (_web, _served) = web(&mut lab);
    let list = host.write("web.servers", "10.77.0.11 80\n10.77.0.12 80 weight 5 # the big one\n");
    let text = conf("", &format!("servers_from_file {}", list.display())).replace("WORDS", "");
    let mut director = Director::start(Kind::Vipd, &host, &text);
    wait_for("both are up", LONG, || up(&director, 80) == ["10.77.0.11:80 2", "10.77.0.12:80 5"]);
    let first = service(&director, 80).real_servers.remove(0);
    assert_eq!(first.found.unwrap().from, format!("file {}", list.display()));
    let since = first.since;

    // Edited in place: one leaves, one joins, one stays as it was.
    fs::write(&list, "10.77.0.11 80\n10.77.0.13 80\n").unwrap();
    wait_for("one has left and one joined", LONG, || up(&director, 80) == ["10.77.0.11:80 2", "10.77.0.13:80 2"]);
    assert_eq!(service(&director, 80).real_servers[0].since, since, "it was not touched");

    // A line that is wrong, and nothing at all: all stay.
    for (text, why) in [("10.77.0.11 80\n10.77.0.12\n", "line 2: the port is missing"), ("", "it names no server")] {
        fs::write(&list, text).unwrap();
        wait_for(why, LONG, || stale(&director).is_some_and(|stale| stale.why.contains(why)));
        assert_eq!(up(&director, 80), ["10.77.0.11:80 2", "10.77.0.13:80 2"]);
    }

    // Replaced by another one.
    let next = host.write("next", "10.77.0.12 80\n");
    fs::rename(next, &list).unwrap();
    wait_for("only one is left", LONG, || up(&director, 80) == ["10.77.0.12:80 2"]);
    let told = events(&host);
    for what in ["10.77.0.12:80", "joined", "left", "stale", "fresh", "no longer names it"] {
        assert!(told.contains(what), "{what}: {told}");
    }

    // A reload gives what is found other words; the file is gone, and a daemon that follows begins with what is known.
    fs::remove_file(&list).unwrap();
    director.reload(&text.replace("weight 2", "weight 4"));
    wait_for("it weighs otherwise", LONG, || up(&director, 80) == ["10.77.0.12:80 4"]);
    director.kill();
    let director = Director::start(Kind::Vipd, &host, &text);
    wait_for("it is still there", LONG, || up(&director, 80) == ["10.77.0.12:80 2"]);
    wait_for("it says so", LONG, || stale(&director).is_some());
}

/// A name server that knows these records alone.
fn name_server(host: &Host, records: &[&str]) -> Proc {
    let mut command = host.command("dnsmasq");
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--listen-address=10.77.0.11"]);
    command
        .args(["--bind-interfaces", "--port=5353", "--local=/example/", "--local-ttl=1", "--pid-file"])
        .args(records);
    host.spawn("dnsmasq", &mut command)
}

#[test]
fn the_servers_behind_a_name_are_those_of_its_last_answer() {
    let mut lab = Lab::new();
    let host = lab.host(1);
    let (web, _served) = web(&mut lab);
    let asked = "resolver 10.77.0.11\n resolver_port 5353\n min_ttl 1\n max_ttl 2";
    let srv = conf("", "servers_from_dns _web._tcp.site.example").replace("WORDS", &format!("type SRV\n {asked}"));
    let text = conf("", "servers_from_dns web.example").replace("WORDS", asked) + &srv.replace(".100 80", ".100 81");
    let services = |target: &str| {
        ["11", "12"].map(|last| format!("--srv-host=_web._tcp.site.example,{target}{last}.example,80,1,{last}"))
    };
    let two = ["11", "12", "13"].map(|last| format!("--host-record=s{last}.example,10.77.0.{last}"));
    let records = |web: &[&str]| -> Vec<String> {
        let web = web.iter().map(|last| format!("--host-record=web.example,10.77.0.{last}"));
        web.chain(services("s")).chain(two.clone()).collect()
    };
    let start = |last: &[&str]| {
        let records = records(last);
        name_server(&web, &records.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // A reload brings the names, where nothing was checked until then; and nobody answers.
    let bare = "virtual_server 10.77.0.100 80 {\n protocol TCP\n real_server 10.77.0.11 80 {\n }\n}\n";
    let director = Director::start(Kind::Vipd, &host, bare);
    wait_for("it serves without a check", LONG, || service(&director, 80).real_servers.len() == 1);
    assert!(director.status().unwrap().roles.iter().all(|role| role.name != "check"));
    director.reload(&text);
    wait_for("it is told that nobody answers", LONG, || {
        stale(&director).is_some_and(|stale| !stale.why.contains("looked at"))
    });
    // What it had before stays until somebody does.
    wait_for("it serves with a check", LONG, || up(&director, 80) == ["10.77.0.11:80 1"]);

    let mut server = start(&["11"]);
    wait_for("one server of A records", LONG, || up(&director, 80) == ["10.77.0.11:80 2"]);
    wait_for("two of SRV records, with weights", LONG, || {
        up(&director, 81) == ["10.77.0.11:80 11", "10.77.0.12:80 12"]
    });

    // Silence: all stay, and it is said since when.
    server.signal(rustix::process::Signal::KILL);
    server.wait(LONG);
    wait_for("what is known may be old", LONG, || stale(&director).is_some());
    assert_eq!(up(&director, 80), ["10.77.0.11:80 2"]);

    // Another answer; then there is no such name any more.
    let mut server = start(&["12", "13"]);
    wait_for("two others", LONG, || up(&director, 80) == ["10.77.0.12:80 2", "10.77.0.13:80 2"]);
    server.signal(rustix::process::Signal::KILL);
    server.wait(LONG);
    let _server = start(&[]);
    wait_for("there is no such name", LONG, || stale(&director).is_some_and(|stale| stale.why.contains("NXDOMAIN")));
    assert_eq!(up(&director, 80), ["10.77.0.12:80 2", "10.77.0.13:80 2"]);
    let told = events(&host);
    assert!(told.contains("DNS A web.example says so") && told.contains("no longer names it"), "{told}");
}
