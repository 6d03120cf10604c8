//! The mail queue and who carries it to the `smtp_server`: one letter after the other, again later when the server doesn't
//! take it, never more than a bounded number, never longer than a bounded time. What is lost is logged.
//!
//! The connection is plain SMTP, as keepalived's. A letter goes to each recipient by itself, so that one that the server
//! refuses costs the others nothing.

use super::host_name;
use super::letter::{Letter, envelope, mailbox};
use lettre::message::Mailbox;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, info, warn};
use vipd_config::model::Mail;

/// Letters that may wait.
pub(super) const LETTERS: usize = 256;

/// Bytes that a server may say on one connection: more is no mail server.
const CHATTER: u64 = 1 << 20;

/// How long the server may take for its greeting, and again for a letter.
const DIALOGUE: Duration = Duration::from_secs(60);

/// How often to try, and how long.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// The waits after the first, second, ... failure in a row; the last one repeats.
    waits: Vec<Duration>,
    /// A letter that has waited this long is given up when it fails again.
    patience: Duration,
}

impl Default for Pace {
    /// Six attempts within ten minutes.
    fn default() -> Pace {
        Pace { waits: [5, 15, 60, 180, 340].map(Duration::from_secs).to_vec(), patience: Duration::from_secs(600) }
    }
}

impl Pace {
    /// Another pace than the daemon's.
    #[cfg(test)]
    pub(super) fn new(waits: impl Iterator<Item = Duration>, patience: Duration) -> Pace {
        Pace { waits: waits.collect(), patience }
    }

    fn wait(&self, failures: usize) -> Duration {
        self.waits.get(failures).or(self.waits.last()).copied().unwrap_or(Duration::from_secs(60))
    }
}

/// The queue, and the task that empties it.
pub(super) struct Office {
    desk: Arc<Desk>,
    postman: JoinHandle<()>,
}

struct Desk {
    papers: Mutex<Papers>,
    /// A letter came.
    posted: Notify,
    /// The settings changed: whoever waits for the server need not wait on.
    moved: Notify,
    /// The queue is empty.
    done: Notify,
}

#[derive(Default)]
struct Papers {
    queue: VecDeque<Letter>,
    route: Option<Route>,
    /// The settings that `route` was made of.
    mail: Option<(Mail, String)>,
    /// Whether the queue changed since the last snapshot.
    dirty: bool,
    /// Failures in a row.
    failures: usize,
}

impl Papers {
    /// Whether letters wait and the server takes them.
    fn flows(&self) -> bool {
        !self.queue.is_empty() && self.failures == 0
    }
}

/// The mail settings with every address understood.
#[derive(Clone, Debug)]
struct Route {
    server: SocketAddr,
    connect_timeout: Duration,
    hello: ClientId,
    from: Mailbox,
    to: Vec<Mailbox>,
    router_id: String,
}

impl Office {
    /// Opens it without settings: letters wait until there are some.
    pub(super) fn open(pace: Pace) -> Office {
        let desk = Arc::new(Desk {
            papers: Mutex::new(Papers::default()),
            posted: Notify::new(),
            moved: Notify::new(),
            done: Notify::new(),
        });
        let postman = tokio::spawn(walk(desk.clone(), pace));
        Office { desk, postman }
    }

    /// The settings of a configuration. Without any there is nobody to write to: what waits is dropped.
    pub(super) fn configure(&self, mail: Option<Mail>, router_id: &str) {
        let mut papers = self.desk.papers();
        let mail = mail.map(|mail| (mail, router_id.to_owned()));
        if papers.mail == mail {
            return;
        }
        papers.route = mail.as_ref().and_then(|(mail, router_id)| Route::new(mail, router_id));
        papers.mail = mail;
        papers.failures = 0;
        if papers.route.is_none() && !papers.queue.is_empty() {
            warn!(
                "{} mails were waiting and the configuration no longer says whom to send them to",
                papers.queue.len()
            );
            papers.queue.clear();
            papers.dirty = true;
        }
        self.desk.moved.notify_one();
    }

    /// Adds a letter; the oldest makes room if need be.
    pub(super) fn post(&self, letter: Letter) {
        let mut papers = self.desk.papers();
        if papers.route.is_none() {
            warn!("there is nobody to mail `{}` to: global_defs has no usable notification_email", letter.subject);
            return;
        }
        if papers.queue.len() >= LETTERS
            && let Some(oldest) = papers.queue.pop_front()
        {
            warn!("{LETTERS} mails are waiting: the oldest, `{}`, was dropped", oldest.subject);
        }
        papers.queue.push_back(letter);
        papers.dirty = true;
        self.desk.posted.notify_one();
    }

