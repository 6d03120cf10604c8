//! The packet filter: what is sent to virtual addresses that are not to be served (`no_accept`) is dropped, and nothing but
//! adverts and answers leaves by a virtual hardware address. Tables of our own, written as a whole when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use tracing::{info, warn};
use vipd_config::model::Firewall;
use vipd_sys::clock::monotonic_micros;
use vipd_sys::netlink::Link;
use vipd_sys::nftables::{self, Chain, Field, Hook, Register, Set, Step, Table};
use vipd_vrrp::settings::{DeviceKind, Family, Instance};

/// `IPPROTO_IGMP`, `IPPROTO_ICMPV6`
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;

/// Types of ICMPv6 (RFC 4861, RFC 2710, RFC 3810).
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOURS: [u8; 2] = [135, 136];
const GROUP_REPORTS: [u8; 3] = [131, 132, 143];

/// The set of addresses that nothing is accepted for.
const ADDRESSES: &str = "vips";

/// How often it is looked whether the tables are still there, in microseconds.
const LOOK: u64 = 5_000_000;

/// The tables in force.
#[derive(Default)]
pub(crate) struct Filter {
    /// `None`: what an earlier life may have left is not known.
    tables: Option<Vec<Table>>,
    /// Why they could not be written the last time.
    problem: Option<String>,
    /// When they are looked at next.
    look_at: u64,
}

impl Filter {
    /// When `look` wants to be called: somebody may remove the tables, or they could not be written.
    pub(crate) fn wake(&self) -> Option<u64> {
        let has_some = self.tables.as_ref().is_some_and(|tables| !tables.is_empty());
        (has_some || self.problem.is_some()).then_some(self.look_at)
    }

    /// Brings the tables in line with what the instances want.
    pub(crate) fn reconcile<'a>(
        &mut self,
        instances: impl Iterator<Item = &'a Instance> + Clone,
        links: &BTreeMap<u32, Link>,
        how: &Firewall,
    ) {
        let wanted: Vec<Table> =
            [Family::V4, Family::V6].into_iter().filter_map(|f| table(f, instances.clone(), links, how)).collect();
        if self.tables.as_ref() == Some(&wanted) {
            return;
        }
        let done = self.write(&wanted, &how.table);
        let problem = done.err().map(|e| e.to_string());
        if let Some(why) = problem.as_ref().filter(|_| problem != self.problem) {
            warn!(
                "nftables can't be written: {why}; packets to virtual addresses are accepted, and switches may learn virtual \
                 MAC addresses from backups"
            );
        } else if problem.is_none() && !wanted.is_empty() {
            info!("nftables: table {} is written", how.table);
        }
        // What could not be written is tried again at the next reconciliation.
        if problem.is_none() {
            self.tables = Some(wanted);
        }
        self.problem = problem;
    }

    fn write(&self, wanted: &[Table], name: &str) -> io::Result<()> {
        let before = self.tables.iter().flatten().map(|table| (table.family, table.name.as_str()));
        let earlier = [nftables::Family::V4, nftables::Family::V6].map(|family| (family, name));
        let stays = |place: &(nftables::Family, &str)| wanted.iter().any(|t| (t.family, t.name.as_str()) == *place);
        let gone: BTreeSet<_> = before.chain(earlier).filter(|place| !stays(place)).collect();
        for (family, name) in gone {
            // (A kernel without nftables has none.)
            if matches!(nftables::exists(family, name), Ok(true)) {
                nftables::remove(family, name)?;
            }
        }
        wanted.iter().try_for_each(nftables::replace)
    }

    /// Writes them again if somebody has removed them, as a firewall does that is loaded anew.
    pub(crate) fn look(&mut self) {
        self.look_at = monotonic_micros() + LOOK;
        for table in self
            .tables
            .iter()
            .flatten()
            .filter(|table| matches!(nftables::exists(table.family, &table.name), Ok(false)))
        {
            match nftables::replace(table) {
                Ok(()) => warn!("somebody removed the nftables table {}: it is written again", table.name),
                Err(e) => warn!("the nftables table {} was removed and can't be written again: {e}", table.name),
            }
        }
    }

    /// Removes them.
    pub(crate) fn withdraw(&mut self) {
        for table in self.tables.take().into_iter().flatten() {
            if let Err(e) = nftables::remove(table.family, &table.name) {
                warn!("the nftables table {} can't be removed: {e}", table.name);
            }
        }
    }
}

