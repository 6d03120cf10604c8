//! Tracked files and processes: what they say moves priorities and states, beside Debian's keepalived with the same
//! configuration.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, ip};
use vipd_tests::process::Proc;
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);
/// How soon what happened to a file or a process is felt.
const SOON: Duration = Duration::from_millis(100);

/// `track_file load`, in a file of this host, with further lines.
fn load(host: &Host, lines: &str) -> String {
    format!("track_file load {{\n file {}\n {lines}\n}}\n", host.path("load").display())
}

/// Replaces the file at once, as a careful writer does.
fn say(host: &Host, value: &str) {
    let new = host.write("load.new", value);
    std::fs::rename(new, host.path("load")).unwrap();
}

/// What a daemon logged of its priority and its states, in keepalived's words, which are both daemons'.
fn course(log: &str) -> Vec<String> {
    let of = |line: &str| {
        let at = line.find("(VI_1) Changing").or(line.find("(VI_1) Entering"))?;
        let said = line[at..].split(':').next().unwrap_or_default();
        let said = said.replace(" (init)", "");
        Some(said.trim_end().to_owned())
    };
    log.lines().filter_map(of).collect()
}

/// Waits until a daemon has logged this last.
fn wait_course(director: &Director, last: &str, patience: Duration) -> Duration {
    let start = Instant::now();
    while course(&director.log()).last().is_none_or(|l| l != last) {
        assert!(
            start.elapsed() < patience,
            "{:?}: not {last:?}: {:?}\n{}",
            director.kind,
            course(&director.log()),
            director.log()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

#[test]
fn a_file_moves_the_priority_as_keepalived_has_it() {
    let mut lab = Lab::new();
    let hosts = [(Kind::Vipd, lab.host(1)), (Kind::Keepalived, lab.host(2))];
    let mut courses = Vec::new();
    for (kind, host) in &hosts {
        let conf =
            load(host, "weight 2\n init_file 5") + &Instance::new(3, 100, "0.3").with("track_file {\nload\n}").text();
        let mut one = Director::start(*kind, host, &conf);
        one.wait_master(VIP, LONG);
        assert_eq!(std::fs::read_to_string(host.path("load")).unwrap(), "5\n");
        let mut last = "(VI_1) Entering MASTER STATE".to_owned();
        let mut from = 110;
        for (value, to) in [
            ("-20", 60),
            (" 12abc", 124),
            ("0x10", 132),
            ("010\n", 116),
            ("nothing", 100),
            ("3.7", 106),
            ("99999999999", 106),
            ("77777", 254),
            ("-49", 2),
        ] {
            say(host, value);
            if from == to {
                std::thread::sleep(SOON);
            } else {
                last = format!("(VI_1) Changing effective priority from {from} to {to}");
            }
            let took = wait_course(&one, &last, LONG);
            println!("  {kind:?}: {value:?} makes {to} after {took:?}");
            assert!(*kind == Kind::Keepalived || took < SOON, "{took:?}");
            from = to;
        }
        std::fs::remove_file(host.path("load")).unwrap();
        wait_course(&one, "(VI_1) Changing effective priority from 2 to 100", LONG);
        if *kind == Kind::Vipd {
            let status = one.instance("VI_1");
            let track = &status.tracks[0];
            assert_eq!((track.kind.as_str(), track.name.as_str(), track.state.as_str()), ("file", "load", "0"));
        }
        // Ours listens already while the file is read for the first time.
        let mut course = course(&one.log());
        course.retain(|line| line != "(VI_1) Entering BACKUP STATE");
        courses.push(course);
        one.stop();
    }
    assert_eq!(courses[0], courses[1], "ours, theirs");
}

#[test]
fn a_file_without_weight_or_far_below_means_fault() {
    let mut lab = Lab::new();
    let hosts = [(Kind::Vipd, lab.host(1)), (Kind::Keepalived, lab.host(2))];
    for (lines, track, bad, good) in [
        ("weight 0", "load", "1", "0"),
        ("", "load weight 0 reverse", "0", "1"),
        ("", "load", "-254", "0"),
        ("weight 254", "load", "-1", "0"),
    ] {
        for (kind, host) in &hosts {
            say(host, good);
            let conf =
                load(host, lines) + &Instance::new(3, 100, "0.3").with(&format!("track_file {{\n{track}\n}}")).text();
            let mut one = Director::start(*kind, host, &conf);
            one.wait_master(VIP, LONG);
            say(host, bad);
            let took = wait_course(&one, "(VI_1) Entering FAULT STATE", LONG);
            println!("  {kind:?}: {lines:?}, {track:?}: {bad} means FAULT after {took:?}");
            assert!(*kind == Kind::Keepalived || took < SOON, "{took:?}");
            wait_for("the address is gone", LONG, || !host.holds(VIP));
            if *kind == Kind::Vipd {
                assert_eq!(one.instance("VI_1").faults, [format!("tracked file load has the value {bad}")]);
            }
            say(host, good);
            one.wait_master(VIP, LONG);
            one.stop();
        }
    }
}

#[test]
fn a_file_of_a_group_is_every_members() {
    let mut lab = Lab::new();
    let hosts = [(Kind::Vipd, lab.host(1)), (Kind::Keepalived, lab.host(2))];
    let members = |extra: &str| {
        let outside = Instance::new(3, 100, "0.3");
        let inside = Instance {
            name: "VI_2".to_owned(),
            vrid: 52,
            addresses: vec!["10.77.0.101/32".to_owned()],
            ..outside.clone()
        };
        outside.with(extra).text() + &inside.text()
    };
    let group = |extra: &str| format!("vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n{extra}\n}}\n");
    for (kind, host) in &hosts {
        // The group's: both are weighed.
        say(host, "0");
        let mut one = Director::start(*kind, host, &(load(host, "") + &members("") + &group("track_file {\nload\n}")));
        one.wait_master("10.77.0.101", LONG);
        one.wait_master(VIP, LONG);
        say(host, "-20");
        for name in ["VI_1", "VI_2"] {
            let line = format!("({name}) Changing effective priority from 100 to 80");
            wait_for(&format!("{kind:?}: {line}"), LONG, || one.log().contains(&line));
        }
        one.stop();
        // A member's own has no weight there: any value but 0 is the FAULT of all.
        say(host, "0");
        let mut one = Director::start(*kind, host, &(load(host, "") + &members("track_file {\nload\n}") + &group("")));
        one.wait_master("10.77.0.101", LONG);
        say(host, "-20");
        for name in ["VI_1", "VI_2"] {
            let line = format!("({name}) Entering FAULT STATE");
            wait_for(&format!("{kind:?}: {line}"), LONG, || one.log().contains(&line));
        }
        say(host, "0");
        one.wait_master("10.77.0.101", LONG);
        one.stop();
    }
}

#[test]
fn a_file_is_followed_through_reloads_and_the_death_of_the_role() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    std::fs::create_dir(one.path("other")).unwrap();
    let secret = |path: &Path| {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, closed).unwrap();
    };
    say(&one, "7");
    secret(&one.path("load"));
    std::fs::write(one.path("other/load"), "9").unwrap();
    let conf = |file: &str, priority| {
        let file = one.path(file);
        format!("track_file load {{\n file {}\n}}\n", file.display())
            + &Instance::new(3, priority, "0.3").with("track_file {\nload\n}").text()
    };
    let a = Director::start(Kind::Vipd, &one, &conf("load", 100));
    a.wait_master(VIP, LONG);
    assert_eq!(a.instance("VI_1").priority, 107);
    // Killed, the role comes back with what it knew; a change meanwhile reaches it, too.
    vipd_tests::process::signal_pid(a.role("vrrp"), rustix::process::Signal::KILL);
    say(&one, "8");
    secret(&one.path("load"));
    wait_for("the new value", LONG, || a.status().is_some_and(|s| s.instances.iter().any(|i| i.priority == 108)));
    a.reload(&conf("other/load", 100));
    wait_for("another file", LONG, || a.instance("VI_1").priority == 109);
    a.reload(&conf("other/load", 120));
    wait_for("another base", LONG, || a.instance("VI_1").priority == 129);
    std::fs::write(one.path("other/load"), "1").unwrap();
    wait_for("it is still followed", LONG, || a.instance("VI_1").priority == 121);
    assert!(one.holds(VIP));
    assert_eq!(a.instance("VI_1").counters.became_master, 1, "never anything else");
}

/// Both daemons on this machine. keepalived hears of processes in the initial network namespace alone: it has a wire there.
struct Both {
    vipd: Director,
    keepalived: Proc,
    device: String,
    _lab: Lab,
}

impl Both {
    /// Starts them with this in front of one instance, and in it.
    fn start(name: &str, blocks: &str, lines: &str) -> Both {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let device = format!("vt{}{name}", std::process::id());
        ip(&format!("link add {device} type veth peer name {device}p"));
        for end in [device.clone(), format!("{device}p")] {
            ip(&format!("link set {end} up"));
        }
        ip(&format!("addr add 10.79.0.1/24 dev {device}"));
        let instance = Instance::new(3, 100, "0.3").with(lines);
        let theirs =
            Instance { interface: device.clone(), addresses: vec!["10.79.0.100/32".to_owned()], ..instance.clone() };
        let mut command = Command::new("/usr/sbin/keepalived");
        command
            .args(["-n", "-l", "-D", "-P", "-f"])
            .arg(one.write("theirs.conf", &(blocks.to_owned() + &theirs.text())));
        for (option, name) in [("-p", "k.pid"), ("-r", "k.vrrp.pid"), ("-c", "k.check.pid"), ("-b", "k.bfd.pid")] {
            command.arg(option).arg(one.path(name));
        }
        let keepalived = Proc::start(&mut command, &one.path("keepalived.log"));
        let vipd = Director::start(Kind::Vipd, &one, &(blocks.to_owned() + &instance.text()));
        Both { vipd, keepalived, device, _lab: lab }
    }

    /// Waits until this is what each has logged last; how long ours and theirs took.
    fn wait(&self, last: &str) -> (Duration, Duration) {
        let start = Instant::now();
        let (mut ours, mut theirs) = (None, None);
        while ours.is_none() || theirs.is_none() {
            let took = start.elapsed();
            for (log, done) in [(self.vipd.log(), &mut ours), (self.keepalived.output(), &mut theirs)] {
                if done.is_none() && course(&log).last().is_some_and(|l| l.ends_with(last)) {
                    *done = Some(took);
                }
                assert!(took < LONG, "not {last:?}: {:?}\n{log}", course(&log));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        (ours.unwrap(), theirs.unwrap())
    }

    /// The same, ours within so much of when it is due.
    fn expect(&self, what: &str, last: &str, due: Duration) {
        let (ours, theirs) = self.wait(last);
        println!("  {what}: {last:?} after {ours:?} here, {theirs:?} there");
        assert!(ours < due + SOON && ours + SOON > due, "{what}: {ours:?}");
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        self.keepalived.signal(rustix::process::Signal::TERM);
        self.keepalived.wait(LONG);
        ip(&format!("link del {}", self.device));
    }
}

/// A program that nobody else runs, in a directory of its own.
struct Program {
    path: PathBuf,
    name: String,
    running: Vec<Child>,
    _directory: tempfile::TempDir,
}

impl Program {
    fn new(kind: &str) -> Program {
        let directory = tempfile::tempdir().unwrap();
        let name = format!("vt{kind}{}", std::process::id());
        let path = directory.path().join(&name);
        std::fs::copy("/usr/bin/sleep", &path).unwrap();
        Program { path, name, running: Vec::new(), _directory: directory }
    }

    /// So many run from now on.
    fn run(&mut self, count: usize) {
        while self.running.len() < count {
            self.running.push(Command::new(&self.path).arg("600").spawn().unwrap());
        }
        for mut child in self.running.drain(count..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.run(0);
    }
}

#[test]
fn processes_move_the_priority_as_keepalived_has_it() {
    let mut program = Program::new("a");
    let (name, path) = (program.name.clone(), program.path.display().to_string());
    let blocks = format!(
        "vrrp_track_process some {{\n process {name}\n quorum 2\n quorum_max 3\n weight 8\n}}\n\
         vrrp_track_process any {{\n process {name}\n weight -16\n}}\n\
         vrrp_track_process turned {{\n process {name}\n weight 4 reverse\n}}\n\
         vrrp_track_process worded {{\n process {path} 60\n param_match initial\n weight 32\n}}\n\
         vrrp_track_process other {{\n process {path} 60\n weight 64\n}}\n"
    );
    program.run(1);
    let both = Both::start("a", &blocks, "track_process {\n some\n any\n turned\n worded\n other\n}");
    both.wait("(VI_1) Entering MASTER STATE");
    for (count, priority) in [(2, 136), (3, 136), (4, 128), (3, 136), (1, 128), (0, 84), (2, 136), (0, 84)] {
        let before = course(&both.vipd.log()).len();
        program.run(count);
        both.expect(&format!("{count} run"), &format!(" to {priority}"), Duration::ZERO);
        assert!(count == 3 || course(&both.vipd.log()).len() > before);
    }
    let tracks = both.vipd.instance("VI_1").tracks;
    let shown: Vec<String> =
        tracks.iter().map(|t| format!("{} {} {} {:?} {}", t.kind, t.name, t.state, t.running, t.adds)).collect();
    let expected = [
        "process some bad Some(0) 0",
        "process any bad Some(0) -16",
        "process turned bad Some(0) 0",
        "process worded bad Some(0) 0",
        "process other bad Some(0) 0",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_process_that_is_killed_means_fault_and_back_it_ends_that() {
    let mut program = Program::new("b");
    let name = program.name.clone();
    let blocks = format!("vrrp_track_process web {{\n process {name}\n}}\n");
    program.run(1);
    let both = Both::start("b", &blocks, "track_process {\n web\n}");
    both.wait("(VI_1) Entering MASTER STATE");
    program.run(0);
    both.expect("killed", "(VI_1) Entering FAULT STATE", Duration::ZERO);
    assert_eq!(both.vipd.instance("VI_1").faults, ["tracked process web has not its quorum"]);
    program.run(1);
    both.expect("there again", "(VI_1) Entering BACKUP STATE", Duration::ZERO);
    both.wait("(VI_1) Entering MASTER STATE");
}

#[test]
fn a_process_may_be_away_for_its_delay() {
    let mut program = Program::new("c");
    let name = program.name.clone();
    let blocks =
        format!("vrrp_track_process web {{\n process {name}\n weight 20\n terminate_delay 0.8\n fork_delay 0.4\n}}\n");
    program.run(1);
    let both = Both::start("c", &blocks, "track_process {\n web\n}");
    both.wait("(VI_1) Entering MASTER STATE");
    let before = (course(&both.vipd.log()), course(&both.keepalived.output()));
    program.run(0);
    std::thread::sleep(Duration::from_millis(300));
    program.run(1);
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!((course(&both.vipd.log()), course(&both.keepalived.output())), before, "back in time");
    program.run(0);
    both.expect("gone", "from 120 to 100", Duration::from_millis(800));
    // One that is started is another program's fork: it counts when it has become this one.
    program.run(1);
    both.expect("back", "from 100 to 120", Duration::ZERO);
}

#[test]
fn a_fork_counts_when_its_delay_is_over() {
    let mut shell = Program::new("d");
    std::fs::copy("/bin/dash", &shell.path).unwrap();
    let name = shell.name.clone();
    let blocks = format!("vrrp_track_process web {{\n process {name}\n quorum 2\n fork_delay 0.5\n weight 20\n}}\n");
    let both = Both::start("d", &blocks, "track_process {\n web\n}");
    both.wait("(VI_1) Entering MASTER STATE");
    // A shell that makes a shell. (What they run besides is a shell for a moment, too.)
    let script = "(/usr/bin/sleep 2; :); :";
    shell.running.push(Command::new(&shell.path).args(["-c", script]).spawn().unwrap());
    both.expect("forked", "from 100 to 120", Duration::from_millis(500));
    both.expect("ended", "from 120 to 100", Duration::from_millis(1500));
}
