//! What a reload would do, before it is done: the differences between two configurations in the order in which they are
//! carried out, each with what it means for traffic, as far as is known what this host does now.

use crate::changes::{Kind, Verb, changes};
use crate::model::{Config, Instance, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use vipd_lvs::settings::{RealServer, VirtualServerId};

/// What is known of this host.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Instances that are MASTER here, by the names they have now.
    pub masters: BTreeSet<String>,
    /// Open connections of real servers.
    pub connections: BTreeMap<(VirtualServerId, SocketAddr), u64>,
}

/// One thing to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What happens.
    pub verb: Verb,
    /// To what kind of thing.
    pub kind: Kind,
    /// To which.
    pub what: String,
    /// In which respects; empty for what is new or gone.
    pub details: Vec<String>,
    /// What traffic feels of it.
    pub effect: String,
}

/// All that would be done, in its order, and all that stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// What would be done.
    pub steps: Vec<Step>,
    /// What stays.
    pub kept: Vec<(Kind, String)>,
}

/// What would be done to get from the old configuration to the new one.
pub fn plan(old: &Config, new: &Config, facts: &Facts) -> Plan {
    let places = Places { old: held(old), new: held(new), facts, old_config: old, new_config: new };
    let mut steps: Vec<Step> = changes(old, new)
        .into_iter()
        .flat_map(|change| {
            let effect = places.effect(change.kind, change.verb, &change.what, &change.details);
            let step =
                Step { effect, verb: change.verb, kind: change.kind, what: change.what, details: change.details };
            places.on_devices(step)
        })
        .collect();
    steps.extend(places.addresses());
    steps.extend(places.servers());
    // The vrrp role comes first: what is removed gives its addresses up, then the others take theirs. The director adds
    // before it removes, so that no service is without a server in between.
    steps.sort_by_key(|step| {
        let turn = match (step.kind, step.verb) {
            (Kind::Global, _) => 0,
            (Kind::Instance, Verb::Removed) => 1,
            (Kind::Instance | Kind::Group, Verb::Changed | Verb::Moved) => 2,
            (Kind::Instance, Verb::Added) => 3,
            (Kind::Group, _) => 4,
            (Kind::Address, Verb::Added) => 5,
            (Kind::Address, Verb::Moved | Verb::Changed) => 6,
            (Kind::Address, Verb::Removed) => 7,
            (Kind::Service, Verb::Added) => 8,
            (Kind::Service, Verb::Changed | Verb::Moved) => 9,
            (Kind::Server, Verb::Added) => 10,
            (Kind::Server, Verb::Changed | Verb::Moved) => 11,
            (Kind::Server, Verb::Removed) => 12,
            (Kind::Service, Verb::Removed) => 13,
            (Kind::Script, _) => 14,
        };
        (turn, step.what.clone())
    });
    let touched: BTreeSet<(Kind, &str)> = steps.iter().map(|s| (s.kind, s.what.as_str())).collect();
    let kept = everything(new).into_iter().filter(|(kind, what)| !touched.contains(&(*kind, what.as_str()))).collect();
    Plan { steps, kept }
}

/// All things of a configuration, by the names that changes have.
fn everything(config: &Config) -> Vec<(Kind, String)> {
    let mut all = Vec::new();
    all.extend(config.instances.iter().map(|i| (Kind::Instance, format!("vrrp_instance {}", i.vrrp.name))));
    all.extend(held(config).into_keys().map(|place| (Kind::Address, shown(&place))));
    all.extend(config.groups.iter().map(|g| (Kind::Group, format!("vrrp_sync_group {}", g.vrrp.name))));
    all.extend(config.scripts.iter().map(|s| (Kind::Script, format!("vrrp_script {}", s.vrrp.name))));
    for lvs in config.services.iter().map(|s| &s.lvs) {
        all.push((Kind::Service, format!("virtual_server {}", lvs.id)));
        all.extend(lvs.real_servers.iter().map(|r| (Kind::Server, format!("real_server {} of {}", r.address, lvs.id))));
    }
    all
}

/// An address and where it is held.
type Place = (IpAddr, String);

fn shown((address, device): &Place) -> String {
    format!("{address} dev {device}")
}

