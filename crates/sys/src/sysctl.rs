//! Settings of the kernel under `/proc/sys`.

use std::io;
use std::path::PathBuf;

/// The value of a setting, without the line's end. `parts`: the names from `/proc/sys` down, one for each folder: an
/// interface's name may have a dot.
pub fn read(parts: &[&str]) -> io::Result<String> {
    Ok(std::fs::read_to_string(path(parts))?.trim_end().to_owned())
}

/// Sets a value. What is below `net` takes `CAP_NET_ADMIN`, whoever owns the file.
pub fn write(parts: &[&str], value: &str) -> io::Result<()> {
    // A part that is no name of a folder would leave /proc/sys, and whoever writes there may be root.
    if parts.iter().any(|part| part.contains('/') || ["", ".", ".."].contains(part)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no path of settings"));
    }
    std::fs::write(path(parts), value)
}

fn path(parts: &[&str]) -> PathBuf {
    let mut path = PathBuf::from("/proc/sys");
    path.extend(parts);
    path
}
