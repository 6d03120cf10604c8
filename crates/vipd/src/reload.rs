//! `vipd reload`: has the running daemon read its configuration again, waits, and shows what came of it.

use crate::control::ask;
use crate::output::{counted, print, print_json};
use crate::status::{in_place, shown};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use vipd_api::{Reloaded, Reply, Request};

/// How long to wait: a file may be large, and the processes take it over one by one.
const PATIENCE: Duration = Duration::from_secs(130);

/// 0: in force; 1: no answer was to be had; 2: refused, the running configuration stays.
pub(crate) fn run(socket: &Path, json: bool) -> ExitCode {
    let reloaded = match ask(socket, &Request::Reload, PATIENCE) {
        Ok(Reply::Reload(reloaded)) => reloaded,
        Ok(_) => {
            eprintln!("vipd reload: the daemon answered something else");
            return ExitCode::FAILURE;
        }
        Err(e) => {
            eprintln!("vipd reload: {e}");
            return ExitCode::FAILURE;
        }
    };
    let code = if reloaded.taken { ExitCode::SUCCESS } else { ExitCode::from(2) };
    if json { print_json("reload", &reloaded, code) } else { print("reload", &text(&reloaded), code) }
}

fn text(reloaded: &Reloaded) -> String {
    let Reloaded { file, taken, changes, more_changes, warnings, findings, silent, took } = reloaded;
    let file = shown(file);
    let mut text = String::new();
    // Writing to a string can't fail.
    if !taken {
        for line in findings.lines() {
            let _ = writeln!(text, "{}", in_place(line));
        }
        let _ = writeln!(text, "refused: {file} is not usable; the running configuration stays in force");
        return text;
    }
    for change in changes {
        let _ = writeln!(text, "  {}", shown(change));
    }
    if *more_changes > 0 {
        let _ = writeln!(text, "  and {more_changes} more");
    }
    let found = match changes.len().saturating_add(*more_changes) {
        0 => "it means the same as before".to_owned(),
        n => counted(n, "change"),
    };
    let warned = match warnings {
        0 => String::new(),
        n => format!("; {}: vipd check {file}", counted(*n, "warning")),
    };
    let _ = writeln!(text, "{file} is in force after {took:.3} s: {found}{warned}");
    if !silent.is_empty() {
        let _ = writeln!(text, "not heard from in time: {}; see `vipd status`", silent.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_came_of_it() {
        let taken = Reloaded {
            file: "/etc/keepalived/keepalived.conf".to_owned(),
            taken: true,
            changes: vec!["added vrrp_instance A".to_owned()],
            took: 0.0123,
            ..Reloaded::default()
        };
        assert_eq!(
            text(&taken),
            "  added vrrp_instance A\n/etc/keepalived/keepalived.conf is in force after 0.012 s: 1 change\n"
        );
        let many = text(&Reloaded { more_changes: 7, ..taken.clone() });
        assert!(many.contains("  and 7 more\n") && many.ends_with(": 8 changes\n"), "{many}");
        let same = Reloaded { changes: vec![], warnings: 2, silent: vec!["check".to_owned()], ..taken.clone() };
        let page = text(&same);
        assert!(
            page.contains("means the same")
                && page.contains("2 warnings")
                && page.contains("not heard from in time: check")
        );
        assert!(text(&Reloaded { warnings: 1, ..taken.clone() }).contains("; 1 warning: vipd check"));
        // What stands under a word stays there.
        let findings = "error: here\n  --> a:1:1\n   |\n12 |     priorty\u{1b}[2J 7\n   |     ^^^^^^^\n".to_owned();
        let refused = text(&Reloaded { taken: false, findings: findings.clone(), ..taken });
        assert_eq!(refused.rsplit_once("refused: ").unwrap().0, findings.replace('\u{1b}', "\u{fffd}"), "{refused}");
    }
}
