//! Users and groups of this machine, read from `/etc/passwd` and `/etc/group`. No name service: what scripts run as
//! must not hang on a network.

use super::Lower;
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::options::Strictness;
use crate::tree::Nodes;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

/// Bytes of one of the two files that are read.
const MAX: u64 = 4 << 20;

/// Whom something runs as.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
}

struct User {
    name: String,
    uid: u32,
    gid: u32,
}

struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// The two files.
#[derive(Default)]
pub(super) struct Users {
    users: Vec<User>,
    groups: Vec<Group>,
}

impl Users {
    pub(super) fn read() -> Users {
        let text = |path: &str| {
            let mut text = Vec::new();
            if let Ok(file) = fs::File::open(path) {
                // A file cut short or unreadable has fewer users, and the missing one is told where it is used.
                let _ = file.take(MAX).read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        };
        Users::parse(&text("/etc/passwd"), &text("/etc/group"))
    }

    fn parse(passwd: &str, group: &str) -> Users {
        let user = |line: &str| {
            let f: Vec<&str> = line.split(':').collect();
            Some(User { name: (*f.first()?).to_owned(), uid: f.get(2)?.parse().ok()?, gid: f.get(3)?.parse().ok()? })
        };
        let group_of = |line: &str| {
            let f: Vec<&str> = line.split(':').collect();
            let members = f.get(3)?.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
            Some(Group { name: (*f.first()?).to_owned(), gid: f.get(2)?.parse().ok()?, members })
        };
        Users { users: passwd.lines().filter_map(user).collect(), groups: group.lines().filter_map(group_of).collect() }
    }

    /// `root`, or the number.
    pub(super) fn name(&self, uid: u32) -> String {
        self.users.iter().find(|u| u.uid == uid).map_or_else(|| uid.to_string(), |u| u.name.clone())
    }

    fn supplementary(&self, name: &str, gid: u32) -> Vec<u32> {
        let of = self.groups.iter().filter(|g| g.members.iter().any(|m| m == name));
        let mut gids: Vec<u32> = std::iter::once(gid).chain(of.map(|g| g.gid)).collect();
        gids.sort_unstable();
        gids.dedup();
        gids
    }

    /// `USER [[:]GROUP]`: a colon asks for the user's supplementary groups.
    pub(super) fn identity(&self, words: &[Word], supplementary: Supplementary) -> Result<Identity, Report> {
        let Some(first) = words.first() else {
            return Ok(Identity::default());
        };
        let unknown = |word: &Word, what: &str, name: &str| {
            Report::error(Code::UnknownUser, word.at, format!("there is no {what} `{name}`"))
                .help("users are looked up in /etc/passwd, groups in /etc/group")
        };
        let user = self.users.iter().find(|u| u.name == first.text);
        let user = user.ok_or_else(|| unknown(first, "user", &first.text))?;
        let mut identity = Identity { uid: user.uid, gid: user.gid, groups: Vec::new() };
        let mut wanted = supplementary;
        if let Some(word) = words.get(1) {
            let name = match word.text.strip_prefix(':') {
                Some(name) => {
                    wanted = Supplementary::Set;
                    name
                }
                None => &word.text,
            };
            if !name.is_empty() {
                let group = self.groups.iter().find(|g| g.name == name);
                identity.gid = group.ok_or_else(|| unknown(word, "group", name))?.gid;
            }
        }
        if wanted == Supplementary::Set {
            identity.groups = self.supplementary(&user.name, identity.gid);
        }
        Ok(identity)
    }
}

/// Whether a script gets its user's further groups.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Supplementary {
    #[default]
    Cleared,
    Set,
}

impl Lower<'_> {
    /// The identity of `USER [[:]GROUP]`; tells why not.
    pub(super) fn identity_of(&mut self, words: &[Word]) -> Option<Identity> {
        match self.users.identity(words, self.defaults.supplementary) {
            Ok(identity) => Some(identity),
            Err(report) => {
                self.here(report);
                None
            }
        }
    }

    /// `script_user`, else `keepalived_script` if there is such a user, else the daemon's own.
    pub(super) fn default_identity(&mut self, globals: &Nodes) -> Option<Identity> {
        if let Some(node) = globals.find("script_user") {
            return if node.words.is_empty() { None } else { self.identity_of(&node.words.clone()) };
        }
        let own = match self.options.strictness {
            Strictness::Check => Identity::default(),
            Strictness::Daemon => fs::metadata("/proc/self")
                .map(|m| Identity { uid: m.uid(), gid: m.gid(), groups: Vec::new() })
                .unwrap_or_default(),
        };
        let name = "keepalived_script";
        let Some(user) = self.users.users.iter().find(|u| u.name == name) else {
            // With security on, a script without a user has none; told where the first one stands.
            return (!globals.on("enable_script_security")).then_some(own);
        };
        let groups = match self.defaults.supplementary {
            Supplementary::Set => self.users.supplementary(name, user.gid),
            Supplementary::Cleared => Vec::new(),
        };
        Some(Identity { uid: user.uid, gid: user.gid, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Place;

    fn users() -> Users {
        Users::parse(
            "root:x:0:0:root:/root:/bin/sh\nops:x:1000:100:Ops:/home/ops:/bin/sh\nbroken\n",
            "root:x:0:\nusers:x:100:\nadm:x:4:syslog,ops\nwheel:x:10:ops\n",
        )
    }

    fn identity(words: &[&str]) -> Option<Identity> {
        let words: Vec<Word> = words.iter().map(|w| Word { text: (*w).to_owned(), at: Place::NOWHERE }).collect();
        users().identity(&words, Supplementary::Cleared).ok()
    }

    #[test]
    fn users_and_groups() {
        assert_eq!(identity(&["ops"]), Some(Identity { uid: 1000, gid: 100, groups: vec![] }));
        assert_eq!(identity(&["ops", "wheel"]), Some(Identity { uid: 1000, gid: 10, groups: vec![] }));
        assert_eq!(identity(&["ops", ":"]), Some(Identity { uid: 1000, gid: 100, groups: vec![4, 10, 100] }));
        assert_eq!(identity(&["ops", ":adm"]), Some(Identity { uid: 1000, gid: 4, groups: vec![4, 10] }));
        assert_eq!(identity(&["nobody-here"]), None);
        assert_eq!(identity(&["ops", "no-such-group"]), None);
        assert_eq!(identity(&["broken"]), None);
    }
}
