//! Reloads at a bad moment: signals by the thousand, a process that dies or hangs meanwhile, an address that changes hands,
//! a stop; and reloads at a time that a file says.

use crate::{LONG, VIP, held};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vipd_sys::netlink::Netlink;
use vipd_tests::conf::Instance;
use vipd_tests::control::Control;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::probe::Seen;
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;
use vipd_tests::web::inside;
use vipd_tests::wire::{Capture, adverts};

fn start(host: &Host, conf: &str) -> (Director, Control) {
    let director = Director::start(Kind::Vipd, host, conf);
    director.wait_master(VIP, LONG);
    wait_for("every role is there", LONG, || director.status().is_some());
    let control = Control::connect(&host.path("socket")).unwrap();
    (director, control)
}

fn named(name: &str, vrid: u8, address: &str) -> Instance {
    let mut instance = Instance::new(3, 150, "0.1");
    (instance.name, instance.vrid) = (name.to_owned(), vrid);
    instance.addresses = vec![format!("{address}/32")];
    instance
}

fn excluded(addresses: &[&str]) -> String {
    format!("virtual_ipaddress_excluded {{\n{}\n}}", addresses.join("\n"))
}

#[test]
fn an_address_changes_hands_without_a_gap() {
    let mut lab = Lab::new();
    let (one, client) = (lab.host(1), lab.host(3));
    let probe = |host: &Host, name: &str, arguments: &[&str]| {
        host.spawn(name, host.command(env!("CARGO_BIN_EXE_probe")).args(arguments))
    };
    let _echo = probe(&one, "echo.log", &["echo", "--name", "one"]);
    // It is the first's, the second's, the second's alone; the first hands it over at its end, too.
    let (a, b) = (named("A", 51, "10.77.0.101"), named("B", 52, "10.77.0.102"));
    let has = excluded(&[VIP]);
    let first = a.clone().with(&has).text() + &b.text();
    let second = a.text() + &b.clone().with(&has).text();
    let alone = b.clone().with(&has).text();
    let (_director, mut control) = start(&one, &first);
    let masters = |control: &mut Control| {
        wait_for("all are master", LONG, || control.status().instances.iter().all(|i| i.state == "MASTER"));
    };
    masters(&mut control);
    let mut monitor = one.spawn("monitor.log", one.command("ip").args(["-o", "monitor", "address"]));
    std::thread::sleep(Duration::from_millis(300));
    let mut asker = probe(&client, "ask.json", &["ask", "--to", "10.77.0.100:7", "--every", "1", "--duration", "8000"]);
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..5 {
        for text in [&second, &alone, &second, &first, &alone, &second, &first] {
            one.write("director.conf", text);
            let reloaded = control.reload();
            assert!(reloaded.taken, "{}", reloaded.findings);
            // A new instance becomes master before it can be given anything.
            masters(&mut control);
        }
    }
    assert!(asker.runs(), "the client has stopped asking too early");
    asker.wait(LONG);
    let seen: Seen = serde_json::from_str(&asker.output()).unwrap();
    let changes = monitor.output();
    println!("  {} probes, {} lost, longest {:.1} ms", seen.asked, seen.lost(), seen.longest());
    assert!(monitor.runs() && changes.contains("Deleted") && changes.contains("10.77.0.101"), "{changes}");
    let left = |line: &str| line.starts_with("Deleted") && line.contains("10.77.0.100/");
    assert!(!changes.lines().any(left), "the address left for a moment:\n{changes}");
    assert_eq!(seen.lost(), 0, "{:?}", seen.outages);
}

