//! Adverts behind an IP authentication header.
#![no_main]

use vipd_fuzz::adverts::{HEADER, hostile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile(bytes, &HEADER));
