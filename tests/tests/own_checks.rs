//! Checks that are vipd's own, from the file to the verdict: an agent that moves a weight, a page in HTTP/2, a gRPC service, and
//! what the director's kernel keeps of their connections.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_api::ServiceStatus;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::wait_for;
use vipd_tests::web::{Site, serve};

const LONG: Duration = Duration::from_secs(20);

/// An agent that says what stands in a file to whoever asks for `web`, and waits to be left.
const AGENT: &str = r#"
import socket, sys
server = socket.create_server(("", 9999))
while True:
    client, _ = server.accept()
    try:
        asked = client.recv(100)
        client.sendall(open(sys.argv[1], "rb").read() if asked == b"web\n" else b"down # asked " + asked)
        while client.recv(100):
            pass
    except ConnectionResetError:
        pass
    client.close()
"#;

const CONF: &str = "
virtual_server 10.77.0.100 80 {
 delay_loop 1
 protocol TCP
 real_server 10.77.0.11 80 {
  weight 10
  AGENT_CHECK {
   connect_port 9999
   agent_send web
   reset_close
   retry 0
  }
 }
}
virtual_server 10.77.0.100 82 {
 delay_loop 1
 protocol TCP
 real_server 10.77.0.11 82 {
  HTTP_GET {
   http_protocol 2
   retry 0
   url {
    path /
    regex HELLO
   }
  }
 }
}
virtual_server 10.77.0.100 83 {
 delay_loop 1
 protocol TCP
 real_server 10.77.0.11 83 {
  GRPC_CHECK {
   service SERVICE
   reset_close
   retry 0
  }
 }
}
";

fn service(director: &Director, port: u16) -> Option<ServiceStatus> {
    let name = format!("[10.77.0.100]:tcp:{port}");
    director.status()?.services.into_iter().find(|service| service.name == name)
}

/// Waits until the one server of a service is up or down for this reason, and what is up weighs as much.
#[track_caller]
fn becomes(director: &Director, port: u16, alive: bool, weight: u64, why: &str) {
    let mut last = String::new();
    wait_for(&format!("port {port}: {why}"), LONG, || {
        service(director, port).is_some_and(|service| {
            let real = &service.real_servers[0];
            if last != real.why {
                println!("  {port}: {} {} {}", real.alive, service.live_weight, real.why);
                last.clone_from(&real.why);
            }
            (real.alive, service.live_weight) == (alive, weight) && real.why.contains(why)
        })
    });
}

/// How many connections to there the host's kernel keeps in TIME_WAIT.
fn waiting(host: &Host, port: u16) -> usize {
    let filter = format!("dport = :{port}");
    run(host.command("ss").args(["-Htan", "state", "time-wait", filter.as_str()])).lines().count()
}

#[test]
fn agents_pages_in_http2_and_grpc_services_decide_about_servers() {
    let mut lab = Lab::new();
    let (host, web) = (lab.host(1), lab.host(11));
    let said = web.write("said", "75%\n");
    let _agent = web.spawn("agent.log", web.command("/usr/bin/python3").args(["-c", AGENT]).arg(&said));
    let _web = serve(&web, "web", &Site::saying("HELLO", &["82 http2"]));
    let health =
        include_str!("../../crates/check/tests/common/health.py").replace("127.0.0.1:", &format!("{}:", web.address()));
    let _health = web.spawn("health.log", web.command("/usr/bin/python3").args(["-c", &health, "83"]));

    let director = Director::start(Kind::Vipd, &host, &CONF.replace("SERVICE", "up"));
    becomes(&director, 80, true, 8, "its agent says \"75%\": weight 8");
    becomes(&director, 82, true, 1, "status 200");
    becomes(&director, 83, true, 1, "SERVING");
    web.write("said", "up drain\n");
    becomes(&director, 80, true, 0, "drain");
    web.write("said", "up weight 30\n");
    becomes(&director, 80, true, 30, "weight 30");
    web.write("said", "maint # until Monday\n");
    becomes(&director, 80, false, 0, "its agent says \"maint # until Monday\"");
    web.write("said", "ready\n");
    becomes(&director, 80, true, 10, "its agent says \"ready\"");

    director.reload(&CONF.replace("SERVICE", "down").replace("HELLO", "GOODBYE"));
    becomes(&director, 83, false, 0, "the service is NOT_SERVING");
    becomes(&director, 82, false, 0, "nothing that matches `regex`");

    // Some runs of each are over.
    let kept = [80, 82, 83].map(|port| waiting(&host, if port == 80 { 9999 } else { port }));
    assert!(kept[1] >= 2, "{kept:?}: those closed in order are kept for a minute");
    assert_eq!((kept[0], kept[2]), (0, 0), "those that were reset are not");
}
