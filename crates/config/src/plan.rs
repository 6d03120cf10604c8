//! What a reload would do, before it is done: the differences between two configurations in the order in which they are
//! carried out, each with what it means for traffic, as far as is known what this host does now.

use crate::changes::{Change, Felt, Kind, Verb, changes};
use crate::model::{Config, Service, SyncGroup};
use crate::succession::{Held, Place, Succession, from_to};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use vipd_lvs::settings::{RealServer, ServiceKey, VirtualServerId};

/// What is known of this host.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Instances that are MASTER here, by the names they have now.
    pub masters: BTreeSet<String>,
    /// Open connections of real servers.
    pub connections: BTreeMap<(VirtualServerId, SocketAddr), u64>,
    /// What will hold instances of the new configuration in FAULT on this host, by their names, in words.
    pub faults: BTreeMap<String, Vec<String>>,
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
    /// What will be in FAULT.
    pub faults: Vec<Faulty>,
}

/// An instance that will be in FAULT by what it needs of this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Faulty {
    /// Its name.
    pub instance: String,
    /// What is wrong, at least one.
    pub why: Vec<String>,
    /// Its sync group, whose other members are in FAULT with it.
    pub group: Option<String>,
    /// Instances that are MASTER here and give their addresses up for it: it, members of its group; by the names they will have.
    pub masters: Vec<String>,
}

/// Whether there is nothing in it for a daemon to do.
pub fn is_empty(config: &Config) -> bool {
    let Config { instances, services, bfd, statics, .. } = config;
    instances.is_empty() && services.is_empty() && bfd.is_empty() && statics.is_empty()
}

/// Why a usable configuration is not to take the place of the one that runs, if so.
pub fn forbidden(running: &Config, next: &Config) -> Option<&'static str> {
    if next.global.ipvs_namespace != running.global.ipvs_namespace {
        return Some("net_namespace_ipvs can't change while the daemon runs: restart it");
    }
    if next.global.net_namespace != running.global.net_namespace {
        return Some("net_namespace can't change while the daemon runs: restart it");
    }
    // What an editor leaves on a full disk is a file like any other, and would give everything up.
    (is_empty(next) && !is_empty(running))
        .then_some("there is no vrrp_instance and no virtual_server in it: to give up everything, stop the daemon")
}

/// What would be done to get from the old configuration to the new one.
pub fn plan(old: &Config, new: &Config, facts: &Facts) -> Plan {
    let view = View::new(old, new, facts);
    let mut steps: Vec<(Turn, Step)> = changes(old, new)
        .into_iter()
        .filter(|change| change.kind != Kind::Address)
        .map(|change| {
            let effect = view.effect(&change);
            let Change { verb, kind, what, details, felt: _ } = change;
            (view.turn(kind, verb, &what), Step { verb, kind, what, details, effect })
        })
        .collect();
    steps.extend(view.addresses());
    steps.extend(view.whole_servers());
    steps.sort_by(|(a, s), (b, t)| a.cmp(b).then_with(|| s.what.cmp(&t.what)));
    let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
    let touched: BTreeSet<(Kind, &str)> = steps.iter().map(|s| (s.kind, s.what.as_str())).collect();
    let all = everything(new, &view.succession.new).into_iter();
    let kept = all.filter(|(kind, what)| !touched.contains(&(*kind, what.as_str()))).collect();
    Plan { steps, kept, faults: view.faulty() }
}

/// When something is done. The vrrp role removes instances and what addresses are no longer configured, takes the rest over,
/// and of its addresses those that leave go before others come. The director writes one virtual server after the other, in
/// the order of the kernel's keys: its settings, what comes or weighs more, what weighs less, what goes; virtual servers that
/// go come last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Turn {
    Global,
    RemoveInstance,
    RemoveAddress,
    Instance,
    Group,
    Bfd,
    GiveUpAddress,
    TakeAddress,
    Service(Option<ServiceKey>, Edit),
    RemoveService(Option<ServiceKey>, Edit),
    Tracked,
}

