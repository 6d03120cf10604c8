//! The vrrp role: adverts in and out, addresses on and off; BFD sessions beside them. Its loop is epoll and one timer; what
//! it decides is `vipd_vrrp::node`'s (and `vipd_bfd::node`'s), what it does to the kernel is `apply`'s.
//!
//! ```text
//!  ports (raw sockets) --datagram--> admit --+
//!  netlink monitor -----link, address--------+--> Node::handle --> poll --> send, tell
//!  supervisor ---script, file, Configure-----+                 --> claims --> apply::Addresses --> netlink, ARP
//! ```

mod acting;
mod bfd;
mod ease;
mod happening;
mod hearing;
mod heartbeat;
mod paths;
mod steering;
mod view;

use crate::apply::{Addresses, Before, Carriers, Devices, Filter, Opened, Ports, Promotion, Routing, unfit};
use crate::channel::{self, Decoder};
use crate::legacy::Legacy;
use crate::message::{Ask, Configure, FromRole, RoleOptions, ToRole};
use crate::posture::Own;
use crate::rate::Limit;
use crate::supervisor::RoleName;
use bfd::Bfd;
use ease::Ease;
use heartbeat::Traffic;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use tracing::{error, info, warn};
use vipd_config::model::Config;
use vipd_sys::clock::{monotonic_micros, unix_micros};
use vipd_sys::poll::{DEADLINE, Poller, Room};
use vipd_sys::raw::Inbox;
use vipd_vrrp::admit;
use vipd_vrrp::node::{Input, Node, Settings, Snapshot};
use vipd_vrrp::settings::{Auth, Tracked};
use vipd_vrrp::track::{Known, Link};
use vipd_vrrp::units::{Instant, Micros};

/// Tokens of the poller: where BFD hears from `FIRST_BFD` on, ports from `FIRST_PORT` on.
const CHANNEL: u64 = 0;
const MONITOR: u64 = 1;
const PATHS: u64 = 2;
const FIRST_BFD: u64 = 3;
const LAST_BFD: u64 = Bfd::last_token(FIRST_BFD);
const FIRST_PORT: u64 = 16;

/// Datagrams read from one port in one turn: more than fit its queue (`apply::Ports` gives it room for some hundred), so
/// that after a pause everything that waited is heard before a backup's patience is judged. Junk must not hold up a
/// take-over for ever, so there is a bound; masters send between ports.
const BURST: usize = 1024;

/// What came longer ago than this counts as come now.
const LATE: Micros = Micros(1_000_000);

/// A smaller step of the time of day is no news, in microseconds.
const CLOCK_STEP: u64 = 1_000;

/// How long after a refused socket it is tried again, in microseconds.
const SOCKET_RETRY: u64 = 1_000_000;

/// The supervisor hears that the loop turns as often, in microseconds, without asking.
const BEAT: u64 = 300_000;

/// Why this process ends when nobody has told it to.
const ORPHANED: &str = "the supervisor is gone; what is held is given up";

/// How long the supervisor may take to read what is left when the role ends.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

/// The least time between two snapshots, in microseconds, and the most: what is news is told at once; the rest is counters,
/// which a role that dies may lose, and, where adverts are signed, what keeps them from being replayed.
const SNAPSHOT_GAP: u64 = 50_000;
const SNAPSHOT_AGE: u64 = 300_000_000;
const SNAPSHOT_AGE_SIGNED: u64 = 5_000_000;

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) fn run(stream: UnixStream) -> ExitCode {
    if let Err(e) = vipd_sys::privilege::many_descriptors() {
        warn!("the limit of descriptors stays as it is: {e}");
    }
    use vipd_sys::privilege::{Capability, Identity, keep_only};
    let kept = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW, Capability::CAP_IPC_LOCK];
    if let Err(e) = keep_only(&kept, Identity::Unprivileged) {
        warn!("privileges can't be given up: {e}");
    }
    let mut role = match Role::new(stream) {
        Ok(role) => role,
        Err(e) => {
            error!("the vrrp role can't start: {e}");
            return ExitCode::FAILURE;
        }
    };
    match role.turn_until_told() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!("the vrrp role ends: {e}");
            ExitCode::FAILURE
        }
    }
}

