//! How a configuration is to be read: by whom, under which identity, how strictly.

use std::fs;

/// Who asks. What may differ between machines is an error only for the one that shall run it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strictness {
    /// `vipd check`, perhaps on another machine and as an ordinary user: a script that is missing here is a warning.
    #[default]
    Check,
    /// The daemon, about to run it.
    Daemon,
}

/// Whether scripts are looked up in the file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ScriptCheck {
    /// Yes.
    #[default]
    Check,
    /// No: paths are taken as they are written.
    Skip,
}

/// Whether the configuration also tells what it was made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Written {
    /// No: only what it means. Virtual servers are read one by one.
    #[default]
    Drop,
    /// Yes: every word of the file, typed ([`crate::model::Config::written`]).
    Keep,
}

/// How to read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Option `-i`: what conditions (`@ID`) are compared with; the host name up to its first dot if `None`.
    pub config_id: Option<String>,
    /// Option `-e`: every failed include is an error.
    pub include_checks_all: bool,
    /// Who asks.
    pub strictness: Strictness,
    /// Whether scripts are looked up.
    pub scripts: ScriptCheck,
    /// Whether every word is kept.
    pub written: Written,
    /// Option `-s`; stands above `net_namespace`.
    pub net_namespace: Option<String>,
}

impl Options {
    /// As the daemon reads.
    pub fn daemon() -> Options {
        Options { strictness: Strictness::Daemon, ..Options::default() }
    }
}

/// The host name, `localhost` if the kernel does not say.
pub(crate) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// The host name up to its first dot.
pub(crate) fn host_name_head() -> String {
    host_name().split('.').next().unwrap_or_default().to_owned()
}
