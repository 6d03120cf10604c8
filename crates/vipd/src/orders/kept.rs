//! Where orders are kept for a daemon that follows: a file beside the control socket, in a directory that is empty after a boot.

use super::Orders;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of it at most: more than any daemon writes.
const LONGEST: u64 = 16 << 20;

/// `O_NONBLOCK` and `O_NOFOLLOW` (asm-generic/fcntl.h)
const FLAGS: i32 = 0o4000 | 0o400_000;

/// Where those of the daemon with this control socket are: `control.sock.orders`.
pub(crate) fn place(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".orders");
    name.into()
}

/// The orders that a daemon before this one has left.
pub(crate) fn read(path: &Path) -> io::Result<Orders> {
    let file = match std::fs::OpenOptions::new().read(true).custom_flags(FLAGS).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Orders::default()),
        file => file?,
    };
    let data = file.metadata()?;
    if !data.is_file() || data.uid() != 0 || data.len() > LONGEST {
        return Err(io::Error::other("it is no file of root's"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

/// Keeps them, in one step.
pub(crate) fn write(path: &Path, orders: &Orders) -> io::Result<()> {
    if orders.all().is_empty() {
        return match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let _ = std::fs::remove_file(&temporary); // there is none, mostly
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(orders)?)?;
    std::fs::rename(&temporary, path)
}
