//! What an operator orders of the vrrp role: handing over, taking back, maintenance.

use super::{Role, now};
use vipd_api::Order;
use vipd_vrrp::node::Input;
use vipd_vrrp::router::{Name, Router, State};
use vipd_vrrp::track::Duty;

impl Role {
    /// Carries out an operator's order: what was done, or why not.
    pub(super) fn steer(&mut self, order: &Order) -> Result<Vec<String>, String> {
        let now = now();
        match order {
            Order::HandOver { name } => {
                let i = self.router_of(name)?;
                let masters = self.masters(name);
                if masters.is_empty() {
                    let state = self.node.routers().get(i).map_or(Name::Init, |r| r.state().name());
                    return Err(format!("{name} is {state} here: there is nothing to hand over"));
                }
                self.handle(now, Input::HandOver(i));
                let told =
                    |name| format!("{name} left MASTER; it preempts again after `vipd switchover --undo {name}`");
                Ok(masters.into_iter().map(told).collect())
            }
            Order::TakeBack { name } => {
                let i = self.router_of(name)?;
                let given = self.akin(i).filter(|router| router.is_handed_over());
                let given: Vec<String> = given.map(|router| router.settings.name.clone()).collect();
                if given.is_empty() {
                    let state = self.node.routers().get(i).map_or(Name::Init, |r| r.state().name());
                    return Ok(vec![format!("nothing to undo: {name} is not handed over; it is {state} here")]);
                }
                self.handle(now, Input::TakeBack(i));
                self.snapshot_due = true;
                Ok(given.into_iter().map(|name| format!("{name} preempts again, as it is configured to")).collect())
            }
            Order::Maintenance | Order::Serve => {
                let duty = if *order == Order::Serve { Duty::Serving } else { Duty::Maintenance };
                let before = self.node.duty();
                self.handle(now, Input::Duty(duty));
                let told = match (before == duty, duty) {
                    (true, Duty::Maintenance) => "this host is in maintenance already",
                    (true, Duty::Serving) => "this host was not in maintenance",
                    (false, Duty::Maintenance) => {
                        "this host gives up all it holds, and takes nothing over until `vipd \
                                                   maintenance off` or the daemon is started anew"
                    }
                    (false, Duty::Serving) => "this host takes part again",
                };
                self.snapshot_due = true;
                Ok(vec![told.to_owned()])
            }
        }
    }

    /// The instance of this name, or the first of the sync group of this name.
    fn router_of(&self, name: &str) -> Result<usize, String> {
        let member =
            self.node.groups().iter().find(|g| g.settings.name == *name).and_then(|g| g.settings.members.first());
        let name = member.map_or(name, String::as_str);
        let found = self.node.routers().iter().position(|r| r.settings.name == *name);
        let instances = self.node.routers().iter().map(|r| r.settings.name.as_str());
        let groups = self.node.groups().iter().map(|g| g.settings.name.as_str());
        found.ok_or_else(|| unknown(name, &instances.collect::<Vec<_>>(), &groups.collect::<Vec<_>>()))
    }

    /// An instance and its siblings.
    fn akin(&self, first: usize) -> impl Iterator<Item = &Router> {
        let group = |i: usize| self.node.group_of(i).map(|g| g.settings.name.as_str());
        let routers = self.node.routers().iter().enumerate();
        let akin = routers.filter(move |(i, _)| *i == first || (group(*i).is_some() && group(*i) == group(first)));
        akin.map(|(_, router)| router)
    }

    /// Those of an instance and its siblings, or of a group, that are MASTER.
    fn masters(&self, name: &str) -> Vec<String> {
        let akin = self.router_of(name).into_iter().flat_map(|first| self.akin(first));
        akin.filter(|r| matches!(r.state(), State::Master(_))).map(|r| r.settings.name.clone()).collect()
    }
}

/// How many names are listed.
const LISTED: usize = 8;

/// What is said of a name that nothing has.
fn unknown(name: &str, instances: &[&str], groups: &[&str]) -> String {
    let list = |kind: &str, all: &[&str]| {
        let more = all.len().saturating_sub(LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = all.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| format!("{kind} {names}{more}"))
    };
    let known: Vec<String> =
        [list("vrrp_instance", instances), list("vrrp_sync_group", groups)].into_iter().flatten().collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join("; ") };
    format!("there is no vrrp_instance or vrrp_sync_group `{name}`; there are: {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_mistypes_a_name_is_told_all_kinds_of_names() {
        let there = |instances: &[&str], groups: &[&str]| unknown("X", instances, groups);
        assert_eq!(
            there(&["A", "B"], &["G"]),
            "there is no vrrp_instance or vrrp_sync_group `X`; there are: vrrp_instance A, B; vrrp_sync_group G"
        );
        assert!(there(&["A"], &[]).ends_with("there are: vrrp_instance A"));
        assert!(there(&["A"; 10], &[]).ends_with("A and 2 more"));
        assert!(there(&[], &[]).ends_with("there are: none"));
    }
}
