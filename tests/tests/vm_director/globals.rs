//! The words of `global_defs` about IPVS: what is there at a start, what is told meanwhile, what a stop leaves; and
//! where the table is. keepalived does the same.

use crate::life::calls;
use crate::machine::{LONG, ipvsadm, rules, settle};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::Proc;
use vipd_tests::wait_for;

const BOTH: [Kind; 2] = [Kind::Keepalived, Kind::Vipd];
/// Somebody else's service.
const FOREIGN: &str = "-A -t 203.0.113.9:25 -s rr";
const OURS: [&str; 3] = [
    "-A -t 10.80.0.1:80 -s wrr",
    "-a -t 10.80.0.1:80 -r 10.77.0.11:80 -g -w 1",
    "-a -t 10.80.0.1:80 -r 10.77.0.12:80 -g -w 2",
];

/// A configuration, and what is there at its start and is left by its stop.
struct Variant {
    words: &'static str,
    options: &'static [&'static str],
    at_start: &'static [&'static str],
    left: &'static [&'static str],
}

const FOREIGN_AND_OURS: &[&str] = &[OURS[0], OURS[1], OURS[2], FOREIGN];
const VARIANTS: [Variant; 6] = [
    Variant { words: "", options: &[], at_start: FOREIGN_AND_OURS, left: &[FOREIGN] },
    Variant { words: "lvs_flush", options: &[], at_start: &OURS, left: &[] },
    Variant { words: "lvs_flush_on_stop", options: &[], at_start: FOREIGN_AND_OURS, left: &[] },
    Variant { words: "lvs_flush_on_stop VS", options: &[], at_start: FOREIGN_AND_OURS, left: &[FOREIGN] },
    Variant { words: "lvs_flush_on_stop", options: &["-I"], at_start: FOREIGN_AND_OURS, left: FOREIGN_AND_OURS },
    Variant {
        words: "lvs_timeouts tcp 700 tcpfin 60 udp 200",
        options: &[],
        at_start: FOREIGN_AND_OURS,
        left: &[FOREIGN],
    },
];

/// A service with two servers, each with a file that says whether it is out, and scripts.
fn conf(host: &Host, globals: &str) -> String {
    let path = |name: &str| host.path(name).display().to_string();
    let script = host.script("notify.sh", &format!("echo \"$*\" >> {}", path("calls"))).display().to_string();
    let mut text = format!("global_defs {{\n script_user root\n {globals}\n lvs_notify_fifo {}\n}}\n", path("fifo"));
    let mut servers = String::new();
    for (n, weight) in [(11, 1), (12, 2)] {
        text += &format!("track_file out{n} {{\n file {}\n weight 0\n}}\n", path(&format!("out{n}")));
        servers += &format!(
            " real_server 10.77.0.{n} 80 {{\n weight {weight}\n notify_up \"{script} up {n}\"\n \
             notify_down \"{script} down {n}\"\n FILE_CHECK {{\n track_file out{n}\n }}\n }}\n"
        );
    }
    text + &format!(
        "virtual_server 10.80.0.1 80 {{\n lvs_sched wrr\n lvs_method DR\n protocol TCP\n omega\n \
         quorum_up \"{script} quorum up\"\n quorum_down \"{script} quorum down\"\n{servers}}}\n"
    )
}

/// What was seen of a daemon.
#[derive(PartialEq, Debug)]
struct Seen {
    timeouts: [String; 2],
    calls: Vec<String>,
    told: Vec<String>,
    left: Vec<String>,
}

/// A daemon at work, with a reader of its FIFO.
struct Stage {
    host: Host,
    director: Director,
    _reader: Proc,
    timeouts: String,
    _lab: Lab,
}

fn timeouts(host: &Host) -> String {
    ipvsadm(host, "-L --timeout").trim().to_owned()
}

impl Stage {
    fn start(kind: Kind, variant: &Variant) -> Stage {
        let mut lab = Lab::new();
        let host = lab.host(2);
        ["out11", "out12"].iter().for_each(|name| drop(host.write(name, "0")));
        ipvsadm(&host, FOREIGN);
        vipd_tests::lab::run(host.command("mkfifo").arg(host.path("fifo")));
        let reader = host.spawn("told", host.command("cat").arg(host.path("fifo")));
        let director = Director::start_with(kind, &host, &conf(&host, variant.words), variant.options);
        Stage { host, director, _reader: reader, timeouts: String::new(), _lab: lab }
    }

    fn becomes(&self, expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|rule| (*rule).to_owned()).collect();
        settle(&self.host, &self.director, &expected).unwrap_or_else(|why| panic!("{why}"));
    }

    fn told(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.host.path("told")).unwrap();
        text.split(['\n', '\0']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn end(mut self) -> Seen {
        wait_for("the daemon ends", LONG, || !self.director.runs());
        // Scripts that run at the end run on.
        std::thread::sleep(std::time::Duration::from_secs(1));
        let (mut calls, mut told) = (calls(&self.host), self.told());
        // What is of one moment is in no order.
        calls.sort();
        told.sort();
        Seen { timeouts: [self.timeouts, timeouts(&self.host)], calls, told, left: rules(&self.host) }
    }
}

pub(crate) fn hold() {
    let mut problems = Vec::new();
    for variant in &VARIANTS {
        let mut stages = BOTH.map(|kind| Stage::start(kind, variant));
        for stage in &mut stages {
            stage.becomes(variant.at_start);
            stage.timeouts = timeouts(&stage.host);
        }
        // Of a server that fails, and all that do, scripts and the FIFO tell.
        for (out11, out12, servers, told) in [("1", "0", &[2][..], 2), ("1", "1", &[], 4), ("0", "0", &[1, 2], 7)] {
            for stage in &stages {
                stage.host.write("out11", out11);
                stage.host.write("out12", out12);
                let foreign = variant.at_start.contains(&FOREIGN).then_some(FOREIGN);
                let rules = [OURS[0]].into_iter().chain(servers.iter().map(|n| OURS[*n])).chain(foreign);
                stage.becomes(&rules.collect::<Vec<_>>());
            }
            // vipd doesn't run a script that has not begun when the next event of the same server comes: none comes early.
            for stage in &stages {
                wait_for("the scripts of this step have run", LONG, || calls(&stage.host).len() >= told);
            }
        }
        stages.iter().for_each(|stage| stage.director.terminate());
        let [theirs, ours] = stages.map(Stage::end);
        let same = ours == theirs && ours.left == variant.left;
        println!("  `{}` {:?}: {}", variant.words, variant.options, if same { "the same" } else { "NOT the same" });
        if !same {
            problems.push(format!("{} {:?}:\n{theirs:#?}\n{ours:#?}", variant.words, variant.options));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

pub(crate) fn elsewhere() {
    for kind in BOTH {
        let mut lab = Lab::new();
        let (here, there) = (lab.host(2), lab.host(3));
        ["out11", "out12"].iter().for_each(|name| drop(here.write(name, "0")));
        let text = format!("net_namespace_ipvs {}\n{}", there.namespace, conf(&here, ""));
        let mut director = Director::start(kind, &here, &text);
        settle(&there, &director, &OURS.map(str::to_owned)).unwrap_or_else(|why| panic!("{why}"));
        here.write("out11", "1");
        settle(&there, &director, &[OURS[0], OURS[2]].map(str::to_owned)).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(rules(&here), [""; 0]);
        director.terminate();
        wait_for("the daemon ends", LONG, || !director.runs());
        assert_eq!(rules(&there), [""; 0], "{kind:?} leaves it");
        println!("  {kind:?}: the table is in the other namespace alone");
    }
}
