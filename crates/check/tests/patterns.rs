//! Patterns in bodies: of real servers, and of ones whose bodies are meant to hurt.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{SHORT, fails, free_port, passes, says, server, start, target, wait_port};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vipd_check::http::{Request, probe};
use vipd_check::{BodyPattern, Pattern, RegexOption, Target, Verdict};

fn settings(regex: &str) -> BodyPattern {
    BodyPattern { regex: regex.to_owned(), options: Vec::new(), absent: false, min_offset: 0, max_offset: None }
}

fn asking(settings: BodyPattern) -> Request {
    Request { path: "/".to_owned(), pattern: Some(Arc::new(Pattern::new(settings).unwrap())), ..Request::default() }
}

async fn get(address: SocketAddr, settings: BodyPattern) -> Verdict {
    probe(&target(address), &asking(settings)).await
}

fn absent(regex: &str) -> BodyPattern {
    BodyPattern { absent: true, ..settings(regex) }
}

#[track_caller]
fn passes_with(verdict: Verdict, detail: &str) {
    match verdict {
        Verdict::Pass { detail: seen, .. } => assert!(seen.contains(detail), "{seen:?} doesn't say {detail:?}"),
        Verdict::Fail(why) => panic!("{why}"),
    }
}

#[tokio::test]
async fn a_body_has_what_it_should_and_not_what_it_should_not() {
    let up = says(b"HTTP/1.0 200 OK\r\n\r\nstatus: up\n").await;
    passes_with(get(up, settings("^status: up$")).await, "status 200, 11 bytes, `regex` matches at byte 0");
    passes_with(get(up, settings("up")).await, "matches at byte 8");
    fails(get(up, settings("down")).await, "the body (11 bytes) has nothing that matches `regex`");
    passes_with(get(up, absent("down")).await, "nothing matches `regex`");
    fails(get(up, absent("up")).await, "the body has at byte 8 what `regex_no_match` says");
    passes(get(up, BodyPattern { options: vec![RegexOption::Caseless], ..settings("UP") }).await);
    fails(get(up, BodyPattern { max_offset: Some(7), ..settings("up") }).await, "nothing that matches");
    // The header is not the body, nor is what frames a chunk.
    fails(get(up, settings("200")).await, "nothing that matches");
    let chunked = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n").await;
    passes_with(get(chunked, settings("^ready$")).await, "5 bytes");
    let empty = says(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    fails(get(empty, settings("x")).await, "the body (0 bytes)");
    passes(get(empty, settings("^$")).await);
    // The status and the digest come first.
    fails(get(says(b"HTTP/1.0 503 Busy\r\n\r\nup").await, settings("up")).await, "status 503");
    let request = Request { digest: Some([0; 16]), ..asking(settings("up")) };
    fails(probe(&target(up), &request).await, "digest");
    // A body that is not there to its end says nothing.
    let cut = says(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nstatus: up\n").await;
    fails(get(cut, settings("up")).await, "the answer ended too early");
    fails(get(cut, absent("down")).await, "the answer ended too early");
}

#[tokio::test]
async fn the_page_of_nginx_is_searched() {
    let directory = tempfile::tempdir().unwrap();
    let (root, port) = (directory.path(), free_port());
    let mut page = b"<html><title>caf\xc3\xa9</title>\n".to_vec();
    page.resize(300_000, b'.');
    page.extend_from_slice(b"<p>build 1.42</p></html>\n");
    std::fs::write(root.join("index.html"), page).unwrap();
    let conf = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}/t; proxy_temp_path {0}/t; fastcgi_temp_path {0}/t;\n\
         uwsgi_temp_path {0}/t; scgi_temp_path {0}/t;\n\
         server {{ listen 127.0.0.1:{port}; root {0}; }} }}",
        root.display()
    );
    std::fs::write(root.join("nginx.conf"), conf).unwrap();
    let path = root.join("nginx.conf").display().to_string();
    let _nginx = start("/usr/sbin/nginx", "nginx-light", &["-c", &path, "-e", "stderr"], root);
    let address = wait_port(port);
    passes_with(get(address, settings(r"build \d+\.\d+</p></html>$")).await, "matches at byte 300003");
    passes(get(address, settings("<title>café</title>")).await);
    passes(get(address, BodyPattern { options: vec![RegexOption::Utf], ..settings("<title>caf.</title>") }).await);
    fails(get(address, settings("<title>caf.</title>")).await, "nothing that matches");
    passes_with(get(address, settings(r"(?<=<p>)build (\d)\.\d\d(?!\1)")).await, "matches at byte 300003");
}

