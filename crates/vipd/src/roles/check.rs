//! The check role: runs the probes when they are due and tells the supervisor what each real server is worth. It reads
//! what servers answer, so it has no rights to speak of.
//!
//! ```text
//!   schedule --due--> probe (a task; MISC_CHECK: a program that the supervisor runs) --outcome--> lvs::health
//!       ^                                                                                            |
//!       +------------------------------------ next run ----------------------------------------------+--> Verdicts
//! ```

mod asking;
mod expiry;
mod keeping;
mod late;
mod names;
mod presence;
mod resting;
mod taking;

use crate::channel::{self, Outbox, Receiver, Sender};
use crate::message::{self, Configure, FromRole, KnownService, Sessions, StatusPart, ToRole, Turned, Verdict};
use crate::posture::Own;
use crate::supervisor::RoleName;
use asking::{Patterns, file_outcome, misc_outcome, probe};
use names::{Asked, Names};
use presence::Presence;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tracing::{debug, error, info, warn};
use vipd_api::CheckStatus;
use vipd_check::Notice;
use vipd_check::tls::{self, Client, Trust};
use vipd_config::model;
use vipd_lvs::health::{Health, Known, Outcome, State, Turn, judge};
use vipd_lvs::settings::{Authorities, Checker, MiscProbe, Probe, VirtualServerId};
use vipd_sys::clock::{monotonic_micros, unix_time};
use vipd_sys::privilege::{Capability, Identity, keep_only};

/// Probes at once: more wait for their turn.
const PROBES: usize = 1024;
/// From one time that a successor's needs are told without haste to the next.
const KEEP_GAP: Duration = Duration::from_secs(1);
/// Checks that it is told of in one message, unless one virtual server has more: what keeps no probe waiting.
const PIECE: usize = 64;

/// How often it is looked for runs that do not end.
const LOOK: Duration = Duration::from_secs(5);

/// A real server of a virtual server.
type Server = (VirtualServerId, SocketAddr);

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) async fn run(stream: UnixStream) -> ExitCode {
    // For bind_port below 1024, for fwmark, and for checker_no_swap.
    let kept = [Capability::CAP_NET_BIND_SERVICE, Capability::CAP_NET_RAW, Capability::CAP_IPC_LOCK];
    if let Err(e) = keep_only(&kept, Identity::Unprivileged) {
        warn!("privileges can't be given up: {e}");
    }
    let (mut receiver, sender) = channel::split(stream);
    let (results, mut queue) = mpsc::channel(1024);
    let (answers, mut asked) = mpsc::channel(64);
    let mut role = Role::new(sender, results, answers);
    let mut result = role.turn(&mut receiver, &mut queue, &mut asked).await;
    if result.is_ok() {
        result = role.sender.close().await;
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if channel::is_gone(&e) => {
            warn!("the supervisor is gone; nothing is checked any more");
            ExitCode::SUCCESS
        }
        Err(e) => {
            error!("the check role ends: {e}");
            ExitCode::FAILURE
        }
    }
}

fn now() -> Duration {
    Duration::from_micros(monotonic_micros())
}

/// One check at work: of one real server, or of several that ask the same at the same pace.
#[derive(Clone)]
struct Check {
    /// Whose it is; never none.
    servers: BTreeSet<Server>,
    health: Health,
    /// The number of the run that is under way.
    running: Option<u64>,
    /// What does it, if that is no program.
    task: Option<AbortHandle>,
    /// It is not due, as all that it is for is suspended.
    rests: bool,
    /// Whether what is known of it was found under these settings.
    proven: bool,
    /// What those share who share it.
    share: u64,
    started: Duration,
    last_run: Option<f64>,
    took: Duration,
    /// What was last told though it passed.
    notice: Option<Notice>,
}

/// What the supervisor was told of a real server: whether it is alive, the weight asked for, and why.
type Told = (bool, Option<u32>, String);

/// What was known of a real server before a configuration: what it was, and its checks in their order.
struct Before {
    told: Option<Told>,
    weight: Option<u32>,
    checks: Vec<(u64, Check)>,
}

/// What a predecessor knew of a real server: of each check in its order, with the fingerprint of its settings.
pub(crate) type Inherited = Vec<(u64, Known)>;

