//! The workspace as it is, and workspaces with one thing wrong each.

use super::*;

#[test]
fn this_workspace_has_the_shape_it_shall_have() {
    let findings = findings(&root()).unwrap();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn dependency(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), ..Dependency::default() }
}

fn member(name: &str, dependencies: &[&str]) -> Crate {
    Crate {
        name: name.to_owned(),
        folder: Path::new("crates").join(name),
        manifest: "[lints]\nworkspace = true\n".to_owned(),
        dependencies: dependencies.iter().map(|d| dependency(d)).collect(),
    }
}

/// A small workspace with nothing wrong.
fn good() -> Workspace {
    let mut workspace = Workspace {
        crates: vec![
            member("vipd-vrrp", &["serde"]),
            member("vipd-lvs", &[]),
            member("vipd-config", &["vipd-vrrp", "vipd-lvs", "serde"]),
            member("vipd-sys", &["libc"]),
            member("vipd", &["vipd-vrrp", "vipd-config", "vipd-sys"]),
        ],
        dependencies: ["libc", "serde"].map(str::to_owned).into(),
        account: "# Dependencies\n\n- **libc** is\n  **needed**.\n- **serde** too.\n".to_owned(),
        files: BTreeMap::new(),
    };
    for name in ["vipd-vrrp", "vipd-lvs"] {
        let path = Path::new("crates").join(name).join("src/lib.rs");
        workspace.files.insert(path, "//! Pure.\n#![no_std]\n".to_owned());
    }
    workspace.files.insert("crates/vipd-sys/src/lib.rs".into(), "//! Sys.\nfn f() { unsafe { g() } }\n".to_owned());
    workspace
}

/// What is found after `spoil` did its work.
fn found(spoil: impl FnOnce(&mut Workspace)) -> String {
    let mut workspace = good();
    spoil(&mut workspace);
    let findings = judge(&workspace);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings[0].clone()
}

fn add(workspace: &mut Workspace, path: &str, text: &str) {
    workspace.files.insert(path.into(), text.to_owned());
}

#[test]
fn a_good_one_is_good() {
    assert_eq!(judge(&good()), Vec::<String>::new());
}

#[test]
fn arrows_that_are_not_there() {
    let up = |from: usize, to: &'static str| {
        move |w: &mut Workspace| {
            let kind = Kind::Dev;
            w.crates[from].dependencies.push(Dependency { kind, ..dependency(to) });
        }
    };
    assert!(found(up(0, "vipd-lvs")).contains("vipd-vrrp depends on vipd-lvs"));
    assert!(found(up(2, "vipd-sys")).contains("vipd-config depends on vipd-sys"));
    assert!(found(up(3, "vipd")).contains("vipd-sys depends on vipd:"));
    assert!(found(|w| w.crates.push(member("vipd-news", &["vipd"]))).contains("no entry in EDGES"));
}

#[test]
fn the_pure_stay_pure() {
    assert!(found(|w| w.crates[1].dependencies.push(dependency("libc"))).contains("may not depend on libc"));
    assert!(found(|w| w.crates[0].dependencies[0].std = true).contains("no_std: take serde without"));
    assert!(found(|w| add(w, "crates/vipd-lvs/src/lib.rs", "//! Pure?\n")).contains("does not say `#![no_std]`"));
    let dev = Dependency { kind: Kind::Dev, std: true, ..dependency("libc") };
    let mut tested = good();
    tested.crates[0].dependencies.push(dev);
    assert!(judge(&tested).is_empty(), "tests may use what they like");
}

#[test]
fn unsafe_code_has_one_home() {
    // `@` stands for the word, lest this file be found guilty itself.
    for code in [
        "@ { f() }",
        "pub @ fn f() {}",
        "@ impl Send for X {}",
        "@ extern \"C\" {}",
        "#[@(no_mangle)]",
        "let x = @{f()};",
        "@ trait T {}",
        "@ impl<T> Send for X<T> {}",
    ] {
        let text = format!("//! Vipd.\n{}\n", code.replace('@', "unsafe"));
        assert!(found(|w| add(w, "crates/vipd/src/main.rs", &text)).contains("main.rs:2: unsafe code"), "{code}");
    }
    let mut harmless = good();
    let text =
        "//! Nothing unsafe { here }.\n#![forbid(unsafe_code)]\nlet s = \"unsafe\"; // unsafe { }\nnot_unsafe();\n";
    add(&mut harmless, "crates/vipd/src/main.rs", text);
    assert_eq!(judge(&harmless), Vec::<String>::new());
    assert!(found(|w| w.crates[4].manifest.clear()).contains("vipd does not take the workspace's lints"));
    let mut own = good();
    own.crates[3].manifest.clear();
    assert!(judge(&own).is_empty(), "sys has a table of its own");
}

#[test]
fn every_dependency_is_accounted_for() {
    let more = |w: &mut Workspace| {
        w.dependencies.insert("tokio".to_owned());
        w.crates[4].dependencies.push(dependency("tokio"));
    };
    assert!(found(more).contains("tokio has no line in docs/dependencies.md"));
    assert!(found(|w| w.account += "- **tokio** is gone.\n").contains("speaks of tokio"));
    assert!(found(|w| w.crates[3].dependencies.clear()).contains("libc is declared for the workspace and no crate"));
    assert!(found(|w| w.crates[4].dependencies.push(dependency("rand"))).contains("rand is used past"));
}

#[test]
fn every_file_says_what_it_is() {
    assert!(found(|w| add(w, "crates/vipd/src/x.rs", "fn f() {}\n")).contains("x.rs does not open with `//!`"));
    assert!(found(|w| add(w, "crates/vipd/src/x.rs", "// no\n")).contains("x.rs does not open with `//!`"));
}

#[test]
fn the_manifest_is_read() {
    let manifest = "[workspace]\nmembers = []\n\n[workspace.dependencies]\n# Ours\na = \"1\"\n\nb-c = { version = \"2\" }\n\
                    [workspace.lints]\nd = \"warn\"\n";
    assert_eq!(declared(manifest).collect::<Vec<_>>(), ["a", "b-c"]);
}
