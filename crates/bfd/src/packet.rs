//! Control packets on the wire: bytes to value and back. Nothing here has an opinion on whose a packet is and whether
//! it may be believed; that is `node`.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Vers=1| Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |  Length = 24  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval                    |
//! |                   Required Min RX Interval                    |
//! |                 Required Min Echo RX Interval                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::units::{Discriminator, Micros};
use core::fmt;
use core::num::NonZeroU8;
use serde::{Deserialize, Serialize};

/// Bytes of a control packet without authentication, as its length field says it.
const LENGTH_FIELD: u8 = 24;
/// Bytes of a control packet without authentication.
pub const LENGTH: usize = LENGTH_FIELD as usize;
/// The only version (RFC 5880).
const VERSION: u8 = 1;

/// Bits of the second byte, below the state. (C, 0x08, isn't read: nothing here depends on whether a neighbour's BFD
/// shares its fate with its control plane.)
mod flag {
    pub(super) const POLL: u8 = 0x20;
    pub(super) const FINAL: u8 = 0x10;
    pub(super) const AUTHENTICATED: u8 = 0x04;
    pub(super) const DEMAND: u8 = 0x02;
    pub(super) const MULTIPOINT: u8 = 0x01;
}

/// The state of a session as the wire has it (RFC 5880, 4.1: Sta).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the words of the RFC
pub enum StateName {
    AdminDown,
    Down,
    Init,
    Up,
}

impl StateName {
    /// All of them, in the order of their numbers.
    pub const ALL: [StateName; 4] = [StateName::AdminDown, StateName::Down, StateName::Init, StateName::Up];
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StateName::AdminDown => "AdminDown",
            StateName::Down => "Down",
            StateName::Init => "Init",
            StateName::Up => "Up",
        })
    }
}

/// Why the sender's session changed its state the last time (RFC 5880, 4.1: Diag).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the words of the RFC
pub enum Diagnostic {
    None,
    DetectionTimeExpired,
    EchoFailed,
    NeighbourSignaledDown,
    ForwardingPlaneReset,
    PathDown,
    ConcatenatedPathDown,
    AdministrativelyDown,
    ReverseConcatenatedPathDown,
}

impl Diagnostic {
    /// All of them, in the order of their numbers.
    pub const ALL: [Diagnostic; 9] = [
        Diagnostic::None,
        Diagnostic::DetectionTimeExpired,
        Diagnostic::EchoFailed,
        Diagnostic::NeighbourSignaledDown,
        Diagnostic::ForwardingPlaneReset,
        Diagnostic::PathDown,
        Diagnostic::ConcatenatedPathDown,
        Diagnostic::AdministrativelyDown,
        Diagnostic::ReverseConcatenatedPathDown,
    ];
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Diagnostic::None => "no diagnostic",
            Diagnostic::DetectionTimeExpired => "control detection time expired",
            Diagnostic::EchoFailed => "echo function failed",
            Diagnostic::NeighbourSignaledDown => "neighbour signaled session down",
            Diagnostic::ForwardingPlaneReset => "forwarding plane reset",
            Diagnostic::PathDown => "path down",
            Diagnostic::ConcatenatedPathDown => "concatenated path down",
            Diagnostic::AdministrativelyDown => "administratively down",
            Diagnostic::ReverseConcatenatedPathDown => "reverse concatenated path down",
        })
    }
}

/// The part of a packet in a poll sequence (RFC 5880, 6.5). Both bits at once can't be written down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Exchange {
    /// Neither bit.
    None,
    /// P: the sender wants an answer.
    Poll,
    /// F: this is the answer.
    Final,
}

/// A control packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Control {
    /// Why the sender's state changed the last time.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: StateName,
    /// P or F.
    pub exchange: Exchange,
    /// A: an authentication section follows (or should).
    pub authenticated: bool,
    /// D: the sender wants no periodic packets.
    pub demand: bool,
    /// Intervals of silence after which the receiver shall take the sender for gone.
    pub multiplier: NonZeroU8,
    /// The sender's name of the session.
    pub mine: Discriminator,
    /// The receiver's name of the session; `None` (0) while the sender doesn't know it.
    pub yours: Option<Discriminator>,
    /// The sender wants to send no faster than this; 32 bits.
    pub desired_min_tx: Micros,
    /// The sender wants packets no faster than this; 0: none at all; 32 bits.
    pub required_min_rx: Micros,
    /// The same of echo packets; 32 bits.
    pub required_min_echo_rx: Micros,
}

/// Why bytes are no control packet, in the order in which it is looked for (RFC 5880, 6.8.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Malformed {
    /// Shorter than a control packet: so many bytes.
    Short(usize),
    /// Its length field and its length differ.
    Length {
        /// What the field says.
        said: u8,
        /// What came.
        got: usize,
    },
    /// Another version.
    Version(u8),
    /// Detection multiplier 0.
    Multiplier,
    /// M is set.
    Multipoint,
    /// My Discriminator is 0.
    MyDiscriminator,
    /// Your Discriminator is 0 in a state in which the sender must know it.
    YourDiscriminator(StateName),
    /// P and F at once.
    PollAndFinal,
    /// No such diagnostic.
    Diagnostic(u8),
}

