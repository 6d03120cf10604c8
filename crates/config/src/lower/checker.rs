//! The checks of a real server: what each takes from the server, the server from its virtual server, and the defaults
//! of its kind.

use super::bfd::Followers;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::source::Place;
use crate::tree::{Node, Nodes};
use crate::value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use vipd_lvs::settings::{
    Authorities, BodyPattern, Checker, DnsProbe, FileProbe, GrpcProbe, HttpProbe, HttpVersion, MiscProbe, Probe,
    RecordType, RegexOption, Sni, TlsProbe, UdpProbe, UdpReply, UrlProbe,
};

/// `delay_loop` unless one is given.
const DELAY_LOOP: Duration = Duration::from_secs(60);

/// `helo_name` unless one is given.
const HELO_NAME: &str = "smtpchecker.keepalived.org";

/// `max_reply_length` unless one is given, in bytes.
const MAX_REPLY: u16 = 255;

/// Bytes of a host header at most: what a name may have.
const MAX_HOST: usize = 255;

/// Bytes of a text at most that an agent or a gRPC server is sent.
const MAX_LINE: usize = 255;

/// What a kind of check does unless told otherwise.
#[derive(Clone, Copy)]
struct Habits {
    retry: u32,
    before_retry: Duration,
}

/// A block of a check and those it inherits from.
#[derive(Clone, Copy)]
struct Chain<'a> {
    own: &'a Nodes,
    /// One `host` of `SMTP_CHECK`, whose words go before those of the block that it stands in.
    host: Option<&'a Nodes>,
    server: &'a Nodes,
    service: &'a Nodes,
}

