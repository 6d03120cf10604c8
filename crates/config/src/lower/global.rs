//! `global_defs`: what outlives the lowering, and what is a default for other blocks.

use super::users::Supplementary;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::model::{
    AfterUse, Config, Fifo, Firewall, Global, Leaving, Mail, Namespace, SyncDaemon, TimeFile, TimedCommand,
};
use crate::options::{Strictness, host_name};
use crate::setting;
use crate::tree::{Nodes, Value};
use crate::value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use vipd_vrrp::settings::{Extra, Garp, Reach, Version};
use vipd_vrrp::units::Micros;

/// Recipients of mail at most.
const MAX_RECIPIENTS: usize = 1000;

/// What `global_defs` gives to blocks that don't say.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Defaults {
    pub(super) version: Version,
    pub(super) group4: Ipv4Addr,
    pub(super) group6: Ipv6Addr,
    pub(super) garp: Garp,
    /// Whether `vrrp_garp_lower_prio_*` were given: else they follow the instance's own values.
    pub(super) lower_prio_repeat: Option<u32>,
    pub(super) lower_prio_delay: Option<Micros>,
    pub(super) down_timer_adverts: u8,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    pub(super) check_unicast_src: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) strict: bool,
    /// For owners alone.
    pub(super) owner_ignore_adverts: bool,
    pub(super) checksum_as_v2: bool,
    pub(super) vip_lease: bool,
    pub(super) smtp_vrrp: bool,
    /// For virtual servers; real servers tell by mail unless this is said to be off.
    pub(super) smtp_checker: Option<bool>,
    pub(super) log_failures: bool,
    pub(super) priority_changes: bool,
    pub(super) default_interface: Option<String>,
    pub(super) vmac_prefix: String,
    pub(super) vmac_addr_prefix: String,
    pub(super) script_security: bool,
    pub(super) no_default_user: bool,
    pub(super) supplementary: Supplementary,
}

impl Defaults {
    pub(super) fn from(nodes: &Nodes) -> Defaults {
        let secs = |name| nodes.int(name).map(|s| Micros::from_secs(narrow(s)));
        let least = nodes.on("vrrp_min_garp");
        let repeat = |name, default, minimal| match nodes.int(name) {
            Some(n) => narrow::<u32>(n).max(1),
            None if least => minimal,
            None => default,
        };
        let garp = Garp {
            master_repeat: repeat("vrrp_garp_master_repeat", 5, 1),
            master_delay: secs("vrrp_garp_master_delay").unwrap_or(Micros::from_secs(if least { 0 } else { 5 })),
            refresh: secs("vrrp_garp_master_refresh").unwrap_or_default(),
            refresh_repeat: repeat("vrrp_garp_master_refresh_repeat", 1, 1),
            interval: Micros(nodes.micros("vrrp_garp_interval").unwrap_or(0)),
            gna_interval: Micros(nodes.micros("vrrp_gna_interval").unwrap_or(0)),
            extra: extra(nodes, "vrrp_garp_extra_if").flatten(),
            ..Garp::default()
        };
        let smtp = nodes.switch("smtp_alert");
        let group4 = match nodes.ip("vrrp_mcast_group4") {
            Some(IpAddr::V4(group)) => group,
            _ => Ipv4Addr::new(224, 0, 0, 18),
        };
        let group6 = match nodes.ip("vrrp_mcast_group6") {
            Some(IpAddr::V6(group)) => group,
            _ => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
        };
        let vmac_prefix = nodes.text("vmac_prefix").unwrap_or("vrrp").to_owned();
        Defaults {
            version: if nodes.text("vrrp_version") == Some("3") { Version::V3 } else { Version::V2 },
            group4,
            group6,
            garp,
            // The fewest messages are also those after a lower priority, whatever an instance sends as a new master.
            lower_prio_repeat: nodes.int("vrrp_garp_lower_prio_repeat").map(narrow).or(least.then_some(1)),
            lower_prio_delay: secs("vrrp_garp_lower_prio_delay").or(least.then_some(Micros::ZERO)),
            down_timer_adverts: nodes.int("vrrp_down_timer_adverts").map_or(3, narrow),
            lower_prio_no_advert: nodes.on("vrrp_lower_prio_no_advert"),
            higher_prio_send_advert: nodes.on("vrrp_higher_prio_send_advert"),
            check_unicast_src: nodes.on("vrrp_check_unicast_src"),
            skip_check_adv_addr: nodes.on("vrrp_skip_check_adv_addr"),
            strict: nodes.on("vrrp_strict"),
            owner_ignore_adverts: nodes.on("vrrp_owner_ignore_adverts"),
            checksum_as_v2: nodes.on("v3_checksum_as_v2"),
            vip_lease: nodes.switch("vip_lease").unwrap_or(true),
            smtp_vrrp: nodes.switch("smtp_alert_vrrp").or(smtp).unwrap_or(false),
            smtp_checker: nodes.switch("smtp_alert_checker").or(smtp),
            log_failures: nodes.on("checker_log_all_failures"),
            priority_changes: nodes.on("vrrp_notify_priority_changes"),
            default_interface: nodes.text("default_interface").map(str::to_owned),
            vmac_addr_prefix: nodes.text("vmac_addr_prefix").map_or_else(|| vmac_prefix.clone(), str::to_owned),
            vmac_prefix,
            script_security: nodes.on("enable_script_security"),
            no_default_user: nodes.on("enable_script_security") && nodes.find("script_user").is_none(),
            supplementary: if nodes.on("set_supplementary_groups") {
                Supplementary::Set
            } else {
                Supplementary::Cleared
            },
        }
    }
}

