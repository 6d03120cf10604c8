//! Clusters of real `vipd_vrrp` and `vipd_bfd` nodes in virtual time, from one seed. For tests alone: the program knows nothing of it.
//!
//! ```text
//!  seed -> scenario (hosts, virtual routers, settings)
//!            |
//!          world: one queue of events, microseconds ----> laws: what must hold after every turn of a host
//!            |        ^                                         and once the faults have ended
//!            |        +---- storm: what goes wrong, and when
//!            v
//!          host: Node, its shell, a kernel that holds addresses  <-- the real bytes -->  wire: loss, delay, cuts;
//!            |                                                                           a client's neighbour cache
//!          sessions: the same for BFD
//! ```
//!
//! Every random choice comes from the seed's generator, and nothing else decides: a seed is a run. A violation is told
//! by running its seed once more with the timeline on.

mod host;
mod laws;
mod mutation;
mod scenario;
mod sessions;
mod storm;
mod tally;
mod wire;
mod world;

pub use laws::Law;
pub use mutation::Mutation;
pub use tally::{Kind, Tally};
pub use world::{SPAN, Violation, run, timeline};
