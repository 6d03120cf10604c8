//! The director role: keeps the kernel's IPVS table what the verdicts say it should be.
//!
//! ```text
//!   Verdicts --> health --> lvs::quorum --> lvs::table (desired, from scratch)
//!                                               |
//!   kernel's table (read at start, every few seconds, after a refused write) --> lvs::plan --> one batch
//! ```
//!
//! Without IPVS in the kernel everything goes on but the last step: that is said once and shown in the status.

use super::plane;
use crate::channel::{self, Receiver, Sender};
use crate::message::{Configure, FromRole, RoleOptions, StatusPart, ToRole, Verdict};
use crate::rate::Limit;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info, warn};
use vipd_api::{PlaneStatus, RealServerStatus, ServiceStatus};
use vipd_config::model::{Config, Service};
use vipd_ipvs::{Client, Error};
use vipd_lvs::plan::{self, Edit};
use vipd_lvs::quorum::Quorum;
use vipd_lvs::settings::{Forwarding, ServiceKey, VirtualServer, VirtualServerId};
use vipd_lvs::table::{self, Alive, Table};
use vipd_sys::clock::{monotonic_micros, unix_time};
use vipd_sys::privilege::{Capability, Identity, keep_only};

/// How often the kernel's table is compared with the desired one.
const RECONCILE: Duration = Duration::from_secs(5);
/// How often a kernel without IPVS is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) async fn run(stream: UnixStream) -> ExitCode {
    // Asking for the family loads the module where the kernel may do so by itself; this helps where it may not.
    if matches!(Client::open(), Err(Error::NoIpvs)) {
        load_module().await;
    }
    if let Err(e) = keep_only(&[Capability::CAP_NET_ADMIN], Identity::Unprivileged) {
        warn!("privileges can't be given up: {e}");
    }
    let (mut receiver, sender) = channel::split(stream);
    match Director::new(sender).turn(&mut receiver).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!("the director role ends: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn load_module() {
    let modprobe = tokio::process::Command::new("/sbin/modprobe").args(["-q", "ip_vs"]).kill_on_drop(true).status();
    match tokio::time::timeout(Duration::from_secs(5), modprobe).await {
        Ok(Ok(status)) if status.success() => info!("loaded the kernel module ip_vs"),
        // Whether that matters is seen when the table is written.
        Ok(Ok(_) | Err(_)) | Err(_) => {}
    }
}

/// What is known of a real server.
struct Known {
    alive: bool,
    weight: Option<u32>,
    why: String,
    since: f64,
}

/// A virtual server at work.
struct State {
    quorum: Quorum,
    servers: BTreeMap<SocketAddr, Known>,
}

impl State {
    fn alive(&self) -> BTreeMap<SocketAddr, Alive> {
        self.servers.iter().map(|(a, k)| (*a, Alive { alive: k.alive, weight: k.weight })).collect()
    }
}

struct Director {
    sender: Sender,
    config: Config,
    options: RoleOptions,
    states: BTreeMap<VirtualServerId, State>,
    plane: Option<Client>,
    /// Why there is no plane.
    absent: String,
    ask_again: Option<Instant>,
    timeouts_before: Option<vipd_ipvs::Timeouts>,
    /// The services that are ours to edit.
    ours: BTreeSet<ServiceKey>,
    /// What the kernel held after our last edit; anything else is somebody else's doing.
    left: Option<Table>,
    foreign_edits: u64,
    failed_writes: u64,
    limit: Limit,
    configured: bool,
}

/// What the desired table is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compare {
    /// What we left in the kernel, if that is known.
    Remembered,
    /// What the kernel holds.
    Kernel,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Go {
    On,
    Leave,
}

impl Director {
    fn new(sender: Sender) -> Director {
        Director {
            sender,
            config: Config::default(),
            options: RoleOptions::default(),
            states: BTreeMap::new(),
            plane: None,
            absent: "not asked yet".to_owned(),
            ask_again: None,
            timeouts_before: None,
            ours: BTreeSet::new(),
            left: None,
            foreign_edits: 0,
            failed_writes: 0,
            limit: Limit::default(),
            configured: false,
        }
    }

