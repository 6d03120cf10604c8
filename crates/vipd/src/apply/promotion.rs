//! `promote_secondaries`: on these interfaces the kernel makes the next address of a network its first one when that goes,
//! where it would take all others with it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tracing::warn;
use vipd_sys::sysctl;

/// The interfaces whose setting is not as it was.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Promotion {
    changed: BTreeSet<String>,
}

impl Promotion {
    /// The setting is on for these interfaces and, for others where it was turned on here, as it was.
    pub(crate) fn set(&mut self, wanted: &BTreeSet<String>) {
        for device in wanted.iter().filter(|device| read(device).as_deref() == Some("0")) {
            match sysctl::write(&parts(device), "1") {
                Ok(()) => drop(self.changed.insert(device.clone())),
                Err(e) => warn!("promote_secondaries of {device} can't be set: {e}"),
            }
        }
        for device in self.changed.difference(wanted) {
            // An interface that is gone has taken it along.
            if read(device).is_some()
                && let Err(e) = sysctl::write(&parts(device), "0")
            {
                warn!("promote_secondaries of {device} can't be set as it was: {e}");
            }
        }
        self.changed.retain(|device| wanted.contains(device));
    }
}

fn parts(device: &str) -> [&str; 5] {
    ["net", "ipv4", "conf", device, "promote_secondaries"]
}

fn read(device: &str) -> Option<String> {
    sysctl::read(&parts(device)).ok()
}
