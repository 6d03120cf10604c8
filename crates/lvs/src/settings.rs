//! What a virtual server, its real servers and their checks are told to be. Pure data: the configuration lowers to these
//! types; every value here is already in range and every default filled in.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Transport protocol of a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

/// Address family of a firewall-mark service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Family {
    /// IPv4
    Inet,
    /// IPv6
    Inet6,
}

/// What the kernel identifies one of its services by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ServiceKey {
    /// Address, protocol and port (0: every port).
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Port, 0 for every port.
        port: u16,
    },
    /// Packets that the firewall marked.
    Fwmark {
        /// The mark, never 0.
        mark: u32,
        /// Family of the packets.
        family: Family,
    },
}

impl fmt::Display for ServiceKey {
    /// keepalived's form, as its log and its FIFO show it: `[192.0.2.1]:tcp:80`, `FWM 3`. One mark may stand for a service
    /// of each family, so that of IPv6 says so: `FWM 3 IPv6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address { protocol, address, port } => write!(f, "[{address}]:{protocol}:{port}"),
            ServiceKey::Fwmark { mark, family: Family::Inet } => write!(f, "FWM {mark}"),
            ServiceKey::Fwmark { mark, family: Family::Inet6 } => write!(f, "FWM {mark}{IPV6_MARK}"),
        }
    }
}

/// `lvs_sched`: the kernel's schedulers by their names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the variants are the kernel's own names
pub enum Scheduler {
    Rr,
    Wrr,
    Lc,
    Wlc,
    Lblc,
    Lblcr,
    Sh,
    Mh,
    Dh,
    Fo,
    Ovf,
    Sed,
    Nq,
    Twos,
}

impl Scheduler {
    /// Every scheduler and the name that the kernel and the configuration know it by.
    pub const ALL: [(Scheduler, &'static str); 14] = [
        (Scheduler::Rr, "rr"),
        (Scheduler::Wrr, "wrr"),
        (Scheduler::Lc, "lc"),
        (Scheduler::Wlc, "wlc"),
        (Scheduler::Lblc, "lblc"),
        (Scheduler::Lblcr, "lblcr"),
        (Scheduler::Sh, "sh"),
        (Scheduler::Mh, "mh"),
        (Scheduler::Dh, "dh"),
        (Scheduler::Fo, "fo"),
        (Scheduler::Ovf, "ovf"),
        (Scheduler::Sed, "sed"),
        (Scheduler::Nq, "nq"),
        (Scheduler::Twos, "twos"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Scheduler::ALL.iter().find(|(s, _)| *s == self).map_or("", |(_, n)| n)
    }
}

/// Scheduler flags 1 to 3 and one-packet scheduling, as `IP_VS_SVC_F_*` bits (linux/ip_vs.h): 4 one-packet, 8 flag-1
/// (`sh-fallback`, `mh-fallback`), 16 flag-2 (`sh-port`, `mh-port`), 32 flag-3. The persistent bit (1) is not kept here:
/// `persistence` says it.
pub type ServiceFlags = u32;

/// Encapsulation of tunnelled packets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // protocol names
pub enum Tunnel {
    Ipip,
    Gue { port: u16, checksum: TunnelChecksum },
    Gre { checksum: TunnelChecksum },
}

/// Checksum of a tunnel header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TunnelChecksum {
    /// `nocsum`
    None,
    /// `csum`
    Full,
    /// `remcsum`
    Remote,
}

/// `lvs_method`: how packets reach a real server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Forwarding {
    /// NAT: the director rewrites both ways.
    Nat,
    /// Direct routing: only the link address changes.
    Dr,
    /// Tunnelled.
    Tun(Tunnel),
}

/// `persistence_timeout` and what goes with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Persistence {
    /// Seconds, 1..=2678400.
    pub timeout: u32,
    /// `persistence_granularity`: IPv4 mask (host order), or IPv6 prefix length; `None`: the whole address.
    pub granularity: Option<u32>,
    /// `persistence_engine`
    pub engine: Option<String>,
}

/// What follows the name of a service of marked IPv6 packets.
const IPV6_MARK: &str = " IPv6";

/// What the operator calls a virtual server; unique in a configuration. keepalived's form: `[192.0.2.1]:tcp:80`, `FWM 3`,
/// and for a group `[GROUP]:N` with N its position among the users of that group. Ours is `FWM 3 IPv6` for a mark of IPv6
/// packets, which keepalived calls `FWM 3` as well.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VirtualServerId(pub String);

