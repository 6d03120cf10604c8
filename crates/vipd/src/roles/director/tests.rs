//! What the director tells, and what its successor goes on from. None of these has a plane: what the kernel gets is tested in
//! the virtual machine.

use super::state::UNCHECKED;
use super::*;
use crate::legacy::Legacy;
use crate::part::{self, Difference};
use crate::supervisor::{Estate, RoleName};
use vipd_config::model::Config;
use vipd_lvs::settings::Protocol;

const TWO: &str = "virtual_server 192.0.2.1 80 {
    protocol TCP
    real_server 10.0.0.1 80 {
        weight 1
        TCP_CHECK {
        }
    }
    real_server 10.0.0.2 80 {
        weight 2
        TCP_CHECK {
        }
    }
}
";

struct Stage {
    director: Director,
    config: Config,
    told: Receiver,
    kept: Kept,
}

/// What a supervisor keeps for a successor.
#[derive(Clone, Default)]
struct Kept {
    snapshot: Option<Legacy>,
    known: Estate,
    /// The virtual servers of which something was said.
    touched: BTreeSet<VirtualServerId>,
}

/// Whether a successor was told of something new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keeps {
    Something,
    Nothing,
}

impl Stage {
    async fn new(text: &str, kept: &Kept) -> Stage {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut director = Director::new(channel::split(ours).1);
        // The table of the machine that tests are run on is nobody's to edit.
        director.ask_again = Some(Instant::now() + Duration::from_secs(100_000));
        let kept = kept.clone();
        let mut stage = Stage { director, config: Config::default(), told: channel::split(theirs).0, kept };
        stage.configure(text).await;
        stage
    }

    async fn configure(&mut self, text: &str) {
        let loaded = vipd_config::load_str("test", text, &vipd_config::Options::default());
        let old = std::mem::replace(&mut self.config, loaded.config.unwrap());
        for part in part::next(RoleName::Director, &old, &self.config, &Difference::between(&old, &self.config)) {
            let options = RoleOptions { keep_ipvs: true, ..RoleOptions::default() };
            let first = !self.director.configured;
            let snapshot = self.kept.snapshot.clone().filter(|_| first);
            let known = if first { self.kept.known.all() } else { message::Known::new() };
            let configure = Configure { part, snapshot, known, last_seen: 0, options };
            self.director.configure(configure).await.unwrap();
        }
    }

    async fn judge(&mut self, verdicts: &[(u8, bool)]) {
        let verdicts = verdicts.iter().map(|(n, alive)| Verdict {
            service: VirtualServerId("[192.0.2.1]:tcp:80".to_owned()),
            address: SocketAddr::from(([10, 0, 0, *n], 80)),
            alive: *alive,
            weight: None,
            why: "a check says so".to_owned(),
            at: 1.0,
        });
        self.director.judge(verdicts.collect()).await.unwrap();
    }

