//! For how long the kernel holds the addresses of instances that are not renewed (`vip_lease`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use tracing::warn;
use vipd_sys::clock::monotonic_micros;
use vipd_vrrp::settings::Instance;

/// The kernel may end a lease this much before its time, in microseconds (`ADDRCONF_TIMER_FUZZ_MINUS`, net/addrconf.h).
const LEASE_EARLY: u64 = 30_000;

/// The most IPv6 addresses that are leased. The kernel looks at all of them each time it is told of one: a thousand would
/// cost a quarter of a processor.
const MOST_LEASED_V6: usize = 256;

/// For how long the kernel holds an address that is not renewed.
pub(super) struct Lease {
    pub(super) seconds: u32,
    /// When it was last renewed, in microseconds.
    pub(super) renewed: u64,
}

impl Lease {
    /// Whether the kernel has ended it, if nobody else took the address away.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now + LEASE_EARLY >= self.renewed + u64::from(self.seconds) * 1_000_000
    }
}

/// The leases of what these instances may hold, by device and address.
pub(super) fn leases<'a>(instances: impl Iterator<Item = &'a Instance>) -> BTreeMap<(String, IpAddr), Lease> {
    let mut leases = BTreeMap::new();
    for instance in instances {
        let Some(seconds) = instance.lease() else { continue };
        for address in instance.addresses.iter().chain(&instance.excluded) {
            leases.insert((address.device.clone(), address.address), Lease { seconds, renewed: monotonic_micros() });
        }
    }
    let v6 = leases.keys().filter(|(_, address)| address.is_ipv6()).count();
    if v6 > MOST_LEASED_V6 {
        warn!(
            "{v6} IPv6 addresses are more than the {MOST_LEASED_V6} that can be leased: the kernel holds them for good"
        );
        leases.retain(|(_, address), _| address.is_ipv4());
    }
    leases
}
