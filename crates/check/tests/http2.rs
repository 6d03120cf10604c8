//! HTTP/2 and gRPC: real servers (nginx, gRPC's own), and ones that misbehave frame by frame.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{SHORT, fails, free_port, passes, says, server, start, target, wait_port};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vipd_check::grpc::{self, Question};
use vipd_check::http::{Request, Version, probe};
use vipd_check::tls::{self, Tls};
use vipd_check::{BodyPattern, Pattern, Target, Verdict};

const BODY: &[u8] = b"vipd sample page\n";

fn page(path: &str) -> Request {
    Request { path: path.to_owned(), version: Version::V2, ..Request::default() }
}

fn digest_of(body: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(body).into()
}

fn looking_for(regex: &str) -> Option<Arc<Pattern>> {
    let settings =
        BodyPattern { regex: regex.to_owned(), options: Vec::new(), absent: false, min_offset: 0, max_offset: None };
    Some(Arc::new(Pattern::new(settings).unwrap()))
}

/// Makes key.pem and cert.pem there.
fn certify(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nobody"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(directory)
        .output()
        .unwrap_or_else(|e| panic!("openssl: {e}: install Debian's package openssl (make setup)"));
    assert!(made.status.success());
}

/// nginx with a page, a large file, and pages that say the name they were asked by; over TLS, in plain text, and over TLS
/// without HTTP/2.
struct Nginx {
    _real: common::Real,
    _directory: tempfile::TempDir,
    tls: SocketAddr,
    plain: SocketAddr,
    old: SocketAddr,
}

/// Bytes of the large file.
const LARGE: u64 = 1 << 30;

fn nginx() -> Nginx {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    certify(root);
    std::fs::write(root.join("index.html"), BODY).unwrap();
    std::fs::File::create(root.join("large")).unwrap().set_len(LARGE).unwrap();
    let (tls, plain, old) = (free_port(), free_port(), free_port());
    let common = format!(
        "root {0}; ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem; location /gone {{ return 410; }}\n\
         location /moved {{ return 302 http://elsewhere.example/; }} location /name {{ return 200 \"$host $server_protocol\"; }}\n\
         location /cut {{ return 444; }}",
        root.display()
    );
    let conf = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}/t; proxy_temp_path {0}/t; fastcgi_temp_path {0}/t;\n\
         uwsgi_temp_path {0}/t; scgi_temp_path {0}/t;\n\
         server {{ listen 127.0.0.1:{tls} ssl http2; {common} }}\n\
         server {{ listen 127.0.0.1:{plain} http2; {common} }}\n\
         server {{ listen 127.0.0.1:{old} ssl; {common} }} }}",
        root.display()
    );
    std::fs::write(root.join("nginx.conf"), conf).unwrap();
    let path = root.join("nginx.conf").display().to_string();
    let real = start("/usr/sbin/nginx", "nginx-light", &["-c", &path, "-e", "stderr"], root);
    let (tls, plain, old) = (wait_port(tls), wait_port(plain), wait_port(old));
    Nginx { _real: real, _directory: directory, tls, plain, old }
}

#[tokio::test]
async fn nginx_over_tls_and_in_plain_text() {
    let nginx = nginx();
    for over_tls in [true, false] {
        let get = async |request: Request| match over_tls {
            true => tls::probe(&target(nginx.tls), &Tls::default(), &request).await,
            false => probe(&target(nginx.plain), &request).await,
        };
        passes(get(page("/")).await);
        passes(get(Request { digest: Some(digest_of(BODY)), ..page("/") }).await);
        fails(get(Request { digest: Some([7; 16]), ..page("/") }).await, "digest");
        fails(get(page("/missing")).await, "404");
        passes(get(Request { status: vec![(410, 410)], ..page("/gone") }).await);
        fails(get(page("/moved")).await, "redirects to \"http://elsewhere.example/\"");
        passes(get(Request { pattern: looking_for("sample"), ..page("/") }).await);
        fails(get(Request { pattern: looking_for("nothing of the kind"), ..page("/") }).await, "nothing that matches");
        // It is HTTP/2 that is spoken, and the name is told.
        let named = |host: Option<&str>| Request { host: host.map(str::to_owned), ..page("/name") };
        let seen = |regex| looking_for(regex);
        let request =
            Request { pattern: seen("^www\\.example\\.org HTTP/2\\.0$"), ..named(Some("www.example.org:81")) };
        passes(get(request).await);
        passes(get(Request { pattern: seen("^127\\.0\\.0\\.1 HTTP/2\\.0$"), ..named(None) }).await);
        fails(get(page("/cut")).await, "closed the connection|gave the request up|ended too early");
        fails(get(named(Some("a b"))).await, "because of this host");
    }
}

