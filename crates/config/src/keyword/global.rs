//! The table: the top level and `global_defs`.

use super::lines::*;
use super::lvs::*;
use super::vrrp::*;
use super::{Args::*, Block, Family, Form, Keyword, Standing::*, rows};

/// Bits of a mode mask.
const UMASK_BITS: [&str; 12] =
    ["IRUSR", "IWUSR", "IXUSR", "IRWXU", "IRGRP", "IWGRP", "IXGRP", "IRWXG", "IROTH", "IWOTH", "IXOTH", "IRWXO"];

rows! {
/// Words at the top level.
ROOT_ROWS:
    "linkbeat_use_polling" Flag, "", "flag", "off", Acts;
        "Ask the drivers of all interfaces of instances for their carrier, as with linkbeat_interfaces."
    "net_namespace" Word, "NAME", "", "unset (current namespace)", Acts;
        "Run in the named network namespace."
    "net_namespace_ipvs" OptWord, "[NAME]", "", "same namespace as the daemon", Acts;
        "Namespace in which IPVS is programmed; no NAME means the default namespace."
    "namespace_with_ipsets" Flag, "", "flag", "off", Obsolete("no ipsets are used");
        "Allow ipsets inside a namespace on kernels before 3.13."
    "use_pid_dir" Flag, "", "flag", "off", NotYet("pid files stay where options -p, -r and -c put them");
        "Put pid files in the run directory's keepalived sub-directory."
    "instance" Word, "NAME", "", "unset", NotYet("pid files stay where options -p, -r and -c put them");
        "Instance name added to pid files, log identity and optionally dump files."
    "child_wait_time" Int(0, 4_294_967_295), "SECONDS(int)", "0..4294967295 s", "5",
        NotYet("roles get a fixed time to stop");
        "How long the parent waits for children at shutdown before SIGKILL."
    "global_defs" Block(&GLOBAL_DEFS), "{ }", "", "", Acts;
        "Global settings block."
    "linkbeat_interfaces" Lines(&LINKBEAT_LINE), "{ IFLINE... }", "", "", Acts;
        "Interfaces whose drivers are asked for their carrier, every second and whenever the kernel tells of a change."
    "static_ipaddress" Lines(&STATIC_ADDRESS_LINE), "{ ADDRLINE... }", "", "", Acts;
        "Addresses installed while the daemon runs, independent of VRRP state."
    "static_routes" Lines(&STATIC_ROUTE_LINE), "{ ROUTELINE... }", "", "", Acts;
        "Routes installed while the daemon runs."
    "static_rules" Lines(&STATIC_RULE_LINE), "{ RULELINE... }", "", "", Acts;
        "Policy rules installed while the daemon runs."
    "track_group" NamedBlock(&TRACK_GROUP), "NAME { group { } }", "unique NAME", "", Acts;
        "Names VRRP instances that follow a static address/route/rule."
    "vrrp_sync_group" NamedBlock(&VRRP_SYNC_GROUP), "NAME { }", "unique NAME", "", Acts;
        "Set of VRRP instances that change state together."
    "garp_group" Block(&GARP_GROUP), "{ }", "", "", Acts;
        "Pacing of gratuitous ARP/NA for one interface or a set."
    "vrrp_instance" NamedBlock(&VRRP_INSTANCE), "NAME { }", "unique NAME; exactly one word", "", Acts;
        "One virtual router."
    "vrrp_script" NamedBlock(&VRRP_SCRIPT), "NAME { }", "", "", Acts;
        "Periodic check script usable by track_script."
    "vrrp_track_process" NamedBlock(&VRRP_TRACK_PROCESS), "NAME { }", "", "", Acts;
        "Process presence check usable by track_process."
    "track_file" NamedBlock(&TRACK_FILE), "NAME { }", "", "", Acts;
        "File whose integer content adjusts priority or weight."
    "vrrp_track_file" NamedBlock(&TRACK_FILE), "NAME { }", "", "", OldName("track_file");
        "Another name of track_file."
    "interface_up_down_delays" Lines(&DELAY_LINE), "{ IFDELAYLINE... }", "", "", Acts;
        "How long an interface must be down, or up once it has been up, before it counts as that: what bounces disturbs nobody. \
         The delay for down is less than the peers' patience."
    "bfd_instance" NamedBlock(&BFD_INSTANCE), "NAME { }", "NAME max 31 characters, unique", "", Acts;
        "One BFD neighbour monitor."
    "SSL" Block(&SSL), "{ }", "", "no client certificate", Acts;
        "TLS client material for SSL_GET."
    "virtual_server_group" NamedLines(&SERVER_GROUP_LINE), "NAME { VSGLINE... }", "", "", Acts;
        "Set of addresses/ranges/fwmarks sharing one server pool."
    "virtual_server" HeadedBlock(&VIRTUAL_SERVER), "IPADDR [PORT] | fwmark UINT | group NAME",
        "PORT 1..65535 (0 or all zeros = none); fwmark 0..4294967295", "", Acts;
        "One IPVS service."
}

