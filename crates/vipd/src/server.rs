//! `vipd server`: what an operator wants of real servers while the daemon runs.

use crate::cli::{ServerCommand, ServerTarget};
use crate::control::ask;
use crate::output::{counted, print};
use crate::status::{large, shown};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vipd_api::{RealServerStatus, Reply, Request, ServerOrder, ServerWish, Status};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long from one look at the connections to the next, at least; and how many times what a look takes.
const PAUSE: Duration = Duration::from_millis(500);
const REST: u32 = 10;

/// So long it may be unknown how many connections are left.
const BLIND: Duration = Duration::from_secs(30);

/// What does not go to a terminal is told this often.
const TOLD: Duration = Duration::from_secs(5);

/// Exit status of a drain that has ended with connections cut off.
const CUT_OFF: u8 = 3;

/// 0: done, and drained if that was awaited; 1: not, and why; 3: drained until it went down, which cut connections off.
pub(crate) fn run(command: &ServerCommand) -> ExitCode {
    let (target, wish, waits) = match command {
        ServerCommand::Drain { target, deadline, no_wait } => (
            target,
            ServerWish::Drain { deadline: deadline.map(|d| d.as_secs() + u64::from(d.subsec_nanos() > 0)) },
            !no_wait,
        ),
        ServerCommand::Ready { target } => (target, ServerWish::Ready, false),
        ServerCommand::Down { target } => (target, ServerWish::Down, false),
        ServerCommand::Weight { target, weight } => (target, ServerWish::Weight { weight: *weight }, false),
        ServerCommand::Add { target, weight, like } => {
            (target, ServerWish::Add { weight: *weight, like: like.clone() }, false)
        }
        ServerCommand::Remove { target } => (target, ServerWish::Remove, false),
    };
    let ServerTarget { service, server, until_reload, socket } = target;
    let order = ServerOrder { service: service.clone(), server: server.clone(), wish, until_reload: *until_reload };
    let (done, servers) = match ask(socket, &Request::Server(order), PATIENCE) {
        Ok(Reply::Ordered { done, servers }) => (done, servers),
        Ok(_) => return failed("the daemon answered something else"),
        Err(e) => return failed(&e.to_string()),
    };
    let text: String = done.iter().map(|line| shown(line) + "\n").collect();
    let code = print("server", &text, ExitCode::SUCCESS);
    if !waits || code != ExitCode::SUCCESS {
        return code;
    }
    match drained(socket, &servers) {
        Ok(Drained::Empty { took, closing }) => {
            let closing = match closing {
                0 => String::new(),
                n => format!(" ({} are closing, or closed, and time out)", large(n)),
            };
            let text = format!("drained: no connection is left after {:.1} s{closing}\n", took.as_secs_f64());
            print("server", &text, code)
        }
        Ok(Drained::CutOff { left }) => {
            let left = counted(usize::try_from(left).unwrap_or(usize::MAX), "connection");
            eprintln!("vipd server: it went down with {left} cut off: see `vipd events`");
            ExitCode::from(CUT_OFF)
        }
        Ok(Drained::Otherwise) => failed("the order has ended meanwhile: see `vipd events`"),
        Err(why) => failed(&format!("how many connections are left is not known: {why}")),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("vipd server: {why}");
    ExitCode::FAILURE
}

/// How draining has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drained {
    /// Nothing is left that is open; so many the plane has not forgotten yet.
    Empty { took: Duration, closing: u64 },
    /// It went down before, by its deadline or another order: so many were open when that was last looked at.
    CutOff { left: u64 },
    /// The servers drain no more.
    Otherwise,
}

/// Where servers that drain stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// So many connections are left: those that are open, and those that are closing or closed, which time out.
    Left { open: u64, closing: u64 },
    /// They went down.
    Down,
    /// They do something else.
    Otherwise,
    /// Nobody can say now, and why.
    Unknown(&'static str),
}

/// Waits until servers that drain have no connection left, and shows how many have.
fn drained(socket: &Path, servers: &[(String, String)]) -> Result<Drained, String> {
    let (start, terminal) = (Instant::now(), std::io::stderr().is_terminal());
    let (mut last, mut told, mut unknown_since) = (0, None::<(Instant, u64)>, None::<Instant>);
    loop {
        let asked = Instant::now();
        let status = match ask(socket, &Request::Status, PATIENCE) {
            Ok(Reply::Status(status)) => status,
            Ok(_) => return Err("the daemon answered something else than its status".to_owned()),
            Err(e) => return Err(e.to_string()),
        };
        let standing = standing(&status, servers);
        let blind = unknown_since.is_some();
        if terminal && !matches!(standing, Standing::Left { open: 1.., .. }) {
            eprint!("\r\x1b[K");
        }
        match standing {
            Standing::Unknown(why) => {
                let since = *unknown_since.get_or_insert_with(|| {
                    eprintln!("vipd server: how many connections are left is not known now: {why}; asking on");
                    Instant::now()
                });
                if since.elapsed() > BLIND {
                    return Err(why.to_owned());
                }
                std::thread::sleep(PAUSE);
                continue;
            }
            Standing::Left { .. } | Standing::Down | Standing::Otherwise => unknown_since = None,
        }
        match standing {
            Standing::Unknown(_) => {}
            Standing::Left { open: 0, closing } => return Ok(Drained::Empty { took: start.elapsed(), closing }),
            Standing::Left { open, closing } => {
                last = open;
                let line = format!("connections left: {} open, {} closing", large(open), large(closing));
                if terminal {
                    eprint!("\r\x1b[K{line}");
                    let _ = std::io::stderr().flush(); // nobody looks: as well
                } else if told.is_none_or(|(at, before)| at.elapsed() >= TOLD && before != open) {
                    eprintln!("{line}");
                    told = Some((Instant::now(), open));
                }
            }
            Standing::Down if blind => return Err("it went down before anybody could tell".to_owned()),
            Standing::Down if last == 0 => return Ok(Drained::Empty { took: start.elapsed(), closing: 0 }),
            Standing::Down => return Ok(Drained::CutOff { left: last }),
            Standing::Otherwise => return Ok(Drained::Otherwise),
        }
        std::thread::sleep(PAUSE.max(asked.elapsed().saturating_mul(REST)));
    }
}

