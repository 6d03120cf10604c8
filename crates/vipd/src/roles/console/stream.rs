//! The stream of events: a copy of the supervisor's record, and those who read of it. Each reads at its own pace and keeps
//! nobody waiting: who falls behind what is kept is told of the gap.

use super::session::{Taken, reply};
use crate::record::{KEPT, Record};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use vipd_api::{Event, Item, Reply, UnixTime};

/// Who may follow at once: fewer than there are sessions, so that others can ask.
const FOLLOWERS: usize = 16;

/// Events in one answer to a follower.
const BATCH: usize = 256;

/// How long a follower may take for an answer: its terminal may be paused. It may come back and ask for the rest.
const TAKE: Duration = Duration::from_secs(60);

/// How long the supervisor may take to tell whose numbers they are.
const PATIENCE: Duration = Duration::from_secs(10);

/// The copy, and a bell for those who wait for more.
pub(super) struct Stream {
    record: Mutex<Record>,
    /// The number of the last event; `None` before the supervisor has told anything.
    last: watch::Sender<Option<u64>>,
    followers: Semaphore,
}

/// What a reader wants.
pub(super) struct Wish {
    pub(super) since: Option<u64>,
    pub(super) boot: Option<String>,
    pub(super) follow: bool,
}

impl Default for Stream {
    fn default() -> Stream {
        let record = Mutex::new(Record::new(String::new(), 0.0));
        Stream { record, last: watch::Sender::new(None), followers: Semaphore::new(FOLLOWERS) }
    }
}

impl Stream {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The supervisor tells of events.
    pub(super) fn hear(&self, boot: String, started: UnixTime, events: Vec<Event>) {
        let mut record = self.record();
        if record.boot() != boot {
            *record = Record::new(boot, started);
        }
        events.into_iter().for_each(|event| record.keep(event));
        self.last.send_replace(Some(record.last()));
    }

    /// Where a reader begins: what comes first, and the number after which it goes on.
    fn begin(&self, wish: &Wish) -> (Item, u64) {
        let record = self.record();
        let first = Item::Boot { boot: record.boot().to_owned(), started: record.started() };
        let same = wish.boot.as_deref().is_none_or(|boot| boot == record.boot());
        // A number that was not given yet is of a run before this one.
        let since = wish.since.filter(|since| same && *since <= record.last());
        (first, since.unwrap_or(0))
    }

    /// Serves one reader; whether the connection can be asked for more.
    pub(super) async fn serve<R, W>(&self, wish: &Wish, read: &mut R, write: &mut W) -> Taken
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut news = self.last.subscribe();
        if tokio::time::timeout(PATIENCE, news.wait_for(Option::is_some)).await.is_err() {
            let message = "the supervisor has not told of any event yet: try again".to_owned();
            return reply(write, &Reply::Error { message }, TAKE).await;
        }
        let (first, mut seq) = self.begin(wish);
        let mut items = vec![first];
        if !wish.follow {
            items.extend(self.record().after(seq, KEPT));
            return reply(write, &Reply::Events { items }, TAKE).await;
        }
        let Ok(_place) = self.followers.try_acquire() else {
            let message = format!("{FOLLOWERS} follow the events already: ask without --follow, or again later");
            return reply(write, &Reply::Error { message }, TAKE).await;
        };
        loop {
            news.mark_unchanged();
            items.extend(self.record().after(seq, BATCH));
            if items.is_empty() {
                let mut said = [0; 1];
                tokio::select! {
                    // The console ends, or the reader has gone or says what can't be answered any more.
                    more = news.changed() => if more.is_err() { return Taken::No },
                    _ = read.read(&mut said) => return Taken::No,
                }
                continue;
            }
            if let Some(Item::Event(event)) = items.last() {
                seq = event.seq;
            }
            let told = Reply::Events { items: std::mem::take(&mut items) };
            if reply(write, &told, TAKE).await == Taken::No {
                return Taken::No;
            }
        }
    }
}
