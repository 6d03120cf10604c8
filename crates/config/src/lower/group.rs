//! `vrrp_sync_group`: members, and what the group adds to each.

use super::track::{Trackable, Tracker};
use super::{Lower, Named};
use crate::diag::{Code, Level, Report};
use crate::model::{Notify, SyncGroup};
use crate::source::Place;
use crate::tree::{Node, Nodes};
use std::collections::HashMap;
use vipd_vrrp::settings;

/// A group under construction.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) node: &'a Node,
    pub(super) members: Vec<String>,
    pub(super) trackers: Vec<Tracker>,
    /// `sync_group_tracking_weight`: members keep trackers with weights of their own.
    pub(super) weighs: bool,
    notify: Notify,
}

impl Group<'_> {
    pub(super) fn priority_changes(&self) -> Option<bool> {
        self.node.nodes().switch("notify_priority_changes")
    }

    pub(super) fn model(self) -> SyncGroup {
        SyncGroup {
            vrrp: settings::SyncGroup { name: self.name.to_owned(), members: self.members },
            notify: self.notify,
        }
    }
}

impl Lower<'_> {
    /// All groups, their members known to exist.
    pub(super) fn groups<'a>(&mut self, root: &'a Nodes, instances: &Named<'_>, of: &Trackable<'_>) -> Vec<Group<'a>> {
        let groups = Named::collect(self, root, "vrrp_sync_group", Level::Error);
        let mut owners: HashMap<&str, (Place, &str)> = HashMap::new();
        let mut out = Vec::new();
        for (name, node) in groups.list {
            let nodes = node.nodes();
            let mut members = Vec::new();
            let blocks: Vec<&Node> = nodes.all("group").collect();
            if let [first, second, ..] = blocks[..] {
                let report = Report::error(Code::Repeated, second.at, "a sync group has one `group` block");
                self.push(report.also(first.at, "the first one"));
            }
            for word in nodes.lines("group").flat_map(|l| &l.words) {
                if let Some((at, other)) = owners.get(word.text.as_str()) {
                    let message = if *other == name {
                        format!("`{}` is in the group twice", word.text)
                    } else {
                        format!("`{}` is in two sync groups", word.text)
                    };
                    self.push(Report::error(Code::GroupMembership, word.at, message).also(*at, "already here"));
                    continue;
                }
                if instances.find(&word.text).is_none() {
                    let message = format!("there is no vrrp_instance `{}`", word.text);
                    let report = Report::error(Code::GroupMembership, word.at, message);
                    self.push(self.suggest(report, &word.text, instances.names()));
                    continue;
                }
                owners.insert(&word.text, (word.at, name));
                members.push(word.text.clone());
            }
            let notify = self.notify(nodes, None);
            let trackers = self.trackers(nodes, of);
            if members.is_empty() {
                if !nodes.flawed && nodes.lines("group").next().is_none() {
                    let message = format!("sync group `{name}` has no members and is left out");
                    self.push(
                        Report::warning(Code::GroupMembership, node.whole(), message)
                            .help("list the names of its instances in a `group { ... }` block"),
                    );
                }
                continue;
            }
            if nodes.lines("group").map(|l| l.words.len()).sum::<usize>() == 1 && !nodes.flawed {
                let message = format!("sync group `{name}` has one member: there is nothing to keep in step");
                self.push(Report::warning(Code::GroupMembership, node.whole(), message));
            }
            let weighs = nodes.on("sync_group_tracking_weight");
            out.push(Group { name, node, members, trackers, weighs, notify });
        }
        out
    }

    /// What a member follows: its own trackers and its group's.
    pub(super) fn join(&mut self, own: Vec<Tracker>, group: &[Tracker]) -> Vec<Tracker> {
        let mut out = own;
        if group.first().is_some_and(|first| !self.copy(group.len(), first.at)) {
            return out;
        }
        for theirs in group {
            match out.iter_mut().find(|t| t.track.what == theirs.track.what) {
                None => out.push(theirs.clone()),
                Some(mine) => {
                    let at = mine.at;
                    mine.track.bearing = theirs.track.bearing;
                    let (kind, name) = (theirs.track.what.kind(), theirs.track.what.name());
                    let message = format!("{kind} `{name}` is tracked by the instance and by its group");
                    let report = Report::warning(Code::Repeated, at, message);
                    self.push(report.label("ignored").also(theirs.at, "the group's counts"));
                }
            }
        }
        out
    }
}
