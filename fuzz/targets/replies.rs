//! Replies of name servers, of hosts to a ping, and of mail servers.
#![no_main]

use vipd_check::stages;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let id = bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
    if let Some((code, _)) = stages::dns(id, bytes) {
        assert!(code < 16 && bytes.len() >= 12);
        assert_eq!(stages::dns(id ^ 1, bytes), None, "an answer to another question");
        assert!((0..12).all(|length| stages::dns(id, &bytes[..length]).is_none()), "half a header");
    }
    let mark = bytes.last_chunk().copied().unwrap_or_default();
    if stages::ping(bytes, mark) {
        assert!(bytes.len() >= 8 && !stages::ping(bytes, mark.map(|b| !b)), "whatever the mark");
    }
    let talk = |piece| vipd_fuzz::bounded(bytes, || stages::smtp(bytes, piece));
    let said = talk(1 + usize::from(*piece));
    assert_eq!(said, talk(usize::MAX), "in pieces it says something else");
    match said {
        Ok(text) => {
            assert!(!text.contains(char::is_control), "{text:?}");
            // The lines of a reply should have the same code; the last one's counts.
            let greets = |line: &[u8]| line.starts_with(b"220");
            assert!(bytes.split(|b| *b == b'\n').any(greets), "not a greeting");
            assert!(bytes.iter().filter(|b| **b == b'\n').count() >= 3, "three replies");
        }
        Err(why) => assert!(!why.to_string().contains(char::is_control), "{why}"),
    }
});