/// Removes what the vrrp role has left, for a role that is not there to do it.
pub(crate) fn release<'a>(instances: impl Iterator<Item = &'a Instance> + Clone, how: &Firewall) -> io::Result<()> {
    let mut tables =
        [Family::V4, Family::V6].into_iter().filter_map(|f| table(f, instances.clone(), &BTreeMap::new(), how));
    tables.try_for_each(|table| nftables::remove(table.family, &table.name))
}

/// What is wanted of one family, if anything is.
fn table<'a>(
    family: Family,
    instances: impl Iterator<Item = &'a Instance> + Clone,
    links: &BTreeMap<u32, Link>,
    how: &Firewall,
) -> Option<Table> {
    let (source, destination) = match family {
        Family::V4 => (Field::Network { offset: 12, length: 4 }, Field::Network { offset: 16, length: 4 }),
        Family::V6 => (Field::Network { offset: 8, length: 16 }, Field::Network { offset: 24, length: 16 }),
    };
    let drop = |mut rule: Vec<Step>| {
        rule.extend(how.counters.then_some(Step::Count));
        rule.push(Step::Drop);
        rule
    };
    let (mut input, mut output) = (Vec::new(), Vec::new());

    let macvlan = |kind: &DeviceKind| matches!(kind, DeviceKind::Macvlan { .. });
    for device in instances.clone().flat_map(Instance::devices).filter(|d| d.family == family && macvlan(&d.kind)) {
        let leaves = [Step::Load(Field::OutputName, Register::One), Step::Is(Register::One, name(&device.name))];
        // Switches that listen to who wants which group hear it from the base.
        let base = links.values().find(|link| link.name == device.base);
        let copy: Vec<Step> = base.map_or_else(Vec::new, |base| {
            vec![
                Step::Load(destination, Register::One),
                Step::Put(Register::Two, base.index.to_ne_bytes().to_vec()),
                Step::Duplicate { to: Register::One, device: Register::Two },
            ]
        });
        for rule in group_reports(family) {
            output.push(drop([leaves.to_vec(), rule, copy.clone()].concat()));
        }
        if family == Family::V6 {
            output.push(drop([leaves.to_vec(), icmpv6(ROUTER_SOLICITATION)].concat()));
        }
    }

    let closed = instances.filter(|i| !i.accept).flat_map(|i| i.addresses.iter().chain(&i.excluded));
    let closed: BTreeSet<(IpAddr, &str)> =
        closed.filter(|a| Family::of(a.address) == family).map(|a| (a.address, a.device.as_str())).collect();
    let of_a_link = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let elements: BTreeSet<Vec<u8>> = closed.iter().filter(|(a, _)| !of_a_link(a)).map(|(a, _)| octets(*a)).collect();
    if !closed.is_empty() && family == Family::V6 {
        for chain in [&mut input, &mut output] {
            chain.extend(NEIGHBOURS.map(|kind| [icmpv6(kind), vec![Step::Accept]].concat()));
        }
    }
    let sides = [(&mut input, destination, Field::InputName), (&mut output, source, Field::OutputName)];
    for (chain, field, link) in sides {
        for (address, device) in closed.iter().filter(|(address, _)| of_a_link(address)) {
            let there = [Step::Load(link, Register::One), Step::Is(Register::One, name(device))];
            let to = [Step::Load(field, Register::One), Step::Is(Register::One, octets(*address))];
            chain.push(drop([there, to].concat()));
        }
        if !elements.is_empty() {
            chain.push(drop(vec![Step::Load(field, Register::One), Step::In(Register::One, ADDRESSES)]));
        }
    }
    if input.is_empty() && output.is_empty() {
        return None;
    }
    let chain = |name, hook, rules| Chain { name, hook, priority: how.priority, rules };
    let set = Set { name: ADDRESSES, elements: elements.into_iter().collect() };
    Some(Table {
        family: match family {
            Family::V4 => nftables::Family::V4,
            Family::V6 => nftables::Family::V6,
        },
        name: how.table.clone(),
        sets: (!set.elements.is_empty()).then_some(set).into_iter().collect(),
        chains: vec![chain("in", Hook::Input, input), chain("out", Hook::Output, output)],
    })
}

