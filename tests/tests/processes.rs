//! What the daemon's processes are to the kernel, by the words of `global_defs`: read from /proc, beside keepalived's.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::wait_for;

const PATIENCE: Duration = Duration::from_secs(10);

/// SCHED_OTHER and SCHED_RR, as /proc has them.
const ORDINARY: u32 = 0;
const ROUND_ROBIN: u32 = 2;

/// A process as the kernel sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    name: String,
    nice: i32,
    real_time: u32,
    policy: u32,
    cpus: String,
    locked: bool,
    /// What its time in real time is limited to.
    limit: String,
}

fn seen(pid: u32) -> Seen {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let stat = read("stat");
    // proc_pid_stat(5), the fields behind the name; the first of them is the third of all.
    let stat: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split_whitespace().collect();
    let status = read("status");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let limits = read("limits");
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout")).unwrap();
    Seen {
        name: read("comm").trim_end().to_owned(),
        nice: stat[16].parse().unwrap(),
        real_time: stat[37].parse().unwrap(),
        policy: stat[38].parse().unwrap(),
        cpus: field("Cpus_allowed_list:"),
        locked: field("VmLck:") != "0 kB",
        limit: limit.split_whitespace().next().unwrap().to_owned(),
    }
}

/// The process that wrote this pid file, once it runs.
#[track_caller]
fn process(host: &Host, file: &str) -> u32 {
    let read = || std::fs::read_to_string(host.path(file)).ok()?.trim().parse::<u32>().ok();
    wait_for(file, PATIENCE, || read().is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists()));
    read().unwrap()
}

