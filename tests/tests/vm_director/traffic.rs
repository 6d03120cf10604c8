//! Requests reach the servers by their weights, through every way of forwarding.

use crate::machine::{LONG, at, service};
use crate::site::{CONNECT, DR, DR_TLS, HTTP, NAT, TLS, TUN, Whole, virtual_server};
use std::collections::BTreeMap;
use vipd_tests::wait_for;
use vipd_tests::web::tally;

pub(crate) fn by_weight() {
    let mut whole = Whole::new().with_tls();
    whole.revive(0);
    whole.revive(1);
    let services = [
        virtual_server(DR, "DR", "wrr", HTTP, ""),
        virtual_server(TUN, "TUN", "wrr", CONNECT, ""),
        virtual_server(NAT, "NAT", "wrr", CONNECT, ""),
        virtual_server(DR_TLS, "DR", "wrr", TLS, ""),
    ];
    let director = whole.start(&services.concat(), &[]);
    let name = |address: &str| {
        let (ip, port) = address.split_once(':').unwrap();
        format!("[{ip}]:tcp:{port}")
    };
    for address in [DR, TUN, NAT, DR_TLS] {
        wait_for("both servers are up and checked", LONG, || {
            service(&director, &name(address)).real_servers.iter().all(|r| r.alive && r.why != "not checked yet")
        });
    }
    let expected = BTreeMap::from([("web 11".to_owned(), 10), ("web 12".to_owned(), 20)]);
    for address in [DR, TUN, NAT] {
        let answers = tally(&whole.client, at(address), 30);
        println!("  {address}: {answers:?}");
        assert_eq!(answers, expected, "{address}:\n{}", director.log());
        // What the plane counted is what was asked. The kernel adds up what its processors counted every two seconds.
        wait_for("the kernel adds up", LONG, || service(&director, &name(address)).connections == 30);
        let told = service(&director, &name(address));
        let of_servers: Vec<u64> = told.real_servers.iter().map(|r| r.connections).collect();
        assert_eq!((told.connections, of_servers), (30, vec![10, 20]));
        assert!(told.packets.0 >= 30 * 4 && told.bytes.0 > told.packets.0 * 40, "{:?} {:?}", told.packets, told.bytes);
    }
    let tls = service(&director, &name(DR_TLS));
    println!("  over TLS: {}, {}", tls.real_servers[0].why, tls.real_servers[1].why);
    assert!(tls.real_servers.iter().all(|r| r.alive && r.why.contains("status 200")));
}
