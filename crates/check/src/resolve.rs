//! Names of real servers: what a name server answers to A, AAAA and SRV (RFC 1035; RFC 2782), over UDP, and over TCP where that is
//! too small. The messages are made and taken apart by the `domain` crate; what is here is whom to ask, for how long, and what of an
//! answer counts.
//!
//! ```text
//!   resolve -- ask the first server, the next one where it does not answer -- UDP -- TC? -- TCP
//!      |
//!      +-- SRV: the records of the lowest priority, and of each of their names the addresses
//! ```

use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa, Cname, Srv};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a server is waited for, each time.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long all of it may take, whatever servers drip.
const LONGEST: Duration = Duration::from_secs(20);

/// How often the list of servers is gone through.
const ROUNDS: usize = 2;

/// Bytes that are read of a datagram: more than one without EDNS has.
const DATAGRAM: usize = 4096;

/// Names that SRV records may give at most, and of how many the addresses are asked for at once.
const NAMES: usize = 512;
const AT_ONCE: usize = 16;

/// Servers of the host that are asked, as the C library has it.
const HOST_SERVERS: usize = 3;

/// The port of name servers.
const DOMAIN: u16 = 53;

/// Which records hold the servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Addresses of a family.
    Address(Family),
    /// Ports, weights and names, whose addresses are of that family.
    Service(Family),
}

/// A family of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4: A
    V4,
    /// IPv6: AAAA
    V6,
}

/// A server that a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Server {
    /// Its address.
    pub ip: IpAddr,
    /// Its port, if the records say it.
    pub port: Option<u16>,
    /// Its weight, if the records say it.
    pub weight: Option<u16>,
}

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The servers; none: the name is there, but has no such records.
    pub servers: Vec<Server>,
    /// The shortest time to live of all records that this is made of; zero, if it is made of none.
    pub ttl: Duration,
}

/// Why it is not known what a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Vain {
    /// There is nobody to ask.
    NoServer,
    /// It is no name.
    NoName,
    /// There is no such name, says this server (NXDOMAIN).
    Unknown(SocketAddr),
    /// The server has this response code for it.
    Failed(SocketAddr, String),
    /// The server has not answered in time.
    Silent(SocketAddr),
    /// The server can't be asked.
    Unreachable(SocketAddr, String),
    /// The server's answer makes no sense.
    Strange(SocketAddr, &'static str),
    /// More names than are taken.
    Many,
    /// All of it took too long.
    Late,
}

impl fmt::Display for Vain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Vain::NoServer => {
                f.write_str("there is no name server to ask: name one (`resolver`), or in /etc/resolv.conf")
            }
            Vain::NoName => f.write_str("it can't be asked for: a name has labels of 1 to 63 bytes, 253 bytes in all"),
            Vain::Unknown(server) => write!(f, "{server} says that there is no such name (NXDOMAIN)"),
            Vain::Failed(server, code) => write!(f, "{server} answers {code}"),
            Vain::Silent(server) => write!(f, "{server} does not answer"),
            Vain::Unreachable(server, why) => write!(f, "{server} can't be asked: {why}"),
            Vain::Strange(server, what) => write!(f, "{server} answers what can't be used: {what}"),
            Vain::Many => write!(f, "its SRV records give more than {NAMES} names"),
            Vain::Late => write!(f, "the name servers took more than {LONGEST:?} for all of it"),
        }
    }
}

/// Asks these servers for a name, one after the other.
///
/// # Errors
/// What the last one that was asked said, or why it could not be asked.
pub async fn resolve(servers: &[SocketAddr], name: &str, kind: Kind) -> Result<Answer, Vain> {
    let name = Name::<Vec<u8>>::from_str(name).map_err(|_| Vain::NoName)?;
    let all = async {
        match kind {
            Kind::Address(family) => addresses(servers, &name, family).await,
            Kind::Service(family) => service(servers, &name, family).await,
        }
    };
    timeout(LONGEST, all).await.unwrap_or(Err(Vain::Late))
}

/// The name servers of a host, as its `resolv.conf` has them.
pub fn host_servers(text: &str) -> Vec<SocketAddr> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let server = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        server.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DOMAIN))
    };
    text.lines().filter_map(line).take(HOST_SERVERS).collect()
}

async fn addresses(servers: &[SocketAddr], name: &Name<Vec<u8>>, family: Family) -> Result<Answer, Vain> {
    let kind = match family {
        Family::V4 => Rtype::A,
        Family::V6 => Rtype::AAAA,
    };
    let (server, message) = ask(servers, name, kind).await?;
    let found = match family {
        Family::V4 => records::<A>(&message, kind).map(|all| all.map(|(a, ttl)| (IpAddr::V4(a.addr()), ttl)).collect()),
        Family::V6 => {
            records::<Aaaa>(&message, kind).map(|all| all.map(|(a, ttl)| (IpAddr::V6(a.addr()), ttl)).collect())
        }
    };
    let found: Vec<(IpAddr, Duration)> = found.map_err(|what| Vain::Strange(server, what))?;
    let ttl = found.iter().map(|(_, ttl)| *ttl).min().unwrap_or_default();
    let servers = found.into_iter().map(|(ip, _)| Server { ip, port: None, weight: None }).collect();
    Ok(Answer { servers, ttl })
}

