//! What the tests of this crate share: reading a text without looking at this machine, and short forms of findings.
#![allow(dead_code)] // each test file uses its part

pub(crate) mod schema;

use vipd_config::diag::Level;
use vipd_config::model::Config;
use vipd_config::{Loaded, Options, ScriptCheck, Written, load_str};

/// Options that make a result depend on the text alone.
pub(crate) fn options() -> Options {
    Options { scripts: ScriptCheck::Skip, config_id: Some("here".to_owned()), ..Options::default() }
}

/// The text, read: with every word kept, and without, which must come to the same.
pub(crate) fn read(text: &str) -> Loaded {
    let loaded = load_str("test.conf", text, &Options { written: Written::Keep, ..options() });
    if text.contains("_RANDOM") {
        return loaded;
    }
    let without = load_str("test.conf", text, &options());
    assert_eq!(without.diagnostics, loaded.diagnostics);
    let meaning = loaded.config.clone().map(|config| Config { written: Vec::new(), ..config });
    assert_eq!(without.config, meaning);
    loaded
}

/// The configuration of a text that must have no error.
pub(crate) fn config(text: &str) -> Config {
    let loaded = read(text);
    match loaded.config {
        Some(config) => config,
        None => panic!("{}", vipd_config::render_text(&loaded, vipd_config::Color::Never)),
    }
}

/// Errors and warnings as `CODE:LINE`, in order.
pub(crate) fn found(text: &str) -> Vec<String> {
    short(&read(text), |level| level != Level::Lint)
}

/// Findings of some levels as `CODE:LINE`.
pub(crate) fn short(loaded: &Loaded, wanted: impl Fn(Level) -> bool) -> Vec<String> {
    let shown = |d: &vipd_config::diag::Diagnostic| format!("{}:{}", d.code, d.span.as_ref().map_or(0, |s| s.line));
    loaded.diagnostics.iter().filter(|d| wanted(d.level)).map(shown).collect()
}

/// Everything that the findings of a text say, for looking up a phrase.
pub(crate) fn said(text: &str) -> String {
    read(text).diagnostics.iter().map(|d| format!("{d}\n")).collect()
}

/// The words that lines of a value block come to, in order: seen through `notification_email`, which takes any word.
pub(crate) fn words(lines: &str) -> Vec<String> {
    words_after("", lines)
}

/// The same with lines before the block.
pub(crate) fn words_after(before: &str, lines: &str) -> Vec<String> {
    let text = format!("{before}\nglobal_defs {{\nsmtp_server 192.0.2.1\nnotification_email {{\n{lines}\n}}\n}}\n");
    config(&text).global.mail.map(|m| m.to).unwrap_or_default()
}

/// An instance with these lines added.
pub(crate) fn instance(lines: &str) -> String {
    format!("vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{lines}\n}}\n")
}

/// A TCP service with these lines added, and one real server.
pub(crate) fn service(lines: &str) -> String {
    format!("virtual_server 192.0.2.1 80 {{\nprotocol TCP\nreal_server 10.0.0.1 80 {{ }}\n{lines}\n}}\n")
}

/// A certificate of a client and its key, for tests alone.
pub(crate) const PEM: &str = include_str!("client.pem");

/// A file with both.
pub(crate) fn pem_file() -> &'static str {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/certificate-and-key.pem");
    // Whole, whoever else writes it now.
    let own = format!("{path}.{}.{:?}", std::process::id(), std::thread::current().id());
    std::fs::write(&own, PEM).unwrap();
    std::fs::rename(&own, path).unwrap();
    path
}
