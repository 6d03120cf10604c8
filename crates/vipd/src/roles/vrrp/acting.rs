//! What the node wants is carried out: adverts leave, addresses follow the states, and then everybody is told. Every advert
//! leaves by the own interface before any leaves by a heartbeat path.

use super::{Role, now};
use crate::apply::fixed;
use crate::message::{Ask, FromRole, NotifyEvent, Subject, Transition};
use std::io;
use tracing::{info, warn};
use vipd_sys::clock::{monotonic_micros, unix_time};
use vipd_vrrp::node::{Action, Input};
use vipd_vrrp::packet::Advert;
use vipd_vrrp::router::{
    self, Caught, Contest, Edge, Failure, Heard, Master, Name, Question, Reach, Router, Sequence, State, Unsent,
    packets,
};
use vipd_vrrp::settings::{VirtualAddress, Way};
use vipd_vrrp::units::{Instant, Micros, Priority};

/// What is done when every advert has left and every new master has its first address.
#[derive(Default)]
struct Later {
    /// Adverts that go by heartbeat paths, too: of the router at this index.
    beats: Vec<(usize, Advert, Option<Sequence>)>,
    news: Vec<News>,
}

/// What is told when the addresses are as the states are.
enum News {
    /// The router at this index changed its state.
    Router(usize, router::Transition),
    /// Its priority in force did.
    Priority(usize, Priority, Priority),
    /// The sync group at this index changed its state, for this reason.
    Group(usize, Name, String),
}

impl Role {
    /// Something happened: let the node decide, then act.
    pub(super) fn handle(&mut self, now: Instant, input: Input) {
        self.node.handle(now, input);
        self.act();
    }

    /// Carries out what the node wants. Of several that change at once every advert and every first address is out before
    /// the rest is compared with the kernel, and that before anybody is told.
    pub(super) fn act(&mut self) {
        let mut later = Later::default();
        while let Some(action) = self.node.poll() {
            match action {
                Action::Router(i, Edge::Send { advert, sequence }) => {
                    self.send(i, &advert, sequence);
                    if self.shells.get(i).is_some_and(|shell| !shell.ways.is_empty()) {
                        later.beats.push((i, advert, sequence));
                    }
                }
                Action::Router(i, Edge::Changed(transition)) => {
                    if let Some(shell) = self.shells.get_mut(i) {
                        (shell.asked, shell.refused) = (None, None);
                    }
                    if transition.to == Name::Master {
                        self.begin(i);
                    }
                    later.news.push(News::Router(i, transition));
                }
                Action::Router(i, Edge::Announce { repeat }) => {
                    let claims: Vec<_> = self.node.claims(i).cloned().collect();
                    self.addresses.announce(&claims, repeat);
                }
                Action::Router(i, Edge::AnnounceExtra) => {
                    for address in self.node.routers().get(i).iter().flat_map(|r| r.settings.extra_addresses()) {
                        self.addresses.announce(std::slice::from_ref(address), 1);
                    }
                }
                Action::Router(i, Edge::Renew) => self.addresses.renew(i, self.node.claims(i)),
                Action::Group(g, state, why) => later.news.push(News::Group(g, state, why)),
                Action::Router(i, Edge::PriorityChanged { from, to }) => later.news.push(News::Priority(i, from, to)),
                Action::Router(i, edge) => {
                    self.settle(&mut later);
                    self.carry_out(i, edge);
                }
                Action::Tracked(what, known) => {
                    self.settle(&mut later);
                    self.tracked(&what, known);
                }
            }
        }
        self.settle(&mut later);
    }

    /// The first address of a new master, before anything else is done: whoever waits for it waits no longer.
    fn begin(&mut self, i: usize) {
        if self.removing || self.stopping {
            return;
        }
        if let Some(first) = self.node.claims(i).next() {
            self.addresses.begin(first);
        }
    }

    /// What goes by heartbeat paths leaves; addresses follow the states, then the changes are told.
    fn settle(&mut self, later: &mut Later) {
        for (i, advert, sequence) in later.beats.drain(..) {
            self.beat(i, &advert, sequence);
        }
        if later.news.is_empty() {
            return;
        }
        self.reconcile();
        self.snapshot_due = true;
        for news in later.news.drain(..) {
            match news {
                News::Router(i, transition) => self.tell_transition(i, &transition),
                News::Priority(i, from, to) => self.tell_priority(i, from, to),
                News::Group(g, state, why) => self.tell_group(g, state, why),
            }
        }
    }