async fn service(servers: &[SocketAddr], name: &Name<Vec<u8>>, family: Family) -> Result<Answer, Vain> {
    let (server, message) = ask(servers, name, Rtype::SRV).await?;
    let found = records::<Srv<_>>(&message, Rtype::SRV).map_err(|what| Vain::Strange(server, what))?;
    let found: Vec<(u16, Offer, Duration)> = found
        .map(|(srv, ttl)| {
            let offer = Offer { port: srv.port(), weight: srv.weight(), target: srv.target().to_vec_name() };
            (srv.priority(), offer, ttl)
        })
        .collect();
    let mut ttl = found.iter().map(|(_, _, ttl)| *ttl).min().unwrap_or_default();
    let offers = preferred(found.into_iter().map(|(priority, offer, _)| (priority, offer)).collect());
    let mut names: BTreeMap<Name<Vec<u8>>, Vec<IpAddr>> =
        offers.iter().map(|offer| (offer.target.clone(), Vec::new())).collect();
    if names.len() > NAMES {
        return Err(Vain::Many);
    }
    // Who has answered once is asked first: the targets are many, and one that is silent costs its time for each.
    let mut servers = servers.to_vec();
    servers.sort_by_key(|one| *one != server);
    let mut unknown = None;
    let mut left: Vec<Name<Vec<u8>>> = names.keys().cloned().collect();
    let mut asked = JoinSet::new();
    while !left.is_empty() || !asked.is_empty() {
        while asked.len() < AT_ONCE
            && let Some(target) = left.pop()
        {
            let servers = servers.clone();
            asked.spawn(async move {
                let answer = addresses(&servers, &target, family).await;
                (target, answer)
            });
        }
        match asked.join_next().await {
            // One that is no longer there is left out; of one of which nothing is known, nothing is made up.
            Some(Ok((_, Err(why @ Vain::Unknown(_))))) => unknown = Some(why),
            None => {}
            Some(Ok((target, Ok(answer)))) => {
                if !answer.servers.is_empty() {
                    ttl = ttl.min(answer.ttl);
                }
                names.insert(target, answer.servers.into_iter().map(|server| server.ip).collect());
            }
            Some(Ok((_, Err(why)))) => return Err(why),
            Some(Err(_)) => return Err(Vain::Late),
        }
    }
    let weighed = offers.iter().any(|offer| offer.weight > 0);
    let one = |offer: &Offer| {
        // A weight of 0 beside others is to get very little, not nothing.
        let weight = weighed.then_some(offer.weight.max(1));
        let port = Some(offer.port);
        let ips = names.get(&offer.target).into_iter().flatten();
        ips.map(|ip| Server { ip: *ip, port, weight }).collect::<Vec<_>>()
    };
    let found: Vec<Server> = offers.iter().flat_map(one).collect();
    match unknown {
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(Answer { servers: found, ttl }),
    }
}

/// What an SRV record offers.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Offer {
    port: u16,
    weight: u16,
    target: Name<Vec<u8>>,
}

/// Those of the lowest priority. The root for a target says that there is none.
fn preferred(mut offers: Vec<(u16, Offer)>) -> Vec<Offer> {
    offers.retain(|(_, offer)| !offer.target.is_root());
    let lowest = offers.iter().map(|(priority, _)| *priority).min();
    offers.into_iter().filter(|(priority, _)| Some(*priority) == lowest).map(|(_, offer)| offer).collect()
}

/// The records of a type that an answer has for what was asked, each with a time to live: that of the aliases on the way included.
fn records<'a, D>(
    message: &'a Message<Vec<u8>>,
    kind: Rtype,
) -> Result<impl Iterator<Item = (D, Duration)>, &'static str>
where
    D: domain::base::rdata::ParseRecordData<'a, Vec<u8>> + 'a,
{
    let strange = "it is cut off or malformed";
    let name = message.canonical_name().ok_or("its aliases (CNAME) lead nowhere or around in a circle")?;
    let answer = message.answer().map_err(|_| strange)?;
    let mut aliases = Duration::MAX;
    for alias in answer.limit_to_in::<Cname<_>>() {
        aliases = aliases.min(alias.map_err(|_| strange)?.ttl().into_duration());
    }
    let mut found = Vec::new();
    for record in answer.limit_to_in::<D>() {
        let record = record.map_err(|_| strange)?;
        if record.rtype() == kind && record.owner() == &name {
            let ttl = record.ttl().into_duration().min(aliases);
            found.push((record.into_data(), ttl));
        }
    }
    Ok(found.into_iter())
}

/// A name as it is kept.
trait Kept {
    fn to_vec_name(&self) -> Name<Vec<u8>>;
}

