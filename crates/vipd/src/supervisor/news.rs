//! What the director tells of virtual and real servers: noted, and passed on to scripts, FIFOs and mail.

use super::Supervisor;
use super::hooks::{Direction, name_of_service};
use crate::message::{About, News, Turned};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use vipd_api::Event;
use vipd_config::model::{Config, Service};
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::unix_time;

/// News of one virtual server of which it pays to know the real servers by their addresses.
const MANY: usize = 16;

impl Supervisor {
    /// Things came and went.
    pub(super) fn hear_news(&mut self, news: Vec<News>) {
        let begin = |about: fn(About) -> bool| news.iter().filter(|news| news.begins() && about(news.about)).count();
        let (servers, quorums) =
            (begin(|about| matches!(about, About::FirstServer(_))), begin(|about| about == About::FirstQuorum));
        let (current, before) = (Known::of(&self.config, &news), Known::of(&self.old, &news));
        let (mut events, mut mails) = (Vec::new(), Vec::new());
        if servers > News::BEGIN_ALONE {
            let cause = "they are new, and in use from the start";
            events.push(event("real_server", format!("{servers} real servers"), Direction::Up, cause));
        }
        if quorums > News::BEGIN_ALONE {
            let cause = "they are new, and have the quorum that they begin with";
            events.push(event("quorum", format!("{quorums} virtual servers"), Direction::Up, cause));
        }
        for news in &news {
            let direction = Direction::of(news.up);
            let service = whose(news, &current, &before);
            let name = name_of_service(&news.service);
            let (kind, subject, alike) = match news.about {
                About::RealServer(address) | About::FirstServer(address) => {
                    ("real_server", format!("real_server {address} of {name}"), servers)
                }
                About::Quorum | About::FirstQuorum => ("quorum", name, quorums),
            };
            if alike <= News::BEGIN_ALONE || !news.begins() {
                events.push(event(kind, subject, direction, &news.why));
            }
            mails.extend(service.and_then(|service| match news.about {
                About::RealServer(address) => self.hooks.real_server(service, address, direction, &news.why),
                // As with keepalived, whose mails come of checks.
                About::FirstServer(address) => {
                    self.hooks.real_server(service, address, direction, &news.why);
                    None
                }
                About::Quorum | About::FirstQuorum => self.hooks.quorum(service, direction, &news.why),
            }));
        }
        self.note_events(events);
        mails.into_iter().for_each(|mail| self.mail(Some(mail)));
    }
}

impl Supervisor {
    /// Checks turned, and their servers did not: that is mailed, unless `no_checker_emails` says otherwise.
    pub(super) fn hear_turned(&mut self, turned: &[Turned]) {
        if self.config.global.no_checker_mail {
            return;
        }
        let wanted: HashSet<&VirtualServerId> = turned.iter().map(|turned| &turned.service).collect();
        let services = self.config.services.iter().filter(|service| wanted.contains(&service.lvs.id));
        let services: HashMap<&VirtualServerId, &Arc<Service>> = services.map(|s| (&s.lvs.id, s)).collect();
        for turned in turned {
            let service = services.get(&turned.service);
            self.mail(service.and_then(|service| super::hooks::turned(service, turned)));
        }
    }
}

/// Whose news these are. What a reload has removed is told of as the configuration before it says.
fn whose<'a>(news: &News, current: &'a Known, before: &'a Known) -> Option<&'a Service> {
    match (current.0.get(&news.service), before.0.get(&news.service)) {
        (Some(now), Some(then)) if Arc::ptr_eq(&now.service, &then.service) => Some(&now.service),
        _ => current.service(news).or_else(|| before.service(news)),
    }
}

fn event(kind: &str, subject: String, direction: Direction, cause: &str) -> Event {
    let (kind, what, cause) = (kind.to_owned(), direction.word().to_owned(), cause.to_owned());
    Event { seq: 0, at: unix_time(), kind, subject, what, cause }
}

/// The virtual servers of a configuration that news are about.
struct Known(HashMap<VirtualServerId, Place>);

struct Place {
    service: Arc<Service>,
    /// Of its real servers, where there are many news.
    addresses: Option<HashSet<SocketAddr>>,
}

impl Known {
    fn of(config: &Config, news: &[News]) -> Known {
        let mut wanted: HashMap<&VirtualServerId, usize> = HashMap::new();
        for news in news {
            *wanted.entry(&news.service).or_default() += 1;
        }
        let known = config.services.iter().filter_map(|service| {
            let many = *wanted.get(&service.lvs.id)? > MANY;
            let addresses = many.then(|| service.lvs.real_servers.iter().map(|real| real.address).collect());
            Some((service.lvs.id.clone(), Place { service: Arc::clone(service), addresses }))
        });
        Known(known.collect())
    }

    /// Whose news these are, if it is there.
    fn service(&self, news: &News) -> Option<&Service> {
        let Place { service, addresses } = self.0.get(&news.service)?;
        let there = match (news.about, addresses) {
            (About::Quorum | About::FirstQuorum, _) => true,
            (About::RealServer(address) | About::FirstServer(address), Some(addresses)) => addresses.contains(&address),
            (About::RealServer(address) | About::FirstServer(address), None) => {
                service.lvs.real_servers.iter().any(|r| r.address == address)
            }
        };
        there.then_some(service)
    }
}
