//! The Virtual Router Redundancy Protocol, versions 2 and 3, as pure decisions.
//!
//! No socket, no clock, no log, no allocation beyond `alloc`: time is an argument, bytes come in and go out as slices.
#![no_std]
extern crate alloc;

pub mod settings;
pub mod units;
