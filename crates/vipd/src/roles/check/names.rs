//! Names of real servers: asked for when the last answer is over, by tasks of their own. What comes of it goes to the supervisor,
//! which knows whose servers they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use vipd_check::resolve::{self, Kind, Vain};
use vipd_config::discovery::{Lookup, MOST, Outcome, Records, Server};
use vipd_lvs::settings::Family;

/// Where the host says whom it asks.
const HOST: &str = "/etc/resolv.conf";

/// Names that are asked for at a time: more wait for their turn.
const AT_ONCE: usize = 64;

/// What came of asking for a name.
pub(super) struct Asked {
    pub(super) lookup: Lookup,
    pub(super) outcome: Outcome,
    /// When it is asked for again.
    pub(super) again: Duration,
}

/// The names that are asked for.
pub(super) struct Names {
    /// Each in a task of its own; those of before end when others come.
    tasks: JoinSet<()>,
    results: mpsc::Sender<Asked>,
}

impl Names {
    pub(super) fn new(results: mpsc::Sender<Asked>) -> Names {
        Names { tasks: JoinSet::new(), results }
    }

    /// Asks for these from now on, at once to begin with.
    pub(super) fn ask_for(&mut self, lookups: Vec<Lookup>) {
        self.tasks.abort_all();
        self.tasks = JoinSet::new();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        for lookup in lookups {
            let (results, places) = (self.results.clone(), Arc::clone(&places));
            self.tasks.spawn(async move {
                let mut vain = 0;
                loop {
                    let place = places.acquire().await; // never closed
                    let found = ask(&lookup).await;
                    drop(place);
                    vain = if found.is_ok() { 0 } else { vain + 1 };
                    let again = again(&lookup, found.as_ref().ok().map(|(_, ttl)| *ttl), vain);
                    let outcome = found.map(|(servers, _)| servers).map_err(|why| why.to_string());
                    let asked = Asked { lookup: lookup.clone(), outcome: outcome.and_then(bounded), again };
                    if results.send(asked).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(again).await;
                }
            });
        }
    }
}

/// After how long a name is asked for again: when the answer is over, within bounds; after questions in vain soon, then ever later.
/// `vain`: how many in a row.
fn again(lookup: &Lookup, ttl: Option<Duration>, vain: u32) -> Duration {
    let wanted = ttl.unwrap_or_else(|| lookup.min_ttl.saturating_mul(1 << vain.saturating_sub(1).min(4)));
    wanted.max(lookup.min_ttl).min(lookup.max_ttl.max(lookup.min_ttl))
}

/// More than are taken need not be passed on.
fn bounded(servers: Vec<Server>) -> Outcome {
    match servers.len() {
        ..=MOST => Ok(servers),
        length => Err(format!("it names {length} servers: {MOST} at most are taken")),
    }
}

async fn ask(lookup: &Lookup) -> Result<(Vec<Server>, Duration), Vain> {
    let mut servers = lookup.resolvers.clone();
    if servers.is_empty() {
        // None, or one that can't be read: there is nobody to ask, which is told.
        servers = resolve::host_servers(&std::fs::read_to_string(HOST).unwrap_or_default());
    }
    let family = |family: Family| match family {
        Family::Inet => resolve::Family::V4,
        Family::Inet6 => resolve::Family::V6,
    };
    let (kind, said) = match lookup.kind {
        Records::A(port) => (Kind::Address(resolve::Family::V4), port),
        Records::Aaaa(port) => (Kind::Address(resolve::Family::V6), port),
        Records::Srv(of) => (Kind::Service(family(of)), 0),
    };
    let answer = resolve::resolve(&servers, &lookup.name, kind).await?;
    let server = |found: resolve::Server| {
        let address = SocketAddr::new(found.ip, found.port.unwrap_or(said));
        Server { address, weight: found.weight.map(u32::from) }
    };
    Ok((answer.servers.into_iter().map(server).collect(), answer.ttl))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // in a test a panic is the verdict
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn lookup(min: u64, max: u64) -> Lookup {
        Lookup {
            name: "web.example.org".to_owned(),
            kind: Records::A(80),
            resolvers: Vec::new(),
            min_ttl: Duration::from_secs(min),
            max_ttl: Duration::from_secs(max),
        }
    }

    #[test]
    fn an_answer_counts_for_its_time_to_live_within_bounds() {
        let after = |ttl| again(&lookup(5, 300), Some(Duration::from_secs(ttl)), 0).as_secs();
        assert_eq!([0, 4, 5, 60, 300, 301, 4_294_967_295].map(after), [5, 5, 5, 60, 300, 300, 300]);
    }

    #[test]
    fn questions_in_vain_become_rarer() {
        let after = |vain| again(&lookup(5, 60), None, vain).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, u32::MAX].map(after), [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(again(&lookup(86_400, 86_400), None, u32::MAX).as_secs(), 86_400);
    }

    #[test]
    fn more_servers_than_are_taken_are_not_passed_on() {
        let server = |n: usize| {
            let port = u16::try_from(n).unwrap();
            Server { address: SocketAddr::new(IpAddr::from([10, 0, 0, 1]), port), weight: None }
        };
        assert_eq!(bounded((0..MOST).map(server).collect()).map(|all| all.len()), Ok(MOST));
        assert!(bounded((0..=MOST).map(server).collect()).unwrap_err().contains("4097 servers"));
    }

    #[tokio::test]
    async fn a_name_is_asked_for_until_others_come() {
        let (results, mut queue) = mpsc::channel(8);
        let mut names = Names::new(results);
        // Nobody is there.
        let nowhere = Lookup { resolvers: vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 9)], ..lookup(1, 1) };
        names.ask_for(vec![nowhere.clone()]);
        for _ in 0..2 {
            let asked = queue.recv().await.unwrap();
            assert_eq!((asked.lookup, asked.again), (nowhere.clone(), Duration::from_secs(1)));
            let why = asked.outcome.unwrap_err();
            assert!(why.starts_with("127.0.0.1:9 "), "{why}");
        }
        names.ask_for(Vec::new());
        while queue.try_recv().is_ok() {}
        assert!(tokio::time::timeout(Duration::from_millis(1500), queue.recv()).await.is_err());
    }
}
