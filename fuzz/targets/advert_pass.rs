//! Adverts with a password.
#![no_main]

use vipd_fuzz::adverts::{PASSWORD, hostile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile(bytes, &PASSWORD));
