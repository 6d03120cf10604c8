//! The addresses of this host: what the kernel holds, compared with what is claimed; the difference written, one address
//! and its announcement at a time, so that the first of a thousand doesn't wait for the rest.

use super::UNUSABLE;
use super::guardian::Guardian;
use super::lease::Leases;
use super::pace::Pace;
use super::rounds::Rounds;
use crate::rate::Limit;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use tracing::{debug, info, warn};
use vipd_config::model::Config;
use vipd_sys::announce::{Announcer, Sort, gratuitous, neighbour};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::netlink::{Address, Change, Link, Monitor, Netlink, Port, Renewals, flag};
use vipd_sys::sysctl;
use vipd_vrrp::settings::{AddressFlag, Family, Instance, Lifetime, VirtualAddress, VirtualDevice};
use vipd_vrrp::track;

/// Addresses or announcements written before the adverts get their turn.
const BURST: usize = 32;
/// And the kernel gets its own: without this pause, in microseconds, a real-time process would fill the receivers' queues
/// faster than the kernel empties them, and announcements would be lost.
const PAUSE: u64 = 250;
/// How long after a refused write it is tried again, in microseconds.
const RETRY: u64 = 1_000_000;
/// How long it is believed whether a device forwards IPv6, in microseconds.
const FORWARDS_AGE: u64 = 5_000_000;
/// Leases renewed in one send, so that no advert waits for more: a thousandth of a second's work.
const RENEWALS: usize = 128;

/// What the kernel holds on one interface: by address and prefix, with the order in which it came.
type Held = BTreeMap<(IpAddr, u8), (u64, Address)>;

/// Whether an address has been announced by adding it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added {
    Announced,
    /// Not yet, or it could not be added.
    Silently,
}

/// What `observe` has seen.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Interfaces came, went or changed.
    pub(crate) links: bool,
    /// Addresses came or went.
    pub(crate) addresses: bool,
}

