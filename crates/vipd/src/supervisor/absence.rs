//! What the supervisor takes off the host when the vrrp role is not there to do it.

use super::{RoleName, Supervisor};
use tokio::time::Instant;
use tracing::error;
use vipd_config::model::Config;

impl Supervisor {
    /// A role is not there. Where that is the vrrp role and for longer, its peers won't wait for it: two hosts must not answer
    /// for one address.
    pub(super) fn note_absence(&mut self, name: RoleName) {
        self.note_pid(name, None);
        let soon = self.roles.get(&name).and_then(|r| r.again).is_some_and(|at| at <= Instant::now());
        if name == RoleName::Vrrp && !soon {
            // What is static serves no other host.
            let statics = self.config.statics.clone();
            self.release(&Config { statics, ..Config::default() });
        }
    }

    /// Takes what the vrrp role would off this host, but for this, for one that is not there to do it.
    pub(super) fn release(&self, kept: &Config) {
        // With -C there is no such role, and the addresses are another daemon's.
        if self.plan.role_options.keep_addresses || !self.plan.roles.contains(&RoleName::Vrrp) {
            return;
        }
        if let Err(e) = crate::apply::release(&self.config, kept) {
            error!(
                "virtual addresses or routes can't be removed: {e}; if another host serves them now, remove them by hand"
            );
        }
        let instances = self.config.instances.iter().map(|i| &i.vrrp);
        if let Err(e) = crate::apply::release_filter(instances, &self.config.global.firewall) {
            error!("nftables tables can't be removed: {e}");
        }
        if let Some(kept) = self.roles.get(&RoleName::Vrrp).and_then(|role| role.snapshot.as_ref()) {
            crate::roles::vrrp::restore_settings(kept);
        }
    }

    /// The role ended, perhaps before it had removed the addresses that the new configuration doesn't have; its successor
    /// will not know of them.
    pub(super) fn release_leftovers(&mut self, name: RoleName) {
        if name != RoleName::Vrrp || !self.reloading.awaits(name) {
            return;
        }
        if let Err(e) = crate::apply::release(&self.old, &self.config) {
            error!("addresses or routes that are no longer configured can't be removed: {e}; remove them by hand");
        }
    }
}
