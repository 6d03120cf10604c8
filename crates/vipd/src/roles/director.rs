//! The director role: keeps the kernel's IPVS table what the verdicts say it should be.
//!
//! ```text
//!   Verdicts --> health --> lvs::quorum --> lvs::table (desired, from scratch)
//!                                               |
//!   kernel's table (read at start, every few seconds, after a refused write) --> lvs::plan --> one batch
//! ```
//!
//! Without IPVS in the kernel everything goes on but the last step: that is said once and shown in the status.
//!
//! Whatever changes is told to the supervisor, as a `Memory` and a `State` of each virtual server, before anybody hears the news,
//! so that a successor goes on from there and tells nothing twice. A verdict costs as much as its virtual server is large.

mod state;
mod sync;
mod writing;

pub(crate) use state::at_start;

use super::plane::{self, Counted};
use crate::channel::{self, Receiver, Sender};
use crate::legacy::Legacy;
use crate::message::{
    self, About, Configure, FromRole, KnownService, News, Part, RoleOptions, StatusPart, ToRole, Verdict,
};
use crate::posture::Own;
use crate::rate::Limit;
use crate::supervisor::RoleName;
use serde::{Deserialize, Serialize};
use state::{GONE, Known, State, begun, freed, gone, inherited, log_quorums, quorum_news, state_of};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use sync::CatchUp;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tracing::{error, info, warn};
use vipd_api::{PlaneStatus, RealServerStatus, ServiceStatus};
use vipd_config::model::{Global, Leaving};
use vipd_ipvs::{Client, Error};
use vipd_lvs::plan;
use vipd_lvs::quorum::Quorum;
use vipd_lvs::settings::{Forwarding, ServiceKey, VirtualServer, VirtualServerId};
use vipd_lvs::slow_start;
use vipd_lvs::table::{self, Table};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::privilege::{Capability, Identity, keep_only};

/// How often the kernel's table is compared with the desired one.
const RECONCILE: Duration = Duration::from_secs(5);
/// The same for large tables: a second more for so many virtual and real servers, so that idling costs next to nothing.
const RECONCILE_OBJECTS: usize = 80;
/// And at the longest.
const RECONCILE_LONGEST: Duration = Duration::from_secs(300);
/// Virtual servers that a successor is told of in one message.
const PIECE: usize = 64;
/// News in one message.
const NEWS: usize = 1024;
/// Slow starts that have come a step further are written together: no more often than this.
const GROW: Duration = Duration::from_millis(100);
/// How often a kernel without IPVS is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) async fn run(stream: UnixStream) -> ExitCode {
    // Asking for the family loads the module where the kernel may do so by itself; this helps where it may not.
    if matches!(Client::open(), Err(Error::NoIpvs)) {
        load_module().await;
    }
    let kept = [Capability::CAP_NET_ADMIN, Capability::CAP_IPC_LOCK];
    if let Err(e) = keep_only(&kept, Identity::Unprivileged) {
        warn!("privileges can't be given up: {e}");
    }
    let (mut receiver, sender) = channel::split(stream);
    let mut director = Director::new(sender);
    match director.turn(&mut receiver).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if channel::is_gone(&e) => {
            warn!("the supervisor is gone; the IPVS table stays as it is until another vipd takes it over");
            director.leave(Fate::Stays);
            ExitCode::SUCCESS
        }
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

/// What a successor needs to go on, besides the states of the virtual servers.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// The services that are ours to edit.
    ours: BTreeSet<ServiceKey>,
    /// Whether the time for `lvs_flush` is over: it is when the daemon meets the kernel's table for the first time.
    met: bool,
    /// `lvs_timeouts` of others: what they were before ours were set (TCP, TCP after FIN, UDP).
    timeouts_before: Option<(u32, u32, u32)>,
    /// Whether the sync daemons are ours to end.
    #[serde(default)]
    syncs: bool,
    foreign_edits: u64,
    failed_writes: u64,
}

