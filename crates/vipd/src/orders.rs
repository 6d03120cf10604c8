//! What operators want of real servers beside what the file says: `vipd server`. What is in force is the file and the orders
//! on top of it, and everything that acts on a configuration acts on that.

use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use vipd_api::{OrderStatus, ServerOrder, ServerWish, UnixTime};
use vipd_config::model::{Config, Service};
use vipd_lvs::settings::{Duty, Protocol, RealServer, ServiceKey, VirtualServerId};
use vipd_lvs::table::MAX_WEIGHT;

/// Orders at once: more are refused.
const MOST: usize = 4096;

/// The longest deadline, in seconds: a month.
const LONGEST: u64 = 31 * 86400;

/// Names that an error lists at most.
const LISTED: usize = 8;

/// A real server of a virtual server.
pub(crate) type Server = (VirtualServerId, SocketAddr);

/// All that is in force, each of another server, in the order in which they were given first.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Orders(Vec<Order>);

/// What is wanted of one real server. One that asks for nothing is none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    service: VirtualServerId,
    server: SocketAddr,
    /// Of a server that the file doesn't have.
    added: Option<Added>,
    wish: Option<Wish>,
    /// The next reload ends it.
    until_reload: bool,
    /// Whose it is.
    by: String,
    since: UnixTime,
}

/// How a server that the file doesn't have is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Added {
    weight: Option<u32>,
    /// Whom it is like; `None`, or no longer there: the first of the file's.
    like: Option<SocketAddr>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Wish {
    Drain { deadline: Option<UnixTime> },
    Down,
    Weight(u32),
    Remove,
}

/// What came of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    /// Of which server.
    pub(crate) server: Server,
    /// What was done, in few words: what an event tells.
    pub(crate) what: String,
    /// What else is to be said of it.
    pub(crate) beside: String,
}

/// What has ended, and why.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ended {
    /// Of which server.
    pub(crate) server: Server,
    /// What it was.
    pub(crate) what: String,
    /// Why it is no more.
    pub(crate) why: String,
}

impl Order {
    /// Of which server.
    pub(crate) fn server(&self) -> Server {
        (self.service.clone(), self.server)
    }

    /// `drain`, `down`, `weight 5`, `removed`, `added`, or `added, drain`.
    pub(crate) fn what(&self) -> String {
        let wish = self.wish.map(|wish| match wish {
            Wish::Drain { .. } => "drain".to_owned(),
            Wish::Down => "down".to_owned(),
            Wish::Weight(weight) => format!("weight {weight}"),
            Wish::Remove => "removed".to_owned(),
        });
        let added = self.added.as_ref().map(|_| "added".to_owned());
        added.into_iter().chain(wish).collect::<Vec<_>>().join(", ")
    }

    /// As the status tells it.
    pub(crate) fn status(&self) -> OrderStatus {
        let deadline = match self.wish {
            Some(Wish::Drain { deadline }) => deadline,
            Some(Wish::Down | Wish::Weight(_) | Wish::Remove) | None => None,
        };
        OrderStatus {
            what: self.what(),
            by: self.by.clone(),
            since: self.since,
            deadline,
            until_reload: self.until_reload,
        }
    }

    /// Whether the virtual server has the real server no more by it.
    pub(crate) fn removes(&self) -> bool {
        self.wish == Some(Wish::Remove)
    }

    /// Puts it on top of what there is.
    fn put_on(&self, service: &mut Service) {
        let servers = &mut service.lvs.real_servers;
        if let Some(Added { weight, like }) = &self.added {
            let there = servers.iter().any(|real| real.address == self.server);
            let named = servers.iter().find(|real| Some(real.address) == *like);
            if let Some(model) = named.or(servers.first()).filter(|_| !there) {
                let weight = weight.unwrap_or(model.weight);
                let told = service.servers.get(&model.address).cloned();
                servers.push(RealServer { weight, ..model.like(self.server) });
                service.servers.extend(told.map(|told| (self.server, told)));
            }
        }
        let real = service.lvs.real_servers.iter_mut().find(|real| real.address == self.server);
        match (self.wish, real) {
            (Some(Wish::Drain { .. }), Some(real)) => real.duty = Duty::Draining,
            (Some(Wish::Down), Some(real)) => real.duty = Duty::Down,
            (Some(Wish::Weight(weight)), Some(real)) => real.weight = weight,
            (Some(Wish::Remove), Some(_)) => {
                service.lvs.real_servers.retain(|real| real.address != self.server);
                service.servers.remove(&self.server);
            }
            (None, _) | (_, None) => {}
        }
    }
}

