//! A client for the kernel's IP Virtual Server over generic netlink.
//!
//! ```text
//!   Command, Key --codec--> attributes --message--> netlink --client--> kernel
//!   ServiceEntry <--codec-- attributes <--message-- netlink <--client-- kernel
//! ```
//!
//! It says what the kernel's interface can say and decides nothing: no policy, no reconciliation, no runtime. Calls are
//! synchronous and act on the network namespace in which [`Client::open`] was called. Changes need CAP_NET_ADMIN there.
//!
//! ```no_run
//! use vipd_ipvs::{Client, Command, Destination, Forwarding, Key, Protocol, Service};
//!
//! # fn main() -> Result<(), vipd_ipvs::Error> {
//! let key = Key::Address { protocol: Protocol::Tcp, address: [192, 0, 2, 1].into(), port: 80 };
//! let netmask = key.family().whole_address();
//! let service = Service { key, scheduler: "wlc".into(), flags: 0, timeout: 0, netmask, engine: None };
//! let server = Destination {
//!     address: [198, 51, 100, 1].into(),
//!     port: 80,
//!     forwarding: Forwarding::DirectRoute,
//!     weight: 1,
//!     upper_threshold: 0,
//!     lower_threshold: 0,
//! };
//! let mut client = Client::open()?;
//! let commands = [Command::NewService(service), Command::NewDest(key, server)];
//! for (command, result) in commands.iter().zip(client.execute(&commands)) {
//!     if let Err(e) = result {
//!         eprintln!("{command}: {e}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
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