struct Director {
    own: Own,
    sender: Sender,
    global: Global,
    services: BTreeMap<VirtualServerId, VirtualServer>,
    states: BTreeMap<VirtualServerId, State>,
    /// Virtual servers of which a successor needs other things than it was told.
    unkept: BTreeSet<VirtualServerId>,
    /// When a real server of a virtual server has more of its weight, where a slow start is under way.
    growing: BTreeMap<VirtualServerId, slow_start::Instant>,
    /// Services that a configuration in pieces has given a quorum, or taken it from, so far; and whether they are new.
    turned: BTreeMap<VirtualServerId, About>,
    /// What else is to be told of it with its last piece.
    news: Vec<News>,
    options: RoleOptions,
    memory: Memory,
    /// What the supervisor was told of it last.
    told: Option<Memory>,
    plane: Option<Client>,
    /// Why there is no plane.
    absent: String,
    ask_again: Option<Instant>,
    /// The `lvs_timeouts` that this plane was given.
    timeouts: Option<(u32, u32, u32)>,
    /// What the kernel held after our last edit; anything else is somebody else's doing.
    left: Option<Table>,
    limit: Limit,
    configured: bool,
    /// Whether the instance that `lvs_sync_daemon` follows is MASTER.
    master: bool,
    /// What waits for the connections of another director.
    catching: Option<CatchUp>,
}

/// What the desired table is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compare {
    /// What we left in the kernel, if that is known.
    Remembered,
    /// What the kernel holds.
    Kernel,
}

/// What a comparison with the kernel has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    Nothing,
    Differences,
}

/// Whether verdicts change what a real server weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Weighs {
    Same,
    Otherwise,
}

