//! Mail through a server that this test plays, with what servers do wrong.

use super::*;
use crate::roles::console::letter::Letter;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};

/// What a mail server does with the next connection or recipient.
#[derive(Clone, Debug)]
enum Fault {
    /// Nothing is wrong.
    None,
    /// The connection ends at once.
    HangUp,
    /// `MAIL FROM` gets 451.
    Later,
    /// `RCPT TO` of this address gets 550.
    Refuse(&'static str),
    /// `RCPT TO` of this address gets 450.
    Postpone(&'static str),
    /// At `RCPT TO` of this address the connection ends.
    BreakOff(&'static str),
    /// Bytes without an end.
    Babble,
    /// The connection ends after the letter was taken, without an answer to QUIT.
    NoGoodbye,
}

/// Envelope and text of a letter that came in.
#[derive(Clone, Debug)]
struct Received {
    from: String,
    to: Vec<String>,
    text: String,
}

struct Sink {
    address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    connections: Arc<AtomicUsize>,
    /// Every `RCPT TO`, whatever became of it.
    offers: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    /// A server whose first connections go wrong as told, the last entry for ever.
    async fn open(faults: Vec<Fault>) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, received) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let offers = Arc::new(Mutex::new(Vec::new()));
        let offered = offers.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let n = count.fetch_add(1, Ordering::SeqCst);
                let fault = faults.get(n).or(faults.last()).cloned().unwrap_or(Fault::None);
                let (told, offered) = (told.clone(), offered.clone());
                // A client that hangs up is a client's right.
                tokio::spawn(async move { drop(dialogue(stream, fault, told, offered).await) });
            }
        });
        Sink { address, received, connections, offers }
    }

    fn mail(&self, to: &[&str]) -> Mail {
        Mail {
            to: to.iter().map(|&t| t.to_owned()).collect(),
            from: "lb1@example.org".to_owned(),
            server: self.address,
            helo: Some("lb1.example.org".to_owned()),
            connect_timeout: Duration::from_secs(2),
        }
    }

    /// How often a recipient was offered a letter.
    fn offers(&self, to: &str) -> usize {
        self.offers.lock().unwrap().iter().filter(|offered| *offered == to).count()
    }

    async fn next(&mut self) -> Received {
        timeout(SOON, self.received.recv()).await.expect("no mail came").unwrap()
    }
}

async fn dialogue(
    stream: TcpStream,
    fault: Fault,
    told: mpsc::UnboundedSender<Received>,
    offered: Arc<Mutex<Vec<String>>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    match fault {
        Fault::HangUp => return Ok(()),
        Fault::Babble => loop {
            stream.get_mut().write_all(&[b'2'; 4096]).await?;
        },
        _ => stream.get_mut().write_all(b"220 sink ESMTP\r\n").await?,
    }
    let mut letter = Received { from: String::new(), to: Vec::new(), text: String::new() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end();
        let answer = if command == "EHLO lb1.example.org" {
            "250-sink\r\n250 8BITMIME\r\n"
        } else if let Some(from) = command.strip_prefix("MAIL FROM:") {
            letter = Received { from: from.to_owned(), to: Vec::new(), text: String::new() };
            if matches!(fault, Fault::Later) { "451 later\r\n" } else { "250 ok\r\n" }
        } else if let Some(to) = command.strip_prefix("RCPT TO:") {
            letter.to.push(to.to_owned());
            offered.lock().unwrap().push(to.to_owned());
            match fault {
                Fault::Refuse(whom) if to == whom => "550 no such user\r\n",
                Fault::Postpone(whom) if to == whom => "450 come back later\r\n",
                Fault::BreakOff(whom) if to == whom => return Ok(()),
                _ => "250 ok\r\n",
            }
        } else if command == "DATA" {
            stream.get_mut().write_all(b"354 go on\r\n").await?;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await?;
                if line == ".\r\n" {
                    break;
                }
                letter.text.push_str(line.strip_prefix('.').unwrap_or(&line));
            }
            told.send(letter.clone()).map_err(io::Error::other)?;
            "250 taken\r\n"
        } else if command == "QUIT" {
            "221 bye\r\n"
        } else {
            "500 what?\r\n"
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
        if answer.starts_with("221") || (answer == "250 taken\r\n" && matches!(fault, Fault::NoGoodbye)) {
            return Ok(());
        }
    }
}

/// Started with mail to `to` through `sink`.
async fn mailing(sink: &Sink, to: &[&str], pace: Pace) -> Rig {
    let mut rig = Rig::start(pace);
    rig.configure(Some(sink.mail(to))).await;
    assert!(matches!(rig.hear().await, FromRole::Ready));
    rig
}

