//! The addresses of this host: what the kernel holds, compared with what is claimed; the difference written, one address
//! and its announcement at a time, so that the first of a thousand doesn't wait for the rest.

use crate::rate::Limit;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use tracing::{debug, info, warn};
use vipd_sys::arp::{self, Announcer};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::netlink::{Address, Change, Link, Monitor, Netlink};
use vipd_vrrp::settings::{Instance, VirtualAddress};
use vipd_vrrp::track;

/// Addresses or announcements written before the adverts get their turn.
const BURST: usize = 32;
/// And the kernel gets its own: without this pause, in microseconds, a real-time process would fill the receivers' queues
/// faster than the kernel empties them, and announcements would be lost.
const PAUSE: u64 = 250;
/// How long after a refused write it is tried again, in microseconds.
const RETRY: u64 = 1_000_000;
/// Most announcement rounds that wait; more are merged.
const ROUNDS: usize = 4096;

/// What the kernel holds on one interface: by address and prefix, with the order in which it came.
type Held = BTreeMap<(IpAddr, u8), (u64, Address)>;

/// Announcing a list of addresses several times.
struct Round {
    list: Vec<VirtualAddress>,
    position: usize,
    remaining: u32,
    /// Least time between two frames, in microseconds.
    interval: u64,
    at: u64,
}

