//! The table: option words that stand on a keyword's own line. `lower` reads them; here they are for people, and for the
//! test that shows that both know the same.

use super::{Args::*, Block, Family, Keyword, Standing::*, rows};

/// The option words of a keyword, by the path of its block and its name.
pub(super) fn options(path: &str, keyword: &str) -> Option<&'static Block> {
    OPTIONS.iter().find(|(block, name, _)| *block == path && *name == keyword).map(|(_, _, options)| *options)
}

rows! {
/// Options of `lvs_timeouts`.
LVS_TIMEOUTS_ROWS:
    "tcp" Int(0, 2_678_400), "SECS", "0..2678400 s", "unchanged", Acts;
        "IPVS established TCP timeout."
    "tcpfin" Int(0, 2_678_400), "SECS", "0..2678400 s", "unchanged", Acts;
        "IPVS TCP FIN-WAIT timeout."
    "udp" Int(0, 2_678_400), "SECS", "0..2678400 s", "unchanged", Acts;
        "IPVS UDP timeout."
}

/// Options of `global_defs/lvs_timeouts`
static LVS_TIMEOUTS: Block = Block { path: "global_defs/lvs_timeouts:args", keywords: &[LVS_TIMEOUTS_ROWS] };

rows! {
/// Options of `lvs_sync_daemon`.
LVS_SYNC_DAEMON_ROWS:
    "(interface)" Device, "IFNAME", "", "required", Acts;
        "Interface that the daemons use."
    "(instance)" Word, "VRRP_NAME", "", "none", Acts;
        "Short form of inst."
    "inst" Word, "VRRP_NAME", "", "none: master and backup both run", Acts;
        "Follow this VRRP instance."
    "id" Int(0, 255), "N", "0..255", "VRID of the instance, or 0", Acts;
        "Sync id."
    "maxlen" Int(1, 65_507), "N", "1..65507", "kernel default", Acts;
        "Maximum sync message length."
    "port" Int(1, 65_535), "N", "1..65535", "kernel default (8848)", Acts;
        "UDP port."
    "ttl" Int(1, 255), "N", "1..255", "kernel default", Acts;
        "Multicast TTL."
    "group" Ip(Family::Any), "IPADDR", "multicast", "kernel default (224.0.0.81)", Acts;
        "Multicast group."
}

/// Options of `global_defs/lvs_sync_daemon`
static LVS_SYNC_DAEMON: Block = Block { path: "global_defs/lvs_sync_daemon:args", keywords: &[LVS_SYNC_DAEMON_ROWS] };

rows! {
/// Options of `lvs_flush_on_stop`.
LVS_FLUSH_ON_STOP_ROWS:
    "VS" Flag, "", "", "", Acts;
        "Remove each managed virtual server instead of flushing everything."
}

/// Options of `global_defs/lvs_flush_on_stop`
static LVS_FLUSH_ON_STOP: Block =
    Block { path: "global_defs/lvs_flush_on_stop:args", keywords: &[LVS_FLUSH_ON_STOP_ROWS] };

rows! {
/// Options of `dynamic_interfaces`.
DYNAMIC_INTERFACES_ROWS:
    "allow_if_changes" Flag, "", "", "", Acts;
        "Accept an interface being recreated with another type or parent."
}

/// Options of `global_defs/dynamic_interfaces`
static DYNAMIC_INTERFACES: Block =
    Block { path: "global_defs/dynamic_interfaces:args", keywords: &[DYNAMIC_INTERFACES_ROWS] };

rows! {
/// Options of `vrrp_garp_extra_if`.
VRRP_GARP_EXTRA_IF_ROWS:
    "(seconds)" Int(0, 86_400), "SECONDS(int)", "0..86400; 0 = off", "required", Acts;
        "Time between two rounds."
    "all" Flag, "", "", "", Acts;
        "Include non-VMAC interfaces."
}

/// Options of `global_defs/vrrp_garp_extra_if`
static VRRP_GARP_EXTRA_IF: Block =
    Block { path: "global_defs/vrrp_garp_extra_if:args", keywords: &[VRRP_GARP_EXTRA_IF_ROWS] };

rows! {
/// Options of `include_check`.
INCLUDE_CHECK_ROWS:
    "read" Custom, "[+|-]read", "", "", Acts;
        "Require that matches must be readable regular non-executable files."
    "match" Custom, "[+|-]match", "", "", Acts;
        "Require that a pattern without wildcards must match."
    "wildcard_match" Custom, "[+|-]wildcard_match", "", "", Acts;
        "Require that a wildcard pattern must match."
    "brace_match" Custom, "[+|-]brace_match", "", "", Acts;
        "Require that every brace alternative must exist."
}

