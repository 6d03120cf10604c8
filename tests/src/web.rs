//! Web servers of the laboratory (nginx, one process each) and a client that lives in a host's namespace without a
//! process of its own.

use crate::lab::{Host, run};
use crate::process::Proc;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a web server shows and where.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Files by name.
    pub files: BTreeMap<String, String>,
    /// `address:port`, or a port alone.
    pub http: Vec<String>,
    /// The same with TLS; needs `Site::certificate`.
    pub https: Vec<String>,
    /// Certificate and key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Site {
    /// A site that says `text` at `/` and at `/index.html`, on these ports.
    pub fn saying(text: &str, http: &[&str]) -> Site {
        let files = BTreeMap::from([("index.html".to_owned(), format!("{text}\n"))]);
        Site { files, http: http.iter().map(|h| (*h).to_owned()).collect(), ..Site::default() }
    }

    /// With TLS there too.
    pub fn with_tls(mut self, certificate: &(PathBuf, PathBuf), https: &[&str]) -> Site {
        self.certificate = Some(certificate.clone());
        self.https = https.iter().map(|h| (*h).to_owned()).collect();
        self
    }

    /// nginx's configuration for it.
    fn conf(&self, directory: &Path) -> String {
        let directory = directory.display();
        let mut text = format!(
            "user root;\ndaemon off;\nmaster_process off;\nworker_processes 1;\npid {directory}/nginx.pid;\n\
             error_log stderr;\nevents {{ worker_connections 256; }}\nhttp {{\n access_log off;\n\
             keepalive_timeout 300;\n default_type text/plain;\n"
        );
        for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(text, " {name}_temp_path {directory}/{name};");
        }
        let _ = writeln!(text, " server {{\n  root {directory}/www;");
        for listen in &self.http {
            let _ = writeln!(text, "  listen {listen};");
        }
        for listen in &self.https {
            let _ = writeln!(text, "  listen {listen} ssl;");
        }
        if let Some((certificate, key)) = &self.certificate {
            let (certificate, key) = (certificate.display(), key.display());
            let _ = writeln!(text, "  ssl_certificate {certificate};\n  ssl_certificate_key {key};");
        }
        text + " }\n}\n"
    }
}

/// Starts nginx on a host; `name` tells several on one host apart. It may take a moment until it listens.
#[track_caller]
pub fn serve(host: &Host, name: &str, site: &Site) -> Proc {
    let nginx = Path::new("/usr/sbin/nginx");
    assert!(nginx.exists(), "nginx is missing: install Debian's nginx-light (make setup)");
    let directory = host.path(name);
    let root = directory.join("www");
    std::fs::create_dir_all(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    for (name, text) in &site.files {
        let path = root.join(name);
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let conf = host.write(&format!("{name}/nginx.conf"), &site.conf(&directory));
    host.spawn(&format!("{name}.log"), host.command(nginx).arg("-p").arg(&directory).arg("-c").arg(conf))
}

/// A self-signed certificate and its key in a directory.
#[track_caller]
pub fn certificate(directory: &Path) -> (PathBuf, PathBuf) {
    let pair = (directory.join("certificate.pem"), directory.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=vipd.test", "-out"]).arg(&pair.0).arg("-keyout").arg(&pair.1);
    run(&mut openssl);
    pair
}

/// Does something in the namespace of a host: what it opens there stays there. For calls that end soon.
pub fn inside<T: Send>(host: &Host, what: impl FnOnce() -> T + Send) -> T {
    let namespace = host.namespace.as_str();
    let thread = move || {
        vipd_sys::netns::enter(namespace).unwrap_or_else(|e| panic!("namespace {namespace}: {e}"));
        what()
    };
    std::thread::scope(|scope| match scope.spawn(thread).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Fetches `/` over one new connection; the body without its newline.
pub fn fetch(from: SocketAddr, patience: Duration) -> io::Result<String> {
    let mut stream = open(from, patience)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(65536).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other(format!("no HTTP: {answer:?}")))?;
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.trim_end().to_owned()),
        status => Err(io::Error::other(format!("status {status:?}"))),
    }
}

/// A connection that may stay open.
pub fn open(to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

/// Fetches `/` so many times from a host, a new connection each: how often each answer came. An error is an answer too,
/// as `! why`.
pub fn tally(host: &Host, from: SocketAddr, times: u32) -> BTreeMap<String, u32> {
    inside(host, || {
        let mut answers = BTreeMap::new();
        for _ in 0..times {
            let answer = fetch(from, Duration::from_secs(5)).unwrap_or_else(|e| format!("! {e}"));
            *answers.entry(answer).or_default() += 1;
        }
        answers
    })
}