/// The order within a virtual server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Edit {
    Service,
    AddOrRaise(SocketAddr),
    Lower(SocketAddr),
    Remove(SocketAddr),
}

/// All things of a configuration, by the names that changes have.
fn everything(config: &Config, held: &BTreeMap<Place, Held<'_>>) -> Vec<(Kind, String)> {
    let mut all = Vec::new();
    all.extend(config.instances.iter().map(|i| (Kind::Instance, format!("vrrp_instance {}", i.vrrp.name))));
    all.extend(held.keys().map(|place| (Kind::Address, shown(place))));
    all.extend(config.groups.iter().map(|g| (Kind::Group, format!("vrrp_sync_group {}", g.vrrp.name))));
    all.extend(config.scripts.iter().map(|s| (Kind::Script, format!("vrrp_script {}", s.vrrp.name))));
    all.extend(config.files.iter().map(|f| (Kind::File, format!("track_file {}", f.name))));
    all.extend(config.processes.iter().map(|p| (Kind::Process, format!("vrrp_track_process {}", p.vrrp.name))));
    let statics = [
        ("static_ipaddress", config.statics.addresses.len()),
        ("static_routes", config.statics.routes.len()),
        ("static_rules", config.statics.rules.len()),
    ];
    all.extend(statics.into_iter().filter(|(_, n)| *n > 0).map(|(word, _)| (Kind::Static, word.to_owned())));
    all.extend(config.bfd.iter().map(|s| (Kind::Bfd, format!("bfd_instance {}", s.name))));
    for lvs in config.services.iter().map(|s| &s.lvs) {
        all.push((Kind::Service, format!("virtual_server {}", lvs.id)));
        all.extend(lvs.real_servers.iter().map(|r| (Kind::Server, format!("real_server {} of {}", r.address, lvs.id))));
    }
    all
}

fn shown((address, device): &Place) -> String {
    format!("{address} dev {device}")
}

/// A real server and the virtual server it is of.
#[derive(Clone, Copy)]
struct Server<'a> {
    of: &'a Service,
    real: &'a RealServer,
}

/// A configuration's services and real servers by the names that changes have.
struct Named<'a> {
    services: HashMap<String, &'a Service>,
    servers: HashMap<String, Server<'a>>,
    /// Instances by their names, and where they stand.
    instances: HashMap<String, usize>,
}

impl<'a> Named<'a> {
    fn of(config: &'a Config) -> Named<'a> {
        let (mut services, mut servers) = (HashMap::new(), HashMap::new());
        for of in config.services.iter().map(AsRef::as_ref) {
            services.insert(format!("virtual_server {}", of.lvs.id), of);
            for real in &of.lvs.real_servers {
                servers.insert(format!("real_server {} of {}", real.address, of.lvs.id), Server { of, real });
            }
        }
        let instances = config.instances.iter().enumerate();
        let instances = instances.map(|(at, i)| (format!("vrrp_instance {}", i.vrrp.name), at)).collect();
        Named { services, servers, instances }
    }
}

/// The first kernel service of a virtual server, which is written first.
fn first_key(service: &Service) -> Option<ServiceKey> {
    service.lvs.keys.iter().min().copied()
}

/// The sync group of an instance.
fn group_of<'a>(config: &'a Config, name: &String) -> Option<&'a SyncGroup> {
    config.groups.iter().find(|group| group.vrrp.members.contains(name))
}

/// Both configurations, and what is known of this host.
struct View<'a> {
    old: Named<'a>,
    new: Named<'a>,
    /// The new one.
    config: &'a Config,
    succession: Succession<'a>,
    /// For each old instance whether it is MASTER here.
    masters: Vec<bool>,
    /// For each new instance whether it will be in FAULT, by itself or with its group.
    faulty: Vec<bool>,
    facts: &'a Facts,
    /// Open connections of virtual servers.
    open: HashMap<&'a VirtualServerId, u64>,
}

