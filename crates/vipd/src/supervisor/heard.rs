//! What the roles say, how it is found that one says nothing any more, and what becomes of one that has gone.

use super::query::{Asker, Caller};
use super::role::Told;
use super::{Event, Respawn, RoleName, Supervisor, program, view};
use crate::message::{Exit, FromRole, ToRole};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, error};
use vipd_api::{Reply, Request};
use vipd_lvs::settings::{MiscProbe, Probe};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::process::Credentials;

/// How often it is looked whether the roles live, where one is of short patience.
const PULSE: Duration = Duration::from_millis(500);
/// The same where only roles of long patience run, and of those at all times: an idle daemon sleeps.
const SLOW_PULSE: Duration = Duration::from_secs(2);

impl Supervisor {
    pub(super) fn pulse_period(&self) -> Duration {
        let vrrp = self.roles.get(&RoleName::Vrrp).is_some_and(|r| r.running.is_some());
        if vrrp || self.verdicts_owed { PULSE } else { SLOW_PULSE }
    }

    pub(super) fn feel_pulse(&mut self, late: bool) {
        if self.verdicts_owed {
            self.verdicts_owed = self.pass_verdicts(self.verdicts.values().cloned().collect()) == Told::No;
        }
        self.pulse += 1;
        let pulse = self.pulse;
        for (name, role) in &mut self.roles {
            let Some(running) = &mut role.running else { continue };
            if late {
                running.beat = Instant::now();
            }
            // The vrrp role lets itself be heard.
            if *name != RoleName::Vrrp && running.asked.elapsed() >= SLOW_PULSE {
                running.asked = Instant::now();
                let _ = running.tell(&ToRole::Ping(pulse));
            }
            let pid = running.pid;
            if let Some(silent) = role.hangs(*name) {
                error!(
                    "the {name} role (process {pid}) has not answered for {silent:.1?}: it is ended and started anew"
                );
                if let Err(e) = vipd_sys::process::signal_process(pid, 9) {
                    error!("process {pid} can't be ended: {e}");
                }
            }
        }
    }

    pub(super) fn gone(&mut self, name: RoleName, generation: u64, how: &str) -> Option<ExitCode> {
        let role = self.roles.get_mut(&name).filter(|r| r.generation == generation)?;
        let silent = role.running.as_ref().map(|r| r.beat.elapsed()).filter(|s| *s > name.patience());
        let how = match silent {
            Some(silent) => format!("did not answer for {silent:.1?}"),
            None => {
                // It ran until now, whenever it last had something to say.
                role.last_seen = monotonic_micros();
                format!("ended ({how})")
            }
        };
        role.died(&how);
        error!("the {name} role {how}");
        self.note("role", name.to_string(), "gone".to_owned(), how);
        self.release_leftovers(name);
        self.note_absence(name);
        if self.plan.respawn == Respawn::No {
            error!("ending, as told (-R)");
            return Some(ExitCode::FAILURE);
        }
        // A status that waits for it won't get it.
        let waiting: Vec<u64> =
            self.queries.iter().filter(|(_, q)| q.awaited.contains(&name)).map(|(i, _)| *i).collect();
        for id in waiting {
            self.arrived(id, name);
        }
        if name == RoleName::Vrrp {
            self.forget_orders();
        }
        if name == RoleName::Console {
            self.forget_console();
            self.reload_askers.clear();
        }
        // Its successor starts with the new configuration.
        self.reload_reached(name);
        let now = Instant::now();
        if self.roles.get(&name).and_then(|r| r.again).is_some_and(|at| at <= now) {
            self.start(name);
        }
        None
    }

