//! `make demo`: two directors and two web servers, live. What happens when each of them fails, and how long a client notices.
//! Ends by itself, cleans up, and exits 0 only if everything it showed was right.

use clap::Parser;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use vipd_tests::conf::{Instance, PASS, master_down, skew};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::probe::Seen;
use vipd_tests::process::{Proc, signal_pid};
use vipd_tests::web::{Site, serve, tally};

const VIP: &str = "10.77.0.100";
/// What a busy machine may add to a bound.
const SLACK: f64 = 1.0;
const LONG: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Cli {
    /// The daemon.
    #[arg(long)]
    vipd: PathBuf,
    /// The program that runs commands under a kernel with IPVS.
    #[arg(long, default_value = "tools/ipvs-vm")]
    vm: PathBuf,
    /// Show the LVS half, here: what the virtual machine runs.
    #[arg(long)]
    lvs: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let vipd = std::fs::canonicalize(&cli.vipd).unwrap_or_else(|e| panic!("{}: {e}", cli.vipd.display()));
    vipd_tests::director::use_vipd(vipd.clone());
    if cli.lvs {
        return verdict(&lvs_half());
    }
    println!("vipd: two directors, one virtual IP, two web servers\n");
    let mut shown = vrrp_half();
    println!("\nThe LVS half, in a virtual machine whose kernel has IPVS (it starts in some seconds):\n");
    let me = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let vm = |arguments: &[&std::ffi::OsStr]| Command::new(&cli.vm).args(arguments).status();
    let prepared = vm(&["--prepare".as_ref()]);
    let arguments = ["--timeout", "240", "--"].map(std::ffi::OsStr::new);
    let arguments: Vec<_> =
        arguments.into_iter().chain([me.as_os_str(), "--lvs".as_ref(), "--vipd".as_ref(), vipd.as_os_str()]).collect();
    let right = prepared.is_ok_and(|s| s.success()) && vm(&arguments).is_ok_and(|s| s.success());
    shown.push(Shown { what: "the LVS half".to_owned(), detail: "above".to_owned(), right });
    println!("\nAll in all\n");
    for Shown { what, detail, right } in &shown {
        println!("  {} {what}: {detail}", mark(*right));
    }
    verdict(&shown)
}

/// Something that was shown, and whether it was right.
struct Shown {
    what: String,
    detail: String,
    right: bool,
}

fn mark(right: bool) -> &'static str {
    if right { "ok  " } else { "FAIL" }
}