/// What was away since it was last asked, though it may be there again: with it went routes of which the kernel tells nothing.
#[derive(Default)]
pub(crate) struct Losses {
    /// Interfaces, by index, that were down or gone.
    pub(crate) devices: BTreeSet<u32>,
    /// Addresses.
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// The addresses that are there whatever the instances do: static ones, and those of ipvlans.
pub(crate) fn fixed(config: &Config) -> impl Iterator<Item = VirtualAddress> {
    let devices = config.instances.iter().flat_map(|i| i.vrrp.devices());
    config.statics.addresses.iter().cloned().chain(devices.filter_map(VirtualDevice::own_address))
}

/// Every address that a configuration puts on this host, with its interface and prefix, but for those of ipvlans.
pub(crate) fn places(config: &Config) -> impl Iterator<Item = (&str, IpAddr, u8)> {
    let virtuals = config.instances.iter().flat_map(|i| i.vrrp.addresses.iter().chain(&i.vrrp.excluded));
    config.statics.addresses.iter().chain(virtuals).map(|a| (a.device.as_str(), a.address, a.prefix))
}

/// Removes a configuration's addresses and devices from this host, but for those of another one, for a role that is not there to do it.
pub(crate) fn release(old: &Config, new: &Config) -> io::Result<()> {
    let others: BTreeSet<(&str, IpAddr, u8)> = places(new).collect();
    let ours: BTreeSet<(&str, IpAddr, u8)> = places(old).filter(|place| !others.contains(place)).collect();
    let mut netlink = Netlink::open()?;
    let links: BTreeMap<u32, Link> = netlink.links()?.into_iter().map(|l| (l.index, l)).collect();
    for address in netlink.addresses()? {
        let device = links.get(&address.index).map(|link| link.name.as_str()).unwrap_or_default();
        if ours.contains(&(device, address.address, address.prefix)) {
            netlink.remove(&address)?;
            info!("removed {}/{} from {device}: no vrrp role is there to do it", address.address, address.prefix);
        }
    }
    let (gone, kept) = (old.instances.iter().map(|i| &i.vrrp), new.instances.iter().flat_map(|i| i.vrrp.devices()));
    super::devices::release(&mut netlink, gone, &kept.collect(), &links)
}

/// The addresses of this host.
pub(crate) struct Addresses {
    monitor: Monitor,
    netlink: Netlink,
    announcer: Announcer,
    links: BTreeMap<u32, Link>,
    /// Everything the kernel holds, by interface.
    held: BTreeMap<u32, Held>,
    /// How many addresses were noted so far: the next one's place in the order.
    noted: u64,
    /// Every address that some instance may put somewhere, by device, as it is to be there.
    managed: BTreeMap<String, BTreeMap<IpAddr, VirtualAddress>>,
    /// Those of them that are always there: adverts may come from these.
    fixed: BTreeSet<VirtualAddress>,
    /// Those with `no_track` that somebody has removed since they were claimed.
    let_go: BTreeSet<VirtualAddress>,
    pace: Pace,
    /// What has no lease the kernel holds for ever.
    leases: Leases,
    /// Room for what renews them.
    renewals: Renewals,
    /// Whether a device forwards IPv6, and when that was read.
    forwards: BTreeMap<String, (Sort, u64)>,
    claims: BTreeSet<VirtualAddress>,
    adds: VecDeque<VirtualAddress>,
    /// What `begin` has just added: its first announcement is out.
    begun: Option<VirtualAddress>,
    rounds: Rounds,
    /// Addresses that could not be added, or are not to be yet, and when each is tried again.
    refused: BTreeMap<VirtualAddress, u64>,
    /// When a removal that was refused is tried again.
    retry_at: Option<u64>,
    /// Before this nothing is written.
    pause_until: u64,
    /// What was seen and not yet taken by `news`.
    seen: Seen,
    losses: Losses,
    guardian: Guardian,
    /// Addresses that somebody removed, and their interfaces, until they were told of.
    pub(crate) put_back: Vec<(IpAddr, String)>,
    told: BTreeMap<String, track::Link>,
    limit: Limit,
    /// `-a`
    pub(crate) log_changes: bool,
}

impl Addresses {
    /// Opens the sockets and reads what there is.
    pub(crate) fn open() -> io::Result<Addresses> {
        let mut addresses = Addresses {
            monitor: Monitor::open()?,
            netlink: Netlink::open()?,
            announcer: Announcer::open()?,
            links: BTreeMap::new(),
            held: BTreeMap::new(),
            noted: 0,
            managed: BTreeMap::new(),
            fixed: BTreeSet::new(),
            let_go: BTreeSet::new(),
            pace: Pace::default(),
            leases: Leases::new(),
            renewals: Renewals::default(),
            forwards: BTreeMap::new(),
            claims: BTreeSet::new(),
            adds: VecDeque::new(),
            begun: None,
            rounds: Rounds::default(),
            refused: BTreeMap::new(),
            retry_at: None,
            pause_until: 0,
            seen: Seen::default(),
            losses: Losses::default(),
            guardian: Guardian::default(),
            put_back: Vec::new(),
            told: BTreeMap::new(),
            limit: Limit::default(),
            log_changes: false,
        };
        addresses.monitor.ignore(&addresses.netlink)?;
        addresses.read_all()?;
        Ok(addresses)
    }

    /// For the poller.
    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn read_all(&mut self) -> io::Result<()> {
        self.links = self.netlink.links()?.into_iter().map(|l| (l.index, l)).collect();
        self.held.clear();
        self.leases.changed();
        for address in self.netlink.addresses()? {
            self.hold(address);
        }
        Ok(())
    }

