//! What has happened gets its number here, and the console a copy.

use super::{RoleName, Supervisor};
use crate::message::{NotifyEvent, Subject, ToRole, Transition};
use crate::record::Record;
use vipd_api::{Event, HookRun, UnixTime};
use vipd_sys::clock::{monotonic_micros, unix_time};

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

    /// Something happened.
    pub(super) fn note_event(&mut self, event: Event) {
        self.note_events(vec![event]);
    }

    /// Things happened, in this order.
    pub(super) fn note_events(&mut self, events: Vec<Event>) {
        let events: Vec<Event> = events.into_iter().map(|event| self.record.number(event)).collect();
        if !events.is_empty() {
            self.tell_console(events);
        }
    }

    /// A console that starts gets all that is kept.
    pub(super) fn tell_all_events(&self) {
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