#[tokio::test]
async fn a_large_body_costs_neither_memory_nor_time() {
    let nginx = nginx();
    passes(probe(&target(nginx.plain), &page("/")).await);
    let peak = || {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = peak();
    passes(probe(&target(nginx.plain), &page("/large")).await);
    let patient = Target::new(nginx.plain, Duration::from_secs(60));
    let verdict = probe(&patient, &Request { digest: Some([0; 16]), ..page("/large") }).await;
    fails(verdict, "the body is larger than the 16777216 bytes that are hashed");
    assert!(peak() - before < 8 << 10, "peak memory grew by {} KiB", peak() - before);
}

#[tokio::test]
async fn servers_that_speak_something_else() {
    let nginx = nginx();
    fails(tls::probe(&target(nginx.old), &Tls::default(), &page("/")).await, "did not choose it");
    fails(probe(&target(nginx.tls), &page("/")).await, "not HTTP/2|speaks TLS there");
    fails(probe(&target(says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await), &page("/")).await, "answered \"HTTP/1.1 400");
    fails(probe(&target(says(b"\x15\x03\x01\x00\x02\x02\x0a").await), &page("/")).await, "speaks TLS there");
    fails(probe(&target(says(b"").await), &page("/")).await, "closed the connection without an answer");
    fails(probe(&target(says(b"220 mail.example ESMTP\r\n").await), &page("/")).await, "began with \"220 mail");
    let silent = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let start = Instant::now();
    fails(probe(&Target::new(silent, SHORT), &page("/")).await, "no answer within 800ms");
    assert!(start.elapsed() < SHORT + Duration::from_secs(2));
}

/// A frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Header fields as they stand in a block (RFC 7541, 6.2.2); `:status 200` is one byte.
fn fields(status: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = if status { vec![0x88] } else { Vec::new() };
    for (name, value) in fields {
        for text in [name, value] {
            let length = u8::try_from(text.len()).unwrap();
            assert!(length < 0x7f);
            if text == name {
                block.push(0);
            }
            block.push(length);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A server that hears something, says these frames behind its settings, and hears on.
async fn frames(frames: Vec<Vec<u8>>) -> SocketAddr {
    server(move |mut stream| {
        let frames = frames.clone();
        async move {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
            for frame in frames {
                let _ = stream.write_all(&frame).await;
            }
            while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await
}

#[tokio::test]
async fn servers_that_misbehave_in_http2() {
    let status = || frame(HEADERS, END_HEADERS, 1, &[0x88]);
    let goaway = |code: u32| frame(GOAWAY, 0, 0, &[[0; 4], code.to_be_bytes()].concat());
    let reset = |code: u32| frame(RST_STREAM, 0, 1, &code.to_be_bytes());
    let much = fields(false, &[("x-x", &"y".repeat(100))]).repeat(100);
    let mut endless = vec![frame(HEADERS, 0, 1, &[0x88])];
    endless.extend((0..500).map(|_| frame(CONTINUATION, 0, 1, &much)));
    let overrun = std::iter::once(status()).chain((0..20).map(|_| frame(DATA, 0, 1, &[0; 16384]))).collect();
    passes(probe(&target(frames(vec![frame(HEADERS, 5, 1, &[0x88])]).await), &page("/")).await);
    for (frames_of_it, reason) in [
        (vec![goaway(11)], "gave the request up (GOAWAY: ENHANCE_YOUR_CALM)"),
        (vec![reset(7)], "gave the request up (RST_STREAM: REFUSED_STREAM)"),
        (vec![status(), frame(DATA, 0, 1, b"half"), reset(2)], "RST_STREAM: INTERNAL_ERROR"),
        (vec![frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff")], "not HTTP/2: PROTOCOL_ERROR"),
        (vec![frame(DATA, 0, 1, b"before the header")], "not HTTP/2"),
        (vec![frame(SETTINGS, 0, 0, &[0; 5])], "not HTTP/2"),
        (endless, "not HTTP/2"),
        (overrun, "FLOW_CONTROL_ERROR"),
    ] {
        let verdict = probe(&target(frames(frames_of_it).await), &Request { digest: Some([0; 16]), ..page("/") }).await;
        fails(verdict, reason);
    }
    // What never ends is ended.
    for stuck in
        [vec![], vec![status()], vec![status(), frame(DATA, 0, 1, b"some")], vec![frame(HEADERS, 0, 1, &[0x88])]]
    {
        let start = Instant::now();
        fails(probe(&Target::new(frames(stuck).await, SHORT), &page("/")).await, "not complete after 800ms");
        assert!(start.elapsed() < SHORT + Duration::from_secs(2));
    }
}

fn health(arguments: &[&str], directory: &Path) -> common::Real {
    let script = include_str!("common/health.py");
    let arguments: Vec<&str> = ["-c", script].into_iter().chain(arguments.iter().copied()).collect();
    start("/usr/bin/python3", "python3-grpcio", &arguments, directory)
}

fn service(name: &str) -> Question {
    Question { service: name.to_owned(), host: None }
}

#[tokio::test]
async fn a_real_grpc_server() {
    let directory = tempfile::tempdir().unwrap();
    certify(directory.path());
    let (plain, over_tls, empty) = (free_port(), free_port(), free_port());
    let _plain = health(&[&plain.to_string()], directory.path());
    let _tls = health(&[&over_tls.to_string(), "key.pem", "cert.pem"], directory.path());
    let _empty = health(&[&empty.to_string(), "none"], directory.path());
    for (port, tls) in [(plain, None), (over_tls, Some(Tls::default()))] {
        let address = wait_port(port);
        let ask = async |name: &str| grpc::probe(&target(address), tls.as_ref(), &service(name)).await;
        passes(ask("").await);
        passes(ask("up").await);
        fails(ask("down").await, "the service is NOT_SERVING");
        fails(ask("unknown").await, "the service is UNKNOWN");
        fails(ask("gone").await, "the service is SERVICE_UNKNOWN");
        fails(ask("strange").await, "in state 77, which has no name");
        let long = "x".repeat(300);
        fails(ask(&long).await, "NOT_FOUND (it does not know this service): \"no service x");
        let slow = grpc::probe(&Target::new(address, SHORT), tls.as_ref(), &service("slow")).await;
        fails(slow, "800ms|DEADLINE_EXCEEDED|CANCEL");
        let named = Question { host: Some("health.example:1".to_owned()), ..Question::default() };
        passes(grpc::probe(&target(address), tls.as_ref(), &named).await);
    }
    let verdict = grpc::probe(&target(wait_port(empty)), None, &service("up")).await;
    fails(verdict, "UNIMPLEMENTED (the server has no grpc.health.v1.Health)");
    // Plain text to TLS, and the other way round.
    fails(grpc::probe(&target(wait_port(over_tls)), None, &service("up")).await, "closed|TLS|ended too early");
    let verdict = grpc::probe(&target(wait_port(plain)), Some(&Tls::default()), &service("up")).await;
    fails(verdict, "not TLS|closed the connection");
    // A web server has pages.
    let nginx = nginx();
    fails(grpc::probe(&target(nginx.plain), None, &service("up")).await, "status 40");
    fails(grpc::probe(&target(nginx.old), Some(&Tls::default()), &service("up")).await, "did not choose it");
}

#[tokio::test]
async fn servers_that_misbehave_in_grpc() {
    let header = |kind: &str| frame(HEADERS, END_HEADERS, 1, &fields(true, &[("content-type", kind)]));
    let begun = || header("application/grpc+proto");
    let data = |bytes: &[u8]| frame(DATA, 0, 1, bytes);
    let trailers = |of: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(false, of));
    let fine = || trailers(&[("grpc-status", "0")]);
    let serving = || data(b"\0\0\0\0\x02\x08\x01");
    let ask = async |of: Vec<Vec<u8>>| -> Verdict {
        grpc::probe(&Target::new(frames(of).await, SHORT), None, &service("up")).await
    };
    passes(ask(vec![begun(), serving(), fine()]).await);
    let (kind, status) = (("content-type", "application/grpc"), ("grpc-status", "14"));
    let only = frame(HEADERS, 5, 1, &fields(true, &[kind, status, ("grpc-message", "over%20loaded%0a")]));
    for (answer, reason) in [
        (vec![only], "answered UNAVAILABLE: \"over loaded\\n\""),
        (vec![header("text/html"), serving(), fine()], "its content-type is \"text/html\""),
        (vec![begun(), serving(), trailers(&[("x", "y")])], "no grpc-status"),
        (vec![begun(), frame(DATA, END_STREAM, 1, b"\0\0\0\0\x02\x08\x01")], "no grpc-status"),
        (vec![begun(), serving(), trailers(&[("grpc-status", "x\x7f")])], "its grpc-status is|not HTTP/2"),
        (vec![begun(), serving(), trailers(&[("grpc-status", "99")])], "grpc-status 99"),
        (vec![begun(), serving(), serving(), fine()], "should have 2 bytes, and has 9"),
        (vec![begun(), fine()], "no whole prefix"),
        (vec![begun(), data(b"\x01\0\0\0\x02\x08\x01"), fine()], "compressed"),
        (vec![begun(), data(b"\0\0\0\0\x02\x08\x81"), fine()], "garbled"),
        (vec![begun(), data(&[0; 5000]), fine()], "more than 4096 bytes"),
        (vec![begun(), serving()], "not complete after 800ms"),
        (vec![frame(HEADERS, 5, 1, &[0x8e])], "status 500 instead of 200"),
        (vec![frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])], "RST_STREAM: CANCEL"),
    ] {
        fails(ask(answer).await, reason);
    }
}
