//! `vipd plan FILE`: what a reload with that file would do, before it is done. Compared with the configuration of the running
//! daemon, or with what the kernel holds if none runs.

mod forecast;
mod kernel;

use crate::control::{Silence, ask};
use crate::found::{self, Found};
use crate::kept;
use crate::orders::{self, Ended, Orders, Outlived};
use crate::output::{counted, print, print_json};
use crate::status::shown;
use crate::veil::veil;
use forecast::Namespace;

use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use vipd_api::{Reading, Reply, Request, Status};
use vipd_config::changes::{Kind, Verb};
use vipd_config::diag::Level;
use vipd_config::model::Config;
use vipd_config::plan::{Facts, Faulty, Plan, forbidden, plan};
use vipd_config::{Loaded, Options};
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::unix_time;

/// How long to wait for the daemon.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the file was compared with.
enum Against {
    Daemon(u32),
    Kernel,
}

/// 0: nothing to do; 3: something; 2: no plan could be made.
pub(crate) fn run(arguments: &crate::cli::PlanArguments) -> ExitCode {
    match planned(arguments) {
        Ok(planned) => {
            let code = if planned.plan.steps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) };
            if arguments.json {
                print_json("plan", &document(&planned, &arguments.file), code)
            } else {
                let warned = match planned.warnings {
                    0 => String::new(),
                    n => {
                        format!("{}: vipd check {}\n", counted(n, "warning"), shown(&arguments.file.to_string_lossy()))
                    }
                };
                print("plan", &(text(&planned) + &warned), code)
            }
        }
        Err(e) => {
            eprintln!("vipd plan: {e}");
            ExitCode::from(2)
        }
    }
}

/// A plan and what is to be said beside it.
struct Planned {
    plan: Plan,
    against: Against,
    /// Of the file.
    warnings: usize,
    /// Why it is not known what will be in FAULT, if so.
    blind: Option<String>,
    orders: Ordered,
    /// Where real servers are found, and how many are known.
    places: Vec<String>,
}

/// What becomes of the orders of operators for real servers.
#[derive(Default)]
struct Ordered {
    /// Those that the reload would end.
    ended: Vec<Ended>,
    /// Those that stay.
    kept: Orders,
}

fn planned(arguments: &crate::cli::PlanArguments) -> Result<Planned, String> {
    let running = running(&arguments.socket)?;
    let reading = running.as_ref().map(|r| r.reading.clone()).unwrap_or_default();
    // As strict as a reload: what it refuses has no plan.
    let options = Options {
        config_id: arguments.config_id.clone().or(reading.config_id),
        include_checks_all: arguments.all_config || reading.include_checks_all,
        net_namespace: reading.net_namespace,
        ..Options::daemon()
    };
    let loaded = vipd_config::load(&arguments.file, &options);
    let warnings = warnings(&loaded);
    let Some(file) = loaded.config.clone() else {
        eprint!("{}", vipd_config::render_text(&loaded, vipd_config::Color::Never));
        return Err(format!("{} is not usable: a reload would be refused", arguments.file.display()));
    };
    // What a reload puts on top of the file.
    let mut found: Found = match &running {
        Some(running) => running.found.clone(),
        None => found::inherited(&arguments.socket, &file).unwrap_or_default(),
    };
    found.keep_to(&file);
    if let Some(running) = &running {
        found.seed(&file, &running.config, unix_time());
    }
    let places = found::remarks(&file, &found);
    let file = found.on_top_of(&file);
    let mut orders = match &running {
        Some(running) => running.orders.clone(),
        // What a daemon finds that starts.
        None => kept::read(&orders::place(&arguments.socket), kept::LONGEST).unwrap_or_default(),
    };
    let event = if running.is_some() { Outlived::Reload } else { Outlived::Start };
    let ended = orders.outlive(&file, event);
    let mut new = orders.on_top_of(&file);
    let orders = Ordered { ended, kept: orders };
    let (old, namespace) = match &running {
        Some(running) => (&running.config, Namespace::of(&running.status)),
        None => (&Config::default(), Namespace::to_be(&new)),
    };
    let (faults, blind) = match forecast::faults(old, &new, namespace) {
        Ok(faults) => (faults, None),
        Err(why) => (BTreeMap::new(), Some(why)),
    };
    let Some(Running { status, config: old, nonce, .. }) = running else {
        return Ok(Planned {
            plan: kernel::plan(&new, faults)?,
            against: Against::Kernel,
            warnings,
            blind,
            orders,
            places,
        });
    };
    veil(&mut new, nonce.as_bytes());
    match forbidden(&old, &new) {
        Some(why) => Err(format!("a reload would be refused: {why}")),
        None => {
            let plan = plan(&old, &new, &Facts { faults, ..facts(&status) });
            Ok(Planned { plan, against: Against::Daemon(status.pid), warnings, blind, orders, places })
        }
    }
}

