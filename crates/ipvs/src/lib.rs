//! A client for the kernel's IP Virtual Server over generic netlink.
//!
//! ```text
//!   Command, Key --codec--> attributes --message--> netlink --client--> kernel
//!   ServiceEntry <--codec-- attributes <--message-- netlink <--client-- kernel
//! ```
//!
//! It says what the kernel's interface can say and decides nothing: no policy, no reconciliation, no runtime. Calls are
//! synchronous and act on the network namespace in which [`Client::open`] was called. Changes need CAP_NET_ADMIN there.
//! The setsockopt interface of kernels before 2.6.28 isn't spoken.

mod attr;
mod client;
mod codec;
mod error;
mod message;
mod types;

pub use client::Client;
pub use error::Error;
pub use types::{
    Command, Counters, Daemon, DaemonState, Destination, DestinationEntry, Family, Forwarding, Info, Key, Protocol,
    Service, ServiceEntry, Timeouts, Tunnel, flags, tunnel_flags,
};
