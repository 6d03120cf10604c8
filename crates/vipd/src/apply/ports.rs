//! The sockets of the vrrp role: one receiver for each interface, protocol and group or source, shared by the instances
//! there; one sender for each interface and family. Heartbeat paths have theirs in the same way. A VRF stands for the
//! interfaces in it; instances without either have sockets that are tied to no interface, and there are senders of each
//! source.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vipd_sys::poll::Poller;
use vipd_sys::raw::{Device, Inbox, Listen, Receiver, Sender};
use vipd_vrrp::packet::{PROTOCOL, PROTOCOL_AH};
use vipd_vrrp::settings::{Auth, Family, Instance, Transport, Way};
use vipd_vrrp::units::Vrid;

/// Receive buffer of one port in bytes: some hundred adverts. More than that waiting is a flood.
const ROOM: usize = 256 << 10;

/// `IPV6_MIN_MTU` (RFC 8200, 5)
const LEAST_IPV6_MTU: u32 = 1280;

/// What makes two instances share a receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Key {
    /// `None`: any.
    device: Option<Device>,
    protocol: u8,
    listen: Listen,
}

struct Port {
    key: Key,
    token: u64,
    receiver: Receiver,
    /// Those that listen here, and which of their ways this is.
    instances: BTreeMap<Vrid, Vec<(usize, Way)>>,
}

/// Whether an instance can hear and be heard, or why not.
pub(crate) struct Opened {
    /// By its own interface.
    pub(crate) own: Result<(), String>,
    /// By each of its heartbeat paths.
    pub(crate) paths: Vec<Result<(), String>>,
}

impl Opened {
    /// Whether any socket could not be opened.
    pub(crate) fn refused(&self) -> bool {
        self.own.is_err() || self.paths.iter().any(Result::is_err)
    }
}

/// What an instance sends by: its own interface, its heartbeat paths.
struct Sends {
    own: Option<usize>,
    paths: Vec<Option<usize>>,
}

/// What makes two instances share a sender.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Exit {
    /// `None`: where the routes say.
    device: Option<Device>,
    /// The source by which they are chosen; unspecified on an interface, where there is nothing to choose.
    source: IpAddr,
}

/// What sends.
struct Out {
    exit: Exit,
    sender: Sender,
}

/// All sockets.
#[derive(Default)]
pub(crate) struct Ports {
    ports: Vec<Port>,
    senders: Vec<Out>,
    /// Which of them each instance sends by.
    sends: Vec<Sends>,
    next_token: u64,
}

