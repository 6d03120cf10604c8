//! What a check's settings ask of a server, in the words of the probes, and what the answer means.

use crate::message::Exit;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use vipd_check::http::{Request, Version};
use vipd_check::tls::{Client, Closing, Tls};
use vipd_check::{Ending, Notice, Pattern, Target, Why, agent, dns, grpc, http, ping, smtp, tcp, tls, udp};
use vipd_lvs::health::Outcome;
use vipd_lvs::settings::{
    BodyPattern, Checker, FileProbe, HttpProbe, HttpVersion, Probe, Sni, TlsProbe, UdpProbe, UdpReply,
};

/// Patterns that many checks may have in common.
#[derive(Default)]
pub(super) struct Patterns(HashMap<BodyPattern, Arc<Pattern>>);

impl Patterns {
    /// Those of a probe's pages, one for each.
    pub(super) fn of(&mut self, probe: &Probe) -> Result<Vec<Option<Arc<Pattern>>>, String> {
        let Probe::Http(http) = probe else { return Ok(Vec::new()) };
        http.urls.iter().map(|url| url.pattern.as_ref().map(|settings| self.one(settings)).transpose()).collect()
    }

    fn one(&mut self, settings: &BodyPattern) -> Result<Arc<Pattern>, String> {
        if let Some(known) = self.0.get(settings) {
            return Ok(Arc::clone(known));
        }
        // The configuration was not taken without it.
        let made = Pattern::new(settings.clone()).map_err(|wrong| format!("regex {:?}: {wrong}", settings.regex))?;
        let made = Arc::new(made);
        self.0.insert(settings.clone(), Arc::clone(&made));
        Ok(made)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets those that no check has any more.
    pub(super) fn keep<'a>(&mut self, checks: impl Iterator<Item = &'a Checker>) {
        if self.0.is_empty() {
            return;
        }
        let urls = checks.filter_map(|check| match &check.probe {
            Probe::Http(http) => Some(&http.urls),
            _ => None,
        });
        let used: std::collections::HashSet<&BodyPattern> =
            urls.flatten().filter_map(|url| url.pattern.as_ref()).collect();
        self.0.retain(|settings, _| used.contains(settings));
    }
}

/// Runs a probe that needs no program; with what should be seen to though it passes. `patterns` are those of its pages,
/// `configured` is the weight of its server.
pub(super) async fn probe(
    settings: &Checker,
    patterns: &[Option<Arc<Pattern>>],
    client: &Arc<Client>,
    configured: u32,
) -> (Outcome, Option<Notice>) {
    let target = Target {
        address: settings.target,
        bind: settings.bind,
        bind_device: settings.bind_device.clone(),
        fwmark: settings.fwmark,
        ending: if settings.reset_close { Ending::Reset } else { Ending::Order },
        timeout: settings.timeout,
    };
    let verdict = match &settings.probe {
        Probe::Tcp => tcp::probe(&target).await,
        Probe::Smtp(helo_name) => smtp::probe(&target, helo_name).await,
        Probe::Dns(asked) => {
            let question = dns::Question { name: asked.name.clone(), kind: asked.kind.number() };
            dns::probe(&target, &question).await
        }
        Probe::Udp(wanted) => udp::probe(&target, &datagram(wanted)).await,
        Probe::Ping => ping::probe(&target).await,
        Probe::Agent(said) => {
            let answer = agent::probe(&target, (!said.is_empty()).then_some(said)).await;
            return (agent_outcome(answer, configured), None);
        }
        Probe::Grpc(grpc) => {
            let question = grpc::Question { service: grpc.service.clone(), host: grpc.host.clone() };
            let tls = grpc.tls.as_ref().map(|settings| shaken(settings, grpc.host.as_deref(), client));
            grpc::probe(&target, tls.as_ref(), &question).await
        }
        Probe::Http(http) => return pages(http, &target, patterns, client).await,
        Probe::Misc(_) | Probe::Bfd(_) | Probe::File(_) => {
            return (Outcome::Fail { why: "nothing can be sent for it".to_owned() }, None);
        }
    };
    match verdict {
        vipd_check::Verdict::Pass { detail, notice } => (Outcome::Pass { detail, weight: None }, notice),
        vipd_check::Verdict::Fail(why) => (Outcome::Fail { why: why.to_string() }, None),
    }
}

/// Fetches all pages one right after the other; the first that fails decides.
async fn pages(
    http: &HttpProbe,
    target: &Target,
    patterns: &[Option<Arc<Pattern>>],
    client: &Arc<Client>,
) -> (Outcome, Option<Notice>) {
    let version = match http.version {
        HttpVersion::V10 => Version::V10,
        HttpVersion::V10Close => Version::V10Close,
        HttpVersion::V11 => Version::V11,
        HttpVersion::V2 => Version::V2,
    };
    let (mut last, mut told) = (String::new(), None::<Notice>);
    for (url, pattern) in http.urls.iter().zip(patterns) {
        let request = Request {
            path: url.path.clone(),
            host: url.host.clone(),
            version,
            digest: url.digest,
            status: url.status.clone(),
            pattern: pattern.clone(),
        };
        let verdict = match &http.tls {
            None => http::probe(target, &request).await,
            Some(settings) => {
                let closing = if url.close_notify { Closing::Told } else { Closing::Quiet };
                let tls = Tls { closing, ..shaken(settings, url.host.as_deref(), client) };
                tls::probe(target, &tls, &request).await
            }
        };
        match verdict {
            vipd_check::Verdict::Pass { detail, notice } => {
                last = detail;
                told = told.or(notice);
            }
            vipd_check::Verdict::Fail(why) => {
                return (Outcome::Fail { why: format!("GET {}: {why}", request.path) }, None);
            }
        }
    }
    let detail = match &told {
        Some(notice) => format!("{last}; {}", notice.text),
        None => last,
    };
    (Outcome::Pass { detail, weight: None }, told)
}

