//! The checks of a real server: what each takes from the server, the server from its virtual server, and the defaults
//! of its kind.

use super::bfd::Followers;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::source::Place;
use crate::tree::{Node, Nodes};
use crate::value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use vipd_lvs::settings::{Checker, FileProbe, HttpProbe, HttpVersion, MiscProbe, Probe, TlsProbe, UrlProbe};

/// Bytes of a host header at most: what a name may have.
const MAX_HOST: usize = 255;

/// What a kind of check does unless told otherwise.
struct Habits {
    retry: u32,
    before_retry: Duration,
}

/// A block of a check and those it inherits from.
struct Chain<'a> {
    own: &'a Nodes,
    server: &'a Nodes,
    service: &'a Nodes,
}

impl Chain<'_> {
    fn micros(&self, name: &str) -> Option<Duration> {
        let found = self.own.micros(name).or(self.server.micros(name)).or(self.service.micros(name));
        found.map(Duration::from_micros)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.own.int(name).or(self.server.int(name)).or(self.service.int(name))
    }

    fn switch(&self, name: &str) -> bool {
        self.own.switch(name).or(self.server.switch(name)).or(self.service.switch(name)).unwrap_or(false)
    }
}

impl Lower<'_> {
    /// The checks that run for a server.
    pub(super) fn checkers(&mut self, server: &Node, service: &Nodes, address: SocketAddr) -> Vec<Checker> {
        let nodes = server.nodes();
        let mut out = Vec::new();
        let mut idle = false;
        for node in nodes.list() {
            let name = node.keyword.name;
            let chain = Chain { own: node.nodes(), server: nodes, service };
            let checker = match name {
                "TCP_CHECK" => self.network(node, &chain, address, 1, Probe::Tcp),
                "HTTP_GET" | "SSL_GET" => {
                    let probe = self.http(node, &chain);
                    probe.and_then(|probe| self.network(node, &chain, address, 3, probe))
                }
                "MISC_CHECK" => self.misc(node, &chain, address),
                "BFD_CHECK" => self.follow(node, &chain, address, &out),
                "FILE_CHECK" => self.file(node, &chain, address),
                _ => {
                    idle |= name.ends_with("_CHECK");
                    continue;
                }
            };
            out.extend(checker);
        }
        if idle && out.is_empty() && !nodes.flawed {
            let message = format!("no check of {} runs: it always counts as alive", address.ip());
            let report = Report::warning(Code::WeakCheck, server.whole(), message);
            self.push(report.help("add a TCP_CHECK, HTTP_GET, SSL_GET or MISC_CHECK"));
        }
        out
    }

    fn pace(&self, chain: &Chain<'_>, probe: Probe, target: SocketAddr, habits: Habits) -> Checker {
        let delay_loop = chain.micros("delay_loop").unwrap_or(Duration::from_secs(60));
        Checker {
            probe,
            target,
            bind: None,
            bind_device: None,
            fwmark: 0,
            timeout: chain.micros("connect_timeout").unwrap_or(Duration::from_secs(5)),
            delay_loop,
            retry: chain.int("retry").map_or(habits.retry, narrow),
            delay_before_retry: chain.micros("delay_before_retry").unwrap_or(habits.before_retry),
            warmup: chain.micros("warmup").unwrap_or(delay_loop),
            alpha: chain.switch("alpha"),
        }
    }

    /// A check that connects somewhere.
    fn network(
        &mut self,
        node: &Node,
        chain: &Chain<'_>,
        server: SocketAddr,
        delay: u64,
        probe: Probe,
    ) -> Option<Checker> {
        let own = chain.own;
        let ip = own.ip("connect_ip").unwrap_or(server.ip());
        let port = own.int("connect_port").map_or(server.port(), narrow);
        if port == 0 {
            if !own.flawed && !chain.server.flawed {
                let message = format!("`{}` has no port to connect to: the server has none", node.keyword.name);
                self.push(Report::error(Code::PortRule, node.whole(), message).help("connect_port PORT"));
            }
            return None;
        }
        let target = SocketAddr::new(ip, port);
        let habits = Habits { retry: 1, before_retry: Duration::from_secs(delay) };
        let mut checker = self.pace(chain, probe, target, habits);
        let bind_ip = own.ip("bindto");
        if let Some(bind) = bind_ip.filter(|b| b.is_ipv4() != ip.is_ipv4()) {
            let at = own.find("bindto").map_or(node.at, Node::argument);
            let message = format!("`bindto` {bind} and the address checked, {ip}, are of different families");
            self.push(Report::error(Code::WrongFamily, at, message));
        }
        let bind_port = own.int("bind_port").map(narrow::<u16>);
        let any = if ip.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        if bind_ip.is_some() || bind_port.is_some() {
            checker.bind = Some(SocketAddr::new(bind_ip.unwrap_or(any), bind_port.unwrap_or(0)));
        }
        checker.bind_device = own.text("bind_if").map(str::to_owned);
        if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) && checker.bind_device.is_none() {
            let message = format!("{ip} is a link-local address, so the check needs an interface");
            self.push(Report::error(Code::Missing, node.whole(), message).help("bind_if INTERFACE"));
        }
        checker.fwmark = own.int("fwmark").map_or(0, narrow);
        if checker.timeout > checker.delay_loop {
            let (timeout, interval) = (checker.timeout.as_secs_f64(), checker.delay_loop.as_secs_f64());
            let message =
                format!("a server that does not answer is tried for {timeout} s, and every {interval} s anew");
            let report = Report::lint(Code::SlowCheck, node.whole(), message);
            self.push(report.help("let connect_timeout be shorter than delay_loop"));
        }
        Some(checker)
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
            urls.extend(self.url(url, inherited.as_deref()));
        }
        urls.shrink_to_fit(); // mostly one
        if urls.is_empty() {
            if !own.flawed && own.find("url").is_none() {
                let message = format!("`{}` has nothing to fetch", node.keyword.name);
                self.push(Report::error(Code::Missing, node.whole(), message).help("url { path / }"));
            }
            return None;
        }
        let sni_name = own.find("sni_name");
        let wants_sni = own.on("enable_sni") || sni_name.is_some();
        let sni = own.text("sni_name").map(str::to_owned).or_else(|| urls.iter().find_map(|u| u.host.clone()));
        if tls && wants_sni {
            let at = sni_name.map_or_else(|| own.at("enable_sni", node.at), |n| n.at);
            if sni.is_none() {
                let message = "there is no name to send in the handshake: no `sni_name`, no `virtualhost`";
                self.push(Report::warning(Code::WeakCheck, at, message));
            } else if own.text("sni_name").is_none() && urls.iter().any(|u| u.host != sni) {
                let message = "the URLs have different virtual hosts; the first one is sent in the handshake";
                self.push(
                    Report::warning(Code::WeakCheck, at, message).help("sni_name NAME, or a check for each host"),
                );
            }
        }
        let version = match own.text("http_protocol") {
            Some("1.0C" | "1.0c") => HttpVersion::V10Close,
            Some("1.1") => HttpVersion::V11,
            _ => HttpVersion::V10,
        };
        let tls = tls.then_some(TlsProbe { sni: if wants_sni { sni } else { None } });
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

    fn url(&mut self, node: &Node, inherited: Option<&str>) -> Option<UrlProbe> {
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
        Some(UrlProbe { path: path.to_owned(), host, digest, status })
    }
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
