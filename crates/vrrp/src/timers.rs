//! The formulas of the protocol's timers (RFC 9568, 6.1; RFC 3768, 6.1), in whole microseconds as the original computes
//! them, so that nodes of both kinds agree to the microsecond.

use crate::settings::Version;
use crate::units::{Centis, Micros, Priority};

/// How much later than three intervals a backup takes over: the lower its priority, the later. Version 2 counts on a base
/// of one second whatever the interval is; version 3 on the master's interval.
pub fn skew(version: Version, priority: Priority, master_interval: Centis) -> Micros {
    let rest = 256 - u64::from(priority.0);
    match version {
        Version::V2 => Micros(rest * 1_000_000 / 256),
        Version::V3 => Micros(rest * u64::from(master_interval.0) * 625 / 16),
    }
}

/// How long a backup waits for an advert. `missed` is `down_timer_adverts`, 3 in both RFCs.
pub fn master_down(version: Version, priority: Priority, master_interval: Centis, missed: u8) -> Micros {
    Micros(u64::from(missed) * master_interval.micros().0 + skew(version, priority, master_interval).0)
}
