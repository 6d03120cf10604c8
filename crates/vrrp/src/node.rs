//! All virtual routers of a host: facts shared, sync groups settled, one queue of what to do.
//!
//! Four verbs: `handle` (something happened), `poll` (what to do now), `claims` (what the kernel should hold), `wake` (when
//! to call again).

use crate::admit::Admitted;
use crate::roster::Roster;
use crate::router::{
    Carried, Edge, Failure, Faults, Heard, Key, Master, Name, Question, Router, State, Timer, Turn, Wish,
};
use crate::settings::{Instance, Process, Script, SyncGroup, Track, Tracked, VirtualAddress};
use crate::track::{self, Cause, Duty, Effect, Facts, Fault, Known, Link, ProcessState, ScriptState};
use crate::units::{Instant, Micros, Priority};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything a node is told to be.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Instances; names unique.
    pub instances: Vec<Instance>,
    /// Sync groups; an instance is in one at most.
    pub groups: Vec<SyncGroup>,
    /// Tracked scripts.
    pub scripts: Vec<Script>,
    /// Tracked processes.
    pub processes: Vec<Process>,
    /// `vrrp_startup_delay`, `vrrp_delay_after_boot`: before this nobody listens; who serves already goes on.
    pub start: Option<Instant>,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Time passed: masters do what is due. What they send must not wait for what is read.
    TickMasters,
    /// Time passed and what had arrived by then was handled: everybody does what is due. A backup that did not run for a
    /// while must not take its master for gone with the master's adverts still unread.
    Tick,
    /// The time since 1970, when it is known or was set anew: signed adverts carry it.
    Clock(Micros),
    /// An advert for the router at this index was admitted.
    Advert(usize, Admitted),
    /// An interface changed; `None`: it is gone.
    Link(String, Option<Link>),
    /// The router at this index has its sockets, or why it has not.
    Sockets(usize, Result<(), String>),
    /// A tracked script ended: whether well, and in words how.
    Script(String, bool, String),
    /// A tracked file was read: its value, 0 if there is none.
    File(String, i64),
    /// So many of a tracked process run, and why it is another number than before.
    Process(String, u32, Cause),
    /// A BFD session came up, or went down.
    Bfd(String, bool),
    /// Whether the router at this index may take a silent master's place, or why not: the answer to `Edge::Ask`.
    Cleared(usize, Question, Result<(), String>),
    /// The connections of a weaker master are known here: the answer to `Edge::CatchUp` of the router at this index.
    CaughtUp(usize),
    /// The operator hands the router at this index over to its peers, if it is MASTER, and its siblings: it takes part again when
    /// no master is heard, or when told so.
    HandOver(usize),
    /// It preempts again, as configured.
    TakeBack(usize),
    /// The operator works on this host, or has done.
    Duty(Duty),
    /// This router is no longer configured: give up.
    Remove(usize),
    /// The daemon stops, for this reason.
    Stop(String),
}

/// What to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// An edge of the router at this index.
    Router(usize, Edge),
    /// A sync group changed: its index, its state, why.
    Group(usize, Name, String),
    /// Something else is known of a tracked object than before.
    Tracked(Tracked, Known),
}

/// What a successor needs to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Instant,
    /// The routers.
    pub routers: Vec<Carried>,
    /// The scripts: settings under which the state was reached, and the state.
    pub scripts: Vec<(Script, ScriptState)>,
    /// The processes by name.
    pub processes: Vec<(String, ProcessState)>,
    /// What was last known of files and BFD sessions.
    pub tracked: Vec<(Tracked, Known)>,
    /// The groups by name.
    pub groups: Vec<(String, Name)>,
    /// Instances without a socket, and why: so it is until `Input::Sockets` says otherwise.
    pub deaf: Vec<(String, String)>,
    /// Whether this host serves.
    #[serde(default)]
    pub duty: Duty,
}

/// What is to be done at a certain time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Something of the router at this index.
    Router(usize, Timer),
    /// The delay at the start is over.
    Start,
    /// A tracked process has lost or regained its quorum for as long as it takes to count.
    Process,
}

/// A sync group at work.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it is told to be.
    pub settings: SyncGroup,
    members: Vec<usize>,
    state: Name,
}

