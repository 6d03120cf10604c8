//! The table: virtual routers and what they track.

use super::lines::*;
use super::{Args::*, Block, Family, Keyword, Standing::*, rows};

rows! {
/// Words of `vrrp_instance`.
VRRP_INSTANCE_ROWS:
    "use_vmac" Options(0), "[[name] IFNAME] [MAC] [netlink_notify_msg] [group GROUP]", "IFNAME max 15 characters",
        "off; name PREFIX.VRID", Acts;
        "Run on a macvlan with the virtual router MAC."
    "use_vmac_addr" Flag, "", "flag", "off", Acts;
        "Create VMACs for VIPs placed on other interfaces or of the other family."
    "vmac_xmit_base" Flag, "", "flag", "off (forced on for unicast with use_vmac)", Acts;
        "Send adverts on the parent interface. They are heard from both."
    "use_ipvlan" Options(0), "[[name] IFNAME] [IPADDR[/LEN]] [bridge|private|vepa] [group GROUP]",
        "IFNAME max 15 characters", "off; bridge", Acts;
        "Run on an L2 ipvlan: adverts come from its address, which IPv4 needs. The virtual addresses stay on `interface`."
    "unicast_peer" Lines(&PEER_LINE), "{ PEERLINE... }", "at least one", "multicast", Acts;
        "Send adverts to these addresses instead of multicast."
    "unicast_fault_no_peer" Flag, "", "flag", "off", Acts;
        "Never fall back to multicast when no peer is given: such a file is refused."
    "check_unicast_src" Flag, "", "flag", "off; on when any peer has a TTL limit", Acts;
        "Drop adverts from non-peers."
    "old_unicast_checksum" OptOneOf(&["never"]), "[never]", "", "off, heard adverts may have it", Acts;
        "Send the VRRPv3 unicast checksum of releases up to 1.3.5, which believe no other; never: believe it no longer. \
         (keepalived changes what it sends by itself once it has heard such an advert; here `vipd status` shows what is heard)."
    "native_ipv6" Flag, "", "flag", "", Acts;
        "Force IPv6 and version 3."
    "state" OneOf(&["MASTER", "BACKUP"]), "MASTER|BACKUP", "", "MASTER if priority is 255, else BACKUP", Acts;
        "Initial state."
    "interface" Device, "IFNAME", "max 15 characters", "required; unicast with unicast_src_ip can do without", Acts;
        "Interface the instance runs on. Without one adverts go as the routes have it."
    "vrf" Device, "IFNAME", "max 15 characters", "none", Acts;
        "VRF by whose routes unicast adverts go and in which they are heard, of an instance without interface."
    "dont_track_primary" Flag, "", "flag", "off", Acts;
        "Ignore faults of the own interface."
    "track_interface" Lines(&TRACK_INTERFACE_LINE), "{ TRACKIFLINE... }", "", "", Acts;
        "Extra interfaces to follow."
    "track_script" Lines(&TRACK_LINE), "{ TRACKLINE... }", "", "", Acts;
        "Scripts to follow."
    "track_file" Lines(&TRACK_LINE), "{ TRACKLINE... }", "", "", Acts;
        "Files to follow."
    "track_process" Lines(&TRACK_LINE), "{ TRACKLINE... }", "", "", Acts;
        "Process checks to follow."
    "track_bfd" Lines(&TRACK_BFD_LINE), "{ TRACKLINE... }", "", "", Acts;
        "BFD instances to follow."
    "mcast_src_ip" Ip(Family::Any), "IPADDR", "", "primary address of the interface", Acts;
        "Source address of adverts."
    "unicast_src_ip" Ip(Family::Any), "IPADDR", "", "primary address of the interface", Acts;
        "Source address of adverts; marks unicast use."
    "mcast_dst_ip" Ip(Family::Any), "IPADDR", "IPv4 multicast or IPv6 link-local multicast", "vrrp_mcast_group4/6",
        Acts;
        "Advert destination."
    "track_src_ip" Flag, "", "flag", "off", Acts;
        "FAULT while the source address that the file gives is on none of the host's interfaces."
    "virtual_router_id" Int(1, 255), "INT", "1..255", "required", Acts;
        "VRID."
    "unicast_ttl" Int(0, 255), "INT", "0..255", "255 IPv4; kernel default IPv6", Acts;
        "TTL/hop limit of unicast adverts."
    "version" OneOf(&["2", "3"]), "2|3", "2..3", "vrrp_version; IPv6 uses 3", Acts;
        "Protocol version."
    "priority" Int(1, 255), "INT", "1..255", "100; 255 when state MASTER is given without priority", Acts;
        "Election priority, 255 = address owner."
    "advert_int" Seconds(10_000, 255_000_000), "SECONDS(dec)",
        "0.01..255; v2 rounded to whole seconds; v3 rounded to 10 ms, max 40.95", "1", Acts;
        "Advert interval."
    "virtual_ipaddress" Lines(&ADDRESS_LINE), "{ ADDRLINE... }", "family must match", "empty", Acts;
        "Advertised virtual addresses."
    "virtual_ipaddress_excluded" Lines(&EXCLUDED_LINE), "{ ADDRLINE... }", "either family", "empty", Acts;
        "Unadvertised virtual addresses."
    "no_virtual_ipaddress" Flag, "", "flag", "off", Acts;
        "Accept having no advertised address."
    "promote_secondaries" Flag, "", "flag", "off", Acts;
        "Set the kernel promote_secondaries flag on the interface."
    "linkbeat_use_polling" Flag, "", "flag", "off", Acts;
        "Ask the driver of the instance's interface for its carrier: now linkbeat_interfaces."
    "v3_checksum_as_v2" Switch, "[on|off|true|false|yes|no]", "no argument = on", "global v3_checksum_as_v2", Acts;
        "Leave the pseudo-header out of the VRRPv3 IPv4 checksum, as RFC 9568 has it. Adverts with either sum are believed."
    "virtual_routes" Lines(&ROUTE_LINE), "{ ROUTELINE... }", "", "", Acts;
        "Routes present while master."
    "virtual_rules" Lines(&RULE_LINE), "{ RULELINE... }", "", "", Acts;
        "Rules present while master."
    "accept" Flag, "", "flag", "on, or off in strict mode unless priority 255", Acts;
        "Accept packets sent to the virtual addresses."
    "no_accept" Flag, "", "flag", "", Acts;
        "Drop packets sent to the virtual addresses."
    "skip_check_adv_addr" Switch, "[on|off|true|false|yes|no]", "", "vrrp_skip_check_adv_addr", Acts;
        "Skip the address list check when the sender is unchanged."
    "strict_mode" Switch, "[on|off|true|false|yes|no]", "no argument = on", "vrrp_strict", Acts;
        "Enforce the RFC behaviour for this instance."
    "preempt" Flag, "", "flag", "on", Acts;
        "Allow taking over from a lower priority master."
    "nopreempt" Flag, "", "flag", "off", Acts;
        "Do not take over from a lower priority master."
    "preempt_delay" Seconds(0, 1_000_000_000), "SECONDS(dec)", "0..1000", "0", Acts;
        "Extra wait before taking over."
    "debug" Int(0, 4), "INT", "0..4", "0", Obsolete("it never had an effect");
        "Stored only."
    "notify_backup" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for transition to BACKUP."
    "notify_master" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for transition to MASTER."
    "notify_fault" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for transition to FAULT."
    "notify_stop" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script run when the VRRP process stops."
    "notify_deleted" OptScript, "[SCRIPT [USER [[:]GROUP]]]", "", "off", Acts;
        "Report removal of the instance at reload as DELETED instead of FAULT, optionally running a script."
    "notify" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for every transition."
    "notify_master_rx_lower_pri" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script run when a master hears a lower priority advert."
    "smtp_alert" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "smtp_alert_vrrp, else smtp_alert, else off", Acts;
        "Mail on transitions."
    "notify_priority_changes" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "sync group, else vrrp_notify_priority_changes", Acts;
        "Write priority changes to the FIFOs."
    "lvs_sync_daemon_interface" Device, "IFNAME", "", "", Acts;
        "Old way to tie the IPVS sync daemon to this instance, with the sync id 0: now lvs_sync_daemon in global_defs."
    "garp_master_delay" Int(0, 4_294), "SECONDS(int)", "0..4294", "vrrp_garp_master_delay", Acts;
        "Delay before the second gratuitous burst."
    "garp_master_refresh" Int(0, 4_294_967_295), "SECONDS(int)", "0..4294967295", "vrrp_garp_master_refresh", Acts;
        "Periodic gratuitous messages while master."
    "garp_master_repeat" Int(0, 4_294_967_295), "INT", "0..4294967295; 0 becomes 1", "vrrp_garp_master_repeat", Acts;
        "Messages per burst."
    "garp_master_refresh_repeat" Int(0, 4_294_967_295), "INT", "0..4294967295; 0 becomes 1",
        "vrrp_garp_master_refresh_repeat", Acts;
        "Messages per refresh."
    "garp_lower_prio_delay" Int(0, 4_294), "SECONDS(int)", "0..4294", "vrrp_garp_lower_prio_delay; 0 in strict mode",
        Acts;
        "Second burst delay after a lower priority advert."
    "garp_lower_prio_repeat" Int(0, 2_147_483_647), "INT", "0..2147483647",
        "vrrp_garp_lower_prio_repeat; 0 in strict mode", Acts;
        "Messages after a lower priority advert."
    "down_timer_adverts" Int(1, 100), "INT", "1..100", "vrrp_down_timer_adverts", Acts;
        "Advert intervals before the master is declared dead."
    "timer_expired_backup" OptInt(1, 254), "[INT]", "1..254", "off; no argument = 254", Acts;
        "The highest priority of the others, with nopreempt: after running so late that one of it may have taken over, whoever \
         serves is left in peace. Without it, so late that one of its own priority may."
    "thread_timer_expired" Custom, "[INT]", "", "", OldName("timer_expired_backup");
        "Another name of timer_expired_backup."
    "garp_extra_if" Options(1), "[all] SECONDS(int)", "0..86400; 0 = off", "vrrp_garp_extra_if", Acts;
        "Periodic gratuitous messages on other VIP interfaces."
    "vmac_garp_intvl" Custom, "[all] SECONDS(int)", "", "", OldName("garp_extra_if");
        "Another name of garp_extra_if."
    "lower_prio_no_advert" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "vrrp_lower_prio_no_advert; on in strict mode", Acts;
        "Do not answer lower priority adverts."
    "higher_prio_send_advert" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "vrrp_higher_prio_send_advert; off in strict mode", Acts;
        "Send one advert before yielding."
    "owner_ignore_adverts" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "vrrp_owner_ignore_adverts for priority 255 (on in strict mode), else off", Acts;
        "A priority 255 instance ignores adverts."
    "kernel_rx_buf_size" Int(0, 4_294_967_295), "BYTES", "0..4294967295; exactly one value", "global policy",
        NotYet("each interface has a buffer of 256 KiB for adverts");
        "Receive buffer share of this instance."
    "authentication" Block(&AUTHENTICATION), "{ }", "", "none", Acts;
        "VRRPv2 authentication."
    "auth_hmac" Block(&AUTH_HMAC), "{ }", "", "off", Acts;
        "Keyed trailer on adverts (extension)."
}

