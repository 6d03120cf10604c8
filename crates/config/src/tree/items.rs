//! The items of a tape from one position to another, with a look ahead.

use crate::lex::Item;
use crate::lex::tape::{Position, Tape};
use std::collections::VecDeque;

/// What is left to read. The next item is always at hand.
pub(super) struct Items<'t> {
    tape: &'t mut Tape,
    at: Position,
    end: Option<Position>,
    /// What was read already, and from where; what was put in front by hand comes from nowhere.
    ahead: VecDeque<(Option<Position>, Item)>,
}

impl<'t> Items<'t> {
    /// From a position to another one, or to the end of the tape.
    pub(super) fn new(tape: &'t mut Tape, at: Position, end: Option<Position>) -> Items<'t> {
        let mut items = Items { tape, at, end, ahead: VecDeque::new() };
        items.look(1);
        items
    }

    /// Has so many items at hand, or all that there are.
    fn look(&mut self, many: usize) {
        while self.ahead.len() < many && self.end.is_none_or(|end| self.at < end) {
            let Some((at, item)) = self.tape.next(&mut self.at) else { break };
            self.ahead.push_back((Some(at), item));
        }
    }

    /// The next item.
    pub(super) fn front(&self) -> Option<&Item> {
        self.ahead.front().map(|(_, item)| item)
    }

    pub(super) fn pop_front(&mut self) -> Option<Item> {
        let item = self.ahead.pop_front().map(|(_, item)| item);
        self.look(1);
        item
    }

    pub(super) fn push_front(&mut self, item: Item) {
        self.ahead.push_front((None, item));
    }

    /// The next items, at most so many.
    pub(super) fn peek(&mut self, many: usize) -> impl Iterator<Item = &Item> {
        self.look(many);
        self.ahead.iter().take(many).map(|(_, item)| item)
    }

    /// Passes over the block just opened: where it starts and ends.
    pub(super) fn pass(&mut self) -> Option<(Position, Position)> {
        let start = match self.ahead.front() {
            Some((at, _)) => (*at)?,
            None => self.at,
        };
        let end = self.tape.behind(start)?;
        while let Some((at, item)) = self.ahead.pop_back() {
            self.tape.put_back(at?, item);
        }
        self.at = end;
        self.look(1);
        Some((start, end))
    }
}