/// Options of `global_defs/include_check`
static INCLUDE_CHECK: Block = Block { path: "global_defs/include_check:args", keywords: &[INCLUDE_CHECK_ROWS] };

rows! {
/// Options of `vrrp_rx_bufs_policy`.
VRRP_RX_BUFS_POLICY_ROWS:
    "(bytes)" Int(1, 2_147_483_647), "BYTES", "1..2147483647", "", Acts;
        "Size in bytes."
    "MTU" Flag, "", "case-insensitive", "", Acts;
        "Size by interface MTU times multiplier, summed over instances sharing the socket."
    "ADVERT" Flag, "", "case-insensitive", "", Acts;
        "Size by advert length times multiplier, summed over instances sharing the socket."
}

/// Options of `global_defs/vrrp_rx_bufs_policy`
static VRRP_RX_BUFS_POLICY: Block =
    Block { path: "global_defs/vrrp_rx_bufs_policy:args", keywords: &[VRRP_RX_BUFS_POLICY_ROWS] };

rows! {
/// Options of `umask`.
UMASK_ROWS:
    "IRUSR" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IWUSR" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IXUSR" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IRWXU" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IRGRP" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IWGRP" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IXGRP" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IRWXG" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IROTH" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IWOTH" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IXOTH" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
    "IRWXO" Flag, "", "case-sensitive", "", Acts;
        "Mask bit(s) as in the C constant of that name."
}

/// Options of `global_defs/umask`
static UMASK: Block = Block { path: "global_defs/umask:args", keywords: &[UMASK_ROWS] };

rows! {
/// Options of `use_vmac`.
USE_VMAC_ROWS:
    "name" Device, "name IFNAME", "", "", Acts;
        "Next word is the interface name even if it looks like an option."
    "netlink_notify_msg" Flag, "", "", "off", Obsolete("the kernel tells of both interfaces by itself");
        "Force a netlink message for the parent after creation."
    "group" Word, "group GROUP", "number or iproute2 group name", "parent's group", Acts;
        "Interface group."
    "(mac)" Form(super::Form::Mac), "XX:XX:XX:XX:XX[:XX]", "unicast, not the RFC range", "00:00:5e:00:01/02:VRID", Acts;
        "MAC address; five octets take the VRID as the sixth."
    "(interface)" Device, "IFNAME", "max 15 characters", "PREFIX.VRID", Acts;
        "Name of the interface that is made."
}

/// Options of `vrrp_instance/use_vmac`
static USE_VMAC: Block = Block { path: "vrrp_instance/use_vmac:args", keywords: &[USE_VMAC_ROWS] };

rows! {
/// Options of `use_ipvlan`.
USE_IPVLAN_ROWS:
    "name" Device, "name IFNAME", "", "", Acts;
        "Next word is the interface name."
    "bridge" Flag, "", "", "bridge", Acts;
        "ipvlan mode flag bridge."
    "private" Flag, "", "", "bridge", Acts;
        "ipvlan mode flag private."
    "vepa" Flag, "", "", "bridge", Acts;
        "ipvlan mode flag vepa."
    "group" Word, "group GROUP", "number or iproute2 group name", "parent's group", Acts;
        "Interface group."
    "(address)" Prefix, "IPADDR[/LEN]", "must match the instance family", "", Acts;
        "Address of the ipvlan and source of adverts."
    "(interface)" Device, "IFNAME", "max 15 characters", "PREFIX.VRID", Acts;
        "Name of the interface that is made."
}

/// Options of `vrrp_instance/use_ipvlan`
static USE_IPVLAN: Block = Block { path: "vrrp_instance/use_ipvlan:args", keywords: &[USE_IPVLAN_ROWS] };

rows! {
/// Options of `weight`.
WEIGHT_ROWS:
    "reverse" Flag, "", "", "off", Acts;
        "Invert the effect of the weight."
}

/// Options of `vrrp_script/weight`
static WEIGHT: Block = Block { path: "vrrp_script/weight:args", keywords: &[WEIGHT_ROWS] };

rows! {
/// Options of `init_file`.
INIT_FILE_ROWS:
    "(value)" Int(-2_147_483_648, 2_147_483_647), "INT", "outside -254..254 reported", "0", Acts;
        "What the file holds when it is made."
    "overwrite" Flag, "", "", "off", Acts;
        "Replace existing content."
}