impl Orders {
    /// In the order in which they were given.
    pub(crate) fn all(&self) -> &[Order] {
        &self.0
    }

    /// What is in force: the file, and the orders on top of it.
    pub(crate) fn on_top_of(&self, file: &Config) -> Config {
        let ids: HashSet<&VirtualServerId> = self.0.iter().map(|order| &order.service).collect();
        let mut config = file.clone();
        for service in config.services.iter_mut().filter(|service| ids.contains(&service.lvs.id)) {
            *service = self.on_service(service);
        }
        config
    }

    /// The same of one virtual server.
    pub(crate) fn on_service(&self, file: &Arc<Service>) -> Arc<Service> {
        let mut service = Service::clone(file);
        for order in self.0.iter().filter(|order| order.service == file.lvs.id) {
            order.put_on(&mut service);
        }
        Arc::new(service)
    }

    /// Takes an order: what was done, or why it can't be. It is done to all that it names, or to none.
    pub(crate) fn take(
        &mut self,
        file: &Config,
        order: &ServerOrder,
        by: &str,
        now: UnixTime,
    ) -> Result<Vec<Done>, String> {
        let mut orders = self.clone();
        let services = named(file, &order.service)?;
        let mut done = Vec::new();
        if let ServerWish::Add { weight, like } = &order.wish {
            let [service] = &services[..] else {
                return Err(format!("{} virtual servers are meant: name one to add a server to", services.len()));
            };
            done.push(orders.add(service, order, (*weight, like.as_deref()), by, now)?);
        } else {
            for service in &services {
                for server in orders.servers(service, &order.server)? {
                    done.push(orders.wish(service, server, order, by, now)?);
                }
            }
        }
        if done.is_empty() {
            let known = |service: &Arc<Service>| orders.on_service(service).lvs.real_servers.clone();
            let known: Vec<RealServer> = services.iter().flat_map(|service| known(service)).collect();
            return Err(format!("{} has no real server {}{}", order.service, order.server, list_of(&known)));
        }
        if orders.0.len() > MOST {
            return Err(format!("{MOST} orders are in force already: end some (ready) before giving others"));
        }
        for one in &mut done {
            if let Some(service) = services.iter().find(|service| service.lvs.id == one.server.0) {
                let missing = missing(&orders.on_service(service));
                one.beside.push_str(&missing);
            }
        }
        *self = orders;
        Ok(done)
    }

