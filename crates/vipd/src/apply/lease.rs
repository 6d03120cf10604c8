//! For how long the kernel holds the addresses of instances that are not renewed (`vip_lease`), and whose are to be renewed:
//! what is sent for that is written once, and again only when something has changed.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use tracing::warn;
use vipd_sys::netlink::Renewals;
use vipd_vrrp::settings::{Instance, VirtualAddress};

/// The kernel may end a lease this much before its time, in microseconds (`ADDRCONF_TIMER_FUZZ_MINUS`, net/addrconf.h).
const LEASE_EARLY: u64 = 30_000;

/// The most IPv6 addresses that are leased. The kernel looks at all of them each time it is told of one: a thousand would
/// cost a quarter of a processor.
const MOST_LEASED_V6: usize = 256;

/// How long renewals wait for others, in microseconds: the leases of many instances cost ten sends a second, not one each.
const TOGETHER: u64 = 100_000;

/// The lease of an address.
#[derive(Clone, Copy)]
struct Lease {
    seconds: u32,
    /// Whose it is: an instance, by its place in the configuration.
    instance: usize,
}

/// What is renewed at once: the addresses of an instance.
#[derive(Default)]
struct Tenancy {
    addresses: Vec<VirtualAddress>,
    /// The state of things (`Leases::changed`) in which these were claimed.
    claimed_in: u64,
    /// What is sent for that, and in which state it was written.
    written: Renewals,
    written_in: u64,
    /// When they were last renewed, in microseconds.
    renewed: u64,
    /// One that must not wait for others.
    short: bool,
}

/// The leases of what the instances may hold.
pub(super) struct Leases {
    by_place: BTreeMap<(IpAddr, String), Lease>,
    /// By instance.
    tenancies: Vec<Tenancy>,
    /// Instances whose leases are to be renewed, and how many of each are.
    queue: VecDeque<(usize, usize)>,
    /// When that is done.
    at: u64,
    /// The state of things: every change makes it another one.
    state: u64,
}

impl Leases {
    /// None.
    pub(super) fn new() -> Leases {
        Leases { by_place: BTreeMap::new(), tenancies: Vec::new(), queue: VecDeque::new(), at: 0, state: 1 }
    }

