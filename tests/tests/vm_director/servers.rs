//! Twenty real servers are replaced one after the other under traffic: `vipd server drain`, another program in its place,
//! `vipd server ready`; and some by another address. No client notices.

use crate::machine::{LONG, at, rules, service, sysctl, tail};
use crate::site::{CONNECT, NAT, Whole, conf};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use vipd_tests::director::{Director, vipd};
use vipd_tests::lab::Host;
use vipd_tests::process::Proc;
use vipd_tests::wait_for;
use vipd_tests::web::{Site, fetch, inside, open, serve};

const NAME: &str = "[192.0.2.100]:tcp:80";
const SERVERS: u8 = 20;
/// Connections a second, and how many ask them.
const RATE: u32 = 500;
/// How many of them a second are enough on one emulated processor of a machine that does other things, too.
const LEAST: f64 = 50.0;
const CLIENTS: u32 = 10;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address of a real server, by its number from 0; those from `SERVERS` on come later.
fn address(number: u8) -> String {
    format!("10.77.0.{}", 31 + number)
}

/// Clients that open a connection each time it is theirs to do.
pub(crate) struct Load {
    ends: std::sync::Arc<AtomicBool>,
    answers: mpsc::Receiver<Result<String, String>>,
    clients: Vec<std::thread::JoinHandle<()>>,
    started: Instant,
}

/// What clients were told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<String, u32>,
    pub(crate) errors: BTreeMap<String, u32>,
    pub(crate) rate: f64,
}

impl Load {
    /// So many connections a second from a host.
    pub(crate) fn new(client: &Host, to: &str, rate: u32) -> Load {
        // Ports for a minute and more of it.
        sysctl(client, "net.ipv4.ip_local_port_range=1024 65535");
        let ends = std::sync::Arc::new(AtomicBool::new(false));
        let (tell, answers) = mpsc::channel();
        let started = Instant::now();
        let pace = Duration::from_secs(1) * CLIENTS / rate;
        let clients = (0..CLIENTS).map(|n| {
            let (ends, tell, to, namespace) = (ends.clone(), tell.clone(), at(to), client.namespace.clone());
            std::thread::spawn(move || {
                vipd_sys::netns::enter(&namespace).unwrap();
                let mut next = started + pace * n / CLIENTS;
                while !ends.load(Ordering::Relaxed) {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    next += pace;
                    let answer = fetch(to, PATIENCE).map_err(|e| format!("{:?}: {e}", e.kind()));
                    tell.send(answer).unwrap();
                }
            })
        });
        let clients = clients.collect();
        Load { ends, answers, clients, started }
    }

    /// What was answered until now.
    pub(crate) fn so_far(&self) -> Vec<Result<String, String>> {
        self.answers.try_iter().collect()
    }

    /// Ends it; what was answered since `so_far`.
    pub(crate) fn end(self) -> (Vec<Result<String, String>>, Duration) {
        let took = self.started.elapsed();
        self.ends.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        (self.answers.try_iter().collect(), took)
    }
}

/// `vipd server ...`
fn order(director: &Director, host: &Host, arguments: &str) -> Output {
    let mut command = host.command(vipd());
    command.arg("server").args(arguments.split_whitespace()).arg("--socket").arg(host.path("socket"));
    let output = command.output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "vipd server {arguments}: {told}{}", tail(&director.log()));
    output
}

/// A connection that stays open keeps a drain waiting, until it is closed or the deadline cuts it off.
fn what_is_open_is_waited_for(whole: &Whole, director: &Director) {
    for cut in [false, true] {
        let held = inside(&whole.client, || open(at(NAT), PATIENCE)).unwrap();
        let mut held = Some(held);
        let ask = |held: &mut Option<std::net::TcpStream>| {
            let stream = held.as_mut().unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
            let mut answer = vec![0; 4096];
            stream.read(&mut answer).map(|n| String::from_utf8_lossy(&answer[..n]).contains("200 OK"))
        };
        assert!(ask(&mut held).unwrap());
        let busy = || service(director, NAME).real_servers.into_iter().find(|real| real.active_connections == 1);
        wait_for("it is counted", LONG, || busy().is_some());
        let server = busy().unwrap().address;
        let mut command = whole.director.command(vipd());
        command.args(["server", "drain", "192.0.2.100:80", &server, "--socket"]).arg(whole.director.path("socket"));
        command.args(if cut { &["--deadline", "4s"][..] } else { &[] });
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut drain = command.spawn().unwrap();
        std::thread::sleep(Duration::from_secs(2));
        assert!(drain.try_wait().unwrap().is_none(), "it does not wait");
        assert!(ask(&mut held).unwrap(), "a server that drains still answers whom it has");
        if !cut {
            held = None;
        }
        let output = drain.wait_with_output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("  {}", told.trim_end().replace('\n', "\n  "));
        assert!(told.contains("connections left: 1 open"), "{told}");
        if cut {
            assert!(
                output.status.code() == Some(3) && told.contains("it went down with 1 connection cut off"),
                "{told}"
            );
            let line = format!("-r {server}");
            assert!(!rules(&whole.director).iter().any(|rule| rule.contains(&line)), "it has not left the table");
            held.as_ref().unwrap().set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            assert!(!ask(&mut held).unwrap_or(false), "it is not cut off");
        } else {
            assert!(output.status.success() && told.contains("drained: no connection is left"), "{told}");
        }
        order(director, &whole.director, &format!("ready 192.0.2.100:80 {server}"));
        wait_for("it is back", LONG, || {
            rules(&whole.director).iter().filter(|rule| rule.ends_with("-w 1")).count() == 20
        });
    }
}

