//! Joins what the roles tell into one status.

use crate::message::StatusPart;
use crate::roles::director::forwarding;
use vipd_api::{CheckStatus, ServiceStatus, Status, UnknownServerStatus};
use vipd_config::model::Config;
use vipd_lvs::settings::VirtualServer;

/// Adds the part of one role to the status.
pub(crate) fn add(status: &mut Status, part: StatusPart) {
    match part {
        StatusPart::Vrrp { instances, groups, scripts } => {
            status.instances = instances;
            status.groups = groups;
            status.scripts = scripts;
        }
        StatusPart::Director { plane, services } => {
            let before = std::mem::replace(&mut status.services, services);
            status.plane = Some(plane);
            // The checks may have come first.
            for old in before {
                let Some(service) = status.services.iter_mut().find(|s| s.name == old.name) else { continue };
                for server in old.unknown_servers {
                    if let Some(new) = service.real_servers.iter_mut().find(|s| s.address == server.address) {
                        new.checks = server.checks;
                    }
                }
            }
        }
        StatusPart::Check(checks) => {
            for (id, address, checks) in checks {
                join(status, &id.0, &address.to_string(), checks);
            }
        }
    }
}

/// Adds the checks of a real server. As long as the director has said nothing of it, it is an unknown one.
fn join(status: &mut Status, service: &str, address: &str, checks: Vec<CheckStatus>) {
    let at = match status.services.iter().position(|s| s.name == service) {
        Some(at) => at,
        None => {
            status.services.push(ServiceStatus { name: service.to_owned(), ..Default::default() });
            status.services.len() - 1
        }
    };
    let service = &mut status.services[at];
    match service.real_servers.iter_mut().find(|s| s.address == address) {
        Some(server) => server.checks = checks,
        None => {
            let address = address.to_owned();
            service.unknown_servers.push(UnknownServerStatus { address, checks, ..Default::default() });
        }
    }
}

/// What is configured but unknown because its role doesn't answer: shown as such rather than left out.
pub(crate) fn fill(status: &mut Status, config: &Config) {
    for instance in &config.instances {
        let name = &instance.vrrp.name;
        if !status.instances.iter().any(|i| i.name == *name) {
            status.instances.push(vipd_api::InstanceStatus {
                name: name.clone(),
                state: "UNKNOWN".to_owned(),
                since: status.started,
                why: "the vrrp role doesn't answer".to_owned(),
                vrid: instance.vrrp.vrid.0.get(),
                interface: instance.vrrp.interface.clone(),
                base_priority: instance.vrrp.priority.0,
                ..Default::default()
            });
        }
    }
    // In the order of the configuration, which is the director's too.
    let mut told = std::mem::take(&mut status.services);
    for service in &config.services {
        let at = told.iter().position(|s| s.name == service.lvs.id.0);
        let known = at.map(|at| told.remove(at));
        // The director gives every service that it tells of a state; the checks alone don't.
        status.services.push(match known {
            Some(known) if !known.state.is_empty() => known,
            unknown => unknown_service(&service.lvs, unknown.unwrap_or_default()),
        });
    }
    // Of a configuration before a reload.
    status.services.extend(told.into_iter().filter(|s| !s.state.is_empty()));
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