#[test]
fn a_thousand_signals_in_a_second_cost_no_more_than_some_reloads() {
    let mut lab = Lab::new();
    let (one, two, three) = (lab.host(1), lab.host(2), lab.host(3));
    let (mut director, mut control) = start(&one, &Instance::new(3, 150, "0.3").text());
    let peer = Director::start(Kind::Keepalived, &two, &Instance::new(3, 100, "0.3").text());
    std::thread::sleep(Duration::from_secs(1));
    let roles: Vec<u32> = control.status().roles.iter().map(|r| r.pid).collect();
    let capture = Capture::start(&three);
    std::thread::sleep(Duration::from_millis(500));
    let begin = Instant::now();
    for _ in 0..1000 {
        director.signal(Signal::HUP);
        std::thread::sleep(Duration::from_micros(800));
    }
    let took = begin.elapsed();
    let sent = adverts(&capture.end()).len();
    let reloads = control.status().config.reloads;
    println!("  1000 signals in {took:.2?}: {reloads} reloads, {sent} adverts");
    assert!((1..=1000).contains(&reloads));
    // Every 0.3 s, and at most ten a second more for the reloads.
    assert!((3..(took.as_secs_f64() * 15.0) as usize + 10).contains(&sent), "{sent} adverts");
    // The last word counts.
    director.reload(&Instance::new(3, 140, "0.3").text());
    wait_for("the last file is in force", LONG, || control.status().instances[0].priority == 140);
    assert_eq!(control.status().roles.iter().map(|r| r.pid).collect::<Vec<_>>(), roles);
    assert!(!peer.log().contains("Entering MASTER STATE") && !two.holds(VIP));
    // Signals up to the very end do not keep it from ending.
    for _ in 0..20 {
        director.signal(Signal::HUP);
    }
    director.terminate();
    for _ in 0..20 {
        director.signal(Signal::HUP);
    }
    wait_for("it ends", LONG, || !director.runs());
    assert!(!one.holds(VIP) && director.log().contains("stopped"), "{}", director.log());
}

#[test]
fn a_backup_that_is_reloaded_all_the_time_takes_over_in_its_time() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    let mut a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "1").text());
    a.wait_master(VIP, LONG);
    let b = Director::start(Kind::Vipd, &two, &Instance::new(3, 100, "1").text());
    wait_for("the backup hears the master", LONG, || {
        b.status().is_some_and(|s| s.instances.iter().any(|i| i.counters.adverts_received > 1))
    });
    let mut control = Control::connect(&two.path("socket")).unwrap();
    a.kill();
    let begin = Instant::now();
    while !two.holds(VIP) {
        assert!(control.reload().taken);
        assert!(begin.elapsed() < Duration::from_secs(6), "reloads keep a dead master's place");
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("  took over {:.2?} after the master died, reloaded all the while", begin.elapsed());
}

#[test]
fn a_process_that_hangs_or_dies_in_a_reload_leaves_nothing_behind() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    // Three seconds of silence are what a master may be away for.
    let conf = |more: &[&str]| Instance::new(3, 150, "1").with(&excluded(more)).text();
    let (all, few) = (["10.77.0.101", "10.77.0.102", "10.77.0.103"], ["10.77.0.102"]);
    let (director, mut control) = start(&one, &conf(&all));
    let mut netlink = inside(&one, || Netlink::open().unwrap());
    let of = |more: &[&str]| more.iter().copied().chain([VIP]).map(str::to_owned).collect::<BTreeSet<_>>();
    wait_for("all are there", LONG, || held(&mut netlink) == of(&all));
    // It hangs: it never reads the file without two of its addresses; its successor doesn't know of them.
    signal_pid(director.role("vrrp"), Signal::STOP);
    one.write("director.conf", &conf(&few));
    let reloaded = control.reload();
    assert!(reloaded.taken && reloaded.silent.is_empty(), "{reloaded:?}");
    wait_for("what is gone from the file is gone", LONG, || held(&mut netlink) == of(&few));
    let instance = director.instance("VI_1");
    assert_eq!((instance.state.as_str(), instance.counters.became_master), ("MASTER", 1));
    // It dies at about the same time, sooner or later; not so often that it would have to wait for its next life.
    for more in [&all[..], &few[..]] {
        one.write("director.conf", &conf(more));
        if more.len() == 1 {
            signal_pid(director.role("vrrp"), Signal::KILL);
        }
        assert!(control.reload().taken);
        wait_for("the kernel has what the file says", LONG, || held(&mut netlink) == of(more));
    }
    // The console that is asked dies: who asks is told so, and the next one gets an answer of its own.
    let console = director.role("console");
    signal_pid(console, Signal::KILL);
    wait_for("another console is there", LONG, || {
        director.status().is_some_and(|s| s.roles.iter().any(|r| r.name == "console" && r.pid != console && r.pid != 0))
    });
    let mut control = Control::connect(&one.path("socket")).unwrap();
    assert!(control.reload().taken);
}

