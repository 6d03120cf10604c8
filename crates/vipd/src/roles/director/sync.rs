//! `lvs_sync_daemon`: the kernel threads that tell other directors of connections, and that hear of theirs. Which of them
//! runs follows an instance; that they run, and as they shall, is compared with the kernel like the table.
//!
//! `lvs_sync_catch_up`: there is no word in the kernel's protocol for that a director has told of all that it has. The number of
//! connections is looked at once a second, as the kernel adds them up for each real server: the list of
//! connections itself may be of any length.

use super::{Director, plane};
use crate::message::FromRole;
use std::io;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};
use vipd_config::model::SyncDaemon;
use vipd_ipvs::{Command, Daemon, DaemonState};
use vipd_lvs::catch_up::{Level, Reading};
use vipd_sys::clock::monotonic_micros;

/// How often connections are counted that are waited for.
const COUNT: Duration = Duration::from_secs(1);

/// In how many seconds a director tells of every connection that carries something; 0: it does not go by time.
const REFRESH: &str = "/proc/sys/net/ipv4/vs/sync_refresh_period";

/// Waiting for the connections of another director.
pub(super) struct CatchUp {
    /// Who waits.
    instance: String,
    level: Level,
    until: Instant,
    next: Instant,
}

impl CatchUp {
    /// From now on, for so long at the most.
    pub(super) fn new(instance: String, longest: Duration) -> CatchUp {
        // That of this host: both are likely to be set up alike.
        let refresh = std::fs::read_to_string(REFRESH).ok().and_then(|text| text.trim().parse().ok());
        let now = Instant::now();
        CatchUp { instance, level: Level::new(refresh.unwrap_or(0)), until: now + longest, next: now }
    }

    /// When they are counted next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}

/// The daemons that shall run. Without an instance to follow both do.
fn wanted(settings: Option<&SyncDaemon>, master: bool) -> Vec<Daemon> {
    let Some(settings) = settings else { return Vec::new() };
    let states: &[DaemonState] = match (&settings.instance, master) {
        (None, _) => &[DaemonState::Master, DaemonState::Backup],
        (Some(_), true) => &[DaemonState::Master],
        (Some(_), false) => &[DaemonState::Backup],
    };
    let daemon = |state: &DaemonState| Daemon {
        state: *state,
        interface: settings.interface.clone(),
        sync_id: settings.id.into(),
        max_length: settings.max_length.unwrap_or(0),
        group: settings.group,
        port: settings.port.unwrap_or(0),
        ttl: settings.ttl.unwrap_or(0),
    };
    states.iter().map(daemon).collect()
}

/// Whether the kernel's daemon is the wanted one; what is left to the kernel may be anything.
fn fits(wanted: &Daemon, runs: &Daemon) -> bool {
    (wanted.state, &wanted.interface, wanted.sync_id) == (runs.state, &runs.interface, runs.sync_id)
        && (wanted.max_length == 0 || wanted.max_length == runs.max_length)
        && (wanted.group.is_none() || wanted.group == runs.group)
        && (wanted.port == 0 || wanted.port == runs.port)
        && (wanted.ttl == 0 || wanted.ttl == runs.ttl)
}

/// What makes of those that run those that are wanted: the ends come first.
fn edits(wanted: &[Daemon], running: &[Daemon]) -> Vec<Command> {
    let ends = running.iter().filter(|runs| !wanted.iter().any(|w| fits(w, runs)));
    let starts = wanted.iter().filter(|w| !running.iter().any(|runs| fits(w, runs)));
    ends.map(|runs| Command::DelDaemon(runs.state)).chain(starts.cloned().map(Command::NewDaemon)).collect()
}

impl Director {
    /// The instance that `lvs_sync_daemon` follows became MASTER, or something else.
    pub(super) fn follow(&mut self, master: bool) {
        self.master = master;
        self.synchronise();
    }

