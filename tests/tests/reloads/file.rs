//! The configurations that are reloaded: one that walks from valid text to valid text, and what a broken editor or disk makes
//! of it.
//!
//! VI_1 with the address that the client asks comes first, so that no error in what follows it can touch it. Its virtual
//! addresses never change, as the peer compares them with its own; what comes and goes is excluded from the adverts.

use std::collections::BTreeSet;
use std::fmt::Write;
use vipd_tests::random::Random;

/// What the next file is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Same,
    Comment,
    Added,
    Removed,
    Moved,
    Renamed,
    Priority,
    Script,
    Instance,
    Mutated,
    Truncated,
}

const WALK: [Kind; 8] =
    [Kind::Same, Kind::Comment, Kind::Added, Kind::Removed, Kind::Moved, Kind::Renamed, Kind::Priority, Kind::Script];

/// A file and what it means.
pub(crate) struct File {
    notify: String,
    comment: u64,
    /// Of VI_1 to VI_3: the name's number, the priority, what is excluded from the adverts.
    instances: [One; 3],
    /// Whether the third one is there.
    third: usize,
    script: usize,
    /// What the last file that was taken says; `None`: a mutation of it, which may say anything.
    taken: Option<BTreeSet<String>>,
}

struct One {
    name: u64,
    priority: u8,
    excluded: BTreeSet<u8>,
}

/// What tracked script there is: none, with weight, the same otherwise, another program, without weight.
const SCRIPTS: [(&str, &str); 5] = [
    ("", ""),
    ("script \"/bin/true\"\n interval 1\n weight 10", "chk"),
    ("script \"/bin/true\"\n interval 2\n weight 10\n rise 2\n fall 3", "chk"),
    ("script \"/bin/echo well\"\n interval 1\n weight 10", "chk"),
    ("script \"/bin/true\"\n interval 1", "chk"),
];

impl File {
    pub(crate) fn new(notify: &str) -> File {
        let one = |excluded: &[u8]| One { name: 0, priority: 160, excluded: excluded.iter().copied().collect() };
        File {
            notify: notify.to_owned(),
            comment: 0,
            instances: [one(&[101, 102]), one(&[111]), one(&[121])],
            third: 1,
            script: 0,
            taken: None,
        }
    }

    /// The text of the walk, without what could run programs.
    fn plain(&self) -> String {
        let mut text = format!("# change {}\n", self.comment);
        for (i, one) in self.instances.iter().enumerate().take(2 + self.third) {
            let extra = if i == 0 { "@@" } else { "" };
            let _ = write!(text, "{}", instance(i, one, extra));
        }
        text
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        let (script, name) = SCRIPTS[self.script];
        let mut extra = format!("    notify \"{}\" root\n", self.notify);
        let mut text = self.plain();
        if !name.is_empty() {
            let _ = write!(extra, "    track_script {{\n        {name}\n    }}\n");
            let _ = write!(text, "vrrp_script {name} {{\n {script}\n user root\n}}\n");
        }
        text.replace("@@", &extra)
    }

    /// The addresses that it means.
    pub(crate) fn addresses(&self) -> BTreeSet<String> {
        let all = self.instances.iter().enumerate().take(2 + self.third);
        let numbers = all.flat_map(|(i, one)| one.excluded.iter().copied().chain([100 + 10 * i as u8]));
        numbers.map(|n| format!("10.77.0.{n}")).collect()
    }

    /// What the kernel shall hold after this file; `None`: what the last file that was taken says of the masters.
    pub(crate) fn expected(&mut self, kind: Kind, good: bool) -> Option<BTreeSet<String>> {
        match kind {
            Kind::Mutated | Kind::Truncated if good => self.taken = None,
            Kind::Mutated | Kind::Truncated => {}
            _ => self.taken = Some(self.addresses()),
        }
        self.taken.clone()
    }

