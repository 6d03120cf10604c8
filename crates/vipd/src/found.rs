//! Real servers that are found while the daemon runs: in files, and in what name servers answer. They lie on top of what the file
//! of the configuration says, and below the orders of operators.

use crate::kept;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vipd_api::UnixTime;
use vipd_config::discovery::{Discovery, Lookup, MOST, Origin, Outcome, Server};
use vipd_config::model::{Config, ServerNotify, Service};
use vipd_lvs::settings::{Forwarding, RealServer, ServiceKey, VirtualServerId};
use vipd_lvs::table::MAX_WEIGHT;

/// All that was found, by virtual server and place.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found(Vec<Place>);

/// What was found at one place of a virtual server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    service: VirtualServerId,
    origin: Origin,
    /// In the order of their addresses, each with the time since when it is one.
    servers: Vec<(Server, UnixTime)>,
    /// When they were last seen there; `None`: never.
    seen: Option<UnixTime>,
    /// Since when they may be others, and why that is not known.
    stale: Option<(UnixTime, String)>,
}

/// What another look at a place has brought.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct News {
    /// Whose place it is.
    pub(crate) service: VirtualServerId,
    /// What has become of which server, in few words: `joined`, `left`, `weight 5`.
    pub(crate) servers: Vec<(SocketAddr, String)>,
    /// What has become of the place itself.
    pub(crate) place: Turn,
}

/// What becomes of a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// Nothing.
    Same,
    /// Nothing is known of it any more, and why.
    Stale(String),
    /// Something is known of it again.
    Fresh,
}

impl Found {
    /// Takes what was found at a place by all virtual servers that have it. What can't be taken leaves everything as it was.
    pub(crate) fn take(&mut self, file: &Config, origin: &Origin, outcome: &Outcome, now: UnixTime) -> Vec<News> {
        let mut all = Vec::new();
        for service in &file.services {
            for discovery in service.discoveries.iter().filter(|discovery| discovery.origin == *origin) {
                let judged = outcome.clone().and_then(|servers| judge(service, discovery, servers));
                let mut news = self.place(&service.lvs.id, origin).take(judged, now);
                // By the names that they have as real servers: whose packets are not rewritten keeps the virtual server's port.
                for (address, _) in &mut news.servers {
                    *address = discovery.server(*address, None).address;
                }
                all.push(news);
            }
        }
        all
    }

    /// That place of a virtual server.
    fn place(&mut self, service: &VirtualServerId, origin: &Origin) -> &mut Place {
        let at = self.0.iter().position(|place| place.service == *service && place.origin.is_that_of(origin));
        let at = at.unwrap_or_else(|| {
            let (service, origin) = (service.clone(), origin.clone());
            self.0.push(Place { service, origin, servers: Vec::new(), seen: None, stale: None });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    fn of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = (&'a Discovery, &'a Place)> {
        service.discoveries.iter().filter_map(|discovery| {
            let here = |place: &&Place| place.service == service.lvs.id && place.origin.is_that_of(&discovery.origin);
            Some((discovery, self.0.iter().find(here)?))
        })
    }

    /// Forgets places that the file no longer has.
    pub(crate) fn keep_to(&mut self, file: &Config) {
        self.0.retain(|place| {
            let service = file.services.iter().find(|service| service.lvs.id == place.service);
            let mut origins = service.iter().flat_map(|service| &service.discoveries);
            origins.any(|discovery| discovery.origin.is_that_of(&place.origin))
        });
    }

    /// A place that a virtual server had not before a reload begins with the real servers that it had, as far as the file does not
    /// give them itself: until the first look at it nothing is lost.
    pub(crate) fn seed(&mut self, file: &Config, before: &Config, now: UnixTime) {
        for service in file.services.iter().filter(|service| !service.discoveries.is_empty()) {
            let Some(before) = before.service(&service.lvs.id) else { continue };
            let new = |discovery: &&Discovery| !self.of(service).any(|(known, _)| known.origin == discovery.origin);
            let new: Vec<&Discovery> = service.discoveries.iter().filter(new).collect();
            let mut there: HashSet<SocketAddr> = service.lvs.real_servers.iter().map(|real| real.address).collect();
            there
                .extend(self.of(service).flat_map(|(_, place)| place.servers.iter().map(|(server, _)| server.address)));
            for discovery in new {
                let all = before.lvs.real_servers.iter();
                let all = all.map(|real| Server { address: real.address, weight: Some(real.weight) });
                // What the place can give, in the place where it was.
                let same = |server: &Server| discovery.server(server.address, None).address == server.address;
                let fit = all.filter(|server| same(server) && unfit(service, discovery, server).is_none());
                let left = fit.filter(|server| there.insert(server.address)).take(MOST);
                let mut servers: Vec<(Server, UnixTime)> = left.map(|server| (server, now)).collect();
                servers.sort_unstable_by_key(|(server, _)| *server);
                if servers.is_empty() {
                    continue;
                }
                let why =
                    "it was not looked at since the reload that brought it: the servers of before stay until then";
                let place = self.place(&service.lvs.id, &discovery.origin);
                (place.servers, place.stale) = (servers, Some((now, why.to_owned())));
            }
        }
    }

    /// What the file says, with what was found on top.
    pub(crate) fn on_top_of(&self, file: &Config) -> Config {
        let mut config = file.clone();
        for service in config.services.iter_mut().filter(|service| !service.discoveries.is_empty()) {
            *service = self.on_service(service);
        }
        config
    }

    /// The same of one virtual server. One that the file itself gives it stays as the file says.
    pub(crate) fn on_service(&self, file: &Arc<Service>) -> Arc<Service> {
        let mut service = Service::clone(file);
        let mut there: HashSet<SocketAddr> = service.lvs.real_servers.iter().map(|real| real.address).collect();
        for (discovery, place) in self.of(file) {
            for (server, _) in &place.servers {
                let real = discovery.server(server.address, server.weight);
                // What a predecessor left, or was found before a reload, may be anything.
                if unfit(file, discovery, server).is_none() && there.insert(real.address) {
                    if discovery.told != ServerNotify::default() {
                        service.servers.insert(real.address, discovery.told.clone());
                    }
                    service.lvs.real_servers.push(real);
                }
            }
        }
        Arc::new(service)
    }

    /// The places of a virtual server: what each is called, what is known of it, and the real servers that are from there.
    pub(crate) fn places<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = Known<'a>> {
        service.discoveries.iter().map(|discovery| {
            let found = self.of(service).find(|(one, _)| std::ptr::eq(*one, discovery));
            Known { discovery, place: found.map(|(_, place)| place) }
        })
    }

    /// Whether nothing was ever found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is known of a place.
pub(crate) struct Known<'a> {
    /// What the configuration says of it.
    pub(crate) discovery: &'a Discovery,
    place: Option<&'a Place>,
}

impl Known<'_> {
    /// The addresses that real servers have by it, and since when.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (SocketAddr, UnixTime)> + '_ {
        let servers = self.place.into_iter().flat_map(|place| &place.servers);
        servers.map(|(server, since)| (self.discovery.server(server.address, None).address, *since))
    }

