//! What the file says of interfaces of the host: how their carrier is found out, how long a change of it must last, and how
//! announcements are paced there.

use super::Lower;
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::model::{Config, GarpGroup, Instance, Interface, Linkbeat};
use crate::tree::{Node, Nodes};
use crate::value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;
use vipd_vrrp::settings::VirtualDevice;

impl Lower<'_> {
    /// `linkbeat_interfaces`, `linkbeat_use_polling`, `interface_up_down_delays` and `garp_group`. The instances are known.
    pub(super) fn interfaces(&mut self, root: &Nodes, config: &mut Config) {
        let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
        let all = root.find("linkbeat_use_polling").is_some();
        for block in root.all("vrrp_instance") {
            let nodes = block.nodes();
            let own = nodes.find("linkbeat_use_polling");
            if let (true, Some(name)) = (all || own.is_some(), nodes.text("interface")) {
                interfaces.entry(name.to_owned()).or_default().linkbeat = Some(Linkbeat::Mii);
            }
            if let Some(own) = own {
                let message = "this is now said beside the instances, with `linkbeat_interfaces`";
                let report = Report::lint(Code::OldSpelling, own.at, message);
                let name = nodes.text("interface").unwrap_or("IFNAME");
                self.push(report.help(format!("linkbeat_interfaces {{ {name} }}")));
            }
        }
        let made = |name: &str| config.instances.iter().flat_map(|i| i.vrrp.devices()).any(|d| d.name == name);
        for line in root.lines("linkbeat_interfaces") {
            let [word, ways @ ..] = line.words.as_slice() else { continue };
            if made(&word.text) {
                let message = format!("`{}` is made by vipd: the kernel tells of its carrier", word.text);
                self.push(Report::warning(Code::Unused, word.at, message).label("ignored"));
                continue;
            }
            interfaces.entry(word.text.clone()).or_default().linkbeat = Some(self.way(ways));
        }
        for line in root.lines("interface_up_down_delays") {
            let [word, delays @ ..] = line.words.as_slice() else { continue };
            let delay = |at: usize| {
                let micros = delays.get(at).and_then(|word| value::decimal(word, "delay", 6, 0, 255_000_000).ok());
                Duration::from_micros(micros.map_or(0, |(micros, _)| micros))
            };
            let interface = interfaces.entry(word.text.clone()).or_default();
            interface.up_delay = delay(1);
            let most =
                config.instances.iter().filter(|i| i.vrrp.binding.device() == Some(&word.text)).map(longest).min();
            interface.down_delay = Some(match (delay(0), most) {
                (asked, Some(most)) if asked > most => {
                    let message = format!(
                        "`{}` counts as down after {} s: with a longer delay peers would take over first",
                        word.text,
                        most.as_secs_f64()
                    );
                    let at = delays.first().unwrap_or(word).at;
                    self.push(Report::warning(Code::Adjusted, at, message));
                    most
                }
                (asked, _) => asked,
            });
        }
        // What is made upon an interface comes and goes with it.
        let devices: Vec<&VirtualDevice> = config.instances.iter().flat_map(|i| i.vrrp.devices()).collect();
        for device in devices {
            if let Some(base) = interfaces.get(&device.base) {
                let like = Interface { linkbeat: None, ..base.clone() };
                interfaces.insert(device.name.clone(), like);
            }
        }
        interfaces.retain(|_, interface| *interface != Interface::default());
        config.interfaces = interfaces;
        let mut taken = HashSet::new();
        config.garp_groups = root.all("garp_group").filter_map(|block| self.garp_group(block, &mut taken)).collect();
    }

    /// The way of asking that a line prefers.
    fn way(&mut self, words: &[Word]) -> Linkbeat {
        if let [_, more, ..] = words {
            self.push(Report::warning(Code::Repeated, more.at, "one way of asking is enough").label("ignored"));
        }
        match words.first().map(|word| word.text.as_str()) {
            Some("ETHTOOL") => Linkbeat::Ethtool,
            Some("IOCTL") => Linkbeat::Ioctl,
            Some(_) | None => Linkbeat::Mii,
        }
    }

    fn garp_group<'a>(&mut self, block: &'a Node, taken: &mut HashSet<&'a str>) -> Option<GarpGroup> {
        let nodes = block.nodes();
        let interval = |name| nodes.micros(name).map(Duration::from_micros);
        let (garp, gna) = (interval("garp_interval"), interval("gna_interval"));
        let listed = nodes.lines("interfaces").flat_map(|line| &line.words);
        let mut interfaces = BTreeSet::new();
        for word in nodes.all("interface").flat_map(|node| &node.words).chain(listed) {
            if taken.insert(&word.text) {
                interfaces.insert(word.text.clone());
            } else {
                let message = format!("`{}` is in a garp_group already", word.text);
                self.push(Report::warning(Code::Repeated, word.at, message).label("ignored"));
            }
        }
        if nodes.flawed {
            return None;
        }
        let lacks = match (garp.or(gna), interfaces.is_empty()) {
            (None, _) => "`garp_interval` or `gna_interval`",
            (Some(_), true) => "an interface",
            (Some(_), false) => {
                let (garp_interval, gna_interval) = (garp.unwrap_or_default(), gna.unwrap_or_default());
                return Some(GarpGroup { interfaces, garp_interval, gna_interval });
            }
        };
        self.push(Report::warning(Code::Missing, block.at, format!("this group lacks {lacks}")).label("left out"));
        None
    }
}

/// For how long the interface of an instance may be down before it counts as down: less than its peers' patience, as a backup
/// that hears nothing must not take over for that.
fn longest(instance: &Instance) -> Duration {
    let own = &instance.vrrp;
    let interval = own.advert_int.micros().0;
    let most = u64::from(own.down_timer_adverts.saturating_sub(1)) * interval;
    Duration::from_micros(most.saturating_sub(interval / 256))
}
