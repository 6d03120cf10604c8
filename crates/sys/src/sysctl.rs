//! Settings of the kernel under `/proc/sys`.

use std::io;
use std::path::PathBuf;

/// The value of a setting, without the line's end. `parts`: the names from `/proc/sys` down, one for each folder: an
/// interface's name may have a dot.
pub fn read(parts: &[&str]) -> io::Result<String> {
    let mut path = PathBuf::from("/proc/sys");
    path.extend(parts);
    Ok(std::fs::read_to_string(path)?.trim_end().to_owned())
}