    /// Counts the connections that are waited for once more, and says so if they are all here, as far as can be told.
    pub(super) async fn count_connections(&mut self) -> io::Result<()> {
        let Some(mut catching) = self.catching.take() else { return Ok(()) };
        if self.master || catching.next > catching.until {
            return Ok(());
        }
        let keys = self.services.values().flat_map(|s| &s.keys).copied().collect();
        let counted = match &mut self.plane {
            Some(client) => plane::count(client, &keys),
            None => {
                info!("IPVS: no connections are waited for, as there is no IPVS here");
                return self.sender.send(&FromRole::CaughtUp(catching.instance)).await;
            }
        };
        if let Ok(counted) = counted {
            let servers = counted.values().flat_map(|c| c.servers.values());
            // Of UDP all are inactive.
            let known = servers.map(|server| server.active + server.inactive).sum();
            if catching.level.count(known) == Reading::Level {
                info!("IPVS: {known} connections of another director are known, and hardly more come");
                return self.sender.send(&FromRole::CaughtUp(catching.instance)).await;
            }
        }
        // Not when it should have been: counts that follow each other at once are all the same.
        catching.next = Instant::now() + COUNT;
        self.catching = Some(catching);
        Ok(())
    }

    /// Brings the kernel's daemons in line. Those of somebody else are left alone where none are configured.
    pub(super) fn synchronise(&mut self) {
        let wanted = wanted(self.global.sync_daemon.as_ref(), self.master);
        self.run_daemons(&wanted);
    }

    /// The end: none of ours run any more.
    pub(super) fn end_synchronising(&mut self) {
        self.run_daemons(&[]);
    }

    fn run_daemons(&mut self, wanted: &[Daemon]) {
        let Some(client) = self.plane.as_mut().filter(|_| self.memory.syncs || !wanted.is_empty()) else { return };
        let edits = match client.daemons() {
            Ok(running) => edits(wanted, &running),
            Err(e) => {
                if let Some(silent) = self.limit.allow(monotonic_micros()) {
                    warn!("the kernel's sync daemons can't be read: {e}{silent}");
                }
                return;
            }
        };
        self.memory.syncs = !wanted.is_empty();
        for (edit, result) in edits.iter().zip(client.execute(&edits)) {
            let what = match edit {
                Command::NewDaemon(daemon) => format!("{:?} sync daemon on {}", daemon.state, daemon.interface),
                Command::DelDaemon(state) => format!("end of the {state:?} sync daemon"),
                _ => continue,
            };
            match result {
                Ok(_) => info!("IPVS: {what}"),
                Err(e) => {
                    if let Some(silent) = self.limit.allow(monotonic_micros()) {
                        warn!("IPVS: {what}: {e}{silent}");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(instance: Option<&str>) -> SyncDaemon {
        SyncDaemon {
            interface: "eth0".to_owned(),
            instance: instance.map(str::to_owned),
            id: 51,
            max_length: None,
            port: None,
            ttl: Some(3),
            group: None,
        }
    }

    /// As the kernel tells of it: with all that it has filled in.
    fn told(daemon: &Daemon) -> Daemon {
        let max_length = if daemon.max_length == 0 { 1472 } else { daemon.max_length };
        Daemon { max_length, port: 8848, group: Some([224, 0, 0, 81].into()), ..daemon.clone() }
    }

    #[test]
    fn the_side_follows_the_instance_and_what_runs_is_left_alone() {
        let (backup, master) = (wanted(Some(&settings(Some("A"))), false), wanted(Some(&settings(Some("A"))), true));
        assert_eq!(edits(&backup, &[]), [Command::NewDaemon(backup[0].clone())]);
        let running = [told(&backup[0])];
        assert_eq!(edits(&backup, &running), []);
        let expected = [Command::DelDaemon(DaemonState::Backup), Command::NewDaemon(master[0].clone())];
        assert_eq!(edits(&master, &running), expected);
        // Another setting: anew.
        let other = SyncDaemon { ttl: Some(4), ..settings(Some("A")) };
        let expected =
            [Command::DelDaemon(DaemonState::Backup), Command::NewDaemon(wanted(Some(&other), false)[0].clone())];
        assert_eq!(edits(&wanted(Some(&other), false), &running), expected);
        assert_eq!(edits(&[], &running), [Command::DelDaemon(DaemonState::Backup)]);
        // Nobody to follow: both sides.
        assert_eq!(wanted(Some(&settings(None)), false).len(), 2);
    }
}