    pub(super) fn heard(&mut self, name: RoleName, generation: u64, message: FromRole) {
        let Some(role) = self.roles.get_mut(&name) else { return };
        role.seen();
        if !message.may_come_from(name) {
            error!("the {name} role said what is not its to say: ignored");
            return;
        }
        match message {
            FromRole::Ready => {
                if let Some(running) = &mut role.running {
                    running.ready = true;
                }
                debug!("the {name} role is ready");
                self.announce();
            }
            FromRole::Beat(pulse) => {
                self.order_answered(name, pulse);
                self.reload_answered(name, pulse);
            }
            FromRole::Snapshot(value) => role.snapshot = Some(value),
            FromRole::Known(known) => role.estate.put(known),
            FromRole::KnownServers(known) => role.estate.add(known),
            FromRole::Transition(transition) => self.transition(&transition),
            // Check reads what strangers send: of what is another's it says nothing.
            FromRole::Happened(event) if name == RoleName::Check => {
                self.note("check", event.subject, event.what, event.cause);
            }
            FromRole::Happened(event) => self.note_event(event),
            FromRole::Sessions(sessions) => {
                if self.sessions != sessions {
                    self.sessions = sessions;
                    self.tell(RoleName::Check, &ToRole::Sessions(self.sessions.clone()));
                }
            }
            FromRole::Ask(ask) => self.judge(ask),
            FromRole::CatchUp(instance) => self.catch_up(instance),
            FromRole::CaughtUp(instance) => self.caught_up(instance),
            FromRole::Found { lookup, outcome, again } => self.lookup_says(lookup, &outcome, again),
            FromRole::Run { id, probe } => self.run_probe(generation, id, probe),
            FromRole::Verdicts(verdicts) => {
                for verdict in &verdicts {
                    self.verdicts.insert((verdict.service.clone(), verdict.address), verdict.clone());
                }
                self.tell_verdicts(verdicts);
            }
            FromRole::News(news) => self.hear_news(news),
            FromRole::Turned(turned) => self.hear_turned(&turned),
            FromRole::Status { id, part } => {
                if let Some(query) = self.queries.get_mut(&id) {
                    view::add(&mut query.status, *part);
                    self.arrived(id, name);
                }
            }
            FromRole::Steered { id, done } => self.steered(id, done),
            FromRole::Request { id, request, uid } => {
                let caller = Caller { console: generation, id };
                match request {
                    Request::Status => self.ask(Asker::Operator(caller)),
                    Request::Reload => self.reload_for(caller),
                    Request::Config { nonce } => self.show_config(caller, nonce),
                    Request::Steer(order) => self.steer(caller, uid, order),
                    Request::Server(order) => self.order(caller, uid, &order),
                    Request::Events { .. } => {
                        let message = "the console answers that itself".to_owned();
                        self.reply(caller, Reply::Error { message });
                    }
                }
            }
            FromRole::Done => {}
        }
    }

    /// Runs the program of a `MISC_CHECK`. The role that asks reads what strangers send: it gets nothing run but what the
    /// configuration names.
    fn run_probe(&mut self, generation: u64, id: u64, probe: MiscProbe) {
        let services = self.config.services.iter().chain(&self.old.services);
        let mut checkers = services.flat_map(|s| &s.lvs.real_servers).flat_map(|r| &r.checkers);
        if !checkers.any(|c| matches!(&c.probe, Probe::Misc(known) if **known == probe)) {
            error!("the check role asks for a program that no MISC_CHECK names: not run");
            let exit = Exit::Failed("the configuration no longer names it".to_owned());
            self.tell(RoleName::Check, &ToRole::Ran { id, exit });
            return;
        }
        self.stuck.retain(|(_, leftover)| program::runs(leftover));
        if self.stuck.iter().any(|(stuck, _)| *stuck == probe) {
            // What was killed does not end: it is not joined by another, and no place is taken from others.
            self.tell(RoleName::Check, &ToRole::Ran { id, exit: Exit::Timeout });
            return;
        }
        let who = Credentials { uid: probe.uid, gid: probe.gid, groups: probe.groups.clone() };
        let (events, programs) = (self.events.clone(), self.programs.clone());
        tokio::spawn(async move {
            // Closed only at the end of the process, when nobody waits for the result any more.
            let Ok(_permit) = programs.acquire().await else { return };
            let ended = program::run(&probe.argv, &who, probe.timeout).await;
            let _ = events.send(Event::Ran { generation, id, probe, ended }).await;
        });
    }
}
