//! The rules of the lexer, one by one: what a text comes to before any keyword is looked at.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

mod common;

use common::{config, found, options, read, said, words, words_after};
use vipd_config::{Options, load_str};

#[test]
fn physical_lines() {
    assert_eq!(words("  a  \t\n\tb\t"), ["a", "b"]);
    assert_eq!(words("a\r\nb\r"), ["a", "b"]);
    // Old files have form feeds between their pages.
    assert_eq!(words("a\n\x0c\n \x0b \nb"), ["a", "b"]);
    // The last line needs no newline.
    assert_eq!(config("global_defs {\nrouter_id last\n}").global.router_id, "last");
}

#[test]
fn a_line_with_nul_is_told_and_left_out() {
    assert_eq!(found("global_defs {\nrouter_id a\0b\n}\n"), ["V0105:2"]);
}

#[test]
fn the_place_of_a_line_left_out_is_a_whole_character() {
    let loaded = read("\u{e9} \0\n");
    let span = loaded.diagnostics[0].span.as_ref().unwrap();
    assert_eq!((span.col, span.len, span.source.as_str()), (3, 1, "\u{e9} \0"));
}

#[test]
fn no_continuation_of_ordinary_lines() {
    assert_eq!(words("a \\\nb"), ["a", "\\", "b"]);
    assert_eq!(found(&common::instance("priority 90 \\")), ["V0208:4"]);
}

#[test]
fn lines_beyond_the_original_limit_are_fine() {
    let long = "x".repeat(5000);
    assert_eq!(words(&long), [long]);
}

#[test]
fn text_that_is_not_utf8_is_told_outside_comments_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin1.conf");
    std::fs::write(&path, b"global_defs { # caf\xe9\nrouter_id caf\xe9\n}\n").unwrap();
    let loaded = vipd_config::load(&path, &options());
    assert_eq!(common::short(&loaded, |_| true), ["V0105:2"]);
    assert_eq!(loaded.diagnostics[0].span.as_ref().map(|s| s.col), Some(14));
}

#[test]
fn comments() {
    assert_eq!(words("ab#cd\nef!gh"), ["ab", "ef"]);
    assert_eq!(words("\"ab#cd\" \"ef!gh\" # x"), ["ab#cd", "ef!gh"]);
    assert_eq!(words("'a#b'"), ["'a"]);
    assert_eq!(words(r"a\#b \!c"), ["a#b", "!c"]);
    // An escaped quote neither opens nor closes, so this `#` is protected; the words then find a quote too many.
    assert_eq!(found("global_defs {\nnotification_email {\n\"a \\\" # b\"\n}\n}\n"), ["V0106:3"]);
}

#[test]
fn an_unclosed_quote_is_an_error_where_it_opens() {
    let loaded = read("global_defs {\nrouter_id \"abc\n}\n");
    assert_eq!(common::short(&loaded, |_| true), ["V0106:2"]);
    assert_eq!(loaded.diagnostics[0].span.as_ref().map(|s| s.col), Some(11));
}

