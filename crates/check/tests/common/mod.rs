//! What the tests of probes have in common: servers that misbehave, real ones, and judges of verdicts.

#![allow(dead_code)] // each test file uses a part of it

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vipd_check::{Target, Verdict};

/// For a server that answers: two busy cores may take their time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// For a server that never will.
pub(crate) const SHORT: Duration = Duration::from_millis(800);

/// A server that does this with its first connection and then goes on doing it with the next.
pub(crate) async fn server<F, T>(behave: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    address
}

/// A server that reads the request, says this and closes.
pub(crate) async fn says(text: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(text).await;
    })
    .await
}

pub(crate) fn target(address: SocketAddr) -> Target {
    Target::new(address, PATIENCE)
}

/// For this reason, or one of these with `|` between them.
#[track_caller]
pub(crate) fn fails(verdict: Verdict, reason: &str) {
    assert!(!reason.is_empty(), "any failure would do");
    match verdict {
        Verdict::Fail(why) => {
            let why = why.to_string();
            println!("  {why}");
            let says = |reason: &str| why.to_lowercase().contains(&reason.to_lowercase());
            assert!(reason.split('|').any(says), "{why:?} doesn't say {reason:?}");
        }
        Verdict::Pass { detail, .. } => panic!("passed ({detail}), should fail with {reason:?}"),
    }
}

#[track_caller]
pub(crate) fn passes(verdict: Verdict) {
    assert!(matches!(verdict, Verdict::Pass { .. }), "{verdict:?}");
}

/// A real server that ends with the test.
pub(crate) struct Real(Child);

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn start(program: &str, package: &str, arguments: &[&str], directory: &std::path::Path) -> Real {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Real(command.spawn().unwrap_or_else(|e| panic!("{program}: {e}: install Debian's package {package} (make setup)")))
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_port(port: u16) -> SocketAddr {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let start = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    address
}
