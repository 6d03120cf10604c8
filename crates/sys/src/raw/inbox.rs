//! Many datagrams in one call (`recvmmsg`), each with what the kernel says beside it.

use super::{Arrived, Received};
use crate::clock::unix_micros_of;
use nix::sys::time::TimeSpec;
use socket2::Socket;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;

/// How many datagrams are taken in one call.
const MANY: usize = 8;
/// Longest datagram: no advert comes near it. Longer ones are cut, which their own length then shows.
const LONGEST: usize = 8 << 10;
/// Room for what is said beside one: time, hop limit, destination.
const BESIDE: usize = 128;

/// Bytes of `struct cmsghdr` (bits/socket.h): length, level and type; each begins at a multiple of a word.
const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();
const WORD: usize = size_of::<usize>();

/// What a receiver hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

/// Room for some datagrams, and those that were taken last.
pub struct Inbox {
    family: Family,
    datagrams: Vec<[u8; LONGEST]>,
    beside: Vec<[u8; BESIDE]>,
    /// From whom each is (that of an IPv4 datagram stands in it), how long it is and how much was said beside it.
    senders: [libc::sockaddr_in6; MANY],
    lengths: [(usize, usize); MANY],
    taken: usize,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox {
            family: Family::V4,
            datagrams: vec![[0; LONGEST]; MANY],
            beside: vec![[0; BESIDE]; MANY],
            senders: [nobody(); MANY],
            lengths: [(0, 0); MANY],
            taken: 0,
        }
    }
}

impl Inbox {
    /// Datagrams taken in one call at most. Where fewer are taken, no more waited.
    pub const MANY: usize = MANY;

    /// Takes what waits at a socket; how many datagrams that are, at most `most`.
    pub(super) fn fill(&mut self, socket: &Socket, family: Family, most: usize) -> io::Result<usize> {
        (self.family, self.taken) = (family, 0);
        let rooms = self.datagrams.iter_mut().zip(&mut self.beside).zip(&mut self.senders);
        let mut pieces = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MANY];
        let mut headers = [nothing(); MANY];
        for (((datagram, beside), sender), (piece, header)) in rooms.zip(pieces.iter_mut().zip(&mut headers)) {
            *piece = libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: LONGEST };
            let header = &mut header.msg_hdr;
            header.msg_iov = piece;
            header.msg_iovlen = 1;
            header.msg_control = beside.as_mut_ptr().cast();
            header.msg_controllen = BESIDE as _;
            if family == Family::V6 {
                header.msg_name = std::ptr::from_mut(sender).cast();
                header.msg_namelen = size_of::<libc::sockaddr_in6>() as _;
            }
        }
        let most = most.min(MANY) as libc::c_uint;
        // SAFETY: needed because nix's own call leaves its headers as the kernel has shortened them. Each of the `most` headers
        // points to room of the length that it gives, which is not touched otherwise before the call is over.
        let taken = unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), most, 0, std::ptr::null_mut()) };
        self.taken = usize::try_from(taken).map_err(|_| io::Error::last_os_error())?;
        for (lengths, header) in self.lengths.iter_mut().zip(&headers[..self.taken]) {
            let length = usize::try_from(header.msg_len).unwrap_or(LONGEST);
            #[allow(clippy::unnecessary_cast)] // it is narrower with musl
            let said = header.msg_hdr.msg_controllen as usize;
            *lengths = (length.min(LONGEST), said.min(BESIDE));
        }
        Ok(self.taken)
    }

    /// One of those that were taken last, if there were so many.
    pub fn get(&self, n: usize) -> Option<Arrived<'_>> {
        let (length, said) = *self.lengths.get(n).filter(|_| n < self.taken)?;
        let bytes = self.datagrams.get(n)?.get(..length)?;
        let beside = self.beside.get(n)?.get(..said)?;
        let (mut destination, mut hop_limit, mut at) = (Ipv6Addr::UNSPECIFIED, 0, None);
        for (level, kind, value) in Controls(beside) {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => at = time(value),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    destination = value.first_chunk::<16>().map_or(destination, |octets| Ipv6Addr::from(*octets));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let limit = value.first_chunk().map(|number| i32::from_ne_bytes(*number));
                    hop_limit = limit.and_then(|limit| u8::try_from(limit).ok()).unwrap_or(0);
                }
                _ => {} // not asked for
            }
        }
        let datagram = match self.family {
            Family::V4 => Received::Whole(bytes),
            Family::V6 => {
                let source = Ipv6Addr::from(self.senders.get(n)?.sin6_addr.s6_addr);
                Received::Payload { source, destination, hop_limit, payload: bytes }
            }
        };
        Some(Arrived { datagram, at })
    }
}

