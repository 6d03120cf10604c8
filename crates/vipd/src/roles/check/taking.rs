//! Whose a check is: what a configuration does to the checks of real servers, which may share them. What is known of a check
//! stays known, and nothing is said of a server that was not found by asking it.

use super::{Before, Check, Inherited, Role, Server, fingerprint, now, share, spread};
use std::collections::BTreeMap;
use vipd_lvs::health::{Health, Standing, matches};
use vipd_lvs::settings::{Checker, Probe, RealServer, VirtualServer, VirtualServerId};

impl Role {
    /// What this role knew until now of a virtual server, which is left without any check.
    pub(super) fn put_down(&mut self, id: &VirtualServerId) -> BTreeMap<Server, Before> {
        let servers: Vec<Server> = self.of(id).map(|(server, _)| server.clone()).collect();
        let mut before = BTreeMap::new();
        for server in servers {
            let serials = self.servers.remove(&server).unwrap_or_default();
            let weight = self.weights.remove(&server);
            let told = self.told.remove(&server);
            let checks = serials.into_iter().filter_map(|serial| self.part_with(serial, &server)).collect();
            before.insert(server, Before { told, weight, checks });
        }
        before
    }

    /// Takes a check from a real server. If it is also that of others, it stays theirs, and this is another like it, with a
    /// serial number of its own.
    pub(super) fn part_with(&mut self, serial: u64, server: &Server) -> Option<(u64, Check)> {
        let check = self.checks.get_mut(&serial)?;
        check.servers.remove(server);
        if !check.servers.is_empty() {
            let (health, notice) = (check.health.clone(), check.notice.clone());
            let (proven, last_run, took) = (check.proven, check.last_run, check.took);
            let like = Check { proven, last_run, took, notice, ..Check::new(health) };
            return Some((self.next_serial(), like));
        }
        let check = self.checks.remove(&serial)?;
        self.due.remove(&(check.health.wake(), serial));
        if self.shared.get(&check.share) == Some(&serial) {
            self.shared.remove(&check.share);
        }
        Some((serial, check))
    }

    /// The check of another real server that asks the same at the same pace, if there is one that says of this server what was
    /// said of it, or what was found by asking just that: a reload alone changes nothing.
    pub(super) fn shared(&self, settings: &Checker, weight: u32, before: Standing) -> Option<u64> {
        let serial = self.shared.get(&share(settings, weight)).filter(|_| settings.probe.asks())?;
        let check = self.checks.get(serial).filter(|check| check.health.settings() == settings)?;
        let found = check.proven && !check.rests; // what was found before it rested may be long ago
        (found || Standing::of(check.health.up()) == before).then_some(*serial)
    }

    /// The configured weight of the real servers of a check that it counts for.
    pub(super) fn weight_of(&self, check: &Check) -> u32 {
        check.servers.first().and_then(|server| self.weights.get(server)).copied().unwrap_or_default()
    }

    pub(super) fn join(&mut self, serial: u64, server: &Server) {
        if let Some(check) = self.checks.get_mut(&serial) {
            check.servers.insert(server.clone());
        }
    }

    /// A check is that of this real server from now on.
    pub(super) fn put_up(&mut self, serial: u64, mut check: Check, server: &Server, weight: u32) {
        if check.running.is_none() {
            self.due.insert((check.health.wake(), serial));
        }
        if check.health.settings().probe.asks() {
            check.share = share(check.health.settings(), weight);
            self.shared.entry(check.share).or_insert(serial);
        }
        self.checks.entry(serial).or_insert(check).servers.insert(server.clone());
    }

