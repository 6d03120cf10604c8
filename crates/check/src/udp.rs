//! `UDP_CHECK`: one datagram is sent, and what comes back is judged. Silence is well unless a reply is wanted: most servers
//! say nothing to what they don't understand, and the kernel of one without a server turns datagrams away (ICMP).

use crate::connect::{classify, datagrams};
use crate::why::printable;
use crate::{Step, Target, Verdict, Why};
use std::io::ErrorKind;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// What is sent unless a payload is given: what keepalived sends.
const USUAL: &[u8] = b"keepalived check - keepalived che";

/// Bytes of [`USUAL`] that are sent.
const USUAL_LENGTH: usize = 32;

/// The longest reply that is read: of a longer one the rest is lost, and its length known.
const LONGEST: usize = 65_536;

/// What is sent and what must come back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// What is sent; `None`: 32 bytes that mean nothing.
    pub payload: Option<Vec<u8>>,
    /// What must come back.
    pub reply: Reply,
}

/// What must come back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Reply {
    /// Nothing need come.
    #[default]
    Optional,
    /// Any datagram.
    Any,
    /// One that begins like this.
    Like(Pattern),
}

/// How a reply begins, and how long it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pattern {
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// Which bits of them count; as many bytes.
    pub mask: Vec<u8>,
    /// Bytes at least.
    pub min: usize,
    /// Bytes at most.
    pub max: usize,
}

impl Pattern {
    /// Whether a reply fits: its length, and as many bytes as both have.
    pub fn fits(&self, reply: &[u8]) -> bool {
        let same = |((byte, wanted), mask): ((&u8, &u8), &u8)| byte & mask == wanted & mask;
        (self.min..=self.max).contains(&reply.len()) && reply.iter().zip(&self.bytes).zip(&self.mask).all(same)
    }

    /// As an operator writes it: `2a2axx, 4 to 255 bytes`.
    fn text(&self) -> String {
        let digit =
            |value: u8, mask: u8| if mask == 0 { 'x' } else { char::from_digit(value.into(), 16).unwrap_or('x') };
        let both = |(byte, mask): (&u8, &u8)| [digit(byte >> 4, mask >> 4), digit(byte & 15, mask & 15)];
        let bytes: String = self.bytes.iter().zip(&self.mask).flat_map(both).collect();
        format!("{bytes}, {} to {} bytes", self.min, self.max)
    }
}

/// Sends, and judges what comes within the time.
pub async fn probe(target: &Target, request: &Request) -> Verdict {
    let found = async {
        let socket = datagrams(target)?;
        let payload = request.payload.as_deref().unwrap_or(&USUAL[..USUAL_LENGTH]);
        let deadline = Instant::now() + target.timeout;
        socket.send(payload).await.map_err(|e| turned_away(target, &e))?;
        let reply = receive(&socket, target, deadline, &mut vec![0; LONGEST]).await?;
        judge(target, request, reply.as_deref())
    };
    found.await.into()
}

fn judge(target: &Target, request: &Request, reply: Option<&[u8]>) -> Result<String, Why> {
    match (reply, &request.reply) {
        (None, Reply::Optional) => Ok(format!("no reply and no ICMP error within {:?}", target.timeout)),
        (None, Reply::Any | Reply::Like(_)) => {
            Err(Why::TimedOut { step: Step::Reply, after: target.timeout, received: 0 })
        }
        (Some(reply), Reply::Like(pattern)) if !pattern.fits(reply) => {
            let got = format!("{} bytes (\"{}\")", reply.len(), printable(reply, 32));
            Err(Why::Reply { got, wanted: pattern.text() })
        }
        (Some(reply), Reply::Optional | Reply::Any | Reply::Like(_)) => {
            Ok(format!("replied with {} bytes", reply.len()))
        }
    }
}

/// The next datagram; `None`: none by then.
pub(crate) async fn receive(
    socket: &UdpSocket,
    target: &Target,
    deadline: Instant,
    buffer: &mut [u8],
) -> Result<Option<Vec<u8>>, Why> {
    match timeout_at(deadline, socket.recv(buffer)).await {
        Err(_) => Ok(None),
        Ok(Ok(length)) => Ok(Some(buffer.get(..length).unwrap_or_default().to_vec())),
        Ok(Err(error)) => Err(turned_away(target, &error)),
    }
}

/// What an error of a connected datagram socket says: mostly what ICMP said.
pub(crate) fn turned_away(target: &Target, error: &std::io::Error) -> Why {
    match error.kind() {
        ErrorKind::ConnectionRefused => Why::PortUnreachable,
        _ => classify(target.address, error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Reply, Request, judge};
    use crate::{Target, Why};
    use std::time::Duration;

    #[test]
    fn a_reply_is_compared_as_far_as_both_go() {
        let pattern = Pattern { bytes: vec![0x12, 0x30], mask: vec![0xff, 0xf0], min: 1, max: 4 };
        assert_eq!(pattern.text(), "123x, 1 to 4 bytes");
        for (reply, fits) in [
            (&[0x12, 0x3f][..], true),
            (&[0x12], true),
            (&[0x12, 0x3f, 9, 9], true),
            (&[], false),
            (&[0x12, 0x3f, 9, 9, 9], false),
            (&[0x12, 0x4f], false),
            (&[0x13, 0x3f], false),
        ] {
            assert_eq!(pattern.fits(reply), fits, "{reply:?}");
        }
    }

    #[test]
    fn silence_is_well_where_no_reply_is_wanted() {
        let target = Target::new("192.0.2.1:53".parse().unwrap(), Duration::from_secs(5));
        let judged = |reply: Reply, came: Option<&[u8]>| judge(&target, &Request { payload: None, reply }, came);
        let like = || Reply::Like(Pattern { bytes: vec![b'a'], mask: vec![0xff], min: 0, max: 255 });
        assert!(judged(Reply::Optional, None).is_ok() && judged(Reply::Optional, Some(b"b")).is_ok());
        assert!(matches!(judged(Reply::Any, None), Err(Why::TimedOut { .. })));
        assert!(judged(Reply::Any, Some(b"")).is_ok());
        assert!(judged(like(), Some(b"ab")).is_ok());
        let why = judged(like(), Some(b"b\n")).unwrap_err().to_string();
        assert_eq!(why, "replied 2 bytes (\"b\\n\") instead of 61, 0 to 255 bytes");
    }
}
