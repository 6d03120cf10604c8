//! vipd: highly available virtual IPs and a Linux Virtual Server director, from a keepalived.conf.
//!
//! This file only decides what to be: the supervisor, one of its roles, or a command for the operator.

mod apply;
mod channel;
mod cli;
mod config_command;
mod control;
mod events;
mod fmt;
mod found;
mod kept;
mod legacy;
mod log;
mod message;
mod orders;
mod output;
mod part;
mod plan;
mod posture;
mod rate;
mod record;
mod reload;
mod roles;
mod runtime;
mod schedule;
mod server;
mod status;
mod steer;
mod supervisor;
mod veil;

use clap::Parser;
use clap::error::ErrorKind;
use cli::{Cli, Command, Daemon, Format};
use message::RoleOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use supervisor::{Plan, Respawn, RoleName};
use tracing::{info, warn};
use vipd_config::diag::Level;
use vipd_config::{Color, Loaded, Options, Strictness};
use vipd_sys::process::Asked;

/// Where the configuration is unless told otherwise.
const CONFIG: &str = "/etc/keepalived/keepalived.conf";

/// `O_NOFOLLOW` (asm-generic/fcntl.h).
const NO_FOLLOW: i32 = 0o400_000;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(cli::as_getopt_has_them(std::env::args_os())) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            let asked = matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match cli.command {
        Some(Command::Check(arguments)) => check(&arguments),
        Some(Command::Config(arguments)) => config_command::run(&arguments),
        Some(Command::Reload(arguments)) => reload::run(&arguments.socket, arguments.json),
        Some(Command::Switchover(arguments)) => steer::switchover(&arguments),
        Some(Command::Maintenance(arguments)) => steer::maintenance(&arguments),
        Some(Command::Server(command)) => server::run(&command),
        Some(Command::Plan(arguments)) => plan::run(&arguments),
        Some(Command::Fmt(arguments)) => fmt::run(&arguments),
        Some(Command::Doc(arguments)) => doc(&arguments),
        Some(Command::Completions(arguments)) => {
            let mut text = Vec::new();
            clap_complete::generate(arguments.shell, &mut <Cli as clap::CommandFactory>::command(), "vipd", &mut text);
            output::print("completions", &String::from_utf8_lossy(&text), ExitCode::SUCCESS)
        }
        Some(Command::Events(arguments)) => events::run(&arguments),
        Some(Command::Status(arguments)) => status::run(&arguments.socket, arguments.json),
        Some(Command::Role(arguments)) => role(&arguments),
        None => daemon(&cli.daemon),
    }
}

/// `vipd check FILE`
fn check(arguments: &cli::Check) -> ExitCode {
    let options = Options {
        config_id: arguments.config_id.clone(),
        include_checks_all: arguments.all_config,
        strictness: Strictness::Check,
        ..Options::default()
    };
    let loaded = vipd_config::load(&arguments.file, &options);
    let well = if loaded.failed() {
        ExitCode::from(2)
    } else if arguments.strict && loaded.any(Level::Warning) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    };
    match if arguments.json { Format::Json } else { arguments.format } {
        Format::Text if loaded.diagnostics.is_empty() => {
            let says = match &loaded.config {
                Some(config) if vipd_config::plan::is_empty(config) => {
                    "usable, but there is nothing in it to do: no vrrp_instance, no virtual_server"
                }
                Some(_) | None => "usable, nothing to remark",
            };
            output::print("check", &format!("{}: {says}\n", arguments.file.display()), well)
        }
        Format::Text => {
            let text = vipd_config::render_text(&loaded, color(io::stdout().is_terminal()));
            output::print("check", &text, well)
        }
        Format::Json => {
            let report = serde_json::json!({
                "file": arguments.file,
                "usable": !loaded.failed(),
                "files": loaded.files,
                "findings": loaded.diagnostics,
                "findings_left_out": loaded.unkept,
            });
            output::print_json("check", &report, well)
        }
        Format::Sarif => {
            let base = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
            output::print("check", &vipd_config::render_sarif(&loaded, &base), well)
        }
    }
}

