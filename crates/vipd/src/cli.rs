//! The command line: the options of keepalived, and the commands that are vipd's own.

use clap::{ArgAction, Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Keeps virtual IPs alive and balances what arrives on them, from a keepalived.conf.
#[derive(Parser, Debug)]
#[command(name = "vipd", disable_version_flag = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// What to do instead of running the daemon.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Options of the daemon.
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

/// Commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Judge a configuration file: exit status 0 usable, 1 warnings (with --strict), 2 not usable.
    Check(Check),
    /// Show a configuration file with everything expanded: as it is written, or what it means. Secrets are hidden.
    Config(Config),
    /// Ask the running daemon for the state of everything.
    Status(StatusArguments),
    /// Ask the running daemon what has happened, and follow what happens.
    Events(Events),
    /// Have the running daemon read its configuration again: exit status 0 in force, 2 refused.
    Reload(StatusArguments),
    /// Show what a reload with a file would do: exit status 0 nothing, 3 something, 2 no plan could be made.
    Plan(PlanArguments),
    /// Hand an instance or sync group over to its peers: it leaves whoever follows in peace.
    Switchover(Switchover),
    /// Take this host out of all virtual routers, or back in.
    Maintenance(Maintenance),
    /// Drain real servers, take them out, give them another weight, add and remove them while the daemon runs.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Lay out configuration files: exit status 0 done, 1 some would change (with --check), 2 not possible.
    Fmt(Fmt),
    /// Explain the words of the configuration language.
    Doc(Doc),
    /// Print the completions of this program for a shell: vipd completions bash > /etc/bash_completion.d/vipd
    Completions(Completions),
    /// One of the daemon's own processes; started by the supervisor alone.
    #[command(hide = true)]
    Role(RoleArguments),
}

/// `vipd check`
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// Warnings are worth exit status 1.
    #[arg(long)]
    pub(crate) strict: bool,
    /// What the findings look like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Configuration id for conditional lines (`@ID`); the host name by default.
    #[arg(short = 'i', long)]
    pub(crate) config_id: Option<String>,
    /// Every include that fails is an error.
    #[arg(short = 'e', long)]
    pub(crate) all_config: bool,
}

/// `vipd plan`
#[derive(Args, Debug)]
pub(crate) struct PlanArguments {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The control socket of the daemon to compare with.
    #[arg(long, default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
    /// Configuration id for conditional lines (`@ID`); by default the daemon's, or the host name if none runs.
    #[arg(short = 'i', long)]
    pub(crate) config_id: Option<String>,
    /// Every include that fails is an error.
    #[arg(short = 'e', long)]
    pub(crate) all_config: bool,
}

/// `vipd config`
#[derive(Args, Debug)]
pub(crate) struct Config {
    /// The configuration file: /etc/keepalived/keepalived.conf by default.
    pub(crate) file: Option<PathBuf>,
    /// What it means: every setting with the value in force, given, inherited or by default.
    #[arg(long)]
    pub(crate) effective: bool,
    /// Print JSON; docs/keepalived.conf.schema.json describes it.
    #[arg(long)]
    pub(crate) json: bool,
    /// Configuration id for conditional lines (`@ID`); the host name by default.
    #[arg(short = 'i', long)]
    pub(crate) config_id: Option<String>,
    /// Every include that fails is an error.
    #[arg(short = 'e', long)]
    pub(crate) all_config: bool,
}

/// What `vipd check` prints.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// For people: the lines, and what is wrong under them.
    Text,
    /// All of it, as vipd's own JSON.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
}

/// `vipd fmt`
#[derive(Args, Debug)]
pub(crate) struct Fmt {
    /// The configuration file, which is printed in its new layout, or `-` for standard input. What it includes is left
    /// alone.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Replace the files (any number of them) instead.
    #[arg(long, conflicts_with = "check")]
    pub(crate) write: bool,
    /// Only list the files that would change.
    #[arg(long)]
    pub(crate) check: bool,
}

