//! The check role: runs the probes when they are due and tells the supervisor what each real server is worth. It reads
//! what servers answer, so it has no rights to speak of.
//!
//! ```text
//!   schedule --due--> probe (a task; MISC_CHECK: a program that the supervisor runs) --outcome--> lvs::health
//!       ^                                                                                            |
//!       +------------------------------------ next run ----------------------------------------------+--> Verdicts
//! ```

use crate::channel::{self, Receiver, Sender};
use crate::message::{Configure, Exit, FromRole, StatusPart, ToRole, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, error, info, warn};
use vipd_api::CheckStatus;
use vipd_check::http::{Request, Version};
use vipd_check::tls::Tls;
use vipd_check::{Target, http, tcp, tls};
use vipd_lvs::health::{Health, Outcome, Standing, State, Turn, judge, matches};
use vipd_lvs::settings::{Checker, HttpVersion, Probe, RealServer, VirtualServer, VirtualServerId};
use vipd_sys::clock::{monotonic_micros, unix_time};
use vipd_sys::privilege::{Capability, Identity, keep_only};

/// Probes at once: more wait for their turn.
const PROBES: usize = 1024;
/// The least time between two snapshots.
const SNAPSHOT_GAP: Duration = Duration::from_secs(1);

/// A real server of a virtual server.
type Server = (VirtualServerId, SocketAddr);

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) async fn run(stream: UnixStream) -> ExitCode {
    // For bind_port below 1024, and for fwmark.
    if let Err(e) = keep_only(&[Capability::CAP_NET_BIND_SERVICE, Capability::CAP_NET_RAW], Identity::Unprivileged) {
        warn!("privileges can't be given up: {e}");
    }
    let (mut receiver, sender) = channel::split(stream);
    let (results, mut queue) = mpsc::channel(1024);
    match Role::new(sender, results).turn(&mut receiver, &mut queue).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!("the check role ends: {e}");
            ExitCode::FAILURE
        }
    }
}

fn now() -> Duration {
    Duration::from_micros(monotonic_micros())
}

/// One check at work.
struct Check {
    server: Server,
    health: Health,
    running: bool,
    started: Duration,
    last_run: Option<f64>,
    took: Duration,
}

/// What was known of a real server before a configuration: what it was, and its checks in their order.
#[derive(Default)]
struct Before {
    alive: bool,
    checks: Vec<(u64, Check)>,
}

/// What a probe task sends back.
struct Ran {
    serial: u64,
    outcome: Outcome,
}

struct Role {
    sender: Sender,
    checks: BTreeMap<u64, Check>,
    /// The real servers, in the order of the configuration, with their checks.
    servers: BTreeMap<Server, Vec<u64>>,
    /// The weights that the configuration gives them.
    weights: BTreeMap<Server, u32>,
    due: BTreeSet<(Duration, u64)>,
    told: BTreeMap<Server, (bool, Option<u32>, String)>,
    serial: u64,
    results: mpsc::Sender<Ran>,
    probes: Arc<Semaphore>,
    snapshot_at: Option<Duration>,
    /// What the predecessor knew of servers that the first configuration has not come to yet.
    inherited: BTreeMap<Server, Before>,
    /// What is to be told with the last piece of a configuration.
    verdicts: Vec<Verdict>,
    /// Servers with a result that is not told yet.
    changed: BTreeSet<Server>,
    /// When the last one was sent.
    kept: Option<Duration>,
    configured: bool,
}

impl Role {
    fn new(sender: Sender, results: mpsc::Sender<Ran>) -> Role {
        Role {
            sender,
            checks: BTreeMap::new(),
            servers: BTreeMap::new(),
            weights: BTreeMap::new(),
            due: BTreeSet::new(),
            told: BTreeMap::new(),
            serial: 0,
            results,
            probes: Arc::new(Semaphore::new(PROBES)),
            snapshot_at: None,
            inherited: BTreeMap::new(),
            verdicts: Vec::new(),
            changed: BTreeSet::new(),
            kept: None,
            configured: false,
        }
    }

