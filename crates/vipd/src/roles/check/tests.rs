//! What the role keeps when it is configured anew, and what a successor takes over.

use super::*;
use crate::message::{Known, RoleOptions};
use crate::part::{self, Difference};
use crate::supervisor::{Estate, RoleName};
use vipd_config::model::Config;

const ONE: &str = "virtual_server 192.0.2.1 80 {
    delay_loop 10
    protocol TCP
    real_server 10.0.0.1 80 {
        TCP_CHECK {
        }
    }
}
";

/// A role with its other ends, configured by `text`.
struct Stage {
    role: Role,
    config: Config,
    told: Receiver,
    known: Estate,
    _results: mpsc::Receiver<Ran>,
}

impl Stage {
    async fn new(text: &str, known: Known) -> Stage {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (results, queue) = mpsc::channel(16);
        let role = Role::new(channel::split(ours).1, results, mpsc::channel(8).0);
        let config = Config::default();
        let mut stage =
            Stage { role, config, told: channel::split(theirs).0, known: Estate::default(), _results: queue };
        stage.configure(text, known).await;
        stage
    }

    async fn configure(&mut self, text: &str, known: Known) {
        let loaded = vipd_config::load_str("test", text, &vipd_config::Options::default());
        let config = loaded.config.unwrap();
        let old = std::mem::replace(&mut self.config, config);
        for part in part::next(RoleName::Check, &old, &self.config, &Difference::between(&old, &self.config)) {
            let (known, options) = (known.clone(), RoleOptions::default());
            let configure = Configure { part, snapshot: None, known, last_seen: 0, options };
            self.role.configure(configure).await.unwrap();
        }
        while !self.role.owed.is_empty() {
            self.role.tell_owed().await.unwrap();
        }
    }

    /// The verdict on the only server that it told last.
    async fn verdict(&mut self) -> (bool, String) {
        loop {
            if let FromRole::Verdicts(verdicts) = self.hear().await {
                let [verdict] = &verdicts[..] else { panic!("{verdicts:?}") };
                return (verdict.alive, verdict.why.clone());
            }
        }
    }

    /// What the only server is said to be by now.
    fn alive(&self) -> bool {
        self.role.told.values().all(|(alive, _, _)| *alive)
    }

    async fn hear(&mut self) -> FromRole {
        let message = self.told.next().await.unwrap().unwrap();
        match &message {
            FromRole::Known(known) => self.known.put(known.clone()),
            FromRole::KnownServers(known) => self.known.add(known.clone()),
            _ => {}
        }
        message
    }

    /// The check at this place ends a run.
    async fn ran(&mut self, place: usize, outcome: Outcome) {
        let serial = self.serials()[place];
        let run = self.begin(place);
        self.role.ran(serial, run, outcome);
        self.role.tell().await.unwrap();
    }

    fn begin(&mut self, place: usize) -> u64 {
        let serial = self.serials()[place];
        self.role.due.remove(&(self.role.checks[&serial].health.wake(), serial));
        self.role.begin(serial).unwrap()
    }

    fn serials(&self) -> Vec<u64> {
        self.role.servers.values().flatten().copied().collect()
    }

    /// What a successor gets; and of which virtual servers that was told in the last message.
    async fn known(&mut self) -> (Known, Vec<VirtualServerId>) {
        self.role.keep_at = Some(Duration::ZERO);
        self.role.due.clear(); // no probe is sent
        self.role.work().await.unwrap();
        self.role.sender.send(&FromRole::Beat(0)).await.unwrap();
        let mut last = Vec::new();
        loop {
            match self.hear().await {
                FromRole::Known(known) => last = known.into_iter().map(|known| known.service).collect(),
                FromRole::KnownServers(known) => last = known.into_iter().map(|(id, _)| id).collect(),
                FromRole::Beat(_) => return (self.known.all(), last),
                _ => {}
            }
        }
    }
}

fn fail() -> Outcome {
    Outcome::Fail { why: "refused".to_owned() }
}