impl Group {
    /// Its state: that of all its members.
    pub fn state(&self) -> Name {
        self.state
    }
}

/// All virtual routers of a host.
#[derive(Clone, Debug)]
pub struct Node {
    routers: Roster,
    groups: Vec<Group>,
    /// Index of the group of each router.
    group_of: Vec<Option<usize>>,
    scripts: BTreeMap<String, (Script, ScriptState)>,
    processes: BTreeMap<String, (Process, ProcessState)>,
    facts: Facts,
    /// The end of the delay at the start, until it has come.
    start: Option<Instant>,
    actions: VecDeque<Action>,
}

impl Node {
    /// A node with what is known of the interfaces, going on from `before` where a router of it is still configured.
    /// `unix`: the time since 1970.
    pub fn new(
        now: Instant,
        settings: Settings,
        links: BTreeMap<String, Link>,
        before: Option<(Instant, Snapshot)>,
        unix: Micros,
    ) -> Node {
        let (last_seen, before) = before.unwrap_or_default();
        let known: Vec<(Key, &str)> = before.routers.iter().map(|c| (c.key.clone(), c.name.as_str())).collect();
        let predecessors = predecessors(&known, &known_as(&settings.instances));
        let mut carried: Vec<Option<Carried>> = before.routers.into_iter().map(Some).collect();
        let mut routers = Vec::with_capacity(settings.instances.len());
        let facts = Facts { links: links.clone(), ..Facts::default() };
        for (instance, predecessor) in settings.instances.into_iter().zip(predecessors) {
            let mut router = Router::new(now, instance, unix);
            router.set_facts(now, &facts);
            if let Some(carried) = predecessor.and_then(|at| carried.get_mut(at)?.take()) {
                router.resume(now, (before.at, last_seen), carried);
            }
            routers.push(router);
        }
        let mut group_of: Vec<Option<usize>> = routers.iter().map(|_| None).collect();
        let mut groups = Vec::new();
        for group in settings.groups {
            let member = |name: &String| routers.iter().position(|r| r.settings.name == *name);
            let members: Vec<usize> = group.members.iter().filter_map(member).collect();
            for member in &members {
                group_of[*member] = Some(groups.len());
            }
            let state = before.groups.iter().find(|(name, _)| *name == group.name).map_or(Name::Init, |(_, s)| *s);
            groups.push(Group { settings: group, members, state });
        }
        let mut scripts = BTreeMap::new();
        for script in settings.scripts {
            // One whose settings change stays what it is until it has run: nobody changes state for a word in a file.
            let known = before.scripts.iter().find(|(s, _)| s.name == script.name);
            let state =
                known.map_or_else(|| ScriptState::new(&script), |(old, state)| state.clone().under(old, &script));
            scripts.insert(script.name.clone(), (script, state));
        }
        let mut processes = BTreeMap::new();
        for process in settings.processes {
            let known = before.processes.iter().find(|(name, _)| *name == process.name);
            let state = known.map_or_else(ProcessState::default, |(_, state)| state.under(now, &process));
            processes.insert(process.name.clone(), (process, state));
        }
        let named = |(name, _): &(String, String)| routers.iter().any(|r| r.settings.name == *name);
        let deaf = before.deaf.into_iter().filter(named).collect();
        let followed: BTreeSet<&Tracked> = routers.iter().flat_map(|r| &r.settings.tracks).map(|t| &t.what).collect();
        let mut tracked: BTreeMap<Tracked, Known> =
            before.tracked.into_iter().filter(|(what, _)| followed.contains(what)).collect();
        for (script, state) in scripts.values() {
            tracked.extend(state.good(script).map(|good| (Tracked::Script(script.name.clone()), Known::of(good))));
        }
        for (process, state) in processes.values() {
            tracked.extend(state.good().map(|good| (Tracked::Process(process.name.clone()), Known::of(good))));
        }
        let start = settings.start.filter(|at| *at > now);
        let facts = Facts { links, tracked, deaf, duty: before.duty, starting: start.is_some() };
        let actions = VecDeque::new();
        let routers = Roster::new(routers);
        let mut node = Node { routers, groups, group_of, scripts, processes, facts, start, actions };
        node.join_groups(now);
        node.settle(now);
        node.routers.note(now);
        node
    }

