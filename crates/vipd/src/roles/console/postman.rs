//! The mail queue and who carries it to the `smtp_server`: one letter after the other, again later when it isn't taken,
//! never more than a bounded number. What is lost is logged.
//!
//! The connection is plain SMTP, as keepalived's. A letter goes to each recipient by itself, so that one that the server
//! refuses costs the others nothing. Two things can go wrong for now, and they are kept apart:
//!
//! ```text
//!   the server is not there or does not greet      everything waits; the letter keeps its place
//!   it answers, and does not take a letter yet     that letter waits, behind all the others
//!   it breaks off or falls silent over a letter    both: whose fault it was, the next letter will show
//! ```
//!
//! A letter is given up when it fails again after a bounded time: never one that was not tried.

use super::host_name;
use super::letter::{Letter, envelope, mailbox};
use crate::legacy::Legacy;
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
use tokio::time::{Instant, timeout};
use tracing::{debug, error, info, warn};
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
    /// A letter that has waited this long is given up when it fails itself.
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
    /// An attempt has ended.
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
    /// The server's failures in a row; a letter's own are with the letter.
    failures: usize,
    /// The number of the last letter that came in.
    last_number: u64,
    /// The letter that is being delivered.
    under_way: Option<u64>,
}

impl Papers {
    /// Whether letters are due and the server takes them.
    fn flows(&self) -> bool {
        let now = Instant::now();
        self.failures == 0 && self.queue.iter().any(|letter| letter.due <= now)
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.queue.iter().position(|letter| letter.number == number)
    }

    /// Which letter gives way when there are too many: the first one that has been tried, so that none is lost untried
    /// while others had their chance, else the oldest. Never the one under way, whose fate is just being decided.
    fn victim(&self) -> Option<usize> {
        let waiting = || self.queue.iter().enumerate().filter(|(_, letter)| Some(letter.number) != self.under_way);
        let tried = waiting().find(|(_, letter)| letter.failures > 0);
        tried.or_else(|| waiting().next()).map(|(at, _)| at)
    }
}

/// What the postman does next.
enum Next {
    /// Carries this letter.
    Deliver(Box<(Letter, Route)>),
    /// Waits for a letter's next attempt.
    Wait(Instant),
    /// Waits for a letter.
    Idle,
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
        // What one server did not take another may take at once.
        papers.queue.iter_mut().for_each(|letter| letter.due = Instant::now());
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

    /// Adds a letter; another one makes room if need be.
    pub(super) fn post(&self, mut letter: Letter) {
        let mut papers = self.desk.papers();
        if papers.mail.is_none() {
            debug!("no mail is configured: `{}` is sent to nobody", letter.subject);
            return;
        }
        if papers.route.is_none() {
            warn!("there is nobody to mail `{}` to: global_defs has no usable notification_email", letter.subject);
            return;
        }
        if papers.queue.len() >= LETTERS
            && let Some(dropped) = papers.victim().and_then(|at| papers.queue.remove(at))
        {
            let tried = if dropped.failures > 0 { "the first that was tried in vain" } else { "the oldest" };
            warn!("{LETTERS} mails are waiting: {tried}, `{}`, was dropped", dropped.subject);
        }
        papers.last_number += 1;
        letter.number = papers.last_number;
        papers.queue.push_back(letter);
        papers.dirty = true;
        self.desk.posted.notify_one();
    }

    /// The queue for a successor of this process; `None` if it has not changed.
    pub(super) fn snapshot(&self) -> Option<Legacy> {
        let mut papers = self.desk.papers();
        if !papers.dirty {
            return None;
        }
        papers.dirty = false;
        Legacy::of(&papers.queue, "the mail queue")
    }

    /// Goes on with a predecessor's queue.
    pub(super) fn restore(&self, snapshot: &Legacy) {
        match snapshot.read::<VecDeque<Letter>>() {
            Ok(letters) => letters.into_iter().for_each(|letter| self.post(letter)),
            Err(e) => warn!("the mail queue of the console before this one is unreadable and lost: {e}"),
        }
    }

    /// Waits until nothing is due any more, `patience` at most, and not at all if the server is not taking mail anyway.
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

    /// The first letter that is due, in the order of the queue.
    fn next(&self) -> Next {
        let mut papers = self.papers();
        let Some(route) = papers.route.clone() else { return Next::Idle };
        let now = Instant::now();
        let due = papers.queue.iter().find(|letter| letter.due <= now).cloned();
        match due {
            Some(letter) => {
                papers.under_way = Some(letter.number);
                Next::Deliver(Box::new((letter, route)))
            }
            None => papers.queue.iter().map(|letter| letter.due).min().map_or(Next::Idle, Next::Wait),
        }
    }

