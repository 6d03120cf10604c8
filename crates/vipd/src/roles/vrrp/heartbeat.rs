//! Heartbeat paths: adverts leave by them, too, behind those that leave by the own interfaces; what becomes of a path is
//! counted, told and shown. Nothing that is wrong with one bears on its instance.

use super::view::Clocks;
use super::{Role, Shell, now};
use crate::rate::Limit;
use std::io;
use tracing::{info, warn};
use vipd_api::HeartbeatStatus;
use vipd_sys::clock::monotonic_micros;
use vipd_vrrp::packet::Advert;
use vipd_vrrp::router::{Router, Sequence, heartbeat, packets_by};
use vipd_vrrp::settings::{HeartbeatPath, Instance, Way};
use vipd_vrrp::units::{Instant, Priority};

/// What goes by one way.
#[derive(Default)]
pub(super) struct Traffic {
    /// Which it is; `None`: the own interface.
    path: Option<HeartbeatPath>,
    sent: u64,
    unsent: u64,
    rejected: u64,
    /// Why it has no sockets, and why the last packet could not be sent.
    deaf: Option<String>,
    failed: Option<String>,
    log: Limit,
}

impl Traffic {
    /// Counts a packet that was to be sent.
    pub(super) fn count(&mut self, sent: &io::Result<()>) {
        match sent {
            Ok(()) => self.sent += 1,
            Err(_) => self.unsent += 1,
        }
        self.failed = sent.as_ref().err().map(ToString::to_string);
    }
}

impl Shell {
    /// The same for these settings: a path that is still there keeps its counts.
    pub(super) fn suit(mut self, instance: &Instance) -> Shell {
        let mut before = std::mem::take(&mut self.ways);
        if !instance.heartbeat_paths.is_empty() {
            let paths = std::iter::once(None).chain(instance.heartbeat_paths.iter().cloned().map(Some));
            let mut known = |path: Option<HeartbeatPath>| match before.iter().position(|way| way.path == path) {
                Some(at) => before.swap_remove(at),
                None => Traffic { path, ..Traffic::default() },
            };
            self.ways = paths.map(&mut known).collect();
        }
        self
    }

    fn way(&mut self, way: Way) -> Option<&mut Traffic> {
        let index = match way {
            Way::Own => 0,
            Way::Path(n) => n + 1,
        };
        self.ways.get_mut(index)
    }

    /// Counts a packet that was not believed.
    pub(super) fn refuse(&mut self, way: Way) {
        self.way(way).into_iter().for_each(|traffic| traffic.rejected += 1);
    }
}

impl Role {
    /// Sends an advert of the router at this index by its heartbeat paths.
    pub(super) fn beat(&mut self, i: usize, advert: &Advert, sequence: Option<Sequence>) {
        let (Some(router), Some(shell)) = (self.node.routers().get(i), self.shells.get_mut(i)) else { return };
        let Some(sender) = router.source() else { return };
        let (settings, id) = (&router.settings, shell.id);
        // Where its own interface is down and that is no fault (`dont_track_primary`), a path must not say what nobody can hear
        // there: the backups are to serve.
        let down = settings.binding.device().is_some_and(|own| !self.addresses.is_up(own));
        if down && advert.priority != Priority::RELEASE {
            return;
        }
        for (n, path) in settings.heartbeat_paths.iter().enumerate() {
            let way = Way::Path(n);
            let Some(traffic) = shell.way(way) else { continue };
            let Some(source) = router.source_by(way) else {
                traffic.count(&Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "it has no address to send from")));
                continue;
            };
            let before = traffic.failed.clone();
            for (to, packet) in packets_by(way, settings, source, &heartbeat(advert, sender, source), id, sequence) {
                traffic.count(&self.ports.send(i, way, &packet, to));
            }
            if traffic.failed.is_some()
                && traffic.failed != before
                && let (Some(why), Some(silent)) = (&traffic.failed, traffic.log.allow(monotonic_micros()))
            {
                warn!("({}) adverts can't be sent by {path}: {why}{silent}", settings.name);
            }
        }
    }

    /// Takes note of whether the heartbeat paths of the router at this index have their sockets.
    pub(super) fn heed_sockets(&mut self, i: usize, opened: Vec<Result<(), String>>) {
        let (Some(router), Some(shell)) = (self.node.routers().get(i), self.shells.get_mut(i)) else { return };
        for (n, opened) in opened.into_iter().enumerate() {
            let Some(traffic) = shell.way(Way::Path(n)) else { continue };
            let why = opened.err();
            if why != traffic.deaf
                && let Some(why) = &why
                && let Some(silent) = traffic.log.allow(monotonic_micros())
            {
                warn!("({}) {why}; the instance goes on without this path{silent}", router.settings.name);
            }
            traffic.deaf = why;
        }
    }

    /// By one way nothing is heard any more, while the master is heard by another.
    pub(super) fn tell_silence(&mut self, i: usize, way: Way, since: Instant, by: Way) {
        let Some(router) = self.node.routers().get(i) else { return };
        let (name, settings) = (router.settings.name.clone(), &router.settings);
        let master = router.master().map_or_else(|| "the master".to_owned(), |(address, ..)| address.to_string());
        let (path, silent) = (settings.way_name(way), now() - since);
        let cause = format!("nothing heard for {silent}; {master} is heard by {}", settings.way_name(by));
        warn!("({name}) path {path} is silent: {cause}");
        self.happened("heartbeat", format!("vrrp_instance {name} path {path}"), "silent".to_owned(), cause);
        self.snapshot_due = true;
    }

    /// By a way that was silent the master is heard again.
    pub(super) fn tell_heard_again(&mut self, i: usize, way: Way, since: Instant) {
        let Some(router) = self.node.routers().get(i) else { return };
        let (name, path) = (router.settings.name.clone(), router.settings.way_name(way));
        let cause = format!("after {}", now() - since);
        info!("({name}) path {path} is heard again {cause}");
        self.happened("heartbeat", format!("vrrp_instance {name} path {path}"), "heard".to_owned(), cause);
        self.snapshot_due = true;
    }

    /// Each way of the router at this index, for the status.
    pub(super) fn heartbeat_status(&self, i: usize, router: &Router, clocks: Clocks) -> Vec<HeartbeatStatus> {
        let Some(shell) = self.shells.get(i).filter(|shell| !shell.ways.is_empty()) else { return Vec::new() };
        let links = self.addresses.facts();
        let both = router.ears().zip(&shell.ways);
        let status = both.map(|((way, ear), traffic)| {
            let interface = router.settings.hears_by(way);
            let problem = match interface.map(|name| (name, links.get(name))) {
                Some((name, None)) => Some(format!("{name} doesn't exist")),
                Some((name, Some(link))) if !link.up => Some(format!("{name} is down")),
                Some(_) | None => traffic.deaf.clone().or_else(|| traffic.failed.clone()),
            };
            HeartbeatStatus {
                path: router.settings.way_name(way),
                heard: ear.heard.map(|heard| clocks.unix(heard.at)),
                silent: ear.silent.map(|since| clocks.unix(since)),
                problem,
                received: ear.received,
                sent: traffic.sent,
                unsent: traffic.unsent,
                rejected: traffic.rejected,
            }
        });
        status.collect()
    }
}