/// `/`
pub static ROOT: Block = Block { path: "/", keywords: &[ROOT_ROWS] };

rows! {
/// Words of `global_defs`.
GLOBAL_ROWS:
    "process_names" Flag, "", "flag", "", Acts;
        "Call the vrrp role keepalived_vrrp and the check role keepalived_lvs, unless they have names of their own."
    "process_name" Word, "NAME", "truncated to 15 characters", "vipd", Acts;
        "Name of the supervisor's process."
    "vrrp_process_name" Word, "NAME", "truncated to 15", "vipd_vrrp", Acts;
        "Name of the vrrp role's process."
    "checker_process_name" Word, "NAME", "truncated to 15", "vipd_check", Acts;
        "Name of the check role's process."
    "lvs_process_name" Custom, "NAME", "", "", OldName("checker_process_name");
        "Another name of checker_process_name."
    "bfd_process_name" Word, "NAME", "truncated to 15", "inherited",
        Obsolete("BFD is part of the vrrp role, which has a name of its own");
        "BFD child process name."
    "use_symlink_paths" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("scripts always run by the path that is written");
        "Execute scripts by the configured path instead of the resolved real path."
    "set_supplementary_groups" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Give scripts their user's supplementary groups by default."
    "router_id" Word, "STRING", "one word used", "canonical local host name", Acts;
        "Machine name shown in mail subjects."
    "notification_email_from" Word, "ADDRESS", "one word; quote to include a display name",
        "USER@LOCALHOST of the daemon uid", Acts;
        "Mail sender."
    "smtp_server" Words(1, 2), "IPADDR|HOSTNAME [PORT]", "PORT 1..65535, default 25", "unset (no mail)", Acts;
        "Mail relay."
    "smtp_helo_name" Word, "STRING", "", "canonical local host name", Acts;
        "Name sent in HELO."
    "smtp_connect_timeout" Int(0, 4_294), "SECONDS(int)", "0..4294; 0 becomes 1 with a message", "30", Acts;
        "Mail connection timeout."
    "notification_email" Lines(&RECIPIENTS), "{ ADDRESS... }", "", "empty", Acts;
        "Mail recipients."
    "smtp_alert" Switch, "[on|off|true|false|yes|no]", "no argument = on", "unset", Acts;
        "Default for all mail alerts."
    "startup_script" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Command run before anything else starts; that it fails is logged, and the start goes on."
    "startup_script_timeout" Int(1, 1_000), "SECONDS(int)", "1..1000", "10", Acts;
        "Time allowed for startup_script."
    "shutdown_script" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Command run last of all, when every process and every notify script has ended."
    "shutdown_script_timeout" Int(1, 1_000), "SECONDS(int)", "1..1000", "10", Acts;
        "Time allowed for shutdown_script."
    "max_auto_priority" OptInt(-1,99), "[INT]", "-1..99 (system SCHED_RR maximum)", "0 (no automatic real-time)",
        NotYet("the vrrp role is real-time from the start, unless vrrp_priority says otherwise");
        "Highest real-time priority the daemon may raise itself to when it runs late."
    "min_auto_priority_delay" Int(1, 10_000_000), "MICROSECONDS(int)", "1..10000000 us", "1000000",
        NotYet("the vrrp role is real-time from the start, unless vrrp_priority says otherwise");
        "Lateness that triggers an automatic priority increase."
    "smtp_alert_vrrp" Switch, "[on|off|true|false|yes|no]", "no argument = on", "unset", Acts;
        "Default mail alert setting for VRRP instances and sync groups."
    "smtp_alert_checker" Switch, "[on|off|true|false|yes|no]", "no argument = on", "unset", Acts;
        "Default mail alert setting for virtual and real servers."
    "checker_log_all_failures" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Log each failed check even while retries remain."
    "dynamic_interfaces" OptOneOf(&["allow_if_changes"]), "[allow_if_changes]", "", "off",
        Obsolete("an interface that does not exist yet puts its instance in FAULT until it comes");
        "Accept interface names that do not exist yet."
    "no_email_faults" Flag, "", "flag", "off", Acts;
        "No mail for transitions to FAULT."
    "default_interface" Device, "IFNAME", "", "eth0", Acts;
        "Interface for addresses without dev: static ones, and those of instances without interface."
    "disable_local_igmp" Flag, "", "flag", "off", NotYet("IGMP reports are left to the kernel");
        "Turn off IGMP reports for link-local multicast in the kernel."
    "v3_checksum_as_v2" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Leave the pseudo-header out of the VRRPv3 IPv4 checksum by default."
    "lvs_timeouts" Custom, "[tcp SECS] [tcpfin SECS] [udp SECS]", "each 0..2678400 s", "unchanged", Acts;
        "IPVS connection timeouts."
    "lvs_flush" Flag, "", "flag", "off", Acts;
        "Clear all IPVS state at start (not at reload)."
    "lvs_flush_on_stop" OptOneOf(&["VS"]), "[VS]", "", "off", Acts;
        "Clear all of IPVS at stop, with what others put there; with VS the managed services as they are. omega tells of \
         no servers then. Without this word the managed services go server by server."
    "lvs_flush_onstop" Custom, "[VS]", "", "", OldName("lvs_flush_on_stop");
        "Another name of lvs_flush_on_stop."
    "lvs_sync_daemon" Options(1), "IFNAME [[inst] VRRP_NAME] [id N] [maxlen N] [port N] [ttl N] [group IPADDR]", "",
        "unset", Acts;
        "Run the kernel IPVS connection sync daemon."
    "vrrp_mcast_group4" Ip(Family::V4), "IPADDR", "IPv4 multicast", "224.0.0.18", Acts;
        "Default IPv4 advert destination."
    "vrrp_mcast_group6" Ip(Family::V6), "IPADDR", "IPv6 multicast; link-local expected (warning)", "ff02::12",
        Acts;
        "Default IPv6 advert destination."
    "vrrp_garp_master_delay" Int(0, 4_294), "SECONDS(int)", "0..4294; 0 = no second burst", "5", Acts;
        "Delay before the second gratuitous ARP/NA burst after becoming master."
    "vrrp_garp_master_repeat" Int(0, 4_294_967_295), "INT", "0..4294967295; 0 becomes 1", "5", Acts;
        "Messages per burst after becoming master."
    "vrrp_garp_master_refresh" Int(0, 4_294_967_295), "SECONDS(int)", "0..4294967295", "0 (off)", Acts;
        "Period of gratuitous ARP/NA while master."
    "vrrp_garp_master_refresh_repeat" Int(0, 4_294_967_295), "INT", "0..4294967295; 0 becomes 1", "1", Acts;
        "Messages per periodic refresh."
    "vrrp_garp_lower_prio_delay" Int(0, 4_294), "SECONDS(int)", "0..4294", "vrrp_garp_master_delay", Acts;
        "Second burst delay after seeing a lower priority advert as master."
    "vrrp_garp_lower_prio_repeat" Int(0, 2_147_483_647), "INT", "0..2147483647", "vrrp_garp_master_repeat", Acts;
        "Messages after seeing a lower priority advert as master."
    "vrrp_down_timer_adverts" Int(1, 100), "INT", "1..100", "3", Acts;
        "Default number of advert intervals before a master is declared dead."
    "vrrp_garp_interval" Seconds(0, 4_294_967_295), "SECONDS(dec)", "0..4294.967295; 0 = no pacing", "0 (no pacing)", Acts;
        "Minimum gap between gratuitous ARPs on an interface."
    "vrrp_gna_interval" Seconds(0, 4_294_967_295), "SECONDS(dec)", "0..4294.967295; 0 = no pacing", "0 (no pacing)",
        Acts;
        "Minimum gap between unsolicited NAs on an interface."
    "vrrp_min_garp" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Reduce to one gratuitous ARP/NA and no second burst."
    "vrrp_garp_extra_if" Options(1), "[all] SECONDS(int)", "1..86400; words in any order", "0 (off)",
        Acts;
        "Periodic gratuitous ARP/NA on VIP interfaces other than the instance interface; only VMACs unless all."
    "vrrp_vmac_garp_intvl" Custom, "[all] SECONDS(int)", "", "", OldName("vrrp_garp_extra_if");
        "Another name of vrrp_garp_extra_if."
    "vrrp_lower_prio_no_advert" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Do not answer a lower priority advert with an advert."
    "vrrp_higher_prio_send_advert" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Send one advert before yielding to a higher priority master."
    "vrrp_version" OneOf(&["2", "3"]), "2|3", "2..3", "2", Acts;
        "Default protocol version for IPv4 instances."
    "vrrp_iptables" Names(2, 27), "[IN_CHAIN [OUT_CHAIN]]", "names 1..27 characters, different",
        "unset; no argument = INPUT and OUTPUT", Obsolete("an nftables table does its work");
        "Use iptables with these chains."
    "vrrp_ipsets" Names(6, 30), "[V4 [V6 [V6IF [IGMP [MLD [ND]]]]]]", "names 1..30 characters, all different",
        "keepalived, keepalived6, keepalived_if6, keepalived_igmp, keepalived_mld, keepalived_nd when iptables is used",
        Obsolete("an nftables table does its work");
        "ipset names; no argument disables ipsets."
    "nftables" OptForm(Form::Text(254)), "[TABLE]", "1..254 characters", "vipd", Acts;
        "Name of the nftables table that no_accept and use_vmac are done with."
    "nftables_priority" Int(-2_147_483_648, 2_147_483_647), "INT", "-2147483648..2147483647", "-1",
        Acts;
        "Base chain priority."
    "nftables_ifindex" Flag, "", "flag", "off", Obsolete("link-local addresses are always told apart by interface");
        "Key IPv6 link-local sets by interface index."
    "vrrp_check_unicast_src" Flag, "", "flag", "off", Acts;
        "Default: drop unicast adverts from addresses that are not peers."
    "vrrp_skip_check_adv_addr" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Default: skip address list check when the sender is unchanged."
    "vrrp_strict" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Default strict protocol mode."
    "vrrp_priority" Int(-20, 19), "INT", "-20..19", "unchanged, and in real time", Acts;
        "Nice value of the vrrp role; without vrrp_rt_priority it is not in real time then."
    "vrrp_no_swap" Flag, "", "flag", "off", Obsolete("the vrrp role always locks its memory");
        "Lock VRRP process memory."
    "vrrp_rt_priority" Int(1, 99), "INT", "clamped to 1..99", "1, unless vrrp_priority is given", Acts;
        "SCHED_RR priority of the vrrp role."
    "vrrp_cpu_affinity" Ints(1024, 0, 1023), "CPU...", "0..online CPUs-1", "all", Acts;
        "Processors that the vrrp role runs on."
    "vrrp_rlimit_rttime" Int(1, 4_294_967_295), "MICROSECONDS(int)", "1..4294967295; 1 becomes 2", "none: the supervisor ends what hangs",
        Acts;
        "Time in real time without waiting after which the kernel ends the vrrp role, which starts again at once."
    "vrrp_rlimit_rtime" Custom, "MICROSECONDS(int)", "", "", OldName("vrrp_rlimit_rttime");
        "Another name of vrrp_rlimit_rttime."
    "nftables_ipvs" OptForm(Form::Text(254)), "[TABLE]", "1..254 characters", "unset; no argument = keepalived_ipvs",
        Obsolete("virtual server groups need no firewall marks");
        "Set fwmarks for virtual server groups through nftables."
    "nftables_ipvs_priority" Int(-2_147_483_648, 2_147_483_647), "INT", "-2147483648..2147483647", "-1",
        Obsolete("virtual server groups need no firewall marks");
        "Base chain priority of the IPVS table."
    "nftables_ipvs_start_fwmark" Int(1, 4_294_967_295), "UINT", "1..4294967295", "1000",
        Obsolete("virtual server groups need no firewall marks");
        "First fwmark handed out."
    "nftables_counters" Flag, "", "flag", "off", Acts;
        "Add counters to generated nftables rules."
    "notify_fifo" Words(1, 3), "PATH [USER [[:]GROUP]]", "", "unset", Acts;
        "FIFO receiving VRRP and LVS events."
    "notify_fifo_script" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Program reading notify_fifo; gets the FIFO path as extra last argument."
    "vrrp_notify_fifo" Words(1, 3), "PATH [USER [[:]GROUP]]", "", "unset", Acts;
        "FIFO receiving VRRP events only."
    "vrrp_notify_fifo_script" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Program reading vrrp_notify_fifo."
    "vrrp_notify_priority_changes" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Default: write priority changes to the FIFOs."
    "notify_timeout" Seconds(1_000, 86_400_000_000), "SECONDS(dec)", "0.001..86400",
        "300 for each script, 60 for all of them at a stop", Acts;
        "Time for each notify script, and at a stop for all that still run or wait; what takes longer gets SIGTERM, then \
         SIGKILL, with all it started (extension)."
    "fifo_write_vrrp_states_on_reload" Flag, "", "flag", "off", Acts;
        "Write current VRRP states to the FIFOs after a reload."
    "lvs_notify_fifo" Words(1, 3), "PATH [USER [[:]GROUP]]", "", "unset", Acts;
        "FIFO receiving LVS events only."
    "lvs_notify_fifo_script" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Program reading lvs_notify_fifo."
    "checker_priority" Int(-20, 19), "INT", "-20..19", "unchanged", Acts;
        "Nice value of the check and director roles."
    "checker_no_swap" Flag, "", "flag", "off", Acts;
        "Lock the memory of the check and director roles."
    "checker_rt_priority" Int(1, 99), "INT", "clamped to 1..99", "0 (not real time)", Acts;
        "SCHED_RR priority of the check and director roles."
    "checker_cpu_affinity" Ints(1024, 0, 1023), "CPU...", "0..online CPUs-1", "all", Acts;
        "Processors that the check and director roles run on."
    "checker_rlimit_rttime" Int(1, 4_294_967_295), "MICROSECONDS(int)", "1..4294967295; 1 becomes 2", "none: the supervisor ends what hangs",
        Acts;
        "The same of the check and director roles."
    "checker_rlimit_rtime" Custom, "MICROSECONDS(int)", "", "", OldName("checker_rlimit_rttime");
        "Another name of checker_rlimit_rttime."
    "bfd_priority" Int(-20, 19), "INT", "-20..19", "vrrp_priority", Acts;
        "Nice value of the vrrp role where there are BFD sessions, if it is below that of vrrp_priority."
    "bfd_no_swap" Flag, "", "flag", "off", Obsolete("the vrrp role, which BFD is part of, always locks its memory");
        "Lock BFD process memory."
    "bfd_rt_priority" Int(1, 99), "INT", "clamped to 1..99", "vrrp_rt_priority", Acts;
        "SCHED_RR priority of the vrrp role where there are BFD sessions, if it is above that of vrrp_rt_priority."
    "bfd_cpu_affinity" Ints(1024, 0, 1023), "CPU...", "0..online CPUs-1", "vrrp_cpu_affinity", Acts;
        "Processors that the vrrp role runs on where there are BFD sessions and no vrrp_cpu_affinity."
    "bfd_rlimit_rttime" Int(1, 4_294_967_295), "MICROSECONDS(int)", "1..4294967295; 1 becomes 2", "vrrp_rlimit_rttime",
        Acts;
        "The same as vrrp_rlimit_rttime where there are BFD sessions; the longer time counts."
    "bfd_rlimit_rtime" Custom, "MICROSECONDS(int)", "", "", OldName("bfd_rlimit_rttime");
        "Another name of bfd_rlimit_rttime."
    "snmp_socket" Word, "STRING", "exactly one word, shorter than the path limit",
        "option -A, else unix:/var/agentx/master", NotYet("there is no SNMP agent");
        "Address of the SNMP master."
    "enable_traps" Flag, "", "flag", "off", NotYet("there is no SNMP agent");
        "Send SNMP traps."
    "enable_snmp_vrrp" Flag, "", "flag", "off (on with -x)", NotYet("there is no SNMP agent");
        "Serve the VRRP part of the daemon MIB."
    "enable_snmp_keepalived" Custom, "", "", "", OldName("enable_snmp_vrrp");
        "Another name of enable_snmp_vrrp."
    "enable_snmp_rfc" Flag, "", "flag", "off (on with -x)", NotYet("there is no SNMP agent");
        "Both RFC2787 and RFC6527 MIBs."
    "enable_snmp_rfcv2" Flag, "", "flag", "off (on with -x)", NotYet("there is no SNMP agent");
        "RFC2787 MIB."
    "enable_snmp_rfcv3" Flag, "", "flag", "off (on with -x)", NotYet("there is no SNMP agent");
        "RFC6527 MIB."
    "enable_snmp_checker" Flag, "", "flag", "off (on with -x)", NotYet("there is no SNMP agent");
        "Serve the checker part of the daemon MIB."
    "snmp_vs_stats_update_interval" Seconds(1_000, 30_000_000), "SECONDS(dec)", "0.001..30", "5",
        NotYet("there is no SNMP agent");
        "Minimum age of virtual server counters before re-reading them."
    "snmp_rs_stats_update_interval" Seconds(1_000, 30_000_000), "SECONDS(dec)", "0.001..30",
        "snmp_vs_stats_update_interval", NotYet("there is no SNMP agent");
        "Minimum age of real server counters before re-reading them."
    "enable_dbus" Flag, "", "flag", "off", NotYet("there is no D-Bus interface");
        "Start the D-Bus interface."
    "dbus_service_name" Word, "NAME", "", "org.keepalived.Vrrp1", NotYet("there is no D-Bus interface");
        "D-Bus service name."
    "dbus_no_interface_name" Word, "NAME", "", "none", NotYet("there is no D-Bus interface");
        "Path element for instances without interface."
    "script_user" User, "USER [[:]GROUP]", "\":\" prefix adds supplementary groups",
        "keepalived_script if it exists, else the daemon uid/gid", Acts;
        "Default user for scripts and FIFOs."
    "enable_script_security" Flag, "", "flag", "off", Acts;
        "Refuse root-run scripts whose path a non-root user could change; require the default script user to exist."
    "vrrp_netlink_cmd_rcv_bufs" Int(0, 4_294_967_295), "BYTES", "0..4294967295; 0 ignored", "kernel default",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Receive buffer of the VRRP netlink command socket."
    "vrrp_netlink_cmd_rcv_bufs_force" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Exceed the system receive buffer limit for the VRRP netlink command socket."
    "vrrp_netlink_monitor_rcv_bufs" Int(0, 4_294_967_295), "BYTES", "0..4294967295; 0 ignored", "kernel default",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Receive buffer of the VRRP netlink monitor socket."
    "vrrp_netlink_monitor_rcv_bufs_force" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Exceed the system receive buffer limit for the VRRP netlink monitor socket."
    "process_monitor_rcv_bufs" Int(0, 4_294_967_295), "BYTES", "0..4294967295; 0 ignored", "kernel default",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Receive buffer of the process event socket."
    "process_monitor_rcv_bufs_force" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Exceed the system receive buffer limit for the process event socket."
    "lvs_netlink_cmd_rcv_bufs" Int(0, 4_294_967_295), "BYTES", "0..4294967295; 0 ignored", "kernel default",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Receive buffer of the checker netlink command socket."
    "lvs_netlink_cmd_rcv_bufs_force" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Exceed the system receive buffer limit for the checker netlink command socket."
    "lvs_netlink_monitor_rcv_bufs" Int(0, 4_294_967_295), "BYTES", "0..4294967295; 0 ignored", "kernel default",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Receive buffer of the checker netlink monitor socket."
    "lvs_netlink_monitor_rcv_bufs_force" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("buffers are bounded, and what did not fit is read anew");
        "Exceed the system receive buffer limit for the checker netlink monitor socket."
    "rs_init_notifies" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Tell scripts and FIFOs of real servers that are in use from the start, too."
    "no_checker_emails" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Mail only when a real server as a whole changes state, not for each of its checks."
    "vrrp_rx_bufs_policy" Options(1), "MTU|ADVERT|BYTES", "words case-insensitive", "system default",
        NotYet("each interface has a buffer of 256 KiB for adverts");
        "Receive buffer sizing for VRRP sockets."
    "vrrp_rx_bufs_multiplier" Int(1, 4_294_967_295), "INT", "1..4294967295", "3",
        NotYet("each interface has a buffer of 256 KiB for adverts");
        "Multiplier for the MTU/ADVERT policies."
    "vrrp_startup_delay" Seconds(1_000, 4_294_967_295), "SECONDS(dec)", "0.001..4294.967295", "0",
        Acts;
        "Delay before instances start after daemon start."
    "vrrp_delay_after_boot" Seconds(1_000, 4_294_967_295), "SECONDS(dec)", "0.001..4294.967295", "0",
        Acts;
        "Delay measured from system boot."
    "log_unknown_vrids" Flag, "", "flag", "off", Acts;
        "Log adverts for router ids that are not configured."
    "vrrp_owner_ignore_adverts" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Default: a priority 255 instance ignores received adverts."
    "vmac_prefix" Word, "STRING", "", "vrrp", Acts;
        "Prefix of generated VMAC names."
    "vmac_addr_prefix" Word, "STRING", "", "vmac_prefix", Acts;
        "Prefix of VMACs generated for VIPs on other interfaces."
    "umask" Mask(&UMASK_BITS), "NUMBER | BITS[|BITS]...",
        "NUMBER 0..0777 in C notation; BITS I{R,W,X}{USR,GRP,OTH} or IRWX{U,G,O}", "0177",
        Acts;
        "File creation mask of scripts, FIFOs and other files that the daemon makes for the site; option -u counts more."
    "random_seed" Int(0, 4_294_967_295), "UINT", "0..4294967295", "time of day",
        Obsolete("the generator seeds itself");
        "Intended seed for ${_RANDOM}."
    "reload_check_config" OptWord, "[LOGFILE]", "", "always checked; no argument = the findings go to the log alone", Acts;
        "Where the findings of a reload are written; a configuration that fails is never taken, with or without this."
    "reload_time_file" Word, "PATH", "exactly one word", "unset", Acts;
        "File holding a time at which to reload."
    "reload_repeat" Flag, "", "flag", "off", Acts;
        "Keep reload_time_file after use so a time without date repeats daily."
    "reload_file" OptWord, "[PATH]", "", "unset; no argument = keepalived.reload beside the pid file", Acts;
        "File created while configuration is read and removed afterwards."
    "include_check" Custom, "[[+|-]read|match|wildcard_match|brace_match]...", "", "none; no argument = all four",
        Acts;
        "Which include failures count as errors from here to the end of this file and its includes."
    "config_save_dir" Word, "DIR", "", "unset", NotYet("no snapshots are kept");
        "Debug aid: keep configuration and state snapshots around reloads."
    "tmp_config_directory" Word, "DIR", "", "in-memory file", Obsolete("the configuration is never copied to a file");
        "Hold the consolidated configuration copy on this file system."
    "data_use_instance" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        NotYet("the state file has a fixed name");
        "Add namespace and instance to the state dump file name."
    "json_version" OneOf(&["1", "2"]), "1|2", "1..2", "1", NotYet("the state file has one form");
        "Shape of the JSON dump."
    "iproute_usr_dir" Word, "DIR", "exactly one word", "build setting", Acts;
        "Vendor directory of iproute2 name tables."
    "iproute_etc_dir" Word, "DIR", "exactly one word", "build setting", Acts;
        "Local directory of iproute2 name tables."
    "state_dump_file" Word, "PATH", "non-empty; trailing \"/\" = directory; no leading \"/\" = under TMPDIR",
        "TMPDIR/keepalived.data", NotYet("the state file has a fixed name");
        "State dump location template."
    "stats_dump_file" Word, "PATH", "non-empty", "TMPDIR/keepalived.stats", NotYet("the state file has a fixed name");
        "Intended statistics location."
    "json_dump_file" Word, "PATH", "non-empty", "TMPDIR/keepalived.json", NotYet("the state file has a fixed name");
        "Intended JSON location."
}

/// `global_defs`
pub(super) static GLOBAL_DEFS: Block = Block { path: "global_defs", keywords: &[GLOBAL_ROWS, super::ours::GLOBAL] };
