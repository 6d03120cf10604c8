//! What has happened, numbered: the last events, for those who ask and those who follow. The supervisor keeps it; the
//! console has a copy, of which operators read.

use std::collections::VecDeque;
use vipd_api::{Event, Item, UnixTime};

/// Events that are kept.
pub(crate) const KEPT: usize = 4096;

/// Bytes of a text in an event at most: what strangers send may be in it.
const LONGEST: usize = 512;

/// The last events, and whose numbers they have.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    boot: String,
    started: UnixTime,
    /// The number of the next event; the first has 1.
    next: u64,
    events: VecDeque<Event>,
}

impl Record {
    /// An empty one. `boot` names the run of the daemon that counts.
    pub(crate) fn new(boot: String, started: UnixTime) -> Record {
        Record { boot, started, next: 1, events: VecDeque::new() }
    }

    /// Whose numbers they are.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Since when these are counted.
    pub(crate) fn started(&self) -> UnixTime {
        self.started
    }

    /// Gives an event its number and keeps it.
    pub(crate) fn number(&mut self, mut event: Event) -> Event {
        event.seq = self.next;
        event.kind = bounded(event.kind);
        event.subject = bounded(event.subject);
        event.what = bounded(event.what);
        event.cause = bounded(event.cause);
        self.keep(event.clone());
        event
    }

    /// Keeps an event that has its number already.
    pub(crate) fn keep(&mut self, event: Event) {
        self.next = event.seq + 1;
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Everything that is kept.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.events.iter().cloned().collect()
    }

    /// Up to `most` events after that number, with a gap in the place of those that are no longer kept, and of those that
    /// never came here.
    pub(crate) fn after(&self, seq: u64, most: usize) -> Vec<Item> {
        let mut items = Vec::new();
        let mut last = seq;
        let from = self.events.partition_point(|event| event.seq <= seq);
        for event in self.events.iter().skip(from).take(most) {
            if event.seq != last + 1 {
                items.push(Item::Gap { from: last + 1, to: event.seq - 1 });
            }
            last = event.seq;
            items.push(Item::Event(event.clone()));
        }
        items
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }
}

/// A text that is not longer than it may be.
fn bounded(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} ...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: &str) -> Event {
        Event { what: what.to_owned(), ..Event::default() }
    }

    /// `3`, or `1-2` for a gap.
    fn shown(items: &[Item]) -> Vec<String> {
        let shown = |item: &Item| match item {
            Item::Event(event) => event.seq.to_string(),
            Item::Gap { from, to } => format!("{from}-{to}"),
            Item::Boot { boot, .. } => boot.clone(),
        };
        items.iter().map(shown).collect()
    }

    #[test]
    fn events_are_numbered_from_one_and_replayed_from_any() {
        let mut record = Record::new("a".to_owned(), 0.0);
        assert!(record.after(0, 10).is_empty());
        for what in ["x", "y", "z"] {
            record.number(event(what));
        }
        assert_eq!(shown(&record.after(0, 10)), ["1", "2", "3"]);
        assert_eq!(shown(&record.after(1, 1)), ["2"]);
        assert!(record.after(3, 10).is_empty() && record.after(99, 10).is_empty());
        assert_eq!(record.last(), 3);
    }

    #[test]
    fn what_is_no_longer_kept_and_what_never_came_is_a_gap() {
        let mut record = Record::new("a".to_owned(), 0.0);
        for _ in 0..KEPT + 5 {
            record.number(event("x"));
        }
        assert_eq!(shown(&record.after(0, 2)), ["1-5", "6", "7"]);
        assert_eq!(shown(&record.after(3, 1)), ["4-5", "6"]);
        assert_eq!(shown(&record.after(5, 1)), ["6"]);
        assert_eq!(record.all().len(), KEPT);
        let mut copy = Record::new("a".to_owned(), 0.0);
        for seq in [1, 2, 5] {
            copy.keep(Event { seq, ..Event::default() });
        }
        assert_eq!(shown(&copy.after(1, 10)), ["2", "3-4", "5"]);
    }

    #[test]
    fn a_long_text_is_cut_where_a_letter_ends() {
        let mut record = Record::new("a".to_owned(), 0.0);
        let numbered = record.number(event(&"é".repeat(LONGEST)));
        assert!(numbered.what.len() <= LONGEST + 4 && numbered.what.ends_with("é ..."), "{}", numbered.what);
    }
}