/// `vipd doc`
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Doc {
    /// A keyword, alone or with the blocks around it: virtual_server/real_server/HTTP_GET.
    pub(crate) path: Option<String>,
    /// Every keyword whose name or text has all these words.
    #[arg(long, num_args = 1.., value_name = "WORD")]
    pub(crate) search: Vec<String>,
    /// Every keyword, one `block<TAB>keyword` a line.
    #[arg(long)]
    pub(crate) list: bool,
    /// All of it as the manual page vipd.conf(5).
    #[arg(long)]
    pub(crate) man: bool,
    /// The JSON Schema of what `vipd config --json` prints.
    #[arg(long)]
    pub(crate) schema: bool,
}

/// `vipd completions`
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// For which shell.
    pub(crate) shell: clap_complete::Shell,
}

/// `vipd status`
#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The daemon's control socket.
    #[arg(long, default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
}

/// `vipd events`
#[derive(Args, Debug)]
pub(crate) struct Events {
    /// Only what comes after this number. If nothing has yet, that is said; of a number that is yet to come, everything is told: it is
    /// one of an earlier run of the daemon.
    #[arg(long, value_name = "SEQ")]
    pub(crate) since: Option<u64>,
    /// The boot that --since counts from; if the daemon was started anew since, everything is told.
    #[arg(long, value_name = "ID", requires = "since")]
    pub(crate) boot: Option<String>,
    /// Go on with what happens, until interrupted.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print JSON, one document a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The daemon's control socket.
    #[arg(long, default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
}

/// `vipd switchover`
#[derive(Args, Debug)]
pub(crate) struct Switchover {
    /// The vrrp_instance or vrrp_sync_group.
    pub(crate) name: String,
    /// Preempt again, as configured; exit status 0 also if it was not handed over, which is said then.
    #[arg(long)]
    pub(crate) undo: bool,
    /// Hand over and return at once, whoever follows. Without it the command ends when somebody serves; with exit status 1 if
    /// nobody followed and this host serves again, or nobody is heard as master within 30 s.
    #[arg(long, conflicts_with = "undo")]
    pub(crate) no_wait: bool,
    /// The daemon's control socket.
    #[arg(long, default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
}

/// `vipd maintenance`
#[derive(Args, Debug)]
pub(crate) struct Maintenance {
    /// On: every instance gives up and takes nothing over. Off: they take part again.
    #[arg(value_enum)]
    pub(crate) switch: OnOff,
    /// The daemon's control socket.
    #[arg(long, default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
}

/// `vipd server`
#[derive(Subcommand, Debug)]
pub(crate) enum ServerCommand {
    /// Give it no new connections, keep those that it has, and wait until none is left: exit status 0 none, 3 some were cut
    /// off as it went down. Whoever stops waiting ends nothing: the same command waits on, with the same deadline.
    Drain {
        /// Of which.
        #[command(flatten)]
        target: ServerTarget,
        /// After so long it is taken out, whatever it still has: 60s, 5m, 1h30m, 2d; 31 days at most.
        #[arg(long, value_name = "TIME", value_parser = time)]
        deadline: Option<Duration>,
        /// Return at once.
        #[arg(long)]
        no_wait: bool,
    },
    /// End every order for it: it is as the file says again.
    Ready {
        /// Of which.
        #[command(flatten)]
        target: ServerTarget,
    },
    /// Take it out at once: connections that it has are cut off. It is still checked.
    Down {
        /// Of which.
        #[command(flatten)]
        target: ServerTarget,
    },
    /// Give it another weight than the file's.
    Weight {
        /// Of which.
        #[command(flatten)]
        target: ServerTarget,
        /// 0 to 2147483647.
        weight: u32,
    },
    /// Add one that the file doesn't have, reached and checked like one that it has.
    Add {
        /// Which.
        #[command(flatten)]
        target: ServerTarget,
        /// 0 to 2147483647; else what the file gives the one it is like.
        #[arg(long)]
        weight: Option<u32>,
        /// The real server that it is like; else the first.
        #[arg(long, value_name = "SERVER")]
        like: Option<String>,
    },
    /// Remove it altogether, one of the file's, too: it is not checked any more.
    Remove {
        /// Which.
        #[command(flatten)]
        target: ServerTarget,
    },
}

