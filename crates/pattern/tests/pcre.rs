//! Patterns as PCRE2 reads them. What is expected was read off PCRE2 10.42 (`pcre2test`), but for what is refused.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use vipd_pattern::{BEHIND, BodyPattern, Pattern, RegexOption, SEARCHED, Stopped};

fn settings(regex: &str, options: &str) -> BodyPattern {
    let named = |name| RegexOption::ALL.iter().find(|(_, known)| *known == name).unwrap().0;
    let options = options.split_whitespace().map(named).collect();
    BodyPattern { regex: regex.to_owned(), options, absent: false, min_offset: 0, max_offset: None }
}

#[track_caller]
fn pattern(settings: BodyPattern) -> Pattern {
    let regex = settings.regex.clone();
    Pattern::new(settings).unwrap_or_else(|wrong| panic!("{regex}: {wrong}"))
}

#[track_caller]
fn at(regex: &str, options: &str, body: &[u8]) -> Option<usize> {
    pattern(settings(regex, options)).search(body, &AtomicBool::new(true)).unwrap()
}

/// Pattern, options, body, where PCRE2 finds it.
const TABLE: &[(&str, &str, &[u8], Option<usize>)] = &[
    ("ready", "", b"are you ready?\n", Some(8)),
    ("Ready", "", b"are you ready?", None),
    ("Ready", "caseless", b"are you ready?", Some(8)),
    ("ready$", "", b"ready\n", Some(0)),
    ("ready$", "dollar_endonly", b"ready\n", None),
    ("ready$", "", b"ready\n\n", None),
    ("ready\\z", "", b"ready\n", None),
    ("ready\\Z", "", b"ready\n", Some(0)),
    ("ready$", "", b"ready\nset", None),
    ("ready$", "multiline", b"ready\nset", Some(0)),
    ("^set", "", b"ready\nset", None),
    ("^set", "multiline", b"ready\nset", Some(6)),
    ("(?m)^set$", "", b"ready\nset\ngo", Some(6)),
    ("(?m:^set)$", "", b"ready\nset\n", Some(6)),
    ("a.b", "", b"a\nb", None),
    ("a.b", "dotall", b"a\nb", Some(0)),
    ("(?s)a.b", "", b"a\nb", Some(0)),
    ("(?s:a.)b.c", "", b"a\nb\nc", None),
    ("a\\Nb", "dotall", b"a\nb", None),
    ("a.b", "", b"a\xffb", Some(0)),
    ("a.b", "", b"a\xc3\xa9b", None),
    ("a.b", "utf", b"a\xc3\xa9b", Some(0)),
    ("a..b", "", b"a\xc3\xa9b", Some(0)),
    ("\\<title\\>", "", b"<title>x", Some(0)),
    ("<h1>.*</h1>", "", b"<h1>a</h1>", Some(0)),
    ("[a&&b]x", "", b"&x", Some(0)),
    ("[a[b]x", "", b"[x", Some(0)),
    ("[a~~b]+x", "", b"a~bx", Some(0)),
    ("[]a]x", "", b"]x", Some(0)),
    ("[^]a]x", "", b"]xbx", Some(2)),
    ("[]a]x", "allow_empty_class", b"a]x", None),
    ("[^]x", "allow_empty_class", b"\nx", Some(0)),
    ("a[]|b", "allow_empty_class", b"ab", Some(1)),
    ("[a\\-z]x", "", b"-x", Some(0)),
    ("[-a]x", "", b"-x", Some(0)),
    ("[a-]x", "", b"-x", Some(0)),
    ("[a-c-e]x", "", b"-x", Some(0)),
    ("[a-c-e]x", "", b"dx", None),
    ("[\\]]x", "", b"]x", Some(0)),
    ("[\\b]x", "", b"\x08x", Some(0)),
    ("[\\x41-\\x43]x", "", b"Bx", Some(0)),
    ("[\\Qa-z\\E]x", "", b"bx-x", Some(2)),
    ("[[:alpha:]_]x", "", b"1xax", Some(2)),
    ("[[:^alpha:]]x", "", b"ax1x", Some(2)),
    ("[[:alpha:x]y", "", b"[y", Some(0)),
    ("[\\101]", "", b"A", Some(0)),
    ("[^a]", "", b"aaa\n", Some(3)),
    ("\\d+\\.\\d+", "", b"version 1.42", Some(8)),
    ("\\w+", "", b"\xc3\xa9", None),
    ("\\w", "utf", b"\xc3\xa9", None),
    ("\\w", "utf ucp", b"\xc3\xa9", Some(0)),
    ("[\\w]", "utf", b"\xc3\xa9x", Some(2)),
    ("[^\\W]", "utf", b"\xc3\xa9x", Some(2)),
    ("\\W", "utf", b"\xc3\xa9x", Some(0)),
    ("\\bx", "utf", b"\xc3\xa9x", Some(2)),
    ("\\bx", "utf ucp", b"\xc3\xa9x", None),
    ("\\bx", "", b"\xc3\xa9x", Some(2)),
    ("\\Bx", "utf", b"\xc3\xa9x ax", Some(5)),
    ("\\s", "", b"a\x0bb", Some(1)),
    ("\\S", "", b" \t\x0bb", Some(3)),
    ("\\h", "", b"a\xa0", Some(1)),
    ("\\H", "", b" \t\xa0b", Some(3)),
    ("\\v", "", b"a\x85", Some(1)),
    ("a\\Rb", "", b"a\r\nb", Some(0)),
    ("a\\R\\nb", "", b"a\r\nb", None),
    ("é", "", b"caf\xc3\xa9", Some(3)),
    ("é", "utf", b"caf\xc3\xa9", Some(3)),
    ("É", "caseless", b"caf\xc3\xa9", None),
    ("É", "caseless utf", b"caf\xc3\xa9", Some(3)),
    ("[é]x", "", b"\xa9x", Some(0)),
    ("[é]x", "utf", b"\xc3\xa9x", Some(0)),
    ("é+x", "", b"\xc3\xa9\xa9x", Some(0)),
    ("\\xe9", "", b"caf\xe9", Some(3)),
    ("\\x{e9}", "utf", b"caf\xc3\xa9", Some(3)),
    ("\\xc9", "caseless", b"caf\xe9", None),
    (".\\z", "utf", b"a\xf0\x9f\x98\x80", Some(1)),
    ("(a)(b)\\2\\1", "", b"abba", Some(0)),
    ("(a)|b\\1", "", b"b", None),
    ("(a)?b\\1", "", b"b", None),
    ("(a)?b\\1", "match_unset_backref", b"b", Some(0)),
    ("(?<n>a)\\k<n>", "", b"aa", Some(0)),
    ("(?'n'a)\\k'n'", "", b"aa", Some(0)),
    ("(?P<n>a)(?P=n)", "", b"aa", Some(0)),
    ("(?<n>a)\\k{n}\\g{n}", "", b"aaa", Some(0)),
    ("(a)(b)\\g{-1}", "", b"abb", Some(0)),
    ("(a)(b)\\g1", "", b"aba", Some(0)),
    ("(a)\\g{1}2", "", b"aa2", Some(0)),
    ("(a)\\1\\x32", "extended", b"aa2", Some(0)),
    ("(a) \\1 2", "extended", b"aa2", Some(0)),
    ("(?<n>a)|(?<n>b)", "dupnames", b"b", Some(0)),
    ("(A)\\1", "caseless", b"aA", Some(0)),
    ("a(?=b)", "", b"acab", Some(2)),
    ("a(?!b)", "", b"abac", Some(2)),
    ("(?<=a)b", "", b"bab", Some(2)),
    ("(?<!a)b", "", b"abb", Some(2)),
    ("(?>a+)ab", "", b"aaab", None),
    ("a++ab", "", b"aaab", None),
    ("a*+b", "", b"aab", Some(0)),
    ("a?+ab", "", b"ab", None),
    ("a{1,2}+ab", "", b"aaab", Some(0)),
    ("(?>a+)b", "ungreedy", b"aab", Some(1)),
    ("(?>a+)ab", "ungreedy", b"aab", Some(0)),
    ("(?>a+?)ab", "ungreedy", b"aab", None),
    ("(?U)(?>a+)ab", "", b"aab", Some(0)),
    ("(a)?(?(1)b|c)", "", b"ac", Some(1)),
    ("^(a)?(?(1)b|c)$", "", b"ac", None),
    ("^(?<n>a)?(?(<n>)b|c)$", "", b"ab", Some(0)),
    ("^(?<n>a)?(?(n)b|c)$", "", b"c", Some(0)),
    ("a(*FAIL)|b", "", b"ab", Some(1)),
    ("a b # note", "extended", b"xab", Some(1)),
    ("a b", "", b"ab a b", Some(3)),
    ("a # c (\n b", "extended", b"ab", Some(0)),
    ("a\\ b", "extended", b"ab a b", Some(3)),
    ("[a b]x", "extended", b" x", Some(0)),
    ("(?x)a b(?-x) c", "", b"ab c", Some(0)),
    ("a(?#note)b", "", b"ab", Some(0)),
    ("(?x: a ) b", "", b"a b", Some(0)),
    ("a +", "extended", b"aa", Some(0)),
    ("(?i)ab(?-i)c", "", b"ABCABc", Some(3)),
    ("a(?i)b|c", "", b"C", Some(0)),
    ("(a(?i)b)c", "", b"aBC aBc", Some(4)),
    ("(?i:a)b", "", b"AB Ab", Some(3)),
    ("(?^)a", "caseless", b"Aa", Some(1)),
    ("(?i-i)a", "", b"Aa", Some(1)),
    ("(?im)^b", "", b"a\nB", Some(2)),
    ("((?x)a b) c", "", b"ab c", Some(0)),
    ("a{2}", "", b"aba{2}aa", Some(6)),
    ("a{,2}", "", b"aba{,2}", Some(2)),
    ("a{2,}", "", b"a aa", Some(2)),
    ("a{", "", b"a{", Some(0)),
    ("a{x}", "", b"a{x}", Some(0)),
    ("a{2,3}b", "", b"aaaab", Some(1)),
    ("{", "", b"{", Some(0)),
    ("a}", "", b"a}", Some(0)),
    ("x{0}y", "", b"xy", Some(1)),
    ("(a)(b)", "no_auto_capture", b"ab", Some(0)),
    ("(?n)(a)(?<x>b)\\1", "", b"abb", Some(0)),
    ("\\Qa.b\\E.", "", b"axbc a.bc", Some(5)),
    ("\\Qa.b", "", b"axb a.b", Some(4)),
    ("\\Ea", "", b"a", Some(0)),
    ("\\Aab", "", b"xab", None),
    ("\\cA", "", b"\x01", Some(0)),
    ("\\e\\a\\f\\t\\r\\n", "", b"\x1b\x07\x0c\t\r\n", Some(0)),
    ("\\x7", "", b"\x07", Some(0)),
    ("\\x", "", b"\x00", Some(0)),
    ("\\o{101}", "", b"A", Some(0)),
    ("\\012", "", b"\n", Some(0)),
    ("\\0", "", b"\x00", Some(0)),
    ("\\x{41}", "", b"A", Some(0)),
    ("\\u0041", "alt_bsux", b"A", Some(0)),
    ("\\U", "alt_bsux", b"U", Some(0)),
    ("\\u41", "alt_bsux", b"u41", Some(0)),
    ("\\x4", "alt_bsux", b"x4", Some(0)),
    ("\\x41", "alt_bsux", b"A", Some(0)),
    ("\\C", "", b"\n", Some(0)),
    ("\\-\\/\\\"\\@\\ \\_", "", b"-/\"@ _", Some(0)),
    ("\\p{Lu}", "utf", b"\xc3\x89", Some(0)),
    ("\\PL", "utf", b"a1", Some(1)),
    ("[\\p{Lu}1]", "utf", b"a1", Some(1)),
    ("b", "firstline", b"a\nb", None),
    ("b", "firstline", b"ab\n", Some(1)),
    ("(?=b)b", "firstline", b"a\nb", None),
    ("\\n", "firstline", b"a\nb", Some(1)),
    ("^$", "multiline", b"a\n\nb", Some(2)),
    ("(a|b)*c", "", b"ababc", Some(0)),
    ("", "", b"x", Some(0)),
    ("a|", "", b"b", Some(0)),
    ("(a|ab)(c|bcd)(d*)$", "", b"abcd", Some(0)),
    ("\"status\":\\s*\"(?:up|ok)\"", "", b"{\"status\": \"ok\"}", Some(1)),
    ("^(?!.*error).*$", "dotall", b"all fine\n", Some(0)),
    ("^(?!.*error).*$", "dotall", b"an error\n", None),
];

