//! Reading the configuration again: off to the side, judged as a whole, taken as a whole or not at all.

use super::query::Asker;
use super::role::Told;
use super::{Event, Supervisor};
use crate::message::{Configure, ToRole};
use crate::part::{self, Difference};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tracing::{error, info, warn};
use vipd_api::{Refused, Reloaded};
use vipd_config::diag::Level;
use vipd_config::model::Config;
use vipd_config::{Color, Loaded};
use vipd_lvs::settings::VirtualServerId;
use vipd_sys::clock::{monotonic_micros, unix_time};

/// Whether a configuration is being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reload {
    No,
    Reading,
    /// Another one was asked for meanwhile.
    Again,
}

impl Supervisor {
    /// SIGHUP: reads the configuration off to the side. Requests that come meanwhile are one more afterwards.
    pub(super) fn reload(&mut self) {
        if self.reloading != Reload::No {
            self.reloading = Reload::Again;
            return;
        }
        self.reloading = Reload::Reading;
        self.reload_awaited.append(&mut self.reload_askers);
        info!("reading {} again", self.plan.file.display());
        let (file, options, events) = (self.plan.file.clone(), self.plan.options.clone(), self.events.clone());
        let old = Arc::clone(&self.config);
        tokio::task::spawn_blocking(move || {
            let loaded = vipd_config::load(&file, &options);
            let compared = loaded.config.as_ref().map_or_else(Compared::default, |new| Compared::between(&old, new));
            let _ = events.blocking_send(Event::Loaded(Box::new(loaded), compared));
        });
    }

    /// A configuration was read: it is taken as a whole, or the old one stays as a whole.
    pub(super) fn loaded(&mut self, loaded: Loaded, compared: Compared) {
        let again = std::mem::replace(&mut self.reloading, Reload::No) == Reload::Again;
        let askers = std::mem::take(&mut self.reload_awaited);
        let mut reloaded = Reloaded { file: self.config_status.file.clone(), ..Reloaded::default() };
        let findings = vipd_config::render_text(&loaded, Color::Never);
        let warnings = warnings(&loaded);
        let fixed = loaded.config.as_ref().is_some_and(|c| c.global.net_namespace != self.config.global.net_namespace);
        match loaded.config {
            Some(_) if fixed => {
                reloaded.findings = "net_namespace can't change while the daemon runs: restart it".to_owned();
                self.refuse(reloaded.findings.clone());
            }
            Some(config) => {
                for line in findings.lines() {
                    warn!("{line}");
                }
                for change in &compared.changes {
                    info!("{change}");
                }
                self.take(config, &compared, warnings);
                reloaded.changes = compared.changes;
                (reloaded.taken, reloaded.warnings, reloaded.findings) = (true, warnings, findings);
            }
            None => {
                // What is in the way, and nothing else; `vipd check` shows the rest.
                let errors = loaded.diagnostics.into_iter().filter(|d| d.level == Level::Error).collect();
                let errors = Loaded { config: None, diagnostics: errors, unkept: loaded.unkept, files: loaded.files };
                reloaded.findings = vipd_config::render_text(&errors, Color::Never);
                self.refuse(reloaded.findings.clone());
            }
        }
        if !askers.is_empty() {
            self.ask(Asker::Reload(askers, Box::new(reloaded)));
        }
        if again {
            self.reload();
        }
    }

    /// Drops what was said of real servers that are no longer there.
    fn forget_verdicts(&mut self, difference: &Difference) {
        let touched = difference.touched.iter().filter_map(|at| self.config.services.get(*at));
        let touched: HashMap<&VirtualServerId, Vec<SocketAddr>> =
            touched.map(|s| (&s.lvs.id, s.lvs.real_servers.iter().map(|r| r.address).collect())).collect();
        let removed: HashSet<&VirtualServerId> = difference.removed.iter().collect();
        self.verdicts.retain(|(id, address), _| {
            !removed.contains(id) && touched.get(id).is_none_or(|servers| servers.contains(address))
        });
    }

    fn refuse(&mut self, errors: String) {
        error!("the new configuration is not usable; the running one stays in force:");
        for line in errors.lines() {
            error!("{line}");
        }
        self.config_status.refused = Some(Refused { at: unix_time(), errors });
    }

    fn take(&mut self, config: Config, compared: &Compared, warnings: usize) {
        self.config_status.loaded = unix_time();
        self.config_status.reloads += 1;
        self.config_status.warnings = warnings;
        self.config_status.refused = None;
        if compared.same {
            info!("the configuration means the same as before: nothing is touched");
            return;
        }
        self.old = std::mem::replace(&mut self.config, Arc::new(config));
        self.forget_verdicts(&compared.services);
        self.hooks.configure(&self.config);
        for (name, role) in &self.roles {
            let Some(running) = &role.running else { continue };
            for part in part::next(*name, &self.old, &self.config, &compared.services) {
                let options = self.plan.role_options.clone();
                let configure = Configure { part, snapshot: None, last_seen: monotonic_micros(), options };
                if running.tell(&ToRole::Configure(Box::new(configure))) == Told::No {
                    error!("the {name} role takes no more messages: it is started anew with the new configuration");
                    let _ = vipd_sys::process::signal_process(running.pid, 9); // gone already: as well
                    break;
                }
            }
        }
        self.start_roles();
        self.start_scripts();
        info!("the new configuration is in force");
    }
}

/// What differs between the configuration in force and another one.
#[derive(Default)]
pub(crate) struct Compared {
    /// Nothing does.
    same: bool,
    /// In words.
    changes: Vec<String>,
    services: Difference,
}

impl Compared {
    fn between(old: &Config, new: &Config) -> Compared {
        if old == new {
            return Compared { same: true, ..Compared::default() };
        }
        let changes = vipd_config::changes::changes(old, new).iter().map(ToString::to_string).collect();
        Compared { same: false, changes, services: Difference::between(old, new) }
    }
}

pub(super) fn warnings(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.level == Level::Warning).count()
}