/// What a probe task sends back.
struct Ran {
    serial: u64,
    /// The number of the run.
    run: u64,
    outcome: Outcome,
    /// What an operator should see to, though the check passes.
    notice: Option<Notice>,
}

struct Role {
    own: Own,
    sender: Outbox,
    checks: BTreeMap<u64, Check>,
    /// The real servers, in the order of the configuration, with their checks.
    servers: BTreeMap<Server, Vec<u64>>,
    /// The weights that the configuration gives them.
    weights: BTreeMap<Server, u32>,
    due: BTreeSet<(Duration, u64)>,
    /// Checks that servers may share, by `Check::share`.
    shared: HashMap<u64, u64>,
    /// Checks that are due and wait for their turn.
    waiting: VecDeque<u64>,
    told: BTreeMap<Server, Told>,
    serial: u64,
    /// Runs so far.
    runs: u64,
    /// The checks whose programs run, by the numbers of the runs.
    programs: HashMap<u64, u64>,
    /// When it is looked for runs that do not end.
    look_at: Duration,
    /// What is said of checks that are late.
    lateness: late::Lateness,
    results: mpsc::Sender<Ran>,
    probes: Arc<Semaphore>,
    /// What is looked for in bodies, compiled when it is first needed.
    patterns: Patterns,
    /// Certificates that end soon.
    expiring: expiry::Expiring,
    /// `SSL` of the configuration.
    tls: model::Tls,
    /// Made from it when they are first needed, by whom they believe.
    clients: HashMap<Trust, (Option<SystemTime>, Arc<Client>)>,
    /// Virtual servers of which a successor was not told yet as they are.
    unkept: BTreeSet<VirtualServerId>,
    /// Real servers of which it needs other things than it was told since.
    unkept_servers: BTreeSet<Server>,
    /// When it is told; `None`: when something changes.
    keep_at: Option<Duration>,
    /// When it was last told anything.
    kept: Option<Duration>,
    /// Servers with a result that is not told yet.
    changed: BTreeSet<Server>,
    /// Checks of theirs that pass now, or no longer.
    turned: Vec<Turned>,
    /// Servers of a new configuration, of which is soon told what is known by then.
    owed: BTreeSet<Server>,
    /// The BFD sessions that have been up.
    sessions: Sessions,
    /// What the tracked files say.
    files: BTreeMap<String, i64>,
    /// The names of real servers that are asked for.
    names: Names,
    /// Whose checks rest.
    presence: Presence,
    configured: bool,
}

impl Role {
    fn new(sender: Sender, results: mpsc::Sender<Ran>, answers: mpsc::Sender<Asked>) -> Role {
        Role {
            own: Own::default(),
            sender: Outbox::new(sender),
            checks: BTreeMap::new(),
            servers: BTreeMap::new(),
            weights: BTreeMap::new(),
            due: BTreeSet::new(),
            shared: HashMap::new(),
            waiting: VecDeque::new(),
            told: BTreeMap::new(),
            serial: 0,
            runs: 0,
            programs: HashMap::new(),
            look_at: now() + LOOK,
            lateness: late::Lateness::default(),
            results,
            probes: Arc::new(Semaphore::new(PROBES)),
            patterns: Patterns::default(),
            expiring: expiry::Expiring::default(),
            tls: model::Tls::default(),
            clients: HashMap::new(),
            unkept: BTreeSet::new(),
            unkept_servers: BTreeSet::new(),
            keep_at: None,
            kept: None,
            changed: BTreeSet::new(),
            turned: Vec::new(),
            owed: BTreeSet::new(),
            sessions: Sessions::new(),
            files: BTreeMap::new(),
            names: Names::new(answers),
            presence: Presence::default(),
            configured: false,
        }
    }