    /// The queue for a successor of this process; `None` if it has not changed.
    pub(super) fn snapshot(&self) -> Option<serde_json::Value> {
        let mut papers = self.desk.papers();
        if !papers.dirty {
            return None;
        }
        papers.dirty = false;
        serde_json::to_value(&papers.queue).ok()
    }

    /// Goes on with a predecessor's queue.
    pub(super) fn restore(&self, snapshot: serde_json::Value) {
        match serde_json::from_value::<VecDeque<Letter>>(snapshot) {
            Ok(letters) => letters.into_iter().for_each(|letter| self.post(letter)),
            Err(e) => warn!("the mail queue of the console before this one is unreadable and lost: {e}"),
        }
    }

    /// Waits until the queue is empty, `patience` at most, and not at all if the server is not taking mail anyway.
    pub(super) async fn close(&self, patience: Duration) {
        let empty = async {
            while self.desk.papers().flows() {
                self.desk.done.notified().await;
            }
        };
        // Either way what is left is counted below.
        let _ = timeout(patience, empty).await;
        self.postman.abort();
        let papers = self.desk.papers();
        if !papers.queue.is_empty() {
            warn!("{} mails could not be sent before the stop", papers.queue.len());
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.postman.abort();
    }
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        // Nothing between lock and unlock leaves the papers half-written.
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self) -> Option<(Letter, Route)> {
        let papers = self.papers();
        Some((papers.queue.front()?.clone(), papers.route.clone()?))
    }

    /// Writes down how the attempt with `letter` went.
    fn settle(&self, letter: &Letter, delivery: &Delivery, pace: &Pace) -> Option<Duration> {
        let mut papers = self.papers();
        papers.dirty = true;
        // It may have been dropped for a newer one meanwhile.
        let here = papers.queue.front().is_some_and(|l| l.written == letter.written && l.subject == letter.subject);
        let wait = match &delivery.failed {
            None => {
                if here {
                    papers.queue.pop_front();
                }
                papers.failures = 0;
                None
            }
            Some(why) => {
                if here && let Some(first) = papers.queue.front_mut() {
                    first.settled.extend(delivery.settled.iter().cloned());
                }
                let wait = pace.wait(papers.failures);
                papers.failures += 1;
                if papers.failures == 1 {
                    warn!("mail `{}`: {why}; trying again in {} s", letter.subject, wait.as_secs_f32());
                }
                while let Some(first) = papers.queue.front()
                    && first.waits.elapsed() >= pace.patience
                {
                    let (after, subject) = (first.waits.elapsed().as_secs(), &first.subject);
                    error!("mail `{subject}` was given up after {after} s: {why}");
                    papers.queue.pop_front();
                }
                Some(wait)
            }
        };
        // Also after a failure: who waits for the end learns that it won't come.
        self.done.notify_one();
        wait
    }
}

async fn walk(desk: Arc<Desk>, pace: Pace) {
    loop {
        let Some((letter, route)) = desk.first() else {
            tokio::select! {
                () = desk.posted.notified() => {}
                () = desk.moved.notified() => {}
            }
            continue;
        };
        let delivery = deliver(&letter, &route).await;
        if let Some(wait) = desk.settle(&letter, &delivery, &pace) {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = desk.moved.notified() => {}
            }
        }
    }
}

impl Route {
    /// `None`, logged, if not one recipient can be written to.
    fn new(mail: &Mail, router_id: &str) -> Option<Route> {
        let mut to = Vec::new();
        for text in &mail.to {
            match mailbox(text) {
                Ok(mailbox) => to.push(mailbox),
                Err(e) => error!("notification_email: {e}; nothing is sent there"),
            }
        }
        if to.is_empty() {
            error!("notification_email names nobody whom mail could be sent to: mail is off");
            return None;
        }
        let from = mailbox(&mail.from).or_else(|e| {
            error!("notification_email_from: {e}; mail comes from `root` at this host instead");
            mailbox("root")
        });
        let hello: String = match &mail.helo {
            Some(name) => name.chars().filter(char::is_ascii_graphic).collect(),
            None => host_name(),
        };
        Some(Route {
            server: mail.server,
            connect_timeout: mail.connect_timeout,
            hello: if hello.is_empty() { ClientId::default() } else { ClientId::Domain(hello) },
            from: from.map_err(|e| error!("no sender: {e}: mail is off")).ok()?,
            to,
            router_id: router_id.to_owned(),
        })
    }
}

