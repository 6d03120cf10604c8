//! Findings as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the lines. Section numbers are that
//! standard's.

use crate::Loaded;
use crate::diag::{Code, Diagnostic, Level, Related, Span};
use serde_json::{Value, json};
use std::path::{Component, Path, PathBuf};

/// The schema that the output follows, by its identifier.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The name of the directory that relative file names start from.
const BASE: &str = "SRCROOT";

/// All findings as one SARIF log with one run. Files in `base`, an absolute directory, are named relative to it, others
/// by their whole path.
pub fn render_sarif(loaded: &Loaded, base: &Path) -> String {
    let mut artifacts: Vec<Value> = Vec::new();
    for file in &loaded.files {
        // One file may have been read by two names.
        let artifact = json!({ "location": location_of(file, base) });
        if !artifacts.contains(&artifact) {
            artifacts.push(artifact);
        }
    }
    let results: Vec<Value> = loaded.diagnostics.iter().map(|d| result(d, base)).collect();
    let mut invocation = json!({ "executionSuccessful": true });
    if loaded.unkept > 0 {
        let text = format!("{} further findings are left out", loaded.unkept);
        invocation["toolExecutionNotifications"] = json!([{ "level": "warning", "message": { "text": text } }]);
    }
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vipd",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Code::ALL.iter().map(|code| rule(*code)).collect::<Vec<Value>>(),
            } },
            "invocations": [invocation],
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { BASE: { "uri": file_uri(base) + "/" } },
            "artifacts": artifacts,
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "name": code.name(),
        "shortDescription": { "text": plain(code.title()) },
        "defaultConfiguration": { "level": level(code.level()) },
    })
}

/// `note` is for what is worth a look (3.27.10).
fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Lint => "note",
    }
}

fn result(diagnostic: &Diagnostic, base: &Path) -> Value {
    let label = if diagnostic.label.is_empty() { String::new() } else { format!(" ({})", diagnostic.label) };
    let message = format!("{}{label}", diagnostic.message);
    let lines = |head: &str| -> String { diagnostic.help.iter().map(|help| format!("{head}{help}")).collect() };
    let mut result = json!({
        "ruleId": diagnostic.code.id(),
        "level": level(diagnostic.level),
        "message": { "text": plain(&format!("{message}{}", lines("\nhelp: "))) },
    });
    // HTML must not stand in it (3.11.4.2), and a file may say anything.
    let markdown = format!("{message}{}", lines("\n\n**help:** "));
    if !markdown.contains('<') {
        result["message"]["markdown"] = json!(plain(&markdown));
    }
    if let Some(index) = Code::ALL.iter().position(|code| *code == diagnostic.code) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(span) = &diagnostic.span {
        result["locations"] = json!([{ "physicalLocation": physical(span, base) }]);
    }
    if !diagnostic.related.is_empty() {
        let related: Vec<Value> = (1..).zip(&diagnostic.related).map(|(id, place)| also(id, place, base)).collect();
        result["relatedLocations"] = Value::Array(related);
    }
    result
}

fn also(id: u32, place: &Related, base: &Path) -> Value {
    json!({
        "id": id,
        "message": { "text": plain(&place.label) },
        "physicalLocation": physical(&place.span, base),
    })
}

/// The place, with the characters that stand there (3.30.13). The end column is the one behind it (3.30.8).
fn physical(span: &Span, base: &Path) -> Value {
    json!({
        "artifactLocation": location_of(Path::new(&span.file), base),
        "region": {
            "startLine": span.line,
            "startColumn": span.col,
            "endLine": span.line,
            "endColumn": span.col + span.len,
            "snippet": { "text": span.source.get(span.range.0..span.range.1).unwrap_or_default() },
        },
    })
}

/// In a message `{0}` stands for an argument (3.11.5) and `[text](1)` for a link (3.11.6); we have neither.
fn plain(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}").replace("](", "\\](")
}

/// The file relative to the base, with `uriBaseId`, or as a whole.
fn location_of(file: &Path, base: &Path) -> Value {
    let whole = normal(&base.join(file));
    match whole.strip_prefix(normal(base)) {
        Ok(inside) => json!({ "uri": encoded(inside), "uriBaseId": BASE }),
        Err(_) => json!({ "uri": file_uri(&whole) }),
    }
}

/// Without `.` and `..`, by the letters alone: so that a relative name never climbs out of its base.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(component),
        }
    }
    out
}

fn file_uri(path: &Path) -> String {
    format!("file://{}", encoded(&normal(path)).trim_end_matches('/'))
}

/// Every byte but the unreserved ones and `/` in percent notation (RFC 3986, 2.1 and 2.3).
fn encoded(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut out = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(file: &str, base: &str) -> (String, bool) {
        let found = location_of(Path::new(file), Path::new(base));
        (found["uri"].as_str().unwrap_or_default().to_owned(), found.get("uriBaseId").is_some())
    }

    #[test]
    fn files_are_named_relative_to_the_base_or_whole() {
        assert_eq!(location("a b.conf", "/site"), ("a%20b.conf".to_owned(), true));
        assert_eq!(location("./conf.d/x.conf", "/site"), ("conf.d/x.conf".to_owned(), true));
        assert_eq!(location("/site/conf.d/x.conf", "/site"), ("conf.d/x.conf".to_owned(), true));
        assert_eq!(location("../x.conf", "/site"), ("file:///x.conf".to_owned(), false));
        assert_eq!(location("/etc/ü.conf", "/site"), ("file:///etc/%C3%BC.conf".to_owned(), false));
        // A colon in the first segment would be read as a scheme.
        assert_eq!(location("a:b%", "/site"), ("a%3Ab%25".to_owned(), true));
    }

    #[test]
    fn nothing_in_a_message_is_a_placeholder_or_a_link() {
        assert_eq!(plain("a `}` is missing, {0} [x](1)"), "a `}}` is missing, {{0}} [x\\](1)");
    }
}
