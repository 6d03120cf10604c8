//! What datagrams of the kernel mean for the requests that wait: without the socket, so that any bytes can be tried.

use crate::attr::Reason;
use crate::error::Error;
use crate::message::{Answer, Head, Messages};

/// More entries than any table that somebody works with.
const ENTRIES: usize = 1 << 20;

/// The answer to a request, as far as it has come.
pub(super) struct Collected<T> {
    pub(super) values: Vec<T>,
    /// The table changed meanwhile: the values are no picture of any moment.
    pub(super) interrupted: bool,
    /// That was all.
    pub(super) ended: bool,
}

impl<T> Collected<T> {
    pub(super) fn nothing() -> Self {
        Collected { values: Vec::new(), interrupted: false, ended: false }
    }

    /// Takes what a datagram says of the request `head`: values of the command `answer`, up to the end. Whether it said
    /// anything.
    pub(super) fn take(
        &mut self,
        datagram: &[u8],
        head: Head,
        answer: u8,
        decode: impl Fn(&[u8]) -> Result<T, Reason>,
    ) -> Result<bool, Error> {
        let mut said = false;
        for message in Messages(datagram) {
            let message = message.map_err(Error::Malformed)?;
            if message.sequence != head.sequence {
                continue; // the late answer to a request that was given up
            }
            self.interrupted |= message.interrupted;
            match message.answer {
                Answer::Value { family, command, attributes } if family == head.family && command == answer => {
                    if self.values.len() >= ENTRIES {
                        return Err(Error::Malformed("more than a million entries"));
                    }
                    self.values.push(decode(attributes).map_err(Error::Malformed)?);
                    said = true;
                }
                Answer::Value { .. } | Answer::Nothing => {}
                Answer::End { errno: 0, .. } => {
                    self.ended = true;
                    return Ok(true);
                }
                Answer::End { errno, text } => return Err(Error::Kernel { errno, text }),
            }
        }
        Ok(said)
    }
}

/// Commands that were sent together, and what became of each. The kernel works them off in their order; it acknowledges the last
/// one, and of those before it the ones that it refuses.
pub(super) struct Batch {
    /// Sequence number of the first command; the others follow without a gap.
    first: u32,
    results: Vec<Option<Result<(), Error>>>,
    /// The place of the last one that was sent, until it is acknowledged.
    last: Option<usize>,
}

impl Batch {
    pub(super) fn starting_at(first: u32) -> Self {
        Batch { first, results: Vec::new(), last: None }
    }

    /// The next command is sent.
    pub(super) fn expect(&mut self) {
        self.last = Some(self.results.len());
        self.results.push(None);
    }

    /// The next command isn't sent.
    pub(super) fn refuse(&mut self, why: Error) {
        self.results.push(Some(Err(why)));
    }

    /// Whether the last acknowledgement is missing.
    pub(super) fn is_open(&self) -> bool {
        self.last.is_some()
    }

    /// Takes the acknowledgements in a datagram. Whether there was one; the rest of a broken datagram is lost.
    pub(super) fn take(&mut self, datagram: &[u8]) -> bool {
        let mut answered = false;
        for message in Messages(datagram).map_while(Result::ok) {
            let Answer::End { errno, text } = message.answer else {
                continue;
            };
            let position = usize::try_from(message.sequence.wrapping_sub(self.first)).unwrap_or(usize::MAX);
            // Another request's, or a second one: the first counts.
            let Some(result @ None) = self.results.get_mut(position) else {
                continue;
            };
            *result = Some(if errno == 0 { Ok(()) } else { Err(Error::Kernel { errno, text }) });
            answered = true;
            if self.last == Some(position) {
                // What was said of those before it has come by now.
                self.results[..position].iter_mut().filter(|r| r.is_none()).for_each(|r| *r = Some(Ok(())));
                self.last = None;
            }
        }
        answered
    }

    /// The outcomes; those that are missing are `why`, or unanswered.
    pub(super) fn broken(self, why: Error) -> Vec<Result<(), Error>> {
        let mut why = Some(why);
        let missing = |result: Option<_>| result.unwrap_or_else(|| Err(why.take().unwrap_or(Error::Unanswered)));
        self.results.into_iter().map(missing).collect()
    }

    /// The outcomes when sending failed: the first one that should have been sent tells why.
    pub(super) fn not_sent(self, why: Error) -> Vec<Result<(), Error>> {
        let mut why = Some(why);
        let missing = |result: Option<_>| result.unwrap_or_else(|| Err(why.take().unwrap_or(Error::NotSent)));
        self.results.into_iter().map(missing).collect()
    }
}

#[cfg(test)]
mod tests;
