//! The Virtual Router Redundancy Protocol, versions 2 and 3, as pure decisions.
//!
//! No socket, no clock, no log, nothing beyond `alloc`: time is an argument, bytes come in and go out as slices.
//!
//! ```text
//!  bytes -> packet (what it says) -> admit (whether to believe it) -> Node::handle(now, input)
//!                                                                        |  router: one instance
//!                                                                        |  group: siblings settle
//!                                                                        |  track: scripts, files, ...
//!            Node::poll() -> what to send, announce, tell  <-------------+-------------> Node::claims() -> what
//!            Node::wake() -> when to call again, and why                                the kernel should hold
//! ```
#![no_std]
extern crate alloc;

pub mod admit;
pub mod auth;
pub mod node;
pub mod packet;
mod roster;
pub mod router;
pub mod settings;
pub mod timers;
pub mod track;
pub mod trailer;
pub mod units;
