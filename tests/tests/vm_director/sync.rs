//! The kernel's synchronisation of connections.

use crate::machine::LONG;
use rustix::process::Signal;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::{Host, Lab, run};
use vipd_tests::process::signal_pid;
use vipd_tests::wait_for;

/// `ipvsadm --list --daemon`
fn daemons(host: &Host) -> String {
    run(host.command("ipvsadm").args(["-l", "--daemon"]))
}

fn wait(host: &Host, expected: &[&str]) {
    wait_for(&format!("{expected:?}"), LONG, || {
        let all = daemons(host);
        all.lines().filter(|l| l.contains("sync daemon")).count() == expected.len()
            && expected.iter().all(|e| all.contains(e))
    });
}

/// `lvs_sync_daemon_interface`, as old files have it: the id is 0.
pub(crate) fn follows_as_it_was_said() {
    for kind in [Kind::Keepalived, Kind::Vipd] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let service = "virtual_server 10.77.0.100 80 {\n protocol TCP\n lvs_sched rr\n lvs_method DR\n \
                       real_server 10.77.0.9 80 {\n }\n}\n";
        let instance = Instance::new(3, 150, "1").with("lvs_sync_daemon_interface eth0").text();
        let mut a = Director::start(kind, &one, &(instance + service));
        wait(&one, &["backup sync daemon (mcast=eth0, syncid=0"]);
        a.wait_master("10.77.0.100", LONG);
        wait(&one, &["master sync daemon (mcast=eth0, syncid=0"]);
        a.stop();
        wait(&one, &[]);
    }
}

pub(crate) fn follows() {
    for kind in [Kind::Keepalived, Kind::Vipd] {
        let mut lab = Lab::new();
        let one = lab.host(1);
        let conf = |more: &str| {
            let service = "virtual_server 10.77.0.100 80 {\n protocol TCP\n lvs_sched rr\n lvs_method DR\n \
                           real_server 10.77.0.9 80 {\n }\n}\n";
            let globals = format!("global_defs {{\n lvs_sync_daemon eth0 VI_1 {more}\n}}\n");
            globals + &Instance::new(3, 150, "1").text() + service
        };
        let mut a = Director::start(kind, &one, &conf("ttl 3"));
        // It listens until it is MASTER, and again when it no longer is. The id is that of the virtual router.
        wait(&one, &["backup sync daemon (mcast=eth0, syncid=51"]);
        a.wait_master("10.77.0.100", LONG);
        wait(&one, &["master sync daemon (mcast=eth0, syncid=51"]);
        println!("  {kind:?}: {}", daemons(&one).trim_end());
        one.ip("link set eth0 down");
        wait(&one, &["backup sync daemon (mcast=eth0, syncid=51"]);
        one.ip("link set eth0 up");
        wait(&one, &["master sync daemon (mcast=eth0, syncid=51"]);
        if kind == Kind::Vipd {
            // The director's successor goes on; what others end comes back; another setting takes effect.
            signal_pid(a.role("director"), Signal::KILL);
            std::thread::sleep(Duration::from_secs(1));
            wait(&one, &["master sync daemon (mcast=eth0, syncid=51"]);
            run(one.command("ipvsadm").args(["--stop-daemon", "master"]));
            wait(&one, &["master sync daemon (mcast=eth0, syncid=51"]);
            a.reload(&conf("id 7"));
            wait(&one, &["master sync daemon (mcast=eth0, syncid=7"]);
        }
        a.stop();
        wait(&one, &[]);
    }
}
