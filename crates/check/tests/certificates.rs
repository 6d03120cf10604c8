//! `SSL_GET` that looks at certificates, shows one of its own, and says good-bye: against `openssl s_server`.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::{Real, fails, free_port, passes, start, target, wait_port};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vipd_check::Verdict;
use vipd_check::http::Request;
use vipd_check::tls::{Client, Closing, Identity, Tls, Trust, probe};

const DAY: Duration = Duration::from_secs(86_400);

fn openssl(directory: &Path, arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).current_dir(directory).output();
    let made = made.unwrap_or_else(|e| panic!("openssl: {e}: install Debian's package openssl (make setup)"));
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
}

/// Makes an authority: ca.pem, ca.key.
fn authority(directory: &Path) {
    std::fs::write(directory.join("index.html"), "vipd sample page\n").unwrap();
    let subject = ["-subj", "/CN=test authority", "-days", "3650", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(directory, &[&["req", "-x509", "-newkey", "rsa:2048", "-nodes"], &subject[..]].concat());
}

/// Makes NAME.pem and NAME.key, signed by the authority, for these names, in force between these times.
fn certificate(directory: &Path, name: &str, names: &str, dates: [&str; 2], usage: &str) {
    let (key, request, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    openssl(
        directory,
        &["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &request],
    );
    let _ = std::fs::write(directory.join("index.txt"), "");
    let conf = format!(
        "[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=index.txt\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n\
         unique_subject=no\n[p]\ncommonName=supplied\n[x]\nbasicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n\
         subjectAltName={names}\n"
    );
    std::fs::write(directory.join("ca.conf"), conf).unwrap();
    let dates = ["-startdate", dates[0], "-enddate", dates[1]];
    let signed =
        ["ca", "-batch", "-config", "ca.conf", "-extensions", "x", "-cert", "ca.pem", "-keyfile", "ca.key", "-notext"];
    openssl(directory, &[&signed[..], &dates[..], &["-in", &request, "-out", &pem]].concat());
}

/// A time so many days from now, as `openssl ca` has it, less an hour: on no second hangs how many whole days are left.
fn day(from_now: i64) -> String {
    let date = format!("{from_now} days -1 hour");
    let date = Command::new("date").args(["-u", "-d", &date, "+%y%m%d%H%M%SZ"]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

fn serve(directory: &Path, name: &str, more: &[&str]) -> (SocketAddr, Real) {
    let port = free_port();
    let (accept, key, pem) = (format!("127.0.0.1:{port}"), format!("{name}.key"), format!("{name}.pem"));
    let arguments = ["s_server", "-accept", &accept, "-key", &key, "-cert", &pem, "-WWW", "-quiet"];
    let server = start("openssl", "openssl", &[&arguments[..], more].concat(), directory);
    (wait_port(port), server)
}

fn page() -> Request {
    Request { path: "/index.html".to_owned(), ..Request::default() }
}

fn believing(trust: Trust, name: Option<&str>) -> Tls {
    Tls { name: name.map(str::to_owned), client: Arc::new(Client::new(&trust, None)), ..Tls::default() }
}

async fn get(address: SocketAddr, tls: &Tls) -> Verdict {
    probe(&target(address), tls, &page()).await
}

#[tokio::test]
async fn a_certificate_is_believed_where_a_browser_believes_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    authority(root);
    let usual = [day(-1), day(90)];
    let [from, to] = [usual[0].as_str(), usual[1].as_str()];
    certificate(root, "good", "DNS:www.example.org,IP:127.0.0.1", [from, to], "serverAuth");
    certificate(root, "expired", "DNS:www.example.org", [&day(-90), &day(-3)], "serverAuth");
    certificate(root, "early", "DNS:www.example.org", [&day(3), &day(90)], "serverAuth");
    certificate(root, "client", "DNS:www.example.org", [from, to], "clientAuth");
    let own = ["-subj", "/CN=own", "-days", "9", "-addext", "subjectAltName=DNS:www.example.org", "-keyout", "own.key"];
    openssl(root, &[&["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-out", "own.pem"], &own[..]].concat());
    let ours = || Trust::File(root.join("ca.pem"));
    let www = believing(ours(), Some("www.example.org"));

    let (good, _server) = serve(root, "good", &[]);
    passes(get(good, &www).await);
    passes(get(good, &believing(ours(), None)).await); // for the address
    fails(
        get(good, &believing(ours(), Some("example.net"))).await,
        "it is for www.example.org, 127.0.0.1, not for example.net",
    );
    let sni = Tls { sni: Some("example.net".to_owned()), ..believing(ours(), Some("www.example.org")) };
    fails(get(good, &sni).await, "not for example.net");
    fails(
        get(good, &believing(Trust::File(root.join("own.pem")), Some("www.example.org"))).await,
        "nobody who is trusted",
    );
    fails(get(good, &believing(Trust::System, Some("www.example.org"))).await, "nobody who is trusted");
    passes(get(good, &Tls::default()).await);

    let (expired, _server) = serve(root, "expired", &[]);
    fails(get(expired, &www).await, "the certificate is not accepted: it has expired, 3 days ago");
    passes(get(expired, &Tls::default()).await);
    let listed = believing(Trust::File(root.join("expired.pem")), Some("www.example.org"));
    fails(get(expired, &listed).await, "it has expired");
    let (early, _server) = serve(root, "early", &[]);
    fails(get(early, &www).await, "it is not in force yet, for 2 days to come");
    let (client, _server) = serve(root, "client", &[]);
    fails(get(client, &www).await, "the certificate is not accepted");

    // A self-signed one is believed where it is listed itself, and nowhere else.
    let (selfmade, _server) = serve(root, "own", &[]);
    fails(get(selfmade, &www).await, "the certificate is not accepted");
    passes(get(selfmade, &believing(Trust::File(root.join("own.pem")), Some("www.example.org"))).await);
    fails(
        get(selfmade, &believing(Trust::File(root.join("own.pem")), Some("example.net"))).await,
        "not for example.net",
    );

    // The signature of the handshake is verified by either version.
    let (tls13, _server) = serve(root, "good", &["-tls1_3"]);
    passes(get(tls13, &www).await);
    let (tls12, _server) = serve(root, "good", &["-tls1_2"]);
    passes(get(tls12, &www).await);

    for (trust, says) in [(root.join("absent.pem"), "absent.pem"), (root.join("index.html"), "no certificate in it")] {
        fails(get(good, &believing(Trust::File(trust), None)).await, says);
    }
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    authority(root);
    certificate(root, "soon", "DNS:www.example.org", [&day(-80), &day(6)], "serverAuth");
    certificate(root, "late", "DNS:www.example.org", [&day(-80), &day(-2)], "serverAuth");
    let noted = async |address, tls: &Tls| match get(address, tls).await {
        Verdict::Pass { notice, .. } => notice,
        Verdict::Fail(why) => panic!("{why}"),
    };
    let notice = async |address, tls: &Tls| noted(address, tls).await.map(|notice| notice.text);
    let warned = |trust, days| Tls { warning: Some(DAY * days), ..believing(trust, Some("www.example.org")) };
    let ours = || Trust::File(root.join("ca.pem"));
    let (soon, _server) = serve(root, "soon", &[]);
    for trust in [ours(), Trust::Anyone] {
        assert_eq!(
            notice(soon, &warned(trust.clone(), 14)).await.as_deref(),
            Some("its certificate expires in 5 days")
        );
        assert_eq!(notice(soon, &warned(trust.clone(), 5)).await, None, "there is time");
        assert_eq!(notice(soon, &believing(trust, Some("www.example.org"))).await, None, "nobody asked");
    }
    let (late, _server) = serve(root, "late", &[]);
    assert_eq!(notice(late, &warned(Trust::Anyone, 1)).await.as_deref(), Some("its certificate has expired"));
    fails(get(late, &warned(ours(), 1)).await, "it has expired, 2 days ago");
    // The same certificate is known again, and another one is not it.
    let about = async |address| noted(address, &warned(Trust::Anyone, 14)).await.unwrap().about;
    assert_eq!(about(soon).await, about(soon).await);
    assert_ne!(about(soon).await, about(late).await);
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_one() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    authority(root);
    let dates = [day(-1), day(90)];
    let dates = [dates[0].as_str(), dates[1].as_str()];
    certificate(root, "server", "DNS:www.example.org", dates, "serverAuth");
    certificate(root, "director", "DNS:director", dates, "clientAuth");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (certificates, key, other) = (read("director.pem"), read("director.key"), read("server.key"));
    let showing = |key: &str| {
        let identity = Identity { certificates: &certificates, key };
        Tls { client: Arc::new(Client::new(&Trust::Anyone, Some(identity))), ..Tls::default() }
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let (address, _server) =
            serve(root, "server", &["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem", version]);
        passes(get(address, &showing(&key)).await);
        // In TLS 1.3 the server says so only after the handshake.
        let without = get(address, &Tls::default()).await;
        assert!(matches!(without, Verdict::Fail(_)), "{version}: {without:?}");
        println!("  {version}: {without:?}");
    }
    let (address, _server) = serve(root, "server", &[]);
    passes(get(address, &showing(&key)).await);
    fails(get(address, &showing(&other)).await, "the certificate and key of SSL");
    fails(get(address, &showing("nonsense")).await, "the key of SSL");
}

/// A server that says how the client's side of the connection ended: `true`, with a `close_notify`.
async fn witness(root: &Path) -> (SocketAddr, tokio::sync::mpsc::Receiver<bool>) {
    let chain = vec![CertificateDer::from_pem_file(root.join("good.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(root.join("good.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (said, heard) = tokio::sync::mpsc::channel(4);
    let address = common::server(move |stream| {
        let (acceptor, said) = (acceptor.clone(), said.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 10000000\r\n\r\n").await;
            // More than is read of it: the client leaves first.
            while stream.write_all(&[b'x'; 16384]).await.is_ok() {}
            let ended = stream.read(&mut [0; 16]).await;
            let _ = said.send(matches!(ended, Ok(0))).await;
        }
    })
    .await;
    (address, heard)
}

#[tokio::test]
async fn whoever_wants_it_is_told_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    authority(root);
    certificate(root, "good", "DNS:www.example.org", [&day(-1), &day(90)], "serverAuth");
    let (address, mut heard) = witness(root).await;
    for (closing, told) in [(Closing::Quiet, false), (Closing::Told, true)] {
        passes(get(address, &Tls { closing, ..Tls::default() }).await);
        let heard = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
        assert_eq!(heard, Ok(Some(told)), "{closing:?}");
    }
}
