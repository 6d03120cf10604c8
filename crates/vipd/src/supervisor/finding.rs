//! Real servers that are found while the daemon runs: files are followed here, name servers are asked by the check role. What
//! comes of it goes to the roles as a reload's differences do.

use super::followed::Lease;
use super::hooks::name_of_service;
use super::patient::{self, Hanging, Vain};
use super::watching::{Follower, Look, Subject, look};
use super::{Event, RoleName, Supervisor, files::PATIENCE};
use crate::found::{self, Found, News, Turn, User};
use crate::kept;
use crate::message::ToRole;
use crate::orders::Outlived;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};
use vipd_api::{FoundStatus, PlaceStatus, StaleStatus, Status, UnixTime};
use vipd_config::discovery::{self, LONGEST, Lookup, Origin, Outcome};
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::unix_time;

/// Servers that an event each tells of; one of more tells how many.
const TOLD: usize = 64;

/// A file of real servers, and whom it is for: for another one it is read once more.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Listed {
    path: String,
    users: Vec<User>,
}

impl Supervisor {
    /// Takes what a daemon before this one has found.
    pub(super) fn inherit_found(&mut self) {
        let socket = Path::new(&self.plan.role_options.socket);
        match found::inherited(socket, &self.file) {
            Ok(found) => self.found = found,
            Err(e) => {
                let path = found::place(socket);
                warn!("the real servers that were found, in {}, can't be read: {e}", path.display());
            }
        }
        self.grown = Arc::new(self.found.on_top_of(&self.file));
    }

    /// Follows the files of real servers, and has the names asked for, that the configuration in force names.
    pub(super) fn find_servers(&mut self) {
        let lookups = found::lookups(&self.file);
        if lookups != self.lookups {
            self.lookups = lookups;
            self.tell_lookups();
        }
        let listed = found::files(&self.file).into_iter();
        let listed: Vec<Listed> =
            listed.map(|(path, users)| Listed { path: path.to_string_lossy().into_owned(), users }).collect();
        let Some(lease) = self.listings.change(listed.clone(), |listed| &listed.path) else { return };
        if listed.is_empty() {
            return;
        }
        let events = self.events.clone();
        let thread = std::thread::Builder::new().name("servers".to_owned());
        if let Err(e) = thread.spawn(move || follow(lease, events, listed)) {
            error!("files of real servers can't be followed: {e}");
        }
    }

    /// What check is to ask for.
    pub(super) fn questions(&self) -> ToRole {
        let lookups: BTreeSet<Lookup> = self.lookups.iter().map(|(lookup, _)| lookup.clone()).collect();
        ToRole::Lookups(lookups.into_iter().collect())
    }

    fn tell_lookups(&self) {
        self.tell(RoleName::Check, &self.questions());
    }

    /// Waits for what the files say, but not for ever: the roles are to start with it. What else happens meanwhile may end the
    /// daemon.
    pub(super) async fn await_listings(&mut self, queue: &mut mpsc::Receiver<Event>) -> Option<ExitCode> {
        let mut awaited: BTreeSet<PathBuf> = found::files(&self.file).into_iter().map(|(path, _)| path).collect();
        // Some may have been read while others were waited for.
        for (heard, ()) in self.listings.values() {
            awaited.remove(Path::new(heard));
        }
        let end = Instant::now() + PATIENCE;
        while !awaited.is_empty() {
            let Ok(Some(event)) = timeout_at(end, queue.recv()).await else { return None };
            if let Event::Listing { path, .. } = &event {
                awaited.remove(path);
            }
            if let Some(code) = self.handle(event) {
                return Some(code);
            }
        }
        None
    }

    /// A file of real servers was read.
    pub(super) fn listing_says(&mut self, serial: u64, path: PathBuf, outcome: &Outcome) {
        if self.listings.heard(serial, &path.to_string_lossy(), ()) {
            self.found_at(&Origin::File(path), outcome);
        }
    }

    /// A name server was asked by the check role. It is believed only what it was to ask.
    pub(super) fn lookup_says(&mut self, lookup: Lookup, outcome: &Outcome, again: Duration) {
        if !self.lookups.iter().any(|(known, _)| *known == lookup) {
            return; // of a configuration before this one
        }
        self.next_looks.retain(|(known, _)| *known != lookup && self.lookups.iter().any(|(one, _)| one == known));
        self.next_looks.push((lookup.clone(), unix_time() + again.as_secs_f64()));
        self.found_at(&Origin::Dns(lookup), outcome);
    }

    fn found_at(&mut self, origin: &Origin, outcome: &Outcome) {
        let file = Arc::clone(&self.file);
        let news = self.found.take(&file, origin, outcome, unix_time());
        let mut touched = BTreeSet::new();
        for News { service, servers, place } in news {
            self.tell_place(&service, origin, place);
            for (address, what) in servers.iter().take(TOLD) {
                let subject = format!("real_server {address} of {}", name_of_service(&service));
                info!("{subject}: {what} ({origin})");
                let verb = if what == "left" { "no longer names it" } else { "says so" };
                self.note("discovery", subject, what.clone(), format!("{origin} {verb}"));
            }
            if let Some(more) = servers.len().checked_sub(TOLD).filter(|more| *more > 0) {
                let what = format!("{more} more servers changed");
                info!("{}: {what} ({origin})", name_of_service(&service));
                self.note("discovery", name_of_service(&service), what, format!("{origin} says so"));
            }
            if !servers.is_empty() {
                touched.insert(service);
            }
        }
        if touched.is_empty() {
            return;
        }
        self.keep_found();
        self.grow(&touched);
        let ended = self.orders_on_servers.outlive(&self.grown, Outlived::Discovery);
        self.tell_ended(&ended);
        // An error is told where it happens.
        let _ = self.enforce(touched);
        // There may be something to check now. Before the others run, the start of the daemon sees to that.
        if self.roles.contains_key(&RoleName::Console) {
            self.start_roles();
        }
    }

