//! A client's view: who answers at an address, and how long nobody did.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// What a client saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Questions asked.
    pub asked: u64,
    /// Answers by who gave them.
    pub answers: BTreeMap<String, u64>,
    /// Times without an answer.
    pub outages: Vec<Outage>,
}

/// A time without an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outage {
    /// When it began, in seconds since the start.
    pub start: f64,
    /// How long it was: from the last answered question before it to the first answered question after it, in
    /// milliseconds.
    pub ms: f64,
    /// Who answered before.
    pub before: String,
    /// Who answered after.
    pub after: String,
    /// Questions lost in it.
    pub lost: u64,
}

impl Seen {
    /// The longest outage in milliseconds; 0 if there was none.
    pub fn longest(&self) -> f64 {
        self.outages.iter().map(|o| o.ms).fold(0.0, f64::max)
    }

    /// Questions without an answer.
    pub fn lost(&self) -> u64 {
        self.outages.iter().map(|o| o.lost).sum()
    }
}

/// Answers every question with its number and a name, for ever.
pub fn echo(name: &str, port: u16) -> std::io::Result<()> {
    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    let mut buffer = [0; 64];
    loop {
        let (n, from) = socket.recv_from(&mut buffer)?;
        let mut answer = buffer[..n.min(8)].to_vec();
        answer.extend_from_slice(name.as_bytes());
        let _ = socket.send_to(&answer, from); // the client may be gone
    }
}

/// Asks every so often, for so long, and tells each answer as it comes. The answers come back from the address that was
/// asked only if the socket is bound there; the echo answers from its host's address, so nothing is connected here.
pub fn ask(to: SocketAddr, every: Duration, duration: Duration) -> std::io::Result<Seen> {
    ask_until(to, every, duration, || false)
}

/// The same, but for no longer than until `enough`.
pub fn ask_until(
    to: SocketAddr,
    every: Duration,
    mut duration: Duration,
    enough: impl Fn() -> bool,
) -> std::io::Result<Seen> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let start = Instant::now();
    let mut sent: Vec<(f64, Option<String>)> = Vec::new();
    let mut buffer = [0; 128];
    let mut next = start;
    // Some time after the last question for its answer.
    while start.elapsed() < duration + Duration::from_millis(300) {
        if next <= Instant::now() && start.elapsed() < duration {
            let number = sent.len() as u64;
            sent.push((start.elapsed().as_secs_f64(), None));
            let _ = socket.send_to(&number.to_be_bytes(), to); // unreachable for now: an unanswered question
            next += every;
            if number.is_multiple_of(16) && enough() {
                duration = start.elapsed();
            }
        }
        let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_micros(200));
        socket.set_read_timeout(Some(wait.min(Duration::from_millis(50))))?;
        if let Ok((n, _)) = socket.recv_from(&mut buffer)
            && let Some((number, name)) = buffer[..n].split_first_chunk::<8>()
            && let Some(question) = usize::try_from(u64::from_be_bytes(*number)).ok().and_then(|n| sent.get_mut(n))
        {
            question.1 = Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(digest(&sent))
}

fn digest(sent: &[(f64, Option<String>)]) -> Seen {
    let mut seen = Seen { asked: sent.len() as u64, ..Seen::default() };
    let mut last: Option<(f64, &String)> = None;
    let mut lost = 0;
    for (at, answer) in sent {
        match answer {
            Some(name) => {
                *seen.answers.entry(name.clone()).or_default() += 1;
                if let Some((before_at, before)) = last.filter(|_| lost > 0) {
                    let ms = (at - before_at) * 1000.0;
                    let (before, after) = (before.clone(), name.clone());
                    seen.outages.push(Outage { start: before_at, ms, before, after, lost });
                }
                last = Some((*at, name));
                lost = 0;
            }
            None => lost += 1,
        }
    }
    if let Some((start, before)) = last.filter(|_| lost > 3) {
        let end = sent.last().map_or(start, |(at, _)| *at);
        let before = before.clone();
        seen.outages.push(Outage { start, ms: (end - start) * 1000.0, before, after: "nobody".to_owned(), lost });
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn an_outage_lasts_from_answer_to_answer() {
        let answered = |name: &str| Some(name.to_owned());
        let sent = [(0.0, answered("a")), (0.005, None), (0.010, None), (0.015, answered("b")), (0.020, answered("b"))];
        let seen = digest(&sent);
        assert_eq!((seen.asked, seen.lost(), seen.outages.len()), (5, 2, 1));
        assert!((seen.longest() - 15.0).abs() < 0.01);
        assert_eq!((seen.outages[0].before.as_str(), seen.outages[0].after.as_str()), ("a", "b"));
    }
}
