//! One line of `virtual_ipaddress`.

use super::Lower;
use crate::diag::{Code, Report};
use crate::keyword::{Args, Block, Family, Standing};
use crate::lex::words::{Line, Word};
use crate::value;
use std::net::{IpAddr, Ipv4Addr};
use vipd_vrrp::settings::{AddressFlag, Lifetime, Scope, VirtualAddress};

/// Scopes by name (`/etc/iproute2/rt_scopes`, the built-in ones).
pub(crate) const SCOPES: [(&str, Scope); 5] =
    [("global", 0), ("nowhere", 255), ("host", 254), ("link", 253), ("site", 200)];

impl Lower<'_> {
    /// The address on a line; `None` if it can't be used, which was told.
    pub(super) fn address(&mut self, line: &Line, block: &'static Block, interface: &str) -> Option<VirtualAddress> {
        let first = &line.words[0];
        let (address, prefix) = self.take(value::prefix(first, "address"))?;
        let mut out = VirtualAddress::plain(address, prefix, interface.to_owned());
        let mut device: Option<&Word> = None;
        let mut words = line.words[1..].iter();
        while let Some(word) = words.next() {
            let Some(keyword) = block.find(&word.text).filter(|k| !k.name.starts_with('(')) else {
                let message = format!("`{}` is not an option of an address", word.text);
                let mut report = Report::error(Code::BadWord, word.at, message);
                if value::prefix(word, "").is_ok() {
                    report = report.help("one address a line");
                } else if let Some(near) = crate::tree::nearest(&word.text, block.rows().map(|k| k.name)) {
                    report = report.help(format!("did you mean `{near}`?"));
                } else {
                    report = report.help("options are: dev INTERFACE, brd ADDRESS|+|-, label TEXT, scope NAME");
                }
                self.push(report);
                return None;
            };
            let takes = !matches!(keyword.args, Args::Flag);
            let argument = if takes { words.next() } else { None };
            if takes && argument.is_none() {
                let message = format!("`{}` needs a value", word.text);
                self.push(Report::error(Code::MissingValue, word.at, message).help(keyword.usage));
                return None;
            }
            match keyword.standing {
                Standing::NotYet(why) => {
                    let message = format!("`{}` is read but not acted on yet: {why}", keyword.name);
                    self.push(Report::warning(Code::NotYet, word.at, message));
                }
                Standing::Obsolete(why) => {
                    let message = format!("`{}` has no use: {why}", keyword.name);
                    self.push(Report::lint(Code::Obsolete, word.at, message));
                }
                _ => {}
            }
            let Some(argument) = argument else {
                self.address_flag(word, &mut out);
                continue;
            };
            match keyword.name {
                "dev" => {
                    if let Some(first) = device {
                        let report = Report::error(Code::Repeated, argument.at, "an address has one interface");
                        self.push(report.also(first.at, "already given"));
                        return None;
                    }
                    device = Some(argument);
                    out.device = self.take(value::device(argument, "`dev`"))?;
                }
                "scope" => out.scope = self.take(scope(argument))?,
                "broadcast" | "brd" => out.broadcast = Some(self.take(broadcast(argument, address, prefix))?),
                "label" => {
                    if argument.text.len() > 15 || argument.text.is_empty() {
                        let message = format!("label `{}` is not of 1 to 15 bytes", argument.text);
                        self.push(Report::error(Code::BadName, argument.at, message));
                        return None;
                    }
                    out.label = Some(argument.text.clone());
                }
                "peer" => {
                    let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
                    out.peer = Some(self.take(value::ip(argument, "`peer`", family))?);
                }
                "preferred_lft" if argument.text == "forever" => out.preferred = Lifetime::Forever,
                "preferred_lft" => {
                    let seconds = self.take(value::int(argument, "`preferred_lft`", 0, i64::from(u32::MAX)))?;
                    out.preferred = Lifetime::Secs(super::narrow(seconds));
                }
                _ => {}
            }
        }
        Some(out)
    }

    /// An option that is a word alone.
    fn address_flag(&mut self, word: &Word, out: &mut VirtualAddress) {
        let (flag, ipv6_alone) = match word.text.as_str() {
            "-nodad" => (AddressFlag::Dad, true),
            "home" => (AddressFlag::Home, true),
            "no_track" => (AddressFlag::LetGo, false),
            "mngtmpaddr" if out.address.is_ipv6() && out.prefix != 64 => {
                let message = "`mngtmpaddr` needs a prefix length of 64: the kernel refuses the address otherwise";
                self.push(Report::warning(Code::Adjusted, word.at, message).label("ignored"));
                return;
            }
            "autojoin" if !out.address.is_multicast() => {
                let message = "`autojoin` is for multicast addresses: the kernel refuses others with it";
                self.push(Report::warning(Code::Adjusted, word.at, message).label("ignored"));
                return;
            }
            "mngtmpaddr" => (AddressFlag::ManageTemporary, true),
            "noprefixroute" => (AddressFlag::NoPrefixRoute, false),
            "autojoin" => (AddressFlag::AutoJoin, false),
            _ => return, // told already
        };
        if ipv6_alone && out.address.is_ipv4() {
            let message = format!("`{}` has no use: it concerns IPv6 alone", word.text);
            self.push(Report::lint(Code::Obsolete, word.at, message));
            return;
        }
        out.flags.insert(flag);
    }
}

fn scope(word: &Word) -> Result<Scope, Report> {
    if let Some((_, scope)) = SCOPES.iter().find(|(name, _)| *name == word.text) {
        return Ok(*scope);
    }
    if word.text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(super::narrow(value::int(word, "`scope`", 0, 255)?));
    }
    Err(value::one_of(word, "`scope`", &SCOPES.map(|(name, _)| name), &word.text))
}

fn broadcast(word: &Word, address: IpAddr, prefix: u8) -> Result<Ipv4Addr, Report> {
    let IpAddr::V4(address) = address else {
        return Err(Report::error(Code::WrongFamily, word.at, "IPv6 has no broadcast"));
    };
    let sign = word.text.as_str();
    if !matches!(sign, "+" | "-") {
        return match value::ip(word, "`brd`", Family::V4)? {
            IpAddr::V4(ip) => Ok(ip),
            IpAddr::V6(_) => Err(Report::error(Code::WrongFamily, word.at, "IPv6 has no broadcast")),
        };
    }
    if prefix > 30 {
        let message = format!("`brd {sign}` needs a prefix length of 30 or less, and this address has {prefix}");
        return Err(Report::error(Code::OutOfRange, word.at, message).help("write the length behind the address"));
    }
    Ok(host_bits(address.into(), prefix, sign).unwrap_or(address))
}

/// An address with its host bits set (`+`) or cleared (`-`).
pub(crate) fn host_bits(address: IpAddr, prefix: u8, sign: &str) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = address else { return None };
    let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let bits = u32::from(address);
    Some(Ipv4Addr::from(if sign == "+" { bits | host } else { bits & !host }))
}
