//! Reading the configuration again: off to the side, judged as a whole, taken as a whole or not at all.

use super::files::Start;
use super::query::Caller;
use super::role::Told;
use super::{Event, RoleName, Supervisor, reading};
use crate::found::Found;
use crate::message::{Configure, Known, ToRole};
use crate::orders::{Ended, Orders, Outlived};
use crate::output::counted;
use crate::part::{self, Difference};
use crate::posture;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};
use vipd_api::{Refused, Reloaded, Reply};
use vipd_config::diag::{Diagnostic, Level};
use vipd_config::model::Config;
use vipd_config::{Color, Loaded};
use vipd_lvs::settings::{RealServer, VirtualServerId};
use vipd_sys::clock::{monotonic_micros, unix_time};

/// How long a file may take to be read, before who asked is told; and the roles to take a configuration over, before the
/// next reload begins.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How many may wait for the next reload: more than the console has sessions.
pub(super) const ASKERS: usize = 64;

/// How many changes whoever asked is told of, and how many of those are logged; the rest is counted.
const CHANGES: usize = 10_000;
const LOGGED: usize = 100;

/// Bytes of a list in an event: less than an event may have (`record`).
const LISTED: usize = 400;

/// Where a reload stands. There is one at a time, from the file to the last role: who asks meanwhile gets one more.
pub(super) enum Reload {
    No,
    /// The file is being read; whether another one was asked for meanwhile.
    Reading(Reading, Next),
    /// The roles are taking it over.
    Settling(Settling, Next),
    /// The daemon stops.
    Over,
}

/// Whether another reload follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Nothing,
    Again,
}

/// A configuration that is being read.
#[derive(Default)]
pub(super) struct Reading {
    /// Who waits for it.
    askers: Vec<(Caller, Instant)>,
    /// When it has taken too long; `None`: it has, and that was told.
    deadline: Option<Instant>,
}

/// A configuration that was read.
pub(crate) struct Read {
    loaded: Loaded,
    /// `None`: it is not usable.
    taking: Option<Taking>,
    /// What was found in it, located.
    findings: String,
}

/// A configuration that may take the place of the one in force.
struct Taking {
    file: Arc<Config>,
    /// What was found of real servers.
    found: Found,
    /// The same with these on top.
    grown: Config,
    /// What operators want that still means something.
    orders: Orders,
    ended: Vec<Ended>,
    /// What would be in force.
    config: Config,
    /// With this one.
    against: Arc<Config>,
    compared: Compared,
}

impl Taking {
    /// `before`: what was in force without orders.
    fn new(
        file: Arc<Config>,
        (mut found, before): (Found, &Config),
        mut orders: Orders,
        against: Arc<Config>,
    ) -> Taking {
        found.seed(&file, before, unix_time());
        let grown = found.on_top_of(&file);
        let ended = orders.outlive(&grown, Outlived::Reload);
        let config = orders.on_top_of(&grown);
        let compared = Compared::between(&against, &config);
        Taking { file, found, grown, orders, ended, config, against, compared }
    }
}

/// A configuration that was handed to the roles.
pub(super) struct Settling {
    /// A role that answers this ping, or a later one, has it: messages keep their order.
    ping: u64,
    /// Who has not answered.
    awaited: Vec<RoleName>,
    deadline: Instant,
    askers: Vec<(Caller, Instant)>,
    reloaded: Reloaded,
}

impl Reload {
    /// When it has taken too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Reload::Settling(settling, _) => Some(settling.deadline),
            Reload::Reading(reading, _) => reading.deadline,
            Reload::No | Reload::Over => None,
        }
    }

    /// Whether that role may still have the configuration before.
    pub(super) fn awaits(&self, name: RoleName) -> bool {
        matches!(self, Reload::Settling(settling, _) if settling.awaited.contains(&name))
    }
}