impl Malformed {
    /// Its name, for counters.
    pub fn name(&self) -> &'static str {
        match self {
            Malformed::Short(_) => "short",
            Malformed::Length { .. } => "length",
            Malformed::Version(_) => "version",
            Malformed::Multiplier => "multiplier",
            Malformed::Multipoint => "multipoint",
            Malformed::MyDiscriminator => "my_discriminator",
            Malformed::YourDiscriminator(_) => "your_discriminator",
            Malformed::PollAndFinal => "poll_and_final",
            Malformed::Diagnostic(_) => "diagnostic",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Short(got) => write!(f, "{got} bytes where a control packet has {LENGTH}"),
            Malformed::Length { said, got } => write!(f, "its length field says {said}, it has {got} bytes"),
            Malformed::Version(v) => write!(f, "version {v} is not {VERSION}"),
            Malformed::Multiplier => f.write_str("detection multiplier 0"),
            Malformed::Multipoint => f.write_str("the multipoint bit is set"),
            Malformed::MyDiscriminator => f.write_str("my discriminator is 0"),
            Malformed::YourDiscriminator(state) => write!(f, "your discriminator is 0 in state {state}"),
            Malformed::PollAndFinal => f.write_str("poll and final bits are both set"),
            Malformed::Diagnostic(d) => write!(f, "diagnostic {d} doesn't exist"),
        }
    }
}

impl Control {
    /// Reads the payload of a datagram. Order of the checks as in keepalived, which an operator may compare with.
    pub fn parse(bytes: &[u8]) -> Result<Control, Malformed> {
        let Some(packet) = bytes.first_chunk::<LENGTH>() else { return Err(Malformed::Short(bytes.len())) };
        let [first, second, multiplier, length, words @ ..] = *packet;
        if usize::from(length) != bytes.len() {
            return Err(Malformed::Length { said: length, got: bytes.len() });
        }
        if first >> 5 != VERSION {
            return Err(Malformed::Version(first >> 5));
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(Malformed::Multiplier)?;
        if second & flag::MULTIPOINT != 0 {
            return Err(Malformed::Multipoint);
        }
        let [m1, m2, m3, m4, y1, y2, y3, y4, t1, t2, t3, t4, r1, r2, r3, r4, e1, e2, e3, e4] = words;
        let mine = Discriminator::new(u32::from_be_bytes([m1, m2, m3, m4])).ok_or(Malformed::MyDiscriminator)?;
        let yours = Discriminator::new(u32::from_be_bytes([y1, y2, y3, y4]));
        let state = StateName::ALL[usize::from(second >> 6)];
        if yours.is_none() && matches!(state, StateName::Init | StateName::Up) {
            return Err(Malformed::YourDiscriminator(state));
        }
        let exchange = match (second & flag::POLL != 0, second & flag::FINAL != 0) {
            (false, false) => Exchange::None,
            (true, false) => Exchange::Poll,
            (false, true) => Exchange::Final,
            (true, true) => return Err(Malformed::PollAndFinal),
        };
        let diagnostic = first & 0x1f;
        let known = Diagnostic::ALL.get(usize::from(diagnostic)).copied();
        let micros = |bytes| Micros(u64::from(u32::from_be_bytes(bytes)));
        Ok(Control {
            diagnostic: known.ok_or(Malformed::Diagnostic(diagnostic))?,
            state,
            exchange,
            authenticated: second & flag::AUTHENTICATED != 0,
            demand: second & flag::DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx: micros([t1, t2, t3, t4]),
            required_min_rx: micros([r1, r2, r3, r4]),
            required_min_echo_rx: micros([e1, e2, e3, e4]),
        })
    }

    /// Writes it. An interval too long for the wire is written as the longest.
    pub fn emit(&self) -> [u8; LENGTH] {
        let exchange = match self.exchange {
            Exchange::None => 0,
            Exchange::Poll => flag::POLL,
            Exchange::Final => flag::FINAL,
        };
        let set = |on: bool, flag: u8| if on { flag } else { 0 };
        let flags = exchange | set(self.authenticated, flag::AUTHENTICATED) | set(self.demand, flag::DEMAND);
        let micros = |m: Micros| u32::try_from(m.0).unwrap_or(u32::MAX);
        let words = [
            self.mine.0.get(),
            self.yours.map_or(0, |d| d.0.get()),
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 5 | self.diagnostic as u8;
        bytes[1] = (self.state as u8) << 6 | flags;
        bytes[2] = self.multiplier.get();
        bytes[3] = LENGTH_FIELD;
        for (place, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}
