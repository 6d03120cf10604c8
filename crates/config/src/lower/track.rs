//! What instances follow: scripts, interfaces, files, processes, BFD sessions, and what each does to the priority.

use super::bfd::Followers;
use super::{Lower, Named, narrow};
use crate::diag::{Code, Level, Report};
use crate::lex::words::{Line, Word};
use crate::model::{InitFile, Overwrite, ProcessMatch, TrackedFile, TrackedProcess, TrackedScript};
use crate::setting;
use crate::source::Place;
use crate::tree::{Node, Nodes, Value, nearest};
use crate::value;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use vipd_vrrp::settings::{Bearing, Process, Script, Track, Tracked};
use vipd_vrrp::units::{Micros, Priority};

/// Objects that one instance or group tracks at most.
const MAX_TRACKED: usize = 1000;

/// Bytes of the name of a process that the kernel keeps.
const NAME: usize = 15;

/// What a file adds to the priority at least and at most.
const FILE: (i64, i64) = (-253, 253);

/// A tracked object and where it was said.
#[derive(Clone)]
pub(super) struct Tracker {
    pub(super) track: Track,
    pub(super) at: Place,
}

/// Objects of one kind, each a block with a name.
struct Kind {
    what: fn(String) -> Tracked,
    /// The keyword of the blocks.
    block: &'static str,
    /// The keyword of the lists.
    list: &'static str,
    /// `weight` where neither the line nor the block has one.
    weight: i16,
    /// The largest that is taken, with either sign, and the largest that has an effect.
    most: (i64, i16),
    /// What is said of one that nothing tracks; `None` where others than instances may use it.
    unused: Option<&'static str>,
}

static KINDS: [Kind; 4] = [
    Kind {
        what: Tracked::Script,
        block: "vrrp_script",
        list: "track_script",
        weight: 0,
        most: (254, 253),
        unused: Some("it will not run"),
    },
    Kind { what: Tracked::File, block: "track_file", list: "track_file", weight: 1, most: (254, 254), unused: None },
    Kind {
        what: Tracked::Process,
        block: "vrrp_track_process",
        list: "track_process",
        weight: 0,
        most: (254, 254),
        unused: Some("nobody looks for it"),
    },
    Kind { what: Tracked::Bfd, block: "bfd_instance", list: "track_bfd", weight: 0, most: (253, 253), unused: None },
];

/// The blocks that can be tracked, by kind.
pub(super) struct Trackable<'a>([(&'static Kind, Named<'a>); 4]);

impl<'a> Trackable<'a> {
    /// The `bfd_instance`s.
    pub(super) fn sessions(&self) -> &Named<'a> {
        let [.., (_, sessions)] = &self.0;
        sessions
    }
}

/// What is tracked.
pub(super) struct Used<'a> {
    /// By instances.
    pub(super) tracked: HashSet<&'a Tracked>,
    /// The lists and the names in them, also those that could not be tracked: that was told already.
    pub(super) named: HashSet<(&'a str, &'a str)>,
}

/// What a line behind a name may say.
struct Options {
    weight: Option<i16>,
    reverse: Option<bool>,
}