impl<'a> View<'a> {
    fn new(old: &'a Config, new: &'a Config, facts: &'a Facts) -> View<'a> {
        let mut open: HashMap<&VirtualServerId, u64> = HashMap::new();
        for ((id, _), connections) in &facts.connections {
            let sum = open.entry(id).or_default();
            *sum = sum.saturating_add(*connections);
        }
        let masters = old.instances.iter().map(|i| facts.masters.contains(&i.vrrp.name)).collect();
        let faulty = |name: &String| {
            let together = group_of(new, name).map_or(std::slice::from_ref(name), |group| &group.vrrp.members);
            together.iter().any(|member| facts.faults.contains_key(member))
        };
        let faulty = new.instances.iter().map(|i| faulty(&i.vrrp.name)).collect();
        let succession = Succession::between(old, new);
        View { old: Named::of(old), new: Named::of(new), config: new, succession, masters, faulty, facts, open }
    }

    /// Whether an instance of the old configuration is MASTER here.
    fn master(&self, old: usize) -> bool {
        self.masters.get(old).is_some_and(|master| *master)
    }

    /// Whether an instance of the new configuration goes on from one that is MASTER here.
    fn was_master(&self, new: usize) -> bool {
        self.succession.before(new).is_some_and(|old| self.master(old))
    }

    fn will_be_faulty(&self, new: usize) -> bool {
        self.faulty.get(new).is_some_and(|faulty| *faulty)
    }

    /// Whether it goes on as MASTER.
    fn stays_master(&self, new: usize) -> bool {
        self.was_master(new) && !self.will_be_faulty(new)
    }

    /// What will be in FAULT, in the order of the file.
    fn faulty(&self) -> Vec<Faulty> {
        let name = |new: usize| self.config.instances.get(new).map(|i| i.vrrp.name.clone());
        let masters: Vec<String> =
            (0..self.faulty.len()).filter(|new| self.was_master(*new)).filter_map(name).collect();
        let faulty = self.config.instances.iter().filter_map(|instance| {
            let name = &instance.vrrp.name;
            let why = self.facts.faults.get(name)?.clone();
            let group = group_of(self.config, name);
            let with = |master: &&String| *master == name || group.is_some_and(|g| g.vrrp.members.contains(*master));
            let masters = masters.iter().filter(with).cloned().collect();
            Some(Faulty { instance: name.clone(), why, group: group.map(|g| g.vrrp.name.clone()), masters })
        });
        faulty.collect()
    }

    fn turn(&self, kind: Kind, verb: Verb, what: &str) -> Turn {
        match (kind, verb) {
            (Kind::Global, _) => Turn::Global,
            (Kind::Instance, Verb::Removed) => Turn::RemoveInstance,
            (Kind::Instance, _) => Turn::Instance,
            (Kind::Address, Verb::Removed) => Turn::RemoveAddress,
            (Kind::Address, _) => Turn::TakeAddress,
            (Kind::Group, _) => Turn::Group,
            (Kind::Script | Kind::File | Kind::Process, _) => Turn::Tracked,
            (Kind::Static, _) => Turn::TakeAddress,
            (Kind::Bfd, _) => Turn::Bfd,
            (Kind::Service, Verb::Removed) => {
                Turn::RemoveService(self.old.services.get(what).and_then(|s| first_key(s)), Edit::Service)
            }
            (Kind::Service, _) => Turn::Service(self.new.services.get(what).and_then(|s| first_key(s)), Edit::Service),
            (Kind::Server, _) => {
                let (old, new) = (self.old.servers.get(what), self.new.servers.get(what));
                let edit = match (old, new) {
                    (Some(old), None) => Edit::Remove(old.real.address),
                    (Some(old), Some(new)) if old.real.weight > new.real.weight => Edit::Lower(new.real.address),
                    (_, Some(new)) => Edit::AddOrRaise(new.real.address),
                    (None, None) => Edit::Service,
                };
                Turn::Service(new.or(old).and_then(|s| first_key(s.of)), edit)
            }
        }
    }

    /// What happens to addresses.
    fn addresses(&self) -> Vec<(Turn, Step)> {
        let step = |verb, place: &Place, details, effect: &str| Step {
            verb,
            kind: Kind::Address,
            what: shown(place),
            details,
            effect: effect.to_owned(),
        };
        let mut steps = Vec::new();
        for (place, from) in self.succession.old.iter().filter(|(place, _)| !self.succession.new.contains_key(*place)) {
            let effect = match self.master(from.by) {
                true => "it is taken off this host, which no longer answers for it",
                false => "none: it is not on this host",
            };
            let details = vec![format!("from {}", from.instance.vrrp.name)];
            steps.push((Turn::RemoveAddress, step(Verb::Removed, place, details, effect)));
        }
        for (place, to) in &self.succession.new {
            let stays = self.stays_master(to.by);
            match (self.succession.old.get(place), self.succession.moved(place)) {
                (None, _) => {
                    let effect = match stays {
                        true => "it is added to this host and announced",
                        false if self.will_be_faulty(to.by) => "none while the instance is in FAULT, see below",
                        false => "none before the instance is MASTER here",
                    };
                    let details = vec![format!("to {}", to.instance.vrrp.name)];
                    steps.push((Turn::TakeAddress, step(Verb::Added, place, details, effect)));
                }
                (Some(_), Some((from, _))) => {
                    let (turn, effect) = self.moved(&from, to);
                    steps.push((turn, step(Verb::Moved, place, vec![from_to(&from, to)], effect)));
                }
                (Some(before), None) if before.address != to.address => {
                    let effect = match stays {
                        true => "it is taken off this host, and put back and announced at once",
                        false if self.was_master(to.by) => {
                            "it leaves this host: its instance will be in FAULT, see below"
                        }
                        false => "none: it is not on this host",
                    };
                    let details = vec!["otherwise".to_owned()];
                    steps.push((Turn::TakeAddress, step(Verb::Changed, place, details, effect)));
                }
                (Some(_), None) => {}
            }
        }
        steps
    }

    /// An address that goes from one instance to another.
    fn moved(&self, from: &Held<'_>, to: &Held<'_>) -> (Turn, &'static str) {
        let anew = self.succession.before(to.by).is_none();
        match (self.master(from.by), self.stays_master(to.by)) {
            (true, true) if from.address != to.address => {
                (Turn::TakeAddress, "it is taken off this host, and put back and announced at once")
            }
            (true, true) => (Turn::TakeAddress, "none: both are MASTER here, and it stays on this host without a gap"),
            (true, false) if anew => (Turn::GiveUpAddress, "it leaves this host until the new instance is MASTER"),
            (true, false) => (Turn::GiveUpAddress, "it leaves this host: its new instance is not MASTER here"),
            (false, true) => (Turn::TakeAddress, "it comes to this host: its new instance is MASTER here"),
            (false, false) => (Turn::GiveUpAddress, "none: it is not on this host"),
        }
    }

    /// Real servers that come and go with their virtual server.
    fn whole_servers(&self) -> Vec<(Turn, Step)> {
        let mut steps = Vec::new();
        for (verb, these, those) in [(Verb::Added, &self.new, &self.old), (Verb::Removed, &self.old, &self.new)] {
            for (what, server) in &these.servers {
                if those.services.contains_key(&format!("virtual_server {}", server.of.lvs.id)) {
                    continue;
                }
                let (key, address) = (first_key(server.of), server.real.address);
                let turn = match verb {
                    Verb::Removed => Turn::RemoveService(key, Edit::Remove(address)),
                    _ => Turn::Service(key, Edit::AddOrRaise(address)),
                };
                let details = vec!["with its virtual server".to_owned()];
                let effect = self.server(verb, what, Felt::Nothing);
                steps.push((turn, Step { verb, kind: Kind::Server, what: what.clone(), details, effect }));
            }
        }
        steps
    }

    fn effect(&self, change: &Change) -> String {
        let Change { verb, kind, what, felt, .. } = change;
        match kind {
            Kind::Instance => self.instance(*verb, what, *felt).to_owned(),
            Kind::Service => self.service(*verb, what, *felt),
            Kind::Server => self.server(*verb, what, *felt),
            Kind::Address
            | Kind::Global
            | Kind::Group
            | Kind::Script
            | Kind::File
            | Kind::Process
            | Kind::Static
            | Kind::Bfd => felt_of(*felt).to_owned(),
        }
    }

    fn instance(&self, verb: Verb, what: &str, felt: Felt) -> &'static str {
        let gone = || self.old.instances.get(what).is_some_and(|at| self.master(*at));
        let stays = || self.new.instances.get(what).is_some_and(|at| self.stays_master(*at));
        let faulty = verb != Verb::Removed && self.new.instances.get(what).is_some_and(|at| self.will_be_faulty(*at));
        match verb {
            _ if faulty => "it will be in FAULT, see below",
            Verb::Added => "it listens first, and is MASTER when nobody better is heard",
            Verb::Removed if gone() => {
                "this host gives its addresses up: a peer takes over, or nobody answers for them"
            }
            Verb::Removed => "none: it is not MASTER here",
            Verb::Changed | Verb::Moved if felt != Felt::Nothing => felt_of(felt),
            Verb::Changed | Verb::Moved if stays() => "none: it stays MASTER",
            Verb::Changed | Verb::Moved => "none: it stays what it is",
        }
    }

