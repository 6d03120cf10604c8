//! Whatever the bytes are: no panic, no hang, no unbounded memory, and errors that stay countable.
#![allow(clippy::unwrap_used)] // helpers of tests, where a panic is the report

use proptest::prelude::*;
use std::ops::Add;
use std::time::{Duration, Instant};
use vipd_config::{Color, Loaded, Options, ScriptCheck, load_str, render_text};

const SAMPLES: [&str; 5] = [
    include_str!("samples/seed-drct1.conf"),
    include_str!("samples/seed-drct2.conf"),
    include_str!("samples/two-instances.conf"),
    include_str!("samples/routers.conf"),
    include_str!("samples/services.conf"),
];

fn options() -> Options {
    Options { scripts: ScriptCheck::Skip, config_id: Some("here".to_owned()), ..Options::default() }
}

/// Loads and renders; both must end soon. (The bound is for a busy machine; what it guards against takes hours.)
fn survives(text: &str) -> Loaded {
    let start = Instant::now();
    let loaded = load_str("hostile.conf", text, &options());
    let rendered = render_text(&loaded, Color::Never);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?} for {} bytes", start.elapsed(), text.len());
    assert!(loaded.diagnostics.len() <= 1000);
    assert!(rendered.len() < 2_000_000, "{} bytes rendered", rendered.len());
    loaded
}

fn fails(text: &str, code: &str) {
    let loaded = survives(text);
    assert!(loaded.config.is_none());
    assert!(loaded.diagnostics.iter().any(|d| d.code.id() == code), "{:?}", codes(&loaded));
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|d| d.code.id()).take(20).collect()
}

