//! Many configurations at once: what the kernel's table holds under keepalived and under vipd at a start, when servers
//! fail and return, after reloads, and at a stop.
//!
//! Both daemons get all configurations in one file, each in a namespace of its own. The rules of a configuration are
//! known by their addresses and marks. A table is what `ipvsadm` says and what our own client reads, as neither shows
//! everything.

#[path = "tables/cases.rs"]
mod cases;

use crate::machine::{LONG, ipvsadm};
use cases::{Case, Otherwise, Text};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};

use vipd_tests::wait_for;
use vipd_tests::web::inside;

/// The rules of each configuration by its number.
type Rules = BTreeMap<usize, Vec<String>>;

/// What happens. Each list begins with a start and ends with a stop.
const RUNS: [&[Phase]; 2] = [
    &[
        Phase { name: "start", column: START, out: &[], text: Text::Before },
        Phase { name: "11 fails", column: FAILURE, out: &[11], text: Text::Before },
        Phase { name: "all fail", column: FAILURE, out: &[11, 12, 13], text: Text::Before },
        Phase { name: "12 returns", column: FAILURE, out: &[11, 13], text: Text::Before },
        Phase { name: "all return", column: FAILURE, out: &[], text: Text::Before },
    ],
    &[
        Phase { name: "start with the other text", column: START, out: &[], text: Text::After },
        Phase { name: "reload", column: RELOAD, out: &[], text: Text::Before },
        Phase { name: "11 fails after the reload", column: RELOAD, out: &[11], text: Text::Before },
        Phase { name: "reload while 11 is out", column: RELOAD, out: &[11], text: Text::After },
        Phase { name: "11 returns after the reload", column: RELOAD, out: &[], text: Text::After },
        Phase { name: "12 fails after the reload", column: RELOAD, out: &[12], text: Text::After },
        Phase { name: "12 returns after the reload", column: RELOAD, out: &[], text: Text::After },
    ],
];
const COLUMNS: [&str; 4] = ["start", "failure", "reload", "stop"];
const START: usize = 0;
const FAILURE: usize = 1;
const RELOAD: usize = 2;
const STOP: usize = 3;
/// A table that has not changed for so long is what it is to be,
const STAYS: Duration = Duration::from_millis(1500);
/// and one that should be another will not be.
const DIFFERS: Duration = Duration::from_secs(15);
const SERVERS: [u8; 3] = [11, 12, 13];

struct Phase {
    name: &'static str,
    column: usize,
    /// Servers that are out.
    out: &'static [u8],
    /// The configuration in force.
    text: Text,
}

/// A daemon and its host.
struct Stage {
    kind: Kind,
    host: Host,
    daemon: Option<Director>,
    text: Text,
    _lab: Lab,
}

impl Stage {
    fn new(kind: Kind) -> Stage {
        let mut lab = Lab::new();
        let host = lab.host(2);
        SERVERS.iter().for_each(|n| drop(host.write(&format!("out{n}"), "0")));
        Stage { kind, host, daemon: None, text: Text::Before, _lab: lab }
    }

    /// Makes it so.
    fn enter(&mut self, phase: &Phase, cases: &[Case]) {
        for n in SERVERS {
            let (name, says) = (format!("out{n}"), if phase.out.contains(&n) { "1" } else { "0" });
            if std::fs::read_to_string(self.host.path(&name)).unwrap() != says {
                self.host.write(&name, says);
            }
        }
        match &self.daemon {
            None => self.daemon = Some(Director::start(self.kind, &self.host, &conf(&self.host, cases, phase.text))),
            Some(daemon) if self.text != phase.text => daemon.reload(&conf(&self.host, cases, phase.text)),
            Some(_) => {}
        }
        self.text = phase.text;
    }
}

fn conf(host: &Host, cases: &[Case], text: Text) -> String {
    let mut whole = "global_defs {\n script_user root\n}\n".to_owned();
    for n in SERVERS {
        let path = host.path(&format!("out{n}"));
        let _ = writeln!(whole, "track_file out{n} {{\n file {}\n weight 0\n}}", path.display());
    }
    whole + &cases.iter().map(|case| case.text(text)).collect::<String>()
}

/// Which configuration a rule is of: its address is 10.80.N.x or 2001:db8:80:N::x, its mark N0x.
fn owner(of: &str) -> usize {
    let number = if let Some(rest) = of.strip_prefix("10.80.") {
        rest.split('.').next()
    } else if let Some(rest) = of.strip_prefix("[2001:db8:80:") {
        rest.split(':').next()
    } else {
        of.get(..of.len().saturating_sub(2))
    };
    number.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("whose is `{of}`?"))
}

/// What `ipvsadm` says.
fn table(host: &Host) -> Rules {
    let mut rules = Rules::new();
    for rule in ipvsadm(host, "-Sn").lines().map(str::trim_end) {
        let of = rule.split(' ').nth(2).unwrap_or_default();
        rules.entry(owner(of)).or_default().push(rule.to_owned());
    }
    rules.values_mut().for_each(|rules| rules.sort());
    rules
}

