//! Tests of tracked processes: names and command lines, and real processes of this machine.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use super::*;
use std::process::{Child, Command};
use std::time::Instant;
use vipd_config::model::Config;
use vipd_vrrp::units::Micros;

fn wanted(process: &str, parameters: &[&str], matching: ProcessMatch) -> TrackedProcess {
    let vrrp = vipd_vrrp::settings::Process {
        name: "P".to_owned(),
        quorum: 1,
        quorum_max: None,
        terminate_delay: Micros::ZERO,
        fork_delay: Micros::ZERO,
    };
    let parameters = parameters.iter().map(|p| (*p).to_owned()).collect();
    TrackedProcess { vrrp, process: process.to_owned(), parameters, matching }
}

#[test]
fn what_is_looked_for() {
    use ProcessMatch::*;
    for (process, parameters, matching, command, expected) in [
        ("nginx", &[][..], Name, "", true),
        ("ngin", &[], Name, "", false),
        ("/usr/sbin/nginx", &[], Program, "/usr/sbin/nginx\0-g\0", true),
        ("/usr/sbin/nginx", &[], Program, "/usr/sbin/nginx", true),
        ("nginx", &[], Program, "/usr/sbin/nginx\0", false),
        ("a", &[], Exact, "a\0", true),
        ("a", &[], Exact, "a\0b\0", false),
        ("a", &["b", "c d"], Exact, "a\0b\0c d\0", true),
        ("a", &["b", "c"], Exact, "a\0b\0c\0d\0", false),
        ("a", &["b", ""], Exact, "a\0b\0\0", true),
        ("a", &["b"], Partial, "a\0b\0c\0", true),
        ("a", &["b"], Partial, "a\0bb\0", false),
        ("a", &[], Partial, "a\0b\0", true),
        ("a", &["b", "c"], Partial, "a\0b\0", false),
        ("a", &["b", "c"], Initial, "a\0b\0cc\0", true),
        ("a", &["b", "c"], Initial, "a\0bb\0cc\0", false),
        ("a", &["b", "c"], Initial, "a\0b\0", false),
        ("a", &["b", "c"], Initial, "a\0b\0cc\0d\0", true),
        ("a", &[], Initial, "a\0b\0", true),
    ] {
        let found = is(&wanted(process, parameters, matching), b"nginx", command.as_bytes());
        assert_eq!(found, expected, "{process} {parameters:?} {matching:?} in {command:?}");
    }
    assert!(is(&wanted("averyveryverylongname", &[], Name), b"averyveryverylo", b""));
}

#[test]
fn names_have_anything_in_them_and_the_dead_have_none() {
    assert_eq!(name_of(b"7 (a) b (c)) S 1 7 7"), Some(b"a) b (c)".as_slice()));
    assert_eq!(name_of(b"7 (a) Z 1 7 7"), None);
    assert_eq!(name_of(b"7 )a( S"), None);
    assert_eq!(name_of(b""), None);
}

/// A counter of one process, and what it tells.
struct Counted {
    queue: mpsc::Receiver<Event>,
    _alive: std::sync::Arc<()>,
}

impl Counted {
    fn start(wanted: TrackedProcess) -> Counted {
        let (events, queue) = mpsc::channel(64);
        let (lease, alive) = Lease::for_test();
        let counter = Counter { lease, events, running: Running::of(vec![wanted]) };
        std::thread::spawn(move || counter.run());
        Counted { queue, _alive: alive }
    }

    /// Waits for this number; how long that took.
    fn wait(&mut self, expected: u32) -> Duration {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            match self.queue.try_recv() {
                Ok(Event::Process { count, .. }) if count == expected => return start.elapsed(),
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("never {expected}")
    }
}

/// A copy of sleep that nobody else runs, started; killed with the test.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn real_processes_are_counted_as_they_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("vt{}", std::process::id());
    let program = directory.path().join(&name);
    std::fs::copy("/usr/bin/sleep", &program).unwrap();
    let start = || Sleeper(Command::new(&program).arg("60").spawn().unwrap());
    let before = start();
    let mut by_name = Counted::start(wanted(&name, &[], ProcessMatch::Name));
    let mut by_command = Counted::start(wanted(program.to_str().unwrap(), &["60"], ProcessMatch::Exact));
    println!("  one that was there before: {:?}", by_name.wait(1));
    by_command.wait(1);
    let second = start();
    println!("  a second: {:?}", by_name.wait(2));
    by_command.wait(2);
    drop(second);
    println!("  without it: {:?}", by_name.wait(1));
    drop(before);
    by_name.wait(0);
    by_command.wait(0);
    // One that makes a child which runs something else is alone again.
    let script = format!("{} 60 & exec /usr/bin/sleep 60", program.display());
    let mut shell = Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap();
    by_command.wait(1);
    std::thread::sleep(Duration::from_millis(100));
    assert!(by_command.queue.try_recv().is_err() && by_name.wait(1) < Duration::from_secs(1));
    shell.kill().unwrap();
    shell.wait().unwrap();
    // Its child is an orphan now: found by its name, so that it ends with the test.
    for pid in Running::of(vec![wanted(&name, &[], ProcessMatch::Name)]).pids() {
        vipd_sys::process::signal_process(pid, 9).unwrap();
    }
    by_name.wait(0);
}

