//! The table: lines of value blocks, one item each. Rows in parentheses stand for the leading word.

use super::{Args::*, Block, Family, Form, Keyword, Standing::*, rows};

rows! {
/// Lines of instances.
INSTANCE_ROWS:
    "(instance)" Custom, "NAME...", "", "", Acts;
        "Names of VRRP instances, any number on a line."
}

/// `vrrp_sync_group/group` and `track_group/group`
pub(super) static INSTANCES: Block = Block { path: "vrrp_sync_group/group", keywords: &[INSTANCE_ROWS] };

rows! {
/// Lines of interfaces.
INTERFACE_ROWS:
    "(interface)" Custom, "IFNAME...", "", "", Acts;
        "Names of interfaces, any number on a line."
}

/// `garp_group/interfaces`
pub(super) static INTERFACES: Block = Block { path: "garp_group/interfaces", keywords: &[INTERFACE_ROWS] };

rows! {
/// Lines of mail addresses.
RECIPIENT_ROWS:
    "(address)" Custom, "ADDRESS...", "", "", Acts;
        "Addresses that mail goes to, any number on a line."
}

/// `global_defs/notification_email`
pub(super) static RECIPIENTS: Block = Block { path: "global_defs/notification_email", keywords: &[RECIPIENT_ROWS] };

rows! {
/// Words of an address line.
ADDRESS_ROWS:
    "(address)" Custom, "IPADDR[/LEN] OPTION...", "LEN 0..32 or 0..128", "LEN 32 or 128", Acts;
        "Address, must be the first word."
    "dev" Device, "dev IFNAME", "", "instance interface or VMAC", Acts;
        "Interface for the address."
    "scope" Form(Form::Named(0, 255)), "scope NAME|NUM", "iproute2 rt_scopes, 0..255", "global", Acts;
        "Address scope."
    "broadcast" Form(Form::Broadcast), "broadcast IPADDR|+|-", "IPv4 only; + and - need LEN <= 30", "none", Acts;
        "Broadcast address; + sets and - clears host bits."
    "brd" Form(Form::Broadcast), "brd IPADDR|+|-", "", "", Acts;
        "Short form of broadcast."
    "label" Form(Form::Text(15)), "label TEXT", "max 15 characters", "none", Acts;
        "Address label."
    "peer" Ip(Family::Any), "peer IPADDR", "same family", "none", Acts;
        "Point-to-point peer."
    "home" Flag, "", "", "off", Acts;
        "Mobile IPv6 home address flag."
    "-nodad" Flag, "", "", "off (DAD disabled)", Acts;
        "Keep duplicate address detection on for this IPv6 address."
    "mngtmpaddr" Flag, "", "", "off", Acts;
        "Kernel manages temporary addresses from this prefix."
    "noprefixroute" Flag, "", "", "off", Acts;
        "Do not add the prefix route."
    "autojoin" Flag, "", "", "off", Acts;
        "Join the multicast group."
    "no_track" Flag, "", "", "off", Acts;
        "Do not react when the address is removed."
    "preferred_lft" Form(Form::Lifetime), "preferred_lft SECS|forever", "0..4294967295", "IPv6: 0 for /128, else forever",
        Acts;
        "Preferred lifetime; 0 marks the address deprecated."
}

rows! {
/// What virtual addresses have in addition.
VIRTUAL_ADDRESS_ROWS:
    "use_vmac" Flag, "", "", "off", NotYet("the address is put on the interface itself");
        "Put this address on a VMAC over its interface."
}

/// `vrrp_instance/virtual_ipaddress`
pub(super) static ADDRESS_LINE: Block =
    Block { path: "vrrp_instance/virtual_ipaddress", keywords: &[ADDRESS_ROWS, VIRTUAL_ADDRESS_ROWS] };

