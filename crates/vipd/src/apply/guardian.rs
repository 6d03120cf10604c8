//! What others do to the addresses of this host: how often they took a virtual one, who it was as far as the kernel says, and
//! how long one of the host's own that adverts come from may be away.

use crate::rate::Limit;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tracing::warn;
use vipd_sys::netlink::Port;
use vipd_vrrp::settings::Family;

/// The least time between two returns of one address, in microseconds: two that fight for it must not take the processor.
const GAP: u64 = 20_000;
/// For how long adverts may come from an address that the host has lost, in microseconds: whatever configures it anew (DHCP, a
/// network manager) takes all addresses away and adds them again.
const GRACE: u64 = 5_000_000;

/// Where an address is: device and address.
type Place = (String, IpAddr);

/// What was taken of one place.
#[derive(Default)]
struct Taken {
    times: u64,
    /// When it was last put back, in microseconds.
    back_at: u64,
}

/// Remembers what others took.
#[derive(Default)]
pub(super) struct Guardian {
    taken: BTreeMap<Place, Taken>,
    limit: Limit,
    /// The host's own addresses that went from a device that is up, and when each ceases to count.
    lost: BTreeMap<(u32, Family), (IpAddr, u64)>,
}

impl Guardian {
    /// Somebody took a virtual address away. When it may be put back, in microseconds: `now` or a little later.
    pub(super) fn taken(&mut self, device: &str, address: IpAddr, by: Port, now: u64) -> u64 {
        let taken = self.taken.entry((device.to_owned(), address)).or_default();
        taken.times += 1;
        taken.back_at = now.max(taken.back_at + GAP);
        if let Some(silent) = self.limit.allow(now) {
            let who = who(by, |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
            warn!("{address} was removed from {device}, which is up, by {who}: it is put back{silent}");
        }
        taken.back_at
    }

    /// How often the address of a place was taken.
    pub(super) fn times(&self, place: &Place) -> u64 {
        self.taken.get(place).map_or(0, |taken| taken.times)
    }

    /// Forgets the places that are nobody's any more.
    pub(super) fn retain(&mut self, still: impl Fn(&Place) -> bool) {
        self.taken.retain(|place, _| still(place));
    }

    /// One of the host's own addresses went from an interface that is up.
    pub(super) fn lost(&mut self, index: u32, address: IpAddr, now: u64) {
        self.lost.insert((index, Family::of(address)), (address, now + GRACE));
    }

    /// An interface is down, or gone: nothing comes from it.
    pub(super) fn forget(&mut self, index: u32) {
        self.lost.retain(|(lost, _), _| *lost != index);
    }

    /// The address that an interface has lost a moment ago, if it is not made good for.
    pub(super) fn last(&self, index: u32, family: Family) -> Option<IpAddr> {
        self.lost.get(&(index, family)).map(|(address, _)| *address)
    }

    /// When the next one ceases to count, in microseconds.
    pub(super) fn wake(&self) -> Option<u64> {
        self.lost.values().map(|(_, until)| *until).min()
    }

    /// Lets go of those that cease to count by now; whether there were any.
    pub(super) fn expire(&mut self, now: u64) -> bool {
        let before = self.lost.len();
        self.lost.retain(|_, (_, until)| *until > now);
        self.lost.len() < before
    }
}

/// Who a port of netlink belongs to, in words. `name`: of a process that runs.
fn who(port: Port, name: impl Fn(u32) -> Option<String>) -> String {
    let Some(pid) = port.process() else { return "somebody whom the kernel does not name".to_owned() };
    match name(pid) {
        Some(name) => format!("process {pid} ({})", name.trim()),
        None => format!("process {pid}, which has ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::{GAP, GRACE, Guardian, Port, who};
    use std::net::IpAddr;
    use vipd_vrrp::settings::Family;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn one_theft_is_made_good_at_once_and_a_fight_is_slowed_down() {
        let mut guardian = Guardian::default();
        let times: Vec<u64> = [0, 1, 2, 500_000].map(|now| guardian.taken("eth0", VIP, Port(0), now + GAP)).into();
        assert_eq!(times, [GAP, 2 * GAP, 3 * GAP, 500_000 + GAP]);
        assert_eq!(guardian.taken("eth1", VIP, Port(0), GAP), GAP, "each place by itself");
        assert_eq!(guardian.times(&("eth0".to_owned(), VIP)), 4);
        guardian.retain(|(device, _)| device == "eth1");
        assert_eq!(guardian.times(&("eth0".to_owned(), VIP)), 0);
    }

    #[test]
    fn a_lost_address_counts_for_a_while() {
        let mut guardian = Guardian::default();
        guardian.lost(7, VIP, 10);
        assert_eq!((guardian.last(7, Family::V4), guardian.last(7, Family::V6)), (Some(VIP), None));
        assert_eq!((guardian.wake(), guardian.expire(10 + GRACE - 1)), (Some(10 + GRACE), false));
        assert!(guardian.expire(10 + GRACE) && guardian.last(7, Family::V4).is_none());
        guardian.lost(7, VIP, 10);
        guardian.forget(7);
        assert_eq!(guardian.wake(), None);
    }

    #[test]
    fn who_it_was_is_said_as_far_as_it_is_known() {
        let name = |pid| (pid == 42).then(|| "ip\n".to_owned());
        assert_eq!(who(Port(42), name), "process 42 (ip)");
        assert_eq!(who(Port(1 << 22 | 43), name), "process 43, which has ended");
        assert_eq!(who(Port(0), name), "somebody whom the kernel does not name");
    }
}
