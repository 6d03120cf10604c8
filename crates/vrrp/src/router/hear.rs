//! What an admitted advert does to a virtual router.

use super::ways::News;
use super::{
    Clearance, Contest, Edge, Heard, LEAST_LEARNED, Listening, Master, Name, REPLY_GAP, Router, Sequence, State, Wish,
};
use crate::admit::Admitted;
use crate::settings::{Preempt, Version, Way};
use crate::units::{Centis, Instant, Micros, Priority};
use alloc::format;
use alloc::string::String;

/// Whether another master served beside this one.
#[derive(PartialEq, Eq, Debug)]
enum Company {
    /// It did not, as far as can be known.
    Alone,
    /// It may have done so.
    Possible,
    /// It did, or may have done so: what is known of it.
    Known(String),
}

/// The number of the advert behind one with this number.
fn next(number: u16) -> u16 {
    number.checked_add(1).unwrap_or(1)
}

impl Router {
    /// An admitted advert.
    pub(crate) fn hear(&mut self, now: Instant, admitted: Admitted) -> Wish {
        let advert = &admitted.advert;
        if matches!(self.state, State::Init | State::Fault(_) | State::Stopped) {
            return Wish::None;
        }
        // What comes by another way is the same once more, and has a count of its own.
        if admitted.way == Way::Own {
            self.counters.adverts_received += 1;
            if advert.priority == Priority::RELEASE {
                self.counters.priority_zero_received += 1;
            }
        }
        let heard = Heard {
            address: admitted.source,
            priority: advert.priority,
            at: now,
            interval: advert.interval,
            number: admitted.number,
        };
        let news = self.listen_by(now, &admitted, heard);
        match admitted.sequence {
            Some(Sequence::Hmac(_)) if news == News::Old => {}
            Some(Sequence::Ah(number)) if number >= self.sequences.heard => {
                (self.sequences.heard, self.sequences.from) = (number, Some(admitted.source));
            }
            Some(Sequence::Ah(_)) => {}
            Some(Sequence::Hmac(stamp)) => self.stamps.hear(admitted.source, stamp),
            None => {}
        }
        if news == News::Old {
            return Wish::None;
        }
        match self.state {
            State::Backup(_) => {
                self.hear_as_backup(now, heard, advert.interval);
                match admitted.way {
                    Way::Own => self.heard_at_last(now, heard),
                    Way::Path(_) => self.heard_elsewhere(now),
                }
                Wish::None
            }
            State::Master(_) => {
                let wish = self.hear_as_master(now, heard, advert.interval, news);
                if let State::Backup(backup) = &mut self.state
                    && admitted.way != Way::Own
                {
                    backup.unheard = Some(now);
                }
                wish
            }
            State::Init | State::Fault(_) | State::Stopped => Wish::None,
        }
    }

    fn hear_as_backup(&mut self, now: Instant, heard: Heard, interval: Centis) {
        let skew = self.skew();
        let lower = heard.priority < self.effective;
        let several = !self.ears.is_empty();
        let State::Backup(backup) = &mut self.state else { return };
        let delay = match self.settings.preempt {
            Preempt::Never => None,
            Preempt::After(_) if self.handed_over => None,
            Preempt::After(delay) => Some(delay),
        };
        if heard.priority == Priority::RELEASE {
            let known = backup.heard.filter(|_| several);
            match known {
                // By another way it may come when somebody else serves already.
                Some(known) if known.address != heard.address && known.priority != Priority::RELEASE => return,
                Some(known) if known.priority == Priority::RELEASE => backup.down = backup.down.min(now + skew),
                Some(_) | None => backup.down = now + skew,
            }
            backup.heard = Some(heard);
            backup.clearance = Clearance::Unasked;
            return;
        }
        let accepted = match delay {
            None => true,
            Some(_) if !lower => {
                backup.hold = None;
                true
            }
            Some(delay) if delay > Micros::ZERO && now < *backup.hold.get_or_insert(now + delay) => true,
            Some(_) => self.catches_up(now, heard),
        };
        let State::Backup(backup) = &mut self.state else { return };
        backup.heard = Some(heard);
        if accepted {
            (backup.wants_master, backup.overslept, backup.clearance) = (false, false, Clearance::Unasked);
            if self.settings.version == Version::V3 {
                self.learned = interval.max(LEAST_LEARNED);
            }
            let down = now + self.master_down();
            if let State::Backup(backup) = &mut self.state {
                backup.down = down;
            }
        }
    }

    /// A master is heard by a path. If this one has left its place just now, for a sibling's sake, that is whom it was left to.
    fn heard_elsewhere(&mut self, now: Instant) {
        let interval = self.learned.micros();
        let left = self.history.back().filter(|last| last.from == Name::Master && now - last.at <= interval);
        let Some(at) = left.map(|last| last.at) else { return };
        let here = self.ears.first().and_then(|own| own.heard).is_some_and(|heard| heard.at >= at);
        if let State::Backup(backup) = &mut self.state
            && !here
        {
            backup.unheard = Some(at);
        }
    }

