//! The shape of the workspace: who may depend on whom, where `unsafe` may be, that every dependency is accounted for and
//! every file says what it is. What `cargo metadata` and the files say is read into a `Workspace`; `judge` looks at nothing
//! else.

#[cfg(test)]
mod tests;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of the workspace's own crates a crate may depend on, for tests too.
const EDGES: &[(&str, &[&str])] = &[
    ("vipd-vrrp", &[]),
    ("vipd-bfd", &[]),
    ("vipd-lvs", &[]),
    ("vipd-pattern", &["vipd-lvs"]),
    ("vipd-config", &["vipd-vrrp", "vipd-bfd", "vipd-lvs", "vipd-pattern"]),
    ("vipd-check", &["vipd-pattern"]),
    ("vipd-ipvs", &[]),
    ("vipd-sys", &[]),
    ("vipd-api", &[]),
    ("vipd", &["vipd-vrrp", "vipd-bfd", "vipd-lvs", "vipd-config", "vipd-check", "vipd-ipvs", "vipd-sys", "vipd-api"]),
    // For tests alone: nobody may depend on it.
    ("vipd-sim", &["vipd-vrrp", "vipd-bfd"]),
    ("xtask", &[]),
    ("vipd-fuzz", &["vipd-vrrp", "vipd-bfd", "vipd-config", "vipd-sys", "vipd-check"]),
    // End to end: it drives the program from outside and may look at anything but the program's inside.
    ("vipd-tests", &["vipd-vrrp", "vipd-lvs", "vipd-config", "vipd-check", "vipd-ipvs", "vipd-sys", "vipd-api"]),
];

/// The crates that decide and do nothing else: `no_std`, and only these dependencies outside their tests.
const PURE: (&[&str], &[&str]) = (&["vipd-vrrp", "vipd-bfd", "vipd-lvs"], &["serde", "hmac", "md-5", "sha2"]);

/// The crate that may hold unsafe code.
const UNSAFE: &str = "vipd-sys";

/// Where every dependency is accounted for.
const ACCOUNT: &str = "docs/dependencies.md";

/// The workspace, and the one of the fuzz targets, which needs flags of its own.
const WORKSPACES: [&str; 2] = ["", "fuzz"];

/// What is known of the workspace.
#[derive(Clone, Debug, Default)]
struct Workspace {
    crates: Vec<Crate>,
    /// `[workspace.dependencies]` that are not ours.
    dependencies: BTreeSet<String>,
    /// The text of `ACCOUNT`.
    account: String,
    /// Every Rust file, by its path from the root.
    files: BTreeMap<PathBuf, String>,
}

/// One member.
#[derive(Clone, Debug, Default)]
struct Crate {
    name: String,
    /// Its folder from the root.
    folder: PathBuf,
    manifest: String,
    dependencies: Vec<Dependency>,
}

/// One line of a member's manifest.
#[derive(Clone, Debug, Default)]
struct Dependency {
    name: String,
    kind: Kind,
    /// Its default features, and others that bring the standard library.
    std: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    #[default]
    Normal,
    Build,
    Dev,
}

/// The root of the workspace that this program was built in.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// What is wrong with the workspace at `root`: one line each, saying what to do.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>, String> {
    Ok(judge(&read(root)?))
}

fn judge(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for member in &workspace.crates {
        edges(member, workspace, &mut findings);
        purity(member, workspace, &mut findings);
        lints(member, &mut findings);
    }
    for (path, text) in &workspace.files {
        file(path, text, workspace, &mut findings);
    }
    accounts(workspace, &mut findings);
    findings
}

fn edges(member: &Crate, workspace: &Workspace, findings: &mut Vec<String>) {
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == member.name) else {
        let name = &member.name;
        findings.push(format!("{name} has no entry in EDGES of xtask: say there which crates it may depend on"));
        return;
    };
    for dependency in &member.dependencies {
        let ours = workspace.crates.iter().any(|c| c.name == dependency.name);
        if ours && !allowed.contains(&dependency.name.as_str()) {
            findings.push(format!(
                "{} depends on {}: an arrow that DESIGN does not have; move what it needs down, or pass it in",
                member.name, dependency.name
            ));
        }
    }
}

fn purity(member: &Crate, workspace: &Workspace, findings: &mut Vec<String>) {
    let (pure, allowed) = PURE;
    if !pure.contains(&member.name.as_str()) {
        return;
    }
    let name = &member.name;
    for dependency in member.dependencies.iter().filter(|d| d.kind != Kind::Dev) {
        if !allowed.contains(&dependency.name.as_str()) {
            findings.push(format!("{name} decides and does nothing else: it may not depend on {}", dependency.name));
        } else if dependency.std {
            findings.push(format!("{name} is no_std: take {} without its std and default features", dependency.name));
        }
    }
    let lib = member.folder.join("src/lib.rs");
    if !workspace.files.get(&lib).is_some_and(|text| text.lines().any(|l| l.trim() == "#![no_std]")) {
        findings.push(format!("{} does not say `#![no_std]`", lib.display()));
    }
}

/// The workspace's table of lints forbids unsafe code: every crate has it, but for the one with a table of its own.
fn lints(member: &Crate, findings: &mut Vec<String>) {
    let inherited = member.manifest.contains("[lints]\nworkspace = true");
    if !inherited && member.name != UNSAFE {
        findings.push(format!("{} does not take the workspace's lints: `[lints]` `workspace = true`", member.name));
    }
}

