//! A plan without a daemon: a start, less what the kernel holds already.

use crate::roles::director::at_start;
use crate::roles::plane;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use vipd_config::changes::{Kind, Verb};
use vipd_config::model::Config;
use vipd_config::plan::{Facts, Plan, Step};
use vipd_ipvs::{Client, Error};
use vipd_lvs::settings::ServiceKey;
use vipd_lvs::table::Table;
use vipd_sys::netlink::Netlink;

/// What starting with this configuration would do.
pub(super) fn plan(new: &Config, faults: BTreeMap<String, Vec<String>>) -> Result<Plan, String> {
    let held = addresses().map_err(|e| format!("the addresses of this host can't be read: {e}"))?;
    let desired = at_start(new);
    let keys: BTreeSet<ServiceKey> = desired.keys().copied().collect();
    let present = match Client::open() {
        Ok(mut client) => plane::read(&mut client, &keys, &desired),
        Err(Error::NoIpvs) => Ok(Table::new()),
        Err(e) => Err(e),
    };
    let present = present.map_err(|e| format!("the kernel's IPVS table can't be read: {e}"))?;
    let plan = from_nothing(new, faults);
    Ok(less(plan, new, &held, &present, &desired))
}

/// What a start does on a host that has nothing of it.
fn from_nothing(new: &Config, faults: BTreeMap<String, Vec<String>>) -> Plan {
    let nothing = Config { global: new.global.clone(), ..Config::default() };
    vipd_config::plan::plan(&nothing, new, &Facts { faults, ..Facts::default() })
}

/// The addresses of this host and their interfaces.
fn addresses() -> std::io::Result<BTreeSet<(IpAddr, String)>> {
    let mut netlink = Netlink::open()?;
    let links: BTreeMap<u32, String> = netlink.links()?.into_iter().map(|l| (l.index, l.name)).collect();
    let held = netlink.addresses()?.into_iter();
    Ok(held.filter_map(|a| Some((a.address, links.get(&a.index)?.clone()))).collect())
}

/// The plan without what is there already.
fn less(plan: Plan, new: &Config, held: &BTreeSet<(IpAddr, String)>, present: &Table, desired: &Table) -> Plan {
    let held: BTreeSet<String> = held.iter().map(|(address, device)| format!("{address} dev {device}")).collect();
    let (mut services, mut servers) = (BTreeMap::new(), BTreeMap::new());
    for settings in new.services.iter().map(|s| &s.lvs) {
        let service = settings.keys.iter().map(|key| {
            let (have, want) = (present.get(key)?, desired.get(key)?);
            let same =
                (have.scheduler, have.flags, &have.persistence) == (want.scheduler, want.flags, &want.persistence);
            Some(same)
        });
        services.insert(format!("virtual_server {}", settings.id), together(service));
        for real in &settings.real_servers {
            let server = settings.keys.iter().map(|key| {
                let place: SocketAddr = vipd_lvs::table::place(key, real.address, real.forwarding);
                let have = present.get(key)?.servers.get(&place)?;
                Some(desired.get(key)?.servers.get(&place) == Some(have))
            });
            servers.insert(format!("real_server {} of {}", real.address, settings.id), together(server));
        }
    }
    let (mut steps, mut kept) = (Vec::new(), plan.kept);
    for step in plan.steps {
        let there = match step.kind {
            Kind::Address => Some(held.contains(&step.what)).filter(|held| *held),
            Kind::Service => services.get(&step.what).copied().flatten(),
            Kind::Server => servers.get(&step.what).copied().flatten(),
            Kind::Global
            | Kind::Instance
            | Kind::Group
            | Kind::Script
            | Kind::File
            | Kind::Process
            | Kind::Static
            | Kind::Bfd => None,
        };
        match there {
            Some(true) => kept.push((step.kind, step.what)),
            Some(false) => steps.push(Step {
                verb: Verb::Changed,
                details: vec!["the kernel has it otherwise".to_owned()],
                effect: "open connections stay".to_owned(),
                ..step
            }),
            None => steps.push(step),
        }
    }
    Plan { steps, kept, faults: plan.faults }
}

/// Whether something that stands in several kernel services is there in all of them, and the same; `None`: it is missing.
fn together(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    parts.collect::<Option<Vec<bool>>>().map(|all| all.into_iter().all(|same| same))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 192.0.2.1\n 192.0.2.2\n }\n}\n\
        virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n weight 1\n }\n real_server 10.0.0.2 80 {\n weight 2\n }\n}\n";

    #[test]
    fn what_is_there_is_not_planned() {
        let config = vipd_config::load_str("test", TEXT, &vipd_config::Options::default()).config.unwrap();
        let whole = || from_nothing(&config, BTreeMap::new());
        let desired = at_start(&config);
        let none = less(whole(), &config, &BTreeSet::new(), &Table::new(), &desired);
        assert_eq!(none, whole());
        assert_eq!(none.steps.len(), 6, "{none:?}");

        let mut present = desired.clone();
        for service in present.values_mut() {
            service.servers.retain(|address, _| address.ip().to_string() == "10.0.0.2");
            service.servers.values_mut().for_each(|server| server.weight = 7);
        }
        let held = BTreeSet::from([(IpAddr::from([192, 0, 2, 2]), "eth0".to_owned())]);
        let plan = less(whole(), &config, &held, &present, &desired);
        let steps: Vec<String> = plan.steps.iter().map(|s| format!("{:?} {}", s.verb, s.what)).collect();
        assert_eq!(
            steps,
            [
                "Added vrrp_instance A",
                "Added 192.0.2.1 dev eth0",
                "Added real_server 10.0.0.1:80 of [192.0.2.1]:tcp:80",
                "Changed real_server 10.0.0.2:80 of [192.0.2.1]:tcp:80",
            ]
        );
        assert!(plan.kept.contains(&(Kind::Service, "virtual_server [192.0.2.1]:tcp:80".to_owned())));
        assert!(plan.kept.contains(&(Kind::Address, "192.0.2.2 dev eth0".to_owned())));
    }
}
