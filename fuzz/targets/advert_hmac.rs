//! Adverts with a keyed trailer (`auth_hmac`), of both versions and families.
#![no_main]

use vipd_fuzz::adverts::{TRAILER, hostile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile(bytes, &TRAILER));
