//! The canonical layout: how it looks, that it is stable, and that it never changes what a file means.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{options, read};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use vipd_config::format::{Unformattable, format};
use vipd_config::{Loaded, Options, load_str};

/// The formatted text, which must be stable.
fn formatted(text: &str) -> String {
    let once = format("test.conf", text.as_bytes()).unwrap_or_else(|e| panic!("{e:?} for {text:?}"));
    let twice = format("test.conf", &once).unwrap_or_else(|e| panic!("{e:?} the second time for {text:?}"));
    let once = String::from_utf8(once).unwrap();
    assert_eq!(String::from_utf8(twice).unwrap(), once, "not stable for {text:?}");
    once
}

/// The codes and lines that keep a text from being formatted.
fn refused(text: &[u8]) -> Vec<String> {
    match format("test.conf", text) {
        Err(Unformattable::Flawed(flaws)) => common::short(&flaws, |_| true),
        other => panic!("{other:?}"),
    }
}

/// What a reading comes to, without its places.
fn meaning(loaded: &Loaded) -> (String, Vec<(String, String)>) {
    let said = loaded.diagnostics.iter().map(|d| (d.code.id().to_owned(), d.message.clone())).collect();
    (format!("{:?}", loaded.config), said)
}

#[test]
fn blocks() {
    let text = "vrrp_instance   A{interface eth0\n  virtual_router_id\t 51\nvirtual_ipaddress { 192.0.2.1/24   dev eth0 }\n\
                track_script\n\n\n{\nchk  weight 5\n}}\n";
    let wanted = "\
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.1/24 dev eth0
    }
    track_script {
        chk weight 5
    }
}
";
    assert_eq!(formatted(text), wanted);
    assert_eq!(formatted("a{}{b c}\n{\n}"), "a {\n}\n{\n    b c\n}\n{\n}\n");
}

