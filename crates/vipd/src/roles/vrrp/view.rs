//! What the vrrp role shows of itself to those who ask for the status.

use super::{Role, now};
use crate::apply::Path;
use crate::message::StatusPart;
use vipd_api::{
    AddressStatus, Counters, DeviceStatus, GroupStatus, InstanceStatus, NextStatus, PathStatus, ScriptStatus,
    SecondMaster, StaticStatus, TrackStatus, TransitionStatus, UnsentStatus,
};
use vipd_sys::clock::unix_time;
use vipd_vrrp::router::{Reach, Router, State};
use vipd_vrrp::settings::{DeviceKind, Tracked, Version, VirtualAddress, VirtualDevice};
use vipd_vrrp::track::{Effect, ProcessState};
use vipd_vrrp::units::{Instant, Micros};

impl Role {
    pub(super) fn status(&self) -> StatusPart {
        let clocks = Clocks { mono: now(), unix: unix_time() };
        let routers = self.node.routers().iter().enumerate();
        let instances = routers.map(|(i, r)| self.instance_status(i, r, clocks)).collect();
        let groups = self.node.groups().iter();
        let groups = groups.map(|g| GroupStatus {
            name: g.settings.name.clone(),
            state: g.state().to_string(),
            members: g.settings.members.clone(),
        });
        let scripts = self.node.scripts().map(|(name, good, state)| ScriptStatus {
            name: name.to_owned(),
            state: match good {
                Some(true) => "good",
                Some(false) => "bad",
                None => "unknown",
            }
            .to_owned(),
            last: state.last.clone(),
        });
        StatusPart::Vrrp {
            instances,
            groups: groups.collect(),
            scripts: scripts.collect(),
            rejected: self.strangers.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            statics: self.static_status(),
            bfd: self.bfd.status(clocks),
            bfd_rejected: self.bfd.rejected(),
        }
    }

    fn static_status(&self) -> StaticStatus {
        let statics = &self.config.statics;
        let addresses = statics.addresses.iter().map(|a| self.address_status(a)).collect();
        let routes = statics.routes.iter().cloned().map(Path::Route).map(|path| self.path_status(&path)).collect();
        let rules = statics.rules.iter().cloned().map(Path::Rule).map(|path| self.path_status(&path)).collect();
        StaticStatus { addresses, routes, rules, restored: self.routing.restored(Path::statics(&self.config)) }
    }

    fn address_status(&self, a: &VirtualAddress) -> AddressStatus {
        AddressStatus {
            address: format!("{}/{} dev {}", a.address, a.prefix, a.device),
            present: self.addresses.holds(a),
        }
    }

    fn path_status(&self, path: &Path) -> PathStatus {
        PathStatus { path: path.text(), present: self.routing.holds(path) }
    }