/// Words that a random file is made of: real ones, so that it gets past the first stages.
fn word() -> impl Strategy<Value = String> {
    let known: Vec<String> = vipd_config::keyword::all().into_iter().map(|(_, k)| k.name.to_owned()).collect();
    prop_oneof![
        6 => proptest::sample::select(known),
        3 => proptest::sample::select(vec![
            "{", "}", "{\n", "\n}\n", "\n", "\n", "\n", "\"", "'", "\\", "#", "!", "$A=", "$A", "${A}", "@here", "@^x",
            "~SEQ(A,1,5)", "~LST({A,B},{1,2})", "${_RANDOM 1 2}", "include", "192.0.2.1", "192.0.2.3-9", "10.0.0.0/8",
            "2001:db8::1", "80", "0", "255", "-1", "99999999999999999999", "1.5", "eth0", "group", "fwmark", "MASTER",
            "on", "reverse", "weight", "\u{0}", "\u{e9}", "<", "/bin/true",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_words(words in proptest::collection::vec(word(), 0..200)) {
        survives(&words.join(" "));
    }

    #[test]
    fn random_text(text in "\\PC{0,400}") {
        survives(&text);
    }

    #[test]
    fn damaged_samples(
        sample in 0..SAMPLES.len(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..4u8, word()), 1..12),
    ) {
        let mut chars: Vec<char> = SAMPLES[sample].chars().collect();
        for (index, kind, with) in edits {
            let at = index.index(chars.len().max(1)).min(chars.len());
            match kind {
                0 => chars.truncate(at),
                1 => { chars.splice(at..at, with.chars()); }
                2 => { let to = (at + 20).min(chars.len()); chars.drain(at..to); }
                _ => { if let Some(c) = chars.get_mut(at) { *c = with.chars().next().unwrap_or(' '); } }
            }
        }
        survives(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn a_sample_with_one_line_less_still_points_at_real_lines(
        sample in 0..SAMPLES.len(),
        drop in any::<proptest::sample::Index>(),
    ) {
        let lines: Vec<&str> = SAMPLES[sample].lines().collect();
        let gone = drop.index(lines.len());
        let kept = lines.iter().enumerate().filter(|(i, _)| *i != gone);
        let text: String = kept.map(|(_, line)| format!("{line}\n")).collect();
        let loaded = survives(&text);
        for d in &loaded.diagnostics {
            let Some(span) = &d.span else { continue };
            let line = text.lines().nth(span.line as usize - 1).unwrap();
            if line.contains("auth_pass") {
                prop_assert!(span.source.contains("auth_pass **"), "{}", span.source);
                prop_assert_eq!(line.chars().count(), span.source.chars().count());
            } else {
                prop_assert_eq!(line, span.source.as_str());
            }
            prop_assert!(span.col as usize + span.len as usize <= line.chars().count() + 1);
        }
    }
}

#[test]
fn a_sequence_without_end() {
    fails("~SEQ(A,1,2000000000) global_defs\n", "V0104");
    fails("~SEQ(A,1,99999999) ~SEQ(B,1,99999999) @nobody x\n", "V0104");
}

#[test]
fn sequences_nested_deeply() {
    let text = format!("{} x\n", "~SEQ(A,1,9)".repeat(200));
    fails(&text, "V0104");
}

#[test]
fn definitions_that_explode() {
    let mut text = String::from("$A0=xxxxxxxxxxxxxxxx\n");
    for i in 1..40 {
        text.push_str(&format!("$A{i}=${{A{0}}}${{A{0}}}\n", i - 1));
    }
    fails(&format!("{text}$A39\n"), "V0104");
}

#[test]
fn empty_definitions_that_explode() {
    let mut text = String::from("$A0=\n");
    for i in 1..40 {
        text.push_str(&format!("$A{i}=${{A{0}}}${{A{0}}}\n", i - 1));
    }
    fails(&format!("{text}x ${{A39}}\n"), "V0104");
}

#[test]
fn definitions_that_refer_to_themselves() {
    fails("$A=x ${A}\nrouter_id $A\n", "V0111");
    fails("$A=${B}\n$B=${A}\n$A\n", "V0111");
    fails("$A= \\\n a \\\n $A\n$A\n", "V0111");
}

#[test]
fn braces_by_the_thousand() {
    survives(&"{".repeat(16_000));
    survives(&"}".repeat(16_000));
    survives(&"{}".repeat(8_000));
    survives(&"{\n".repeat(200_000));
    survives(&"virtual_server { ".repeat(2_000));
    survives(&format!("{}\n", "virtual_server 1.2.3.4 80 {\n".repeat(100_000)));
}

#[test]
fn lines_that_are_too_long_or_no_text() {
    fails(&format!("router_id {}\n", "x".repeat(20_000)), "V0105");
    fails("global_defs {\n router_id a\u{0}b\n}\n", "V0105");
}

#[test]
fn mistakes_by_the_thousand_are_counted_not_kept() {
    let loaded = survives(&"nonsense here\n".repeat(100_000));
    assert!(loaded.config.is_none());
    assert!(loaded.unkept > 90_000, "{}", loaded.unkept);
    let text = render_text(&loaded, Color::Never);
    assert!(text.contains("and 99900 more"), "{}", &text[text.len() - 200..]);
}

#[test]
fn an_error_is_not_hidden_by_a_thousand_warnings() {
    let mut text = "global_defs {\n".to_owned();
    for i in 0..2_000 {
        text.push_str(&format!("process_names extra{i}\n"));
    }
    text.push_str("}\nnonsense\n");
    fails(&text, "V0201");
}

/// What takes the square of its length takes far longer than this with these texts.
fn survives_soon(text: &str) -> Loaded {
    let start = Instant::now();
    let loaded = survives(text);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?} for {} bytes", start.elapsed(), text.len());
    loaded
}

#[test]
fn passwords_made_of_definitions_by_the_thousand() {
    let names = |n: usize, end: &str| (0..n).map(|i| format!("$a{i}{end}")).collect::<String>();
    // On one line, which is left out, and on lines that are short enough.
    survives_soon(&format!("auth_pass {}\n{}\n", names(60_000, " "), names(60_000, "=")));
    let lines = |end: &str| (0..300).map(|_| names(2_000, end) + "\n").collect::<String>();
    survives_soon(&format!("auth_pass {}\n{}", names(2_000, " "), lines("=")));
    survives_soon(&format!("{}{}", lines(" ").replace("$a0 ", "auth_pass $a0 "), names(2_000, "=\\\n")));
    survives_soon(&"~LST(".repeat(3_000).add("\n").repeat(60));
}

#[test]
fn secrets_that_begin_alike() {
    let secrets: String = (1..1_500).map(|n| format!("auth_pass {}*\n", "-".repeat(n))).collect();
    let line = format!("{}\n", "-".repeat(16_000));
    let shown = survives_soon(&format!("{}{secrets}", line.repeat(40)));
    assert!(shown.diagnostics.iter().filter_map(|d| d.span.as_ref()).all(|s| !s.source.contains("--")));
    survives_soon(&format!("auth_pass {}\n{}", "-".repeat(9), line.repeat(500)));
}

#[test]
fn more_secrets_than_are_kept_hide_everything() {
    let secrets: String = (0..600_000).map(|n| format!("auth_pass {n:08}\n")).collect();
    let shown = survives(&format!("{secrets}nonsense 77777777\n"));
    assert!(shown.diagnostics.iter().all(|d| d.message.chars().all(|c| c == '*')));
}

#[test]
fn unknown_words_by_the_million() {
    let loaded = survives_soon(&"x\n".repeat(1_000_000));
    assert!(loaded.unkept > 900_000, "{}", loaded.unkept);
}

#[test]
fn groups_that_multiply() {
    let mut text = String::from("virtual_server_group G {\n 2001:db8::-ffff 80\n}\n");
    for _ in 0..200 {
        text.push_str("virtual_server group G {\n protocol TCP\n real_server 2001:db8::1:1 80 { }\n}\n");
    }
    fails(&text, "V0104");
    fails("virtual_server_group G {\n 0.0.0.0/0 80\n}\n", "V0502");
}

#[test]
fn trackers_that_multiply() {
    let mut text = String::new();
    for i in 0..900 {
        text.push_str(&format!("vrrp_script s{i} {{\n script /bin/true\n}}\n"));
    }
    text.push_str("vrrp_sync_group G {\n group {\n");
    for i in 0..900 {
        text.push_str(&format!("i{i}\n"));
    }
    text.push_str("}\ntrack_script {\n");
    for i in 0..900 {
        text.push_str(&format!("s{i}\n"));
    }
    text.push_str("}\n}\n");
    for i in 0..900 {
        text.push_str(&format!("vrrp_instance i{i} {{\n interface e{i}\n virtual_router_id 1\n}}\n"));
    }
    fails(&text, "V0104");
}

#[test]
fn names_that_are_nearly_right_by_the_thousand() {
    let mut text = String::new();
    for i in 0..20_000 {
        text.push_str(&format!("vrrp_script script_number_{i} {{\n script /bin/true\n}}\n"));
    }
    text.push_str("vrrp_instance A {\n interface e\n virtual_router_id 1\n track_script {\n");
    for i in 0..20_000 {
        text.push_str(&format!("script_numbr_{i}\n"));
    }
    text.push_str("}\n}\n");
    survives(&text);
}

#[test]
fn duplicates_by_the_thousand() {
    let block = "vrrp_instance A {\n interface e\n virtual_router_id 1\n priority 1\n priority 2\n}\n";
    fails(&block.repeat(20_000), "V0402");
    let server = "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 { }\n}\n";
    fails(&server.repeat(20_000), "V0501");
}

#[test]
fn a_large_honest_configuration_is_read_in_no_time() {
    let mut text = String::new();
    for i in 0..4_000u32 {
        let (a, b) = (i / 250, i % 250);
        text.push_str(&format!("virtual_server 10.{a}.{b}.1 80 {{\n lb_kind DR\n protocol TCP\n"));
        for s in 1..5 {
            text.push_str(&format!(
                " real_server 10.200.{s}.{b} 80 {{\n  TCP_CHECK {{\n connect_timeout 3\n }}\n }}\n"
            ));
        }
        text.push_str("}\n");
    }
    let start = Instant::now();
    let loaded = survives(&text);
    assert_eq!(loaded.config.map(|c| c.services.len()), Some(4_000));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn one_service_with_very_many_servers() {
    let mut text = String::from("virtual_server 192.0.2.1 80 {\nprotocol TCP\n");
    for i in 0..60_000u32 {
        let [_, a, b, c] = i.to_be_bytes();
        text.push_str(&format!("real_server 10.{a}.{b}.{c} 80 {{\nTCP_CHECK {{\n}}\n}}\nflag-1\n"));
    }
    text.push_str("}\n");
    let start = Instant::now();
    let loaded = survives(&text);
    assert_eq!(loaded.config.map(|c| c.services[0].lvs.real_servers.len()), Some(60_000));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn recipients_by_the_thousand() {
    let names: String = (0..300_000).map(|i| format!("a{i}\n")).collect();
    fails(&format!("global_defs {{\nnotification_email {{\n{names}}}\n}}\n"), "V0104");
}
