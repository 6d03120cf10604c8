//! Whether a silent master's place may be taken: its witness is asked, then it is fenced. And whether that of a weaker one may
//! be: its connections should be known here first.

use super::{Backup, CatchUp, Caught, Clearance, Edge, Heard, Question, Router, State};
use crate::units::{Instant, Micros, Priority};
use alloc::format;
use alloc::string::String;

/// The least time from a refusal to the next question: fences and witnesses are not to be stormed.
const ASK_GAP: Micros = Micros(5_000_000);

impl Router {
    /// What must be asked before it takes over: (the witness, the fence). Nobody has to be asked about a master that said
    /// good-bye, or that is heard and weaker.
    fn asks(&self, now: Instant) -> (bool, bool) {
        let State::Backup(backup) = &self.state else { return (false, false) };
        let silent = match backup.heard {
            None => true,
            Some(heard) => heard.priority != Priority::RELEASE && now - heard.at >= self.master_down(),
        };
        (self.settings.witness && silent, self.settings.fence && silent && backup.heard.is_some())
    }

    /// Whether it may take over as far as its witness goes, which is asked if nobody has yet.
    pub(crate) fn is_witnessed(&mut self, now: Instant) -> bool {
        let (witness, _) = self.asks(now);
        match &self.state {
            State::Backup(backup) if witness => match backup.clearance {
                Clearance::Witnessed | Clearance::Asked(Question::Fence) | Clearance::Given => true,
                Clearance::Unasked | Clearance::Asked(Question::Witness) => self.ask(now, Question::Witness),
            },
            _ => true,
        }
    }

    /// Whether the silent master is fenced, if it is to be; asks for that, if nobody has yet.
    pub(crate) fn is_fenced(&mut self, now: Instant) -> bool {
        let (_, fence) = self.asks(now);
        match &self.state {
            State::Backup(backup) if fence => backup.clearance == Clearance::Given || self.ask(now, Question::Fence),
            _ => true,
        }
    }

    /// Asks, again as long as no answer comes: one that got lost must not keep it waiting for ever. (Who is asked the same twice
    /// finds it out once.) Until then: no.
    fn ask(&mut self, now: Instant, question: Question) -> bool {
        if let State::Backup(backup) = &mut self.state
            && now >= backup.ask_from
        {
            backup.clearance = Clearance::Asked(question);
            self.edges.push_back(Edge::Ask { lost: backup.heard, question });
        }
        false
    }

    /// Whose answer it waits for.
    pub(crate) fn asked(&self) -> Option<&'static str> {
        match self.state {
            State::Backup(Backup { clearance: Clearance::Asked(Question::Witness), .. }) => Some("its witness"),
            State::Backup(Backup { clearance: Clearance::Asked(Question::Fence), .. }) => Some("its fence"),
            State::Init | State::Backup(_) | State::Master(_) | State::Fault(_) | State::Stopped => None,
        }
    }

    /// It waits for a sibling that can't serve yet, or may not: what was found out is old when it can.
    pub(crate) fn ask_anew(&mut self) {
        if let State::Backup(Backup { clearance, .. }) = &mut self.state
            && matches!(clearance, Clearance::Witnessed | Clearance::Given)
        {
            *clearance = Clearance::Unasked;
        }
    }

    /// The answer to `Edge::Ask`. One that nobody waits for any more changes nothing.
    pub(crate) fn clear(&mut self, now: Instant, question: Question, verdict: Result<(), String>) {
        let down = now + self.master_down().max(ASK_GAP);
        let State::Backup(backup) = &mut self.state else { return };
        if backup.clearance != Clearance::Asked(question) {
            return;
        }
        (backup.clearance, backup.down) = match verdict {
            // What has arrived meanwhile is read first; the end of this turn decides.
            Ok(()) => {
                let cleared = match question {
                    Question::Witness => Clearance::Witnessed,
                    Question::Fence => Clearance::Given,
                };
                (cleared, backup.down.min(now))
            }
            Err(why) => {
                self.edges.push_back(Edge::Refused { why });
                backup.ask_from = down;
                (Clearance::Unasked, down)
            }
        };
    }

    /// How it begins as BACKUP.
    pub(super) fn catch_up_from(&self, now: Instant) -> CatchUp {
        let time = self.settings.catch_up;
        if time == Micros::ZERO { CatchUp::Over } else { CatchUp::Unasked { until: now + time } }
    }

    /// What becomes of it in a successor that was away for so long: who was asked answers the predecessor.
    pub(super) fn resumed_catch_up(&self, backup: &Backup, away: Micros) -> CatchUp {
        match backup.catch_up {
            _ if self.settings.catch_up == Micros::ZERO => CatchUp::Over,
            CatchUp::Asked { until } if away > Micros::ZERO => CatchUp::Unasked { until },
            same => same,
        }
    }

    /// Whether it leaves the weaker master that it hears in peace as its connections may not be known here; asks, if nobody
    /// has yet. One that is silent is left to nobody: this is asked when an advert is heard, and never else.
    pub(super) fn catches_up(&mut self, now: Instant, heard: Heard) -> bool {
        let State::Backup(backup) = &mut self.state else { return false };
        match backup.catch_up {
            CatchUp::Over => false,
            CatchUp::Unasked { until } if now < until => {
                backup.catch_up = CatchUp::Asked { until };
                self.edges.push_back(Edge::CatchUp { weaker: heard });
                true
            }
            CatchUp::Unasked { .. } => {
                backup.catch_up = CatchUp::Over;
                false
            }
            CatchUp::Asked { until } if now < until => true,
            CatchUp::Asked { .. } => {
                backup.catch_up = CatchUp::Over;
                self.edges.push_back(Edge::CaughtUp(Caught::Late));
                false
            }
        }
    }

    /// The answer to `Edge::CatchUp`. One that nobody waits for any more changes nothing.
    pub(crate) fn caught_up(&mut self) {
        if let State::Backup(backup) = &mut self.state
            && matches!(backup.catch_up, CatchUp::Asked { .. })
        {
            backup.catch_up = CatchUp::Over;
            self.edges.push_back(Edge::CaughtUp(Caught::Up));
        }
    }

    /// What it waits for beside a weaker master: a phrase.
    pub(crate) fn awaits_connections(&self, now: Instant) -> Option<String> {
        let State::Backup(Backup { catch_up: CatchUp::Asked { until }, .. }) = self.state else { return None };
        let weaker = self.heard(now).filter(|heard| heard.priority < self.effective && now < until)?;
        let left = Micros((until - now).0.div_ceil(1_000_000));
        Some(format!("the connections of {} (lvs_sync_catch_up), {} s at the most", weaker.address, left.0))
    }
}
