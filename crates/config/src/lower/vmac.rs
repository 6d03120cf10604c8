//! `use_vmac`, `use_vmac_addr` and `use_ipvlan`: the interfaces that are made for an instance, and which of its addresses
//! is put on which.

use super::Lower;
use super::vrrp::Mode;
use crate::diag::{Code, Report};
use crate::setting;
use crate::source::Place;
use crate::tree::{Node, Nodes, Value};
use std::collections::HashSet;
use std::net::IpAddr;
use vipd_vrrp::settings::{DeviceKind, Family, IpvlanFlag, Transport, VirtualDevice, virtual_mac};

/// `IFNAMSIZ` - 1 (linux/if.h)
const LONGEST: usize = 15;

/// Names under `/proc/sys/net` that are no interface's, and the loopback interface.
const RESERVED: [&str; 3] = ["all", "default", "lo"];

/// Where iproute2 keeps the names of interface groups, the first that has one counts.
const GROUPS: [&str; 3] = ["/etc/iproute2/group", "/usr/share/iproute2/group", "/usr/lib/iproute2/group"];

/// What is told of an instance that runs on an interface of its own.
#[derive(Clone, Copy)]
pub(super) struct Seat<'a> {
    /// The one that it is made upon.
    pub(super) interface: Option<&'a str>,
    /// Where addresses go if there is none, and their lines don't say.
    pub(super) elsewhere: &'a str,
    pub(super) vrid: u8,
    pub(super) family: Family,
    pub(super) mode: Mode,
}

/// Whether the line of an address says `use_vmac`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Plain,
    Vmac,
}

/// Where the addresses of an instance go.
pub(super) struct Places<'a> {
    seat: Seat<'a>,
    pub(super) own: Option<VirtualDevice>,
    /// `use_vmac_addr`
    everywhere: bool,
    pub(super) more: Vec<VirtualDevice>,
}

