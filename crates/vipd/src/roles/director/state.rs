//! What is known of a virtual server and its real servers: what it begins with, what a reload leaves of it, what is told of it.

use crate::message::{About, News};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tracing::info;
use vipd_config::model::Config;
use vipd_lvs::quorum::Quorum;
use vipd_lvs::settings::{VirtualServer, VirtualServerId};
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

/// A virtual server at work.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) quorum: Quorum,
    /// In the order of the addresses.
    pub(super) servers: Vec<(SocketAddr, Known)>,
}

impl State {
    pub(super) fn place(&self, address: &SocketAddr) -> Option<usize> {
        self.servers.binary_search_by_key(address, |(address, _)| *address).ok()
    }

    pub(super) fn server(&self, address: &SocketAddr) -> Option<&Known> {
        self.servers.get(self.place(address)?).map(|(_, known)| known)
    }

    pub(super) fn alive(&self, address: &SocketAddr) -> Option<Alive> {
        self.server(address).map(|known| Alive { alive: known.alive, weight: known.weight })
    }

    pub(super) fn live_weight(&self, settings: &VirtualServer) -> u64 {
        table::live_weight(settings, &|address| self.alive(address))
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

/// That a virtual server has gained or lost its quorum, for whoever is told.
pub(super) fn quorum_news(settings: &VirtualServer, state: &State, about: About) -> News {
    let up = state.quorum == Quorum::Up;
    let verb = if up { "Gained" } else { "Lost" };
    let live = state.live_weight(settings);
    let why =
        format!("{verb} quorum: live weight {live}, quorum {}, hysteresis {}", settings.quorum, settings.hysteresis);
    News { service: settings.id.clone(), about, up, why }
}

/// Says so in the log: of many that begin together only how many they are.
pub(super) fn log_quorums(news: &[News]) {
    let begin = news.iter().filter(|news| news.begins()).count();
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
    let mut servers: Vec<(SocketAddr, Known)> = servers.collect();
    servers.sort_by_key(|(address, _)| *address);
    let mut state = State { quorum: Quorum::Up, servers };
    let live = state.live_weight(settings);
    state.quorum = match before.map(|before| before.quorum) {
        Some(quorum) => quorum.next(settings, live),
        None => Quorum::at_start(settings, live),
    };
    state
}
