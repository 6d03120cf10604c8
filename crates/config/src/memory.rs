//! What one reading keeps for the next: which virtual server came of which text, so that of ten thousand only those are
//! read again that somebody has touched. Kept are those that depend on nothing but their text, a few settings of
//! `global_defs` and the addresses of instances: no findings, no programs, no groups, no references.

use crate::lower::Defaults;
use crate::model::{Config, Service};
use crate::options::{ScriptCheck, Strictness};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

/// Texts of virtual servers, by two hashes that nobody can foresee, and the places of what came of them in the
/// configuration that was read with them.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    hashers: (RandomState, RandomState),
    setting: Option<Setting>,
    places: HashMap<Key, usize, BuildHasherDefault<Hashed>>,
}

/// Stands for a text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key(u64, u64);

/// The hash of what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.rotate_left(1) ^ number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What virtual servers depend on besides their own text.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Setting {
    pub(crate) defaults: Defaults,
    /// Virtual addresses of instances, and whose they are.
    pub(crate) held: HashMap<IpAddr, String>,
    pub(crate) strictness: Strictness,
    pub(crate) scripts: ScriptCheck,
}

impl Memory {
    /// For a reading in this setting of so many virtual servers, after another one.
    pub(crate) fn new(setting: Setting, many: usize, before: Option<&Memory>) -> Memory {
        let hashers = before.map(|m| m.hashers.clone()).unwrap_or_default();
        Memory {
            hashers,
            setting: Some(setting),
            places: HashMap::with_capacity_and_hasher(many, BuildHasherDefault::default()),
        }
    }

    /// Whether what it knows holds in the setting of another one.
    pub(crate) fn fits(&self, other: &Memory) -> bool {
        self.setting == other.setting
    }

    /// What a text is known by here and in the memory before.
    pub(crate) fn key(&self, text: &[u8]) -> Key {
        Key(self.hashers.0.hash_one(text), self.hashers.1.hash_one(text))
    }

    /// The virtual server of `config`, which was read with this memory, that is written like that.
    pub(crate) fn recall(&self, key: Key, config: &Config) -> Option<Arc<Service>> {
        config.services.get(*self.places.get(&key)?).cloned()
    }

    /// Notes which place the virtual server that is written like that has.
    pub(crate) fn keep(&mut self, key: Key, place: usize) {
        self.places.insert(key, place);
    }
}
