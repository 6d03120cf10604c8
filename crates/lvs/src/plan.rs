//! The edits that turn one table into another, in an order that never leaves a service without a server which has one
//! before and after.

use crate::settings::ServiceKey;
use crate::table::{Server, Service, Table};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// One edit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// Add a service (its servers follow).
    AddService(ServiceKey, Service),
    /// Change scheduler, flags or persistence.
    SetService(ServiceKey, Service),
    /// Remove a service with all its servers.
    RemoveService(ServiceKey),
    /// Add a server.
    AddServer(ServiceKey, SocketAddr, Server),
    /// Change a server.
    SetServer(ServiceKey, SocketAddr, Server),
    /// Remove a server.
    RemoveServer(ServiceKey, SocketAddr, Server),
}

/// The edits from `present` to `desired`. `present` holds only services that are ours: what is in it and not desired is
/// removed.
pub fn plan(present: &Table, desired: &Table) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (key, want) in desired {
        match present.get(key) {
            None => {
                edits.push(Edit::AddService(*key, want.clone()));
                edits.extend(want.servers.iter().map(|(a, s)| Edit::AddServer(*key, *a, *s)));
            }
            Some(have) => change(&mut edits, *key, have, want),
        }
    }
    edits.extend(present.keys().filter(|k| !desired.contains_key(*k)).map(|k| Edit::RemoveService(*k)));
    edits
}

/// One service: what comes is added before what goes is removed; weights are raised before others are lowered.
fn change(edits: &mut Vec<Edit>, key: ServiceKey, have: &Service, want: &Service) {
    let same = have.scheduler == want.scheduler && have.flags == want.flags && have.persistence == want.persistence;
    if !same {
        edits.push(Edit::SetService(key, want.clone()));
    }
    let mut lowered = Vec::new();
    for (address, server) in &want.servers {
        match have.servers.get(address) {
            None => edits.push(Edit::AddServer(key, *address, *server)),
            Some(old) if old == server => {}
            Some(old) if old.weight > server.weight => lowered.push(Edit::SetServer(key, *address, *server)),
            Some(_) => edits.push(Edit::SetServer(key, *address, *server)),
        }
    }
    edits.extend(lowered);
    let gone = have.servers.iter().filter(|(address, _)| !want.servers.contains_key(*address));
    edits.extend(gone.map(|(address, server)| Edit::RemoveServer(key, *address, *server)));
}

/// The edits that remove every service, as at the end.
pub fn clear(present: &Table) -> Vec<Edit> {
    present.keys().map(|key| Edit::RemoveService(*key)).collect()
}
