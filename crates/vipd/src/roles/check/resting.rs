//! Checks that rest while all that they are for is suspended (`ha_suspend`). What was found stays known; what runs is given up.

use super::{Check, Role, now};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::AbortHandle;
use tracing::info;
use vipd_lvs::settings::VirtualServerId;

/// From one check that begins anew to the next, so that thousands don't begin together.
const APART: Duration = Duration::from_millis(1);

impl Role {
    /// Whether every virtual server that a check is for is suspended.
    pub(super) fn suspended(&self, check: &Check) -> bool {
        check.servers.iter().all(|(id, _)| self.presence.suspends(id))
    }

    /// A check rests.
    pub(super) fn rest(&mut self, serial: u64) {
        let Some(check) = self.checks.get_mut(&serial) else { return };
        self.due.remove(&(check.health.wake(), serial));
        (check.rests, check.running) = (true, None);
        check.task.take().inspect(AbortHandle::abort);
    }

    /// It may be another matter than before whether the checks of these virtual servers rest. Those that begin anew do so at
    /// once, one after the other.
    pub(super) fn stir(&mut self, ids: &BTreeSet<VirtualServerId>) {
        let (rest, begun) = self.stir_quietly(ids);
        let whose = match ids.first() {
            Some(id) if ids.len() == 1 => id.to_string(),
            _ => format!("{} virtual servers", ids.len()),
        };
        if rest > 0 {
            let why = ids.first().and_then(|id| self.presence.why(id)).unwrap_or_default();
            info!("ha_suspend: {rest} checks of {whose} are suspended: {why}");
        }
        if begun > 0 {
            info!("ha_suspend: {begun} checks of {whose} begin anew");
        }
    }

    /// The same without a word: how many rest that did not before, and how many begin.
    pub(super) fn stir_quietly(&mut self, ids: &BTreeSet<VirtualServerId>) -> (usize, u32) {
        let (mut rest, mut begun, now) = (0_usize, 0, now());
        for id in ids {
            for serial in self.of(id).flat_map(|(_, serials)| serials).copied().collect::<Vec<_>>() {
                let Some(check) = self.checks.get(&serial) else { continue };
                match (check.rests, self.suspended(check)) {
                    (false, false) => {}
                    (rested, true) => {
                        rest += usize::from(!rested);
                        self.rest(serial); // a reload has made it due, perhaps
                    }
                    (true, false) => {
                        self.begin_anew(serial, now + APART * begun);
                        begun += 1;
                    }
                }
            }
        }
        if rest > 0 {
            // Those that waited for their turn have lost it; what was under way makes room for others.
            let (checks, waiting) = (&self.checks, &mut self.waiting);
            waiting.retain(|serial| checks.get(serial).is_some_and(|check| !check.rests));
            self.look_at = self.look_at.min(now + APART);
        }
        (rest, begun)
    }

    fn begin_anew(&mut self, serial: u64, at: Duration) {
        let Some(check) = self.checks.get_mut(&serial) else { return };
        self.due.remove(&(check.health.wake(), serial));
        check.rests = false;
        check.health = check.health.clone().hurry(at);
        self.due.insert((check.health.wake(), serial));
    }
}
