//! A corpus of broken files, `tests/broken/AREA/CASE.conf` or, with includes, `tests/broken/AREA/CASE/main.conf`. Each
//! says in itself what is found, in a comment: nothing is accepted in silence, nothing is blamed on the wrong line, and
//! nothing is said on top. What is said, word for word, is in `tests/snapshots`.
//!
//! ```text
//! priority 300  #~ error V0302      on this line
//! #~v error V0106                   on the next line
//! #~^ error V0106, lint V0904       on the line before, two of them
//! ```
//!
//! After a wanted change of the words: `INSTA_UPDATE=always cargo nextest run -p vipd-config --test broken`, and read the
//! difference.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use vipd_config::diag::{Code, Diagnostic, Level};
use vipd_config::{Color, Loaded, load, load_str, render_text};

/// `FILE:LINE: LEVEL CODE`, each as often as it is found.
type Found = BTreeMap<String, usize>;

/// Codes that no text provokes by itself: they need a missing main file, or look at this host's files.
const OF_THE_HOST: &[Code] = &[Code::FileUnusable, Code::SecretReadable];

const LEAST: usize = 120;

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

/// Every area with its cases: the file to read.
fn corpus() -> Vec<(String, Vec<PathBuf>)> {
    let name = |p: &Path| p.file_name().unwrap().to_str().unwrap().to_owned();
    let case = |p: PathBuf| if p.is_dir() { p.join("main.conf") } else { p };
    let areas = entries(Path::new("tests/broken"));
    areas.iter().map(|area| (name(area), entries(area).into_iter().map(case).collect())).collect()
}

/// The file, read without regard to this host: an open mode of the checkout is none of the file's mistakes.
fn read(file: &Path) -> Loaded {
    let mut loaded = load(file, &common::options());
    loaded.diagnostics.retain(|d| d.code != Code::SecretReadable);
    loaded
}

/// The file's name from this crate's folder: included ones have their whole path.
fn local(file: &str) -> String {
    file.trim_start_matches(env!("CARGO_MANIFEST_DIR")).trim_start_matches('/').to_owned()
}

fn found(diagnostics: &[Diagnostic]) -> Found {
    let mut out = Found::new();
    for d in diagnostics {
        let place = d.span.as_ref().map_or_else(String::new, |s| format!("{}:{}", local(&s.file), s.line));
        *out.entry(format!("{place}: {} {}", d.level, d.code)).or_default() += 1;
    }
    out
}

