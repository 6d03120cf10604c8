//! `AGENT_CHECK`: an agent beside the server is connected to and says in one line how its server does and what weight it should
//! have, in the words of HAProxy's `agent-check`.
//!
//! Each answer stands for itself: what an earlier one said is forgotten. (In HAProxy `maint` and `drain` stay until `ready`.)

use crate::connect::{broken, connect};
use crate::why::printable;
use crate::{Step, Target, Why};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a line at most, its end not counted.
pub const LONGEST: usize = 256;

/// The largest weight, as the configuration has it.
pub const HEAVIEST: u32 = i32::MAX as u32;

/// Words that say that the server is not to be used.
const BAD: [&str; 4] = ["down", "stopped", "fail", "maint"];

/// Words that say that it may be, and nothing else.
const GOOD: [&str; 2] = ["up", "ready"];

/// What an agent says of a server that may be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The weight it should have; `None`: that of the configuration.
    pub weight: Option<Weight>,
    /// Its words; printable.
    pub said: String,
}

/// A weight as an agent says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// So many hundredths of the configured one.
    Percent(u32),
    /// This one.
    Exactly(u32),
}

impl Weight {
    /// The weight of a server that has this one in the configuration. A part of something is never nothing: 1 % of 10 is 1.
    pub fn of(self, configured: u32) -> u32 {
        let weight = match self {
            Weight::Percent(percent) => (u64::from(configured) * u64::from(percent)).div_ceil(100),
            Weight::Exactly(weight) => weight.into(),
        };
        u32::try_from(weight).unwrap_or(HEAVIEST).min(HEAVIEST)
    }
}

/// Connects, says `question` and an end of line if there is one, and hears one line.
pub async fn probe(target: &Target, question: Option<&str>) -> Result<Answer, Why> {
    talk(connect(target).await?, target, question).await
}

pub(crate) async fn talk<S>(mut stream: S, target: &Target, question: Option<&str>) -> Result<Answer, Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let talk = async {
        if let Some(question) = question {
            stream.write_all(format!("{question}\n").as_bytes()).await.map_err(|e| broken(&e))?;
        }
        let mut heard = Vec::new();
        while heard.len() <= LONGEST && !heard.iter().any(ends) {
            let mut more = [0; LONGEST];
            match stream.read(&mut more).await.map_err(|e| broken(&e))? {
                0 if heard.is_empty() => return Err(Why::Closed(Step::Reply)),
                0 => break,
                length => heard.extend_from_slice(more.get(..length).unwrap_or_default()),
            }
        }
        understand(&heard)
    };
    match tokio::time::timeout(target.timeout, talk).await {
        Ok(answer) => answer,
        Err(_) => Err(Why::TimedOut { step: Step::Reply, after: target.timeout, received: 0 }),
    }
}

/// Whether a byte ends a line.
fn ends(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// What the first line of what an agent sent means: words with blanks or commas between them, of which any that is bad
/// outweighs all others, then `drain`, then the last weight; a `#` and what follows is for people.
pub fn understand(heard: &[u8]) -> Result<Answer, Why> {
    let line = heard.split(ends).next().unwrap_or_default();
    let said = printable(line, 64);
    let strange = |wanted: String| Why::Reply { got: format!("\"{said}\""), wanted };
    if line.len() > LONGEST {
        return Err(strange(format!("one line, {LONGEST} bytes at most")));
    }
    let words = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    let words = words.split(|byte| matches!(byte, b' ' | b'\t' | b',')).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| std::str::from_utf8(word).unwrap_or("\u{fffd}")).collect();
    let is = |word: &str, one_of: &[&str]| one_of.iter().any(|known| word.eq_ignore_ascii_case(known));
    if words.iter().any(|word| is(word, &BAD)) {
        return Err(Why::Agent(said));
    }
    let (mut drained, mut weight) = (false, None);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if is(word, &["drain"]) {
            drained = true;
        } else if is(word, &["weight"]) {
            let number = rest.next().and_then(|number| number_of(number));
            let number = number.ok_or_else(|| strange(format!("a number from 0 to {HEAVIEST} behind \"weight\"")))?;
            weight = Some(Weight::Exactly(number));
        } else if let Some(percent) = word.strip_suffix('%').and_then(number_of) {
            weight = Some(Weight::Percent(percent));
        } else if let Some(number) = number_of(word) {
            weight = Some(Weight::Exactly(number));
        } else if !is(word, &GOOD) && !is_bound(word) {
            let known = "an agent's words: 75%, weight 10, up, ready, drain, maint, down, stopped, fail".to_owned();
            return Err(strange(known));
        }
    }
    match words.is_empty() {
        true => Err(strange("what the server does".to_owned())),
        false if drained => Ok(Answer { weight: Some(Weight::Exactly(0)), said }),
        false => Ok(Answer { weight, said }),
    }
}

