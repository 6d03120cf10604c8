//! What the vrrp role does to the kernel: levels are reconciled (`addresses`, `devices`, `filter`), packets go through `ports`.

mod addresses;
mod devices;
mod filter;
mod guardian;
mod ports;

pub(crate) use addresses::{Addresses, release};
pub(crate) use devices::{Before, Devices};
pub(crate) use filter::{Filter, release as release_filter};
pub(crate) use ports::Ports;