/// `vrrp_instance`
pub(super) static VRRP_INSTANCE: Block =
    Block { path: "vrrp_instance", keywords: &[VRRP_INSTANCE_ROWS, super::ours::INSTANCE] };

rows! {
/// Words of `vrrp_instance/authentication`.
AUTHENTICATION_ROWS:
    "auth_type" OneOf(&["PASS", "AH"]), "PASS|AH", "case-sensitive", "none", Acts;
        "Authentication type."
    "auth_pass" Secret, "STRING", "first 8 bytes used", "none", Acts;
        "Shared password."
}

/// `vrrp_instance/authentication`
pub(super) static AUTHENTICATION: Block =
    Block { path: "vrrp_instance/authentication", keywords: &[AUTHENTICATION_ROWS] };

rows! {
/// Words of `vrrp_instance/auth_hmac`.
AUTH_HMAC_ROWS:
    "key" Key, "ID VALUE|hex:HEX|file:PATH|cred:NAME", "ID 1..255; 32..64 bytes; cred: from systemd's LoadCredential=", "", Acts;
        "Add a signing key."
    "active_key" Int(1, 255), "ID", "1..255", "none", Acts;
        "Key used for sending."
    "time_window" Int(1, 300), "SECONDS(int)", "1..300", "3 x whole seconds of advert_int, at least 5, at most 300",
        Acts;
        "Accepted clock difference in time mode."
    "anti_replay" OneOf(&["time", "monotonic"]), "time|monotonic", "", "time", Acts;
        "Replay protection mode."
    "mode" OneOf(&["enforce", "permissive", "receive-only"]), "enforce|permissive|receive-only", "", "enforce", Acts;
        "How unsigned adverts are treated."
}

