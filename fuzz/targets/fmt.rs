//! The layout: stable, and never another meaning.
#![no_main]

use vipd_config::format::{Unformattable, format};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    match vipd_fuzz::bounded(text, || format("fuzz", text)) {
        Ok(once) => match format("fuzz", &once) {
            Ok(twice) => assert!(twice == once, "not stable: {:?}", String::from_utf8_lossy(&once)),
            Err(why) => panic!("fine once, and then {why:?}"),
        },
        Err(Unformattable::Flawed(flaws)) => {
            assert!(!flaws.diagnostics.is_empty());
            vipd_fuzz::located(text, &flaws.diagnostics);
        }
        Err(changed @ Unformattable::Changed { .. }) => panic!("{changed:?}"),
    }
});
