//! One mail: what it says and how it is written for the wire. Nothing of what the configuration, a script or a server
//! puts into a subject can add a header or a recipient.

use super::host_name;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The longest subject, in characters, `[router_id]` not counted.
const SUBJECT: usize = 400;

/// The longest text, in bytes.
const BODY: usize = 64 << 10;

/// A mail in the queue.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    /// When what it tells of happened, in milliseconds since 1970: its date.
    pub(super) written: u64,
    /// Since when it waits here; a successor of this process begins anew.
    #[serde(skip, default = "Instant::now")]
    pub(super) waits: Instant,
    /// One line.
    pub(super) subject: String,
    /// Text.
    pub(super) body: String,
    /// Those that are settled: they have it, or it was refused for good.
    pub(super) settled: Vec<String>,
    /// Those that were tried last time and are not settled.
    #[serde(skip)]
    pub(super) late: Vec<String>,
    /// Its number in the queue of this process.
    #[serde(skip)]
    pub(super) number: u64,
    /// When it may be tried again; a successor of this process tries at once.
    #[serde(skip, default = "Instant::now")]
    pub(super) due: Instant,
    /// Attempts of this process with it that failed.
    #[serde(skip)]
    pub(super) failures: usize,
}

impl Letter {
    /// A mail of now.
    pub(super) fn new(subject: &str, body: &str) -> Letter {
        // The wire ends the last line.
        let mut body = body.trim_end().to_owned();
        if body.len() > BODY {
            // At most three bytes lead back to the start of a character.
            let end = (BODY - 3..=BODY).rev().find(|&at| body.is_char_boundary(at)).unwrap_or(0);
            body.truncate(end);
            body.push_str("\n[cut here]");
        }
        Letter {
            written: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
            waits: Instant::now(),
            number: 0,
            due: Instant::now(),
            failures: 0,
            subject: one_line(subject).chars().take(SUBJECT).collect(),
            body,
            settled: Vec::new(),
            late: Vec::new(),
        }
    }

    /// The bytes of the message; they are the same at each attempt, so that a server that got it twice can tell.
    pub(super) fn compose(&self, from: &Mailbox, to: &[Mailbox], router_id: &str) -> Result<Vec<u8>, String> {
        let subject = format!("[{}] {}", one_line(router_id), self.subject);
        let id = format!("<vipd.{}.{:08x}@{}>", self.written, fingerprint(&subject), from.email.domain());
        let mut message = Message::builder()
            .from(from.clone())
            .date(UNIX_EPOCH.checked_add(Duration::from_millis(self.written)).unwrap_or(UNIX_EPOCH))
            .message_id(Some(id))
            .subject(subject)
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("X-Mailer"), "vipd".to_owned()))
            // RFC 3834, 5: no vacation notices in return.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN);
        for mailbox in to {
            message = message.to(mailbox.clone());
        }
        let message = message.body(self.body.clone()).map_err(|e| format!("the message could not be written: {e}"))?;
        Ok(message.formatted())
    }
}

/// From and to, for one recipient.
pub(super) fn envelope(from: &Mailbox, to: &Mailbox) -> Result<Envelope, String> {
    Envelope::new(Some(from.email.clone()), vec![to.email.clone()]).map_err(|e| e.to_string())
}

/// An address as the configuration writes it: `user@domain`, `Name <user@domain>`, or a user of this host. A local part
/// alone, such as `root`, is legal in keepalived's files; SMTP wants a domain (RFC 5321, 4.1.2), so this host's name follows.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((name, address)) => (one_line(name.trim().trim_matches('"')), address.trim()),
        None => (String::new(), text),
    };
    let address = if address.contains('@') { address.to_owned() } else { format!("{address}@{}", domain()) };
    let address: Address = address.parse().map_err(|e| format!("`{}` is not a mail address: {e}", one_line(text)))?;
    Ok(Mailbox::new((!name.is_empty()).then_some(name), address))
}

/// This host as the domain of an address.
fn domain() -> String {
    let host = host_name();
    if Address::new("root", &host).is_ok() { host } else { "localhost".to_owned() }
}

/// `text` without anything that could end a header: every control character is a space.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

