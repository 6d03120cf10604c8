//! Tests of the supervisor: roles without a process, whose queues show what they were told.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use super::*;
use crate::channel::Decoder;
use crate::message::{About, News, Turned};

pub(super) type Waiting = mpsc::Receiver<Vec<u8>>;

pub(super) fn supervisor() -> (Supervisor, mpsc::Receiver<Event>) {
    let plan = Plan {
        file: PathBuf::from("/does/not/exist"),
        options: Options::default(),
        roles: RoleName::ALL.to_vec(),
        all_roles: false,
        pid_files: Vec::new(),
        role_arguments: Vec::new(),
        role_options: RoleOptions::default(),
        respawn: Respawn::Yes,
        umask: None,
        ignore_sigint: false,
        announce_ready: false,
    };
    let (events, queue) = mpsc::channel(64);
    let loaded = (Arc::new(Config::default()), Memory::default(), Vec::new());
    (Supervisor::new(plan, loaded, 0, BTreeMap::new(), events), queue)
}

/// A role of this supervisor that takes that many messages.
pub(super) fn play(supervisor: &mut Supervisor, name: RoleName, places: usize) -> Waiting {
    let (running, waiting) = Running::puppet(places);
    let role = supervisor.roles.entry(name).or_default();
    role.generation += 1;
    role.running = Some(running);
    waiting
}

/// What a role was told.
pub(super) fn told(waiting: &mut Waiting) -> Vec<ToRole> {
    let mut decoder = Decoder::default();
    while let Ok(bytes) = waiting.try_recv() {
        decoder.feed(&bytes);
    }
    std::iter::from_fn(|| decoder.next().unwrap()).collect()
}

fn verdicts(waiting: &mut Waiting) -> usize {
    let told = told(waiting).into_iter();
    told.map(|m| if let ToRole::Verdicts(verdicts) = m { verdicts.len() } else { 0 }).sum()
}

#[tokio::test]
async fn a_debt_of_verdicts_lasts_until_all_were_told_again() {
    let (mut supervisor, _queue) = supervisor();
    let mut director = play(&mut supervisor, RoleName::Director, 1);
    let found = |supervisor: &mut Supervisor, port: u16| {
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        let service = VirtualServerId("A".to_owned());
        let verdict = Verdict { service, address, alive: false, weight: None, why: String::new(), at: 0.0 };
        supervisor.heard(RoleName::Check, 1, FromRole::Verdicts(vec![verdict]));
    };
    play(&mut supervisor, RoleName::Check, 1);
    found(&mut supervisor, 1);
    found(&mut supervisor, 2);
    assert!(supervisor.verdicts_owed, "the second found no place");
    assert_eq!(verdicts(&mut director), 1);
    found(&mut supervisor, 3);
    assert!(supervisor.verdicts_owed, "the third was told, the second still is not");
    assert_eq!(verdicts(&mut director), 1);
    supervisor.feel_pulse(true);
    assert!(!supervisor.verdicts_owed);
    assert_eq!(verdicts(&mut director), 3);
}

#[tokio::test]
async fn an_answer_for_a_console_that_is_gone_reaches_nobody() {
    let (mut supervisor, _queue) = supervisor();
    let _gone = play(&mut supervisor, RoleName::Console, 8);
    let before = Caller { console: 1, id: 1 };
    let mut console = play(&mut supervisor, RoleName::Console, 8);
    let reply = || {
        Box::new(Reply::Config {
            config: String::new(),
            orders: String::new(),
            found: String::new(),
            reading: vipd_api::Reading::default(),
        })
    };
    supervisor.handle(Event::Answer { caller: before, reply: reply() });
    supervisor.reloaded(vec![(before, Instant::now())], &vipd_api::Reloaded::default(), reload::Next::Nothing);
    assert!(told(&mut console).is_empty());
    supervisor.handle(Event::Answer { caller: Caller { console: 2, id: 1 }, reply: reply() });
    assert_eq!(told(&mut console).len(), 1);
}

fn errors(waiting: &mut Waiting) -> usize {
    let is_error = |m: &ToRole| matches!(m, ToRole::Reply { reply, .. } if matches!(**reply, Reply::Error { .. }));
    told(waiting).iter().filter(|m| is_error(m)).count()
}

#[tokio::test]
async fn nobody_waits_for_a_reading_that_hangs() {
    let (mut supervisor, _queue) = supervisor(); // what was read is never heard of
    let mut console = play(&mut supervisor, RoleName::Console, 128);
    let ask = |id| Caller { console: 1, id };
    supervisor.reload_for(ask(1));
    supervisor.reload_for(ask(2));
    supervisor.reload_is_late(Instant::now());
    assert_eq!(errors(&mut console), 0, "there is time");
    let over = Instant::now() + reload::PATIENCE;
    supervisor.reload_is_late(over);
    assert_eq!(errors(&mut console), 2, "the one it is read for, and the one for the next");
    supervisor.reload_is_late(over);
    assert_eq!((errors(&mut console), supervisor.reloading.deadline()), (0, None));
    supervisor.reload_for(ask(3));
    assert_eq!(errors(&mut console), 1, "at once");
}

#[tokio::test]
async fn those_who_wait_for_a_reload_are_bounded() {
    let (mut supervisor, _queue) = supervisor();
    let mut console = play(&mut supervisor, RoleName::Console, 128);
    for id in 0..=reload::ASKERS as u64 + 1 {
        supervisor.reload_for(Caller { console: 1, id });
    }
    assert_eq!((errors(&mut console), supervisor.reload_askers.len()), (1, reload::ASKERS));
}

