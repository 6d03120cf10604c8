//! What an agent says of its server: the first line counts alone, however it comes, and nothing of it moves a terminal's cursor.
#![no_main]

use vipd_check::agent::{HEAVIEST, LONGEST, understand};
use vipd_check::{Why, stages};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let said = vipd_fuzz::bounded(bytes, || understand(bytes));
    let line = bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    assert_eq!(understand(line), said, "more than a line was read");
    assert_eq!(understand(&line.to_ascii_uppercase()).is_ok(), said.is_ok(), "big letters are as good");
    assert!(line.len() <= LONGEST || said.is_err(), "a line too long");
    match &said {
        Ok(answer) => {
            assert!(answer.said.bytes().all(|b| (b' '..=b'~').contains(&b)), "{:?}", answer.said);
            if let Some(weight) = answer.weight {
                assert!([0, 1, 100, HEAVIEST].iter().all(|configured| weight.of(*configured) <= HEAVIEST));
            }
        }
        Err(why) => assert!(why.to_string().bytes().all(|b| (b' '..=b'~').contains(&b)), "{why}"),
    }
    match stages::agent(bytes, 1 + usize::from(*piece)) {
        Err(Why::Closed(_)) => assert!(bytes.is_empty()),
        // Of a line too long not all is read.
        heard if line.len() > LONGEST => assert!(heard.is_err()),
        heard => assert_eq!(heard, said, "in pieces of {piece}"),
    }
});