/// What our own client reads, with thresholds and whatever else `ipvsadm -S` does not show.
fn details(host: &Host) -> Rules {
    inside(host, || {
        let mut client = vipd_ipvs::Client::open().unwrap();
        let mut all = Rules::new();
        for service in client.services().unwrap() {
            let key = service.service.key;
            let of = match key {
                vipd_ipvs::Key::Address { address, port, .. } => std::net::SocketAddr::new(address, port).to_string(),
                vipd_ipvs::Key::Fwmark { mark, .. } => mark.to_string(),
            };
            let rules = all.entry(owner(&of)).or_default();
            rules.push(format!("{:?}", service.service));
            let servers = client.destinations(&key).unwrap();
            rules.extend(servers.into_iter().map(|s| format!("{key}: {:?}", s.destination)));
        }
        all.values_mut().for_each(|rules| rules.sort());
        all
    })
}

/// What is in the kernel.
#[derive(Clone, Default)]
struct Tables {
    rules: Rules,
    details: Rules,
}

impl Tables {
    fn of(&self, number: usize) -> (Vec<String>, Vec<String>) {
        let one = |rules: &Rules| rules.get(&number).cloned().unwrap_or_default();
        (one(&self.rules), one(&self.details))
    }
}

/// The rules but for those of these servers.
fn without(rules: Vec<String>, servers: &[u8]) -> Vec<String> {
    let of = |rule: &String| servers.iter().any(|n| rule.contains(&format!("-r 10.77.0.{n}:")));
    rules.into_iter().filter(|rule| !of(rule)).collect()
}

/// The rules that vipd is to make where keepalived makes these.
fn intended(case: &Case, number: usize, phase: &Phase, theirs: Vec<String>) -> Vec<String> {
    let place = |rule: &str| rule.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ");
    // Some servers live after every reload.
    let served = |rules: Vec<String>| {
        let served: Vec<String> = rules.iter().filter(|r| r.starts_with("-a ")).map(|r| place(r)).collect();
        let serve = |rule: &String| phase.column != RELOAD || served.contains(&place(rule));
        rules.into_iter().filter(serve).collect::<Vec<String>>()
    };
    match case.otherwise {
        None | Some(Otherwise::Thresholds) => theirs,
        Some(Otherwise::SorryPort) => {
            theirs.into_iter().map(|rule| rule.replace("-r 10.77.0.99:0 ", "-r 10.77.0.99:80 ")).collect()
        }
        Some(Otherwise::Group) => served(theirs),
        Some(Otherwise::SorryStays) if phase.column == RELOAD => without(theirs, &[99]),
        Some(Otherwise::DeadReturn) if phase.column == RELOAD => without(theirs, phase.out),
        Some(Otherwise::SorryStays | Otherwise::DeadReturn) => theirs,
        Some(Otherwise::GroupOfMarks) => {
            let [first, third] = [1, 3].map(|n| format!("-f {number}0{n} "));
            let mut rules = served(theirs.into_iter().filter(|rule| !rule.contains(&third)).collect());
            if phase.text == Text::After {
                let more: Vec<_> =
                    rules.iter().filter(|r| r.contains(&first)).map(|r| r.replace(&first, &third)).collect();
                rules.extend(more);
            }
            rules.sort();
            rules
        }
    }
}

/// What became of one configuration.
#[derive(Clone, Default)]
struct Report {
    /// For each column, a sign for each of its phases: `=` the same, `~` otherwise as intended, `!` different.
    signs: [String; 4],
    otherwise: bool,
    /// Whether its table was another one than before in a phase of the column.
    moved: [bool; 4],
}

