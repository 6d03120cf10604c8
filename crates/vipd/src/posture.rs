//! What the process of each role is to be: real time, nice value, processors, name. Decided here, from the configuration
//! alone. The supervisor, who may, does what differs; but name, memory and limits are each process's own to see to.
//! Programs of the configuration are the supervisor's children: nothing of this is handed on to them.

use crate::supervisor::RoleName;
use std::collections::BTreeSet;
use std::io;
use tracing::warn;
use vipd_config::model::{Config, Process};
use vipd_sys::{privilege, stance};

/// What a process is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Posture {
    /// `/proc/PID/comm`
    pub(crate) name: String,
    /// How it gets its time.
    pub(crate) class: Class,
    /// The processors that it runs on; none: those of the supervisor.
    pub(crate) cpus: BTreeSet<u16>,
    /// Microseconds that it may run in real time without waiting.
    pub(crate) real_time_limit: Option<u32>,
    /// Whether its memory stays.
    pub(crate) memory: Memory,
}

/// How a process gets its time on a processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// As the supervisor does.
    Inherited,
    /// With this nice value.
    Nice(i8),
    /// In real time, with this priority.
    RealTime(u8),
}

/// Whether the kernel may take memory away from a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Memory {
    /// It may.
    Swapped,
    /// It may not.
    Locked,
}

/// What a role's process is from its start, when the configuration has not said anything.
pub(crate) fn at_start(role: RoleName) -> Posture {
    Posture {
        name: format!("vipd_{role}"),
        class: Class::Inherited,
        cpus: BTreeSet::new(),
        real_time_limit: None,
        memory: Memory::Swapped,
    }
}

/// What the process of a role is to be. Without a word of the file the vrrp role has the lowest priority in real time and
/// stays in memory, because adverts must leave in time whatever else this host does.
pub(crate) fn of(role: RoleName, config: &Config) -> Posture {
    let processes = &config.global.process;
    let name = format!("vipd_{role}");
    let checkers = if processes.checker_no_swap { Memory::Locked } else { Memory::Swapped };
    let own = |process: &Process| process.name.clone().unwrap_or_else(|| name.clone());
    match role {
        RoleName::Vrrp => {
            let process = &processes.vrrp;
            // BFD is part of this role.
            let process = if config.bfd.is_empty() { process.clone() } else { urgent(process, &processes.bfd) };
            let class = match class(&process) {
                Class::Inherited => Class::RealTime(1),
                said => said,
            };
            Posture { class, ..posture(own(&process), &process, Memory::Locked) }
        }
        RoleName::Check => posture(own(&processes.checker), &processes.checker, checkers),
        RoleName::Director => posture(name, &processes.checker, checkers),
        RoleName::Console => at_start(role),
    }
}

fn posture(name: String, process: &Process, memory: Memory) -> Posture {
    Posture {
        name,
        class: class(process),
        cpus: process.cpus.clone(),
        real_time_limit: process.real_time_limit,
        memory,
    }
}

/// Real time outweighs a nice value.
fn class(process: &Process) -> Class {
    let nice = process.nice.map_or(Class::Inherited, Class::Nice);
    process.real_time.map_or(nice, Class::RealTime)
}

/// One process that does the work of two: the more urgent one counts.
fn urgent(process: &Process, other: &Process) -> Process {
    let limits = process.real_time_limit.zip(other.real_time_limit).map(|(own, other)| own.max(other));
    Process {
        name: process.name.clone(),
        nice: process.nice.into_iter().chain(other.nice).min(),
        real_time: process.real_time.max(other.real_time),
        cpus: if process.cpus.is_empty() { &other.cpus } else { &process.cpus }.clone(),
        real_time_limit: limits.or(process.real_time_limit).or(other.real_time_limit),
    }
}

/// Makes the process of a role from outside what it is to be. What is refused is told, and the role works all the same.
pub(crate) fn impose(role: RoleName, pid: u32, from: &Posture, to: &Posture) {
    let tell = |what: &str, done: io::Result<()>| {
        if let Err(e) = done {
            warn!("the {role} role, process {pid}: {what}: {e}");
        }
    };
    if from.class != to.class {
        let usual = stance::own_nice();
        let (class, nice, refused) = match to.class {
            Class::RealTime(priority) => {
                (stance::Class::RealTime(priority), usual, "no real-time scheduling, it may be late on a busy host")
            }
            Class::Nice(nice) => (stance::Class::Ordinary, nice, "its nice value can't be set"),
            Class::Inherited => (stance::Class::Ordinary, usual, "its nice value can't be set back"),
        };
        tell(refused, stance::schedule(pid, class, nice));
    }
    if from.cpus != to.cpus {
        tell("its processors can't be set", stance::run_on(pid, &to.cpus));
    }
}

