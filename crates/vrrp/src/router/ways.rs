//! Several ways to hear a master: the own interface and heartbeat paths. One advert leaves by all of them, with one sequence
//! and with the sender's address on its own interface, by whatever way it goes: so priorities, addresses and sequences
//! compare the same everywhere. Any of its copies tells that the master lives; only the first decides anything else.

use super::{Edge, Heard, Router, Sequence, State};
use crate::admit::Admitted;
use crate::settings::{Auth, HeartbeatPath, Instance, Way};
use crate::track::Facts;
use crate::trailer::Stamps;
use crate::units::{Instant, Micros, Priority};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// What is heard by one way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ear {
    /// The last advert.
    pub heard: Option<Heard>,
    /// How many came.
    pub received: u64,
    /// Since when nothing is heard, while the master is heard by another way.
    pub silent: Option<Instant>,
    /// Nobody listened there before.
    from: Instant,
    /// Where adverts of ours come from there; known anew with the interfaces.
    #[serde(skip)]
    source: Option<IpAddr>,
    /// The highest number of an authentication header that was accepted there.
    pub sequence: u32,
    /// Stamps of keyed trailers that were accepted there.
    pub(super) stamps: Stamps,
}

/// What an advert says that may have come by another way before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// It is the first to say it.
    Fresh,
    /// It has come by another way already.
    Echo,
    /// Its sender has said something else since.
    Old,
}

/// The ears of an instance: none where there is one way alone.
pub(super) fn ears(now: Instant, settings: &Instance) -> Vec<Ear> {
    let ways = if settings.heartbeat_paths.is_empty() { 0 } else { settings.heartbeat_paths.len() + 1 };
    (0..ways).map(|_| Ear { from: now, ..Ear::default() }).collect()
}

impl Router {
    /// What is heard by each way: of an instance without heartbeat paths, nothing.
    pub fn ears(&self) -> impl Iterator<Item = (Way, &Ear)> {
        self.ears.iter().enumerate().map(|(i, ear)| (Way::at(i), ear))
    }

    /// The address that its adverts come from by a way.
    pub fn source_by(&self, way: Way) -> Option<IpAddr> {
        match way {
            Way::Own => self.source,
            Way::Path(_) => self.ears.get(way.index()).and_then(|ear| ear.source),
        }
    }

    /// Takes note of the addresses that the heartbeat paths' interfaces have.
    pub(crate) fn set_sources(&mut self, facts: &Facts) {
        let family = self.settings.family;
        for (ear, path) in self.ears.iter_mut().skip(1).zip(&self.settings.heartbeat_paths) {
            let link = facts.links.get(&path.interface);
            ear.source = path.source.or(link.and_then(|l| l.source(family)));
        }
    }

    /// What a successor needs.
    pub(super) fn carry_ears(&self) -> Vec<(Option<HeartbeatPath>, Ear)> {
        self.ears().map(|(way, ear)| (self.settings.path(way).cloned(), ear.clone())).collect()
    }

    /// Takes over what a predecessor heard, by the ways that are still there. It did not run for so long.
    pub(super) fn resume_ears(&mut self, now: Instant, away: Micros, before: &[(Option<HeartbeatPath>, Ear)]) {
        for (i, ear) in self.ears.iter_mut().enumerate() {
            let path = self.settings.path(Way::at(i));
            let source = ear.source;
            if let Some((_, known)) = before.iter().find(|(known, _)| known.as_ref() == path) {
                ear.clone_from(known);
            } else {
                // What was heard by others is not to be believed once more by a new one.
                (ear.sequence, ear.stamps) = (self.sequences.heard, self.stamps.clone());
            }
            ear.source = source;
            ear.stamps.sent_as(&self.stamps);
            if away > Micros::ZERO {
                ear.from = now;
            }
        }
    }

