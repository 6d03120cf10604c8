//! Configurations for the laboratory, written as an administrator would.

use std::fmt::Write;

/// A `vrrp_instance`.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// `virtual_router_id`
    pub vrid: u8,
    /// `interface`
    pub interface: String,
    /// `version`
    pub version: u8,
    /// `priority`
    pub priority: u8,
    /// `advert_int`, as text.
    pub advert_int: String,
    /// `virtual_ipaddress`, a line each.
    pub addresses: Vec<String>,
    /// Further lines.
    pub extra: String,
}

impl Instance {
    /// VI_1, VRID 51 on eth0, with 10.77.0.100.
    pub fn new(version: u8, priority: u8, advert_int: &str) -> Instance {
        Instance {
            name: "VI_1".to_owned(),
            vrid: 51,
            interface: "eth0".to_owned(),
            version,
            priority,
            advert_int: advert_int.to_owned(),
            addresses: vec!["10.77.0.100/32".to_owned()],
            extra: String::new(),
        }
    }

    /// With further lines.
    pub fn with(mut self, lines: &str) -> Instance {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Instance { name, vrid, interface, version, priority, advert_int, .. } = self;
        let _ = writeln!(
            text,
            "vrrp_instance {name} {{\n    state BACKUP\n    interface {interface}\n    virtual_router_id {vrid}\n    \
             version {version}\n    priority {priority}\n    advert_int {advert_int}\n    virtual_ipaddress {{"
        );
        for address in &self.addresses {
            let _ = writeln!(text, "        {address}");
        }
        let _ = writeln!(text, "    }}\n{}}}\n", self.extra);
        text
    }
}

/// Authentication by password.
pub const PASS: &str = "authentication {\n auth_type PASS\n auth_pass Hudlnej7\n}";
/// Authentication by header.
pub const AH: &str = "authentication {\n auth_type AH\n auth_pass Hudlnej7\n}";

/// How long a backup waits for the master, in seconds: the protocol's formula.
pub fn master_down(version: u8, priority: u8, advert_int: f64) -> f64 {
    3.0 * advert_int + skew(version, priority, advert_int)
}

/// How long a backup waits after a good-bye, in seconds.
pub fn skew(version: u8, priority: u8, advert_int: f64) -> f64 {
    let base = if version == 2 { 1.0 } else { advert_int };
    (256.0 - f64::from(priority)) / 256.0 * base
}