fn pass() -> Outcome {
    Outcome::Pass { detail: "connected".to_owned(), weight: None }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn the_dead_stay_dead_whatever_a_reload_changes() {
    run(async {
        for (from, to) in [
            ("delay_loop 10", "delay_loop 5"),
            ("TCP_CHECK {", "TCP_CHECK {\n retry 7"),
            ("TCP_CHECK {", "TCP_CHECK {\n connect_port 81"),
            ("TCP_CHECK {", "TCP_CHECK {\n }\n HTTP_GET {\n url {\n path /\n }"),
            ("TCP_CHECK {", "HTTP_GET {\n url {\n path /\n }"),
        ] {
            let mut stage = Stage::new(ONE, Known::new()).await;
            assert_eq!(stage.verdict().await, (true, "not checked yet".to_owned()));
            stage.ran(0, fail()).await;
            assert_eq!(stage.verdict().await, (false, "refused".to_owned()));
            let (known, _) = stage.known().await;
            let text = ONE.replace(from, to);
            stage.configure(&text, Known::new()).await;
            assert!(!stage.alive(), "{to}");
            // A successor that starts with the new configuration knows as much.
            let mut successor = Stage::new(&text, known).await;
            assert!(!successor.verdict().await.0, "{to}, after a restart");
            // And each comes back as soon as its checks pass.
            for stage in [&mut stage, &mut successor] {
                for place in 0..stage.serials().len() {
                    stage.ran(place, pass()).await;
                }
                while !stage.verdict().await.0 {}
            }
        }
    });
}

#[test]
fn the_living_stay_alive_when_a_reload_brings_alpha() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        stage.verdict().await;
        stage.ran(0, pass()).await;
        stage.verdict().await;
        for text in [
            ONE.replace("TCP_CHECK {", "alpha\n TCP_CHECK {"),
            ONE.replace("TCP_CHECK {", "alpha\n TCP_CHECK {\n }\n TCP_CHECK {\n connect_port 81"),
        ] {
            stage.configure(&text, Known::new()).await;
            assert!(stage.alive(), "{text}");
        }
        // A server that is new is none of that.
        stage
            .configure(&ONE.replace("10.0.0.1", "10.0.0.2").replace("TCP_CHECK {", "alpha\n TCP_CHECK {"), Known::new())
            .await;
        assert!(!stage.alive());
    });
}

#[test]
fn a_run_under_way_counts_if_it_asks_what_the_new_check_asks() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        let run = stage.begin(0);
        let before = stage.serials();
        stage.configure(&ONE.replace("delay_loop 10", "delay_loop 5"), Known::new()).await;
        assert_eq!(stage.serials(), before, "only the pace is another");
        assert!(stage.role.checks[&before[0]].running == Some(run) && stage.role.due.is_empty());
        stage.configure(&ONE.replace("TCP_CHECK {", "TCP_CHECK {\n connect_port 81"), Known::new()).await;
        let after = stage.serials();
        assert_ne!(after, before, "another target");
        assert!(stage.role.checks[&after[0]].running.is_none() && stage.role.due.len() == 1);
        stage.role.ran(before[0], run, fail());
        stage.role.tell().await.unwrap();
        assert!(stage.role.checks[&after[0]].health.up(), "the answer was for another");
    });
}

#[test]
fn what_a_successor_needs_is_kept_before_the_verdict_that_rests_on_it() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        stage.verdict().await;
        stage.ran(0, fail()).await;
        while !matches!(stage.hear().await, FromRole::Verdicts(_)) {}
        let kept = stage.known.all();
        let mut successor = Stage::new(ONE, kept).await;
        assert!(!successor.verdict().await.0);
    });
}

