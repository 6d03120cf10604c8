//! Real servers that are found: what a file names, and what a name server answers.
#![no_main]

use std::collections::BTreeSet;
use vipd_check::resolve::{Family, Kind};
use vipd_check::stages;
use vipd_config::discovery::{MOST, parse};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match vipd_fuzz::bounded(bytes, || parse(bytes)) {
        Ok(servers) => {
            let addresses: BTreeSet<_> = servers.iter().map(|server| server.address).collect();
            assert!(addresses.len() == servers.len() && servers.len() <= MOST, "one twice, or too many");
            assert!(servers.iter().all(|server| server.address.port() != 0));
            let lines = |servers: &[vipd_config::discovery::Server]| -> String {
                let line = |s: &vipd_config::discovery::Server| {
                    let weight = s.weight.map_or(String::new(), |weight| format!(" weight {weight}"));
                    format!("{} {}{weight}\n", s.address.ip(), s.address.port())
                };
                servers.iter().map(line).collect()
            };
            assert_eq!(
                parse(lines(&servers).as_bytes()).as_ref(),
                Ok(&servers),
                "written plainly it says something else"
            );
        }
        Err(why) => assert!(why.len() < 700 && !why.contains(char::is_control), "{why}"),
    }
    for kind in [Kind::Address(Family::V4), Kind::Address(Family::V6), Kind::Service(Family::V4)] {
        if let Some(Ok(count)) = vipd_fuzz::bounded(bytes, || stages::resolved(kind, bytes)) {
            assert!(count * 10 <= bytes.len(), "{count} records in {} bytes", bytes.len());
        }
    }
});
