//! Who is asked before a silent master's place is taken: `witness` and `fence`.

use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::model::{Takeover, TimedCommand};
use crate::tree::{Node, Nodes};
use std::time::Duration;

/// `fence_timeout`, unless it is given: an agent that talks to a power switch takes its time.
const FENCE: u64 = 60;

impl Lower<'_> {
    /// `sessions`: the names of the `bfd_instance` blocks.
    pub(super) fn takeover<'a>(&mut self, nodes: &Nodes, mut sessions: impl Iterator<Item = &'a str>) -> Takeover {
        for (word, of) in [("witness_port", "witness"), ("fence_timeout", "fence")] {
            self.belongs(nodes, word, &[of]);
        }
        self.belongs(nodes, "witness_timeout", &["witness", "witness_bfd"]);
        let session = nodes.text("witness_bfd").map(str::to_owned);
        if let Some(name) = &session
            && !nodes.flawed
            && !sessions.any(|known| known == name)
        {
            let at = nodes.find("witness_bfd").map_or(crate::source::Place::NOWHERE, Node::argument);
            let report = Report::error(Code::UnknownReference, at, format!("there is no `bfd_instance {name}`"));
            self.push(report.help("add its block, or name another one"));
        }
        let seconds = nodes.int("fence_timeout").map_or(FENCE, narrow);
        Takeover {
            witness: nodes.ip("witness").map(|address| (address, nodes.int("witness_port").map(narrow))),
            session,
            patience: Duration::from_micros(nodes.micros("witness_timeout").unwrap_or(1_000_000)),
            fence: self
                .script(nodes, "fence")
                .map(|command| TimedCommand { command, timeout: Duration::from_secs(seconds) }),
        }
    }

    /// Tells of a word that means nothing without another.
    fn belongs(&mut self, nodes: &Nodes, word: &str, to: &[&str]) {
        if let Some(node) = nodes.find(word)
            && to.iter().all(|of| nodes.find(of).is_none())
        {
            let message = format!("`{word}` has no effect: there is no `{}`", to.join("` and no `"));
            self.push(Report::warning(Code::Unused, node.at, message));
        }
    }
}
