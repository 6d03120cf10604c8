//! Secrets of a configuration, made unreadable in such a way that two configurations can still be compared: with the same
//! key the same secret gives the same bytes. (RFC 2104 with MD5, cut to the length of the field it stands in.)

use hmac::{Hmac, KeyInit, Mac};
use vipd_config::model::Config;
use vipd_vrrp::settings::Auth;

/// Replaces every secret by what the key makes of it.
pub(crate) fn veil(config: &mut Config, key: &[u8]) {
    if let Some(identity) = &mut config.tls.identity {
        let veiled = veiled(identity.key.0.as_bytes(), key);
        identity.key.0 = veiled.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    for instance in &mut config.instances {
        match &mut instance.vrrp.auth {
            Auth::None => {}
            Auth::Pass(secret) | Auth::Ah(secret) => *secret = veiled(secret, key),
            Auth::Hmac(hmac) => {
                for secret in hmac.keys.values_mut() {
                    secret.0 = veiled(&secret.0, key).to_vec();
                }
            }
        }
    }
}

fn veiled(secret: &[u8], key: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    // A key of any length will do.
    if let Ok(mut mac) = Hmac::<md5::Md5>::new_from_slice(key) {
        mac.update(secret);
        out.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pass: &str) -> Config {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n version 2\n authentication {{\n auth_type PASS\n \
             auth_pass {pass}\n }}\n virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
        );
        vipd_config::load_str("test", &text, &vipd_config::Options::default()).config.unwrap()
    }

    #[test]
    fn the_same_stays_the_same_and_nothing_can_be_read() {
        let veiled = |pass: &str, key: &str| {
            let mut config = config(pass);
            veil(&mut config, key.as_bytes());
            config
        };
        assert_eq!(veiled("one", "key"), veiled("one", "key"));
        assert_ne!(veiled("one", "key"), veiled("two", "key"));
        assert_ne!(veiled("one", "key"), veiled("one", "yek"));
        assert_ne!(veiled("one", "key"), config("one"));
    }
}
