//! Probes that say one thing and hear one: SMTP, DNS, UDP and ping, against real servers (aiosmtpd, dnsmasq, this kernel) and
//! ones that misbehave.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{SHORT, fails, free_port, passes, says, server, start, target, wait_port};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use vipd_check::dns::{self, Question};
use vipd_check::udp::{self, Pattern, Reply, Request};
use vipd_check::{Target, Verdict, ping, smtp};

const NAME: &str = "check.example";

/// A server of datagrams that says this to each, in this order.
async fn answers(with: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            for answer in with(&buffer[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    address
}

fn hasty(address: SocketAddr) -> Target {
    Target::new(address, SHORT)
}

async fn dead_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_real_mail_server() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["-n", "-l", &listen, "-c", "aiosmtpd.handlers.Sink"];
    let real = start("/usr/bin/aiosmtpd", "python3-aiosmtpd", &arguments, directory.path());
    let address = wait_port(port);
    // It asks for its own name before it greets, which takes long where nobody answers.
    let patient = Target::new(address, Duration::from_secs(30));
    let Verdict::Pass { detail, .. } = smtp::probe(&patient, NAME).await else { panic!("it is well") };
    assert!(detail.contains("greeted with \"220 ") && detail.contains("SMTP"), "{detail}");
    fails(smtp::probe(&patient, "").await, "instead of 250 to HELO");
    drop(real);
    fails(smtp::probe(&target(address), NAME).await, "refused");
}

/// A mail server that says these, one after the other: the first at once, the others when something was said.
async fn mail(lines: &'static [&'static [u8]]) -> SocketAddr {
    server(move |mut stream| async move {
        for line in lines {
            if stream.write_all(line).await.is_err() {
                return;
            }
            let _ = stream.read(&mut [0; 512]).await;
        }
    })
    .await
}

