//! A whole site: a client, a director, two web servers.
//!
//! ```text
//!   client 10.77.0.9, 192.0.2.9        asks the addresses .100 (DR), .102 (TUN) of 10.77.0, and 192.0.2.100 (NAT)
//!   director 10.77.0.1, 192.0.2.1      holds the virtual addresses (VRRP); a sorry page of its own
//!   web 10.77.0.11, 10.77.0.12         hold .100 on lo and .102 on tunl0, both without ARP; their way out is 10.77.0.1
//! ```
//!
//! All are on one wire. Under NAT the answers must pass the director again: the servers have no other way to 192.0.2.9.

use crate::machine::sysctl;
use std::path::PathBuf;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::process::Proc;
use vipd_tests::web::{Site, serve};

pub(crate) const DR: &str = "10.77.0.100:80";
pub(crate) const DR_TLS: &str = "10.77.0.100:443";
pub(crate) const TUN: &str = "10.77.0.102:80";
pub(crate) const NAT: &str = "192.0.2.100:80";
pub(crate) const WEB: [u8; 2] = [11, 12];

/// Its hosts.
pub(crate) struct Whole {
    pub(crate) client: Host,
    pub(crate) director: Host,
    pub(crate) web: [Host; 2],
    /// nginx on each web server; `None` while it is dead.
    pub(crate) serving: [Option<Proc>; 2],
    certificate: Option<(PathBuf, PathBuf)>,
    _sorry: Proc,
    _lab: Lab,
}

impl Whole {
    /// Everything but the daemon.
    pub(crate) fn new() -> Whole {
        run(std::process::Command::new("modprobe").arg("ipip"));
        let mut lab = Lab::new();
        let (client, director) = (lab.host(9), lab.host(1));
        client.ip("addr add 192.0.2.9/24 dev eth0");
        director.ip("addr add 192.0.2.1/24 dev eth0");
        sysctl(&director, "net.ipv4.ip_forward=1");
        for scope in ["all", "eth0"] {
            sysctl(&director, &format!("net.ipv4.conf.{scope}.send_redirects=0"));
        }
        let web = WEB.map(|number| lab.host(number));
        for host in &web {
            for setting in ["arp_ignore=1", "arp_announce=2", "rp_filter=0"] {
                sysctl(host, &format!("net.ipv4.conf.all.{setting}"));
            }
            sysctl(host, "net.ipv4.conf.tunl0.rp_filter=0");
            host.ip("addr add 10.77.0.100/32 dev lo");
            host.ip("addr add 10.77.0.102/32 dev tunl0");
            host.ip("link set tunl0 up");
            host.ip("route add default via 10.77.0.1");
        }
        let sorry = serve(&director, "sorry", &Site::saying("sorry", &["80"]));
        Whole { client, director, web, serving: [None, None], certificate: None, _sorry: sorry, _lab: lab }
    }

    /// The same with TLS on the web servers.
    pub(crate) fn with_tls(mut self) -> Whole {
        self.certificate = Some(vipd_tests::web::certificate(&self.director.path("")));
        self
    }

    /// Starts nginx on a web server.
    pub(crate) fn revive(&mut self, which: usize) {
        let mut site = Site::saying(&format!("web {}", WEB[which]), &["80"]);
        if let Some(pair) = &self.certificate {
            site = site.with_tls(pair, &["443"]);
        }
        self.serving[which] = Some(serve(&self.web[which], "web", &site));
    }

    /// Ends it.
    pub(crate) fn kill(&mut self, which: usize) {
        self.serving[which] = None;
    }

    /// Starts vipd with these services, and waits until it holds the virtual addresses.
    pub(crate) fn start(&self, services: &str, more: &[&str]) -> Director {
        self.start_with(&conf("", services), more)
    }

    /// The same with a whole configuration.
    pub(crate) fn start_with(&self, conf: &str, more: &[&str]) -> Director {
        let director = Director::start_with(Kind::Vipd, &self.director, conf, more);
        for address in ["10.77.0.100", "10.77.0.102", "192.0.2.100"] {
            director.wait_master(address, crate::machine::LONG);
        }
        director
    }
}

/// A configuration of these services, with more lines in `global_defs`.
pub(crate) fn conf(global: &str, services: &str) -> String {
    format!("global_defs {{\n script_user root\n{global}}}\n\n{}{services}", instance())
}

fn instance() -> String {
    let mut instance = Instance::new(3, 150, "0.3");
    instance.addresses.push("10.77.0.102/32".to_owned());
    instance.addresses.push("192.0.2.100/32".to_owned());
    instance.text()
}

/// A `virtual_server` with both web servers, weights 1 and 2, `check` each and `extra` lines.
pub(crate) fn virtual_server(address: &str, kind: &str, scheduler: &str, check: &str, extra: &str) -> String {
    let (ip, port) = address.split_once(':').unwrap();
    let servers = WEB.iter().zip([1, 2]).map(|(number, weight)| {
        format!("    real_server 10.77.0.{number} {port} {{\n        weight {weight}\n{check}\n    }}\n")
    });
    let servers = servers.collect::<String>();
    format!(
        "virtual_server {ip} {port} {{\n    delay_loop 1\n    lb_algo {scheduler}\n    lb_kind {kind}\n    \
         protocol TCP\n{extra}\n{servers}}}\n\n"
    )
}

/// A check by the page.
pub(crate) const HTTP: &str = "HTTP_GET {\n url {\n path /\n status_code 200\n }\n retry 1\n delay_before_retry 1\n \
                               connect_timeout 3\n }";
/// The same over TLS.
pub(crate) const TLS: &str = "SSL_GET {\n url {\n path /\n status_code 200\n }\n retry 1\n delay_before_retry 1\n \
                              connect_timeout 5\n }";
/// A check by connecting.
pub(crate) const CONNECT: &str = "TCP_CHECK {\n retry 1\n delay_before_retry 1\n connect_timeout 3\n }";
