//! The control socket's file: made, watched, taken away. Not what is said over it.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tracing::{info, warn};

/// Connections the kernel keeps for us before it refuses.
const BACKLOG: u32 = 64;

/// How long another daemon may take to let us in before it counts as there but busy.
const KNOCK: Duration = Duration::from_secs(1);

/// A listening control socket and the file that leads to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode of the file that we made: a file of the same name may be another daemon's by now.
    file: (u64, u64),
}

/// Why there is no control socket.
#[derive(Debug)]
pub(super) enum Unbound {
    /// Somebody answers there.
    Taken(PathBuf),
    /// Something that is not a socket has that name.
    Occupied(PathBuf),
    /// The system refused a step.
    Refused {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unbound::Taken(path) => write!(
                f,
                "another daemon answers on the control socket {}: stop it, or give this one a control socket of its own; \
                 until then `vipd status` shows the other daemon",
                path.display()
            ),
            Unbound::Occupied(path) => write!(
                f,
                "{} is in the way of the control socket and is not a socket: move it away, or choose another path",
                path.display()
            ),
            Unbound::Refused { step, path, error } => write!(
                f,
                "no control socket: could not {step} {}: {error}; `vipd status` does not work until that is mended",
                path.display()
            ),
        }
    }
}

impl Endpoint {
    /// Listens at `path`: the directory is made if it is missing, and what a daemon that was killed left behind is removed.
    pub(super) async fn bind(path: &Path) -> Result<Endpoint, Unbound> {
        let refused = |step| move |error| Unbound::Refused { step, path: path.to_owned(), error };
        if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
            made.map_err(refused("make the directory of"))?;
        }
        clear(path).await?;

        let socket = UnixSocket::new_stream().map_err(refused("create"))?;
        socket.bind(path).map_err(refused("bind"))?;
        // Before `listen`, so that nobody gets in while the file still has the umask's mode.
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(refused("set the mode of"))?;
        let file = identity(path).map_err(refused("look at"))?;
        let listener = socket.listen(BACKLOG).map_err(refused("listen on"))?;
        Ok(Endpoint { path: path.to_owned(), listener, file })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the name still leads to us.
    pub(super) fn intact(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Removes the file, if it is still ours, and stops listening.
    pub(super) fn remove(self) {
        if self.intact()
            && let Err(e) = fs::remove_file(&self.path)
        {
            warn!("could not remove the control socket {}: {e}", self.path.display());
        }
    }
}

/// The next connection; never, while there is no endpoint.
pub(super) async fn accept(endpoint: Option<&Endpoint>) -> io::Result<UnixStream> {
    match endpoint {
        Some(endpoint) => endpoint.listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Removes a socket file that leads nowhere.
async fn clear(path: &Path) -> Result<(), Unbound> {
    let refused = |step| move |error| Unbound::Refused { step, path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return Err(Unbound::Occupied(path.to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(refused("look at")(e)),
    }
    match tokio::time::timeout(KNOCK, UnixStream::connect(path)).await {
        // In, or in a queue that is full: somebody is there.
        Ok(Ok(_)) | Err(_) => Err(Unbound::Taken(path.to_owned())),
        Ok(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => Err(Unbound::Taken(path.to_owned())),
        Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => {
            info!("nobody answers on {}: a daemon before this one was killed; its socket is replaced", path.display());
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(refused("remove the stale socket")(e)),
                _ => Ok(()),
            }
        }
        Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(e)) => Err(refused("see whether somebody answers on")(e)),
    }
}
