//! Commands that the configuration names: where the program is, whether its user may run it, who else could change it.

use super::users::Identity;
use super::{Lower, Node};
use crate::diag::{Code, Level, Report};
use crate::model;
use crate::options::ScriptCheck;
use crate::tree::{Command, Nodes};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where programs are searched if the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program can't be run.
struct Problem {
    why: String,
    help: String,
}

impl Lower<'_> {
    /// The command that a keyword of `nodes` gives, ready to run; `None` without that keyword, or if it can't be run.
    pub(super) fn script(&mut self, nodes: &Nodes, name: &str) -> Option<model::Command> {
        let command = nodes.command(name)?.clone();
        self.command(&command, &command.user)
    }

    /// The same with `user` given by a keyword of its own.
    pub(super) fn program(&mut self, nodes: &Nodes, name: &str, user: Option<&Node>) -> Option<model::Command> {
        let command = nodes.command(name)?.clone();
        let words = user.map(|n| n.words.clone()).unwrap_or_default();
        self.command(&command, &words)
    }

    fn command(&mut self, command: &Command, user: &[crate::lex::words::Word]) -> Option<model::Command> {
        let identity = if user.is_empty() {
            self.identity.clone()
        } else {
            let found = self.users.identity(user, self.defaults.supplementary);
            match found {
                Ok(identity) => Some(identity),
                Err(report) => {
                    self.here(report.help("an argument of the command stands in one pair of quotes with it"));
                    return None;
                }
            }
        };
        let Some(identity) = identity else {
            if self.defaults.no_default_user {
                let message = "there is no user to run this as: `keepalived_script` does not exist";
                let help =
                    "create that user, or name another: script_user USER in global_defs, or USER behind the command";
                self.here(Report::error(Code::UnknownUser, command.at, message).help(help));
            }
            return None;
        };
        let mut argv = command.argv.clone();
        // `</path` tests whether a file can be opened; that is a shell's redirection.
        if let Some(path) = command.text.trim_start().strip_prefix('<') {
            if path.trim_start().starts_with("/dev/tcp/") || path.trim_start().starts_with("/dev/udp/") {
                let message = "/dev/tcp is no file: only bash knows it, and /bin/sh may be another shell";
                let help = "write: bash -c '</dev/tcp/HOST/PORT'";
                self.push(Report::lint(Code::ScriptUnusable, command.at, message).help(help));
            }
            argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), command.text.trim().to_owned()];
        }
        if !self.defaults.script_security && self.unguarded.is_none() && identity.uid == 0 {
            self.unguarded = Some(command.at);
        }
        if self.options.scripts == ScriptCheck::Check {
            let path = self.locate(&argv[0], command)?;
            argv[0] = path.to_string_lossy().into_owned();
            if let Err(problem) = self.runnable(&path, &identity) {
                let message = format!("`{}`: {}", path.display(), problem.why);
                self.here(Report::error(Code::ScriptUnusable, command.at, message).help(problem.help));
            } else {
                self.guarded(&path, &identity, command);
            }
        }
        Some(model::Command {
            text: command.text.clone(),
            argv,
            uid: identity.uid,
            gid: identity.gid,
            groups: identity.groups,
        })
    }

    /// The program's absolute path.
    fn locate(&mut self, program: &str, command: &Command) -> Option<PathBuf> {
        if program.starts_with('/') {
            return Some(PathBuf::from(program));
        }
        if program.contains('/') {
            let message = format!("`{program}` is a relative path");
            let report = Report::error(Code::ScriptUnusable, command.at, message);
            self.push(report.help("the daemon's working directory is /: write the whole path"));
            return None;
        }
        let path = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
        let found = path
            .split(':')
            .filter(|d| d.starts_with('/'))
            .map(|d| Path::new(d).join(program))
            .find(|p| fs::metadata(p).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0));
        match found {
            Some(found) => {
                let message = format!("`{program}` is searched in PATH, and is {} here", found.display());
                self.push(Report::lint(Code::ScriptUnusable, command.at, message).help("write the whole path"));
                Some(found)
            }
            None => {
                let message = format!("`{program}` is in no directory of PATH ({path})");
                self.here(Report::error(Code::ScriptUnusable, command.at, message).help("write the whole path"));
                None
            }
        }
    }

    /// Whether the identity may run the program; if not, which component of the path and which bit is in the way.
    fn runnable(&self, path: &Path, identity: &Identity) -> Result<(), Problem> {
        let mut walked = PathBuf::from("/");
        let mut components: Vec<_> = path.components().skip(1).collect();
        let Some(last) = components.pop() else {
            return Err(Problem { why: "is a directory".to_owned(), help: "name a program".to_owned() });
        };
        for component in components {
            let parent = walked.clone();
            walked.push(component);
            let meta = self.look(&walked, &parent)?;
            if !meta.is_dir() {
                return Err(Problem {
                    why: format!("{} is not a directory", walked.display()),
                    help: "correct the path".to_owned(),
                });
            }
            if !may_execute(&meta, identity) {
                return Err(self.barred(&walked, &meta, identity, "can't be entered"));
            }
        }
        let parent = walked.clone();
        walked.push(last);
        let meta = self.look(&walked, &parent)?;
        if !meta.is_file() {
            let what = if meta.is_dir() { "is a directory" } else { "is not a regular file" };
            return Err(Problem { why: what.to_owned(), help: "name a program".to_owned() });
        }
        if !may_execute(&meta, identity) {
            return Err(self.barred(&walked, &meta, identity, "not executable"));
        }
        Ok(())
    }

    fn look(&self, path: &Path, parent: &Path) -> Result<Metadata, Problem> {
        fs::metadata(path).map_err(|e| match e.kind() {
            ErrorKind::NotFound if fs::symlink_metadata(path).is_ok() => Problem {
                why: format!("{} is a symbolic link to nothing", path.display()),
                help: "correct the link".to_owned(),
            },
            ErrorKind::NotFound => Problem {
                why: format!("no such file (the directory {} exists)", parent.display()),
                help: format!("create {}, or correct the path", path.display()),
            },
            _ => {
                Problem { why: format!("{} can't be examined: {e}", path.display()), help: "check as root".to_owned() }
            }
        })
    }

    fn barred(&self, path: &Path, meta: &Metadata, identity: &Identity, what: &str) -> Problem {
        let (mode, owner) = (meta.mode() & 0o7777, self.users.name(meta.uid()));
        let subject = if what.starts_with("not") { String::new() } else { format!("{} ", path.display()) };
        Problem {
            why: format!("{subject}{what} by uid {} (mode {mode:04o}, owner {owner})", identity.uid),
            help: format!("chmod {} {}", if meta.mode() & 0o111 == 0 { "+x" } else { "o+x" }, path.display()),
        }
    }

    /// Whether somebody but root could change what root runs.
    fn guarded(&mut self, path: &Path, identity: &Identity, command: &Command) {
        let set_id = fs::metadata(path)
            .is_ok_and(|m| (m.mode() & 0o4000 != 0 && m.uid() == 0) || (m.mode() & 0o2000 != 0 && m.gid() == 0));
        if identity.uid != 0 && identity.gid != 0 && !set_id {
            return;
        }
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let weak = path.ancestors().chain(real.ancestors()).find_map(|p| {
            let meta = fs::symlink_metadata(p).ok()?;
            // In a directory with the sticky bit nobody but its owner renames or removes what root has put there.
            let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
            let writable = meta.mode() & 0o002 != 0 || (meta.mode() & 0o020 != 0 && meta.gid() != 0);
            // The mode of a symbolic link says nothing; its owner may point it elsewhere.
            let open = meta.uid() != 0 || (writable && !sticky && !meta.is_symlink());
            open.then_some((p.to_path_buf(), meta))
        });
        let Some((weak, meta)) = weak else { return };
        let (mode, owner) = (meta.mode() & 0o7777, self.users.name(meta.uid()));
        let message = format!(
            "`{}` would run as root, but others can change {} (mode {mode:04o}, owner {owner})",
            path.display(),
            weak.display()
        );
        let help = format!("chown root {0}; chmod go-w {0}; or run it as another user", weak.display());
        let report = Report::error(Code::ScriptInsecure, command.at, message).help(help);
        if self.defaults.script_security {
            self.here(report);
        } else {
            self.push(report.at_level(Level::Warning));
        }
    }
}

/// The execute (or search) bit that counts for the identity.
fn may_execute(meta: &Metadata, identity: &Identity) -> bool {
    let mode = meta.mode();
    if identity.uid == 0 {
        return meta.is_dir() || mode & 0o111 != 0;
    }
    if meta.uid() == identity.uid {
        mode & 0o100 != 0
    } else if meta.gid() == identity.gid || identity.groups.contains(&meta.gid()) {
        mode & 0o010 != 0
    } else {
        mode & 0o001 != 0
    }
}
