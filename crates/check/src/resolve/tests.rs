//! Name servers that answer well, too much, in circles, with nonsense, or not at all.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use super::*;
use domain::base::iana::Rcode;
use domain::base::message_builder::AnswerBuilder;
use domain::base::{ToName, Ttl};
use std::sync::Arc;
use tokio::net::TcpListener;

type Reply = AnswerBuilder<Vec<u8>>;
type Says = Arc<dyn Fn(&str, Rtype, Reply) -> Reply + Send + Sync>;

fn name(text: &str) -> Name<Vec<u8>> {
    Name::from_str(text).unwrap()
}

fn answer(says: &Says, query: &[u8], code: Rcode) -> Vec<u8> {
    let query = Message::from_octets(query.to_vec()).unwrap();
    let asked = query.first_question().unwrap();
    let reply = MessageBuilder::new_vec().start_answer(&query, code).unwrap();
    says(&asked.qname().to_string(), asked.qtype(), reply).into_message().into_octets()
}

/// A name server on both transports; over UDP everything is said to be cut off, if so.
async fn server(code: Rcode, cut: Cut, says: Says) -> SocketAddr {
    // A port that is free for both: somebody's connection may have it.
    let (at, datagrams, streams) = loop {
        let datagrams = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = datagrams.local_addr().unwrap();
        if let Ok(streams) = TcpListener::bind(at).await {
            break (at, datagrams, streams);
        }
    };
    let over_tcp = Arc::clone(&says);
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = datagrams.recv_from(&mut buffer).await {
            // What is for another question comes first, and counts for nothing.
            let mut other = answer(&says, &buffer[..length], Rcode::NXDOMAIN);
            other[0] ^= 1;
            datagrams.send_to(&other, peer).await.unwrap();
            datagrams.send_to(b"\xff", peer).await.unwrap();
            let mut reply = answer(&says, &buffer[..length], code);
            if cut == Cut::Datagrams {
                reply.truncate(12);
                reply[2] |= 2;
                reply[4..12].fill(0);
                reply[5] = 1;
                reply.extend_from_slice(&buffer[12..length]);
            }
            datagrams.send_to(&reply, peer).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = streams.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut query = vec![0; length.into()];
            stream.read_exact(&mut query).await.unwrap();
            let reply = answer(&over_tcp, &query, code);
            stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    at
}

#[derive(Clone, Copy, PartialEq)]
enum Cut {
    Nothing,
    Datagrams,
}

fn add(reply: &mut Reply, owner: &str, ttl: u32, data: impl domain::base::rdata::ComposeRecordData) {
    reply.push((name(owner), Class::IN, Ttl::from_secs(ttl), data)).unwrap();
}

fn a(last: u8) -> A {
    A::from_octets(10, 0, 0, last)
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv<Name<Vec<u8>>> {
    Srv::new(priority, weight, port, name(target))
}

const V4: Kind = Kind::Address(Family::V4);

fn shown(answer: &Answer) -> (Vec<String>, u64) {
    let one = |s: &Server| format!("{} {:?} {:?}", s.ip, s.port, s.weight);
    (answer.servers.iter().map(one).collect(), answer.ttl.as_secs())
}

#[tokio::test]
async fn addresses_behind_aliases_with_the_shortest_time_to_live() {
    let says: Says = Arc::new(|_, _, mut reply| {
        add(&mut reply, "web.example.org", 30, Cname::new(name("A.example.org")));
        add(&mut reply, "a.example.org", 60, a(1));
        add(&mut reply, "a.EXAMPLE.org", 90, a(2));
        // Of another name, unasked for: nobody's server.
        add(&mut reply, "evil.example.org", 1, a(66));
        reply
    });
    for cut in [Cut::Nothing, Cut::Datagrams] {
        let at = server(Rcode::NOERROR, cut, Arc::clone(&says)).await;
        let answer = resolve(&[at], "web.example.org", V4).await.unwrap();
        assert_eq!(shown(&answer), (vec!["10.0.0.1 None None".to_owned(), "10.0.0.2 None None".to_owned()], 30));
        assert_eq!(shown(&resolve(&[at], "web.example.org", Kind::Address(Family::V6)).await.unwrap()), (vec![], 0));
    }
}

#[tokio::test]
async fn services_of_the_lowest_priority_with_the_addresses_of_their_names() {
    let says: Says = Arc::new(|asked, kind, mut reply| {
        match (asked, kind) {
            ("_web._tcp.example.org", Rtype::SRV) => {
                add(&mut reply, asked, 50, srv(5, 20, 8080, "a.example.org"));
                add(&mut reply, asked, 50, srv(5, 0, 8081, "b.example.org"));
                add(&mut reply, asked, 50, srv(9, 20, 8082, "backup.example.org"));
                add(&mut reply, asked, 50, srv(1, 1, 8083, "."));
            }
            ("a.example.org", Rtype::A) => {
                add(&mut reply, asked, 40, a(1));
                add(&mut reply, asked, 40, a(2));
            }
            ("b.example.org", Rtype::A) => add(&mut reply, asked, 70, a(3)),
            _ => {}
        }
        reply
    });
    let at = server(Rcode::NOERROR, Cut::Nothing, says).await;
    let answer = resolve(&[at], "_web._tcp.example.org", Kind::Service(Family::V4)).await.unwrap();
    let wanted = ["10.0.0.1 Some(8080) Some(20)", "10.0.0.2 Some(8080) Some(20)", "10.0.0.3 Some(8081) Some(1)"];
    assert_eq!(shown(&answer), (wanted.map(str::to_owned).to_vec(), 40));
}

#[tokio::test]
async fn weights_that_are_all_0_say_nothing() {
    let says: Says = Arc::new(|asked, kind, mut reply| {
        match kind {
            Rtype::SRV => add(&mut reply, asked, 50, srv(5, 0, 80, "a.example.org")),
            _ => add(&mut reply, asked, 50, a(1)),
        }
        reply
    });
    let at = server(Rcode::NOERROR, Cut::Nothing, says).await;
    let answer = resolve(&[at], "x", Kind::Service(Family::V4)).await.unwrap();
    assert_eq!(shown(&answer).0, ["10.0.0.1 Some(80) None"]);
}

#[tokio::test]
async fn who_fails_is_followed_by_the_next_and_who_knows_of_no_such_name_is_believed() {
    let nothing: Says = Arc::new(|_, _, reply| reply);
    let one: Says = Arc::new(|asked, _, mut reply| {
        add(&mut reply, asked, 9, a(1));
        reply
    });
    let failing = server(Rcode::SERVFAIL, Cut::Nothing, Arc::clone(&nothing)).await;
    let unknowing = server(Rcode::NXDOMAIN, Cut::Nothing, Arc::clone(&nothing)).await;
    let well = server(Rcode::NOERROR, Cut::Nothing, one).await;
    let closed: SocketAddr = "127.0.0.1:9".parse().unwrap();
    assert_eq!(resolve(&[failing, closed, well], "x", V4).await.unwrap().servers.len(), 1);
    assert_eq!(resolve(&[unknowing, well], "x", V4).await, Err(Vain::Unknown(unknowing)));
    assert_eq!(resolve(&[failing], "x", V4).await, Err(Vain::Failed(failing, "SERVFAIL".to_owned())));
    assert!(matches!(resolve(&[closed], "x", V4).await, Err(Vain::Unreachable(at, _)) if at == closed));
    assert_eq!(resolve(&[], "x", V4).await, Err(Vain::NoServer));
    assert_eq!(resolve(&[well], &"x".repeat(64), V4).await, Err(Vain::NoName));
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = silent.local_addr().unwrap();
    assert_eq!(resolve(&[at], "x", V4).await, Err(Vain::Silent(at)));
}

#[tokio::test]
async fn answers_in_circles_and_cut_off_ones_are_errors() {
    let circle: Says = Arc::new(|_, _, mut reply| {
        add(&mut reply, "x", 9, Cname::new(name("y")));
        add(&mut reply, "y", 9, Cname::new(name("x")));
        add(&mut reply, "y", 9, a(1));
        reply
    });
    let at = server(Rcode::NOERROR, Cut::Nothing, circle).await;
    assert!(matches!(resolve(&[at], "x", V4).await, Err(Vain::Strange(..))));
    // Each byte of a good answer made another one, and each of its beginnings: no panic, and bounded.
    let says: Says = Arc::new(|asked, _, mut reply| {
        add(&mut reply, asked, 9, srv(1, 1, 1, "a.example.org"));
        add(&mut reply, asked, 9, Cname::new(name("b.example.org")));
        reply
    });
    let query = question(&name("x.example.org"), Rtype::SRV).unwrap();
    let good = answer(&says, query.as_slice(), Rcode::NOERROR);
    let look = |bytes: &[u8]| {
        if let Some(message) = answer_to(&query, bytes) {
            let _ = records::<Srv<_>>(&message, Rtype::SRV).map(Iterator::count);
        }
    };
    for at in 0..good.len() {
        look(&good[..at]);
        for byte in 0..=255 {
            let mut bad = good.clone();
            bad[at] = byte;
            look(&bad);
        }
    }
}

#[test]
fn the_servers_of_a_host() {
    let text = "# nameserver 1.1.1.1\nsearch example.org\nnameserver 10.0.0.53\n nameserver  2001:db8::53 \nnameserver x\n\
                nameserver fe80::1%eth0\nnameserver 10.0.1.53\nnameserver 10.0.2.53\n";
    let all: Vec<String> = host_servers(text).iter().map(ToString::to_string).collect();
    assert_eq!(all, ["10.0.0.53:53", "[2001:db8::53]:53", "10.0.1.53:53"]);
    assert!(name("A.b").name_eq(&name("a.B")));
}
