//! Probes against servers: real ones (nginx, `openssl s_server`) and ones that misbehave in every way a server can.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{SHORT, fails, free_port, passes, says, server, start, target, wait_port};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vipd_check::http::{HASHED, Request, SKIMMED, probe};
use vipd_check::tls::{self, Tls};
use vipd_check::{Target, Verdict, tcp};

async fn get(address: SocketAddr, request: Request) -> Verdict {
    probe(&target(address), &request).await
}

/// Asks a server that will never finish: whatever it does, the time-out ends it.
async fn get_in_vain(address: SocketAddr, request: Request) -> Verdict {
    let start = Instant::now();
    let verdict = probe(&Target::new(address, SHORT), &request).await;
    let took = start.elapsed();
    assert!(took >= SHORT && took < SHORT + Duration::from_secs(2), "took {took:?} with a time-out of {SHORT:?}");
    verdict
}

fn page() -> Request {
    Request { path: "/".to_owned(), ..Request::default() }
}

fn digest_of(body: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(body).into()
}

#[tokio::test]
async fn a_connection_is_made_or_refused_or_local() {
    passes(tcp::probe(&target(says(b"").await)).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    fails(tcp::probe(&target(closed)).await, "refused");
    // An address that isn't here can't be bound to: the check fails, where keepalived's stays up for ever.
    let bind = Some("192.0.2.77:0".parse().unwrap());
    fails(tcp::probe(&Target { bind, ..target(closed) }).await, "192.0.2.77");
}

#[tokio::test]
async fn a_server_that_takes_no_more_connections_is_waited_for_until_the_time_is_over() {
    // Its queue is full: the kernel leaves what asks to be let in without an answer.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let full = std::net::TcpStream::connect(address).unwrap();
    let start = Instant::now();
    let verdicts = [
        tcp::probe(&Target::new(address, SHORT)).await,
        probe(&Target::new(address, SHORT), &page()).await,
        tls::probe(&Target::new(address, SHORT), &Tls::default(), &page()).await,
    ];
    for verdict in verdicts {
        fails(verdict, "timed out: connecting took longer than 800ms");
    }
    let took = start.elapsed();
    assert!(took >= SHORT * 3 && took < SHORT * 3 + Duration::from_secs(2), "{took:?}");
    drop((full, listener));
}

#[tokio::test]
async fn statuses_and_their_ranges() {
    let ok = says(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    passes(get(ok, page()).await);
    passes(get(ok, Request { status: vec![(100, 199), (200, 200)], ..page() }).await);
    fails(get(ok, Request { status: vec![(404, 404)], ..page() }).await, "200");
    fails(get(says(b"HTTP/1.1 503 Busy\r\n\r\n").await, page()).await, "503");
    // A redirect is an answer, not something to follow.
    fails(get(says(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n").await, page()).await, "302");
    // No reason after the status: keepalived doesn't understand it; every browser does.
    passes(get(says(b"HTTP/1.1 200\r\n\r\n").await, page()).await);
}

#[tokio::test]
async fn digests() {
    let ok = says(b"HTTP/1.0 200 OK\r\n\r\nthe page\n").await;
    passes(get(ok, Request { digest: Some(digest_of(b"the page\n")), ..page() }).await);
    fails(get(ok, Request { digest: Some([7; 16]), ..page() }).await, "digest");
    let cut = says(b"HTTP/1.0 200 OK\r\nContent-Length: 5000\r\n\r\nonly this").await;
    fails(get(cut, Request { digest: Some(digest_of(b"only this")), ..page() }).await, "the answer ended too early");
}

#[tokio::test]
async fn garbage_silence_and_half_answers_fail_with_their_reason() {
    fails(get(says(b"\x00\x01\x02 what is this\r\n\r\n").await, page()).await, "not an HTTP answer");
    fails(get(says(b"").await, page()).await, "closed the connection without an answer");
    fails(get(says(b"HTTP/1.0 200 OK\r\nHalf: a hea").await, page()).await, "the answer ended too early");
    let silent = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    fails(get_in_vain(silent, page()).await, "timed out: no answer within 800ms");
    // A byte now and then: the original starts its timer anew at each of them and waits for ever.
    let slow = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n").await;
        while stream.write_all(b"X").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    fails(get_in_vain(slow, page()).await, "timed out: the answer was not complete after 800ms");
    let slow = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let verdict = get_in_vain(slow, Request { digest: Some([0; 16]), ..page() }).await;
    fails(verdict, "timed out: the answer was not complete after 800ms");
    // TLS spoken to a server that doesn't.
    let verdict = tls::probe(&target(says(b"HTTP/1.0 400 Bad\r\n\r\n").await), &Tls::default(), &page()).await;
    fails(verdict, "not TLS");
    // Plain HTTP spoken to one that speaks TLS and says so: alert, fatal, unexpected_message.
    fails(get(says(b"\x15\x03\x01\x00\x02\x02\x0a").await, page()).await, "speaks TLS there, not plain HTTP");
}

#[tokio::test]
async fn bodies_in_malformed_chunks_fail_with_their_reason() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let digest = Request { digest: Some(digest_of(b"hi")), ..page() };
    let chunked = |body: &str| says(format!("{CHUNKED}{body}").leak().as_bytes());
    passes(get(chunked("2\r\nhi\r\n0\r\n\r\n").await, digest.clone()).await);
    for body in ["zz\r\nhi\r\n0\r\n\r\n", "ffffffffffffffffff\r\nhi", "2\r\nhi!!\r\n0\r\n\r\n", "-2\r\nhi\r\n"] {
        fails(get(chunked(body).await, digest.clone()).await, "the body of the answer is malformed: ");
    }
    for body in ["5\r\nhi", "2\r\nhi\r\n", "2"] {
        fails(get(chunked(body).await, digest.clone()).await, "the answer ended too early");
    }
}

#[tokio::test]
async fn a_reset_is_told_with_the_step_it_came_in() {
    let resets = |first: &'static [u8]| {
        server(move |mut stream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(first).await;
            // What was said is to be read before the reset drives it out.
            tokio::time::sleep(Duration::from_millis(100)).await;
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        })
    };
    fails(get(resets(b"").await, page()).await, "connection reset by the server while waiting for the answer");
    let half = resets(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let verdict = get(half, Request { digest: Some([0; 16]), ..page() }).await;
    fails(verdict, "connection reset by the server while reading the body");
    let verdict = tls::probe(&target(resets(b"").await), &Tls::default(), &page()).await;
    fails(verdict, "connection reset by the server while shaking hands (TLS)");
}

#[tokio::test]
async fn handshakes_that_never_end_or_break_off_fail_with_their_reason() {
    let shake = |address| async move {
        let start = Instant::now();
        let verdict = tls::probe(&Target::new(address, SHORT), &Tls::default(), &page()).await;
        (verdict, start.elapsed())
    };
    let silent = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    // A handshake record of 16 KiB, a byte now and then.
    let drips = server(|mut stream| async move {
        let _ = stream.write_all(b"\x16\x03\x03\x40\x00").await;
        while stream.write_all(b"\x02").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for address in [silent, drips] {
        let (verdict, took) = shake(address).await;
        fails(verdict, "timed out: the TLS handshake took longer than 800ms");
        assert!(took >= SHORT && took < SHORT + Duration::from_secs(2), "{took:?}");
    }
    fails(shake(says(b"").await).await.0, "closed the connection");
    for broken in
        [&b"\x16\x03\x03\x40\x00\x02"[..], b"\x16\x03\x03\x00\x04\xff\x00\x00\x00", b"\x15\x03\x03\x00\x02\x02\x28"]
    {
        let (verdict, took) = shake(says(broken).await).await;
        let Verdict::Fail(why) = verdict else { panic!("{verdict:?}") };
        let why = why.to_string();
        assert!(why.contains("TLS") || why.contains("shaking hands") || why.contains("closed"), "{broken:?}: {why}");
        assert!(took < SHORT, "{broken:?} was waited for: {why}");
    }
}

/// Resident memory of this process in KiB.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A server that says this and then `x` for ever; how many of them it could say so far.
async fn endless(first: &'static [u8]) -> (SocketAddr, Arc<AtomicU64>) {
    let said = Arc::new(AtomicU64::new(0));
    let count = said.clone();
    let address = server(move |mut stream| {
        let count = count.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(first).await;
            while let Ok(n) = stream.write(&[b'x'; 65536]).await {
                count.fetch_add(n as u64, Ordering::Relaxed);
            }
        }
    })
    .await;
    (address, said)
}

/// What the kernel's buffers of a connection may hold beyond what the probe reads.
const BUFFERED: u64 = 16 << 20;

#[tokio::test]
async fn an_endless_answer_costs_neither_memory_nor_time() {
    let (body, body_said) = endless(b"HTTP/1.0 200 OK\r\nContent-Length: 10737418240\r\n\r\n").await;
    let (header, header_said) = endless(b"HTTP/1.0 200 OK\r\nX: ").await;
    let before = memory();
    // Only the status is asked for: what follows is nobody's business.
    passes(get(body, page()).await);
    let skimmed = body_said.load(Ordering::Relaxed);
    assert!(skimmed <= SKIMMED + BUFFERED, "{skimmed} bytes were taken");
    // Hashing 16 MiB without optimisation takes a while, the rest of the 10 GB would take minutes.
    let start = Instant::now();
    let patient = Target::new(body, Duration::from_secs(60));
    let verdict = probe(&patient, &Request { digest: Some([0; 16]), ..page() }).await;
    fails(verdict, "the body is larger than the 16777216 bytes that are hashed");
    assert!(start.elapsed() < Duration::from_secs(30), "took {:?}", start.elapsed());
    let hashed = body_said.load(Ordering::Relaxed) - skimmed;
    assert!(hashed <= HASHED + BUFFERED, "{hashed} bytes were taken");
    fails(get(header, page()).await, "the header of the answer is larger than 16384 bytes");
    let headed = header_said.load(Ordering::Relaxed);
    assert!(headed <= BUFFERED, "{headed} bytes were taken");
    let grown = memory().saturating_sub(before);
    println!("  peak memory grew by {grown} KiB; taken: {skimmed}, {hashed}, {headed} bytes");
    assert!(grown < 8 << 10, "peak memory grew by {grown} KiB");
}

/// What keepalived's own tool says of a page.
fn genhash(port: u16, path: &str, more: &[&str]) -> String {
    let port = port.to_string();
    let output =
        Command::new("/usr/bin/genhash").args(["-s", "127.0.0.1", "-p", &port, "-u", path]).args(more).output();
    let output = output.unwrap_or_else(|e| panic!("genhash: {e}: install Debian's package keepalived (make setup)"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().last().unwrap_or_else(|| panic!("genhash said nothing")).to_owned()
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn nginx_plain() {
    let directory = tempfile::tempdir().unwrap();
    let (root, port) = (directory.path(), free_port());
    let body = b"vipd sample page\n";
    std::fs::write(root.join("index.html"), body).unwrap();
    let conf = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}/t; proxy_temp_path {0}/t; fastcgi_temp_path {0}/t;\n\
         uwsgi_temp_path {0}/t; scgi_temp_path {0}/t;\n\
         server {{ listen 127.0.0.1:{port}; root {0}; location /gone {{ return 410; }} }} }}",
        root.display()
    );
    std::fs::write(root.join("nginx.conf"), conf).unwrap();
    let path = root.join("nginx.conf").display().to_string();
    let _nginx = start("/usr/sbin/nginx", "nginx-light", &["-c", &path, "-e", "stderr"], root);
    let address = wait_port(port);
    passes(get(address, page()).await);
    assert_eq!(genhash(port, "/", &[]), hex(digest_of(body)), "keepalived's genhash agrees on what is hashed");
    passes(get(address, Request { digest: Some(digest_of(body)), ..page() }).await);
    fails(get(address, Request { path: "/missing".to_owned(), ..page() }).await, "404");
    passes(get(address, Request { path: "/gone".to_owned(), status: vec![(410, 410)], ..page() }).await);
}

/// Makes key.pem and cert.pem there.
fn certify(directory: &std::path::Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nobody"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(directory)
        .output()
        .unwrap_or_else(|e| panic!("openssl: {e}: install Debian's package openssl (make setup)"));
    assert!(made.status.success());
}

#[tokio::test]
async fn openssl_tls() {
    let directory = tempfile::tempdir().unwrap();
    let (root, port) = (directory.path(), free_port());
    std::fs::write(root.join("index.html"), "vipd sample page\n").unwrap();
    certify(root);
    for version in ["-tls1_2", "-tls1_3"] {
        let port = if version == "-tls1_2" { port } else { free_port() };
        let accept = format!("127.0.0.1:{port}");
        let arguments =
            ["s_server", "-accept", &accept, "-key", "key.pem", "-cert", "cert.pem", "-WWW", "-quiet", version];
        let _server = start("openssl", "openssl", &arguments, root);
        let address = wait_port(port);
        let request = |digest| Request { path: "/index.html".to_owned(), digest, ..page() };
        let body = digest_of(b"vipd sample page\n");
        let target = target(address);
        passes(tls::probe(&target, &Tls::default(), &request(Some(body))).await);
        passes(
            tls::probe(&target, &Tls { sni: Some("www.example.org".to_owned()), ..Tls::default() }, &request(None))
                .await,
        );
        assert_eq!(genhash(port, "/index.html", &["-S"]), hex(body), "keepalived's genhash agrees");
        fails(tls::probe(&target, &Tls::default(), &request(Some([1; 16]))).await, "digest");
        // Plain HTTP to a TLS port: this server knows a plain request when it sees one, and leaves without an alert.
        fails(probe(&target, &request(None)).await, "closed the connection without an answer");
    }
}

/// What docs/operations.md says of servers that keepalived reaches and vipd does not.
#[tokio::test]
async fn only_modern_cipher_suites_are_spoken() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::write(root.join("index.html"), "vipd sample page\n").unwrap();
    certify(root);
    let old = [("AES128-GCM-SHA256", "RSA key exchange"), ("ECDHE-RSA-AES128-SHA256", "CBC")];
    for (suite, what) in old.into_iter().chain([("ECDHE-RSA-AES128-GCM-SHA256", "")]) {
        let port = free_port();
        let accept = format!("127.0.0.1:{port}");
        let arguments = ["s_server", "-accept", &accept, "-key", "key.pem", "-cert", "cert.pem", "-WWW", "-quiet"];
        let arguments: Vec<&str> = arguments.into_iter().chain(["-tls1_2", "-cipher", suite]).collect();
        let _server = start("openssl", "openssl", &arguments, root);
        let address = wait_port(port);
        let wanted = hex(digest_of(b"vipd sample page\n"));
        assert_eq!(genhash(port, "/index.html", &["-S"]), wanted, "keepalived's genhash speaks {suite}");
        let request = Request { path: "/index.html".to_owned(), ..page() };
        let verdict = tls::probe(&target(address), &Tls::default(), &request).await;
        if what.is_empty() {
            passes(verdict);
        } else {
            println!("{suite}, {what}:");
            fails(verdict, "TLS handshake failed");
        }
    }
}
