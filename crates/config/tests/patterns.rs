//! `regex` and what goes with it.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{config, found, said};
use vipd_config::effective::effective;
use vipd_config::setting;
use vipd_lvs::settings::{BodyPattern, Probe, RegexOption};

fn text(lines: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 80 {{\nprotocol TCP\nreal_server 10.0.0.1 80 {{\nHTTP_GET {{\nurl {{\npath /\n{lines}\n}}\n}}\n}}\n}}\n"
    )
}

fn lowered(text: &str) -> Option<BodyPattern> {
    match &config(text).services[0].lvs.real_servers[0].checkers[0].probe {
        Probe::Http(http) => http.urls[0].pattern.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn regex(lines: &str) -> String {
    lowered(&text(lines)).unwrap().regex
}

#[test]
fn a_pattern_and_what_bounds_it() {
    assert_eq!(lowered(&text("")), None);
    let lines =
        "regex \"up|running\"\nregex_no_match\nregex_options utf caseless\nregex_min_offset 3\nregex_max_offset 9";
    let expected = BodyPattern {
        regex: "up|running".to_owned(),
        options: vec![RegexOption::Caseless, RegexOption::Utf],
        absent: true,
        min_offset: 3,
        max_offset: Some(9),
    };
    assert_eq!(lowered(&text(lines)), Some(expected));
    assert_eq!(found(&text(lines)), Vec::<String>::new());
    // What is known about PCRE2's stack is of no use.
    assert!(said(&text("regex a\nregex_stack 10 20")).contains("`regex_stack` has no use: the search needs no stack"));
}

/// Each as keepalived 2.2.7 says that it reads them, in what it complains of.
#[test]
fn quotes_and_backslashes_are_taken_first() {
    for (written, read) in [
        (r#"regex ab"#, "ab"),
        (r#"regex "a b""#, "a b"),
        (r#"regex 'a b'"#, "a b"),
        (r#"regex "a"b"c" # a note"#, "abc"),
        (r#"regex "a'b'c""#, "a'b'c"),
        (r#"regex 'a\'b'"#, "a'b"),
        (r#"regex 'it\x41'"#, "itA"),
        (r#"regex "tab\there""#, "tab\there"),
        (r#"regex a\\.b"#, r"a\.b"),
        (r#"regex "\\d+\\.\\d""#, r"\d+\.\d"),
        (r#"regex "a#b!c""#, "a#b!c"),
        (r#"regex "ready$""#, "ready$"),
        (r#"regex "{\"a\": [0-9]{2}}""#, "{\"a\": [0-9]{2}}"),
        (r#"regex "é""#, "é"),
    ] {
        assert_eq!(regex(written), read, "{written}");
    }
}

#[test]
fn a_backslash_that_the_pattern_does_not_get_is_told() {
    assert_eq!(regex(r#"regex "1\.2""#), "1.2");
    let said = said(&text(r#"regex "1\.2""#));
    assert!(said.contains(r"the backslash of `\.` is gone before the pattern is read: it is `1.2`"), "{said}");
    assert!(said.contains(r"write it twice for the pattern to have it: \\."), "{said}");
    assert_eq!(found(&text(r#"regex "\d\d""#)), ["V0505:7"]);
    for fine in [r#"regex "1\\.2""#, r#"regex "a\"b""#, r#"regex "a\tb""#, r#"regex "a\/b""#] {
        assert_eq!(found(&text(fine)), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn what_can_not_be_looked_for_is_an_error_with_its_place() {
    for (lines, code, says) in [
        ("regex \"un(closed\"", "V0308:7", "a `(` is not closed"),
        ("regex \"(a)(?1)\"", "V0308:7", "recursion"),
        ("regex one two", "V0308:7", "quote a pattern that has blanks"),
        ("regex \"\"", "V0207:7", "needs a pattern"),
        ("regex", "V0207:7", "needs a pattern"),
        ("regex 'a", "V0106:7", "a quote is not closed"),
        ("regex \"\\xff\"", "V0114:7", "no ASCII character"),
        ("regex a\nregex_options casless", "V0304:8", "caseless"),
        ("regex a\nregex_min_offset 5\nregex_max_offset 2", "V0302:9", "not below regex_min_offset"),
        ("regex a\nregex_min_offset 1048576", "V0302:8", "only the first 1048576 bytes"),
        ("regex a\nregex_options utf never_utf", "V0308:7", "contradict"),
        ("regex_no_match", "V0409:7", "no effect without `regex`"),
        ("regex_options caseless", "V0409:7", "no effect without `regex`"),
        ("regex a\nregex_options ucp", "V0404:8", "without utf"),
        ("regex a\nregex_options no_auto_possess", "V0404:8", "an optimisation of PCRE2"),
        ("regex a\nregex_options auto_callout", "V0404:8", "no callouts"),
    ] {
        assert_eq!(found(&text(lines)), [code], "{lines}");
        let said = said(&text(lines));
        assert!(said.contains(says), "{lines}: {said}");
    }
}

/// Every option of the table is one that means something or says why not.
#[test]
fn every_option_has_its_meaning() {
    for (option, name) in RegexOption::ALL {
        let lines = match option {
            RegexOption::Ucp => format!("regex a\nregex_options {name} utf"),
            _ => format!("regex a\nregex_options {name}"),
        };
        let idle: &[&str] = if option.idle().is_some() { &["V0404:8"] } else { &[] };
        assert_eq!(found(&text(&lines)), idle, "{name}");
    }
}

/// What the file means says the same when it is read again.
#[test]
fn what_is_shown_can_be_read_again() {
    for pattern in [
        r#"regex "\\d+\\.\\d""#,
        r#"regex "a\"b'c""#,
        r#"regex "\tx\n""#,
        r#"regex "a b#c!d{2}[\\]]""#,
        "regex '$'x",
        "regex \"é$\"",
        "regex a\nregex_no_match\nregex_options dotall\nregex_max_offset 0",
    ] {
        let first = config(&text(pattern));
        let shown = setting::text(&effective(&first));
        assert_eq!(lowered(&shown), lowered(&text(pattern)), "{shown}");
        let written = setting::text(&first.written);
        assert_eq!(lowered(&written), lowered(&text(pattern)), "{written}");
    }
}