#[test]
fn an_empty_file_gives_nothing_up() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let (_director, mut control) = start(&one, &Instance::new(3, 150, "0.3").text());
    for text in ["", "# nothing\n", "global_defs {\n router_id x\n}\n"] {
        one.write("director.conf", text);
        let reloaded = control.reload();
        assert!(!reloaded.taken && reloaded.findings.contains("no vrrp_instance"), "{reloaded:?}");
    }
    assert!(one.holds(VIP) && control.status().config.refused.is_some());
}

#[test]
fn the_hosts_own_address_is_never_removed() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let good = Instance::new(3, 150, "0.3").text();
    let (director, mut control) = start(&one, &good);
    // A slip of the pen: the second instance, which is a backup for now, has the host's address.
    one.write("director.conf", &(good.clone() + &named("B", 52, "10.77.0.1").text().replace("0.1\n", "10\n")));
    assert!(control.reload().taken);
    assert!(one.ip("-o -4 addr show dev eth0").contains("10.77.0.1/24"), "the host has lost its own address");
    assert_eq!(director.instance("VI_1").state, "MASTER");
    one.write("director.conf", &good);
    assert!(control.reload().taken);
    assert!(one.ip("-o -4 addr show dev eth0").contains("10.77.0.1/24"));
    assert_eq!(director.instance("VI_1").counters.became_master, 1);
}

#[test]
fn what_a_reload_removes_is_told_once_and_what_it_keeps_is_not() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let fifo = one.path("fifo");
    let globals = format!("global_defs {{\n vrrp_notify_fifo {}\n}}\n", fifo.display());
    let keep = Instance::new(3, 150, "0.3").text();
    let told = |instance: &Instance| instance.clone().with("notify_deleted").text();
    let (b, c) = (named("B", 52, "10.77.0.102"), named("C", 53, "10.77.0.103"));
    let (director, mut control) = start(&one, &(globals.clone() + &keep + &told(&b) + &c.text()));
    wait_for("all are master", LONG, || control.status().instances.iter().all(|i| i.state == "MASTER"));
    let reader = one.spawn("fifo.log", one.command("cat").arg(&fifo));
    std::thread::sleep(Duration::from_millis(500));
    let drained = reader.output().len();
    let inode = std::os::unix::fs::MetadataExt::ino(&fifo.metadata().unwrap());
    // Both in a row, faster than anything is told.
    director.reload(&(globals.clone() + &keep + &c.text()));
    director.reload(&(globals.clone() + &keep));
    director.reload(&(globals.clone() + &keep.replace("VI_1", "renamed")));
    wait_for("all is told", LONG, || reader.output().contains("\"C\" FAULT"));
    assert!(control.reload().taken);
    std::thread::sleep(Duration::from_millis(300));
    let lines = reader.output()[drained..].to_owned();
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["INSTANCE \"B\" DELETED 150", "INSTANCE \"C\" FAULT 150"]);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&fifo.metadata().unwrap()), inode, "another pipe");
    assert_eq!(director.instance("renamed").counters.became_master, 1);
}

