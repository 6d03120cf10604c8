//! What a Linux Virtual Server director decides: which real servers are healthy, whether a service has its quorum, what
//! share one has that comes back, what table the kernel should hold, and in what order to edit it. Pure: no socket, no clock, no log.
#![no_std]
extern crate alloc;

pub mod catch_up;
pub mod health;
pub mod plan;
pub mod quorum;
pub mod settings;
pub mod slow_start;
pub mod table;
