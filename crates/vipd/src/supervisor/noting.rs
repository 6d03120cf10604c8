//! What has happened gets its number here, and the console a copy.

use super::{RoleName, Supervisor};
use crate::message::{NotifyEvent, Subject, ToRole, Transition};
use crate::record::Record;
use std::time::Duration;
use tokio::time::Instant;
use vipd_api::{Event, HookRun, UnixTime};
use vipd_sys::clock::{monotonic_micros, unix_time};

/// How long events wait for others, counted from when some were told: of a thousand servers that fail one after the other, each
/// would wake the console. One that comes alone waits for nothing.
const GATHER: Duration = Duration::from_millis(200);
/// Events that wait for no others.
const MANY: usize = 256;

/// What the console has not been told.
#[derive(Default)]
pub(super) struct Untold {
    events: Vec<Event>,
    /// When it was told something last.
    told: Option<Instant>,
}

/// An empty record with a name that no other run of the daemon has.
pub(super) fn new_record(started: UnixTime) -> Record {
    let half = || vipd_sys::random::number().map(|number| format!("{number:08x}"));
    // Without a generator the time of the start has to do.
    let boot = half().and_then(|first| Ok(first + &half()?)).unwrap_or_else(|_| format!("{:016x}", started.to_bits()));
    Record::new(boot, started)
}

impl Supervisor {
    /// Something happened now.
    pub(super) fn note(&mut self, kind: &str, subject: String, what: String, cause: String) {
        self.note_event(Event { seq: 0, at: unix_time(), kind: kind.to_owned(), subject, what, cause });
    }

    /// Something happened. It is told at once: a script that is run for it may ask for it.
    pub(super) fn note_event(&mut self, event: Event) {
        let event = self.record.number(event);
        self.untold.events.push(event);
        self.tell_events();
    }

    /// Things happened to real servers, in this order: more of them may follow.
    pub(super) fn note_events(&mut self, events: Vec<Event>) {
        self.untold.events.extend(events.into_iter().map(|event| self.record.number(event)));
        if self.untold.told.is_none_or(|at| at.elapsed() >= GATHER) || self.untold.events.len() >= MANY {
            self.tell_events();
        }
    }

    /// When what waits is to be told.
    pub(super) fn events_wake(&self) -> Option<Instant> {
        self.untold.told.filter(|_| !self.untold.events.is_empty()).map(|at| at + GATHER)
    }

    /// Tells the console what waits.
    pub(super) fn tell_events(&mut self) {
        let events = std::mem::take(&mut self.untold.events);
        if !events.is_empty() {
            self.untold.told = Some(Instant::now());
            self.tell_console(events);
        }
    }

    /// A console that starts gets all that is kept.
    pub(super) fn tell_all_events(&mut self) {
        self.untold.events.clear();
        self.tell_console(self.record.all());
    }

    /// One that takes nothing more learns of the gap by the numbers.
    fn tell_console(&self, events: Vec<Event>) {
        let (boot, started) = (self.record.boot().to_owned(), self.record.started());
        self.tell(RoleName::Console, &ToRole::Events { boot, started, events });
    }

    /// Tells the director whether it is to tell of connections or to hear of them.
    pub(super) fn tell_mastership(&self) {
        let followed = self.config.global.sync_daemon.as_ref().and_then(|daemon| daemon.instance.as_ref());
        if let Some(name) = followed {
            self.tell(RoleName::Director, &ToRole::Mastership(self.masters.contains(name)));
        }
    }

    /// Takes note of who is MASTER.
    pub(super) fn note_mastership(&mut self, transition: &Transition) {
        let Subject::Instance(name) = &transition.subject else { return };
        let changed = match transition.event {
            NotifyEvent::Master => self.masters.insert(name.clone()),
            NotifyEvent::Backup | NotifyEvent::Fault | NotifyEvent::Stop | NotifyEvent::Deleted => {
                self.masters.remove(name)
            }
            NotifyEvent::MasterRxLowerPri | NotifyEvent::MasterPriority | NotifyEvent::BackupPriority => false,
        };
        if changed {
            self.tell_mastership();
        }
    }

    /// A notify script has run.
    pub(super) fn note_hook(&mut self, subject: String, run: HookRun) {
        let cause = format!("{} after {:.3} s: {}", run.event, run.took, run.script);
        self.note("hook", subject, run.ended, cause);
    }

    /// An instance or a group changed.
    pub(super) fn note_transition(&mut self, transition: &Transition) {
        let subject = super::hooks::name_of(&transition.subject);
        // One for each advert of a second master would drive out everything else that is kept.
        let lower = transition.event == NotifyEvent::MasterRxLowerPri;
        if lower && self.lower.entry(subject.clone()).or_default().allow(monotonic_micros()).is_none() {
            return;
        }
        let kind = match transition.event {
            NotifyEvent::Master
            | NotifyEvent::Backup
            | NotifyEvent::Fault
            | NotifyEvent::Stop
            | NotifyEvent::Deleted => "transition",
            NotifyEvent::MasterRxLowerPri => "lower_priority",
            NotifyEvent::MasterPriority | NotifyEvent::BackupPriority => "priority",
        };
        let what = match kind {
            "priority" => transition.priority.to_string(),
            _ => transition.event.word().to_owned(),
        };
        let (kind, cause) = (kind.to_owned(), transition.why.clone());
        self.note_event(Event { seq: 0, at: transition.at, kind, subject, what, cause });
    }
}