    /// The first of them, each as a phrase: `10.0.0.1:80`, `10.0.0.1:80 weight 5`.
    pub(crate) fn all(&self, most: usize) -> impl Iterator<Item = String> + '_ {
        let servers = self.place.into_iter().flat_map(|place| &place.servers).take(most);
        servers.map(|(server, _)| {
            let address = self.discovery.server(server.address, None).address;
            server.weight.map_or_else(|| address.to_string(), |weight| format!("{address} weight {weight}"))
        })
    }

    /// When it was last seen.
    pub(crate) fn seen(&self) -> Option<UnixTime> {
        self.place.and_then(|place| place.seen)
    }

    /// Since when what is in force may be old, and why.
    pub(crate) fn stale(&self) -> Option<(UnixTime, &str)> {
        self.place.and_then(|place| place.stale.as_ref()).map(|(since, why)| (*since, why.as_str()))
    }
}

impl Place {
    fn take(&mut self, judged: Outcome, now: UnixTime) -> News {
        let mut news = News { service: self.service.clone(), servers: Vec::new(), place: Turn::Same };
        let servers = match judged {
            Ok(servers) => servers,
            Err(why) => {
                if self.stale.as_ref().is_none_or(|(_, before)| *before != why) {
                    news.place = Turn::Stale(why.clone());
                }
                let since = self.stale.as_ref().map_or(now, |(since, _)| *since);
                self.stale = Some((since, why));
                return news;
            }
        };
        self.seen = Some(now);
        if self.stale.take().is_some() {
            news.place = Turn::Fresh;
        }
        let mut next = Vec::with_capacity(servers.len());
        for server in servers {
            let before = self.servers.binary_search_by_key(&server.address, |(before, _)| before.address);
            let before = before.ok().and_then(|at| self.servers.get(at));
            match (before, server.weight) {
                (None, _) => news.servers.push((server.address, "joined".to_owned())),
                (Some((before, _)), weight) if before.weight != weight => {
                    let said = weight.map_or("weight as configured".to_owned(), |weight| format!("weight {weight}"));
                    news.servers.push((server.address, said));
                }
                (Some(_), _) => {}
            }
            next.push((server, before.map_or(now, |(_, since)| *since)));
        }
        let there: BTreeSet<SocketAddr> = next.iter().map(|(server, _)| server.address).collect();
        let gone = self.servers.iter().map(|(server, _)| server.address).filter(|address| !there.contains(address));
        news.servers.extend(gone.map(|address| (address, "left".to_owned())));
        self.servers = next;
        news
    }
}

/// Whether a virtual server can take what was found: as a whole, or not at all. In the order of the addresses, each once.
fn judge(service: &Service, discovery: &Discovery, mut servers: Vec<Server>) -> Outcome {
    if servers.is_empty() && !discovery.allow_empty {
        return Err("it names no server: `allow_empty` would take all of them out".to_owned());
    }
    servers.sort_unstable();
    servers.dedup_by_key(|server| server.address);
    if servers.len() > MOST {
        return Err(format!("it names {} servers: {MOST} at most are taken", servers.len()));
    }
    match servers.iter().find_map(|server| unfit(service, discovery, server)) {
        Some(why) => Err(why),
        None => Ok(servers),
    }
}