impl Running {
    fn pids(mut self) -> Vec<u32> {
        self.look_at_all();
        self.found.into_keys().collect()
    }
}

#[test]
fn a_fork_is_what_its_parent_is() {
    let mut running = Running::of(vec![wanted("no such name", &[], ProcessMatch::Name)]);
    let told = |running: &mut Running| running.news().into_iter().map(|(_, n, cause)| (n, cause)).collect::<Vec<_>>();
    assert_eq!(told(&mut running), [(0, Cause::Seen)], "told in any case");
    // Numbers that no process has.
    let [one, two, three, four] = [u32::MAX, u32::MAX - 1, u32::MAX - 2, u32::MAX - 3];
    running.set(one, vec![0], Cause::Seen);
    running.heard(connector::Event::Forked { parent: one, child: two });
    running.heard(connector::Event::Forked { parent: three, child: four });
    assert_eq!(told(&mut running), [(2, Cause::Forked)]);
    assert_eq!(told(&mut running), []);
    // A child of a child that runs something else at once leaves no trace.
    running.heard(connector::Event::Ended(two));
    running.heard(connector::Event::Forked { parent: one, child: two });
    assert_eq!(told(&mut running), []);
    running.heard(connector::Event::Forked { parent: two, child: three });
    running.heard(connector::Event::Forked { parent: three, child: four });
    running.heard(connector::Event::Became(four));
    assert_eq!(told(&mut running), [(3, Cause::Forked)]);
    running.heard(connector::Event::Ended(three));
    assert_eq!(told(&mut running), [(2, Cause::Ended)]);
    // It has ended before it could be looked at.
    running.heard(connector::Event::Became(two));
    assert_eq!(told(&mut running), [(1, Cause::Seen)]);
    running.heard(connector::Event::Ended(two));
    running.heard(connector::Event::Ended(one));
    assert_eq!(told(&mut running), [(0, Cause::Ended)]);
    // Events were lost: what is not there any more has ended.
    running.set(one, vec![0], Cause::Seen);
    told(&mut running);
    running.look_at_all();
    assert_eq!(told(&mut running), [(0, Cause::Ended)]);
}

#[tokio::test]
async fn a_role_that_starts_is_told_what_is_known() {
    let mut processes = super::super::followed::Followed::<TrackedProcess, u32>::default();
    let list = vec![wanted("a", &[], ProcessMatch::Name)];
    let lease = processes.change(list.clone(), |p| &p.vrrp.name).unwrap();
    assert!(processes.heard(lease.serial, "P", 3) && lease.holds());
    assert!(processes.change(list, |p| &p.vrrp.name).is_none(), "the same list");
    // Another list: the thread before is not listened to, what it told still counts for the same name.
    let next = processes.change(vec![wanted("b", &[], ProcessMatch::Name)], |p| &p.vrrp.name).unwrap();
    assert!(!lease.holds() && next.holds() && !processes.heard(lease.serial, "P", 4));
    assert_eq!(processes.values().map(|(_, v)| v).collect::<Vec<_>>(), [3]);
    processes.change(Config::default().processes, |p| &p.vrrp.name).unwrap();
    assert_eq!(processes.values().count(), 0);
}

#[test]
fn a_process_that_does_not_tell_its_command_line_keeps_nobody_waiting() {
    let place = tempfile::tempdir().unwrap();
    let process = |pid: u32| {
        let directory = place.path().join(pid.to_string());
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("stat"), format!("{pid} (x) S 1 1 1")).unwrap();
        directory.join("cmdline")
    };
    // To open a pipe that nobody writes to waits, as reading the memory of such a process does.
    let pipes: Vec<PathBuf> = (1..=3).map(process).collect();
    pipes.iter().for_each(|pipe| vipd_sys::process::make_fifo(pipe).unwrap());
    std::fs::write(process(4), "a\0").unwrap();
    let mut running = Running::of(vec![wanted("a", &[], ProcessMatch::Program)]);
    running.place = place.path().to_owned();
    let start = Instant::now();
    running.look_at_all();
    assert_eq!(running.news(), [("P".to_owned(), 1, Cause::Seen)]);
    assert_eq!(running.silent.len(), 3);
    // Each is asked once, and not at every look.
    let asked = start.elapsed();
    running.look_at_all();
    assert!(start.elapsed() - asked < PATIENCE, "{:?}", start.elapsed() - asked);
    // One that tells after all counts.
    std::fs::write(&pipes[0], "a\0").unwrap();
    while running.silent.values().any(|hanging| !hanging.hangs()) || running.silent.len() == 3 {
        running.silent.retain(|_, hanging| hanging.hangs());
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::remove_file(&pipes[0]).unwrap();
    std::fs::write(&pipes[0], "a\0").unwrap();
    running.look_at_all();
    assert_eq!(running.news(), [("P".to_owned(), 2, Cause::Seen)]);
    // The other threads end with this.
    pipes[1..].iter().for_each(|pipe| std::fs::write(pipe, "b\0").unwrap());
}