    /// Takes note of an advert by the way that it came by; whether it is the first to say what it says.
    pub(super) fn listen_by(&mut self, now: Instant, admitted: &Admitted, heard: Heard) -> News {
        if self.ears.is_empty() {
            return News::Fresh;
        }
        let news = self.news(now, admitted, heard);
        let Some(ear) = self.ears.get_mut(admitted.way.index()) else { return News::Old };
        match admitted.sequence {
            Some(Sequence::Ah(number)) => ear.sequence = number,
            Some(Sequence::Hmac(stamp)) => ear.stamps.hear(heard.address, stamp),
            None => {}
        }
        if news == News::Old {
            return news; // it was held back, or is sent once more by somebody: no sign of life
        }
        ear.received += 1;
        ear.heard = Some(heard);
        if let Some(since) = ear.silent.take() {
            self.edges.push_back(Edge::HeardAgain { way: admitted.way, since });
        }
        news
    }

    fn news(&self, now: Instant, admitted: &Admitted, heard: Heard) -> News {
        let order = match (admitted.sequence, &self.settings.auth) {
            (Some(Sequence::Ah(number)), _) => match number.cmp(&self.sequences.heard) {
                Ordering::Equal if self.sequences.from != Some(heard.address) => Ordering::Greater,
                order => order,
            },
            (Some(Sequence::Hmac(stamp)), Auth::Hmac(auth)) => {
                self.stamps.order(heard.address, stamp, auth.replay, self.unix(now))
            }
            (Some(Sequence::Hmac(_)) | None, _) => return self.unnumbered(now, admitted.way, heard),
        };
        match order {
            Ordering::Greater => News::Fresh,
            Ordering::Equal => News::Echo,
            Ordering::Less => News::Old,
        }
    }

    /// Copies of an advert come within half an interval. (What a socket had waiting is read later than it came.)
    fn unnumbered(&self, now: Instant, way: Way, heard: Heard) -> News {
        if let State::Backup(backup) = &self.state
            && backup.heard.is_some_and(|h| h.address == heard.address && h.priority == Priority::RELEASE && now < h.at)
        {
            return News::Old;
        }
        let half = Micros(self.learned.micros().0 / 2);
        let same = |h: &Heard| (h.address, h.priority) == (heard.address, heard.priority) && now - h.at < half;
        let mut others = self.ears().filter(|(other, _)| *other != way);
        if others.any(|(_, ear)| ear.heard.as_ref().is_some_and(same)) { News::Echo } else { News::Fresh }
    }

    /// Since when the way at this index is to be heard, or was heard last.
    fn last_by(&self, index: usize) -> Instant {
        let ear = self.ears.get(index);
        let at = ear.map_or(self.since, |ear| ear.heard.map_or(ear.from, |heard| heard.at.max(ear.from)));
        at.max(self.since)
    }

    /// When a way counts as silent: it missed three adverts of which the last came by another way, and the time for one more
    /// is half over. `None`: it does already, or none came.
    fn silent_at(&self, index: usize) -> Option<(Instant, Way)> {
        if self.ears.get(index)?.silent.is_some() {
            return None;
        }
        let (last, half) = (self.last_by(index), self.learned.micros().0 / 2);
        let (at, by) = self.ears().filter_map(|(way, ear)| Some((ear.heard?.at, way))).max()?;
        (at >= last + Micros(5 * half)).then_some((last + Micros(7 * half), by))
    }

    /// When the first way counts as silent that does not yet.
    pub(super) fn silence(&self) -> Option<Instant> {
        (0..self.ears.len()).filter_map(|i| self.silent_at(i)).map(|(at, _)| at).min()
    }

    /// Tells of the ways by which nothing is heard any more, while the master is heard by another.
    pub(super) fn judge_ways(&mut self, now: Instant) {
        if !matches!(self.state, State::Backup(_)) {
            return;
        }
        for i in 0..self.ears.len() {
            if let Some((_, by)) = self.silent_at(i).filter(|(at, _)| *at <= now) {
                let since = self.last_by(i);
                self.ears[i].silent = Some(since);
                self.edges.push_back(Edge::Silent { way: Way::at(i), since, by });
            }
        }
    }
}