    /// Notes that the kernel holds an address; whether that is news.
    fn hold(&mut self, address: Address) -> bool {
        self.noted += 1;
        let held = self.held.entry(address.index).or_default();
        match held.entry((address.address, address.prefix)) {
            Entry::Vacant(vacant) => {
                vacant.insert((self.noted, address));
                self.leases.changed();
                true
            }
            // The end of duplicate address detection is news, too; the place in the order stays.
            Entry::Occupied(mut known) => {
                let flags = address.flags;
                let before = std::mem::replace(&mut known.get_mut().1, address);
                (before.flags ^ flags) & UNUSABLE != 0
            }
        }
    }

    /// A configuration's addresses are ours to add and to remove from now on. What an earlier configuration managed and
    /// this one doesn't, or wants there otherwise (prefix, label, broadcast, scope), is removed; `reconcile` adds it anew.
    pub(crate) fn manage(&mut self, config: &Config) -> io::Result<()> {
        let mut managed: BTreeMap<String, BTreeMap<IpAddr, VirtualAddress>> = BTreeMap::new();
        self.pace.manage(config);
        self.leases.manage(monotonic_micros(), config.instances.iter().map(|i| &i.vrrp));
        self.fixed = fixed(config).collect();
        for address in &self.fixed {
            managed.entry(address.device.clone()).or_default().insert(address.address, address.clone());
        }
        for instance in config.instances.iter().map(|i| &i.vrrp) {
            for address in instance.addresses.iter().chain(&instance.excluded) {
                let there = managed.entry(address.device.clone()).or_default();
                there.insert(address.address, address.clone());
            }
        }
        self.observe()?;
        for (device, addresses) in std::mem::take(&mut self.managed) {
            for (address, before) in addresses {
                if managed.get(&device).and_then(|there| there.get(&address)) != Some(&before) {
                    self.remove_place(&device, (address, before.prefix));
                }
            }
        }
        let still = |device: &str, address: &IpAddr| managed.get(device).is_some_and(|set| set.contains_key(address));
        self.guardian.retain(|(device, address)| still(device, address));
        self.refused.clear();
        self.managed = managed;
        Ok(())
    }

    /// Every interface, by its index.
    pub(crate) fn links(&self) -> &BTreeMap<u32, Link> {
        &self.links
    }

    /// What was away since this was last asked.
    pub(crate) fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// Whether some interface has an address.
    pub(crate) fn on_host(&self, address: IpAddr) -> bool {
        self.held.values().any(|held| held.range((address, 0)..=(address, u8::MAX)).next().is_some())
    }

    /// Whether addresses are still to be added.
    pub(crate) fn adding(&self) -> bool {
        !self.adds.is_empty()
    }

    /// Name, index and largest packet of every interface.
    pub(crate) fn devices(&self) -> BTreeMap<String, (u32, u32)> {
        self.links.values().map(|l| (l.name.clone(), (l.index, l.mtu))).collect()
    }

    /// What the protocol wants to know of the interfaces.
    pub(crate) fn facts(&self) -> BTreeMap<String, track::Link> {
        let facts = |link: &Link| {
            let held = self.held.get(&link.index).into_iter().flat_map(BTreeMap::values);
            let managed = self.managed.get(&link.name);
            // (With another prefix it is the host's own, whatever else is configured.)
            let is_ours = |a: &Address| {
                let ours = managed.and_then(|set| set.get(&a.address));
                ours.is_some_and(|ours| ours.prefix == a.prefix && !self.fixed.contains(ours))
            };
            let fact = fact(link, held.map(|(order, a)| (*order, a)), is_ours);
            let last = |family| self.guardian.last(link.index, family);
            let ipv4 = fact.ipv4.or_else(|| match last(Family::V4) {
                Some(IpAddr::V4(a)) => Some(a),
                Some(IpAddr::V6(_)) | None => None,
            });
            let link_local = fact.link_local.or_else(|| match last(Family::V6) {
                Some(IpAddr::V6(a)) => Some(a),
                Some(IpAddr::V4(_)) | None => None,
            });
            (link.name.clone(), track::Link { ipv4, link_local, ..fact })
        };
        self.links.values().map(facts).collect()
    }

