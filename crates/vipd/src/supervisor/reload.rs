//! Reading the configuration again: off to the side, judged as a whole, taken as a whole or not at all.

use super::query::Asker;
use super::{Event, Supervisor};
use crate::message::{Configure, ToRole};
use tracing::{error, info, warn};
use vipd_api::{Refused, Reloaded};
use vipd_config::diag::Level;
use vipd_config::model::Config;
use vipd_config::{Color, Loaded};
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
        tokio::task::spawn_blocking(move || {
            let loaded = vipd_config::load(&file, &options);
            let _ = events.blocking_send(Event::Loaded(Box::new(loaded)));
        });
    }

    /// A configuration was read: it is taken as a whole, or the old one stays as a whole.
    pub(super) fn loaded(&mut self, loaded: Loaded) {
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
                let changes = vipd_config::changes::changes(&self.config, &config);
                reloaded.changes = changes.iter().map(ToString::to_string).collect();
                for change in &reloaded.changes {
                    info!("{change}");
                }
                (reloaded.taken, reloaded.warnings, reloaded.findings) = (true, warnings, findings);
                self.take(config, warnings);
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

    fn refuse(&mut self, errors: String) {
        error!("the new configuration is not usable; the running one stays in force:");
        for line in errors.lines() {
            error!("{line}");
        }
        self.config_status.refused = Some(Refused { at: unix_time(), errors });
    }

    fn take(&mut self, config: Config, warnings: usize) {
        self.old = std::mem::replace(&mut self.config, config);
        self.config_status.loaded = unix_time();
        self.config_status.reloads += 1;
        self.config_status.warnings = warnings;
        self.config_status.refused = None;
        let config = &self.config;
        self.verdicts.retain(|(id, address), _| {
            config.service(id).is_some_and(|s| s.lvs.real_servers.iter().any(|r| r.address == *address))
        });
        self.hooks.configure(&self.config);
        for role in self.roles.values() {
            if let Some(running) = &role.running {
                let _ = running.tell(&ToRole::Configure(Box::new(Configure {
                    config: self.config.clone(),
                    snapshot: None,
                    last_seen: monotonic_micros(),
                    options: self.plan.role_options.clone(),
                })));
            }
        }
        self.start_roles();
        self.start_scripts();
        info!("the new configuration is in force");
    }
}

pub(super) fn warnings(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.level == Level::Warning).count()
}
