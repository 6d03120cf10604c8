//! The kernel's table follows a file of real servers, and what the agent beside one of them says.

use crate::machine::{LONG, at, real_server, settle, tail};
use crate::site::{CONNECT, DR, Whole};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use vipd_tests::lab::Host;
use vipd_tests::wait_for;
use vipd_tests::web::{inside, tally};

const NAME: &str = "[10.77.0.100]:tcp:80";

/// An agent on a host: whoever connects is told what it says now.
fn agent(host: &Host) -> Arc<Mutex<&'static str>> {
    let listener = inside(host, || TcpListener::bind("0.0.0.0:9999")).unwrap();
    let says = Arc::new(Mutex::new("ready"));
    let said = says.clone();
    // It ends with the machine.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let line = *said.lock().unwrap();
            let _ = stream.and_then(|mut stream| stream.write_all(format!("{line}\n").as_bytes()));
        }
    });
    says
}

fn table(servers: &[(u8, u32)]) -> Vec<String> {
    let head = "-A -t 10.77.0.100:80 -s wrr".to_owned();
    let one = |(last, weight): &(u8, u32)| format!("-a -t 10.77.0.100:80 -r 10.77.0.{last}:80 -g -w {weight}");
    std::iter::once(head).chain(servers.iter().map(one)).collect()
}

pub(crate) fn follows() {
    let mut whole = Whole::new();
    whole.revive(0);
    whole.revive(1);
    let first = agent(&whole.web[0]);
    let _second = agent(&whole.web[1]);
    let file = whole.director.write("web.servers", "10.77.0.11 80 weight 10\n");
    // As whoever is careful writes: beside it, then in its place.
    let write = |text: &str| {
        let beside = whole.director.write("web.servers.new", text);
        std::fs::rename(beside, &file).unwrap();
    };
    let service = format!(
        "virtual_server 10.77.0.100 80 {{\n delay_loop 1\n lb_algo wrr\n lb_kind DR\n protocol TCP\n \
         servers_from_file {} {{\n{CONNECT}\n AGENT_CHECK {{\n connect_port 9999\n retry 1\n connect_timeout 3\n }}\n }}\n}}\n",
        file.display()
    );
    let director = whole.start(&service, &[]);
    let becomes = |servers: &[(u8, u32)]| {
        settle(&whole.director, &director, &table(servers)).unwrap_or_else(|why| panic!("{why}"));
        println!("  {servers:?}");
    };
    let answers = |times: u32| tally(&whole.client, at(DR), times);
    becomes(&[(11, 10)]);
    assert_eq!(answers(4), BTreeMap::from([("web 11".to_owned(), 4)]));
    // Another one joins, and has the weight of the words inside; the first one's changes.
    write("# both\n10.77.0.11 80 weight 3\n10.77.0.12 80\n");
    becomes(&[(11, 3), (12, 1)]);
    wait_for("the agents were asked", LONG, || {
        let asked =
            |server: &str| real_server(&director, NAME, server).checks.iter().all(|check| check.last_run.is_some());
        asked("10.77.0.11:80") && asked("10.77.0.12:80")
    });
    let both = answers(16);
    assert_eq!((both.get("web 11"), both.get("web 12")), (Some(&12), Some(&4)), "{both:?}");
    // What the agent says, in numbers and in parts of what the file says.
    for (says, weight) in [("weight 7", 7), ("200%", 6), ("34%", 2), ("up drain", 0), ("ready", 3)] {
        *first.lock().unwrap() = says;
        becomes(&[(11, weight), (12, 1)]);
        if weight == 0 {
            assert_eq!(answers(4), BTreeMap::from([("web 12".to_owned(), 4)]), "it drains");
        }
    }
    *first.lock().unwrap() = "maint # new disks";
    becomes(&[(12, 1)]);
    let told = real_server(&director, NAME, "10.77.0.11:80");
    assert!(!told.alive && told.why.contains("new disks"), "{told:?}");
    *first.lock().unwrap() = "ready";
    becomes(&[(11, 3), (12, 1)]);
    // A line that is wrong changes nothing; one that is missing takes its server out.
    write("10.77.0.11 80\n10.77.0.12 eighty\n");
    wait_for("the log says so", LONG, || director.log().contains("line 2"));
    becomes(&[(11, 3), (12, 1)]);
    write("10.77.0.12 80 weight 4\n");
    becomes(&[(12, 4)]);
    assert_eq!(answers(4), BTreeMap::from([("web 12".to_owned(), 4)]));
    let plane = director.status().and_then(|s| s.plane).unwrap_or_default();
    assert_eq!((plane.foreign_edits, plane.failed_writes), (0, 0), "{}", tail(&director.log()));
}
