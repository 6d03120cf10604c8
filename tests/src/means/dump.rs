//! The facts of keepalived's dumps: `keepalived.data`, `keepalived_check.data`, `keepalived_bfd.data` of version 2.2.7.

use super::labels::{How, LABELS, LISTS, STATE, UNSET};
use super::{Place, command, item};
use std::collections::{BTreeMap, BTreeSet};

/// Lists whose items are one fact together.
const JOINED: &[&str] = &["notification_email", "group", "interfaces", "status_code"];

/// Every fact of a dump, and the labels that nothing is known of.
pub(super) fn facts(text: &str) -> (Vec<(Place, String)>, BTreeSet<String>) {
    // The process for BFD shows global settings that it hasn't got.
    let text = text.find("------< BFD Topology").map_or(text, |at| &text[at..]);
    let mut reader = Reader::default();
    let mut check: Vec<&str> = Vec::new();
    for line in text.lines() {
        if reader.section == "Health checkers" {
            if line.contains(" -> [") || line.contains("------<") {
                reader.check(&std::mem::take(&mut check));
            }
            if !line.contains("------<") {
                check.push(line);
                continue;
            }
        }
        reader.line(line);
    }
    reader.check(&check);
    reader.end();
    (reader.facts, reader.unknown)
}

#[derive(Default)]
struct Reader {
    section: String,
    kind: &'static str,
    block: String,
    /// The list under way: indentation of its head, our setting, items so far.
    list: Option<(usize, &'static str, Vec<String>)>,
    /// The virtual server that real servers belong to.
    service: String,
    /// Checks so far, by server and kind.
    checks: BTreeMap<String, usize>,
    /// Labels of this block.
    seen: BTreeSet<String>,
    facts: Vec<(Place, String)>,
    /// Labels that nothing is known of.
    unknown: BTreeSet<String>,
    state: String,
}

impl Reader {
    fn fact(&mut self, setting: impl Into<String>, value: impl Into<String>) {
        self.facts.push(((self.block.clone(), setting.into()), value.into()));
    }

    fn begin(&mut self, kind: &'static str, name: &str) {
        self.end();
        self.kind = kind;
        self.block = if name.is_empty() { kind.to_owned() } else { format!("{kind} {name}") };
    }

    /// The end of a block: what it did not say is off.
    fn end(&mut self) {
        self.end_list();
        if self.kind == "vrrp_instance" {
            for (label, setting) in [
                ("Enforcing strict VRRP compliance", "strict_mode"),
                ("Skip checking advert IP addresses", "skip_check_adv_addr"),
                ("VRRP interface tracking", "dont_track_primary"),
            ] {
                if !self.seen.contains(label) {
                    self.fact(setting, "no");
                }
            }
        }
        self.seen.clear();
        self.kind = "";
    }

    fn end_list(&mut self) {
        let Some((_, setting, items)) = self.list.take().filter(|(_, setting, _)| !setting.is_empty()) else { return };
        if JOINED.contains(&setting) {
            self.fact(setting, items.join(" "));
        } else {
            for (i, text) in items.iter().enumerate() {
                self.fact(format!("{setting}.{i}"), of_item(setting, text));
            }
        }
    }

    fn line(&mut self, line: &str) {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        if let Some(section) = text.strip_prefix("------< ").and_then(|t| t.strip_suffix(" >------")) {
            self.begin_section(section);
            return;
        }
        if let Some((head, _, items)) = &mut self.list {
            if indent > *head {
                // Below each entry of a group is how it fares.
                if self.kind == "virtual_server_group" && !text.starts_with("VIP") && !text.starts_with("FWMARK") {
                    return;
                }
                items.push(text.to_owned());
                return;
            }
            self.end_list();
        }
        if self.begin_block(text) {
            return;
        }
        let heads =
            |(kind, head, _): &&(&str, &str, &str)| *kind == self.kind && !head.is_empty() && text.starts_with(*head);
        if let Some((_, _, setting)) = LISTS.iter().find(heads) {
            self.list = Some((indent, setting, Vec::new()));
            return;
        }
        for (label, value) in split(text) {
            self.labelled(indent, label, value);
        }
    }

