//! What an admitted advert does to a virtual router.

use super::ways::News;
use super::{
    Clearance, Contest, Edge, Heard, LEAST_LEARNED, Listening, Master, REPLY_GAP, Router, Sequence, State, Wish,
};
use crate::admit::Admitted;
use crate::settings::{Preempt, Version, Way};
use crate::units::{Centis, Instant, Micros, Priority};
use alloc::format;
use alloc::string::String;

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
                if admitted.way == Way::Own {
                    self.heard_at_last(now, heard);
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
            Some(delay) if delay > Micros::ZERO => now < *backup.hold.get_or_insert(now + delay),
            Some(_) => false,
        };
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

    /// A master that it has given way to without hearing it here is heard by its own interface: that one is to know that it was
    /// not alone, and to announce its addresses once more. (Two copies of one advert that come one after the other are none.)
    fn heard_at_last(&mut self, now: Instant, heard: Heard) {
        let half = Micros(self.learned.micros().0 / 2);
        let State::Backup(backup) = &mut self.state else { return };
        if heard.priority >= self.effective
            && let Some(since) = backup.unheard.take()
            && now - since >= half
        {
            self.send(now, self.effective);
        }
    }

    fn hear_as_master(&mut self, now: Instant, heard: Heard, interval: Centis, news: News) -> Wish {
        if let State::Master(Master { listening: Some(Listening { silent, .. }), .. }) = self.state {
            return self.hear_as_stalled(now, heard, interval, silent);
        }
        if heard.priority == Priority::RELEASE {
            // RFC 9568, 6.4.3: somebody else gives up: show at once that we are here. The schedule stays.
            self.answer(now);
            return Wish::None;
        }
        let own_address = self.source.unwrap_or(heard.address);
        let wins = (heard.priority, heard.address) > (self.effective, own_address);
        if wins {
            // Who served because a stronger one fell silent, and hears it again, served beside it: that one is to know, and to
            // announce its addresses to those that ask here.
            let lost = match &self.state {
                State::Master(master) => master.lost.filter(|lost| lost.address == heard.address),
                State::Init | State::Backup(_) | State::Fault(_) | State::Stopped => None,
            };
            if self.settings.higher_prio_send_advert || lost.is_some() {
                self.answer(now);
            }
            if self.settings.version == Version::V3 {
                self.learned = interval.max(LEAST_LEARNED);
            }
            let mut why = if heard.priority == self.effective {
                format!("heard {} with equal priority {} and the higher address", heard.address, heard.priority)
            } else {
                format!("heard {} with priority {} above our {}", heard.address, heard.priority, self.effective)
            };
            if let Some(lost) = lost {
                why = format!("{why}, which {}", self.beside(now, &lost, &heard));
            }
            let backup = self.listening(now, Some(heard));
            self.transition(now, State::Backup(backup), why.clone());
            return Wish::Backup { why };
        }
        if (heard.priority, heard.address) == (self.effective, own_address) {
            // Our own packet come back, or a second host with our address: neither is to give way, and the caller tells.
            return Wish::None;
        }
        if news == News::Echo {
            return Wish::None;
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

    /// Of a stronger master that had fallen silent and is heard again: whether it served beside this one. Who was cut off went on
    /// counting its adverts; who stood still or died did not, nor did who saw its cable go, but for a good-bye that reached
    /// nobody. What became of its addresses nobody here knows: with leases they are gone, but that this host has leases does
    /// not say that the other one has.
    fn beside(&self, now: Instant, lost: &Heard, heard: &Heard) -> String {
        let silent = now - lost.at;
        let many = silent >= Micros(heard.interval.micros().0.saturating_mul(3));
        let leased = self.settings.lease().is_some();
        let follows = |last: u16| last.checked_add(1).unwrap_or(1);
        let was = match (lost.number, heard.number) {
            (Some(last), Some(number)) if leased && number == follows(last) => format!("had sent nothing for {silent}"),
            (Some(last), Some(number)) if leased && many && number == follows(follows(last)) => {
                format!("had sent no more than a good-bye for {silent}")
            }
            (Some(_), Some(1)) if leased => format!("was silent for {silent} and has been started anew"),
            (_, _) => {
                return format!("had fallen silent: there may have been two masters for {}", now - self.since);
            }
        };
        format!("{was}; two hosts held the addresses meanwhile, unless it let go of them (vip_lease)")
    }

    /// Another master that is to give way: one of two, unless it could not have heard of this one yet. That is told when it
    /// goes on: who hears this one says one last word, or has just said one.
    fn contest(&mut self, now: Instant, heard: Heard) {
        let interval = self.settings.advert_int.micros();
        let settled = now >= self.since + interval;
        let State::Master(master) = &mut self.state else { return };
        match &mut master.contest {
            Some(contest) => {
                contest.other = heard;
                contest.adverts = contest.adverts.saturating_add(1);
                if !contest.goes_on && now - contest.since >= Micros(interval.0 / 2) {
                    contest.goes_on = true;
                    self.edges.push_back(Edge::TwoMasters { contest: *contest });
                }
            }
            None if settled && now >= master.peace_until => {
                master.contest = Some(Contest { other: heard, since: now, adverts: 1, goes_on: false });
                self.counters.two_masters += 1;
            }
            None => {}
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