/// A hash that is the same in every process (FNV-1a).
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::Legacy;

    fn written(subject: &str, router_id: &str, body: &str) -> String {
        let to = [mailbox("ops@example.org").unwrap(), mailbox("root").unwrap()];
        let from = mailbox("lb1@example.org").unwrap();
        let bytes = Letter::new(subject, body).compose(&from, &to, router_id).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn headers(message: &str) -> Vec<&str> {
        message.split("\r\n\r\n").next().unwrap().split("\r\n").collect()
    }

    #[test]
    fn headers_say_who_and_what() {
        let message = written("VRRP Instance VI_1 - Entering MASTER state", "lb1", "body\n");
        let headers = headers(&message);
        assert!(headers.contains(&"Subject: [lb1] VRRP Instance VI_1 - Entering MASTER state"), "{message}");
        assert!(headers.contains(&"X-Mailer: vipd"), "{message}");
        assert!(headers.iter().any(|h| h.starts_with("Date: ")), "{message}");
        assert!(headers.iter().any(|h| h.starts_with("Message-ID: <vipd.")), "{message}");
        assert!(message.contains("ops@example.org, root@"), "{message}");
        assert!(message.ends_with("\r\n\r\nbody"), "{message:?}");
    }

    #[test]
    fn a_subject_adds_no_header() {
        for evil in ["a\r\nBcc: x@example.com", "a\nBcc: x@example.com\n\nbody", "a\rBcc: x", "a\u{0}b\u{85}Bcc: x"] {
            for message in [written(evil, "lb1", "b"), written("s", evil, "b")] {
                let headers = headers(&message);
                assert!(!headers.iter().any(|h| h.starts_with("Bcc")), "{message:?}");
                assert_eq!(headers.iter().filter(|h| h.starts_with("Subject: ")).count(), 1, "{message:?}");
                assert_eq!(message.matches("\r\n\r\n").count(), 1, "{message:?}");
            }
        }
    }

    #[test]
    fn an_address_adds_no_command() {
        for evil in ["a@example.org\r\nDATA", "a\r\nDATA", "<a@b> SIZE=1 <c@d", "", "@", "a b@c d", "a@b>"] {
            assert!(mailbox(evil).is_err(), "{evil:?}");
        }
        let named = mailbox("\"Eve\r\nBcc: x@y\" <eve@example.org>").unwrap();
        let message = Letter::new("s", "b").compose(&named, &[mailbox("a@b.c").unwrap()], "r").unwrap();
        let message = String::from_utf8(message).unwrap();
        assert!(!headers(&message).iter().any(|h| h.starts_with("Bcc")), "{message:?}");
    }

    #[test]
    fn addresses_of_every_form() {
        let host = domain();
        assert_eq!(mailbox("root").unwrap().email.to_string(), format!("root@{host}"));
        assert_eq!(mailbox("<acassen>").unwrap().email.to_string(), format!("acassen@{host}"));
        assert_eq!(mailbox("acassen@firewall.loc").unwrap().email.to_string(), "acassen@firewall.loc");
        assert_eq!(mailbox("a@[192.0.2.1]").unwrap().email.to_string(), "a@[192.0.2.1]");
        let named = mailbox("Alexandre <a@localhost>").unwrap();
        assert_eq!((named.name.as_deref(), named.email.to_string().as_str()), (Some("Alexandre"), "a@localhost"));
    }

    #[test]
    fn long_things_are_cut() {
        let letter = Letter::new(&"s".repeat(10_000), &"ä".repeat(100_000));
        assert_eq!(letter.subject.len(), SUBJECT);
        assert!(letter.body.len() < BODY + 20 && letter.body.ends_with("[cut here]"));
    }

    #[test]
    fn it_is_the_same_letter_at_each_attempt() {
        let letter = Letter::new("s", "b");
        let again: Letter = Legacy::of(&letter, "it").unwrap().read().unwrap();
        let (from, to) = (mailbox("a@b.c").unwrap(), [mailbox("d@e.f").unwrap()]);
        assert_eq!(letter.compose(&from, &to, "r").unwrap(), again.compose(&from, &to, "r").unwrap());
    }
}
