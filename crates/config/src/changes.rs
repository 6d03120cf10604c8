//! What differs between two configurations, in the configuration's words: what a reload has done. Things are the same by
//! what they are, not by what they are called: an instance keeps its identity when it is renamed.

use crate::model::{
    Config, Global, Instance, Interface, Process, Processes, ServerNotify, Service, Statics, SyncGroup, Tls,
    TrackedFile, TrackedProcess, TrackedScript,
};
use crate::succession::{Place, Succession, from_to};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use vipd_bfd::settings as bfd;
use vipd_lvs::settings::{RealServer, VirtualServer};
use vipd_vrrp::settings as vrrp;
use vipd_vrrp::settings::VirtualAddress;

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
    File,
    Process,
    Static,
    Bfd,
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
            Kind::File => "track_file",
            Kind::Process => "vrrp_track_process",
            Kind::Static => "static",
            Kind::Bfd => "bfd_instance",
            Kind::Service => "virtual_server",
            Kind::Server => "real_server",
        }
    }
}

/// What traffic feels of a setting that is another one. The later ones outweigh the earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Felt {
    /// Nothing.
    #[default]
    Nothing,
    /// Packets take other ways.
    Paths,
    /// Connections are spread otherwise.
    Spread,
    /// Whether a quorum is there may change, and with it whether the sorry server serves.
    Quorum,
    /// A virtual server has other addresses.
    Entries,
    /// Who is MASTER may change.
    Mastership,
    /// Adverts list other addresses.
    AddressList,
    /// Adverts go to other peers.
    Peers,
    /// Adverts are others, and a peer must be changed alike.
    Adverts,
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
    /// What traffic feels of these at most.
    pub felt: Felt,
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

/// A setting by its word, what is felt of it, and whether it differs.
type Word = (&'static str, Felt, bool);

/// Everything that differs, in the order of the file; what is gone comes last.
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    // Each settings type is taken apart where it is compared, so that no field is forgotten.
    let Config {
        global: _,
        instances: _,
        groups: _,
        scripts: _,
        files: _,
        processes: _,
        statics: _,
        bfd: _,
        interfaces: _,
        tls: _,
        garp_groups: _,
        services: _,
        written: _,
    } = new;
    changed(&mut changes, Kind::Global, "global_defs".to_owned(), &global(&old.global, &new.global), Vec::new());
    changed(&mut changes, Kind::Global, "interfaces".to_owned(), &interfaces(old, new), Vec::new());
    changed(&mut changes, Kind::Global, "SSL".to_owned(), &tls(&old.tls, &new.tls), Vec::new());
    instances(old, new, &mut changes);
    statics(&old.statics, &new.statics, &mut changes);
    compare(
        &mut changes,
        Kind::Group,
        old.groups.iter().map(|g| (g.vrrp.name.clone(), g)),
        new.groups.iter().map(|g| (g.vrrp.name.clone(), g)),
        group,
    );
    compare(
        &mut changes,
        Kind::Script,
        old.scripts.iter().map(|s| (s.vrrp.name.clone(), s)),
        new.scripts.iter().map(|s| (s.vrrp.name.clone(), s)),
        script,
    );
    compare(
        &mut changes,
        Kind::File,
        old.files.iter().map(|f| (f.name.clone(), f)),
        new.files.iter().map(|f| (f.name.clone(), f)),
        file,
    );
    compare(
        &mut changes,
        Kind::Process,
        old.processes.iter().map(|p| (p.vrrp.name.clone(), p)),
        new.processes.iter().map(|p| (p.vrrp.name.clone(), p)),
        process,
    );
    compare(
        &mut changes,
        Kind::Bfd,
        old.bfd.iter().map(|s| (s.name.clone(), s)),
        new.bfd.iter().map(|s| (s.name.clone(), s)),
        session,
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
    let orders = [
        (Kind::Group, reordered(&old.groups, &new.groups, |g| &g.vrrp.name)),
        (Kind::Script, reordered(&old.scripts, &new.scripts, |s| &s.vrrp.name)),
        (Kind::File, reordered(&old.files, &new.files, |f| &f.name)),
        (Kind::Process, reordered(&old.processes, &new.processes, |p| &p.vrrp.name)),
        (Kind::Bfd, reordered(&old.bfd, &new.bfd, |s| &s.name)),
        (Kind::Service, reordered(&old.services, &new.services, |s| &s.lvs.id)),
    ];
    for (kind, _) in orders.into_iter().filter(|(_, reordered)| *reordered) {
        changes.push(in_another_order(kind));
    }
    changes
}

/// Things of one kind stand in another order than before.
fn in_another_order(kind: Kind) -> Change {
    let what = format!("order of {}", kind.keyword());
    Change { verb: Verb::Changed, kind, what, details: Vec::new(), felt: Felt::Nothing }
}

/// Whether what is in both lists stands in another order.
fn reordered<'a, T, K: Ord>(old: &'a [T], new: &'a [T], name: impl Fn(&'a T) -> K) -> bool {
    let (before, after): (Vec<K>, Vec<K>) = (old.iter().map(&name).collect(), new.iter().map(&name).collect());
    let (had, has): (BTreeSet<&K>, BTreeSet<&K>) = (before.iter().collect(), after.iter().collect());
    !before.iter().filter(|k| has.contains(k)).eq(after.iter().filter(|k| had.contains(k)))
}