    fn begin_section(&mut self, section: &str) {
        self.end();
        section.clone_into(&mut self.section);
        self.block.clear();
        match section {
            "Global definitions" => self.begin("global_defs", ""),
            "SSL definitions" => self.begin("SSL", ""),
            _ => {
                if let Some(number) = section.strip_prefix("GARP delay group ").filter(|n| *n != "0") {
                    self.begin("garp_group", number);
                }
                if let Some((_, _, setting)) = LISTS.iter().find(|(kind, ..)| *kind == section) {
                    self.list = Some((0, setting, Vec::new()));
                }
            }
        }
    }

    /// Whether a line begins a block.
    fn begin_block(&mut self, text: &str) -> bool {
        let (label, value) = text.split_once(" = ").unwrap_or((text, ""));
        let name = value.split(',').next().unwrap_or_default();
        let kind = match label {
            "VRRP Instance" => "vrrp_instance",
            "VRRP Sync Group" => "vrrp_sync_group",
            "VRRP Script" => "vrrp_script",
            "VRRP Track process" => "vrrp_track_process",
            "Track file" => "track_file",
            "VRRP Track BFD" | "BFD Instance" => "bfd_instance",
            "Static Track Group" => "track_group",
            "Virtual Server Group" => "virtual_server_group",
            "Name" if self.section == "Interfaces" => "interface_up_down_delays",
            "VS VIP" => {
                let port = value.rsplit(' ').next().unwrap_or_default();
                self.begin("virtual_server", &format!("{name} {port}"));
                self.service.clone_from(&self.block);
                return true;
            }
            "VS FWMARK" | "VS GROUP" => {
                let group = value.strip_prefix('[').and_then(|v| v.split(']').next());
                let name = group.map_or_else(|| format!("fwmark {value}"), |group| format!("group {group}"));
                self.begin("virtual_server", &name);
                self.service.clone_from(&self.block);
                return true;
            }
            "RIP" => {
                let port = value.split("RPORT = ").nth(1).and_then(|v| v.split(',').next()).unwrap_or_default();
                self.begin("real_server", "");
                self.block = format!("{} / real_server {name} {port}", self.service);
                return true;
            }
            _ => return false,
        };
        self.begin(kind, name);
        if kind == "virtual_server_group" {
            self.list = Some((1, "lines", Vec::new()));
        }
        true
    }