fn now() -> Instant {
    Instant(monotonic_micros())
}

/// When something came of which the kernel says that it was `at` (microseconds since 1970), by the monotonic clock that this
/// one is `ahead` of. One that was set meanwhile or a queue that was long left alone tell nothing: then it is now.
fn arrival(at: Option<u64>, ahead: Option<i64>) -> Instant {
    let now = now();
    let at = at.zip(ahead).map(|(at, ahead)| Instant(at.saturating_add_signed(ahead.saturating_neg())));
    at.filter(|at| *at <= now && now - *at < LATE).unwrap_or(now)
}

/// What the shell around the node keeps of one instance.
#[derive(Default)]
struct Shell {
    id: u16,
    rejected: BTreeMap<&'static str, u64>,
    /// What it last asked before a take-over, and why that was last refused, since its state last changed.
    asked: Option<Ask>,
    refused: Option<String>,
    /// What the last checksum covered.
    sum: Option<admit::Sum>,
    /// With heartbeat paths: what goes by each way, the own interface first.
    ways: Vec<Traffic>,
    log: Limit,
    /// For what is logged of weaker masters.
    lower: Limit,
}

/// What a successor needs to go on.
#[derive(Serialize, Deserialize)]
struct Kept {
    vrrp: Snapshot,
    bfd: vipd_bfd::node::Snapshot,
    #[serde(default)]
    settings: Before,
    #[serde(default)]
    promotion: Promotion,
}

/// Sets the kernel's settings as a role that has gone had found them.
pub(crate) fn restore_settings(kept: &Legacy) {
    if let Ok(Kept { settings, mut promotion, .. }) = kept.read::<Kept>() {
        settings.restore();
        promotion.set(&BTreeSet::new());
    }
}

struct Role {
    stream: UnixStream,
    decoder: Decoder,
    poller: Poller,
    node: Node,
    config: Config,
    own: Own,
    options: RoleOptions,
    ports: Ports,
    addresses: Addresses,
    carriers: Carriers,
    /// For what is logged of interfaces that were down for a moment.
    moments: Limit,
    /// When a sync group was last told MASTER again, as a second master had gone.
    told_again: BTreeMap<String, Instant>,
    routing: Routing,
    promotion: Promotion,
    devices: Devices,
    filter: Filter,
    shells: Vec<Shell>,
    bfd: Bfd,
    oddities: Limit,
    /// Packets for none of the instances, by reason.
    strangers: BTreeMap<&'static str, u64>,
    strange: Limit,
    /// When the supervisor is to hear next that the loop turns.
    beat_at: u64,
    snapshot_at: u64,
    snapshot_due: bool,
    /// Some instance signs its adverts.
    signed: bool,
    /// Bytes that the supervisor has not taken yet, and whether the poller waits for it to take more.
    unsent: Vec<u8>,
    room: Room,
    /// When sockets that could not be opened are tried again.
    sockets_at: Option<u64>,
    configured: bool,
    /// When instances begin to listen: after the delay at the start.
    start: Option<Instant>,
    /// What the time of day was ahead of the monotonic clock when the node was told, in microseconds.
    clock: i64,
    /// What it is now, if it was not set since the last turn.
    ahead: Option<i64>,
    ahead_before: i64,
    ease: Ease,
    /// A reload is taking instances away: their end is told as DELETED, and their addresses wait for the new configuration.
    removing: bool,
    stopping: bool,
}