    /// A master that it has given way to without hearing it here is heard by its own interface. If that is at once, all is
    /// well. Else that one is to know that clients here were told nothing, and to announce its addresses once more; but not
    /// before it has forgotten the last word, or it would take this for a master that goes on.
    fn heard_at_last(&mut self, now: Instant, heard: Heard) {
        let (interval, patience) = (self.learned.micros(), self.master_down());
        let State::Backup(backup) = &mut self.state else { return };
        let Some(since) = backup.unheard.filter(|_| heard.priority >= self.effective) else { return };
        if now - since <= interval {
            backup.unheard = None;
        } else if now - since > patience {
            backup.unheard = None;
            self.send(now, self.effective);
        }
    }

    fn hear_as_master(&mut self, now: Instant, heard: Heard, interval: Centis, news: News) -> Wish {
        if let State::Master(Master { listening: Some(Listening { silent, .. }), .. }) = self.state {
            return self.hear_as_stalled(now, heard, interval, silent);
        }
        if heard.priority == Priority::RELEASE {
            // RFC 9568, 6.4.3: somebody else gives up: show at once that we are here. The schedule stays. That one was master
            // until now, and clients may have been told so.
            let State::Master(master) = &self.state else { return Wish::None };
            if now < master.reply_after || news == News::Echo || self.source == Some(heard.address) {
                return Wish::None;
            }
            self.answer(now);
            self.announce_lower(now, now);
            return Wish::Announce { at: now };
        }
        let own_address = self.source.unwrap_or(heard.address);
        let wins = (heard.priority, heard.address) > (self.effective, own_address);
        if wins {
            // Who served beside a stronger one lets it know, so that it announces its addresses to those that ask here.
            let company = self.company(now, &heard);
            if self.settings.higher_prio_send_advert || company != Company::Alone {
                self.send(now, self.effective);
            }
            if self.settings.version == Version::V3 {
                self.learned = interval.max(LEAST_LEARNED);
            }
            let mut why = if heard.priority == self.effective {
                format!("heard {} with equal priority {} and the higher address", heard.address, heard.priority)
            } else {
                format!("heard {} with priority {} above our {}", heard.address, heard.priority, self.effective)
            };
            if let Company::Known(what) = company {
                why = format!("{why}, which {what}");
            }
            let backup = self.listening(now, Some(heard));
            self.transition(now, State::Backup(backup), why.clone());
            return Wish::Backup { why };
        }
        if (heard.priority, heard.address) == (self.effective, own_address) {
            // Our own packet come back, or a second host with our address: neither is to give way, and the caller tells.
            return Wish::None;
        }
        if news == News::Echo || self.is_crossing(now, &heard) {
            return Wish::None;
        }
        if self.take_farewell(&heard) {
            self.announce_lower(now, now);
            return Wish::Announce { at: now };
        }
        self.contest(now, heard);
        let State::Master(master) = &mut self.state else { return Wish::None };
        let at = master.reply_after;
        if now < at {
            // It may have been that one's last word: no answer, but clients are to hear who is master.
            self.announce_lower(now, at);
            return Wish::Announce { at };
        }
        self.edges.push_back(Edge::LowerPriority { from: heard.address, priority: heard.priority });
        if !self.settings.lower_prio_no_advert {
            self.answer(now);
        }
        let State::Master(master) = &mut self.state else { return Wish::None };
        master.reply_after = now + REPLY_GAP;
        self.announce_lower(now, now);
        Wish::Announce { at: now }
    }

    /// Whether it is the next that is heard of the one whose place this one took: by its count it has not served since. That is
    /// no second master, but wants its clients to be told.
    fn take_farewell(&mut self, heard: &Heard) -> bool {
        let State::Master(master) = &mut self.state else { return false };
        let numbers = master.left.filter(|left| left.address == heard.address).map(|left| (left.number, heard.number));
        let follows = matches!(numbers, Some((Some(last), Some(number))) if number == next(last));
        if follows {
            master.left = None; // one, and no more
        }
        follows
    }

    /// Whether it is the last word of the weaker master whose place this one has just taken: it was alone until then.
    fn is_crossing(&self, now: Instant, heard: &Heard) -> bool {
        let State::Master(master) = &self.state else { return false };
        let fresh = now < self.since + self.settings.advert_int.micros();
        fresh && master.left.is_some_and(|left| left.address == heard.address)
    }

