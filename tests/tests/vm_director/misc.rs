//! Scripts and files that say the weight.

use crate::machine::{LONG, real_server, settle};
use crate::site::{DR, Whole, conf, virtual_server};
use vipd_tests::director::{Director, Kind};

pub(crate) fn weight_by_script() {
    let whole = Whole::new();
    // One file for each server: its exit status.
    for number in [11, 12] {
        whole.director.write(&format!("status-{number}"), "0");
    }
    let directory = whole.director.path("");
    let script = whole.director.script("check.sh", &format!("exit $(cat {}status-$1)", directory.display()));
    let check =
        |n, more: &str| format!("MISC_CHECK {{\n misc_path \"{} {n}\"\n misc_timeout 8\n{more}\n }}", script.display());
    let text = virtual_server(DR, "DR", "wrr", "PROBE", "    inhibit_on_failure");
    let text = text.replacen("PROBE", &check(11, " misc_dynamic"), 1).replacen("PROBE", &check(12, ""), 1);
    let director = whole.start(&text, &[]);
    let becomes = |first: &str, second: &str| {
        let expected = [
            "-A -t 10.77.0.100:80 -s wrr".to_owned(),
            format!("-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w {first}"),
            format!("-a -t 10.77.0.100:80 -r 10.77.0.12:80 -g -w {second}"),
        ];
        settle(&whole.director, &director, &expected).unwrap_or_else(|why| panic!("{why}"));
    };
    becomes("1", "2");
    // 2 to 255: two less is the weight, for the dynamic one; for the other it is a failure like any other.
    for (status, weight) in [("42", "40"), ("255", "253"), ("2", "0"), ("9", "7")] {
        whole.director.write("status-11", status);
        becomes(weight, "2");
        println!("  exit status {status}: weight {weight}");
    }
    whole.director.write("status-12", "42");
    becomes("7", "0");
    let told = real_server(&director, "[10.77.0.100]:tcp:80", "10.77.0.12:80");
    println!("  not dynamic, exit status 42: {}", told.why);
    assert!(!told.alive && told.why.contains("42"), "{told:?}");
    // 1 is a failure for both, 0 the configured weight.
    whole.director.write("status-11", "1");
    becomes("0", "0");
    whole.director.write("status-11", "0");
    whole.director.write("status-12", "0");
    becomes("1", "2");
    let told = real_server(&director, "[10.77.0.100]:tcp:80", "10.77.0.11:80");
    vipd_tests::wait_for("both are up", LONG, || told.alive);
}

/// keepalived does the same with the same files.
pub(crate) fn weight_by_file() {
    for kind in [Kind::Vipd, Kind::Keepalived] {
        let whole = Whole::new();
        let file = |name: &str| whole.director.path(name).display().to_string();
        let files = format!(
            "track_file load {{\n file {}\n}}\ntrack_file out {{\n file {}\n weight 0\n}}\n",
            file("load"),
            file("out")
        );
        whole.director.write("load", "3");
        whole.director.write("out", "0");
        let text = virtual_server(DR, "DR", "wrr", "PROBE", "    inhibit_on_failure");
        let checks = ["FILE_CHECK {\n track_file load\n weight 2\n }", "FILE_CHECK {\n track_file out\n }"];
        let text = checks.iter().fold(text, |text, check| text.replacen("PROBE", check, 1));
        let director = Director::start_with(kind, &whole.director, &(files + &conf("", &text)), &[]);
        let becomes = |first: &str, second: &str| {
            let expected = [
                "-A -t 10.77.0.100:80 -s wrr".to_owned(),
                format!("-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w {first}"),
                format!("-a -t 10.77.0.100:80 -r 10.77.0.12:80 -g -w {second}"),
            ];
            settle(&whole.director, &director, &expected).unwrap_or_else(|why| panic!("{why}"));
            println!("  {kind:?}: {first} {second}");
        };
        becomes("7", "2");
        whole.director.write("load", "-2");
        becomes("0", "2");
        whole.director.write("out", "1");
        becomes("0", "0");
        whole.director.write("load", "5");
        becomes("11", "0");
        std::fs::remove_file(whole.director.path("out")).unwrap();
        becomes("11", "2");
    }
}