/// Options of `track_file/init_file`
static INIT_FILE: Block = Block { path: "track_file/init_file:args", keywords: &[INIT_FILE_ROWS] };

rows! {
/// Options of `lvs_method`.
LVS_METHOD_ROWS:
    "NAT" Custom, "", "case-sensitive", "", Acts;
        "Masquerading."
    "DR" Custom, "", "case-sensitive", "", Acts;
        "Direct routing."
    "TUN" Custom, "", "case-sensitive", "", Acts;
        "Tunnel."
    "type" Custom, "type ipip|gue|gre", "", "ipip", Acts;
        "Tunnel type."
    "ipip" Custom, "", "", "", Acts;
        "Tunnel type ipip."
    "gue" Custom, "", "", "", Acts;
        "Tunnel type gue."
    "gre" Custom, "", "", "", Acts;
        "Tunnel type gre."
    "port" Custom, "port N", "1..65535", "none", Acts;
        "GUE port."
    "nocsum" Custom, "", "", "nocsum", Acts;
        "Tunnel checksum mode nocsum."
    "csum" Custom, "", "", "nocsum", Acts;
        "Tunnel checksum mode csum."
    "remcsum" Custom, "", "", "nocsum", Acts;
        "Tunnel checksum mode remcsum."
}

/// Options of `virtual_server/lvs_method`
static LVS_METHOD: Block = Block { path: "virtual_server/lvs_method:args", keywords: &[LVS_METHOD_ROWS] };

rows! {
/// Options of `virtual_server`.
VIRTUAL_SERVER_ROWS:
    "group" Custom, "group NAME", "", "", Acts;
        "Use a virtual_server_group."
    "fwmark" Custom, "fwmark UINT", "0..4294967295", "", Acts;
        "Service by firewall mark."
}

/// Options of `virtual_server`
static VIRTUAL_SERVER: Block = Block { path: "virtual_server:args", keywords: &[VIRTUAL_SERVER_ROWS] };

rows! {
/// Options of `lvs_method`.
REAL_SERVER_METHOD_ROWS:
    "NAT" Custom, "", "case-sensitive", "", Acts;
        "Masquerading."
    "DR" Custom, "", "case-sensitive", "", Acts;
        "Direct routing."
    "TUN" Custom, "", "case-sensitive", "", Acts;
        "Tunnel."
    "type" Custom, "type ipip|gue|gre", "", "ipip", Acts;
        "Tunnel type."
    "port" Custom, "port N", "1..65535", "none", Acts;
        "GUE port."
    "nocsum" Custom, "", "", "nocsum", Acts;
        "Tunnel checksum mode nocsum."
    "csum" Custom, "", "", "nocsum", Acts;
        "Tunnel checksum mode csum."
    "remcsum" Custom, "", "", "nocsum", Acts;
        "Tunnel checksum mode remcsum."
}

/// Options of `virtual_server/real_server/lvs_method`
static REAL_SERVER_METHOD: Block =
    Block { path: "virtual_server/real_server/lvs_method:args", keywords: &[REAL_SERVER_METHOD_ROWS] };

rows! {
/// Options of `regex_options`.
REGEX_OPTIONS_ROWS:
    "allow_empty_class" Custom, "", "", "", Acts;
        "`[]` is a class that holds nothing."
    "alt_bsux" Custom, "", "", "", Acts;
        "`\\u`, `\\U` and `\\x` as JavaScript has them."
    "auto_callout" Custom, "", "", "", Obsolete("there are no callouts");
        "PCRE2 compile option of that name."
    "caseless" Custom, "", "", "", Acts;
        "Upper case or lower, it is the same."
    "dollar_endonly" Custom, "", "", "", Acts;
        "`$` stands at the very end alone, not in front of a line end there."
    "dotall" Custom, "", "", "", Acts;
        "`.` is any character, a line end too."
    "dupnames" Custom, "", "", "", Acts;
        "Several groups may have one name."
    "extended" Custom, "", "", "", Acts;
        "Blanks and `#` notes in the pattern are not part of it."
    "firstline" Custom, "", "", "", Acts;
        "A match begins in the first line."
    "match_unset_backref" Custom, "", "", "", Acts;
        "A reference to a group that matched nothing matches nothing."
    "multiline" Custom, "", "", "", Acts;
        "`^` and `$` stand at the ends of lines."
    "never_ucp" Custom, "", "", "", Acts;
        "The pattern must not turn on ucp."
    "never_utf" Custom, "", "", "", Acts;
        "The pattern must not turn on utf."
    "no_auto_capture" Custom, "", "", "", Acts;
        "Only groups with names are counted."
    "no_auto_possess" Custom, "", "", "", Obsolete("it turns off an optimisation of PCRE2, which is not used");
        "PCRE2 compile option of that name."
    "no_dotstar_anchor" Custom, "", "", "", Obsolete("it turns off an optimisation of PCRE2, which is not used");
        "PCRE2 compile option of that name."
    "no_start_optimize" Custom, "", "", "", Obsolete("it turns off an optimisation of PCRE2, which is not used");
        "PCRE2 compile option of that name."
    "ucp" Custom, "", "", "", Acts;
        "With utf: `\\w`, `\\d`, `\\s` and `\\b` know the letters and digits of every script."
    "ungreedy" Custom, "", "", "", Acts;
        "Repetitions take as little as they can, with `?` as much."
    "utf" Custom, "", "", "", Acts;
        "Pattern and body are UTF-8; without, each byte is a character."
    "never_backslash_c" Custom, "", "", "", Acts;
        "`\\C` is an error."
    "alt_circumflex" Custom, "", "", "", Obsolete("with multiline, `^` stands behind every line end anyway");
        "PCRE2 compile option of that name."
    "alt_verbnames" Custom, "", "", "", Obsolete("no verbs with names are known");
        "PCRE2 compile option of that name."
    "use_offset_limit" Custom, "", "", "", Acts;
        "Implied by regex_max_offset."
}