    fn instance_status(&self, i: usize, router: &Router, clocks: Clocks) -> InstanceStatus {
        let settings = &router.settings;
        let heard = router.heard(clocks.mono);
        let master = match router.state() {
            State::Master(_) => router.source(),
            _ => heard.map(|h| h.address),
        };
        let addresses = settings.addresses.iter().chain(&settings.excluded).map(|a| self.address_status(a));
        let model = self.config.instance(&settings.name);
        let paths: Vec<Path> = model.into_iter().flat_map(Path::of).collect();
        let (routes, rules): (Vec<&Path>, Vec<&Path>) = paths.iter().partition(|p| matches!(p, Path::Route(_)));
        let second_master = router.second_master(clocks.mono).map(|contest| SecondMaster {
            address: contest.other.address,
            priority: contest.other.priority.0,
            since: clocks.unix(contest.since),
            adverts: contest.adverts,
        });
        let faults = match router.state() {
            State::Fault(faults) => faults.iter().map(ToString::to_string).collect(),
            State::Init | State::Backup(_) | State::Master(_) | State::Stopped => Vec::new(),
        };
        let tracks = self.node.tracks(i).map(|(track, known, effect)| TrackStatus {
            kind: track.what.kind().to_owned(),
            name: track.what.name().to_owned(),
            state: known.map_or_else(|| "unknown".to_owned(), |known| known.to_string()),
            running: match &track.what {
                Tracked::Process(name) => self.node.process(name).and_then(ProcessState::count),
                Tracked::Interface(_) | Tracked::Script(_) | Tracked::File(_) | Tracked::Bfd(_) => None,
            },
            adds: match effect {
                Effect::Adds(n) => n,
                Effect::Awaited | Effect::Fault(_) => 0,
            },
            fault: matches!(effect, Effect::Fault(_)),
        });
        let next = router
            .wake()
            .map(|(at, timer)| NextStatus { in_secs: (at - clocks.mono).as_secs_f64(), why: timer.to_string() });
        let rejected = self.shells.get(i).map(|s| s.rejected.iter());
        let rejected = rejected.into_iter().flatten().map(|(name, n)| ((*name).to_owned(), *n));
        let counters = Counters {
            adverts_received: router.counters.adverts_received,
            adverts_sent: router.counters.adverts_sent,
            adverts_partly_sent: router.counters.adverts_partly_sent,
            adverts_unsent: router.counters.adverts_unsent,
            became_master: router.counters.became_master,
            released_master: router.counters.released_master,
            priority_zero_received: router.counters.priority_zero_received,
            priority_zero_sent: router.counters.priority_zero_sent,
            addresses_restored: self.addresses.restored(settings),
            paths_restored: self.routing.restored(paths.iter().cloned()),
            devices_restored: self.devices.remade(settings),
            stalled: router.counters.stalled,
            two_masters: router.counters.two_masters,
            latest_advert_secs: router.counters.latest_advert.as_secs_f64(),
            rejected: rejected.collect(),
        };
        let history = router.history().map(|t| TransitionStatus {
            at: clocks.unix(t.at),
            from: t.from.to_string(),
            to: t.to.to_string(),
            why: t.why.clone(),
        });
        InstanceStatus {
            name: settings.name.clone(),
            state: router.state().name().to_string(),
            since: clocks.unix(router.since()),
            why: router.why().to_owned(),
            faults,
            vrid: settings.vrid.0.get(),
            version: match settings.version {
                Version::V2 => 2,
                Version::V3 => 3,
            },
            interface: settings.binding.interface().unwrap_or_default().to_owned(),
            vrf: settings.binding.vrf().map(str::to_owned),
            devices: settings.devices().map(device).collect(),
            base_priority: settings.priority.0,
            priority: router.priority().0,
            master,
            checksum_heard: self.shells.get(i).and_then(|s| s.sum).map(|sum| sum.to_string()),
            master_priority: heard.map(|h| h.priority.0),
            addresses: addresses.collect(),
            routes: routes.into_iter().map(|path| self.path_status(path)).collect(),
            rules: rules.into_iter().map(|path| self.path_status(path)).collect(),
            tracks: tracks.collect(),
            second_master,
            handed_over: router.is_handed_over(),
            waits_for: self.node.waits_for(clocks.mono, i),
            unsent: router.unsent().map(|unsent| UnsentStatus {
                since: clocks.unix(unsent.nobody.unwrap_or(unsent.since)),
                why: unsent.last.why.clone(),
                none_leaves: unsent.last.reach == Reach::Nobody,
            }),
            heartbeats: self.heartbeat_status(i, router, clocks),
            next,
            group: self.node.group_of(i).map(|g| g.settings.name.clone()),
            counters,
            history: history.collect(),
        }
    }
}

fn device(device: &VirtualDevice) -> DeviceStatus {
    let mac = match device.kind {
        DeviceKind::Macvlan { mac } => Some(mac.map(|octet| format!("{octet:02x}")).join(":")),
        DeviceKind::Ipvlan { .. } => None,
    };
    DeviceStatus { name: device.name.clone(), base: device.base.clone(), mac }
}

/// The same moment on both clocks.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    pub(super) mono: Instant,
    pub(super) unix: f64,
}

impl Clocks {
    pub(super) fn unix(self, at: Instant) -> f64 {
        let ago: Micros = self.mono - at;
        self.unix - ago.as_secs_f64()
    }
}
