//! What is told for a successor: of virtual servers as wholes, and of the real servers that changed since.

use super::{PIECE, Role, Server, fingerprint, now};
use crate::legacy::Legacy;
use crate::message::{self, FromRole, KnownService};
use std::io;
use vipd_lvs::health::Known;
use vipd_lvs::settings::VirtualServerId;

impl Role {
    /// Tells the supervisor what a successor needs that it was not told yet: a piece of it, and soon the next.
    pub(super) async fn keep(&mut self) -> io::Result<()> {
        let (mut piece, mut checks) = (Vec::new(), 0);
        while checks < PIECE {
            let Some(id) = self.unkept.pop_first() else { break };
            checks += self.of(&id).map(|(_, serials)| serials.len()).sum::<usize>().max(1);
            piece.push(id);
        }
        let servers = std::iter::from_fn(|| self.unkept_servers.pop_first()).take(PIECE.saturating_sub(checks));
        let servers: Vec<Server> = servers.collect();
        self.keep_at = (!self.unkept.is_empty() || !self.unkept_servers.is_empty()).then(now);
        self.keep_services(piece).await?;
        self.keep_servers(&servers).await
    }

    /// Tells it of these virtual servers.
    pub(super) async fn keep_services(&mut self, ids: Vec<VirtualServerId>) -> io::Result<()> {
        let mut all = message::Known::new();
        for service in ids {
            let servers = self.of(&service).map(|((_, address), serials)| (*address, self.known(serials)));
            let whole = Legacy::of(&servers.collect::<Vec<_>>(), &service);
            all.extend(whole.map(|whole| KnownService { service, whole, since: Vec::new() }));
        }
        self.kept = Some(now());
        if all.is_empty() { Ok(()) } else { self.sender.send(&FromRole::Known(all)).await }
    }

    /// Tells it of these real servers, which are in the order of their virtual servers.
    pub(super) async fn keep_servers(&mut self, servers: &[Server]) -> io::Result<()> {
        let mut all = Vec::new();
        for same in servers.chunk_by(|(one, _), (other, _)| one == other) {
            let values = same.iter().filter_map(|server| {
                let known = self.known(self.servers.get(server)?);
                Some((server.1, Legacy::of(&known, server.1)?))
            });
            let values: Vec<_> = values.collect();
            all.extend(same.first().map(|(id, _)| (id.clone(), values)));
        }
        self.kept = Some(now());
        if all.is_empty() { Ok(()) } else { self.sender.send(&FromRole::KnownServers(all)).await }
    }

    /// What is known of these checks, each with the fingerprint of its settings.
    pub(super) fn known(&self, serials: &[u64]) -> Vec<(u64, &Known)> {
        let checks = serials.iter().filter_map(|serial| self.checks.get(serial));
        checks.map(|check| (fingerprint(check.health.settings()), check.health.known())).collect()
    }
}
