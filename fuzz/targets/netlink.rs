//! What the kernel tells of interfaces and addresses, from a kernel that says other things than this one.
#![no_main]

use vipd_sys::netlink::{Change, changes};

/// `NLMSG_HDRLEN` (linux/netlink.h)
const HEADER: usize = 16;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let changes = vipd_fuzz::bounded(bytes, || changes(bytes));
    assert!(changes.len() <= bytes.len() / HEADER, "more changes than messages");
    assert!(!changes.contains(&Change::Overrun), "only a socket says so");
});