    async fn turn(
        &mut self,
        receiver: &mut Receiver,
        queue: &mut mpsc::Receiver<Ran>,
        asked: &mut mpsc::Receiver<Asked>,
    ) -> io::Result<()> {
        loop {
            let mut wake = self.wake();
            if wake.is_some_and(|at| at <= now()) {
                // While messages keep coming the timer below would not turn.
                self.work().await?;
                wake = self.wake();
                if wake.is_some_and(|at| at <= now()) {
                    // Nor would the probes.
                    tokio::task::yield_now().await;
                }
            }
            let sleep = wake.map_or(Duration::from_secs(3600), |at| at.saturating_sub(now()));
            tokio::select! {
                message = receiver.next::<ToRole>() => match message? {
                    Some(message) => {
                        if self.handle(message).await? == Go::Leave {
                            return Ok(());
                        }
                    }
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                },
                Some(first) = queue.recv() => {
                    // A switch that dies takes a thousand servers with it: what is known by now is told together.
                    self.probed(first);
                    while let Ok(next) = queue.try_recv() {
                        self.probed(next);
                    }
                    self.tell().await?;
                    self.start_waiting().await?;
                }
                Some(Asked { lookup, outcome, again }) = asked.recv() => {
                    self.sender.send(&FromRole::Found { lookup, outcome, again }).await?;
                }
                ids = self.presence.changed() => self.stir(&ids),
                () = tokio::time::sleep(sleep) => self.work().await?,
            }
        }
    }

    /// When there is something to do that nobody asks for.
    fn wake(&self) -> Option<Duration> {
        let due = self.due.first().map(|(at, _)| *at);
        let owed = (self.configured && !self.owed.is_empty()).then_some(Duration::ZERO);
        let look = self.checks.values().next().map(|_| self.look_at);
        [due, self.keep_at, owed, look].into_iter().flatten().min()
    }

    async fn handle(&mut self, message: ToRole) -> io::Result<Go> {
        match message {
            ToRole::Configure(configure) => self.configure(*configure).await?,
            ToRole::Ran { id, exit } => {
                let Some(serial) = self.programs.remove(&id) else { return Ok(Go::On) };
                let Some(check) = self.checks.get(&serial) else { return Ok(Go::On) };
                let took = now().saturating_sub(check.started);
                self.lateness.note(took.saturating_sub(late::time_of(check.health.settings())));
                let outcome = misc_outcome(check.health.settings(), &exit);
                self.ran(serial, id, outcome);
                self.tell().await?;
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
            ToRole::Sessions(sessions) => {
                self.sessions = sessions;
                self.follow_all();
                self.tell().await?;
            }
            ToRole::File { name, value } => {
                self.files.insert(name, value);
                self.follow_all();
                self.tell().await?;
            }
            ToRole::Lookups(lookups) => self.names.ask_for(lookups),
            ToRole::Script { .. }
            | ToRole::Cleared { .. }
            | ToRole::CatchUp { .. }
            | ToRole::CaughtUp(_)
            | ToRole::Steer { .. }
            | ToRole::Process { .. }
            | ToRole::Verdicts(_)
            | ToRole::Events { .. }
            | ToRole::Mastership(_)
            | ToRole::Mail { .. }
            | ToRole::Reply { .. } => {}
        }
        Ok(Go::On)
    }

    /// Takes a piece of a configuration. What is known of a check stays known, whatever changes in its settings.
    async fn configure(&mut self, configure: Configure) -> io::Result<()> {
        let mut inherited = inherited(configure.known);
        let part = configure.part;
        self.own.suit(RoleName::Check, &part.config);
        for id in &part.removed {
            self.put_down(id);
            self.presence.leave(id);
            self.unkept.remove(id);
            self.unkept_servers.retain(|(of, _)| of != id);
        }
        for service in &part.config.services {
            let mut old = self.put_down(&service.lvs.id);
            self.presence.take(&service.lvs);
            self.take_service(&service.lvs, &mut old, &mut inherited);
            self.stir_quietly(&BTreeSet::from([service.lvs.id.clone()]));
            self.unkept.insert(service.lvs.id.clone());
            let id = &service.lvs.id;
            self.owed.extend(service.lvs.real_servers.iter().map(|real| (id.clone(), real.address)));
        }
        if part.more {
            return Ok(());
        }
        self.stir_quietly(&self.presence.all()); // what kept a shared check going may be gone
        let resting = self.checks.values().filter(|check| check.rests).count();
        if resting > 0 {
            info!("ha_suspend: {resting} checks are suspended");
        }
        self.clients.clear();
        self.tls = part.config.tls;
        self.expiring.keep(self.checks.values().map(|check| check.health.settings().target));
        self.patterns.keep(self.checks.values().map(|check| check.health.settings()));
        self.follow_all(); // another session, perhaps; and what is known already counts from the first word on
        if !self.configured {
            // Nothing is late yet, and the director judges all at once sooner than piece by piece.
            let owed = std::mem::take(&mut self.owed);
            self.tell_verdicts(&owed).await?;
            self.configured = true;
            self.sender.send(&FromRole::Ready).await?;
        }
        self.keep_at = Some(now());
        self.tell().await
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
            self.waiting.push_back(serial);
        }
        self.start_waiting().await?;
        if self.keep_at.is_some_and(|at| at <= now) {
            self.keep().await?;
        }
        if self.look_at <= now {
            self.look_after_runs().await?;
        }
        if self.configured { self.tell_owed().await } else { Ok(()) }
    }

