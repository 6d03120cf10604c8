//! Which instance of a configuration goes on from which of the one before, and which of them hold an address: by what they
//! are, not by what they are called, as the protocol's own part decides it.

use crate::model::{Config, Instance};
use std::collections::BTreeMap;
use std::net::IpAddr;
use vipd_vrrp::node::predecessors;
use vipd_vrrp::router::Key;
use vipd_vrrp::settings::VirtualAddress;

/// An address and the interface it is on.
pub(crate) type Place = (IpAddr, String);

/// An address as an instance holds it.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    /// Where the instance stands in its configuration.
    pub(crate) by: usize,
    /// The instance.
    pub(crate) instance: &'a Instance,
    /// The address with all that belongs to it.
    pub(crate) address: &'a VirtualAddress,
}

/// Two configurations, instance by instance.
pub(crate) struct Succession<'a> {
    /// For each new instance the old one that it goes on from.
    pub(crate) before: Vec<Option<usize>>,
    /// Who held which address.
    pub(crate) old: BTreeMap<Place, Held<'a>>,
    /// Who holds which address now.
    pub(crate) new: BTreeMap<Place, Held<'a>>,
}

impl<'a> Succession<'a> {
    pub(crate) fn between(old: &'a Config, new: &'a Config) -> Succession<'a> {
        let known = |config: &'a Config| -> Vec<(Key, &'a str)> {
            config.instances.iter().map(|i| (Key::of(&i.vrrp), i.vrrp.name.as_str())).collect()
        };
        Succession { before: predecessors(&known(old), &known(new)), old: held(old), new: held(new) }
    }

    /// The old instance that this new one goes on from.
    pub(crate) fn before(&self, new: usize) -> Option<usize> {
        self.before.get(new).copied().flatten()
    }

    /// An address that another instance holds now: who held it, and who does.
    pub(crate) fn moved(&self, place: &Place) -> Option<(Held<'a>, Held<'a>)> {
        let (from, to) = (*self.old.get(place)?, *self.new.get(place)?);
        (self.before(to.by) != Some(from.by)).then_some((from, to))
    }
}

/// `from A to B`; two instances may have the same name and be different ones.
pub(crate) fn from_to(from: &Held<'_>, to: &Held<'_>) -> String {
    let (from, to) = (&from.instance.vrrp.name, &to.instance.vrrp.name);
    if from == to { format!("from the old {from} to the new {to}") } else { format!("from {from} to {to}") }
}

/// Who holds which address.
fn held(config: &Config) -> BTreeMap<Place, Held<'_>> {
    let mut held = BTreeMap::new();
    for (by, instance) in config.instances.iter().enumerate() {
        for address in instance.vrrp.addresses.iter().chain(&instance.vrrp.excluded) {
            let place = (address.address, address.device.clone());
            held.entry(place).or_insert(Held { by, instance, address });
        }
    }
    held
}
