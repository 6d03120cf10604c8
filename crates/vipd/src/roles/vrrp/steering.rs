//! What an operator orders of the vrrp role: handing over, taking back, maintenance.

use super::{Role, now};
use vipd_api::Order;
use vipd_vrrp::node::Input;
use vipd_vrrp::router::{Name, State};
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
                self.handle(now, Input::TakeBack(i));
                self.snapshot_due = true;
                Ok(vec![format!("{name} preempts again, as it is configured to")])
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
        found.ok_or_else(|| {
            let known: Vec<&str> = self.node.routers().iter().map(|r| r.settings.name.as_str()).take(8).collect();
            format!("there is no vrrp_instance or vrrp_sync_group `{name}`; there are: {}", known.join(", "))
        })
    }

    /// Those of an instance and its siblings, or of a group, that are MASTER.
    fn masters(&self, name: &str) -> Vec<String> {
        let group = |i: usize| self.node.group_of(i).map(|g| g.settings.name.as_str());
        let Ok(first) = self.router_of(name) else { return Vec::new() };
        let routers = self.node.routers().iter().enumerate();
        let akin = routers.filter(|(i, _)| *i == first || (group(*i).is_some() && group(*i) == group(first)));
        let masters = akin.filter(|(_, r)| matches!(r.state(), State::Master(_)));
        masters.map(|(_, r)| r.settings.name.clone()).collect()
    }
}