impl<'a> Chain<'a> {
    fn new(node: &'a Node, server: &'a Nodes, service: &'a Nodes) -> Chain<'a> {
        Chain { own: node.nodes(), host: None, server, service }
    }

    /// What the block of the check says itself.
    fn own<T>(&self, of: impl Fn(&'a Nodes) -> Option<T>) -> Option<T> {
        self.host.and_then(&of).or_else(|| of(self.own))
    }

    fn all<T>(&self, of: impl Fn(&'a Nodes) -> Option<T>) -> Option<T> {
        self.own(&of).or_else(|| of(self.server)).or_else(|| of(self.service))
    }

    fn micros(&self, name: &str) -> Option<Duration> {
        self.all(|nodes| nodes.micros(name)).map(Duration::from_micros)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.all(|nodes| nodes.int(name))
    }

    fn switch(&self, name: &str) -> bool {
        self.all(|nodes| nodes.switch(name)).unwrap_or(false)
    }
}

impl Lower<'_> {
    /// The checks that run for a server.
    pub(super) fn checkers(&mut self, server: &Node, service: &Nodes, address: SocketAddr) -> Vec<Checker> {
        let nodes = server.nodes();
        let mut out = Vec::new();
        for node in nodes.list() {
            let chain = Chain::new(node, nodes, service);
            let usual = Habits { retry: 1, before_retry: Duration::from_secs(1) };
            let checker = match node.keyword.name {
                "TCP_CHECK" => self.network(node, &chain, address, usual, Probe::Tcp),
                "HTTP_GET" | "SSL_GET" => {
                    let habits = Habits { before_retry: Duration::from_secs(3), ..usual };
                    let probe = self.http(node, &chain);
                    probe.and_then(|probe| self.network(node, &chain, address, habits, probe))
                }
                "SMTP_CHECK" => {
                    let probe = self.smtp(node);
                    let hosts = chain.own.all("host").map(|host| Some(host.nodes()));
                    // Without any, the server itself is asked; with some, each of them.
                    let hosts: Vec<_> = hosts.chain(chain.own.find("host").is_none().then_some(None)).collect();
                    for host in hosts {
                        let chain = Chain { host, ..chain };
                        out.extend(self.network(node, &chain, address, usual, probe.clone()));
                    }
                    continue;
                }
                "DNS_CHECK" => {
                    let delay_loop = chain.micros("delay_loop").unwrap_or(DELAY_LOOP);
                    let habits = Habits { retry: 3, before_retry: delay_loop };
                    self.network(node, &chain, address, habits, dns(chain.own))
                }
                "UDP_CHECK" => {
                    let probe = self.udp(node);
                    self.network(node, &chain, address, usual, probe)
                }
                "PING_CHECK" => self.network(node, &chain, address, usual, Probe::Ping),
                "AGENT_CHECK" => {
                    let probe = self.agent(node);
                    probe.and_then(|probe| self.network(node, &chain, address, usual, probe))
                }
                "GRPC_CHECK" => {
                    let probe = self.grpc(node, &chain);
                    self.network(node, &chain, address, usual, probe)
                }
                "MISC_CHECK" => self.misc(node, &chain, address),
                "BFD_CHECK" => self.follow(node, &chain, address, &out),
                "FILE_CHECK" => self.file(node, &chain, address),
                _ => continue,
            };
            out.extend(checker);
        }
        out
    }

    fn pace(&self, chain: &Chain<'_>, probe: Probe, target: SocketAddr, habits: Habits) -> Checker {
        let delay_loop = chain.micros("delay_loop").unwrap_or(DELAY_LOOP);
        Checker {
            probe,
            target,
            bind: None,
            bind_device: None,
            fwmark: 0,
            reset_close: false,
            timeout: chain.micros("connect_timeout").unwrap_or(Duration::from_secs(5)),
            delay_loop,
            retry: chain.int("retry").map_or(habits.retry, narrow),
            delay_before_retry: chain.micros("delay_before_retry").unwrap_or(habits.before_retry),
            warmup: chain.micros("warmup").unwrap_or(delay_loop),
            alpha: chain.switch("alpha"),
            log_all_failures: chain.own(|nodes| nodes.switch("log_all_failures")).unwrap_or(self.defaults.log_failures),
        }
    }

    /// A check that connects somewhere.
    fn network(
        &mut self,
        node: &Node,
        chain: &Chain<'_>,
        server: SocketAddr,
        habits: Habits,
        probe: Probe,
    ) -> Option<Checker> {
        let own = chain.own;
        let ip = chain.own(|nodes| nodes.ip("connect_ip")).unwrap_or(server.ip());
        let port = chain.own(|nodes| nodes.int("connect_port")).map_or(server.port(), narrow);
        // A server that is found somewhere has its port from there.
        if port == 0 && probe != Probe::Ping && !server.ip().is_unspecified() {
            if !own.flawed && !chain.server.flawed {
                let message = format!("`{}` has no port to connect to: the server has none", node.keyword.name);
                self.push(Report::error(Code::PortRule, node.whole(), message).help("connect_port PORT"));
            }
            return None;
        }
        let target = SocketAddr::new(ip, port);
        let mut checker = self.pace(chain, probe, target, habits);
        let bind_ip = chain.own(|nodes| nodes.ip("bindto"));
        if let Some(bind) = bind_ip.filter(|b| b.is_ipv4() != ip.is_ipv4()) {
            let at = chain.own(|nodes| nodes.find("bindto")).map_or(node.at, Node::argument);
            let message = format!("`bindto` {bind} and the address checked, {ip}, are of different families");
            self.push(Report::error(Code::WrongFamily, at, message));
        }
        let bind_port = chain.own(|nodes| nodes.int("bind_port")).map(narrow::<u16>);
        let any = if ip.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        if bind_ip.is_some() || bind_port.is_some() {
            checker.bind = Some(SocketAddr::new(bind_ip.unwrap_or(any), bind_port.unwrap_or(0)));
        }
        checker.bind_device = chain.own(|nodes| nodes.text("bind_if")).map(str::to_owned);
        if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) && checker.bind_device.is_none() {
            let message = format!("{ip} is a link-local address, so the check needs an interface");
            self.push(Report::error(Code::Missing, node.whole(), message).help("bind_if INTERFACE"));
        }
        checker.fwmark = chain.own(|nodes| nodes.int("fwmark")).map_or(0, narrow);
        checker.reset_close = chain.own(|nodes| nodes.switch("reset_close")).unwrap_or(false);
        if checker.timeout > checker.delay_loop {
            let (timeout, interval) = (checker.timeout.as_secs_f64(), checker.delay_loop.as_secs_f64());
            let message =
                format!("a server that does not answer is tried for {timeout} s, and every {interval} s anew");
            let report = Report::lint(Code::SlowCheck, node.whole(), message);
            self.push(report.help("let connect_timeout be shorter than delay_loop"));
        }
        Some(checker)
    }

    fn smtp(&mut self, node: &Node) -> Probe {
        let own = node.nodes();
        let name = own.text("helo_name").unwrap_or(HELO_NAME);
        let plain = name.bytes().all(|b| b.is_ascii_graphic()) && name.len() <= MAX_HOST;
        if !plain {
            let at = own.find("helo_name").map_or(node.at, Node::argument);
            let message =
                format!("`helo_name`: a host has no blanks or special characters, and at most {MAX_HOST} bytes");
            self.push(Report::error(Code::BadName, at, message));
        }
        Probe::Smtp(name.into())
    }

    fn udp(&mut self, node: &Node) -> Probe {
        let own = node.nodes();
        let payload = own.find("payload").map(|node| hex(&node.words).0);
        let length = |name: &str| own.int(name).map(narrow::<u16>);
        let (min, max) = (length("min_reply_length"), length("max_reply_length"));
        let reply = match own.find("require_reply").map(|node| hex(&node.words)) {
            None => UdpReply::Optional,
            Some((bytes, _)) if bytes.is_empty() => UdpReply::Any,
            Some((bytes, mask)) => {
                let (min, max) = (min.unwrap_or(0), max.unwrap_or(MAX_REPLY));
                if min > max {
                    let at = own.find("min_reply_length").map_or(node.at, Node::argument);
                    let message = format!("no reply has {min} bytes at least and {max} at most");
                    let report = Report::error(Code::OutOfRange, at, message);
                    self.push(report.help(format!("max_reply_length {min} or more; {MAX_REPLY} unless given")));
                }
                UdpReply::Like { bytes, mask, min, max }
            }
        };
        if !matches!(reply, UdpReply::Like { .. }) && (min.is_some() || max.is_some()) {
            let name = if min.is_some() { "min_reply_length" } else { "max_reply_length" };
            let at = own.find(name).map_or(node.at, |node| node.at);
            let message = format!("`{name}` counts only beside a `require_reply` that says how the reply begins");
            self.push(Report::warning(Code::WeakCheck, at, message).label("not looked at"));
        }
        Probe::Udp(Arc::new(UdpProbe { payload, reply }))
    }

    fn agent(&mut self, node: &Node) -> Option<Probe> {
        let own = node.nodes();
        if own.find("connect_port").is_none() {
            if !own.flawed {
                let message = "`AGENT_CHECK` has no port: an agent listens on one of its own, not on its server's";
                self.push(Report::error(Code::Missing, node.whole(), message).help("connect_port PORT"));
            }
            return None;
        }
        Some(Probe::Agent(self.line(own, "agent_send").into()))
    }

    fn grpc(&mut self, node: &Node, chain: &Chain<'_>) -> Probe {
        let own = node.nodes();
        let host = self.host(own).or_else(|| self.host(chain.server)).or_else(|| self.host(chain.service));
        self.authority(node, host.as_deref());
        let with_tls = own.on("enable_tls");
        // What is wrong with them is told, in use or not.
        let tls = Some(self.shaken(own)).filter(|_| with_tls);
        if !with_tls {
            for word in ["enable_sni", "sni_name", "tls_verify", "tls_expiry_warning"] {
                if let Some(node) = own.find(word) {
                    let message = format!("`{word}` has no effect without `enable_tls`");
                    self.push(Report::warning(Code::Unused, node.whole(), message).help("enable_tls"));
                }
            }
        }
        Probe::Grpc(Arc::new(GrpcProbe { tls, service: self.line(own, "service"), host }))
    }

    /// A text that is sent as it is: nothing that could be taken for the end of a line.
    fn line(&mut self, own: &Nodes, word: &str) -> String {
        let Some(text) = own.text(word) else { return String::new() };
        if text.chars().any(char::is_control) || text.len() > MAX_LINE {
            let at = own.find(word).map_or(Place::NOWHERE, Node::argument);
            let message = format!("`{word}` has no control characters, and at most {MAX_LINE} bytes");
            self.push(Report::error(Code::BadWord, at, message));
        }
        text.to_owned()
    }

    /// HTTP/2 knows a host by its name and port alone.
    fn authority(&mut self, node: &Node, host: Option<&str>) {
        if let Some(host) = host.filter(|host| !is_authority(host)) {
            let message = format!("`virtualhost` {host}: in HTTP/2 a host is a name or an address, and perhaps a port");
            self.push(Report::error(Code::BadName, node.whole(), message));
        }
    }

    /// What a check that speaks TLS is told of it.
    fn shaken(&mut self, own: &Nodes) -> TlsProbe {
        TlsProbe {
            sni: match own.text("sni_name") {
                Some(name) => Sni::Name(name.to_owned()),
                None if own.on("enable_sni") => Sni::Host,
                None => Sni::Nothing,
            },
            verify: own.find("tls_verify").map(|node| match node.words.first() {
                Some(file) => {
                    self.authorities(file);
                    Authorities::File(file.text.clone())
                }
                None => Authorities::Usual,
            }),
            expiry_warning: own.int("tls_expiry_warning").map(narrow),
        }
    }

    fn misc(&mut self, node: &Node, chain: &Chain<'_>, server: SocketAddr) -> Option<Checker> {
        let own = chain.own;
        if own.find("misc_path").is_none() {
            if !own.flawed {
                let report = Report::error(Code::Missing, node.whole(), "`MISC_CHECK` runs nothing");
                self.push(report.help("misc_path \"COMMAND\""));
            }
            return None;
        }
        let command = self.program(own, "misc_path", own.find("user"))?;
        let habits = Habits { retry: 0, before_retry: Duration::from_secs(1) };
        let mut checker = self.pace(chain, Probe::Tcp, server, habits);
        let timeout = own.int("misc_timeout").filter(|t| *t > 0).map(|t| Duration::from_secs(narrow(t)));
        checker.probe = Probe::Misc(Arc::new(MiscProbe {
            argv: command.argv,
            timeout: timeout.unwrap_or(checker.delay_loop),
            dynamic: own.on("misc_dynamic"),
            uid: command.uid,
            gid: command.gid,
            groups: command.groups.clone(),
        }));
        Some(checker)
    }

    /// A check that follows a BFD session: it has no pace of its own, and no patience.
    fn follow(&mut self, node: &Node, chain: &Chain<'_>, server: SocketAddr, before: &[Checker]) -> Option<Checker> {
        let Some(name) = chain.own.text("name") else {
            if !chain.own.flawed {
                let report = Report::error(Code::Missing, node.whole(), "`BFD_CHECK` follows nothing");
                self.push(report.help("name BFD_INSTANCE"));
            }
            return None;
        };
        let at = chain.own.find("name").map_or(node.at, Node::argument);
        let Some(followers) = self.sessions.get(name).copied() else {
            let report = Report::error(Code::UnknownReference, at, format!("there is no bfd_instance `{name}`"));
            let names: Vec<String> = self.sessions.keys().cloned().collect();
            self.push(self.suggest(report, name, names.iter().map(String::as_str)));
            return None;
        };
        if followers == Followers::Routers {
            let message = format!("bfd_instance `{name}` tells the virtual routers alone");
            let report = Report::warning(Code::Adjusted, at, message).label("not followed");
            self.push(report.help("with `checker` beside `vrrp` it tells both, without either too"));
            return None;
        }
        let probe = Probe::Bfd(name.to_owned());
        if before.iter().any(|c| c.probe == probe) {
            let message = format!("bfd_instance `{name}` is followed twice for this server");
            self.push(Report::warning(Code::Repeated, at, message).label("ignored"));
            return None;
        }
        let checker = self.pace(chain, probe, server, Habits { retry: 0, before_retry: Duration::from_secs(1) });
        Some(Checker { retry: 0, ..checker })
    }

    /// A check that follows a file: it has no pace of its own, and no patience.
    fn file(&mut self, node: &Node, chain: &Chain<'_>, server: SocketAddr) -> Option<Checker> {
        let own = chain.own;
        let Some(name) = own.text("track_file") else {
            if !own.flawed {
                let report = Report::error(Code::Missing, node.whole(), "`FILE_CHECK` follows nothing");
                self.push(report.help("track_file NAME"));
            }
            return None;
        };
        let Some((file, usual)) = self.files.get(name).cloned() else {
            let at = own.find("track_file").map_or(node.at, Node::argument);
            let report = Report::error(Code::UnknownReference, at, format!("there is no track_file `{name}`"));
            let names: Vec<String> = self.files.keys().cloned().collect();
            self.push(self.suggest(report, name, names.iter().map(String::as_str)));
            return None;
        };
        let (weight, reverse) = match own.find("weight").map(|n| n.words.as_slice()) {
            Some([weight, rest @ ..]) => {
                let weight = value::int(weight, "`weight`", -2_147_483_647, 2_147_483_647);
                (narrow(weight.unwrap_or_default()), rest.first().is_some_and(|word| word.text == "reverse"))
            }
            Some([]) | None => usual,
        };
        self.followed_files.insert(name.to_owned(), file);
        let probe = Probe::File(Arc::new(FileProbe { file: name.to_owned(), weight, reverse }));
        let checker = self.pace(chain, probe, server, Habits { retry: 0, before_retry: Duration::from_secs(1) });
        // keepalived knows at once what the file says.
        Some(Checker { retry: 0, alpha: false, ..checker })
    }

    fn http(&mut self, node: &Node, chain: &Chain<'_>) -> Option<Probe> {
        let tls = node.keyword.name == "SSL_GET";
        let own = chain.own;
        let inherited = self.host(own).or_else(|| self.host(chain.server)).or_else(|| self.host(chain.service));
        let mut urls = Vec::new();
        for url in own.all("url") {
            urls.extend(self.url(url, inherited.as_deref(), own));
        }
        urls.shrink_to_fit(); // mostly one
        if urls.is_empty() {
            if !own.flawed && own.find("url").is_none() {
                let message = format!("`{}` has nothing to fetch", node.keyword.name);
                self.push(Report::error(Code::Missing, node.whole(), message).help("url { path / }"));
            }
            return None;
        }
        let nameless = own.on("enable_sni") && own.find("sni_name").is_none() && urls.iter().any(|u| u.host.is_none());
        if tls && nameless {
            let message = "there is no name to send in the handshake: no `sni_name`, no `virtualhost`";
            self.push(Report::warning(Code::WeakCheck, own.at("enable_sni", node.at), message));
        }
        let version = match own.text("http_protocol") {
            Some("1.0C" | "1.0c") => HttpVersion::V10Close,
            Some("1.1") => HttpVersion::V11,
            Some("2") => HttpVersion::V2,
            _ => HttpVersion::V10,
        };
        if !tls {
            urls.iter_mut().for_each(|url| url.close_notify = false);
        }
        if !tls && let Some(node) = own.all("url").find_map(|url| url.nodes().find("tls_compliant")) {
            let message = "`tls_compliant` has no effect in an `HTTP_GET`";
            self.push(Report::warning(Code::Unused, node.whole(), message).help("SSL_GET speaks TLS"));
        }
        if version == HttpVersion::V2 {
            let hosts: std::collections::BTreeSet<_> = urls.iter().filter_map(|url| url.host.as_deref()).collect();
            hosts.into_iter().for_each(|host| self.authority(node, Some(host)));
        }
        let tls = tls.then(|| self.shaken(own));
        let probe = HttpProbe { tls, version, urls };
        // Mostly what the server before is asked, too.
        let probe = self.http.take().filter(|before| **before == probe).unwrap_or_else(|| Arc::new(probe));
        self.http = Some(Arc::clone(&probe));
        Some(Probe::Http(probe))
    }

    /// A `virtualhost`, fit to stand in a header.
    fn host(&mut self, nodes: &Nodes) -> Option<String> {
        let name = nodes.text("virtualhost")?;
        let plain = name.bytes().all(|b| b.is_ascii_graphic());
        if !plain || name.len() > MAX_HOST {
            let at = nodes.find("virtualhost").map_or(Place::NOWHERE, Node::argument);
            let message =
                format!("`virtualhost`: a host has no blanks or special characters, and at most {MAX_HOST} bytes");
            self.push(Report::error(Code::BadName, at, message));
            return None;
        }
        Some(name.to_owned())
    }

    fn url(&mut self, node: &Node, inherited: Option<&str>, checker: &Nodes) -> Option<UrlProbe> {
        let nodes = node.nodes();
        let Some(path) = nodes.text("path") else {
            if !nodes.flawed {
                self.push(Report::error(Code::Missing, node.whole(), "this url has no path").help("path /"));
            }
            return None;
        };
        let at = nodes.find("path").map_or(node.at, Node::argument);
        if path.chars().any(|c| c.is_control() || c == ' ') {
            let report = Report::error(Code::BadWord, at, "a path holds no blanks or control characters");
            self.push(report.help("write %20 for a blank"));
            return None;
        }
        let digest = match nodes.find("digest").and_then(|n| n.words.first()) {
            None => None,
            Some(word) => match md5(&word.text) {
                Some(digest) => Some(digest),
                None => {
                    let message = format!("`digest`: this is not an MD5 digest ({} characters)", word.text.len());
                    let report = Report::error(Code::BadWord, word.at, message);
                    self.push(report.help("32 hexadecimal digits, as md5sum prints them"));
                    None
                }
            },
        };
        let mut status = Vec::new();
        for word in nodes.all("status_code").flat_map(|n| &n.words) {
            let (from, to) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
            let code = |text: &str| {
                let part = crate::lex::words::Word { text: text.to_owned(), at: word.at };
                value::int(&part, "`status_code`", 100, 599)
            };
            let (from, to) = (self.take(code(from)), if from == to { None } else { Some(code(to)) });
            let to = match to {
                None => from,
                Some(to) => self.take(to),
            };
            let (Some(from), Some(to)) = (from, to) else { continue };
            if from > to {
                let message = format!("`status_code`: no code is from {from} to {to}");
                self.push(Report::error(Code::OutOfRange, word.at, message));
                continue;
            }
            status.push((narrow(from), narrow(to)));
        }
        let host = self.host(nodes).or_else(|| inherited.map(str::to_owned));
        let pattern = self.pattern(nodes);
        let close_notify = nodes.switch("tls_compliant").unwrap_or_else(|| checker.on("tls_compliant"));
        Some(UrlProbe { path: path.to_owned(), host, digest, status, pattern, close_notify })
    }

    /// What is looked for in the body.
    fn pattern(&mut self, nodes: &Nodes) -> Option<BodyPattern> {
        let Some(node) = nodes.find("regex") else {
            let beside = ["regex_no_match", "regex_options", "regex_min_offset", "regex_max_offset"];
            if let Some(node) = beside.iter().find_map(|name| nodes.find(name)).filter(|_| !nodes.flawed) {
                let message = format!("`{}` has no effect without `regex`", node.keyword.name);
                self.push(Report::warning(Code::Unused, node.whole(), message).help("regex \"PATTERN\""));
            }
            return None;
        };
        let regex = nodes.text("regex")?.to_owned();
        let named = |option: &&RegexOption| {
            nodes.all("regex_options").flat_map(|n| &n.words).any(|word| word.text == option.name())
        };
        let options: Vec<RegexOption> =
            RegexOption::ALL.iter().map(|(option, _)| option).filter(named).copied().collect();
        let at = nodes.find("regex_options").map_or(node.at, Node::whole);
        for option in &options {
            let lonely = *option == RegexOption::Ucp && !options.contains(&RegexOption::Utf);
            let lonely = lonely.then_some("without utf there are no letters but those of ASCII");
            if let Some(why) = option.idle().or(lonely) {
                let message = format!("`regex_options`: `{}` has no effect: {why}", option.name());
                self.push(Report::warning(Code::Adjusted, at, message).label("ignored"));
            }
        }
        let offset = |name: &str| nodes.int(name).map(narrow::<u32>);
        let (min, max) = (offset("regex_min_offset").unwrap_or(0), offset("regex_max_offset"));
        if let Some(max) = max.filter(|max| *max < min) {
            let at = nodes.find("regex_max_offset").map_or(node.at, Node::argument);
            let message = format!("no match begins behind {min} bytes at least and {max} at most");
            self.push(Report::error(Code::OutOfRange, at, message).help("regex_max_offset not below regex_min_offset"));
        }
        let absent = nodes.on("regex_no_match");
        let pattern = BodyPattern { regex, options, absent, min_offset: min, max_offset: max };
        if self.pattern.as_ref() != Some(&pattern) {
            if let Err(wrong) = vipd_pattern::Pattern::new(pattern.clone()) {
                let at = node.words.first().map_or(node.at, |first| first.at.to(node.whole()));
                self.push(Report::error(Code::BadPattern, at, format!("`regex`: {wrong}")));
                return None;
            }
            if usize::try_from(min).is_ok_and(|min| min >= vipd_pattern::SEARCHED) {
                let at = nodes.find("regex_min_offset").map_or(node.at, Node::argument);
                let message = format!("only the first {} bytes of a body are searched", vipd_pattern::SEARCHED);
                self.push(Report::error(Code::OutOfRange, at, message));
            }
        }
        self.pattern = Some(pattern.clone());
        Some(pattern)
    }
}

fn dns(own: &Nodes) -> Probe {
    let kind = own.text("type").and_then(|name| {
        RecordType::ALL.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(kind, ..)| *kind)
    });
    let name = own.text("name").unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name).to_owned();
    Probe::Dns(Arc::new(DnsProbe { name, kind: kind.unwrap_or(RecordType::Soa) }))
}

/// Bytes of hexadecimal digits, and which bits of them count: `x` stands for any digit.
fn hex(words: &[Word]) -> (Vec<u8>, Vec<u8>) {
    let digits: Vec<Option<u8>> = words
        .iter()
        .flat_map(|word| word.text.chars())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let byte = |pair: &[Option<u8>]| {
        let (high, low) = (pair[0], pair.get(1).copied().flatten());
        let of = |digit: Option<u8>| (digit.unwrap_or(0), digit.map_or(0, |_| 15));
        let ((high, high_mask), (low, low_mask)) = (of(high), of(low));
        (high << 4 | low, high_mask << 4 | low_mask)
    };
    digits.chunks(2).map(byte).unzip()
}

fn md5(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 16];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

/// A name or an address, that of IPv6 in brackets, and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let name = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.map_or(name(host), |address| address.parse::<std::net::Ipv6Addr>().is_ok());
    host && port.is_none_or(|port| port.parse::<u16>().is_ok())
}
