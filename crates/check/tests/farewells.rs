//! How connections end, and agents: what the other side sees of a FIN and of a RST, what the kernel keeps of each, and what
//! is made of an agent's answers.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{SHORT, fails, passes, server, target};
use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use vipd_check::agent::{self, Answer, Weight};
use vipd_check::http::{Request, probe};
use vipd_check::{Ending, Target, Verdict, Why, smtp, tcp};

/// How a connection ended, as its server saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Fin,
    Rst,
}

/// A server that says each of this after having heard something (the first at once, if it is not empty), and tells how its
/// client has left. It never closes first.
async fn watches(says: &'static [&'static str]) -> (SocketAddr, mpsc::Receiver<(Seen, SocketAddr)>) {
    let (sender, seen) = mpsc::channel(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, client)) = listener.accept().await {
            tokio::spawn(watched(stream, client, says, sender.clone()));
        }
    });
    (address, seen)
}

async fn watched(mut stream: TcpStream, client: SocketAddr, says: &[&str], sender: mpsc::Sender<(Seen, SocketAddr)>) {
    let mut says = says.iter();
    let mut buffer = [0; 4096];
    let seen = loop {
        if let Some(text) = says.next() {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        match stream.read(&mut buffer).await {
            Ok(0) => break Seen::Fin,
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break Seen::Rst,
            Err(e) => panic!("{e}"),
        }
    };
    drop(stream);
    let _ = sender.send((seen, client)).await;
}

/// Whether the kernel keeps the connection from the one to the other in TIME_WAIT.
fn waits(from: SocketAddr, to: SocketAddr) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = [from, to].map(|end| format!(":{:04X}", end.port()));
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&ends[0]) && fields[2].ends_with(&ends[1]) && fields[3] == "06"
    })
}

/// A probe of a server that says this leaves it by a FIN, and what the kernel then keeps for a minute; with a reset it does not.
async fn leaves<F: Future<Output = Verdict>>(says: &'static [&'static str], ask: impl Fn(Target) -> F) {
    for (ending, expected, kept) in [(Ending::Order, Seen::Fin, true), (Ending::Reset, Seen::Rst, false)] {
        let (address, mut seen) = watches(says).await;
        passes(ask(Target { ending, ..target(address) }).await);
        let (how, client) = seen.recv().await.unwrap();
        assert_eq!(how, expected);
        // The server's FIN, by which TIME_WAIT begins, may be on its way.
        let start = Instant::now();
        while waits(client, address) != kept && start.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(waits(client, address), kept, "{ending:?}");
    }
}

#[tokio::test]
async fn every_probe_leaves_as_it_should() {
    leaves(&[], async |target| tcp::probe(&target).await).await;
    let page = ["", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"];
    leaves(Box::leak(Box::new(page)), async |target| {
        probe(&target, &Request { path: "/".to_owned(), ..Request::default() }).await
    })
    .await;
    leaves(&["220 hello\r\n", "250 yes\r\n", "221 bye\r\n"], async |target| smtp::probe(&target, "x").await).await;
    leaves(&["up\n"], async |target| {
        let answer: Result<Answer, Why> = agent::probe(&target, None).await;
        answer.map(|answer| answer.said).into()
    })
    .await;
}

/// What an agent's answer comes to that is sent in these pieces, with pauses; then it is silent.
async fn said(pieces: &[&[u8]]) -> Verdict {
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let address = server(move |mut stream| {
        let pieces = pieces.clone();
        async move {
            for piece in pieces {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    })
    .await;
    let answer = agent::probe(&Target::new(address, SHORT), None).await;
    answer.map(|answer| format!("{} {:?}", answer.said, answer.weight)).into()
}

#[tokio::test]
async fn an_agent_answers_in_one_line_however_it_comes() {
    for (pieces, expected) in [
        (&[&b"up\n"[..]][..], "up None"),
        (&[b"dra", b"in", b"\r\n"], "drain Some(Exactly(0))"),
        (&[b"75", b"%", b" up\nnonsense that is not read"], "75% up Some(Percent(75))"),
    ] {
        match said(pieces).await {
            Verdict::Pass { detail, .. } => assert_eq!(detail, expected),
            Verdict::Fail(why) => panic!("{pieces:?}: {why}"),
        }
    }
}

#[tokio::test]
async fn agents_that_lie_or_break() {
    static LONG: [u8; 1000] = [b'u'; 1000];
    for (pieces, reason) in [
        (&[&b""[..]][..], "no reply within 800ms"),
        (&[b"up"], "no reply within 800ms"),
        (&[b"\n"], "instead of what the server does"),
        (&[b"HTTP/1.0 400 Bad Request\r\n\r\n"], "instead of an agent's words"),
        (&[b"\x16\x03\x01\xff\xff\n"], "\\x16\\x03\\x01"),
        (&[&LONG], "one line, 256 bytes at most"),
        (&[b"maint # until Monday\n"], "its agent says \"maint # until Monday\""),
        (&[b"down\n"], "its agent says \"down\""),
    ] {
        fails(said(pieces).await, reason);
    }
    // A byte now and then.
    let slow = server(|mut stream| async move {
        while stream.write_all(b"1").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let start = Instant::now();
    fails(agent::probe(&Target::new(slow, SHORT), None).await.map(|a| a.said).into(), "no reply within 800ms");
    assert!(start.elapsed() < SHORT + Duration::from_secs(2));
    let hasty = server(|stream| async move { drop(stream) }).await;
    fails(agent::probe(&target(hasty), None).await.map(|a| a.said).into(), "closed the connection");
    // Its end ends the line, too.
    let short = server(|mut stream| async move { stream.write_all(b"50%").await.unwrap() }).await;
    assert_eq!(agent::probe(&target(short), None).await.unwrap().weight, Some(Weight::Percent(50)));
    // It answers what it was asked.
    let asked = server(|mut stream| async move {
        let mut line = [0; 4];
        stream.read_exact(&mut line).await.unwrap();
        let answer: &[u8] = if &line == b"web\n" { b"weight 7\n" } else { b"down\n" };
        stream.write_all(answer).await.unwrap();
    })
    .await;
    assert_eq!(agent::probe(&target(asked), Some("web")).await.unwrap().weight, Some(Weight::Exactly(7)));
    fails(agent::probe(&target(asked), Some("ftp")).await.map(|a| a.said).into(), "its agent says \"down\"");
}
