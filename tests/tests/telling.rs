//! What a director reacts to and whom it tells: tracked scripts, sync groups, notify scripts, FIFOs, mail.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;
use vipd_tests::wait_for;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);

#[test]
fn a_failing_script_lowers_the_priority_and_the_address_moves_there_and_back() {
    for peer in [Kind::Vipd, Kind::Keepalived] {
        let mut lab = Lab::new();
        let (one, two) = (lab.host(1), lab.host(2));
        let flag = one.path("down");
        let check = one.script("check.sh", &format!("! test -e {}", flag.display()));
        let script = format!(
            "vrrp_script chk {{\n script \"{}\"\n interval 1\n weight -60\n rise 2\n fall 2\n user root\n}}\n",
            check.display()
        );
        let conf = script + &Instance::new(3, 150, "0.3").with("track_script {\n chk\n}").text();
        let a = Director::start(Kind::Vipd, &one, &conf);
        let b = Director::start(peer, &two, &Instance::new(3, 100, "0.3").text());
        a.wait_master(VIP, LONG);
        wait_for("only one", LONG, || !two.holds(VIP));
        std::fs::write(&flag, "").unwrap();
        b.wait_master(VIP, LONG);
        wait_for("the script's node gives way", LONG, || !one.holds(VIP));
        let status = a.instance("VI_1");
        println!("  {peer:?} took over; priority {} of {}, {}", status.priority, status.base_priority, status.why);
        assert_eq!((status.priority, status.base_priority), (90, 150));
        std::fs::remove_file(&flag).unwrap();
        a.wait_master(VIP, LONG);
        wait_for("the peer gives way", LONG, || !two.holds(VIP));
        let status = a.status().unwrap();
        assert_eq!(status.scripts[0].state, "good");
    }
}

#[test]
fn a_script_without_weight_means_fault() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let flag = one.path("down");
    let script = format!(
        "vrrp_script chk {{\n script \"/usr/bin/test ! -e {}\"\n interval 1\n user nobody\n}}\n",
        flag.display()
    );
    let conf = script + &Instance::new(3, 150, "0.3").with("track_script {\n chk\n}").text();
    let a = Director::start(Kind::Vipd, &one, &conf);
    a.wait_master(VIP, LONG);
    std::fs::write(&flag, "").unwrap();
    wait_for("FAULT", LONG, || a.instance("VI_1").faults == ["tracked script chk fails"]);
    assert!(!one.holds(VIP));
    std::fs::remove_file(&flag).unwrap();
    a.wait_master(VIP, LONG);
}

#[test]
fn a_sync_group_moves_as_one() {
    let mut lab = Lab::new();
    let (one, two) = (lab.host(1), lab.host(2));
    one.plug("eth1", "br1", 78);
    two.plug("eth1", "br1", 78);
    let conf = |priority| {
        let outside = Instance::new(3, priority, "0.3");
        let inside = Instance {
            name: "VI_2".to_owned(),
            vrid: 52,
            interface: "eth1".to_owned(),
            addresses: vec!["10.78.0.100/32".to_owned()],
            ..outside.clone()
        };
        format!("{}{}vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n}}\n", outside.text(), inside.text())
    };
    for peer in [Kind::Vipd, Kind::Keepalived] {
        let mut a = Director::start(Kind::Vipd, &one, &conf(150));
        let mut b = Director::start(peer, &two, &conf(100));
        a.wait_master(VIP, LONG);
        a.wait_master("10.78.0.100", LONG);
        wait_for("the peer holds neither", LONG, || !two.holds(VIP) && !two.holds("10.78.0.100"));
        // One cable is pulled: both addresses move.
        one.cable_out();
        b.wait_master(VIP, LONG);
        b.wait_master("10.78.0.100", LONG);
        wait_for("both let go", LONG, || !one.holds(VIP) && !one.holds("10.78.0.100"));
        let sibling = a.instance("VI_2");
        println!("  with {peer:?}: VI_2 is {}: {}", sibling.state, sibling.why);
        assert_eq!(sibling.faults, ["VI_1 of the same sync group is in FAULT"]);
        assert_eq!(a.status().unwrap().groups[0].state, "FAULT");
        one.cable_in();
        a.wait_master(VIP, LONG);
        a.wait_master("10.78.0.100", LONG);
        wait_for("the peer gives both back", LONG, || !two.holds(VIP) && !two.holds("10.78.0.100"));
        a.stop();
        b.stop();
    }
}

/// A mail server as small as it gets, in the host's namespace: it keeps what it is told.
const SINK: &str = r#"
import socketserver, sys
class Sink(socketserver.StreamRequestHandler):
    def handle(self):
        say = lambda text: self.wfile.write(text.encode() + b"\r\n")
        say("220 sink")
        data = False
        for line in self.rfile:
            text = line.decode().rstrip("\r\n")
            print(text, flush=True)
            if data:
                if text == ".":
                    data = False
                    say("250 kept")
            elif text.upper().startswith("DATA"):
                data = True
                say("354 go on")
            elif text.upper().startswith("QUIT"):
                say("221 bye")
                return
            else:
                say("250 well")
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", 25), Sink).serve_forever()
"#;

#[test]
fn a_transition_is_mailed() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let sink = one.write("sink.py", SINK);
    let sink = one.spawn("mails", one.command("python3").arg(sink));
    std::thread::sleep(Duration::from_millis(500));
    let globals = "global_defs {\n notification_email {\n ops@example.org\n root\n }\n notification_email_from vipd@example.org\n \
                   smtp_server 127.0.0.1\n router_id node-1\n}\n";
    let a = Director::start(
        Kind::Vipd,
        &one,
        &(globals.to_owned() + &Instance::new(3, 150, "0.3").with("smtp_alert").text()),
    );
    a.wait_master(VIP, LONG);
    let subject = "[node-1] VRRP Instance VI_1 - Entering MASTER state";
    wait_for("the mail comes", LONG, || sink.output().contains(subject));
    let mails = sink.output();
    println!("{mails}");
    assert!(mails.contains("<ops@example.org>") && mails.contains("<vipd@example.org>"));
}

#[test]
fn the_state_is_written_on_sigusr1() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let a = Director::start(Kind::Vipd, &one, &Instance::new(3, 150, "0.3").text());
    a.wait_master(VIP, LONG);
    a.signal(rustix::process::Signal::USR1);
    let file = one.path("keepalived.data");
    wait_for("the file is there", LONG, || file.exists());
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("VI_1") && text.contains("MASTER") && text.contains(VIP), "{text}");
}

#[test]
fn the_configuration_is_logged_on_demand_without_its_passwords() {
    let mut lab = Lab::new();
    let one = lab.host(1);
    let secret = "authentication {\n        auth_type PASS\n        auth_pass S3cr3t\n    }";
    let conf = Instance::new(2, 100, "1").with(secret).text();
    let a = Director::start_with(Kind::Vipd, &one, &conf, &["-d"]);
    wait_for("the configuration is logged", LONG, || a.log().contains("virtual_router_id 51"));
    let log = a.log();
    assert!(log.contains("vrrp_instance VI_1") && log.contains("10.77.0.100") && !log.contains("S3cr3t"), "{log}");
}
