//! A client that asks the virtual IP "who are you?" without a pause, from the first scene to the last, and remembers who
//! answered what when.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vipd_tests::lab::Host;
use vipd_tests::web::inside;

/// How often it asks.
const EVERY: Duration = Duration::from_millis(5);

/// An answer that takes longer is none: the client has given up.
const PATIENCE: f64 = 0.2;

/// One question: when it was asked, in seconds, and which director answered.
type Question = (f64, Option<u8>);

/// The client, at work.
pub(crate) struct Asker {
    asked: Arc<Mutex<Vec<Question>>>,
    start: Instant,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Asker {
    /// Begins to ask.
    pub(crate) fn start(host: &Host, to: SocketAddr) -> Asker {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (start, end) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let (host, list, ended) = (host.clone(), asked.clone(), end.clone());
        let thread = std::thread::spawn(move || inside(&host, || ask(to, start, &list, &ended)));
        Asker { asked, start, end, thread: Some(thread) }
    }

    /// Now, on its clock.
    pub(crate) fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// What it saw since then, as far as the answers are due.
    pub(crate) fn view(&self, from: f64) -> View {
        let to = self.now() - PATIENCE;
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let first = asked.partition_point(|(at, _)| *at < from);
        let last = asked.partition_point(|(at, _)| *at < to);
        View { from, to, questions: asked.get(first..last).unwrap_or_default().to_vec() }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(e))) = self.thread.take().map(JoinHandle::join) {
            println!("  the client could not ask: {e}");
        }
    }
}

fn ask(to: SocketAddr, start: Instant, asked: &Mutex<Vec<Question>>, end: &AtomicBool) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut buffer = [0; 64];
    let mut next = Instant::now();
    while !end.load(Ordering::Relaxed) {
        if next <= Instant::now() {
            let number = {
                let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                asked.push((start.elapsed().as_secs_f64(), None));
                asked.len() as u64 - 1
            };
            let _ = socket.send_to(&number.to_be_bytes(), to); // unreachable for now: an unanswered question
            // A client that was kept from asking asks one question, not all that it missed.
            next = (next + EVERY).max(Instant::now());
        }
        let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_micros(200));
        socket.set_read_timeout(Some(wait))?;
        if let Ok((n, _)) = socket.recv_from(&mut buffer)
            && let Some((number, name)) = buffer.get(..n).and_then(|b| b.split_first_chunk::<8>())
            && let Ok(number) = usize::try_from(u64::from_be_bytes(*number))
            && let Some(question) = asked.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number)
            && start.elapsed().as_secs_f64() - question.0 < PATIENCE
        {
            // drct1, drct2
            question.1 = name.last().and_then(|digit| digit.checked_sub(b'0'));
        }
    }
    Ok(())
}

/// What the client saw in a while.
pub(crate) struct View {
    from: f64,
    to: f64,
    questions: Vec<Question>,
}

impl View {
    /// The longest time without an answer, in seconds: from the last answered question before it to the first one after it.
    pub(crate) fn outage(&self) -> f64 {
        let (mut longest, mut last, mut lost) = (0.0, self.from, false);
        for (at, by) in &self.questions {
            if by.is_some() {
                if lost {
                    longest = f64::max(longest, at - last);
                }
                (last, lost) = (*at, false);
            } else {
                lost = true;
            }
        }
        if lost { f64::max(longest, self.to - last) } else { longest }
    }

    /// Who answered, each name as often as it took over from another.
    pub(crate) fn order(&self) -> Vec<u8> {
        let mut order: Vec<u8> = self.questions.iter().filter_map(|(_, by)| *by).collect();
        order.dedup();
        order
    }

    /// Whether the last so many questions were all answered by this one.
    pub(crate) fn steady(&self, count: usize, by: u8) -> bool {
        let last = self.questions.iter().rev().take(count);
        last.clone().count() == count && last.into_iter().all(|(_, answered)| *answered == Some(by))
    }

    /// A mark for each stretch of so many seconds: the digit of who answered, a dot if a question got no answer.
    pub(crate) fn marks(&self, each: f64) -> String {
        let mut text = String::new();
        let mut questions = self.questions.iter().peekable();
        let mut until = self.from + each;
        let mut mark = ' ';
        while until <= self.to {
            let mut lost = false;
            while let Some((_, by)) = questions.next_if(|(at, _)| *at < until) {
                match by {
                    Some(by) if !lost => mark = char::from(b'0' + by % 10),
                    Some(_) => {}
                    None => (mark, lost) = ('.', true),
                }
            }
            text.push(mark);
            until += each;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(answers: &str) -> View {
        let by = |c: char| c.to_digit(10).and_then(|d| u8::try_from(d).ok());
        let questions: Vec<Question> = answers.chars().enumerate().map(|(n, c)| (n as f64 * 0.005, by(c))).collect();
        View { from: 0.0, to: questions.len() as f64 * 0.005, questions }
    }

    #[test]
    fn an_outage_lasts_from_answer_to_answer_or_to_the_end() {
        let about = |answers: &str, milliseconds: f64| {
            let outage = view(answers).outage() * 1000.0;
            assert!((outage - milliseconds).abs() < 0.01, "{answers}: {outage}");
        };
        about("1112", 0.0);
        about("1..2", 15.0);
        about("1.12...2", 20.0);
        about("1122..", 15.0);
        about("....", 20.0);
    }

    #[test]
    fn the_order_tells_every_change() {
        assert_eq!(view("11..22").order(), [1, 2]);
        assert_eq!(view("1121").order(), [1, 2, 1]);
        assert!(view("1122").steady(2, 2) && !view("1122").steady(3, 2) && !view("2").steady(2, 2));
        assert!(!view("122.").steady(2, 2));
    }

    #[test]
    fn a_mark_shows_every_loss() {
        assert_eq!(view("1111.1112222").marks(0.0199), "1.2");
        assert_eq!(view("111122").marks(0.00501).len(), 5);
    }
}