fn warnings(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.level == Level::Warning).count()
}

/// The running daemon.
struct Running {
    status: Box<Status>,
    /// Its configuration. Secrets stay where they are: the two sides compare what a key that is used once makes of them.
    config: Config,
    /// What operators want of real servers, which is in it already.
    orders: Orders,
    /// The real servers that it has found, which are in it, too.
    found: Found,
    nonce: String,
    reading: Reading,
}

/// Asks the daemon; `None` if none runs.
fn running(socket: &Path) -> Result<Option<Running>, String> {
    let status = match ask(socket, &Request::Status, PATIENCE) {
        Ok(Reply::Status(status)) => status,
        Ok(_) => return Err("the daemon answered something else".to_owned()),
        // Nobody is there: the socket is missing, or was left behind.
        Err(Silence::Closed(_, e))
            if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e.to_string()),
    };
    let nonce = format!("{:016x}{:016x}", random(), random());
    let (config, orders, found, reading) = match ask(socket, &Request::Config { nonce: nonce.clone() }, PATIENCE) {
        Ok(Reply::Config { config, orders, found, reading }) => (config, orders, found, reading),
        Ok(_) => return Err("the daemon answered something else".to_owned()),
        Err(e) => return Err(e.to_string()),
    };
    let strange = |e| format!("the daemon's configuration can't be read: {e}; is it another version of vipd?");
    let config = serde_json::from_str(&config).map_err(strange)?;
    let orders = serde_json::from_str(&orders).map_err(strange)?;
    let found = serde_json::from_str(&found).map_err(strange)?;
    Ok(Some(Running { status, config, orders, found, nonce, reading }))
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// What the daemon's status says of this host.
fn facts(status: &Status) -> Facts {
    let masters = status.instances.iter().filter(|i| i.state == "MASTER").map(|i| i.name.clone()).collect();
    let mut connections = BTreeMap::new();
    for service in &status.services {
        for server in &service.real_servers {
            if let Ok(address) = server.address.parse() {
                let open = server.active_connections + server.inactive_connections;
                connections.insert((VirtualServerId(service.name.clone()), address), open);
            }
        }
    }
    Facts { masters, connections, ..Facts::default() }
}

fn verb(verb: Verb) -> (&'static str, char) {
    match verb {
        Verb::Added => ("added", '+'),
        Verb::Changed => ("changed", '~'),
        Verb::Moved => ("moved", '>'),
        Verb::Removed => ("removed", '-'),
    }
}

fn text(Planned { plan, against, blind, orders, places, .. }: &Planned) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    for (number, step) in plan.steps.iter().enumerate() {
        let (_, sign) = verb(step.verb);
        let what = if step.details.is_empty() {
            step.what.clone()
        } else {
            format!("{} ({})", step.what, step.details.join(", "))
        };
        let _ = writeln!(text, "{:>4}. {sign} {}", number + 1, shown(&what));
        let _ = writeln!(text, "        traffic: {}", step.effect);
    }
    let mut kept: BTreeMap<Kind, usize> = BTreeMap::new();
    for (kind, _) in &plan.kept {
        *kept.entry(*kind).or_default() += 1;
    }
    let kept: Vec<String> = kept.iter().map(|(kind, n)| format!("{n} {}", kind.keyword())).collect();
    let stays = if kept.is_empty() { "nothing".to_owned() } else { kept.join(", ") };
    let _ = match plan.steps.len() {
        0 => writeln!(text, "nothing to do"),
        1 => writeln!(text, "one step"),
        n => writeln!(text, "{n} steps, in this order"),
    };
    let lost = plan.faults.iter().any(|faulty| !faulty.masters.is_empty());
    let but = if lost { ", but for what FAULT takes away" } else { "" };
    let _ = writeln!(text, "stays as it is{but}: {stays}");
    for faulty in &plan.faults {
        let _ = writeln!(text, "{}", shown(&foretold(faulty)));
    }
    for Ended { server: (service, address), what, why } in &orders.ended {
        let line = format!("ends an operator's order: {what} of real_server {address} of {service}: {why}");
        let _ = writeln!(text, "{}", shown(&line));
    }
    for order in orders.kept.all() {
        let ((service, address), what) = (order.server(), order.what());
        let line = format!("stays an operator's order: {what} of real_server {address} of {service}");
        let _ = writeln!(text, "{}", shown(&line));
    }
    for place in places {
        let _ = writeln!(text, "{}", shown(place));
    }
    if let Some(why) = blind {
        let _ = writeln!(text, "whether an instance will be in FAULT is not known: {}", shown(why));
    }
    let _ = match against {
        Against::Daemon(pid) => writeln!(text, "compared with the running daemon, process {pid}"),
        Against::Kernel => writeln!(text, "no daemon answers: compared with what the kernel holds"),
    };
    text
}

