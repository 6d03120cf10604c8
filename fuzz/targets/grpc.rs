//! The message that says in which state a service is: what is cut off is none, and fields that are unknown change nothing.
#![no_main]

use vipd_check::grpc::understand;

/// Bytes in front of a message.
const PREFIX: usize = 5;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = vipd_fuzz::bounded(bytes, || understand(bytes));
    // The message alone, behind a prefix that is right.
    let framed = |message: &[u8]| {
        let length = u32::try_from(message.len()).expect("short");
        understand(&[&[0], &length.to_be_bytes()[..], message].concat())
    };
    let state = framed(bytes);
    if let (Ok(state), Some(message)) = (&whole, bytes.get(PREFIX..)) {
        assert_eq!(framed(message).as_ref(), Ok(state));
    }
    if let Ok(state) = state {
        assert_eq!(framed(&[bytes, &[0x12, 1, 8]].concat()), Ok(state), "an unknown field counted");
        assert_eq!(framed(&[bytes, &[0x08, 2]].concat()), Ok(2), "the last one counts");
        assert!(framed(&[bytes, &[0x08]].concat()).is_err(), "half a field was taken");
    }
    if whole.is_ok() {
        assert!((0..bytes.len()).all(|length| understand(&bytes[..length]).is_err()), "half a message was taken");
    }
});
