//! Answers out of order, of others, twice, broken and too many, without a kernel.

use super::*;
use crate::attr::Attributes;
use crate::message::Kind;
use proptest::prelude::*;

const HEAD: Head = Head { family: 0x1d, command: 4, kind: Kind::Table, sequence: 7 };

fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let mut out = [length.to_ne_bytes(), [0; 4], sequence.to_ne_bytes(), [0; 4]].concat();
    out[4..6].copy_from_slice(&kind.to_ne_bytes());
    out[6..8].copy_from_slice(&flags.to_ne_bytes());
    out.extend(body);
    out
}

fn ack(sequence: u32, errno: i32) -> Vec<u8> {
    message(2, 0, sequence, &[&(-errno).to_ne_bytes()[..], &[0; 16]].concat())
}

/// An answer of the family, command 1, one attribute with a number.
fn value(sequence: u32, number: u8) -> Vec<u8> {
    let mut body = vec![1, 1, 0, 0];
    crate::attr::put(&mut body, 1, &[number]);
    message(0x1d, 2, sequence, &body)
}

fn decode(attributes: &[u8]) -> Result<u8, Reason> {
    Attributes::new(attributes).next().unwrap_or(Err("empty"))?.1.u8()
}

fn said(results: &[Result<(), Error>]) -> Vec<i32> {
    let code = |r: &Result<(), Error>| match r {
        Ok(()) => 0,
        Err(Error::Kernel { errno, .. }) => *errno,
        Err(Error::Unanswered) => -1,
        Err(Error::Unusable(_)) => -2,
        Err(Error::NotSent) => -3,
        Err(_) => -4,
    };
    results.iter().map(code).collect()
}

#[test]
fn acknowledgements_find_their_commands_by_number() {
    // Around the wrap of the sequence numbers, with one in the middle that wasn't sent.
    let mut batch = Batch::starting_at(u32::MAX);
    batch.expect();
    batch.refuse(Error::Unusable("a test"));
    batch.expect();
    batch.expect();
    assert!(batch.take(&[ack(u32::MAX, 17), ack(1, 2)].concat()));
    assert!(!batch.take(&ack(1, 3)), "the second answer to the same command");
    assert!(!batch.take(&[ack(3, 5), ack(0, 5), ack(u32::MAX - 1, 5)].concat()), "no command waits for these");
    assert!(batch.is_open());
    assert!(batch.take(&ack(2, 0)));
    assert!(!batch.is_open());
    assert_eq!(said(&batch.broken(Error::Unanswered)), [17, -2, 2, 0]);
}

#[test]
fn with_the_last_one_it_is_known_that_nothing_was_refused_before() {
    for errno in [0, 17] {
        let mut batch = Batch::starting_at(1);
        (0..3).for_each(|_| batch.expect());
        batch.refuse(Error::Unusable("a test"));
        assert!(batch.take(&ack(2, 5)) && batch.is_open());
        assert!(batch.take(&ack(3, errno)) && !batch.is_open());
        assert_eq!(said(&batch.broken(Error::Unanswered)), [0, 5, errno, -2]);
    }
    assert!(!Batch::starting_at(1).is_open());
}

#[test]
fn what_stays_open_is_told() {
    let io = || Error::Io(std::io::ErrorKind::Other.into());
    let mut batch = Batch::starting_at(1);
    (0..3).for_each(|_| batch.expect());
    batch.take(&[ack(1, 9), vec![1, 2, 3]].concat());
    assert_eq!(said(&batch.broken(io())), [9, -4, -1]);
    let mut batch = Batch::starting_at(1);
    (0..3).for_each(|_| batch.expect());
    assert_eq!(said(&batch.not_sent(io())), [-4, -3, -3]);
}

#[test]
fn tables_come_in_pieces() {
    let mut collected = Collected::nothing();
    assert!(collected.take(&[value(7, 1), value(6, 99)].concat(), HEAD, 1, decode).unwrap());
    assert!(!collected.take(&value(6, 99), HEAD, 1, decode).unwrap(), "a late answer");
    assert!(!collected.take(&ack(6, 5), HEAD, 1, decode).unwrap(), "a late refusal");
    assert!(!collected.ended);
    let last = [value(7, 2), message(3, 0, 7, &[0; 4]), value(7, 99)].concat();
    assert!(collected.take(&last, HEAD, 1, decode).unwrap());
    assert!(collected.ended && !collected.interrupted);
    assert_eq!(collected.values, [1, 2]);
}

#[test]
fn a_table_that_changed_meanwhile_says_so() {
    let mut collected = Collected::nothing();
    let interrupted = message(3, 0x10, 7, &[0; 4]);
    collected.take(&[value(7, 1), interrupted].concat(), HEAD, 1, decode).unwrap();
    assert!(collected.ended && collected.interrupted);
}

#[test]
fn refusals_and_nonsense_are_errors() {
    let take = |bytes: &[u8]| Collected::nothing().take(bytes, HEAD, 1, decode);
    assert!(matches!(take(&ack(7, 1)), Err(Error::Kernel { errno: 1, text: None })));
    assert!(matches!(take(&message(0x1d, 0, 7, &[1, 1, 0, 0])), Err(Error::Malformed("empty"))));
    assert!(matches!(take(&[0; 5]), Err(Error::Malformed(_))));
    // Of another family, or another command: none of ours.
    assert!(!take(&message(0x1e, 0, 7, &[1, 1, 0, 0])).unwrap());
    assert!(!take(&message(0x1d, 0, 7, &[2, 1, 0, 0])).unwrap());
}

proptest! {
    #[test]
    fn any_bytes_leave_a_result_for_every_command(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..4),
        acks in proptest::collection::vec((0u32..12, 0i32..40), 0..12),
        sent in 0usize..10,
    ) {
        let mut batch = Batch::starting_at(1);
        (0..sent).for_each(|_| batch.expect());
        for datagram in &datagrams {
            batch.take(datagram);
        }
        let mut first = std::collections::BTreeMap::new();
        for (sequence, errno) in acks {
            batch.take(&ack(sequence, errno));
            // With the last one everything is known.
            if !first.contains_key(&u32::try_from(sent).unwrap()) {
                first.entry(sequence).or_insert(errno);
            }
        }
        let missing = if first.contains_key(&u32::try_from(sent).unwrap()) { 0 } else { -1 };
        let waiting = batch.is_open();
        let results = said(&batch.broken(Error::Unanswered));
        prop_assert_eq!(results.len(), sent);
        prop_assert_eq!(waiting, results.contains(&-1));
        if datagrams.is_empty() {
            for (sequence, result) in (1u32..).zip(results) {
                prop_assert_eq!(result, first.get(&sequence).copied().unwrap_or(missing));
            }
        }
    }
}