fn global(old: &Global, new: &Global) -> Vec<Word> {
    let Global {
        router_id,
        mail,
        fifo,
        vrrp_fifo,
        lvs_fifo,
        startup,
        shutdown,
        notify_timeout,
        net_namespace,
        ipvs_namespace,
        lvs_flush,
        lvs_flush_on_stop,
        lvs_timeouts,
        sync_daemon,
        firewall,
        startup_delay,
        delay_after_boot,
        umask,
        no_fault_mail,
        no_checker_mail,
        rs_init_notifies,
        fifo_states_on_reload,
        log_unknown_vrids,
        reload_time,
        reload_file,
        reload_findings,
        process,
    } = new;
    let mut words = vec![
        ("router_id", Felt::Nothing, old.router_id != *router_id),
        ("mail", Felt::Nothing, old.mail != *mail),
        ("notify_fifo", Felt::Nothing, old.fifo != *fifo),
        ("vrrp_notify_fifo", Felt::Nothing, old.vrrp_fifo != *vrrp_fifo),
        ("lvs_notify_fifo", Felt::Nothing, old.lvs_fifo != *lvs_fifo),
        ("startup_script", Felt::Nothing, old.startup != *startup),
        ("shutdown_script", Felt::Nothing, old.shutdown != *shutdown),
        ("notify_timeout", Felt::Nothing, old.notify_timeout != *notify_timeout),
        ("net_namespace", Felt::Nothing, old.net_namespace != *net_namespace),
        ("net_namespace_ipvs", Felt::Nothing, old.ipvs_namespace != *ipvs_namespace),
        ("lvs_flush", Felt::Nothing, old.lvs_flush != *lvs_flush),
        ("lvs_flush_on_stop", Felt::Nothing, old.lvs_flush_on_stop != *lvs_flush_on_stop),
        ("lvs_timeouts", Felt::Nothing, old.lvs_timeouts != *lvs_timeouts),
        ("lvs_sync_daemon", Felt::Nothing, old.sync_daemon != *sync_daemon),
        ("nftables", Felt::Nothing, old.firewall != *firewall),
        ("vrrp_startup_delay", Felt::Nothing, old.startup_delay != *startup_delay),
        ("vrrp_delay_after_boot", Felt::Nothing, old.delay_after_boot != *delay_after_boot),
        ("umask", Felt::Nothing, old.umask != *umask),
        ("no_email_faults", Felt::Nothing, old.no_fault_mail != *no_fault_mail),
        ("no_checker_emails", Felt::Nothing, old.no_checker_mail != *no_checker_mail),
        ("rs_init_notifies", Felt::Nothing, old.rs_init_notifies != *rs_init_notifies),
        ("fifo_write_vrrp_states_on_reload", Felt::Nothing, old.fifo_states_on_reload != *fifo_states_on_reload),
        ("log_unknown_vrids", Felt::Nothing, old.log_unknown_vrids != *log_unknown_vrids),
        ("reload_time_file", Felt::Nothing, old.reload_time != *reload_time),
        ("reload_file", Felt::Nothing, old.reload_file != *reload_file),
        ("reload_check_config", Felt::Nothing, old.reload_findings != *reload_findings),
    ];
    words.extend(processes(&old.process, process));
    words
}

