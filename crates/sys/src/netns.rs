//! Network namespaces by name, as `ip netns` keeps them.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::path::Path;

/// Moves the calling thread into the network namespace `name`. Call it before any other thread exists.
pub fn enter(name: &str) -> io::Result<()> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(io::Error::other(format!("{name:?} is no namespace name")));
    }
    let path = Path::new("/run/netns").join(name);
    let file = File::open(&path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    Ok(setns(file, CloneFlags::CLONE_NEWNET)?)
}

/// Moves the calling thread into the network namespace of a process.
pub fn enter_that_of(pid: u32) -> io::Result<()> {
    Ok(setns(File::open(format!("/proc/{pid}/ns/net"))?, CloneFlags::CLONE_NEWNET)?)
}