/// Options of `virtual_server/real_server/HTTP_GET/url/regex_options`
static REGEX_OPTIONS: Block =
    Block { path: "virtual_server/real_server/HTTP_GET/url/regex_options:args", keywords: &[REGEX_OPTIONS_ROWS] };

rows! {
/// Options of `weight`.
FILE_WEIGHT_ROWS:
    "reverse" Custom, "", "", "", Acts;
        "Invert the effect."
    "noreverse" Custom, "", "", "", Acts;
        "Cancel an inherited reverse."
}

/// Options of `virtual_server/real_server/FILE_CHECK/weight`
static FILE_WEIGHT: Block =
    Block { path: "virtual_server/real_server/FILE_CHECK/weight:args", keywords: &[FILE_WEIGHT_ROWS] };

/// Block, keyword, options.
const OPTIONS: &[(&str, &str, &Block)] = &[
    ("global_defs", "lvs_timeouts", &LVS_TIMEOUTS),
    ("global_defs", "lvs_sync_daemon", &LVS_SYNC_DAEMON),
    ("global_defs", "lvs_flush_on_stop", &LVS_FLUSH_ON_STOP),
    ("global_defs", "dynamic_interfaces", &DYNAMIC_INTERFACES),
    ("global_defs", "vrrp_garp_extra_if", &VRRP_GARP_EXTRA_IF),
    ("vrrp_instance", "garp_extra_if", &VRRP_GARP_EXTRA_IF),
    ("global_defs", "include_check", &INCLUDE_CHECK),
    ("global_defs", "vrrp_rx_bufs_policy", &VRRP_RX_BUFS_POLICY),
    ("global_defs", "umask", &UMASK),
    ("vrrp_instance", "use_vmac", &USE_VMAC),
    ("vrrp_instance", "use_ipvlan", &USE_IPVLAN),
    ("vrrp_script", "weight", &WEIGHT),
    ("vrrp_track_process", "weight", &WEIGHT),
    ("track_file", "init_file", &INIT_FILE),
    ("track_file", "weight", &WEIGHT),
    ("vrrp_track_file", "init_file", &INIT_FILE),
    ("vrrp_track_file", "weight", &WEIGHT),
    ("bfd_instance", "weight", &WEIGHT),
    ("virtual_server", "lvs_method", &LVS_METHOD),
    ("virtual_server", "sorry_server_lvs_method", &LVS_METHOD),
    ("/", "virtual_server", &VIRTUAL_SERVER),
    ("virtual_server/real_server", "lvs_method", &REAL_SERVER_METHOD),
    ("virtual_server/servers_from_file", "lvs_method", &REAL_SERVER_METHOD),
    ("virtual_server/servers_from_dns", "lvs_method", &REAL_SERVER_METHOD),
    ("virtual_server/real_server/HTTP_GET/url", "regex_options", &REGEX_OPTIONS),
    ("virtual_server/real_server/SSL_GET/url", "regex_options", &REGEX_OPTIONS),
    ("virtual_server/real_server/FILE_CHECK", "weight", &FILE_WEIGHT),
];
