//! A file of real servers: `ADDRESS PORT [weight N]` a line, `#` begins a comment. It is taken as a whole or not at all.

use super::{MOST, Outcome, Server};
use std::net::{IpAddr, SocketAddr};
use vipd_lvs::table::MAX_WEIGHT;

/// Bytes of a file at most.
pub const LONGEST: usize = 1 << 20;

/// How a line is written.
const FORM: &str = "write ADDRESS PORT, or ADDRESS PORT weight N";

/// Bytes of a word that an error shows.
const SHOWN: usize = 40;

/// The servers of a file.
///
/// # Errors
/// Which line is wrong, what is wrong with it, and what to do.
pub fn parse(text: &[u8]) -> Outcome {
    if text.len() > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes: name fewer servers"));
    }
    let mut servers = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let wrong = |what: String| Err(format!("line {}: {what}", number + 1));
        let Ok(line) = str::from_utf8(line) else { return wrong(format!("it is no text: {FORM}")) };
        let line = line.split_once('#').map_or(line, |(line, _)| line);
        match server(line) {
            Ok(None) => {}
            Ok(Some(server)) if servers.len() < MOST => servers.push((number + 1, server)),
            Ok(Some(_)) => return wrong(format!("here are more than {MOST} servers: name fewer")),
            Err(what) => return wrong(what),
        }
    }
    let mut sorted: Vec<(SocketAddr, usize)> = servers.iter().map(|(line, server)| (server.address, *line)).collect();
    sorted.sort_unstable();
    if let Some([first, second]) =
        sorted.windows(2).find_map(|two| <[_; 2]>::try_from(two).ok().filter(|[a, b]| a.0 == b.0))
    {
        return Err(format!("line {}: {} is in line {} already: take one out", second.1, second.0, first.1));
    }
    Ok(servers.into_iter().map(|(_, server)| server).collect())
}

/// What a line says, if anything.
fn server(line: &str) -> Result<Option<Server>, String> {
    let mut words = line.split_ascii_whitespace();
    let Some(address) = words.next() else { return Ok(None) };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(format!("{} is no address: {FORM}", shown(address)));
    };
    let port = match words.next() {
        None => return Err(format!("the port is missing: {FORM}")),
        Some(word) => number(word, 1, 65_535).and_then(|port| u16::try_from(port).ok()),
    };
    let Some(port) = port else { return Err(format!("the port is no number from 1 to 65535: {FORM}")) };
    let weight = match (words.next(), words.next()) {
        (None, _) => None,
        (Some("weight"), Some(word)) => match number(word, 0, MAX_WEIGHT) {
            None => return Err(format!("the weight is no number from 0 to {MAX_WEIGHT}")),
            weight => weight,
        },
        (Some("weight"), None) => return Err("a number is missing behind `weight`".to_owned()),
        (Some(word), _) => return Err(format!("{} is not possible here: {FORM}", shown(word))),
    };
    match words.next() {
        Some(word) => Err(format!("{} is not possible here: {FORM}", shown(word))),
        None => Ok(Some(Server { address: SocketAddr::new(ip, port), weight })),
    }
}

/// A number in plain digits.
fn number(word: &str, least: u32, most: u32) -> Option<u32> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|number| digits && (least..=most).contains(number))
}

/// A word as an error shows it.
fn shown(word: &str) -> String {
    let harmless: String = word.chars().take(SHOWN).flat_map(char::escape_default).collect();
    format!("`{harmless}`")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // in a test a panic is the verdict

    use super::*;

    fn wrong(text: &[u8]) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn a_line_a_server() {
        let text = "# web\n\n10.0.0.1 80\n\t2001:db8::1  8080 weight 0 # the new one\r\n10.0.0.2 80 weight 2147483647";
        let servers = parse(text.as_bytes()).unwrap();
        let told: Vec<String> = servers.iter().map(|s| format!("{} {:?}", s.address, s.weight)).collect();
        assert_eq!(told, ["10.0.0.1:80 None", "[2001:db8::1]:8080 Some(0)", "10.0.0.2:80 Some(2147483647)"]);
        assert_eq!(parse(b""), Ok(vec![]));
        assert_eq!(parse(b"# nobody\n"), Ok(vec![]));
    }

    #[test]
    fn one_wrong_line_is_named_and_none_counts() {
        for (line, says) in [
            ("web1 80", "`web1` is no address: write ADDRESS PORT"),
            ("10.0.0.1:80", "`10.0.0.1:80` is no address"),
            ("10.0.0.2", "the port is missing"),
            ("10.0.0.2 0", "no number from 1 to 65535"),
            ("10.0.0.2 65536", "no number from 1 to 65535"),
            ("10.0.0.2 +80", "no number from 1 to 65535"),
            ("10.0.0.2 80 weight", "a number is missing"),
            ("10.0.0.2 80 weight 2147483648", "the weight is no number"),
            ("10.0.0.2 80 weight -1", "the weight is no number"),
            ("10.0.0.2 80 5", "`5` is not possible here"),
            ("10.0.0.2 80 weight 5 up", "`up` is not possible here"),
            ("10.0.0.1 80 weight 2", "10.0.0.1:80 is in line 1 already"),
        ] {
            let why = wrong(format!("10.0.0.1 80\n{line}\n10.0.0.3 80\n").as_bytes());
            assert!(why.starts_with("line 2: ") && why.contains(says), "{line}: {why}");
        }
    }

    #[test]
    fn hostile_bytes_stay_bounded_and_harmless() {
        let why = wrong(b"10.0.0.1 80\n\xff\xfe 80\n");
        assert!(why.starts_with("line 2: it is no text"), "{why}");
        let why = wrong(format!("\u{1b}[2J{} 80", "x".repeat(100_000)).as_bytes());
        assert!(why.len() < 200 && !why.contains('\u{1b}'), "{why}");
        assert!(wrong(&vec![b'#'; LONGEST + 1]).contains("more than 1048576 bytes"));
        assert_eq!(parse(&vec![b'\n'; LONGEST]), Ok(vec![]));
        let line = |n: usize| format!("10.0.{}.{} 80\n", n / 256, n % 256);
        let many: String = (0..MOST).map(line).collect();
        assert_eq!(parse(many.as_bytes()).unwrap().len(), MOST);
        assert!(wrong((many + &line(MOST)).as_bytes()).starts_with("line 4097: here are more than 4096"));
    }
}