fn verdict(shown: &[Shown]) -> ExitCode {
    if shown.iter().all(|s| s.right) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The picture: one line, redrawn on a terminal, printed when it changes elsewhere.
#[derive(Default)]
struct Picture {
    last: String,
}

impl Picture {
    fn show(&mut self, line: String) {
        if line == self.last {
            return;
        }
        if std::io::stdout().is_terminal() {
            print!("\r\x1b[K    {line}");
            let _ = std::io::stdout().flush();
        } else {
            println!("    {line}");
        }
        self.last = line;
    }

    fn end(&mut self) {
        if std::io::stdout().is_terminal() && !self.last.is_empty() {
            println!();
        }
        self.last.clear();
    }
}

/// The two directors and what is around them.
struct Site1 {
    hosts: [Host; 2],
    directors: [Option<Director>; 2],
    client: Host,
    web: [Option<Proc>; 2],
    web_hosts: [Host; 2],
    picture: Picture,
    probe: PathBuf,
    _echoes: Vec<Proc>,
    _lab: Lab,
}

fn conf(which: usize) -> String {
    let instance = Instance::new(2, [100, 98][which], "1").with(PASS).text();
    let server = |n: u8, check: &str| format!("  real_server 10.77.0.{n} 80 {{\n    weight 1\n    {check}\n  }}\n");
    format!(
        "global_defs {{\n  router_id drct{}\n}}\n\n{instance}virtual_server {VIP} 80 {{\n  delay_loop 1\n  lb_algo wrr\n  \
         lb_kind DR\n  protocol TCP\n{}{}}}\n",
        which + 1,
        server(
            11,
            "HTTP_GET { url {\n path /\n status_code 200\n }\n retry 1\n delay_before_retry 1\n connect_timeout 1\n }"
        ),
        server(12, "TCP_CHECK { connect_timeout 1\n }"),
    )
}

impl Site1 {
    fn new() -> Site1 {
        let mut lab = Lab::new();
        let hosts = [lab.host(1), lab.host(2)];
        let client = lab.host(3);
        let web_hosts = [lab.host(11), lab.host(12)];
        let me = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
        let probe = me.with_file_name("probe");
        let echo =
            |host: &Host, name: &str| host.spawn("echo.log", host.command(&probe).args(["echo", "--name", name]));
        let echoes = vec![echo(&hosts[0], "drct1"), echo(&hosts[1], "drct2")];
        let mut site = Site1 {
            hosts,
            directors: [None, None],
            client,
            web: [None, None],
            web_hosts,
            picture: Picture::default(),
            probe,
            _echoes: echoes,
            _lab: lab,
        };
        for which in 0..2 {
            site.start_web(which);
        }
        site
    }

    fn start_web(&mut self, which: usize) {
        self.web[which] =
            Some(serve(&self.web_hosts[which], "web", &Site::saying(&format!("web{}", which + 1), &["80"])));
    }

    fn start(&mut self, which: usize) {
        self.directors[which] = Some(Director::start(Kind::Vipd, &self.hosts[which], &conf(which)));
    }

    fn director(&self, which: usize) -> &Director {
        self.directors[which].as_ref().unwrap_or_else(|| panic!("drct{} isn't started", which + 1))
    }

    /// Draws who is what.
    fn draw(&mut self) {
        let mut parts = Vec::new();
        let mut servers = String::new();
        for which in 0..2 {
            let status = self.directors[which].as_mut().and_then(|d| if d.runs() { d.status() } else { None });
            let state = status.as_ref().and_then(|s| s.instances.first()).map_or("-", |i| i.state.as_str()).to_owned();
            let holds = if self.hosts[which].holds(VIP) { " holds the VIP" } else { "" };
            parts.push(format!("drct{} {state:<7}{holds}", which + 1));
            if let Some(status) = status.filter(|_| servers.is_empty()) {
                let all = status.services.iter().flat_map(|s| &s.real_servers);
                let one = |(n, r): (usize, &vipd_api::RealServerStatus)| {
                    format!("web{} {}", n + 1, if r.alive { "up" } else { "down" })
                };
                servers = all.enumerate().map(one).collect::<Vec<_>>().join(" ");
            }
        }
        let line = format!("{} | {servers}", parts.join(" | "));
        self.picture.show(line);
    }

    /// Watches until something holds; whether it did in time.
    fn until(&mut self, patience: Duration, mut holds: impl FnMut(&mut Site1) -> bool) -> bool {
        let start = Instant::now();
        while start.elapsed() < patience {
            self.draw();
            if holds(self) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    /// Lets a client ask while something happens; the outage it saw against the bound in seconds.
    fn scene(&mut self, title: &str, bound: f64, happens: impl FnOnce(&mut Site1)) -> Shown {
        println!("  {title}");
        let seconds = bound + SLACK + 2.0;
        let milliseconds = format!("{:.0}", seconds * 1000.0);
        let mut command = self.client.command(&self.probe);
        command.args(["ask", "--to", &format!("{VIP}:7"), "--every", "5", "--duration", &milliseconds]);
        let mut asker = self.client.spawn("ask.json", &mut command);
        std::thread::sleep(Duration::from_millis(800));
        happens(self);
        while asker.runs() {
            self.draw();
            std::thread::sleep(Duration::from_millis(100));
        }
        self.picture.end();
        let seen: Seen = serde_json::from_str(&asker.output()).unwrap_or_default();
        let by: Vec<String> = seen.answers.iter().map(|(who, n)| format!("{who} answered {n}")).collect();
        let outage = seen.longest();
        let right = !seen.answers.is_empty() && outage < (bound + SLACK) * 1000.0;
        let detail = format!("outage {outage:.0} ms (the protocol allows {:.0} ms); {}", bound * 1000.0, by.join(", "));
        println!("    {} {detail}\n", mark(right));
        Shown { what: title.to_owned(), detail, right }
    }

    fn fact(&mut self, title: &str, right: bool, detail: String) -> Shown {
        self.picture.end();
        println!("  {title}\n    {} {detail}\n", mark(right));
        Shown { what: title.to_owned(), detail, right }
    }
}

fn vrrp_half() -> Vec<Shown> {
    let mut site = Site1::new();
    let mut shown = Vec::new();
    let down = master_down(2, 98, 1.0);
    let hand_over = skew(2, 98, 1.0);

    site.start(0);
    site.start(1);
    let elected = site.until(LONG, |s| s.hosts[0].holds(VIP) && !s.hosts[1].holds(VIP));
    let checked = site.until(LONG, |s| {
        let status = s.director(0).status();
        status.is_some_and(|s| s.services.iter().flat_map(|s| &s.real_servers).all(|r| r.alive && !r.checks.is_empty()))
    });
    shown.push(site.fact(
        "the election",
        elected && checked,
        "drct1 (priority 100) holds the VIP, drct2 (98) waits".to_owned(),
    ));

    shown.push(site.scene("the master is killed, all its processes", down, |s| {
        if let Some(director) = &mut s.directors[0] {
            director.kill();
        }
        // A dead machine answers nothing: its wire is cut, too.
        s.hosts[0].isolate();
    }));
    shown.push(site.scene("it comes back and takes over again", hand_over, |s| {
        s.hosts[0].ip(&format!("addr flush dev eth0 to {VIP}/32"));
        s.hosts[0].rejoin();
        s.start(0);
        s.until(LONG, |s| s.hosts[0].holds(VIP) && !s.hosts[1].holds(VIP));
    }));
    shown.push(site.scene("the master's cable is pulled", down, |s| s.hosts[0].cable_out()));
    shown.push(site.scene("and plugged in again", hand_over, |s| {
        s.hosts[0].cable_in();
        s.until(LONG, |s| s.hosts[0].holds(VIP) && !s.hosts[1].holds(VIP));
    }));
    shown.push(site.scene("the master hangs, the whole machine", down, |s| {
        s.director(0).hang();
        s.hosts[0].isolate();
    }));
    shown.push(site.scene("it wakes up and thinks it is still master", hand_over, |s| {
        s.hosts[0].rejoin();
        s.director(0).resume();
        s.until(LONG, |s| s.hosts[0].holds(VIP) && !s.hosts[1].holds(VIP));
    }));
    shown.push(site.scene("its vrrp process alone is killed (kill -9)", 0.05, |s| {
        let role = s.director(0).role("vrrp");
        signal_pid(role, rustix::process::Signal::KILL);
    }));
    shown.push(site.scene("the master is stopped in order", hand_over, |s| {
        if let Some(director) = &mut s.directors[0] {
            director.stop();
        }
    }));
    site.start(0);
    site.until(LONG, |s| s.hosts[0].holds(VIP) && !s.hosts[1].holds(VIP));

    let alive = |s: &Site1, which: usize| {
        let status = s.director(0).status();
        status
            .and_then(|s| s.services.first().and_then(|v| v.real_servers.get(which).map(|r| (r.alive, r.why.clone()))))
    };
    site.web[0] = None;
    let start = Instant::now();
    let gone = site.until(LONG, |s| alive(s, 0).is_some_and(|(up, _)| !up));
    let why = alive(&site, 0).map(|(_, why)| why).unwrap_or_default();
    let detail = format!("found down after {:.1} s: {why}", start.elapsed().as_secs_f64());
    shown.push(site.fact("a web server dies", gone && !why.is_empty(), detail));
    site.start_web(0);
    let start = Instant::now();
    let back = site.until(LONG, |s| alive(s, 0).is_some_and(|(up, _)| up));
    let detail = format!("found up after {:.1} s", start.elapsed().as_secs_f64());
    shown.push(site.fact("and comes back", back, detail));
    let plane = site.director(0).status().and_then(|s| s.plane);
    let plane = plane.map(|p| format!("data plane of this kernel: {} ({})", p.name, p.detail)).unwrap_or_default();
    println!("  {plane}");
    shown
}

/// Requests through the virtual IP, with the kernel's IPVS.
fn lvs_half() -> Vec<Shown> {
    let mut lab = Lab::new();
    let (client, director) = (lab.host(9), lab.host(1));
    let webs = [lab.host(11), lab.host(12)];
    client.ip("addr add 192.0.2.9/24 dev eth0");
    director.ip("addr add 192.0.2.1/24 dev eth0");
    run(director.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
    for host in &webs {
        host.ip("route add default via 10.77.0.1");
    }
    let site = |n: u8| Site::saying(&format!("web{n}"), &["80"]);
    let mut serving = [Some(serve(&webs[0], "web", &site(1))), Some(serve(&webs[1], "web", &site(2)))];
    let _sorry = serve(&director, "sorry", &Site::saying("sorry server", &["8080"]));
    let mut instance = Instance::new(3, 150, "0.5");
    instance.addresses = vec!["192.0.2.100/32".to_owned()];
    let check = "TCP_CHECK {\n connect_timeout 1\n retry 0\n }";
    let conf = format!(
        "{}virtual_server 192.0.2.100 80 {{\n delay_loop 1\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n \
         sorry_server 10.77.0.1 8080\n real_server 10.77.0.11 80 {{\n weight 1\n {check}\n }}\n \
         real_server 10.77.0.12 80 {{\n weight 2\n {check}\n }}\n}}\n",
        instance.text()
    );
    let mut daemon = Director::start(Kind::Vipd, &director, &conf);
    daemon.wait_master("192.0.2.100", LONG);
    let alive = |daemon: &Director, want: [bool; 2]| {
        vipd_tests::wait_for("the checks see it", LONG, || {
            let status = daemon.status();
            let servers = status.as_ref().and_then(|s| s.services.first()).map(|s| &s.real_servers);
            servers.is_some_and(|r| {
                r.len() == 2 && [r[0].alive, r[1].alive] == want && r.iter().all(|r| !r.checks.is_empty())
            })
        });
    };
    let to = "192.0.2.100:80".parse().unwrap_or_else(|e| panic!("{e}"));
    let mut shown = Vec::new();
    let mut ask = |title: &str, times: u32, want: &[(&str, u32)]| {
        let got = tally(&client, to, times);
        let got: Vec<(String, u32)> = got.into_iter().map(|(who, n)| (who.trim().to_owned(), n)).collect();
        let right = got.len() == want.len() && want.iter().all(|(who, n)| got.iter().any(|(g, m)| g == who && m == n));
        let list: Vec<String> = got.iter().map(|(who, n)| format!("{who} {n}")).collect();
        let detail = format!("{times} requests: {}", list.join(", "));
        println!("  {title}\n    {} {detail}", mark(right));
        shown.push(Shown { what: title.to_owned(), detail, right });
    };
    alive(&daemon, [true, true]);
    ask("both web servers, weights 1 and 2", 30, &[("web1", 10), ("web2", 20)]);
    serving[1] = None;
    alive(&daemon, [true, false]);
    ask("web2 is dead", 12, &[("web1", 12)]);
    serving[0] = None;
    alive(&daemon, [false, false]);
    ask("both are dead", 6, &[("sorry server", 6)]);
    serving = [Some(serve(&webs[0], "web", &site(1))), Some(serve(&webs[1], "web", &site(2)))];
    alive(&daemon, [true, true]);
    ask("both are back", 30, &[("web1", 10), ("web2", 20)]);
    println!("\n{}", run(director.command(ipvsadm()).arg("-Ln")));
    daemon.stop();
    drop(serving);
    shown
}

fn ipvsadm() -> &'static Path {
    Path::new("/usr/sbin/ipvsadm")
}