    pub(super) fn take_service(
        &mut self,
        service: &VirtualServer,
        old: &mut BTreeMap<Server, Before>,
        inherited: &mut BTreeMap<Server, Inherited>,
    ) {
        for real in &service.real_servers {
            let server = (service.id.clone(), real.address);
            let mut before = old.remove(&server);
            if let Some(told) = before.as_mut().and_then(|before| before.told.take()) {
                self.told.insert(server.clone(), told);
            }
            let serials = match (before, inherited.remove(&server)) {
                (None, Some(inherited)) => self.inherit_server(&server, real, inherited),
                (before, _) => self.take_server(&server, real, before),
            };
            self.weights.insert(server.clone(), real.weight);
            self.servers.insert(server, serials);
        }
    }

    /// The checks of a real server, each with what is known of it.
    pub(super) fn take_server(&mut self, server: &Server, real: &RealServer, before: Option<Before>) -> Vec<u64> {
        let alive = || self.told.get(server).is_none_or(|(alive, _, _)| *alive);
        let standing = before.as_ref().map(|_| Standing::of(alive()));
        let weighs_as_before = before.as_ref().and_then(|before| before.weight) == Some(real.weight);
        let mut old: Vec<Option<(u64, Check)>> = before.into_iter().flat_map(|b| b.checks).map(Some).collect();
        let settings: Vec<&Checker> = old.iter().flatten().map(|(_, check)| check.health.settings()).collect();
        let found = matches(&settings, &real.checkers);
        let mut taken = Vec::new();
        for (settings, at) in real.checkers.iter().zip(found) {
            let kept = at.and_then(|at| old.get_mut(at)?.take());
            let was = match &kept {
                Some((_, check)) => Standing::of(check.health.up()),
                None => standing.unwrap_or(Standing::of(!settings.alpha)),
            };
            if let Some(serial) = self.shared(settings, real.weight, was) {
                self.join(serial, server);
                taken.push(serial);
                continue;
            }
            // What an agent says is a share of a weight: it is asked at once for one of another weight.
            let share_of_another = matches!(settings.probe, Probe::Agent(_)) && !weighs_as_before;
            let (serial, check) = match kept {
                Some((_, check)) if share_of_another => {
                    let health = check.health.reconfigure(settings.clone(), now()).hurry(now());
                    (self.next_serial(), Check { health, running: None, task: None, proven: false, ..check })
                }
                Some((serial, check)) if check.health.settings().asks_the_same_as(settings) => {
                    let health = check.health.reconfigure(settings.clone(), now());
                    (serial, Check { health, ..check })
                }
                // A run that asks something else may be under way: its answer is for nobody.
                Some((_, check)) => {
                    let health = check.health.reconfigure(settings.clone(), now());
                    (self.next_serial(), Check { health, running: None, task: None, proven: false, ..check })
                }
                None => {
                    let health = Health::new(now(), settings.clone(), spread());
                    let health = match standing {
                        Some(standing) => health.joining(standing),
                        None => health,
                    };
                    (self.next_serial(), Check::new(health))
                }
            };
            self.put_up(serial, check, server, real.weight);
            taken.push(serial);
        }
        taken
    }

    /// The same at the start, each with what a predecessor knew of it.
    pub(super) fn inherit_server(&mut self, server: &Server, real: &RealServer, mut before: Inherited) -> Vec<u64> {
        let standing = Standing::of(before.iter().all(|(_, known)| known.up()));
        let mut taken = Vec::new();
        for settings in &real.checkers {
            // Those that are alike are told by their order.
            let at = before.iter().position(|(of, _)| *of == fingerprint(settings));
            let known = at.map(|at| before.remove(at).1);
            let was = known.as_ref().map_or(standing, |known| Standing::of(known.up()));
            if let Some(serial) = self.shared(settings, real.weight, was) {
                self.join(serial, server);
                taken.push(serial);
                continue;
            }
            let health = match known {
                Some(known) => Health::resume(settings.clone(), known, now()),
                None => Health::new(now(), settings.clone(), spread()).joining(standing),
            };
            let serial = self.next_serial();
            self.put_up(serial, Check::new(health), server, real.weight);
            taken.push(serial);
        }
        taken
    }
}