    fn labelled(&mut self, indent: usize, label: &str, value: &str) {
        let first = self.seen.insert(label.to_owned());
        let unicast = self.seen.contains("Using unicast");
        match (self.kind, label) {
            // What is deeper belongs to the sorry server.
            ("virtual_server", "forwarding method") if indent > 4 => {
                self.fact("sorry_server_lvs_method", method(value))
            }
            ("virtual_server", "Inhibit on failure") if indent > 4 => self.fact("sorry_server_inhibit", yes(value)),
            ("virtual_server", "sorry server") => {
                let (address, port) = socket(value);
                self.fact("sorry_server.address", address);
                self.fact("sorry_server.port", port);
            }
            ("virtual_server", "default forwarding method" | "forwarding method") => {
                self.fact("lvs_method", method(value))
            }
            ("virtual_server", "Address family") if self.block.contains("fwmark") => self.fact("ip_family", value),
            ("real_server", "forwarding method") => self.fact("lvs_method", method(value)),
            ("real_server", "connection limit range") => {
                let (lower, upper) = value.split_once(" -> ").unwrap_or_default();
                self.fact("lthreshold", lower);
                self.fact("uthreshold", upper);
            }
            ("vrrp_instance", "Using src_ip") => {
                if let Some(address) = value.strip_suffix(" (from configuration)") {
                    self.fact(if unicast { "unicast_src_ip" } else { "mcast_src_ip" }, address);
                }
            }
            ("vrrp_instance", "Authentication type") => {
                let kind = match value {
                    "SIMPLE_PASSWORD" => "PASS",
                    "IPSEC_AH" => "AH",
                    _ => "no",
                };
                self.fact("authentication.auth_type", kind);
            }
            ("global_defs", "Smtp server") => self.fact("smtp_server.host", value),
            ("global_defs", "Smtp server port") => self.fact("smtp_server.port", value),
            // The time of UDP has the label of TCP.
            ("global_defs", "LVS TCP timeout") => {
                self.fact(if first { "lvs_timeouts.tcp" } else { "lvs_timeouts.udp" }, value)
            }
            ("global_defs", "umask") => {
                let bits = u32::from_str_radix(value, 8).unwrap_or(u32::MAX);
                self.fact("umask", if bits == 0o177 { "no".to_owned() } else { bits.to_string() });
            }
            ("vrrp_track_process", "Process") => self.fact("process", value),
            ("vrrp_track_process", "Parameters") => {
                if let Some((_, process)) = self.facts.iter_mut().rev().find(|((_, name), _)| name == "process") {
                    process.push(' ');
                    process.push_str(value);
                }
            }
            ("bfd_instance", "send event to checker process") => {
                if value == "No" {
                    self.fact("vrrp", "yes");
                    self.fact("checker", "no");
                }
            }
            ("bfd_instance", "send event to VRRP process") => {
                if value == "No" {
                    self.fact("vrrp", "no");
                    self.fact("checker", "yes");
                }
            }
            ("check", "Dest") => {
                let (address, port) = socket(value);
                self.fact("connect_ip", address);
                self.fact("connect_port", port);
            }
            ("check", "Bind to") => {
                let (address, port) = socket(value);
                self.fact("bindto", address);
                self.fact("bind_port", port);
            }
            ("vrrp_instance", "State") => value.clone_into(&mut self.state),
            // A master wants to be one, whatever the file says.
            ("vrrp_instance", "Wantstate") if self.state != "BACKUP" => {}
            _ => self.by_table(label, value),
        }
    }

    fn by_table(&mut self, label: &str, value: &str) {
        let labels = LABELS.iter().find(|(kind, _)| *kind == self.kind).map_or(&[][..], |(_, labels)| labels);
        let Some((_, setting, how)) = labels.iter().find(|(l, ..)| *l == label) else {
            self.beyond(label, value);
            return;
        };
        // Interfaces without delays are shown as well.
        let zero = value.starts_with("0us");
        if let Some(value) = read(*how, value).filter(|_| self.kind != "interface_up_down_delays" || !zero) {
            let fifo = label.ends_with("fifo script");
            // The pipe is its last argument there.
            let value = if fifo { value.split('|').next().unwrap_or_default().to_owned() } else { value };
            self.fact(*setting, value);
        }
    }

    /// A label that is compared with nothing: one that is known to be no setting, or a label that this has not seen yet.
    fn beyond(&mut self, label: &str, value: &str) {
        let kind = if self.kind.is_empty() { self.section.as_str() } else { self.kind };
        let state = |(of, labels): &(&str, &[&str])| *of == kind && labels.iter().any(|l| label.starts_with(l));
        let unset = kind == "global_defs" && UNSET.contains(&(label, value));
        if !unset && !STATE.iter().any(state) {
            self.unknown.insert(format!("{kind}: {label} = {value}"));
        }
    }

