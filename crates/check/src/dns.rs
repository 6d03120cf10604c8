//! `DNS_CHECK`: one question over UDP (RFC 1035, 4.1). The server is well if it answers without an error; what it answers is
//! not looked at.

use crate::connect::datagrams;
use crate::udp::{receive, turned_away};
use crate::{Step, Target, Verdict, Why};
use tokio::time::Instant;

/// Bytes of a header.
const HEADER: usize = 12;

/// Bytes of a name at most, on the wire (RFC 1035, 2.3.4).
const NAME: usize = 255;

/// Bytes that are read of an answer: its header says all, and the rest need not be kept.
const READ: usize = 512;

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The name, labels with dots between them; empty: the root.
    pub name: String,
    /// The type of record, as a number.
    pub kind: u16,
}

/// Asks once, and waits for the answer to that question.
pub async fn probe(target: &Target, question: &Question) -> Verdict {
    let found = async {
        let id = rand_id();
        let packet = query(id, question)?;
        let socket = datagrams(target)?;
        let deadline = Instant::now() + target.timeout;
        socket.send(&packet).await.map_err(|e| turned_away(target, &e))?;
        let mut buffer = [0; READ];
        loop {
            let Some(answer) = receive(&socket, target, deadline, &mut buffer).await? else {
                return Err(Why::TimedOut { step: Step::Reply, after: target.timeout, received: 0 });
            };
            match rcode(id, &answer) {
                Some(0) => return Ok(format!("answered, {} records", records(&answer))),
                Some(code) => return Err(Why::Rcode(code)),
                None => {} // to another question, or none: what was asked may still be answered
            }
        }
    };
    found.await.into()
}

/// A number that nobody on the way can guess.
pub(crate) fn rand_id() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    let [a, b, ..] = std::collections::hash_map::RandomState::new().build_hasher().finish().to_be_bytes();
    u16::from_be_bytes([a, b])
}

/// The question on the wire: recursion desired, class IN.
fn query(id: u16, question: &Question) -> Result<Vec<u8>, Why> {
    let wrong = |error: &str| Why::Local { tried: format!("asking for {:?}", question.name), error: error.to_owned() };
    let mut packet = Vec::with_capacity(HEADER + question.name.len() + 6);
    packet.extend(id.to_be_bytes());
    packet.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = question.name.strip_suffix('.').unwrap_or(&question.name);
    for label in name.split('.').filter(|_| !name.is_empty()) {
        match u8::try_from(label.len()) {
            Ok(length @ 1..=63) => packet.push(length),
            Ok(_) | Err(_) => return Err(wrong("a label has 1 to 63 bytes")),
        }
        packet.extend(label.as_bytes());
    }
    packet.push(0);
    if packet.len() - HEADER > NAME {
        return Err(wrong("a name has 255 bytes at most"));
    }
    packet.extend(question.kind.to_be_bytes());
    packet.extend([0, 1]);
    Ok(packet)
}

/// The response code of an answer to the question with this number; `None`: it is none.
pub(crate) fn rcode(id: u16, answer: &[u8]) -> Option<u8> {
    let header = answer.first_chunk::<HEADER>()?;
    let is_response = header[2] & 0x80 != 0;
    (header[..2] == id.to_be_bytes() && is_response).then_some(header[3] & 0x0f)
}

/// How many records the answer says that it has.
pub(crate) fn records(answer: &[u8]) -> u16 {
    answer.first_chunk::<8>().map_or(0, |header| u16::from_be_bytes([header[6], header[7]]))
}

#[cfg(test)]
mod tests {
    use super::{Question, query, rcode};
    use crate::Why;

    #[test]
    fn a_question_as_it_stands_on_the_wire() {
        let asked = |name: &str, kind| query(0x1234, &Question { name: name.to_owned(), kind });
        let root = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
        assert_eq!(asked("", 6).unwrap(), root);
        assert_eq!(asked(".", 6).unwrap(), root);
        let named = asked("a.example", 28).unwrap();
        assert_eq!(named[12..], *b"\x01a\x07example\x00\x00\x1c\x00\x01");
        assert_eq!(asked("a.example.", 28).unwrap(), named);
        for bad in ["a..b", ".a", &"x".repeat(64), &"abcdefg.".repeat(32)] {
            assert!(matches!(asked(bad, 1), Err(Why::Local { .. })), "{bad}");
        }
        assert_eq!(asked(&"abcdefg.".repeat(31), 1).unwrap().len(), 12 + 249 + 4);
    }

    #[test]
    fn only_an_answer_to_the_question_counts() {
        let answer = |flags: [u8; 2]| [0x12, 0x34, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(rcode(0x1234, &answer([0x81, 0x80])), Some(0));
        assert_eq!(rcode(0x1234, &answer([0x83, 0x82])), Some(2));
        assert_eq!(rcode(0x1235, &answer([0x81, 0x80])), None);
        assert_eq!(rcode(0x1234, &answer([0x01, 0x00])), None, "a question");
        assert_eq!(rcode(0x1234, &answer([0x81, 0x80])[..11]), None);
    }
}