/// What `observe` has seen.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Interfaces came, went or changed.
    pub(crate) links: bool,
    /// Addresses came or went.
    pub(crate) addresses: bool,
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
    /// Every address that some instance may put somewhere, by device.
    managed: BTreeMap<String, BTreeSet<IpAddr>>,
    claims: BTreeSet<VirtualAddress>,
    adds: VecDeque<VirtualAddress>,
    rounds: VecDeque<Round>,
    retry_at: Option<u64>,
    /// Before this nothing is written.
    pause_until: u64,
    /// What was seen and not yet taken by `news`.
    seen: Seen,
    restored: BTreeMap<(String, IpAddr), u64>,
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
            claims: BTreeSet::new(),
            adds: VecDeque::new(),
            rounds: VecDeque::new(),
            retry_at: None,
            pause_until: 0,
            seen: Seen::default(),
            restored: BTreeMap::new(),
            told: BTreeMap::new(),
            limit: Limit::default(),
            log_changes: false,
        };
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
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// These instances' addresses are ours to add and to remove from now on. What an earlier configuration managed and
    /// this one doesn't is removed.
    pub(crate) fn manage(&mut self, instances: &[Instance]) -> io::Result<()> {
        let all = instances.iter().flat_map(|i| i.addresses.iter().chain(&i.excluded));
        let mut managed: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for address in all {
            managed.entry(address.device.clone()).or_default().insert(address.address);
        }
        let still = |device: &str, address: &IpAddr| managed.get(device).is_some_and(|set| set.contains(address));
        self.observe()?;
        for (device, addresses) in std::mem::take(&mut self.managed) {
            for address in addresses.into_iter().filter(|a| !still(&device, a)) {
                self.remove_place(&device, address);
            }
        }
        self.restored.retain(|(device, address), _| still(device, address));
        self.managed = managed;
        Ok(())
    }

    /// Name and index of every interface.
    pub(crate) fn devices(&self) -> BTreeMap<String, u32> {
        self.links.values().map(|l| (l.name.clone(), l.index)).collect()
    }

    /// What the protocol wants to know of the interfaces.
    pub(crate) fn facts(&self) -> BTreeMap<String, track::Link> {
        let fact = |link: &Link| {
            let held = self.held.get(&link.index).into_iter().flat_map(BTreeMap::values);
            // An advert never comes from a virtual address: it may move while the advert is on its way.
            let managed = self.managed.get(&link.name);
            let own = |a: &IpAddr| a.is_ipv4() && managed.is_none_or(|set| !set.contains(a));
            let own = held.filter(|(_, a)| own(&a.address));
            let address = own.min_by_key(|(order, _)| *order).map(|(_, a)| a.address);
            (link.name.clone(), track::Link { up: link.up, multicast: link.multicast, address })
        };
        self.links.values().map(fact).collect()
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
    pub(crate) fn news(&mut self) -> Option<Seen> {
        let seen = std::mem::take(&mut self.seen);
        (seen.links || seen.addresses).then_some(seen)
    }

    fn note(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Link(link) => {
                self.seen.links |= self.links.get(&link.index) != Some(&link);
                self.links.insert(link.index, link);
            }
            Change::LinkGone(index) => {
                self.seen.links = true;
                self.links.remove(&index);
                self.held.remove(&index);
            }
            Change::Address(address) => {
                if self.log_changes {
                    info!("address {}/{} is on {}", address.address, address.prefix, self.name_of(address.index));
                }
                let new = self.hold(address);
                self.seen.addresses |= new;
            }
            Change::AddressGone(address) => {
                let device = self.name_of(address.index);
                if self.log_changes {
                    info!("address {}/{} went from {device}", address.address, address.prefix);
                }
                let Some(held) = self.held.get_mut(&address.index) else { return Ok(()) };
                if held.remove(&(address.address, address.prefix)).is_none() {
                    return Ok(()); // we removed it ourselves
                }
                self.seen.addresses = true;
                let claimed = self.claims.iter().any(|c| c.address == address.address && c.device == device);
                if claimed {
                    *self.restored.entry((device.clone(), address.address)).or_default() += 1;
                    warn!("somebody removed {} from {device}: it is put back", address.address);
                }
            }
            Change::Overrun => {
                warn!("the kernel had more to tell than fits: reading interfaces and addresses anew");
                self.read_all()?;
                self.seen = Seen { links: true, addresses: true };
            }
        }
        Ok(())
    }

    fn name_of(&self, index: u32) -> String {
        self.links.get(&index).map_or_else(|| format!("interface {index}"), |l| l.name.clone())
    }

    fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|l| l.name == name)
    }

    /// Whether the kernel holds a virtual address.
    pub(crate) fn holds(&self, address: &VirtualAddress) -> bool {
        let held = self.link_named(&address.device).and_then(|l| self.held.get(&l.index));
        held.is_some_and(|held| held.contains_key(&(address.address, address.prefix)))
    }

    /// How often addresses of an instance were put back.
    pub(crate) fn restored(&self, instance: &Instance) -> u64 {
        let all = instance.addresses.iter().chain(&instance.excluded);
        all.filter_map(|a| self.restored.get(&(a.device.clone(), a.address))).sum()
    }

    /// The addresses that this host should hold now. What is too much goes at once; what is missing is queued for `work`,
    /// which adds and announces one after the other, in this order.
    pub(crate) fn reconcile(&mut self, claims: Vec<VirtualAddress>) {
        if let Err(e) = self.observe() {
            warn!("what the kernel has to tell can't be read: {e}");
        }
        self.claims = claims.iter().cloned().collect();
        let wanted: BTreeSet<(&str, IpAddr)> = claims.iter().map(|c| (c.device.as_str(), c.address)).collect();
        let all = self.managed.iter().flat_map(|(device, set)| set.iter().map(move |a| (device, *a)));
        let unwanted = all.filter(|(device, a)| !wanted.contains(&(device.as_str(), *a)));
        let unwanted: Vec<(String, IpAddr)> = unwanted.map(|(device, a)| (device.clone(), a)).collect();
        for (device, address) in unwanted {
            self.remove_place(&device, address);
        }
        let missing = claims.into_iter().filter(|c| !self.holds(c) && self.link_named(&c.device).is_some());
        self.adds = missing.collect();
        if self.claims.is_empty() {
            self.rounds.clear();
        }
    }

    /// Removes an address, with whatever prefix it is there.
    fn remove_place(&mut self, device: &str, address: IpAddr) {
        let Some(index) = self.link_named(device).map(|l| l.index) else { return };
        let Some(held) = self.held.get_mut(&index) else { return };
        let prefixes: Vec<u8> = held.range((address, 0)..=(address, u8::MAX)).map(|((_, prefix), _)| *prefix).collect();
        let gone: Vec<Address> = prefixes.iter().filter_map(|p| held.remove(&(address, *p))).map(|(_, a)| a).collect();
        for address in gone {
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
    }

    /// Announces a list of addresses so many times. Those that are still to be added get their first announcement then.
    pub(crate) fn announce(&mut self, list: &[VirtualAddress], repeat: u32, interval: u64) {
        let Some(first) = list.first() else { return };
        let coming = self.adds.iter().any(|a| a == first);
        let remaining = if coming && interval == 0 { repeat.saturating_sub(1) } else { repeat };
        if remaining == 0 {
            return;
        }
        let waiting = self.rounds.iter_mut().find(|r| r.list.first() == Some(first) && r.list.len() == list.len());
        if let Some(round) = waiting {
            round.remaining = round.remaining.max(remaining);
        } else if self.rounds.len() < ROUNDS {
            self.rounds.push_back(Round { list: list.to_vec(), position: 0, remaining, interval, at: 0 });
        }
    }

    /// Whether `work` has something to do, now or later.
    pub(crate) fn busy(&self) -> bool {
        !self.adds.is_empty() || !self.rounds.is_empty() || self.retry_at.is_some()
    }

    /// When `work` wants to be called, given that it is `now`.
    pub(crate) fn next_at(&self, now: u64) -> u64 {
        if !self.adds.is_empty() && self.retry_at.is_none() {
            return self.pause_until.max(now);
        }
        let rounds = self.rounds.iter().map(|r| r.at.max(self.pause_until)).min();
        rounds.into_iter().chain(self.retry_at).min().unwrap_or(now)
    }

    /// Does some of what is to be done; little enough that no advert is late for it.
    pub(crate) fn work(&mut self) {
        let now = monotonic_micros();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            let claims = self.claims.iter().cloned().collect();
            self.reconcile(claims);
        }
        if now < self.pause_until {
            return;
        }
        if self.retry_at.is_none() {
            for _ in 0..BURST {
                let Some(address) = self.adds.pop_front() else { break };
                self.add(&address);
                self.pause_until = monotonic_micros() + PAUSE;
            }
        }
        if self.adds.is_empty() && self.pause_until <= now {
            self.work_rounds(now);
        }
    }

    fn add(&mut self, address: &VirtualAddress) {
        let Some(index) = self.link_named(&address.device).map(|l| l.index) else { return };
        let wanted = Address {
            index,
            address: address.address,
            prefix: address.prefix,
            scope: address.scope,
            broadcast: address.broadcast,
            label: address.label.clone(),
        };
        match self.netlink.add(&wanted) {
            Ok(()) => {
                self.hold(wanted);
                self.send_frame(address);
            }
            Err(e) => {
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    let VirtualAddress { address, prefix, device, .. } = address;
                    warn!("{address}/{prefix} can't be added to {device}: {e}; trying again{silent}");
                }
                self.retry_at = Some(monotonic_micros() + RETRY);
            }
        }
    }

    fn work_rounds(&mut self, now: u64) {
        let mut left = BURST;
        for _ in 0..self.rounds.len() {
            let Some(mut round) = self.rounds.pop_front() else { break };
            while left > 0 && round.remaining > 0 && round.at <= now {
                left -= 1;
                self.pause_until = now + PAUSE;
                if let Some(address) = round.list.get(round.position)
                    && self.claims.contains(address)
                {
                    self.send_frame(address);
                }
                round.position += 1;
                if round.position >= round.list.len() {
                    round.position = 0;
                    round.remaining -= 1;
                }
                if round.interval > 0 {
                    round.at = now + round.interval;
                }
            }
            if round.remaining > 0 {
                self.rounds.push_back(round);
            }
        }
    }

    fn send_frame(&mut self, address: &VirtualAddress) {
        let IpAddr::V4(v4) = address.address else { return };
        let Some(link) = self.link_named(&address.device) else { return };
        let (index, mac) = (link.index, link.mac.filter(|_| link.arp));
        let Some(mac) = mac else { return };
        if let Err(e) = self.announcer.send(index, &arp::gratuitous(mac, v4))
            && let Some(silent) = self.limit.allow(monotonic_micros())
        {
            warn!("{v4} can't be announced on {}: {e}{silent}", address.device);
        }
    }
}