/// `vrrp_instance/auth_hmac`
pub(super) static AUTH_HMAC: Block = Block { path: "vrrp_instance/auth_hmac", keywords: &[AUTH_HMAC_ROWS] };

rows! {
/// Words of `vrrp_sync_group`.
VRRP_SYNC_GROUP_ROWS:
    "group" Lines(&INSTANCES), "{ NAME... }", "once", "", Acts;
        "VRRP instances in the group."
    "track_interface" Lines(&TRACK_INTERFACE_LINE), "{ TRACKIFLINE... }", "", "", Acts;
        "Interfaces that influence every member."
    "track_script" Lines(&TRACK_LINE), "{ TRACKLINE... }", "", "", Acts;
        "Scripts that influence every member."
    "track_file" Lines(&TRACK_LINE), "{ TRACKLINE... }", "", "", Acts;
        "Files that influence every member."
    "track_process" Lines(&TRACK_LINE), "{ TRACKLINE... }", "", "", Acts;
        "Process checks that influence every member."
    "track_bfd" Lines(&TRACK_BFD_LINE), "{ TRACKLINE... }", "", "", Acts;
        "BFD instances that influence every member."
    "notify_backup" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for transition to BACKUP."
    "notify_master" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for transition to MASTER."
    "notify_fault" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for transition to FAULT."
    "notify_stop" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script run when the VRRP process stops."
    "notify" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script for every transition."
    "smtp_alert" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "smtp_alert_vrrp, else smtp_alert, else off", Acts;
        "Mail on group transitions."
    "global_tracking" Custom, "", "flag", "off", OldName("sync_group_tracking_weight");
        "Another name of sync_group_tracking_weight."
    "sync_group_tracking_weight" Flag, "", "flag", "off", Acts;
        "Allow members to keep weighted trackers of their own: without it they are left out (keepalived still applies \
         those of interfaces), but for files of weight 1, which decide over FAULT. A peer takes over only when it beats \
         every member."
    "notify_priority_changes" Switch, "[on|off|true|false|yes|no]", "no argument = on", "unset", Acts;
        "Default for members' FIFO priority events."
}

