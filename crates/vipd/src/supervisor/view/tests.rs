//! Statuses of which a part is missing.

use super::*;
use vipd_api::{PlaneStatus, RealServerStatus};

const CONFIG: &str = "virtual_server 192.0.2.1 80 {
    protocol TCP
    lvs_method DR
    quorum 2
    real_server 10.0.0.1 80 {
        weight 3
    }
    real_server 10.0.0.2 80 {
    }
}
";

fn config() -> Config {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("vipd.conf");
    std::fs::write(&file, CONFIG).unwrap();
    vipd_config::load(&file, &vipd_config::Options::default()).config.unwrap()
}

fn checks() -> StatusPart {
    let check = CheckStatus { kind: "TCP_CHECK".to_owned(), up: true, ..CheckStatus::default() };
    let id = vipd_lvs::settings::VirtualServerId("[192.0.2.1]:tcp:80".to_owned());
    StatusPart::Check(vec![(id, "10.0.0.1:80".parse().unwrap(), vec![check])])
}

fn director() -> StatusPart {
    let server = |address: &str| RealServerStatus { address: address.to_owned(), alive: true, ..Default::default() };
    let service = ServiceStatus {
        name: "[192.0.2.1]:tcp:80".to_owned(),
        state: "up".to_owned(),
        real_servers: vec![server("10.0.0.1:80"), server("10.0.0.2:80")],
        ..ServiceStatus::default()
    };
    StatusPart::Director { plane: PlaneStatus::default(), services: vec![service] }
}

#[test]
fn without_the_director_nothing_is_said_of_its_servers() {
    for parts in [vec![], vec![checks()]] {
        let checked = parts.len();
        let mut status = Status::default();
        parts.into_iter().for_each(|part| add(&mut status, part));
        fill(&mut status, &config(), &RoleName::ALL, &RoleOptions::default());
        let [service] = &status.services[..] else { panic!("{status:?}") };
        assert_eq!((service.state.as_str(), service.quorum), ("unknown", 2));
        assert_eq!(service.real_servers, []);
        let told: Vec<_> = service.unknown_servers.iter().map(|s| (s.address.as_str(), s.checks.len())).collect();
        assert_eq!(told, [("10.0.0.1:80", checked), ("10.0.0.2:80", 0)]);
        let first = &service.unknown_servers[0];
        assert_eq!((first.forwarding.as_str(), first.configured_weight), ("DR", 3));
        assert!(first.why.contains("director"), "{first:?}");
        let json = serde_json::to_string(&status).unwrap();
        assert!(!json.contains("alive"), "{json}");
    }
}

#[test]
fn what_the_checks_found_is_joined_whoever_answers_first() {
    for parts in [[checks(), director()], [director(), checks()]] {
        let mut status = Status::default();
        parts.into_iter().for_each(|part| add(&mut status, part));
        fill(&mut status, &config(), &RoleName::ALL, &RoleOptions::default());
        let [service] = &status.services[..] else { panic!("{status:?}") };
        assert_eq!((service.state.as_str(), &service.unknown_servers[..]), ("up", &[][..]));
        let told: Vec<_> = service.real_servers.iter().map(|s| (s.alive, s.checks.len())).collect();
        assert_eq!(told, [(true, 1), (true, 0)]);
    }
}

#[test]
fn sessions_that_the_command_line_leaves_out_are_not_missed() {
    let text = "bfd_instance P {\nneighbor_ip 192.0.2.30\n}\n";
    let config = vipd_config::load_str("test.conf", text, &vipd_config::Options::default()).config.unwrap();
    let shown = |no_bfd| {
        let mut status = Status::default();
        fill(&mut status, &config, &RoleName::ALL, &RoleOptions { no_bfd, ..RoleOptions::default() });
        status.bfd.into_iter().map(|session| session.state).collect::<Vec<_>>()
    };
    assert_eq!(shown(false), ["UNKNOWN"]);
    assert_eq!(shown(true), [""; 0]);
}