#[test]
fn a_successor_is_told_of_many_in_pieces_and_then_only_of_what_changed() {
    run(async {
        let service = |n| {
            let one = ONE.replace("192.0.2.1", &format!("192.0.{}.{}", n / 250, n % 250 + 1));
            one.replace("10.0.0.1", &format!("10.0.{}.{}", n / 250, n % 250 + 1)) // each is asked by itself
        };
        let text: String = (0..1000).map(service).collect();
        let mut stage = Stage::new(&text, Known::new()).await;
        while !stage.role.unkept.is_empty() {
            let (_, piece) = stage.known().await;
            assert!(piece.len() <= PIECE);
        }
        assert_eq!(stage.known.all().len(), 1000);
        assert!(stage.role.keep_at.is_none());
        let failed = stage.role.checks[&stage.serials()[7]].servers.first().unwrap().0.clone();
        stage.ran(7, fail()).await;
        let (known, piece) = stage.known().await;
        assert_eq!(piece, [failed]);
        let successor = Stage::new(&text, known).await;
        let dead = successor.role.told.values().filter(|(alive, _, _)| !alive).count();
        assert_eq!((successor.role.told.len(), dead), (1000, 1));
    });
}

#[test]
fn failures_that_are_tolerated_are_known_to_a_successor() {
    run(async {
        let text = ONE.replace("TCP_CHECK {", "retry 1\n TCP_CHECK {");
        let mut stage = Stage::new(&text, Known::new()).await;
        stage.ran(0, pass()).await;
        stage.ran(0, fail()).await;
        assert!(stage.role.checks.values().all(|check| check.health.up()));
        let (known, _) = stage.known().await;
        let mut successor = Stage::new(&text, known).await;
        assert!(successor.verdict().await.0);
        successor.ran(0, fail()).await;
        assert!(!successor.verdict().await.0, "it has failed twice");
    });
}

/// Two virtual servers that a role gets in two pieces, and what it tells of the one in the first.
#[test]
fn what_a_check_finds_between_two_pieces_of_a_configuration_is_the_last_that_is_told() {
    run(async {
        let mut stage = Stage::new("", Known::new()).await;
        let text = ONE.to_owned() + &ONE.replace("192.0.2.1", "192.0.2.2");
        let config = vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap();
        let first = config.services[0].lvs.id.clone();
        for (at, more) in [(0, true), (1, false)] {
            let mut part = part::first(RoleName::Check, &config).remove(0);
            part.config.services = vec![config.services[at].clone()];
            part.more = more;
            let (known, options) = (Known::new(), RoleOptions::default());
            stage.role.configure(Configure { part, snapshot: None, known, last_seen: 0, options }).await.unwrap();
            if more {
                stage.ran(0, fail()).await;
            }
        }
        while !stage.role.owed.is_empty() {
            stage.role.tell_owed().await.unwrap();
        }
        stage.role.sender.send(&FromRole::Beat(0)).await.unwrap();
        let mut told = Vec::new();
        loop {
            match stage.hear().await {
                FromRole::Verdicts(verdicts) => told.extend(verdicts.into_iter().filter(|v| v.service == first)),
                FromRole::Beat(_) => break,
                _ => {}
            }
        }
        assert!(told.last().is_some_and(|verdict| !verdict.alive), "{told:?}");
    });
}

#[test]
fn a_reload_that_changes_nothing_for_a_server_tells_nothing_of_it() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        stage.verdict().await;
        stage.ran(0, fail()).await;
        stage.verdict().await;
        stage.configure(&ONE.replace("delay_loop 10", "delay_loop 5"), Known::new()).await;
        stage.role.sender.send(&FromRole::Beat(0)).await.unwrap();
        loop {
            match stage.hear().await {
                FromRole::Verdicts(verdicts) => panic!("{verdicts:?}"),
                FromRole::Beat(_) => break,
                _ => {}
            }
        }
    });
}

