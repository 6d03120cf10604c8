//! What became of the adverts that a virtual router wanted sent by its own interface. How they are sent is the caller's.

use super::{Edge, Name, Router};
use crate::units::{Instant, Micros, Priority};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The least time from what was told, or its end, to what is told next: a network that lets every other advert pass must not
/// make an event of each.
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
    /// Since when they don't leave for everybody.
    pub since: Instant,
    /// Since when they leave for nobody, if the last one did not.
    #[serde(default)]
    pub nobody: Option<Instant>,
    /// How many have left for nobody.
    pub adverts: u64,
    /// How many have left for some of the peers.
    #[serde(default)]
    pub partly: u64,
    /// The last one.
    pub last: Failure,
    /// The worst of it that was told.
    #[serde(default)]
    worst: Option<Reach>,
}

impl Router {
    /// An advert with this priority has left for everybody, or has not.
    pub(crate) fn sent(&mut self, priority: Priority, outcome: Result<(), Failure>) {
        let reach = outcome.as_ref().err().map(|failure| failure.reach);
        let counters = &mut self.counters;
        if reach == Some(Reach::Nobody) {
            counters.adverts_unsent += 1;
        } else {
            counters.adverts_sent += 1;
            counters.adverts_partly_sent += u64::from(reach.is_some());
            counters.priority_zero_sent += u64::from(priority == Priority::RELEASE);
        }
        match outcome {
            Ok(()) => self.end_unsent(),
            // A good-bye is the last that is sent: nothing goes on.
            Err(failure) if self.state.name() == Name::Master => self.note_failure(failure),
            Err(_) => {}
        }
    }

    /// It goes on until an advert leaves for everybody, and is told when it begins, and once more if it gets worse.
    fn note_failure(&mut self, last: Failure) {
        let before = self.unsent.take();
        let (since, worst) = before.as_ref().map_or((last.at, None), |unsent| (unsent.since, unsent.worst));
        let (nobody, mut adverts, mut partly) = before.map_or((None, 0, 0), |u| (u.nobody, u.adverts, u.partly));
        let nobody = match last.reach {
            Reach::Nobody => {
                adverts += 1;
                Some(nobody.unwrap_or(last.at))
            }
            Reach::Some => {
                partly += 1;
                None
            }
        };
        let worse = matches!((worst, last.reach), (None, _) | (Some(Reach::Some), Reach::Nobody));
        let tell = worse && last.at >= self.untold_until;
        if tell {
            self.untold_until = last.at + QUIET;
            self.edges.push_back(Edge::NotSent(last.clone()));
        }
        let worst = if tell { Some(last.reach) } else { worst };
        self.unsent = Some(Unsent { since, nobody, adverts, partly, last, worst });
    }

    /// Adverts leave again, or none is to leave any more.
    pub(super) fn end_unsent(&mut self) {
        if let Some(unsent) = self.unsent.take().filter(|unsent| unsent.worst.is_some()) {
            self.untold_until = unsent.last.at + QUIET;
            self.edges.push_back(Edge::SentAgain(unsent));
        }
    }

    /// As MASTER: since when its adverts don't leave as they should, and why.
    pub fn unsent(&self) -> Option<&Unsent> {
        self.unsent.as_ref()
    }
}
