//! Joins what the roles tell into one status.

use super::RoleName;
use crate::message::{RoleOptions, StatusPart};
use crate::orders::Order;
use crate::roles::director::forwarding;
use std::collections::HashMap;
use vipd_api::{CheckStatus, RemovedServerStatus, ServiceStatus, Status, UnknownServerStatus};
use vipd_config::model::Config;
use vipd_lvs::settings::VirtualServer;
use vipd_sys::clock::{monotonic_micros, unix_time};

/// Adds the part of one role to the status.
pub(crate) fn add(status: &mut Status, part: StatusPart) {
    match part {
        StatusPart::Vrrp { instances, groups, scripts, statics, rejected, bfd, bfd_rejected } => {
            status.statics = statics;
            status.instances = instances;
            status.groups = groups;
            status.scripts = scripts;
            status.vrrp_rejected = rejected;
            status.bfd = bfd;
            status.bfd_rejected = bfd_rejected;
        }
        StatusPart::Director { plane, services } => {
            // The checks may have come first.
            let before = std::mem::replace(&mut status.services, services);
            let checks = before.into_iter().flat_map(|service| {
                let name = service.name;
                service.unknown_servers.into_iter().map(move |server| (name.clone(), server.address, server.checks))
            });
            join(status, checks.collect());
            status.plane = Some(plane);
        }
        StatusPart::Check(checks) => {
            let checks = checks.into_iter().map(|(id, address, checks)| (id.0, address.to_string(), checks));
            join(status, checks.collect());
        }
    }
}

/// Adds the checks of real servers, by service and address. A server of which the director has said nothing is an unknown
/// one.
fn join(status: &mut Status, all: Vec<(String, String, Vec<CheckStatus>)>) {
    let names = status.services.iter().enumerate();
    let mut places: HashMap<String, usize> = names.map(|(at, service)| (service.name.clone(), at)).collect();
    for (name, address, checks) in all {
        let at = *places.entry(name).or_insert_with_key(|name| {
            status.services.push(ServiceStatus { name: name.clone(), ..Default::default() });
            status.services.len() - 1
        });
        let Some(service) = status.services.get_mut(at) else { continue };
        match service.real_servers.iter_mut().find(|s| s.address == address) {
            Some(server) => server.checks = checks,
            None => service.unknown_servers.push(UnknownServerStatus { address, checks, ..Default::default() }),
        }
    }
}

/// What is configured but unknown because its role doesn't answer: shown as such rather than left out.
/// Roles that the command line leaves out (-P, -C) are not missed, nor are sessions that it leaves out (-B).
pub(crate) fn fill(status: &mut Status, config: &Config, roles: &[RoleName], options: &RoleOptions) {
    for instance in config.instances.iter().filter(|_| roles.contains(&RoleName::Vrrp)) {
        let name = &instance.vrrp.name;
        if !status.instances.iter().any(|i| i.name == *name) {
            status.instances.push(vipd_api::InstanceStatus {
                name: name.clone(),
                state: "UNKNOWN".to_owned(),
                since: status.started,
                why: "the vrrp role doesn't answer".to_owned(),
                vrid: instance.vrrp.vrid.0.get(),
                interface: instance.vrrp.binding.interface().unwrap_or_default().to_owned(),
                vrf: instance.vrrp.binding.vrf().map(str::to_owned),
                base_priority: instance.vrrp.priority.0,
                ..Default::default()
            });
        }
    }
    for session in config.bfd.iter().filter(|_| roles.contains(&RoleName::Vrrp) && !options.no_bfd) {
        if !status.bfd.iter().any(|s| s.name == session.name) {
            status.bfd.push(vipd_api::BfdStatus {
                name: session.name.clone(),
                state: "UNKNOWN".to_owned(),
                since: status.started,
                why: "the vrrp role doesn't answer".to_owned(),
                neighbour: Some(session.neighbour),
                source: session.source,
                ..Default::default()
            });
        }
    }
    // The director gives every service that it tells of a state; the checks alone don't. What is not configured is of a
    // configuration before a reload: it goes away.
    let told = std::mem::take(&mut status.services).into_iter();
    let mut told: HashMap<String, ServiceStatus> = told.map(|service| (service.name.clone(), service)).collect();
    let services = config.services.iter().filter(|_| roles.contains(&RoleName::Director));
    let services = services.map(|service| match told.remove(&service.lvs.id.0) {
        Some(known) if !known.state.is_empty() => ServiceStatus { unknown_servers: Vec::new(), ..known },
        unknown => unknown_service(&service.lvs, unknown.unwrap_or_default()),
    });
    status.services = services.collect();
}

/// What operators want of real servers beside what the file says.
pub(crate) fn fill_in_orders(status: &mut Status, orders: &[Order]) {
    if orders.is_empty() {
        return;
    }
    let names = status.services.iter().enumerate();
    let places: HashMap<String, usize> = names.map(|(at, service)| (service.name.clone(), at)).collect();
    let now = monotonic_micros();
    for order in orders {
        let (service, address) = order.server();
        let Some(service) = places.get(&service.0).and_then(|at| status.services.get_mut(*at)) else { continue };
        let address = address.to_string();
        if order.removes() {
            service.removed_servers.push(RemovedServerStatus { address, order: order.status(unix_time(), now) });
        } else if let Some(server) = service.real_servers.iter_mut().find(|server| server.address == address) {
            server.order = Some(order.status(unix_time(), now));
        }
    }
}

/// A virtual server that the director says nothing of: what the configuration says, and what the checks found.
fn unknown_service(settings: &VirtualServer, checked: ServiceStatus) -> ServiceStatus {
    let mut checked = checked.unknown_servers;
    let servers = settings.real_servers.iter().map(|real| {
        let address = real.address.to_string();
        let at = checked.iter().position(|s| s.address == address);
        UnknownServerStatus {
            checks: at.map(|at| checked.swap_remove(at).checks).unwrap_or_default(),
            forwarding: forwarding(real.forwarding).to_owned(),
            why: "the director role doesn't answer".to_owned(),
            configured_weight: real.weight,
            address,
        }
    });
    ServiceStatus {
        name: settings.id.to_string(),
        scheduler: settings.scheduler.name().to_owned(),
        state: "unknown".to_owned(),
        quorum: settings.quorum,
        sorry: settings.sorry.as_ref().map(|s| s.address),
        unknown_servers: servers.collect(),
        ..ServiceStatus::default()
    }
}

#[cfg(test)]
mod tests;