#[test]
fn a_server_follows_a_bfd_session() {
    run(async {
        let text = |name: &str, alpha: &str| {
            let check = format!("BFD_CHECK {{\n name {name}\n {alpha}\n }}");
            let sessions =
                "bfd_instance one {\n neighbor_ip 192.0.2.8\n}\nbfd_instance two {\n neighbor_ip 192.0.2.9\n}\n";
            format!("{sessions}{}", ONE.replace("TCP_CHECK {\n        }", &check))
        };
        for (alpha, at_first) in [("", true), ("alpha", false)] {
            let mut stage = Stage::new(&text("one", alpha), Known::new()).await;
            assert_eq!(stage.verdict().await.0, at_first, "{alpha}");
            // Told of again, and of another one: nothing new.
            for (sessions, expected) in [
                (vec![("two", false)], None),
                (vec![("one", true)], Some((true, "BFD session one is up"))),
                (vec![("one", true), ("two", false)], None),
                (vec![("one", false)], Some((false, "BFD session one is down"))),
                (vec![("one", true), ("two", false)], Some((true, "BFD session one is up"))),
            ] {
                let sessions = sessions.into_iter().map(|(name, up)| (name.to_owned(), up)).collect();
                stage.role.handle(ToRole::Sessions(sessions)).await.unwrap();
                match expected {
                    Some((alive, why)) => assert_eq!(stage.verdict().await, (alive, why.to_owned())),
                    None => assert!(stage.role.changed.is_empty()),
                }
            }
            // The next regular run, whenever it comes, says the same; so does a reload; another session is another matter.
            let serial = stage.serials()[0];
            stage.role.checks.get_mut(&serial).unwrap().running = None;
            let permit = Arc::clone(&stage.role.probes).try_acquire_owned().unwrap();
            stage.role.start(serial, permit).await.unwrap();
            assert!(stage.alive());
            stage.configure(&text("one", alpha).replace("delay_loop 10", "delay_loop 5"), Known::new()).await;
            assert!(stage.alive());
            stage.configure(&text("two", alpha), Known::new()).await;
            assert_eq!(stage.verdict().await, (false, "BFD session two is down".to_owned()));
        }
    });
}

#[test]
fn a_server_follows_files() {
    run(async {
        let text = |checks: &str| {
            let files = "track_file load {\n file /run/load\n}\ntrack_file out {\n file /run/out\n weight 0\n}\n";
            format!("{files}{}", ONE.replace("TCP_CHECK {\n        }", checks))
        };
        let (load, out) = ("FILE_CHECK {\n track_file load\n weight 2\n }", "FILE_CHECK {\n track_file out\n }");
        let mut stage = Stage::new(&text(&format!("{load}\n{out}")), Known::new()).await;
        assert!(stage.verdict().await.0, "as long as nothing was read");
        let server = stage.role.servers.keys().next().unwrap().clone();
        let configured = i64::from(stage.role.weights[&server]);
        for (name, value, alive, adds) in [
            ("load", 5, true, 10),
            ("load", -2, true, -4),
            ("out", 1, false, -4),
            ("load", 3, false, 6),
            ("out", 0, true, 6),
            ("other", 7, true, 6),
        ] {
            stage.role.handle(ToRole::File { name: name.to_owned(), value }).await.unwrap();
            let (is_alive, weight, why) = stage.role.told[&server].clone();
            let expected = u32::try_from((configured + adds).max(0)).unwrap();
            assert_eq!((is_alive, weight), (alive, Some(expected)), "{name} says {value}: {why}");
        }
        // A reload keeps what is known, and asks the file for what it says under the new weight.
        stage.configure(&text("FILE_CHECK {\n track_file load\n weight 3\n }"), Known::new()).await;
        let (_, weight, why) = stage.role.told[&server].clone();
        assert_eq!(weight, Some(u32::try_from(configured + 9).unwrap()), "{why}");
    });
}

fn page(lines: &str) -> String {
    ONE.replace("TCP_CHECK {", &format!("HTTP_GET {{\nurl {{\npath /\n{lines}\n}}"))
}

#[tokio::test]
async fn a_pattern_is_compiled_once_and_forgotten_with_its_last_check() {
    let mut stage = Stage::new(&page("regex up"), Known::new()).await;
    let probe = |stage: &Stage| stage.role.checks.values().next().unwrap().health.settings().probe.clone();
    let first = probe(&stage);
    let made = stage.role.patterns.of(&first).unwrap();
    let again = stage.role.patterns.of(&first).unwrap();
    let (Some(made), Some(again)) = (&made[0], &again[0]) else { panic!("no pattern") };
    assert!(Arc::ptr_eq(made, again));
    stage.configure(&page("regex up\nregex_options caseless"), Known::new()).await;
    assert!(stage.role.patterns.is_empty());
    let second = probe(&stage);
    assert!(second != first && stage.role.patterns.of(&second).unwrap()[0].is_some());
    stage.configure(ONE, Known::new()).await;
    assert!(stage.role.patterns.is_empty());
}

