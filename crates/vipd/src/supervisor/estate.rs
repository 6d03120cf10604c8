//! What a role leaves to its successor of the virtual servers: the last that it said of each as a whole, and what came of its
//! real servers since. Nobody here reads it.

use crate::message::{Known, KnownServers, KnownService};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use vipd_config::model::Service;
use vipd_lvs::settings::VirtualServerId;

/// By virtual server; `since` in the order of the addresses.
#[derive(Clone, Default, Debug)]
pub(crate) struct Estate(BTreeMap<VirtualServerId, KnownService>);

impl Estate {
    /// It has said this of virtual servers: nothing that it said of them before counts any more.
    pub(crate) fn put(&mut self, known: Known) {
        self.0.extend(known.into_iter().map(|one| (one.service.clone(), one)));
    }

    /// It has said more of these real servers. (Of a virtual server that it has not told of as a whole it soon will.)
    pub(crate) fn add(&mut self, known: KnownServers) {
        for (id, servers) in known {
            let Some(KnownService { since, .. }) = self.0.get_mut(&id) else { continue };
            for (address, value) in servers {
                match since.binary_search_by_key(&address, |(address, _)| *address) {
                    Ok(at) => since[at].1 = value,
                    Err(at) => since.insert(at, (address, value)),
                }
            }
        }
    }

    /// What a successor needs of these virtual servers.
    pub(crate) fn of(&self, services: &[Arc<Service>]) -> Known {
        services.iter().filter_map(|service| self.0.get(&service.lvs.id).cloned()).collect()
    }

    /// What there is of virtual servers that are no longer configured, once.
    pub(crate) fn take_gone(&mut self, services: &[Arc<Service>]) -> Known {
        let there: HashSet<&VirtualServerId> = services.iter().map(|service| &service.lvs.id).collect();
        let gone: Vec<VirtualServerId> = self.0.keys().filter(|id| !there.contains(id)).cloned().collect();
        gone.into_iter().filter_map(|id| self.0.remove(&id)).collect()
    }

    /// Forgets all virtual servers but these.
    pub(crate) fn keep(&mut self, there: &HashSet<&VirtualServerId>) {
        self.0.retain(|id, _| there.contains(id));
    }

    /// Everything that is there.
    #[cfg(test)]
    pub(crate) fn all(&self) -> Known {
        self.0.values().cloned().collect()
    }
}
