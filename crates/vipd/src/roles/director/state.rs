//! What is known of a virtual server and its real servers: what it begins with, what a reload leaves of it, what is told of it.

use super::Weighs;
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
use vipd_lvs::slow_start::{self, Instant, Intake};
use vipd_lvs::table::{self, Alive, Table, Whole};
use vipd_sys::clock::unix_time;

/// What is known of a real server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) alive: bool,
    pub(super) weight: Option<u32>,
    pub(super) why: String,
    pub(super) since: f64,
    /// What it takes of the new connections.
    #[serde(default)]
    pub(super) intake: Intake,
}

impl Known {
    fn health(&self, real: &RealServer) -> Alive {
        Alive { alive: self.alive, weight: self.weight, share: self.intake.share(real.slow_start) }
    }

    /// The weight that it has for new connections; 0: it gets none.
    fn takes(&self, real: &RealServer) -> u32 {
        table::takes(real, self.alive, self.weight)
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
    /// The places of those whose slow start is under way.
    #[serde(skip)]
    growing: BTreeSet<usize>,
    /// What all weights are multiplied by meanwhile.
    #[serde(skip)]
    pub(super) scale: u32,
}

impl State {
    /// The settings of the real server at a place.
    pub(super) fn settings<'a>(&self, settings: &'a VirtualServer, place: usize) -> Option<&'a RealServer> {
        settings.real_servers.get(*self.at.get(place)?)
    }

    /// The check of the real server at a place found this; what it adds to the live weight may change by it, and a slow start
    /// begin or end.
    pub(super) fn judge(&mut self, settings: &VirtualServer, place: usize, found: Known, now: Instant) {
        let Some(real) = self.settings(settings, place) else { return };
        let Some((_, old)) = self.servers.get_mut(place) else { return };
        let before = if found.alive { old.intake } else { Intake::Shut };
        let known = Known { intake: before.turn(now, found.takes(real), real.slow_start), ..found };
        self.live = (self.live + u64::from(known.takes(real))).saturating_sub(old.takes(real).into());
        *old = known;
        self.note_growth(place);
    }

    fn note_growth(&mut self, place: usize) {
        match self.servers.get(place).and_then(|(_, known)| known.intake.growth()) {
            Some(_) => self.growing.insert(place),
            None => self.growing.remove(&place),
        };
    }

    /// Takes up what slow starts have come to: the places of those that have another share of their weight now.
    pub(super) fn grow(&mut self, settings: &VirtualServer, now: Instant) -> BTreeSet<usize> {
        let mut turned = BTreeSet::new();
        for place in self.growing.clone() {
            let Some(real) = self.settings(settings, place) else { continue };
            let Some((_, known)) = self.servers.get_mut(place) else { continue };
            let intake = known.intake.turn(now, known.takes(real), real.slow_start);
            if intake != known.intake {
                known.intake = intake;
                turned.insert(place);
                self.note_growth(place);
            }
        }
        turned
    }

    /// When the next real server has more of its weight.
    pub(super) fn wake(&self, settings: &VirtualServer) -> Option<Instant> {
        let due = |place: &usize| {
            let growth = self.servers.get(*place)?.1.intake.growth()?;
            Some(growth.wake(self.settings(settings, *place)?.slow_start))
        };
        self.growing.iter().filter_map(due).min()
    }

    /// Those that take connections have begun together: none is slower than the others.
    pub(super) fn begin_together(&mut self) {
        for place in std::mem::take(&mut self.growing) {
            if let Some((_, known)) = self.servers.get_mut(place) {
                known.intake = known.intake.together();
            }
        }
    }

    /// Settles what weights are multiplied by; whether that is something else than before.
    pub(super) fn settle_scale(&mut self, settings: &VirtualServer) -> Weighs {
        let weight = |place: &usize| Some(self.servers.get(*place)?.1.takes(self.settings(settings, *place)?));
        let scale = slow_start::scale(settings.scheduler, self.growing.iter().filter_map(weight), self.live);
        let before = std::mem::replace(&mut self.scale, scale);
        if before == scale { Weighs::Same } else { Weighs::Otherwise }
    }

    fn whole(&self) -> Whole {
        Whole { quorum: self.quorum, scale: self.scale }
    }

    /// What some of its real servers are to be in the plane, and what they are in this table.
    pub(super) fn part(&self, settings: &VirtualServer, places: &BTreeSet<usize>, whole: &Table) -> (Table, Table) {
        let servers = places.iter().filter_map(|place| {
            let (_, known) = self.servers.get(*place)?;
            let real = self.settings(settings, *place)?;
            Some((real, Some(known.health(real))))
        });
        table::part(settings, &servers.collect::<Vec<_>>(), self.whole(), whole)
    }

    pub(super) fn place(&self, address: &SocketAddr) -> Option<usize> {
        self.servers.binary_search_by_key(address, |(address, _)| *address).ok()
    }

    pub(super) fn server(&self, address: &SocketAddr) -> Option<&Known> {
        self.servers.get(self.place(address)?).map(|(_, known)| known)
    }

    fn alive(&self, real: &RealServer) -> Option<Alive> {
        self.server(&real.address).map(|known| known.health(real))
    }

    pub(super) fn services(&self, settings: &VirtualServer) -> Table {
        table::services(settings, &|real| self.alive(real), self.whole())
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
    let services = config.services.iter().map(|s| (&s.lvs, state_of(&s.lvs, None, Instant::ZERO)));
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

/// The state of a virtual server that starts or stays: servers that are new count as alive unless `alpha`. One that is new to
/// the others starts slowly, if it shall.
pub(super) fn state_of(settings: &VirtualServer, before: Option<State>, now: Instant) -> State {
    let fresh = |alive: bool, why: &str, intake| {
        let (why, since) = (why.to_owned(), unix_time());
        Known { alive, weight: None, why, since, intake }
    };
    let begins = if before.is_some() { Intake::Shut } else { Intake::Beginning };
    let servers = settings.real_servers.iter().map(|real| {
        let alpha = settings.alpha || real.checkers.iter().any(|c| c.alpha);
        let known = before.as_ref().and_then(|before| before.server(&real.address));
        let intake = known.map_or(begins, |known| known.intake);
        let known = match known {
            // Whatever was found before: nobody looks any more.
            _ if real.checkers.is_empty() => known.filter(|known| known.why == UNCHECKED).cloned(),
            known => known.cloned(),
        };
        let known = known.unwrap_or_else(|| match real.checkers.is_empty() {
            true => fresh(true, UNCHECKED, intake),
            false => fresh(!alpha, "not checked yet", intake),
        });
        (real.address, Known { intake: intake.turn(now, known.takes(real), real.slow_start), ..known })
    });
    let mut servers: Vec<(usize, (SocketAddr, Known))> = servers.enumerate().collect();
    servers.sort_by_key(|(_, (address, _))| *address);
    let (at, servers): (Vec<usize>, Vec<(SocketAddr, Known)>) = servers.into_iter().unzip();
    let growing = (0..servers.len()).filter(|place| servers[*place].1.intake.growth().is_some()).collect();
    let apart = table::stand_apart(settings);
    let mut state = State { quorum: Quorum::Up, servers, at, live: 0, apart, growing, scale: 1 };
    state.live = table::live_weight(settings, &|real| state.alive(real));
    let had = before.as_ref().map(|before| before.quorum);
    state.quorum = match had {
        Some(quorum) => quorum.next(settings, state.live),
        None => Quorum::at_start(settings, state.live),
    };
    let grew = |address: &SocketAddr| {
        let before = before.as_ref().and_then(|before| before.server(address));
        before.is_some_and(|known| known.intake.growth().is_some())
    };
    // All that take anything are new.
    let all = state.servers.iter().all(|(address, known)| match known.intake {
        Intake::Beginning | Intake::Shut => true,
        Intake::Whole => false,
        Intake::Growing(_) => !grew(address),
    });
    if all || (had == Some(Quorum::Down) && state.quorum == Quorum::Up && settings.sorry.is_some()) {
        state.begin_together();
    }
    state.settle_scale(settings);
    state
}
