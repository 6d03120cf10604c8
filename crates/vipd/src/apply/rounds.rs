//! Rounds of announcements that wait: lists of addresses, each to be announced several times. They leave a few at a time, each
//! list in its order and at the pace of its interfaces.

use super::pace::Pace;
use std::collections::{BTreeSet, VecDeque};
use vipd_vrrp::settings::VirtualAddress;

/// Most rounds that wait; more are not taken.
const ROUNDS: usize = 4096;

/// A list of addresses that is announced several times.
struct Round {
    list: Vec<VirtualAddress>,
    /// Whose turn it is.
    position: usize,
    /// How often the list is still to be begun, or ended if `position` is within it.
    remaining: u32,
    /// Before this its next announcement may not leave.
    at: u64,
}

/// The rounds that wait.
#[derive(Default)]
pub(super) struct Rounds(VecDeque<Round>);

impl Rounds {
    /// A list is to be announced so many times from now on, with what is left of an earlier round of it: not one after the
    /// other. What waited for one of these addresses alone is in here now.
    pub(super) fn ask(&mut self, list: &[VirtualAddress], times: u32) {
        let Some(first) = list.first().filter(|_| times > 0) else { return };
        self.0.retain(|r| r.list.len() == list.len() || !matches!(r.list.as_slice(), [one] if list.contains(one)));
        let waiting = self.0.iter_mut().find(|r| r.list.first() == Some(first) && r.list.len() == list.len());
        match waiting {
            Some(round) => round.remaining = round.remaining.max(times),
            None => self.push(list.to_vec(), times),
        }
    }

    /// One address is to be announced once, if no round is going to do so anyway.
    pub(super) fn ask_once(&mut self, address: &VirtualAddress) {
        if !self.0.iter().any(|round| round.list.contains(address)) {
            self.push(vec![address.clone()], 1);
        }
    }

    fn push(&mut self, list: Vec<VirtualAddress>, remaining: u32) {
        if self.0.len() < ROUNDS {
            self.0.push_back(Round { list, position: 0, remaining, at: 0 });
        }
    }

    /// What was still to be announced of these is not.
    pub(super) fn hush<'a>(&mut self, addresses: impl Iterator<Item = &'a VirtualAddress>) {
        if self.0.is_empty() {
            return;
        }
        let hushed: BTreeSet<&VirtualAddress> = addresses.collect();
        self.0.retain_mut(|round| {
            let mut place = 0;
            let position = round.position;
            round.list.retain(|address| {
                let stays = !hushed.contains(address);
                // Those before it go: it stays with whoever's turn it is.
                round.position -= usize::from(!stays && place < position);
                place += 1;
                stays
            });
            if round.position == round.list.len() {
                round.position = 0;
                round.remaining -= 1;
            }
            round.remaining > 0 && !round.list.is_empty()
        });
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// When the first of them may go on.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.0.iter().map(|round| round.at).min()
    }

    /// Takes what is to be announced now: so many at the most, and none that isn't claimed any more.
    pub(super) fn take(
        &mut self,
        now: u64,
        most: usize,
        pace: &mut Pace,
        claimed: impl Fn(&VirtualAddress) -> bool,
    ) -> Vec<VirtualAddress> {
        let mut taken = Vec::new();
        let mut left = most;
        for _ in 0..self.0.len() {
            let Some(mut round) = self.0.pop_front() else { break };
            while left > 0 && round.remaining > 0 && round.at <= now {
                if let Some(address) = round.list.get(round.position).filter(|a| claimed(a)) {
                    // The pace is the interface's, whoever announces there.
                    if let Err(next) = pace.take(address, now) {
                        round.at = next;
                        break;
                    }
                    taken.push(address.clone());
                }
                left -= 1;
                round.position += 1;
                if round.position >= round.list.len() {
                    round.position = 0;
                    round.remaining -= 1;
                }
            }
            if round.remaining > 0 {
                self.0.push_back(round);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> VirtualAddress {
        VirtualAddress::plain([192, 0, 2, last].into(), 24, "eth0".into())
    }

    fn addresses(lasts: &[u8]) -> Vec<VirtualAddress> {
        lasts.iter().map(|last| address(*last)).collect()
    }

    /// The last bytes of what is announced in one turn.
    fn turn(rounds: &mut Rounds, most: usize) -> Vec<u8> {
        let taken = rounds.take(0, most, &mut Pace::default(), |_| true);
        taken.iter().map(|a| if let std::net::IpAddr::V4(v4) = a.address { v4.octets()[3] } else { 0 }).collect()
    }

    #[test]
    fn a_list_goes_out_in_its_order_so_many_times() {
        let mut rounds = Rounds::default();
        rounds.ask(&addresses(&[1, 2, 3]), 2);
        assert_eq!(turn(&mut rounds, 4), [1, 2, 3, 1]);
        assert_eq!(turn(&mut rounds, 4), [2, 3]);
        assert_eq!(rounds.next_at(), None);
    }

    #[test]
    fn a_list_that_is_asked_for_again_is_not_doubled() {
        let mut rounds = Rounds::default();
        rounds.ask_once(&address(2));
        rounds.ask(&addresses(&[1, 2]), 1);
        rounds.ask(&addresses(&[1, 2]), 2);
        rounds.ask_once(&address(1));
        assert_eq!(turn(&mut rounds, 9), [1, 2, 1, 2]);
    }

    #[test]
    fn what_is_not_claimed_is_passed_over() {
        let mut rounds = Rounds::default();
        rounds.ask(&addresses(&[1, 2, 3]), 1);
        let taken = rounds.take(0, 9, &mut Pace::default(), |a| *a != address(2));
        assert_eq!(taken, addresses(&[1, 3]));
    }

    #[test]
    fn of_what_is_hushed_nothing_leaves_and_the_others_go_on_where_they_were() {
        let mut rounds = Rounds::default();
        rounds.ask(&addresses(&[1, 2, 3, 4]), 2);
        rounds.ask(&addresses(&[5]), 3);
        assert_eq!(turn(&mut rounds, 2), [1, 2]);
        rounds.hush(addresses(&[1, 4, 5]).iter());
        assert_eq!(turn(&mut rounds, 9), [3, 2, 3]);
        assert_eq!(rounds.next_at(), None, "the round of 5 alone is gone");
    }

    #[test]
    fn a_round_of_which_only_what_was_announced_is_left_is_over() {
        let mut rounds = Rounds::default();
        rounds.ask(&addresses(&[1, 2]), 1);
        assert_eq!(turn(&mut rounds, 1), [1]);
        rounds.hush([address(2)].iter());
        assert_eq!(turn(&mut rounds, 9), [0_u8; 0]);
        assert_eq!(rounds.next_at(), None);
    }
}
