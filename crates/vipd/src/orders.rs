//! What operators want of real servers beside what the file says: `vipd server`. What is in force is the file and the orders
//! on top of it, and everything that acts on a configuration acts on that.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vipd_api::{OrderStatus, ServerOrder, ServerWish, UnixTime};
use vipd_config::model::{Config, Service};
use vipd_lvs::settings::{Checker, Duty, Family, Probe, RealServer, ServiceKey, VirtualServerId};
use vipd_lvs::table::{MAX_WEIGHT, effective_weight};

/// Orders at once: more are refused.
const MOST: usize = 4096;

/// The longest deadline, in seconds: a month.
const LONGEST: u64 = 31 * 86400;

/// Names that an error lists at most.
const LISTED: usize = 8;

/// Where those of the daemon with this control socket are kept for one that follows: `control.sock.orders`.
pub(crate) fn place(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".orders");
    name.into()
}

/// What is said of a server that stays as it is.
pub(crate) const UNCHANGED: &str = "unchanged";

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
    added: Option<Lasting<Added>>,
    weight: Option<Lasting<u32>>,
    duty: Option<Lasting<Wanted>>,
    /// Whose the last word on it is, and since when.
    by: String,
    since: UnixTime,
}

/// For how long something is wanted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Lasting<T> {
    what: T,
    /// The next reload ends it.
    until_reload: bool,
}

/// How a server that the file doesn't have is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Added {
    weight: Option<u32>,
    /// The file's server that it is like.
    like: SocketAddr,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Wanted {
    /// `deadline`: `CLOCK_MONOTONIC`, microseconds; a clock that is set cuts nothing off.
    Drain {
        deadline: Option<u64>,
    },
    Down,
    Remove,
}

/// Who gives an order, and when.
pub(crate) struct Giver<'a> {
    pub(crate) by: &'a str,
    /// `CLOCK_REALTIME`
    pub(crate) at: UnixTime,
    /// `CLOCK_MONOTONIC`, microseconds
    pub(crate) now: u64,
}

/// What the checks say of a server: whether it is alive, and the weight that they ask for.
pub(crate) type Verdicts<'a> = &'a dyn Fn(&Server) -> Option<(bool, Option<u32>)>;

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

    /// `drain`, `down`, `weight 5`, `removed`, `added`, or several: `added, weight 5, drain`.
    pub(crate) fn what(&self) -> String {
        let words = |ends: &dyn Fn(bool) -> &'static str| {
            let added = self.added.as_ref().map(|added| format!("added{}", ends(added.until_reload)));
            let weight = self.weight.as_ref().map(|w| format!("weight {}{}", w.what, ends(w.until_reload)));
            let duty = self.duty.as_ref().map(|duty| format!("{}{}", duty.what.word(), ends(duty.until_reload)));
            [added, weight, duty].into_iter().flatten().collect::<Vec<_>>().join(", ")
        };
        let ends = self.ends();
        // Where all of it ends that is said once, by whoever shows it.
        let mixed = ends.iter().flatten().any(|ends| *ends) && !ends.iter().flatten().all(|ends| *ends);
        words(&|until_reload| if mixed && until_reload { " until a reload" } else { "" })
    }

    /// As the status tells it. `now`: as in `Giver`.
    pub(crate) fn status(&self, at: UnixTime, now: u64) -> OrderStatus {
        let left = |deadline: u64| deadline.saturating_sub(now) as f64 / 1e6;
        let ends = self.ends();
        OrderStatus {
            what: self.what(),
            duty: self.duty.as_ref().map(|duty| duty.what.word().to_owned()),
            by: self.by.clone(),
            since: self.since,
            deadline: self.deadline().map(|deadline| at + left(deadline)),
            until_reload: ends.into_iter().flatten().all(|ends| ends),
        }
    }

    /// Of each part that is there, whether the next reload ends it.
    fn ends(&self) -> [Option<bool>; 3] {
        [
            self.added.as_ref().map(|added| added.until_reload),
            self.weight.as_ref().map(|weight| weight.until_reload),
            self.duty.as_ref().map(|duty| duty.until_reload),
        ]
    }

    fn deadline(&self) -> Option<u64> {
        match self.duty.as_ref().map(|duty| duty.what) {
            Some(Wanted::Drain { deadline }) => deadline,
            Some(Wanted::Down | Wanted::Remove) | None => None,
        }
    }

    /// Whether the virtual server has the real server no more by it.
    pub(crate) fn removes(&self) -> bool {
        self.duty.as_ref().is_some_and(|duty| duty.what == Wanted::Remove)
    }

    fn asks_for_nothing(&self) -> bool {
        self.added.is_none() && self.weight.is_none() && self.duty.is_none()
    }

    /// What the file's virtual server is to have besides.
    fn add_to(&self, service: &mut Service, file: &Service) {
        let Some(Lasting { what: Added { weight, like }, .. }) = &self.added else { return };
        let servers = &file.lvs.real_servers;
        if service.lvs.real_servers.iter().any(|real| real.address == self.server) {
            return;
        }
        let Some(model) = servers.iter().find(|real| real.address == *like) else { return };
        let weight = weight.unwrap_or(model.weight);
        service.lvs.real_servers.push(RealServer { weight, ..model.like(self.server) });
        let told = file.servers.get(&model.address).cloned();
        service.servers.extend(told.map(|told| (self.server, told)));
    }

    /// What is to be otherwise.
    fn change(&self, service: &mut Service) {
        let Some(real) = service.lvs.real_servers.iter_mut().find(|real| real.address == self.server) else { return };
        if let Some(weight) = &self.weight {
            real.weight = weight.what;
        }
        match self.duty.as_ref().map(|duty| duty.what) {
            None => {}
            Some(Wanted::Drain { .. }) => real.duty = Duty::Draining,
            Some(Wanted::Down) => real.duty = Duty::Down,
            Some(Wanted::Remove) => {
                service.lvs.real_servers.retain(|real| real.address != self.server);
                service.servers.remove(&self.server);
            }
        }
    }
}

