//! Telling the outside of an event: notify scripts, FIFO lines, mail, in that order.
//!
//! Scripts of one instance, group or service run one after the other, in the order of the events: a slow MASTER script
//! can't end after the BACKUP script that followed it. Which of them, `queue` decides.

mod queue;

use super::fifo::Fifos;
use super::program;
use crate::message::{Exit, NotifyEvent, Subject, Transition, Turned};
use queue::{Queue, Script, Told, Topic};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};
use vipd_api::{HookRun, HookStatus};
use vipd_config::model::{Command, Config, Notify, Service};
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::unix_time;
use vipd_sys::process::Credentials;

/// The longest a notify script may run, unless `notify_timeout` says otherwise: after that the next event's script is more
/// useful.
const LIMIT: Duration = Duration::from_secs(300);

/// How long a stop waits for notify scripts, unless `notify_timeout` says otherwise: less than systemd waits for the stop.
const LAST_LIMIT: Duration = Duration::from_secs(60);

/// A mail to be sent.
pub(crate) struct Mail {
    /// Subject, without the router id.
    pub(crate) subject: String,
    /// Text.
    pub(crate) body: String,
}

/// A script has ended.
pub(crate) struct Ended {
    subject: String,
    exit: Exit,
    took: Duration,
}

/// Whoever is to be told.
#[derive(Default)]
pub(crate) struct Hooks {
    /// By subject, in the configuration's words.
    queues: BTreeMap<String, Queue>,
    running: JoinSet<Ended>,
    /// Whether what runs has no more time.
    over: watch::Sender<bool>,
    /// `notify_timeout`
    timeout: Option<Duration>,
    fifos: Fifos,
    /// The state last told, with the priority then in force, and the state last mailed, by subject.
    told: HashMap<Subject, (NotifyEvent, u8)>,
    mailed: HashMap<Subject, NotifyEvent>,
}

impl Hooks {
    /// Opens the FIFOs of a configuration, closes those that it no longer has, and forgets what neither it nor the one before
    /// it has.
    pub(crate) fn configure(&mut self, config: &Config, old: &Config) {
        self.fifos.configure(&config.global);
        self.timeout = config.global.notify_timeout;
        let known = |subject: &Subject| notify_of(config, subject).or_else(|| notify_of(old, subject)).is_some();
        self.told.retain(|subject, _| known(subject));
        self.mailed.retain(|subject, _| known(subject));
        let names: HashSet<String> = [config, old].into_iter().flat_map(queue_names).collect();
        self.queues.retain(|name, queue| names.contains(name) || !queue.idle());
    }

    /// Tells the FIFOs once more in which state each group and each instance is, after a reload that is asked to do so.
    pub(crate) fn repeat_states(&mut self, config: &Config) {
        if !config.global.fifo_states_on_reload {
            return;
        }
        let groups = config.groups.iter().map(|g| Subject::Group(g.vrrp.name.clone()));
        let instances = config.instances.iter().map(|i| Subject::Instance(i.vrrp.name.clone()));
        for subject in groups.chain(instances) {
            if let Some((event, priority)) = self.told.get(&subject) {
                let (kind, name) = words_of(&subject);
                self.fifos.vrrp(&format!("{kind} \"{name}\" {} {priority}\n", event.word()));
            }
        }
    }