    /// Tells of a piece of what a new configuration has brought, if that is not what was told before.
    async fn tell_owed(&mut self) -> io::Result<()> {
        let piece: BTreeSet<Server> = std::iter::from_fn(|| self.owed.pop_first()).take(PIECE).collect();
        self.tell_verdicts(&piece).await
    }

    /// The real servers of a virtual server.
    fn of<'a>(&'a self, id: &'a VirtualServerId) -> impl Iterator<Item = (&'a Server, &'a Vec<u64>)> {
        let first = (id.clone(), SocketAddr::from(([0, 0, 0, 0], 0)));
        self.servers.range(first..).take_while(move |(server, _)| server.0 == *id)
    }

    /// A run of a check begins; its number.
    fn begin(&mut self, serial: u64) -> Option<u64> {
        let check = self.checks.get_mut(&serial)?;
        self.runs += 1;
        (check.running, check.started) = (Some(self.runs), now());
        check.running
    }

    /// Starts what waits for its turn, as long as there is room for it.
    async fn start_waiting(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            // Of what is asked of servers; the supervisor has its own bound for programs.
            let Ok(permit) = Arc::clone(&self.probes).try_acquire_owned() else { return Ok(()) };
            let Some(serial) = self.waiting.pop_front() else { return Ok(()) };
            self.start(serial, permit).await?;
        }
        Ok(())
    }

    async fn start(&mut self, serial: u64, permit: OwnedSemaphorePermit) -> io::Result<()> {
        let Some(check) = self.checks.get(&serial).filter(|check| check.running.is_none()) else { return Ok(()) };
        if self.suspended(check) {
            self.rest(serial); // another, which it was also for, has gone meanwhile
            return Ok(());
        }
        let (settings, configured) = (check.health.settings().clone(), self.weight_of(check));
        if !settings.probe.asks() {
            self.follow(serial);
            return self.tell().await;
        }
        let (due, Some(run)) = (check.health.wake(), self.begin(serial)) else { return Ok(()) };
        if let Probe::Misc(probe) = settings.probe {
            self.programs.insert(run, serial);
            return self.sender.send(&FromRole::Run { id: run, probe: MiscProbe::clone(&probe) }).await;
        }
        self.lateness.note(now().saturating_sub(due));
        let results = self.results.clone();
        let patterns = self.patterns.of(&settings.probe);
        let client = self.client(&settings.probe);
        let task = tokio::spawn(async move {
            let (outcome, notice) = match patterns {
                Ok(patterns) => probe(&settings, &patterns, &client, configured).await,
                Err(why) => (Outcome::Fail { why }, None),
            };
            drop(permit);
            let _ = results.send(Ran { serial, run, outcome, notice }).await;
        });
        if let Some(check) = self.checks.get_mut(&serial) {
            check.task = Some(task.abort_handle());
        }
        Ok(())
    }

    /// Ends runs that do not end by themselves, which are failures, and says so, and what is late. (Of programs the supervisor
    /// sees to that.)
    async fn look_after_runs(&mut self) -> io::Result<()> {
        let now = now();
        self.look_at = now + LOOK;
        if self.presence.listen() {
            self.stir(&self.presence.all());
        }
        let stuck = self.checks.iter().filter_map(|(serial, check)| {
            let (run, after) = (check.running?, now.saturating_sub(check.started));
            check.task.as_ref()?;
            (after > late::patience(check.health.settings())).then_some((*serial, run, after))
        });
        let stuck: Vec<(u64, u64, Duration)> = stuck.collect();
        let mut events = Vec::new();
        for (serial, run, after) in &stuck {
            let why = format!("a run has not ended for {:.0} s: it is given up", after.as_secs_f64());
            if let Some(check) = self.checks.get_mut(serial) {
                check.task.take().inspect(AbortHandle::abort);
                if events.len() < late::ALONE {
                    events.push((check.name(), "STUCK", why.clone()));
                }
            }
            self.ran(*serial, *run, Outcome::Fail { why });
        }
        if stuck.len() > events.len() {
            let others = format!("{} more checks", stuck.len() - events.len());
            events.push((others, "STUCK", "their runs have not ended, either".to_owned()));
        }
        events.extend(self.lateness.word(now).map(|why| ("checks".to_owned(), "LATE", why)));
        for (subject, what, cause) in events {
            warn!("{subject}: {cause}");
            let (kind, what) = ("check".to_owned(), what.to_owned());
            let event = vipd_api::Event { seq: 0, at: unix_time(), kind, subject, what, cause };
            self.sender.send(&FromRole::Happened(event)).await?;
        }
        self.tell().await
    }

    /// How a check that speaks TLS shows itself, and whom it believes.
    fn client(&mut self, probe: &Probe) -> Arc<Client> {
        let tls = match probe {
            Probe::Http(http) => http.tls.as_ref(),
            Probe::Grpc(grpc) => grpc.tls.as_ref(),
            _ => None,
        };
        let verify = tls.and_then(|tls| tls.verify.as_ref());
        let trust = match (verify, &self.tls.ca) {
            (None, _) => Trust::Anyone,
            (Some(Authorities::File(file)), _) => Trust::File(file.into()),
            (Some(Authorities::Usual), Some(file)) => Trust::File(file.clone()),
            (Some(Authorities::Usual), None) => Trust::System,
        };
        let identity = self.tls.identity.as_ref();
        let identity = identity.map(|own| tls::Identity { certificates: &own.certificates, key: &own.key.0 });
        // The file may have been written anew.
        let written = trust.file().and_then(|file| file.metadata().ok()?.modified().ok());
        let before = match self.clients.get(&trust) {
            Some((at, client)) if *at == written => return Arc::clone(client),
            before => before.map(|(_, client)| Arc::clone(client)),
        };
        let mut client = Arc::new(Client::new(&trust, identity));
        // A file that is being written, or was removed, takes no server down: who was trusted before is so still.
        if let (Some(flaw), Some(before)) = (client.flaw(), before.filter(|before| before.flaw().is_none())) {
            warn!("{flaw}; those that were in it before are trusted until it is whole again");
            client = before;
        }
        self.clients.insert(trust, (written, Arc::clone(&client)));
        client
    }

    /// Every check that follows a BFD session or a file takes what is known of it.
    fn follow_all(&mut self) {
        let follows = |check: &Check| !check.health.settings().probe.asks();
        let serials = self.checks.iter().filter(|(_, check)| follows(check)).map(|(serial, _)| *serial);
        serials.collect::<Vec<_>>().into_iter().for_each(|serial| self.follow(serial));
    }

    /// A check that follows a BFD session or a file takes what is known of it; before that has ever been up, or was read, it
    /// waits.
    fn follow(&mut self, serial: u64) {
        let Some(check) = self.checks.get(&serial).filter(|check| !self.suspended(check)) else { return };
        self.due.remove(&(check.health.wake(), serial));
        let Some(run) = self.begin(serial) else { return };
        let Some(check) = self.checks.get(&serial) else { return };
        let outcome = match &check.health.settings().probe {
            Probe::Bfd(name) => self.sessions.get(name).map(|up| match up {
                true => Outcome::Pass { detail: format!("BFD session {name} is up"), weight: None },
                false => Outcome::Fail { why: format!("BFD session {name} is down") },
            }),
            Probe::File(probe) => {
                let configured = self.weight_of(check);
                self.files.get(&probe.file).map(|number| file_outcome(probe, *number, configured))
            }
            Probe::Tcp
            | Probe::Http(_)
            | Probe::Smtp(_)
            | Probe::Dns(_)
            | Probe::Udp(_)
            | Probe::Ping
            | Probe::Agent(_)
            | Probe::Grpc(_)
            | Probe::Misc(_) => None,
        };
        if let Some(outcome) = outcome {
            self.ran(serial, run, outcome);
        }
    }

    /// A probe has ended.
    fn probed(&mut self, ran: Ran) {
        let Ran { serial, run, outcome, notice } = ran;
        if let Some(check) = self.checks.get_mut(&serial).filter(|c| c.running == Some(run) && c.notice != notice) {
            if let Some(notice) = &notice {
                warn!("{}: {}", check.name(), notice.text);
                self.expiring.note(check.health.settings().target, notice, || check.name());
            }
            check.notice = notice;
        }
        self.ran(serial, run, outcome);
    }

    /// A run of a check has ended; what changed by it is kept for `tell`.
    fn ran(&mut self, serial: u64, run: u64, outcome: Outcome) {
        let now = now();
        let Some(check) = self.checks.get_mut(&serial).filter(|check| check.running == Some(run)) else { return };
        (check.running, check.task, check.proven) = (None, None, true);
        check.took = now.saturating_sub(check.started);
        check.last_run = Some(unix_time() - check.took.as_secs_f64());
        let before = (check.health.state(), check.health.weight(), check.health.has_run());
        let was_up = check.health.up();
        let failed = matches!(outcome, Outcome::Fail { .. });
        let turn = check.health.handle(check.started, now, outcome);
        let after = (check.health.state(), check.health.weight(), check.health.has_run());
        self.due.insert((check.health.wake(), serial));
        let why = check.health.why();
        if was_up != check.health.up() {
            self.turned.extend(check.servers.iter().map(|(service, address)| Turned {
                service: service.clone(),
                address: *address,
                kind: check.health.settings().kind().to_owned(),
                up: !was_up,
                why: why.to_owned(),
            }));
        }
        match (was_up, check.health.up()) {
            (true, false) => warn!("{} failed: {why}", check.name()),
            (false, true) => info!("{} succeeded: {why}", check.name()),
            // It still counts as passing, and why it failed is what was just found.
            (true, true) if failed && check.health.settings().log_all_failures => {
                info!("{} failed, and is tried again before that counts: {why}", check.name());
            }
            (true, true) | (false, false) => debug!("{}: {why}", check.name()),
        }
        if before != after {
            self.unkept_servers.extend(check.servers.iter().cloned());
            self.keep_at = self.keep_at.or(Some(self.kept.map_or(now, |kept| kept + KEEP_GAP)));
        }
        if turn == Turn::Changed {
            self.changed.extend(check.servers.iter().cloned());
        }
    }

    /// Tells what has changed.
    async fn tell(&mut self) -> io::Result<()> {
        for event in self.expiring.events() {
            self.sender.send(&FromRole::Happened(event)).await?;
        }
        let changed = std::mem::take(&mut self.changed);
        if changed.is_empty() {
            return Ok(());
        }
        // Before the verdicts, so that a successor doesn't take them back; where nothing was told yet, all of it.
        let ids: BTreeSet<VirtualServerId> = changed.iter().map(|(id, _)| id.clone()).collect();
        let whole: Vec<VirtualServerId> = ids.into_iter().filter(|id| self.unkept.remove(id)).collect();
        let servers = changed.iter().filter(|(id, _)| whole.binary_search(id).is_err());
        let servers: Vec<Server> = servers.cloned().collect();
        self.unkept_servers.retain(|server| !changed.contains(server));
        self.keep_services(whole).await?;
        self.keep_servers(&servers).await?;
        let alive =
            |role: &Role, of: &Turned| role.told.get(&(of.service.clone(), of.address)).map(|(alive, _, _)| *alive);
        let turned = std::mem::take(&mut self.turned);
        let before: Vec<Option<bool>> = turned.iter().map(|turned| alive(self, turned)).collect();
        self.tell_verdicts(&changed).await?;
        // Of a server that comes or goes the director tells.
        let down = |before: Option<bool>, now: Option<bool>| (before, now) == (Some(false), Some(false));
        let alone = turned.into_iter().zip(before).filter(|(turned, before)| down(*before, alive(self, turned)));
        let alone: Vec<Turned> = alone.map(|(turned, _)| turned).collect();
        if alone.is_empty() { Ok(()) } else { self.sender.send(&FromRole::Turned(alone)).await }
    }

    /// Tells what these real servers are worth, where that is not what was told before.
    async fn tell_verdicts(&mut self, servers: &BTreeSet<Server>) -> io::Result<()> {
        let verdicts: Vec<Verdict> = servers.iter().filter_map(|server| self.verdict(server)).collect();
        if verdicts.is_empty() { Ok(()) } else { self.sender.send(&FromRole::Verdicts(verdicts)).await }
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
        let one = |id: &VirtualServerId, check: &Check| CheckStatus {
            kind: check.health.settings().kind().to_owned(),
            up: check.health.up(),
            last_run: check.last_run,
            last: check.health.why().to_owned(),
            took: check.took.as_secs_f64(),
            retries_left: match check.health.state() {
                State::Up { retries } => retries,
                State::Down => 0,
            },
            suspended: self.presence.why(id).filter(|_| self.suspended(check)),
        };
        let all = self.servers.iter().map(|((id, address), serials)| {
            let checks = serials.iter().filter_map(|serial| self.checks.get(serial)).map(|check| one(id, check));
            (id.clone(), *address, checks.collect())
        });
        StatusPart::Check(all.collect())
    }
}

