//! The first half: two directors, one virtual IP. Each scene says who holds it before and who must hold it afterwards, and
//! whose answers the client must have seen in between.

use crate::asker::{Asker, View};
use crate::scene::Scene;
use crate::screen::Screen;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use vipd_api::{RealServerStatus, Reply, Request, Status};
use vipd_tests::conf::{Instance, PASS, master_down, skew};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::{Proc, signal_pid};
use vipd_tests::web::{Site, serve};

const VIP: &str = "10.77.0.100";
const PRIORITIES: [u8; 2] = [100, 98];
/// What a busy machine may add where a protocol's timer decides, in seconds.
const TIMER_SLACK: f64 = 1.0;
/// The same where nothing is waited for.
const SLACK: f64 = 0.5;
/// The restart of a role may cost the client this much, in seconds, without any slack: the best of so many attempts counts,
/// as other work on this machine may disturb one.
const RESTART: (f64, usize) = (0.05, 3);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);
/// Marks in a row of answers.
const MARKS: f64 = 64.0;

const LAB: &str = "
      client        asks the virtual IP 200 times a second: who are you?
     10.77.0.3
         |
    -----+---+----------------+----------------+---------------+-----
             |                |                |               |
           drct1            drct2            web1            web2
         10.77.0.1        10.77.0.2       10.77.0.11      10.77.0.12
        priority 100     priority 98       HTTP_GET        TCP_CHECK
             \\________________/
        one of the two holds 10.77.0.100, the virtual IP (VIP)

  Each is a network namespace of this machine. vipd runs on both directors, and
  on both it checks the web servers. Once a second the master says by VRRP that
  it lives; the backup takes over when it has heard nothing for 3.62 s.

  A row of digits is what the client saw: which director answered; a dot where
  nobody did. A take-over is right if it takes at most a second longer than the
  protocol's own wait, as other work may disturb this machine.
";

/// What became of a director.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    NotStarted,
    Runs,
    Killed,
    Hangs,
    Stopped,
}

/// The cable of a director.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cable {
    Connected,
    /// Everything is lost, the carrier stays.
    Cut,
    /// The carrier is lost.
    Out,
}

/// A director and the machine that it runs on.
struct Seat {
    host: Host,
    director: Option<Director>,
    fate: Fate,
    cable: Cable,
    /// Answers the client while this host holds the VIP.
    _echo: Proc,
}

impl Seat {
    /// What vipd says of itself.
    fn status(&self) -> Option<Status> {
        if self.fate == Fate::Runs { ask(&self.host.path("socket")).ok() } else { None }
    }

    fn director(&mut self) -> &mut Director {
        self.director.as_mut().unwrap_or_else(|| panic!("the director on host {} isn't started", self.host.number))
    }
}

/// `vipd status --json` without a process for it, so that looking disturbs little.
fn ask(socket: &Path) -> std::io::Result<Status> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(format!("{}\n", serde_json::to_string(&Request::Status)?).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    match serde_json::from_str(&line)? {
        Reply::Status(status) => Ok(*status),
        Reply::Error { message } => Err(std::io::Error::other(message)),
        _ => Err(std::io::Error::other("an answer to something else")),
    }
}

/// What is seen at one moment.
struct Look {
    /// Of both directors.
    status: [Option<Status>; 2],
    /// MASTER, BACKUP, FAULT or what became of the process.
    states: [String; 2],
    /// Who holds the VIP and can be reached.
    holders: Vec<usize>,
    /// Whether each is on the wire: what one that is not finds of the web servers is its own cable.
    connected: [bool; 2],
}

impl Look {
    /// A web server as a director sees it; `None` before its first check.
    fn web(&self, director: usize, which: usize) -> Option<&RealServerStatus> {
        let server = self.status[director].as_ref()?.services.first()?.real_servers.get(which)?;
        let checked = !server.checks.is_empty() && server.checks.iter().all(|c| c.last_run.is_some());
        checked.then_some(server)
    }

