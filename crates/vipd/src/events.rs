//! `vipd events`: what has happened, and what happens. A connection that breaks off is made anew, from the last number on.

use crate::cli::Events;
use crate::control::Silence;
use crate::status::shown;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vipd_api::{Item, Reply, Request, UnixTime};

/// How long to wait for the first answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long a follower tries to come back: a console that died is there again at once, a daemon that is started anew soon.
const RETURN: Duration = Duration::from_secs(10);

/// How long between two attempts.
const AGAIN: Duration = Duration::from_millis(100);

/// The longest answer, in bytes.
const LONGEST: u64 = 64 << 20;

/// How far the reader is.
struct Reader<'a> {
    arguments: &'a Events,
    boot: Option<String>,
    since: Option<u64>,
    /// Whether anything was ever told.
    told: bool,
}

/// Why a connection is over.
enum Over {
    /// Everything that was asked for was told.
    Done,
    /// Whoever reads our output has seen enough.
    Enough,
    /// It could not be had, or broke off.
    Broke(Silence),
}

/// 0: all was told; 1: not, and why.
pub(crate) fn run(arguments: &Events) -> ExitCode {
    let mut reader = Reader { arguments, boot: arguments.boot.clone(), since: arguments.since, told: false };
    let mut lost: Option<Instant> = None;
    loop {
        let before = (reader.boot.clone(), reader.since);
        let silence = match reader.read() {
            Over::Done | Over::Enough => return ExitCode::SUCCESS,
            Over::Broke(silence) => silence,
        };
        // Who never had a connection is told at once.
        if before != (reader.boot.clone(), reader.since) {
            lost = None;
        }
        let since = *lost.get_or_insert_with(Instant::now);
        let in_vain = !arguments.follow || !reader.told || matches!(silence, Silence::Refused(_));
        if in_vain || since.elapsed() > RETURN {
            eprintln!("vipd events: {silence}");
            return ExitCode::FAILURE;
        }
        std::thread::sleep(AGAIN);
    }
}

impl Reader<'_> {
    /// Reads until the connection is over.
    fn read(&mut self) -> Over {
        let path = &self.arguments.socket;
        let broke = |e: io::Error| match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Over::Broke(Silence::Late(path.clone(), PATIENCE)),
            _ => Over::Broke(Silence::Broke(path.clone(), e)),
        };
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(e) => return Over::Broke(Silence::Closed(path.clone(), e)),
        };
        let request = Request::Events { since: self.since, boot: self.boot.clone(), follow: self.arguments.follow };
        let sent = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| {
            let mut line = serde_json::to_vec(&request)?;
            line.push(b'\n');
            (&stream).write_all(&line)
        });
        if let Err(e) = sent {
            return broke(e);
        }
        let mut answers = BufReader::new(&stream);
        loop {
            let mut line = Vec::new();
            match answers.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                Ok(_) if line.last() == Some(&b'\n') => {}
                Ok(_) => return broke(io::ErrorKind::UnexpectedEof.into()),
                Err(e) => return broke(e),
            }
            let items = match serde_json::from_slice(&line) {
                Ok(Reply::Events { items }) => items,
                Ok(Reply::Error { message }) => return Over::Broke(Silence::Refused(message)),
                Ok(_) => return Over::Broke(Silence::Refused("something else was answered".to_owned())),
                Err(e) => return Over::Broke(Silence::Garbled(path.clone(), e)),
            };
            if let Err(e) = self.show(items) {
                if e.kind() != io::ErrorKind::BrokenPipe {
                    eprintln!("vipd events: could not write to standard output: {e}");
                }
                return Over::Enough;
            }
            if !self.arguments.follow {
                return Over::Done;
            }
            // From now on silence means that nothing happens.
            if let Err(e) = stream.set_read_timeout(None) {
                return broke(e);
            }
        }
    }

    fn show(&mut self, items: Vec<Item>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        // Who comes back knows how far it was.
        let remark = if self.told { None } else { remark(self.since, self.boot.as_deref(), &items) };
        for item in items {
            match &item {
                Item::Boot { boot, .. } => {
                    // What counts from another boot says nothing here; where none was named, it is this one.
                    let same = self.boot.as_ref().is_none_or(|before| before == boot);
                    self.since = self.since.filter(|_| same);
                    self.boot = Some(boot.clone());
                    let back = std::mem::replace(&mut self.told, true);
                    if back && same {
                        continue;
                    }
                }
                Item::Gap { to, .. } => self.since = Some(*to),
                Item::Event(event) => self.since = Some(event.seq),
            }
            if self.arguments.json {
                serde_json::to_writer(&mut out, &item)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", line(&item))?;
            }
        }
        match remark {
            Some(remark) if self.arguments.json => eprintln!("vipd events: {remark}"),
            Some(remark) => writeln!(out, "{remark}")?,
            None => {}
        }
        out.flush()
    }
}

