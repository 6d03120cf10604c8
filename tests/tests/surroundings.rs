//! What a script finds around it: the same under vipd as under keepalived.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::BTreeMap;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;
use vipd_tests::wait_for;

const PATIENCE: Duration = Duration::from_secs(10);

/// Writes what it finds to the file that its argument names, a line each.
const LOOK: &str = r#"
{
    echo "umask=$(umask)"
    echo "directory=$(pwd -P)"
    echo "user=$(id)"
    ulimit -a | sed 's/  */ /g; s/^/limit /'
    env | sed 's/^/variable /'
    for fd in /proc/$$/fd/*; do echo "open ${fd##*/}=$(readlink $fd)"; done
    sed -n 's/^\(Sig[BIC][A-Za-z]*\|Cap[A-Za-z]*\|NoNewPrivs\|Seccomp\):\s*/status \1=/p' /proc/$$/status
    set -- $1 $(cat /proc/$$/stat)
    echo "leads its group=$([ $6 = $$ ] && echo yes || echo no)"
    echo "leads its session=$([ $7 = $$ ] && echo yes || echo no)"
    echo "terminal=$8"
    echo "nice=${20}"
    echo "policy=${41} ${42}"
    echo "oom=$(cat /proc/$$/oom_score_adj)"
} > $1.part 2>&1
mv $1.part $1
"#;

/// What the scripts of a daemon find, by the script.
fn found(kind: Kind, globals: &str) -> BTreeMap<String, Vec<String>> {
    let mut lab = Lab::new();
    let host = lab.host(1);
    let look = host.script("look", LOOK);
    let look = look.display();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(host.path(""), open).unwrap();
    let out = |name: &str| host.path(name).display().to_string();
    let notify = format!(
        "notify_master \"{look} {}\" nobody\nnotify_backup \"{look} {}\" root\ntrack_script {{\n t\n}}",
        out("master"),
        out("backup")
    );
    let script = format!("vrrp_script t {{\n script \"{look} {}\"\n user nobody\n}}\n", out("track"));
    let instance = Instance::new(3, 150, "0.3").with(&notify).text();
    let mut a = Director::start(kind, &host, &format!("global_defs {{\n{globals}}}\n{script}{instance}"));
    let names = ["master", "backup", "track"];
    wait_for("all scripts ran", PATIENCE, || names.iter().all(|name| host.path(name).exists()));
    a.stop();
    let read = |name: &str| {
        let text = std::fs::read_to_string(host.path(name)).unwrap().replace(&out(""), "HOST/");
        // The shell's own pipe to the command that it reads from here has another number each time.
        let pipe = |line: &str| line.split_once("pipe:").map_or(line.to_owned(), |(open, _)| format!("{open}pipe"));
        text.lines().map(pipe).filter(|line| is_alike(line)).collect()
    };
    names.into_iter().map(|name| (name.to_owned(), read(name))).collect()
}

/// Whether something shall be as with keepalived. It leaves signals blocked in the first script that runs, by mistake; and
/// 2.2.7 still hands on `LD_LIBRARY_PATH`, which its successors don't.
fn is_alike(line: &str) -> bool {
    !line.starts_with("status SigBlk") && !line.starts_with("variable LD_LIBRARY_PATH")
}

#[test]
fn a_script_finds_what_it_finds_under_keepalived() {
    for globals in ["", " umask 027\n", " umask 0\n"] {
        let [ours, theirs] = [Kind::Vipd, Kind::Keepalived].map(|kind| found(kind, globals));
        assert_eq!(ours, theirs, "{globals}");
        let masks = theirs.values().flatten().filter(|line| line.starts_with("umask="));
        println!("{globals}: {:?}", masks.collect::<Vec<_>>());
    }
}
