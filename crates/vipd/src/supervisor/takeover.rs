//! What is asked before a silent master's place is taken: the witness must answer, then the fence must have switched it off.
//! One after the other, and the second when the witnesses of all siblings have answered, so that a host that has lost the
//! network itself switches nobody off. And what is found out before that of a weaker one is taken, which is heard.

use super::hooks::credentials;
use super::{Event, RoleName, Supervisor, program};
use crate::message::{Ask, Exit, ToRole};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};
use tracing::info;
use vipd_check::Target;
use vipd_config::model::{Takeover, TimedCommand};
use vipd_vrrp::router::Question;

/// What fencing comes to.
type Strike = OnceCell<Result<(), String>>;

/// Fences at work, by their command and whom they fence: instances that lose the same peer at the same time have it fenced
/// once.
#[derive(Default)]
pub(super) struct Strikes(BTreeMap<(Vec<String>, Option<IpAddr>), Weak<Strike>>);

impl Strikes {
    /// The one that is at work, or a new one. What is done is no answer to whoever asks later.
    fn join(&mut self, fence: &TimedCommand, whom: Option<IpAddr>) -> Arc<Strike> {
        self.0.retain(|_, strike| strike.strong_count() > 0);
        let key = (fence.command.argv.clone(), whom);
        let joined = self.0.get(&key).and_then(Weak::upgrade).filter(|strike| !strike.initialized());
        joined.unwrap_or_else(|| {
            let strike = Arc::new(OnceCell::new());
            self.0.insert(key, Arc::downgrade(&strike));
            strike
        })
    }
}

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
        let whom = ask.lost.map(|(address, _)| address);
        let fence = of.fence.as_ref().filter(|_| ask.question == Question::Fence);
        let strike = fence.map(|fence| self.strikes.join(fence, whom));
        let events = self.events.clone();
        tokio::spawn(async move {
            let verdict = match (ask.question, &of.fence, strike) {
                (Question::Witness, ..) => question(&of, session).await,
                (Question::Fence, Some(fence), Some(strike)) => {
                    strike.get_or_init(|| self::strike(fence, &ask)).await.clone()
                }
                (Question::Fence, ..) => Ok(()),
            };
            let _ = events.send(Event::Cleared { ask, verdict }).await;
        });
    }

    /// The director finds out when the connections of a weaker master are known here. One that does not answer keeps nobody
    /// waiting: whoever asks knows for how long it does.
    pub(super) fn catch_up(&mut self, instance: String) {
        let Some(of) = self.config.instance(&instance) else { return };
        let longest = Duration::from_micros(of.vrrp.catch_up.0);
        self.catching = Some((instance.clone(), Instant::now() + longest));
        self.tell(RoleName::Director, &ToRole::CatchUp { instance, longest });
    }

    /// A director that starts does not know what its predecessor was asked.
    pub(super) fn ask_again_for_connections(&self) {
        if let Some((instance, until)) = &self.catching {
            let (instance, longest) = (instance.clone(), until.saturating_duration_since(Instant::now()));
            self.tell(RoleName::Director, &ToRole::CatchUp { instance, longest });
        }
    }

    /// It has found out.
    pub(super) fn caught_up(&mut self, instance: String) {
        self.catching = None;
        self.tell(RoleName::Vrrp, &ToRole::CaughtUp(instance));
    }

    /// The answer to a question: passed on if that is the latest one of its instance.
    pub(super) fn judged(&mut self, ask: Ask, verdict: Result<(), String>) {
        match self.judging.remove(&ask.instance) {
            Some(latest) if latest != ask => self.judge(latest),
            _ => {
                let Ask { instance, question, .. } = ask;
                self.tell(RoleName::Vrrp, &ToRole::Cleared { instance, question, verdict });
            }
        }
    }
}

/// Whether the witnesses answer.
async fn question(of: &Takeover, session: Option<(String, bool)>) -> Result<(), String> {
    if let Some((name, false)) = session {
        return Err(format!("witness_bfd {name} is down"));
    }
    match of.witness {
        Some((address, port)) => answers(address, port, of.patience).await,
        None => Ok(()),
    }
}

/// Whether the witness answers: an echo request, or a connection.
async fn answers(address: IpAddr, port: Option<u16>, patience: Duration) -> Result<(), String> {
    let answer = match port {
        Some(port) => match timeout(patience, TcpStream::connect(SocketAddr::new(address, port))).await {
            Ok(connected) => connected.map(drop),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        },
        None => match vipd_check::ping::probe(&Target::new(SocketAddr::new(address, 0), patience)).await {
            vipd_check::Verdict::Pass { .. } => Ok(()),
            vipd_check::Verdict::Fail(why) => Err(std::io::Error::other(why)),
        },
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    #[test]
    fn a_peer_that_many_lose_is_fenced_once() {
        let text = "vrrp_instance A {\nvirtual_router_id 51\ninterface eth0\nfence \"/bin/true off\"\n\
                    virtual_ipaddress {\n192.0.2.1\n}\n}\n";
        let config = vipd_config::load_str("test", text, &vipd_config::Options::default()).config.unwrap();
        let fence = config.instances[0].takeover.fence.as_ref().unwrap();
        let (peer, other) = (Some(IpAddr::from([192, 0, 2, 2])), Some(IpAddr::from([192, 0, 2, 3])));
        let mut strikes = Strikes::default();
        let (first, second, third) = (strikes.join(fence, peer), strikes.join(fence, peer), strikes.join(fence, other));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &third));
        first.set(Err("it burns".to_owned())).unwrap();
        assert_eq!(second.get(), Some(&Err("it burns".to_owned())));
        // The next time it is asked for is another one, also while somebody still reads what came of the last.
        assert_eq!(strikes.join(fence, peer).get(), None);
    }
}
