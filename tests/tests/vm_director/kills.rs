//! Processes of the daemon are killed while clients come through IPVS: no client sees it, the table stays, and
//! afterwards a server that fails is taken out as before.

use crate::machine::{LONG, at, settle, tail};
use crate::site::{CONNECT, NAT, Whole, virtual_server};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vipd_tests::control::Control;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Host;
use vipd_tests::process::{signal_pid, tree};
use vipd_tests::wait_for;
use vipd_tests::web::{inside, open};

const TABLE: [&str; 3] = [
    "-A -t 192.0.2.100:80 -s rr",
    "-a -t 192.0.2.100:80 -r 10.77.0.11:80 -m -w 1",
    "-a -t 192.0.2.100:80 -r 10.77.0.12:80 -m -w 2",
];
/// Connections in a second that the clients make at least.
const RATE: f64 = 200.0;
const CLIENTS: u32 = 4;
/// From one connection of a client to the next: faster than it need be.
const PACE: Duration = Duration::from_millis(15);

/// A server that says a word to everybody; one processor is emulated for all of them, and nginx would take most of it.
struct Server {
    host: Host,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(host: &Host) -> Server {
        let listener = inside(host, || TcpListener::bind("0.0.0.0:80").unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serve = move || {
            while let Ok((mut client, _)) = listener.accept() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let _ = client.write_all(b"ok"); // a check may be gone already
            }
        };
        Server { host: host.clone(), stop, thread: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = inside(&self.host, || TcpStream::connect("127.0.0.1:80")); // wakes it
        self.thread.take().map(JoinHandle::join);
    }
}

/// Clients that come until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    start: Instant,
    clients: Vec<JoinHandle<(u32, Vec<String>)>>,
}

impl Load {
    fn start(from: &Host) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let client = || {
            let (from, stop) = (from.clone(), stop.clone());
            std::thread::spawn(move || inside(&from, || come(&stop)))
        };
        Load { start: Instant::now(), clients: (0..CLIENTS).map(|_| client()).collect(), stop }
    }

    /// Ends it, and panics if a client saw anything; whether there were as many as there should be.
    #[track_caller]
    fn end(self, what: &str) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let results: Vec<_> = self.clients.into_iter().map(|client| client.join().unwrap()).collect();
        let (seconds, served) = (self.start.elapsed().as_secs_f64(), results.iter().map(|(n, _)| *n).sum::<u32>());
        let errors: Vec<_> = results.into_iter().flat_map(|(_, errors)| errors).collect();
        let rate = f64::from(served) / seconds;
        println!("  {what}: {served} connections in {seconds:.1} s, {rate:.0} a second, {} failed", errors.len());
        assert_eq!(errors, [""; 0], "{what}");
        rate >= RATE
    }
}

/// One client: how many answers it got, and what went wrong.
fn come(stop: &AtomicBool) -> (u32, Vec<String>) {
    let (mut served, mut errors) = (0, Vec::new());
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let mut word = String::new();
        match open(at(NAT), Duration::from_secs(5)).and_then(|mut stream| stream.read_to_string(&mut word)) {
            Ok(_) if word == "ok" => served += 1,
            Ok(_) => errors.push(format!("it says {word:?}")),
            Err(e) => errors.push(e.to_string()),
        }
        next += PACE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (served, errors)
}

fn expected(of: &[&str]) -> Vec<String> {
    of.iter().map(|rule| (*rule).to_owned()).collect()
}

#[track_caller]
fn becomes(whole: &Whole, director: &Director, of: &[&str]) {
    settle(&whole.director, director, &expected(of)).unwrap_or_else(|why| panic!("{why}"));
}

/// Looks at the table without a process of its own, which would take the clients' time.
struct Watch(vipd_ipvs::Client);

impl Watch {
    fn new(whole: &Whole) -> Watch {
        Watch(inside(&whole.director, || vipd_ipvs::Client::open().unwrap()))
    }

    fn table(&mut self) -> Vec<String> {
        let mut table = Vec::new();
        for entry in self.0.services().unwrap() {
            let servers = self.0.destinations(&entry.service.key).unwrap();
            table.push(format!("{:?}", entry.service));
            table.extend(servers.into_iter().map(|s| format!("{:?}", s.destination)));
        }
        table.sort();
        table
    }

