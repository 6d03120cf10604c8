//! The system's log, through the C library, which knows where it is and waits for it to come back.

use std::ffi::CString;

/// Facilities by the numbers of option `-S`: 0 to 7 are LOG_LOCAL0 to LOG_LOCAL7.
pub const DAEMON: i32 = libc::LOG_DAEMON;
/// `LOG_USER`
pub const USER: i32 = libc::LOG_USER;

/// Severities (syslog.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// `LOG_ERR`
    Error,
    /// `LOG_WARNING`
    Warning,
    /// `LOG_INFO`
    Info,
    /// `LOG_DEBUG`
    Debug,
}

/// The facility `LOG_LOCALn`, n in 0..=7.
pub fn local(n: u8) -> Option<i32> {
    (n <= 7).then(|| libc::LOG_LOCAL0 + (i32::from(n) << 3))
}

/// Opens the log for this process, once. `ident` is kept for ever.
pub fn open(ident: &'static std::ffi::CStr, facility: i32) {
    // SAFETY: needed because the C library's log is only reachable this way. It keeps the pointer, which is to static
    // memory.
    unsafe { libc::openlog(ident.as_ptr(), libc::LOG_PID | libc::LOG_NDELAY, facility) }
}

/// Writes one line. Bytes that can't stand in a C string end it.
pub fn write(severity: Severity, line: &str) {
    let severity = match severity {
        Severity::Error => libc::LOG_ERR,
        Severity::Warning => libc::LOG_WARNING,
        Severity::Info => libc::LOG_INFO,
        Severity::Debug => libc::LOG_DEBUG,
    };
    let line: Vec<u8> = line.bytes().take_while(|b| *b != 0).collect();
    let Ok(line) = CString::new(line) else { return };
    // SAFETY: needed as above. The format takes one string, `line` is one, and the call keeps neither.
    unsafe { libc::syslog(severity, c"%s".as_ptr(), line.as_ptr()) }
}