/// What is to be seen to is said of a server that stays up.
#[tokio::test]
async fn a_notice_leaves_a_server_up() {
    let mut stage = Stage::new(ONE, Known::new()).await;
    let serial = stage.serials()[0];
    let run = stage.begin(0);
    let notice = Some(Notice { text: "its certificate expires in 5 days".to_owned(), about: 1 });
    let outcome = Outcome::Pass { detail: "status 200; its certificate expires in 5 days".to_owned(), weight: None };
    stage.role.probed(Ran { serial, run, outcome, notice: notice.clone() });
    let StatusPart::Check(servers) = stage.role.status() else { panic!("another status") };
    let check = &servers[0].2[0];
    assert!(check.up && check.last.contains("expires in 5 days"), "{}", check.last);
    assert_eq!(stage.role.checks[&serial].notice, notice);
}

/// A virtual server without checks is not this role's; with one it counts as in use until that has failed, `alpha` or not.
#[test]
fn what_was_not_checked_before_stays_in_use_until_a_check_fails() {
    let idle =
        vipd_config::load_str("test", &ONE.replace("TCP_CHECK {\n        }\n", ""), &vipd_config::Options::default());
    let idle = idle.config.unwrap();
    run(async {
        let text = ONE.replace("TCP_CHECK {", "TCP_CHECK {\n alpha");
        let checked = vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap();
        let known = part::newly_checked(&part::idle(&idle), &checked.services);
        assert!(Stage::new(&text, known).await.verdict().await.0, "it was in use");
        assert!(!Stage::new(&text, Known::new()).await.verdict().await.0, "alpha");
    });
}

/// Virtual servers at these addresses, each with the same real server and the same check of it.
fn alike(hosts: &[u8]) -> String {
    hosts.iter().map(|n| ONE.replace("192.0.2.1", &format!("192.0.2.{n}"))).collect()
}

/// How many of the real servers are in use, of how many.
fn in_use(stage: &Stage) -> (usize, usize) {
    (stage.role.told.values().filter(|(alive, _, _)| *alive).count(), stage.role.told.len())
}

#[test]
fn servers_that_are_asked_the_same_share_a_check() {
    run(async {
        let mut stage = Stage::new(&alike(&[1, 2, 3]), Known::new()).await;
        assert_eq!((stage.role.checks.len(), stage.role.due.len(), in_use(&stage)), (1, 1, (3, 3)));
        stage.ran(0, fail()).await;
        assert_eq!(in_use(&stage), (0, 3), "one run takes all three out");
        let (known, _) = stage.known().await;
        let successor = Stage::new(&alike(&[1, 2, 3]), known).await;
        assert_eq!((successor.role.checks.len(), in_use(&successor)), (1, (0, 3)), "a successor knows as much");
        // One of them is asked at another pace from now on, and is as dead as before.
        let text = alike(&[1, 2]) + &alike(&[3]).replace("delay_loop 10", "delay_loop 5");
        stage.configure(&text, Known::new()).await;
        assert_eq!((stage.role.checks.len(), in_use(&stage)), (2, (0, 3)));
        stage.ran(2, pass()).await;
        assert_eq!(in_use(&stage), (1, 3));
        // And again at the pace of the others: what these know counts.
        stage.configure(&alike(&[1, 2, 3]), Known::new()).await;
        assert_eq!((stage.role.checks.len(), in_use(&stage)), (1, (0, 3)));
        // The one that began it goes, the check stays, and one that is new has it, too.
        let serial = stage.serials()[0];
        stage.configure(&alike(&[2, 3, 4]), Known::new()).await;
        assert_eq!((stage.serials(), in_use(&stage)), (vec![serial; 3], (0, 3)));
        stage.ran(0, pass()).await;
        assert_eq!(in_use(&stage), (3, 3));
        stage.configure("", Known::new()).await;
        assert!(stage.role.checks.is_empty() && stage.role.shared.is_empty() && stage.role.due.is_empty());
    });
}

