//! Those who follow the events, at their own pace.

use super::*;
use crate::record::KEPT;
use vipd_api::{Event, Item, Reply};

fn event(seq: u64) -> Event {
    Event { seq, kind: "tracker".to_owned(), cause: "x".repeat(400), ..Event::default() }
}

async fn happen(rig: &mut Rig, numbers: std::ops::RangeInclusive<u64>) {
    let events = numbers.map(event).collect();
    rig.sender.send(&ToRole::Events { boot: "b1".to_owned(), started: 7.0, events }).await.unwrap();
}

/// A reader of events.
struct Reader(BufReader<UnixStream>);

impl Reader {
    async fn ask(rig: &Rig, request: &Request) -> Reader {
        let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        stream.write_all(&line).await.unwrap();
        Reader(BufReader::new(stream))
    }

    async fn follow(rig: &Rig, since: Option<u64>, boot: Option<&str>) -> Reader {
        Reader::ask(rig, &Request::Events { since, boot: boot.map(str::to_owned), follow: true }).await
    }

    /// The items of the next answer, shortly: `b1`, `3`, `1-2` for a gap.
    async fn next(&mut self) -> Vec<String> {
        let mut line = String::new();
        timeout(SOON, self.0.read_line(&mut line)).await.unwrap().unwrap();
        match serde_json::from_str(&line).unwrap() {
            Reply::Events { items } => items
                .iter()
                .map(|item| match item {
                    Item::Boot { boot, started } => format!("{boot} {started}"),
                    Item::Gap { from, to } => format!("{from}-{to}"),
                    Item::Event(event) => event.seq.to_string(),
                })
                .collect(),
            Reply::Error { message } => vec![message],
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_has_happened_is_replayed_and_what_happens_is_followed() {
    let mut rig = Rig::ready().await;
    happen(&mut rig, 1..=3).await;
    let once = Request::Events { since: Some(1), boot: None, follow: false };
    assert_eq!(Reader::ask(&rig, &once).await.next().await, ["b1 7", "2", "3"]);
    let mut all = Reader::follow(&rig, None, None).await;
    assert_eq!(all.next().await, ["b1 7", "1", "2", "3"]);
    let mut new = Reader::follow(&rig, Some(3), Some("b1")).await;
    assert_eq!(new.next().await, ["b1 7"]);
    // What counts from another run of the daemon, or can't be of this one, says nothing.
    assert_eq!(Reader::follow(&rig, Some(3), Some("b0")).await.next().await, ["b1 7", "1", "2", "3"]);
    assert_eq!(Reader::follow(&rig, Some(99), None).await.next().await, ["b1 7", "1", "2", "3"]);
    happen(&mut rig, 4..=4).await;
    assert_eq!(all.next().await, ["4"]);
    assert_eq!(new.next().await, ["4"]);
    // The supervisor's queue to this console was full for a while.
    happen(&mut rig, 7..=7).await;
    assert_eq!(all.next().await, ["5-6", "7"]);
}

#[tokio::test]
async fn one_that_does_not_read_keeps_nobody_waiting_and_is_told_what_it_missed() {
    let mut rig = Rig::ready().await;
    happen(&mut rig, 1..=1).await;
    let mut slow = Reader::follow(&rig, None, None).await;
    assert_eq!(slow.next().await, ["b1 7", "1"]);
    let (kept, batch) = (KEPT as u64, 512);
    let mut seq = 1;
    // Far more than its socket's buffers and the record take.
    while seq < 4 * kept {
        happen(&mut rig, seq + 1..=seq + batch).await;
        seq += batch;
        rig.sender.send(&ToRole::Ping(seq)).await.unwrap();
        loop {
            match rig.hear().await {
                FromRole::Beat(n) => {
                    assert_eq!(n, seq);
                    break;
                }
                FromRole::Snapshot(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let (mut last, mut gaps) = (1, Vec::new());
    while last < seq {
        for item in slow.next().await {
            match item.split_once('-') {
                Some((from, to)) => {
                    assert_eq!(from.parse(), Ok(last + 1));
                    last = to.parse().unwrap();
                    gaps.push(item.clone());
                }
                None => {
                    assert_eq!(item.parse(), Ok(last + 1), "after {last}");
                    last += 1;
                }
            }
        }
    }
    assert_eq!(gaps.len(), 1, "{gaps:?}");
}

#[tokio::test]
async fn followers_leave_room_for_those_who_ask() {
    let mut rig = Rig::ready().await;
    happen(&mut rig, 1..=1).await;
    let mut followers = Vec::new();
    for _ in 0..16 {
        let mut follower = Reader::follow(&rig, None, None).await;
        assert_eq!(follower.next().await, ["b1 7", "1"]);
        followers.push(follower);
    }
    let refused = Reader::follow(&rig, None, None).await.next().await;
    assert!(refused[0].contains("16 follow the events already"), "{refused:?}");
    let once = Request::Events { since: None, boot: None, follow: false };
    assert_eq!(Reader::ask(&rig, &once).await.next().await, ["b1 7", "1"]);
    // One that leaves makes room.
    followers.pop();
    for _ in 0..100 {
        if Reader::follow(&rig, None, None).await.next().await == ["b1 7", "1"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a follower that left is not given to another");
}
