//! The table for people: the page of a keyword, the pages that a search finds, the list of all. Nothing here is written
//! twice: what the table does not say is not said.

use crate::keyword::{Args, Entry, Standing, walk};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The longest line of a page.
const WIDTH: usize = 100;

/// Every place of every keyword, one `block<TAB>keyword` a line, each once.
pub fn list() -> String {
    let mut seen = BTreeSet::new();
    let entries = walk().into_iter().map(|e| format!("{}\t{}\n", e.path, e.keyword.name));
    entries.filter(|line| seen.insert(line.clone())).collect()
}

/// The page of what `path` names: a keyword with the blocks around it (`virtual_server/real_server/HTTP_GET`), or a bare
/// keyword, which may have several places. `None` if there is no such thing.
pub fn page(path: &str) -> Option<String> {
    let wanted = path.trim_matches('/');
    let entries = walk();
    let full = |e: &Entry| match plain(&e.path).as_str() {
        "" => e.keyword.name == wanted,
        path => format!("{path}/{}", e.keyword.name) == wanted,
    };
    let mut found: Vec<&Entry> = entries.iter().filter(|e| full(e)).collect();
    if found.is_empty() {
        found = entries.iter().filter(|e| e.keyword.name == wanted).collect();
    }
    if found.is_empty() {
        return None;
    }
    let pages: Vec<String> = found.into_iter().map(|e| entry(e, &entries)).collect();
    Some(pages.join("\n"))
}

/// Every row that has all these words in its name, its usage or its text, a line each: place, and what it is for.
pub fn search(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|w| w.to_lowercase()).collect();
    let mut text = String::new();
    for e in walk() {
        let k = e.keyword;
        let all = format!("{}/{} {} {} {}", e.path, k.name, k.usage, k.range, k.doc).to_lowercase();
        if words.iter().all(|w| all.contains(w.as_str())) {
            push(&mut text, &format!("{}\n", place(&e)));
            wrap(&mut text, "    ", k.doc);
        }
    }
    text
}

/// The name nearest to a path or keyword that does not exist.
pub fn nearest(path: &str) -> Option<String> {
    let wanted = path.trim_matches('/');
    let entries = walk();
    let last = wanted.rsplit('/').next().unwrap_or(wanted);
    crate::tree::nearest(last, entries.iter().map(|e| e.keyword.name)).map(str::to_owned)
}

/// The path without the marks of lines and arguments: what people type.
fn plain(path: &str) -> String {
    path.trim_start_matches('/').replace(":line", "").replace(":args", "")
}

/// Where a row stands, as people type it.
fn place(entry: &Entry) -> String {
    match plain(&entry.path).as_str() {
        "" => entry.keyword.name.to_owned(),
        path => format!("{path}/{}", entry.keyword.name),
    }
}

/// What vipd does with a keyword, in a sentence; `None` if it simply acts.
pub fn standing(standing: Standing) -> Option<String> {
    match standing {
        Standing::Acts => None,
        Standing::NotYet(instead) => Some(format!("Read and checked, not acted on yet: {instead}.")),
        Standing::Refused(why) => Some(format!("Refused: {why}.")),
        Standing::Obsolete(why) => Some(format!("Accepted, of no use: {why}.")),
        Standing::SameAs(name) => Some(format!("Another name of {name}.")),
        Standing::OldName(name) => Some(format!("The former name of {name}.")),
    }
}

