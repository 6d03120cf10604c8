//! A bound for log lines that the world can cause: a few at once, then one a while, with how many were left out.

/// Lines let through at once.
const BURST: u32 = 5;
/// Then one in so many microseconds.
const GAP: u64 = 10_000_000;

/// Lets some through and counts the rest.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    left: u32,
    next: u64,
    silent: u64,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit { left: BURST, next: 0, silent: 0 }
    }
}

impl Limit {
    /// Whether a line may be written at this time (microseconds); with it, what to append about those left out.
    pub(crate) fn allow(&mut self, now: u64) -> Option<String> {
        if now >= self.next + 6 * GAP {
            self.left = BURST; // a minute of quiet
        }
        if self.left == 0 && now < self.next {
            self.silent += 1;
            return None;
        }
        self.left = self.left.saturating_sub(1);
        self.next = now + GAP;
        let silent = std::mem::take(&mut self.silent);
        Some(if silent > 0 { format!(" ({silent} more like this not logged)") } else { String::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, GAP, Limit};

    #[test]
    fn a_burst_passes_then_one_a_while_and_the_rest_is_counted() {
        let mut limit = Limit::default();
        let passed = (0..1000).filter(|t| limit.allow(*t).is_some()).count();
        assert_eq!(passed, BURST as usize);
        assert_eq!(limit.allow(GAP + 1000).unwrap(), format!(" ({} more like this not logged)", 1000 - BURST));
        assert_eq!(limit.allow(GAP + 1001), None);
    }
}
