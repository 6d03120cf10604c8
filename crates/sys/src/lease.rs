//! Whether somebody is writing a file: the kernel gives a lease for reading on no file that is open for writing.

use nix::errno::Errno;
use nix::sys::statfs::{FsType, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// CIFS and SMB2 (uapi/linux/magic.h). There, as with NFS, a lease hangs on what the server says.
const CIFS: FsType = FsType(0xff53_4d42);
const SMB2: FsType = FsType(0xfe53_4d42);

/// `F_SETSIG` (asm-generic/fcntl.h)
const F_SETSIG: i32 = 10;

/// Whether the file is open for writing somewhere. `file` itself must be open for reading alone. An error where it can't be
/// known: on network file systems, and for another user's file without `CAP_LEASE`.
pub fn is_open_for_writing(file: &File) -> io::Result<bool> {
    let remote = [NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS, SMB2];
    if remote.contains(&fstatfs(file)?.filesystem_type()) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let fd = file.as_raw_fd();
    // Who opens it for writing while the lease is there waits for its end, and this process gets a signal: not SIGIO, which
    // would end it, but one that does nothing.
    command(fd, F_SETSIG, libc::SIGURG)?;
    match command(fd, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            command(fd, libc::F_SETLEASE, libc::F_UNLCK)?;
            Ok(false)
        }
        Err(Errno::EAGAIN) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

fn command(fd: RawFd, command: i32, argument: i32) -> Result<(), Errno> {
    // SAFETY: needed because nix has none of these commands. They take a number and touch no memory of this process, and
    // the descriptor is open: both callers borrow its file.
    Errno::result(unsafe { libc::fcntl(fd, command, argument) }).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    #[test]
    fn a_file_is_open_for_writing_as_long_as_it_is() {
        let path = std::env::temp_dir().join(format!("vipd-lease-{}", std::process::id()));
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert!(is_open_for_writing(&reader).unwrap());
        drop(writer);
        let free = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1)); // a fork of another test may hold it for a moment
            !is_open_for_writing(&reader).unwrap()
        });
        std::fs::remove_file(&path).unwrap();
        assert!(free);
        assert!(!is_open_for_writing(&reader).unwrap(), "the lease was given back");
    }
}