impl Role {
    fn new(stream: UnixStream) -> io::Result<Role> {
        stream.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.watch(&stream, CHANNEL)?;
        let addresses = Addresses::open()?;
        poller.watch(addresses.monitor(), MONITOR)?;
        let routing = Routing::open()?;
        poller.watch(routing.monitor(), PATHS)?;
        let nothing = Settings::default();
        Ok(Role {
            stream,
            decoder: Decoder::default(),
            poller,
            node: Node::new(now(), nothing, BTreeMap::new(), None, Micros::ZERO),
            config: Config::default(),
            own: Own::default(),
            options: RoleOptions::default(),
            ports: Ports::default(),
            addresses,
            carriers: Carriers::default(),
            moments: Limit::default(),
            told_again: BTreeMap::new(),
            routing,
            promotion: Promotion::default(),
            devices: Devices::open()?,
            filter: Filter::default(),
            shells: Vec::new(),
            bfd: Bfd::default(),
            oddities: Limit::default(),
            strangers: BTreeMap::new(),
            strange: Limit::default(),
            beat_at: 0,
            snapshot_at: 0,
            snapshot_due: false,
            signed: false,
            unsent: Vec::new(),
            room: Room::Enough,
            sockets_at: None,
            configured: false,
            start: None,
            clock: 0,
            ahead: None,
            ahead_before: 0,
            ease: Ease::default(),
            removing: false,
            stopping: false,
        })
    }

    fn turn_until_told(&mut self) -> io::Result<()> {
        let mut ready = Vec::with_capacity(64);
        let (mut buffer, mut inbox) = (vec![0; 64 << 10], Inbox::default());
        while !self.stopping {
            let node = self.node.alarm().map(|at| at.0);
            let snapshot = self.configured.then(|| self.snapshot_at + self.snapshot_gap());
            let (addresses, paths) = (self.addresses.next_at(), self.paths_at());
            let deadline = [addresses, node, self.bfd.wake(), snapshot, self.sockets_at, paths, self.filter.wake()];
            let beat = self.configured.then_some(self.beat_at);
            let deadline = deadline.into_iter().chain([beat, self.carriers.wake()]).flatten().min();
            self.poller.wait_patiently(deadline, self.ease.put_off(monotonic_micros), &mut ready)?;
            self.look_at_clock();
            self.send_what_is_due();
            for token in std::mem::take(&mut ready) {
                match token {
                    DEADLINE => {}
                    CHANNEL => self.read_channel(&mut buffer)?,
                    MONITOR => self.addresses.observe()?,
                    PATHS => self.routing.observe()?,
                    ear @ FIRST_BFD..=LAST_BFD => {
                        self.bfd.read(ear - FIRST_BFD, self.ahead, &mut buffer);
                        self.send_what_is_due();
                    }
                    port => {
                        let read = self.read_port(port, self.ease.burst(BURST), &mut inbox);
                        self.ease.read(monotonic_micros(), read);
                        self.send_what_is_due();
                    }
                }
            }
            self.judge(&mut buffer, &mut inbox)?;
            self.follow_sessions();
            let now = monotonic_micros();
            if self.filter.wake().is_some_and(|at| at <= now) {
                self.filter.look();
                self.keep_devices();
            }
            if self.sockets_at.is_some_and(|at| at <= now) {
                self.open_ports();
            }
            self.take_news(now);
            self.addresses.work(now);
            if !self.addresses.adding() {
                self.routing.work(now);
            }
            if self.configured && self.beat_at <= now {
                self.beat_at = now + BEAT;
                self.queue(&FromRole::Beat(0));
            }
            self.take_snapshot(now);
            self.flush();
        }
        Ok(())
    }

    /// Adverts and BFD packets that are due; nobody counts as gone by that.
    fn send_what_is_due(&mut self) {
        let now = now();
        if self.node.alarm().is_some_and(|at| at <= now) {
            self.handle(now, Input::TickMasters);
        }
        self.bfd.tick_sending();
    }

    /// Those are judged that were to be heard by now (what is due to be sent is sent): nobody counts as gone whose words have
    /// come and were not read.
    fn judge(&mut self, buffer: &mut [u8], inbox: &mut Inbox) -> io::Result<()> {
        let at = now();
        let due = [self.node.alarm().map(|at| at.0), self.bfd.wake()].into_iter().flatten().min();
        if due.is_none_or(|due| due > at.0) {
            return Ok(());
        }
        self.addresses.observe()?;
        self.read_everything(buffer, inbox);
        self.bfd.tick(at.0);
        self.follow_sessions();
        self.node.handle(at, Input::Tick);
        self.act();
        Ok(())
    }