/// What is to be said of the first answer to somebody who wants what came after a number, if it is not just that.
fn remark(since: Option<u64>, boot: Option<&str>, items: &[Item]) -> Option<String> {
    let since = since?;
    let seq = |item: &Item| match item {
        Item::Event(event) => Some(event.seq),
        Item::Boot { .. } | Item::Gap { .. } => None,
    };
    let anew = matches!((boot, items.first()), (Some(before), Some(Item::Boot { boot, .. })) if before != boot);
    let last = items.iter().rev().find_map(seq);
    match last {
        None => Some(format!("nothing has happened after {since}: the last event is {since}")),
        Some(_) if anew => {
            Some("the daemon was started anew since: what has happened from its start on was told".to_owned())
        }
        Some(last) if last <= since => Some(format!("the last event is {last}, {since} is yet to come: all was told")),
        Some(_) => None,
    }
}

/// An item as a line for people.
fn line(item: &Item) -> String {
    match item {
        Item::Boot { boot, started } => format!("boot {}, since {}: numbers count from 1", shown(boot), time(*started)),
        Item::Gap { from, to } => format!("{from} to {to} can no longer be told"),
        Item::Event(event) => {
            let cause = if event.cause.is_empty() { String::new() } else { format!(": {}", shown(&event.cause)) };
            format!(
                "{:>6}  {}  {:<10}  {}  {}{cause}",
                event.seq,
                time(event.at),
                shown(&event.kind),
                shown(&event.subject),
                shown(&event.what)
            )
        }
    }
}

/// A time as RFC 3339 has it, in UTC, with milliseconds.
fn time(at: UnixTime) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is wanted")]
    let millis = (at * 1e3) as i64;
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| "unknown".to_owned(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_api::Event;

    #[test]
    fn who_asks_beyond_the_end_is_told_where_it_is() {
        let boot = || Item::Boot { boot: "b1".to_owned(), started: 0.0 };
        let event = |seq| Item::Event(Event { seq, ..Event::default() });
        let told = |since, before, items: &[Item]| remark(since, before, items).unwrap_or_default();
        let all = [boot(), event(11), event(12)];
        assert_eq!(told(None, None, &all), "");
        assert_eq!(told(Some(10), None, &all), "");
        assert_eq!(told(Some(10), Some("b1"), &all), "");
        assert_eq!(told(Some(12), None, &[boot()]), "nothing has happened after 12: the last event is 12");
        assert_eq!(told(Some(99), None, &all), "the last event is 12, 99 is yet to come: all was told");
        assert!(told(Some(3), Some("b0"), &all).contains("started anew"));
    }

    #[test]
    fn a_line_has_the_number_the_time_and_the_cause_and_nothing_for_the_terminal() {
        let event = Event {
            seq: 17,
            at: 1_763_955_912.25,
            kind: "transition".to_owned(),
            subject: "vrrp_instance VI_1".to_owned(),
            what: "MASTER".to_owned(),
            cause: "no advert for 3.61 s\u{1b}[2J".to_owned(),
        };
        let text = line(&Item::Event(event));
        assert!(
            text.starts_with("    17  2025-11-24T03:45:12.250Z  transition  vrrp_instance VI_1  MASTER: no advert"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(line(&Item::Gap { from: 1, to: 9 }), "1 to 9 can no longer be told");
        assert_eq!(time(f64::INFINITY), "unknown");
    }
}
