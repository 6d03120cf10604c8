//! The console with this test as its supervisor, its operators and its mail server.

mod events;
mod mail;

use super::*;
use crate::channel::{Receiver, split};
use crate::legacy::Legacy;
use crate::message::{Part, RoleOptions, Verdict};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vipd_api::{Request, Status};
use vipd_config::model::{Config, Mail};

const SOON: Duration = Duration::from_secs(10);

/// A running console and the supervisor's end of its channel.
struct Rig {
    role: JoinHandle<ExitCode>,
    receiver: Receiver,
    sender: Sender,
    directory: tempfile::TempDir,
}

fn pace(waits_ms: &[u64], patience_ms: u64) -> Pace {
    Pace::new(waits_ms.iter().map(|&ms| Duration::from_millis(ms)), Duration::from_millis(patience_ms))
}

impl Rig {
    fn start(pace: Pace) -> Rig {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (receiver, sender) = split(ours);
        let role = tokio::spawn(run_at(theirs, pace));
        Rig { role, receiver, sender, directory: tempfile::tempdir().unwrap() }
    }

    /// Started, configured without mail, ready.
    async fn ready() -> Rig {
        let mut rig = Rig::start(Pace::default());
        rig.configure(None).await;
        assert!(matches!(rig.hear().await, FromRole::Ready));
        rig
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("run/vipd/control.sock")
    }

    async fn configure(&mut self, mail: Option<Mail>) {
        let socket = self.socket();
        self.configure_at(mail, &socket, None).await;
    }

    async fn configure_at(&mut self, mail: Option<Mail>, socket: &Path, snapshot: Option<Legacy>) {
        let mut config = Config::default();
        config.global.router_id = "lb1".to_owned();
        config.global.mail = mail;
        let options = RoleOptions { socket: socket.to_str().unwrap().to_owned(), ..RoleOptions::default() };
        let configure = Box::new(Configure {
            last_seen: 0,
            part: Part { config, removed: Vec::new(), more: false },
            snapshot,
            known: Vec::new(),
            options,
        });
        self.sender.send(&ToRole::Configure(configure)).await.unwrap();
    }

    async fn mail(&mut self, subject: &str) {
        let body = format!("about {subject}\n.\nafter a dot\n");
        self.sender.send(&ToRole::Mail { subject: subject.to_owned(), body }).await.unwrap();
    }

    async fn hear(&mut self) -> FromRole {
        timeout(SOON, self.receiver.next()).await.unwrap().unwrap().unwrap()
    }

