//! The table: virtual servers, real servers and their checks.

use super::{Args::*, Block, Family, Form, Keyword, MAX_SECONDS, Standing::*, rows};

/// Compile options of PCRE2, by their names there.
const REGEX_OPTIONS: &[&str] = &[
    "allow_empty_class",
    "alt_bsux",
    "alt_circumflex",
    "alt_verbnames",
    "auto_callout",
    "caseless",
    "dollar_endonly",
    "dotall",
    "dupnames",
    "extended",
    "firstline",
    "match_unset_backref",
    "multiline",
    "never_backslash_c",
    "never_ucp",
    "never_utf",
    "no_auto_capture",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "ucp",
    "ungreedy",
    "use_offset_limit",
    "utf",
];
/// The schedulers of IPVS.
const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"];
rows! {
/// Words of `virtual_server`.
VIRTUAL_SERVER_ROWS:
    "ip_family" OneOf(&["inet", "inet6"]), "inet|inet6", "", "from address; fwmark: from real servers, else inet",
        Acts;
        "Address family of a fwmark service."
    "retry" Int(1, 4_294_967_295), "INT", "1..4294967295", "per checker type", Acts;
        "Extra tries before failure, default for real servers."
    "delay_before_retry" Seconds(0, MAX_SECONDS), "SECONDS(dec)", "0 or more", "per checker type", Acts;
        "Wait before a retry, default for real servers."
    "warmup" Seconds(0, MAX_SECONDS), "SECONDS(dec)", "0 or more", "delay_loop", Acts;
        "Upper bound of the random initial delay, default for real servers."
    "connect_timeout" Seconds(1, 4_294_967_295), "SECONDS(dec)", "0.000001..4294.967295", "5", Acts;
        "Connection timeout, default for real servers."
    "delay_loop" Seconds(1, MAX_SECONDS), "SECONDS(dec)", "0.000001 or more", "60", Acts;
        "Time between checks, default for real servers."
    "inhibit_on_failure" Switch, "", "flag; argument ignored", "off", Acts;
        "Set weight 0 instead of removing failed servers, default for real servers."
    "lb_algo" Custom, "SCHEDULER", "", "", SameAs("lvs_sched");
        "Another name of lvs_sched."
    "lvs_sched" OneOf(SCHEDULERS), "rr|wrr|lc|wlc|lblc|sh|mh|dh|fo|ovf|lblcr|sed|nq|twos", "", "wlc (with a message)",
        Acts;
        "IPVS scheduler."
    "hashed" Flag, "", "", "", Obsolete("it never had an effect");
        "Old flag."
    "ops" Flag, "", "flag", "off", Acts;
        "One-packet scheduling."
    "flag-1" Flag, "", "flag", "off", Acts;
        "Scheduler flag 1."
    "flag-2" Flag, "", "flag", "off", Acts;
        "Scheduler flag 2."
    "flag-3" Flag, "", "flag", "off", Acts;
        "Scheduler flag 3."
    "sh-port" Flag, "", "flag", "off", Acts;
        "sh scheduler: port."
    "sh-fallback" Flag, "", "flag", "off", Acts;
        "sh scheduler: fallback."
    "mh-port" Flag, "", "flag", "off", Acts;
        "mh scheduler: port."
    "mh-fallback" Flag, "", "flag", "off", Acts;
        "mh scheduler: fallback."
    "lb_kind" Custom, "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", "", "", SameAs("lvs_method");
        "Another name of lvs_method."
    "lvs_method" Custom, "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", "port 1..65535",
        "NAT (with a message)", Acts;
        "Forwarding method, default for real and sorry servers."
    "persistence_engine" Word, "NAME", "max 16 characters, truncated", "none", Acts;
        "Persistence engine (sip)."
    "persistence_timeout" OptInt(1, 2_678_400), "[SECONDS(int)]", "1..2678400", "off; no argument = 360", Acts;
        "Persistence timeout."
    "persistence_granularity" Word, "NETMASK|PREFIXLEN", "IPv4 dotted mask (need not be contiguous) or IPv6 1..128",
        "255.255.255.255 / 128", Acts;
        "Persistence grouping."
    "protocol" OneOfIgnoreCase(&["TCP", "UDP", "SCTP"]), "TCP|UDP|SCTP", "case-insensitive",
        "UDP (with a message) for address services", Acts;
        "Transport protocol."
    "ha_suspend" Switch, "", "flag; not for marks", "off", Acts;
        "Run checks only while the service address, or one of those of its group, is on this host."
    "smtp_alert" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "smtp_alert_checker, else smtp_alert, else off", Acts;
        "Mail on quorum changes."
    "virtualhost" Word, "STRING", "", "none", Acts;
        "Default Host header for HTTP checks."
    "snmp_name" Word, "STRING", "exactly one word", "none", NotYet("there is no SNMP agent");
        "Name shown by SNMP."
    "alpha" Switch, "", "flag; argument ignored", "off", Acts;
        "Start with servers down until checked."
    "omega" Flag, "", "flag", "off", Acts;
        "Run down notifications at shutdown."
    "quorum_up" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script when quorum is gained."
    "quorum_down" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script when quorum is lost."
    "quorum" Int(1, 4_294_967_295), "INT", "1..4294967295; reduced to the total weight", "1", Acts;
        "Live weight needed."
    "hysteresis" Int(0, 4_294_967_295), "INT", "0..4294967295; forced below quorum", "0", Acts;
        "Slack around quorum."
    "weight" Int(1, 2_147_483_647), "INT", "1..2147483647", "1", Acts;
        "Default real server weight."
    "sorry_server" Words(1, 2), "IPADDR [PORT]", "PORT 1..65535 or 0 = service port", "none", Acts;
        "Server used when quorum is lost."
    "sorry_server_inhibit" Flag, "", "flag", "off", Acts;
        "Inhibit behaviour for the sorry server."
    "sorry_server_lvs_method" Custom, "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", "",
        "lvs_method at the time of sorry_server", Acts;
        "Forwarding method of the sorry server."
    "real_server" HeadedBlock(&REAL_SERVER), "IPADDR [PORT] { }", "PORT 1..65535; 0 or none = service port", "", Acts;
        "One real server."
}

