//! Adverts without authentication, of both versions and families, multicast and unicast.
#![no_main]

use vipd_fuzz::adverts::{NONE, hostile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile(bytes, &NONE));