    /// A check: `[VS]:tcp:80 -> [RS]:tcp:80` and what stands below.
    fn check(&mut self, lines: &[&str]) {
        let [head, lines @ ..] = lines else { return };
        let Some((service, server)) = head.trim().split_once(" -> ") else { return };
        let (service, server) = (socket(service), socket(server));
        let kind = lines.iter().find_map(|l| l.trim().strip_prefix("Keepalive method = ")).unwrap_or_default();
        let (kind, protocol) = kind.split_once(", http protocol ").unwrap_or((kind, ""));
        let server = format!("virtual_server {} {} / real_server {} {}", service.0, service.1, server.0, server.1);
        let index = self.checks.entry(format!("{server} {kind}")).or_default();
        let block = format!("{server} / {kind} {index}");
        *index += 1;
        self.begin("check", "");
        self.block.clone_from(&block);
        if !protocol.is_empty() {
            self.fact("http_protocol", protocol);
        }
        let mut urls = 0;
        for line in lines {
            let text = line.trim();
            // The first lines of a check that follows BFD are of a timer that it hasn't got.
            if kind == "BFD_CHECK" && (text.contains(" us") || text.starts_with("Retries")) {
                continue;
            }
            if let Some(path) = text.strip_prefix("Checked url = ") {
                self.begin("url", "");
                self.block = format!("{block} / url {urls}");
                self.fact("path", path);
                urls += 1;
                continue;
            }
            self.line(line);
        }
        self.end();
    }
}

/// The labels and values of a line.
fn split(text: &str) -> Vec<(&str, &str)> {
    if let Some((quorum, hysteresis)) = text.strip_prefix("quorum = ").and_then(|t| t.split_once(", hysteresis = ")) {
        return vec![("quorum", quorum), ("hysteresis", hysteresis)];
    }
    if let Some(address) = text.strip_prefix("Multicast address ") {
        return vec![("Multicast address", address)];
    }
    let last = text.rsplit_once(' ');
    if let Some((label, value @ ("ON" | "OFF"))) = last {
        return vec![(label.strip_suffix(" is").unwrap_or(label), value)];
    }
    if let Some(pair) = text.split_once(" = ").or(text.strip_suffix(" =").map(|l| (l, ""))).or(text.split_once(" : ")) {
        return vec![(pair.0, pair.1.trim())];
    }
    match last {
        Some((label, value @ ("enabled" | "disabled" | "set" | "unset"))) => vec![(label, value)],
        _ => vec![(text, "yes")],
    }
}

fn read(how: How, value: &str) -> Option<String> {
    let number = || {
        let digits: String = value.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
        digits.parse::<f64>().ok()
    };
    Some(match how {
        How::Text => value.split(", uid:gid").next().unwrap_or_default().to_owned(),
        How::Number if value.ends_with("milli-sec") => (number()? / 1000.0).to_string(),
        How::Number => number()?.to_string(),
        How::Micros => (number()? / 1e6).to_string(),
        How::Millis => (number()? / 1e3).to_string(),
        How::Bool => yes(value).to_owned(),
        How::Not => if yes(value) == "yes" { "no" } else { "yes" }.to_owned(),
        How::Command => command(value.split(", uid:gid").next().unwrap_or_default()),
        How::Quoted => value.trim_matches(['"', '\'']).to_owned(),
        How::NotZero => Some(number()?).filter(|n| *n != 0.0)?.to_string(),
        How::Unless(nothing) if value == nothing => return None,
        How::Unless(_) if matches!(value, "on" | "off") => yes(value).to_owned(),
        How::Unless(_) => value.to_owned(),
    })
}

/// A word for on or off; what is told when an instance is deleted is a fault or that. Panics on any other.
fn yes(value: &str) -> &'static str {
    match value {
        "yes" | "Yes" | "YES" | "true" | "on" | "ON" | "enabled" | "set" | "1" | "Deleted" => "yes",
        "no" | "No" | "NO" | "false" | "off" | "OFF" | "disabled" | "unset" | "0" | "Fault" => "no",
        other => panic!("`{other}` says neither yes nor no"),
    }
}

/// `[10.77.0.11]:tcp:80` or `[10.77.0.11]:80`
fn socket(text: &str) -> (String, String) {
    let (address, rest) = text.trim_start_matches('[').split_once(']').unwrap_or((text, ""));
    (address.to_owned(), rest.rsplit(':').next().unwrap_or_default().to_owned())
}

