//! The table: words that are vipd's own. Other daemons warn of them and go on, so a file that has them still serves both.

use super::{Args::*, Keyword, Standing::*, rows};

rows! {
/// Words of `global_defs`.
GLOBAL_OWN_ROWS:
    "vip_lease" Switch, "[on|off|true|false|yes|no]", "no argument = on", "on", Acts;
        "Virtual addresses are leased: the kernel takes them back, seconds after this host has sent its last advert, even if \
         nothing of vipd runs any more."
}

rows! {
/// Words of `vrrp_instance`.
INSTANCE_OWN_ROWS:
    "vip_lease" Switch, "[on|off|true|false|yes|no]", "no argument = on", "global vip_lease", Acts;
        "The kernel takes the addresses back that this host does not renew: for this instance."
}

/// Words of `global_defs`.
pub(super) const GLOBAL: &[Keyword] = GLOBAL_OWN_ROWS;
/// Words of `vrrp_instance`.
pub(super) const INSTANCE: &[Keyword] = INSTANCE_OWN_ROWS;
