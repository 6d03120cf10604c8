//! What the kernel tells of interfaces, addresses, routes, rules and processes, from a kernel that says other things than this
//! one.
#![no_main]

use vipd_sys::connector::{answer, event};
use vipd_sys::netlink::{Change, Found, RoutingChange, changes, routing_changes};

/// `NLMSG_HDRLEN` (linux/netlink.h)
const HEADER: usize = 16;
/// Bytes of `struct rtnexthop` (linux/rtnetlink.h).
const HOP: usize = 8;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let most = bytes.len() / HEADER;
    let changes = vipd_fuzz::bounded(bytes, || changes(bytes));
    assert!(changes.len() <= most, "more changes than messages");
    assert!(!changes.contains(&Change::Overrun), "only a socket says so");

    let routing = vipd_fuzz::bounded(bytes, || routing_changes(bytes));
    assert!(routing.len() <= most, "more changes than messages");
    assert!(!routing.contains(&RoutingChange::Overrun), "only a socket says so");
    let ways = |found: &Found| found.ways.len();
    let ways: Vec<usize> = routing.iter().filter_map(route).map(ways).collect();
    assert!(ways.iter().all(|ways| *ways > 0), "a route without a way");
    assert!(ways.iter().sum::<usize>() <= ways.len() + bytes.len() / HOP, "more ways than there is room for");

    // What is cut off says the same or nothing, and never something else.
    let whole = (event(bytes), bytes.first().map(|n| answer(bytes, u32::from(*n))));
    for length in 0..bytes.len().min(64) {
        let cut = bytes.get(..length).unwrap_or_default();
        let said = event(cut);
        assert!(said.is_none() || said == whole.0, "{length} bytes say {said:?}, all say {:?}", whole.0);
    }
    assert!(whole.0.is_none() || whole.1.flatten().is_none(), "an event that is an answer");
});

fn route(change: &RoutingChange) -> Option<&Found> {
    match change {
        RoutingChange::Route(found) | RoutingChange::RouteInstead(found) | RoutingChange::RouteGone(found) => {
            Some(found)
        }
        RoutingChange::Rule(_) | RoutingChange::RuleGone(_) | RoutingChange::Overrun => None,
    }
}
