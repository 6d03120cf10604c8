//! What is asked of all roles: each tells its part, and whoever asked gets the whole, with what did not answer shown as such.

use super::{Event, RoleName, STATUS_PATIENCE, Supervisor, view};
use crate::channel;
use crate::message::ToRole;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::{info, warn};
use vipd_api::{ConfigStatus, Order, Reading, Reply, RoleStatus, Status};

/// An operator's request: the console's number of it, and which console that was. The next one counts anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    pub(super) console: u64,
    pub(super) id: u64,
}

/// Who wants a status.
pub(super) enum Asker {
    /// An operator.
    Operator(Caller),
    /// SIGUSR1.
    Dump,
    /// SIGUSR2.
    Statistics,
}

/// A question under way.
pub(super) struct Query {
    pub(super) asker: Asker,
    pub(super) awaited: Vec<RoleName>,
    pub(super) status: Status,
    pub(super) deadline: Instant,
}

impl Supervisor {
    /// Asks every role that runs.
    pub(super) fn ask(&mut self, asker: Asker) {
        self.next_query += 1;
        let id = self.next_query;
        let answering =
            |name: &RoleName| *name != RoleName::Console && self.roles.get(name).is_some_and(|r| r.running.is_some());
        let awaited: Vec<RoleName> = RoleName::ALL.into_iter().filter(answering).collect();
        for name in &awaited {
            self.tell(*name, &ToRole::Query(id));
        }
        let status = Status {
            version: vipd_api::VERSION,
            program: format!("vipd {}", env!("CARGO_PKG_VERSION")),
            router_id: self.config.global.router_id.clone(),
            pid: std::process::id(),
            started: self.started,
            config: ConfigStatus { next_reload: self.timed.next(), ..self.config_status.clone() },
            ..Status::default()
        };
        let deadline = Instant::now() + STATUS_PATIENCE;
        self.queries.insert(id, Query { asker, awaited, status, deadline });
        if self.queries.get(&id).is_some_and(|q| q.awaited.is_empty()) {
            self.answer(id);
        }
    }

