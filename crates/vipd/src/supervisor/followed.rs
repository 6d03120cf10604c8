//! What threads of the supervisor follow: a list of things by name, and the last value of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// A list that a thread follows, and what it has told.
pub(super) struct Followed<S, V> {
    list: Vec<S>,
    /// Tells what one thread says from what one before it says.
    serial: u64,
    /// Held for the thread: without it, it ends.
    alive: Option<Arc<()>>,
    values: BTreeMap<String, V>,
}

impl<S, V> Default for Followed<S, V> {
    fn default() -> Followed<S, V> {
        Followed { list: Vec::new(), serial: 0, alive: None, values: BTreeMap::new() }
    }
}

/// What a thread needs to know whether it is still the one that is listened to.
#[derive(Clone)]
pub(super) struct Lease {
    /// To be told with every value.
    pub(super) serial: u64,
    alive: Weak<()>,
}

impl Lease {
    /// Whether anybody listens.
    pub(super) fn holds(&self) -> bool {
        self.alive.strong_count() > 0
    }
}

impl<S: PartialEq, V: Copy> Followed<S, V> {
    /// Takes another list; `None` if it is the same. The thread before ends; what it told of things with the same name
    /// counts until the new one tells another.
    pub(super) fn change(&mut self, list: Vec<S>, name: impl Fn(&S) -> &str) -> Option<Lease> {
        if list == self.list {
            return None;
        }
        self.values.retain(|known, _| list.iter().any(|s| name(s) == known));
        self.serial += 1;
        self.list = list;
        let alive = Arc::new(());
        let lease = Lease { serial: self.serial, alive: Arc::downgrade(&alive) };
        self.alive = Some(alive);
        Some(lease)
    }

    /// Takes a value, if it comes from the thread that is listened to.
    pub(super) fn heard(&mut self, serial: u64, name: &str, value: V) -> bool {
        let counts = serial == self.serial;
        if counts {
            self.values.insert(name.to_owned(), value);
        }
        counts
    }

    /// What was told last.
    pub(super) fn values(&self) -> impl Iterator<Item = (&String, V)> {
        self.values.iter().map(|(name, value)| (name, *value))
    }
}

#[cfg(test)]
impl Lease {
    /// One for a thread of a test, and what it holds for.
    pub(super) fn for_test() -> (Lease, Arc<()>) {
        let alive = Arc::new(());
        (Lease { serial: 1, alive: Arc::downgrade(&alive) }, alive)
    }
}
