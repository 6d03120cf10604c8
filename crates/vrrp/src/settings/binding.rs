//! What the sockets of an instance are bound to: its interface, or for unicast a VRF or nothing.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Where the adverts of an instance leave and are heard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Binding {
    /// `interface`: by this one alone.
    Interface(String),
    /// `vrf`: by any interface of this VRF, as its routes have it. For unicast with a source in the file.
    Vrf(String),
    /// Neither: by any interface, as the host's routes have it. For unicast with a source in the file.
    Routes,
}

impl Binding {
    /// The interface or the VRF.
    pub fn device(&self) -> Option<&str> {
        match self {
            Binding::Interface(name) | Binding::Vrf(name) => Some(name),
            Binding::Routes => None,
        }
    }

    /// The interface.
    pub fn interface(&self) -> Option<&str> {
        match self {
            Binding::Interface(name) => Some(name),
            Binding::Vrf(_) | Binding::Routes => None,
        }
    }

    /// The VRF.
    pub fn vrf(&self) -> Option<&str> {
        match self {
            Binding::Vrf(name) => Some(name),
            Binding::Interface(_) | Binding::Routes => None,
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Binding::Interface(name) => f.write_str(name),
            Binding::Vrf(name) => write!(f, "vrf {name}"),
            Binding::Routes => f.write_str("any interface"),
        }
    }
}