/// `virtual_server`
pub(super) static VIRTUAL_SERVER: Block =
    Block { path: "virtual_server", keywords: &[VIRTUAL_SERVER_ROWS, super::ours::VIRTUAL_SERVER] };

rows! {
/// Words of `virtual_server/real_server`.
REAL_SERVER_ROWS:
    "weight" Int(0, 2_147_483_647), "INT", "0..2147483647", "virtual_server weight", Acts;
        "Initial weight."
    "lvs_method" Custom, "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", "",
        "virtual_server lvs_method", Acts;
        "Forwarding method."
    "uthreshold" Int(0, 4_294_967_295), "INT", "0..4294967295", "0 (none)", Acts;
        "Upper connection threshold."
    "lthreshold" Int(0, 4_294_967_295), "INT", "0..4294967295", "0 (none)", Acts;
        "Lower connection threshold."
    "inhibit_on_failure" Switch, "[on|off|true|false|yes|no]", "no argument = on", "virtual_server setting", Acts;
        "Set weight 0 instead of removing on failure."
    "notify_up" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script when the server comes up."
    "notify_down" Script, "SCRIPT [USER [[:]GROUP]]", "", "none", Acts;
        "Script when the server goes down."
    "alpha" Switch, "[on|off|true|false|yes|no]", "no argument = on", "virtual_server setting", Acts;
        "Start down until checked."
    "retry" Int(1, 4_294_967_295), "INT", "1..4294967295", "virtual_server setting", Acts;
        "Extra tries before failure, default for checkers."
    "delay_before_retry" Seconds(0, MAX_SECONDS), "SECONDS(dec)", "0 or more", "virtual_server setting", Acts;
        "Wait before a retry, default for checkers."
    "warmup" Seconds(0, MAX_SECONDS), "SECONDS(dec)", "0 or more", "virtual_server setting", Acts;
        "Random initial delay bound, default for checkers."
    "connect_timeout" Seconds(1, 4_294_967_295), "SECONDS(dec)", "0.000001..4294.967295", "virtual_server setting",
        Acts;
        "Connection timeout, default for checkers."
    "delay_loop" Seconds(1, MAX_SECONDS), "SECONDS(dec)", "0.000001 or more", "virtual_server setting", Acts;
        "Time between checks, default for checkers."
    "smtp_alert" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "smtp_alert_checker, else smtp_alert, else on", Acts;
        "Mail on state changes."
    "virtualhost" Word, "STRING", "", "virtual_server setting", Acts;
        "Host header for HTTP checks."
    "snmp_name" Word, "STRING", "exactly one word", "none", NotYet("there is no SNMP agent");
        "Name shown by SNMP."
    "MISC_CHECK" Block(&MISC_CHECK), "{ }", "", "", Acts;
        "Run a program."
    "SMTP_CHECK" Block(&SMTP_CHECK), "{ }", "", "", Acts;
        "SMTP greeting and HELO."
    "TCP_CHECK" Block(&TCP_CHECK), "{ }", "", "", Acts;
        "TCP connection."
    "PING_CHECK" Block(&PING_CHECK), "{ }", "", "", Acts;
        "ICMP echo."
    "UDP_CHECK" Block(&UDP_CHECK), "{ }", "", "", Acts;
        "UDP probe."
    "HTTP_GET" Block(&HTTP_GET), "{ }", "", "", Acts;
        "HTTP request."
    "SSL_GET" Block(&SSL_GET), "{ }", "", "", Acts;
        "HTTPS request."
    "DNS_CHECK" Block(&DNS_CHECK), "{ }", "", "", Acts;
        "DNS query over UDP."
    "FILE_CHECK" Block(&FILE_CHECK), "{ }", "", "", Acts;
        "Follow a track_file: the number in it, times the weight, is added to the server's; without a weight, any but 0 means \
         that the server is not well."
    "BFD_CHECK" Block(&BFD_CHECK), "{ }", "", "", Acts;
        "Follow a BFD instance."
}