/// `vrrp_instance/virtual_ipaddress_excluded`
pub(super) static EXCLUDED_LINE: Block =
    Block { path: "vrrp_instance/virtual_ipaddress_excluded", keywords: &[ADDRESS_ROWS, VIRTUAL_ADDRESS_ROWS] };

rows! {
/// What static addresses have in addition.
STATIC_ADDRESS_ROWS:
    "track_group" Word, "track_group NAME", "defined earlier", "none", Acts;
        "Instances that go to FAULT if the address cannot be restored."
}

/// `static_ipaddress`
pub(super) static STATIC_ADDRESS_LINE: Block =
    Block { path: "static_ipaddress", keywords: &[ADDRESS_ROWS, STATIC_ADDRESS_ROWS] };

rows! {
/// Words of a route.
ROUTE_ROWS:
    "(destination)" Custom, "[to] [TYPE] PREFIX|default|any|all", "", "required", Acts;
        "Destination; any word not otherwise known is taken as destination."
    "to" Prefix, "to [TYPE] PREFIX", "", "", Acts;
        "Introduces the destination."
    "unicast" Prefix, "unicast PREFIX", "", "unicast", Acts;
        "Route type unicast; the destination must follow."
    "local" Prefix, "local PREFIX", "", "unicast", Acts;
        "Route type local; the destination must follow."
    "broadcast" Prefix, "broadcast PREFIX", "", "unicast", Acts;
        "Route type broadcast; the destination must follow."
    "brd" Prefix, "brd PREFIX", "", "unicast", Acts;
        "Route type brd; the destination must follow."
    "anycast" Prefix, "anycast PREFIX", "", "unicast", Acts;
        "Route type anycast; the destination must follow."
    "multicast" Prefix, "multicast PREFIX", "", "unicast", Acts;
        "Route type multicast; the destination must follow."
    "throw" Prefix, "throw PREFIX", "", "unicast", Acts;
        "Route type throw; the destination must follow."
    "unreachable" Prefix, "unreachable PREFIX", "", "unicast", Acts;
        "Route type unreachable; the destination must follow."
    "prohibit" Prefix, "prohibit PREFIX", "", "unicast", Acts;
        "Route type prohibit; the destination must follow."
    "blackhole" Prefix, "blackhole PREFIX", "", "unicast", Acts;
        "Route type blackhole; the destination must follow."
    "xresolve" Prefix, "xresolve PREFIX", "", "unicast", Refused("the kernel has no such routes");
        "Route type xresolve; the destination must follow."
    "nat" Prefix, "nat PREFIX", "", "unicast", Refused("the kernel has no such routes");
        "Route type nat; the destination must follow."
    "default" Flag, "", "", "", Acts;
        "Zero-length destination."
    "any" Flag, "", "", "", Acts;
        "Zero-length destination."
    "all" Flag, "", "", "", Acts;
        "Zero-length destination."
    "default6" Flag, "", "", "", Acts;
        "IPv6 default destination."
    "inet" Flag, "", "", "", Acts;
        "Force IPv4."
    "inet6" Flag, "", "", "", Acts;
        "Force IPv6."
    "src" Ip(Family::Any), "src IPADDR", "", "none", Acts;
        "Preferred source address."
    "as" Word, "as [to] ADDR", "", "", Obsolete("it is for MPLS routes, which this language can't write");
        "Accepted and ignored with a message."
    "via" Ip(Family::Any), "via [inet|inet6] IPADDR", "", "none", Acts;
        "Gateway."
    "gw" Ip(Family::Any), "gw IPADDR", "", "", Acts;
        "Old spelling of via."
    "from" Prefix, "from PREFIX", "IPv6 only", "none", Acts;
        "Source prefix selector."
    "tos" Form(Form::Named(0, 255)), "tos NAME|NUM", "rt_dsfield, 0..255", "0", Acts;
        "TOS/DS field."
    "dsfield" Form(Form::Named(0, 255)), "dsfield NAME|NUM", "", "", Acts;
        "Same as tos."
    "table" Form(Form::Named(0, 4_294_967_295)), "table NAME|NUM", "rt_tables, 0..4294967295", "main", Acts;
        "Routing table."
    "protocol" Form(Form::Named(0, 255)), "protocol NAME|NUM", "rt_protos, 0..255", "18 (keepalived)", Acts;
        "Route protocol id."
    "scope" Form(Form::Named(0, 255)), "scope NAME|NUM", "rt_scopes, 0..255", "global", Acts;
        "Route scope."
    "metric" Int(0, 4_294_967_295), "metric NUM", "0..4294967295", "kernel default", Acts;
        "Route metric."
    "priority" Int(0, 4_294_967_295), "priority NUM", "0..4294967295", "kernel default", Acts;
        "Route metric."
    "preference" Form(Form::Named(0, 4_294_967_295)), "preference NUM", "0..4294967295", "kernel default", Acts;
        "Route metric."
    "dev" Device, "dev IFNAME", "", "", Acts;
        "Output interface."
    "oif" Device, "oif IFNAME", "", "", Acts;
        "Output interface."
    "onlink" Flag, "", "", "off", Acts;
        "Treat the gateway as directly reachable."
    "encap" Flag, "encap ip|ip6|mpls|ila ...", "", "none", Acts;
        "Lightweight tunnel."
    "expires" Int(0, 4_294_967_295), "expires SECS", "0..4294967295; IPv6", "none", Acts;
        "Lifetime."
    "mtu" Int(0, 4_294_967_295), "mtu [lock] NUM", "0..4294967295", "kernel default", Acts;
        "Path MTU."
    "advmss" Int(0, 4_294_967_295), "advmss [lock] NUM", "0..4294967295", "kernel default", Acts;
        "Advertised MSS."
    "reordering" Int(0, 4_294_967_295), "reordering [lock] NUM", "0..4294967295", "kernel default", Acts;
        "Reordering metric."
    "cwnd" Int(0, 4_294_967_295), "cwnd [lock] NUM", "0..4294967295", "kernel default", Acts;
        "Clamp on congestion window."
    "ssthresh" Int(0, 4_294_967_295), "ssthresh [lock] NUM", "0..4294967295", "kernel default", Acts;
        "Slow start threshold."
    "hoplimit" Int(0, 255), "hoplimit NUM", "0..255", "kernel default", Acts;
        "Hop limit."
    "rtt" Form(Form::RoundTrip), "rtt [lock] NUM|NUMms|NUMs", "0.2 s..120 s after conversion, clamped with a message",
        "kernel default", Acts;
        "Initial rtt."
    "rttvar" Form(Form::RoundTrip), "rttvar [lock] NUM|NUMms|NUMs", "0.2 s..120 s after conversion, clamped with a message",
        "kernel default", Acts;
        "Initial rttvar."
    "rto_min" Form(Form::RoundTrip), "rto_min [lock] NUM|NUMms|NUMs", "0.2 s..120 s after conversion, clamped with a message",
        "kernel default", Acts;
        "Initial rto_min."
    "window" Int(0, 4_294_967_295), "window NUM", "0..4294967295", "kernel default", Acts;
        "Maximum advertised window."
    "realms" Form(Form::Realms), "realms [FROM/]TO", "rt_realms, each 0..255; IPv4", "none", Acts;
        "Route realms."
    "initcwnd" Int(0, 4_294_967_295), "initcwnd NUM", "0..4294967295", "kernel default", Acts;
        "Initial congestion window."
    "initrwnd" Int(0, 4_294_967_295), "initrwnd NUM", "0..4294967295", "kernel default", Acts;
        "Initial receive window."
    "features" OneOf(&["ecn"]), "features ecn", "", "none", Acts;
        "Feature flags; only ecn."
    "quickack" OneOf(&["0", "1"]), "quickack 0|1", "0..1", "kernel default", Acts;
        "Quick ACK."
    "congctl" Word, "congctl [lock] NAME", "", "kernel default", Acts;
        "Congestion control algorithm."
    "pref" Form(Form::Named(0, 255)), "pref low|medium|high|NUM", "NUM 0..255; IPv6", "medium", Acts;
        "Router preference."
    "ttl-propagate" OneOf(&["enabled", "disabled"]), "ttl-propagate enabled|disabled", "", "kernel default", Acts;
        "MPLS TTL propagation."
    "fastopen_no_cookie" OneOf(&["0", "1"]), "fastopen_no_cookie 0|1", "0..1", "kernel default", Acts;
        "TCP fast open without cookie."
    "add" Flag, "", "", "", Acts;
        "Add only if no matching route exists."
    "append" Flag, "", "", "", Acts;
        "Add after matching routes."
    "prepend" Flag, "", "", "yes", Acts;
        "Add before matching routes (default)."
    "or" Ip(Family::Any), "or IPADDR", "", "", Acts;
        "Second gateway, old multipath form."
    "nexthop" Flag, "nexthop NHOPTS [nexthop NHOPTS]...", "must come last", "", Acts;
        "Multipath next hop."
    "no_track" Flag, "", "", "off", Acts;
        "Do not react when the route is removed."
    "vrf" Device, "vrf IFNAME", "existing VRF interface", "none", Acts;
        "Use the VRF's table."
}