/// `lvs_sync_daemon`; `followed` sees to its instance.
fn sync_daemon(nodes: &Nodes) -> Option<SyncDaemon> {
    let Value::Typed(setting::Value::Options(options)) = &nodes.find("lvs_sync_daemon")?.value else { return None };
    let find = |name: &str| options.iter().find(|(n, _)| *n == name).map(|(_, value)| value);
    let text = |name| match find(name)? {
        setting::Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let number = |name| match find(name)? {
        setting::Value::Number(number) => i64::try_from(*number).ok(),
        _ => None,
    };
    let group = match find("group") {
        Some(setting::Value::Address(group)) => Some(*group),
        _ => None,
    };
    Some(SyncDaemon {
        interface: text("(interface)")?,
        instance: text("inst").or_else(|| text("(instance)")),
        id: number("id").map_or(0, narrow),
        max_length: number("maxlen").map(narrow),
        port: number("port").map(narrow),
        ttl: number("ttl").map(narrow),
        group,
    })
}

/// Tables that iptables and its like keep by these names.
const OTHERS_TABLES: [&str; 6] = ["filter", "nat", "mangle", "raw", "security", "firewalld"];

fn firewall(nodes: &Nodes) -> Firewall {
    let usual = Firewall::default();
    Firewall {
        table: nodes.text("nftables").map_or(usual.table, str::to_owned),
        priority: nodes.int("nftables_priority").map_or(usual.priority, narrow),
        counters: nodes.on("nftables_counters"),
    }
}

impl Lower<'_> {
    /// The instance that `lvs_sync_daemon` follows: it should be there, and its VRID is the sync id unless one is given.
    pub(super) fn followed(&mut self, nodes: &Nodes, config: &mut Config) {
        let (Some(node), Some(daemon)) = (nodes.find("lvs_sync_daemon"), &mut config.global.sync_daemon) else {
            return;
        };
        let Some(name) = &daemon.instance else { return };
        match config.instances.iter().find(|i| i.vrrp.name == *name) {
            Some(instance) if node.words.iter().all(|w| w.text != "id") => daemon.id = instance.vrrp.vrid.0.get(),
            Some(_) => {}
            None => {
                let message = format!("`lvs_sync_daemon` follows `{name}`, and there is no such vrrp_instance");
                let report = Report::warning(Code::Missing, node.argument(), message);
                self.push(report.help("without one, connections are heard of and never told"));
            }
        }
    }

    /// `lvs_sync_catch_up`, which is for the instance that `lvs_sync_daemon` follows.
    pub(super) fn catch_up(&mut self, nodes: &Nodes, config: &mut Config) {
        let (Some(node), Some(seconds)) = (nodes.find("lvs_sync_catch_up"), nodes.int("lvs_sync_catch_up")) else {
            return;
        };
        let followed = config.global.sync_daemon.as_ref().and_then(|daemon| daemon.instance.clone());
        match config.instances.iter_mut().find(|i| followed.as_ref() == Some(&i.vrrp.name)) {
            Some(instance) => instance.vrrp.catch_up = Micros::from_secs(narrow(seconds)),
            None if seconds == 0 => {}
            None => {
                let message = "`lvs_sync_catch_up` has no effect: no sync daemon of IPVS follows an instance";
                let report = Report::warning(Code::Unused, node.at, message).label("ignored");
                self.push(report.help("lvs_sync_daemon IFNAME VRRP_NAME"));
            }
        }
    }

    /// `lvs_sync_daemon_interface` of an instance: the former way to have the daemon follow it, with the sync id 0.
    pub(super) fn follower(&mut self, root: &Nodes, config: &mut Config) {
        for block in root.all("vrrp_instance") {
            let Some(node) = block.nodes().find("lvs_sync_daemon_interface") else { continue };
            let (Value::Text(name), Value::Text(interface)) = (&block.value, &node.value) else { continue };
            if let Some(daemon) = &config.global.sync_daemon {
                let message = format!("there is one sync daemon of IPVS, and it runs on {} already", daemon.interface);
                self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
                continue;
            }
            let message = "this is now said in `global_defs`, with `lvs_sync_daemon`";
            let report = Report::lint(Code::OldSpelling, node.at, message);
            self.push(report.help(format!("lvs_sync_daemon {interface} inst {name} id 0")));
            config.global.sync_daemon = Some(SyncDaemon {
                interface: interface.clone(),
                instance: Some(name.clone()),
                id: 0,
                max_length: None,
                port: None,
                ttl: None,
                group: None,
            });
        }
    }

    pub(super) fn global(&mut self, nodes: &Nodes, root: &Nodes) -> Global {
        for (name, help) in [
            ("vrrp_mcast_group4", "224.0.0.0 to 239.255.255.255"),
            ("vrrp_mcast_group6", "ff02::12, or another that starts with ff"),
        ] {
            if let Some(node) = nodes.find(name)
                && nodes.ip(name).is_some_and(|ip| !ip.is_multicast())
            {
                let message = format!("`{name}`: this is not a multicast address");
                self.push(Report::error(Code::BadAddress, node.argument(), message).help(help));
            }
        }
        if let Some(node) = nodes.find("nftables")
            && nodes.text("nftables").is_some_and(|name| OTHERS_TABLES.contains(&name))
        {
            let message = "this table is the firewall's: vipd replaces and removes the one that it is given as a whole";
            let report = Report::error(Code::BadName, node.argument(), message);
            self.push(report.help("leave the name out (it is `vipd`), or take one that nobody else uses"));
        }
        if let Some(node) = nodes.find("include_check") {
            self.include_check(&node.words);
        }
        let fifo = self.fifo(nodes, "notify_fifo");
        let mut own = |name: &str| {
            let own = self.fifo(nodes, name)?;
            if fifo.as_ref().is_some_and(|f| f.path == own.path) {
                let message = format!("`{name}` is the same pipe as `notify_fifo`, which tells everything");
                let at = nodes.at(name, crate::source::Place::NOWHERE);
                self.push(Report::warning(Code::Adjusted, at, message).label("ignored"));
                return None;
            }
            Some(own)
        };
        let (vrrp_fifo, lvs_fifo) = (own("vrrp_notify_fifo"), own("lvs_notify_fifo"));
        let namespace = root.text("net_namespace").map(str::to_owned);
        Global {
            router_id: nodes.text("router_id").map_or_else(host_name, str::to_owned),
            mail: self.mail(nodes),
            fifo,
            vrrp_fifo,
            lvs_fifo,
            startup: self.timed(nodes, "startup_script"),
            shutdown: self.timed(nodes, "shutdown_script"),
            notify_timeout: nodes.micros("notify_timeout").map(Duration::from_micros),
            net_namespace: self.options.net_namespace.clone().or(namespace),
            ipvs_namespace: root.find("net_namespace_ipvs").map(|node| match node.words.first() {
                Some(name) => Namespace::Named(name.text.clone()),
                None => Namespace::Default,
            }),
            lvs_flush: nodes.on("lvs_flush"),
            lvs_flush_on_stop: match nodes.find("lvs_flush_on_stop") {
                None => Leaving::Servers,
                Some(node) if node.words.is_empty() => Leaving::Everything,
                Some(_) => Leaving::Services,
            },
            lvs_timeouts: self.timeouts(nodes),
            sync_daemon: sync_daemon(nodes),
            firewall: firewall(nodes),
            startup_delay: Duration::from_micros(nodes.micros("vrrp_startup_delay").unwrap_or(0)),
            delay_after_boot: Duration::from_micros(nodes.micros("vrrp_delay_after_boot").unwrap_or(0)),
            umask: nodes.find("umask").and_then(|node| match node.value {
                Value::Typed(setting::Value::Mode(mask)) => Some(mask),
                _ => None,
            }),
            no_fault_mail: nodes.on("no_email_faults"),
            no_checker_mail: nodes.on("no_checker_emails"),
            rs_init_notifies: nodes.on("rs_init_notifies"),
            fifo_states_on_reload: nodes.on("fifo_write_vrrp_states_on_reload"),
            log_unknown_vrids: nodes.on("log_unknown_vrids"),
            reload_time: self.time_file(nodes),
            reload_file: match nodes.find("reload_file") {
                Some(node) if node.words.is_empty() => Some(PathBuf::from("keepalived.reload")),
                Some(_) | None => self.absolute(nodes, "reload_file"),
            },
            reload_findings: self.absolute(nodes, "reload_check_config").filter(|path| path != Path::new("/dev/null")),
            process: super::processes::processes(nodes),
        }
    }

    /// A script with its `_timeout`: 10 seconds unless given.
    fn timed(&mut self, nodes: &Nodes, name: &str) -> Option<TimedCommand> {
        let name_of_timeout = format!("{name}_timeout");
        let timeout = nodes.find(&name_of_timeout);
        if let Some(node) = timeout.filter(|_| nodes.find(name).is_none()) {
            let message = format!("`{name_of_timeout}` is nobody's time: there is no `{name}`");
            self.push(Report::warning(Code::Unused, node.at, message));
        }
        let command = self.script(nodes, name)?;
        let seconds = nodes.int(&name_of_timeout).map_or(10, narrow);
        Some(TimedCommand { command, timeout: Duration::from_secs(seconds) })
    }

    fn time_file(&mut self, nodes: &Nodes) -> Option<TimeFile> {
        let path = self.absolute(nodes, "reload_time_file");
        if let Some(node) = nodes.find("reload_repeat").filter(|_| nodes.find("reload_time_file").is_none()) {
            let message = "`reload_repeat` repeats nothing: there is no `reload_time_file`";
            self.push(Report::warning(Code::Unused, node.at, message));
        }
        let after = if nodes.on("reload_repeat") { AfterUse::Kept } else { AfterUse::Removed };
        path.map(|path| TimeFile { path, after })
    }

    /// The path that a keyword names. The daemon's working directory is nobody's: a relative one is not used.
    fn absolute(&mut self, nodes: &Nodes, name: &str) -> Option<PathBuf> {
        let word = nodes.find(name)?.words.first()?;
        if !word.text.starts_with('/') {
            let message = format!("`{name}`: `{}` is a relative path", word.text);
            self.push(Report::warning(Code::BadName, word.at, message).label("ignored").help("write the whole path"));
            return None;
        }
        Some(PathBuf::from(&word.text))
    }

    fn include_check(&mut self, words: &[Word]) {
        const KNOWN: &[&str] = &["read", "match", "wildcard_match", "brace_match"];
        for word in words {
            let name = word.text.strip_prefix(['+', '-']).unwrap_or(&word.text);
            if !KNOWN.contains(&name) {
                self.push(value::one_of(word, "`include_check`", KNOWN, name));
            }
        }
    }

    fn timeouts(&mut self, nodes: &Nodes) -> Option<(u32, u32, u32)> {
        let node = nodes.find("lvs_timeouts")?;
        let (mut tcp, mut fin, mut udp) = (0, 0, 0);
        if node.words.is_empty() {
            let report = Report::error(Code::MissingValue, node.at, "`lvs_timeouts` needs at least one timeout");
            self.push(report.help(node.keyword.usage));
        }
        let mut words = node.words.iter();
        while let Some(word) = words.next() {
            let slot = match word.text.as_str() {
                "tcp" => &mut tcp,
                "tcpfin" => &mut fin,
                "udp" => &mut udp,
                other => {
                    let report = value::one_of(word, "`lvs_timeouts`", &["tcp", "tcpfin", "udp"], other);
                    self.push(report);
                    return None;
                }
            };
            let Some(number) = words.next() else {
                let message = format!("`{}` needs a number of seconds", word.text);
                self.push(Report::error(Code::MissingValue, word.at, message));
                return None;
            };
            let number = value::int(number, "`lvs_timeouts`", 0, 2_678_400);
            *slot = narrow(self.take(number)?);
        }
        Some((tcp, fin, udp))
    }

    fn fifo(&mut self, nodes: &Nodes, name: &str) -> Option<Fifo> {
        let script_name = format!("{name}_script");
        let Some(node) = nodes.find(name) else {
            if let Some(script) = nodes.find(&script_name) {
                let message = format!("`{script_name}` has nothing to read: there is no `{name}`");
                self.push(Report::warning(Code::Unused, script.at, message));
            }
            return None;
        };
        let path = node.words.first()?;
        if !path.text.starts_with('/') {
            let message = format!("`{name}`: `{}` is a relative path", path.text);
            self.push(Report::error(Code::BadName, path.at, message).help("write the whole path"));
            return None;
        }
        let identity = if node.words.len() > 1 { self.identity_of(&node.words[1..]) } else { self.identity.clone() };
        let identity = identity.unwrap_or_default();
        let script = self.script(nodes, &script_name);
        Some(Fifo { path: PathBuf::from(&path.text), script, uid: identity.uid, gid: identity.gid })
    }

    fn mail(&mut self, nodes: &Nodes) -> Option<Mail> {
        let mut to: Vec<String> = Vec::new();
        let lines: Vec<&crate::lex::words::Line> = nodes.lines("notification_email").collect();
        for word in lines.iter().flat_map(|l| &l.words) {
            if word.text.contains(|c: char| c.is_control()) || word.text.trim().is_empty() {
                self.push(Report::error(Code::BadWord, word.at, "this can't be a mail address"));
            } else if to.len() >= MAX_RECIPIENTS {
                let message = format!("more than {MAX_RECIPIENTS} recipients");
                self.push(Report::error(Code::TooMuch, word.at, message).help("write to a mailing list"));
                break;
            } else if !to.contains(&word.text) {
                to.push(word.text.clone());
            }
        }
        let node = nodes.find("smtp_server");
        let port = value::port_or_none(node.and_then(|n| n.words.get(1)), "`smtp_server`");
        let port = self.take(port)?;
        if to.is_empty() {
            return None;
        }
        let Some(node) = node else {
            if let Some(first) = lines.first() {
                let message = "nobody gets mail: there is no `smtp_server`";
                self.push(Report::lint(Code::Unused, first.at(), message));
            }
            return None;
        };
        let host = node.words.first()?;
        let port = if port == 0 { 25 } else { port };
        let server = match host.text.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, port),
            Err(_) => self.resolve(host, port)?,
        };
        let user = self.users.name(self.identity_of_daemon());
        let from =
            nodes.text("notification_email_from").map_or_else(|| format!("{user}@{}", host_name()), str::to_owned);
        let timeout = nodes.int("smtp_connect_timeout").unwrap_or(30);
        if timeout == 0 {
            let at = nodes.at("smtp_connect_timeout", node.at);
            self.push(Report::warning(Code::Adjusted, at, "`smtp_connect_timeout` 0 is taken for 1 second"));
        }
        Some(Mail {
            to,
            from,
            server,
            helo: nodes.text("smtp_helo_name").map(str::to_owned),
            connect_timeout: Duration::from_secs(narrow::<u64>(timeout).max(1)),
        })
    }

    fn identity_of_daemon(&self) -> u32 {
        use std::os::unix::fs::MetadataExt;
        match self.options.strictness {
            Strictness::Check => 0,
            Strictness::Daemon => std::fs::metadata("/proc/self").map_or(0, |m| m.uid()),
        }
    }

    /// A mail server by its name. The resolver may hang for long, a start must not.
    fn resolve(&mut self, host: &Word, port: u16) -> Option<SocketAddr> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let name = host.text.clone();
        let plausible = !name.is_empty()
            && name.len() < 254
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if !plausible {
            let message = format!("`smtp_server`: `{name}` is neither an address nor a host name");
            self.push(Report::error(Code::BadAddress, host.at, message));
            return None;
        }
        if self.options.strictness == Strictness::Check {
            let message = format!("`{name}` is looked up when the daemon starts");
            self.push(Report::lint(Code::Unresolvable, host.at, message).help("an address does not depend on DNS"));
            return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
        }
        let (sender, receiver) = mpsc::channel();
        let asked = name.clone();
        std::thread::spawn(move || {
            let found = (asked.as_str(), port).to_socket_addrs().map(|mut found| found.next());
            // Nobody listens any more if it took too long.
            let _ = sender.send(found);
        });
        let why = match receiver.recv_timeout(PATIENCE) {
            Ok(Ok(Some(address))) => return Some(address),
            Ok(Ok(None)) => "it has no address".to_owned(),
            Ok(Err(e)) => e.to_string(),
            Err(_) => format!("no answer within {} seconds", PATIENCE.as_secs()),
        };
        let message = format!("`smtp_server`: `{name}` can't be resolved ({why}); no mail will be sent");
        self.push(Report::warning(Code::Unresolvable, host.at, message).help("an address does not depend on DNS"));
        None
    }
}

/// What `garp_extra_if` or its default says, if it is there: a number of seconds, 0 for never, and perhaps `all`.
pub(super) fn extra(nodes: &Nodes, name: &str) -> Option<Option<Extra>> {
    let Value::Typed(setting::Value::Options(said)) = &nodes.find(name)?.value else { return None };
    let seconds = said.iter().find_map(|(_, value)| match value {
        setting::Value::Number(n) => u64::try_from(*n).ok(),
        _ => None,
    });
    let reach = if said.iter().any(|(name, _)| *name == "all") { Reach::All } else { Reach::Made };
    Some(seconds.filter(|n| *n > 0).map(|n| Extra { every: Micros::from_secs(n), reach }))
}

/// Whether a value of that keyword is usable.
pub(super) fn valid(nodes: &Nodes, name: &str) -> bool {
    nodes.find(name).is_some_and(|n| n.value != Value::Invalid)
}