#[test]
fn patterns_match_where_those_of_pcre2_do() {
    for (regex, options, body, expected) in TABLE {
        assert_eq!(at(regex, options, body), *expected, "{regex:?} {options:?} in {:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn what_is_no_pattern_or_not_known_is_refused_with_its_reason() {
    for (regex, options, reason) in [
        ("a(b", "", "`(` is not closed"),
        ("a)b", "", "`)` has nothing to close"),
        ("[a", "", "`[` is not closed"),
        ("[z-a]", "", "ends before it begins"),
        ("a\\", "", "backslash at the end"),
        ("*a", "", "repeat"),
        ("a{70000}", "", "65535"),
        ("(?R)", "", "recursion"),
        ("(a)(?1)", "", "recursion"),
        ("(?-1)(a)", "", "recursion"),
        ("(?P>n)", "", "recursion"),
        ("(?&n)", "", "recursion"),
        ("(?C1)a", "", "callouts"),
        ("(?|a|b)", "", "counted anew"),
        ("(*ACCEPT)a", "", "(*FAIL)"),
        ("\\Ga", "", "\\G"),
        ("\\X", "", "\\X"),
        ("\\y", "", "must mean something"),
        ("\\10", "", "\\g{10}"),
        ("\\2(a)", "", "back reference"),
        ("\\pL", "", "utf"),
        ("\\C", "never_backslash_c", "forbids"),
        ("a", "utf never_utf", "contradict"),
        ("\\x{100}", "", "no character"),
        ("[[:nonsense:]]", "", "no class"),
        ("(?<1a>b)", "", "no name"),
        ("(((a{1000}){1000}){1000})", "", ""),
    ] {
        let wrong = Pattern::new(settings(regex, options)).map(|_| ()).expect_err(regex);
        assert!(wrong.to_string().to_lowercase().contains(&reason.to_lowercase()), "{regex:?}: {wrong}");
    }
}

/// PCRE2 says where what is kept of a match begins; what counts here is that there is one.
#[test]
fn what_is_taken_back_is_part_of_a_match() {
    assert_eq!(at("foo\\Kbar", "", b"xfoobar"), Some(1));
    assert_eq!(at("foo\\Kbar", "", b"xbar"), None);
}

#[test]
fn offsets_bound_where_a_match_begins() {
    let between = |regex: &str, min_offset, max_offset| {
        let pattern = pattern(BodyPattern { min_offset, max_offset, ..settings(regex, "") });
        pattern.search(b"ab ab ab", &AtomicBool::new(true)).unwrap()
    };
    for regex in ["ab", "a(?=b)"] {
        assert_eq!(between(regex, 0, None), Some(0));
        assert_eq!(between(regex, 1, None), Some(3));
        assert_eq!(between(regex, 3, Some(3)), Some(3), "both ends count");
        assert_eq!(between(regex, 4, Some(5)), None);
        assert_eq!(between(regex, 4, Some(6)), Some(6));
        assert_eq!(between(regex, 7, None), None);
        assert_eq!(between(regex, 100, None), None, "behind the end of the body");
    }
    // What stands in front of the offset is still there.
    assert_eq!(between("^ab", 3, None), None);
    assert_eq!(between("(?<=ab )ab", 3, None), Some(3));
    assert_eq!(between("\\bb", 4, None), None);
}

#[test]
fn the_end_of_what_is_searched_is_not_the_end_of_the_body() {
    let mut body = vec![b'x'; SEARCHED - 2];
    body.extend_from_slice(b"ok");
    let wanted = AtomicBool::new(true);
    for regex in ["ok$", "ok\\z", "ok\\Z", "ok(?!.)"] {
        let pattern = pattern(settings(regex, ""));
        assert_eq!(pattern.search(&body, &wanted), Ok(Some(SEARCHED - 2)), "{regex}");
        let longer: Vec<u8> = body.iter().copied().chain(*b"\nmore").take(SEARCHED + BEHIND).collect();
        let at_line_end = regex == "ok(?!.)";
        assert_eq!(pattern.search(&longer, &wanted).unwrap().is_some(), at_line_end, "{regex}");
    }
    // Nor does a match reach beyond it; one that need not is found.
    body.extend_from_slice(b"ay");
    assert_eq!(pattern(settings("okay", "")).search(&body, &wanted), Ok(None));
    assert_eq!(pattern(settings("ok.*", "")).search(&body, &wanted), Ok(Some(SEARCHED - 2)));
    assert_eq!(pattern(settings("(?<=x)ok.*", "")).search(&body, &wanted), Ok(Some(SEARCHED - 2)));
}

#[test]
fn no_body_makes_a_search_run_for_ever() {
    let wanted = AtomicBool::new(true);
    // The simple half of the engine doesn't go back at all.
    let start = Instant::now();
    let body = vec![b'a'; SEARCHED];
    assert_eq!(pattern(settings("(a+)+b", "")).search(&body, &wanted), Ok(None));
    assert_eq!(pattern(settings("^(a|aa)+$", "")).search(&body[..4096], &wanted).map(|at| at.is_some()), Ok(true));
    // Where it must, the steps are counted.
    let body = vec![b'a'; 4096];
    let bad = pattern(settings("^(?:(a+)+\\1)+b", ""));
    assert_eq!(bad.search(&body, &wanted), Err(Stopped::Backtracking));
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
}

#[test]
fn a_search_that_nobody_waits_for_ends() {
    // Each place looks through all the rest of the body.
    let slow = pattern(settings("(?=[^z]*z)a", ""));
    let body = vec![b'a'; SEARCHED];
    let wanted = AtomicBool::new(true);
    let start = Instant::now();
    let found = std::thread::scope(|scope| {
        let search = scope.spawn(|| slow.search(&body, &wanted));
        std::thread::sleep(Duration::from_millis(100));
        wanted.store(false, std::sync::atomic::Ordering::Relaxed);
        search.join().unwrap()
    });
    assert_eq!(found, Err(Stopped::Abandoned));
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
}
