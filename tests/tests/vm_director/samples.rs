//! Every sample makes the same IPVS table under vipd and under keepalived, and leaves none behind.

use crate::machine::{LONG, ipvsadm, ordered, rules, sample, settle, tail};
use std::path::PathBuf;
use std::time::Duration;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab};
use vipd_tests::process::Proc;
use vipd_tests::wait_for;
use vipd_tests::web::{Site, certificate, serve};

/// A wire of its own for each daemon, with the director and the web servers that the samples name.
struct Stage {
    kind: Kind,
    director: Host,
    _web: Proc,
    _lab: Lab,
}

impl Stage {
    fn new(kind: Kind, pair: &(PathBuf, PathBuf)) -> Stage {
        let mut lab = Lab::new();
        let (director, web) = (lab.host(2), lab.host(11));
        for (host, numbers) in [(&director, &[2][..]), (&web, &[11, 12])] {
            host.ip("addr flush dev eth0");
            for n in numbers {
                host.ip(&format!("addr add 172.16.72.{n}/24 dev eth0"));
                host.ip(&format!("addr add 2001:db8:72::{n}/64 nodad dev eth0"));
            }
        }
        let site = Site::saying("vipd sample page", &["80", "[::]:80"]).with_tls(pair, &["443", "[::]:443"]);
        let web = serve(&web, "web", &site);
        Stage { kind, director, _web: web, _lab: lab }
    }
}

pub(crate) fn same_table(only: impl Fn(&str) -> bool) {
    // The samples' notify script. Outside the virtual machine nobody may come here.
    std::fs::create_dir_all("/etc/keepalived").unwrap();
    std::fs::write("/etc/keepalived/notify.sh", "#!/bin/sh\n").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions("/etc/keepalived/notify.sh", open).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let pair = certificate(directory.path());
    let stages = [Kind::Keepalived, Kind::Vipd].map(|kind| Stage::new(kind, &pair));
    let mut names: Vec<String> = std::fs::read_dir(sample(""))
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.strip_suffix(".conf").map(str::to_owned))
        .filter(|name| only(name))
        .collect();
    names.sort();
    let mut failures = Vec::new();
    for name in names {
        match one_sample(&name, &stages) {
            Ok(()) => println!("  {name}: the same"),
            Err(why) => {
                println!("  {name}: NOT the same");
                failures.push(format!("{name}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn one_sample(name: &str, stages: &[Stage; 2]) -> Result<(), String> {
    let conf = std::fs::read_to_string(sample(&format!("{name}.conf"))).unwrap();
    let expected = std::fs::read_to_string(sample(&format!("{name}.ipvsadm"))).unwrap();
    let expected = ordered(expected.lines().map(|l| l.trim_end().to_owned()));
    let mut daemons = stages.each_ref().map(|s| Director::start(s.kind, &s.director, &conf));
    let held = held(stages, &daemons, &expected);
    for daemon in &daemons {
        daemon.terminate();
    }
    let mut left = Vec::new();
    for (stage, daemon) in stages.iter().zip(&mut daemons) {
        wait_for("it ends", LONG, || !daemon.runs());
        left.extend(rules(&stage.director).into_iter().map(|rule| format!("{:?} leaves {rule}", stage.kind)));
        ipvsadm(&stage.director, "-C"); // one sample's failure is not the next one's
    }
    held?;
    if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
}

fn held(stages: &[Stage; 2], daemons: &[Director; 2], expected: &[String]) -> Result<(), String> {
    for (stage, daemon) in stages.iter().zip(daemons) {
        settle(&stage.director, daemon, expected)?;
    }
    // Every check has run several times by now; what they hold is what they keep.
    std::thread::sleep(Duration::from_secs(4));
    let [theirs, ours] = stages.each_ref().map(|s| ipvsadm(&s.director, "-Ln"));
    if ours != theirs || rules(&stages[1].director) != expected {
        return Err(format!("the tables differ:\n{theirs}\n{ours}\n{}", tail(&daemons[1].log())));
    }
    Ok(())
}
