//! The scripts of one subject: one at a time, in the order of the events, and the newest word counts. What is decided, not
//! what is run.
//!
//! An event may have two scripts (`notify_master`, then `notify`). Once the first of them has begun, both run. As long as
//! none has, a newer event about the same thing takes their place: it would be told of a state that is over.

use crate::message::Exit;
use std::collections::VecDeque;
use std::net::SocketAddr;
use vipd_api::{HookRun, HookRunning, HookStatus, UnixTime};
use vipd_sys::process::Credentials;

/// Runs that are remembered.
const REMEMBERED: usize = 8;

/// What an event is about. There are few of each subject, and so few events can wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Topic {
    /// The state of an instance or a group.
    State,
    /// A master heard one of lower priority.
    LowerPriority,
    /// A real server.
    Server(SocketAddr),
    /// A quorum.
    Quorum,
}

/// A script to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Script {
    pub(super) argv: Vec<String>,
    pub(super) credentials: Credentials,
    /// What the configuration says.
    pub(super) text: String,
}

/// An event and its scripts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) topic: Topic,
    /// The event's word: `MASTER`
    pub(super) event: String,
    /// In the order in which they run.
    pub(super) scripts: VecDeque<Script>,
}

/// What of one subject runs, waits and has run.
#[derive(Default, Debug)]
pub(super) struct Queue {
    running: Option<HookRunning>,
    /// The event that has begun, with the scripts that it still has to run.
    begun: Option<Told>,
    waiting: VecDeque<Told>,
    recent: VecDeque<HookRun>,
    superseded: u64,
}

impl Queue {
    /// An event is to be told. Gives the words of those in whose place it comes.
    pub(super) fn put(&mut self, told: Told) -> Vec<String> {
        let (older, waiting): (VecDeque<Told>, _) = self.waiting.drain(..).partition(|w| w.topic == told.topic);
        self.waiting = waiting;
        let older: Vec<String> = older.into_iter().map(|older| older.event).collect();
        self.superseded += older.len() as u64;
        self.waiting.push_back(told);
        older
    }

    /// The script to run now, if it is time for another.
    pub(super) fn next(&mut self, now: UnixTime) -> Option<Script> {
        if self.running.is_some() {
            return None;
        }
        if self.begun.as_ref().is_none_or(|begun| begun.scripts.is_empty()) {
            self.begun = self.waiting.pop_front();
        }
        let begun = self.begun.as_mut()?;
        let script = begun.scripts.pop_front()?;
        self.running = Some(HookRunning { event: begun.event.clone(), script: script.text.clone(), since: now });
        Some(script)
    }

    /// The script that ran has ended. `took` in seconds.
    pub(super) fn ended(&mut self, exit: &Exit, took: f64) -> Option<HookRun> {
        let HookRunning { event, script, since } = self.running.take()?;
        let run =
            HookRun { event, script, began: since, took, ended: exit.to_string(), well: *exit == Exit::Status(0) };
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(run.clone());
        Some(run)
    }

    /// Whether nothing runs or waits.
    pub(super) fn idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// Forgets what has not begun; the words of it.
    pub(super) fn clear(&mut self) -> Vec<String> {
        if let Some(begun) = &mut self.begun {
            begun.scripts.clear();
        }
        self.waiting.drain(..).map(|told| told.event).collect()
    }