#[tokio::test]
async fn each_recipient_gets_the_letter() {
    let mut sink = Sink::open(vec![Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org", "root"], Pace::default()).await;
    rig.mail("VRRP Instance VI_1 - Entering MASTER state").await;
    let (one, two) = (sink.next().await, sink.next().await);
    assert_eq!(one.from, "<lb1@example.org>");
    assert_eq!(one.to, ["<ops@example.org>"]);
    assert!(two.to.len() == 1 && two.to[0].starts_with("<root@"), "{two:?}");
    assert!(one.text.contains("Subject: [lb1] VRRP Instance VI_1 - Entering MASTER state\r\n"), "{one:?}");
    // The lone dot of the body came through, and did not end the letter.
    assert!(one.text.ends_with("MASTER state\r\n.\r\nafter a dot\r\n"), "{one:?}");
    assert_eq!(sink.connections.load(Ordering::SeqCst), 1, "one connection carries both");
}

#[tokio::test]
async fn a_server_that_comes_back_gets_everything_in_order() {
    let mut sink = Sink::open(vec![Fault::HangUp, Fault::Babble, Fault::HangUp, Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], pace(&[10, 20, 40], 60_000)).await;
    for n in 0..5 {
        rig.mail(&format!("event {n}")).await;
    }
    for n in 0..5 {
        let letter = sink.next().await;
        assert!(letter.text.contains(&format!("Subject: [lb1] event {n}\r\n")), "{letter:?}");
    }
    let attempts = sink.connections.load(Ordering::SeqCst);
    assert!(attempts >= 4, "{attempts} connections: the faults were not met");
}

#[tokio::test]
async fn nobody_listens_and_then_somebody_does() {
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let mut sink = Sink::open(vec![Fault::None]).await;
    let mut rig = Rig::start(pace(&[60_000], 600_000));
    rig.configure(Some(Mail { server: address, ..sink.mail(&["ops@example.org"]) })).await;
    rig.mail("early").await;
    // The reload names another server: nothing waits out the minute that the first failure costs.
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.configure(Some(sink.mail(&["ops@example.org"]))).await;
    assert!(sink.next().await.text.contains("Subject: [lb1] early"));
}

#[tokio::test]
async fn a_recipient_that_is_refused_costs_the_others_nothing() {
    let mut sink = Sink::open(vec![Fault::Refuse("<gone@example.org>")]).await;
    let to = ["gone@example.org", "not an address", "ops@example.org"];
    let mut rig = mailing(&sink, &to, pace(&[10], 60_000)).await;
    rig.mail("one").await;
    rig.mail("two").await;
    for subject in ["one", "two"] {
        let letter = sink.next().await;
        assert_eq!(letter.to, ["<ops@example.org>"]);
        assert!(letter.text.contains(subject), "{letter:?}");
    }
}

#[tokio::test]
async fn a_letter_that_was_taken_is_not_sent_twice() {
    let mut sink = Sink::open(vec![Fault::NoGoodbye]).await;
    let mut rig = mailing(&sink, &["a@example.org", "b@example.org"], pace(&[10], 60_000)).await;
    rig.mail("once").await;
    assert_eq!(sink.next().await.to, ["<a@example.org>"]);
    assert_eq!(sink.next().await.to, ["<b@example.org>"]);
    let more = timeout(Duration::from_millis(300), sink.received.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_letter_is_given_up_in_the_end_and_the_next_one_goes() {
    let mut sink = Sink::open(vec![Fault::Later, Fault::Later, Fault::Later, Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], pace(&[1_000], 1_500)).await;
    rig.mail("lost").await;
    // Three attempts at 0, 1 and 2 s: the third is past the letter's patience.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    rig.mail("kept").await;
    assert!(sink.next().await.text.contains("Subject: [lb1] kept"));
}

const SLOW: &str = "<slow@example.org>";

#[tokio::test]
async fn a_recipient_that_is_always_late_holds_nobody_up() {
    let mut sink = Sink::open(vec![Fault::Postpone(SLOW)]).await;
    // Half a minute until the second attempt: what arrives at once did not wait for it.
    let mut rig = mailing(&sink, &["slow@example.org", "ops@example.org"], pace(&[30_000], 60_000)).await;
    for n in 0..5 {
        rig.mail(&format!("event {n}")).await;
    }
    for n in 0..5 {
        let letter = sink.next().await;
        assert_eq!(letter.to, ["<ops@example.org>"]);
        assert!(letter.text.contains(&format!("Subject: [lb1] event {n}\r\n")), "{letter:?}");
    }
    assert_eq!(sink.offers(SLOW), 5, "each letter was offered once");
}

#[tokio::test]
async fn a_late_recipient_gets_its_letter_and_the_others_get_it_once() {
    let mut sink = Sink::open(vec![Fault::Postpone(SLOW), Fault::Postpone(SLOW), Fault::None]).await;
    let mut rig = mailing(&sink, &["slow@example.org", "ops@example.org"], pace(&[50], 60_000)).await;
    rig.mail("one").await;
    assert_eq!(sink.next().await.to, ["<ops@example.org>"]);
    assert_eq!(sink.next().await.to, [SLOW]);
    let more = timeout(Duration::from_millis(300), sink.received.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn letters_to_a_recipient_that_is_always_late_are_given_up() {
    let mut sink = Sink::open(vec![Fault::Postpone(SLOW)]).await;
    let mut rig = mailing(&sink, &["slow@example.org"], pace(&[1_000], 2_500)).await;
    rig.mail("one").await;
    rig.mail("two").await;
    // Attempts at 0, 1, 2 and 3 s: the fourth is past the letter's patience.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    let offers = sink.offers(SLOW);
    assert!((4..=8).contains(&offers), "{offers} attempts for two letters");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(sink.offers(SLOW), offers, "they are still tried");
    assert!(sink.received.try_recv().is_err());
}

#[tokio::test]
async fn a_server_that_breaks_off_over_one_recipient_serves_the_others() {
    let mut sink = Sink::open(vec![Fault::BreakOff(SLOW)]).await;
    let mut rig = mailing(&sink, &["slow@example.org", "ops@example.org"], pace(&[30_000], 60_000)).await;
    for subject in ["one", "two"] {
        rig.mail(subject).await;
        let letter = sink.next().await;
        assert_eq!(letter.to, ["<ops@example.org>"]);
        assert!(letter.text.contains(subject), "{letter:?}");
    }
}

#[tokio::test]
async fn a_letter_that_was_not_tried_outlives_a_dead_server() {
    // Three attempts at 0, 1 and 2 s, all with the first letter, which is given up at the third.
    let mut sink = Sink::open(vec![Fault::HangUp, Fault::HangUp, Fault::HangUp, Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], pace(&[1_000], 1_500)).await;
    for subject in ["first", "second", "third"] {
        rig.mail(subject).await;
    }
    for subject in ["second", "third"] {
        let letter = sink.next().await;
        assert!(letter.text.contains(&format!("Subject: [lb1] {subject}")), "{letter:?}");
    }
}

#[tokio::test]
async fn those_that_were_tried_make_room_first() {
    let mut sink = Sink::open(vec![Fault::Later, Fault::Later, Fault::HangUp, Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], pace(&[1_500], 60_000)).await;
    // The first two are postponed, and stand behind the third, over which the server is found dead.
    for n in 0..3 {
        rig.mail(&format!("event {n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for n in 3..postman::LETTERS + 2 {
        rig.mail(&format!("event {n}")).await;
    }
    let mut subjects = Vec::new();
    for _ in 0..postman::LETTERS {
        let text = sink.next().await.text;
        subjects.push(text.lines().find_map(|l| l.strip_prefix("Subject: [lb1] event ")).unwrap().to_owned());
    }
    // Two too many: the third (tried, in front), then the first (tried), before any that was not.
    assert!(!subjects.iter().any(|s| s == "2" || s == "0"), "{subjects:?}");
    assert!(subjects.iter().any(|s| s == "3"), "{subjects:?}");
}

#[tokio::test]
async fn the_oldest_make_room() {
    let mut sink = Sink::open(vec![Fault::HangUp, Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], pace(&[2_000], 60_000)).await;
    rig.mail("event 0").await;
    // A letter that is under way gives way to none; this one comes back soon.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for n in 1..postman::LETTERS + 10 {
        rig.mail(&format!("event {n}")).await;
    }
    let mut subjects = Vec::new();
    for _ in 0..postman::LETTERS {
        let text = sink.next().await.text;
        subjects.push(text.lines().find_map(|l| l.strip_prefix("Subject: [lb1] event ")).unwrap().to_owned());
    }
    assert_eq!(subjects.first().unwrap(), "10");
    assert_eq!(subjects.last().unwrap(), &(postman::LETTERS + 9).to_string());
}

#[tokio::test]
async fn a_successor_goes_on_with_the_queue() {
    let mut sink = Sink::open(vec![Fault::HangUp, Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], pace(&[60_000], 600_000)).await;
    rig.mail("one").await;
    rig.mail("two").await;
    let snapshot = loop {
        match rig.hear().await {
            FromRole::Snapshot(s) if s.read::<Vec<Letter>>().unwrap().len() == 2 => break s,
            FromRole::Snapshot(_) => {}
            other => panic!("{other:?}"),
        }
    };
    rig.role.abort();
    let mut next = Rig::start(Pace::default());
    let socket = next.socket();
    next.configure_at(Some(sink.mail(&["ops@example.org"])), &socket, Some(snapshot)).await;
    assert!(sink.next().await.text.contains("Subject: [lb1] one"));
    assert!(sink.next().await.text.contains("Subject: [lb1] two"));
}

#[tokio::test]
async fn a_stop_takes_the_last_post_with_it() {
    let mut sink = Sink::open(vec![Fault::None]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], Pace::default()).await;
    rig.mail("last words").await;
    rig.stop().await;
    assert!(sink.received.try_recv().unwrap().text.contains("last words"));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_dead_mail_server() {
    let sink = Sink::open(vec![Fault::HangUp]).await;
    let mut rig = mailing(&sink, &["ops@example.org"], Pace::default()).await;
    rig.mail("one").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    rig.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