    /// An instance or a group changed.
    pub(crate) fn transition(&mut self, config: &Config, old: &Config, transition: &Transition) -> Option<Mail> {
        let (kind, name) = words_of(&transition.subject);
        let notify = notify_of(config, &transition.subject).or_else(|| notify_of(old, &transition.subject))?;
        // A removed instance is told as FAULT unless the configuration asks for DELETED.
        let event = match transition.event {
            NotifyEvent::Deleted if !notify.tell_deleted => NotifyEvent::Fault,
            event => event,
        };
        let last = self.told.get(&transition.subject).map(|(event, _)| *event);
        if transition.event == NotifyEvent::Deleted {
            self.told.remove(&transition.subject);
            self.mailed.remove(&transition.subject);
            if event == NotifyEvent::Fault && last == Some(NotifyEvent::Fault) {
                return None; // FAULT before: nothing new
            }
        } else if matches!(event, NotifyEvent::Master | NotifyEvent::Backup | NotifyEvent::Fault) {
            self.told.insert(transition.subject.clone(), (event, transition.priority));
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
                if let Some((_, priority)) = self.told.get_mut(&transition.subject) {
                    *priority = transition.priority;
                }
                if notify.priority_changes {
                    self.fifos.vrrp(&format!("{kind} \"{name}\" {word} {}\n", transition.priority));
                }
                return None;
            }
        };
        let priority = transition.priority.to_string();
        let any = notify.any.as_ref().filter(|_| general);
        let any = any.map(|command| job(command, &[kind, name, word, &priority]));
        let scripts = script.as_ref().map(|command| job(command, &[])).into_iter().chain(any).collect();
        let topic = if event == NotifyEvent::MasterRxLowerPri { Topic::LowerPriority } else { Topic::State };
        self.put(&name_of(&transition.subject), Told { topic, event: word.to_owned(), scripts });
        self.fifos.vrrp(&format!("{kind} \"{name}\" {word} {}\n", transition.priority));
        let state = matches!(event, NotifyEvent::Master | NotifyEvent::Backup | NotifyEvent::Fault);
        if !notify.smtp_alert || !state || self.mailed.get(&transition.subject) == Some(&event) {
            return None;
        }
        if transition.event != NotifyEvent::Deleted {
            self.mailed.insert(transition.subject.clone(), event);
        }
        if event == NotifyEvent::Fault && config.global.no_fault_mail {
            return None;
        }
        let kind = if kind == "GROUP" { "Group" } else { "Instance" };
        Some(Mail {
            subject: format!("VRRP {kind} {name} - Entering {word} state"),
            body: format!("VRRP {kind} {name} is {word} now.\n\nWhy: {}\n", transition.why),
        })
    }

    /// A real server of this virtual server came or went.
    pub(crate) fn real_server(
        &mut self,
        service: &Service,
        address: SocketAddr,
        up: Direction,
        why: &str,
    ) -> Option<Mail> {
        let (id, word) = (&service.lvs.id, up.word());
        let server = format!("[{}]:{}:{}", address.ip(), service.lvs.protocol, address.port());
        let notify = service.told_of(address);
        let script = match up {
            Direction::Up => notify.up,
            Direction::Down => notify.down,
        };
        if let Some(command) = &script {
            let told = Told {
                topic: Topic::Server(address),
                event: format!("RS {server} {word}"),
                scripts: [job(command, &[])].into(),
            };
            self.put(&name_of_service(id), told);
        }
        self.fifos.lvs(&format!("RS {server} {} {word}\n", id.original()));
        notify.smtp_alert.then(|| Mail {
            subject: format!("Realserver {server} of virtual server {id} - {word}"),
            body: format!("Real server {server} of virtual server {id} is {word} now.\n\nWhy: {why}\n"),
        })
    }

    /// A virtual server gained or lost its quorum.
    pub(crate) fn quorum(&mut self, service: &Service, up: Direction, why: &str) -> Option<Mail> {
        let (id, word) = (&service.lvs.id, up.word());
        let script = match up {
            Direction::Up => &service.quorum_up,
            Direction::Down => &service.quorum_down,
        };
        if let Some(command) = script {
            let told = Told { topic: Topic::Quorum, event: word.to_owned(), scripts: [job(command, &[])].into() };
            self.put(&name_of_service(id), told);
        }
        self.fifos.lvs(&format!("VS {} {word}\n", id.original()));
        service.smtp_alert.then(|| Mail {
            subject: format!("Virtualserver {id} - {word}"),
            body: format!("Virtual server {id} is {word} now.\n\nWhy: {why}\n"),
        })
    }

    /// An event's scripts are to run, if it has any.
    fn put(&mut self, subject: &str, told: Told) {
        if told.scripts.is_empty() {
            return;
        }
        let event = told.event.clone();
        for older in self.queues.entry(subject.to_owned()).or_default().put(told) {
            warn!("{subject}: {event} came before the notify scripts of {older} had begun: those are not run");
        }
        self.go_on(subject);
    }

    /// Runs the next script of a subject, if none runs.
    fn go_on(&mut self, subject: &str) {
        let Some(script) = self.queues.get_mut(subject).and_then(|queue| queue.next(unix_time())) else { return };
        let (subject, limit, mut over) = (subject.to_owned(), self.timeout.unwrap_or(LIMIT), self.over.subscribe());
        self.running.spawn(async move {
            let start = Instant::now();
            let no_more_time = async {
                tokio::select! {
                    () = tokio::time::sleep(limit) => {}
                    _ = over.wait_for(|over| *over) => {}
                }
            };
            let ended = program::run_until(&script.argv, &script.credentials, no_more_time).await;
            let took = start.elapsed();
            // The next one starts when this one is dead: they never overlap.
            program::gone(ended.leftover).await;
            Ended { subject, exit: ended.exit, took }
        });
    }

    /// The next script that ends; `None` while none runs.
    pub(crate) async fn next_end(&mut self) -> Option<Ended> {
        self.running.join_next().await?.ok()
    }

    /// A script has ended: the next one may run. Gives whose it was, and how it went.
    pub(crate) fn ended(&mut self, Ended { subject, exit, took }: Ended) -> Option<(String, HookRun)> {
        let run = self.queues.get_mut(&subject)?.ended(&exit, took.as_secs_f64())?;
        let HookRun { event, script, .. } = &run;
        match exit {
            Exit::Status(0) => info!("{subject}: notify script of {event} ended well after {took:.1?}: {script}"),
            exit => warn!("{subject}: notify script of {event}: {exit} after {took:.1?}: {script}"),
        }
        self.go_on(&subject);
        Some((subject, run))
    }

    /// How it stands with the scripts of each subject.
    pub(crate) fn status(&self) -> Vec<HookStatus> {
        self.queues.iter().map(|(subject, queue)| queue.status(subject)).collect()
    }

    /// Waits until every script has run, for so long as they may take at a stop; closes the FIFOs. Gives what ran.
    pub(crate) async fn finish(&mut self) -> Vec<(String, HookRun)> {
        let mut runs = Vec::new();
        let deadline = Instant::now() + self.timeout.unwrap_or(LAST_LIMIT);
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.next_end()).await {
            runs.extend(self.ended(ended));
        }
        for (subject, queue) in self.queues.iter_mut().filter(|(_, queue)| !queue.idle()) {
            warn!("{subject}: notify scripts have not ended in time: what runs is told to end");
            for event in queue.clear() {
                warn!("{subject}: the notify scripts of {event} are not run any more");
            }
        }
        let _ = self.over.send(true); // nobody listens if nothing runs
        let dead = Instant::now() + program::DEATH;
        while let Ok(Some(ended)) = tokio::time::timeout_at(dead, self.next_end()).await {
            runs.extend(self.ended(ended));
        }
        self.fifos.close();
        runs
    }
}