/// What differs in what the daemon's processes are to be.
fn processes(old: &Processes, new: &Processes) -> Vec<Word> {
    let each = |old: &Process, new: &Process, words: [&'static str; 5]| {
        let Process { name, nice, real_time, cpus, real_time_limit } = new;
        let differs = [
            old.name != *name,
            old.nice != *nice,
            old.real_time != *real_time,
            old.cpus != *cpus,
            old.real_time_limit != *real_time_limit,
        ];
        words.into_iter().zip(differs).map(|(word, differs)| (word, Felt::Nothing, differs)).collect::<Vec<Word>>()
    };
    let Processes { name, vrrp, checker, checker_no_swap, bfd } = new;
    let mut words = vec![
        ("process_name", Felt::Nothing, old.name != *name),
        ("checker_no_swap", Felt::Nothing, old.checker_no_swap != *checker_no_swap),
    ];
    words.extend(each(
        &old.vrrp,
        vrrp,
        ["vrrp_process_name", "vrrp_priority", "vrrp_rt_priority", "vrrp_cpu_affinity", "vrrp_rlimit_rttime"],
    ));
    words.extend(each(
        &old.checker,
        checker,
        [
            "checker_process_name",
            "checker_priority",
            "checker_rt_priority",
            "checker_cpu_affinity",
            "checker_rlimit_rttime",
        ],
    ));
    words.extend(each(
        &old.bfd,
        bfd,
        ["bfd_process_name", "bfd_priority", "bfd_rt_priority", "bfd_cpu_affinity", "bfd_rlimit_rttime"],
    ));
    words
}

fn tls(old: &Tls, new: &Tls) -> Vec<Word> {
    let Tls { identity, ca } = new;
    vec![("certificate", Felt::Quorum, old.identity != *identity), ("ca", Felt::Quorum, old.ca != *ca)]
}

/// What differs in what the file says of interfaces of the host.
fn interfaces(old: &Config, new: &Config) -> Vec<Word> {
    fn each<T: PartialEq>(config: &Config, of: impl Fn(&Interface) -> T, usual: T) -> Vec<(&String, T)> {
        let all = config.interfaces.iter().map(|(name, interface)| (name, of(interface)));
        all.filter(|(_, value)| *value != usual).collect()
    }
    let polled = |config| each(config, |Interface { linkbeat, down_delay: _, up_delay: _ }| *linkbeat, None);
    let delays = |config| each(config, |of| (of.down_delay, of.up_delay), Default::default());
    vec![
        ("linkbeat_interfaces", Felt::Mastership, polled(old) != polled(new)),
        ("interface_up_down_delays", Felt::Mastership, delays(old) != delays(new)),
        ("garp_group", Felt::Nothing, old.garp_groups != new.garp_groups),
    ]
}

/// What differs in what is always there, a line for each keyword.
fn statics(old: &Statics, new: &Statics, changes: &mut Vec<Change>) {
    fn lines<T: PartialEq>(
        changes: &mut Vec<Change>,
        word: &str,
        (old, new): (&[T], &[T]),
        shown: impl Fn(&T) -> String,
    ) {
        if old == new {
            return;
        }
        let gone = old.iter().filter(|one| !new.contains(one)).map(|one| format!("without {}", shown(one)));
        let come = new.iter().filter(|one| !old.contains(one)).map(|one| format!("with {}", shown(one)));
        let mut details: Vec<String> = gone.chain(come).collect();
        if details.is_empty() {
            details.push("in another order".to_owned());
        }
        changes.push(Change {
            verb: Verb::Changed,
            kind: Kind::Static,
            what: word.to_owned(),
            details,
            felt: Felt::Paths,
        });
    }
    let Statics { addresses, routes, rules } = new;
    let shown = |a: &VirtualAddress| format!("{}/{} dev {}", a.address, a.prefix, a.device);
    lines(changes, "static_ipaddress", (&old.addresses, addresses), shown);
    lines(changes, "static_routes", (&old.routes, routes), ToString::to_string);
    lines(changes, "static_rules", (&old.rules, rules), ToString::to_string);
}