impl Supervisor {
    /// An operator wants the configuration to be read again, and waits for what comes of it.
    pub(super) fn reload_for(&mut self, caller: Caller) {
        if self.reload_askers.len() >= ASKERS {
            let message = format!("{ASKERS} others wait for the next reload already: ask again later");
            self.reply(caller, Reply::Error { message });
            return;
        }
        self.reload_askers.push((caller, Instant::now()));
        self.reload();
        if matches!(&self.reloading, Reload::Reading(reading, _) if reading.deadline.is_none()) {
            self.answer_in_vain();
        }
    }

    /// SIGHUP, `vipd reload`, or the time has come: reads the configuration off to the side.
    pub(super) fn reload(&mut self) {
        match &mut self.reloading {
            Reload::Reading(_, next) | Reload::Settling(_, next) => *next = Next::Again,
            Reload::Over => info!("stopping: the configuration is not read again"),
            Reload::No => {
                let askers = std::mem::take(&mut self.reload_askers);
                let deadline = Some(Instant::now() + PATIENCE);
                self.reloading = Reload::Reading(Reading { askers, deadline }, Next::Nothing);
                info!("reading {} again", self.plan.file.display());
                let (file, options, events) = (self.plan.file.clone(), self.plan.options.clone(), self.events.clone());
                let (known, mark) = (self.sources.clone(), self.mark());
                let (before, memory) = (Arc::clone(&self.file), Arc::clone(&self.memory));
                let (old, orders) = (Arc::clone(&self.config), self.orders_on_servers.clone());
                let (found, grown) = (self.found.clone(), Arc::clone(&self.grown));
                let read = tokio::task::spawn_blocking(move || {
                    let mut loaded = reading::read(&file, &options, Some((&before, &memory)), &known, mark.as_deref())?;
                    let findings = vipd_config::render_text(&loaded, Color::Never);
                    let taking = loaded
                        .config
                        .take()
                        .map(|new| Taking::new(Arc::new(new), (found, &grown), orders, Arc::clone(&old)));
                    if let Some(file) = &old.global.reload_findings
                        && let Err(e) = reading::write_findings(file, &findings)
                    {
                        warn!("the findings can't be written to {}: {e}", file.display());
                    }
                    Ok(Box::new(Read { loaded, taking, findings }))
                });
                tokio::spawn(async move {
                    // Were a file to make the reader panic, the next one would be read all the same.
                    let loaded = read.await.unwrap_or_else(|e| Err(format!("the reader failed: {e}")));
                    let _ = events.send(Event::Loaded(loaded)).await; // closed at the end of the process alone
                });
            }
        }
    }

