//! What each role gets of a configuration: its own part, and of the virtual servers those that differ from before, in pieces
//! small enough that a role which takes one over keeps nobody waiting. Check gets those alone that have something to check.

use crate::legacy::Legacy;
use crate::message::{Known, KnownService, Part};
use crate::roles::check::Inherited;
use crate::supervisor::RoleName;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use vipd_config::model::{Config, Service};
use vipd_lvs::settings::VirtualServerId;

/// Real servers in a piece, unless one virtual server has more: what takes a millisecond.
const PIECE: usize = 64;

/// In which virtual servers two configurations differ.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Difference {
    /// Those that are gone.
    pub(crate) removed: Vec<VirtualServerId>,
    /// Those that are new or changed, by their places in the new configuration.
    pub(crate) touched: Vec<usize>,
}

impl Difference {
    /// From nothing to a configuration.
    pub(crate) fn whole(config: &Config) -> Difference {
        Difference { removed: Vec::new(), touched: (0..config.services.len()).collect() }
    }

    /// From one configuration to another.
    pub(crate) fn between(old: &Config, new: &Config) -> Difference {
        let mut left: HashMap<&VirtualServerId, &Arc<Service>> = old.services.iter().map(|s| (&s.lvs.id, s)).collect();
        let mut touched = Vec::new();
        for (at, service) in new.services.iter().enumerate() {
            if left.remove(&service.lvs.id) != Some(service) {
                touched.push(at);
            }
        }
        let removed = old.services.iter().map(|s| &s.lvs.id).filter(|id| left.contains_key(id)).cloned().collect();
        Difference { removed, touched }
    }

    fn is_none(&self) -> bool {
        self.removed.is_empty() && self.touched.is_empty()
    }
}

/// What a role gets that starts.
pub(crate) fn first(role: RoleName, config: &Config) -> Vec<Part> {
    pieces(role, config, &Difference::whole(config))
}

/// What a role gets that has the old configuration: nothing, if its part is the same.
pub(crate) fn next(role: RoleName, old: &Config, new: &Config, difference: &Difference) -> Vec<Part> {
    let served = serves(role) && !difference.is_none();
    if !served && own(role, old) == own(role, new) {
        return Vec::new();
    }
    pieces(role, new, difference)
}

/// What check is to know of virtual servers that had nothing to check until now: their real servers are in use, and stay so
/// until a check has failed.
pub(crate) fn newly_checked(idle: &Idle<'_>, services: &[Arc<Service>]) -> Known {
    let mut known = Known::new();
    for service in services {
        let Some(was) = idle.get(&service.lvs.id) else { continue };
        let servers: Vec<(SocketAddr, Inherited)> =
            was.lvs.real_servers.iter().map(|real| (real.address, Inherited::new())).collect();
        let (service, since) = (service.lvs.id.clone(), Vec::new());
        known.extend(Legacy::of(&servers, &service).map(|whole| KnownService { service, whole, since }));
    }
    known
}

/// Virtual servers that have nothing to check.
pub(crate) type Idle<'a> = HashMap<&'a VirtualServerId, &'a Service>;

/// Those of a configuration.
pub(crate) fn idle(config: &Config) -> Idle<'_> {
    let idle = config.services.iter().filter(|service| !service.lvs.is_checked());
    idle.map(|service| (&service.lvs.id, &**service)).collect()
}

/// Whether virtual servers are a role's business.
fn serves(role: RoleName) -> bool {
    matches!(role, RoleName::Check | RoleName::Director)
}

/// The part of a role, without virtual servers.
fn own(role: RoleName, config: &Config) -> Config {
    let global = config.global.clone();
    match role {
        RoleName::Vrrp => Config {
            global,
            instances: config.instances.clone(),
            groups: config.groups.clone(),
            scripts: config.scripts.clone(),
            processes: config.processes.clone(),
            statics: config.statics.clone(),
            bfd: config.bfd.clone(),
            interfaces: config.interfaces.clone(),
            garp_groups: config.garp_groups.clone(),
            ..Config::default()
        },
        RoleName::Check => Config { global, tls: config.tls.clone(), ..Config::default() },
        RoleName::Director | RoleName::Console => Config { global, ..Config::default() },
    }
}

