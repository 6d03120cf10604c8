//! Files to logical lines: comments, conditions, definitions, sequences, braces.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let findings = vipd_fuzz::bounded(text, || vipd_config::stages::lex(text));
    vipd_fuzz::located(text, &findings);
});