    /// What was told of servers and quorums, in short, and whether a successor was told something, which must come before.
    async fn told(&mut self) -> (Vec<String>, Keeps) {
        self.director.sender.send(&FromRole::Beat(0)).await.unwrap();
        let (mut news, mut keeps) = (Vec::new(), Keeps::Nothing);
        loop {
            match self.told.next().await.unwrap().unwrap() {
                FromRole::News(more) => news.extend(more.iter().map(|News { about, up, .. }| match about {
                    About::RealServer(address) => format!("{address} {up}"),
                    About::FirstServer(address) => format!("first {address} {up}"),
                    About::Quorum => format!("quorum {up}"),
                    About::FirstQuorum => format!("first quorum {up}"),
                })),
                FromRole::Snapshot(value) => {
                    assert!(news.is_empty(), "news before what they rest on: {news:?}");
                    (self.kept.snapshot, keeps) = (Some(value), Keeps::Something);
                }
                FromRole::Known(known) => {
                    assert!(news.is_empty(), "news before what they rest on: {news:?}");
                    self.kept.touched.extend(known.iter().map(|known| known.service.clone()));
                    self.kept.known.put(known);
                    keeps = Keeps::Something;
                }
                FromRole::KnownServers(known) => {
                    assert!(news.is_empty(), "news before what they rest on: {news:?}");
                    self.kept.touched.extend(known.iter().map(|(id, _)| id.clone()));
                    self.kept.known.add(known);
                    keeps = Keeps::Something;
                }
                FromRole::Beat(0) => return (news, keeps),
                FromRole::Ready => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_successor_goes_on_in_silence() {
    run(async {
        let mut stage = Stage::new(TWO, &Kept::default()).await;
        let begins = vec!["first quorum true".to_owned()];
        assert_eq!(stage.told().await, (begins, Keeps::Something), "a script may be what brings the traffic here");
        stage.judge(&[(1, true), (2, false)]).await;
        assert_eq!(stage.told().await, (vec!["10.0.0.2:80 false".to_owned()], Keeps::Something));
        let kept = stage.kept.clone();
        let mut successor = Stage::new(TWO, &kept).await;
        successor.judge(&[(1, true), (2, false)]).await;
        assert_eq!(successor.told().await.0, [""; 0], "old news");
        assert_eq!(successor.director.states, stage.director.states);
        assert_eq!(successor.director.desired(), stage.director.desired());
        // What happened meanwhile is news.
        let mut successor = Stage::new(TWO, &kept).await;
        successor.judge(&[(1, false), (2, false)]).await;
        assert_eq!(successor.told().await.0, ["10.0.0.1:80 false", "quorum false"]);
        let mut third = Stage::new(TWO, &successor.kept).await;
        third.judge(&[(1, false), (2, false)]).await;
        assert_eq!(third.told().await.0, [""; 0]);
        // One that can't read its predecessor's memory starts like the first.
        let unreadable = || Legacy::raw(&[7]);
        let mut broken = Kept { snapshot: Some(unreadable()), ..Kept::default() };
        let each = kept.known.all().into_iter();
        broken.known.put(each.map(|known| message::KnownService { whole: unreadable(), ..known }).collect());
        let mut anew = Stage::new(TWO, &broken).await;
        assert_eq!(anew.told().await.0, ["first quorum true"]);
        anew.judge(&[(2, false)]).await;
        assert_eq!(anew.told().await.0, ["10.0.0.2:80 false"]);
    });
}

#[test]
fn a_service_without_a_quorum_yet_says_nothing() {
    run(async {
        let mut stage = Stage::new(&TWO.replace("protocol TCP", "protocol TCP\n alpha"), &Kept::default()).await;
        assert_eq!(stage.told().await.0, [""; 0]);
        stage.judge(&[(1, true)]).await;
        assert_eq!(stage.told().await.0, ["10.0.0.1:80 true", "quorum true"]);
    });
}

#[test]
fn omega_tells_of_what_goes() {
    run(async {
        let omega = TWO.replace("protocol TCP", "protocol TCP\n omega");
        let servers = ["10.0.0.1:80 false", "10.0.0.2:80 false", "quorum false"];
        for (words, goes, expected) in [
            ("", true, &servers[..]),
            ("lvs_flush_on_stop VS", true, &servers[2..]),
            ("lvs_flush_on_stop", true, &servers[2..]),
            ("", false, &[]),
        ] {
            let mut stage = Stage::new(&format!("global_defs {{\n{words}\n}}\n{omega}"), &Kept::default()).await;
            stage.told().await;
            stage.director.options.keep_ipvs = !goes;
            stage.director.say_good_bye().await.unwrap();
            assert_eq!(stage.told().await.0, expected, "{words}");
        }
    });
}

#[test]
fn a_reload_that_changes_the_quorum_says_so() {
    run(async {
        let mut stage = Stage::new(TWO, &Kept::default()).await;
        stage.told().await;
        stage.judge(&[(2, false)]).await;
        stage.told().await;
        let more = TWO.replace("protocol TCP", "protocol TCP\n quorum 2");
        stage.configure(&more).await;
        assert_eq!(stage.told().await.0, ["quorum false"]);
        let mut successor = Stage::new(&more, &stage.kept).await;
        assert_eq!(successor.told().await.0, [""; 0]);
        stage.configure(TWO).await;
        assert_eq!(stage.told().await.0, ["quorum true"]);
        stage.configure(TWO).await;
        assert_eq!(stage.told().await.0, [""; 0]);
    });
}

#[test]
fn what_a_reload_removes_is_told_as_down_if_it_was_up() {
    run(async {
        let mut stage = Stage::new(TWO, &Kept::default()).await;
        stage.told().await;
        stage.judge(&[(2, false)]).await;
        stage.told().await;
        let third = "real_server 10.0.0.3 80 {\n}\n";
        let at = TWO.find("real_server").unwrap();
        let more = format!("{}{third}{}", &TWO[..at], &TWO[at..]);
        stage.configure(&more).await;
        assert_eq!(stage.told().await.0, [""; 0], "what a reload adds is no event");
        stage.configure(TWO).await;
        assert_eq!(stage.told().await.0, ["10.0.0.3:80 false"]);
        let other = "virtual_server 192.0.2.9 80 {\nprotocol TCP\nreal_server 10.0.0.9 80 {\n}\n}\n";
        let kept = stage.kept.clone();
        stage.configure(other).await;
        let gone = ["10.0.0.1:80 false", "quorum false", "first quorum true"];
        assert_eq!(stage.told().await.0, gone, "the second was down before, and the new service has what it needs");
        // The same if nobody was there to tell it when the reload was.
        assert_eq!(Stage::new(other, &kept).await.told().await.0, gone);
    });
}

#[test]
fn a_server_that_is_no_longer_checked_is_in_use() {
    run(async {
        let mut stage = Stage::new(TWO, &Kept::default()).await;
        stage.told().await;
        stage.judge(&[(1, true), (2, false)]).await;
        stage.told().await;
        let unchecked = TWO.replace("        TCP_CHECK {\n        }\n", "");
        stage.configure(&unchecked).await;
        assert_eq!(stage.told().await.0, ["10.0.0.2:80 true"]);
        let known = &stage.director.states.values().next().unwrap().servers;
        assert!(known.iter().all(|(_, known)| known.alive && known.why == UNCHECKED), "{known:?}");
        // And stays so when it is checked again, until that says otherwise.
        stage.configure(TWO).await;
        assert_eq!(stage.told().await.0, [""; 0]);
        // Without checks `alpha` has nothing to wait for.
        let alpha = unchecked.replace("protocol TCP", "protocol TCP\n alpha");
        let stage = Stage::new(&alpha, &Kept::default()).await;
        assert_eq!(stage.director.states.values().next().unwrap().quorum, Quorum::Up);
    });
}

#[test]
fn a_memory_is_told_only_when_it_is_new() {
    run(async {
        let mut stage = Stage::new(TWO, &Kept::default()).await;
        assert_eq!(stage.told().await.1, Keeps::Something);
        stage.configure(TWO).await;
        assert_eq!(stage.told().await.1, Keeps::Nothing);
        stage.judge(&[(1, true)]).await;
        assert_eq!(stage.told().await.1, Keeps::Something, "why it is alive is new");
        stage.judge(&[(1, true)]).await;
        assert_eq!(stage.told().await.1, Keeps::Nothing);
    });
}

#[test]
fn of_many_virtual_servers_a_verdict_touches_one() {
    run(async {
        let other = TWO.replace("192.0.2.1", "192.0.2.7");
        let mut stage = Stage::new(&(TWO.to_owned() + &other), &Kept::default()).await;
        stage.told().await;
        stage.kept = Kept::default();
        stage.judge(&[(1, false)]).await;
        stage.told().await;
        assert_eq!(stage.kept.touched.into_iter().map(|id| id.0).collect::<Vec<_>>(), ["[192.0.2.1]:tcp:80"]);
        assert!(stage.kept.snapshot.is_none());
    });
}

#[test]
fn both_families_of_a_mark_have_states_of_their_own() {
    run(async {
        let both = "virtual_server fwmark 3 {\nip_family inet\nreal_server 10.0.0.1 {\n}\n}\n\
                    virtual_server fwmark 3 {\nip_family inet6\nreal_server 2001:db8::1 {\n}\n}\n";
        let stage = Stage::new(both, &Kept::default()).await;
        assert_eq!(stage.director.states.len(), 2);
        let servers: Vec<usize> = stage.director.desired().values().map(|s| s.servers.len()).collect();
        assert_eq!(servers, [1, 1]);
    });
}

#[test]
fn a_server_of_a_group_of_ports_is_counted_under_each() {
    run(async {
        let text = "virtual_server_group WEB {\n192.0.2.1 80\n192.0.2.1 8080\n}\n\
                    virtual_server group WEB {\nprotocol TCP\nlvs_method KIND\nreal_server 10.0.0.1 80 {\n}\n}\n";
        let counted = |port: u16, server: u16| {
            let key = ServiceKey::Address { protocol: Protocol::Tcp, address: [192, 0, 2, 1].into(), port };
            let servers = [(SocketAddr::from(([10, 0, 0, 1], server)), counted_server())];
            (key, Counted { connections: 5, servers: servers.into(), ..Counted::default() })
        };
        for (kind, ports) in [("DR", [80, 8080]), ("TUN", [80, 8080]), ("NAT", [80, 80])] {
            let stage = Stage::new(&text.replace("KIND", kind), &Kept::default()).await;
            let all = BTreeMap::from([counted(80, ports[0]), counted(8080, ports[1])]);
            let status = stage.director.service_status(&stage.config.services[0].lvs, &all);
            let server = &status.real_servers[0];
            assert_eq!((status.connections, server.connections, server.active_connections), (10, 10, 4), "{kind}");
            assert_eq!(server.weight, Some(1));
        }
    });
}

fn counted_server() -> plane::CountedServer {
    plane::CountedServer { weight: 1, active: 2, inactive: 3, connections: 5 }
}

#[test]
fn a_large_table_is_compared_more_rarely_but_every_five_minutes() {
    let period = |services: usize, servers: usize| {
        let servers: String =
            (0..servers).map(|n| format!("real_server 10.0.{}.{} 80 {{\n}}\n", n / 250, n % 250)).collect();
        let service = |n| format!("virtual_server 192.0.{}.{} 80 {{\n protocol TCP\n{servers}}}\n", n / 250, n % 250);
        let text: String = (0..services).map(service).collect();
        let config = vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap();
        let services: Vec<VirtualServer> = config.services.iter().map(|s| s.lvs.clone()).collect();
        reconcile_period(services.iter()).as_secs()
    };
    assert_eq!([period(0, 0), period(80, 4), period(160, 4), period(1000, 40)], [5, 5, 10, 300]);
}

#[test]
fn servers_that_are_in_use_from_the_start_are_told_of_where_that_is_wanted() {
    run(async {
        let text = |servers: &str, words: &str| {
            format!(
                "global_defs {{\n rs_init_notifies\n}}\n{}",
                TWO.replace("protocol TCP", &format!("protocol TCP\n {words}\n {servers}"))
            )
        };
        let mut stage = Stage::new(&text("", ""), &Kept::default()).await;
        let first = ["first 10.0.0.1:80 true", "first 10.0.0.2:80 true", "first quorum true"];
        assert_eq!(stage.told().await.0, first);
        stage.judge(&[(1, true), (2, false)]).await;
        assert_eq!(stage.told().await.0, ["10.0.0.2:80 false"]);
        // A reload tells of those that it brings alone, and a successor of none.
        let third = "real_server 10.0.0.3 80 {\n}\n";
        stage.configure(&text(third, "")).await;
        assert_eq!(stage.told().await.0, ["first 10.0.0.3:80 true"]);
        assert_eq!(Stage::new(&text(third, ""), &stage.kept).await.told().await.0, [""; 0]);
        // With `alpha` there are none, and what comes then is told as ever.
        let mut stage = Stage::new(&text("", "alpha"), &Kept::default()).await;
        assert_eq!(stage.told().await.0, [""; 0]);
        stage.judge(&[(1, true)]).await;
        assert_eq!(stage.told().await.0, ["10.0.0.1:80 true", "quorum true"]);
    });
}

/// What the kernel would hold of the servers: the last byte of the address, and the weight.
fn weights(stage: &Stage) -> Vec<(u8, u32)> {
    let table = stage.director.desired();
    let servers = table.values().flat_map(|service| &service.servers);
    let last = |address: &SocketAddr| match address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    };
    servers.map(|(address, server)| (last(address), server.weight)).collect()
}

impl Stage {
    /// Time goes on by itself: what is due in so many seconds is looked at now.
    fn later(&mut self, seconds: u64) {
        self.director.grow(monotonic() + Duration::from_secs(seconds));
    }

    fn shares(&self) -> Vec<Option<u32>> {
        let status = self.director.service_status(&self.config.services[0].lvs, &BTreeMap::new());
        status.real_servers.iter().map(|real| real.slow_start).collect()
    }
}

fn slow(text: &str) -> String {
    text.replace("protocol TCP", "protocol TCP\n slow_start 1900")
}

#[test]
fn a_server_that_comes_back_grows_and_the_others_stay_what_they_are_to_each_other() {
    run(async {
        let mut stage = Stage::new(&slow(TWO), &Kept::default()).await;
        stage.told().await;
        assert_eq!((weights(&stage), stage.director.wake()), (vec![(1, 1), (2, 2)], None), "at the start all begin");
        stage.judge(&[(1, true), (2, true)]).await;
        assert_eq!(weights(&stage), [(1, 1), (2, 2)]);
        stage.told().await;
        stage.judge(&[(1, false)]).await;
        assert_eq!(weights(&stage), [(2, 2)]);
        stage.told().await;
        stage.judge(&[(1, true)]).await;
        assert_eq!((weights(&stage), stage.shares()), (vec![(1, 1), (2, 40)], vec![Some(5), None]));
        // The whole of its weight counts for the quorum.
        assert_eq!(stage.director.states.values().next().unwrap().live, 3);
        let wake = stage.director.wake().unwrap() - Instant::now();
        assert!(wake > Duration::from_secs(98) && wake < Duration::from_secs(101), "{wake:?}");
        stage.later(0);
        assert_eq!(weights(&stage), [(1, 1), (2, 40)], "nothing is due");
        stage.later(905);
        assert_eq!((weights(&stage), stage.shares()), (vec![(1, 10), (2, 40)], vec![Some(50), None]));
        // A successor goes on from there, and so does a reload that leaves it alone.
        stage.told().await;
        let mut successor = Stage::new(&slow(TWO), &stage.kept).await;
        assert_eq!(weights(&successor), [(1, 1), (2, 40)], "for it no time has passed");
        successor.later(905);
        assert_eq!(weights(&successor), [(1, 10), (2, 40)]);
        successor.configure(&slow(TWO).replace("weight 2", "weight 3")).await;
        successor.later(905);
        assert_eq!(weights(&successor), [(1, 10), (2, 60)]);
        successor.configure(TWO).await;
        assert_eq!((weights(&successor), successor.director.wake()), (vec![(1, 1), (2, 2)], None));
        // One that fails meanwhile begins anew; in the end weights are those of the file.
        stage.judge(&[(1, false)]).await;
        assert_eq!((weights(&stage), stage.director.wake()), (vec![(2, 2)], None));
        stage.judge(&[(1, true)]).await;
        stage.later(95);
        assert_eq!(weights(&stage), [(1, 1), (2, 40)]);
        stage.later(1901);
        assert_eq!((weights(&stage), stage.director.wake()), (vec![(1, 1), (2, 2)], None));
    });
}

#[test]
fn whoever_comes_new_to_others_grows_and_those_that_come_together_do_not() {
    run(async {
        let alpha = slow(TWO).replace("protocol TCP", "protocol TCP\n alpha");
        let mut stage = Stage::new(&alpha, &Kept::default()).await;
        // The daemon starts: all of them come within the time of a check.
        stage.judge(&[(1, true)]).await;
        stage.judge(&[(2, true)]).await;
        assert_eq!(weights(&stage), [(1, 1), (2, 2)]);
        let third = "real_server 10.0.0.3 80 {\n weight 4\n}\n";
        let at = alpha.find("real_server").unwrap();
        let more = format!("{}{third}{}", &alpha[..at], &alpha[at..]);
        stage.configure(&more).await;
        assert_eq!(weights(&stage), [(1, 5), (2, 10), (3, 1)]);
        // Drained and ready again, or without a weight for a while.
        stage.later(2000);
        assert_eq!(weights(&stage), [(1, 1), (2, 2), (3, 4)]);
        stage.configure(&more.replace("weight 4", "weight 0")).await;
        assert_eq!(weights(&stage), [(1, 1), (2, 2), (3, 0)]);
        stage.configure(&more).await;
        assert_eq!(weights(&stage), [(1, 5), (2, 10), (3, 1)]);
        // All others go at once, and new ones come: none of them is slower than another.
        stage.configure(&slow(TWO).replace("10.0.0.", "10.0.1.")).await;
        assert_eq!((weights(&stage), stage.director.wake()), (vec![(1, 1), (2, 2)], None));
        // One that failed before it ever passed comes back to the others.
        let mut late = Stage::new(&alpha, &Kept::default()).await;
        late.judge(&[(1, false), (2, true)]).await;
        late.judge(&[(1, true)]).await;
        assert_eq!(weights(&late), [(1, 1), (2, 40)]);
        // A sorry server that leaves: they begin together.
        let sorry = slow(TWO).replace("protocol TCP", "protocol TCP\n quorum 3\n sorry_server 10.0.0.9 80");
        let mut stage = Stage::new(&sorry, &Kept::default()).await;
        stage.judge(&[(1, false), (2, false)]).await;
        stage.judge(&[(2, true)]).await;
        assert_eq!(weights(&stage), [(9, 1)]);
        stage.judge(&[(1, true)]).await;
        assert_eq!((weights(&stage), stage.director.wake()), (vec![(1, 1), (2, 2)], None));
    });
}

#[test]
fn a_weight_that_a_check_asks_for_grows_as_well() {
    run(async {
        let mut stage = Stage::new(&slow(TWO), &Kept::default()).await;
        let verdict = |alive, weight| Verdict {
            service: VirtualServerId("[192.0.2.1]:tcp:80".to_owned()),
            address: SocketAddr::from(([10, 0, 0, 1], 80)),
            alive,
            weight,
            why: format!("{alive} {weight:?}"),
            at: 1.0,
        };
        stage.director.judge(vec![verdict(true, Some(0))]).await.unwrap();
        assert_eq!(weights(&stage), [(1, 0), (2, 2)]);
        stage.director.judge(vec![verdict(true, Some(10))]).await.unwrap();
        assert_eq!(weights(&stage), [(1, 1), (2, 4)]);
        // What it asks for meanwhile is shared out as well, from where it is.
        stage.later(905);
        stage.director.judge(vec![verdict(true, Some(30))]).await.unwrap();
        assert_eq!(weights(&stage).len(), 2);
        stage.later(905);
        assert_eq!(weights(&stage), [(1, 15), (2, 2)]);
        stage.later(1901);
        assert_eq!(weights(&stage), [(1, 30), (2, 2)]);
    });
}