    /// Sees that the table stays while something goes on, and for three seconds after it.
    #[track_caller]
    fn stays(&mut self, what: &str, mut over: impl FnMut() -> bool) {
        let (before, start, mut end) = (self.table(), Instant::now(), None);
        assert_eq!(before.len(), TABLE.len(), "{what}: {before:#?}");
        while end.is_none_or(|end| Instant::now() < end) {
            assert_eq!(self.table(), before, "{what}: the table is another one");
            assert!(start.elapsed() < LONG, "{what}: it takes too long");
            if end.is_none() && over() {
                end = Some(Instant::now() + Duration::from_secs(3));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether the process of a role is another one by now.
fn replaced(control: &mut Control, role: &str, old: u32) -> bool {
    control.status().roles.iter().any(|r| r.name == role && r.pid != 0 && r.pid != old)
}

/// The site, and what serves on it.
struct Site {
    /// They end before their hosts do.
    servers: [Option<Server>; 2],
    whole: Whole,
    conf: String,
}

impl Site {
    fn new() -> Site {
        let whole = Whole::new();
        // Nobody moves it.
        whole.director.ip("addr add 192.0.2.100/32 dev eth0");
        let conf = format!("global_defs {{\n script_user root\n}}\n{}", virtual_server(NAT, "NAT", "rr", CONNECT, ""));
        let servers = whole.web.each_ref().map(|host| Some(Server::start(host)));
        Site { servers, whole, conf }
    }

    fn start(&self) -> Director {
        Director::start(Kind::Vipd, &self.whole.director, &self.conf)
    }

    fn control(&self) -> std::io::Result<Control> {
        Control::connect(&self.whole.director.path("socket"))
    }

    /// A server fails and returns.
    #[track_caller]
    fn heeds(&mut self, director: &Director) {
        self.servers[1] = None;
        becomes(&self.whole, director, &TABLE[..2]);
        self.servers[1] = Some(Server::start(&self.whole.web[1]));
        becomes(&self.whole, director, &TABLE);
    }

    /// Kills a role under load; whether that was as high as it should be.
    fn without_role(&self, director: &Director, role: &str, watch: &mut Watch) -> bool {
        let (old, mut control) = (director.role(role), self.control().unwrap());
        let load = Load::start(&self.whole.client);
        std::thread::sleep(Duration::from_secs(1));
        signal_pid(old, Signal::KILL);
        watch.stays(role, || replaced(&mut control, role, old));
        load.end(&format!("{role} was killed"))
    }

    /// Kills the supervisor under load, upon which everything ends, and does what systemd does; whether the load was as
    /// high as it should be.
    fn without_supervisor(&self, director: &mut Director, watch: &mut Watch) -> bool {
        let all = tree(director.pid());
        assert!(all.len() >= 3, "{all:?}");
        let load = Load::start(&self.whole.client);
        std::thread::sleep(Duration::from_secs(1));
        signal_pid(director.pid(), Signal::KILL);
        wait_for("it is dead", LONG, || !director.runs());
        let runs = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        watch.stays("supervisor", || !all.iter().any(runs));
        let log = director.log();
        assert!(log.contains("the IPVS table stays as it is"), "{}", tail(&log));
        *director = self.start();
        watch
            .stays("the next daemon", || self.control().is_ok_and(|mut control| replaced(&mut control, "director", 0)));
        load.end("the supervisor was killed")
    }
}

pub(crate) fn under_load() {
    let mut site = Site::new();
    let mut director = site.start();
    becomes(&site.whole, &director, &TABLE);
    site.heeds(&director);
    let mut watch = Watch::new(&site.whole);
    for what in ["director", "check", "supervisor"] {
        // Where others take the machine's time the load is less: once more then.
        let high = (0..3).any(|_| {
            let high = match what {
                "supervisor" => site.without_supervisor(&mut director, &mut watch),
                role => site.without_role(&director, role, &mut watch),
            };
            site.heeds(&director);
            high
        });
        assert!(high, "never {RATE} connections a second");
    }
    assert_eq!(director.status().unwrap().plane.unwrap().failed_writes, 0);
}