/// A server that follows a file, which nobody reads in these tests.
const FOLLOWS: &str = "
    track_file plain {
        file /run/plain
    }
    virtual_server 192.0.2.1 80 {
        protocol TCP
        real_server 10.0.0.1 80 {
            FILE_CHECK {
                track_file plain
            }
        }
    }";

#[tokio::test]
async fn a_role_that_dies_while_files_are_read_ends_a_daemon_that_is_to_end_then() {
    let (mut supervisor, mut queue) = supervisor();
    let read = vipd_config::load_str("test", FOLLOWS, &vipd_config::Options::default());
    supervisor.config = Arc::new(read.config.unwrap());
    play(&mut supervisor, RoleName::Vrrp, 8);
    let died = || Event::Gone { name: RoleName::Vrrp, generation: 1, how: "killed".to_owned() };
    let read = || Event::File { serial: 0, name: "plain".to_owned(), value: 1 };
    supervisor.plan.respawn = Respawn::No;
    for event in [died(), read()] {
        supervisor.events.try_send(event).unwrap();
    }
    assert!(supervisor.await_files(&mut queue).await.is_some());
    // Else the file is waited for, and what is left in the queue is not its business.
    supervisor.plan.respawn = Respawn::Yes;
    supervisor.events.try_send(read()).unwrap();
    assert!(supervisor.await_files(&mut queue).await.is_none());
    assert!(queue.try_recv().is_ok_and(|event| matches!(event, Event::File { .. })));
}

/// The events that the console hears of when a director tells of that many new virtual servers, and of one that fails.
async fn events_of_beginners(count: u32) -> Vec<vipd_api::Event> {
    let (mut supervisor, _queue) = supervisor();
    let mut console = play(&mut supervisor, RoleName::Console, 8);
    play(&mut supervisor, RoleName::Director, 1);
    let news =
        |n: u32, about, up| News { service: VirtualServerId(n.to_string()), about, up, why: "live weight".to_owned() };
    let mut all: Vec<News> = (0..count).map(|n| news(n, About::FirstQuorum, true)).collect();
    all.push(news(1, About::RealServer(SocketAddr::from(([192, 0, 2, 1], 80))), false));
    all.push(news(1, About::Quorum, false));
    supervisor.heard(RoleName::Director, 1, FromRole::News(all));
    let told = told(&mut console);
    assert_eq!(told.len(), 1, "many events are one message");
    told.into_iter().flat_map(|m| if let ToRole::Events { events, .. } = m { events } else { Vec::new() }).collect()
}

#[tokio::test]
async fn many_virtual_servers_that_begin_do_not_drive_out_what_happened() {
    let shown = |event: &vipd_api::Event| format!("{} {} {}", event.seq, event.subject, event.what);
    let few = events_of_beginners(3).await;
    let failed = ["real_server 192.0.2.1:80 of virtual_server 1 DOWN", "virtual_server 1 DOWN"];
    let expected = ["virtual_server 0 UP", "virtual_server 1 UP", "virtual_server 2 UP", failed[0], failed[1]];
    let numbered: Vec<String> = (1..).zip(expected).map(|(seq, event)| format!("{seq} {event}")).collect();
    assert_eq!(few.iter().map(shown).collect::<Vec<_>>(), numbered);
    let many = events_of_beginners(4000).await;
    let expected = [String::from("1 4000 virtual servers UP"), format!("2 {}", failed[0]), format!("3 {}", failed[1])];
    assert_eq!(many.iter().map(shown).collect::<Vec<_>>(), expected);
}

/// The subjects of the mails that a supervisor with these words in `global_defs` and of the server has sent of this.
fn mailed(global: &str, server: &str, said: FromRole) -> Vec<String> {
    let text = format!(
        "global_defs {{\n{global}\n}}\nvirtual_server 192.0.2.9 80 {{\nprotocol TCP\nreal_server 192.0.2.1 80 {{\n{server}\n}}\n}}\n"
    );
    let (mut supervisor, _queue) = supervisor();
    let config = vipd_config::load_str("test", &text, &Options::default()).config.unwrap();
    supervisor.config = Arc::new(config);
    let mut console = play(&mut supervisor, RoleName::Console, 8);
    let role = if matches!(said, FromRole::News(_)) { RoleName::Director } else { RoleName::Check };
    play(&mut supervisor, role, 1);
    supervisor.heard(role, 1, said);
    let mails = told(&mut console).into_iter();
    mails.filter_map(|m| if let ToRole::Mail { subject, .. } = m { Some(subject) } else { None }).collect()
}

#[tokio::test]
async fn checks_are_mailed_of_where_that_is_wanted_and_first_servers_never() {
    let (service, address) = (VirtualServerId("[192.0.2.9]:tcp:80".to_owned()), SocketAddr::from(([192, 0, 2, 1], 80)));
    let turned = |up| {
        let (service, kind, why) = (service.clone(), "TCP_CHECK".to_owned(), "refused".to_owned());
        FromRole::Turned(vec![Turned { service, address, kind, up, why }])
    };
    let subject = "TCP_CHECK of realserver [192.0.2.1]:tcp:80 of virtual server [192.0.2.9]:tcp:80";
    assert_eq!(mailed("", "", turned(true)), [format!("{subject} - UP")]);
    assert_eq!(mailed("", "", turned(false)), [format!("{subject} - DOWN")]);
    assert_eq!(mailed("no_checker_emails", "", turned(false)), [""; 0]);
    assert_eq!(mailed("", "smtp_alert off", turned(false)), [""; 0]);
    let news = |about| {
        let (service, why) = (service.clone(), "not checked yet".to_owned());
        FromRole::News(vec![News { service, about, up: true, why }])
    };
    assert_eq!(mailed("no_checker_emails", "", news(About::RealServer(address))).len(), 1);
    assert_eq!(mailed("", "", news(About::FirstServer(address))), [""; 0]);
}