/// `vrrp_instance/virtual_routes`
pub(super) static ROUTE_LINE: Block = Block { path: "vrrp_instance/virtual_routes", keywords: &[ROUTE_ROWS] };

/// `static_routes`
pub(super) static STATIC_ROUTE_LINE: Block =
    Block { path: "static_routes", keywords: &[ROUTE_ROWS, STATIC_ROUTE_ROWS] };

rows! {
/// What static routes have in addition.
STATIC_ROUTE_ROWS:
    "track_group" Word, "track_group NAME", "defined earlier; needs dev", "none", Acts;
        "Instances that go to FAULT if the route cannot be restored."
}

rows! {
/// Words of a `nexthop`.
HOP_ROWS:
    "via" Ip(Family::Any), "via [inet|inet6] IPADDR", "", "", Acts;
        "Gateway of this hop."
    "dev" Device, "dev IFNAME", "", "", Acts;
        "Interface of this hop."
    "weight" Int(1, 256), "weight NUM", "1..256", "1", Acts;
        "Relative weight."
    "onlink" Flag, "", "", "off", Acts;
        "Gateway directly reachable."
    "encap" Flag, "encap ...", "", "", Acts;
        "Tunnel for this hop."
    "realms" Form(Form::Realms), "realms [FROM/]TO", "IPv4", "", Acts;
        "Realms of this hop."
    "as" Word, "as [to] ADDR", "", "", Refused("it is for MPLS routes, which this language can't write");
        "Destination of this hop."
}