/// Of which real servers something is wanted. Orders last until `vipd server ready`, and over reloads and restarts of the
/// daemon, but not of the host.
#[derive(Args, Debug)]
pub(crate) struct ServerTarget {
    /// The virtual server: its name in `vipd status`, or ADDRESS:PORT, or all.
    pub(crate) service: String,
    /// The real server: ADDRESS:PORT, or ADDRESS for every port of it.
    pub(crate) server: String,
    /// The next reload ends it.
    #[arg(long)]
    pub(crate) until_reload: bool,
    /// The daemon's control socket.
    #[arg(long, default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
}

/// A switch.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

/// `vipd role`
#[derive(Args, Debug)]
pub(crate) struct RoleArguments {
    /// Which.
    pub(crate) name: String,
    /// The network namespace to work in, by its name; empty: that of the host's first process.
    #[arg(long, value_name = "NAME")]
    pub(crate) net_namespace: Option<String>,
    /// Where to log.
    #[command(flatten)]
    pub(crate) log: Log,
}

/// Options about logging.
#[derive(Args, Debug, Clone)]
pub(crate) struct Log {
    /// Log to the console too.
    #[arg(short = 'l', long)]
    pub(crate) log_console: bool,
    /// Log in detail; twice: every packet.
    #[arg(short = 'D', long, action = ArgAction::Count)]
    pub(crate) log_detail: u8,
    /// Facility of the system's log: 0 to 7, local0 to local7, user or daemon.
    #[arg(short = 'S', long, value_name = "FACILITY", default_value = "daemon", value_parser = facility)]
    pub(crate) log_facility: i32,
    /// Do not use the system's log.
    #[arg(short = 'G', long)]
    pub(crate) no_syslog: bool,
    /// Log to a file too.
    #[arg(short = 'g', long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = "/tmp/keepalived.log")]
    pub(crate) log_file: Option<PathBuf>,
    /// Accepted; every line is written at once.
    #[arg(long)]
    pub(crate) flush_log_file: bool,
}

