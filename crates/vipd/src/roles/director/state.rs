//! What is known of a virtual server and its real servers: what it begins with, what a reload leaves of it, what is told of it.

use crate::legacy::Legacy;
use crate::message::{About, News};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use tracing::info;
use vipd_config::model::Config;
use vipd_lvs::quorum::Quorum;
use vipd_lvs::settings::{Duty, RealServer, VirtualServer, VirtualServerId};
use vipd_lvs::table::{self, Alive, Table};
use vipd_sys::clock::unix_time;

/// What is known of a real server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) alive: bool,
    pub(super) weight: Option<u32>,
    pub(super) why: String,
    pub(super) since: f64,
}

impl Known {
    fn health(&self) -> Alive {
        Alive { alive: self.alive, weight: self.weight }
    }
}

/// A virtual server at work.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) quorum: Quorum,
    /// In the order of the addresses.
    pub(super) servers: Vec<(SocketAddr, Known)>,
    /// Where each of them is among the settings' real servers.
    #[serde(skip)]
    at: Vec<usize>,
    /// The live weight, in all.
    #[serde(skip)]
    pub(super) live: u64,
    /// Whether a real server can be written by itself.
    #[serde(skip)]
    pub(super) apart: bool,
}

impl State {
    /// The settings of the real server at a place.
    pub(super) fn settings<'a>(&self, settings: &'a VirtualServer, place: usize) -> Option<&'a RealServer> {
        settings.real_servers.get(*self.at.get(place)?)
    }

    /// The check of the real server at a place found this; what it adds to the live weight may change by it.
    pub(super) fn judge(&mut self, settings: &VirtualServer, place: usize, known: Known) {
        let Some(real) = self.settings(settings, place) else { return };
        let Some((_, old)) = self.servers.get_mut(place) else { return };
        let weight = |known: &Known| table::weight_of(real, Some(known.health()));
        self.live = (self.live + weight(&known)).saturating_sub(weight(old));
        *old = known;
    }

    /// What some of its real servers are to be in the plane, and what they are in this table.
    pub(super) fn part(&self, settings: &VirtualServer, places: &BTreeSet<usize>, whole: &Table) -> (Table, Table) {
        let servers = places.iter().filter_map(|place| {
            let (_, known) = self.servers.get(*place)?;
            Some((self.settings(settings, *place)?, Some(known.health())))
        });
        table::part(settings, &servers.collect::<Vec<_>>(), self.quorum, whole)
    }

    pub(super) fn place(&self, address: &SocketAddr) -> Option<usize> {
        self.servers.binary_search_by_key(address, |(address, _)| *address).ok()
    }

    pub(super) fn server(&self, address: &SocketAddr) -> Option<&Known> {
        self.servers.get(self.place(address)?).map(|(_, known)| known)
    }

    pub(super) fn alive(&self, address: &SocketAddr) -> Option<Alive> {
        self.server(address).map(Known::health)
    }

    pub(super) fn services(&self, settings: &VirtualServer) -> Table {
        table::services(settings, &|address| self.alive(address), self.quorum)
    }
}

/// Why a server without checks is up.
pub(super) const UNCHECKED: &str = "no checks";

/// Why what a reload has removed is down.
pub(super) const GONE: &str = "no longer configured";

/// That servers which were in use are so no longer, for whoever is told.
pub(super) fn gone(id: &VirtualServerId, before: &State, which: impl Fn(&SocketAddr) -> bool) -> Vec<News> {
    let servers = before.servers.iter().filter(|(address, known)| known.alive && which(address));
    let news = servers.map(|(address, _)| {
        let (service, about, why) = (id.clone(), About::RealServer(*address), GONE.to_owned());
        News { service, about, up: false, why }
    });
    news.collect()
}

/// That servers which were down are in use, as they are no longer checked.
pub(super) fn freed(id: &VirtualServerId, before: &State, after: &State) -> Vec<News> {
    let was_down = |address: &SocketAddr| before.server(address).is_some_and(|known| !known.alive);
    let freed = after.servers.iter().filter(|(address, known)| known.alive && was_down(address));
    let news = freed.map(|(address, known)| {
        let (service, about, why) = (id.clone(), About::RealServer(*address), known.why.clone());
        News { service, about, up: true, why }
    });
    news.collect()
}

