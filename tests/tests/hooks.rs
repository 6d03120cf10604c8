//! Notify scripts as their authors see them: arguments, user, order, time; and keepalived's beside them.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::{Path, PathBuf};
use std::time::Duration;
use vipd_api::HookStatus;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(20);

/// Where the scripts of a host write what they do.
struct Calls(PathBuf);

impl Calls {
    fn of(host: &Host) -> Calls {
        let calls = host.write("calls", "");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&calls, open).unwrap();
        Calls(calls)
    }

    /// A script that says when it begins and when it ends, and sleeps in between.
    fn script(&self, host: &Host, name: &str, seconds: &str) -> PathBuf {
        let calls = self.0.display();
        let body = format!(
            "echo \"begin {name} $* uid=$(id -u)\" >> {calls}\nsleep {seconds}\necho \"end {name} $*\" >> {calls}"
        );
        host.script(name, &body)
    }

    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(&self.0).unwrap().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn has(&self, line: &str) -> bool {
        self.lines().iter().any(|l| l.starts_with(line))
    }

    #[track_caller]
    fn wait(&self, line: &str) {
        wait_for(line, LONG, || self.has(line));
    }

    /// Every script ended before another began.
    #[track_caller]
    fn assert_one_at_a_time(&self) {
        let lines = self.lines();
        for pair in lines.chunks(2) {
            let [begin, end] = pair else { panic!("a script did not end: {lines:#?}") };
            let begun = begin.strip_prefix("begin ").and_then(|rest| rest.rsplit_once(" uid=")).map(|(rest, _)| rest);
            assert_eq!(begun.map(str::trim_end), end.strip_prefix("end "), "two at a time: {lines:#?}");
        }
    }
}

fn hook(a: &Director) -> HookStatus {
    a.status().and_then(|status| status.hooks.into_iter().next()).unwrap_or_default()
}

#[test]
fn notify_scripts_get_what_keepalived_gives_them_in_order_as_their_user() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let calls = Calls::of(&one);
        let script = calls.script(&one, "s", "0.2");
        let script = script.display();
        let notify = format!(
            "notify_master \"{script} 'the master' m\" nobody\nnotify_backup \"{script} b\" nobody\nnotify_fault \"{script} f\" \
             nobody\nnotify_stop \"{script} s\" nobody\nnotify \"{script} any\" nobody"
        );
        let fifo = one.path("fifo");
        let globals = format!("global_defs {{\n vrrp_notify_fifo {}\n}}\n", fifo.display());
        let mut a = Director::start(kind, &one, &(globals + &Instance::new(3, 150, "0.5").with(&notify).text()));
        wait_for("the FIFO is there", LONG, || fifo.exists());
        let reader = one.spawn("fifo.log", one.command("cat").arg(&fifo));
        a.wait_master(VIP, LONG);
        calls.wait("end s any INSTANCE VI_1 MASTER");
        calls.wait("end s the master m");
        one.ip("link set eth0 down");
        calls.wait("end s any INSTANCE VI_1 FAULT 150");
        calls.wait("end s f");
        one.ip("link set eth0 up");
        a.wait_master(VIP, LONG);
        let masters = || calls.lines().iter().filter(|l| l.starts_with("end") && l.contains("MASTER")).count();
        wait_for("MASTER again", LONG, || masters() == 2);
        a.stop();
        let lines = calls.lines();
        println!("{kind:?}: {lines:#?}");
        let told = [
            "b",
            "any INSTANCE VI_1 BACKUP 150",
            "the master m",
            "any INSTANCE VI_1 MASTER 150",
            "f",
            "any INSTANCE VI_1 FAULT 150",
            "b",
            "any INSTANCE VI_1 BACKUP 150",
            "the master m",
            "any INSTANCE VI_1 MASTER 150",
            "s",
            "any INSTANCE VI_1 STOP 150",
        ];
        let mut begun: Vec<&str> = lines.iter().filter_map(|l| l.strip_prefix("begin s ")).collect();
        let mut expected: Vec<String> = told.iter().map(|told| format!("{told} uid=65534")).collect();
        if kind == Kind::Vipd {
            calls.assert_one_at_a_time();
        } else {
            // Two of one event begin at the same time, in either order.
            begun.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(begun, expected, "{kind:?}");
        let told = reader.output();
        let states = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP"];
        let expected: Vec<String> = states.iter().map(|state| format!("INSTANCE \"VI_1\" {state} 150")).collect();
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{kind:?}");
        assert!(!fifo.exists(), "a FIFO that was made is removed at the end");
    }
}

/// Of a group and its instance, after a reload that changes nothing and after one that does. (keepalived 2.2.7 knows the word,
/// and tells nothing.)
#[test]
fn a_reload_tells_the_fifo_all_states_if_it_is_asked_to() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let fifo = one.path("fifo");
    let conf = |more: &str, priority| {
        let globals = format!("global_defs {{\n vrrp_notify_fifo {}\n {more}\n}}\n", fifo.display());
        let group = "vrrp_sync_group G {\n group {\n VI_1\n }\n}\n";
        globals + &Instance::new(3, priority, "0.3").text() + group
    };
    let word = "fifo_write_vrrp_states_on_reload";
    let a = Director::start(Kind::Vipd, &one, &conf(word, 150));
    wait_for("the FIFO is there", LONG, || fifo.exists());
    let reader = one.spawn("fifo.log", one.command("cat").arg(&fifo));
    a.wait_master(VIP, LONG);
    let told = |line: &str| reader.output().lines().filter(|l| *l == line).count();
    let both = |priority, times| {
        let instance = told(&format!("INSTANCE \"VI_1\" MASTER {priority}"));
        (instance, told("GROUP \"G\" MASTER 0")) == times
    };
    wait_for("it is told", LONG, || both(150, (1, 1)));
    a.reload(&conf(word, 150));
    wait_for("it is told again", LONG, || both(150, (2, 2)));
    a.reload(&conf(word, 151));
    wait_for("and again, as it is in force", LONG, || both(151, (1, 3)));
    a.reload(&conf("", 151));
    std::thread::sleep(Duration::from_secs(2));
    assert!(both(151, (1, 3)), "not without the word:\n{}", reader.output());
}

