//! A password never leaves the program, however a file writes it and whatever is wrong with that file.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{instance, options, read};
use std::fmt::Write;
use std::path::Path;
use vipd_config::format::{Unformattable, format};
use vipd_config::{Color, Loaded, Options, Written, load, render_sarif, render_text, setting};

/// What must be seen nowhere.
const MARK: &str = "S3cr3tMark";

/// The mark as the bytes of a `Debug` that shows an array.
fn leaks(text: &str) -> bool {
    // Half of it is too much.
    ["S3cr", "3tMa", "83, 51, 99"].iter().any(|part| text.contains(part))
}

/// All that can be seen of what was read.
fn seen(loaded: &Loaded) -> String {
    let mut out = render_text(loaded, Color::Never) + &render_text(loaded, Color::Always);
    out += &render_sarif(loaded, Path::new("/"));
    out += &serde_json::to_string(&loaded.diagnostics).unwrap();
    let _ = write!(out, "{loaded:?}");
    loaded.diagnostics.iter().for_each(|d| out += &d.to_string());
    if let Some(config) = &loaded.config {
        for settings in [&config.written, &vipd_config::effective::effective(config)] {
            out += &setting::text(settings);
            out += &setting::json(settings).to_string();
        }
        let other = common::config(&instance("version 2\nauthentication {\nauth_type PASS\nauth_pass x\n}"));
        for (old, new) in [(config, &other), (&other, config)] {
            let plan = vipd_config::plan::plan(old, new, &vipd_config::plan::Facts::default());
            let changes = vipd_config::changes::changes(old, new);
            let _ = write!(out, "{plan:?} {changes:?}");
        }
    }
    out
}

/// Reads a main file, with another one beside it, and looks at everything there is to see of it: what was read, and the
/// lines that show the mark.
fn looked_at(main: &[u8], other: &[u8]) -> (Loaded, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("main.conf");
    std::fs::write(&path, main).unwrap();
    std::fs::write(directory.path().join("other.conf"), other).unwrap();
    let loaded = load(&path, &Options { written: Written::Keep, ..options() });
    let mut all = seen(&loaded);
    for text in [main, other] {
        if let Err(Unformattable::Flawed(flaws)) = format("x", text) {
            all += &seen(&flaws);
        }
    }
    (loaded, all.lines().filter(|line| leaks(line)).map(str::to_owned).collect())
}

/// The same where nothing may be seen.
fn conceals(main: &[u8], other: &[u8]) -> Loaded {
    let (loaded, leaks) = looked_at(main, other);
    assert!(leaks.is_empty(), "{}\n\nis shown as\n\n{}", String::from_utf8_lossy(main), leaks.join("\n"));
    loaded
}

/// An instance with these lines in its authentication.
fn auth(lines: &str) -> String {
    instance(&format!("version 2\nauthentication {{\nauth_type PASS\n{lines}\n}}"))
}

