//! What happens in the vrrp role and is no change of an instance: told for the stream of events alone.

use super::Role;
use crate::message::FromRole;
use vipd_api::Event;
use vipd_sys::clock::unix_time;
use vipd_vrrp::settings::Tracked;
use vipd_vrrp::track::{Known, ProcessState};

impl Role {
    /// Tells the supervisor what happened.
    pub(super) fn happened(&mut self, kind: &str, subject: String, what: String, cause: String) {
        let event = Event { seq: 0, at: unix_time(), kind: kind.to_owned(), subject, what, cause };
        self.queue(&FromRole::Happened(event));
    }

    /// Something else is known of a tracked object than before.
    pub(super) fn tracked(&mut self, what: &Tracked, known: Known) {
        let (word, cause) = match what {
            // What interfaces do is in the causes of transitions; sessions are told of by `follow_sessions`.
            Tracked::Interface(_) | Tracked::Bfd(_) => return,
            Tracked::Script(name) => {
                let last = self.node.scripts().find(|(script, _, _)| script == name);
                ("vrrp_script", last.and_then(|(_, _, state)| state.last.clone()).unwrap_or_default())
            }
            Tracked::File(_) => ("track_file", String::new()),
            Tracked::Process(name) => {
                let count = self.node.process(name).and_then(ProcessState::count);
                ("vrrp_track_process", count.map(|n| format!("{n} running")).unwrap_or_default())
            }
        };
        self.happened("tracker", format!("{word} {}", what.name()), known.to_string(), cause);
    }
}
