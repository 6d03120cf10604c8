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
            self.release_addresses();
        }
    }

    /// Takes the virtual addresses off this host, for a vrrp role that is not there to do it.
    pub(super) fn release_addresses(&self) {
        // With -C there is no such role, and the addresses are another daemon's.
        if self.plan.role_options.keep_addresses || !self.plan.roles.contains(&RoleName::Vrrp) {
            return;
        }
        let instances = self.config.instances.iter().map(|i| &i.vrrp);
        if let Err(e) = crate::apply::release(instances.clone(), std::iter::empty()) {
            error!("the virtual addresses can't be removed: {e}; if another host serves them now, remove them by hand");
        }
        if let Err(e) = crate::apply::release_filter(instances, &self.config.global.firewall) {
            error!("nftables tables can't be removed: {e}");
        }
        if let Some(kept) = self.roles.get(&RoleName::Vrrp).and_then(|role| role.snapshot.clone()) {
            crate::roles::vrrp::settings_before(kept).restore();
        }
    }

    /// The role ended, perhaps before it had removed the addresses that the new configuration doesn't have; its successor
    /// will not know of them.
    pub(super) fn release_leftovers(&mut self, name: RoleName) {
        if name != RoleName::Vrrp || !self.reloading.awaits(name) {
            return;
        }
        let instances = |config: &Config| config.instances.iter().map(|i| i.vrrp.clone()).collect::<Vec<_>>();
        let (old, new) = (instances(&self.old), instances(&self.config));
        if let Err(e) = crate::apply::release(old.iter(), new.iter()) {
            error!("addresses that are no longer configured can't be removed: {e}; remove them by hand");
        }
    }
}
