//! Logical lines to blocks and keywords.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let findings = vipd_fuzz::bounded(text, || vipd_config::stages::parse(text));
    vipd_fuzz::located(text, &findings);
});
