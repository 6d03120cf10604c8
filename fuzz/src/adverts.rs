//! Adverts under one authentication each: from those who have no key, and from those who have it and are disturbed on the way.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;
use vipd_config::{Options, load_str};
use vipd_vrrp::admit::{Admitted, Known, admit, vrid_of};
use vipd_vrrp::node::{Input, Node, Settings};
use vipd_vrrp::packet::{Advert, Datagram, PROTOCOL, PROTOCOL_AH};
use vipd_vrrp::router::{Sequence, advert, heartbeat, packets_by};
use vipd_vrrp::settings::{Auth, Family, HmacMode, Instance, Transport, Version, Way};
use vipd_vrrp::track::Link;
use vipd_vrrp::trailer::Stamp;
use vipd_vrrp::units::{Centis, Instant, Micros, Priority};

/// The time since 1970 when it begins: some day.
const UNIX: Micros = Micros(1_800_000_000_000_000);
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const OTHER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// Virtual routers with these words each, of versions and families as given: `version`, `4` or `6`, further words.
fn routers(list: &[(u8, u8, &str)]) -> Vec<Instance> {
    let mut text = String::new();
    for (n, (version, family, words)) in list.iter().enumerate() {
        let address = if *family == 4 { format!("198.51.100.{}", n + 1) } else { format!("2001:db8::{}", n + 1) };
        text += &format!(
            "vrrp_instance I{n} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {}\nversion {version}\npriority 100\n\
             advert_int 1\nvirtual_ipaddress {{\n{address}\n}}\nheartbeat_paths {{\neth1\n}}\n{words}\n}}\n",
            n + 1
        );
    }
    let loaded = load_str("fuzz.conf", &text, &Options::default());
    let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    config.instances.into_iter().map(|i| i.vrrp).collect()
}

const UNICAST: &str = "unicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2 min_ttl 255\n}\n";
const PASS: &str = "authentication {\nauth_type PASS\nauth_pass Hudlnej7\n}\n";
const AH: &str = "authentication {\nauth_type AH\nauth_pass Hudlnej7\n}\n";

fn signed(more: &str) -> String {
    format!("auth_hmac {{\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n{more}\n}}\n")
}

/// Without authentication.
pub static NONE: LazyLock<Vec<Instance>> =
    LazyLock::new(|| routers(&[(2, 4, ""), (3, 4, ""), (3, 6, ""), (3, 4, UNICAST), (2, 6, "")]));
/// With a password.
pub static PASSWORD: LazyLock<Vec<Instance>> =
    LazyLock::new(|| routers(&[(2, 4, PASS), (2, 4, &format!("{PASS}{UNICAST}"))]));
/// With an authentication header.
pub static HEADER: LazyLock<Vec<Instance>> =
    LazyLock::new(|| routers(&[(2, 4, AH), (2, 4, &format!("{AH}{UNICAST}"))]));
/// With a keyed trailer.
pub static TRAILER: LazyLock<Vec<Instance>> = LazyLock::new(|| {
    let strict = signed("");
    routers(&[
        (3, 4, &strict),
        (3, 6, &strict),
        (2, 4, &strict),
        (3, 4, &format!("{strict}{UNICAST}")),
        (3, 4, &signed("anti_replay monotonic")),
        (3, 4, &signed("mode permissive")),
    ])
});

/// Packets behind each other for a host with these routers: a byte that says how, a byte of length, and so many bytes. What has
/// an odd length comes by the heartbeat path.
///
/// # Panics
/// If something holds that must not: that is what is looked for.
pub fn hostile(bytes: &[u8], instances: &[Instance]) {
    super::bounded(bytes, || {
        let mut now = Instant(1_000_000);
        let mut node = host(now, instances);
        let mut rest = bytes;
        while let [how, length, more @ ..] = rest {
            let (body, behind) = more.split_at(more.len().min(usize::from(*length)));
            rest = behind;
            let way = if length & 1 == 1 { Way::Path(0) } else { Way::Own };
            let i = (usize::from(how & 7) % instances.len(), way);
            now = now + Micros(u64::from(how >> 5) * 100_000);
            step(&mut node, now, Input::Tick);
            match how & 0x18 {
                0 => stranger(&mut node, now, i, body),
                8 => datagram(&mut node, now, i, body),
                _ => disturbed(&mut node, now, i, body),
            }
        }
    });
}

/// A host whose routers hear: eth0 and eth1 are up and have addresses.
fn host(now: Instant, instances: &[Instance]) -> Node {
    let link = Link { up: true, multicast: true, ipv4: Some(OWN), link_local: Some(OWN_V6), mtu: 1500 };
    let settings = Settings { instances: instances.to_vec(), ..Settings::default() };
    Node::new(now, settings, BTreeMap::from([("eth0".to_owned(), link), ("eth1".to_owned(), link)]), None, UNIX)
}

/// Something happens: little is done for it, and it is done at once.
fn step(node: &mut Node, now: Instant, input: Input) {
    node.handle(now, input);
    let actions = std::iter::from_fn(|| node.poll()).count();
    assert!(actions <= 8 * node.routers().len(), "{actions} actions");
}