/// `vrrp_sync_group`
pub(super) static VRRP_SYNC_GROUP: Block = Block { path: "vrrp_sync_group", keywords: &[VRRP_SYNC_GROUP_ROWS] };

rows! {
/// Words of `vrrp_script`.
VRRP_SCRIPT_ROWS:
    "script" Program, "COMMAND", "", "required", Acts;
        "Command to run."
    "interval" Seconds(0, 4_294_000_000), "SECONDS(dec)", "0..4294, millisecond resolution; 0 becomes 1 s", "1", Acts;
        "Time between runs."
    "timeout" Seconds(0, 4_294_000_000), "SECONDS(dec)", "0..4294, millisecond resolution; 0 becomes 1 s", "interval",
        Acts;
        "Time allowed per run."
    "weight" Weight(-253, 253), "INT [reverse]", "-253..253", "0", Acts;
        "Default priority change; 0 = FAULT on failure."
    "rise" Int(1, 2_147_483_647), "INT", "1..2147483647", "1", Acts;
        "Successes needed to be up."
    "fall" Int(1, 2_147_483_647), "INT", "1..2147483647", "1", Acts;
        "Failures needed to be down."
    "user" User, "USER [[:]GROUP]", "", "script_user", Acts;
        "User for the script."
    "init_fail" Flag, "", "flag", "off", Acts;
        "Start in the failed state."
}

/// `vrrp_script`
pub(super) static VRRP_SCRIPT: Block = Block { path: "vrrp_script", keywords: &[VRRP_SCRIPT_ROWS] };

rows! {
/// Words of `track_group`.
TRACK_GROUP_ROWS:
    "group" Lines(&INSTANCES), "{ NAME... }", "once", "", Acts;
        "VRRP instances in the group."
}

/// `track_group`
pub(super) static TRACK_GROUP: Block = Block { path: "track_group", keywords: &[TRACK_GROUP_ROWS] };

rows! {
/// Words of `garp_group`.
GARP_GROUP_ROWS:
    "garp_interval" Seconds(0, 4_294_967_295), "SECONDS(dec)", "0..4294.967295", "unset", Acts;
        "Minimum gap between gratuitous ARPs."
    "gna_interval" Seconds(0, 4_294_967_295), "SECONDS(dec)", "0..4294.967295", "unset", Acts;
        "Minimum gap between unsolicited NAs."
    "interface" Device, "IFNAME", "", "", Acts;
        "Interface the pacing applies to."
    "interfaces" Lines(&INTERFACES), "{ IFNAME... }", "", "", Acts;
        "Interfaces sharing one pacing budget."
}

/// `garp_group`
pub(super) static GARP_GROUP: Block = Block { path: "garp_group", keywords: &[GARP_GROUP_ROWS] };