    /// The edges that are not urgent.
    fn carry_out(&mut self, i: usize, edge: Edge) {
        match edge {
            Edge::Ask { lost, question } => self.ask(i, lost, question),
            Edge::Refused { why } => self.tell_refusal(i, why),
            Edge::CatchUp { weaker } => self.catch_up(i, weaker),
            Edge::CaughtUp(caught) => self.tell_caught_up(i, caught),
            Edge::TwoMasters { contest } => self.tell_two_masters(i, &contest),
            Edge::Healed { contest } => self.tell_healed(i, &contest),
            Edge::LeftContest { contest } => self.tell_left(i, &contest),
            Edge::NotSent(failure) => self.tell_not_sent(i, failure),
            Edge::SentAgain(unsent) => self.tell_sent_again(i, &unsent),
            Edge::Stalled { silent } => self.tell_stall(i, silent),
            Edge::Overslept { late } => self.tell_overslept(i, late),
            Edge::Resumed => {
                self.reconcile();
                self.snapshot_due = true;
            }
            Edge::Silent { way, since, by } => self.tell_silence(i, way, since, by),
            Edge::HeardAgain { way, since } => self.tell_heard_again(i, way, since),
            Edge::LowerPriority { from, priority } => {
                let Some(router) = self.node.routers().get(i) else { return };
                let name = router.settings.name.clone();
                let own = router.priority();
                let why = format!("advert from {from} with priority {priority}, below our {own}");
                // A successor is to know of the first sign of a second master, which is not told yet.
                let first = |master: &Master| master.contest.is_some_and(|contest| contest.adverts == 1);
                self.snapshot_due |= matches!(router.state(), State::Master(master) if first(master));
                if let Some(shell) = self.shells.get_mut(i)
                    && let Some(silent) = shell.lower.allow(monotonic_micros())
                {
                    info!("({name}) Received lower priority advert: {why}{silent}");
                }
                self.tell(Subject::Instance(name), NotifyEvent::MasterRxLowerPri, own.0, why);
            }
            // `act` has done these.
            Edge::Send { .. }
            | Edge::Announce { .. }
            | Edge::AnnounceExtra
            | Edge::Changed(_)
            | Edge::PriorityChanged { .. }
            | Edge::Renew => {}
        }
    }

