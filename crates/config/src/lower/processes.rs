//! `global_defs`: what the file says of the daemon's processes.

use super::narrow;
use crate::model::{Process, Processes};
use crate::setting;
use crate::tree::{Nodes, Value};

/// Every process of which the file says anything.
pub(super) fn processes(nodes: &Nodes) -> Processes {
    let all = |name: &str| nodes.on("process_names").then(|| name.to_owned());
    let (vrrp, checker, bfd) = (process(nodes, "vrrp"), process(nodes, "checker"), process(nodes, "bfd"));
    Processes {
        name: nodes.text("process_name").map(str::to_owned),
        vrrp: Process { name: vrrp.name.or_else(|| all("keepalived_vrrp")), ..vrrp },
        checker: Process { name: checker.name.or_else(|| all("keepalived_lvs")), ..checker },
        checker_no_swap: nodes.on("checker_no_swap"),
        bfd: Process { name: None, ..bfd },
    }
}

/// The process whose words begin so.
fn process(nodes: &Nodes, prefix: &str) -> Process {
    let word = |rest: &str| format!("{prefix}_{rest}");
    let cpus = match nodes.find(&word("cpu_affinity")).map(|node| &node.value) {
        Some(Value::Typed(setting::Value::List(cpus))) => cpus.iter().filter_map(cpu).collect(),
        _ => Default::default(),
    };
    Process {
        name: nodes.text(&word("process_name")).map(str::to_owned),
        nice: nodes.int(&word("priority")).map(narrow),
        real_time: nodes.int(&word("rt_priority")).map(narrow),
        cpus,
        // As everywhere that this word is known, the least is 2.
        real_time_limit: nodes.int(&word("rlimit_rttime")).map(|micros| narrow::<u32>(micros).max(2)),
    }
}

fn cpu(value: &setting::Value) -> Option<u16> {
    match value {
        setting::Value::Number(cpu) => u16::try_from(*cpu).ok(),
        _ => None,
    }
}