fn file(path: &Path, text: &str, workspace: &Workspace, findings: &mut Vec<String>) {
    if !text.starts_with("//!") {
        findings.push(format!("{} does not open with `//!`: say what it is and what it is not", path.display()));
    }
    let keeper = workspace.crates.iter().find(|c| c.name == UNSAFE);
    if keeper.is_some_and(|c| path.starts_with(&c.folder)) {
        return;
    }
    for (n, line) in text.lines().enumerate().filter(|(_, line)| has_unsafe(line)) {
        let at = format!("{}:{}", path.display(), n + 1);
        findings.push(format!("{at}: unsafe code outside {UNSAFE}: `{}`", line.trim()));
    }
}

/// Whether a line opens something unsafe. The compiler's lint is the wall; this sees what a cfg hides from it.
fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut rest = code;
    while let Some(at) = rest.find("unsafe") {
        let before = rest[..at].chars().next_back();
        let after = &rest[at + "unsafe".len()..];
        let word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        let opens = ["{", "fn ", "impl ", "impl<", "trait ", "extern ", "("];
        if word && opens.iter().any(|o| after.trim_start().starts_with(o)) {
            return true;
        }
        rest = after;
    }
    false
}

/// Declared, used and accounted for are the same set.
fn accounts(workspace: &Workspace, findings: &mut Vec<String>) {
    let accounted: BTreeSet<String> = workspace
        .account
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**").map(|(name, _)| name.to_owned()))
        .collect();
    let used: BTreeSet<&String> =
        workspace.crates.iter().flat_map(|c| c.dependencies.iter().map(|d| &d.name)).collect();
    for name in &workspace.dependencies {
        if !accounted.contains(name) {
            findings.push(format!("{name} has no line in {ACCOUNT}: what for, why this one, weight, exit plan"));
        }
        if !used.contains(name) {
            findings.push(format!("{name} is declared for the workspace and no crate uses it: remove it"));
        }
    }
    for name in accounted.difference(&workspace.dependencies) {
        findings.push(format!("{ACCOUNT} speaks of {name}, which is not a dependency of the workspace"));
    }
    let ours = |name: &String| workspace.crates.iter().any(|c| &c.name == name);
    for name in used.iter().filter(|name| !ours(name) && !workspace.dependencies.contains(**name)) {
        findings.push(format!("{name} is used past [workspace.dependencies]: declare it there, and account for it"));
    }
}

// Reading

fn read(root: &Path) -> Result<Workspace, String> {
    let (mut crates, mut dependencies) = (Vec::new(), BTreeSet::new());
    for folder in WORKSPACES.map(|folder| root.join(folder)) {
        for package in list(&metadata(&folder)?, "packages")? {
            crates.push(member(root, package)?);
        }
        dependencies.extend(declared(&text(&folder.join("Cargo.toml"))?));
    }
    dependencies.retain(|name| !crates.iter().any(|c| &c.name == name));
    let mut files = BTreeMap::new();
    for member in &crates {
        walk(root, &root.join(&member.folder), &mut files)?;
    }
    Ok(Workspace { crates, dependencies, account: text(&root.join(ACCOUNT))?, files })
}

fn metadata(root: &Path) -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("{}: {e}", cargo.display()))?;
    if !run.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&run.stderr)));
    }
    serde_json::from_slice(&run.stdout).map_err(|e| format!("cargo metadata: {e}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value[key].as_array().ok_or_else(|| format!("cargo metadata has no list `{key}`"))
}

fn word(value: &Value, key: &str) -> Result<String, String> {
    value[key].as_str().map(str::to_owned).ok_or_else(|| format!("cargo metadata has no text `{key}`"))
}

fn member(root: &Path, package: &Value) -> Result<Crate, String> {
    let path = PathBuf::from(word(package, "manifest_path")?);
    let folder = path.parent().and_then(|p| p.strip_prefix(root).ok());
    let folder = folder.ok_or_else(|| format!("{} is not below {}", path.display(), root.display()))?;
    let mut dependencies = Vec::new();
    for dependency in list(package, "dependencies")? {
        let features = list(dependency, "features")?;
        dependencies.push(Dependency {
            name: word(dependency, "name")?,
            kind: match dependency["kind"].as_str() {
                None => Kind::Normal,
                Some("build") => Kind::Build,
                Some("dev") => Kind::Dev,
                Some(other) => return Err(format!("cargo metadata has a dependency kind `{other}`")),
            },
            std: dependency["uses_default_features"] == true || features.iter().any(|f| f == "std"),
        });
    }
    Ok(Crate { name: word(package, "name")?, folder: folder.to_owned(), manifest: text(&path)?, dependencies })
}

/// The names in `[workspace.dependencies]`, which `cargo metadata` does not tell.
fn declared(manifest: &str) -> impl Iterator<Item = String> {
    let section = manifest.lines().map(str::trim).skip_while(|l| *l != "[workspace.dependencies]").skip(1);
    section
        .take_while(|l| !l.starts_with('['))
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once('=').map(|(name, _)| name.trim().to_owned()))
}

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<(), String> {
    let told = |e| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                walk(root, &path, files)?;
            }
        } else if name.ends_with(".rs") {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            files.insert(relative, text(&path)?);
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