impl<'a> Places<'a> {
    /// Nowhere but on the interfaces that the lines name, or else on this: for what is static.
    pub(super) fn plain(interface: &'a str) -> Places<'a> {
        let seat = Seat { interface: None, elsewhere: interface, vrid: 0, family: Family::V4, mode: Mode::Usual };
        Places { seat, own: None, everywhere: false, more: Vec::new() }
    }
}

/// The options of a keyword, as they were judged.
fn options(node: &Node) -> &[(&'static str, setting::Value)] {
    match &node.value {
        Value::Typed(setting::Value::Options(options)) => options,
        _ => &[],
    }
}

fn text<'a>(options: &'a [(&'static str, setting::Value)], names: &[&str]) -> Option<&'a str> {
    options.iter().find_map(|(name, value)| match value {
        setting::Value::Text(text) if names.contains(name) => Some(text.as_str()),
        _ => None,
    })
}

fn says(options: &[(&'static str, setting::Value)], word: &str) -> bool {
    options.iter().any(|(name, _)| *name == word)
}

/// Six octets, or five and the VRID.
fn mac(text: &str, vrid: u8) -> Option<[u8; 6]> {
    let mut octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok());
    let mut mac = [0; 6];
    for (i, octet) in mac.iter_mut().enumerate() {
        *octet = match octets.next() {
            Some(octet) => octet?,
            None if i == 5 => vrid,
            None => return None,
        };
    }
    Some(mac)
}

impl Lower<'_> {
    /// Names that interfaces must not be made by: those that are used, and those that the file gives to some.
    pub(super) fn reserve_names(&mut self, root: &Nodes) {
        let instances = || root.all("vrrp_instance").map(Node::nodes);
        let interfaces = || instances().flat_map(|nodes| ["interface", "vrf"].map(|word| nodes.text(word))).flatten();
        let given = instances().flat_map(|nodes| ["use_vmac", "use_ipvlan"].map(|word| nodes.find(word)));
        let given = given.flatten().filter_map(|node| text(options(node), &["name", "(interface)"]));
        self.made.taken = interfaces().chain(given).chain(RESERVED).map(str::to_owned).collect();
        self.made.bases = interfaces().chain(RESERVED).map(str::to_owned).collect();
    }

    /// What an instance runs on, and where its addresses go.
    pub(super) fn places<'a>(&mut self, node: &Node, seat: Seat<'a>) -> Places<'a> {
        let nodes = node.nodes();
        let (vmac, ipvlan) = (nodes.find("use_vmac"), nodes.find("use_ipvlan"));
        if let (Some(vmac), Some(ipvlan)) = (vmac, ipvlan) {
            let report = Report::error(Code::Adjusted, ipvlan.at, "an instance runs on a VMAC or on an ipvlan");
            self.push(report.also(vmac.at, "not on both"));
        }
        let own = match (seat.interface, vmac, ipvlan) {
            (Some(base), Some(node), _) => self.vmac(node, base, seat),
            (Some(base), None, Some(node)) => self.ipvlan(node, base, seat),
            (None, ..) | (_, None, None) => None,
        };
        Places { seat, own, everywhere: nodes.on("use_vmac_addr"), more: Vec::new() }
    }

    fn vmac(&mut self, node: &Node, base: &str, seat: Seat<'_>) -> Option<VirtualDevice> {
        let options = options(node);
        let usual = virtual_mac(seat.family, seat.vrid);
        let mac = match text(options, &["(mac)"]) {
            Some(_) if seat.mode == Mode::Strict => {
                let message = "strict mode: the MAC address is the virtual router's own (RFC 9568, 7.3)";
                self.push(Report::warning(Code::Adjusted, node.at, message).label("the address is ignored"));
                usual
            }
            Some(text) => mac(text, seat.vrid)?,
            None => usual,
        };
        self.virtual_device(node, DeviceKind::Macvlan { mac }, base, seat)
    }

    fn ipvlan(&mut self, node: &Node, base: &str, seat: Seat<'_>) -> Option<VirtualDevice> {
        let options = options(node);
        let address = options.iter().find_map(|(name, value)| match value {
            setting::Value::Network(address, prefix) if *name == "(address)" => Some((*address, *prefix)),
            _ => None,
        });
        if let Some((address, _)) = address {
            self.of_family(address, node.argument(), seat.family)?;
        } else if seat.family == Family::V4 {
            let report = Report::warning(Code::Adjusted, node.at, "without an address of its own this is in FAULT");
            self.push(report.help("use_ipvlan ADDRESS/LEN: adverts come from it, and no other host may have it"));
        }
        let flag = match (says(options, "private"), says(options, "vepa")) {
            (true, _) => IpvlanFlag::Private,
            (false, true) => IpvlanFlag::Vepa,
            (false, false) => IpvlanFlag::Bridge,
        };
        self.virtual_device(node, DeviceKind::Ipvlan { flag, address }, base, seat)
    }

    fn virtual_device(&mut self, node: &Node, kind: DeviceKind, base: &str, seat: Seat<'_>) -> Option<VirtualDevice> {
        let options = options(node);
        let at = node.argument();
        let given = match text(options, &["name", "(interface)"]) {
            Some(name) => self.given_name(name, at)?,
            None => None,
        };
        let name = match given {
            Some(name) => name,
            None => self.free_name(self.defaults.vmac_prefix.clone(), seat, node.at)?,
        };
        let group = self.interface_group(options, at);
        Some(VirtualDevice { name, base: base.to_owned(), kind, family: seat.family, group })
    }

    /// The name that the file gives; another one is taken in place of one that somebody has, and none of one that can't be.
    fn given_name(&mut self, name: &str, at: Place) -> Option<Option<String>> {
        if !possible(name) || self.made.bases.contains(name) {
            let message = format!("no interface can be made by the name `{name}`");
            let report = Report::error(Code::BadName, at, message);
            self.push(report.help("1 to 15 bytes, none of `/`, `:`, `%` and blanks, and no other interface's name"));
            return None;
        }
        if !self.made.used.insert(name.to_owned()) {
            let message = format!("another instance has an interface `{name}` already");
            self.push(Report::warning(Code::Adjusted, at, message).label("it gets another name"));
            return Some(None);
        }
        Some(Some(name.to_owned()))
    }

    /// PREFIX.VRID, else PREFIX6.VRID over IPv6, else PREFIX1.VRID and so on: the original's names.
    fn free_name(&mut self, prefix: String, seat: Seat<'_>, at: Place) -> Option<String> {
        let vrid = seat.vrid;
        let numbers = (1..=u8::MAX).map(|n| n.to_string());
        let six = (seat.family == Family::V6).then(|| "6".to_owned());
        let suffixes = std::iter::once(String::new()).chain(six).chain(numbers);
        let name = suffixes.map(|n| format!("{prefix}{n}.{vrid}")).find(|name| !self.made.taken.contains(name));
        let Some(name) = name.filter(|name| possible(name)) else {
            let message = format!("an interface can't be called `{prefix}.{vrid}`");
            let report = Report::error(Code::BadName, at, message);
            self.push(report.help("a shorter `vmac_prefix`, without `/`, `:`, `%` and blanks, or a name of its own"));
            return None;
        };
        self.made.taken.insert(name.clone());
        Some(name)
    }

    fn interface_group(&mut self, options: &[(&'static str, setting::Value)], at: Place) -> Option<u32> {
        let group = text(options, &["group"])?;
        let number = group.parse().ok().or((group == "default").then_some(0)).or_else(|| group_number(group));
        if number.is_none() {
            let message = format!("`{group}` is no interface group of this host");
            let report = Report::warning(Code::UnknownReference, at, message).label("its base's group is taken");
            self.push(report.help(format!("a number, or a name in {}", GROUPS[0])));
        }
        number
    }

    /// `vmac_xmit_base`, where it holds.
    pub(super) fn xmit_base(&mut self, nodes: &Nodes, places: &Places<'_>, transport: &Transport) -> bool {
        let macvlan = places.own.as_ref().is_some_and(|d| matches!(d.kind, DeviceKind::Macvlan { .. }));
        if macvlan && matches!(transport, Transport::Unicast { .. }) {
            return true; // peers know the interface's own address
        }
        let Some(node) = nodes.find("vmac_xmit_base") else { return false };
        let why = match (&places.own, places.seat.mode) {
            (None, _) => "there is no `use_vmac`",
            (Some(_), _) if !macvlan => "an ipvlan has the hardware address of its base",
            (Some(_), Mode::Strict) => "strict mode sends adverts from the virtual MAC address (RFC 9568, 7.3)",
            (Some(_), Mode::Usual) => return true,
        };
        let message = format!("`vmac_xmit_base` has no effect: {why}");
        self.push(Report::warning(Code::Adjusted, node.at, message).label("ignored"));
        false
    }

    /// The interface that an address is put on. `device`: what its line says.
    pub(super) fn place(
        &mut self,
        places: &mut Places<'_>,
        address: IpAddr,
        device: Option<&str>,
        line: Line,
        at: Place,
    ) -> String {
        let (family, seat) = (Family::of(address), places.seat);
        let base = device.or(seat.interface).unwrap_or(seat.elsewhere);
        // An ipvlan has its base's hardware address: what it sends is told apart by its own address alone, and others may be
        // wherever they are.
        let macvlan = |own: &&VirtualDevice| matches!(own.kind, DeviceKind::Macvlan { .. });
        let own = places.own.as_ref().filter(macvlan).filter(|own| own.family == family);
        if let Some(own) =
            own.filter(|own| device.is_none() || own.name == base || (line == Line::Vmac && own.base == base))
        {
            return own.name.clone();
        }
        let elsewhere = Some(base) != seat.interface || family != seat.family;
        if line == Line::Plain && !(places.everywhere && elsewhere) {
            return base.to_owned();
        }
        if let Some(made) = places.more.iter().find(|d| d.base == base && d.family == family) {
            return made.name.clone();
        }
        let prefix = self.defaults.vmac_addr_prefix.clone();
        let Some(name) = self.free_name(prefix, Seat { family, ..seat }, at) else { return base.to_owned() };
        let kind = DeviceKind::Macvlan { mac: virtual_mac(family, seat.vrid) };
        places.more.push(VirtualDevice { name: name.clone(), base: base.to_owned(), kind, family, group: None });
        name
    }
}

/// Names of interfaces, while instances are read.
#[derive(Default)]
pub(super) struct Names {
    /// No interface gets one of these by itself.
    taken: HashSet<String>,
    /// Interfaces that exist beside those that are made.
    bases: HashSet<String>,
    /// Names that the file gives and that were given.
    used: HashSet<String>,
}

/// Whether the kernel makes an interface by that name and no other (`dev_valid_name`; `%` would number it).
fn possible(name: &str) -> bool {
    let fine = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b':' | b'%') || !b.is_ascii();
    let length = (1..=LONGEST).contains(&name.len());
    length && name.bytes().all(fine) && !matches!(name, "." | "..") && !RESERVED.contains(&name)
}

/// The number of an interface group, as `ip` finds it.
fn group_number(group: &str) -> Option<u32> {
    let number = |line: &str| {
        let mut words = line.split_whitespace();
        let number = words.next()?;
        (words.next()? == group).then(|| any_base(number)).flatten()
    };
    GROUPS.iter().filter_map(|file| std::fs::read_to_string(file).ok()).find_map(|all| all.lines().find_map(number))
}

/// Decimal, or hexadecimal behind `0x`.
fn any_base(number: &str) -> Option<u32> {
    match number.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    }
}
