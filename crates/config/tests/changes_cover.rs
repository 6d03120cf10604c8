//! No difference goes untold: every value of a rich configuration is made another one, one at a time.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

mod common;

use common::config;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vipd_config::changes::changes;
use vipd_config::model::Config;

/// Something of everything.
const RICH: &str = r#"
net_namespace_ipvs blue
global_defs {
    router_id one
    umask 027
    process_name one
    vrrp_process_name two
    vrrp_priority -1
    vrrp_rt_priority 2
    vrrp_cpu_affinity 0 1
    vrrp_rlimit_rttime 5000
    checker_no_swap
    vrrp_startup_delay 2.5
    vrrp_delay_after_boot 20
    vrrp_garp_extra_if all 60
    notification_email {
        ops@example.org
        root@example.org
    }
    notification_email_from vipd@example.org
    smtp_server 192.0.2.200 2525
    smtp_helo_name one.example.org
    notify_fifo /run/one
    notify_fifo_script /bin/true
    vrrp_notify_fifo /run/two
    lvs_notify_fifo /run/three
    startup_script /bin/true root
    shutdown_script /bin/true root
    notify_timeout 7
    lvs_flush_on_stop VS
    lvs_timeouts tcp 1 tcpfin 2 udp 3
    lvs_sync_daemon eth0 inst A id 3 maxlen 1000 port 8849 ttl 2 group 224.0.0.82
    lvs_sync_catch_up 20
}
linkbeat_interfaces {
    eth0 ETHTOOL
    eth1
}
interface_up_down_delays {
    eth0 0.5 0.25
}
garp_group {
    garp_interval 0.1
    gna_interval 0.2
    interfaces {
        eth0
        eth1
    }
}
garp_group {
    garp_interval 0.3
    interface eth2
}
static_ipaddress {
    192.0.2.9/24 dev eth0
    192.0.2.8/24 dev eth0
}
static_routes {
    10.0.1.0/24 via 192.0.2.254 dev eth0 mtu lock 1400 congctl cubic
    10.0.2.0/24 nexthop via 192.0.2.253 dev eth0 weight 2 nexthop via 192.0.2.254
}
static_rules {
    from 10.0.3.0/24 lookup 100 priority 5
    to 10.0.4.0/24 blackhole priority 6
}
vrrp_script s {
    script "/bin/true"
    interval 2
    user root
}
vrrp_script t {
    script "/bin/false"
    user root
}
track_file f {
    file /run/load
    init_file 3
}
track_file g {
    file /run/other
    init_file 3 overwrite
}
bfd_instance P {
    neighbor_ip 192.0.2.30
    source_ip 192.0.2.31
    passive
    multihop
    max_hops 3
}
bfd_instance Q {
    neighbor_ip 192.0.2.32
}
vrrp_track_process p {
    process nginx master
    quorum_max 3
    delay 2
}
vrrp_track_process q {
    process nginx
}
vrrp_instance A {
    interface eth0
    virtual_router_id 7
    version 2
    use_vmac vrrp.x 02:00:00:00:00:07 group 3
    use_vmac_addr
    witness 192.0.2.200
    witness_port 22
    witness_bfd P
    fence /bin/true root
    heartbeat_paths {
        eth4
        eth5 src 192.0.2.210 peer 192.0.2.211 peer 192.0.2.212
    }
    authentication {
        auth_type PASS
        auth_pass secret
    }
    notify_master /bin/true root
    track_interface {
        eth1 weight 5
        eth2
    }
    track_script {
        s weight -5
        t
    }
    track_file {
        f
        g weight 0 reverse
    }
    track_process {
        p
        q weight 3
    }
    virtual_ipaddress {
        192.0.2.1/24 brd + label eth0:1
        192.0.2.2
    }
    virtual_routes {
        2001:db8:1::/64 from 2001:db8:2::/64 via fe80::1 dev eth1 src 2001:db8::1 pref high expires 60 ttl-propagate enabled
        10.0.5.0/24 via 192.0.2.254 encap ip id 3 dst 192.0.2.252 src 192.0.2.1 tos 1 ttl 2 flags 3 realms 1/2
        10.0.6.0/24 vrf red dev eth2 onlink
    }
    virtual_rules {
        not from 10.0.7.0/24 to 10.0.8.0/24 iif eth1 oif eth2 fwmark 1/3 lookup 100 priority 7 uidrange 1-2
        sport 1-2 dport 3-4 ipproto 6 goto 9 priority 8
    }
    virtual_ipaddress_excluded {
        192.0.2.3
        192.0.2.4 dev eth3
    }
}
vrrp_instance B {
    interface eth0
    virtual_router_id 8
    unicast_src_ip 192.0.2.100
    nopreempt
    timer_expired_backup 120
    unicast_peer {
        192.0.2.101
        192.0.2.102
    }
    virtual_ipaddress {
        192.0.2.5
    }
}
vrrp_instance C {
    vrf blue
    virtual_router_id 9
    unicast_src_ip 192.0.2.110
    unicast_peer {
        192.0.2.111
    }
    virtual_ipaddress {
        192.0.2.6 dev eth0
    }
}
vrrp_instance D {
    virtual_router_id 9
    unicast_src_ip 192.0.2.120
    unicast_peer {
        192.0.2.121
    }
    virtual_ipaddress {
        192.0.2.7 dev eth0
    }
}
vrrp_sync_group G {
    group {
        A
        B
    }
    notify_master /bin/true root
}
SSL {
    certificate CERTIFICATE
    ca CERTIFICATE
}
virtual_server 192.0.2.1 80 {
    lvs_sched wlc
    persistence_timeout 60
    protocol TCP
    quorum_up /bin/true root
    quorum_down /bin/true root
    sorry_server 10.0.0.9 80
    real_server 10.0.0.1 80 {
        weight 3
        uthreshold 10
        lthreshold 5
        slow_start 30
        notify_up /bin/true root
        TCP_CHECK {
            reset_close
        }
        AGENT_CHECK {
            connect_port 9999
            agent_send web
        }
        GRPC_CHECK {
            service web
            virtualhost www.example.org
            enable_tls
            sni_name www.example.org
            tls_verify
        }
    }
    real_server 10.0.0.3 80 {
        SSL_GET {
            enable_sni
            tls_verify CERTIFICATE
            tls_expiry_warning 14
            url {
                path /
                virtualhost www.example.org
                tls_compliant
            }
        }
        SSL_GET {
            tls_verify
            url {
                path /
            }
        }
    }
    real_server 10.0.0.2 80 {
        HTTP_GET {
            url {
                path /
                status_code 200
            }
            url {
                path /status
                regex up
                regex_options caseless
                regex_min_offset 1
                regex_max_offset 9
            }
        }
    }
}
virtual_server 192.0.2.2 443 {
    protocol TCP
    servers_from_file /etc/vipd/web.servers {
        lvs_method DR
        slow_start 20
        notify_up /bin/true root
        TCP_CHECK {
        }
    }
    servers_from_dns web.example.org {
        port 8080
        resolver 192.0.2.201
        resolver 192.0.2.202
    }
    servers_from_dns _web._tcp.example.org {
        type SRV
    }
}
virtual_server fwmark 3 {
    real_server 10.0.0.1 0 {
    }
}
"#;

