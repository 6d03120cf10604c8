//! The console role: where operators' requests and the daemon's mail pass. It knows nothing of VRRP or servers; a request
//! goes on to the supervisor as it is, and the answer back.
//!
//! ```text
//!   vipd status --- control socket ---> session --+                       +--> Request --> supervisor
//!   (32 at once)                        session --+---> this loop <-------+<-- Reply  <--
//!                                                            |            +<-- Mail   <--
//!   vipd events --- session: reads the copy of the record <--+-- Events <--
//!                                       postman <--- queue --+
//!                                          |
//!                                          +--> smtp_server
//! ```

mod endpoint;
mod letter;
mod postman;
mod session;
mod stream;

use crate::channel::{self, Sender};
use crate::message::{Configure, FromRole, ToRole};
use endpoint::Endpoint;
use letter::Letter;
use postman::{Office, Pace};
use session::Ask;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};
use vipd_api::Reply;

/// Operators served at once.
const SESSIONS: usize = 32;

/// How often the socket file is looked after and the mail queue is handed to the supervisor for safe keeping.
const UPKEEP: Duration = Duration::from_secs(3);

/// How long a stop waits for mail that is on its way.
const LAST_POST: Duration = Duration::from_secs(2);

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) async fn run(stream: UnixStream) -> ExitCode {
    // It reads what operators and mail servers send, and needs no right for that; its socket's directory is root's own.
    if let Err(e) = vipd_sys::privilege::keep_only(&[], vipd_sys::privilege::Identity::Root) {
        warn!("the console goes on with all its capabilities: they could not be given up: {e}");
    }
    run_at(stream, Pace::default()).await
}

/// `run`, with the mail's patience as an argument: tests have less of it.
async fn run_at(stream: UnixStream, pace: Pace) -> ExitCode {
    let (mut receiver, sender) = channel::split(stream);
    let (asks, mut asked) = mpsc::channel(SESSIONS);
    let mut console = Console {
        sender,
        asks,
        permits: Arc::new(Semaphore::new(SESSIONS)),
        waiting: HashMap::new(),
        last_id: 0,
        path: None,
        endpoint: None,
        complaint: None,
        office: Office::open(pace),
        events: Arc::default(),
    };
    let mut upkeep = tokio::time::interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let ended = loop {
        let turn = tokio::select! {
            message = receiver.next::<ToRole>() => match message {
                Ok(Some(message)) => console.hear(message).await,
                Ok(None) => {
                    info!("the supervisor is gone: the console ends");
                    Ok(Turn::End)
                }
                Err(e) => Err(e),
            },
            Some(ask) = asked.recv() => console.pass_on(ask).await,
            accepted = endpoint::accept(console.endpoint.as_ref()) => console.greet(accepted).await,
            _ = upkeep.tick() => console.upkeep().await,
        };
        match turn {
            Ok(Turn::Again) => {}
            Ok(Turn::End) => break ExitCode::SUCCESS,
            Err(e) => {
                error!("the channel to the supervisor broke: {e}: the console ends");
                break ExitCode::FAILURE;
            }
        }
    };
    if let Some(endpoint) = console.endpoint.take() {
        endpoint.remove();
    }
    ended
}

/// Whether the loop turns again.
enum Turn {
    Again,
    End,
}

struct Console {
    sender: Sender,
    /// Given to every session.
    asks: mpsc::Sender<Ask>,
    permits: Arc<Semaphore>,
    /// Sessions that wait for the supervisor's answer, by the number of the request.
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
    last_id: u64,
    /// Where the socket shall be; `None` before the first configuration.
    path: Option<PathBuf>,
    endpoint: Option<Endpoint>,
    /// What was last logged about the socket, so that it is logged once.
    complaint: Option<String>,
    office: Office,
    events: Arc<Stream>,
}