/// Options of the daemon, as keepalived has them.
#[derive(Args, Debug)]
pub(crate) struct Daemon {
    /// The configuration file.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) use_file: Option<PathBuf>,
    /// Only VRRP: no health checks, no director.
    #[arg(short = 'P', long)]
    pub(crate) vrrp: bool,
    /// Only health checks and the director: no VRRP.
    #[arg(short = 'C', long)]
    pub(crate) check: bool,
    /// No BFD sessions.
    #[arg(short = 'B', long = "no_bfd")]
    pub(crate) no_bfd: bool,
    /// Run every role even if the configuration has nothing for it.
    #[arg(long)]
    pub(crate) all: bool,
    /// Where to log.
    #[command(flatten)]
    pub(crate) log: Log,
    /// File mode creation mask, as C writes numbers: 022.
    #[arg(short = 'u', long, value_name = "MASK", value_parser = mask)]
    pub(crate) umask: Option<u32>,
    /// Give up the addresses when ended by a signal. (vipd always does, unless -V.)
    #[arg(short = 'X', long)]
    pub(crate) release_vips: bool,
    /// Leave the addresses where they are at a stop.
    #[arg(short = 'V', long)]
    pub(crate) dont_release_vrrp: bool,
    /// Leave the kernel's IPVS table as it is at a stop.
    #[arg(short = 'I', long)]
    pub(crate) dont_release_ipvs: bool,
    /// A process that died ends the daemon.
    #[arg(short = 'R', long)]
    pub(crate) dont_respawn: bool,
    /// Stay in the foreground.
    #[arg(short = 'n', long)]
    pub(crate) dont_fork: bool,
    /// Log the configuration at the start.
    #[arg(short = 'd', long)]
    pub(crate) dump_conf: bool,
    /// Pid file of the daemon.
    #[arg(short = 'p', long, value_name = "FILE", default_value = "/run/vipd/vipd.pid")]
    pub(crate) pid: PathBuf,
    /// Pid file of the vrrp role.
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE", default_value = "/run/vipd/vrrp.pid")]
    pub(crate) vrrp_pid: PathBuf,
    /// Pid file of the check role.
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE", default_value = "/run/vipd/checkers.pid")]
    pub(crate) checkers_pid: PathBuf,
    /// Pid file of BFD: accepted; there is no such process.
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    pub(crate) bfd_pid: Option<PathBuf>,
    /// Log every change of an address.
    #[arg(short = 'a', long)]
    pub(crate) address_monitoring: bool,
    /// SNMP: not there yet.
    #[arg(short = 'x', long)]
    pub(crate) snmp: bool,
    /// SNMP: not there yet.
    #[arg(short = 'A', long, value_name = "ADDRESS")]
    pub(crate) snmp_agent_socket: Option<String>,
    /// Network namespace to run in.
    #[arg(short = 's', long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Allow core dumps.
    #[arg(short = 'm', long)]
    pub(crate) core_dump: bool,
    /// Pattern of core dumps: not set, it is the whole host's.
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1, require_equals = true,
          default_missing_value = "core")]
    pub(crate) core_dump_pattern: Option<String>,
    /// Every include that fails is an error.
    #[arg(short = 'e', long)]
    pub(crate) all_config: bool,
    /// Configuration id for conditional lines (`@ID`); the host name by default.
    #[arg(short = 'i', long, value_name = "ID")]
    pub(crate) config_id: Option<String>,
    /// Only check the configuration; findings go to standard error or are appended to FILE.
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) config_test: Option<PathBuf>,
    /// Ignore SIGINT.
    #[arg(long)]
    pub(crate) ignore_sigint: bool,
    /// Print the number of a signal: STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON, TDUMP.
    #[arg(long, value_name = "NAME")]
    pub(crate) signum: Option<String>,
    /// Control socket.
    #[arg(long, value_name = "PATH", default_value = vipd_api::SOCKET)]
    pub(crate) socket: PathBuf,
    /// Say "ready" on standard output when every role runs.
    #[arg(long, hide = true)]
    pub(crate) announce_ready: bool,
    /// Print the version.
    #[arg(short = 'v', long)]
    pub(crate) version: bool,
}

impl Log {
    /// The same for a role's command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.log_console {
            arguments.push("-l".to_owned());
        }
        arguments.extend((0..self.log_detail).map(|_| "-D".to_owned()));
        if self.no_syslog {
            arguments.push("-G".to_owned());
        }
        arguments.push(format!("-S={}", self.log_facility_name()));
        arguments.extend(self.log_file.as_ref().map(|f| format!("--log-file={}", f.display())));
        arguments
    }

    fn log_facility_name(&self) -> String {
        let names = (0..=7).map(|n| n.to_string()).chain(["user".to_owned(), "daemon".to_owned()]);
        let mut names = names.filter(|name| facility(name) == Ok(self.log_facility));
        names.next().unwrap_or_else(|| "daemon".to_owned())
    }

    /// For `log::start`.
    pub(crate) fn destination(&self) -> crate::log::Destination {
        crate::log::Destination {
            console: self.log_console,
            syslog: (!self.no_syslog).then_some(self.log_facility),
            file: self.log_file.clone(),
            detail: self.log_detail,
        }
    }
}

fn facility(text: &str) -> Result<i32, String> {
    let number = text.strip_prefix("local").unwrap_or(text);
    match text {
        "daemon" => Ok(vipd_sys::syslog::DAEMON),
        "user" => Ok(vipd_sys::syslog::USER),
        _ => number
            .parse()
            .ok()
            .and_then(vipd_sys::syslog::local)
            .ok_or_else(|| "not a facility: 0 to 7, local0 to local7, user or daemon".to_owned()),
    }
}

/// A time: `60s`, `1h30m`, `2d`, or seconds.
fn time(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').map(str::parse::<u32>);
    let time = match (text.parse(), days) {
        (Ok(seconds), _) => Some(Duration::from_secs(seconds)),
        (Err(_), Some(Ok(days))) => Some(Duration::from_secs(86400) * days),
        (Err(_), _) => text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok()),
    };
    time.ok_or_else(|| "not a time such as 60s, 5m, 1h30m or 2d".to_owned())
}

