//! Who is told of what: scripts, mail and pipes of instances and groups.

use super::Lower;
use crate::model::Notify;
use crate::tree::Nodes;

impl Lower<'_> {
    /// The notifications of an instance or group; `inherited` is what an instance takes from its group.
    pub(super) fn notify(&mut self, nodes: &Nodes, inherited: Option<bool>) -> Notify {
        let global = self.defaults.priority_changes;
        Notify {
            master: self.script(nodes, "notify_master"),
            backup: self.script(nodes, "notify_backup"),
            fault: self.script(nodes, "notify_fault"),
            stop: self.script(nodes, "notify_stop"),
            deleted: self.script(nodes, "notify_deleted"),
            tell_deleted: nodes.find("notify_deleted").is_some(),
            master_rx_lower_pri: self.script(nodes, "notify_master_rx_lower_pri"),
            any: self.script(nodes, "notify"),
            priority_changes: nodes.switch("notify_priority_changes").or(inherited).unwrap_or(global),
            smtp_alert: nodes.switch("smtp_alert").unwrap_or(self.defaults.smtp_vrrp),
        }
    }
}
