//! The stream of events: everything that happens has a number, and nothing is lost on the way but what is said to be.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use rustix::process::Signal;
use std::process::Command;
use std::time::Duration;
use vipd_api::{Event, Item};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind, vipd};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::{Proc, signal_pid};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(20);

fn items(text: &str) -> Vec<Item> {
    // The last line may be on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn events(items: &[Item]) -> Vec<&Event> {
    items.iter().filter_map(|item| if let Item::Event(event) = item { Some(event) } else { None }).collect()
}

fn boots(items: &[Item]) -> Vec<&str> {
    items
        .iter()
        .filter_map(|item| if let Item::Boot { boot, .. } = item { Some(boot.as_str()) } else { None })
        .collect()
}

fn follow(host: &Host, name: &str, more: &[&str]) -> Proc {
    let mut command = Command::new(vipd());
    command.args(["events", "--json", "--follow"]).args(more).arg("--socket").arg(host.path("socket"));
    host.spawn(name, &mut command)
}

/// What `vipd events` prints.
fn ask(host: &Host, more: &[&str]) -> String {
    let output =
        Command::new(vipd()).arg("events").args(more).arg("--socket").arg(host.path("socket")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the follower has seen that, after the event of this number; the number of it.
#[track_caller]
fn seen(follower: &Proc, after: u64, kind: &str, subject: &str, what: &str) -> u64 {
    let mut found = None;
    wait_for(&format!("{kind} {subject} {what} after {after}"), LONG, || {
        let items = items(&follower.output());
        let fits = |e: &&&Event| e.seq > after && e.kind == kind && e.subject == subject && e.what == what;
        found = events(&items).iter().find(fits).map(|e| e.seq);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn everything_that_happens_is_told_once_in_order_and_survives_the_death_of_roles() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let flag = one.path("down");
    let conf = |priority| {
        let script = format!(
            "vrrp_script chk {{\n script \"/usr/bin/test ! -e {}\"\n interval 1\n weight -10\n user root\n}}\n",
            flag.display()
        );
        let instance =
            Instance::new(3, priority, "0.2").with("track_script {\n chk\n}\nnotify_master \"/bin/sleep 0.2\" root");
        script + &instance.text()
    };
    let mut a = Director::start(Kind::Vipd, &one, &conf(150));
    a.wait_master(VIP, LONG);
    let follower = follow(&one, "followed", &[]);
    let vi = "vrrp_instance VI_1";
    assert_eq!(seen(&follower, 0, "daemon", "vipd", "started"), 1);
    let master = seen(&follower, 0, "transition", vi, "MASTER");
    seen(&follower, master, "hook", vi, "success");
    // Somebody removes the address.
    one.ip(&format!("addr del {VIP}/32 dev eth0"));
    seen(&follower, master, "address", &format!("{VIP} dev eth0"), "restored");
    // A tracker fails.
    std::fs::write(&flag, "").unwrap();
    let bad = seen(&follower, master, "tracker", "vrrp_script chk", "bad");
    seen(&follower, bad, "priority", vi, "140");
    // A reload, one that is refused, and an operator.
    a.reload(&conf(151).replace("interval 1", "interval 2"));
    let reloaded = seen(&follower, bad, "reload", "configuration", "in force");
    a.reload("vrrp_instance {\n");
    let refused = seen(&follower, reloaded, "reload", "configuration", "refused");
    let words = ["switchover", "VI_1", "--no-wait", "--socket"];
    let done = Command::new(vipd()).args(words).arg(one.path("socket")).output().unwrap();
    assert!(done.status.success());
    let order = seen(&follower, reloaded, "order", "VI_1", "hand over");
    let left = seen(&follower, order, "transition", vi, "BACKUP");
    let back = seen(&follower, left, "transition", vi, "MASTER");
    // The role that decides dies, then the one that the follower hears.
    signal_pid(a.role("vrrp"), Signal::KILL);
    let gone = seen(&follower, back, "role", "vrrp", "gone");
    signal_pid(a.role("console"), Signal::KILL);
    let console = seen(&follower, gone, "role", "console", "gone");
    one.ip("link set eth0 down");
    let fault = seen(&follower, console, "transition", vi, "FAULT");
    seen(&follower, back, "hook", vi, "success"); // whose transition was the last that has one
    let items = items(&follower.output());
    let events = events(&items);
    let numbers: Vec<u64> = events.iter().map(|e| e.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each once, in order, without a gap");
    let cause = |seq: u64| events[usize::try_from(seq).unwrap() - 1].cause.clone();
    let changed = cause(reloaded);
    let both = ["changed vrrp_instance VI_1", "changed vrrp_script chk"];
    assert!(changed.starts_with("2 changes: ") && both.iter().all(|one| changed.contains(one)), "{changed}");
    let place = format!("{}:1:1: error[V0207]", one.path("director.conf").display());
    assert!(cause(refused).starts_with(&place), "{}", cause(refused));
    assert_eq!(cause(bad), "exit status 1");
    assert!(cause(fault).contains("eth0"), "{}", cause(fault));
    assert_eq!(boots(&items).len(), 1);

    // What is asked for later is the same; from a number on, what came after it.
    let followed = follower.output();
    let all = ask(&one, &["--json"]);
    assert!(all.starts_with(followed.trim_end()), "{all}");
    let since = ask(&one, &["--since", &back.to_string()]);
    println!("{since}");
    assert!(since.lines().nth(1).unwrap().trim_start().starts_with(&(back + 1).to_string()), "{since}");

    let last = numbers.len() as u64;
    assert!(ask(&one, &["--since", &last.to_string()]).contains(&format!("the last event is {last}\n")));
    let beyond = ask(&one, &["--since", "9999"]);
    assert!(beyond.contains(&format!("the last event is {last}, 9999 is yet to come")), "{beyond}");

    // Another run of the daemon counts anew, and says so to those who come back.
    let boot = boots(&items)[0].to_owned();
    a.stop();
    let stopped = self::items(&follower.output());
    let told = self::events(&stopped);
    assert!(told.iter().any(|e| e.kind == "daemon" && e.what == "stopping"));
    one.ip("link set eth0 up");
    let mut again = Director::start(Kind::Vipd, &one, &conf(150));
    wait_for("the follower hears of the new run", LONG, || boots(&self::items(&follower.output())).len() == 2);
    wait_for("its numbers begin with 1", LONG, || {
        let items = self::items(&follower.output());
        let second = items.iter().skip(1).position(|item| matches!(item, Item::Boot { .. })).unwrap() + 1;
        self::events(&items[second..]).first().is_some_and(|e| e.seq == 1)
    });
    let old = ask(&one, &["--json", "--since", "3", "--boot", &boot]);
    assert!(old.lines().nth(1).unwrap().contains("\"seq\":1,"), "what counts from before says nothing: {old}");

    // Nobody waits for a daemon that hangs without being told so.
    again.hang();
    let status = one.spawn("status", Command::new(vipd()).arg("status").arg("--socket").arg(one.path("socket")));
    wait_for("it is said that there is no answer yet", LONG, || status.output().contains("has not answered yet"));
    again.resume();
    wait_for("the answer comes all the same", LONG, || status.output().contains("Virtual routers"));

    // Whoever comes after a daemon that was killed says so; after one that was stopped there is nothing to say.
    assert!(!ask(&one, &[]).contains("was killed or died"));
    let pid = std::fs::read_to_string(one.path("pid")).unwrap();
    again.signal(Signal::KILL);
    wait_for("it is dead", LONG, || !again.runs());
    let mut third = Director::start(Kind::Vipd, &one, &conf(150));
    third.wait_master(VIP, LONG);
    let told = ask(&one, &[]);
    assert!(told.contains(&format!("the daemon before it, process {}, was killed or died", pid.trim())), "{told}");
    third.stop();
}