impl Lower<'_> {
    /// `[weight INT] [reverse|noreverse]`
    fn track_options(&mut self, line: &Line, what: &Tracked, (most, effective): (i64, i16)) -> Option<Options> {
        let mut out = Options { weight: None, reverse: None };
        let mut words = line.words[1..].iter();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "weight" => {
                    let Some(number) = words.next() else {
                        self.push(Report::error(Code::MissingValue, word.at, "`weight` needs a number"));
                        return None;
                    };
                    let weight: i16 = narrow(self.take(value::int(number, "`weight`", -most, most))?);
                    let taken = weight.clamp(-effective, effective);
                    if weight != taken {
                        let message = format!("`weight` {weight} is taken for {taken}");
                        self.push(Report::warning(Code::Adjusted, number.at, message));
                    }
                    out.weight = Some(taken);
                }
                "reverse" => out.reverse = Some(true),
                "noreverse" => out.reverse = Some(false),
                _ => {
                    self.push(self.stray(word, what.kind()));
                    return None;
                }
            }
        }
        Some(out)
    }

    fn stray(&self, word: &Word, what: &str) -> Report {
        let message = format!("`{}` is not an option of a tracked {what}", word.text);
        let report = Report::error(Code::BadWord, word.at, message);
        match nearest(&word.text, ["weight", "reverse", "noreverse"].into_iter()) {
            Some(near) => report.help(format!("did you mean `{near}`?")),
            None => report.help(format!("one {what} a line: NAME [weight INT [reverse]]")),
        }
    }

    /// The blocks that can be tracked.
    pub(super) fn trackable<'a>(&mut self, root: &'a Nodes) -> Trackable<'a> {
        Trackable(KINDS.each_ref().map(|kind| (kind, Named::collect(self, root, kind.block, Level::Warning))))
    }

    /// Everything that an instance or group tracks.
    pub(super) fn trackers(&mut self, nodes: &Nodes, of: &Trackable<'_>) -> Vec<Tracker> {
        let mut out: Vec<Tracker> = Vec::new();
        for line in nodes.lines("track_interface") {
            let first = &line.words[0];
            let name = value::device(first, "`track_interface`");
            let Some(what) = self.take(name).map(Tracked::Interface) else { continue };
            let Some(options) = self.track_options(line, &what, (254, 253)) else { continue };
            let bearing = bearing(options.weight.unwrap_or(0), options.reverse.unwrap_or(false));
            self.add(&mut out, Track { what, bearing }, first.at);
        }
        for (kind, named) in &of.0 {
            for line in nodes.lines(kind.list) {
                if let Some(track) = self.tracked(line, kind, named) {
                    self.add(&mut out, track, line.words[0].at);
                }
            }
        }
        out
    }

    /// A line that names a block.
    fn tracked(&mut self, line: &Line, kind: &Kind, named: &Named<'_>) -> Option<Track> {
        let first = &line.words[0];
        let what = (kind.what)(first.text.clone());
        let options = self.track_options(line, &what, kind.most)?;
        let Some(node) = named.find(&first.text) else {
            let message = format!("there is no {} `{}`", kind.block, first.text);
            let report = Report::error(Code::UnknownReference, first.at, message);
            self.push(self.suggest(report, &first.text, named.names()));
            return None;
        };
        if matches!(what, Tracked::Bfd(_)) && Followers::of(node.nodes()) == Followers::Checks {
            let message = format!("bfd_instance `{}` tells the checks alone", first.text);
            let report = Report::warning(Code::Adjusted, first.at, message).label("not tracked");
            self.push(report.help("with `vrrp` beside `checker` it tells both, without either too"));
            return None;
        }
        let (weight, reverse) = match node.nodes().find("weight").map(|n| &n.value) {
            Some(Value::Weight { weight, reverse }) => (i16::try_from(*weight).unwrap_or(kind.weight), *reverse),
            _ => (kind.weight, false),
        };
        Some(Track { what, bearing: bearing(options.weight.unwrap_or(weight), options.reverse.unwrap_or(reverse)) })
    }

    fn add(&mut self, out: &mut Vec<Tracker>, track: Track, at: Place) {
        if out.len() >= MAX_TRACKED {
            let message = format!("more than {MAX_TRACKED} are tracked here");
            self.push(Report::error(Code::TooMuch, at, message));
        } else if let Some(first) = out.iter().find(|t| t.track.what == track.what) {
            let message = format!("{} `{}` is tracked twice", track.what.kind(), track.what.name());
            self.push(Report::warning(Code::Repeated, at, message).label("ignored").also(first.at, "this one counts"));
        } else {
            out.push(Tracker { track, at });
        }
    }

    /// Every script that something tracks.
    pub(super) fn scripts(&mut self, of: &Trackable<'_>, used: &Used<'_>) -> Vec<TrackedScript> {
        let [scripts, ..] = &of.0;
        self.used(scripts, used, Lower::tracked_script)
    }

    /// Every file that something tracks; checks may follow the others as well.
    pub(super) fn files(&mut self, of: &Trackable<'_>, used: &Used<'_>) -> Vec<TrackedFile> {
        let [_, files, ..] = &of.0;
        self.used(files, used, |lower, name, node| {
            let file = lower.tracked_file(name, node)?;
            let usual = match node.nodes().find("weight").map(|n| &n.value) {
                Some(Value::Weight { weight, reverse }) => (*weight, *reverse),
                _ => (1, false),
            };
            lower.files.insert(name.to_owned(), (file.clone(), usual));
            Some(file)
        })
    }

    /// Every process that something tracks.
    pub(super) fn processes(&mut self, of: &Trackable<'_>, used: &Used<'_>) -> Vec<TrackedProcess> {
        let [_, _, processes, _] = &of.0;
        self.used(processes, used, Lower::tracked_process)
    }

    /// What the blocks of one kind come to, as far as something tracks them.
    fn used<T>(
        &mut self,
        (kind, named): &(&Kind, Named<'_>),
        used: &Used<'_>,
        made: fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Vec<T> {
        let mut out = Vec::new();
        for (name, node) in &named.list {
            // Checked all the same: its mistakes are found before it is used.
            let made = made(self, name, node);
            let what = (kind.what)((*name).to_owned());
            if used.tracked.contains(&what) {
                out.extend(made);
            } else if let Some(so) = kind.unused
                && !used.named.contains(&(kind.list, *name))
                && !self.findings.failed()
            {
                let message = format!("nothing tracks the {} `{name}`: {so}", what.kind());
                let report = Report::warning(Code::Unused, node.argument(), message);
                self.push(report.help(format!("list it in the `{}` block of an instance or group", kind.list)));
            }
        }
        out
    }

    /// Tells that a block has no value for the keyword it is there for.
    fn lacks(&mut self, node: &Node, name: &str, what: &str, help: &str) {
        if !node.nodes().flawed {
            let message = format!("{} `{name}` {what}", node.keyword.name);
            self.push(Report::error(Code::Missing, node.whole(), message).help(help));
        }
    }

    fn tracked_file(&mut self, name: &str, node: &Node) -> Option<TrackedFile> {
        let nodes = node.nodes();
        let Some(text) = nodes.text("file") else {
            self.lacks(node, name, "names no file", "file PATH");
            return None;
        };
        let path = Path::new("/").join(text);
        if !text.starts_with('/') {
            let message = format!("a relative path is taken for {}", path.display());
            self.push(Report::warning(Code::Adjusted, nodes.at("file", node.at), message));
        }
        let init = nodes.find("init_file").map(|node| {
            let said = match &node.value {
                Value::Typed(setting::Value::Options(options)) => options.as_slice(),
                _ => &[],
            };
            let value = said.iter().find_map(|(_, value)| match value {
                setting::Value::Number(n) => i64::try_from(*n).ok(),
                _ => None,
            });
            let overwrite = said.iter().any(|(name, _)| *name == "overwrite");
            InitFile {
                value: value.unwrap_or(0),
                overwrite: if overwrite { Overwrite::Always } else { Overwrite::Never },
            }
        });
        Some(TrackedFile { name: name.to_owned(), path, init })
    }

    fn tracked_process(&mut self, name: &str, node: &Node) -> Option<TrackedProcess> {
        let nodes = node.nodes();
        let words = nodes.find("process").map(|n| n.words.as_slice()).unwrap_or_default();
        let [process, parameters @ ..] = words else {
            self.lacks(node, name, "names no process", "process NAME [PARAMETER...]");
            return None;
        };
        let matching = match nodes.find("param_match").map(|_| nodes.text("param_match")) {
            Some(Some("initial")) => ProcessMatch::Initial,
            Some(Some(_)) => ProcessMatch::Partial,
            Some(None) => ProcessMatch::Exact,
            None if !parameters.is_empty() => ProcessMatch::Exact,
            None if nodes.on("full_command") => ProcessMatch::Program,
            None => ProcessMatch::Name,
        };
        if matching == ProcessMatch::Name && process.text.len() > NAME {
            let message = format!("the kernel keeps {NAME} bytes of the name of a process: no more are compared");
            let report = Report::warning(Code::Adjusted, process.at, message);
            self.push(report.help("`full_command` compares the first word of its command line"));
        }
        let most = nodes.int("quorum_max").map(narrow::<u32>);
        let quorum = nodes.int("quorum").map_or(u32::from(most != Some(0)), narrow);
        let quorum_max = most.filter(|most| *most >= quorum);
        if let (Some(most), None) = (most, quorum_max) {
            let message = format!("`quorum_max` {most} is below the `quorum`, {quorum}: it would never be good");
            let at = nodes.at("quorum_max", node.at);
            self.push(Report::warning(Code::Adjusted, at, message).label("ignored"));
        }
        let delay = |name| Micros(nodes.micros(name).or(nodes.micros("delay")).unwrap_or(0));
        Some(TrackedProcess {
            vrrp: Process {
                name: name.to_owned(),
                quorum,
                quorum_max,
                terminate_delay: delay("terminate_delay"),
                fork_delay: delay("fork_delay"),
            },
            process: process.text.clone(),
            parameters: parameters.iter().map(|word| word.text.clone()).collect(),
            matching,
        })
    }

    fn tracked_script(&mut self, name: &str, node: &Node) -> Option<TrackedScript> {
        let nodes = node.nodes();
        if nodes.find("script").is_none() {
            self.lacks(node, name, "runs nothing", "script \"COMMAND\"");
            return None;
        }
        let command = self.program(nodes, "script", nodes.find("user"))?;
        let mut time = |name: &str| match nodes.micros(name) {
            Some(0) => {
                let at = nodes.at(name, node.at);
                self.push(Report::warning(Code::Adjusted, at, format!("`{name}` 0 is taken for 1 second")));
                Some(Duration::from_secs(1))
            }
            other => other.map(Duration::from_micros),
        };
        let interval = time("interval").unwrap_or(Duration::from_secs(1));
        let timeout = time("timeout").unwrap_or(interval);
        Some(TrackedScript {
            vrrp: Script {
                name: name.to_owned(),
                rise: nodes.int("rise").map_or(1, narrow),
                fall: nodes.int("fall").map_or(1, narrow),
                init_fail: nodes.on("init_fail"),
            },
            command,
            interval,
            timeout,
        })
    }

    /// Tells of weights that never change the priority, whatever the others do: it stays within 1 to 254.
    pub(super) fn weigh(&mut self, all: &[Tracker], priority: Priority) {
        let reach = |t: &Tracker| match t.track.bearing {
            Bearing::Weight { .. } if matches!(t.track.what, Tracked::File(_)) => FILE,
            Bearing::Weight { weight, reverse } => {
                let adds = i64::from(if reverse { -weight } else { weight });
                (adds.min(0), adds.max(0))
            }
            Bearing::Fault { .. } => (0, 0),
        };
        let base = i64::from(priority.0);
        let (least, most) = all.iter().map(reach).fold((base, base), |(low, high), (l, h)| (low + l, high + h));
        for tracked in all {
            let (why, help) = match reach(tracked) {
                (0, 1..) if least >= 254 => ("without it that is never below 254, the most there is", "lower"),
                (..0, 0) if most <= 1 => ("without it that is never above 1, the least there is", "higher"),
                _ => continue,
            };
            let message = format!("the weight of `{}` never changes the priority: {why}", tracked.track.what.name());
            let report = Report::warning(Code::UselessWeight, tracked.at, message);
            self.push(report.help(format!("a {help} `priority` than {base} leaves room for it")));
        }
    }

    /// Takes away what can't be weighed: an owner's priority never changes, and members of a group must not differ. A file
    /// that has the weight it has by itself stays, without.
    pub(super) fn unweigh(&mut self, tracked: &mut Vec<Tracker>, why: &str) {
        tracked.retain_mut(|t| {
            let Bearing::Weight { weight, reverse } = t.track.bearing else { return true };
            let stays = matches!(t.track.what, Tracked::File(_)) && weight == 1;
            let (kind, name) = (t.track.what.kind(), t.track.what.name());
            let message = format!("{kind} `{name}` is tracked with a weight, and {why}");
            let report = Report::warning(Code::Adjusted, t.at, message)
                .label(if stays { "taken for `weight 0`" } else { "not tracked" })
                .help("without a weight, a failure means FAULT")
                .help("to lower the priority of all members: track it in the `vrrp_sync_group`");
            self.findings.push(report);
            if stays {
                t.track.bearing = Bearing::Fault { reverse };
            }
            stays
        });
    }
}

fn bearing(weight: i16, reverse: bool) -> Bearing {
    if weight == 0 { Bearing::Fault { reverse } } else { Bearing::Weight { weight, reverse } }
}