#[test]
fn word_table() {
    assert_eq!(words(r#"a "b c" d"#), ["a", "b c", "d"]);
    assert_eq!(words(r#"ab"c d"ef"#), ["ab", "c d", "ef"]);
    assert_eq!(words("it's"), ["it's"]);
    assert!(said("global_defs {\nnotification_email {\n\"q\\\"r s\"\n}\n}\n").contains("V0106"));
}

#[test]
fn braces_need_no_blanks_and_share_lines() {
    assert_eq!(words("a}}global_defs{notification_email{b c"), ["b", "c", "a"]);
    let glued = config("vrrp_instance A{interface e\nvirtual_router_id 1\nvirtual_ipaddress{192.0.2.1}}");
    assert_eq!(glued.instances[0].vrrp.addresses.len(), 1);
    assert_eq!(words("\"{\" \"}\""), ["{", "}"]);
}

#[test]
fn single_quotes_do_not_protect_braces() {
    assert!(!found("global_defs {\nnotification_email {\n'{'\n}\n}\n").is_empty());
}

#[test]
fn an_opening_brace_on_its_own_line() {
    assert_eq!(config("global_defs\n{\nrouter_id x\n}\n").global.router_id, "x");
}

#[test]
fn conditions_keep_or_drop_the_line() {
    assert_eq!(words("@here a\n@there b\n@^here c\n@^there d\n@here"), ["a", "d"]);
    assert_eq!(words("@hereafter x\n@her y\n@HERE z\nw"), ["w"]);
    assert_eq!(words("@here @^there a\n@here @there b\nc"), ["a", "c"]);
}

#[test]
fn a_false_condition_takes_braces_with_it() {
    let text = "virtual_server_group X {\n@here 192.0.2.1 80\n@there 192.0.2.2 80 }\n}\n\
                virtual_server group X {\nprotocol TCP\nreal_server 10.0.0.1 80 { }\n}\n";
    assert_eq!(config(text).services[0].lvs.keys.len(), 1);
}

#[test]
fn a_condition_may_follow_a_brace() {
    let text = common::instance("").replace("{\n", "{ @here priority 120\n@there priority 90 }\n");
    assert_eq!(config(&text).instances[0].vrrp.priority.0, 120);
}

#[test]
fn the_config_id_defaults_to_the_host_name_up_to_its_dot() {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let id = name.trim().split('.').next().unwrap();
    let text = format!("@{id} global_defs {{\n@{id} router_id mine\n@{id} }}\n");
    let loaded = load_str("x", &text, &Options::default());
    assert_eq!(loaded.config.unwrap().global.router_id, "mine");
}

#[test]
fn a_file_for_other_ids_says_so() {
    let text = said("global_defs {\n@high router_id a\n@low router_id b\n}\n");
    assert!(text.contains("`high`, `low`") && text.contains("`here`"), "{text}");
    assert!(!said("@here global_defs {\n@low router_id b\n}\n").contains("left out"));
}

#[test]
fn definitions() {
    assert_eq!(words_after("$A=x", "$A\n${A}y\n$A,z\n$A)"), ["x", "xy", "x,z", "x)"]);
    assert_eq!(words_after("$A=x y", "a$A\n"), ["ax", "y"]);
    assert_eq!(words_after("$A=1\n$A=2", "$A"), ["2"]);
    assert_eq!(words_after("$A=", "x${A}y"), ["xy"]);
    assert_eq!(words_after("$A=   x", "<$A"), ["<x"]);
    assert_eq!(words_after("$A=\"b c\"", "$A"), ["b c"]);
    assert_eq!(words_after("$A=x # comment", "${A}y"), ["xy"]);
    // A quote is none of the characters that may follow the short form.
    assert_eq!(words_after("$A=x", "\"$A\" y"), ["$A", "y"]);
}

#[test]
fn the_whole_name_must_match() {
    assert_eq!(words_after("$A=x\n$B=y", "$AB\n$A.b\n$A-b\nz"), ["$AB", "$A.b", "$A-b", "z"]);
}

#[test]
fn substitution_at_use_recursive_and_in_quotes() {
    assert_eq!(words_after("$A=$B z\n$B=1", "$B=2\n$A"), ["2", "z"]);
    assert_eq!(words_after("$A=x", "\"q ${A} r\""), ["q x r"]);
}

#[test]
fn a_blank_before_the_equals_sign_is_told_and_the_name_is_known_all_the_same() {
    assert_eq!(found("$A =x\nglobal_defs {\nrouter_id ${A}\n}\n"), ["V0108:1"]);
}

#[test]
fn an_undefined_braced_name_is_an_error_outside_quotes() {
    assert_eq!(found("global_defs {\nrouter_id ${NOPE}\n}\n"), ["V0110:2"]);
    assert_eq!(words("\"${NOPE} x\""), ["${NOPE} x"]);
    assert!(said("$HOST=1\nglobal_defs {\nrouter_id ${HOTS}\n}\n").contains("`HOST`"));
}

#[test]
fn one_pass_only() {
    assert_eq!(found("$IF=@here\n$IF global_defs {\n}\n"), ["V0201:1"]);
    assert_eq!(found("$S=~SEQ(A,1,2)\n$S global_defs {\n}\n"), ["V0201:1"]);
}

#[test]
fn multi_line_definitions() {
    let pair = "$PAIR= \\\n  192.0.2.${HOST}/24 \\\n # a comment\n  \t\n @there b \\\n  192.0.2.2${HOST}/24\n";
    assert_eq!(words_after(pair, "$HOST=7\n$PAIR\nz"), ["192.0.2.7/24", "192.0.2.27/24", "z"]);
    // A completely empty line ends the definition, even after a backslash.
    assert_eq!(words_after("$P=a \\\nb \\\n\n$Q=c", "$P\n$Q"), ["a", "b", "c"]);
    assert_eq!(words_after("$P=a \\\nb", "x $P\ny"), ["x", "a", "b", "y"]);
}

#[test]
fn multi_line_definitions_nest() {
    assert_eq!(words_after("$I=b \\\nc\n$O=a \\\n$I \\\nd", "$O\ne"), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_multi_line_definition_holds_blocks() {
    let block = "$I= \\\nvrrp_instance ${N} { \\\ninterface eth0 \\\nvirtual_router_id ${ID} \\\n}\n";
    let config = config(&format!("{block}$N=A\n$ID=1\n$I\n$N=B\n$ID=2\n$I\n"));
    assert_eq!(config.instances.iter().map(|i| i.vrrp.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
}

#[test]
fn a_multi_line_definition_must_end_the_line() {
    assert_eq!(found("$P=a \\\nb\nglobal_defs {\nrouter_id $P x\n}\n")[0], "V0112:4");
}

#[test]
fn predefined_names() {
    assert_eq!(words("${_INSTANCE}\n\"a${_HASH}b${_BANG}\""), ["here", "a#b!"]);
    assert_eq!(words("a${_HASH}b ${_BANG}c"), ["a#b", "!c"]);
    assert_eq!(words("x${_ENV VIPD_TEST_SURELY_UNSET}y"), ["xy"]);
    assert_eq!(words("${_ENV PATH}x")[0].split(':').count(), std::env::var("PATH").unwrap().split(':').count());
    assert_eq!(words_after("$_PWD=/own", "$_PWD"), ["/own"]);
    let here = std::env::current_dir().unwrap();
    assert_eq!(words("${_PWD}"), [here.to_str().unwrap()]);
}

#[test]
fn random_numbers_stay_in_range() {
    for _ in 0..20 {
        let n: u32 = words("${_RANDOM 5 7}")[0].parse().unwrap();
        assert!((5..=7).contains(&n));
        assert!(words("${_RANDOM}")[0].parse::<u32>().unwrap() <= 32767);
        assert_eq!(words("${_RANDOM 9 9}"), ["9"]);
    }
}

#[test]
fn predefined_names_with_wrong_parameters() {
    for bad in ["${_ENV}", "${_ENV A B}", "${_RANDOM 3 1}", "${_RANDOM a}", "${_PWD x}"] {
        assert_eq!(found(&format!("global_defs {{\nrouter_id x{bad}\n}}\n")), ["V0113:2"], "{bad}");
    }
}

#[test]
fn sequences() {
    assert_eq!(words("~SEQ(N,2) a$N"), ["a1", "a2"]);
    assert_eq!(words("~SEQ(N,3) a${N}"), ["a1", "a2", "a3"]);
    assert_eq!(words("~SEQ(N,5,3) ${N}"), ["5", "4", "3"]);
    assert_eq!(words("~SEQ(N,0,5,20) ${N}"), ["0", "5", "10", "15", "20"]);
    assert_eq!(words("~SEQ(N,0) ${N}"), ["1", "0"]);
    assert_eq!(words("~SEQ(N,-2) ${N}"), ["-1", "-2"]);
    assert_eq!(words("~SEQ(N,1,3,5) ${N}"), ["1", "4"]);
    assert_eq!(words("~SEQ(N,0x10,021) ${N}"), ["16", "17"]);
    assert_eq!(words("~SEQx(N,14,17) ${N}"), ["e", "f", "10", "11"]);
}

#[test]
fn sequences_nest_leftmost_outermost() {
    assert_eq!(words("~SEQ(A,2) ~SEQ(B,8,9) ${A}${B}"), ["18", "19", "28", "29"]);
}

#[test]
fn sequences_take_definitions_and_keep_their_last_value() {
    assert_eq!(words_after("$MAX=2", "~SEQ(N,1,$MAX) a${N}\nlast${N}"), ["a1", "a2", "last2"]);
}

#[test]
fn lists() {
    assert_eq!(words("~LST(N,x,y) a${N}"), ["ax", "ay"]);
    assert_eq!(words("~LST({A,B},{1,2},{3}) ${A}-${B}."), ["1-2.", "3-."]);
    assert_eq!(words_after("$V=7", "~LST(N,$V,8) a${N}"), ["a7", "a8"]);
}

#[test]
fn broken_sequences() {
    for bad in [
        "~SEQ(A,1,0,5) x",
        "~SEQ(A,1,-1,5) x",
        "~SEQ(1A,2) x",
        "~SEQ(A) x",
        "~SEQ(A,b) x",
        "~SEQ(A,1,2,3,4) x",
        "~SEQ(A,5",
        "~SEQx(A,-1) x",
        "~LST(A) x",
        "~LST({A,B},{1,2,3}) x",
        "~LST(,1) x",
    ] {
        assert_eq!(found(&format!("{bad}\n")), ["V0109:1"], "{bad}");
    }
    assert_eq!(found("~UNKNOWN(A,1) x\n"), ["V0201:1"]);
}

#[test]
fn a_sequence_of_blocks() {
    let text = "$ONE= \\\nvrrp_instance I${N} { \\\ninterface eth0 \\\nvirtual_router_id ${N} \\\n}\n~SEQ(N,3) $ONE\n";
    assert_eq!(config(text).instances.len(), 3);
}

#[test]
fn findings_point_at_the_definition_and_at_its_use() {
    let loaded = read("$PRIO=300\nvrrp_instance A {\ninterface e\nvirtual_router_id 1\npriority $PRIO\n}\n");
    let d = &loaded.diagnostics[0];
    let at = |s: &vipd_config::diag::Span| (s.line, s.col, s.len);
    assert_eq!((d.code.id(), at(d.span.as_ref().unwrap())), ("V0302", (1, 7, 3)));
    assert_eq!(
        d.related.iter().map(|r| (r.label.as_str(), at(&r.span))).collect::<Vec<_>>(),
        [("expanded here", (5, 10, 5))]
    );
}

#[test]
fn a_comment_in_the_middle_of_a_word_is_suspect() {
    let auth = |pass: &str| common::instance(&format!("authentication {{\nauth_type PASS\nauth_pass {pass}\n}}"));
    assert_eq!(found(&auth("ab!cd")), ["V0115:6"]);
    assert_eq!(found(&auth("\"ab!cd\"")), Vec::<String>::new());
    assert!(said("net_namespace a#b\n").contains("lint[V0115]"));
    assert!(!said("global_defs {# x\n}# y\n").contains("V0115"));
}
