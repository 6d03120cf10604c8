//! Telling the outside of an event: notify scripts, FIFO lines, mail, in that order.
//!
//! Scripts of one instance, group or service run one after the other, in the order of the events: a slow MASTER script
//! can't end after the BACKUP script that followed it.

use super::fifo::Fifos;
use super::program;
use crate::message::{Exit, NotifyEvent, Subject, Transition};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use vipd_config::model::{Command, Config, Notify, Service};
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::process::Credentials;

/// Scripts that may wait for one subject; an event beyond that is told by FIFO and mail alone.
const QUEUE: usize = 64;

/// The longest a notify script may run: after that the next event's script is more useful.
const LIMIT: Duration = Duration::from_secs(300);

/// One script to run.
struct Job {
    argv: Vec<String>,
    credentials: Credentials,
    about: String,
}

/// A mail to be sent.
pub(crate) struct Mail {
    /// Subject, without the router id.
    pub(crate) subject: String,
    /// Text.
    pub(crate) body: String,
}

struct Queue {
    jobs: mpsc::Sender<Job>,
    worker: JoinHandle<()>,
}

/// Whoever is to be told.
#[derive(Default)]
pub(crate) struct Hooks {
    queues: HashMap<String, Queue>,
    fifos: Fifos,
    /// The state last told, and the state last mailed, by subject.
    told: HashMap<Subject, NotifyEvent>,
    mailed: HashMap<Subject, NotifyEvent>,
}

impl Hooks {
    /// Opens the FIFOs of a configuration, closes those that it no longer has, and forgets what neither it nor the one before
    /// it has.
    pub(crate) fn configure(&mut self, config: &Config, old: &Config) {
        self.fifos.configure(&config.global);
        let known = |subject: &Subject| notify_of(config, subject).or_else(|| notify_of(old, subject)).is_some();
        self.told.retain(|subject, _| known(subject));
        self.mailed.retain(|subject, _| known(subject));
        let names: HashSet<String> = [config, old].into_iter().flat_map(queue_names).collect();
        self.queues.retain(|name, queue| names.contains(name) || queue.jobs.capacity() < QUEUE);
    }

    /// An instance or a group changed.
    pub(crate) fn transition(&mut self, config: &Config, old: &Config, transition: &Transition) -> Option<Mail> {
        let (kind, name) = match &transition.subject {
            Subject::Instance(name) => ("INSTANCE", name),
            Subject::Group(name) => ("GROUP", name),
        };
        let notify = notify_of(config, &transition.subject).or_else(|| notify_of(old, &transition.subject))?;
        // A removed instance is told as FAULT unless the configuration asks for DELETED.
        let event = match transition.event {
            NotifyEvent::Deleted if !notify.tell_deleted => NotifyEvent::Fault,
            event => event,
        };
        let last = self.told.get(&transition.subject).copied();
        if transition.event == NotifyEvent::Deleted {
            self.told.remove(&transition.subject);
            self.mailed.remove(&transition.subject);
            if event == NotifyEvent::Fault && last == Some(NotifyEvent::Fault) {
                return None; // FAULT before: nothing new
            }
        } else if matches!(event, NotifyEvent::Master | NotifyEvent::Backup | NotifyEvent::Fault) {
            self.told.insert(transition.subject.clone(), event);
        }
        let word = event.word();
        let (script, general) = match event {
            NotifyEvent::Master => (&notify.master, true),
            NotifyEvent::Backup => (&notify.backup, true),
            NotifyEvent::Fault => (&notify.fault, true),
            NotifyEvent::Stop => (&notify.stop, true),
            NotifyEvent::Deleted => (&notify.deleted, true),
            NotifyEvent::MasterRxLowerPri => (&notify.master_rx_lower_pri, true),
            NotifyEvent::MasterPriority | NotifyEvent::BackupPriority => {
                if notify.priority_changes {
                    self.fifos.vrrp(&format!("{kind} \"{name}\" {word} {}\n", transition.priority));
                }
                return None;
            }
        };
        let queue = format!("{kind} {name}");
        if let Some(script) = script {
            self.run(&queue, script, &[], word);
        }
        if let Some(script) = notify.any.as_ref().filter(|_| general) {
            let priority = transition.priority.to_string();
            self.run(&queue, script, &[kind, name, word, &priority], word);
        }
        self.fifos.vrrp(&format!("{kind} \"{name}\" {word} {}\n", transition.priority));
        let state = matches!(event, NotifyEvent::Master | NotifyEvent::Backup | NotifyEvent::Fault);
        if !notify.smtp_alert || !state || self.mailed.get(&transition.subject) == Some(&event) {
            return None;
        }
        if transition.event != NotifyEvent::Deleted {
            self.mailed.insert(transition.subject.clone(), event);
        }
        let kind = if kind == "GROUP" { "Group" } else { "Instance" };
        Some(Mail {
            subject: format!("VRRP {kind} {name} - Entering {word} state"),
            body: format!("VRRP {kind} {name} is {word} now.\n\nWhy: {}\n", transition.why),
        })
    }