/// `static_routes/nexthop`
pub static NEXTHOP: Block = Block { path: "static_routes/nexthop", keywords: &[HOP_ROWS] };

rows! {
/// Words of an `encap`.
ENCAP_ROWS:
    "ip" Flag, "ip [id N] [dst IPADDR] [src IPADDR] [tos N] [ttl N] [flags N]",
        "id 64-bit; ttl 0..255; flags 0..65535", "", Acts;
        "IPv4 tunnel metadata."
    "ip6" Flag, "ip6 [id N] [dst IPADDR] [src IPADDR] [tc N] [hoplimit N] [flags N]",
        "id 64-bit; hoplimit 0..255; flags 0..65535", "", Acts;
        "IPv6 tunnel metadata."
    "mpls" Form(Form::Labels), "mpls LABEL[/LABEL]...", "20-bit labels", "", Acts;
        "MPLS label stack."
    "ila" Form(Form::Locator), "ila HEX:HEX:HEX:HEX", "four 16-bit groups", "", Acts;
        "ILA locator."
    "id" Form(Form::Number(u64::MAX)), "id N", "", "", Acts;
        "Tunnel id."
    "dst" Ip(Family::Any), "dst IPADDR", "", "", Acts;
        "Tunnel destination."
    "src" Ip(Family::Any), "src IPADDR", "", "", Acts;
        "Tunnel source."
    "tos" Form(Form::Named(0, 255)), "tos NAME|NUM", "", "", Acts;
        "DS field (ip)."
    "ttl" Int(0, 255), "ttl NUM", "", "", Acts;
        "TTL (ip)."
    "tc" Form(Form::Named(0, 255)), "tc NAME|NUM", "", "", Acts;
        "Traffic class (ip6)."
    "hoplimit" Int(0, 255), "hoplimit NUM", "", "", Acts;
        "Hop limit (ip6)."
    "flags" Int(0, 65_535), "flags NUM", "", "", Acts;
        "Tunnel flags."
}

