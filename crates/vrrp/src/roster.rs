//! The routers of a node by index, and when each of them is due. Whoever changes one need not know of that: it is noted
//! that it was touched, and `note` looks at those alone, so that an advert costs the same among ten routers and a thousand.
//! One that is due later than noted, as a backup is after each advert, is noted anew only when the noted time comes near.

use crate::router::{Router, Timer};
use crate::units::{Instant, Micros};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::{Deref, Index, IndexMut};

/// What is noted as due this far ahead is exact.
const NEAR: Micros = Micros(1_000_000);

/// The routers, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    routers: Vec<Router>,
    /// When each is due, or earlier: as it stands in `due`.
    noted: Vec<Option<Instant>>,
    /// The same in the order of time.
    due: BTreeSet<(Instant, usize)>,
    /// Those that may be due at another time than noted.
    touched: Vec<usize>,
}

impl Roster {
    /// These routers.
    pub(crate) fn new(routers: Vec<Router>) -> Roster {
        let noted = routers.iter().map(|_| None).collect();
        let mut roster = Roster { touched: (0..routers.len()).collect(), routers, noted, due: BTreeSet::new() };
        roster.note(Instant(0));
        roster
    }

    /// Notes anew when those are due that were touched since the last time.
    pub(crate) fn note(&mut self, now: Instant) {
        while let Some(i) = self.touched.pop() {
            let at = self.wake(i);
            // Later than noted, or as noted: that is found out when the noted time comes near.
            let later = matches!((self.noted[i], at), (Some(noted), Some(at)) if noted <= at);
            if !later {
                self.set(i, at);
            }
        }
        while let Some((noted, i)) = self.due.first().copied().filter(|(noted, _)| *noted <= now + NEAR) {
            let at = self.wake(i);
            if at == Some(noted) {
                break;
            }
            self.set(i, at);
        }
    }

    fn wake(&self, i: usize) -> Option<Instant> {
        self.routers[i].wake().map(|(at, _)| at)
    }

    fn set(&mut self, i: usize, at: Option<Instant>) {
        if let Some(before) = self.noted[i] {
            self.due.remove(&(before, i));
        }
        self.due.extend(at.map(|at| (at, i)));
        self.noted[i] = at;
    }

    /// Who is due first, when and why.
    pub(crate) fn next(&self) -> Option<(Instant, usize, Timer)> {
        let all = self.routers.iter().enumerate();
        all.filter_map(|(i, r)| r.wake().map(|(at, timer)| (at, i, timer))).min_by_key(|(at, ..)| *at)
    }

    /// When somebody may be due: not later than that. Costs nothing.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Those that are due, in the order of the configuration.
    pub(crate) fn due(&self, now: Instant) -> Vec<usize> {
        let noted = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, i)| *i);
        let mut due: Vec<usize> = noted.filter(|i| self.wake(*i).is_some_and(|at| at <= now)).collect();
        due.sort_unstable();
        due
    }

    /// The router at this index, to change it.
    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut Router> {
        (i < self.routers.len()).then(|| &mut self[i])
    }
}

impl Deref for Roster {
    type Target = [Router];

    fn deref(&self) -> &[Router] {
        &self.routers
    }
}

impl Index<usize> for Roster {
    type Output = Router;

    fn index(&self, i: usize) -> &Router {
        &self.routers[i]
    }
}

impl IndexMut<usize> for Roster {
    fn index_mut(&mut self, i: usize) -> &mut Router {
        self.touched.push(i);
        &mut self.routers[i]
    }
}
