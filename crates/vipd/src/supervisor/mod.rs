//! The supervisor: starts the roles and starts them again, reads the configuration, runs the scripts, passes messages on.
//! It decides nothing about virtual routers or real servers.
//!
//! ```text
//!   signals --+                     +--> role: start, watch, start again with what it knew
//!   roles  ---+--> one queue of ----+--> program: MISC_CHECK; scripts: tracked ones, and those around the daemon's life
//!   programs -+    events           +--> hooks: notify scripts, FIFOs, mail
//!                                   +--> query: what is asked of all roles; view: the answers as one
//!                                   +--> files, processes: what is tracked, each in a thread of its own
//!                                   +--> absence: what is taken off the host when the vrrp role is not there to do it
//!                                   +--> reload: another configuration; timed: at a time that a file says
//!                                   +--> finding: real servers in files and behind names
//!                                   +--> servers: what operators want of real servers beside it
//! ```

mod absence;
mod estate;
mod fifo;
mod files;
mod finding;
mod followed;
mod heard;
mod hooks;
mod news;
mod noting;
mod patient;
mod processes;
mod program;
mod query;
mod reading;
mod reload;
mod role;
mod scripts;
mod servers;
mod takeover;
mod timed;
mod view;
mod watching;

use crate::found::{Found, User};
use crate::message::{Ask, Configure, Exit, FromRole, RoleOptions, Sessions, ToRole, Transition, Verdict};
use crate::orders::Orders;
use crate::part;
use crate::posture;
use crate::rate::Limit;
use crate::record::Record;
use crate::runtime;
#[cfg(test)]
pub(crate) use estate::Estate;
use followed::Followed;
use hooks::{Hooks, Mail};
use query::{Asker, Caller, Query};
use reload::{Read, Reload, warnings};
pub(crate) use role::RoleName;
use role::{Role, Running, Told};
use scripts::{Script, run_around};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::{error, info, warn};
use vipd_api::{ConfigStatus, Reply, UnixTime};
use vipd_config::discovery::{Lookup, Outcome};
use vipd_config::model::{Config, Namespace, TrackedFile, TrackedProcess};
use vipd_config::{Loaded, Memory, Options};
use vipd_lvs::settings::{MiscProbe, VirtualServerId};
use vipd_sys::clock::unix_time;
use vipd_sys::pidfile::PidFile;
use vipd_sys::process::Asked;
use vipd_vrrp::track::Cause;

/// This process runs late if it looks so much later.
const LATE: Duration = Duration::from_millis(200);
/// How long a status may take; what has not answered by then is shown as silent.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);
/// How long a role may take to leave in order.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// `MISC_CHECK` programs at once.
const PROGRAMS: usize = 64;

/// What the supervisor is told on the command line.
pub(crate) struct Plan {
    /// The configuration file, absolute.
    pub(crate) file: PathBuf,
    /// How to read it.
    pub(crate) options: Options,
    /// The roles that may run.
    pub(crate) roles: Vec<RoleName>,
    /// `--all`: they run even if the configuration has nothing for them.
    pub(crate) all_roles: bool,
    /// Pid files, by role; `None` is the supervisor itself.
    pub(crate) pid_files: Vec<(Option<RoleName>, PathBuf)>,
    /// Arguments that every role gets.
    pub(crate) role_arguments: Vec<String>,
    /// Options that roles heed.
    pub(crate) role_options: RoleOptions,
    /// `-R`: a dead role ends the daemon.
    pub(crate) respawn: Respawn,
    /// `-u`: the file creation mask, whatever the configuration says.
    pub(crate) umask: Option<u32>,
    /// `--ignore-sigint`
    pub(crate) ignore_sigint: bool,
    /// Whether to say on standard output that everything runs.
    pub(crate) announce_ready: bool,
}

/// The file creation mask that keepalived has, and its scripts with it: what they make is their user's alone.
const UMASK: u32 = 0o177;