impl Wanted {
    fn word(self) -> &'static str {
        match self {
            Wanted::Drain { .. } => "drain",
            Wanted::Down => "down",
            Wanted::Remove => "removed",
        }
    }
}

impl Orders {
    /// In the order in which they were given first.
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
        let orders = || self.0.iter().filter(|order| order.service == file.lvs.id);
        orders().for_each(|order| order.add_to(&mut service, file));
        orders().for_each(|order| order.change(&mut service));
        Arc::new(service)
    }

    /// Takes an order: what was done, or why it can't be. It is done to all that it names, or to none.
    pub(crate) fn take(
        &mut self,
        file: &Config,
        order: &ServerOrder,
        giver: &Giver<'_>,
        verdicts: Verdicts<'_>,
    ) -> Result<Vec<Done>, String> {
        let mut orders = self.clone();
        let services = named(file, &order.service)?;
        let mut done = Vec::new();
        if let ServerWish::Add { weight, like } = &order.wish {
            let [service] = &services[..] else {
                return Err(format!("{} virtual servers are meant: name one to add a server to", services.len()));
            };
            done.push(orders.add(service, order, (*weight, like.as_deref()), giver)?);
        } else {
            for service in &services {
                for server in orders.servers(service, &order.server)? {
                    let removed = orders.of(&service.lvs.id, server).is_some_and(Order::removes);
                    if removed && order.wish != ServerWish::Ready {
                        // Nothing less can be wanted of it.
                        let beside = ": it stays removed, as was ordered before".to_owned();
                        done.push(Done {
                            server: (service.lvs.id.clone(), server),
                            what: UNCHANGED.to_owned(),
                            beside,
                        });
                    } else {
                        done.push(orders.wish(service, server, order, giver)?);
                    }
                }
            }
            if let [one] = &done[..]
                && one.what == UNCHANGED
                && order.wish != ServerWish::Remove
            {
                let (id, address) = &one.server;
                return Err(format!("{address} of {id} was removed by an order: `ready` ends that"));
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
                let missing = missing(&orders.on_service(service), verdicts);
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
        giver: &Giver<'_>,
    ) -> Result<Done, String> {
        let effective = self.on_service(service);
        let servers = &effective.lvs.real_servers;
        let (id, file) = (&service.lvs.id, &service.lvs.real_servers);
        let like = match like {
            None => file.first().map(|real| real.address),
            Some(like) => match matching(servers.iter().map(|real| real.address), like)?[..] {
                // One that was added is like one of the file's itself.
                [address] => Some(self.model(id, address).unwrap_or(address)),
                _ => return Err(format!("{id} has no one real server {like} to be like{}", list_of(servers))),
            },
        };
        let Some(model) = file.iter().find(|real| Some(real.address) == like) else {
            return Err(format!(
                "the file gives {id} no real server: there is nothing to say how another one is reached and checked"
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
        if file.iter().any(|real| real.address == address) {
            return Err(format!("the file has {address}, and it was removed by an order: `ready` ends that"));
        }
        let weight = bounded(weight)?;
        self.0.push(Order {
            service: id.clone(),
            server: address,
            added: Some(Lasting { what: Added { weight, like: model.address }, until_reload: order.until_reload }),
            weight: None,
            duty: None,
            by: giver.by.to_owned(),
            since: giver.at,
        });
        let beside = format!(": reached and checked like {}{}", model.address, proves(model));
        Ok(Done { server: (id.clone(), address), what: "added".to_owned(), beside })
    }

    fn of(&self, id: &VirtualServerId, address: SocketAddr) -> Option<&Order> {
        self.0.iter().find(|order| order.service == *id && order.server == address)
    }

    /// The file's server that an added one is like.
    fn model(&self, id: &VirtualServerId, address: SocketAddr) -> Option<SocketAddr> {
        self.of(id, address)?.added.as_ref().map(|added| added.what.like)
    }

    fn wish(
        &mut self,
        service: &Arc<Service>,
        address: SocketAddr,
        order: &ServerOrder,
        giver: &Giver<'_>,
    ) -> Result<Done, String> {
        let id = &service.lvs.id;
        let server = (id.clone(), address);
        let at = self.0.iter().position(|order| order.service == *id && order.server == address);
        let before = at.and_then(|at| self.0.get(at)).cloned();
        let mut next = before.clone().unwrap_or_else(|| Order {
            service: id.clone(),
            server: address,
            added: None,
            weight: None,
            duty: None,
            by: String::new(),
            since: giver.at,
        });
        (next.by, next.since) = (giver.by.to_owned(), giver.at);
        let until_reload = order.until_reload;
        let mut beside = String::new();
        let what = match order.wish {
            ServerWish::Ready => {
                if until_reload {
                    return Err("ready ends what was ordered: it can't be until a reload itself".to_owned());
                }
                if before.is_none() {
                    beside.push_str(": it was as the file says already");
                }
                (next.weight, next.duty) = (None, None);
                "ready".to_owned()
            }
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
                let given = deadline.map(|seconds| giver.now.saturating_add(seconds.saturating_mul(1_000_000)));
                // Whoever looks on once more takes nothing back.
                let deadline = given.or(next.deadline());
                if given.is_none()
                    && let Some(deadline) = deadline
                {
                    let left = Duration::from_micros(deadline.saturating_sub(giver.now)).as_secs();
                    let _ = write!(beside, ": down in {left} s at the latest, as was ordered before");
                }
                next.duty = Some(Lasting { what: Wanted::Drain { deadline }, until_reload });
                "drain".to_owned()
            }
            ServerWish::Down => {
                next.duty = Some(Lasting { what: Wanted::Down, until_reload });
                "down".to_owned()
            }
            ServerWish::Weight { weight } => {
                bounded(Some(weight))?;
                next.weight = Some(Lasting { what: weight, until_reload });
                if let Some(duty) = &next.duty {
                    let _ =
                        write!(beside, ": once it is ready; until then the order to be \"{}\" stays", duty.what.word());
                }
                format!("weight {weight}")
            }
            ServerWish::Remove => {
                if next.added.is_some() {
                    // One that only an order made is gone with it.
                    (next.added, next.weight, next.duty) = (None, None, None);
                } else {
                    next.duty = Some(Lasting { what: Wanted::Remove, until_reload });
                }
                "removed".to_owned()
            }
            ServerWish::Add { .. } => return Err("adding names no server that is there".to_owned()),
        };
        match (at, next.asks_for_nothing()) {
            (Some(at), true) => drop(self.0.remove(at)),
            (None, true) => {}
            (at, false) => match at.and_then(|at| self.0.get_mut(at)) {
                Some(order) => *order = next,
                None => self.0.push(next),
            },
        }
        Ok(Done { server, what, beside })
    }

    /// The real servers of a virtual server that a name means: the file's, and those that were added.
    fn servers(&self, service: &Service, name: &str) -> Result<Vec<SocketAddr>, String> {
        let file = service.lvs.real_servers.iter().map(|real| real.address);
        let added = self.0.iter().filter(|order| order.service == service.lvs.id && order.added.is_some());
        matching(file.chain(added.map(|order| order.server)), name)
    }

    /// When the first deadline is over: `CLOCK_MONOTONIC`, microseconds.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.0.iter().filter_map(Order::deadline).min()
    }

    /// Servers that have drained long enough go down: which.
    pub(crate) fn expire(&mut self, now: u64) -> Vec<Server> {
        let mut due = Vec::new();
        for order in self.0.iter_mut().filter(|order| order.deadline().is_some_and(|deadline| deadline <= now)) {
            if let Some(duty) = &mut order.duty {
                duty.what = Wanted::Down;
            }
            due.push(order.server());
        }
        due
    }

    /// What of them still means something with another file, at a reload or a start; and whether all of them are such that they
    /// could have been given: those that a predecessor left may be anything.
    pub(crate) fn outlive(&mut self, file: &Config, event: Outlived) -> Vec<Ended> {
        let services: HashMap<&VirtualServerId, &Service> =
            file.services.iter().map(|service| (&service.lvs.id, &**service)).collect();
        let mut ended = Vec::new();
        self.0.truncate(MOST);
        self.0.retain_mut(|order| {
            let server = order.server();
            let mut end = |what: String, why: String| ended.push(Ended { server: server.clone(), what, why });
            let Some(service) = services.get(&order.service) else {
                end(order.what(), "the virtual server is no longer configured".to_owned());
                return false;
            };
            let before = order.clone();
            if event == Outlived::Reload {
                order.added.take_if(|added| added.until_reload);
                order.weight.take_if(|weight| weight.until_reload);
                order.duty.take_if(|duty| duty.until_reload);
            }
            order.weight.take_if(|weight| weight.what > MAX_WEIGHT);
            let has = |address| service.lvs.real_servers.iter().any(|real| real.address == address);
            if before.added.is_some() && order.added.is_none() && !has(order.server) {
                // What else was wanted of it goes with it.
                (order.weight, order.duty) = (None, None);
            }
            let ends = |kept: &Order| {
                let was = [
                    before.added.as_ref().filter(|_| kept.added.is_none()).map(|_| "added".to_owned()),
                    before.weight.as_ref().filter(|_| kept.weight.is_none()).map(|w| format!("weight {}", w.what)),
                    before.duty.as_ref().filter(|_| kept.duty.is_none()).map(|d| d.what.word().to_owned()),
                ];
                was.into_iter().flatten().collect::<Vec<_>>().join(", ")
            };
            let lasted = ends(order);
            if !lasted.is_empty() {
                end(lasted, "it was to last until a reload".to_owned());
            }
            let nothing = order.asks_for_nothing();
            match (has(order.server), &mut order.added) {
                // What is found may be gone with the next look.
                (true, Some(_)) if event == Outlived::Discovery => {}
                (true, Some(_)) => {
                    end("added".to_owned(), "the file has the server now".to_owned());
                    order.added = None;
                }
                (false, None) if !nothing => {
                    end(order.what(), "the real server is no longer configured".to_owned());
                    return false;
                }
                (false, Some(added)) if !has(added.what.like) => {
                    let lost = added.what.like;
                    let Some(first) =
                        service.lvs.real_servers.first().filter(|f| f.address.is_ipv4() == lost.is_ipv4())
                    else {
                        end(order.what(), "the file has no real server left that it could be like".to_owned());
                        return false;
                    };
                    added.what.like = first.address;
                    let why = format!("the file no longer has it: it is like {} now", first.address);
                    end(format!("added like {lost}"), why);
                }
                _ => {}
            }
            !order.asks_for_nothing()
        });
        ended
    }
}

/// What orders have to outlive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outlived {
    Reload,
    Start,
    /// Another look at where real servers are found.
    Discovery,
}

/// A weight that the plane takes.
fn bounded(weight: Option<u32>) -> Result<Option<u32>, String> {
    match weight {
        Some(weight) if weight > MAX_WEIGHT => Err(format!("weight {weight} is more than {MAX_WEIGHT}")),
        weight => Ok(weight),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    address_of(text)
        .ok_or_else(|| format!("{text} is no address: write ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or ADDRESS"))
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
    if text.eq_ignore_ascii_case("all") && !file.services.is_empty() {
        return Ok(file.services.iter().collect());
    }
    let exactly = file.services.iter().find(|service| service.lvs.id.0 == text);
    if let Some(service) = exactly {
        return Ok(vec![service]);
    }
    let asked = text.to_ascii_lowercase();
    let means = |service: &&Arc<Service>| {
        let group = service.lvs.id.0.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
        let group = group.is_some_and(|(name, n)| name == text && n.parse::<u32>().is_ok());
        group || service.lvs.keys.iter().any(|key| names(key, &asked))
    };
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

/// Whether an operator may call a service of the kernel's so, in small letters: `192.0.2.1:80`, `192.0.2.1:80/tcp`,
/// `[192.0.2.1]:tcp:80`, `192.0.2.1`; `fwm 7`, `fwmark 7`.
fn names(key: &ServiceKey, text: &str) -> bool {
    match key {
        ServiceKey::Address { protocol, address, port } => {
            let protocol = protocol.to_string();
            let text = match text.rsplit_once('/') {
                Some((text, given)) if given == protocol => text,
                Some(_) => return false,
                None => text,
            };
            let text = text.replace(&format!(":{protocol}:"), ":");
            let bare = |text: &str| address_of(text).is_some_and(|ip| ip == *address);
            text.parse::<SocketAddr>().is_ok_and(|at| (at.ip(), at.port()) == (*address, *port))
                || bare(&text)
                || text.rsplit_once(':').is_some_and(|(ip, given)| given.parse() == Ok(*port) && bare(ip))
        }
        ServiceKey::Fwmark { mark, family } => {
            let number = ["fwmark", "fwm"].iter().find_map(|word| text.strip_prefix(word)).map(str::trim_start);
            let (number, wanted) = match number.and_then(|rest| rest.split_once(' ')) {
                Some((number, "ipv6")) => (Some(number), Some(Family::Inet6)),
                Some(_) => return false,
                None => (number, None),
            };
            number.and_then(|n| n.parse().ok()) == Some(*mark) && wanted.is_none_or(|wanted| wanted == *family)
        }
    }
}

/// An address that may stand in brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
}

fn list_of(servers: &[RealServer]) -> String {
    let names: BTreeSet<SocketAddr> = servers.iter().map(|real| real.address).collect();
    list(names.iter().map(SocketAddr::to_string).collect())
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

/// What a server like this one proves before it gets connections.
fn proves(model: &RealServer) -> String {
    let kinds = |elsewhere| {
        let of = model.checkers.iter().filter(move |checker| looks_elsewhere(checker, model) == elsewhere);
        of.map(Checker::kind).collect::<Vec<_>>().join(", ")
    };
    match (kinds(false).as_str(), kinds(true).as_str()) {
        ("", "") => "; it has no checks, and gets connections at once".to_owned(),
        (_, "") => "; it gets connections once its checks have passed".to_owned(),
        (_, elsewhere) => format!(
            "; it gets connections once its checks have passed, of which {elsewhere} asks what it asks for {} (not the new one)",
            model.address
        ),
    }
}

/// Whether a check of a server asks something else than the server itself: a copy of it does the same.
fn looks_elsewhere(checker: &Checker, of: &RealServer) -> bool {
    matches!(checker.probe, Probe::Misc(_) | Probe::Bfd(_) | Probe::File(_)) || checker.target.ip() != of.address.ip()
}

/// That what is left is too little for the quorum, if so. A server of which nothing is known yet counts as alive.
fn missing(service: &Service, verdicts: Verdicts<'_>) -> String {
    let lvs = &service.lvs;
    let weight = |real: &RealServer| match verdicts(&(lvs.id.clone(), real.address)) {
        Some((false, _)) => 0,
        Some((true, asked)) => u64::from(effective_weight(real.weight, asked)),
        None => u64::from(real.weight),
    };
    let weight: u64 = lvs.real_servers.iter().filter(|real| real.duty == Duty::Serving).map(weight).sum();
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
