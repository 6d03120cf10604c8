//! Words that are more than a number or an address: marks, ranges, labels, names of the iproute2 tables. Judged by their
//! form alone: whether a named table exists on the host that will run this is not known here.

use crate::diag::{Code, Report};
use crate::keyword::Form;
use crate::lex::words::Word;
use crate::setting::Value;

/// Judges one word.
pub(crate) fn judge(word: &Word, what: &str, form: Form) -> Result<(), Report> {
    let text = word.text.as_str();
    let fine = match form {
        Form::Named(least, most) => named(text, least, most),
        Form::Mac => mac(text),
        Form::Range(least, most) => range(text, least, most),
        Form::Mark => halves(text).all(|half| number(half).is_some_and(|n| n <= u64::from(u32::MAX))),
        Form::Realms => halves(text).all(|half| named(half, 0, 255)),
        Form::Number(most) => number(text).is_some_and(|n| n <= most),
        Form::RoundTrip => round_trip(text),
        Form::Labels => !text.is_empty() && text.split('/').all(|l| number(l).is_some_and(|n| n < 1 << 20)),
        Form::Locator => {
            let groups: Vec<&str> = text.split(':').collect();
            groups.len() == 4 && groups.iter().all(|g| matches!(g.len(), 1..=4) && hex(g))
        }
        Form::Text(most) => (1..=most).contains(&text.len()),
        Form::Hash => text.len() == 32 && hex(text),
        Form::Domain => domain(text),
        Form::Broadcast => matches!(text, "+" | "-") || text.parse::<std::net::Ipv4Addr>().is_ok(),
        Form::Lifetime => text == "forever" || text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok(),
    };
    if fine {
        return Ok(());
    }
    let report = Report::error(Code::BadWord, word.at, format!("{what}: `{text}` is not possible here"));
    Err(report.help(expected(form)))
}

/// The value of a word of that form: a number where it is one, however it was written.
pub(crate) fn typed(text: &str, form: Form) -> Value {
    let number = match form {
        Form::Named(..) | Form::Number(_) => number(text),
        Form::Lifetime => text.parse().ok(),
        Form::Broadcast => return text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Address),
        Form::Mac
        | Form::Range(..)
        | Form::Mark
        | Form::Realms
        | Form::RoundTrip
        | Form::Labels
        | Form::Locator
        | Form::Text(_)
        | Form::Hash
        | Form::Domain => None,
    };
    number.map_or_else(|| Value::Text(text.to_owned()), |n| Value::Number(n.into()))
}

/// A prefix, or the word that stands for one.
pub(crate) fn network(text: &str) -> Value {
    let word = Word { text: text.to_owned(), at: crate::source::Place::NOWHERE };
    match crate::value::prefix(&word, "") {
        Ok((address, length)) => Value::Network(address, length),
        Err(_) => Value::Text(text.to_owned()),
    }
}

/// What a form looks like, for people.
fn expected(form: Form) -> String {
    match form {
        Form::Named(least, most) => format!("a number from {least} to {most}, or a name of the iproute2 tables"),
        Form::Mac => "a unicast MAC address of six octets, or the first five: 02:00:5e:10:00:01".to_owned(),
        Form::Range(least, most) => format!("a number or START-END, each from {least} to {most}"),
        Form::Mark => "a mark or MARK/MASK, each from 0 to 0xffffffff".to_owned(),
        Form::Realms => "TO or FROM/TO, each a number from 0 to 255 or a name of the iproute2 tables".to_owned(),
        Form::Number(most) => format!("a whole number from 0 to {most}"),
        Form::RoundTrip => "a number, with `ms` or `s` behind it if it is a time".to_owned(),
        Form::Labels => "labels from 0 to 1048575, with `/` between them".to_owned(),
        Form::Locator => "four groups of hexadecimal digits, with `:` between them".to_owned(),
        Form::Text(most) => format!("1 to {most} bytes"),
        Form::Hash => "exactly 32 hexadecimal digits".to_owned(),
        Form::Domain => "labels of 1 to 63 bytes with dots between them, 253 bytes in all".to_owned(),
        Form::Broadcast => "an IPv4 address, `+` to set the host bits, or `-` to clear them".to_owned(),
        Form::Lifetime => "seconds up to 4294967295, or `forever`".to_owned(),
    }
}