impl<N: domain::base::ToName> Kept for N {
    fn to_vec_name(&self) -> Name<Vec<u8>> {
        self.to_vec()
    }
}

/// Asks one server after the other, until one has something to say.
async fn ask(
    servers: &[SocketAddr],
    name: &Name<Vec<u8>>,
    kind: Rtype,
) -> Result<(SocketAddr, Message<Vec<u8>>), Vain> {
    let mut last = Vain::NoServer;
    for _ in 0..ROUNDS {
        for server in servers {
            match ask_one(*server, name, kind).await {
                Ok(message) => return Ok((*server, message)),
                Err(why @ (Vain::Unknown(_) | Vain::NoName)) => return Err(why),
                Err(why) => last = why,
            }
        }
    }
    Err(last)
}

async fn ask_one(server: SocketAddr, name: &Name<Vec<u8>>, kind: Rtype) -> Result<Message<Vec<u8>>, Vain> {
    let query = question(name, kind)?;
    let reach = |e: io::Error| Vain::Unreachable(server, e.to_string());
    let heard = timeout(PATIENCE, by_datagram(server, &query)).await.map_err(|_| Vain::Silent(server))?;
    let mut message = heard.map_err(reach)?;
    if message.header().tc() {
        let heard = timeout(PATIENCE, by_stream(server, &query)).await.map_err(|_| Vain::Silent(server))?;
        message = heard.map_err(reach)?.ok_or(Vain::Strange(server, "it is not to what was asked"))?;
    }
    match message.header().rcode() {
        _ if message.header().tc() => Err(Vain::Strange(server, "it is cut off, over TCP, too")),
        // A server that refers to others, or has nothing to say for itself, has said nothing of the name.
        Rcode::NOERROR if nothing_said(&message) => {
            Err(Vain::Strange(server, "it neither has the name nor asks others"))
        }
        Rcode::NOERROR => Ok(message),
        Rcode::NXDOMAIN => Err(Vain::Unknown(server)),
        code => Err(Vain::Failed(server, code.to_string())),
    }
}

/// Whether an answer is empty, and from a server that neither is one of the name's nor asks those that are.
fn nothing_said(message: &Message<Vec<u8>>) -> bool {
    let header = message.header();
    message.header_counts().ancount() == 0 && !header.aa() && !header.ra()
}

/// A question, with a number that nobody on the way can guess; recursion desired.
fn question(name: &Name<Vec<u8>>, kind: Rtype) -> Result<Message<Vec<u8>>, Vain> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(crate::dns::rand_id());
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((name, kind, Class::IN)).map_err(|_| Vain::NoName)?;
    Ok(builder.into_message())
}

/// The answer over UDP. What is no answer to the question is passed over: it may come from somebody else.
async fn by_datagram(server: SocketAddr, query: &Message<Vec<u8>>) -> io::Result<Message<Vec<u8>>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query.as_slice()).await?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(message) = buffer.get(..length).and_then(|bytes| answer_to(query, bytes)) {
            return Ok(message);
        }
    }
}

/// The same over TCP.
async fn by_stream(server: SocketAddr, query: &Message<Vec<u8>>) -> io::Result<Option<Message<Vec<u8>>>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.as_slice().len()).map_err(io::Error::other)?;
    let bytes = [&length.to_be_bytes(), query.as_slice()].concat();
    stream.write_all(&bytes).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(answer_to(query, &bytes))
}

fn answer_to(query: &Message<Vec<u8>>, bytes: &[u8]) -> Option<Message<Vec<u8>>> {
    let message = Message::from_octets(bytes.to_vec()).ok()?;
    message.is_answer(query).then_some(message)
}

/// How many records an answer of a name server to the question for `example.org` has, where it answers that; or what is wrong
/// with it.
#[cfg(fuzzing)]
pub(crate) fn counted(kind: Kind, answer: &[u8]) -> Option<Result<usize, &'static str>> {
    let name = Name::from_str("example.org").ok()?;
    let rtype = match kind {
        Kind::Address(Family::V4) => Rtype::A,
        Kind::Address(Family::V6) => Rtype::AAAA,
        Kind::Service(_) => Rtype::SRV,
    };
    let query = question(&name, rtype).ok()?;
    let mut answer = answer.to_vec();
    // Whatever number the question has: answers are made before it is known.
    answer.get_mut(..2)?.copy_from_slice(&query.header().id().to_be_bytes());
    let message = answer_to(&query, &answer)?;
    Some(match kind {
        Kind::Address(Family::V4) => records::<A>(&message, rtype).map(Iterator::count),
        Kind::Address(Family::V6) => records::<Aaaa>(&message, rtype).map(Iterator::count),
        Kind::Service(_) => {
            records::<Srv<_>>(&message, rtype).map(|all| all.map(|(srv, _)| srv.target().to_vec_name()).count())
        }
    })
}

#[cfg(test)]
mod tests;