/// How hands are shaken with a server of that name.
fn shaken(settings: &TlsProbe, host: Option<&str>, client: &Arc<Client>) -> Tls {
    let name = host.map(|host| without_port(host).to_owned());
    Tls {
        sni: match &settings.sni {
            Sni::Nothing => None,
            Sni::Host => name.clone(),
            Sni::Name(name) => Some(without_port(name).to_owned()),
        },
        name,
        client: Arc::clone(client),
        closing: Closing::Quiet,
        warning: settings.expiry_warning.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
    }
}

/// The name in a `virtualhost`, which may have a port.
fn without_port(host: &str) -> &str {
    let bare = host.rsplit_once(':').filter(|(name, port)| {
        port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.starts_with('['))
    });
    let host = bare.map_or(host, |(name, _)| name);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// What a `UDP_CHECK` sends, and what must come back.
fn datagram(probe: &UdpProbe) -> udp::Request {
    let reply = match &probe.reply {
        UdpReply::Optional => udp::Reply::Optional,
        UdpReply::Any => udp::Reply::Any,
        UdpReply::Like { bytes, mask, min, max } => udp::Reply::Like(udp::Pattern {
            bytes: bytes.clone(),
            mask: mask.clone(),
            min: (*min).into(),
            max: (*max).into(),
        }),
    };
    udp::Request { payload: probe.payload.clone(), reply }
}

/// What an agent's answer means for a server with this configured weight.
fn agent_outcome(answer: Result<agent::Answer, Why>, configured: u32) -> Outcome {
    match answer {
        Err(why) => Outcome::Fail { why: why.to_string() },
        Ok(agent::Answer { weight: None, said }) => {
            Outcome::Pass { detail: format!("its agent says \"{said}\""), weight: None }
        }
        Ok(agent::Answer { weight: Some(asked), said }) => {
            let weight = asked.of(configured);
            Outcome::Pass { detail: format!("its agent says \"{said}\": weight {weight}"), weight: Some(weight.into()) }
        }
    }
}

/// What the end of a `MISC_CHECK` program means: 0 well; with `misc_dynamic` 2 to 255 well with that weight less 2.
pub(super) fn misc_outcome(settings: &Checker, exit: &Exit) -> Outcome {
    let dynamic = matches!(&settings.probe, Probe::Misc(misc) if misc.dynamic);
    match exit {
        Exit::Status(0) => Outcome::Pass { detail: exit.to_string(), weight: None },
        Exit::Status(n @ 2..) if dynamic => {
            let weight = i64::from(*n) - 2;
            Outcome::Pass { detail: format!("exit status {n}: weight {weight}"), weight: Some(weight) }
        }
        Exit::Status(_) | Exit::Signal(_) | Exit::Timeout | Exit::Failed(_) => Outcome::Fail { why: exit.to_string() },
    }
}

/// What the number in a file means for a server with this configured weight.
pub(super) fn file_outcome(probe: &FileProbe, number: i64, configured: u32) -> Outcome {
    let file = &probe.file;
    match probe.adds(number) {
        None => Outcome::Fail { why: format!("track_file {file} says {number}") },
        Some(_) if probe.weight == 0 => {
            Outcome::Pass { detail: format!("track_file {file} says {number}"), weight: None }
        }
        Some(adds) => {
            let detail = format!("track_file {file} says {number}, which adds {adds} to the weight");
            Outcome::Pass { detail, weight: Some(i64::from(configured) + adds) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{agent_outcome, without_port};
    use vipd_check::agent::understand;
    use vipd_lvs::health::Outcome;

    #[test]
    fn an_agent_moves_the_weight_of_its_server() {
        for (said, weight) in [("up", None), ("75%", Some(8)), ("weight 3", Some(3)), ("drain", Some(0))] {
            let Outcome::Pass { weight: came_to, .. } = agent_outcome(understand(said.as_bytes()), 10) else {
                panic!("{said} is well")
            };
            assert_eq!(came_to, weight, "{said}");
        }
        let why = agent_outcome(understand(b"maint # until Monday"), 10);
        assert_eq!(why, Outcome::Fail { why: "its agent says \"maint # until Monday\"".to_owned() });
    }

    #[test]
    fn a_certificate_is_for_a_name_without_a_port() {
        for (host, name) in [
            ("www.example.org", "www.example.org"),
            ("www.example.org:8443", "www.example.org"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
