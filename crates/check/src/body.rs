//! The beginning of a body, kept for a pattern to be looked for in it, and the search: on a thread of its own, for what a
//! server sends decides how long that takes.

use crate::{Step, Why};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use vipd_pattern::{BEHIND, Pattern, SEARCHED, STEPS, Stopped};

/// A body of so many bytes is kept without being asked what for.
const SMALL: usize = 64 << 10;

/// Larger ones are kept so many at once: the others wait, and their time runs. Together with the small ones of a thousand
/// probes that is 128 MiB at most.
static LARGE: Semaphore = Semaphore::const_new(64);

/// Searches at once.
static SEARCHES: Semaphore = Semaphore::const_new(8);

/// The beginning of a body.
#[derive(Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    permit: Option<SemaphorePermit<'static>>,
}

impl Kept {
    /// Takes what comes next of the body, if there is room for it.
    pub(crate) async fn take(&mut self, data: &[u8]) {
        let room = (SEARCHED + BEHIND).saturating_sub(self.bytes.len());
        let data = data.get(..room).unwrap_or(data);
        if self.permit.is_none() && self.bytes.len() + data.len() > SMALL {
            self.permit = LARGE.acquire().await.ok(); // never closed
        }
        self.bytes.extend_from_slice(data);
    }

    /// Whether there is no room left: the body is longer than what is searched.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= SEARCHED + BEHIND
    }

    /// Bytes that are searched.
    pub(crate) fn searched(&self) -> usize {
        self.bytes.len().min(SEARCHED)
    }
}

/// Tells the search, by going away, that nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Looks for a pattern, and says what was found if that is as it should be.
pub(crate) async fn search(pattern: &Arc<Pattern>, kept: Kept, within: Duration) -> Result<String, Why> {
    let (searched, longer) = (kept.searched(), kept.bytes.len() > SEARCHED);
    let waiting = Waiting(Arc::new(AtomicBool::new(true)));
    let (wanted, sought) = (Arc::clone(&waiting.0), Arc::clone(pattern));
    let run = async {
        let permit = SEARCHES.acquire().await;
        let search = tokio::task::spawn_blocking(move || {
            let found = sought.search(&kept.bytes, &wanted);
            drop((permit, kept));
            found
        });
        search.await
    };
    let absent = pattern.settings().absent;
    match tokio::time::timeout(within, run).await {
        Err(_) | Ok(Ok(Err(Stopped::Abandoned))) => {
            Err(Why::TimedOut { step: Step::Search, after: within, received: searched as u64 })
        }
        Ok(Err(error)) => Err(Why::Local { tried: "searching the body".to_owned(), error: error.to_string() }),
        Ok(Ok(Err(Stopped::Backtracking))) => Err(Why::GaveUp { steps: STEPS }),
        Ok(Ok(Ok(Some(at)))) if absent => Err(Why::Found { at }),
        Ok(Ok(Ok(Some(at)))) => Ok(format!("`regex` matches at byte {at}")),
        Ok(Ok(Ok(None))) if absent && longer => Ok(format!("nothing matches `regex` in the first {searched} of them")),
        Ok(Ok(Ok(None))) if absent => Ok("nothing matches `regex`".to_owned()),
        Ok(Ok(Ok(None))) => Err(Why::NotFound { searched, longer }),
    }
}