impl VirtualServerId {
    /// keepalived's name for it, which scripts and readers of a FIFO know; not unique where one mark stands for a service of
    /// each family.
    pub fn original(&self) -> &str {
        let mark = self.0.strip_suffix(IPV6_MARK).filter(|rest| rest.starts_with("FWM "));
        mark.unwrap_or(&self.0)
    }
}

impl fmt::Display for VirtualServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `virtual_server`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VirtualServer {
    /// Its name.
    pub id: VirtualServerId,
    /// The kernel services it stands for: one, or one for each entry of its group. Never empty.
    pub keys: Vec<ServiceKey>,
    /// Transport protocol (for a fwmark service: TCP, as in the kernel).
    pub protocol: Protocol,
    /// `lvs_sched`
    pub scheduler: Scheduler,
    /// Scheduler flags and one-packet scheduling.
    pub flags: ServiceFlags,
    /// `persistence_timeout`, or `None`.
    pub persistence: Option<Persistence>,
    /// `quorum`, at least 1, at most the sum of the configured weights.
    pub quorum: u32,
    /// `hysteresis`, below `quorum`.
    pub hysteresis: u32,
    /// `alpha`: servers start down until a check has passed.
    pub alpha: bool,
    /// `omega`: down and quorum-lost notifications at a stop.
    pub omega: bool,
    /// `ha_suspend`: nothing is checked while none of its addresses is on this host. Never where it has marks alone.
    pub ha_suspend: bool,
    /// `sorry_server`
    pub sorry: Option<SorryServer>,
    /// `real_server`s in the order of the file; unique by address.
    pub real_servers: Vec<RealServer>,
}

/// `sorry_server`: serves when the quorum is lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SorryServer {
    /// Address and port (0 for a service of every port or a fwmark).
    pub address: SocketAddr,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: stays in the table with weight 0 instead of leaving it.
    pub inhibit: bool,
}

/// One `real_server`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RealServer {
    /// Address and port (0 for a service of every port or a fwmark).
    pub address: SocketAddr,
    /// `lvs_method`
    pub forwarding: Forwarding,
    /// `weight`, 0..=2147483647.
    pub weight: u32,
    /// `uthreshold`: connections above which nothing new is sent; 0: none.
    pub upper_threshold: u32,
    /// `lthreshold`
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 instead of removal.
    pub inhibit_on_failure: bool,
    /// `slow_start`: for so long its share of new connections grows when it comes back; 0: it has the whole at once, as always
    /// where the scheduler does not go by weights.
    pub slow_start: Duration,
    /// Its checks; none: always alive.
    pub checkers: Vec<Checker>,
    /// What an operator leaves to it.
    pub duty: Duty,
}

impl VirtualServer {
    /// Whether any real server is checked.
    pub fn is_checked(&self) -> bool {
        self.real_servers.iter().any(|real| !real.checkers.is_empty())
    }

    /// The addresses of which one must be on this host for its checks to run; none: they always do.
    pub fn awaited(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.keys.iter().filter(|_| self.ha_suspend).filter_map(|key| match key {
            ServiceKey::Address { address, .. } => Some(*address),
            ServiceKey::Fwmark { .. } => None,
        })
    }
}

impl RealServer {
    /// Another server that is checked and reached as this one. Checks that went to this one's address go to the other's; it
    /// gets nothing before they have passed.
    pub fn like(&self, address: SocketAddr) -> RealServer {
        let one = |checker: &Checker| {
            let target = match checker.target {
                target if target == self.address => address,
                target if target.ip() == self.address.ip() => SocketAddr::new(address.ip(), target.port()),
                elsewhere => elsewhere,
            };
            Checker { target, alpha: true, ..checker.clone() }
        };
        RealServer { address, checkers: self.checkers.iter().map(one).collect(), duty: Duty::Serving, ..self.clone() }
    }
}

/// What an operator leaves to a real server, whatever its checks say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Duty {
    /// Everything.
    #[default]
    Serving,
    /// The connections that it has: weight 0, also where a sorry server serves.
    Draining,
    /// Nothing: it leaves the table.
    Down,
}

