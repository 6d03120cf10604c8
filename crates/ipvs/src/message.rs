//! Netlink messages: the header, generic netlink's header in it, and the kernel's acknowledgements. Knows nothing of
//! IPVS.

use crate::attr::{Attributes, Reason, padded};

/// The protocol number of generic netlink.
pub(crate) const GENERIC: isize = 16;
/// The family that knows the other families.
pub(crate) const CONTROL: u16 = 16;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
/// In an answer: the table changed while it was dumped.
const DUMP_INTERRUPTED: u16 = 0x10;
/// In an acknowledgement: of the request only its header comes back.
const CAPPED: u16 = 0x100;
/// In an acknowledgement: attributes follow.
const ACK_TLVS: u16 = 0x200;

const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Types below are netlink's own.
const FIRST_FAMILY: u16 = 16;
const ACK_TEXT: u16 = 1;

/// Header of netlink, then of generic netlink.
const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
/// The longest explanation taken from an acknowledgement.
const LONGEST_TEXT: usize = 512;

/// What a request wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One thing: an answer if there is one, and an acknowledgement.
    One,
    /// A change that another one follows: an acknowledgement if it is refused.
    Quiet,
    /// A table: many answers and an end.
    Table,
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) family: u16,
    pub(crate) command: u8,
    pub(crate) kind: Kind,
    pub(crate) sequence: u32,
}

/// Appends a request whose attributes `fill` appends.
pub(crate) fn put(out: &mut Vec<u8>, head: Head, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let flags = match head.kind {
        Kind::One => REQUEST | ACK,
        Kind::Quiet => REQUEST,
        Kind::Table => REQUEST | DUMP,
    };
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&head.family.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&head.sequence.to_ne_bytes());
    // Port 0: the kernel fills in the socket's. Version 1 of the family, two bytes reserved.
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[head.command, 1, 0, 0]);
    fill(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// Makes the request at the head of these bytes one that is acknowledged in any case.
pub(crate) fn acknowledge(request: &mut [u8]) {
    if let Some(flags) = request.get_mut(6..8) {
        flags.copy_from_slice(&(REQUEST | ACK).to_ne_bytes());
    }
}

/// One message of the kernel.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Answer<'a> {
    /// Something of a family: its command and its attributes.
    Value { family: u16, command: u8, attributes: &'a [u8] },
    /// The end of a request. Error number, 0 for success, and the kernel's explanation.
    End { errno: i32, text: Option<String> },
    /// Nothing of interest.
    Nothing,
}

/// A message as received: which request it answers, and what it says.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) sequence: u32,
    /// The table changed while it was dumped: what was read is no picture of any moment.
    pub(crate) interrupted: bool,
    pub(crate) answer: Answer<'a>,
}

/// Reads the messages of a datagram. A broken one is the last.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Received<'a>, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.0);
        let Some((header, _)) = whole.split_first_chunk::<HEADER>() else {
            return Some(Err("a message shorter than its header"));
        };
        let &[l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, _, _, _, _] = header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(body) = whole.get(HEADER..length) else {
            return Some(Err("a message whose length is wrong"));
        };
        self.0 = whole.get(padded(length)..).unwrap_or_default();
        let flags = u16::from_ne_bytes([f0, f1]);
        let answer = match u16::from_ne_bytes([t0, t1]) {
            ERROR => acknowledgement(body, flags),
            DONE => end_of_table(body),
            NOOP => Ok(Answer::Nothing),
            family if family >= FIRST_FAMILY => match body.split_first_chunk::<GENERIC_HEADER>() {
                Some((&[command, _, _, _], attributes)) => Ok(Answer::Value { family, command, attributes }),
                None => Err("a message without the header of generic netlink"),
            },
            _ => Ok(Answer::Nothing),
        };
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        Some(answer.map(|answer| Received { sequence, interrupted: flags & DUMP_INTERRUPTED != 0, answer }))
    }
}

/// `struct nlmsgerr`: a negative error number, the header of the request, the rest of the request unless capped, then
/// attributes.
fn acknowledgement(body: &[u8], flags: u16) -> Result<Answer<'_>, Reason> {
    let (errno, rest) = error_number(body)?;
    let Some((&[l0, l1, l2, l3], _)) = rest.split_first_chunk() else {
        return Err("an acknowledgement without the header of its request");
    };
    let echoed = if flags & CAPPED != 0 || errno == 0 {
        HEADER
    } else {
        padded(usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3]).min(1 << 20)).unwrap_or(usize::MAX))
    };
    let tlvs = if flags & ACK_TLVS != 0 { rest.get(echoed..).unwrap_or_default() } else { &[] };
    Ok(Answer::End { errno, text: explanation(tlvs) })
}

/// The end of a dump: perhaps an error number, perhaps attributes.
fn end_of_table(body: &[u8]) -> Result<Answer<'_>, Reason> {
    if body.is_empty() {
        return Ok(Answer::End { errno: 0, text: None });
    }
    let (errno, tlvs) = error_number(body)?;
    Ok(Answer::End { errno, text: explanation(tlvs) })
}

fn error_number(body: &[u8]) -> Result<(i32, &[u8]), Reason> {
    let (number, rest) = body.split_first_chunk().ok_or("an acknowledgement without an error number")?;
    // A dump may end with a positive number, which means success.
    let errno = i32::from_ne_bytes(*number).checked_neg().ok_or("an impossible error number")?;
    Ok((errno.max(0), rest))
}

/// The text of an extended acknowledgement. It only explains: what can't be read is left out.
fn explanation(tlvs: &[u8]) -> Option<String> {
    let (_, text) = Attributes::new(tlvs).map_while(Result::ok).find(|(kind, _)| *kind == ACK_TEXT)?;
    text.name(LONGEST_TEXT).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