fn entry(entry: &Entry, all: &[Entry]) -> String {
    let k = entry.keyword;
    let mut text = format!("{}\n", place(entry));
    wrap(&mut text, "  ", k.doc);
    push(&mut text, "\n");
    let usage = match (k.args, k.usage) {
        (Args::Flag, "") => k.name.to_owned(),
        (_, "") => format!("{} ...", k.name),
        // Words of lines say the whole line.
        (_, usage) if usage.starts_with(k.name) || k.name.starts_with(['(', '@', '$', '~']) => usage.to_owned(),
        (_, usage) => format!("{} {usage}", k.name),
    };
    field(&mut text, "Usage", &usage);
    field(&mut text, "Range", if k.range == "flag" { "" } else { k.range });
    field(&mut text, "Default", k.default);
    field(&mut text, "vipd", &standing(entry.standing()).unwrap_or_default());
    let inner = plain(&entry.path);
    let inner = if inner.is_empty() { k.name.to_owned() } else { format!("{inner}/{}", k.name) };
    let words: Vec<&Entry> = all.iter().filter(|e| plain(&e.path) == inner).collect();
    if !words.is_empty() {
        let title = if words.iter().any(|e| e.path.ends_with(":args")) { "Options" } else { "Words" };
        push(&mut text, &format!("\n  {title}\n"));
        let width = words.iter().map(|e| e.keyword.name.len()).max().unwrap_or(0).min(28);
        for word in words {
            let head = format!("    {:width$}  ", word.keyword.name);
            let mark = match word.keyword.standing {
                Standing::NotYet(_) => " (not yet)",
                Standing::Refused(_) => " (refused)",
                Standing::Obsolete(_) => " (obsolete)",
                Standing::Acts | Standing::SameAs(_) | Standing::OldName(_) => "",
            };
            wrap_behind(&mut text, &head, &format!("{}{mark}", word.keyword.doc));
        }
    }
    text
}

fn field(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        wrap_behind(text, &format!("  {name:<8}  "), value);
    }
}

/// A paragraph, every line behind `margin`.
fn wrap(text: &mut String, margin: &str, paragraph: &str) {
    wrap_behind(text, margin, paragraph);
}

/// A paragraph whose first line stands behind `head`, the rest below it.
fn wrap_behind(text: &mut String, head: &str, paragraph: &str) {
    let margin = " ".repeat(head.chars().count());
    let mut line = head.to_owned();
    let mut empty = true;
    for word in paragraph.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            push(text, &format!("{}\n", line.trim_end()));
            line.clone_from(&margin);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    push(text, &format!("{}\n", line.trim_end()));
}

fn push(text: &mut String, more: &str) {
    let _ = text.write_str(more); // a string takes everything
}

/// Files for the manual page, with what each does.
pub const EXAMPLES: [(&str, &str); 2] = [
    (
        "Two hosts share 192.0.2.100. The other one has the same but for `state BACKUP` and a lower priority:",
        include_str!("doc/shared.conf"),
    ),
    (
        "Requests to that address are spread over two web servers, and a server whose page is not there gets none:",
        include_str!("doc/spread.conf"),
    ),
];

/// The manual page vipd.conf(5), in roff.
pub fn man() -> String {
    use roff::{Roff, bold, italic, roman};
    let mut page = Roff::new();
    page.control("TH", ["vipd.conf", "5", "", "vipd", "File formats"]);
    page.control("SH", ["NAME"]);
    page.text([roman("vipd.conf - the configuration language of vipd, which is keepalived's")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        roman("vipd reads /etc/keepalived/keepalived.conf, or the file named by "),
        bold("-f"),
        roman(". What follows is every word of the language by the block that it stands in. The same for one word: "),
        bold("vipd doc"),
        roman(" WORD. What is wrong with a file, each with its line: "),
        bold("vipd check"),
        roman(" FILE."),
    ]);
    page.control("SH", ["EXAMPLES"]);
    for (what, example) in EXAMPLES {
        page.text([roman(what)]);
        page.control("PP", []);
        page.control("RS", ["4"]);
        page.control("nf", []);
        for line in example.lines() {
            page.text([roman(line)]);
        }
        page.control("fi", []);
        page.control("RE", []);
        page.control("PP", []);
    }
    let entries = walk();
    let mut section = None;
    for entry in &entries {
        if section != Some(entry.path.as_str()) {
            section = Some(entry.path.as_str());
            page.control("SH", [heading(&entry.path).to_uppercase().as_str()]);
        }
        let k = entry.keyword;
        page.control("TP", []);
        page.text([bold(k.name), roman(" "), italic(arguments(entry))]);
        let mut text = vec![roman(k.doc)];
        for (name, value) in [("Range", k.range), ("Default", k.default)] {
            if !value.is_empty() && value != "flag" {
                text.extend([roman(format!(" {name}: {value}."))]);
            }
        }
        if let Some(says) = standing(entry.standing()) {
            text.extend([roman(" "), italic(says)]);
        }
        page.text(text);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("keepalived.conf"), roman("(5)")]);
    page.to_roff()
}