/// Words of a real server, also of one that is found somewhere.
pub(super) const SERVER: &[Keyword] = REAL_SERVER_ROWS;

/// `virtual_server/real_server`
pub(super) static REAL_SERVER: Block = Block {
    path: "virtual_server/real_server",
    keywords: &[REAL_SERVER_ROWS, super::ours::SERVER, super::ours::REAL_SERVER],
};

rows! {
/// Words of `SSL`.
SSL_ROWS:
    "password" Secret, "STRING", "", "none", Acts;
        "Password of the private key, if it is encrypted (PKCS #8)."
    "ca" Word, "PATH", "", "the system's", Acts;
        "File with the authorities that tls_verify believes (PEM); without tls_verify any certificate will do."
    "certificate" Word, "PATH", "", "none", Acts;
        "Certificate chain file (PEM)."
    "key" Word, "PATH", "", "in the file of certificate", Acts;
        "Private key file (PEM)."
}

/// `SSL`
pub(super) static SSL: Block = Block { path: "SSL", keywords: &[SSL_ROWS] };

rows! {
/// Where a check connects to, and from where.
CONNECT_ROWS:
    "connect_ip" Ip(Family::Any), "IPADDR", "", "real server address", Acts;
        "Address to check."
    "connect_port" Int(1, 65_535), "PORT", "1..65535", "real server port", Acts;
        "Port to check."
    "bindto" Ip(Family::Any), "IPADDR", "", "none", Acts;
        "Local address."
    "bind_port" Int(1, 65_535), "PORT", "1..65535", "none", Acts;
        "Local port."
    "bind_if" Device, "IFNAME", "max 15 characters", "none", Acts;
        "Local interface."
    "connect_timeout" Seconds(1, 4_294_967_295), "SECONDS(dec)", "0.000001..4294.967295", "real_server setting", Acts;
        "Timeout of one check."
    "fwmark" Int(0, 4_294_967_295), "UINT", "0..4294967295", "0 (none)", Acts;
        "Mark on check packets."
}

rows! {
/// How often a check runs, and how patient it is.
PACE_ROWS:
    "retry" Int(0, 4_294_967_295), "INT", "0..4294967295", "real_server, else 1", Acts;
        "Extra tries before failure."
    "delay_before_retry" Seconds(0, MAX_SECONDS), "SECONDS(dec)", "0 or more", "real_server, else 1 s", Acts;
        "Wait before a retry."
    "warmup" Seconds(0, MAX_SECONDS), "SECONDS(dec)", "0 or more", "real_server, else delay_loop", Acts;
        "Random initial delay bound, added to a fixed 1 s."
    "delay_loop" Seconds(1, MAX_SECONDS), "SECONDS(dec)", "0.000001 or more", "real_server setting", Acts;
        "Time between checks."
    "alpha" Switch, "[on|off|true|false|yes|no]", "no argument = on", "real_server setting", Acts;
        "Start failed until the first success."
    "log_all_failures" Switch, "[on|off|true|false|yes|no]", "no argument = on",
        "off (checker_log_all_failures also enables)", Acts;
        "Log every failed try."
}