fn standing(status: &Status, servers: &[(String, String)]) -> Standing {
    let (mut open, mut closing, mut down) = (0, 0, false);
    for (name, address) in servers {
        let Some(service) = status.services.iter().find(|s| s.name == *name) else { return Standing::Otherwise };
        if service.state == "unknown" {
            return Standing::Unknown("the director role doesn't answer");
        }
        let server = service.real_servers.iter().find(|r| r.address == *address);
        let Some(RealServerStatus { active_connections, inactive_connections, order, alive, weight, .. }) = server
        else {
            return Standing::Otherwise;
        };
        match order.as_ref().and_then(|order| order.duty.as_deref()) {
            Some("drain") => {}
            Some("down") => down = true,
            _ => return Standing::Otherwise,
        }
        // One that is dead may have left the table, and what it had with it.
        match weight {
            Some(0) => {}
            None if !alive || down => {}
            None => return Standing::Unknown("the data plane doesn't have it: see `vipd status`"),
            Some(_) => return Standing::Unknown("the data plane still gives it new ones: see `vipd status`"),
        }
        // IPVS calls no UDP connection active: what it knows of is in use until it times out.
        let (active, inactive) = if ["udp", "any"].contains(&service.protocol.as_str()) {
            (active_connections + inactive_connections, 0)
        } else {
            (*active_connections, *inactive_connections)
        };
        open += active;
        closing += inactive;
    }
    if down { Standing::Down } else { Standing::Left { open, closing } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_api::{OrderStatus, ServiceStatus};

    fn server(address: &str, duty: &str, active: u64, inactive: u64) -> RealServerStatus {
        let order = OrderStatus { duty: Some(duty.to_owned()), ..OrderStatus::default() };
        RealServerStatus {
            address: address.to_owned(),
            alive: true,
            weight: (duty != "down").then_some(0),
            active_connections: active,
            inactive_connections: inactive,
            order: (!duty.is_empty()).then_some(order),
            ..RealServerStatus::default()
        }
    }

    fn stands(protocol: &str, servers: &[RealServerStatus]) -> Standing {
        let service = |(n, server): (usize, &RealServerStatus)| ServiceStatus {
            name: n.to_string(),
            protocol: protocol.to_owned(),
            real_servers: vec![server.clone()],
            ..ServiceStatus::default()
        };
        let services = servers.iter().enumerate().map(service).collect();
        let names: Vec<(String, String)> = (0..servers.len()).map(|n| (n.to_string(), format!("x:{n}"))).collect();
        standing(&Status { services, ..Status::default() }, &names)
    }

    #[test]
    fn what_is_left_is_counted_over_all_that_drain() {
        let drains = |n: usize, active, inactive| server(&format!("x:{n}"), "drain", active, inactive);
        assert_eq!(stands("tcp", &[drains(0, 3, 1), drains(1, 1, 0)]), Standing::Left { open: 4, closing: 1 });
        assert_eq!(stands("tcp", &[drains(0, 3, 1), server("x:1", "down", 0, 0)]), Standing::Down);
        assert_eq!(stands("tcp", &[drains(0, 3, 1), server("x:1", "", 0, 0)]), Standing::Otherwise);
        assert_eq!(stands("tcp", &[drains(9, 0, 0)]), Standing::Otherwise);
        // Datagrams are never active; nor is it known what marked packets are.
        for protocol in ["udp", "any"] {
            assert_eq!(stands(protocol, &[drains(0, 0, 9)]), Standing::Left { open: 9, closing: 0 });
        }
    }

    #[test]
    fn what_nobody_counts_is_not_drained() {
        let drains = || server("x:0", "drain", 0, 0);
        assert_eq!(stands("tcp", &[drains()]), Standing::Left { open: 0, closing: 0 });
        for weight in [None, Some(1)] {
            let told = stands("tcp", &[RealServerStatus { weight, ..drains() }]);
            assert!(matches!(told, Standing::Unknown(_)), "{told:?}");
        }
        let dead = RealServerStatus { weight: None, alive: false, ..drains() };
        assert_eq!(stands("tcp", &[dead]), Standing::Left { open: 0, closing: 0 });
        let service = ServiceStatus { name: "0".to_owned(), state: "unknown".to_owned(), ..ServiceStatus::default() };
        let status = Status { services: vec![service], ..Status::default() };
        let told = standing(&status, &[("0".to_owned(), "x:0".to_owned())]);
        assert!(matches!(told, Standing::Unknown(_)), "{told:?}");
    }
}