    /// Writes down how the attempt with a letter went. For how long the server is to be left alone, if at all.
    fn settle(&self, number: u64, delivery: Delivery, pace: &Pace) -> Option<Duration> {
        let mut papers = self.papers();
        papers.dirty = true;
        papers.under_way = None;
        let server = match &delivery.setback {
            Some(Setback::Server(_) | Setback::Unclear(_)) => {
                papers.failures += 1;
                Some(pace.wait(papers.failures - 1))
            }
            Some(Setback::Letter(_)) | None => {
                papers.failures = 0;
                None
            }
        };
        // A configuration without recipients may have emptied the queue meanwhile.
        if let Some(mut letter) = papers.position(number).and_then(|at| papers.queue.remove(at))
            && let Some(setback) = delivery.setback
        {
            letter.settled.extend(delivery.settled);
            letter.late = delivery.late;
            letter.failures += 1;
            let (age, subject) = (letter.waits.elapsed(), &letter.subject);
            let why = setback.why();
            if age >= pace.patience {
                error!("mail `{subject}` was given up after {} s: {why}", age.as_secs());
            } else {
                let own = pace.wait(letter.failures - 1);
                let first = if server.is_some() { papers.failures == 1 } else { letter.failures == 1 };
                if first {
                    warn!("mail `{subject}`: {why}; trying again in {} s", server.unwrap_or(own).as_secs_f32());
                }
                match setback {
                    Setback::Server(_) => papers.queue.push_front(letter),
                    Setback::Letter(_) | Setback::Unclear(_) => {
                        letter.due = Instant::now() + own;
                        papers.queue.push_back(letter);
                    }
                }
            }
        }
        // Also after a failure: who waits for the end learns that it won't come.
        self.done.notify_one();
        server
    }
}

async fn walk(desk: Arc<Desk>, pace: Pace) {
    loop {
        let wait = match desk.next() {
            Next::Deliver(papers) => {
                let (letter, route) = *papers;
                let delivery = deliver(&letter, &route).await;
                let Some(wait) = desk.settle(letter.number, delivery, &pace) else { continue };
                // A new letter is no reason to bother the server earlier.
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = desk.moved.notified() => {}
                }
                continue;
            }
            Next::Wait(due) => Some(due),
            Next::Idle => None,
        };
        let due = async {
            match wait {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = desk.posted.notified() => {}
            () = desk.moved.notified() => {}
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
    /// Recipients that were not settled though they were tried.
    late: Vec<String>,
    /// Why not all are settled; `None`: none is left.
    setback: Option<Setback>,
}

/// Why a letter has to be carried again.
#[derive(Debug)]
enum Setback {
    /// The server can't be talked to: nothing else could be delivered either.
    Server(String),
    /// The server can be talked to, and did not take this letter for somebody.
    Letter(String),
    /// The server broke off over this letter, for whichever of the two reasons.
    Unclear(String),
}

impl Setback {
    fn why(&self) -> &str {
        match self {
            Setback::Server(why) | Setback::Letter(why) | Setback::Unclear(why) => why,
        }
    }
}

/// Tries every recipient that isn't settled, whatever happens with the ones before it.
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
    // Whether the server gave any recipient an answer of its own.
    let mut answered = false;
    let mut waiting = None;
    // Whoever was late the last time comes last: should the server have enough after that, the others have theirs.
    let mut recipients: Vec<&Mailbox> = route.to.iter().collect();
    recipients.sort_by_key(|to| letter.late.contains(&to.email.to_string()));
    for to in recipients {
        let name = to.email.to_string();
        if letter.settled.contains(&name) {
            continue;
        }
        match hand_over(&mut connection, route, to, &bytes).await {
            Ok(()) => {
                info!("mail `{}` was taken for {name} by {}", letter.subject, route.server);
                delivery.settled.push(name);
                answered = true;
            }
            Err(Trouble::Refused(why)) => {
                error!("mail `{}`: {} refused it for {name}: {why}", letter.subject, route.server);
                delivery.settled.push(name);
                answered = true;
                connection = None;
            }
            Err(Trouble::Later(why)) => {
                waiting = Some(format!("{name}: {why}"));
                delivery.late.push(name);
                answered = true;
                connection = None;
            }
            // Perhaps over this recipient only: the next one gets a new connection.
            Err(Trouble::Broken(why)) => {
                waiting = Some(why);
                delivery.late.push(name);
                connection = None;
            }
            Err(Trouble::Server(why)) => {
                delivery.setback = Some(Setback::Server(why));
                return delivery;
            }
        }
    }
    delivery.setback = waiting.map(if answered { Setback::Letter } else { Setback::Unclear });
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
    /// The server greeted, and broke off or fell silent before its verdict.
    Broken(String),
    /// The server can't be talked to at all.
    Server(String),
}

/// "Service not available, closing transmission channel" (RFC 5321, 4.2.3): the server's own state, no recipient's.
const CLOSING: u16 = 421;

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
        Ok(Err(e)) if e.is_transient() && e.status().is_none_or(|code| u16::from(code) != CLOSING) => {
            Err(Trouble::Later(told(&e)))
        }
        // "The server lacks an extension that this address needs".
        Ok(Err(e)) if e.is_client() => Err(Trouble::Refused(told(&e))),
        Ok(Err(e)) => Err(Trouble::Broken(format!("{server}, about {}: {}", to.email, told(&e)))),
        Err(_) => {
            let seconds = DIALOGUE.as_secs();
            Err(Trouble::Broken(format!("{server} did not take it for {} within {seconds} s", to.email)))
        }
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
