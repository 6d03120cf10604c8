//! Bidirectional Forwarding Detection (RFC 5880) over one hop (RFC 5881) or several (RFC 5883), in asynchronous mode,
//! as pure decisions.
//!
//! No socket, no clock, no log, nothing beyond `alloc`: time is an argument, bytes come in and go out as slices, and so
//! does chance.
//!
//! ```text
//!  bytes -> packet (what it says) -> Node::handle(now, input): whose is it, may it be believed
//!                                         |  session: one neighbour
//!            Node::poll() -> what to send, tell  <---+---> Node::sessions() -> who is up
//!            Node::wake() -> when to call again, and why
//! ```
#![no_std]
extern crate alloc;

pub mod node;
pub mod packet;
pub mod session;
pub mod settings;
pub mod units;
