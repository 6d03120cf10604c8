//! Single values: numbers, times, addresses, words of a set. Each says exactly what it does not like.

use crate::diag::{Code, Report};
use crate::keyword::Family;
use crate::lex::words::Word;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A whole number in a range. Base 10; an empty word is no number (keepalived takes it for 0).
pub(crate) fn int(word: &Word, what: &str, min: i64, max: i64) -> Result<i64, Report> {
    let digits = word.text.strip_prefix('+').unwrap_or(&word.text);
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain {
        let report = Report::error(Code::BadNumber, word.at, format!("{what}: `{}` is not a whole number", word.text));
        let head = digits.trim_end_matches(|c: char| !c.is_ascii_digit());
        let fits = head.parse::<i64>().is_ok_and(|value| (min..=max).contains(&value));
        let help = behind(digits, head).filter(|_| fits).unwrap_or_else(|| range_help(min, max));
        return Err(report.help(help));
    }
    let value = digits.parse::<i64>().map(|v| if negative { -v } else { v });
    match value {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => {
            let message = format!("{what}: {} is out of range", word.text);
            Err(Report::error(Code::OutOfRange, word.at, message).help(range_help(min, max)))
        }
    }
}

/// What to do about that which stands behind a number, if it is known what is meant.
fn behind(text: &str, head: &str) -> Option<String> {
    let tail = text.strip_prefix(head).filter(|_| !head.is_empty())?;
    match tail {
        ";" => Some(NO_SEMICOLON.to_owned()),
        // Another unit than the keyword's, perhaps: the bare number would mean something else.
        "ms" | "us" | "m" | "min" | "h" | "d" => None,
        _ if tail.starts_with(',') => {
            let point = text.replacen(',', ".", 1);
            point.parse::<f64>().is_ok().then(|| format!("write `{point}`, with a point"))
        }
        _ => Some(format!("write `{head}`, without a unit")),
    }
}

const NO_SEMICOLON: &str = "there is no `;` here: lines separate keywords";

fn range_help(min: i64, max: i64) -> String {
    format!("a whole number from {min} to {max}")
}

