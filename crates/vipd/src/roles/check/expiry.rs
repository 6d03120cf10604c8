//! Certificates of real servers that come near their end: each is an event once, however often it is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use vipd_api::Event;
use vipd_check::Notice;
use vipd_sys::clock::unix_time;

/// Certificates of one address that are told of: more would be one that shows another one at each run.
const MOST: usize = 16;

/// What was told, and what is to be.
#[derive(Default)]
pub(super) struct Expiring {
    told: BTreeMap<SocketAddr, BTreeSet<u64>>,
    events: Vec<Event>,
}

impl Expiring {
    /// A server at this address has shown a certificate that ends soon. `subject` names it.
    pub(super) fn note(&mut self, address: SocketAddr, notice: &Notice, subject: impl FnOnce() -> String) {
        let told = self.told.entry(address).or_default();
        if told.len() < MOST && told.insert(notice.about) {
            let (kind, what, cause) = ("check".to_owned(), "EXPIRES".to_owned(), notice.text.clone());
            self.events.push(Event { seq: 0, at: unix_time(), kind, subject: subject(), what, cause });
        }
    }

    /// What is to be told now.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Forgets what was told of others than these addresses.
    pub(super) fn keep(&mut self, addresses: impl Iterator<Item = SocketAddr>) {
        if !self.told.is_empty() {
            let addresses: BTreeSet<SocketAddr> = addresses.collect();
            self.told.retain(|address, _| addresses.contains(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_once_for_each_server() {
        let mut expiring = Expiring::default();
        let server = |n| SocketAddr::from(([192, 0, 2, n], 443));
        let notice = |days: u8, about| Notice { text: format!("its certificate expires in {days} days"), about };
        let mut told = |address, days, about| {
            expiring.note(address, &notice(days, about), || "SSL_GET".to_owned());
            expiring.events().into_iter().map(|event| format!("{} {}", event.what, event.cause)).collect::<Vec<_>>()
        };
        assert_eq!(told(server(1), 9, 7), ["EXPIRES its certificate expires in 9 days"]);
        assert_eq!(told(server(1), 8, 7), [""; 0], "a day later");
        assert_eq!(told(server(2), 8, 7).len(), 1, "another server that has it");
        assert_eq!(told(server(1), 8, 6).len(), 1, "another certificate");
        let many = (100..200).filter(|about| !told(server(1), 1, *about).is_empty()).count();
        assert_eq!(many, MOST - 2, "one that never shows the same");
        expiring.keep([server(2)].into_iter());
        expiring.note(server(1), &notice(1, 7), String::new);
        expiring.note(server(2), &notice(1, 7), String::new);
        assert_eq!(expiring.events().len(), 1, "one that came back with a reload");
    }
}