#[test]
fn a_full_disk_costs_pid_files_and_nothing_else() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let small = one.path("small");
    std::fs::create_dir(&small).unwrap();
    let conf = one.write("director.conf", &Instance::new(3, 150, "1").text());
    let (small, socket) = (small.display(), one.path("socket"));
    // In a mount namespace of its own, as `ip netns exec` makes one.
    let script = format!(
        "mount -t tmpfs -o size=8k none {small} && ! cat /dev/zero 2>/dev/null >{small}/full; exec {} -n -l -G -f {} \
         -p {small}/pid -r {small}/vrrp -c {small}/check --socket {}",
        vipd_tests::director::vipd().display(),
        conf.display(),
        socket.display()
    );
    let proc = one.spawn("full.log", one.command("sh").args(["-c", &script]));
    wait_for("it serves", LONG, || one.holds(VIP));
    wait_for("it is to be asked", LONG, || Control::connect(&socket).is_ok());
    let mut control = Control::connect(&socket).unwrap();
    let vrrp = control.status().roles.iter().find(|r| r.name == "vrrp").unwrap().pid;
    signal_pid(vrrp, Signal::KILL);
    wait_for("another one serves", LONG, || {
        control.status().roles.iter().any(|r| r.name == "vrrp" && r.pid != vrrp && r.pid != 0)
    });
    one.write("director.conf", &Instance::new(3, 140, "1").text());
    assert!(control.reload().taken);
    let status = control.status();
    assert_eq!((status.instances[0].priority, status.instances[0].state.as_str()), (140, "MASTER"));
    assert!(proc.output().contains("No space left"), "{}", proc.output());
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A moment so many seconds ahead as `HH:MM:SSZ`.
fn ahead(seconds: u64) -> (u64, String) {
    let at = unix_now() + seconds;
    let day = at % 86_400;
    (at, format!("{:02}:{:02}:{:02}Z\n", day / 3600, day / 60 % 60, day % 60))
}

#[test]
fn a_reload_at_a_time_that_a_file_says() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let (when, mark, found) = (one.path("when"), one.path("mark"), one.path("found"));
    let conf = |more: &str, priority| {
        let globals = format!(
            "global_defs {{\n reload_time_file {}\n reload_file {}\n reload_check_config {}\n {more}\n}}\n",
            when.display(),
            mark.display(),
            found.display()
        );
        globals + &Instance::new(3, priority, "0.3").text()
    };
    std::fs::write(&mark, "").unwrap();
    let (director, mut control) = start(&one, &conf("", 150));
    assert!(!mark.exists(), "the start has read the configuration, too");
    assert_eq!(control.status().config.next_reload, None);
    one.write("director.conf", &conf("", 140));
    // Once, at that time, and the file is gone.
    let (at, text) = ahead(3);
    std::fs::write(&when, text).unwrap();
    wait_for("the time is known", LONG, || control.status().config.next_reload == Some(at as f64));
    std::fs::write(&mark, "wait for me").unwrap();
    wait_for("it is reloaded", LONG, || control.status().config.reloads == 1);
    let late = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - at as f64;
    println!("  reloaded {late:.3} s after the time");
    assert!((0.0..1.0).contains(&late), "{late}");
    assert_eq!(director.instance("VI_1").priority, 140);
    wait_for("the file is gone", LONG, || !when.exists());
    assert!(!mark.exists(), "the mark is there while the file is read, and no longer");
    wait_for("nothing more is planned", LONG, || control.status().config.next_reload.is_none());
    // A file that goes away in time, one that says no time, one that is past: nothing.
    std::fs::write(&when, ahead(3600).1).unwrap();
    wait_for("it is planned", LONG, || control.status().config.next_reload.is_some());
    std::fs::remove_file(&when).unwrap();
    wait_for("it is planned no more", LONG, || control.status().config.next_reload.is_none());
    std::fs::write(&when, "tomorrow\n").unwrap();
    wait_for("it is said", LONG, || director.log().contains("says no time"));
    std::fs::write(&when, "2020-01-01 00:00:00\n").unwrap();
    wait_for("it is said", LONG, || director.log().contains("is over"));
    // Every day; what is not usable is refused then, and said where the file wants it.
    one.write("director.conf", &conf("reload_repeat", 140));
    assert!(control.reload().taken);
    one.write("director.conf", &conf("reload_repaet", 130));
    let (at, text) = ahead(2);
    std::fs::write(&when, text).unwrap();
    wait_for("it is refused", LONG, || control.status().config.refused.is_some());
    assert!(std::fs::read_to_string(&found).unwrap().contains("reload_repaet"));
    let status = control.status();
    assert_eq!(status.config.next_reload, Some((at + 86_400) as f64));
    assert!(when.exists() && !mark.exists());
    assert_eq!(director.instance("VI_1").counters.became_master, 1);
}
