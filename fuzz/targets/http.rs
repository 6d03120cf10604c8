//! Answers to requests in HTTP/1 and HTTP/2, and to calls of gRPC, in pieces: none makes a probe hold much, and what is told of
//! them does not move a terminal's cursor.
#![no_main]

use vipd_check::http::{Request, Version};
use vipd_check::stages;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(([way, piece], bytes)) = bytes.split_first_chunk() else { return };
    let version = [Version::V10, Version::V10Close, Version::V11, Version::V2][usize::from(way & 3)];
    let digest = (way & 4 != 0).then_some([0; 16]);
    let request = Request { path: "/".to_owned(), version, digest, ..Request::default() };
    let piece = 1 + usize::from(*piece);
    let judged = vipd_fuzz::bounded(bytes, || match way & 8 {
        0 => stages::http(bytes, piece, &request),
        _ => stages::grpc(bytes, piece),
    });
    let text = match &judged {
        Ok(text) => text.clone(),
        Err(why) => why.to_string(),
    };
    assert!(!text.is_empty() && text.len() < 1000 && !text.contains(char::is_control), "{text:?}");
    assert!(judged.is_err() || !bytes.is_empty(), "nothing was said, and that was well");
    assert!(judged.is_err() || digest.is_none() || way & 8 != 0, "nobody knows a body with that digest");
});