    fn service(&self, verb: Verb, what: &str, felt: Felt) -> String {
        let id = self.old.services.get(what).map(|s| &s.lvs.id);
        let open = format!("open connections: {}", id.and_then(|id| self.open.get(id)).copied().unwrap_or_default());
        match verb {
            Verb::Added => "new connections are spread as soon as its servers pass their checks".to_owned(),
            Verb::Removed => format!("it takes no more connections, and the kernel forgets those it has; {open}"),
            Verb::Changed | Verb::Moved => format!("{}; {open}", felt_of(felt)),
        }
    }

    fn server(&self, verb: Verb, what: &str, felt: Felt) -> String {
        let (old, new) = (self.old.servers.get(what), self.new.servers.get(what));
        let place = old.map(|s| (s.of.lvs.id.clone(), s.real.address));
        let open = place.and_then(|place| self.facts.connections.get(&place)).copied().unwrap_or_default();
        let open = format!("open connections: {open}");
        match (verb, old.map(|s| s.real.weight), new.map(|s| s.real.weight)) {
            (Verb::Added, ..) => match new.is_some_and(|s| s.real.checkers.iter().any(|c| c.alpha)) {
                true => "it takes connections once its checks have passed".to_owned(),
                false => "it takes connections at once, unless its checks fail".to_owned(),
            },
            (Verb::Removed, ..) => format!("it takes no more connections, and those it has lose it; {open}"),
            (_, Some(before), Some(0)) if before > 0 => {
                format!("it drains: those that are open go on, no new one comes; {open}")
            }
            _ if felt == Felt::Nothing => format!("none; {open}"),
            _ => format!("those that are open go on; {open}"),
        }
    }
}

/// What is felt, in words.
fn felt_of(felt: Felt) -> &'static str {
    match felt {
        Felt::Nothing => "none by itself",
        Felt::Paths => "packets take other ways",
        Felt::Spread => "new connections alone are spread otherwise",
        Felt::Quorum => "whether its quorum is there, and its sorry server serves, may change",
        Felt::Entries => "addresses that go away take no more connections",
        Felt::Mastership => "who is MASTER may change",
        Felt::AddressList => "its adverts list other addresses: a peer that is not changed alike may drop them",
        Felt::Peers => "its adverts go to these peers from now on: one that gets none any more becomes MASTER as well",
        Felt::Adverts => "its adverts change: a peer that is not changed alike drops them, and both are MASTER",
    }
}
