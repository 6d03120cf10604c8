//! BFD on a host: a real node in the shell that `vipd`'s vrrp role puts around it, as far as decisions go. What the
//! sessions do is left among the host's `Effect`s; who came up or went down is `news`.

use crate::host::{Effect, Host, Origin};
use crate::mutation::Mutation;
use crate::scenario::{Mesh, address, host_at};
use crate::wire::LONGEST_WAY;
use fastrand::Rng;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use vipd_bfd::node::{Action, Before, Datagram, Input, Node, Snapshot};
use vipd_bfd::packet::{Control, StateName};
use vipd_bfd::session::{Edge, Session};
use vipd_bfd::settings::{Hops, Instance};
use vipd_bfd::units::{Discriminator, Instant};
use vipd_vrrp::settings::Tracked;
use vipd_vrrp::track::Known;

/// Packets that wait for a host that stands still.
const INBOX: usize = 512;

/// A datagram on its way, with what the simulator knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// What should be a control packet.
    pub(crate) bytes: Rc<[u8]>,
    /// Who sent it, or is said to have sent it.
    pub(crate) from: usize,
    /// The address that it comes from.
    pub(crate) source: IpAddr,
    /// The TTL that it comes with.
    pub(crate) ttl: u8,
    /// Who made it.
    pub(crate) origin: Origin,
}

/// The BFD sessions of a host.
pub(crate) struct Sessions {
    /// What its file says of them: one with each host that it has one with.
    pub(crate) config: Vec<Instance>,
    /// The wire that they run on.
    pub(crate) wire: usize,
    own: IpAddr,
    node: Node,
    /// What waits to be read.
    inbox: VecDeque<Probe>,
    /// What the supervisor keeps for a successor.
    kept: Snapshot,
    /// Who came up or went down, and was not told of yet.
    news: Vec<(String, bool)>,
    /// They were given up, in order.
    pub(crate) stopped: bool,
    rng: Rng,
    mutation: Option<Mutation>,
}

/// The host at the other end of a session.
pub(crate) fn peer(settings: &Instance) -> usize {
    host_at(settings.neighbour)
}

/// The name of the session with a host.
pub(crate) fn name(peer: usize) -> String {
    format!("with_{peer}")
}

/// The host that the session of this name is with.
pub(crate) fn number(name: &str) -> Option<usize> {
    name.strip_prefix("with_")?.parse().ok()
}

/// How long it takes until every session is what it is to be, when nothing is lost, in microseconds: who is silent
/// counts as gone after the detection time, and is then greeted, heard and answered within an interval each.
pub(crate) fn settled(hosts: &[Host]) -> u64 {
    let all = || hosts.iter().flat_map(|host| &host.sessions).flat_map(|s| &s.config);
    let interval = all().map(|s| s.min_rx.max(s.min_tx).max(s.idle_tx).0).max().unwrap_or(0);
    let times = all().map(|s| u64::from(s.multiplier.get())).max().unwrap_or(0);
    if interval == 0 { 0 } else { (times + 4) * interval + 4 * LONGEST_WAY }
}

impl Sessions {
    /// Those of a host, before its daemon starts. `seed`: of its random numbers.
    pub(crate) fn new(host: usize, mesh: &Mesh, seed: u64, mutation: Option<Mutation>) -> Sessions {
        Sessions {
            config: mesh.files[host].clone(),
            wire: mesh.wire,
            own: address(mesh.family, mesh.wire, host),
            node: Node::default(),
            inbox: VecDeque::new(),
            kept: Snapshot::default(),
            news: Vec::new(),
            stopped: false,
            rng: Rng::with_seed(seed),
            mutation,
        }
    }

    /// The daemon starts, with or without what a predecessor left.
    pub(crate) fn begin(&mut self, now: u64, predecessor: Predecessor) {
        let before = match predecessor {
            Predecessor::None => Before::Nothing,
            Predecessor::Kept => Before::Process(self.kept.clone()),
            Predecessor::Reloaded => Before::Configuration(self.node.snapshot()),
        };
        let rng = &mut self.rng;
        self.node = Node::new(Instant(now), self.config.clone(), before, &mut || rng.u32(..));
        self.news.clear();
        self.stopped = false;
    }

    /// The daemon is gone.
    pub(crate) fn die(&mut self) {
        self.node = Node::default();
        self.inbox.clear();
    }

    /// The supervisor gets a snapshot.
    pub(crate) fn keep(&mut self) {
        self.kept = self.node.snapshot();
    }

    /// The sessions.
    pub(crate) fn all(&self) -> &[Session] {
        self.node.sessions()
    }