/// `static_routes/encap`
pub static ENCAP: Block = Block { path: "static_routes/encap", keywords: &[ENCAP_ROWS] };

rows! {
/// Words of a rule.
RULE_ROWS:
    "inet" Flag, "", "", "", Acts;
        "Force IPv4."
    "inet6" Flag, "", "", "", Acts;
        "Force IPv6."
    "not" Flag, "", "", "off", Acts;
        "Invert the match."
    "from" Prefix, "from PREFIX|default|any|all", "", "all", Acts;
        "Source selector."
    "to" Prefix, "to PREFIX|default|any|all", "", "all", Acts;
        "Destination selector."
    "table" Form(Form::Named(1, 4_294_967_295)), "table NAME|NUM", "rt_tables, 1..4294967295", "", Acts;
        "Look up this table."
    "lookup" Form(Form::Named(1, 4_294_967_295)), "lookup NAME|NUM", "", "", Acts;
        "Same as table."
    "preference" Form(Form::Number(4_294_967_295)), "preference NUM", "0..4294967295, C notation",
        "16384 counting down per family, with a message", Acts;
        "Rule preference."
    "order" Form(Form::Number(4_294_967_295)), "order NUM", "0..4294967295, C notation",
        "16384 counting down per family, with a message", Acts;
        "Rule preference."
    "priority" Form(Form::Number(4_294_967_295)), "priority NUM", "0..4294967295, C notation",
        "16384 counting down per family, with a message", Acts;
        "Rule preference."
    "tos" Form(Form::Named(0, 255)), "tos NAME|NUM", "rt_dsfield, 0..255", "0", Acts;
        "TOS selector."
    "dsfield" Form(Form::Named(0, 255)), "dsfield NAME|NUM", "rt_dsfield, 0..255", "0", Acts;
        "TOS selector."
    "fwmark" Form(Form::Mark), "fwmark MARK[/MASK]", "0..4294967295 each, C notation", "none", Acts;
        "Firewall mark selector."
    "realms" Form(Form::Realms), "realms [FROM/]TO", "IPv4; table action only", "none", Acts;
        "Realms."
    "suppress_prefixlength" Int(0, 2_147_483_647), "suppress_prefixlength NUM", "0..2147483647; table action only",
        "none", Acts;
        "Ignore routes with a prefix this short or shorter."
    "sup_pl" Int(0, 2_147_483_647), "sup_pl NUM", "0..2147483647; table action only", "none", Acts;
        "Ignore routes with a prefix this short or shorter."
    "suppress_ifgroup" Form(Form::Named(0, 4_294_967_295)), "suppress_ifgroup NAME|NUM", "iproute2 group; table action only", "none", Acts;
        "Ignore routes through this interface group."
    "sup_group" Form(Form::Named(0, 4_294_967_295)), "sup_group NAME|NUM", "iproute2 group; table action only", "none", Acts;
        "Ignore routes through this interface group."
    "iif" Device, "iif IFNAME", "", "none", Acts;
        "Input interface selector."
    "dev" Device, "dev IFNAME", "", "none", Acts;
        "Input interface selector."
    "oif" Device, "oif IFNAME", "", "none", Acts;
        "Output interface selector."
    "tunnel-id" Form(Form::Number(u64::MAX)), "tunnel-id NUM", "64-bit", "none", Acts;
        "Tunnel id selector."
    "uidrange" Form(Form::Range(0, 4_294_967_295)), "uidrange START-END", "decimal", "none", Acts;
        "User id range selector."
    "l3mdev" Flag, "", "", "off", Acts;
        "Use the table of the l3 master device."
    "protocol" Int(0, 255), "protocol NUM", "0..255 numeric only", "18 (keepalived)", Acts;
        "Rule protocol id."
    "ipproto" Form(Form::Named(0, 255)), "ipproto NAME|NUM", "0..255", "none", Acts;
        "IP protocol selector."
    "sport" Form(Form::Range(0, 65_535)), "sport START-END", "0..65535", "none", Acts;
        "Port range selector."
    "dport" Form(Form::Range(0, 65_535)), "dport START-END", "0..65535", "none", Acts;
        "Port range selector."
    "no_track" Flag, "", "", "off", Acts;
        "Do not react when the rule is removed."
    "type" Word, "type ACTION", "", "", Acts;
        "Optional word before an action."
    "goto" Int(0, 4_294_967_295), "goto NUM", "must exceed the preference, which must be given", "", Acts;
        "Jump action."
    "nop" Flag, "", "", "", Acts;
        "No-operation action."
    "blackhole" Flag, "", "", "", Acts;
        "Action blackhole."
    "unreachable" Flag, "", "", "", Acts;
        "Action unreachable."
    "prohibit" Flag, "", "", "", Acts;
        "Action prohibit."
}