    fn add(
        &mut self,
        service: &Arc<Service>,
        order: &ServerOrder,
        (weight, like): (Option<u32>, Option<&str>),
        by: &str,
        now: UnixTime,
    ) -> Result<Done, String> {
        let effective = self.on_service(service);
        let servers = &effective.lvs.real_servers;
        let id = &service.lvs.id;
        let like = match like {
            None => None,
            Some(like) => match matching(servers.iter().map(|real| real.address), like)?[..] {
                [address] => Some(address),
                _ => return Err(format!("{id} has no one real server {like} to be like{}", list_of(servers))),
            },
        };
        let model = servers.iter().find(|real| like.is_none_or(|like| real.address == like));
        let Some(model) = model else {
            return Err(format!(
                "{id} has no real server: there is nothing to say how another one is reached and checked"
            ));
        };
        let address = match order.server.parse::<SocketAddr>() {
            Ok(address) => address,
            Err(_) => SocketAddr::new(address(&order.server)?, model.address.port()),
        };
        if address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err(format!("{address} is no address of a server"));
        }
        if address.is_ipv4() != model.address.is_ipv4() {
            return Err(format!("{address} is of another family than {}, which it would be like", model.address));
        }
        if servers.iter().any(|real| real.address == address) {
            return Err(format!("{address} is a real server of {id} already"));
        }
        let (model, weight) = (model.address, bounded(weight)?);
        let until_reload = order.until_reload;
        let server = (id.clone(), address);
        let configured = service.lvs.real_servers.iter().any(|real| real.address == address);
        self.0.retain(|order| order.server() != server);
        let beside = if configured {
            ": it is as the file says again".to_owned()
        } else {
            self.0.push(Order {
                service: id.clone(),
                server: address,
                // What is known of it now is what it is like later, too.
                added: Some(Added { weight, like: Some(model) }),
                wish: None,
                until_reload,
                by: by.to_owned(),
                since: now,
            });
            format!(": reached and checked like {model}; it gets connections once its checks have passed")
        };
        Ok(Done { server, what: "added".to_owned(), beside })
    }

    fn wish(
        &mut self,
        service: &Arc<Service>,
        address: SocketAddr,
        order: &ServerOrder,
        by: &str,
        now: UnixTime,
    ) -> Result<Done, String> {
        let id = &service.lvs.id;
        let at = self.0.iter().position(|order| order.service == *id && order.server == address);
        let mut beside = String::new();
        let (wish, what) = match order.wish {
            ServerWish::Ready => (None, "ready".to_owned()),
            ServerWish::Down => (Some(Wish::Down), "down".to_owned()),
            ServerWish::Drain { deadline } => {
                if let Some(seconds) = deadline.filter(|seconds| *seconds > LONGEST) {
                    return Err(format!("a deadline of {seconds} s is longer than a month"));
                }
                if let Some(persistence) = &service.lvs.persistence {
                    let _ = write!(
                        beside,
                        ": clients that stick to it still come until they were away for {} s (persistence_timeout), \
                         unless net.ipv4.vs.expire_quiescent_template is 1",
                        persistence.timeout
                    );
                }
                (Some(Wish::Drain { deadline: deadline.map(|seconds| now + seconds as f64) }), "drain".to_owned())
            }
            ServerWish::Weight { weight } => {
                bounded(Some(weight))?;
                (Some(Wish::Weight(weight)), format!("weight {weight}"))
            }
            ServerWish::Remove => (Some(Wish::Remove), "removed".to_owned()),
            ServerWish::Add { .. } => return Err("adding names no server that is there".to_owned()),
        };
        let added = at.and_then(|at| self.0.get(at)).and_then(|order| order.added.clone());
        // One that only an order made is gone with it.
        let gone = wish.is_none() && added.is_none() || order.wish == ServerWish::Remove && added.is_some();
        if gone {
            if wish.is_none() && at.is_none() {
                beside.push_str(": it was as the file says already");
            }
            self.0.retain(|order| !(order.service == *id && order.server == address));
        } else {
            let next = Order {
                service: id.clone(),
                server: address,
                added,
                wish,
                until_reload: order.until_reload,
                by: by.to_owned(),
                since: now,
            };
            match at.and_then(|at| self.0.get_mut(at)) {
                Some(order) => *order = next,
                None => self.0.push(next),
            }
        }
        Ok(Done { server: (id.clone(), address), what, beside })
    }

    /// The real servers of a virtual server that a name means: the file's, and those that were added.
    fn servers(&self, service: &Service, name: &str) -> Result<Vec<SocketAddr>, String> {
        let file = service.lvs.real_servers.iter().map(|real| real.address);
        let added = self.0.iter().filter(|order| order.service == service.lvs.id && order.added.is_some());
        matching(file.chain(added.map(|order| order.server)), name)
    }

    /// When the first deadline is over.
    pub(crate) fn deadline(&self) -> Option<UnixTime> {
        self.0.iter().filter_map(|order| order.status().deadline).reduce(f64::min)
    }

    /// Servers that have drained long enough go down: which.
    pub(crate) fn expire(&mut self, now: UnixTime) -> Vec<Server> {
        let mut due = Vec::new();
        for order in &mut self.0 {
            if matches!(order.wish, Some(Wish::Drain { deadline: Some(deadline) }) if deadline <= now) {
                order.wish = Some(Wish::Down);
                due.push(order.server());
            }
        }
        due
    }

    /// What of them still means something with another file, at a reload or a start.
    pub(crate) fn outlive(&mut self, file: &Config, event: Outlived) -> Vec<Ended> {
        let services: HashMap<&VirtualServerId, &Service> =
            file.services.iter().map(|service| (&service.lvs.id, &**service)).collect();
        let mut ended = Vec::new();
        self.0.retain_mut(|order| {
            let what = order.what();
            let mut end =
                |why: &str| ended.push(Ended { server: order.server(), what: what.clone(), why: why.to_owned() });
            let Some(service) = services.get(&order.service) else {
                end("the virtual server is no longer configured");
                return false;
            };
            if order.until_reload && event == Outlived::Reload {
                end("it was to last until a reload");
                return false;
            }
            let configured = service.lvs.real_servers.iter().any(|real| real.address == order.server);
            match (configured, &order.added) {
                (true, Some(_)) => {
                    end("the file has the server now");
                    order.added = None;
                }
                (false, None) => end("the real server is no longer configured"),
                (false, Some(_)) if service.lvs.real_servers.is_empty() => {
                    end("the virtual server has no real server left that it could be like");
                    return false;
                }
                (true, None) | (false, Some(_)) => {}
            }
            order.added.is_some() || (configured && order.wish.is_some())
        });
        ended
    }
}

