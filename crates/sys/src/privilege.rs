//! What a process may do: capabilities, descriptors, locked memory.

use caps::{CapSet, CapsHashSet};
use std::io;

pub use caps::Capability;

/// The user that unprivileged roles run as, where it exists; else `nobody`.
const USER: &str = "vipd";
/// The user and group id of `nobody` where no user database knows better.
const NOBODY: u32 = 65534;

/// Who a role runs as once it has what it needs root for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// The user `vipd` if there is one, else `nobody`: files of root are closed to it.
    Unprivileged,
    /// Root still, though without the capabilities: it has files of root to look after.
    Root,
}

/// Gives up every capability but these, for this process and all it starts, forbids gaining any, and becomes another user
/// if told so. The process must have one thread: ids are each thread's own.
///
/// Where one step is refused (a container without the right to change its user), the others are taken all the same; the
/// error is that of the first that was refused.
pub fn keep_only(kept: &[Capability], identity: Identity) -> io::Result<()> {
    let kept: CapsHashSet = kept.iter().copied().collect();
    let bounding = narrow(&kept);
    let left = if identity == Identity::Unprivileged && is_root() { leave_root() } else { Ok(()) };
    let reduced = reduce(&kept);
    bounding.and(left).and(reduced)
}

fn error(e: caps::errors::CapsError) -> io::Error {
    io::Error::other(e.to_string())
}

/// What can ever be gained again.
fn narrow(kept: &CapsHashSet) -> io::Result<()> {
    for capability in caps::all() {
        if !kept.contains(&capability) && caps::has_cap(None, CapSet::Bounding, capability).map_err(error)? {
            caps::drop(None, CapSet::Bounding, capability).map_err(error)?;
        }
    }
    Ok(())
}

/// What is held now; no right is needed to give some up.
fn reduce(kept: &CapsHashSet) -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    caps::clear(None, CapSet::Ambient).map_err(error)?;
    let permitted = caps::read(None, CapSet::Permitted).map_err(error)?;
    let rest: CapsHashSet = permitted.intersection(kept).copied().collect();
    caps::set(None, CapSet::Effective, &rest).map_err(error)?;
    caps::set(None, CapSet::Permitted, &rest).map_err(error)?;
    caps::clear(None, CapSet::Inheritable).map_err(error)
}

/// Whether unprivileged roles have a user that nobody else runs as.
pub fn has_user_of_its_own() -> bool {
    nix::unistd::User::from_name(USER).is_ok_and(|user| user.is_some())
}

/// Becomes the unprivileged user; the permitted capabilities stay.
fn leave_root() -> io::Result<()> {
    use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};
    let known = [USER, "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
    let (uid, gid) = known.map_or((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)), |user| (user.uid, user.gid));
    // The kernel forbids the dump of a process that changed its user; whether there is one is RLIMIT_CORE's to say (-m).
    let dumpable = nix::sys::prctl::get_dumpable()?;
    nix::sys::prctl::set_keepcaps(true)?;
    let become_other = || -> nix::Result<()> {
        setgroups(&[])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)
    };
    let became = become_other();
    nix::sys::prctl::set_keepcaps(false)?;
    nix::sys::prctl::set_dumpable(dumpable)?;
    Ok(became?)
}

/// Lets this process and all it starts hold as many descriptors as the system allows: two for each interface of a virtual
/// router are more than the usual 1024 on a large host.
pub fn many_descriptors() -> io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Brings all of the program into memory, and keeps it and every page that is touched later there: what is done for the
/// first time at a take-over waits for no page. Without `CAP_IPC_LOCK`, which has to stay, an allocation beyond a limit
/// would fail later on.
pub fn lock_memory() -> io::Result<()> {
    // `MCL_ONFAULT` (linux/mman.h): pages that are mapped later are locked when touched, not all of them at once.
    const ON_FAULT: libc::c_int = 4;
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_IPC_LOCK).unwrap_or(false) {
        return Err(nix::errno::Errno::EPERM.into());
    }
    // SAFETY: needed because the library's form doesn't know `MCL_ONFAULT`. The calls take flags alone and change no
    // memory contents.
    let result = unsafe {
        match libc::mlockall(libc::MCL_CURRENT) {
            0 => libc::mlockall(libc::MCL_FUTURE | ON_FAULT),
            refused => refused,
        }
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the kernel take this process's memory away again, if it needs it.
pub fn unlock_memory() -> io::Result<()> {
    Ok(nix::sys::mman::munlockall()?)
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
