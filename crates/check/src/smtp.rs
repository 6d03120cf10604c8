//! `SMTP_CHECK`: whether a mail server greets, takes a HELO and lets itself be left (RFC 5321). Nothing is mailed.
//!
//! A reply may have many lines (RFC 5321, 4.2.1), and a line need not have a text behind its code; keepalived takes neither. All
//! lines of a reply have the same code, or it says nothing.

use crate::connect::{broken, connect};
use crate::why::printable;
use crate::{Step, Target, Verdict, Why};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// Bytes of a whole reply at most.
const LONGEST: u64 = 16 << 10;

/// Greets, and leaves.
pub async fn probe(target: &Target, helo_name: &str) -> Verdict {
    let found = async { talk(connect(target).await?, target, helo_name).await };
    found.await.into()
}

pub(crate) async fn talk<S>(stream: S, target: &Target, helo_name: &str) -> Result<String, Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let greeting = reply(&mut stream, target).await?;
    expect(220, &greeting, "its greeting")?;
    say(&mut stream, target, &format!("HELO {helo_name}\r\n")).await?;
    expect(250, &reply(&mut stream, target).await?, "to HELO")?;
    say(&mut stream, target, "QUIT\r\n").await?;
    let _any = reply(&mut stream, target).await?;
    Ok(format!("greeted with \"{}\"", printable(greeting.text.as_bytes(), 64)))
}

/// What a server says at a time.
#[derive(PartialEq, Eq, Debug)]
struct Reply {
    /// `None`: its last line does not begin with one.
    code: Option<u16>,
    /// Its last line.
    text: String,
}

fn expect(code: u16, reply: &Reply, to: &str) -> Result<(), Why> {
    if reply.code == Some(code) {
        return Ok(());
    }
    let got = format!("\"{}\"", printable(reply.text.as_bytes(), 64));
    Err(Why::Reply { got, wanted: format!("{code} {to}") })
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, target: &Target, line: &str) -> Result<(), Why> {
    match timeout(target.timeout, stream.write_all(line.as_bytes())).await {
        Ok(said) => said.map_err(|e| broken(&e)),
        Err(_) => Err(Why::TimedOut { step: Step::Reply, after: target.timeout, received: 0 }),
    }
}

/// A whole reply, however its lines come, within the time.
async fn reply<S: AsyncBufRead + Unpin>(stream: &mut S, target: &Target) -> Result<Reply, Why> {
    let read = async {
        let mut rest = stream.take(LONGEST);
        let mut first = None;
        loop {
            let mut line = Vec::new();
            let length = rest.read_until(b'\n', &mut line).await.map_err(|e| broken(&e))?;
            if length == 0 && rest.limit() > 0 {
                return Err(Why::Closed(Step::Reply));
            }
            if line.last() != Some(&b'\n') {
                let got = format!("\"{}\"", printable(&line, 64));
                return Err(Why::Reply { got, wanted: format!("lines, {LONGEST} bytes in all at most") });
            }
            let (code, goes_on) = understood(&line);
            if let Some(first) = first.filter(|first| code != Some(*first)) {
                let got = format!("\"{}\"", printable(line.trim_ascii_end(), 64));
                return Err(Why::Reply { got, wanted: format!("another line of its {first}, which it had begun") });
            }
            first = code;
            if !goes_on {
                return Ok(Reply { code, text: String::from_utf8_lossy(line.trim_ascii_end()).into_owned() });
            }
        }
    };
    match timeout(target.timeout, read).await {
        Ok(reply) => reply,
        Err(_) => Err(Why::TimedOut { step: Step::Reply, after: target.timeout, received: 0 }),
    }
}

/// The code of a line, and whether another one follows (`250-`).
fn understood(line: &[u8]) -> (Option<u16>, bool) {
    let (digits, rest) = line.split_at_checked(3).unwrap_or((line, &[]));
    let is_code = digits.len() == 3 && digits.iter().all(u8::is_ascii_digit);
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')));
    match rest.first() {
        Some(b'-') if is_code => (Some(code), true),
        Some(b' ' | b'\r' | b'\n') if is_code => (Some(code), false),
        Some(_) | None => (None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::understood;

    #[test]
    fn a_line_begins_with_a_code() {
        for (line, says) in [
            (&b"220 hello\r\n"[..], (Some(220), false)),
            (b"220\r\n", (Some(220), false)),
            (b"220\n", (Some(220), false)),
            (b"220-hello\r\n", (Some(220), true)),
            (b"2200\r\n", (None, false)),
            (b"22\r\n", (None, false)),
            (b"22x hello\n", (None, false)),
            (b"-22 hello\n", (None, false)),
            (b"\xff\xff\xff \n", (None, false)),
            (b"\n", (None, false)),
            (b"", (None, false)),
        ] {
            assert_eq!(understood(line), says, "{line:?}");
        }
    }
}
