//! The scripts that are not told of anything: tracked ones at their interval, and those around the daemon's life.

use super::hooks::credentials;
use super::{Event, RoleName, Supervisor, program};
use crate::message::Exit;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};
use vipd_config::model::{TimedCommand, TrackedScript};

/// A tracked script and what runs it.
pub(super) struct Script {
    settings: TrackedScript,
    /// Tells what it gave from what one before it of the same name gave.
    pub(super) serial: u64,
    pub(super) task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts the tracked scripts that are new or changed, ends those that are gone; what didn't change runs on in step.
    pub(super) fn start_scripts(&mut self) {
        let wanted = self.config.scripts.clone();
        self.scripts.retain(|_, script| {
            let keep = wanted.contains(&script.settings);
            if !keep {
                script.task.abort();
            }
            keep
        });
        if !self.plan.roles.contains(&RoleName::Vrrp) {
            return;
        }
        for settings in wanted {
            let name = settings.vrrp.name.clone();
            if self.scripts.contains_key(&name) {
                continue;
            }
            self.last_script += 1;
            let serial = self.last_script;
            let task = tokio::spawn(track(settings.clone(), serial, self.events.clone()));
            self.scripts.insert(name, Script { settings, serial, task });
        }
    }
}

/// Runs the script around the daemon's life, for its time at the most. That it fails is said, and no more.
pub(super) async fn run_around(script: Option<&TimedCommand>, word: &str) {
    let Some(TimedCommand { command, timeout }) = script else { return };
    match program::run(&command.argv, &credentials(command), *timeout).await.exit {
        Exit::Status(0) => info!("{word} ended well: {}", command.text),
        exit => warn!("{word}: {exit}: {}", command.text),
    }
}

/// Runs a tracked script at its interval, start to start; one that still runs is not started a second time.
async fn track(script: TrackedScript, serial: u64, events: mpsc::Sender<Event>) {
    let mut interval = tokio::time::interval(script.interval.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let who = credentials(&script.command);
    let mut leftover = None;
    loop {
        interval.tick().await;
        let exit = if program::runs(&leftover) {
            Exit::Timeout // what was killed does not end: it is not joined by another
        } else {
            let ended = program::run(&script.command.argv, &who, script.timeout).await;
            leftover = ended.leftover;
            ended.exit
        };
        let name = script.vrrp.name.clone();
        if events.send(Event::Script { name, serial, exit }).await.is_err() {
            return;
        }
    }
}