/// `maxconn:100`: how many connections HAProxy would let through, which is nothing to us.
fn is_bound(word: &str) -> bool {
    word.split_once(':').is_some_and(|(name, bound)| name.eq_ignore_ascii_case("maxconn") && number_of(bound).is_some())
}

/// A number up to the largest weight: digits alone.
fn number_of(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= HEAVIEST)
}

#[cfg(test)]
mod tests {
    use super::{HEAVIEST, LONGEST, Weight, understand};

    #[test]
    fn words_of_an_agent() {
        use Weight::{Exactly, Percent};
        for (said, weight) in [
            ("up\n", None),
            ("READY\r\n", None),
            ("up", None),
            ("ready up 75%\nfail\n", Some(Percent(75))),
            ("up,200%", Some(Percent(200))),
            ("0%\n", Some(Percent(0))),
            ("weight 12\n", Some(Exactly(12))),
            ("\t Weight\t0 # idle\n", Some(Exactly(0))),
            ("7\n", Some(Exactly(7))),
            ("7 9%\n", Some(Percent(9))),
            ("drain\n", Some(Exactly(0))),
            ("drain 75%\n", Some(Exactly(0))),
            ("up maxconn:30 50%\n", Some(Percent(50))),
            ("up # down for nobody\n", None),
            ("2147483647", Some(Exactly(HEAVIEST))),
        ] {
            let answer = understand(said.as_bytes()).unwrap_or_else(|why| panic!("{said:?}: {why}"));
            assert_eq!(answer.weight, weight, "{said:?}");
        }
    }

    #[test]
    fn words_that_are_none_and_bad_ones() {
        let long = "up ".repeat(LONGEST);
        for (said, reason) in [
            ("down\n", "its agent says \"down\""),
            ("up DOWN 75%\n", "its agent says"),
            ("maint # until Monday\n", "\"maint # until Monday\""),
            ("stopped\n", "stopped"),
            ("fail the disk is full\n", "\"fail the disk is full\""),
            ("\n", "replied \"\" instead of what the server does"),
            ("   # nothing\n", "instead of what the server does"),
            ("hello\n", "replied \"hello\" instead of an agent's words"),
            ("-1\n", "instead of an agent's words"),
            ("+5%\n", "instead of an agent's words"),
            ("%\n", "instead of an agent's words"),
            ("7.5%\n", "instead of an agent's words"),
            ("99999999999%\n", "instead of an agent's words"),
            ("2147483648\n", "instead of an agent's words"),
            ("weight\n", "behind \"weight\""),
            ("weight up\n", "behind \"weight\""),
            ("weight 75%\n", "behind \"weight\""),
            ("maxconn:\n", "instead of an agent's words"),
            ("up \u{1b}[2J\n", "up \\x1b[2J"),
            (long.as_str(), "one line, 256 bytes at most"),
        ] {
            let why = understand(said.as_bytes()).unwrap_err().to_string();
            assert!(why.contains(reason), "{said:?}: {why}");
        }
        assert!(understand(b"up \xff\n").is_err());
    }

    #[test]
    fn a_part_of_a_weight_is_never_nothing() {
        for (weight, configured, came_to) in [
            (Weight::Percent(75), 100, 75),
            (Weight::Percent(1), 10, 1),
            (Weight::Percent(50), 1, 1),
            (Weight::Percent(0), 100, 0),
            (Weight::Percent(150), 2, 3),
            (Weight::Percent(HEAVIEST), HEAVIEST, HEAVIEST),
            (Weight::Percent(50), 0, 0),
            (Weight::Exactly(7), 100, 7),
            (Weight::Exactly(7), 0, 7),
        ] {
            assert_eq!(weight.of(configured), came_to, "{weight:?} of {configured}");
        }
    }
}
