//! What differs between two configurations, in the configuration's words: what a reload has done. Things are the same by
//! what they are, not by what they are called: an instance keeps its identity when it is renamed.

use crate::model::{Config, Instance, ServerNotify, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use vipd_lvs::settings::RealServer;
use vipd_vrrp::router::Key;
use vipd_vrrp::settings::{Instance as Router, VirtualAddress};

/// What happened to something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verb {
    /// It is new.
    Added,
    /// Settings of it are others now.
    Changed,
    /// An address went from one instance to another.
    Moved,
    /// It is gone.
    Removed,
}

/// Kinds of things that differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)] // the configuration's own words
pub enum Kind {
    Global,
    Instance,
    Address,
    Group,
    Script,
    Service,
    Server,
}

impl Kind {
    /// The configuration's word for it.
    pub fn keyword(self) -> &'static str {
        match self {
            Kind::Global => "global_defs",
            Kind::Instance => "vrrp_instance",
            Kind::Address => "virtual_ipaddress",
            Kind::Group => "vrrp_sync_group",
            Kind::Script => "vrrp_script",
            Kind::Service => "virtual_server",
            Kind::Server => "real_server",
        }
    }
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What happened.
    pub verb: Verb,
    /// To what kind of thing.
    pub kind: Kind,
    /// To which: `vrrp_instance VI_1`.
    pub what: String,
    /// In which respects; empty for what is new or gone.
    pub details: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Added => "added",
            Verb::Changed => "changed",
            Verb::Moved => "moved",
            Verb::Removed => "removed",
        };
        write!(f, "{verb} {}", self.what)?;
        if self.details.is_empty() { Ok(()) } else { write!(f, ": {}", self.details.join(", ")) }
    }
}

/// Everything that differs, in the order of the file; what is gone comes last.
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    let global = [
        ("router_id", old.global.router_id != new.global.router_id),
        ("mail", old.global.mail != new.global.mail),
        ("notify_fifo", old.global.fifo != new.global.fifo),
        ("vrrp_notify_fifo", old.global.vrrp_fifo != new.global.vrrp_fifo),
        ("lvs_notify_fifo", old.global.lvs_fifo != new.global.lvs_fifo),
        ("net_namespace", old.global.net_namespace != new.global.net_namespace),
        ("lvs_flush", old.global.lvs_flush != new.global.lvs_flush),
        ("lvs_timeouts", old.global.lvs_timeouts != new.global.lvs_timeouts),
        ("reload_time_file", old.global.reload_time != new.global.reload_time),
        ("reload_file", old.global.reload_file != new.global.reload_file),
        ("reload_check_config", old.global.reload_findings != new.global.reload_findings),
    ];
    changed(&mut changes, Kind::Global, "global_defs".to_owned(), &global, Vec::new());
    instances(old, new, &mut changes);
    compare(
        &mut changes,
        Kind::Group,
        old.groups.iter().map(|g| (g.vrrp.name.clone(), g)),
        new.groups.iter().map(|g| (g.vrrp.name.clone(), g)),
        |old, new| vec![("group", old.vrrp.members != new.vrrp.members), ("notify", old.notify != new.notify)],
    );
    compare(
        &mut changes,
        Kind::Script,
        old.scripts.iter().map(|s| (s.vrrp.name.clone(), s)),
        new.scripts.iter().map(|s| (s.vrrp.name.clone(), s)),
        |old, new| {
            vec![
                ("script", old.command != new.command),
                ("interval", old.interval != new.interval),
                ("timeout", old.timeout != new.timeout),
                ("rise", old.vrrp.rise != new.vrrp.rise),
                ("fall", old.vrrp.fall != new.vrrp.fall),
                ("init_fail", old.vrrp.init_fail != new.vrrp.init_fail),
            ]
        },
    );
    let named = |service: &Service| service.lvs.id.to_string();
    compare(
        &mut changes,
        Kind::Service,
        old.services.iter().map(|s| (named(s), s)),
        new.services.iter().map(|s| (named(s), s)),
        |old, new| service(old, new),
    );
    let before: BTreeMap<_, &Arc<Service>> = old.services.iter().map(|s| (&s.lvs.id, s)).collect();
    for service in &new.services {
        if let Some(before) = before.get(&service.lvs.id).filter(|before| **before != service) {
            servers(before, service, &mut changes);
        }
    }
    changes
}