/// `TUN, type = GUE, port = 6080, checksum`
fn method(text: &str) -> String {
    let words = text.split(", ").map(|part| match part.split_once(" = ") {
        Some((name, value)) => format!("{name}={}", value.to_lowercase()),
        None if part == "checksum" => "csum".to_owned(),
        None if part == "no checksum" => String::new(),
        None => part.trim().to_owned(),
    });
    words.filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

/// An item of a list, in our words.
fn of_item(setting: &str, text: &str) -> String {
    let mut words = text.split([' ', ',']).map(|w| w.trim_end_matches(':')).filter(|w| !w.is_empty());
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut put = |name: &str, value: &str| drop(values.insert(name.to_owned(), value.to_owned()));
    match setting {
        "lines" => {
            // VIP = 10.77.0.101, VPORT = 80
            let pairs = text.split(", ").filter_map(|pair| pair.split_once(" = "));
            pairs.for_each(|(name, value)| match name {
                "VPORT" => put("port", value),
                "FWMARK" => put("fwmark", value),
                _ => put("address", value),
            });
        }
        s if s.starts_with("track_") => {
            put("name", words.next().unwrap_or_default());
            while let Some(word) = words.next() {
                match word {
                    "weight" => put("weight", words.next().unwrap_or_default()),
                    word => put(word, "yes"),
                }
            }
        }
        "unicast_peer" => {
            put("address", words.next().unwrap_or_default());
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                if (name, value) != ("min_ttl", "0") && (name, value) != ("max_ttl", "255") {
                    put(name, value);
                }
            }
        }
        s if s.ends_with("address") || s.ends_with("excluded") => {
            let address = words.next().unwrap_or_default();
            put("address", &if address.contains('/') { address.to_owned() } else { format!("{address}/32") });
            while let Some(word) = words.next() {
                match word {
                    "set" => {}
                    "brd" => put("broadcast", words.next().unwrap_or_default()),
                    "peer" => put("peer", words.next().unwrap_or_default().trim_end_matches("/32")),
                    "dev" | "scope" | "label" | "track_group" => put(word, words.next().unwrap_or_default()),
                    flag => put(flag, "yes"),
                }
            }
        }
        s => path(s, &text.split_whitespace().collect::<Vec<_>>(), &mut put),
    }
    item(values)
}

/// A route or a rule.
fn path(setting: &str, words: &[&str], put: &mut impl FnMut(&str, &str)) {
    let rule = setting.ends_with("rules");
    let (mut hop, mut hops) = (String::new(), 0);
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let value = words.get(i + 1).copied().unwrap_or_default();
        i += 2;
        match (*word, value) {
            // How keepalived installs it, and what it does where the file says nothing.
            ("no_track", _) if rule => {
                put("no_track", "yes");
                i -= 1;
            }
            ("prepend" | "add" | "append" | "set" | "no_track" | "type", _) => i -= 1,
            ("proto" | "protocol", "18") | ("tos", "0x0") => {}
            ("from", "all") if rule => {}
            ("via", _) => {
                let skip = usize::from(matches!(value, "inet" | "inet6"));
                put(&format!("{hop}via"), words.get(i - 1 + skip).copied().unwrap_or_default());
                i += skip;
            }
            ("nexthop", _) => {
                hop = format!("nexthop.{hops}.");
                hops += 1;
                i -= 1;
            }
            ("priority", _) if rule => put("preference", value),
            ("lookup", _) => put("table", value),
            ("scope", "253") => put("scope", "link"),
            ("fwmark", _) => {
                let hex = |t: &str| t.strip_prefix("0x").and_then(|d| u32::from_str_radix(d, 16).ok());
                let (mark, mask) = value.split_once('/').unwrap_or((value, ""));
                put("fwmark", &format!("{}/{mask}", hex(mark).unwrap_or_default()));
            }
            ("blackhole" | "unreachable" | "prohibit", _) if rule => {
                put(word, "yes");
                i -= 1;
            }
            (word, _) if word.contains('/') => {
                put("destination", word);
                i -= 1;
            }
            (word, value) => put(&format!("{hop}{word}"), value),
        }
    }
}