/// What to do when a role has died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Respawn {
    /// Start it again.
    Yes,
    /// `-R`: end.
    No,
}

/// Something happened.
pub(crate) enum Event {
    /// A role said something.
    Role { name: RoleName, generation: u64, message: Box<FromRole> },
    /// The process of a role has ended.
    Gone { name: RoleName, generation: u64, how: String },
    /// A tracked script has run.
    Script { name: String, serial: u64, exit: Exit },
    /// A tracked file has another value, or its first.
    File { serial: u64, name: String, value: i64 },
    /// A file of real servers was read.
    Listing { serial: u64, path: PathBuf, outcome: Outcome },
    /// So many of a tracked process run, other than before or for the first time.
    Process { serial: u64, name: String, count: u32, cause: Cause },
    /// Whether a silent master's place may be taken.
    Cleared { ask: Ask, verdict: Result<(), String> },
    /// A program for the check role has run.
    Ran { generation: u64, id: u64, probe: MiscProbe, ended: program::Ended },
    /// A configuration was read; or why not.
    Loaded(Result<Box<Read>, String>),
    /// The file of `reload_time_file` came, changed or went.
    TimeFile(timed::Seen),
    /// An answer for an operator was made.
    Answer { caller: Caller, reply: Box<Reply> },
}

struct Supervisor {
    plan: Plan,
    /// What the file says.
    file: Arc<Config>,
    /// Real servers that were found besides.
    found: Found,
    /// What the file says, with those on top.
    grown: Arc<Config>,
    /// The files that such servers are found in.
    listings: Followed<finding::Listed, ()>,
    /// The names that such servers are found under, each with whom it is for.
    lookups: Vec<(Lookup, User)>,
    /// When they are asked for again.
    next_looks: Vec<(Lookup, UnixTime)>,
    /// What operators want of real servers.
    orders_on_servers: Orders,
    /// The ping behind the last of them that the director has not answered.
    order_pulse: Option<u64>,
    /// What is in force: the file, the servers that were found, and the orders on top of both.
    config: Arc<Config>,
    /// What makes the next reading a short one.
    memory: Arc<Memory>,
    /// The configuration before the last reload: what it removed is still told of.
    old: Arc<Config>,
    config_status: ConfigStatus,
    started: f64,
    roles: BTreeMap<RoleName, Role>,
    pid_files: BTreeMap<RoleName, PidFile>,
    events: mpsc::Sender<Event>,
    hooks: Hooks,
    /// What has happened.
    record: Record,
    untold: noting::Untold,
    /// Who waits for the connections of a weaker master, and until when at the most.
    catching: Option<(String, Instant)>,
    /// For events of weaker masters, by instance.
    lower: BTreeMap<String, Limit>,
    /// The instances that are MASTER.
    masters: BTreeSet<String>,
    scripts: BTreeMap<String, Script>,
    last_script: u64,
    files: Followed<TrackedFile, i64>,
    processes: Followed<TrackedProcess, u32>,
    programs: Arc<Semaphore>,
    /// `MISC_CHECK` programs that were killed and did not end.
    stuck: Vec<(MiscProbe, program::Leftover)>,
    verdicts: BTreeMap<(VirtualServerId, SocketAddr), Verdict>,
    /// Some did not reach the director.
    verdicts_owed: bool,
    /// Instances of which it is being found out whether they may take over.
    judging: BTreeMap<String, Ask>,
    strikes: takeover::Strikes,
    /// What the vrrp role last said of its BFD sessions.
    sessions: Sessions,
    queries: BTreeMap<u64, Query>,
    /// Orders that the vrrp role has not answered yet, and who gave them.
    orders: BTreeMap<u64, (Caller, String)>,
    next_query: u64,
    pulse: u64,
    /// The files that the configuration was last read from.
    sources: Vec<PathBuf>,
    reloading: Reload,
    timed: timed::Timed,
    /// Who waits for the next reload, and since when.
    reload_askers: Vec<(Caller, Instant)>,
    announced: bool,
}