/// Who holds which address.
fn held(config: &Config) -> BTreeMap<Place, &Instance> {
    let mut held = BTreeMap::new();
    for instance in &config.instances {
        for address in instance.vrrp.addresses.iter().chain(&instance.vrrp.excluded) {
            held.entry((address.address, address.device.clone())).or_insert(instance);
        }
    }
    held
}

struct Places<'a> {
    old: BTreeMap<Place, &'a Instance>,
    new: BTreeMap<Place, &'a Instance>,
    facts: &'a Facts,
    old_config: &'a Config,
    new_config: &'a Config,
}

impl Places<'_> {
    fn master(&self, name: &str) -> bool {
        self.facts.masters.contains(name)
    }

    /// What an instance was called before, if it was there.
    fn before(&self, instance: &Instance) -> Option<&Instance> {
        let key = vipd_vrrp::router::Key::of(&instance.vrrp);
        let alike = || self.old_config.instances.iter().filter(|i| vipd_vrrp::router::Key::of(&i.vrrp) == key);
        alike().find(|i| i.vrrp.name == instance.vrrp.name).or_else(|| alike().next())
    }

    /// Whether an instance of the new configuration is MASTER here.
    fn stays_master(&self, instance: &Instance) -> bool {
        self.before(instance).is_some_and(|before| self.master(&before.vrrp.name))
    }

    /// Addresses that come and go. (Those that move are told by `changes`.)
    fn addresses(&self) -> Vec<Step> {
        let step = |verb, place: &Place, details, effect: &str| Step {
            verb,
            kind: Kind::Address,
            what: shown(place),
            details,
            effect: effect.to_owned(),
        };
        let mut steps = Vec::new();
        for (place, instance) in self.new.iter().filter(|(place, _)| !self.old.contains_key(*place)) {
            let effect = match self.stays_master(instance) {
                true => "it is added to this host and announced",
                false => "none before the instance is MASTER here",
            };
            steps.push(step(Verb::Added, place, vec![format!("to {}", instance.vrrp.name)], effect));
        }
        for (place, instance) in self.old.iter().filter(|(place, _)| !self.new.contains_key(*place)) {
            let effect = match self.master(&instance.vrrp.name) {
                true => "it is taken off this host, which no longer answers for it",
                false => "none: it is not on this host",
            };
            steps.push(step(Verb::Removed, place, vec![format!("from {}", instance.vrrp.name)], effect));
        }
        steps
    }

    /// An address that moves is named with its interfaces, as others are.
    fn on_devices(&self, step: Step) -> Vec<Step> {
        if step.kind != Kind::Address {
            return vec![step];
        }
        let here = self.new.keys().filter(|(address, _)| address.to_string() == step.what);
        here.map(|place| Step { what: shown(place), effect: self.moved(place), ..step.clone() }).collect()
    }

    /// Real servers that come and go with their virtual server.
    fn servers(&self) -> Vec<Step> {
        let of = |verb, service: &Service| -> Vec<Step> {
            let name = |real: &RealServer| format!("{} of {}", real.address, service.lvs.id);
            let step = |real: &RealServer| Step {
                verb,
                kind: Kind::Server,
                what: format!("real_server {}", name(real)),
                details: vec!["with its virtual server".to_owned()],
                effect: self.server(verb, &name(real)),
            };
            service.lvs.real_servers.iter().map(step).collect()
        };
        let ids = |config: &Config| -> BTreeSet<VirtualServerId> {
            config.services.iter().map(|s| s.lvs.id.clone()).collect()
        };
        let (old, new) = (ids(self.old_config), ids(self.new_config));
        let added = self.new_config.services.iter().filter(|s| !old.contains(&s.lvs.id));
        let gone = self.old_config.services.iter().filter(|s| !new.contains(&s.lvs.id));
        added.flat_map(|s| of(Verb::Added, s)).chain(gone.flat_map(|s| of(Verb::Removed, s))).collect()
    }

    fn effect(&self, kind: Kind, verb: Verb, what: &str, details: &[String]) -> String {
        let name = what.split_once(' ').map_or(what, |(_, name)| name);
        match kind {
            Kind::Instance => self.instance(verb, name, details),
            Kind::Service => self.service(verb, name, details),
            Kind::Server => self.server(verb, name),
            Kind::Address | Kind::Global | Kind::Group | Kind::Script => "none by itself".to_owned(),
        }
    }

    fn instance(&self, verb: Verb, name: &str, details: &[String]) -> String {
        let master = match verb {
            Verb::Removed => self.master(name),
            _ => self.new_config.instance(name).is_some_and(|i| self.stays_master(i)),
        };
        let on_the_wire = ["version", "advert_int", "authentication", "unicast_peer", "source address"];
        let said = |words: &[&str]| details.iter().any(|d| words.contains(&d.as_str()));
        match verb {
            Verb::Added => "it listens first, and is MASTER when nobody better is heard",
            Verb::Removed if master => {
                "this host gives its addresses up: a peer takes over, or nobody answers for them"
            }
            Verb::Removed => "none: it is not MASTER here",
            Verb::Changed | Verb::Moved if said(&on_the_wire) => {
                "its adverts change: a peer that is not changed alike drops them, and both are MASTER"
            }
            Verb::Changed | Verb::Moved if said(&["priority", "preempt"]) => "who is MASTER may change",
            Verb::Changed | Verb::Moved if master => "none: it stays MASTER",
            Verb::Changed | Verb::Moved => "none: it stays what it is",
        }
        .to_owned()
    }

    /// An address that goes from one instance to another.
    fn moved(&self, place: &Place) -> String {
        let from = self.old.get(place).is_some_and(|i| self.master(&i.vrrp.name));
        let to = self.new.get(place).is_some_and(|i| self.stays_master(i));
        match (from, to) {
            (true, true) => "none: both are MASTER here, and it stays on this host without a gap",
            (true, false) => "it leaves this host: its new instance is not MASTER here",
            (false, true) => "it comes to this host: its new instance is MASTER here",
            (false, false) => "none: it is not on this host",
        }
        .to_owned()
    }

    fn connections(&self, id: &VirtualServerId, address: Option<SocketAddr>) -> String {
        let open = self.facts.connections.iter();
        let open = open.filter(|((of, server), _)| of == id && address.is_none_or(|a| a == *server));
        format!("open connections: {}", open.map(|(_, n)| n).sum::<u64>())
    }

    fn service(&self, verb: Verb, name: &str, details: &[String]) -> String {
        let open = self.connections(&VirtualServerId(name.to_owned()), None);
        match verb {
            Verb::Added => "new connections are spread as soon as its servers pass their checks".to_owned(),
            Verb::Removed => format!("it takes no more connections, and the kernel forgets those it has; {open}"),
            Verb::Changed | Verb::Moved if details.iter().any(|d| d == "addresses") => {
                format!("addresses that go away take no more connections; {open}")
            }
            Verb::Changed | Verb::Moved => format!("new connections alone are spread otherwise; {open}"),
        }
    }

    fn server(&self, verb: Verb, name: &str) -> String {
        let Some((address, id)) = name.split_once(" of ") else { return String::new() };
        let (Ok(address), id) = (address.parse::<SocketAddr>(), VirtualServerId(id.to_owned())) else {
            return String::new();
        };
        let open = self.connections(&id, Some(address));
        let real = |config: &Config| -> Option<RealServer> {
            config.service(&id)?.lvs.real_servers.iter().find(|r| r.address == address).cloned()
        };
        let (old, new) = (real(self.old_config), real(self.new_config));
        let weights = (old.as_ref().map(|r| r.weight), new.as_ref().map(|r| r.weight));
        match (verb, weights) {
            (Verb::Added, _) => match new.is_some_and(|r| r.checkers.iter().any(|c| c.alpha)) {
                true => "it takes connections once its checks have passed".to_owned(),
                false => "it takes connections at once, unless its checks fail".to_owned(),
            },
            (Verb::Removed, _) => format!("it takes no more connections, and those it has lose it; {open}"),
            (_, (Some(before), Some(0))) if before > 0 => {
                format!("it drains: those that are open go on, no new one comes; {open}")
            }
            _ => format!("those that are open go on; {open}"),
        }
    }
}