#[test]
fn the_answer_to_a_run_is_for_those_that_share_it_when_it_comes() {
    run(async {
        let mut stage = Stage::new(&alike(&[1, 2]), Known::new()).await;
        let (run, serial) = (stage.begin(0), stage.serials()[0]);
        let text = alike(&[2]) + &alike(&[1]).replace("delay_loop 10", "delay_loop 5") + &alike(&[3]);
        stage.configure(&text, Known::new()).await;
        let own = stage.serials()[0];
        assert_eq!(stage.serials(), [own, serial, serial]);
        assert!(own != serial && stage.role.due.iter().any(|(_, due)| *due == own), "it asks by itself");
        stage.role.ran(serial, run, fail());
        stage.role.tell().await.unwrap();
        assert_eq!(in_use(&stage), (1, 3));
    });
}

#[test]
fn a_run_that_does_not_end_is_an_event_and_a_failure() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        let (run, serial) = (stage.begin(0), stage.serials()[0]);
        stage.role.look_after_runs().await.unwrap();
        assert_eq!(stage.role.checks[&serial].running, Some(run), "it has time");
        let check = stage.role.checks.get_mut(&serial).unwrap();
        let hangs = tokio::spawn(std::future::pending::<()>());
        check.task = Some(hangs.abort_handle());
        check.started = check.started.saturating_sub(late::patience(check.health.settings()) + Duration::from_secs(1));
        stage.role.look_after_runs().await.unwrap();
        let event = loop {
            if let FromRole::Happened(event) = stage.hear().await {
                break event;
            }
        };
        assert_eq!((event.kind.as_str(), event.what.as_str()), ("check", "STUCK"));
        assert_eq!(event.subject, "TCP_CHECK of 10.0.0.1:80 for [192.0.2.1]:tcp:80");
        assert!(hangs.await.unwrap_err().is_cancelled());
        assert!(!stage.role.checks[&serial].health.up(), "who knows nothing of it for so long can't call it well");
        let next = stage.begin(0);
        stage.role.ran(serial, run, fail());
        assert_eq!(stage.role.checks[&serial].running, Some(next), "nobody waits for that answer any more");
        stage.role.ran(serial, next, pass());
        assert!(stage.role.checks[&serial].health.up());
    });
}

#[test]
fn an_agent_is_shared_by_servers_of_the_same_weight_alone() {
    run(async {
        let agent = |text: String| text.replace("TCP_CHECK {", "AGENT_CHECK {\n connect_port 9999");
        let heavy =
            |hosts| agent(alike(hosts)).replace("real_server 10.0.0.1 80 {", "real_server 10.0.0.1 80 {\n weight 5");
        let mut stage = Stage::new(&(agent(alike(&[1, 2])) + &heavy(&[3])), Known::new()).await;
        assert_eq!(stage.role.checks.len(), 2, "half of 5 is not half of 1");
        stage.configure(&heavy(&[1, 2, 3]), Known::new()).await;
        assert_eq!(stage.role.checks.len(), 1);
        // Of another weight it is asked at once: what it said before was a share of the other one.
        stage.ran(0, Outcome::Pass { detail: "50%".to_owned(), weight: Some(3) }).await;
        let (run, serial) = (stage.begin(0), stage.serials()[0]);
        stage.configure(&agent(alike(&[1, 2, 3])), Known::new()).await;
        assert_eq!(stage.role.checks.len(), 1);
        stage.role.ran(serial, run, Outcome::Pass { detail: "100%".to_owned(), weight: Some(5) });
        assert_ne!(stage.serials()[0], serial);
        assert!(stage.role.due.first().is_some_and(|(at, _)| *at <= now()));
    });
}

