//! The table: words that are vipd's own. Other daemons warn of them and go on, so a file that has them still serves both.

use super::lvs::{CONNECT, PACE};
use super::{Args::*, Block, Family, Keyword, Standing::*, rows};

rows! {
/// Words of `global_defs`.
GLOBAL_OWN_ROWS:
    "vip_lease" Switch, "[on|off|true|false|yes|no]", "no argument = on", "on", Acts;
        "Virtual addresses are leased: the kernel takes them back, seconds after this host has sent its last advert, even if \
         nothing of vipd runs any more."
    "lvs_sync_catch_up" Int(0, 3_600), "SECONDS(int)", "0..3600; 0 = off", "off", Acts;
        "The instance that lvs_sync_daemon follows leaves a weaker master in peace until the connections that go through that one are \
         known here, as far as can be told, and for so long at the most from when it became BACKUP. A silent master is not waited for."
}

rows! {
/// Words of `vrrp_instance`.
INSTANCE_OWN_ROWS:
    "vip_lease" Switch, "[on|off|true|false|yes|no]", "no argument = on", "global vip_lease", Acts;
        "The kernel takes the addresses back that this host does not renew: for this instance."
    "witness" Ip(Family::Any), "IPADDR", "", "none", Acts;
        "Who must answer before a silent master's place is taken: an echo request (ping), or a TCP connection to witness_port."
    "witness_port" Int(1, 65_535), "PORT", "1..65535", "none: ping", Acts;
        "The TCP port of the witness."
    "witness_bfd" Word, "NAME", "", "none", Acts;
        "A bfd_instance whose session must be up before a silent master's place is taken."
    "witness_timeout" Seconds(10_000, 60_000_000), "SECONDS(dec)", "0.01..60", "1", Acts;
        "For how long the witness is waited for."
    "fence" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Run and awaited before the place of a master is taken that fell silent without a good-bye: exit status 0 says that it \
         is switched off. VIPD_INSTANCE, VIPD_PEER and VIPD_PRIORITY in its environment say which."
    "fence_timeout" Int(1, 1_000), "SECONDS(int)", "1..1000", "60", Acts;
        "Time allowed for fence; longer counts as a failure."
    "heartbeat_paths" Lines(&HEARTBEAT_LINE), "{ PATHLINE... }", "", "the instance's own interface alone", Acts;
        "Further ways by which the directors of this instance hear each other: whoever hears the master by any of them does not \
         take over. On every director alike; the VRID must be free on these wires."
}

rows! {
/// Words of a heartbeat path.
HEARTBEAT_ROWS:
    "(interface)" Custom, "IFNAME [src IPADDR] [peer IPADDR]...", "", "", Acts;
        "Interface that adverts are sent from and heard on, too; by multicast, unless there is a peer."
    "src" Ip(Family::Any), "src IPADDR", "must match the instance family", "an address of the interface", Acts;
        "Where adverts come from there."
    "peer" Ip(Family::Any), "peer IPADDR", "must match the instance family; any number", "none: multicast", Acts;
        "Another director there: adverts go to it by unicast, and only such peers are heard."
}

/// `vrrp_instance/heartbeat_paths`
static HEARTBEAT_LINE: Block = Block { path: "vrrp_instance/heartbeat_paths", keywords: &[HEARTBEAT_ROWS] };

rows! {
/// Words of a real server, also of one that is found somewhere.
SERVER_OWN_ROWS:
    "slow_start" Int(0, 86_400), "SECONDS(int)", "0..86400; 0 = off", "virtual_server setting", Acts;
        "For so long the server's share of new connections grows when it comes back, from a twentieth to its whole weight."
}

rows! {
/// Checks of a real server.
REAL_SERVER_OWN_ROWS:
    "AGENT_CHECK" Block(&AGENT_CHECK), "{ }", "", "", Acts;
        "Ask an agent beside the server how it does and what weight it should have, in the words of HAProxy's agent-check."
    "GRPC_CHECK" Block(&GRPC_CHECK), "{ }", "", "", Acts;
        "Ask a gRPC server for the state of a service (grpc.health.v1.Health/Check): it must be SERVING."
}

rows! {
/// Words of checks that make a TCP connection.
OVER_TCP_ROWS:
    "reset_close" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Close the check's connection by a reset (RST) instead of a FIN, so that it leaves nothing in TIME_WAIT."
}

rows! {
/// Words of `AGENT_CHECK`.
AGENT_ROWS:
    "agent_send" Word, "TEXT", "max 255 bytes", "nothing is sent", Acts;
        "A line that is sent to the agent before it answers; its end is put behind it."
}

/// `virtual_server/real_server/AGENT_CHECK`
static AGENT_CHECK: Block =
    Block { path: "virtual_server/real_server/AGENT_CHECK", keywords: &[CONNECT, PACE, OVER_TCP, AGENT_ROWS] };

rows! {
/// Words of `GRPC_CHECK`.
GRPC_ROWS:
    "service" Word, "NAME", "max 255 bytes", "the server as a whole", Acts;
        "Whose state is asked for."
    "virtualhost" Word, "STRING", "", "real_server, else virtual_server, else address and port", Acts;
        "The server's name in the request (:authority)."
    "enable_tls" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Speak TLS."
    "enable_sni" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Send the name (virtualhost) in TLS (SNI)."
    "sni_name" OptWord, "[NAME]", "", "virtualhost", Acts;
        "The name to send; also enables SNI."
}