/// What a path is called above its words.
fn heading(path: &str) -> String {
    match (path, path.strip_suffix(":args"), path.split_once(":line")) {
        ("/", _, _) => "top level".to_owned(),
        ("(lexer)", _, _) => "before keywords are read".to_owned(),
        (_, Some(keyword), _) => format!("{keyword}: options"),
        (_, None, Some((block, rest))) => format!("{block}{rest}: words of a line"),
        (path, None, None) => path.to_owned(),
    }
}

/// The usage of a row without the word itself.
fn arguments(entry: &Entry) -> &'static str {
    let k = entry.keyword;
    k.usage.strip_prefix(k.name).unwrap_or(k.usage).trim_start()
}

/// The page docs/compatibility.md: what vipd does with every word of the language.
pub fn compatibility() -> String {
    let entries = walk();
    let count = |wanted: fn(Standing) -> bool| entries.iter().filter(|e| wanted(e.standing())).count();
    let acts = count(|s| matches!(s, Standing::Acts | Standing::SameAs(_) | Standing::OldName(_)));
    let not_yet = count(|s| matches!(s, Standing::NotYet(_)));
    let refused = count(|s| matches!(s, Standing::Refused(_)));
    let obsolete = count(|s| matches!(s, Standing::Obsolete(_)));
    let mut text = format!(
        "# Compatibility with keepalived's configuration\n\n\
         Made from the keyword table by `make docs`; a test fails when it is out of date.\n\n\
         Every word of keepalived 2.4.3's language is read, and its values are checked. Of {} places where a word can\n\
         stand, {acts} act as they say, {not_yet} are read but not acted on yet, {refused} are refused because ignoring\n\
         them would break the service, and {obsolete} have no use here. The first kind is not listed below: `vipd doc`\n\
         explains each. A block that is refused or not acted on is listed once, without the words in it.\n",
        entries.len()
    );
    for (title, explanation, wanted) in [
        (
            "Refused",
            "A file with one of these does not load.",
            (|s| matches!(s, Standing::Refused(_))) as fn(Standing) -> bool,
        ),
        ("Not yet", "A warning names the line; how things are meanwhile:", |s| matches!(s, Standing::NotYet(_))),
        ("Of no use", "Accepted for old files:", |s| matches!(s, Standing::Obsolete(_))),
        ("Other names", "Accepted, and told as a lint where the name is an old one:", |s| {
            matches!(s, Standing::SameAs(_) | Standing::OldName(_))
        }),
    ] {
        push(&mut text, &format!("\n## {title}\n\n{explanation}\n\n| block | word | |\n| --- | --- | --- |\n"));
        // A block that is not acted on says so once, not with each of its words.
        for e in entries.iter().filter(|e| e.within.is_none() && wanted(e.keyword.standing)) {
            let says = match e.keyword.standing {
                Standing::NotYet(says) | Standing::Refused(says) | Standing::Obsolete(says) => says.to_owned(),
                Standing::SameAs(name) | Standing::OldName(name) => format!("`{name}`"),
                Standing::Acts => continue,
            };
            let block = heading(&e.path);
            push(&mut text, &format!("| {block} | `{}` | {} |\n", e.keyword.name, says.replace('|', "\\|")));
        }
    }
    text
}
