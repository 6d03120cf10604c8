//! Orders of operators for real servers: taken, put on top of the file, handed to the roles as a reload's differences are, kept
//! for a daemon that follows, and ended when their time is over.

use super::hooks::name_of_service;
use super::query::{Caller, who};
use super::{RoleName, Supervisor};
use crate::kept;
use crate::message::ToRole;
use crate::orders::{self, Done, Ended, Giver, Outlived, Server, UNCHANGED};
use crate::part::Difference;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};
use vipd_api::{Reply, ServerOrder, ServerWish};
use vipd_config::model::Config;
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::{monotonic_micros, unix_time};

/// Servers that an order is told of one by one; an event of more tells how many.
const TOLD: usize = 64;

/// `real_server 10.0.0.1:80 of virtual_server [192.0.2.1]:tcp:80`, as other events have it.
fn subject((service, address): &Server) -> String {
    format!("real_server {address} of {}", name_of_service(service))
}

impl Supervisor {
    /// Takes what a daemon before this one has left, before anything runs.
    pub(super) fn inherit_orders(&mut self) {
        let path = orders::place(Path::new(&self.plan.role_options.socket));
        match kept::read(&path, kept::LONGEST) {
            Ok(orders) => self.orders_on_servers = orders,
            Err(e) => warn!("the orders of operators in {} can't be read, and are forgotten: {e}", path.display()),
        }
        let before = self.orders_on_servers.clone();
        let ended = self.orders_on_servers.outlive(&self.grown, Outlived::Start);
        self.config = Arc::new(self.orders_on_servers.on_top_of(&self.grown));
        self.tell_ended(&ended);
        if self.orders_on_servers != before {
            let _ = self.keep_orders(); // it says so itself
        }
        for order in self.orders_on_servers.all() {
            info!("an operator's order is still in force: {}: {}", subject(&order.server()), order.what());
        }
    }

    /// An operator orders something of real servers. `uid`: whose the client is.
    pub(super) fn order(&mut self, caller: Caller, uid: Option<u32>, order: &ServerOrder) {
        let by = who(uid);
        let giver = Giver { by: &by, at: unix_time(), now: monotonic_micros() };
        let verdicts = |server: &Server| self.verdicts.get(server).map(|verdict| (verdict.alive, verdict.weight));
        let done = match self.orders_on_servers.take(&self.grown, order, &giver, &verdicts) {
            Ok(done) => done,
            Err(message) => {
                info!("the order of {by} is refused: {message}");
                let subject = format!("real_server {} of {}", order.server, order.service);
                self.note("order", subject, "refused".to_owned(), format!("{message}; {by} wants it"));
                self.reply(caller, Reply::Error { message });
                return;
            }
        };
        let until = if order.until_reload { " until a reload" } else { "" };
        let deadline = match order.wish {
            ServerWish::Drain { deadline: Some(seconds) } => format!("; down in {seconds} s at the latest"),
            _ => String::new(),
        };
        let cause = format!("{by} wants it{until}{deadline}");
        let changed = || done.iter().filter(|done| done.what != UNCHANGED);
        for Done { server, what, .. } in changed() {
            info!("{}: {what}: {cause}", subject(server));
        }
        for Done { server, what, .. } in changed().take(TOLD) {
            self.note("order", subject(server), what.clone(), cause.clone());
        }
        if let Some(more) = changed().count().checked_sub(TOLD).filter(|more| *more > 0) {
            let subject = format!("real_server {} of {}", order.server, order.service);
            self.note("order", subject, format!("the same of {more} more"), cause);
        }
        let unkept = self.enforce(done.iter().map(|done| done.server.0.clone()).collect()).err();
        let told = done.iter().map(|done| format!("{}: {}{}", subject(&done.server), done.what, done.beside));
        let reply = Reply::Ordered {
            done: told.chain(unkept).collect(),
            servers: done.iter().map(|done| (done.server.0.to_string(), done.server.1.to_string())).collect(),
        };
        self.reply(caller, reply);
    }

    /// Hands what is in force now of these virtual servers to the roles. An error: it can't be kept for a daemon that follows.
    pub(super) fn enforce(&mut self, ids: BTreeSet<VirtualServerId>) -> Result<(), String> {
        let kept = self.keep_orders();
        let mut config = Config::clone(&self.config);
        let mut touched = Vec::new();
        for (at, (grown, effective)) in self.grown.services.iter().zip(&mut config.services).enumerate() {
            if ids.contains(&grown.lvs.id) {
                *effective = self.orders_on_servers.on_service(grown);
                touched.push(at);
            }
        }
        let before = std::mem::replace(&mut self.config, Arc::new(config));
        if self.old_is_told() {
            self.old = Arc::clone(&before);
        }
        self.hand_over(&before, &Difference { removed: Vec::new(), touched });
        self.pulse += 1;
        self.order_pulse = Some(self.pulse);
        self.tell(RoleName::Director, &ToRole::Ping(self.pulse));
        kept
    }

    /// Whether everything was told of what the last change has removed: until then its notify scripts are looked up in the
    /// configuration before it.
    fn old_is_told(&self) -> bool {
        let director = self.roles.get(&RoleName::Director).is_some_and(|role| role.running.is_some());
        director && self.order_pulse.is_none() && !RoleName::ALL.iter().any(|name| self.reloading.awaits(*name))
    }

    /// The director has answered a ping.
    pub(super) fn order_answered(&mut self, name: RoleName, pulse: u64) {
        if name == RoleName::Director && self.order_pulse.is_some_and(|asked| asked <= pulse) {
            self.order_pulse = None;
        }
    }

    /// When the next order ends.
    pub(super) fn orders_wake(&self) -> Option<Instant> {
        let left = self.orders_on_servers.deadline()?.saturating_sub(monotonic_micros());
        // What a predecessor left may be anything: it is looked at again.
        Some(Instant::now() + Duration::from_micros(left).min(Duration::from_secs(3600)))
    }

    /// Servers that have drained for as long as they may go down.
    pub(super) fn orders_in_time(&mut self) {
        let due = self.orders_on_servers.expire(monotonic_micros());
        if due.is_empty() {
            return;
        }
        for server in &due {
            let cause = "it has drained until its deadline".to_owned();
            info!("{}: down: {cause}", subject(server));
            self.note("order", subject(server), "down".to_owned(), cause);
        }
        let _ = self.enforce(due.into_iter().map(|(service, _)| service).collect()); // it says so itself
    }

    /// Tells of orders that a reload or a start has ended.
    pub(super) fn tell_ended(&mut self, ended: &[Ended]) {
        for Ended { server, what, why } in ended {
            info!("an operator's order is over: {}: {what}: {why}", subject(server));
            self.note("order", subject(server), format!("{what} ended"), why.clone());
        }
    }

    /// Keeps the orders for a daemon that follows. An error is logged, and told to whoever gave one.
    pub(super) fn keep_orders(&self) -> Result<(), String> {
        let path = orders::place(Path::new(&self.plan.role_options.socket));
        let kept_orders = Some(&self.orders_on_servers).filter(|orders| !orders.all().is_empty());
        kept::write(&path, kept_orders).map_err(|e| {
            let why = format!("WARNING: it can't be kept for a daemon that follows: {}: {e}", path.display());
            warn!("orders of operators: {why}");
            why
        })
    }
}
