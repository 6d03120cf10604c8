//! What is kept for a daemon that follows, as orders of operators and real servers that were found are: files beside the control
//! socket, in a directory that is empty after a boot.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of it at most, unless whoever reads knows that there may be more.
pub(crate) const LONGEST: u64 = 16 << 20;

/// `O_NONBLOCK` and `O_NOFOLLOW` (asm-generic/fcntl.h)
const FLAGS: i32 = 0o4000 | 0o400_000;

/// What a daemon before this one has left.
pub(crate) fn read<T: DeserializeOwned + Default>(path: &Path, longest: u64) -> io::Result<T> {
    let file = match std::fs::OpenOptions::new().read(true).custom_flags(FLAGS).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        file => file?,
    };
    let data = file.metadata()?;
    if !data.is_file() || data.uid() != 0 {
        return Err(io::Error::other("it is no file of root's"));
    }
    if data.len() > longest {
        return Err(io::Error::other(format!("it has more than {longest} bytes")));
    }
    let mut text = String::new();
    file.take(longest).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

/// Keeps it, in one step; `None`: there is nothing to keep.
pub(crate) fn write<T: Serialize>(path: &Path, what: Option<&T>) -> io::Result<()> {
    let Some(what) = what else {
        return match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        };
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let _ = std::fs::remove_file(&temporary); // there is none, mostly
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(what)?)?;
    std::fs::rename(&temporary, path)
}