/// One check of a real server: when, how often, how patient, and of which kind.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Checker {
    /// What is probed.
    pub probe: Probe,
    /// Where it connects to: `connect_ip`/`connect_port`, else the real server. Unused by `Probe::Misc`,
    /// `Probe::Bfd` and `Probe::File`.
    pub target: SocketAddr,
    /// `bindto` and `bind_port` (port 0: any).
    pub bind: Option<SocketAddr>,
    /// `bind_if`
    pub bind_device: Option<String>,
    /// `fwmark` of the probe's packets; 0: none.
    pub fwmark: u32,
    /// `reset_close`: a TCP connection is closed by a reset.
    pub reset_close: bool,
    /// `connect_timeout`
    pub timeout: Duration,
    /// `delay_loop`: from one run to the next.
    pub delay_loop: Duration,
    /// `retry`: failures tolerated while up.
    pub retry: u32,
    /// `delay_before_retry`
    pub delay_before_retry: Duration,
    /// `warmup`: the first run is spread over this time (never used to delay a first run by more than it).
    pub warmup: Duration,
    /// `alpha`: starts failed.
    pub alpha: bool,
    /// `log_all_failures`: a failure that a retry may still mend is logged, too.
    pub log_all_failures: bool,
}

impl Checker {
    /// The configuration's word for its kind.
    pub fn kind(&self) -> &'static str {
        match &self.probe {
            Probe::Tcp => "TCP_CHECK",
            Probe::Http(http) if http.tls.is_some() => "SSL_GET",
            Probe::Http(_) => "HTTP_GET",
            Probe::Smtp(_) => "SMTP_CHECK",
            Probe::Dns(_) => "DNS_CHECK",
            Probe::Udp(_) => "UDP_CHECK",
            Probe::Ping => "PING_CHECK",
            Probe::Misc(_) => "MISC_CHECK",
            Probe::Bfd(_) => "BFD_CHECK",
            Probe::File(_) => "FILE_CHECK",
            Probe::Agent(_) => "AGENT_CHECK",
            Probe::Grpc(_) => "GRPC_CHECK",
        }
    }

    /// Whether a run of the one answers what a run of the other asks: they differ in pace and patience at most.
    pub fn asks_the_same_as(&self, other: &Checker) -> bool {
        let probe = match (&self.probe, &other.probe) {
            (Probe::Misc(one), Probe::Misc(two)) => one.argv == two.argv,
            (one, two) => one == two,
        };
        probe
            && self.target == other.target
            && self.bind == other.bind
            && self.bind_device == other.bind_device
            && self.fwmark == other.fwmark
            && self.reset_close == other.reset_close
    }
}

/// The kinds of checks. Many checks of one file ask the same, and share it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Probe {
    /// `TCP_CHECK`
    Tcp,
    /// `HTTP_GET`, `SSL_GET`
    Http(Arc<HttpProbe>),
    /// `SMTP_CHECK`: the name sent in HELO.
    Smtp(Arc<str>),
    /// `DNS_CHECK`
    Dns(Arc<DnsProbe>),
    /// `UDP_CHECK`
    Udp(Arc<UdpProbe>),
    /// `PING_CHECK`. The port of the target counts for nothing.
    Ping,
    /// `MISC_CHECK`
    Misc(Arc<MiscProbe>),
    /// `BFD_CHECK`: the BFD session of that name. Nothing is sent to the server.
    Bfd(String),
    /// `FILE_CHECK`: the number in a file. Nothing is sent to the server.
    File(Arc<FileProbe>),
    /// `AGENT_CHECK`: `agent_send`, what is said to the agent; empty: nothing.
    Agent(Arc<str>),
    /// `GRPC_CHECK`
    Grpc(Arc<GrpcProbe>),
}

impl Probe {
    /// Whether a run asks somebody: the server, or a program. The others are known without.
    pub fn asks(&self) -> bool {
        match self {
            Probe::Tcp
            | Probe::Http(_)
            | Probe::Smtp(_)
            | Probe::Dns(_)
            | Probe::Udp(_)
            | Probe::Ping
            | Probe::Agent(_)
            | Probe::Grpc(_)
            | Probe::Misc(_) => true,
            Probe::Bfd(_) | Probe::File(_) => false,
        }
    }
}

/// `DNS_CHECK`: a question.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct DnsProbe {
    /// `name`: labels with dots between them; empty: the root.
    pub name: String,
    /// `type`
    pub kind: RecordType,
}

/// Types of DNS records that can be asked for (RFC 1035, 3.2.2; RFC 3596; RFC 4034).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the field's own names
pub enum RecordType {
    A,
    Ns,
    Cname,
    Soa,
    Mx,
    Txt,
    Aaaa,
    Rrsig,
    Dnskey,
}