fn group(old: &SyncGroup, new: &SyncGroup) -> Vec<Word> {
    let SyncGroup { vrrp: vrrp::SyncGroup { name: _, members }, notify } = new;
    vec![("group", Felt::Mastership, old.vrrp.members != *members), ("notify", Felt::Nothing, old.notify != *notify)]
}

fn script(old: &TrackedScript, new: &TrackedScript) -> Vec<Word> {
    let TrackedScript { vrrp: vrrp::Script { name: _, rise, fall, init_fail }, command, interval, timeout } = new;
    vec![
        ("script", Felt::Mastership, old.command != *command),
        ("interval", Felt::Mastership, old.interval != *interval),
        ("timeout", Felt::Mastership, old.timeout != *timeout),
        ("rise", Felt::Mastership, old.vrrp.rise != *rise),
        ("fall", Felt::Mastership, old.vrrp.fall != *fall),
        ("init_fail", Felt::Mastership, old.vrrp.init_fail != *init_fail),
    ]
}

fn file(old: &TrackedFile, new: &TrackedFile) -> Vec<Word> {
    let TrackedFile { name: _, path, init } = new;
    vec![("file", Felt::Mastership, old.path != *path), ("init_file", Felt::Nothing, old.init != *init)]
}

fn process(old: &TrackedProcess, new: &TrackedProcess) -> Vec<Word> {
    let TrackedProcess { vrrp, process, parameters, matching } = new;
    let vrrp::Process { name: _, quorum, quorum_max, terminate_delay, fork_delay } = vrrp;
    vec![
        ("process", Felt::Mastership, (&old.process, &old.parameters) != (process, parameters)),
        ("param_match", Felt::Mastership, old.matching != *matching),
        ("quorum", Felt::Mastership, old.vrrp.quorum != *quorum),
        ("quorum_max", Felt::Mastership, old.vrrp.quorum_max != *quorum_max),
        ("terminate_delay", Felt::Mastership, old.vrrp.terminate_delay != *terminate_delay),
        ("fork_delay", Felt::Mastership, old.vrrp.fork_delay != *fork_delay),
    ]
}

fn session(old: &bfd::Instance, new: &bfd::Instance) -> Vec<Word> {
    let bfd::Instance {
        name: _,
        neighbour,
        source,
        min_rx,
        min_tx,
        idle_tx,
        multiplier,
        role,
        ttl,
        max_hops,
        habit,
        hops,
    } = new;
    vec![
        ("neighbor_ip", Felt::Mastership, old.neighbour != *neighbour),
        ("source_ip", Felt::Mastership, old.source != *source),
        ("min_rx", Felt::Nothing, old.min_rx != *min_rx),
        ("min_tx", Felt::Nothing, old.min_tx != *min_tx),
        ("idle_tx", Felt::Nothing, old.idle_tx != *idle_tx),
        ("multiplier", Felt::Nothing, old.multiplier != *multiplier),
        ("passive", Felt::Nothing, old.role != *role),
        ("ttl", Felt::Mastership, (old.ttl, old.habit) != (*ttl, *habit)),
        ("max_hops", Felt::Mastership, old.max_hops != *max_hops),
        ("multihop", Felt::Mastership, old.hops != *hops),
    ]
}

/// Something that is new or gone.
fn whole(verb: Verb, kind: Kind, name: &str) -> Change {
    let decides = matches!(kind, Kind::Group | Kind::Script | Kind::File | Kind::Process | Kind::Bfd);
    let felt = if decides { Felt::Mastership } else { Felt::Nothing };
    Change { verb, kind, what: format!("{} {name}", kind.keyword()), details: Vec::new(), felt }
}

