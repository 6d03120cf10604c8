//! Work that may hang, as reading from a dead disk or from a process that stands still does: done in a thread of its own, and
//! waited for so long.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Work that was given up waiting for.
pub(super) struct Hanging(JoinHandle<()>);

impl Hanging {
    /// Whether it still hangs.
    pub(super) fn hangs(&self) -> bool {
        !self.0.is_finished()
    }
}

/// Why there is no result.
pub(super) enum Vain {
    /// It took too long.
    Hangs(Hanging),
    /// There is no thread to be had for it.
    NoThread(std::io::Error),
}

/// Does the work, if it takes no longer than that.
pub(super) fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Vain> {
    let (said, heard) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("patient".to_owned());
    let working = thread.spawn(move || drop(said.send(work()))).map_err(Vain::NoThread)?;
    heard.recv_timeout(patience).map_err(|_| Vain::Hangs(Hanging(working)))
}