    /// What there is to see of it.
    pub(super) fn status(&self, subject: &str) -> HookStatus {
        HookStatus {
            subject: subject.to_owned(),
            running: self.running.clone(),
            waiting: self.waiting.iter().map(|told| told.event.clone()).collect(),
            superseded: self.superseded,
            recent: self.recent.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    fn told(topic: Topic, event: &str, scripts: &[&str]) -> Told {
        let credentials = Credentials { uid: 0, gid: 0, groups: Vec::new() };
        let script = |text: &&str| Script {
            argv: vec![(*text).to_owned()],
            credentials: credentials.clone(),
            text: (*text).to_owned(),
        };
        Told { topic, event: event.to_owned(), scripts: scripts.iter().map(script).collect() }
    }

    /// Runs whatever is to be run, each to its end.
    fn run_all(queue: &mut Queue) -> Vec<String> {
        let mut ran = Vec::new();
        while let Some(script) = queue.next(0.0) {
            assert!(queue.next(0.0).is_none(), "two at once");
            queue.ended(&Exit::Status(0), 0.0);
            ran.push(script.text);
        }
        ran
    }

    #[test]
    fn one_at_a_time_and_the_newest_state_wins() {
        let mut queue = Queue::default();
        assert!(queue.put(told(Topic::State, "MASTER", &["m", "any MASTER"])).is_empty());
        assert_eq!(queue.next(1.0).unwrap().text, "m");
        // While it runs: a second and a third state, of which the second is over before its scripts have begun.
        assert!(queue.put(told(Topic::State, "BACKUP", &["b", "any BACKUP"])).is_empty());
        assert_eq!(queue.put(told(Topic::State, "FAULT", &["f", "any FAULT"])), ["BACKUP"]);
        let status = queue.status("vrrp_instance A");
        assert_eq!((status.waiting, status.superseded), (vec!["FAULT".to_owned()], 1));
        assert_eq!(status.running.unwrap().event, "MASTER");
        let run = queue.ended(&Exit::Status(3), 2.5).unwrap();
        assert_eq!(
            (run.event.as_str(), run.ended.as_str(), run.well, run.took),
            ("MASTER", "exit status 3", false, 2.5)
        );
        // What has begun is told to its end.
        assert_eq!(run_all(&mut queue), ["any MASTER", "f", "any FAULT"]);
        assert!(queue.idle());
    }

    #[test]
    fn what_is_about_something_else_is_not_dropped() {
        let mut queue = Queue::default();
        let (one, two) = (SocketAddr::from(([192, 0, 2, 1], 80)), SocketAddr::from(([192, 0, 2, 2], 80)));
        queue.put(told(Topic::Quorum, "UP", &["first"]));
        queue.next(0.0);
        queue.put(told(Topic::Server(one), "RS one DOWN", &["1 down"]));
        queue.put(told(Topic::Server(two), "RS two DOWN", &["2 down"]));
        queue.put(told(Topic::Quorum, "DOWN", &["down"]));
        assert_eq!(queue.put(told(Topic::Server(one), "RS one UP", &["1 up"])), ["RS one DOWN"]);
        queue.ended(&Exit::Status(0), 0.0);
        assert_eq!(run_all(&mut queue), ["2 down", "down", "1 up"]);
        // A master's trouble with a lower priority is not its state.
        queue.put(told(Topic::State, "MASTER", &["slow"]));
        queue.next(0.0);
        queue.put(told(Topic::LowerPriority, "MASTER_RX_LOWER_PRI", &["lower"]));
        assert!(queue.put(told(Topic::State, "BACKUP", &["b"])).is_empty());
        assert_eq!(queue.put(told(Topic::LowerPriority, "MASTER_RX_LOWER_PRI", &["lower"])), ["MASTER_RX_LOWER_PRI"]);
        queue.ended(&Exit::Timeout, 0.0);
        assert_eq!(run_all(&mut queue), ["b", "lower"]);
    }

    #[test]
    fn at_the_end_only_what_runs_is_left() {
        let mut queue = Queue::default();
        queue.put(told(Topic::State, "MASTER", &["m", "any MASTER"]));
        queue.next(0.0);
        queue.put(told(Topic::State, "STOP", &["s"]));
        assert_eq!(queue.clear(), ["STOP"]);
        queue.ended(&Exit::Timeout, 1.0);
        assert!(queue.next(0.0).is_none() && queue.idle());
        for _ in 0..20 {
            queue.put(told(Topic::State, "FAULT", &["f"]));
            run_all(&mut queue);
        }
        assert_eq!(queue.status("").recent.len(), REMEMBERED);
    }
}
