//! How fast announcements may follow each other: `vrrp_garp_interval` and `vrrp_gna_interval` on each interface, or those of a
//! `garp_group` on all of its interfaces together.

use std::collections::BTreeMap;
use std::time::Duration;
use vipd_config::model::Config;
use vipd_vrrp::settings::{Family, VirtualAddress};

/// What shares a pace: an interface and all that is made upon it, or a group by its number, for one family of addresses.
type Lane = (Result<usize, String>, Family);

/// The pace of every lane that has one.
#[derive(Default)]
pub(crate) struct Pace {
    /// The interfaces beneath those that are made.
    bases: BTreeMap<String, String>,
    /// The groups of interfaces.
    groups: BTreeMap<String, usize>,
    /// The least time between two announcements, in microseconds.
    gaps: BTreeMap<Lane, u64>,
    /// When the next one may leave.
    next: BTreeMap<Lane, u64>,
}

impl Pace {
    /// Heeds what a configuration says from now on.
    pub(crate) fn manage(&mut self, config: &Config) {
        let routers = || config.instances.iter().map(|i| &i.vrrp);
        self.bases = routers().flat_map(|r| r.devices()).map(|d| (d.name.clone(), d.base.clone())).collect();
        let members = config.garp_groups.iter().enumerate();
        self.groups = members.flat_map(|(n, group)| group.interfaces.iter().map(move |i| (i.clone(), n))).collect();
        self.gaps.clear();
        for (n, group) in config.garp_groups.iter().enumerate() {
            self.gaps.insert((Ok(n), Family::V4), micros(group.garp_interval));
            self.gaps.insert((Ok(n), Family::V6), micros(group.gna_interval));
        }
        for router in routers() {
            for address in router.addresses.iter().chain(&router.excluded) {
                let lane = self.lane(address);
                let gap = match lane.1 {
                    Family::V4 => router.garp.interval.0,
                    Family::V6 => router.garp.gna_interval.0,
                };
                // A group says it for both.
                if lane.0.is_err() {
                    let known = self.gaps.entry(lane).or_default();
                    *known = gap.max(*known);
                }
            }
        }
        self.gaps.retain(|_, gap| *gap > 0);
        let gaps = &self.gaps;
        self.next.retain(|lane, _| gaps.contains_key(lane));
    }

    /// Whether the announcements of an address wait for their turn.
    pub(crate) fn holds(&self, address: &VirtualAddress) -> bool {
        self.gaps.contains_key(&self.lane(address))
    }

    /// Takes the turn of an address at `now`; else says when it comes.
    pub(crate) fn take(&mut self, address: &VirtualAddress, now: u64) -> Result<(), u64> {
        let lane = self.lane(address);
        let Some(gap) = self.gaps.get(&lane) else { return Ok(()) };
        let next = self.next.entry(lane).or_default();
        if *next > now {
            return Err(*next);
        }
        *next = now.saturating_add(*gap);
        Ok(())
    }

    fn lane(&self, address: &VirtualAddress) -> Lane {
        let device = self.bases.get(&address.device).unwrap_or(&address.device);
        let place = self.groups.get(device).copied().ok_or_else(|| device.clone());
        (place, Family::of(address.address))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    const CONFIG: &str = "
        global_defs {
            vrrp_garp_interval 1
            vrrp_gna_interval 1
        }
        garp_group {
            garp_interval 0.5
            interfaces {
                eth1 eth2
            }
        }
        vrrp_instance A {
            interface eth0
            virtual_router_id 1
            use_vmac vrrp.1
            virtual_ipaddress {
                192.0.2.1
                192.0.2.2 dev eth0
                192.0.2.3 dev eth1
                192.0.2.4 dev eth2
            }
            virtual_ipaddress_excluded {
                2001:db8::1 dev eth1
                2001:db8::2 dev eth3
            }
        }";

    #[test]
    fn a_group_has_one_pace_and_an_interface_has_one_with_all_upon_it() {
        let config = vipd_config::load_str("test", CONFIG, &vipd_config::Options::default()).config.unwrap();
        let mut pace = Pace::default();
        pace.manage(&config);
        let router = &config.instances[0].vrrp;
        let all: Vec<&VirtualAddress> = router.addresses.iter().chain(&router.excluded).collect();
        assert_eq!(all[0].device, "vrrp.1");
        let mut take = |n: usize, now| pace.take(all[n], now);
        assert_eq!(take(0, 10), Ok(()));
        assert_eq!(take(1, 10), Err(1_000_010), "the interface beneath");
        assert_eq!(take(2, 10), Ok(()));
        assert_eq!(take(3, 10), Err(500_010), "another interface of the group");
        assert_eq!((take(4, 10), take(4, 10)), (Ok(()), Ok(())), "the group has no pace for this family");
        assert_eq!((take(5, 10), take(5, 10)), (Ok(()), Err(1_000_010)));
        assert_eq!((take(1, 1_000_010), take(3, 500_010)), (Ok(()), Ok(())));
        assert!(pace.holds(all[0]) && !pace.holds(all[4]));
    }
}