pub(crate) fn compare() {
    let cases = cases::all();
    let start = Instant::now();
    let mut stages = [Kind::Keepalived, Kind::Vipd].map(Stage::new);
    let mut reports = vec![Report::default(); cases.len()];
    let mut problems = Vec::new();
    for run in RUNS {
        let mut last = [Tables::default(), Tables::default()];
        for phase in run {
            stages.iter_mut().for_each(|stage| stage.enter(phase, &cases));
            let seen = settle(&stages, &cases, phase, &last[0].rules);
            let (rules, took) = (seen[0].rules.values().flatten().count(), start.elapsed().as_secs_f64());
            println!("  {}: {rules} rules, {took:.1} s", phase.name);
            for ((number, case), report) in (1..).zip(&cases).zip(&mut reports) {
                problems.extend(judge(number, case, phase, &seen, report));
                report.moved[phase.column] |= seen[1].of(number) != last[1].of(number);
            }
            last = seen;
        }
        problems.extend(stop(&mut stages, &cases, run, &mut reports));
    }
    for ((number, case), report) in (1..).zip(&cases).zip(&reports) {
        let columns = COLUMNS.iter().zip(&report.signs).map(|(name, signs)| format!("{name} {signs}"));
        println!("  {number:>3} {:<44} {}", case.name, columns.collect::<Vec<_>>().join("  "));
        if case.otherwise.is_some() != report.otherwise {
            problems.push(format!("{}: it is not otherwise any more: {:?}", case.name, case.otherwise));
        }
        // What changes nothing would prove nothing.
        if report.moved != [true, !case.unchecked, true, true] {
            problems
                .push(format!("{}: its table does not change in each of {COLUMNS:?}: {:?}", case.name, report.moved));
        }
    }
    println!("  {} configurations in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// Compares what is there of a configuration: what is wrong.
fn judge(number: usize, case: &Case, phase: &Phase, seen: &[Tables; 2], report: &mut Report) -> Option<String> {
    let [(theirs, their_details), (ours, our_details)] = seen.each_ref().map(|tables| tables.of(number));
    let wanted = intended(case, number, phase, theirs.clone());
    let mut otherwise = wanted != theirs;
    let same_details = match case.otherwise {
        None => their_details == our_details,
        Some(Otherwise::Thresholds) => {
            let said = if phase.text == Text::Before { "upper_threshold: 9," } else { "upper_threshold: 10," };
            otherwise |= their_details != our_details;
            let numbers = ["upper_threshold: 9,", "upper_threshold: 10,"];
            let alike = |d: &String| numbers.iter().fold(d.clone(), |d, number| d.replace(number, said));
            let right =
                |d: &&String| d.contains(said) || d.contains("upper_threshold: 100,") || d.starts_with("Service");
            our_details.iter().all(|d| right(&d)) && their_details.iter().map(alike).eq(our_details.iter().map(alike))
        }
        // `ipvsadm` shows all of these.
        Some(_) => otherwise || their_details == our_details,
    };
    let same = wanted == ours && same_details && !ours.is_empty();
    report.otherwise |= otherwise;
    report.signs[phase.column] += match (same, otherwise) {
        (true, false) => "=",
        (true, true) => "~",
        (false, _) => "!",
    };
    let show = |rules: Vec<String>, details: Vec<String>| [rules, details].concat().join("\n  ");
    let (theirs, ours) = (show(theirs, their_details), show(ours, our_details));
    (!same).then(|| format!("{}, {}:\nkeepalived\n  {theirs}\nvipd\n  {ours}", case.name, phase.name))
}

/// Ends both; what is left that should not be.
fn stop(stages: &mut [Stage; 2], cases: &[Case], run: &[Phase], reports: &mut [Report]) -> Vec<String> {
    for stage in stages.iter() {
        stage.daemon.iter().for_each(Director::terminate);
    }
    for daemon in stages.iter_mut().filter_map(|stage| stage.daemon.as_mut()) {
        wait_for("the daemon ends", LONG, || !daemon.runs());
    }
    let [theirs, ours] = stages.each_ref().map(|stage| table(&stage.host));
    for stage in stages {
        stage.daemon = None;
        ipvsadm(&stage.host, "-C"); // what one run leaves is not the next one's
    }
    let reloaded = run.iter().any(|phase| phase.column == RELOAD);
    let mut problems = Vec::new();
    for ((number, case), report) in (1..).zip(cases).zip(reports) {
        let (their, our) = (theirs.get(&number), ours.get(&number));
        let groups = matches!(case.otherwise, Some(Otherwise::Group | Otherwise::GroupOfMarks)) && reloaded;
        report.otherwise |= their.is_some();
        report.moved[STOP] |= our.is_none();
        report.signs[STOP] += match (their, our) {
            (None, None) => "=",
            (Some(_), None) if groups => "~",
            (Some(_) | None, _) => {
                problems.push(format!("{}, at the stop keepalived leaves {their:?}, vipd {our:?}", case.name));
                "!"
            }
        };
    }
    problems
}

/// Waits until keepalived's table is another one than the last and stays, and vipd's is what it should be; both, if it
/// does not come to that.
fn settle(stages: &[Stage; 2], cases: &[Case], phase: &Phase, last: &Rules) -> [Tables; 2] {
    let start = Instant::now();
    let mut before = Rules::new();
    let mut quiet = Instant::now();
    loop {
        let [theirs, ours] = stages.each_ref().map(|stage| table(&stage.host));
        if theirs != before || theirs == *last {
            quiet = Instant::now();
        }
        let same = (1..).zip(cases).all(|(number, case)| {
            let [their, our] = [&theirs, &ours].map(|rules| rules.get(&number).cloned().unwrap_or_default());
            intended(case, number, phase, their) == our
        });
        let patience = if same { STAYS } else { DIFFERS };
        if quiet.elapsed() > patience || start.elapsed() > LONG {
            let [their, our] = stages.each_ref().map(|stage| details(&stage.host));
            return [Tables { rules: theirs, details: their }, Tables { rules: ours, details: our }];
        }
        before = theirs;
        std::thread::sleep(Duration::from_millis(250));
    }
}