    /// The facts that differ from those given the last time; `None`: the interface is gone.
    pub(crate) fn changed_facts(
        &mut self,
        facts: &BTreeMap<String, track::Link>,
    ) -> Vec<(String, Option<track::Link>)> {
        let gone = self.told.keys().filter(|name| !facts.contains_key(*name)).map(|name| (name.clone(), None));
        let new = facts.iter().filter(|(name, link)| self.told.get(*name) != Some(link));
        let changed = gone.chain(new.map(|(name, link)| (name.clone(), Some(*link)))).collect();
        self.told.clone_from(facts);
        changed
    }

    /// Reads what the kernel has to tell. What it means is kept until `news` is asked.
    pub(crate) fn observe(&mut self) -> io::Result<()> {
        while let Some(changes) = self.monitor.read()? {
            for change in changes {
                self.note(change)?;
            }
        }
        Ok(())
    }

    /// What has been seen since the last time, if anything.
    pub(crate) fn news(&mut self, now: u64) -> Option<Seen> {
        self.seen.addresses |= self.guardian.expire(now);
        let seen = std::mem::take(&mut self.seen);
        (seen.links || seen.addresses).then_some(seen)
    }

    fn note(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Link(link) => {
                self.leases.changed();
                self.seen.links |= self.links.get(&link.index) != Some(&link);
                if link.up {
                    // What could not be added while it was down can be now.
                    self.refused.retain(|address, _| address.device != link.name);
                } else {
                    self.guardian.forget(link.index);
                }
                let index = link.index;
                if !link.enabled {
                    self.losses.devices.insert(index);
                }
                if let Some(before) = self.links.insert(index, link) {
                    self.vacate(index, &before.name);
                }
            }
            Change::LinkGone(index) => {
                self.leases.changed();
                self.seen.links = true;
                self.losses.devices.insert(index);
                self.links.remove(&index);
                self.held.remove(&index);
                self.guardian.forget(index);
            }
            Change::Address(address) => {
                let (index, place) = (address.index, (address.address, address.prefix));
                let known = self.held.get(&index).is_some_and(|held| held.contains_key(&place));
                if self.log_changes && !known {
                    info!("address {}/{} is on {}", place.0, place.1, self.name_of(index));
                }
                let new = self.hold(address);
                self.seen.addresses |= new;
            }
            Change::AddressGone(address, by) => {
                let device = self.name_of(address.index);
                if self.log_changes {
                    info!("address {}/{} went from {device}", address.address, address.prefix);
                }
                let Some(held) = self.held.get_mut(&address.index) else { return Ok(()) };
                if held.remove(&(address.address, address.prefix)).is_none() {
                    return Ok(()); // we removed it ourselves
                }
                self.leases.changed();
                self.losses.addresses.insert(address.address);
                self.seen.addresses = true;
                self.miss(&address, by);
            }
            Change::Overrun => {
                warn!("the kernel had more to tell than fits: reading interfaces and addresses anew");
                let before: Vec<Address> = self.held.values().flat_map(BTreeMap::values).map(|h| h.1.clone()).collect();
                let names: Vec<_> = self.links.values().map(|link| (link.index, link.name.clone())).collect();
                self.losses.devices.extend(self.links.keys());
                self.losses.addresses.extend(before.iter().map(|address| address.address));
                self.read_all()?;
                for (index, name) in names {
                    self.vacate(index, &name);
                }
                for address in before {
                    let still = self.held.get(&address.index);
                    if still.is_none_or(|held| !held.contains_key(&(address.address, address.prefix))) {
                        self.miss(&address, Port(0));
                    }
                }
                self.seen = Seen { links: true, addresses: true };
            }
        }
        Ok(())
    }