#[test]
fn blank_lines_group() {
    assert_eq!(formatted("\n\n \na\n\n\t\n\nb\nc\n\n\n"), "a\n\nb\nc\n");
    assert_eq!(formatted("a {\n\n b\n\n c\n\n}\n\n\n# x\n\nd\n"), "a {\n    b\n\n    c\n}\n\n# x\n\nd\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted(" \n\n"), "");
}

#[test]
fn comments_stay() {
    let text = "! top   \na { # of a\n#one\n   !! two\t\nb   # behind b\nlong word ! behind long\nc#touches\n} # end\n";
    let wanted = "\
! top
a { # of a
    #one
    !! two
    b         # behind b
    long word ! behind long
    c#touches
} # end
";
    assert_eq!(formatted(text), wanted);
    // The comment of a line that is split stays behind its last piece.
    assert_eq!(formatted("a { b c } # x\n"), "a {\n    b c\n} # x\n");
    // Two comments can't share a line.
    assert_eq!(formatted("a # x\n{ # y\n}\n"), "a # x\n{ # y\n}\n");
    assert_eq!(formatted("a # x\n\n{\n}\n"), "a { # x\n}\n");
    assert_eq!(formatted("a\n{ # y\n}\n"), "a { # y\n}\n");
    assert_eq!(formatted("a\n# between\n{\n}\n"), "a\n# between\n{\n}\n");
}

#[test]
fn comments_that_are_no_utf8_stay_byte_for_byte() {
    let text = b"a { # caf\xe9\n  # \xff\xfe\n}\n";
    assert_eq!(format("x", text).unwrap(), b"a { # caf\xe9\n    # \xff\xfe\n}\n");
}

#[test]
fn quoted_words_stay_byte_for_byte() {
    assert_eq!(formatted("a  \"b   {  # c\"   d\n"), "a \"b   {  # c\" d\n");
    assert_eq!(formatted("script   \"/bin/sh -c '! test  -e /x'\"\n"), "script \"/bin/sh -c '! test  -e /x'\"\n");
    // In a command these are one word, so nothing may come between.
    assert_eq!(formatted("k  a\"b c\"d  e\n"), "k a\"b c\"d e\n");
}

#[test]
fn commands_with_quotes_of_their_own_stay_as_they_are() {
    for line in ["script '/bin/x   a'  b", r"notify /x\   y  z", r#"notify "sh -c \"a   b\""   user"#, "k  it's {"] {
        let text = if line.ends_with('{') { format!("{line}\n}}\n") } else { format!("{line}\n") };
        assert_eq!(formatted(&text), text);
    }
}

#[test]
fn references_keep_their_line() {
    let text = "vrrp_instance ${NAME}   {\npriority   $PRIO\n a { $LIST }\n}\n";
    assert_eq!(formatted(text), "vrrp_instance ${NAME}   {\n    priority   $PRIO\n    a { $LIST }\n}\n");
    // `$LIST` must be the end of its line if it stands for several.
    assert_eq!(formatted("a\n{\n$B\n{\n}\n}\n"), "a {\n    $B\n    {\n    }\n}\n");
}

#[test]
fn definitions() {
    let text = "$A=  x   y # c\n$P=a \\\n\n\n\nb\n$I= \\\n  vrrp_instance ${N}   { \\\n \t \n# in it\ninterface   eth0 \\\n}\n\n$I\n";
    let wanted = "\
$A=  x   y # c
$P=a \\

b
$I= \\
    vrrp_instance ${N}   { \\
        # in it
        interface   eth0 \\
    }

$I
";
    assert_eq!(formatted(text), wanted);
    // The empty line ends the definition even where nothing follows in this file.
    assert_eq!(formatted("$P=a \\\n\n"), "$P=a \\\n\n");
}

#[test]
fn a_conditional_definition_may_have_lines_or_not() {
    // For `here` the brace belongs to the definition; for others it closes the block.
    let text = "$X=1\na {\n@here $P=b \\\n   c   d }\n}\n";
    assert_eq!(formatted(text), "$X=1\na {\n    @here $P=b \\\n        c   d }\n}\n");
}

#[test]
fn conditions() {
    let text = "a {\n@x   b   c\n@^x    @y d {  e }\n}\n";
    assert_eq!(formatted(text), "a {\n    @x b c\n    @^x @y d { e }\n}\n");
    // What a condition covers ends with its line.
    assert_eq!(formatted("a { @x b }\n@^x c }\n"), "a {\n    @x b }\n    @^x c }\n");
    let text = "@a vrrp_instance A {\n@b vrrp_instance B {\ninterface eth0\n@a }\n@b }\nnext\n";
    assert_eq!(formatted(text), "@a vrrp_instance A {\n@b vrrp_instance B {\n    interface eth0\n@a }\n@b }\nnext\n");
    // Behind a brace there is nothing to stand beside.
    assert_eq!(formatted("@a x {\ny {@b z }\n@a }\n}\n"), "@a x {\n    y {\n        @b z }\n    @a }\n}\n");
}

#[test]
fn sequences_and_includes() {
    assert_eq!(formatted("a{~SEQ(N, 1, 3)   b {  c }\n}\n"), "a {\n    ~SEQ(N, 1, 3)   b {  c }\n}\n");
    assert_eq!(formatted("a{\ninclude   /x  y/{b,c}   # all\n}\n"), "a {\n    include /x  y/{b,c} # all\n}\n");
    assert_eq!(formatted("@x   includea   b\n"), "@x includea b\n");
    // A word and a brace, which a blank would make an include.
    assert_eq!(formatted("include{b c}\n"), "include{b c}\n");
    assert_eq!(formatted("include_check   +match{}\n"), "include_check +match {\n}\n");
}

#[test]
fn line_ends() {
    assert_eq!(formatted("a {\r\n\r\n\r\nb\r\r\n}\r"), "a {\n    b\n}\n");
    // Carriage returns and form feeds inside lines are left alone.
    assert_eq!(formatted("a {\n  b\rc\n \x0c@x d\n}\n"), "a {\n  b\rc\n \x0c@x d\n}\n");
}

#[test]
fn lines_get_no_longer_than_the_original_reads() {
    let long = "x".repeat(1020);
    assert_eq!(formatted(&format!("a {{\n{long}\n}}\n")), format!("a {{\n  {long}\n}}\n"));
    assert_eq!(formatted(&format!("{long}y\n{{\n}}\n")), format!("{long}y\n{{\n}}\n"));
    let deep = formatted(&format!("{}x\n{}", "a {\n".repeat(100), "}\n".repeat(100)));
    assert!(deep.lines().all(|l| l.len() < 70), "{deep}");
}

#[test]
fn what_is_broken_is_refused_where_it_is_broken() {
    assert_eq!(refused(b"a {\nb \"c\n}\n"), ["V0106:2"]);
    assert_eq!(refused(b"a {\n b\n"), ["V0206:1"]);
    assert_eq!(refused(b"a {\n}\n}\n"), ["V0205:3"]);
    assert_eq!(refused(b"a\n b\0c\n"), ["V0105:2"]);
    assert_eq!(refused(b"a caf\xe9\n"), ["V0105:1"]);
    assert_eq!(refused(b"~SEQ(A,1,99999999) x\n"), ["V0104:1"]);
    assert_eq!(refused(format!("a {}\n", "x".repeat(20_000)).as_bytes()), ["V0105:1"]);
    // In the lines of an id, whichever.
    assert_eq!(refused(b"@a x \"y\n@b x\n"), ["V0106:1"]);
}

#[test]
fn what_another_file_may_close_is_not_refused() {
    assert_eq!(formatted("a {\ninclude rest.conf\n"), "a {\n    include rest.conf\n");
    assert_eq!(formatted("a {\n  $END\n"), "a {\n    $END\n");
    assert_eq!(formatted("@a x {\n@b y {\n}\n"), "@a x {\n@b y {\n}\n");
}

fn every_conf(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && (name.ends_with(".conf") || name.starts_with("keepalived.conf.")) {
            found.push(path);
        }
    }
}