/// Other values that may stand in the place of this one; what is not of its type is not read.
fn others(value: &Value) -> Vec<Value> {
    let mut others = vec![Value::Null];
    match value {
        Value::Null => others.extend([
            json!(1),
            json!("x"),
            json!("Mii"),
            json!("192.0.2.77"),
            json!("192.0.2.77:9"),
            json!([1, 2, 3]),
            json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
            json!({ "sni": "Host" }),
            json!({ "regex": "x", "options": [], "absent": false, "min_offset": 0, "max_offset": null }),
            json!(true),
            json!(["192.0.2.77", 32]),
            json!([1, 2]),
            json!({ "Ila": 7 }),
            json!({ "path": "/x", "after": "Kept" }),
            json!({ "text": "/x", "argv": ["/x"], "uid": 1, "gid": 1, "groups": [] }),
        ]),
        Value::Bool(is) => others.push(json!(!is)),
        Value::Number(n) => {
            let n = n.as_i64().unwrap_or_default();
            others.extend([json!(n + 1), json!(n - 1)]);
        }
        Value::String(text) => {
            others.push(json!(format!("{text}x")));
            let words = [
                "192.0.2.77",
                "192.0.2.77:9",
                "V2",
                "V3",
                "V11",
                "Master",
                "Backup",
                "Never",
                "Exact",
                "Partial",
                "Udp",
                "rr",
                "Dr",
                "Inet6",
                "Private",
                "V6",
                "Single",
                "Unknown",
                "Active",
                "Blackhole",
                "LetGo",
                "Behind",
                "Nop",
                "Plain",
                "Mii",
                "Made",
                "Draining",
                "Everything",
                "Dotall",
                "Usual",
            ];
            others.extend(words.map(|word| json!(word)));
            others.push(json!({ "Secs": 9 }));
            others.push(json!({ "After": 9 }));
            others.push(json!({ "File": "/x" }));
            others.push(json!({ "Name": "x" }));
            others.push(json!({ "Vrf": "x" }));
            others.push(json!({ "Pass": [1, 2, 3, 4, 5, 6, 7, 8] }));
            let second = json!({ "secs": 1, "nanos": 0 });
            let rest = json!({ "argv": ["/x"], "timeout": second, "dynamic": false, "uid": 0, "gid": 0, "groups": [] });
            others.push(json!({ "Misc": rest }));
        }
        Value::Array(items) => {
            others.push(items.iter().rev().cloned().collect());
            others.push(items.iter().skip(1).cloned().collect());
            others.push(items.iter().cloned().chain([json!(7)]).collect());
        }
        Value::Object(_) => {}
    }
    others
}