/// Each of two virtual servers has its own page until a reload gives both the same: what is known of one is not said of the other.
#[test]
fn a_reload_that_makes_checks_alike_hands_no_verdict_on() {
    run(async {
        let get = |host, path| alike(&[host]).replace("TCP_CHECK {", &format!("HTTP_GET {{\nurl {{\npath {path}\n}}"));
        for (one, two) in [(fail(), pass()), (pass(), fail())] {
            let mut stage = Stage::new(&(get(1, "/a") + &get(2, "/b")), Known::new()).await;
            stage.ran(0, one.clone()).await;
            stage.ran(1, two).await;
            let before = stage.role.told.clone();
            stage.configure(&(get(1, "/ok") + &get(2, "/ok")), Known::new()).await;
            let alive = |told: &BTreeMap<Server, Told>| told.values().map(|(alive, _, _)| *alive).collect::<Vec<_>>();
            assert_eq!(alive(&stage.role.told), alive(&before));
            // Once they have run they are as one.
            stage.ran(0, pass()).await;
            stage.ran(1, pass()).await;
            stage.configure(&(get(1, "/ok") + &get(2, "/ok") + &get(3, "/ok")), Known::new()).await;
            assert_eq!(in_use(&stage), (3, 3));
        }
    });
}

#[test]
fn more_checks_than_may_run_at_once_wait_for_their_turn() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        let taken = Arc::clone(&stage.role.probes).try_acquire_many_owned(u32::try_from(PROBES).unwrap()).unwrap();
        let serial = stage.serials()[0];
        stage.role.waiting.push_back(serial);
        stage.role.start_waiting().await.unwrap();
        assert!(stage.role.checks[&serial].running.is_none(), "its time has not begun");
        drop(taken);
        stage.role.start_waiting().await.unwrap();
        assert!(stage.role.checks[&serial].running.is_some() && stage.role.waiting.is_empty());
    });
}

/// 127.0.0.1 is on every host, 198.51.100.1 on none.
#[test]
fn what_is_suspended_rests_until_it_is_needed() {
    run(async {
        let suspended = |stage: &Stage| -> Vec<Option<String>> {
            let StatusPart::Check(all) = stage.role.status() else { panic!("not its part") };
            all.into_iter().flat_map(|(_, _, checks)| checks).map(|check| check.suspended).collect()
        };
        let elsewhere = ONE.replace("192.0.2.1", "198.51.100.1");
        let away = elsewhere.replace("protocol TCP", "protocol TCP\n ha_suspend");
        let here = away.replace("198.51.100.1", "127.0.0.1");
        let why = Some("198.51.100.1 is not on this host".to_owned());
        let mut stage = Stage::new(&away, Known::new()).await;
        assert_eq!(stage.verdict().await, (true, "not checked yet".to_owned()));
        assert_eq!((stage.role.due.len(), suspended(&stage)), (0, vec![why.clone()]));
        stage.configure(&away.replace("delay_loop 10", "delay_loop 5"), Known::new()).await;
        assert_eq!((stage.role.due.len(), suspended(&stage)), (0, vec![why.clone()]));

        // One that shares the check keeps it going for both.
        stage.configure(&format!("{away}{here}"), Known::new()).await;
        assert_eq!((stage.role.checks.len(), suspended(&stage)), (1, vec![None, None]));
        assert!(stage.role.due.first().unwrap().0 <= now(), "at once");
        let run = stage.begin(0);
        stage.configure(&away, Known::new()).await;
        let serial = stage.serials()[0];
        stage.role.ran(serial, run, fail());
        assert!(stage.alive(), "what was under way is for nobody");
        assert_eq!((stage.role.due.len(), suspended(&stage)), (0, vec![why.clone()]));

        // Nor does it run if its turn comes after the other has gone.
        stage.role.waiting.push_back(serial);
        stage.role.start_waiting().await.unwrap();
        assert_eq!((stage.role.checks[&serial].running, stage.role.due.len()), (None, 0));

        // What a predecessor knew stands, and rests as well.
        let (known, _) = stage.known().await;
        let mut successor = Stage::new(&away, known).await;
        assert!(successor.verdict().await.0);
        assert_eq!((successor.role.due.len(), suspended(&successor)), (0, vec![why]));
        stage.configure(&elsewhere, Known::new()).await;
        assert!(stage.role.due.first().unwrap().0 <= now(), "nothing suspends it any more");

        // One address of a group is enough.
        let group = "virtual_server_group G {\n 198.51.100.1 80\n ADDRESS 80\n fwmark 3\n}\n".to_owned();
        let group = group + &away.replace("198.51.100.1 80", "group G");
        for (address, said) in [
            ("127.0.0.1", None),
            ("198.51.100.2", Some("neither 198.51.100.1 nor the group's other address is on this host")),
        ] {
            let stage = Stage::new(&group.replace("ADDRESS", address), Known::new()).await;
            assert_eq!(suspended(&stage), [said.map(str::to_owned)]);
        }
    });
}