    /// A refused take-over is told once as long as the reason stays the same.
    fn tell_refusal(&mut self, i: usize, why: String) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        let Some(shell) = self.shells.get_mut(i) else { return };
        if shell.refused.replace(why.clone()).as_ref() != Some(&why) {
            warn!("({name}) does not take the silent master's place: {why}; asking again");
            self.happened("takeover", format!("vrrp_instance {name}"), "refused".to_owned(), why);
        }
    }

    /// Another host is master, too, and goes on.
    fn tell_two_masters(&mut self, i: usize, contest: &Contest) {
        let Some(router) = self.node.routers().get(i) else { return };
        let (name, own) = (&router.settings.name, router.priority());
        let source = router.source().map_or_else(|| "this host".to_owned(), |source| source.to_string());
        let Heard { address, priority, .. } = contest.other;
        warn!(
            "({name}) Two masters: {source} with priority {own} serves, and so does {address} with priority {priority}, \
             which is to give way"
        );
        let subject = format!("vrrp_instance {name}");
        let cause = format!("{} from {address} with priority {priority}", adverts(contest));
        self.happened("two masters", subject, "begun".to_owned(), cause);
        self.snapshot_due = true;
    }

    /// The other master is heard no more.
    fn tell_healed(&mut self, i: usize, contest: &Contest) {
        let Some(router) = self.node.routers().get(i) else { return };
        let (name, own) = (router.settings.name.clone(), router.priority().0);
        let silent = now() - contest.other.at;
        let why = format!("{}, none since {silent}; the addresses are announced again", met(contest));
        info!("({name}) {why}");
        self.happened("two masters", format!("vrrp_instance {name}"), end(contest).to_owned(), why.clone());
        self.snapshot_due = true;
        // What hooks did on the other host may have undone what they did here.
        self.tell(Subject::Instance(name), NotifyEvent::Master, own, why.clone());
        self.tell_siblings_again(i, &why);
    }

    /// What hooks are told of one member of a sync group that has met a second master concerns the group, and those members that
    /// met none. Members meet it at about the same time: the first one speaks for all.
    fn tell_siblings_again(&mut self, i: usize, why: &str) {
        let Some(group) = self.node.group_of(i) else { return };
        let (group, members, at) = (group.settings.name.clone(), group.settings.members.clone(), now());
        if self.told_again.get(&group).is_some_and(|told| at < *told + TOLD_AGAIN) {
            return;
        }
        self.told_again.insert(group.clone(), at);
        let member = self.node.routers().get(i).map_or("", |router| router.settings.name.as_str());
        let why = format!("{member}: {why}");
        let met = |router: &Router| match router.state() {
            State::Master(master) => master.contest.is_some() || at < master.peace_until,
            State::Init | State::Backup(_) | State::Fault(_) | State::Stopped => true,
        };
        let siblings = self.node.routers().iter().filter(|r| members.contains(&r.settings.name) && !met(r));
        let siblings: Vec<(String, u8)> = siblings.map(|r| (r.settings.name.clone(), r.priority().0)).collect();
        for (name, own) in siblings {
            self.tell(Subject::Instance(name), NotifyEvent::Master, own, why.clone());
        }
        self.tell(Subject::Group(group), NotifyEvent::Master, 0, why);
    }

    /// Who saw another master is none itself any more.
    fn tell_left(&mut self, i: usize, contest: &Contest) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        let why = format!("{}; this host is MASTER no more", met(contest));
        info!("({name}) {why}");
        self.happened("two masters", format!("vrrp_instance {name}"), end(contest).to_owned(), why);
    }

    /// What a master sends does not leave.
    fn tell_not_sent(&mut self, i: usize, Failure { reach, why, .. }: Failure) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        let what = match reach {
            Reach::Nobody => "no advert leaves",
            Reach::Some => "not every advert leaves",
        };
        warn!("({name}) {what}: {why}");
        self.happened("adverts", format!("vrrp_instance {name}"), what.to_owned(), why);
        self.snapshot_due = true;
    }

    /// It leaves again, or there is nothing to leave.
    fn tell_sent_again(&mut self, i: usize, unsent: &Unsent) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        let lasted = now() - unsent.since;
        let counts = [("not sent", unsent.adverts), ("not to everybody", unsent.partly)];
        let counts = counts.into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what} meanwhile: {n}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let again = if unsent.adverts > 0 { "leave again" } else { "leave for everybody again" };
        let (what, cause) = match router.state().name() {
            Name::Master => (again, format!("after {lasted}; {counts}")),
            other => ("over", format!("this host is {other} after {lasted}; {counts}")),
        };
        info!("({name}) adverts {what}: {cause}");
        self.happened("adverts", format!("vrrp_instance {name}"), what.to_owned(), cause);
        self.snapshot_due = true;
    }

    /// A master did not run for a while.
    fn tell_stall(&mut self, i: usize, silent: Micros) {
        self.addresses.hush(self.node.claims(i));
        let Some(router) = self.node.routers().get(i) else { return };
        let (name, interval) = (&router.settings.name, router.settings.advert_int);
        warn!("({name}) did not run for {silent}: listens for {interval} before it sends again");
        let (subject, cause) = (format!("vrrp_instance {name}"), format!("did not run for {silent}"));
        self.happened("stall", subject, "listens".to_owned(), cause);
        // A successor goes on listening.
        self.snapshot_due = true;
    }

    /// A backup did not run for a while.
    fn tell_overslept(&mut self, i: usize, late: Micros) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = &router.settings.name;
        warn!("({name}) did not run when its master was due, {late} ago: listens for one more advert");
        let (subject, cause) = (format!("vrrp_instance {name}"), format!("did not run for {late}"));
        self.happened("stall", subject, "listens".to_owned(), cause);
    }

    /// The priority in force is another one.
    fn tell_priority(&mut self, i: usize, from: Priority, to: Priority) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        info!("({name}) Changing effective priority from {from} to {to}");
        let event = match router.state().name() {
            Name::Master => NotifyEvent::MasterPriority,
            Name::Backup => NotifyEvent::BackupPriority,
            Name::Init | Name::Fault | Name::Stop => return,
        };
        self.tell(Subject::Instance(name), event, to.0, format!("priority {from} became {to}"));
        self.snapshot_due = true;
    }

    fn tell_group(&mut self, g: usize, state: Name, why: String) {
        let Some(group) = self.node.groups().get(g) else { return };
        let name = group.settings.name.clone();
        info!("VRRP_Group({name}) Syncing instances to {state} state: {why}");
        if let Some(event) = event_of(state) {
            self.tell(Subject::Group(name), event, 0, why);
        }
    }

    /// A master is silent: its place is taken when the witness answers and it is fenced.
    fn ask(&mut self, i: usize, lost: Option<Heard>, question: Question) {
        let Some(router) = self.node.routers().get(i) else { return };
        let instance = router.settings.name.clone();
        let whom = lost.map_or_else(|| "nobody was heard".to_owned(), |h| format!("{} is silent", h.address));
        let what = match question {
            Question::Witness => "the witness",
            Question::Fence => "the fence",
        };
        let ask = Ask { instance: instance.clone(), lost: lost.map(|h| (h.address, h.priority.0)), question };
        self.queue(&FromRole::Ask(ask.clone()));
        let Some(shell) = self.shells.get_mut(i) else { return };
        if shell.asked.replace(ask.clone()) != Some(ask) {
            info!("({instance}) {whom}: asks {what} before it takes over");
            self.happened("takeover", format!("vrrp_instance {instance}"), "asked".to_owned(), whom);
        }
    }

    /// A weaker master is heard, and its connections may not be known here.
    fn catch_up(&mut self, i: usize, weaker: Heard) {
        let Some(router) = self.node.routers().get(i) else { return };
        let (instance, longest) = (router.settings.name.clone(), router.settings.catch_up);
        self.queue(&FromRole::CatchUp(instance.clone()));
        let Heard { address, priority, .. } = weaker;
        let why = format!(
            "leaves {address} with priority {priority} in peace until the connections that go through it are known here: \
             lvs_sync_catch_up, {longest} from when it became BACKUP at the most"
        );
        info!("({instance}) {why}");
        self.happened("takeover", format!("vrrp_instance {instance}"), "waits".to_owned(), why);
        self.snapshot_due = true;
    }

    /// It leaves the weaker master in peace no longer.
    fn tell_caught_up(&mut self, i: usize, caught: Caught) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        let (what, why) = match caught {
            Caught::Up => ("caught up", "the connections of the weaker master are known here, as far as can be told"),
            Caught::Late => ("waited", "the time of lvs_sync_catch_up is over, whatever connections are known here"),
        };
        info!("({name}) {why}: preempts");
        self.happened("takeover", format!("vrrp_instance {name}"), what.to_owned(), why.to_owned());
        self.snapshot_due = true;
    }

    /// Brings addresses, routes and rules in line with what the instances claim.
    pub(super) fn reconcile(&mut self) {
        if self.stopping && self.options.keep_addresses {
            return; // -V: nobody claims them any more, and yet they stay
        }
        if self.removing {
            return; // what a removed instance held may be another's in a moment: it must not leave in between
        }
        // What goes by an address goes before it, and comes behind it (`turn_until_told`).
        let paths = self.claimed_paths();
        self.routing.reconcile(paths, self.addresses.links());
        let mut claims = Vec::new();
        for (i, router) in self.node.routers().iter().enumerate() {
            // What was taken away during a stall comes back when it is sure that nobody else has it.
            let kept = |a: &&VirtualAddress| !router.is_listening() || self.addresses.holds(a);
            claims.extend(self.node.claims(i).filter(kept).cloned());
        }
        if !self.stopping {
            claims.extend(fixed(&self.config));
        }
        self.addresses.reconcile(claims);
    }

    /// Sends an advert by the own interface, and lets the node know what came of it.
    fn send(&mut self, i: usize, advert: &Advert, sequence: Option<Sequence>) {
        let (Some(router), Some(shell)) = (self.node.routers().get(i), self.shells.get_mut(i)) else { return };
        let Some(source) = router.source() else {
            let why = "its interface has no address to send from".to_owned();
            return self.node.sent(i, advert.priority, Err(Failure { at: now(), reach: Reach::Nobody, why }));
        };
        shell.id = shell.id.checked_add(1).unwrap_or(1);
        let (mut left, mut failed) = (false, None);
        for (to, packet) in packets(&router.settings, source, advert, shell.id, sequence) {
            let sent = self.ports.send(i, Way::Own, &packet, to);
            if let Some(own) = shell.ways.first_mut() {
                own.count(&sent);
            }
            match sent {
                Ok(()) => left = true,
                Err(e) => {
                    if let Some(silent) = shell.log.allow(monotonic_micros()) {
                        let (name, by) = (&router.settings.name, &router.settings.binding);
                        warn!("({name}) advert to {to} on {by} could not be sent: {}{silent}", refusal(&e));
                    }
                    failed = Some((to, e));
                }
            }
        }
        let outcome = match failed {
            Some((_, e)) if !left => Err(Failure { at: now(), reach: Reach::Nobody, why: refusal(&e) }),
            Some((to, e)) => Err(Failure { at: now(), reach: Reach::Some, why: format!("to {to}: {}", refusal(&e)) }),
            None if left => Ok(()),
            // Unicast without peers: there was nobody to send it to.
            None => return,
        };
        self.node.sent(i, advert.priority, outcome);
    }

    fn tell_transition(&mut self, i: usize, transition: &router::Transition) {
        let Some(router) = self.node.routers().get(i) else { return };
        let name = router.settings.name.clone();
        match transition.to {
            Name::Fault => warn!("({name}) Entering FAULT STATE: {}", transition.why),
            to => info!("({name}) Entering {to} STATE: {}", transition.why),
        }
        let Some(mut event) = event_of(transition.to) else { return };
        if self.removing && event == NotifyEvent::Stop {
            event = NotifyEvent::Deleted;
        }
        self.tell(Subject::Instance(name), event, router.priority().0, transition.why.clone());
    }

    fn tell(&mut self, subject: Subject, event: NotifyEvent, priority: u8, why: String) {
        let transition = Transition { subject, event, priority, why, at: unix_time() };
        self.queue(&FromRole::Transition(transition));
    }
}

