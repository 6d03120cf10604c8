//! From checked keywords to [`Config`]: defaults, inheritance, what values do to each other, references between blocks.
//! Everything that keepalived corrects or drops in silence is told.

mod address;
mod bfd;
mod binding;
mod checker;
mod discovery;
mod forwarding;
mod global;
mod group;
mod heartbeat;
mod hmac;
mod interfaces;
mod iproute;
mod notify;
mod processes;
mod route;
mod rule;
mod script;
mod server_group;
mod service;
mod stays;
mod takeover;
mod tls;
mod track;
mod transport;
mod users;
mod vmac;
mod vrrp;

use crate::diag::{Code, Findings, Level, Report};
use crate::lex::tape::Tape;
use crate::memory::Memory;
use crate::model::{Config, TrackedFile};
use crate::options::{Options, Strictness, Written};
use crate::source::Place;
use crate::tree::{Node, Nodes, Value};
pub(crate) use address::{SCOPES, host_bits};
pub(crate) use global::Defaults;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use users::Identity;
use vipd_lvs::settings::{BodyPattern, HttpProbe};

/// What all parts of the lowering share.
struct Lower<'a> {
    /// What virtual servers are read from as their turn comes.
    tape: &'a mut Tape,
    findings: &'a mut Findings,
    options: &'a Options,
    defaults: Defaults,
    users: users::Users,
    /// Whom scripts run as without a user of their own; `None` if that was told to be impossible.
    identity: Option<Identity>,
    /// Names of the iproute2 tables.
    iproute: iproute::Iproute,
    /// A script that runs without `enable_script_security`: told once.
    unguarded: Option<Place>,
    /// Files with a secret that everybody can read: each is told once.
    secrets: std::collections::HashSet<String>,
    /// Virtual addresses, and the first instance that holds each.
    held: HashMap<IpAddr, String>,
    /// BFD sessions that checks may follow, and those that they may not.
    sessions: HashMap<String, bfd::Followers>,
    /// Files that checks may follow, with their weights and whether these are reversed; and those that they follow.
    files: HashMap<String, (TrackedFile, (i32, bool))>,
    followed_files: BTreeMap<String, TrackedFile>,
    /// What the last `HTTP_GET` asks.
    http: Option<Arc<HttpProbe>>,
    /// Files with authorities that were seen already.
    authorities: std::collections::HashSet<String>,
    /// The last pattern, which compiles.
    pattern: Option<BodyPattern>,
    /// Names of interfaces that are made.
    made: vmac::Names,
    /// What may still be made by copying: trackers of groups, entries of server groups.
    copies: usize,
}

/// Copies of group members that one configuration may make.
const MAX_COPIES: usize = 200_000;

/// Names that a finding lists.
const NAMED: usize = 8;

/// The meaning of a configuration. Always gives one; it is worth something only if no error was found.
pub(crate) fn lower(
    root: Nodes,
    tape: &mut Tape,
    findings: &mut Findings,
    options: &Options,
    before: Option<(&Config, &Memory)>,
) -> (Config, Memory) {
    // Only a file without errors has values for all its words.
    let keep = options.written == Written::Keep && !findings.failed();
    let written = if keep { crate::tree::written(&root) } else { Vec::new() };
    let (globals, root) = merged(root, "global_defs");
    let mut lower = Lower {
        tape,
        findings,
        options,
        defaults: Defaults::from(&globals),
        users: users::Users::read(),
        identity: None,
        iproute: iproute::Iproute::from(&globals),
        unguarded: None,
        secrets: std::collections::HashSet::new(),
        held: HashMap::new(),
        sessions: HashMap::new(),
        files: HashMap::new(),
        followed_files: BTreeMap::new(),
        http: None,
        authorities: std::collections::HashSet::new(),
        pattern: None,
        made: vmac::Names::default(),
        copies: MAX_COPIES,
    };
    lower.identity = lower.default_identity(&globals);
    let mut config = Config { global: lower.global(&globals, &root), written, ..Config::default() };
    config.tls = lower.tls(&root);
    lower.vrrp(&root, &mut config);
    lower.interfaces(&root, &mut config);
    lower.followed(&globals, &mut config);
    lower.follower(&root, &mut config);
    lower.catch_up(&globals, &mut config);
    for own in config.instances.iter().map(|i| &i.vrrp) {
        for address in own.addresses.iter().chain(&own.excluded) {
            lower.held.entry(address.address).or_insert_with(|| own.name.clone());
        }
    }
    let memory = lower.services(root, &mut config, before);
    let followed = std::mem::take(&mut lower.followed_files).into_values();
    let more: Vec<TrackedFile> = followed.filter(|file| !config.files.contains(file)).collect();
    config.files.extend(more);
    if let Some(at) = lower.unguarded {
        let message = "scripts run, and `enable_script_security` is off";
        let help = "with it in `global_defs`, a script that others than root could change never runs as root";
        lower.push(Report::lint(Code::ScriptInsecure, at, message).help(help));
    }
    (config, memory)
}

