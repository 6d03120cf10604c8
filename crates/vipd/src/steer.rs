//! `vipd switchover` and `vipd maintenance`: the operator moves the master away.

use crate::cli::{Maintenance, OnOff, Switchover};
use crate::control::ask;
use crate::output::print;
use crate::status::{fine, shown};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vipd_api::{InstanceStatus, Order, Reply, Request, Status};

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long to wait for a successor: longer than the master-down interval of any instance that is not very slow.
const SUCCESSION: Duration = Duration::from_secs(30);

/// How long from the first look at who serves to the second; each pause is twice as long as the one before, up to `SELDOM`.
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_millis(500);

/// After so long without a successor that is said.
const SOON: Duration = Duration::from_secs(1);

/// 0: done, and somebody else serves; 1: not, and why.
pub(crate) fn switchover(arguments: &Switchover) -> ExitCode {
    let Switchover { name, undo, no_wait, socket } = arguments;
    if *undo {
        return steer("switchover", socket, Order::TakeBack { name: name.clone() });
    }
    let start = Instant::now();
    let code = steer("switchover", socket, Order::HandOver { name: name.clone() });
    if code != ExitCode::SUCCESS || *no_wait {
        return code;
    }
    match successors(socket, name, start) {
        Ok(text) => print("switchover", &text, ExitCode::SUCCESS),
        Err(why) => {
            eprintln!("vipd switchover: {why}");
            ExitCode::FAILURE
        }
    }
}

/// 0: done; 1: not, and why.
pub(crate) fn maintenance(arguments: &Maintenance) -> ExitCode {
    let order = match arguments.switch {
        OnOff::On => Order::Maintenance,
        OnOff::Off => Order::Serve,
    };
    steer("maintenance", &arguments.socket, order)
}

fn steer(command: &str, socket: &Path, order: Order) -> ExitCode {
    match ask(socket, &Request::Steer(order), PATIENCE) {
        Ok(Reply::Steered { done }) => {
            let text: String = done.iter().map(|line| shown(line) + "\n").collect();
            print(command, &text, ExitCode::SUCCESS)
        }
        Ok(_) => {
            eprintln!("vipd {command}: the daemon answered something else");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("vipd {command}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Who serves what was handed over.
#[derive(PartialEq, Eq, Debug)]
enum Succession {
    /// It is known of each: a line for each.
    Had(String),
    /// Nobody: why.
    Failed(String),
    /// It is not known yet.
    Awaited,
}

/// Waits until somebody serves what was handed over: a line for each instance, or what became of it instead.
fn successors(socket: &Path, name: &str, start: Instant) -> Result<String, String> {
    let (mut told, mut pause) = (false, OFTEN);
    loop {
        let status = match ask(socket, &Request::Status, PATIENCE) {
            Ok(Reply::Status(status)) => status,
            Ok(_) => return Err("handed over, but the daemon answered something else than its status".to_owned()),
            Err(e) => return Err(format!("handed over; whether somebody followed is not known: {e}")),
        };
        let took = start.elapsed();
        match succession(&status, name, took) {
            Succession::Had(text) => return Ok(text),
            Succession::Failed(why) => return Err(why),
            Succession::Awaited if took > SUCCESSION => {
                let after = fine(took.as_secs_f64());
                return Err(format!("handed over, but nobody is heard as master after {after}: see `vipd status`"));
            }
            Succession::Awaited => {}
        }
        if !told && took > SOON {
            eprintln!("vipd switchover: nobody is heard as master yet: waiting");
            told = true;
        }
        std::thread::sleep(pause);
        pause = SELDOM.min(pause * 2);
    }
}

/// Who serves an instance and its siblings, or the members of a sync group, by what the status says.
fn succession(status: &Status, name: &str, took: Duration) -> Succession {
    // A group of this name goes before an instance, as it does when the order is carried out.
    let is_group = status.instances.iter().any(|i| i.group.as_deref() == Some(name));
    let named = status.instances.iter().find(|i| i.name == name);
    let group = if is_group { Some(name) } else { named.and_then(|instance| instance.group.as_deref()) };
    let akin =
        |i: &&InstanceStatus| (i.name == name && !is_group) || (i.group.is_some() && i.group.as_deref() == group);
    let after = fine(took.as_secs_f64());
    let mut text = String::new();
    for instance in status.instances.iter().filter(akin) {
        let name = shown(&instance.name);
        match (instance.state.as_str(), instance.master) {
            ("BACKUP", Some(master)) => {
                let priority = instance.master_priority.map(|p| format!(" with priority {p}")).unwrap_or_default();
                text += &format!("{name}: {master}{priority} serves, heard within {after}\n");
            }
            // (Of a role that did not answer in time nothing is known yet.)
            ("BACKUP" | "INIT" | "UNKNOWN", None) => return Succession::Awaited,
            ("MASTER", _) => {
                return Succession::Failed(format!(
                    "nobody took over {name}: this host serves again, after {after} without a master; is another director \
                     there, and can it hear this one?"
                ));
            }
            (state, _) => {
                return Succession::Failed(format!(
                    "{name} is {state} here, and no other master is heard: see `vipd status`"
                ));
            }
        }
    }
    if text.is_empty() {
        return Succession::Failed(format!("{} is not there any more: was it removed by a reload?", shown(name)));
    }
    Succession::Had(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_follows_is_told_of_each_instance_when_it_is_known_of_all() {
        let instance = |name: &str, group: Option<&str>, state: &str, master: Option<[u8; 4]>| InstanceStatus {
            name: name.to_owned(),
            state: state.to_owned(),
            group: group.map(str::to_owned),
            master: master.map(Into::into),
            master_priority: Some(90),
            ..InstanceStatus::default()
        };
        let says = |name: &str, instances: &[InstanceStatus]| {
            let status = Status { instances: instances.to_vec(), ..Status::default() };
            succession(&status, name, Duration::from_millis(610))
        };
        let there = Some([192, 0, 2, 2]);
        let other = instance("C", None, "MASTER", None);
        let (a, b) = (instance("A", Some("G"), "BACKUP", there), instance("B", Some("G"), "BACKUP", None));
        let group = [a.clone(), b, other.clone()];
        assert_eq!(says("A", &group), Succession::Awaited);
        assert_eq!(says("G", &group), Succession::Awaited);
        let Succession::Had(text) = says("G", &[a.clone(), other.clone()]) else { panic!("somebody serves") };
        assert_eq!(text, "A: 192.0.2.2 with priority 90 serves, heard within 610 ms\n");
        let Succession::Failed(why) = says("C", &[a, other]) else { panic!("nobody does") };
        assert!(why.starts_with("nobody took over C: this host serves again, after 610 ms"), "{why}");
        let Succession::Failed(why) = says("F", &[instance("F", None, "FAULT", None)]) else { panic!("nobody does") };
        assert!(why.starts_with("F is FAULT here"), "{why}");
        assert_eq!(says("U", &[instance("U", None, "UNKNOWN", None)]), Succession::Awaited);
        let Succession::Failed(why) = says("A", &[]) else { panic!("it is not there") };
        assert!(why.starts_with("A is not there any more"), "{why}");
        // An instance with the name of another's group is not meant.
        let (one, two) = (instance("G", None, "MASTER", None), instance("A", Some("G"), "BACKUP", there));
        assert!(matches!(says("G", &[one, two]), Succession::Had(_)));
    }
}
