//! What a configuration means to keepalived and to vipd, side by side: keepalived's dump of its state (SIGUSR1) against `vipd
//! config --effective --json`. Both are taken apart into facts: the block, the setting in our words, the value.

mod account;
mod dump;
mod labels;

use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where a value stands: `("vrrp_instance VI_1", "priority")`.
pub type Place = (String, String);

/// A difference that shall be, and why.
#[derive(Debug)]
pub struct Intended {
    /// The sample.
    pub file: &'static str,
    /// How the name of the block begins.
    pub block: &'static str,
    /// The setting.
    pub setting: &'static str,
    /// Why vipd does otherwise.
    pub why: &'static str,
}

/// What both say of one file.
#[derive(Debug)]
pub struct Comparison {
    /// Settings that are the same.
    pub same: usize,
    /// The kinds of blocks that they stand in.
    pub blocks: BTreeSet<String>,
    /// Settings that differ and should not.
    pub differ: Vec<String>,
    /// Which intended differences there were.
    pub intended: BTreeSet<usize>,
    /// Labels of the dumps, with their blocks' kinds and values, of which it is not known whether they are settings.
    pub unknown: BTreeSet<String>,
}

/// A sample of the directory `means`.
pub fn sample(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/samples/means")).join(format!("{name}.conf"))
}

/// What vipd says of a file.
pub fn ours(file: &Path) -> Json {
    let mut command = std::process::Command::new(crate::director::vipd());
    let text = crate::lab::run(command.args(["config", "--effective", "--json"]).arg(file));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Compares every fact that keepalived's dumps hold with vipd's.
pub fn compare(file: &'static str, dumps: &[String], ours: &Json, intended: &[Intended]) -> Comparison {
    let ours = account::facts(ours);
    let mut result = Comparison {
        same: 0,
        blocks: BTreeSet::new(),
        differ: Vec::new(),
        intended: BTreeSet::new(),
        unknown: BTreeSet::new(),
    };
    let (facts, unknown): (Vec<_>, Vec<_>) = dumps.iter().map(|text| dump::facts(text)).unzip();
    result.unknown = unknown.into_iter().flatten().collect();
    for ((block, setting), theirs) in facts.into_iter().flatten() {
        let place = (block.clone(), setting.clone());
        let value = ours.get(&place).map(String::as_str);
        if same(&ours, &place, &theirs) {
            result.same += 1;
            let kind = block.rsplit(" / ").next().and_then(|b| b.split(' ').next());
            result.blocks.extend(kind.map(str::to_owned));
            continue;
        }
        let known = intended.iter().position(|i| i.file == file && block.starts_with(i.block) && i.setting == setting);
        match known {
            Some(at) => drop(result.intended.insert(at)),
            None => result.differ.push(format!("{file}: {block}: {setting}: keepalived {theirs:?}, vipd {value:?}")),
        }
    }
    result
}

fn same(ours: &BTreeMap<Place, String>, place: &Place, theirs: &str) -> bool {
    match (ours.get(place), theirs) {
        (Some(value), theirs) => value == theirs,
        (None, theirs) => match labels::INHERITED.iter().find(|(setting, _)| *setting == place.1) {
            Some((_, from)) => ours.get(&(place.0.clone(), (*from).to_owned())).is_some_and(|value| value == theirs),
            // What is not said is off, or has a default that vipd does not show.
            None => match labels::DEFAULTS.iter().find(|(setting, _)| *setting == place.1) {
                Some((_, value)) => *value == theirs,
                None => theirs == "no",
            },
        },
    }
}

/// A command line without its quotes and the directory of its program: keepalived shows the path that it resolved.
fn command(text: &str) -> String {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    if let Some(program) = words.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    words.join("|")
}

/// Named values in an order of their own: `address=192.0.2.1/24 dev=eth0`.
fn item(values: BTreeMap<String, String>) -> String {
    values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