/// What a process has done to itself.
#[derive(Default)]
pub(crate) struct Own(Option<Posture>);

impl Own {
    /// Makes this process, which runs the role, what only itself can make it.
    pub(crate) fn suit(&mut self, role: RoleName, config: &Config) {
        let to = of(role, config);
        let from = self.0.take().unwrap_or_else(|| at_start(role));
        if from.name != to.name
            && let Err(e) = stance::call_myself(&to.name)
        {
            warn!("the {role} role can't be called {}: {e}", to.name);
        }
        if from.real_time_limit != to.real_time_limit
            && let Err(e) = stance::limit_my_real_time(to.real_time_limit)
        {
            warn!("the time of the {role} role in real time can't be limited: {e}");
        }
        if from.memory != to.memory {
            let done = match to.memory {
                Memory::Locked => privilege::lock_memory(),
                Memory::Swapped => privilege::unlock_memory(),
            };
            if let Err(e) = done {
                warn!(
                    "the memory of the {role} role can't be locked or unlocked: {e}; it may be late on a host that swaps"
                );
            }
        }
        self.0 = Some(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posture_of(role: RoleName, globals: &str, rest: &str) -> Posture {
        let text = format!("global_defs {{\n{globals}\n}}\n{rest}");
        let config = vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap();
        of(role, &config)
    }

    const NEIGHBOUR: &str = "bfd_instance n {\n neighbor_ip 192.0.2.1\n}\n";

    #[test]
    fn without_words_only_vrrp_is_special() {
        let vrrp = posture_of(RoleName::Vrrp, "", "");
        assert_eq!((vrrp.class, vrrp.memory), (Class::RealTime(1), Memory::Locked));
        for role in [RoleName::Check, RoleName::Director, RoleName::Console] {
            assert_eq!(posture_of(role, "", ""), at_start(role));
        }
    }

    #[test]
    fn each_word_reaches_its_role() {
        let words = "vrrp_priority -3\nvrrp_cpu_affinity 1 0\nvrrp_rlimit_rttime 1\nvrrp_process_name a\n\
                     checker_rt_priority 9\nchecker_priority 5\nchecker_no_swap\nchecker_process_name b";
        let vrrp = posture_of(RoleName::Vrrp, words, "");
        assert_eq!(vrrp.class, Class::Nice(-3), "whoever says how nice it is wants it ordinary");
        assert_eq!((vrrp.cpus, vrrp.real_time_limit), (BTreeSet::from([0, 1]), Some(2)));
        assert_eq!(vrrp.name, "a");
        let [check, director] = [RoleName::Check, RoleName::Director].map(|role| posture_of(role, words, ""));
        assert_eq!((check.class, check.memory), (Class::RealTime(9), Memory::Locked));
        assert_eq!((&*check.name, &*director.name), ("b", "vipd_director"));
        assert_eq!(Posture { name: check.name.clone(), ..director }, check);
        assert_eq!(posture_of(RoleName::Console, words, ""), at_start(RoleName::Console));
    }

    #[test]
    fn bfd_makes_vrrp_more_urgent_where_there_is_bfd() {
        let words = "vrrp_rt_priority 5\nbfd_rt_priority 7\nbfd_cpu_affinity 1\nbfd_rlimit_rttime 9";
        let without = posture_of(RoleName::Vrrp, words, "");
        assert_eq!((without.class, without.cpus), (Class::RealTime(5), BTreeSet::new()));
        let with = posture_of(RoleName::Vrrp, words, NEIGHBOUR);
        assert_eq!((with.class, with.cpus), (Class::RealTime(7), BTreeSet::from([1])));
        assert_eq!(with.real_time_limit, Some(9));
        let nice = posture_of(RoleName::Vrrp, "vrrp_priority -2\nbfd_priority -4", NEIGHBOUR);
        assert_eq!(nice.class, Class::Nice(-4));
        let calm = posture_of(RoleName::Vrrp, "vrrp_rt_priority 9\nbfd_rt_priority 2", NEIGHBOUR);
        assert_eq!(calm.class, Class::RealTime(9));
    }

    #[test]
    fn names_for_all_give_way_to_names_of_ones_own() {
        let name = |role| posture_of(role, "process_names\nvrrp_process_name mine", "").name;
        assert_eq!([name(RoleName::Vrrp), name(RoleName::Check)], ["mine", "keepalived_lvs"]);
        assert_eq!(name(RoleName::Director), "vipd_director");
    }
}