/// What the markers of a file announce.
fn announced(file: &Path) -> Found {
    let bytes = fs::read(file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Found::new();
    for (i, line) in lines.iter().enumerate() {
        let Some((_, marker)) = line.split_once("#~") else { continue };
        let (at, list) = match (marker.strip_prefix('v'), marker.strip_prefix('^')) {
            (Some(list), _) => (i + 1, list),
            (None, Some(list)) => (i - 1, list),
            (None, None) => (i, marker),
        };
        for one in list.split(',') {
            *out.entry(format!("{}:{}: {}", file.display(), at + 1, one.trim())).or_default() += 1;
        }
    }
    out
}

#[test]
fn what_is_found_is_what_the_markers_say() {
    let mut wrong = String::new();
    let mut cases = 0;
    for file in corpus().into_iter().flat_map(|(_, cases)| cases) {
        cases += 1;
        let loaded = read(&file);
        let mut expected = Found::new();
        let read: BTreeSet<String> = loaded.files.iter().map(|f| local(f.to_str().unwrap())).collect();
        for file in read {
            expected.extend(announced(Path::new(&file)));
        }
        assert!(!expected.is_empty(), "{} has no marker", file.display());
        let found = found(&loaded.diagnostics);
        if found != expected {
            let lines = |of: &Found, but: &Found| -> String {
                of.iter().filter(|(k, n)| but.get(*k) != Some(n)).map(|(k, n)| format!("  {n} x {k}\n")).collect()
            };
            let (missing, added) = (lines(&expected, &found), lines(&found, &expected));
            let text = render_text(&loaded, Color::Never);
            wrong += &format!("=== {}\nnot found:\n{missing}not announced:\n{added}\n{text}\n", file.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases >= LEAST, "{cases} cases");
}

/// Nobody is left alone with an error.
#[test]
fn every_error_says_what_to_do() {
    for code in Code::ALL.iter().filter(|code| code.level() == Level::Error) {
        assert!(code.advice().is_some_and(|advice| !advice.is_empty()), "{code}");
    }
    let all = corpus().into_iter().flat_map(|(_, cases)| cases).flat_map(|file| read(&file).diagnostics);
    let lost: Vec<String> =
        all.filter(|d| d.level == Level::Error && d.help.is_empty()).map(|d| d.to_string()).collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// A marker is a comment and nothing else.
#[test]
fn the_markers_mean_nothing() {
    for file in corpus().into_iter().flat_map(|(_, cases)| cases).filter(|f| !f.ends_with("main.conf")) {
        let bytes = fs::read(&file).unwrap();
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.contains("include ") {
            continue;
        }
        let plain: String = text.lines().map(|l| format!("{}\n", l.split("#~").next().unwrap())).collect();
        let name = file.to_str().unwrap();
        let loaded = load_str(name, &plain, &common::options());
        let mut found_here = found(&loaded.diagnostics);
        found_here.retain(|k, _| !k.ends_with(Code::SecretReadable.id()));
        assert_eq!(found_here, found(&read(&file).diagnostics), "{name}");
    }
}

#[test]
fn every_code_is_provoked() {
    let mut seen = BTreeSet::new();
    for file in corpus().into_iter().flat_map(|(_, cases)| cases) {
        seen.extend(read(&file).diagnostics.iter().map(|d| d.code));
    }
    let unseen: Vec<Code> = Code::ALL.iter().copied().filter(|c| !seen.contains(c)).collect();
    assert_eq!(unseen, OF_THE_HOST);
}

#[test]
fn what_is_said() {
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    for (area, cases) in corpus() {
        let mut text = String::new();
        for file in cases {
            let name = file.strip_prefix("tests/broken").unwrap().with_extension("");
            let said = render_text(&read(&file), Color::Never).replace(&root, "");
            // The marker of the line shown is not part of what is said.
            let said: String =
                said.lines().map(|l| format!("{}\n", l.split("#~").next().unwrap().trim_end())).collect();
            text += &format!("{:=<100}\n{said}\n", format!("== {} ", name.display()));
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(area, text));
    }
}

/// The errors of a text, and all that is said about it.
fn errors(text: &str) -> (Vec<Diagnostic>, String) {
    let loaded = load_str("sample.conf", text, &common::options());
    let said = render_text(&loaded, Color::Never);
    (loaded.diagnostics.into_iter().filter(|d| d.level == Level::Error).collect(), said)
}

fn line_of(diagnostic: &Diagnostic) -> usize {
    diagnostic.span.as_ref().map_or(0, |s| s.line as usize)
}

/// Sound samples with one brace taken out, or a closing one too many: one error, about that brace.
#[test]
fn one_brace_less_or_more_is_one_error() {
    let mut tried = 0;
    for path in entries(Path::new("tests/samples")) {
        let sound = fs::read_to_string(&path).unwrap();
        let line = |at: usize| sound[..at].matches('\n').count() + 1;
        let mut opens = Vec::new();
        let mut mutants = Vec::new();
        for (at, brace) in sound.char_indices().filter(|(_, c)| matches!(c, '{' | '}')) {
            let without = format!("{} {}", &sound[..at], &sound[at + 1..]);
            if brace == '{' {
                opens.push(at);
                mutants.push((without, Code::MissingOpen, Some(line(at))));
            } else {
                mutants.push((without, Code::MissingClose, Some(line(opens.pop().unwrap()))));
                // Which of the two is too many is a matter of taste.
                mutants.push((format!("{}}}{}", &sound[..at], &sound[at..]), Code::ExtraClose, None));
            }
        }
        for (text, code, line) in mutants {
            tried += 1;
            let (errors, said) = errors(&text);
            let told = matches!(&errors[..], [d] if d.code == code && line.is_none_or(|line| line_of(d) == line));
            assert!(told, "{}: {code:?}, line {line:?}:\n{said}", path.display());
        }
    }
    assert!(tried > 200, "{tried} tried");
}

/// Sound samples with a letter taken out of the first word of a line: one error at most, and on that line.
#[test]
fn one_letter_less_is_one_error() {
    let mut found = 0;
    for path in entries(Path::new("tests/samples")) {
        let sound = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = sound.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let word = line[indent..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count();
            if word < 5 {
                continue;
            }
            let at = indent + word / 2;
            let shorter = format!("{}{}", &line[..at], &line[at + 1..]);
            let text = [&lines[..i], &[&shorter], &lines[i + 1..]].concat().join("\n");
            let (errors, said) = errors(&text);
            let told = errors.iter().all(|d| line_of(d) == i + 1) && errors.len() < 2;
            assert!(told, "{}: line {}:\n{said}", path.display(), i + 1);
            found += errors.len();
        }
    }
    assert!(found > 200, "{found} found");
}
