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
use vipd_lvs::health::{Health, Outcome, State, Turn, judge};
use vipd_lvs::settings::{Checker, HttpVersion, Probe, VirtualServer, VirtualServerId};
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
    due: BTreeSet<(Duration, u64)>,
    told: BTreeMap<Server, (bool, Option<u32>, String)>,
    serial: u64,
    results: mpsc::Sender<Ran>,
    probes: Arc<Semaphore>,
    snapshot_at: Option<Duration>,
    configured: bool,
}

impl Role {
    fn new(sender: Sender, results: mpsc::Sender<Ran>) -> Role {
        Role {
            sender,
            checks: BTreeMap::new(),
            servers: BTreeMap::new(),
            due: BTreeSet::new(),
            told: BTreeMap::new(),
            serial: 0,
            results,
            probes: Arc::new(Semaphore::new(PROBES)),
            snapshot_at: None,
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
                Some(ran) = queue.recv() => self.ran(ran.serial, ran.outcome).await?,
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
                    self.ran(id, outcome).await?;
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

    /// Takes a configuration. A check whose settings are the same keeps its state, its history and its schedule.
    async fn configure(&mut self, configure: Configure) -> io::Result<()> {
        let mut known: Vec<(Server, Health)> = Vec::new();
        if let Some(snapshot) = configure.snapshot.filter(|_| !self.configured) {
            match serde_json::from_value::<Vec<(Server, Health)>>(snapshot) {
                Ok(list) => known = list,
                Err(e) => warn!("what the predecessor knew can't be read ({e}): starting anew"),
            }
        }
        let mut old = std::mem::take(&mut self.checks);
        self.servers.clear();
        self.due.clear();
        for service in &configure.config.services {
            self.take_service(&service.lvs, &mut old, &mut known);
        }
        let servers: Vec<Server> = self.servers.keys().cloned().collect();
        self.told.retain(|server, _| self.servers.contains_key(server));
        let mut verdicts = Vec::new();
        for server in &servers {
            self.told.remove(server); // everything is told once after a configuration
            verdicts.extend(self.verdict(server));
        }
        self.sender.send(&FromRole::Verdicts(verdicts)).await?;
        if !self.configured {
            self.configured = true;
            self.sender.send(&FromRole::Ready).await?;
        }
        self.snapshot_at = Some(now() + SNAPSHOT_GAP);
        Ok(())
    }

    fn take_service(
        &mut self,
        service: &VirtualServer,
        old: &mut BTreeMap<u64, Check>,
        known: &mut Vec<(Server, Health)>,
    ) {
        for real in &service.real_servers {
            let server = (service.id.clone(), real.address);
            let mut serials = Vec::new();
            for settings in &real.checkers {
                let same = |s: &Server, h: &Health| *s == server && h.settings() == settings;
                let kept = old.iter().find(|(_, c)| same(&c.server, &c.health)).map(|(serial, _)| *serial);
                let (serial, check) = match kept.and_then(|serial| old.remove(&serial).map(|c| (serial, c))) {
                    Some(kept) => kept,
                    None => {
                        let at = known.iter().position(|(s, h)| same(s, h));
                        let health = match at.map(|at| known.swap_remove(at)) {
                            Some((_, health)) => health.resume(now()),
                            None => Health::new(now(), settings.clone(), spread()),
                        };
                        self.serial += 1;
                        (self.serial, Check::new(server.clone(), health))
                    }
                };
                if !check.running {
                    self.due.insert((check.health.wake(), serial));
                }
                self.checks.insert(serial, check);
                serials.push(serial);
            }
            self.servers.insert(server, serials);
        }
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
            self.snapshot_at = None;
            let list: Vec<(&Server, &Health)> = self.checks.values().map(|c| (&c.server, &c.health)).collect();
            match serde_json::to_value(list) {
                Ok(value) => self.sender.send(&FromRole::Snapshot(value)).await?,
                Err(e) => warn!("the state can't be kept for a successor: {e}"),
            }
        }
        Ok(())
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

    async fn ran(&mut self, serial: u64, outcome: Outcome) -> io::Result<()> {
        let now = now();
        let Some(check) = self.checks.get_mut(&serial).filter(|c| c.running) else { return Ok(()) };
        check.running = false;
        check.took = now.saturating_sub(check.started);
        check.last_run = Some(unix_time() - check.took.as_secs_f64());
        let was_up = check.health.up();
        let turn = check.health.handle(check.started, now, outcome);
        self.due.insert((check.health.wake(), serial));
        let (id, address) = check.server.clone();
        let (kind, why) = (kind(check.health.settings()), check.health.why());
        match (was_up, check.health.up()) {
            (true, false) => warn!("{kind} of {address} for {id} failed: {why}"),
            (false, true) => info!("{kind} of {address} for {id} succeeded: {why}"),
            (true, true) | (false, false) => debug!("{kind} of {address} for {id}: {why}"),
        }
        if turn == Turn::Changed {
            self.snapshot_at = self.snapshot_at.or(Some(now + SNAPSHOT_GAP));
            if let Some(verdict) = self.verdict(&(id, address)) {
                self.sender.send(&FromRole::Verdicts(vec![verdict])).await?;
            }
        }
        Ok(())
    }

    /// What a real server is worth now, if that is not what was told before.
    fn verdict(&mut self, server: &Server) -> Option<Verdict> {
        let checks = self.servers.get(server)?.iter().filter_map(|serial| self.checks.get(serial));
        let judged = judge(checks.map(|c| &c.health));
        if self.told.get(server) == Some(&judged) {
            return None;
        }
        self.told.insert(server.clone(), judged.clone());
        let (alive, weight, why) = judged;
        Some(Verdict { service: server.0.clone(), address: server.1, alive, weight, why, at: unix_time() })
    }

    fn status(&self) -> StatusPart {
        let one = |check: &Check| CheckStatus {
            kind: kind(check.health.settings()).to_owned(),
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

fn kind(settings: &Checker) -> &'static str {
    match &settings.probe {
        Probe::Tcp => "TCP_CHECK",
        Probe::Http(h) if h.tls.is_some() => "SSL_GET",
        Probe::Http(_) => "HTTP_GET",
        Probe::Misc(_) => "MISC_CHECK",
    }
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
