//! The time that `reload_time_file` says: from its line to the moment, without a clock or a file.
//!
//! ```text
//!   HH:MM:SS[Z]    YY-MM-DD HH:MM:SS[Z]    YYYY-MM-DD HH:MM:SS[Z]      Z: UTC, else local time
//! ```

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::fmt;

/// The longest line that says a time, in bytes.
pub(crate) const LONGEST: usize = "YYYY-MM-DD HH:MM:SSZ".len();

/// When to reload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct When {
    /// Without one: every day.
    date: Option<Date>,
    time: Time,
    zone: Zone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Zone {
    Utc,
    Local,
}

/// Not a time as it has to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoTime;

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the first line must be HH:MM:SS, YY-MM-DD HH:MM:SS or YYYY-MM-DD HH:MM:SS, with or without a Z behind it",
        )
    }
}

impl When {
    /// The time that a line says, which has nothing else in it.
    pub(crate) fn parse(line: &[u8]) -> Result<When, NoTime> {
        let (line, zone) = match line.strip_suffix(b"Z") {
            Some(line) => (line, Zone::Utc),
            None => (line, Zone::Local),
        };
        let (date, time) = match line.len() {
            8 => (None, line),
            17 | 19 => {
                let (date, time) = line.split_at(line.len() - 9);
                (Some(date_of(date).ok_or(NoTime)?), time.strip_prefix(b" ").ok_or(NoTime)?)
            }
            _ => return Err(NoTime),
        };
        Ok(When { date, time: time_of(time).ok_or(NoTime)?, zone })
    }

    /// Whether it comes back every day.
    pub(crate) fn daily(&self) -> bool {
        self.date.is_none()
    }

    /// When that is, seen from `now`; `None`: it is over. A time that a day has twice is its first, one that a day leaves out
    /// is as much later.
    pub(crate) fn next(&self, now: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = match self.zone {
            Zone::Utc => TimeZone::UTC,
            Zone::Local => local.clone(),
        };
        let on = |date: Date| Some(zone.to_zoned(date.to_datetime(self.time)).ok()?.timestamp());
        let later = |at: &Timestamp| *at > now;
        match self.date {
            Some(date) => on(date).filter(later),
            None => {
                let today = zone.to_datetime(now).date();
                (0..3).find_map(|days| on(today.checked_add(days.days()).ok()?).filter(later))
            }
        }
    }
}

/// Two digits, and what follows them.
fn two(bytes: &[u8]) -> Option<(i8, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<2>()?;
    let digit = |at: usize| digits[at].is_ascii_digit().then(|| (digits[at] - b'0').cast_signed());
    Some((digit(0)? * 10 + digit(1)?, rest))
}

/// `HH:MM:SS`
fn time_of(bytes: &[u8]) -> Option<Time> {
    let (hour, rest) = two(bytes)?;
    let (minute, rest) = two(rest.strip_prefix(b":")?)?;
    let (second, rest) = two(rest.strip_prefix(b":")?)?;
    Time::new(hour, minute, second, 0).ok().filter(|_| rest.is_empty())
}