impl Ports {
    /// Opens what the instances need and is not open, closes what none needs, keeps the rest. For each instance, in their
    /// order, whether it can hear and be heard. An interface that doesn't exist has no port, which is not its port's fault;
    /// when it comes, this is called again.
    pub(crate) fn open<'a>(
        &mut self,
        instances: impl Iterator<Item = &'a Instance>,
        devices: &BTreeMap<String, (u32, u32)>,
        poller: &Poller,
        first_token: u64,
    ) -> Vec<Opened> {
        let mut old = std::mem::take(&mut self.ports);
        let mut old_senders = std::mem::take(&mut self.senders);
        self.next_token = self.next_token.max(first_token);
        self.sends.clear();
        let mut opened = Vec::new();
        for (i, instance) in instances.enumerate() {
            // Below its least MTU an interface has no IPv6, and forgets the groups that were joined there.
            let fits = |(_, mtu): &&(u32, u32)| instance.family == Family::V4 || *mtu >= LEAST_IPV6_MTU;
            // Nothing at all where there is to be an interface and is none.
            let device = |name: Option<&str>| match name {
                Some(name) => {
                    let (index, _) = devices.get(name).filter(fits)?;
                    Some(Some(Device { name: name.to_owned(), index: *index }))
                }
                None => Some(None),
            };
            let routed = instance.source.filter(|_| instance.binding.interface().is_none());
            let mut open = |way: Way| {
                let (out, ear) = (device(instance.sends_by(way)), device(instance.hears_by(way)));
                let (Some(out), Some(ear)) = (out, ear) else { return (None, Ok(())) };
                let made = way == Way::Own && instance.sends_on() != instance.binding.device();
                let source = routed.filter(|_| way == Way::Own).unwrap_or(any(instance.family));
                let exit = Exit { device: out, source };
                let open = || {
                    let sender = Sender::open(exit.device.as_ref(), exit.source)?;
                    if made && instance.family == Family::V6 { sender.unaddressed() } else { Ok(sender) }
                };
                let sends = self.open_sender(&exit, open, &mut old_senders);
                let hears = self.open_receiver((i, way, instance.vrid), key(instance, way, ear), &mut old, poller);
                (sends.as_ref().ok().copied(), sends.and(hears))
            };
            let (own_sender, own) = open(Way::Own);
            let (senders, paths) = (0..instance.heartbeat_paths.len()).map(|n| open(Way::Path(n))).unzip();
            self.sends.push(Sends { own: own_sender, paths: senders });
            opened.push(Opened { own, paths });
        }
        opened
    }

    fn open_receiver(
        &mut self,
        (i, way, vrid): (usize, Way, Vrid),
        key: Key,
        old: &mut Vec<Port>,
        poller: &Poller,
    ) -> Result<(), String> {
        if let Some(port) = self.ports.iter_mut().find(|p| p.key == key) {
            port.instances.entry(vrid).or_default().push((i, way));
            return Ok(());
        }
        let instances = BTreeMap::from([(vrid, vec![(i, way)])]);
        if let Some(at) = old.iter().position(|p| p.key == key) {
            let port = old.swap_remove(at);
            self.ports.push(Port { instances, ..port });
            return Ok(());
        }
        let token = self.next_token;
        let receiver = Receiver::open(key.device.as_ref(), key.protocol, key.listen, ROOM)
            .and_then(|receiver| poller.watch_patiently(&receiver, token).map(|()| receiver))
            .map_err(|e| format!("can't listen on {}: {e}", name(key.device.as_ref())))?;
        self.next_token += 1;
        self.ports.push(Port { key, token, receiver, instances });
        Ok(())
    }

    fn open_sender(
        &mut self,
        exit: &Exit,
        open: impl Fn() -> io::Result<Sender>,
        old: &mut Vec<Out>,
    ) -> Result<usize, String> {
        let this = |out: &Out| out.exit == *exit;
        if let Some(there) = self.senders.iter().position(this) {
            return Ok(there);
        }
        let out = match old.iter().position(this) {
            Some(kept) => old.swap_remove(kept),
            None => {
                let sender = open().map_err(|e| format!("can't send on {}: {e}", name(exit.device.as_ref())))?;
                Out { exit: exit.clone(), sender }
            }
        };
        self.senders.push(out);
        Ok(self.senders.len() - 1)
    }

    /// Sends a packet for the instance at this place by one of its ways.
    pub(crate) fn send(&self, instance: usize, way: Way, packet: &[u8], to: IpAddr) -> io::Result<()> {
        let out = self.sends.get(instance).and_then(|sends| match way {
            Way::Own => sends.own,
            Way::Path(n) => sends.paths.get(n).copied().flatten(),
        });
        match out.and_then(|out| self.senders.get(out)) {
            Some(out) => out.sender.send(packet, to),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "the interface doesn't exist")),
        }
    }

    /// Takes what waits on the port with this token, at most so many datagrams; how many they are.
    pub(crate) fn receive(&self, token: u64, inbox: &mut Inbox, most: usize) -> io::Result<usize> {
        match self.ports.iter().find(|p| p.token == token) {
            Some(port) => port.receiver.receive(inbox, most),
            None => Ok(0),
        }
    }

    /// The tokens of all ports.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        self.ports.iter().map(|p| p.token).collect()
    }

    /// The instances that listen on the port with this token.
    pub(crate) fn instances(&self, token: u64) -> Vec<(usize, Way)> {
        self.ports.iter().filter(|p| p.token == token).flat_map(|p| p.instances.values().flatten().copied()).collect()
    }

    /// Those of them that are this virtual router.
    pub(crate) fn instances_of(&self, token: u64, vrid: Vrid) -> &[(usize, Way)] {
        let port = self.ports.iter().find(|p| p.token == token);
        port.and_then(|p| p.instances.get(&vrid)).map_or(&[], |these| these)
    }
}

fn key(instance: &Instance, way: Way, device: Option<Device>) -> Key {
    let protocol = match instance.auth {
        Auth::Ah(_) => PROTOCOL_AH,
        Auth::None | Auth::Pass(_) | Auth::Hmac(_) => PROTOCOL,
    };
    let source = instance.path(way).map_or(instance.source, |path| path.source);
    let listen = match instance.transport_by(way) {
        Transport::Multicast { group } => Listen::Group(*group),
        Transport::Unicast { .. } => Listen::Unicast(source.unwrap_or(any(instance.family))),
    };
    Key { device, protocol, listen }
}

/// An interface for people.
fn name(device: Option<&Device>) -> &str {
    device.map_or("any interface", |device| &device.name)
}

/// The unspecified address of a family.
fn any(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}