#[tokio::test]
async fn mail_servers_that_say_the_wrong_thing() {
    let ask = |lines| async move { smtp::probe(&hasty(mail(lines).await), NAME).await };
    passes(ask(&[b"220 a\r\n", b"250 b\r\n", b"221 c\r\n"]).await);
    // Many lines, and no text (keepalived believes neither).
    passes(ask(&[b"220-a\r\n220-b\r\n220\n", b"250\r\n", b"whatever\n"]).await);
    fails(ask(&[b"554 no\r\n"]).await, "replied \"554 no\" instead of 220 its greeting");
    fails(ask(&[b"220 a\r\n", b"501 who?\r\n"]).await, "instead of 250 to HELO");
    // Lines of a reply that contradict one another: what counted was the last.
    fails(ask(&[b"220-a\r\n550 no\r\n"]).await, "replied \"550 no\" instead of another line of its 220");
    fails(ask(&[b"550-no\r\n220 a\r\n", b"250 b\r\n", b"221 c\r\n"]).await, "replied \"220 a\"");
    fails(ask(&[b"220-a\r\n250-b\r\n220 c\r\n", b"250 b\r\n", b"221 c\r\n"]).await, "replied \"250-b\"");
    fails(ask(&[b"220-a\r\nhello\r\n"]).await, "replied \"hello\" instead of another line of its 220");
    fails(ask(&[b"220 a\r\n", b"250-b\r\n251 c\r\n"]).await, "replied \"251 c\"");
    fails(ask(&[b"hello\x1b[2J\r\n"]).await, "replied \"hello\\x1b[2J\"");
    fails(ask(&[b"220 a\r\n", b"250 b\r\n"]).await, "the server closed the connection while waiting for a reply");
    fails(ask(&[b"220 without an end"]).await, "no reply within");
    fails(ask(&[b""]).await, "no reply within");
    let closes = says(b"").await;
    fails(smtp::probe(&hasty(closes), NAME).await, "no reply within");
    // One that greets for ever.
    let endless = server(|mut stream| async move { while stream.write_all(b"220-more\r\n").await.is_ok() {} }).await;
    fails(smtp::probe(&hasty(endless), NAME).await, "16384 bytes in all at most");
    let endless = server(|mut stream| async move { while stream.write_all(&[b'2'; 1000]).await.is_ok() {} }).await;
    fails(smtp::probe(&hasty(endless), NAME).await, "16384 bytes in all at most");
    // One that drips: each step has its time, and no more.
    let drips = server(|mut stream| async move {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let (start, drips) = (Instant::now(), drips.await);
    fails(smtp::probe(&hasty(drips), NAME).await, "no reply within");
    assert!(start.elapsed() < 3 * SHORT);
}

fn question(name: &str) -> Question {
    Question { name: name.to_owned(), kind: 1 }
}

#[tokio::test]
async fn a_real_name_server() {
    let port = free_port();
    let listen = format!("--port={port}");
    let arguments = [
        "--no-daemon",
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        &listen,
        "--address=/up.example/192.0.2.7",
    ];
    let real = start("/usr/sbin/dnsmasq", "dnsmasq-base", &arguments, std::path::Path::new("/"));
    let address = wait_port(port);
    let Verdict::Pass { detail, .. } = dns::probe(&target(address), &question("up.example")).await else {
        panic!("it is well")
    };
    assert_eq!(detail, "answered, 1 records");
    fails(dns::probe(&target(address), &question("down.example")).await, "the server answered REFUSED");
    fails(dns::probe(&target(address), &question("a..b")).await, "because of this host");
    // The same by UDP_CHECK: a question in bytes, and how its answer begins.
    let payload = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02up\x07example\x00\x00\x01\x00\x01".to_vec();
    let like = |bytes: &[u8], mask: &[u8]| {
        let pattern = Pattern { bytes: bytes.to_vec(), mask: mask.to_vec(), min: 12, max: 255 };
        Request { payload: Some(payload.clone()), reply: Reply::Like(pattern) }
    };
    passes(udp::probe(&target(address), &like(&[0x12, 0x34, 0x80], &[0xff, 0xff, 0xf0])).await);
    fails(udp::probe(&target(address), &like(&[0x12, 0x35], &[0xff, 0xff])).await, "instead of 1235, 12 to 255 bytes");
    drop(real);
    fails(dns::probe(&hasty(address), &question("up.example")).await, "port unreachable");
    fails(udp::probe(&hasty(address), &Request::default()).await, "port unreachable");
}

#[tokio::test]
async fn name_servers_that_lie() {
    let ask = |address| async move { dns::probe(&hasty(address), &question("a.example")).await };
    let flags = |asked: &[u8], flags: [u8; 2]| [&asked[..2], &flags, &asked[4..]].concat();
    // An answer to another question, a question, half a header, and then the answer.
    let late = answers(move |asked| {
        let other = [&[!asked[0], asked[1], 0x81, 0x80], &asked[4..]].concat();
        vec![other, asked.to_vec(), asked[..11].to_vec(), vec![], flags(asked, [0x81, 0x80])]
    });
    passes(ask(late.await).await);
    let never = answers(move |asked| vec![asked.to_vec(), vec![0; 500], vec![0xff; 1400]]);
    fails(ask(never.await).await, "no reply within");
    fails(ask(answers(|_| vec![]).await).await, "no reply within");
    for (code, name) in [(2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (15, "response code 15")] {
        let fault = answers(move |asked| vec![flags(asked, [0x81, 0x80 | code])]);
        fails(ask(fault.await).await, name);
    }
    // What is truncated, or points at itself, is not read any further than its header.
    let looping = answers(move |asked| vec![[&flags(asked, [0x83, 0x80])[..12], &[0xc0, 0x0c, 0xc0]].concat()]);
    passes(ask(looping.await).await);
    fails(ask(dead_port().await).await, "port unreachable");
}

#[tokio::test]
async fn silence_and_datagrams() {
    let silent = answers(|_| vec![]).await;
    let echo = answers(|asked| vec![asked.to_vec()]).await;
    let request = |reply: Reply| Request { payload: None, reply };
    let like = |bytes: &[u8], min, max| {
        Reply::Like(Pattern { bytes: bytes.to_vec(), mask: vec![0xff; bytes.len()], min, max })
    };
    passes(udp::probe(&hasty(silent), &request(Reply::Optional)).await);
    fails(udp::probe(&hasty(silent), &request(Reply::Any)).await, "no reply within");
    passes(udp::probe(&hasty(echo), &request(Reply::Any)).await);
    passes(udp::probe(&hasty(echo), &request(like(b"keepalived check", 32, 32))).await);
    fails(udp::probe(&hasty(echo), &request(like(b"keepalived", 0, 31))).await, "replied 32 bytes");
    fails(udp::probe(&hasty(echo), &request(like(b"kept", 0, 255))).await, "instead of 6b657074, 0 to 255 bytes");
    passes(udp::probe(&hasty(echo), &Request { payload: Some(vec![]), reply: like(b"", 0, 0) }).await);
    fails(udp::probe(&hasty(dead_port().await), &request(Reply::Optional)).await, "port unreachable");
    // A reply of any length is a reply.
    let long = answers(|_| vec![vec![7; 60_000]]).await;
    fails(udp::probe(&hasty(long), &request(like(&[7], 0, 255))).await, "replied 60000 bytes");
    let elsewhere = Target { bind: Some("192.0.2.99:0".parse().unwrap()), ..hasty(silent) };
    fails(
        udp::probe(&elsewhere, &request(Reply::Optional)).await,
        "not asked, because of this host: binding to 192.0.2.99:0",
    );
}

#[tokio::test]
async fn this_host_answers_and_a_reserved_address_does_not() {
    for address in ["127.0.0.1", "::1"] {
        let address: IpAddr = address.parse().unwrap();
        // Many at once: each takes its own reply.
        let all: Vec<_> = (0..20)
            .map(|_| tokio::spawn(async move { ping::probe(&target(SocketAddr::new(address, 80))).await }))
            .collect();
        for one in all {
            passes(one.await.unwrap());
        }
    }
    let bound = Target { bind: Some("127.0.0.9:0".parse().unwrap()), ..target("127.0.0.1:0".parse().unwrap()) };
    passes(ping::probe(&bound).await);
    fails(ping::probe(&hasty("255.255.255.255:0".parse().unwrap())).await, "because of this host");
}