/// Notes what changed of one thing, if anything did.
fn changed(changes: &mut Vec<Change>, kind: Kind, what: String, words: &[Word], first: Vec<(String, Felt)>) {
    let words = words.iter().filter(|(_, _, differs)| *differs).map(|(word, felt, _)| ((*word).to_owned(), *felt));
    let (details, felt): (Vec<String>, Vec<Felt>) = first.into_iter().chain(words).unzip();
    if let Some(felt) = felt.into_iter().max() {
        changes.push(Change { verb: Verb::Changed, kind, what, details, felt });
    }
}

/// Compares things that are the same by their name.
fn compare<'a, T: 'a>(
    changes: &mut Vec<Change>,
    kind: Kind,
    old: impl Iterator<Item = (String, &'a T)>,
    new: impl Iterator<Item = (String, &'a T)>,
    words: impl Fn(&T, &T) -> Vec<Word>,
) {
    let mut left: BTreeMap<String, &T> = old.collect();
    for (name, thing) in new {
        match left.remove(&name) {
            Some(before) => {
                let what = format!("{} {name}", kind.keyword());
                changed(changes, kind, what, &words(before, thing), Vec::new());
            }
            None => changes.push(whole(Verb::Added, kind, &name)),
        }
    }
    changes.extend(left.into_keys().map(|name| whole(Verb::Removed, kind, &name)));
}

fn instances(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let succession = Succession::between(old, new);
    let mut gone: BTreeSet<usize> = (0..old.instances.len()).collect();
    let mut order = Vec::new();
    for (at, instance) in new.instances.iter().enumerate() {
        let name = &instance.vrrp.name;
        let Some((was, before)) = succession.before(at).and_then(|was| Some((was, old.instances.get(was)?))) else {
            changes.push(whole(Verb::Added, Kind::Instance, name));
            continue;
        };
        gone.remove(&was);
        order.push(was);
        let mut details = Vec::new();
        if before.vrrp.name != *name {
            details.push((format!("was called {}", before.vrrp.name), Felt::Nothing));
        }
        // What only goes to another instance, or comes from one, is told there.
        let moves = |place: &Place| succession.moved(place).is_some_and(|(from, to)| from.by == was || to.by == at);
        details.extend(addresses(&before.vrrp, &instance.vrrp, moves));
        changed(changes, Kind::Instance, format!("vrrp_instance {name}"), &router(before, instance), details);
    }
    for place in succession.old.keys() {
        if let Some((from, to)) = succession.moved(place) {
            let details = vec![from_to(&from, &to)];
            let what = place.0.to_string();
            changes.push(Change { verb: Verb::Moved, kind: Kind::Address, what, details, felt: Felt::AddressList });
        }
    }
    changes.extend(
        gone.iter()
            .filter_map(|was| old.instances.get(*was))
            .map(|i| whole(Verb::Removed, Kind::Instance, &i.vrrp.name)),
    );
    if !order.is_sorted() {
        changes.push(in_another_order(Kind::Instance));
    }
}

/// The two lists of addresses of an instance by their words.
fn lists(router: &vrrp::Instance) -> [(&'static str, &[VirtualAddress]); 2] {
    [("virtual_ipaddress", &router.addresses), ("virtual_ipaddress_excluded", &router.excluded)]
}

/// What differs in the addresses of an instance, but for those that move.
fn addresses(old: &vrrp::Instance, new: &vrrp::Instance, moves: impl Fn(&Place) -> bool) -> Vec<(String, Felt)> {
    type Places<'a> = BTreeMap<Place, (&'static str, &'a VirtualAddress)>;
    let place = |a: &VirtualAddress| (a.address, a.device.clone());
    fn known<'a>(router: &'a vrrp::Instance, place: impl Fn(&VirtualAddress) -> Place) -> Places<'a> {
        let all = lists(router).into_iter().flat_map(|(list, addresses)| addresses.iter().map(move |a| (list, a)));
        all.map(|(list, a)| (place(a), (list, a))).collect()
    }
    let felt = |list: &str| if list == "virtual_ipaddress" { Felt::AddressList } else { Felt::Nothing };
    let (before, after) = (known(old, place), known(new, place));
    let mut details = Vec::new();
    for (word, these, those) in [("with", new, &before), ("without", old, &after)] {
        for (list, a) in lists(these).into_iter().flat_map(|(list, all)| all.iter().map(move |a| (list, a))) {
            let place = place(a);
            if !those.contains_key(&place) && !moves(&place) {
                details.push((format!("{word} {}", a.address), felt(list)));
            }
        }
    }
    for (list, a) in lists(new).into_iter().flat_map(|(list, all)| all.iter().map(move |a| (list, a))) {
        let Some((listed, was)) = before.get(&place(a)) else { continue };
        if *was != a {
            details.push((format!("{} otherwise", a.address), Felt::Nothing));
        }
        if *listed != list {
            details.push((format!("{} in {list}", a.address), Felt::AddressList));
        }
    }
    for ((list, had), (_, has)) in lists(old).into_iter().zip(lists(new)) {
        if reordered(had, has, place) {
            details.push((format!("order of {list}"), Felt::Nothing));
        }
    }
    details
}

fn router(before: &Instance, after: &Instance) -> Vec<Word> {
    let Instance { vrrp: new, routes, rules, track_source, promote_secondaries, notify, takeover } = after;
    let old = &before.vrrp;
    // The addresses are compared by `addresses`; the name by `instances`; the rest of these is what makes it the same one.
    let vrrp::Instance {
        name: _,
        vrid: _,
        binding: _,
        family: _,
        addresses: _,
        excluded: _,
        device,
        more_devices,
        vmac_xmit_base,
        accept,
        version,
        priority,
        initial,
        advert_int,
        preempt,
        auth,
        transport,
        source,
        garp,
        down_timer_adverts,
        timer_expired,
        lower_prio_no_advert,
        higher_prio_send_advert,
        skip_check_adv_addr,
        owner_ignore_adverts,
        checksum,
        track_primary,
        tracks,
        witness,
        fence,
        heartbeat_paths,
        vip_lease,
        catch_up,
        needs,
    } = new;
    let asked = before.takeover != *takeover || (old.witness, old.fence) != (*witness, *fence);
    let higher = old.higher_prio_send_advert != *higher_prio_send_advert;
    let mut words = vec![
        ("version", Felt::Adverts, old.version != *version),
        ("priority", Felt::Mastership, old.priority != *priority),
        ("state", Felt::Mastership, old.initial != *initial),
        ("advert_int", Felt::Adverts, old.advert_int != *advert_int),
        ("preempt", Felt::Mastership, old.preempt != *preempt),
        ("authentication", Felt::Adverts, old.auth != *auth),
        ("unicast_peer", Felt::Peers, old.transport != *transport),
        ("source address", Felt::Adverts, old.source != *source),
        (own_device(&old.device, device), Felt::Nothing, old.device != *device),
        ("use_vmac_addr", Felt::Nothing, old.more_devices != *more_devices),
        ("vmac_xmit_base", Felt::Nothing, old.vmac_xmit_base != *vmac_xmit_base),
        ("accept", Felt::Nothing, old.accept != *accept),
        ("garp", Felt::Nothing, old.garp != *garp),
        ("down_timer_adverts", Felt::Mastership, old.down_timer_adverts != *down_timer_adverts),
        ("timer_expired_backup", Felt::Nothing, old.timer_expired != *timer_expired),
        ("lower_prio_no_advert", Felt::Mastership, old.lower_prio_no_advert != *lower_prio_no_advert),
        ("higher_prio_send_advert", Felt::Mastership, higher),
        ("skip_check_adv_addr", Felt::Mastership, old.skip_check_adv_addr != *skip_check_adv_addr),
        ("witness and fence", Felt::Mastership, asked),
        ("owner_ignore_adverts", Felt::Mastership, old.owner_ignore_adverts != *owner_ignore_adverts),
        ("checksum", Felt::Adverts, old.checksum != *checksum),
        ("heartbeat_paths", Felt::Nothing, old.heartbeat_paths != *heartbeat_paths),
        ("vip_lease", Felt::Nothing, old.vip_lease != *vip_lease),
        ("lvs_sync_catch_up", Felt::Nothing, old.catch_up != *catch_up),
        ("dont_track_primary", Felt::Mastership, old.track_primary != *track_primary),
        ("virtual_routes", Felt::Paths, before.routes != *routes),
        ("virtual_rules", Felt::Paths, before.rules != *rules),
        ("interfaces of routes", Felt::Mastership, old.needs != *needs),
        ("track_src_ip", Felt::Mastership, before.track_source != *track_source),
        ("promote_secondaries", Felt::Nothing, before.promote_secondaries != *promote_secondaries),
        ("notify", Felt::Nothing, before.notify != *notify),
    ];
    let of = |all: &[vrrp::Track], word| all.iter().filter(|t| t.what.keyword() == word).cloned().collect::<Vec<_>>();
    let kinds = ["track_interface", "track_script", "track_file", "track_process", "track_bfd"];
    words.extend(kinds.map(|word| (word, Felt::Mastership, of(&old.tracks, word) != of(tracks, word))));
    words.push(("order of trackers", Felt::Nothing, reordered(&old.tracks, tracks, |t| &t.what)));
    words
}

/// The word for what an instance runs on, or did.
fn own_device(old: &Option<vrrp::VirtualDevice>, new: &Option<vrrp::VirtualDevice>) -> &'static str {
    match new.as_ref().or(old.as_ref()).map(|device| &device.kind) {
        Some(vrrp::DeviceKind::Ipvlan { .. }) => "use_ipvlan",
        Some(vrrp::DeviceKind::Macvlan { .. }) | None => "use_vmac",
    }
}