    /// A real server came or went. One that a reload has removed is told of as the configuration before it says.
    pub(crate) fn real_server(
        &mut self,
        (config, old): (&Config, &Config),
        id: &VirtualServerId,
        address: SocketAddr,
        up: Direction,
        why: &str,
    ) -> Option<Mail> {
        let here = |s: &&Service| s.lvs.real_servers.iter().any(|r| r.address == address);
        let service = config.service(id).filter(here).or_else(|| old.service(id).filter(here))?;
        let word = up.word();
        let server = format!("[{}]:{}:{}", address.ip(), service.lvs.protocol, address.port());
        let notify = service.told_of(address);
        let script = match up {
            Direction::Up => notify.up,
            Direction::Down => notify.down,
        };
        if let Some(script) = script {
            self.run(&format!("VS {id}"), &script, &[], &format!("RS {server} {word}"));
        }
        self.fifos.lvs(&format!("RS {server} {} {word}\n", id.original()));
        notify.smtp_alert.then(|| Mail {
            subject: format!("Realserver {server} of virtual server {id} - {word}"),
            body: format!("Real server {server} of virtual server {id} is {word} now.\n\nWhy: {why}\n"),
        })
    }

    /// A service gained or lost its quorum.
    pub(crate) fn quorum(
        &mut self,
        (config, old): (&Config, &Config),
        id: &VirtualServerId,
        up: Direction,
        why: &str,
    ) -> Option<Mail> {
        let service = config.service(id).or_else(|| old.service(id))?;
        let word = up.word();
        let script = match up {
            Direction::Up => &service.quorum_up,
            Direction::Down => &service.quorum_down,
        };
        if let Some(script) = script {
            self.run(&format!("VS {id}"), script, &[], word);
        }
        self.fifos.lvs(&format!("VS {} {word}\n", id.original()));
        service.smtp_alert.then(|| Mail {
            subject: format!("Virtualserver {id} - {word}"),
            body: format!("Virtual server {id} is {word} now.\n\nWhy: {why}\n"),
        })
    }

    fn run(&mut self, queue: &str, command: &Command, more: &[&str], word: &str) {
        let mut argv = command.argv.clone();
        argv.extend(more.iter().map(ToString::to_string));
        let job = Job { argv, credentials: credentials(command), about: format!("{queue} {word}: {}", command.text) };
        let entry = self.queues.entry(queue.to_owned()).or_insert_with(|| {
            let (jobs, rest) = mpsc::channel(QUEUE);
            Queue { jobs, worker: tokio::spawn(work(rest)) }
        });
        if let Err(e) = entry.jobs.try_send(job) {
            let job = match &e {
                mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job) => job,
            };
            warn!("{QUEUE} scripts are waiting already: not run: {}", job.about);
        }
    }

    /// Waits until every queued script has run, for so long at most; closes the FIFOs.
    pub(crate) async fn finish(&mut self, patience: Duration) {
        let deadline = tokio::time::Instant::now() + patience;
        for (name, queue) in self.queues.drain() {
            drop(queue.jobs);
            let abort = queue.worker.abort_handle();
            if tokio::time::timeout_at(deadline, queue.worker).await.is_err() {
                warn!("scripts of {name} have not ended in time: they are told to");
                abort.abort();
            }
        }
        self.fifos.close();
    }
}