    /// The next message that isn't a snapshot of the mail queue.
    async fn hear_request(&mut self) -> (u64, Request) {
        loop {
            match self.hear().await {
                FromRole::Snapshot(_) => {}
                FromRole::Request { id, request, .. } => return (id, request),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn reply(&mut self, id: u64, router_id: &str) {
        let status = Status { router_id: router_id.to_owned(), ..Status::default() };
        let reply = Box::new(Reply::Status(Box::new(status)));
        self.sender.send(&ToRole::Reply { id, reply }).await.unwrap();
    }

    async fn connect(&self) -> BufReader<UnixStream> {
        let deadline = Instant::now() + SOON;
        loop {
            match UnixStream::connect(self.socket()).await {
                Ok(stream) => return BufReader::new(stream),
                Err(e) if Instant::now() > deadline => panic!("{e}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn stop(&mut self) {
        self.sender.send(&ToRole::Stop).await.unwrap();
        while !matches!(self.hear().await, FromRole::Done) {}
        timeout(SOON, &mut self.role).await.unwrap().unwrap();
    }
}

async fn say(client: &mut BufReader<UnixStream>, line: &[u8]) {
    client.get_mut().write_all(line).await.unwrap();
}

async fn read(client: &mut BufReader<UnixStream>) -> Reply {
    let mut line = String::new();
    timeout(SOON, client.read_line(&mut line)).await.unwrap().unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"))
}

fn router_id(reply: Reply) -> String {
    match reply {
        Reply::Status(status) => status.router_id,
        other => panic!("{other:?}"),
    }
}

fn complaint(reply: Reply) -> String {
    match reply {
        Reply::Error { message } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_goes_to_the_supervisor_and_its_answer_back() {
    let mut rig = Rig::ready().await;
    let mut client = rig.connect().await;
    for turn in 0..3 {
        say(&mut client, b"\n{\"ask\":\"status\"}\n").await;
        let (id, request) = rig.hear_request().await;
        assert_eq!(request, Request::Status);
        rig.reply(id, &format!("lb{turn}")).await;
        assert_eq!(router_id(read(&mut client).await), format!("lb{turn}"));
    }
    rig.stop().await;
    assert!(!rig.socket().exists(), "the socket stayed after the stop");
}

#[tokio::test]
async fn answers_find_their_asker_in_any_order() {
    let mut rig = Rig::ready().await;
    let (mut one, mut two) = (rig.connect().await, rig.connect().await);
    say(&mut one, b"{\"ask\":\"status\"}\n").await;
    let (first, _) = rig.hear_request().await;
    say(&mut two, b"{\"ask\":\"status\"}\n").await;
    let (second, _) = rig.hear_request().await;
    rig.reply(9999, "nobody's").await;
    rig.reply(second, "two").await;
    rig.reply(first, "one").await;
    assert_eq!(router_id(read(&mut one).await), "one");
    assert_eq!(router_id(read(&mut two).await), "two");
}

#[tokio::test]
async fn the_file_is_for_root_and_its_group() {
    let rig = Rig::ready().await;
    let file = std::fs::metadata(rig.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    let directory = std::fs::metadata(rig.socket().parent().unwrap()).unwrap();
    assert_eq!(directory.permissions().mode() & 0o022, 0, "others may write to the directory");
}

#[tokio::test]
async fn a_ping_is_answered_before_any_configuration() {
    let mut rig = Rig::start(Pace::default());
    rig.sender.send(&ToRole::Ping(7)).await.unwrap();
    assert!(matches!(rig.hear().await, FromRole::Beat(7)));
    rig.sender.send(&ToRole::Verdicts(Vec::<Verdict>::new())).await.unwrap();
    rig.sender.send(&ToRole::Ping(8)).await.unwrap();
    assert!(matches!(rig.hear().await, FromRole::Beat(8)));
}

#[tokio::test]
async fn the_role_ends_with_its_supervisor() {
    let Rig { role, receiver, sender, directory } = Rig::ready().await;
    drop((receiver, sender));
    timeout(SOON, role).await.unwrap().unwrap();
    assert!(!directory.path().join("run/vipd/control.sock").exists());
}

#[tokio::test]
async fn rubbish_is_answered_and_the_next_request_served() {
    let mut rig = Rig::ready().await;
    let mut client = rig.connect().await;
    for rubbish in [&b"hello\n"[..], b"{\"ask\":\"reboot\"}\n", b"\xff\xfe\n", b"[[[[[[[[\n", b"{}\n", b"null\n"] {
        say(&mut client, rubbish).await;
        assert!(complaint(read(&mut client).await).contains("does not know the request"));
    }
    say(&mut client, b"{\"ask\":\"status\"}\n").await;
    let (id, _) = rig.hear_request().await;
    rig.reply(id, "still here").await;
    assert_eq!(router_id(read(&mut client).await), "still here");
}

#[tokio::test]
async fn a_line_has_a_longest() {
    let rig = Rig::ready().await;
    let mut client = rig.connect().await;
    say(&mut client, &vec![b'x'; session::LONGEST]).await;
    assert!(complaint(read(&mut client).await).contains("at most 65536 bytes"));
    let mut rest = Vec::new();
    let end = timeout(SOON, client.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty() && !matches!(end, Ok(n) if n > 0), "the connection stayed open");
}

#[tokio::test]
async fn a_slow_sender_is_cut_off() {
    let rig = Rig::ready().await;
    let mut client = rig.connect().await;
    let begun = Instant::now();
    say(&mut client, b"{\"ask\":").await;
    assert!(complaint(read(&mut client).await).contains("no whole line"));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn the_33rd_is_turned_away_until_one_leaves() {
    let mut rig = Rig::ready().await;
    let mut clients = Vec::new();
    for n in 0..SESSIONS {
        let mut client = rig.connect().await;
        say(&mut client, b"{\"ask\":\"status\"}\n").await;
        let (id, _) = rig.hear_request().await;
        rig.reply(id, &n.to_string()).await;
        assert_eq!(router_id(read(&mut client).await), n.to_string());
        clients.push(client);
    }
    let mut late = rig.connect().await;
    assert!(complaint(read(&mut late).await).contains("32 connections"));
    clients.pop();
    let deadline = Instant::now() + SOON;
    loop {
        let mut again = rig.connect().await;
        if again.get_mut().write_all(b"{\"ask\":\"status\"}\n").await.is_ok()
            && let Ok(message) = timeout(Duration::from_millis(200), rig.receiver.next()).await
        {
            assert!(matches!(message, Ok(Some(FromRole::Request { .. }))), "{message:?}");
            break;
        }
        assert!(Instant::now() < deadline, "nobody is let in any more");
    }
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced() {
    let mut rig = Rig::start(Pace::default());
    std::fs::create_dir_all(rig.socket().parent().unwrap()).unwrap();
    drop(UnixListener::bind(rig.socket()).unwrap());
    assert!(rig.socket().exists(), "this test needs a stale socket");
    rig.configure(None).await;
    assert!(matches!(rig.hear().await, FromRole::Ready));
    let mut client = rig.connect().await;
    say(&mut client, b"{\"ask\":\"status\"}\n").await;
    rig.hear_request().await;
}

#[tokio::test]
async fn a_living_daemons_socket_is_left_alone_until_it_is_free() {
    let mut rig = Rig::start(Pace::default());
    std::fs::create_dir_all(rig.socket().parent().unwrap()).unwrap();
    let other = UnixListener::bind(rig.socket()).unwrap();
    let told = Endpoint::bind(&rig.socket()).await.unwrap_err().to_string();
    assert!(told.contains("another daemon answers") && told.contains("stop it"), "{told}");

    rig.configure(None).await;
    // It works on without a socket: mail and the rest do not depend on it.
    assert!(matches!(rig.hear().await, FromRole::Ready));
    drop(other);
    let mut client = rig.connect().await;
    say(&mut client, b"{\"ask\":\"status\"}\n").await;
    rig.hear_request().await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    std::fs::write(&path, "precious").unwrap();
    let told = Endpoint::bind(&path).await.unwrap_err().to_string();
    assert!(told.contains("is not a socket"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");

    let link = directory.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(Endpoint::bind(&link).await.is_err());
    let long = directory.path().join("x".repeat(120));
    let told = Endpoint::bind(&long).await.unwrap_err().to_string();
    assert!(told.contains("could not bind"), "{told}");
}

#[tokio::test]
async fn a_removed_socket_file_comes_back() {
    let mut rig = Rig::ready().await;
    std::fs::remove_dir_all(rig.socket().parent().unwrap()).unwrap();
    let mut client = rig.connect().await;
    say(&mut client, b"{\"ask\":\"status\"}\n").await;
    rig.hear_request().await;
}

#[tokio::test]
async fn a_reload_moves_the_socket_and_spares_it_otherwise() {
    let mut rig = Rig::ready().await;
    let mut client = rig.connect().await;
    rig.configure(None).await;
    say(&mut client, b"{\"ask\":\"status\"}\n").await;
    let (id, _) = rig.hear_request().await;
    let moved = rig.directory.path().join("elsewhere.sock");
    rig.configure_at(None, &moved, None).await;
    rig.reply(id, "across the move").await;
    assert_eq!(router_id(read(&mut client).await), "across the move");
    assert!(moved.exists() && !rig.socket().exists());
    // A place that can't be had leaves the old one standing.
    rig.configure_at(None, Path::new("/proc/nowhere/control.sock"), None).await;
    let mut client = BufReader::new(UnixStream::connect(&moved).await.unwrap());
    say(&mut client, b"{\"ask\":\"status\"}\n").await;
    rig.hear_request().await;
}