#[tokio::test]
async fn a_body_that_drips_or_never_ends_is_left_in_time() {
    let drips = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        while stream.write_all(b"u").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let begun = Instant::now();
    let verdict = probe(&Target::new(drips, SHORT), &asking(settings("u"))).await;
    fails(verdict, "timed out: the answer was not complete after 800ms");
    assert!(begun.elapsed() < SHORT + Duration::from_secs(2));
    let endless = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 10737418240\r\n\r\nstatus: up").await;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    })
    .await;
    passes_with(get(endless, settings("status: up")).await, "more than 1048576 bytes, `regex` matches at byte 0");
    let why = "nothing matches `regex` in the first 1048576 bytes of the body, and the rest is not searched";
    fails(get(endless, settings("down")).await, why);
    passes_with(get(endless, absent("down")).await, "nothing matches `regex` in the first 1048576 of them");
    // The end of what is searched is not that of the body.
    fails(get(endless, settings("x$")).await, "the rest is not searched");
    fails(get(endless, BodyPattern { options: vec![RegexOption::Multiline], ..settings("x$") }).await, "not searched");
    fails(get(endless, BodyPattern { min_offset: 10, ..settings("^x|up") }).await, "not searched");
}

/// A server that says `a` so often.
async fn aaa(count: usize) -> SocketAddr {
    let body: &'static [u8] = vec![b'a'; count].leak();
    server(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        let _ = stream.write_all(body).await;
    })
    .await
}

#[tokio::test]
async fn a_pattern_that_tries_too_much_fails_with_its_reason() {
    let verdict = get(aaa(4096).await, settings(r"^(?:(a+)+\1)+b")).await;
    fails(verdict, "`regex` took more than 1000000 steps back over this body");
    // So it does where nothing may match: what is not known is not well.
    fails(get(aaa(4096).await, absent(r"^(?:(a+)+\1)+b")).await, "steps back");
    // One that is catastrophic elsewhere is not here.
    fails(get(aaa(100_000).await, settings("(a+)+b")).await, "nothing that matches");
}

#[tokio::test]
async fn a_search_has_its_time_and_holds_up_nobody() {
    let large = aaa(1 << 20).await;
    let slow = asking(settings("(?=[^z]*z)a"));
    let target = Target::new(large, SHORT);
    let ticks = async {
        let mut latest = Duration::ZERO;
        for _ in 0..40 {
            let before = Instant::now();
            tokio::time::sleep(Duration::from_millis(20)).await;
            latest = latest.max(before.elapsed());
        }
        latest
    };
    let (verdict, latest) = tokio::join!(probe(&target, &slow), ticks);
    fails(verdict, "timed out: searching the body took longer than 800ms");
    assert!(latest < Duration::from_millis(500), "something else waited for {latest:?}");
}

#[tokio::test]
async fn many_large_bodies_are_not_in_memory_at_once() {
    let memory = || {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let large = aaa(1 << 20).await;
    let before = memory();
    let patient = Arc::new(Target::new(large, Duration::from_secs(60)));
    let probes = (0..400).map(|_| {
        let patient = Arc::clone(&patient);
        tokio::spawn(async move { probe(&patient, &asking(settings("a"))).await })
    });
    let probes: Vec<_> = probes.collect();
    for verdict in probes {
        passes(verdict.await.unwrap());
    }
    let grown = memory().saturating_sub(before);
    println!("  peak memory grew by {grown} KiB");
    assert!(grown < 160 << 10, "peak memory grew by {grown} KiB");
}
