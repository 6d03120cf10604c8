//! The routers of a node by index, and when each of them is due. Whoever changes one need not know of that: it is noted
//! that it was touched, and `note` looks at those alone, so that an advert costs the same among ten routers and a thousand.
//! One that is due later than noted, as a backup is after each advert, is noted anew only when the noted time comes near.

use crate::router::{Router, Timer};
use crate::units::{Instant, Micros};
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::{Deref, Index, IndexMut};

/// What is noted as due this far ahead is exact.
const NEAR: Micros = Micros(1_000_000);

/// What is noted for each router at the most, with what was noted before.
const MOST_NOTED: usize = 4;

/// What is noted of a router.
#[derive(Clone, Copy, Default, Debug)]
struct Note {
    /// When it is due, or earlier; nothing else in `Roster::due` counts.
    at: Option<Instant>,
    /// It may be due later than that.
    early: bool,
    /// It stands in `Roster::touched`.
    touched: bool,
}

/// The routers, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    routers: Vec<Router>,
    notes: Vec<Note>,
    /// What is noted, first things first, with what was noted before: that is thrown away when its time comes.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Those that may be due at another time than noted.
    touched: Vec<usize>,
}

impl Roster {
    /// These routers.
    pub(crate) fn new(routers: Vec<Router>) -> Roster {
        let note = Note { touched: true, ..Note::default() };
        let (notes, touched) = (routers.iter().map(|_| note).collect(), (0..routers.len()).collect());
        let mut roster = Roster { routers, notes, due: BinaryHeap::new(), touched };
        roster.note(Instant(0));
        roster
    }

    /// Notes anew when those are due that were touched since the last time.
    pub(crate) fn note(&mut self, now: Instant) {
        while let Some(i) = self.touched.pop() {
            let at = self.wake(i);
            self.notes[i].touched = false;
            match (self.notes[i].at, at) {
                // That is found out when the noted time comes near.
                (Some(noted), Some(at)) if noted <= at => self.notes[i].early = noted < at,
                _ => self.set(i, at),
            }
        }
        while let Some(Reverse((at, i))) = self.due.peek().copied() {
            let note = self.notes[i];
            if note.at == Some(at) && (!note.early || at > now + NEAR) {
                break;
            }
            self.due.pop();
            if note.at == Some(at) {
                self.set(i, self.wake(i));
            }
        }
    }

    fn wake(&self, i: usize) -> Option<Instant> {
        self.routers[i].wake().map(|(at, _)| at)
    }

    fn set(&mut self, i: usize, at: Option<Instant>) {
        self.notes[i] = Note { at, early: false, ..self.notes[i] };
        // Somebody who makes a router's time change all the time must not make this grow.
        if self.due.len() > MOST_NOTED * self.notes.len() {
            let noted = self.notes.iter().enumerate().filter_map(|(i, note)| Some(Reverse((note.at?, i))));
            self.due = noted.collect();
            return;
        }
        self.due.extend(at.map(|at| Reverse((at, i))));
    }

    fn touch(&mut self, i: usize) {
        if !core::mem::replace(&mut self.notes[i].touched, true) {
            self.touched.push(i);
        }
    }

    /// Who is due first, when and why.
    pub(crate) fn next(&self) -> Option<(Instant, usize, Timer)> {
        let all = self.routers.iter().enumerate();
        all.filter_map(|(i, r)| r.wake().map(|(at, timer)| (at, i, timer))).min_by_key(|(at, ..)| *at)
    }

    /// When somebody may be due: not later than that. Costs nothing.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Those that are due, in the order of the configuration. `note` is to follow.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        while let Some(Reverse((at, i))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.due.pop();
            if self.notes[i].at == Some(at) {
                self.notes[i].at = None;
                self.touch(i);
                if self.wake(i).is_some_and(|at| at <= now) {
                    due.push(i);
                }
            }
        }
        due.sort_unstable();
        due
    }

    /// The router at this index, to change it.
    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut Router> {
        (i < self.routers.len()).then(|| &mut self[i])
    }

    /// The same, to change nothing that bears on when it is due.
    pub(crate) fn untouched(&mut self, i: usize) -> Option<&mut Router> {
        self.routers.get_mut(i)
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
        self.touch(i);
        &mut self.routers[i]
    }
}