/// Waits until a process is like this.
#[track_caller]
fn wait_like(pid: u32, what: &str, like: impl Fn(&Seen) -> bool) -> Seen {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let now = seen(pid);
        if like(&now) {
            return now;
        }
        assert!(std::time::Instant::now() < until, "{what}: {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn configuration(globals: &str, more: &str) -> String {
    let service =
        "virtual_server 10.77.0.200 80 {\n protocol TCP\n real_server 10.77.0.9 80 {\n TCP_CHECK {\n}\n}\n}\n";
    let instance = Instance::new(3, 150, "0.3").with(more).text();
    format!("global_defs {{\n script_user root\n{globals}}}\n{instance}{service}")
}

#[test]
fn words_make_the_processes_what_keepalived_s_are() {
    let words = "process_name mine\nvrrp_process_name a_name_too_long_for_it\nchecker_process_name checks\n\
                 vrrp_rt_priority 7\nvrrp_cpu_affinity 1\nvrrp_no_swap\nvrrp_rlimit_rttime 500000\n\
                 checker_priority 4\nchecker_cpu_affinity 0\nchecker_no_swap\n";
    let [ours, theirs] = [Kind::Vipd, Kind::Keepalived].map(|kind| {
        let mut lab = Lab::new();
        let host = lab.host(1);
        let conf = configuration(words, "");
        // Without IPVS in this kernel keepalived ends at once if there are virtual servers.
        let conf = if kind == Kind::Vipd { &conf } else { conf.split("virtual_server").next().unwrap() };
        let mut daemon = Director::start(kind, &host, conf);
        daemon.wait_master("10.77.0.100", PATIENCE);
        let vrrp = wait_like(process(&host, "vrrp.pid"), "vrrp", |seen| seen.real_time == 7 && seen.locked);
        let check = (kind == Kind::Vipd).then(|| seen(process(&host, "check.pid")));
        let own = seen(daemon.pid());
        daemon.stop();
        (own, vrrp, check)
    });
    assert_eq!(ours.0, theirs.0);
    // It asks for a signal at half the time, and doesn't live to see it.
    assert_eq!((&*ours.1.limit, &*theirs.1.limit), ("500000", "250000"));
    assert_eq!(ours.1, Seen { limit: ours.1.limit.clone(), ..theirs.1 });
    assert_eq!(ours.1.name, "a_name_too_long");
    let check = ours.2.unwrap();
    assert_eq!((&*check.name, check.nice, check.policy, &*check.cpus), ("checks", 4, ORDINARY, "0"));
    assert!(check.locked);
}

#[test]
fn a_reload_changes_the_processes_and_nothing_else() {
    let mut lab = Lab::new();
    let host = lab.host(1);
    let mut daemon = Director::start(Kind::Vipd, &host, &configuration("", ""));
    daemon.wait_master("10.77.0.100", PATIENCE);
    let (vrrp, check, director) = (daemon.role("vrrp"), daemon.role("check"), daemon.role("director"));
    let usual = [vrrp, check, director].map(seen);
    let transitions = |daemon: &Director| daemon.instance("VI_1").history.len();
    let before = transitions(&daemon);
    assert_eq!((usual[0].policy, usual[0].real_time, usual[0].locked), (ROUND_ROBIN, 1, true));
    assert_eq!((usual[1].policy, usual[1].locked), (ORDINARY, false));
    let names = usual.clone().map(|seen| seen.name);
    assert_eq!(names, ["vipd_vrrp", "vipd_check", "vipd_director"]);

    let words = "process_names\nvrrp_priority -3\nvrrp_cpu_affinity 0\nvrrp_rlimit_rttime 400000\n\
                 checker_rt_priority 3\nchecker_no_swap\n";
    daemon.reload(&configuration(words, ""));
    let other = wait_like(vrrp, "reloaded", |seen| seen.name == "keepalived_vrrp");
    assert_eq!((other.policy, other.nice, &*other.cpus, &*other.limit), (ORDINARY, -3, "0", "400000"));
    let other = wait_like(check, "reloaded", |seen| seen.name == "keepalived_lvs" && seen.locked);
    assert_eq!((other.policy, other.real_time), (ROUND_ROBIN, 3));
    let other = wait_like(director, "reloaded", |seen| seen.locked);
    assert_eq!((&*other.name, other.policy, other.real_time), ("vipd_director", ROUND_ROBIN, 3));

    daemon.reload(&configuration("", ""));
    for (pid, usual) in [vrrp, check, director].into_iter().zip(&usual) {
        wait_like(pid, "back", |seen| seen == usual);
    }
    assert_eq!([daemon.role("vrrp"), daemon.role("check"), daemon.role("director")], [vrrp, check, director]);
    assert_eq!(transitions(&daemon), before, "{}", daemon.log());

    // One that is started anew is as its predecessor was.
    daemon.reload(&configuration(words, ""));
    wait_like(vrrp, "reloaded", |seen| seen.name == "keepalived_vrrp");
    vipd_tests::process::signal_pid(vrrp, rustix::process::Signal::KILL);
    wait_for("another vrrp role", PATIENCE, || daemon.status().is_some() && daemon.role("vrrp") != vrrp);
    wait_like(daemon.role("vrrp"), "started anew", |seen| seen.nice == -3 && seen.name == "keepalived_vrrp");
    daemon.stop();
}

#[test]
fn programs_inherit_nothing_of_it() {
    let mut lab = Lab::new();
    let host = lab.host(1);
    let mut text = String::from("cat /proc/$$/stat | sed 's/.*) //' | cut -d' ' -f17,38,39\n");
    let _ = writeln!(text, "grep -h -e Cpus_allowed_list -e VmLck /proc/$$/status");
    let _ = writeln!(text, "grep -h -e 'realtime' /proc/$$/limits");
    let look = host.script("look", &format!("{{\n{text}}} > $1.part\nmv $1.part $1"));
    let out = |name: &str| host.path(name).display().to_string();
    let look = look.display();
    let more = format!("notify_master \"{look} {}\"\ntrack_script {{\n t\n}}", out("master"));
    let found = |words: &str| {
        let conf = configuration(words, &more);
        let script = format!("vrrp_script t {{\n script \"{look} {}\"\n}}\n", out("track"));
        let mut daemon = Director::start(Kind::Vipd, &host, &format!("{conf}{script}"));
        let scripts = ["master", "track"].map(|name| host.path(name));
        wait_for("the scripts", PATIENCE, || scripts.iter().all(|path| path.exists()));
        daemon.stop();
        scripts.map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            text
        })
    };
    let plain = found("");
    assert!(plain.iter().all(|text| text.lines().count() == 5), "{plain:?}");
    assert!(plain.iter().all(|text| text.starts_with("0 0 0\n")), "{plain:?}");
    let words = "vrrp_rt_priority 7\nvrrp_cpu_affinity 1\nvrrp_no_swap\nvrrp_rlimit_rttime 500000\n\
                 checker_priority 4\nchecker_cpu_affinity 0\nchecker_no_swap\nprocess_name x\n";
    assert_eq!(found(words), plain);
}
