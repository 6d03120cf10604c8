//! Orders of operators for real servers: taken, put on top of the file, handed to the roles as a reload's differences are, kept
//! for a daemon that follows, and ended when their time is over.

use super::Supervisor;
use super::hooks::name_of_service;
use super::query::{Caller, who};
use crate::orders::{Done, Ended, Orders, Outlived, Server};
use crate::part::Difference;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};
use vipd_api::{Reply, ServerOrder};
use vipd_config::model::Config;
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::unix_time;

/// Bytes of the file of orders at most: more than any daemon writes.
const LONGEST: u64 = 16 << 20;

/// `O_NOFOLLOW` (asm-generic/fcntl.h)
const NOFOLLOW: i32 = 0o400_000;

/// Where orders are kept: beside the control socket, in a directory that is root's own and empty after a boot.
fn place(socket: &str) -> PathBuf {
    Path::new(socket).with_extension("orders")
}

/// The orders that a daemon before this one has left.
fn read(path: &Path) -> io::Result<Orders> {
    let mut text = String::new();
    let file = match std::fs::OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Orders::default()),
        file => file?,
    };
    file.take(LONGEST).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

/// Keeps them, in one step.
fn write(path: &Path, orders: &Orders) -> io::Result<()> {
    if orders.all().is_empty() {
        return match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let temporary = path.with_extension("orders.new");
    let _ = std::fs::remove_file(&temporary); // there is none, mostly
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(orders)?)?;
    std::fs::rename(&temporary, path)
}

/// `real_server 10.0.0.1:80 of virtual_server [192.0.2.1]:tcp:80`, as other events have it.
fn subject((service, address): &Server) -> String {
    format!("real_server {address} of {}", name_of_service(service))
}

impl Supervisor {
    /// Takes what a daemon before this one has left, before anything runs.
    pub(super) fn inherit_orders(&mut self) {
        let path = place(&self.plan.role_options.socket);
        match read(&path) {
            Ok(orders) => self.orders_on_servers = orders,
            Err(e) => warn!("the orders of operators in {} can't be read, and are forgotten: {e}", path.display()),
        }
        let ended = self.orders_on_servers.outlive(&self.file, Outlived::Start);
        self.config = Arc::new(self.orders_on_servers.on_top_of(&self.file));
        self.tell_ended(&ended);
        if !ended.is_empty() {
            self.keep_orders();
        }
        for order in self.orders_on_servers.all() {
            info!("an operator's order is still in force: {}: {}", subject(&order.server()), order.what());
        }
    }

    /// An operator orders something of real servers. `uid`: whose the client is.
    pub(super) fn order(&mut self, caller: Caller, uid: Option<u32>, order: &ServerOrder) {
        let by = who(uid);
        let done = match self.orders_on_servers.take(&self.file, order, &by, unix_time()) {
            Ok(done) => done,
            Err(message) => {
                info!("the order of {by} is refused: {message}");
                let subject = format!("real_server {} of {}", order.server, order.service);
                self.note("order", subject, "refused".to_owned(), format!("{message}; {by} wants it"));
                self.reply(caller, Reply::Error { message });
                return;
            }
        };
        let cause = match order.until_reload {
            true => format!("{by} wants it until a reload"),
            false => format!("{by} wants it"),
        };
        for Done { server, what, .. } in &done {
            info!("{}: {what}: {cause}", subject(server));
            self.note("order", subject(server), what.clone(), cause.clone());
        }
        self.enforce(done.iter().map(|done| done.server.0.clone()).collect());
        let reply = Reply::Ordered {
            done: done.iter().map(|done| format!("{}: {}{}", subject(&done.server), done.what, done.beside)).collect(),
            servers: done.iter().map(|done| (done.server.0.to_string(), done.server.1.to_string())).collect(),
        };
        self.reply(caller, reply);
    }

    /// Hands what is in force now of these virtual servers to the roles.
    fn enforce(&mut self, ids: BTreeSet<VirtualServerId>) {
        self.keep_orders();
        let mut config = Config::clone(&self.config);
        let mut touched = Vec::new();
        for (at, (file, effective)) in self.file.services.iter().zip(&mut config.services).enumerate() {
            if ids.contains(&file.lvs.id) {
                *effective = self.orders_on_servers.on_service(file);
                touched.push(at);
            }
        }
        self.old = std::mem::replace(&mut self.config, Arc::new(config));
        self.hand_over(&Difference { removed: Vec::new(), touched });
    }

    /// When the next order ends.
    pub(super) fn orders_wake(&self) -> Option<Instant> {
        let left = self.orders_on_servers.deadline()? - unix_time();
        Some(Instant::now() + Duration::try_from_secs_f64(left.max(0.0)).unwrap_or_default())
    }

    /// Servers that have drained for as long as they may go down.
    pub(super) fn orders_in_time(&mut self) {
        let due = self.orders_on_servers.expire(unix_time());
        if due.is_empty() {
            return;
        }
        for server in &due {
            let cause = "it has drained until its deadline".to_owned();
            info!("{}: down: {cause}", subject(server));
            self.note("order", subject(server), "down".to_owned(), cause);
        }
        self.enforce(due.into_iter().map(|(service, _)| service).collect());
    }

    /// Tells of orders that a reload or a start has ended.
    pub(super) fn tell_ended(&mut self, ended: &[Ended]) {
        for Ended { server, what, why } in ended {
            info!("an operator's order is over: {}: {what}: {why}", subject(server));
            self.note("order", subject(server), format!("{what} ended"), why.clone());
        }
    }

    /// Keeps the orders for a daemon that follows.
    pub(super) fn keep_orders(&self) {
        let path = place(&self.plan.role_options.socket);
        if let Err(e) = write(&path, &self.orders_on_servers) {
            warn!("the orders of operators can't be kept in {} for a daemon that follows: {e}", path.display());
        }
    }
}
