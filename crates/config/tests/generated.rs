//! What is made from the keyword table and checked in is what the table makes now. `UPDATE=1` writes it anew (`make docs`).

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::Path;

#[track_caller]
fn current(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{} is out of date: run `make docs`", path.display());
}

#[test]
fn the_compatibility_page_is_current() {
    current("docs/compatibility.md", &vipd_config::doc::compatibility());
}

#[test]
fn the_manual_page_is_current() {
    current("packaging/vipd.conf.5", &vipd_config::doc::man());
}

#[test]
fn the_examples_of_the_manual_page_are_without_fault() {
    for (what, example) in vipd_config::doc::EXAMPLES {
        let loaded = vipd_config::load_str("example", example, &vipd_config::Options::default());
        assert!(loaded.config.is_some() && loaded.diagnostics.is_empty(), "{what}\n{:?}", loaded.diagnostics);
    }
}

#[test]
fn the_schema_is_current() {
    current("docs/keepalived.conf.schema.json", &vipd_config::schema::schema());
}

/// The words of the language and the marks of the lexer, as libFuzzer reads dictionaries.
#[test]
fn the_dictionary_of_the_fuzz_targets_is_current() {
    let marks = [
        "{",
        "}",
        "\"",
        "'",
        "\\",
        " \\\n",
        "\n",
        "\r\n",
        "#",
        "!",
        "@here ",
        "@^here ",
        "@there ",
        "$A=",
        "$A",
        "${A}",
        "$P= \\\n",
        "${_HASH}",
        "${_BANG}",
        "${_RANDOM 1 2}",
        "${_ENV A}",
        "~SEQ(A,1,3) ",
        "~SEQx(A,9) ",
        "~LST({A,B},{1,2},{3}) ",
        "192.0.2.1",
        "192.0.2.1/24",
        "2001:db8::1",
        "192.0.2.1-9",
        "80",
        "0",
        "255",
        "65535",
        "1.5",
        "eth0",
        "weight -5 reverse",
        "MASTER",
        "BACKUP",
        "\u{e9}",
    ];
    let words = vipd_config::keyword::all().into_iter().map(|(_, k)| k.name).filter(|name| !name.starts_with('('));
    let words: std::collections::BTreeSet<&str> = words.chain(marks).collect();
    let escaped = |word: &str| -> String {
        word.bytes()
            .map(|b| match b {
                b'"' | b'\\' => format!("\\{}", b as char),
                b' '..=b'~' => (b as char).to_string(),
                _ => format!("\\x{b:02x}"),
            })
            .collect()
    };
    let lines: String = words.into_iter().map(|word| format!("\"{}\"\n", escaped(word))).collect();
    current("fuzz/keywords.dict", &format!("# Made from the keyword table by `make docs`.\n{lines}"));
}