    /// Members of a group that a new configuration brought together may be MASTER and BACKUP: those that are MASTER listen, and
    /// the group is elected as one.
    fn join_groups(&mut self, now: Instant) {
        for group in self.groups.clone() {
            let master = |m: &usize| matches!(self.routers[*m].state, State::Master(_));
            let (masters, others): (Vec<usize>, Vec<usize>) = group.members.iter().copied().partition(master);
            let mixed = others.iter().any(|m| matches!(self.routers[*m].state, State::Backup(_)));
            for member in masters.into_iter().filter(|_| mixed) {
                let why = format!("joins sync group {}, whose other members are BACKUP", group.settings.name);
                self.routers[member].follow_to_backup(now, why);
                self.collect(member);
            }
        }
    }

    /// What a successor needs to go on.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        // Scripts and processes are carried with what led to it.
        let plain = |(what, known): (&Tracked, &Known)| {
            matches!(what, Tracked::File(_) | Tracked::Bfd(_)).then(|| (what.clone(), *known))
        };
        Snapshot {
            at: now,
            routers: self.routers.iter().map(Router::carry).collect(),
            scripts: self.scripts.values().cloned().collect(),
            processes: self.processes.iter().map(|(name, (_, state))| (name.clone(), *state)).collect(),
            tracked: self.facts.tracked.iter().filter_map(plain).collect(),
            groups: self.groups.iter().map(|g| (g.settings.name.clone(), g.state)).collect(),
            duty: self.facts.duty,
            deaf: self.facts.deaf.iter().map(|(name, why)| (name.clone(), why.clone())).collect(),
        }
    }

    /// Whether this host serves.
    pub fn duty(&self) -> Duty {
        self.facts.duty
    }

    /// The routers, in the order of the configuration.
    pub fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// The sync groups, in the order of the configuration.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The sync group of the router at this index.
    pub fn group_of(&self, router: usize) -> Option<&Group> {
        self.groups.get((*self.group_of.get(router)?)?)
    }

    /// The tracked scripts with whether they are good.
    pub fn scripts(&self) -> impl Iterator<Item = (&str, Option<bool>, &ScriptState)> {
        self.scripts.values().map(|(s, state)| (s.name.as_str(), state.good(s), state))
    }

    /// The tracked process of that name.
    pub fn process(&self, name: &str) -> Option<&ProcessState> {
        self.processes.get(name).map(|(_, state)| state)
    }

    /// What the router at this index tracks: what is known of it, and what that does.
    pub fn tracks(&self, router: usize) -> impl Iterator<Item = (&Track, Option<Known>, Effect)> {
        let tracks = self.routers.get(router).into_iter().flat_map(|r| &r.settings.tracks);
        tracks.map(|t| (t, self.facts.known(&t.what), track::effect(t, &self.facts)))
    }

    /// The routers that a new configuration no longer has.
    pub fn removed_by(&self, next: &Settings) -> Vec<usize> {
        let known = self.routers.iter().map(|r| (Key::of(&r.settings), r.settings.name.as_str()));
        let kept = predecessors(&known.collect::<Vec<_>>(), &known_as(&next.instances));
        let kept: BTreeSet<usize> = kept.into_iter().flatten().collect();
        (0..self.routers.len()).filter(|i| !kept.contains(i)).collect()
    }

    /// The addresses that the kernel should hold for the router at this index: all of them while MASTER, else none. One that
    /// listens after a stall claims what is still there (`Router::is_listening`).
    pub fn claims(&self, router: usize) -> impl Iterator<Item = &VirtualAddress> {
        let router = self.routers.get(router).filter(|r| matches!(r.state, State::Master(_)));
        router.into_iter().flat_map(|r| r.settings.addresses.iter().chain(&r.settings.excluded))
    }

    /// When to call `handle(now, Input::Tick)`, and what for.
    pub fn wake(&self) -> Option<(Instant, Due)> {
        let router = self.routers.next().map(|(at, i, timer)| (at, Due::Router(i, timer)));
        let processes = self.processes.values().filter_map(|(_, state)| Some((state.wake()?, Due::Process)));
        let start = self.start.map(|at| (at, Due::Start));
        router.into_iter().chain(processes).chain(start).min_by_key(|(at, _)| *at)
    }

    /// The same without asking every router, and perhaps too soon.
    pub fn alarm(&self) -> Option<Instant> {
        let processes = self.processes.values().filter_map(|(_, state)| state.wake());
        self.routers.alarm().into_iter().chain(processes).chain(self.start).min()
    }

    /// What to do next; call until `None` after each `handle`.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.decide(now, input);
        self.routers.note(now);
    }

    /// An advert that the router at this index wanted sent has left by its own interface for everybody, or has not. (No `Input`:
    /// nobody is due at another time for that, and it is asked for each advert.)
    pub fn sent(&mut self, i: usize, priority: Priority, outcome: Result<(), Failure>) {
        let Some(router) = self.routers.untouched(i) else { return };
        router.sent(priority, outcome);
        if !router.edges.is_empty() {
            self.collect(i);
        }
    }

    fn decide(&mut self, now: Instant, input: Input) {
        match input {
            Input::TickMasters => {
                for i in self.routers.due(now) {
                    // One that listens sends when it has read what waited: it may have stood still once more.
                    if matches!(self.routers[i].state, State::Master(Master { listening: None, .. })) {
                        let wish = self.routers[i].tick(now, Turn::Sending);
                        self.grant(now, i, wish);
                    }
                }
            }
            Input::Tick => {
                if self.start.take_if(|at| *at <= now).is_some() {
                    self.facts.starting = false;
                    self.settle(now);
                }
                let mut turned = Vec::new();
                for (name, (_, state)) in &mut self.processes {
                    if state.wake().is_none_or(|at| at > now) {
                        continue;
                    }
                    state.tick(now);
                    turned.extend(state.good().map(|good| (Tracked::Process(name.clone()), Known::of(good))));
                }
                self.learn(now, turned);
                self.routers.note(now);
                for i in self.routers.due(now) {
                    let wish = self.routers[i].tick(now, Turn::Judging);
                    self.grant(now, i, wish);
                }
            }
            Input::Clock(unix) => {
                for i in 0..self.routers.len() {
                    self.routers[i].set_clock(now, unix);
                }
            }
            Input::Advert(i, admitted) => {
                if let Some(router) = self.routers.get_mut(i) {
                    let wish = router.hear(now, admitted);
                    self.grant(now, i, wish);
                }
            }
            Input::Link(name, link) => {
                match link {
                    Some(link) => self.facts.links.insert(name, link),
                    None => self.facts.links.remove(&name),
                };
                self.settle(now);
            }
            Input::Sockets(i, opened) => {
                let Some(name) = self.routers.get(i).map(|r| r.settings.name.clone()) else { return };
                let before = match opened {
                    Ok(()) => self.facts.deaf.remove(&name).is_some(),
                    Err(why) => self.facts.deaf.insert(name, why.clone()) != Some(why),
                };
                if before {
                    self.settle(now);
                }
            }
            Input::Script(name, success, last) => {
                let Some((settings, state)) = self.scripts.get_mut(&name) else { return };
                state.ran(settings, success, last);
                let good = state.good(settings);
                self.learn(now, good.map(|good| (Tracked::Script(name), Known::of(good))));
            }
            Input::File(name, value) => {
                let file = Tracked::File(name);
                // Others may follow files that no router does.
                if self.routers.iter().flat_map(|r| &r.settings.tracks).any(|track| track.what == file) {
                    self.learn(now, [(file, Known::Value(value))]);
                }
            }
            Input::Process(name, count, cause) => {
                let Some((settings, state)) = self.processes.get_mut(&name) else { return };
                state.counted(now, settings, count, cause);
                let good = state.good();
                self.learn(now, good.map(|good| (Tracked::Process(name), Known::of(good))));
            }
            Input::Bfd(name, up) => self.learn(now, [(Tracked::Bfd(name), Known::of(up))]),
            Input::Cleared(i, question, verdict) => {
                let refused = verdict.is_err();
                if let Some(router) = self.routers.get_mut(i) {
                    router.clear(now, question, verdict);
                    self.collect(i);
                }
                for member in self.family_of(i).into_iter().filter(|_| refused) {
                    self.routers[member].ask_anew();
                }
            }
            Input::CaughtUp(i) => {
                if let Some(router) = self.routers.get_mut(i) {
                    router.caught_up();
                    self.collect(i);
                }
            }
            Input::HandOver(i) => {
                for i in self.family_of(i) {
                    self.routers[i].hand_over(now);
                    self.collect(i);
                }
                if let Some(g) = self.group_of.get(i).copied().flatten() {
                    self.settle_group(g);
                }
            }
            Input::TakeBack(i) => {
                for i in self.family_of(i) {
                    self.routers[i].take_back();
                }
            }
            Input::Duty(duty) => {
                if self.facts.duty != duty {
                    self.facts.duty = duty;
                    self.settle(now);
                }
            }
            Input::Remove(i) => {
                if let Some(router) = self.routers.get_mut(i) {
                    router.stop(now, "no longer configured".to_string());
                    self.collect(i);
                }
            }
            Input::Stop(why) => {
                for i in 0..self.routers.len() {
                    self.routers[i].stop(now, why.clone());
                    self.collect(i);
                }
                for g in 0..self.groups.len() {
                    self.group_changed(g, Name::Stop, why.clone());
                }
            }
        }
    }

    /// Takes note of what is known of tracked objects; what was known before changes nothing.
    fn learn(&mut self, now: Instant, news: impl IntoIterator<Item = (Tracked, Known)>) {
        let mut changed = false;
        for (what, known) in news {
            if self.facts.tracked.insert(what.clone(), known) != Some(known) {
                self.actions.push_back(Action::Tracked(what, known));
                changed = true;
            }
        }
        if changed {
            self.settle(now);
        }
    }

    /// A router and its siblings.
    fn family_of(&self, i: usize) -> Vec<usize> {
        match self.group_of.get(i) {
            Some(Some(g)) => self.groups[*g].members.clone(),
            Some(None) => Vec::from([i]),
            None => Vec::new(),
        }
    }

    /// Moves the edges of a router into the node's queue.
    fn collect(&mut self, i: usize) {
        while let Some(edge) = self.routers[i].edges.pop_front() {
            self.actions.push_back(Action::Router(i, edge));
        }
    }

    fn group_changed(&mut self, g: usize, state: Name, why: String) {
        let group = &mut self.groups[g];
        if group.state != state {
            group.state = state;
            self.actions.push_back(Action::Group(g, state, why));
        }
    }

    /// Carries out what a router wishes, as far as its siblings allow.
    fn grant(&mut self, now: Instant, i: usize, wish: Wish) {
        match wish {
            Wish::None => self.collect(i),
            Wish::Announce { at } => {
                self.collect(i);
                let Some(g) = self.group_of[i] else { return };
                for member in self.groups[g].members.clone() {
                    if member != i {
                        self.routers[member].announce_lower(now, at);
                        self.collect(member);
                    }
                }
            }
            Wish::Master => self.grant_master(now, i),
            Wish::Backup { why } => {
                self.collect(i);
                let Some(g) = self.group_of[i] else { return };
                let name = self.routers[i].settings.name.clone();
                for member in self.groups[g].members.clone() {
                    if member != i && matches!(self.routers[member].state, State::Master(_)) {
                        self.routers[member].follow_to_backup(now, format!("follows {name}, which {why}"));
                        self.collect(member);
                    }
                }
                self.group_changed(g, Name::Backup, format!("{name} {why}"));
            }
        }
    }

    fn grant_master(&mut self, now: Instant, i: usize) {
        let why = "no master was heard for the master-down interval".to_string();
        let Some(g) = self.group_of[i] else {
            if self.routers[i].is_witnessed(now) && self.routers[i].is_fenced(now) {
                self.serve(now, i, why);
            } else {
                self.routers[i].wait_for_siblings(now);
                self.collect(i);
            }
            return;
        };
        let members = self.groups[g].members.clone();
        if self.awaited_by(now, i).next().is_some() {
            self.routers[i].ask_anew();
            self.routers[i].wait_for_siblings(now);
            self.collect(i);
            return;
        }
        // Every witness is asked, and nobody is fenced before all of them answer.
        let mut cleared = true;
        for agrees in [Router::is_witnessed, Router::is_fenced] {
            for member in members.iter().filter(|_| cleared).copied().collect::<Vec<_>>() {
                cleared &= agrees(&mut self.routers[member], now);
                self.collect(member);
            }
        }
        if !cleared {
            self.routers[i].wait_for_siblings(now);
            return;
        }
        self.serve(now, i, why);
        let (name, why) = (self.routers[i].settings.name.clone(), self.routers[i].why.clone());
        for member in members {
            if member != i && matches!(self.routers[member].state, State::Backup(_)) {
                self.serve(now, member, format!("follows {name} of the same sync group"));
            }
        }
        self.group_changed(g, Name::Master, format!("{name}: {why}"));
    }

    /// The siblings that keep the router at this index from becoming MASTER.
    fn awaited_by(&self, now: Instant, i: usize) -> impl Iterator<Item = &Router> {
        let members = self.group_of(i).map_or([].as_slice(), |group| &group.members);
        let siblings = members.iter().filter(move |m| **m != i).filter_map(|m| self.routers.get(*m));
        siblings.filter(move |sibling| !sibling.is_ready(now))
    }

    /// What the router at this index waits for, if it is BACKUP and would be MASTER: a phrase each. (It may hear a
    /// master that is weaker.)
    pub fn waits_for(&self, now: Instant, i: usize) -> Vec<String> {
        let Some(router) = self.routers.get(i) else { return Vec::new() };
        if !router.wants_master() {
            return router.awaits_connections(now).into_iter().collect();
        }
        let siblings = self.awaited_by(now, i).map(|sibling| {
            let name = &sibling.settings.name;
            match (sibling.state.name(), sibling.heard(now)) {
                (Name::Backup, Some(master)) => {
                    let Heard { address, priority, .. } = master;
                    format!("{name} of its sync group, which hears {address} with priority {priority}")
                }
                (state, _) => format!("{name} of its sync group, which is {state}"),
            }
        });
        siblings.chain(router.asked().map(str::to_string)).collect()
    }

    fn serve(&mut self, now: Instant, i: usize, why: String) {
        let why = match &self.routers[i].state {
            State::Backup(b) if self.routers[i].effective == Priority::OWNER && b.heard.is_none() => {
                "owns the addresses (priority 255)".to_string()
            }
            State::Backup(b) => match b.heard {
                Some(h) if h.priority == Priority::RELEASE => format!("{} gave up (priority 0)", h.address),
                Some(h) if now - h.at < self.routers[i].master_down() => {
                    format!("{} with priority {} is below our {}", h.address, h.priority, self.routers[i].effective)
                }
                Some(h) => format!("{} was not heard for {}", h.address, now - h.at),
                None => why,
            },
            State::Init | State::Master(_) | State::Fault(_) | State::Stopped => why,
        };
        self.routers[i].serve(now, why);
        self.collect(i);
    }

    /// Brings every router in line with the facts: faults first, then priorities, then who may listen again.
    fn settle(&mut self, now: Instant) {
        let own: Vec<BTreeSet<Fault>> = self.routers.iter().map(|r| track::faults(&r.settings, &self.facts)).collect();
        for i in 0..self.routers.len() {
            self.routers[i].set_facts(now, &self.facts);
            if matches!(self.routers[i].state, State::Stopped) {
                continue;
            }
            let faults = self.with_siblings(i, &own);
            let hard = faults.iter().any(|f| !f.awaited());
            match (&self.routers[i].state, Faults::new(faults)) {
                (State::Init | State::Fault(_), None) => {
                    let why = match &self.routers[i].state {
                        State::Fault(before) => format!("no longer so: {before}"),
                        _ => "started".to_string(),
                    };
                    self.routers[i].listen(now, why);
                }
                (State::Fault(_), Some(faults)) => {
                    self.routers[i].why = faults.to_string();
                    self.routers[i].state = State::Fault(faults);
                }
                (State::Init | State::Backup(_) | State::Master(_), Some(faults)) if hard => {
                    self.routers[i].fail(now, faults);
                }
                // What is awaited yet keeps a router in INIT and disturbs no other state.
                (State::Init, Some(faults)) => self.routers[i].why = faults.to_string(),
                (State::Backup(_) | State::Master(_), _) | (State::Stopped, _) => {}
            }
            self.collect(i);
        }
        for g in 0..self.groups.len() {
            self.settle_group(g);
        }
    }

    /// The faults of a router, those of its siblings included.
    fn with_siblings(&self, i: usize, own: &[BTreeSet<Fault>]) -> BTreeSet<Fault> {
        let mut faults = own[i].clone();
        let Some(g) = self.group_of[i] else { return faults };
        for member in self.groups[g].members.iter().filter(|m| **m != i) {
            let name = || self.routers[*member].settings.name.clone();
            if own[*member].iter().any(|f| !f.awaited()) {
                faults.insert(Fault::Sibling(name()));
            } else if !own[*member].is_empty() {
                faults.insert(Fault::SiblingAwaited(name()));
            }
        }
        faults
    }

    /// A group is what its members are: FAULT if one is, else BACKUP or MASTER when all of them are. (Who becomes MASTER is
    /// decided in `grant_master`; here a group is met whose members were so before it was formed.)
    fn settle_group(&mut self, g: usize) {
        let states: Vec<Name> = self.groups[g].members.iter().map(|m| self.routers[*m].state.name()).collect();
        let why = |node: &Node, state: Name| {
            let members = || node.groups[g].members.iter().map(|m| &node.routers[*m]);
            // Whoever has a fault of its own is the cause; the others only follow it.
            let first = members().find(|r| r.has_own_fault()).or_else(|| members().find(|r| r.state.name() == state));
            first.map(|r| format!("{}: {}", r.settings.name, r.why)).unwrap_or_default()
        };
        if states.contains(&Name::Fault) {
            let why = why(self, Name::Fault);
            self.group_changed(g, Name::Fault, why);
            return;
        }
        for state in [Name::Backup, Name::Master] {
            if !states.is_empty() && states.iter().all(|s| *s == state) {
                let why = why(self, state);
                self.group_changed(g, state, why);
            }
        }
    }
}