/// `vipd doc`
fn doc(arguments: &cli::Doc) -> ExitCode {
    let text = match &arguments.path {
        Some(path) => vipd_config::doc::page(path),
        None if arguments.list => Some(vipd_config::doc::list()),
        None if arguments.man => Some(vipd_config::doc::man()),
        None if arguments.schema => Some(vipd_config::schema::schema()),
        None => Some(vipd_config::doc::search(&arguments.search)).filter(|text| !text.is_empty()),
    };
    let Some(text) = text else {
        match &arguments.path {
            Some(path) => {
                eprintln!("vipd doc: there is no {path} in the configuration language");
                if let Some(near) = vipd_config::doc::nearest(path) {
                    eprintln!("did you mean {near}?");
                }
            }
            None => eprintln!("vipd doc: nothing has all of these words: {}", arguments.search.join(" ")),
        }
        return ExitCode::FAILURE;
    };
    output::print("doc", &text, ExitCode::SUCCESS)
}

fn color(terminal: bool) -> Color {
    if terminal && std::env::var_os("NO_COLOR").is_none() { Color::Always } else { Color::Never }
}

/// One of the daemon's processes; its standard input is the socket to the supervisor.
fn role(arguments: &cli::RoleArguments) -> ExitCode {
    let Some(name) = RoleName::parse(&arguments.name) else {
        eprintln!("vipd: there is no role {:?}", arguments.name);
        return ExitCode::FAILURE;
    };
    let ident = match name {
        RoleName::Vrrp => c"vipd_vrrp",
        RoleName::Check => c"vipd_check",
        RoleName::Director => c"vipd_director",
        RoleName::Console => c"vipd_console",
    };
    if let Err(e) = log::start(ident, &arguments.log.destination()) {
        eprintln!("vipd: no log: {e}");
    }
    // What `ps` and `pgrep` show; without it that would be the name of the link that it was started by.
    if let Err(e) = std::fs::write("/proc/self/comm", ident.to_bytes()) {
        warn!("the process can't be named: {e}");
    }
    // The supervisor's is for what scripts make.
    vipd_sys::process::set_umask(0o022);
    if let Err(e) = vipd_sys::process::leave_signals_to_the_parent() {
        warn!("signals can't be left to the supervisor: {e}");
    }
    if let Err(e) = vipd_sys::stance::call_myself(&format!("vipd_{name}")) {
        warn!("the {name} role's process has no name: {e}");
    }
    let entered = match arguments.net_namespace.as_deref() {
        Some("") => vipd_sys::netns::enter_that_of(1),
        Some(name) => vipd_sys::netns::enter(name),
        None => Ok(()),
    };
    if let Err(e) = entered {
        tracing::error!("the network namespace of the {name} role can't be entered: {e}");
        return ExitCode::FAILURE;
    }
    let stream = match io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) {
        Ok(stream) if stream.peer_addr().is_ok() => stream,
        Ok(_) | Err(_) => {
            eprintln!("vipd: a role is started by the supervisor alone");
            return ExitCode::FAILURE;
        }
    };
    if name == RoleName::Vrrp {
        return roles::vrrp::run(stream);
    }
    let run = || -> io::Result<ExitCode> {
        stream.set_nonblocking(true)?;
        runtime::run(async move {
            let stream = match tokio::net::UnixStream::from_std(stream) {
                Ok(stream) => stream,
                Err(e) => {
                    tracing::error!("the socket to the supervisor can't be used: {e}");
                    return ExitCode::FAILURE;
                }
            };
            match name {
                RoleName::Check => roles::check::run(stream).await,
                RoleName::Director => roles::director::run(stream).await,
                RoleName::Console | RoleName::Vrrp => roles::console::run(stream).await,
            }
        })
    };
    run().unwrap_or_else(|e| {
        tracing::error!("the {name} role can't start: {e}");
        ExitCode::FAILURE
    })
}