/// Whether nobody without the key is believed.
fn keyed(settings: &Instance) -> bool {
    match &settings.auth {
        Auth::None | Auth::Pass(_) => false,
        Auth::Ah(_) => true,
        Auth::Hmac(hmac) => hmac.mode == HmacMode::Enforce,
    }
}

fn places(settings: &Instance, way: Way) -> (IpAddr, IpAddr) {
    let to = match settings.transport_by(way) {
        Transport::Multicast { group } => *group,
        Transport::Unicast { .. } => OWN.into(),
    };
    match settings.family {
        Family::V4 => (OTHER.into(), to),
        Family::V6 => (OTHER_V6.into(), to),
    }
}

/// Any bytes behind a sound IP header.
fn stranger(node: &mut Node, now: Instant, (i, way): (usize, Way), payload: &[u8]) {
    let settings = node.routers()[i].settings.clone();
    let (source, destination) = places(&settings, way);
    let protocol = if matches!(settings.auth, Auth::Ah(_)) { PROTOCOL_AH } else { PROTOCOL };
    let header = [0x45; 20];
    let datagram = Datagram { source, destination, ttl: 255, protocol, header: &header, payload };
    if let Some(admitted) = judge(node, now, (i, way), &datagram) {
        assert!(!keyed(&settings), "believed without a key: {admitted:?}");
        step(node, now, Input::Advert(i, admitted));
    }
}

/// Any bytes at all.
fn datagram(node: &mut Node, now: Instant, (i, way): (usize, Way), bytes: &[u8]) {
    let Ok(datagram) = Datagram::parse(bytes) else { return };
    if let Some(admitted) = judge(node, now, (i, way), &datagram) {
        assert!(!keyed(&node.routers()[i].settings), "believed without a key: {admitted:?}");
        step(node, now, Input::Advert(i, admitted));
    }
}

/// What the owner of the key sends, with one byte of it changed: of what is signed, nothing that was changed is believed.
fn disturbed(node: &mut Node, now: Instant, (i, way): (usize, Way), body: &[u8]) {
    let [priority, interval, place, change, sequence, ..] = *body else { return };
    let settings = node.routers()[i].settings.clone();
    let (source, to) = places(&settings, way);
    let mut sent = advert(&settings, Priority(priority));
    if interval > 0 {
        let hundreds = if settings.version == Version::V2 { 100 } else { 1 };
        sent.interval = Centis(u16::from(interval) * hundreds);
    }
    if way != Way::Own {
        sent = heartbeat(&sent, source, source);
    }
    let sequence = match settings.auth {
        Auth::Ah(_) => Some(Sequence::Ah(u32::from(sequence))),
        Auth::Hmac(_) => Some(Sequence::Hmac(Stamp::of(Micros(UNIX.0 + now.0 + u64::from(sequence) * 100_000)))),
        Auth::None | Auth::Pass(_) => None,
    };
    let towards = match settings.transport.clone() {
        Transport::Unicast { mut peers, ttl, check_source } => {
            peers.iter_mut().for_each(|peer| peer.address = to);
            Instance { transport: Transport::Unicast { peers, ttl, check_source }, ..settings.clone() }
        }
        Transport::Multicast { .. } => settings.clone(),
    };
    let (_, mut packet) = packets_by(way, &towards, source, &sent, 7, sequence).remove(0);
    let at = usize::from(place) % packet.len();
    packet[at] ^= change;
    let Ok(datagram) = Datagram::parse(&packet) else { return };
    let Some(admitted) = judge(node, now, (i, way), &datagram) else { return };
    let same = admitted.advert == sent && admitted.sequence == sequence;
    let unsigned = Advert { auth: admitted.advert.auth, ..sent.clone() };
    assert!(!keyed(&settings) || same || admitted.advert == unsigned, "{admitted:?} of {sent:?}");
    step(node, now, Input::Advert(i, admitted));
}

/// What must hold of everything that is believed, whoever sent it.
fn judge(node: &Node, now: Instant, (i, way): (usize, Way), datagram: &Datagram<'_>) -> Option<Admitted> {
    let router = &node.routers()[i];
    let known: Known<'_> = router.known(now, way);
    let admitted = admit(&router.settings, known, datagram).ok()?;
    let Instance { version, advert_int, .. } = router.settings;
    let transport = router.settings.transport_by(way);
    let (vrid, said) = (vrid_of(datagram), &admitted.advert);
    assert_eq!(vrid.as_ref(), Ok(&said.vrid));
    assert!(said.version == version && said.interval > Centis(0));
    assert!(version == Version::V3 || said.interval == advert_int);
    assert!(datagram.ttl == 255 || matches!(transport, Transport::Unicast { .. }));
    assert!(way == Way::Own || said.addresses == [admitted.source, datagram.source], "whose it is stands in it");
    // For another virtual router it would not have come here.
    (said.vrid == router.settings.vrid).then_some(admitted)
}