/// `virtual_server/real_server/GRPC_CHECK`
static GRPC_CHECK: Block =
    Block { path: "virtual_server/real_server/GRPC_CHECK", keywords: &[CONNECT, PACE, OVER_TCP, GRPC_ROWS, SSL_GET] };

rows! {
/// Words of `SSL_GET`, and of `GRPC_CHECK` with TLS.
SSL_GET_OWN_ROWS:
    "tls_verify" OptWord, "[CAFILE]", "", "off; no argument = those of SSL's ca, else the system's", Acts;
        "The server's certificate must be in force, be for the name that is sent or the virtualhost, else for the address, and be \
         signed by one of these authorities or be one of these certificates itself."
    "tls_expiry_warning" Int(1, 3_650), "DAYS", "1..3650", "none", Acts;
        "Tell of a certificate that ends in fewer days; the server stays up."
}

rows! {
/// Words of `virtual_server`.
VIRTUAL_SERVER_OWN_ROWS:
    "slow_start" Int(0, 86_400), "SECONDS(int)", "0..86400; lvs_sched wrr, wlc, mh, sed, nq or twos", "off", Acts;
        "For so long the share of new connections of a real server grows that comes back, is added or is found: in up to 20 steps, \
         while all weights are multiplied by a common factor."
    "servers_from_file" NamedBlock(&FROM_FILE), "PATH { }", "absolute; each file once", "", Acts;
        "Further real servers are those of a file, which is followed while the daemon runs: a line ADDRESS PORT [weight N] each, # \
         begins a comment. The words inside are a real server's: all that are found there are like that."
    "servers_from_dns" NamedBlock(&FROM_DNS), "NAME { }", "a whole domain name; each name and type once", "", Acts;
        "Further real servers are those of a domain name, which is asked for again when the answer's time to live is over. The words \
         inside are a real server's: all that are found there are like that."
}

rows! {
/// Words of `servers_from_file` and `servers_from_dns`.
FROM_ROWS:
    "allow_empty" Flag, "", "flag", "off", Acts;
        "A file or an answer without any server takes all of them out; unless it is given, they stay as they were."
}

rows! {
/// Words of `servers_from_dns`.
FROM_DNS_ROWS:
    "type" OneOf(&["A", "AAAA", "SRV"]), "A|AAAA|SRV", "", "A; AAAA for a virtual server of IPv6", Acts;
        "Which records are asked for. SRV gives ports and weights, and names whose addresses are asked for; only the records of the \
         lowest priority count."
    "port" Int(1, 65_535), "PORT", "1..65535; not beside SRV", "that of the virtual server", Acts;
        "The port of the servers."
    "resolver" Ip(Family::Any), "IPADDR", "any number, at most 8", "those of /etc/resolv.conf", Acts;
        "A name server that is asked; the next one where it does not answer."
    "resolver_port" Int(1, 65_535), "PORT", "1..65535", "53", Acts;
        "The port of every resolver."
    "min_ttl" Int(1, 86_400), "SECONDS(int)", "1..86400; at most max_ttl", "5", Acts;
        "An answer counts for so long at least, whatever its time to live; and so long after a question in vain the next is asked."
    "max_ttl" Int(1, 86_400), "SECONDS(int)", "1..86400", "3600", Acts;
        "An answer counts for so long at most."
}

/// `virtual_server/servers_from_file`
static FROM_FILE: Block = Block {
    path: "virtual_server/servers_from_file",
    keywords: &[FROM_ROWS, super::lvs::SERVER, SERVER_OWN_ROWS, REAL_SERVER_OWN_ROWS],
};

/// `virtual_server/servers_from_dns`
static FROM_DNS: Block = Block {
    path: "virtual_server/servers_from_dns",
    keywords: &[FROM_ROWS, FROM_DNS_ROWS, super::lvs::SERVER, SERVER_OWN_ROWS, REAL_SERVER_OWN_ROWS],
};

/// Words of `virtual_server`.
pub(super) const VIRTUAL_SERVER: &[Keyword] = VIRTUAL_SERVER_OWN_ROWS;
/// Words of a real server.
pub(super) const SERVER: &[Keyword] = SERVER_OWN_ROWS;
/// Checks of a real server.
pub(super) const REAL_SERVER: &[Keyword] = REAL_SERVER_OWN_ROWS;
/// Words of checks that make a TCP connection.
pub(super) const OVER_TCP: &[Keyword] = OVER_TCP_ROWS;
/// Words of `SSL_GET`, and of `GRPC_CHECK` with TLS.
pub(super) const SSL_GET: &[Keyword] = SSL_GET_OWN_ROWS;
/// Words of `global_defs`.
pub(super) const GLOBAL: &[Keyword] = GLOBAL_OWN_ROWS;
/// Words of `vrrp_instance`.
pub(super) const INSTANCE: &[Keyword] = INSTANCE_OWN_ROWS;