/// `vrrp_instance/virtual_rules`
pub(super) static RULE_LINE: Block = Block { path: "vrrp_instance/virtual_rules", keywords: &[RULE_ROWS] };

/// `static_rules`
pub(super) static STATIC_RULE_LINE: Block = Block { path: "static_rules", keywords: &[RULE_ROWS, STATIC_RULE_ROWS] };

rows! {
/// What static rules have in addition.
STATIC_RULE_ROWS:
    "track_group" Word, "track_group NAME", "defined earlier; needs iif", "none", Acts;
        "Instances that go to FAULT if the rule cannot be restored."
}

rows! {
/// Words of a `unicast_peer`.
PEER_ROWS:
    "(address)" Custom, "IPADDR [min_ttl N] [max_ttl N]", "must match the instance family", "", Acts;
        "Peer address."
    "min_ttl" Int(0, 255), "N", "0..255", "0", Acts;
        "Lowest accepted TTL."
    "max_ttl" Int(0, 255), "N", "0..255", "255", Acts;
        "Highest accepted TTL."
}

/// `vrrp_instance/unicast_peer`
pub(super) static PEER_LINE: Block = Block { path: "vrrp_instance/unicast_peer", keywords: &[PEER_ROWS] };

rows! {
/// Words of a tracked interface.
TRACK_INTERFACE_ROWS:
    "(interface)" Custom, "IFNAME [weight INT [reverse]]", "", "", Acts;
        "Interface to follow."
    "weight" Int(-254, 254), "weight INT [reverse]", "-254..254, +-254 clamped to +-253", "0", Acts;
        "Priority change instead of FAULT."
    "reverse" Flag, "", "", "off", Acts;
        "Invert the effect."
}

/// `vrrp_instance/track_interface`
pub(super) static TRACK_INTERFACE_LINE: Block =
    Block { path: "vrrp_instance/track_interface", keywords: &[TRACK_INTERFACE_ROWS] };

