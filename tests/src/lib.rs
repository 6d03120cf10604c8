//! The laboratory: hosts in network namespaces, real daemons in them, and instruments that measure from outside.
//!
//! ```text
//!   host 1      host 2      host N          each a namespace with eth0, 10.77.0.N/24
//!     |           |           |
//!   --+-----------+-----------+--  br0      in a namespace of its own; cables can be pulled, ports isolated
//! ```
//!
//! A laboratory removes everything that it made when it is dropped, also when a test panics; `Lab::new` sweeps away what
//! laboratories of dead processes left.

pub mod conf;
pub mod control;
pub mod director;
pub mod frr;
pub mod junk;
pub mod lab;
pub mod many;
pub mod means;
pub mod probe;
pub mod process;
pub mod random;
pub mod seats;
pub mod silence;
pub mod web;
pub mod wire;

use std::time::{Duration, Instant};

/// Waits until something holds; panics with `what` if it doesn't within `patience`. How long it took.
#[track_caller]
pub fn wait_for(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}

/// Panics unless this process is root: the laboratory needs namespaces.
pub fn need_root() {
    assert!(vipd_sys::privilege::is_root(), "this test makes network namespaces and needs root");
}

/// Panics outside the virtual machine: what did not run must not look as if it had.
#[track_caller]
pub fn need_vm() {
    assert!(std::env::var_os("IPVS_VM").is_some(), "this needs the virtual machine: `make test-vm`");
}