/// Instances as `predecessors` compares them.
fn known_as(instances: &[Instance]) -> Vec<(Key, &str)> {
    instances.iter().map(|i| (Key::of(i), i.name.as_str())).collect()
}

/// For each instance of a configuration the router before it that it goes on from: one with its key, and with its name too
/// if there is one. No two go on from the same.
pub fn predecessors(before: &[(Key, &str)], next: &[(Key, &str)]) -> Vec<Option<usize>> {
    let mut left: BTreeMap<&Key, Vec<usize>> = BTreeMap::new();
    for (at, (key, _)) in before.iter().enumerate() {
        left.entry(key).or_default().push(at);
    }
    // Those that kept their names first, so that no renamed one takes their place.
    let mut found: Vec<Option<usize>> = Vec::with_capacity(next.len());
    for (key, name) in next {
        let same = left.get_mut(key);
        found.push(same.and_then(|same| {
            let named = same.iter().position(|at| before.get(*at).is_some_and(|(_, known)| known == name));
            named.map(|at| same.remove(at))
        }));
    }
    for (found, (key, _)) in found.iter_mut().zip(next).filter(|(found, _)| found.is_none()) {
        let same = left.get_mut(key).filter(|same| !same.is_empty());
        *found = same.map(|same| same.remove(0));
    }
    found
}

impl Router {
    /// Takes what the facts say of its source address and its priority.
    fn set_facts(&mut self, now: Instant, facts: &Facts) {
        let link = self.settings.source_interface().and_then(|from| facts.links.get(from));
        // A lost address is kept for the priority-0 advert that may still get out.
        let family = self.settings.family;
        self.source = self.settings.source.or(link.and_then(|l| l.source(family))).or(self.source);
        self.mtu = link.map_or(self.mtu, |l| l.mtu);
        self.set_sources(facts);
        let priority = track::effective_priority(&self.settings, facts);
        if self.history.is_empty() && matches!(self.state, State::Init) {
            self.effective = priority; // the first facts are no change
        } else {
            self.set_priority(now, priority);
        }
    }
}
