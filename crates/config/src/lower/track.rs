//! What instances follow: scripts, interfaces, and what either does to the priority.

use super::{Lower, Named, narrow};
use crate::diag::{Code, Level, Report};
use crate::lex::words::{Line, Word};
use crate::model::TrackedScript;
use crate::source::Place;
use crate::tree::{Node, Nodes, Value, nearest};
use crate::value;
use std::collections::HashSet;
use std::time::Duration;
use vipd_vrrp::settings::{Bearing, Script, Track, Tracked};
use vipd_vrrp::units::Priority;

/// Objects that one instance or group tracks at most.
const MAX_TRACKED: usize = 1000;

/// A tracked object and where it was said.
#[derive(Clone)]
pub(super) struct Tracker {
    pub(super) track: Track,
    pub(super) at: Place,
}

/// What a line behind a name may say.
struct Options {
    weight: Option<i16>,
    reverse: Option<bool>,
}

impl Lower<'_> {
    /// `[weight INT] [reverse|noreverse]`
    fn track_options(&mut self, line: &Line, what: &str) -> Option<Options> {
        let mut out = Options { weight: None, reverse: None };
        let mut words = line.words[1..].iter();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "weight" => {
                    let Some(number) = words.next() else {
                        self.push(Report::error(Code::MissingValue, word.at, "`weight` needs a number"));
                        return None;
                    };
                    let weight: i16 = narrow(self.take(value::int(number, "`weight`", -254, 254))?);
                    if weight.abs() == 254 {
                        let message = format!("`weight` {weight} is taken for {}", weight.signum() * 253);
                        self.push(Report::warning(Code::Adjusted, number.at, message));
                    }
                    out.weight = Some(weight.clamp(-253, 253));
                }
                "reverse" => out.reverse = Some(true),
                "noreverse" => out.reverse = Some(false),
                _ => {
                    self.push(self.stray(word, what));
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

    /// `track_interface` of an instance or group.
    pub(super) fn track_interfaces(&mut self, nodes: &Nodes) -> Vec<Tracker> {
        let mut out: Vec<Tracker> = Vec::new();
        for line in nodes.lines("track_interface") {
            let first = &line.words[0];
            let name = value::device(first, "`track_interface`");
            let (Some(name), Some(options)) = (self.take(name), self.track_options(line, "interface")) else {
                continue;
            };
            let bearing = bearing(options.weight.unwrap_or(0), options.reverse.unwrap_or(false));
            self.add(&mut out, Track { what: Tracked::Interface(name), bearing }, first.at);
        }
        out
    }

    /// `track_script` of an instance or group.
    pub(super) fn track_scripts(&mut self, nodes: &Nodes, scripts: &Named<'_>) -> Vec<Tracker> {
        let mut out: Vec<Tracker> = Vec::new();
        for line in nodes.lines("track_script") {
            let first = &line.words[0];
            let Some(options) = self.track_options(line, "script") else {
                continue;
            };
            let Some(script) = scripts.find(&first.text) else {
                let message = format!("there is no vrrp_script `{}`", first.text);
                let report = Report::error(Code::UnknownReference, first.at, message);
                self.push(self.suggest(report, &first.text, scripts.names()));
                continue;
            };
            let (weight, reverse) = match script.nodes().find("weight").map(|n| &n.value) {
                Some(Value::Weight { weight, reverse }) => (*weight, *reverse),
                _ => (0, false),
            };
            let bearing = bearing(options.weight.unwrap_or(weight), options.reverse.unwrap_or(reverse));
            self.add(&mut out, Track { what: Tracked::Script(first.text.clone()), bearing }, first.at);
        }
        out
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

    /// What nothing follows yet: the names are looked at all the same.
    pub(super) fn idle(&mut self, root: &Nodes) {
        for (kind, list) in
            [("track_file", "track_file"), ("vrrp_track_process", "track_process"), ("bfd_instance", "track_bfd")]
        {
            let named = Named::collect(self, root, kind, Level::Warning);
            let blocks = root.all("vrrp_instance").chain(root.all("vrrp_sync_group"));
            for line in blocks.flat_map(|node| node.nodes().lines(list)) {
                let name = &line.words[0];
                if named.find(&name.text).is_none() {
                    let report =
                        Report::error(Code::UnknownReference, name.at, format!("there is no {kind} `{}`", name.text));
                    self.push(self.suggest(report, &name.text, named.names()));
                }
            }
        }
    }

    /// Every `vrrp_script` that something tracks.
    pub(super) fn scripts(
        &mut self,
        scripts: &Named<'_>,
        used: &HashSet<String>,
        named: &HashSet<&str>,
    ) -> Vec<TrackedScript> {
        let mut out = Vec::new();
        for (name, node) in &scripts.list {
            // Checked all the same: its mistakes are found before it is used.
            let script = self.tracked_script(name, node);
            if used.contains(*name) {
                out.extend(script);
            } else if !named.contains(name) && !self.findings.failed() {
                let message = format!("nothing tracks the script `{name}`: it will not run");
                let report = Report::warning(Code::Unused, node.argument(), message);
                self.push(report.help("list it in the `track_script` block of an instance or group"));
            }
        }
        out
    }

    fn tracked_script(&mut self, name: &str, node: &Node) -> Option<TrackedScript> {
        let nodes = node.nodes();
        if nodes.find("script").is_none() {
            if !nodes.flawed {
                let report = Report::error(Code::Missing, node.whole(), format!("vrrp_script `{name}` runs nothing"));
                self.push(report.help("script \"COMMAND\""));
            }
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
        let weight = |t: &Tracker| match t.track.bearing {
            Bearing::Weight { weight, reverse } => i64::from(if reverse { -weight } else { weight }),
            Bearing::Fault { .. } => 0,
        };
        let base = i64::from(priority.0);
        let (least, most) =
            all.iter().map(weight).fold((base, base), |(low, high), w| (low + w.min(0), high + w.max(0)));
        for tracked in all {
            let (why, help) = match weight(tracked) {
                w if w > 0 && least >= 254 => ("without it that is never below 254, the most there is", "lower"),
                w if w < 0 && most <= 1 => ("without it that is never above 1, the least there is", "higher"),
                _ => continue,
            };
            let message = format!("the weight of `{}` never changes the priority: {why}", tracked.track.what.name());
            let report = Report::warning(Code::UselessWeight, tracked.at, message);
            self.push(report.help(format!("a {help} `priority` than {base} leaves room for it")));
        }
    }

    /// Takes away what can't be weighed: an owner's priority never changes, and members of a group must not differ.
    pub(super) fn unweigh(&mut self, tracked: &mut Vec<Tracker>, why: &str) {
        tracked.retain(|t| {
            let fine = matches!(t.track.bearing, Bearing::Fault { .. });
            if !fine {
                let message =
                    format!("{} `{}` is tracked with a weight, and {why}", t.track.what.kind(), t.track.what.name());
                self.findings.push(
                    Report::warning(Code::Adjusted, t.at, message)
                        .at_level(Level::Warning)
                        .label("not tracked")
                        .help("without a weight, a failure means FAULT")
                        .help("to lower the priority of all members: track it in the `vrrp_sync_group`"),
                );
            }
            fine
        });
    }
}

fn bearing(weight: i16, reverse: bool) -> Bearing {
    if weight == 0 { Bearing::Fault { reverse } } else { Bearing::Weight { weight, reverse } }
}