    /// An address is no longer held that nobody here has removed. With its interface it goes for good, and the instance with it.
    fn miss(&mut self, address: &Address, by: Port) {
        let Some(link) = self.links.get(&address.index).filter(|l| l.up) else { return };
        let device = link.name.clone();
        let now = monotonic_micros();
        let virtual_one = self.managed.get(&device).and_then(|set| set.get(&address.address));
        if virtual_one.is_none_or(|ours| ours.prefix != address.prefix) {
            let sends = match address.address {
                IpAddr::V4(_) => true,
                IpAddr::V6(a) => a.is_unicast_link_local(),
            };
            if sends && address.flags & UNUSABLE == 0 {
                self.guardian.lost(address.index, address.address, now);
            }
            return;
        }
        let Some(claim) = self.claims.iter().find(|c| c.address == address.address && c.device == device) else {
            return;
        };
        if self.leases.is_over(address.address, &device, now) {
            warn!("the kernel took {} from {device}: its lease was not renewed in time", address.address);
            return;
        }
        if claim.flags.contains(&AddressFlag::LetGo) {
            info!("somebody removed {} from {device}: it stays away, as told (no_track)", address.address);
            self.let_go.insert(claim.clone());
            return;
        }
        self.put_back.push((address.address, device.clone()));
        let back_at = self.guardian.taken(&device, address.address, by, now);
        if back_at > now {
            self.refused.insert(claim.clone(), back_at);
        }
    }

    fn name_of(&self, index: u32) -> String {
        self.links.get(&index).map_or_else(|| format!("interface {index}"), |l| l.name.clone())
    }

    fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|l| l.name == name)
    }

    /// Whether an interface is there and up.
    pub(crate) fn is_up(&self, device: &str) -> bool {
        self.link_named(device).is_some_and(|link| link.up)
    }

    /// Whether the kernel holds a virtual address.
    pub(crate) fn holds(&self, address: &VirtualAddress) -> bool {
        let held = self.link_named(&address.device).and_then(|l| self.held.get(&l.index));
        held.is_some_and(|held| held.contains_key(&(address.address, address.prefix)))
    }

    /// How often others took addresses of an instance, which were put back.
    pub(crate) fn restored(&self, instance: &Instance) -> u64 {
        let all = instance.addresses.iter().chain(&instance.excluded);
        all.map(|a| self.guardian.times(&(a.device.clone(), a.address))).sum()
    }

    /// The addresses that this host should hold now. What is too much goes at once; what is missing is queued for `work`,
    /// which adds and announces one after the other, in this order.
    pub(crate) fn reconcile(&mut self, claims: Vec<VirtualAddress>) {
        if let Err(e) = self.observe() {
            warn!("what the kernel has to tell can't be read: {e}");
        }
        self.claims = claims.iter().cloned().collect();
        self.leases.changed();
        let wanted: BTreeSet<(&str, IpAddr)> = claims.iter().map(|c| (c.device.as_str(), c.address)).collect();
        let all = self.managed.iter().flat_map(|(device, set)| set.values().map(move |a| (device, a)));
        let unwanted = all.filter(|(device, a)| !wanted.contains(&(device.as_str(), a.address)));
        let unwanted: Vec<_> = unwanted.map(|(device, a)| (device.clone(), (a.address, a.prefix))).collect();
        for (device, place) in unwanted {
            self.remove_place(&device, place);
        }
        self.refused.retain(|address, _| self.claims.contains(address));
        self.let_go.retain(|address| self.claims.contains(address));
        let missing = claims.into_iter().filter(|c| !self.holds(c) && self.link_named(&c.device).is_some());
        let missing = missing.filter(|c| !self.let_go.contains(c));
        self.adds = missing.filter(|c| !self.refused.contains_key(c)).collect();
        if self.claims.is_empty() {
            self.rounds.clear();
        }
    }

    /// If an interface was renamed, what was put on it under its old name goes: it is there by nobody's configuration.
    fn vacate(&mut self, index: u32, before: &str) {
        let Some(name) = self.links.get(&index).map(|link| link.name.clone()).filter(|name| name != before) else {
            return;
        };
        let here = self.managed.get(&name);
        let left = self.managed.get(before).into_iter().flat_map(BTreeMap::values);
        let left = left.filter(|a| here.is_none_or(|set| !set.contains_key(&a.address)));
        for place in left.map(|a| (a.address, a.prefix)).collect::<Vec<_>>() {
            self.remove_from(index, place);
        }
    }

    fn remove_place(&mut self, device: &str, place: (IpAddr, u8)) {
        if let Some(index) = self.link_named(device).map(|l| l.index) {
            self.remove_from(index, place);
        }
    }

    /// Removes an address. One with another prefix is the host's own: an administrator's slip must not cost the host that.
    fn remove_from(&mut self, index: u32, place: (IpAddr, u8)) {
        let device = self.name_of(index);
        let Some(held) = self.held.get_mut(&index) else { return };
        let Some((_, address)) = held.remove(&place) else { return };
        self.leases.changed();
        match self.netlink.remove(&address) {
            Ok(()) => debug!("removed {}/{} from {device}", address.address, address.prefix),
            Err(e) => {
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    warn!("{} can't be removed from {device}: {e}{silent}", address.address);
                }
                self.hold(address);
                self.retry_at = Some(monotonic_micros() + RETRY);
            }
        }
    }

    /// Announces a list of addresses so many times. Those that are still to be added, or were just added, have their first
    /// announcement then.
    pub(crate) fn announce(&mut self, list: &[VirtualAddress], repeat: u32) {
        let Some(first) = list.first() else { return };
        let coming = self.begun.take().as_ref() == Some(first) || !self.holds(first) && !self.waits(first);
        let coming = coming && !self.pace.holds(first);
        self.rounds.ask(list, if coming { repeat.saturating_sub(1) } else { repeat });
    }

    /// When `work` wants to be called, if it does.
    pub(crate) fn next_at(&self) -> Option<u64> {
        let adds = (!self.adds.is_empty()).then_some(self.pause_until);
        let rounds = self.rounds.next_at().map(|at| at.max(self.pause_until)).filter(|_| self.adds.is_empty());
        let refused = self.refused.values().min().copied();
        [adds, rounds, refused, self.leases.wake(), self.retry_at, self.guardian.wake()].into_iter().flatten().min()
    }

    /// Whether an address is not to be added, or not yet.
    fn waits(&self, address: &VirtualAddress) -> bool {
        self.let_go.contains(address) || self.refused.contains_key(address)
    }

    /// Adds and announces an address that is claimed from now on, if it is missing, before anything is compared, done or told.
    pub(crate) fn begin(&mut self, address: &VirtualAddress) {
        if self.waits(address) || self.holds(address) || monotonic_micros() < self.pause_until {
            return;
        }
        self.begun = (self.add(address) == Added::Announced).then(|| address.clone());
    }

    /// Does some of what is to be done; little enough that no advert is late for it.
    pub(crate) fn work(&mut self, now: u64) {
        let due = self.refused.values().any(|at| *at <= now);
        if due || self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = self.retry_at.filter(|at| *at > now);
            self.refused.retain(|_, at| *at > now);
            let claims = self.claims.iter().cloned().collect();
            self.reconcile(claims);
        }
        if self.leases.wake().is_some_and(|at| at <= now) {
            self.renew_some(now);
        }
        if now < self.pause_until {
            return;
        }
        for _ in 0..BURST {
            let Some(address) = self.adds.pop_front() else { break };
            let _ = self.add(&address); // the others' first announcements are not waited for by anybody
            self.pause_until = monotonic_micros() + PAUSE;
        }
        if self.adds.is_empty() && self.pause_until <= now {
            self.work_rounds(now);
        }
    }

    /// The leases of what an instance claims (it stands at this place in the configuration) are renewed, by `work`.
    pub(crate) fn renew<'a>(&mut self, instance: usize, claims: impl Iterator<Item = &'a VirtualAddress>) {
        self.leases.ask(monotonic_micros, instance, claims);
    }

    /// The addresses that are held stay for good, whoever renews them: this role ends and they are to outlive it.
    pub(crate) fn keep(&mut self) {
        self.leases = Leases::new();
        let claims: Vec<_> = self.claims.iter().cloned().collect();
        for some in claims.chunks(RENEWALS) {
            let mut renewals = self.renewals_of(some);
            self.send_renewals(&mut renewals);
        }
    }

    fn renew_some(&mut self, now: u64) {
        // What is gone must not come back by being renewed.
        if let Err(e) = self.observe() {
            warn!("what the kernel has to tell can't be read: {e}");
        }
        let mut batch = std::mem::take(&mut self.renewals);
        while batch.len() < RENEWALS {
            if let Some(addresses) = self.leases.unwritten() {
                let addresses = addresses.to_vec();
                let written = self.renewals_of(&addresses);
                self.leases.write(written);
            }
            let room = RENEWALS - batch.len();
            if self.leases.take(now, &mut batch, room).is_none() {
                break;
            }
        }
        self.send_renewals(&mut batch);
        batch.clear();
        self.renewals = batch;
    }

    /// What renews these addresses: those that are there and still claimed.
    fn renewals_of(&mut self, addresses: &[VirtualAddress]) -> Renewals {
        // One that isn't there any more is the guardian's.
        let some = addresses.iter().filter(|a| self.claims.contains(a)).filter_map(|a| {
            let held = &self.held.get(&self.link_named(&a.device)?.index)?.get(&(a.address, a.prefix))?.1;
            let wanted = self.wanted(a)?;
            // Of an IPv6 address that is there for good the kernel would shorten the life of its prefix's route, which
            // may be the host's own.
            let lasting = held.valid.is_none() && (a.address.is_ipv6() || wanted.valid.is_none());
            (!lasting).then_some(wanted)
        });
        let some: Vec<Address> = some.collect();
        let mut renewals = Renewals::default();
        for address in some {
            renewals.push(&address);
            self.hold(address);
        }
        renewals
    }

    fn send_renewals(&mut self, renewals: &mut Renewals) {
        if let Err(e) = self.netlink.renew(renewals)
            && let Some(silent) = self.limit.allow(monotonic_micros())
        {
            warn!("the kernel does not renew the lease of an address: {e}{silent}");
        }
    }

    /// An address as the kernel shall hold it.
    fn wanted(&self, address: &VirtualAddress) -> Option<Address> {
        let index = self.link_named(&address.device)?.index;
        Some(Address { valid: self.leases.seconds(address), ..written(address, index) })
    }

    fn add(&mut self, address: &VirtualAddress) -> Added {
        let Some(wanted) = self.wanted(address) else { return Added::Silently };
        match self.netlink.add(&wanted) {
            Ok(()) => {
                self.leases.begin(monotonic_micros(), address);
                self.hold(wanted);
                // Where announcements are paced it waits for its turn, if no round is going to announce it anyway.
                if self.pace.holds(address) {
                    self.rounds.ask_once(address);
                    return Added::Silently;
                }
                self.send_frame(address);
                Added::Announced
            }
            Err(e) => {
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    let VirtualAddress { address, prefix, device, .. } = address;
                    warn!("{address}/{prefix} can't be added to {device}: {e}; trying again{silent}");
                }
                self.refused.insert(address.clone(), monotonic_micros() + RETRY);
                Added::Silently
            }
        }
    }

    /// What was still to be announced of these is not: somebody else may have them by now.
    pub(crate) fn hush<'a>(&mut self, claims: impl Iterator<Item = &'a VirtualAddress>) {
        self.rounds.hush(claims);
    }

    fn work_rounds(&mut self, now: u64) {
        let due = self.rounds.take(now, BURST, &mut self.pace, |address| self.claims.contains(address));
        if !due.is_empty() {
            self.pause_until = now + PAUSE;
        }
        for address in due {
            self.send_frame(&address);
        }
    }

    fn send_frame(&mut self, address: &VirtualAddress) {
        let Some(link) = self.link_named(&address.device) else { return };
        let (index, mac) = (link.index, link.mac.filter(|_| link.arp));
        let Some(mac) = mac else { return };
        let sent = match address.address {
            IpAddr::V4(v4) => self.announcer.send(index, &gratuitous(mac, v4)),
            IpAddr::V6(v6) => {
                let sort = self.sort(&address.device);
                self.announcer.send(index, &neighbour(mac, v6, sort))
            }
        };
        if let Err(e) = sent
            && let Some(silent) = self.limit.allow(monotonic_micros())
        {
            warn!("{} can't be announced on {}: {e}{silent}", address.address, address.device);
        }
    }

    /// Whether this host is a router on a device; hosts that believed so go on believing it, and others don't begin.
    fn sort(&mut self, device: &str) -> Sort {
        let now = monotonic_micros();
        match self.forwards.get(device) {
            Some((sort, at)) if now < at + FORWARDS_AGE => *sort,
            Some(_) | None => {
                let forwards = sysctl::read(&["net", "ipv6", "conf", device, "forwarding"]);
                let sort = if forwards.is_ok_and(|value| value == "1") { Sort::Router } else { Sort::Host };
                self.forwards.insert(device.to_owned(), (sort, now));
                sort
            }
        }
    }
}

