//! `include` and its stricter relatives; finding the files that a pattern names.

use super::words::Line;
use super::{AsideKind, Checks, Frame, Lexer};
use crate::diag::{Code, Level, Report};
use crate::source::{self, Ch, File, MAX_FILES, MAX_TOTAL, Place, place_of, text_of, trim};
use glob::{MatchOptions, Pattern};
use std::fs;
use std::path::{Path, PathBuf};

/// Alternatives that braces in one pattern may make.
const MAX_ALTERNATIVES: usize = 256;
/// Characters of a pattern.
const MAX_PATTERN: usize = 1024;
/// Directory entries looked at for one pattern.
const MAX_ENTRIES: usize = 100_000;

impl Lexer<'_> {
    /// Takes the line if it is an include.
    pub(super) fn include(&mut self, line: &[Ch]) -> bool {
        let end = line.iter().position(|c| c.c == ' ' || c.c == '\t').unwrap_or(line.len());
        let checks = match text_of(&line[..end.min(9)]).as_str() {
            "include" => Checks::default(),
            "includer" => Checks { read: true, ..Checks::default() },
            "includem" => Checks { read: true, matched: true, ..Checks::default() },
            "includew" => Checks { brace: false, ..Checks::ALL },
            "includeb" => Checks { read: true, brace: true, ..Checks::default() },
            "includea" => Checks::ALL,
            _ => return false,
        };
        let pattern = trim(&line[end..]);
        let at = place_of(if pattern.is_empty() { line } else { pattern });
        if pattern.is_empty() {
            self.findings.push(Report::error(Code::MissingValue, at, "an include needs a file name or pattern"));
            return true;
        }
        if pattern.len() > MAX_PATTERN {
            let message = format!("this pattern has more than {MAX_PATTERN} characters");
            self.findings.push(Report::error(Code::TooMuch, at, message));
            return true;
        }
        if self.aside(AsideKind::Include, || format!("{} {}", text_of(&line[..end]), text_of(pattern))) {
            return true;
        }
        let checks = checks.or(self.checks());
        let (dir, text) = (self.directory(), text_of(pattern));
        let files = self.find(&text, &dir, checks, at);
        // The last one on top would be read first.
        let mut frames = Vec::new();
        for path in files {
            if let Some(file) = self.load(&path, checks, Some(at)) {
                let dir = source::directory_of(&path);
                frames.push(Frame::File { file, next: 1, dir, checks: self.checks() });
            }
        }
        for frame in frames.into_iter().rev() {
            self.push_frame(frame, at);
        }
        true
    }

    /// The files that the command line names. Checked as `includew` is.
    pub(super) fn open_main(&mut self, pattern: &Path) {
        let inherited = if self.options.include_checks_all { Checks::ALL } else { Checks::default() };
        let files = if pattern.exists() {
            vec![pattern.to_path_buf()]
        } else {
            let text = pattern.to_string_lossy();
            self.find_in(&text, Path::new("."), usize::MAX).into_iter().flat_map(|(_, found)| found).collect()
        };
        if files.is_empty() {
            let why = match fs::metadata(pattern) {
                Err(e) => e.to_string(),
                Ok(_) => "nothing there".to_owned(),
            };
            let message = format!("`{}` can't be read: {why}", pattern.display());
            self.findings.push(Report::placeless(Level::Error, Code::FileUnusable, message));
        }
        if let [first, second, ..] = &files[..] {
            let message = format!(
                "`{}` names {} files: {}, {} ...; all are read",
                pattern.display(),
                files.len(),
                first.display(),
                second.display()
            );
            self.findings.push(Report::placeless(Level::Warning, Code::Repeated, message));
        }
        for path in files.into_iter().rev() {
            if let Some(file) = self.load(&path, Checks::ALL, None) {
                let frame = Frame::File { file, next: 1, dir: source::directory_of(&path), checks: inherited };
                self.push_frame(frame, Place::NOWHERE);
            }
        }
    }

    /// The directory of the file being read.
    pub(super) fn directory(&self) -> PathBuf {
        let dir = self.frames.iter().rev().find_map(|f| match f {
            Frame::File { dir, .. } => Some(dir),
            Frame::Replay { .. } | Frame::Repeat(_) => None,
        });
        let dir = dir.unwrap_or(&self.start);
        std::path::absolute(dir).unwrap_or_else(|_| dir.clone())
    }

    fn checks(&self) -> Checks {
        let found = self.frames.iter().rev().find_map(|f| match f {
            Frame::File { checks, .. } => Some(*checks),
            Frame::Replay { .. } | Frame::Repeat(_) => None,
        });
        found.unwrap_or_default()
    }

    /// `include_check` holds from here to the end of its file. Its words are judged by the keyword table.
    pub(super) fn note_include_check(&mut self, line: &Line) {
        if line.words[0].text != "include_check" {
            return;
        }
        let mut checks = self.checks();
        if line.words.len() == 1 {
            checks = Checks::ALL;
        }
        for (i, word) in line.words[1..].iter().enumerate() {
            let (on, name) = match word.text.strip_prefix('-') {
                Some(name) => (false, name),
                None => (true, word.text.strip_prefix('+').unwrap_or(&word.text)),
            };
            if i == 0 && !word.text.starts_with(['+', '-']) {
                checks = Checks::default();
            }
            match name {
                "read" => checks.read = on,
                "match" => checks.matched = on,
                "wildcard_match" => checks.wildcard = on,
                "brace_match" => checks.brace = on,
                _ => {}
            }
        }
        let top = self.frames.iter_mut().rev().find_map(|f| match f {
            Frame::File { checks, .. } => Some(checks),
            Frame::Replay { .. } | Frame::Repeat(_) => None,
        });
        if let Some(top) = top {
            *top = checks;
        }
    }

    /// The files that a pattern names, in order; tells what it doesn't find.
    fn find(&mut self, pattern: &str, dir: &Path, checks: Checks, at: Place) -> Vec<PathBuf> {
        let alternatives = self.find_in(pattern, dir, MAX_FILES);
        let several = alternatives.len() > 1;
        let mut files: Vec<PathBuf> = Vec::new();
        let mut any = false;
        for (alternative, found) in alternatives {
            if found.is_empty() && several && checks.brace {
                let message = format!("`{alternative}` matches no file");
                self.findings.push(Report::error(Code::IncludeNothing, at, message));
            }
            any |= !found.is_empty();
            files.extend(found);
        }
        if !any && (!several || !checks.brace) {
            let wild = pattern.contains(['*', '?', '[']);
            let message = format!("`{pattern}` matches no file");
            let asked = if wild { checks.wildcard } else { checks.matched };
            let report = Report::warning(Code::IncludeNothing, at, message)
                .help(format!("relative names start from the including file's directory, {}", dir.display()));
            self.findings.push(match (asked, wild) {
                (true, _) => report.at_level(Level::Error),
                (false, true) => report.at_level(Level::Lint),
                (false, false) => report,
            });
        }
        files
    }

    /// Each brace alternative of a pattern with the files that it matches.
    fn find_in(&self, pattern: &str, dir: &Path, most: usize) -> Vec<(String, Vec<PathBuf>)> {
        let mut alternatives = Vec::new();
        expand_braces(pattern, &mut alternatives);
        alternatives
            .into_iter()
            .map(|alternative| {
                let found = matches(&alternative, dir, most);
                (alternative, found)
            })
            .collect()
    }

    /// Reads a file; tells why not.
    fn load(&mut self, path: &Path, checks: Checks, at: Option<Place>) -> Option<u32> {
        if self.findings.map.files.len() >= MAX_FILES || self.findings.map.total >= MAX_TOTAL {
            self.stop(at.unwrap_or(Place::NOWHERE), "reading stopped here: too many included files, or too large ones");
            return None;
        }
        match source::read(path) {
            Ok(bytes) => Some(self.findings.map.add(File::new(path.display().to_string(), bytes, at))),
            Err(why) => {
                let message = format!("`{}` {}", path.display(), why.why());
                let mut report = match at {
                    Some(at) => {
                        let level = if checks.read { Level::Error } else { Level::Warning };
                        Report::warning(Code::IncludeSkipped, at, format!("{message}, and is left out")).at_level(level)
                    }
                    None => Report::placeless(Level::Error, Code::FileUnusable, message),
                };
                if let Some(help) = why.help(path) {
                    report = report.help(help);
                }
                self.findings.push(report);
                None
            }
        }
    }
}

