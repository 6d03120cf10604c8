//! A tracked script: good or bad by its last runs.

use crate::settings::Script;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Whether a tracked script is good. One counter r counts as in the original: good while r >= rise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScriptState {
    /// 0..=rise+fall-1
    counter: u32,
    /// Whether a result has come yet.
    known: bool,
    /// What the last run gave, in words.
    pub last: Option<String>,
}

impl ScriptState {
    /// Before the first result. Without `init_fail` one result decides in either direction.
    pub fn new(settings: &Script) -> ScriptState {
        if settings.init_fail {
            ScriptState { counter: 0, known: true, last: None }
        } else {
            ScriptState { counter: settings.rise.saturating_sub(1), known: false, last: None }
        }
    }

    /// A run has ended.
    pub fn ran(&mut self, settings: &Script, success: bool, last: String) {
        let before = self.good(settings);
        let top = settings.rise.saturating_add(settings.fall).saturating_sub(1);
        self.counter = match (success, self.counter) {
            (true, r) if r + 1 >= settings.rise => top,
            (true, r) => r + 1,
            (false, r) if before == Some(true) && r > settings.rise => r - 1,
            (false, _) => 0,
        };
        self.known = true;
        self.last = Some(last);
    }

    /// The same under other settings: good or bad as before, with all of `rise` or `fall` to go.
    pub(crate) fn under(self, before: &Script, settings: &Script) -> ScriptState {
        if before == settings {
            return self;
        }
        let counter = match self.good(before) {
            Some(true) => settings.rise.saturating_add(settings.fall).saturating_sub(1),
            Some(false) => 0,
            None => return ScriptState::new(settings),
        };
        ScriptState { counter, ..self }
    }

    /// Whether it is good; `None` before the first result.
    pub fn good(&self, settings: &Script) -> Option<bool> {
        self.known.then_some(self.counter >= settings.rise)
    }
}