/// `vipd [OPTIONS]`: the daemon, or one of the small things that options ask for instead.
fn daemon(arguments: &Daemon) -> ExitCode {
    if arguments.version {
        eprintln!("vipd {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if let Some(name) = &arguments.signum {
        return signum(name);
    }
    if let Err(e) = vipd_sys::process::ignore_questions() {
        eprintln!("vipd: signals can't be ignored while starting: {e}");
    }
    let file = arguments.use_file.clone().unwrap_or_else(|| PathBuf::from(CONFIG));
    // After forking the working directory is "/": a relative name is made absolute while it still means what was meant.
    let file = absolute(&file);
    let options = Options {
        config_id: arguments.config_id.clone(),
        include_checks_all: arguments.all_config,
        strictness: Strictness::Daemon,
        net_namespace: arguments.namespace.clone(),
        ..Options::default()
    };
    let loaded = vipd_config::load(&file, &options);
    if let Some(to) = &arguments.config_test {
        return config_test(&loaded, to);
    }
    if loaded.failed() {
        eprint!("{}", vipd_config::render_text(&loaded, color(io::stderr().is_terminal())));
        eprintln!("vipd: {} is not usable: nothing was started", file.display());
        return ExitCode::from(2);
    }
    if !vipd_sys::privilege::is_root() {
        eprintln!("vipd: the daemon needs to be root; `vipd check FILE`, `vipd doc` and `vipd status` don't");
        return ExitCode::from(4);
    }
    if !arguments.dont_fork {
        eprint!("{}", vipd_config::render_text(&loaded, color(io::stderr().is_terminal())));
        return background(arguments);
    }
    if let Err(e) = log::start(c"vipd", &arguments.log.destination()) {
        eprintln!("vipd: no log: {e}");
        return ExitCode::FAILURE;
    }
    foreground(arguments, file, options, loaded)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn foreground(arguments: &Daemon, file: PathBuf, options: Options, loaded: Loaded) -> ExitCode {
    info!("vipd {} starts with {}", env!("CARGO_PKG_VERSION"), file.display());
    for line in vipd_config::render_text(&loaded, Color::Never).lines() {
        warn!("{line}");
    }
    if arguments.snmp || arguments.snmp_agent_socket.is_some() {
        warn!("SNMP (-x, -A) is not there yet: the options do nothing");
    }
    if arguments.core_dump_pattern.is_some() {
        warn!("the pattern of core dumps (-M) is the whole host's and is left alone: set kernel.core_pattern yourself");
    }
    if (arguments.core_dump || arguments.core_dump_pattern.is_some())
        && let Err(e) = vipd_sys::process::allow_core_dumps()
    {
        warn!("core dumps can't be allowed: {e}");
    }
    if let Some(mask) = arguments.umask {
        vipd_sys::process::set_umask(mask);
    }
    if arguments.dump_conf {
        dump(&file, &options);
    }
    let namespace = loaded.config.as_ref().and_then(|c| c.global.net_namespace.clone());
    if let Some(name) = &namespace
        && let Err(e) = vipd_sys::netns::enter(name)
    {
        tracing::error!("network namespace {name} can't be entered: {e}");
        return ExitCode::FAILURE;
    }
    supervisor::run(supervisor_plan(arguments, file, options), loaded)
}

/// Logs what the file means (`-d`). Every word is kept for that, so it is read for that alone.
fn dump(file: &Path, options: &Options) {
    let options = Options { written: vipd_config::Written::Keep, ..options.clone() };
    if let Some(config) = vipd_config::load(file, &options).config {
        let text = vipd_config::setting::text(&vipd_config::effective::effective(&config));
        text.lines().for_each(|line| info!("{line}"));
    }
}

fn supervisor_plan(arguments: &Daemon, file: PathBuf, options: Options) -> Plan {
    let roles = RoleName::ALL.into_iter().filter(|name| match name {
        RoleName::Vrrp => !arguments.check,
        RoleName::Check | RoleName::Director => !arguments.vrrp,
        RoleName::Console => true,
    });
    let roles: Vec<RoleName> = roles.collect();
    // Relative names mean what they meant where the daemon was started; in the background it leaves that directory.
    let mut pid_files = vec![(None, absolute(&arguments.pid))];
    if roles.contains(&RoleName::Vrrp) {
        pid_files.push((Some(RoleName::Vrrp), absolute(&arguments.vrrp_pid)));
    }
    if roles.contains(&RoleName::Check) {
        pid_files.push((Some(RoleName::Check), absolute(&arguments.checkers_pid)));
    }
    for (_, path) in &pid_files {
        if let Some(directory) = path.parent().filter(|d| d.starts_with("/run/vipd"))
            && let Err(e) = std::fs::create_dir_all(directory)
        {
            warn!("{} can't be made: {e}", directory.display());
        }
    }
    let role_options = RoleOptions {
        keep_addresses: arguments.dont_release_vrrp,
        keep_ipvs: arguments.dont_release_ipvs,
        no_bfd: arguments.no_bfd,
        log_addresses: arguments.address_monitoring,
        socket: absolute(&arguments.socket).display().to_string(),
    };
    if arguments.announce_ready
        && let Err(e) = std::env::set_current_dir("/")
    {
        warn!("the working directory stays what it was: {e}");
    }
    Plan {
        file,
        options,
        roles,
        all_roles: arguments.all,
        pid_files,
        role_arguments: arguments.log.arguments(),
        role_options,
        respawn: if arguments.dont_respawn { Respawn::No } else { Respawn::Yes },
        umask: arguments.umask,
        ignore_sigint: arguments.ignore_sigint,
        announce_ready: arguments.announce_ready,
    }
}

/// How long the command that starts the daemon in the background waits for it.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How the start in the background went.
enum Started {
    Ready,
    /// With this status, if that is known.
    Ended(Option<u8>),
    /// It runs, but not every role does yet.
    Slow,
}

/// Without `-n`: starts the same again, in a session of its own, and waits until it says that it is ready. Nothing of the
/// caller's stays open in it (but standard error with `-l`), so that whoever waits for the caller's output gets its end.
fn background(arguments: &Daemon) -> ExitCode {
    let start = || -> io::Result<Started> {
        let here = std::env::current_dir()?;
        let mut command = std::process::Command::new("/proc/self/exe");
        command.args(std::env::args_os().skip(1)).args(["--dont-fork", "--announce-ready"]);
        command.current_dir(here).stdin(Stdio::null()).stdout(Stdio::piped());
        if !arguments.log.log_console {
            command.stderr(Stdio::null());
        }
        vipd_sys::process::detach(&mut command);
        let mut child = command.spawn()?;
        let Some(stdout) = child.stdout.take() else { return Ok(Started::Ended(None)) };
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let ready = BufReader::new(stdout).read_line(&mut line).is_ok() && line.trim() == "ready";
            let _ = said.send(ready); // nobody waits any more
        });
        Ok(match heard.recv_timeout(START_PATIENCE) {
            Ok(true) => Started::Ready,
            // It has closed its output: it ends, or has.
            Ok(false) => Started::Ended(child.wait()?.code().and_then(|code| u8::try_from(code).ok())),
            Err(_) => Started::Slow,
        })
    };
    match start() {
        Ok(Started::Ready) => ExitCode::SUCCESS,
        Ok(Started::Slow) => {
            eprintln!("vipd: the daemon runs, but after {START_PATIENCE:?} not every role is ready: see `vipd status`");
            ExitCode::SUCCESS
        }
        Ok(Started::Ended(status)) => {
            eprintln!("vipd: the daemon ended before it was ready: see its log (-l shows it here)");
            status.filter(|status| *status != 0).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(e) => {
            eprintln!("vipd: the daemon can't be started: {e}");
            ExitCode::FAILURE
        }
    }
}

/// `-t`: 0 usable, 2 not.
fn config_test(loaded: &Loaded, to: &Path) -> ExitCode {
    let text = vipd_config::render_text(loaded, Color::Never);
    let written = if to.as_os_str() == "-" {
        io::stderr().write_all(text.as_bytes())
    } else {
        let mut options = std::fs::OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).custom_flags(NO_FOLLOW).open(to);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
    };
    if let Err(e) = written {
        eprintln!("vipd: the findings can't be written: {e}");
        return ExitCode::FAILURE;
    }
    if loaded.failed() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// `--signum=NAME`
fn signum(name: &str) -> ExitCode {
    let number = match name {
        "STOP" => 15,
        "RELOAD" => 1,
        "DATA" => 10,
        "STATS" => 12,
        "STATS_CLEAR" => Asked::StatsClear.number(),
        "JSON" => Asked::Json.number(),
        "TDUMP" => Asked::Threads.number(),
        _ => {
            eprintln!("vipd: no signal for {name}: STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON or TDUMP");
            return ExitCode::FAILURE;
        }
    };
    println!("{number}");
    ExitCode::SUCCESS
}
