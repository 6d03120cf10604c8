//! What the vrrp role does to the kernel: levels are reconciled (`addresses`, `routing`, `devices`, `filter`), packets go
//! through `ports`.

mod addresses;
mod carriers;
mod devices;
mod filter;
mod guardian;
mod lease;
mod pace;
mod ports;
mod promotion;
mod rounds;
mod routing;

pub(crate) use addresses::{Addresses, fact, fixed, places, written};
pub(crate) use carriers::Carriers;
pub(crate) use devices::{Before, Devices};
pub(crate) use filter::{Filter, release as release_filter};
pub(crate) use ports::{Opened, Ports};
pub(crate) use promotion::Promotion;
pub(crate) use routing::{Path, Routing};
use vipd_config::model::{Config, Instance};
use vipd_sys::netlink::{Link, flag};
use vipd_vrrp::settings::Binding;

/// An address with one of these flags can't be sent from.
const UNUSABLE: u32 = flag::TENTATIVE | flag::DADFAILED;

/// Why an instance can't have sockets on this host, whatever else is right: what it calls a VRF is none, or the source address that it
/// tracks is missing.
pub(crate) fn unfit<'a>(
    instance: &Instance,
    mut links: impl Iterator<Item = &'a Link>,
    on_host: impl Fn(std::net::IpAddr) -> bool,
) -> Option<String> {
    if let Binding::Vrf(name) = &instance.vrrp.binding
        && links.any(|link| link.name == *name && link.vrf.is_none())
    {
        return Some(format!("{name} is no VRF: it has no table of routes"));
    }
    let tracked = instance.vrrp.source.filter(|_| instance.track_source);
    let missing = tracked.filter(|source| !on_host(*source));
    missing.map(|source| format!("its source address {source} is not on this host"))
}

/// Removes from this host what a configuration puts there, but for what another one does as well, for a role that is not there
/// to do it.
pub(crate) fn release(old: &Config, new: &Config) -> std::io::Result<()> {
    // One that fails keeps the other from nothing.
    let routes = routing::release(old, new);
    addresses::release(old, new).and(routes)
}