rows! {
/// Words of `vrrp_track_process`.
VRRP_TRACK_PROCESS_ROWS:
    "process" Words(1, 64), "NAME [PARAM...]", "", "required", Acts;
        "Process (and parameters) to look for."
    "param_match" OptOneOf(&["initial", "partial"]), "[initial|partial]", "", "exact when parameters are given", Acts;
        "How parameters are compared."
    "weight" Weight(-254, 254), "INT [reverse]", "-254..254", "0", Acts;
        "Default priority change; 0 = FAULT."
    "quorum" Int(1, 65_535), "INT", "1..65535, not above quorum_max", "1", Acts;
        "Minimum matching processes."
    "quorum_max" Int(0, 65_535), "INT", "0..65535, not below quorum (0 allowed while quorum is 1)", "unlimited", Acts;
        "Maximum matching processes; 0 = must not run."
    "delay" Seconds(1, 3_600_000_000), "SECONDS(dec)", "0.000001..3600", "0", Acts;
        "Sets fork_delay and terminate_delay."
    "terminate_delay" Seconds(1, 3_600_000_000), "SECONDS(dec)", "0.000001..3600", "0", Acts;
        "How long one that has ended still counts."
    "fork_delay" Seconds(1, 3_600_000_000), "SECONDS(dec)", "0.000001..3600", "0", Acts;
        "How long one that was forked does not count yet; what becomes another program counts at once."
    "full_command" Flag, "", "flag", "off", Acts;
        "Compare the full command line instead of the process name."
}

/// `vrrp_track_process`
pub(super) static VRRP_TRACK_PROCESS: Block =
    Block { path: "vrrp_track_process", keywords: &[VRRP_TRACK_PROCESS_ROWS] };

rows! {
/// Words of `track_file`.
TRACK_FILE_ROWS:
    "file" Word, "PATH", "directory must exist; writable, inotify-capable file system", "required", Acts;
        "File to watch."
    "weight" Weight(-254, 254), "INT [reverse]", "-254..254", "1", Acts;
        "Multiplier for the file value; 0 = non-zero content is a failure."
    "init_file" Options(0), "[INT] [overwrite]", "any int; outside -254..254 reported", "off; value 0", Acts;
        "Create the file at start with this value; overwrite replaces existing content."
}

/// `track_file`
pub(super) static TRACK_FILE: Block = Block { path: "track_file", keywords: &[TRACK_FILE_ROWS] };

rows! {
/// Words of `bfd_instance`.
BFD_INSTANCE_ROWS:
    "source_ip" Ip(Family::Any), "IPADDR", "same family as neighbour", "kernel choice", Acts;
        "Local address."
    "neighbor_ip" Ip(Family::Any), "IPADDR", "", "required", Acts;
        "Peer address."
    "neighbour_ip" Custom, "IPADDR", "", "", SameAs("neighbor_ip");
        "Another name of neighbor_ip."
    "min_rx" Millis(1, 4_294_967), "MILLISECONDS(dec)", "1..4294967 ms, 3 decimals", "10", Acts;
        "Required minimum receive interval."
    "min_tx" Millis(1, 4_294_967), "MILLISECONDS(dec)", "1..4294967 ms, 3 decimals", "10", Acts;
        "Desired minimum transmit interval."
    "idle_tx" Millis(1000, 4_294_967), "MILLISECONDS(dec)", "1000..4294967 ms, 3 decimals", "1000", Acts;
        "Transmit interval while not up."
    "multiplier" Int(1, 255), "INT", "1..255", "5", Acts;
        "Missed packets before down."
    "passive" Flag, "", "flag", "off", Acts;
        "Wait for the peer to start."
    "ttl" Int(1, 255), "INT", "1..255", "255", Acts;
        "TTL/hop limit sent. Over IPv6, without it, 64 is believed as well, keepalived's, until 255 comes."
    "hoplimit" Custom, "INT", "1..255", "", SameAs("ttl");
        "Another name of ttl."
    "max_hops" Int(-1, 255), "INT", "-1..255", "0", Acts;
        "Accepted TTL reduction; 255 disables the check."
    "multihop" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Use port 4784 instead of 3784."
    "weight" Weight(-253, 253), "INT [reverse]", "-253..253", "0", Acts;
        "Default priority change for track_bfd."
    "vrrp" Flag, "", "flag", "both", Acts;
        "Send events to VRRP only (plus checker if also given)."
    "checker" Flag, "", "flag", "both", Acts;
        "Send events to the checker only (plus VRRP if also given)."
}

/// `bfd_instance`
pub(super) static BFD_INSTANCE: Block = Block { path: "bfd_instance", keywords: &[BFD_INSTANCE_ROWS] };
