//! Hundreds of reloads, one after the other, with connections open: the kernel's table says what the last usable file says,
//! and what was known of connections, clients and servers stays known.

#![allow(clippy::cast_possible_truncation)] // the numbers are small

use crate::life::{Held, calls};
use crate::machine::{LONG, ipvsadm, ordered, real_server, rules, settle, tail};
use crate::site::{HTTP, Whole, conf};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vipd_tests::control::Control;
use vipd_tests::random::Random;
use vipd_tests::wait_for;

const NAME: &str = "[10.77.0.100]:tcp:80";
/// As many as there is time for, on one emulated processor.
const TIME: Duration = Duration::from_secs(45);
const MOST: u32 = 400;
const LEAST: u32 = 100;

/// What a reload changes.
struct File {
    scheduler: &'static str,
    weight: u32,
    delay_loop: u32,
    retry: u32,
    /// Another virtual server.
    second: bool,
    comment: u64,
}

impl File {
    fn text(&self, script: &str) -> String {
        let File { scheduler, weight, delay_loop, retry, second, comment } = self;
        let http = HTTP.replace("retry 1", &format!("retry {retry}"));
        let server = |n: u32, weight: u32| {
            format!(
                "    real_server 10.77.0.{n} 80 {{\n weight {weight}\n notify_up \"{script} up {n}\"\n \
                 notify_down \"{script} down {n}\"\n {http}\n }}\n"
            )
        };
        let mut services = format!(
            "virtual_server 10.77.0.100 80 {{\n    delay_loop {delay_loop}\n    lb_algo {scheduler}\n    lb_kind DR\n    \
             protocol TCP\n    persistence_timeout 300\n{}{}}}\n",
            server(11, *weight),
            server(12, 2)
        );
        if *second {
            services += "virtual_server 10.77.0.100 81 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n \
                         real_server 10.77.0.11 81 {\n weight 1\n }\n}\n";
        }
        format!("# {comment}\n{}", conf("", &services))
    }

    /// What `ipvsadm -Sn` says of it while the second server is dead.
    fn table(&self) -> Vec<String> {
        let mut table = vec![
            format!("-A -t 10.77.0.100:80 -s {} -p 300", self.scheduler),
            format!("-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w {}", self.weight),
        ];
        if self.second {
            table.push("-A -t 10.77.0.100:81 -s rr".to_owned());
            table.push("-a -t 10.77.0.100:81 -r 10.77.0.11:81 -g -w 1".to_owned());
        }
        ordered(table)
    }

    fn change(&mut self, random: &mut Random) {
        match random.below(7) {
            0 => self.scheduler = if self.scheduler == "wrr" { "wlc" } else { "wrr" },
            1 => self.weight = 1 + random.below(9) as u32,
            2 => self.delay_loop = 1 + random.below(3) as u32,
            3 => self.retry = 1 + random.below(3) as u32,
            4 => self.second = !self.second,
            5 => self.comment = random.number(),
            _ => {}
        }
    }
}

pub(crate) fn under_traffic() {
    let seed =
        std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(vipd_sys::clock::monotonic_micros);
    println!("  SEED={seed}");
    let mut random = Random(seed);
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let calls_file = whole.director.path("calls");
    let script = whole.director.script("notify.sh", &format!("echo \"$# $*\" >> {}", calls_file.display()));
    let script = script.display().to_string();
    let mut file = File { scheduler: "wrr", weight: 1, delay_loop: 1, retry: 1, second: false, comment: 0 };
    let director = whole.start_with(&file.text(&script), &[]);
    whole.kill(1);
    settle(&whole.director, &director, &file.table()).unwrap_or_else(|why| panic!("{why}"));
    wait_for("the script has run", LONG, || calls(&whole.director) == ["2 down 12"]);
    let mut held = Held::new(&whole);
    assert_eq!(held.works(), "web 11");
    let template = || {
        let all = ipvsadm(&whole.director, "-Lnc");
        all.lines().any(|l| l.contains("10.77.0.9:0") && l.contains("10.77.0.100:80") && l.contains("10.77.0.11:80"))
    };
    assert!(template(), "the client is not remembered:\n{}", ipvsadm(&whole.director, "-Lnc"));
    let mut control = Control::connect(&whole.director.path("socket")).unwrap();
    let processes =
        |control: &mut Control| control.status().roles.into_iter().map(|r| (r.name, r.pid)).collect::<BTreeMap<_, _>>();
    let before = processes(&mut control);
    let dead_since = real_server(&director, NAME, "10.77.0.12:80").since;

    let (mut taken, mut refused, mut compared) = (0, 0, 0);
    let mut took = Vec::new();
    let start = Instant::now();
    while start.elapsed() < TIME && taken + refused < MOST {
        let broken = random.below(3) == 0;
        let what = format!("reload {} of SEED={seed}", taken + refused);
        if broken {
            // Within the last block, so that it can't be whole.
            let text = file.text(&script);
            let from = text.rfind("virtual_server").unwrap() + 5;
            let cut = from + random.below(text.len() - 2 - from);
            whole.director.write("director.conf", &text[..cut]);
        } else {
            file.change(&mut random);
            whole.director.write("director.conf", &file.text(&script));
        }
        let reloaded = control.reload();
        assert_eq!(reloaded.taken, !broken, "{what}: {}", reloaded.findings);
        if broken {
            refused += 1
        } else {
            taken += 1
        }
        took.push(reloaded.took * 1000.0);
        assert_eq!(rules(&whole.director), file.table(), "{what}\n{}", tail(&director.log()));
        compared += 1;
        // The rest of looking takes longer than reloading here.
        if (taken + refused) % 4 != 0 {
            continue;
        }
        let status = control.status();
        let service = status.services.iter().find(|s| s.name == NAME).unwrap();
        let weights: Vec<_> = service.real_servers.iter().map(|r| (r.alive, r.weight)).collect();
        assert_eq!(weights, [(true, Some(file.weight)), (false, None)], "{what}");
        assert_eq!((status.services.len(), service.scheduler.as_str()), (1 + usize::from(file.second), file.scheduler));
        assert_eq!(held.works(), "web 11", "{what}");
    }
    assert_eq!(rules(&whole.director), file.table());
    took.sort_by(f64::total_cmp);
    println!(
        "  {taken} taken, {refused} refused in {:.1} s, the table compared with the file after {compared}; a reload: median {:.1} ms, longest {:.1} ms",
        start.elapsed().as_secs_f64(),
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(taken + refused >= LEAST, "only {} reloads in {TIME:?}", taken + refused);
    assert_eq!(processes(&mut control), before, "a process is another one");
    assert!(template(), "the client is forgotten:\n{}", ipvsadm(&whole.director, "-Lnc"));
    let dead = real_server(&director, NAME, "10.77.0.12:80");
    assert!(!dead.alive && (dead.since - dead_since).abs() < 0.001, "{dead:?}");
    assert_eq!(calls(&whole.director), ["2 down 12"], "somebody was told what is no news");
    let plane = control.status().plane.unwrap();
    assert_eq!((plane.foreign_edits, plane.failed_writes), (0, 0));
    // And the checks go on: the server comes back.
    whole.revive(1);
    wait_for("the server is back", LONG, || real_server(&director, NAME, "10.77.0.12:80").alive);
    assert_eq!(held.works(), "web 11");
}