impl RecordType {
    /// Every type, its name in the configuration, and its number on the wire.
    pub const ALL: [(RecordType, &'static str, u16); 9] = [
        (RecordType::A, "A", 1),
        (RecordType::Ns, "NS", 2),
        (RecordType::Cname, "CNAME", 5),
        (RecordType::Soa, "SOA", 6),
        (RecordType::Mx, "MX", 15),
        (RecordType::Txt, "TXT", 16),
        (RecordType::Aaaa, "AAAA", 28),
        (RecordType::Rrsig, "RRSIG", 46),
        (RecordType::Dnskey, "DNSKEY", 48),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        RecordType::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// Its number on the wire.
    pub fn number(self) -> u16 {
        RecordType::ALL.iter().find(|(kind, ..)| *kind == self).map_or(0, |(.., number)| *number)
    }
}

/// `UDP_CHECK`: what is sent and what must come back.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct UdpProbe {
    /// `payload`; `None`: 32 bytes that mean nothing.
    pub payload: Option<Vec<u8>>,
    /// `require_reply`, `min_reply_length`, `max_reply_length`
    pub reply: UdpReply,
}

/// What must come back.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum UdpReply {
    /// Nothing need come.
    Optional,
    /// Any datagram.
    Any,
    /// One that begins like this.
    Like {
        /// The first bytes.
        bytes: Vec<u8>,
        /// Which bits of them count; as many bytes.
        mask: Vec<u8>,
        /// Bytes at least.
        min: u16,
        /// Bytes at most.
        max: u16,
    },
}

/// `FILE_CHECK`: the number in a file decides, or is added to the weight.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct FileProbe {
    /// `track_file`: its name in the configuration.
    pub file: String,
    /// `weight`, with either sign: so many times the number is added. 0: any number but 0 means that the server is not well.
    pub weight: i32,
    /// `reverse`: the sign of what is added is turned around; without a weight, 0 means that the server is not well.
    pub reverse: bool,
}

impl FileProbe {
    /// What the number adds to the weight of the server; `None`: the server is not well.
    pub fn adds(&self, number: i64) -> Option<i64> {
        /// What adds less than 32 bits hold means that the server is not well.
        const LEAST: i64 = i32::MIN as i64;
        if self.weight == 0 {
            return ((number == 0) != self.reverse).then_some(0);
        }
        let sum = number.saturating_mul(self.weight.into());
        let sum = if self.reverse { sum.saturating_neg() } else { sum };
        (sum > LEAST).then(|| sum.min(i32::MAX.into()))
    }
}

/// `HTTP_GET` and `SSL_GET`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HttpProbe {
    /// `Some` for `SSL_GET`.
    pub tls: Option<TlsProbe>,
    /// `http_protocol`
    pub version: HttpVersion,
    /// The URLs, tested one after the other; never empty.
    pub urls: Vec<UrlProbe>,
}

/// `GRPC_CHECK`: a question of gRPC's health checking protocol.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct GrpcProbe {
    /// `Some` with `enable_tls`.
    pub tls: Option<TlsProbe>,
    /// `service`; empty: the server as a whole.
    pub service: String,
    /// The server's name: `virtualhost` of the checker, real or virtual server; `None`: address and port connected to.
    pub host: Option<String>,
}

/// The TLS part of `SSL_GET` and `GRPC_CHECK`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct TlsProbe {
    /// What name is sent in the handshake.
    pub sni: Sni,
    /// `tls_verify`; `None`: any certificate will do.
    pub verify: Option<Authorities>,
    /// `tls_expiry_warning`: days before the end of the certificate from which on that is told.
    pub expiry_warning: Option<u32>,
}

/// What name a client sends in the handshake.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Sni {
    /// None.
    #[default]
    Nothing,
    /// `enable_sni`: the host that is asked for behind it, each time.
    Host,
    /// `sni_name`
    Name(String),
}

/// Who may have signed a server's certificate.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Authorities {
    /// `ca` of `SSL`, else those that the system trusts.
    Usual,
    /// Those in this file.
    File(String),
}

/// `http_protocol`
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum HttpVersion {
    /// `1.0`
    #[default]
    V10,
    /// `1.0C`: 1.0 with `Connection: close`.
    V10Close,
    /// `1.1`
    V11,
    /// `2`
    V2,
}