/// For so long after a group was told MASTER again it is not told so once more.
const TOLD_AGAIN: Micros = Micros(25_000_000);

/// `3 adverts in 2.000 s`, from the first to the last.
fn adverts(contest: &Contest) -> String {
    match contest.adverts {
        1 => "1 advert".to_owned(),
        many => format!("{many} adverts in {}", contest.other.at - contest.since),
    }
}

/// How another master was met.
fn met(contest: &Contest) -> String {
    let (address, adverts) = (contest.other.address, adverts(contest));
    if contest.goes_on {
        format!("{address} is no second master any more: {adverts} heard")
    } else {
        format!("{address} was master, too, when it was last heard: {adverts} heard")
    }
}

/// What of two masters is over.
fn end(contest: &Contest) -> &'static str {
    if contest.goes_on { "over" } else { "last word" }
}

/// What the kernel says of a packet that a filter drops on its way out, as of a matter of rights.
const EPERM: i32 = 1;
/// And of a destination that routing forbids.
const EACCES: i32 = 13;

/// Why something was not sent, for people.
fn refusal(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words);
    match error.raw_os_error() {
        Some(EPERM) => format!("{text} (most likely a packet filter of this host drops what it sends)"),
        Some(EACCES) => format!("{text} (most likely a route or rule of type prohibit)"),
        _ => text.to_owned(),
    }
}

fn event_of(state: Name) -> Option<NotifyEvent> {
    match state {
        Name::Master => Some(NotifyEvent::Master),
        Name::Backup => Some(NotifyEvent::Backup),
        Name::Fault => Some(NotifyEvent::Fault),
        Name::Stop => Some(NotifyEvent::Stop),
        Name::Init => None,
    }
}