    /// What instances that track them are to know.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (Tracked, Known)> {
        let known = |s: &Session| Known::of(s.state().name() == StateName::Up);
        self.all().iter().map(move |s| (Tracked::Bfd(s.settings.name.clone()), known(s)))
    }

    /// What the session with a host is called here.
    pub(crate) fn discriminator(&self, peer: usize) -> Option<Discriminator> {
        self.all().iter().find(|s| self::peer(&s.settings) == peer).map(Session::discriminator)
    }

    /// When to call.
    pub(crate) fn wake(&self) -> u64 {
        self.node.wake().map_or(u64::MAX, |(at, ..)| at.0)
    }

    /// Sends what is due; nobody counts as gone by that.
    pub(crate) fn tick_sending(&mut self, now: u64, effects: &mut Vec<Effect>) {
        let early = self.mutation == Some(Mutation::SilenceBeforeReading);
        self.due(now, if early { Input::Tick } else { Input::TickSending }, effects);
    }

    /// Does what is due, after everything was read.
    pub(crate) fn tick(&mut self, now: u64, effects: &mut Vec<Effect>) {
        self.due(now, Input::Tick, effects);
    }

    fn due(&mut self, now: u64, input: Input<'_>, effects: &mut Vec<Effect>) {
        if self.wake() <= now {
            self.node.handle(Instant(now), input);
            self.act(effects);
        }
    }

    /// A datagram arrives, and waits to be read.
    pub(crate) fn arrive(&mut self, probe: Probe) {
        if self.inbox.len() < INBOX {
            self.inbox.push_back(probe);
        }
    }

    /// Reads what waits.
    pub(crate) fn read(&mut self, now: u64, effects: &mut Vec<Effect>) {
        while let Some(probe) = self.inbox.pop_front() {
            let mut bytes = probe.bytes.to_vec();
            let mut ttl = probe.ttl;
            match self.mutation {
                Some(Mutation::SilenceOverlooked) if bytes.len() > 2 => bytes[2] = bytes[2].saturating_add(1),
                Some(Mutation::SilenceImagined) if bytes.len() > 2 => bytes[2] = (bytes[2] - 1).max(1),
                Some(Mutation::HopsUncounted) => ttl = 255,
                _ => {}
            }
            let datagram = Datagram { from: probe.source, to: self.own, hops: Hops::Single, ttl, payload: &bytes };
            self.node.handle(Instant(now), Input::Datagram(datagram));
            self.take_in(probe, effects);
            self.act(effects);
        }
    }

    /// Whether what was just handled was believed.
    fn take_in(&mut self, probe: Probe, effects: &mut Vec<Effect>) {
        // A rejected datagram has no other effect, so its action is the only one.
        match (self.node.poll(), Control::parse(&probe.bytes)) {
            (Some(Action::Rejected { why, .. }), _) => effects.push(Effect::Unheard(probe, why)),
            (first, Ok(control)) => {
                effects.push(Effect::Heard(probe, control));
                if let Some(Action::Session(i, edge)) = first {
                    self.carry_out(i, edge, effects);
                }
            }
            (_, Err(_)) => {}
        }
    }

    /// Gives all of them up.
    pub(crate) fn stop(&mut self, now: u64, effects: &mut Vec<Effect>) {
        self.stopped = true;
        self.node.handle(Instant(now), Input::Stop);
        self.act(effects);
    }

    fn act(&mut self, effects: &mut Vec<Effect>) {
        while let Some(action) = self.node.poll() {
            match action {
                Action::Session(i, edge) => self.carry_out(i, edge, effects),
                Action::Rejected { .. } => {} // `take_in` has taken it
            }
        }
    }

    fn carry_out(&mut self, i: usize, edge: Edge, effects: &mut Vec<Effect>) {
        let settings = &self.all()[i].settings;
        let peer = peer(settings);
        match edge {
            Edge::Send(bytes) => {
                let (ttl, origin) = (settings.ttl, Origin::Honest);
                let from = host_at(self.own);
                effects.push(Effect::Probe(peer, Probe { bytes: bytes.into(), from, source: self.own, ttl, origin }));
            }
            Edge::Changed(transition) => {
                let (from, to) = (transition.from == StateName::Up, transition.to == StateName::Up);
                if from != to && self.mutation != Some(Mutation::SessionsUnfollowed) {
                    self.news.push((settings.name.clone(), to));
                }
                effects.push(Effect::Session(peer, transition));
            }
        }
    }

    /// Who came up or went down since the last time.
    pub(crate) fn news(&mut self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.news)
    }
}

/// What a daemon that starts goes on from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Predecessor {
    /// Nothing.
    None,
    /// A process that is gone, and the supervisor's snapshot of it.
    Kept,
    /// Itself, under another file.
    Reloaded,
}
