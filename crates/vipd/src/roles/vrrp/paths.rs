//! Routes and rules of the instances, what is static, and what an interface is to do with its addresses.

use super::Role;
use crate::apply::Path;
use vipd_vrrp::router::State;

impl Role {
    /// The routes and rules that are to be there: what is static, and those of instances that are MASTER.
    pub(super) fn claimed_paths(&self) -> Vec<Path> {
        let statics = (!self.stopping).then_some(&self.config).into_iter().flat_map(Path::statics);
        // The node's instances are the configuration's, in the same order.
        let both = self.node.routers().iter().zip(&self.config.instances);
        let masters =
            both.filter(|(r, model)| matches!(r.state(), State::Master(_)) && r.settings.name == model.vrrp.name);
        let masters = masters.map(|(r, model)| (r.is_listening(), model));
        // As with addresses, what went during a stall waits until it is sure that nobody else has it.
        let kept =
            |(listens, model): (bool, _)| Path::of(model).filter(move |path| !listens || self.routing.holds(path));
        statics.chain(masters.flat_map(kept)).collect()
    }

    /// When routes and rules want to be worked on: not before the addresses are there.
    pub(super) fn paths_at(&self) -> Option<u64> {
        self.routing.next_at().filter(|_| !self.addresses.adding())
    }

    /// `promote_secondaries`, on the interfaces that exist.
    pub(super) fn promote(&mut self) {
        let instances = self.config.instances.iter().filter(|i| i.promote_secondaries && !self.stopping);
        self.promotion.set(&instances.filter_map(|i| i.vrrp.binding.interface()).map(str::to_owned).collect());
    }

    /// What the kernel told of routes and rules since the last time.
    pub(super) fn take_news_of_paths(&mut self) {
        if self.routing.news() {
            self.reconcile();
        }
        for path in std::mem::take(&mut self.routing.put_back) {
            self.happened(path.kind(), path.text(), "restored".to_owned(), "somebody removed it".to_owned());
        }
    }
}