/// `a{b,c}d` as `abd` and `acd`, nested ones too.
fn expand_braces(pattern: &str, out: &mut Vec<String>) {
    if out.len() >= MAX_ALTERNATIVES {
        return;
    }
    let whole = |out: &mut Vec<String>| out.push(pattern.to_owned());
    let Some(open) = pattern.find('{') else {
        return whole(out);
    };
    let (mut depth, mut start) = (0usize, open + 1);
    let mut parts = Vec::new();
    for (i, c) in pattern.char_indices().skip_while(|(i, _)| *i < open) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                parts.push(&pattern[start..i]);
                start = i + 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    parts.push(&pattern[start..i]);
                    for part in parts {
                        expand_braces(&format!("{}{part}{}", &pattern[..open], &pattern[i + 1..]), out);
                    }
                    return;
                }
            }
            _ => {}
        }
    }
    whole(out)
}

/// The files that a pattern without braces matches, in order of their names. Not the `glob` crate's walk: that one has
/// no bound on the directories it enters.
fn matches(pattern: &str, dir: &Path, most: usize) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { dir.to_path_buf() };
    let mut found = vec![start];
    let mut budget = MAX_ENTRIES;
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    for component in pattern.split('/').filter(|c| !c.is_empty()) {
        let mut next = Vec::new();
        // `**` means no more than `*` in a C library's glob.
        let component = component.replace("**", "*");
        let glob = component.contains(['*', '?', '[']).then(|| Pattern::new(&component).ok()).flatten();
        let Some(glob) = glob else {
            next.extend(found.into_iter().map(|p| p.join(&component)).filter(|p| p.exists()));
            found = next;
            continue;
        };
        for path in found {
            let Ok(entries) = fs::read_dir(&path) else { continue };
            let mut names: Vec<_> = Vec::new();
            for entry in entries.flatten() {
                if budget == 0 {
                    break;
                }
                budget -= 1;
                names.push(entry.file_name());
            }
            names.sort();
            let fits = names.into_iter().filter(|n| n.to_str().is_some_and(|n| glob.matches_with(n, options)));
            next.extend(fits.take(most.saturating_sub(next.len())).map(|n| path.join(n)));
        }
        found = next;
    }
    if pattern.trim_matches('/').is_empty() { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn braces(pattern: &str) -> Vec<String> {
        let mut out = Vec::new();
        expand_braces(pattern, &mut out);
        out
    }

    #[test]
    fn braces_make_alternatives() {
        assert_eq!(braces("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(braces("{a,b{1,2}}"), ["a", "b1", "b2"]);
        assert_eq!(braces("a{b"), ["a{b"]);
        assert_eq!(braces("plain"), ["plain"]);
        assert!(braces(&"{a,b}".repeat(40)).len() <= MAX_ALTERNATIVES);
    }

    #[test]
    fn patterns_match_in_order_and_skip_dot_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".c.conf", "d.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |p: &str| -> Vec<String> {
            let found = matches(p, dir.path(), 100);
            found.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(names("d.txt"), ["d.txt"]);
        assert_eq!(names("[ab].conf"), ["a.conf", "b.conf"]);
        assert!(names("missing").is_empty());
    }
}