/// What becomes of our services at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// They go: somebody wants it so.
    Goes,
    /// They stay: nobody asked for an end, and what they carry goes on.
    Stays,
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
            own: Own::default(),
            sender,
            global: Global::default(),
            services: BTreeMap::new(),
            states: BTreeMap::new(),
            unkept: BTreeSet::new(),
            growing: BTreeMap::new(),
            turned: BTreeMap::new(),
            news: Vec::new(),
            options: RoleOptions::default(),
            memory: Memory::default(),
            told: None,
            plane: None,
            absent: "not asked yet".to_owned(),
            ask_again: None,
            timeouts: None,
            left: None,
            limit: Limit::default(),
            configured: false,
            master: false,
            catching: None,
        }
    }

    async fn turn(&mut self, receiver: &mut Receiver) -> io::Result<()> {
        let mut reconcile = Instant::now() + RECONCILE;
        let mut grown = Instant::now();
        loop {
            let count = self.catching.as_ref().map(CatchUp::next);
            let grow = self.wake().map(|at| at.max(grown + GROW));
            tokio::select! {
                message = receiver.next::<ToRole>() => match message? {
                    Some(message) => {
                        let changes = matches!(&message, ToRole::Configure(configure) if !configure.part.more);
                        let before = self.configured;
                        if self.handle(message).await? == Go::Leave {
                            return Ok(());
                        }
                        if changes {
                            // What was written need not be read at once, unless some of it was refused.
                            let written = self.plane.is_none() || self.left.is_some();
                            let period = reconcile_period(self.services.values());
                            let next = Instant::now() + if written { period } else { RECONCILE };
                            reconcile = if before { reconcile.min(next) } else { next };
                        }
                    }
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                },
                () = tokio::time::sleep_until(grow.unwrap_or(reconcile)), if grow.is_some() => {
                    self.grow(monotonic());
                    grown = Instant::now();
                }
                () = tokio::time::sleep_until(count.unwrap_or(reconcile)), if count.is_some() => {
                    self.count_connections().await?;
                }
                () = tokio::time::sleep_until(reconcile) => {
                    if self.configured {
                        self.ready_plane().await?;
                        if self.compare() == Found::Differences {
                            self.write(Compare::Kernel);
                            self.remember().await?;
                        }
                    }
                    reconcile = Instant::now() + reconcile_period(self.services.values());
                }
            }
        }
    }

    /// When the next slow start comes a step further.
    fn wake(&self) -> Option<Instant> {
        let next = self.growing.values().min().filter(|_| self.configured)?;
        Some(Instant::now() + next.saturating_sub(monotonic()))
    }

    /// Writes what slow starts have come to. A successor learns by itself how far they are.
    fn grow(&mut self, now: slow_start::Instant) {
        let due = self.growing.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        let (mut whole, mut touched) = (BTreeSet::new(), BTreeMap::new());
        for id in due.collect::<Vec<_>>() {
            if let (Some(settings), Some(state)) = (self.services.get(&id), self.states.get_mut(&id)) {
                let turned = state.grow(settings, now);
                if state.settle_scale(settings) == Weighs::Otherwise || !state.apart {
                    whole.insert(id.clone());
                } else {
                    touched.insert(id.clone(), turned);
                }
            }
            self.note_growth(&id);
        }
        self.write_these(&whole);
        self.write_servers(&touched);
    }

    fn note_growth(&mut self, id: &VirtualServerId) {
        let settings = self.services.get(id);
        match settings.and_then(|settings| self.states.get(id)?.wake(settings)) {
            Some(at) => self.growing.insert(id.clone(), at),
            None => self.growing.remove(id),
        };
    }

    async fn handle(&mut self, message: ToRole) -> io::Result<Go> {
        match message {
            ToRole::Configure(configure) => self.configure(*configure).await?,
            ToRole::Verdicts(verdicts) => self.judge(verdicts).await?,
            ToRole::Mastership(master) => {
                self.follow(master);
                self.remember().await?;
            }
            ToRole::CatchUp { instance, longest } => self.catching = Some(CatchUp::new(instance, longest)),
            ToRole::Query(id) => {
                let part = Box::new(self.status());
                self.sender.send(&FromRole::Status { id, part }).await?;
            }
            ToRole::Ping(n) => self.sender.send(&FromRole::Beat(n)).await?,
            ToRole::Stop => {
                self.say_good_bye().await?;
                self.leave(Fate::Goes);
                self.sender.send(&FromRole::Done).await?;
                return Ok(Go::Leave);
            }
            ToRole::Script { .. }
            | ToRole::Cleared { .. }
            | ToRole::CaughtUp(_)
            | ToRole::Steer { .. }
            | ToRole::File { .. }
            | ToRole::Sessions(_)
            | ToRole::Process { .. }
            | ToRole::Lookups(_)
            | ToRole::Ran { .. }
            | ToRole::Events { .. }
            | ToRole::Mail { .. }
            | ToRole::Reply { .. } => {}
        }
        Ok(Go::On)
    }

    /// Takes a piece of a configuration, and acts on it with the last one. What is known of servers that stay is kept; at the
    /// start that is what a predecessor knew.
    async fn configure(&mut self, configure: Configure) -> io::Result<()> {
        let first = !self.configured;
        let Part { config, removed, more } = configure.part;
        self.own.suit(RoleName::Director, &config);
        self.global = config.global;
        self.options = configure.options;
        if let Some(snapshot) = configure.snapshot.filter(|_| first) {
            match snapshot.read::<Memory>() {
                Ok(memory) => self.memory = memory,
                Err(e) => warn!("what the predecessor knew can't be read ({e}): starting anew"),
            }
        }
        for KnownService { service, whole, since } in configure.known {
            match inherited(&whole, &since) {
                Ok(state) => drop(self.states.insert(service, state)),
                Err(e) => warn!("what the predecessor knew of {service} can't be read ({e}): starting anew"),
            }
        }
        for id in removed {
            self.services.remove(&id);
            self.growing.remove(&id);
            if let Some(state) = self.states.remove(&id) {
                self.tell_gone(&id, &state);
            }
        }
        for service in config.services {
            let lvs = Arc::unwrap_or_clone(service).lvs;
            let before = self.states.remove(&lvs.id);
            let had = before.as_ref().map(|state| state.quorum);
            if let Some(before) = &before {
                let kept: BTreeSet<SocketAddr> = lvs.real_servers.iter().map(|r| r.address).collect();
                self.news.extend(gone(&lvs.id, before, |address| !kept.contains(address)));
            }
            let state = state_of(&lvs, before.clone(), monotonic());
            if self.global.rs_init_notifies {
                self.news.extend(begun(&lvs, before.as_ref(), &state));
            }
            if before.as_ref().is_none_or(|before| (before.quorum, &before.servers) != (state.quorum, &state.servers)) {
                self.unkept.insert(lvs.id.clone());
            }
            self.news.extend(before.iter().flat_map(|before| freed(&lvs.id, before, &state)));
            // One that is new has gained what it begins with: a `quorum_up` may be what brings its traffic here.
            if had.unwrap_or(Quorum::Down) != state.quorum {
                let about = if had.is_none() { About::FirstQuorum } else { About::Quorum };
                self.turned.insert(lvs.id.clone(), about);
            }
            self.memory.ours.extend(lvs.keys.iter().copied());
            let id = lvs.id.clone();
            self.states.insert(id.clone(), state);
            self.services.insert(id.clone(), lvs);
            self.note_growth(&id);
        }
        if more {
            return Ok(());
        }
        // What a predecessor knew of services that a reload has removed since.
        let left: Vec<VirtualServerId> =
            self.states.keys().filter(|id| !self.services.contains_key(*id)).cloned().collect();
        for id in left {
            if let Some(state) = self.states.remove(&id) {
                self.tell_gone(&id, &state);
            }
        }
        self.ready_plane().await?;
        self.write(if first { Compare::Kernel } else { Compare::Remembered });
        let turned = std::mem::take(&mut self.turned);
        let turned =
            turned.iter().filter_map(|(id, about)| Some((self.services.get(id)?, self.states.get(id)?, *about)));
        let mut news = std::mem::take(&mut self.news);
        news.extend(turned.map(|(settings, state, about)| quorum_news(settings, state, about)));
        self.tell(news).await?;
        if first {
            self.configured = true;
            self.sender.send(&FromRole::Ready).await?;
        }
        Ok(())
    }

    /// Notes what is to be told of a service that is no longer configured.
    fn tell_gone(&mut self, id: &VirtualServerId, state: &State) {
        info!("virtual server {id} is no longer configured");
        self.news.extend(gone(id, state, |_| true));
        if state.quorum == Quorum::Up {
            self.news.push(News { service: id.clone(), about: About::Quorum, up: false, why: GONE.to_owned() });
        }
    }

    /// Tells the supervisor what a successor needs, if that is not what it was told last.
    async fn remember(&mut self) -> io::Result<()> {
        if self.told.as_ref() != Some(&self.memory) {
            if let Some(memory) = Legacy::of(&self.memory, RoleName::Director) {
                self.sender.send(&FromRole::Snapshot(memory)).await?;
            }
            self.told = Some(self.memory.clone());
        }
        while !self.unkept.is_empty() {
            let piece = std::iter::from_fn(|| self.unkept.pop_first()).take(PIECE).collect();
            self.remember_these(piece).await?;
        }
        Ok(())
    }

    async fn remember_these(&mut self, ids: Vec<VirtualServerId>) -> io::Result<()> {
        let mut known = message::Known::new();
        for id in ids {
            let Some(state) = self.states.get(&id) else { continue };
            let whole = Legacy::of(state, &id);
            known.extend(whole.map(|whole| KnownService { service: id, whole, since: Vec::new() }));
        }
        self.sender.send(&FromRole::Known(known)).await
    }

    /// The same of some real servers of some virtual servers, with what is told next.
    fn remember_servers(&mut self, touched: &BTreeMap<VirtualServerId, BTreeSet<usize>>) -> io::Result<()> {
        let mut all = Vec::new();
        for (id, places) in touched {
            let Some(state) = self.states.get(id) else { continue };
            let servers = places.iter().filter_map(|place| state.servers.get(*place));
            let values = servers.filter_map(|(address, known)| Some((*address, Legacy::of(known, address)?)));
            all.push((id.clone(), values.collect()));
        }
        if all.is_empty() { Ok(()) } else { self.sender.queue(&FromRole::KnownServers(all)) }
    }

    /// Tells the news; what they rest on first, so that a successor doesn't tell them again.
    async fn tell(&mut self, news: Vec<News>) -> io::Result<()> {
        self.remember().await?;
        log_quorums(&news);
        self.pass_on(news).await
    }

    async fn pass_on(&mut self, mut news: Vec<News>) -> io::Result<()> {
        while !news.is_empty() {
            let later = news.split_off(news.len().min(NEWS));
            self.sender.queue(&FromRole::News(news))?;
            news = later;
        }
        self.sender.flush().await
    }

    /// Opens the plane if there is none, and sees to `lvs_flush` and `lvs_timeouts`.
    async fn ready_plane(&mut self) -> io::Result<()> {
        self.open_plane();
        self.flush();
        if self.read_timeouts() {
            // Before they are changed: a successor could not tell ours from those before.
            self.remember().await?;
        }
        self.set_timeouts();
        self.synchronise();
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
                self.timeouts = None;
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

    /// `lvs_flush`: when the daemon meets the kernel's table, and never again, as everything that is ours would go too.
    fn flush(&mut self) {
        let Some(client) = self.plane.as_mut().filter(|_| !self.memory.met) else { return };
        self.memory.met = true;
        if !self.global.lvs_flush {
            return;
        }
        flush(client);
    }

    /// Reads the timeouts that `lvs_timeouts` is going to change, if they are not known; whether it did.
    fn read_timeouts(&mut self) -> bool {
        let wanted = self.global.lvs_timeouts;
        if wanted.is_none() || self.timeouts == wanted || self.memory.timeouts_before.is_some() {
            return false;
        }
        let Some(client) = &mut self.plane else { return false };
        match client.timeouts() {
            Ok(before) => {
                self.memory.timeouts_before = Some((before.tcp, before.tcp_fin, before.udp));
                true
            }
            Err(e) => {
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    warn!("the kernel's IPVS timeouts can't be read: {e}{silent}");
                }
                false
            }
        }
    }

    /// `lvs_timeouts`, or what was before once the configuration asks for none any more.
    fn set_timeouts(&mut self) {
        let wanted = self.global.lvs_timeouts;
        let (Some(client), Some((tcp, tcp_fin, udp))) = (&mut self.plane, wanted.or(self.memory.timeouts_before))
        else {
            return;
        };
        if wanted.is_some() && self.timeouts == wanted {
            return;
        }
        for result in client.execute(&[vipd_ipvs::Command::SetTimeouts(vipd_ipvs::Timeouts { tcp, tcp_fin, udp })]) {
            match result {
                Ok(_) => {
                    self.timeouts = wanted;
                    if wanted.is_none() {
                        self.memory.timeouts_before = None;
                    }
                }
                Err(e) => {
                    if let Some(silent) = self.limit.allow(monotonic_micros()) {
                        warn!("the kernel's IPVS timeouts can't be set to {tcp} {tcp_fin} {udp}: {e}{silent}");
                    }
                }
            }
        }
    }

    /// What the checks found: who comes and goes, who gains and loses a quorum; the table first, then the news. It costs as much
    /// as what was found is long, however many others there are.
    async fn judge(&mut self, verdicts: Vec<Verdict>) -> io::Result<()> {
        let (mut news, now) = (Vec::new(), monotonic());
        let (mut touched, mut weighs) = (BTreeMap::<_, BTreeSet<usize>>::new(), Weighs::Same);
        for verdict in verdicts {
            let Verdict { service: id, address, alive, weight, why, at } = verdict;
            let (Some(settings), Some(state)) = (self.services.get(&id), self.states.get_mut(&id)) else { continue };
            let Some(place) = state.place(&address) else { continue };
            let Some((_, known)) = state.servers.get(place) else { continue };
            if (known.alive, known.weight, &known.why) == (alive, weight, &why) {
                continue;
            }
            if known.alive != alive {
                let verb = if alive { "Adding" } else { "Removing" };
                let to = if alive { "to" } else { "from" };
                info!("{verb} service {address} {to} VS {id}: {why}");
                let why = why.clone();
                news.push(News { service: id.clone(), about: About::RealServer(address), up: alive, why });
            }
            if known.alive == alive && known.weight != weight {
                let to = weight.map_or_else(|| "the configured one".to_owned(), |weight| weight.to_string());
                info!("Changing weight of service {address} of VS {id} to {to}: {why}");
            }
            if (known.alive, known.weight) != (alive, weight) {
                weighs = Weighs::Otherwise;
            }
            let since = if known.alive == alive { known.since } else { at };
            let intake = known.intake;
            state.judge(settings, place, Known { alive, weight, why, since, intake }, now);
            if state.servers.get(place).is_some_and(|(_, known)| known.intake != intake) {
                weighs = Weighs::Otherwise; // a step of its slow start was due
            }
            touched.entry(id).or_default().insert(place);
        }
        // Where a quorum turns, servers share a place, or weights are scaled otherwise, the virtual server is written as a whole.
        let mut whole = BTreeSet::new();
        for id in touched.keys() {
            let turned = self.settle_quorum(id);
            if turned.is_some() {
                self.unkept.insert(id.clone());
            }
            let scaled = self.settle_growth(id, turned.as_ref());
            if scaled == Weighs::Otherwise {
                weighs = Weighs::Otherwise;
            }
            if turned.is_some() || scaled == Weighs::Otherwise || self.states.get(id).is_some_and(|state| !state.apart)
            {
                whole.insert(id.clone());
            }
            news.extend(turned);
        }
        // At the start all are told of that they are what they were taken for.
        if weighs == Weighs::Otherwise || !news.is_empty() {
            self.write_these(&whole);
            let rest = touched.iter().filter(|(id, _)| !whole.contains(*id));
            self.write_servers(&rest.map(|(id, places)| (id.clone(), places.clone())).collect());
        }
        touched.retain(|id, _| !self.unkept.contains(id));
        self.remember_servers(&touched)?;
        self.tell(news).await
    }

    fn settle_quorum(&mut self, id: &VirtualServerId) -> Option<News> {
        let settings = self.services.get(id)?;
        let state = self.states.get_mut(id)?;
        let next = state.quorum.next(settings, state.live);
        if next == state.quorum {
            return None;
        }
        state.quorum = next;
        Some(quorum_news(settings, state, About::Quorum))
    }

    /// Where a quorum is gained in the place of a sorry server, all begin together.
    fn settle_growth(&mut self, id: &VirtualServerId, turned: Option<&News>) -> Weighs {
        let (Some(settings), Some(state)) = (self.services.get(id), self.states.get_mut(id)) else {
            return Weighs::Same;
        };
        if settings.sorry.is_some() && turned.is_some_and(|turned| turned.up) {
            state.begin_together();
        }
        let scaled = state.settle_scale(settings);
        self.note_growth(id);
        scaled
    }

    /// `omega`: at a stop the scripts hear that everything goes; of services that go as they are, not of each server. Where
    /// the table stays nothing goes.
    async fn say_good_bye(&mut self) -> io::Result<()> {
        let mut news = Vec::new();
        if self.options.keep_ipvs {
            return Ok(());
        }
        let by_server = self.global.lvs_flush_on_stop == Leaving::Servers;
        for id in self.services.values().filter(|s| s.omega).map(|s| &s.id) {
            let Some(state) = self.states.get(id) else { continue };
            let why = "the daemon stops".to_owned();
            for (address, _) in state.servers.iter().filter(|(_, known)| known.alive && by_server) {
                let (service, about, why) = (id.clone(), About::RealServer(*address), why.clone());
                news.push(News { service, about, up: false, why });
            }
            if state.quorum == Quorum::Up {
                news.push(News { service: id.clone(), about: About::Quorum, up: false, why });
            }
        }
        self.pass_on(news).await
    }

    /// Clears away what is ours, unless told to leave it. What is not the table goes in any case: a successor that knows
    /// nothing of us could not tell our timeouts from those before.
    fn leave(&mut self, fate: Fate) {
        if self.options.keep_ipvs {
            info!("leaving the IPVS table as it is, as told (-I)");
            return;
        }
        let all = self.global.lvs_flush_on_stop == Leaving::Everything;
        if self.memory.ours.is_empty() && self.memory.timeouts_before.is_none() && !self.memory.syncs && !all {
            return;
        }
        if self.plane.is_none() {
            // An earlier failure may have closed it; what we wrote before that is there all the same.
            match Client::open() {
                Ok(client) => self.plane = Some(client),
                Err(Error::NoIpvs) => {}
                Err(e) => warn!("the kernel's IPVS table can't be cleared: {e}"),
            }
        }
        self.end_synchronising();
        let Some(client) = &mut self.plane else { return };
        match fate {
            Fate::Stays => {}
            Fate::Goes if all => flush(client),
            Fate::Goes => match plane::read(client, &self.memory.ours, &Table::new()) {
                Ok(present) => drop(self.carry_out(&plan::clear(&present))),
                Err(e) => warn!("the kernel's IPVS table can't be cleared: {e}"),
            },
        }
        // Nobody asks for timeouts any more: those before come back.
        self.global.lvs_timeouts = None;
        self.set_timeouts();
    }

    fn status(&mut self) -> StatusPart {
        let keys = self.services.values().flat_map(|s| &s.keys).copied().collect();
        let counted = self.plane.as_mut().map(|client| plane::count(client, &keys));
        let counted = counted.and_then(Result::ok).unwrap_or_default();
        let services = self.services.values().map(|s| self.service_status(s, &counted)).collect();
        let plane = PlaneStatus {
            name: if self.plane.is_some() { "ipvs" } else { "absent" }.to_owned(),
            detail: self.absent.clone(),
            foreign_edits: self.memory.foreign_edits,
            failed_writes: self.memory.failed_writes,
        };
        StatusPart::Director { plane, services }
    }

    fn service_status(&self, settings: &VirtualServer, counted: &BTreeMap<ServiceKey, Counted>) -> ServiceStatus {
        let Some(state) = self.states.get(&settings.id) else { return ServiceStatus::default() };
        let counted: Vec<_> = settings.keys.iter().filter_map(|key| Some((key, counted.get(key)?))).collect();
        let total = |of: fn(&Counted) -> u64| counted.iter().map(|(_, c)| of(c)).sum();
        let real_servers = settings.real_servers.iter().map(|real| {
            let known = state.server(&real.address);
            let growing = known.and_then(|known| known.intake.growth());
            // It may be in several services, in each under the port that it has there.
            let places = counted.iter();
            let places = places.filter_map(|(k, c)| c.servers.get(&table::place(k, real.address, real.forwarding)));
            let places: Vec<_> = places.collect();
            RealServerStatus {
                address: real.address.to_string(),
                forwarding: forwarding(real.forwarding).to_owned(),
                alive: known.is_some_and(|k| k.alive),
                since: known.map_or(0.0, |k| k.since),
                why: known.map(|k| k.why.clone()).unwrap_or_default(),
                weight: places.first().map(|c| c.weight.div_ceil(state.scale.max(1))),
                slow_start: growing.map(|growth| growth.share(real.slow_start).percent()),
                configured_weight: real.weight,
                active_connections: places.iter().map(|c| c.active).sum(),
                inactive_connections: places.iter().map(|c| c.inactive).sum(),
                connections: places.iter().map(|c| c.connections).sum(),
                order: None,
                found: None,
                checks: Vec::new(),
            }
        });
        ServiceStatus {
            name: settings.id.to_string(),
            protocol: protocol(settings),
            scheduler: settings.scheduler.name().to_owned(),
            state: if state.quorum == Quorum::Up { "up" } else { "down" }.to_owned(),
            live_weight: state.live,
            quorum: settings.quorum,
            sorry_active: self.plane.is_some() && state.quorum == Quorum::Down && settings.sorry.is_some(),
            sorry: settings.sorry.as_ref().map(|s| s.address),
            connections: total(|c| c.connections),
            packets: (total(|c| c.packets.0), total(|c| c.packets.1)),
            bytes: (total(|c| c.bytes.0), total(|c| c.bytes.1)),
            real_servers: real_servers.collect(),
            ..ServiceStatus::default()
        }
    }
}

