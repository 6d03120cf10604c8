//! How packets reach a server, and what that asks of its port and address.

use super::service::Target;
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::lex::words::Word;
use crate::source::Place;
use crate::tree::Nodes;
use crate::value;
use std::net::SocketAddr;
use vipd_lvs::settings::{Family, Forwarding, Tunnel, TunnelChecksum};

impl Lower<'_> {
    /// `NAT`, `DR` or `TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]`
    pub(super) fn forwarding(&mut self, nodes: &Nodes, name: &str) -> Option<Forwarding> {
        let node = nodes.find(name)?;
        let what = format!("`{}`", node.written);
        let Some(first) = node.words.first() else {
            let report = Report::error(Code::MissingValue, node.at, format!("{what} needs a forwarding method"));
            self.push(report.help(node.keyword.usage));
            return None;
        };
        let rest = &node.words[1..];
        let plain = match first.text.as_str() {
            "NAT" => Forwarding::Nat,
            "DR" => Forwarding::Dr,
            "TUN" => {
                let tunnel = tunnel(&what, first, rest);
                return self.take(tunnel).map(Forwarding::Tun);
            }
            other => {
                self.push(value::one_of(first, &what, &["NAT", "DR", "TUN"], other));
                return None;
            }
        };
        if let Some(extra) = rest.first() {
            let message = format!("`{}` is for TUN alone", extra.text);
            self.push(Report::error(Code::BadWord, extra.at, message));
        }
        Some(plain)
    }

    /// The port that a server is reached at: for DR and TUN packets keep the service's.
    pub(super) fn port(
        &mut self,
        given: SocketAddr,
        at: Place,
        target: &Target,
        service: Option<u16>,
        by: Forwarding,
    ) -> u16 {
        let must = match (target, service, by) {
            (_, Some(port), Forwarding::Nat) if given.port() == 0 => return port,
            (_, _, Forwarding::Nat) => return given.port(),
            (Target::Mark(_), ..) => 0,
            (_, Some(port), _) => port,
            (_, None, _) => return given.port(),
        };
        if given.port() != must && given.port() != 0 {
            let message = match must {
                0 => "packets are not rewritten here, so a server has no port of its own".to_owned(),
                must => format!("packets are not rewritten here, so a server is reached at the service's port, {must}"),
            };
            let report = Report::warning(Code::PortRule, at, message).label(format!("taken for {must}"));
            self.push(report.help("only NAT can change ports"));
        }
        must
    }

    /// Whether a server fits the service's family: only tunnels carry another one.
    pub(super) fn fits(&mut self, server: SocketAddr, at: Place, family: Family, by: Forwarding) -> Option<()> {
        if server.is_ipv6() == (family == Family::Inet6) || matches!(by, Forwarding::Tun(_)) {
            return Some(());
        }
        let message = format!("{} is not of the virtual server's address family", server.ip());
        self.push(Report::error(Code::WrongFamily, at, message).help("only `lvs_method TUN` can mix IPv4 and IPv6"));
        None
    }
}

fn tunnel(what: &str, first: &Word, rest: &[Word]) -> Result<Tunnel, Report> {
    let (mut kind, mut port, mut checksum) = (None, None, None);
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let missing = || Report::error(Code::MissingValue, word.at, format!("`{}` needs a value", word.text));
        match word.text.as_str() {
            "type" => kind = Some(words.next().ok_or_else(missing)?),
            "port" => {
                let number = words.next().ok_or_else(missing)?;
                port = Some((narrow::<u16>(value::int(number, "`port`", 1, 65_535)?), word));
            }
            "nocsum" => checksum = Some((TunnelChecksum::None, word)),
            "csum" => checksum = Some((TunnelChecksum::Full, word)),
            "remcsum" => checksum = Some((TunnelChecksum::Remote, word)),
            other => {
                return Err(value::one_of(word, what, &["type", "port", "nocsum", "csum", "remcsum"], other));
            }
        }
    }
    let refuse = |at: &Word, message: &str| Err(Report::error(Code::BadWord, at.at, message));
    let sum = checksum.map_or(TunnelChecksum::None, |c| c.0);
    match (kind.map_or("ipip", |k| k.text.as_str()), port, checksum) {
        ("gue", Some((port, _)), _) => Ok(Tunnel::Gue { port, checksum: sum }),
        ("gue", None, _) => {
            let at = kind.map_or(first.at, |k| k.at);
            Err(Report::error(Code::MissingValue, at, "a gue tunnel needs a port").help("TUN type gue port 6080"))
        }
        ("ipip" | "gre", Some((_, word)), _) => refuse(word, "only a gue tunnel has a port"),
        ("ipip", None, Some((TunnelChecksum::Full | TunnelChecksum::Remote, word))) => {
            refuse(word, "an ipip tunnel has no checksum")
        }
        ("ipip", None, _) => Ok(Tunnel::Ipip),
        ("gre", None, Some((TunnelChecksum::Remote, word))) => refuse(word, "a gre tunnel has no remote checksum"),
        ("gre", None, _) => Ok(Tunnel::Gre { checksum: sum }),
        (other, ..) => Err(value::one_of(kind.unwrap_or(first), what, &["ipip", "gue", "gre"], other)),
    }
}
