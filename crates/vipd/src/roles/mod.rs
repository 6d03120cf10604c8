//! The roles: each is a process of its own that runs one of these modules and talks to the supervisor alone.

pub(crate) mod check;
pub(crate) mod console;
pub(crate) mod director;
pub(crate) mod plane;
pub(crate) mod vrrp;