    /// Whether a stronger master that is heard served beside this one. One that is not known may have done so elsewhere; of one
    /// that left in order its count of adverts tells (over IPv4), and it did not if there is none.
    fn company(&self, now: Instant, heard: &Heard) -> Company {
        let State::Master(master) = &self.state else { return Company::Alone };
        let known = |before: &Heard| before.address == heard.address;
        if let Some(lost) = master.lost.filter(known) {
            return Company::Known(self.beside(now, &lost, heard));
        }
        if master.contest.is_some_and(|contest| known(&contest.other)) {
            return Company::Known("was master beside it".into());
        }
        let left = master.left.filter(known);
        // Whose place was taken listens for as long as any backup before it serves again.
        if left.is_some_and(|left| left.priority != Priority::RELEASE) && now - self.since < self.master_down() {
            return Company::Known("had not given way to it".into());
        }
        match left.map(|left| (left.number, heard.number)) {
            Some((Some(last), Some(number))) if ![1, next(last), next(next(last))].contains(&number) => Company::Known(
                "has sent adverts since it left that were not heard: there may have been two masters".into(),
            ),
            Some(_) => Company::Alone,
            None => Company::Possible,
        }
    }

    /// Of a stronger master that had fallen silent and is heard again: whether it served beside this one. Who was cut off went on
    /// counting its adverts; who stood still or died did not, nor did who saw its cable go, but for a good-bye that reached
    /// nobody. What became of its addresses nobody here knows: with leases they are gone, but that this host has leases does
    /// not say that the other one has.
    fn beside(&self, now: Instant, lost: &Heard, heard: &Heard) -> String {
        let silent = now - lost.at;
        let many = silent >= Micros(heard.interval.micros().0.saturating_mul(3));
        let leased = self.settings.lease().is_some();
        let was = match (lost.number, heard.number) {
            (Some(last), Some(number)) if leased && number == next(last) => format!("had sent nothing for {silent}"),
            (Some(last), Some(number)) if leased && many && number == next(next(last)) => {
                format!("had sent no more than a good-bye for {silent}")
            }
            (Some(_), Some(1)) if leased => format!("was silent for {silent} and has been started anew"),
            (_, _) => {
                return format!("had fallen silent: there may have been two masters for {}", now - self.since);
            }
        };
        format!("{was}; it may have held the addresses meanwhile, unless it let go of them (FAULT, vip_lease)")
    }

    /// Another master that is to give way: one of two, unless it could not have heard of this one yet. That is told when it
    /// goes on: who hears this one says one last word, or has just said one.
    fn contest(&mut self, now: Instant, heard: Heard) {
        let interval = self.settings.advert_int.micros();
        let settled = now >= self.since + interval;
        let State::Master(Master { contest, .. }) = &self.state else { return };
        let ended = contest.is_some_and(|contest| now > self.contest_end(&contest));
        let State::Master(master) = &mut self.state else { return };
        let peace = now < master.peace_until;
        match &mut master.contest {
            // Two last words with silence between them are two, and neither is one that goes on.
            Some(contest) if contest.goes_on || !ended => {
                contest.other = heard;
                contest.adverts = contest.adverts.saturating_add(1);
                contest.goes_on |= now - contest.since >= Micros(interval.0 / 2);
                if contest.goes_on && !contest.told && !peace {
                    contest.told = true;
                    self.edges.push_back(Edge::TwoMasters { contest: *contest });
                }
            }
            Some(_) | None if settled => {
                master.contest = Some(Contest { other: heard, since: now, adverts: 1, goes_on: false, told: false });
                self.counters.two_masters += 1;
            }
            Some(_) | None => {}
        }
    }

    /// A master that listens gives way to whoever else is one: preemption, if it is configured, then goes its usual way.
    fn hear_as_stalled(&mut self, now: Instant, heard: Heard, interval: Centis, silent: Micros) -> Wish {
        if heard.priority == Priority::RELEASE || self.source == Some(heard.address) {
            return Wish::None;
        }
        if self.settings.version == Version::V3 {
            self.learned = interval.max(LEAST_LEARNED);
        }
        let why = format!("was not running for {silent}, and {} has taken over", heard.address);
        let backup = self.listening(now, Some(heard));
        self.transition(now, State::Backup(backup), why.clone());
        Wish::Backup { why }
    }

    /// The blocks of gratuitous ARP that follow a lower-priority advert: one now, one later, no more until then. Where there
    /// is to be no later one, the first waits until `at`, the end of the gap between two answers.
    pub(crate) fn announce_lower(&mut self, now: Instant, at: Instant) {
        let garp = &self.settings.garp;
        let State::Master(master) = &mut self.state else { return };
        if garp.lower_prio_repeat == 0 || master.announce_lower.is_some() || master.listening.is_some() {
            return;
        }
        if garp.lower_prio_delay > Micros::ZERO {
            master.announce_lower = Some(now + garp.lower_prio_delay);
        } else if at > now {
            master.announce_lower = Some(at);
            return;
        }
        self.edges.push_back(Edge::Announce { repeat: garp.lower_prio_repeat });
    }

    /// An advert out of turn, at most one in `REPLY_GAP`.
    fn answer(&mut self, now: Instant) {
        let State::Master(master) = &mut self.state else { return };
        if now < master.reply_after {
            return;
        }
        master.reply_after = now + REPLY_GAP;
        self.send(now, self.effective);
    }
}