/// The words of all blocks of that name as one block, later ones first so that they are found first; and the rest.
fn merged(root: Nodes, name: &str) -> (Nodes, Nodes) {
    let (found, rest) = root.split(name);
    let (mut list, mut inner_flawed) = (Vec::new(), false);
    for node in found.into_iter().rev() {
        if let crate::tree::Body::Block(nodes) = node.body {
            inner_flawed |= nodes.flawed;
            list.extend(nodes.into_list());
        }
    }
    (Nodes::new(list, inner_flawed), rest)
}

impl Lower<'_> {
    fn push(&mut self, report: Report) {
        self.findings.push(report);
    }

    /// Tells once for each file with a secret that everybody on this host can read it.
    fn check_secret(&mut self, at: Place) {
        use std::os::unix::fs::PermissionsExt;
        let Some(span) = self.findings.map.span(at) else { return };
        let open = std::fs::metadata(&span.file).is_ok_and(|m| m.permissions().mode() & 0o004 != 0);
        if open && self.secrets.insert(span.file.clone()) {
            let report = Report::lint(Code::SecretReadable, at, format!("everybody can read {}", span.file));
            self.push(report.help(format!("chmod o-r {}", span.file)));
        }
    }

    /// Accounts for copies that one line of the file makes; `false`, and told, once there are too many.
    fn copy(&mut self, n: usize, at: Place) -> bool {
        if self.copies < n {
            if self.copies > 0 {
                let message = format!("groups make more than {MAX_COPIES} entries of this configuration");
                self.push(Report::error(Code::TooMuch, at, message));
            }
            self.copies = 0;
            return false;
        }
        self.copies -= n;
        true
    }

    /// A suggestion for a name that is not there.
    fn suggest<'n>(&self, report: Report, given: &str, names: impl Iterator<Item = &'n str>) -> Report {
        if self.findings.full(Level::Error) {
            return report;
        }
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable(); // some come out of a table without an order
        match crate::tree::nearest(given, names.iter().copied()) {
            Some(near) => report.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => report.help("there is none at all: add its block, or take the name out here"),
            None => {
                let more = names.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
                report.help(format!("there are: {names}{more}"))
            }
        }
    }

    /// The value, or its report told.
    fn take<T>(&mut self, result: Result<T, Report>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(report) => {
                self.push(report);
                None
            }
        }
    }

    /// Tells that something of this machine is not as the configuration needs it: the daemon must not start with it,
    /// but a check may be made elsewhere.
    fn here(&mut self, report: Report) {
        let report = match self.options.strictness {
            Strictness::Daemon => report,
            Strictness::Check => report.at_level(Level::Warning).help("the daemon would refuse to start"),
        };
        self.push(report);
    }
}

/// Named blocks in the order of the file, each name once.
struct Named<'a> {
    list: Vec<(&'a str, &'a Node)>,
    index: HashMap<&'a str, usize>,
}

impl<'a> Named<'a> {
    /// Collects them; a name given again is told at the given level and its block left out.
    fn collect(lower: &mut Lower<'_>, root: &'a Nodes, keyword: &'a str, again: Level) -> Named<'a> {
        let mut list: Vec<(&str, &Node)> = Vec::new();
        let mut index: HashMap<&str, usize> = HashMap::new();
        for node in root.all(keyword) {
            let Value::Text(name) = &node.value else { continue };
            if let Some((_, first)) = index.get(name.as_str()).and_then(|i| list.get(*i)) {
                let message = format!("there is already a {keyword} named `{name}`");
                let report = Report::error(Code::DuplicateName, node.argument(), message).at_level(again);
                lower.push(report.label("left out").also(first.argument(), "the first one"));
                continue;
            }
            index.insert(name, list.len());
            list.push((name, node));
        }
        Named { list, index }
    }

    fn find(&self, name: &str) -> Option<&'a Node> {
        self.list.get(*self.index.get(name)?).map(|(_, node)| *node)
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.list.iter().map(|(n, _)| *n)
    }
}

/// Out-of-range values were told by the table; this only narrows the type.
fn narrow<T: TryFrom<i64> + Default>(value: i64) -> T {
    T::try_from(value).unwrap_or_default()
}
