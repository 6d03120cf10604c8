//! Numbers that nobody can foresee.

use std::io;

/// A number from the kernel's generator. Waits for it early after a boot, until it has seen enough of the world.
pub fn number() -> io::Result<u32> {
    let mut bytes = [0; 4];
    loop {
        // SAFETY: needed because the libraries in use have no safe form of this call. It writes at most the given
        // length into `bytes`, which lives through it.
        match unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
            4 => return Ok(u32::from_ne_bytes(bytes)),
            n if n >= 0 => {}
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
}
