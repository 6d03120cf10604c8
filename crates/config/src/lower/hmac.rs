//! `auth_hmac`: the keys that sign adverts, where they are kept, and how unsigned adverts are treated.

use super::Lower;
use super::vrrp::Mode;
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::tree::{Node, Nodes};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vipd_vrrp::settings::{AntiReplay, HmacAuth, HmacKey, HmacMode};
use vipd_vrrp::units::Centis;

/// Bytes of a file that are looked at: the longest key as hexadecimal digits, and some.
const LONGEST_FILE: u64 = 1024;

impl Lower<'_> {
    /// The keys and rules of an instance; `None` without `auth_hmac`, or if it can't be used, which was told.
    pub(super) fn hmac(&mut self, instance: &Nodes, mode: Mode, advert_int: Centis) -> Option<HmacAuth> {
        let first = instance.find("auth_hmac")?;
        // Blocks are one.
        let blocks: Vec<&Nodes> = instance.all("auth_hmac").map(Node::nodes).collect();
        let last = |name: &str| blocks.iter().rev().find_map(|nodes| nodes.find(name));
        let flawed = blocks.iter().any(|nodes| nodes.flawed);
        let mut keys: BTreeMap<u8, HmacKey> = BTreeMap::new();
        let mut unread = false;
        for node in blocks.iter().flat_map(|nodes| nodes.all("key")) {
            let [id, value] = node.words.as_slice() else { continue };
            let Ok(id) = id.text.parse::<u8>() else { continue };
            let Some(key) = self.key(value) else {
                unread = true;
                continue;
            };
            if keys.insert(id, HmacKey(key)).is_some() {
                let message = format!("key {id} is given twice");
                self.push(
                    Report::error(Code::Repeated, node.argument(), message).help("each key has a number of its own"),
                );
            }
        }
        let active = last("active_key").and_then(|node| Some((node, node.words.first()?.text.parse::<u8>().ok()?)));
        let Some((node, active)) = active else {
            if !flawed {
                let report = Report::error(Code::Missing, first.at, "`active_key` is missing: which key signs?");
                self.push(report.help("active_key ID, one of those that `key` lists"));
            }
            return None;
        };
        if !keys.contains_key(&active) {
            if !flawed && !unread {
                let message = format!("`active_key {active}` names no key of this block");
                let report = Report::error(Code::UnknownReference, node.argument(), message);
                let ids: Vec<String> = keys.keys().map(u8::to_string).collect();
                self.push(if ids.is_empty() {
                    report.help("key ID hex:DIGITS, or file:PATH, of 32 to 64 bytes")
                } else {
                    report.help(format!("its keys are: {}", ids.join(", ")))
                });
            }
            return None;
        }
        let text = |name: &str| last(name).and_then(|node| Some(node.words.first()?.text.as_str()));
        let usual = (3 * (advert_int.0 / 100)).clamp(5, 300);
        let window = text("time_window").and_then(|t| t.parse::<u16>().ok()).unwrap_or(usual);
        let replay = match text("anti_replay") {
            Some("monotonic") => AntiReplay::Monotonic,
            Some(_) | None => AntiReplay::Time { window },
        };
        let treats = match text("mode") {
            Some("permissive") => HmacMode::Permissive,
            Some("receive-only") => HmacMode::ReceiveOnly,
            Some(_) | None => HmacMode::Enforce,
        };
        if mode == Mode::Strict && treats != HmacMode::Enforce {
            let at = last("mode").map_or(first.at, Node::argument);
            let message = "strict mode believes signed adverts alone";
            self.push(Report::warning(Code::Adjusted, at, message).label("taken for `enforce`"));
            return Some(HmacAuth { keys, active, replay, mode: HmacMode::Enforce });
        }
        Some(HmacAuth { keys, active, replay, mode: treats })
    }

    /// The bytes of a key, whose form was judged; `None` if its file can't be used, which was told.
    fn key(&mut self, word: &Word) -> Option<Vec<u8>> {
        let text = word.text.as_str();
        let path = match (text.strip_prefix("file:"), text.strip_prefix("cred:")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(name)) => {
                let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
                    let message = "there are no credentials: `CREDENTIALS_DIRECTORY` is not set";
                    let help = "LoadCredential= in the unit of systemd hands them over";
                    self.here(Report::error(Code::BadKey, word.at, message).help(help));
                    return None;
                };
                Path::new(&directory).join(name)
            }
            (None, None) => {
                self.check_secret(word.at);
                return Some(decode(text));
            }
        };
        match read(&path) {
            Ok((key, mode)) => {
                if mode & 0o077 != 0 {
                    let message = "this file may be read by others than its owner";
                    let report = Report::lint(Code::SecretReadable, word.at, message);
                    self.push(report.help("chmod 600"));
                }
                Some(key)
            }
            Err(why) => {
                let message = format!("no key can be read from {}: {why}", path.display());
                let help = "a file with 32 to 64 bytes, or hex: and their digits, that root may read: \
                            head -c 32 /dev/urandom > FILE";
                self.here(Report::error(Code::BadKey, word.at, message).help(help));
                None
            }
        }
    }
}

/// The bytes that a written key stands for.
fn decode(text: &str) -> Vec<u8> {
    let Some(digits) = text.strip_prefix("hex:") else { return text.as_bytes().to_vec() };
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16).unwrap_or(0);
    digits.as_bytes().chunks(2).map(pair).collect()
}

/// A key from a file, in either of the forms that a line has, and the file's permissions.
fn read(path: &Path) -> Result<(Vec<u8>, u32), String> {
    let about = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|e| e.to_string())?;
    let text = text.trim_end_matches(['\n', '\r']);
    let whole = text.strip_prefix("hex:").is_none_or(|d| d.len() % 2 == 0 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    let key = decode(text);
    if !whole || !(32..=64).contains(&key.len()) {
        return Err(format!("what it holds is no key of 32 to 64 bytes (it comes to {})", key.len()));
    }
    Ok((key, about.mode()))
}