/// What is said of an instance that will be in FAULT.
fn foretold(Faulty { instance, why, group, masters }: &Faulty) -> String {
    let with = group.as_ref().map(|group| format!("; its sync group {group} with it")).unwrap_or_default();
    let lost = match masters.as_slice() {
        [] => String::new(),
        [one] if one == instance => "; it gives up its addresses, which are here now".to_owned(),
        masters => format!("; addresses that are here now are given up: those of {}", masters.join(", ")),
    };
    format!("{instance}: will be FAULT: {}{with}{lost}", why.join(", "))
}

fn document(Planned { plan, against, warnings, blind, orders, places }: &Planned, file: &Path) -> serde_json::Value {
    let steps = plan.steps.iter().map(|step| {
        json!({
            "verb": verb(step.verb).0,
            "kind": step.kind.keyword(),
            "what": step.what,
            "details": step.details,
            "traffic": step.effect,
        })
    });
    json!({
        "file": file,
        "warnings": warnings,
        "against": match against {
            Against::Daemon(_) => "daemon",
            Against::Kernel => "kernel",
        },
        "steps": steps.collect::<Vec<_>>(),
        "faults": plan.faults.iter().map(|faulty| json!({
            "instance": faulty.instance,
            "why": faulty.why,
            "group": faulty.group,
            "masters": faulty.masters,
        })).collect::<Vec<_>>(),
        "faults_unknown": blind,
        "orders_ended": orders.ended.iter().map(|Ended { server: (service, address), what, why }| json!({
            "service": service, "server": address, "order": what, "why": why,
        })).collect::<Vec<_>>(),
        "orders_kept": orders.kept.all().iter().map(|order| json!({
            "service": order.server().0, "server": order.server().1, "order": order.what(),
        })).collect::<Vec<_>>(),
        "found": places,
        "kept": plan.kept.iter().map(|(kind, what)| json!({ "kind": kind.keyword(), "what": what })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_config::plan::Step;

    #[test]
    fn the_plan_as_it_is_printed() {
        let step = |verb, what: &str, details: Vec<String>| Step {
            verb,
            kind: Kind::Address,
            what: what.to_owned(),
            details,
            effect: "none".to_owned(),
        };
        let steps = vec![
            step(Verb::Added, "192.0.2.1 dev eth0", vec!["to A".to_owned()]),
            step(Verb::Removed, "192.0.2.2 dev eth\n0", vec![]),
        ];
        let kept = vec![(Kind::Instance, "vrrp_instance A".to_owned())];
        let printed = |plan, against, blind| {
            text(&Planned { plan, against, warnings: 0, blind, orders: Ordered::default(), places: vec![] })
        };
        assert_eq!(
            printed(Plan { steps, kept, ..Plan::default() }, Against::Daemon(7), None),
            "   1. + 192.0.2.1 dev eth0 (to A)\n        traffic: none\n   2. - 192.0.2.2 dev eth 0\n        traffic: none\n\
             2 steps, in this order\nstays as it is: 1 vrrp_instance\ncompared with the running daemon, process 7\n"
        );
        let faulty = |group: Option<&str>, masters: &[&str]| {
            foretold(&Faulty {
                instance: "V".to_owned(),
                why: vec!["interface eth9 doesn't exist".to_owned()],
                group: group.map(str::to_owned),
                masters: masters.iter().map(|m| (*m).to_owned()).collect(),
            })
        };
        assert_eq!(faulty(None, &[]), "V: will be FAULT: interface eth9 doesn't exist");
        assert_eq!(
            faulty(Some("G"), &["V", "W"]),
            "V: will be FAULT: interface eth9 doesn't exist; its sync group G with it; addresses that are here now are \
             given up: those of V, W"
        );
        assert!(faulty(None, &["V"]).ends_with("; it gives up its addresses, which are here now"));
        let gives_up = |masters: &[&str]| {
            let masters = masters.iter().map(|m| (*m).to_owned()).collect();
            let faulty = Faulty { instance: "V".to_owned(), why: vec![], group: None, masters };
            let kept = vec![(Kind::Address, "192.0.2.1".to_owned())];
            printed(Plan { faults: vec![faulty], kept, ..Plan::default() }, Against::Kernel, None)
        };
        assert!(gives_up(&["V"]).contains("\nstays as it is, but for what FAULT takes away: 1 virtual_ipaddress\n"));
        assert!(gives_up(&[]).contains("\nstays as it is: 1 virtual_ipaddress\n"));
        let blind = printed(Plan::default(), Against::Kernel, Some("are you root?".to_owned()));
        assert!(blind.contains("in FAULT is not known: are you root?\n"), "{blind}");
        let nothing = printed(Plan::default(), Against::Kernel, None);
        assert!(nothing.starts_with("nothing to do\nstays as it is: nothing\nno daemon answers"), "{nothing}");
    }
}
