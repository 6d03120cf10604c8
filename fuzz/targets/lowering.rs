//! All of it: from text to a configuration, its JSON, and the findings as people see them.
#![no_main]

use vipd_config::{Color, render_text};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let loaded = vipd_fuzz::bounded(text, || vipd_config::stages::load(text));
    vipd_fuzz::located(text, &loaded.diagnostics);
    assert!(loaded.config.is_some() != loaded.any(vipd_config::diag::Level::Error), "{loaded:?}");
    assert!(render_text(&loaded, Color::Never).len() < 2_000_000);
});