fn service(before: &Service, after: &Service) -> Vec<Word> {
    // Real servers and who is told of them are compared by `servers`.
    let Service { lvs: new, quorum_up, quorum_down, smtp_alert, servers: _, discoveries } = after;
    let VirtualServer {
        id: _,
        keys,
        protocol,
        scheduler,
        flags,
        persistence,
        quorum,
        hysteresis,
        alpha,
        omega,
        ha_suspend,
        sorry,
        real_servers,
    } = new;
    let old = &before.lvs;
    vec![
        ("addresses", Felt::Entries, old.keys != *keys),
        ("protocol", Felt::Entries, old.protocol != *protocol),
        ("lvs_sched", Felt::Spread, (old.scheduler, old.flags) != (*scheduler, *flags)),
        ("persistence", Felt::Spread, old.persistence != *persistence),
        ("quorum", Felt::Quorum, (old.quorum, old.hysteresis) != (*quorum, *hysteresis)),
        ("alpha", Felt::Nothing, old.alpha != *alpha),
        ("omega", Felt::Nothing, old.omega != *omega),
        ("ha_suspend", Felt::Nothing, old.ha_suspend != *ha_suspend),
        ("sorry_server", Felt::Quorum, old.sorry != *sorry),
        ("quorum_up", Felt::Nothing, before.quorum_up != *quorum_up),
        ("quorum_down", Felt::Nothing, before.quorum_down != *quorum_down),
        ("smtp_alert", Felt::Nothing, before.smtp_alert != *smtp_alert),
        // What that does to the servers is told of them.
        ("where real servers are found", Felt::Nothing, before.discoveries != *discoveries),
        ("order of real_server", Felt::Nothing, reordered(&old.real_servers, real_servers, |r| r.address)),
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
            let RealServer {
                address: _,
                forwarding,
                weight,
                upper_threshold,
                lower_threshold,
                inhibit_on_failure,
                slow_start,
                checkers,
                duty,
            } = new;
            let thresholds = (*upper_threshold, *lower_threshold);
            vec![
                ("lvs_method", Felt::Spread, old.forwarding != *forwarding),
                ("weight", Felt::Spread, old.weight != *weight),
                ("thresholds", Felt::Spread, (old.upper_threshold, old.lower_threshold) != thresholds),
                ("checks", Felt::Quorum, old.checkers != *checkers),
                ("inhibit_on_failure", Felt::Nothing, old.inhibit_on_failure != *inhibit_on_failure),
                ("slow_start", Felt::Nothing, old.slow_start != *slow_start),
                ("notify", Felt::Nothing, told_before != told),
                ("drain or down by an operator", Felt::Quorum, old.duty != *duty),
            ]
        },
    );
}