/// Why a virtual server can't have a server, if it can't.
fn unfit(service: &Service, discovery: &Discovery, server: &Server) -> Option<String> {
    let ip = server.address.ip();
    let broadcast = ip == IpAddr::from([255, 255, 255, 255]);
    if ip.is_unspecified() || ip.is_multicast() || broadcast || server.address.port() == 0 {
        return Some(format!("{} is no address of a server", server.address));
    }
    if server.weight.is_some_and(|weight| weight > MAX_WEIGHT) {
        return Some(format!("the weight of {} is more than {MAX_WEIGHT}", server.address));
    }
    let template: &RealServer = &discovery.template;
    if ip.is_ipv4() != template.address.is_ipv4() && !matches!(template.forwarding, Forwarding::Tun(_)) {
        return Some(format!("{ip} is not of the virtual server's address family: only `lvs_method TUN` can mix them"));
    }
    let own = |key: &ServiceKey| matches!(key, ServiceKey::Address { address, .. } if *address == ip);
    service.lvs.keys.iter().any(own).then(|| format!("{ip} is the virtual server's own address"))
}

/// Whom something that is found is for, and what that one judges it by: for another it is looked at once more.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct User {
    service: VirtualServerId,
    keys: Vec<ServiceKey>,
    forwarding: Forwarding,
    v4: bool,
    allow_empty: bool,
}

/// The files that are to be followed, each with whom it is for.
pub(crate) fn files(config: &Config) -> Vec<(PathBuf, Vec<User>)> {
    let mut all: Vec<(PathBuf, Vec<User>)> = Vec::new();
    for (path, user) in users(config, |origin| match origin {
        Origin::File(path) => Some(path),
        Origin::Dns(_) => None,
    }) {
        match all.iter_mut().find(|(known, _)| known == path) {
            Some((_, users)) => users.push(user),
            None => all.push((path.clone(), vec![user])),
        }
    }
    all
}

/// The questions that are to be asked, each with whom it is for.
pub(crate) fn lookups(config: &Config) -> Vec<(Lookup, User)> {
    let lookups = users(config, |origin| match origin {
        Origin::Dns(lookup) => Some(lookup),
        Origin::File(_) => None,
    });
    lookups.map(|(lookup, user)| (lookup.clone(), user)).collect()
}

fn users<'a, T: 'a>(
    config: &'a Config,
    of: impl Fn(&'a Origin) -> Option<&'a T> + Copy + 'a,
) -> impl Iterator<Item = (&'a T, User)> {
    let user = |service: &Service, discovery: &Discovery| User {
        service: service.lvs.id.clone(),
        keys: service.lvs.keys.clone(),
        forwarding: discovery.template.forwarding,
        v4: discovery.template.address.is_ipv4(),
        allow_empty: discovery.allow_empty,
    };
    config.services.iter().flat_map(move |service| {
        let all = service.discoveries.iter();
        all.filter_map(move |discovery| Some((of(&discovery.origin)?, user(service, discovery))))
    })
}

/// Bytes that are kept of a place at most, beside its servers: paths and reasons.
const PLACE: u64 = 64 << 10;

/// Bytes that are kept of a server at most.
const SERVER: u64 = 160;

/// What a daemon before this one has found, as far as the file still looks there.
pub(crate) fn inherited(socket: &Path, file: &Config) -> io::Result<Found> {
    let places: usize = file.services.iter().map(|service| service.discoveries.len()).sum();
    let longest = (PLACE + MOST as u64 * SERVER).saturating_mul(places as u64);
    let mut found: Found = kept::read(&place(socket), longest.max(kept::LONGEST))?;
    found.keep_to(file);
    Ok(found)
}

/// Real servers of a place that a remark names one by one.
const NAMED: usize = 64;

/// Of each place of a file where real servers are found, who is known there: a line each.
pub(crate) fn remarks(file: &Config, found: &Found) -> Vec<String> {
    let remark = |service: &Service, known: &Known<'_>| {
        let place = format!("real servers of {} from {}", service.lvs.id, known.discovery.origin);
        let servers: Vec<String> = known.all(NAMED).collect();
        let more = known.servers().count().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        match known.seen() {
            Some(_) if servers.is_empty() => format!("{place}: there are none"),
            None if servers.is_empty() => format!("{place}: none is known yet"),
            Some(_) => format!("{place}: {}{more}", servers.join(", ")),
            None => format!("{place}: none is known yet; until then {}{more}", servers.join(", ")),
        }
    };
    let services = file.services.iter().filter(|service| !service.discoveries.is_empty());
    services.flat_map(|service| found.places(service).map(|known| remark(service, &known))).collect()
}

/// Where what was found is kept for a daemon that follows: `control.sock.found`.
pub(crate) fn place(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".found");
    name.into()
}

#[cfg(test)]
mod tests;