    /// The next file: of what kind, its text, and whether it surely says the same of the address that is asked, if it is
    /// usable at all.
    pub(crate) fn next(&mut self, random: &mut Random) -> (Kind, Vec<u8>, bool) {
        match random.below(10) {
            0..3 => {
                let text = self.plain().replace("@@", "");
                let mut bytes = text.clone().into_bytes();
                let mut first = bytes.len();
                // Half of them behind the first instance, where more of them are usable.
                let from = if random.below(2) == 0 { 0 } else { end_of_first(&text) + 1 };
                for _ in 0..=random.below(3) {
                    let at = from + random.below(bytes.len() - from);
                    first = first.min(at);
                    mutate(&mut bytes, at, random);
                }
                (Kind::Mutated, bytes, first > end_of_first(&text))
            }
            3..5 => {
                let text = self.text();
                let mut at = random.below(text.len());
                if random.below(4) == 0 {
                    at = text[at..].find("}\n").map_or(at, |end| at + end + 2); // as a buffer that ends with a block
                }
                (Kind::Truncated, text.as_bytes()[..at].to_vec(), at > end_of_first(&text))
            }
            _ => {
                // A new instance needs its time to become master: that is rarer.
                let kind = if random.below(200) == 0 { Kind::Instance } else { *random.one_of(&WALK) };
                self.walk(kind, random);
                (kind, self.text().into_bytes(), true)
            }
        }
    }

    fn walk(&mut self, kind: Kind, random: &mut Random) {
        let which = random.below(2);
        let number = 100 + 10 * which as u8 + 1 + random.below(8) as u8;
        let free = self.instances.iter().all(|one| !one.excluded.contains(&number));
        match kind {
            Kind::Added => {
                if free {
                    self.instances[which].excluded.insert(number);
                }
            }
            Kind::Removed => {
                self.instances[which].excluded.pop_last();
            }
            Kind::Moved => {
                let [one, two, _] = &mut self.instances;
                let (from, to) = if which == 0 { (one, two) } else { (two, one) };
                to.excluded.extend(from.excluded.pop_first());
            }
            // VI_1 keeps its name in what is told, or the list of calls would be long.
            Kind::Renamed => self.instances[1].name += 1,
            Kind::Priority => self.instances[which].priority = 150 + random.below(60) as u8,
            Kind::Script => self.script = random.below(SCRIPTS.len()),
            Kind::Instance => self.third = 1 - self.third,
            Kind::Comment => self.comment = random.number(),
            Kind::Same | Kind::Mutated | Kind::Truncated => {}
        }
    }
}

fn instance(i: usize, one: &One, extra: &str) -> String {
    let One { name, priority, excluded } = one;
    let suffix = if *name == 0 { String::new() } else { format!("_{name}") };
    let mut text = format!(
        "vrrp_instance VI_{}{suffix} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {}\n    version 3\n    \
         priority {priority}\n    advert_int {}\n    virtual_ipaddress {{\n        10.77.0.{}/32\n    }}\n    \
         virtual_ipaddress_excluded {{\n",
        i + 1,
        51 + i,
        if i == 0 { "0.3" } else { "0.05" },
        100 + 10 * i,
    );
    for number in excluded {
        let _ = writeln!(text, "        10.77.0.{number}/32");
    }
    let _ = write!(text, "    }}\n{extra}}}\n");
    text
}

/// Where the first instance ends.
fn end_of_first(text: &str) -> usize {
    text.find("\n}\n").map_or(text.len(), |at| at + 2)
}

/// A byte is lost, doubled, or another one.
fn mutate(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let at = at.min(bytes.len() - 1);
    match random.below(4) {
        0 => {
            bytes.remove(at);
        }
        1 => bytes.insert(at, bytes[at]),
        2 => bytes[at] = *random.one_of(b"{}\"#!\n \t0189.-/\\$~@"),
        _ => bytes[at] = random.number() as u8,
    }
}
