//! The wires between the hosts: what becomes of a packet, and the neighbour cache of a client that lives on each of
//! them.

use crate::scenario::{HOSTS, VRS, WIRES};
use fastrand::Rng;

/// The client's place among the ends of a wire, behind the hosts.
pub(crate) const CLIENT: usize = HOSTS;

/// The shortest and the longest way of a packet that nothing disturbs, in microseconds.
const WAY: std::ops::Range<u64> = 40..400;

/// The longest way of an undisturbed packet, in microseconds.
pub(crate) const LONGEST_WAY: u64 = WAY.end;

/// One direction between two ends of a wire. Each fault lasts until the time that stands first, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    /// Nothing passes.
    pub(crate) cut: u64,
    /// So many of a hundred are lost.
    pub(crate) loss: (u64, u8),
    /// Everything arrives later by up to so many microseconds.
    pub(crate) late: (u64, u64),
    /// A quarter arrives twice.
    pub(crate) double: u64,
    /// A quarter is overtaken by up to so many microseconds.
    pub(crate) shuffle: (u64, u64),
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives so many microseconds later, a second time, too, where there is a second figure.
    Arrives {
        /// The first.
        after: u64,
        /// The second.
        again: Option<u64>,
    },
}

impl Path {
    /// Decides.
    pub(crate) fn fate(&self, now: u64, rng: &mut Rng) -> Fate {
        if now < self.cut || (now < self.loss.0 && rng.u8(..100) < self.loss.1) {
            return Fate::Lost;
        }
        let mut after = rng.u64(WAY);
        if now < self.late.0 {
            after += rng.u64(..=self.late.1);
        }
        if now < self.shuffle.0 && rng.u8(..4) == 0 {
            after += rng.u64(..=self.shuffle.1);
        }
        let again = (now < self.double && rng.u8(..4) == 0).then(|| after + rng.u64(WAY));
        Fate::Arrives { after, again }
    }
}

/// What a client's neighbour cache says of a virtual router's address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Neighbour {
    /// The host that it sends to.
    pub(crate) host: Option<usize>,
    /// By host: it can't know that the client is to be told, as its announcement was lost or overtaken by a fault.
    pub(crate) unaware: [bool; HOSTS],
    /// By host: another master announced itself, this one, that it has not heard since. It is to be told that by the other.
    pub(crate) beside: [Option<usize>; HOSTS],
}

/// All wires.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    /// By wire, sender and receiver.
    pub(crate) paths: [[[Path; HOSTS + 1]; HOSTS + 1]; WIRES],
    /// By virtual router.
    pub(crate) neighbours: [Neighbour; VRS],
}

impl Wires {
    /// Everything passes again.
    pub(crate) fn heal(&mut self) {
        self.paths = Default::default();
    }

    /// An announcement of `host` has reached the client, `late` or not; whether each host is MASTER.
    pub(crate) fn announced(&mut self, vr: usize, host: usize, punctual: Punctual, masters: [bool; HOSTS]) {
        let neighbour = &mut self.neighbours[vr];
        neighbour.host = Some(host);
        neighbour.unaware.iter_mut().for_each(|unaware| *unaware |= punctual == Punctual::No);
        for (beside, _) in neighbour.beside.iter_mut().zip(masters).filter(|(_, master)| *master) {
            *beside = Some(host);
        }
        neighbour.knows(host);
    }
}

impl Neighbour {
    /// A host knows what there is to know: it has announced itself, or is about to.
    pub(crate) fn knows(&mut self, host: usize) {
        (self.unaware[host], self.beside[host]) = (false, None);
    }

    /// This host gives way without a word: nobody is excused for not having heard of it.
    pub(crate) fn gives_way(&mut self, host: usize) {
        self.beside.iter_mut().for_each(|beside| *beside = beside.filter(|other| *other != host));
    }
}

/// Whether a packet took no longer than an undisturbed one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Punctual {
    /// It did not.
    Yes,
    /// It did.
    No,
}