/// Whether something came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Came.
    Up,
    /// Went.
    Down,
}

impl Direction {
    /// From a message's flag.
    pub(crate) fn of(up: bool) -> Direction {
        if up { Direction::Up } else { Direction::Down }
    }

    fn word(self) -> &'static str {
        match self {
            Direction::Up => "UP",
            Direction::Down => "DOWN",
        }
    }
}

/// Whom a program of the configuration runs as.
pub(crate) fn credentials(command: &Command) -> Credentials {
    Credentials { uid: command.uid, gid: command.gid, groups: command.groups.clone() }
}

fn notify_of<'a>(config: &'a Config, subject: &Subject) -> Option<&'a Notify> {
    match subject {
        Subject::Instance(name) => config.instance(name).map(|i| &i.notify),
        Subject::Group(name) => config.groups.iter().find(|g| g.vrrp.name == *name).map(|g| &g.notify),
    }
}

/// The names of all queues that a configuration may use.
fn queue_names(config: &Config) -> impl Iterator<Item = String> {
    let instances = config.instances.iter().map(|i| format!("INSTANCE {}", i.vrrp.name));
    let groups = config.groups.iter().map(|g| format!("GROUP {}", g.vrrp.name));
    instances.chain(groups).chain(config.services.iter().map(|s| format!("VS {}", s.lvs.id)))
}

/// Runs the scripts of one subject, one after the other.
async fn work(mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        let program::Ended { exit, leftover } = program::run(&job.argv, &job.credentials, LIMIT).await;
        match exit {
            Exit::Status(0) => info!("notify script ended well: {}", job.about),
            other => warn!("notify script: {other}: {}", job.about),
        }
        // The next one starts when this one is dead: they never overlap.
        program::gone(leftover).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    fn config(more: &str) -> Config {
        let text = format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\nsmtp_alert\n{more}\nvirtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
        );
        vipd_config::load_str("test.conf", &text, &vipd_config::Options::default()).config.unwrap()
    }

    /// The subjects of the mails about what happens to the instance, which the configuration no longer has.
    fn told(old: &Config, events: &[NotifyEvent]) -> Vec<String> {
        let mut hooks = Hooks::default();
        let tell = |event: &NotifyEvent| {
            let subject = Subject::Instance("A".to_owned());
            let transition = Transition { subject, event: *event, priority: 100, why: "test".to_owned(), at: 0.0 };
            hooks.transition(&Config::default(), old, &transition)
        };
        events.iter().filter_map(tell).map(|mail| mail.subject).collect()
    }

    #[test]
    fn what_is_removed_is_told_as_fault_once() {
        use NotifyEvent::{Backup, Deleted, Fault, Master};
        let fault = "VRRP Instance A - Entering FAULT state";
        let mails = told(&config(""), &[Backup, Master, Deleted]);
        assert_eq!(mails.len(), 3);
        assert_eq!(mails[2], fault);
        assert_eq!(told(&config(""), &[Fault, Deleted]), [fault], "it was in FAULT before");
        // What comes back after that is new.
        assert_eq!(told(&config(""), &[Fault, Deleted, Fault]), [fault, fault]);
        assert_eq!(told(&config("notify_deleted"), &[Fault, Deleted]), [fault], "DELETED is no state to mail");
        assert_eq!(told(&Config::default(), &[Fault]), [""; 0], "nobody knows it");
    }
}