    async fn turn(&mut self, receiver: &mut Receiver) -> io::Result<()> {
        let mut reconcile = tokio::time::interval(RECONCILE);
        reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = receiver.next::<ToRole>() => match message? {
                    Some(message) => {
                        if self.handle(message).await? == Go::Leave {
                            return Ok(());
                        }
                    }
                    None => {
                        warn!("the supervisor is gone");
                        self.leave();
                        return Ok(());
                    }
                },
                _ = reconcile.tick() => {
                    if self.configured {
                        self.open_plane();
                        self.write(Compare::Kernel);
                    }
                }
            }
        }
    }

    async fn handle(&mut self, message: ToRole) -> io::Result<Go> {
        match message {
            ToRole::Configure(configure) => self.configure(*configure).await?,
            ToRole::Verdicts(verdicts) => self.judge(verdicts).await?,
            ToRole::Query(id) => {
                let part = Box::new(self.status());
                self.sender.send(&FromRole::Status { id, part }).await?;
            }
            ToRole::Ping(n) => self.sender.send(&FromRole::Beat(n)).await?,
            ToRole::Stop => {
                self.say_good_bye().await?;
                self.leave();
                self.sender.send(&FromRole::Done).await?;
                return Ok(Go::Leave);
            }
            ToRole::Script { .. } | ToRole::Ran { .. } | ToRole::Mail { .. } | ToRole::Reply { .. } => {}
        }
        Ok(Go::On)
    }

    /// Takes a configuration. What is known of servers that stay is kept.
    async fn configure(&mut self, configure: Configure) -> io::Result<()> {
        let first = !self.configured;
        self.config = configure.config;
        self.options = configure.options;
        let mut old = std::mem::take(&mut self.states);
        let mut gone = Vec::new();
        for service in &self.config.services {
            let before = old.remove(&service.lvs.id);
            let state = state_of(&service.lvs, before);
            self.ours.extend(service.lvs.keys.iter().copied());
            self.states.insert(service.lvs.id.clone(), state);
        }
        gone.extend(old);
        if first {
            self.open_plane();
            self.prepare_plane();
        }
        self.write(Compare::Kernel);
        for (id, _) in gone {
            info!("virtual server {id} is no longer configured");
        }
        if first {
            self.configured = true;
            self.sender.send(&FromRole::Ready).await?;
        }
        Ok(())
    }

    fn open_plane(&mut self) {
        if self.plane.is_some() || self.ask_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        match Client::open().and_then(|mut client| client.info().map(|info| (client, info))) {
            Ok((client, info)) => {
                let (major, minor, patch) = info.version;
                info!("IPVS {major}.{minor}.{patch} with room for {} connection buckets", info.table_size);
                self.absent = format!("IPVS {major}.{minor}.{patch}");
                self.plane = Some(client);
                self.ask_again = None;
            }
            Err(e) => {
                let why = match e {
                    Error::NoIpvs => "this kernel has no IPVS (module ip_vs)".to_owned(),
                    other => other.to_string(),
                };
                if self.ask_again.is_none() {
                    warn!("no connections are spread: {why}; checks and VRRP go on; asking again every minute");
                }
                self.absent = why;
                self.ask_again = Some(Instant::now() + ASK_AGAIN);
            }
        }
    }

    /// `lvs_flush` and `lvs_timeouts`, once.
    fn prepare_plane(&mut self) {
        let Some(client) = &mut self.plane else { return };
        let mut commands = Vec::new();
        if self.config.global.lvs_flush {
            commands.push(vipd_ipvs::Command::Flush);
        }
        if let Some((tcp, tcp_fin, udp)) = self.config.global.lvs_timeouts {
            match client.timeouts() {
                Ok(before) => self.timeouts_before = Some(before),
                Err(e) => warn!("the kernel's IPVS timeouts can't be read: {e}"),
            }
            commands.push(vipd_ipvs::Command::SetTimeouts(vipd_ipvs::Timeouts { tcp, tcp_fin, udp }));
        }
        for result in client.execute(&commands) {
            if let Err(e) = result {
                warn!("IPVS could not be prepared: {e}");
            }
        }
    }

    fn desired(&self) -> Table {
        let mut desired = Table::new();
        for service in &self.config.services {
            if let Some(state) = self.states.get(&service.lvs.id) {
                desired.extend(table::services(&service.lvs, &state.alive(), state.quorum));
            }
        }
        desired
    }

    /// Writes what differs from the desired table.
    fn write(&mut self, compare: Compare) {
        let desired = self.desired();
        let Some(client) = &mut self.plane else { return };
        let remembered = self.left.take();
        let present = match (compare, remembered) {
            (Compare::Remembered, Some(present)) => present,
            (Compare::Remembered | Compare::Kernel, remembered) => {
                let expected = remembered.as_ref().unwrap_or(&desired);
                match plane::read(client, &self.ours, expected) {
                    Ok(present) => {
                        if let Some(left) = remembered {
                            self.note_foreign_edits(&left, &present);
                        }
                        present
                    }
                    Err(e) => {
                        if let Some(silent) = self.limit.allow(monotonic_micros()) {
                            warn!("the kernel's IPVS table can't be read: {e}{silent}");
                        }
                        self.plane = None;
                        return;
                    }
                }
            }
        };
        let failures = self.carry_out(&plan::plan(&present, &desired));
        self.ours = desired.keys().copied().collect();
        // After a refused write nobody knows what is there: it is read the next time.
        self.left = (failures == 0).then_some(desired);
    }

    fn note_foreign_edits(&mut self, left: &Table, present: &Table) {
        let edits = plan::plan(left, present).len() as u64;
        if edits == 0 {
            return;
        }
        self.foreign_edits += edits;
        if let Some(silent) = self.limit.allow(monotonic_micros()) {
            warn!("somebody else edited the IPVS table ({edits} edits): it is put right{silent}");
        }
    }

    /// Sends the edits in one batch; how many were refused.
    fn carry_out(&mut self, edits: &[Edit]) -> u64 {
        let Some(client) = self.plane.as_mut().filter(|_| !edits.is_empty()) else { return 0 };
        let commands: Vec<_> = edits.iter().map(plane::command).collect();
        let mut failures = 0;
        for (edit, result) in edits.iter().zip(client.execute(&commands)) {
            if let Err(e) = result {
                failures += 1;
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    error!("{}: {e}{silent}", plane::describe(edit));
                }
            }
        }
        self.failed_writes += failures;
        failures
    }

    /// What the checks found: who comes and goes, who gains and loses a quorum; the table first, then the news.
    async fn judge(&mut self, verdicts: Vec<Verdict>) -> io::Result<()> {
        let mut news = Vec::new();
        let mut touched = BTreeSet::new();
        for verdict in verdicts {
            let Verdict { service: id, address, alive, weight, why, at } = verdict;
            let Some(known) = self.states.get_mut(&id).and_then(|s| s.servers.get_mut(&address)) else { continue };
            if known.alive != alive {
                known.since = at;
                let verb = if alive { "Adding" } else { "Removing" };
                let to = if alive { "to" } else { "from" };
                info!("{verb} service {address} {to} VS {id}: {why}");
                let why = why.clone();
                news.push(FromRole::RealServer { service: id.clone(), address, up: alive, why });
            }
            (known.alive, known.weight, known.why) = (alive, weight, why);
            touched.insert(id);
        }
        for id in touched {
            news.extend(self.settle_quorum(&id));
        }
        self.write(Compare::Remembered);
        for message in news {
            self.sender.send(&message).await?;
        }
        Ok(())
    }

    fn settle_quorum(&mut self, id: &VirtualServerId) -> Option<FromRole> {
        let settings = &self.config.services.iter().find(|s| s.lvs.id == *id)?.lvs;
        let state = self.states.get_mut(id)?;
        let live = table::live_weight(settings, &state.alive());
        let next = state.quorum.next(settings, live);
        if next == state.quorum {
            return None;
        }
        state.quorum = next;
        let up = next == Quorum::Up;
        let verb = if up { "Gained" } else { "Lost" };
        let why = format!(
            "{verb} quorum: live weight {live}, quorum {}, hysteresis {}",
            settings.quorum, settings.hysteresis
        );
        info!("{why} for VS {id}");
        Some(FromRole::Quorum { service: id.clone(), up, why })
    }

    /// `omega`: at a stop the scripts hear that everything goes.
    async fn say_good_bye(&mut self) -> io::Result<()> {
        let mut news = Vec::new();
        for Service { lvs, .. } in self.config.services.iter().filter(|s| s.lvs.omega) {
            let Some(state) = self.states.get(&lvs.id) else { continue };
            let why = "the daemon stops".to_owned();
            for (address, _) in state.servers.iter().filter(|(_, known)| known.alive) {
                let (service, address, why) = (lvs.id.clone(), *address, why.clone());
                news.push(FromRole::RealServer { service, address, up: false, why });
            }
            if state.quorum == Quorum::Up {
                news.push(FromRole::Quorum { service: lvs.id.clone(), up: false, why });
            }
        }
        for message in news {
            self.sender.send(&message).await?;
        }
        Ok(())
    }

    /// Clears away what is ours, unless told to leave it.
    fn leave(&mut self) {
        if self.options.keep_ipvs {
            info!("leaving the IPVS table as it is, as told (-I)");
            return;
        }
        let Some(client) = &mut self.plane else { return };
        match plane::read(client, &self.ours, &Table::new()) {
            Ok(present) => drop(self.carry_out(&plan::clear(&present))),
            Err(e) => warn!("the kernel's IPVS table can't be cleared: {e}"),
        }
        if let (Some(before), Some(client)) = (self.timeouts_before.take(), &mut self.plane) {
            for result in client.execute(&[vipd_ipvs::Command::SetTimeouts(before)]) {
                if let Err(e) = result {
                    warn!("the kernel's IPVS timeouts can't be put back: {e}");
                }
            }
        }
    }

    fn status(&mut self) -> StatusPart {
        let services = self.config.services.clone();
        let services = services.iter().map(|s| self.service_status(&s.lvs)).collect();
        let plane = PlaneStatus {
            name: if self.plane.is_some() { "ipvs" } else { "absent" }.to_owned(),
            detail: self.absent.clone(),
            foreign_edits: self.foreign_edits,
            failed_writes: self.failed_writes,
        };
        StatusPart::Director { plane, services }
    }

    fn service_status(&mut self, settings: &VirtualServer) -> ServiceStatus {
        let counted = self.plane.as_mut().map(|client| plane::count(client, &settings.keys));
        let counted = counted.and_then(Result::ok).unwrap_or_default();
        let Some(state) = self.states.get(&settings.id) else { return ServiceStatus::default() };
        let real_servers = settings.real_servers.iter().map(|real| {
            let known = state.servers.get(&real.address);
            let counts = counted.servers.get(&real.address);
            RealServerStatus {
                address: real.address.to_string(),
                forwarding: match real.forwarding {
                    Forwarding::Nat => "NAT",
                    Forwarding::Dr => "DR",
                    Forwarding::Tun(_) => "TUN",
                }
                .to_owned(),
                alive: known.is_some_and(|k| k.alive),
                since: known.map_or(0.0, |k| k.since),
                why: known.map(|k| k.why.clone()).unwrap_or_default(),
                weight: counts.map(|c| c.weight),
                configured_weight: real.weight,
                active_connections: counts.map_or(0, |c| c.active),
                inactive_connections: counts.map_or(0, |c| c.inactive),
                connections: counts.map_or(0, |c| c.connections),
                checks: Vec::new(),
            }
        });
        ServiceStatus {
            name: settings.id.to_string(),
            scheduler: settings.scheduler.name().to_owned(),
            state: if state.quorum == Quorum::Up { "up" } else { "down" }.to_owned(),
            live_weight: table::live_weight(settings, &state.alive()),
            quorum: settings.quorum,
            sorry_active: state.quorum == Quorum::Down && settings.sorry.is_some(),
            sorry: settings.sorry.as_ref().map(|s| s.address),
            connections: counted.connections,
            packets: counted.packets,
            bytes: counted.bytes,
            real_servers: real_servers.collect(),
        }
    }
}

/// The state of a virtual server that starts or stays: servers that are new count as alive unless `alpha`.
fn state_of(settings: &VirtualServer, before: Option<State>) -> State {
    let (quorum, mut known) = before.map_or((None, BTreeMap::new()), |s| (Some(s.quorum), s.servers));
    let fresh =
        |alpha: bool| Known { alive: !alpha, weight: None, why: "not checked yet".to_owned(), since: unix_time() };
    let servers = settings.real_servers.iter().map(|real| {
        let alpha = settings.alpha || real.checkers.iter().any(|c| c.alpha);
        (real.address, known.remove(&real.address).unwrap_or_else(|| fresh(alpha)))
    });
    let mut state = State { quorum: Quorum::Up, servers: servers.collect() };
    let live = table::live_weight(settings, &state.alive());
    state.quorum = match quorum {
        Some(quorum) => quorum.next(settings, live),
        None => Quorum::at_start(settings, live),
    };
    state
}