    /// The same for an onlooker: what the directors on the wire find, each for itself where they differ.
    fn web_state(&self, which: usize) -> String {
        let found = |director: usize| self.web(director, which).map(|server| if server.alive { "up" } else { "down" });
        let on_the_wire = (0..2).filter(|director| self.connected[*director]);
        let seen: Vec<(usize, &str)> = on_the_wire.filter_map(|director| Some((director, found(director)?))).collect();
        match seen.as_slice() {
            [] => "not checked".to_owned(),
            [(_, state)] => (*state).to_owned(),
            [(_, one), (_, other)] if one == other => (*one).to_owned(),
            all => all
                .iter()
                .map(|(director, state)| format!("{} by {}", state, name(*director)))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

/// What must be so at the end of a scene.
#[derive(Clone, Copy)]
struct End {
    /// Who holds the VIP, alone.
    holder: usize,
    /// What both are then.
    states: [&'static str; 2],
}

const FIRST_HOLDS: End = End { holder: 0, states: ["MASTER", "BACKUP"] };

/// Both machines and what is around them.
struct Stage<'a> {
    screen: &'a mut Screen,
    seats: [Seat; 2],
    web: [Option<Proc>; 2],
    web_hosts: [Host; 2],
    asker: Asker,
    /// Since when the row of answers is shown, on the asker's clock.
    since: f64,
    /// How much each director had logged by then.
    logged: [usize; 2],
    /// Scenes whose wish came true or not.
    scenes: Vec<Scene>,
    insurance: Option<Child>,
    _lab: Lab,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Some(mut insurance) = self.insurance.take() {
            let _ = insurance.kill(); // the laboratory removes itself now
            let _ = insurance.wait();
        }
    }
}

fn conf(which: usize) -> String {
    let instance = Instance::new(2, PRIORITIES[which], "1").with(PASS).text();
    let server = |n: u8, check: &str| format!("  real_server 10.77.0.{n} 80 {{\n    weight 1\n    {check}\n  }}\n");
    format!(
        "global_defs {{\n  router_id drct{}\n}}\n\n{instance}virtual_server {VIP} 80 {{\n  delay_loop 1\n  lb_algo wrr\n  \
         lb_kind DR\n  protocol TCP\n{}{}}}\n",
        which + 1,
        server(
            11,
            "HTTP_GET { url {\n path /\n status_code 200\n }\n retry 1\n delay_before_retry 1\n connect_timeout 1\n }"
        ),
        server(12, "TCP_CHECK { connect_timeout 1\n retry 0\n }"),
    )
}

fn name(which: usize) -> String {
    format!("drct{}", which + 1)
}

/// What an instance is for an onlooker. Of one that the daemon says nothing of, or knows only by its file, the process that decides
/// is not there yet, or not there again.
fn stage_of(state: Option<&str>) -> &str {
    state.filter(|state| *state != "UNKNOWN").unwrap_or("starts")
}

/// The number that a director answers with.
fn digit(which: usize) -> u8 {
    if which == 0 { 1 } else { 2 }
}

impl<'a> Stage<'a> {
    fn new(screen: &'a mut Screen) -> Stage<'a> {
        let mut lab = Lab::new();
        let insurance = crate::insure(lab.directory());
        let hosts = [lab.host(1), lab.host(2)];
        let client = lab.host(3);
        let web_hosts = [lab.host(11), lab.host(12)];
        let me = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
        let probe = me.with_file_name("probe");
        let seats = hosts.map(|host| {
            let who = name(usize::from(host.number) - 1);
            let echo = host.spawn("echo.log", host.command(&probe).args(["echo", "--name", &who]));
            Seat { host, director: None, fate: Fate::NotStarted, cable: Cable::Connected, _echo: echo }
        });
        let to = format!("{VIP}:7").parse().unwrap_or_else(|e| panic!("{e}"));
        let asker = Asker::start(&client, to);
        let mut stage = Stage {
            screen,
            seats,
            web: [None, None],
            web_hosts,
            asker,
            since: 0.0,
            logged: [0, 0],
            scenes: Vec::new(),
            insurance,
            _lab: lab,
        };
        (0..2).for_each(|which| stage.start_web(which));
        stage
    }

    fn start_web(&mut self, which: usize) {
        let site = Site::saying(&format!("web{}", which + 1), &["80"]);
        self.web[which] = Some(serve(&self.web_hosts[which], "web", &site));
    }

    fn start(&mut self, which: usize) {
        let seat = &mut self.seats[which];
        seat.director = Some(Director::start(Kind::Vipd, &seat.host, &conf(which)));
        seat.fate = Fate::Runs;
    }

    fn look(&self) -> Look {
        let status = [self.seats[0].status(), self.seats[1].status()];
        let state = |which: usize| match self.seats[which].fate {
            Fate::NotStarted => "-".to_owned(),
            Fate::Killed => "killed".to_owned(),
            Fate::Hangs => "hangs".to_owned(),
            Fate::Stopped => "stopped".to_owned(),
            Fate::Runs => {
                let instance = status[which].as_ref().and_then(|s| s.instances.first());
                stage_of(instance.map(|i| i.state.as_str())).to_owned()
            }
        };
        let states = [state(0), state(1)];
        let reached = |which: &usize| {
            let seat = &self.seats[*which];
            seat.cable == Cable::Connected && seat.host.holds(VIP)
        };
        let connected = [0, 1].map(|which: usize| self.seats[which].cable == Cable::Connected);
        Look { states, holders: [0, 1].into_iter().filter(reached).collect(), connected, status }
    }

    /// Draws what is seen, and what is waited for.
    fn draw(&mut self, look: &Look, waiting: &str) {
        let seats: [String; 2] = [0, 1].map(|which| {
            let cable = match self.seats[which].cable {
                Cable::Connected => "",
                Cable::Cut => "wire cut",
                Cable::Out => "cable out",
            };
            let holds = if look.holders.contains(&which) { "holds the VIP" } else { cable };
            format!("{} {:<8} {holds}", name(which), look.states[which])
        });
        let webs = [0, 1].map(|which| format!("web{} {}", which + 1, look.web_state(which)));
        let view = self.asker.view(self.since);
        let block = [
            format!("      {:<34}{}", seats[0], webs[0]),
            format!("      {:<34}{}", seats[1], webs[1]),
            format!("      the client hears  {}", row(&view, self.asker.now() - self.since, 56.0).0),
            format!("      {waiting}"),
        ];
        let told = format!("      {} | {} | {}", seats[0].trim_end(), seats[1].trim_end(), webs.join(", "));
        self.screen.draw(&block, &told);
    }

    /// Watches until something holds; whether it did in time.
    fn until(&mut self, what: &str, patience: f64, mut holds: impl FnMut(&Stage<'_>, &Look) -> bool) -> bool {
        let start = Instant::now();
        let waiting = format!("waiting for {what} (up to {patience:.1} s)");
        self.screen.note(&format!("      {waiting}"));
        loop {
            let look = self.look();
            let passed = start.elapsed().as_secs_f64();
            self.draw(&look, &format!("{waiting}: {passed:.1} s"));
            if holds(self, &look) {
                return true;
            }
            if passed > patience {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Lets the picture stand for a moment.
    fn linger(&mut self, seconds: f64, what: &str) {
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < seconds {
            let look = self.look();
            self.draw(&look, what);
            std::thread::sleep(LOOK);
        }
    }

    /// Whether a state is reached: the client's answers included.
    fn reached(&self, look: &Look, end: End) -> bool {
        look.holders == [end.holder]
            && look.states.iter().zip(end.states).all(|(is, wanted)| is == wanted)
            && self.asker.view(self.since).steady(20, digit(end.holder))
    }

    /// Adds to a scene what is not as it should be.
    fn compare(&mut self, scene: &mut Scene, when: &str, end: End) {
        let look = self.look();
        if look.holders != [end.holder] {
            let held: Vec<String> = look.holders.iter().map(|w| name(*w)).collect();
            let held = if held.is_empty() { "nobody".to_owned() } else { held.join(" and ") };
            scene.wrong(format!("{when} {held} held the VIP, not {} alone", name(end.holder)));
        }
        for which in 0..2 {
            if look.states[which] != end.states[which] {
                let (is, wanted) = (&look.states[which], end.states[which]);
                scene.wrong(format!("{when} {} was {is}, not {wanted}", name(which)));
            }
        }
        if !self.asker.view(self.since).steady(20, digit(end.holder)) {
            scene.wrong(format!("{when} the client was not answered by {}", name(end.holder)));
        }
    }

    /// Something happens to the master or to the one that was it: how long the client was without an answer, and who holds
    /// the VIP in the end. `allowed` and `slack` in seconds.
    fn scene(&mut self, script: Script, happens: impl FnOnce(&mut Stage<'_>)) {
        let Script { title, before, end, allowed, slack, within } = script;
        let mut scene = self.opening(title);
        self.linger(0.7, "about to happen");
        if !self.asker.view(self.since).steady(20, digit(before)) {
            scene.wrong(format!("before it, the client was not answered by {}", name(before)));
        }
        happens(self);
        let what = format!("{} to hold the VIP", name(end.holder));
        if !self.until(&what, within, |stage, look| stage.reached(look, end)) {
            scene.wrong(format!("not within {within:.1} s"));
        }
        // Whoever takes it must keep it.
        self.linger(0.5, "it stays so");
        self.compare(&mut scene, "at the end", end);
        let view = self.asker.view(self.since);
        let outage = view.outage();
        if outage > allowed + slack {
            scene.wrong(format!("the protocol allows {allowed:.2} s, and a busy machine {slack:.1} s more"));
        }
        let mut expected = vec![digit(before), digit(end.holder)];
        expected.dedup();
        if view.order() != expected {
            scene.wrong(format!("the answers came from {:?} in turn, not from {expected:?}", view.order()));
        }
        let allowed = if allowed > 0.0 { format!("; VRRP waits up to {allowed:.2} s") } else { String::new() };
        scene.figure = format!("{outage:.2} s without an answer{allowed}");
        self.curtain(scene, Some(&view));
    }

    fn opening(&mut self, title: &str) -> Scene {
        self.screen.opening(title);
        self.since = self.asker.now();
        self.logged = [0, 1].map(|which| self.log(which).len());
        Scene::new(title)
    }

    /// What a director has logged since the beginning of the scene, without the details.
    fn log(&self, which: usize) -> Vec<String> {
        let log = self.seats[which].director.as_ref().map(Director::log).unwrap_or_default();
        log.lines().filter(|line| !line.contains(" DEBUG ")).map(str::to_owned).collect()
    }

    /// The end of a scene.
    fn curtain(&mut self, scene: Scene, view: Option<&View>) {
        self.screen.scene(&scene);
        if let Some(view) = view {
            let (marks, each) = row(view, self.asker.now() - self.since, MARKS);
            let legend = self.screen.dim(&format!("{:.0} ms each", each * 1000.0));
            let marks = self.screen.losses(&marks);
            self.screen.say(format!("        {marks}  {legend}"));
        }
        if !scene.right() {
            for which in 0..2 {
                // A director that was started in this scene has a log of its own.
                let log = self.log(which);
                let known = if log.len() < self.logged[which] { 0 } else { self.logged[which] };
                for line in log.iter().skip(known).take(12) {
                    self.screen.say(format!("        {} logged: {line}", name(which)));
                }
            }
        }
        self.scenes.push(scene);
    }
}

/// The row of answers, at most so many marks, and how long each is in seconds.
fn row(view: &View, seconds: f64, most: f64) -> (String, f64) {
    let steps = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];
    let each = steps.into_iter().find(|step| seconds / step <= most).unwrap_or(5.0);
    (view.marks(each), each)
}

/// What a scene is about.
struct Script {
    title: &'static str,
    /// Who holds the VIP before.
    before: usize,
    end: End,
    /// How long the client may be without an answer, in seconds.
    allowed: f64,
    /// What is forgiven beyond that.
    slack: f64,
    /// By when the end must be reached, in seconds.
    within: f64,
}

/// The first half.
pub(crate) fn show(screen: &mut Screen) -> Vec<Scene> {
    screen.title("vipd: a virtual IP that survives the death of the machine that holds it");
    screen.say(LAB);
    screen.title("1. Who holds the virtual IP: two directors in network namespaces");
    screen.waiting("the laboratory: five namespaces and the wire", None);
    let mut stage = Stage::new(screen);
    let down = master_down(2, PRIORITIES[1], 1.0);
    // The first one waits as long before it takes over from a lower priority, and starts before that.
    let comes_back = master_down(2, PRIORITIES[0], 1.0) + 3.0;
    let taken_over = |state| End { holder: 1, states: [state, "MASTER"] };
    let dies = |title, state| Script {
        title,
        before: 0,
        end: taken_over(state),
        allowed: down,
        slack: TIMER_SLACK,
        within: down + TIMER_SLACK,
    };
    // A higher priority takes over at its first advert: nothing is waited for.
    let returns = |title| Script { title, before: 1, end: FIRST_HOLDS, allowed: 0.0, slack: SLACK, within: comes_back };

    election(&mut stage, down);
    stage.scene(dies("the master's machine dies", "killed"), |s| {
        s.seats[0].director().kill();
        // A dead machine answers nothing: its wire is cut, too.
        s.seats[0].host.isolate();
        (s.seats[0].fate, s.seats[0].cable) = (Fate::Killed, Cable::Cut);
    });
    stage.scene(returns("it is repaired and takes over again"), |s| {
        // A machine that starts has no virtual address.
        s.seats[0].host.ip(&format!("addr flush dev eth0 to {VIP}/32"));
        s.seats[0].host.rejoin();
        s.seats[0].cable = Cable::Connected;
        s.start(0);
    });
    stage.scene(dies("the master's cable is pulled", "FAULT"), |s| {
        s.seats[0].host.cable_out();
        s.seats[0].cable = Cable::Out;
    });
    stage.scene(returns("the cable is plugged in again"), |s| {
        s.seats[0].host.cable_in();
        s.seats[0].cable = Cable::Connected;
    });
    stage.scene(dies("the master's machine hangs", "hangs"), |s| {
        s.seats[0].director().hang();
        s.seats[0].host.isolate();
        (s.seats[0].fate, s.seats[0].cable) = (Fate::Hangs, Cable::Cut);
    });
    stage.scene(returns("it wakes up, and thinks it is still master"), |s| {
        s.seats[0].host.rejoin();
        s.seats[0].director().resume();
        (s.seats[0].fate, s.seats[0].cable) = (Fate::Runs, Cable::Connected);
    });
    restart(&mut stage);
    let hand_over = skew(2, PRIORITIES[1], 1.0);
    let stops = Script {
        title: "the master is stopped in order",
        before: 0,
        end: taken_over("stopped"),
        allowed: hand_over,
        slack: TIMER_SLACK,
        within: hand_over + TIMER_SLACK,
    };
    stage.scene(stops, |s| {
        s.seats[0].director().stop();
        s.seats[0].fate = Fate::Stopped;
    });
    stage.scene(returns("it is started again"), |s| s.start(0));

    // HTTP_GET of web1: each second, and once more after a second before it is believed.
    web(&mut stage, Web { title: "a web server dies", which: 0, alive: false, allowed: 2.0 });
    web(&mut stage, Web { title: "it comes back", which: 0, alive: true, allowed: 1.0 });
    std::mem::take(&mut stage.scenes)
}

/// Two daemons start; the higher priority must win.
fn election(stage: &mut Stage<'_>, down: f64) {
    let mut scene = stage.opening("the election");
    stage.start(0);
    // Their timers differ by 8 ms: started at once, either may be the first to find that there is no master.
    let start = Instant::now();
    stage.linger(0.5, "drct2 is about to start");
    stage.start(1);
    let within = down + TIMER_SLACK + 1.0;
    if !stage.until("the higher priority to win", within, |stage, look| stage.reached(look, FIRST_HOLDS)) {
        scene.wrong(format!("not within {within:.1} s"));
    }
    let took = start.elapsed().as_secs_f64();
    let checked = |_: &Stage<'_>, look: &Look| {
        (0..2).all(|director| (0..2).all(|which| look.web(director, which).is_some_and(|server| server.alive)))
    };
    if !stage.until("both directors to have found both web servers up", 5.0, checked) {
        scene.wrong("not every web server was found up by both directors within 5 s");
    }
    stage.compare(&mut scene, "at the end", FIRST_HOLDS);
    scene.figure = format!("drct1, priority 100, holds the VIP after {took:.1} s");
    let view = stage.asker.view(stage.since);
    if view.order() != [digit(0)] {
        scene.wrong(format!("the answers came from {:?} in turn, not from drct1 alone", view.order()));
    }
    stage.curtain(scene, Some(&view));
}

/// The process that speaks VRRP is killed alone. The supervisor starts another one with its state: the VIP never leaves, the
/// backup notices nothing.
fn restart(stage: &mut Stage<'_>) {
    let mut scene = stage.opening("the master's vrrp process alone gets kill -9");
    let (allowed, attempts) = RESTART;
    let masters = |look: &Look| {
        let instance = look.status[1].as_ref().and_then(|s| s.instances.first());
        instance.map(|i| i.counters.became_master)
    };
    let before = masters(&stage.look());
    let mut outages = Vec::new();
    let mut shown = None;
    while outages.len() < attempts && !outages.iter().any(|outage| *outage < allowed) {
        stage.since = stage.asker.now();
        stage.linger(0.5, "about to happen");
        let old = stage.seats[0].director().role("vrrp");
        signal_pid(old, rustix::process::Signal::KILL);
        let back = stage.until("another process in its place", 5.0, |stage, look| {
            let roles = look.status[0].as_ref().map(|s| s.roles.as_slice()).unwrap_or_default();
            let lives = roles.iter().any(|r| r.name == "vrrp" && r.pid != 0 && r.pid != old);
            lives && stage.reached(look, FIRST_HOLDS)
        });
        if !back {
            scene.wrong("no other process was master in its place within 5 s");
        }
        stage.linger(0.5, "it stays so");
        let view = stage.asker.view(stage.since);
        if view.order() != [digit(0)] {
            scene.wrong(format!("the answers came from {:?} in turn, not from drct1 alone", view.order()));
        }
        outages.push(view.outage());
        shown = Some(view);
    }
    stage.compare(&mut scene, "at the end", FIRST_HOLDS);
    if before.is_none() || masters(&stage.look()) != before {
        scene.wrong("drct2 did not stay BACKUP all the while");
    }
    let list: Vec<String> = outages.iter().map(|o| format!("{:.0} ms", o * 1000.0)).collect();
    let best = outages.iter().copied().fold(f64::INFINITY, f64::min);
    let allowed_ms = allowed * 1000.0;
    if best >= allowed {
        scene.wrong(format!("in none of {attempts} attempts less than {allowed_ms:.0} ms"));
    }
    scene.figure = format!("{} without an answer; allowed: under {allowed_ms:.0} ms", list.join(", then "));
    stage.curtain(scene, shown.as_ref());
}

/// A web server that dies or comes back.
struct Web {
    title: &'static str,
    which: usize,
    alive: bool,
    /// Seconds until it must have been noticed.
    allowed: f64,
}

fn web(stage: &mut Stage<'_>, Web { title, which, alive, allowed }: Web) {
    let mut scene = stage.opening(title);
    if alive {
        stage.start_web(which);
    } else {
        stage.web[which] = None;
    }
    let start = Instant::now();
    let seen = |_: &Stage<'_>, look: &Look| {
        let told = |server: &RealServerStatus| server.alive == alive && !server.why.is_empty();
        (0..2).all(|director| look.web(director, which).is_some_and(told))
    };
    let state = if alive { "up" } else { "down" };
    let within = allowed + TIMER_SLACK;
    if !stage.until(&format!("both directors to find web{} {state}", which + 1), within, seen) {
        scene.wrong(format!("not within {within:.0} s"));
    }
    let took = start.elapsed().as_secs_f64();
    let look = stage.look();
    let other = 1 - which;
    if look.web(0, other).is_none_or(|server| !server.alive) {
        scene.wrong(format!("web{} is not up any more, either", other + 1));
    }
    let why = look.web(0, which).map(|server| server.why.clone()).unwrap_or_default();
    scene.figure = format!("found {state} after {took:.1} s: {why}");
    // The virtual IP is no server's affair.
    stage.compare(&mut scene, "meanwhile", FIRST_HOLDS);
    stage.curtain(scene, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use vipd_api::{CheckStatus, ServiceStatus};

    fn status(alive: bool) -> Option<Status> {
        let checks = vec![CheckStatus { last_run: Some(1.0), ..CheckStatus::default() }];
        let real_servers = vec![RealServerStatus { alive, checks, ..RealServerStatus::default() }];
        let services = vec![ServiceStatus { real_servers, ..ServiceStatus::default() }];
        Some(Status { services, ..Status::default() })
    }

    #[test]
    fn a_director_without_a_cable_says_nothing_of_the_web_servers() {
        let seen = |status: [Option<Status>; 2], connected| {
            let states = ["FAULT".to_owned(), "BACKUP".to_owned()];
            Look { status, states, holders: vec![], connected }.web_state(0)
        };
        assert_eq!(seen([status(false), status(true)], [false, true]), "up");
        assert_eq!(seen([status(true), status(true)], [true, true]), "up");
        // It has not checked again yet.
        assert_eq!(seen([status(false), status(true)], [true, true]), "down by drct1, up by drct2");
        assert_eq!(seen([None, status(false)], [true, true]), "down");
        assert_eq!(seen([status(false), None], [false, true]), "not checked");
    }

    #[test]
    fn a_role_that_does_not_answer_yet_starts() {
        assert_eq!([None, Some("UNKNOWN"), Some("MASTER")].map(stage_of), ["starts", "starts", "MASTER"]);
    }
}