    /// Tells an operator the configuration in force, with its secrets veiled. It may be large: that happens off to the side.
    pub(super) fn show_config(&self, caller: Caller, nonce: String) {
        let (config, events) = (Arc::clone(&self.config), self.events.clone());
        let (orders, found) = (self.orders_on_servers.clone(), self.found.clone());
        let options = &self.plan.options;
        let reading = Reading {
            config_id: options.config_id.clone(),
            include_checks_all: options.include_checks_all,
            net_namespace: options.net_namespace.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let mut config = (*config).clone();
            crate::veil::veil(&mut config, nonce.as_bytes());
            let json = serde_json::to_string(&config)
                .and_then(|config| Ok((config, serde_json::to_string(&orders)?, serde_json::to_string(&found)?)));
            let reply = match json {
                Ok((config, orders, found)) => sendable(caller.id, Reply::Config { config, orders, found, reading }),
                Err(e) => Reply::Error { message: format!("the configuration can't be written as JSON: {e}") },
            };
            let _ = events.blocking_send(Event::Answer { caller, reply: Box::new(reply) });
        });
    }

    /// Passes an operator's order on to the role that can carry it out.
    pub(super) fn steer(&mut self, caller: Caller, uid: Option<u32>, order: Order) {
        let (subject, what) = match &order {
            Order::HandOver { name } => (name.clone(), "hand over"),
            Order::TakeBack { name } => (name.clone(), "take back"),
            Order::Maintenance => ("vipd".to_owned(), "maintenance on"),
            Order::Serve => ("vipd".to_owned(), "maintenance off"),
        };
        let by = who(uid);
        info!("{by} orders: {what} ({subject})");
        self.note("order", subject.clone(), what.to_owned(), format!("{by} wants it"));
        self.next_query += 1;
        let id = self.next_query;
        self.orders.insert(id, (caller, subject));
        if self.roles.get(&RoleName::Vrrp).is_none_or(|role| role.running.is_none()) {
            return self.steered(id, Err("no vrrp role runs: there is nothing to hand over".to_owned()));
        }
        self.tell(RoleName::Vrrp, &ToRole::Steer { id, order });
    }

    /// An order was carried out, or could not be.
    pub(super) fn steered(&mut self, id: u64, done: Result<Vec<String>, String>) {
        let Some((caller, subject)) = self.orders.remove(&id) else { return };
        if let Err(why) = &done {
            info!("the operator's order can't be carried out ({subject}): {why}");
            self.note("order", subject, "refused".to_owned(), why.clone());
        }
        self.reply(caller, done.map_or_else(|message| Reply::Error { message }, |done| Reply::Steered { done }));
    }

    /// The role that had them is gone.
    pub(super) fn forget_orders(&mut self) {
        for (caller, subject) in std::mem::take(&mut self.orders).into_values() {
            let message = "the vrrp role ended before it answered: see `vipd status`".to_owned();
            self.note("order", subject, "unanswered".to_owned(), message.clone());
            self.reply(caller, Reply::Error { message });
        }
    }

    /// Answers an operator, unless the console that asked for him is gone.
    pub(super) fn reply(&mut self, Caller { console, id }: Caller, reply: Reply) {
        if self.roles.get(&RoleName::Console).is_some_and(|role| role.generation == console) {
            self.tell_events(); // who asks for them next finds them
            self.tell(RoleName::Console, &ToRole::Reply { id, reply: Box::new(reply) });
        }
    }

    /// A role has answered, or never will.
    pub(super) fn arrived(&mut self, id: u64, name: RoleName) {
        let Some(query) = self.queries.get_mut(&id) else { return };
        query.awaited.retain(|n| *n != name);
        if query.awaited.is_empty() {
            self.answer(id);
        }
    }

    /// The console that asked is gone, and with it everybody who asked through it. (What came of their orders is an event all
    /// the same.)
    pub(super) fn forget_console(&mut self) {
        self.queries.retain(|_, query| !matches!(query.asker, Asker::Operator(_)));
    }

    /// Gives what has come to whoever asked.
    pub(super) fn answer(&mut self, id: u64) {
        let Some(mut query) = self.queries.remove(&id) else { return };
        query.status.roles = self.role_statuses();
        query.status.hooks = self.hooks.status();
        view::fill(&mut query.status, &self.config, &self.plan.roles, &self.plan.role_options);
        view::fill_in_orders(&mut query.status, self.orders_on_servers.all());
        self.fill_in_found(&mut query.status);
        match query.asker {
            Asker::Operator(caller) => self.reply(caller, Reply::Status(Box::new(query.status))),
            Asker::Dump => dump("keepalived.data", &crate::status::render(&query.status)),
            Asker::Statistics => dump("keepalived.stats", &crate::status::statistics(&query.status)),
        }
    }

    fn role_statuses(&self) -> Vec<RoleStatus> {
        let own = RoleStatus {
            name: "supervisor".to_owned(),
            pid: std::process::id(),
            started: self.started,
            ..Default::default()
        };
        let roles = self.roles.iter().map(|(name, role)| RoleStatus {
            name: name.to_string(),
            pid: role.running.as_ref().map_or(0, |r| r.pid),
            started: role.running.as_ref().map_or(0.0, |r| r.started),
            restarts: role.restarts,
            why: role.why.clone(),
        });
        std::iter::once(own).chain(roles).collect()
    }
}

/// Whoever gave an order, as events tell it.
pub(super) fn who(uid: Option<u32>) -> String {
    uid.map_or_else(|| "an operator".to_owned(), |uid| format!("an operator (uid {uid})"))
}

/// A reply, or why it can't be sent: it may be too long.
fn sendable(id: u64, reply: Reply) -> Reply {
    match channel::encode(&ToRole::Reply { id, reply: Box::new(reply.clone()) }) {
        Ok(_) => reply,
        Err(e) => Reply::Error { message: format!("the configuration can't be shown: {e}") },
    }
}

/// SIGUSR1 and SIGUSR2: writes what was asked for where the original does, under a new name first, so that no prepared link
/// is followed.
fn dump(name: &str, text: &str) {
    let directory = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|d| d.is_absolute() && d.is_dir());
    let path = directory.unwrap_or_else(|| PathBuf::from("/tmp")).join(name);
    let temporary = path.with_file_name(format!("{name}.{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let _ = std::fs::remove_file(&temporary);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&temporary, &path)
    };
    match write() {
        Ok(()) => info!("what was asked for is in {}", path.display()),
        Err(e) => warn!("what was asked for can't be written to {}: {e}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_is_too_large_is_not_shown() {
        let reply = |length| {
            let config = "\"".repeat(length);
            sendable(
                1,
                Reply::Config { config, orders: String::new(), found: String::new(), reading: Reading::default() },
            )
        };
        assert!(matches!(reply(10), Reply::Config { .. }));
        // Each mark of quotation takes two bytes.
        assert!(matches!(reply(channel::LONGEST / 2), Reply::Error { .. }));
    }
}
