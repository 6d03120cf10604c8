//! What the vrrp role does to the kernel: levels are reconciled (`addresses`), packets go through `ports`.

mod addresses;
mod guardian;
mod ports;

pub(crate) use addresses::{Addresses, release};
pub(crate) use ports::Ports;
