//! The runtime of a process: one thread.

use std::io;
use tokio::runtime::Builder;

/// Runs a process's work to its end. It is a task among the tasks: what these wake need not be woken by the kernel, as the
/// outermost future is. What is then still under way in threads is left behind: a file on a dead disk may be being read.
///
/// # Errors
/// The runtime can't be made.
pub(crate) fn run<F>(work: F) -> io::Result<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async { tokio::spawn(work).await });
    runtime.shutdown_background();
    // It is never aborted: it ended, or it panicked.
    ended.or_else(|e| {
        e.try_into_panic().map_or_else(|e| Err(io::Error::other(e)), |panic| std::panic::resume_unwind(panic))
    })
}