/// That real servers which are new are in use from the start.
pub(super) fn begun(settings: &VirtualServer, before: Option<&State>, state: &State) -> Vec<News> {
    let is_new = |address: &SocketAddr| before.is_none_or(|before| before.server(address).is_none());
    let begun = settings.real_servers.iter().filter(|real| real.duty != Duty::Down && is_new(&real.address));
    let news = begun.filter_map(|real| {
        let known = state.server(&real.address).filter(|known| known.alive)?;
        let (service, about, why) = (settings.id.clone(), About::FirstServer(real.address), known.why.clone());
        Some(News { service, about, up: true, why })
    });
    news.collect()
}

/// That a virtual server has gained or lost its quorum, for whoever is told.
pub(super) fn quorum_news(settings: &VirtualServer, state: &State, about: About) -> News {
    let up = state.quorum == Quorum::Up;
    let verb = if up { "Gained" } else { "Lost" };
    let live = state.live;
    let why =
        format!("{verb} quorum: live weight {live}, quorum {}, hysteresis {}", settings.quorum, settings.hysteresis);
    News { service: settings.id.clone(), about, up, why }
}

/// Says so in the log: of many that begin together only how many they are.
pub(super) fn log_quorums(news: &[News]) {
    let begin = news.iter().filter(|news| news.begins() && news.about == About::FirstQuorum).count();
    if begin > News::BEGIN_ALONE {
        info!("{begin} virtual servers have the quorum that they begin with");
    }
    let alone = news.iter().filter(|news| begin <= News::BEGIN_ALONE || !news.begins());
    for News { service, about, why, .. } in alone {
        if matches!(about, About::Quorum | About::FirstQuorum) {
            info!("{why} for VS {service}");
        }
    }
}

/// What the kernel's table is to be at a start, before any check has run.
pub(crate) fn at_start(config: &Config) -> Table {
    let services = config.services.iter().map(|s| (&s.lvs, state_of(&s.lvs, None)));
    services.flat_map(|(settings, state)| state.services(settings)).collect()
}

/// What a predecessor knew of a virtual server: as a whole, and of some of its real servers since.
pub(super) fn inherited(whole: &Legacy, since: &[(SocketAddr, Legacy)]) -> io::Result<State> {
    let mut state: State = whole.read()?;
    for (address, value) in since {
        let known = value.read()?;
        if let Some(place) = state.place(address) {
            state.servers[place].1 = known;
        }
    }
    Ok(state)
}

/// The state of a virtual server that starts or stays: servers that are new count as alive unless `alpha`.
pub(super) fn state_of(settings: &VirtualServer, before: Option<State>) -> State {
    let fresh = |alive: bool, why: &str| Known { alive, weight: None, why: why.to_owned(), since: unix_time() };
    let servers = settings.real_servers.iter().map(|real| {
        let alpha = settings.alpha || real.checkers.iter().any(|c| c.alpha);
        let known = before.as_ref().and_then(|before| before.server(&real.address));
        let known = match known {
            // Whatever was found before: nobody looks any more.
            _ if real.checkers.is_empty() => known.filter(|known| known.why == UNCHECKED).cloned(),
            known => known.cloned(),
        };
        let known = known.unwrap_or_else(|| match real.checkers.is_empty() {
            true => fresh(true, UNCHECKED),
            false => fresh(!alpha, "not checked yet"),
        });
        (real.address, known)
    });
    let mut servers: Vec<(usize, (SocketAddr, Known))> = servers.enumerate().collect();
    servers.sort_by_key(|(_, (address, _))| *address);
    let (at, servers) = servers.into_iter().unzip();
    let mut state = State { quorum: Quorum::Up, servers, at, live: 0, apart: table::stand_apart(settings) };
    state.live = table::live_weight(settings, &|address| state.alive(address));
    state.quorum = match before.map(|before| before.quorum) {
        Some(quorum) => quorum.next(settings, state.live),
        None => Quorum::at_start(settings, state.live),
    };
    state
}