/// What is said beside a datagram: level, type and value (cmsg(3)).
struct Controls<'a>(&'a [u8]);

impl<'a> Iterator for Controls<'a> {
    type Item = (libc::c_int, libc::c_int, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from_ne_bytes(*self.0.first_chunk()?);
        let number = |at: usize| Some(i32::from_ne_bytes(*self.0.get(at..)?.first_chunk()?));
        let (level, kind) = (number(WORD)?, number(WORD + 4)?);
        let value = self.0.get(CONTROL_HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        Some((level, kind, value))
    }
}

/// The time since 1970 in microseconds, of a `struct timespec`.
fn time(value: &[u8]) -> Option<u64> {
    let (secs, nanos) = value.split_at_checked(size_of::<libc::time_t>())?;
    let secs = libc::time_t::from_ne_bytes(*secs.first_chunk()?);
    let nanos = libc::c_long::from_ne_bytes(*nanos.first_chunk()?);
    unix_micros_of(TimeSpec::new(secs, nanos))
}

/// Nobody's address.
fn nobody() -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: 0,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
        sin6_scope_id: 0,
    }
}

/// A header that has room for nothing.
fn nothing() -> libc::mmsghdr {
    // SAFETY: needed because `msghdr` has padding on some systems and no other constructor; all zero is null pointers and
    // lengths of nothing.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn what_waits_is_taken_at_once_in_its_order_with_its_time() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Socket::from(receiver);
        socket.set_nonblocking(true).unwrap();
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::ReceiveTimestampns, &true).unwrap();
        let to = socket.local_addr().unwrap().as_socket().unwrap();
        let mut inbox = Inbox::default();
        let before = crate::clock::unix_micros();
        let texts: Vec<String> = (0..MANY + 4).map(|n| "x".repeat(n * 1000 % 9000) + &n.to_string()).collect();
        for text in &texts {
            sender.send_to(text.as_bytes(), to).unwrap();
        }
        let mut taken = Vec::new();
        for (most, wanted) in [(1, 1), (100, MANY), (100, 3)] {
            assert_eq!(inbox.fill(&socket, Family::V4, most).unwrap(), wanted);
            assert!(inbox.get(wanted).is_none());
            for n in 0..wanted {
                let arrived = inbox.get(n).unwrap();
                let Received::Whole(bytes) = arrived.datagram else { panic!("{arrived:?}") };
                assert!((before..=crate::clock::unix_micros()).contains(&arrived.at.unwrap()));
                taken.push(bytes.to_vec());
            }
        }
        let cut = |text: &String| text.as_bytes()[..text.len().min(LONGEST)].to_vec();
        assert_eq!(taken, texts.iter().map(cut).collect::<Vec<_>>());
        let error = inbox.fill(&socket, Family::V4, 100).unwrap_err();
        assert_eq!((error.kind(), inbox.get(0).is_none()), (io::ErrorKind::WouldBlock, true));
    }

    #[test]
    fn what_the_kernel_would_never_say_is_not_believed() {
        for bytes in [&[][..], &[0; 40], &[255; 40], &[16, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0, 0, 50, 0, 0, 0]] {
            assert!(Controls(bytes).take(100).all(|(.., value)| value.len() <= bytes.len()));
            assert!(Controls(bytes).take(100).count() <= 1, "{bytes:?}");
        }
        assert_eq!((time(&[]), time(&[0; 15])), (None, None));
    }
}