/// Where a check connects to, and from where.
pub(super) const CONNECT: &[Keyword] = CONNECT_ROWS;
/// How often a check runs, and how patient it is.
pub(super) const PACE: &[Keyword] = PACE_ROWS;

/// `virtual_server/real_server/TCP_CHECK`
pub(super) static TCP_CHECK: Block =
    Block { path: "virtual_server/real_server/TCP_CHECK", keywords: &[CONNECT, PACE, super::ours::OVER_TCP] };

rows! {
/// Words of `MISC_CHECK` alone.
MISC_ROWS:
    "misc_path" Program, "COMMAND", "", "required", Acts;
        "Program and arguments."
    "misc_timeout" Int(0, 4_294), "SECONDS(int)", "0..4294; 0 = default", "virtual_server delay_loop", Acts;
        "Time allowed."
    "misc_dynamic" Switch, "", "flag; argument ignored", "off", Acts;
        "Exit code adjusts the weight."
    "user" User, "USER [[:]GROUP]", "", "script_user", Acts;
        "User for the program."
}

/// `virtual_server/real_server/MISC_CHECK`
pub(super) static MISC_CHECK: Block =
    Block { path: "virtual_server/real_server/MISC_CHECK", keywords: &[PACE, MISC_ROWS] };

rows! {
/// Words of `HTTP_GET` and `SSL_GET`.
HTTP_ROWS:
    "nb_get_retry" Custom, "INT", "0..4294967295", "", OldName("retry");
        "Another name of retry."
    "virtualhost" Word, "STRING", "", "real_server, else virtual_server", Acts;
        "Host header."
    "http_protocol" OneOf(&["1.0", "1.0C", "1.0c", "1.1", "2"]), "1.0|1.0C|1.0c|1.1|2", "", "1.0", Acts;
        "Request version; 1.0C adds Connection: close. 2 is vipd's own: HTTP/2, agreed on in the TLS handshake (ALPN) or, without \
         TLS, spoken at once."
    "enable_sni" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Send SNI (virtualhost) in TLS."
    "sni_name" OptWord, "[NAME]", "", "virtualhost", Acts;
        "SNI to send; also enables SNI."
    "fast_recovery" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off",
        Obsolete("each run fetches all URLs, one right after the other");
        "No delay between URLs while recovering."
    "url" Block(&URL), "{ }", "", "required", Acts;
        "One URL to fetch."
}

/// `virtual_server/real_server/HTTP_GET`
pub(super) static HTTP_GET: Block =
    Block { path: "virtual_server/real_server/HTTP_GET", keywords: &[CONNECT, PACE, HTTP_ROWS, super::ours::OVER_TCP] };

rows! {
/// Words of `SSL_GET` alone.
SSL_GET_ROWS:
    "tls_compliant" Switch, "[on|off|true|false|yes|no]", "no argument = on", "off", Acts;
        "Send close_notify when closing."
}

/// `virtual_server/real_server/SSL_GET`
pub(super) static SSL_GET: Block = Block {
    path: "virtual_server/real_server/SSL_GET",
    keywords: &[CONNECT, PACE, HTTP_ROWS, SSL_GET_ROWS, super::ours::OVER_TCP, super::ours::SSL_GET],
};

rows! {
/// Words of `url`.
URL_ROWS:
    "path" Word, "STRING", "", "required", Acts;
        "Request path."
    "digest" Word, "MD5HEX", "exactly 32 hex digits", "none", Acts;
        "Expected MD5 of the body."
    "status_code" Words(1, 64), "CODE|CODE-CODE...", "100..599", "200-299", Acts;
        "Accepted status codes."
    "virtualhost" Word, "STRING", "", "checker setting", Acts;
        "Host header for this URL."
    "regex" Regex, "STRING", "PCRE2; a backslash is written twice", "none", Acts;
        "Pattern that something in the body must match: in its first MiB, chunks joined."
    "regex_no_match" Flag, "", "flag", "off", Acts;
        "Invert the match: nothing in the body may match."
    "regex_options" EachOf(REGEX_OPTIONS), "OPTION...", "", "none", Acts;
        "PCRE2 options."
    "regex_min_offset" Int(0, 4_294_967_295), "INT", "", "0", Acts;
        "Bytes of the body in front of the first place where a match may begin."
    "regex_max_offset" Int(0, 4_294_967_295), "INT", "", "unlimited", Acts;
        "Bytes of the body in front of the last place where a match may begin."
    "regex_stack" Ints(2, 1, 1_073_741_824), "START MAX", "bytes, START<=MAX", "library default",
        Obsolete("the search needs no stack; it is given up after a million steps back at one place");
        "JIT stack size; largest of all wins."
    "tls_compliant" Switch, "[on|off|true|false|yes|no]", "no argument = on", "checker setting", Acts;
        "Send close_notify when closing (SSL_GET)."
}