    /// These instances' from now on, in this order.
    pub(super) fn manage<'a>(&mut self, now: u64, instances: impl Iterator<Item = &'a Instance>) {
        *self = Leases { state: self.state + 1, ..Leases::new() };
        for (i, instance) in instances.enumerate() {
            let seconds = instance.lease();
            let short = seconds.is_none_or(|seconds| seconds < 2); // there is no time to lose
            self.tenancies.push(Tenancy { renewed: now, short, ..Tenancy::default() });
            let Some(seconds) = seconds else { continue };
            for address in instance.addresses.iter().chain(&instance.excluded) {
                self.by_place.insert((address.address, address.device.clone()), Lease { seconds, instance: i });
            }
        }
        let v6 = self.by_place.keys().filter(|(address, _)| address.is_ipv6()).count();
        if v6 > MOST_LEASED_V6 {
            warn!(
                "{v6} IPv6 addresses are more than the {MOST_LEASED_V6} that can be leased: the kernel holds them for good"
            );
            self.by_place.retain(|(address, _), _| address.is_ipv4());
        }
    }

    /// What is written is not to be believed any more: addresses, interfaces or claims have changed.
    pub(super) fn changed(&mut self) {
        self.state += 1;
    }

    /// For how many seconds the kernel holds an address that is not renewed.
    pub(super) fn seconds(&self, address: &VirtualAddress) -> Option<u32> {
        self.by_place.get(&(address.address, address.device.clone())).map(|lease| lease.seconds)
    }

    /// Whether the kernel has ended the lease of an address, if nobody else took it away.
    pub(super) fn is_over(&self, address: IpAddr, device: &str, now: u64) -> bool {
        let lease = self.by_place.get(&(address, device.to_owned()));
        let renewed = lease.and_then(|lease| self.tenancies.get(lease.instance)).map(|tenancy| tenancy.renewed);
        let end = lease.zip(renewed).map(|(lease, renewed)| renewed + u64::from(lease.seconds) * 1_000_000);
        end.is_some_and(|end| now + LEASE_EARLY >= end)
    }

    /// The lease of an address that was just added begins.
    pub(super) fn begin(&mut self, now: u64, address: &VirtualAddress) {
        let lease = self.by_place.get(&(address.address, address.device.clone())).copied();
        if let Some(tenancy) = lease.and_then(|lease| self.tenancies.get_mut(lease.instance)) {
            tenancy.renewed = now;
        }
    }

    /// The leases of what an instance claims are to be renewed: soon, together with what others ask for until then.
    pub(super) fn ask<'a>(
        &mut self,
        now: impl FnOnce() -> u64,
        instance: usize,
        claims: impl Iterator<Item = &'a VirtualAddress>,
    ) {
        let Some(tenancy) = self.tenancies.get_mut(instance) else { return };
        if tenancy.claimed_in != self.state {
            tenancy.addresses = claims.cloned().collect();
            (tenancy.claimed_in, tenancy.written_in) = (self.state, 0);
        }
        if self.queue.is_empty() {
            self.at = now() + TOGETHER;
        }
        if tenancy.short {
            self.at = 0;
        }
        self.queue.push_back((instance, 0));
    }

    /// When some are to be renewed, if any are.
    pub(super) fn wake(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(self.at)
    }

    /// The addresses of the next instance, if what is sent for them is to be written.
    pub(super) fn unwritten(&self) -> Option<&[VirtualAddress]> {
        let tenancy = self.tenancies.get(self.queue.front()?.0)?;
        (tenancy.written_in != self.state).then_some(&tenancy.addresses)
    }

    /// Writes it.
    pub(super) fn write(&mut self, renewals: Renewals) {
        if let Some((i, done)) = self.queue.front_mut() {
            *done = 0;
            if let Some(tenancy) = self.tenancies.get_mut(*i) {
                (tenancy.written, tenancy.written_in) = (renewals, self.state);
            }
        }
    }

    /// Moves what is to be sent for the next instance, at most so many; `None`: there is none.
    pub(super) fn take(&mut self, now: u64, to: &mut Renewals, most: usize) -> Option<()> {
        let (i, done) = self.queue.front_mut()?;
        let Some(tenancy) = self.tenancies.get_mut(*i) else { return self.queue.pop_front().map(drop) };
        let taken = to.append(&tenancy.written, *done, most);
        if taken > 0 {
            tenancy.renewed = now;
        }
        *done += taken;
        if *done >= tenancy.written.len() {
            self.queue.pop_front();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;
    use vipd_sys::netlink::Address;

    fn instances(text: &str) -> Vec<Instance> {
        let loaded = vipd_config::load_str("test", text, &vipd_config::Options::default());
        loaded.config.unwrap().instances.into_iter().map(|i| i.vrrp).collect()
    }

    fn config(addresses: usize) -> Vec<Instance> {
        let all: Vec<String> = (0..addresses).map(|n| format!("10.{}.{}.1", n / 256, n % 256)).collect();
        instances(&format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n{}\n}}\n}}\n\
             vrrp_instance B {{\ninterface eth0\nvirtual_router_id 2\nvirtual_ipaddress {{\n192.0.2.9\n}}\n}}\n",
            all.join("\n")
        ))
    }

    fn held(address: IpAddr) -> Address {
        let (scope, flags, broadcast, label, peer, preferred, valid) = (0, 0, None, None, None, None, Some(4));
        Address { index: 2, address, prefix: 32, scope, broadcast, label, peer, preferred, valid, flags }
    }

    /// Renews all that is asked for, at most so many at once, as `Addresses` does; how many each time.
    fn renew(leases: &mut Leases, most: usize) -> Vec<usize> {
        let mut all = Vec::new();
        while leases.wake().is_some() {
            let mut batch = Renewals::default();
            while batch.len() < most {
                if let Some(addresses) = leases.unwritten() {
                    let mut renewals = Renewals::default();
                    for a in addresses {
                        renewals.push(&held(a.address));
                    }
                    leases.write(renewals);
                }
                let room = most - batch.len();
                if leases.take(7, &mut batch, room).is_none() {
                    break;
                }
            }
            all.push(batch.len());
            assert!(all.len() < 100, "it never ends");
        }
        all
    }

    #[test]
    fn what_is_claimed_between_the_question_and_the_answer_is_renewed_the_next_time() {
        let all = config(3);
        let mut leases = Leases::new();
        leases.manage(0, all.iter());
        // BACKUP, when the configuration comes; MASTER before the renewals are sent; nothing changes from then on.
        leases.ask(|| 0, 0, [].iter());
        leases.changed();
        assert_eq!(renew(&mut leases, 128), [0]);
        for _ in 0..3 {
            leases.ask(|| 0, 0, all[0].addresses.iter());
            assert_eq!(renew(&mut leases, 128), [3]);
        }
        // One of them goes.
        leases.changed();
        leases.ask(|| 0, 0, all[0].addresses[1..].iter());
        assert_eq!(renew(&mut leases, 128), [2]);
    }

    #[test]
    fn many_are_renewed_in_pieces() {
        let all = config(200);
        let mut leases = Leases::new();
        leases.manage(0, all.iter());
        leases.ask(|| 5, 1, all[1].addresses.iter());
        leases.ask(|| 6, 0, all[0].addresses.iter());
        assert_eq!(leases.wake(), Some(5 + TOGETHER));
        assert_eq!(renew(&mut leases, 128), [128, 73]);
        assert_eq!(leases.wake(), None);
        let seconds = u64::from(all[0].lease().unwrap()) * 1_000_000;
        let (address, device) = (all[0].addresses[0].address, "eth0");
        assert!(!leases.is_over(address, device, 7 + seconds - LEASE_EARLY - 1));
        assert!(leases.is_over(address, device, 7 + seconds - LEASE_EARLY));
    }
}