/// The check of one that is suspended was last run long ago: a server that was asked meanwhile does not believe it.
#[test]
fn a_reload_takes_no_stale_word_of_a_check_that_rested() {
    run(async {
        let one = ONE.replace("192.0.2.1", "198.51.100.1");
        let away = one.replace("protocol TCP", "protocol TCP\n ha_suspend");
        let mine = ONE.replace("192.0.2.1", "198.51.100.2").replace("delay_loop 10", "delay_loop 5");
        let mut stage = Stage::new(&format!("{one}{mine}"), Known::new()).await;
        stage.ran(0, fail()).await;
        stage.ran(1, pass()).await;
        let alive =
            |stage: &Stage, id: &str| stage.role.told.iter().find(|((of, _), _)| of.0.contains(id)).unwrap().1.0;
        stage.configure(&format!("{away}{mine}"), Known::new()).await;
        assert_eq!((alive(&stage, ".1]"), alive(&stage, ".2]")), (false, true));
        stage.configure(&format!("{away}{}", mine.replace("delay_loop 5", "delay_loop 10")), Known::new()).await;
        assert_eq!((alive(&stage, ".1]"), alive(&stage, ".2]")), (false, true), "{:?}", stage.role.told);
    });
}

/// What is told of a server with two checks, of which one after the other fails and passes again.
#[test]
fn a_check_that_turns_without_its_server_is_told_of() {
    run(async {
        let text = ONE.replace("TCP_CHECK {", "TCP_CHECK {\n retry 0\n }\n PING_CHECK {\n retry 0");
        let mut stage = Stage::new(&text, Known::new()).await;
        assert!(stage.verdict().await.0);
        for (place, outcome, expected) in [
            (0, pass(), &[][..]),
            (0, fail(), &["false"]),
            (1, fail(), &["PING_CHECK false"]),
            (1, fail(), &[]),
            (1, pass(), &["PING_CHECK true"]),
            (0, pass(), &["true"]),
        ] {
            stage.ran(place, outcome).await;
            stage.role.sender.send(&FromRole::Beat(0)).await.unwrap();
            let mut told = Vec::new();
            loop {
                match stage.hear().await {
                    FromRole::Verdicts(verdicts) => told.extend(verdicts.iter().map(|v| v.alive.to_string())),
                    FromRole::Turned(turned) => told.extend(turned.iter().map(|t| format!("{} {}", t.kind, t.up))),
                    FromRole::Beat(0) => break,
                    _ => {}
                }
            }
            assert_eq!(told, expected, "{place}");
        }
    });
}

#[test]
fn an_expiring_certificate_is_an_event_once() {
    run(async {
        let mut stage = Stage::new(ONE, Known::new()).await;
        let (mut events, serial) = (Vec::new(), stage.serials()[0]);
        for days in [9, 9, 8] {
            let run = stage.begin(0);
            let notice = Some(Notice { text: format!("its certificate expires in {days} days"), about: 1 });
            stage.role.probed(Ran { serial, run, outcome: pass(), notice });
            stage.role.tell().await.unwrap();
        }
        stage.role.sender.send(&FromRole::Beat(0)).await.unwrap();
        loop {
            match stage.hear().await {
                FromRole::Happened(event) => events.push(event),
                FromRole::Beat(0) => break,
                _ => {}
            }
        }
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((event.kind.as_str(), event.what.as_str()), ("check", "EXPIRES"));
        assert_eq!(event.subject, "TCP_CHECK of 10.0.0.1:80 for [192.0.2.1]:tcp:80");
        assert_eq!(event.cause, "its certificate expires in 9 days");
    });
}