/// Lines of an authentication with the mark for `%`, and definitions in front of the file.
fn ways() -> Vec<(String, String)> {
    let way = |before: &str, lines: &str| (before.replace('%', MARK), lines.replace('%', MARK));
    vec![
        way("", "auth_pass %"),
        way("", "auth_pass % %"),
        way("", "auth_pass \"%\""),
        way("", "auth_pass \"%"),
        way("", "auth_pass \"a }%\""),
        way("", "auth_pass a\\ \"}%"),
        way("", "auth_pass a#%"),
        way("", "auth_pass %#%"),
        way("", "auth_pass %#x"),
        way("", "auth_pass\t%\u{a0}"),
        way("", "auth_pass % {\nx\n}"),
        way("", "auth_pass = %"),
        way("", "auth_pass=%"),
        way("", "auth_pass: %"),
        way("", "auth_pass%"),
        way("", "\"auth_pass %\""),
        way("", "auth_pass\n%"),
        way("", "auth_pas %"),
        way("", "AUTH_PASS %"),
        way("", "authpass %"),
        way("", "pass %"),
        way("", "auth_pass %\nauth_pass %2"),
        way("", "auth_pass ${w}%"),
        way("", "auth_pass % }"),
        way("", "auth_pass S3cr}3tMark"),
        way("", "auth_pass S3cr\\}3tMark {\nx\n}"),
        way("", "foo { a { auth_pass one } b { auth_pass % } }"),
        way("@other vrrp_instance a { authentication { auth_pass one } } vrrp_instance b { auth_pass % }", ""),
        way("$w=%", "auth_pass $w\npriority 1${w}"),
        way("$w=%", "auth_pass $w\npriority ${w}1"),
        way("", "\"auth_pass a#%\""),
        way("", "auth_pass \"a#%\" {\nx\n}"),
        way("~LST(v, a) ~LST(w, %) state $w$v", "auth_pass $w"),
        way("$v=%$w=%", "auth_pass $w\nstate $v"),
        way("", "auth_pass %\0"),
        way("$w=%", "auth_pass $w"),
        way("$w=%", "auth_pass ${w}"),
        way("$w=%#x", "auth_pass $w"),
        way("$w=\"%", "auth_pass $w"),
        way("$w =%", "auth_pass $w"),
        way("$w=\"%\"", "auth_pass $w $w"),
        way("$w=%", "auth_pass $w\npriority $w"),
        way("$w=%\n$v=$w", "auth_pass $v\nstate $w"),
        way("$w=S3cr\n$v=3tMark#x", "auth_pass $w${v}\npriority $w\nstate ${v}"),
        way("$w=\\\n%#x\n", "auth_pass $w"),
        way("$w=auth_pass %#x\\\npriority % x\n", "$w"),
        way("$w=\\\nauth_type PASS\\\nauth_pass %#x\\\nauth_pass % x\n", "$w"),
        way("$w=auth_pass", "$w %#x"),
        way("$w=%\0", "auth_pass $w"),
        way("$w=%#x", "@other auth_pass $w"),
        way("$w=%#x", "}\nnonsense {\nauth_pass $w"),
        way("", "~LST(w, %, a) auth_pass $w x"),
        way("", "~LST({v, w}, {1, %}) auth_pass $w x"),
        way("", "~SEQ(w, 1, 3) auth_pass %$w x"),
        way("$w=%#x", "~SEQ(v, 1, 3) auth_pass $w$v x"),
        way("~LST(w, %) @other x", "@other auth_pass $w"),
        way("include other.conf", "auth_pass $W x"),
        way("", "include other.conf"),
    ]
}

#[test]
fn no_way_to_write_a_password_shows_it() {
    let other = format!("$W={MARK}#x\nauth_pass {MARK}#x y\n");
    let (mut findings, mut usable, mut shown) = (0, 0, Vec::new());
    for (before, lines) in ways() {
        let whole = format!("{before}\n{}", auth(&lines));
        // As it is, with its end missing, and with other mistakes in the file.
        let cut = whole.trim_end().trim_end_matches('}').to_owned();
        for text in [whole.clone(), cut, format!("{whole}\npriority x\n{}{whole}", "x ".repeat(9_000))] {
            let (loaded, leaks) = looked_at(text.as_bytes(), other.as_bytes());
            shown.extend(leaks.first().map(|leak| format!("{before}\n{lines}\n    is shown: {leak:.300}")));
            findings += loaded.diagnostics.len();
            usable += usize::from(loaded.config.is_some());
        }
        // Bytes that are no text. (What a line means is not known to `vipd fmt`.)
        if before == "$w=auth_pass" {
            continue;
        }
        let bytes: Vec<u8> = whole.bytes().flat_map(|b| if b == b'#' { vec![0xff, b] } else { vec![b] }).collect();
        let (_, leaks) = looked_at(&bytes, b"");
        shown.extend(leaks.first().map(|leak| format!("{before}\n{lines}, not UTF-8\n    is shown: {leak:.300}")));
    }
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    assert!(findings > 200 && usable > 5, "{findings} findings, {usable} usable");
}

#[test]
fn every_word_for_a_secret_hides_it() {
    let rows = vipd_config::keyword::all();
    let secret = rows.iter().filter(|(_, row)| matches!(format!("{:?}", row.args).as_str(), "Secret" | "Key"));
    let names: Vec<&str> = secret.map(|(_, row)| row.name).collect();
    assert_eq!(names, ["password", "auth_pass", "key"]);
    let key = format!("{MARK}{}", "k".repeat(22));
    for line in [format!("key 1 {key}"), format!("key {key}"), format!("key 1 {MARK}"), format!("key 1 hex:{MARK}")] {
        conceals(instance(&format!("auth_hmac {{\n{line}\nkye 2 {MARK} x\n}}")).as_bytes(), b"");
    }
    for line in [MARK.to_owned(), format!("{MARK} x"), format!("\"{MARK}")] {
        conceals(format!("SSL {{\npassword {line}\npasword {MARK}\n}}\n{}", instance("")).as_bytes(), b"");
    }
}