rows! {
/// Words of a tracked script, file or process.
TRACK_ROWS:
    "(name)" Custom, "NAME [weight INT [reverse|noreverse]]", "defined earlier in the file", "", Acts;
        "vrrp_script to follow."
    "weight" Weight(-254, 254), "weight INT [reverse|noreverse]", "-254..254, +-254 clamped to +-253",
        "weight of the vrrp_script", Acts;
        "Weight for this tracker."
    "reverse" Flag, "", "", "setting of the vrrp_script", Acts;
        "Invert the effect."
    "noreverse" Flag, "", "", "", Acts;
        "Cancel an inherited reverse."
}

/// `vrrp_instance/track_script`
pub(super) static TRACK_LINE: Block = Block { path: "vrrp_instance/track_script", keywords: &[TRACK_ROWS] };

rows! {
/// Words of a tracked BFD session.
TRACK_BFD_ROWS:
    "(name)" Custom, "NAME [weight INT [reverse|noreverse]]", "defined earlier in the file", "", Acts;
        "bfd_instance to follow."
    "weight" Weight(-253, 253), "weight INT [reverse|noreverse]", "-253..253", "weight of the bfd_instance", Acts;
        "Weight for this tracker."
    "reverse" Flag, "", "", "setting of the bfd_instance", Acts;
        "Invert the effect."
    "noreverse" Flag, "", "", "", Acts;
        "Cancel an inherited reverse."
}

/// `vrrp_instance/track_bfd`
pub(super) static TRACK_BFD_LINE: Block = Block { path: "vrrp_instance/track_bfd", keywords: &[TRACK_BFD_ROWS] };

rows! {
/// Words of a group entry.
SERVER_GROUP_ROWS:
    "(address)" Custom, "IPADDR [PORT]", "PORT 1..65535; 0 or all zeros = none", "no port", Acts;
        "One address."
    "(range)" Custom, "IPADDR-LAST [PORT] | IPADDR-IPADDR [PORT] | IPADDR/LEN [PORT]",
        "LAST: decimal 0..255 (IPv4) or hex 0..ffff (IPv6), greater than the start; LEN 1..32/128 with host bits zero",
        "", Acts;
        "Consecutive addresses."
    "fwmark" Custom, "fwmark UINT [inet|inet6]", "0..4294967295", "family unspecified", Acts;
        "Firewall mark entry."
    "inet" Custom, "", "", "", Acts;
        "Family of the fwmark."
    "inet6" Custom, "", "", "", Acts;
        "Family of the fwmark."
}

/// `virtual_server_group`
pub(super) static SERVER_GROUP_LINE: Block = Block { path: "virtual_server_group", keywords: &[SERVER_GROUP_ROWS] };

rows! {
/// Words of a polled interface.
LINKBEAT_ROWS:
    "(interface)" Custom, "IFNAME [MII|ETHTOOL|IOCTL]", "", "first method that works, MII preferred", Acts;
        "Poll this interface with the given method."
    "MII" Flag, "", "case-sensitive", "", Acts;
        "Preferred polling method MII."
    "ETHTOOL" Flag, "", "case-sensitive", "", Acts;
        "Preferred polling method ETHTOOL."
    "IOCTL" Flag, "", "case-sensitive", "", Acts;
        "Preferred polling method IOCTL."
}

/// `linkbeat_interfaces`
pub(super) static LINKBEAT_LINE: Block = Block { path: "linkbeat_interfaces", keywords: &[LINKBEAT_ROWS] };

rows! {
/// Words of an interface with delays.
DELAY_ROWS:
    "(interface)" Custom, "IFNAME DOWN [UP]", "each 0..255 s, microsecond resolution", "UP omitted = 0", Acts;
        "Debounce delays for link down and up."
}

/// `interface_up_down_delays`
pub(super) static DELAY_LINE: Block = Block { path: "interface_up_down_delays", keywords: &[DELAY_ROWS] };
