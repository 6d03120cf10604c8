//! Pid files, held by a lock: a stale file of a dead process never keeps a new one from starting.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A pid file; removed when dropped.
pub struct PidFile {
    path: PathBuf,
    file: Flock<File>,
    left_behind: Option<u32>,
}

impl PidFile {
    /// Creates or takes over the file, which says nothing yet. An error of kind `AlreadyExists` names the process that holds
    /// it.
    pub fn hold(path: &Path) -> io::Result<PidFile> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let file = options.custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW).open(path)?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                let _ = (&mut file).take(32).read_to_string(&mut holder);
                let why = format!("{} is held by process {}", path.display(), holder.trim());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
            }
            Err((_, errno)) => return Err(errno.into()),
        };
        let mut said = String::new();
        let left_behind = (&*file).take(32).read_to_string(&mut said).ok().and_then(|_| said.trim().parse().ok());
        file.set_len(0)?;
        Ok(PidFile { path: path.to_owned(), file, left_behind })
    }

    /// The process that held the file last, if it is gone and did not remove it when it left: it was killed or died.
    pub fn left_behind(&self) -> Option<u32> {
        self.left_behind.filter(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    }

    /// The file now says that this process runs; `None`: that none does.
    pub fn write(&mut self, pid: Option<u32>) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(0)?;
        self.file.rewind()?;
        pid.map_or(Ok(()), |pid| writeln!(self.file, "{pid}"))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