/// How an attempt went.
#[derive(Default, Debug)]
struct Delivery {
    /// Recipients that are settled now.
    settled: Vec<String>,
    /// Why the others are not; `None`: none is left.
    failed: Option<String>,
}

/// Tries every recipient that isn't settled.
async fn deliver(letter: &Letter, route: &Route) -> Delivery {
    let mut delivery = Delivery::default();
    let bytes = match letter.compose(&route.from, &route.to, &route.router_id) {
        Ok(bytes) => bytes,
        Err(e) => {
            // It won't be better next time.
            error!("mail `{}`: {e}; it was dropped", letter.subject);
            return delivery;
        }
    };
    let mut connection = None;
    for to in &route.to {
        let name = to.email.to_string();
        if letter.settled.contains(&name) {
            continue;
        }
        match hand_over(&mut connection, route, to, &bytes).await {
            Ok(()) => {
                info!("mail `{}` was taken for {name} by {}", letter.subject, route.server);
                delivery.settled.push(name);
            }
            Err(Trouble::Refused(why)) => {
                error!("mail `{}`: {} refused it for {name}: {why}", letter.subject, route.server);
                delivery.settled.push(name);
                connection = None;
            }
            Err(Trouble::Later(why)) => {
                delivery.failed = Some(format!("{name}: {why}"));
                connection = None;
            }
            Err(Trouble::Server(why)) => {
                delivery.failed = Some(why);
                return delivery;
            }
        }
    }
    if let Some(mut connection) = connection {
        // The letter is through; how the server says goodbye doesn't matter.
        let _ = timeout(Duration::from_secs(1), connection.quit()).await;
    }
    delivery
}

/// Why a letter was not handed over.
#[derive(Debug)]
enum Trouble {
    /// For good, to this recipient (5xx).
    Refused(String),
    /// For now, to this recipient (4xx).
    Later(String),
    /// The server can't be talked to at all.
    Server(String),
}

async fn hand_over(
    connection: &mut Option<AsyncSmtpConnection>,
    route: &Route,
    to: &Mailbox,
    bytes: &[u8],
) -> Result<(), Trouble> {
    let server = route.server;
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(connect(route).await?),
    };
    let envelope = envelope(&route.from, to).map_err(Trouble::Refused)?;
    match timeout(DIALOGUE, connection.send(&envelope, bytes)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) if e.is_permanent() => Err(Trouble::Refused(told(&e))),
        Ok(Err(e)) if e.is_transient() => Err(Trouble::Later(told(&e))),
        // "The server lacks an extension that this address needs".
        Ok(Err(e)) if e.is_client() => Err(Trouble::Refused(told(&e))),
        Ok(Err(e)) => Err(Trouble::Server(format!("{server}: {}", told(&e)))),
        Err(_) => Err(Trouble::Server(format!("{server} did not take it within {} s", DIALOGUE.as_secs()))),
    }
}

async fn connect(route: &Route) -> Result<AsyncSmtpConnection, Trouble> {
    let server = route.server;
    let trouble = |what: String| Trouble::Server(format!("smtp_server {server}: {what}"));
    let stream = match timeout(route.connect_timeout, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(trouble(format!("could not connect: {e}"))),
        Err(_) => {
            return Err(trouble(format!("no connection within {} s", route.connect_timeout.as_secs_f32())));
        }
    };
    // A dialogue of small pieces: without this each letter waits for a delayed acknowledgement.
    stream.set_nodelay(true).map_err(|e| trouble(format!("could not set TCP_NODELAY: {e}")))?;
    let stream = Bounded { stream, left: CHATTER };
    match timeout(DIALOGUE, AsyncSmtpConnection::connect_with_transport(Box::new(stream), &route.hello)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(e)) => Err(trouble(format!("greeting: {}", told(&e)))),
        Err(_) => Err(trouble(format!("no greeting within {} s", DIALOGUE.as_secs()))),
    }
}

/// An error with its causes, in a line.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let e_text = e.to_string();
        if !text.contains(&e_text) {
            text.push_str(": ");
            text.push_str(&e_text);
        }
        cause = e.source();
    }
    super::letter::one_line(&text).chars().take(500).collect()
}

/// A connection that ends after so many bytes: lettre itself reads a line of any length.
#[derive(Debug)]
struct Bounded {
    stream: TcpStream,
    left: u64,
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let n = (buf.filled().len() - before) as u64;
        match self.left.checked_sub(n) {
            Some(left) => {
                self.left = left;
                read
            }
            None => Poll::Ready(Err(io::Error::other(format!("the server said more than {CHATTER} bytes")))),
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
