//! Running the programs of the configuration: as their user, in their own process group, within their time.
//!
//! A program whose time is over gets SIGTERM, with all that it started, then SIGKILL. Signals go to the group that was made
//! for it, and only while the program itself was not waited for: until then nobody else can have its number.

use crate::message::Exit;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;
use vipd_sys::process::{self, Credentials};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// How long a program may go on after SIGTERM before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How long what it started may go on after SIGTERM when the program itself has ended.
const ORPHANS: Duration = Duration::from_millis(100);

/// How often it is looked whether one that got SIGTERM has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How long its end is waited for after SIGKILL: only one that waits for something like a dead disk takes longer.
const REST: Duration = Duration::from_secs(1);

/// How long all of that takes at the most.
pub(crate) const DEATH: Duration = Duration::from_millis(3_500);

/// How a program ended, and what of it has not.
pub(crate) struct Ended {
    /// How.
    pub(crate) exit: Exit,
    /// One that was killed and is still there.
    pub(crate) leftover: Leftover,
}

/// A process that was killed and did not end; over when it is gone, which may be never.
pub(crate) type Leftover = Option<JoinHandle<()>>;

/// Whether it is still there.
pub(crate) fn runs(leftover: &Leftover) -> bool {
    leftover.as_ref().is_some_and(|task| !task.is_finished())
}

/// Waits until it is gone.
pub(crate) async fn gone(leftover: Leftover) {
    if let Some(task) = leftover {
        let _ = task.await; // it can't fail, and is not aborted
    }
}

/// Runs a program to its end, or for this long.
pub(crate) async fn run(argv: &[String], credentials: &Credentials, timeout: Duration) -> Ended {
    run_until(argv, credentials, tokio::time::sleep(timeout)).await
}

/// Runs a program to its end, or until its time is `over`: then SIGTERM to its process group, two seconds later SIGKILL.
pub(crate) async fn run_until(argv: &[String], credentials: &Credentials, over: impl Future<Output = ()>) -> Ended {
    let child = process::script(argv, credentials).and_then(|command| Command::from(command).spawn());
    let mut running = match child {
        Ok(child) => Running { child: Some(child) },
        Err(e) => return Ended { exit: Exit::Failed(e.to_string()), leftover: None },
    };
    let ended = match &mut running.child {
        Some(child) => tokio::select! {
            ended = child.wait() => Some(ended),
            () = over => None,
        },
        None => None,
    };
    if let Some(ended) = ended {
        return Ended { exit: exit_of(ended), leftover: None };
    }
    let leftover = match running.child.take() {
        Some(child) => end(child).await.map(|mut child| tokio::spawn(async move { drop(child.wait().await) })),
        None => None,
    };
    Ended { exit: Exit::Timeout, leftover }
}

/// Ends a program and all that it started; what is still there after a while.
async fn end(mut child: Child) -> Option<Child> {
    signal(&child, SIGTERM);
    let asked = Instant::now();
    while child.id().is_some_and(|pid| !process::child_has_ended(pid)) && asked.elapsed() < GRACE {
        tokio::time::sleep(LOOK).await;
    }
    tokio::time::sleep(ORPHANS).await;
    signal(&child, SIGKILL);
    let gone = tokio::time::timeout(REST, child.wait()).await.is_ok();
    (!gone).then_some(child)
}

fn signal(child: &Child, signal: i32) {
    // `id` is gone once the child was waited for: no other process can be hit.
    if let Some(pid) = child.id()
        && let Err(e) = process::signal_group(pid, signal)
    {
        debug!("program {pid} could not be signalled: {e}");
    }
}

/// A program that must not outlive our interest in it.
struct Running {
    child: Option<Child>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.child.take().filter(|child| child.id().is_some()) else { return };
        signal(&child, SIGTERM);
        // One that doesn't heed it is killed, whoever started it. At the end of the daemon nobody is left to do so.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(end(child).await) });
        }
    }
}

fn exit_of(ended: std::io::Result<std::process::ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match ended {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Status(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Failed(format!("ended oddly: {status}")),
        },
        Err(e) => Exit::Failed(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::message::Exit;
    use std::time::{Duration, Instant};
    use vipd_sys::process::Credentials;

    fn nobody() -> Credentials {
        Credentials { uid: 65534, gid: 65534, groups: vec![] }
    }

    fn shell(text: &str) -> Vec<String> {
        ["/bin/sh", "-c", text].map(String::from).to_vec()
    }

    async fn exit(text: &str, timeout: Duration) -> Exit {
        let ended = run(&shell(text), &nobody(), timeout).await;
        super::gone(ended.leftover).await;
        ended.exit
    }

    #[tokio::test]
    async fn a_program_ends_with_its_status_signal_or_time() {
        let long = Duration::from_secs(20);
        assert_eq!(exit("exit 0", long).await, Exit::Status(0));
        assert_eq!(exit("exit 7", long).await, Exit::Status(7));
        assert_eq!(exit("kill -9 $$", long).await, Exit::Signal(9));
        assert_eq!(exit("sleep 60", Duration::from_millis(100)).await, Exit::Timeout);
        let none = run(&["/does/not/exist".to_string()], &nobody(), long).await.exit;
        assert!(matches!(none, Exit::Failed(_)), "{none:?}");
    }

    #[tokio::test]
    async fn one_that_ignores_sigterm_is_killed_with_its_children() {
        let start = Instant::now();
        let marker = format!("61.{}", std::process::id());
        let text = format!("trap '' TERM; sleep {marker} & wait; wait");
        assert_eq!(exit(&text, Duration::from_millis(200)).await, Exit::Timeout);
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let left = std::process::Command::new("pgrep").args(["-f", &format!("sleep {marker}")]).output().unwrap();
        assert!(left.stdout.is_empty(), "a child of the script is left");
    }

    #[tokio::test]
    async fn what_ignores_sigterm_is_killed_when_the_program_itself_has_ended() {
        let marker = format!("63.{}", std::process::id());
        // The shell dies of SIGTERM, its child does not.
        let text = format!("(trap '' TERM; exec sleep {marker}) & wait");
        assert_eq!(exit(&text, Duration::from_millis(300)).await, Exit::Timeout);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let left = std::process::Command::new("pgrep").args(["-f", &format!("sleep {marker}")]).output().unwrap();
        assert!(left.stdout.is_empty(), "a child of the script is left");
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_any_more_is_ended_too() {
        let marker = format!("62.{}", std::process::id());
        let (argv, who) = (shell(&format!("trap '' TERM; sleep {marker} & wait; wait")), nobody());
        let left = || {
            let found = std::process::Command::new("pgrep").args(["-f", &format!("sleep {marker}")]).output().unwrap();
            !found.stdout.is_empty()
        };
        let task = tokio::spawn(async move { run(&argv, &who, Duration::from_secs(60)).await.exit });
        while !left() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        task.abort();
        let start = Instant::now();
        while left() {
            assert!(start.elapsed() < Duration::from_secs(10), "it ignores SIGTERM and goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn it_runs_as_its_user_without_groups() {
        if !vipd_sys::privilege::is_root() {
            panic!("needs root: a script runs as another user");
        }
        assert_eq!(
            exit("test $(id -u) = 65534 && test \"$(id -G)\" = 65534", Duration::from_secs(5)).await,
            Exit::Status(0)
        );
    }
}
