//! Names of the iproute2 tables: what stands for a routing table, a scope, a protocol. The administrator's file counts before
//! the distribution's, and the `*.conf` files in the folder beside either are read as well.

use super::Lower;
use crate::diag::{Code, Report};
use crate::form;
use crate::setting::Value;
use crate::source::Place;
use crate::tree::Nodes;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of one file at most; more is no file of names.
const MOST: u64 = 1 << 20;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Names {
    Tables,
    Scopes,
    Protocols,
    Services,
    Realms,
    Groups,
    Preferences,
    IpProtocols,
}

impl Names {
    /// The file, and its built-in names.
    fn source(self) -> (&'static str, &'static [(&'static str, u32)]) {
        match self {
            Names::Tables => ("rt_tables", &[("default", 253), ("main", 254), ("local", 255)]),
            Names::Scopes => {
                ("rt_scopes", &[("global", 0), ("nowhere", 255), ("host", 254), ("link", 253), ("site", 200)])
            }
            Names::Protocols => (
                "rt_protos",
                &[
                    ("none", 0),
                    ("redirect", 1),
                    ("kernel", 2),
                    ("boot", 3),
                    ("static", 4),
                    ("gated", 8),
                    ("ra", 9),
                    ("mrt", 10),
                    ("zebra", 11),
                    ("bird", 12),
                    ("dnrouted", 13),
                    ("xorp", 14),
                    ("ntk", 15),
                    ("dhcp", 16),
                    ("keepalived", 18),
                    ("babel", 42),
                ],
            ),
            Names::Services => ("rt_dsfield", &[]),
            Names::Realms => ("rt_realms", &[]),
            Names::Groups => ("group", &[("default", 0)]),
            // ICMPV6_ROUTER_PREF_* (linux/icmpv6.h)
            Names::Preferences => ("", &[("low", 3), ("medium", 0), ("high", 1)]),
            Names::IpProtocols => ("", &[("icmp", 1), ("tcp", 6), ("udp", 17), ("ipv6-icmp", 58), ("sctp", 132)]),
        }
    }

    /// The word for it.
    fn word(self) -> &'static str {
        match self {
            Names::Tables => "routing table",
            Names::Scopes => "scope",
            Names::Protocols => "routing protocol",
            Names::Services => "type of service",
            Names::Realms => "realm",
            Names::Groups => "interface group",
            Names::Preferences => "router preference",
            Names::IpProtocols => "protocol over IP",
        }
    }
}

/// Where the tables are, and those that were read.
pub(super) struct Iproute {
    local: PathBuf,
    vendor: Vec<PathBuf>,
    known: HashMap<Names, BTreeMap<u32, String>>,
}

impl Iproute {
    /// By `iproute_etc_dir` and `iproute_usr_dir`.
    pub(super) fn from(globals: &Nodes) -> Iproute {
        let vendor = globals.text("iproute_usr_dir").map(|dir| vec![PathBuf::from(dir)]);
        Iproute {
            local: PathBuf::from(globals.text("iproute_etc_dir").unwrap_or("/etc/iproute2")),
            vendor: vendor.unwrap_or_else(|| ["/usr/share/iproute2", "/usr/lib/iproute2"].map(PathBuf::from).to_vec()),
            known: HashMap::new(),
        }
    }

    fn find(&mut self, names: Names, name: &str) -> Option<u32> {
        if !self.known.contains_key(&names) {
            let read = self.read(names);
            self.known.insert(names, read);
        }
        // Two numbers may have one name: iproute2 takes the lower one.
        self.known.get(&names)?.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
    }

    fn read(&self, names: Names) -> BTreeMap<u32, String> {
        let (file, built_in) = names.source();
        let mut known: BTreeMap<u32, String> = built_in.iter().map(|(name, n)| (*n, (*name).to_owned())).collect();
        if names == Names::IpProtocols {
            // `tcp 6 TCP`: the number comes second.
            for line in text(Path::new("/etc/protocols")).lines() {
                let mut words = line.split('#').next().unwrap_or("").split_whitespace();
                let (Some(name), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) else { continue };
                known.insert(number, name.to_owned());
            }
        }
        if file.is_empty() {
            return known;
        }
        let folders = || std::iter::once(&self.local).chain(&self.vendor);
        let main = folders().map(|folder| folder.join(file)).find(|path| path.is_file());
        let mut more: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        for folder in folders() {
            let Ok(entries) = std::fs::read_dir(folder.join(format!("{file}.d"))) else { continue };
            for path in
                entries.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "conf"))
            {
                if let Some(name) = path.file_name() {
                    more.entry(name.to_owned()).or_insert(path);
                }
            }
        }
        for path in main.iter().chain(more.values()) {
            for line in text(path).lines() {
                let mut words = line.split('#').next().unwrap_or("").split_whitespace();
                let (Some(number), Some(name)) = (words.next().and_then(form::number), words.next()) else { continue };
                if let Ok(number) = u32::try_from(number) {
                    known.insert(number, name.to_owned());
                }
            }
        }
        known
    }
}

/// The text of a file, or nothing.
fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(MOST).read_to_end(&mut bytes); // what was read until then is what there is
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Lower<'_> {
    /// The number that a word stands for; tells if nothing on this host says so.
    pub(super) fn named(&mut self, names: Names, value: &Value, at: Place) -> Option<u32> {
        let name = match value {
            Value::Number(number) => return u32::try_from(*number).ok(),
            Value::Text(name) => name,
            _ => return None,
        };
        if let Some(number) = self.iproute.find(names, name).or_else(|| u32::try_from(form::number(name)?).ok()) {
            return Some(number);
        }
        let message = format!("no {} is called `{name}` on this host", names.word());
        let report = Report::error(Code::BadWord, at, message);
        let (file, _) = names.source();
        self.here(if file.is_empty() { report } else { report.help(format!("its number, or a line in {file}")) });
        None
    }

    /// `[FROM/]TO` as the kernel has it.
    pub(super) fn realms(&mut self, value: &Value, at: Place) -> Option<u32> {
        let text = match value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let (from, to) = text.split_once('/').map_or((None, text.as_str()), |(from, to)| (Some(from), to));
        let to = self.named(Names::Realms, &Value::Text(to.to_owned()), at)?;
        let from = from.map(|from| self.named(Names::Realms, &Value::Text(from.to_owned()), at));
        Some(from.unwrap_or(Some(0))? << 16 | to)
    }
}