/// The time that all roles of the host share.
fn monotonic() -> slow_start::Instant {
    Duration::from_micros(monotonic_micros())
}

/// `lvs_flush`, `lvs_flush_on_stop`: nothing stays in the kernel's table, whoever put it there.
fn flush(client: &mut Client) {
    for result in client.execute(&[vipd_ipvs::Command::Flush]) {
        if let Err(e) = result {
            warn!("the kernel's IPVS table can't be flushed: {e}");
        }
    }
}

/// The word of the configuration.
pub(crate) fn forwarding(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Nat => "NAT",
        Forwarding::Dr => "DR",
        Forwarding::Tun(_) => "TUN",
    }
}

/// What the connections of a virtual server are: `tcp`, or `any` where marks decide.
fn protocol(settings: &VirtualServer) -> String {
    let marks = settings.keys.iter().any(|key| matches!(key, ServiceKey::Fwmark { .. }));
    if marks { "any".to_owned() } else { settings.protocol.to_string() }
}

/// How long from one comparison with the kernel's table to the next.
fn reconcile_period<'a>(services: impl Iterator<Item = &'a VirtualServer>) -> Duration {
    let objects: usize = services.map(|service| service.keys.len() * (1 + service.real_servers.len())).sum();
    let long = Duration::from_secs((objects / RECONCILE_OBJECTS) as u64);
    long.clamp(RECONCILE, RECONCILE_LONGEST)
}

#[cfg(test)]
mod tests;
