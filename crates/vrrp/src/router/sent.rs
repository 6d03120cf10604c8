//! What became of the adverts that a virtual router wanted sent by its own interface. How they are sent is the caller's.

use super::{Edge, Name, Router};
use crate::units::{Instant, Micros, Priority};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The least time from the end of what was told to the next: a network that lets every other advert pass must not make an
/// event of each.
const QUIET: Micros = Micros(30_000_000);

/// Whom an advert reaches that could not be sent as it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reach {
    /// Nothing of it has left.
    Nobody,
    /// It has left for some of the unicast peers.
    Some,
}

/// An advert that could not be sent to everybody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Instant,
    /// Whom it reaches all the same.
    pub reach: Reach,
    /// Why, in words.
    pub why: String,
}

/// A MASTER's adverts don't leave as they should.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unsent {
    /// Since when.
    pub since: Instant,
    /// How many they were.
    pub adverts: u64,
    /// The last one.
    pub last: Failure,
    told: bool,
}

impl Router {
    /// An advert with this priority has left for everybody, or has not.
    pub(crate) fn sent(&mut self, priority: Priority, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => {
                self.counters.adverts_sent += 1;
                if priority == Priority::RELEASE {
                    self.counters.priority_zero_sent += 1;
                }
                if self.unsent.is_some() {
                    self.end_unsent();
                }
            }
            Err(failure) => self.note_failure(failure),
        }
    }

    fn note_failure(&mut self, last: Failure) {
        self.counters.adverts_unsent += 1;
        // A good-bye is the last that is sent: nothing goes on.
        if self.state.name() != Name::Master {
            return;
        }
        if self.unsent.as_ref().is_some_and(|unsent| unsent.last.reach != last.reach) {
            self.end_unsent();
            self.untold_until = Instant(0);
        }
        let (since, adverts, told) = self.unsent.take().map_or((last.at, 0, false), |u| (u.since, u.adverts, u.told));
        let tell = !told && last.at >= self.untold_until;
        if tell {
            self.edges.push_back(Edge::NotSent(last.clone()));
        }
        self.unsent = Some(Unsent { since, adverts: adverts + 1, last, told: told || tell });
    }

    /// Adverts leave again, or none is to leave any more.
    pub(super) fn end_unsent(&mut self) {
        if let Some(unsent) = self.unsent.take().filter(|unsent| unsent.told) {
            self.untold_until = unsent.last.at + QUIET;
            self.edges.push_back(Edge::SentAgain(unsent));
        }
    }

    /// As MASTER: since when its adverts don't leave as they should, and why.
    pub fn unsent(&self) -> Option<&Unsent> {
        self.unsent.as_ref()
    }
}
