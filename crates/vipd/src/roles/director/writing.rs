//! The kernel's table made what it is to be: as a whole, of some virtual servers, of some real servers.

use super::{Compare, Director, Found, plane};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{error, warn};
use vipd_lvs::plan::{self, Edit};
use vipd_lvs::settings::VirtualServerId;
use vipd_lvs::table::{self, Table};
use vipd_sys::clock::monotonic_micros;

impl Director {
    pub(super) fn desired(&self) -> Table {
        let states = self.services.iter().filter_map(|(id, service)| Some((service, self.states.get(id)?)));
        states.flat_map(|(service, state)| state.services(service)).collect()
    }

    /// Whether the kernel holds something else than we left there, or nobody knows what we left.
    pub(super) fn compare(&mut self) -> Found {
        let (Some(client), Some(left)) = (&mut self.plane, &self.left) else { return Found::Differences };
        match plane::read(client, &self.memory.ours, left) {
            Ok(present) if present == *left => Found::Nothing,
            Ok(_) | Err(_) => Found::Differences,
        }
    }

    /// Writes what differs from the desired table.
    pub(super) fn write(&mut self, compare: Compare) {
        let desired = self.desired();
        let Some(client) = &mut self.plane else { return };
        let remembered = self.left.take();
        let present = match (compare, remembered) {
            (Compare::Remembered, Some(present)) => present,
            (Compare::Remembered | Compare::Kernel, remembered) => {
                let expected = remembered.as_ref().unwrap_or(&desired);
                match plane::read(client, &self.memory.ours, expected) {
                    Ok(present) => {
                        if let Some(left) = remembered {
                            self.note_foreign_edits(&left, &present);
                        }
                        present
                    }
                    Err(e) => {
                        if let Some(silent) = self.limit.allow(monotonic_micros()) {
                            warn!("the kernel's IPVS table can't be read: {e}{silent}");
                        }
                        self.plane = None;
                        return;
                    }
                }
            }
        };
        let refused = self.carry_out(&plan::plan(&present, &desired));
        // What could not be removed stays ours, and is removed the next time.
        let stuck = refused.iter().filter_map(|edit| match edit {
            Edit::RemoveService(key) => Some(*key),
            Edit::AddService(..)
            | Edit::SetService(..)
            | Edit::AddServer(..)
            | Edit::SetServer(..)
            | Edit::RemoveServer(..) => None,
        });
        self.memory.ours = desired.keys().copied().chain(stuck).collect();
        // After a refused write nobody knows what is there: it is read the next time.
        self.left = refused.is_empty().then_some(desired);
    }

    /// Writes what differs in these virtual servers alone, if it is known what was left in the kernel.
    pub(super) fn write_these(&mut self, ids: &BTreeSet<VirtualServerId>) {
        if self.plane.is_none() {
            return;
        }
        let Some(mut left) = self.left.take() else { return self.write(Compare::Kernel) };
        if ids.is_empty() {
            return self.left = Some(left);
        }
        let states = ids.iter().filter_map(|id| Some((self.services.get(id)?, self.states.get(id)?)));
        let desired: Table = states.flat_map(|(service, state)| state.services(service)).collect();
        let present: Table = desired.keys().filter_map(|key| left.remove_entry(key)).collect();
        let refused = self.carry_out(&plan::plan(&present, &desired));
        // After a refused write nobody knows what is there: it is read the next time.
        self.left = refused.is_empty().then(|| {
            left.extend(desired);
            left
        });
    }

    /// Writes what differs in these real servers alone, by their places in their virtual servers, if it is known what was left
    /// in the kernel.
    pub(super) fn write_servers(&mut self, touched: &BTreeMap<VirtualServerId, BTreeSet<usize>>) {
        if self.plane.is_none() || touched.is_empty() {
            return;
        }
        let Some(mut left) = self.left.take() else { return self.write(Compare::Kernel) };
        let (mut desired, mut present) = (Table::new(), Table::new());
        for (id, places) in touched {
            let (Some(settings), Some(state)) = (self.services.get(id), self.states.get(id)) else { continue };
            let (wanted, there) = state.part(settings, places, &left);
            desired.extend(wanted);
            present.extend(there);
        }
        let refused = self.carry_out(&plan::plan(&present, &desired));
        // After a refused write nobody knows what is there: it is read the next time.
        if refused.is_empty() {
            table::replace(&mut left, &present, desired);
            self.left = Some(left);
        }
    }

    pub(super) fn note_foreign_edits(&mut self, left: &Table, present: &Table) {
        let edits = plan::plan(left, present).len() as u64;
        if edits == 0 {
            return;
        }
        self.memory.foreign_edits += edits;
        if let Some(silent) = self.limit.allow(monotonic_micros()) {
            warn!("somebody else edited the IPVS table ({edits} edits): it is put right{silent}");
        }
    }

    /// Sends the edits in one batch; those that were refused.
    pub(super) fn carry_out(&mut self, edits: &[Edit]) -> Vec<Edit> {
        let Some(client) = self.plane.as_mut().filter(|_| !edits.is_empty()) else { return Vec::new() };
        let commands: Vec<_> = edits.iter().map(plane::command).collect();
        let mut refused = Vec::new();
        for (edit, result) in edits.iter().zip(client.execute(&commands)) {
            if let Err(e) = result {
                refused.push(edit.clone());
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    error!("{}: {e}{silent}", plane::describe(edit));
                }
            }
        }
        self.memory.failed_writes += refused.len() as u64;
        refused
    }
}