    /// A configuration was read: it is taken as a whole, or the old one stays as a whole.
    pub(super) fn loaded(&mut self, read: Result<Box<Read>, String>) {
        let (askers, next) = match std::mem::replace(&mut self.reloading, Reload::No) {
            Reload::Reading(reading, next) => (reading.askers, next),
            other => {
                self.reloading = other;
                return;
            }
        };
        let mut reloaded = Reloaded { file: self.config_status.file.clone(), ..Reloaded::default() };
        let Read { loaded, taking, findings } = match read {
            Ok(read) => *read,
            Err(why) => {
                reloaded.findings.clone_from(&why);
                self.refuse(why.clone(), why);
                self.reloaded(askers, &reloaded, next);
                return;
            }
        };
        let warnings = warnings(&loaded);
        self.sources.clone_from(&loaded.files);
        match taking {
            Some(taking) if let Some(why) = vipd_config::plan::forbidden(&self.config, &taking.config) => {
                reloaded.findings = format!("{}: {why}", reloaded.file);
                self.refuse(reloaded.findings.clone(), reloaded.findings.clone());
            }
            Some(mut taking) => {
                for line in findings.lines() {
                    warn!("{line}");
                }
                if !Arc::ptr_eq(&taking.against, &self.config) {
                    // An operator has ordered something, or a server was found, while the file was being read.
                    let (orders, against) = (self.orders_on_servers.clone(), Arc::clone(&self.config));
                    taking = Taking::new(taking.file, (self.found.clone(), &self.grown), orders, against);
                }
                let Taking { file, found, grown, orders, ended, config, compared, .. } = taking;
                for change in compared.changes.iter().take(LOGGED) {
                    info!("{change}");
                }
                let more = compared.changes.len().saturating_sub(LOGGED) + compared.more;
                if more > 0 {
                    info!("and {more} more changes");
                }
                self.memory = Arc::new(loaded.memory);
                self.file = file;
                self.grown = Arc::new(grown);
                self.found = found;
                self.found.keep_to(&self.file);
                self.keep_found();
                self.tell_ended(&ended);
                if self.orders_on_servers != orders {
                    self.orders_on_servers = orders;
                    let _ = self.keep_orders(); // it says so itself
                }
                self.take(config, &compared, warnings);
                (reloaded.changes, reloaded.more_changes) = (compared.changes, compared.more);
                (reloaded.taken, reloaded.warnings, reloaded.findings) = (true, warnings, findings);
                self.settle(askers, reloaded, next);
                return;
            }
            None => {
                // What is in the way, and nothing else; `vipd check` shows the rest.
                let errors: Vec<Diagnostic> =
                    loaded.diagnostics.into_iter().filter(|d| d.level == Level::Error).collect();
                let briefly = list(&errors, loaded.unkept);
                let errors = Loaded { config: None, diagnostics: errors, ..loaded };
                reloaded.findings = vipd_config::render_text(&errors, Color::Never);
                self.refuse(reloaded.findings.clone(), briefly);
            }
        }
        self.reloaded(askers, &reloaded, next);
    }

    /// Asks every role for a sign that it has taken the configuration over.
    fn settle(&mut self, askers: Vec<(Caller, Instant)>, reloaded: Reloaded, next: Next) {
        self.pulse += 1;
        let running = self.roles.iter().filter(|(_, role)| role.running.is_some());
        let awaited: Vec<RoleName> = running.map(|(name, _)| *name).collect();
        for name in &awaited {
            self.tell(*name, &ToRole::Ping(self.pulse));
        }
        let deadline = Instant::now() + PATIENCE;
        self.reloading = Reload::Settling(Settling { ping: self.pulse, awaited, deadline, askers, reloaded }, next);
        self.settled();
    }

    /// A role has answered a ping.
    pub(super) fn reload_answered(&mut self, name: RoleName, ping: u64) {
        if matches!(&self.reloading, Reload::Settling(settling, _) if settling.ping <= ping) {
            self.reload_reached(name);
        }
    }

    /// A role has the new configuration, or will start with it.
    pub(super) fn reload_reached(&mut self, name: RoleName) {
        if let Reload::Settling(settling, _) = &mut self.reloading {
            settling.awaited.retain(|awaited| *awaited != name);
            self.settled();
        }
    }

    /// Goes on without the roles that are late. A file that is late is waited for, on a disk that may be dead: another
    /// reading would hang there, too. But nobody who asked waits with it.
    pub(super) fn reload_is_late(&mut self, now: Instant) {
        if self.reloading.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match &mut self.reloading {
            Reload::Reading(reading, _) => {
                reading.deadline = None;
                let askers = std::mem::take(&mut reading.askers);
                self.reload_askers.extend(askers);
                warn!("{}", self.still_reading());
                self.answer_in_vain();
            }
            _ => self.settled(),
        }
    }

    fn still_reading(&self) -> String {
        let file = self.plan.file.display();
        format!("still reading {file} after {PATIENCE:?}: is it, or what it includes, on a disk that doesn't answer?")
    }

    /// Tells everybody who waits for a reload that none will come soon.
    fn answer_in_vain(&mut self) {
        let message = self.still_reading();
        for (caller, _) in std::mem::take(&mut self.reload_askers) {
            self.reply(caller, Reply::Error { message: message.clone() });
        }
    }