/// Notes what changed of one thing, if anything did.
fn changed(changes: &mut Vec<Change>, kind: Kind, what: String, words: &[(&str, bool)], mut details: Vec<String>) {
    details.extend(words.iter().filter(|(_, differs)| *differs).map(|(word, _)| (*word).to_owned()));
    if !details.is_empty() {
        changes.push(Change { verb: Verb::Changed, kind, what, details });
    }
}

/// Compares things that are the same by their name.
fn compare<'a, T: 'a>(
    changes: &mut Vec<Change>,
    kind: Kind,
    old: impl Iterator<Item = (String, &'a T)>,
    new: impl Iterator<Item = (String, &'a T)>,
    words: impl Fn(&T, &T) -> Vec<(&'static str, bool)>,
) {
    let mut left: BTreeMap<String, &T> = old.collect();
    for (name, thing) in new {
        let what = format!("{} {name}", kind.keyword());
        match left.remove(&name) {
            Some(before) => changed(changes, kind, what, &words(before, thing), Vec::new()),
            None => changes.push(Change { verb: Verb::Added, kind, what, details: Vec::new() }),
        }
    }
    let gone = left.into_keys().map(|name| format!("{} {name}", kind.keyword()));
    changes.extend(gone.map(|what| Change { verb: Verb::Removed, kind, what, details: Vec::new() }));
}

fn instances(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let mut left: Vec<&Instance> = old.instances.iter().collect();
    let mut lost: BTreeMap<(String, IpAddr), String> = BTreeMap::new();
    let mut won: BTreeMap<(String, IpAddr), String> = BTreeMap::new();
    let mut pairs = Vec::new();
    for instance in &new.instances {
        let same = |o: &&Instance| Key::of(&o.vrrp) == Key::of(&instance.vrrp);
        let named = |o: &&Instance| same(o) && o.vrrp.name == instance.vrrp.name;
        let at = left.iter().position(named).or_else(|| left.iter().position(same));
        pairs.push((at.map(|at| left.remove(at)), instance));
    }
    let note = |from: &[&VirtualAddress], places: &mut BTreeMap<(String, IpAddr), String>, name: &str| {
        places.extend(from.iter().map(|a| ((a.device.clone(), a.address), name.to_owned())));
    };
    for instance in &left {
        note(&addresses(&instance.vrrp).collect::<Vec<_>>(), &mut lost, &instance.vrrp.name);
    }
    for (before, instance) in &pairs {
        let before: Vec<&VirtualAddress> = before.iter().flat_map(|b| addresses(&b.vrrp)).collect();
        let after: Vec<&VirtualAddress> = addresses(&instance.vrrp).collect();
        note(&missing(&before, &after), &mut lost, &instance.vrrp.name);
        note(&missing(&after, &before), &mut won, &instance.vrrp.name);
    }
    for (before, instance) in pairs {
        let name = &instance.vrrp.name;
        let Some(before) = before else {
            let what = format!("vrrp_instance {name}");
            changes.push(Change { verb: Verb::Added, kind: Kind::Instance, what, details: Vec::new() });
            continue;
        };
        let mut details = Vec::new();
        if before.vrrp.name != *name {
            details.push(format!("was called {}", before.vrrp.name));
        }
        let old: Vec<&VirtualAddress> = addresses(&before.vrrp).collect();
        let new: Vec<&VirtualAddress> = addresses(&instance.vrrp).collect();
        // What only goes to another instance is told there.
        let stays = |a: &&&VirtualAddress, places: &BTreeMap<(String, IpAddr), String>| {
            !places.contains_key(&(a.device.clone(), a.address))
        };
        let added = missing(&new, &old);
        let gone = missing(&old, &new);
        details.extend(added.iter().filter(|a| stays(a, &lost)).map(|a| format!("with {}", a.address)));
        details.extend(gone.iter().filter(|a| stays(a, &won)).map(|a| format!("without {}", a.address)));
        let places: BTreeSet<_> = old.iter().map(|a| (&a.device, a.address)).collect();
        let otherwise = new.iter().filter(|a| places.contains(&(&a.device, a.address)) && !old.contains(a));
        details.extend(otherwise.map(|a| format!("{} otherwise", a.address)));
        changed(changes, Kind::Instance, format!("vrrp_instance {name}"), &router(before, instance), details);
    }
    for ((device, address), from) in &lost {
        if let Some(to) = won.get(&(device.clone(), *address)).filter(|to| *to != from) {
            let details = vec![format!("from {from} to {to}")];
            changes.push(Change { verb: Verb::Moved, kind: Kind::Address, what: format!("{address}"), details });
        }
    }
    let gone = left.iter().map(|i| format!("vrrp_instance {}", i.vrrp.name));
    changes.extend(gone.map(|what| Change { verb: Verb::Removed, kind: Kind::Instance, what, details: Vec::new() }));
}

fn addresses(router: &Router) -> impl Iterator<Item = &VirtualAddress> {
    router.addresses.iter().chain(&router.excluded)
}

/// Those of the first that have no place in the second.
fn missing<'a>(these: &[&'a VirtualAddress], those: &[&VirtualAddress]) -> Vec<&'a VirtualAddress> {
    let places: BTreeSet<_> = those.iter().map(|a| (&a.device, a.address)).collect();
    these.iter().copied().filter(|a| !places.contains(&(&a.device, a.address))).collect()
}

