//! `vipd plan` foretells what a reload does, beside a running daemon and without one.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);

/// The exit status of a command of vipd on that host, and what it printed.
fn command(host: &Host, arguments: &[&str], socket: &str) -> (i32, String) {
    let output = host.command(vipd()).args(arguments).arg("--socket").arg(host.path(socket)).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    println!("{arguments:?}: {}\n{text}", output.status);
    (output.status.code().unwrap(), text)
}

#[test]
fn a_plan_is_what_the_reload_does() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let plan = |conf: &str, socket: &str| {
        let file = one.write("planned.conf", conf);
        command(&one, &["plan", file.to_str().unwrap()], socket)
    };
    let mut first = Instance::new(3, 150, "0.3");
    first.addresses.push("10.77.0.101/32".to_owned());
    let mut second = Instance { name: "VI_2".to_owned(), vrid: 52, ..Instance::new(3, 150, "0.3") };
    second.addresses = vec!["10.77.0.102/32".to_owned()];
    let old = first.text() + &second.text();
    // One address moves, one is new.
    second.addresses.extend(first.addresses.pop());
    second.addresses.push("10.77.0.103/32".to_owned());
    let new = first.text() + &second.text();

    let a = Director::start(Kind::Vipd, &one, &old);
    a.wait_master(VIP, LONG);
    a.wait_master("10.77.0.102", LONG);
    wait_for("both are MASTER", LONG, || a.status().is_some_and(|s| s.instances.iter().all(|i| i.state == "MASTER")));
    let (status, text) = plan(&old, "socket");
    assert!(status == 0 && text.contains("nothing to do"), "{text}");
    let (status, text) = plan(&new, "socket");
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("> 10.77.0.101 dev eth0 (from VI_1 to VI_2)"), "{text}");
    assert!(text.contains("it stays on this host without a gap"), "{text}");
    assert!(text.contains("+ 10.77.0.103 dev eth0 (to VI_2)"), "{text}");
    let (status, text) = plan(&new.replace("interface", "interfcae"), "socket");
    assert!(status == 2 && text.contains("a reload would be refused"), "{text}");
    let (status, text) = plan("", "socket");
    assert!(status == 2 && text.contains("stop the daemon"), "{text}");
    let (status, text) = plan(&format!("net_namespace other\n{old}"), "socket");
    assert!(status == 2 && text.contains("net_namespace can't change"), "{text}");

    one.write("director.conf", &new);
    assert_eq!(command(&one, &["reload"], "socket").0, 0);
    let (status, text) = plan(&new, "socket");
    assert!(status == 0 && text.contains("compared with the running daemon"), "{text}");

    let (status, text) = plan(&new, "nobody");
    assert!(status == 3 && text.contains("compared with what the kernel holds"), "{text}");
}

#[test]
fn a_plan_reads_the_file_as_the_daemon_does() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let conf = Instance::new(3, 150, "0.3").text();
    let conf = conf.replace("priority 150", "@left priority 150\n    @right priority 100");
    let a = Director::start_with(Kind::Vipd, &one, &conf, &["-i", "left", "-s", &one.namespace]);
    a.wait_master(VIP, LONG);
    let file = one.write("planned.conf", &format!("net_namespace other\n{conf}"));
    let file = file.to_str().unwrap();
    let (status, text) = command(&one, &["plan", file], "socket");
    assert!(status == 0 && text.contains("nothing to do"), "{text}");
    let (status, text) = command(&one, &["plan", "-i", "right", file], "socket");
    assert!(status == 3 && text.contains("priority"), "{text}");
}

#[test]
fn a_plan_foretells_what_will_be_in_fault() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let first = Instance::new(3, 150, "0.3");
    let mut second = Instance { name: "VI_2".to_owned(), vrid: 52, ..Instance::new(3, 150, "0.3") };
    second.addresses = vec!["10.77.0.102/32".to_owned()];
    let group = "vrrp_sync_group G {\n  group {\n    VI_1\n    VI_2\n  }\n}\n";
    let old = first.text() + &second.text() + group;
    let new = first.text().replace("eth0", "eth9") + &second.text() + group;
    let file = one.write("planned.conf", &new);
    // From elsewhere: the host is the daemon's.
    let plan = |socket: &str, extra: &[&str]| {
        let mut command = std::process::Command::new(vipd());
        let output = command.arg("plan").arg(&file).args(extra).arg("--socket").arg(one.path(socket)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        println!("{}\n{text}", output.status);
        text
    };
    let foretold = "VI_1: will be FAULT: interface eth9 doesn't exist; its sync group G with it";
    let text = command(&one, &["plan", file.to_str().unwrap()], "nobody").1;
    assert!(text.contains(foretold), "{text}");

    let a = Director::start(Kind::Vipd, &one, &old);
    let all = |state: &str| a.status().is_some_and(|s| s.instances.iter().all(|i| i.state == state));
    wait_for("both are MASTER", LONG, || all("MASTER"));
    let text = plan("socket", &[]);
    let lost = format!("{foretold}; addresses that are here now are given up: those of VI_2\n");
    assert!(text.contains(&lost) && text.contains("vrrp_instance VI_1"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&plan("socket", &["--json"])).unwrap();
    assert_eq!(json["faults"][0]["group"], "G", "{json}");

    one.write("director.conf", &new);
    assert_eq!(command(&one, &["reload"], "socket").0, 0);
    wait_for("both are in FAULT", LONG, || all("FAULT"));
    let text = plan("socket", &[]);
    assert!(text.contains("nothing to do") && text.contains(&format!("{foretold}\n")), "{text}");
}