#[test]
fn a_short_password_is_hidden_where_it_follows_at_once() {
    let said = seen(&read(&auth("auth_passabcde\nauth_pass=xyz")));
    assert!(said.contains("`auth_pass*****`") && said.contains("auth_pass****"), "{said}");
    assert!(!said.contains("abcde") && !said.contains("xyz"), "{said}");
}

#[test]
fn a_secret_at_the_end_of_a_text_that_is_cut_is_hidden() {
    // However much of it is left, and though it is known for one only later.
    for before in 440..498 {
        let text = format!("$w={MARK}\n{}.$w\n{}", "x".repeat(before), auth("auth_pass $w"));
        let said: String = read(&text).diagnostics.iter().map(ToString::to_string).collect();
        assert!(said.contains("xxxx.") && !said.contains(".S"), "{said}");
    }
}

#[test]
fn other_words_on_the_line_of_a_secret_are_said() {
    let text = auth("").replace("auth_type PASS", "auth_type PASS auth_pass one } virtual_router_id 999 {");
    let said = render_text(&read(&text), Color::Never);
    assert!(said.contains("`virtual_router_id`"), "{said}");
}

#[test]
fn columns_are_those_of_the_file() {
    for (line, word) in [
        ("auth_pass ääää xxxx", "xxxx"),
        ("auth_pass \u{65e5}\u{672c} xxxx", "xxxx"),
        ("auth_pass a\u{301}bc xxxx", "xxxx"),
    ] {
        let loaded = read(&auth(line));
        let spans = loaded.diagnostics.iter().filter_map(|d| d.span.as_ref());
        let span = spans.into_iter().find(|span| span.source.starts_with("auth_pass *")).unwrap();
        let col = line.split(word).next().unwrap().chars().count() + 1;
        assert_eq!((span.col as usize, span.len as usize), (col, word.len()), "{span:?}");
        let stars: String = line.chars().enumerate().map(|(i, c)| if i > 9 && c != ' ' { '*' } else { c }).collect();
        assert_eq!(span.source, stars);
    }
}

#[test]
fn the_rest_of_a_finding_stays_readable() {
    let text =
        format!("$w={MARK} # the secret\n{}", auth("auth_pass $w x\nauth_typ AH").replace("eth0", "eth0 secret"));
    let said = render_text(&conceals(text.as_bytes(), b""), Color::Never);
    for part in ["interface eth0 secret", "$w=**********", "auth_pass ** *", "did you mean `auth_type`?", "`auth_typ`"]
    {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    // A password that is a word of the language.
    let said = render_text(&conceals(auth("auth_pass pass x\npriority pass").as_bytes(), b""), Color::Never);
    assert!(said.contains("`priority`") && said.contains("auth_pass ****"), "{said}");
}

/// Where a key is kept is no secret; what stands in the same place and is none of both forms is one.
#[test]
fn the_place_of_a_key_is_shown() {
    let hmac = |lines: &str| instance(&format!("auth_hmac {{\n{lines}\n}}"));
    for (line, shown) in [
        ("key 1 file:/nowhere/vrrp-1.key", "key 1 file:/nowhere/vrrp-1.key"),
        ("key 1 \"file:/nowhere/vrrp-1.key\" x", "key 1 \"file:/nowhere/vrrp-1.key\" *"),
        ("key 1 cred:vrrp", "key 1 cred:vrrp"),
    ] {
        let said = seen(&conceals(hmac(&format!("{line}\nactive_key 1")).as_bytes(), b""));
        assert!(said.contains(shown), "{line}: {said}");
    }
    let missing = seen(&read(&hmac("key 1 file:/nowhere/vrrp-1.key\nactive_key 1")));
    assert!(missing.contains("no key can be read from /nowhere/vrrp-1.key: "), "{missing}");
    for line in [format!("key 1 file:{MARK}"), format!("key 1 files:/{MARK}"), format!("key 1 file:/a {MARK}#x")] {
        conceals(hmac(&format!("{line}\nactive_key 1")).as_bytes(), b"");
    }
    conceals(auth(&format!("auth_pass file:/{MARK} x")).as_bytes(), b"");
}