/// Ours and those that Debian packages: each means the same in the layout.
#[test]
fn samples() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ours = Vec::new();
    every_conf(&here.join("tests/samples"), &mut ours);
    every_conf(&here.join("../../tests/samples"), &mut ours);
    assert!(ours.len() >= 15, "{ours:?}");
    let mut all = ours.clone();
    every_conf(Path::new("/usr/share/doc/keepalived/samples"), &mut all);
    assert!(all.len() >= ours.len() + 24, "apt-get install keepalived");
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let once = match format("x", text.as_bytes()) {
            Ok(once) => String::from_utf8(once).unwrap(),
            Err(e) => panic!("{}: {e:?}", path.display()),
        };
        assert_eq!(formatted(&text), once);
        assert_eq!(meaning(&read(&once)), meaning(&read(&text)), "{}", path.display());
    }
}

/// Pieces of which every second combination is a trap.
fn piece() -> impl Strategy<Value = String> {
    let known = vec![
        "vrrp_instance",
        "track_script",
        "script",
        "include",
        "include_check",
        "includer",
        "priority",
        "eth0",
        "192.0.2.1/24",
    ];
    let odd = vec![
        " ",
        "  ",
        "\t",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\n \n",
        "\r\n",
        "\r",
        "\x0c",
        "\x0b",
        "{",
        "}",
        "{",
        "}",
        "\"",
        "\"",
        "'",
        "\\",
        "\\\n",
        " \\\n",
        "\\\"",
        "\\#",
        "\\{",
        "#",
        "!",
        "# c",
        "$A",
        "${A}",
        "$A=",
        "$A=x",
        "$P= \\\n",
        "${_HASH}",
        "${_RANDOM 1 9}",
        "@here",
        "@^here",
        "@there",
        "@",
        "~SEQ(N,1,2)",
        "~LST({A,B},{1,2})",
        "${N}",
        "\u{e9}",
        "\u{a0}",
        "\"a  b\"",
        "\"{ # }\"",
        "'x  y'",
        "~",
        "(",
        ")",
    ];
    prop_oneof![
        3 => proptest::sample::select(known).prop_map(str::to_owned),
        6 => proptest::sample::select(odd).prop_map(str::to_owned),
        1 => "[ -~]{0,6}",
    ]
}

/// A layout changes nothing of what a file means, and of what is said about it nothing but this: which of two blocks was
/// left open is guessed by how far they stand from the margin.
fn means_the_same(text: &Loaded, once: &Loaded, about: &str) {
    let guessed = |loaded: &Loaded| loaded.diagnostics.iter().any(|d| d.code.id() == "V0206");
    if guessed(text) || guessed(once) {
        assert!(text.config.is_none() && once.config.is_none(), "{about}");
    } else {
        assert_eq!(meaning(once), meaning(text), "{about}");
    }
}

fn holds(text: &str) {
    match format("x", text.as_bytes()) {
        Err(Unformattable::Flawed(_)) => {}
        Err(changed) => panic!("{changed:?} for {text:?}"),
        Ok(_) => {
            let once = formatted(text);
            for id in ["here", "there", "nobody"] {
                let options = Options { config_id: Some(id.to_owned()), ..options() };
                let load = |text| load_str("x", text, &options);
                if !text.contains("_RANDOM") && !text.contains("include") {
                    means_the_same(&load(text), &load(&once), &format!("for {id}: {text:?} came to {once:?}"));
                }
            }
        }
    }
}

#[test]
fn an_empty_line_parts_no_line_from_what_it_stands_beside() {
    let laid_out = "@there b {\n@^there c {\n    d\n}\n";
    for between in ["", "\n", "  \n\n"] {
        assert_eq!(formatted(&format!("@there b {{\n{between}@^there c {{\nd\n{between}}}\n")), laid_out);
    }
    holds("\u{b}A\n@there b {\n\n@^there c }\n}\n");
    holds("vrrp_instance vrrp_instance \\\n @here { \n\n @^here");
    holds("vrrp_instancevrrp_instance\\\n@here{\n\n@^here");
}

#[test]
fn an_open_block_may_be_told_otherwise() {
    holds(" vrrp_instance\nvrrp_instance}$A");
}

#[test]
fn an_include_behind_a_brace_keeps_its_pattern() {
    holds("@there } includer a  \"b  c\"   d\n");
    holds("a {\n@here } include x  y\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(piece(), 0..40)) {
        holds(&pieces.concat());
        holds(&pieces.join(" "));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        holds(&text);
    }
}