impl Console {
    async fn hear(&mut self, message: ToRole) -> io::Result<Turn> {
        match message {
            ToRole::Configure(configure) => self.configure(*configure).await?,
            ToRole::Mail { subject, body } => self.office.post(Letter::new(&subject, &body)),
            ToRole::Reply { id, reply } => match self.waiting.remove(&id) {
                // A session that has given up no longer listens; that is its own affair.
                Some(session) => drop(session.send(*reply)),
                None => debug!("an answer to request {id}, which nobody waits for"),
            },
            ToRole::Events { boot, started, events } => self.events.hear(boot, started, events),
            ToRole::Ping(n) => self.sender.send(&FromRole::Beat(n)).await?,
            ToRole::Stop => {
                if let Some(endpoint) = self.endpoint.take() {
                    endpoint.remove();
                }
                self.office.close(LAST_POST).await;
                self.sender.send(&FromRole::Done).await?;
                return Ok(Turn::End);
            }
            ToRole::Script { .. }
            | ToRole::Cleared { .. }
            | ToRole::CatchUp { .. }
            | ToRole::CaughtUp(_)
            | ToRole::Steer { .. }
            | ToRole::File { .. }
            | ToRole::Mastership(_)
            | ToRole::Sessions(_)
            | ToRole::Process { .. }
            | ToRole::Lookups(_)
            | ToRole::Ran { .. }
            | ToRole::Verdicts(_)
            | ToRole::Query(_) => {
                warn!("the supervisor sent the console a message for another role; it was dropped");
            }
        }
        Ok(Turn::Again)
    }

    async fn configure(&mut self, configure: Configure) -> io::Result<()> {
        let first = self.path.is_none();
        let global = configure.part.config.global;
        self.office.configure(global.mail, &global.router_id);
        if let Some(snapshot) = configure.snapshot {
            self.office.restore(&snapshot);
        }
        let path = PathBuf::from(configure.options.socket);
        if self.path.as_deref() != Some(&path) {
            self.path = Some(path);
            self.complaint = None;
            self.attend().await;
        }
        if first {
            self.sender.send(&FromRole::Ready).await?;
        }
        Ok(())
    }

    async fn upkeep(&mut self) -> io::Result<Turn> {
        self.attend().await;
        if let Some(snapshot) = self.office.snapshot() {
            self.sender.send(&FromRole::Snapshot(snapshot)).await?;
        }
        Ok(Turn::Again)
    }

    /// Makes the socket be where it shall be: at first, after a reload that moves it, after somebody removed the file, and
    /// after whoever held it has let go. An old socket is given up only once the new one stands.
    async fn attend(&mut self) {
        let Some(path) = &self.path else { return };
        let current = self.endpoint.as_ref();
        if current.is_some_and(|e| e.path() == path && e.intact()) {
            return;
        }
        match Endpoint::bind(path).await {
            Ok(endpoint) => {
                info!("the control socket is {}", path.display());
                self.complaint = None;
                if let Some(old) = self.endpoint.replace(endpoint) {
                    old.remove();
                }
            }
            Err(e) => self.complain(e.to_string()),
        }
    }

    fn complain(&mut self, what: String) {
        if self.complaint.as_ref() != Some(&what) {
            error!("{what}");
            self.complaint = Some(what);
        }
    }

    async fn greet(&mut self, accepted: io::Result<UnixStream>) -> io::Result<Turn> {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(e) => {
                self.complain(format!("could not accept a connection on the control socket: {e}; trying on"));
                // Out of descriptors or memory: the condition lasts a while and must not turn the loop.
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Ok(Turn::Again);
            }
        };
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => {
                let (asks, events) = (self.asks.clone(), Arc::clone(&self.events));
                tokio::spawn(async move {
                    session::serve(stream, asks, events).await;
                    drop(permit);
                });
            }
            Err(_) => session::turn_away(&stream, SESSIONS),
        }
        Ok(Turn::Again)
    }

    async fn pass_on(&mut self, ask: Ask) -> io::Result<Turn> {
        self.waiting.retain(|_, session| !session.is_closed());
        self.last_id += 1;
        self.waiting.insert(self.last_id, ask.answer);
        self.sender.send(&FromRole::Request { id: self.last_id, request: ask.request, uid: ask.uid }).await?;
        Ok(Turn::Again)
    }
}

/// The name of this host as lettre finds it, an address literal if it has none.
fn host_name() -> String {
    lettre::transport::smtp::extension::ClientId::default().to_string()
}

#[cfg(test)]
mod tests;