/// A decimal number with `decimals` places, as a whole number of the smallest unit; and whether it was rounded.
pub(crate) fn decimal(word: &Word, what: &str, decimals: usize, min: u64, max: u64) -> Result<(u64, bool), Report> {
    let text = word.text.strip_prefix('+').unwrap_or(&word.text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || (whole.is_empty() && fraction.is_empty()) {
        let report = Report::error(Code::BadNumber, word.at, format!("{what}: `{}` is not a number", word.text));
        let head: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        return Err(match behind(text, &head) {
            Some(help) if head != "." => report.help(help),
            _ => report.help(format!("{}, without a unit", decimal_help(decimals, min, max))),
        });
    }
    let scale = 10u64.pow(u32::try_from(decimals).unwrap_or(0));
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(decimals).collect();
    let rounds_up = fraction.as_bytes().get(decimals).is_some_and(|d| *d >= b'5');
    let rounded = fraction.len() > decimals && fraction[decimals..].bytes().any(|d| d != b'0');
    let value = (if whole.is_empty() { Ok(0) } else { whole.parse::<u64>() })
        .ok()
        .and_then(|w| w.checked_mul(scale))
        .and_then(|w| w.checked_add(kept.parse().unwrap_or(0)))
        .and_then(|w| w.checked_add(u64::from(rounds_up)));
    match value {
        Some(value) if (min..=max).contains(&value) => Ok((value, rounded)),
        _ => {
            let message = format!("{what}: {} is out of range", word.text);
            Err(Report::error(Code::OutOfRange, word.at, message).help(decimal_help(decimals, min, max)))
        }
    }
}

fn decimal_help(decimals: usize, min: u64, max: u64) -> String {
    let scale = 10u64.pow(u32::try_from(decimals).unwrap_or(0));
    let shown = |v: u64| {
        let text = format!("{}.{:0width$}", v / scale, v % scale, width = decimals);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    format!("a number from {} to {}", shown(min), shown(max))
}

/// `on true yes` or `off false no`.
pub(crate) fn switch(word: &Word, what: &str) -> Result<bool, Report> {
    match word.text.as_str() {
        "on" | "true" | "yes" => Ok(true),
        "off" | "false" | "no" => Ok(false),
        other => Err(one_of(word, what, &["on", "off"], other)),
    }
}

/// The report that a word is none of a set.
pub(crate) fn one_of(word: &Word, what: &str, set: &[&str], given: &str) -> Report {
    let report = Report::error(Code::BadWord, word.at, format!("{what}: `{given}` is not possible here"));
    if given.ends_with(';') {
        return report.help(NO_SEMICOLON);
    }
    match crate::tree::nearest(given, set.iter().copied()) {
        Some(near) => report.help(format!("did you mean `{near}`?")),
        None => report.help(format!("one of: {}", set.join(", "))),
    }
}

/// An address. Nothing may follow it (keepalived drops what stands behind `/` or `-`).
pub(crate) fn ip(word: &Word, what: &str, family: Family) -> Result<IpAddr, Report> {
    let Some(address) = parse_ip(&word.text) else {
        let report = Report::error(Code::BadAddress, word.at, format!("{what}: `{}` is not an address", word.text));
        return Err(match almost_ip(&word.text) {
            Some(help) => report.help(help),
            None => report.help(match family {
                _ if looks_like_a_name(&word.text) => "names are not looked up: write the address",
                Family::V4 => "such as 192.0.2.1",
                Family::V6 => "such as 2001:db8::1",
                Family::Any => "such as 192.0.2.1 or 2001:db8::1",
            }),
        });
    };
    match (family, address) {
        (Family::V4, IpAddr::V6(_)) => {
            Err(Report::error(Code::WrongFamily, word.at, format!("{what}: this needs an IPv4 address")))
        }
        (Family::V6, IpAddr::V4(_)) => {
            Err(Report::error(Code::WrongFamily, word.at, format!("{what}: this needs an IPv6 address")))
        }
        _ => Ok(address),
    }
}

fn looks_like_a_name(text: &str) -> bool {
    !text.contains(':') && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// What an address that is none should be, if that is clear.
fn almost_ip(text: &str) -> Option<String> {
    let v4 = |text: &str| text.parse::<Ipv4Addr>().ok();
    if let Some((head, _)) = text.split_once('/') {
        return parse_ip(head).map(|_| format!("write `{head}`, without a length"));
    }
    if let Some((head, port)) = text.split_once(':') {
        return v4(head).map(|_| format!("a port is a word of its own: {head} {port}"));
    }
    if text.ends_with([',', ';']) {
        return parse_ip(&text[..text.len() - 1]).map(|ip| format!("write `{ip}`: lines separate addresses"));
    }
    let octets = text.split('.').map(|octet| octet.trim_start_matches('0')).map(|o| if o.is_empty() { "0" } else { o });
    let plain = octets.collect::<Vec<_>>().join(".");
    v4(&plain).map(|ip| format!("write `{ip}`: leading zeros mean octal numbers to some"))
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

/// An address and a prefix length, the host's length if none is given.
pub(crate) fn prefix(word: &Word, what: &str) -> Result<(IpAddr, u8), Report> {
    let bad = |message: String| Report::error(Code::BadAddress, word.at, message);
    let (head, length) = match word.text.split_once('/') {
        Some((head, length)) => (head, Some(length)),
        None => (word.text.as_str(), None),
    };
    let Some(address) = parse_ip(head) else {
        let report = bad(format!("{what}: `{head}` is not an address"));
        return Err(if head.split('.').count() == 4 && head.ends_with('.') {
            report.help("the last number is missing: a network is written with all four, such as 192.0.2.0/24")
        } else {
            report.help("such as 192.0.2.1/24 or 2001:db8::1/64")
        });
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(text) => text.parse::<u8>().ok().filter(|l| *l <= most && !text.starts_with('+')).ok_or_else(|| {
            let mask = text.parse::<Ipv4Addr>().map(u32::from).ok().filter(|m| m.leading_ones() == m.count_ones());
            bad(format!("{what}: `/{text}` is not a prefix length")).help(match (mask, text.strip_suffix([',', ';'])) {
                (Some(mask), _) => format!("write `{head}/{}`", mask.leading_ones()),
                (None, Some(length)) => format!("write `{head}/{length}`: lines separate addresses"),
                (None, None) => format!("0 to {most}"),
            })
        })?,
    };
    Ok((address, length))
}

/// A port, or 0 for none; nothing is none.
pub(crate) fn port_or_none(word: Option<&Word>, what: &str) -> Result<u16, Report> {
    let Some(word) = word else { return Ok(0) };
    Ok(u16::try_from(int(word, what, 0, 65_535)?).unwrap_or(0))
}

/// An interface name: not empty, at most 15 bytes, no slash or blank.
pub(crate) fn device(word: &Word, what: &str) -> Result<String, Report> {
    let name = &word.text;
    if name.is_empty() || name.len() > 15 || name.contains(['/', ' ', '\t']) || name == "." || name == ".." {
        let report = Report::error(Code::BadName, word.at, format!("{what}: `{name}` can't be an interface"));
        return Err(report.help("interface names have 1 to 15 bytes"));
    }
    Ok(name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Place;

    fn word(text: &str) -> Word {
        Word { text: text.to_owned(), at: Place::NOWHERE }
    }

    #[test]
    fn whole_numbers() {
        assert_eq!(int(&word("12"), "x", 0, 20).ok(), Some(12));
        assert_eq!(int(&word("+12"), "x", 0, 20).ok(), Some(12));
        assert_eq!(int(&word("-4"), "x", -5, 5).ok(), Some(-4));
        for bad in ["", "12abc", "0x10", "1 2", "-1", "21", "99999999999999999999", "--1", "+-1 "] {
            assert!(int(&word(bad), "x", 0, 20).is_err(), "{bad}");
        }
    }

    #[test]
    fn decimals_are_fixed_point() {
        let us = |t: &str| decimal(&word(t), "x", 6, 0, 10_000_000_000).ok();
        assert_eq!(us("2"), Some((2_000_000, false)));
        assert_eq!(us("2."), Some((2_000_000, false)));
        assert_eq!(us(".5"), Some((500_000, false)));
        assert_eq!(us("0.000001"), Some((1, false)));
        assert_eq!(us("0.0000015"), Some((2, true)));
        assert_eq!(us("1.9999999"), Some((2_000_000, true)));
        assert_eq!(us("1.0000000"), Some((1_000_000, false)));
        for bad in ["", ".", "-1", "1e3", "5s", "1.5s", "1.2.3", "99999999999999999999"] {
            assert_eq!(us(bad), None, "{bad}");
        }
    }

    #[test]
    fn prefixes() {
        assert_eq!(prefix(&word("192.0.2.1/24"), "x").ok(), Some((IpAddr::from([192, 0, 2, 1]), 24)));
        assert_eq!(prefix(&word("192.0.2.1"), "x").ok().map(|p| p.1), Some(32));
        assert_eq!(prefix(&word("2001:db8::1"), "x").ok().map(|p| p.1), Some(128));
        for bad in ["192.168.100./24", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/+8", "x", "2001:db8::/129"] {
            assert!(prefix(&word(bad), "x").is_err(), "{bad}");
        }
    }

    #[test]
    fn devices() {
        assert!(device(&word("eth0.1"), "x").is_ok());
        assert!(device(&word("a-name-of-16-byte"), "x").is_err());
        assert!(device(&word("a/b"), "x").is_err());
    }
}