/// What orders have to outlive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outlived {
    Reload,
    Start,
}

/// A weight that the plane takes.
fn bounded(weight: Option<u32>) -> Result<Option<u32>, String> {
    match weight {
        Some(weight) if weight > MAX_WEIGHT => Err(format!("weight {weight} is more than {MAX_WEIGHT}")),
        weight => Ok(weight),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| format!("{text} is no address: write ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or ADDRESS"))
}

/// Those of some addresses that a text means.
fn matching(all: impl Iterator<Item = SocketAddr>, text: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(one) = text.parse::<SocketAddr>() {
        return Ok(all.filter(|address| *address == one).collect());
    }
    let ip = address(text)?;
    Ok(all.filter(|address| address.ip() == ip).collect())
}

/// The virtual servers that a text means, at least one.
fn named<'a>(file: &'a Config, text: &str) -> Result<Vec<&'a Arc<Service>>, String> {
    if text == "all" && !file.services.is_empty() {
        return Ok(file.services.iter().collect());
    }
    let exactly = file.services.iter().find(|service| service.lvs.id.0 == text);
    if let Some(service) = exactly {
        return Ok(vec![service]);
    }
    let means = |service: &&Arc<Service>| service.lvs.keys.iter().any(|key| names(key).iter().any(|name| name == text));
    let found: Vec<&Arc<Service>> = file.services.iter().filter(means).collect();
    let ids = |services: &mut dyn Iterator<Item = &'a Arc<Service>>| {
        services.map(|service| service.lvs.id.to_string()).collect()
    };
    match found.len() {
        0 => Err(format!("there is no virtual server {text}{}", list(ids(&mut file.services.iter())))),
        1 => Ok(found),
        _ => Err(format!("{text} may be more than one virtual server{}", list(ids(&mut found.into_iter())))),
    }
}

/// What an operator may call a service of the kernel's: `192.0.2.1:80`, `192.0.2.1:80/tcp`.
fn names(key: &ServiceKey) -> Vec<String> {
    match key {
        ServiceKey::Address { protocol, address, port } => {
            let protocol = match protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
                Protocol::Sctp => "sctp",
            };
            let address = SocketAddr::new(*address, *port);
            vec![address.to_string(), format!("{address}/{protocol}")]
        }
        ServiceKey::Fwmark { .. } => vec![key.to_string()],
    }
}

fn list_of(servers: &[RealServer]) -> String {
    list(servers.iter().map(|real| real.address.to_string()).collect())
}

/// `; there is A, B and 3 more`
fn list(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(LISTED);
    all.truncate(LISTED);
    match (all.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; there is {}", all.join(", ")),
        (false, more) => format!("; there is {} and {more} more", all.join(", ")),
    }
}

/// That what is left is too little for the quorum, if so, were it all alive.
fn missing(service: &Service) -> String {
    let lvs = &service.lvs;
    let serving = lvs.real_servers.iter().filter(|real| real.duty == Duty::Serving);
    let weight: u64 = serving.map(|real| u64::from(real.weight)).sum();
    let sorry = lvs.sorry.as_ref().map(|sorry| format!(": the sorry server {} serves", sorry.address));
    match weight {
        0 => format!("; WARNING: nothing is left that gets connections{}", sorry.unwrap_or_default()),
        weight if weight < u64::from(lvs.quorum.saturating_sub(lvs.hysteresis)) => format!(
            "; WARNING: what is left weighs {weight}, less than the quorum {}{}",
            lvs.quorum,
            sorry.unwrap_or_default()
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
