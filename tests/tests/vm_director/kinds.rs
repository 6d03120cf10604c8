//! Servers of mail, names and datagrams, and hosts that answer: each kind of check with a real server of its kind, up, down and
//! up again. keepalived, with the same file, makes the same table.

use crate::machine::{real_server, settle};
use crate::site::{Whole, conf};
use std::process::Command;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Host;
use vipd_tests::process::Proc;

/// The same question as bytes, and how the answer to it begins.
const QUESTION: &str =
    "payload 1234 0100 0001 0000 0000 0000 02 7570 07 6578616d706c65 00 0001 0001\n require_reply 1234 8x";

/// A service with one server that this check judges.
fn service(port: &str, protocol: &str, check: &str) -> String {
    format!(
        "virtual_server 10.77.0.100 {port} {{\n delay_loop 1\n lb_algo rr\n lb_kind DR\n protocol {protocol}\n \
         real_server 10.77.0.11 {port} {{\n weight 1\n inhibit_on_failure\n {check} {{\n warmup 0\n retry 0\n \
         connect_timeout 5\n }}\n }}\n}}\n"
    )
}

/// Its lines in the table.
fn lines(port: &str, flag: &str, weight: u8) -> [String; 2] {
    [
        format!("-A -{flag} 10.77.0.100:{port} -s rr"),
        format!("-a -{flag} 10.77.0.100:{port} -r 10.77.0.11:{port} -g -w {weight}"),
    ]
}

fn mail_server(host: &Host) -> Proc {
    let arguments = ["-n", "-l", "10.77.0.11:25", "-c", "aiosmtpd.handlers.Sink"];
    host.spawn("aiosmtpd", host.command("/usr/bin/aiosmtpd").args(arguments))
}

fn name_server(host: &Host, port: &str) -> Proc {
    let mut command: Command = host.command("dnsmasq");
    command.args(["--port", port, "--pid-file"]);
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--listen-address=10.77.0.11"]);
    command.args(["--bind-interfaces", "--address=/up.example/192.0.2.7"]);
    host.spawn(&format!("dnsmasq-{port}"), &mut command)
}

pub(crate) fn judge_their_servers() {
    // Asked for a name that it has: `DNS_CHECK` wants an answer without an error.
    let dns = service("53", "UDP", "DNS_CHECK").replace("warmup 0", "warmup 0\n type A\n name up.example");
    let text = [
        service("25", "TCP", "SMTP_CHECK"),
        dns,
        service("5353", "UDP", "UDP_CHECK").replace("warmup 0", &format!("warmup 0\n {QUESTION}")),
        service("7", "TCP", "PING_CHECK"),
    ]
    .concat();
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let whole = Whole::new();
        let [server, _] = &whole.web;
        // The mail server asks for its own name before it greets: without a way it does not wait for an answer.
        server.ip("route del default");
        let director = Director::start_with(kind, &whole.director, &conf("", &text), &[]);
        let becomes = |mail: u8, name: u8, datagrams: u8, host: u8| {
            let table =
                [lines("25", "t", mail), lines("53", "u", name), lines("5353", "u", datagrams), lines("7", "t", host)];
            settle(&whole.director, &director, &table.concat()).unwrap_or_else(|why| panic!("{why}"));
            println!("  {kind:?}: mail {mail}, names {name}, datagrams {datagrams}, host {host}");
        };
        becomes(0, 0, 0, 1);
        if kind == Kind::Vipd {
            for (service, server, why) in [
                ("[10.77.0.100]:tcp:25", "10.77.0.11:25", "connection refused"),
                ("[10.77.0.100]:udp:53", "10.77.0.11:53", "port unreachable"),
                ("[10.77.0.100]:udp:5353", "10.77.0.11:5353", "port unreachable"),
            ] {
                let told = real_server(&director, service, server);
                assert!(!told.alive && told.why.contains(why), "{told:?}");
            }
        }
        let mail = mail_server(server);
        let names = name_server(server, "53");
        becomes(1, 1, 0, 1);
        let listens = name_server(server, "5353");
        becomes(1, 1, 1, 1);
        drop((names, listens));
        becomes(1, 0, 0, 1);
        // The whole host is gone.
        server.ip("link set eth0 down");
        becomes(0, 0, 0, 0);
        server.ip("link set eth0 up");
        becomes(1, 0, 0, 1);
        drop(mail);
        becomes(0, 0, 0, 1);
    }
}