/// `virtual_server/real_server/HTTP_GET/url`
pub(super) static URL: Block = Block { path: "virtual_server/real_server/HTTP_GET/url", keywords: &[URL_ROWS] };

rows! {
/// Words of `SMTP_CHECK` alone.
SMTP_ROWS:
    "helo_name" Word, "STRING", "", "smtpchecker.keepalived.org", Acts;
        "Name sent in HELO."
    "host" Block(&SMTP_HOST), "{ }", "", "", Acts;
        "Extra target, old style."
}

/// `virtual_server/real_server/SMTP_CHECK`
pub(super) static SMTP_CHECK: Block = Block {
    path: "virtual_server/real_server/SMTP_CHECK",
    keywords: &[CONNECT, PACE, SMTP_ROWS, super::ours::OVER_TCP],
};

rows! {
/// Words of `DNS_CHECK` alone.
DNS_ROWS:
    "type" OneOfIgnoreCase(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"]),
        "A|NS|CNAME|SOA|MX|TXT|AAAA|RRSIG|DNSKEY", "case-insensitive", "SOA", Acts;
        "Query type."
    "name" Form(Form::Domain), "STRING", "no empty labels", "root (empty)", Acts;
        "Query name."
}

/// `virtual_server/real_server/DNS_CHECK`
pub(super) static DNS_CHECK: Block =
    Block { path: "virtual_server/real_server/DNS_CHECK", keywords: &[CONNECT, PACE, DNS_ROWS] };

rows! {
/// Words of `UDP_CHECK` alone.
UDP_ROWS:
    "payload" Hex, "HEXSTR", "words joined; odd digit groups allowed", "random data", Acts;
        "Datagram content."
    "require_reply" HexPattern, "[HEXSTR]", "x/X = ignored nibble", "off", Acts;
        "Need a reply, optionally matching a prefix."
    "min_reply_length" Int(0, 65_535), "INT", "0..65535", "0", Acts;
        "Shortest accepted reply."
    "max_reply_length" Int(0, 65_535), "INT", "0..65535", "255", Acts;
        "Longest accepted reply."
}

/// `virtual_server/real_server/UDP_CHECK`
pub(super) static UDP_CHECK: Block =
    Block { path: "virtual_server/real_server/UDP_CHECK", keywords: &[CONNECT, PACE, UDP_ROWS] };

/// `virtual_server/real_server/SMTP_CHECK/host`
pub(super) static SMTP_HOST: Block =
    Block { path: "virtual_server/real_server/SMTP_CHECK/host", keywords: &[CONNECT, PACE, super::ours::OVER_TCP] };

/// `virtual_server/real_server/PING_CHECK`
pub(super) static PING_CHECK: Block =
    Block { path: "virtual_server/real_server/PING_CHECK", keywords: &[CONNECT, PACE] };

rows! {
/// Words of `FILE_CHECK`.
FILE_ROWS:
    "track_file" Word, "NAME", "defined earlier", "required", Acts;
        "track_file to follow."
    "weight" Weight(-2_147_483_647, 2_147_483_647), "INT [reverse|noreverse]", "-2147483647..2147483647",
        "track_file setting", Acts;
        "Multiplier for the file value."
}

/// `virtual_server/real_server/FILE_CHECK`
pub(super) static FILE_CHECK: Block = Block { path: "virtual_server/real_server/FILE_CHECK", keywords: &[FILE_ROWS] };

rows! {
/// Words of `BFD_CHECK`.
BFD_ROWS:
    "name" Word, "NAME", "defined earlier; max 31 characters", "required", Acts;
        "BFD instance to follow."
    "alpha" Switch, "[on|off|true|false|yes|no]", "no argument = on", "real_server setting", Acts;
        "Start failed until the BFD instance is up."
}

/// `virtual_server/real_server/BFD_CHECK`
pub(super) static BFD_CHECK: Block = Block { path: "virtual_server/real_server/BFD_CHECK", keywords: &[BFD_ROWS] };
