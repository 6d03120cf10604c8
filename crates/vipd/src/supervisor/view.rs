//! Joins what the roles tell into one status.

use crate::message::StatusPart;
use vipd_api::{CheckStatus, Status};
use vipd_config::model::Config;

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
                for server in old.real_servers {
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

fn join(status: &mut Status, service: &str, address: &str, checks: Vec<CheckStatus>) {
    let at = match status.services.iter().position(|s| s.name == service) {
        Some(at) => at,
        None => {
            status.services.push(vipd_api::ServiceStatus { name: service.to_owned(), ..Default::default() });
            status.services.len() - 1
        }
    };
    let servers = &mut status.services[at].real_servers;
    match servers.iter_mut().find(|s| s.address == address) {
        Some(server) => server.checks = checks,
        None => servers.push(vipd_api::RealServerStatus { address: address.to_owned(), checks, ..Default::default() }),
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
}