/// A domain name (RFC 1035, 2.3.4); a dot at the end is fine, and alone it is the root.
fn domain(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let root = text == ".";
    root || labels.len() <= 253 && labels.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// Judges the number and the value of a key.
pub(crate) fn key(words: &[Word], what: &str) -> Result<(), Report> {
    let [id, value, ..] = words else { return Ok(()) }; // too few are told elsewhere
    crate::value::int(id, what, 1, 255)?;
    let text = value.text.as_str();
    let length = match (text.strip_prefix("hex:"), text.strip_prefix("file:")) {
        (Some(digits), _) => {
            if !hex(digits) || digits.len() % 2 == 1 {
                let message = format!("{what}: this is no row of pairs of hexadecimal digits");
                return Err(
                    Report::error(Code::BadNumber, value.at, message).help("hex: and 64 to 128 digits 0-9, a-f")
                );
            }
            digits.len() / 2
        }
        (None, Some(path)) if path.starts_with('/') => return Ok(()),
        (None, None) if text.starts_with("cred:") => {
            let name = text.trim_start_matches("cred:");
            if name.is_empty() || name.contains('/') {
                let report = Report::error(Code::BadName, value.at, format!("{what}: this names no credential"));
                return Err(report.help("cred:NAME, the name that LoadCredential= gives it"));
            }
            return Ok(());
        }
        (None, Some(_)) => {
            let report =
                Report::error(Code::BadWord, value.at, format!("{what}: the path of a key's file is absolute"));
            return Err(report.help("file:/etc/vipd/NAME"));
        }
        (None, None) => text.len(),
    };
    if (32..=64).contains(&length) {
        return Ok(());
    }
    let report = Report::error(Code::OutOfRange, value.at, format!("{what}: a key of {length} bytes"));
    Err(report.help("32 to 64 bytes, as they are, as hex:DIGITS, or in a file: file:PATH"))
}

/// A number as C writes it: 0x hexadecimal, 0 octal, else decimal.
pub(crate) fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match (text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")), text.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        (None, Some(_) | None) => (text, 10),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

fn halves(text: &str) -> impl Iterator<Item = &str> {
    let (first, second) = text.split_once('/').map_or((text, None), |(first, second)| (first, Some(second)));
    std::iter::once(first).chain(second)
}

fn named(text: &str, least: u64, most: u64) -> bool {
    match text.bytes().next() {
        None => false,
        Some(b'0'..=b'9') => number(text).is_some_and(|n| (least..=most).contains(&n)),
        // A name: what stands in those files has no blank and no sign in front.
        Some(first) => first.is_ascii_alphabetic() || first == b'_',
    }
}

fn hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn mac(text: &str) -> bool {
    let octets: Vec<&str> = text.split(':').collect();
    let whole = matches!(octets.len(), 5 | 6) && octets.iter().all(|o| matches!(o.len(), 1 | 2) && hex(o));
    let group = octets.first().and_then(|o| u8::from_str_radix(o, 16).ok()).is_none_or(|o| o & 1 == 1);
    whole && !group
}

fn range(text: &str, least: u64, most: u64) -> bool {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse::<u64>().ok()).flatten();
    match (plain(start), plain(end)) {
        (Some(start), Some(end)) => start <= end && start >= least && end <= most,
        _ => false,
    }
}

fn round_trip(text: &str) -> bool {
    let digits = text.strip_suffix("ms").or_else(|| text.strip_suffix('s')).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u32>().is_ok()
}

/// Judges the words of a mode mask: one number as C writes it up to 0777, or names of bits with `|` between them.
pub(crate) fn mask(words: &[Word], what: &str, bits: &[&str]) -> Result<(), Report> {
    if let [word] = words
        && word.text.starts_with(|c: char| c.is_ascii_digit())
    {
        let fits = number(&word.text).is_some_and(|n| n <= 0o777);
        let report = || Report::error(Code::OutOfRange, word.at, format!("{what}: {} is out of range", word.text));
        return if fits { Ok(()) } else { Err(report().help("at most 0777; octal numbers begin with 0")) };
    }
    for word in words {
        for name in word.text.split('|').filter(|n| !n.is_empty()) {
            if !bits.contains(&name) {
                return Err(crate::value::one_of(word, what, bits, name));
            }
        }
    }
    Ok(())
}

/// The bits of a mode mask that was judged.
pub(crate) fn mode(words: &[Word]) -> u32 {
    if let [word] = words
        && let Some(number) = number(&word.text)
    {
        return u32::try_from(number).unwrap_or(0);
    }
    let bit = |name: &str| {
        let shift = match name.get(name.len().saturating_sub(3)..) {
            Some("USR") => 6,
            Some("GRP") => 3,
            Some("OTH") => 0,
            // IRWXU, IRWXG, IRWXO
            _ => match name.as_bytes().last() {
                Some(b'U') => 6,
                Some(b'G') => 3,
                _ => 0,
            },
        };
        let bits = match name.get(1..2) {
            Some("R") if name.starts_with("IRWX") => 7,
            Some("R") => 4,
            Some("W") => 2,
            _ => 1,
        };
        bits << shift
    };
    words.iter().flat_map(|w| w.text.split('|')).filter(|n| !n.is_empty()).map(bit).fold(0, |all, bits| all | bits)
}

/// Judges bytes in hexadecimal digits, blanks between groups; in a pattern `x` stands for any digit.
pub(crate) fn bytes(words: &[Word], what: &str, wild: &[u8]) -> Result<(), Report> {
    let fits = |w: &&Word| !w.text.bytes().all(|b| b.is_ascii_hexdigit() || wild.contains(&b));
    match words.iter().find(fits) {
        None => Ok(()),
        Some(bad) => {
            let message = format!("{what}: `{}` is no row of hexadecimal digits", bad.text);
            let help = if wild.is_empty() { "two digits a byte" } else { "two digits a byte, `x` for any digit" };
            Err(Report::error(Code::BadNumber, bad.at, message).help(help))
        }
    }
}

/// Judges names that must differ from each other, each of 1 to `most` bytes.
pub(crate) fn names(words: &[Word], what: &str, most: usize) -> Result<(), Report> {
    for (i, word) in words.iter().enumerate() {
        judge(word, what, Form::Text(most))?;
        if words[..i].iter().any(|w| w.text == word.text) {
            let message = format!("{what}: `{}` stands here twice", word.text);
            return Err(Report::error(Code::DuplicateName, word.at, message).help("each needs a name of its own"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Place;

    fn fits(text: &str, form: Form) -> bool {
        judge(&Word { text: text.to_owned(), at: Place::NOWHERE }, "x", form).is_ok()
    }

    #[track_caller]
    fn expect(form: Form, good: &[&str], bad: &[&str]) {
        good.iter().for_each(|text| assert!(fits(text, form), "{text}"));
        bad.iter().chain(&[""]).for_each(|text| assert!(!fits(text, form), "{text}"));
    }

    #[test]
    fn each_form_takes_its_own_and_nothing_else() {
        expect(
            Form::Named(0, 255),
            &["0", "255", "0xff", "0377", "main", "_x"],
            &["256", "0x100", "-1", "+1", "0x", "1a"],
        );
        expect(
            Form::Mac,
            &["02:00:5e:10:00:01", "02:00:5e:10:00", "0:1:2:3:4:5"],
            &["01:00:5e:10:00:01", "02:00:5e:10", "02:00:5e:10:00:01:02", "02-00-5e-10-00-01", "g2:00:5e:10:00:01"],
        );
        expect(Form::Range(0, 65_535), &["80", "80-90", "0-65535"], &["90-80", "0-65536", "80-", "-80", "a-b", "+1"]);
        expect(Form::Mark, &["0", "0xff/0xff", "4294967295"], &["4294967296", "1/", "/1", "x", "1/2/3"]);
        expect(Form::Realms, &["1", "1/255", "cosmos/5"], &["256", "1/256", "/"]);
        expect(Form::Named(1, 9), &["1", "9", "main"], &["0", "00", "10"]);
        expect(Form::Number(9), &["0", "011", "0x9"], &["10", "012", "-1", "x"]);
        expect(
            Form::Number(u64::MAX),
            &["0", "18446744073709551615", "0xffffffffffffffff"],
            &["18446744073709551616", "-1"],
        );
        expect(Form::RoundTrip, &["200", "200ms", "2s"], &["s", "ms", "2m", "-2"]);
        expect(Form::Labels, &["100", "100/1048575"], &["1048576", "100/", "x"]);
        expect(Form::Locator, &["1:2:3:ffff"], &["1:2:3", "1:2:3:4:5", "1:2:3:fffff", "1:2:3:g"]);
        expect(Form::Text(3), &["a", "abc"], &["abcd"]);
        let long = format!("{}.org", "x".repeat(64));
        expect(Form::Domain, &["example.org", "example.org.", "."], &["a..b", ".a", &long]);
        expect(Form::Broadcast, &["+", "-", "192.0.2.255"], &["2001:db8::1", "192.0.2."]);
        expect(Form::Lifetime, &["0", "4294967295", "forever"], &["4294967296", "-1", "ever"]);
        expect(Form::Hash, &["0123456789abcdef0123456789ABCDEF"], &["0123456789abcdef0123456789ABCDE", "x"]);
    }
}
