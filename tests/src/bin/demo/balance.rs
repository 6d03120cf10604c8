//! The second half: requests through the virtual IP, with the kernel's IPVS. Each scene says how many requests each server must
//! have answered.

use crate::scene::Scene;
use crate::screen::Screen;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::process::Proc;
use vipd_tests::web::{Site, fetch, inside, serve};

/// Scenes that there are.
pub(crate) const SCENES: usize = 4;

/// By when the checks must have noticed: a second between two of them, and what an emulated processor needs.
const NOTICED: Duration = Duration::from_secs(15);

const LAB: &str = "
      client              drct1                              web1, weight 1
     192.0.2.9 ------- 192.0.2.100, the VIP ---------------- 10.77.0.11
                       IPVS: wrr, NAT             |
                       sorry server on 8080       `--------- web2, weight 2
                                                             10.77.0.12

  Each mark is a request, and says who answered it: 1 and 2 the web servers, s the
  sorry server, x nobody.
";

/// Who may answer, and the mark of each.
const SERVERS: [(&str, &str); 3] = [("web1", "1"), ("web2", "2"), ("sorry server", "s")];

struct Stage<'a> {
    screen: &'a mut Screen,
    client: Host,
    daemon: Director,
    to: SocketAddr,
    scenes: Vec<Scene>,
}

impl Stage<'_> {
    /// Waits until the checks see the web servers so.
    fn noticed(&mut self, want: [bool; 2]) -> Result<Duration, String> {
        let say = |alive: bool| if alive { "up" } else { "down" };
        let what = format!("the checks to find web1 {}, web2 {}", say(want[0]), say(want[1]));
        let start = Instant::now();
        loop {
            let status = self.daemon.status();
            let servers = status.as_ref().and_then(|s| s.services.first()).map(|s| &s.real_servers);
            let seen = servers.is_some_and(|servers| {
                servers.len() == 2
                    && servers.iter().zip(want).all(|(server, alive)| {
                        let checked = server.checks.iter().all(|c| c.last_run.is_some()) && !server.checks.is_empty();
                        // What is told and what the kernel holds.
                        checked && server.alive == alive && server.weight.is_some() == alive
                    })
            });
            if seen {
                return Ok(start.elapsed());
            }
            if start.elapsed() > NOTICED {
                return Err(format!("{} s of {what} were in vain", NOTICED.as_secs()));
            }
            self.screen.waiting(&format!("{what} (up to {} s)", NOTICED.as_secs()), Some(start.elapsed()));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn scene(&mut self, title: &str, alive: [bool; 2], times: usize, want: &[(&str, usize)]) {
        let mut scene = Scene::new(title);
        self.screen.opening(title);
        match self.noticed(alive) {
            Ok(_) => {}
            Err(what) => scene.wrong(what),
        }
        let mut marks = String::from("       ");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..times {
            let answer = inside(&self.client, || fetch(self.to, Duration::from_secs(5)));
            let who = answer.unwrap_or_else(|e| format!("nobody ({e})"));
            let mark = SERVERS.iter().find(|(name, _)| *name == who).map_or("x", |(_, mark)| mark);
            marks.push(' ');
            marks.push_str(mark);
            self.screen.draw(&[marks.clone()], "      asking");
            *counts.entry(who).or_default() += 1;
        }
        let list: Vec<String> = counts.iter().map(|(who, n)| format!("{who} {n}")).collect();
        scene.figure = format!("{times} requests: {}", list.join(", "));
        let wanted: BTreeMap<String, usize> = want.iter().map(|(who, n)| ((*who).to_owned(), *n)).collect();
        if counts != wanted {
            let wanted: Vec<String> = want.iter().map(|(who, n)| format!("{who} {n}")).collect();
            scene.wrong(format!("should be {}", wanted.join(", ")));
        }
        self.screen.scene(&scene);
        self.screen.say(marks);
        self.scenes.push(scene);
    }
}

/// The second half.
pub(crate) fn show(screen: &mut Screen) -> Vec<Scene> {
    screen.say(LAB.trim_matches('\n'));
    screen.waiting("the laboratory in the virtual machine", None);
    let mut lab = Lab::new();
    let (client, director) = (lab.host(9), lab.host(1));
    let webs = [lab.host(11), lab.host(12)];
    client.ip("addr add 192.0.2.9/24 dev eth0");
    director.ip("addr add 192.0.2.1/24 dev eth0");
    run(director.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
    for host in &webs {
        host.ip("route add default via 10.77.0.1");
    }
    let site = |n: usize| Site::saying(&format!("web{n}"), &["80"]);
    let up = |n: usize| Some(serve(&webs[n - 1], "web", &site(n)));
    let mut serving: [Option<Proc>; 2] = [up(1), up(2)];
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
    let daemon = Director::start(Kind::Vipd, &director, &conf);
    screen.waiting("drct1 to hold 192.0.2.100 (up to 15 s)", None);
    daemon.wait_master("192.0.2.100", NOTICED);
    let to = "192.0.2.100:80".parse().unwrap_or_else(|e| panic!("{e}"));
    let mut stage = Stage { screen, client, daemon, to, scenes: Vec::new() };

    stage.scene("both web servers serve, by their weights 1 and 2", [true, true], 30, &[("web1", 10), ("web2", 20)]);
    serving[1] = None;
    stage.scene("web2 dies", [true, false], 12, &[("web1", 12)]);
    serving[0] = None;
    stage.scene("web1 dies, too", [false, false], 6, &[("sorry server", 6)]);
    serving = [up(1), up(2)];
    stage.scene("both come back", [true, true], 30, &[("web1", 10), ("web2", 20)]);

    let table = run(director.command("/usr/sbin/ipvsadm").arg("-Ln"));
    stage.screen.say("\n  What the kernel's table holds now (ipvsadm -Ln):\n");
    for line in table.lines() {
        stage.screen.say(format!("      {}", line.trim_end()));
    }
    stage.daemon.stop();
    drop(serving);
    stage.scenes
}