    /// Reads every socket until it is empty.
    fn read_everything(&mut self, buffer: &mut [u8], inbox: &mut Inbox) {
        for token in self.ports.tokens() {
            if self.read_port(token, BURST, inbox) > 0 {
                self.send_what_is_due();
            }
        }
        for ear in FIRST_BFD..=LAST_BFD {
            if self.bfd.read(ear - FIRST_BFD, self.ahead, buffer) > 0 {
                self.send_what_is_due();
            }
        }
    }

    /// Signed adverts carry the time of day, which somebody may have set.
    fn look_at_clock(&mut self) {
        let (now, unix, then) = (now(), unix_micros(), now());
        let ahead = unix.cast_signed().saturating_sub_unsigned(now.0);
        // In the turn in which the clock was set, or was read with a pause in between, it tells nothing of the past.
        let steady = ahead.abs_diff(self.ahead_before) <= CLOCK_STEP && then - now <= Micros(CLOCK_STEP);
        self.ahead = steady.then_some(ahead);
        self.ahead_before = ahead;
        if ahead.abs_diff(self.clock) > CLOCK_STEP {
            self.clock = ahead;
            self.handle(now, Input::Clock(Micros(unix)));
        }
    }

    fn read_channel(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    warn!("{ORPHANED}");
                    self.stop(ORPHANED);
                    return Ok(());
                }
                Ok(n) => self.decoder.feed(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    warn!("{ORPHANED} ({e})");
                    self.stop(ORPHANED);
                    return Ok(());
                }
            }
        }
        while let Some(message) = self.decoder.next::<ToRole>()? {
            match message {
                ToRole::Configure(configure) => self.configure(*configure)?,
                ToRole::Script { name, exit } => {
                    let success = exit == crate::message::Exit::Status(0);
                    self.handle(now(), Input::Script(name, success, exit.to_string()));
                }
                ToRole::Process { name, count, cause } => self.handle(now(), Input::Process(name, count, cause)),
                ToRole::File { name, value } => self.handle(now(), Input::File(name, value)),
                ToRole::Query(id) => {
                    let part = Box::new(self.status());
                    self.queue(&FromRole::Status { id, part });
                }
                ToRole::Steer { id, order } => {
                    let done = self.steer(&order);
                    self.queue(&FromRole::Steered { id, done });
                }
                ToRole::Cleared { instance, question, verdict } => {
                    let i = self.node.routers().iter().position(|r| r.settings.name == instance);
                    i.into_iter().for_each(|i| self.handle(now(), Input::Cleared(i, question, verdict.clone())));
                }
                ToRole::CaughtUp(instance) => {
                    let i = self.node.routers().iter().position(|r| r.settings.name == instance);
                    i.into_iter().for_each(|i| self.handle(now(), Input::CaughtUp(i)));
                }
                ToRole::Ping(n) => self.queue(&FromRole::Beat(n)),
                ToRole::Stop => {
                    self.stop("the daemon stops");
                    self.queue(&FromRole::Done);
                    self.say_last_words();
                    return Ok(());
                }
                ToRole::Sessions(_)
                | ToRole::Lookups(_)
                | ToRole::Ran { .. }
                | ToRole::Verdicts(_)
                | ToRole::Events { .. }
                | ToRole::Mastership(_)
                | ToRole::Mail { .. }
                | ToRole::CatchUp { .. }
                | ToRole::Reply { .. } => {}
            }
        }
        Ok(())
    }

    /// Takes a configuration: the first one, perhaps with what a predecessor knew, or a new one in place of the old.
    fn configure(&mut self, configure: Configure) -> io::Result<()> {
        let Configure { part, snapshot, last_seen, options, .. } = configure;
        let config = part.config;
        self.own.suit(RoleName::Vrrp, &config);
        let settings = Settings {
            instances: config.instances.iter().map(|i| i.vrrp.clone()).collect(),
            groups: config.groups.iter().map(|g| g.vrrp.clone()).collect(),
            scripts: config.scripts.iter().map(|s| s.vrrp.clone()).collect(),
            processes: config.processes.iter().map(|p| p.vrrp.clone()).collect(),
            start: None,
        };
        let now = now();
        if !self.configured && snapshot.is_none() {
            // This clock begins when the host does.
            let micros = |delay: std::time::Duration| Micros(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX));
            let (own, host) = (micros(config.global.startup_delay), micros(config.global.delay_after_boot));
            self.start = Some((now + own).max(Instant(host.0)));
        }
        let settings = Settings { start: self.start, ..settings };
        let mut predecessor = None;
        let mut before = if self.configured {
            self.removing = true;
            for i in self.node.removed_by(&settings) {
                self.handle(now, Input::Remove(i));
            }
            self.removing = false;
            Some((now, self.node.snapshot(now)))
        } else {
            snapshot.and_then(|kept| match kept.read::<Kept>() {
                Ok(kept) => {
                    predecessor = Some(kept.bfd);
                    self.devices.resume(kept.settings);
                    self.promotion = kept.promotion;
                    Some((Instant(last_seen), kept.vrrp))
                }
                Err(e) => {
                    warn!("what the predecessor knew can't be read ({e}): starting anew");
                    None
                }
            })
        };
        self.options = options;
        // An instance keeps its counters by what it is, not by where it stands in the file.
        let mut shells: BTreeMap<String, Shell> =
            self.node.routers().iter().map(|r| r.settings.name.clone()).zip(std::mem::take(&mut self.shells)).collect();
        self.shells = settings.instances.iter().map(|i| shells.remove(&i.name).unwrap_or_default().suit(i)).collect();
        self.devices.manage(&settings.instances, self.addresses.links());
        self.config = config;
        self.keep_devices();
        self.routing.manage(&self.config, self.addresses.links())?;
        self.addresses.manage(&self.config)?;
        // Routes went with addresses that were removed for having changed; they may be there again before anybody looks.
        let losses = self.addresses.losses();
        self.routing.heed(self.addresses.links(), |address| self.addresses.on_host(address), &losses);
        self.addresses.log_changes = self.options.log_addresses;
        self.carriers.manage(&self.config.interfaces);
        let links = self.facts(now.0);
        self.bfd.configure(if self.options.no_bfd { Vec::new() } else { self.config.bfd.clone() }, predecessor);
        if let Some((_, snapshot)) = &mut before {
            // Sessions are the same by their addresses; instances know them by the names that they have now.
            snapshot.tracked.retain(|(what, _)| !matches!(what, Tracked::Bfd(_)));
            snapshot.tracked.extend(self.bfd.levels().map(|(name, up)| (Tracked::Bfd(name), Known::of(up))));
        }
        self.ease.suit(&settings.instances);
        self.signed = settings.instances.iter().any(|i| matches!(i.auth, Auth::Ah(_) | Auth::Hmac(_)));
        self.node = Node::new(now, settings, links, before, Micros(unix_micros()));
        self.promote();
        self.open_ports();
        self.act();
        self.reconcile();
        self.announce_new();
        // What is leased no more must not end.
        for i in 0..self.node.routers().len() {
            self.addresses.renew(i, self.node.claims(i));
        }
        self.queue(&FromRole::Sessions(self.bfd.known()));
        if !self.configured {
            self.configured = true;
            self.queue(&FromRole::Ready);
        }
        self.snapshot_due = true;
        Ok(())
    }

    /// What a new configuration adds to those that are MASTER is announced as often as if they had just become it.
    fn announce_new(&mut self) {
        for (i, router) in self.node.routers().iter().enumerate().filter(|(_, router)| !router.is_listening()) {
            let new: Vec<_> = self.node.claims(i).filter(|c| !self.addresses.holds(c)).cloned().collect();
            self.addresses.announce(&new, router.settings.garp.master_repeat);
        }
    }

    /// Makes the interfaces that are missing. What somebody removes is there again before anybody looks.
    fn keep_devices(&mut self) {
        for _ in 0..4 {
            // Before an interface is up: the kernel says which groups it wants as soon as it is.
            let instances = self.config.instances.iter().map(|i| &i.vrrp);
            self.filter.reconcile(instances, self.addresses.links(), &self.config.global.firewall);
            if let Err(e) = self.addresses.observe() {
                warn!("what the kernel has to tell can't be read: {e}");
            }
            if !self.devices.reconcile(self.addresses.links()) {
                return;
            }
        }
    }

    fn open_ports(&mut self) {
        self.keep_devices();
        let devices = self.addresses.devices();
        let instances = self.node.routers().iter().map(|r| &r.settings);
        let mut opened = self.ports.open(instances, &devices, &self.poller, FIRST_PORT);
        // The node's instances are the configuration's, in the same order.
        for (opened, model) in opened.iter_mut().zip(&self.config.instances) {
            if let Some(why) = self.devices.problem(&model.vrrp) {
                opened.own = Err(why.to_owned());
            }
            let addresses = &self.addresses;
            if let Some(why) = unfit(model, addresses.links().values(), |address| addresses.on_host(address)) {
                opened.own = Err(why);
            }
        }
        let sessions = self.bfd.open(&self.poller, FIRST_BFD);
        let refused = !sessions || opened.iter().any(Opened::refused);
        self.sockets_at = refused.then(|| monotonic_micros() + SOCKET_RETRY);
        for (i, opened) in opened.into_iter().enumerate() {
            self.heed_sockets(i, opened.paths);
            self.handle(now(), Input::Sockets(i, opened.own));
        }
    }

    /// What counts of the interfaces.
    fn facts(&mut self, now: u64) -> BTreeMap<String, Link> {
        let routers = self.node.routers();
        let upon = |name: &str| routers.iter().filter(move |r| r.settings.is_upon(name)).map(|r| r.blind().0).min();
        self.carriers.facts(now, self.addresses.facts(), upon)
    }

    /// Takes note of what the kernel told since the last time, whoever read it.
    fn take_news(&mut self, now: u64) {
        // What is decided here may bring more news; what is left after a few rounds waits for the next turn.
        for _ in 0..4 {
            for (address, device) in std::mem::take(&mut self.addresses.put_back) {
                let cause = "somebody removed it".to_owned();
                self.happened("address", format!("{address} dev {device}"), "restored".to_owned(), cause);
            }
            let news = self.addresses.news(now);
            if news.is_none() && self.carriers.wake().is_none_or(|at| at > now) {
                break;
            }
            let news = news.unwrap_or_default();
            if news.links || (news.addresses && self.config.instances.iter().any(|i| i.track_source)) {
                self.open_ports();
                self.promote();
            }
            let losses = self.addresses.losses();
            let addresses = &self.addresses;
            self.routing.heed(addresses.links(), |address| addresses.on_host(address), &losses);
            let facts = self.facts(now);
            for (name, link) in self.addresses.changed_facts(&facts) {
                self.handle(self::now(), Input::Link(name, link));
            }
            self.reconcile();
            let back = self.carriers.back();
            self.announce_upon(&back);
        }
        self.take_news_of_paths();
    }

    /// Announces what masters hold on interfaces that were down for a moment: switches forget what was behind them.
    fn announce_upon(&mut self, devices: &[String]) {
        if devices.is_empty() {
            return;
        }
        if let Some(silent) = self.moments.allow(monotonic_micros()) {
            let names = devices.join(", ");
            info!("interface {names} was down for a moment, and is up again: addresses on it are announced{silent}");
        }
        for i in 0..self.node.routers().len() {
            let claims: Vec<_> = self.node.claims(i).filter(|a| devices.contains(&a.device)).cloned().collect();
            let repeat = self.node.routers().get(i).map_or(0, |r| r.settings.garp.master_repeat);
            self.addresses.announce(&claims, repeat);
        }
    }

    /// Lets the instances that track them know which BFD sessions came up or went down.
    fn follow_sessions(&mut self) {
        let news = self.bfd.news();
        for (name, up) in &news {
            self.handle(now(), Input::Bfd(name.clone(), *up));
        }
        self.bfd.tell();
        if !news.is_empty() {
            self.queue(&FromRole::Sessions(self.bfd.known()));
        }
        for (name, up) in news {
            let (what, why) = (if up { "Up" } else { "Down" }, self.bfd.why(&name));
            self.happened("bfd", format!("bfd_instance {name}"), what.to_owned(), why);
        }
    }

    /// Gives up everything, for this reason: priority 0, addresses off.
    fn stop(&mut self, why: &str) {
        self.stopping = true;
        if self.options.keep_addresses {
            info!("leaving the addresses where they are, as told (-V)");
            self.addresses.keep();
        }
        self.handle(now(), Input::Stop(why.to_owned()));
        self.reconcile();
        self.promote();
        if !self.options.keep_addresses {
            self.devices.withdraw(self.addresses.links());
            self.filter.withdraw();
        }
        self.bfd.stop();
    }

    /// The time from one snapshot to the next, in microseconds.
    fn snapshot_gap(&self) -> u64 {
        match self.snapshot_due {
            true => SNAPSHOT_GAP,
            false if self.signed => SNAPSHOT_AGE_SIGNED,
            false => SNAPSHOT_AGE,
        }
    }

    fn take_snapshot(&mut self, at: u64) {
        self.snapshot_due |= self.bfd.has_changed();
        if !self.configured || at < self.snapshot_at + self.snapshot_gap() {
            return;
        }
        self.snapshot_at = at;
        self.snapshot_due = false;
        let (settings, promotion) = (self.devices.before().clone(), self.promotion.clone());
        let kept = Kept { vrrp: self.node.snapshot(Instant(at)), bfd: self.bfd.snapshot(), settings, promotion };
        if let Some(kept) = Legacy::of(&kept, RoleName::Vrrp) {
            self.queue(&FromRole::Snapshot(kept));
        }
    }

    /// Queues a message for the supervisor; `flush` sends it. The supervisor being slow must not delay an advert.
    fn queue<T: Serialize>(&mut self, message: &T) {
        if self.unsent.len() > channel::LONGEST {
            return; // the supervisor has not read for very long: it will notice the missing beats
        }
        match channel::encode(message) {
            Ok(bytes) => self.unsent.extend_from_slice(&bytes),
            Err(e) => warn!("a message to the supervisor can't be written: {e}"),
        }
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The other end is gone: reading will tell, and then everything is given up in order.
                Err(_) => self.unsent.clear(),
            }
        }
        let room = if self.unsent.is_empty() { Room::Enough } else { Room::Awaited };
        if room != self.room {
            match self.poller.watch_room(&self.stream, CHANNEL, room) {
                Ok(()) => self.room = room,
                Err(e) => warn!("the supervisor's socket can't be watched: {e}"),
            }
        }
    }

    /// What is left for the supervisor, told in any case: scripts wait for it. Nothing else is left to do that it could delay.
    fn say_last_words(&mut self) {
        let told = self.stream.set_nonblocking(false).and_then(|()| {
            self.stream.set_write_timeout(Some(LAST_WORDS))?;
            self.stream.write_all(&self.unsent)
        });
        if let Err(e) = told {
            warn!("the supervisor was not told everything: {e}");
        }
        self.unsent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_counts_as_come_when_the_kernel_says_if_that_can_be() {
        let ahead = 1_700_000_000_000_000;
        let at = |ago: i64| Some(u64::try_from(i64::try_from(now().0).unwrap() + ahead - ago).unwrap());
        let ago = |at, ahead| (now() - arrival(at, ahead)).0;
        let moment = 200_000;
        assert!((300_000..300_000 + moment).contains(&ago(at(300_000), Some(ahead))));
        // What is told of the future, of long ago, or by a clock that was set, is not believed: it came now.
        for (at, ahead) in [(at(-1_000_000), Some(ahead)), (at(2_000_000), Some(ahead)), (at(300_000), None)] {
            assert!(ago(at, ahead) < moment, "{at:?} {ahead:?}");
        }
        assert!(ago(None, Some(ahead)) < moment);
        assert!(ago(Some(0), Some(i64::MIN)) < moment && ago(Some(u64::MAX), Some(i64::MAX)) < moment);
    }
}