    fn settled(&mut self) {
        let over = |s: &Settling| s.awaited.is_empty() || s.deadline <= Instant::now();
        match std::mem::replace(&mut self.reloading, Reload::No) {
            Reload::Settling(settling, next) if over(&settling) => {
                let silent: Vec<String> = settling.awaited.iter().map(ToString::to_string).collect();
                match silent.as_slice() {
                    [] => info!("the new configuration is in force"),
                    silent => warn!("the new configuration is in force but for {}", silent.join(", ")),
                }
                let reloaded = Reloaded { silent, ..settling.reloaded };
                let cause = match reloaded.changes.len() + reloaded.more_changes {
                    0 => "it means the same as before".to_owned(),
                    n => format!("{}: {}", counted(n, "change"), list(&reloaded.changes, reloaded.more_changes)),
                };
                self.note("reload", "configuration".to_owned(), "in force".to_owned(), cause);
                self.hooks.repeat_states(&self.config);
                self.reloaded(settling.askers, &reloaded, next);
            }
            other => self.reloading = other,
        }
    }

    /// The reload is over: tells who asked for it, and begins the next one.
    pub(super) fn reloaded(&mut self, askers: Vec<(Caller, Instant)>, reloaded: &Reloaded, next: Next) {
        for (caller, since) in askers {
            let reply = Reply::Reload(Reloaded { took: since.elapsed().as_secs_f64(), ..reloaded.clone() });
            self.reply(caller, reply);
        }
        if next == Next::Again {
            self.reload();
        }
    }

    /// `reload_file`: the file that is there while the configuration is read.
    fn mark(&self) -> Option<PathBuf> {
        let mark = self.config.global.reload_file.as_ref()?;
        let own = self.plan.pid_files.iter().find(|(role, _)| role.is_none());
        let beside = own.and_then(|(_, pid_file)| pid_file.parent());
        Some(beside.map_or_else(|| mark.clone(), |directory| directory.join(mark)))
    }

    /// Removes the mark of a configuration that is in force: whoever made it waits for that.
    pub(super) fn end_marking(&self) {
        if let Some(mark) = self.mark() {
            tokio::task::spawn_blocking(move || reading::unmark(&mark));
        }
    }

    /// Drops what was said of virtual and real servers that are no longer there, or no longer checked.
    fn forget(&mut self, difference: &Difference) {
        let touched = difference.touched.iter().filter_map(|at| self.config.services.get(*at));
        let touched: HashMap<&VirtualServerId, Vec<SocketAddr>> =
            touched.map(|s| (&s.lvs.id, checked(&s.lvs.real_servers))).collect();
        let removed: HashSet<&VirtualServerId> = difference.removed.iter().collect();
        self.verdicts.retain(|(id, address), _| {
            !removed.contains(id) && touched.get(id).is_none_or(|servers| servers.contains(address))
        });
        // Also what came on the way after an earlier reload.
        let there: HashSet<&VirtualServerId> = self.config.services.iter().map(|s| &s.lvs.id).collect();
        for (name, role) in &mut self.roles {
            // A director that is not there has yet to tell that they are gone.
            if *name != RoleName::Director || role.running.is_some() {
                role.estate.keep(&there);
            }
        }
    }

    /// `briefly`: the same in a line.
    fn refuse(&mut self, errors: String, briefly: String) {
        error!("the new configuration is not usable; the running one stays in force:");
        for line in errors.lines() {
            error!("{line}");
        }
        self.note("reload", "configuration".to_owned(), "refused".to_owned(), briefly);
        self.config_status.refused = Some(Refused { at: unix_time(), errors });
    }