/// One `url`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct UrlProbe {
    /// `path`
    pub path: String,
    /// Host header: `virtualhost` of the URL, checker, real or virtual server; `None`: address and port connected to.
    pub host: Option<String>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `status_code`: accepted ranges, both ends included; empty: 200..=299.
    pub status: Vec<(u16, u16)>,
    /// `regex` and what goes with it.
    pub pattern: Option<BodyPattern>,
    /// `tls_compliant`: the server is told of the end (`close_notify`).
    pub close_notify: bool,
}

/// `regex`: what must be found in a body, or must not.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BodyPattern {
    /// `regex`, in the language of PCRE2; what the file escapes is resolved.
    pub regex: String,
    /// `regex_options`, each once, in the order of [`RegexOption::ALL`].
    pub options: Vec<RegexOption>,
    /// `regex_no_match`: the body must hold nothing like it.
    pub absent: bool,
    /// `regex_min_offset`: bytes of the body in front of the first place where it may begin.
    pub min_offset: u32,
    /// `regex_max_offset`: bytes of the body in front of the last one; `None`: anywhere behind the first.
    pub max_offset: Option<u32>,
}

/// `regex_options`: options of PCRE2, by their names there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // PCRE2's own names
pub enum RegexOption {
    AllowEmptyClass,
    AltBsux,
    AltCircumflex,
    AltVerbnames,
    AutoCallout,
    Caseless,
    DollarEndonly,
    Dotall,
    Dupnames,
    Extended,
    Firstline,
    MatchUnsetBackref,
    Multiline,
    NeverBackslashC,
    NeverUcp,
    NeverUtf,
    NoAutoCapture,
    NoAutoPossess,
    NoDotstarAnchor,
    NoStartOptimize,
    Ucp,
    Ungreedy,
    UseOffsetLimit,
    Utf,
}

impl RegexOption {
    /// Every option and its name.
    pub const ALL: [(RegexOption, &'static str); 24] = [
        (RegexOption::AllowEmptyClass, "allow_empty_class"),
        (RegexOption::AltBsux, "alt_bsux"),
        (RegexOption::AltCircumflex, "alt_circumflex"),
        (RegexOption::AltVerbnames, "alt_verbnames"),
        (RegexOption::AutoCallout, "auto_callout"),
        (RegexOption::Caseless, "caseless"),
        (RegexOption::DollarEndonly, "dollar_endonly"),
        (RegexOption::Dotall, "dotall"),
        (RegexOption::Dupnames, "dupnames"),
        (RegexOption::Extended, "extended"),
        (RegexOption::Firstline, "firstline"),
        (RegexOption::MatchUnsetBackref, "match_unset_backref"),
        (RegexOption::Multiline, "multiline"),
        (RegexOption::NeverBackslashC, "never_backslash_c"),
        (RegexOption::NeverUcp, "never_ucp"),
        (RegexOption::NeverUtf, "never_utf"),
        (RegexOption::NoAutoCapture, "no_auto_capture"),
        (RegexOption::NoAutoPossess, "no_auto_possess"),
        (RegexOption::NoDotstarAnchor, "no_dotstar_anchor"),
        (RegexOption::NoStartOptimize, "no_start_optimize"),
        (RegexOption::Ucp, "ucp"),
        (RegexOption::Ungreedy, "ungreedy"),
        (RegexOption::UseOffsetLimit, "use_offset_limit"),
        (RegexOption::Utf, "utf"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        RegexOption::ALL.iter().find(|(option, _)| *option == self).map_or("", |(_, name)| name)
    }

    /// Why it changes nothing in vipd, if it does not.
    pub fn idle(self) -> Option<&'static str> {
        match self {
            RegexOption::AltCircumflex => Some("with multiline, `^` stands behind every line end anyway"),
            RegexOption::AltVerbnames => Some("no verbs with names are known"),
            RegexOption::AutoCallout => Some("there are no callouts"),
            RegexOption::NoAutoPossess | RegexOption::NoDotstarAnchor | RegexOption::NoStartOptimize => {
                Some("it turns off an optimisation of PCRE2, which is not used")
            }
            _ => None,
        }
    }
}

/// `MISC_CHECK`: a program decides.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct MiscProbe {
    /// What to run, in the order of an argument vector; never empty.
    pub argv: Vec<String>,
    /// `misc_timeout`, else `delay_loop`.
    pub timeout: Duration,
    /// `misc_dynamic`: exit status 2..=255 sets the weight to status - 2.
    pub dynamic: bool,
    /// User id to run as.
    pub uid: u32,
    /// Group id to run as.
    pub gid: u32,
    /// Supplementary groups to run with.
    pub groups: Vec<u32>,
}
