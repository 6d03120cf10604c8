//! The routers of a node by index, and when each of them is due. Whoever changes one need not know of that: it is noted
//! that it was touched, and `note` looks at those alone, so that an advert costs the same among ten routers and a thousand.

use crate::router::{Router, Timer};
use crate::units::Instant;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::{Deref, Index, IndexMut};

/// The routers, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    routers: Vec<Router>,
    /// When each is due, as it stands in `due`.
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
        roster.note();
        roster
    }

    /// Notes anew when those are due that were touched since the last time.
    pub(crate) fn note(&mut self) {
        for i in self.touched.drain(..) {
            let at = self.routers[i].wake().map(|(at, _)| at);
            if self.noted[i] == at {
                continue;
            }
            if let Some(before) = self.noted[i] {
                self.due.remove(&(before, i));
            }
            self.due.extend(at.map(|at| (at, i)));
            self.noted[i] = at;
        }
    }

    /// Who is due first, when and why.
    pub(crate) fn next(&self) -> Option<(Instant, usize, Timer)> {
        let (_, i) = self.due.first()?;
        self.routers[*i].wake().map(|(at, timer)| (at, *i, timer))
    }

    /// Those that are due, in the order of the configuration.
    pub(crate) fn due(&self, now: Instant) -> Vec<usize> {
        let mut due: Vec<usize> = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, i)| *i).collect();
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
