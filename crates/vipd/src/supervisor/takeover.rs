//! What is asked before a silent master's place is taken: the witness must answer, then the fence must have switched it off.
//! One after the other, so that a host that has lost the network itself switches nobody off.

use super::hooks::credentials;
use super::{Event, RoleName, Supervisor, program};
use crate::message::{Ask, Exit, ToRole};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::info;
use vipd_config::model::{Takeover, TimedCommand};

impl Supervisor {
    /// Finds out whether the place of a silent master may be taken; the answer comes as an event. Who asks the same again
    /// meanwhile, as a role that was started anew, waits for the same answer: nobody is fenced twice at a time. Who asks about
    /// another master has that found out next.
    pub(super) fn judge(&mut self, ask: Ask) {
        let Some(of) = self.config.instance(&ask.instance).map(|i| i.takeover.clone()) else { return };
        if let Some(latest) = self.judging.get_mut(&ask.instance) {
            *latest = ask;
            return;
        }
        self.judging.insert(ask.instance.clone(), ask.clone());
        // What the role said last of the session; it says every change at once.
        let session = of.session.as_ref().map(|name| (name.clone(), self.sessions.get(name) == Some(&true)));
        let events = self.events.clone();
        tokio::spawn(async move {
            let verdict = judge(&of, session, &ask).await;
            let _ = events.send(Event::Cleared { ask, verdict }).await;
        });
    }

    /// The answer to a question: passed on if that is the latest one of its instance.
    pub(super) fn judged(&mut self, ask: Ask, verdict: Result<(), String>) {
        match self.judging.remove(&ask.instance) {
            Some(latest) if latest != ask => self.judge(latest),
            _ => self.tell(RoleName::Vrrp, &ToRole::Cleared { instance: ask.instance, verdict }),
        }
    }
}

async fn judge(of: &Takeover, session: Option<(String, bool)>, ask: &Ask) -> Result<(), String> {
    if ask.witness {
        if let Some((name, false)) = session {
            return Err(format!("witness_bfd {name} is down"));
        }
        if let Some((address, port)) = of.witness {
            answers(address, port, of.patience).await?;
        }
    }
    match &of.fence {
        Some(fence) if ask.fence => strike(fence, ask).await,
        Some(_) | None => Ok(()),
    }
}

/// Whether the witness answers: an echo request, or a connection.
async fn answers(address: IpAddr, port: Option<u16>, patience: Duration) -> Result<(), String> {
    let answer = match port {
        Some(port) => match timeout(patience, TcpStream::connect(SocketAddr::new(address, port))).await {
            Ok(connected) => connected.map(drop),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        },
        None => {
            let ping = tokio::task::spawn_blocking(move || vipd_sys::echo::ping(address, patience));
            ping.await.unwrap_or_else(|e| Err(std::io::Error::other(e)))
        }
    };
    let port = port.map_or_else(String::new, |port| format!(" port {port}"));
    answer.map_err(|e| format!("witness {address}{port}: {e}"))
}

async fn strike(fence: &TimedCommand, ask: &Ask) -> Result<(), String> {
    let TimedCommand { command, timeout } = fence;
    let (peer, priority) = ask.lost.map_or((String::new(), String::new()), |(a, p)| (a.to_string(), p.to_string()));
    info!("({}) fencing {peer}: {}", ask.instance, command.text);
    let of = [("VIPD_INSTANCE", ask.instance.as_str()), ("VIPD_PEER", &peer), ("VIPD_PRIORITY", &priority)];
    match program::run_with(&command.argv, &of, &credentials(command), *timeout).await.exit {
        Exit::Status(0) => Ok(()),
        exit => Err(format!("fence {}: {exit}", command.text)),
    }
}