/// What says which groups an interface wants, a rule's beginning each.
fn group_reports(family: Family) -> Vec<Vec<Step>> {
    match family {
        Family::V4 => vec![protocol(IGMP)],
        Family::V6 => GROUP_REPORTS.map(icmpv6).to_vec(),
    }
}

fn protocol(number: u8) -> Vec<Step> {
    vec![Step::Load(Field::Protocol, Register::One), Step::Is(Register::One, vec![number])]
}

fn icmpv6(kind: u8) -> Vec<Step> {
    let mut rule = protocol(ICMPV6);
    rule.extend([Step::Load(Field::Type, Register::One), Step::Is(Register::One, vec![kind])]);
    rule
}

/// A name as the kernel compares it: 16 bytes, zero padded.
fn name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    fn tables(text: &str) -> Vec<Table> {
        let text = format!("vrrp_instance A {{\nvirtual_router_id 51\ninterface eth0\n{text}\n}}\n");
        let config = vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap();
        let instances = config.instances.iter().map(|i| &i.vrrp);
        let of = |family| table(family, instances.clone(), &BTreeMap::new(), &config.global.firewall);
        [Family::V4, Family::V6].into_iter().filter_map(of).collect()
    }

    #[test]
    fn nothing_is_touched_that_needs_not_be() {
        assert_eq!(tables("virtual_ipaddress {\n192.0.2.1\n}"), []);
        assert_eq!(tables("virtual_ipaddress {\n192.0.2.1\n}\naccept"), []);
    }

    #[test]
    fn a_closed_address_is_closed_both_ways() {
        let text = "no_accept\nvirtual_ipaddress {\n192.0.2.1\n}\nvirtual_ipaddress_excluded {\n2001:db8::1\nfe80::7 dev eth1\n}";
        let [four, six]: [Table; 2] = tables(text).try_into().unwrap();
        assert_eq!(four.sets, [Set { name: ADDRESSES, elements: vec![vec![192, 0, 2, 1]] }]);
        let rules: Vec<_> = four.chains.iter().map(|c| (c.hook, c.rules.len())).collect();
        assert_eq!(rules, [(Hook::Input, 1), (Hook::Output, 1)]);
        // A link-local address is on one link alone: it is in no set, and its interface is looked at.
        assert_eq!(six.sets[0].elements.len(), 1);
        for (chain, field) in six.chains.iter().zip([Field::InputName, Field::OutputName]) {
            let closed = || chain.rules.iter().filter(|rule| rule.last() == Some(&Step::Drop));
            let there = Step::Is(Register::One, b"eth1\0\0\0\0\0\0\0\0\0\0\0\0".to_vec());
            let of_a_link = closed().filter(|rule| rule[0] == Step::Load(field, Register::One) && rule[1] == there);
            assert_eq!((closed().count(), of_a_link.count()), (2, 1));
            // Neighbours are found before anything is dropped.
            assert!(chain.rules[..2].iter().all(|rule| rule.last() == Some(&Step::Accept)));
        }
    }

    #[test]
    fn nothing_but_adverts_leaves_by_a_virtual_address() {
        let [four]: [Table; 1] = tables("use_vmac\nvirtual_ipaddress {\n192.0.2.1\n}").try_into().unwrap();
        assert!(four.chains[0].rules.is_empty() && four.chains[1].rules.len() == 1);
        let [six]: [Table; 1] = tables("use_vmac\nvirtual_ipaddress {\nfe80::1\n}").try_into().unwrap();
        assert!(six.chains[0].rules.is_empty() && six.chains[1].rules.len() == 4);
    }
}