/// Runs the daemon to its end.
pub(crate) fn run(plan: Plan, loaded: Loaded) -> ExitCode {
    runtime::run(supervise(plan, loaded)).unwrap_or_else(|e| {
        error!("the daemon can't start: {e}");
        ExitCode::FAILURE
    })
}

async fn supervise(plan: Plan, loaded: Loaded) -> ExitCode {
    let warnings = warnings(&loaded);
    let Some(config) = loaded.config.map(Arc::new) else { return ExitCode::from(2) };
    let mut held = Vec::new();
    let mut pid_files = BTreeMap::new();
    let mut predecessor = None;
    for (role, path) in &plan.pid_files {
        let file = PidFile::hold(path).map(|mut file| {
            // The lock is what counts: on a full disk the daemon serves all the same.
            if role.is_none() {
                predecessor = file.left_behind();
            }
            if role.is_none()
                && let Err(e) = file.write(Some(std::process::id()))
            {
                warn!("pid file {}: {e}", path.display());
            }
            file
        });
        match (file, role) {
            (Ok(file), Some(role)) => drop(pid_files.insert(*role, file)),
            (Ok(file), None) => held.push(file),
            (Err(e), _) => {
                error!("pid file {}: {e}; is the daemon running already?", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    let (events, queue) = mpsc::channel(4096);
    let supervisor = Supervisor::new(plan, (config, loaded.memory, loaded.files), warnings, pid_files, events);
    let code = supervisor.turn(queue, predecessor).await;
    drop(held);
    code
}

impl Supervisor {
    /// One that has started nothing yet.
    fn new(
        plan: Plan,
        (config, memory, sources): (Arc<Config>, Memory, Vec<PathBuf>),
        warnings: usize,
        pid_files: BTreeMap<RoleName, PidFile>,
        events: mpsc::Sender<Event>,
    ) -> Supervisor {
        let config_status =
            ConfigStatus { file: plan.file.display().to_string(), loaded: unix_time(), warnings, ..Default::default() };
        let started = unix_time();
        Supervisor {
            plan,
            file: config.clone(),
            found: Found::default(),
            grown: config.clone(),
            listings: Followed::default(),
            lookups: Vec::new(),
            next_looks: Vec::new(),
            orders_on_servers: Orders::default(),
            order_pulse: None,
            old: config.clone(),
            config,
            memory: Arc::new(memory),
            config_status,
            started,
            record: noting::new_record(started),
            untold: noting::Untold::default(),
            catching: None,
            lower: BTreeMap::new(),
            masters: BTreeSet::new(),
            roles: BTreeMap::new(),
            pid_files,
            events,
            hooks: Hooks::default(),
            scripts: BTreeMap::new(),
            last_script: 0,
            files: Followed::default(),
            processes: Followed::default(),
            programs: Arc::new(Semaphore::new(PROGRAMS)),
            stuck: Vec::new(),
            verdicts: BTreeMap::new(),
            verdicts_owed: false,
            judging: BTreeMap::new(),
            strikes: takeover::Strikes::default(),
            sessions: Sessions::new(),
            queries: BTreeMap::new(),
            orders: BTreeMap::new(),
            next_query: 0,
            pulse: 0,
            sources,
            reloading: Reload::No,
            timed: timed::Timed::default(),
            reload_askers: Vec::new(),
            announced: false,
        }
    }

    async fn turn(mut self, mut queue: mpsc::Receiver<Event>, predecessor: Option<u32>) -> ExitCode {
        let signals = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
            signal(SignalKind::hangup()),
            signal(SignalKind::user_defined1()),
            signal(SignalKind::user_defined2()),
        );
        let (Ok(mut term), Ok(mut int), Ok(mut hup), Ok(mut usr1), Ok(mut usr2)) = signals else {
            error!("signals can't be received");
            return ExitCode::FAILURE;
        };
        for asked in Asked::ALL {
            // Where it can't be had it stays ignored, as at the start.
            if let Ok(mut signals) = signal(SignalKind::from_raw(asked.number())) {
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        warn!("{asked} was asked for by a signal: that is not there yet; see `vipd status --json`");
                    }
                });
            }
        }
        if !vipd_sys::privilege::has_user_of_its_own() {
            warn!("there is no user vipd: the roles that need no root run as nobody, as other programs may");
        }
        if !self.wanted(RoleName::Vrrp) && !self.wanted(RoleName::Check) {
            warn!("there is no vrrp_instance and no virtual_server in the configuration: there is nothing to do");
        }
        let mut with = format!("with {}", self.plan.file.display());
        if let Some(pid) = predecessor {
            let died = format!("the daemon before it, process {pid}, was killed or died: it did not stop in order");
            warn!("{died}");
            with += &format!("; {died}");
        }
        self.note("daemon", "vipd".to_owned(), "started".to_owned(), with);
        self.inherit_found();
        self.inherit_orders();
        self.call_myself();
        self.mask_files();
        run_around(self.config.global.startup.as_ref(), "startup_script").await;
        self.hooks.configure(&self.config, &self.old);
        if self.wanted(RoleName::Vrrp) {
            self.start(RoleName::Vrrp);
        }
        self.follow_files(files::Start::Daemon);
        self.find_servers();
        let mut ended = self.await_files(&mut queue).await;
        if ended.is_none() {
            ended = self.await_listings(&mut queue).await;
        }
        if let Some(code) = ended {
            self.stop(&mut queue).await;
            return code;
        }
        self.start_roles();
        self.start_scripts();
        self.follow_processes();
        self.follow_time_file();
        self.end_marking();
        let mut last_pulse = Instant::now();
        let code = loop {
            let again = self.roles.values().filter_map(|r| r.again).min();
            let query = self.queries.values().map(|q| q.deadline).min();
            let late = self.reloading.deadline();
            let wake = [again, query, late, self.timed.wake(), self.orders_wake(), self.events_wake()];
            let wake = wake.into_iter().flatten().min();
            let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let pulse = last_pulse + self.pulse_period();
            tokio::select! {
                biased;
                Some(event) = queue.recv() => {
                    if let Some(code) = self.handle(event) {
                        break code;
                    }
                }
                Some(ended) = self.hooks.next_end() => self.hook_ended(ended),
                _ = term.recv() => break ExitCode::SUCCESS,
                _ = int.recv() => {
                    if !self.plan.ignore_sigint {
                        break ExitCode::SUCCESS;
                    }
                }
                _ = hup.recv() => self.reload(),
                _ = usr1.recv() => self.ask(Asker::Dump),
                _ = usr2.recv() => self.ask(Asker::Statistics),
                () = tokio::time::sleep_until(pulse) => {
                    // If this process itself did not run, the others are not to blame for what it didn't hear. (What
                    // `tick` gives is when it was due, which says nothing of that.)
                    let now = Instant::now();
                    let late = now.duration_since(last_pulse) > self.pulse_period() + LATE;
                    last_pulse = now;
                    self.feel_pulse(late);
                }
                () = tokio::time::sleep_until(wake) => self.wake(),
            }
        };
        self.stop(&mut queue).await;
        code
    }

    /// `process_name`: what this process is called.
    fn call_myself(&self) {
        let name = self.config.global.process.name.as_deref().unwrap_or("vipd");
        if let Err(e) = vipd_sys::stance::call_myself(name) {
            warn!("the supervisor can't be called {name}: {e}");
        }
    }

    /// What this process makes is the site's: scripts, and what they make, FIFOs, `init_file`s, pid files.
    fn mask_files(&self) {
        let mask = self.plan.umask.or(self.config.global.umask);
        vipd_sys::process::set_umask(mask.unwrap_or(UMASK));
    }

    fn wanted(&self, name: RoleName) -> bool {
        let used = match name {
            RoleName::Vrrp => {
                !self.config.instances.is_empty() || !self.config.statics.is_empty() || self.has_sessions()
            }
            RoleName::Check => {
                !self.lookups.is_empty() || self.config.services.iter().any(|service| service.lvs.is_checked())
            }
            RoleName::Director => !self.config.services.is_empty() || self.config.global.sync_daemon.is_some(),
            RoleName::Console => true,
        };
        (used || self.plan.all_roles) && self.plan.roles.contains(&name)
    }

    /// Whether there are BFD sessions to run.
    fn has_sessions(&self) -> bool {
        !self.config.bfd.is_empty() && !self.plan.role_options.no_bfd
    }

    fn start_roles(&mut self) {
        for name in RoleName::ALL {
            if self.wanted(name) && self.roles.get(&name).is_none_or(|r| r.running.is_none()) {
                self.start(name);
            }
        }
    }

    fn start(&mut self, name: RoleName) {
        let questions = self.questions();
        let role = self.roles.entry(name).or_default();
        role.again = None;
        role.generation += 1;
        let mut arguments = self.plan.role_arguments.clone();
        if name == RoleName::Director {
            arguments.extend(self.config.global.ipvs_namespace.as_ref().map(|namespace| match namespace {
                Namespace::Default => "--net-namespace=".to_owned(),
                Namespace::Named(name) => format!("--net-namespace={name}"),
            }));
        }
        match Running::start(name, role.generation, &arguments, &self.events) {
            Ok(mut running) => {
                running.impose(name, posture::of(name, &self.config));
                if name == RoleName::Check {
                    let files = self.files.values().map(|(name, value)| ToRole::File { name: name.clone(), value });
                    for told in files.chain([ToRole::Sessions(self.sessions.clone()), questions]) {
                        let _ = running.tell(&told); // its queue is empty
                    }
                }
                let mut snapshot = role.snapshot.clone();
                let mut gone = role.estate.take_gone(&self.config.services);
                let idle = part::idle(&self.old);
                for part in part::first(name, &self.config) {
                    let (snapshot, options) = (snapshot.take(), self.plan.role_options.clone());
                    let mut known = match name {
                        RoleName::Check => part::newly_checked(&idle, &part.config.services),
                        RoleName::Vrrp | RoleName::Director | RoleName::Console => std::mem::take(&mut gone),
                    };
                    // What a predecessor knew goes before.
                    known.extend(role.estate.of(&part.config.services));
                    let configure = Configure { part, snapshot, known, last_seen: role.last_seen, options };
                    let _ = running.tell(&ToRole::Configure(Box::new(configure))); // its queue is empty
                }
                if name == RoleName::Vrrp {
                    for (name, value) in self.files.values() {
                        let _ = running.tell(&ToRole::File { name: name.clone(), value }); // its queue is empty
                    }
                    let counts = self.processes.values();
                    let cause = Cause::Seen;
                    let counts = counts.map(|(name, count)| ToRole::Process { name: name.clone(), count, cause });
                    for told in counts {
                        let _ = running.tell(&told); // the same
                    }
                }
                if name == RoleName::Director {
                    let all = ToRole::Verdicts(self.verdicts.values().cloned().collect());
                    self.verdicts_owed = !self.verdicts.is_empty() && running.tell(&all) == Told::No;
                }
                info!("started the {name} role, process {}", running.pid);
                let pid = running.pid;
                role.running = Some(running);
                self.note_pid(name, Some(pid));
                match name {
                    RoleName::Console => self.tell_all_events(),
                    RoleName::Director => {
                        self.tell_mastership();
                        self.ask_again_for_connections();
                    }
                    RoleName::Vrrp | RoleName::Check => {}
                }
                self.note("role", name.to_string(), "started".to_owned(), format!("process {pid}"));
            }
            Err(e) => {
                error!("the {name} role can't be started: {e}");
                role.died(&format!("could not be started: {e}"));
                self.note_absence(name);
            }
        }
    }

    fn note_pid(&mut self, name: RoleName, pid: Option<u32>) {
        if let Some(file) = self.pid_files.get_mut(&name)
            && let Err(e) = file.write(pid)
        {
            warn!("pid file of the {name} role: {e}");
        }
    }

    fn tell(&self, name: RoleName, message: &ToRole) {
        if let Some(running) = self.roles.get(&name).and_then(|r| r.running.as_ref()) {
            let _ = running.tell(message); // one that takes nothing more hangs, and is ended for that
        }
    }

    /// Passes verdicts on. One that finds no place would leave a dead server in the table: all are owed then, until all
    /// were told again.
    fn tell_verdicts(&mut self, verdicts: Vec<Verdict>) {
        if self.pass_verdicts(verdicts) == Told::No && !std::mem::replace(&mut self.verdicts_owed, true) {
            warn!("the director is far behind: it gets every verdict anew as soon as it takes one");
        }
    }

    /// A director that is not there gets all of them when it starts.
    fn pass_verdicts(&self, verdicts: Vec<Verdict>) -> Told {
        let director = self.roles.get(&RoleName::Director).and_then(|r| r.running.as_ref());
        director.map_or(Told::Yes, |running| running.tell(&ToRole::Verdicts(verdicts)))
    }

    fn wake(&mut self) {
        let now = Instant::now();
        let due: Vec<RoleName> =
            self.roles.iter().filter(|(_, r)| r.again.is_some_and(|at| at <= now)).map(|(n, _)| *n).collect();
        for name in due {
            self.start(name);
        }
        let late: Vec<u64> = self.queries.iter().filter(|(_, q)| q.deadline <= now).map(|(id, _)| *id).collect();
        for id in late {
            self.answer(id);
        }
        if self.events_wake().is_some_and(|at| at <= now) {
            self.tell_events();
        }
        self.orders_in_time();
        self.reload_is_late(now);
        self.reload_in_time();
    }

    /// Handles an event; an exit code if that was the end.
    fn handle(&mut self, event: Event) -> Option<ExitCode> {
        match event {
            Event::Role { name, generation, message } => {
                let role = self.roles.get_mut(&name)?;
                if role.generation == generation {
                    self.heard(name, generation, *message);
                }
                None
            }
            Event::Gone { name, generation, how } => self.gone(name, generation, &how),
            Event::Script { name, serial, exit } => {
                if self.scripts.get(&name).is_some_and(|script| script.serial == serial) {
                    self.tell(RoleName::Vrrp, &ToRole::Script { name, exit });
                }
                None
            }
            Event::File { serial, name, value } => {
                self.file_says(serial, name, value);
                None
            }
            Event::Listing { serial, path, outcome } => {
                self.listing_says(serial, path, &outcome);
                None
            }
            Event::Process { serial, name, count, cause } => {
                self.process_runs(serial, name, count, cause);
                None
            }
            Event::Cleared { ask, verdict } => {
                self.judged(ask, verdict);
                None
            }
            Event::Ran { generation, id, probe, ended: program::Ended { exit, leftover } } => {
                if leftover.is_some() {
                    self.stuck.push((probe, leftover));
                }
                if self.roles.get(&RoleName::Check).is_some_and(|r| r.generation == generation) {
                    self.tell(RoleName::Check, &ToRole::Ran { id, exit });
                }
                None
            }
            Event::Answer { caller, reply } => {
                self.reply(caller, *reply);
                None
            }
            Event::Loaded(loaded) => {
                self.loaded(loaded);
                None
            }
            Event::TimeFile(seen) => {
                self.timed.seen(seen);
                None
            }
        }
    }

    /// Tells whoever started the daemon that everything runs.
    fn announce(&mut self) {
        let ready = |name: &RoleName| {
            self.roles.get(name).and_then(|r| r.running.as_ref()).is_some_and(|running| running.ready)
        };
        if self.announced || !RoleName::ALL.iter().filter(|n| self.wanted(**n)).all(ready) {
            return;
        }
        self.announced = true;
        info!("every role is ready");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]); // not started by systemd: nobody to tell
        if self.plan.announce_ready {
            use std::io::Write;
            let _ = writeln!(std::io::stdout(), "ready"); // whoever waited may have been interrupted
        }
    }

    fn transition(&mut self, transition: &Transition) {
        self.note_mastership(transition);
        self.note_transition(transition);
        let mail = self.hooks.transition(&self.config, &self.old, transition);
        self.mail(mail);
    }

    /// A notify script has ended.
    fn hook_ended(&mut self, ended: hooks::Ended) {
        if let Some((subject, run)) = self.hooks.ended(ended) {
            self.note_hook(subject, run);
        }
    }

    fn mail(&self, mail: Option<Mail>) {
        if let Some(Mail { subject, body }) = mail {
            self.tell(RoleName::Console, &ToRole::Mail { subject, body });
        }
    }

    /// The end: addresses first, so that a peer takes over while the rest is cleared away.
    async fn stop(&mut self, queue: &mut mpsc::Receiver<Event>) {
        info!("stopping");
        self.note("daemon", "vipd".to_owned(), "stopping".to_owned(), String::new());
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        for script in self.scripts.values() {
            script.task.abort();
        }
        self.stop_roles(&[RoleName::Vrrp], queue).await;
        // It did so itself, unless it was dead or did not leave in order.
        self.release(&Config::default());
        self.release_leftovers(RoleName::Vrrp);
        self.reloading = Reload::Over;
        let director = RoleName::Director;
        if self.roles.get(&director).is_some_and(|r| r.running.is_none()) && self.wanted(director) {
            info!("the {director} role is not running: started once more, to clear the table");
            self.start(director);
        }
        self.stop_roles(&[director, RoleName::Check], queue).await;
        self.tell_events();
        for (subject, run) in self.hooks.finish().await {
            self.note_hook(subject, run);
        }
        self.stop_roles(&[RoleName::Console], queue).await;
        run_around(self.config.global.shutdown.as_ref(), "shutdown_script").await;
        info!("stopped");
    }

    async fn stop_roles(&mut self, names: &[RoleName], queue: &mut mpsc::Receiver<Event>) {
        for name in names {
            self.tell(*name, &ToRole::Stop);
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        let running = |s: &Supervisor| names.iter().any(|n| s.roles.get(n).is_some_and(|r| r.running.is_some()));
        while running(self) {
            let event = tokio::select! {
                event = tokio::time::timeout_at(deadline, queue.recv()) => event,
                Some(ended) = self.hooks.next_end() => {
                    self.hook_ended(ended);
                    continue;
                }
            };
            match event {
                Ok(Some(Event::Gone { name, generation, .. })) => {
                    if let Some(role) = self.roles.get_mut(&name).filter(|r| r.generation == generation) {
                        role.running = None;
                    }
                }
                Ok(Some(Event::Role { name, generation, message })) => {
                    if self.roles.get(&name).is_some_and(|r| r.generation == generation) {
                        self.heard(name, generation, *message);
                    }
                }
                Ok(Some(
                    Event::Script { .. }
                    | Event::File { .. }
                    | Event::Listing { .. }
                    | Event::Process { .. }
                    | Event::Ran { .. }
                    | Event::Cleared { .. }
                    | Event::Loaded(_)
                    | Event::TimeFile(_)
                    | Event::Answer { .. },
                )) => {}
                Ok(None) => return,
                Err(_) => {
                    warn!("not every role left in order within {STOP_PATIENCE:?}: the rest is ended");
                    for name in names {
                        if let Some(running) = self.roles.get_mut(name).and_then(|r| r.running.take()) {
                            let _ = vipd_sys::process::signal_process(running.pid, 9); // gone already: as well
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