fn pieces(role: RoleName, config: &Config, difference: &Difference) -> Vec<Part> {
    let touched: &[usize] = if serves(role) { &difference.touched } else { &[] };
    let mut removed = if serves(role) { difference.removed.clone() } else { Vec::new() };
    let touched = touched.iter().filter_map(|at| config.services.get(*at));
    let (touched, idle): (Vec<_>, Vec<_>) =
        touched.partition(|service| role != RoleName::Check || service.lvs.is_checked());
    removed.extend(idle.iter().map(|service| service.lvs.id.clone()));
    let mut pieces = vec![Part { config: own(role, config), removed, more: true }];
    let mut room = PIECE;
    for service in touched {
        let servers = service.lvs.real_servers.len();
        if servers > room && room < PIECE {
            pieces.push(Part { config: own(role, config), removed: Vec::new(), more: true });
            room = PIECE;
        }
        room = room.saturating_sub(servers);
        if let Some(piece) = pieces.last_mut() {
            piece.config.services.push(service.clone());
        }
    }
    if let Some(last) = pieces.last_mut() {
        last.more = false;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(servers: std::ops::Range<u8>, weight: u8) -> Config {
        let service = |n| {
            format!(
                "virtual_server 192.0.2.{n} 80 {{\n protocol TCP\n real_server 10.0.0.1 80 {{\n weight {weight}\n}}\n}}\n"
            )
        };
        let text: String = servers.map(service).collect();
        vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap()
    }

    #[test]
    fn only_what_differs_is_handed_over() {
        let (old, mut new) = (config(1..200, 1), config(1..200, 1));
        assert!(next(RoleName::Check, &old, &new, &Difference::between(&old, &new)).is_empty());
        new.services[7] = config(8..9, 2).services.remove(0);
        new.services.remove(3);
        let difference = Difference::between(&old, &new);
        for role in [RoleName::Vrrp, RoleName::Console] {
            assert!(next(role, &old, &new, &difference).is_empty(), "{role}");
        }
        let parts = next(RoleName::Director, &old, &new, &difference);
        let [part] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!(part.removed, [old.services[3].lvs.id.clone()]);
        assert_eq!(part.config.services, [new.services[6].clone()]);
        assert!(!part.more);
    }

    #[test]
    fn check_gets_what_has_something_to_check_and_knows_what_was_in_use_before() {
        let (idle_before, checked) = (config(1..3, 1), {
            let mut config = config(1..3, 1);
            let checker = vipd_config::load_str(
                "test",
                "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n TCP_CHECK {\n }\n }\n}\n",
                &vipd_config::Options::default(),
            );
            config.services[0] = checker.config.unwrap().services.remove(0);
            config
        });
        let ids = |part: &Part| part.config.services.iter().map(|s| s.lvs.id.0.clone()).collect::<Vec<_>>();
        let parts = first(RoleName::Check, &checked);
        assert_eq!((parts.len(), ids(&parts[0])), (1, vec!["[192.0.2.1]:tcp:80".to_owned()]));
        assert_eq!(ids(&first(RoleName::Director, &checked)[0]).len(), 2);
        let known = newly_checked(&idle(&idle_before), &parts[0].config.services);
        let [KnownService { service, whole, .. }] = &known[..] else { panic!("{known:?}") };
        assert_eq!(service.0, "[192.0.2.1]:tcp:80");
        assert_eq!(
            whole.read::<Vec<(SocketAddr, Inherited)>>().unwrap(),
            [("10.0.0.1:80".parse().unwrap(), Vec::new())]
        );
        assert!(newly_checked(&idle(&checked), &parts[0].config.services).is_empty());
        // What has nothing to check any more is gone for it.
        let back = next(RoleName::Check, &checked, &idle_before, &Difference::between(&checked, &idle_before));
        assert_eq!((ids(&back[0]).len(), back[0].removed.len()), (0, 1));
    }

    #[test]
    fn many_come_in_pieces() {
        let config = config(1..200, 1);
        let parts = first(RoleName::Director, &config);
        let lengths: Vec<usize> = parts.iter().map(|p| p.config.services.len()).collect();
        assert_eq!(lengths, [64, 64, 64, 7]);
        assert!(parts.iter().rev().skip(1).all(|p| p.more) && !parts[3].more);
        assert_eq!(parts.into_iter().flat_map(|p| p.config.services).collect::<Vec<_>>(), config.services);
        assert_eq!(first(RoleName::Vrrp, &config).len(), 1);
        assert!(first(RoleName::Vrrp, &config)[0].config.services.is_empty());
    }
}