/// A number as C writes it: 022 octal, 18 decimal, 0x12 hexadecimal.
fn mask(text: &str) -> Result<u32, String> {
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        (None, Some(_) | None) => (text, 10),
    };
    match u32::from_str_radix(digits, radix) {
        Ok(mask) if mask <= 0o777 => Ok(mask),
        Ok(_) | Err(_) => Err("not a mask up to 0777: octal digits after a 0, such as 022".to_owned()),
    }
}

/// Short options whose value is optional have it without a blank and without `=` in keepalived's command lines: `-tFILE`.
const OPTIONAL_VALUES: [&str; 3] = ["-t", "-g", "-M"];

/// The command line in the form that the parser knows: `-tFILE` as `-t=FILE`.
pub(crate) fn as_getopt_has_them(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let one = |argument: OsString| {
        let Some(text) = argument.to_str() else { return argument };
        let split = OPTIONAL_VALUES.iter().find_map(|option| Some((option, text.strip_prefix(option)?)));
        match split {
            Some((option, value)) if !value.is_empty() && !value.starts_with('=') => format!("{option}={value}").into(),
            Some(_) | None => argument,
        }
    };
    arguments.map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_written_as_in_c() {
        assert_eq!(["022", "18", "0x12", "0", "0777"].map(mask), [18, 18, 18, 0, 511].map(Ok));
        assert!(["", "0778", "1000", "x", "-1"].iter().all(|text| mask(text).is_err()));
    }

    #[test]
    fn times_are_written_as_people_do() {
        let seconds = |text: &str| time(text).map(|time| time.as_secs());
        assert_eq!(["60", "60s", "1h30m", "1h 30m", "2d", "0"].map(seconds), [60, 60, 5400, 5400, 172_800, 0].map(Ok));
        for text in ["", "d", "-1s", "soon", "1w", "99999999999999999999"] {
            assert_eq!(seconds(text), Err("not a time such as 60s, 5m, 1h30m or 2d".to_owned()), "{text}");
        }
    }

    #[test]
    fn findings_have_one_format() {
        let parse = |words: &[&str]| {
            let words = ["vipd", "check", "x.conf"].iter().chain(words).map(OsString::from);
            Cli::try_parse_from(as_getopt_has_them(words)).map(|cli| match cli.command {
                Some(Command::Check(check)) => (check.format, check.json),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(parse(&[]).unwrap(), (Format::Text, false));
        assert_eq!(parse(&["--json"]).unwrap(), (Format::Text, true));
        assert_eq!(parse(&["--format", "sarif"]).unwrap(), (Format::Sarif, false));
        assert!(parse(&["--json", "--format", "sarif"]).is_err());
        assert!(parse(&["--format", "xml"]).is_err());
    }

    #[test]
    fn keepalived_command_lines_are_understood() {
        let parse = |words: &[&str]| {
            let words = ["vipd"].iter().chain(words).map(OsString::from);
            Cli::try_parse_from(as_getopt_has_them(words)).map(|cli| cli.daemon)
        };
        let test = parse(&["-t/tmp/findings", "-f", "x.conf"]).unwrap().config_test;
        assert_eq!(test, Some(PathBuf::from("/tmp/findings")));
        assert_eq!(parse(&["-t"]).unwrap().config_test, Some(PathBuf::from("-")));
        assert_eq!(parse(&["--config-test=y"]).unwrap().config_test, Some(PathBuf::from("y")));
        let all =
            parse(&["-lGDDnPI", "-S", "7", "-u", "022", "-ieast", "-p", "a", "--vrrp_pid=b", "-c", "c", "-b", "d"]);
        let all = all.unwrap();
        assert_eq!((all.log.log_detail, all.umask, all.config_id.as_deref()), (2, Some(18), Some("east")));
        assert!(all.vrrp && all.dont_fork && all.log.log_console && all.log.no_syslog && all.dont_release_ipvs);
        assert!(parse(&["--no-such-option"]).is_err());
    }
}