fn router(before: &Instance, after: &Instance) -> Vec<(&'static str, bool)> {
    let (old, new) = (&before.vrrp, &after.vrrp);
    vec![
        ("version", old.version != new.version),
        ("priority", old.priority != new.priority),
        ("state", old.initial != new.initial),
        ("advert_int", old.advert_int != new.advert_int),
        ("preempt", old.preempt != new.preempt),
        ("authentication", old.auth != new.auth),
        ("unicast_peer", old.transport != new.transport),
        ("source address", old.source != new.source),
        ("garp", old.garp != new.garp),
        ("down_timer_adverts", old.down_timer_adverts != new.down_timer_adverts),
        ("lower_prio_no_advert", old.lower_prio_no_advert != new.lower_prio_no_advert),
        ("higher_prio_send_advert", old.higher_prio_send_advert != new.higher_prio_send_advert),
        ("skip_check_adv_addr", old.skip_check_adv_addr != new.skip_check_adv_addr),
        ("dont_track_primary", old.track_primary != new.track_primary),
        ("track_interface", old.track_interfaces != new.track_interfaces),
        ("track_script", old.track_scripts != new.track_scripts),
        ("notify", before.notify != after.notify),
    ]
}

fn service(before: &Service, after: &Service) -> Vec<(&'static str, bool)> {
    let (old, new) = (&before.lvs, &after.lvs);
    vec![
        ("addresses", old.keys != new.keys),
        ("lvs_sched", old.scheduler != new.scheduler || old.flags != new.flags),
        ("persistence", old.persistence != new.persistence),
        ("quorum", (old.quorum, old.hysteresis) != (new.quorum, new.hysteresis)),
        ("alpha", old.alpha != new.alpha),
        ("omega", old.omega != new.omega),
        ("sorry_server", old.sorry != new.sorry),
        ("quorum_up", before.quorum_up != after.quorum_up),
        ("quorum_down", before.quorum_down != after.quorum_down),
        ("smtp_alert", before.smtp_alert != after.smtp_alert),
    ]
}

/// The real servers of a service by their names, with whom they are told of.
fn told(service: &Service) -> Vec<(String, &RealServer, Option<&ServerNotify>)> {
    let name = |real: &RealServer| format!("{} of {}", real.address, service.lvs.id);
    service.lvs.real_servers.iter().map(|r| (name(r), r, service.servers.get(&r.address))).collect()
}

fn servers(before: &Service, after: &Service, changes: &mut Vec<Change>) {
    let (old, new) = (told(before), told(after));
    compare(
        changes,
        Kind::Server,
        old.iter().map(|entry| (entry.0.clone(), entry)),
        new.iter().map(|entry| (entry.0.clone(), entry)),
        |(_, old, told_before), (_, new, told)| {
            let thresholds = |r: &RealServer| (r.upper_threshold, r.lower_threshold);
            vec![
                ("lvs_method", old.forwarding != new.forwarding),
                ("weight", old.weight != new.weight),
                ("thresholds", thresholds(old) != thresholds(new)),
                ("checks", old.checkers != new.checkers),
                ("inhibit_on_failure", old.inhibit_on_failure != new.inhibit_on_failure),
                ("notify", told_before != told),
            ]
        },
    );
}