    /// Takes what was found for these virtual servers into what orders lie on top of.
    fn grow(&mut self, touched: &BTreeSet<VirtualServerId>) {
        let grown = Arc::make_mut(&mut self.grown);
        for (file, grown) in self.file.services.iter().zip(&mut grown.services) {
            if touched.contains(&file.lvs.id) {
                *grown = self.found.on_service(file);
            }
        }
    }

    fn tell_place(&mut self, service: &VirtualServerId, origin: &Origin, turn: Turn) {
        let (what, why) = match turn {
            Turn::Same => return,
            Turn::Stale(why) => {
                warn!("real servers of {service} from {origin} stay as they were: {why}");
                ("stale", why)
            }
            Turn::Fresh => {
                info!("real servers of {service} are what {origin} says again");
                ("fresh", "it is known again what it says".to_owned())
            }
        };
        self.note("discovery", format!("{origin} for {}", name_of_service(service)), what.to_owned(), why);
    }

    /// Keeps what was found for a daemon that follows. An error is logged.
    pub(super) fn keep_found(&self) {
        let path = found::place(Path::new(&self.plan.role_options.socket));
        if let Err(e) = kept::write(&path, (!self.found.is_empty()).then_some(&self.found)) {
            warn!("the real servers that were found can't be kept for a daemon that follows: {}: {e}", path.display());
        }
    }

    /// What is found where, for the status.
    pub(super) fn fill_in_found(&self, status: &mut Status) {
        fill(status, &self.found, &self.file.services, &|lookup| {
            self.next_looks.iter().find(|(known, _)| known == lookup).map(|(_, at)| *at)
        });
    }
}

fn fill(
    status: &mut Status,
    found: &Found,
    services: &[Arc<vipd_config::model::Service>],
    next: &dyn Fn(&Lookup) -> Option<UnixTime>,
) {
    for service in services.iter().filter(|service| !service.discoveries.is_empty()) {
        let Some(told) = status.services.iter_mut().find(|told| told.name == service.lvs.id.0) else { continue };
        for known in found.places(service) {
            let from = known.discovery.origin.to_string();
            let mut count = 0;
            for (address, since) in known.servers() {
                count += 1;
                // One that the file itself gives is the file's.
                if service.lvs.real_servers.iter().any(|real| real.address == address) {
                    continue;
                }
                let address = address.to_string();
                let found = FoundStatus { from: from.clone(), since };
                let server = told.real_servers.iter_mut().find(|server| server.address == address);
                if let Some(server) = server.filter(|server| server.found.is_none()) {
                    server.found = Some(found);
                }
            }
            let next_look = match &known.discovery.origin {
                Origin::Dns(lookup) => next(lookup),
                Origin::File(_) => None,
            };
            let stale = known.stale().map(|(since, why)| StaleStatus { since, why: why.to_owned() });
            told.found_at.push(PlaceStatus { from, servers: count, seen: known.seen(), next_look, stale });
        }
    }
}

/// The thread.
fn follow(lease: Lease, events: mpsc::Sender<Event>, listed: Vec<Listed>) {
    let listings = listed.into_iter().map(|listed| Listing::new(PathBuf::from(listed.path))).collect();
    Follower::new(lease, events, listings, "files of real servers").run();
}

/// A followed file of real servers.
struct Listing {
    path: PathBuf,
    chain: Vec<PathBuf>,
    hanging: Option<Hanging>,
    /// What it said last.
    said: Option<Outcome>,
}

impl Listing {
    fn new(path: PathBuf) -> Listing {
        Listing { chain: vec![path.clone()], path, hanging: None, said: None }
    }

    fn outcome(&mut self) -> Outcome {
        let at = self.path.clone();
        let (chain, text): Look = match patient::within(PATIENCE, move || look(&at, LONGEST as u64 + 1)) {
            Ok(looked) => looked,
            Err(Vain::Hangs(hanging)) => {
                self.hanging = Some(hanging);
                return Err(format!("it can't be read in {PATIENCE:?}: is its disk well?"));
            }
            Err(Vain::NoThread(e)) => return Err(format!("it can't be read: {e}")),
        };
        self.chain = chain;
        text.map_err(|e| format!("it can't be read: {e}")).and_then(|text| discovery::parse(&text))
    }
}

impl Subject for Listing {
    fn chain(&self) -> &[PathBuf] {
        &self.chain
    }

    fn hangs(&self) -> bool {
        self.hanging.is_some()
    }

    fn read(&mut self, serial: u64) -> Option<Event> {
        let _ = self.hanging.take_if(|hanging| !hanging.hangs());
        if self.hanging.is_some() {
            return None;
        }
        let outcome = self.outcome();
        if self.said.as_ref() == Some(&outcome) {
            return None;
        }
        self.said = Some(outcome.clone());
        Some(Event::Listing { serial, path: self.path.clone(), outcome })
    }
}

#[cfg(test)]
mod tests;