#[test]
fn a_slow_master_script_is_not_overtaken_by_what_came_after_it() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let calls = Calls::of(&one);
        let (slow, quick) = (calls.script(&one, "slow", "5"), calls.script(&one, "quick", "0"));
        let notify = format!(
            "notify_master {} root\nnotify_backup \"{quick} b\" root\nnotify_fault \"{quick} f\" root",
            slow.display(),
            quick = quick.display()
        );
        let a = Director::start(kind, &one, &Instance::new(3, 150, "0.5").with(&notify).text());
        calls.wait("begin slow");
        one.ip("link set eth0 down");
        if kind == Kind::Keepalived {
            // The host has left MASTER, its script says so, and then the one for MASTER goes on.
            calls.wait("end quick f");
            assert!(!calls.has("end slow"));
            calls.wait("end slow");
            continue;
        }
        wait_for("FAULT", LONG, || a.instance("VI_1").state == "FAULT");
        assert_eq!(hook(&a).running.unwrap().event, "MASTER");
        assert_eq!(hook(&a).waiting, ["FAULT"]);
        // Before anything could be said of FAULT it is over.
        one.ip("link set eth0 up");
        wait_for("BACKUP", LONG, || hook(&a).waiting == ["BACKUP"]);
        one.ip("link set eth0 down");
        wait_for("FAULT", LONG, || hook(&a).waiting == ["FAULT"]);
        assert!(!calls.has("end slow"), "the test was too slow for its script");
        calls.wait("end quick f");
        calls.assert_one_at_a_time();
        let lines = calls.lines();
        println!("{lines:#?}");
        // The first BACKUP; MASTER; of the three states after it the last.
        let ends: Vec<&str> = lines.iter().filter_map(|l| l.strip_prefix("end ")).collect();
        assert_eq!(ends, ["quick b", "slow", "quick f"]);
        assert_eq!(hook(&a).superseded, 2);
        assert!(a.log().contains("BACKUP came before the notify scripts of FAULT had begun"), "{}", a.log());
        let runs = hook(&a).recent;
        let run = runs.iter().find(|run| run.event == "MASTER").unwrap();
        assert!(run.well && run.took >= 5.0 && run.took < 10.0, "{run:?}");
    }
}

#[test]
fn a_script_that_does_not_end_is_ended_with_all_it_started_when_its_time_is_over() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let calls = Calls::of(&one);
    let pids = one.path("pids");
    // Neither it nor what it starts heeds SIGTERM.
    let body = format!("trap '' TERM\nsleep 600 &\necho $$ $! > {}\nwait\nwait\nsleep 600", pids.display());
    let (hanging, quick) = (one.script("hanging", &body), calls.script(&one, "quick", "0"));
    let globals = "global_defs {\n notify_timeout 1.5\n}\n";
    let notify = format!("notify_backup {} root\nnotify_master \"{} m\" root", hanging.display(), quick.display());
    let a =
        Director::start(Kind::Vipd, &one, &(globals.to_owned() + &Instance::new(3, 150, "0.1").with(&notify).text()));
    calls.wait("end quick m");
    let runs = hook(&a).recent;
    assert_eq!((runs[0].event.as_str(), runs[0].ended.as_str(), runs[0].well), ("BACKUP", "timed out", false));
    assert!(runs[0].took >= 3.0 && runs[0].took < 8.0, "1.5 s, and 2 s more for SIGTERM: {runs:?}");
    // Whoever inherits what it started may take a while to notice their end.
    let runs = |pid: &str| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.split_whitespace().filter(|pid| runs(pid)).count(), 0, "left of {pids}");
}

#[test]
fn a_stop_waits_for_its_scripts_and_the_last_one_comes_last() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let calls = Calls::of(&one);
        let (slow, quick) = (calls.script(&one, "slow", "4"), calls.script(&one, "quick", "0"));
        let quick = quick.display();
        let globals = format!(
            "global_defs {{\n script_user root\n startup_script \"{quick} first\"\n shutdown_script \"{quick} last\"\n}}\n"
        );
        let notify = format!("notify_stop {}\nnotify_master \"{quick} m\"", slow.display());
        let mut a = Director::start(kind, &one, &(globals + &Instance::new(3, 150, "0.1").with(&notify).text()));
        calls.wait("end quick m");
        let released = std::time::Instant::now();
        a.terminate();
        wait_for("the address is gone", LONG, || !one.holds(VIP));
        assert!(released.elapsed() < Duration::from_secs(3), "no script delays a take-over");
        wait_for("the end", LONG, || !a.runs());
        let ends: Vec<String> = calls.lines().iter().filter_map(|l| Some(l.strip_prefix("end ")?.to_owned())).collect();
        let expected: &[&str] = match kind {
            Kind::Vipd => &["quick first", "quick m", "slow", "quick last"],
            // It waits a second for a script of `notify_stop`.
            Kind::Keepalived => &["quick first", "quick m", "quick last"],
        };
        assert_eq!(ends, expected, "{kind:?}");
    }
}
