//! Static addresses, routes and rules, those of the instances, and which interfaces the instances need for them.

use super::rule::Preferences;
use super::vmac::Places;
use super::{Lower, Named};
use crate::diag::{Code, Level, Report};
use crate::keyword::Block;
use crate::lex::words::{Line, Word};
use crate::model::Statics;
use crate::routing::{Guard, Route, Rule};
use crate::source::Place;
use crate::tree::{Body, Node, Nodes, Value};
use std::collections::{BTreeSet, HashMap};

/// Routes and rules of one instance, and the interfaces that it needs for what is guarded.
#[derive(Default)]
pub(super) struct Paths {
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    pub(super) needs: BTreeSet<String>,
}

/// What the whole file says of these.
#[derive(Default)]
pub(super) struct Stays<'a> {
    pub(super) statics: Statics,
    of: HashMap<&'a str, Paths>,
}

impl Stays<'_> {
    /// What an instance has.
    pub(super) fn of(&mut self, name: &str) -> Paths {
        self.of.remove(name).unwrap_or_default()
    }
}

/// Blocks of lines, each line with the rows of its block.
fn lines(node: &Node) -> impl Iterator<Item = (&'static Block, &Line)> {
    let lines: &[Line] = match &node.body {
        Body::Lines(lines) => lines,
        Body::None | Body::Block(_) | Body::Later(_) => &[],
    };
    let block = node.keyword.args.block();
    lines.iter().filter_map(move |line| Some((block?, line)))
}

impl Lower<'_> {
    /// All of it, in the order of the file: rules without a preference get theirs by it.
    pub(super) fn stays<'a>(&mut self, root: &'a Nodes, instances: &Named<'a>) -> Stays<'a> {
        let mut stays = Stays::default();
        let mut preferences = Preferences::default();
        let groups = self.track_groups(root, instances);
        let device = self.elsewhere().to_owned();
        for node in root.list() {
            let name = node.keyword.name;
            match (name, &node.value) {
                ("static_ipaddress", _) => {
                    for (block, line) in lines(node) {
                        let Some(address) = self.address(line, block, &mut Places::plain(&device)) else { continue };
                        self.follow_device(line, Some(&address.device), &groups, &mut stays);
                        self.once(&mut stays.statics.addresses, address, line);
                    }
                }
                ("static_routes", _) => {
                    for (block, line) in lines(node) {
                        let Some(route) = self.route(name, block, line) else { continue };
                        let device = device_of(&route).map(str::to_owned);
                        self.follow_device(line, device.as_deref(), &groups, &mut stays);
                        self.once(&mut stays.statics.routes, route, line);
                    }
                }
                ("static_rules", _) => {
                    for (block, line) in lines(node) {
                        let Some(rule) = self.rule(name, block, line, &mut preferences) else { continue };
                        self.follow_device(line, rule.input.as_deref(), &groups, &mut stays);
                        self.once(&mut stays.statics.rules, rule, line);
                    }
                }
                ("vrrp_instance", Value::Text(instance)) => {
                    let paths = self.paths(node.nodes(), &mut preferences);
                    let known = stays.of.entry(instance).or_default();
                    known.routes.extend(paths.routes);
                    known.rules.extend(paths.rules);
                    known.needs.extend(paths.needs);
                }
                _ => {}
            }
        }
        stays
    }

    /// `virtual_routes` and `virtual_rules` of an instance.
    fn paths(&mut self, nodes: &Nodes, preferences: &mut Preferences) -> Paths {
        let mut paths = Paths::default();
        for node in nodes.all("virtual_routes") {
            for (block, line) in lines(node) {
                let Some(route) = self.route("virtual_routes", block, line) else { continue };
                let device = device_of(&route).filter(|_| route.guard == Guard::PutBack).map(str::to_owned);
                paths.needs.extend(device);
                self.once(&mut paths.routes, route, line);
            }
        }
        for node in nodes.all("virtual_rules") {
            for (block, line) in lines(node) {
                let Some(rule) = self.rule("virtual_rules", block, line, preferences) else { continue };
                paths.needs.extend(rule.input.clone().filter(|_| rule.guard == Guard::PutBack));
                self.once(&mut paths.rules, rule, line);
            }
        }
        paths
    }

    /// Notes one, unless the same is there already.
    fn once<T: PartialEq>(&mut self, list: &mut Vec<T>, one: T, line: &Line) {
        if list.contains(&one) {
            self.push(Report::warning(Code::Repeated, line.at(), "this line is given twice").label("ignored"));
        } else {
            list.push(one);
        }
    }

    /// The instances of each `track_group`.
    fn track_groups<'a>(&mut self, root: &'a Nodes, instances: &Named<'a>) -> HashMap<&'a str, Vec<&'a str>> {
        let groups = Named::collect(self, root, "track_group", Level::Error);
        let mut out = HashMap::new();
        for (name, node) in groups.list {
            let mut members = Vec::new();
            for word in node.nodes().lines("group").flat_map(|line| &line.words) {
                if instances.find(&word.text).is_none() {
                    let message = format!("there is no vrrp_instance `{}`", word.text);
                    let report = Report::warning(Code::GroupMembership, word.at, message).label("ignored");
                    self.push(self.suggest(report, &word.text, instances.names()));
                    continue;
                }
                members.push(word.text.as_str());
            }
            if members.is_empty() && !node.nodes().flawed {
                let message = format!("track group `{name}` has no members");
                self.push(Report::warning(Code::GroupMembership, node.whole(), message));
            }
            out.insert(name, members);
        }
        out
    }

    /// `track_group` on a line: the instances of the group need the interface of the line.
    fn follow_device<'a>(
        &mut self,
        line: &Line,
        device: Option<&str>,
        groups: &HashMap<&'a str, Vec<&'a str>>,
        stays: &mut Stays<'a>,
    ) {
        let words = &line.words;
        let Some(at) = words.iter().position(|word| word.text == "track_group") else { return };
        let Some(Word { text: name, at: place }) = words.get(at + 1) else { return };
        let place: Place = *place;
        let Some(members) = groups.get(name.as_str()) else {
            let report = Report::error(Code::GroupMembership, place, format!("there is no track_group `{name}`"));
            self.push(self.suggest(report, name, groups.keys().copied()));
            return;
        };
        let Some(device) = device else {
            let message = "this line names no interface: there is nothing that the group could follow";
            self.push(Report::warning(Code::Unused, place, message).label("ignored"));
            return;
        };
        if words.iter().any(|word| word.text == "no_track") {
            let message = "`no_track` and `track_group` contradict each other";
            self.push(Report::warning(Code::Repeated, place, message).label("ignored"));
            return;
        }
        for member in members {
            stays.of.entry(member).or_default().needs.insert(device.to_owned());
        }
    }
}

/// The interface that a route names for itself; those of several next hops may go one by one.
fn device_of(route: &Route) -> Option<&str> {
    match route.hops.as_slice() {
        [one] => one.device.as_deref(),
        _ => None,
    }
}
