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

pub(crate) use addresses::{Addresses, fixed};
pub(crate) use carriers::Carriers;
pub(crate) use devices::{Before, Devices};
pub(crate) use filter::{Filter, release as release_filter};
pub(crate) use ports::{Opened, Ports};
pub(crate) use promotion::Promotion;
pub(crate) use routing::{Path, Routing};
use vipd_config::model::Config;

/// Removes from this host what a configuration puts there, but for what another one does as well, for a role that is not there
/// to do it.
pub(crate) fn release(old: &Config, new: &Config) -> std::io::Result<()> {
    // One that fails keeps the other from nothing.
    let routes = routing::release(old, new);
    addresses::release(old, new).and(routes)
}