/// `YYYY-MM-DD`, or `YY-MM-DD` of this century.
fn date_of(bytes: &[u8]) -> Option<Date> {
    let (mut year, mut rest) = two(bytes).map(|(year, rest)| (i16::from(year), rest))?;
    match rest.first() {
        Some(b'-') => year += 2000,
        _ => {
            let (more, after) = two(rest)?;
            (year, rest) = (year * 100 + i16::from(more), after);
        }
    }
    let (month, rest) = two(rest.strip_prefix(b"-")?)?;
    let (day, rest) = two(rest.strip_prefix(b"-")?)?;
    Date::new(year, month, day).ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    /// Central European time, as POSIX writes it: no file of the system is needed.
    fn local() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    /// When a line's time is, in UTC, seen from a moment.
    fn next(line: &str, now: &str) -> Option<String> {
        let now: Timestamp = now.parse().unwrap();
        When::parse(line.as_bytes()).unwrap().next(now, &local()).map(|at| at.to_string())
    }

    fn at(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_time_is_the_next_of_its_kind() {
        let now = "2026-11-25T03:00:00Z"; // four in the morning in Berlin
        assert_eq!(next("03:00:01Z", now), at("2026-11-25T03:00:01Z"));
        assert_eq!(next("03:00:00Z", now), at("2026-11-26T03:00:00Z"), "now is over");
        assert_eq!(next("02:59:59Z", now), at("2026-11-26T02:59:59Z"));
        assert_eq!(next("04:00:01", now), at("2026-11-25T03:00:01Z"));
        assert_eq!(next("04:00:00", now), at("2026-11-26T03:00:00Z"));
        assert_eq!(next("00:30:00", now), at("2026-11-25T23:30:00Z"));
        // It is tomorrow already in Berlin.
        assert_eq!(next("00:30:00", "2026-11-25T23:15:00Z"), at("2026-11-25T23:30:00Z"));
        assert_eq!(next("00:10:00", "2026-12-31T23:15:00Z"), at("2027-01-01T23:10:00Z"));
    }

    #[test]
    fn a_date_is_once() {
        let now = "2026-11-25T03:00:00Z";
        for line in ["2026-11-25 03:00:01Z", "26-11-25 03:00:01Z", "26-11-25 04:00:01", "2026-11-25 04:00:01"] {
            assert_eq!(next(line, now), at("2026-11-25T03:00:01Z"), "{line}");
            assert!(!When::parse(line.as_bytes()).unwrap().daily());
        }
        for line in ["2026-11-25 03:00:00Z", "2026-11-24 12:00:00", "25-11-26 12:00:00", "0001-01-01 00:00:00Z"] {
            assert_eq!(next(line, now), None, "{line}");
        }
        assert_eq!(next("2028-02-29 12:00:00Z", now), at("2028-02-29T12:00:00Z"));
        assert_eq!(next("99-12-31 23:59:59Z", now), at("2099-12-31T23:59:59Z"));
        assert!(When::parse(b"12:00:00").unwrap().daily());
    }

    #[test]
    fn summer_time_leaves_out_an_hour_and_has_another_twice() {
        // 2026-03-29: after 01:59:59 comes 03:00:00.
        assert_eq!(next("02:30:00", "2026-03-28T23:30:00Z"), at("2026-03-29T01:30:00Z"));
        assert_eq!(next("2026-03-29 02:30:00", "2026-03-28T23:30:00Z"), at("2026-03-29T01:30:00Z"));
        // 2026-10-25: 02:00:00 to 02:59:59 are there twice; once is enough.
        assert_eq!(next("02:30:00", "2026-10-24T23:30:00Z"), at("2026-10-25T00:30:00Z"));
        assert_eq!(next("02:30:00", "2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn nothing_else_is_a_time() {
        let wrong = [
            "",
            "Z",
            "ZZ",
            "03:00",
            "3:00:00",
            "03:00:00z",
            "03:00:00ZZ",
            " 03:00:00",
            "03:00:00 ",
            "03:00:00\r",
            "24:00:00",
            "23:60:00",
            "23:59:60",
            "-1:00:00",
            "+3:00:00",
            "03:00:0x",
            "03-00-00",
            "2026-11-25",
            "2026-11-25T03:00:00",
            "2026-11-25  03:00:00",
            "2026-11-25\t03:00:00",
            "2026-13-01 03:00:00",
            "2026-02-29 03:00:00",
            "2026-00-10 03:00:00",
            "2026-11-00 03:00:00",
            "126-11-25 03:00:00",
            "6-11-25 03:00:00",
            "2026/11/25 03:00:00",
            "26-11-2503:00:00",
            "20261125 03:00:00",
            "２6-11-25 03:00:00",
            "2026-11-25 03:00:00 Z",
            "9999-99-99 99:99:99Z",
            "now",
        ];
        for line in wrong {
            assert_eq!(When::parse(line.as_bytes()), Err(NoTime), "{line:?}");
        }
        for bytes in [&[0_u8; 8][..], &[0xff; 17], &[0xff; 19], &[b'0'; 19], &[b'9'; 4096]] {
            assert_eq!(When::parse(bytes), Err(NoTime));
        }
        // The last moment that there is.
        assert_eq!(next("9999-12-31 23:59:59Z", "2026-01-01T00:00:00Z"), None);
    }
}