/// What the protocol wants to know of an interface with these addresses, each with its place in the order in which they came.
/// An advert never comes from one that is `is_ours` to take away: it may move while the advert is on its way.
pub(crate) fn fact<'a>(
    link: &Link,
    addresses: impl Iterator<Item = (u64, &'a Address)>,
    is_ours: impl Fn(&Address) -> bool,
) -> track::Link {
    let (mut ipv4, mut link_local) = (None, None);
    for (order, address) in addresses.filter(|(_, a)| a.flags & UNUSABLE == 0 && !is_ours(a)) {
        match address.address {
            IpAddr::V4(a) => ipv4 = [ipv4, Some((order, a))].into_iter().flatten().min(),
            IpAddr::V6(a) if a.is_unicast_link_local() => {
                link_local = [link_local, Some((order, a))].into_iter().flatten().min();
            }
            IpAddr::V6(_) => {}
        }
    }
    let (ipv4, link_local) = (ipv4.map(|(_, a)| a), link_local.map(|(_, a)| a));
    let Link { up, multicast, mtu, .. } = *link;
    track::Link { up, multicast, ipv4, link_local, mtu }
}

/// An address as the kernel shall hold it for good on the interface with this index.
pub(crate) fn written(address: &VirtualAddress, index: u32) -> Address {
    Address {
        index,
        address: address.address,
        prefix: address.prefix,
        scope: address.scope,
        broadcast: address.broadcast,
        label: address.label.clone(),
        peer: address.peer,
        preferred: match address.preferred {
            Lifetime::Forever => None,
            Lifetime::Secs(seconds) => Some(seconds),
        },
        valid: None,
        flags: flags(address),
    }
}

/// `IFA_F_*` of a virtual address. Duplicate address detection would keep it unusable for a second, and the former master
/// may hold it for a moment yet.
fn flags(address: &VirtualAddress) -> u32 {
    let has = |flag| address.flags.contains(&flag);
    let detection = address.address.is_ipv6() && !has(AddressFlag::Dad);
    let bits = [
        (detection, flag::NODAD),
        (has(AddressFlag::Home), flag::HOME),
        (has(AddressFlag::ManageTemporary), flag::MANAGE_TEMPORARY),
        (has(AddressFlag::NoPrefixRoute), flag::NO_PREFIX_ROUTE),
        (has(AddressFlag::AutoJoin), flag::AUTO_JOIN),
    ];
    bits.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit)
}