pub(crate) fn are_replaced_under_traffic() {
    let whole = Whole::new();
    for (which, host) in whole.web.iter().enumerate() {
        for number in (0..SERVERS + SERVERS / 4).filter(|n| usize::from(n % 2) == which) {
            host.ip(&format!("addr add {}/24 dev eth0", address(number)));
        }
    }
    let listen = |number: u8, text: &str| {
        let site = Site::saying(text, &[&format!("{}:80", address(number))]);
        serve(&whole.web[usize::from(number % 2)], &format!("{text}-{number}"), &site)
    };
    let mut running: BTreeMap<u8, Proc> = (0..SERVERS).map(|n| (n, listen(n, "before"))).collect();
    let mut services =
        "virtual_server 192.0.2.100 80 {\n delay_loop 1\n lb_algo rr\n lb_kind NAT\n protocol TCP\n".to_owned();
    for number in 0..SERVERS {
        let address = address(number);
        let _ = writeln!(services, " real_server {address} 80 {{\n weight 1\n{CONNECT}\n }}");
    }
    let director = whole.start_with(&conf("", &(services + "}\n")), &[]);
    let alive = |address: &str| {
        let servers = service(&director, NAME).real_servers;
        servers
            .iter()
            .any(|real| real.address == format!("{address}:80") && real.alive && real.why != "not checked yet")
    };
    wait_for("all servers are up", LONG, || (0..SERVERS).all(|n| alive(&address(n))));

    what_is_open_is_waited_for(&whole, &director);
    let load = Load::new(&whole.client, NAT, RATE);
    let mut tally = Tally::default();
    let mut count = |answers: Vec<Result<String, String>>| {
        for answer in answers {
            match answer {
                Ok(text) => *tally.answers.entry(text).or_default() += 1,
                Err(why) => *tally.errors.entry(why).or_default() += 1,
            }
        }
    };
    std::thread::sleep(Duration::from_secs(2));
    for number in 0..SERVERS {
        let old = address(number);
        // A quarter moves to another address.
        let moves = number % 4 == 3;
        let new = if moves { SERVERS + number / 4 } else { number };
        if moves {
            running.insert(new, listen(new, "after"));
            order(&director, &whole.director, &format!("add 192.0.2.100:80 {}", address(new)));
            wait_for("the new one is up", LONG, || alive(&address(new)));
        }
        order(&director, &whole.director, &format!("drain 192.0.2.100:80 {old} --deadline 30s"));
        running.remove(&number);
        if moves {
            order(&director, &whole.director, &format!("remove all {old}"));
        } else {
            running.insert(number, listen(number, "after"));
            wait_for("it answers again", LONG, || {
                inside(&whole.director, || fetch(at(&format!("{old}:80")), PATIENCE).is_ok())
            });
            wait_for("its check has seen that", LONG, || alive(&old));
            order(&director, &whole.director, &format!("ready 192.0.2.100:80 {old}"));
        }
        count(load.so_far());
    }
    count(load.so_far());
    std::thread::sleep(Duration::from_secs(1));
    let (last, took) = load.end();
    let answered = last.len();
    let only_new = last.iter().all(|answer| answer.as_deref() == Ok("after"));
    count(last);
    let all: u32 = tally.answers.values().chain(tally.errors.values()).sum();
    tally.rate = f64::from(all) / took.as_secs_f64();
    println!(
        "  {SERVERS} servers replaced in {:.0} s under {:.0} connections a second: {tally:?}",
        took.as_secs_f64(),
        tally.rate
    );
    assert!(tally.errors.is_empty(), "{tally:?}\n{}", tail(&director.log()));
    assert!(answered > 0 && only_new, "an old server still answers, or none");
    assert!(tally.rate > LEAST, "{tally:?}");
    let table = rules(&whole.director);
    let expected = (0..SERVERS).map(|n| if n % 4 == 3 { SERVERS + n / 4 } else { n });
    for number in expected {
        let line = format!("-a -t 192.0.2.100:80 -r {}:80 -m -w 1", address(number));
        assert!(table.contains(&line), "{line} is not in\n{}", table.join("\n"));
    }
    assert_eq!(table.len(), 1 + usize::from(SERVERS), "{table:?}");
}