    fn take(&mut self, config: Config, compared: &Compared, warnings: usize) {
        self.config_status.loaded = unix_time();
        self.config_status.reloads += 1;
        self.config_status.warnings = warnings;
        self.config_status.refused = None;
        if compared.same {
            info!("the configuration means the same as before: nothing is touched");
            self.old = Arc::clone(&self.config);
            self.hooks.configure(&self.config, &self.old);
            self.find_servers();
            return;
        }
        let before = std::mem::replace(&mut self.config, Arc::new(config));
        self.old = Arc::clone(&before);
        self.call_myself();
        self.mask_files();
        self.hand_over(&before, &compared.services);
        self.tell_mastership();
        self.find_servers(); // who asks for their names may have to be started
        self.start_roles();
        self.start_scripts();
        self.tell_files();
        self.follow_files(Start::Reload);
        self.follow_processes();
        self.follow_time_file();
        if self.config.global.reload_file != self.old.global.reload_file {
            self.end_marking();
        }
    }

    /// Hands what differs between the configuration in force and the one before it to the roles.
    pub(super) fn hand_over(&mut self, before: &Config, services: &Difference) {
        self.forget(services);
        self.hooks.configure(&self.config, &self.old);
        let idle = part::idle(before);
        for (name, role) in &mut self.roles {
            let Some(running) = &mut role.running else { continue };
            running.impose(*name, posture::of(*name, &self.config));
            for part in part::next(*name, before, &self.config, services) {
                let options = self.plan.role_options.clone();
                let known = match name {
                    RoleName::Check => part::newly_checked(&idle, &part.config.services),
                    RoleName::Vrrp | RoleName::Director | RoleName::Console => Known::new(),
                };
                let last_seen = monotonic_micros();
                let configure = Configure { part, snapshot: None, known, last_seen, options };
                if running.tell(&ToRole::Configure(Box::new(configure))) == Told::No {
                    error!("the {name} role takes no more messages: it is started anew with the new configuration");
                    let _ = vipd_sys::process::signal_process(running.pid, 9); // gone already: as well
                    break;
                }
            }
        }
    }
}

/// The addresses of those that have checks.
fn checked(servers: &[RealServer]) -> Vec<SocketAddr> {
    servers.iter().filter(|real| !real.checkers.is_empty()).map(|real| real.address).collect()
}

/// What an event tells of a list, of which `more` are not here: as many as have room, and how many there are besides.
fn list<T: ToString>(all: &[T], more: usize) -> String {
    let mut text = String::new();
    for (told, one) in all.iter().map(ToString::to_string).enumerate() {
        if told > 0 && text.len() + one.len() > LISTED {
            return format!("{text}; and {} more", all.len() - told + more);
        }
        text.push_str(if told > 0 { "; " } else { "" });
        text.push_str(&one);
    }
    if more > 0 { format!("{text}; and {more} more") } else { text }
}

/// What differs between the configuration in force and another one.
#[derive(Default)]
struct Compared {
    /// Nothing does.
    same: bool,
    /// In words.
    changes: Vec<String>,
    /// How many of them are left out.
    more: usize,
    services: Difference,
}

impl Compared {
    fn between(old: &Config, new: &Config) -> Compared {
        if old == new {
            return Compared { same: true, ..Compared::default() };
        }
        let all = vipd_config::changes::changes(old, new);
        let changes = all.iter().take(CHANGES).map(ToString::to_string).collect();
        Compared {
            same: false,
            changes,
            more: all.len().saturating_sub(CHANGES),
            services: Difference::between(old, new),
        }
    }
}

pub(super) fn warnings(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.level == Level::Warning).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_what_has_room_and_counts_the_rest() {
        assert_eq!(list(&["a", "b"], 0), "a; b");
        assert_eq!(list(&["a"], 3), "a; and 3 more");
        let long = "x".repeat(LISTED + 1);
        assert_eq!(list(&[long.as_str()], 0), long);
        let many: Vec<usize> = (1000..2000).collect();
        let text = list(&many, 5);
        assert!(text.len() < LISTED + 30 && text.ends_with(" more"), "{text}");
        let told = text.matches("; ").count();
        assert!(text.ends_with(&format!("; and {} more", 1000 - told + 5)), "{text}");
    }
}