/// A place without the numbers of its items.
fn field(place: &str) -> String {
    let part = |part: &str| if part.parse::<usize>().is_ok() { "*".to_owned() } else { part.to_owned() };
    place.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Where every value of a document stands.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| places(field, &format!("{at}/{name}"), found));
        }
        _ => {}
    }
}

#[test]
fn whatever_differs_is_told() {
    let old = config(&RICH.replace("CERTIFICATE", common::pem_file()));
    let old = Config { written: Vec::new(), ..old };
    let document = serde_json::to_value(&old).unwrap();
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let (mut compared, mut fields) = (0, BTreeSet::new());
    for place in &all {
        for other in others(document.pointer(place).unwrap()) {
            let mut changed = document.clone();
            *changed.pointer_mut(place).unwrap() = other.clone();
            let Ok(new) = serde_json::from_value::<Config>(changed) else { continue };
            if new == old {
                continue;
            }
            compared += 1;
            fields.insert(field(place));
            assert!(!changes(&old, &new).is_empty(), "{place} is {other}, and nothing is told");
            // No value needs a form that tells what its fields are called: the processes tell each other without.
            let bytes = postcard::to_allocvec(&new).unwrap();
            assert_eq!(postcard::from_bytes::<Config>(&bytes), Ok(new.clone()), "{place} is {other}");
            assert!(!changes(&new, &old).is_empty(), "{place} was {other}, and nothing is told");
        }
    }
    // No field was left as it is; those that hold others are covered by them.
    let leaf = |place: &&String| !matches!(document.pointer(place), Some(Value::Object(_) | Value::Array(_)));
    let never: BTreeSet<String> = all.iter().filter(leaf).map(|place| field(place)).collect();
    let never: Vec<&String> = never.difference(&fields).collect();
    assert!(never.is_empty() && compared > 500, "{compared} pairs; never another one: {never:?}");
}