    async fn turn(&mut self, receiver: &mut Receiver, queue: &mut mpsc::Receiver<Ran>) -> io::Result<()> {
        loop {
            let due = self.due.first().map(|(at, _)| *at);
            let wake = [due, self.snapshot_at].into_iter().flatten().min();
            let sleep = wake.map_or(Duration::from_secs(3600), |at| at.saturating_sub(now()));
            tokio::select! {
                message = receiver.next::<ToRole>() => match message? {
                    Some(message) => {
                        if self.handle(message).await? == Go::Leave {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                },
                Some(first) = queue.recv() => {
                    // A switch that dies takes a thousand servers with it: what is known by now is told together.
                    self.ran(first.serial, first.outcome);
                    while let Ok(next) = queue.try_recv() {
                        self.ran(next.serial, next.outcome);
                    }
                    self.tell().await?;
                }
                () = tokio::time::sleep(sleep) => self.work().await?,
            }
        }
    }

    async fn handle(&mut self, message: ToRole) -> io::Result<Go> {
        match message {
            ToRole::Configure(configure) => self.configure(*configure).await?,
            ToRole::Ran { id, exit } => {
                let outcome = self.checks.get(&id).map(|check| misc_outcome(check.health.settings(), &exit));
                if let Some(outcome) = outcome {
                    self.ran(id, outcome);
                    self.tell().await?;
                }
            }
            ToRole::Query(id) => {
                let part = Box::new(self.status());
                self.sender.send(&FromRole::Status { id, part }).await?;
            }
            ToRole::Ping(n) => self.sender.send(&FromRole::Beat(n)).await?,
            ToRole::Stop => {
                self.sender.send(&FromRole::Done).await?;
                return Ok(Go::Leave);
            }
            ToRole::Script { .. } | ToRole::Verdicts(_) | ToRole::Mail { .. } | ToRole::Reply { .. } => {}
        }
        Ok(Go::On)
    }

    /// Takes a piece of a configuration. What is known of a check stays known, whatever changes in its settings.
    async fn configure(&mut self, configure: Configure) -> io::Result<()> {
        if let Some(snapshot) = configure.snapshot.filter(|_| !self.configured) {
            self.inherited = self.inherited(snapshot);
        }
        let part = configure.part;
        for id in &part.removed {
            self.put_down(id);
        }
        for service in &part.config.services {
            let mut old = self.put_down(&service.lvs.id);
            self.take_service(&service.lvs, &mut old);
            // Whatever it is now, it is told once.
            for real in &service.lvs.real_servers {
                let verdict = self.verdict(&(service.lvs.id.clone(), real.address));
                self.verdicts.extend(verdict);
            }
        }
        if part.more {
            return Ok(());
        }
        let verdicts = std::mem::take(&mut self.verdicts);
        if !verdicts.is_empty() {
            self.sender.send(&FromRole::Verdicts(verdicts)).await?;
        }
        self.inherited.clear();
        if !self.configured {
            self.configured = true;
            self.sender.send(&FromRole::Ready).await?;
        }
        self.snapshot_at = Some(now() + SNAPSHOT_GAP);
        Ok(())
    }

    /// What the predecessor knew.
    fn inherited(&mut self, snapshot: serde_json::Value) -> BTreeMap<Server, Before> {
        let list: Vec<(Server, Health)> = serde_json::from_value(snapshot).unwrap_or_else(|e| {
            warn!("what the predecessor knew can't be read ({e}): starting anew");
            Vec::new()
        });
        let mut old: BTreeMap<Server, Before> = BTreeMap::new();
        for (server, health) in list {
            let check = Check::new(server.clone(), health.resume(now()));
            let serial = self.next_serial();
            old.entry(server).or_default().checks.push((serial, check));
        }
        for before in old.values_mut() {
            before.alive = judge(0, before.checks.iter().map(|(_, check)| &check.health)).0;
        }
        old
    }

    /// What this role knew until now of a virtual server, which is left without any check.
    fn put_down(&mut self, id: &VirtualServerId) -> BTreeMap<Server, Before> {
        let first = (id.clone(), SocketAddr::from(([0, 0, 0, 0], 0)));
        let here = |(server, _): &(&Server, &Vec<u64>)| server.0 == *id;
        let servers: Vec<Server> = self.servers.range(&first..).take_while(here).map(|(s, _)| s.clone()).collect();
        let mut before = BTreeMap::new();
        for server in servers {
            let serials = self.servers.remove(&server).unwrap_or_default();
            self.weights.remove(&server);
            let alive = self.told.remove(&server).is_none_or(|(alive, _, _)| alive);
            let mut checks = Vec::new();
            for serial in serials {
                let Some(check) = self.checks.remove(&serial) else { continue };
                self.due.remove(&(check.health.wake(), serial));
                checks.push((serial, check));
            }
            before.insert(server, Before { alive, checks });
        }
        before
    }

    fn take_service(&mut self, service: &VirtualServer, old: &mut BTreeMap<Server, Before>) {
        for real in &service.real_servers {
            let server = (service.id.clone(), real.address);
            let before = old.remove(&server).or_else(|| self.inherited.remove(&server));
            let taken = self.take_server(&server, real, before);
            let mut serials = Vec::new();
            for (serial, check) in taken {
                if !check.running {
                    self.due.insert((check.health.wake(), serial));
                }
                self.checks.insert(serial, check);
                serials.push(serial);
            }
            self.weights.insert(server.clone(), real.weight);
            self.servers.insert(server, serials);
        }
    }

    /// The checks of a real server, each with what is known of it.
    fn take_server(&mut self, server: &Server, real: &RealServer, before: Option<Before>) -> Vec<(u64, Check)> {
        let standing = before.as_ref().map(|b| if b.alive { Standing::Alive } else { Standing::Dead });
        let mut old: Vec<Option<(u64, Check)>> = before.into_iter().flat_map(|b| b.checks).map(Some).collect();
        let settings: Vec<&Checker> = old.iter().flatten().map(|(_, check)| check.health.settings()).collect();
        let found = matches(&settings, &real.checkers);
        let mut taken = Vec::new();
        for (settings, at) in real.checkers.iter().zip(found) {
            let kept = at.and_then(|at| old.get_mut(at)?.take());
            taken.push(match kept {
                Some((serial, check)) if check.health.settings().asks_the_same_as(settings) => {
                    let health = check.health.reconfigure(settings.clone(), now());
                    (serial, Check { health, ..check })
                }
                // A run that asks something else may be under way: its answer is for nobody.
                Some((_, check)) => {
                    let health = check.health.reconfigure(settings.clone(), now());
                    (self.next_serial(), Check { health, running: false, ..check })
                }
                None => {
                    let health = Health::new(now(), settings.clone(), spread());
                    let health = match standing {
                        Some(standing) => health.joining(standing),
                        None => health,
                    };
                    (self.next_serial(), Check::new(server.clone(), health))
                }
            });
        }
        taken
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Starts what is due, and keeps what a successor needs.
    async fn work(&mut self) -> io::Result<()> {
        let now = now();
        while let Some((at, serial)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, serial));
            if let Some(check) = self.checks.get_mut(&serial) {
                check.running = true;
                check.started = now;
                self.start(serial).await?;
            }
        }
        if self.snapshot_at.is_some_and(|at| at <= now) {
            self.keep().await?;
        }
        Ok(())
    }

    /// Tells the supervisor what a successor needs.
    async fn keep(&mut self) -> io::Result<()> {
        (self.snapshot_at, self.kept) = (None, Some(now()));
        // In the order of the configuration: a successor tells checks that are alike by their places.
        let checks = self.servers.values().flatten().filter_map(|serial| self.checks.get(serial));
        let list: Vec<(&Server, &Health)> = checks.map(|c| (&c.server, &c.health)).collect();
        match serde_json::to_value(list) {
            Ok(value) => self.sender.send(&FromRole::Snapshot(value)).await,
            Err(e) => {
                warn!("the state can't be kept for a successor: {e}");
                Ok(())
            }
        }
    }

    async fn start(&mut self, serial: u64) -> io::Result<()> {
        let Some(check) = self.checks.get(&serial) else { return Ok(()) };
        let settings = check.health.settings().clone();
        if let Probe::Misc(probe) = settings.probe {
            return self.sender.send(&FromRole::Run { id: serial, probe }).await;
        }
        let (results, probes) = (self.results.clone(), self.probes.clone());
        tokio::spawn(async move {
            // Closed only at the end of the process, when nobody waits for the result any more.
            let Ok(_permit) = probes.acquire().await else { return };
            let outcome = probe(&settings).await;
            let _ = results.send(Ran { serial, outcome }).await;
        });
        Ok(())
    }

    /// A check has run; what changed by it is kept for `tell`.
    fn ran(&mut self, serial: u64, outcome: Outcome) {
        let now = now();
        let Some(check) = self.checks.get_mut(&serial).filter(|c| c.running) else { return };
        check.running = false;
        check.took = now.saturating_sub(check.started);
        check.last_run = Some(unix_time() - check.took.as_secs_f64());
        let was_up = check.health.up();
        let turn = check.health.handle(check.started, now, outcome);
        self.due.insert((check.health.wake(), serial));
        let (id, address) = check.server.clone();
        let (kind, why) = (check.health.settings().kind(), check.health.why());
        match (was_up, check.health.up()) {
            (true, false) => warn!("{kind} of {address} for {id} failed: {why}"),
            (false, true) => info!("{kind} of {address} for {id} succeeded: {why}"),
            (true, true) | (false, false) => debug!("{kind} of {address} for {id}: {why}"),
        }
        if turn == Turn::Changed {
            self.changed.insert((id, address));
        }
    }

    /// Tells what has changed.
    async fn tell(&mut self) -> io::Result<()> {
        let changed = std::mem::take(&mut self.changed);
        if changed.is_empty() {
            return Ok(());
        }
        // Before the verdicts, so that a successor doesn't take them back; but those of one second are kept together.
        let now = now();
        match self.kept {
            Some(kept) if now < kept + SNAPSHOT_GAP => {
                self.snapshot_at = self.snapshot_at.or(Some(kept + SNAPSHOT_GAP));
            }
            Some(_) | None => self.keep().await?,
        }
        let verdicts: Vec<Verdict> = changed.iter().filter_map(|server| self.verdict(server)).collect();
        if !verdicts.is_empty() {
            self.sender.send(&FromRole::Verdicts(verdicts)).await?;
        }
        Ok(())
    }

    /// What a real server is worth now, if that is not what was told before.
    fn verdict(&mut self, server: &Server) -> Option<Verdict> {
        let checks = self.servers.get(server)?.iter().filter_map(|serial| self.checks.get(serial));
        let weight = self.weights.get(server).copied().unwrap_or_default();
        let judged = judge(weight, checks.map(|c| &c.health));
        if self.told.get(server) == Some(&judged) {
            return None;
        }
        self.told.insert(server.clone(), judged.clone());
        let (alive, weight, why) = judged;
        Some(Verdict { service: server.0.clone(), address: server.1, alive, weight, why, at: unix_time() })
    }

    fn status(&self) -> StatusPart {
        let one = |check: &Check| CheckStatus {
            kind: check.health.settings().kind().to_owned(),
            up: check.health.up(),
            last_run: check.last_run,
            last: check.health.why().to_owned(),
            took: check.took.as_secs_f64(),
            retries_left: match check.health.state() {
                State::Up { retries } => retries,
                State::Down => 0,
            },
        };
        let all = self.servers.iter().map(|((id, address), serials)| {
            let checks = serials.iter().filter_map(|serial| self.checks.get(serial)).map(one);
            (id.clone(), *address, checks.collect())
        });
        StatusPart::Check(all.collect())
    }
}

impl Check {
    fn new(server: Server, health: Health) -> Check {
        Check { server, health, running: false, started: Duration::ZERO, last_run: None, took: Duration::ZERO }
    }
}

/// A random share of the warm-up time, in thousandths, so that a thousand checks don't all run at once.
fn spread() -> u32 {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    u32::try_from(random % 1001).unwrap_or(0)
}

/// Runs a probe that needs no program: all its pages one after the other, the first that fails decides.
async fn probe(settings: &Checker) -> Outcome {
    let target = Target {
        address: settings.target,
        bind: settings.bind,
        bind_device: settings.bind_device.clone(),
        fwmark: settings.fwmark,
        timeout: settings.timeout,
    };
    let mut detail = String::new();
    match &settings.probe {
        Probe::Tcp => match tcp::probe(&target).await {
            vipd_check::Verdict::Pass { detail: d } => detail = d,
            vipd_check::Verdict::Fail(why) => return Outcome::Fail { why: why.to_string() },
        },
        Probe::Http(settings) => {
            let version = match settings.version {
                HttpVersion::V10 => Version::V10,
                HttpVersion::V10Close => Version::V10Close,
                HttpVersion::V11 => Version::V11,
            };
            for url in &settings.urls {
                let request = Request {
                    path: url.path.clone(),
                    host: url.host.clone(),
                    version,
                    digest: url.digest,
                    status: url.status.clone(),
                };
                let verdict = match &settings.tls {
                    None => http::probe(&target, &request).await,
                    Some(t) => tls::probe(&target, &Tls { sni: t.sni.clone() }, &request).await,
                };
                match verdict {
                    vipd_check::Verdict::Pass { detail: d } => detail = d,
                    vipd_check::Verdict::Fail(why) => {
                        return Outcome::Fail { why: format!("GET {}: {why}", request.path) };
                    }
                }
            }
        }
        Probe::Misc(_) => return Outcome::Fail { why: "a program can't be run here".to_owned() },
    }
    Outcome::Pass { detail, weight: None }
}

/// What the end of a `MISC_CHECK` program means: 0 well; with `misc_dynamic` 2 to 255 well with that weight less 2.
fn misc_outcome(settings: &Checker, exit: &Exit) -> Outcome {
    let dynamic = matches!(&settings.probe, Probe::Misc(misc) if misc.dynamic);
    match exit {
        Exit::Status(0) => Outcome::Pass { detail: exit.to_string(), weight: None },
        Exit::Status(n @ 2..) if dynamic => {
            let weight = u32::from(*n) - 2;
            Outcome::Pass { detail: format!("exit status {n}: weight {weight}"), weight: Some(weight) }
        }
        Exit::Status(_) | Exit::Signal(_) | Exit::Timeout | Exit::Failed(_) => Outcome::Fail { why: exit.to_string() },
    }
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Go {
    On,
    Leave,
}

#[cfg(test)]
mod tests;