/// The script of a command, with more arguments.
fn job(command: &Command, more: &[&str]) -> Script {
    let argv = command.argv.iter().cloned().chain(more.iter().map(ToString::to_string)).collect();
    Script { argv, credentials: credentials(command), text: command.text.clone() }
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

    /// As scripts and FIFOs have it.
    pub(crate) fn word(self) -> &'static str {
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

/// What scripts and FIFOs call a subject: its kind, and its name.
fn words_of(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Instance(name) => ("INSTANCE", name),
        Subject::Group(name) => ("GROUP", name),
    }
}

/// A subject in the configuration's words.
pub(super) fn name_of(subject: &Subject) -> String {
    match subject {
        Subject::Instance(name) => format!("vrrp_instance {name}"),
        Subject::Group(name) => format!("vrrp_sync_group {name}"),
    }
}

/// The mail that tells of a check which turned without its server, if there is to be one.
pub(super) fn turned(service: &Service, turned: &Turned) -> Option<Mail> {
    let Turned { service: id, address, kind, up, why } = turned;
    let server = format!("[{}]:{}:{}", address.ip(), service.lvs.protocol, address.port());
    let (word, verb) = if *up { ("UP", "passes") } else { ("DOWN", "fails") };
    service.told_of(*address).smtp_alert.then(|| Mail {
        subject: format!("{kind} of realserver {server} of virtual server {id} - {word}"),
        body: format!(
            "{kind} of real server {server} of virtual server {id} {verb} now. The server is DOWN, as it was before.\n\nWhy: {why}\n"
        ),
    })
}

pub(super) fn name_of_service(id: &VirtualServerId) -> String {
    format!("virtual_server {id}")
}

/// The names of all queues that a configuration may use.
fn queue_names(config: &Config) -> impl Iterator<Item = String> {
    let instances = config.instances.iter().map(|i| name_of(&Subject::Instance(i.vrrp.name.clone())));
    let groups = config.groups.iter().map(|g| name_of(&Subject::Group(g.vrrp.name.clone())));
    instances.chain(groups).chain(config.services.iter().map(|s| name_of_service(&s.lvs.id)))
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
    fn a_fault_is_not_mailed_where_that_is_said_and_what_follows_it_is() {
        use NotifyEvent::{Backup, Fault};
        let mut config = config("");
        let told = |config: &Config| {
            let mut hooks = Hooks::default();
            let tell = |event: &NotifyEvent| {
                let subject = Subject::Instance("A".to_owned());
                let transition = Transition { subject, event: *event, priority: 100, why: "test".to_owned(), at: 0.0 };
                hooks.transition(config, config, &transition)
            };
            [Backup, Fault, Backup].iter().filter_map(tell).count()
        };
        assert_eq!(told(&config), 3);
        config.global.no_fault_mail = true;
        assert_eq!(told(&config), 2);
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