impl Check {
    /// One of nobody yet.
    fn new(health: Health) -> Check {
        Check {
            servers: BTreeSet::new(),
            health,
            running: None,
            task: None,
            rests: false,
            proven: false,
            share: 0,
            started: Duration::ZERO,
            last_run: None,
            took: Duration::ZERO,
            notice: None,
        }
    }

    /// For the log: `TCP_CHECK of 10.0.0.1:80 for [192.0.2.1]:tcp:80 (and 3 others)`
    fn name(&self) -> String {
        let mut name = self.health.settings().kind().to_owned();
        if let Some((id, address)) = self.servers.first() {
            name += &format!(" of {address} for {id}");
        }
        match self.servers.len() {
            0 | 1 => name,
            2 => name + " (and another)",
            n => format!("{name} (and {} others)", n - 1),
        }
    }
}

/// What a predecessor knew of the real servers of some virtual servers.
fn inherited(known: message::Known) -> BTreeMap<Server, Inherited> {
    let mut all = BTreeMap::new();
    for KnownService { service: id, whole, since } in known {
        match whole.read::<Vec<(SocketAddr, Inherited)>>() {
            Ok(servers) => all.extend(servers.into_iter().map(|(address, checks)| ((id.clone(), address), checks))),
            Err(e) => warn!("what the predecessor knew of {id} can't be read ({e}): starting anew"),
        }
        for (address, value) in since {
            match value.read::<Inherited>() {
                Ok(checks) => drop(all.insert((id.clone(), address), checks)),
                Err(e) => warn!("what the predecessor knew of {address} can't be read ({e}): starting anew"),
            }
        }
    }
    all
}

/// Tells the settings of one check from those of another, for a successor.
fn fingerprint(settings: &Checker) -> u64 {
    let mut hasher = DefaultHasher::new();
    settings.hash(&mut hasher);
    hasher.finish()
}

/// What checks have in common that may be shared: their settings; and the weight, of which an agent gives a share.
fn share(settings: &Checker, weight: u32) -> u64 {
    let weight = if let Probe::Agent(_) = settings.probe { weight } else { 0 };
    let mut hasher = DefaultHasher::new();
    (settings, weight).hash(&mut hasher);
    hasher.finish()
}

/// A random share of the warm-up time, in thousandths, so that a thousand checks don't all run at once.
fn spread() -> u32 {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    u32::try_from(random % 1001).unwrap_or(0)
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Go {
    On,
    Leave,
}

#[cfg(test)]
mod tests;
