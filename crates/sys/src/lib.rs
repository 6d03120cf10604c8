//! Linux, as far as vipd needs it: sockets, netlink, timers, processes, privileges. No policy: nothing here knows what a
//! virtual router or a real server is.
//!
//! This is the only crate with `unsafe` code. Each block says why it is needed and why it is sound.

pub mod announce;
pub mod carrier;
pub mod clock;
pub mod connector;
pub mod lease;
pub mod netlink;
pub mod netns;
pub mod nftables;
pub mod pidfile;
pub mod poll;
pub mod privilege;
pub mod process;
pub mod random;
pub mod raw;
pub mod stance;
pub mod sysctl;
pub mod syslog;
pub mod udp;
pub mod watch;
