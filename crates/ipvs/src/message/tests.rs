//! Golden headers both ways, and broken ones.

use super::*;
use proptest::prelude::*;

const HEAD: Head = Head { family: 0x1d, command: 4, kind: Kind::One, sequence: 0x01020304 };

/// A message of the kernel.
fn from_kernel(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap();
    let mut out = length.to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend([9; 4]);
    out.extend(body);
    out.resize(padded(out.len()), 0);
    out
}

fn all(bytes: &[u8]) -> Vec<Result<Received<'_>, Reason>> {
    Messages(bytes).collect()
}

fn end(sequence: u32, errno: i32, text: Option<&str>) -> Result<Received<'static>, Reason> {
    let answer = Answer::End { errno, text: text.map(str::to_owned) };
    Ok(Received { sequence, interrupted: false, answer })
}

#[test]
#[cfg(target_endian = "little")]
fn requests_are_written_after_what_is_there() {
    let mut out = vec![0xee; 3];
    put(&mut out, HEAD, |out| out.extend([5, 0, 1, 0, 7, 0, 0, 0]));
    let one = [28, 0, 0, 0, 0x1d, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0, 4, 1, 0, 0, 5, 0, 1, 0, 7, 0, 0, 0];
    assert_eq!(out[..3], [0xee; 3]);
    assert_eq!(out[3..], one);
    out.clear();
    put(&mut out, Head { kind: Kind::Table, ..HEAD }, |_| {});
    assert_eq!(out, [20, 0, 0, 0, 0x1d, 0, 1, 3, 4, 3, 2, 1, 0, 0, 0, 0, 4, 1, 0, 0]);
}

#[test]
fn a_datagram_holds_several_messages() {
    let mut bytes = from_kernel(0x1d, 2, 7, &[1, 1, 0, 0, 8, 8, 8, 8]);
    bytes.extend(from_kernel(NOOP, 0, 7, &[]));
    bytes.extend(from_kernel(DONE, DUMP_INTERRUPTED, 7, &0i32.to_ne_bytes()));
    let read: Vec<_> = all(&bytes).into_iter().map(Result::unwrap).collect();
    assert_eq!(read[0].answer, Answer::Value { family: 0x1d, command: 1, attributes: &[8; 4] });
    assert_eq!(read[1].answer, Answer::Nothing);
    assert_eq!(read[2].answer, Answer::End { errno: 0, text: None });
    assert_eq!([read[0].interrupted, read[2].interrupted], [false, true]);
    assert_eq!(read.len(), 3);
}

#[test]
fn acknowledgements_carry_a_number_and_perhaps_a_text() {
    let request = from_kernel(0x1d, 5, 7, &[5; 12]);
    let text = {
        let mut out = Vec::new();
        crate::attr::put_text(&mut out, ACK_TEXT, "no luck");
        out
    };
    let success = [&0i32.to_ne_bytes(), &request[..HEADER]].concat();
    assert_eq!(all(&from_kernel(ERROR, CAPPED, 7, &success)), [end(7, 0, None)]);
    let whole = [&(-17i32).to_ne_bytes(), &request[..], &text].concat();
    assert_eq!(all(&from_kernel(ERROR, ACK_TLVS, 7, &whole)), [end(7, 17, Some("no luck"))]);
    assert_eq!(all(&from_kernel(ERROR, 0, 7, &whole)), [end(7, 17, None)]);
    let capped = [&(-17i32).to_ne_bytes(), &request[..HEADER], &text].concat();
    assert_eq!(all(&from_kernel(ERROR, CAPPED | ACK_TLVS, 7, &capped)), [end(7, 17, Some("no luck"))]);
    // The length of the echo reaches beyond the message: the number counts all the same.
    assert_eq!(all(&from_kernel(ERROR, ACK_TLVS, 7, &capped)), [end(7, 17, None)]);
    let dump = [&(-1i32).to_ne_bytes()[..], &text].concat();
    assert_eq!(all(&from_kernel(DONE, ACK_TLVS, 7, &dump)), [end(7, 1, Some("no luck"))]);
    assert_eq!(all(&from_kernel(DONE, 0, 7, &[])), [end(7, 0, None)]);
}

#[test]
fn broken_messages_end_the_reading_with_a_reason() {
    let whole = from_kernel(0x1d, 0, 7, &[1, 1, 0, 0]);
    for bytes in [
        whole[..15].to_vec(),
        whole[..19].to_vec(),
        [&15u32.to_ne_bytes(), &whole[4..]].concat(),
        [&u32::MAX.to_ne_bytes(), &whole[4..]].concat(),
        from_kernel(0x1d, 0, 7, &[1]),
        from_kernel(ERROR, 0, 7, &[0; 3]),
        from_kernel(ERROR, 0, 7, &[0; 4]),
        from_kernel(ERROR, 0, 7, &[&i32::MIN.to_ne_bytes()[..], &[0; 16]].concat()),
        from_kernel(DONE, 0, 7, &[0; 3]),
    ] {
        assert!(all(&bytes)[0].is_err(), "{bytes:?}");
    }
    let length_wrong = [&15u32.to_ne_bytes(), &whole[4..]].concat();
    assert_eq!(all(&length_wrong).len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Messages(&bytes).count() <= bytes.len() / HEADER + 1);
    }

    #[test]
    fn any_acknowledgement_is_read(flags: u16, body in proptest::collection::vec(any::<u8>(), 0..80)) {
        for kind in [ERROR, DONE] {
            let bytes = from_kernel(kind, flags, 1, &body);
            for read in Messages(&bytes).map_while(Result::ok) {
                let is_end = matches!(read.answer, Answer::End { errno: 0.., .. });
                prop_assert!(is_end);
            }
        }
    }
}
